//! Whole campaigns and a desk on an emulated 3CX: placed from its route point, told by its events, heard through its streams.
//! Its log is the judge.

mod desk;
mod emulator;
mod faults;

use std::collections::BTreeSet;
use std::time::Duration;

use ahoy::core::sim::callee::{Behaviour, script};
use emulator::{DN, Did, Emulator, Faults};
use serde_json::Value;

use super::common::{Shop, TOKEN, Wish, ahoy, code, run};
use super::{dial, greeting, once, report};

fn carrier(emulator: &Emulator, extra: &str) -> String {
    format!(
        "kind = \"3cx\"\nbase_url = \"{}\"\nclient_id = \"{DN}\"\nclient_secret = {{ env = \"AHOY_TEST_TOKEN\" }}\n\
         rehearsal = true\ncalls_per_second = 20\nmax_live_calls = 30\nrelease_horizon = \"3s\"\nring_timeout = \"2s\"\n{extra}",
        emulator.base_url
    )
}

fn shop(emulator: &Emulator, campaign: &str, leads: usize) -> Shop {
    let campaign = format!("[retries]\nattempts = 1\n{campaign}");
    Shop::open(&Wish { carrier: &carrier(emulator, ""), campaign: &campaign, leads })
}

fn rung(log: &[Did]) -> BTreeSet<String> {
    once(log.iter().filter_map(|did| if let Did::Made { to, .. } = did { Some(to) } else { None }))
}

fn went_wrong(log: &[Did]) -> Vec<&Did> {
    log.iter().filter(|did| matches!(did, Did::Refused { .. } | Did::Lost { .. })).collect()
}

fn answered(log: &[Did]) -> usize {
    log.iter().filter(|did| matches!(did, Did::Answered { .. })).count()
}

fn behave(numbers: &BTreeSet<String>, wanted: &[Behaviour]) -> u64 {
    numbers.iter().filter(|to| wanted.contains(&script(1, to).behaviour)).count() as u64
}

/// Everybody who answered heard the greeting from its first sample, at least so much of it; gives how many heard it out and
/// how many cut it. Who waited for it may have said hello into its beginning.
fn heard(emulator: &Emulator, shop: &Shop, least: usize) -> (usize, usize) {
    let (log, greeting) = (emulator.log(), greeting(shop));
    let (mut whole, mut cut) = (0, 0);
    let mut latest = Duration::ZERO;
    let mut longest_tail = 0;
    for (id, ear) in emulator.ears() {
        let behaviour = script(1, &ear.to).behaviour;
        if !log.contains(&Did::Answered { id }) || behaviour == Behaviour::HangsUpAtOnce {
            continue;
        }
        let same = ear.sound.iter().zip(&greeting).take_while(|(heard, ours)| heard == ours).count();
        // Who says hello at once has cut it.
        assert!(same >= least, "{behaviour:?}: {same} samples of {} ({})", greeting.len(), ear.sound.len());
        let first = log.iter().find_map(|did| match did {
            Did::FirstSound { id: of, after } if *of == id => Some(*after),
            _ => None,
        });
        latest = latest.max(first.expect("there was a first sound"));
        match behaviour {
            Behaviour::Listens => {
                assert_eq!(same, greeting.len(), "the whole greeting");
                whole += 1;
            }
            Behaviour::TalksOver => {
                let tail = ear.tail.expect("they spoke");
                longest_tail = longest_tail.max(tail);
                assert!(tail <= 8 * 700, "{} ms of ours after they began to speak", tail / 8);
                cut += 1;
            }
            _ => {}
        }
    }
    println!("{whole} whole, {cut} cut; first sound within {latest:?}, tail at most {} ms", longest_tail / 8);
    (whole, cut)
}

#[test]
fn a_campaign_is_placed_told_and_heard_from_the_first_sample() {
    let emulator = Emulator::start(TOKEN, Faults::default());
    let shop = shop(&emulator, "[barge_in]\nenabled = true\n", 40);
    let ended = dial(&shop);
    let log = emulator.log();
    assert!([0, 3].contains(&ended), "{ended}");
    assert_eq!(went_wrong(&log), Vec::<&Did>::new());
    let numbers = rung(&log);
    assert_eq!((numbers.len(), emulator.live(), emulator.tokens()), (40, 0, 1), "nothing is left at the 3CX");
    let (whole, cut) = heard(&emulator, &shop, 800);
    assert!(whole > 3 && cut > 1, "{whole} heard it out, {cut} spoke over it");
    for did in &log {
        if let Did::FirstSound { after, .. } = did {
            assert!(*after < Duration::from_millis(500), "{after:?} from the answer to the first sound");
        }
        if let Did::CutOff { held_ms, .. } = did {
            assert!(*held_ms <= 1_000, "{held_ms} ms of ours were ahead when it was broken off");
        }
    }
    assert!(log.iter().any(|did| matches!(did, Did::CutOff { .. })), "a stream was broken off");

    // No cause is told: whoever was not connected was not reached.
    let report = report(&shop);
    assert_eq!((&report["unknown"], &report["open"]), (&Value::from(0), &Value::from(0)), "{report}");
    let outcome = |name: &str| report["outcomes"][name].as_u64().unwrap_or(0);
    let unreached = [Behaviour::Busy, Behaviour::NoAnswer, Behaviour::Fails, Behaviour::Invalid];
    assert_eq!(outcome("no_answer"), behave(&numbers, &unreached), "{report}");
    assert_eq!(outcome("opted_out"), behave(&numbers, &[Behaviour::PressesNine]), "{report}");
}

#[test]
fn what_was_lost_is_found_by_number_and_never_ordered_again() {
    let faults = Faults {
        lose_answer: Some('1'),
        lose_order: Some('2'),
        untold_end: Some('3'),
        error_after: Some('4'),
        throttled: Some('5'),
        ..Faults::default()
    };
    let emulator = Emulator::start(TOKEN, faults);
    let shop = shop(&emulator, "", 40);
    dial(&shop);
    let log = emulator.log();
    let numbers = rung(&log);
    assert_eq!(numbers.len(), 32, "one order each, but for those that were lost or turned away");
    for digit in ['1', '4'] {
        assert_eq!(numbers.iter().filter(|to| to.ends_with(digit)).count(), 4, "made, and the answer lost");
    }
    let unseen = log.iter().filter(|did| match did {
        Did::Removed { id, connected: false } => emulator.ears()[id].to.ends_with('3'),
        _ => false,
    });
    let unseen = unseen.count();
    assert!(unseen > 0, "ends that nobody saw");
    let status = shop.status();
    // Neither list nor key proves that an order was not taken: a person finds out.
    assert_eq!((&status["open"], &status["review"]), (&Value::from(0), &Value::from(8 + unseen)), "{status}");
    assert_eq!(report(&shop)["outcomes"]["unresolved"], 8 + unseen);
    assert_eq!(emulator.live(), 0);
    heard(&emulator, &shop, 160);
}

#[test]
fn the_event_socket_breaks_and_what_was_missed_is_looked_up() {
    let emulator = Emulator::start(TOKEN, Faults::default());
    let shop = shop(&emulator, "", 30);
    let mut child = shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"]).spawn().expect("it starts");
    let mut broken = 0;
    for _ in 0..900 {
        std::thread::sleep(Duration::from_millis(50));
        if broken < 2 && answered(&emulator.log()) > 3 + 4 * broken && emulator.break_events(Duration::from_millis(700))
        {
            broken += 1;
        }
        if child.try_wait().expect("asked").is_some() {
            break;
        }
    }
    let ended = child.wait().expect("it ends").code();
    assert!([Some(0), Some(3), Some(14)].contains(&ended), "{ended:?}");
    assert_eq!((broken, emulator.sockets()), (2, 3));
    let log = emulator.log();
    assert_eq!(went_wrong(&log), Vec::<&Did>::new());
    assert!(rung(&log).len() > 20);
    assert_eq!((shop.status()["open"].as_u64(), emulator.live()), (Some(0), 0));
    // Whoever answered while nothing was told was spoken to all the same.
    heard(&emulator, &shop, 160);
}

#[test]
fn a_run_that_is_killed_calls_nobody_twice_when_it_comes_back() {
    let emulator = Emulator::start(TOKEN, Faults::default());
    let shop = shop(&emulator, "", 40);
    for kill_after in [6, 18] {
        let mut child = shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"]).spawn().expect("it starts");
        for _ in 0..600 {
            std::thread::sleep(Duration::from_millis(20));
            if rung(&emulator.log()).len() >= kill_after || child.try_wait().expect("asked").is_some() {
                break;
            }
        }
        child.kill().expect("killed");
        child.wait().expect("gone");
    }
    let ended = dial(&shop);
    assert!([0, 3, 14].contains(&ended), "{ended}");
    let numbers = rung(&emulator.log());
    assert_eq!((numbers.len(), emulator.live()), (40, 0), "everybody once, and nobody is left on the line");
    let report = report(&shop);
    assert_eq!((&report["open"], &report["unknown"]), (&Value::from(0), &Value::from(0)), "{report}");
}

#[test]
fn doctor_and_a_run_say_what_a_3cx_refuses() {
    let emulator = Emulator::start(TOKEN, Faults::default());
    let shop = shop(&emulator, "", 1);
    let output = run(ahoy(shop.dir.path()).args(["doctor", "--json"]));
    assert_eq!(code(&output), 0, "{}", String::from_utf8_lossy(&output.stdout));

    let stranger = Emulator::start("another secret", Faults::default());
    let refused = self::shop(&stranger, "", 1);
    assert_eq!(code(&run(ahoy(refused.dir.path()).args(["doctor", "--json"]))), 12);
    assert_ne!(dial(&refused), 0);
    assert!(rung(&stranger.log()).is_empty());

    // A route point that is not this client's.
    let wrong = carrier(&emulator, "route_point = \"801\"\n");
    let shop = Shop::open(&Wish { carrier: &wrong, campaign: "", leads: 1 });
    let output = run(ahoy(shop.dir.path()).args(["doctor", "--json"]));
    assert_eq!(code(&output), 3);
    assert!(String::from_utf8_lossy(&output.stdout).contains("route_point"));
    assert_eq!(dial(&shop), 12);
    assert!(rung(&emulator.log()).is_empty());

    // Each order is refused in its answer: three in a row stop the account.
    let refusing = Emulator::start(TOKEN, Faults { refuse: true, ..Faults::default() });
    let shop = self::shop(&refusing, "", 5);
    assert_eq!(dial(&shop), 12);
    assert!(rung(&refusing.log()).is_empty());
}
