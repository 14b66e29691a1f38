//! Recordings that are waited for: none is lost by a crash or by disorder, and what is over stays over.

use super::*;
use crate::core::call::recording::End;
use crate::core::wire::recordings::{RecordingState, RecordingTold};

fn wanted(ledger: &Ledger) -> Vec<Option<Sid>> {
    let due = ledger.due_recordings("AC1", Wall(i64::MAX), 10).expect("read");
    due.into_iter().map(|due| due.recording).collect()
}

fn ready(name: &str) -> RecordingTold {
    RecordingTold { recording: sid(name), state: RecordingState::Ready }
}

#[test]
fn a_recording_whose_answer_and_folder_a_crash_took_is_asked_for_when_its_call_is_over() {
    let (_dir, mut ledger, _, attempt) = claimed();
    fold(&mut ledger, attempt, CallStatus::InProgress);
    ledger.recording_wanted(attempt, NOW).expect("kept");
    assert_eq!(wanted(&ledger), [], "its call runs");
    fold(&mut ledger, attempt, CallStatus::Completed);
    assert_eq!(wanted(&ledger), [None], "the call's recordings are to be listed");
    // Its callback comes late: now it has a name, and what is fetched stays so.
    ledger.recording_told(attempt, &ready("RE1"), NOW).expect("kept");
    assert_eq!(wanted(&ledger), [Some(sid("RE1"))]);
    ledger.recording_is(attempt.call(), &End::Fetched).expect("kept");
    ledger.recording_told(attempt, &ready("RE1"), NOW).expect("kept");
    ledger.recording_refused(attempt, "too late", NOW).expect("kept");
    assert_eq!((wanted(&ledger), ledger.waiting_recordings("AC1")), (Vec::new(), Ok(0)));
    assert_eq!(ledger.missing_recordings("AC1", 10), Ok(Vec::new()));
}
