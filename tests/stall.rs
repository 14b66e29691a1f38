//! A carrier whose media sockets stop reading, and a network that connects its ringing tone. The carrier's log is the oracle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use ahoy::core::sim::callee::{Behaviour, script};
use ahoy::core::sim::line::{self, Line, What};
use serde_json::Value;

use crate::common::process::until;
use crate::common::{Shop, Sim, Wish, ahoy, carrier_at, code, run};

fn lines(path: &std::path::Path) -> Vec<Line> {
    line::read(&fs::read_to_string(path).expect("the log")).0
}

/// What the program says about each call, by the carrier's id of it.
fn calls(shop: &Shop) -> BTreeMap<String, Value> {
    let listed = run(ahoy(shop.dir.path()).args(["calls", "list", "--limit", "1000", "--json"]));
    let listed = String::from_utf8(listed.stdout).expect("UTF-8");
    let call = |line: &str| serde_json::from_str::<Value>(line).expect("JSON");
    listed.lines().map(call).map(|call| (call["report"]["sid"].as_str().unwrap_or_default().to_owned(), call)).collect()
}

/// Memory of a process, in KiB: what it holds, and the most that it has held.
#[cfg(target_os = "linux")]
fn memory(pid: u32) -> Option<(u64, u64)> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let of = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    Some((of("VmRSS:")?, of("VmHWM:")?))
}

#[cfg(target_os = "linux")]
#[test]
fn a_carrier_that_stops_reading_costs_its_own_call_and_no_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("faults.toml"), "media_stall = 0.4\ncallee_converses = 1.0\n").expect("written");
    let faults = folder.path().join("faults.toml");
    let faults = faults.to_str().expect("UTF-8");
    let sim = Sim::start(folder.path(), &["--seed", "5", "--speedup", "2", "--faults", faults]);
    let carrier = carrier_at(&sim.base_url, "calls_per_second = 40\nmax_live_calls = 60\nrelease_horizon = \"3s\"\n");
    // Callees who wait: most others hang up on silence before we give up.
    let campaign = "[retries]\nattempts = 1\n[barge_in]\nenabled = false\n";
    let shop = Shop::open(&Wish { carrier: &carrier, campaign, leads: 60 });
    // Half a minute: more than the sim's sockets hold.
    let path = shop.path("campaigns/c/campaign.toml");
    let words = "Hello, this is a test of the harbour line. Please stay with us for a moment. ";
    let text = fs::read_to_string(&path).expect("a campaign");
    fs::write(&path, text.replace(words.trim(), words.repeat(6).trim())).expect("written");
    assert_eq!(code(&run(ahoy(shop.dir.path()).args(["cache", "generate", "c", "--quiet"]))), 0);

    let mut child = shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"]).spawn().expect("it starts");
    let (mut before, mut most) = (None, 0);
    let ended = loop {
        if let Some(ended) = child.try_wait().expect("asked") {
            break ended.code();
        }
        let streams = fs::read_to_string(&sim.log).is_ok_and(|log| log.contains("stream_started"));
        if let (true, Some((now, peak))) = (streams, memory(child.id())) {
            before.get_or_insert(now);
            most = peak;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!([Some(0), Some(3)].contains(&ended), "{ended:?}");
    let grew = most.saturating_sub(before.expect("streams were seen"));
    assert!(grew < 24 << 10, "{grew} KiB from the first stream on");

    // A carrier that sat on a stream notices its end when it reads again.
    until("every stream is over", || {
        let log = fs::read_to_string(&sim.log).expect("the log");
        log.matches("\"stream_stopped\"").count() >= log.matches("\"stream_started\"").count()
    });
    let lines = lines(&sim.log);
    let stalls: BTreeSet<&str> = lines
        .iter()
        .filter(|line| matches!(&line.what, What::Fault { name } if name == "media_stall"))
        .map(|line| line.sid.as_str())
        .collect();
    let calls = calls(&shop);
    let greeting = calls.values().filter_map(|call| call["report"]["heard"][0]["total_ms"].as_u64()).max();
    let greeting = greeting.expect("a greeting") * 8;
    assert!(greeting > 8_000 * 20, "{greeting} samples");
    // Who stays on the line, by the carrier's id of the call, and whether a stall of theirs would be the long one.
    let waiting: BTreeMap<&str, bool> = lines
        .iter()
        .filter_map(|line| match &line.what {
            What::Created { to, behaviour: Behaviour::Converses, .. } => {
                Some((line.sid.as_str(), !script(5, to).noise.is_multiple_of(2)))
            }
            _ => None,
        })
        .collect();
    let (mut left, mut sat_out, mut others) = (0, 0, 0);
    for line in &lines {
        let What::StreamStopped { played, .. } = line.what else { continue };
        let cause = calls[&line.sid]["report"]["cause"].as_str().unwrap_or_default();
        let stalls = stalls.contains(line.sid.as_str());
        assert!(stalls || cause != "stalled", "a call that nothing was wrong with was given up");
        let whole = played >= greeting;
        match (stalls, waiting.get(line.sid.as_str())) {
            (true, Some(true)) => {
                assert!(!whole && ["hung_up", "stalled"].contains(&cause), "{played} of {greeting}: {cause}");
                left += 1;
            }
            (true, Some(false)) => {
                assert!(whole, "{played} of {greeting} played after a stall that was sat out: {cause}");
                sat_out += 1;
            }
            (false, Some(_)) => {
                assert!(whole, "{played} of {greeting} played beside calls that stalled: {cause}");
                others += 1;
            }
            (_, None) => {}
        }
    }
    assert!(left > 1 && sat_out > 1 && others > 3, "{left} left, {sat_out} sat out, {others} others");
    let latest = lines.iter().filter_map(|line| match line.what {
        What::FirstMediaIn { since_start_us, .. } if !stalls.contains(line.sid.as_str()) => Some(since_start_us),
        _ => None,
    });
    let latest = latest.max().expect("greetings");
    assert!(latest < 400_000, "{latest} µs to a first sound, beside calls that stalled");
    let status = shop.status();
    assert_eq!((&status["open"], &status["review"]), (&Value::from(0), &Value::from(0)), "{status}");
}

/// A ringing tone in the stream is nobody's word: it cuts no greeting, is no machine, and whoever comes is served.
#[test]
fn a_ringing_tone_before_the_answer_stops_nothing_of_ours_and_who_comes_is_served() {
    let carrier = "kind = \"sim\"\nseed = 5\nspeedup = 4\ncalls_per_second = 50\nmax_live_calls = 60\n\
                   faults = { early_media = 1.0 }";
    let campaign = "[retries]\nattempts = 1\n[barge_in]\nenabled = true\n";
    let shop = Shop::open(&Wish { carrier, campaign, leads: 60 });
    let ended = code(&run(&mut shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"])));
    assert!([0, 3].contains(&ended), "{ended}");
    let lines = lines(&shop.path("sim.jsonl"));
    let first = |sid: &str, found: fn(&What) -> Option<u64>| {
        lines.iter().filter(|line| line.sid == sid).find_map(|line| found(&line.what))
    };
    let calls = calls(&shop);
    let (mut streams, mut heard) = (0, 0);
    for line in lines.iter().filter(|line| matches!(line.what, What::StreamStarted { .. })) {
        streams += 1;
        let clear = first(&line.sid, |what| match what {
            What::ClearReceived { samples, .. } => Some(*samples),
            _ => None,
        });
        assert!(clear.is_none_or(|at| at >= 8 * 4_000), "our voice was cut {clear:?} samples into a ringing tone");
        let answerer = calls[&line.sid]["report"]["answerer"].as_str().unwrap_or_default();
        assert_ne!(answerer, "fax");
        // Somebody was there for some of it.
        heard += usize::from(
            first(&line.sid, |what| match what {
                What::FirstHeard { samples } => {
                    assert!(*samples >= 8 * 4_000, "nobody was there yet");
                    Some(*samples)
                }
                _ => None,
            })
            .is_some(),
        );
    }
    assert!(streams > 20 && heard > 5, "{heard} of {streams} heard something of ours");
    let numbers = lines.iter().filter(|line| matches!(line.what, What::Dtmf { digit: '9', .. })).count() as u64;
    let report = run(shop.campaign(&["report", "c"]).arg("--json"));
    let report: Value = serde_json::from_slice(&report.stdout).expect("JSON");
    assert_eq!(report["outcomes"]["opted_out"].as_u64().unwrap_or(0), numbers, "{report}");
    assert_eq!((&report["unknown"], &report["open"]), (&Value::from(0), &Value::from(0)), "{report}");
}
