//! The other detector: loudness over the line's floor, periodicity and sign changes, as a calibrated probability.
//! No network: some thirty times cheaper, and it takes music, coughs and keys for speech more often.

use super::level::{Floor, crossings, dbov, periodicity};
use super::{CHUNK_8K, Detector};

/// Logistic regression over decibels over the floor, periodicity and crossings; fitted by tools/ear-head.py.
const OVER: f32 = 0.066_15;
const PERIODIC: f32 = 0.391_66;
const CROSSING: f32 = -1.246_94;
const BIAS: f32 = -1.476_94;
/// Under so much over the floor nothing is speech, dB.
const LEAST_DB: f32 = 6.0;
/// Nor under this level, dBov.
const FAINTEST_DBOV: f32 = -66.0;

/// One stream's detector.
#[derive(Debug, Clone)]
pub struct Energy {
    floor: Floor,
    before: [f32; CHUNK_8K],
}

impl Default for Energy {
    fn default() -> Energy {
        Energy { floor: Floor::default(), before: [0.0; CHUNK_8K] }
    }
}

impl Detector for Energy {
    fn chunk_samples(&self) -> usize {
        CHUNK_8K
    }

    fn probability(&mut self, chunk: &[f32]) -> f32 {
        let top = chunk.chunks(CHUNK_8K / 4).map(dbov).fold(-100.0, f32::max);
        let floor = self.floor.dbov();
        self.floor.feed(dbov(chunk));
        let mut both = [0.0; 2 * CHUNK_8K];
        both[..CHUNK_8K].copy_from_slice(&self.before);
        both[CHUNK_8K..].copy_from_slice(chunk);
        self.before.copy_from_slice(chunk);
        if top <= (floor + LEAST_DB).max(FAINTEST_DBOV) {
            return 0.0;
        }
        let over = (top - floor).min(40.0);
        let sum = OVER * over + PERIODIC * periodicity(&both) + CROSSING * crossings(chunk) + BIAS;
        1.0 / (1.0 + (-sum).exp())
    }
}
