//! Cloned voices in the background of calls: wanted without waiting, made by a few tasks, told by notification.
//!
//! Who wants a voice is answered from memory; disks and services are touched by the tasks alone. One caller has one clone
//! in flight, whoever wants it and however often; a caller who hangs up does not stop it.

pub mod desk;
mod index;
mod make;
mod sweep;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};

use super::clock::Clock;
use super::ledger::LedgerHandle;
use crate::base::{Boot, CallId, Failure, Phone, limits};
use crate::core::api::page::Spread;
use crate::core::clone::{CloneFault, CloningFigures, Happened};
use crate::core::config::{CloneConfig, CloneProvider};
use crate::edge::clone::VoiceMaker;
use crate::store::ledger::{CloneEvent, CloneEventKind, Ledger};
use crate::store::samples::{SampleList, Samples};
use crate::store::workspace::Workspace;
use index::{Entry, Flight, Index, Ready};

pub use sweep::Swept;

/// Where a wanted voice stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloneState {
    /// It is being made, or waits for its turn.
    Making,
    /// It is there.
    Ready {
        /// The service's id of it.
        voice: String,
        /// It was there before it was wanted.
        cached: bool,
    },
    /// There is none. After [`CloneFault::Timeout`] it may still become ready; other faults are final for this wish.
    Failed {
        /// Why.
        why: CloneFault,
    },
}

/// Makes voices, and knows those that are made.
pub struct Cloner {
    maker: Arc<dyn VoiceMaker>,
    provider: CloneProvider,
    settings: CloneConfig,
    samples: Samples,
    /// As it was read last; held while it is read.
    list: Arc<Mutex<SampleList>>,
    ledger: LedgerHandle,
    clock: Arc<dyn Clock>,
    turns: Arc<Semaphore>,
    /// Where clones are made: not where calls are served, if these have a runtime of their own.
    runtime: Option<tokio::runtime::Handle>,
    index: Mutex<Index>,
}

impl Cloner {
    /// Opens the cloner of a workspace; `None`: `ahoy.toml` has no `[clone]`. The index is read from the ledger here; nothing is
    /// asked of the service. On a runtime, what an earlier process left undone is taken up at once and then every
    /// [`limits::CLONE_SWEEP`].
    ///
    /// Errors: exit 12 if the key cannot be read, 1 or 2 for the ledger.
    pub fn open(ws: &Workspace, ledger: LedgerHandle, clock: Arc<dyn Clock>) -> Result<Option<Arc<Cloner>>, Failure> {
        let Some(settings) = ws.config.clone.clone() else { return Ok(None) };
        let secret = |wanted: &crate::base::secret::SecretRef, what: &str| ws.secret(wanted, what);
        let maker = crate::edge::clone::open(&settings, &secret).map_err(|fault| desk::failure(&fault))?;
        let cloner = Cloner::with(ws, settings, maker, ledger, clock)?;
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(sweep::tend(Arc::downgrade(&cloner), Arc::clone(&cloner.clock)));
        }
        Ok(Some(cloner))
    }

    /// As [`Cloner::open`], with a service that is open already, and without a look at what was left undone.
    pub fn with(
        ws: &Workspace,
        settings: CloneConfig,
        maker: Arc<dyn VoiceMaker>,
        ledger: LedgerHandle,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Cloner>, Failure> {
        let reader = Ledger::open_read_only(&ws.ledger_path())?;
        let samples = Samples::at(&ws.root.join(&settings.samples), *reader.token_key());
        let mut index = Index::default();
        index.learn(settings.provider, reader.clones(crate::store::ledger::WhichClones::All)?);
        Ok(Arc::new(Cloner {
            maker,
            provider: settings.provider,
            turns: Arc::new(Semaphore::new(settings.at_once)),
            settings,
            samples,
            list: Arc::default(),
            ledger,
            clock,
            runtime: tokio::runtime::Handle::try_current().ok(),
            index: Mutex::new(index),
        }))
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        // The work goes on by itself; nobody waits for it.
        let _detached = match &self.runtime {
            Some(runtime) => runtime.spawn(work),
            None => tokio::spawn(work),
        };
    }

    /// Which service makes the voices.
    pub fn provider(&self) -> CloneProvider {
        self.provider
    }

    /// How long a caller waits for a clone at most.
    pub fn timeout(&self) -> Duration {
        self.settings.timeout
    }

    /// Wants the voice of a caller: has it from memory, joins the clone that is in flight, or begins one. Never blocks; call
    /// it on a runtime. `call`: what happens is written down with it.
    pub fn want(self: &Arc<Self>, caller: &Phone, call: Option<CallId>) -> watch::Receiver<CloneState> {
        let (now, wall) = (self.clock.boot(), self.clock.wall());
        let mut index = self.index();
        match index.callers.get_mut(caller) {
            Some(Entry::Ready(ready)) if ready.expires > wall => {
                let (told, voice) = (ready.clone(), ready.voice.clone());
                let write_use = wall.since(ready.written) >= limits::CLONE_USED_EVERY;
                if write_use {
                    ready.written = wall;
                }
                index.tally.add(now, Happened::Cached);
                drop(index);
                if write_use || call.is_some() {
                    self.spawn(Arc::clone(self).used(caller.clone(), told, call));
                }
                return settled(CloneState::Ready { voice, cached: true });
            }
            Some(Entry::Flight(flight)) => {
                if let Some(call) = call.filter(|_| flight.calls.len() < limits::CLONE_CALLS) {
                    flight.calls.push((call, now));
                }
                let joined = flight.state.subscribe();
                index.tally.add(now, Happened::Joined);
                return joined;
            }
            Some(Entry::Resting { why, until }) if *until > now => {
                let why = why.clone();
                index.tally.add(now, Happened::Failed);
                drop(index);
                if let Some(call) = call {
                    self.spawn(Arc::clone(self).write(vec![self.failed(None, Some(call), Duration::ZERO, &why)]));
                }
                return settled(CloneState::Failed { why });
            }
            // What has expired or rested is looked at anew.
            Some(Entry::Ready(_) | Entry::Resting { .. }) | None => {}
        }
        let crowded = (index.flying >= limits::CLONES_WAITING).then_some(CloneFault::Crowded);
        let refused = index.refused.as_ref().filter(|(_, until)| *until > now).map(|(why, _)| why.clone());
        if let Some(why) = refused.or(crowded) {
            index.tally.add(now, Happened::Failed);
            return settled(CloneState::Failed { why });
        }
        index.flying += 1;
        let (state, receiver) = watch::channel(CloneState::Making);
        let calls = call.into_iter().map(|call| (call, now)).collect();
        index.callers.insert(caller.clone(), Entry::Flight(Flight { state, calls }));
        drop(index);
        self.spawn(Arc::clone(self).fly(caller.clone(), now));
        receiver
    }

    /// Where the voice of a caller stands, without wanting it; `None`: nobody wants it, and it is not there.
    pub fn peek(&self, caller: &Phone) -> Option<watch::Receiver<CloneState>> {
        let (now, wall) = (self.clock.boot(), self.clock.wall());
        match self.index().callers.get(caller)? {
            Entry::Ready(ready) if ready.expires > wall => {
                Some(settled(CloneState::Ready { voice: ready.voice.clone(), cached: true }))
            }
            Entry::Flight(flight) => Some(flight.state.subscribe()),
            Entry::Resting { why, until } if *until > now => Some(settled(CloneState::Failed { why: why.clone() })),
            Entry::Ready(_) | Entry::Resting { .. } => None,
        }
    }

    /// How cloning went over the last `window`, as far as this process knows.
    pub fn metrics(&self, window: Duration) -> CloningFigures {
        self.index().tally.figures(self.clock.boot(), window)
    }

    /// Times from the wish to the voice, since the start.
    pub fn seconds(&self) -> Spread {
        self.index().tally.seconds()
    }

    /// A call was handed over to the voice of its caller, or could not be; `took`: from the wish on.
    pub async fn transferred(
        self: Arc<Self>,
        caller: Phone,
        call: CallId,
        took: Duration,
        outcome: Result<(), String>,
    ) {
        let clone = match self.index().callers.get(&caller) {
            Some(Entry::Ready(ready)) => Some(ready.clone),
            Some(Entry::Flight(_) | Entry::Resting { .. }) | None => None,
        };
        let error = outcome.err();
        let fault = error.as_ref().map(|_| "transfer".to_owned());
        let event = CloneEvent { kind: CloneEventKind::Transfer, fault, error, ..self.event(clone, Some(call), took) };
        self.write(vec![event]).await;
    }

    /// A clone from its beginning to its end, whoever still waits for it.
    async fn fly(self: Arc<Self>, caller: Phone, since: Boot) {
        let deadline = since + self.settings.timeout;
        let mut late = false;
        let made = {
            let make = self.make(&caller, deadline);
            tokio::pin!(make);
            tokio::select! {
                made = &mut make => made,
                () = self.clock.sleep(self.settings.timeout) => {
                    late = true;
                    self.overdue(&caller, since).await;
                    make.await
                }
            }
        };
        self.land(&caller, since, late, made).await;
        // Only now: who waits until all have ended waits for what is written down, too.
        let mut index = self.index();
        index.flying = index.flying.saturating_sub(1);
    }

    /// Callers are told that it takes too long; it goes on.
    async fn overdue(self: &Arc<Self>, caller: &Phone, since: Boot) {
        let why = CloneFault::Timeout(self.settings.timeout);
        let now = self.clock.boot();
        let calls = {
            let mut index = self.index();
            index.tally.add(now, Happened::TimedOut);
            let Some(Entry::Flight(flight)) = index.callers.get_mut(caller) else { return };
            flight.state.send_replace(CloneState::Failed { why: why.clone() });
            std::mem::take(&mut flight.calls)
        };
        let clone = self.row_of(caller).await;
        let events = told_of(&calls, since).map(|(call, asked)| self.failed(clone, call, now.since(asked), &why));
        Arc::clone(self).write(events.collect()).await;
    }

    /// The end: remembered, told, written down.
    async fn land(self: &Arc<Self>, caller: &Phone, since: Boot, late: bool, made: Result<Ready, CloneFault>) {
        let now = self.clock.boot();
        let clone = match &made {
            Ok(ready) => Some(ready.clone),
            Err(_) => self.row_of(caller).await,
        };
        if let (Err(why), Some(clone)) = (&made, clone) {
            let why = why.to_string();
            let written = self.ledger.run(move |ledger| ledger.clone_failed(clone, &why)).await;
            if let Err(fault) = written {
                tracing::warn!(%fault, "a clone's failure is not written down");
            }
        }
        let calls = {
            let mut index = self.index();
            let flight = match index.callers.remove(caller) {
                Some(Entry::Flight(flight)) => Some(flight),
                Some(Entry::Ready(_) | Entry::Resting { .. }) | None => None,
            };
            let took = now.since(since);
            match (&made, late) {
                (Ok(_), false) => index.tally.add(now, Happened::Ready(took)),
                (Ok(_), true) => index.tally.add(now, Happened::Late(took)),
                (Err(CloneFault::Timeout(_)), false) => index.tally.add(now, Happened::TimedOut),
                (Err(_), false) => index.tally.add(now, Happened::Failed),
                (Err(_), true) => {}
            }
            let told = match &made {
                Ok(ready) => {
                    index.callers.insert(caller.clone(), Entry::Ready(ready.clone()));
                    Some(CloneState::Ready { voice: ready.voice.clone(), cached: false })
                }
                Err(why) => {
                    if let CloneFault::Account(_) = why {
                        index.refused = Some((why.clone(), now + limits::CLONE_REST_LONG));
                    }
                    if let Some(rest) = why.rest() {
                        index.rest(caller.clone(), why.clone(), now, now + rest);
                    }
                    (!late).then(|| CloneState::Failed { why: why.clone() })
                }
            };
            flight.map_or_else(Vec::new, |flight| {
                if let Some(told) = told {
                    flight.state.send_replace(told);
                }
                flight.calls
            })
        };
        // Who was told of a timeout has been written down with it.
        if late && calls.is_empty() && made.is_err() {
            return;
        }
        let events = told_of(&calls, since).map(|(call, asked)| match &made {
            Ok(_) => self.event(clone, call, now.since(asked)),
            Err(why) => self.failed(clone, call, now.since(asked), why),
        });
        Arc::clone(self).write(events.collect()).await;
    }

    /// A voice from memory was given to a call. If the ledger does not have it any more, it is forgotten here, too.
    async fn used(self: Arc<Self>, caller: Phone, ready: Ready, call: Option<CallId>) {
        let (clone, now) = (ready.clone, self.clock.wall());
        let kept = self.ledger.run(move |ledger| ledger.clone_used(clone, now)).await;
        match kept {
            Ok(true) => {}
            Ok(false) => self.index().drop_voice(&caller, clone),
            Err(fault) => tracing::warn!(%fault, "a clone's use is not written down"),
        }
        if call.is_some() {
            let event = CloneEvent { cached: true, ..self.event(Some(clone), call, Duration::ZERO) };
            self.write(vec![event]).await;
        }
    }

    async fn row_of(&self, caller: &Phone) -> Option<i64> {
        let (caller, provider) = (caller.clone(), self.provider);
        let row = self.ledger.run(move |ledger| ledger.clone_of(&caller, provider)).await;
        row.ok().flatten().map(|row| row.id)
    }

    /// The event of a voice that is ready.
    fn event(&self, clone: Option<i64>, call: Option<CallId>, took: Duration) -> CloneEvent {
        CloneEvent {
            clone,
            call,
            at: self.clock.wall(),
            kind: CloneEventKind::Ready,
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            cached: false,
            fault: None,
            error: None,
        }
    }

    fn failed(&self, clone: Option<i64>, call: Option<CallId>, took: Duration, why: &CloneFault) -> CloneEvent {
        let (fault, error) = (Some(why.kind().to_owned()), Some(why.to_string()));
        CloneEvent { kind: CloneEventKind::Failed, fault, error, ..self.event(clone, call, took) }
    }

    async fn write(self: Arc<Self>, events: Vec<CloneEvent>) {
        // A failure that is no call's and no clone's tells nobody anything: there would be one a second in a storm.
        let events: Vec<CloneEvent> = events.into_iter().filter(|it| it.call.is_some() || it.clone.is_some()).collect();
        let written = self.ledger.run(move |ledger| {
            ledger.atomically(|ledger| events.iter().try_for_each(|event| ledger.clone_event(event)))
        });
        if let Err(fault) = written.await {
            tracing::warn!(%fault, "what happened to a clone is not written down");
        }
    }
}

/// The calls that an end is written down with, and since when they waited; if none did, the clone itself.
fn told_of(calls: &[(CallId, Boot)], since: Boot) -> impl Iterator<Item = (Option<CallId>, Boot)> {
    let alone = calls.is_empty().then_some((None, since));
    calls.iter().map(|(call, asked)| (Some(*call), *asked)).chain(alone)
}

/// A channel whose value will not change.
fn settled(state: CloneState) -> watch::Receiver<CloneState> {
    watch::channel(state).1
}
