//! Machines by the carrier's word: asked for beside the call, told while it goes on or after it, and judged by the carrier's
//! own log of who its callees are.

mod common;

use std::collections::BTreeSet;

use ahoy::core::sim::callee::Behaviour;
use ahoy::core::sim::line::{self, What};
use common::{Shop, Wish, code, run};
use serde_json::Value;

/// Runs a campaign; gives its report, and how many of the answered calls were machines'.
fn ran(faults: &str, campaign: &str) -> (Value, u64, Shop) {
    let carrier = format!(
        "kind = \"sim\"\nseed = 5\nspeedup = 20\ncalls_per_second = 50\nmax_live_calls = 40\nfaults = {{ {faults} }}"
    );
    let shop = Shop::open(&Wish { carrier: &carrier, campaign, leads: 60 });
    let ended = code(&run(&mut shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"])));
    assert!([0, 3].contains(&ended), "{ended}");
    let (lines, _) = line::read(&std::fs::read_to_string(shop.path("sim.jsonl")).expect("the log"));
    let machines: BTreeSet<&str> = lines
        .iter()
        .filter(|line| matches!(&line.what, What::Created { behaviour: Behaviour::Voicemail, .. }))
        .map(|line| line.sid.as_str())
        .collect();
    let asked = lines.iter().filter(
        |line| matches!(&line.what, What::Callback { kind, result, .. } if kind == "machine" && result == "200"),
    );
    assert!(asked.count() > 20, "who answered was told for each answered call");
    let answered = lines.iter().filter(|line| matches!(&line.what, What::Callback { kind, .. } if kind == "machine"));
    let count = answered.filter(|line| machines.contains(line.sid.as_str())).count() as u64;
    let report = run(shop.campaign(&["report", "c"]).arg("--json"));
    (serde_json::from_slice(&report.stdout).expect("one JSON object"), count, shop)
}

#[test]
fn the_carriers_word_ends_a_live_call_even_where_our_ear_hears_a_person() {
    // It calls persons machines, in time: what it says reaches the stream.
    let (report, machines, shop) = ran("false_verdict = 1.0", "[machine]\ndetect = \"both\"\n");
    assert!(machines > 1);
    let calls = run(common::ahoy(shop.dir.path()).args(["calls", "list", "--limit", "1000", "--json"]));
    let calls = String::from_utf8(calls.stdout).expect("UTF-8");
    let ended = calls.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let by_machine = ended.filter(|call| call["report"]["cause"] == "machine").count() as u64;
    assert!(by_machine > machines + 5, "{by_machine} of {machines}");
    let voicemails = report["outcomes"]["voicemail"].as_u64().unwrap_or(0);
    assert!(voicemails >= by_machine, "{voicemails} of {by_machine}: {report}");
}

#[test]
fn the_carriers_word_and_our_ear_together_tell_machines_from_people() {
    let (report, machines, _shop) = ran("", "[machine]\ndetect = \"both\"\n");
    assert_eq!(report["outcomes"]["voicemail"].as_u64(), Some(machines), "{report}");
}

#[test]
fn a_word_that_comes_after_the_call_corrects_its_outcome() {
    // It calls every person a machine, twenty seconds late: most calls are over by then.
    let faults = "late_verdict = 1.0, false_verdict = 1.0";
    let (report, machines, _shop) = ran(faults, "[machine]\ndetect = \"both\"\n");
    let voicemails = report["outcomes"]["voicemail"].as_u64().unwrap_or(0);
    assert!(voicemails > machines + 5, "{voicemails} of {machines}: {report}");
    // Whoever asked never to be called again did so, whatever the carrier calls them.
    assert!(report["outcomes"]["opted_out"].as_u64().unwrap_or(0) > 0, "{report}");
}

#[test]
fn a_fax_is_known_by_its_tone_and_left_and_who_rings_too_long_is_not_waited_for() {
    let carrier = "kind = \"sim\"\nseed = 5\nspeedup = 20\ncalls_per_second = 50\nmax_live_calls = 40\n\
                   faults = { callee_fax = 1.0, long_ring = 0.3 }\nring_timeout = \"30s\"";
    let shop = Shop::open(&Wish { carrier, campaign: "", leads: 40 });
    let ended = code(&run(&mut shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"])));
    assert!([0, 3].contains(&ended), "{ended}");
    let (lines, _) = line::read(&std::fs::read_to_string(shop.path("sim.jsonl")).expect("the log"));
    let faxes: BTreeSet<&str> = lines
        .iter()
        .filter(|line| matches!(&line.what, What::Created { behaviour: Behaviour::Fax, .. }))
        .map(|line| line.sid.as_str())
        .collect();
    let heard = lines.iter().filter(|line| matches!(line.what, What::StreamStarted { .. }));
    let heard = heard.filter(|line| faxes.contains(line.sid.as_str())).count();
    assert!(heard > 5, "{heard}");
    let calls = run(common::ahoy(shop.dir.path()).args(["calls", "list", "--limit", "1000", "--json"]));
    let calls = String::from_utf8(calls.stdout).expect("UTF-8");
    let calls = calls.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let known = calls.filter(|call| call["report"]["answerer"] == "fax" && call["report"]["cause"] == "machine");
    assert_eq!(known.count(), heard, "each is left by our own ear");
    let rang = lines.iter().filter(|line| matches!(&line.what, What::Ended { cause, .. } if cause == "ring_timeout"));
    assert!(rang.count() > 8, "those who ring for 45 s are let be after 30");
}
