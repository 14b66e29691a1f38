//! What the cache has saved, from its records and the ledger's calls.

use std::collections::BTreeMap;

use super::shelf_of;
use super::variants::{self, Variants};
use crate::base::Failure;
use crate::core::asset::Digest;
use crate::core::asset::stats::Stats;
use crate::core::config::Campaign;
use crate::store::ledger::Ledger;
use crate::store::shelf::{Looked, Question, read_lock};
use crate::store::workspace::Workspace;

/// The figures of these campaigns, each for itself. A workspace without a ledger has served no calls.
pub fn stats(ws: &Workspace, campaigns: &[Campaign]) -> Result<Vec<Stats>, Failure> {
    let served = served(ws)?;
    let shelf = shelf_of(ws);
    let mut all = Vec::new();
    for campaign in campaigns {
        let mut stats = Stats { campaign: campaign.name.to_string(), ..Stats::default() };
        let lock = read_lock(ws, &campaign.name)?.unwrap_or_default();
        let named = Variants::of(ws, campaign)?.lines;
        let named = named.iter().filter_map(|line| variants::recipe(ws, campaign, &lock, line));
        let locked = lock.entries.values().map(|entry| entry.fingerprint.clone());
        let mut names: Vec<Digest> = locked.chain(named.map(|recipe| recipe.fingerprint())).collect();
        names.sort();
        names.dedup();
        for (name, looked) in names.iter().zip(shelf.look_all(&names, Question::Bytes)?) {
            if let Looked::Whole(whole) = looked {
                stats.add(&whole.record, whole.bytes, served.get(name.as_str()).copied().unwrap_or(0));
            }
        }
        all.push(stats);
    }
    Ok(all)
}

/// Calls whose stream began, by the greeting that they played.
fn served(ws: &Workspace) -> Result<BTreeMap<String, u64>, Failure> {
    let path = ws.ledger_path();
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    let failure = |fault: crate::store::ledger::LedgerFault| Failure::bug(format!("the ledger: {fault}"));
    Ledger::open_read_only(&path).map_err(failure)?.calls_by_greeting().map_err(failure)
}
