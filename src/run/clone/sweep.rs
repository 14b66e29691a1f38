//! What an earlier process left undone, and what its time has come for: voices to delete, uploads whose answer was lost.

use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use super::super::clock::Clock;
use super::Cloner;
use crate::base::{Wall, limits};
use crate::core::clone::CloneFault;
use crate::core::clone::step::{delete_again, may_come};
use crate::edge::clone::told;
use crate::edge::engine::EngineFault;
use crate::store::ledger::{CloneRow, Leaving, WhichClones};

/// What one look came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Swept {
    /// Lost uploads whose voice was found.
    pub found: u64,
    /// Clones taken out: expired, or their consent was taken back.
    pub expired: u64,
    /// Voices deleted at the service.
    pub deleted: u64,
    /// Voices that will be tried again later.
    pub later: u64,
}

/// Looks at once and then again and again, until the cloner is dropped.
pub(super) async fn tend(cloner: Weak<Cloner>, clock: Arc<dyn Clock>) {
    loop {
        let Some(alive) = cloner.upgrade() else { return };
        if let Err(fault) = alive.sweep().await {
            tracing::warn!(%fault, "voices could not be looked after");
        }
        drop(alive);
        clock.sleep(limits::CLONE_SWEEP).await;
    }
}

impl Cloner {
    /// One look. Ends early with the fault if the service refuses the account, or the ledger is away.
    pub async fn sweep(&self) -> Result<Swept, CloneFault> {
        let mut swept = Swept { expired: self.expire().await?, ..Swept::default() };
        swept.found = self.find_lost().await?;
        let deleted = self.delete_leaving(self.clock.wall()).await?;
        (swept.deleted, swept.later) = (deleted.deleted, deleted.later);
        self.relearn().await?;
        Ok(swept)
    }

    async fn rows(&self) -> Result<Vec<CloneRow>, CloneFault> {
        let provider = self.provider;
        let rows = self.on_ledger(move |ledger| ledger.clones(WhichClones::All)).await?;
        Ok(rows.into_iter().filter(|row| row.provider == provider).collect())
    }

    /// Brings the index in line with the ledger: other processes make and remove clones, too.
    pub(super) async fn relearn(&self) -> Result<(), CloneFault> {
        let rows = self.rows().await?;
        self.index().learn(self.provider, rows);
        Ok(())
    }

    /// Takes out what has expired, and whose consent is in the list no more. Without a list nobody's is known to be.
    async fn expire(&self) -> Result<u64, CloneFault> {
        let now = self.clock.wall();
        let (samples, list) = (self.samples.clone(), Arc::clone(&self.list));
        let read = tokio::task::spawn_blocking(move || {
            let mut list = list.lock().unwrap_or_else(PoisonError::into_inner);
            *list = samples.list(Some(std::mem::take(&mut list)))?;
            Ok::<_, crate::base::Failure>(list.clone())
        });
        let list = match read.await.map_err(|error| CloneFault::Unreadable(error.to_string()))? {
            Ok(list) => Some(list).filter(|list| list.callers().next().is_some()),
            Err(failure) => {
                tracing::warn!(%failure, "the list of samples cannot be read");
                None
            }
        };
        let mut out = Vec::new();
        for row in self.rows().await? {
            let taken_back =
                list.as_ref().is_some_and(|list| list.consenting(&self.samples.name(&row.phone), now).is_err());
            let expired = row.known.expires_at.is_some_and(|at| at <= now);
            if expired || taken_back {
                out.push((row.id, if expired { "expired" } else { "consent is not in the list any more" }));
            }
        }
        let count = out.len() as u64;
        if count > 0 {
            self.on_ledger(move |ledger| {
                ledger
                    .atomically(|ledger| out.iter().try_for_each(|(id, why)| ledger.clone_leaves_by_id(*id, why, now)))
            })
            .await?;
        }
        Ok(count)
    }

    /// Looks for the voices of uploads whose answer was lost.
    async fn find_lost(&self) -> Result<u64, CloneFault> {
        let mut found = 0;
        if !self.maker.findable() {
            return Ok(found);
        }
        let lost = self.rows().await?.into_iter().filter(|row| row.known.sent_at.is_some());
        for row in lost.take(limits::CLONE_SWEEP_MOST as usize) {
            if self.index().is_in_flight(&row.phone) {
                continue;
            }
            match self.staying(&row.label).await {
                Ok(voices) if voices.is_empty() => {}
                Ok(voices) => match self.adopt(row.id, &row.label, voices).await {
                    Ok(_) => found += 1,
                    Err(fault) => tracing::debug!(%fault, "a lost voice was found and is not wanted"),
                },
                Err(EngineFault::Account { why, .. }) => return Err(CloneFault::Account(why)),
                Err(fault) => tracing::debug!(%fault, "a lost voice could not be looked for"),
            }
        }
        Ok(found)
    }

    /// Deletes voices that are on their way out and due by `until`.
    pub(super) async fn delete_leaving(&self, until: Wall) -> Result<Swept, CloneFault> {
        let provider = self.provider;
        let leaving = self.on_ledger(move |ledger| ledger.leaving(provider, until, limits::CLONE_SWEEP_MOST)).await?;
        let mut swept = Swept::default();
        for voice in leaving {
            let id = voice.id;
            match self.delete(&voice).await {
                Ok(true) => {
                    self.on_ledger(move |ledger| ledger.has_left(id)).await?;
                    swept.deleted += 1;
                }
                Ok(false) => {
                    let (due, why) = (self.clock.wall() + limits::CLONE_LOOK[1], "it has not come yet".to_owned());
                    self.on_ledger(move |ledger| ledger.leaves_later(id, due, &why)).await?;
                    swept.later += 1;
                }
                Err(fault) => {
                    let (due, why) = (self.clock.wall() + delete_again(voice.tries), fault.why());
                    self.on_ledger(move |ledger| ledger.leaves_later(id, due, &why)).await?;
                    swept.later += 1;
                    if let EngineFault::Account { .. } = fault {
                        return Err(told(&fault));
                    }
                }
            }
        }
        Ok(swept)
    }

    /// Deletes one. False: an upload whose answer was lost may still become it.
    async fn delete(&self, leaving: &Leaving) -> Result<bool, EngineFault> {
        let label = &leaving.label;
        if let Some(voice) = &leaving.voice {
            self.maker.delete(Some(voice), label).await?;
            return Ok(true);
        }
        if !self.maker.findable() {
            self.maker.delete(None, label).await?;
            let why = format!("look there for a voice named {label}: this service lists none");
            return Err(EngineFault::Refused { engine: self.provider.as_str().to_owned(), why });
        }
        for voice in self.maker.find(label).await? {
            let (provider, id) = (self.provider, voice.id.clone());
            let used = self.ledger.run(move |ledger| ledger.is_voice_of_a_clone(provider, &id)).await;
            let fault = |fault: crate::store::ledger::LedgerFault| EngineFault::Failed {
                engine: provider.as_str().to_owned(),
                why: format!("the ledger: {fault}"),
            };
            if !used.map_err(fault)? {
                self.maker.delete(Some(&voice.id), label).await?;
            }
        }
        self.maker.delete(None, label).await?;
        Ok(!may_come(leaving.until - limits::CLONE_HORIZON, self.clock.wall()))
    }

    /// Waits until nothing is in flight, at most so long.
    pub async fn settle(&self, most: Duration) {
        let until = self.clock.boot() + most;
        while self.index().flying > 0 && self.clock.boot() < until {
            self.clock.sleep(Duration::from_millis(20)).await;
        }
    }
}
