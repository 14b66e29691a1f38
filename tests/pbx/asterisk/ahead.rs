//! Whole campaigns on an emulated Asterisk with media by `chan_websocket`. Its log is the judge.

use std::collections::BTreeMap;
use std::time::Duration;

use ahoy::core::sim::callee::{Behaviour, script};
use serde_json::Value;

use super::emulator::chan_websocket::{Faults as MediaFaults, knock};
use super::emulator::{Did, Emulator, Faults};
use super::{carrier, rung, went_wrong};
use crate::common::{Shop, TOKEN, Wish, ahoy, code, run};
use crate::{dial, greeting, report, walk};

const NEW: &str = "22.8.0";

fn faults(media: MediaFaults) -> Faults {
    Faults { version: Some(NEW), media, ..Faults::default() }
}

fn shop(emulator: &Emulator, extra: &str, leads: usize) -> Shop {
    let campaign = "[retries]\nattempts = 1\n[barge_in]\nenabled = true\n";
    Shop::open(&Wish { carrier: &carrier(emulator, extra), campaign, leads })
}

fn opened(log: &[Did]) -> usize {
    log.iter().filter(|did| matches!(did, Did::Opened { .. })).count()
}

/// How much of the greeting each call's log says was heard, in ms, by the channel that the log names.
fn heard(shop: &Shop) -> BTreeMap<String, u64> {
    let mut heard = BTreeMap::new();
    for path in walk(&shop.path("calls")).into_iter().filter(|path| path.ends_with("events.jsonl")) {
        let text = std::fs::read_to_string(path).expect("a log");
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let of = |name: &str| lines.iter().find(|line| line["event"] == name);
        let sid = of("start").and_then(|line| line["sid"].as_str()).map(str::to_owned);
        let ms = of("heard").filter(|line| line["clip"] == "greeting").and_then(|line| line["heard_ms"].as_u64());
        heard.extend(sid.zip(ms));
    }
    heard
}

#[test]
fn a_campaign_is_heard_to_the_sample_and_a_word_of_the_callee_flushes_what_was_sent_ahead() {
    let emulator = Emulator::start(TOKEN, faults(MediaFaults::default()));
    let shop = shop(&emulator, "", 40);
    let ended = dial(&shop);
    let log = emulator.log();
    assert!([0, 3].contains(&ended), "{ended}");
    assert_eq!(went_wrong(&log), Vec::<&Did>::new());
    assert_eq!((rung(&log).len(), opened(&log)), (40, 40));
    assert_eq!(emulator.live(), (0, 0), "nothing is left at the Asterisk");

    let (greeting, heard) = (greeting(&shop), heard(&shop));
    let flushed: BTreeMap<String, usize> = log
        .iter()
        .filter_map(|did| match did {
            Did::Flushed { channel, frames } => Some((channel.trim_end_matches("-media").to_owned(), *frames)),
            _ => None,
        })
        .collect();
    let (mut whole, mut cut) = (0, 0);
    for (channel, ear) in emulator.ears() {
        let behaviour = script(1, &ear.to).behaviour;
        if !log.contains(&Did::Answered { channel: channel.clone() }) || behaviour == Behaviour::HangsUpAtOnce {
            continue;
        }
        let same = ear.sound.iter().zip(&greeting).take_while(|(heard, ours)| heard == ours).count();
        assert!(same >= 800, "{behaviour:?}: {same} samples of {}", greeting.len());
        match behaviour {
            Behaviour::Listens => {
                assert_eq!(same, greeting.len(), "the whole greeting, without a gap");
                assert_eq!(heard[&channel], greeting.len() as u64 / 8, "its last mark says so");
                whole += 1;
            }
            Behaviour::TalksOver => {
                assert!(same < greeting.len(), "it was cut");
                let tail = ear.tail.expect("they spoke");
                assert!(tail <= 8 * 700, "{} ms of ours after they began to speak", tail / 8);
                assert!(flushed[&channel] > 25, "{} frames were taken back", flushed[&channel]);
                // What is told of it is what the callee's ear has: marks that were flushed count for nothing.
                let told = heard[&channel].abs_diff(same as u64 / 8);
                assert!(told <= 150, "{} ms told, {} ms heard", heard[&channel], same / 8);
                cut += 1;
            }
            _ => {}
        }
        let first = log.iter().find_map(|did| match did {
            Did::FirstSound { channel: of, after } if *of == channel => Some(*after),
            _ => None,
        });
        let first = first.expect("something was heard");
        assert!(first < Duration::from_millis(500), "{first:?} from the answer to the first sound");
    }
    assert!(whole > 3 && cut > 1, "{whole} heard it out, {cut} spoke over it");

    let report = report(&shop);
    assert_eq!((&report["unknown"], &report["open"]), (&Value::from(0), &Value::from(0)), "{report}");
    let numbers = rung(&log);
    let pressed = numbers.iter().filter(|to| script(1, to).behaviour == Behaviour::PressesNine).count() as u64;
    assert_eq!(report["outcomes"]["opted_out"].as_u64().unwrap_or(0), pressed, "each key counts once: {report}");
}

#[test]
fn xoff_holds_the_rest_back_and_xon_brings_it_without_a_sample_lost() {
    let emulator = Emulator::start(TOKEN, faults(MediaFaults { xoff: Some(60), ..MediaFaults::default() }));
    let shop = shop(&emulator, "", 20);
    dial(&shop);
    let log = emulator.log();
    assert!(log.iter().any(|did| matches!(did, Did::Xoff { .. })), "the queue was never nearly full");
    let greeting = greeting(&shop);
    let listeners = emulator.ears().into_values().filter(|ear| script(1, &ear.to).behaviour == Behaviour::Listens);
    let heard: Vec<bool> = listeners.map(|ear| ear.sound.starts_with(&greeting)).collect();
    assert!(heard.len() > 2 && heard.iter().all(|whole| *whole), "{heard:?}");
    let after = log.iter().filter(|did| matches!(did, Did::Lost { what, .. } if what == "the queue is full"));
    assert_eq!(after.count(), 0);
}

#[test]
fn a_socket_that_breaks_babbles_or_reads_nothing_costs_its_own_call_alone() {
    let media = MediaFaults { breaks: Some('1'), babbles: Some('2'), deaf: Some('3'), ..MediaFaults::default() };
    let emulator = Emulator::start(TOKEN, faults(media));
    let shop = shop(&emulator, "", 40);
    dial(&shop);
    let log = emulator.log();
    assert_eq!(went_wrong(&log), Vec::<&Did>::new());
    assert_eq!((rung(&log).len(), emulator.live()), (40, (0, 0)));
    let greeting = greeting(&shop);
    let (mut spared, mut babbled, mut others) = (0, 0, 0);
    for (channel, ear) in emulator.ears() {
        let behaviour = script(1, &ear.to).behaviour;
        let answered = log.contains(&Did::Answered { channel: channel.clone() });
        match ear.to.chars().next_back() {
            // Nobody is asked to the telephone for silence.
            Some('1') => {
                assert!(!answered, "{behaviour:?}");
                spared += 1;
            }
            Some('2') if behaviour == Behaviour::Listens => {
                assert!(ear.sound.starts_with(&greeting));
                babbled += 1;
            }
            Some('2' | '3') => {}
            _ if behaviour == Behaviour::Listens => {
                assert!(ear.sound.starts_with(&greeting));
                others += 1;
            }
            _ => {}
        }
    }
    assert!(spared == 4 && babbled > 0 && others > 3, "{spared}, {babbled}, {others}");
    let status = shop.status();
    assert_eq!((&status["open"], &status["review"]), (&Value::from(0), &Value::from(0)), "{status}");
}

#[test]
fn a_leg_that_is_not_what_was_asked_for_rings_nobody() {
    for (from, to) in [("\"ulaw\"", "\"slin\""), (":160", ":320"), ("-media", "-other"), ("MEDIA_START", "MEDIA_XON")] {
        let media = MediaFaults { start: Some((from, to)), ..MediaFaults::default() };
        let emulator = Emulator::start(TOKEN, faults(media));
        let shop = shop(&emulator, "", 1);
        let mut child = shop.campaign(&["run", "c", "--yes", "--quiet"]).spawn().expect("it starts");
        for _ in 0..200 {
            std::thread::sleep(Duration::from_millis(20));
            if opened(&emulator.log()) > 1 || child.try_wait().expect("asked").is_some() {
                break;
            }
        }
        let log = emulator.log();
        assert!(opened(&log) > 0 && rung(&log).is_empty(), "{to}: {log:?}");
        child.kill().expect("it can be ended");
        child.wait().expect("it ends");
    }
}

#[test]
fn an_asterisk_that_opens_the_socket_itself_is_heard_too_and_strangers_are_not() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port").port();
    let address = format!("127.0.0.1:{port}");
    let client = Some(("ahoy_media", format!("ws://{address}/")));
    let emulator = Emulator::start(TOKEN, faults(MediaFaults { client, ..MediaFaults::default() }));
    let extra = format!("media_connection = \"ahoy_media\"\nmedia_listen = \"{address}\"\n");
    let shop = shop(&emulator, &extra, 20);
    let mut child = shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"]).spawn().expect("it starts");
    let knocks = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        for _ in 0..200 {
            std::thread::sleep(Duration::from_millis(20));
            let protocol = |protocol| runtime.block_on(knock(&address, protocol));
            if let Some(400) = protocol(Some("chat")) {
                return (protocol(None), protocol(Some("media")));
            }
        }
        panic!("the port never opened");
    });
    let ended = child.wait().expect("it ends").code();
    assert!([Some(0), Some(3)].contains(&ended), "{ended:?}");
    // A stranger who speaks the protocol has no name of a leg: the connection ends and nothing else happens.
    assert_eq!(knocks.join().expect("it knocked"), (Some(400), None));
    let log = emulator.log();
    assert_eq!(went_wrong(&log), Vec::<&Did>::new());
    assert_eq!((rung(&log).len(), opened(&log), emulator.live()), (20, 20, (0, 0)));
    let greeting = greeting(&shop);
    let listeners = emulator.ears().into_values().filter(|ear| script(1, &ear.to).behaviour == Behaviour::Listens);
    let heard: Vec<bool> = listeners.map(|ear| ear.sound.starts_with(&greeting)).collect();
    assert!(heard.len() > 2 && heard.iter().all(|whole| *whole), "{heard:?}");
}

#[test]
fn what_an_asterisk_has_decides_and_what_it_has_not_is_said() {
    // Without the module the sound goes by AudioSocket.
    let emulator = Emulator::start(TOKEN, Faults { no_module: true, ..faults(MediaFaults::default()) });
    let quiet = shop(&emulator, "", 3);
    assert!([0, 3].contains(&dial(&quiet)));
    let log = emulator.log();
    assert_eq!((went_wrong(&log), rung(&log).len(), opened(&log)), (vec![], 3, 0));
    // Who wants it gets it or is told why not: the module is missing, the version too old.
    let old = Emulator::start(TOKEN, Faults::default());
    for (emulator, words) in [(&emulator, "the module does not run"), (&old, "22.6.0")] {
        let shop = shop(emulator, "media = \"websocket\"\n", 1);
        let output = run(&mut shop.campaign(&["run", "c", "--yes", "--quiet"]));
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(code(&output), 2, "{told}");
        assert!(told.contains(words) && told.contains("audiosocket"), "{told}");
    }
    assert!(rung(&old.log()).is_empty());
    // And who wants AudioSocket gets that.
    let new = Emulator::start(TOKEN, faults(MediaFaults::default()));
    let shop = shop(&new, "media = \"audiosocket\"\n", 3);
    assert!([0, 3].contains(&dial(&shop)));
    assert_eq!((went_wrong(&new.log()), opened(&new.log())), (vec![], 0));
    // Keys that contradict each other are said before anything is asked.
    for (extra, word) in [
        ("media = \"audiosocket\"\nmedia_connection = \"x\"", "media_connection"),
        ("media_connection = \"x\"", "media_listen"),
        ("media_connection = \"INCOMING\"\nmedia_listen = \"127.0.0.1:9092\"", "websocket_client.conf"),
        ("media = \"rtp\"", "audiosocket"),
    ] {
        let text = format!("[carriers.main]\n{}\n", carrier(&new, extra));
        std::fs::write(shop.path("ahoy.toml"), text).expect("written");
        let output = run(ahoy(shop.dir.path()).args(["campaign", "plan", "c"]));
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(code(&output) != 0 && told.contains(word), "{extra}: {told}");
    }
}
