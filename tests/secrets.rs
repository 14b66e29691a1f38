//! Law 12: secrets and phone numbers do not print. Every command, at its most talkative, against a carrier in another
//! process; then everything that was printed or written is searched for what was planted.

use std::fs;
use std::path::Path;

use crate::common::{Shop, Sim, Wish, ahoy, carrier_at, code, leak, people, run};

/// Files that hold numbers because that is what they are for.
fn holds_numbers(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
    // The lists that were given to us and the rows of them that we gave back, the ledger, the caller ids.
    name.ends_with(".csv") || name.starts_with("ahoy.db") || name == "campaign.toml"
}

fn search(folder: &Path, found: &mut Vec<String>, seen: &mut usize) {
    for entry in fs::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            search(&path, found, seen);
        } else if !holds_numbers(&path) {
            *seen += 1;
            found.extend(leak(&fs::read(&path).expect("readable")).map(|it| format!("{}: {it}", path.display())));
        }
    }
}

#[test]
fn no_command_prints_or_logs_a_number_or_a_secret() {
    let carrier = tempfile::tempdir().expect("a folder");
    let sim = Sim::start(carrier.path(), &["--seed", "7", "--speedup", "100", "--calls-per-second", "500"]);
    let shop = Shop::open(&Wish {
        carrier: &carrier_at(
            &sim.base_url,
            "calls_per_second = 50\nmax_live_calls = 20\nring_timeout = \"15s\"\nrelease_horizon = \"2s\"",
        ),
        campaign: "",
        leads: 12,
    });
    let dir = shop.dir.path();
    let talk = |arguments: &[&str]| {
        let mut command = ahoy(dir);
        command.args(["--log-level", "trace"]).args(arguments);
        run(&mut command)
    };
    fs::write(shop.path("bad.csv"), format!("{}x,44207946,\ny,+4420794 6012 3456,\n", people(2))).expect("written");
    let bad = shop.path("bad.csv");
    let bad = bad.to_str().expect("a path");
    let json = ["--json"].as_slice();
    for (arguments, twice) in [
        (&["leads", "import", bad, "--campaign", "c"][..], true),
        (&["leads", "suppress", "+442079460011", "--reason", "letter"], true),
        (&["leads", "suppress", "+44207946001", "--reason", "not a number"], true),
        (&["leads", "suppressed"], true),
        (&["leads", "list"], true),
        (&["cache", "verify", "c"], true),
        (&["cache", "list", "c"], true),
        (&["campaign", "plan", "c"], true),
        (&["campaign", "run", "c", "--yes", "--drain"], true),
        (&["campaign", "status", "c"], true),
        (&["calls", "list"], true),
        (&["calls", "latency"], true),
    ] {
        talk(arguments);
        if twice {
            talk(&[arguments, json].concat());
        }
    }
    let calls = ahoy(dir).args(["calls", "list", "--json"]).output().expect("it starts");
    let text = String::from_utf8_lossy(&calls.stdout).into_owned();
    let mut shown = 0;
    for line in text.lines().take(5) {
        let call: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let id = call["call"].as_str().or(call["id"].as_str()).expect("its id").to_owned();
        talk(&["calls", "show", &id]);
        talk(&["calls", "tail", &id]);
        shown += 1;
    }
    assert!(shown > 0, "calls were made: {text}");

    // What goes wrong is told without them, too: no carrier, a wrong key, a carrier that answers nonsense.
    drop(sim);
    fs::write(shop.path("more.csv"), people(20)).expect("written");
    let more = shop.path("more.csv");
    assert_eq!(code(&talk(&["leads", "import", more.to_str().expect("a path"), "--campaign", "c"])), 0);
    assert_ne!(code(&talk(&["campaign", "run", "c", "--yes", "--drain", "--log-format", "json"])), 0);
    let mut wrong = ahoy(dir);
    wrong.env("AHOY_TEST_TOKEN", "").args(["campaign", "run", "c", "--yes", "--drain"]);
    assert_ne!(code(&run(&mut wrong)), 0);

    let (mut found, mut seen) = (Vec::new(), 0);
    search(dir, &mut found, &mut seen);
    assert!(seen > 10, "call logs, configuration and assets were searched: {seen} files");
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn a_leak_is_seen() {
    assert!(leak(b"to +442079460001 now").is_some());
    assert!(leak(b"key a-token-for-tests").is_some());
    assert_eq!(leak("+44…01, 4420794, AC0000".as_bytes()), None);
}
