//! Campaigns and accounts: running, paused, stopped.

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

    /// Why an account is stopped; `None` if it is not.
    pub fn account_stop(&self, account: &str) -> Result<Option<String>, LedgerFault> {
        self.one("SELECT reason FROM account WHERE name = ?1", [account], |row| Ok(row.get(0)?))
    }

    /// Stops an account: claims on it are refused until [`Ledger::resume_account`]. The first reason stays.
    pub fn stop_account(&mut self, account: &str, reason: &str, now: Wall) -> Result<(), LedgerFault> {
        self.atomically(|ledger| {
            let changed = ledger.write(
                "INSERT INTO account (name, stopped_at, reason) VALUES (?1, ?2, ?3) ON CONFLICT (name) DO NOTHING",
                (account, now.0, reason),
            )?;
            if changed > 0 {
                ledger.audit("account_stop", account, reason, now)?;
            }
            Ok(())
        })
    }

    /// Lets an account dial again after a person has looked. True if it was stopped.
    pub fn resume_account(&mut self, account: &str, now: Wall) -> Result<bool, LedgerFault> {
        self.atomically(|ledger| {
            let changed = ledger.write("DELETE FROM account WHERE name = ?1", [account])?;
            if changed > 0 {
                ledger.audit("account_resume", account, "", now)?;
            }
            Ok(changed > 0)
        })
    }
}
