//! The calls that the embedded carrier knows: live ones, and those of its log.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::mpsc;

use crate::base::Wall;
use crate::core::dial::CallStatus;
use crate::core::sim::call::Event;
use crate::core::sim::line::{Line, What};
use crate::core::sim::tape::Tape;
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
    /// Somebody called the account.
    pub inbound: bool,
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
    /// Its stream is recorded from the moment that this is set.
    pub recorded: Arc<AtomicBool>,
    /// The live call's ear.
    pub control: Option<mpsc::Sender<Event>>,
}

/// A recording.
#[derive(Debug, Clone)]
pub struct Taped {
    /// `RE…`
    pub sid: String,
    /// Its call.
    pub call: String,
    /// When it was asked for.
    pub begun: Wall,
    /// In the API's words.
    pub status: &'static str,
    /// Why there is none.
    pub error: Option<i64>,
    /// Where it is told that it is ready.
    pub callback: Option<String>,
    /// Its sound, once the stream is over.
    pub tape: Option<Tape>,
}

/// All calls, oldest first.
#[derive(Debug, Default)]
pub struct Book {
    entries: Vec<Entry>,
    places: HashMap<String, usize>,
    tapes: HashMap<String, Taped>,
    /// Sids of recordings, by call.
    tapes_of: HashMap<String, Vec<String>>,
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

    /// Adds a recording.
    pub fn tape(&mut self, taped: Taped) {
        self.tapes_of.entry(taped.call.clone()).or_default().push(taped.sid.clone());
        self.tapes.insert(taped.sid.clone(), taped);
    }

    /// A recording by its sid.
    pub fn taped(&self, sid: &str) -> Option<&Taped> {
        self.tapes.get(sid)
    }

    /// The recordings of a call.
    pub fn tapes_of(&self, call: &str) -> Vec<Taped> {
        self.tapes_of.get(call).into_iter().flatten().filter_map(|sid| self.tapes.get(sid).cloned()).collect()
    }

    /// The recordings of a call come to this.
    pub fn become_of(&mut self, call: &str, status: &'static str, error: Option<i64>) {
        self.each_tape(call, |taped| (taped.status, taped.error) = (status, error));
    }

    /// What the stream of a call recorded.
    pub fn sound_of(&mut self, call: &str, tape: &Tape) {
        self.each_tape(call, |taped| taped.tape = Some(tape.clone()));
    }

    fn each_tape(&mut self, call: &str, mut change: impl FnMut(&mut Taped)) {
        for sid in self.tapes_of.get(call).into_iter().flatten() {
            self.tapes.get_mut(sid).map(&mut change);
        }
    }

    /// Newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().rev()
    }

    /// Rebuilds the calls of a log. Those without an end are returned: they were live when the process died.
    pub fn replay(&mut self, lines: &[Line]) -> Vec<String> {
        for line in lines {
            match &line.what {
                What::Created { to, from, .. } | What::CameIn { to, from, .. } => self.add(Entry {
                    sid: line.sid.clone(),
                    to: to.clone(),
                    from: from.clone(),
                    inbound: matches!(line.what, What::CameIn { .. }),
                    status: CallStatus::Queued,
                    created: Wall(line.wall),
                    updated: Wall(line.wall),
                    started: None,
                    ended: None,
                    duration_s: None,
                    queue_ms: 0,
                    listed_from_us: 0,
                    recorded: Arc::default(),
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
                | What::Recording { .. }
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

    /// A price is told once the call is over: a started minute costs 1.4 cents, what was not answered nothing.
    fn price(&self) -> Option<String> {
        self.ended?;
        let minutes = self.duration_s.filter(|_| self.status == CallStatus::Completed).unwrap_or(0).div_ceil(60);
        Some(format!("-{:.5}", f64::from(minutes) * 0.014))
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
            price: self.price(),
            price_unit: Some("USD".to_owned()),
            direction: Some(if self.inbound { "inbound" } else { "outbound-api" }.to_owned()),
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
