//! Conversations with a loopback agent: `cargo bench --bench agents`. docs/BENCHMARKS.md keeps results.
//!
//! The gateway and the agents' sessions run in a process pinned to core 0; the callers and the provider, which says each
//! frame back as it comes, in another pinned to core 1. A frame carries its number, so the callers measure each one's
//! whole way: carrier → gateway → agent's socket → provider → gateway → carrier. Recording, event log and voice network
//! are on. `-- barge`: what stops our voice, and how soon (line/barge.rs).

#[path = "line/barge.rs"]
mod barge;
mod line;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ahoy::base::Boot;
use ahoy::core::agent::{AgentPlan, Prompt};
use ahoy::core::call::CallScript;
use ahoy::core::config::{Agent, AgentConfig, AgentKind, BargeIn};
use ahoy::core::figures::Quantiles;
use ahoy::core::wire::media::media_tail;
use ahoy::core::wire::token;
use ahoy::edge::agent::Provider;
use ahoy::run::agent::{AgentDoor, Task};
use ahoy::run::gateway::{Expected, Registry};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use line::{KEY, Server, answer, attempt, machine, pinned, request, script, serving, start_message, text_frame};
use tokio_tungstenite::tungstenite::{self, Message};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("serve") => serve(),
        Some("load") => load(args[2].parse().expect("an address"), args[3].parse().expect("a number")),
        Some("relay") => relay(),
        Some("mirror") => mirror(),
        Some("barge") => barge::all(),
        _ => all(),
    }
}

/// The first line on stdin is the provider's address and the number of calls.
fn serve() {
    let mut asked = String::new();
    std::io::stdin().read_line(&mut asked).expect("a line");
    let (provider, calls) = asked.trim().split_once(' ').expect("address and number");
    let dir = tempfile::tempdir().expect("a folder");
    let usual = script(vec![0x20; 1_600].into());
    let vad = usual.vad;
    let plan = AgentPlan { wait: Duration::from_secs(20), silence: Duration::from_secs(600) };
    let script = Arc::new(CallScript {
        // Its own voice comes back as the callee's here: nothing may stop it.
        barge_in: BargeIn { enabled: false, ..usual.barge_in },
        agent: Some(plan.clone()),
        ..usual
    });
    let config = AgentConfig {
        kind: AgentKind::OpenAiRealtime,
        key: None,
        base_url: Some(format!("http://{provider}")),
        model: "gpt-realtime-2.1".to_owned(),
        agent_id: String::new(),
        slots: 2_000,
        transcribe: None,
    };
    let agent = Agent { name: "bench".to_owned(), voice: None, prompt: None, prompt_file: None, compact: None, plan };
    let registry = Registry::default();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let provider = Provider::open("bench", &config, &|_, _| unreachable!("no key")).expect("a provider");
    let door = AgentDoor::new(Some(provider), config.slots);
    for n in 0..calls.parse().expect("a number") {
        let attempt = attempt(n);
        let token = token::mint(&KEY, attempt);
        let proof = ahoy::edge::carrier::StreamProof::Signed;
        let (call, expires, script) = (attempt.call(), Boot(u64::MAX), script.clone());
        registry.expect(Expected { attempt, call, token, expires, proof, script, late: None }).expect("room");
        let task = Task {
            prompt: Prompt { first: "Mirror.".to_owned(), later: None },
            language: "en".to_owned(),
            transfers: false,
            voice: None,
        };
        let line = runtime.block_on(async { door.open(door.slot().expect("a slot"), &agent, vad, task) });
        registry.lend(attempt, line);
    }
    let gateway = serving(dir.path(), registry);
    println!("{}", gateway.addr);
    answer(|| gateway.counts().log_lost);
}

/// The least that could stand between carrier and provider, in the gateway's place: two sockets a call and nothing else, on
/// one thread. What a frame's way takes longer through the gateway is the gateway's own share.
fn relay() {
    let mut asked = String::new();
    std::io::stdin().read_line(&mut asked).expect("a line");
    let provider = asked.trim().split(' ').next().expect("an address").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    println!("{}", listener.local_addr().expect("bound"));
    listener.set_nonblocking(true).expect("a socket");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).expect("a socket");
                tokio::spawn(between(stream, format!("ws://{provider}/")));
            }
        });
    });
    answer(|| 0);
}

async fn between(stream: tokio::net::TcpStream, provider: String) {
    use futures_util::{SinkExt, StreamExt};
    let mut caller = tokio_tungstenite::accept_async(stream).await.expect("an upgrade");
    let (mut agent, _) =
        tokio_tungstenite::connect_async_with_config(provider, None, true).await.expect("a connection");
    let inner = |text: &str, key: &str| {
        text.split_once(key).and_then(|(_, rest)| rest.split_once('"')).map(|(sound, _)| sound.to_owned())
    };
    loop {
        let sent = tokio::select! {
            Some(Ok(message)) = caller.next() => match message {
                Message::Text(text) => match inner(text.as_str(), "\"payload\":\"") {
                    Some(sound) => agent.send(Message::text(format!("{{\"audio\":\"{sound}\"}}"))).await,
                    None => Ok(()),
                },
                _ => Ok(()),
            },
            Some(Ok(message)) = agent.next() => match message {
                Message::Text(text) => match inner(text.as_str(), "\"delta\":\"") {
                    Some(sound) => {
                        let told = format!(
                            "{{\"event\":\"media\",\"streamSid\":\"MZ\",\"media\":{{\"payload\":\"{sound}\"}}}}"
                        );
                        caller.send(Message::text(told)).await
                    }
                    None => Ok(()),
                },
                _ => Ok(()),
            },
            else => return,
        };
        if sent.is_err() {
            return;
        }
    }
}

/// The provider: says each frame back as it comes.
fn mirror() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    println!("{}", listener.local_addr().expect("bound"));
    listener.set_nonblocking(true).expect("a socket");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).expect("a socket");
            tokio::spawn(session(stream));
        }
    });
}

async fn session(stream: tokio::net::TcpStream) {
    use futures_util::{SinkExt, StreamExt};
    let mut socket = tokio_tungstenite::accept_async(stream).await.expect("an upgrade");
    let hello = r#"{"type":"session.created","event_id":"e","session":{"type":"realtime"}}"#;
    socket.send(Message::text(hello)).await.expect("open");
    while let Some(Ok(message)) = socket.next().await {
        let Message::Text(text) = message else { continue };
        let text = text.as_str();
        if text.contains("session.update") {
            let format = r#"{"format":{"type":"audio/pcmu"}}"#;
            let audio = format!(r#"{{"input":{format},"output":{format}}}"#);
            let told = format!(r#"{{"type":"session.updated","event_id":"e","session":{{"audio":{audio}}}}}"#);
            socket.send(Message::text(told)).await.expect("open");
        } else if let Some(sound) = text.strip_prefix(r#"{"audio":""#) {
            let sound = sound.split('"').next().unwrap_or("");
            let said =
                format!(r#"{{"type":"response.output_audio.delta","event_id":"e","item_id":"m","delta":"{sound}"}}"#);
            if socket.send(Message::text(said)).await.is_err() {
                return;
            }
        }
    }
}

struct Caller {
    phase: Duration,
    tcp: TcpStream,
    nth: u64,
    sent: Vec<Instant>,
    unread: Vec<u8>,
}

/// Seconds of a run, and of its beginning that are not measured: the greeting, and the hand-over.
const SECONDS: u64 = 30;
const WARM: u64 = 5;

/// Frames of many calls, one thread, each at a phase of its own; gives each frame's whole way in microseconds.
fn load(addr: SocketAddr, calls: u64) {
    let mut random = fastrand::Rng::with_seed(calls);
    let mut callers: Vec<Caller> = (0..calls)
        .map(|nth| {
            let tcp = TcpStream::connect(addr).expect("a connection");
            tcp.set_nodelay(true).expect("a socket");
            let (mut socket, _) = tungstenite::client(request(addr), tcp).expect("an upgrade");
            socket.send(start_message(nth)).expect("open");
            let tcp = socket.into_inner();
            tcp.set_nonblocking(true).expect("a socket");
            let phase = Duration::from_micros(random.u64(0..20_000));
            Caller { phase, tcp, nth, sent: Vec::new(), unread: Vec::new() }
        })
        .collect();
    callers.sort_by_key(|caller| caller.phase);
    let (begin, mut ways, mut frame) = (Instant::now(), Vec::new(), Vec::new());
    let mut sound = vec![0x30_u8; 160];
    for number in 0..SECONDS * 50 {
        // Four bytes of µ-law carry the number; what is loud about them is heard by nobody.
        sound[..4].copy_from_slice(&(u32::try_from(number).expect("small") | 0x4000_0000).to_be_bytes());
        let tail = media_tail(&sound).replacen("{\"payload\"", "{\"track\":\"inbound\",\"payload\"", 1);
        for at in 0..callers.len() {
            let due = callers[at].phase + Duration::from_millis(20 * number);
            let mut look = at;
            while begin.elapsed() < due {
                // In the pauses: what came back.
                look = (look + 1) % callers.len();
                read(&mut callers[look], &mut ways);
            }
            let caller = &mut callers[at];
            let (nth, sequence) = (caller.nth, number + 2);
            let text =
                format!("{{\"event\":\"media\",\"sequenceNumber\":\"{sequence}\",\"streamSid\":\"MZ{nth}\"{tail}");
            text_frame(text.as_bytes(), &mut frame);
            caller.sent.push(Instant::now());
            assert_eq!(caller.tcp.write(&frame).expect("the server reads"), frame.len());
            read(caller, &mut ways);
        }
    }
    let expected = calls * (SECONDS - WARM) * 50;
    let it = Quantiles::of(ways).expect("measured");
    println!("{expected} {} {} {} {} {}", it.count, it.p50, it.p90, it.p99, it.max);
}

/// Reads what is there; notes the way of each frame that came back.
fn read(caller: &mut Caller, ways: &mut Vec<u64>) {
    let mut buffer = [0; 16 << 10];
    let Ok(got) = caller.tcp.read(&mut buffer) else { return };
    let now = Instant::now();
    caller.unread.extend_from_slice(&buffer[..got]);
    const KEY: &[u8] = b"\"payload\":\"";
    let mut from = 0;
    while let Some(at) = caller.unread[from..].windows(KEY.len()).position(|it| it == KEY) {
        let start = from + at + KEY.len();
        let Some(head) = caller.unread.get(start..start + 8) else { break };
        from = start;
        let Ok(bytes) = STANDARD.decode(head) else { continue };
        let number = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let number = (number & 0x3fff_ffff) as usize;
        // The sound that the agent was owed comes as one piece of old frames: only single ones are measured.
        if (WARM * 50) as usize <= number
            && let Some(sent) = caller.sent.get(number)
        {
            ways.push(u64::try_from(now.duration_since(*sent).as_micros()).unwrap_or(u64::MAX));
        }
    }
    caller.unread.drain(..from.max(caller.unread.len().saturating_sub(400)));
}

fn scenario(calls: u64, through: &str) {
    let mut provider = pinned("1", &["mirror"]);
    let mut address = String::new();
    let mut told = std::io::BufReader::new(provider.stdout.take().expect("piped"));
    std::io::BufRead::read_line(&mut told, &mut address).expect("an address");
    let mut server = Server::start_with(through, &format!("{} {calls}", address.trim()));
    let load = pinned("1", &["load", &server.addr, &calls.to_string()]);
    std::thread::sleep(Duration::from_secs(WARM + 2));
    let (early, clock) = (server.usage(), Instant::now());
    std::thread::sleep(Duration::from_secs(SECONDS - WARM - 5));
    let (late, span) = (server.usage(), clock.elapsed().as_secs_f64());
    let output = load.wait_with_output().expect("it ended");
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let values: Vec<f64> = text.split(' ').map(|it| it.parse().unwrap_or(f64::NAN)).collect();
    let cpu = (late.0 - early.0) / span;
    println!(
        "| {calls} | {} | {:.1} % | {:.3} | {:.3} | {:.3} | {:.3} | {:.0} % | {} |",
        if through == "serve" { "gateway" } else { "relay" },
        100.0 * values[1] / values[0],
        values[2] / 1e3,
        values[3] / 1e3,
        values[4] / 1e3,
        values[5] / 1e3,
        100.0 * cpu,
        late.2
    );
    server.end();
    provider.kill().expect("it runs");
    provider.wait().expect("it ended");
}

fn all() {
    println!("machine: {}; gateway and agents' sessions on core 0, callers and provider on core 1", machine());
    println!("| conversations | through | frames back | p50 ms | p90 | p99 | max | CPU of core 0 | log parts lost |");
    println!("|---|---|---|---|---|---|---|---|---|");
    let only: Vec<u64> = std::env::args().filter_map(|it| it.parse().ok()).collect();
    for calls in [20, 100, 200] {
        if only.is_empty() || only.contains(&calls) {
            scenario(calls, "relay");
            scenario(calls, "serve");
        }
    }
}
