//! Bad weather on the media socket: sound that never comes, comes again or is garbage, and sockets that break. The carrier's
//! log is the oracle.

use std::collections::BTreeSet;

use ahoy::core::sim::line::{self, What};
use serde_json::Value;

use crate::common::{Shop, Wish, ahoy, code, run};

#[test]
fn a_stream_in_bad_weather_greets_everybody_and_ends_with_an_outcome() {
    let faults = "media_drop = 0.3, media_gap = 0.5, media_repeat = 0.5, media_garbage = 0.5";
    let carrier = format!(
        "kind = \"sim\"\nseed = 5\nspeedup = 10\ncalls_per_second = 50\nmax_live_calls = 40\nfaults = {{ {faults} }}"
    );
    let shop = Shop::open(&Wish { carrier: &carrier, campaign: "[retries]\nattempts = 1\n", leads: 40 });
    let ended = code(&run(&mut shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"])));
    assert!([0, 3].contains(&ended), "{ended}");
    let (lines, _) = line::read(&std::fs::read_to_string(shop.path("sim.jsonl")).expect("the log"));
    let has = |found: fn(&What) -> bool| -> BTreeSet<&str> {
        lines.iter().filter(|it| found(&it.what)).map(|it| it.sid.as_str()).collect()
    };
    let streams = has(|what| matches!(what, What::StreamStarted { .. }));
    assert!(streams.len() > 15, "{}", streams.len());
    assert_eq!(has(|what| matches!(what, What::FirstMediaIn { .. })), streams, "everybody was greeted");
    assert_eq!(has(|what| matches!(what, What::BadMessage { .. })), BTreeSet::new(), "none of ours broke the protocol");
    let dropped = has(|what| matches!(what, What::StreamStopped { by, .. } if by == "media_drop"));
    assert!(!dropped.is_empty());
    let created = lines.iter().filter(|it| matches!(&it.what, What::Created { .. })).count();
    let report = run(shop.campaign(&["report", "c"]).arg("--json"));
    let report: Value = serde_json::from_slice(&report.stdout).expect("JSON");
    assert_eq!((&report["unknown"], &report["open"]), (&Value::from(0), &Value::from(0)), "{report}");
    assert_eq!(report["calls"].as_u64(), Some(created as u64), "{report}");
    // What came and what did not stands in the logs.
    let listed = run(ahoy(shop.dir.path()).args(["calls", "list", "--limit", "1000", "--json"]));
    let listed = String::from_utf8(listed.stdout).expect("UTF-8");
    let (mut gaps, mut garbage, mut lost) = (0, 0, 0);
    for call in listed.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")) {
        let id = call["call"].as_str().expect("an id");
        let shown = run(ahoy(shop.dir.path()).args(["calls", "show", id, "--json"]));
        let shown: Value = serde_json::from_slice(&shown.stdout).expect("JSON");
        let events = shown["events"].as_array().expect("events");
        gaps += usize::from(events.iter().any(|it| it["event"] == "gap"));
        garbage += usize::from(events.iter().any(|it| it["event"] == "bad_message" && it["fault"] == "bad_payload"));
        lost += usize::from(shown["report"]["cause"] == "lost");
    }
    assert!(gaps > 3 && garbage > 3, "{gaps} gaps, {garbage} garbage");
    assert_eq!(lost, dropped.len(), "each broken stream is known to be one");
}
