//! Seeds: a few dozen in every test run, all that ever failed, and as many as `just sim N` asks for.

use super::plan::scenario;
use super::voyage::sail;

/// Seeds of an ordinary test run.
const USUAL: u64 = 16;

/// Seeds that found a fault once, with the fault.
const KNOWN: &str = include_str!("../../../../tests/data/seeds.txt");

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

fn known() -> Vec<u64> {
    let lines = KNOWN.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines.map(|line| line.split_whitespace().next().and_then(|word| word.parse().ok()).expect("a seed")).collect()
}

/// Sails a seed; a broken promise is told with the way to see it again.
fn check(seed: u64, keep: bool) -> Result<usize, String> {
    let voyage = sail(&scenario(seed), keep);
    if keep {
        let (lives, calls) = voyage.size;
        eprint!("{}\n{lives} processes, {calls} calls, {} effects\n", voyage.trace, voyage.effects);
    }
    if voyage.broken.is_empty() {
        return Ok(voyage.size.1);
    }
    let mut text = format!("seed {seed}:\n");
    for line in &voyage.broken {
        text.push_str(&format!("  {line}\n"));
    }
    text.push_str(&format!("  again: AHOY_SEED={seed} cargo test --lib any_weather -- --nocapture\n"));
    Err(text)
}

#[test]
fn in_any_weather_every_promise_holds() {
    if let Some(seed) = number("AHOY_SEED") {
        check(seed, true).unwrap_or_else(|text| panic!("{text}"));
        return;
    }
    let first = number("AHOY_FIRST_SEED").unwrap_or(0);
    let count = number("AHOY_SEEDS").unwrap_or(USUAL);
    let mut failed = Vec::new();
    let mut calls = 0;
    for seed in first..first + count {
        match check(seed, false) {
            Ok(made) => calls += made,
            Err(text) => {
                eprint!("{text}");
                failed.push(seed);
            }
        }
        if count > 1_000 && seed % 1_000 == 0 {
            eprintln!("{} seeds, {} failed", seed - first, failed.len());
        }
    }
    // A rule that bars everybody would keep every promise.
    assert!(calls as u64 > count - failed.len() as u64, "{calls} calls in {count} seeds: nobody is called");
    assert!(failed.is_empty(), "{} of {count} seeds failed: {failed:?}", failed.len());
}

#[test]
fn a_seed_that_failed_once_does_not_fail_again() {
    for seed in known() {
        check(seed, false).unwrap_or_else(|text| panic!("{text}"));
    }
}

#[test]
fn the_same_seed_gives_the_same_run_to_the_last_event() {
    for seed in [1, 5, 9] {
        assert_eq!(
            sail(&scenario(seed), false).hash,
            sail(&scenario(seed), false).hash,
            "seed {seed}: something decides that is not the seed (AHOY_SEED={seed} prints the trace)"
        );
    }
}
