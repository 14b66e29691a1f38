//! Twilio's recordings: the request that begins one, the resource, its callback.
//! The names are checked against the vendor's OpenAPI document in `tests/carrier_spec.rs`.

use serde::{Deserialize, Serialize};

use super::dialect::Dialect;
use super::form;
use super::twilio::{API_VERSION, REPEATED};
use crate::base::Sid;

/// The form of `POST …/Calls/{CA}/Recordings.json`: both parties apart, silence kept, so that places on it are times.
pub fn begin_form(told: &str, dialect: Dialect) -> Vec<(&'static str, String)> {
    let mut pairs = vec![
        ("RecordingChannels", "dual".to_owned()),
        ("Trim", "do-not-trim".to_owned()),
        ("RecordingStatusCallback", format!("{told}{REPEATED}")),
        ("RecordingStatusCallbackMethod", "POST".to_owned()),
    ];
    let events = dialect.events(&["completed", "absent"]);
    pairs.extend(events.into_iter().map(|events| ("RecordingStatusCallbackEvent", events)));
    pairs
}

/// Path of a call's recordings, below the base URL.
pub fn of_call_path(account_sid: &str, call_sid: &str) -> String {
    format!("/{API_VERSION}/Accounts/{account_sid}/Calls/{}/Recordings.json", form::segment(call_sid))
}

/// Path of one recording, below the base URL. `form`: `json` its state, `wav` its sound.
pub fn path(account_sid: &str, recording_sid: &str, form: &str) -> String {
    format!("/{API_VERSION}/Accounts/{account_sid}/Recordings/{recording_sid}.{form}")
}

/// A Recording as the API answers it. Reading is forgiving: every field may be missing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)] // the fields are the vendor's
pub struct RecordingResource {
    pub sid: Option<String>,
    pub account_sid: Option<String>,
    pub call_sid: Option<String>,
    pub api_version: Option<String>,
    pub date_created: Option<String>,
    pub date_updated: Option<String>,
    pub start_time: Option<String>,
    pub duration: Option<String>,
    pub status: Option<String>,
    pub channels: Option<i64>,
    pub source: Option<String>,
    pub error_code: Option<i64>,
    pub price: Option<String>,
    pub price_unit: Option<String>,
    pub uri: Option<String>,
}

/// A page of a call's recordings.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)] // the fields are the vendor's
pub struct RecordingPage {
    pub recordings: Vec<RecordingResource>,
    pub next_page_uri: Option<String>,
    pub page: u64,
    pub page_size: u64,
    pub uri: Option<String>,
}

/// Where a recording stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordingState {
    /// It grows, or is being made ready: ask later.
    Pending,
    /// It can be fetched.
    Ready,
    /// There is none and there will be none; the carrier's code where it tells one (16101 too short, 16102 silent).
    Absent(Option<i64>),
}

impl RecordingState {
    /// In the carrier's words. A word that we do not know may become one that we do: ask later.
    pub fn of(status: &str, error: Option<i64>) -> RecordingState {
        match status {
            "completed" => RecordingState::Ready,
            "absent" | "deleted" => RecordingState::Absent(error),
            _ => RecordingState::Pending,
        }
    }
}

/// A callback about a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingTold {
    /// The recording.
    pub recording: Sid,
    /// What it has become.
    pub state: RecordingState,
    /// The call that it is of, if it says so.
    pub call: Option<Sid>,
}

/// Reads a callback about a recording; `None`: it is about something else. Its `RecordingUrl` is not read: where our
/// credentials go is our own settings' matter, not that of a request from outside.
pub fn read_callback(pairs: &[(String, String)]) -> Option<RecordingTold> {
    let get = |name: &str| form::first(pairs, name).filter(|value| !value.is_empty());
    // A call's last callback names its recording, too, and is about the call.
    if get("CallStatus").is_some() {
        return None;
    }
    let error = get("ErrorCode").and_then(|code| code.parse().ok());
    let recording = get("RecordingSid")?.parse().ok()?;
    let call = get("CallSid").and_then(|sid| sid.parse().ok());
    Some(RecordingTold { recording, state: RecordingState::of(get("RecordingStatus")?, error), call })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callback_about_a_call_is_none_about_its_recording() {
        let read = |text: &str| read_callback(&form::decode(text.as_bytes()));
        let told = read("RecordingSid=RE1&RecordingStatus=absent&ErrorCode=16102&CallSid=CA1").expect("a recording's");
        assert_eq!(told.state, RecordingState::Absent(Some(16_102)));
        assert_eq!((told.recording.as_str(), told.call.map(|sid| sid.to_string())), ("RE1", Some("CA1".to_owned())));
        assert_eq!(read("RecordingSid=RE1&RecordingStatus=completed&CallStatus=completed"), None);
        assert_eq!(read("RecordingStatus=completed"), None);
        let later = read("RecordingSid=RE1&RecordingStatus=processing").expect("a recording's");
        assert_eq!(later.state, RecordingState::Pending);
    }
}
