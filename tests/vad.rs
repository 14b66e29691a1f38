//! The voice network against the figures that ONNX Runtime gives for the same sound.

use ahoy::core::config::Vad;
use ahoy::core::vad::segment::Segmenter;
use ahoy::core::vad::silero::{Silero, State, at_8k, at_16k};
use ahoy::core::vad::{Detector, gate};
use std::time::Duration;

const VAD: Vad = Vad {
    threshold: 0.5,
    silence: Duration::from_millis(700),
    prefix_padding: Duration::from_millis(300),
    min_speech: Duration::from_millis(64),
};

fn samples(name: &str) -> Vec<f32> {
    let path = format!("tests/data/silero-vad-v6/{name}.wav");
    let mut reader = hound::WavReader::open(path).expect("the golden sound");
    reader.samples::<i16>().map(|sample| f32::from(sample.expect("PCM16")) / 32_768.0).collect()
}

fn golden(name: &str) -> Vec<f32> {
    let text = std::fs::read_to_string(format!("tests/data/silero-vad-v6/{name}.probabilities.txt")).expect("golden");
    text.lines().map(|line| line.trim().parse().expect("a number")).collect()
}

fn agrees(name: &str, mut detector: Silero) {
    let sound = samples(name);
    let wanted = golden(name);
    let mut worst = 0.0_f32;
    let mut count = 0;
    for (chunk, wanted) in sound.chunks_exact(detector.chunk_samples()).zip(&wanted) {
        worst = worst.max((detector.probability(chunk) - wanted).abs());
        count += 1;
    }
    assert_eq!(count, wanted.len(), "every golden chunk was compared");
    assert!(worst <= 2e-5, "worst difference {worst}");
}

#[test]
fn the_8_khz_network_agrees_with_onnx_runtime() {
    agrees("golden-8k", Silero::new(at_8k()));
}

#[test]
fn the_16_khz_network_agrees_with_onnx_runtime() {
    agrees("golden-16k", Silero::new(at_16k()));
}

/// The golden utterances, each followed by two seconds of a quiet line, which the gate skips.
#[test]
fn skipping_silence_loses_no_onset() {
    let sound = samples("golden-8k");
    let wanted = golden("golden-8k");
    let network = at_8k();
    // Cut the sound where the network is sure, and put a quiet line between.
    let mut line = Vec::new();
    for (at, chunk) in sound.chunks_exact(256).enumerate() {
        line.extend_from_slice(chunk);
        if at % 90 == 89 {
            line.extend((0..2 * 8_000).map(|i| if i % 7 == 0 { 0.0005 } else { -0.0003 }));
            line.truncate(line.len() / 256 * 256);
        }
    }
    let run = |gated: bool| {
        let mut state = State::default();
        let mut skipped = 0;
        let mut segmenter = Segmenter::new(&VAD);
        let on: Vec<bool> = line
            .chunks_exact(256)
            .map(|chunk| {
                let probability = if gated && !segmenter.in_speech() && gate::is_silent(chunk) {
                    skipped += 1;
                    network.skip(&mut state, chunk);
                    0.0
                } else {
                    network.probability(&mut state, chunk)
                };
                segmenter.feed(probability);
                probability >= 0.5
            })
            .collect();
        (on, skipped)
    };
    let (full, _) = run(false);
    let (gated, skipped) = run(true);
    assert!(skipped > 1_000, "the gate skips: {skipped}");
    let onsets = |on: &[bool]| -> Vec<usize> {
        (1..on.len()).filter(|i| on[*i] && !on[i.saturating_sub(10)..*i].contains(&true)).collect()
    };
    let (wanted_onsets, got) = (onsets(&full), onsets(&gated));
    assert!(wanted_onsets.len() > 20, "{} onsets of {} chunks", wanted_onsets.len(), wanted.len());
    // Heard a few chunks earlier is no loss: after the skipped silence the network is fresher.
    let lost: Vec<_> = wanted_onsets.iter().filter(|at| !gated[**at..**at + 3].contains(&true)).collect();
    assert!(lost.is_empty(), "onsets lost by skipping: {lost:?} of {wanted_onsets:?}");
    assert!(got.len() <= wanted_onsets.len() + 2, "skipping invents onsets: {} for {}", got.len(), wanted_onsets.len());
}
