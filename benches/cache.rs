//! `cache verify` of 1,000 assets of about eight seconds: renders them once with the embedded engine, then times the
//! program as a whole, several times: everything heard anew, nothing new to hear, bytes only, and as files without a
//! workspace; beside `b3sum --check` of the same files, where that program is installed.
//!
//! Run with `cargo bench --bench cache`; rendering takes two minutes.

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
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    println!("1,000 assets, {:.1} s of sound each; rendered in {:.1} s", seconds / 1_000.0, rendering.as_secs_f64());
    println!("| what | min | median | max | sound a second and core |");
    let mut medians = Vec::new();
    for (what, arguments) in [
        ("verify --full", &["cache", "verify", "many", "--quiet", "--full"][..]),
        ("verify, nothing new", &["cache", "verify", "many", "--quiet"]),
        ("verify --quick", &["cache", "verify", "many", "--quiet", "--quick"]),
        ("verify --files cache", &["cache", "verify", "--quiet", "--fail-on", "never", "--files", "cache"]),
    ] {
        let runs = runs(|| time(dir.path(), arguments));
        medians.push(row(what, &runs, seconds / cores));
    }
    slots(dir.path());
    if let Some(list) = checksums(dir.path()) {
        let b3sum = || {
            let begin = Instant::now();
            let mut command = Command::new("b3sum");
            let status =
                command.current_dir(dir.path()).args(["--check", "--quiet"]).arg(&list).stdout(Stdio::null()).status();
            assert!(status.expect("it ran before").success());
            begin.elapsed()
        };
        let median = row("b3sum --check", &runs(b3sum), seconds / cores);
        println!(
            "verify --quick takes {:.2} of b3sum --check, verify with nothing new {:.2}",
            medians[2] / median,
            medians[1] / median
        );
    } else {
        println!("SKIPPED: b3sum is not installed (cargo install b3sum)");
    }
}

/// A service that takes 100 ms for a phrase and bears four at once: how far from always four?
fn slots(workspace: &Path) {
    const MANY: usize = 200;
    let voice = workspace.join("voice.wav");
    let arguments = ["cache", "play", "many", "--key", "phrase-1", "--to", voice.to_str().expect("UTF-8")];
    time(workspace, &arguments);
    let dir = tempfile::tempdir().expect("a temporary folder");
    let campaign = dir.path().join("campaigns/slots");
    fs::create_dir_all(&campaign).expect("made");
    let script = format!("cat > /dev/null; sleep 0.1; cat '{}'", voice.display());
    let engine =
        format!("[engines.slow]\nkind = \"command\"\ncommand = [\"sh\", \"-c\", {script:?}]\nconcurrency = 4\n");
    fs::write(dir.path().join("ahoy.toml"), engine).expect("written");
    let text = "This is announcement of the harbour line. The ferry to the northern islands leaves from the second pier at a \
                quarter past nine, and passengers are asked to be on board ten minutes before.";
    let head = format!(
        "callers = [\"+15005550006\"]\n[voice]\nengine = \"slow\"\n[greeting]\nen = \"{text}\"\nfallback = \"en\"\n"
    );
    fs::write(campaign.join("campaign.toml"), head).expect("written");
    let phrase = |n: usize| format!("[p-{n}]\nen = \"{text} {n}\"\n");
    let house = ["goodbye", "opt-out-confirmed"].map(|key| format!("[{key}]\nen = \"{text} {key}\"\n")).concat();
    let book: String = (0..MANY - 3).map(phrase).collect();
    fs::write(campaign.join("phrases.toml"), format!("{house}{book}")).expect("written");
    let took = time(dir.path(), &["cache", "generate", "slots", "--quiet"]).as_secs_f64();
    let distinct = fs::read_dir(dir.path().join("cache"))
        .expect("the cache")
        .flatten()
        .flat_map(|it| fs::read_dir(it.path()))
        .flatten();
    let made = distinct.flatten().filter(|it| it.path().extension().is_some_and(|ext| ext == "wav")).count();
    let ideal = made as f64 * 0.1 / 4.0;
    println!(
        "generate {made} phrases at four slots of 100 ms: {took:.2} s, {ideal:.2} s would be without a gap ({:.2})",
        took / ideal
    );
}

fn runs(once: impl Fn() -> Duration) -> Vec<Duration> {
    let mut runs: Vec<Duration> = (0..RUNS).map(|_| once()).collect();
    runs.sort_unstable();
    runs
}

/// Prints a row; gives the median in seconds.
fn row(what: &str, runs: &[Duration], seconds: f64) -> f64 {
    let (least, middle, most) = (runs[0], runs[RUNS / 2], runs[RUNS - 1]);
    println!("| {what} | {least:.2?} | {middle:.2?} | {most:.2?} | {:.0} s |", seconds / middle.as_secs_f64());
    middle.as_secs_f64()
}

/// A list of checksums of all WAV files, made by b3sum; `None` = it is not installed.
fn checksums(workspace: &Path) -> Option<std::path::PathBuf> {
    let mut files = Vec::new();
    for shard in fs::read_dir(workspace.join("cache")).ok()?.flatten() {
        for file in fs::read_dir(shard.path()).into_iter().flatten().flatten() {
            if file.path().extension().is_some_and(|ext| ext == "wav") {
                files.push(file.path().strip_prefix(workspace).ok()?.to_owned());
            }
        }
    }
    let sums = Command::new("b3sum").current_dir(workspace).args(&files).output().ok()?;
    let list = workspace.join("sums");
    fs::write(&list, sums.stdout).ok()?;
    Some(list)
}

fn time(workspace: &Path, arguments: &[&str]) -> Duration {
    let begin = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ahoy"));
    command
        .current_dir(workspace)
        .arg("--workspace")
        .arg(workspace)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let status = command.status();
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
