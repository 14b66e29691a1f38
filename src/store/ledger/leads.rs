//! Leads: import, the queue of those that are due.

use rusqlite::Row;

use super::{BlockReason, Cursor, DueLead, ImportCounts, ImportId, Ledger, LedgerFault, PhoneHistory, codec};
use crate::base::{Boot, LeadId, Phone, Slug, Wall};
use crate::core::lead::Lead;

const DAY_MS: i64 = 86_400_000;

impl Ledger {
    /// Starts an import of one file; its id tells this file's own duplicates from numbers that were there before.
    pub fn begin_import(&mut self, campaign: &Slug, file: &str, now: Wall) -> Result<ImportId, LedgerFault> {
        self.atomically(|ledger| {
            let campaign = ledger.ensure_campaign(campaign, now)?;
            ledger.write("INSERT INTO import (campaign, file, at) VALUES (?1, ?2, ?3)", (campaign, file, now.0))?;
            Ok(ImportId(ledger.conn.last_insert_rowid()))
        })
    }

    /// Adds leads of one import, in one transaction. A number that the campaign has is left as it is, so importing a file
    /// again adds nothing.
    pub fn import_chunk(
        &mut self,
        campaign: &Slug,
        import: ImportId,
        rows: &[Lead],
        now: Wall,
    ) -> Result<ImportCounts, LedgerFault> {
        self.atomically(|ledger| {
            let campaign = ledger.campaign_row(campaign)?.ok_or(LedgerFault::Unknown("campaign"))?;
            let mut counts = ImportCounts::default();
            for lead in rows {
                ledger.import_lead(campaign, import, lead, now, &mut counts)?;
            }
            Ok(counts)
        })
    }

    /// The same beside a dialing process: in transactions of at most about 50 ms ([`Ledger::in_portions`]).
    /// `boot`: the boot clock.
    pub fn import_in_portions(
        &mut self,
        campaign: &Slug,
        import: ImportId,
        rows: &[Lead],
        now: Wall,
        boot: &dyn Fn() -> Boot,
    ) -> Result<ImportCounts, LedgerFault> {
        let campaign = self.campaign_row(campaign)?.ok_or(LedgerFault::Unknown("campaign"))?;
        let mut counts = ImportCounts::default();
        self.in_portions(rows, boot, |ledger, lead| ledger.import_lead(campaign, import, lead, now, &mut counts))?;
        Ok(counts)
    }

    fn import_lead(
        &self,
        campaign: i64,
        import: ImportId,
        lead: &Lead,
        now: Wall,
        counts: &mut ImportCounts,
    ) -> Result<(), LedgerFault> {
        let suppressed = self.is_suppressed(&lead.phone)?;
        if self.insert_lead(campaign, import, lead, suppressed, now)? {
            counts.added += 1;
            counts.suppressed += u64::from(suppressed);
            return Ok(());
        }
        let first: Option<i64> = self.one(
            "SELECT import FROM lead WHERE campaign = ?1 AND phone = ?2",
            (campaign, lead.phone.expose()),
            |row| Ok(row.get(0)?),
        )?;
        if first == Some(import.0) {
            counts.duplicate_in_file += 1;
        } else {
            counts.already += 1;
        }
        Ok(())
    }

    fn insert_lead(
        &self,
        campaign: i64,
        import: ImportId,
        lead: &Lead,
        suppressed: bool,
        now: Wall,
    ) -> Result<bool, LedgerFault> {
        let (state, due, reason) = if suppressed {
            ("blocked", None, Some(BlockReason::Suppressed.as_str()))
        } else {
            ("ready", Some(now.0), None)
        };
        let added = self.write(
            "INSERT INTO lead (campaign, import, line, phone, name, language, country, timezone, consent, variables, \
                               state, due, reason, created_at, changed_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?14) \
             ON CONFLICT (campaign, phone) DO NOTHING",
            rusqlite::params![
                campaign,
                import.0,
                i64::try_from(lead.line).unwrap_or(i64::MAX),
                lead.phone.expose(),
                lead.name,
                lead.language.as_ref().map(|language| language.as_str()),
                lead.country.as_ref().map(|country| country.as_str()),
                lead.timezone,
                lead.consent,
                codec::to_json(&lead.variables)?,
                state,
                due,
                reason,
                now.0,
            ],
        )?;
        Ok(added > 0)
    }

    /// How many of these numbers the campaign has already, in the order given (for `--dry-run`).
    pub fn has_lead(&self, campaign: &Slug, phone: &Phone) -> Result<bool, LedgerFault> {
        let found = self.one(
            "SELECT 1 FROM lead WHERE campaign = (SELECT id FROM campaign WHERE name = ?1) AND phone = ?2",
            (campaign.as_str(), phone.expose()),
            |_| Ok(()),
        )?;
        Ok(found.is_some())
    }

    /// Ready and due leads, oldest due first; read on with `after` = the last one's place. At most `limit`.
    pub fn due_leads(
        &self,
        campaign: &Slug,
        now: Wall,
        limit: u32,
        after: Option<Cursor>,
    ) -> Result<Vec<DueLead>, LedgerFault> {
        self.queue(campaign, now, limit, after)
    }

    /// All ready leads, due or not (for the plan), oldest due first; read on with `after`. At most `limit`.
    pub fn ready_leads(&self, campaign: &Slug, limit: u32, after: Option<Cursor>) -> Result<Vec<DueLead>, LedgerFault> {
        self.queue(campaign, Wall(i64::MAX), limit, after)
    }

    fn queue(
        &self,
        campaign: &Slug,
        until: Wall,
        limit: u32,
        after: Option<Cursor>,
    ) -> Result<Vec<DueLead>, LedgerFault> {
        let Some(campaign) = self.campaign_row(campaign)? else { return Ok(Vec::new()) };
        let (due, id) = after.map_or((i64::MIN, i64::MIN), |(due, id)| (due.0, id.0));
        self.rows(
            "SELECT id, phone, name, language, country, timezone, consent, variables, tries, caller, due FROM lead \
             WHERE campaign = ?1 AND state = 'ready' AND due <= ?2 AND (due, id) > (?3, ?4) \
             ORDER BY due, id LIMIT ?5",
            (campaign, until.0, due, id, limit),
            due_lead,
        )
    }

    /// What a lead carries, whatever its state: for the call's own room and for prompts.
    pub fn lead_card(&self, lead: LeadId) -> Result<Option<DueLead>, LedgerFault> {
        self.one(
            "SELECT id, phone, name, language, country, timezone, consent, variables, tries, caller, \
                    coalesce(due, changed_at) AS due FROM lead WHERE id = ?1",
            [lead.0],
            due_lead,
        )
    }

    /// Ends a ready lead that may never be called. False if it was not ready.
    pub fn block_lead(&mut self, lead: LeadId, reason: BlockReason, now: Wall) -> Result<bool, LedgerFault> {
        let changed = self.write(
            "UPDATE lead SET state = 'blocked', due = NULL, reason = ?2, changed_at = ?3 WHERE id = ?1 AND state = 'ready'",
            (lead.0, reason.as_str(), now.0),
        )?;
        Ok(changed > 0)
    }

    /// Leads that were barred for something that a changed campaign may have mended, by row; read on with `after`.
    pub fn barred_leads(&self, campaign: &Slug, limit: u32, after: LeadId) -> Result<Vec<DueLead>, LedgerFault> {
        self.rows(
            "SELECT id, phone, name, language, country, timezone, consent, variables, tries, caller, changed_at AS due \
             FROM lead WHERE campaign = (SELECT id FROM campaign WHERE name = ?1) AND state = 'blocked' \
               AND reason IN ('no_consent', 'no_greeting', 'no_zone', 'country', 'do_not_call_file', 'never_called') \
               AND id > ?2 ORDER BY id LIMIT ?3",
            (campaign.as_str(), after.0, limit),
            due_lead,
        )
    }

    /// Looks anew at leads that were barred for something that a changed campaign or lead may have mended: consent,
    /// greeting, zone, tries. Suppression stays. Gives how many.
    pub fn reopen_barred(&mut self, campaign: &Slug, now: Wall) -> Result<u64, LedgerFault> {
        let changed = self.write(
            "UPDATE lead SET state = 'ready', due = ?2, reason = NULL, changed_at = ?2 \
             WHERE campaign = (SELECT id FROM campaign WHERE name = ?1) AND state = 'blocked' \
               AND reason IN ('no_consent', 'no_greeting', 'no_zone', 'capped', 'country', 'do_not_call_file', 'never_called')",
            (campaign.as_str(), now.0),
        )?;
        Ok(changed as u64)
    }

    /// Lets a ready lead wait until a later time. False if it was not ready.
    pub fn defer_lead(&mut self, lead: LeadId, until: Wall, now: Wall) -> Result<bool, LedgerFault> {
        let changed = self.write(
            "UPDATE lead SET due = max(due, ?2), changed_at = ?3 WHERE id = ?1 AND state = 'ready'",
            (lead.0, until.0, now.0),
        )?;
        Ok(changed > 0)
    }

    /// Lets a ready lead wait until its calling hours open. False if it was not ready.
    pub fn wait_for_hours(&mut self, lead: LeadId, opens: Wall, now: Wall) -> Result<bool, LedgerFault> {
        let changed = self.write(
            "UPDATE lead SET due = max(due, ?2), opens_at = max(due, ?2), changed_at = ?3 \
             WHERE id = ?1 AND state = 'ready'",
            (lead.0, opens.0, now.0),
        )?;
        Ok(changed > 0)
    }

    /// Whether leads of a campaign wait for their calling hours to open.
    pub fn any_waits_for_hours(&self, campaign: &Slug, now: Wall) -> Result<bool, LedgerFault> {
        self.any(
            campaign,
            "SELECT 1 FROM lead WHERE campaign = ?1 AND state = 'ready' AND opens_at IS due AND due > ?2 LIMIT 1",
            now,
        )
    }

    /// Whether leads of a campaign are held, or ready and due now.
    pub fn any_in_hand(&self, campaign: &Slug, now: Wall) -> Result<bool, LedgerFault> {
        let held = "SELECT 1 FROM lead WHERE campaign = ?1 AND state = 'held' AND ?2 IS NOT NULL LIMIT 1";
        let due = "SELECT 1 FROM lead WHERE campaign = ?1 AND state = 'ready' AND due <= ?2 LIMIT 1";
        Ok(self.any(campaign, held, now)? || self.any(campaign, due, now)?)
    }

    /// How many leads of a campaign are ready and due now.
    pub fn due_count(&self, campaign: &Slug, now: Wall) -> Result<u64, LedgerFault> {
        let Some(campaign) = self.campaign_row(campaign)? else { return Ok(0) };
        let count = self.one(
            "SELECT count(*) AS leads FROM lead WHERE campaign = ?1 AND state = 'ready' AND due <= ?2",
            (campaign, now.0),
            |row| codec::count(row, "leads"),
        )?;
        Ok(count.unwrap_or(0))
    }

    fn any(&self, campaign: &Slug, sql: &str, now: Wall) -> Result<bool, LedgerFault> {
        let Some(campaign) = self.campaign_row(campaign)? else { return Ok(false) };
        Ok(self.one(sql, (campaign, now.0), |_| Ok(()))?.is_some())
    }

    /// Ready leads that are due later for another reason than their calling hours: a retry, a cap. Soonest first.
    pub fn due_later(&self, campaign: &Slug, now: Wall, limit: u32) -> Result<Vec<DueLead>, LedgerFault> {
        let Some(campaign) = self.campaign_row(campaign)? else { return Ok(Vec::new()) };
        self.rows(
            "SELECT id, phone, name, language, country, timezone, consent, variables, tries, caller, due FROM lead \
             WHERE campaign = ?1 AND state = 'ready' AND opens_at IS NOT due AND due > ?2 ORDER BY due, id LIMIT ?3",
            (campaign, now.0, limit),
            due_lead,
        )
    }

    /// Tries of a number over all campaigns; those that were certainly never made do not count.
    pub fn phone_history(&self, phone: &Phone, now: Wall) -> Result<PhoneHistory, LedgerFault> {
        // A call that may exist and that nobody can be asked about is open until a person has decided about its lead.
        let open = self.one(
            "SELECT 1 FROM attempt WHERE phone = ?1 \
             AND state IN ('intent', 'unknown', 'placed', 'ringing', 'answered', 'bridged') \
             UNION ALL SELECT 1 FROM attempt JOIN lead ON lead.id = attempt.lead \
             WHERE attempt.phone = ?1 AND outcome = 'unresolved' AND lead.state = 'review' LIMIT 1",
            [phone.expose()],
            |_| Ok(()),
        )?;
        let found = self.one(
            "SELECT max(intent_at) AS last, \
                    coalesce(sum(intent_at > ?2), 0) AS day, coalesce(sum(intent_at > ?3), 0) AS month \
             FROM attempt WHERE phone = ?1 AND uses = 1",
            (phone.expose(), now.0 - DAY_MS, now.0 - 30 * DAY_MS),
            |row| {
                Ok(PhoneHistory {
                    last_at: codec::maybe_wall(row, "last")?,
                    in_24h: row.get("day")?,
                    in_30d: row.get("month")?,
                    open: open.is_some(),
                })
            },
        )?;
        let mut history = found.unwrap_or_default();
        let foreign = self.foreign_to(phone, now)?;
        history.last_at = history.last_at.max(foreign.last_at);
        history.in_24h += foreign.in_24h;
        history.in_30d += foreign.in_30d;
        Ok(history)
    }

    /// When the `keep`-th newest counted try of a number leaves a window of `window_ms`: the cap ends then.
    pub(super) fn cap_ends(&self, phone: &Phone, keep: u32, window_ms: i64) -> Result<Option<Wall>, LedgerFault> {
        let Some(skip) = keep.checked_sub(1) else { return Ok(Some(Wall(i64::MAX))) };
        self.one(
            "SELECT at + ?2 AS ends FROM (SELECT intent_at AS at FROM attempt WHERE phone = ?1 AND uses = 1 \
                 UNION ALL SELECT made_at FROM foreign_call WHERE phone = ?4) ORDER BY at DESC LIMIT 1 OFFSET ?3",
            (phone.expose(), window_ms, skip, self.foreign_name(phone).as_slice()),
            |row| codec::wall(row, "ends"),
        )
    }
}

fn due_lead(row: &Row<'_>) -> Result<DueLead, LedgerFault> {
    Ok(DueLead {
        id: LeadId(row.get("id")?),
        phone: codec::phone(row, "phone")?,
        name: row.get("name")?,
        language: codec::maybe_word(row, "language")?,
        country: codec::maybe_word(row, "country")?,
        timezone: row.get("timezone")?,
        consent: row.get("consent")?,
        variables: codec::json(row, "variables")?,
        attempts_used: row.get("tries")?,
        sticky_caller: codec::maybe_phone(row, "caller")?,
        due: codec::wall(row, "due")?,
    })
}
