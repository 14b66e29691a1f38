//! Attempts at a carrier whose calls we name: it is asked about the name, never for a list.

use super::{Asker, Unasked};
use crate::core::dial::attempt::Source;
use crate::edge::carrier::AskFault;
use crate::store::ledger::{LedgerFault, OpenAttempt, Settled};

impl Asker {
    /// An order whose answer was lost, at a carrier whose calls we name: the call is there, or it is gone, or never was. The
    /// last two look the same, so they are nobody's to call again.
    pub(super) async fn by_name(&self, entry: &OpenAttempt, past_horizon: bool) -> Result<Vec<Settled>, Unasked> {
        let Some(sid) = self.carrier.own_sid(entry.attempt) else { return Ok(Vec::new()) };
        let at = self.clock.wall();
        let answer = self.carrier.fetch(&sid).await;
        self.felt(&answer);
        let settled = match answer {
            Ok(call) => self.told(entry.attempt, call, Source::Fetch).await?,
            // It may still be made, or its end be told.
            Err(AskFault::Gone) if !past_horizon => None,
            Err(AskFault::Gone) => Some(self.lost_sight(entry).await?),
            Err(fault) => {
                self.asked(entry, at).await?;
                return Err(Unasked::Carrier(fault));
            }
        };
        self.asked(entry, at).await?;
        Ok(settled.into_iter().collect())
    }

    pub(super) async fn lost_sight(&self, entry: &OpenAttempt) -> Result<Settled, LedgerFault> {
        let (attempt, now) = (entry.attempt, self.clock.wall());
        tracing::warn!(%attempt, "the call is gone and no event said how it ended: a person must find out");
        self.write(move |ledger| ledger.lost_sight(attempt, now)).await
    }
}
