//! `[recording]` of a campaign: who records a call.

use serde::Deserialize;

/// Who records a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recording {
    /// We: both sides of the stream, `audio.wav` in the call's folder.
    #[default]
    Own,
    /// The carrier too, from the moment that the greeting was played to its end: that is where it is told that the call
    /// is recorded. Fetched into the call's folder as `carrier.wav`; the carrier charges for it.
    Both,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TypedRecording {
    pub(super) by: Recording,
}
