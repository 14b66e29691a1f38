//! Status and report against the carrier's log: our figures are the carrier's, every lead is in one place, and nothing
//! from outside paints a terminal or runs on a page.

use std::time::Duration;

use ahoy::base::Wall;
use ahoy::core::dial::CallStatus;
use ahoy::core::dial::breaker::StopKind;
use ahoy::core::sim::callee::Behaviour;
use ahoy::core::sim::line::{self, What};
use ahoy::store::ledger::{Ledger, OpenOptions};
use serde_json::Value;

use crate::common::{Shop, Wish, ahoy, code, read_log, run};

fn json(shop: &Shop, arguments: &[&str]) -> Value {
    let output = run(shop.campaign(arguments).arg("--json"));
    assert_eq!(code(&output), 0);
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

#[test]
fn the_reports_figures_are_those_of_the_carriers_log() {
    let shop = Shop::open(&Wish {
        carrier: "kind = \"sim\"\nseed = 5\nspeedup = 20\ncalls_per_second = 50\nmax_live_calls = 40",
        campaign: "[prices]\nper_minute = 0.01",
        leads: 120,
    });
    assert!([0, 3].contains(&code(&run(&mut shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"])))));
    let report = json(&shop, &["report", "c"]);
    let log = read_log(&shop.path("sim.jsonl"));

    assert_eq!(count(&report["attempts"]), 120, "one attempt a lead");
    assert_eq!(count(&report["calls"]), log.calls.len() as u64);
    let answered: Vec<_> = log.calls.iter().filter(|call| call.answered).collect();
    assert_eq!(count(&report["answered"]), answered.len() as u64);
    let ended =
        |status| log.calls.iter().filter(|call| call.ended.is_some_and(|(_, how)| how == status)).count() as u64;
    let outcome = |name: &str| count(&report["outcomes"][name]);
    assert_eq!(outcome("busy"), ended(CallStatus::Busy));
    assert_eq!(outcome("no_answer"), ended(CallStatus::NoAnswer));
    assert_eq!(outcome("failed"), ended(CallStatus::Failed));
    let completed = ["answered", "opted_out", "unheard", "voicemail"].map(outcome).iter().sum::<u64>();
    assert_eq!(completed, ended(CallStatus::Completed));
    let rate = answered.len() as f64 / log.calls.len() as f64;
    assert_eq!(report["connect_rate"].as_f64(), Some(rate));

    let (lines, _) = line::read(&std::fs::read_to_string(shop.path("sim.jsonl")).expect("the log"));
    let talk: Vec<u64> = lines
        .iter()
        .filter_map(|line| match &line.what {
            What::Ended { duration_s, .. } => Some(u64::from(*duration_s)),
            _ => None,
        })
        .collect();
    let minutes: u64 = talk.iter().map(|seconds| seconds.div_ceil(60)).sum();
    assert_eq!(count(&report["talk_s"]), talk.iter().sum::<u64>());
    assert_eq!((count(&report["cost"]["minutes"]), count(&report["cost"]["estimate"])), (minutes, minutes * 10_000));

    let late = answered.iter().filter(|call| call.answer_to_media_us.is_none_or(|us| us > 2_000_000)).count() as u64;
    assert_eq!(count(&report["abandoned"]), late, "nobody waited for our voice");
    // Who the carrier's callees are is the oracle of our ear: every machine is told from every person.
    let machines: Vec<&str> = lines
        .iter()
        .filter(|line| matches!(&line.what, What::Created { behaviour: Behaviour::Voicemail, .. }))
        .map(|line| line.sid.as_str())
        .collect();
    let machines = answered.iter().filter(|call| machines.contains(&call.sid.as_str())).count();
    assert!(machines > 0, "this seed has machines");
    assert_eq!(outcome("voicemail"), machines as u64);
    assert_eq!(count(&report["by_person"]), (answered.len() - machines) as u64);
    let heard = answered.iter().filter(|call| call.first_media_us.is_some()).count() as u64;
    assert_eq!(count(&report["answer_to_audio_ms"]["count"]), heard);
    let latency = run(ahoy(shop.dir.path()).args(["calls", "latency", "--json"]));
    let latency: Value = serde_json::from_slice(&latency.stdout).expect("JSON");
    let p99_ms = latency["first_audio_us"]["p99"].as_f64().expect("calls were heard") / 1_000.0;
    assert_eq!(report["stream_to_audio_ms"]["p99"].as_f64(), Some(p99_ms), "the calls' own logs say the same");

    for groups in ["by_caller", "by_language"] {
        let groups = report[groups].as_object().expect("groups");
        assert_eq!(groups.values().map(|group| count(&group["attempts"])).sum::<u64>(), 120);
    }
    assert_eq!(report["attempts_per_lead"]["1"], 120);

    let later = json(&shop, &["report", "c", "--since", "2099-01-01"]);
    assert_eq!((count(&later["attempts"]), later["connect_rate"].is_null()), (0, true));

    let page = shop.path("report.html");
    let csv = run(shop.campaign(&["report", "c", "--csv", "--html"]).arg(&page));
    assert_eq!(code(&csv), 0);
    let csv = String::from_utf8(csv.stdout).expect("UTF-8");
    assert!(csv.contains(&format!("count,answered,{}\r\n", answered.len())), "{csv}");
    let page = std::fs::read_to_string(page).expect("the page");
    for text in [csv, page, report.to_string()] {
        assert!(!text.contains("44207946") && !text.contains("15005550006"), "a number stands in the report");
    }
}

#[test]
fn every_lead_is_in_one_state_while_a_run_goes_on_and_each_slot_has_its_holder() {
    let shop = Shop::open(&Wish {
        carrier: "kind = \"sim\"\nseed = 5\nspeedup = 1\ncalls_per_second = 20\nmax_live_calls = 6",
        campaign: "",
        leads: 30,
    });
    let mut child = shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"]).spawn().expect("it starts");
    let mut seen = None;
    for _ in 0..600 {
        let status = json(&shop, &["status", "c"]);
        assert_eq!((count(&status["leads"]), &status["adds_up"]), (30, &Value::Bool(true)), "{status}");
        let states =
            ["ready_due", "ready_later", "held", "review"].map(|name| count(&status[name])).iter().sum::<u64>();
        let over: u64 = ["done", "blocked"]
            .iter()
            .flat_map(|name| status[*name].as_object().expect("counts").values().map(count))
            .sum();
        assert_eq!(states + over, 30, "{status}");
        if count(&status["open"]) >= 3 {
            seen = Some(status);
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    // The run is this test's own; what it leaves open nobody needs.
    let _ended_already = child.kill();
    let _reaped = child.wait();
    let status = seen.expect("calls were live");
    let slots = status["slots"].as_array().expect("slots");
    assert_eq!(slots.len() as u64, count(&status["open"]));
    for slot in slots {
        assert!(slot["phone"].as_str().is_some_and(|phone| phone.contains('…')), "masked: {slot}");
        assert!(slot["caller"].as_str().is_some_and(|phone| phone.contains('…')), "masked: {slot}");
    }
    let text = run(&mut shop.campaign(&["status", "c"]));
    let text = String::from_utf8(text.stdout).expect("UTF-8");
    assert!(text.contains("30  (all of them)") && text.contains("on the line"), "{text}");
    assert!(!text.contains("44207946"), "{text}");
}

#[test]
fn hostile_words_from_carrier_and_lead_file_are_shown_and_paint_nothing() {
    let shop = Shop::open(&Wish { carrier: "kind = \"sim\"\nspeedup = 100", campaign: "", leads: 1 });
    let evil = "evil\u{1b}]0;owned\u{7}\u{1b}[2J\u{202e}\r";
    std::fs::write(shop.path("more.csv"), format!("phone,name,consent\n+442079460901,{evil},form\n")).expect("written");
    let import =
        run(ahoy(shop.dir.path()).args(["leads", "import"]).arg(shop.path("more.csv")).args(["--campaign", "c"]));
    assert_eq!(code(&import), 0);
    let account = "sim:main:AC00000000000000000000000000000051";
    {
        let path = shop.path("ahoy.db");
        let mut ledger = Ledger::open(&path, &OpenOptions::with_fresh_key(Wall(1))).expect("the ledger");
        ledger.stop_account(account, StopKind::Suspended, evil, &[], Wall(2)).expect("stopped");
    }
    let mut shown = 0;
    for arguments in [
        &["campaign", "status", "c"][..],
        &["campaign", "plan", "c"],
        &["campaign", "report", "c"],
        &["campaign", "run", "c", "--yes", "--drain"],
        &["leads", "list", "--campaign", "c"],
        &["leads", "list", "--campaign", evil],
        &["campaign", "status", evil],
        &["calls", "show", evil],
    ] {
        let output = run(ahoy(shop.dir.path()).args(arguments));
        for bytes in [output.stdout, output.stderr] {
            let text = String::from_utf8(bytes).expect("UTF-8");
            let painted = text.chars().any(|ch| (ch.is_control() && ch != '\n') || ch == '\u{202e}');
            assert!(!painted, "{arguments:?}: {text:?}");
            shown += text.matches("evil\\u{1b}").count();
        }
    }
    assert!(shown >= 4, "the words are shown, escaped: {shown}");
}
