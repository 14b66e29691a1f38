//! Who is rung next, what an attempt's answers mean, and what becomes of the lead.

pub mod admission;
pub mod asking;
pub mod attempt;
pub mod brake;
pub mod breaker;
pub mod callers;
pub mod clocks;
pub mod desk;
pub mod gate;
pub mod horizon;
pub mod hours;
pub mod note;
pub mod pacing;
pub mod sweep;
pub mod verdict;
pub mod zones;

pub use verdict::{Outcome, Verdict, VerdictPolicy};

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A call's status in the carrier's words (Twilio's REST and callback spellings).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallStatus {
    /// Accepted, waiting in the carrier's queue.
    Queued,
    /// Leaving the queue (callbacks only).
    Initiated,
    /// Ringing at the callee.
    Ringing,
    /// Answered.
    InProgress,
    /// Over, after an answer.
    Completed,
    /// Over: the callee was busy.
    Busy,
    /// Over: nobody answered.
    NoAnswer,
    /// Over: it could not be put through.
    Failed,
    /// Over: we cancelled it before an answer.
    Canceled,
}

/// A status word that no carrier documents.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown call status `{0}`")]
pub struct BadStatus(pub String);

impl CallStatus {
    /// The carrier's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            CallStatus::Queued => "queued",
            CallStatus::Initiated => "initiated",
            CallStatus::Ringing => "ringing",
            CallStatus::InProgress => "in-progress",
            CallStatus::Completed => "completed",
            CallStatus::Busy => "busy",
            CallStatus::NoAnswer => "no-answer",
            CallStatus::Failed => "failed",
            CallStatus::Canceled => "canceled",
        }
    }

    /// Whether nothing can follow.
    pub fn is_terminal(self) -> bool {
        use CallStatus::*;
        match self {
            Queued | Initiated | Ringing | InProgress => false,
            Completed | Busy | NoAnswer | Failed | Canceled => true,
        }
    }
}

impl FromStr for CallStatus {
    type Err = BadStatus;
    fn from_str(text: &str) -> Result<CallStatus, BadStatus> {
        use CallStatus::*;
        [Queued, Initiated, Ringing, InProgress, Completed, Busy, NoAnswer, Failed, Canceled]
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| BadStatus(crate::base::text::printable(&text.chars().take(40).collect::<String>())))
    }
}

impl fmt::Display for CallStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
