//! A recording as the embedded carrier makes it: the callee's sound and ours, apart, from the request to the call's end.

use crate::core::sound::g711::ulaw_decode;
use crate::core::sound::wav::two_channel_header;

/// Longest tape: what the demo and tests need. Frames beyond it are not kept.
const MOST_FRAMES: usize = 30_000;

/// Two channels of µ-law, frame by frame.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tape {
    callee: Vec<u8>,
    ours: Vec<u8>,
}

impl Tape {
    /// Adds 20 ms of each side.
    pub fn add(&mut self, callee: &[u8], ours: &[u8]) {
        if self.callee.len() < MOST_FRAMES * 160 {
            self.callee.extend_from_slice(callee);
            self.ours.extend_from_slice(ours);
        }
    }

    /// Seconds, whole, as the carrier tells them.
    pub fn seconds(&self) -> u64 {
        (self.callee.len() / 8_000) as u64
    }

    /// As the carrier serves it: a WAV file of two channels, 16 bits, 8 000 Hz.
    pub fn wav(&self) -> Vec<u8> {
        let bytes = u32::try_from(self.callee.len() * 4).unwrap_or(u32::MAX);
        let mut file = Vec::with_capacity(44 + self.callee.len() * 4);
        file.extend_from_slice(&two_channel_header(bytes));
        for (callee, ours) in self.callee.iter().zip(&self.ours) {
            file.extend_from_slice(&ulaw_decode(*callee).to_le_bytes());
            file.extend_from_slice(&ulaw_decode(*ours).to_le_bytes());
        }
        file
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_wav_of_two_channels() {
        let mut tape = Tape::default();
        tape.add(&[0x00; 160], &[0xff; 160]);
        let wav = tape.wav();
        assert_eq!(&wav[22..24], &2_u16.to_le_bytes(), "two channels");
        assert_eq!(crate::core::call::recording::check_wav(&wav[..12], wav.len() as u64), Ok(()));
        assert_eq!(wav.len(), 44 + 160 * 4);
        assert_eq!(wav[44..46], ulaw_decode(0x00).to_le_bytes(), "the callee is the first channel");
        assert_eq!(wav[46..48], [0, 0]);
    }
}
