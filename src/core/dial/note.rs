//! What a run tells whoever watches it. Notes say what happened; they carry no phone numbers and change nothing.

use crate::base::{AttemptId, LeadId};

use super::Outcome;
use super::desk::Stop;

/// One thing that happened in a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Note {
    /// The run begins: leads that are due now in all its campaigns.
    Begin {
        /// Leads due now.
        due: u64,
        /// Attempts that are open from before.
        inherited: u64,
    },
    /// A call was ordered.
    Dialed(LeadId),
    /// The carrier took the order.
    Placed(AttemptId),
    /// It rings.
    Ringing(AttemptId),
    /// Somebody answered.
    Answered(AttemptId),
    /// The greeting started, microseconds after the stream's start.
    FirstAudio(AttemptId, u64),
    /// The attempt is over.
    Ended(AttemptId, Outcome),
    /// The answer to an order was lost; the carrier will be asked.
    Unknown(AttemptId),
    /// The carrier asks us to slow down.
    Throttled,
    /// A campaign was paused (`true`) or resumed from another terminal.
    Paused(String, bool),
    /// Nobody new is called on this account until a person has looked.
    AccountStopped(String),
    /// The operator asked to stop.
    Stopping(Stop),
    /// Anything else a person should read, a sentence.
    Say(String),
}

/// Watches a run.
pub trait Watcher: Send + Sync {
    /// Takes a note. Must return at once.
    fn note(&self, note: &Note);
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nobody;

impl Watcher for Nobody {
    fn note(&self, _: &Note) {}
}
