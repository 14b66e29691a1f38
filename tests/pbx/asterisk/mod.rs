//! Whole campaigns on an emulated Asterisk: placed by ARI, told by events, heard through AudioSocket. Its log is the judge.

mod ahead;
mod emulator;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ahoy::core::sim::callee::{Behaviour, script};
use emulator::{Did, Emulator, Faults};
use serde_json::Value;

use super::common::{Shop, TOKEN, Wish, ahoy, code, run};
use super::{dial, greeting, once, report};

fn carrier(emulator: &Emulator, extra: &str) -> String {
    format!(
        "kind = \"asterisk\"\nbase_url = \"{}\"\nuser = \"{}\"\npassword = {{ env = \"AHOY_TEST_TOKEN\" }}\n\
         endpoint = \"PJSIP/{{number}}@trunk\"\nrehearsal = true\ncalls_per_second = 20\nmax_live_calls = 30\n\
         release_horizon = \"3s\"\nring_timeout = \"3s\"\n{extra}",
        emulator.base_url,
        emulator::USER
    )
}

fn rung(log: &[Did]) -> BTreeSet<String> {
    once(log.iter().filter_map(|did| if let Did::Originated { to, .. } = did { Some(to) } else { None }))
}

fn went_wrong(log: &[Did]) -> Vec<&Did> {
    log.iter().filter(|did| matches!(did, Did::Refused { .. } | Did::Lost { .. })).collect()
}

#[test]
fn a_campaign_is_placed_told_and_heard_from_the_first_sample() {
    let emulator = Emulator::start(TOKEN, Faults::default());
    let shop = Shop::open(&Wish {
        carrier: &carrier(&emulator, ""),
        campaign: "[retries]\nattempts = 1\n[barge_in]\nenabled = true\n",
        leads: 40,
    });
    let ended = dial(&shop);
    let log = emulator.log();
    assert!([0, 3].contains(&ended), "{ended}");
    assert_eq!(went_wrong(&log), Vec::<&Did>::new());
    let numbers = rung(&log);
    assert_eq!(numbers.len(), 40);
    assert_eq!(emulator.live(), (0, 0), "nothing is left at the Asterisk");

    // What the callee heard is the greeting, from its first sample, without a gap.
    let greeting = greeting(&shop);
    let (mut whole, mut cut) = (0, 0);
    let first: BTreeMap<&String, &Duration> = log
        .iter()
        .filter_map(|did| match did {
            Did::FirstSound { channel, after } => Some((channel, after)),
            _ => None,
        })
        .collect();
    for (channel, ear) in emulator.ears() {
        let behaviour = script(1, &ear.to).behaviour;
        let answered = log.contains(&Did::Answered { channel: channel.clone() });
        if !answered || behaviour == Behaviour::HangsUpAtOnce {
            continue;
        }
        let same = ear.sound.iter().zip(&greeting).take_while(|(heard, ours)| heard == ours).count();
        // Who says hello at once has cut it.
        assert!(same >= 800, "{behaviour:?}: {same} samples of {}", greeting.len());
        match behaviour {
            Behaviour::Listens => {
                assert_eq!(same, greeting.len(), "the whole greeting");
                whole += 1;
            }
            Behaviour::TalksOver => {
                let tail = ear.tail.expect("they spoke");
                assert!(tail <= 8 * 700, "{} ms of ours after they began to speak", tail / 8);
                cut += 1;
            }
            _ => {}
        }
        let after = first[&channel];
        assert!(*after < Duration::from_millis(500), "{after:?} from the answer to the first sound");
    }
    assert!(whole > 3 && cut > 1, "{whole} heard it out, {cut} spoke over it");

    // Outcomes are those of the causes.
    let report = report(&shop);
    assert_eq!((&report["unknown"], &report["open"]), (&Value::from(0), &Value::from(0)), "{report}");
    let count = |wanted: Behaviour| numbers.iter().filter(|to| script(1, to).behaviour == wanted).count() as u64;
    let outcome = |name: &str| report["outcomes"][name].as_u64().unwrap_or(0);
    assert_eq!(outcome("busy"), count(Behaviour::Busy), "{report}");
    assert_eq!(outcome("no_answer"), count(Behaviour::NoAnswer), "{report}");
    assert_eq!(outcome("failed"), count(Behaviour::Fails) + count(Behaviour::Invalid), "{report}");
    assert_eq!(outcome("opted_out"), count(Behaviour::PressesNine), "{report}");
}

/// A lost answer is settled by the channel's name and its events; an order that was lost itself, and a call whose end nobody
/// saw, are a person's to find out. Nobody is rung twice.
#[test]
fn what_was_lost_is_asked_about_by_name_and_never_ordered_again() {
    let faults = Faults { lose_answer: Some('1'), lose_order: Some('2'), untold_end: Some('3'), ..Faults::default() };
    let emulator = Emulator::start(TOKEN, faults);
    let shop = Shop::open(&Wish { carrier: &carrier(&emulator, ""), campaign: "[retries]\nattempts = 1\n", leads: 40 });
    run(&mut shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"]));
    let log = emulator.log();
    let numbers = rung(&log);
    assert!(!numbers.iter().any(|to| to.ends_with('2')), "these orders were lost");
    assert_eq!(numbers.len(), 36);
    let ended = |did: &Did| match did {
        Did::Destroyed { channel, up: false, .. } => Some(emulator.ears()[channel].to.clone()),
        _ => None,
    };
    let unseen = log.iter().filter_map(ended).filter(|to| to.ends_with('3')).count();
    assert!(unseen > 0, "ends that nobody saw");
    let status = shop.status();
    assert_eq!((&status["open"], &status["review"]), (&Value::from(0), &Value::from(4 + unseen)), "{status}");
    let report = report(&shop);
    assert_eq!(report["outcomes"]["unresolved"], 4 + unseen, "{report}");
}

#[test]
fn an_event_socket_that_breaks_is_opened_again_and_the_campaign_ends() {
    let emulator = Emulator::start(TOKEN, Faults::default());
    let shop = Shop::open(&Wish { carrier: &carrier(&emulator, ""), campaign: "[retries]\nattempts = 1\n", leads: 30 });
    let mut command = shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"]);
    let mut child = command.spawn().expect("it starts");
    let mut broken = 0;
    for _ in 0..600 {
        std::thread::sleep(Duration::from_millis(50));
        let answered = emulator.log().iter().filter(|did| matches!(did, Did::Answered { .. })).count();
        if broken < 2 && answered > 3 + 4 * broken && emulator.break_events() {
            broken += 1;
        }
        if child.try_wait().expect("asked").is_some() {
            break;
        }
    }
    let ended = child.wait().expect("it ends").code();
    assert!([Some(0), Some(3), Some(14)].contains(&ended), "{ended:?}");
    assert_eq!((broken, emulator.sockets()), (2, 3));
    // While the socket is broken nobody new is called: whoever was to be comes later.
    assert!(rung(&emulator.log()).len() > 20);
    let status = shop.status();
    assert_eq!(status["open"], 0, "{status}");
}

#[test]
fn doctor_and_a_run_say_what_an_asterisk_refuses() {
    let emulator = Emulator::start(TOKEN, Faults::default());
    let shop = Shop::open(&Wish { carrier: &carrier(&emulator, ""), campaign: "", leads: 1 });
    let output = run(ahoy(shop.dir.path()).args(["doctor", "--json"]));
    assert_eq!(code(&output), 0, "{}", String::from_utf8_lossy(&output.stdout));

    let stranger = Emulator::start("another password", Faults::default());
    let shop = Shop::open(&Wish { carrier: &carrier(&stranger, ""), campaign: "", leads: 1 });
    assert_eq!(code(&run(ahoy(shop.dir.path()).args(["doctor", "--json"]))), 12);
    assert_ne!(dial(&shop), 0);
    assert!(rung(&stranger.log()).is_empty());

    // An endpoint that no channel driver takes: three in a row stop the account.
    let wrong = carrier(&emulator, "").replace("PJSIP/{number}@trunk", "SIP/{digits}");
    let shop = Shop::open(&Wish { carrier: &wrong, campaign: "", leads: 5 });
    assert_eq!(dial(&shop), 12);
    assert!(rung(&emulator.log()).is_empty());
    assert_eq!(emulator.live(), (0, 0), "legs and bridges are taken away");
}

#[test]
fn an_asterisk_on_this_machine_reaches_people_unless_it_is_a_rehearsal() {
    let emulator = Emulator::start(TOKEN, Faults::default());
    let shop = Shop::open(&Wish {
        carrier: &carrier(&emulator, "").replace("rehearsal = true\n", "").replace("\"3s\"", "\"300s\""),
        campaign: "",
        leads: 1,
    });
    // [hours] any = true
    assert_eq!(dial(&shop), 15);
    assert!(rung(&emulator.log()).is_empty());
}
