//! Clocks that part and hours that end while the carrier holds a call, in virtual time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::simulator::{SharedParts, shared};
use super::*;
use crate::base::{LeadId, Sid, Slug};
use crate::core::config::parse_campaign;
use crate::core::dial::CallStatus;
use crate::core::dial::attempt::Source;
use crate::core::dial::breaker::StopKind;
use crate::core::dial::note::Nobody;
use crate::core::lead::Lead;
use crate::edge::carrier::{
    AskFault, Boxed, ContractCard, Hello, ListQuery, Listed, Order, PlaceFault, Placed, RemoteCall,
};
use crate::run::ledger::Inline;
use crate::store::ledger::{CarrierFact, Ledger, OpenOptions};

const EPOCH: i64 = 1_795_000_000_000;
const LEADS: usize = 60;

/// The runtime's paused clock, with a wall that can be stepped.
struct Stepping {
    start: Instant,
    step_ms: AtomicI64,
}

impl Clock for Stepping {
    fn wall(&self) -> Wall {
        let wall = Wall(EPOCH) + self.start.elapsed();
        Wall(wall.0 + self.step_ms.load(Ordering::SeqCst))
    }
    fn boot(&self) -> Boot {
        Boot(0) + self.start.elapsed()
    }
    fn sleep(&self, span: Duration) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(span))
    }
}

/// A carrier that takes every order and says "busy" at once; its clock may agree with ours, or it has none.
struct Clerk {
    clock: Arc<Stepping>,
    orders: AtomicUsize,
    ended: Mutex<Vec<(String, Ending)>>,
    tells_time: bool,
    refuses: Option<StopKind>,
    card: ContractCard,
}

impl Carrier for Clerk {
    fn card(&self) -> &ContractCard {
        &self.card
    }

    fn hello(&self) -> Boxed<'_, Result<Hello, AskFault>> {
        let date = self.tells_time.then(|| self.clock.wall());
        let answer = if self.refuses.is_some() { Err(AskFault::Account { http: 401 }) } else { Ok(Hello { date }) };
        Box::pin(async move { answer })
    }

    fn place<'a>(&'a self, _: &'a Order) -> Boxed<'a, Result<Placed, PlaceFault>> {
        let nth = self.orders.fetch_add(1, Ordering::SeqCst);
        let sid = format!("CA{nth:032x}").parse().expect("a sid");
        Box::pin(async move { Ok(Placed { sid, status: CallStatus::Busy, queue_ms: None }) })
    }

    fn fetch<'a>(&'a self, _: &'a Sid) -> Boxed<'a, Result<RemoteCall, AskFault>> {
        Box::pin(async { Err(AskFault::Gone) })
    }

    fn list<'a>(&'a self, _: ListQuery<'a>) -> Boxed<'a, Result<Listed, AskFault>> {
        Box::pin(async { Ok(Listed { calls: Vec::new(), pages: 1 }) })
    }

    fn end<'a>(&'a self, sid: &'a Sid, ending: Ending) -> Boxed<'a, Result<(), AskFault>> {
        lock(&self.ended).push((sid.to_string(), ending));
        Box::pin(async { Ok(()) })
    }
}

struct World {
    shared: Arc<Shared>,
    inbox: mpsc::Receiver<Told>,
    clerk: Arc<Clerk>,
    clock: Arc<Stepping>,
    _folder: tempfile::TempDir,
}

fn campaign(hours: &str) -> Campaign {
    let text = format!(
        "purpose = \"service\"\ncountries = [\"GB\"]\ncallers = [\"+15005550006\"]\n[greeting]\nen = \"Hello\"\n[hours]\n{hours}\n\
         [caps]\ngap = \"0s\"\n[retries]\nattempts = 1\n"
    );
    parse_campaign("c".parse().expect("a slug"), "c", &text).expect("valid")
}

fn leads() -> Vec<Lead> {
    let lead = |at: usize| Lead {
        line: at as u64 + 2,
        phone: Phone::from_e164(&format!("+4420794{:05}", 60_000 + at)).expect("a number"),
        name: None,
        language: Some("en".parse().expect("a tag")),
        country: None,
        timezone: None,
        consent: Some("recorded; 2026-09-02; web form".to_owned()),
        variables: BTreeMap::new(),
        tags: Vec::new(),
        more_phones: Vec::new(),
    };
    (0..LEADS).map(lead).collect()
}

fn world(hours: &str, tells_time: bool, refuses: Option<StopKind>) -> World {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let clock = Arc::new(Stepping { start: Instant::now(), step_ms: AtomicI64::new(0) });
    let options = OpenOptions { fresh_key: [7; 32], now: clock.wall() };
    let mut ledger = Ledger::open(&folder.path().join("ahoy.db"), &options).expect("opens");
    let name: Slug = "c".parse().expect("a slug");
    let import = ledger.begin_import(&name, "leads.csv", clock.wall()).expect("begun");
    ledger.import_chunk(&name, import, &leads(), clock.wall()).expect("imported");
    let card = ContractCard { kind: "clerk", ..crate::edge::carrier::sim::CARD };
    let clerk = Arc::new(Clerk {
        clock: Arc::clone(&clock),
        orders: AtomicUsize::new(0),
        ended: Mutex::default(),
        tells_time,
        refuses,
        card,
    });
    let (shared, told) = shared(SharedParts {
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        ledger: LedgerHandle::new(Inline::new(ledger)),
        carrier: Arc::clone(&clerk) as Arc<dyn Carrier>,
        account: "main:AC".to_owned(),
        campaigns: vec![campaign(hours)],
        owner: Uuid::from_u128(1),
        watcher: Arc::new(Nobody),
        ring_timeout: Duration::from_secs(10),
        horizon: Duration::from_secs(300),
        stop: watch::channel(Stop::No).1,
        calls_dir: folder.path().join("calls"),
        seed: 1,
    });
    World { shared, inbox: told, clerk, clock, _folder: folder }
}

/// Starts the loop; gives the sender that keeps it running.
fn start(shared: &Arc<Shared>, inbox: mpsc::Receiver<Told>) -> (tokio::task::JoinHandle<Stop>, watch::Sender<Stop>) {
    let desk = Desk::new(1, 5.0, 8, false, shared.boot());
    let (stop, stopped) = watch::channel(Stop::No);
    (tokio::spawn(account_loop(Arc::clone(shared), inbox, desk, stopped)), stop)
}

async fn seconds(span: u64) {
    tokio::time::sleep(Duration::from_secs(span)).await;
}

/// Row 46.
#[tokio::test(start_paused = true)]
async fn a_wall_clock_that_steps_stops_claims_until_it_agrees_again() {
    for step in [120_000, -120_000] {
        let World { shared, inbox, clerk, clock, _folder } = world("any = true", false, None);
        let (running, _stop) = start(&shared, inbox);
        seconds(4).await;
        clock.step_ms.store(step, Ordering::SeqCst);
        // What was claimed before the step was seen is sent.
        seconds(2).await;
        let before = clerk.orders.load(Ordering::SeqCst);
        assert!((5..LEADS).contains(&before), "{before}");
        seconds(300).await;
        assert_eq!(
            clerk.orders.load(Ordering::SeqCst),
            before,
            "step of {step} ms: somebody was called by a wrong clock"
        );
        assert!(lock(&shared.seen).clock);
        clock.step_ms.store(0, Ordering::SeqCst);
        seconds(60).await;
        assert_eq!(clerk.orders.load(Ordering::SeqCst), LEADS, "the clocks agree again");
        assert!(!lock(&shared.seen).clock);
        assert_eq!(running.await.expect("it ends by itself"), Stop::No);
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_that_the_carriers_clock_explains_is_the_new_measure() {
    let World { shared, inbox, clerk, clock, _folder } = world("any = true", true, None);
    let (_running, _stop) = start(&shared, inbox);
    seconds(4).await;
    clock.step_ms.store(3_600_000, Ordering::SeqCst);
    seconds(60).await;
    assert_eq!(clerk.orders.load(Ordering::SeqCst), LEADS, "the machine was set right, and the carrier says so");
}

#[tokio::test(start_paused = true)]
async fn credentials_refused_by_the_first_question_stop_the_account_before_anybody_is_called() {
    let World { shared, inbox, clerk, _folder, .. } = world("any = true", true, Some(StopKind::Credentials));
    shared.greet().await.expect("a stop is no failure of the start");
    let (running, _stop) = start(&shared, inbox);
    assert_eq!(running.await.expect("it ends"), Stop::No);
    assert_eq!(clerk.orders.load(Ordering::SeqCst), 0);
    let stop = shared.ledger.run(|ledger| ledger.account_breaker("main:AC")).await.expect("read");
    assert_eq!(stop.expect("durable").kind, StopKind::Credentials);
}

/// Row 14.
#[tokio::test(start_paused = true)]
async fn a_call_still_queued_at_the_carrier_when_its_hours_end_is_cancelled_and_a_ringing_one_is_not_touched() {
    // The epoch is a Wednesday, 2026-11-18 11:06:40 in London.
    for (hours, status, cancelled) in [
        ("start = \"09:00\"\nend = \"11:00\"", CallStatus::Queued, true),
        ("start = \"09:00\"\nend = \"12:00\"", CallStatus::Queued, false),
        ("start = \"09:00\"\nend = \"11:00\"", CallStatus::Ringing, false),
    ] {
        let World { shared, inbox: _inbox, clerk, _folder, .. } = world(hours, false, None);
        let now = shared.wall();
        let claim = crate::store::ledger::Claim {
            attempt: AttemptId::mint(1, [1; 10]),
            campaign: "c".parse().expect("a slug"),
            lead: LeadId(1),
            phone: leads()[0].phone.clone(),
            caller: Phone::from_e164("+15005550006").expect("a number"),
            account: shared.account.clone(),
            language: "en".parse().expect("a tag"),
            greeting: "0".repeat(64),
            intent_at: now,
            send_by: now + Duration::from_secs(3),
            release_after: now + Duration::from_secs(300),
            owner: shared.owner,
            caps: shared.line(0).campaign.caps.clone(),
            policy: shared.line(0).policy.clone(),
        };
        let fact = CarrierFact {
            attempt: claim.attempt,
            sid: "CA7".parse().expect("a sid"),
            source: Source::Answer,
            key: "CA7:answer".to_owned(),
            status,
            at: now,
            duration_s: None,
            body: String::new(),
        };
        let claimed = shared.ledger.run(move |ledger| ledger.claim(&claim)).await;
        assert_eq!(claimed, Ok(()));
        shared.ledger.run(move |ledger| ledger.fact(&fact, now)).await.expect("kept");
        let open = shared.ledger.run(|ledger| ledger.open_attempts(None)).await.expect("read");
        account::cancel_late(&shared, &open).await;
        let ended = lock(&clerk.ended).clone();
        let want = if cancelled { vec![("CA7".to_owned(), Ending::Cancel)] } else { Vec::new() };
        assert_eq!(ended, want, "{hours} {status}");
    }
}

/// The operator's `resume` is in the ledger: the loop that runs goes on, not only the next one.
#[tokio::test(start_paused = true)]
async fn a_stop_that_is_lifted_while_calls_live_is_lifted_in_the_loop_that_runs() {
    let World { shared, inbox, clerk, _folder, .. } = world("any = true", false, None);
    // A call of another day keeps the run alive.
    let elder = AttemptId::mint(1, [9; 10]);
    shared.desk(Event::Inherited(elder)).await;
    let (running, _stop) = start(&shared, inbox);
    seconds(2).await;
    shared.stop_account(StopKind::FailureRate, "too many", Vec::new()).await;
    seconds(2).await;
    let before = clerk.orders.load(Ordering::SeqCst);
    assert!((1..LEADS).contains(&before), "{before}");
    seconds(60).await;
    assert_eq!(clerk.orders.load(Ordering::SeqCst), before, "nobody new is called");
    let now = shared.wall();
    assert!(shared.ledger.run(move |ledger| ledger.resume_account("main:AC", now)).await.expect("written"));
    seconds(60).await;
    assert_eq!(clerk.orders.load(Ordering::SeqCst), LEADS, "everybody was called");
    assert_eq!(lock(&shared.seen).account, None, "the run does not end as one with a stopped account");
    shared.desk(Event::Closed(elder)).await;
    assert_eq!(running.await.expect("it ends by itself"), Stop::No);
}

/// A ledger that failed is no matter of the operator's word.
#[tokio::test(start_paused = true)]
async fn no_word_lifts_a_ledger_that_failed_and_a_hand_lifts_a_carrier_that_did_not_answer() {
    let World { shared, mut inbox, _folder, .. } = world("any = true", false, None);
    lock(&shared.seen).unreachable = true;
    assert!(!shared.lift_stop(false).await, "the ledger says nothing about it");
    assert!(shared.lift_stop(true).await);
    assert!(!lock(&shared.seen).unreachable);
    let mut desk = Desk::new(1, 5.0, 8, false, shared.boot());
    desk.handle(shared.boot(), Event::LedgerFailed);
    while let Ok(told) = inbox.try_recv() {
        take(&shared, &mut desk, told);
    }
    assert!(!matches!(desk.poll(shared.boot()), Some(crate::core::dial::desk::Command::Refill { .. })));
}
