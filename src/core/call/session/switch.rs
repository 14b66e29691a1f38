//! An agent whose voice changes in the call: a second session is opened with the caller's own voice beside the first, is
//! told what was said, and takes over in a gap between two turns. If it fails, the first goes on.

use super::{Session, What};
use crate::base::limits;
use crate::base::text::printable;
use crate::core::agent::{FromAgent, Line, Speaker};

/// What a session knows of the agent that waits.
#[derive(Default)]
pub(super) struct Switching {
    /// It is open and knows its task.
    ready: bool,
    /// What was said so far, oldest first; agents' lines with their turn.
    said: Vec<(Option<String>, Line)>,
}

impl Switching {
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    fn say(&mut self, turn: Option<String>, line: Line) {
        if line.text.is_empty() {
            return;
        }
        if self.said.len() >= limits::SWITCH_LINES {
            self.said.remove(0);
        }
        self.said.push((turn, line));
    }

    /// So much of the first words was heard.
    pub fn first_words(&mut self, heard: &str, cut: bool) {
        self.say(None, Line { who: Speaker::Agent, text: heard.to_owned(), cut });
    }

    /// A turn of the agent, or what it has corrected it to.
    pub fn agent_said(&mut self, turn: &str, text: &str) {
        let text = short(text);
        match self.said.iter_mut().find(|(of, _)| of.as_deref() == Some(turn)) {
            Some((_, line)) => line.text = text,
            None => self.say(Some(turn.to_owned()), Line { who: Speaker::Agent, text, cut: false }),
        }
    }

    /// The person spoke over the rest of a turn.
    pub fn was_cut(&mut self, turn: &str) {
        if let Some((_, line)) = self.said.iter_mut().find(|(of, _)| of.as_deref() == Some(turn)) {
            line.cut = true;
        }
    }

    pub fn person_said(&mut self, text: &str) {
        self.say(None, Line { who: Speaker::Person, text: short(text), cut: false });
    }

    /// What was said, for the session that takes over: it waits no more.
    pub fn take(&mut self) -> Vec<Line> {
        self.ready = false;
        std::mem::take(&mut self.said).into_iter().map(|(_, line)| line).collect()
    }
}

fn short(text: &str) -> String {
    text.trim().chars().take(limits::AGENT_WORDS).collect()
}

impl Session {
    /// The session that waits says something. It has no line: of what it says only this counts.
    pub(super) fn next_agent_says(&mut self, told: FromAgent) {
        match told {
            FromAgent::Ready if self.notes.switched_ms.is_some() => {}
            FromAgent::Ready if self.notes.handed_over => self.switching.ready = true,
            FromAgent::Ready => self.begin_with_next(),
            FromAgent::Usage(usage) => self.notes.usage += usage,
            FromAgent::Gone { why } => {
                self.switching.ready = false;
                let what = format!("the session with the caller's voice: {}", printable(&why));
                self.log(What::AgentFault { what });
            }
            FromAgent::Fault { what } => self.log(What::AgentFault { what }),
            FromAgent::Sound { .. } | FromAgent::Whole { .. } | FromAgent::Said { .. } => {}
            FromAgent::Understood { .. } | FromAgent::TurnOver | FromAgent::Interrupted => {}
            FromAgent::Hangs | FromAgent::Transfers => {}
        }
    }
}
