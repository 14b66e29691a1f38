//! Schema and migrations: one SQL text per step on `user_version`, each in its own transaction.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::{LedgerFault, space, sync_folder};

/// Steps from an empty file to the newest schema; step `n` (from 1) leads to `user_version = n`. Never edited, only added to.
///
/// A step may be told in several files, one a subject.
pub const STEPS: &[&str] = &[
    include_str!("schema/1.sql"),
    concat!(
        include_str!("schema/2-account.sql"),
        include_str!("schema/2-rules.sql"),
        include_str!("schema/2-suppression.sql"),
        include_str!("schema/2-reconcile.sql"),
        include_str!("schema/2-disk.sql"),
        include_str!("schema/2-report.sql"),
    ),
    include_str!("schema/3-leads.sql"),
    concat!(include_str!("schema/4-queue.sql"), include_str!("schema/4-machines.sql")),
    include_str!("schema/5-recordings.sql"),
    concat!(
        include_str!("schema/6-inbound.sql"),
        include_str!("schema/6-clones.sql"),
        include_str!("schema/6-api.sql"),
    ),
    include_str!("schema/7-talk.sql"),
    include_str!("schema/8-keys.sql"),
    concat!(include_str!("schema/9-callers.sql"), include_str!("schema/9-wishes.sql")),
];

/// `application_id` of a ledger file: "ahoy" in ASCII.
pub const APPLICATION: i32 = 0x6168_6f79;

/// The schema this program knows.
pub fn newest() -> i64 {
    STEPS.len() as i64
}

/// The schema of a file; 0 = empty. A file of another program, or of a newer ahoy, is refused.
pub fn found(conn: &Connection) -> Result<i64, LedgerFault> {
    let version: i64 = conn.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let application: i32 = conn.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application != APPLICATION && tables > 0 {
        return Err(LedgerFault::Corrupt("the file is a database of another program".to_owned()));
    }
    if version > newest() {
        return Err(LedgerFault::Newer { found: version, known: newest() });
    }
    Ok(version)
}

/// Brings a file to the newest schema. Returns true if it was empty before.
///
/// Before the first step on a ledger that holds anything, a copy is put beside `path` (`ahoy.db.schema-1.bak`).
/// Two processes may try at once: the lock decides, and the second finds nothing left to do.
pub fn migrate(conn: &mut Connection, steps: &[&str], path: Option<&Path>) -> Result<bool, LedgerFault> {
    // A step may make a table anew, whose rows others refer to: SQLite's own way is without foreign keys (which only
    // changes between transactions), and each step is checked before it is kept.
    let before: bool = conn.query_row("PRAGMA foreign_keys", [], |row| row.get(0))?;
    conn.pragma_update(None, "foreign_keys", false)?;
    let done = migrate_freely(conn, steps, path);
    conn.pragma_update(None, "foreign_keys", before)?;
    done
}

fn migrate_freely(conn: &mut Connection, steps: &[&str], path: Option<&Path>) -> Result<bool, LedgerFault> {
    let mut fresh = false;
    let mut copied = false;
    loop {
        let unit = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let version = found(&unit)?;
        let Some(step) = usize::try_from(version).ok().and_then(|at| steps.get(at)) else {
            return Ok(fresh);
        };
        fresh |= version == 0;
        if let (Some(path), false, false) = (path, fresh, copied) {
            copy_before(path, version)?;
            copied = true;
        }
        unit.execute_batch(step)?;
        if !fresh && unit.prepare("PRAGMA foreign_key_check")?.exists([])? {
            return Err(LedgerFault::Corrupt(format!("rows refer to others that are not there (schema {version})")));
        }
        unit.pragma_update(None, "application_id", APPLICATION)?;
        unit.pragma_update(None, "user_version", version + 1)?;
        unit.commit()?;
    }
}

/// Where the copy of a ledger with an older schema lies.
pub fn copy_path(ledger: &Path, version: i64) -> PathBuf {
    space::beside(ledger, &format!("schema-{version}.bak"))
}

/// Copies a ledger as it stands. The caller holds the write lock, so nothing is written between the copy and the
/// migration; readers are not in the way of either.
fn copy_before(ledger: &Path, version: i64) -> Result<(), LedgerFault> {
    let target = copy_path(ledger, version);
    let temp = space::beside(&target, "tmp");
    let io = |error: std::io::Error| LedgerFault::Io(format!("{}: {error}", temp.display()));
    // SQLite writes into an empty file; made by us, it is its owner's alone from the first byte on.
    match fs::remove_file(&temp) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(io(error)),
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temp).map_err(io)?;
    let name = temp.to_str().ok_or_else(|| LedgerFault::Io("the ledger's path is not UTF-8".to_owned()))?;
    let reader = Connection::open_with_flags(ledger, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    reader.execute("VACUUM INTO ?1", [name])?;
    File::open(&temp).and_then(|file| file.sync_all()).map_err(io)?;
    fs::rename(&temp, &target).map_err(io)?;
    sync_folder(&target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_migration_leaves_the_file_as_it_was() {
        let mut conn = Connection::open_in_memory().expect("memory");
        assert_eq!(migrate(&mut conn, STEPS, None), Ok(true));
        let broken: Vec<&str> =
            STEPS.iter().copied().chain(["CREATE TABLE half (a INTEGER); CREATE TABLE no such;"]).collect();
        assert!(migrate(&mut conn, &broken, None).is_err());
        assert_eq!(found(&conn), Ok(newest()));
        let half: i64 = conn
            .query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'half'", [], |row| row.get(0))
            .expect("a count");
        assert_eq!(half, 0);
        assert_eq!(migrate(&mut conn, STEPS, None), Ok(false));
    }

    #[test]
    fn a_newer_schema_and_a_strangers_database_are_refused() {
        let mut conn = Connection::open_in_memory().expect("memory");
        migrate(&mut conn, STEPS, None).expect("fresh");
        conn.pragma_update(None, "user_version", newest() + 1).expect("set");
        assert_eq!(migrate(&mut conn, STEPS, None), Err(LedgerFault::Newer { found: newest() + 1, known: newest() }));
        let mut other = Connection::open_in_memory().expect("memory");
        other.execute_batch("CREATE TABLE recipes (a)").expect("theirs");
        assert!(matches!(migrate(&mut other, STEPS, None), Err(LedgerFault::Corrupt(_))));
    }
}
