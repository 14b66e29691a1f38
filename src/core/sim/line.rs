//! The embedded carrier's log: one JSON object a line, written before the world hears of it. The oracle of tests.

use serde::{Deserialize, Serialize};

use super::callee::Behaviour;
use crate::core::dial::CallStatus;

/// One line. `wall` in ms since the epoch; `us` in microseconds of boot time, for distances.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Wall clock, ms.
    pub wall: i64,
    /// Boot clock, µs.
    pub us: u64,
    /// The call; empty for lines about no call.
    #[serde(default)]
    pub sid: String,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// What happened. Samples and frames count from the stream's start, at 8 kHz.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[allow(missing_docs)] // fields are named by what they are; docs/SIM.md has the table
pub enum What {
    /// The carrier started on this log.
    Started { seed: u64, speedup: f64 },
    /// The call exists. Written before the POST is answered.
    Created { to: String, from: String, behaviour: Behaviour },
    /// Somebody called a number of the account.
    CameIn { to: String, from: String, behaviour: Behaviour },
    /// Where the call stands now; `queued_ms` on the first step out of the queue.
    Status { status: CallStatus, queued_ms: Option<u64> },
    /// A verb of the document runs (`say`, `pause`, `gather`, `play`, `redirect`, `hangup`).
    Verb { verb: String },
    /// The media socket is open and `start` was written.
    StreamStarted { stream_sid: String },
    /// The media socket could not be opened.
    StreamFailed { cause: String },
    /// The first media message of ours.
    FirstMediaIn { since_start_us: u64, samples: u64 },
    /// The first frame of ours that is louder than silence has played.
    FirstHeard { samples: u64 },
    /// The callee begins to speak.
    SpeechOnset { samples: u64 },
    /// Our `clear`: how much of ours played since the callee's last onset, and how much was thrown away.
    ClearReceived { samples: u64, played_since_onset: Option<u64>, since_onset_us: Option<u64>, discarded: u64 },
    /// A mark was echoed; `cleared` if it never played.
    Mark { name: String, samples: u64, cleared: bool },
    /// The callee pressed a key.
    Dtmf { digit: char, samples: u64 },
    /// The stream is over: who ended it.
    StreamStopped { by: String, samples: u64, played: u64 },
    /// The call is over.
    Ended { status: CallStatus, duration_s: u32, cause: String },
    /// A request that was refused, or had names that the carrier ignores.
    BadRequest { http: u16, code: Option<u32>, what: String },
    /// A media message of ours that broke the protocol (31951).
    BadMessage { what: String },
    /// A recording of the call: `in-progress`, then `completed` or `absent`.
    Recording { recording: String, status: String },
    /// A webhook of ours was asked.
    Callback { kind: String, status: CallStatus, sequence: u32, result: String },
    /// A fault struck.
    Fault { name: String },
}

/// Reads a log. A line cut by a crash, or written by a newer version, is counted and skipped.
pub fn read(text: &str) -> (Vec<Line>, usize) {
    let mut lines = Vec::new();
    let mut bad = 0;
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        match serde_json::from_str(line) {
            Ok(line) => lines.push(line),
            Err(_) => bad += 1,
        }
    }
    (lines, bad)
}
