//! What the ear makes of the callee's sound: turns, and speech that stops us.

use super::super::ear::Next;
use super::super::over::{Verdict, Why};
use super::super::words::BargeInNote;
use super::{Command, Owner, SAMPLES_PER_MS, Session, Then, What};
use crate::core::vad::CHUNK_MS;
use crate::core::vad::segment::Edge;

/// Speech segments kept in the summary; the log has all.
const NOTED: usize = 1_000;
/// Runs of speech over our voice that did not stop it and are logged: an echo comes back for as long as we speak.
const HELD_LOGGED: u64 = 100;

impl Session {
    /// Hands chunks to the network, one at a time, and takes what needs none.
    pub(super) fn listen(&mut self) {
        while let Some(next) = self.ear.hear() {
            match next {
                Next::Verdict(probability) => self.verdict(probability),
                Next::Judge(job) => self.commands.push_back(Command::Judge(job)),
            }
        }
        if self.ear.dropped >= self.told_unheard + 10 {
            self.told_unheard = self.ear.dropped;
            self.log(What::Unheard { chunks: self.ear.dropped });
        }
    }

    pub(super) fn verdict(&mut self, probability: f32) {
        let (Some(script), Some(segmenter)) = (&self.script, &mut self.segmenter) else { return };
        let (barge_in, edge) = (script.barge_in, segmenter.feed(probability));
        self.judged_chunks += 1;
        let at = self.place.samples;
        let ours = self.owner.can_be_stopped()
            && self.playout.is_sounding(at)
            && u128::from(self.playout.playhead(at) / SAMPLES_PER_MS) >= barge_in.protect.as_millis();
        let known = self.over.way().is_some();
        match self.over.feed(probability, self.judged_chunks - 1, ours, &barge_in) {
            Verdict::Quiet => {}
            Verdict::Stop(chunks) => self.barge_in((self.judged_chunks - chunks) * CHUNK_MS),
            Verdict::Held(why, chunks) => {
                if let Some(answerer) = self.answerer.as_mut().filter(|_| why == Why::Echo) {
                    answerer.was_ours(self.judged_chunks * CHUNK_MS);
                }
                self.hold(why, (self.judged_chunks - chunks) * CHUNK_MS);
            }
        }
        if let Some(way) = self.over.way().filter(|_| !known) {
            let loss_db = way.loss_db().round().max(0.0) as u32;
            self.log(What::Echo { delay_ms: way.delay_ms(), loss_db });
        }
        match edge {
            None => {}
            Some(Edge::On { onset_ms, start_ms }) => {
                self.speaking = true;
                self.talk.speech_from = Some(start_ms * SAMPLES_PER_MS);
                self.talk.awaited = true;
                self.begin_turn();
                self.log(What::SpeechOn { onset_ms, start_ms });
                self.machine_speaks(onset_ms);
            }
            Some(Edge::Off { start_ms, end_ms }) => self.speech_off(start_ms, end_ms),
        }
    }

    pub(super) fn note_speech(&mut self, start_ms: u64, end_ms: u64) {
        self.speaking = false;
        self.talk.speech_from = None;
        self.end_turn();
        if self.notes.speech_segments.len() < NOTED {
            self.notes.speech_segments.push((start_ms, end_ms));
        }
        self.log(What::SpeechOff { start_ms, end_ms });
    }

    pub(super) fn speech_off(&mut self, start_ms: u64, end_ms: u64) {
        self.note_speech(start_ms, end_ms);
        if let Some(answerer) = &mut self.answerer {
            answerer.speech_off(end_ms);
        }
        self.heard_after_our_word(start_ms, end_ms);
        let listen_after = self.listen_after();
        if let Owner::Person { until, then, .. } = &mut self.owner {
            match then {
                // They wait for us to speak.
                Then::Greet => *until = self.place.samples,
                Then::Menu | Then::Goodbye | Then::End => *until = (*until).max(end_ms * SAMPLES_PER_MS + listen_after),
            }
        }
    }

    /// It would have stopped us, were it not for what it is.
    fn hold(&mut self, why: Why, onset_ms: u64) {
        if self.held_from != Some(onset_ms) {
            self.held_from = Some(onset_ms);
            self.held += 1;
            if self.held <= HELD_LOGGED {
                self.log(What::Held { onset_ms, why });
            }
        }
    }

    fn barge_in(&mut self, onset_ms: u64) {
        let owner = self.owner;
        self.log(What::BargeIn { onset_ms });
        let heard_ms = self.stop_playing();
        self.notes.barge_ins.push(BargeInNote {
            speech_onset_media_ms: onset_ms,
            clear_media_ms: self.media_ms(),
            heard_ms,
        });
        let restart_under = self.script.as_ref().map_or(0, |script| script.barge_in.restart_under.as_millis());
        let cut_short = self.notes.barge_ins.len() == 1 && u128::from(heard_ms) < restart_under;
        match owner {
            Owner::Greeting if cut_short => self.hear_person(Then::Greet),
            Owner::Greeting if self.has_menu() => self.hear_person(Then::Menu),
            Owner::Greeting if self.talk.expected => self.hand_over(onset_ms, true),
            Owner::Greeting => self.hear_person(Then::Goodbye),
            // They go on with the agent, or wait for it in silence.
            Owner::Agent | Owner::Bridge { .. } => {}
            _ => self.hear_person(Then::End),
        }
    }
}
