//! The ledger's promises: what a real campaign would lose if one of these broke.

mod inbound_tests;
mod machine_tests;
mod recording_tests;
mod writer_tests;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use tempfile::TempDir;
use uuid::Uuid;

use super::writer::{Job, Ran, Writer};
use super::*;
use crate::base::{AttemptId, LeadId, Phone, Sid, Slug, Wall};
use crate::core::config::Caps;
use crate::core::dial::attempt::{Alarm, Fact, Input, Refused, Source, State};
use crate::core::dial::breaker::StopKind;
use crate::core::dial::{CallStatus, Outcome, Verdict, VerdictPolicy};
use crate::core::lead::Lead;

const NOW: Wall = Wall(1_790_000_000_000);
const MINUTE: i64 = 60_000;

fn slug(name: &str) -> Slug {
    name.parse().expect("a slug")
}

fn phone(number: &str) -> Phone {
    Phone::parse(number, Some("BG".parse().expect("a country"))).expect("a number")
}

fn sid(name: &str) -> Sid {
    name.parse().expect("a sid")
}

fn open(path: &Path) -> Ledger {
    Ledger::open(path, &OpenOptions { fresh_key: [7; 32], now: NOW }).expect("a ledger")
}

fn fresh() -> (TempDir, Ledger) {
    let dir = tempfile::tempdir().expect("a folder");
    let ledger = open(&dir.path().join("ahoy.db"));
    (dir, ledger)
}

fn lead(number: &str) -> Lead {
    Lead {
        line: 2,
        phone: phone(number),
        name: Some("Ана".to_owned()),
        language: Some("bg".parse().expect("a language")),
        country: None,
        timezone: None,
        consent: None,
        variables: BTreeMap::from([("plan".to_owned(), "gold".to_owned())]),
        tags: Vec::new(),
        more_phones: Vec::new(),
    }
}

fn import(ledger: &mut Ledger, campaign: &str, numbers: &[&str]) -> ImportCounts {
    let campaign = slug(campaign);
    let id = ledger.begin_import(&campaign, "leads.csv", NOW).expect("begun");
    let rows: Vec<Lead> = numbers.iter().map(|number| lead(number)).collect();
    ledger.import_chunk(&campaign, id, &rows, NOW).expect("imported")
}

fn attempt_id(n: u8) -> AttemptId {
    AttemptId::mint(1_790_000_000_000 + u64::from(n), [n; 10])
}

fn claim_of(n: u8, campaign: &str, lead: &DueLead, at: Wall) -> Claim {
    Claim {
        attempt: attempt_id(n),
        campaign: slug(campaign),
        lead: lead.id,
        phone: lead.phone.clone(),
        caller: Phone::from_e164("+15005550006").expect("E.164"),
        account: "AC1".to_owned(),
        language: "bg".parse().expect("a language"),
        greeting: "f".repeat(64),
        intent_at: at,
        send_by: at + Duration::from_secs(3),
        release_after: at + Duration::from_secs(300),
        owner: Uuid::from_bytes([1; 16]),
        caps: Caps { per_day: 3, per_30_days: 4, gap: Duration::from_secs(3_600) },
        policy: VerdictPolicy {
            attempts: 3,
            busy_ms: 1_200_000,
            no_answer_ms: 7_200_000,
            failed_ms: 1_800_000,
            voicemail_ms: 14_400_000,
            callback_ms: 14_400_000,
            gap_ms: 3_600_000,
            after: Default::default(),
        },
    }
}

fn due(ledger: &Ledger, campaign: &str, at: Wall) -> Vec<DueLead> {
    ledger.due_leads(&slug(campaign), at, 100, None).expect("the queue")
}

/// A ledger with one lead and one open attempt.
fn claimed() -> (TempDir, Ledger, DueLead, AttemptId) {
    let (dir, mut ledger) = fresh();
    import(&mut ledger, "spring", &["0888123456"]);
    let lead = due(&ledger, "spring", NOW).remove(0);
    ledger.claim(&claim_of(1, "spring", &lead, NOW)).expect("claimed");
    (dir, ledger, lead, attempt_id(1))
}

fn told(attempt: AttemptId, name: &str, status: CallStatus, source: Source) -> CarrierFact {
    CarrierFact {
        attempt,
        sid: sid(name),
        source,
        key: format!("{name} {status}"),
        status,
        at: NOW,
        duration_s: None,
        body: String::new(),
    }
}

fn fold(ledger: &mut Ledger, attempt: AttemptId, status: CallStatus) -> Settled {
    match ledger.fact(&told(attempt, "CA1", status, Source::Callback), NOW).expect("kept") {
        FactResult::Folded(settled) => settled,
        other => panic!("{other:?}"),
    }
}

fn state_of(ledger: &Ledger, lead: LeadId) -> LeadState {
    ledger.lead(lead).expect("read").expect("there").state
}

fn refused(ledger: &Ledger, sql: &str) -> String {
    ledger.conn.execute_batch(sql).expect_err(sql).to_string()
}

#[test]
fn sqlite_itself_refuses_a_second_open_attempt_for_a_lead_or_a_phone() {
    let (_dir, mut ledger, _, _) = claimed();
    import(&mut ledger, "autumn", &["0888123456", "0888123457"]);
    let copy = |lead: i64, phone: &str| {
        format!(
            "INSERT INTO attempt (id, campaign, lead, phone, caller, account, language, greeting, policy, owner, intent_at, \
             send_by, release_after, state) VALUES (randomblob(16), 1, {lead}, '{phone}', '+15005550006', 'AC1', 'bg', 'f', \
             '{{}}', randomblob(16), 1, 2, 3, 'intent')"
        )
    };
    assert!(refused(&ledger, &copy(1, "+359888999999")).contains("attempt.lead"));
    assert!(refused(&ledger, &copy(2, "+359888123456")).contains("attempt.phone"), "across campaigns");
    ledger.conn.execute_batch(&copy(3, "+359888123457")).expect("another lead with another number");
}

#[test]
fn sqlite_itself_refuses_to_change_a_calls_lead_or_a_fact() {
    let (_dir, mut ledger, _, attempt) = claimed();
    fold(&mut ledger, attempt, CallStatus::Ringing);
    import(&mut ledger, "spring", &["0888123457"]);
    assert!(refused(&ledger, "UPDATE attempt SET lead = 2").contains("law 6"));
    assert!(refused(&ledger, "UPDATE attempt SET phone = '+359888123457'").contains("law 6"));
    assert!(refused(&ledger, "UPDATE attempt SET sid = 'CA9'").contains("keeps its call"));
    assert!(refused(&ledger, "UPDATE call SET lead = 2").contains("law 6"));
    assert!(refused(&ledger, "UPDATE fact SET status = 'busy'").contains("law 5"));
    assert!(refused(&ledger, "DELETE FROM fact").contains("law 5"));
    ledger.audit("test", "x", "y", NOW).expect("written");
    assert!(refused(&ledger, "DELETE FROM audit").contains("append-only"));
    assert!(refused(&ledger, "UPDATE audit SET what = 'z'").contains("append-only"));
    for broken in [
        "UPDATE lead SET state = 'ready'",
        "UPDATE lead SET state = 'lost'",
        "UPDATE lead SET state = 'done', attempt = NULL",
        "UPDATE attempt SET state = 'ended'",
        "UPDATE attempt SET state = 'dreaming'",
        "UPDATE lead SET phone = '0888'",
        "UPDATE lead SET variables = '{'",
    ] {
        assert!(refused(&ledger, broken).contains("CHECK"), "{broken}");
    }
}

#[test]
fn importing_again_adds_nothing_and_spellings_of_one_number_collide() {
    let (_dir, mut ledger) = fresh();
    let first = import(&mut ledger, "spring", &["0888123456", "+359 888 123 456", "00359888123456", "0888123457"]);
    assert_eq!((first.added, first.already, first.duplicate_in_file), (2, 0, 2));
    let again = import(&mut ledger, "spring", &["0888123456", "+359 888 123 456", "00359888123456", "0888123457"]);
    assert_eq!((again.added, again.already, again.duplicate_in_file), (0, 4, 0));
    let other = import(&mut ledger, "autumn", &["0888123456"]);
    assert_eq!(other.added, 1, "each campaign has its own leads");
    assert_eq!(ledger.lead_counts(&slug("spring"), NOW).expect("counts").total(), 2);
    let queue = due(&ledger, "spring", NOW);
    assert_eq!(queue[0].variables["plan"], "gold");
    let rest = ledger.due_leads(&slug("spring"), NOW, 9, Some((queue[0].due, queue[0].id))).expect("page");
    assert_eq!(rest, queue[1..]);
}

#[test]
fn two_processes_that_claim_one_lead_get_one_claim() {
    let (dir, mut ledger) = fresh();
    let numbers: Vec<String> = (0..20).map(|n| format!("08881234{n:02}")).collect();
    import(&mut ledger, "spring", &numbers.iter().map(String::as_str).collect::<Vec<_>>());
    let path = dir.path().join("ahoy.db");
    let leads = Arc::new(due(&ledger, "spring", NOW));
    let start = Arc::new(Barrier::new(2));
    let racers: Vec<_> = [0_u8, 100]
        .into_iter()
        .map(|base| {
            let (mut mine, leads, start) = (open(&path), leads.clone(), start.clone());
            std::thread::spawn(move || {
                start.wait();
                let won = |(n, lead): (u8, &DueLead)| mine.claim(&claim_of(base + n, "spring", lead, NOW)).is_ok();
                (0_u8..).zip(leads.iter()).map(won).filter(|won| *won).count()
            })
        })
        .collect();
    let won: usize = racers.into_iter().map(|racer| racer.join().expect("no panic")).sum();
    assert_eq!(won, 20, "each lead has exactly one winner");
    assert_eq!(ledger.open_attempts(None).expect("open").len(), 20);
}

#[test]
fn a_claim_is_refused_when_anything_changed_since_the_desk_looked() {
    let (_dir, mut ledger) = fresh();
    import(&mut ledger, "spring", &["0888123456", "0888123457", "0888123458"]);
    import(&mut ledger, "autumn", &["0888123456"]);
    let leads = due(&ledger, "spring", NOW);
    let claim = |n: u8, lead: usize| claim_of(n, "spring", &leads[lead], NOW);
    ledger.claim(&claim(1, 0)).expect("claimed");
    assert_eq!(ledger.claim(&claim(2, 0)), Err(ClaimRefused::NotReady));
    let theirs = due(&ledger, "autumn", NOW).remove(0);
    assert_eq!(ledger.claim(&claim_of(2, "autumn", &theirs, NOW)), Err(ClaimRefused::Open), "across campaigns");
    assert_eq!(
        ledger.claim(&Claim { intent_at: Wall(0), send_by: Wall(0), ..claim(2, 1) }),
        Err(ClaimRefused::NotReady)
    );
    ledger.suppress(&leads[1].phone, "asked by letter", "cli", NOW).expect("kept");
    assert_eq!(ledger.claim(&claim(2, 1)), Err(ClaimRefused::NotReady), "suppression blocks the lead");
    assert_eq!(state_of(&ledger, leads[1].id), LeadState::Blocked(BlockReason::Suppressed));
    ledger.set_campaign_state(&slug("spring"), CampaignState::Paused, NOW).expect("paused");
    assert_eq!(ledger.claim(&claim(2, 2)), Err(ClaimRefused::NotRunning));
    ledger.set_campaign_state(&slug("spring"), CampaignState::Running, NOW).expect("running");
    ledger.stop_account("AC1", StopKind::DoubleDial, "double_dial", &[], NOW).expect("stopped");
    assert!(matches!(ledger.claim(&claim(2, 2)), Err(ClaimRefused::AccountStopped(_))));
    assert!(ledger.resume_account("AC1", NOW).expect("resumed"));
    ledger.claim(&claim(2, 2)).expect("claimed");
}

#[test]
fn caps_count_a_number_over_all_campaigns_and_forget_what_was_never_sent() {
    let (_dir, mut ledger) = fresh();
    for campaign in ["a", "b", "c", "d", "e"] {
        import(&mut ledger, campaign, &["0888123456"]);
    }
    let mut at = NOW;
    let mut n = 1;
    let mut call = |ledger: &mut Ledger, campaign: &str, at: Wall, end: Option<CallStatus>| {
        let lead = due(ledger, campaign, at).remove(0);
        n += 1;
        ledger.claim(&claim_of(n, campaign, &lead, at))?;
        match end {
            None => ledger.settle(attempt_id(n), Input::NotSent, at)?,
            Some(status) => {
                let fact = Fact { sid: sid(&format!("CA{n}")), status, source: Source::Answer };
                ledger.settle(attempt_id(n), Input::Fact(fact), at)?
            }
        };
        Ok::<(), ClaimRefused>(())
    };
    call(&mut ledger, "a", at, None).expect("no connection: does not count");
    call(&mut ledger, "b", at, Some(CallStatus::Completed)).expect("first");
    let early = call(&mut ledger, "c", Wall(at.0 + MINUTE), Some(CallStatus::Completed));
    assert_eq!(early, Err(ClaimRefused::Capped { until: Wall(at.0 + 60 * MINUTE) }), "the gap");
    at = Wall(at.0 + 60 * MINUTE);
    call(&mut ledger, "c", at, Some(CallStatus::Completed)).expect("second");
    at = Wall(at.0 + 60 * MINUTE);
    call(&mut ledger, "d", at, Some(CallStatus::Completed)).expect("third");
    at = Wall(at.0 + 60 * MINUTE);
    let fourth = call(&mut ledger, "e", at, Some(CallStatus::Completed));
    assert_eq!(fourth, Err(ClaimRefused::Capped { until: Wall(NOW.0 + 24 * 60 * MINUTE) }), "three a day");
    let history = ledger.phone_history(&phone("0888123456"), at).expect("read");
    assert_eq!((history.in_24h, history.in_30d, history.open), (3, 3, false));
}

#[test]
fn an_attempt_goes_from_claim_to_verdict_and_its_lead_with_it() {
    let (_dir, mut ledger, lead, attempt) = claimed();
    assert_eq!(state_of(&ledger, lead.id), LeadState::Held(attempt));
    assert_eq!(fold(&mut ledger, attempt, CallStatus::Ringing).state, State::Ringing);
    let busy = fold(&mut ledger, attempt, CallStatus::Busy);
    assert_eq!((busy.outcome, busy.verdict), (Some(Outcome::Busy), Some(Verdict::ReadyAt(Wall(NOW.0 + 60 * MINUTE)))));
    assert_eq!(state_of(&ledger, lead.id), LeadState::Ready(Wall(NOW.0 + 60 * MINUTE)));
    assert_eq!(due(&ledger, "spring", NOW), []);
    let later = Wall(NOW.0 + 60 * MINUTE);
    let again = due(&ledger, "spring", later).remove(0);
    assert_eq!(again.attempts_used, 1);
    assert_eq!(again.sticky_caller, Phone::from_e164("+15005550006").ok());
    let other =
        Claim { caller: Phone::from_e164("+15005550007").expect("E.164"), ..claim_of(2, "spring", &again, later) };
    ledger.claim(&other).expect("claimed again");
    // The run keeps a lead's number as long as the campaign has it; the ledger remembers the last one that was shown.
    let shown = ledger.lead_card(lead.id).expect("read").expect("there").sticky_caller;
    assert_eq!(shown, Phone::from_e164("+15005550007").ok());
    assert_eq!(ledger.attempts_of_lead(lead.id).expect("read").len(), 2);
    let counts = ledger.lead_counts(&slug("spring"), later).expect("counts");
    assert_eq!((counts.held, counts.total()), (1, 1));
}

#[test]
fn a_fact_is_kept_once_and_a_repeat_changes_nothing() {
    let (_dir, mut ledger, lead, attempt) = claimed();
    let busy = told(attempt, "CA1", CallStatus::Busy, Source::Callback);
    assert!(matches!(ledger.fact(&busy, NOW), Ok(FactResult::Folded(_))));
    let before = state_of(&ledger, lead.id);
    assert_eq!(ledger.fact(&busy, Wall(NOW.0 + MINUTE)), Ok(FactResult::Repeat));
    assert_eq!(state_of(&ledger, lead.id), before);
    let late = fold(&mut ledger, attempt, CallStatus::Ringing);
    assert_eq!((late.state, late.verdict), (State::Ended, None), "a late ring revives nothing");
    assert_eq!(ledger.facts(attempt).expect("read").len(), 2);
}

#[test]
fn a_callback_before_the_posts_answer_gives_the_sid_and_a_lost_answer_then_changes_nothing() {
    let (_dir, mut ledger, _, attempt) = claimed();
    assert_eq!(fold(&mut ledger, attempt, CallStatus::Ringing).sid, Some(sid("CA1")));
    let lost = ledger.settle(attempt, Input::AnswerLost, NOW).expect("settled");
    assert_eq!((lost.state, lost.stray), (State::Ringing, false));
    let answer = Fact { sid: sid("CA1"), status: CallStatus::Queued, source: Source::Answer };
    assert_eq!(ledger.settle(attempt, Input::Fact(answer), NOW).expect("settled").state, State::Ringing);
    assert_eq!(ledger.attempt_of_sid("AC1", &sid("CA1")), Ok(Some(attempt)));
}

#[test]
fn two_sids_for_one_attempt_stop_the_account_once() {
    let (_dir, mut ledger, _, attempt) = claimed();
    fold(&mut ledger, attempt, CallStatus::Ringing);
    let second = told(attempt, "CA2", CallStatus::Ringing, Source::Listing);
    let Ok(FactResult::Folded(settled)) = ledger.fact(&second, NOW) else { panic!("kept") };
    assert_eq!((settled.alarms.as_slice(), settled.end_call), ([Alarm::DoubleDial].as_slice(), Some(sid("CA2"))));
    assert!(ledger.account_stop("AC1").expect("read").is_some_and(|reason| reason.contains("double_dial")));
    let third = told(attempt, "CA2", CallStatus::InProgress, Source::Listing);
    let Ok(FactResult::Folded(settled)) = ledger.fact(&third, NOW) else { panic!("kept") };
    assert_eq!(settled.alarms, [], "one alarm per call");
    assert_eq!(ledger.alarms(9).expect("read").len(), 1);
}

#[test]
fn an_unknown_attempt_keeps_its_lead_until_a_listing_shows_no_call() {
    let (_dir, mut ledger, lead, attempt) = claimed();
    assert_eq!(ledger.orphan_intents(Uuid::from_bytes([1; 16]), Wall(NOW.0 + MINUTE)), Ok(vec![]), "the owner lives");
    assert_eq!(ledger.orphan_intents(Uuid::from_bytes([2; 16]), NOW), Ok(vec![]), "it may still be sent");
    let orphans = ledger.orphan_intents(Uuid::from_bytes([2; 16]), Wall(NOW.0 + MINUTE));
    assert_eq!(orphans, Ok(vec![attempt]));
    assert_eq!(state_of(&ledger, lead.id), LeadState::Held(attempt));
    ledger.asked(attempt, NOW).expect("noted");
    let open = ledger.open_attempts(Some("AC1")).expect("read");
    assert_eq!((open[0].state, open[0].asked, open[0].last_asked), (State::Unknown, 1, Some(NOW)));
    assert_eq!(ledger.open_attempts(Some("AC2")), Ok(vec![]));
    let released = ledger.settle(attempt, Input::ListedNone, NOW).expect("settled");
    assert_eq!(released.verdict, Some(Verdict::ReadyAt(Wall(NOW.0 + 60 * MINUTE))));
    assert_eq!(ledger.lead(lead.id).expect("read").expect("there").attempts_used, 1, "the try counts");
}

#[test]
fn a_call_that_surfaces_after_its_release_is_held_again_or_becomes_a_zombie() {
    let (_dir, mut ledger, lead, attempt) = claimed();
    ledger.settle(attempt, Input::AnswerLost, NOW).expect("settled");
    ledger.settle(attempt, Input::ListedNone, NOW).expect("settled");
    let surfaced = fold(&mut ledger, attempt, CallStatus::Ringing);
    assert_eq!((surfaced.state, surfaced.alarms.as_slice()), (State::Ringing, [Alarm::Surfaced].as_slice()));
    assert_eq!(state_of(&ledger, lead.id), LeadState::Held(attempt));
    assert!(ledger.account_stop("AC1").expect("read").is_some());
    let ended = fold(&mut ledger, attempt, CallStatus::Completed);
    assert_eq!(ended.verdict, Some(Verdict::Done(Outcome::Answered)));

    let (_dir, mut ledger, lead, attempt) = claimed();
    ledger.settle(attempt, Input::AnswerLost, NOW).expect("settled");
    ledger.settle(attempt, Input::ListedNone, NOW).expect("settled");
    let later = Wall(NOW.0 + 60 * MINUTE);
    ledger.claim(&claim_of(2, "spring", &due(&ledger, "spring", later)[0], later)).expect("claimed");
    let zombie = fold(&mut ledger, attempt, CallStatus::Ringing);
    assert_eq!((zombie.state, zombie.end_call), (State::Zombie, Some(sid("CA1"))));
    assert_eq!(state_of(&ledger, lead.id), LeadState::Held(attempt_id(2)), "the newer attempt keeps it");
    assert_eq!(ledger.open_attempts(None).expect("read").len(), 2, "the sweeper sees it until it has ended");
    fold(&mut ledger, attempt, CallStatus::Completed);
    assert_eq!(ledger.open_attempts(None).expect("read").len(), 1);
}

#[test]
fn a_stray_input_is_written_down_and_changes_nothing() {
    let (_dir, mut ledger, lead, attempt) = claimed();
    fold(&mut ledger, attempt, CallStatus::Busy);
    let before = state_of(&ledger, lead.id);
    let stray = ledger.settle(attempt, Input::Refused(Refused::Number), NOW).expect("recorded");
    assert!(stray.stray);
    assert_eq!(state_of(&ledger, lead.id), before);
    let lines = ledger.rows("SELECT detail FROM audit WHERE what = 'stray'", [], |row| Ok(row.get::<_, String>(0)?));
    assert!(lines.expect("read")[0].contains("ended"));
    assert_eq!(ledger.settle(attempt_id(99), Input::AnswerLost, NOW), Err(LedgerFault::Unknown("attempt")));
}

#[test]
fn an_opt_out_is_suppressed_at_once_and_refines_the_outcome_whichever_came_first() {
    for note_first in [true, false] {
        let (_dir, mut ledger, lead, attempt) = claimed();
        import(&mut ledger, "autumn", &["0888123456"]);
        let theirs = due(&ledger, "autumn", NOW).remove(0);
        fold(&mut ledger, attempt, CallStatus::InProgress);
        let note = CallNote { opted_out: true, keys: Some("9".to_owned()), ..CallNote::default() };
        if note_first {
            ledger.call_note(attempt, &note, NOW).expect("noted");
            assert!(ledger.is_suppressed(&lead.phone).expect("read"), "while the call lives");
            fold(&mut ledger, attempt, CallStatus::Completed);
        } else {
            fold(&mut ledger, attempt, CallStatus::Completed);
            ledger.call_note(attempt, &note, NOW).expect("noted");
        }
        assert_eq!(state_of(&ledger, lead.id), LeadState::Done(Outcome::OptedOut), "{note_first}");
        assert_eq!(state_of(&ledger, theirs.id), LeadState::Blocked(BlockReason::Suppressed));
        assert_eq!(import(&mut ledger, "winter", &["0888123456"]).suppressed, 1);
        let call = ledger.calls(&CallFilter::default()).expect("read").remove(0);
        assert_eq!((call.opted_out, call.outcome, call.keys.as_deref()), (true, Some(Outcome::OptedOut), Some("9")));
        assert_eq!(call.answered_at, Some(NOW));
    }
}

#[test]
fn an_answered_call_that_heard_nothing_is_our_fault_and_comes_back() {
    let (_dir, mut ledger, lead, attempt) = claimed();
    fold(&mut ledger, attempt, CallStatus::Completed);
    assert_eq!(state_of(&ledger, lead.id), LeadState::Done(Outcome::Answered));
    ledger.call_note(attempt, &CallNote { unheard: true, ..CallNote::default() }, NOW).expect("noted");
    assert_eq!(state_of(&ledger, lead.id), LeadState::Ready(Wall(NOW.0 + 60 * MINUTE)));
    assert_eq!(ledger.outcomes(&slug("spring")), Ok(vec![(Outcome::Unheard, 1)]));
}

#[test]
fn facts_in_any_order_leave_the_same_ledger() {
    use CallStatus::*;
    let mut random = fastrand::Rng::with_seed(11);
    let story = [
        (Queued, Source::Answer),
        (Initiated, Source::Callback),
        (Ringing, Source::Callback),
        (InProgress, Source::Callback),
        (Failed, Source::Callback),
        (Completed, Source::Fetch),
    ];
    let mut ends = Vec::new();
    for _ in 0..12 {
        let (_dir, mut ledger, lead, attempt) = claimed();
        let mut order: Vec<_> = story.iter().chain(&story[2..4]).copied().collect();
        random.shuffle(&mut order);
        for (status, source) in order {
            ledger.fact(&told(attempt, "CA1", status, source), NOW).expect("kept");
        }
        let row = ledger.attempts_of_lead(lead.id).expect("read").remove(0);
        let call = ledger.calls(&CallFilter::default()).expect("read").remove(0);
        ends.push((row.state, row.outcome, state_of(&ledger, lead.id), call.answered_at, call.ended_at));
    }
    assert!(ends.windows(2).all(|pair| pair[0] == pair[1]), "{ends:?}");
    assert_eq!(ends[0].2, LeadState::Done(Outcome::Answered));
}

#[test]
fn facts_about_strangers_are_kept_but_cannot_fill_the_disk() {
    let (_dir, mut ledger) = fresh();
    let fact = told(attempt_id(9), "CA1", CallStatus::Ringing, Source::Callback);
    assert_eq!(ledger.fact(&CarrierFact { body: "é".repeat(9_000), ..fact }, NOW), Ok(FactResult::Orphan));
    let kept = ledger.facts(attempt_id(9)).expect("read").remove(0);
    assert_eq!(kept.body.len(), crate::base::limits::FACT_BODY_BYTES);
}

#[test]
fn a_failed_unit_leaves_nothing_and_its_neighbours_stay() {
    let (_dir, mut ledger) = fresh();
    let asked: Result<(), LedgerFault> = ledger.atomically(|ledger| {
        import(ledger, "spring", &["0888123456"]);
        let inner: Result<(), LedgerFault> = ledger.atomically(|ledger| {
            import(ledger, "autumn", &["0888123456"]);
            Err(LedgerFault::Unknown("thing"))
        });
        assert!(inner.is_err());
        Ok(())
    });
    assert_eq!(asked, Ok(()));
    assert_eq!(ledger.campaign_names(), Ok(vec![slug("spring")]));
}

#[test]
fn a_reader_sees_what_was_committed_and_can_write_nothing() {
    let (dir, mut ledger) = fresh();
    import(&mut ledger, "spring", &["0888123456"]);
    let path = dir.path().join("ahoy.db");
    let mut reader = Ledger::open_read_only(&path).expect("readable");
    assert_eq!(reader.lead_counts(&slug("spring"), NOW).expect("counts").ready_due, 1);
    let key = *reader.token_key();
    assert!(reader.suppress(&phone("0888123456"), "no", "cli", NOW).is_err());
    let again = Ledger::open(&path, &OpenOptions { fresh_key: [9; 32], now: NOW }).expect("opened");
    assert_eq!(again.token_key(), &key, "the key is made once");
    assert_eq!(again.quick_check(), Ok(vec![]));
    assert!(matches!(Ledger::open_read_only(&dir.path().join("none.db")), Err(LedgerFault::Missing(_))));
    std::fs::write(dir.path().join("text.db"), "this is no database at all, just some words".repeat(40))
        .expect("written");
    let text = Ledger::open(&dir.path().join("text.db"), &OpenOptions { fresh_key: [9; 32], now: NOW });
    assert!(matches!(text, Err(LedgerFault::Corrupt(_))));
}

fn job(
    keep: bool,
    number: &'static str,
    told: &std::sync::mpsc::Sender<(Result<(), LedgerFault>, u64)>,
    path: &Path,
) -> Job {
    let (told, path) = (told.clone(), path.to_owned());
    Box::new(move |ledger| {
        let ledger = ledger.expect("a transaction");
        import(ledger, "spring", &[number]);
        let reply = Box::new(move |commit| {
            let reader = Ledger::open_read_only(&path).expect("readable");
            let seen = reader.lead_counts(&slug("spring"), NOW).expect("counts").total();
            told.send((commit, seen)).expect("the test listens");
        });
        Ran { keep, reply }
    })
}

#[test]
fn a_reply_leaves_only_after_its_group_is_committed_and_a_failed_job_is_undone_alone() {
    let (dir, mut ledger) = fresh();
    let path = dir.path().join("ahoy.db");
    let (told, hear) = std::sync::mpsc::channel();
    let group = vec![
        job(true, "0888123456", &told, &path),
        job(false, "0888123457", &told, &path),
        job(true, "0888123458", &told, &path),
    ];
    writer::commit(&mut ledger, group);
    let replies: Vec<_> = hear.try_iter().collect();
    assert_eq!(replies, vec![(Ok(()), 2); 3], "every reply sees the whole group, from another connection");
}

#[test]
fn when_the_commit_fails_every_job_of_the_group_is_told() {
    let (dir, mut ledger) = fresh();
    let path = dir.path().join("ahoy.db");
    import(&mut ledger, "spring", &["0888123456"]);
    let (told, hear) = std::sync::mpsc::channel();
    let broken: Job = Box::new(|ledger| {
        let ledger = ledger.expect("a transaction");
        // The lead points to an attempt that is not there: SQLite notices at the commit, as the key is deferred.
        ledger
            .conn
            .execute_batch("UPDATE lead SET state = 'held', due = NULL, attempt = randomblob(16)")
            .expect("deferred until the commit");
        Ran { keep: true, reply: Box::new(|commit| assert!(commit.is_err())) }
    });
    writer::commit(&mut ledger, vec![job(true, "0888123457", &told, &path), broken]);
    let (commit, seen) = hear.recv().expect("told");
    assert!(commit.is_err());
    assert_eq!(seen, 1, "nothing of the group is there");
    writer::commit(&mut ledger, vec![job(true, "0888123458", &told, &path)]);
    assert_eq!(hear.recv().expect("told"), (Ok(()), 2), "the next group works");
}

#[test]
fn the_writer_finishes_what_it_took_before_it_ends() {
    let (dir, ledger) = fresh();
    let path = dir.path().join("ahoy.db");
    let (told, hear) = std::sync::mpsc::channel();
    let writer = Writer::start(ledger).expect("a thread");
    for number in ["0888123456", "0888123457", "0888123458"] {
        writer.submit(job(true, number, &told, &path)).expect("queued");
    }
    drop(writer);
    assert_eq!(hear.try_iter().filter(|(commit, _)| commit.is_ok()).count(), 3);
    assert_eq!(open(&path).lead_counts(&slug("spring"), NOW).expect("counts").total(), 3);
}
