//! `cache verify` of 1,000 assets of about eight seconds: renders them once with the embedded engine, then times the
//! program as a whole, several times.
//!
//! Run with `cargo bench --bench cache`; rendering takes a minute or two.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PHRASES: usize = 997; // and the greeting, the confirmation and the goodbye
const RUNS: usize = 7;

fn main() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let campaign = dir.path().join("campaigns/many");
    fs::create_dir_all(&campaign).expect("made");
    fs::write(dir.path().join("ahoy.toml"), "").expect("written");
    let head = "callers = [\"+15005550006\"]\n[greeting]\nen = \"Hello, this is the harbour line. Press 9 to stop.\"\n";
    fs::write(campaign.join("campaign.toml"), head).expect("written");
    let mut book = String::new();
    for number in 0..PHRASES {
        let text = format!(
            "This is announcement number {number} of the harbour line. The ferry to the northern islands leaves from the \
             second pier at a quarter past nine, and passengers are asked to be on board ten minutes before."
        );
        writeln!(book, "[phrase-{number}]\nen = \"{text}\"").expect("a String takes all");
    }
    fs::write(campaign.join("phrases.toml"), book).expect("written");
    let rendering = time(dir.path(), &["cache", "generate", "many", "--quiet"]);
    let seconds = seconds_of_sound(&dir.path().join("cache"));
    let mut runs: Vec<Duration> =
        (0..RUNS).map(|_| time(dir.path(), &["cache", "verify", "many", "--quiet"])).collect();
    runs.sort_unstable();
    let (least, middle, most) = (runs[0], runs[RUNS / 2], runs[RUNS - 1]);
    println!("1,000 assets, {:.1} s of sound each; rendered in {:.1} s", seconds / 1_000.0, rendering.as_secs_f64());
    println!("| cache verify, {RUNS} runs | min {least:.2?} | median {middle:.2?} | max {most:.2?} |");
}

fn time(workspace: &Path, arguments: &[&str]) -> Duration {
    let begin = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ahoy"));
    let status = command.arg("--workspace").arg(workspace).args(arguments).stdout(Stdio::null()).status();
    let took = begin.elapsed();
    assert!(status.expect("it starts").success(), "{arguments:?} failed");
    took
}

/// Seconds of 8 kHz 16-bit sound under a folder.
fn seconds_of_sound(folder: &Path) -> f64 {
    let mut bytes = 0;
    for shard in fs::read_dir(folder).expect("the cache").flatten() {
        for file in fs::read_dir(shard.path()).into_iter().flatten().flatten() {
            if file.path().extension().is_some_and(|ext| ext == "wav") {
                bytes += file.metadata().expect("readable").len() - 44;
            }
        }
    }
    bytes as f64 / 16_000.0
}
