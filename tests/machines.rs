//! Machines by the carrier's word: asked for beside the call, told while it goes on or after it, and judged by the carrier's
//! own log of who its callees are.

use std::collections::BTreeSet;

use ahoy::core::dial::Outcome;
use ahoy::core::sim::callee::Behaviour;
use ahoy::core::sim::line::{self, What};
use ahoy::store::ledger::{CallFilter, CallRow, Ledger};
use serde_json::Value;

use crate::common::{self, Shop, Wish, code, run};

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

/// The campaign's own words, where the house has none.
fn with_phrase(faults: &str, campaign: &str, phrases: &str) -> Shop {
    let carrier = format!(
        "kind = \"sim\"\nseed = 5\nspeedup = 20\ncalls_per_second = 50\nmax_live_calls = 40\nfaults = {{ {faults} }}"
    );
    let shop = Shop::open(&Wish { carrier: &carrier, campaign: "", leads: 60 });
    extend(&shop, campaign, phrases);
    let made = run(common::ahoy(shop.dir.path()).args(["cache", "generate", "c"]));
    assert_eq!(code(&made), 0);
    shop
}

fn extend(shop: &Shop, campaign: &str, phrases: &str) {
    let file = shop.path("campaigns/c/campaign.toml");
    let text = std::fs::read_to_string(&file).expect("there");
    std::fs::write(file, format!("{text}{campaign}")).expect("written");
    std::fs::write(shop.path("campaigns/c/phrases.toml"), phrases).expect("written");
}

fn calls_of(shop: &Shop) -> Vec<Value> {
    let calls = run(common::ahoy(shop.dir.path()).args(["calls", "list", "--limit", "1000", "--json"]));
    let calls = String::from_utf8(calls.stdout).expect("UTF-8");
    calls.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")).collect()
}

fn rows_of(shop: &Shop) -> Vec<CallRow> {
    let ledger = Ledger::open_read_only(&shop.path("ahoy.db")).expect("readable");
    ledger.calls(&CallFilter::default()).expect("read")
}

fn row_of<'a>(rows: &'a [CallRow], call: &Value) -> &'a CallRow {
    rows.iter().find(|row| call["call"] == row.call.to_string()).expect("the call has an attempt")
}

#[test]
fn a_call_screener_is_told_who_calls_and_its_owner_hears_the_greeting() {
    let phrases = "[screening]\nen = \"This is Harbour Optics about your order. Please put us through.\"\n";
    let shop = with_phrase("callee_screens = 1.0", "[machine]\nscreening = \"line\"\n", phrases);
    let ended = code(&run(&mut shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"])));
    assert!([0, 3].contains(&ended), "{ended}");
    let (lines, _) = line::read(&std::fs::read_to_string(shop.path("sim.jsonl")).expect("the log"));
    let screeners =
        lines.iter().filter(|line| matches!(&line.what, What::Created { behaviour: Behaviour::Screens, .. }));
    let screeners: BTreeSet<&str> = screeners.map(|line| line.sid.as_str()).collect();
    let (calls, rows) = (calls_of(&shop), rows_of(&shop));
    let screened: Vec<&Value> =
        calls.iter().filter(|call| call["report"]["sid"].as_str().is_some_and(|sid| screeners.contains(sid))).collect();
    assert!(screened.len() >= 10, "{}", screened.len());
    let said = |call: &Value, clip: &str| {
        call["report"]["heard"].as_array().is_some_and(|heard| heard.iter().any(|it| it["clip"] == clip))
    };
    assert!(screened.iter().all(|call| said(call, "screening")), "{screened:?}");
    let through: Vec<&&Value> = screened.iter().filter(|call| call["report"]["answerer"] == "human").collect();
    let declined = screened.iter().filter(|call| call["report"]["answerer"] == "screening").count();
    assert_eq!(through.len() + declined, screened.len(), "nobody is called a voicemail: {screened:?}");
    assert!(through.len() >= 3 && declined >= 3, "{} {declined}", through.len());
    for call in &through {
        let heard = call["report"]["heard"].as_array().expect("clips");
        let last = heard.iter().rfind(|it| it["clip"] == "greeting").expect("greeted");
        assert_eq!(last["heard_ms"], last["total_ms"], "{call}");
        assert_eq!(row_of(&rows, call).outcome, Some(Outcome::Answered), "{call}");
    }
    for call in screened.iter().filter(|call| call["report"]["answerer"] == "screening") {
        assert_eq!(row_of(&rows, call).outcome, Some(Outcome::Voicemail), "nobody was reached: {call}");
    }
}

#[test]
fn who_asks_for_another_time_is_called_again_and_who_leaves_a_message_is_heard() {
    let campaign = "[keys]\ncallback = \"2\"\nmessage = \"3\"\n[retries]\nattempts = 1\ncallback = \"0s\"\n\
                    [caps]\ngap = \"0s\"\nper_day = 2\nper_30_days = 2\n";
    let shop = with_phrase("callee_asks = 1.0, callee_leaves = 0.4", campaign, "");
    let ended = code(&run(&mut shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"])));
    assert!([0, 3].contains(&ended), "{ended}");
    let (calls, rows) = (calls_of(&shop), rows_of(&shop));
    let asked: Vec<&Value> = calls.iter().filter(|call| call["report"]["call_back"] == true).collect();
    assert!(asked.len() >= 6, "{}", asked.len());
    for call in &asked {
        let row = row_of(&rows, call);
        assert_eq!(row.outcome, Some(Outcome::CallBack), "{call}");
        let heard = call["report"]["heard"].as_array().expect("clips");
        assert!(heard.iter().any(|it| it["clip"] == "call-back"), "{call}");
        // One try is the campaign's bound, and a wish is no try: the number's caps end it.
        let tries = rows.iter().filter(|it| it.lead == row.lead).count();
        assert_eq!(tries, 2, "{call}");
    }
    let left: Vec<&Value> = calls.iter().filter(|call| call["report"]["message_taken"].is_array()).collect();
    assert!(left.len() >= 3, "{}", left.len());
    assert!(left.iter().all(|call| row_of(&rows, call).outcome == Some(Outcome::Answered)), "{left:?}");
}

#[test]
fn a_machines_words_are_put_down_while_the_call_goes_on_and_tell_a_menu_from_a_voicemail() {
    let phrases = "[voicemail]\nen = \"Harbour Optics called about your order. Goodbye.\"\n\
                   [screening]\nen = \"This is Harbour Optics about your order. Please put us through.\"\n";
    let campaign = "[machine]\nvoicemail = \"message\"\nscreening = \"line\"\nwords = \"ear\"\n";
    let carrier = "kind = \"sim\"\nseed = 5\nspeedup = 5\ncalls_per_second = 50\nmax_live_calls = 40\n\
                   faults = { callee_screens = 1.0 }\n\
                   [transcribers.ear]\nkind = \"command\"\nconcurrency = 4\n\
                   command = [\"sh\", \"-c\", \"cat > /dev/null; echo For sales, press 1.\"]";
    let shop = Shop::open(&Wish { carrier, campaign: "", leads: 40 });
    extend(&shop, campaign, phrases);
    assert_eq!(code(&run(common::ahoy(shop.dir.path()).args(["cache", "generate", "c"]))), 0);
    let ended = code(&run(&mut shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"])));
    assert!([0, 3].contains(&ended), "{ended}");
    let calls = calls_of(&shop);
    let menus = calls.iter().filter(|call| call["report"]["answerer"] == "menu");
    let menus: Vec<&Value> = menus.collect();
    assert!(!menus.is_empty(), "{calls:?}");
    assert!(menus.iter().all(|call| call["report"]["message_left"] == false && call["report"]["cause"] == "machine"));
    let rows = rows_of(&shop);
    assert!(menus.iter().all(|call| row_of(&rows, call).outcome == Some(Outcome::Voicemail)));
    let name = "[machine]\nscreening = \"line\"\nwords = \"nobody\"\n";
    let shop = Shop::open(&Wish { carrier: "kind = \"sim\"\nseed = 5", campaign: "", leads: 1 });
    extend(&shop, name, phrases);
    let refused = run(&mut shop.campaign(&["run", "c", "--yes"]));
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(code(&refused) == 2 && told.contains("no transcriber is named `nobody`"), "{told}");
}
