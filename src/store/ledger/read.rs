//! Reports: what stands in the ledger, for tables and JSON. Every listing is bounded.

use std::collections::BTreeMap;

use rusqlite::Row;

use super::{
    AlarmRow, AttemptRow, CallFilter, CallRow, LeadCounts, LeadFilter, LeadRow, LeadStateName, Ledger, LedgerFault,
    codec,
};
use crate::base::{AttemptId, CallId, LeadId, Slug, Wall, limits};
use crate::core::dial::Outcome;

impl Ledger {
    /// Calls whose stream began to sound, by the fingerprint of the greeting that they played first.
    pub fn calls_by_greeting(&self) -> Result<BTreeMap<String, u64>, LedgerFault> {
        let rows = self.rows(
            "SELECT coalesce(a.greeting, c.greeting) AS played, count(*) FROM call c LEFT JOIN attempt a ON a.id = c.attempt \
             WHERE c.first_audio_us IS NOT NULL AND coalesce(a.greeting, c.greeting) IS NOT NULL GROUP BY played",
            [],
            |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?.unsigned_abs())),
        )?;
        Ok(rows.into_iter().collect())
    }

    /// The sum of a campaign's leads: each is in exactly one place.
    pub fn lead_counts(&self, campaign: &Slug, now: Wall) -> Result<LeadCounts, LedgerFault> {
        let mut counts = LeadCounts::default();
        let Some(campaign) = self.campaign_row(campaign)? else { return Ok(counts) };
        let ready = |which: &str| {
            let sql = format!(
                "SELECT count(*) AS leads, min(due) AS due FROM lead WHERE campaign = ?1 AND state = 'ready' AND due {which} ?2"
            );
            self.one(&sql, (campaign, now.0), |row| Ok((codec::count(row, "leads")?, codec::maybe_wall(row, "due")?)))
        };
        counts.ready_due = ready("<=")?.unwrap_or_default().0;
        (counts.ready_later, counts.next_due) = ready(">")?.unwrap_or_default();
        let groups = self.rows(
            "SELECT state, reason, count(*) AS leads FROM lead WHERE campaign = ?1 AND state != 'ready' \
             GROUP BY state, reason",
            [campaign],
            |row| {
                let state: LeadStateName = codec::word(row, "state")?;
                Ok((state, row.get::<_, Option<String>>("reason")?, codec::count(row, "leads")?))
            },
        )?;
        let bad = |_| LedgerFault::Corrupt("a lead's reason is none of the known names".to_owned());
        for (state, reason, leads) in groups {
            let reason = reason.unwrap_or_default();
            match state {
                LeadStateName::Ready => {}
                LeadStateName::Held => counts.held += leads,
                LeadStateName::Done => *counts.done.entry(reason.parse().map_err(bad)?).or_default() += leads,
                LeadStateName::Blocked => *counts.blocked.entry(reason.parse().map_err(bad)?).or_default() += leads,
                LeadStateName::Review => counts.review += leads,
            }
        }
        Ok(counts)
    }

    /// Attempts of a campaign by outcome, over all time.
    pub fn outcomes(&self, campaign: &Slug) -> Result<Vec<(Outcome, u64)>, LedgerFault> {
        self.outcomes_since(campaign, Wall(i64::MIN))
    }

    /// Attempts of a campaign that were claimed at or after `since`, by outcome.
    pub fn outcomes_since(&self, campaign: &Slug, since: Wall) -> Result<Vec<(Outcome, u64)>, LedgerFault> {
        self.rows(
            "SELECT outcome, count(*) AS attempts FROM attempt \
             WHERE campaign = (SELECT id FROM campaign WHERE name = ?1) AND intent_at >= ?2 AND outcome IS NOT NULL \
             GROUP BY outcome ORDER BY attempts DESC, outcome",
            (campaign.as_str(), since.0),
            |row| Ok((codec::word(row, "outcome")?, codec::count(row, "attempts")?)),
        )
    }

    /// Every try of a lead, oldest first.
    pub fn attempts_of_lead(&self, lead: LeadId) -> Result<Vec<AttemptRow>, LedgerFault> {
        self.rows(
            "SELECT a.*, c.name AS campaign_name FROM attempt a JOIN campaign c ON c.id = a.campaign \
             WHERE a.lead = ?1 ORDER BY a.intent_at, a.id LIMIT ?2",
            (lead.0, limits::LIST_ROWS),
            |row| {
                Ok(AttemptRow {
                    attempt: AttemptId(codec::uuid(row, "id")?),
                    lead: LeadId(row.get("lead")?),
                    campaign: codec::word(row, "campaign_name")?,
                    state: codec::word(row, "state")?,
                    outcome: codec::maybe_word(row, "outcome")?,
                    intent_at: codec::wall(row, "intent_at")?,
                    closed_at: codec::maybe_wall(row, "closed_at")?,
                    sid: codec::maybe_word(row, "sid")?,
                    caller: codec::phone(row, "caller")?,
                    greeting: row.get("greeting")?,
                })
            },
        )
    }

    /// Calls, newest first.
    pub fn calls(&self, filter: &CallFilter) -> Result<Vec<CallRow>, LedgerFault> {
        self.rows(
            "SELECT a.id, a.lead, c.name AS campaign, a.phone, l.name, coalesce(k.language, a.language) AS language, l.language AS own_language, \
                    a.sid, a.state, a.outcome, a.intent_at, k.answered_at, coalesce(k.ended_at, a.closed_at) AS ended_at, \
                    k.duration_s, k.first_audio_us, k.heard_ms, coalesce(k.barged_in, 0) AS barged_in, k.barge_tail_ms, \
                    coalesce(k.opted_out, 0) AS opted_out, k.keys, k.folder \
             FROM attempt a JOIN lead l ON l.id = a.lead JOIN campaign c ON c.id = a.campaign \
             LEFT JOIN call k ON k.attempt = a.id \
             WHERE (?1 IS NULL OR c.name = ?1) AND (?2 IS NULL OR a.lead = ?2) AND (?3 IS NULL OR a.outcome = ?3) \
               AND a.intent_at >= ?4 AND (?5 = 0 OR k.id IS NOT NULL) \
             ORDER BY a.intent_at DESC, a.id DESC LIMIT ?6",
            (
                filter.campaign.as_ref().map(Slug::as_str),
                filter.lead.map(|lead| lead.0),
                filter.outcome.map(Outcome::as_str),
                filter.since.map_or(i64::MIN, |since| since.0),
                filter.made,
                rows_wanted(filter.limit),
            ),
            call_row,
        )
    }

    /// One call by its name.
    pub fn call(&self, call: CallId) -> Result<Option<CallRow>, LedgerFault> {
        self.one(
            "SELECT a.id, a.lead, c.name AS campaign, a.phone, l.name, coalesce(k.language, a.language) AS language, l.language AS own_language, \
                    a.sid, a.state, a.outcome, a.intent_at, k.answered_at, coalesce(k.ended_at, a.closed_at) AS ended_at, \
                    k.duration_s, k.first_audio_us, k.heard_ms, coalesce(k.barged_in, 0) AS barged_in, k.barge_tail_ms, \
                    coalesce(k.opted_out, 0) AS opted_out, k.keys, k.folder \
             FROM attempt a JOIN lead l ON l.id = a.lead JOIN campaign c ON c.id = a.campaign \
             LEFT JOIN call k ON k.attempt = a.id WHERE a.id = ?1",
            [call.0.as_bytes()],
            call_row,
        )
    }

    /// Leads by row.
    pub fn leads(&self, filter: &LeadFilter) -> Result<Vec<LeadRow>, LedgerFault> {
        self.rows(
            "SELECT l.*, c.name AS campaign_name FROM lead l JOIN campaign c ON c.id = l.campaign \
             WHERE (?1 IS NULL OR c.name = ?1) AND (?2 IS NULL OR l.state = ?2) AND l.id > ?3 ORDER BY l.id LIMIT ?4",
            (
                filter.campaign.as_ref().map(Slug::as_str),
                filter.state.map(LeadStateName::as_str),
                filter.after.map_or(0, |after| after.0),
                rows_wanted(filter.limit),
            ),
            lead_row,
        )
    }

    /// One lead.
    pub fn lead(&self, lead: LeadId) -> Result<Option<LeadRow>, LedgerFault> {
        self.one(
            "SELECT l.*, c.name AS campaign_name FROM lead l JOIN campaign c ON c.id = l.campaign WHERE l.id = ?1",
            [lead.0],
            lead_row,
        )
    }

    /// Alarms, newest first; at most `limit`.
    pub fn alarms(&self, limit: u32) -> Result<Vec<AlarmRow>, LedgerFault> {
        self.rows(
            "SELECT attempt, kind, sid, account, at FROM alarm ORDER BY at DESC LIMIT ?1",
            [rows_wanted(limit)],
            |row| {
                Ok(AlarmRow {
                    attempt: AttemptId(codec::uuid(row, "attempt")?),
                    kind: row.get("kind")?,
                    sid: row.get("sid")?,
                    account: row.get("account")?,
                    at: codec::wall(row, "at")?,
                })
            },
        )
    }

    /// SQLite's own quick check of the file: empty = sound.
    pub fn quick_check(&self) -> Result<Vec<String>, LedgerFault> {
        let lines = self.rows("PRAGMA quick_check(20)", [], |row| Ok(row.get::<_, String>(0)?))?;
        Ok(lines.into_iter().filter(|line| line != "ok").collect())
    }
}

fn rows_wanted(limit: u32) -> u32 {
    if limit == 0 { limits::LIST_ROWS } else { limit }
}

fn call_row(row: &Row<'_>) -> Result<CallRow, LedgerFault> {
    Ok(CallRow {
        call: CallId(codec::uuid(row, "id")?),
        lead: LeadId(row.get("lead")?),
        campaign: codec::word(row, "campaign")?,
        phone: codec::phone(row, "phone")?,
        name: row.get("name")?,
        language: codec::maybe_word(row, "language")?,
        lead_language: codec::maybe_word(row, "own_language")?,
        sid: codec::maybe_word(row, "sid")?,
        state: codec::word(row, "state")?,
        outcome: codec::maybe_word(row, "outcome")?,
        started_at: codec::wall(row, "intent_at")?,
        answered_at: codec::maybe_wall(row, "answered_at")?,
        ended_at: codec::maybe_wall(row, "ended_at")?,
        duration_s: row.get("duration_s")?,
        first_audio_us: codec::maybe_count(row, "first_audio_us")?,
        heard_ms: codec::maybe_count(row, "heard_ms")?,
        barged_in: row.get("barged_in")?,
        barge_tail_ms: codec::maybe_count(row, "barge_tail_ms")?,
        opted_out: row.get("opted_out")?,
        keys: row.get("keys")?,
        folder: row.get("folder")?,
    })
}

fn lead_row(row: &Row<'_>) -> Result<LeadRow, LedgerFault> {
    Ok(LeadRow {
        id: LeadId(row.get("id")?),
        campaign: codec::word(row, "campaign_name")?,
        phone: codec::phone(row, "phone")?,
        name: row.get("name")?,
        language: codec::maybe_word(row, "language")?,
        country: codec::maybe_word(row, "country")?,
        state: codec::lead_state(row)?,
        attempts_used: row.get("tries")?,
        changed_at: codec::wall(row, "changed_at")?,
    })
}
