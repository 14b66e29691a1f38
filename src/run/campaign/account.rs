//! The account's health: what stops it, which of its numbers rest, whether the clock may be believed. `core/dial`
//! decides; here it is written down before anybody acts on it, and told once.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{Shared, lock};
use crate::base::{AttemptId, Boot, Exit, Failure, Phone, Wall, limits};
use crate::core::dial::attempt::State;
use crate::core::dial::breaker::{Answer, Breaker, FailurePolicy, StopKind, Trip};
use crate::core::dial::callers::Callers;
use crate::core::dial::clocks::{Drift, Skew, skew};
use crate::core::dial::desk::Event;
use crate::core::dial::note::Note;
use crate::edge::carrier::{AskFault, Ending, PlaceFault, Placed, Refusal};
use crate::store::ledger::{LedgerFault, OpenAttempt};

/// What a run knows about its account's health.
pub(crate) struct Health {
    breaker: Mutex<Breaker>,
    pub callers: Mutex<Callers>,
    clock: Mutex<ClockWatch>,
    /// When calls in the carrier's queue were last looked at.
    queue_seen: Mutex<Option<Boot>>,
}

/// Between two looks at calls that the carrier still holds in its queue.
const QUEUE_LOOK: Duration = Duration::from_secs(5);

struct ClockWatch {
    drift: Drift,
    asked: Boot,
    held: bool,
    /// The carrier's clock says that ours is wrong by this, ms.
    wrong: Option<i64>,
}

impl Health {
    /// A healthy account, at a moment when the wall clock is believed.
    pub fn new(policy: FailurePolicy, wall: Wall, boot: Boot) -> Health {
        let clock = ClockWatch { drift: Drift::since(wall, boot), asked: boot, held: false, wrong: None };
        Health {
            breaker: Mutex::new(Breaker::new(policy)),
            callers: Mutex::default(),
            clock: Mutex::new(clock),
            queue_seen: Mutex::default(),
        }
    }
}

impl Shared {
    /// Nobody new is called on this account from here on, in this run or another, until a person has looked.
    pub async fn stop_account(&self, kind: StopKind, why: &str, attempts: Vec<AttemptId>) {
        let (account, reason, now) = (self.account.clone(), why.to_owned(), self.wall());
        let told = format!("{why}; {}, then run `ahoy campaign resume`{}", kind.next(), shown(&attempts));
        let unit = self.ledger.run(move |ledger| ledger.stop_account(&account, kind, &reason, &attempts, now));
        if let Err(fault) = unit.await {
            self.ledger_failed(fault).await;
        }
        let first = lock(&self.seen).account.replace(why.to_owned()).is_none();
        if first {
            self.watcher.note(&Note::AccountStopped(told));
        }
        self.desk(Event::AccountStopped).await;
    }

    /// The ledger refused a claim because of a stop that this run did not see come.
    pub async fn account_is_stopped(&self, why: String) {
        let first = lock(&self.seen).account.replace(why.clone()).is_none();
        if first {
            self.watcher.note(&Note::AccountStopped(why));
        }
        self.desk(Event::AccountStopped).await;
    }

    /// Lets the account dial again if the ledger has no stop of it any more. `by_hand`: an operator or a new run asks for
    /// it, so that a carrier that could not be reached is tried again too. True if it was lifted now.
    pub async fn lift_stop(&self, by_hand: bool) -> bool {
        {
            let seen = lock(&self.seen);
            if seen.account.is_none() && !(by_hand && seen.unreachable) {
                return false;
            }
        }
        let account = self.account.clone();
        match self.ledger.run(move |ledger| ledger.account_stop(&account)).await {
            Ok(None) => {}
            Ok(Some(_)) => return false,
            Err(LedgerFault::Busy | LedgerFault::QueueFull) => return false,
            Err(fault) => {
                self.ledger_failed(fault).await;
                return false;
            }
        }
        lock(&self.health.breaker).forget();
        let why = {
            let mut seen = lock(&self.seen);
            let why = seen.account.take().unwrap_or_default();
            seen.unreachable &= !by_hand;
            if seen.unreachable {
                return false;
            }
            why
        };
        self.watcher.note(&Note::AccountResumed(why));
        self.desk(Event::AccountResumed).await;
        true
    }

    /// What an order's answer says about the account, before the attempt itself is settled: the lead comes back ready,
    /// and must not be dialed into the same refusal.
    pub async fn weigh_answer(&self, attempt: AttemptId, caller: &Phone, answer: &Result<Placed, PlaceFault>) {
        let says = match answer {
            Err(PlaceFault::MaybePlaced { .. } | PlaceFault::NotSent { .. }) => Answer::Silent,
            Err(PlaceFault::Refused { what: Refusal::Request, .. }) => Answer::Odd,
            Ok(_) | Err(PlaceFault::Unnamed | PlaceFault::Throttled { .. } | PlaceFault::Refused { .. }) => {
                Answer::Heard
            }
        };
        let trip = lock(&self.health.breaker).answered(attempt, says);
        self.trip(trip).await;
        if let Err(PlaceFault::Refused { http, code, what }) = answer {
            let code = code.map_or(String::new(), |code| format!(", code {code}"));
            match what {
                Refusal::Account(kind) => {
                    let why = format!("the carrier refuses the account ({kind}: HTTP {http}{code})");
                    self.stop_account(*kind, &why, vec![attempt]).await;
                }
                Refusal::Caller => self.rest_caller(caller, &format!("HTTP {http}{code}")).await,
                Refusal::Request | Refusal::Number | Refusal::Destination => {}
            }
        }
    }

    /// What the end of an attempt says about the account.
    pub async fn weigh_end(&self, attempt: AttemptId, outcome: crate::core::dial::Outcome) {
        let trip = lock(&self.health.breaker).ended(attempt, outcome);
        self.trip(trip).await;
    }

    async fn trip(&self, trip: Option<Trip>) {
        match trip {
            None => {}
            Some(Trip::Stop { kind, reason, attempts }) => self.stop_account(kind, &reason, attempts).await,
            Some(Trip::Unreachable { orders }) => {
                lock(&self.seen).unreachable = true;
                let text =
                    format!("the carrier did not answer {orders} orders in a row; nobody new is called in this run");
                self.watcher.note(&Note::Say(text));
                self.desk(Event::AccountStopped).await;
            }
        }
    }

    async fn rest_caller(&self, caller: &Phone, why: &str) {
        let (account, number, reason, now) = (self.account.clone(), caller.clone(), why.to_owned(), self.wall());
        let rested = self
            .ledger
            .run(move |ledger| ledger.rest_caller(&account, &number, limits::CALLER_REST, &reason, now))
            .await;
        match rested {
            Ok(true) => {
                let hours = limits::CALLER_REST.as_secs() / 3_600;
                let text = format!(
                    "the carrier refuses calls from {caller} ({why}): it rests for {hours} hours, the others go on; \
                     `ahoy campaign resume` wakes it"
                );
                self.watcher.note(&Note::Say(text));
            }
            Ok(false) => {}
            Err(fault) => self.ledger_failed(fault).await,
        }
    }

    /// A campaign has nobody to call from: it pauses until a number wakes, and its leads wait unconsumed.
    pub async fn callers_out(&self, at: usize) {
        let first = lock(&self.seen).callers_out.insert(at);
        if first {
            let line = self.line(at);
            let name = &line.campaign.name;
            let text = format!(
                "campaign {name} is paused: the carrier refuses every number it calls from; mend that there, then run \
                 `ahoy campaign resume {name}`"
            );
            self.watcher.note(&Note::Say(text));
        }
        self.desk(Event::Paused(at, true)).await;
    }

    /// Time that a call spent in the carrier's own queue, where an answer tells it.
    pub async fn weigh_queue(&self, queue_ms: Option<u64>) {
        if let Some(waited) = queue_ms.map(Duration::from_millis).filter(|waited| *waited > limits::QUEUE_TIME) {
            self.desk(Event::Queued(waited)).await;
        }
    }

    /// What a question that failed says about the account.
    pub async fn weigh_fault(&self, fault: &AskFault) {
        if let Some(kind) = fault.stop() {
            self.stop_account(kind, &format!("{fault} ({kind})"), Vec::new()).await;
        }
    }

    /// The first question of a run: are we known, and is it the same time there? Errors: exit 15 if the clocks are too
    /// far apart to know anybody's calling hours.
    pub async fn greet(&self) -> Result<(), Failure> {
        let asked = self.boot();
        let hello = match self.carrier.hello().await {
            Ok(hello) => hello,
            Err(fault) => {
                tracing::warn!(%fault, "the carrier did not answer the first question");
                self.weigh_fault(&fault).await;
                return Ok(());
            }
        };
        let Some(theirs) = hello.date else { return Ok(()) };
        match skew(self.wall(), theirs, self.boot().since(asked)) {
            Skew::Fine => {}
            Skew::Warn(ms) => self.watcher.note(&Note::Say(format!("this machine's clock is {}", off(ms)))),
            Skew::Refuse(ms) => {
                let what = format!("this machine's clock is {}: nobody's calling hours can be known", off(ms));
                return Err(Failure::new(Exit::Refused, what).next("set the clock (such as with NTP), and run again"));
            }
        }
        Ok(())
    }

    /// Looks at the clocks: claims stop while they disagree, until they agree again or the carrier's clock explains it.
    pub(super) fn watch_clock(self: &Arc<Self>) -> Option<Event<super::Target>> {
        let (wall, boot) = (self.wall(), self.boot());
        let (ask, changed) = {
            let mut clock = lock(&self.health.clock);
            let parted = clock.drift.parted(wall, boot);
            let held = parted || clock.wrong.is_some();
            let every = if held { limits::CLOCK_ASK } else { limits::CLOCK_ASK_CALM };
            // The first look at clocks that have parted asks at once.
            let ask = boot.since(clock.asked) >= every || (held && !clock.held);
            if ask {
                clock.asked = boot;
            }
            let changed = (held != clock.held).then_some(held);
            clock.held = held;
            (ask, changed)
        };
        if ask {
            tokio::spawn(ask_time(Arc::clone(self)));
        }
        let held = changed?;
        let text = if held {
            lock(&self.seen).clock = true;
            "the clocks disagree: nobody new is called until they agree again or the carrier's clock explains it"
        } else {
            lock(&self.seen).clock = false;
            "the clocks agree again: calling goes on"
        };
        self.watcher.note(&Note::Say(text.to_owned()));
        Some(Event::Held(held))
    }
}

/// Asks the carrier what time it is: agreement makes our wall clock the new measure, whatever it did before.
async fn ask_time(shared: Arc<Shared>) {
    let asked = shared.boot();
    let theirs = match shared.carrier.hello().await {
        Ok(hello) => hello.date,
        Err(fault) => {
            shared.weigh_fault(&fault).await;
            None
        }
    };
    let Some(theirs) = theirs else { return };
    let (wall, boot) = (shared.wall(), shared.boot());
    let mut clock = lock(&shared.health.clock);
    match skew(wall, theirs, boot.since(asked)) {
        Skew::Fine | Skew::Warn(_) => {
            clock.wrong = None;
            clock.drift = Drift::since(wall, boot);
        }
        Skew::Refuse(ms) => {
            tracing::warn!("this machine's clock is {}", off(ms));
            clock.wrong = Some(ms);
        }
    }
}

/// Calls that the carrier still holds in its own queue when the calling hours of the callee are over: nobody has been
/// rung, and nobody is to be.
pub(super) async fn cancel_late(shared: &Arc<Shared>, open: &[OpenAttempt]) {
    let now = shared.boot();
    {
        let mut seen = lock(&shared.health.queue_seen);
        if seen.is_some_and(|seen| now.since(seen) < QUEUE_LOOK) {
            return;
        }
        *seen = Some(now);
    }
    for entry in open.iter().filter(|entry| entry.state == State::Placed) {
        let Some(sid) = entry.sid.clone() else { continue };
        let lines = shared.lines.all();
        let Some(line) = lines.iter().find(|line| line.campaign.name == entry.campaign) else { continue };
        if line.campaign.hours.any {
            continue;
        }
        let (campaign, lead, now) = (line.campaign.clone(), entry.lead, shared.wall());
        let open = shared.ledger.run(move |ledger| super::refill::still_allowed(ledger, &campaign, lead, now)).await;
        match open {
            Ok(true) => {}
            Ok(false) => {
                tracing::info!(attempt = %entry.attempt, "still queued at the carrier when its hours ended: cancelled");
                if let Err(fault) = shared.carrier.end(&sid, Ending::Cancel).await {
                    tracing::warn!(%sid, %fault, "a queued call could not be cancelled; it is tried again");
                }
            }
            Err(fault @ (LedgerFault::Busy | LedgerFault::QueueFull)) => {
                tracing::debug!(%fault, "the next round looks again");
            }
            Err(fault) => shared.ledger_failed(fault).await,
        }
    }
}

/// A difference of clocks in words.
fn off(ms: i64) -> String {
    let side = if ms > 0 { "ahead of" } else { "behind" };
    format!("{} s {side} the carrier's", ms.unsigned_abs() / 1_000)
}

/// The attempts that show it, a few of them.
fn shown(attempts: &[AttemptId]) -> String {
    const SHOWN: usize = 3;
    if attempts.is_empty() {
        return String::new();
    }
    let some: Vec<String> = attempts.iter().take(SHOWN).map(ToString::to_string).collect();
    let more = if attempts.len() > SHOWN { format!(" and {} more", attempts.len() - SHOWN) } else { String::new() };
    format!(" (attempts {}{more})", some.join(", "))
}
