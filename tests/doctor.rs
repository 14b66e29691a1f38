//! `ahoy doctor` against an account that is in order and against accounts that are not; the gateway is asked through its
//! real address, directly and through a bad proxy.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use ahoy::core::sim::callee::{Behaviour, script};
use serde_json::Value;

use crate::common::{Shop, Sim, Wish, ahoy, carrier_at, code, run};

fn examined(shop: &Shop) -> (i32, Value) {
    let output = run(ahoy(shop.dir.path()).args(["doctor", "--json"]));
    (code(&output), serde_json::from_slice(&output.stdout).expect("one JSON object"))
}

/// The state of each check, by subject and check.
fn states(report: &Value) -> Vec<(String, String, String)> {
    let text = |check: &Value, field: &str| check[field].as_str().expect("a text").to_owned();
    let checks = report["checks"].as_array().expect("a list");
    checks.iter().map(|it| (text(it, "subject"), text(it, "check"), text(it, "state"))).collect()
}

fn state_of(report: &Value, subject: &str, check: &str) -> String {
    let found = states(report).into_iter().find(|it| it.0 == subject && it.1 == check);
    found.unwrap_or_else(|| panic!("no {check} of {subject}: {report}")).2
}

fn shop(sim: &Sim) -> Shop {
    Shop::open(&Wish { carrier: &carrier_at(&sim.base_url, ""), campaign: "", leads: 1 })
}

#[test]
fn an_account_in_order_and_a_gateway_that_can_be_reached_pass_and_nobody_is_called() {
    let folder = tempfile::tempdir().expect("a folder");
    let sim = Sim::start(folder.path(), &[]);
    let shop = shop(&sim);
    let (ended, report) = examined(&shop);
    assert_eq!(ended, 0, "{report}");
    for (subject, check) in [
        ("campaign c", "file"),
        ("carrier main", "credentials"),
        ("carrier main", "clock"),
        ("carrier main", "caller"),
        ("carrier main", "countries"),
        ("gateway", "callback"),
        ("gateway", "forgery"),
        ("gateway", "stream"),
    ] {
        assert_eq!(state_of(&report, subject, check), "ok", "{subject} {check}: {report}");
    }
    assert_eq!(sim.read_log().calls.len(), 0);
    assert!(!shop.path("calls").exists(), "the stream of a check is no call");
}

#[test]
fn refused_credentials_a_foreign_number_and_a_wrong_clock_are_told_with_the_next_step() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(
        folder.path().join("faults.toml"),
        "caller_refused = 1.0\ncountry_closed = 1.0\nskewed_clock = 1.0\n",
    )
    .expect("written");
    let faults = folder.path().join("faults.toml");
    let sim = Sim::start(folder.path(), &["--faults", faults.to_str().expect("UTF-8")]);
    let shop = shop(&sim);
    let (ended, report) = examined(&shop);
    assert_eq!(ended, 3, "{report}");
    assert_eq!(state_of(&report, "carrier main", "caller"), "fail");
    assert_eq!(state_of(&report, "carrier main", "clock"), "fail");
    assert_eq!(state_of(&report, "carrier main", "countries"), "fail");
    let failing = report["checks"].as_array().expect("a list").iter().filter(|it| it["state"] == "fail");
    assert!(failing.clone().all(|it| it["next"].is_string()), "{report}");
    assert!(!report.to_string().contains("+15005550006"), "numbers are masked");

    let output = run(ahoy(shop.dir.path()).args(["doctor", "--json"]).env("AHOY_TEST_TOKEN", "another token"));
    assert_eq!(code(&output), 12);
    let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!(state_of(&report, "carrier main", "credentials"), "fail");
    assert!(states(&report).iter().all(|it| it.1 != "caller"), "nothing more is asked of it");
}

/// A public URL that leads to somebody else, who answers 200 to everything.
#[test]
fn a_public_url_that_leads_elsewhere_is_noticed_though_it_answers() {
    let folder = tempfile::tempdir().expect("a folder");
    let sim = Sim::start(folder.path(), &[]);
    let shop = shop(&sim);
    let other = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = other.local_addr().expect("its address");
    std::thread::spawn(move || {
        for stream in other.incoming().flatten() {
            answer(stream);
        }
    });
    let text = std::fs::read_to_string(shop.path("ahoy.toml")).expect("there");
    let text = format!("[gateway]\npublic_url = \"http://{address}\"\n{text}");
    std::fs::write(shop.path("ahoy.toml"), text).expect("written");
    let (ended, report) = examined(&shop);
    assert_eq!(ended, 3, "{report}");
    assert_eq!(state_of(&report, "gateway", "callback"), "fail");
    assert_eq!(state_of(&report, "gateway", "stream"), "fail");
}

fn answer(mut stream: TcpStream) {
    let mut request = [0; 4_096];
    let _what_it_said = stream.read(&mut request);
    let _it_may_have_gone = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}

/// Somebody who behaves so at the carrier of these tests, whose seed is 1.
fn who(behaviour: Behaviour) -> String {
    let people = (0..1_000).map(|at| format!("+4420794{:05}", 60_000 + at));
    people.into_iter().find(|it| script(1, it).behaviour == behaviour).expect("one of a thousand")
}

fn live(shop: &Shop, to: &str) -> (i32, Value) {
    let output = run(ahoy(shop.dir.path()).args(["doctor", "--live", to, "--yes", "--json"]));
    (code(&output), serde_json::from_slice(&output.stdout).expect("one JSON object"))
}

#[test]
fn a_live_call_goes_the_whole_way_round_once_and_the_next_run_knows_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let sim = Sim::start(folder.path(), &["--speedup", "5"]);
    let shop = shop(&sim);
    let own = who(Behaviour::Listens);
    let (ended, report) = live(&shop, &own);
    assert_eq!(ended, 0, "{report}");
    for check in ["order", "callbacks", "answer", "stream", "played", "heard"] {
        assert_eq!(state_of(&report, "live call", check), "ok", "{check}: {report}");
    }
    let log = sim.read_log();
    assert_eq!(log.calls.len(), 1);
    assert!(!shop.path("calls").exists(), "a call of a check leaves no log");

    // Its telephone has been rung today: the caps of its number count it, and the carrier's list holds no stranger.
    let ran = run(&mut shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"]));
    assert_eq!(code(&ran), 0, "not 14");
    let calls = sim.read_log().calls;
    assert!(calls.len() > 1, "the campaign dialed");

    // Whom nobody answers for is not called fit.
    let (ended, report) = live(&shop, &who(Behaviour::NoAnswer));
    assert_eq!(ended, 0, "{report}");
    assert_eq!(state_of(&report, "live call", "answer"), "warn");
    assert!(states(&report).iter().all(|it| it.1 != "stream" || it.0 != "live call"));

    // Nobody who is never called is called by this.
    let called = sim.read_log().calls.len();
    assert_eq!(code(&run(ahoy(shop.dir.path()).args(["leads", "suppress", &own, "--reason", "test"]))), 0);
    let refused = run(ahoy(shop.dir.path()).args(["doctor", "--live", &own, "--yes"]));
    assert_eq!(code(&refused), 2);
    let unasked = run(ahoy(shop.dir.path()).args(["doctor", "--live", &who(Behaviour::SaysHello)]));
    assert_eq!(code(&unasked), 2, "without a terminal nobody said yes");
    assert_eq!(sim.read_log().calls.len(), called);
}

#[test]
fn a_carrier_that_cannot_reach_us_is_told_of_by_the_live_call_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("faults.toml"), "drop_callback = 1.0\nno_stream = 1.0\n").expect("written");
    let faults = folder.path().join("faults.toml");
    let sim = Sim::start(folder.path(), &["--speedup", "10", "--faults", faults.to_str().expect("UTF-8")]);
    let shop = shop(&sim);
    let text = std::fs::read_to_string(shop.path("ahoy.toml")).expect("there");
    std::fs::write(shop.path("ahoy.toml"), format!("{text}\nring_timeout = \"10s\"\n")).expect("written");
    let (ended, report) = live(&shop, &who(Behaviour::Listens));
    assert_eq!(ended, 3, "{report}");
    assert_eq!(state_of(&report, "gateway", "callback"), "ok", "from this machine all is well");
    assert_eq!(state_of(&report, "live call", "order"), "ok");
    assert_eq!(state_of(&report, "live call", "callbacks"), "fail");
    assert_eq!(state_of(&report, "live call", "stream"), "fail");
}
