//! A recording as columns of a picture: how loud, and how much like speech.

use super::Track;
use crate::core::sound::Pcm;
use crate::core::vad::CHUNK_MS;

/// What a peak is of, ms.
const PART_MS: u64 = 10;
/// What is drawn as nothing, dBov.
const QUIETEST_DBOV: f32 = -60.0;

/// A recording, measured once for any zoom.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// The greatest sample of each part.
    peaks: Vec<u16>,
    track: Track,
}

/// What stands in one column.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Column {
    /// Loudness of the loudest sample, 0 (-60 dBov or less) to 1 (full scale).
    pub level: f32,
    /// Greatest probability of speech, 0 to 1.
    pub speech: f32,
}

impl Picture {
    /// Measures a sound; `track`: what the ear made of it.
    pub fn of(sound: &Pcm, track: Track) -> Picture {
        let part = usize::try_from(u64::from(sound.rate) * PART_MS / 1_000).unwrap_or(1).max(1);
        let peak = |part: &[i16]| part.iter().map(|it| it.unsigned_abs()).max().unwrap_or(0);
        Picture { peaks: sound.samples.chunks(part).map(peak).collect(), track }
    }

    /// So many columns of a piece, ms.
    pub fn columns(&self, from_ms: u64, span_ms: u64, count: usize) -> Vec<Column> {
        let part = |values: usize, unit: u64, at: usize| {
            let place = |at: usize| (from_ms + span_ms * at as u64 / count.max(1) as u64) / unit;
            let (first, last) = (place(at), place(at + 1).max(place(at) + 1));
            let bound = |it: u64| usize::try_from(it).unwrap_or(usize::MAX).min(values);
            bound(first)..bound(last)
        };
        let column = |at| {
            let peaks = &self.peaks[part(self.peaks.len(), PART_MS, at)];
            let chunks = &self.track.probabilities[part(self.track.probabilities.len(), CHUNK_MS, at)];
            let peak = f32::from(peaks.iter().copied().max().unwrap_or(0)) / 32_768.0;
            let dbov = 20.0 * (peak + 1e-6).log10();
            Column {
                level: ((dbov - QUIETEST_DBOV) / -QUIETEST_DBOV).clamp(0.0, 1.0),
                speech: chunks.iter().copied().fold(0.0, f32::max),
            }
        };
        (0..count).map(column).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stands_in_its_columns_at_any_zoom_and_behind_the_end_is_nothing() {
        let mut samples = vec![0_i16; 16_000];
        samples[8_000..8_800].fill(16_384);
        let mut probabilities = vec![0.0; 62];
        probabilities[32] = 0.9;
        let picture = Picture::of(&Pcm { samples, rate: 8_000 }, Track { probabilities });
        let columns = picture.columns(0, 2_000, 20);
        let loud: Vec<usize> = (0..20).filter(|at| columns[*at].level > 0.85).collect();
        assert_eq!(loud, [10]);
        assert_eq!(columns[10].speech, 0.9);
        assert_eq!(columns[3], Column::default());
        // Closer than a chunk: the chunk stands in every column that it covers.
        let close = picture.columns(1_024, 32, 16);
        assert!(close.iter().all(|it| it.speech == 0.9 && it.level > 0.85), "{close:?}");
        assert!(picture.columns(5_000, 1_000, 10).iter().all(|it| *it == Column::default()));
        assert_eq!(picture.columns(0, 0, 0), []);
    }
}
