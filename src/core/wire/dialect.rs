//! Twilio's API as its relatives serve it: the same words at other paths, under other headers.

use std::borrow::Cow;

use super::twilio::API_VERSION;

/// Whose form of the API it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// Twilio's own.
    #[default]
    Twilio,
    /// SignalWire's (cXML, once LaML): below `/api/laml`, without `.json`; a new call is answered with 200; ids are UUIDs;
    /// callbacks are signed with a key of their own; the upgrade of a media socket is not signed.
    SignalWire,
}

/// Where SignalWire's form of the API begins.
const LAML: &str = "/api/laml";

impl Dialect {
    /// Twilio's path in this dialect; a path that the carrier itself gave stays as it is.
    pub fn path(self, path: &str) -> Cow<'_, str> {
        match self {
            Dialect::SignalWire if path.starts_with(&format!("/{API_VERSION}/")) => {
                let (bare, query) = path.split_once('?').map_or((path, None), |(bare, query)| (bare, Some(query)));
                let bare = bare.strip_suffix(".json").unwrap_or(bare);
                let query = query.map_or_else(String::new, |query| format!("?{query}"));
                Cow::Owned(format!("{LAML}{bare}{query}"))
            }
            Dialect::Twilio | Dialect::SignalWire => Cow::Owned(path.to_owned()),
        }
    }

    /// Several events as the values of one repeated name, or as one text.
    pub fn events(self, events: &[&str]) -> Vec<String> {
        match self {
            Dialect::Twilio => events.iter().map(|event| (*event).to_owned()).collect(),
            Dialect::SignalWire => vec![events.join(" ")],
        }
    }

    /// The header of a webhook's signature.
    pub fn signature_header(self) -> &'static str {
        match self {
            Dialect::Twilio => super::signature::HEADER,
            Dialect::SignalWire => super::signature::SIGNALWIRE_HEADER,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::wire::{recordings, twilio};

    #[test]
    fn paths_are_the_relatives_own_and_given_ones_are_left_alone() {
        let ours = Dialect::SignalWire;
        assert_eq!(ours.path(&twilio::calls_path("p")), "/api/laml/2010-04-01/Accounts/p/Calls");
        let listed = format!("{}?To=%2B1&PageSize=50", twilio::calls_path("p"));
        assert_eq!(ours.path(&listed), "/api/laml/2010-04-01/Accounts/p/Calls?To=%2B1&PageSize=50");
        assert_eq!(ours.path(&recordings::path("p", "r", "wav")), "/api/laml/2010-04-01/Accounts/p/Recordings/r.wav");
        let given = "/api/laml/2010-04-01/Accounts/p/Calls?Page=1";
        assert_eq!(ours.path(given), given);
        assert_eq!(Dialect::Twilio.path(&listed), listed);
    }
}
