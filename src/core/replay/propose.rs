//! Labels from a careful pass over a whole recording, for a person to look through.
//!
//! The ear hears the recording twice, once from its end: a first syllable that the ear meets unprepared is the last of a word
//! it knows when it comes from behind. Speech is where both agree, and reaches as far as one of them hears it; then the edges
//! are moved to where the sound itself rises and falls, by 10 ms. Pure.

use super::Track;
use super::labels::Utterance;
use crate::core::sound::{Pcm, SoundFault, resample};
use crate::core::vad::{CHUNK_8K, CHUNK_MS, Model};

/// Both directions are at least this sure of it …
const SURE: f32 = 0.5;
/// … for at least so many chunks in all, and not for a click.
const SURE_CHUNKS: usize = 2;
/// It reaches as far as one of them is this sure.
const REACHES: f32 = 0.3;
/// A shorter pause is within the utterance, ms.
const PAUSE_MS: u64 = 250;
/// How far an edge may move outwards from the chunks, ms.
const AROUND_MS: u64 = 96;
/// A frame that is measured for the edges: 10 ms.
const FRAME: usize = 80;
const FRAME_MS: u64 = 10;
/// An edge is where the sound is within this of its loudest …
const UNDER_DB: f32 = 30.0;
/// … and so far over the quietest around it.
const OVER_DB: f32 = 6.0;
/// What is shorter after all this is no utterance, ms.
const SHORTEST_MS: u64 = 60;

/// The utterances of a recording, without words. Errors: a rate that is not read.
pub fn propose(sound: &Pcm) -> Result<Vec<Utterance>, SoundFault> {
    let mut line = if sound.rate == 8_000 { sound.clone() } else { resample::resample(sound, 8_000)? };
    let length_ms = line.duration_ms();
    // Whole chunks, so that those from behind are the same.
    line.samples.resize(line.samples.len().next_multiple_of(CHUNK_8K), 0);
    let forward = Track::hear(&line, Model::Voice)?.probabilities;
    let mut turned = line.clone();
    turned.samples.reverse();
    let mut backward = Track::hear(&turned, Model::Voice)?.probabilities;
    backward.reverse();
    let runs = runs(&forward, &backward);
    let mut found: Vec<Utterance> = Vec::new();
    for (from, to) in runs {
        let free = found.last().map_or(0, |it| it.end_ms);
        let (start_ms, end_ms) = edges(&line.samples, (from.saturating_sub(AROUND_MS).max(free), to + AROUND_MS));
        let (start_ms, end_ms) = (start_ms.max(free), end_ms.min(length_ms));
        if end_ms >= start_ms + SHORTEST_MS {
            found.push(Utterance { start_ms, end_ms, text: String::new() });
        }
    }
    Ok(found)
}

/// Where both directions agree on speech, as far as one of them hears it; ms.
fn runs(forward: &[f32], backward: &[f32]) -> Vec<(u64, u64)> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    let (mut from, mut last, mut sure) = (0, None::<usize>, 0);
    let mut over = |from: usize, last: usize, sure: usize| {
        if sure >= SURE_CHUNKS {
            runs.push((from as u64 * CHUNK_MS, (last as u64 + 1) * CHUNK_MS));
        }
    };
    for (at, (one, other)) in forward.iter().zip(backward).enumerate() {
        if one.max(*other) < REACHES {
            continue;
        }
        if let Some(before) = last.filter(|before| (at - before - 1) as u64 * CHUNK_MS >= PAUSE_MS) {
            over(from, before, sure);
            (last, sure) = (None, 0);
        }
        if last.is_none() {
            from = at;
        }
        last = Some(at);
        sure += usize::from(one.min(*other) >= SURE);
    }
    if let Some(last) = last {
        over(from, last, sure);
    }
    runs
}

/// The first and last sound of a span, ms.
fn edges(samples: &[i16], (from, to): (u64, u64)) -> (u64, u64) {
    let place = |ms: u64| usize::try_from(ms * 8).unwrap_or(usize::MAX).min(samples.len());
    let level = |frame: &[i16]| {
        let power: f32 = frame.iter().map(|it| f32::from(*it).powi(2)).sum::<f32>() / frame.len().max(1) as f32;
        10.0 * (power + 1.0).log10()
    };
    let levels: Vec<f32> = samples[place(from)..place(to)].chunks(FRAME).map(level).collect();
    let loudest = levels.iter().copied().fold(0.0, f32::max);
    let quietest = levels.iter().copied().fold(f32::MAX, f32::min);
    // Where nothing is quiet around it, the chunks are all that is known.
    let least = (loudest - UNDER_DB).max(quietest + OVER_DB).min(loudest);
    let first = levels.iter().position(|it| *it >= least).unwrap_or(0) as u64;
    let last = levels.iter().rposition(|it| *it >= least).unwrap_or(0) as u64;
    (from + first * FRAME_MS, from + (last + 1) * FRAME_MS)
}
