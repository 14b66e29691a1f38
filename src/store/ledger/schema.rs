//! Schema and migrations: one SQL text per step on `user_version`, each in its own transaction.

use rusqlite::{Connection, TransactionBehavior};

use super::LedgerFault;

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
    ),
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
/// Two processes may try at once: the lock decides, and the second finds nothing left to do.
pub fn migrate(conn: &mut Connection, steps: &[&str]) -> Result<bool, LedgerFault> {
    let mut fresh = false;
    loop {
        let unit = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let version = found(&unit)?;
        let Some(step) = usize::try_from(version).ok().and_then(|at| steps.get(at)) else {
            return Ok(fresh);
        };
        fresh |= version == 0;
        unit.execute_batch(step)?;
        unit.pragma_update(None, "application_id", APPLICATION)?;
        unit.pragma_update(None, "user_version", version + 1)?;
        unit.commit()?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_migration_leaves_the_file_as_it_was() {
        let mut conn = Connection::open_in_memory().expect("memory");
        assert_eq!(migrate(&mut conn, STEPS), Ok(true));
        let broken: Vec<&str> =
            STEPS.iter().copied().chain(["CREATE TABLE half (a INTEGER); CREATE TABLE no such;"]).collect();
        assert!(migrate(&mut conn, &broken).is_err());
        assert_eq!(found(&conn), Ok(newest()));
        let half: i64 = conn
            .query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'half'", [], |row| row.get(0))
            .expect("a count");
        assert_eq!(half, 0);
        assert_eq!(migrate(&mut conn, STEPS), Ok(false));
    }

    #[test]
    fn a_newer_schema_and_a_strangers_database_are_refused() {
        let mut conn = Connection::open_in_memory().expect("memory");
        migrate(&mut conn, STEPS).expect("fresh");
        conn.pragma_update(None, "user_version", newest() + 1).expect("set");
        assert_eq!(migrate(&mut conn, STEPS), Err(LedgerFault::Newer { found: newest() + 1, known: newest() }));
        let mut other = Connection::open_in_memory().expect("memory");
        other.execute_batch("CREATE TABLE recipes (a)").expect("theirs");
        assert!(matches!(migrate(&mut other, STEPS), Err(LedgerFault::Corrupt(_))));
    }
}
