//! Blemishes that a level does not show: an offset, clicks, the hum of the mains.
//!
//! Each measure is one pass that a compiler can put into wide registers, or works on a hundredth of the samples.

use super::Pcm;

/// Frames in which clicks are looked for, ms.
const FRAME_MS: usize = 5;
/// A click stands out of the second difference of its own and both neighbouring frames by this factor …
const CLICK_RATIO: f64 = 14.0;
/// … and is no smaller than this, in sample steps: what is under it nobody hears on a telephone.
const CLICK_LEAST: i32 = 1_200;
/// A voice that begins creaks: single pulses of the glottis, 8 to 20 ms apart. A click is alone: within this many frames …
const CLICK_ALONE_FRAMES: usize = 5;
/// … no bend reaches this part of it.
const CLICK_ALONE_PART: i32 = 3;
/// Samples around the top of a click that do not count as its surroundings.
const CLICK_WIDTH: usize = 5;

/// The mean of all samples as a part of full scale, 0 to 1.
pub fn dc_offset(samples: &[i16]) -> f64 {
    if samples.is_empty() {
        return 0.0;
    }
    let sum: i64 = samples.iter().map(|s| i64::from(*s)).sum();
    (sum as f64 / samples.len() as f64 / 32_768.0).abs()
}

/// How many places have a click: a jump of the wave that its surroundings do not explain.
///
/// Speech has no corners at 8 to 48 kHz: its second difference grows and falls over milliseconds, even at a plosive. A
/// lost sample, a bad splice or a spike is one large value among small ones.
pub fn clicks(pcm: &Pcm) -> u32 {
    let frame = (pcm.rate as usize * FRAME_MS / 1_000).max(2 * CLICK_WIDTH);
    let samples = &pcm.samples[..];
    let count = samples.len().saturating_sub(2);
    let tops: Vec<i32> = (0..count)
        .step_by(frame)
        .map(|start| bends(&samples[start..(start + frame).min(count) + 2]).map(i32::abs).max().unwrap_or(0))
        .collect();
    let mut found = 0;
    let mut clear_from = 0;
    for (at, top) in tops.iter().enumerate().filter(|(_, top)| **top >= CLICK_LEAST) {
        // The tops of the neighbours bound their means, so most frames of speech end here.
        let around = tops[at.saturating_sub(1)].min(*tops.get(at + 1).unwrap_or(&0));
        if f64::from(*top) < CLICK_RATIO * f64::from(around) / 6.0 {
            continue;
        }
        let start = at * frame;
        let mut chunk = bends(&samples[start..(start + frame).min(count) + 2]);
        let peak = start + chunk.position(|b| b.abs() == *top).unwrap_or(0);
        if peak >= clear_from && stands_out(samples, peak, frame) {
            found += 1;
            clear_from = peak + frame;
        }
    }
    found
}

/// The second differences of some samples: two fewer than there are.
fn bends(samples: &[i16]) -> impl Iterator<Item = i32> {
    let (next, after) = (samples.get(1..).unwrap_or(&[]), samples.get(2..).unwrap_or(&[]));
    let bend = |((a, b), c): ((&i16, &i16), &i16)| i32::from(*a) - 2 * i32::from(*b) + i32::from(*c);
    samples.iter().zip(next).zip(after).map(bend)
}

/// Whether one bend is far larger than those before it and those after it, its nearest left out.
fn stands_out(samples: &[i16], peak: usize, frame: usize) -> bool {
    // Only what is looked at: five frames on both sides.
    let first = peak.saturating_sub(CLICK_ALONE_FRAMES * frame);
    let last = (peak + CLICK_ALONE_FRAMES * frame + 2).min(samples.len());
    let bends: Vec<i32> = bends(&samples[first..last]).collect();
    let (bends, peak) = (&bends[..], peak - first);
    let before = &bends[peak.saturating_sub(2 * frame)..peak.saturating_sub(CLICK_WIDTH)];
    let after_from = (peak + CLICK_WIDTH).min(bends.len());
    let after = &bends[after_from..(peak + 2 * frame).min(bends.len())];
    let limit = f64::from(bends[peak].abs()) / CLICK_RATIO;
    // Both sides: the burst of a plosive is quiet before, and loud after.
    let isolated = before.len() >= frame && after.len() >= frame && rms(before) < limit && rms(after) < limit;
    isolated && {
        let alone = CLICK_ALONE_FRAMES * frame;
        let before = &bends[peak.saturating_sub(alone)..peak.saturating_sub(CLICK_WIDTH)];
        let after = &bends[after_from..(peak + alone).min(bends.len())];
        before.iter().chain(after).all(|b| b.abs() < bends[peak].abs() / CLICK_ALONE_PART)
    }
}

fn rms(bends: &[i32]) -> f64 {
    let squares: f64 = bends.iter().map(|b| f64::from(*b) * f64::from(*b)).sum();
    libm::sqrt(squares / bends.len().max(1) as f64)
}

/// Rate to which sound is thinned for the hum, Hz.
const HUM_HZ: usize = 1_000;
/// Length of a block, in samples at [`HUM_HZ`]: 200 ms, so that 50 and 60 Hz fall on whole waves.
const HUM_BLOCK: usize = 200;
/// Blocks that a verdict needs.
const HUM_BLOCKS: usize = 5;
/// Part of the blocks that a hum must outlast, in percent: it is there in the pauses too.
const HUM_PERCENT: usize = 20;
/// How far a hum stands out of its neighbours 5 Hz aside, as power.
const HUM_NARROW: f64 = 10.0;
/// The mains and their first overtones, Hz.
const MAINS: [[f64; 3]; 2] = [[50.0, 100.0, 150.0], [60.0, 120.0, 180.0]];

/// The hum of the mains (50 or 60 Hz and two overtones), dBov; negative infinity if there is none.
///
/// A hum is as loud in the pauses as in the words, and narrow: the measure is the power that a fifth of all blocks of
/// 200 ms stay under, where it is ten times that of the tones 10 Hz beside it. Shorter than a second: not measured.
pub fn hum_dbov(pcm: &Pcm) -> f32 {
    let thin = thinned(pcm);
    let blocks = thin.len() / HUM_BLOCK;
    if blocks < HUM_BLOCKS {
        return f32::NEG_INFINITY;
    }
    let mut loudest = 0.0f64;
    // Overtones alone may be a deep voice, but nobody speaks at 50 or 60 Hz: most sounds end with this one look.
    let lowest = percentiles(&thin, [40.0, 50.0, 60.0, 70.0]);
    for (at, tones) in MAINS.iter().enumerate() {
        let narrow = |here: f64, below: f64, above: f64| here > below.max(above) * HUM_NARROW;
        let [below, here, above] = [lowest[at], lowest[at + 1], lowest[at + 2]];
        if !narrow(here, below, above) {
            continue;
        }
        let mut total = here;
        for hz in &tones[1..] {
            let [below, here, above] = percentiles(&thin, [hz - 10.0, *hz, hz + 10.0]);
            if narrow(here, below, above) {
                total += here;
            }
        }
        loudest = loudest.max(total);
    }
    (10.0 * libm::log10(loudest / (32_768.0 * 32_768.0))) as f32
}

/// Means over a millisecond each, which damps everything above a few hundred Hz.
fn thinned(pcm: &Pcm) -> Vec<f32> {
    let step = (pcm.rate as usize / HUM_HZ).max(1);
    pcm.samples
        .chunks_exact(step)
        .map(|it| it.iter().map(|s| i32::from(*s)).sum::<i32>() as f32 / step as f32)
        .collect()
}

/// For each tone, the power that a fifth of all blocks stay under.
fn percentiles<const N: usize>(thin: &[f32], tones: [f64; N]) -> [f64; N] {
    let turns = tones.map(|hz| 2.0 * libm::cos(core::f64::consts::TAU * hz / HUM_HZ as f64));
    let mut powers: [Vec<f64>; N] = core::array::from_fn(|_| Vec::with_capacity(thin.len() / HUM_BLOCK));
    for block in thin.chunks_exact(HUM_BLOCK) {
        for (all, power) in powers.iter_mut().zip(tone_powers(block, turns)) {
            all.push(power);
        }
    }
    powers.map(|mut all| {
        let at = all.len() * HUM_PERCENT / 100;
        *all.select_nth_unstable_by(at, f64::total_cmp).1
    })
}

/// Mean power of some tones in a block (Goertzel), squared sample steps. The tones go side by side, so that a processor
/// works on one while it waits for another.
fn tone_powers<const N: usize>(block: &[f32], turns: [f64; N]) -> [f64; N] {
    let (mut one, mut two) = ([0.0f64; N], [0.0f64; N]);
    for sample in block {
        for at in 0..N {
            (one[at], two[at]) = (f64::from(*sample) + turns[at] * one[at] - two[at], one[at]);
        }
    }
    core::array::from_fn(|at| {
        let squared = one[at] * one[at] + two[at] * two[at] - turns[at] * one[at] * two[at];
        2.0 * squared.max(0.0) / (block.len() * block.len()) as f64
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{noise, sine};
    use super::*;

    /// Speech-like: tones in syllables with silence between.
    fn words(rate: u32) -> Pcm {
        let mut pcm = sine(rate, 210.0, 4.0, 6_000);
        let syllable = rate as usize / 4;
        let ramp = rate as usize / 50;
        for (at, sample) in pcm.samples.iter_mut().enumerate() {
            let place = at % syllable;
            let gain = place.min(syllable * 3 / 4 - (place.min(syllable * 3 / 4))).min(ramp) as f64 / ramp as f64;
            *sample = (f64::from(*sample) * gain) as i16;
        }
        pcm
    }

    #[test]
    fn an_offset_is_measured_as_a_part_of_full_scale() {
        assert!(dc_offset(&sine(8_000, 500.0, 1.0, 9_000).samples) < 0.000_1);
        let shifted: Vec<i16> = words(8_000).samples.iter().map(|s| s - 655).collect();
        assert!((dc_offset(&shifted) - 0.02).abs() < 0.001);
        assert_eq!(dc_offset(&[]), 0.0);
    }

    #[test]
    fn lost_samples_spikes_and_bad_splices_are_clicks() {
        for rate in [8_000, 16_000] {
            assert_eq!(clicks(&words(rate)), 0, "speech has none");
            let mut spike = words(rate);
            let quiet = rate as usize / 4 * 7 / 8;
            spike.samples[quiet] = 4_000;
            assert_eq!(clicks(&spike), 1, "one sample in a pause, at {rate}");
            let mut splice = words(rate);
            let middle = rate as usize + rate as usize / 8;
            splice.samples.drain(middle..middle + rate as usize / 400);
            assert_eq!(clicks(&splice), 1, "2.5 ms lost within a vowel, at {rate}");
        }
    }

    #[test]
    fn the_first_pulses_of_a_creaking_voice_are_no_clicks() {
        let mut creak = Pcm { samples: vec![0; 16_000], rate: 8_000 };
        for pulse in 0..20 {
            creak.samples[4_000 + pulse * 100] = 800 + pulse as i16 * 300;
        }
        assert_eq!(clicks(&creak), 0);
    }

    #[test]
    fn noise_bursts_and_beginnings_of_tones_are_no_clicks() {
        let mut burst = noise(8_000, 16_000);
        for (at, sample) in burst.samples.iter_mut().enumerate() {
            *sample = if at % 4_000 < 1_000 { *sample / 4 } else { 0 };
        }
        assert_eq!(clicks(&burst), 0);
        assert_eq!(clicks(&Pcm { samples: vec![], rate: 8_000 }), 0);
    }

    #[test]
    fn a_hum_is_heard_under_words_and_a_deep_voice_is_none() {
        assert_eq!(hum_dbov(&words(8_000)), f32::NEG_INFINITY);
        for mains in [50.0, 60.0] {
            let mut hummed = words(8_000);
            let hum = sine(8_000, mains, 4.0, 328);
            for (sample, hum) in hummed.samples.iter_mut().zip(&hum.samples) {
                *sample += hum;
            }
            let level = hum_dbov(&hummed);
            assert!((level + 43.0).abs() < 1.0, "a sine of 1 % of full scale is −43 dBov: {level}");
        }
        let mut deep = words(8_000);
        for (at, sample) in deep.samples.iter_mut().enumerate() {
            let wave = libm::sin(at as f64 * 100.0 * core::f64::consts::TAU / 8_000.0) * 9_000.0;
            *sample = if at % 2_000 < 1_400 { wave as i16 } else { 0 };
        }
        assert_eq!(hum_dbov(&deep), f32::NEG_INFINITY, "a voice at 100 Hz pauses");
        assert_eq!(hum_dbov(&noise(8_000, 32_000)), f32::NEG_INFINITY, "noise is not narrow");
        assert_eq!(hum_dbov(&sine(8_000, 50.0, 0.9, 3_000)), f32::NEG_INFINITY, "too short to know");
    }
}
