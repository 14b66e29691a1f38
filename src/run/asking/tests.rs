//! What asking must never get wrong: a release without proof, a second ring, a slow carrier that stops everything.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::Instant;
use uuid::Uuid;

use super::*;
use crate::base::{LeadId, Slug};
use crate::core::config::Caps;
use crate::core::dial::{Outcome, VerdictPolicy};
use crate::core::lead::Lead;
use crate::edge::carrier::{Boxed, Order, PlaceFault, Placed};
use crate::run::ledger::Inline;
use crate::store::ledger::{Claim, ClaimRefused, DueLead, ForeignCall, LeadState, OpenOptions};

const EPOCH: i64 = 1_795_000_000_000;
const ACCOUNT: &str = "main:AC1";

struct Paused(Instant);

impl Clock for Paused {
    fn wall(&self) -> Wall {
        Wall(EPOCH) + self.0.elapsed()
    }
    fn boot(&self) -> Boot {
        Boot(0) + self.0.elapsed()
    }
    fn sleep(&self, span: Duration) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(span))
    }
}

/// A carrier with a list, that can be slow, cut its list short, or refuse to end a call.
struct Books {
    calls: Mutex<Vec<RemoteCall>>,
    lists: AtomicUsize,
    fetches: AtomicUsize,
    refuse_endings: AtomicUsize,
    cut_short: bool,
    slow: Duration,
    card: ContractCard,
}

impl Books {
    fn new() -> Books {
        Books {
            calls: Mutex::default(),
            lists: AtomicUsize::new(0),
            fetches: AtomicUsize::new(0),
            refuse_endings: AtomicUsize::new(0),
            cut_short: false,
            slow: Duration::ZERO,
            card: crate::edge::carrier::twilio::CARD,
        }
    }

    fn calls(&self) -> MutexGuard<'_, Vec<RemoteCall>> {
        self.calls.lock().expect("no panic")
    }
}

impl Carrier for Books {
    fn card(&self) -> &ContractCard {
        &self.card
    }

    fn place<'a>(&'a self, _: &'a Order) -> Boxed<'a, Result<Placed, PlaceFault>> {
        Box::pin(async { panic!("asking places nothing") })
    }

    fn fetch<'a>(&'a self, sid: &'a Sid) -> Boxed<'a, Result<RemoteCall, AskFault>> {
        Box::pin(async move {
            self.fetches.fetch_add(1, Ordering::SeqCst);
            self.calls().iter().find(|call| call.sid == *sid).cloned().ok_or(AskFault::Gone)
        })
    }

    fn list<'a>(&'a self, query: ListQuery<'a>) -> Boxed<'a, Result<Listed, AskFault>> {
        Box::pin(async move {
            self.lists.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(self.slow).await;
            if self.cut_short {
                return Err(AskFault::Failed { cause: "the list did not end after 100 pages".to_owned() });
            }
            let fits = |call: &&RemoteCall| {
                query.to.is_none_or(|to| call.to == to.expose()) && call.from == query.from.expose()
            };
            Ok(Listed { calls: self.calls().iter().filter(fits).cloned().collect(), pages: 1 })
        })
    }

    fn end<'a>(&'a self, sid: &'a Sid, _: Ending) -> Boxed<'a, Result<(), AskFault>> {
        Box::pin(async move {
            let refused =
                self.refuse_endings.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            if refused.is_ok() {
                return Err(AskFault::Failed { cause: "HTTP 500".to_owned() });
            }
            if let Some(call) = self.calls().iter_mut().find(|call| call.sid == *sid) {
                call.status = CallStatus::Canceled;
            }
            Ok(())
        })
    }
}

fn number(at: usize) -> Phone {
    Phone::from_e164(&format!("+4420794{:05}", 60_000 + at)).expect("a number")
}

fn caller(at: usize) -> Phone {
    Phone::from_e164(["+15005550006", "+15005550007"][at % 2]).expect("a number")
}

fn call(name: &str, lead: usize, status: CallStatus, created: Wall) -> RemoteCall {
    RemoteCall {
        sid: name.parse().expect("a sid"),
        to: number(lead).expose().to_owned(),
        from: caller(lead).expose().to_owned(),
        status,
        created,
        duration_s: None,
        queue_ms: None,
        price: None,
        child: false,
        outbound_api: true,
    }
}

struct Room {
    asker: Arc<Asker>,
    books: Arc<Books>,
    attempts: Vec<AttemptId>,
    _folder: tempfile::TempDir,
}

fn lead(at: usize) -> Lead {
    Lead {
        line: at as u64 + 2,
        phone: number(at),
        name: None,
        language: None,
        country: None,
        timezone: None,
        consent: None,
        variables: BTreeMap::new(),
        tags: Vec::new(),
        more_phones: Vec::new(),
    }
}

fn claim(at: usize, due: &DueLead, now: Wall, attempts: u32) -> Claim {
    let mut random = [0; 10];
    random[6..].copy_from_slice(&(at as u32).to_be_bytes());
    Claim {
        attempt: AttemptId::mint(u64::try_from(now.0).expect("after 1970"), random),
        campaign: "c".parse().expect("a slug"),
        lead: due.id,
        phone: due.phone.clone(),
        caller: caller(at),
        account: ACCOUNT.to_owned(),
        language: "en".parse().expect("a tag"),
        greeting: String::new(),
        intent_at: now,
        send_by: now + limits::SEND_WINDOW,
        release_after: now + Duration::from_secs(300),
        owner: Uuid::nil(),
        caps: Caps { per_day: 3, per_30_days: 4, gap: Duration::from_secs(3_600) },
        policy: policy(attempts),
    }
}

fn policy(attempts: u32) -> VerdictPolicy {
    VerdictPolicy {
        attempts,
        busy_ms: 1_200_000,
        no_answer_ms: 7_200_000,
        failed_ms: 1_800_000,
        voicemail_ms: 14_400_000,
        callback_ms: 14_400_000,
        gap_ms: 3_600_000,
        after: Default::default(),
    }
}

/// `count` leads, each with one attempt whose answer was lost at the start.
fn unknown(count: usize, books: Books, attempts_allowed: u32) -> Room {
    let folder = tempfile::tempdir().expect("a folder");
    let clock: Arc<dyn Clock> = Arc::new(Paused(Instant::now()));
    let now = clock.wall();
    let options = OpenOptions { fresh_key: [7; 32], now };
    let mut ledger = Ledger::open(&folder.path().join("ahoy.db"), &options).expect("a ledger");
    let campaign: Slug = "c".parse().expect("a slug");
    let import = ledger.begin_import(&campaign, "leads.csv", now).expect("begun");
    let leads: Vec<Lead> = (0..count).map(lead).collect();
    ledger.import_chunk(&campaign, import, &leads, now).expect("imported");
    let claim_all = |ledger: &mut Ledger| -> Result<Vec<AttemptId>, LedgerFault> {
        let mut attempts = Vec::new();
        for (at, due) in ledger.due_leads(&campaign, now, 10_000, None).expect("due").into_iter().enumerate() {
            let claim = claim(at, &due, now, attempts_allowed);
            let attempt = claim.attempt;
            ledger.claim(&claim).expect("claimed");
            ledger.settle(attempt, Input::AnswerLost, now).expect("unknown");
            attempts.push(attempt);
        }
        Ok(attempts)
    };
    let attempts = ledger.atomically(claim_all).expect("one commit");
    let books = Arc::new(books);
    let carrier = Arc::clone(&books) as Arc<dyn Carrier>;
    let handle = LedgerHandle::new(Inline::new(ledger));
    let asker = Arc::new(Asker::new(clock, handle, carrier, ACCOUNT, Duration::from_secs(300), false));
    Room { asker, books, attempts, _folder: folder }
}

impl Room {
    /// What is due now, as the sweep finds it.
    async fn due(&self) -> Vec<(OpenAttempt, Ask)> {
        let (open, _) = self.asker.look().await.expect("read");
        let due = open.into_iter().map(|entry| {
            let ask = self.asker.next(&entry, false, Duration::from_secs(30));
            (entry, ask)
        });
        due.filter(|(_, ask)| matches!(ask, Ask::List { .. } | Ask::Fetch)).collect()
    }

    /// Asks all that is due, in virtual time, until nothing is due any more.
    async fn round(&self) {
        loop {
            let due = self.due().await;
            if due.is_empty() {
                return;
            }
            for question in self.asker.questions(due) {
                if let Some(leave) = self.asker.leave(&question) {
                    let _answer = self.asker.ask(question, &leave).await;
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn state(&self, at: usize) -> (State, LeadState) {
        let (attempt, lead) = (self.attempts[at], LeadId(at as i64 + 1));
        let unit = move |ledger: &mut Ledger| {
            let state = ledger.call(attempt.call())?.expect("known").state;
            Ok::<_, LedgerFault>((state, ledger.lead(lead)?.expect("known").state))
        };
        self.asker.ledger.run(unit).await.expect("read")
    }

    async fn read<T: Send + 'static>(
        &self,
        unit: impl FnOnce(&mut Ledger) -> Result<T, LedgerFault> + Send + 'static,
    ) -> T {
        self.asker.ledger.run(unit).await.expect("read")
    }
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn hundreds_of_unknowns_after_an_outage_are_one_list_per_caller_number() {
    let room = unknown(300, Books::new(), 3);
    for at in (0..300).step_by(3) {
        let status = if at % 2 == 0 { CallStatus::Completed } else { CallStatus::InProgress };
        room.books.calls().push(call(&format!("CA{at}"), at, status, Wall(EPOCH + 2_000)));
    }
    room.round().await;
    assert_eq!(room.books.lists.load(Ordering::SeqCst), 2, "one list per caller number");
    assert_eq!(room.books.fetches.load(Ordering::SeqCst), 0);
    assert_eq!(room.state(0).await.0, State::Ended);
    assert_eq!(room.state(3).await.0, State::Answered);
    assert_eq!(room.state(1).await.0, State::Unknown, "before the horizon nobody is released");
    pass(301).await;
    room.round().await;
    let (state, lead) = room.state(1).await;
    assert_eq!(state, State::NotPlaced);
    assert!(matches!(lead, LeadState::Ready(due) if due >= Wall(EPOCH) + Duration::from_secs(300 + 3_600)), "{lead:?}");
    assert_eq!(room.books.lists.load(Ordering::SeqCst), 4);
}

#[tokio::test(start_paused = true)]
async fn a_release_keeps_the_list_that_allowed_it_and_the_last_try_waits_for_a_person() {
    let room = unknown(1, Books::new(), 1);
    room.books.calls().push(call("CAold", 0, CallStatus::Completed, Wall(EPOCH - 600_000)));
    pass(301).await;
    // Known for a whole horizon by the clock that never steps, and only then.
    room.round().await;
    pass(301).await;
    room.round().await;
    assert_eq!(room.state(0).await, (State::NotPlaced, LeadState::Review));
    let attempt = room.attempts[0];
    let evidence = room.read(move |ledger| ledger.evidence(attempt)).await.expect("kept");
    assert!(evidence.asked_at > Wall(EPOCH) + Duration::from_secs(300), "{evidence:?}");
    assert_eq!((evidence.pages, evidence.calls), (1, 1));
    assert_eq!(evidence.sids, ["CAold".parse().expect("a sid")]);
}

#[tokio::test(start_paused = true)]
async fn a_list_cut_short_releases_nobody_however_long_it_takes() {
    let room = unknown(5, Books { cut_short: true, ..Books::new() }, 3);
    for _ in 0..20 {
        let due = room.due().await;
        for question in room.asker.questions(due) {
            if let Some(leave) = room.asker.leave(&question) {
                assert!(room.asker.ask(question, &leave).await.is_err());
            }
        }
        pass(120).await;
    }
    assert!(room.books.lists.load(Ordering::SeqCst) > 10);
    for at in 0..5 {
        assert_eq!(room.state(at).await.0, State::Unknown);
    }
}

/// A carrier without a list.
fn silent_books() -> Books {
    let mut books = Books::new();
    books.card.listing = Listing::Never;
    books
}

/// Whether another campaign may call the number of the first lead now, seen from inside a claim.
async fn another_campaign_claims(room: &Room, campaign: &'static str) -> Result<(), ClaimRefused> {
    let now = room.asker.clock.wall();
    let unit = move |ledger: &mut Ledger| -> Result<Result<(), ClaimRefused>, LedgerFault> {
        let campaign: Slug = campaign.parse().expect("a slug");
        let import = ledger.begin_import(&campaign, "leads.csv", now)?;
        ledger.import_chunk(&campaign, import, &[lead(0)], now)?;
        let due = ledger.due_leads(&campaign, now, 1, None)?.remove(0);
        let none = Caps { per_day: 9, per_30_days: 9, gap: Duration::ZERO };
        let claim = Claim { campaign, lead: due.id, intent_at: now, caps: none, ..claim(7, &due, now, 3) };
        // Undone: only the answer counts.
        let mut answer = Ok(());
        let undone = ledger.atomically(|ledger| {
            answer = ledger.claim(&claim);
            Err::<(), _>(LedgerFault::Busy)
        });
        assert!(undone.is_err());
        Ok(answer)
    };
    room.read(unit).await
}

#[tokio::test(start_paused = true)]
async fn at_a_carrier_without_a_list_an_unknown_outcome_waits_for_a_person_and_its_number_with_it() {
    let room = unknown(7, silent_books(), 3);
    pass(200).await;
    room.round().await;
    assert_eq!(room.state(0).await.0, State::Unknown, "before the horizon a callback may still come");
    for _ in 0..3 {
        pass(301).await;
        room.round().await;
    }
    for at in 0..7 {
        assert_eq!(room.state(at).await, (State::NotPlaced, LeadState::Review), "tries are left, and nobody is rung");
    }
    assert_eq!(room.books.lists.load(Ordering::SeqCst), 0, "it is not asked for what it does not have");
    assert_eq!(room.read(|ledger| ledger.review_leads()).await, [("unresolved".to_owned(), 7)]);
    assert_eq!(another_campaign_claims(&room, "other").await, Err(ClaimRefused::Open));
    let now = room.asker.clock.wall();
    assert_eq!(room.read(move |ledger| ledger.close_reviewed(Some(LeadId(1)), None, now)).await, 1);
    assert_eq!(room.state(0).await.1, LeadState::Done(Outcome::Unresolved));
    assert_eq!(another_campaign_claims(&room, "third").await, Ok(()), "a person has decided");
}

#[tokio::test(start_paused = true)]
async fn a_person_lets_a_lead_out_whose_only_try_nobody_could_tell_about_and_its_number_keeps_the_call_on_its_caps() {
    let room = unknown(1, silent_books(), 1);
    room.round().await;
    pass(301).await;
    room.round().await;
    let now = room.asker.clock.wall();
    assert_eq!(room.read(move |ledger| ledger.let_out(None, Some("unresolved"), now)).await, 1);
    assert_eq!(room.state(0).await.1, LeadState::Ready(now));
    let (lead, history) = room
        .read(move |ledger| Ok((ledger.lead(LeadId(1))?.expect("known"), ledger.phone_history(&number(0), now)?)))
        .await;
    assert_eq!((lead.attempts_used, history.in_24h, history.open), (0, 1, false));
}

#[tokio::test(start_paused = true)]
async fn a_late_callback_takes_a_lead_out_of_review_without_an_alarm() {
    let room = unknown(2, silent_books(), 3);
    room.round().await;
    pass(301).await;
    room.round().await;
    for (at, status) in [(0, CallStatus::Completed), (1, CallStatus::Ringing)] {
        let told = call(&format!("CA{at}"), at, status, Wall(EPOCH + 1_000));
        let settled = room.asker.told(room.attempts[at], told, Source::Callback).await.expect("written");
        assert_eq!(settled.expect("folded").alarms, []);
    }
    assert_eq!(room.state(0).await, (State::Ended, LeadState::Done(Outcome::Answered)));
    assert_eq!(room.state(1).await, (State::Ringing, LeadState::Held(room.attempts[1])));
    assert_eq!(room.read(|ledger| ledger.account_stop(ACCOUNT)).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_does_not_hold_up_the_other_questions_and_an_attempt_is_asked_about_once_at_a_time() {
    let room = unknown(2, Books { slow: Duration::from_secs(9), ..Books::new() }, 3);
    let due = room.due().await;
    let questions = room.asker.questions(due.clone());
    assert_eq!(questions.len(), 2);
    let first = room.asker.leave(&questions[0]).expect("the first");
    let (asker, question) = (Arc::clone(&room.asker), questions[0].clone());
    let slow = tokio::spawn(async move { asker.ask(question, &first).await.is_ok() });
    pass(1).await;
    let questions = room.asker.questions(due.clone());
    assert_eq!(questions.len(), 1, "the one in flight is not asked again");
    let second = room.asker.leave(&questions[0]).expect("the second goes while the first waits");
    assert!(room.asker.ask(questions[0].clone(), &second).await.is_ok());
    assert!(slow.await.expect("no panic"));
    assert_eq!(room.books.lists.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_second_call_is_ended_again_until_the_carrier_says_it_is_over_and_the_account_stops() {
    let room = unknown(1, Books::new(), 3);
    room.books.refuse_endings.store(3, Ordering::SeqCst);
    room.books.calls().push(call("CA1", 0, CallStatus::InProgress, Wall(EPOCH + 1_000)));
    room.books.calls().push(call("CA2", 0, CallStatus::Ringing, Wall(EPOCH + 2_000)));
    room.round().await;
    assert!(room.read(|ledger| ledger.account_stop(ACCOUNT)).await.is_some(), "stop the line");
    for left in (0..4).rev() {
        let (_, unwanted) = room.asker.look().await.expect("read");
        assert_eq!(unwanted.len(), 1, "{left}");
        assert_eq!((unwanted[0].sid.as_str(), unwanted[0].why.as_str()), ("CA2", "second"));
        assert_eq!(room.asker.end(&unwanted[0]).await.is_ok(), left == 0);
    }
    let (_, unwanted) = room.asker.look().await.expect("read");
    assert!(unwanted.is_empty(), "{unwanted:?}");
    assert_eq!(room.state(0).await.0, State::Answered, "the first call goes on");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_lagged_raises_the_horizon_and_those_who_wait_wait_longer() {
    let room = unknown(2, Books::new(), 3);
    pass(200).await;
    room.round().await;
    // The list did not show it 200 s after its intent, and shows it now, though it was made in time.
    room.books.calls().push(call("CA0", 0, CallStatus::Completed, Wall(EPOCH + 1_000)));
    pass(101).await;
    room.round().await;
    assert_eq!(room.state(0).await.0, State::Ended);
    let _learned = room.asker.look().await.expect("read");
    let horizon = room.asker.horizon();
    assert_eq!(horizon.total, Duration::from_secs(400), "twice what was seen");
    assert!(horizon.raised);
    pass(90).await;
    room.round().await;
    assert_eq!(room.state(1).await.0, State::Unknown, "391 s after its intent");
}

#[tokio::test(start_paused = true)]
async fn a_child_leg_or_an_inbound_call_between_its_numbers_is_never_the_attempts() {
    let room = unknown(1, Books::new(), 3);
    let leg = call("CAleg", 0, CallStatus::InProgress, Wall(EPOCH + 1_000));
    room.books.calls().push(RemoteCall { child: true, ..leg.clone() });
    room.books.calls().push(RemoteCall { sid: "CAin".parse().expect("a sid"), outbound_api: false, ..leg });
    room.round().await;
    assert_eq!(room.state(0).await.0, State::Unknown);
    pass(301).await;
    room.round().await;
    assert_eq!(room.state(0).await.0, State::NotPlaced);
}

#[tokio::test(start_paused = true)]
async fn a_person_lets_a_lead_out_of_review_with_its_lost_try_given_back_or_closes_it() {
    let room = unknown(2, Books::new(), 1);
    room.round().await;
    pass(301).await;
    room.round().await;
    let now = room.asker.clock.wall();
    let out = room.read(move |ledger| ledger.let_out(Some(LeadId(1)), None, now)).await;
    let closed = room.read(move |ledger| ledger.close_reviewed(None, Some("last_try_lost"), now)).await;
    assert_eq!((out, closed), (1, 1));
    assert_eq!(room.state(0).await.1, LeadState::Ready(now));
    assert_eq!(room.state(1).await.1, LeadState::Done(Outcome::NotPlaced));
    let lead = room.read(|ledger| ledger.lead(LeadId(1))).await.expect("known");
    assert_eq!(lead.attempts_used, 0, "a try that was never made is not used up");
    assert_eq!(room.read(move |ledger| ledger.let_out(None, None, now)).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_carrier_renamed_in_the_configuration_keeps_its_calls_and_its_lost_orders() {
    let room = unknown(2, Books::new(), 3);
    room.books.calls().push(call("CA0", 0, CallStatus::Completed, Wall(EPOCH + 1_000)));
    room.round().await;
    let found = move |ledger: &mut Ledger| {
        let sid: Sid = "CA0".parse().expect("a sid");
        let lost = ForeignCall {
            sid: "CA1".parse().expect("a sid"),
            to: number(1),
            from: caller(1),
            made_at: Wall(EPOCH + 1_000),
            status: CallStatus::Ringing,
            duration_s: None,
        };
        let (known, other) = (ledger.knows_call("new:AC1", &sid)?, ledger.knows_call("main:AC2", &sid)?);
        let lost = ledger.attempt_on_its_way("new:AC1", &lost, &caller(1))?;
        Ok((known, other, lost, ledger.last_claim("new:AC1")?, ledger.last_claim("main:AC2")?))
    };
    assert_eq!(room.read(found).await, (true, false, Some(room.attempts[1]), Some(Wall(EPOCH)), None));
}

#[tokio::test(start_paused = true)]
async fn an_imported_call_becomes_its_leads_attempt_or_counts_towards_the_caps_of_its_number() {
    let room = unknown(1, Books::new(), 3);
    room.books.calls().clear();
    let made_at = Wall(EPOCH - 60_000);
    let foreign = |name: &str, lead: usize| ForeignCall {
        sid: name.parse().expect("a sid"),
        to: number(lead),
        from: caller(lead),
        made_at,
        status: CallStatus::Busy,
        duration_s: None,
    };
    let calls = [foreign("CA8", 8), foreign("CA9", 9)];
    let import = move |ledger: &mut Ledger| {
        let campaign: Slug = "c".parse().expect("a slug");
        let id = ledger.begin_import(&campaign, "more.csv", Wall(EPOCH))?;
        ledger.import_chunk(&campaign, id, &[lead(8)], Wall(EPOCH))?;
        let lines = [(campaign, policy(3))];
        let first = ledger.import_foreign(ACCOUNT, &calls, &lines, Wall(EPOCH))?;
        let again = ledger.import_foreign(ACCOUNT, &calls, &lines, Wall(EPOCH))?;
        let lead = ledger.lead(LeadId(2))?.expect("imported");
        let history = (ledger.phone_history(&number(8), Wall(EPOCH))?, ledger.phone_history(&number(9), Wall(EPOCH))?);
        Ok((first, again, lead, history))
    };
    let (first, again, lead, (adopted, counted)) = room.read(import).await;
    assert_eq!((first.adopted, first.counted), (1, 1));
    assert_eq!((again.adopted, again.counted), (0, 0), "importing again adds nothing");
    assert!(matches!(lead.state, LeadState::Ready(due) if due > Wall(EPOCH)), "busy: later, not now: {:?}", lead.state);
    assert_eq!((lead.attempts_used, adopted.in_24h, adopted.last_at), (1, 1, Some(made_at)));
    assert_eq!((counted.in_24h, counted.in_30d, counted.last_at), (1, 1, Some(made_at)));
}
