//! What the terminals of a workspace say to its engine, and what they hear: JSON, one object a line (docs/CONTROL.md).

use serde::{Deserialize, Serialize};

use crate::base::Slug;
use crate::core::dial::desk::Stop;
use crate::core::dial::note::Note;

/// Version of the language; another one is refused.
pub const VERSION: u32 = 1;

/// The engine's first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`VERSION`].
    pub version: u32,
    /// The engine's process.
    pub pid: u32,
}

/// The one request of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Call these campaigns; notes and a report come back.
    Run(RunRequest),
    /// The ledger says that these campaigns are paused: drop what is at hand.
    Pause(Vec<Slug>),
    /// The ledger says that these campaigns may go on, and that their accounts and numbers are no longer stopped.
    Resume(Vec<Slug>),
    /// Stop these campaigns.
    Stop {
        /// Which.
        campaigns: Vec<Slug>,
        /// Cancel what rings and hang up what talks, instead of letting live calls end by themselves.
        hangup: bool,
    },
    /// What runs?
    Status,
    /// Everything that happens, until one side closes.
    Tail,
}

/// What [`Request::Run`] asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRequest {
    /// Which campaigns.
    pub campaigns: Vec<Slug>,
    /// End when nothing is due now.
    pub drain: bool,
    /// End after this time, ms.
    pub max_runtime_ms: Option<u64>,
    /// Only leads that this filter lets through.
    #[serde(default)]
    pub segment: Option<String>,
}

/// The engine's line with what it says. A further word of a running terminal is a [`Stop`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// Something happened.
    Note(Note),
    /// The request is done.
    Done {
        /// Campaigns that it concerned: those that run, for a status.
        campaigns: Vec<Slug>,
    },
    /// The run is over.
    Report {
        /// Its figures.
        report: serde_json::Value,
        /// Its exit code.
        exit: u8,
    },
    /// The request cannot be met.
    Failure {
        /// What happened.
        what: String,
        /// What to do next.
        next: Option<String>,
        /// Exit code.
        exit: u8,
    },
}

/// A running terminal's further word: how far its campaigns are to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hand {
    /// Only gets firmer.
    pub stop: Stop,
}
