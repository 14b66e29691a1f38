//! An account in trouble, over real sockets: the embedded carrier refuses as a real one would, and its log is the judge.

use std::collections::BTreeMap;

use ahoy::core::sim::fault::Faults;
use ahoy::core::sim::line::{self, What};
use serde_json::Value;

use crate::common::{self, Shop, Wish, code, read_log, run};

fn carrier(faults: &str, extra: &str) -> String {
    format!(
        "kind = \"sim\"\nseed = 11\nspeedup = 100\ncalls_per_second = 50\nmax_live_calls = 20\n{extra}\n\
         faults = {{ {faults} }}"
    )
}

fn shop(faults: &str, extra: &str, leads: usize) -> Shop {
    Shop::open(&Wish { carrier: &carrier(faults, extra), campaign: "", leads })
}

/// The carrier is mended (or breaks): `[carriers.main]` is written anew.
fn mend(shop: &Shop, faults: &str, extra: &str) {
    let text = format!("[carriers.main]\n{}\n", carrier(faults, extra));
    std::fs::write(shop.path("ahoy.toml"), text).expect("written");
}

fn drain(shop: &Shop) -> (i32, Value) {
    let output = run(shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"]).arg("--json"));
    (code(&output), serde_json::from_slice(&output.stdout).unwrap_or(Value::Null))
}

fn resume(shop: &Shop) {
    assert_eq!(code(&run(&mut shop.campaign(&["resume", "c"]))), 0);
}

/// Orders that the carrier saw: taken or refused.
fn orders(shop: &Shop) -> usize {
    let log = read_log(&shop.path("sim.jsonl"));
    log.calls.len() + log.complaints.len()
}

fn waiting(status: &Value) -> u64 {
    status["call_now"]["en"].as_u64().unwrap_or(0)
}

/// Rows 7: refused accounts of every kind stop every later run until a person has looked, and cost nobody a try.
#[test]
fn a_refused_account_stays_stopped_over_runs_until_it_is_resumed_and_no_try_is_used() {
    for (fault, kind) in
        [("suspended = 1.0", "suspended"), ("no_funds = 1.0", "funds"), ("bad_key = 1.0", "credentials")]
    {
        let shop = shop(fault, "", 8);
        assert_eq!(drain(&shop).0, 12, "{kind}");
        let status = shop.status();
        assert_eq!((status["account_stop_kind"].as_str(), status["state"].as_str()), (Some(kind), Some("paused")));
        assert_eq!(status["account_stop_attempts"].as_array().map(Vec::len), Some(1), "{status}");
        assert_eq!(waiting(&status), 8, "every lead is back, unconsumed: {status}");
        let seen = orders(&shop);
        assert!(seen >= 1);
        // Cron comes again: nobody is asked for before a person has looked, though the carrier is mended.
        mend(&shop, "", "");
        assert_eq!(drain(&shop).0, 12, "{kind}");
        assert_eq!(orders(&shop), seen, "{kind}: no order left");
        resume(&shop);
        let (ended, report) = drain(&shop);
        assert!([0, 3].contains(&ended), "{ended}: {report}");
        let log = read_log(&shop.path("sim.jsonl"));
        let refused = report["outcomes"]["invalid"].as_u64().unwrap_or(0) as usize;
        assert_eq!(log.calls_per_phone().len() + refused, 8, "everybody was called then");
        assert!(log.calls_per_phone().values().all(|calls| *calls == 1));
    }
}

/// Row 8: the order was taken, the call ended because of the account.
#[test]
fn an_account_that_is_suspended_after_the_order_gives_the_lead_back_and_stops() {
    let shop = shop("account_failed = 1.0", "", 6);
    let (ended, _) = drain(&shop);
    assert_eq!(ended, 12);
    let status = shop.status();
    assert_eq!(status["account_stop_kind"].as_str(), Some("suspended"), "{status}");
    let invalid = status["done"]["invalid"].as_u64().unwrap_or(0);
    assert_eq!(waiting(&status) + invalid, 6, "no try was used: {status}");
    mend(&shop, "", "");
    resume(&shop);
    assert!([0, 3].contains(&drain(&shop).0));
    assert_eq!(waiting(&shop.status()), 0);
}

/// The failing calls are named, and the rest of the list is not burnt.
#[test]
fn a_carrier_whose_calls_are_never_heard_is_stopped_with_the_failing_calls_named() {
    let shop = shop("no_stream = 1.0", "failure_minimum = 10\nfailure_share = 0.3", 300);
    assert_eq!(drain(&shop).0, 12);
    let status = shop.status();
    assert_eq!(status["account_stop_kind"].as_str(), Some("failure_rate"), "{status}");
    let named = status["account_stop_attempts"].as_array().cloned().unwrap_or_default();
    assert!(named.len() >= 4, "{status}");
    // The text names them too, masked, with what became of them.
    let text = run(&mut shop.campaign(&["status", "c"]));
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains(named[0].as_str().expect("an id")) && text.contains("unheard"), "{text}");
    let calls = read_log(&shop.path("sim.jsonl")).calls.len();
    assert!(calls < 150, "{calls} calls were made before it stopped");
}

/// Row 15: one number is refused, the other goes on; none is left, the campaign pauses.
#[test]
fn a_refused_number_rests_alone_and_without_any_the_campaign_pauses_unconsumed() {
    let odds = BTreeMap::from([("caller_refused".to_owned(), 0.5)]);
    let faults = Faults::new(11, odds).expect("known");
    let number = |at: usize| format!("+1500555{at:04}");
    let bad = (1..).map(number).find(|number| faults.strikes("caller_refused", number, 0)).expect("half of them");
    let good = (1..).map(number).find(|number| !faults.strikes("caller_refused", number, 0)).expect("half of them");
    let shop = shop("caller_refused = 0.5", "", 20);
    let file = shop.path("campaigns/c/campaign.toml");
    let text = std::fs::read_to_string(&file).expect("read");
    let text = text.replace("\"+15005550006\"", &format!("\"{bad}\", \"{good}\""));
    std::fs::write(&file, &text).expect("written");
    let (ended, report) = drain(&shop);
    assert!([0, 3].contains(&ended), "{ended}: {report}");
    let (lines, _) = line::read(&std::fs::read_to_string(shop.path("sim.jsonl")).expect("the log"));
    let from: Vec<&str> = lines
        .iter()
        .filter_map(|line| if let What::Created { from, .. } = &line.what { Some(from.as_str()) } else { None })
        .collect();
    assert!(from.len() >= 15 && from.iter().all(|from| *from == good), "{from:?}");
    let status = shop.status();
    let resting = status["resting_callers"].as_array().cloned().unwrap_or_default();
    assert_eq!(resting.len(), 1, "{status}");
    let told = run(&mut shop.campaign(&["status", "c"]));
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.contains("number rests") && told.contains(" until 20"), "{told}");
    assert!(!status.to_string().contains(&bad[1..]), "the number is masked: {status}");
    assert_eq!(waiting(&status), 0, "everybody was called");

    // The good one is given up: nobody is left to call from.
    std::fs::write(&file, text.replace(&format!(", \"{good}\""), "")).expect("written");
    let more = "phone,consent\n+442079460900,x\n+442079460901,x\n";
    std::fs::write(shop.path("more.csv"), more).expect("written");
    let import = common::ahoy(shop.dir.path())
        .args(["leads", "import"])
        .arg(shop.path("more.csv"))
        .args(["--campaign", "c"])
        .output()
        .expect("starts");
    assert_eq!(code(&import), 0, "{}", String::from_utf8_lossy(&import.stderr));
    let seen = orders(&shop);
    assert_eq!(drain(&shop).0, 12);
    assert_eq!(orders(&shop), seen, "a resting number is not tried");
    let status = shop.status();
    assert_eq!((status["state"].as_str(), waiting(&status)), (Some("paused"), 2), "{status}");
    mend(&shop, "", "");
    resume(&shop);
    assert!([0, 3].contains(&drain(&shop).0));
    assert_eq!(waiting(&shop.status()), 0, "it was woken");
}

/// One odd refusal is its lead's matter; a carrier that says it to everybody has a problem with us.
#[test]
fn odd_refusals_send_their_leads_to_a_person_and_three_in_a_row_stop_the_account() {
    let some = shop("odd_request = 0.1", "", 40);
    let (ended, report) = drain(&some);
    let status = some.status();
    let review = status["review"].as_u64().expect("a number");
    assert!(review > 0 && waiting(&status) == 0, "{ended}: {status}");
    assert_eq!(status["account_stopped"], Value::Null, "{report}");

    let all = shop("odd_request = 1.0", "", 40);
    assert_eq!(drain(&all).0, 12);
    let status = all.status();
    assert_eq!(status["account_stop_kind"].as_str(), Some("request"), "{status}");
    assert!(orders(&all) < 20, "the list was not burnt: {}", orders(&all));
}

/// Rows 3 and 71: refusals for rate, with a date or without, and a queue at the carrier cost time and nothing else.
#[test]
fn a_carrier_that_asks_us_to_slow_down_is_obeyed_and_everybody_is_called_once() {
    let shop = shop("throttle = 0.05, throttle_date = 0.05, slow_queue = 0.2", "", 30);
    let mut ended = drain(&shop).0;
    for _ in 0..10 {
        if waiting(&shop.status()) + shop.status()["later"]["not_due_yet"].as_u64().unwrap_or(0) == 0 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(500));
        ended = drain(&shop).0;
    }
    let log = read_log(&shop.path("sim.jsonl"));
    assert!(log.calls_per_phone().len() >= 25, "{ended}: {}", log.calls_per_phone().len());
    assert!(log.calls_per_phone().values().all(|calls| *calls == 1));
    assert!(log.most_starts_in_a_second() <= 50);
}

/// Row 46: calling hours hang on the clock.
#[test]
fn a_clock_that_is_minutes_off_the_carriers_calls_nobody() {
    let shop = shop("skewed_clock = 1.0", "", 3);
    let output = run(&mut shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"]));
    assert_eq!(code(&output), 15);
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(words.contains("clock") && words.contains("NTP"), "{words}");
    assert_eq!(orders(&shop), 0);
    assert_eq!(waiting(&shop.status()), 3);
}

/// A new process counts what the last one sent.
#[test]
fn runs_one_after_the_other_keep_the_pace_of_one() {
    let wish = "kind = \"sim\"\nseed = 11\nspeedup = 1000\ncalls_per_second = 3\nmax_live_calls = 20";
    let shop = Shop::open(&Wish { carrier: wish, campaign: "", leads: 3 });
    for round in 0..4 {
        assert!([0, 3].contains(&drain(&shop).0));
        let more = format!("phone,consent\n+4420794609{round}1,x\n+4420794609{round}2,x\n+4420794609{round}3,x\n");
        std::fs::write(shop.path("more.csv"), more).expect("written");
        let file = shop.path("more.csv");
        let import = run(common::ahoy(shop.dir.path()).args(["leads", "import"]).arg(file).args(["--campaign", "c"]));
        assert_eq!(code(&import), 0);
    }
    let log = read_log(&shop.path("sim.jsonl"));
    assert!(log.calls.len() >= 9, "{}", log.calls.len());
    assert!(log.most_starts_in_a_second() <= 3, "{} in a second", log.most_starts_in_a_second());
}

#[test]
fn people_of_a_country_with_its_own_numbers_see_only_these_and_wait_for_them_while_others_are_called() {
    let odds = BTreeMap::from([("caller_refused".to_owned(), 0.5)]);
    let faults = Faults::new(11, odds).expect("known");
    let number = |at: usize| format!("+1500555{at:04}");
    let bad = (1..).map(number).find(|number| faults.strikes("caller_refused", number, 0)).expect("half of them");
    let good = (1..).map(number).filter(|number| !faults.strikes("caller_refused", number, 0));
    let good: Vec<String> = good.take(2).collect();
    let shop = shop("caller_refused = 0.5", "", 10);
    let file = shop.path("campaigns/c/campaign.toml");
    let text = std::fs::read_to_string(&file).expect("read");
    let callers = format!("\"{bad}\", \"{}\", \"{}\"", good[0], good[1]);
    let text = text.replace("\"+15005550006\"]", &format!("{callers}]\ncountries = [\"GB\", \"US\"]"));
    let rules = |gb: &str, us: &str| format!("{text}[senders]\nGB = [\"{gb}\"]\nUS = [\"{us}\"]\n");
    std::fs::write(&file, rules(&bad, &good[1])).expect("written");
    let us: String = (0..5).map(|at| format!("+1202555014{at},x\n")).collect();
    std::fs::write(shop.path("us.csv"), format!("phone,consent\n{us}")).expect("written");
    let import =
        run(common::ahoy(shop.dir.path()).args(["leads", "import"]).arg(shop.path("us.csv")).args(["--campaign", "c"]));
    assert_eq!(code(&import), 0, "{}", String::from_utf8_lossy(&import.stderr));
    let from_to = || -> Vec<(String, String)> {
        let (lines, _) = line::read(&std::fs::read_to_string(shop.path("sim.jsonl")).expect("the log"));
        let made = lines.into_iter().filter_map(|line| match line.what {
            What::Created { from, to, .. } => Some((from, to)),
            _ => None,
        });
        made.collect()
    };
    let (ended, report) = drain(&shop);
    assert!([0, 3].contains(&ended), "{ended}: {report}");
    let calls = from_to();
    assert!(
        calls.len() >= 3 && calls.iter().all(|(from, to)| *from == good[1] && to.starts_with("+1202")),
        "{calls:?}"
    );
    let ready = "SELECT count(*) FROM lead WHERE state = 'ready' AND tries = 0";
    let count = || {
        let ledger = rusqlite::Connection::open(shop.path("ahoy.db")).expect("opens");
        ledger.query_row(ready, [], |row| row.get::<_, u32>(0)).expect("a number")
    };
    assert_eq!(count(), 10, "nobody of the other country was called, and nobody was lost");
    // Their number works again.
    std::fs::write(&file, rules(&good[0], &good[1])).expect("written");
    resume(&shop);
    let due = rusqlite::Connection::open(shop.path("ahoy.db")).expect("opens");
    due.execute("UPDATE lead SET due = 0 WHERE state = 'ready'", []).expect("their rest is over");
    drop(due);
    let (ended, report) = drain(&shop);
    assert!([0, 3].contains(&ended), "{ended}: {report}");
    let theirs: Vec<_> = from_to().into_iter().filter(|(_, to)| to.starts_with("+44")).collect();
    assert!(theirs.len() >= 8 && theirs.iter().all(|(from, _)| *from == good[0]), "{theirs:?}");
}
