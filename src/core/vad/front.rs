//! The ear of calls: a front end over Silero's 8 kHz network, and a last layer of our own behind it.
//!
//! What it mends (docs/VAD.md has the figures): a network that has heard seconds of a quiet line is deaf for a short
//! word, so it hears only what rises over the line's own floor and forgets when the line falls back to it; a quiet
//! voice is lifted to a nominal level; and the network's memory says more about a first syllable than its own last
//! layer does. Whether a chunk reaches the network depends on the sound alone, not on settings.

use super::head::{self, Inputs, MEASURES};
use super::level::{Floor, crossings, dbov, periodicity};
use super::silero::{HIDDEN, State, at_8k};
use super::{CHUNK_8K, Detector};

/// A chunk is heard if a quarter of it rises so far over the floor, dB.
const OVER_DB: f32 = 6.0;
/// And at least to this level, dBov.
const FAINTEST_DBOV: f32 = -66.0;
/// Chunks that are still heard after the last that rose: 192 ms, the pause within a word.
const HANG: u32 = 6;
/// Level to which the loudest of late is lifted, dBov, and by how much at most.
const NOMINAL_DBOV: f32 = -22.0;
const GAIN_DB: f32 = 22.0;
/// How fast the loudest of late is forgotten, dB a chunk.
const FADE_DB: f32 = 0.5;
/// Samples of the network's context.
const CONTEXT: usize = 32;

/// One stream's ear. About 3 kB.
#[derive(Debug, Clone)]
pub struct Front {
    state: State,
    floor: Floor,
    before: [f32; CHUNK_8K],
    /// Chunks since one rose over the floor.
    quiet: u32,
    /// Chunks heard since it last forgot; 0 = the chunk before was let pass.
    heard: u32,
    gain: f32,
    loudest: f32,
    level: f32,
    last: f32,
    now: Now,
}

/// What was measured of a chunk.
#[derive(Debug, Clone, Copy, Default)]
struct Now {
    top: f32,
    level: f32,
    over: f32,
    rise: f32,
}

impl Default for Front {
    fn default() -> Front {
        Front {
            state: State::default(),
            floor: Floor::default(),
            before: [0.0; CHUNK_8K],
            quiet: HANG + 1,
            heard: 0,
            gain: 1.0,
            loudest: -40.0,
            level: 0.0,
            last: 0.0,
            now: Now::default(),
        }
    }
}

impl Front {
    /// Measures the next chunk (256 samples in ±1). `true` = it is the line's own quiet: its probability is 0 and the
    /// network need not hear it; otherwise [`Front::judge`] must follow with the same chunk.
    pub fn passes(&mut self, chunk: &[f32]) -> bool {
        assert_eq!(chunk.len(), CHUNK_8K, "a chunk has the network's length");
        let quarters = [0, 1, 2, 3].map(|nth| dbov(&chunk[nth * CHUNK_8K / 4..(nth + 1) * CHUNK_8K / 4]));
        let top = quarters.into_iter().fold(-100.0, f32::max);
        let (level, floor) = (dbov(chunk), self.floor.dbov());
        self.now = Now { top, level, over: top - floor, rise: quarters[3] - quarters[0] };
        self.floor.feed(level);
        self.quiet = if top > (floor + OVER_DB).max(FAINTEST_DBOV) { 0 } else { self.quiet.saturating_add(1) };
        self.loudest = if top > self.loudest { top } else { self.loudest - FADE_DB };
        if self.quiet <= HANG {
            return false;
        }
        self.state.forget();
        (self.heard, self.last) = (0, 0.0);
        self.before.copy_from_slice(chunk);
        true
    }

    /// Probability of speech in the chunk that [`Front::passes`] has just measured: some 40 µs of work.
    pub fn judge(&mut self, chunk: &[f32]) -> f32 {
        head::probability(&self.hear(chunk))
    }

    /// As [`Front::judge`], but gives what the last layer gets: for training it.
    pub fn hear(&mut self, chunk: &[f32]) -> Inputs {
        let now = self.now;
        let floor = now.top - now.over;
        let lift = (NOMINAL_DBOV - self.loudest.max(floor + OVER_DB)).clamp(0.0, GAIN_DB);
        let gain = 10.0_f32.powf(lift / 20.0);
        if self.heard == 0 {
            for (context, sample) in self.state.context_mut().iter_mut().zip(&self.before[CHUNK_8K - CONTEXT..]) {
                *context = sample * gain;
            }
        } else {
            // The context was kept with the gain of the chunk before.
            for context in self.state.context_mut() {
                *context *= gain / self.gain;
            }
        }
        self.gain = gain;
        self.heard = self.heard.saturating_add(1);
        let mut lifted = [0.0; CHUNK_8K];
        for (lifted, sample) in lifted.iter_mut().zip(chunk) {
            *lifted = (sample * gain).clamp(-1.0, 1.0);
        }
        let (network, encoded) = at_8k().hear(&mut self.state, &lifted);
        let measures = self.measures(chunk, network);
        let mut inputs: Inputs = [0.0; 2 * HIDDEN + MEASURES];
        inputs[..HIDDEN].copy_from_slice(self.state.hidden());
        for (input, encoded) in inputs[HIDDEN..].iter_mut().zip(encoded) {
            *input = (0.5 * encoded).min(4.0);
        }
        inputs[2 * HIDDEN..].copy_from_slice(&measures);
        (self.level, self.last) = (now.level, network);
        self.before.copy_from_slice(chunk);
        inputs
    }

    fn measures(&self, chunk: &[f32], network: f32) -> [f32; MEASURES] {
        let mut both = [0.0; 2 * CHUNK_8K];
        both[..CHUNK_8K].copy_from_slice(&self.before);
        both[CHUNK_8K..].copy_from_slice(chunk);
        let sure = network.clamp(1e-4, 0.9999);
        [
            (self.now.over / 20.0).min(2.0),
            self.heard.min(16) as f32 / 8.0,
            (sure / (1.0 - sure)).ln() / 4.0,
            periodicity(&both),
            3.0 * crossings(chunk),
            (self.now.level - self.level).clamp(-30.0, 30.0) / 15.0,
            self.last,
            self.now.rise.clamp(-30.0, 30.0) / 15.0,
        ]
    }
}

impl Detector for Front {
    fn chunk_samples(&self) -> usize {
        CHUNK_8K
    }

    fn probability(&mut self, chunk: &[f32]) -> f32 {
        if self.passes(chunk) { 0.0 } else { self.judge(chunk) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_line_of_any_loudness_passes_and_leaves_no_trace() {
        for level in [0.0005_f32, 0.02] {
            let mut random = fastrand::Rng::with_seed(7);
            let mut front = Front::default();
            let mut chunk = || -> Vec<f32> { (0..CHUNK_8K).map(|_| level * (random.f32() - 0.5)).collect() };
            for _ in 0..200 {
                front.probability(&chunk());
            }
            let passed = (0..300).filter(|_| front.passes(&chunk())).count();
            assert!(passed > 290, "at {level}: {passed}");
            assert_eq!(front.state.hidden(), &[0.0; HIDDEN]);
        }
    }
}
