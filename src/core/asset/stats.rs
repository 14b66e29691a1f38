//! What the cache has saved: calls that played an asset instead of waiting for a rendering.

use serde::Serialize;

use super::record::Record;
use crate::base::Money;

/// What one campaign's assets came to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Stats {
    /// The campaign.
    pub campaign: String,
    /// Assets of its lock that are on the shelf.
    pub assets: u64,
    /// Bytes of their files.
    pub bytes: u64,
    /// Length of their sound, ms.
    pub sound_ms: u64,
    /// What they cost to render, as far as it is on record.
    pub cost: Money,
    /// Calls whose stream began and that played one of its greetings.
    pub calls_served: u64,
    /// Of these, calls after the first for each greeting: without a cache each would have been rendered again.
    pub renderings_avoided: u64,
    /// What those would have cost.
    pub money_saved: Money,
    /// How long those callers would have waited: the time that each rendering took, as far as it is on record.
    pub waiting_saved_ms: u64,
}

impl Stats {
    /// Adds an asset and the calls that played it first.
    pub fn add(&mut self, record: &Record, bytes: u64, calls: u64) {
        let avoided = calls.saturating_sub(1);
        self.assets += 1;
        self.bytes += bytes;
        self.sound_ms += record.measured.duration_ms;
        self.cost += record.usage.cost;
        self.calls_served += calls;
        self.renderings_avoided += avoided;
        self.money_saved += record.usage.cost * i64::try_from(avoided).unwrap_or(i64::MAX);
        self.waiting_saved_ms += record.rendered_ms.saturating_mul(avoided);
    }
}
