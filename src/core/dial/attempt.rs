//! The attempt machine: what one try to reach a lead has come to, folded from inputs in any order.
//! Pure: the ledger feeds it, writes down what it says, and performs nothing else. docs/LEDGER.md has the table.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::breaker::StopKind;
use super::{CallStatus, Outcome};
use crate::base::Sid;

/// Where an attempt stands. Who moves it on, and what a crash leaves, is said at each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// Durable before the POST. The owner moves it on; after a crash the next start makes it [`State::Unknown`].
    Intent,
    /// The call may exist. The sweeper moves it on, by evidence only; a crash changes nothing.
    Unknown,
    /// The carrier has it, its sid is known. Callbacks or the sweeper move it on.
    Placed,
    /// It rings. Callbacks or the sweeper move it on.
    Ringing,
    /// Someone or something answered. Callbacks or the sweeper move it on.
    Answered,
    /// The agent speaks with the callee. Callbacks or the sweeper move it on.
    Bridged,
    /// Over, by the carrier's word. Final; notes refine its outcome.
    Ended,
    /// The carrier refused it. Final, unless a call surfaces all the same.
    Rejected,
    /// Proof or evidence that no call exists; or nobody can tell any more (outcome `unresolved`). Final, unless a call
    /// surfaces all the same.
    NotPlaced,
    /// A call that surfaced while a newer attempt is open. Final: it is ended at once and never holds a lead.
    Zombie,
}

/// Every state, in order of rank.
pub const STATES: [State; 10] = [
    State::Intent,
    State::Unknown,
    State::Placed,
    State::Ringing,
    State::Answered,
    State::Bridged,
    State::Ended,
    State::Rejected,
    State::NotPlaced,
    State::Zombie,
];

impl State {
    /// Rank by which facts fold (reliability rules: the highest wins).
    pub fn rank(self) -> u8 {
        match self {
            State::Intent => 10,
            State::Unknown => 20,
            State::Placed => 30,
            State::Ringing => 40,
            State::Answered => 50,
            State::Bridged => 60,
            State::Ended => 100,
            State::Rejected => 110,
            State::NotPlaced => 120,
            State::Zombie => 130,
        }
    }

    /// Whether a call exists or may exist: such an attempt holds its lead and its phone number.
    pub fn is_open(self) -> bool {
        self.rank() < State::Ended.rank()
    }

    /// The name in the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Intent => "intent",
            State::Unknown => "unknown",
            State::Placed => "placed",
            State::Ringing => "ringing",
            State::Answered => "answered",
            State::Bridged => "bridged",
            State::Ended => "ended",
            State::Rejected => "rejected",
            State::NotPlaced => "not_placed",
            State::Zombie => "zombie",
        }
    }
}

/// A name that no state has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no attempt state has this name")]
pub struct BadState;

impl FromStr for State {
    type Err = BadState;
    fn from_str(text: &str) -> Result<State, BadState> {
        STATES.into_iter().find(|state| state.as_str() == text).ok_or(BadState)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who told us, weakest first: where two final words differ, the stronger source is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// The media socket opened for this call.
    Media,
    /// The answer to our POST.
    Answer,
    /// A signed status callback.
    Callback,
    /// The carrier's list of calls.
    Listing,
    /// The carrier's record of this one call.
    Fetch,
}

/// Every source, weakest first.
pub const SOURCES: [Source; 5] = [Source::Media, Source::Answer, Source::Callback, Source::Listing, Source::Fetch];

impl Source {
    /// The name in the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Source::Media => "media",
            Source::Answer => "answer",
            Source::Callback => "callback",
            Source::Listing => "listing",
            Source::Fetch => "fetch",
        }
    }
}

impl FromStr for Source {
    type Err = BadState;
    fn from_str(text: &str) -> Result<Source, BadState> {
        SOURCES.into_iter().find(|source| source.as_str() == text).ok_or(BadState)
    }
}

/// Who or what a definite refusal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refused {
    /// The callee's number: the lead ends.
    Number,
    /// The destination is not permitted for this account: the lead ends.
    Destination,
    /// The caller's number: that number rests, the lead returns.
    Caller,
    /// The account or its credentials: the campaign stops, the lead returns.
    Account,
    /// Our request is wrong: the campaign stops, the lead returns.
    Request,
}

/// What the carrier said about a call of this attempt.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fact {
    /// The carrier's id of the call.
    pub sid: Sid,
    /// Its status at that moment.
    pub status: CallStatus,
    /// Who told us.
    pub source: Source,
}

/// What happened to an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Input {
    /// The send fence refused it in the process that claimed it; nothing was written.
    FenceFailed,
    /// The connection failed before the first byte of the request left.
    NotSent,
    /// The carrier documents that it did not process the request (HTTP 429).
    Throttled {
        /// Its `Retry-After`.
        after: Option<Duration>,
    },
    /// A definite refusal: the call does not exist.
    Refused(Refused),
    /// Timeout, reset, 5xx, an unreadable 2xx: it may be ringing.
    AnswerLost,
    /// The send deadline passed and the process that claimed it is gone.
    OwnerGone,
    /// A complete listing made after the horizon shows no such call.
    ListedNone,
    /// The horizon has passed, and the carrier has no list that could tell; or a call that it knew is gone, and no event said
    /// how it ended: a person must find out.
    NoList,
    /// The carrier named a call of this attempt.
    Fact(Fact),
    /// The agent took over the conversation.
    Bridged,
}

/// What is known about an attempt before an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its state.
    pub state: State,
    /// The carrier's id, once known.
    pub sid: Option<Sid>,
    /// The final status and who said so, once ended.
    pub end: Option<(Source, CallStatus)>,
    /// Whether another attempt is open for the same lead or phone number.
    pub newer_open: bool,
    /// Whether it was given up with nobody knowing whether a call exists: one that turns up contradicts nothing.
    pub unresolved: bool,
}

impl Standing {
    /// An attempt as the claim leaves it.
    pub fn intent() -> Standing {
        Standing { state: State::Intent, sid: None, end: None, newer_open: false, unresolved: false }
    }
}

/// Something a person must hear of, and that stops things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Alarm {
    /// Two calls for one attempt: the account stops.
    DoubleDial,
    /// A call surfaced for an attempt that was released: the account stops.
    Surfaced,
    /// Two different final words about one call; the stronger source was believed.
    EndMismatch,
    /// The carrier refused the caller's number.
    CallerRefused,
    /// The carrier refused the account or its credentials.
    AccountRefused,
    /// The carrier says that our request is wrong.
    RequestRefused,
}

impl Alarm {
    /// The name in the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Alarm::DoubleDial => "double_dial",
            Alarm::Surfaced => "surfaced",
            Alarm::EndMismatch => "end_mismatch",
            Alarm::CallerRefused => "caller_refused",
            Alarm::AccountRefused => "account_refused",
            Alarm::RequestRefused => "request_refused",
        }
    }

    /// Whether no further call may be placed on the account until a person has looked.
    pub fn stops_account(self) -> bool {
        self.stop().is_some()
    }

    /// The stop of the account that this alarm asks for.
    pub fn stop(self) -> Option<StopKind> {
        match self {
            Alarm::DoubleDial => Some(StopKind::DoubleDial),
            Alarm::Surfaced => Some(StopKind::Surfaced),
            // The runner decides about these, with more than one attempt before it.
            Alarm::EndMismatch | Alarm::CallerRefused | Alarm::AccountRefused | Alarm::RequestRefused => None,
        }
    }
}

/// What becomes of the lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeadMove {
    /// It stays as it is.
    Stay,
    /// It is held by this attempt (again, where the attempt had been released).
    Hold,
    /// The attempt is over with this outcome: the verdict decides where the lead goes.
    Release(Outcome),
    /// The attempt was over; a stronger word corrects its outcome, if no newer attempt has the lead.
    Correct(Outcome),
}

/// What an input makes of an attempt: its new standing, and effects as data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The new state.
    pub state: State,
    /// The carrier's id now.
    pub sid: Option<Sid>,
    /// The final status now.
    pub end: Option<(Source, CallStatus)>,
    /// What becomes of the lead.
    pub lead: LeadMove,
    /// Alarms to raise.
    pub alarms: Vec<Alarm>,
    /// A call that must be ended at once.
    pub end_call: Option<Sid>,
}

/// An input that the table does not list for this state: recorded, refused, nothing changes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an attempt in state {state} cannot take {input:?}")]
pub struct Stray {
    /// The state it met.
    pub state: State,
    /// What came.
    pub input: Input,
}

/// Moves an attempt on. All moves stand in this one match; what it does not list is a [`Stray`].
pub fn step(standing: &Standing, input: Input) -> Result<Step, Stray> {
    use State::*;
    let to = |state, lead| Step {
        state,
        sid: standing.sid.clone(),
        end: standing.end,
        lead,
        alarms: Vec::new(),
        end_call: None,
    };
    let step = match (standing.state, input) {
        (Intent, Input::FenceFailed) => to(NotPlaced, LeadMove::Release(Outcome::NotSent)),
        (Intent, Input::OwnerGone) | (Intent | Unknown, Input::AnswerLost) => to(Unknown, LeadMove::Stay),
        (Intent | Unknown, Input::NotSent) => to(NotPlaced, LeadMove::Release(Outcome::NoConnection)),
        (Intent | Unknown, Input::Throttled { after: _ }) => to(NotPlaced, LeadMove::Release(Outcome::Throttled)),
        (Intent, Input::Refused(about)) => {
            let (outcome, alarm) = refusal(about);
            Step { alarms: alarm.into_iter().collect(), ..to(Rejected, LeadMove::Release(outcome)) }
        }
        // A callback was faster than the answer to the POST, which then got lost: we know more than it would tell.
        (Placed | Ringing | Answered | Bridged | Ended | Zombie, Input::AnswerLost) => {
            to(standing.state, LeadMove::Stay)
        }
        (Unknown, Input::ListedNone) => to(NotPlaced, LeadMove::Release(Outcome::NotPlaced)),
        // The call was there, and went without a word about how: a person must find out, too.
        (Unknown | Placed | Ringing | Answered | Bridged, Input::NoList) => {
            to(NotPlaced, LeadMove::Release(Outcome::Unresolved))
        }
        (Bridged | Ended | Zombie, Input::Bridged) => to(standing.state, LeadMove::Stay),
        (Placed | Ringing | Answered, Input::Bridged) => to(Bridged, LeadMove::Stay),

        // A second call for an attempt that has one. The first stays, the other ends, nothing more is dialed.
        (Placed | Ringing | Answered | Bridged | Ended | Zombie, Input::Fact(fact))
            if standing.sid.as_ref().is_some_and(|known| *known != fact.sid) =>
        {
            let end_call = (!fact.status.is_terminal()).then_some(fact.sid);
            Step { alarms: vec![Alarm::DoubleDial], end_call, ..to(standing.state, LeadMove::Stay) }
        }
        (Intent | Unknown | Placed | Ringing | Answered | Bridged, Input::Fact(fact)) => {
            let state = standing.state.max(reached(fact.status)).max(Placed);
            let ended = fact.status.is_terminal();
            let lead = if ended { LeadMove::Release(Outcome::of(fact.status)) } else { LeadMove::Stay };
            let end = ended.then_some((fact.source, fact.status));
            Step { sid: Some(fact.sid), end, ..to(state, lead) }
        }
        (Ended, Input::Fact(fact)) => after_the_end(&fact, to(Ended, LeadMove::Stay)),
        // We had decided that no call exists; the carrier says one does. It is believed, loudly.
        (Rejected | NotPlaced, Input::Fact(fact)) if standing.newer_open => {
            let end = fact.status.is_terminal().then_some((fact.source, fact.status));
            let end_call = (!fact.status.is_terminal()).then(|| fact.sid.clone());
            let alarms = vec![Alarm::Surfaced];
            Step { sid: Some(fact.sid), end, end_call, alarms, ..to(Zombie, LeadMove::Stay) }
        }
        (Rejected | NotPlaced, Input::Fact(fact)) => {
            let ended = fact.status.is_terminal();
            let lead = if ended { LeadMove::Release(Outcome::of(fact.status)) } else { LeadMove::Hold };
            let end = ended.then_some((fact.source, fact.status));
            let alarms = if standing.unresolved { Vec::new() } else { vec![Alarm::Surfaced] };
            Step { sid: Some(fact.sid), end, alarms, ..to(reached(fact.status).max(Placed), lead) }
        }
        (Zombie, Input::Fact(fact)) => {
            let ended = fact.status.is_terminal();
            let end = if ended { standing.end.max_by_strength((fact.source, fact.status)) } else { standing.end };
            let end_call = (end.is_none()).then_some(fact.sid);
            Step { end, end_call, ..to(Zombie, LeadMove::Stay) }
        }
        (state, input) => return Err(Stray { state, input }),
    };
    Ok(step)
}

/// A further word about a call that is over: only a stronger final word changes anything.
fn after_the_end(fact: &Fact, mut step: Step) -> Step {
    let Some((_, known)) = step.end.filter(|_| fact.status.is_terminal()) else { return step };
    step.end = step.end.max_by_strength((fact.source, fact.status));
    if known != fact.status {
        step.alarms.push(Alarm::EndMismatch);
    }
    if let Some((_, now)) = step.end
        && now != known
    {
        step.lead = LeadMove::Correct(Outcome::of(now));
    }
    step
}

/// The state that a status proves.
fn reached(status: CallStatus) -> State {
    match status {
        CallStatus::Queued | CallStatus::Initiated => State::Placed,
        CallStatus::Ringing => State::Ringing,
        CallStatus::InProgress => State::Answered,
        CallStatus::Completed | CallStatus::Busy | CallStatus::NoAnswer | CallStatus::Failed | CallStatus::Canceled => {
            State::Ended
        }
    }
}

fn refusal(about: Refused) -> (Outcome, Option<Alarm>) {
    match about {
        Refused::Number => (Outcome::Invalid, None),
        Refused::Destination => (Outcome::Forbidden, None),
        Refused::Caller => (Outcome::CallerRefused, Some(Alarm::CallerRefused)),
        Refused::Account => (Outcome::AccountRefused, Some(Alarm::AccountRefused)),
        Refused::Request => (Outcome::RequestRefused, Some(Alarm::RequestRefused)),
    }
}

trait MaxByStrength {
    fn max_by_strength(self, other: (Source, CallStatus)) -> Self;
}

impl MaxByStrength for Option<(Source, CallStatus)> {
    /// The stronger source; among equals a fixed order of statuses, so that the order of arrival changes nothing.
    fn max_by_strength(self, other: (Source, CallStatus)) -> Self {
        let strength = |(source, status): (Source, CallStatus)| (source, weight(status));
        match self {
            Some(known) if strength(known) >= strength(other) => Some(known),
            _ => Some(other),
        }
    }
}

/// Completed is the safest belief (the person was reached and is not rung again), so it weighs most.
fn weight(status: CallStatus) -> u8 {
    match status {
        CallStatus::Queued | CallStatus::Initiated | CallStatus::Ringing | CallStatus::InProgress => 0,
        CallStatus::Failed => 1,
        CallStatus::Canceled => 2,
        CallStatus::NoAnswer => 3,
        CallStatus::Busy => 4,
        CallStatus::Completed => 5,
    }
}

#[cfg(test)]
mod tests;
