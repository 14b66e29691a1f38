//! What a checker asks of a sound beside its level: silence inside, silence before, clipping.

use super::Pcm;
use super::trim::sounding;

/// Samples at full scale (±32 767 or −32 768): a handful is chance, many are clipping.
pub fn clipped_samples(samples: &[i16]) -> usize {
    samples.iter().filter(|s| s.unsigned_abs() >= 32_767).count()
}

/// The silences of a sound, ms: found in one pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silences {
    /// Before the first sound ([`leading_silence_ms`]).
    pub leading_ms: u64,
    /// The longest between two sounds ([`longest_inner_silence_ms`]).
    pub inner_ms: u64,
    /// After the last sound ([`trailing_silence_ms`]).
    pub trailing_ms: u64,
}

/// All three silences of a sound.
pub fn silences(pcm: &Pcm) -> Silences {
    let in_ms = |samples: usize| samples as u64 * 1_000 / u64::from(pcm.rate.max(1));
    match sounding(&pcm.samples, pcm.rate) {
        None => Silences { leading_ms: in_ms(pcm.samples.len()), inner_ms: 0, trailing_ms: in_ms(pcm.samples.len()) },
        Some((first, last)) => Silences {
            leading_ms: in_ms(first),
            inner_ms: inner_ms(&pcm.samples[first..last], pcm.rate),
            trailing_ms: in_ms(pcm.samples.len() - last),
        },
    }
}

/// Milliseconds before the first sound, in steps of 5 ms; the whole length if nothing sounds.
pub fn leading_silence_ms(pcm: &Pcm) -> u64 {
    let first = sounding(&pcm.samples, pcm.rate).map_or(pcm.samples.len(), |(first, _)| first);
    first as u64 * 1_000 / u64::from(pcm.rate.max(1))
}

/// Milliseconds after the last sound; the whole length if nothing sounds.
pub fn trailing_silence_ms(pcm: &Pcm) -> u64 {
    let last = sounding(&pcm.samples, pcm.rate).map_or(0, |(_, last)| last);
    (pcm.samples.len() - last) as u64 * 1_000 / u64::from(pcm.rate.max(1))
}

/// Longest silence between two sounds, ms, in steps of 20 ms: a hole in a phrase is a rendering that went wrong.
///
/// A frame of 20 ms is silent when its root mean square is under 33 sample steps (−60 dBov).
pub fn longest_inner_silence_ms(pcm: &Pcm) -> u64 {
    sounding(&pcm.samples, pcm.rate).map_or(0, |(first, last)| inner_ms(&pcm.samples[first..last], pcm.rate))
}

fn inner_ms(samples: &[i16], rate: u32) -> u64 {
    const FRAME_MS: u64 = 20;
    const SILENT: u64 = 33;
    let frame = (rate as usize * FRAME_MS as usize / 1_000).max(1);
    let (mut longest, mut run) = (0, 0);
    for chunk in samples.chunks(frame) {
        let squares: u64 = chunk.iter().map(|s| u64::from(s.unsigned_abs()).pow(2)).sum();
        run = if squares < SILENT * SILENT * chunk.len() as u64 { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest * FRAME_MS
}

#[cfg(test)]
mod tests {
    use super::super::testing::sine;
    use super::*;

    #[test]
    fn a_hole_in_a_phrase_is_measured_and_its_ends_are_not() {
        let tone = sine(8_000, 400.0, 0.5, 8_000).samples;
        let mut samples = vec![0i16; 2_400];
        samples.extend(&tone);
        samples.extend(vec![0i16; 8_000]);
        samples.extend(&tone);
        samples.extend(vec![0i16; 4_000]);
        let pcm = Pcm { samples, rate: 8_000 };
        let hole = longest_inner_silence_ms(&pcm);
        assert!((960..=1_000).contains(&hole), "{hole}");
        assert_eq!((leading_silence_ms(&pcm), trailing_silence_ms(&pcm)), (300, 500));
        assert_eq!(clipped_samples(&[32_767, -32_768, -32_767, 32_766, 0]), 3);
    }

    #[test]
    fn one_pass_finds_what_three_find() {
        let mut samples = vec![0i16; 1_000];
        samples.extend(sine(8_000, 400.0, 0.5, 8_000).samples);
        samples.extend(vec![0i16; 9_000]);
        samples.extend(sine(8_000, 400.0, 0.25, 8_000).samples);
        samples.extend(vec![0i16; 1_500]);
        for samples in [samples, vec![0; 800], vec![]] {
            let pcm = Pcm { samples, rate: 8_000 };
            let (leading_ms, inner_ms) = (leading_silence_ms(&pcm), longest_inner_silence_ms(&pcm));
            let wanted = Silences { leading_ms, inner_ms, trailing_ms: trailing_silence_ms(&pcm) };
            assert_eq!(silences(&pcm), wanted);
        }
    }

    #[test]
    fn silence_is_leading_silence_all_through() {
        let pcm = Pcm { samples: vec![0; 800], rate: 8_000 };
        assert_eq!(
            (leading_silence_ms(&pcm), trailing_silence_ms(&pcm), longest_inner_silence_ms(&pcm)),
            (100, 100, 0)
        );
    }
}
