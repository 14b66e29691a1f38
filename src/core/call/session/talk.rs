//! The agent on the line: when it takes it, what it is told, what becomes of what it says.
//!
//! One owner of the first words: until [`Owner::Agent`] the agent is mute, whatever it sends.

use std::sync::Arc;

use super::super::playout::Heard;
use super::{Command, EndCause, Owner, SAMPLES_PER_MS, Session, Then, What};
use crate::base::text::printable;
use crate::base::{Boot, limits};
use crate::core::agent::{AgentPlan, FromAgent, Recent, ToAgent};
use crate::core::vad::segment::Segmenter;

/// How the agent stands.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Its session is being opened.
    #[default]
    Priming,
    Ready,
    Gone,
}

/// What a session knows of its agent.
#[derive(Default)]
pub(super) struct Talk {
    /// The call has an agent.
    pub(super) expected: bool,
    standing: Standing,
    /// The callee's last seconds, until the agent hears them itself.
    recent: Recent,
    /// From where on the agent is owed the callee's sound.
    owed_from: u64,
    /// Where the first words were over.
    over_at: u64,
    /// The greeting was cut by the callee.
    cut: bool,
    /// Where the segment of speech that is open begins.
    pub(super) speech_from: Option<u64>,
    /// The callee waits for the agent's voice: it has the line, or they have spoken.
    pub(super) awaited: bool,
    /// Where either was last heard.
    quiet_from: u64,
    /// The turn that last sounded.
    turn: Option<Arc<str>>,
    /// A turn that was stopped, by the callee or by the agent's own ear: what still comes of it is not heard.
    void: Option<Arc<str>>,
    /// The agent was told that the callee has the turn.
    pub(super) turn_open: bool,
    /// The call ends when what plays is over.
    hangs: bool,
}

impl Session {
    /// Whether the runner should read no more from the agent until some of it was played.
    pub fn agent_is_ahead(&self) -> bool {
        self.playout.ahead(self.place.samples) > limits::AGENT_AHEAD_SECONDS * 1_000 * SAMPLES_PER_MS
    }

    /// The callee's sound on its way to the agent, or kept for it.
    pub(super) fn agent_hears(&mut self, ulaw: &[u8]) {
        match self.owner {
            _ if !self.talk.expected => {}
            Owner::Agent => self.commands.push_back(Command::Agent(ToAgent::Sound(ulaw.to_vec()))),
            _ => self.talk.recent.push(ulaw),
        }
    }

    fn plan(&self) -> Option<&AgentPlan> {
        self.script.as_ref().and_then(|script| script.agent.as_ref())
    }

    /// The first words are over: the agent's turn, as soon as it is ready. `from_ms`: what the callee said from there on
    /// is for it.
    pub(super) fn hand_over(&mut self, from_ms: u64, cut: bool) {
        let at = self.place.samples;
        let padding = self.script.as_ref().map_or(0, |script| script.vad.prefix_padding.as_millis());
        let padding = u64::try_from(padding).unwrap_or(0) * SAMPLES_PER_MS;
        let from = (from_ms * SAMPLES_PER_MS).saturating_sub(if cut { padding } else { 0 });
        // A word that began under the greeting's last syllable is a word to the agent.
        self.talk.owed_from = self.talk.speech_from.map_or(from, |speech| from.min(speech));
        self.talk.over_at = at;
        self.talk.cut |= cut;
        self.talk.awaited = true;
        match self.talk.standing {
            Standing::Ready => self.take_over(),
            Standing::Gone => self.no_agent(),
            Standing::Priming => {
                self.owner = Owner::Bridge { until: at + self.patience() };
                self.comfort_later(at);
                if let Some(clip) = self.script.as_ref().and_then(|script| script.bridge.clone()) {
                    self.play(clip);
                }
            }
        }
    }

    /// The agent's turn was heard to its end, and the person has not begun theirs.
    fn is_gap(&self, at: u64) -> bool {
        let quiet = at.saturating_sub(self.talk.quiet_from) >= limits::SWITCH_GAP_MS * SAMPLES_PER_MS;
        let waits = self.talk.awaited || self.talk.turn_open || self.talk.hangs;
        self.switching.is_ready() && quiet && !waits && self.talk.speech_from.is_none()
    }

    /// The session that waited is there before the first one had the line: it is the agent from the beginning.
    pub(super) fn begin_with_next(&mut self) {
        self.talk.standing = Standing::Ready;
        self.commands.push_back(Command::Switch);
        self.notes.switched_ms = Some(self.media_ms());
        self.log(What::Switched { said: 0 });
        if let Owner::Bridge { .. } = self.owner {
            self.take_over();
        }
    }

    /// The conversation goes on with the session that waited, which learns what was said.
    pub(super) fn switch(&mut self) {
        let said = self.switching.take();
        self.talk.standing = Standing::Ready;
        (self.talk.turn, self.talk.void) = (None, None);
        self.notes.switched_ms = Some(self.media_ms());
        self.log(What::Switched { said: said.len() as u64 });
        self.commands.push_back(Command::Switch);
        self.commands.push_back(Command::Agent(ToAgent::Resume(said)));
    }

    /// Whether its session is still being opened.
    pub(super) fn agent_is_priming(&self) -> bool {
        self.talk.expected && self.talk.standing == Standing::Priming
    }

    fn take_over(&mut self) {
        let at = self.place.samples;
        if let Owner::Bridge { .. } = self.owner {
            self.notes.waited_ms = Some((at - self.talk.over_at) / SAMPLES_PER_MS);
        }
        self.owner = Owner::Agent;
        let again = std::mem::replace(&mut self.notes.handed_over, true);
        self.talk.quiet_from = at;
        let heard = self.script.as_ref().map_or(String::new(), |it| it.greeting.heard(self.notes.greeting_heard_ms));
        let cut = self.talk.cut && self.notes.greeting_heard_ms < self.notes.greeting_total_ms;
        let owed = self.talk.recent.take_from(self.talk.owed_from);
        self.log(What::HandOver {
            heard: heard.clone(),
            cut,
            owed_ms: owed.len() as u64 / SAMPLES_PER_MS,
            waited_ms: (at - self.talk.over_at) / SAMPLES_PER_MS,
        });
        self.switching.first_words(&heard, cut);
        // Told once: it has the line again after a machine that was a person.
        if !again {
            self.commands.push_back(Command::Agent(ToAgent::TakeOver { heard, cut }));
        }
        if !owed.is_empty() {
            self.commands.push_back(Command::Agent(ToAgent::Sound(owed)));
        }
        let spoken = self.segmenter.as_ref().map_or(0, Segmenter::spoken_until_ms) * SAMPLES_PER_MS;
        if self.speaking {
            self.begin_turn();
        } else if spoken > self.talk.owed_from && !self.segmenter.as_ref().is_some_and(Segmenter::in_speech) {
            // Said and finished while it was waited for.
            let back_ms = (at - self.talk.owed_from.min(at)) / SAMPLES_PER_MS;
            self.commands.push_back(Command::Agent(ToAgent::TurnBegins { back_ms }));
            self.commands.push_back(Command::Agent(ToAgent::TurnEnds));
        } else if self.was_asked_for() {
            self.commands.push_back(Command::Agent(ToAgent::Begin));
        }
    }

    /// The callee's speech counts as a turn: nothing of ours sounds over it.
    pub(super) fn begin_turn(&mut self) {
        let Some(from) = self.talk.speech_from.filter(|_| self.owner == Owner::Agent) else { return };
        let at = self.place.samples;
        if !self.playout.is_sounding(at) && !std::mem::replace(&mut self.talk.turn_open, true) {
            let back_ms = at.saturating_sub(from) / SAMPLES_PER_MS;
            self.commands.push_back(Command::Agent(ToAgent::TurnBegins { back_ms }));
        }
    }

    pub(super) fn end_turn(&mut self) {
        if std::mem::take(&mut self.talk.turn_open) {
            self.commands.push_back(Command::Agent(ToAgent::TurnEnds));
        }
    }

    /// Samples that the agent has to take the line.
    pub(super) fn agent_wait(&self) -> u64 {
        let wait = self.plan().map_or(0, |plan| plan.wait.as_millis());
        u64::try_from(wait).unwrap_or(0) * SAMPLES_PER_MS
    }

    /// There is no agent for a callee who waits for one.
    pub(super) fn apologise(&mut self) {
        self.stop_playing();
        match self.script.as_ref().and_then(|script| script.apology.clone()) {
            Some(clip) => {
                self.owner = Owner::Apology;
                self.play(clip);
            }
            None => self.end(EndCause::NoAgent),
        }
    }

    /// Connects the callee with somebody else, if the campaign names somebody.
    pub(super) fn transfer(&mut self, now: Boot, agent: bool) {
        if !self.listens() || !self.script.as_ref().is_some_and(|script| script.transfers) {
            return;
        }
        self.log(What::Transfer { agent });
        self.stop_playing();
        self.owner = Owner::Transferring { by: now + limits::TRANSFER_WAIT, taken: false };
        self.commands.push_back(Command::Transfer);
        if let Some(clip) = self.script.as_ref().and_then(|script| script.bridge.clone()) {
            self.play(clip);
        }
    }

    pub(super) fn transferred(&mut self, taken: bool) {
        if let Owner::Transferring { by, .. } = self.owner {
            if taken {
                // The carrier ends the stream now.
                self.owner = Owner::Transferring { by, taken };
            } else {
                self.no_agent();
            }
        }
    }

    pub(super) fn agent_says(&mut self, now: Boot, told: FromAgent) {
        let has_line = self.owner == Owner::Agent;
        match told {
            FromAgent::Ready => {
                self.talk.standing = Standing::Ready;
                self.log(What::AgentReady);
                if let Owner::Bridge { .. } = self.owner {
                    self.take_over();
                }
            }
            FromAgent::Sound { turn, ulaw } => self.agent_speaks(&turn, &ulaw),
            FromAgent::Whole { turn } => {
                if let Some(piece) = self.playout.whole(Some(&turn)) {
                    self.commands.push_back(Command::Say(piece));
                }
            }
            FromAgent::Said { turn, text } => {
                self.switching.agent_said(&turn, &text);
                self.log(What::AgentSaid { turn: printable(&turn), text: printable(&text) });
            }
            FromAgent::Understood { text } => {
                self.switching.person_said(&text);
                self.log(What::Understood { text: printable(&text) });
            }
            FromAgent::TurnOver if has_line => {
                // Our own bridge phrase may still sound: what was said before or under it wants an answer.
                if self.playout.is_voicing(self.place.samples) {
                    self.log(What::PassedOver);
                } else {
                    self.commands.push_back(Command::Agent(ToAgent::Answer));
                }
            }
            FromAgent::Interrupted if has_line => {
                self.log(What::AgentStopped);
                self.talk.void.clone_from(&self.talk.turn);
                self.empty_queue();
            }
            FromAgent::Hangs if has_line => {
                self.log(What::AgentHangs);
                self.talk.hangs = true;
                self.conversation(self.place.samples);
            }
            FromAgent::Transfers if has_line => self.transfer(now, true),
            FromAgent::TurnOver | FromAgent::Interrupted | FromAgent::Hangs | FromAgent::Transfers => {}
            FromAgent::Usage(usage) => self.notes.usage += usage,
            FromAgent::Fault { what } => self.log(What::AgentFault { what }),
            FromAgent::Gone { why } => self.agent_is_gone(why),
        }
    }

    fn agent_is_gone(&mut self, why: String) {
        self.talk.standing = Standing::Gone;
        self.log(What::AgentGone { why });
        match self.owner {
            // It had said what it wanted to say.
            Owner::Agent if self.talk.hangs => {
                self.finish_voice();
                self.conversation(self.place.samples);
            }
            // The other session takes its place, whatever the moment.
            Owner::Agent if self.switching.is_ready() => {
                self.switch();
                if self.talk.awaited {
                    // What they said last was for the one that is gone.
                    self.commands.push_back(Command::Agent(ToAgent::Begin));
                }
            }
            Owner::Agent => self.no_agent(),
            Owner::Bridge { .. } => self.no_agent(),
            _ => {}
        }
    }

    fn finish_voice(&mut self) {
        if let Some(piece) = self.playout.whole(None) {
            self.commands.push_back(Command::Say(piece));
        }
    }

    fn agent_speaks(&mut self, turn: &Arc<str>, ulaw: &[u8]) {
        if self.owner != Owner::Agent || ulaw.is_empty() || self.talk.void.as_ref() == Some(turn) {
            return;
        }
        let at = self.place.samples;
        for piece in self.playout.say(turn, ulaw, at) {
            self.commands.push_back(Command::Say(piece));
        }
        if self.talk.turn.as_ref() != Some(turn) {
            self.talk.turn = Some(Arc::clone(turn));
            // Its provider may find the end of a turn before our own ear does.
            let spoken = self.segmenter.as_ref().map_or(0, Segmenter::spoken_until_ms);
            let since = self.talk.over_at.max(spoken * SAMPLES_PER_MS);
            let awaited = std::mem::take(&mut self.talk.awaited);
            let after_ms = awaited.then(|| at.saturating_sub(since) / SAMPLES_PER_MS);
            self.log(What::AgentSpeaks { turn: printable(turn), after_ms });
        }
    }

    /// What was playing was stopped: the agent learns how much of its turns was heard.
    pub(super) fn cut_agent(&mut self, heard: &[Heard]) {
        let mut cuts: Vec<(Arc<str>, u64, bool)> = Vec::new();
        for it in heard {
            let Some((turn, turn_ms)) = &it.turn else { continue };
            let whole = it.heard_ms >= it.total_ms;
            match cuts.last_mut().filter(|(last, ..)| last == turn) {
                // A stretch counts only if all of the one before it was heard.
                Some((_, heard_ms, before)) if *before => (*heard_ms, *before) = (*turn_ms, whole),
                Some(_) => {}
                None => cuts.push((Arc::clone(turn), *turn_ms, whole)),
            }
        }
        if let Some((turn, ..)) = cuts.last() {
            // What still comes of it is void.
            self.talk.void = Some(Arc::clone(turn));
        }
        for (turn, heard_ms, _) in cuts {
            self.switching.was_cut(&turn);
            self.log(What::AgentCut { turn: printable(&turn), heard_ms });
            self.commands.push_back(Command::Agent(ToAgent::Cut { turn, heard_ms }));
        }
    }

    /// The conversation goes on, ends because the agent wants it, or because nobody says anything any more.
    pub(super) fn conversation(&mut self, at: u64) {
        if self.talk.hangs && !self.playout.is_playing() {
            return self.end(EndCause::Finished);
        }
        if self.talk.hangs && !self.playout.is_sounding(at) {
            // A provider that does not mark the ends of its turns: this one was its last.
            self.finish_voice();
        }
        if self.speaking || self.playout.is_sounding(at) {
            self.talk.quiet_from = at;
            self.begin_turn();
            return;
        }
        if self.is_gap(at) {
            self.switch();
        }
        let silence = self.plan().map_or(u128::MAX, |plan| plan.silence.as_millis());
        if u128::from(at.saturating_sub(self.talk.quiet_from) / SAMPLES_PER_MS) >= silence {
            self.stop_playing();
            self.go_on(Then::Goodbye);
        }
    }
}
