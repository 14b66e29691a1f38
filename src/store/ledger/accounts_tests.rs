//! Stops, resting numbers, and who waits for what, on real ledger files.

use std::collections::BTreeMap;
use std::time::Duration;

use tempfile::TempDir;
use uuid::Uuid;

use crate::base::{AttemptId, LeadId, Phone, Sid, Slug, Wall};
use crate::core::config::Caps;
use crate::core::dial::attempt::{Input, Source};
use crate::core::dial::breaker::StopKind;
use crate::core::dial::{CallStatus, Outcome, VerdictPolicy};
use crate::core::lead::Lead;
use crate::store::ledger::{CarrierFact, Claim, ClaimRefused, FactResult, LeadState, Ledger, OpenOptions};

const NOW: Wall = Wall(1_795_000_000_000);
const HOUR: Duration = Duration::from_secs(3_600);

fn slug() -> Slug {
    "c".parse().expect("a slug")
}

fn number(at: usize) -> Phone {
    Phone::from_e164(&format!("+1500555{at:04}")).expect("a number")
}

fn lead_phone(at: usize) -> Phone {
    Phone::from_e164(&format!("+4420794{:05}", 60_000 + at)).expect("a number")
}

fn attempt(at: u64) -> AttemptId {
    AttemptId::mint(at, [3; 10])
}

/// A ledger with three leads, 1 to 3.
fn ledger() -> (TempDir, Ledger) {
    let dir = tempfile::tempdir().expect("a folder");
    let options = OpenOptions { fresh_key: [1; 32], now: NOW };
    let mut ledger = Ledger::open(&dir.path().join("ahoy.db"), &options).expect("a ledger");
    let lead = |at: usize| Lead {
        line: at as u64 + 1,
        phone: lead_phone(at),
        name: None,
        language: None,
        country: None,
        timezone: None,
        consent: None,
        variables: BTreeMap::new(),
        tags: Vec::new(),
        more_phones: Vec::new(),
    };
    let rows: Vec<Lead> = (1..=3).map(lead).collect();
    let import = ledger.begin_import(&slug(), "l.csv", NOW).expect("begun");
    ledger.import_chunk(&slug(), import, &rows, NOW).expect("imported");
    (dir, ledger)
}

fn claim(lead: usize, caller: usize, at: Wall) -> Claim {
    let caps = Caps { per_day: 9, per_30_days: 9, gap: Duration::ZERO };
    let policy = VerdictPolicy {
        attempts: 3,
        busy_ms: 1,
        no_answer_ms: 1,
        failed_ms: 1,
        voicemail_ms: 1,
        callback_ms: 1,
        gap_ms: 0,
        after: Default::default(),
    };
    Claim {
        attempt: attempt(lead as u64),
        campaign: slug(),
        lead: LeadId(lead as i64),
        phone: lead_phone(lead),
        caller: number(caller),
        account: "main:AC".to_owned(),
        language: "en".parse().expect("a tag"),
        greeting: "0".repeat(64),
        intent_at: at,
        send_by: at + Duration::from_secs(3),
        release_after: at + HOUR,
        owner: Uuid::from_u128(1),
        caps,
        policy,
    }
}

#[test]
fn a_stop_outlives_the_process_with_its_kind_and_the_attempts_that_show_it() {
    let (dir, mut ledger) = ledger();
    let shown: Vec<AttemptId> = (0..3).map(attempt).collect();
    let stop = |ledger: &mut Ledger, kind| ledger.stop_account("main:AC", kind, "why", &shown, NOW);
    assert_eq!(stop(&mut ledger, StopKind::FailureRate), Ok(true));
    assert_eq!(stop(&mut ledger, StopKind::Funds), Ok(false), "the first reason stays");
    drop(ledger);
    let options = OpenOptions { fresh_key: [1; 32], now: NOW };
    let mut ledger = Ledger::open(&dir.path().join("ahoy.db"), &options).expect("again");
    let kept = ledger.account_breaker("main:AC").expect("read").expect("stopped");
    assert_eq!((kept.kind, kept.reason.as_str(), kept.attempts), (StopKind::FailureRate, "why", shown));
    assert_eq!(ledger.claim(&claim(1, 0, NOW)), Err(ClaimRefused::AccountStopped("why".to_owned())));
    assert_eq!(ledger.resume_account("main:AC", NOW), Ok(true));
    assert_eq!(ledger.claim(&claim(1, 0, NOW)), Ok(()));
}

#[test]
fn every_kind_of_stop_fits_into_the_ledger() {
    let (_dir, mut ledger) = ledger();
    for kind in crate::core::dial::breaker::STOP_KINDS {
        let account = kind.as_str();
        assert_eq!(ledger.stop_account(account, kind, "why", &[], NOW), Ok(true));
        assert_eq!(ledger.account_breaker(account).expect("read").expect("stopped").kind, kind);
    }
}

#[test]
fn nobody_is_called_from_a_resting_number_until_its_time_passes_or_a_person_wakes_it() {
    let (_dir, mut ledger) = ledger();
    let rest = |ledger: &mut Ledger, at| ledger.rest_caller("main:AC", &number(0), HOUR, "code 21210", at);
    assert_eq!(rest(&mut ledger, NOW), Ok(true));
    assert_eq!(rest(&mut ledger, NOW), Ok(false), "told once");
    assert_eq!(ledger.claim(&claim(1, 0, NOW)), Err(ClaimRefused::CallerRests));
    assert_eq!(ledger.claim(&claim(1, 1, NOW)), Ok(()), "another number");
    assert_eq!(ledger.resting_callers("main:AC", NOW).expect("read").len(), 1);
    assert_eq!(ledger.resting_callers("other:AC", NOW).expect("read").len(), 0);
    let later = NOW + HOUR;
    assert_eq!(ledger.resting_callers("main:AC", later).expect("read").len(), 0);
    assert_eq!(ledger.claim(&claim(2, 0, later)), Ok(()), "it has rested");
    assert_eq!(rest(&mut ledger, later), Ok(true));
    assert_eq!(ledger.wake_callers("main:AC", &[number(0), number(1)], later), Ok(1));
    assert_eq!(ledger.claim(&claim(3, 0, later)), Ok(()), "a person woke it");
}

/// Row 8: the carrier took the order and ended the call because of the account.
#[test]
fn a_call_that_the_account_ended_gives_its_lead_back_unconsumed() {
    for by_account in [true, false] {
        let (_dir, mut ledger) = ledger();
        ledger.claim(&claim(1, 0, NOW)).expect("claimed");
        let sid: Sid = "CA1".parse().expect("a sid");
        if by_account {
            ledger.ended_by_account(attempt(1), 20_005).expect("kept");
        }
        let fact = CarrierFact {
            attempt: attempt(1),
            sid,
            source: Source::Callback,
            key: "CA1:3".to_owned(),
            status: CallStatus::Failed,
            at: NOW,
            duration_s: None,
            body: String::new(),
        };
        let FactResult::Folded(settled) = ledger.fact(&fact, NOW).expect("kept") else { panic!("new and known") };
        let lead = ledger.lead(LeadId(1)).expect("read").expect("there");
        let history = ledger.phone_history(&lead_phone(1), NOW).expect("read");
        let want = if by_account { (Outcome::AccountRefused, 0, 0) } else { (Outcome::Failed, 1, 1) };
        assert_eq!((settled.outcome.expect("over"), lead.attempts_used, history.in_24h), want);
        assert!(matches!(lead.state, LeadState::Ready(_)), "{:?}", lead.state);
    }
}

#[test]
fn what_was_sent_lately_is_known_after_a_restart() {
    let (_dir, mut ledger) = ledger();
    for lead in 1..=3 {
        ledger.claim(&claim(lead, 0, NOW + Duration::from_secs(lead as u64))).expect("claimed");
        ledger.settle(attempt(lead as u64), Input::NotSent, NOW).expect("settled");
    }
    let since = |s: u64| ledger.sent_since("main:AC", NOW + Duration::from_secs(s), 100).expect("read");
    assert_eq!([since(0), since(2), since(3), since(4)], [3, 2, 1, 0]);
    assert_eq!(ledger.sent_since("main:AC", NOW, 2), Ok(2), "no more than asked");
    assert_eq!(ledger.sent_since("other:AC", NOW, 100), Ok(0));
}

#[test]
fn who_waits_for_hours_and_who_for_a_retry_is_told_apart_without_reading_them_all() {
    let (_dir, mut ledger) = ledger();
    let c = slug();
    let at = |hours: u64| NOW + HOUR * u32::try_from(hours).expect("few");
    let later = |ledger: &Ledger, now| ledger.due_later(&c, now, 10).expect("read").len();
    assert_eq!((ledger.any_in_hand(&c, NOW), ledger.any_waits_for_hours(&c, NOW)), (Ok(true), Ok(false)));
    ledger.wait_for_hours(LeadId(1), at(5), NOW).expect("put off");
    ledger.defer_lead(LeadId(2), at(2), NOW).expect("put off");
    ledger.block_lead(LeadId(3), crate::store::ledger::BlockReason::NoZone, NOW).expect("barred");
    assert_eq!((ledger.any_in_hand(&c, NOW), ledger.any_waits_for_hours(&c, NOW)), (Ok(false), Ok(true)));
    assert_eq!((later(&ledger, NOW), ledger.due_count(&c, NOW)), (1, Ok(0)), "only the retry");
    assert_eq!(ledger.due_count(&c, at(5)), Ok(2));
    // A retry whose hours are closed by then waits for them from now on.
    ledger.wait_for_hours(LeadId(2), at(6), NOW).expect("put off");
    assert_eq!(later(&ledger, NOW), 0);
    // Its hours open; a cap puts it off again: that is no waiting for hours any more.
    ledger.defer_lead(LeadId(1), at(9), at(5)).expect("put off");
    assert_eq!(later(&ledger, at(5)), 1);
    assert_eq!(ledger.any_waits_for_hours(&c, at(7)), Ok(false), "both have opened");
}

#[test]
fn what_earlier_ledgers_kept_under_a_carriers_name_becomes_the_accounts_own() {
    let (_dir, mut ledger) = ledger();
    let (old, new) = ("main:AC1", "twilio:api.twilio.com:AC1");
    ledger.stop_account(old, StopKind::Funds, "no money", &[], NOW).expect("stopped");
    ledger.stop_account("main:AC2", StopKind::Funds, "another's", &[], NOW).expect("stopped");
    ledger.rest_caller(old, &number(0), HOUR, "code 21210", NOW).expect("rests");
    let seen = crate::core::dial::horizon::Slowest { unlisted_ms: 7, ..Default::default() };
    ledger.saw(old, &seen).expect("written");
    assert_eq!(ledger.adopt_account(new, NOW), Ok(1));
    let stop = ledger.account_breaker(new).expect("read").expect("its stop came with it");
    assert_eq!((stop.kind, stop.reason.as_str()), (StopKind::Funds, "no money"));
    assert_eq!(ledger.resting_callers(new, NOW).expect("read").len(), 1);
    assert_eq!(ledger.slowest(new), Ok(seen));
    assert_eq!(ledger.account_stop(old), Ok(None));
    assert!(ledger.account_stop("main:AC2").expect("read").is_some(), "another account's stop stays");
    assert_eq!(ledger.adopt_account(new, NOW), Ok(0), "once");
    // The same account id at another host is another account.
    assert_eq!(ledger.adopt_account("twilio:api.dublin.ie1.twilio.com:AC1", NOW), Ok(0));
    assert!(ledger.account_stop(new).expect("read").is_some());
}
