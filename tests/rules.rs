//! The rules and the audit as a person meets them: the real program, judged by exit codes and the carrier's log.

use serde_json::Value;

use crate::common::{self, Shop, Wish, code, read_log, run};

const SIM: &str = "kind = \"sim\"\nseed = 3\nspeedup = 100\ncalls_per_second = 50\nmax_live_calls = 10";

fn words(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(output: &std::process::Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

/// Fault 18.
#[test]
fn a_campaign_pauses_itself_at_its_bound_by_the_carriers_count_and_the_audit_tells() {
    let shop = Shop::open(&Wish { carrier: SIM, campaign: "", leads: 12 });
    let file = shop.path("campaigns/c/campaign.toml");
    let text = std::fs::read_to_string(&file).expect("read") + "[limits]\nattempts = 5\n";
    std::fs::write(&file, text).expect("written");
    let output = run(shop.campaign(&["run", "c", "--yes", "--drain"]).arg("--json"));
    assert!([0, 3].contains(&code(&output)));
    let log = read_log(&shop.path("sim.jsonl"));
    assert_eq!(log.calls.len() + log.complaints.len(), 5);
    let plan = json(&run(shop.campaign(&["plan", "c"]).arg("--json")));
    assert_eq!(plan["state"], "paused");
    assert!(plan["pause_reason"].as_str().expect("why").contains("attempts = 5"), "{plan}");

    // The head that the run printed is in the chain; a line that is changed later is found, and so is a cut tail.
    let head = json(&output)["audit_head"].as_str().expect("a head").to_owned();
    assert!(words(&output).contains(&head));
    let verify = || run(common::ahoy(shop.dir.path()).args(["audit", "--verify", "--head", &head]));
    assert_eq!(code(&verify()), 0);
    let rows = run(common::ahoy(shop.dir.path()).args(["audit"]));
    let rows = String::from_utf8_lossy(&rows.stdout).into_owned();
    assert!(rows.contains("started, rules 20") && rows.contains("paused: [limits] attempts = 5"), "{rows}");
    let ledger = rusqlite::Connection::open(shop.path("ahoy.db")).expect("opened");
    let cut = "DROP TRIGGER audit_is_for_ever_delete; DELETE FROM audit WHERE id = (SELECT max(id) FROM audit)";
    ledger.execute_batch(cut).expect("done");
    assert_eq!(code(&verify()), 3);
}

#[test]
fn a_campaign_that_a_rule_refuses_never_starts_and_says_which_rule_and_its_source() {
    let carrier = "kind = \"sim\"\nring_timeout = \"5s\"";
    let shop = Shop::open(&Wish { carrier, campaign: "", leads: 1 });
    let file = shop.path("campaigns/c/campaign.toml");
    let text = std::fs::read_to_string(&file).expect("read").replace("any = true", "any = false");
    std::fs::write(&file, text).expect("written");
    let refused = run(&mut shop.campaign(&["run", "c", "--yes", "--drain"]));
    assert_eq!(code(&refused), 15);
    let told = words(&refused);
    assert!(told.contains("default.ring") && told.contains("16 CFR 310.4"), "{told}");
    assert!(!shop.path("sim.jsonl").exists(), "no carrier was started");
}

#[test]
fn a_rule_that_is_set_aside_stands_in_the_plan_and_in_the_audit_with_its_reason() {
    let shop = Shop::open(&Wish { carrier: SIM, campaign: "", leads: 2 });
    let plan = |rule: &str| {
        run(shop.campaign(&["plan", "c", "--override", rule, "--reason", "counsel, 3 November"]).arg("--json"))
    };
    let made = json(&plan("fr.hours"));
    assert_eq!(made["set_aside"]["fr.hours"], "counsel, 3 November");
    assert_eq!(made["rehearsal"]["default.countries"], 2, "a real carrier would not call abroad: {made}");
    assert_eq!(code(&plan("us.consent")), 15);
    assert_eq!(code(&plan("us.everything")), 2);
    let bare = run(&mut shop.campaign(&["run", "c", "--yes", "--drain", "--override", "us.hours"]));
    assert_eq!(code(&bare), 2, "no reason");
    let with = ["run", "c", "--yes", "--drain", "--override", "us.hours", "--reason", "counsel, 3 November"];
    assert!([0, 3].contains(&code(&run(&mut shop.campaign(&with)))));
    let rows = run(common::ahoy(shop.dir.path()).args(["audit", "--json"]));
    let rows = String::from_utf8_lossy(&rows.stdout).into_owned();
    assert!(rows.lines().any(|row| row.contains("\"override\"") && row.contains("us.hours (rules")), "{rows}");
}

#[test]
fn the_rules_print_with_their_sources_and_tell_what_holds_at_a_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = |args: &[&str]| run(common::ahoy(folder.path()).arg("rules").args(args));
    let all = rules(&[]);
    let text = String::from_utf8_lossy(&all.stdout).into_owned();
    for word in ["us-fl.hours", "SB 1120", "il.dnc", "no legal clearance", "time zones of 20"] {
        assert!(text.contains(word), "{word}");
    }
    let at = |place: &str, time: &str| json(&rules(&[place, "--at", time, "--json"]));
    assert_eq!(at("FR", "2026-07-15T11:00")["open"], true);
    assert_eq!(at("FR", "2026-07-14T11:00")["closed_by"], "fr.hours");
    assert_eq!(at("US-FL", "2026-11-23T20:30")["closed_by"], "us-fl.hours");
    assert_eq!(at("+12125550123", "2026-11-24T01:30:00Z")["open"], true, "20:30 in New York");
    assert_eq!(at("+14075550123", "2026-11-24T01:30:00Z")["open"], false, "20:30 in Orlando");
    assert_eq!(code(&rules(&["Atlantis"])), 2);
    assert_eq!(code(&rules(&["FR", "--at", "soon"])), 2);
}

/// Where nobody may be called without a fresh do-not-call file or a consent reference, cron hears of it.
#[test]
fn a_campaign_whose_do_not_call_file_is_too_old_is_refused_with_its_age_and_what_to_do() {
    let shop = Shop::open(&Wish { carrier: SIM, campaign: "countries = [\"GB\"]", leads: 3 });
    let file = shop.path("campaigns/c/campaign.toml");
    let text = std::fs::read_to_string(&file).expect("read");
    let text = text.replace("\"service\"", "\"marketing\"").replace("[hours]\nany = true", "");
    let text = text.replace("Please stay", "Press 9 and we never call again. Please stay");
    std::fs::write(&file, text).expect("written");
    let none = run(&mut shop.campaign(&["run", "c", "--yes", "--drain"]));
    assert!(code(&none) == 15 && words(&none).contains("there is no do-not-call file of GB"), "{}", words(&none));
    std::fs::write(shop.path("tps.txt"), "+442079460999\n").expect("written");
    let tps = shop.path("tps.txt");
    let import = |day: &str| {
        let mut command = common::ahoy(shop.dir.path());
        command.args(["leads", "dnc", "import"]).arg(&tps).args(["--country", "GB", "--source", "tps", "--dated", day]);
        assert_eq!(code(&run(&mut command)), 0);
    };
    import("2026-01-05");
    let old = run(&mut shop.campaign(&["run", "c", "--yes", "--drain"]));
    let told = words(&old);
    assert_eq!(code(&old), 15, "{told}");
    for word in ["gb.dnc", "is of 2026-01-05", "days old, at most 28", "3 leads", "leads dnc import FILE --country GB"]
    {
        assert!(told.contains(word), "{word}: {told}");
    }
    assert!(!shop.path("sim.jsonl").exists(), "no carrier was started");

    // One lead with a reference: the plan names the others, and the run is not refused for them.
    let people = "phone,consent\n+442079460900,recorded; 2026-09-02; web form 7\n";
    std::fs::write(shop.path("more.csv"), people).expect("written");
    let mut command = common::ahoy(shop.dir.path());
    command.args(["leads", "import"]).arg(shop.path("more.csv")).args(["--campaign", "c"]);
    assert_eq!(code(&run(&mut command)), 0);
    let plan = json(&run(shop.campaign(&["plan", "c"]).arg("--json")));
    assert_eq!(plan["do_not_call"][0]["leads"], 3, "{plan}");
    assert_eq!(plan["do_not_call"][0]["dated"], "2026-01-05");
    let text = run(&mut shop.campaign(&["plan", "c"]));
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("is of 2026-01-05") && text.contains("leads dnc import"), "{text}");
    assert_eq!(code(&run(common::ahoy(shop.dir.path()).args(["cache", "generate", "c", "--quiet"]))), 0);
    let some = run(&mut shop.campaign(&["run", "c", "--yes", "--drain", "--json"]));
    assert!([0, 3, 10].contains(&code(&some)), "{}", words(&some));
    assert_eq!(json(&some)["not_called"]["no_consent"], 3, "the report lists whom it left out: {}", json(&some));
}
