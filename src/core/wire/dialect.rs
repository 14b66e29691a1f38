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
    /// Telnyx's (TeXML): below `/v2/texml`, without `.json`; orders in JSON, under a bearer's key; the answer to one may not
    /// name the call; callbacks are signed by ed25519; the upgrade of a media socket is not signed.
    Telnyx,
}

/// Where SignalWire's form of the API begins.
const LAML: &str = "/api/laml";
/// Where Telnyx's form of the API begins, in place of the version.
const TEXML: &str = "/v2/texml";

impl Dialect {
    /// Twilio's path in this dialect; a path that the carrier itself gave stays as it is.
    pub fn path(self, path: &str) -> Cow<'_, str> {
        let version = format!("/{API_VERSION}");
        let Some(below) = path.strip_prefix(&version).filter(|rest| rest.starts_with('/')) else {
            return Cow::Owned(path.to_owned());
        };
        let root = match self {
            Dialect::Twilio => return Cow::Borrowed(path),
            Dialect::SignalWire => format!("{LAML}{version}"),
            Dialect::Telnyx => TEXML.to_owned(),
        };
        let (bare, query) = below.split_once('?').map_or((below, None), |(bare, query)| (bare, Some(query)));
        let bare = bare.strip_suffix(".json").unwrap_or(bare);
        let query = query.map_or_else(String::new, |query| format!("?{query}"));
        Cow::Owned(format!("{root}{bare}{query}"))
    }

    /// Several events as the values of one repeated name, or as one text.
    pub fn events(self, events: &[&str]) -> Vec<String> {
        match self {
            Dialect::Twilio => events.iter().map(|event| (*event).to_owned()).collect(),
            Dialect::SignalWire | Dialect::Telnyx => vec![events.join(" ")],
        }
    }

    /// The header of a webhook's signature.
    pub fn signature_header(self) -> &'static str {
        match self {
            Dialect::Twilio => super::signature::HEADER,
            Dialect::SignalWire => super::signature::SIGNALWIRE_HEADER,
            Dialect::Telnyx => super::ed25519::HEADER,
        }
    }

    /// How many calls a page of a list may have. Telnyx names no most, so a modest number is asked for.
    pub fn page_size(self) -> u32 {
        match self {
            Dialect::Twilio | Dialect::SignalWire => 1_000,
            Dialect::Telnyx => 100,
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
        let ours = Dialect::Telnyx;
        assert_eq!(ours.path(&twilio::calls_path("p")), "/v2/texml/Accounts/p/Calls");
        assert_eq!(ours.path(&twilio::call_path("p", "v3:a-b_c")), "/v2/texml/Accounts/p/Calls/v3%3Aa-b_c");
        let given = "/v2/texml/Accounts/p/Calls.json?Page=1&PageToken=x";
        assert_eq!(ours.path(given), given);
    }
}
