//! One writer thread with group commit: many units, one flush. A reply leaves only after its commit is durable.

use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread::JoinHandle;

use super::{Ledger, LedgerFault};
use crate::base::limits;

/// Tells the asker how it went; called once, after the commit (`Ok`) or its failure.
pub type Reply = Box<dyn FnOnce(Result<(), LedgerFault>) + Send>;

/// What a unit of work came to.
pub struct Ran {
    /// False: what it wrote is rolled back (the others of its group are not).
    pub keep: bool,
    /// Holds the result until the commit.
    pub reply: Reply,
}

/// A unit of work on the ledger. It gets the fault instead if no transaction could be begun.
pub type Job = Box<dyn FnOnce(Result<&mut Ledger, LedgerFault>) -> Ran + Send>;

/// Handle of the writer thread. Dropping it lets the queued jobs finish and waits for them.
#[derive(Debug)]
pub struct Writer {
    queue: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread; it owns the ledger.
    pub fn start(ledger: Ledger) -> Result<Writer, LedgerFault> {
        let (queue, jobs) = sync_channel(limits::LEDGER_QUEUE);
        let thread = std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || work(ledger, &jobs))
            .map_err(|error| LedgerFault::Io(error.to_string()))?;
        Ok(Writer { queue: Some(queue), thread: Some(thread) })
    }

    /// Queues a job; a full queue refuses it at once.
    pub fn submit(&self, job: Job) -> Result<(), LedgerFault> {
        let queue = self.queue.as_ref().ok_or(LedgerFault::Stopped)?;
        queue.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => LedgerFault::QueueFull,
            TrySendError::Disconnected(_) => LedgerFault::Stopped,
        })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the ledger's writer had died of a bug");
        }
    }
}

fn work(mut ledger: Ledger, jobs: &Receiver<Job>) {
    while let Ok(first) = jobs.recv() {
        let mut group = vec![first];
        while group.len() < limits::GROUP_COMMIT {
            match jobs.try_recv() {
                Ok(job) => group.push(job),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        if let Some(space) = &mut ledger.health.space {
            space.look();
        }
        commit(&mut ledger, group);
        ledger.watch_wal();
    }
}

/// Runs jobs, each in its own savepoint, inside one transaction; then tells them.
///
/// A job that fails is undone alone. If the transaction itself is lost (SQLite rolls back by itself after some faults
/// of the disk), every job that ran in it is told so, and the rest start a new one.
pub fn commit(ledger: &mut Ledger, group: Vec<Job>) {
    let mut waiting = group.into_iter().peekable();
    while waiting.peek().is_some() {
        if let Err(fault) = begin(ledger) {
            ledger.commit_lost(&fault);
            for job in waiting {
                let reply = job(Err(fault.clone())).reply;
                reply(Err(fault.clone()));
            }
            return;
        }
        let mut ran = Vec::new();
        let mut lost = None;
        for job in waiting.by_ref() {
            match one(ledger, job, &mut ran) {
                Ok(()) => {}
                Err(fault) => {
                    lost = Some(fault);
                    break;
                }
            }
        }
        let ended = match lost {
            None => ledger.batch("COMMIT"),
            Some(fault) => Err(fault),
        };
        if let Err(lost) = &ended {
            ledger.commit_lost(lost);
            if !ledger.conn.is_autocommit()
                && let Err(fault) = ledger.batch("ROLLBACK")
            {
                tracing::error!("the ledger could not roll back: {fault}");
            }
        }
        for reply in ran {
            reply(ended.clone());
        }
    }
}

/// Begins a transaction. A lock that another process keeps through [`limits::LEDGER_TRIES`] waits in a row is no longer
/// a moment's matter: the fault names the process.
fn begin(ledger: &mut Ledger) -> Result<(), LedgerFault> {
    match ledger.batch("BEGIN IMMEDIATE") {
        Ok(()) => {
            ledger.health.busy_in_a_row = 0;
            Ok(())
        }
        Err(LedgerFault::Busy) => {
            ledger.health.busy_in_a_row += 1;
            if ledger.health.busy_in_a_row < limits::LEDGER_TRIES {
                return Err(LedgerFault::Busy);
            }
            Err(LedgerFault::LockedOut(ledger.writer_elsewhere()))
        }
        Err(fault) => Err(fault),
    }
}

/// One job in its savepoint. `Err`: the whole transaction is lost.
fn one(ledger: &mut Ledger, job: Job, ran: &mut Vec<Reply>) -> Result<(), LedgerFault> {
    let opened = ledger.batch("SAVEPOINT job");
    let Ran { keep, reply } = match &opened {
        Ok(()) => job(Ok(ledger)),
        Err(fault) => job(Err(fault.clone())),
    };
    ran.push(reply);
    opened?;
    if ledger.conn.is_autocommit() {
        return Err(LedgerFault::Io("the transaction was lost".to_owned()));
    }
    ledger.batch(if keep { "RELEASE job" } else { "ROLLBACK TO job; RELEASE job" })
}
