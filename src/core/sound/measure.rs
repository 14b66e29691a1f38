//! What a checker asks of a sound beside its level: silence inside, silence before, clipping.

use super::Pcm;
use super::trim::sounding;

/// Samples at full scale (±32 767 or −32 768): a handful is chance, many are clipping.
pub fn clipped_samples(samples: &[i16]) -> usize {
    samples.iter().filter(|s| s.unsigned_abs() >= 32_767).count()
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
    const FRAME_MS: u64 = 20;
    const SILENT: u64 = 33;
    let Some((first, last)) = sounding(&pcm.samples, pcm.rate) else { return 0 };
    let frame = (pcm.rate as usize * FRAME_MS as usize / 1_000).max(1);
    let (mut longest, mut run) = (0, 0);
    for chunk in pcm.samples[first..last].chunks(frame) {
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
    fn silence_is_leading_silence_all_through() {
        let pcm = Pcm { samples: vec![0; 800], rate: 8_000 };
        assert_eq!(
            (leading_silence_ms(&pcm), trailing_silence_ms(&pcm), longest_inner_silence_ms(&pcm)),
            (100, 100, 0)
        );
    }
}
