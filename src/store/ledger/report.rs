//! What reports and `campaign status` ask. Reads only; large answers are visited row by row.

use std::collections::BTreeMap;

use super::{CampaignState, Ledger, LedgerFault, codec};
use crate::base::{AttemptId, CallId, LeadId, Money, Slug, Wall, limits};
use crate::core::dial::attempt::State;
use crate::core::report::{AttemptFacts, hour_of_day};

/// A campaign's leads, counted twice: by the imports they came with, and by where they stand.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImportSum {
    /// Leads by the file they came with.
    pub files: Vec<(String, u64)>,
    /// Leads that came with an import.
    pub imported: u64,
}

/// Somebody's word about a campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CampaignWord {
    /// What it is now.
    pub state: CampaignState,
    /// When that changed last.
    pub changed_at: Wall,
    /// The audit's last word about it: what, and its detail.
    pub audit: Option<(String, String)>,
}

impl Ledger {
    /// Shows every attempt of a campaign that was claimed at or after `since`, oldest first, to `visit`.
    pub fn visit_attempts(
        &self,
        campaign: &Slug,
        since: Wall,
        mut visit: impl FnMut(AttemptFacts),
    ) -> Result<(), LedgerFault> {
        let mut query = self.conn.prepare_cached(
            "SELECT a.id, a.lead, a.state, a.outcome, a.sid IS NOT NULL AS made, a.caller, a.intent_at, a.phone, \
                    coalesce(k.language, a.language) AS language, l.timezone, k.answered_at, k.stream_at, \
                    k.first_audio_us, k.machine, coalesce(k.barged_in, 0) AS barged_in, k.barge_tail_ms, \
                    coalesce(k.opted_out, 0) AS opted_out, k.duration_s, k.price, coalesce(k.agent_cost, 0) AS agent_cost, \
                    (SELECT coalesce(sum(t.cost), 0) FROM task t WHERE t.call = k.id) AS words_cost \
             FROM attempt a JOIN lead l ON l.id = a.lead LEFT JOIN call k ON k.attempt = a.id \
             WHERE a.campaign = (SELECT id FROM campaign WHERE name = ?1) AND a.intent_at >= ?2 \
             ORDER BY a.intent_at, a.id",
        )?;
        let mut rows = query.query((campaign.as_str(), since.0))?;
        while let Some(row) = rows.next()? {
            let state: State = codec::word(row, "state")?;
            let intent_at = codec::wall(row, "intent_at")?;
            let own: Option<String> = row.get("timezone")?;
            visit(AttemptFacts {
                attempt: AttemptId(codec::uuid(row, "id")?),
                lead: LeadId(row.get("lead")?),
                outcome: if state.is_open() { None } else { codec::maybe_word(row, "outcome")? },
                unknown: matches!(state, State::Unknown | State::Intent),
                made: row.get("made")?,
                caller: codec::phone(row, "caller")?,
                language: row.get("language")?,
                intent_at,
                answered_at: codec::maybe_wall(row, "answered_at")?,
                stream_at: codec::maybe_wall(row, "stream_at")?,
                first_audio_us: codec::maybe_count(row, "first_audio_us")?,
                machine: row.get("machine")?,
                barged_in: row.get("barged_in")?,
                barge_tail_ms: codec::maybe_count(row, "barge_tail_ms")?,
                opted_out: row.get("opted_out")?,
                duration_s: row.get("duration_s")?,
                price: row.get::<_, Option<i64>>("price")?.map(Money),
                agent_cost: Money(row.get("agent_cost")?),
                words_cost: Money(row.get::<_, Option<i64>>("words_cost")?.unwrap_or(0)),
                hour: hour_of_day(&codec::phone(row, "phone")?, own.as_deref(), intent_at),
            });
        }
        Ok(())
    }

    /// Whose call it was; `None`: nobody's that this ledger knows.
    pub fn campaign_of(&self, call: CallId) -> Result<Option<Slug>, LedgerFault> {
        self.one(
            "SELECT name FROM campaign WHERE id = (SELECT campaign FROM attempt WHERE id = ?1 UNION ALL \
             SELECT campaign FROM call WHERE id = ?1 AND campaign IS NOT NULL LIMIT 1)",
            [call.0.as_bytes()],
            |row| codec::word(row, "name"),
        )
    }

    /// Folders of a campaign's calls that were claimed at or after `since`, relative to the calls folder; at most
    /// `limits::CALL_FOLDERS`.
    pub fn folders_of_campaign(&self, campaign: &Slug, since: Wall) -> Result<Vec<(CallId, String)>, LedgerFault> {
        self.rows(
            "SELECT k.id, k.folder FROM attempt a JOIN call k ON k.attempt = a.id \
             WHERE a.campaign = (SELECT id FROM campaign WHERE name = ?1) AND a.intent_at >= ?2 AND k.folder IS NOT NULL \
             ORDER BY a.intent_at LIMIT ?3",
            (campaign.as_str(), since.0, limits::CALL_FOLDERS as u32),
            |row| Ok((CallId(codec::uuid(row, "id")?), row.get("folder")?)),
        )
    }

    /// A campaign's leads by the files they came with, newest import first; at most `limits::REPORT_LINES` files.
    pub fn import_sum(&self, campaign: &Slug) -> Result<ImportSum, LedgerFault> {
        let all = self.rows(
            "SELECT i.file, count(l.id) AS leads FROM import i LEFT JOIN lead l ON l.import = i.id \
             WHERE i.campaign = (SELECT id FROM campaign WHERE name = ?1) GROUP BY i.id ORDER BY i.id DESC",
            [campaign.as_str()],
            |row| Ok((row.get::<_, String>("file")?, codec::count(row, "leads")?)),
        )?;
        let imported = all.iter().map(|(_, leads)| leads).sum();
        let files = all.into_iter().filter(|(_, leads)| *leads > 0).take(limits::REPORT_LINES).collect();
        Ok(ImportSum { files, imported })
    }

    /// Leads of a campaign that wait for a person, by reason.
    pub fn review_reasons(&self, campaign: &Slug) -> Result<BTreeMap<String, u64>, LedgerFault> {
        let rows = self.rows(
            "SELECT reason, count(*) AS leads FROM lead WHERE state = 'review' AND state != 'ready' \
             AND campaign = (SELECT id FROM campaign WHERE name = ?1) GROUP BY reason",
            [campaign.as_str()],
            |row| Ok((row.get::<_, String>("reason")?, codec::count(row, "leads")?)),
        )?;
        Ok(rows.into_iter().collect())
    }

    /// What a campaign is, since when, and what the audit says of it; `None` if it was never imported into.
    pub fn campaign_word(&self, campaign: &Slug) -> Result<Option<CampaignWord>, LedgerFault> {
        let found = self.one("SELECT state, changed_at FROM campaign WHERE name = ?1", [campaign.as_str()], |row| {
            Ok((codec::word(row, "state")?, codec::wall(row, "changed_at")?))
        })?;
        let Some((state, changed_at)) = found else { return Ok(None) };
        let audit = self.one(
            "SELECT what, detail FROM audit WHERE subject = ?1 AND at = ?2 ORDER BY id DESC LIMIT 1",
            (campaign.as_str(), changed_at.0),
            |row| Ok((row.get("what")?, row.get("detail")?)),
        )?;
        Ok(Some(CampaignWord { state, changed_at, audit }))
    }

    /// When an account was stopped, and why; `None` if it is not.
    pub fn account_stopped_at(&self, account: &str) -> Result<Option<(Wall, String)>, LedgerFault> {
        self.one("SELECT stopped_at, reason FROM account WHERE name = ?1", [account], |row| {
            Ok((codec::wall(row, "stopped_at")?, row.get("reason")?))
        })
    }

    /// Alarms about attempts of a campaign at or after `since`, newest first: (name, attempt, when). Bounded.
    pub fn campaign_alarms(&self, campaign: &Slug, since: Wall) -> Result<Vec<(String, AttemptId, Wall)>, LedgerFault> {
        self.rows(
            "SELECT m.kind, m.attempt, m.at FROM alarm m JOIN attempt a ON a.id = m.attempt \
             WHERE a.campaign = (SELECT id FROM campaign WHERE name = ?1) AND m.at >= ?2 ORDER BY m.at DESC LIMIT ?3",
            (campaign.as_str(), since.0, limits::REPORT_LINES as u32),
            |row| Ok((row.get("kind")?, AttemptId(codec::uuid(row, "attempt")?), codec::wall(row, "at")?)),
        )
    }
}
