//! The audit: who did what to what, append-only, each row linked to the ones before (`core/audit`).

use rusqlite::Row;

use super::{Ledger, LedgerFault};
use crate::base::Wall;
use crate::core::audit::{Entry, Hash, Linked, hex, link, origin};

impl Ledger {
    /// Appends a line to the audit: who did what to what.
    pub fn audit(&mut self, what: &str, subject: &str, detail: &str, now: Wall) -> Result<(), LedgerFault> {
        self.atomically(|ledger| {
            let (last, prev) = ledger.audit_end()?;
            let (what, subject, detail) = (what.to_owned(), subject.to_owned(), detail.to_owned());
            let entry = Entry { id: last + 1, at: now.0, what, subject, detail };
            let hash = link(&prev, &entry);
            ledger.write(
                "INSERT INTO audit (id, at, what, subject, detail, prev, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                (entry.id, entry.at, &entry.what, &entry.subject, &entry.detail, prev.as_slice(), hash.as_slice()),
            )?;
            Ok(())
        })
    }

    /// The newest link of the chain, as 64 hexadecimal digits: kept elsewhere, it shows a cut tail.
    pub fn audit_head(&self) -> Result<String, LedgerFault> {
        self.audit_end().map(|(_, head)| hex(&head))
    }

    /// Last row number and last link.
    fn audit_end(&self) -> Result<(i64, Hash), LedgerFault> {
        let last = self.one("SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1", [], |row| {
            Ok((row.get::<_, i64>("id")?, maybe_hash(row, "hash")?))
        })?;
        match last {
            None => Ok((0, origin([].iter()))),
            Some((id, Some(hash))) => Ok((id, hash)),
            // Only rows from before the chain.
            Some((id, None)) => {
                let older: Vec<Entry> = self.audit_rows(0, u32::MAX)?.into_iter().map(|row| row.entry).collect();
                Ok((id, origin(older.iter())))
            }
        }
    }

    /// Rows after `after`, oldest first; at most `limit`.
    pub fn audit_rows(&self, after: i64, limit: u32) -> Result<Vec<Linked>, LedgerFault> {
        self.rows(
            "SELECT id, at, what, subject, detail, prev, hash FROM audit WHERE id > ?1 ORDER BY id LIMIT ?2",
            (after, limit),
            |row| {
                let entry = Entry {
                    id: row.get("id")?,
                    at: row.get("at")?,
                    what: row.get("what")?,
                    subject: row.get("subject")?,
                    detail: row.get("detail")?,
                };
                Ok(Linked { entry, prev: maybe_hash(row, "prev")?, hash: maybe_hash(row, "hash")? })
            },
        )
    }
}

fn maybe_hash(row: &Row<'_>, column: &str) -> Result<Option<Hash>, LedgerFault> {
    let bytes: Option<Vec<u8>> = row.get(column)?;
    let corrupt = |_| LedgerFault::Corrupt("a link of the audit has not 32 bytes".to_owned());
    bytes.map(|bytes| bytes.try_into().map_err(corrupt)).transpose()
}
