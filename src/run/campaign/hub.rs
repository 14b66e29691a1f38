//! Who watches what: notes of a running engine, to each terminal those of its campaigns.

use std::sync::{Arc, Mutex};

use super::lock;
use crate::base::Slug;
use crate::core::dial::note::{Note, Watcher};

/// Passes notes on. Watchers come and go while it runs; none may block.
#[derive(Default)]
pub(crate) struct Hub(Mutex<Vec<Seat>>);

struct Seat {
    /// None: everything.
    campaigns: Option<Vec<Slug>>,
    watcher: Arc<dyn Watcher>,
}

impl Hub {
    /// Notes of these campaigns (none: of all), and those that concern everybody, go to `watcher` until it leaves.
    pub fn join(&self, campaigns: Option<Vec<Slug>>, watcher: Arc<dyn Watcher>) {
        lock(&self.0).push(Seat { campaigns, watcher });
    }

    /// It is told nothing more.
    pub fn leave(&self, watcher: &Arc<dyn Watcher>) {
        lock(&self.0).retain(|seat| !Arc::ptr_eq(&seat.watcher, watcher));
    }

    fn watchers(&self, of: Option<&Slug>) -> Vec<Arc<dyn Watcher>> {
        let wants = |seat: &&Seat| match (&seat.campaigns, of) {
            (None, _) | (_, None) => true,
            (Some(campaigns), Some(of)) => campaigns.contains(of),
        };
        // Told outside the lock: a watcher may look here itself.
        lock(&self.0).iter().filter(wants).map(|seat| Arc::clone(&seat.watcher)).collect()
    }
}

impl Watcher for Hub {
    fn note(&self, note: &Note) {
        for watcher in self.watchers(None) {
            watcher.note(note);
        }
    }

    fn note_of(&self, campaign: &Slug, note: &Note) {
        for watcher in self.watchers(Some(campaign)) {
            watcher.note_of(campaign, note);
        }
    }
}
