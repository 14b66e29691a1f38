//! What the ledger can fail with, and what may be done about it.

use std::io;

use super::keyfile::KeyFault;

/// The ledger could not do its work. Nothing of the refused unit was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerFault {
    /// Another process held the write lock for too long.
    #[error("the ledger is locked by another process")]
    Busy,
    /// Another process has held the write lock through every try.
    #[error("the ledger stays locked: {0} holds its write lock")]
    LockedOut(String),
    /// There is less room on the disk than calls may need.
    #[error("the ledger's disk has {} MiB left; nobody is called below {} MiB", .free >> 20, .floor >> 20)]
    LowSpace {
        /// Bytes that are free.
        free: u64,
        /// Bytes that must be.
        floor: u64,
    },
    /// It lies on a share of another machine.
    #[error("the ledger {path} lies on {kind}, where locks do not keep two writers apart")]
    OnShare {
        /// The ledger.
        path: String,
        /// The kind of share.
        kind: &'static str,
    },
    /// The disk is full.
    #[error("the disk of the ledger is full")]
    Full,
    /// The file is damaged or no ledger.
    #[error("the ledger is damaged or is no ledger: {0}")]
    Corrupt(String),
    /// The file was written by a newer version of this program.
    #[error("the ledger has schema {found}; this version of ahoy knows schema {known}: use a newer ahoy")]
    Newer {
        /// The file's schema.
        found: i64,
        /// The newest that we know.
        known: i64,
    },
    /// The suppression list cannot be read.
    #[error("{0}")]
    SuppressionKey(#[from] KeyFault),
    /// There is no ledger at that path.
    #[error("there is no ledger at {0}")]
    Missing(String),
    /// Reading or writing failed.
    #[error("the ledger's disk failed: {0}")]
    Io(String),
    /// The writer's queue is full: try again later.
    #[error("the ledger's queue is full")]
    QueueFull,
    /// The writer has stopped.
    #[error("the ledger's writer has stopped")]
    Stopped,
    /// The linked SQLite has a known bug that can damage ledgers.
    #[error("SQLite {0} is too old: 3.51.3 or later is needed")]
    OldSqlite(String),
    /// No such row.
    #[error("the ledger knows no such {0}")]
    Unknown(&'static str),
    /// A law of the schema refused it, or the program asked for something impossible: a bug.
    #[error("ledger bug: {0}")]
    Bug(String),
}

impl From<rusqlite::Error> for LedgerFault {
    fn from(error: rusqlite::Error) -> LedgerFault {
        use rusqlite::ErrorCode as Code;
        let text = error.to_string();
        match error.sqlite_error_code() {
            Some(Code::DatabaseBusy | Code::DatabaseLocked) => LedgerFault::Busy,
            Some(Code::DiskFull) => LedgerFault::Full,
            Some(Code::DatabaseCorrupt | Code::NotADatabase) => LedgerFault::Corrupt(text),
            Some(Code::SystemIoFailure | Code::CannotOpen | Code::ReadOnly | Code::PermissionDenied) => {
                LedgerFault::Io(text)
            }
            // SQLite's own enum grows: what we do not know is a bug until somebody names it.
            Some(_) | None => LedgerFault::Bug(text),
        }
    }
}

impl From<io::Error> for LedgerFault {
    fn from(error: io::Error) -> LedgerFault {
        match error.kind() {
            io::ErrorKind::StorageFull => LedgerFault::Full,
            io::ErrorKind::NotFound => LedgerFault::Missing(error.to_string()),
            _ => LedgerFault::Io(error.to_string()),
        }
    }
}

impl From<LedgerFault> for crate::base::Failure {
    fn from(fault: LedgerFault) -> crate::base::Failure {
        use crate::base::{Exit, Failure};
        let failure = |exit| Failure::new(exit, fault.to_string());
        match &fault {
            LedgerFault::Busy => failure(Exit::Locked).next("wait for the other ahoy process, or stop it"),
            LedgerFault::LockedOut(_) => failure(Exit::Locked).next("stop that process, then run again"),
            LedgerFault::LowSpace { .. } => failure(Exit::Bug)
                .next("make room on that disk, then run again (or lower [limits] free_floor_mib in ahoy.toml)"),
            LedgerFault::OnShare { .. } => failure(Exit::Usage)
                .next("put it on a disk of this machine: [ledger] path = \"/var/lib/ahoy/ahoy.db\" in ahoy.toml"),
            LedgerFault::Full => failure(Exit::Bug).next("free some space and run again: nothing was lost"),
            LedgerFault::Corrupt(_) => failure(Exit::Bug).next(
                "keep the file as it is and put a backup in its place; the backup does not know who was called since, \
                 so let `ahoy reconcile --import` look at the carrier before anybody is called",
            ),
            LedgerFault::Newer { .. } | LedgerFault::OldSqlite(_) => failure(Exit::Usage).next("install a newer ahoy"),
            LedgerFault::Missing(_) => failure(Exit::Usage).next("`ahoy leads import FILE --campaign NAME` makes one"),
            LedgerFault::SuppressionKey(key) => failure(Exit::Refused).next(match key {
                KeyFault::Missing(_) | KeyFault::Different(_) | KeyFault::Unreadable(_) => {
                    "put back the key file of this ledger from your backup; if it is lost for good: \
                     `ahoy leads suppress --new-key --reason \"…\"`, then bring your lists again"
                        .to_owned()
                }
                KeyFault::Open(path) => format!("chmod 600 {path}"),
            }),
            LedgerFault::Io(_)
            | LedgerFault::QueueFull
            | LedgerFault::Stopped
            | LedgerFault::Unknown(_)
            | LedgerFault::Bug(_) => failure(Exit::Bug),
        }
    }
}
