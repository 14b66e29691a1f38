//! One call's life at the carrier: queue, ring, answer, document, end. Time is in the carrier's own milliseconds.

use std::collections::VecDeque;

use super::callee::{Behaviour, Script};
use crate::base::limits::SIM_DOCUMENTS;
use crate::core::dial::CallStatus;
use crate::core::wire::twiml::{RejectReason, Stream, Verb};

/// What the order allows. Milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// When the account's pace lets the call leave the queue.
    pub start_at: u64,
    /// Longest ringing.
    pub ring_ms: u64,
    /// Longest call.
    pub limit_ms: u64,
}

/// Where the instructions come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instructions {
    /// Given with the order.
    Inline(Vec<Verb>),
    /// Fetched when the callee answers.
    Url(String),
}

/// What reaches the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Time has passed.
    Tick,
    /// REST: stop it if nobody has answered.
    Cancel,
    /// REST: end it.
    HangUp,
    /// REST: run something else now.
    Replace(Instructions),
    /// A document arrived; `None` = it could not be had or read.
    Document(Option<Vec<Verb>>),
    /// The media socket closed on our side, or never opened.
    StreamClosed,
    /// The callee hung up while on the stream.
    CalleeLeft,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// The call's status changed: log it, tell our webhook.
    Status(CallStatus),
    /// Ask for a document; answer with [`Event::Document`].
    Fetch {
        /// Where.
        url: String,
        /// Keys that the callee pressed, for the action of a `<Gather>`.
        digits: Option<String>,
    },
    /// Open the media socket.
    OpenStream(Stream),
    /// Close the media socket.
    CloseStream,
    /// A verb runs (for the log).
    Verb(&'static str),
    /// The call is over; seconds of talk and why.
    Ended {
        /// Terminal status.
        status: CallStatus,
        /// Rounded up; 0 if nobody answered.
        duration_s: u32,
        /// Who or what ended it.
        cause: &'static str,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In the account's queue. A crash here leaves a call that never rang.
    Queued,
    /// On its way, not ringing yet.
    Setup(u64),
    /// Ringing until the deadline.
    Ringing(u64),
    /// Answered, waiting for a document.
    Fetching,
    /// A verb runs until the deadline.
    Verb(u64),
    /// The media stream is open.
    Streaming,
    /// Over.
    Ended,
}

/// The machine of one call.
#[derive(Debug)]
pub struct CallMachine {
    script: Script,
    limits: Limits,
    first: Instructions,
    /// Somebody called the account.
    inbound: bool,
    state: State,
    verbs: VecDeque<Verb>,
    gather_action: Option<String>,
    answered_at: Option<u64>,
    documents: u32,
    out: VecDeque<Command>,
}

impl CallMachine {
    /// A call that was just accepted.
    pub fn new(script: Script, limits: Limits, first: Instructions) -> CallMachine {
        CallMachine {
            script,
            limits,
            first,
            inbound: false,
            state: State::Queued,
            verbs: VecDeque::new(),
            gather_action: None,
            answered_at: None,
            documents: 0,
            out: VecDeque::new(),
        }
    }

    /// A call that comes in: its document is asked for while it rings, and answers it.
    pub fn inbound(script: Script, limits: Limits, url: &str) -> CallMachine {
        let mut machine = CallMachine::new(script, limits, Instructions::Url(url.to_owned()));
        machine.inbound = true;
        machine.out.push_back(Command::Status(CallStatus::Ringing));
        machine.fetch(0, url.to_owned(), None);
        machine
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Command> {
        self.out.pop_front()
    }

    /// When [`Event::Tick`] is due, if nothing else happens.
    pub fn next_timeout(&self) -> Option<u64> {
        let own = match self.state {
            State::Queued => Some(self.limits.start_at),
            State::Setup(at) | State::Ringing(at) | State::Verb(at) => Some(at),
            State::Fetching | State::Streaming => None,
            State::Ended => return None,
        };
        let ends = [own, self.limit_at(), self.leaves_at()];
        ends.into_iter().flatten().min()
    }

    /// Whether somebody calls, and nobody has answered.
    pub fn is_ringing_in(&self) -> bool {
        self.inbound && self.answered_at.is_none()
    }

    /// Whether the call is over.
    pub fn is_over(&self) -> bool {
        self.state == State::Ended
    }

    /// Takes an event.
    pub fn handle(&mut self, now: u64, event: Event) {
        match (self.state, event) {
            // Late news about an ended call changes nothing.
            (State::Ended, _) => {}
            (_, Event::Tick) => self.tick(now),
            (State::Queued | State::Setup(_) | State::Ringing(_), Event::Cancel | Event::HangUp) => {
                self.end(now, CallStatus::Canceled, "rest");
            }
            (State::Fetching | State::Verb(_) | State::Streaming, Event::HangUp) => {
                self.end(now, CallStatus::Completed, "rest");
            }
            // Too late to cancel: the REST interface has said so.
            (State::Fetching | State::Verb(_) | State::Streaming, Event::Cancel) => {}
            (State::Queued | State::Setup(_) | State::Ringing(_), Event::Replace(first)) => self.first = first,
            (State::Fetching | State::Verb(_) | State::Streaming, Event::Replace(next)) => {
                if self.state == State::Streaming {
                    self.out.push_back(Command::CloseStream);
                }
                self.instruct(now, next);
            }
            (State::Fetching, Event::Document(Some(verbs))) => {
                self.verbs = verbs.into();
                if self.answered_at.is_none() {
                    // A refusal is the only verb that does not answer a call that comes in.
                    match self.verbs.front() {
                        Some(Verb::Reject(RejectReason::Busy)) => return self.end(now, CallStatus::Busy, "reject"),
                        Some(Verb::Reject(RejectReason::Rejected)) => {
                            return self.end(now, CallStatus::NoAnswer, "reject");
                        }
                        _ => {}
                    }
                    self.answered_at = Some(now);
                    self.out.push_back(Command::Status(CallStatus::InProgress));
                }
                self.advance(now);
            }
            (State::Fetching, Event::Document(None)) if self.answered_at.is_none() => {
                self.end(now, CallStatus::Failed, "document");
            }
            (State::Fetching, Event::Document(None)) => self.end(now, CallStatus::Completed, "document"),
            (State::Streaming, Event::StreamClosed) => self.advance(now),
            (State::Streaming, Event::CalleeLeft) => self.end(now, CallStatus::Completed, "callee"),
            // A document or a stream that was replaced meanwhile.
            (
                State::Queued | State::Setup(_) | State::Ringing(_) | State::Verb(_) | State::Streaming,
                Event::Document(_),
            )
            | (
                State::Queued | State::Setup(_) | State::Ringing(_) | State::Fetching | State::Verb(_),
                Event::StreamClosed | Event::CalleeLeft,
            ) => {}
        }
    }

    fn tick(&mut self, now: u64) {
        if self.limit_at().is_some_and(|at| now >= at) {
            return self.end(now, CallStatus::Completed, "time_limit");
        }
        if self.leaves_at().is_some_and(|at| now >= at) {
            return self.end(now, CallStatus::Completed, "callee");
        }
        match self.state {
            State::Queued if now >= self.limits.start_at => {
                self.out.push_back(Command::Status(CallStatus::Initiated));
                self.state = State::Setup(now + self.script.setup_ms);
            }
            State::Setup(at) if now >= at => match self.script.behaviour {
                // `ringing` may never come.
                Behaviour::Fails | Behaviour::Invalid => self.end(now, CallStatus::Failed, "network"),
                Behaviour::Listens
                | Behaviour::Converses
                | Behaviour::SaysHello
                | Behaviour::TalksOver
                | Behaviour::PressesNine
                | Behaviour::PressesOther
                | Behaviour::AsksForAgent
                | Behaviour::LeavesMessage
                | Behaviour::Voicemail
                | Behaviour::Screens
                | Behaviour::Fax
                | Behaviour::HangsUpAtOnce
                | Behaviour::Busy
                | Behaviour::NoAnswer => {
                    self.out.push_back(Command::Status(CallStatus::Ringing));
                    let rings = match self.script.behaviour == Behaviour::NoAnswer {
                        true => self.limits.ring_ms,
                        false => self.script.ring_ms.min(self.limits.ring_ms),
                    };
                    self.state = State::Ringing(now + rings);
                }
            },
            State::Ringing(at) if now >= at => self.rung(now),
            State::Verb(at) if now >= at => match self.gather_action.take() {
                Some(url) => self.fetch(now, url, Some(self.script.key.to_string())),
                None => self.advance(now),
            },
            State::Queued
            | State::Setup(_)
            | State::Ringing(_)
            | State::Verb(_)
            | State::Fetching
            | State::Streaming
            | State::Ended => {}
        }
    }

    fn rung(&mut self, now: u64) {
        match self.script.behaviour {
            Behaviour::Busy => return self.end(now, CallStatus::Busy, "busy"),
            Behaviour::NoAnswer => return self.end(now, CallStatus::NoAnswer, "ring_timeout"),
            Behaviour::Listens
            | Behaviour::Converses
            | Behaviour::SaysHello
            | Behaviour::TalksOver
            | Behaviour::PressesNine
            | Behaviour::PressesOther
            | Behaviour::AsksForAgent
            | Behaviour::LeavesMessage
            | Behaviour::Voicemail
            | Behaviour::Screens
            | Behaviour::Fax
            | Behaviour::HangsUpAtOnce
            | Behaviour::Invalid
            | Behaviour::Fails => {}
        }
        if self.script.ring_ms > self.limits.ring_ms {
            return self.end(now, CallStatus::NoAnswer, "ring_timeout");
        }
        self.answered_at = Some(now);
        self.out.push_back(Command::Status(CallStatus::InProgress));
        let first = self.first.clone();
        self.instruct(now, first);
    }

    fn instruct(&mut self, now: u64, instructions: Instructions) {
        self.gather_action = None;
        match instructions {
            Instructions::Inline(verbs) => {
                self.verbs = verbs.into();
                self.advance(now);
            }
            Instructions::Url(url) => self.fetch(now, url, None),
        }
    }

    fn fetch(&mut self, now: u64, url: String, digits: Option<String>) {
        self.documents += 1;
        if self.documents > SIM_DOCUMENTS {
            return self.end(now, CallStatus::Completed, "too_many_documents");
        }
        self.verbs.clear();
        self.state = State::Fetching;
        self.out.push_back(Command::Fetch { url, digits });
    }

    fn advance(&mut self, now: u64) {
        let Some(verb) = self.verbs.pop_front() else {
            return self.end(now, CallStatus::Completed, "document_end");
        };
        let (name, wait) = match verb {
            Verb::Connect(stream) => {
                self.state = State::Streaming;
                return self.out.push_back(Command::OpenStream(stream));
            }
            Verb::Redirect(url) => {
                self.out.push_back(Command::Verb("redirect"));
                return self.fetch(now, url, None);
            }
            Verb::Hangup => {
                self.out.push_back(Command::Verb("hangup"));
                return self.end(now, CallStatus::Completed, "hangup");
            }
            // The callee answered already: a refusal is a hang-up.
            Verb::Reject(RejectReason::Busy | RejectReason::Rejected) => {
                return self.end(now, CallStatus::Completed, "reject");
            }
            Verb::Gather(gather) => {
                let presses = matches!(self.script.behaviour, Behaviour::PressesNine | Behaviour::PressesOther);
                self.gather_action = gather.action.filter(|_| presses);
                ("gather", gather.children.iter().map(lasts_ms).sum::<u64>() + u64::from(gather.timeout_s) * 1_000)
            }
            verb @ Verb::Say { .. } => ("say", lasts_ms(&verb)),
            verb @ (Verb::Play(_) | Verb::Digits(_)) => ("play", lasts_ms(&verb)),
            verb @ Verb::Pause(_) => ("pause", lasts_ms(&verb)),
            // Whoever is called answers and talks for some seconds.
            verb @ Verb::Dial { .. } => ("dial", lasts_ms(&verb)),
        };
        self.out.push_back(Command::Verb(name));
        self.state = State::Verb(now + wait);
    }

    fn end(&mut self, now: u64, status: CallStatus, cause: &'static str) {
        if self.state == State::Streaming {
            self.out.push_back(Command::CloseStream);
        }
        self.state = State::Ended;
        let talked = self.answered_at.map_or(0, |at| (now - at).div_ceil(1_000));
        let duration_s = u32::try_from(talked).unwrap_or(u32::MAX);
        self.out.push_back(Command::Ended { status, duration_s, cause });
    }

    fn limit_at(&self) -> Option<u64> {
        self.answered_at.map(|at| at + self.limits.limit_ms)
    }

    fn leaves_at(&self) -> Option<u64> {
        let leaves = self.script.behaviour == Behaviour::HangsUpAtOnce;
        self.answered_at.filter(|_| leaves).map(|at| at + self.script.delay_ms)
    }
}

/// About how long a verb takes: speech at 15 characters a second.
fn lasts_ms(verb: &Verb) -> u64 {
    match verb {
        Verb::Say { text, .. } => text.chars().count() as u64 * 66,
        Verb::Digits(digits) => digits.len() as u64 * 500,
        Verb::Play(_) => 3_000,
        Verb::Dial { .. } => 6_000,
        Verb::Pause(seconds) => u64::from(*seconds) * 1_000,
        Verb::Connect(_) | Verb::Gather(_) | Verb::Redirect(_) | Verb::Hangup | Verb::Reject(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::sim::callee::script;

    fn machine(behaviour: Behaviour, verbs: Vec<Verb>) -> CallMachine {
        let mut script = (0..10_000)
            .map(|n| script(1, &format!("+1500555{n:04}")))
            .find(|script| script.behaviour == behaviour)
            .expect("every behaviour has a weight");
        (script.setup_ms, script.ring_ms) = (500, 4_000);
        let limits = Limits { start_at: 100, ring_ms: 20_000, limit_ms: 60_000 };
        CallMachine::new(script, limits, Instructions::Inline(verbs))
    }

    fn drain(machine: &mut CallMachine) -> Vec<Command> {
        std::iter::from_fn(|| machine.poll()).collect()
    }

    /// Runs on its own deadlines until nothing is left to wait for; returns the time of the end.
    fn run(machine: &mut CallMachine) -> (u64, Vec<Command>) {
        let mut now = 0;
        let mut all = drain(machine);
        while let Some(at) = machine.next_timeout() {
            now = now.max(at);
            machine.handle(now, Event::Tick);
            all.extend(drain(machine));
        }
        (now, all)
    }

    fn ended(status: CallStatus, duration_s: u32, cause: &'static str) -> Command {
        Command::Ended { status, duration_s, cause }
    }

    #[test]
    fn an_answered_call_goes_through_every_status_and_runs_its_document() {
        let mut machine = machine(Behaviour::Listens, vec![Verb::Pause(2), Verb::Hangup]);
        let (at, commands) = run(&mut machine);
        use CallStatus::*;
        assert_eq!(
            commands,
            [
                Command::Status(Initiated),
                Command::Status(Ringing),
                Command::Status(InProgress),
                Command::Verb("pause"),
                Command::Verb("hangup"),
                ended(Completed, 2, "hangup"),
            ]
        );
        assert_eq!(at, 100 + 500 + 4_000 + 2_000);
    }

    #[test]
    fn who_does_not_answer_ends_the_call_by_the_ring_timeout() {
        for (behaviour, status, cause) in [
            (Behaviour::Busy, CallStatus::Busy, "busy"),
            (Behaviour::NoAnswer, CallStatus::NoAnswer, "ring_timeout"),
            (Behaviour::Fails, CallStatus::Failed, "network"),
        ] {
            let (at, commands) = run(&mut machine(behaviour, vec![]));
            assert_eq!(commands.last(), Some(&ended(status, 0, cause)));
            assert!(at <= 20_600);
            assert!(!commands.contains(&Command::Status(CallStatus::InProgress)));
        }
        let mut slow = machine(Behaviour::Listens, vec![]);
        slow.limits.ring_ms = 3_000;
        assert_eq!(run(&mut slow).1.last(), Some(&ended(CallStatus::NoAnswer, 0, "ring_timeout")));
    }

    #[test]
    fn a_cancel_stops_the_ringing_and_comes_too_late_after_the_answer() {
        let mut ringing = machine(Behaviour::Listens, vec![]);
        ringing.handle(100, Event::Tick);
        ringing.handle(200, Event::Cancel);
        assert_eq!(drain(&mut ringing).last(), Some(&ended(CallStatus::Canceled, 0, "rest")));
        ringing.handle(9_000, Event::Tick);
        assert!(drain(&mut ringing).is_empty(), "nothing follows the end");
        let mut answered = machine(Behaviour::Listens, vec![Verb::Pause(10)]);
        [100, 600, 4_600].into_iter().for_each(|now| answered.handle(now, Event::Tick));
        answered.handle(5_000, Event::Cancel);
        assert!(!answered.is_over());
        answered.handle(5_100, Event::HangUp);
        assert_eq!(drain(&mut answered).last(), Some(&ended(CallStatus::Completed, 1, "rest")));
    }

    #[test]
    fn a_stream_that_closes_goes_on_with_the_next_verb_and_a_callee_who_leaves_ends_it() {
        let document = vec![Verb::Connect(Stream::default()), Verb::Pause(1)];
        let mut machine_a = machine(Behaviour::Listens, document.clone());
        [100, 600, 4_600].into_iter().for_each(|now| machine_a.handle(now, Event::Tick));
        assert_eq!(drain(&mut machine_a).last(), Some(&Command::OpenStream(Stream::default())));
        assert_eq!(machine_a.next_timeout(), Some(4_600 + 60_000), "the call's own limit still holds");
        machine_a.handle(9_000, Event::StreamClosed);
        assert_eq!(drain(&mut machine_a), [Command::Verb("pause")]);
        let mut machine_b = machine(Behaviour::Listens, document);
        [100, 600, 4_600].into_iter().for_each(|now| machine_b.handle(now, Event::Tick));
        machine_b.handle(9_000, Event::CalleeLeft);
        let tail = drain(&mut machine_b);
        assert_eq!(&tail[tail.len() - 2..], [Command::CloseStream, ended(CallStatus::Completed, 5, "callee")]);
    }

    #[test]
    fn a_document_that_redirects_to_itself_ends() {
        let mut machine = machine(Behaviour::Listens, vec![Verb::Redirect("u".into())]);
        [100, 600, 4_600].into_iter().for_each(|now| machine.handle(now, Event::Tick));
        let again = Event::Document(Some(vec![Verb::Redirect("u".into())]));
        let mut rounds = 0;
        while !machine.is_over() && rounds < 100 {
            machine.handle(5_000, again.clone());
            rounds += 1;
        }
        assert_eq!(rounds, SIM_DOCUMENTS);
    }
}
