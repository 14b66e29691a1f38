//! The call log: `calls/YYYY/MM/DD/<call id>/` with `events.jsonl` and a two-channel `audio.wav` (them left, us right,
//! 8 kHz, 16 bit, one clock). Written by one recorder thread; readable while the call runs and after a crash.
//!
//! The media path never touches a disk: it leaves jobs in a bounded queue and goes on.

use std::path::{Path, PathBuf};

use crate::base::{CallId, Wall};

pub mod fetched;
pub mod read;
pub mod recorder;

pub use fetched::{CARRIER_AUDIO, Fetched};
pub use read::{CallRecord, list, read, recording};
pub use recorder::Recorder;

/// Name of the event log in a call's folder.
pub const EVENTS: &str = "events.jsonl";
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

/// Header of a WAV file with two channels of 16 bits at 8 000 Hz and `bytes` of sound.
fn wav_header(bytes: u32) -> [u8; 44] {
    let mut header = [0; 44];
    header[0..4].copy_from_slice(b"RIFF");
    header[4..8].copy_from_slice(&(bytes.saturating_add(36)).to_le_bytes());
    header[8..16].copy_from_slice(b"WAVEfmt ");
    header[16..20].copy_from_slice(&16_u32.to_le_bytes());
    header[20..22].copy_from_slice(&1_u16.to_le_bytes());
    header[22..24].copy_from_slice(&2_u16.to_le_bytes());
    header[24..28].copy_from_slice(&8_000_u32.to_le_bytes());
    header[28..32].copy_from_slice(&32_000_u32.to_le_bytes());
    header[32..34].copy_from_slice(&4_u16.to_le_bytes());
    header[34..36].copy_from_slice(&16_u16.to_le_bytes());
    header[36..40].copy_from_slice(b"data");
    header[40..44].copy_from_slice(&bytes.to_le_bytes());
    header
}

#[cfg(test)]
mod tests;
