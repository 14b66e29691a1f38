//! Leads: the queue of those that are due.

use rusqlite::types::Value as Bound;
use rusqlite::{Params, Row, params_from_iter};

use super::segment::Segment;
use super::{BlockReason, Cursor, DueLead, Ledger, LedgerFault, PhoneHistory, codec};
use crate::base::{LeadId, Phone, Slug, Wall};
use crate::core::config::Campaign;
use crate::core::lead::filter::Filter;

const DAY_MS: i64 = 86_400_000;

/// Whose leads: a campaign's, all of them or those of its segment.
#[derive(Debug, Clone, Copy)]
pub struct LeadsOf<'a> {
    /// The campaign.
    pub campaign: &'a Slug,
    /// Only these.
    pub segment: Option<&'a Filter>,
}

impl<'a> From<&'a Slug> for LeadsOf<'a> {
    fn from(campaign: &'a Slug) -> LeadsOf<'a> {
        LeadsOf { campaign, segment: None }
    }
}

impl<'a> From<&'a Campaign> for LeadsOf<'a> {
    fn from(campaign: &'a Campaign) -> LeadsOf<'a> {
        LeadsOf { campaign: &campaign.name, segment: campaign.segment.as_ref() }
    }
}

const COLUMNS: &str =
    "l.id, l.phone, l.name, l.language, l.country, l.timezone, l.consent, l.variables, l.tries, l.caller";

/// The queue of a campaign: one walk along the index `lead_due`, whose length does not grow with the campaign.
fn queue_sql(condition: &str) -> String {
    format!(
        "SELECT {COLUMNS}, l.due FROM lead l WHERE l.campaign = ? AND l.state = 'ready' AND l.due <= ? \
         AND (l.due, l.id) > (?, ?) AND {condition} ORDER BY l.due, l.id LIMIT ?"
    )
}

impl Ledger {
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
    pub fn due_leads<'a>(
        &self,
        of: impl Into<LeadsOf<'a>>,
        now: Wall,
        limit: u32,
        after: Option<Cursor>,
    ) -> Result<Vec<DueLead>, LedgerFault> {
        self.queue(of.into(), now, limit, after)
    }

    /// All ready leads, due or not (for the plan), oldest due first; read on with `after`. At most `limit`.
    pub fn ready_leads<'a>(
        &self,
        of: impl Into<LeadsOf<'a>>,
        limit: u32,
        after: Option<Cursor>,
    ) -> Result<Vec<DueLead>, LedgerFault> {
        self.queue(of.into(), Wall(i64::MAX), limit, after)
    }

    fn queue(
        &self,
        of: LeadsOf<'_>,
        until: Wall,
        limit: u32,
        after: Option<Cursor>,
    ) -> Result<Vec<DueLead>, LedgerFault> {
        let (due, id) = after.map_or((i64::MIN, i64::MIN), |(due, id)| (due.0, id.0));
        let Some((condition, bound)) = self.within(of, [until.0, due, id], limit)? else { return Ok(Vec::new()) };
        self.rows(&queue_sql(&condition), bound, due_lead)
    }

    /// A segment's condition, and the values of a query that asks in this order for: campaign, `numbers`, the segment, a
    /// limit. `None`: no such campaign here.
    fn within<const N: usize>(
        &self,
        of: LeadsOf<'_>,
        numbers: [i64; N],
        limit: u32,
    ) -> Result<Option<(String, impl Params)>, LedgerFault> {
        let Some(campaign) = self.campaign_row(of.campaign)? else { return Ok(None) };
        let Segment { sql, bound } = Segment::of(of.segment);
        let first = std::iter::once(campaign).chain(numbers).map(Bound::Integer);
        let all: Vec<Bound> = first.chain(bound).chain([Bound::Integer(i64::from(limit))]).collect();
        Ok(Some((sql, params_from_iter(all))))
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
               AND state != 'ready' AND reason IN ('no_consent', 'no_greeting', 'no_zone', 'country', 'do_not_call_file', 'never_called') \
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
               AND state != 'ready' AND reason IN ('no_consent', 'no_greeting', 'no_zone', 'capped', 'country', \
                                                   'do_not_call_file', 'never_called')",
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
    pub fn any_waits_for_hours<'a>(&self, of: impl Into<LeadsOf<'a>>, now: Wall) -> Result<bool, LedgerFault> {
        self.any(of.into(), "l.state = 'ready' AND l.opens_at IS l.due AND l.due > ?", now)
    }

    /// Whether leads of a campaign are held, or ready and due now.
    pub fn any_in_hand<'a>(&self, of: impl Into<LeadsOf<'a>>, now: Wall) -> Result<bool, LedgerFault> {
        let of = of.into();
        Ok(self.any(of, "l.state = 'held' AND l.state != 'ready' AND ? IS NOT NULL", now)?
            || self.any(of, "l.state = 'ready' AND l.due <= ?", now)?)
    }

    /// How many leads of a campaign are ready and due now.
    pub fn due_count<'a>(&self, of: impl Into<LeadsOf<'a>>, now: Wall) -> Result<u64, LedgerFault> {
        let Some((condition, bound)) = self.within(of.into(), [now.0], 1)? else { return Ok(0) };
        let count = self.one(
            &format!(
                "SELECT count(*) AS leads FROM lead l WHERE l.campaign = ? AND l.state = 'ready' AND l.due <= ? \
                 AND {condition} LIMIT ?"
            ),
            bound,
            |row| codec::count(row, "leads"),
        )?;
        Ok(count.unwrap_or(0))
    }

    fn any(&self, of: LeadsOf<'_>, which: &str, now: Wall) -> Result<bool, LedgerFault> {
        let Some((condition, bound)) = self.within(of, [now.0], 1)? else { return Ok(false) };
        let sql = format!("SELECT 1 FROM lead l WHERE l.campaign = ? AND {which} AND {condition} LIMIT ?");
        Ok(self.one(&sql, bound, |_| Ok(()))?.is_some())
    }

    /// Ready leads that are due later for another reason than their calling hours: a retry, a cap. Soonest first.
    pub fn due_later<'a>(
        &self,
        of: impl Into<LeadsOf<'a>>,
        now: Wall,
        limit: u32,
    ) -> Result<Vec<DueLead>, LedgerFault> {
        let Some((condition, bound)) = self.within(of.into(), [now.0], limit)? else { return Ok(Vec::new()) };
        self.rows(
            &format!(
                "SELECT {COLUMNS}, l.due FROM lead l WHERE l.campaign = ? AND l.state = 'ready' \
                 AND l.opens_at IS NOT l.due AND l.due IS NOT l.created_at AND l.due > ? AND {condition} \
                 ORDER BY l.due, l.id LIMIT ?"
            ),
            bound,
            due_lead,
        )
    }

    /// One number of each beginning (country code and what follows, four digits) that leads of a campaign have: enough to
    /// know their countries.
    pub fn beginnings(&self, campaign: &Slug) -> Result<Vec<Phone>, LedgerFault> {
        self.rows(
            "SELECT min(phone) AS phone FROM lead WHERE campaign = (SELECT id FROM campaign WHERE name = ?1) \
             AND phone NOT GLOB '+0*' GROUP BY substr(phone, 1, 5)",
            [campaign.as_str()],
            |row| codec::phone(row, "phone"),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::ledger::OpenOptions;

    /// What SQLite does for a query, line by line.
    fn plan(ledger: &Ledger, sql: &str) -> Vec<String> {
        let unbound = params_from_iter(std::iter::empty::<i64>());
        ledger
            .rows(&format!("EXPLAIN QUERY PLAN {sql}"), unbound, |row| Ok(row.get::<_, String>(3)?))
            .expect("explained")
    }

    #[test]
    fn the_queue_is_a_walk_along_its_index_and_sorts_nothing() {
        let dir = tempfile::tempdir().expect("a folder");
        let options = OpenOptions { fresh_key: [1; 32], now: Wall(0) };
        let ledger = Ledger::open(&dir.path().join("ahoy.db"), &options).expect("made");
        let sql = queue_sql("1").replace('?', "1");
        assert_eq!(plan(&ledger, &sql), ["SEARCH l USING INDEX lead_due (campaign=? AND due>? AND due<?)"]);
        let by_phone = "SELECT id FROM lead WHERE phone = '+442079460000'";
        assert_eq!(plan(&ledger, by_phone), ["SEARCH lead USING COVERING INDEX sqlite_autoindex_lead_1 (phone=?)"]);
    }
}
