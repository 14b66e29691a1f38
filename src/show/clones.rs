//! Cloned voices as tables and JSON.

use std::time::Duration;

use serde_json::{Value, json};

use super::table::table;
use crate::base::{Phone, Wall};
use crate::core::clone::slots::Slots;

/// One clone, in words.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CloneLine {
    /// Row in the ledger.
    pub id: i64,
    /// Whose, masked.
    pub caller: String,
    /// At which service.
    pub provider: &'static str,
    /// `making`, `ready`, `failed`.
    pub state: &'static str,
    /// The service's id of the voice.
    pub voice: Option<String>,
    /// When it was made.
    pub made: Option<String>,
    /// When it was last used.
    pub used: String,
    /// When it expires.
    pub expires: Option<String>,
    /// The day of the consent.
    pub consented_on: String,
    /// Its words.
    pub consent: String,
    /// Why it failed last.
    pub reason: Option<String>,
    /// What happened, newest first.
    pub events: Vec<EventLine>,
}

/// One event, in words.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventLine {
    /// When.
    pub at: String,
    /// `clone-ready`, `clone-failed`, `clone-transfer`.
    pub event: String,
    /// The call that waited.
    pub call: Option<String>,
    /// From the wish on, ms.
    pub took_ms: u64,
    /// From memory.
    pub cached: bool,
    /// Kind of the fault.
    pub fault: Option<String>,
    /// In words.
    pub error: Option<String>,
}

impl EventLine {
    /// As JSON; fields are only ever added.
    pub fn json(&self) -> Value {
        json!({ "at": self.at, "event": self.event, "call": self.call, "took_ms": self.took_ms, "cached": self.cached,
            "fault": self.fault, "error": self.error })
    }

    /// In one line.
    pub fn text(&self) -> String {
        let call = self.call.as_ref().map_or(String::new(), |call| format!("  call {call}"));
        let how = match (&self.error, self.cached) {
            (Some(error), _) => format!(": {error}"),
            (None, true) => " from memory".to_owned(),
            (None, false) => String::new(),
        };
        format!("{}  {}{how} after {}{call}", self.at, self.event, seconds(Duration::from_millis(self.took_ms)))
    }
}

/// A clone as JSON; fields are only ever added.
pub fn clone_json(line: &CloneLine) -> Value {
    json!({ "id": line.id, "caller": line.caller, "provider": line.provider, "state": line.state, "voice": line.voice,
        "made_at": line.made, "used_at": line.used, "expires_at": line.expires, "consented_on": line.consented_on,
        "consent": line.consent, "reason": line.reason,
        "events": line.events.iter().map(EventLine::json).collect::<Vec<_>>() })
}

/// Clones as a table, each with its events below if there are any to show.
pub fn clones_text(lines: &[CloneLine]) -> String {
    let dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let rows: Vec<Vec<String>> = lines
        .iter()
        .map(|it| {
            let state = it.reason.as_ref().map_or_else(|| it.state.to_owned(), |why| format!("{}: {why}", it.state));
            let id = it.id.to_string();
            vec![
                id,
                it.caller.clone(),
                dash(&it.voice),
                dash(&it.made),
                it.used.clone(),
                dash(&it.expires),
                it.consented_on.clone(),
                state,
            ]
        })
        .collect();
    let mut text = table(&["id", "caller", "voice", "made", "used", "expires", "consent of", "state"], &rows, &[0]);
    for line in lines.iter().filter(|line| !line.events.is_empty()) {
        text.push_str(&format!("\n\nclone {}", line.id));
        for event in &line.events {
            text.push_str(&format!("\n  {}", event.text()));
        }
    }
    text
}

/// What an account holds and may hold, in words; empty if it does not tell.
pub fn slots_text(slots: &Slots) -> String {
    let of = |used: Option<u64>, most: Option<u64>, what: &str| match (used, most) {
        (Some(used), Some(most)) => Some(format!("{used} of {most} {what}")),
        (Some(_), None) | (None, Some(_)) | (None, None) => None,
    };
    let plan = (slots.may_clone == Some(false)).then(|| "its plan has no voice cloning".to_owned());
    let parts = [
        of(slots.used, slots.limit, "voices"),
        of(slots.edits, slots.most_edits, "changes of voices in this period"),
        plan,
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// The same as JSON.
pub fn slots_json(slots: &Slots) -> Value {
    json!({ "slots": { "used": slots.used, "limit": slots.limit, "edits": slots.edits, "most_edits": slots.most_edits,
        "may_clone": slots.may_clone } })
}

/// A number as it may be shown.
pub fn caller(phone: &Phone) -> String {
    phone.to_string()
}

/// A time as it is listed: to the second.
pub fn moment(at: Wall) -> String {
    at.rfc3339().split('.').next().unwrap_or_default().to_owned() + "Z"
}

/// Seconds with one digit.
pub fn seconds(span: Duration) -> String {
    format!("{:.1} s", span.as_secs_f64())
}
