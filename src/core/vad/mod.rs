//! Voice activity: the probability of speech per 32 ms chunk, and segments made of it.
//!
//! Pure: no clock (a chunk's place is its time), no chance, no I/O. Live calls and replayed ones use the same code.

pub mod energy;
pub mod front;
pub mod head;
pub mod level;
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

/// The detectors that a replay may choose from. Live calls are heard by [`Model::Voice`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Model {
    /// The ear of calls: [`front`].
    #[default]
    Voice,
    /// Loudness over the line's floor: [`energy`].
    Energy,
}

impl Model {
    /// Its version: kept probabilities of another one do not count. Change it with anything that changes a probability.
    pub fn version(self) -> &'static str {
        match self {
            Model::Voice => "voice-3",
            Model::Energy => "energy-1",
        }
    }

    /// A detector at the beginning of a stream.
    pub fn open(self) -> Box<dyn Detector + Send> {
        match self {
            Model::Voice => Box::new(front::Front::default()),
            Model::Energy => Box::new(energy::Energy::default()),
        }
    }
}
