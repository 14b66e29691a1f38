//! When a process dies or freezes: at the n-th effect of a run. An effect is what the outside world can see: a commit
//! that changed the ledger (before and after), a request to the carrier (before and after), an answer, a callback.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::Notify;

use super::super::lock;

/// What is to befall the processes of one run, by the number of the effect.
#[derive(Debug, Clone, Default)]
pub(super) struct Blows {
    /// The process dies here, as by `kill -9`.
    pub crash: BTreeSet<u64>,
    /// The process stands still after the first commit from here on, as by `SIGSTOP` or a laptop's sleep.
    pub freeze: BTreeMap<u64, Duration>,
}

/// The counter of one run, over all its processes.
#[derive(Debug, Default)]
pub(super) struct Fate {
    blows: Blows,
    /// Freezes still to come.
    freezes: Mutex<BTreeMap<u64, Duration>>,
    count: Mutex<u64>,
    dead: AtomicBool,
    over: AtomicBool,
    pub died: Notify,
}

impl Fate {
    pub fn new(blows: Blows) -> Fate {
        Fate { freezes: Mutex::new(blows.freeze.clone()), blows, ..Fate::default() }
    }

    /// Effects so far.
    pub fn count(&self) -> u64 {
        *lock(&self.count)
    }

    /// A dead process has no effects, though its tasks may run on until their runtime is dropped.
    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    /// A new process.
    pub fn revive(&self) {
        self.dead.store(false, Ordering::SeqCst);
    }

    /// No more blows.
    pub fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    /// Before an effect or after it: true if the process is dead from here on.
    pub fn strikes(&self) -> bool {
        if self.is_dead() {
            return true;
        }
        let nth = {
            let mut count = lock(&self.count);
            *count += 1;
            *count
        };
        if self.blows.crash.contains(&nth) && !self.over.load(Ordering::SeqCst) {
            self.dead.store(true, Ordering::SeqCst);
            self.died.notify_one();
            return true;
        }
        false
    }

    /// [`Fate::strikes`], at a place where the process may also stand still without having done half of something.
    pub fn strikes_or_freezes(&self) -> bool {
        let dies = self.strikes();
        let due = {
            let mut freezes = lock(&self.freezes);
            freezes.first_entry().filter(|next| *next.key() <= self.count()).map(|next| next.remove())
        };
        if let Some(span) = due.filter(|_| !dies && !self.over.load(Ordering::SeqCst)) {
            stand_still(span);
        }
        dies
    }
}

/// Everybody else's time goes on: the first poll of `advance` moves the clock, nothing runs meanwhile.
fn stand_still(span: Duration) {
    let mut advance = pin!(tokio::time::advance(span));
    let first: Poll<()> = advance.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(first.is_pending(), "it yields once after moving the clock");
}
