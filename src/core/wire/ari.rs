//! Asterisk's REST interface (ARI): ids that are ours, paths, events, and what a hang-up cause means. Pure.
//!
//! The channel of an attempt is named by the attempt, so every event tells whose it is, also after a restart, and a call
//! whose answer was lost is asked about by its name.

use serde::Deserialize;

use super::form;
pub use super::ours::{attempt_of, call_of as channel_of, dialed as endpoint};
use crate::base::{AttemptId, Wall};
use crate::core::dial::CallStatus;

/// Id of the channel of our sound.
pub fn media_of(attempt: AttemptId) -> String {
    format!("{}-media", channel_of(attempt))
}

/// Id of the bridge of the two.
pub fn bridge_of(attempt: AttemptId) -> String {
    format!("{}-bridge", channel_of(attempt))
}

/// A path with its query; values are percent-encoded.
pub fn path(bare: &str, query: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = query.iter().map(|(name, value)| format!("{name}={}", form::segment(value))).collect();
    if pairs.is_empty() { format!("/ari/{bare}") } else { format!("/ari/{bare}?{}", pairs.join("&")) }
}

/// A channel as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Channel {
    /// Its id.
    pub id: String,
    /// `Down`, `Rsrvd`, `Ring`, `Ringing`, `Up`, …
    #[serde(default)]
    pub state: String,
    /// When it was made, ISO 8601.
    #[serde(default)]
    pub creationtime: Option<String>,
}

/// What was made by a request for a media channel: its variables, where the answer has them.
#[derive(Debug, Default, Deserialize)]
pub struct Made {
    #[serde(default)]
    channelvars: Option<std::collections::BTreeMap<String, Option<String>>>,
}

impl Made {
    /// A variable that is there and says something.
    pub fn variable(self, name: &str) -> Option<String> {
        self.channelvars?.remove(name)?.filter(|value| !value.is_empty())
    }
}

/// A channel variable, asked for by its name.
#[derive(Debug, Deserialize)]
pub struct Variable {
    /// What it says.
    pub value: String,
}

/// The parts of an Asterisk's description that are read here.
#[derive(Debug, Deserialize)]
pub struct Info {
    system: Option<System>,
}

#[derive(Debug, Deserialize)]
struct System {
    version: Option<String>,
}

impl Info {
    /// Its version; empty if it does not say.
    pub fn version(self) -> String {
        self.system.and_then(|it| it.version).unwrap_or_default()
    }
}

impl Channel {
    /// Where its call stands: a channel that is there has not ended.
    pub fn status(&self) -> CallStatus {
        match self.state.as_str() {
            "Up" => CallStatus::InProgress,
            "Ringing" | "Ring" => CallStatus::Ringing,
            _ => CallStatus::Initiated,
        }
    }
}

/// Reads a time: Asterisk writes `2026-11-29T01:28:05.000+0000`.
pub fn time(text: &str) -> Option<Wall> {
    let colon = match text.len().checked_sub(5) {
        Some(at) if text.is_char_boundary(at) && text[at..].starts_with(['+', '-']) => {
            format!("{}:{}", &text[..at + 3], &text[at + 3..])
        }
        _ => text.to_owned(),
    };
    colon.parse::<jiff::Timestamp>().ok().map(|stamp| Wall(stamp.as_millisecond()))
}

/// What an event says about a callee's channel of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Whose it is.
    pub attempt: AttemptId,
    /// When, by Asterisk's clock.
    pub at: Option<Wall>,
    /// What happened.
    pub what: What,
}

/// What happened to a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// It rings.
    Ringing,
    /// It was answered; its bridge comes with [`What::Entered`].
    Up,
    /// It was answered and is in our application: it may be bridged.
    Entered,
    /// A key was pressed.
    Key(char),
    /// It is gone.
    Gone(Cause),
}

/// Why a channel is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cause {
    /// Q.850.
    pub cause: u16,
    /// The technology's own: SIP's answer.
    pub tech: Option<u16>,
    /// Whether it was up at its end.
    pub up: bool,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    timestamp: Option<String>,
    #[serde(default)]
    channel: Option<Channel>,
    #[serde(default)]
    peer: Option<Channel>,
    #[serde(default)]
    dialstatus: Option<String>,
    #[serde(default)]
    digit: Option<String>,
    #[serde(default)]
    cause: Option<u16>,
    #[serde(default)]
    tech_cause: Option<u16>,
}

/// Reads an event; `None`: it is about nothing of ours, or says nothing that we need.
pub fn read(text: &str) -> Option<Told> {
    let event: Event = serde_json::from_str(text).ok()?;
    let at = event.timestamp.as_deref().and_then(time);
    if event.kind == "Dial" {
        let attempt = attempt_of(&event.peer?.id)?;
        let rings = event.dialstatus.as_deref() == Some("RINGING");
        return rings.then_some(Told { attempt, at, what: What::Ringing });
    }
    let channel = event.channel?;
    let attempt = attempt_of(&channel.id)?;
    let what = match event.kind.as_str() {
        "ChannelStateChange" if channel.state == "Ringing" => What::Ringing,
        "ChannelStateChange" if channel.state == "Up" => What::Up,
        "StasisStart" => What::Entered,
        "ChannelDtmfReceived" => {
            let mut keys = event.digit.as_deref()?.chars();
            let key = keys.next().filter(|key| "0123456789*#ABCD".contains(*key))?;
            if keys.next().is_some() {
                return None;
            }
            What::Key(key)
        }
        "ChannelDestroyed" => {
            let up = channel.state == "Up";
            What::Gone(Cause { cause: event.cause.unwrap_or(0), tech: event.tech_cause.filter(|code| *code > 0), up })
        }
        _ => return None,
    };
    Some(Told { attempt, at, what })
}

/// What the end of a call was. `answered`: it was up at some time. Both causes are looked at, the technology's first;
/// the dial status says less (a declined call and a wrong number are both `NOANSWER`).
pub fn ending(cause: Cause, answered: bool) -> CallStatus {
    if answered || cause.up {
        return CallStatus::Completed;
    }
    match (cause.tech, cause.cause) {
        (Some(486 | 600 | 603), _) => CallStatus::Busy,
        // Asterisk also says 480 and 19 for our own ring timeout, and for a peer that is dead.
        (Some(408 | 480), _) => CallStatus::NoAnswer,
        (Some(487), _) => CallStatus::Canceled,
        (Some(400..), _) => CallStatus::Failed,
        (_, 17 | 21) => CallStatus::Busy,
        (_, 18..=20) => CallStatus::NoAnswer,
        // Ended by a request of ours before anybody answered.
        (_, 16 | 26) => CallStatus::Canceled,
        (_, _) => CallStatus::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01a22501-d578-7638-be09-7fbb46c2e1fd";

    fn attempt() -> AttemptId {
        ID.parse().expect("a UUID")
    }

    #[test]
    fn a_channel_tells_whose_it_is_and_others_are_nobodys() {
        assert_eq!(attempt_of(&channel_of(attempt())), Some(attempt()));
        for other in [
            media_of(attempt()),
            bridge_of(attempt()),
            "1732843685.12".to_owned(),
            "ahoy-".to_owned(),
            format!("ahoy-{}", ID.to_uppercase()),
            format!("ahoy-{{{ID}}}"),
        ] {
            assert_eq!(attempt_of(&other), None, "{other}");
        }
        assert_eq!(endpoint("PJSIP/{digits}@trunk", "+15005550001"), "PJSIP/15005550001@trunk");
        assert_eq!(path("channels/x", &[("endpoint", "PJSIP/+1@t")]), "/ari/channels/x?endpoint=PJSIP%2F%2B1%40t");
    }

    #[test]
    fn events_are_read_as_asterisk_writes_them() {
        let what = |text: String| read(&text).map(|told| told.what);
        let event = |kind: &str, state: &str, more: &str| {
            format!(
                r#"{{"type":"{kind}","timestamp":"2026-11-29T01:28:05.250+0000","application":"ahoy","channel":
                {{"id":"ahoy-{ID}","name":"PJSIP/trunk-1","state":"{state}","caller":{{}}}}{more}}}"#
            )
        };
        assert_eq!(what(event("ChannelStateChange", "Ringing", "")), Some(What::Ringing));
        assert_eq!(what(event("ChannelStateChange", "Up", "")), Some(What::Up));
        assert_eq!(what(event("StasisStart", "Up", r#","args":["callee"]"#)), Some(What::Entered));
        assert_eq!(what(event("ChannelDtmfReceived", "Up", r#","digit":"9","duration_ms":90"#)), Some(What::Key('9')));
        let gone =
            what(event("ChannelDestroyed", "Ringing", r#","cause":17,"cause_txt":"User busy","tech_cause":486"#));
        assert_eq!(gone, Some(What::Gone(Cause { cause: 17, tech: Some(486), up: false })));
        let dial = format!(r#"{{"type":"Dial","dialstatus":"RINGING","peer":{{"id":"ahoy-{ID}","state":"Ringing"}}}}"#);
        assert_eq!(what(dial.clone()), Some(What::Ringing));
        assert_eq!(what(dial.replace("RINGING", "")), None);
        let told = read(&event("StasisStart", "Up", "")).expect("read");
        assert_eq!(told.at, Some(Wall(1_795_915_685_250)));
        for nothing in
            ["", "{}", "[]", r#"{"type":"StasisStart"}"#, r#"{"type":"ChannelDestroyed","channel":{"id":"7"}}"#]
        {
            assert_eq!(read(nothing), None, "{nothing}");
        }
    }

    /// As measured on a real Asterisk (reference): the dial status of four of them is `NOANSWER`.
    #[test]
    fn an_end_is_told_by_its_causes() {
        for (cause, tech, want) in [
            (17, 486, CallStatus::Busy),
            (21, 603, CallStatus::Busy),
            (1, 404, CallStatus::Failed),
            (19, 480, CallStatus::NoAnswer),
            (34, 503, CallStatus::Failed),
            (19, 0, CallStatus::NoAnswer),
            (16, 0, CallStatus::Canceled),
            (16, 487, CallStatus::Canceled),
            (0, 0, CallStatus::Failed),
        ] {
            let cause = Cause { cause, tech: (tech > 0).then_some(tech), up: false };
            assert_eq!(ending(cause, false), want, "{cause:?}");
            assert_eq!(ending(cause, true), CallStatus::Completed, "{cause:?}");
        }
    }
}
