//! What a callee's keys do.

use super::{Answerer, AnswererEar, Command, EndCause, Owner, Session, What};
use crate::base::{Boot, limits};

impl Session {
    pub(super) fn key(&mut self, now: Boot, key: char) {
        if self.notes.keys.len() < 64 {
            self.notes.keys.push(key);
        }
        self.log(What::Dtmf { key });
        let person = self.answerer.as_mut().is_some_and(AnswererEar::pressed_a_key);
        let opt_out = self.script.as_ref().and_then(|script| script.keys.opt_out);
        if opt_out == Some(key) && !self.notes.opted_out {
            self.notes.opted_out = true;
            // First of all: the wish is on its way to the ledger.
            self.commands.push_back(Command::OptOut);
            self.stop_playing();
            self.keep_message();
            self.log(What::OptOut);
            self.owner = Owner::StoringOptOut { by: now + limits::OPT_OUT_WAIT };
        }
        let keys = self.script.as_ref().map(|script| script.keys).unwrap_or_default();
        if let (Owner::Taking { .. }, true) = (self.owner, opt_out != Some(key)) {
            // Any key ends a message.
            self.desk_key(now, key);
        } else if keys.transfer == Some(key) {
            self.transfer(now, false);
        } else if keys.repeat == Some(key) {
            self.repeat();
        } else if keys.callback == Some(key) {
            self.call_back();
        } else if keys.message == Some(key) {
            self.wants_to_leave_message();
        } else if opt_out != Some(key) {
            self.desk_key(now, key);
        }
        if person {
            self.answered_by(Answerer::Human);
        }
    }

    /// The greeting once more, for whoever has not been given to an agent.
    fn repeat(&mut self) {
        if let (Owner::Greeting | Owner::Person { .. } | Owner::Menu { .. } | Owner::Goodbye, Some(script)) =
            (self.owner, &self.script)
        {
            let greeting = script.greeting.clone();
            self.stop_playing();
            self.owner = Owner::Greeting;
            self.play(greeting);
        }
    }

    /// They want to be called another time: promised, and the line is free.
    fn call_back(&mut self) {
        let promise = self.script.as_ref().and_then(|script| script.call_back.clone());
        if let (true, Some(clip)) = (self.listens(), promise) {
            self.notes.call_back = true;
            self.log(What::CallBack);
            self.stop_playing();
            self.owner = Owner::Goodbye;
            self.play(clip);
        }
    }

    fn wants_to_leave_message(&mut self) {
        if self.listens() && self.script.as_ref().is_some_and(|script| script.message.is_some()) {
            self.ask_for_message();
        }
    }

    /// A key finds somebody who may choose: nothing of theirs is being written down, and they are not on their way out.
    pub(super) fn listens(&self) -> bool {
        match self.owner {
            Owner::Greeting | Owner::Person { .. } | Owner::Menu { .. } | Owner::Goodbye => true,
            Owner::Bridge { .. } | Owner::Agent => true,
            Owner::Opening | Owner::Apology | Owner::Transferring { .. } | Owner::StoringOptOut { .. } => false,
            Owner::Promising { .. } => false,
            Owner::Confirming | Owner::Machine { .. } | Owner::Message | Owner::Over => false,
            Owner::Introducing | Owner::Screened { .. } => false,
            Owner::AskMessage | Owner::Taking { .. } | Owner::MessageTaken => false,
        }
    }

    pub(super) fn confirm_opt_out(&mut self) {
        match self.script.as_ref().and_then(|script| script.opt_out_confirmed.clone()) {
            Some(clip) => {
                self.owner = Owner::Confirming;
                self.play(clip);
            }
            None => self.end(EndCause::OptedOut),
        }
    }
}
