//! The calls that the embedded carrier knows: live ones, and those of its log.

use std::collections::HashMap;

use tokio::sync::mpsc;

use crate::base::Wall;
use crate::core::dial::CallStatus;
use crate::core::sim::call::Event;
use crate::core::sim::line::{Line, What};
use crate::core::wire::twilio::{self as wire, CallResource};

/// One call.
#[derive(Debug, Clone)]
pub struct Entry {
    /// `CA…`
    pub sid: String,
    /// Callee.
    pub to: String,
    /// Caller.
    pub from: String,
    /// Where it stands.
    pub status: CallStatus,
    /// When it was made.
    pub created: Wall,
    /// Last change.
    pub updated: Wall,
    /// When it left the queue.
    pub started: Option<Wall>,
    /// When it ended.
    pub ended: Option<Wall>,
    /// Seconds of talk.
    pub duration_s: Option<u32>,
    /// Milliseconds in the queue.
    pub queue_ms: u64,
    /// Lists show it from this moment (boot clock, µs).
    pub listed_from_us: u64,
    /// The live call's ear.
    pub control: Option<mpsc::Sender<Event>>,
}

/// All calls, oldest first.
#[derive(Debug, Default)]
pub struct Book {
    entries: Vec<Entry>,
    places: HashMap<String, usize>,
}

impl Book {
    /// Number of calls.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds a call.
    pub fn add(&mut self, entry: Entry) {
        self.places.insert(entry.sid.clone(), self.entries.len());
        self.entries.push(entry);
    }

    /// A call by its sid.
    pub fn get(&self, sid: &str) -> Option<&Entry> {
        self.places.get(sid).map(|at| &self.entries[*at])
    }

    /// A call by its sid, to change it.
    pub fn get_mut(&mut self, sid: &str) -> Option<&mut Entry> {
        self.places.get(sid).map(|at| &mut self.entries[*at])
    }

    /// Newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().rev()
    }

    /// Rebuilds the calls of a log. Those without an end are returned: they were live when the process died.
    pub fn replay(&mut self, lines: &[Line]) -> Vec<String> {
        for line in lines {
            match &line.what {
                What::Created { to, from, .. } => self.add(Entry {
                    sid: line.sid.clone(),
                    to: to.clone(),
                    from: from.clone(),
                    status: CallStatus::Queued,
                    created: Wall(line.wall),
                    updated: Wall(line.wall),
                    started: None,
                    ended: None,
                    duration_s: None,
                    queue_ms: 0,
                    listed_from_us: 0,
                    control: None,
                }),
                What::Status { .. } | What::Ended { .. } => {
                    if let Some(entry) = self.get_mut(&line.sid) {
                        entry.note(&line.what, Wall(line.wall));
                    }
                }
                // The rest of the log tells tests about streams and callbacks; a listing does not show it.
                What::Started { .. }
                | What::Verb { .. }
                | What::StreamStarted { .. }
                | What::StreamFailed { .. }
                | What::FirstMediaIn { .. }
                | What::FirstHeard { .. }
                | What::SpeechOnset { .. }
                | What::ClearReceived { .. }
                | What::Mark { .. }
                | What::Dtmf { .. }
                | What::StreamStopped { .. }
                | What::BadRequest { .. }
                | What::BadMessage { .. }
                | What::Callback { .. }
                | What::Fault { .. } => {}
            }
        }
        self.entries.iter().filter(|entry| entry.ended.is_none()).map(|entry| entry.sid.clone()).collect()
    }
}

impl Entry {
    /// Takes a status or the end from the log or from the live call.
    pub fn note(&mut self, what: &What, at: Wall) {
        self.updated = at;
        if let What::Status { status, queued_ms } = what {
            self.status = *status;
            self.queue_ms = queued_ms.unwrap_or(self.queue_ms);
            self.started.get_or_insert(at);
        }
        if let What::Ended { status, duration_s, .. } = what {
            self.status = *status;
            self.ended = Some(at);
            self.duration_s = Some(*duration_s);
            self.control = None;
        }
    }

    /// As the API answers it.
    pub fn resource(&self, account: &str) -> CallResource {
        let talked = self.duration_s.filter(|_| self.status == CallStatus::Completed);
        // `initiated` exists in callbacks only.
        let status = if self.status == CallStatus::Initiated { CallStatus::Queued } else { self.status };
        let uri = wire::call_path(account, &self.sid);
        let below = |name: &str| {
            let path = format!("{}/{name}.json", uri.trim_end_matches(".json"));
            (name.to_ascii_lowercase(), serde_json::Value::String(path))
        };
        CallResource {
            sid: Some(self.sid.clone()),
            date_created: Some(wire::date(self.created)),
            date_updated: Some(wire::date(self.updated)),
            account_sid: Some(account.to_owned()),
            to: Some(self.to.clone()),
            to_formatted: Some(self.to.clone()),
            from: Some(self.from.clone()),
            from_formatted: Some(self.from.clone()),
            status: Some(status.to_string()),
            start_time: self.started.map(wire::date),
            end_time: self.ended.map(wire::date),
            duration: talked.map(|seconds| seconds.to_string()),
            price_unit: Some("USD".to_owned()),
            direction: Some("outbound-api".to_owned()),
            api_version: Some(wire::API_VERSION.to_owned()),
            queue_time: Some(self.queue_ms.to_string()),
            subresource_uris: Some(
                ["Events", "Notifications", "Recordings", "Streams"].map(below).into_iter().collect(),
            ),
            uri: Some(uri),
            ..CallResource::default()
        }
    }
}
