//! `ahoy clone`: voices made ahead of a campaign, listed, removed. And what an erasure leaves at the services.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;

use super::{CloneState, Cloner, Swept};
use crate::base::{Exit, Failure, Phone, Wall, limits};
use crate::core::clone::slots::Slots;
use crate::core::clone::step::{Step, step};
use crate::core::clone::{CallerName, CloneFault, Who};
use crate::edge::engine::EngineFault;
use crate::run::clock::Clock;
use crate::run::ledger::LedgerHandle;
use crate::store::ledger::writer::Writer;
use crate::store::ledger::{CloneEvent, CloneRow, Leaving, Ledger, OpenOptions, WhichClones};
use crate::store::samples::Samples;
use crate::store::workspace::Workspace;

/// What `clone add` would do for a caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Planned {
    /// Their voice is there.
    There,
    /// An upload's answer was lost: its voice is looked for.
    Look,
    /// A voice is made of a sample so long, ms; `replaces`: another one leaves for it.
    Make {
        /// Length of the sample.
        length_ms: u64,
        /// Of another sample, or expired.
        replaces: bool,
    },
    /// None is made.
    Not(CloneFault),
}

/// What became of a caller's voice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Added {
    /// Whose.
    pub caller: Phone,
    /// The voice, and whether it was there before.
    pub outcome: Result<(String, bool), CloneFault>,
    /// How long it took.
    pub took: Duration,
}

/// A clone and what happened to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The clone.
    pub row: CloneRow,
    /// Its newest events, newest first.
    pub events: Vec<CloneEvent>,
}

/// What a removal came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Removed {
    /// Clones that were taken out.
    pub clones: u64,
    /// Callers whose sample and consent were removed.
    pub samples: u64,
    /// What became of their voices.
    pub swept: Swept,
    /// Why voices are still at the service.
    pub left: Option<String>,
}

/// Opens the cloner for a command; a workspace without `[clone]` is told how to get one (exit 2).
pub fn open(ws: &Workspace, clock: Arc<dyn Clock>) -> Result<Arc<Cloner>, Failure> {
    let ledger = Ledger::open(&ws.ledger_path(), &OpenOptions::with_fresh_key(clock.wall()))?;
    let ledger = LedgerHandle::new(Writer::start(ledger)?);
    let none = || Failure::usage("ahoy.toml has no [clone]").next("docs/CLONES.md has its few lines");
    let Some(settings) = ws.config.clone.clone() else { return Err(none()) };
    let secret = |wanted: &crate::base::secret::SecretRef, what: &str| ws.secret(wanted, what);
    let maker = crate::edge::clone::open(&settings, &secret).map_err(|fault| failure(&fault))?;
    Cloner::with(ws, settings, maker, ledger, clock)
}

/// The samples of a workspace, if it has `[clone]`.
pub fn samples(ws: &Workspace, ledger: &Ledger) -> Option<Samples> {
    ws.config.clone.as_ref().map(|settings| Samples::at(&ws.root.join(&settings.samples), *ledger.token_key()))
}

impl Cloner {
    /// Where this cloner's samples are.
    pub fn samples(&self) -> &Samples {
        &self.samples
    }

    /// The numbers of everybody in the list of samples, sorted, and how many rows have a keyed name that no lead or clone has.
    pub async fn everybody(&self) -> Result<(Vec<Phone>, u64), Failure> {
        let list = self.samples.list(None)?;
        let known = self.on_ledger(|ledger| {
            let clones = ledger.clones(WhichClones::All)?.into_iter().map(|row| row.phone);
            Ok(ledger.lead_phones()?.into_iter().chain(clones).collect::<Vec<Phone>>())
        });
        let known = known.await.map_err(|fault| told(&fault))?;
        let named: HashMap<CallerName, Phone> = known.into_iter().map(|it| (self.samples.name(&it), it)).collect();
        let (mut all, mut nobody) = (Vec::new(), 0);
        for (name, row) in list.callers() {
            match (&row.who, named.get(name)) {
                (Who::Phone(phone), _) | (Who::Name(_), Some(phone)) => all.push(phone.clone()),
                (Who::Name(_), None) => nobody += 1,
            }
        }
        all.sort_unstable();
        Ok((all, nobody))
    }

    /// What [`Cloner::add`] would do for this caller. Samples behind addresses are fetched; no voice is asked for.
    pub async fn planned(&self, caller: &Phone) -> Result<Planned, Failure> {
        let prepared = match self.prepare(caller).await {
            Ok(prepared) => prepared,
            Err(fault) => return Ok(Planned::Not(fault)),
        };
        let (who, provider) = (caller.clone(), self.provider);
        let row = self.on_ledger(move |ledger| ledger.clone_of(&who, provider)).await.map_err(|fault| told(&fault))?;
        let sample = &prepared.order.sample;
        let known = row.as_ref().map(|row| &row.known);
        Ok(match step(known, &sample.hash, self.maker.findable(), self.clock.wall()) {
            Step::Use(_) => Planned::There,
            Step::Look | Step::Unfindable => Planned::Look,
            Step::Begin => Planned::Make { length_ms: sample.length_ms, replaces: false },
            Step::Replace => Planned::Make { length_ms: sample.length_ms, replaces: true },
        })
    }

    /// What the account may hold.
    pub async fn slots(&self) -> Result<Slots, Failure> {
        self.maker.slots().await.map_err(|fault| failure(&fault))
    }

    /// Makes the voices of these callers, a few at once; `each` is told of each as it ends.
    ///
    /// A sample that has changed since its voice was made is seen here, and by no call.
    pub async fn add(
        self: &Arc<Self>,
        callers: Vec<Phone>,
        mut each: impl FnMut(&Added) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let at_once = self.settings.at_once;
        let mut ended = stream::iter(callers).map(|caller| self.add_one(caller)).buffer_unordered(at_once);
        let mut told = Ok(());
        while let Some(added) = ended.next().await {
            told = told.and(each(&added));
        }
        drop(ended);
        // Uploads that took longer than anybody waits for are not broken off: their voices are wanted.
        self.settle(limits::CLONE_UPLOAD).await;
        told
    }

    async fn add_one(self: &Arc<Self>, caller: Phone) -> Added {
        let began = self.clock.boot();
        if let Ok(Planned::Make { replaces: true, .. }) = self.planned(&caller).await {
            self.index().forget(&caller);
        }
        let mut state = self.want(&caller, None);
        // The sender lives until the end; without one, what it said last is the end.
        let settled = state.wait_for(|state| *state != CloneState::Making).await.map(|state| state.clone());
        let outcome = match settled {
            Ok(CloneState::Ready { voice, cached }) => Ok((voice, cached)),
            Ok(CloneState::Failed { why }) => Err(why),
            Ok(CloneState::Making) | Err(_) => Err(CloneFault::Away("it was broken off".to_owned())),
        };
        Added { caller, outcome, took: self.clock.boot().since(began) }
    }

    /// All clones, or those of some callers, each with at most `events` of what happened to it.
    pub async fn listed(&self, callers: &[Phone], events: u32) -> Result<(Vec<Listed>, Vec<Leaving>), Failure> {
        let (callers, provider) = (callers.to_vec(), self.provider);
        let read = self.on_ledger(move |ledger| {
            let mut rows = Vec::new();
            for row in ledger.clones(WhichClones::All)? {
                if callers.is_empty() || callers.contains(&row.phone) {
                    let events = ledger.clone_events(row.id, events)?;
                    rows.push(Listed { row, events });
                }
            }
            let leaving = if callers.is_empty() {
                ledger.leaving(provider, Wall(i64::MAX), limits::LIST_ROWS)?
            } else {
                Vec::new()
            };
            Ok((rows, leaving))
        });
        read.await.map_err(|fault| told(&fault))
    }

    /// Takes out the clones of these callers and deletes their voices; with `samples`, their samples and consents as well.
    pub async fn remove(&self, callers: &[Phone], samples: bool) -> Result<Removed, Failure> {
        let mut removed = Removed::default();
        if samples {
            for caller in callers {
                removed.samples += u64::from(self.samples.remove(caller)?);
            }
        }
        let (all, now) = (callers.to_vec(), self.clock.wall());
        let taken = self.on_ledger(move |ledger| {
            ledger.atomically(|ledger| {
                let mut taken = 0;
                for caller in &all {
                    taken += ledger.clone_leaves(caller, "removed", now)? as u64;
                }
                Ok(taken)
            })
        });
        removed.clones = taken.await.map_err(|fault| told(&fault))?;
        match self.delete_leaving(Wall(i64::MAX)).await {
            Ok(swept) if swept.later > 0 => {
                removed.left = Some("the service did not delete all of them".to_owned());
                removed.swept = swept;
            }
            Ok(swept) => removed.swept = swept,
            Err(fault) => removed.left = Some(fault.to_string()),
        }
        Ok(removed)
    }
}

/// Deletes at the service what an erasure has left there; `Err` in words if that has to wait. What waits is tried again by
/// `ahoy serve` and by `ahoy clone add` and `remove`.
pub async fn delete_left(ws: &Workspace, clock: Arc<dyn Clock>) -> Result<u64, String> {
    let cloner = open(ws, clock).map_err(|failure| failure.what)?;
    match cloner.remove(&[], false).await {
        Ok(Removed { left: None, swept, .. }) => Ok(swept.deleted),
        Ok(Removed { left: Some(why), .. }) => Err(why),
        Err(failure) => Err(failure.what),
    }
}

/// A fault of one caller as the exit code of a command that is about many.
pub fn exit_of(fault: &CloneFault) -> Exit {
    match fault {
        CloneFault::Account(_) => Exit::Account,
        CloneFault::Ledger(_) => Exit::Bug,
        CloneFault::NoConsent(_)
        | CloneFault::NoSample
        | CloneFault::BadSample(_)
        | CloneFault::Unreadable(_)
        | CloneFault::NoRoom(_)
        | CloneFault::Refused(_)
        | CloneFault::Busy(_)
        | CloneFault::Away(_)
        | CloneFault::Lost
        | CloneFault::Unfindable
        | CloneFault::Timeout(_)
        | CloneFault::Crowded
        | CloneFault::Removed => Exit::Findings,
    }
}

fn told(fault: &CloneFault) -> Failure {
    Failure::new(exit_of(fault), fault.to_string())
}

/// A service's fault as a person is told it.
pub fn failure(fault: &EngineFault) -> Failure {
    let told = |exit, next: &str| Failure::new(exit, format!("[clone]: {}", fault.why())).next(next.to_owned());
    match fault {
        EngineFault::Account { .. } => told(Exit::Account, "set the key that [clone] names, then run this again"),
        EngineFault::Missing { .. }
        | EngineFault::Refused { .. }
        | EngineFault::Language { .. }
        | EngineFault::BadSound { .. }
        | EngineFault::Busy { .. }
        | EngineFault::Failed { .. } => told(Exit::Bug, "run this again later"),
    }
}
