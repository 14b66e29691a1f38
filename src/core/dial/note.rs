//! What a run tells whoever watches it. Notes say what happened; they carry no phone numbers and change nothing.

use crate::base::{AttemptId, LeadId, Slug};

use serde::{Deserialize, Serialize};

use super::Outcome;
use super::desk::Stop;

/// A campaign as a run finds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// Its name.
    pub campaign: String,
    /// All its leads.
    pub leads: u64,
    /// Leads that are not called any more: done, blocked, or waiting for a person.
    pub over: u64,
    /// Leads due now.
    pub due: u64,
}

/// One thing that happened in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Note {
    /// The run begins on one carrier account.
    Begin {
        /// The account's carrier, by its name in `ahoy.toml`.
        carrier: String,
        /// Its campaigns there.
        campaigns: Vec<Opening>,
        /// Attempts that are open from before.
        inherited: u64,
        /// The account's limit, calls started per second.
        calls_per_second: f64,
        /// The account's limit, calls alive at once.
        most_live: u64,
    },
    /// An attempt is open from before; the carrier is asked about it.
    Inherited {
        /// The attempt.
        attempt: AttemptId,
        /// Its lead.
        lead: LeadId,
        /// Its campaign's name.
        campaign: String,
    },
    /// A call was ordered.
    Dialed {
        /// The attempt.
        attempt: AttemptId,
        /// Its lead.
        lead: LeadId,
        /// Its campaign's name.
        campaign: String,
    },
    /// The carrier took the order.
    Placed(AttemptId),
    /// It rings.
    Ringing(AttemptId),
    /// Somebody answered.
    Answered(AttemptId),
    /// Its media stream is open: we speak.
    Speaking(AttemptId),
    /// The greeting started, microseconds after the stream's start; told when the call is over.
    FirstAudio(AttemptId, u64),
    /// The attempt is over.
    Ended {
        /// The attempt.
        attempt: AttemptId,
        /// How.
        outcome: Outcome,
        /// Whether its lead is over too: it will not be called again.
        over: bool,
    },
    /// The answer to an order was lost; the carrier will be asked.
    Unknown(AttemptId),
    /// The carrier asks us to slow down.
    Throttled,
    /// A campaign was paused (`true`) or resumed from another terminal.
    Paused(String, bool),
    /// Nobody new is called on this account until a person has looked.
    AccountStopped(String),
    /// A person has looked: an account that was stopped for this reason may dial again.
    AccountResumed(String),
    /// The operator asked to stop.
    Stopping(Stop),
    /// Anything else a person should read, a sentence.
    Say(String),
}

/// Watches a run.
pub trait Watcher: Send + Sync {
    /// Takes a note. Must return at once.
    fn note(&self, note: &Note);

    /// Takes a note about one campaign; `note` is for all of them.
    fn note_of(&self, _campaign: &Slug, note: &Note) {
        self.note(note);
    }
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nobody;

impl Watcher for Nobody {
    fn note(&self, _: &Note) {}
}
