//! What the rules ask of the ledger: how old a do-not-call file is, who refused when, what a campaign has used, how many
//! answers were silent. It counts; `core/dial/gate` and `core/dial/brake` decide.

use super::{CampaignState, Ledger, LedgerFault, codec};
use crate::base::{Country, Money, Phone, Slug, Wall};
use crate::core::dial::brake::{Answers, SETTLED_AFTER_MS, Used};

impl Ledger {
    /// The date of the newest whole do-not-call file of a country.
    pub fn dnc_dated(&self, country: Country) -> Result<Option<Wall>, LedgerFault> {
        let newest = self.one(
            "SELECT max(dated) AS dated FROM dnc_file WHERE country = ?1 AND complete = 1",
            [country.as_str()],
            |row| codec::maybe_wall(row, "dated"),
        )?;
        Ok(newest.flatten())
    }

    /// When the person at a number last said "never again"; the suppression list may have been changed by hand since.
    pub fn refused_at(&self, phone: &Phone) -> Result<Option<Wall>, LedgerFault> {
        let last = self.one(
            "SELECT max(coalesce(k.ended_at, a.intent_at)) AS last FROM attempt a JOIN call k ON k.attempt = a.id \
             WHERE a.phone = ?1 AND k.opted_out = 1",
            [phone.expose()],
            |row| codec::maybe_wall(row, "last"),
        )?;
        Ok(last.flatten())
    }

    /// Answers by people since a moment, and how many of them heard nothing of us within `heard_within_ms` of the start
    /// of their stream. Calls that ended just now are left out: their media notes may be on the way.
    pub fn answers(
        &self,
        campaign: &Slug,
        since: Wall,
        heard_within_ms: u32,
        now: Wall,
    ) -> Result<Answers, LedgerFault> {
        let found = self.one(
            "SELECT count(*) AS human, coalesce(sum(k.first_audio_us IS NULL OR k.first_audio_us > ?4), 0) AS silent \
             FROM attempt a JOIN call k ON k.attempt = a.id \
             WHERE a.campaign = (SELECT id FROM campaign WHERE name = ?1) AND a.intent_at > ?2 \
               AND k.answered_at IS NOT NULL AND coalesce(k.machine, 0) = 0 AND a.closed_at <= ?3",
            (campaign.as_str(), since.0, now.0 - SETTLED_AFTER_MS, i64::from(heard_within_ms) * 1_000),
            |row| Ok(Answers { human: codec::count(row, "human")?, silent: codec::count(row, "silent")? }),
        )?;
        Ok(found.unwrap_or_default())
    }

    /// What a campaign has used in its life.
    pub fn used(&self, campaign: &Slug) -> Result<Used, LedgerFault> {
        let found = self.one(
            "SELECT count(*) AS attempts, \
                    coalesce(sum(CASE WHEN k.answered_at IS NOT NULL THEN (k.duration_s + 59) / 60 END), 0) AS minutes, \
                    coalesce(sum(k.agent_cost), 0) + coalesce(sum((SELECT sum(t.cost) FROM task t WHERE t.call = k.id)), 0) \
                    + coalesce((SELECT sum(i.agent_cost) FROM call i WHERE i.attempt IS NULL \
                                AND i.campaign = (SELECT id FROM campaign WHERE name = ?1)), 0) AS services \
             FROM attempt a LEFT JOIN call k ON k.attempt = a.id \
             WHERE a.campaign = (SELECT id FROM campaign WHERE name = ?1) AND a.uses = 1",
            [campaign.as_str()],
            |row| {
                Ok(Used {
                    attempts: codec::count(row, "attempts")?,
                    minutes: codec::count(row, "minutes")?,
                    services: Money(row.get("services")?),
                })
            },
        )?;
        Ok(found.unwrap_or_default())
    }

    /// How many attempts a campaign may make in its life; looked at inside every claim. `None` = no bound.
    pub fn set_most_attempts(&mut self, campaign: &Slug, most: Option<u64>) -> Result<(), LedgerFault> {
        let most = most.map(|most| i64::try_from(most).unwrap_or(i64::MAX));
        self.write("UPDATE campaign SET most_attempts = ?2 WHERE name = ?1", (campaign.as_str(), most))?;
        Ok(())
    }

    /// Whether a campaign has made all the attempts that it may make.
    pub(super) fn is_used_up(&self, campaign: &Slug) -> Result<bool, LedgerFault> {
        let used_up = self.one(
            "SELECT most_attempts IS NOT NULL AND most_attempts <= \
                    (SELECT count(*) FROM attempt a WHERE a.campaign = c.id AND a.uses = 1) FROM campaign c WHERE name = ?1",
            [campaign.as_str()],
            |row| Ok(row.get::<_, bool>(0)?),
        )?;
        Ok(used_up.unwrap_or(false))
    }

    /// Pauses a campaign by a rule, and keeps why. False if it was not running.
    pub fn pause_by_rule(&mut self, campaign: &Slug, why: &str, now: Wall) -> Result<bool, LedgerFault> {
        self.atomically(|ledger| {
            let changed = ledger.write(
                "UPDATE campaign SET state = ?2, pause_reason = ?3, changed_at = ?4 WHERE name = ?1 AND state = 'running'",
                (campaign.as_str(), CampaignState::Paused.as_str(), why, now.0),
            )?;
            if changed > 0 {
                ledger.audit("campaign", campaign.as_str(), &format!("paused: {why}"), now)?;
            }
            Ok(changed > 0)
        })
    }

    /// Why a campaign paused itself; `None` if it runs, or if a person paused it.
    pub fn pause_reason(&self, campaign: &Slug) -> Result<Option<String>, LedgerFault> {
        let why = self.one(
            "SELECT pause_reason FROM campaign WHERE name = ?1 AND state <> 'running'",
            [campaign.as_str()],
            |row| Ok(row.get::<_, Option<String>>(0)?),
        )?;
        Ok(why.flatten())
    }
}
