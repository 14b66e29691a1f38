//! From an engine's sound to an asset's: rate, trimming, level. Every step is the same on every CPU.

use super::level::{TARGET_DBOV, level_to};
use super::resample::resample;
use super::trim::trim;
use super::{Pcm, SoundFault, trailing_silence_ms};

/// Version of the pipeline, part of every fingerprint. It changes whenever the same input may give other samples.
pub const PIPELINE: &str = "1";

/// Longest silence after the last sound of an asset, ms.
pub const TRAILING_MS: u64 = 500;

/// A phrase as it will be played, with what was done to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// The sound.
    pub pcm: Pcm,
    /// Silence removed at the beginning, ms.
    pub trimmed_head_ms: u64,
    /// Silence removed at the end, ms.
    pub trimmed_tail_ms: u64,
    /// Active speech level, dBov (−26 unless the peak guard held it lower).
    pub level_dbov: f32,
    /// True peak, dBov, at most −1.
    pub true_peak_dbov: f32,
    /// Gain applied, dB.
    pub gain_db: f32,
}

/// Resamples to `rate_hz` (8 000 or 16 000 for assets), trims silence, levels to −26 dBov.
pub fn prepare(raw: &Pcm, rate_hz: u32) -> Result<Prepared, SoundFault> {
    let trimmed = trim(&resample(raw, rate_hz)?)?;
    let levelled = level_to(&trimmed.pcm, TARGET_DBOV)?;
    let (pcm, quiet_tail_ms) = without_quiet_tail(levelled.pcm);
    Ok(Prepared {
        pcm,
        trimmed_head_ms: trimmed.head_ms,
        trimmed_tail_ms: trimmed.tail_ms + quiet_tail_ms,
        level_dbov: levelled.level_dbov,
        true_peak_dbov: levelled.true_peak_dbov,
        gain_db: levelled.gain_db,
    })
}

/// A loud engine's noise after the last word counts as sound until the level is set: 16 dB lower, it is silence, and
/// whatever follows would come late. Only a tail that `cache verify` would warn about is cut, so that this step needs no
/// version of its own: every other asset stays what it was.
fn without_quiet_tail(pcm: Pcm) -> (Pcm, u64) {
    if trailing_silence_ms(&pcm) <= TRAILING_MS {
        return (pcm, 0);
    }
    match trim(&pcm) {
        Ok(again) => (again.pcm, again.tail_ms),
        Err(_) => (pcm, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{hash, noise};
    use super::*;

    /// Something like two words: noise bursts with a pause between and silence around.
    fn words() -> Pcm {
        let mut samples = vec![0i16; 11_025];
        for (i, sample) in noise(22_050, 33_075).samples.into_iter().enumerate() {
            let loud = !(11_025..15_000).contains(&i);
            samples.push(if loud { sample / 4 } else { sample / 8_192 });
        }
        samples.extend([0i16; 22_050]);
        Pcm { samples, rate: 22_050 }
    }

    #[test]
    fn the_same_sound_becomes_the_same_asset_on_every_machine() {
        let narrow = prepare(&words(), 8_000).expect("sound");
        let wide = prepare(&words(), 16_000).expect("sound");
        assert_eq!(hash(&narrow.pcm.samples), "68dc8b3015c23765");
        assert_eq!(hash(&wide.pcm.samples), "a815b644b1227061");
    }

    #[test]
    fn an_asset_starts_at_once_and_is_at_line_level() {
        let out = prepare(&words(), 8_000).expect("sound");
        assert!(super::super::leading_silence_ms(&out.pcm) <= 25);
        assert!((out.level_dbov - TARGET_DBOV).abs() < 0.1, "{}", out.level_dbov);
        assert!((475..=485).contains(&out.trimmed_head_ms), "{}", out.trimmed_head_ms);
        assert!((875..=885).contains(&out.trimmed_tail_ms), "{}", out.trimmed_tail_ms);
        assert!((1_600..=1_660).contains(&out.pcm.duration_ms()), "{}", out.pcm.duration_ms());
    }

    #[test]
    fn the_noise_of_a_loud_engine_after_the_last_word_does_not_stay_as_silence() {
        let mut raw = words();
        raw.samples.truncate(11_025 + 33_075);
        for sample in &mut raw.samples {
            *sample = sample.saturating_mul(4);
        }
        // A second at −60 dBov: sound beside a floor of −66, silence once the voice is 20 dB lower.
        raw.samples.extend(noise(22_050, 22_050).samples.iter().map(|s| s / 600));
        let out = prepare(&raw, 8_000).expect("sound");
        assert!(out.gain_db < -10.0, "{}", out.gain_db);
        let tail = trailing_silence_ms(&out.pcm);
        assert!(tail <= 130 && out.trimmed_tail_ms > 800, "{tail} {out:?}", out = out.trimmed_tail_ms);
    }

    #[test]
    fn silence_is_no_asset() {
        let raw = Pcm { samples: vec![0; 16_000], rate: 16_000 };
        assert_eq!(prepare(&raw, 8_000), Err(SoundFault::Silent));
    }
}
