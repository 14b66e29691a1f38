//! A whole campaign over real sockets against the embedded carrier, judged by the carrier's log.

mod common;

use common::{Shop, Wish, code, read_log, run};

/// A thousand leads, fifty times faster than life.
#[test]
fn a_thousand_leads_are_called_once_each_within_rate_and_cap() {
    let shop = Shop::open(&Wish {
        carrier: "kind = \"sim\"\nseed = 11\nspeedup = 50\ncalls_per_second = 100\nmax_live_calls = 60",
        campaign: "",
        leads: 1_000,
    });
    let output = run(shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"]).arg("--json"));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    let ended = code(&output);
    assert!([0, 3].contains(&ended), "{ended}: {report}");
    let log = read_log(&shop.path("sim.jsonl"));
    let refused = report["outcomes"]["invalid"].as_u64().expect("some numbers are refused") as usize;
    assert_eq!(log.calls_per_phone().len() + refused, 1_000, "nobody was left out");
    assert_eq!(log.complaints.len(), refused, "the carrier refused those numbers and nothing else");
    assert!(log.calls_per_phone().values().all(|calls| *calls == 1), "nobody was rung twice");
    assert!(log.most_starts_in_a_second() <= 100, "{} in a second", log.most_starts_in_a_second());
    assert!(log.most_live() <= 60, "{} live", log.most_live());
    let status = shop.status();
    assert_eq!(status["leads"], 1_000);
    assert_eq!(status["held"], 0);
    assert_eq!(report["attempts"], 1_000);
    let answered = report["answered"].as_u64().expect("a number");
    let theirs = log.calls.iter().filter(|call| call.answered).count();
    assert_eq!(answered as usize, theirs, "our count and the carrier's");
    assert!(answered > 500, "{answered}");

    // Running it again rings nobody: everybody is done, or due later.
    let again = run(shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"]).arg("--json"));
    assert_eq!(code(&again), 0);
    assert_eq!(read_log(&shop.path("sim.jsonl")).calls.len() + refused, 1_000);
}

#[test]
fn a_suppressed_number_and_a_lead_without_consent_are_never_rung() {
    let shop = Shop::open(&Wish {
        carrier: "kind = \"sim\"\nspeedup = 100\ncalls_per_second = 100\nmax_live_calls = 20",
        campaign: "",
        leads: 6,
    });
    let campaign = shop.path("campaigns/c/campaign.toml");
    let text = std::fs::read_to_string(&campaign).expect("read").replace("\"service\"", "\"marketing\"");
    std::fs::write(&campaign, text).expect("written");
    std::fs::write(shop.path("more.csv"), "phone,consent\n+442079460900,\n+442079460901,form\n").expect("written");
    let import = |file: &str| {
        code(&run(common::ahoy(shop.dir.path())
            .args(["leads", "import"])
            .arg(shop.path(file))
            .args(["--campaign", "c"])))
    };
    assert_eq!(import("more.csv"), 0);
    let suppress =
        run(common::ahoy(shop.dir.path()).args(["leads", "suppress", "+442079460003", "--reason", "asked by mail"]));
    assert_eq!(code(&suppress), 0);
    assert!([0, 3].contains(&code(&run(shop.campaign(&["run", "c", "--yes", "--drain"]).arg("--json")))));
    let log = read_log(&shop.path("sim.jsonl"));
    let mut rung = log.calls_per_phone();
    for refused in &log.complaints {
        println!("{refused}");
    }
    assert!(!rung.contains_key("+442079460003"), "suppressed");
    assert!(!rung.contains_key("+442079460900"), "no consent");
    assert!(rung.contains_key("+442079460901"));
    rung.retain(|phone, _| *phone != "+442079460901");
    assert_eq!(rung.len() + log.complaints.len(), 5, "the others are rung, or refused by the carrier");
}

/// `ahoy campaign run … 2>&1 | head -3`: whoever read the words has gone, the calls go on.
#[test]
fn a_run_goes_on_when_nobody_reads_its_words() {
    let shop = Shop::open(&Wish {
        carrier: "kind = \"sim\"\nspeedup = 100\ncalls_per_second = 50\nmax_live_calls = 5",
        campaign: "",
        leads: 20,
    });
    let mut command = shop.campaign(&["run", "c", "--yes", "--drain"]);
    let mut child =
        command.stderr(std::process::Stdio::piped()).stdout(std::process::Stdio::null()).spawn().expect("it starts");
    drop(child.stderr.take());
    let code = child.wait().expect("it ends").code();
    assert!([Some(0), Some(3)].contains(&code), "{code:?}");
    assert_eq!(shop.status()["held"], 0);
}

#[test]
fn a_campaign_that_leaves_a_language_open_is_refused_before_anybody_is_called() {
    let shop = Shop::open(&Wish { carrier: "kind = \"sim\"\nspeedup = 100", campaign: "", leads: 1 });
    std::fs::write(shop.path("more.csv"), "phone,language\n+442079460901,fr\n").expect("written");
    let import = run(common::ahoy(shop.dir.path())
        .args(["leads", "import"])
        .arg(shop.path("more.csv"))
        .args(["--campaign", "c"]));
    assert_eq!(code(&import), 0);
    let refused = run(&mut shop.campaign(&["run", "c", "--yes", "--drain"]));
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(code(&refused), 2, "{words}");
    assert!(words.contains("campaign.toml:") && words.contains("`fr`") && words.contains("fallback"), "{words}");
    assert!(!shop.path("sim.jsonl").exists(), "no carrier was started");
}

#[test]
fn a_second_run_on_the_same_ledger_is_refused_by_name() {
    let shop = Shop::open(&Wish {
        carrier: "kind = \"sim\"\nspeedup = 1\ncalls_per_second = 1\nmax_live_calls = 2",
        campaign: "",
        leads: 30,
    });
    let mut first = shop.campaign(&["run", "c", "--yes", "--quiet"]).spawn().expect("it starts");
    let log = shop.path("sim.jsonl");
    while !log.exists() {
        assert!(first.try_wait().expect("asked").is_none(), "the first run goes on");
        std::thread::yield_now();
    }
    let second = run(&mut shop.campaign(&["run", "c", "--yes", "--quiet"]));
    assert_eq!(code(&second), 11);
    let words = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(words.contains(&first.id().to_string()), "names the holder: {words}");
    first.kill().expect("SIGKILL");
    first.wait().expect("reaped");
}
