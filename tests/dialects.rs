//! Twilio's relatives, one suite for both: SignalWire (its paths, ids and headers, lean media messages) and Telnyx (JSON
//! under a bearer's key, answers that name no call, ed25519, frames out of order, a list that lags). Streams are proved by
//! their token only. The embedded carrier serves the form and refuses what is not of it.

use std::collections::BTreeSet;

use ahoy::base::Secret;
use ahoy::core::sim::line::{self, Line, What};
use ahoy::core::wire::ed25519::SigningKey;
use serde_json::Value;

use crate::common::{Shop, Sim, TOKEN, Wish, ahoy, code, run};

const ACCOUNT: &str = "8f4e2a1c-0b7d-4c55-9a3e-6d1f00c0ffee";
const BOTH: [&str; 2] = ["signalwire", "telnyx"];

fn carrier(kind: &str, base_url: &str, extra: &str) -> String {
    let public_key = SigningKey::of(&Secret::new(TOKEN.to_owned())).public();
    let own = match kind {
        "signalwire" => format!(
            "project = \"{ACCOUNT}\"\ntoken = {{ env = \"AHOY_TEST_TOKEN\" }}\nsigning_key = {{ env = \"AHOY_TEST_TOKEN\" }}"
        ),
        _ => format!(
            "account = \"{ACCOUNT}\"\napplication = \"2811212257\"\nkey = {{ env = \"AHOY_TEST_TOKEN\" }}\n\
             public_key = \"{public_key}\""
        ),
    };
    format!("kind = \"{kind}\"\nbase_url = \"{base_url}\"\n{own}\n{extra}")
}

fn start(kind: &str, folder: &std::path::Path, arguments: &[&str]) -> Sim {
    let mut all = vec!["--dialect", kind, "--account-sid", ACCOUNT, "--speedup", "20", "--calls-per-second", "50"];
    all.extend(arguments);
    Sim::start(folder, &all)
}

fn lines_of(sim: &Sim) -> Vec<Line> {
    let (lines, bad) = line::read(&std::fs::read_to_string(&sim.log).expect("the log"));
    assert_eq!(bad, 0);
    lines
}

fn with(lines: &[Line], found: fn(&What) -> bool) -> BTreeSet<&str> {
    lines.iter().filter(|it| found(&it.what)).map(|it| it.sid.as_str()).collect()
}

fn report(shop: &Shop) -> Value {
    let report = run(shop.campaign(&["report", "c"]).arg("--json"));
    serde_json::from_slice(&report.stdout).expect("JSON")
}

const PACE: &str = "calls_per_second = 50\nmax_live_calls = 40\nrelease_horizon = \"5s\"\n";

#[test]
fn a_campaign_runs_whole_and_every_greeting_is_heard() {
    for kind in BOTH {
        let folder = tempfile::tempdir().expect("a folder");
        let sim = start(kind, folder.path(), &[]);
        let shop = Shop::open(&Wish {
            carrier: &carrier(kind, &sim.base_url, PACE),
            campaign: "[recording]\nby = \"both\"\n[barge_in]\nenabled = false\n[machine]\ndetect = \"both\"\n",
            leads: 40,
        });
        let ended = code(&run(&mut shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"])));
        assert!([0, 3].contains(&ended), "{kind}: {ended}");
        let lines = lines_of(&sim);
        let streams = with(&lines, |what| matches!(what, What::StreamStarted { .. }));
        assert!(streams.len() > 15, "{kind}: {}", streams.len());
        match kind {
            "signalwire" => assert!(streams.iter().all(|sid| sid.len() == 36), "ids are UUIDs"),
            _ => assert!(streams.iter().all(|sid| sid.starts_with("v3:")), "ids are call control ids"),
        }
        let sounded = with(&lines, |what| matches!(what, What::FirstMediaIn { .. }));
        assert_eq!(sounded, streams, "{kind}: each stream brought our sound");
        // Callees that do not exist are refused, and a recording of a call that has just ended; nothing else is.
        let wrong = |code: &Option<u32>| !matches!(code, Some(21_211 | 21_220));
        let bad: Vec<&What> = lines
            .iter()
            .map(|it| &it.what)
            .filter(|what| match what {
                What::BadRequest { code, .. } => wrong(code),
                other => matches!(other, What::BadMessage { .. }),
            })
            .collect();
        assert!(bad.is_empty(), "{kind}: {bad:?}");
        let told = |wanted: &str| {
            let taken = |it: &&Line| matches!(&it.what, What::Callback { kind: of, result, .. } if of == wanted && result == "200");
            lines.iter().filter(taken).count()
        };
        assert!(told("status") > 100, "{kind}: callbacks are taken: their signature is right");
        assert!(told("machine") > 15, "{kind}");
        // Telnyx's recordings lie at addresses that it names: they are not begun.
        assert_eq!(told("recording") > 5, kind == "signalwire", "{kind}");
        let report = report(&shop);
        assert_eq!((&report["unknown"], &report["open"]), (&Value::from(0), &Value::from(0)), "{kind}: {report}");
        let made = with(&lines, |what| matches!(what, What::Created { .. }));
        assert_eq!(report["calls"].as_u64(), Some(made.len() as u64), "{kind}");
    }
}

#[test]
fn lost_answers_are_found_and_nobody_is_called_twice() {
    for kind in BOTH {
        let folder = tempfile::tempdir().expect("a folder");
        let faults = ["--fault", "lost_answer=0.3", "--fault", "drop_callback=0.3"];
        let sim = start(kind, folder.path(), &faults);
        let shop = Shop::open(&Wish {
            carrier: &carrier(kind, &sim.base_url, &format!("{PACE}ring_timeout = \"5s\"")),
            campaign: "[retries]\nattempts = 1\n",
            leads: 30,
        });
        let ended = code(&run(&mut shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"])));
        assert!([0, 3].contains(&ended), "{kind}: {ended}");
        let lines = lines_of(&sim);
        let mut rung = BTreeSet::new();
        for line in &lines {
            if let What::Created { to, .. } = &line.what {
                assert!(rung.insert(to.clone()), "{kind}: a person was called twice");
            }
        }
        assert!(rung.len() > 20, "{kind}");
        let report = report(&shop);
        assert_eq!((&report["unknown"], &report["open"]), (&Value::from(0), &Value::from(0)), "{kind}: {report}");
    }
}

/// An order that Telnyx never got, or that its list does not show: no proof either way, so a person must find out.
#[test]
fn a_list_that_lags_without_a_bound_releases_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    // Orders are refused after they were read, before a call is made.
    let sim = start("telnyx", folder.path(), &["--fault", "unavailable=1"]);
    let shop = Shop::open(&Wish {
        carrier: &carrier("telnyx", &sim.base_url, "release_horizon = \"3s\"\ncalls_per_second = 20\n"),
        campaign: "[retries]\nattempts = 3\n",
        leads: 2,
    });
    run(&mut shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"]));
    let status = shop.status();
    assert_eq!((&status["review"], &status["open"]), (&Value::from(2), &Value::from(0)), "{status}");
    assert!(with(&lines_of(&sim), |what| matches!(what, What::Created { .. })).is_empty());
}

#[test]
fn doctor_asks_it_and_twilios_paths_are_not_there() {
    for kind in BOTH {
        let folder = tempfile::tempdir().expect("a folder");
        let sim = start(kind, folder.path(), &[]);
        let shop = Shop::open(&Wish { carrier: &carrier(kind, &sim.base_url, ""), campaign: "", leads: 1 });
        let output = run(ahoy(shop.dir.path()).args(["doctor", "--json"]));
        let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(code(&output), 0, "{kind}: {report}");
        let twilio = format!(
            "kind = \"twilio\"\nbase_url = \"{}\"\naccount_sid = \"AC{}\"\nauth_token = {{ env = \"AHOY_TEST_TOKEN\" }}",
            sim.base_url,
            "0".repeat(32)
        );
        let other = Shop::open(&Wish { carrier: &twilio, campaign: "", leads: 1 });
        assert_ne!(code(&run(ahoy(other.dir.path()).args(["doctor", "--json"]))), 0, "{kind}: another kind of carrier");
    }
}

#[test]
fn a_key_of_another_kind_and_a_time_that_telnyx_refuses_are_refused_here() {
    let folder = tempfile::tempdir().expect("a folder");
    let right = carrier("telnyx", "http://127.0.0.1:1", "");
    for (change, told) in [
        (right.replace("2811212257", "AP17"), "application"),
        (right.replace("public_key = \"", "public_key = \"A"), "public_key"),
        (format!("{right}ring_timeout = \"121s\"\n"), "ring_timeout"),
        (format!("{right}signing_key = {{ env = \"X\" }}\n"), "belongs to kind `signalwire`"),
    ] {
        std::fs::write(folder.path().join("ahoy.toml"), format!("[carriers.main]\n{change}")).expect("written");
        let output = run(ahoy(folder.path()).args(["doctor"]));
        assert_eq!(code(&output), 2, "{told}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(told), "{told}");
    }
}
