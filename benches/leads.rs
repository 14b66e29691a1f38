//! Leads at size: a million messy rows against `sqlite3 .import` of the same file, lookup and due leads in ledgers of up to ten
//! million.
//!
//! Run with `cargo bench --bench leads` (all), `-- import`, or `-- lookup` (makes a ledger of several gigabytes).

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ahoy::base::{Phone, Slug, Wall};
use ahoy::store::ledger::{Ledger, OpenOptions};

const ROWS: usize = 1_000_000;
const NOW: Wall = Wall(1_790_000_000_000);

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let all = wanted.is_empty();
    if all || wanted.iter().any(|it| it == "import") {
        imports();
    }
    if all || wanted.iter().any(|it| it == "lookup") {
        lookups();
    }
}

/// As such files are: quotes, spaces, national and international spellings, a few bad rows, a few twice; numbers in no order,
/// or each country's rising.
fn messy(rows: usize, in_order: bool) -> String {
    let mut random = fastrand::Rng::with_seed(7);
    let mut people: Vec<usize> = (0..970_000).collect();
    if !in_order {
        random.shuffle(&mut people);
    }
    let mut text = String::from("\u{feff}Name,Телефон,Country,Language,Consent,Plan,Note\r\n");
    for row in 0..rows {
        let n = people[row % people.len()];
        let phone = match (random.u32(..100), row % 3) {
            (0, _) => "3.59889E+11".to_owned(),
            (1, _) => "n/a".to_owned(),
            (2, _) => "12/05/1990".to_owned(),
            (_, 0) => format!("+359 88 {:07}", 1_000_000 + n),
            (_, 1) => format!("0{}", 171_0000000_u64 + n as u64),
            (_, _) => {
                format!("\"06 {:02} {:02} {:02} {:02}\"", 10 + n / 1_000_000, n / 10_000 % 100, n / 100 % 100, n % 100)
            }
        };
        let country = ["BG", "Germany", "FR"][row % 3];
        let note = if row % 17 == 0 { "\"said \"\"later\"\", then hung up\"" } else { "" };
        writeln!(text, "\"Person, {row}\",{phone},{country},,form 2026-11-01,plan {},{note}\r", row % 9)
            .expect("a String");
    }
    text
}

fn imports() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let campaign = dir.path().join("campaigns/big");
    fs::create_dir_all(&campaign).expect("made");
    fs::write(dir.path().join("ahoy.toml"), "").expect("written");
    let text = "callers = [\"+15005550006\"]\ncountries = [\"BG\", \"DE\", \"FR\"]\n[greeting]\nen = \"Hello.\"\n";
    fs::write(campaign.join("campaign.toml"), text).expect("written");
    let file = dir.path().join("big.csv");
    let sqlite = Command::new("sqlite3").arg("--version").output().is_ok_and(|output| output.status.success());
    if !sqlite {
        println!("SKIPPED the comparison: the program sqlite3 is not installed");
    }
    for (run, in_order) in (0..3).flat_map(|run| [(run, false), (run, true)]) {
        fs::write(&file, messy(ROWS, in_order)).expect("written");
        for name in ["ahoy.db", "ahoy.db-wal", "ahoy.db-shm", "ahoy.db.key", "plain.db"] {
            match fs::remove_file(dir.path().join(name)) {
                Ok(()) => {}
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{name}"),
            }
        }
        let (ours, peak) = import(dir.path(), &file);
        let theirs = if sqlite { plain(dir.path(), &file) } else { Duration::ZERO };
        let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
        println!(
            "run {run}, numbers in {}: ahoy {:.2} s, {peak} MB at most; sqlite3 .import {:.2} s; ratio {ratio:.2}",
            if in_order { "order" } else { "no order" },
            ours.as_secs_f64(),
            theirs.as_secs_f64()
        );
    }
}

/// Seconds and peak memory (MB) of the whole program.
fn import(workspace: &Path, file: &Path) -> (Duration, u64) {
    let begin = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_ahoy"))
        .arg("--workspace")
        .arg(workspace)
        .args(["leads", "import", "--campaign", "big", "--quiet"])
        .arg(file)
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts");
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().expect("asked").is_none() {
        let told = fs::read_to_string(&status).unwrap_or_default();
        let line = told.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
        peak = peak.max(line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap_or(0) / 1024);
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(child.wait().expect("ended").success());
    (begin.elapsed(), peak)
}

/// The plainest import there is: text columns, one unique index, no checks; duplicates are left out with a word each.
fn plain(folder: &Path, file: &Path) -> Duration {
    let begin = Instant::now();
    let mut child = Command::new("sqlite3")
        .arg(folder.join("plain.db"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let script = format!(
        "PRAGMA journal_mode = WAL;\nCREATE TABLE lead (name, phone UNIQUE, country, language, consent, plan, note);\n\
         .mode csv\n.import --skip 1 {} lead\n",
        file.display()
    );
    child.stdin.take().expect("a pipe").write_all(script.as_bytes()).expect("written");
    // Its exit status tells of the duplicates.
    let _told = child.wait().expect("ended");
    begin.elapsed()
}

fn lookups() {
    println!("| leads | due page of 64 | lookup by number, p50 | p99 | max |\n|---|---|---|---|---|");
    for leads in [1_000_u64, 100_000, 1_000_000, 10_000_000] {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("ahoy.db");
        let ledger = Ledger::open(&path, &OpenOptions { fresh_key: [3; 32], now: NOW }).expect("opens");
        drop(ledger);
        fill(&path, leads);
        let ledger = Ledger::open_read_only(&path).expect("opens");
        let slug: Slug = "c".parse().expect("a slug");
        let mut pages: Vec<Duration> = Vec::new();
        for _ in 0..200 {
            let begin = Instant::now();
            assert_eq!(ledger.due_leads(&slug, NOW, 64, None).expect("read").len(), 64);
            pages.push(begin.elapsed());
        }
        let mut found: Vec<Duration> = Vec::new();
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..2_000 {
            let phone = Phone::from_e164(&format!("+49{:011}", 15_000_000_000 + random.u64(..leads))).expect("E.164");
            let begin = Instant::now();
            assert_eq!(ledger.leads_of_phone(&phone).expect("read").len(), 1);
            found.push(begin.elapsed());
        }
        pages.sort_unstable();
        found.sort_unstable();
        let us = |took: &[Duration], share: f64| took[((took.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
        println!(
            "| {leads} | {:.0} µs | {:.0} µs | {:.0} µs | {:.0} µs |",
            us(&pages, 0.5),
            us(&found, 0.5),
            us(&found, 0.99),
            us(&found, 1.0)
        );
    }
}

/// Ready leads by plain SQL: an import of ten million would take minutes.
fn fill(path: &Path, leads: u64) {
    let conn = rusqlite::Connection::open(path).expect("opens");
    conn.pragma_update(None, "synchronous", "OFF").expect("set");
    conn.execute_batch(&format!(
        "BEGIN; INSERT INTO campaign (id, name, state, changed_at) VALUES (1, 'c', 'running', 0);
         INSERT INTO import (id, campaign, file, at) VALUES (1, 1, 'bench', 0);
         WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {leads})
         INSERT INTO lead (campaign, import, line, phone, variables, state, due, created_at, changed_at)
         SELECT 1, 1, i + 2, printf('+49%011d', 15000000000 + i), '{{}}', 'ready', i % 1000, 0, 0 FROM n; COMMIT;"
    ))
    .expect("filled");
}
