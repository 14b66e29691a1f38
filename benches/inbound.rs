//! Three hundred people call a desk within one second: the real `ahoy serve` and the embedded carrier as processes of their
//! own. How long the carrier waits for the answer to its webhook, and a caller for the first sound; and the same while a
//! hundred voices are being made by a service that takes 5 to 30 s for everything.
//!
//! Run with `cargo bench --bench inbound`.

#[path = "../tests/common/mod.rs"]
mod common;

use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use ahoy::core::sim::line::{self, What};
use common::desk::{Desk, consents, inbound, over, person, ring};
use common::{Shop, Sim, Wish, carrier_at, run};

const CALLERS: usize = 300;
const CLONES: usize = 100;
/// Threads that call: each rings a caller every tenth of a second.
const THREADS: usize = 30;

fn main() {
    println!("| desk | calls | webhook → document, p50 ms | p99 | max | `start` → first sound, p50 ms | p99 | max |");
    println!("|---|---|---|---|---|---|---|---|");
    row("greets", false);
    row("greets, 100 voices in flight", true);
}

fn row(name: &str, clones: bool) {
    let folder = tempfile::tempdir().expect("a folder");
    let sim = Sim::start(folder.path(), &["--seed", "5"]);
    let section = format!(
        "[agent]\nkind = \"echo\"\n[call]\nmax = \"20s\"\n[inbound]\nplaces = 1000\nclone = {clones}\n[inbound.menu]\n"
    );
    let carrier = carrier_at(&sim.base_url, "calls_per_second = 50\nmax_live_calls = 10");
    let service = slow_service();
    let carrier = format!(
        "{carrier}\n[clone]\nprovider = \"elevenlabs\"\nbase_url = \"http://{service}\"\nat_once = 32\ntimeout = \"120s\"\n"
    );
    let shop = Shop::open(&Wish { carrier: &carrier, campaign: &section, leads: 1 });
    consents(&shop, CLONES + CALLERS);
    run(common::ahoy(shop.dir.path()).args(["cache", "generate", "c", "--quiet"]));
    let desk = Desk::serve(&shop);
    let before = if clones { CLONES } else { 0 };
    for at in 0..before {
        ring(&sim, &desk, &person(at));
    }
    std::thread::sleep(Duration::from_secs(if clones { 3 } else { 0 }));
    let began = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (sim, desk) = (&sim, &desk);
            scope.spawn(move || {
                for turn in 0..CALLERS / THREADS {
                    let due = Duration::from_millis((turn * 1_000 * THREADS / CALLERS + thread * 3) as u64);
                    std::thread::sleep(due.saturating_sub(began.elapsed()));
                    ring(sim, desk, &person(before + turn * THREADS + thread));
                }
            });
        }
    });
    let took = began.elapsed();
    let lines = over(&sim, before + CALLERS);
    let rows = inbound(&shop, before + CALLERS);
    let first: Vec<u64> = rows.iter().take(CALLERS).filter_map(|row| row["first_audio_us"].as_u64()).collect();
    let webhook = answers(&lines, began_us(&lines, before));
    println!("| {name} | {} in {:.2} s | {} | {} |", first.len(), took.as_secs_f64(), spread(webhook), spread(first));
    drop(desk);
}

/// When the first of the calls that count came in.
fn began_us(lines: &[line::Line], before: usize) -> u64 {
    let mut came = lines.iter().filter(|line| matches!(line.what, What::CameIn { .. })).map(|line| line.us);
    came.nth(before).expect("they called")
}

/// From a call's coming in to its document, by the carrier's log.
fn answers(lines: &[line::Line], from: u64) -> Vec<u64> {
    let mut waited = Vec::new();
    let came = lines.iter().filter(|line| line.us >= from && matches!(line.what, What::CameIn { .. }));
    for came in came {
        let answered = lines.iter().find(|line| {
            line.sid == came.sid && matches!(&line.what, What::Callback { kind, .. } if kind == "document")
        });
        waited.extend(answered.map(|answered| answered.us - came.us));
    }
    waited
}

fn spread(mut values: Vec<u64>) -> String {
    values.sort_unstable();
    let at = |percent: usize| values[((values.len() * percent).div_ceil(100)).max(1) - 1] as f64 / 1_000.0;
    format!("{:.2} | {:.2} | {:.2}", at(50), at(99), at(100))
}

/// A service that takes its time and then is away.
fn slow_service() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        for (at, stream) in listener.incoming().enumerate() {
            let Ok(mut stream) = stream else { return };
            std::thread::spawn(move || {
                let mut head = [0; 4_096];
                let _read = stream.read(&mut head);
                std::thread::sleep(Duration::from_secs(5 + at as u64 % 26));
                let _gone = stream.write_all(b"HTTP/1.1 503 Away\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            });
        }
    });
    addr
}
