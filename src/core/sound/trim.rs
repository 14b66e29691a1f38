//! Silence at both ends of a phrase, cut off: an asset that begins with silence delays every call.

use super::{Pcm, SoundFault};

/// Length of a measuring frame, ms.
const FRAME_MS: usize = 5;
/// A frame is sound when it is less than this factor (45 dB of power) below the loudest frame …
const RANGE: u64 = 32_768;
/// … and its root mean square is at least this (−66 dBov): the noise of no engine counts as speech.
const FLOOR: u64 = 16;
/// Frames in a row that make a beginning or an end; a shorter one is a click.
const RUN: usize = 2;
/// Kept before the first sound, ms: soft beginnings (h, f) are below the threshold.
pub const HEAD_MS: u64 = 20;
/// Kept after the last sound, ms: the decay of the voice, and a breath before whatever comes next.
pub const TAIL_MS: u64 = 120;
/// The ends fade in and out over this time, ms, so that the cut does not click.
const FADE_MS: usize = 4;

/// What trimming did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trimmed {
    /// The sound that is left.
    pub pcm: Pcm,
    /// Milliseconds removed at the beginning, rounded down.
    pub head_ms: u64,
    /// Milliseconds removed at the end, rounded down.
    pub tail_ms: u64,
}

/// Where sound begins and ends, in samples; `None` if nothing is sound.
///
/// A frame of 5 ms is sound when its power without DC is at least −66 dBov and at most 45 dB below the loudest frame's.
pub(super) fn sounding(samples: &[i16], rate: u32) -> Option<(usize, usize)> {
    let frame = (rate as usize * FRAME_MS / 1_000).max(1);
    let powers: Vec<u64> = samples.chunks(frame).map(power).collect();
    let loudest = *powers.iter().max()?;
    let floor = FLOOR * FLOOR * (frame as u64) * (frame as u64);
    let sounds = |p: &u64| *p >= floor && *p * RANGE >= loudest;
    let run = RUN.min(powers.len());
    let first = powers.windows(run).position(|w| w.iter().all(sounds))?;
    let last = powers.windows(run).rposition(|w| w.iter().all(sounds))? + run;
    Some((first * frame, (last * frame).min(samples.len())))
}

/// Power of a frame without its DC part, times the square of its length: exact in integers.
///
/// A frame has at most 240 samples (5 ms at 48 kHz): 2^30 × 240 × 240 and its product with [`RANGE`] are under 2^61.
fn power(frame: &[i16]) -> u64 {
    let sum: i64 = frame.iter().map(|s| i64::from(*s)).sum();
    let squares: i64 = frame.iter().map(|s| i64::from(i32::from(*s) * i32::from(*s))).sum();
    // Never negative by Cauchy and Schwarz.
    (squares * frame.len() as i64 - sum * sum).unsigned_abs()
}

/// Cuts silence at both ends, keeping 20 ms before and 120 ms after, and fades the ends over 4 ms.
///
/// Sound that is nothing but silence (or a click under 10 ms) is refused.
pub fn trim(pcm: &Pcm) -> Result<Trimmed, SoundFault> {
    let (first, last) = sounding(&pcm.samples, pcm.rate).ok_or(SoundFault::Silent)?;
    let in_samples = |ms: u64| usize::try_from(ms * u64::from(pcm.rate) / 1_000).expect("milliseconds of sound fit");
    let begin = first.saturating_sub(in_samples(HEAD_MS));
    let end = (last + in_samples(TAIL_MS)).min(pcm.samples.len());
    let mut samples = pcm.samples[begin..end].to_vec();
    fade(&mut samples, in_samples(FADE_MS as u64));
    let in_ms = |count: usize| count as u64 * 1_000 / u64::from(pcm.rate.max(1));
    let tail_ms = in_ms(pcm.samples.len() - end);
    Ok(Trimmed { pcm: Pcm { samples, rate: pcm.rate }, head_ms: in_ms(begin), tail_ms })
}

/// Linear fades at both ends, in integers.
fn fade(samples: &mut [i16], length: usize) {
    let length = length.min(samples.len() / 2);
    let count = samples.len();
    for i in 0..length {
        let scaled = |s: i16| (i64::from(s) * i as i64 / length as i64) as i16;
        samples[i] = scaled(samples[i]);
        samples[count - 1 - i] = scaled(samples[count - 1 - i]);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::sine;
    use super::*;

    fn padded(head_ms: usize, tail_ms: usize) -> Pcm {
        let mut samples = vec![3i16; head_ms * 8];
        samples.extend(sine(8_000, 200.0, 1.0, 10_000).samples);
        samples.extend(vec![-2i16; tail_ms * 8]);
        Pcm { samples, rate: 8_000 }
    }

    #[test]
    fn a_second_of_leading_silence_never_reaches_a_call() {
        let out = trim(&padded(1_000, 700)).expect("there is sound");
        assert!((975..=985).contains(&out.head_ms), "{}", out.head_ms);
        assert!((575..=585).contains(&out.tail_ms), "{}", out.tail_ms);
        let lead = super::super::leading_silence_ms(&out.pcm);
        assert!(lead <= 25, "{lead}");
        assert_eq!((out.pcm.samples.first(), out.pcm.samples.last()), (Some(&0), Some(&0)));
    }

    #[test]
    fn sound_without_silence_keeps_its_length() {
        let out = trim(&padded(0, 0)).expect("there is sound");
        assert_eq!((out.head_ms, out.tail_ms, out.pcm.samples.len()), (0, 0, 8_000));
    }

    #[test]
    fn a_dc_offset_and_a_click_are_not_speech() {
        let mut pcm = padded(1_000, 0);
        pcm.samples.iter_mut().for_each(|s| *s += 500);
        assert!(trim(&pcm).expect("there is sound").head_ms > 950);
        let mut pcm = padded(1_000, 0);
        pcm.samples[805] = 9_000;
        assert!(trim(&pcm).expect("there is sound").head_ms > 950);
    }

    #[test]
    fn silence_alone_is_refused() {
        assert_eq!(trim(&Pcm { samples: vec![2; 8_000], rate: 8_000 }), Err(SoundFault::Silent));
        assert_eq!(trim(&Pcm { samples: vec![], rate: 8_000 }), Err(SoundFault::Silent));
    }

    #[test]
    fn quiet_speech_endings_are_kept() {
        // A whisper 40 dB below the vowel follows it; cutting it would swallow a last consonant.
        let mut samples = sine(8_000, 200.0, 0.5, 20_000).samples;
        samples.extend(sine(8_000, 3_000.0, 0.3, 200).samples);
        let out = trim(&Pcm { samples, rate: 8_000 }).expect("there is sound");
        assert_eq!(out.tail_ms, 0);
    }
}
