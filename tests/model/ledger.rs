//! A ledger small enough to be explored: the same verbs as `store::ledger`, around the same pure machine and verdict.

use std::collections::BTreeSet;
use std::time::Duration;

use ahoy::base::{Sid, Wall};
use ahoy::core::dial::attempt::{self, Alarm, Fact, Input, LeadMove, Source, Standing, State};
use ahoy::core::dial::verdict::{Ended, verdict};
use ahoy::core::dial::{CallStatus, Outcome, Verdict, VerdictPolicy};

/// One step of time. The send window (3 s) and a request's life (10 s) are inside one; the horizon (300 s) is five.
pub const TICK: Duration = Duration::from_secs(60);
/// Ages beyond this make no difference any more, so that the states are finitely many.
pub const OLD: u8 = 8;

/// The name of the carrier's n-th call.
pub fn sid(call: u8) -> Sid {
    format!("CA{call}").parse().expect("a sid")
}

/// What the ledger knows about an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Attempt {
    pub lead: u8,
    /// The process that claimed it.
    pub owner: u8,
    /// Ticks since the claim, by true time.
    pub age: u8,
    /// The wall clock was a day ahead when it was claimed.
    pub ahead: bool,
    pub state: State,
    pub sid: Option<u8>,
    pub end: Option<(Source, CallStatus)>,
    pub outcome: Option<Outcome>,
    pub uses: bool,
    /// Only where the intent is not durable: a crash wiped it.
    pub forgotten: bool,
}

impl Attempt {
    pub fn is_open(&self) -> bool {
        self.state.is_open() && !self.forgotten
    }
}

/// Where a lead stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LeadAt {
    /// Callable after so many ticks.
    Ready(u8),
    /// By this attempt.
    Held(u8),
    Done(Outcome),
    Review,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lead {
    pub phone: u8,
    pub at: LeadAt,
    pub tries: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ledger {
    pub attempts: Vec<Attempt>,
    pub leads: Vec<Lead>,
    pub alarms: BTreeSet<(u8, Alarm)>,
    pub account_stopped: bool,
}

/// Every wait is one tick: the harshest campaign that configuration could give.
pub fn policy(tries: u8) -> VerdictPolicy {
    let tick = u64::try_from(TICK.as_millis()).expect("small");
    VerdictPolicy {
        attempts: u32::from(tries),
        busy_ms: tick,
        no_answer_ms: tick,
        failed_ms: tick,
        voicemail_ms: tick,
        callback_ms: tick,
        gap_ms: tick,
        after: Default::default(),
    }
}

impl Ledger {
    pub fn new(phones: &[u8]) -> Ledger {
        Ledger {
            attempts: Vec::new(),
            leads: phones.iter().map(|phone| Lead { phone: *phone, at: LeadAt::Ready(0), tries: 0 }).collect(),
            alarms: BTreeSet::new(),
            account_stopped: false,
        }
    }

    pub fn phone(&self, attempt: u8) -> u8 {
        self.leads[usize::from(self.attempts[usize::from(attempt)].lead)].phone
    }

    /// Whether the claim would be taken: what the real claim checks inside its transaction.
    pub fn may_claim(&self, lead: u8, tries: u8) -> bool {
        let phone = self.leads[usize::from(lead)].phone;
        let line_is_busy = (0..).zip(&self.attempts).any(|(n, other)| other.is_open() && self.phone(n) == phone);
        let row = &self.leads[usize::from(lead)];
        row.at == LeadAt::Ready(0) && row.tries < tries && !self.account_stopped && !line_is_busy
    }

    pub fn claim(&mut self, lead: u8, owner: u8, ahead: bool) -> u8 {
        let number = u8::try_from(self.attempts.len()).expect("few");
        self.attempts.push(Attempt {
            lead,
            owner,
            age: 0,
            ahead,
            state: State::Intent,
            sid: None,
            end: None,
            outcome: None,
            uses: true,
            forgotten: false,
        });
        self.leads[usize::from(lead)].at = LeadAt::Held(number);
        number
    }

    pub fn fact(&mut self, attempt: u8, call: u8, status: CallStatus, source: Source, tries: u8) -> Option<u8> {
        // A call has one attempt (unique index), and an attempt that a crash wiped has no row: the fact is an orphan.
        if self.attempts[usize::from(attempt)].forgotten {
            return None;
        }
        self.settle(attempt, Input::Fact(Fact { sid: sid(call), status, source }), tries)
    }

    /// One move of the real machine, written down as `store::ledger` does. Answers the call that must be ended.
    pub fn settle(&mut self, attempt: u8, input: Input, tries: u8) -> Option<u8> {
        let at = usize::from(attempt);
        let row = &self.attempts[at];
        let (lead, phone) = (usize::from(row.lead), self.phone(attempt));
        let newer_open = (0..)
            .zip(&self.attempts)
            .any(|(n, other)| n != attempt && other.is_open() && (other.lead == row.lead || self.phone(n) == phone));
        let standing = Standing {
            state: row.state,
            sid: row.sid.map(sid),
            end: row.end,
            newer_open,
            unresolved: row.outcome == Some(Outcome::Unresolved),
        };
        let after = match &input {
            Input::Throttled { after } => *after,
            Input::FenceFailed
            | Input::NotSent
            | Input::Refused(_)
            | Input::AnswerLost
            | Input::OwnerGone
            | Input::ListedNone
            | Input::NoList
            | Input::Fact(_)
            | Input::Bridged => None,
        };
        let Ok(step) = attempt::step(&standing, input) else { return None };
        let number = |sid: &Sid| sid.as_str()[2..].parse::<u8>().expect("one of ours");
        let row = &mut self.attempts[at];
        row.state = step.state;
        row.sid = step.sid.as_ref().map(number);
        row.end = step.end;
        if step.state == State::Zombie {
            row.uses = true;
        }
        match step.lead {
            LeadMove::Stay => {}
            LeadMove::Hold => {
                row.outcome = None;
                row.uses = true;
                self.leads[lead].at = LeadAt::Held(attempt);
            }
            LeadMove::Release(outcome) => {
                row.outcome = Some(outcome);
                row.uses = row.sid.is_some() || outcome.uses_attempt();
                self.close(attempt, lead, outcome, after, tries);
            }
            LeadMove::Correct(_) => unreachable!("this carrier has one final word about a call"),
        }
        for alarm in step.alarms {
            self.account_stopped |= alarm.stops_account();
            self.alarms.insert((attempt, alarm));
        }
        step.end_call.as_ref().map(number)
    }

    fn close(&mut self, attempt: u8, lead: usize, outcome: Outcome, after: Option<Duration>, tries: u8) {
        let of_lead = |other: &Attempt| usize::from(other.lead) == lead && !other.forgotten;
        let newest = !self.attempts.iter().skip(usize::from(attempt) + 1).any(of_lead);
        let used = self.attempts.iter().filter(|row| of_lead(row) && row.uses && row.outcome.is_some()).count();
        let moves = match self.leads[lead].at {
            LeadAt::Held(by) => by == attempt,
            LeadAt::Ready(_) | LeadAt::Review => newest,
            LeadAt::Done(_) => newest,
        };
        if !moves {
            return;
        }
        let mut others = (0..).zip(&self.attempts).filter(|(n, row)| *n != attempt && of_lead(row));
        let reached = others.any(|(_, row)| row.outcome == Some(Outcome::Answered));
        let used = u32::try_from(used).expect("few");
        let end = Ended { outcome, used, at: Wall(0), after, suppressed: false };
        let word = if reached { Verdict::Done(Outcome::Answered) } else { verdict(end, &policy(tries)) };
        let row = &mut self.leads[lead];
        row.tries = u8::try_from(used).expect("few");
        row.at = match word {
            Verdict::Done(outcome) => LeadAt::Done(outcome),
            Verdict::ReadyAt(due) => LeadAt::Ready(ticks_until(due)),
            Verdict::Review(_) => LeadAt::Review,
            Verdict::Blocked(_) => unreachable!("nobody is suppressed here"),
        };
    }
}

fn ticks_until(due: Wall) -> u8 {
    let tick = i64::try_from(TICK.as_millis()).expect("small");
    u8::try_from((due.0 + tick - 1).div_euclid(tick)).expect("a small wait")
}
