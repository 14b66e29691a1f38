//! One clone: sample, ledger, service, in the order that `core/clone/step` asks for.

use std::sync::PoisonError;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use super::Cloner;
use super::index::Ready;
use crate::base::{Boot, Phone, Wall, limits};
use crate::core::clone::sample::{Wanted, check};
use crate::core::clone::slots::{Room, room};
use crate::core::clone::step::{self, After, MakeFault, Step};
use crate::core::clone::{CloneFault, Consent, Sample};
use crate::edge::clone::{Order, Voice, fetch, told};
use crate::edge::engine::EngineFault;
use crate::store::ledger::{LedgerFault, Right};
use crate::store::samples::{Found, Ingredients};

/// What a clone is made of, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Prepared {
    /// What the service gets.
    pub order: Order,
    /// What the person agreed to.
    pub consent: Consent,
}

/// How a clone goes on.
enum Next {
    /// Look for its voice, upload nothing.
    Look,
    /// Look for its voice, upload the sample if there is none.
    Upload,
}

impl Cloner {
    /// Makes the voice of a caller, or finds it. Steps that can wait end at the deadline; an upload that has left does not.
    pub(super) async fn make(&self, caller: &Phone, deadline: Boot) -> Result<Ready, CloneFault> {
        let mut turn = Some(self.turn(deadline).await?);
        let prepared = self.prepare(caller).await?;
        let (clone, begun) = self.begin(caller, &prepared).await?;
        let label = &prepared.order.label;
        let mut next = match begun {
            Step::Use(voice) => return self.keep(clone, label, &voice).await,
            Step::Look | Step::Unfindable => Next::Look,
            Step::Begin | Step::Replace => Next::Upload,
        };
        let (mut tries, mut look) = (0, limits::CLONE_LOOK[0]);
        loop {
            if self.clock.boot() >= deadline {
                return Err(self.in_vain(&next));
            }
            if let Some(voice) = self.there(clone).await? {
                return self.keep(clone, label, &voice).await;
            }
            if self.maker.findable() {
                match self.staying(label).await {
                    Ok(voices) if voices.is_empty() => {}
                    Ok(voices) => return self.adopt(clone, label, voices).await,
                    Err(fault) => {
                        tries += 1;
                        let pause = again(&fault, tries).ok_or_else(|| told(&fault))?;
                        self.pause(pause, deadline).await;
                        continue;
                    }
                }
            }
            if let Next::Look = next {
                // Whoever only looks holds nobody up.
                turn = None;
                self.pause(look, deadline).await;
                look = (look * 2).min(limits::CLONE_LOOK[1]);
                if self.maker.findable() && self.horizon_passed(clone).await? {
                    next = Next::Upload;
                }
                continue;
            }
            if turn.is_none() {
                turn = Some(self.turn(deadline).await?);
            }
            self.find_room().await?;
            let now = self.clock.wall();
            match self.on_ledger(move |ledger| ledger.clone_sends(clone, now)).await? {
                Right::Ours => {}
                Right::Taken => {
                    next = Next::Look;
                    continue;
                }
                Right::Gone => return Err(CloneFault::Removed),
            }
            let fault = match self.maker.make(&prepared.order).await {
                Ok(Voice { id, unusable: None }) => return self.keep(clone, label, &id).await,
                Ok(Voice { id, unusable: Some(why) }) => {
                    self.leave(label, &id, "it cannot be used").await?;
                    self.on_ledger(move |ledger| ledger.clone_unsent(clone)).await?;
                    return Err(CloneFault::Refused(why));
                }
                Err(fault) => fault,
            };
            tries += 1;
            tracing::debug!(?fault, tries, "no voice yet");
            if step::is_over(&fault) {
                self.on_ledger(move |ledger| ledger.clone_unsent(clone)).await?;
            }
            match step::after(&fault, tries) {
                After::Again(pause) => self.pause(pause, deadline).await,
                After::Look => next = Next::Look,
                After::Give(fault) => return Err(fault),
            }
        }
    }

    /// A turn of the few that are made at once.
    async fn turn(&self, deadline: Boot) -> Result<OwnedSemaphorePermit, CloneFault> {
        let left = deadline.since(self.clock.boot());
        tokio::select! {
            turn = std::sync::Arc::clone(&self.turns).acquire_owned() => turn.map_err(|_| CloneFault::Crowded),
            () = self.clock.sleep(left) => Err(CloneFault::Timeout(self.settings.timeout)),
        }
    }

    async fn pause(&self, span: Duration, deadline: Boot) {
        self.clock.sleep(span.min(deadline.since(self.clock.boot()))).await;
    }

    fn in_vain(&self, next: &Next) -> CloneFault {
        match next {
            Next::Look if !self.maker.findable() => CloneFault::Unfindable,
            Next::Look => CloneFault::Lost,
            Next::Upload => CloneFault::Timeout(self.settings.timeout),
        }
    }

    /// Finds the sample and the consent of a caller, and checks them.
    pub(super) async fn prepare(&self, caller: &Phone) -> Result<Prepared, CloneFault> {
        let (samples, list, who) = (self.samples.clone(), std::sync::Arc::clone(&self.list), caller.clone());
        let (spoken, now) = (self.maker.wants_consent_spoken(), self.clock.wall());
        let found = tokio::task::spawn_blocking(move || {
            let mut list = list.lock().unwrap_or_else(PoisonError::into_inner);
            *list = samples
                .list(Some(std::mem::take(&mut list)))
                .map_err(|failure| CloneFault::Unreadable(failure.what))?;
            samples.find(&list, &who, spoken, now)
        });
        let found = found.await.map_err(|error| CloneFault::Unreadable(error.to_string()))?;
        let Ingredients { consent, sample, spoken, language } = found?;
        let wanted = Wanted::by(self.provider);
        let sample = self.checked(sample, wanted).await?;
        let spoken = match spoken {
            Some(spoken) => Some(self.checked(spoken, wanted.consent()).await?),
            None => None,
        };
        let label = self.samples.name(caller).label(&sample.hash);
        Ok(Prepared { order: Order { label, sample, spoken, language }, consent })
    }

    async fn checked(&self, found: Found, wanted: Wanted) -> Result<Sample, CloneFault> {
        let bytes = match found {
            Found::Bytes(bytes) => bytes,
            Found::Url(address) => fetch(&address, limits::WAV_BYTES).await?,
        };
        // Minutes of sound take a tenth of a second to measure: not on a thread that calls are served by.
        let sample = tokio::task::spawn_blocking(move || check(&bytes, wanted)).await;
        Ok(sample.map_err(|error| CloneFault::Unreadable(error.to_string()))??)
    }

    /// Writes down that a clone is made, and what the ledger says to that. What is there of another sample leaves.
    async fn begin(&self, caller: &Phone, prepared: &Prepared) -> Result<(i64, Step), CloneFault> {
        let (caller, provider, findable) = (caller.clone(), self.provider, self.maker.findable());
        let (label, sample) = (prepared.order.label.clone(), prepared.order.sample.hash.clone());
        let (consent, now) = (prepared.consent.clone(), self.clock.wall());
        let begun = self.on_ledger(move |ledger| {
            ledger.atomically(|ledger| {
                let row = ledger.clone_of(&caller, provider)?;
                if let Some(row) =
                    row.filter(|row| step::step(Some(&row.known), &sample, findable, now) == Step::Replace)
                {
                    let why = if row.known.sample == sample { "expired" } else { "a new sample" };
                    ledger.clone_leaves_by_id(row.id, why, now)?;
                }
                let id = ledger.clone_begins(&caller, provider, &label, &sample, &consent, now)?;
                let row = ledger.clone_by_id(id)?;
                Ok((id, step::step(row.as_ref().map(|row| &row.known), &sample, findable, now)))
            })
        });
        begun.await
    }

    /// Voices with this label that are not on their way out.
    pub(super) async fn staying(&self, label: &str) -> Result<Vec<Voice>, EngineFault> {
        let found = self.maker.find(label).await?;
        if found.is_empty() {
            return Ok(found);
        }
        let (provider, name) = (self.provider, label.to_owned());
        let out = self.ledger.run(move |ledger| ledger.leaving_voices(provider, &name)).await;
        let out = out.map_err(|fault: LedgerFault| EngineFault::Failed {
            engine: provider.as_str().to_owned(),
            why: format!("the ledger: {fault}"),
        })?;
        Ok(found.into_iter().filter(|voice| !out.contains(&voice.id)).collect())
    }

    /// The voice of a clone, if another process has made it meanwhile.
    async fn there(&self, clone: i64) -> Result<Option<String>, CloneFault> {
        let row = self.on_ledger(move |ledger| ledger.clone_by_id(clone)).await?;
        row.map_or(Err(CloneFault::Removed), |row| Ok(row.known.voice))
    }

    async fn horizon_passed(&self, clone: i64) -> Result<bool, CloneFault> {
        let row = self.on_ledger(move |ledger| ledger.clone_by_id(clone)).await?;
        let now = self.clock.wall();
        Ok(row.is_some_and(|row| row.known.sent_at.is_none_or(|sent| !step::may_come(sent, now))))
    }

    /// Makes sure that the account has a slot, at the cost of our least used clone where the owner lets it go.
    async fn find_room(&self) -> Result<(), CloneFault> {
        for _ in 0..limits::CLONE_TRIES {
            let slots = self.maker.slots().await.map_err(|fault| told(&fault))?;
            let provider = self.provider;
            let ours = self.on_ledger(move |ledger| ledger.clone_candidates(provider)).await?;
            let now = self.clock.wall();
            match room(&slots, self.settings.evict, &ours, now) {
                Room::Free => return Ok(()),
                Room::NoCloning => return Err(CloneFault::Account("its plan has no voice cloning".to_owned())),
                Room::Full(why) => {
                    // What is on its way out makes room, too.
                    if self.delete_leaving(Wall(i64::MAX)).await?.deleted == 0 {
                        return Err(CloneFault::NoRoom(why));
                    }
                }
                Room::Evict(oldest) => {
                    self.on_ledger(move |ledger| ledger.clone_leaves_by_id(oldest, "its slot was needed", now)).await?;
                    self.relearn().await?;
                    if self.delete_leaving(Wall(i64::MAX)).await?.deleted == 0 {
                        return Err(CloneFault::NoRoom(
                            "the voice that was to make room could not be deleted".to_owned(),
                        ));
                    }
                }
            }
        }
        Err(CloneFault::NoRoom("others take the slots as they become free".to_owned()))
    }

    /// Takes the oldest voice with our label; others with it are copies that nobody needs.
    pub(super) async fn adopt(&self, clone: i64, label: &str, voices: Vec<Voice>) -> Result<Ready, CloneFault> {
        let mut voices = voices.into_iter();
        let Some(first) = voices.next() else { return Err(CloneFault::Lost) };
        for copy in voices {
            tracing::warn!(label, "a second voice with this label is at the service: it will be deleted");
            self.leave(label, &copy.id, "a copy").await?;
        }
        self.keep(clone, label, &first.id).await
    }

    /// Writes the voice down. If the clone was removed meanwhile, its voice leaves.
    async fn keep(&self, clone: i64, label: &str, voice: &str) -> Result<Ready, CloneFault> {
        let now = self.clock.wall();
        let expires = now + self.settings.expires;
        let (provider, label, voice) = (self.provider, label.to_owned(), voice.to_owned());
        let kept = self.on_ledger(move |ledger| {
            ledger.atomically(|ledger| {
                let row = ledger.clone_by_id(clone)?;
                match row.and_then(|row| Some((row.known.voice?, row.known.expires_at?))) {
                    // Made by another process, or found again: it keeps its day.
                    Some((there, expires)) if there == voice => return Ok(Some((voice, expires))),
                    Some(_) | None => {}
                }
                if ledger.clone_ready(clone, &voice, now, expires)? {
                    return Ok(Some((voice, expires)));
                }
                ledger.voice_leaves(provider, &label, Some(&voice), now, "removed while it was made", now)?;
                let other = ledger.clone_by_id(clone)?;
                Ok(other.and_then(|row| Some((row.known.voice?, row.known.expires_at?))))
            })
        });
        let (voice, expires) = kept.await?.ok_or(CloneFault::Removed)?;
        Ok(Ready { clone, voice, expires, written: now })
    }

    async fn leave(&self, label: &str, voice: &str, why: &'static str) -> Result<(), CloneFault> {
        let (provider, label, voice, now) = (self.provider, label.to_owned(), voice.to_owned(), self.clock.wall());
        self.on_ledger(move |ledger| ledger.voice_leaves(provider, &label, Some(&voice), now, why, now)).await
    }

    /// A unit of work on the ledger.
    pub(super) async fn on_ledger<T: Send + 'static>(
        &self,
        unit: impl FnOnce(&mut crate::store::ledger::Ledger) -> Result<T, LedgerFault> + Send + 'static,
    ) -> Result<T, CloneFault> {
        self.ledger.run(unit).await.map_err(|fault: LedgerFault| CloneFault::Ledger(fault.to_string()))
    }
}

/// Whether a question is worth asking again, and when.
fn again(fault: &EngineFault, tries: u32) -> Option<Duration> {
    let asked = match fault {
        EngineFault::Busy { why, after, .. } => MakeFault::Busy { why: why.clone(), after: *after },
        EngineFault::Failed { why, .. } | EngineFault::BadSound { why, .. } => MakeFault::Failed(why.clone()),
        EngineFault::Account { .. }
        | EngineFault::Refused { .. }
        | EngineFault::Language { .. }
        | EngineFault::Missing { .. } => return None,
    };
    match step::after(&asked, tries) {
        After::Again(pause) => Some(pause),
        After::Look | After::Give(_) => None,
    }
}
