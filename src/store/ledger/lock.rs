//! The dial lock: one process dials on a ledger. Imports and reports do not take it.
//!
//! The operating system holds the lock and lets it go when the process dies, however it dies; what stands in the file
//! only tells the next one who has it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::base::{Exit, Failure, Wall};

/// Who dials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Process id.
    pub pid: u32,
    /// What it runs (the campaigns' names).
    pub campaign: String,
    /// Since when.
    pub since: Wall,
}

/// Why the lock could not be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LockFault {
    /// Another process dials.
    #[error("{}", held(by.as_ref()))]
    Held {
        /// Who, if it has written its name.
        by: Option<Holder>,
    },
    /// The lock file cannot be used.
    #[error("the lock file {0} cannot be used: {1}")]
    Io(String, String),
}

fn held(by: Option<&Holder>) -> String {
    match by {
        Some(by) => {
            let campaign = crate::base::text::printable(&by.campaign);
            format!("process {} is already running {campaign} on this ledger (since {})", by.pid, by.since)
        }
        None => "another process is already dialing on this ledger".to_owned(),
    }
}

impl From<LockFault> for Failure {
    fn from(fault: LockFault) -> Failure {
        match &fault {
            LockFault::Held { .. } => Failure::new(Exit::Locked, fault.to_string())
                .next("wait for it to end, or end it with `ahoy campaign stop CAMPAIGN`, or with Ctrl-C where it runs"),
            LockFault::Io(..) => Failure::bug(fault.to_string()),
        }
    }
}

/// The lock, held until it is dropped or the process ends.
#[derive(Debug)]
pub struct DialLock {
    file: File,
}

impl DialLock {
    /// Takes the lock of a ledger, or says who has it. Never waits.
    pub fn take(ledger: &Path, holder: &Holder) -> Result<DialLock, LockFault> {
        let path = lock_path(ledger);
        let io = |error: std::io::Error| LockFault::Io(path.display().to_string(), error.to_string());
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LockFault::Held { by: read_holder(&mut file) }),
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        let line = serde_json::to_string(holder).map_err(|error| io(error.into()))?;
        file.set_len(0).map_err(io)?;
        file.seek(SeekFrom::Start(0)).map_err(io)?;
        file.write_all(line.as_bytes()).map_err(io)?;
        file.flush().map_err(io)?;
        Ok(DialLock { file })
    }
}

impl Drop for DialLock {
    fn drop(&mut self) {
        if let Err(error) = self.file.set_len(0).and_then(|()| self.file.unlock()) {
            tracing::warn!("the dial lock was not let go cleanly (it ends with this process): {error}");
        }
    }
}

/// Who dials on a ledger now, as far as the file tells: the process named there, if it lives. The lock is not touched, so
/// that a look never refuses a start.
pub fn holder(ledger: &Path) -> Option<Holder> {
    let mut file = File::open(lock_path(ledger)).ok()?;
    let holder = read_holder(&mut file)?;
    let pid = rustix::process::Pid::from_raw(i32::try_from(holder.pid).ok()?)?;
    // A process of another user lives, too: we may only not signal it.
    let lives = !matches!(rustix::process::test_kill_process(pid), Err(rustix::io::Errno::SRCH));
    lives.then_some(holder)
}

/// `ahoy.db` → `ahoy.db.lock`, beside it.
fn lock_path(ledger: &Path) -> PathBuf {
    let mut name = ledger.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

fn read_holder(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    // A holder that has not written its name yet, or a file that cannot be read, is still a holder.
    file.take(4_096).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_second_dialer_is_refused_by_name_of_the_first() {
        let dir = tempfile::tempdir().expect("a folder");
        let ledger = dir.path().join("ahoy.db");
        let holder = |pid, campaign: &str| Holder { pid, campaign: campaign.to_owned(), since: Wall(0) };
        let first = DialLock::take(&ledger, &holder(4_711, "spring")).expect("free");
        let refused = DialLock::take(&ledger, &holder(1, "autumn")).expect_err("held");
        assert_eq!(refused, LockFault::Held { by: Some(holder(4_711, "spring")) });
        let failure = Failure::from(refused);
        assert_eq!(failure.exit, Exit::Locked);
        assert!(failure.what.contains("4711") && failure.what.contains("spring"), "{failure}");
        drop(first);
        DialLock::take(&ledger, &holder(1, "autumn")).expect("free again");
    }

    #[test]
    fn a_look_names_a_living_holder_and_forgets_a_dead_one() {
        let dir = tempfile::tempdir().expect("a folder");
        let ledger = dir.path().join("ahoy.db");
        assert_eq!(super::holder(&ledger), None);
        let me = Holder { pid: std::process::id(), campaign: "spring".to_owned(), since: Wall(0) };
        let lock = DialLock::take(&ledger, &me).expect("free");
        assert_eq!(super::holder(&ledger), Some(me.clone()));
        drop(lock);
        assert_eq!(super::holder(&ledger), None, "let go");
        let mut child = std::process::Command::new("true").spawn().expect("it starts");
        let dead = Holder { pid: child.id(), ..me };
        child.wait().expect("it ends");
        fs::write(lock_path(&ledger), serde_json::to_string(&dead).expect("JSON")).expect("written");
        assert_eq!(super::holder(&ledger), None, "killed");
    }
}
