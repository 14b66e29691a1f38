//! Promised calls: each wish that a caller left with a desk becomes one ordinary call, with their voice when it is made.
//!
//! A wish is a row of the ledger, and moves in the unit of its claim: a process that dies at any moment leaves an open
//! wish, which the next one takes up, or a call. Rules, hours, caps and stops are asked as for every call.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use super::engine::Engine;
use super::lock;
use super::order::Ordered;
use crate::base::{CallId, Wall, limits};
use crate::core::api::order::{KeyedOrder, Refusal};
use crate::run::clone::CloneState;
use crate::store::ledger::OpenWish;
use crate::store::workspace::Workspace;

/// Wishes in somebody's hands.
type Tended = Arc<Mutex<HashSet<CallId>>>;

impl Engine {
    /// Keeps what desks have promised, also in an earlier process, until the engine ends.
    pub(crate) fn keep_promises(self: &Arc<Self>, ws: &Workspace) {
        if self.desks().is_some() {
            tokio::spawn(look(Arc::downgrade(self), ws.clone()));
        }
    }

    /// Waits for the end of the call on which it was made, and for the voice; then calls.
    async fn keep(self: &Arc<Self>, ws: &Workspace, wish: &OpenWish) {
        let Some(desks) = self.desks() else { return };
        while desks.is_live(wish.call) && !self.is_stopping() {
            self.clock().sleep(limits::WISH_EVERY).await;
        }
        let cloner = desks.voices();
        let made = match &cloner {
            Some(cloner) => {
                let mut state = cloner.want(&wish.phone, None);
                // A cloner that has gone tells nothing more: what it said last counts.
                let settled = state.wait_for(|state| *state != CloneState::Making).await.map(|state| state.clone());
                match settled {
                    Ok(CloneState::Ready { voice, .. }) => Ok(voice),
                    Ok(CloneState::Failed { why }) => Err(why.to_string()),
                    Ok(CloneState::Making) | Err(_) => Err("the cloner has ended".to_owned()),
                }
            }
            None => Err("nobody makes voices here any more".to_owned()),
        };
        let voice = made.as_ref().ok().cloned();
        let reason = loop {
            // It is open still: the next process keeps it.
            if self.is_stopping() {
                return;
            }
            let order = KeyedOrder::of_wish(wish.call, wish.campaign.clone(), wish.lead, voice.clone());
            match self.order(ws, order).await {
                Ordered::Placed(attempt) | Ordered::Repeat(attempt) => {
                    tracing::info!(call = %wish.call, %attempt, "a caller is called back as promised");
                    if let Some(cloner) = cloner {
                        let took = self.clock().wall().since(wish.at);
                        cloner.transferred(wish.phone.clone(), wish.call, took, made.map(|_| ())).await;
                    }
                    return;
                }
                Ordered::Refused(refusal) => {
                    let now = self.clock().wall();
                    match again(&refusal, now).filter(|at| *at < wish.until) {
                        Some(at) => self.clock().sleep(at.since(now).max(Duration::from_secs(1))).await,
                        None => break refusal.reason,
                    }
                }
                Ordered::OtherRequest => break "other_request",
            }
        };
        let (call, now) = (wish.call, self.clock().wall());
        tracing::warn!(call = %wish.call, reason, "a caller who was promised a call is not called");
        if let Err(fault) = self.ledger().run(move |ledger| ledger.drop_wish(call, reason, now)).await {
            tracing::warn!(%fault, "a wish could not be given up now: it is looked at again");
        }
    }
}

/// Looks for open wishes until the engine is gone.
async fn look(engine: Weak<Engine>, ws: Workspace) {
    let tended = Tended::default();
    loop {
        let Some(alive) = engine.upgrade().filter(|engine| !engine.is_stopping()) else { return };
        let clock = Arc::clone(alive.clock());
        match alive.ledger().run(|ledger: &mut crate::store::ledger::Ledger| ledger.open_wishes(limits::WISHES)).await {
            Ok(open) => {
                for wish in open {
                    if lock(&tended).insert(wish.call) {
                        tokio::spawn(tend(Arc::downgrade(&alive), ws.clone(), wish, Arc::clone(&tended)));
                    }
                }
            }
            Err(fault) => tracing::warn!(%fault, "wishes to be called back could not be read"),
        }
        drop(alive);
        clock.sleep(limits::WISH_EVERY).await;
    }
}

async fn tend(engine: Weak<Engine>, ws: Workspace, wish: OpenWish, tended: Tended) {
    if let Some(engine) = engine.upgrade() {
        engine.keep(&ws, &wish).await;
    }
    lock(&tended).remove(&wish.call);
}

/// When a refused call is asked for again; `None`: never, for this reason.
fn again(refusal: &Refusal, now: Wall) -> Option<Wall> {
    let soon = now + limits::WISH_AGAIN;
    match (refusal.until, refusal.status, refusal.reason) {
        (Some(until), ..) => Some(until.max(now)),
        // For now, says the refusal; or a person, another call or the campaign's hand stands against it.
        (None, 503, _) | (None, _, "open" | "campaign_paused" | "not_ready" | "campaign_not_ready") => Some(soon),
        (None, ..) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::dial::gate::{Bar, Gate, Wait};
    use crate::core::dial::verdict::BlockReason;

    #[test]
    fn what_passes_is_waited_for_and_what_a_rule_forbids_is_given_up() {
        let now = Wall(1_000_000);
        let gate = |gate: &Gate| again(&Refusal::of_gate(gate).expect("closed"), now);
        let until = now + Duration::from_secs(600);
        let later = Gate::Later { until, why: Wait::Hours, rule: "gb.hours".to_owned() };
        assert_eq!(gate(&later), Some(until));
        for bar in [Bar::Suppressed, Bar::NoConsent, Bar::DoNotCallFile, Bar::NeverCalled, Bar::Country] {
            assert_eq!(gate(&Gate::Never { bar, rule: "x".to_owned() }), None, "{bar:?}");
        }
        assert_eq!(again(&Refusal::of_block(BlockReason::Suppressed), now), None);
        assert_eq!(again(&Refusal::of_lead("wish_over", ""), now), None);
        let soon = Some(now + limits::WISH_AGAIN);
        assert_eq!(again(&Refusal::for_now("no_agent", ""), now), soon);
        assert_eq!(again(&Refusal::of_lead("open", ""), now), soon);
    }
}
