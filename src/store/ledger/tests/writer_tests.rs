//! The writer when the disk or another process is in its way.

use super::*;

/// A unit that runs `work` and tells how its commit went.
fn unit(
    work: impl FnOnce(&mut Ledger) + Send + 'static,
    told: &std::sync::mpsc::Sender<Result<(), LedgerFault>>,
) -> Job {
    let told = told.clone();
    Box::new(move |ledger| {
        if let Ok(ledger) = ledger {
            work(ledger);
        }
        Ran { keep: true, reply: Box::new(move |commit| told.send(commit).expect("the test listens")) }
    })
}

#[test]
fn after_a_lost_commit_nobody_is_claimed_and_facts_are_still_written() {
    let (_dir, mut ledger, _, attempt) = claimed();
    import(&mut ledger, "spring", &["0888123457"]);
    let (told_them, hear) = std::sync::mpsc::channel();
    // SQLite rolls back by itself after some faults of the disk.
    let lost = unit(|ledger| ledger.conn.execute_batch("ROLLBACK").expect("rolled back"), &told_them);
    writer::commit(&mut ledger, vec![lost]);
    assert!(matches!(hear.recv(), Ok(Err(LedgerFault::Io(_)))));

    let next = due(&ledger, "spring", NOW).remove(0);
    let refused = ledger.claim(&claim_of(2, "spring", &next, NOW));
    assert!(matches!(refused, Err(ClaimRefused::Fault(LedgerFault::Io(_)))), "{refused:?}");
    let other = Claim { account: "AC2".to_owned(), ..claim_of(2, "spring", &next, NOW) };
    assert!(ledger.claim(&other).is_err(), "on no account");
    assert_eq!(fold(&mut ledger, attempt, CallStatus::Completed).state, State::Ended, "the live call is written down");
}

#[test]
fn below_the_floor_a_claim_is_refused_and_what_live_calls_came_to_is_written() {
    let (dir, mut ledger, _, attempt) = claimed();
    import(&mut ledger, "spring", &["0888123457"]);
    let room = crate::core::config::DiskRoom { free_floor: 1 << 30, ballast: 0 };
    ledger.health.space = Some(space::Space::measured_by(Box::new(|| Ok(1 << 20)), &dir.path().join("ahoy.db"), room));
    let next = due(&ledger, "spring", NOW).remove(0);
    let refused = ledger.claim(&claim_of(2, "spring", &next, NOW));
    assert_eq!(refused, Err(ClaimRefused::Fault(LedgerFault::LowSpace { free: 1 << 20, floor: 1 << 30 })));
    assert_eq!(fold(&mut ledger, attempt, CallStatus::Completed).state, State::Ended);
}

#[test]
fn a_lock_that_stays_ends_the_run_and_names_its_holder() {
    let (dir, mut ledger) = fresh();
    let other = open(&dir.path().join("ahoy.db"));
    other.conn.execute_batch("BEGIN IMMEDIATE").expect("locked");
    ledger.conn.busy_timeout(Duration::ZERO).expect("no waiting in a test");
    let (told_them, hear) = std::sync::mpsc::channel();
    for _ in 1..crate::base::limits::LEDGER_TRIES {
        writer::commit(&mut ledger, vec![unit(|_| {}, &told_them)]);
        assert_eq!(hear.recv(), Ok(Err(LedgerFault::Busy)), "a moment's matter");
    }
    writer::commit(&mut ledger, vec![unit(|_| {}, &told_them)]);
    let Ok(Err(fault @ LedgerFault::LockedOut(_))) = hear.recv() else { panic!("it stays locked") };
    let failure = crate::base::Failure::from(fault);
    assert!(failure.what.contains("holds its write lock") && failure.next.is_some(), "{failure}");
    other.conn.execute_batch("ROLLBACK").expect("let go");
    writer::commit(&mut ledger, vec![unit(|_| {}, &told_them)]);
    assert_eq!(hear.recv(), Ok(Ok(())), "and goes on when it is free");
}

#[test]
fn a_start_checks_the_file_and_finds_the_mark_of_a_process_that_did_not_end_cleanly() {
    let (_dir, mut ledger, ..) = claimed();
    let room = crate::core::config::DiskRoom { free_floor: 0, ballast: 0 };
    let first = ledger.start_check(room).expect("sound");
    assert_eq!((first.unclean, first.checked), (None, Checked::Whole));
    assert_eq!(ledger.start_check(room).expect("sound").unclean, None, "a start that was refused leaves no mark");
    ledger.begin_dialing(11, NOW).expect("marked");
    assert_eq!(ledger.start_check(room).expect("sound").unclean, Some((11, NOW)));
    ledger.clean_end().expect("ended");
    assert_eq!(ledger.start_check(room).expect("sound").unclean, None);
}
