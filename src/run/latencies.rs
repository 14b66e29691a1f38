//! Latencies by campaign: the ledger tells whose a call was, its log how long people waited.

use std::collections::BTreeMap;
use std::path::Path;

use crate::base::{Failure, Slug, Wall, limits};
use crate::core::call::latency::{Collected, Latencies};
use crate::core::call::report::Report;
use crate::store::calllog;
use crate::store::ledger::Ledger;

/// The name of calls of which no ledger tells whose they were: a demo's.
pub const NOBODYS: &str = "(no campaign)";

/// Latencies of all calls and of each campaign's.
#[derive(Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ByCampaign {
    /// Of all of them.
    #[serde(flatten)]
    pub all: Latencies,
    /// Of each campaign's.
    pub campaigns: BTreeMap<String, Latencies>,
}

/// Reads the logs of all calls below `calls` that began on the day `since` (RFC 3339's beginning; empty = all) or later.
/// `only`: of these campaigns; none = of all.
pub fn by_campaign(calls: &Path, ledger: Option<&Ledger>, since: &str, only: &[Slug]) -> Result<ByCampaign, Failure> {
    let (mut all, mut each) = (Collected::default(), BTreeMap::<String, Collected>::new());
    for (call, folder) in calllog::list(calls, limits::CALL_FOLDERS)? {
        let campaign = ledger.map_or(Ok(None), |ledger| ledger.campaign_of(call))?;
        if !only.is_empty() && !campaign.as_ref().is_some_and(|campaign| only.contains(campaign)) {
            continue;
        }
        let report = Report::of(&calllog::read(call, &folder)?.lines);
        // Both are RFC 3339 in UTC: text order is time order.
        if !since.is_empty() && report.began.as_deref().is_none_or(|began| began < since) {
            continue;
        }
        all.add(&report);
        each.entry(campaign.map_or_else(|| NOBODYS.to_owned(), |it| it.to_string())).or_default().add(&report);
    }
    let campaigns = each.into_iter().map(|(name, collected)| (name, collected.fold())).collect();
    Ok(ByCampaign { all: all.fold(), campaigns })
}

/// Latencies of one campaign's calls since a time, by the folders that its ledger knows. A log that cannot be read is left
/// out: a report is no place to fail for it.
pub fn of_campaign(calls: &Path, ledger: &Ledger, campaign: &Slug, since: Wall) -> Result<Latencies, Failure> {
    let mut collected = Collected::default();
    for (call, folder) in ledger.folders_of_campaign(campaign, since)? {
        if let Ok(record) = calllog::read(call, &calls.join(folder)) {
            collected.add(&Report::of(&record.lines));
        }
    }
    Ok(collected.fold())
}
