//! Outcome of an attempt → what becomes of its lead.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::CallStatus;
use crate::base::Wall;
use crate::core::call::after::AfterCall;
use crate::core::config::Retries;

/// How an attempt ended. The names only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Somebody answered.
    Answered,
    /// A machine answered.
    Voicemail,
    /// A machine answered, and our message stands on it.
    MessageLeft,
    /// Somebody answered and asked never to be called again.
    OptedOut,
    /// Somebody answered and asked to be called another time.
    CallBack,
    /// Somebody answered, but our sound never reached them: our fault.
    Unheard,
    /// The line was busy.
    Busy,
    /// Nobody answered.
    NoAnswer,
    /// The call could not be put through.
    Failed,
    /// We cancelled it before an answer.
    Canceled,
    /// The carrier says that the number cannot be called.
    Invalid,
    /// The carrier may not call this destination for us.
    Forbidden,
    /// The carrier refused the number we call from.
    CallerRefused,
    /// The carrier refused the account.
    AccountRefused,
    /// The carrier says that our request is wrong.
    RequestRefused,
    /// The answer to our request was lost, and the carrier's list shows no call.
    NotPlaced,
    /// The answer to our request was lost, and the carrier has no list that could tell: the call may have been made.
    Unresolved,
    /// The send fence closed before anything was written.
    NotSent,
    /// No connection to the carrier: nothing was sent.
    NoConnection,
    /// The carrier did not process the request (HTTP 429).
    Throttled,
}

/// Every outcome.
pub const OUTCOMES: [Outcome; 20] = [
    Outcome::Answered,
    Outcome::Voicemail,
    Outcome::MessageLeft,
    Outcome::OptedOut,
    Outcome::CallBack,
    Outcome::Unheard,
    Outcome::Busy,
    Outcome::NoAnswer,
    Outcome::Failed,
    Outcome::Canceled,
    Outcome::Invalid,
    Outcome::Forbidden,
    Outcome::CallerRefused,
    Outcome::AccountRefused,
    Outcome::RequestRefused,
    Outcome::NotPlaced,
    Outcome::Unresolved,
    Outcome::NotSent,
    Outcome::NoConnection,
    Outcome::Throttled,
];

impl Outcome {
    /// The outcome that a final status stands for, before the media's notes refine it.
    ///
    /// Statuses that are not final count as [`Outcome::Failed`]; the attempt machine never asks for them.
    pub fn of(status: CallStatus) -> Outcome {
        match status {
            CallStatus::Completed => Outcome::Answered,
            CallStatus::Busy => Outcome::Busy,
            CallStatus::NoAnswer => Outcome::NoAnswer,
            CallStatus::Canceled => Outcome::Canceled,
            CallStatus::Failed
            | CallStatus::Queued
            | CallStatus::Initiated
            | CallStatus::Ringing
            | CallStatus::InProgress => Outcome::Failed,
        }
    }

    /// The name in the ledger, in reports and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Answered => "answered",
            Outcome::Voicemail => "voicemail",
            Outcome::MessageLeft => "message_left",
            Outcome::OptedOut => "opted_out",
            Outcome::CallBack => "call_back",
            Outcome::Unheard => "unheard",
            Outcome::Busy => "busy",
            Outcome::NoAnswer => "no_answer",
            Outcome::Failed => "failed",
            Outcome::Canceled => "canceled",
            Outcome::Invalid => "invalid",
            Outcome::Forbidden => "forbidden",
            Outcome::CallerRefused => "caller_refused",
            Outcome::AccountRefused => "account_refused",
            Outcome::RequestRefused => "request_refused",
            Outcome::NotPlaced => "not_placed",
            Outcome::Unresolved => "unresolved",
            Outcome::NotSent => "not_sent",
            Outcome::NoConnection => "no_connection",
            Outcome::Throttled => "throttled",
        }
    }

    /// The outcome as it was for the callee: somebody answered, and our sound never reached them.
    ///
    /// `streamed`: whether the call's media stream opened; `None` if this process does not know.
    pub fn heard(self, streamed: Option<bool>) -> Outcome {
        if self == Outcome::Answered && streamed == Some(false) { Outcome::Unheard } else { self }
    }

    /// Whether the attempt counts against the lead's tries and the number's caps: false only where it is certain
    /// that no call was made.
    pub fn uses_attempt(self) -> bool {
        match self {
            Outcome::CallerRefused
            | Outcome::AccountRefused
            | Outcome::RequestRefused
            | Outcome::NotSent
            | Outcome::NoConnection
            | Outcome::Throttled => false,
            Outcome::Answered
            | Outcome::Voicemail
            | Outcome::MessageLeft
            | Outcome::OptedOut
            | Outcome::CallBack
            | Outcome::Unheard
            | Outcome::Busy
            | Outcome::NoAnswer
            | Outcome::Failed
            | Outcome::Canceled
            | Outcome::Invalid
            | Outcome::Forbidden
            | Outcome::NotPlaced
            | Outcome::Unresolved => true,
        }
    }

    /// Whether it ended by our or the carrier's fault (exit code 3); busy, no answer and invalid are normal.
    pub fn is_fault(self) -> bool {
        match self {
            Outcome::Unheard
            | Outcome::Failed
            | Outcome::CallerRefused
            | Outcome::AccountRefused
            | Outcome::RequestRefused
            | Outcome::NotPlaced
            | Outcome::Unresolved
            | Outcome::NoConnection => true,
            Outcome::Answered
            | Outcome::Voicemail
            | Outcome::MessageLeft
            | Outcome::OptedOut
            | Outcome::CallBack
            | Outcome::Busy
            | Outcome::NoAnswer
            | Outcome::Canceled
            | Outcome::Invalid
            | Outcome::Forbidden
            | Outcome::NotSent
            | Outcome::Throttled => false,
        }
    }
}

/// A name that no outcome has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no outcome has this name")]
pub struct BadOutcome;

impl FromStr for Outcome {
    type Err = BadOutcome;
    fn from_str(text: &str) -> Result<Outcome, BadOutcome> {
        OUTCOMES.into_iter().find(|outcome| outcome.as_str() == text).ok_or(BadOutcome)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What decides about the next try. Stored with each attempt, so that any later process gives the same verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictPolicy {
    /// Tries per lead.
    pub attempts: u32,
    /// Wait after busy, ms.
    pub busy_ms: u64,
    /// Wait after no answer, ms.
    pub no_answer_ms: u64,
    /// Wait after a failure, ms.
    pub failed_ms: u64,
    /// Wait after a voicemail, ms.
    pub voicemail_ms: u64,
    /// Wait after somebody asked for a call another time, ms.
    #[serde(default = "callback_ms")]
    pub callback_ms: u64,
    /// Least time between two tries, ms.
    pub gap_ms: u64,
    /// What is written down after an answered call: no verdict on the lead, but decided by the same moment.
    #[serde(default, skip_serializing_if = "AfterCall::is_nothing")]
    pub after: AfterCall,
}

/// Of attempts from before there was a key for it: nobody could ask.
fn callback_ms() -> u64 {
    2 * 3_600_000
}

impl VerdictPolicy {
    /// From a campaign's `[retries]` and the gap of its `[caps]`.
    pub fn new(retries: &Retries, gap: Duration) -> VerdictPolicy {
        let ms = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        VerdictPolicy {
            attempts: retries.attempts,
            busy_ms: ms(retries.busy),
            no_answer_ms: ms(retries.no_answer),
            failed_ms: ms(retries.failed),
            voicemail_ms: ms(retries.voicemail),
            callback_ms: ms(retries.callback),
            gap_ms: ms(gap),
            after: AfterCall::default(),
        }
    }
}

/// Why a lead is never called. The names only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockReason {
    /// The number is on the suppression list.
    Suppressed,
    /// Marketing without consent.
    NoConsent,
    /// No time zone is known for the number, or no moment suits all it may be in.
    NoZone,
    /// No greeting in its language, and no fall-back.
    NoGreeting,
    /// The caps for this number are used up for good.
    Capped,
    /// Its country is not on the campaign's list.
    Country,
    /// The do-not-call file of its country is missing or old, and no consent replaces it.
    DoNotCallFile,
    /// A premium or satellite number, or one of our own.
    NeverCalled,
    /// They called us: no list asked for them.
    CalledUs,
}

/// Every reason.
pub const BLOCK_REASONS: [BlockReason; 9] = [
    BlockReason::Suppressed,
    BlockReason::NoConsent,
    BlockReason::NoZone,
    BlockReason::NoGreeting,
    BlockReason::Capped,
    BlockReason::Country,
    BlockReason::DoNotCallFile,
    BlockReason::NeverCalled,
    BlockReason::CalledUs,
];

impl BlockReason {
    /// The name in the ledger, in reports and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            BlockReason::Suppressed => "suppressed",
            BlockReason::NoConsent => "no_consent",
            BlockReason::NoZone => "no_zone",
            BlockReason::NoGreeting => "no_greeting",
            BlockReason::Capped => "capped",
            BlockReason::Country => "country",
            BlockReason::DoNotCallFile => "do_not_call_file",
            BlockReason::NeverCalled => "never_called",
            BlockReason::CalledUs => "called_us",
        }
    }
}

impl FromStr for BlockReason {
    type Err = BadOutcome;
    fn from_str(text: &str) -> Result<BlockReason, BadOutcome> {
        BLOCK_REASONS.into_iter().find(|reason| reason.as_str() == text).ok_or(BadOutcome)
    }
}

impl fmt::Display for BlockReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a lead waits for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewReason {
    /// Its last try was lost on the way, and the carrier's list shows no call.
    LastTryLost,
    /// The carrier calls the request wrong, for no reason that we know.
    RequestRefused,
    /// Its last call may have been made: the answer was lost, and the carrier cannot be asked.
    Unresolved,
}

impl ReviewReason {
    /// The name in the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            ReviewReason::LastTryLost => "last_try_lost",
            ReviewReason::RequestRefused => "request_refused",
            ReviewReason::Unresolved => "unresolved",
        }
    }
}

/// What becomes of the lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is done.
    Done(Outcome),
    /// It is tried again, not before this time.
    ReadyAt(Wall),
    /// A person must look.
    Review(ReviewReason),
    /// It is never called.
    Blocked(BlockReason),
}

/// How an attempt ended, with what else counts for the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Its outcome, media notes included.
    pub outcome: Outcome,
    /// Tries of this lead that count, this one included.
    pub used: u32,
    /// When it ended.
    pub at: Wall,
    /// The carrier's own wish for a wait (429); clamped to 1 s to 15 min.
    pub after: Option<Duration>,
    /// Whether the number is on the suppression list by now.
    pub suppressed: bool,
}

/// Wait after a failed connection, before the same lead is tried again.
pub const NO_CONNECTION_WAIT: Duration = Duration::from_secs(30);
/// Wait after HTTP 429 without `Retry-After`.
pub const THROTTLED_WAIT: Duration = Duration::from_secs(5);

/// Decides about a lead after an attempt. A suppressed number is never ready again.
pub fn verdict(ended: Ended, policy: &VerdictPolicy) -> Verdict {
    let Ended { outcome, used, at, after, suppressed } = ended;
    let again = |wait_ms: u64| {
        if used < policy.attempts {
            Verdict::ReadyAt(at + Duration::from_millis(wait_ms.max(policy.gap_ms)))
        } else {
            Verdict::Done(outcome)
        }
    };
    let verdict = match outcome {
        Outcome::Answered | Outcome::MessageLeft | Outcome::OptedOut | Outcome::Invalid | Outcome::Forbidden => {
            Verdict::Done(outcome)
        }
        Outcome::Voicemail => again(policy.voicemail_ms),
        // A wish is no try of ours: only the caps of the number bound it.
        Outcome::CallBack => Verdict::ReadyAt(at + Duration::from_millis(policy.callback_ms.max(policy.gap_ms))),
        Outcome::Busy => again(policy.busy_ms),
        Outcome::NoAnswer => again(policy.no_answer_ms),
        Outcome::Failed | Outcome::Unheard => again(policy.failed_ms),
        Outcome::Canceled => again(0),
        Outcome::NotPlaced if used < policy.attempts => again(policy.failed_ms),
        Outcome::NotPlaced => Verdict::Review(ReviewReason::LastTryLost),
        // Nobody is rung again while a call may exist that nobody can ask about, however many tries are left.
        Outcome::Unresolved => Verdict::Review(ReviewReason::Unresolved),
        // An odd refusal is this lead's matter: dialing it again gives the same one. Several in a row stop the account.
        Outcome::RequestRefused => Verdict::Review(ReviewReason::RequestRefused),
        Outcome::NotSent | Outcome::CallerRefused | Outcome::AccountRefused => Verdict::ReadyAt(at),
        Outcome::NoConnection => Verdict::ReadyAt(at + NO_CONNECTION_WAIT),
        Outcome::Throttled => {
            let wait = after.unwrap_or(THROTTLED_WAIT).clamp(Duration::from_secs(1), Duration::from_secs(15 * 60));
            Verdict::ReadyAt(at + wait)
        }
    };
    match verdict {
        Verdict::ReadyAt(_) | Verdict::Review(_) if suppressed => Verdict::Blocked(BlockReason::Suppressed),
        Verdict::Done(_) | Verdict::ReadyAt(_) | Verdict::Review(_) | Verdict::Blocked(_) => verdict,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(attempts: u32) -> VerdictPolicy {
        let minutes = |n: u64| n * 60_000;
        VerdictPolicy {
            attempts,
            busy_ms: minutes(20),
            no_answer_ms: minutes(120),
            failed_ms: minutes(30),
            voicemail_ms: minutes(240),
            callback_ms: minutes(120),
            gap_ms: minutes(60),
            after: AfterCall::default(),
        }
    }

    fn ended(outcome: Outcome, used: u32) -> Ended {
        Ended { outcome, used, at: Wall(0), after: None, suppressed: false }
    }

    fn after(outcome: Outcome, used: u32) -> Verdict {
        verdict(ended(outcome, used), &policy(3))
    }

    fn minutes(n: i64) -> Verdict {
        Verdict::ReadyAt(Wall(n * 60_000))
    }

    #[test]
    fn retries_wait_by_outcome_but_never_less_than_the_gap() {
        assert_eq!(after(Outcome::Busy, 1), minutes(60), "20 min is less than the gap");
        assert_eq!(after(Outcome::NoAnswer, 2), minutes(120));
        assert_eq!(after(Outcome::Voicemail, 1), minutes(240));
        assert_eq!(after(Outcome::Failed, 1), minutes(60));
        assert_eq!(after(Outcome::NotPlaced, 1), minutes(60));
    }

    #[test]
    fn the_last_try_ends_the_lead_and_a_lost_one_goes_to_a_person() {
        assert_eq!(after(Outcome::Busy, 3), Verdict::Done(Outcome::Busy));
        assert_eq!(after(Outcome::NotPlaced, 3), Verdict::Review(ReviewReason::LastTryLost));
        assert_eq!(after(Outcome::Unresolved, 1), Verdict::Review(ReviewReason::Unresolved), "with tries left");
    }

    #[test]
    fn a_try_that_was_certainly_not_made_comes_back_unused() {
        let unused = |outcome: &Outcome| !outcome.uses_attempt() && *outcome != Outcome::RequestRefused;
        for outcome in OUTCOMES.into_iter().filter(unused) {
            assert!(matches!(after(outcome, 3), Verdict::ReadyAt(_)), "{outcome}");
        }
        assert_eq!(after(Outcome::RequestRefused, 0), Verdict::Review(ReviewReason::RequestRefused));
        let wish = |secs| {
            verdict(Ended { after: Some(Duration::from_secs(secs)), ..ended(Outcome::Throttled, 0) }, &policy(3))
        };
        assert_eq!(wish(7), Verdict::ReadyAt(Wall(7_000)));
        assert_eq!(wish(0), Verdict::ReadyAt(Wall(1_000)));
        assert_eq!(wish(86_400), Verdict::ReadyAt(Wall(900_000)));
    }

    #[test]
    fn nobody_who_answered_or_opted_out_is_called_again() {
        for outcome in [Outcome::Answered, Outcome::OptedOut, Outcome::Invalid, Outcome::Forbidden] {
            assert_eq!(after(outcome, 1), Verdict::Done(outcome));
        }
    }

    #[test]
    fn a_suppressed_number_is_never_ready_again() {
        for outcome in OUTCOMES {
            let verdict = verdict(Ended { suppressed: true, ..ended(outcome, 1) }, &policy(3));
            assert!(!matches!(verdict, Verdict::ReadyAt(_) | Verdict::Review(_)), "{outcome}");
        }
    }

    #[test]
    fn names_of_outcomes_read_back() {
        for outcome in OUTCOMES {
            assert_eq!(outcome.as_str().parse(), Ok(outcome));
            let json = serde_json::to_string(&outcome).expect("JSON");
            assert_eq!(json, format!("\"{outcome}\""));
        }
    }

    /// What counts as a try, and what as a fault, written down once more: exit codes and caps hang on it.
    #[test]
    fn each_outcome_uses_a_try_and_is_a_fault_or_not() {
        let unused = ["caller_refused", "account_refused", "request_refused", "not_sent", "no_connection", "throttled"];
        let faults = [
            "unheard",
            "failed",
            "caller_refused",
            "account_refused",
            "request_refused",
            "not_placed",
            "unresolved",
            "no_connection",
        ];
        for outcome in OUTCOMES {
            assert_eq!(outcome.uses_attempt(), !unused.contains(&outcome.as_str()), "{outcome}");
            assert_eq!(outcome.is_fault(), faults.contains(&outcome.as_str()), "{outcome}");
        }
        assert_eq!(after(Outcome::NoConnection, 0), Verdict::ReadyAt(Wall(30_000)));
        assert_eq!(after(Outcome::Throttled, 0), Verdict::ReadyAt(Wall(5_000)));
    }

    #[test]
    fn names_of_reasons_read_back() {
        for reason in BLOCK_REASONS {
            assert_eq!(reason.as_str().parse(), Ok(reason));
            assert_eq!(serde_json::to_string(&reason).expect("JSON"), format!("\"{reason}\""));
        }
        for reason in [ReviewReason::LastTryLost, ReviewReason::RequestRefused, ReviewReason::Unresolved] {
            assert_eq!(serde_json::to_string(&reason).expect("JSON"), format!("\"{}\"", reason.as_str()));
        }
    }
}
