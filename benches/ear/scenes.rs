//! Labelled telephone lines by construction: words that were put at known places, over sounds that are none.
//!
//! A scene is a function of its clips and a seed: the same command makes the same bytes.

use ahoy::core::replay::labels::Utterance;
use ahoy::core::sound::{Pcm, g711, resample};
use fastrand::Rng;

/// Samples of a scene in a second.
pub const RATE: usize = 8_000;

/// A word or short phrase of one speaker: 8 kHz, cut to its sound, of mean power 1 while it sounds.
#[derive(Debug, Clone)]
pub struct Clip {
    /// Its language, a tag.
    pub language: String,
    /// What is said.
    pub text: String,
    /// Samples.
    pub sound: Vec<f32>,
}

/// Frames of 10 ms, by which a clip is cut.
const FRAME: usize = RATE / 100;
/// A frame so far under the loudest one is no part of the word, dB.
const EDGE_DB: f32 = 30.0;

fn power(samples: &[f32]) -> f32 {
    samples.iter().map(|it| it * it).sum::<f32>() / samples.len().max(1) as f32
}

fn gain(db: f32) -> f32 {
    10_f32.powf(db / 20.0)
}

impl Clip {
    /// Cuts a recording of one word to its sound; `None` = there is none, or nearly nothing.
    pub fn of(language: &str, text: &str, pcm: &Pcm) -> Option<Clip> {
        let narrow = resample::resample(pcm, RATE as u32).ok()?;
        let sound: Vec<f32> = narrow.samples.iter().map(|it| f32::from(*it) / 32_768.0).collect();
        let powers: Vec<f32> = sound.chunks(FRAME).map(power).collect();
        let loudest = powers.iter().copied().fold(0.0, f32::max);
        let edge = loudest * 10_f32.powf(-EDGE_DB / 10.0);
        let sounding = |it: &f32| *it > edge && *it > 1e-7;
        let (first, last) = (powers.iter().position(sounding)?, powers.iter().rposition(sounding)?);
        let word = &sound[first * FRAME..((last + 1) * FRAME).min(sound.len())];
        let active: Vec<f32> = powers[first..=last].iter().copied().filter(sounding).collect();
        let scale = 1.0 / (active.iter().sum::<f32>() / active.len() as f32).sqrt();
        let sound: Vec<f32> = word.iter().map(|it| it * scale).collect();
        (sound.len() >= RATE / 10).then(|| Clip { language: language.to_owned(), text: text.to_owned(), sound })
    }

    /// Length in milliseconds.
    pub fn ms(&self) -> u64 {
        (self.sound.len() * 1_000 / RATE) as u64
    }
}

/// What a scene is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Words at −18 to −30 dBov over a quiet line, two to four seconds apart.
    Plain,
    /// Words at −40 dBov.
    Quiet,
    /// Words every 4 to 15 s of a long call on a quiet line.
    Sparse,
    /// Words on a line that removes everything under 300 Hz.
    Cut,
    /// Words 12 to 20 dB over line noise.
    Noise,
    /// Words 2 to 22 dB over a street, or a fan.
    Loud,
    /// Words over the mains' hum at −45 dBov.
    Hum,
    /// Words between breaths, clicks, coughs and keys.
    Mixed,
    /// Hum and its overtones, coming and going. No words from here on.
    OnlyHum,
    /// Line noise in steps.
    OnlyNoise,
    /// Chords, a tune and a beat.
    OnlyMusic,
    /// Key tones.
    OnlyKeys,
    /// Ringback, busy and information tones.
    OnlyRingback,
    /// Breath.
    OnlyBreath,
    /// Coughs.
    OnlyCough,
    /// Clicks and knocks.
    OnlyClicks,
    /// Recorded music.
    RecordedMusic,
    /// Recorded noises.
    RecordedSounds,
    /// Our own voice as the line gives it back: it is speech, but not the callee's.
    Echo,
}

use Kind::{
    Cut, Echo, Hum, Loud, Mixed, Noise, OnlyBreath, OnlyClicks, OnlyCough, OnlyHum, OnlyKeys, OnlyMusic, OnlyNoise,
    OnlyRingback, Plain, Quiet, RecordedMusic, RecordedSounds, Sparse,
};

impl Kind {
    /// All kinds with words.
    pub const WORDS: [Kind; 7] = [Plain, Quiet, Sparse, Cut, Noise, Hum, Mixed];
    /// All kinds without.
    pub const SOUNDS: [Kind; 8] =
        [OnlyHum, OnlyNoise, OnlyMusic, OnlyKeys, OnlyRingback, OnlyBreath, OnlyCough, OnlyClicks];

    /// Its name in files and tables.
    pub fn name(self) -> &'static str {
        match self {
            Plain => "plain",
            Quiet => "quiet",
            Sparse => "sparse",
            Cut => "cut",
            Noise => "noise",
            Loud => "loud",
            Hum => "hum",
            Mixed => "mixed",
            OnlyHum => "only-hum",
            OnlyNoise => "only-noise",
            OnlyMusic => "only-music",
            OnlyKeys => "only-keys",
            OnlyRingback => "only-ringback",
            OnlyBreath => "only-breath",
            OnlyCough => "only-cough",
            OnlyClicks => "only-clicks",
            RecordedMusic => "only-recorded-music",
            RecordedSounds => "only-recorded-sounds",
            Echo => "echo",
        }
    }
}

/// A telephone line with what was said on it.
pub struct Scene {
    /// What it is about.
    pub kind: Kind,
    /// The language of its words.
    pub language: String,
    /// The line, µ-law.
    pub ulaw: Vec<u8>,
    /// What was said, by construction.
    pub said: Vec<Utterance>,
}

/// A scene of these words. `random` decides levels, pauses and noises.
pub fn words(kind: Kind, clips: &[&Clip], random: &mut Rng) -> Scene {
    let language = clips.first().map_or("", |it| it.language.as_str()).to_owned();
    let mut line = Vec::new();
    let mut said = Vec::new();
    let pause = |random: &mut Rng, line: &mut Vec<f32>| {
        let seconds = match kind {
            Sparse => 4.0 + 11.0 * random.f32(),
            _ => 1.8 + 2.0 * random.f32(),
        };
        line.resize(line.len() + (seconds * RATE as f32) as usize, 0.0);
    };
    for clip in clips {
        pause(random, &mut line);
        let level = match kind {
            Quiet => -40.0,
            _ => -18.0 - 12.0 * random.f32(),
        };
        let start_ms = (line.len() * 1_000 / RATE) as u64;
        line.extend(clip.sound.iter().map(|it| it * gain(level)));
        let end_ms = (line.len() * 1_000 / RATE) as u64;
        said.push(Utterance { start_ms, end_ms, text: format!("{}: {}", clip.language, clip.text) });
    }
    pause(random, &mut line);
    if kind == Cut {
        line = cut(&line);
    }
    let floor = match kind {
        Noise => -50.0 + 8.0 * random.f32(),
        Loud => -40.0 + 8.0 * random.f32(),
        Quiet | Sparse => -68.0 + 6.0 * random.f32(),
        _ => -66.0 + 8.0 * random.f32(),
    };
    noise(&mut line, floor, random);
    match kind {
        Hum => hum(&mut line, -45.0, random),
        Mixed => {
            // In the pauses, away from the words.
            for pair in said.windows(2) {
                let (from, to) = (pair[0].end_ms as usize + 750, pair[1].start_ms as usize - 750);
                let room = &mut line[from * RATE / 1_000..to.max(from) * RATE / 1_000];
                match random.u8(0..4) {
                    0 => breath(room, random),
                    1 => click(room, random),
                    2 => cough(room, random),
                    _ => key(room, random),
                }
            }
        }
        _ => {}
    }
    Scene { kind, language, ulaw: coded(&line), said }
}

/// A scene without words, of so many seconds.
pub fn sounds(kind: Kind, seconds: usize, random: &mut Rng) -> Scene {
    let mut line = vec![0.0; seconds * RATE];
    let floor = -66.0 + 6.0 * random.f32();
    noise(&mut line, floor, random);
    let mut at = RATE / 2;
    while at + 4 * RATE < line.len() {
        let next = at + RATE / 2 + random.usize(0..3 * RATE);
        let room = &mut line[at..at + 3 * RATE];
        match kind {
            OnlyHum => {
                let level = -45.0 + 20.0 * random.f32();
                hum(room, level, random);
            }
            OnlyNoise => {
                let level = -55.0 + 25.0 * random.f32();
                noise(room, level, random);
            }
            OnlyKeys => key(room, random),
            OnlyBreath => breath(room, random),
            OnlyCough => cough(room, random),
            OnlyClicks => click(room, random),
            _ => {}
        }
        at = if matches!(kind, OnlyHum | OnlyNoise) { at + 3 * RATE } else { next };
    }
    match kind {
        OnlyMusic => music(&mut line, random),
        OnlyRingback => ringback(&mut line, random),
        _ => {}
    }
    Scene { kind, language: String::new(), ulaw: coded(&line), said: Vec::new() }
}

/// Our own phrases come back `down_db` weaker, on a line with noise.
pub fn echo(clips: &[&Clip], down_db: f32, random: &mut Rng) -> Scene {
    let mut line = Vec::new();
    for clip in clips {
        line.resize(line.len() + RATE, 0.0);
        line.extend(clip.sound.iter().map(|it| it * gain(-20.0 - down_db)));
    }
    let mut line = cut(&line);
    noise(&mut line, -64.0, random);
    Scene { kind: Echo, language: String::new(), ulaw: coded(&line), said: Vec::new() }
}

/// A line that is not ours to make: recorded music, recorded noises.
pub fn recorded(kind: Kind, pcm: &Pcm, level: f32) -> Option<Scene> {
    let narrow = resample::resample(pcm, RATE as u32).ok()?;
    let sound: Vec<f32> = narrow.samples.iter().map(|it| f32::from(*it) / 32_768.0).collect();
    let scale = gain(level) / power(&sound).sqrt().max(1e-6);
    let line: Vec<f32> = sound.iter().map(|it| it * scale).collect();
    Some(Scene { kind, language: String::new(), ulaw: coded(&line), said: Vec::new() })
}

fn coded(line: &[f32]) -> Vec<u8> {
    let samples: Vec<i16> = line.iter().map(|it| (it * 32_768.0).clamp(-32_768.0, 32_767.0) as i16).collect();
    g711::encode_ulaw(&samples)
}

/// Removes what lies under 300 Hz: a linear-phase filter of 255 taps, 3 dB at 300 Hz and over 60 dB under 230 Hz.
pub fn cut(line: &[f32]) -> Vec<f32> {
    const HALF: isize = 127;
    let corner = 300.0 / RATE as f32;
    let taps: Vec<f32> = (-HALF..=HALF)
        .map(|k| {
            let t = k as f32;
            let turn = core::f32::consts::TAU;
            let window = 0.42 + 0.5 * (turn * t / 256.0).cos() + 0.08 * (2.0 * turn * t / 256.0).cos();
            let low = if k == 0 { 2.0 * corner } else { (turn * corner * t).sin() / (core::f32::consts::PI * t) };
            (if k == 0 { 1.0 } else { 0.0 }) - low * window
        })
        .collect();
    let sample = |at: isize| usize::try_from(at).ok().and_then(|at| line.get(at)).copied().unwrap_or(0.0);
    (0..line.len() as isize)
        .map(|at| taps.iter().enumerate().map(|(k, tap)| tap * sample(at + HALF - k as isize)).sum())
        .collect()
}

fn normal(random: &mut Rng) -> f32 {
    (0..4).map(|_| random.f32() - 0.5).sum::<f32>() * 1.732
}

/// Noise of a line: mostly even, a little more below.
fn noise(line: &mut [f32], level: f32, random: &mut Rng) {
    let mut low = 0.0;
    for sample in line {
        let white = normal(random);
        low = 0.9 * low + 0.3 * white;
        *sample += 0.75 * (white * 0.8 + low * 0.6) * gain(level);
    }
}

fn tone(line: &mut [f32], hz: f32, level: f32) {
    let turn = core::f32::consts::TAU * hz / RATE as f32;
    let amplitude = gain(level) * core::f32::consts::SQRT_2;
    for (at, sample) in line.iter_mut().enumerate() {
        *sample += amplitude * (turn * at as f32).sin();
    }
}

fn hum(line: &mut [f32], level: f32, random: &mut Rng) {
    let mains = if random.bool() { 50.0 } else { 60.0 };
    for overtone in 1..=9 {
        let down = if overtone % 2 == 0 { 4.0 } else { 0.0 } + 3.0 * (overtone as f32 - 1.0) * random.f32();
        tone(line, mains * overtone as f32, level - 5.0 - down);
    }
}

/// One breath at the beginning of the room: filtered noise that swells for half a second and ebbs.
fn breath(room: &mut [f32], random: &mut Rng) {
    let length = (RATE * 4 / 10 + random.usize(0..RATE * 8 / 10)).min(room.len());
    let level = gain(-48.0 + 14.0 * random.f32());
    let (mut one, mut two) = (0.0, 0.0);
    let ring = 0.85 + 0.08 * random.f32();
    let turn = core::f32::consts::TAU * (500.0 + 900.0 * random.f32()) / RATE as f32;
    for (at, sample) in room[..length].iter_mut().enumerate() {
        let swell = (core::f32::consts::PI * at as f32 / length as f32).sin();
        let next = normal(random) + 2.0 * ring * turn.cos() * one - ring * ring * two;
        (two, one) = (one, next);
        *sample += next * level * swell * (1.0 - ring) * 1.5;
    }
}

/// A cough: one to three bursts of noise through the resonances of a throat, sharp at first.
fn cough(room: &mut [f32], random: &mut Rng) {
    let level = gain(-30.0 + 10.0 * random.f32());
    let mut at = 0;
    for _ in 0..random.usize(1..4) {
        let length = RATE * 12 / 100 + random.usize(0..RATE * 15 / 100);
        let throat = [550.0 + 300.0 * random.f32(), 1_300.0 + 500.0 * random.f32(), 2_600.0 + 500.0 * random.f32()];
        let mut memory = [[0.0_f32; 2]; 3];
        for place in 0..length {
            let Some(sample) = room.get_mut(at + place) else { return };
            let swell = (place as f32 / (0.01 * RATE as f32)).min(1.0) * (-5.0 * place as f32 / length as f32).exp();
            let white = normal(random);
            for (hz, memory) in throat.iter().zip(&mut memory) {
                let turn = core::f32::consts::TAU * hz / RATE as f32;
                let next = white + 1.86 * turn.cos() * memory[0] - 0.865 * memory[1];
                *memory = [next, memory[0]];
                *sample += next * level * swell * 0.12;
            }
        }
        at += length + random.usize(RATE / 20..RATE / 4);
    }
}

/// One to four clicks or knocks.
fn click(room: &mut [f32], random: &mut Rng) {
    let mut at = 0;
    for _ in 0..random.usize(1..5) {
        let level = gain(-26.0 + 18.0 * random.f32());
        let fade = 4.0 + 60.0 * random.f32();
        let turn = core::f32::consts::TAU * (150.0 + 1_800.0 * random.f32()) / RATE as f32;
        for place in 0..RATE / 10 {
            let Some(sample) = room.get_mut(at + place) else { return };
            *sample += level * (turn * place as f32).cos() * (-(place as f32) / fade).exp();
        }
        at += random.usize(RATE / 20..RATE / 2);
    }
}

/// A key of a telephone, 80 to 300 ms.
fn key(room: &mut [f32], random: &mut Rng) {
    let length = (RATE * 8 / 100 + random.usize(0..RATE * 22 / 100)).min(room.len());
    let level = -22.0 + 10.0 * random.f32();
    tone(&mut room[..length], [697.0, 770.0, 852.0, 941.0][random.usize(0..4)], level - 3.0);
    tone(&mut room[..length], [1_209.0, 1_336.0, 1_477.0][random.usize(0..3)], level - 2.0);
}

/// Ringback of Europe or North America, busy, or the three tones before an announcement.
fn ringback(line: &mut [f32], random: &mut Rng) {
    let level = -22.0 + 8.0 * random.f32();
    let (pair, on, off): (&[f32], f32, f32) = match random.u8(0..4) {
        0 => (&[425.0], 1.0, 4.0),
        1 => (&[440.0, 480.0], 2.0, 4.0),
        2 => (&[400.0, 450.0], 0.4, 0.4),
        _ => (&[480.0, 620.0], 0.5, 0.5),
    };
    let (on, off) = ((on * RATE as f32) as usize, (off * RATE as f32) as usize);
    for ring in line.chunks_mut(on + off) {
        let length = on.min(ring.len());
        for hz in pair {
            tone(&mut ring[..length], *hz, level - 3.0);
        }
    }
}

/// Something like music on hold: chords with overtones, a tune, a beat.
fn music(line: &mut [f32], random: &mut Rng) {
    let level = -24.0 + 6.0 * random.f32();
    let beat = RATE * 60 / random.usize(70..140);
    let root = 98.0 + 60.0 * random.f32();
    let note = |step: i32| root * 2_f32.powf(step as f32 / 12.0);
    let chords = [[0, 4, 7], [5, 9, 12], [7, 11, 14], [-3, 0, 4]];
    let scale = [0, 2, 4, 5, 7, 9, 11, 12, 14, 16];
    for (nth, bar) in line.chunks_mut(beat * 4).enumerate() {
        let chord = chords[(nth + random.usize(0..2)) % chords.len()];
        for step in chord {
            pluck(bar, note(step + 12), level - 9.0, 0.9);
        }
        pluck(bar, note(chord[0]), level - 4.0, 0.6);
        for part in bar.chunks_mut(beat) {
            if random.u8(0..4) > 0 {
                pluck(part, note(24 + scale[random.usize(0..scale.len())]), level - 6.0, 0.25 + 0.4 * random.f32());
            }
            let length = part.len().min(RATE / 30);
            for (at, sample) in part[..length].iter_mut().enumerate() {
                *sample += normal(random) * gain(level - 8.0) * (-(at as f32) / 80.0).exp();
            }
        }
    }
}

/// A string that is struck and dies away.
fn pluck(line: &mut [f32], hz: f32, level: f32, seconds: f32) {
    for (at, sample) in line.iter_mut().enumerate() {
        let time = at as f32 / RATE as f32;
        let swell = (time / 0.008).min(1.0) * (-time / seconds).exp();
        for overtone in 1..=5 {
            let own = hz * overtone as f32;
            if own < 3_600.0 {
                *sample +=
                    gain(level) * swell * (core::f32::consts::TAU * own * time).sin() / (overtone * overtone) as f32;
            }
        }
    }
}
