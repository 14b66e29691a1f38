//! SignalWire: its paths, ids and headers, its lean media messages, and a stream that only its token proves. The embedded
//! carrier serves that form of the API and refuses Twilio's.

mod common;

use std::collections::BTreeSet;

use ahoy::core::sim::line::{self, What};
use common::{Shop, Sim, Wish, ahoy, code, run};
use serde_json::Value;

const PROJECT: &str = "8f4e2a1c-0b7d-4c55-9a3e-6d1f00c0ffee";

fn carrier(base_url: &str, extra: &str) -> String {
    format!(
        "kind = \"signalwire\"\nbase_url = \"{base_url}\"\nproject = \"{PROJECT}\"\n\
         token = {{ env = \"AHOY_TEST_TOKEN\" }}\nsigning_key = {{ env = \"AHOY_TEST_TOKEN\" }}\n{extra}"
    )
}

fn signalwire(folder: &std::path::Path, arguments: &[&str]) -> Sim {
    let mut all = vec!["--dialect", "signalwire", "--account-sid", PROJECT];
    all.extend(arguments);
    Sim::start(folder, &all)
}

#[test]
fn a_campaign_runs_whole_and_every_greeting_is_heard() {
    let folder = tempfile::tempdir().expect("a folder");
    let sim = signalwire(folder.path(), &["--speedup", "20", "--calls-per-second", "50"]);
    let pace = "calls_per_second = 50\nmax_live_calls = 40\nrelease_horizon = \"5s\"";
    let shop = Shop::open(&Wish {
        carrier: &carrier(&sim.base_url, pace),
        campaign: "[recording]\nby = \"both\"\n[barge_in]\nenabled = false\n[machine]\ndetect = \"both\"\n",
        leads: 40,
    });
    let ended = code(&run(&mut shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"])));
    assert!([0, 3].contains(&ended), "{ended}");
    let (lines, _) = line::read(&std::fs::read_to_string(&sim.log).expect("the log"));
    let has = |found: fn(&What) -> bool| -> BTreeSet<&str> {
        lines.iter().filter(|it| found(&it.what)).map(|it| it.sid.as_str()).collect()
    };
    let streams = has(|what| matches!(what, What::StreamStarted { .. }));
    assert!(streams.len() > 15, "{}", streams.len());
    assert!(streams.iter().all(|sid| sid.len() == 36), "ids are UUIDs");
    assert_eq!(has(|what| matches!(what, What::FirstMediaIn { .. })), streams, "each stream brought our sound");
    assert_eq!(
        has(|what| matches!(what, What::BadMessage { .. } | What::BadRequest { http: 201, .. })),
        BTreeSet::new()
    );
    let told = |kind: &str| {
        let taken = |it: &&line::Line| matches!(&it.what, What::Callback { kind: of, result, .. } if of == kind && result == "200");
        lines.iter().filter(taken).count()
    };
    assert!(told("status") > 100, "callbacks are taken: their signature is right");
    assert!(told("recording") > 5 && told("machine") > 15);
    let report = run(shop.campaign(&["report", "c"]).arg("--json"));
    let report: Value = serde_json::from_slice(&report.stdout).expect("JSON");
    assert_eq!(report["unknown"], 0, "{report}");
    assert_eq!(report["calls"].as_u64(), Some(has(|what| matches!(what, What::Created { .. })).len() as u64));
}

#[test]
fn lost_answers_are_found_in_the_list_and_nobody_is_called_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    let faults = ["--fault", "lost_answer=0.3", "--fault", "drop_callback=0.3"];
    let mut arguments = vec!["--speedup", "20", "--calls-per-second", "50"];
    arguments.extend(faults);
    let sim = signalwire(folder.path(), &arguments);
    let pace = "calls_per_second = 50\nmax_live_calls = 40\nrelease_horizon = \"5s\"\nring_timeout = \"5s\"";
    let shop =
        Shop::open(&Wish { carrier: &carrier(&sim.base_url, pace), campaign: "[retries]\nattempts = 1\n", leads: 30 });
    let ended = code(&run(&mut shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"])));
    assert!([0, 3].contains(&ended), "{ended}");
    let (lines, _) = line::read(&std::fs::read_to_string(&sim.log).expect("the log"));
    let mut rung = BTreeSet::new();
    for line in &lines {
        if let What::Created { to, .. } = &line.what {
            assert!(rung.insert(to.clone()), "a person was called twice");
        }
    }
    assert!(rung.len() > 20);
    let report = run(shop.campaign(&["report", "c"]).arg("--json"));
    let report: Value = serde_json::from_slice(&report.stdout).expect("JSON");
    assert_eq!((&report["unknown"], &report["open"]), (&Value::from(0), &Value::from(0)), "{report}");
}

#[test]
fn doctor_asks_it_and_twilios_paths_are_not_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let sim = signalwire(folder.path(), &[]);
    let shop = Shop::open(&Wish { carrier: &carrier(&sim.base_url, ""), campaign: "", leads: 1 });
    let output = run(ahoy(shop.dir.path()).args(["doctor", "--json"]));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(code(&output), 0, "{report}");
    let twilio = format!(
        "kind = \"twilio\"\nbase_url = \"{}\"\naccount_sid = \"AC{}\"\nauth_token = {{ env = \"AHOY_TEST_TOKEN\" }}",
        sim.base_url,
        "0".repeat(32)
    );
    let other = Shop::open(&Wish { carrier: &twilio, campaign: "", leads: 1 });
    assert_ne!(code(&run(ahoy(other.dir.path()).args(["doctor", "--json"]))), 0, "another kind of carrier");
}
