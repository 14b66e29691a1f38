//! `kill -9` at random moments, a carrier that is another process, and its log as the judge: nobody is rung twice, nobody
//! is lost, and what is not known is said so until it is known.

use std::time::Duration;

use ahoy::core::dial::Outcome;
use ahoy::store::ledger::{CallFilter, Ledger};

use crate::common::{Shop, Sim, Wish, carrier_at, code, run};

const LEADS: usize = 120;

fn kills() -> usize {
    std::env::var("AHOY_CRASH_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(10)
}

#[test]
fn ten_kills_at_random_moments_ring_nobody_twice_and_lose_nobody() {
    let seed = std::env::var("AHOY_CRASH_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_261_121);
    println!("AHOY_CRASH_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let sim = Sim::start(folder.path(), &["--seed", "7", "--speedup", "50", "--calls-per-second", "500"]);
    let shop = Shop::open(&Wish {
        carrier: &carrier_at(
            &sim.base_url,
            "calls_per_second = 30\nmax_live_calls = 15\nring_timeout = \"10s\"\nrelease_horizon = \"2s\"",
        ),
        // Only an attempt that was never placed comes back within the test: every number rings at most once.
        campaign: "[caps]\ngap = \"0s\"\nper_day = 20\nper_30_days = 20\n\
                   [retries]\nattempts = 20\nbusy = \"9h\"\nno_answer = \"9h\"\nfailed = \"9h\"",
        leads: LEADS,
    });

    for round in 0..kills() {
        let mut child = shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"]).spawn().expect("it starts");
        std::thread::sleep(Duration::from_millis(random.u64(30..900)));
        child.kill().expect("SIGKILL");
        let status = child.wait().expect("reaped");
        println!("round {round}: {status}");
    }
    let mut last = -1;
    for _ in 0..6 {
        last = code(&run(&mut shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"])));
        if last == 0 || last == 3 {
            let status = shop.status();
            if status["held"] == 0 && status["call_now"].as_object().is_some_and(serde_json::Map::is_empty) {
                break;
            }
        }
    }
    assert!(last == 0 || last == 3, "the last run ended with {last}");

    let log = sim.read_log();
    let per_phone = log.calls_per_phone();
    let twice: Vec<_> = per_phone.values().filter(|calls| **calls > 1).collect();
    assert!(twice.is_empty(), "{} phones rang more than once", twice.len());
    assert_eq!(log.rung_twice(), Vec::<&str>::new());
    let status = shop.status();
    let refused = status["done"]["invalid"].as_u64().unwrap_or(0) as usize;
    // An order that died between its intent and the wire: found not to exist, and due again after the normal wait.
    let never_sent = not_placed(&shop);
    println!("{} of {LEADS} orders died before they left", never_sent.len());
    for phone in &never_sent {
        assert!(!per_phone.contains_key(phone.as_str()), "released though it had rung");
    }
    assert_eq!(
        per_phone.len() + refused + never_sent.len(),
        LEADS,
        "every lead rang exactly once, by the carrier's log"
    );
    assert_eq!(status["leads"], LEADS as u64, "no lead is lost: {status}");
    assert_eq!(status["held"], 0, "nothing is left open: {status}");
    assert_eq!(status["review"], 0, "{status}");
}

/// Numbers whose attempt was released because the carrier's list showed no call.
fn not_placed(shop: &Shop) -> Vec<String> {
    let ledger = Ledger::open_read_only(&shop.path("ahoy.db")).expect("opens");
    let filter = CallFilter { outcome: Some(Outcome::NotPlaced), limit: u32::MAX, ..CallFilter::default() };
    ledger.calls(&filter).expect("read").iter().map(|call| call.phone.expose().to_owned()).collect()
}

/// A signal to a process of ours.
fn signal(child: &std::process::Child, name: &str) {
    let sent =
        std::process::Command::new("kill").args([name, &child.id().to_string()]).status().expect("kill is there");
    assert!(sent.success(), "kill {name}");
}

/// Faults of a bad day; `kill -9` at random moments; and `SIGSTOP` for longer than the send window and the horizon, after
/// which the process goes on as if nothing had happened.
#[test]
fn kills_and_freezes_in_nasty_weather_ring_nobody_twice_and_lose_nobody() {
    let seed = std::env::var("AHOY_CRASH_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_261_122);
    println!("AHOY_CRASH_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let weather = ["--faults", "nasty", "--faults-for", "40s"];
    let pace = ["--seed", "11", "--speedup", "50", "--calls-per-second", "500"];
    let sim = Sim::start(folder.path(), &[&pace[..], &weather[..]].concat());
    let shop = Shop::open(&Wish {
        carrier: &carrier_at(
            &sim.base_url,
            "calls_per_second = 30\nmax_live_calls = 15\nring_timeout = \"10s\"\nrelease_horizon = \"2s\"",
        ),
        campaign: "[caps]\ngap = \"0s\"\nper_day = 20\nper_30_days = 20\n\
                   [retries]\nattempts = 20\nbusy = \"9h\"\nno_answer = \"9h\"\nfailed = \"9h\"",
        leads: LEADS,
    });
    let run_again = || {
        let mut command = shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"]);
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        command
    };
    for round in 0..kills().div_ceil(2) {
        let mut child = run_again().spawn().expect("it starts");
        std::thread::sleep(Duration::from_millis(random.u64(150..900)));
        if round % 2 == 0 {
            signal(&child, "-STOP");
            // Past the send window of 3 s, and past the horizon.
            std::thread::sleep(Duration::from_millis(3_400));
            signal(&child, "-CONT");
            std::thread::sleep(Duration::from_millis(random.u64(100..900)));
        }
        child.kill().expect("SIGKILL");
        println!("round {round}: {}", child.wait().expect("reaped"));
    }
    let mut settled = false;
    for _ in 0..12 {
        let ended = code(&run(&mut run_again()));
        println!("ended with {ended}");
        if ended == 12 {
            // So many faults may open the account's breaker; a person looks, and goes on.
            run(&mut shop.campaign(&["resume", "c"]));
        }
        let status = shop.status();
        settled = status["held"] == 0 && status["call_now"].as_object().is_some_and(serde_json::Map::is_empty);
        if settled && ended != 12 {
            break;
        }
    }
    let status = shop.status();
    assert!(settled, "nothing is left open or due: {status}");
    let log = sim.read_log();
    assert_eq!(log.rung_twice(), Vec::<&str>::new());
    let per_phone = log.calls_per_phone();
    let twice: Vec<_> = per_phone.iter().filter(|(_, calls)| **calls > 1).collect();
    assert!(twice.is_empty(), "rang more than once, though each next try is hours away: {twice:?}");
    for phone in &not_placed(&shop) {
        assert!(!per_phone.contains_key(phone.as_str()), "released though it had rung");
    }
    assert_eq!(status["leads"], LEADS as u64, "no lead is lost: {status}");
    assert!(per_phone.len() > LEADS / 3, "the storm let somebody be called: {}", per_phone.len());
}

#[test]
fn an_answer_lost_on_the_way_is_found_at_the_carrier_and_never_dialed_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let arguments = ["--seed", "3", "--speedup", "50", "--calls-per-second", "500"];
    let faults = ["--fault", "lost_answer=0.5", "--fault", "drop_callback=0.5", "--fault", "dup_callback=0.3"];
    let sim = Sim::start(folder.path(), &[&arguments[..], &faults[..]].concat());
    let shop = Shop::open(&Wish {
        carrier: &carrier_at(
            &sim.base_url,
            "calls_per_second = 40\nmax_live_calls = 40\nring_timeout = \"1s\"\nrelease_horizon = \"2s\"",
        ),
        campaign: "[caps]\ngap = \"0s\"\nper_day = 20\nper_30_days = 20\n\
                   [retries]\nattempts = 1\nbusy = \"9h\"\nno_answer = \"9h\"\nfailed = \"9h\"",
        leads: 40,
    });
    let ended = code(&run(&mut shop.campaign(&["run", "c", "--yes", "--drain"])));
    assert!([0, 3].contains(&ended), "{ended}");
    let log = sim.read_log();
    assert!(log.calls_per_phone().values().all(|calls| *calls == 1), "{:?}", log.calls_per_phone());
    let status = shop.status();
    let refused = status["done"]["invalid"].as_u64().unwrap_or(0) as usize;
    assert_eq!(log.calls_per_phone().len() + refused, 40);
    assert_eq!(status["held"], 0);
}
