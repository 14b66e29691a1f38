//! Clones in the ledger: the right to upload, and nobody's voice left behind.

use super::*;
use crate::base::Phone;
use crate::core::clone::Consent;
use crate::core::config::CloneProvider::ElevenLabs;

const SAMPLE: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

fn open(dir: &tempfile::TempDir) -> Ledger {
    Ledger::open(&dir.path().join("ahoy.db"), &OpenOptions { fresh_key: [7; 32], now: Wall(0) }).expect("a ledger")
}

fn caller() -> Phone {
    "+442079460001".parse().expect("a number")
}

fn consent() -> Consent {
    Consent { on: Wall(0), text: "may clone my voice".to_owned() }
}

fn begin(ledger: &mut Ledger, now: i64) -> i64 {
    ledger.clone_begins(&caller(), ElevenLabs, "ahoy-a-b", SAMPLE, &consent(), Wall(now)).expect("begun")
}

#[test]
fn the_right_to_upload_is_one_process_s_until_an_answer_or_the_horizon() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut ledger = open(&dir);
    let clone = begin(&mut ledger, 1);
    assert_eq!(ledger.clone_sends(clone, Wall(1_000)), Ok(Right::Ours));
    let mut other = open(&dir);
    assert_eq!(begin(&mut other, 2), clone, "one row a caller");
    assert_eq!(other.clone_sends(clone, Wall(2_000)), Ok(Right::Taken));
    other.clone_failed(clone, "timeout").expect("written");
    assert_eq!(other.clone_sends(clone, Wall(3_000)), Ok(Right::Taken), "giving up gives no right back");
    ledger.clone_unsent(clone).expect("answered");
    assert_eq!(other.clone_sends(clone, Wall(4_000)), Ok(Right::Ours));
    let horizon = i64::try_from(limits::CLONE_HORIZON.as_millis()).expect("small");
    assert_eq!(ledger.clone_sends(clone, Wall(4_000 + horizon - 1)), Ok(Right::Taken));
    assert_eq!(ledger.clone_sends(clone, Wall(4_000 + horizon)), Ok(Right::Ours));
    assert_eq!(ledger.clone_ready(clone, "v1", Wall(5_000), Wall(9_000)), Ok(true));
    assert_eq!(ledger.clone_sends(clone, Wall(i64::MAX - horizon * 2)), Ok(Right::Taken), "there is a voice");
    assert_eq!(ledger.clone_ready(clone, "v2", Wall(6_000), Wall(9_000)), Ok(false), "the first voice stays");
    let row = ledger.clone_of(&caller(), ElevenLabs).expect("read").expect("there");
    assert_eq!((row.state, row.known.voice.as_deref(), row.known.sent_at), (CloneState::Ready, Some("v1"), None));
}

#[test]
fn a_removed_clone_leaves_its_voice_to_be_deleted_and_no_number() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut ledger = open(&dir);
    let clone = begin(&mut ledger, 1);
    // Nothing was uploaded: nothing is left behind.
    assert_eq!(ledger.clone_leaves(&caller(), "removed", Wall(2)), Ok(1));
    assert_eq!(ledger.leaving(ElevenLabs, Wall(i64::MAX), 10).expect("read"), vec![]);
    assert_eq!(ledger.clone_sends(clone, Wall(2)), Ok(Right::Gone));
    // An upload without an answer is looked for by its label, until it cannot come any more.
    let clone = begin(&mut ledger, 3);
    assert_eq!(ledger.clone_sends(clone, Wall(10)), Ok(Right::Ours));
    let event = CloneEvent {
        clone: Some(clone),
        call: None,
        at: Wall(11),
        kind: CloneEventKind::Failed,
        took_ms: 5,
        cached: false,
        fault: Some("lost".to_owned()),
        error: Some("e".to_owned()),
    };
    ledger.clone_event(&event).expect("written");
    assert_eq!(ledger.clone_events(clone, 10).expect("read"), vec![event.clone()]);
    ledger.clone_leaves(&caller(), "removed", Wall(12)).expect("left");
    assert_eq!(ledger.clone_events(clone, 10).expect("read"), vec![]);
    ledger.clone_event(&event).expect("an event of a clone that is gone is dropped");
    assert_eq!(ledger.clone_ready(clone, "late", Wall(13), Wall(99)), Ok(false), "its maker is told");
    let [leaving] = ledger.leaving(ElevenLabs, Wall(12), 10).expect("read").try_into().expect("one");
    assert_eq!((leaving.voice, leaving.label.as_str()), (None, "ahoy-a-b"));
    assert_eq!(leaving.until, Wall(10) + limits::CLONE_HORIZON);
    // Wanted again: what comes of that upload is the new one's, and nothing is uploaded beside it.
    let again = begin(&mut ledger, 14);
    assert_eq!(ledger.clone_sends(again, Wall(15)), Ok(Right::Taken));
    assert_eq!(ledger.leaving(ElevenLabs, Wall(i64::MAX), 10).expect("read"), vec![]);
    ledger.clone_leaves(&caller(), "removed", Wall(16)).expect("left");
    let [again] = ledger.leaving(ElevenLabs, Wall(16), 10).expect("read").try_into().expect("one");
    assert_eq!(again.until, leaving.until);
    let leaving = again;
    ledger.leaves_later(leaving.id, Wall(500), "away").expect("written");
    assert_eq!(ledger.leaving(ElevenLabs, Wall(499), 10).expect("read").len(), 0);
    assert_eq!(ledger.leaving(ElevenLabs, Wall(500), 10).expect("read")[0].tries, 1);
    ledger.has_left(leaving.id).expect("gone");
    assert_eq!(ledger.leaving(ElevenLabs, Wall(i64::MAX), 10).expect("read").len(), 0);
}

#[test]
fn the_schema_refuses_a_voice_that_is_not_ready_and_an_upload_beside_a_voice() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut ledger = open(&dir);
    let clone = begin(&mut ledger, 1);
    for sql in [
        "UPDATE clone SET state = 'ready' WHERE id = ?1",
        "UPDATE clone SET voice = 'v' WHERE id = ?1",
        "UPDATE clone SET phone = '0888' WHERE id = ?1",
        "UPDATE clone SET consent = '' WHERE id = ?1",
    ] {
        assert!(ledger.conn.execute(sql, [clone]).is_err(), "{sql}");
    }
    ledger.clone_ready(clone, "v", Wall(2), Wall(3)).expect("ready");
    assert!(ledger.conn.execute("UPDATE clone SET sent_at = 5 WHERE id = ?1", [clone]).is_err());
    let other = ledger.clone_begins(&caller(), ElevenLabs, "ahoy-a-c", &SAMPLE.replace('0', "f"), &consent(), Wall(4));
    assert!(matches!(other, Err(LedgerFault::Bug(_))), "a voice of another sample is still there");
}
