//! Sound in memory: frames, µ-law and A-law, resampling, trimming, loudness, WAV.
//!
//! Every step from an engine's samples to the file is integer or strictly ordered IEEE arithmetic,
//! so that the same samples give the same file on every CPU.

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
