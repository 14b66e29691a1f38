//! Imports: rows in short transactions that also say how far the file has come, so that a broken import goes on where it
//! was; and the way back.

use std::collections::BTreeMap;

use rusqlite::Row;
use serde::{Deserialize, Serialize};

use super::incoming::Into;
use super::{ImportCounts, ImportId, Ledger, LedgerFault, codec};
use crate::base::{Boot, Language, LeadId, Phone, Slug, Wall, limits};
use crate::core::lead::Lead;

/// What is imported, and how it is read.
#[derive(Debug, Clone, Copy)]
pub struct ImportStart<'a> {
    /// Into which campaign.
    pub campaign: &'a Slug,
    /// The file's name, for people.
    pub file: &'a str,
    /// SHA-256 of its bytes.
    pub hash: [u8; 32],
    /// Everything that decides what a row means (mapping, encoding, country): another reading is another import.
    pub settings: &'a str,
    /// Now.
    pub now: Wall,
}

/// An import under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportAt {
    /// Its row.
    pub id: ImportId,
    /// Rows of the file that the ledger has: the next one is this one, counted from 0.
    pub rows_done: u64,
    /// What they came to.
    pub counts: ImportCounts,
}

/// What becomes of a number that the campaign has already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnDuplicate {
    /// The lead stays as it is.
    #[default]
    Skip,
    /// What the file says of the lead is written over what was there; where it stands does not change.
    Update,
    /// Such a file is refused as a whole, before anything is written.
    Error,
}

/// A number that was there before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Duplicate {
    /// Line of the file.
    pub line: u64,
    /// The number, masked.
    pub phone: String,
    /// The campaign that has it.
    pub campaign: Slug,
    /// The file that brought it there.
    pub file: String,
    /// When.
    pub at: String,
}

/// Where an import stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ImportState {
    /// Going on, or broken off: importing the same file again goes on with it.
    Open,
    /// Over.
    Done,
    /// Taken back.
    Undone,
}

/// One line of the history of imports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportLine {
    /// Its row.
    pub id: ImportId,
    /// Into which campaign.
    pub campaign: Slug,
    /// From which file.
    pub file: String,
    /// When it began.
    pub at: Wall,
    /// When it ended.
    pub ended_at: Option<Wall>,
    /// Where it stands.
    pub state: ImportState,
    /// Rows of the file that were looked at.
    pub rows: u64,
    /// What they came to.
    pub counts: ImportCounts,
}

/// What an undo came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Undone {
    /// Leads removed.
    pub removed: u64,
    /// Leads that stay, since somebody was called.
    pub called: u64,
    /// Leads put back as they were before an update.
    pub restored: u64,
    /// Updated leads that stay, since they changed again afterwards.
    pub changed_since: u64,
}

/// The columns that an update writes, as they are kept for undo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Card {
    name: Option<String>,
    language: Option<String>,
    country: Option<String>,
    timezone: Option<String>,
    consent: Option<String>,
    variables: BTreeMap<String, String>,
    #[serde(default)]
    tags: Vec<String>,
}

impl Ledger {
    /// Starts an import, or goes on with a broken one of the same file read the same way.
    pub fn start_import(&mut self, start: &ImportStart<'_>) -> Result<ImportAt, LedgerFault> {
        self.atomically(|ledger| {
            let campaign = ledger.ensure_campaign(start.campaign, start.now)?;
            let open = ledger.one(
                "SELECT id, rows_done, counts FROM import \
                 WHERE campaign = ?1 AND hash = ?2 AND settings = ?3 AND state = 'open' ORDER BY id DESC LIMIT 1",
                (campaign, start.hash.as_slice(), start.settings),
                |row| {
                    Ok(ImportAt {
                        id: ImportId(row.get("id")?),
                        rows_done: codec::count(row, "rows_done")?,
                        counts: codec::json(row, "counts")?,
                    })
                },
            )?;
            if let Some(open) = open {
                return Ok(open);
            }
            ledger.write(
                "INSERT INTO import (campaign, file, at, hash, settings, state) VALUES (?1, ?2, ?3, ?4, ?5, 'open')",
                (campaign, start.file, start.now.0, start.hash.as_slice(), start.settings),
            )?;
            let id = ImportId(ledger.conn.last_insert_rowid());
            Ok(ImportAt { id, rows_done: 0, counts: ImportCounts::default() })
        })
    }

    /// Makes this connection one for an import: room for the pages of its indexes, and no flush at each commit. How far the
    /// file has come stands in the transaction of its rows, so what a power cut takes is read again; a killed process loses
    /// nothing. [`Ledger::end_import`] flushes.
    pub fn for_import(&self) -> Result<(), LedgerFault> {
        self.conn.pragma_update(None, "cache_size", -limits::IMPORT_CACHE_KIB)?;
        self.conn.pragma_update(None, "wal_autocheckpoint", limits::IMPORT_WAL_PAGES)?;
        self.conn.pragma_update(None, "synchronous", "NORMAL")?;
        Ok(())
    }

    /// An import came to its end; all of it is on the disk when this returns.
    pub fn end_import(&mut self, import: ImportId, now: Wall) -> Result<(), LedgerFault> {
        self.commit_portion()?;
        self.conn.pragma_update(None, "synchronous", "FULL")?;
        self.write(
            "UPDATE import SET state = 'done', ended_at = ?2 WHERE id = ?1 AND state = 'open'",
            (import.0, now.0),
        )?;
        Ok(())
    }

    /// Starts an import without a file that could be taken up again; its id tells this import's own duplicates from numbers
    /// that were there before.
    pub fn begin_import(&mut self, campaign: &Slug, file: &str, now: Wall) -> Result<ImportId, LedgerFault> {
        self.atomically(|ledger| {
            let campaign = ledger.ensure_campaign(campaign, now)?;
            ledger.write("INSERT INTO import (campaign, file, at) VALUES (?1, ?2, ?3)", (campaign, file, now.0))?;
            Ok(ImportId(ledger.conn.last_insert_rowid()))
        })
    }

    /// Where a campaign has a number from; `line`: where it stands in the file that brings it again.
    pub(super) fn first_in(&self, campaign: i64, phone: &Phone, line: u64) -> Result<Option<Duplicate>, LedgerFault> {
        self.one(
            "SELECT i.file, i.at, c.name AS campaign FROM lead l JOIN import i ON i.id = l.import \
             JOIN campaign c ON c.id = l.campaign WHERE l.campaign = ?1 AND l.phone = ?2",
            (campaign, phone.expose()),
            |row| {
                Ok(Duplicate {
                    line,
                    phone: phone.to_string(),
                    campaign: codec::word(row, "campaign")?,
                    file: row.get("file")?,
                    at: codec::wall(row, "at")?.date(),
                })
            },
        )
    }

    /// The same for a preview; `None`: the campaign has it not.
    pub fn first_of(&self, campaign: &Slug, phone: &Phone, line: u64) -> Result<Option<Duplicate>, LedgerFault> {
        let Some(campaign) = self.campaign_row(campaign)? else { return Ok(None) };
        self.first_in(campaign, phone, line)
    }

    pub(super) fn write_range(&self, import: ImportId, range: Option<(i64, i64)>) -> Result<(), LedgerFault> {
        if let Some((first, last)) = range {
            self.write(
                "UPDATE import SET first_lead = min(coalesce(first_lead, ?2), ?2), last_lead = max(coalesce(last_lead, ?3), ?3) \
                 WHERE id = ?1",
                (import.0, first, last),
            )?;
        }
        Ok(())
    }

    /// Writes what the file says over what was there; columns that the file leaves empty stay. False if nothing changed.
    pub(super) fn update_lead(&self, into: &Into, there: LeadId, lead: &Lead) -> Result<bool, LedgerFault> {
        let Some(before) = self.card(there)? else { return Ok(false) };
        let mut after = before.clone();
        let over = |old: &mut Option<String>, new: Option<&str>| {
            if let Some(new) = new {
                *old = Some(new.to_owned());
            }
        };
        over(&mut after.name, lead.name.as_deref());
        over(&mut after.language, lead.language.as_ref().map(Language::as_str));
        over(&mut after.country, lead.country.as_ref().map(|country| country.as_str()));
        over(&mut after.timezone, lead.timezone.as_deref());
        over(&mut after.consent, lead.consent.as_deref());
        after.variables.extend(lead.variables.clone());
        after.tags.extend(lead.tags.iter().cloned());
        after.tags.sort_unstable();
        after.tags.dedup();
        if after == before {
            return Ok(false);
        }
        self.write_card(there, &after, into.now)?;
        self.write(
            "INSERT INTO import_change (import, lead, before, after) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (import, lead) DO UPDATE SET after = excluded.after",
            (into.import.0, there.0, codec::to_json(&before)?, codec::to_json(&after)?),
        )?;
        Ok(true)
    }

    fn card(&self, lead: LeadId) -> Result<Option<Card>, LedgerFault> {
        let found = self.one(
            "SELECT name, language, country, timezone, consent, variables FROM lead WHERE id = ?1",
            [lead.0],
            |row| {
                Ok(Card {
                    name: row.get("name")?,
                    language: row.get("language")?,
                    country: row.get("country")?,
                    timezone: row.get("timezone")?,
                    consent: row.get("consent")?,
                    variables: codec::json(row, "variables")?,
                    tags: Vec::new(),
                })
            },
        )?;
        let Some(mut card) = found else { return Ok(None) };
        card.tags = self.tags_of(lead)?;
        Ok(Some(card))
    }

    fn write_card(&self, lead: LeadId, card: &Card, now: Wall) -> Result<(), LedgerFault> {
        self.write(
            "UPDATE lead SET name = ?2, language = ?3, country = ?4, timezone = ?5, consent = ?6, variables = ?7, \
                             changed_at = ?8 WHERE id = ?1",
            rusqlite::params![
                lead.0,
                card.name,
                card.language,
                card.country,
                card.timezone,
                card.consent,
                codec::to_json(&card.variables)?,
                now.0
            ],
        )?;
        self.write("DELETE FROM lead_tag WHERE lead = ?1", [lead.0])?;
        for tag in &card.tags {
            self.write("INSERT INTO lead_tag (lead, tag) VALUES (?1, ?2)", (lead.0, tag))?;
        }
        Ok(())
    }

    /// The history of imports, newest first.
    pub fn imports(&self, campaign: Option<&Slug>, limit: u32) -> Result<Vec<ImportLine>, LedgerFault> {
        self.rows(
            "SELECT i.*, c.name AS campaign_name FROM import i JOIN campaign c ON c.id = i.campaign \
             WHERE (?1 IS NULL OR c.name = ?1) ORDER BY i.id DESC LIMIT ?2",
            (campaign.map(Slug::as_str), limit),
            import_line,
        )
    }

    /// One import.
    pub fn import_line(&self, import: ImportId) -> Result<Option<ImportLine>, LedgerFault> {
        self.one(
            "SELECT i.*, c.name AS campaign_name FROM import i JOIN campaign c ON c.id = i.campaign WHERE i.id = ?1",
            [import.0],
            import_line,
        )
    }

    /// What [`Ledger::undo_import`] would do: nothing is written.
    pub fn undo_plan(&self, import: ImportId) -> Result<Undone, LedgerFault> {
        let mut plan = Undone::default();
        for lead in self.leads_of_import(import)? {
            if self.was_called(lead)? { plan.called += 1 } else { plan.removed += 1 }
        }
        for (lead, _, after) in self.changes_of(import)? {
            if self.card(lead)? == Some(after) { plan.restored += 1 } else { plan.changed_since += 1 }
        }
        Ok(plan)
    }

    /// Takes an import back: leads that it added and that nobody was called for go; rows that it updated are put back, where
    /// they still are as it left them. In short transactions; broken off, it goes on when it is asked for again.
    pub fn undo_import(&mut self, import: ImportId, now: Wall, boot: &dyn Fn() -> Boot) -> Result<Undone, LedgerFault> {
        let mut undone = Undone::default();
        let changes = self.changes_of(import)?;
        self.in_portions(&changes, boot, |ledger, (lead, before, after)| {
            if ledger.card(*lead)?.as_ref() == Some(after) {
                ledger.write_card(*lead, before, now)?;
                undone.restored += 1;
            } else {
                undone.changed_since += 1;
            }
            ledger.write("DELETE FROM import_change WHERE import = ?1 AND lead = ?2", (import.0, lead.0))?;
            Ok::<(), LedgerFault>(())
        })?;
        let leads = self.leads_of_import(import)?;
        self.in_portions(&leads, boot, |ledger, lead| {
            if ledger.was_called(*lead)? {
                undone.called += 1;
                return Ok(());
            }
            for table in ["lead_tag", "other_phone", "import_change"] {
                ledger.write(&format!("DELETE FROM {table} WHERE lead = ?1"), [lead.0])?;
            }
            ledger.write("DELETE FROM lead WHERE id = ?1", [lead.0])?;
            undone.removed += 1;
            Ok::<(), LedgerFault>(())
        })?;
        self.atomically(|ledger| {
            ledger.write("UPDATE import SET state = 'undone', ended_at = ?2 WHERE id = ?1", (import.0, now.0))?;
            let detail = format!(
                "{} removed, {} restored, {} stay: called, {} stay: changed since",
                undone.removed, undone.restored, undone.called, undone.changed_since
            );
            ledger.audit("leads undo", &import.0.to_string(), &detail, now)
        })?;
        Ok(undone)
    }

    fn leads_of_import(&self, import: ImportId) -> Result<Vec<LeadId>, LedgerFault> {
        // Leads of imports from before schema 3 have no range: their whole table is read.
        self.rows(
            "SELECT id FROM lead WHERE id BETWEEN coalesce((SELECT first_lead FROM import WHERE id = ?1), 0) \
                 AND coalesce((SELECT last_lead FROM import WHERE id = ?1), 9223372036854775807) AND import = ?1",
            [import.0],
            |row| Ok(LeadId(row.get(0)?)),
        )
    }

    fn was_called(&self, lead: LeadId) -> Result<bool, LedgerFault> {
        let tried = "SELECT 1 FROM attempt WHERE lead = ?1 UNION ALL SELECT 1 FROM call WHERE lead = ?1 LIMIT 1";
        Ok(self.one(tried, [lead.0], |_| Ok(()))?.is_some())
    }

    fn changes_of(&self, import: ImportId) -> Result<Vec<(LeadId, Card, Card)>, LedgerFault> {
        self.rows("SELECT lead, before, after FROM import_change WHERE import = ?1", [import.0], |row| {
            Ok((LeadId(row.get("lead")?), codec::json(row, "before")?, codec::json(row, "after")?))
        })
    }
}

fn import_line(row: &Row<'_>) -> Result<ImportLine, LedgerFault> {
    let counts: ImportCounts = codec::json(row, "counts")?;
    Ok(ImportLine {
        id: ImportId(row.get("id")?),
        campaign: codec::word(row, "campaign_name")?,
        file: row.get("file")?,
        at: codec::wall(row, "at")?,
        ended_at: codec::maybe_wall(row, "ended_at")?,
        state: codec::word(row, "state")?,
        rows: codec::count(row, "rows_done")?,
        counts,
    })
}
