//! The ear: is this sound what it should be? One set of checks at entry to the shelf, in `cache verify`, and for any file.
//!
//! A check gives [`Flaw`]s: a stable code, how bad it is, what was measured and against which limit. Thresholds and their
//! reasons are in docs/CACHE.md.

pub mod code;
pub mod file;
pub mod finding;
pub mod judge;

use serde::{Deserialize, Serialize};

pub use code::{Code, Severity};
pub use finding::{Finding, PhraseId, Place};
pub use judge::{Heard, Limits, Text, judge, raw};

/// Version of the checks: it changes whenever the same file may be judged otherwise, so that no earlier verdict stands.
pub const EAR: &str = "2";

/// One thing that is wrong with a sound.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Flaw {
    /// What kind of thing; its severity follows from it.
    pub code: Code,
    /// What it is and what to do next, for people.
    pub message: String,
    /// What was measured, in the code's unit ([`Code::unit`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<f64>,
    /// The limit that it is beyond, in the same unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
}

impl Flaw {
    /// A flaw without figures.
    pub fn new(code: Code, message: impl Into<String>) -> Flaw {
        Flaw { code, message: message.into(), measured: None, limit: None }
    }

    /// A flaw with what was measured and the limit that it is beyond.
    pub fn beyond(code: Code, measured: f64, limit: f64, message: impl Into<String>) -> Flaw {
        let hundredths = |value: f64| (value * 100.0).round() / 100.0;
        Flaw { code, message: message.into(), measured: Some(hundredths(measured)), limit: Some(hundredths(limit)) }
    }

    /// How bad it is.
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }
}

/// All messages of some flaws in one line.
pub fn told(flaws: &[Flaw]) -> String {
    flaws.iter().map(|flaw| flaw.message.as_str()).collect::<Vec<_>>().join("; ")
}
