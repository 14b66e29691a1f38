//! What other VAD settings would have done on calls that were recorded: the very ear and segmenter of live calls.
//!
//! A sound is heard once ([`Track`]); a sweep only cuts its probabilities anew.

pub mod barge;
pub mod editor;
pub mod labels;
pub mod picture;
pub mod propose;
pub mod score;
pub mod search;
pub mod stops;
pub mod streams;
pub mod sweep;

use serde::{Deserialize, Serialize};

use crate::core::call::ear::{Ear, Next};
use crate::core::config::Vad;
use crate::core::sound::{Pcm, SoundFault, g711, resample};
use crate::core::vad::segment::{Edge, Segmenter};
use crate::core::vad::{CHUNK_8K, CHUNK_MS, Model};

/// Probabilities of speech of one party, one for each 32 ms.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Track {
    /// 0 to 1 each; the last part of a sound that fills no chunk has none.
    pub probabilities: Vec<f32>,
}

/// Speech as the settings cut it. Milliseconds from the start of the sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Its beginning, with the prefix.
    pub start_ms: u64,
    /// Its end: of the last chunk of speech.
    pub end_ms: u64,
    /// First chunk of speech.
    pub onset_ms: u64,
    /// Where a live call would have known that it began.
    pub told_ms: u64,
    /// Where a live call would have known that it was over.
    pub over_ms: u64,
}

impl Track {
    /// Hears a sound through the telephone network's coding; with [`Model::Voice`] by the very code of a live call.
    pub fn hear(sound: &Pcm, model: Model) -> Result<Track, SoundFault> {
        let narrow = if sound.rate == 8_000 { None } else { Some(resample::resample(sound, 8_000)?) };
        let samples = narrow.as_ref().map_or(&sound.samples, |it| &it.samples);
        Ok(match model {
            Model::Voice => Track::live(samples),
            Model::Energy => Track::by(model, samples),
        })
    }

    fn live(samples: &[i16]) -> Track {
        let (mut ear, mut probabilities) = (Ear::default(), Vec::with_capacity(samples.len() / CHUNK_8K));
        for frame in samples.chunks(160) {
            ear.push(&g711::encode_ulaw(frame));
            while let Some(next) = ear.hear() {
                probabilities.push(match next {
                    Next::Verdict(probability) => probability,
                    Next::Judge(mut job) => {
                        job.judge();
                        ear.back(job)
                    }
                });
            }
        }
        Track { probabilities }
    }

    fn by(model: Model, samples: &[i16]) -> Track {
        let mut detector = model.open();
        let line = g711::decode_ulaw(&g711::encode_ulaw(samples));
        let line: Vec<f32> = line.iter().map(|it| f32::from(*it) / 32_768.0).collect();
        let chunks = line.chunks_exact(detector.chunk_samples());
        Track { probabilities: chunks.map(|chunk| detector.probability(chunk)).collect() }
    }

    /// Length, ms.
    pub fn ms(&self) -> u64 {
        self.probabilities.len() as u64 * CHUNK_MS
    }

    /// The segments under these settings.
    pub fn segments(&self, vad: &Vad) -> Vec<Segment> {
        let mut segmenter = Segmenter::new(vad);
        let mut segments: Vec<Segment> = Vec::new();
        let mut begun = (0, 0);
        let mut take = |edge: Option<Edge>, now_ms: u64| match edge {
            Some(Edge::On { onset_ms, .. }) => begun = (onset_ms, now_ms),
            Some(Edge::Off { start_ms, end_ms }) => {
                let (onset_ms, told_ms) = begun;
                segments.push(Segment { start_ms, end_ms, onset_ms, told_ms, over_ms: now_ms });
            }
            None => {}
        };
        for (at, probability) in self.probabilities.iter().enumerate() {
            let edge = segmenter.feed(*probability);
            take(edge, (at as u64 + 1) * CHUNK_MS);
        }
        take(segmenter.finish(), self.ms());
        segments
    }
}

#[cfg(test)]
mod tests;
