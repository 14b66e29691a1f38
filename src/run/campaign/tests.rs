//! Single promises of the loop in virtual time, on the real ledger. Whole runs in any weather are the simulator's.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::facts::Facts;
use super::simulator::{SharedParts, shared};
use super::*;
use crate::base::{Sid, Slug};
use crate::core::config::parse_campaign;
use crate::core::dial::CallStatus;
use crate::core::dial::attempt::State;
use crate::core::dial::note::Nobody;
use crate::core::dial::pacing::Pacer;
use crate::core::lead::Lead;
use crate::edge::carrier::{
    AskFault, Boxed, ContractCard, ListQuery, Listed, Order, PlaceFault, Placed, Refusal, RemoteCall,
};
use crate::run::gateway::{CallDesk, StatusEvent};
use crate::run::ledger::{Inline, LedgerDoor};
use crate::store::ledger::{CampaignState, LeadCounts, Ledger, OpenOptions};

/// Virtual time: the runtime's paused clock.
struct Virtual(Instant);

const EPOCH: i64 = 1_795_000_000_000;

impl Clock for Virtual {
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

/// How badly the carrier behaves: probabilities.
#[derive(Clone, Copy)]
struct Weather {
    lost_answer: f64,
    never_made: f64,
    throttled: f64,
    no_connection: f64,
    dropped_callback: f64,
    doubled_callback: f64,
    list_fails: f64,
}

struct RemoteLine {
    call: RemoteCall,
    attempt: AttemptId,
    ends_at: Option<Wall>,
}

struct Liar {
    weather: Weather,
    random: Mutex<fastrand::Rng>,
    calls: Mutex<Vec<RemoteLine>>,
    desk: std::sync::OnceLock<Arc<Facts>>,
    clock: Arc<Virtual>,
    card: ContractCard,
    /// The ledger's file: every order is looked up in it before it is taken.
    ledger: std::path::PathBuf,
    orders: std::sync::atomic::AtomicUsize,
}

impl Liar {
    fn chance(&self, odds: f64) -> bool {
        lock(&self.random).f64() < odds
    }

    fn make(self: &Arc<Self>, order: &Order) -> Sid {
        let mut calls = lock(&self.calls);
        let sid: Sid = format!("CA{:032x}", calls.len()).parse().expect("a sid");
        let call = RemoteCall {
            sid: sid.clone(),
            to: order.to.expose().to_owned(),
            from: order.from.expose().to_owned(),
            status: CallStatus::Queued,
            // Whole seconds, as carriers list them.
            created: Wall(self.clock.wall().0 / 1_000 * 1_000),
            duration_s: None,
            queue_ms: None,
            price: None,
            child: false,
            outbound_api: true,
        };
        calls.push(RemoteLine { call, attempt: order.attempt, ends_at: None });
        drop(calls);
        tokio::spawn(Arc::clone(self).live(sid.clone(), order.attempt));
        sid
    }

    /// One call's life and its callbacks, lost, doubled and late.
    async fn live(self: Arc<Self>, sid: Sid, attempt: AttemptId) {
        let (ring, talk, end) = {
            let mut random = lock(&self.random);
            let ends = [CallStatus::Completed, CallStatus::Busy, CallStatus::NoAnswer, CallStatus::Failed];
            (random.u64(100..8_000), random.u64(500..60_000), ends[random.usize(..4)])
        };
        tokio::time::sleep(Duration::from_millis(ring)).await;
        self.becomes(&sid, attempt, CallStatus::Ringing, 1).await;
        if end == CallStatus::Completed {
            self.becomes(&sid, attempt, CallStatus::InProgress, 2).await;
            tokio::time::sleep(Duration::from_millis(talk)).await;
        }
        self.becomes(&sid, attempt, end, 3).await;
    }

    async fn becomes(self: &Arc<Self>, sid: &Sid, attempt: AttemptId, status: CallStatus, sequence: u64) {
        {
            let mut calls = lock(&self.calls);
            let line = calls.iter_mut().find(|line| line.call.sid == *sid).expect("it was made");
            if line.call.status.is_terminal() {
                return;
            }
            line.call.status = status;
            if status.is_terminal() {
                line.ends_at = Some(self.clock.wall());
            }
        }
        if self.chance(self.weather.dropped_callback) {
            return;
        }
        let times = if self.chance(self.weather.doubled_callback) { 2 } else { 1 };
        let late = lock(&self.random).u64(0..4_000);
        for _ in 0..times {
            let event = StatusEvent {
                attempt,
                sid: Some(sid.clone()),
                status,
                sequence: Some(sequence),
                duration_s: None,
                sip_code: None,
                answered_by: None,
                form: Vec::new(),
            };
            let me = Arc::clone(self);
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(late)).await;
                if let Some(desk) = me.desk.get() {
                    desk.status(event).await.expect("the ledger is there");
                }
            });
        }
    }
}

struct Door(Arc<Liar>);

impl Carrier for Door {
    fn card(&self) -> &ContractCard {
        &self.0.card
    }

    fn place<'a>(&'a self, order: &'a Order) -> Boxed<'a, Result<Placed, PlaceFault>> {
        Box::pin(async move {
            let liar = &self.0;
            liar.orders.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let durable =
                Ledger::open_read_only(&liar.ledger).expect("opens").call(order.attempt.call()).expect("read");
            let state = durable.map(|call| call.state);
            assert_eq!(state, Some(State::Intent), "law 1: an order left before its intent was in the file");
            let weather = liar.weather;
            let delay = lock(&liar.random).u64(5..900);
            tokio::time::sleep(Duration::from_millis(delay)).await;
            if liar.chance(weather.no_connection) {
                return Err(PlaceFault::NotSent { cause: "refused".to_owned() });
            }
            if liar.chance(weather.throttled) {
                return Err(PlaceFault::Throttled { after: None });
            }
            if liar.chance(weather.never_made) {
                return Err(PlaceFault::MaybePlaced { cause: "reset".to_owned() });
            }
            if order.to.expose().ends_with('7') {
                return Err(PlaceFault::Refused { http: 400, code: Some(21_211), what: Refusal::Number });
            }
            let sid = liar.make(order);
            if liar.chance(weather.lost_answer) {
                return Err(PlaceFault::MaybePlaced { cause: "reset".to_owned() });
            }
            Ok(Placed { sid, status: CallStatus::Queued, queue_ms: None })
        })
    }

    fn fetch<'a>(&'a self, sid: &'a Sid) -> Boxed<'a, Result<RemoteCall, AskFault>> {
        Box::pin(async move {
            if self.0.chance(self.0.weather.list_fails) {
                return Err(AskFault::Failed { cause: "weather".to_owned() });
            }
            let calls = lock(&self.0.calls);
            calls.iter().find(|line| line.call.sid == *sid).map(|line| line.call.clone()).ok_or(AskFault::Gone)
        })
    }

    fn list<'a>(&'a self, query: ListQuery<'a>) -> Boxed<'a, Result<Listed, AskFault>> {
        Box::pin(async move {
            if self.0.chance(self.0.weather.list_fails) {
                return Err(AskFault::Failed { cause: "weather".to_owned() });
            }
            let between = |line: &&RemoteLine| {
                query.to.is_none_or(|to| line.call.to == to.expose())
                    && line.call.from == query.from.expose()
                    && line.call.created >= query.since
            };
            let calls = lock(&self.0.calls).iter().rev().filter(between).map(|line| line.call.clone()).collect();
            Ok(Listed { calls, pages: 1 })
        })
    }

    fn end<'a>(&'a self, sid: &'a Sid, _: Ending) -> Boxed<'a, Result<(), AskFault>> {
        Box::pin(async move {
            let attempt = lock(&self.0.calls).iter().find(|line| line.call.sid == *sid).map(|line| line.attempt);
            if let Some(attempt) = attempt {
                self.0.becomes(sid, attempt, CallStatus::Canceled, 9).await;
            }
            Ok(())
        })
    }
}

const LEADS: usize = 60;

fn campaign() -> Campaign {
    let text = "purpose = \"service\"\ncallers = [\"+15005550006\"]\n[greeting]\nen = \"Hello\"\n[hours]\nany = true\n\
                [caps]\ngap = \"0s\"\nper_day = 100\nper_30_days = 100\n\
                [retries]\nattempts = 3\nbusy = \"5m\"\nno_answer = \"5m\"\nfailed = \"5m\"\n";
    parse_campaign("c".parse().expect("a slug"), "c", text).expect("valid")
}

fn leads() -> Vec<Lead> {
    let lead = |at: usize| Lead {
        line: at as u64 + 2,
        phone: Phone::from_e164(&format!("+4420794{:05}", 60_000 + at)).expect("a number"),
        name: None,
        language: Some("en".parse().expect("a tag")),
        country: None,
        timezone: None,
        consent: None,
        variables: BTreeMap::new(),
        tags: Vec::new(),
        more_phones: Vec::new(),
    };
    (0..LEADS).map(lead).collect()
}

struct World {
    shared: Arc<Shared>,
    inbox: mpsc::Receiver<Told>,
    liar: Arc<Liar>,
    _folder: tempfile::TempDir,
}

fn world(seed: u64, weather: Weather) -> World {
    world_with(seed, weather, Inline::new)
}

fn world_with<D: LedgerDoor + 'static>(seed: u64, weather: Weather, door: impl FnOnce(Ledger) -> D) -> World {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let clock = Arc::new(Virtual(Instant::now()));
    let options = OpenOptions { fresh_key: [7; 32], now: clock.wall() };
    let mut ledger = Ledger::open(&folder.path().join("ahoy.db"), &options).expect("opens");
    let name: Slug = "c".parse().expect("a slug");
    let import = ledger.begin_import(&name, "leads.csv", clock.wall()).expect("begun");
    ledger.import_chunk(&name, import, &leads(), clock.wall()).expect("imported");

    let card = ContractCard { kind: "liar", ..crate::edge::carrier::twilio::CARD };
    let liar = Arc::new(Liar {
        weather,
        random: Mutex::new(fastrand::Rng::with_seed(seed)),
        calls: Mutex::new(Vec::new()),
        desk: std::sync::OnceLock::new(),
        clock: Arc::clone(&clock),
        card,
        ledger: folder.path().join("ahoy.db"),
        orders: std::sync::atomic::AtomicUsize::new(0),
    });
    let (shared, told) = shared(SharedParts {
        clock,
        ledger: LedgerHandle::new(door(ledger)),
        carrier: Arc::new(Door(Arc::clone(&liar))),
        account: "main:AC".to_owned(),
        campaigns: vec![campaign()],
        owner: Uuid::from_u128(u128::from(seed)),
        watcher: Arc::new(Nobody),
        ring_timeout: Duration::from_secs(10),
        horizon: Duration::from_secs(300),
        stop: watch::channel(Stop::No).1,
        calls_dir: folder.path().join("calls"),
        seed,
    });
    let facts = Arc::new(Facts::new(vec![Arc::clone(&shared)], tokio::runtime::Handle::current(), Arc::default()));
    assert!(liar.desk.set(facts).is_ok());
    World { shared, inbox: told, liar, _folder: folder }
}

const CALM: Weather = Weather {
    lost_answer: 0.0,
    never_made: 0.0,
    throttled: 0.0,
    no_connection: 0.0,
    dropped_callback: 0.0,
    doubled_callback: 0.0,
    list_fails: 0.0,
};

/// Puts a number on the suppression list right after the first unit of work: after the claim, before the order.
struct Meddler {
    inner: Inline,
    armed: std::sync::atomic::AtomicBool,
    phone: Phone,
}

impl LedgerDoor for Meddler {
    fn submit(&self, job: crate::store::ledger::writer::Job) -> Result<(), LedgerFault> {
        self.inner.submit(job)?;
        if self.armed.swap(false, std::sync::atomic::Ordering::SeqCst) {
            let phone = self.phone.clone();
            self.inner.submit(Box::new(move |ledger| {
                let ledger = ledger.expect("a transaction");
                ledger.suppress(&phone, "asked just now", "test", Wall(EPOCH)).expect("written");
                crate::store::ledger::writer::Ran { keep: true, reply: Box::new(|_| ()) }
            }))?;
        }
        Ok(())
    }
}

/// Dials one lead by hand; gives the orders that the carrier saw and the leads' sum.
async fn dial_one<D: LedgerDoor + 'static>(door: impl FnOnce(Ledger) -> D) -> (usize, LeadCounts) {
    let World { shared, inbox: _inbox, liar, _folder } = world_with(1, CALM, door);
    let slot = Pacer::new(1.0).take(shared.boot()).expect("free");
    let now = shared.wall();
    let due =
        shared.ledger.run(move |ledger| ledger.due_leads(&"c".parse::<Slug>().expect("a slug"), now, 1, None)).await;
    let lead = due.expect("read").remove(0);
    let what = Target {
        phone: lead.phone,
        caller: Phone::from_e164("+15005550006").expect("one"),
        language: tag(),
        words: None,
        prompt: None,
        order: None,
    };
    attempt::dial(Arc::clone(&shared), 0, slot, Candidate { lead: lead.id, what }).await;
    let counts = shared.ledger.run(move |ledger| ledger.lead_counts(&"c".parse().expect("a slug"), now)).await;
    (liar.orders.load(std::sync::atomic::Ordering::SeqCst), counts.expect("read"))
}

fn tag() -> Language {
    "en".parse().expect("a tag")
}

/// Law 7: what changes between the claim and the order is seen.
#[tokio::test(start_paused = true)]
async fn a_number_suppressed_after_its_claim_is_not_ordered() {
    assert_eq!(dial_one(Inline::new).await.0, 1, "without the change it is ordered");
    let phone = leads()[0].phone.clone();
    let meddler = |ledger| Meddler { inner: Inline::new(ledger), armed: true.into(), phone };
    let (orders, counts) = dial_one(meddler).await;
    assert_eq!(orders, 0);
    assert_eq!((counts.held, counts.total()), (0, LEADS as u64), "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn the_last_look_closes_for_lateness_and_closed_hours() {
    let World { shared, inbox: _inbox, _folder, .. } = world(1, CALM);
    let now = shared.wall();
    let due =
        shared.ledger.run(move |ledger| ledger.due_leads(&"c".parse::<Slug>().expect("a slug"), now, 1, None)).await;
    let lead = due.expect("read").remove(0);
    let what = Target {
        phone: lead.phone,
        caller: Phone::from_e164("+15005550006").expect("one"),
        language: tag(),
        words: None,
        prompt: None,
        order: None,
    };
    let chosen = Candidate { lead: lead.id, what };
    let line = &*shared.line(0);
    assert!(attempt::fence(&shared, line, &chosen, shared.boot()).await);
    let claimed = shared.boot();
    tokio::time::sleep(crate::base::limits::SEND_WINDOW).await;
    assert!(!attempt::fence(&shared, line, &chosen, claimed).await, "the send window is over");

    let mut closed = line.campaign.clone();
    closed.hours.any = false;
    // A number in London: open for one minute of one day of the week that is not now.
    let local = shared.wall().timestamp().to_zoned(jiff::tz::TimeZone::get("Europe/London").expect("known"));
    closed.hours.days = vec![local.weekday().wrapping_add(2)];
    let kit = VoiceKit::of_clips(closed.greeting.clone(), []);
    let line = Line::new(closed, kit, BTreeMap::new(), line.policy.clone());
    assert!(!attempt::fence(&shared, &line, &chosen, shared.boot()).await, "their window is closed");
}

/// Tries that were lowered, and a campaign that was paused and resumed from another terminal: the run still ends.
#[tokio::test(start_paused = true)]
async fn a_lead_without_tries_left_and_a_pause_do_not_hold_up_the_others() {
    let World { shared, inbox, liar, _folder } = world(3, CALM);
    let name: Slug = "c".parse().expect("a slug");
    let paused = name.clone();
    let wall = shared.wall();
    let pause = shared.ledger.run(move |ledger| ledger.set_campaign_state(&paused, CampaignState::Paused, wall));
    pause.await.expect("paused");
    let (ledger, resumed) = (shared.ledger.clone(), name.clone());
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(30)).await;
        let unit = ledger.run(move |ledger| ledger.set_campaign_state(&resumed, CampaignState::Running, wall));
        unit.await.expect("resumed");
    });
    let desk = Desk::new(1, 5.0, 8, false, shared.boot());
    let (_stop, stopped) = watch::channel(Stop::No);
    let day = Duration::from_secs(24 * 3_600);
    let ended = tokio::time::timeout(day, account_loop(Arc::clone(&shared), inbox, desk, stopped)).await;
    assert!(ended.is_ok(), "the run did not end within a day");
    assert!(lock(&liar.calls).len() >= LEADS / 2, "resuming was noticed");
}
