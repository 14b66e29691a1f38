//! A desk whose callers' voices are cloned while they hear greeting and menu: the agent's own socket is the judge of whose
//! voice it was asked to speak with.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use ahoy::core::sim::callee::{Behaviour, caller, script};
use ahoy::core::sim::line::{self, What};
use serde_json::{Value, json};

use crate::common::desk::{Desk, consents, inbound, over, person, ring};
use crate::common::process::until;
use crate::common::{self, Shop, Sim, Wish, carrier_at, code, run};
use crate::elevenlabs::ElevenLabs;
use crate::emulator::{Act, Provider, Seen, Vendor};
use crate::{agents, clean, contract, events};

const SEED: u64 = 5;
/// Callers of the desk: those of the seed who press 1.
const CALLERS: usize = 4;
const VOICE: &str = "vo000000000000000042";

/// A voice service that takes so long for an upload, and makes the same voice of everybody.
fn studio(takes: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            std::thread::spawn(move || {
                let mut all = Vec::new();
                let mut part = [0; 16_384];
                let (head, length) = loop {
                    let read = stream.read(&mut part).unwrap_or(0);
                    all.extend_from_slice(&part[..read]);
                    let text = String::from_utf8_lossy(&all).into_owned();
                    if let Some((head, _)) = text.split_once("\r\n\r\n") {
                        let length = head.to_lowercase().split("content-length: ").nth(1).map_or(0, |rest| {
                            rest.split("\r\n").next().and_then(|it| it.parse().ok()).expect("a length")
                        });
                        break (head.to_owned(), length);
                    }
                    if read == 0 {
                        return;
                    }
                };
                while all.len() < head.len() + 4 + length {
                    let read = stream.read(&mut part).unwrap_or(0);
                    if read == 0 {
                        return;
                    }
                    all.extend_from_slice(&part[..read]);
                }
                let body = if head.starts_with("POST /v1/voices/add") {
                    std::thread::sleep(takes);
                    json!({ "voice_id": VOICE, "requires_verification": false })
                } else if head.starts_with("GET /v2/voices") {
                    json!({ "voices": [], "has_more": false, "total_count": 0 })
                } else {
                    json!({ "tier": "creator", "voice_slots_used": 1, "voice_limit": 30, "voice_add_edit_counter": 0,
                        "max_voice_add_edits": null, "can_use_instant_voice_cloning": true, "status": "active" })
                };
                let body = body.to_string();
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _gone = stream.write_all(answer.as_bytes());
            });
        }
    });
    addr
}

/// A workspace with a desk that clones voices, beside a carrier and an agent; `slots`: more of the agent's settings.
fn house(sim: &Sim, provider: &Provider, takes: Duration, settings: &str, slots: &str) -> Shop {
    let carrier = format!(
        "{}\n[clone]\nprovider = \"elevenlabs\"\nbase_url = \"http://{}\"\n{}{slots}",
        carrier_at(&sim.base_url, ""),
        studio(takes),
        agents(provider, 1)
    );
    let campaign = format!(
        "[call]\nmax = \"60s\"\n[agent]\nkind = \"a0\"\nprompt = \"You answer for Harbour Travel.\"\nvoice = \"own\"\n\
         [inbound]\nclone = true\n{settings}\n[inbound.menu]\n"
    );
    let shop = Shop::open(&Wish { carrier: &carrier, campaign: &campaign, leads: 1 });
    consents(&shop, 200);
    let generated = run(common::ahoy(shop.dir.path()).args(["cache", "generate", "c", "--quiet"]));
    assert_eq!(code(&generated), 0);
    shop
}

fn carrier(folder: &std::path::Path) -> Sim {
    Sim::start(folder, &["--speedup", "2", "--seed", &SEED.to_string()])
}

fn agent() -> Provider {
    Provider::start(Vendor::ElevenLabs(ElevenLabs::new()), vec![Act::Well])
}

/// People of the seed who do this when they call.
fn who(does: Behaviour, many: usize) -> Vec<String> {
    let found: Vec<String> =
        (0..200).map(person).filter(|number| caller(SEED, number).behaviour == does).take(many).collect();
    assert_eq!(found.len(), many);
    found
}

/// Calls of people who press 1 at a desk with these settings: what the agent's sessions saw, and the calls.
fn talks(takes: Duration, settings: &str) -> (Vec<Seen>, Vec<Value>, Shop) {
    let provider = agent();
    let folder = tempfile::tempdir().expect("a folder");
    let sim = carrier(folder.path());
    let shop = house(&sim, &provider, takes, settings, "");
    let desk = Desk::serve(&shop);
    for number in &who(Behaviour::AsksForAgent, CALLERS) {
        ring(&sim, &desk, number);
    }
    over(&sim, CALLERS);
    let rows = inbound(&shop, CALLERS);
    drop(desk);
    (provider.seen(0), rows, shop)
}

fn voice_of(session: &Seen) -> Option<&str> {
    session.messages[0]["conversation_config_override"]["tts"]["voice_id"].as_str()
}

#[test]
fn who_presses_1_waits_for_their_voice_and_the_agent_speaks_with_it_first() {
    let (sessions, rows, shop) = talks(Duration::from_secs(3), "");
    clean(&sessions);
    assert_eq!(sessions.len(), CALLERS, "one session a call, begun when the voice was there");
    for session in &sessions {
        assert_eq!(voice_of(session), Some(VOICE));
        // Who said something while they waited is answered; who did not is spoken to first.
        let asked = session.messages.iter().any(|it| it["type"] == "user_message");
        assert!(session.spoken >= 1 && (asked || session.turns >= 1), "{session:?}");
    }
    for row in &rows {
        let id = row["call"].as_str().expect("an id");
        let shown = run(common::ahoy(shop.dir.path()).args(["calls", "show", id, "--json"]));
        let shown: Value = serde_json::from_slice(&shown.stdout).expect("JSON");
        let kinds: Vec<&str> =
            shown["clone_events"].as_array().expect("events").iter().filter_map(|it| it["event"].as_str()).collect();
        assert!(kinds.contains(&"clone-ready") && kinds.contains(&"clone-transfer"), "{shown}");
        assert!(shown["report"]["agent"]["turns"].as_u64() >= Some(1), "{shown}");
    }
}

#[test]
fn a_voice_that_is_not_there_in_time_leaves_the_agent_with_its_own() {
    let (sessions, rows, _shop) = talks(Duration::from_secs(40), "wait = \"2s\"");
    clean(&sessions);
    assert_eq!(sessions.len(), CALLERS);
    assert!(sessions.iter().all(|session| voice_of(session) == Some("own")), "{sessions:?}");
    assert!(rows.iter().all(|row| row["waited_ms"].as_u64() >= Some(2_000)), "{rows:?}");
}

#[test]
fn the_api_tells_of_a_voice_the_moment_that_the_call_has_made_it() {
    let (provider, folder) = (agent(), tempfile::tempdir().expect("a folder"));
    let sim = carrier(folder.path());
    let shop = house(&sim, &provider, Duration::from_secs(6), "", "");
    let config = std::fs::read_to_string(shop.path("ahoy.toml")).expect("there");
    let api = "[api]\nlisten = \"127.0.0.1:0\"\ntoken = { env = \"AHOY_TEST_API\" }\n";
    std::fs::write(shop.path("ahoy.toml"), format!("{config}\n{api}")).expect("written");
    let desk = Desk::serve(&shop);
    let caller = who(Behaviour::AsksForAgent, 1).remove(0);
    let path = format!("/api/clones/{}", caller.replace('+', "%2B"));
    let ask = |query: &str| {
        let began = Instant::now();
        let (status, body) = desk.get(&format!("{path}{query}"));
        contract::CONTRACT.check("GET", &path, status, "application/json", &body);
        let told: Value = serde_json::from_str(&body).expect("JSON");
        (
            status,
            told["state"].as_str().or(told["error"]["reason"].as_str()).expect("a word").to_owned(),
            began.elapsed(),
        )
    };
    // Nobody has called: asking makes no voice, and waits for none.
    let (status, word, took) = ask("?wait_ms=20000");
    assert_eq!((status, word.as_str(), took < Duration::from_secs(5)), (404, "no_clone", true));
    ring(&sim, &desk, &caller);
    until("the call wants a voice", || ask("").0 != 404);
    assert_eq!(ask("").1, "making");
    let (_, word, took) = ask("?wait_ms=300");
    assert!(word == "making" && took >= Duration::from_millis(300), "{word} after {took:?}");
    // Several wait, each on a connection of its own, and all of them hear it: long before their time is up.
    let heard: Vec<(u16, String, Duration)> = std::thread::scope(|scope| {
        let waiting: Vec<_> = (0..3).map(|_| scope.spawn(|| ask("?wait_ms=25000"))).collect();
        waiting.into_iter().map(|it| it.join().expect("it ends")).collect()
    });
    for (status, word, took) in heard {
        assert_eq!((status, word.as_str()), (200, "ready"));
        assert!(took >= Duration::from_millis(500) && took < Duration::from_secs(20), "{took:?}");
    }
    let (_, body) = desk.get(&path);
    assert!(body.contains(VOICE), "{body}");
    // Who has no business here, and what is no question.
    assert_eq!(desk.get_as("another-token", &path).0, 401);
    for (bad, reason) in [
        ("/api/clones/nobody", "bad_caller"),
        ("/api/clones/02079460000", "bad_caller"),
        ("/api/clones/%2B1", "bad_caller"),
        ("/api/clones/%2B442079460000?wait_ms=25001", "bad_query"),
        ("/api/clones/%2B442079460000?wait_ms=soon", "bad_query"),
    ] {
        let (status, body) = desk.get(bad);
        assert!(status == 400 && body.contains(reason), "{bad}: {status} {body}");
    }
    over(&sim, 1);
    let (ended, said) = desk.stop();
    assert_eq!(ended, Some(0), "{said}");
    clean(&provider.seen(0));
}

#[test]
fn a_caller_who_leaves_while_their_voice_is_made_frees_the_agents_place_for_the_next() {
    let (provider, folder) = (agent(), tempfile::tempdir().expect("a folder"));
    let sim = carrier(folder.path());
    // One place at the provider, and a voice that is not there before both have gone.
    let shop = house(&sim, &provider, Duration::from_secs(90), "wait = \"2s\"", "slots = 1\n");
    let desk = Desk::serve(&shop);
    // Presses the opt-out key and is gone: the place was theirs from the answer on.
    ring(&sim, &desk, &who(Behaviour::PressesNine, 1)[0]);
    over(&sim, 1);
    assert_eq!(provider.seen(0).len(), 0, "no session was opened for them");
    ring(&sim, &desk, &who(Behaviour::AsksForAgent, 1)[0]);
    over(&sim, 2);
    let rows = inbound(&shop, 2);
    drop(desk);
    let sessions = provider.seen(0);
    clean(&sessions);
    assert_eq!(sessions.len(), 1, "{rows:?}");
    assert!(sessions[0].spoken >= 1 && voice_of(&sessions[0]) == Some("own"), "{sessions:?}");
}

/// How often each of these people was called.
fn called(sim: &Sim, people: &[String]) -> Vec<usize> {
    let lines = line::read(&std::fs::read_to_string(&sim.log).expect("the log")).0;
    let calls = |number: &String| {
        lines.iter().filter(|line| matches!(&line.what, What::Created { to, .. } if to == number)).count()
    };
    people.iter().map(calls).collect()
}

/// People of the seed who press 1 when they call, and listen when they are called.
fn callable(many: usize) -> Vec<String> {
    let listens = |number: &String| script(SEED, number).behaviour == Behaviour::Listens;
    let found: Vec<String> = who(Behaviour::AsksForAgent, 40).into_iter().filter(listens).take(many).collect();
    assert_eq!(found.len(), many);
    found
}

fn shown(shop: &Shop, call: &Value) -> Value {
    let id = call.as_str().expect("an id");
    let shown = run(common::ahoy(shop.dir.path()).args(["calls", "show", id, "--json"]));
    serde_json::from_slice(&shown.stdout).expect("JSON")
}

#[test]
fn who_asks_before_the_voice_is_there_is_called_back_once_and_spoken_to_with_it() {
    let (provider, folder) = (agent(), tempfile::tempdir().expect("a folder"));
    let sim = carrier(folder.path());
    let shop = house(&sim, &provider, Duration::from_secs(10), "option = \"call-back\"", "");
    let desk = Desk::serve(&shop);
    let people = callable(2);
    for number in &people {
        ring(&sim, &desk, number);
    }
    // The promise was heard before anything else was said.
    over(&sim, 2);
    let promised = inbound(&shop, 2);
    assert!(promised.iter().all(|row| !events(&shown(&shop, &row["call"]), "call_back").is_empty()), "{promised:?}");
    over(&sim, 4);
    assert_eq!(called(&sim, &people), [1, 1]);
    let rows = inbound(&shop, 2);
    drop(desk);
    let sessions = provider.seen(0);
    clean(&sessions);
    assert!(sessions.len() == 2 && sessions.iter().all(|it| voice_of(it) == Some(VOICE)), "{sessions:?}");
    for row in &rows {
        assert_eq!(row["cause"], "finished", "they heard the promise out: {row}");
        let call = shown(&shop, &row["call"]);
        assert_eq!(
            (&call["call_back"]["state"], call["call_back"]["reason"].is_null()),
            (&Value::from("placed"), true)
        );
        let kinds: Vec<&str> =
            call["clone_events"].as_array().expect("events").iter().filter_map(|it| it["event"].as_str()).collect();
        assert!(kinds.contains(&"clone-transfer"), "{call}");
        let back = shown(&shop, &call["call_back"]["call"]);
        assert_eq!(events(&back, "hand_over").len(), 1, "{back}");
    }
    assert_eq!(sim.read_log().complaints, Vec::<String>::new());
}

#[test]
fn a_promise_outlives_a_kill_is_kept_once_and_is_never_kept_to_whom_the_list_forbids() {
    let (provider, folder) = (agent(), tempfile::tempdir().expect("a folder"));
    let sim = carrier(folder.path());
    let shop = house(&sim, &provider, Duration::from_secs(120), "option = \"call-back\"", "");
    let people = callable(2);
    let desk = Desk::serve(&shop);
    for number in &people {
        ring(&sim, &desk, number);
    }
    over(&sim, 2);
    inbound(&shop, 2);
    desk.kill();
    assert_eq!(called(&sim, &people), [0, 0], "their voices are not made yet");
    // One of them thinks better of it.
    let listed = run(common::ahoy(shop.dir.path()).args(["leads", "suppress", &people[1], "--reason", "asked us to"]));
    assert_eq!(code(&listed), 0);
    // The upload's answer went with the process, so there is no voice to speak with: a promise is kept all the same.
    let desk = Desk::serve(&shop);
    over(&sim, 3);
    let states = || -> Vec<Value> {
        let mut states: Vec<Value> =
            inbound(&shop, 2).iter().map(|row| shown(&shop, &row["call"])["call_back"].clone()).collect();
        states.sort_by_key(|it| it["state"].as_str().map(str::to_owned));
        states
    };
    until("each promise is kept or given up", || states().iter().all(|it| it["state"] != "open"));
    let kept = states();
    assert_eq!(
        (&kept[0]["state"], &kept[0]["reason"]),
        (&Value::from("dropped"), &Value::from("suppressed")),
        "{kept:?}"
    );
    assert_eq!(kept[1]["state"], "placed");
    // A process that dies after the call makes no second one.
    desk.kill();
    let desk = Desk::serve(&shop);
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(called(&sim, &people), [1, 0]);
    drop(desk);
    assert!(provider.seen(0).iter().all(|it| voice_of(it) == Some("own")));
}

#[test]
fn an_agent_that_came_at_once_goes_on_with_the_callers_voice_and_knows_what_was_said() {
    let (sessions, rows, shop) = talks(Duration::from_secs(5), "option = \"switch\"");
    clean(&sessions);
    let own: Vec<&Seen> = sessions.iter().filter(|it| voice_of(it) == Some("own")).collect();
    let theirs: Vec<&Seen> = sessions.iter().filter(|it| voice_of(it) == Some(VOICE)).collect();
    assert_eq!(own.len(), CALLERS, "nobody waits: each call begins with the agent's own voice");
    let context = |session: &Seen| -> String {
        let told = session.messages.iter().filter(|it| it["type"] == "contextual_update");
        told.filter_map(|it| it["text"].as_str()).collect()
    };
    let resumed: Vec<&&Seen> =
        theirs.iter().filter(|it| context(it).contains("you spoke with another voice")).collect();
    assert!(!resumed.is_empty(), "{} sessions with the caller's voice, none took over: {sessions:?}", theirs.len());
    for session in &resumed {
        let told = context(session);
        assert!(told.contains("\"who\":\"agent\"") && told.contains("Do not greet again"), "{told}");
        assert!(
            !session.messages.iter().any(|it| it["type"] == "user_message"),
            "it waits for the person: {session:?}"
        );
    }
    assert!(resumed.iter().any(|it| it.turns >= 1 && it.spoken >= 1), "the person was heard and answered: {resumed:?}");
    let switched =
        rows.iter().map(|row| shown(&shop, &row["call"])).filter(|call| !events(call, "switched").is_empty());
    let mut counted = 0;
    for call in switched {
        counted += 1;
        let kinds: Vec<&str> =
            call["clone_events"].as_array().expect("events").iter().filter_map(|it| it["event"].as_str()).collect();
        assert!(kinds.contains(&"clone-transfer"), "{call}");
        assert_eq!(events(&call, "hand_over").len(), 1, "one hand-over, one greeting: {call}");
    }
    assert!(counted >= resumed.len(), "{counted}");
}
