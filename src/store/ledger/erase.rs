//! Erasure: a person's data goes, their wish not to be called stays.
//!
//! What stays is no person's any more: that a try was made, when, and how it ended, under a number of nobody. The number
//! itself stays on the suppression list as a keyed hash.

use super::{Ledger, LedgerFault};
use crate::base::{LeadId, Phone, Wall};

/// What an erasure came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Erased {
    /// Leads that were emptied.
    pub leads: u64,
    /// Attempts whose number was taken out.
    pub attempts: u64,
    /// Folders of call logs, relative to the calls folder: the caller removes them.
    pub folders: Vec<String>,
}

impl Ledger {
    /// Leads of a number that have an open attempt: they cannot be erased until it is over.
    pub fn open_leads(&self, leads: &[LeadId]) -> Result<Vec<LeadId>, LedgerFault> {
        let mut open = Vec::new();
        for lead in leads {
            let held = self.one("SELECT 1 FROM lead WHERE id = ?1 AND state = 'held'", [lead.0], |_| Ok(()))?;
            open.extend(held.map(|()| *lead));
        }
        Ok(open)
    }

    /// Folders of the call logs of these leads.
    pub fn call_folders(&self, leads: &[LeadId]) -> Result<Vec<String>, LedgerFault> {
        let mut folders = Vec::new();
        for lead in leads {
            folders.extend(self.rows(
                "SELECT folder FROM call WHERE lead = ?1 AND folder IS NOT NULL",
                [lead.0],
                |row| Ok(row.get::<_, String>(0)?),
            )?);
        }
        Ok(folders)
    }

    /// Takes everything about these leads out of the ledger, and puts their numbers on the suppression list first. One
    /// unit: all or nothing. The old text does not stay in free pages of the file.
    ///
    /// `numbers`: every number of the person. Errors: `Bug` if a lead has an open attempt ([`Ledger::open_leads`]).
    pub fn erase(&mut self, leads: &[LeadId], numbers: &[Phone], now: Wall) -> Result<Erased, LedgerFault> {
        self.conn.pragma_update(None, "secure_delete", true)?;
        let erased = self.atomically(|ledger| {
            if !ledger.open_leads(leads)?.is_empty() {
                return Err(LedgerFault::Bug("a lead with an open attempt was to be erased".to_owned()));
            }
            for number in numbers {
                ledger.suppress(number, "erased", "leads forget", now)?;
            }
            for number in numbers {
                ledger.clone_leaves(number, "forgotten", now)?;
            }
            let mut erased = Erased { folders: ledger.call_folders(leads)?, ..Erased::default() };
            for number in numbers {
                ledger.write("DELETE FROM ticket WHERE phone = ?1", [number.expose()])?;
            }
            for lead in leads {
                erased.attempts += ledger.erase_one(*lead, now)?;
                erased.leads += 1;
            }
            Ok(erased)
        })?;
        // What the write-ahead log still holds of the old pages goes, too; a reader may keep it for a while.
        let _busy: i64 = self.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        self.conn.pragma_update(None, "secure_delete", false)?;
        Ok(erased)
    }

    fn erase_one(&mut self, lead: LeadId, now: Wall) -> Result<u64, LedgerFault> {
        let nobody = format!("+0{:011}", lead.0);
        self.write("UPDATE call SET keys = NULL, folder = NULL WHERE lead = ?1", [lead.0])?;
        // What is waited for would be fetched into a folder that is gone.
        self.write("DELETE FROM task WHERE call IN (SELECT id FROM call WHERE lead = ?1)", [lead.0])?;
        self.write(
            "UPDATE wish SET state = 'dropped', reason = 'forgotten', ended_at = ?2 WHERE lead = ?1 AND state = 'open'",
            (lead.0, now.0),
        )?;
        // The hash of a request that named the number.
        self.write("DELETE FROM api_key WHERE attempt IN (SELECT id FROM attempt WHERE lead = ?1)", [lead.0])?;
        let attempts = self.write("UPDATE attempt SET phone = ?2 WHERE lead = ?1", (lead.0, &nobody))?;
        for table in ["lead_tag", "other_phone", "import_change"] {
            self.write(&format!("DELETE FROM {table} WHERE lead = ?1"), [lead.0])?;
        }
        self.write(
            "UPDATE lead SET phone = ?2, name = NULL, language = NULL, country = NULL, timezone = NULL, consent = NULL, \
                    variables = '{}', changed_at = ?3 WHERE id = ?1",
            (lead.0, &nobody, now.0),
        )?;
        self.audit("leads forget", &lead.0.to_string(), &format!("{attempts} attempts stay without a number"), now)?;
        Ok(attempts as u64)
    }
}
