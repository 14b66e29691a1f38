//! A caller who wants to be called back, with their own voice: written down before it is promised.

use std::sync::Arc;

use super::{Desks, Live};
use crate::base::{AttemptId, CallId, limits};
use crate::core::dial::gate::Gate;
use crate::edge::carrier::Boxed;
use crate::run::campaign::{consent_of, judge};
use crate::run::clone::Cloner;
use crate::store::ledger::{Ledger, LedgerFault};

impl Desks {
    /// The caller pressed the key for it. True when the wish is durable and the rules do not stand against it: nobody is
    /// promised a call that is never made.
    pub fn promise(self: &Arc<Self>, attempt: AttemptId) -> Boxed<'static, bool> {
        let Some(live) = self.live(attempt) else { return Box::pin(async { false }) };
        let desks = Arc::clone(self);
        self.there(async move {
            desks.keep_wish(&live).await.unwrap_or_else(|fault| {
                tracing::warn!(%attempt, %fault, "a wish to be called back could not be written down");
                false
            })
        })
    }

    async fn keep_wish(&self, live: &Live) -> Result<bool, LedgerFault> {
        let (taken, campaign, clock) = (Arc::clone(&live.taken), live.line.campaign.clone(), Arc::clone(&self.clock));
        let within = live.line.desk.call_back_within;
        let asked = clock.boot();
        let unit = self.ledger.run(move |ledger: &mut Ledger| {
            // Whoever asked has been told no by now.
            if clock.boot().since(asked) >= limits::PROMISE_WAIT {
                return Ok(false);
            }
            ledger.atomically(|ledger| {
                let Some(lead) = ledger.take_call(&taken)? else { return Ok(false) };
                let Some(mut card) = ledger.lead_card(lead)? else { return Ok(false) };
                let (now, until) = (clock.wall(), clock.wall() + within);
                card.consent = card.consent.or_else(|| Some(consent_of(taken.call, now)));
                card.language = card.language.or_else(|| Some(taken.language.clone()));
                let callable = match judge(ledger, &campaign, &card, now)? {
                    Gate::Call { .. } => true,
                    Gate::Later { until: when, .. } => when < until,
                    Gate::Never { .. } => false,
                };
                if callable {
                    ledger.make_wish(taken.call, lead, now, until)?;
                }
                Ok(callable)
            })
        });
        unit.await
    }

    /// Whether somebody is still on the line who made a wish.
    pub(crate) fn is_live(&self, call: CallId) -> bool {
        self.has(AttemptId(call.0))
    }

    /// Whoever makes the voices.
    pub(crate) fn voices(&self) -> Option<Arc<Cloner>> {
        self.cloner.clone()
    }
}
