//! A desk at a route point, and what add-ons post.

use std::time::{Duration, Instant};

use super::emulator::{Did, Emulator, Faults};
use super::{TOKEN, Wish, carrier, greeting};
use crate::common::Shop;
use crate::common::desk::{Desk, http, inbound};

const NUMBER: &str = "+15005550006";

fn until(what: &str, done: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < end, "{what} never came");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn person(at: usize) -> String {
    format!("+4420794{:05}", 60_000 + at)
}

fn gone(emulator: &Emulator, id: u64) -> bool {
    emulator.log().iter().any(|did| matches!(did, Did::Removed { id: of, .. } if *of == id))
}

fn serve(faults: Faults, extra: &str, campaign: &str) -> (Emulator, Shop, Desk) {
    let emulator = Emulator::start(TOKEN, faults);
    let carrier = carrier(&emulator, extra);
    let shop = Shop::open(&Wish { carrier: &carrier, campaign, leads: 5 });
    let desk = Desk::serve(&shop);
    (emulator, shop, desk)
}

#[test]
fn who_calls_the_route_point_is_answered_and_greeted() {
    for answers_itself in [false, true] {
        let faults = Faults { answers_itself, ..Faults::default() };
        let (emulator, shop, desk) = serve(faults, "number = \"+15005550006\"\n", "[inbound]\nplaces = 4\n");
        // One to a number from outside, one to the extension, one who withholds theirs, one to a number that is nobody's.
        let known = emulator.ring(&person(2), NUMBER);
        let inside = emulator.ring(&person(90), "");
        let withheld = emulator.ring("anonymous", NUMBER);
        let nobodys = emulator.ring(&person(3), "+15005550001");
        for id in [known, inside, withheld] {
            until("the end of a call", || gone(&emulator, id));
            let ear = &emulator.ears()[&id];
            let greeting = greeting(&shop);
            let same = ear.sound.iter().zip(&greeting).take_while(|(heard, ours)| heard == ours).count();
            assert!(same >= 800, "{same} of {} samples", greeting.len());
        }
        let log = emulator.log();
        assert_eq!(log.contains(&Did::PickedUp { id: known }), !answers_itself);
        assert!(!log.contains(&Did::PickedUp { id: nobodys }) && !log.contains(&Did::Dropped { id: nobodys }));
        assert!(emulator.ears()[&nobodys].sound.is_empty());
        assert!(super::rung(&log).is_empty(), "nobody was called");
        let rows = inbound(&shop, 3);
        assert!(rows.iter().all(|row| row["phrase"] == "greeting"), "{rows:?}");
        let (ended, said) = desk.stop();
        assert_eq!(ended, Some(0), "{said}");
    }
}

#[test]
fn who_presses_the_key_is_routed_to_the_number_of_the_configuration() {
    let campaign = "[inbound]\n[transfer]\nto = \"+15005550009\"\n[keys]\ntransfer = \"5\"\n";
    let (emulator, _shop, desk) = serve(Faults::default(), "", campaign);
    let pressing = (0..1_000)
        .map(person)
        .find(|number| {
            let script = ahoy::core::sim::callee::script(1, number);
            script.behaviour == ahoy::core::sim::callee::Behaviour::PressesOther && script.key == '5'
        })
        .expect("somebody presses 5");
    let id = emulator.ring(&pressing, NUMBER);
    let end = Instant::now() + Duration::from_secs(30);
    while !gone(&emulator, id) && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(50));
    }
    let log = emulator.log();
    let routed = log.iter().position(|did| *did == Did::Routed { id, to: "+15005550009".to_owned() });
    assert!(routed.is_some(), "{log:?}");
    let (ended, said) = desk.stop();
    assert_eq!(ended, Some(0), "{said}");
}

#[test]
fn a_full_desk_ends_the_call_and_a_storm_of_callers_holds_nothing() {
    let (emulator, _shop, desk) = serve(Faults::default(), "", "[inbound]\nplaces = 1\n");
    let ids: Vec<u64> = (0..12).map(|at| emulator.ring(&person(at), NUMBER)).collect();
    for id in ids {
        until("the end of a call", || gone(&emulator, id));
    }
    let log = emulator.log();
    let picked = log.iter().filter(|did| matches!(did, Did::PickedUp { .. })).count();
    let dropped = log.iter().filter(|did| matches!(did, Did::Dropped { .. })).count();
    assert!(picked >= 1 && picked + dropped >= 12, "{picked} picked up, {dropped} ended");
    let (ended, said) = desk.stop();
    assert_eq!(ended, Some(0), "{said}");
}

const HOOK: &str = "[carriers.main.webhook]\ntoken = { env = \"AHOY_TEST_TOKEN\" }\nevent = \"state\"\n\
    number = \"who\"\nended = [\"bye\"]\n";

#[test]
fn an_add_ons_post_is_a_hint_that_moves_no_call_and_a_stranger_is_refused() {
    let (emulator, shop, desk) = serve(Faults::default(), HOOK, "[inbound]\n");
    let gateway = desk.answer_url.trim_end_matches("/v1/answer").to_owned();
    let post = |token: &str, body: &str| http(&gateway, &format!("/v1/pbx/main/{token}"), "", body).0;
    for (token, body, want) in [
        (TOKEN, "state=ringing&who=%2B15005550001&callid=7", 200),
        (TOKEN, "{\"state\":\"bye\",\"who\":\"+15005550001\",\"callid\":\"x\"}", 200),
        (TOKEN, "event=ringing", 400),
        (TOKEN, "{\"state\":", 400),
        (TOKEN, "", 400),
        ("another-token-of-a-stranger", "state=ringing", 403),
        ("%00", "state=ringing", 403),
    ] {
        assert_eq!(post(token, body), want, "{body}");
    }
    assert_eq!(http(&gateway, &format!("/v1/pbx/other/{TOKEN}"), "", "state=ringing").0, 403);
    let large = format!("state={}", "x".repeat(80 << 10));
    assert_eq!(post(TOKEN, &large), 413);
    // A storm of them about a live call: it goes on, and its log has a bounded number of lines.
    let listening = (0..1_000)
        .map(person)
        .find(|it| ahoy::core::sim::callee::script(1, it).behaviour == ahoy::core::sim::callee::Behaviour::Listens)
        .expect("somebody listens");
    let id = emulator.ring(&listening, NUMBER);
    until("the first sound", || {
        emulator.log().iter().any(|did| matches!(did, Did::FirstSound { id: of, .. } if *of == id))
    });
    let call = format!("state=bye&who=&callid={}", 1_000 + id);
    for _ in 0..100 {
        assert_eq!(post(TOKEN, &call), 200);
    }
    until("the end of the call", || gone(&emulator, id));
    let whole = greeting(&shop);
    assert_eq!(emulator.ears()[&id].sound[..whole.len()], whole[..], "no post ends a call");
    let (ended, said) = desk.stop();
    assert_eq!(ended, Some(0), "{said}");
    let logs = walk(&shop.path("calls"));
    let lines: usize = logs.iter().map(|log| log.matches("\"hinted\"").count()).sum();
    assert_eq!(lines, 64, "the call's log holds what was said, up to a bound");
    assert!(super::rung(&emulator.log()).is_empty(), "no post calls anybody");
}

fn walk(folder: &std::path::Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(walk(&path));
        } else if path.ends_with("events.jsonl") {
            found.push(std::fs::read_to_string(path).expect("text"));
        }
    }
    found
}
