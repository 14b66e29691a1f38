//! A desk whose callers' voices are cloned while they hear greeting and menu: the agent's own socket is the judge of whose
//! voice it was asked to speak with.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use ahoy::core::sim::callee::{Behaviour, caller};
use serde_json::{Value, json};

use crate::common::desk::{Desk, consents, inbound, over, person, ring};
use crate::common::{self, Shop, Sim, Wish, carrier_at, code, run};
use crate::elevenlabs::ElevenLabs;
use crate::emulator::{Act, Provider, Seen, Vendor};
use crate::{agents, clean};

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

/// Calls of people who press 1 at a desk with these settings: what the agent's sessions saw, and the calls.
fn talks(takes: Duration, settings: &str) -> (Vec<Seen>, Vec<Value>, Shop) {
    let provider = Provider::start(Vendor::ElevenLabs(ElevenLabs::new()), vec![Act::Well]);
    let folder = tempfile::tempdir().expect("a folder");
    let sim = Sim::start(folder.path(), &["--speedup", "2", "--seed", &SEED.to_string()]);
    let carrier = format!(
        "{}\n[clone]\nprovider = \"elevenlabs\"\nbase_url = \"http://{}\"\n{}",
        carrier_at(&sim.base_url, ""),
        studio(takes),
        agents(&provider, 1)
    );
    let campaign = format!(
        "[call]\nmax = \"60s\"\n[agent]\nkind = \"a0\"\nprompt = \"You answer for Harbour Travel.\"\nvoice = \"own\"\n\
         [inbound]\nclone = true\n{settings}\n[inbound.menu]\n"
    );
    let shop = Shop::open(&Wish { carrier: &carrier, campaign: &campaign, leads: 1 });
    consents(&shop, 200);
    let generated = run(common::ahoy(shop.dir.path()).args(["cache", "generate", "c", "--quiet"]));
    assert_eq!(code(&generated), 0);
    let desk = Desk::serve(&shop);
    let asking: Vec<String> = (0..200)
        .map(person)
        .filter(|number| caller(SEED, number).behaviour == Behaviour::AsksForAgent)
        .take(CALLERS)
        .collect();
    assert_eq!(asking.len(), CALLERS);
    for number in &asking {
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
