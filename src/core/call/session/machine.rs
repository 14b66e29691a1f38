//! A machine on the line: hang up, or wait for its beep and leave our message from its start.

use super::super::answerer::Heard;
use super::{Answerer, AnswererEar, Command, EndCause, Owner, SAMPLES_PER_MS, Session, Then, What};
use crate::base::limits;
use crate::base::text::printable;
use crate::core::call::MachinePlan;
use crate::core::call::asked;

/// A machine's first words, for somebody to put down.
#[derive(Default)]
pub(super) struct FirstWords {
    /// Their sound, µ-law, until it is asked about.
    sound: Vec<u8>,
    /// It was asked about; the answer is waited for until here (samples).
    asked: Option<u64>,
    /// What it is by them.
    who: Option<Answerer>,
}

impl Session {
    /// Keeps the callee's first sounds, if somebody may have to put them down.
    pub(super) fn keep_first_words(&mut self, ulaw: &[u8]) {
        let wanted = self.words.asked.is_none() && self.machines().is_some_and(|it| it.words.is_some());
        let most = usize::try_from(limits::FIRST_WORDS.as_millis()).unwrap_or(0) * SAMPLES_PER_MS as usize;
        if wanted && self.words.sound.len() < most {
            self.words.sound.extend_from_slice(ulaw);
        }
    }

    /// The words came, or there are none.
    pub(super) fn machine_said(&mut self, text: Option<String>) {
        self.words.asked = Some(0);
        let Some(text) = text.map(|text| printable(&text)) else { return };
        self.words.who = asked::of_words(&text);
        self.log(What::MachineSaid { text });
        // Its beep, a key, or its owner may have been faster.
        if let (Owner::Machine { .. }, Some(Answerer::Voicemail)) = (self.owner, self.words.who)
            && self.machines().is_some_and(|it| it.message.is_none())
        {
            return self.end(EndCause::Machine);
        }
        if let (Owner::Machine { .. }, Some(who)) = (self.owner, self.words.who)
            && self.answerer.as_mut().is_some_and(|ear| ear.told(who))
        {
            self.answered_by(who);
        }
    }

    /// Asks what was said, once; whether the answer is still waited for.
    fn words_are_awaited(&mut self, quiet: bool) -> bool {
        let at = self.place.samples;
        if let Some(until) = self.words.asked {
            return at < until;
        }
        let Some(language) = self.machines().and_then(|it| it.words.clone()) else { return false };
        let most = limits::FIRST_WORDS.as_millis() * u128::from(SAMPLES_PER_MS);
        if quiet || self.words.sound.len() as u128 >= most {
            let wait = u64::try_from(limits::WORDS_WAIT.as_millis()).unwrap_or(0) * SAMPLES_PER_MS;
            self.words.asked = Some(at + wait);
            self.commands.push_back(Command::Understand(language, std::mem::take(&mut self.words.sound)));
        }
        true
    }

    /// Does what our ear for machines has found out.
    pub(super) fn act_on_answerer(&mut self) {
        for heard in std::mem::take(&mut self.told) {
            if self.owner == Owner::Over {
                // Nothing follows the end, which the word before may have been.
                return;
            }
            match heard {
                Heard::Is(who) => self.answered_by(who),
                Heard::Beep(tone) => {
                    self.log(What::Beep { hertz: tone.hertz.round() as u32, ms: tone.ms });
                    match self.owner {
                        // A beep after its last pause: what we had begun to say is not on the tape.
                        Owner::Machine { .. } | Owner::Message => self.leave_message(),
                        // It asked for a message, not for our name.
                        Owner::Introducing | Owner::Screened { .. } => self.leave_message(),
                        Owner::Opening | Owner::Greeting | Owner::Person { .. } | Owner::StoringOptOut { .. } => {}
                        Owner::Confirming | Owner::Goodbye | Owner::Over => {}
                        Owner::Bridge { .. } | Owner::Agent | Owner::Apology | Owner::Transferring { .. } => {}
                        // A caller is no machine.
                        Owner::Menu { .. } | Owner::AskMessage | Owner::Taking { .. } | Owner::MessageTaken => {}
                        Owner::Promising { .. } => {}
                    }
                }
            }
        }
    }

    pub(super) fn answered_by(&mut self, who: Answerer) {
        self.notes.answerer = Some(who);
        self.log(What::Answerer { who });
        match (self.owner, who) {
            (
                Owner::Greeting | Owner::Person { .. } | Owner::Goodbye | Owner::Bridge { .. } | Owner::Agent,
                Answerer::Voicemail | Answerer::Screening,
            ) => {
                if self.machines().is_some_and(|it| it.message.is_some() || it.screening.is_some()) {
                    self.let_it_speak();
                } else {
                    self.end(EndCause::Machine);
                }
            }
            // A key was pressed: somebody has picked up after all.
            (Owner::Machine { .. } | Owner::Message, Answerer::Human) => {
                self.stop_playing();
                if self.talk.expected {
                    self.hand_over(self.media_ms(), true);
                } else {
                    self.hear_person(Then::Goodbye);
                }
            }
            (Owner::Introducing | Owner::Screened { .. }, Answerer::Human) => self.is_put_through(),
            (_, Answerer::Fax | Answerer::FullBox | Answerer::Menu) => self.end(EndCause::Machine),
            (_, Answerer::Human | Answerer::Unsure | Answerer::Voicemail | Answerer::Screening) => {}
        }
    }

    /// The carrier's opinion. What it calls a machine is one, unless a key was pressed; what it calls a
    /// person changes nothing.
    pub(super) fn carrier_says(&mut self, who: Answerer) {
        let news = self.answerer.as_mut().is_some_and(|ear| who.is_machine() && ear.told(who));
        if news {
            self.answered_by(who);
        }
    }

    /// Speech began: a machine that goes on after a pause has not let us speak yet.
    pub(super) fn machine_speaks(&mut self, onset_ms: u64) {
        if let Some(answerer) = &mut self.answerer {
            answerer.speech_on(onset_ms);
            if self.owner == Owner::Message && !answerer.has_beeped() {
                self.let_it_speak();
            }
        }
    }

    /// The machine has the line until its beep.
    fn let_it_speak(&mut self) {
        self.stop_playing();
        let wait = u64::try_from(limits::BEEP_WAIT.as_millis()).unwrap_or(u64::MAX / 64);
        self.owner = Owner::Machine { until: self.place.samples + wait * SAMPLES_PER_MS };
    }

    fn machines(&self) -> Option<&MachinePlan> {
        self.script.as_ref().map(|script| &script.machines)
    }

    /// Machines without a beep are silent instead; one that asked who calls waits for our word.
    pub(super) fn wait_for_beep(&mut self, until: u64) {
        let spoken_until = self.answerer.as_ref().map_or(0, AnswererEar::ended_at);
        let quiet_ms = self.media_ms().saturating_sub(spoken_until);
        let quiet = |least: std::time::Duration| !self.speaking && u128::from(quiet_ms) >= least.as_millis();
        let (short, asked) = (quiet(limits::ASKED_PAUSE), quiet(limits::ASKED_SILENCE));
        let beepless = quiet(limits::BEEPLESS_SILENCE);
        let beeped = self.answerer.as_ref().is_some_and(AnswererEar::has_beeped);
        if self.words_are_awaited(asked) {
            return self.no_beep_by(until);
        }
        let asks = match self.words.who {
            Some(Answerer::Screening) => short,
            Some(_) => false,
            None => asked,
        };
        if let Some(line) = self.machines().and_then(|it| it.screening.clone())
            && !beeped
            && asks
        {
            if self.notes.answerer != Some(Answerer::Screening) {
                if let Some(ear) = &mut self.answerer {
                    ear.told(Answerer::Screening);
                }
                self.notes.answerer = Some(Answerer::Screening);
                self.log(What::Answerer { who: Answerer::Screening });
            }
            self.owner = Owner::Introducing;
            self.play(line);
        } else if beepless {
            self.leave_message();
        } else {
            self.no_beep_by(until);
        }
    }

    fn no_beep_by(&mut self, until: u64) {
        if self.place.samples >= until {
            self.end(EndCause::Machine);
        }
    }

    /// Our word was said.
    pub(super) fn wait_to_be_put_through(&mut self) {
        let wait = u64::try_from(limits::SCREENING_WAIT.as_millis()).unwrap_or(u64::MAX / 64);
        self.owner = Owner::Screened { until: self.place.samples + wait * SAMPLES_PER_MS, replied: false };
    }

    /// Something was said after our word: "hello?" is short, and so is what a person says after the screener's own words.
    pub(super) fn heard_after_our_word(&mut self, start_ms: u64, end_ms: u64) {
        if let Owner::Screened { until, replied } = self.owner {
            let length = u128::from(end_ms.saturating_sub(start_ms));
            if replied || length <= limits::HELLO_AT_MOST.as_millis() {
                if let Some(ear) = &mut self.answerer {
                    ear.told(Answerer::Human);
                }
                self.answered_by(Answerer::Human);
            } else {
                self.owner = Owner::Screened { until, replied: true };
            }
        }
    }

    /// The owner of the line hears what anybody hears first.
    fn is_put_through(&mut self) {
        self.stop_playing();
        self.go_on(Then::Greet);
    }

    pub(super) fn leave_message(&mut self) {
        self.stop_playing();
        match self.machines().and_then(|it| it.message.clone()) {
            Some(message) => {
                self.owner = Owner::Message;
                self.play(message);
            }
            None => self.end(EndCause::Machine),
        }
    }

    pub(super) fn message_is_left(&mut self) {
        self.notes.message_left = true;
        self.log(What::MessageLeft);
        self.end(EndCause::Machine);
    }

    /// A machine that said its piece and hung up, without a beep: its box is full, or takes no messages.
    pub(super) fn full_box(&mut self, cause: EndCause) {
        let waiting = matches!(self.owner, Owner::Machine { .. });
        let beeped = self.answerer.as_ref().is_some_and(AnswererEar::has_beeped);
        if waiting && cause == EndCause::HungUp && !beeped {
            self.notes.answerer = Some(Answerer::FullBox);
            self.log(What::Answerer { who: Answerer::FullBox });
        }
    }
}
