//! 3CX's Call Control API (V20): paths, participants, events, answers. Pure.
//!
//! What is read is read leniently: an id may be a number or text, a field may be missing, another may be new. What an event
//! says is only that something has changed: the state is asked for. Source: 3CX's own MIT-licensed examples.

pub mod calls;
pub mod hook;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::form;
use crate::base::{Secret, limits};
use crate::core::dial::CallStatus;

/// Everything that this client sees.
pub const ALL: &str = "/callcontrol";
/// The socket of events.
pub const EVENTS: &str = "/callcontrol/ws";
/// Where a token is given.
pub const TOKEN: &str = "/connect/token";

/// Where a call of an extension is made.
pub fn make_call(dn: &str) -> String {
    format!("{ALL}/{}/makecall", form::segment(dn))
}

/// A participant; `what`: nothing, or what to do with it (`drop`, `answer`, `routeto`, `stream`).
pub fn participant(dn: &str, id: u64, what: &str) -> String {
    let bare = format!("{ALL}/{}/participants/{id}", form::segment(dn));
    if what.is_empty() { bare } else { format!("{bare}/{what}") }
}

/// How far a participant is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It calls somebody, who has not answered.
    Dialing,
    /// It is called, and has not answered.
    Ringing,
    /// It is connected.
    Connected,
    /// Another word.
    Other,
}

impl Stage {
    /// Where a call stands whose own participant says this. A participant that is there has not ended.
    pub fn status(self) -> CallStatus {
        match self {
            Stage::Connected => CallStatus::InProgress,
            Stage::Dialing | Stage::Ringing => CallStatus::Ringing,
            Stage::Other => CallStatus::Initiated,
        }
    }
}

/// One end of a call, at an extension that this client sees.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct Participant {
    /// Its number at the telephone system.
    #[serde(deserialize_with = "number")]
    pub id: Option<u64>,
    /// The call's, the same for both ends.
    #[serde(deserialize_with = "number")]
    pub callid: Option<u64>,
    /// `Dialing`, `Ringing`, `Connected`, …
    #[serde(deserialize_with = "text")]
    pub status: String,
    /// Its extension.
    #[serde(deserialize_with = "text")]
    pub dn: String,
    /// The other end's number.
    #[serde(deserialize_with = "text")]
    pub party_caller_id: String,
    /// The number that the other end has called.
    #[serde(deserialize_with = "text")]
    pub party_did: String,
}

impl Participant {
    /// How far it is.
    pub fn stage(&self) -> Stage {
        match self.status.as_str() {
            "Connected" => Stage::Connected,
            "Dialing" => Stage::Dialing,
            "Ringing" => Stage::Ringing,
            _ => Stage::Other,
        }
    }
}

/// A number, or text that is one; anything else is none.
fn number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    })
}

/// Text, or a number as text; anything else is empty.
fn text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::String(text) => text,
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    })
}

/// Everything that a client sees at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct View {
    /// The extensions, with their types (`Wroutepoint`, `Wextension`, …).
    pub dns: Vec<(String, String)>,
    /// Their participants.
    pub participants: Vec<Participant>,
}

/// Reads the answer to [`ALL`]. `None`: it is no list. An entry that makes no sense is passed over.
pub fn view(body: &[u8]) -> Option<View> {
    let list: Vec<Value> = serde_json::from_slice(body).ok()?;
    let mut view = View::default();
    for entry in list {
        let Some(dn) = entry.get("dn").and_then(as_text) else { continue };
        let kind = entry.get("type").and_then(as_text).unwrap_or_default();
        for typed in entry.get("participants").and_then(Value::as_array).into_iter().flatten() {
            let Ok(mut typed) = Participant::deserialize(typed) else { continue };
            if typed.id.is_some() && view.participants.len() < limits::PBX_PARTICIPANTS {
                typed.dn.clone_from(&dn);
                view.participants.push(typed);
            }
        }
        view.dns.push((dn, kind));
    }
    Some(view)
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// What an event says about a participant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// It is new or has changed: ask.
    Changed,
    /// It is gone.
    Removed,
    /// Keys were pressed.
    Keys(String),
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Counts events.
    pub sequence: Option<u64>,
    /// Whose: extension and participant, and what. `None`: it says nothing that we need.
    pub about: Option<(String, u64, What)>,
}

/// Reads an event. `None`: it is none.
pub fn read(text: &str) -> Option<Told> {
    let told: Value = serde_json::from_str(text).ok()?;
    let event = told.get("event")?;
    let sequence = told.get("sequence").and_then(Value::as_u64);
    let about = || {
        let (dn, id) = entity(event.get("entity")?.as_str()?)?;
        let what = match event.get("event_type")?.as_u64()? {
            0 => What::Changed,
            1 => What::Removed,
            2 => {
                let keys = event.get("attached_data")?.get("dtmf_input")?;
                let keys = as_text(keys)?.chars().filter(|key| "0123456789*#ABCD".contains(*key)).take(32).collect();
                What::Keys(keys)
            }
            _ => return None,
        };
        Some((dn, id, what))
    };
    Some(Told { sequence, about: about() })
}

/// `/callcontrol/DN/participants/ID`, and nothing else.
fn entity(path: &str) -> Option<(String, u64)> {
    let rest = path.strip_prefix(ALL)?.strip_prefix('/')?;
    let mut parts = rest.split('/');
    let (dn, kind, id) = (parts.next()?, parts.next()?, parts.next()?);
    let whole = kind == "participants" && parts.next().is_none() && !dn.is_empty();
    if whole { Some((dn.to_owned(), id.parse().ok()?)) } else { None }
}

/// Finds gaps in the counting of events.
#[derive(Debug, Default)]
pub struct Counting(Option<u64>);

impl Counting {
    /// Whether something is missing before this event. One that comes late or twice is no gap.
    pub fn misses(&mut self, sequence: Option<u64>) -> bool {
        let Some(sequence) = sequence else { return false };
        let gap = self.0.is_some_and(|last| sequence > last.saturating_add(1));
        self.0 = Some(self.0.map_or(sequence, |last| last.max(sequence)));
        gap
    }
}

/// What the answer to an order says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Made {
    /// The call exists: its participant at our extension.
    Call(Participant),
    /// No call was made: the words for it, if there are any.
    Refused(String),
    /// It was made, and the answer does not name it; or the answer makes no sense.
    Unclear,
}

/// Reads the answer to an order. An answer without an id is a failure only where it says that it is one.
pub fn made(body: &[u8]) -> Made {
    let Ok(answer) = serde_json::from_slice::<Value>(body) else { return Made::Unclear };
    let result = answer.get("result").and_then(|result| Participant::deserialize(result).ok());
    let named = result.filter(|participant| participant.id.is_some());
    match (answer.get("finalstatus").and_then(Value::as_i64), named) {
        (_, Some(participant)) => Made::Call(participant),
        (Some(-1 | 0), None) => {
            let words = ["reasontext", "reason"].iter().find_map(|name| as_text(answer.get(*name)?));
            Made::Refused(words.unwrap_or_default())
        }
        (_, None) => Made::Unclear,
    }
}

/// A token, and how many seconds it holds, where that is said.
#[derive(Debug)]
pub struct Given {
    /// The token.
    pub token: Secret,
    /// Seconds.
    pub expires_in: Option<u64>,
}

/// Reads the answer to a question for a token. `None`: there is none in it that could stand in a header.
pub fn given(body: &[u8]) -> Option<Given> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let token = answer.get("access_token")?.as_str()?;
    let fits = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    let expires_in = answer.get("expires_in").and_then(Value::as_u64);
    fits.then(|| Given { token: Secret::new(token.to_owned()), expires_in })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_is_read_leniently_and_garbage_is_passed_over() {
        let body = br#"[{"dn":"800","type":"Wroutepoint","new":{},"devices":[],"participants":[
            {"id":7,"status":"Dialing","dn":"800","party_caller_id":"+15005550001","callid":"3","legid":1,"x":[]},
            {"id":null,"status":"Connected"}, 5, {"id":"8","status":9}]},
            {"type":"Wextension"}, 7, {"dn":100,"participants":null}]"#;
        let view = view(body).expect("a list");
        assert_eq!(view.dns, [("800".into(), "Wroutepoint".into()), ("100".into(), String::new())]);
        let first = &view.participants[0];
        assert_eq!((first.id, first.callid, first.stage()), (Some(7), Some(3), Stage::Dialing));
        assert_eq!(view.participants[1].id, Some(8));
        assert_eq!(view.participants.len(), 2);
        for none in [&b"{}"[..], b"", b"7", b"[", b"\xff"] {
            assert_eq!(super::view(none), None);
        }
    }

    #[test]
    fn an_event_says_whose_and_what_and_nothing_else_is_one() {
        let event = |kind: u8, more: &str| {
            format!(
                r#"{{"sequence":4,"event":{{"event_type":{kind},"entity":"/callcontrol/800/participants/7"{more}}}}}"#
            )
        };
        let about = |text: &str| read(text).and_then(|told| told.about);
        assert_eq!(about(&event(0, "")), Some(("800".into(), 7, What::Changed)));
        assert_eq!(about(&event(1, "")), Some(("800".into(), 7, What::Removed)));
        let keys = event(2, r#","attached_data":{"dtmf_input":"9x#"}"#);
        assert_eq!(about(&keys), Some(("800".into(), 7, What::Keys("9#".into()))));
        assert_eq!(read(&event(3, "")), Some(Told { sequence: Some(4), about: None }));
        for odd in [
            event(0, "").replace("participants", "devices"),
            event(0, "").replace("/7", "/7/stream"),
            event(0, "").replace("/7", "/x"),
            event(0, "").replace("/callcontrol", "/other"),
            event(2, ""),
        ] {
            assert_eq!(about(&odd), None, "{odd}");
        }
        for none in ["", "[]", "{}", "7", "{\"event\":"] {
            assert_eq!(read(none), None, "{none}");
        }
    }

    #[test]
    fn a_gap_is_seen_once_and_what_comes_late_or_twice_is_none() {
        let mut counting = Counting::default();
        let seen: Vec<bool> =
            [Some(5), Some(6), Some(6), None, Some(9), Some(8), Some(10)].map(|it| counting.misses(it)).into();
        assert_eq!(seen, [false, false, false, false, true, false, false]);
    }

    #[test]
    fn an_order_is_refused_only_where_the_answer_says_so_and_names_no_call() {
        let call = made(br#"{"finalstatus":1,"reason":"","result":{"id":7,"status":"Dialing","dn":"800"}}"#);
        assert!(matches!(call, Made::Call(Participant { id: Some(7), .. })), "{call:?}");
        let no = br#"{"finalstatus":-1,"reason":"NotFound","reasontext":"no such number","result":null}"#;
        assert_eq!(made(no), Made::Refused("no such number".into()));
        assert_eq!(made(br#"{"finalstatus":0}"#), Made::Refused(String::new()));
        // An id is a call, whatever stands beside it.
        assert!(matches!(made(br#"{"finalstatus":-1,"result":{"id":7}}"#), Made::Call(_)));
        for unclear in [&b"{}"[..], b"<html>", br#"{"finalstatus":1,"result":null}"#, b""] {
            assert_eq!(made(unclear), Made::Unclear);
        }
    }
}
