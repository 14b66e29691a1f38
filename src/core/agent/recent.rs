//! The callee's last seconds: what an agent that is not ready yet is owed.

use std::collections::VecDeque;

use crate::base::limits;
use crate::core::sound::SAMPLES_PER_MS;

/// Most samples kept.
const MOST: usize = limits::AGENT_OWED_SECONDS * 1_000 * SAMPLES_PER_MS as usize;

/// Sound up to now, at most [`limits::AGENT_OWED_SECONDS`].
#[derive(Debug, Default)]
pub struct Recent {
    sound: VecDeque<u8>,
    /// Place after the last sample.
    end: u64,
}

impl Recent {
    /// Takes sound, µ-law.
    pub fn push(&mut self, ulaw: &[u8]) {
        self.sound.extend(ulaw);
        self.end += ulaw.len() as u64;
        let surplus = self.sound.len().saturating_sub(MOST);
        self.sound.drain(..surplus);
    }

    /// The last so many samples, as far as they are kept; nothing is kept any longer.
    pub fn take_last(&mut self, samples: u64) -> Vec<u8> {
        self.take_from(self.end.saturating_sub(samples))
    }

    /// What came from this place on, as far as it is kept; it is kept no longer.
    pub fn take_from(&mut self, place: u64) -> Vec<u8> {
        let wanted = usize::try_from(self.end.saturating_sub(place)).unwrap_or(usize::MAX).min(self.sound.len());
        let taken = self.sound.split_off(self.sound.len() - wanted).into();
        self.sound = VecDeque::new();
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_seconds_are_kept_and_no_more() {
        let mut recent = Recent::default();
        for second in 0..40_u8 {
            recent.push(&[second; 8_000]);
        }
        let taken = recent.take_from(8_000 * 39 + 7_999);
        assert_eq!(taken, [39], "the last sample");
        for second in 40..50_u8 {
            recent.push(&[second; 8_000]);
        }
        assert_eq!(recent.take_from(0).len(), 80_000, "what was taken is gone");
        for _ in 0..40 {
            recent.push(&[1; 8_000]);
        }
        assert_eq!(recent.take_from(0).len(), MOST);
    }
}
