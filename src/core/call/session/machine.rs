//! A machine on the line: hang up, or wait for its beep and leave our message from its start.

use super::super::answerer::Heard;
use super::{Answerer, AnswererEar, EndCause, Owner, SAMPLES_PER_MS, Session, Then, What};
use crate::base::limits;

impl Session {
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
                        Owner::Opening | Owner::Greeting | Owner::Person { .. } | Owner::StoringOptOut { .. } => {}
                        Owner::Confirming | Owner::Goodbye | Owner::Over => {}
                        Owner::Bridge { .. } | Owner::Agent | Owner::Apology | Owner::Transferring { .. } => {}
                        // A caller is no machine.
                        Owner::Menu { .. } | Owner::AskMessage | Owner::Taking { .. } | Owner::MessageTaken => {}
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
                Answerer::Voicemail,
            ) => {
                if self.script.as_ref().is_some_and(|script| script.machines.message.is_some()) {
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
            (_, Answerer::Fax | Answerer::FullBox) => self.end(EndCause::Machine),
            (_, Answerer::Human | Answerer::Unsure | Answerer::Voicemail) => {}
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

    /// Machines without a beep are silent instead.
    pub(super) fn wait_for_beep(&mut self, until: u64) {
        let spoken_until = self.answerer.as_ref().map_or(0, AnswererEar::ended_at);
        let quiet_ms = self.media_ms().saturating_sub(spoken_until);
        if !self.speaking && u128::from(quiet_ms) >= limits::BEEPLESS_SILENCE.as_millis() {
            self.leave_message();
        } else if self.place.samples >= until {
            self.end(EndCause::Machine);
        }
    }

    fn leave_message(&mut self) {
        self.stop_playing();
        match self.script.as_ref().and_then(|script| script.machines.message.clone()) {
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
