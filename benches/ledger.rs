//! How long a claim waits while `ahoy leads import` reads 100,000 leads into the same ledger from another process.
//!
//! Run with `cargo bench --bench ledger`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ahoy::base::{AttemptId, Phone, Slug, Wall};
use ahoy::core::config::Caps;
use ahoy::core::dial::VerdictPolicy;
use ahoy::core::lead::Lead;
use ahoy::store::ledger::{Claim, DueLead, Ledger, OpenOptions};
use uuid::Uuid;

const IMPORTED: usize = 100_000;
/// More than are claimed while the import runs.
const CLAIMED: u32 = 50_000;
const NOW: Wall = Wall(1_790_000_000_000);

fn main() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let campaign = dir.path().join("campaigns/big");
    fs::create_dir_all(&campaign).expect("made");
    fs::write(dir.path().join("ahoy.toml"), "").expect("written");
    let text = "callers = [\"+15005550006\"]\ncountries = [\"DE\"]\n[greeting]\nen = \"Hello, this is the harbour line. Press 9 to stop.\"\n";
    fs::write(campaign.join("campaign.toml"), text).expect("written");
    let mut csv = String::from("name,phone,consent,city\n");
    for at in 0..IMPORTED {
        writeln!(csv, "Person {at},+4915{at:09},form 2026-11-01,Bremen", at = at + 100_000_000).expect("a String");
    }
    fs::write(dir.path().join("big.csv"), csv).expect("written");

    let mut ledger =
        Ledger::open(&dir.path().join("ahoy.db"), &OpenOptions { fresh_key: [3; 32], now: NOW }).expect("opens");
    // As a run does: an import beside it keeps its transactions short.
    ledger.begin_dialing(std::process::id(), NOW).expect("begun");
    let due = leads_to_claim(&mut ledger);
    let alone = claims(&mut ledger, &due[..2_000], || true);
    let begin = Instant::now();
    let mut import = import(dir.path());
    let beside = claims(&mut ledger, &due[2_000..], || import.try_wait().expect("asked").is_none());
    assert!(import.wait().expect("ended").success());
    println!("import of {IMPORTED} leads: {:.1} s", begin.elapsed().as_secs_f64());
    println!("| claims | n | p50 ms | p99 | max |\n|---|---|---|---|---|");
    print("alone", alone);
    print("beside the import", beside);
}

fn import(workspace: &Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ahoy"));
    command.arg("--workspace").arg(workspace).args(["leads", "import", "--campaign", "big", "--quiet"]);
    command.arg(workspace.join("big.csv")).stdout(Stdio::null()).spawn().expect("it starts")
}

fn leads_to_claim(ledger: &mut Ledger) -> Vec<DueLead> {
    let slug: Slug = "live".parse().expect("a slug");
    let rows: Vec<Lead> = (0..CLAIMED)
        .map(|n| Lead {
            line: u64::from(n) + 2,
            phone: Phone::from_e164(&format!("+4916{:09}", 100_000_000 + n)).expect("E.164"),
            name: None,
            language: None,
            country: None,
            timezone: None,
            consent: None,
            variables: Default::default(),
            tags: Vec::new(),
            more_phones: Vec::new(),
        })
        .collect();
    let id = ledger.begin_import(&slug, "live.csv", NOW).expect("begun");
    ledger.import_chunk(&slug, id, &rows, NOW).expect("imported");
    ledger.due_leads(&slug, NOW, CLAIMED, None).expect("the queue")
}

/// Claims lead after lead, one a millisecond, while `go_on`; gives how long each took.
fn claims(ledger: &mut Ledger, due: &[DueLead], mut go_on: impl FnMut() -> bool) -> Vec<Duration> {
    let mut took = Vec::new();
    for lead in due {
        if !go_on() {
            break;
        }
        let mut random = [0; 10];
        random[..8].copy_from_slice(&lead.id.0.to_be_bytes());
        let claim = Claim {
            attempt: AttemptId::mint(1_790_000_000_000, random),
            campaign: "live".parse().expect("a slug"),
            lead: lead.id,
            phone: lead.phone.clone(),
            caller: Phone::from_e164("+15005550006").expect("E.164"),
            account: "AC1".to_owned(),
            language: "en".parse().expect("a language"),
            greeting: "f".repeat(64),
            intent_at: NOW,
            send_by: NOW + Duration::from_secs(3),
            release_after: NOW + Duration::from_secs(300),
            owner: Uuid::from_bytes([1; 16]),
            caps: Caps { per_day: 3, per_30_days: 4, gap: Duration::from_secs(3_600) },
            policy: VerdictPolicy {
                attempts: 3,
                busy_ms: 1,
                no_answer_ms: 1,
                failed_ms: 1,
                voicemail_ms: 1,
                callback_ms: 1,
                gap_ms: 3_600_000,
                after: Default::default(),
            },
        };
        let begin = Instant::now();
        ledger.claim(&claim).expect("claimed");
        took.push(begin.elapsed());
        std::thread::sleep(Duration::from_millis(1));
    }
    took
}

fn print(what: &str, mut took: Vec<Duration>) {
    took.sort_unstable();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_secs_f64() * 1_000.0;
    println!("| {what} | {} | {:.2} | {:.2} | {:.2} |", took.len(), at(0.5), at(0.99), at(1.0));
}
