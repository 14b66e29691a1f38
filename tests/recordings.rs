//! What comes after calls: the carrier's recordings and prices, transcripts and summaries; got whole, or missing for a
//! reason. The embedded carrier's own log is the oracle of what was recorded.

#[path = "recordings/words.rs"]
mod words;

use std::collections::BTreeMap;
use std::path::PathBuf;

use ahoy::core::sim::line::{self, What};
use serde_json::Value;

use crate::common::{self, Shop, Wish, code, run};

const CAMPAIGN: &str = "[recording]\nby = \"both\"\n[barge_in]\nenabled = false\n[prices]\nper_minute = 0.02\n";

fn ran(faults: &str) -> Shop {
    let carrier = format!(
        "kind = \"sim\"\nseed = 5\nspeedup = 5\ncalls_per_second = 50\nmax_live_calls = 40\nfaults = {{ {faults} }}"
    );
    let shop = Shop::open(&Wish { carrier: &carrier, campaign: CAMPAIGN, leads: 40 });
    let ended = code(&run(&mut shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"])));
    assert!([0, 3].contains(&ended), "{ended}");
    shop
}

fn log(shop: &Shop) -> Vec<line::Line> {
    line::read(&std::fs::read_to_string(shop.path("sim.jsonl")).expect("the log")).0
}

/// The last state of each call's recording, by the carrier's log.
fn recorded(lines: &[line::Line]) -> BTreeMap<String, String> {
    lines
        .iter()
        .filter_map(|line| match &line.what {
            What::Recording { status, .. } => Some((line.sid.clone(), status.clone())),
            _ => None,
        })
        .collect()
}

/// Recordings that lie in their calls' folders, by the carrier's id of the call.
fn fetched(shop: &Shop) -> BTreeMap<String, PathBuf> {
    let listed = run(common::ahoy(shop.dir.path()).args(["calls", "list", "--limit", "1000", "--json"]));
    let listed = String::from_utf8(listed.stdout).expect("UTF-8");
    let mut found = BTreeMap::new();
    for line in listed.lines() {
        let call: Value = serde_json::from_str(line).expect("JSON");
        let id = call["call"].as_str().expect("an id").to_owned();
        let shown = run(common::ahoy(shop.dir.path()).args(["calls", "show", &id, "--json"]));
        let shown: Value = serde_json::from_slice(&shown.stdout).expect("JSON");
        if let (Some(path), Some(sid)) = (shown["carrier_recording"].as_str(), shown["report"]["sid"].as_str()) {
            found.insert(sid.to_owned(), PathBuf::from(path));
        }
    }
    found
}

/// Seconds of a WAV file of two channels at 8 kHz.
fn seconds(wav: &std::path::Path) -> f64 {
    let bytes = std::fs::read(wav).expect("readable");
    assert_eq!(&bytes[..4], b"RIFF");
    assert_eq!(bytes[22], 2, "two channels");
    (bytes.len() - 44) as f64 / 32_000.0
}

#[test]
fn every_recording_begins_after_the_notice_and_lies_whole_in_its_calls_folder() {
    let shop = ran("recording_cut = 0.4");
    let lines = log(&shop);
    let wanted = recorded(&lines);
    assert!(wanted.len() > 15, "{}", wanted.len());
    for sid in wanted.keys() {
        // The greeting's last mark was played before: its name counts the greeting's milliseconds.
        let at = |found: fn(&What) -> bool| lines.iter().position(|it| it.sid == *sid && found(&it.what));
        let begun = at(|what| matches!(what, What::Recording { .. })).expect("recorded");
        let last = lines[..begun].iter().rev().find_map(|it| match &it.what {
            What::Mark { name, cleared: false, .. } if it.sid == *sid => Some(name.clone()),
            _ => None,
        });
        let marks = lines.iter().filter(|it| it.sid == *sid).filter_map(|it| match &it.what {
            What::Mark { name, .. } if name.starts_with("c1-") => name[3..].parse::<u64>().ok(),
            _ => None,
        });
        assert_eq!(last, marks.max().map(|ms| format!("c1-{ms}")), "{sid}: the whole greeting was played first");
    }
    let completed: Vec<&String> =
        wanted.iter().filter(|(_, state)| *state == "completed").map(|(sid, _)| sid).collect();
    let fetched = fetched(&shop);
    for sid in &completed {
        let path = fetched.get(*sid).unwrap_or_else(|| panic!("{sid} was completed and is not there"));
        assert!(seconds(path) >= 1.0, "{sid}");
        assert!(!path.with_file_name("carrier.wav.part").exists());
    }
    assert!(completed.len() > 15);
    assert!(
        lines.iter().any(|it| matches!(&it.what, What::Fault { name } if name == "recording_cut")),
        "some were cut"
    );
}

#[test]
fn a_recording_that_is_not_there_is_missing_for_a_reason_and_none_is_lost_without_callbacks() {
    let shop = ran("recording_absent = 0.4, recording_untold = 0.5, recording_unanswered = 0.3");
    let wanted = recorded(&log(&shop));
    let absent = wanted.values().filter(|state| *state == "absent").count();
    assert!(absent > 3, "{absent}");
    let asked = run(common::ahoy(shop.dir.path()).args(["calls", "fetch", "--json"]));
    let told: Vec<Value> = String::from_utf8(asked.stdout)
        .expect("UTF-8")
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let report = told.first().expect("there is something to ask");
    assert_eq!(report["waiting"], 0, "{report}");
    let missing = report["missing"].as_array().expect("a list");
    let silent = missing.iter().filter(|it| it[1].as_str().is_some_and(|why| why.contains("16102")));
    assert!(silent.count() >= absent / 2, "{report}");
    // Each recording is here, or missing for a reason that is told. A call that was over before it could be recorded has none.
    let refused =
        missing.iter().filter(|it| it[1].as_str().is_some_and(|why| why.contains("would not record"))).count();
    assert_eq!(fetched(&shop).len() + missing.len() - refused, wanted.len(), "{report}");
}

#[test]
fn what_the_carrier_charged_stands_beside_the_estimate() {
    let shop = ran("");
    let asked = run(common::ahoy(shop.dir.path()).args(["calls", "fetch"]));
    let told = String::from_utf8(asked.stdout).expect("UTF-8");
    assert!(told.contains(" calls; 0 calls have no price yet"), "{told}");
    let report = run(shop.campaign(&["report", "c"]).arg("--json"));
    let report: Value = serde_json::from_slice(&report.stdout).expect("JSON");
    // The embedded carrier charges 1.4 cents for each started minute; the campaign guessed 2.
    let minutes = report["cost"]["minutes"].as_i64().expect("a number");
    assert!(minutes > 20);
    assert_eq!(report["cost"]["charged"].as_i64(), Some(minutes * 14_000), "{report}");
    assert_eq!(report["cost"]["estimate"].as_i64(), Some(minutes * 20_000));
    let again = run(common::ahoy(shop.dir.path()).args(["calls", "fetch"]));
    assert_eq!(code(&again), 0, "nothing is left to ask");
}
