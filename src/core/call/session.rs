//! The machine of one stream: greeting, ear, barge-in, keys, hand-over, goodbye. Three verbs: [`Session::handle`],
//! [`Session::poll`], [`Session::next_timeout`].

use std::collections::VecDeque;
use std::sync::Arc;

use self::desk::DeskState;
use self::machine::FirstWords;
use self::switch::Switching;
use self::talk::Talk;
use super::answerer::{AnswererEar, Heard};
use super::ear::Ear;
use super::log::{EndCause, What};
use super::over::Over;
use super::playout::Playout;
pub use super::words::{Command, Event, Notes, Owner, Then};
use super::{Answerer, CallScript, PreparedClip, SAMPLES_PER_MS};
use crate::base::{Boot, limits};
use crate::core::config::{Recording, SpeaksFirst};
use crate::core::vad::segment::{Edge, Segmenter};
use crate::core::wire::media::{self, Frame, Inbound, MediaFault};

/// Where we are in the stream.
#[derive(Default)]
struct Place {
    samples: u64,
    sequence: Option<u64>,
    first_timestamp: Option<u64>,
    chunk: Option<u64>,
}

/// See the module.
pub struct Session {
    owner: Owner,
    script: Option<Arc<CallScript>>,
    opened: Boot,
    started: Boot,
    heard_from: Boot,
    place: Place,
    sound: Vec<u8>,
    them: Vec<u8>,
    us: Vec<u8>,
    playout: Playout,
    ear: Ear,
    told_unheard: u64,
    segmenter: Option<Segmenter>,
    speaking: bool,
    over: Over,
    /// Runs of speech that did not stop us, and where the last of them began.
    held: u64,
    held_from: Option<u64>,
    judged_chunks: u64,
    bad_in_a_row: u32,
    claiming: bool,
    answerer: Option<AnswererEar>,
    /// What it heard and nobody has acted on yet.
    told: Vec<Heard>,
    /// The carrier was asked to record.
    recorded: bool,
    talk: Talk,
    switching: Switching,
    desk: DeskState,
    words: FirstWords,
    notes: Notes,
    commands: VecDeque<Command>,
}

/// Samples in one part of the recording: one second.
const PART: usize = 8_000;
/// After a "hello?" that cut our first words, we begin anew when it has ended, or after this long without speech.
const HELLO_MS: u64 = 1_000;

impl Session {
    /// A socket was opened.
    pub fn new(now: Boot) -> Session {
        Session {
            owner: Owner::Opening,
            script: None,
            opened: now,
            started: now,
            heard_from: now,
            place: Place::default(),
            sound: Vec::with_capacity(320),
            them: Vec::new(),
            us: Vec::new(),
            playout: Playout::default(),
            ear: Ear::default(),
            told_unheard: 0,
            segmenter: None,
            speaking: false,
            over: Over::default(),
            held: 0,
            held_from: None,
            judged_chunks: 0,
            bad_in_a_row: 0,
            claiming: false,
            answerer: None,
            told: Vec::new(),
            recorded: false,
            talk: Talk::default(),
            switching: Switching::default(),
            desk: DeskState::default(),
            words: FirstWords::default(),
            notes: Notes::default(),
            commands: VecDeque::new(),
        }
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// Who owns the line.
    pub fn owner(&self) -> Owner {
        self.owner
    }

    /// Milliseconds of inbound sound so far.
    pub fn media_ms(&self) -> u64 {
        self.place.samples / SAMPLES_PER_MS
    }

    /// Whether the runner should take no more messages until the next verdict.
    ///
    /// Only for a stream that runs ahead of real time by a second: an embedded carrier speeded up, which bears waiting,
    /// and whose verdicts must stay with their sound. A live line is never made to wait; it drops chunks instead.
    pub fn wants_a_pause(&self, now: Boot) -> bool {
        let ahead = u128::from(self.media_ms()) > now.since(self.started).as_millis() + 1_000;
        ahead && self.owner != Owner::Over && self.ear.backlog() >= 2
    }

    /// What the stream has come to so far.
    pub fn notes(&self) -> Notes {
        Notes { media_ms: self.media_ms(), ..self.notes.clone() }
    }

    /// When [`Event::Tick`] is due at the latest; `None` when all is over.
    pub fn next_timeout(&self) -> Option<Boot> {
        let alive = self.heard_from + limits::STREAM_IDLE;
        match (self.owner, &self.script) {
            (Owner::Over, _) => None,
            (Owner::Opening, _) | (_, None) => Some(self.opened + limits::STREAM_START),
            (Owner::StoringOptOut { by } | Owner::Transferring { by, taken: false } | Owner::Promising { by }, _) => {
                Some(alive.min(by))
            }
            (_, Some(script)) => Some(alive.min(self.started + script.max_call)),
        }
    }

    /// Takes an event. Drain [`Session::poll`] afterwards.
    pub fn handle(&mut self, now: Boot, event: Event<'_>) {
        if self.owner == Owner::Over {
            return;
        }
        match event {
            Event::Message(message) => {
                self.heard_from = now;
                match message.and_then(|message| self.message(now, message)) {
                    Ok(()) => {}
                    Err(fault) => self.bad(fault),
                }
            }
            Event::Claimed(Some(script)) => self.begin(now, script),
            Event::Claimed(None) => self.end(EndCause::Refused),
            Event::Judged(job) => {
                let probability = self.ear.back(job);
                self.verdict(probability);
                self.listen();
            }
            Event::OptOutStored => {
                self.log(What::OptOutStored);
                if let Owner::StoringOptOut { .. } = self.owner {
                    self.confirm_opt_out();
                }
            }
            Event::AnsweredBy(who) => self.carrier_says(who),
            Event::Words(text) => self.machine_said(text),
            Event::Agent(told) => self.agent_says(now, told),
            Event::NextAgent(told) => self.next_agent_says(told),
            Event::Transferred(taken) => self.transferred(taken),
            Event::Promised(kept) => self.promised(kept),
            Event::Tick => self.tick(now),
            Event::Ended(cause) => self.end(cause),
        }
    }

    fn log(&mut self, what: What) {
        self.commands.push_back(Command::Log(what));
    }

    fn message(&mut self, now: Boot, message: Inbound<'_>) -> Result<(), MediaFault> {
        if let Some(sequence) = message.sequence {
            if self.place.sequence.is_some_and(|last| sequence <= last) {
                // A repeat or an old one: true once, nothing now.
                return Ok(());
            }
            self.place.sequence = Some(sequence);
        }
        match (self.owner, message.event) {
            (_, media::Event::Connected | media::Event::Other) => {}
            // The carrier may end the stream before its answer to our request is here.
            (Owner::Transferring { .. }, media::Event::Stop) => self.end(EndCause::Transferred),
            (_, media::Event::Stop) => self.end(EndCause::HungUp),
            (Owner::Opening, media::Event::Start(start)) if !self.claiming => {
                self.claiming = true;
                self.commands.push_back(Command::Claim(start));
            }
            (_, media::Event::Start(_)) => return Err(MediaFault::OutOfPlace),
            (Owner::Opening, media::Event::Media(_) | media::Event::Mark(_) | media::Event::Dtmf(_)) => {
                return Err(MediaFault::OutOfPlace);
            }
            (_, media::Event::Media(frame)) => self.frame(&frame)?,
            (_, media::Event::Mark(name)) => {
                let played = self.playout.echoed(&name, self.place.samples);
                self.log(What::Mark { name: crate::base::text::printable(&name), played });
                self.advance();
            }
            (_, media::Event::Dtmf(key)) => self.key(now, key),
        }
        self.bad_in_a_row = 0;
        Ok(())
    }

    fn bad(&mut self, fault: MediaFault) {
        self.bad_in_a_row += 1;
        self.notes.bad_messages += 1;
        let count = self.notes.bad_messages;
        if count == 1 || count.is_multiple_of(10) {
            self.log(What::BadMessage { fault, count });
        }
        if self.bad_in_a_row >= limits::BAD_MEDIA_IN_A_ROW {
            self.end(EndCause::BadMessages);
        }
    }

    fn begin(&mut self, now: Boot, script: Arc<CallScript>) {
        self.claiming = false;
        self.started = now;
        self.segmenter = Some(Segmenter::new(&script.vad));
        self.answerer = script.machines.speech.map(AnswererEar::new);
        self.talk.expected = script.agent.is_some();
        self.notes.greeting_total_ms = script.greeting.samples() / SAMPLES_PER_MS;
        let greeting = script.greeting.clone();
        let listens = script.desk.as_ref().is_some_and(|desk| desk.speaks_first == SpeaksFirst::They);
        self.script = Some(script);
        if listens {
            self.hear_person(Then::Greet);
        } else {
            self.owner = Owner::Greeting;
            self.play(greeting);
        }
        // Only now is there time for anything else: the first sound has been handed over.
        self.them.reserve_exact(PART + 320);
        self.us.reserve_exact(PART + 320);
    }

    fn play(&mut self, clip: Arc<PreparedClip>) {
        let marks_ms = clip.pieces.iter().filter(|it| it.mark).map(|it| it.end as u64 / SAMPLES_PER_MS).collect();
        let line = What::Play { clip: clip.key.clone(), total_ms: clip.samples() / SAMPLES_PER_MS, marks_ms };
        if let Some(serial) = self.playout.play(clip.clone(), self.place.samples) {
            self.commands.push_back(Command::Play(serial, clip));
            self.log(line);
        }
        self.over.reset();
    }

    fn frame(&mut self, frame: &Frame<'_>) -> Result<(), MediaFault> {
        let mut sound = std::mem::take(&mut self.sound);
        let decoded = media::decode_payload(&frame.payload, &mut sound);
        if decoded.is_ok() {
            self.fill_gap(frame, sound.len() as u64);
            self.take(&sound);
        }
        self.sound = sound;
        decoded?;
        self.listen();
        self.act_on_answerer();
        self.advance();
        Ok(())
    }

    /// Empties the carrier's queue; gives how much of the clip that played was heard.
    fn stop_playing(&mut self) -> u64 {
        let heard = self.empty_queue();
        self.cut_agent(&heard);
        heard.first().map_or(0, |it| it.heard_ms)
    }

    fn empty_queue(&mut self) -> Vec<super::playout::Heard> {
        let heard = self.playout.clear(self.place.samples);
        if !heard.is_empty() {
            self.commands.push_back(Command::Clear);
            self.log(What::Clear);
        }
        for it in &heard {
            self.note_heard(it);
        }
        heard
    }

    fn note_heard(&mut self, heard: &super::playout::Heard) {
        if self.script.as_ref().is_some_and(|script| script.greeting.key == heard.key) {
            // Of a greeting that was begun anew, the longer hearing counts.
            self.notes.greeting_heard_ms = self.notes.greeting_heard_ms.max(heard.heard_ms);
        }
        self.log(What::Heard { clip: heard.key.clone(), heard_ms: heard.heard_ms, total_ms: heard.total_ms });
    }

    /// The greeting tells that the call is recorded: once it was played, by the carrier's own word, the recording may begin.
    fn notice(&mut self, heard: &super::playout::Heard) {
        let told = heard.proved
            && self.script.as_ref().is_some_and(|it| it.recording == Recording::Both && it.greeting.key == heard.key);
        if told && !std::mem::replace(&mut self.recorded, true) {
            self.commands.push_back(Command::Record);
            self.log(What::Record);
        }
    }

    fn listen_after(&self) -> u64 {
        let span = self.script.as_ref().map_or(0, |script| script.listen_after.as_millis());
        u64::try_from(span).unwrap_or(u64::MAX / 64) * SAMPLES_PER_MS
    }

    fn hear_person(&mut self, then: Then) {
        let wait = match then {
            Then::Greet | Then::Menu => HELLO_MS * SAMPLES_PER_MS,
            Then::Goodbye | Then::End => self.listen_after(),
        };
        let until = self.place.samples + wait;
        let extra = u64::try_from(limits::LISTEN_EXTRA.as_millis()).unwrap_or(0) * SAMPLES_PER_MS;
        self.owner = Owner::Person { until, at_most: until + extra, then };
    }

    /// Moves on when a clip is over or the listening is.
    fn advance(&mut self) {
        while let Some(heard) = self.playout.finished(self.place.samples) {
            self.notice(&heard);
            self.note_heard(&heard);
        }
        let (at, silent) = (self.place.samples, !self.playout.is_playing());
        match self.owner {
            Owner::Greeting if silent => self.greeting_is_over(),
            Owner::Bridge { until } => self.waiting(at, silent, until),
            Owner::Menu { said, until } if silent => self.menu(at, said, until),
            Owner::AskMessage if silent => self.listen_for_message(),
            Owner::Taking { from, until } => self.taking(at, from, until),
            Owner::MessageTaken if silent => self.end(EndCause::Finished),
            Owner::Agent => self.conversation(at),
            Owner::Apology if silent => self.end(EndCause::NoAgent),
            Owner::Person { until, at_most, then } if at >= at_most || (at >= until && !self.speaking) => {
                self.go_on(then)
            }
            Owner::Goodbye if silent => self.end(EndCause::Finished),
            Owner::Confirming if silent => self.end(EndCause::OptedOut),
            Owner::Machine { until } => self.wait_for_beep(until),
            Owner::Message if silent => self.message_is_left(),
            Owner::Introducing if silent => self.wait_to_be_put_through(),
            // Nobody came. What is said now is heard by whoever listens later.
            Owner::Screened { until, .. } if at >= until && !self.speaking => self.leave_message(),
            Owner::Message | Owner::Introducing | Owner::Screened { .. } => {}
            Owner::Opening | Owner::Greeting | Owner::Person { .. } | Owner::StoringOptOut { .. } => {}
            Owner::Confirming | Owner::Goodbye | Owner::Over => {}
            Owner::Apology | Owner::Transferring { .. } | Owner::Promising { .. } => {}
            Owner::Menu { .. } | Owner::AskMessage | Owner::MessageTaken => {}
        }
        let max_call = self.script.as_ref().map(|script| script.max_call.as_millis());
        if max_call.is_some_and(|most| u128::from(self.media_ms()) >= most) {
            self.end(EndCause::MaxCall);
        }
    }

    /// The callee has spoken, or said nothing.
    fn go_on(&mut self, then: Then) {
        let (owner, clip) = match (then, &self.script) {
            (Then::Greet, Some(script)) => (Owner::Greeting, Some(script.greeting.clone())),
            (Then::Menu, Some(_)) => return self.offer_menu(0),
            (Then::Goodbye, Some(script)) => (Owner::Goodbye, script.goodbye.clone()),
            (Then::End, _) | (_, None) => (Owner::Over, None),
        };
        match clip {
            Some(clip) => {
                self.owner = owner;
                self.play(clip);
            }
            None => self.end(EndCause::Finished),
        }
    }

    fn tick(&mut self, now: Boot) {
        let over = match self.owner {
            Owner::Opening => (now >= self.opened + limits::STREAM_START).then_some(EndCause::NeverStarted),
            Owner::StoringOptOut { by } if now >= by => Some(EndCause::OptedOut),
            Owner::Transferring { by, taken: false } if now >= by => return self.no_agent(),
            Owner::Promising { by } if now >= by => return self.promised(false),
            Owner::Transferring { .. } | Owner::Promising { .. } => self.too_long(now),
            Owner::StoringOptOut { .. } | Owner::Greeting | Owner::Person { .. } => self.too_long(now),
            Owner::Confirming | Owner::Goodbye | Owner::Over => self.too_long(now),
            Owner::Machine { .. } | Owner::Message => self.too_long(now),
            Owner::Introducing | Owner::Screened { .. } => self.too_long(now),
            Owner::Bridge { .. } | Owner::Agent | Owner::Apology => self.too_long(now),
            Owner::Menu { .. } | Owner::AskMessage | Owner::Taking { .. } | Owner::MessageTaken => self.too_long(now),
        };
        if let Some(cause) = over {
            self.end(cause);
        }
    }

    fn too_long(&self, now: Boot) -> Option<EndCause> {
        let max_call = self.script.as_ref().map(|script| script.max_call);
        if now >= self.heard_from + limits::STREAM_IDLE {
            Some(EndCause::Idle)
        } else {
            max_call.is_some_and(|most| now >= self.started + most).then_some(EndCause::MaxCall)
        }
    }

    fn end(&mut self, cause: EndCause) {
        if self.owner == Owner::Over {
            return;
        }
        for heard in self.playout.clear(self.place.samples) {
            self.note_heard(&heard);
        }
        // Nobody would hear the answer.
        self.talk.turn_open = false;
        if let Some(Edge::Off { start_ms, end_ms }) = self.segmenter.as_mut().and_then(Segmenter::finish) {
            self.note_speech(start_ms, end_ms);
        }
        self.hand_over_sound();
        self.keep_message();
        self.full_box(cause);
        self.owner = Owner::Over;
        self.notes.cause = Some(cause);
        self.log(What::End { cause });
        self.commands.push_back(Command::Close);
    }
}

mod desk;
mod hearing;
mod keys;
mod machine;
mod sound;
mod switch;
mod talk;
#[cfg(test)]
mod tests;
