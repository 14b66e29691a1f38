//! The desk: who is rung next on one account, and when the run is over.
//!
//! Pure: `handle(now, event)`, `poll(now)`, `next_timeout()`. It holds no truth: leads and attempts are the ledger's;
//! the desk holds a small buffer of candidates, the number of live calls, and the pace.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::pacing::{Pacer, Slot};
use crate::base::{AttemptId, Boot, LeadId};

/// Candidates that the desk wants in its buffer, per campaign: about a second of dialing at a high rate.
pub const BUFFER: usize = 64;
/// How often a campaign with nothing due is asked again.
const IDLE: Duration = Duration::from_millis(250);

/// A lead that every rule allows to be called now. `T` is what the runner needs to call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate<T> {
    /// The lead.
    pub lead: LeadId,
    /// What the runner keeps with it.
    pub what: T,
}

/// How far the operator has asked us to stop. Only gets firmer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// Not at all.
    No,
    /// Dial nobody new; live calls end by themselves.
    Drain,
    /// Cancel what nobody has answered; who talks may end.
    Unanswered,
    /// Cancel what nobody has answered, end the rest.
    Cancel,
    /// Leave now; the ledger knows what is open.
    Exit,
}

/// What the desk is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<T> {
    /// Candidates of a campaign; `more` if the ledger holds further due leads.
    Refilled {
        /// Index of the campaign.
        campaign: usize,
        /// Callable now.
        candidates: Vec<Candidate<T>>,
        /// Whether more are due now.
        more: bool,
        /// Leads that are held, or due later in this run (not those waiting for another day's window).
        waiting: bool,
    },
    /// An attempt was opened for this slot (its intent is durable).
    Opened {
        /// The pace's slot.
        slot: Slot,
        /// The attempt.
        attempt: AttemptId,
    },
    /// The claim was refused or the fence closed: nothing was sent.
    NotSent {
        /// The pace's slot.
        slot: Slot,
    },
    /// The carrier answered, or the request is over some other way.
    Answered {
        /// The pace's slot.
        slot: Slot,
    },
    /// The carrier refused for rate.
    Throttled {
        /// The pace's slot.
        slot: Slot,
        /// Its `Retry-After`.
        after: Option<Duration>,
    },
    /// The carrier held a call in its own queue for this long.
    Queued(Duration),
    /// This machine's clock is not believed (`true`), or is again: dial nobody meanwhile.
    Held(bool),
    /// A campaign's share of the account's calls against the others', 1 to 100; 1 if this is never told.
    Weight(usize, u32),
    /// An attempt that is open from before this run.
    Inherited(AttemptId),
    /// An attempt is over.
    Closed(AttemptId),
    /// A campaign was paused (`true`) or resumed.
    Paused(usize, bool),
    /// The account was stopped: dial nobody new.
    AccountStopped,
    /// A person let the account dial again. Campaigns that are over stay over.
    AccountResumed,
    /// The ledger cannot be written: dial nobody new.
    LedgerFailed,
    /// The operator asks to stop.
    Stop(Stop),
    /// The operator asks to stop one campaign.
    StopLine(usize, Stop),
    /// A campaign is added for calls that are asked for one by one: its leads are never asked for, and it is over only
    /// when it is stopped.
    AddedForOrders {
        /// Index of the campaign.
        campaign: usize,
    },
    /// A call was asked for. Its turn comes as any candidate's; a campaign that may not dial drops it.
    Ordered {
        /// Index of the campaign.
        campaign: usize,
        /// Who.
        candidate: Candidate<T>,
    },
    /// A campaign is added; its index is the number of campaigns so far. With `drain` it is over when nothing is due now
    /// and nothing is live; otherwise it waits for retries.
    Added {
        /// Index of the campaign.
        campaign: usize,
        /// Whether it ends when nothing is due now.
        drain: bool,
    },
}

/// What the desk wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command<T> {
    /// Ask the ledger for callable leads of a campaign.
    Refill {
        /// Index of the campaign.
        campaign: usize,
    },
    /// Claim and call this lead.
    Dial {
        /// Index of the campaign.
        campaign: usize,
        /// The permission to send.
        slot: Slot,
        /// Who.
        candidate: Candidate<T>,
    },
    /// Cancel every attempt that nobody has answered, hang up the others.
    CancelAll,
    /// Nothing is left to do.
    Finish,
}

#[derive(Debug)]
struct Line<T> {
    buffer: VecDeque<Candidate<T>>,
    /// Its share of the account's calls against the others', 1 to 100.
    weight: u32,
    /// What it is owed; the one that is owed most is next.
    credit: i64,
    asked: bool,
    ask_again: Boot,
    paused: bool,
    drain: bool,
    /// Its calls are asked for one by one.
    by_order: bool,
    stop: Stop,
    over: bool,
    /// Whether the last look into the ledger found anything to wait for.
    waiting: bool,
    /// Whether the last look is later than the last change: only then is "nothing is due" known.
    fresh: bool,
}

impl<T> Line<T> {
    fn new(drain: bool, now: Boot) -> Line<T> {
        Line {
            buffer: VecDeque::new(),
            weight: 1,
            credit: 0,
            asked: false,
            ask_again: now,
            paused: false,
            drain,
            by_order: false,
            stop: Stop::No,
            over: false,
            waiting: true,
            fresh: false,
        }
    }

    /// Whether there is somebody to call now.
    fn has_candidate(&self) -> bool {
        self.may_dial() && !self.paused && !self.buffer.is_empty()
    }

    /// Whether the ledger is to be asked for more, once it is time.
    fn is_hungry(&self) -> bool {
        self.may_dial() && !self.by_order && !self.asked && self.buffer.len() < BUFFER / 2
    }

    fn may_dial(&self) -> bool {
        self.stop == Stop::No && !self.over
    }

    /// Nothing is due, and nothing will be that is worth waiting for.
    fn is_done(&self) -> bool {
        if self.by_order {
            return false;
        }
        if self.paused {
            return self.drain;
        }
        self.fresh && !self.asked && self.buffer.is_empty() && (self.drain || !self.waiting)
    }
}

/// The desk of one account.
#[derive(Debug)]
pub struct Desk<T> {
    lines: Vec<Line<T>>,
    pacer: Pacer,
    max_live: usize,
    /// Attempts that may be a live call: from intent to end, unknown ones too.
    /// With the campaign that they were opened for; none if they are from before this run.
    live: HashMap<AttemptId, Option<usize>>,
    /// Slots given out whose attempt is not open yet, with their campaign.
    pending: HashMap<Slot, usize>,
    stop: Stop,
    /// The account may not dial, until a person resumes it.
    stopped: bool,
    /// The ledger cannot be written: for good.
    halted: bool,
    held: bool,
    cancelled: bool,
    finished: bool,
}

impl<T: Clone> Desk<T> {
    /// A desk for `campaigns` campaigns that share `rate` calls per second and `max_live` live calls.
    /// With `drain` the run ends when nothing is due now and nothing is live; otherwise it waits for retries.
    pub fn new(campaigns: usize, rate: f64, max_live: usize, drain: bool, now: Boot) -> Desk<T> {
        Desk {
            lines: (0..campaigns).map(|_| Line::new(drain, now)).collect(),
            pacer: Pacer::new(rate),
            max_live,
            live: HashMap::new(),
            pending: HashMap::new(),
            stop: Stop::No,
            stopped: false,
            halted: false,
            held: false,
            cancelled: false,
            finished: false,
        }
    }

    /// Goes on after an earlier process that sent `sent` calls on this account within [`Pacer::looks_back`].
    pub fn goes_on(&mut self, now: Boot, sent: usize) {
        self.pacer.goes_on(now, sent);
    }

    /// Tells the desk what happened.
    pub fn handle(&mut self, now: Boot, event: Event<T>) {
        match event {
            Event::Refilled { campaign, candidates, more, waiting } => {
                let line = &mut self.lines[campaign];
                if !line.may_dial() {
                    line.asked = false;
                    return;
                }
                line.asked = false;
                line.paused = false;
                let changed_meanwhile = line.ask_again != Boot(u64::MAX);
                line.fresh = !more && !changed_meanwhile;
                line.waiting = waiting || more;
                line.ask_again = if more { now } else { now + IDLE };
                let known: HashSet<LeadId> = line.buffer.iter().map(|c| c.lead).collect();
                line.buffer.extend(candidates.into_iter().filter(|c| !known.contains(&c.lead)));
            }
            Event::Opened { slot, attempt } => {
                let campaign = self.pending.remove(&slot);
                self.live.insert(attempt, campaign);
            }
            Event::NotSent { slot } => {
                let campaign = self.pending.remove(&slot);
                self.pacer.unused(slot);
                self.changed(now, campaign);
            }
            Event::Answered { slot } => self.pacer.answered(slot, now),
            Event::Throttled { slot, after } => self.pacer.throttled(slot, now, after),
            Event::Queued(waited) => self.pacer.queued(now, waited),
            Event::Held(held) => self.held = held,
            Event::Weight(campaign, weight) => self.lines[campaign].weight = weight.max(1),
            Event::Inherited(attempt) => {
                self.live.entry(attempt).or_insert(None);
            }
            Event::Closed(attempt) => {
                let campaign = self.live.remove(&attempt).flatten();
                self.changed(now, campaign);
            }
            Event::Paused(campaign, paused) => {
                // Whom the buffer held is still due in the ledger: it is read again on resuming.
                let line = &mut self.lines[campaign];
                line.paused = paused;
                line.buffer.clear();
                line.fresh = false;
                line.asked = false;
                // A paused campaign is looked at again: resuming it is noticed there.
                line.ask_again = if paused { now + IDLE } else { now };
            }
            Event::AccountStopped => self.stopped = true,
            Event::AccountResumed => {
                self.stopped = false;
                // What was read before the stop is old.
                self.changed(now, None);
            }
            Event::LedgerFailed => self.halted = true,
            Event::Stop(stop) => self.stop = self.stop.max(stop),
            Event::StopLine(campaign, stop) => {
                let line = &mut self.lines[campaign];
                line.stop = line.stop.max(stop);
                line.buffer.clear();
            }
            Event::AddedForOrders { campaign } => {
                assert_eq!(campaign, self.lines.len(), "campaigns are added in order");
                self.lines.push(Line { by_order: true, ..Line::new(false, now) });
                self.finished = false;
            }
            Event::Ordered { campaign, candidate } => {
                let line = &mut self.lines[campaign];
                if line.may_dial() {
                    line.buffer.push_back(candidate);
                }
            }
            Event::Added { campaign, drain } => {
                assert_eq!(campaign, self.lines.len(), "campaigns are added in order");
                self.lines.push(Line::new(drain, now));
                self.finished = false;
            }
        }
    }

    fn may_dial(&self) -> bool {
        self.stop == Stop::No && !self.halted && !self.stopped
    }

    /// What to do now; call until it gives `None`.
    pub fn poll(&mut self, now: Boot) -> Option<Command<T>> {
        if self.finished {
            return None;
        }
        if self.stop >= Stop::Cancel && !self.cancelled {
            self.cancelled = true;
            return Some(Command::CancelAll);
        }
        if self.look_for_the_end() {
            self.finished = true;
            return Some(Command::Finish);
        }
        if !self.may_dial() || self.held {
            return None;
        }
        if let Some(command) = self.refill(now) {
            return Some(command);
        }
        self.dial(now)
    }

    /// Marks campaigns that are over; true if all are.
    fn look_for_the_end(&mut self) -> bool {
        if self.stop == Stop::Exit {
            self.lines.iter_mut().for_each(|line| line.over = true);
            return true;
        }
        let may_dial = self.may_dial();
        // Calls from before this run may be anybody's: every campaign waits for them.
        let mut busy: HashSet<usize> = self.pending.values().copied().collect();
        busy.extend(self.live.values().flatten());
        let strays = self.live.values().any(Option::is_none);
        for (at, line) in self.lines.iter_mut().enumerate() {
            let quiet = !strays && !busy.contains(&at);
            let ends = !may_dial || line.stop > Stop::No || (self.held && line.drain) || (!self.held && line.is_done());
            line.over |= (quiet && ends) || line.stop == Stop::Exit;
        }
        let quiet = self.live.is_empty() && self.pending.is_empty();
        let left = self.lines.iter().any(|line| line.stop == Stop::Exit);
        (quiet || left) && self.lines.iter().all(|line| line.over)
    }

    /// Campaigns that were ever added.
    pub fn campaigns(&self) -> usize {
        self.lines.len()
    }

    /// Whether a campaign's work is done: nothing of it is due, nothing of it is live.
    pub fn is_over(&self, campaign: usize) -> bool {
        self.lines[campaign].over
    }

    /// Whether the work of all campaigns is done.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// A lead may be due again, or another may have become callable: what was last read is old.
    fn changed(&mut self, now: Boot, campaign: Option<usize>) {
        for (at, line) in self.lines.iter_mut().enumerate() {
            if campaign.is_some_and(|campaign| campaign != at) {
                continue;
            }
            line.fresh = false;
            line.ask_again = line.ask_again.min(now + IDLE);
        }
    }

    fn refill(&mut self, now: Boot) -> Option<Command<T>> {
        let campaign = self.lines.iter().position(|line| line.is_hungry() && line.ask_again <= now)?;
        self.lines[campaign].asked = true;
        // A change from here on makes what is being read old again.
        self.lines[campaign].ask_again = Boot(u64::MAX);
        Some(Command::Refill { campaign })
    }

    fn dial(&mut self, now: Boot) -> Option<Command<T>> {
        if self.live.len() + self.pending.len() >= self.max_live {
            return None;
        }
        if !self.lines.iter().any(Line::has_candidate) {
            return None;
        }
        let slot = self.pacer.take(now)?;
        let campaign = self.turn();
        let candidate = self.lines[campaign].buffer.pop_front().expect("the line was chosen for having one");
        self.pending.insert(slot, campaign);
        Some(Command::Dial { campaign, slot, candidate })
    }

    /// Whose turn it is: smooth weighted round-robin over the campaigns that have somebody to call now. One that has
    /// nobody is owed nothing, and so never holds up the others nor saves up a burst.
    fn turn(&mut self) -> usize {
        let mut total = 0;
        let mut first: Option<usize> = None;
        for at in 0..self.lines.len() {
            if !self.lines[at].has_candidate() {
                self.lines[at].credit = 0;
                continue;
            }
            total += i64::from(self.lines[at].weight);
            self.lines[at].credit += i64::from(self.lines[at].weight);
            if first.is_none_or(|first| self.lines[at].credit > self.lines[first].credit) {
                first = Some(at);
            }
        }
        let chosen = first.expect("asked only if a campaign has somebody to call");
        self.lines[chosen].credit -= total;
        chosen
    }

    /// When to poll again if no event comes first.
    pub fn next_timeout(&self) -> Option<Boot> {
        if self.finished || !self.may_dial() || self.held {
            return None;
        }
        let asks = self.lines.iter().filter(|line| line.is_hungry()).map(|line| line.ask_again).min();
        let has_candidates = self.lines.iter().any(Line::has_candidate);
        let free = self.live.len() + self.pending.len() < self.max_live;
        let pace = if has_candidates && free { self.pacer.ready_at() } else { None };
        asks.into_iter().chain(pace).min()
    }

    /// Live calls, unknown ones included.
    pub fn live(&self) -> usize {
        self.live.len()
    }

    /// How far the operator has asked us to stop.
    pub fn stop(&self) -> Stop {
        self.stop
    }
}

#[cfg(test)]
mod tests;
