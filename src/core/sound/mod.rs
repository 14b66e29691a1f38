//! Sound in memory: frames, µ-law and A-law, resampling, trimming, loudness, WAV.
//!
//! Every step from an engine's samples to the file is integer or strictly ordered IEEE arithmetic,
//! so that the same samples give the same file on every CPU.

pub mod blemish;
pub mod form;
pub mod g711;
pub mod g722;
pub mod level;
mod measure;
pub mod pipeline;
pub mod resample;
#[cfg(test)]
pub(in crate::core) mod testing;
pub mod tone;
pub mod trim;
pub mod wav;

/// Samples per millisecond of the telephone network.
pub const SAMPLES_PER_MS: u64 = 8;

pub use g711::{decode_alaw, decode_ulaw, encode_alaw, encode_ulaw};
pub use level::{Silent, active_level_dbov, rms_dbov, true_peak_dbov};
pub use measure::{
    Silences, clipped_samples, leading_silence_ms, longest_inner_silence_ms, silences, trailing_silence_ms,
};

/// Why a sound cannot become an asset.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum SoundFault {
    /// Nothing in it is sound.
    #[error("the sound is silence")]
    Silent,
    /// It would need more gain than is honest.
    #[error("the sound is too faint: {level_dbov:.1} dBov")]
    Faint {
        /// Its active speech level, dBov.
        level_dbov: f32,
    },
    /// A sample rate outside 8 000 to 48 000 Hz.
    #[error("a sample rate of {hz} Hz: 8000 to 48000 is what works here")]
    Rate {
        /// The rate.
        hz: u32,
    },
}

/// Mono sound: 16-bit samples at `rate` Hz.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pcm {
    /// Samples, full scale ±32 768.
    pub samples: Vec<i16>,
    /// Samples per second, 8 000 to 48 000.
    pub rate: u32,
}

impl Pcm {
    /// Length in milliseconds, rounded down.
    pub fn duration_ms(&self) -> u64 {
        if self.rate == 0 { 0 } else { self.samples.len() as u64 * 1_000 / u64::from(self.rate) }
    }
}
