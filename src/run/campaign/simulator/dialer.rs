//! One life of the dialer's process: the real loops of all accounts on the real ledger, in a runtime with a paused
//! clock, with doors that count effects. Dropping the runtime is `kill -9`.

use std::collections::BTreeMap;
use std::future::pending;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use uuid::Uuid;

use super::super::account::Health;
use super::super::facts::Facts;
use super::super::*;
use super::carrier::{Carrier as Simulated, Letter};
use super::fate::Fate;
use super::hand::{Hand, deliver};
use super::plan::{CampaignPlan, Deed, RING, Scenario, account_name, by_account};
use crate::base::{Sid, Slug, limits};
use crate::core::asset::Clip;
use crate::core::call::{MachinePlan, PreparedClip};
use crate::core::dial::attempt::State;
use crate::core::dial::breaker::FailurePolicy;
use crate::core::dial::note::Watcher;
use crate::core::wire::token;
use crate::edge::carrier::{
    AskFault, Boxed, ContractCard, Hello, ListQuery, Listed, Order, PlaceFault, Placed, RemoteCall,
};
use crate::run::ledger::{Inline, LedgerDoor};
use crate::store::ledger::writer::{Job, Ran};
use crate::store::ledger::{Ledger, OpenOptions};

/// The key of every simulated ledger.
pub(in super::super) const KEY: [u8; 32] = [7; 32];

/// What differs between the accounts of tests.
pub(in super::super) struct SharedParts {
    pub clock: Arc<dyn Clock>,
    pub ledger: LedgerHandle,
    pub carrier: Arc<dyn Carrier>,
    pub account: String,
    pub campaigns: Vec<Campaign>,
    pub owner: Uuid,
    pub watcher: Arc<dyn Watcher>,
    pub ring_timeout: Duration,
    pub horizon: Duration,
    pub stop: watch::Receiver<Stop>,
    pub calls_dir: PathBuf,
    pub seed: u64,
}

/// The state that the tasks of one account share, as tests need it; the one place where tests make it.
pub(in super::super) fn shared(parts: SharedParts) -> (Arc<Shared>, mpsc::Receiver<Told>) {
    let clip = Clip {
        key: "greeting".parse().expect("a slug"),
        language: "en".parse().expect("a tag"),
        fingerprint: "0".repeat(64),
        text: "Hello".to_owned(),
        alignment: None,
        ulaw: vec![0xff; 8_000].into(),
    };
    let line = |campaign: Campaign| {
        let script = CallScript {
            greeting: Arc::new(PreparedClip::new(&clip)),
            opt_out_confirmed: None,
            goodbye: None,
            keys: campaign.keys,
            vad: campaign.vad,
            barge_in: campaign.barge_in,
            listen_after: campaign.listen_after,
            machines: MachinePlan::default(),
            recording: campaign.recording,
            agent: None,
            desk: None,
            transfers: false,
            bridge: None,
            apology: None,
            call_back: None,
            message: None,
            max_call: campaign.max_call,
        };
        let kit = VoiceKit::of_clips(campaign.greeting.clone(), [clip.clone()]);
        let policy = VerdictPolicy::new(&campaign.retries, campaign.caps.gap);
        let scripts = BTreeMap::from([("en".parse().expect("a tag"), Arc::new(script))]);
        Line::new(campaign, kit, scripts, policy)
    };
    let (inbox, told) = mpsc::channel(INBOX);
    let (time, asked) = (Arc::clone(&parts.clock), Arc::clone(&parts.carrier));
    let asker = Asker::new(time, parts.ledger.clone(), asked, &parts.account, parts.horizon, false);
    // Most callees of a simulation are not heard or fail: that must not stop the account.
    let never = FailurePolicy { share: 1.0, ..FailurePolicy::default() };
    let health = Health::new(never, parts.clock.wall(), parts.clock.boot());
    let shared = Arc::new(Shared {
        clock: parts.clock,
        ledger: parts.ledger,
        carrier: parts.carrier,
        account: parts.account,
        lines: parts.campaigns.into_iter().map(line).collect(),
        registry: Registry::default(),
        urls: Urls { stream: "wss://h.example/v1/media".to_owned(), status: "https://h.example/v1/status/".to_owned() },
        token_key: KEY,
        calls_dir: parts.calls_dir,
        owner: parts.owner,
        watcher: parts.watcher,
        ring_timeout: parts.ring_timeout,
        asker: Arc::new(asker),
        inbox,
        active: Mutex::default(),
        pending: Mutex::default(),
        stop: parts.stop,
        stays: false.into(),
        streams: Mutex::default(),
        paused: Mutex::default(),
        sweeping: tokio::sync::Mutex::new(()),
        fetching: tokio::sync::Mutex::new(()),
        writing: tokio::sync::Mutex::new(()),
        gone: Mutex::default(),
        seen: Mutex::default(),
        health,
        random: Mutex::new(fastrand::Rng::with_seed(parts.seed)),
        metrics: Arc::default(),
    });
    (shared, told)
}

/// The clocks of one life. The world's time goes on between lives.
pub(super) struct LifeClock {
    epoch: i64,
    began: Instant,
    began_us: u64,
    /// What the operator did to the wall clock, ms.
    step_ms: Arc<AtomicI64>,
}

impl LifeClock {
    /// The world's time, µs since its start.
    pub fn us(&self) -> u64 {
        self.began_us + u64::try_from(self.began.elapsed().as_micros()).expect("a simulation is short")
    }
}

impl Clock for LifeClock {
    fn wall(&self) -> Wall {
        Wall(self.epoch + (self.us() / 1_000) as i64 + self.step_ms.load(Ordering::SeqCst))
    }
    fn boot(&self) -> Boot {
        Boot(self.us())
    }
    fn sleep(&self, span: Duration) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(span))
    }
}

/// The ledger inline, each commit that changes something counted as an effect. Another terminal comes in by
/// [`Doorway::elsewhere`].
struct Doorway {
    inner: Inline,
    fate: Arc<Fate>,
    world: Arc<Simulated>,
    clock: Arc<LifeClock>,
}

#[derive(Clone)]
struct Door(Arc<Doorway>);

impl LedgerDoor for Door {
    fn submit(&self, job: Job) -> Result<(), LedgerFault> {
        let Doorway { inner, fate, world, clock } = &*self.0;
        if fate.is_dead() {
            return Err(LedgerFault::Stopped);
        }
        let wrote = Arc::new(Mutex::new(None));
        let (told, dying) = (Arc::clone(&wrote), Arc::clone(fate));
        inner.submit(Box::new(move |ledger| {
            let Ok(ledger) = ledger else { return job(ledger) };
            let before = ledger.changed_rows();
            let ran = job(Ok(ledger));
            let changed = ledger.changed_rows() - before;
            if changed == 0 || !ran.keep {
                return ran;
            }
            if dying.strikes() {
                // Killed before the commit: it never was, and nobody is told.
                return Ran { keep: false, reply: Box::new(|_| ()) };
            }
            *lock(&told) = Some(changed);
            ran
        }))?;
        if let Some(changed) = lock(&wrote).take() {
            world.note(clock.us(), &format!("commit {changed}"));
            let _dead_from_here_on = fate.strikes_or_freezes();
        }
        Ok(())
    }
}

impl Doorway {
    /// A unit of work of another process: no effect of ours.
    fn elsewhere(&self, unit: impl FnOnce(&mut Ledger) + Send + 'static) {
        let job: Job = Box::new(|ledger| {
            unit(ledger.expect("a transaction"));
            Ran { keep: true, reply: Box::new(|_| ()) }
        });
        self.inner.submit(job).expect("inline");
    }
}

/// The carrier as the dialer reaches it.
struct Wire {
    world: Arc<Simulated>,
    fate: Arc<Fate>,
    clock: Arc<LifeClock>,
    account: usize,
    card: ContractCard,
    /// Law 1 is checked on the file itself, by another connection.
    reader: Arc<Mutex<Ledger>>,
}

impl Wire {
    /// Before and after a request: a dead process neither sends nor hears.
    async fn effect(&self) {
        if self.fate.strikes() {
            pending::<()>().await;
        }
    }

    async fn travel(&self) {
        tokio::time::sleep(Duration::from_millis(120)).await;
        self.effect().await;
    }
}

impl Carrier for Wire {
    /// Whoever set this machine's clock set it right: a step is explained at once.
    fn hello(&self) -> Boxed<'_, Result<Hello, AskFault>> {
        let date = Some(self.clock.wall());
        Box::pin(async move { Ok(Hello { date }) })
    }

    fn card(&self) -> &ContractCard {
        &self.card
    }

    fn place<'a>(&'a self, order: &'a Order) -> Boxed<'a, Result<Placed, PlaceFault>> {
        Box::pin(async move {
            self.effect().await;
            let row = lock(&self.reader).call(order.attempt.call()).expect("read");
            let durable = row.as_ref().map(|call| call.state);
            if durable != Some(State::Intent) {
                let text = format!("law 1: {} left before its intent was in the file ({durable:?})", order.attempt);
                self.world.book().broken.push(text);
            }
            // Where nobody set the wall clock.
            let late = row.is_some_and(|call| self.clock.wall() > call.started_at + limits::SEND_WINDOW);
            if late && self.clock.step_ms.load(Ordering::SeqCst) == 0 {
                self.world.book().broken.push(format!("row 13: {} left after its send window", order.attempt));
            }
            let (_, named) = order.status_url.rsplit_once('/').expect("a path");
            let attempt = token::verify(&KEY, named).expect("the token in the URL names the attempt");
            let reply = self.world.order(self.clock.us(), self.clock.wall(), self.account, attempt, order);
            self.effect().await;
            tokio::time::sleep(reply.after).await;
            self.effect().await;
            reply.answer
        })
    }

    fn fetch<'a>(&'a self, sid: &'a Sid) -> Boxed<'a, Result<RemoteCall, AskFault>> {
        Box::pin(async move {
            self.effect().await;
            self.travel().await;
            let answer = self.world.fetch(sid, self.clock.us());
            self.world.note(self.clock.us(), &format!("fetch {sid}: {answer:?}"));
            answer
        })
    }

    fn list<'a>(&'a self, query: ListQuery<'a>) -> Boxed<'a, Result<Listed, AskFault>> {
        Box::pin(async move {
            self.effect().await;
            self.travel().await;
            let answer = self.world.list(self.account, query, self.clock.us());
            let told = answer.as_ref().map(|listed| listed.calls.len());
            let to = query.to.map_or("all", |to| to.expose());
            self.world.note(self.clock.us(), &format!("list {to} since {}: {told:?}", query.since));
            answer
        })
    }

    fn end<'a>(&'a self, sid: &'a Sid, ending: Ending) -> Boxed<'a, Result<(), AskFault>> {
        Box::pin(async move {
            self.effect().await;
            let answer = self.world.end(sid, ending, self.clock.us());
            self.world.note(self.clock.us(), &format!("end {sid}: {answer:?}"));
            self.travel().await;
            answer
        })
    }
}

struct Scribe {
    world: Arc<Simulated>,
    clock: Arc<LifeClock>,
}

impl Watcher for Scribe {
    fn note(&self, note: &Note) {
        self.world.note(self.clock.us(), &format!("{note:?}"));
    }
}

/// Everything that outlives a process.
pub(super) struct World {
    pub scenario: Scenario,
    pub carrier: Arc<Simulated>,
    pub fate: Arc<Fate>,
    pub folder: PathBuf,
    pub step_ms: Arc<AtomicI64>,
    /// The world's time between lives, µs.
    pub us: u64,
    pub lives: u64,
    /// When each process began, µs.
    pub starts: Vec<u64>,
    /// Numbers on the suppression list, since when.
    pub suppressed: Arc<Mutex<BTreeMap<String, u64>>>,
    /// Campaigns that are paused, from and until.
    pub pauses: Arc<Mutex<Vec<(usize, u64, u64)>>>,
    /// Accounts that were stopped at some time.
    pub stopped: Arc<Mutex<BTreeMap<usize, u64>>>,
}

/// How a life ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// By itself.
    Done,
    /// Killed.
    Crashed,
    /// Not within the days that it had.
    Hung,
}

/// Longest life of one process in the world's time.
const LONGEST: Duration = Duration::from_secs(3 * 24 * 3_600);

impl World {
    pub fn ledger_path(&self) -> PathBuf {
        self.folder.join("ahoy.db")
    }

    pub fn wall(&self) -> Wall {
        Wall(self.scenario.epoch + (self.us / 1_000) as i64 + self.step_ms.load(Ordering::SeqCst))
    }

    pub fn open(&self) -> Ledger {
        Ledger::open(&self.ledger_path(), &OpenOptions { fresh_key: KEY, now: self.wall() }).expect("opens")
    }

    /// One process from its start to its end.
    pub fn live(&mut self) -> End {
        self.fate.revive();
        self.lives += 1;
        self.starts.push(self.us);
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
        let (end, us) = runtime.block_on(self.process());
        // Whatever still runs is gone with its memory here; the ledger's connection too.
        drop(runtime);
        self.us = us;
        self.carrier.note(us, &format!("process {}: {end:?}", self.lives));
        end
    }

    async fn process(&self) -> (End, u64) {
        let clock = Arc::new(LifeClock {
            epoch: self.scenario.epoch,
            began: Instant::now(),
            began_us: self.us,
            step_ms: Arc::clone(&self.step_ms),
        });
        let doorway = Arc::new(Doorway {
            inner: Inline::new(self.open()),
            fate: Arc::clone(&self.fate),
            world: Arc::clone(&self.carrier),
            clock: Arc::clone(&clock),
        });
        let reader = Arc::new(Mutex::new(Ledger::open_read_only(&self.ledger_path()).expect("opens")));
        let (stop, stopped) = watch::channel(Stop::No);
        let mut accounts = Vec::new();
        let mut loops = Vec::new();
        for (at, plans) in by_account(&self.scenario) {
            let (shared, told) = self.account(at, &plans, &clock, &doorway, &reader, &stopped);
            let plan = self.scenario.accounts[at];
            let mut desk =
                Desk::new(plans.len(), plan.calls_per_second, plan.max_live, self.scenario.drain, shared.boot());
            if begin(&shared, &mut desk).await.is_err() {
                return (End::Crashed, clock.us());
            }
            accounts.push(Arc::clone(&shared));
            loops.push(account_loop(shared, told, desk, stopped.clone()));
        }
        let facts = Arc::new(Facts::new(accounts, tokio::runtime::Handle::current(), Arc::default()));
        let driver = self.drive(Arc::clone(&clock), Arc::clone(&doorway), facts, stop);
        let work = async {
            let running: Vec<_> = loops.into_iter().map(tokio::spawn).collect();
            for task in running {
                task.await.expect("a loop does not panic");
            }
        };
        let end = tokio::select! {
            biased;
            () = self.fate.died.notified() => End::Crashed,
            () = work => End::Done,
            never = driver => match never {},
            () = tokio::time::sleep(LONGEST) => End::Hung,
        };
        (end, clock.us())
    }

    fn account(
        &self,
        at: usize,
        plans: &[&CampaignPlan],
        clock: &Arc<LifeClock>,
        doorway: &Arc<Doorway>,
        reader: &Arc<Mutex<Ledger>>,
        stop: &watch::Receiver<Stop>,
    ) -> (Arc<Shared>, mpsc::Receiver<Told>) {
        let card = ContractCard { kind: "simulated", ..crate::edge::carrier::twilio::CARD };
        let wire = Wire {
            world: Arc::clone(&self.carrier),
            fate: Arc::clone(&self.fate),
            clock: Arc::clone(clock),
            account: at,
            card,
            reader: Arc::clone(reader),
        };
        let entropy = u128::from(self.scenario.seed) << 64 | u128::from(self.lives) << 8 | at as u128;
        shared(SharedParts {
            clock: Arc::clone(clock) as Arc<dyn Clock>,
            ledger: LedgerHandle::new(Door(Arc::clone(doorway))),
            carrier: Arc::new(wire),
            account: account_name(at),
            campaigns: plans.iter().map(|plan| plan.campaign.clone()).collect(),
            owner: Uuid::from_u128(entropy),
            watcher: Arc::new(Scribe { world: Arc::clone(&self.carrier), clock: Arc::clone(clock) }),
            ring_timeout: RING,
            horizon: self.scenario.horizon,
            stop: stop.clone(),
            calls_dir: self.folder.join("calls"),
            seed: self.scenario.seed ^ (self.lives << 32) ^ at as u64,
        })
    }

    /// Turns the carrier's agenda into things that happen to this process.
    async fn drive(
        &self,
        clock: Arc<LifeClock>,
        doorway: Arc<Doorway>,
        facts: Arc<Facts>,
        stop: watch::Sender<Stop>,
    ) -> std::convert::Infallible {
        loop {
            for letter in self.carrier.turn(clock.us()) {
                match letter {
                    Letter::Deed(Deed::Stop { cancel }) => {
                        self.carrier.note(clock.us(), &format!("stop cancel={cancel}"));
                        stop.send_replace(if cancel { Stop::Cancel } else { Stop::Drain });
                    }
                    Letter::Deed(deed) => {
                        let (wall, us) = (clock.wall(), clock.us());
                        let hand = self.hand();
                        doorway.elsewhere(move |ledger| hand.perform(ledger, deed, us, wall));
                    }
                    letter => {
                        let (world, fate) = (Arc::clone(&self.carrier), Arc::clone(&self.fate));
                        let (clock, facts) = (Arc::clone(&clock), Arc::clone(&facts));
                        tokio::spawn(async move { deliver(&world, &fate, &clock, &facts, letter).await });
                    }
                }
            }
            let wait =
                self.carrier.next_at().map_or(LONGEST, |at| Duration::from_micros(at.saturating_sub(clock.us())));
            tokio::select! {
                biased;
                () = self.carrier.wake.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// The operator's hand, to be used with a ledger.
    pub fn hand(&self) -> Hand {
        Hand {
            carrier: Arc::clone(&self.carrier),
            fate: Arc::clone(&self.fate),
            step_ms: Arc::clone(&self.step_ms),
            suppressed: Arc::clone(&self.suppressed),
            pauses: Arc::clone(&self.pauses),
            campaigns: self.scenario.campaigns.iter().map(|plan| plan.campaign.name.clone()).collect(),
            accounts: self.scenario.accounts.len(),
            horizon: self.scenario.horizon,
        }
    }
}

/// Everything open from before is inherited, as at the start of a run.
async fn begin(shared: &Arc<Shared>, desk: &mut Desk<Target>) -> Result<(), LedgerFault> {
    let names: Vec<Slug> = shared.lines.all().iter().map(|line| line.campaign.name.clone()).collect();
    let (account, now) = (shared.account.clone(), shared.wall());
    let unit = shared.ledger.run(move |ledger| {
        for name in &names {
            ledger.reopen_barred(name, now)?;
        }
        Ok::<_, LedgerFault>((ledger.open_attempts(Some(&account))?, ledger.account_stop(&account)?))
    });
    let (open, stopped) = unit.await?;
    for entry in open.into_iter().filter(|entry| entry.state.is_open()) {
        lock(&shared.active).insert(entry.attempt, Active { streamed: true, answered: true, line: None });
        desk.handle(shared.boot(), Event::Inherited(entry.attempt));
    }
    if let Some(why) = stopped {
        desk.handle(shared.boot(), Event::AccountStopped);
        lock(&shared.seen).account = Some(why);
    }
    Ok(())
}
