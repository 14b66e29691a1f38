//! How loud the line is: its level now, and the floor it comes back to when nobody speaks.

/// Chunks of one part of the floor's memory: 192 ms.
const PART: u32 = 6;
/// Parts that it remembers: the floor is the quietest chunk of the last 1.5 s or so.
const PARTS: usize = 8;
/// No line is quieter, dBov: µ-law's smallest steps lie there.
const LOWEST_DBOV: f32 = -75.0;

/// Power of samples in ±1, dBov (0 = a full-scale square wave); −100 of silence.
pub fn dbov(samples: &[f32]) -> f32 {
    let power = samples.iter().map(|it| it * it).sum::<f32>() / samples.len().max(1) as f32;
    10.0 * (power + 1e-10).log10()
}

/// The level that a line falls back to between words, by the smallest of its recent levels.
#[derive(Debug, Clone)]
pub struct Floor {
    parts: [f32; PARTS],
    at: usize,
    chunks: u32,
    lowest: f32,
    dbov: f32,
}

impl Default for Floor {
    /// A telephone line that was not heard yet.
    fn default() -> Floor {
        Floor { parts: [-60.0; PARTS], at: 0, chunks: 0, lowest: 0.0, dbov: -62.0 }
    }
}

impl Floor {
    /// Its level, dBov, by the chunks before.
    pub fn dbov(&self) -> f32 {
        self.dbov
    }

    /// Takes the next chunk's level, dBov.
    pub fn feed(&mut self, level: f32) {
        self.lowest = self.lowest.min(level);
        self.chunks += 1;
        if self.chunks == PART {
            self.parts[self.at] = self.lowest;
            self.at = (self.at + 1) % PARTS;
            (self.chunks, self.lowest) = (0, 0.0);
        }
        self.dbov = self.parts.iter().copied().fold(self.lowest, f32::min).max(LOWEST_DBOV);
    }
}

/// Lags of the voice's pitch in samples at 8 kHz: 400 to 50 Hz.
const LAGS: std::ops::Range<usize> = 20..160;

/// Sum of products, in eight sums side by side: compilers make vectors of them.
fn product(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 8];
    for (a, b) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum()
}

/// How periodic a sound is: the largest normalised autocorrelation over the lags of a voice, 0 to 1.
///
/// `samples`: the chunk and the one before it, at 8 kHz.
pub fn periodicity(samples: &[f32]) -> f32 {
    let end = samples.len();
    let now = &samples[LAGS.end..];
    let power = product(now, now);
    LAGS.step_by(2)
        .map(|lag| {
            let before = &samples[LAGS.end - lag..end - lag];
            product(now, before) / (power * product(before, before)).sqrt().max(1e-9)
        })
        .fold(0.0, f32::max)
}

/// Share of neighbouring samples between which the sign changes, 0 to 1.
pub fn crossings(chunk: &[f32]) -> f32 {
    let changes = chunk.windows(2).filter(|pair| (pair[0] < 0.0) != (pair[1] < 0.0)).count();
    changes as f32 / chunk.len().max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_follows_a_louder_line_within_two_seconds_and_no_word_lifts_it() {
        let mut floor = Floor::default();
        for _ in 0..60 {
            floor.feed(-63.0);
        }
        assert!((floor.dbov() + 63.0).abs() < 0.01);
        for _ in 0..30 {
            floor.feed(-25.0);
        }
        assert!((floor.dbov() + 63.0).abs() < 0.01, "a word of a second");
        for _ in 0..2_000 / 32 {
            floor.feed(-45.0);
        }
        assert!((floor.dbov() + 45.0).abs() < 0.01, "{}", floor.dbov());
    }

    #[test]
    fn a_voice_is_periodic_and_noise_is_not() {
        let tone: Vec<f32> = (0..512).map(|at| (at as f32 * core::f32::consts::TAU * 120.0 / 8_000.0).sin()).collect();
        assert!(periodicity(&tone) > 0.95);
        let mut random = fastrand::Rng::with_seed(2);
        let noise: Vec<f32> = (0..512).map(|_| random.f32() - 0.5).collect();
        assert!(periodicity(&noise) < 0.4, "{}", periodicity(&noise));
        assert_eq!(periodicity(&[0.0; 512]), 0.0);
        assert!(crossings(&noise) > 0.35 && crossings(&tone) < 0.1);
    }
}
