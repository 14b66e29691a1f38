//! The ledger: leads, attempts, calls, facts. SQLite; its laws are constraints of the schema (docs/LEDGER.md).
//! It writes down what `core/dial` decides, and decides nothing itself.
//!
//! Every verb that writes is one unit: alone it is a transaction of its own, inside another it is a savepoint.

mod accounts;
#[cfg(test)]
mod accounts_tests;
mod api;
mod asked;
mod attempts;
mod audit;
mod callers;
mod campaigns;
mod clones;
#[cfg(test)]
mod clones_tests;
mod codec;
#[cfg(test)]
mod dump;
mod erase;
mod facts;
mod fault;
mod foreign;
mod imports;
mod inbound;
mod incoming;
pub mod keyfile;
mod leads;
pub mod lock;
mod people;
mod portion;
mod read;
mod report;
mod rows;
mod rules;
#[cfg(test)]
mod rules_tests;
mod schema;
mod segment;
mod space;
mod start;
mod strays;
mod suppression;
#[cfg(test)]
mod suppression_tests;
mod tasks;
#[cfg(test)]
mod tests;
mod tickets;
mod wal;
mod wishes;
pub mod writer;
mod writings;

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use sha2::{Digest, Sha256};

use crate::base::{Wall, limits};
use crate::core::wire::token::TokenKey;

pub use accounts::{AccountStop, RestingCaller};
pub use api::{Holdings, KeyFound, OrderedLead};
pub use clones::{CloneEvent, CloneEventKind, CloneRow, CloneState, Leaving, Right, WhichClones};
pub use erase::Erased;
pub use fault::LedgerFault;
pub use imports::{Duplicate, ImportAt, ImportLine, ImportStart, ImportState, OnDuplicate, Undone};
pub use inbound::{InboundCall, InboundEnd, InboundRow};
pub use incoming::Incoming;
pub use leads::LeadsOf;
pub use people::{FactLine, LeadOrder, Person};
pub use report::{CampaignWord, ImportSum};
pub use rows::*;
pub use start::{Checked, StartCheck};
pub use strays::{StrayRow, StrayWhy};
pub use suppression::{DncFile, PrefixRow, SuppressionCounts};
pub use tasks::{DueRecording, Unpriced};
pub use tickets::{TicketCounts, TicketRow};
pub use wishes::{OpenWish, WishRow};
pub use writings::{DueWriting, TaskRow};

/// The oldest SQLite without the WAL-reset bug that can damage a database with two writers.
const OLDEST_SQLITE: i32 = 3_051_003;

/// How a ledger is opened.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// 32 random bytes: a new ledger's keys (of its tokens, of its suppression list) are made from them. Stored nowhere.
    pub fresh_key: TokenKey,
    /// Now.
    pub now: Wall,
}

impl OpenOptions {
    /// With a key from the operating system's randomness.
    pub fn with_fresh_key(now: Wall) -> OpenOptions {
        let mut hash = Sha256::new();
        for _ in 0..4 {
            hash.update(uuid::Uuid::new_v4().as_bytes());
        }
        OpenOptions { fresh_key: hash.finalize().into(), now }
    }
}

/// An open ledger: one connection.
#[derive(Debug)]
pub struct Ledger {
    conn: Connection,
    key: TokenKey,
    /// What gives numbers their names on the suppression list.
    names: Result<keyfile::Key, keyfile::KeyFault>,
    health: start::Health,
}

impl Ledger {
    /// Opens a ledger, makes it if there is none, and brings its schema up to date.
    pub fn open(path: &Path, options: &OpenOptions) -> Result<Ledger, LedgerFault> {
        check_sqlite()?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        space::refuse_share(path)?;
        make_private(path)?;
        let mut conn = Connection::open_with_flags(path, flags)?;
        set_up(&mut conn)?;
        let mode: String = conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
        if !mode.eq_ignore_ascii_case("wal") {
            return Err(LedgerFault::Io(format!("the disk does not support SQLite's WAL (journal mode is {mode})")));
        }
        conn.pragma_update(None, "synchronous", "FULL")?;
        schema::migrate(&mut conn, schema::STEPS, Some(path))?;
        conn.execute(
            "INSERT INTO meta (one, token_key, created_at) VALUES (1, ?1, ?2) ON CONFLICT DO NOTHING",
            (suppression::derive(&options.fresh_key, "token").as_slice(), options.now.0),
        )?;
        let names = suppression::key(&mut conn, path, &options.fresh_key)?;
        let key = read_key(&conn)?;
        Ok(Ledger { conn, key, names, health: start::Health::default() })
    }

    /// The file.
    fn path(&self) -> Result<PathBuf, LedgerFault> {
        self.conn.path().map(PathBuf::from).ok_or_else(|| LedgerFault::Bug("a ledger without a file".to_owned()))
    }

    /// Opens an existing ledger for reading: nothing can be written through it.
    pub fn open_read_only(path: &Path) -> Result<Ledger, LedgerFault> {
        check_sqlite()?;
        if !path.exists() {
            return Err(LedgerFault::Missing(path.display().to_string()));
        }
        space::refuse_share(path)?;
        let mut conn =
            Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        set_up(&mut conn)?;
        let found = schema::found(&conn)?;
        if found < schema::newest() {
            let old = format!("its schema is {found}, this ahoy needs {}; open it once for writing", schema::newest());
            return Err(LedgerFault::Corrupt(old));
        }
        let key = read_key(&conn)?;
        let names = keyfile::load(&conn, &keyfile::path_of(path))?;
        Ok(Ledger { conn, key, names, health: start::Health::default() })
    }

    /// The key of this ledger's tokens.
    pub fn token_key(&self) -> &TokenKey {
        &self.key
    }

    /// Runs `unit` whole or not at all.
    pub fn atomically<T, E: From<LedgerFault>>(
        &mut self,
        unit: impl FnOnce(&mut Ledger) -> Result<T, E>,
    ) -> Result<T, E> {
        let outermost = self.conn.is_autocommit();
        let (begin, keep, undo) = if outermost {
            ("BEGIN IMMEDIATE", "COMMIT", "ROLLBACK")
        } else {
            ("SAVEPOINT verb", "RELEASE verb", "ROLLBACK TO verb; RELEASE verb")
        };
        self.batch(begin)?;
        let result = unit(self);
        let closed = if result.is_ok() { self.batch(keep) } else { Ok(()) };
        if (result.is_err() || closed.is_err()) && !self.conn.is_autocommit() {
            // SQLite rolls back by itself after some faults of the disk; then there is nothing left to undo.
            self.batch(undo)?;
        }
        closed?;
        result
    }

    /// Lets `look` see one state of the ledger throughout. Many questions in one such look also cost less than each by itself.
    pub fn at_once<T, E: From<LedgerFault>>(&self, look: impl FnOnce(&Ledger) -> Result<T, E>) -> Result<T, E> {
        if !self.conn.is_autocommit() {
            return look(self);
        }
        self.batch("BEGIN")?;
        let seen = look(self);
        self.batch("COMMIT")?;
        seen
    }

    fn batch(&self, sql: &str) -> Result<(), LedgerFault> {
        self.conn.execute_batch(sql).map_err(LedgerFault::from)
    }
}

fn check_sqlite() -> Result<(), LedgerFault> {
    if rusqlite::version_number() < OLDEST_SQLITE {
        return Err(LedgerFault::OldSqlite(rusqlite::version().to_owned()));
    }
    Ok(())
}

/// A new ledger is its owner's alone: it holds people's numbers and the key of the tokens. SQLite gives its side files
/// the same mode.
fn make_private(path: &Path) -> Result<(), LedgerFault> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        // Its name is flushed too: SQLite flushes the folder for its log, which it makes later.
        Ok(_) => sync_folder(path),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(LedgerFault::Io(format!("{}: {error}", path.display()))),
    }
}

/// Flushes the folder of a file, so that a name made or changed in it survives a power cut.
fn sync_folder(path: &Path) -> Result<(), LedgerFault> {
    let folder = space::folder_of(path);
    let flushed = std::fs::File::open(folder).and_then(|folder| folder.sync_all());
    flushed.map_err(|error| LedgerFault::Io(format!("{}: {error}", folder.display())))
}

/// Waits for another process's lock in steps of one millisecond: SQLite's own steps grow to 100 ms, and a claim would
/// come late by as much after an import has let go.
fn wait_for_lock(tries: i32) -> bool {
    let most = i32::try_from(limits::LEDGER_BUSY.as_millis()).unwrap_or(i32::MAX);
    std::thread::sleep(std::time::Duration::from_millis(1));
    tries < most
}

fn set_up(conn: &mut Connection) -> Result<(), LedgerFault> {
    conn.busy_handler(Some(wait_for_lock))?;
    conn.set_prepared_statement_cache_capacity(limits::LEDGER_STATEMENTS);
    conn.pragma_update(None, "foreign_keys", true)?;
    // A mapped file that another program cuts short would kill the process; and mmap made the WAL-reset bug worse.
    conn.pragma_update(None, "mmap_size", 0)?;
    conn.pragma_update(None, "trusted_schema", false)?;
    conn.pragma_update(None, "journal_size_limit", limits::LEDGER_WAL_BYTES)?;
    Ok(())
}

fn read_key(conn: &Connection) -> Result<TokenKey, LedgerFault> {
    let key: Vec<u8> = conn.query_row("SELECT token_key FROM meta", [], |row| row.get(0))?;
    key.try_into().map_err(|_| LedgerFault::Corrupt("its token key has not 32 bytes".to_owned()))
}
