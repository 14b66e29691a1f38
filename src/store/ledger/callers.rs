//! Leads of people who call us: their ids, promised from memory, and their rows, written behind.
//!
//! A promise binds nobody but its caller: the number decides whose lead a call is, and an id that another lead has, or that
//! a crash left without a row, is never given to anybody else.

use rusqlite::params;

use super::{Ledger, LedgerFault, codec};
use crate::base::{Country, Language, LeadId, Phone, Slug, Wall};
use crate::core::dial::verdict::BlockReason;

/// The `file` of the import that callers whom no list brought belong to.
const CALLERS: &str = "inbound calls";

impl Ledger {
    /// Takes ids of leads out of circulation for callers to come: the first and the last of `many`. No other lead, of
    /// whichever process, gets one of them.
    pub fn reserve_leads(&mut self, many: u32) -> Result<(LeadId, LeadId), LedgerFault> {
        self.atomically(|ledger| {
            let last = ledger.one(
                "UPDATE lead_reserved SET upto = max(upto, (SELECT coalesce(max(id), 0) FROM lead)) + ?1 WHERE one = 1 \
                 RETURNING upto",
                [many],
                |row| Ok(row.get::<_, i64>(0)?),
            )?;
            let last = last.ok_or_else(|| LedgerFault::Corrupt("lead_reserved has no row".to_owned()))?;
            Ok((LeadId(last - i64::from(many) + 1), LeadId(last)))
        })
    }

    /// The id of the next lead, where the database would give one that is reserved; `None`: it gives a free one itself.
    pub(super) fn beyond_reserved(&self) -> Result<Option<i64>, LedgerFault> {
        self.one("SELECT upto + 1 FROM lead_reserved WHERE upto > (SELECT coalesce(max(id), 0) FROM lead)", [], |row| {
            Ok(row.get(0)?)
        })
    }

    /// The lead of a number in a campaign; a number that no list brought gets one that is never called. `promised`: the
    /// reserved id that its caller has already.
    pub(super) fn lead_of_caller(
        &mut self,
        campaign: i64,
        phone: &Phone,
        promised: Option<LeadId>,
        now: Wall,
    ) -> Result<LeadId, LedgerFault> {
        let free = match promised {
            Some(id) if !self.is_lead(id)? => Some(id),
            Some(_) | None => None,
        };
        let there = self.lead_of_number(campaign, phone)?;
        if let Some(lead) = there {
            if let Some(promised) = free {
                // A list was faster, or another process: what was said of the promised id is said of this lead.
                self.write(
                    "INSERT INTO lead_alias (id, lead) VALUES (?1, ?2) ON CONFLICT (id) DO NOTHING",
                    (promised.0, lead.0),
                )?;
            }
            return Ok(lead);
        }
        // An alias is a promise that was kept otherwise; its id stays taken.
        let free = match free {
            Some(id) if self.lead_behind(id)? == id => Some(id.0),
            Some(_) | None => self.beyond_reserved()?,
        };
        let import = self.import_of_callers(campaign, now)?;
        self.write("UPDATE import SET rows_done = rows_done + 1 WHERE id = ?1", [import])?;
        self.write(
            "INSERT INTO lead (id, campaign, import, line, phone, country, state, reason, created_at, changed_at) \
             VALUES (?7, ?1, ?2, (SELECT rows_done FROM import WHERE id = ?2), ?3, ?4, 'blocked', ?5, ?6, ?6)",
            params![
                campaign,
                import,
                phone.expose(),
                phone.country().as_ref().map(Country::as_str),
                BlockReason::CalledUs.as_str(),
                now.0,
                free
            ],
        )?;
        Ok(LeadId(self.conn.last_insert_rowid()))
    }

    fn lead_of_number(&self, campaign: i64, phone: &Phone) -> Result<Option<LeadId>, LedgerFault> {
        self.one("SELECT id FROM lead WHERE campaign = ?1 AND phone = ?2", (campaign, phone.expose()), |row| {
            Ok(LeadId(row.get(0)?))
        })
    }

    fn is_lead(&self, lead: LeadId) -> Result<bool, LedgerFault> {
        Ok(self.one("SELECT 1 FROM lead WHERE id = ?1", [lead.0], |_| Ok(()))?.is_some())
    }

    /// The lead that an id stands for: itself, unless it was promised to somebody who has another one.
    pub fn lead_behind(&self, id: LeadId) -> Result<LeadId, LedgerFault> {
        let other = self.one("SELECT lead FROM lead_alias WHERE id = ?1", [id.0], |row| Ok(LeadId(row.get(0)?)))?;
        Ok(other.unwrap_or(id))
    }

    fn import_of_callers(&mut self, campaign: i64, now: Wall) -> Result<i64, LedgerFault> {
        let found = self.one(
            "SELECT id FROM import WHERE campaign = ?1 AND file = ?2 AND hash IS NULL",
            (campaign, CALLERS),
            |row| Ok(row.get::<_, i64>(0)?),
        )?;
        if let Some(found) = found {
            return Ok(found);
        }
        self.write("INSERT INTO import (campaign, file, at) VALUES (?1, ?2, ?3)", (campaign, CALLERS, now.0))?;
        Ok(self.conn.last_insert_rowid())
    }

    /// Shows each lead of a campaign to `visit`: its id, number, language. Nothing is kept but what `visit` keeps.
    pub fn visit_callers(
        &self,
        campaign: &Slug,
        mut visit: impl FnMut(LeadId, &Phone, Option<Language>),
    ) -> Result<(), LedgerFault> {
        let mut query = self.conn.prepare(
            "SELECT id, phone, language FROM lead WHERE campaign = (SELECT id FROM campaign WHERE name = ?1) \
             AND phone NOT LIKE '+0%'",
        )?;
        let mut rows = query.query([campaign.as_str()])?;
        while let Some(row) = rows.next()? {
            visit(LeadId(row.get("id")?), &codec::phone(row, "phone")?, codec::maybe_word(row, "language")?);
        }
        Ok(())
    }
}
