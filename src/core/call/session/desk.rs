//! A desk's part of a call: the menu, the wait for a voice. And a message, which callees leave too.

use super::{Command, EndCause, Owner, SAMPLES_PER_MS, Session, Then, What};
use crate::base::{Boot, limits};
use crate::core::call::{DeskScript, MessageScript};
use crate::core::config::{Failing, NoKey};
use crate::core::vad::segment::Segmenter;

/// A message that has not begun is waited for this many times as long as a pause in it.
const FIRST_WORDS: u64 = 2;

/// What a session knows of its desk.
#[derive(Default)]
pub(super) struct DeskState {
    /// Where the menu was first said.
    menu_from: Option<u64>,
    /// When somebody who waits is comforted next.
    comfort_at: u64,
    /// The cloned voice was given up.
    own_voice: bool,
    /// The caller chose the agent, or the menu did for them: it is the agent's turn to speak.
    asked: bool,
}

impl Session {
    fn desk(&self) -> Option<&DeskScript> {
        self.script.as_ref().and_then(|script| script.desk.as_ref())
    }

    pub(super) fn has_menu(&self) -> bool {
        self.desk().is_some_and(|desk| desk.menu.is_some() && !desk.closed)
    }

    /// The first words were played to their end.
    pub(super) fn greeting_is_over(&mut self) {
        if self.desk().is_some_and(|desk| desk.closed) {
            self.end(EndCause::Finished);
        } else if self.has_menu() {
            self.offer_menu(0);
        } else if self.talk.expected {
            self.hand_over(self.media_ms(), false);
        } else {
            self.hear_person(Then::Goodbye);
        }
    }

    /// `said`: how often it was said before.
    pub(super) fn offer_menu(&mut self, said: u32) {
        let Some((_, clip)) = self.desk().and_then(|desk| desk.menu.clone()) else { return };
        self.desk.menu_from.get_or_insert(self.place.samples);
        self.owner = Owner::Menu { said, until: None };
        self.log(What::Menu);
        self.play(clip);
    }

    /// The menu was said: a key is waited for, or it was not pressed.
    pub(super) fn menu(&mut self, at: u64, said: u32, until: Option<u64>) {
        let Some((plan, _)) = self.desk().and_then(|desk| desk.menu.as_ref()) else { return };
        let (again, no_key) = (plan.again, plan.no_key);
        match until {
            None => {
                let until = Some(at + samples(plan.wait));
                self.owner = Owner::Menu { said, until };
            }
            // Somebody who speaks is not cut short.
            Some(until) if at < until || self.speaking => {}
            Some(_) if said < again => self.offer_menu(said + 1),
            Some(_) => match no_key {
                NoKey::GoOn => self.ask_for_agent(None),
                NoKey::Message => self.ask_for_message(),
                NoKey::Goodbye => self.go_on(Then::Goodbye),
            },
        }
    }

    /// A key that is none of the campaign's own.
    pub(super) fn desk_key(&mut self, now: Boot, key: char) {
        let menu = self.desk().filter(|desk| !desk.closed).and_then(|desk| desk.menu.as_ref());
        let (go_on, message) = menu.map_or((None, None), |(plan, _)| (Some(plan.go_on), plan.message));
        match self.owner {
            Owner::Greeting | Owner::Person { .. } | Owner::Menu { .. } if go_on == Some(key) => {
                self.chosen();
                if self.agent_is_priming() && self.desk().is_some_and(|desk| desk.promise.is_some()) {
                    self.ask_to_be_called(now);
                } else {
                    self.ask_for_agent(Some(now));
                }
            }
            // Who has waited long enough may leave a message after all.
            Owner::Greeting | Owner::Person { .. } | Owner::Menu { .. } | Owner::Bridge { .. }
                if message == Some(key) =>
            {
                self.chosen();
                self.ask_for_message();
            }
            Owner::Taking { .. } => self.message_is_taken(),
            _ => {}
        }
    }

    fn chosen(&mut self) {
        self.stop_playing();
        let from = self.desk.menu_from.unwrap_or(self.place.samples);
        self.notes.menu_ms.get_or_insert((self.place.samples - from) / SAMPLES_PER_MS);
    }

    /// Their voice is not there: they are called with it. Promised when the wish is durable, not before.
    fn ask_to_be_called(&mut self, now: Boot) {
        self.owner = Owner::Promising { by: now + limits::PROMISE_WAIT };
        self.commands.push_back(Command::Promise);
    }

    /// Nobody is promised what may not be done, or could not be written down: they wait here instead.
    pub(super) fn promised(&mut self, kept: bool) {
        let Owner::Promising { .. } = self.owner else { return };
        match self.desk().and_then(|desk| desk.promise.clone()).filter(|_| kept) {
            Some(clip) => {
                self.notes.call_back = true;
                self.log(What::CallBack);
                self.owner = Owner::Goodbye;
                self.play(clip);
            }
            None => self.ask_for_agent(Some(self.heard_from)),
        }
    }

    /// `now`: a key asked for it.
    fn ask_for_agent(&mut self, now: Option<Boot>) {
        if self.talk.expected {
            self.desk.asked = true;
            self.hand_over(self.media_ms(), now.is_some());
        } else {
            self.transfer(now.unwrap_or(self.heard_from), false);
        }
    }

    /// Whether the agent is to speak first: once.
    pub(super) fn was_asked_for(&mut self) -> bool {
        std::mem::take(&mut self.desk.asked)
    }

    /// How long the agent is waited for, in samples: a desk may have more patience than a campaign.
    pub(super) fn patience(&self) -> u64 {
        self.desk().map_or(self.agent_wait(), |desk| samples(desk.wait))
    }

    pub(super) fn comfort_later(&mut self, at: u64) {
        self.desk.comfort_at = self.desk().map_or(u64::MAX, |desk| at + samples(desk.comfort));
    }

    /// Somebody waits for the agent.
    pub(super) fn waiting(&mut self, at: u64, silent: bool, until: u64) {
        let Some(desk) = self.desk() else {
            if at >= until {
                self.no_agent();
            }
            return;
        };
        if at >= until {
            if desk.clone && desk.failing == Failing::OwnVoice && !self.desk.own_voice {
                self.desk.own_voice = true;
                self.log(What::OwnVoice);
                self.commands.push_back(Command::OwnVoice);
                self.owner = Owner::Bridge { until: at + self.agent_wait() };
            } else {
                self.no_agent();
            }
        } else if silent && at >= self.desk.comfort_at && !self.speaking {
            let clip = desk.comforting.clone();
            self.comfort_later(at);
            if let Some(clip) = clip {
                self.play(clip);
            }
        }
    }

    /// Somebody wants an agent, and there is none: a message, where one is taken, else an apology.
    pub(super) fn no_agent(&mut self) {
        if self.message_script().is_some() {
            self.ask_for_message();
        } else {
            self.apologise();
        }
    }

    fn message_script(&self) -> Option<&MessageScript> {
        self.script.as_ref().and_then(|script| script.message.as_ref())
    }

    pub(super) fn ask_for_message(&mut self) {
        self.stop_playing();
        match self.message_script().cloned() {
            Some(MessageScript { ask, .. }) => {
                self.owner = Owner::AskMessage;
                self.play(ask);
            }
            None => self.apologise(),
        }
    }

    /// The tone is over: from here on every sound is theirs.
    pub(super) fn listen_for_message(&mut self) {
        let Some(plan) = self.message_script().map(|message| message.plan) else { return };
        let from = self.place.samples;
        self.owner = Owner::Taking { from, until: from + samples(plan.most) };
    }

    /// A message is over after its longest time, or after a silence.
    pub(super) fn taking(&mut self, at: u64, from: u64, until: u64) {
        let pause = self.message_script().map_or(0, |it| samples(it.plan.silence));
        let spoken = self.spoken_until();
        let pause = if spoken > from { pause } else { FIRST_WORDS * pause };
        if at >= until || (!self.speaking && at.saturating_sub(spoken.max(from)) >= pause) {
            self.message_is_taken();
        }
    }

    /// Where their last speech ended, in samples.
    fn spoken_until(&self) -> u64 {
        self.segmenter.as_ref().map_or(0, Segmenter::spoken_until_ms) * SAMPLES_PER_MS
    }

    fn message_is_taken(&mut self) {
        self.keep_message();
        let taken = self.message_script().map(|message| message.taken.clone());
        match taken.filter(|_| self.notes.message.is_some()) {
            Some(clip) => {
                self.owner = Owner::MessageTaken;
                self.play(clip);
            }
            // Nothing was said.
            None => self.go_on(Then::Goodbye),
        }
    }

    /// What was said since the tone is a message, however the call ends.
    pub(super) fn keep_message(&mut self) {
        if let Owner::Taking { from, .. } = self.owner
            && (self.speaking || self.spoken_until() > from)
        {
            let (from_ms, to_ms) = (from / SAMPLES_PER_MS, self.media_ms());
            self.notes.message = Some((from_ms, to_ms));
            self.log(What::MessageTaken { from_ms, to_ms });
        }
    }
}

fn samples(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX / 64) * SAMPLES_PER_MS
}
