//! The carrier of the simulator: calls, an agenda, and a log. Plain state without tasks: a crash of the dialer does not
//! touch it, and time passes here while nobody is there to listen.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;

use super::super::lock;
use super::plan::{CALLERS, Deed, RING, Scenario, Weather, is_invalid, number};
use super::trace::Trace;
use crate::base::{AttemptId, Sid, Wall, limits};
use crate::core::dial::CallStatus;
use crate::core::dial::breaker::StopKind;
use crate::edge::carrier::{AskFault, Ending, ListQuery, Listed, Order, PlaceFault, Placed, Refusal, RemoteCall};

/// A call in the carrier's log.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub sid: Sid,
    pub to: String,
    pub from: String,
    pub account: usize,
    pub attempt: AttemptId,
    pub status: CallStatus,
    pub created_us: u64,
    pub listed_us: u64,
    pub ended_us: Option<u64>,
    pub answered: bool,
    /// Made by a proxy's repetition, or later than every horizon: the dialer cannot prevent it.
    pub extra: bool,
    /// When the dialer first took a word about it while it was live.
    pub told_us: Option<u64>,
    /// The dialer asked for its end.
    pub end_asked: bool,
    /// They pressed the opt-out key.
    pub opts_out: bool,
    /// When the dialer said that it had written that down.
    pub opted_us: Option<u64>,
}

/// An order as it reached the carrier.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub us: u64,
    pub account: usize,
}

/// An order as it left the dialer.
#[derive(Debug, Clone)]
pub(super) struct Left {
    pub us: u64,
    /// The dialer's wall clock.
    pub wall: Wall,
    pub attempt: AttemptId,
    pub to: String,
}

/// Something for the dialer's door.
#[derive(Debug, Clone)]
pub(super) enum Letter {
    Status { call: usize, status: CallStatus, sequence: u64, tries: u32 },
    Stream { call: usize },
    OptOut { call: usize, tries: u32 },
    Summary { call: usize },
    Deed(Deed),
}

#[derive(Debug)]
enum Due {
    Arrive(Box<Request>),
    Make(Box<Request>),
    Becomes { call: usize, status: CallStatus, sequence: u64 },
    Letter(Letter),
}

#[derive(Debug, Clone)]
struct Request {
    to: String,
    from: String,
    account: usize,
    attempt: AttemptId,
    sid: Sid,
    make: bool,
    later_us: u64,
    extra: bool,
}

/// What the dialer gets for its order, and when.
pub(super) struct Reply {
    pub after: Duration,
    pub answer: Result<Placed, PlaceFault>,
}

pub(super) struct Book {
    random: fastrand::Rng,
    weather: Weather,
    epoch: i64,
    /// A fifth of the horizon, µs: the most that lists lag and processing takes.
    lag_us: u64,
    agenda: BTreeMap<(u64, u64), Due>,
    letters: u64,
    sids: u64,
    suspended: Vec<bool>,
    refused: [bool; CALLERS.len()],
    pub calls: Vec<Call>,
    pub seen: Vec<Seen>,
    pub left: Vec<Left>,
    pub trace: Trace,
    /// What broke a promise while it ran.
    pub broken: Vec<String>,
}

/// See the module.
pub(super) struct Carrier {
    book: Mutex<Book>,
    /// Something nearer than what the driver waits for.
    pub wake: Notify,
}

impl Carrier {
    pub fn new(scenario: &Scenario, keep_trace: bool) -> Carrier {
        let mut book = Book {
            random: fastrand::Rng::with_seed(scenario.seed),
            weather: scenario.weather,
            epoch: scenario.epoch,
            lag_us: u64::try_from(scenario.horizon.as_micros() / 5).expect("short"),
            agenda: BTreeMap::new(),
            letters: 0,
            sids: 0,
            suspended: vec![false; scenario.accounts.len()],
            refused: [false; CALLERS.len()],
            calls: Vec::new(),
            seen: Vec::new(),
            left: Vec::new(),
            trace: Trace::new(keep_trace),
            broken: Vec::new(),
        };
        for (at, deed) in &scenario.deeds {
            book.put(*at, Due::Letter(Letter::Deed(*deed)));
        }
        Carrier { book: Mutex::new(book), wake: Notify::new() }
    }

    pub fn book(&self) -> MutexGuard<'_, Book> {
        lock(&self.book)
    }

    pub fn note(&self, us: u64, text: &str) {
        self.book().trace.note(us, text);
    }

    /// Takes an order. Everything about it is decided now; it reaches the carrier on its own time.
    pub fn order(&self, us: u64, wall: Wall, account: usize, attempt: AttemptId, order: &Order) -> Reply {
        let mut book = self.book();
        let left = Left { us, wall, attempt, to: order.to.expose().to_owned() };
        book.left.push(left);
        let reply = book.decide(us, account, attempt, order);
        book.trace.note(us, &format!("order {attempt} → {:?} after {:?}", reply.answer, reply.after));
        drop(book);
        self.wake.notify_one();
        reply
    }

    /// Puts something on the agenda.
    pub fn later(&self, at: u64, letter: Letter) {
        self.book().put(at, Due::Letter(letter));
        self.wake.notify_one();
    }

    /// When the next thing is due.
    pub fn next_at(&self) -> Option<u64> {
        self.book().agenda.keys().next().map(|(at, _)| *at)
    }

    /// Everything that is due; gives what is for the dialer's door.
    pub fn turn(&self, us: u64) -> Vec<Letter> {
        let mut book = self.book();
        let mut letters = Vec::new();
        while let Some(entry) = book.agenda.first_entry() {
            let at = entry.key().0;
            if at > us {
                break;
            }
            match entry.remove() {
                Due::Arrive(request) => book.arrive(at, *request),
                Due::Make(request) => book.make(at, *request),
                Due::Becomes { call, status, sequence } => book.becomes(at, call, status, sequence),
                Due::Letter(letter) => letters.push(letter),
            }
        }
        letters
    }

    /// The door was closed, or said 503: the carrier repeats twice, then gives up.
    pub fn bounced(&self, us: u64, letter: Letter) {
        let again = match letter {
            Letter::Status { call, status, sequence, tries } if tries < 2 => {
                Letter::Status { call, status, sequence, tries: tries + 1 }
            }
            Letter::OptOut { call, tries } if tries < 50 => Letter::OptOut { call, tries: tries + 1 },
            Letter::Status { .. }
            | Letter::OptOut { .. }
            | Letter::Stream { .. }
            | Letter::Summary { .. }
            | Letter::Deed(_) => return,
        };
        self.later(us + 2_000_000, again);
    }

    pub fn fetch(&self, sid: &Sid, us: u64) -> Result<RemoteCall, AskFault> {
        let mut book = self.book();
        let at = book.calls.iter().position(|call| call.sid == *sid);
        let account = at.map(|at| book.calls[at].account);
        if let Some(fault) = book.ask_fault(account) {
            return Err(fault);
        }
        let at = at.ok_or(AskFault::Gone)?;
        book.tell(at, us);
        Ok(book.remote(at))
    }

    pub fn list(&self, account: usize, query: ListQuery<'_>, us: u64) -> Result<Listed, AskFault> {
        let mut book = self.book();
        if let Some(fault) = book.ask_fault(Some(account)) {
            return Err(fault);
        }
        let fits = |call: &Call| {
            let created = book.epoch + (call.created_us / 1_000) as i64;
            call.account == account
                && query.to.is_none_or(|to| call.to == to.expose())
                && call.from == query.from.expose()
                && call.listed_us <= us
                && created >= query.since.0
        };
        let found: Vec<usize> = (0..book.calls.len()).rev().filter(|at| fits(&book.calls[*at])).collect();
        let mut calls = Vec::new();
        for at in found {
            book.tell(at, us);
            let call = book.remote(at);
            // A leg that the call made by itself: never ours.
            let child: Sid = format!("CH{at:032x}").parse().expect("a sid");
            calls.push(RemoteCall { sid: child, child: true, ..call.clone() });
            calls.push(call);
        }
        Ok(Listed { calls, pages: 1 })
    }

    pub fn end(&self, sid: &Sid, ending: Ending, us: u64) -> Result<(), AskFault> {
        let mut book = self.book();
        let Some(at) = book.calls.iter().position(|call| call.sid == *sid) else { return Err(AskFault::Gone) };
        book.calls[at].end_asked = true;
        let odds = book.weather.end_fails;
        if book.chance(odds) {
            return Err(AskFault::Failed { cause: "weather".to_owned() });
        }
        let status = book.calls[at].status;
        if status == CallStatus::InProgress && ending == Ending::Cancel {
            // Code 21220, which the real door takes for "it is over": the next round hangs up.
            return Ok(());
        }
        if !status.is_terminal() {
            let end = if status == CallStatus::InProgress { CallStatus::Completed } else { CallStatus::Canceled };
            book.becomes(us, at, end, 9);
        }
        drop(book);
        self.wake.notify_one();
        Ok(())
    }

    /// What happens to the carrier itself.
    pub fn befall(&self, us: u64, deed: Deed) {
        let mut book = self.book();
        book.trace.note(us, &format!("{deed:?}"));
        match deed {
            Deed::Suspend { account, on } => book.suspended[account] = on,
            Deed::RefuseCaller { caller, on } => book.refused[caller] = on,
            Deed::Calm => book.weather = Weather::default(),
            Deed::Suppress(_)
            | Deed::Pause(_)
            | Deed::Resume(_)
            | Deed::Stop { .. }
            | Deed::StepWall(_)
            | Deed::NoUnknownLeft => {}
        }
    }
}

impl Book {
    fn chance(&mut self, odds: f64) -> bool {
        // Always drawn: a fault that is off changes nothing about the others.
        self.random.f64() < odds
    }

    fn put(&mut self, at: u64, due: Due) {
        self.letters += 1;
        self.agenda.insert((at, self.letters), due);
    }

    fn decide(&mut self, us: u64, account: usize, attempt: AttemptId, order: &Order) -> Reply {
        let weather = self.weather;
        let travel = self.random.u64(2_000..400_000);
        let back = self.random.u64(2_000..400_000);
        let quick = Duration::from_micros(travel + back);
        let lost = |cause: &str| Err(PlaceFault::MaybePlaced { cause: cause.to_owned() });
        if self.chance(weather.no_connection) {
            return Reply { after: quick, answer: Err(PlaceFault::NotSent { cause: "refused".to_owned() }) };
        }
        self.sids += 1;
        let sid: Sid = format!("CA{:032x}", self.sids).parse().expect("a sid");
        let mut request = Request {
            to: order.to.expose().to_owned(),
            from: order.from.expose().to_owned(),
            account,
            attempt,
            sid: sid.clone(),
            make: false,
            later_us: 0,
            extra: false,
        };
        let refusal = self.refusal(account, order);
        if let Some(answer) = refusal {
            self.put(us + travel, Due::Arrive(Box::new(request)));
            return Reply { after: quick, answer: Err(answer) };
        }
        if self.chance(weather.throttled) {
            self.put(us + travel, Due::Arrive(Box::new(request)));
            let after = self.random.bool().then(|| Duration::from_secs(self.random.u64(1..60)));
            return Reply { after: quick, answer: Err(PlaceFault::Throttled { after }) };
        }
        if self.chance(weather.never_made) {
            return Reply { after: quick, answer: lost("reset") };
        }
        request.make = true;
        let slow = self.chance(weather.slow_answer);
        if self.chance(weather.slow_processing) {
            request.later_us = self.random.u64(1_000_000..self.lag_us);
        }
        if self.chance(weather.past_horizon) {
            request.later_us = self.random.u64(400_000_000..900_000_000);
            request.extra = true;
        }
        let late = slow || Duration::from_micros(travel + request.later_us + back) >= limits::PLACE_TIMEOUT;
        if self.chance(weather.proxy_doubles) {
            let second: Sid = format!("CB{:032x}", self.sids).parse().expect("a sid");
            let repeated = Request { sid: second, extra: true, ..request.clone() };
            let again = us + travel + self.random.u64(1..3_000_000);
            self.put(again, Due::Arrive(Box::new(repeated)));
        }
        let took = Duration::from_micros(travel + request.later_us + back);
        self.put(us + travel, Due::Arrive(Box::new(request)));
        let is_lost = self.chance(weather.lost_answer);
        if late {
            return Reply { after: limits::PLACE_TIMEOUT, answer: lost("no answer in time") };
        }
        if is_lost {
            return Reply { after: took, answer: lost(["reset", "HTTP 502", "unreadable"][self.random.usize(..3)]) };
        }
        Reply { after: took, answer: Ok(Placed { sid, status: CallStatus::Queued, queue_ms: None }) }
    }

    fn refusal(&self, account: usize, order: &Order) -> Option<PlaceFault> {
        let refused = |http, code, what| Some(PlaceFault::Refused { http, code: Some(code), what });
        if self.suspended[account] {
            return refused(403, 20_005, Refusal::Account(StopKind::Suspended));
        }
        let caller = CALLERS.iter().position(|caller| *caller == order.from.expose());
        if caller.is_some_and(|at| self.refused[at]) {
            return refused(400, 21_210, Refusal::Caller);
        }
        let invalid = (0..100).any(|at| is_invalid(at) && number(at) == order.to.expose());
        if invalid { refused(400, 21_211, Refusal::Number) } else { None }
    }

    fn arrive(&mut self, us: u64, request: Request) {
        // What a proxy repeats is not the dialer's pace.
        if request.sid.as_str().starts_with("CA") {
            self.seen.push(Seen { us, account: request.account });
        }
        self.trace.note(us, &format!("arrived {} make={}", request.attempt, request.make));
        if request.make {
            let at = us + request.later_us;
            self.put(at, Due::Make(Box::new(request)));
        }
    }

    fn make(&mut self, us: u64, request: Request) {
        let weather = self.weather;
        let lag = if self.chance(weather.list_lag) { self.random.u64(0..self.lag_us) } else { 0 };
        let queue = if self.chance(weather.queued) { self.random.u64(0..20_000_000) } else { 1_000 };
        let at = self.calls.len();
        let opts_out = self.random.usize(..10) == 0;
        self.trace.note(us, &format!("made {} for {} extra={}", request.sid, request.attempt, request.extra));
        self.calls.push(Call {
            sid: request.sid,
            to: request.to,
            from: request.from,
            account: request.account,
            attempt: request.attempt,
            status: CallStatus::Queued,
            created_us: us,
            listed_us: us + lag,
            ended_us: None,
            answered: false,
            extra: request.extra,
            told_us: None,
            end_asked: false,
            opts_out,
            opted_us: None,
        });
        let ends =
            [CallStatus::Completed, CallStatus::Completed, CallStatus::Busy, CallStatus::NoAnswer, CallStatus::Failed];
        let end = ends[self.random.usize(..ends.len())];
        let rings = us + queue;
        self.put(rings, Due::Becomes { call: at, status: CallStatus::Ringing, sequence: 1 });
        let picked = rings
            + match end {
                CallStatus::NoAnswer => u64::try_from(RING.as_micros()).expect("small"),
                _ => self.random.u64(100_000..8_000_000),
            };
        if end == CallStatus::Completed {
            self.put(picked, Due::Becomes { call: at, status: CallStatus::InProgress, sequence: 2 });
            let over = picked + self.random.u64(500_000..40_000_000);
            self.put(over, Due::Becomes { call: at, status: end, sequence: 3 });
        } else {
            self.put(picked, Due::Becomes { call: at, status: end, sequence: 3 });
        }
    }

    fn becomes(&mut self, us: u64, at: usize, status: CallStatus, sequence: u64) {
        let weather = self.weather;
        let call = &mut self.calls[at];
        if call.status.is_terminal() {
            return;
        }
        let was_answered = call.answered;
        call.status = status;
        if status == CallStatus::InProgress {
            call.answered = true;
            let opts_out = call.opts_out;
            self.put(us + 50_000, Due::Letter(Letter::Stream { call: at }));
            if opts_out {
                self.put(us + 200_000, Due::Letter(Letter::OptOut { call: at, tries: 0 }));
            }
        }
        if status.is_terminal() {
            self.calls[at].ended_us = Some(us);
            if was_answered {
                self.put(us + 10_000, Due::Letter(Letter::Summary { call: at }));
            }
        }
        self.trace.note(us, &format!("call {at} {status}"));
        if self.chance(weather.dropped_callback) {
            return;
        }
        let mut told = status;
        if self.chance(weather.other_end) && status.is_terminal() {
            told = CallStatus::Failed;
        }
        let times = if self.chance(weather.doubled_callback) { 2 } else { 1 };
        for _ in 0..times {
            let late = self.chance(weather.late_callback);
            let wait = self.random.u64(3_000..300_000) + if late { self.random.u64(0..600_000_000) } else { 0 };
            self.put(us + wait, Due::Letter(Letter::Status { call: at, status: told, sequence, tries: 0 }));
        }
    }

    /// The dialer took a word about a call.
    pub fn tell(&mut self, at: usize, us: u64) {
        let call = &mut self.calls[at];
        if !call.status.is_terminal() {
            call.told_us.get_or_insert(us);
        }
    }

    fn ask_fault(&mut self, account: Option<usize>) -> Option<AskFault> {
        let odds = self.weather.ask_fails;
        if self.chance(odds) {
            return Some(match self.random.usize(..3) {
                0 => AskFault::Throttled { after: None },
                1 => AskFault::Failed { cause: "HTTP 503".to_owned() },
                _ => AskFault::Failed { cause: "the list never ends".to_owned() },
            });
        }
        account.is_some_and(|at| self.suspended[at]).then_some(AskFault::Account { http: 401 })
    }

    fn remote(&self, at: usize) -> RemoteCall {
        let call = &self.calls[at];
        let created = self.epoch + (call.created_us / 1_000) as i64;
        RemoteCall {
            sid: call.sid.clone(),
            to: call.to.clone(),
            from: call.from.clone(),
            status: call.status,
            // Whole seconds, as carriers list them.
            created: Wall(created / 1_000 * 1_000),
            duration_s: call.status.is_terminal().then_some(1),
            queue_ms: None,
            price: None,
            child: false,
            outbound_api: true,
        }
    }
}
