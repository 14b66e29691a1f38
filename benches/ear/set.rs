//! Sets of labelled lines: made of clips, written as G.711 WAV with Audacity labels beside them, read back.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use ahoy::core::replay::labels::{self, Form, Utterance};
use ahoy::core::sound::{Pcm, wav};
use ahoy::core::vad::CHUNK_8K;
use ahoy::core::vad::front::Front;
use fastrand::Rng;

use super::scenes::{Clip, Kind, Scene, echo, recorded, sounds, words};
use super::speak::{self, Voices};

/// A line of a set.
pub struct Line {
    /// Its kind: what stands before the first `_` of its name.
    pub kind: String,
    /// The language of its words.
    pub language: Option<String>,
    /// Its sound.
    pub pcm: Pcm,
    /// What was said.
    pub said: Vec<Utterance>,
}

fn sorted(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut found: Vec<_> = entries.map(|it| it.expect("readable").path()).collect();
    found.sort();
    found
}

/// Reads a set: `KIND_LANGUAGE_NUMBER.wav` with `.labels.txt` beside it.
pub fn read(folder: &Path) -> Vec<Line> {
    let wavs = sorted(folder).into_iter().filter(|path| path.extension().is_some_and(|it| it == "wav"));
    wavs.map(|path| {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let mut parts = name.split('_');
        let kind = parts.next().unwrap_or("").to_owned();
        let language = parts.next().filter(|it| !it.is_empty() && *it != "all").map(str::to_owned);
        let pcm = wav::read(&fs::read(&path).expect("readable")).expect("a WAV");
        let text = fs::read_to_string(path.with_extension("labels.txt")).unwrap_or_default();
        Line { kind, language, pcm, said: labels::read(&text, Form::Audacity).expect("labels") }
    })
    .collect()
}

/// Clips of a folder with a folder for each language, of so many milliseconds.
fn load(folder: &Path, ms: std::ops::Range<u64>) -> Vec<Clip> {
    let mut clips = Vec::new();
    for language in sorted(folder) {
        let tag = language.file_name().expect("a name").to_string_lossy().into_owned();
        for path in sorted(&language) {
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            // Spoken clips are called by voice, number and phrase.
            let text = name.split_once(' ').map_or(name.as_str(), |(_, phrase)| phrase).to_owned();
            let Ok(pcm) = wav::read(&fs::read(&path).expect("readable")) else { continue };
            clips.extend(Clip::of(&tag, &text, &pcm).filter(|it| ms.contains(&it.ms())));
        }
    }
    clips
}

/// µ-law in a WAV.
fn g711(ulaw: &[u8]) -> Vec<u8> {
    let bytes = ulaw.len() as u32;
    let mut wav = Vec::with_capacity(ulaw.len() + 58);
    wav.extend_from_slice(b"RIFF");
    wav.extend_from_slice(&(bytes + 50).to_le_bytes());
    wav.extend_from_slice(b"WAVEfmt ");
    wav.extend_from_slice(&18_u32.to_le_bytes());
    for word in [7_u16, 1] {
        wav.extend_from_slice(&word.to_le_bytes());
    }
    for rate in [8_000_u32, 8_000] {
        wav.extend_from_slice(&rate.to_le_bytes());
    }
    for word in [1_u16, 8, 0] {
        wav.extend_from_slice(&word.to_le_bytes());
    }
    wav.extend_from_slice(b"fact");
    wav.extend_from_slice(&4_u32.to_le_bytes());
    wav.extend_from_slice(&bytes.to_le_bytes());
    wav.extend_from_slice(b"data");
    wav.extend_from_slice(&bytes.to_le_bytes());
    wav.extend_from_slice(ulaw);
    wav
}

fn write(folder: &Path, nth: usize, scene: &Scene) {
    fs::create_dir_all(folder).expect("made");
    let language = if scene.language.is_empty() { "all" } else { &scene.language };
    let path = folder.join(format!("{}_{language}_{nth:03}.wav", scene.kind.name()));
    fs::write(&path, g711(&scene.ulaw)).expect("written");
    let seconds = |ms: u64| format!("{}.{:03}", ms / 1_000, ms % 1_000);
    let lines: String = scene
        .said
        .iter()
        .map(|it| format!("{}\t{}\t{}\n", seconds(it.start_ms), seconds(it.end_ms), it.text))
        .collect();
    fs::write(path.with_extension("labels.txt"), lines).expect("written");
}

/// Words of a scene, and scenes of a kind and language.
const WORDS: usize = 24;
const MOST: usize = 60;

/// Makes a set of the clips (a folder with a folder for each language), and of recorded sounds without words.
pub fn make(clips: &Path, seed: u64, folder: &Path, without_words: Option<&Path>) {
    let mut random = Rng::with_seed(seed);
    let short = load(clips, 100..600);
    let mut of: BTreeMap<&str, Vec<&Clip>> = BTreeMap::new();
    for clip in &short {
        of.entry(&clip.language).or_default().push(clip);
    }
    let mut nth = 0;
    let mut keep = |scene: &Scene| {
        nth += 1;
        write(folder, nth, scene);
    };
    for kind in Kind::WORDS {
        for clips in of.values() {
            let mut clips = clips.clone();
            random.shuffle(&mut clips);
            clips.truncate(MOST);
            for part in clips.chunks(WORDS) {
                keep(&words(kind, part, &mut random));
            }
        }
    }
    for kind in Kind::SOUNDS {
        for _ in 0..4 {
            keep(&sounds(kind, 60, &mut random));
        }
    }
    let long = load(clips, 600..6_000);
    if !long.is_empty() {
        for down in [15.0, 25.0] {
            let said: Vec<&Clip> = (0..20).map(|_| &long[random.usize(0..long.len())]).collect();
            keep(&echo(&said, down, &mut random));
        }
    }
    for path in without_words.map(sorted).unwrap_or_default() {
        let music = path.file_name().is_some_and(|it| it.to_string_lossy().starts_with("music-"));
        let kind = if music { Kind::RecordedMusic } else { Kind::RecordedSounds };
        let pcm = wav::read(&fs::read(&path).expect("readable")).expect("a WAV");
        if let Some(scene) = recorded(kind, &pcm, -24.0) {
            keep(&scene);
        }
    }
    for clips in of.values() {
        for part in clips[..clips.len().min(MOST)].chunks(WORDS) {
            keep(&words(Kind::Loud, part, &mut random));
        }
    }
    println!("{nth} lines in {}", folder.display());
}

/// Longer phrases, for training: without them the last layer would take length for noise.
pub fn make_long(clips: &Path, seed: u64, folder: &Path) {
    let mut random = Rng::with_seed(seed);
    let long = load(clips, 600..4_000);
    let mut of: BTreeMap<&str, Vec<&Clip>> = BTreeMap::new();
    for clip in &long {
        of.entry(&clip.language).or_default().push(clip);
    }
    let mut nth = 0;
    for kind in [Kind::Plain, Kind::Quiet, Kind::Cut, Kind::Noise, Kind::Loud, Kind::Hum] {
        for clips in of.values() {
            let mut clips = clips.clone();
            random.shuffle(&mut clips);
            clips.truncate(MOST);
            for part in clips.chunks(WORDS) {
                nth += 1;
                write(folder, nth, &words(kind, part, &mut random));
            }
        }
    }
    println!("{nth} lines in {}", folder.display());
}

/// The example set of the repository: five languages of the embedded engine, within 1.5 MB.
pub fn committed(folder: &Path) {
    let scratch = tempfile::tempdir().expect("a folder");
    speak::clips(scratch.path(), Voices::Embedded);
    let clips = load(&scratch.path().join("kept"), 100..600);
    let mut random = Rng::with_seed(2_026);
    let pick = |each: usize, random: &mut Rng| -> Vec<&Clip> {
        let mut picked = Vec::new();
        for language in ["de", "en", "es", "fr", "it"] {
            let mut of: Vec<&Clip> = clips.iter().filter(|it| it.language == language).collect();
            random.shuffle(&mut of);
            picked.extend(of.into_iter().take(each));
        }
        random.shuffle(&mut picked);
        picked
    };
    let mut scenes = Vec::new();
    for (kind, each) in [(Kind::Plain, 2), (Kind::Quiet, 2), (Kind::Cut, 2), (Kind::Mixed, 1)] {
        scenes.push(words(kind, &pick(each, &mut random), &mut random));
    }
    let sparse = pick(1, &mut random);
    scenes.push(words(Kind::Sparse, &sparse[..2], &mut random));
    for kind in [Kind::OnlyHum, Kind::OnlyMusic, Kind::OnlyKeys, Kind::OnlyRingback, Kind::OnlyCough] {
        scenes.push(sounds(kind, 6, &mut random));
    }
    for old in sorted(folder) {
        if old.extension().is_some_and(|it| it == "wav" || it == "txt") {
            fs::remove_file(old).expect("removed");
        }
    }
    for (nth, scene) in scenes.iter_mut().enumerate() {
        scene.language = String::new();
        write(folder, nth + 1, scene);
    }
}

/// What the ear's last layer gets for each chunk of a set that reaches it: `[speech 0 or 1, weight, line, inputs…]`, f32.
pub fn inputs(folder: &Path, file: &Path) {
    let mut rows: Vec<u8> = Vec::new();
    for (nth, line) in read(folder).iter().enumerate().filter(|(_, line)| line.kind != "echo") {
        let mut front = Front::default();
        for (at, chunk) in line.pcm.samples.chunks_exact(CHUNK_8K).enumerate() {
            let chunk: Vec<f32> = chunk.iter().map(|it| f32::from(*it) / 32_768.0).collect();
            if front.passes(&chunk) {
                continue;
            }
            let inputs = front.hear(&chunk);
            let (from, to) = (at as i64 * 32, at as i64 * 32 + 32);
            // A chunk that a word only touches, and the three after a word, are nobody's mistake.
            let noise = if line.kind.starts_with("only-recorded") { 6.0 } else { 2.0 };
            let (mut speech, mut weight) = (0.0_f32, if line.said.is_empty() { noise } else { 1.0_f32 });
            for it in &line.said {
                let (start, end) = (it.start_ms as i64, it.end_ms as i64);
                let inside = (to.min(end) - from.max(start)).max(0);
                if inside >= 20 {
                    // The first two decide how soon a live call knows.
                    (speech, weight) = (1.0, if start >= from - 64 { 1.5 } else { 1.0 });
                } else if inside > 0 || (end..end + 96).contains(&from) {
                    weight = 0.0;
                }
            }
            for value in [speech, weight, nth as f32].iter().chain(&inputs) {
                rows.extend_from_slice(&value.to_le_bytes());
            }
        }
    }
    fs::write(file, rows).expect("written");
}
