//! Sound like speech in the ways that the ear measures: syllables, as long as its text, calm at both ends.

use ahoy::base::Language;
use ahoy::core::asset::check::estimate_ms;
use ahoy::core::sound::Pcm;

use crate::emulator::Act;

/// The length of a spoken text, in ms.
pub fn length(text: &str, language: &Language) -> u64 {
    estimate_ms(text, language).max(600)
}

/// The sound of a text at this rate, changed by the act (a wrong rate is for the dialect to make).
pub fn spoken(text: &str, language: &Language, rate: u32, act: Act) -> Pcm {
    let ms = length(text, language);
    let ms = if act == Act::Tenth { ms / 10 } else { ms };
    let total = (ms * u64::from(rate) / 1_000) as usize;
    let calm = rate as usize / 10;
    let syllable = rate as usize / 5;
    let mut samples: Vec<i16> = (0..total)
        .map(|at| {
            let voiced = at >= calm && at + calm < total && at % syllable < syllable * 3 / 4;
            let wave = (at as f64 * 1_200.0 / f64::from(rate)).sin() * 6_000.0;
            if voiced && act != Act::Silence { wave as i16 } else { 0 }
        })
        .collect();
    if act == Act::CutSound {
        // In the middle of a syllable.
        let half = samples.len() / 2;
        samples.truncate(half - half % syllable + syllable / 2);
    }
    Pcm { samples, rate }
}

/// Every second sample left out or doubled: the same words at another rate.
pub fn doubled(pcm: &Pcm) -> Vec<i16> {
    pcm.samples.iter().flat_map(|sample| [*sample, *sample]).collect()
}

pub fn little_endian(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}
