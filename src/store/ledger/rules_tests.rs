//! The audit's chain in a real file, a campaign's own bounds, and what the brake counts.

use rusqlite::Connection;

use super::*;
use crate::base::Slug;
use crate::core::audit::{Tampering, from_hex, verify};
use crate::core::dial::brake::SETTLED_AFTER_MS;

const NOW: Wall = Wall(1_790_000_000_000);

fn ledger() -> (tempfile::TempDir, Ledger) {
    let folder = tempfile::tempdir().expect("a folder");
    let options = OpenOptions { fresh_key: [7; 32], now: NOW };
    let ledger = Ledger::open(&folder.path().join("ahoy.db"), &options).expect("a ledger");
    (folder, ledger)
}

fn meddle(folder: &tempfile::TempDir, sql: &str) {
    let conn = Connection::open(folder.path().join("ahoy.db")).expect("opened");
    let triggers = "DROP TRIGGER audit_is_for_ever_update; DROP TRIGGER audit_is_for_ever_delete;";
    conn.execute_batch(&format!("{triggers}{sql}")).expect("done");
}

fn check(ledger: &Ledger, head: Option<&str>) -> Result<u64, Tampering> {
    let kept = head.map(|head| from_hex(head).expect("hex"));
    verify(&ledger.audit_rows(0, u32::MAX).expect("read"), kept.as_ref()).map(|sound| sound.rows)
}

fn with_rows() -> (tempfile::TempDir, Ledger) {
    let (folder, mut ledger) = ledger();
    for at in 0..5 {
        ledger.audit("override", "welcome", &format!("us.hours: reason {at}"), Wall(NOW.0 + at)).expect("written");
    }
    (folder, ledger)
}

#[test]
fn whoever_changes_removes_or_adds_a_line_of_the_audit_is_found() {
    let (_folder, whole) = with_rows();
    assert_eq!(check(&whole, None), Ok(5));
    for (sql, found) in [
        ("UPDATE audit SET detail = 'nothing happened' WHERE id = 3", Tampering::Changed(3)),
        ("UPDATE audit SET at = at - 1 WHERE id = 1", Tampering::Changed(1)),
        ("DELETE FROM audit WHERE id = 2", Tampering::Broken(3)),
        ("INSERT INTO audit (at, what, subject, detail) VALUES (1, 'x', 'y', 'z')", Tampering::Unlinked(6)),
    ] {
        let (folder, ledger) = with_rows();
        meddle(&folder, sql);
        assert_eq!(check(&ledger, None), Err(found), "{sql}");
    }
}

#[test]
fn a_cut_tail_of_the_audit_is_found_by_its_kept_head() {
    let (folder, mut ledger) = with_rows();
    let head = ledger.audit_head().expect("read");
    assert_eq!(check(&ledger, Some(&head)), Ok(5));
    meddle(&folder, "DELETE FROM audit WHERE id > 3");
    assert_eq!(check(&ledger, None), Ok(3), "by itself a shorter chain is a chain");
    assert_eq!(check(&ledger, Some(&head)), Err(Tampering::HeadMissing));
    ledger.audit("override", "welcome", "another", NOW).expect("written");
    assert_eq!(check(&ledger, Some(&head)), Err(Tampering::HeadMissing), "new rows do not heal it");
}

#[test]
fn rows_from_before_the_chain_are_bound_by_its_first_link() {
    let (folder, mut ledger) = ledger();
    meddle(&folder, "INSERT INTO audit (at, what, subject, detail) VALUES (1, 'x', 'y', 'z')");
    ledger.audit("run", "c", "started", NOW).expect("written");
    assert_eq!(check(&ledger, None), Ok(2));
    let conn = Connection::open(folder.path().join("ahoy.db")).expect("opened");
    conn.execute_batch("UPDATE audit SET subject = 'Y' WHERE id = 1").expect("done");
    assert_eq!(check(&ledger, None), Err(Tampering::Broken(2)));
}

#[test]
fn a_campaign_paused_by_a_rule_keeps_why_until_a_person_resumes_it() {
    let (_folder, mut ledger) = ledger();
    let name: Slug = "c".parse().expect("a slug");
    ledger.set_campaign_state(&name, CampaignState::Running, NOW).expect("set");
    assert_eq!(ledger.pause_by_rule(&name, "too many silent calls", NOW), Ok(true));
    assert_eq!(ledger.pause_by_rule(&name, "again", NOW), Ok(false), "it is paused already");
    assert_eq!(ledger.campaign_state(&name), Ok(Some(CampaignState::Paused)));
    assert_eq!(ledger.pause_reason(&name), Ok(Some("too many silent calls".to_owned())));
    ledger.set_campaign_state(&name, CampaignState::Running, NOW).expect("set");
    assert_eq!(ledger.pause_reason(&name), Ok(None));
    let rows = ledger.audit_rows(0, u32::MAX).expect("read");
    assert!(rows.iter().any(|row| row.entry.detail == "paused: too many silent calls"), "{rows:?}");
}

#[test]
fn answers_that_heard_nothing_of_us_in_time_are_counted_once_their_call_has_settled() {
    let (folder, ledger) = ledger();
    let conn = Connection::open(folder.path().join("ahoy.db")).expect("opened");
    conn.execute_batch(
        "INSERT INTO campaign (id, name, state, changed_at) VALUES (1, 'c', 'running', 0);
         INSERT INTO import (id, campaign, file, at) VALUES (1, 1, 'f', 0);",
    )
    .expect("made");
    // (first audio in µs, a machine answered, answered at all, minutes since it ended)
    let calls: [(Option<i64>, Option<i64>, bool, i64); 7] = [
        (Some(300), Some(0), true, 10),
        (Some(2_000_000), None, true, 10),
        (Some(2_000_001), None, true, 10),
        (None, None, true, 10),
        (None, Some(1), true, 10),
        (None, None, false, 10),
        (None, None, true, 0),
    ];
    for (at, (audio, machine, answered, minutes)) in calls.into_iter().enumerate() {
        let id = vec![at as u8 + 1; 16];
        let ended = NOW.0 - minutes * 60_000;
        let phone = format!("+4420794600{at:02}");
        conn.execute(
            "INSERT INTO lead (id, campaign, import, line, phone, state, reason, created_at, changed_at) \
             VALUES (?1, 1, 1, 1, ?2, 'done', 'answered', 0, 0)",
            (at as i64 + 1, &phone),
        )
        .expect("a lead");
        conn.execute(
            "INSERT INTO attempt (id, campaign, lead, phone, caller, account, language, greeting, policy, owner, \
                 intent_at, send_by, release_after, state, sid, outcome, closed_at) \
             VALUES (?1, 1, ?2, ?3, '+15005550006', 'a', 'en', '', '{}', ?1, ?4, ?4, ?4, 'ended', ?5, 'answered', ?4)",
            (&id, at as i64 + 1, &phone, ended, format!("CA{at}")),
        )
        .expect("an attempt");
        conn.execute(
            "INSERT INTO call (id, attempt, lead, answered_at, first_audio_us, machine, duration_s) \
             VALUES (?1, ?1, ?2, ?3, ?4, ?5, 61)",
            (&id, at as i64 + 1, answered.then_some(ended), audio, machine),
        )
        .expect("a call");
    }
    let name: Slug = "c".parse().expect("a slug");
    let count = |since: i64, now: Wall| {
        let answers = ledger.answers(&name, Wall(since), 2_000, now).expect("counted");
        (answers.human, answers.silent)
    };
    assert_eq!(count(0, NOW), (4, 2), "the machine, the unanswered and the one that just ended are left out");
    assert_eq!(count(0, Wall(NOW.0 + SETTLED_AFTER_MS)), (5, 3));
    assert_eq!(count(NOW.0 - 60_000, Wall(NOW.0 + SETTLED_AFTER_MS)), (1, 1), "only those of the window");
    let used = ledger.used(&name).expect("counted");
    assert_eq!((used.attempts, used.minutes), (7, 12), "started minutes of the six that were answered");
}
