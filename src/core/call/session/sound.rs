//! The callee's sound on its way in: gaps are filled, and it goes to the ear, the agent and the recording.

use super::super::ULAW_SILENCE;
use super::{Command, PART, SAMPLES_PER_MS, Session, What};
use crate::base::limits;
use crate::core::wire::media::Frame;

impl Session {
    /// Puts silence where sound is missing, so that every place stays where the carrier's clock has it.
    pub(super) fn fill_gap(&mut self, frame: &Frame<'_>, length: u64) {
        let missing = match (frame.timestamp, self.place.first_timestamp) {
            (Some(timestamp), Some(first)) => {
                let place = timestamp.saturating_sub(first).saturating_mul(SAMPLES_PER_MS);
                // The carrier's timestamps jitter by some milliseconds: less than two frames is no gap.
                place.checked_sub(self.place.samples).filter(|missing| *missing >= 2 * length.max(160))
            }
            (Some(timestamp), None) => {
                self.place.first_timestamp = Some(timestamp);
                None
            }
            (None, _) => match (frame.chunk, self.place.chunk) {
                (Some(chunk), Some(last)) if chunk > last.saturating_add(1) => (chunk - last - 1).checked_mul(length),
                (Some(_) | None, _) => None,
            },
        };
        self.place.chunk = frame.chunk.or(self.place.chunk);
        let Some(missing) = missing else { return };
        let fill = missing.min(limits::GAP_FILL_MS * SAMPLES_PER_MS);
        if let Some(first) = &mut self.place.first_timestamp {
            // What is not filled is taken off the clock, or it would be missed again with every frame.
            *first += (missing - fill) / SAMPLES_PER_MS;
        }
        self.notes.lost_media_ms += missing / SAMPLES_PER_MS;
        self.log(What::Gap { gap_ms: missing / SAMPLES_PER_MS });
        let silence = [ULAW_SILENCE; 160];
        let mut left = fill as usize;
        while left > 0 {
            let part = left.min(silence.len());
            self.take(&silence[..part]);
            left -= part;
        }
    }

    pub(super) fn take(&mut self, ulaw: &[u8]) {
        self.them.extend_from_slice(ulaw);
        self.playout.read(self.place.samples, ulaw.len(), &mut self.us);
        self.over.push(&self.us[self.us.len() - ulaw.len()..], ulaw);
        self.place.samples += ulaw.len() as u64;
        self.ear.push(ulaw);
        self.agent_hears(ulaw);
        self.keep_first_words(ulaw);
        if let Some(answerer) = &mut self.answerer {
            let told = &mut self.told;
            answerer.sound(ulaw, self.place.samples / SAMPLES_PER_MS, |heard| told.push(heard));
        }
        if self.them.len() >= PART {
            self.hand_over_sound();
        }
    }

    pub(super) fn hand_over_sound(&mut self) {
        if !self.them.is_empty() {
            let them = std::mem::replace(&mut self.them, Vec::with_capacity(PART + 320));
            let us = std::mem::replace(&mut self.us, Vec::with_capacity(PART + 320));
            self.commands.push_back(Command::Sound(them, us));
        }
    }
}
