//! Recordings that are waited for: none is lost by a crash or by disorder, and what is over stays over.

use super::*;
use crate::core::call::recording::End;
use crate::core::wire::recordings::{RecordingState, RecordingTold};

fn wanted(ledger: &Ledger) -> Vec<Option<Sid>> {
    let due = ledger.due_recordings("AC1", Wall(i64::MAX), 10).expect("read");
    due.into_iter().map(|due| due.recording).collect()
}

fn ready(name: &str) -> RecordingTold {
    RecordingTold { recording: sid(name), state: RecordingState::Ready, call: None }
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

#[test]
fn a_recording_of_an_unknown_attempt_or_another_call_is_listed_and_attached_to_nobody() {
    let (_dir, mut ledger, _, attempt) = claimed();
    fold(&mut ledger, attempt, CallStatus::InProgress);
    let told = |name: &str, call: &str| RecordingTold { call: Some(sid(call)), ..ready(name) };
    let own = ledger.call(attempt.call()).expect("read").and_then(|call| call.sid).expect("it has one");
    let stray = |ledger: &mut Ledger, attempt, name, call| ledger.recording_told(attempt, &told(name, call), NOW);
    assert_eq!(stray(&mut ledger, attempt_id(9), "RE9", "CA9"), Ok(Some(StrayWhy::UnknownAttempt)));
    assert_eq!(stray(&mut ledger, attempt, "RE8", "CA-of-another"), Ok(Some(StrayWhy::AnotherCall)));
    assert_eq!(stray(&mut ledger, attempt, "RE1", own.as_str()), Ok(None));
    assert_eq!(stray(&mut ledger, attempt, "RE2", own.as_str()), Ok(Some(StrayWhy::Second)), "the first stays");
    assert_eq!(stray(&mut ledger, attempt, "RE2", own.as_str()), Ok(Some(StrayWhy::Second)), "told again");
    let listed: Vec<(String, String)> =
        ledger.strays(10).expect("read").into_iter().map(|it| (it.subject, it.why)).collect();
    assert_eq!(listed.len(), 3, "{listed:?}");
    for (subject, why) in [("RE9", "unknown_attempt"), ("RE8", "another_call"), ("RE2", "second")] {
        assert!(listed.contains(&(subject.to_owned(), why.to_owned())), "{listed:?}");
    }
    let conflicts = ledger.audit_rows(0, 100).expect("read").into_iter().filter(|row| row.entry.what == "conflict");
    assert_eq!(conflicts.count(), 1, "the conflict is logged");
    let fault = ledger.write("UPDATE call SET lead = lead + 1 WHERE attempt = ?1", [attempt.0.as_bytes()]);
    assert!(fault.is_err_and(|fault| fault.to_string().contains("law 6")));
}
