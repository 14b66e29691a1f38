//! The call log: `calls/YYYY/MM/DD/<call id>/` with `events.jsonl` and a two-channel `audio.wav` (them left, us right,
//! 8 kHz, 16 bit, one clock). Written by one recorder thread; readable while the call runs and after a crash.
//!
//! The media path never touches a disk: it leaves jobs in a bounded queue and goes on.

use std::path::{Path, PathBuf};

use crate::base::{CallId, Wall};
use crate::core::sound::wav::two_channel_header as wav_header;

pub mod fetched;
pub mod read;
pub mod recorder;
mod transcript;

pub use fetched::{CARRIER_AUDIO, Fetched};
pub use read::{CallRecord, lines, list, read, recording};
pub use recorder::Recorder;
pub use transcript::{Alone, alone, find, said, spoken, summary, transcript, write_summary, write_transcript};

/// Name of the event log in a call's folder.
pub const EVENTS: &str = "events.jsonl";
/// Name of the transcript in a call's folder.
pub const TRANSCRIPT: &str = "transcript.json";
/// Name of the summary in a call's folder.
pub const SUMMARY: &str = "summary.json";
/// Name of the recording in a call's folder.
pub const AUDIO: &str = "audio.wav";

/// A call's folder under `calls`: by the UTC day on which its stream began.
pub fn folder(calls: &Path, call: CallId, began: Wall) -> PathBuf {
    let day = began.timestamp().to_zoned(jiff::tz::TimeZone::UTC).date();
    calls
        .join(format!("{:04}", day.year()))
        .join(format!("{:02}", day.month()))
        .join(format!("{:02}", day.day()))
        .join(call.to_string())
}

#[cfg(test)]
mod tests;
