//! The process dies at every effect, and at every pair of effects.

use std::time::Duration;

use super::plan::{Scenario, Weather, small};
use super::voyage::sail;

fn with(scenario: &Scenario, crashes: &[u64]) -> Scenario {
    let mut scenario = scenario.clone();
    scenario.blows.crash = crashes.iter().copied().collect();
    scenario
}

fn check(scenario: &Scenario, crashes: &[u64]) {
    let voyage = sail(&with(scenario, crashes), false);
    assert!(voyage.broken.is_empty(), "killed at effects {crashes:?}: {:#?}", voyage.broken);
}

fn effects(scenario: &Scenario) -> u64 {
    let voyage = sail(scenario, false);
    assert!(voyage.broken.is_empty(), "without a crash: {:#?}", voyage.broken);
    voyage.effects
}

/// Every single point, in calm weather and where answers and callbacks are lost.
#[test]
fn a_kill_at_any_effect_rings_nobody_twice_and_loses_nobody() {
    let lossy = Weather { lost_answer: 0.5, dropped_callback: 0.5, list_lag: 1.0, ..Weather::default() };
    for (people, weather) in [(1, Weather::default()), (2, lossy)] {
        let scenario = small(people, weather);
        let effects = effects(&scenario);
        assert!(effects > 10, "{effects} effects: the counter is not wired");
        for at in 1..=effects {
            check(&scenario, &[at]);
        }
    }
}

/// Every pair on a small world; `cargo test` takes a part of them, `just crash-points` all.
#[test]
fn two_kills_at_any_two_effects_ring_nobody_twice_and_lose_nobody() {
    let stride = if std::env::var_os("AHOY_CRASH_PAIRS").is_some() { 1 } else { 41 };
    let mut scenario = small(2, Weather { lost_answer: 0.5, dropped_callback: 0.3, ..Weather::default() });
    scenario.down_most = Duration::from_secs(4);
    let effects = effects(&scenario);
    let pairs = (1..=effects).flat_map(|first| (first + 1..=effects + 10).map(move |second| [first, second]));
    let mut tried = 0;
    for pair in pairs.step_by(stride) {
        check(&scenario, &pair);
        tried += 1;
    }
    assert!(tried > 20, "{tried} pairs");
}
