//! Speech on, speech off: probabilities of 32 ms chunks -> segments, in the terms of OpenAI's `server_vad`.
//! Pure: no clock (a chunk's place is its time), no chance, no I/O.

use super::CHUNK_MS;
use crate::core::config::Vad;

/// A change of who is heard. Places are milliseconds from the stream's first sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// Speech began.
    On {
        /// First chunk at or over the threshold.
        onset_ms: u64,
        /// Where the segment starts: the onset minus the prefix padding, never inside the segment before.
        start_ms: u64,
    },
    /// Speech ended.
    Off {
        /// Where the segment starts, as its `On` said.
        start_ms: u64,
        /// End of the last chunk at or over the threshold.
        end_ms: u64,
    },
}

/// Makes segments of probabilities. Feed every chunk once, in order.
#[derive(Debug, Clone)]
pub struct Segmenter {
    threshold: f32,
    silence_ms: u64,
    prefix_ms: u64,
    min_speech_ms: u64,
    now_ms: u64,
    floor_ms: u64,
    run: Option<Run>,
}

#[derive(Debug, Clone, Copy)]
struct Run {
    onset_ms: u64,
    start_ms: u64,
    speech_ms: u64,
    last_ms: u64,
    told: bool,
}

impl Segmenter {
    /// A segmenter at the start of a stream.
    pub fn new(vad: &Vad) -> Segmenter {
        let ms = |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Segmenter {
            threshold: vad.threshold,
            silence_ms: ms(vad.silence),
            prefix_ms: ms(vad.prefix_padding),
            min_speech_ms: ms(vad.min_speech),
            now_ms: 0,
            floor_ms: 0,
            run: None,
        }
    }

    /// Whether a segment has begun, told or not yet long enough.
    pub fn in_speech(&self) -> bool {
        self.run.is_some()
    }

    /// Where the latest speech ended so far, the segment that is open counted; 0 = none yet.
    pub fn spoken_until_ms(&self) -> u64 {
        self.run.filter(|run| run.told).map_or(self.floor_ms, |run| run.last_ms)
    }

    /// Takes the next chunk's probability.
    pub fn feed(&mut self, probability: f32) -> Option<Edge> {
        let chunk_ms = self.now_ms;
        self.now_ms += CHUNK_MS;
        if probability >= self.threshold {
            let floor = self.floor_ms;
            let start_ms = chunk_ms.saturating_sub(self.prefix_ms).max(floor);
            let fresh = Run { onset_ms: chunk_ms, start_ms, speech_ms: 0, last_ms: chunk_ms, told: false };
            let run = self.run.get_or_insert(fresh);
            run.speech_ms += CHUNK_MS;
            run.last_ms = self.now_ms;
            if !run.told && run.speech_ms >= self.min_speech_ms {
                run.told = true;
                return Some(Edge::On { onset_ms: run.onset_ms, start_ms: run.start_ms });
            }
            return None;
        }
        let quiet = self.run.is_some_and(|run| self.now_ms - run.last_ms >= self.silence_ms);
        if quiet { self.finish() } else { None }
    }

    /// The stream ended: ends the segment that is open, if one was told.
    pub fn finish(&mut self) -> Option<Edge> {
        let run = self.run.take().filter(|run| run.told)?;
        self.floor_ms = run.last_ms;
        Some(Edge::Off { start_ms: run.start_ms, end_ms: run.last_ms })
    }
}

/// Speech over our own voice: so much of it, without a gap, is a barge-in.
#[derive(Debug, Clone, Default)]
pub struct Unbroken {
    chunks: u64,
}

impl Unbroken {
    /// Takes the next chunk's probability; gives how many chunks in a row were at or over the threshold.
    pub fn feed(&mut self, probability: f32, threshold: f32) -> u64 {
        self.chunks = if probability >= threshold { self.chunks + 1 } else { 0 };
        self.chunks
    }

    /// Starts counting anew.
    pub fn reset(&mut self) {
        self.chunks = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn vad(silence: u64, prefix: u64, min_speech: u64) -> Vad {
        let ms = Duration::from_millis;
        Vad { threshold: 0.5, silence: ms(silence), prefix_padding: ms(prefix), min_speech: ms(min_speech) }
    }

    fn edges(vad: &Vad, chunks: &[(f32, usize)]) -> Vec<Edge> {
        let mut segmenter = Segmenter::new(vad);
        let mut edges = Vec::new();
        for (probability, count) in chunks {
            for _ in 0..*count {
                edges.extend(segmenter.feed(*probability));
            }
        }
        edges.extend(segmenter.finish());
        edges
    }

    #[test]
    fn a_pause_shorter_than_the_silence_does_not_split_an_utterance() {
        let one = edges(&vad(700, 300, 64), &[(0.1, 20), (0.9, 10), (0.1, 20), (0.9, 10), (0.1, 40)]);
        assert_eq!(one, [Edge::On { onset_ms: 640, start_ms: 340 }, Edge::Off { start_ms: 340, end_ms: 1_920 }]);
        let two = edges(&vad(320, 300, 64), &[(0.1, 20), (0.9, 10), (0.1, 20), (0.9, 10), (0.1, 40)]);
        assert_eq!(two.len(), 4);
        assert_eq!(two[2], Edge::On { onset_ms: 1_600, start_ms: 1_300 });
    }

    #[test]
    fn a_click_is_no_utterance_and_a_threshold_is_reached_not_passed() {
        assert_eq!(edges(&vad(320, 0, 64), &[(0.1, 5), (0.99, 1), (0.1, 40)]), []);
        assert_eq!(edges(&vad(320, 0, 32), &[(0.5, 1), (0.1, 40)]).len(), 2);
    }

    #[test]
    fn padding_never_reaches_into_the_segment_before() {
        let edges = edges(&vad(96, 5_000, 32), &[(0.9, 4), (0.1, 4), (0.9, 4)]);
        assert_eq!(edges[2], Edge::On { onset_ms: 256, start_ms: 128 });
    }
}
