//! The ledger as a door: on its own thread in production, inline under simulation.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::store::ledger::writer::{self, Job, Ran, Writer};
use crate::store::ledger::{Ledger, LedgerFault};

/// Whoever keeps the ledger.
pub trait LedgerDoor: Send + Sync {
    /// Takes a unit of work; refuses at once when its queue is full.
    fn submit(&self, job: Job) -> Result<(), LedgerFault>;
}

impl LedgerDoor for Writer {
    fn submit(&self, job: Job) -> Result<(), LedgerFault> {
        Writer::submit(self, job)
    }
}

/// A ledger without a thread: each unit is its own commit, done before `submit` returns.
#[derive(Debug)]
pub struct Inline(Mutex<Ledger>);

impl Inline {
    /// Takes the ledger.
    pub fn new(ledger: Ledger) -> Inline {
        Inline(Mutex::new(ledger))
    }
}

impl LedgerDoor for Inline {
    fn submit(&self, job: Job) -> Result<(), LedgerFault> {
        let mut ledger = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        writer::commit(&mut ledger, vec![job]);
        Ok(())
    }
}

/// The ledger as the rooms of `run` hold it: cheap to clone.
#[derive(Clone)]
pub struct LedgerHandle {
    door: Arc<dyn LedgerDoor>,
    /// Units that wait for the ledger.
    waiting: Arc<AtomicUsize>,
}

/// One unit that waits; dropping it says that it waits no longer.
struct Waiting(Arc<AtomicUsize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl LedgerHandle {
    /// Behind any door.
    pub fn new(door: impl LedgerDoor + 'static) -> LedgerHandle {
        LedgerHandle { door: Arc::new(door), waiting: Arc::default() }
    }

    /// Units that wait for the ledger now.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Runs a unit of work and waits until it is durable. An `Err` from it rolls back what it wrote.
    ///
    /// The job is handed over before the future is first polled, so dropping the future does not undo it.
    pub fn run<T, E>(
        &self,
        unit: impl FnOnce(&mut Ledger) -> Result<T, E> + Send + 'static,
    ) -> impl Future<Output = Result<T, E>> + Send + 'static
    where
        T: Send + 'static,
        E: From<LedgerFault> + Send + 'static,
    {
        crate::door!("ledger");
        let (tell, told) = oneshot::channel();
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let waits = Waiting(Arc::clone(&self.waiting));
        let job: Job = Box::new(move |ledger| {
            drop(waits);
            let result = ledger.map_err(E::from).and_then(unit);
            Ran {
                keep: result.is_ok(),
                reply: Box::new(move |commit| {
                    let answer = match (commit, result) {
                        (Ok(()), result) | (Err(_), result @ Err(_)) => result,
                        (Err(fault), Ok(_)) => Err(E::from(fault)),
                    };
                    // The asker may have gone (its task was cancelled): the unit is durable all the same.
                    let _: Result<(), _> = tell.send(answer);
                }),
            }
        });
        let queued = self.door.submit(job);
        async move {
            queued.map_err(E::from)?;
            told.await.unwrap_or_else(|_| Err(E::from(LedgerFault::Stopped)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Wall;
    use crate::core::dial::breaker::StopKind;
    use crate::store::ledger::OpenOptions;

    fn open(dir: &tempfile::TempDir) -> Ledger {
        let options = OpenOptions { fresh_key: [1; 32], now: Wall(0) };
        Ledger::open(&dir.path().join("ahoy.db"), &options).expect("a ledger")
    }

    #[tokio::test]
    async fn a_unit_answers_after_its_commit_behind_either_door() {
        for threaded in [true, false] {
            let dir = tempfile::tempdir().expect("a folder");
            let ledger = match threaded {
                true => LedgerHandle::new(Writer::start(open(&dir)).expect("a thread")),
                false => LedgerHandle::new(Inline::new(open(&dir))),
            };
            let units: Vec<_> = (0..50)
                .map(|n| {
                    ledger.run(move |ledger| {
                        ledger.stop_account(&format!("AC{n}"), StopKind::Funds, "test", &[], Wall(0))
                    })
                })
                .collect();
            for unit in units {
                assert_eq!(unit.await, Ok(true));
            }
            let reader = Ledger::open_read_only(&dir.path().join("ahoy.db")).expect("readable");
            for n in 0..50 {
                assert!(reader.account_stop(&format!("AC{n}")).expect("read").is_some());
            }
        }
    }

    #[tokio::test]
    async fn a_unit_that_fails_is_undone_and_says_why() {
        let dir = tempfile::tempdir().expect("a folder");
        let ledger = LedgerHandle::new(Inline::new(open(&dir)));
        let failed: Result<(), LedgerFault> = ledger
            .run(|ledger| {
                ledger.stop_account("AC1", StopKind::Funds, "test", &[], Wall(0))?;
                Err(LedgerFault::Unknown("thing"))
            })
            .await;
        assert_eq!(failed, Err(LedgerFault::Unknown("thing")));
        let stop = ledger.run(|ledger| ledger.account_stop("AC1")).await;
        assert_eq!(stop, Ok(None));
    }

    #[tokio::test]
    async fn a_dropped_asker_does_not_undo_its_unit() {
        let dir = tempfile::tempdir().expect("a folder");
        let ledger = LedgerHandle::new(Writer::start(open(&dir)).expect("a thread"));
        drop(ledger.run(|ledger| ledger.stop_account("AC1", StopKind::Funds, "test", &[], Wall(0))));
        let stop = ledger.run(|ledger| ledger.account_stop("AC1")).await;
        assert_eq!(stop, Ok(Some("test".to_owned())));
    }
}
