//! Campaigns: running, paused, stopped.

use super::{CampaignState, Ledger, LedgerFault, codec};
use crate::base::{Slug, Wall};

impl Ledger {
    /// What an operator wants of a campaign; `None` if it was never imported into nor set.
    pub fn campaign_state(&self, campaign: &Slug) -> Result<Option<CampaignState>, LedgerFault> {
        self.one("SELECT state FROM campaign WHERE name = ?1", [campaign.as_str()], |row| codec::word(row, "state"))
    }

    /// Sets what an operator wants of a campaign; a claim made after this obeys it.
    pub fn set_campaign_state(&mut self, campaign: &Slug, state: CampaignState, now: Wall) -> Result<(), LedgerFault> {
        self.atomically(|ledger| {
            let changed = ledger.write(
                "INSERT INTO campaign (name, state, changed_at) VALUES (?1, ?2, ?3) \
                 ON CONFLICT (name) DO UPDATE SET state = excluded.state, changed_at = excluded.changed_at, \
                     pause_reason = NULL \
                 WHERE state IS NOT excluded.state",
                (campaign.as_str(), state.as_str(), now.0),
            )?;
            if changed > 0 {
                ledger.audit("campaign", campaign.as_str(), state.as_str(), now)?;
            }
            Ok(())
        })
    }

    /// Names of all campaigns the ledger knows, sorted.
    pub fn campaign_names(&self) -> Result<Vec<Slug>, LedgerFault> {
        self.rows("SELECT name FROM campaign ORDER BY name", [], |row| codec::word(row, "name"))
    }

    /// The row of a campaign, made `running` if it is new.
    pub(super) fn ensure_campaign(&mut self, campaign: &Slug, now: Wall) -> Result<i64, LedgerFault> {
        self.write(
            "INSERT INTO campaign (name, state, changed_at) VALUES (?1, 'running', ?2) ON CONFLICT (name) DO NOTHING",
            (campaign.as_str(), now.0),
        )?;
        self.campaign_row(campaign)?.ok_or(LedgerFault::Unknown("campaign"))
    }
}
