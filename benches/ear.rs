//! The ear on labelled lines: docs/VAD.md has the figures and the commands.
//!
//! `cargo bench --bench ear -- clips FOLDER` has the phrases spoken; `-- scenes CLIPS SEED FOLDER [SOUNDS]` makes labelled
//! lines of clips, `-- phrases CLIPS SEED FOLDER` of longer ones; `-- figures FOLDER` prints what each detector makes of them; `-- speed`; `-- committed` makes tests/data/ear
//! anew; `-- inputs FOLDER FILE` writes what tools/ear-head.py trains on. Without arguments: figures of tests/data/ear,
//! and speed.

#[path = "ear/phrases.rs"]
mod phrases;
#[path = "ear/scenes.rs"]
mod scenes;
#[path = "ear/set.rs"]
mod set;
#[path = "ear/speak.rs"]
mod speak;

use std::collections::BTreeMap;
use std::path::Path;

use ahoy::core::config::Vad;
use ahoy::core::replay::Track;
use ahoy::core::replay::score::Tally;
use ahoy::core::sound::Pcm;
use ahoy::core::vad::front::Front;
use ahoy::core::vad::silero::{Silero, at_8k};
use ahoy::core::vad::{CHUNK_8K, Detector, Model};
use set::{Line, read};

const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/ear");
const SPEECH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/silero-vad-v6/golden-8k.wav");

fn main() {
    let typed: Vec<String> = std::env::args().skip(1).filter(|it| it != "--bench").collect();
    let words: Vec<&str> = typed.iter().map(String::as_str).collect();
    match words[..] {
        ["clips", folder] => speak::clips(Path::new(folder), speak::Voices::All),
        ["scenes", clips, seed, folder] => {
            set::make(Path::new(clips), seed.parse().expect("a seed"), Path::new(folder), None)
        }
        ["scenes", clips, seed, folder, sounds] => {
            set::make(Path::new(clips), seed.parse().expect("a seed"), Path::new(folder), Some(Path::new(sounds)));
        }
        ["phrases", clips, seed, folder] => {
            set::make_long(Path::new(clips), seed.parse().expect("a seed"), Path::new(folder));
        }
        ["committed"] => set::committed(Path::new(COMMITTED)),
        ["figures", folder] => figures(Path::new(folder)),
        ["inputs", folder, file] => set::inputs(Path::new(folder), Path::new(file)),
        ["speed"] => speed(),
        [] => {
            figures(Path::new(COMMITTED));
            speed();
        }
        _ => panic!("see the head of benches/ear.rs"),
    }
}

/// The network alone, as the ear of calls had it before it had a front end.
fn plain(line: &Line) -> Track {
    let mut silero = Silero::new(at_8k());
    let sound: Vec<f32> = line.pcm.samples.iter().map(|it| f32::from(*it) / 32_768.0).collect();
    Track { probabilities: sound.chunks_exact(CHUNK_8K).map(|chunk| silero.probability(chunk)).collect() }
}

fn figures(folder: &Path) {
    let lines = read(folder);
    println!("{} lines of {}", lines.len(), folder.display());
    println!("| detector | lines | short | found % | owned % | false/min | start p50, p90 ms | end p90 ms |");
    println!("|---|---|---|---|---|---|---|---|");
    let hear = |name: &str, line: &Line| match name {
        "voice" => Track::hear(&line.pcm, Model::Voice).expect("heard"),
        "energy" => Track::hear(&line.pcm, Model::Energy).expect("heard"),
        _ => plain(line),
    };
    for name in ["voice", "energy", "network alone"] {
        let mut rows: BTreeMap<String, Tally> = BTreeMap::new();
        for line in &lines {
            let track = hear(name, line);
            let segments = track.segments(&Vad::default());
            let tally = Tally::of(&line.said, &segments, track.ms());
            let whole = if line.kind.starts_with("only") { "= all without words" } else { "= all with words" };
            // Our own voice given back is speech: not among the false ones.
            let whole = if line.kind == "echo" { None } else { Some(whole.to_owned()) };
            let tongue = line.language.as_ref().map(|it| format!("language {it}"));
            for row in [Some(line.kind.clone()), whole, tongue].into_iter().flatten() {
                *rows.entry(row).or_default() += &tally;
            }
        }
        for (row, tally) in rows {
            let it = tally.figures();
            let percent = |it: Option<f64>| it.map_or("-".to_owned(), |it| format!("{it:.1}"));
            let (found, owned) = (percent(it.short_found_percent), percent(it.short_owned_percent));
            let start = it.start_ms.map_or("-".to_owned(), |it| format!("{}, {}", it.p50, it.p90));
            let end = it.end_ms.map_or("-".to_owned(), |it| it.p90.to_string());
            println!(
                "| {name} | {row} | {} | {found} | {owned} | {:.2} | {start} | {end} |",
                it.short, it.false_per_minute
            );
        }
    }
}

/// Seconds of CPU that this process has used: what a busy machine does beside does not count.
fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Times real time on one core: speech without a pause, and a call with a word every three seconds.
fn speed() {
    let golden = ahoy::core::sound::wav::read(&std::fs::read(SPEECH).expect("there")).expect("a WAV").samples;
    let mut random = fastrand::Rng::with_seed(4);
    let mut call: Vec<i16> = (0..golden.len()).map(|_| random.i16(-20..20)).collect();
    for at in (8_000..call.len() - 8_000).step_by(24_000) {
        call[at..at + 4_000].copy_from_slice(&golden[at..at + 4_000]);
    }
    for (what, samples) in [("speech without a pause", golden), ("half a second in three of a call", call)] {
        let long = Pcm { samples: samples.repeat(8), rate: 8_000 };
        for (name, model) in [("voice", Model::Voice), ("energy", Model::Energy)] {
            let begin = cpu_seconds();
            let track = Track::hear(&long, model).expect("heard");
            let times = track.ms() as f64 / 1_000.0 / (cpu_seconds() - begin);
            println!("{name}: {what}: {times:.0} x real time by CPU time");
        }
    }
    let mut front = Front::default();
    let loud: Vec<f32> = (0..CHUNK_8K).map(|_| 0.2 * (random.f32() - 0.5)).collect();
    let begin = cpu_seconds();
    for _ in 0..5_000 {
        front.passes(&loud);
        std::hint::black_box(front.judge(&loud));
    }
    println!("voice: {:.1} µs a chunk of 32 ms that reaches the network", (cpu_seconds() - begin) * 1e6 / 5_000.0);
}
