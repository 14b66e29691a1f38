//! The voice network against the figures that ONNX Runtime gives for the same sound, and the ear of calls against the
//! example set: figures that fell are a failure.

use ahoy::core::config::Vad;
use ahoy::core::replay::Track;
use ahoy::core::replay::labels::{self, Form, Utterance};
use ahoy::core::replay::score::{Tally, troubles};
use ahoy::core::sound::{Pcm, wav};
use ahoy::core::vad::front::Front;
use ahoy::core::vad::silero::{Silero, at_8k, at_16k};
use ahoy::core::vad::{Detector, Model};
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

/// One line of tests/data/ear: made by `cargo bench --bench ear -- committed`, labels exact by construction.
struct Line {
    kind: String,
    sound: Pcm,
    said: Vec<Utterance>,
}

fn examples() -> Vec<Line> {
    let mut wavs: Vec<_> = std::fs::read_dir("tests/data/ear")
        .expect("the example set")
        .map(|it| it.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|it| it == "wav"))
        .collect();
    wavs.sort();
    let line = |path: std::path::PathBuf| {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(path.with_extension("labels.txt")).expect("labels");
        Line {
            kind: name.split('_').next().expect("a kind").to_owned(),
            sound: wav::read(&std::fs::read(&path).expect("there")).expect("a WAV"),
            said: labels::read(&text, Form::Audacity).expect("labels"),
        }
    };
    wavs.into_iter().map(line).collect()
}

/// What the whole set comes to: with words, without.
fn tallies(lines: &[Line], hear: impl Fn(&Line) -> Track) -> (Tally, Tally) {
    let (mut words, mut sounds) = (Tally::default(), Tally::default());
    for line in lines {
        let track = hear(line);
        let tally = Tally::of(&line.said, &track.segments(&VAD), track.ms());
        *(if line.said.is_empty() { &mut sounds } else { &mut words }) += &tally;
    }
    (words, sounds)
}

#[test]
fn the_live_ear_owns_the_short_words_of_the_example_set_and_takes_no_noise_for_one() {
    let lines = examples();
    let (words, sounds) = tallies(&lines, |line| Track::hear(&line.sound, Model::Voice).expect("heard"));
    let figures = words.figures();
    assert!(words.short >= 36, "{} short words", words.short);
    assert_eq!(words.utterances, words.short);
    for line in lines.iter().filter(|line| !line.said.is_empty()) {
        let track = Track::hear(&line.sound, Model::Voice).expect("heard");
        let lost = troubles(&line.said, &track.segments(&VAD));
        assert!(lost.len() <= line.said.len() / 10, "{}: {lost:?}", line.kind);
    }
    assert!(figures.short_owned_percent >= Some(98.0), "{figures:?}");
    assert!(figures.false_per_minute <= 0.5, "{figures:?}");
    assert!(figures.start_ms.expect("some").p90 <= 120, "{figures:?}");
    assert!(sounds.quiet_ms > 25_000 && sounds.false_segments == 0, "{sounds:?}");
}

#[test]
fn the_example_set_is_hard_for_the_network_alone_and_for_loudness() {
    let lines = examples();
    let alone = |line: &Line| {
        let mut silero = Silero::new(at_8k());
        let sound: Vec<f32> = line.sound.samples.iter().map(|it| f32::from(*it) / 32_768.0).collect();
        Track { probabilities: sound.chunks_exact(256).map(|chunk| silero.probability(chunk)).collect() }
    };
    let (words, _) = tallies(&lines, alone);
    let (ours, _) = tallies(&lines, |line| Track::hear(&line.sound, Model::Voice).expect("heard"));
    assert!(words.short_owned + 2 <= ours.short_owned, "{} of {}", words.short_owned, words.short);
    let (_, sounds) = tallies(&lines, |line| Track::hear(&line.sound, Model::Energy).expect("heard"));
    assert!(sounds.false_segments >= 3, "loudness takes noises for words: {sounds:?}");
}

/// The golden utterances, each followed by two seconds of a quiet line, which needs no network.
#[test]
fn the_quiet_of_a_line_reaches_no_network_and_costs_no_onset() {
    let sound = samples("golden-8k");
    let mut line = Vec::new();
    for (at, chunk) in sound.chunks_exact(256).enumerate() {
        line.extend_from_slice(chunk);
        if at % 90 == 89 {
            line.extend((0..2 * 8_000).map(|i| if i % 7 == 0 { 0.0005 } else { -0.0003 }));
            line.truncate(line.len() / 256 * 256);
        }
    }
    let mut silero = Silero::new(at_8k());
    let full: Vec<bool> = line.chunks_exact(256).map(|chunk| silero.probability(chunk) >= 0.5).collect();
    let (mut front, mut passed) = (Front::default(), 0);
    let ours: Vec<bool> = line
        .chunks_exact(256)
        .map(|chunk| {
            let quiet = front.passes(chunk);
            passed += usize::from(quiet);
            !quiet && front.judge(chunk) >= 0.5
        })
        .collect();
    assert!(passed > 1_000, "{passed} chunks reached no network");
    let onsets = |on: &[bool]| -> Vec<usize> {
        (1..on.len()).filter(|i| on[*i] && !on[i.saturating_sub(10)..*i].contains(&true)).collect()
    };
    let wanted = onsets(&full);
    assert!(wanted.len() > 20, "{} onsets", wanted.len());
    // Heard a few chunks earlier is no loss; the sound has noise 10 dB under it, and one flicker there is no word.
    let lost: Vec<_> = wanted.iter().filter(|at| !ours[at.saturating_sub(3)..**at + 3].contains(&true)).collect();
    assert!(lost.len() <= 1, "onsets lost: {lost:?} of {wanted:?}");
}
