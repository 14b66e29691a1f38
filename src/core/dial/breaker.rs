//! When an account must rest: what the carrier's answers and the ends of calls say about it.
//!
//! Pure: it is told of every answer and every end, and says when nobody new may be called. What stops an account for
//! good is written to the ledger by the runner (docs/LEDGER.md), and lifted by a person only.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Outcome;
use crate::base::AttemptId;
use crate::base::limits::{ODD_REQUESTS, SILENT_ORDERS};

/// Why an account is stopped. The names only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopKind {
    /// The carrier does not take the credentials.
    Credentials,
    /// The carrier has suspended the account, or does not permit it to call.
    Suspended,
    /// The account has no money left.
    Funds,
    /// Too many calls ended by our or the carrier's fault.
    FailureRate,
    /// Two calls exist for one attempt.
    DoubleDial,
    /// A call exists that had been given up.
    Surfaced,
    /// The carrier calls our requests wrong, several in a row.
    Request,
}

/// Every kind.
pub const STOP_KINDS: [StopKind; 7] = [
    StopKind::Credentials,
    StopKind::Suspended,
    StopKind::Funds,
    StopKind::FailureRate,
    StopKind::DoubleDial,
    StopKind::Surfaced,
    StopKind::Request,
];

impl StopKind {
    /// The name in the ledger and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            StopKind::Credentials => "credentials",
            StopKind::Suspended => "suspended",
            StopKind::Funds => "funds",
            StopKind::FailureRate => "failure_rate",
            StopKind::DoubleDial => "double_dial",
            StopKind::Surfaced => "surfaced",
            StopKind::Request => "request",
        }
    }

    /// What an HTTP status says that refuses the account, where no code says more.
    pub fn of_http(http: u16) -> StopKind {
        match http {
            401 => StopKind::Credentials,
            402 => StopKind::Funds,
            _ => StopKind::Suspended,
        }
    }

    /// What a person should do before `ahoy campaign resume`.
    pub fn next(self) -> &'static str {
        match self {
            StopKind::Credentials => "check account_sid and the token in ahoy.toml",
            StopKind::Suspended => "ask the carrier why the account may not call",
            StopKind::Funds => "top up the account at the carrier",
            StopKind::FailureRate => {
                "look at the failing calls at the carrier (`ahoy campaign status --json` names them)"
            }
            StopKind::DoubleDial | StopKind::Surfaced => "look at its calls at the carrier: somebody may be rung twice",
            StopKind::Request => "look at the refusals at the carrier: a setting may be wrong",
        }
    }
}

/// A name that no kind has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no account stop has this name")]
pub struct BadStop;

impl FromStr for StopKind {
    type Err = BadStop;
    fn from_str(text: &str) -> Result<StopKind, BadStop> {
        STOP_KINDS.into_iter().find(|kind| kind.as_str() == text).ok_or(BadStop)
    }
}

impl fmt::Display for StopKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// When too many failures stop an account (`[carriers.NAME]`, docs/CONFIG.md).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FailurePolicy {
    /// Ended attempts looked back on, 5 to 1 000.
    pub window: usize,
    /// With fewer than this nothing is decided, 1 to `window`.
    pub minimum: usize,
    /// The account stops above this share of faults, 0 to 1; 1 = never.
    pub share: f64,
}

impl Default for FailurePolicy {
    fn default() -> FailurePolicy {
        FailurePolicy { window: 50, minimum: 20, share: 0.7 }
    }
}

/// What an order's answer says about the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Taken, or refused for reasons of its own (a number, a caller, the rate): the carrier works for us.
    Heard,
    /// No answer, or none that can be read, or no connection.
    Silent,
    /// The carrier calls the request wrong, for no reason that we know.
    Odd,
}

/// What must be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trip {
    /// Nobody new is called in this run: the carrier does not answer, and each order would be an unknown outcome.
    Unreachable {
        /// Orders in a row without an answer.
        orders: u32,
    },
    /// The account stops until a person has looked.
    Stop {
        /// Why.
        kind: StopKind,
        /// Why, in words.
        reason: String,
        /// The attempts that show it, oldest first.
        attempts: Vec<AttemptId>,
    },
}

/// The breaker of one account.
#[derive(Debug, Default)]
pub struct Breaker {
    policy: FailurePolicy,
    ends: VecDeque<(AttemptId, bool)>,
    silent: u32,
    odd: Vec<AttemptId>,
}

impl Breaker {
    /// A closed breaker.
    pub fn new(policy: FailurePolicy) -> Breaker {
        Breaker { policy, ..Breaker::default() }
    }

    /// A person has looked: what went before says nothing any more.
    pub fn forget(&mut self) {
        *self = Breaker::new(self.policy);
    }

    /// An order was answered, or its answer was lost.
    pub fn answered(&mut self, attempt: AttemptId, answer: Answer) -> Option<Trip> {
        match answer {
            Answer::Heard => {
                self.silent = 0;
                self.odd.clear();
                None
            }
            Answer::Silent => {
                self.silent += 1;
                (self.silent == SILENT_ORDERS).then_some(Trip::Unreachable { orders: self.silent })
            }
            Answer::Odd => {
                self.silent = 0;
                self.odd.push(attempt);
                let attempts =
                    if self.odd.len() >= ODD_REQUESTS { std::mem::take(&mut self.odd) } else { return None };
                let reason = format!("the carrier called {} requests in a row wrong", attempts.len());
                Some(Trip::Stop { kind: StopKind::Request, reason, attempts })
            }
        }
    }

    /// An attempt is over.
    pub fn ended(&mut self, attempt: AttemptId, outcome: Outcome) -> Option<Trip> {
        self.ends.push_back((attempt, weighs(outcome)?));
        if self.ends.len() > self.policy.window {
            self.ends.pop_front();
        }
        let failing: Vec<AttemptId> = self.ends.iter().filter(|(_, fault)| *fault).map(|(id, _)| *id).collect();
        let all = self.ends.len();
        if all < self.policy.minimum || failing.len() as f64 <= self.policy.share * all as f64 {
            return None;
        }
        self.ends.clear();
        let reason = format!("{} of the last {all} calls ended by our or the carrier's fault", failing.len());
        Some(Trip::Stop { kind: StopKind::FailureRate, reason, attempts: failing })
    }
}

/// Whether an outcome is a fault of ours or the carrier's; `None` if it says nothing about either (what never became a
/// call has breakers of its own).
fn weighs(outcome: Outcome) -> Option<bool> {
    match outcome {
        Outcome::Unheard | Outcome::Failed | Outcome::NotPlaced | Outcome::Unresolved => Some(true),
        Outcome::Answered
        | Outcome::Voicemail
        | Outcome::MessageLeft
        | Outcome::OptedOut
        | Outcome::CallBack
        | Outcome::Busy
        | Outcome::NoAnswer
        | Outcome::Invalid
        | Outcome::Forbidden => Some(false),
        Outcome::Canceled
        | Outcome::CallerRefused
        | Outcome::AccountRefused
        | Outcome::RequestRefused
        | Outcome::NotSent
        | Outcome::NoConnection
        | Outcome::Throttled => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(number: u64) -> AttemptId {
        AttemptId::mint(number, [0; 10])
    }

    fn policy(window: usize, minimum: usize, share: f64) -> Breaker {
        Breaker::new(FailurePolicy { window, minimum, share })
    }

    #[test]
    fn a_failing_carrier_stops_the_account_and_the_failing_calls_are_named() {
        let mut breaker = policy(10, 4, 0.5);
        let outcomes = [Outcome::Failed, Outcome::Answered, Outcome::Unheard];
        for (at, outcome) in outcomes.into_iter().enumerate() {
            assert_eq!(breaker.ended(attempt(at as u64), outcome), None, "two of three, but three are too few");
        }
        let Some(Trip::Stop { kind, attempts, reason }) = breaker.ended(attempt(3), Outcome::NotPlaced) else {
            panic!("three of four are over the half");
        };
        assert_eq!((kind, attempts), (StopKind::FailureRate, vec![attempt(0), attempt(2), attempt(3)]));
        assert!(reason.contains("3 of the last 4"), "{reason}");
    }

    #[test]
    fn exactly_the_share_is_not_over_it_and_a_share_of_one_never_stops() {
        let mut half = policy(10, 4, 0.5);
        let mut never = policy(10, 1, 1.0);
        for number in 0..100 {
            let outcome = if number % 2 == 0 { Outcome::Answered } else { Outcome::Failed };
            assert_eq!(half.ended(attempt(number), outcome), None);
            assert_eq!(never.ended(attempt(number), Outcome::Failed), None);
        }
    }

    #[test]
    fn old_failures_leave_the_window_and_busy_people_are_nobodys_fault() {
        let mut breaker = policy(10, 5, 0.5);
        for number in 0..4 {
            assert_eq!(breaker.ended(attempt(number), Outcome::Failed), None);
        }
        for number in 4..40 {
            // The fifth brings four of five: over the half, unless what ended well is counted first.
            let outcome = if number % 2 == 0 { Outcome::Busy } else { Outcome::Invalid };
            let tripped = breaker.ended(attempt(number), outcome);
            assert_eq!(tripped.is_some(), number == 4, "{number}");
        }
        for number in 40..45 {
            assert_eq!(breaker.ended(attempt(number), Outcome::Failed), None, "five of ten");
        }
        assert!(breaker.ended(attempt(45), Outcome::Failed).is_some(), "six of ten");
    }

    #[test]
    fn what_says_nothing_about_the_carrier_is_not_counted() {
        let mut breaker = policy(10, 1, 0.0);
        for outcome in [Outcome::Canceled, Outcome::NotSent, Outcome::Throttled, Outcome::AccountRefused] {
            assert_eq!(breaker.ended(attempt(1), outcome), None, "{outcome}");
        }
        assert!(breaker.ended(attempt(1), Outcome::Failed).is_some());
    }

    #[test]
    fn silence_counts_in_a_row_only_and_is_told_once() {
        let mut breaker = Breaker::default();
        for number in 0..u64::from(SILENT_ORDERS) - 1 {
            assert_eq!(breaker.answered(attempt(number), Answer::Silent), None);
        }
        assert_eq!(breaker.answered(attempt(50), Answer::Heard), None);
        for number in 0..u64::from(SILENT_ORDERS) - 1 {
            assert_eq!(breaker.answered(attempt(number), Answer::Silent), None);
        }
        assert_eq!(breaker.answered(attempt(60), Answer::Silent), Some(Trip::Unreachable { orders: SILENT_ORDERS }));
        assert_eq!(breaker.answered(attempt(61), Answer::Silent), None, "said already");
    }

    #[test]
    fn one_odd_refusal_is_its_leads_matter_and_several_in_a_row_are_the_accounts() {
        let mut breaker = Breaker::default();
        for round in 0..10 {
            for number in 0..ODD_REQUESTS - 1 {
                assert_eq!(breaker.answered(attempt(number as u64), Answer::Odd), None, "round {round}");
            }
            assert_eq!(breaker.answered(attempt(99), Answer::Heard), None);
        }
        let mut last = None;
        for number in 0..ODD_REQUESTS {
            last = breaker.answered(attempt(number as u64), Answer::Odd);
        }
        let Some(Trip::Stop { kind: StopKind::Request, attempts, .. }) = last else { panic!("{last:?}") };
        assert_eq!(attempts.len(), ODD_REQUESTS);
    }

    #[test]
    fn names_of_stops_read_back() {
        for kind in STOP_KINDS {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
    }
}
