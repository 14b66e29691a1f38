//! SIGKILL at any moment: the ledger is whole, no lead is lost, nothing that was promised is missing.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use ahoy::base::{AttemptId, Phone, Slug, Wall};
use ahoy::core::config::Caps;
use ahoy::core::dial::attempt::{Fact, Input, Source, State};
use ahoy::core::dial::{CallStatus, VerdictPolicy};
use ahoy::core::lead::Lead;
use ahoy::store::ledger::{Claim, Ledger, LedgerFault, OpenOptions};
use uuid::Uuid;

const LEADS: u32 = 400;
const NOW: Wall = Wall(1_790_000_000_000);

fn slug() -> Slug {
    "crash".parse().expect("a slug")
}

fn open(path: &Path) -> Ledger {
    Ledger::open(path, &OpenOptions { fresh_key: [3; 32], now: NOW }).expect("the ledger opens")
}

fn import(ledger: &mut Ledger) {
    let rows: Vec<Lead> = (0..LEADS)
        .map(|n| Lead {
            line: u64::from(n) + 2,
            phone: Phone::from_e164(&format!("+35988812{n:04}")).expect("E.164"),
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
    let id = ledger.begin_import(&slug(), "crash.csv", NOW).expect("begun");
    ledger.import_chunk(&slug(), id, &rows, NOW).expect("imported");
}

fn claim(n: u64, owner: [u8; 16], lead: &ahoy::store::ledger::DueLead) -> Claim {
    let mut random = [0; 10];
    random[..8].copy_from_slice(&n.to_be_bytes());
    random[8] = owner[0];
    Claim {
        attempt: AttemptId::mint(1_790_000_000_000, random),
        campaign: slug(),
        lead: lead.id,
        phone: lead.phone.clone(),
        caller: Phone::from_e164("+15005550006").expect("E.164"),
        account: "AC1".to_owned(),
        language: "en".parse().expect("a language"),
        greeting: "f".repeat(64),
        intent_at: NOW,
        send_by: NOW + Duration::from_secs(3),
        release_after: NOW + Duration::from_secs(300),
        owner: Uuid::from_bytes(owner),
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
    }
}

/// The child: claims lead after lead and ends every second call; tells each claim after it is durable.
fn dial(path: &Path, round: u8) {
    let mut ledger = open(path);
    for (n, lead) in (0_u64..).zip(ledger.due_leads(&slug(), NOW, LEADS, None).expect("the queue")) {
        let claim = claim(n, [round + 1; 16], &lead);
        ledger.claim(&claim).expect("claimed");
        println!("claimed {}", claim.attempt);
        if n % 2 == 0 {
            let sid = format!("CA{round}x{n}").parse().expect("a sid");
            let fact = Fact { sid, status: CallStatus::Completed, source: Source::Answer };
            ledger.settle(claim.attempt, Input::Fact(fact), NOW).expect("settled");
        }
    }
}

#[test]
fn a_killed_dialer_leaves_a_whole_ledger_and_every_claim_it_told_of() {
    if let (Ok(path), Ok(round)) = (std::env::var("AHOY_TEST_CRASH_LEDGER"), std::env::var("AHOY_TEST_CRASH_ROUND")) {
        dial(Path::new(&path), round.parse().expect("a number"));
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("ahoy.db");
    import(&mut open(&path));
    let mut told: Vec<AttemptId> = Vec::new();
    for round in 0..5_u8 {
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args([
                "--exact",
                "ledger_crash::a_killed_dialer_leaves_a_whole_ledger_and_every_claim_it_told_of",
                "--nocapture",
            ])
            .env("AHOY_TEST_CRASH_LEDGER", &path)
            .env("AHOY_TEST_CRASH_ROUND", round.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
        // Killed in the middle of its work: after a different number of claims each time.
        let heard = lines
            .filter_map(|line| line.split_once("claimed ").map(|(_, id)| id.trim().parse::<AttemptId>()))
            .take(7 + 11 * usize::from(round))
            .collect::<Result<Vec<_>, _>>()
            .expect("ids");
        child.kill().expect("killed");
        child.wait().expect("gone");
        assert!(!heard.is_empty(), "the child has claimed");
        told.extend(heard);
    }
    let mut ledger = open(&path);
    assert_eq!(ledger.quick_check(), Ok(vec![]));
    let counts = ledger.lead_counts(&slug(), NOW).expect("counts");
    assert_eq!(counts.total(), u64::from(LEADS), "no lead is lost");
    let open_now = ledger.open_attempts(None).expect("read");
    assert_eq!(counts.held, open_now.len() as u64, "each held lead has its open attempt");
    for attempt in &told {
        let known = ledger.settle(*attempt, Input::Bridged, NOW);
        assert!(known != Err(LedgerFault::Unknown("attempt")), "a claim that was told of is there: {attempt}");
    }
    let me = Uuid::from_bytes([99; 16]);
    let orphans = ledger.orphan_intents(me, NOW + Duration::from_secs(60)).expect("swept");
    assert_eq!(orphans.len(), open_now.len(), "every intent of the dead is taken over");
    assert!(ledger.open_attempts(None).expect("read").iter().all(|open| open.state == State::Unknown));
}
