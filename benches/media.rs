//! Load on the gateway: `cargo bench --bench media`. Prints a table; docs/BENCHMARKS.md keeps results.
//!
//! The server runs in a process pinned to core 0, the callers in another pinned to core 1 (`taskset`, Linux). Every
//! figure is measured by the callers, over loopback sockets, with recording, event log and voice network on.

mod line;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ahoy::base::Boot;
use ahoy::core::figures::Quantiles;
use ahoy::core::sound::g711;
use ahoy::core::vad::silero::{State, at_8k};
use ahoy::core::wire::{media::media_tail, token};
use ahoy::run::gateway::{Expected, Registry};
use futures_util::{SinkExt, StreamExt};
use line::{KEY, Server, answer, attempt, machine, pinned, request, script, serving, start_message, text_frame};
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

/// Tokens expected by the server: streams, then probes.
const TOKENS: u64 = 20_000;
const SPEECH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/silero-vad-v6/golden-8k.wav");
const ORACLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/silero-vad-v6/golden-8k.probabilities.txt");

fn main() {
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("serve") => serve(),
        Some("load") => load(&args[2..]),
        _ => all(),
    }
}

fn speech() -> Vec<i16> {
    let mut wav = hound::WavReader::open(SPEECH).expect("the golden sound");
    wav.samples::<i16>().map(|it| it.expect("PCM16")).collect()
}

// ---- the server's process

/// Serves until stdin ends; answers each line on it with "CPU seconds, resident KiB, lost log parts".
fn serve() {
    let dir = tempfile::tempdir().expect("a folder");
    let greeting: Vec<u8> = speech()[12_000..92_000].iter().map(|it| g711::ulaw_encode(*it)).collect();
    let script = Arc::new(script(greeting.into()));
    let registry = Registry::default();
    for n in 0..TOKENS {
        let (attempt, expires) = (attempt(n), Boot(u64::MAX));
        let token = token::mint(&KEY, attempt);
        registry
            .expect(Expected {
                attempt,
                call: attempt.call(),
                token,
                expires,
                proof: ahoy::edge::carrier::StreamProof::Signed,
                script: script.clone(),
                late: None,
            })
            .expect("room");
    }
    let gateway = serving(dir.path(), registry);
    println!("{}", gateway.addr);
    answer(|| gateway.counts().log_lost);
}

// ---- the callers' process

/// One µ-law frame as the tail of a media message, made once.
struct Frames {
    speech: Vec<String>,
    silence: String,
}

fn frames() -> Frames {
    let ulaw: Vec<u8> = speech().iter().map(|it| g711::ulaw_encode(*it)).collect();
    let tail = |part: &[u8]| media_tail(part).replacen("{\"payload\"", "{\"track\":\"inbound\",\"payload\"", 1);
    Frames { speech: ulaw.chunks_exact(160).map(tail).collect(), silence: tail(&[0xff; 160]) }
}

#[derive(Clone, Copy)]
struct Plan {
    addr: SocketAddr,
    streams: u64,
    seconds: u64,
    speaking: u64,
    barge_in: bool,
}

/// Arguments: address, streams, seconds, percent speaking, `probe` or `barge`.
fn load(args: &[String]) {
    let number = |at: usize| args[at].parse().expect("a number");
    let addr = args[0].parse().expect("an address");
    let plan = Plan { addr, streams: number(1), seconds: number(2), speaking: number(3), barge_in: args[4] == "barge" };
    if !plan.barge_in {
        let prober = std::thread::spawn(move || probe(plan));
        background(plan);
        let values = prober.join().expect("no panic");
        let it = Quantiles::of(values).expect("measured");
        println!("{} {} {} {} {}", it.count, it.p50, it.p90, it.p99, it.max);
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let tails = runtime.block_on(async {
        let frames = Arc::new(frames());
        let onsets = Arc::new(onsets());
        let mut streams = Vec::new();
        for n in 0..plan.streams {
            streams.push(tokio::spawn(stream(plan, n, frames.clone(), onsets.clone())));
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let mut tails = Vec::new();
        for stream in streams {
            tails.extend(stream.await.expect("no panic"));
        }
        tails
    });
    let it = Quantiles::of(tails).expect("measured");
    println!("{} {} {} {} {}", it.count, it.p50, it.p90, it.p99, it.max);
}

/// The other calls: every stream sends a frame each 20 ms at a phase of its own, to the microsecond.
///
/// A timer of whole milliseconds would send all streams of one millisecond in one burst, which no carrier does; so one
/// thread walks through the streams in the order of their phases and lets the prober run in between.
fn background(plan: Plan) {
    let frames = frames();
    let mut random = fastrand::Rng::with_seed(plan.streams);
    let mut lines: Vec<(Duration, TcpStream, u64)> = (0..plan.streams)
        .map(|n| {
            let tcp = TcpStream::connect(plan.addr).expect("a connection");
            tcp.set_nodelay(true).expect("a socket");
            let (mut socket, _) = tungstenite::client(request(plan.addr), tcp).expect("an upgrade");
            socket.send(start_message(n)).expect("open");
            let tcp = socket.into_inner();
            tcp.set_nonblocking(true).expect("a socket");
            std::thread::sleep(Duration::from_millis(2));
            (Duration::from_micros(random.u64(0..20_000)), tcp, n)
        })
        .collect();
    lines.sort_by_key(|(phase, _, _)| *phase);
    let (begin, mut sink, mut message) = (Instant::now(), vec![0; 64 << 10], Vec::new());
    let left = plan.seconds.saturating_sub(2 * plan.streams / 1_000);
    for frame in 0..left * 50 {
        for (phase, tcp, n) in &mut lines {
            let due = *phase + Duration::from_millis(20 * frame);
            while begin.elapsed() < due {
                std::thread::yield_now();
            }
            let place = frame + *n * 13;
            let speaks = place % 500 < 5 * plan.speaking;
            let tail =
                if speaks { &frames.speech[(place % frames.speech.len() as u64) as usize] } else { &frames.silence };
            let text =
                format!("{{\"event\":\"media\",\"sequenceNumber\":\"{}\",\"streamSid\":\"MZ{n}\"{tail}", frame + 2);
            text_frame(text.as_bytes(), &mut message);
            assert_eq!(tcp.write(&message).expect("the server reads"), message.len(), "the server reads all the time");
            // What the server sends is read and thrown away, or its window would close.
            while tcp.read(&mut sink).is_ok_and(|bytes| bytes == sink.len()) {}
        }
    }
}

/// One call at 50 frames a second. With `barge_in`: speaks once; gives onset → `clear` in microseconds.
async fn stream(plan: Plan, n: u64, frames: Arc<Frames>, onsets: Arc<Vec<Onset>>) -> Option<u64> {
    let tcp = tokio::net::TcpStream::connect(plan.addr).await.expect("a connection");
    tcp.set_nodelay(true).expect("a socket");
    let (socket, _) = tokio_tungstenite::client_async(request(plan.addr), tcp).await.expect("an upgrade");
    let (mut to, mut from) = socket.split();
    to.send(start_message(n)).await.expect("open");
    let onset = onsets[n as usize % onsets.len()];
    // Silence for 1 to 7 s, then the 400 ms before an utterance and the utterance: the greeting of 10 s still plays.
    let talk_from = 50 + (n * 37) % 300;
    let cleared = tokio::spawn(async move {
        while let Some(Ok(message)) = from.next().await {
            if matches!(&message, Message::Text(text) if text.starts_with("{\"event\":\"clear\"")) {
                return Some(Instant::now());
            }
        }
        None
    });
    let (begin, mut spoke) = (tokio::time::Instant::now(), None);
    for frame in 0..plan.seconds * 50 {
        tokio::time::sleep_until(begin + Duration::from_millis(20 * frame)).await;
        let place = frame + n * 13;
        let tail = if plan.barge_in {
            let lead = onset.frame.saturating_sub(20);
            match frame.checked_sub(talk_from) {
                Some(said) if said < 100 => {
                    if lead + said == onset.frame && spoke.is_none() {
                        // This frame holds the onset: its sender knew the sound only when the frame was full.
                        spoke = Some(Instant::now() - Duration::from_millis(20) + onset.into_frame);
                    }
                    &frames.speech[((lead + said) % frames.speech.len() as u64) as usize]
                }
                Some(_) | None => &frames.silence,
            }
        } else if place % 500 < 5 * plan.speaking {
            &frames.speech[(place % frames.speech.len() as u64) as usize]
        } else {
            &frames.silence
        };
        let text = format!("{{\"event\":\"media\",\"sequenceNumber\":\"{}\",\"streamSid\":\"MZ{n}\"{tail}", frame + 2);
        to.send(Message::text(text)).await.expect("open");
        if plan.barge_in && cleared.is_finished() {
            break;
        }
    }
    let tail = if plan.barge_in { cleared.await.expect("no panic") } else { None };
    match (tail, spoke) {
        (Some(cleared), Some(spoke)) => Some(cleared.saturating_duration_since(spoke).as_micros() as u64),
        (Some(_), None) | (None, _) => None,
    }
}

/// Opens a stream every 25 ms while the load runs; gives `start` written → first `media` read, in microseconds.
fn probe(plan: Plan) -> Vec<u64> {
    let warm = Duration::from_millis(2 * plan.streams) + Duration::from_secs(4);
    std::thread::sleep(warm);
    let until = Instant::now() + Duration::from_secs(plan.seconds).saturating_sub(warm);
    let mut values = Vec::new();
    let mut n = plan.streams;
    while Instant::now() < until && n < TOKENS {
        let tcp = TcpStream::connect(plan.addr).expect("a connection");
        tcp.set_nodelay(true).expect("a socket");
        let (mut socket, _): (WebSocket<TcpStream>, _) =
            tungstenite::client(request(plan.addr), tcp).expect("an upgrade");
        std::thread::sleep(Duration::from_millis(15));
        let start = start_message(n);
        let begin = Instant::now();
        socket.send(start).expect("open");
        let first = socket.read().expect("the first sound");
        values.push(begin.elapsed().as_micros() as u64);
        assert!(first.into_text().expect("text").starts_with("{\"event\":\"media\""));
        let _the_server_may_close_first = socket.close(None);
        std::thread::sleep(Duration::from_millis(10));
        n += 1;
    }
    values
}

#[derive(Clone, Copy)]
struct Onset {
    /// Frame of the golden sound in which the utterance begins.
    frame: u64,
    into_frame: Duration,
}

/// Utterances after a pause. The network's oracle tells where to look; the onset is where the energy rises.
fn onsets() -> Vec<Onset> {
    let sound = speech();
    let text = std::fs::read_to_string(ORACLE).expect("golden");
    let probabilities: Vec<f32> = text.lines().map(|it| it.trim().parse().expect("a number")).collect();
    let energy = |at: usize| sound[at..at + 80].iter().map(|it| f64::from(*it).powi(2)).sum::<f64>();
    let mut found = Vec::new();
    for chunk in 20..probabilities.len() - 20 {
        let quiet = probabilities[chunk - 12..chunk].iter().all(|it| *it < 0.3);
        if !quiet || probabilities[chunk] < 0.5 || probabilities[chunk + 1..chunk + 6].iter().any(|it| *it < 0.5) {
            continue;
        }
        let crossing = chunk * 256;
        let floor: f64 = (0..20).map(|i| energy(crossing - 4_000 + i * 80)).sum::<f64>() / 20.0;
        let from = crossing - 1_600;
        let begin =
            (0..26).map(|i| from + i * 80).find(|at| energy(*at) > 3.0 * floor && energy(at + 80) > 3.0 * floor);
        let begin = begin.unwrap_or(crossing);
        let into_frame = Duration::from_micros((begin % 160) as u64 * 125);
        found.push(Onset { frame: (begin / 160) as u64, into_frame });
    }
    found
}

// ---- the table

fn scenario(streams: u64, seconds: u64, speaking: u64, what: &str) {
    let mut server = Server::start();
    let before = server.usage();
    let numbers = [streams, seconds, speaking].map(|it| it.to_string());
    let load = pinned("1", &["load", &server.addr, &numbers[0], &numbers[1], &numbers[2], what]);
    // All streams are up; until shortly before the first one ends.
    std::thread::sleep(Duration::from_millis(2 * streams) + Duration::from_secs(4));
    let early = server.usage();
    let clock = Instant::now();
    std::thread::sleep(Duration::from_secs(seconds.saturating_sub(9)));
    let late = server.usage();
    let span = clock.elapsed().as_secs_f64();
    let output = load.wait_with_output().expect("it ended");
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let values: Vec<f64> = text.split(' ').map(|it| it.parse().unwrap_or(f64::NAN)).collect();
    let memory = (late.1 - before.1) / streams as f64;
    let cpu = (late.0 - early.0) / span;
    println!(
        "| {what} | {streams} | {speaking} % | {} | {:.3} | {:.3} | {:.3} | {:.3} | {memory:.0} | {:.0} % | {:.0} | {} |",
        values[0],
        values[1] / 1e3,
        values[2] / 1e3,
        values[3] / 1e3,
        values[4] / 1e3,
        100.0 * cpu,
        1e6 * cpu / streams as f64,
        late.2
    );
    server.end();
}

fn network_cost() {
    let sound: Vec<f32> = speech().iter().map(|it| f32::from(*it) / 32_768.0).collect();
    let mut state = State::default();
    let begin = Instant::now();
    let mut sum = 0.0;
    for chunk in sound.chunks_exact(256) {
        sum += at_8k().probability(&mut state, chunk);
    }
    let chunks = sound.len() / 256;
    println!(
        "voice network: {:.1} µs a chunk of 32 ms ({chunks} chunks, sum {sum:.3})",
        begin.elapsed().as_micros() as f64 / chunks as f64
    );
}

/// False stops a minute: what of two chunks in a row at or over 0.6 would stop a greeting, on sound without speech.
fn false_stops() {
    let minutes = 4;
    let length = minutes * 60 * 8_000;
    let mut chance = fastrand::Rng::with_seed(11);
    let mut noise = move || chance.f32() * 2.0 - 1.0;
    let tau = std::f32::consts::TAU;
    let tone = move |i: usize, hz: f32| (i as f32 * hz / 8_000.0 * tau).sin();
    let hum: Vec<f32> = (0..length).map(|i| 0.08 * tone(i, 100.0) + 0.04 * tone(i, 300.0) + 0.01 * noise()).collect();
    let chord = |i: usize| [262.0, 330.0, 392.0, 349.0, 440.0, 523.0][(i / 3_000 * 5 + i / 8_000) % 6];
    let music: Vec<f32> = (0..length)
        .map(|i| {
            let fade = 1.0 - (i % 3_000) as f32 / 3_000.0;
            let hz = chord(i);
            fade * 0.1 * (tone(i, hz) + 0.5 * tone(i, 2.0 * hz) + 0.3 * tone(i, 3.0 * hz)) + 0.05 * tone(i, hz / 4.0)
        })
        .collect();
    let clicks: Vec<f32> = (0..length)
        .map(|i| {
            let at = i % 1_437;
            0.002 * noise() + if at < 60 { 0.5 * noise() * (1.0 - at as f32 / 60.0) } else { 0.0 }
        })
        .collect();
    // Twelve voices at once, none near: nobody speaks to us.
    let talk = speech();
    let babble: Vec<f32> = (0..length)
        .map(|i| (0..12).map(|v| f32::from(talk[(i + v * 47_111) % talk.len()]) / 32_768.0).sum::<f32>() * 0.05)
        .collect();
    let white: Vec<f32> = (0..length).map(|_| 0.03 * noise()).collect();
    for (name, sound) in
        [("hum", hum), ("music-like", music), ("key clicks", clicks), ("babble", babble), ("white noise", white)]
    {
        let (mut state, mut row, mut stops) = (State::default(), 0, 0);
        for chunk in sound.chunks_exact(256) {
            row = if at_8k().probability(&mut state, chunk) >= 0.6 { row + 1 } else { 0 };
            stops += i32::from(row == 2);
        }
        println!("false stops on {name}: {:.2} a minute", f64::from(stops) / minutes as f64);
    }
}

fn all() {
    println!("machine: {}, server on core 0, callers on core 1", machine());
    network_cost();
    false_stops();
    println!(
        "| what | streams | speaking | n | p50 ms | p90 | p99 | max | KiB/stream | CPU | µs CPU per stream-s | log parts lost |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|");
    // `cargo bench --bench media -- 500:30` runs one row.
    let only: Vec<String> = std::env::args().filter(|it| it.contains(':')).collect();
    for (streams, seconds, speaking, what) in [
        (50, 20, 30, "probe"),
        (500, 30, 30, "probe"),
        (500, 30, 100, "probe"),
        (1_000, 30, 30, "probe"),
        (200, 12, 30, "barge"),
    ] {
        if only.is_empty() || only.contains(&format!("{streams}:{speaking}")) {
            scenario(streams, seconds, speaking, what);
        }
    }
}
