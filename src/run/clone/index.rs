//! What the cloner has in memory: one entry a caller.

use std::collections::HashMap;

use tokio::sync::watch;

use super::CloneState;
use crate::base::{Boot, CallId, Phone, Wall, limits};
use crate::core::clone::{CloneFault, Tally};
use crate::core::config::CloneProvider;
use crate::store::ledger::CloneRow;

/// A voice that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ready {
    /// The clone's row in the ledger.
    pub clone: i64,
    /// The service's id.
    pub voice: String,
    /// When it is deleted.
    pub expires: Wall,
    /// The use that was written down last.
    pub written: Wall,
}

/// A clone in flight.
pub(super) struct Flight {
    /// Tells whoever waits.
    pub state: watch::Sender<CloneState>,
    /// Calls that wait, and since when.
    pub calls: Vec<(CallId, Boot)>,
}

/// What is known of a caller.
pub(super) enum Entry {
    /// The voice is there.
    Ready(Ready),
    /// It is being made.
    Flight(Flight),
    /// There is none, and no use in looking again before.
    Resting {
        /// Why.
        why: CloneFault,
        /// Until when.
        until: Boot,
    },
}

/// All of it.
#[derive(Default)]
pub(super) struct Index {
    /// By number.
    pub callers: HashMap<Phone, Entry>,
    /// Clones in flight, waiting ones included.
    pub flying: usize,
    /// Entries that rest, at least as many as there are.
    resting: usize,
    /// The account is refused, and how: until then nobody's clone is begun.
    pub refused: Option<(CloneFault, Boot)>,
    /// What happened.
    pub tally: Tally,
}

impl Index {
    /// Takes over what the ledger has: voices made or deleted by others are learned and forgotten. What is in flight stays.
    pub fn learn(&mut self, provider: CloneProvider, rows: Vec<CloneRow>) {
        let mut there: HashMap<Phone, Ready> = rows
            .into_iter()
            .filter(|row| row.provider == provider)
            .filter_map(|row| {
                let (voice, expires) = (row.known.voice?, row.known.expires_at?);
                Some((row.phone, Ready { clone: row.id, voice, expires, written: row.used_at }))
            })
            .collect();
        self.callers.retain(|caller, entry| match entry {
            Entry::Ready(ready) => match there.remove(caller) {
                Some(now) if now.clone == ready.clone && now.voice == ready.voice => true,
                Some(other) => {
                    *ready = other;
                    true
                }
                None => false,
            },
            Entry::Flight(_) => {
                there.remove(caller);
                true
            }
            // Somebody else has made it after all.
            Entry::Resting { .. } => !there.contains_key(caller),
        });
        self.callers.extend(there.into_iter().map(|(caller, ready)| (caller, Entry::Ready(ready))));
    }

    /// Remembers that there is none, as long as there is room for that.
    pub fn rest(&mut self, caller: Phone, why: CloneFault, now: Boot, until: Boot) {
        if self.resting >= limits::CLONE_RESTING {
            self.callers.retain(|_, entry| !matches!(entry, Entry::Resting { until, .. } if *until <= now));
            self.resting = self.callers.values().filter(|entry| matches!(entry, Entry::Resting { .. })).count();
        }
        if self.resting < limits::CLONE_RESTING {
            self.resting += 1;
            self.callers.insert(caller, Entry::Resting { why, until });
        }
    }

    /// Whether a caller's clone is in flight here.
    pub fn is_in_flight(&self, caller: &Phone) -> bool {
        matches!(self.callers.get(caller), Some(Entry::Flight(_)))
    }

    /// Forgets a voice that is there, so that the next wish looks anew. What is in flight stays.
    pub fn forget(&mut self, caller: &Phone) {
        if matches!(self.callers.get(caller), Some(Entry::Ready(_))) {
            self.callers.remove(caller);
        }
    }

    /// Forgets a voice that is gone.
    pub fn drop_voice(&mut self, caller: &Phone, clone: i64) {
        if matches!(self.callers.get(caller), Some(Entry::Ready(ready)) if ready.clone == clone) {
            self.callers.remove(caller);
        }
    }
}
