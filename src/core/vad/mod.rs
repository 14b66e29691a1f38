//! Voice activity: the probability of speech per 32 ms chunk, and segments made of it.
//!
//! Pure: no clock (a chunk's place is its time), no chance, no I/O. Live calls and replayed ones use the same code.

pub mod gate;
pub mod segment;
pub mod silero;

/// Milliseconds of one chunk.
pub const CHUNK_MS: u64 = 32;
/// Samples of one chunk at 8 kHz.
pub const CHUNK_8K: usize = 256;

/// Whoever gives a probability of speech per chunk. One detector hears one stream.
pub trait Detector {
    /// Samples of one chunk.
    fn chunk_samples(&self) -> usize;
    /// Probability of speech, 0 to 1, in the next chunk.
    ///
    /// `chunk`: mono samples in ±1, exactly [`Detector::chunk_samples`] of them, following the previous chunk.
    fn probability(&mut self, chunk: &[f32]) -> f32;
}
