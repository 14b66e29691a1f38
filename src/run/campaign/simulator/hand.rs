//! What comes to a process from outside: the operator's hand, and the carrier's callbacks.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::super::facts::Facts;
use super::super::lock;
use super::carrier::{Carrier as Simulated, Letter};
use super::dialer::LifeClock;
use super::fate::Fate;
use super::plan::{Deed, SETTLE, account_name, number};
use crate::base::{Phone, Slug, Wall};
use crate::core::call::session::Notes;
use crate::core::dial::attempt::State;
use crate::core::dial::horizon::Horizon;
use crate::run::gateway::{CallDesk, CallSummary, Overloaded, StatusEvent};
use crate::store::ledger::{CampaignState, Ledger};

/// What the operator and the world do to ledger and carrier.
pub(super) struct Hand {
    pub carrier: Arc<Simulated>,
    pub fate: Arc<Fate>,
    pub step_ms: Arc<AtomicI64>,
    pub suppressed: Arc<Mutex<BTreeMap<String, u64>>>,
    pub pauses: Arc<Mutex<Vec<(usize, u64, u64)>>>,
    pub campaigns: Vec<Slug>,
    pub accounts: usize,
    pub horizon: Duration,
}

impl Hand {
    pub fn perform(&self, ledger: &mut Ledger, deed: Deed, us: u64, wall: Wall) {
        self.carrier.befall(us, deed);
        match deed {
            Deed::Suppress(at) => {
                let phone = Phone::from_e164(&number(at)).expect("a number");
                ledger.suppress(&phone, "asked", "test", wall).expect("written");
                lock(&self.suppressed).entry(number(at)).or_insert(us);
            }
            Deed::Pause(at) => {
                ledger.set_campaign_state(&self.campaigns[at], CampaignState::Paused, wall).expect("written");
                lock(&self.pauses).push((at, us, u64::MAX));
            }
            Deed::Resume(at) => {
                ledger.set_campaign_state(&self.campaigns[at], CampaignState::Running, wall).expect("written");
                for pause in lock(&self.pauses).iter_mut().filter(|pause| pause.0 == at && pause.2 == u64::MAX) {
                    pause.2 = us;
                }
            }
            Deed::StepWall(by) => {
                self.step_ms.fetch_add(by, Ordering::SeqCst);
            }
            Deed::NoUnknownLeft => self.check_unknown(ledger, us),
            Deed::Calm => {
                self.fate.end();
                // From now on, and not from when it was planned: the process may have stood still meanwhile.
                let settle = u64::try_from((self.horizon + SETTLE).as_micros()).expect("small");
                self.carrier.later(us + settle, Letter::Deed(Deed::NoUnknownLeft));
            }
            Deed::Stop { .. } | Deed::Suspend { .. } | Deed::RefuseCaller { .. } => {}
        }
    }

    /// I7.
    fn check_unknown(&self, ledger: &Ledger, us: u64) {
        // A wall clock that was set back holds what is unknown for as long: safe, and told in docs/SIMULATOR.md.
        if self.step_ms.load(Ordering::SeqCst) < 0 {
            return;
        }
        let calm = us.saturating_sub(u64::try_from((self.horizon + SETTLE).as_micros()).expect("small"));
        for at in 0..self.accounts {
            // Slow words were seen: the account waits longer than it was told to.
            let slowest = ledger.slowest(&account_name(at)).expect("read");
            if Horizon::of(self.horizon, false, &crate::edge::carrier::twilio::CARD.bounds, &slowest).raised {
                continue;
            }
            for open in ledger.open_attempts(Some(&account_name(at))).expect("read") {
                let mut book = self.carrier.book();
                let old = book.left.iter().all(|left| left.attempt != open.attempt || left.us <= calm);
                if matches!(open.state, State::Intent | State::Unknown) && old {
                    book.broken.push(format!("I7: {} is still {} a horizon after the storm", open.attempt, open.state));
                }
            }
        }
    }
}

/// A callback arrives at our door. What the dialer answered 200 is never repeated, unless the answer is lost.
pub(super) async fn deliver(
    world: &Arc<Simulated>,
    fate: &Arc<Fate>,
    clock: &LifeClock,
    facts: &Facts,
    letter: Letter,
) {
    if fate.strikes() {
        world.bounced(clock.us(), letter);
        return;
    }
    let call = |at: usize| world.book().calls[at].clone();
    let taken: Result<(), Overloaded> = match letter {
        Letter::Status { call: at, status, sequence, .. } => {
            let about = call(at);
            let event = StatusEvent {
                attempt: about.attempt,
                sid: Some(about.sid),
                status,
                sequence: Some(sequence),
                duration_s: None,
                sip_code: None,
                answered_by: None,
                form: Vec::new(),
            };
            let taken = facts.status(event).await;
            if taken.is_ok() && !fate.is_dead() {
                world.book().tell(at, clock.us());
            }
            taken
        }
        Letter::OptOut { call: at, .. } => {
            let taken = facts.opt_out(call(at).attempt).await;
            if taken.is_ok() && !fate.is_dead() {
                world.book().calls[at].opted_us.get_or_insert(clock.us());
            }
            taken
        }
        Letter::Stream { call: at } => {
            facts.stream_started(call(at).attempt, Some(call(at).sid));
            Ok(())
        }
        Letter::Summary { call: at } => {
            let about = call(at);
            let notes = Notes { opted_out: about.opts_out, ..Notes::default() };
            let folder = PathBuf::from("calls").join(about.attempt.to_string());
            facts
                .ended(CallSummary {
                    agent_cost: None,
                    attempt: about.attempt,
                    call: about.attempt.call(),
                    sid: Some(about.sid),
                    stream_at: None,
                    first_audio_us: Some(300),
                    first_audio_media_ms: Some(0),
                    notes,
                    folder,
                })
                .await;
            Ok(())
        }
        Letter::Deed(_) => Ok(()),
    };
    world.note(clock.us(), &format!("{letter:?}: {taken:?}"));
    if fate.strikes() || taken.is_err() {
        world.bounced(clock.us(), letter);
    }
}
