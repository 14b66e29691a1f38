//! How loud a phrase is, and making it as loud as a telephone wants it.
//!
//! Level by ITU-T P.56, method B; peaks between the samples by fourfold oversampling; gain in fixed point. Floating point
//! is used in strict order with `libm` only, so a phrase gets the same gain on every CPU.

use super::resample::Filter;
use super::{Pcm, SoundFault};

/// Active speech level of every asset, dBov: what ITU-T P.830 and telephone networks are made for.
pub const TARGET_DBOV: f32 = -26.0;
/// True peak of every asset stays at or below this, dBov.
pub const PEAK_DBOV: f32 = -1.0;
/// Largest gain, dB: what needs more is not a quiet voice but a broken one, and its noise would be amplified too.
pub const GAIN_MAX_DB: f32 = 30.0;

/// Time constant of the envelope, s (P.56 table 1).
const ENVELOPE_S: f64 = 0.03;
/// Hangover, ms (P.56 table 1).
const HANGOVER_MS: u64 = 200;
/// Margin between active level and threshold, dB (P.56 table 1).
const MARGIN_DB: f64 = 15.9;
/// Thresholds 2^0 … 2^14 sample steps.
const THRESHOLDS: usize = 15;
/// Full scale squared: 0 dBov is the power of a full-scale square wave.
const FULL_POWER: f64 = 32_768.0 * 32_768.0;

/// No part of the sound is active: it is silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nothing in it is loud enough to be speech")]
pub struct Silent;

fn db(power: f64) -> f64 {
    10.0 * libm::log10(power)
}

/// Power over all samples, pauses included.
///
/// Returns dBov (0 = full-scale square wave, a full-scale sine is −3.01), or negative infinity for digital silence.
pub fn rms_dbov(samples: &[i16]) -> f32 {
    if samples.is_empty() {
        return f32::NEG_INFINITY;
    }
    db(energy(samples) as f64 / samples.len() as f64 / FULL_POWER) as f32
}

fn energy(samples: &[i16]) -> u64 {
    samples.iter().map(|s| u64::from(s.unsigned_abs()) * u64::from(s.unsigned_abs())).sum()
}

/// Active speech level of a phrase: its power while somebody speaks, pauses left out.
///
/// `samples`: mono PCM16 at `rate` Hz (8 000 to 48 000). Returns dBov (0 = full-scale square wave), or `Silent`.
/// Source: ITU-T P.56, method B: envelope of two 30 ms averages, thresholds at powers of two, 200 ms hangover, margin
/// 15.9 dB. Simplified: between two thresholds the crossing is found on straight lines in dB, and the power is taken
/// without removing DC.
pub fn active_level_dbov(samples: &[i16], rate: u32) -> Result<f32, Silent> {
    let counts = activity(samples, rate);
    let energy = energy(samples) as f64;
    let mut before: Option<(f64, f64)> = None;
    for (j, count) in counts.into_iter().enumerate() {
        if count == 0 {
            break;
        }
        let active = db(energy / count as f64 / FULL_POWER);
        let threshold = db(libm::exp2(2.0 * j as f64) / FULL_POWER);
        let distance = active - threshold - MARGIN_DB;
        if distance <= 0.0 {
            let level = match before {
                Some((last_active, last_distance)) => {
                    last_active + (active - last_active) * last_distance / (last_distance - distance)
                }
                // Even the lowest threshold is too near: fainter than 16 dB over one quantising step.
                None => return Err(Silent),
            };
            return Ok(level as f32);
        }
        before = Some((active, distance));
    }
    // No crossing: either too faint for any threshold, or so dense (a square wave) that the last threshold stands.
    before.map(|(active, _)| active as f32).ok_or(Silent)
}

/// For every threshold, how many samples are active: the envelope reaches it, or did within the hangover.
///
/// The envelope crosses a power of two a few hundred times in a phrase, so samples between two crossings are counted
/// together: the same counts as sample by sample, at a fifth of the time.
fn activity(samples: &[i16], rate: u32) -> [u64; THRESHOLDS] {
    let keep = libm::exp(-1.0 / (f64::from(rate) * ENVELOPE_S));
    let take = 1.0 - keep;
    let mut tally =
        Tally { counts: [0; THRESHOLDS], left: [0; THRESHOLDS], hangover: HANGOVER_MS * u64::from(rate) / 1_000 };
    let (mut p, mut q) = (0.0f64, 0.0f64);
    let (mut reached, mut run) = (0usize, 0u64);
    for sample in samples {
        p = keep * p + take * f64::from(sample.unsigned_abs());
        q = keep * q + take * p;
        let now = thresholds_under(q);
        if now != reached {
            tally.add(reached, run);
            (reached, run) = (now, 0);
        }
        run += 1;
    }
    tally.add(reached, run);
    tally.counts
}

/// How many of the thresholds 2^0 … 2^14 a non-negative envelope reaches: its binary exponent, plus one.
fn thresholds_under(envelope: f64) -> usize {
    let exponent = (envelope.to_bits() >> 52) as i64 - 1_023;
    (exponent + 1).clamp(0, THRESHOLDS as i64) as usize
}

struct Tally {
    counts: [u64; THRESHOLDS],
    /// Samples of hangover that are left, per threshold.
    left: [u64; THRESHOLDS],
    hangover: u64,
}

impl Tally {
    /// Adds `run` samples during which the envelope reaches the first `reached` thresholds.
    fn add(&mut self, reached: usize, run: u64) {
        if run == 0 {
            return;
        }
        for j in 0..THRESHOLDS {
            if j < reached {
                self.counts[j] += run;
                self.left[j] = self.hangover;
            } else {
                let hung = self.left[j].min(run);
                self.counts[j] += hung;
                self.left[j] -= hung;
            }
        }
    }
}

/// Highest peak, between the samples too (fourfold oversampling).
///
/// Returns dBov (0 = the amplitude 32 768), or negative infinity for digital silence.
pub fn true_peak_dbov(samples: &[i16]) -> f32 {
    let on = samples.iter().map(|s| i64::from(s.unsigned_abs())).max().unwrap_or(0) << 30;
    let peak = on.max(Filter::new(1, 4, 4).peak(samples));
    if peak == 0 {
        return f32::NEG_INFINITY;
    }
    db(libm::pow(peak as f64 / libm::exp2(45.0), 2.0)) as f32
}

/// What levelling did.
#[derive(Debug, Clone, PartialEq)]
pub struct Levelled {
    /// The sound at its new level.
    pub pcm: Pcm,
    /// The gain, dB.
    pub gain_db: f32,
    /// Active speech level after it, dBov.
    pub level_dbov: f32,
    /// True peak after it, dBov.
    pub true_peak_dbov: f32,
}

/// Brings a phrase to an active speech level of `target_dbov`, as far as its true peak stays at or below −1 dBov.
///
/// The gain is one factor for the whole phrase, so nothing is compressed. Refused: silence, and sound that would need
/// more than 30 dB.
pub fn level_to(pcm: &Pcm, target_dbov: f32) -> Result<Levelled, SoundFault> {
    let level = active_level_dbov(&pcm.samples, pcm.rate).map_err(|Silent| SoundFault::Silent)?;
    let wanted = f64::from(target_dbov) - f64::from(level);
    if wanted > f64::from(GAIN_MAX_DB) {
        return Err(SoundFault::Faint { level_dbov: level });
    }
    // A hair under the guard, because the scaled samples are rounded.
    let room = f64::from(PEAK_DBOV) - f64::from(true_peak_dbov(&pcm.samples)) - 0.01;
    let gain_db = if wanted < room { wanted } else { room };
    let factor = libm::floor(libm::pow(10.0, gain_db / 20.0) * 65_536.0) as i64;
    let scale = |s: &i16| ((i64::from(*s) * factor + 32_768) >> 16).clamp(-32_768, 32_767) as i16;
    let pcm = Pcm { samples: pcm.samples.iter().map(scale).collect(), rate: pcm.rate };
    let level_dbov = active_level_dbov(&pcm.samples, pcm.rate).map_err(|Silent| SoundFault::Silent)?;
    let true_peak_dbov = true_peak_dbov(&pcm.samples);
    Ok(Levelled { pcm, gain_db: gain_db as f32, level_dbov, true_peak_dbov })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{noise, sine};
    use super::*;

    #[test]
    fn a_full_scale_square_wave_is_zero_dbov_and_a_sine_three_less() {
        let square: Vec<i16> = (0..8_000).map(|i| if i % 16 < 8 { 32_767 } else { -32_767 }).collect();
        assert!(rms_dbov(&square).abs() < 0.001);
        assert!((rms_dbov(&sine(8_000, 500.0, 1.0, 32_767).samples) + 3.01).abs() < 0.01);
        assert_eq!(rms_dbov(&[0; 80]), f32::NEG_INFINITY);
    }

    /// The definition, sample by sample.
    fn activity_by_definition(samples: &[i16], rate: u32) -> [u64; THRESHOLDS] {
        let keep = libm::exp(-1.0 / (f64::from(rate) * ENVELOPE_S));
        let hangover = HANGOVER_MS * u64::from(rate) / 1_000;
        let (mut counts, mut left) = ([0u64; THRESHOLDS], [0u64; THRESHOLDS]);
        let (mut p, mut q) = (0.0f64, 0.0f64);
        for sample in samples {
            p = keep * p + (1.0 - keep) * f64::from(sample.unsigned_abs());
            q = keep * q + (1.0 - keep) * p;
            for j in 0..THRESHOLDS {
                if q >= f64::from(1u32 << j) {
                    (counts[j], left[j]) = (counts[j] + 1, hangover);
                } else if left[j] > 0 {
                    (counts[j], left[j]) = (counts[j] + 1, left[j] - 1);
                }
            }
        }
        counts
    }

    #[test]
    fn counting_runs_gives_the_counts_of_the_definition() {
        let mut sounds = vec![sine(8_000, 500.0, 2.0, 4_000), noise(16_000, 20_000), sine(48_000, 3.0, 2.0, 32_767)];
        let mut bursts = noise(8_000, 40_000);
        for (at, sample) in bursts.samples.iter_mut().enumerate() {
            *sample = if at % 5_000 < 2_000 { *sample >> (at / 5_000) } else { (at % 3) as i16 };
        }
        sounds.push(bursts);
        for pcm in sounds {
            assert_eq!(activity(&pcm.samples, pcm.rate), activity_by_definition(&pcm.samples, pcm.rate));
        }
    }

    #[test]
    fn pauses_do_not_lower_the_active_level() {
        let speech = sine(8_000, 500.0, 2.0, 4_000).samples;
        let steady = active_level_dbov(&speech, 8_000).expect("sound");
        assert!((steady - rms_dbov(&speech)).abs() < 0.3, "{steady}");
        let mut paused = speech.clone();
        paused.extend(vec![0; 32_000]);
        paused.extend(&speech);
        let level = active_level_dbov(&paused, 8_000).expect("sound");
        assert!((level - steady).abs() < 0.6, "{level} against {steady}");
        assert!(rms_dbov(&paused) < steady - 2.5, "the plain mean is what pauses lower");
    }

    #[test]
    fn the_level_does_not_depend_on_the_rate() {
        let narrow = active_level_dbov(&sine(8_000, 500.0, 2.0, 4_000).samples, 8_000).expect("sound");
        let wide = active_level_dbov(&sine(48_000, 500.0, 2.0, 4_000).samples, 48_000).expect("sound");
        assert!((narrow - wide).abs() < 0.02);
    }

    #[test]
    fn silence_has_no_level() {
        assert_eq!(active_level_dbov(&[], 8_000), Err(Silent));
        assert_eq!(active_level_dbov(&[0; 8_000], 8_000), Err(Silent));
        assert_eq!(active_level_dbov(&[1; 8_000], 8_000), Err(Silent));
        assert_eq!(level_to(&Pcm { samples: vec![0; 8_000], rate: 8_000 }, TARGET_DBOV), Err(SoundFault::Silent));
    }

    #[test]
    fn a_peak_between_two_samples_is_seen() {
        // A quarter-rate sine sampled at 45 degrees: its samples stay 3 dB below its peak.
        let samples: Vec<i16> = (0..800).map(|i| if i % 4 < 2 { 14_142 } else { -14_142 }).collect();
        let on = 20.0 * (14_142f32 / 32_768.0).log10();
        let middle = true_peak_dbov(&samples);
        assert!(middle > on + 2.9, "{middle} is between the samples, {on} on them");
    }

    #[test]
    fn every_voice_leaves_at_minus_26_dbov_loud_or_soft() {
        for amplitude in [300, 3_000, 30_000] {
            let out = level_to(&sine(8_000, 500.0, 2.0, amplitude), TARGET_DBOV).expect("sound");
            assert!((out.level_dbov - TARGET_DBOV).abs() < 0.1, "{amplitude}: {}", out.level_dbov);
            assert!(out.true_peak_dbov <= PEAK_DBOV);
        }
    }

    #[test]
    fn a_spiky_sound_stops_at_the_peak_guard_and_never_clips() {
        let mut pcm = sine(8_000, 500.0, 2.0, 300);
        pcm.samples[8_000] = 30_000;
        let out = level_to(&pcm, TARGET_DBOV).expect("sound");
        assert!(out.true_peak_dbov <= PEAK_DBOV, "{}", out.true_peak_dbov);
        assert!(out.level_dbov < TARGET_DBOV - 6.0);
        assert_eq!(super::super::clipped_samples(&out.pcm.samples), 0);
    }

    #[test]
    fn noise_is_not_blown_up_into_speech() {
        let mut hiss = noise(8_000, 8_000);
        hiss.samples.iter_mut().for_each(|s| *s /= 2_000);
        assert!(matches!(level_to(&hiss, TARGET_DBOV), Err(SoundFault::Faint { .. } | SoundFault::Silent)));
    }
}
