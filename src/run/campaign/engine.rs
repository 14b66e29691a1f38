//! The engine of a workspace: it holds the dial lock, the gateway and the accounts, and runs are added to it.
//!
//! One path for a first start, a restart and a start after `kill -9`: lock, ledger, gateway; then, with the first
//! campaign of an account, its carrier and everything that is open there from before. A run is some campaigns that one
//! person or cron wants called; it is over when its own work is done, whatever else the engine does.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

use super::facts::Facts;
use super::hand::{limit, obey};
use super::hub::Hub;
use super::order::Orders;
use super::registers;
use super::report::{RunReport, report};
use super::rules;
use super::setup::{
    AccountSetup, check_rules, check_start, line, open_ledger, refuse_missing_greetings, refuse_stopped, reopen,
};
use super::{Shared, Told, Urls, account_loop, ledger_failure, lock};
use crate::base::{Exit, Failure, Slug, Wall};
use crate::core::config::{Campaign, CarrierKind};
use crate::core::dial::desk::{Event, Stop};
use crate::core::dial::note::{Note, Watcher};
use crate::edge::gateway::guard::Bounds;
use crate::run::agent::Agents;
use crate::run::carriers::{self, OpenCarrier};
use crate::run::clock::Clock;
use crate::run::clone::Cloner;
use crate::run::gateway::{self, CallDesk, GatewayHandle, GatewayOptions, Registry};
use crate::run::ledger::LedgerHandle;
use crate::run::metrics::Metrics;
use crate::run::pbx::{self, Attached};
use crate::run::reconcile::{check_before_dialing, stranded};
use crate::run::render::{VoiceKit, late, load_kit};
use crate::run::writings::Pens;
use crate::store::ledger::Ledger;
use crate::store::ledger::lock::{DialLock, Holder};
use crate::store::ledger::writer::Writer;
use crate::store::workspace::Workspace;

/// How a run is to be done.
pub struct RunOptions {
    /// Which campaigns.
    pub campaigns: Vec<Campaign>,
    /// End when nothing is due now and nothing is live (cron), instead of waiting for retries.
    pub drain: bool,
    /// Seed of all chance.
    pub seed: u64,
    /// Who watches.
    pub watcher: Arc<dyn Watcher>,
    /// The operator's hand.
    pub stop: watch::Receiver<Stop>,
    /// End within this time: nobody new towards its end, nobody left ringing 5 s before, everything reconcilable.
    pub max_runtime: Option<Duration>,
}

/// How an engine is started.
pub struct EngineOptions {
    /// What it is started for, for whoever finds the lock taken: campaigns' names, or `serve`.
    pub label: String,
    /// Seed of all chance.
    pub seed: u64,
    /// Who hears what the start has to say.
    pub watcher: Arc<dyn Watcher>,
    /// The hand on everything that runs here.
    pub stop: watch::Receiver<Stop>,
}

/// A running engine. Dropping it closes the gateway; what is open is in the ledger.
pub struct Engine {
    pub(super) setup: AccountSetup,
    pub(super) facts: Arc<Facts>,
    hub: Arc<Hub>,
    pub(super) gateway: Mutex<Option<GatewayHandle>>,
    pub(super) accounts: tokio::sync::Mutex<BTreeMap<String, Account>>,
    pub(super) agents: Agents,
    pub(super) orders: Orders,
    pub(super) cloner: Mutex<Option<Arc<Cloner>>>,
    /// Campaigns that run now, and since when.
    running: Arc<Mutex<BTreeMap<Slug, Wall>>>,
    /// It ends: nothing is added any more.
    closing: AtomicBool,
    lock: Mutex<Option<DialLock>>,
}

pub(super) struct Account {
    pub(super) shared: Arc<Shared>,
    pub(super) carrier: OpenCarrier,
    task: tokio::task::JoinHandle<Stop>,
    /// An Asterisk's tasks, where it is one: until the last stream is over.
    attached: Option<Attached>,
}

/// Campaigns on their way, called for one terminal.
pub struct Run {
    pub(super) campaigns: Vec<Campaign>,
    pub(super) started: Wall,
    pub(super) lines: Vec<(Arc<Shared>, usize)>,
    pub(super) out_of_time: AtomicBool,
    pub(super) watcher: Arc<dyn Watcher>,
    names: Names,
}

/// Campaigns marked as running, until this is dropped.
struct Names {
    names: Vec<Slug>,
    running: Arc<Mutex<BTreeMap<Slug, Wall>>>,
    released: AtomicBool,
}

impl Names {
    /// They may run again.
    fn release(&self) {
        // Once only: they may be another run's by the time that this is dropped.
        if self.released.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut running = lock(&self.running);
        for name in &self.names {
            running.remove(name);
        }
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.release();
    }
}

impl Engine {
    /// Takes the workspace's lock and ledger and opens the gateway. Nobody is called until a run is added.
    pub async fn start(ws: &Workspace, clock: Arc<dyn Clock>, options: EngineOptions) -> Result<Engine, Failure> {
        let holder = Holder { pid: std::process::id(), campaign: options.label, since: clock.wall() };
        let held = DialLock::take(&ws.ledger_path(), &holder)?;
        let mut ledger = open_ledger(ws, clock.wall())?;
        ledger.check_suppression_key()?;
        check_start(ws, &mut ledger, &*options.watcher)?;
        for (account, attempts) in stranded(ws, &ledger.open_attempts(None)?)? {
            options.watcher.note(&Note::Say(format!(
                "{attempts} open attempts of {account}, which no carrier of ahoy.toml has: their people are not called; \
                 `ahoy reconcile --carrier NAME` asks about them"
            )));
        }
        let token_key = *ledger.token_key();
        let writer = Writer::start(ledger).map_err(|fault| ledger_failure(&fault))?;
        let ledger = LedgerHandle::new(writer);
        let registry = Registry::default();
        let metrics: Arc<Metrics> = Arc::default();
        let facts = Arc::new(Facts::new(Vec::new(), tokio::runtime::Handle::current(), Arc::clone(&metrics)));
        let gateway = gateway::start(
            GatewayOptions {
                listen: ws.config.listen,
                public_url: ws.config.public_url.clone(),
                auth_tokens: Vec::new(),
                token_key,
                calls_dir: ws.calls_dir(),
                bounds: Bounds::default(),
                quiet: false,
            },
            Arc::clone(&facts) as Arc<dyn CallDesk>,
            registry.clone(),
            Arc::clone(&clock),
        )?;
        let hub = Arc::new(Hub::default());
        let urls = Urls { stream: gateway.stream_url(), status: gateway.status_url("") };
        let watcher = Arc::clone(&hub) as Arc<dyn Watcher>;
        let (stop, seed, room) = (options.stop, options.seed, Mutex::new(gateway.room()));
        let setup = AccountSetup { clock, ledger, token_key, registry, urls, watcher, stop, seed, metrics, room };
        let accounts = tokio::sync::Mutex::default();
        Ok(Engine {
            setup,
            facts,
            hub,
            gateway: Mutex::new(Some(gateway)),
            accounts,
            agents: Agents::default(),
            orders: Orders::default(),
            cloner: Mutex::default(),
            running: Arc::default(),
            closing: AtomicBool::new(false),
            lock: Mutex::new(Some(held)),
        })
    }

    /// Adds campaigns; the run that comes back is theirs alone. A campaign that runs here already is refused (exit 11).
    pub async fn add(&self, ws: &Workspace, options: RunOptions) -> Result<Arc<Run>, Failure> {
        let started = self.setup.clock.wall();
        check_rules(ws, &options.campaigns)?;
        for warning in rules::refuse_by_rule(ws, &options.campaigns, started)? {
            options.watcher.note(&Note::Say(warning));
        }
        let (place, asked) = (ws.clone(), options.campaigns.clone());
        // Reads as many leads as it must, beside the writer: nothing else waits for it.
        let read = tokio::task::spawn_blocking(move || registers::refuse_stale(&place, &asked, started));
        read.await.map_err(|error| Failure::bug(format!("the look at the registers died: {error}")))??;
        let kits = options.campaigns.iter().map(|campaign| load_kit(ws, campaign)).collect::<Result<Vec<_>, _>>()?;
        let names = self.reserve(&options.campaigns, started)?;
        let (asked, place) = (options.campaigns.clone(), ws.clone());
        let checks = move |ledger: &mut Ledger| {
            refuse_stopped(ledger, &asked)?;
            refuse_missing_greetings(&place, ledger, &asked)?;
            rules::begin(ledger, &asked, started).map_err(|fault| ledger_failure(&fault))
        };
        self.setup.ledger.run(checks).await?;
        let watcher = Arc::clone(&options.watcher);
        self.hub.join(Some(names.names.clone()), Arc::clone(&watcher));
        let added =
            self.add_lines(ws, options.campaigns.iter().cloned().zip(kits), Added::Run { drain: options.drain }).await;
        let lines = match added {
            Ok(lines) => lines,
            Err(failure) => {
                self.hub.leave(&watcher);
                return Err(failure);
            }
        };
        let out_of_time = AtomicBool::new(false);
        let run = Arc::new(Run { campaigns: options.campaigns, started, lines, out_of_time, watcher, names });
        tokio::spawn(obey(Arc::clone(&run), options.stop));
        if let Some(span) = options.max_runtime {
            tokio::spawn(limit(Arc::downgrade(&run), Arc::clone(&self.setup.clock), span));
        }
        Ok(run)
    }

    fn reserve(&self, campaigns: &[Campaign], now: Wall) -> Result<Names, Failure> {
        let mut running = lock(&self.running);
        if self.closing.load(Ordering::Acquire) {
            return Err(Failure::new(Exit::Locked, "the engine of this workspace is ending").next("run it again"));
        }
        for campaign in campaigns {
            if let Some(since) = running.get(&campaign.name) {
                let pid = std::process::id();
                let what = format!("campaign {} runs already in process {pid} (since {since})", campaign.name);
                return Err(Failure::new(Exit::Locked, what)
                    .next("watch it with `ahoy campaign status`, or end it with `ahoy campaign stop`"));
            }
        }
        let names: Vec<Slug> = campaigns.iter().map(|campaign| campaign.name.clone()).collect();
        running.extend(names.iter().map(|name| (name.clone(), now)));
        Ok(Names { names, running: Arc::clone(&self.running), released: AtomicBool::new(false) })
    }

    async fn add_lines(
        &self,
        ws: &Workspace,
        campaigns: impl Iterator<Item = (Campaign, VoiceKit)>,
        added: Added,
    ) -> Result<Vec<(Arc<Shared>, usize)>, Failure> {
        // Everything that can fail comes first: a run starts whole or not at all.
        let mut ready = Vec::new();
        let mut accounts = self.accounts.lock().await;
        for (campaign, kit) in campaigns {
            let (name, carrier) = (campaign.name.clone(), campaign.carrier.clone());
            let late = late::open(ws, &campaign, &kit)?;
            let agent = self.agents.of(ws, &campaign)?;
            if campaign.quota.spend.is_some() && agent.as_ref().is_some_and(|agent| !agent.has_price()) {
                let what = "[limits] spend cannot hold: no price is known for the model of its agent";
                return Err(Failure::usage(ws.campaign_fault(&campaign, "limits.spend", what))
                    .next("name a model that `ahoy cost models` knows, or bound minutes instead"));
            }
            let pens = Pens::open(ws, &campaign.after)?.listening(ws, campaign.machines.words.as_deref())?;
            let mut line = line(campaign, kit, late, agent, pens)?;
            line.by_order = added == Added::ForOrders;
            if !accounts.contains_key(&carrier) {
                let opened = self.open(ws, &carrier, &accounts).await?;
                accounts.insert(carrier.clone(), opened);
            }
            let shared = Arc::clone(&accounts[&carrier].shared);
            // A stop that was lifted while nothing ran here, or a carrier that may be there again.
            shared.lift_stop(true).await;
            if let Some(fault) = lock(&shared.seen).ledger_failed.clone() {
                return Err(
                    Failure::bug(format!("this engine's ledger failed: {fault}")).next("let it end, and start again")
                );
            }
            // The embedded carrier reaches nobody, and forgets with its process.
            let config = &ws.config.carriers[&carrier];
            if !matches!(config.kind, CarrierKind::Sim(_)) {
                let callers = line.campaign.callers.iter().cloned().collect();
                if let Some(words) = check_before_dialing(&shared.asker, &callers, config.shared_callers).await? {
                    shared.watcher.note_of(&name, &Note::Say(words));
                }
            }
            let opening = reopen(&self.setup.ledger, &name, self.setup.clock.wall()).await?;
            let limits = &ws.config.carriers[&carrier];
            let begin = Note::Begin {
                carrier,
                campaigns: vec![opening],
                inherited: 0,
                calls_per_second: limits.calls_per_second,
                most_live: u64::from(limits.max_live_calls),
            };
            ready.push((shared, line, begin));
        }
        let mut lines = Vec::new();
        for (shared, line, begin) in ready {
            let name = line.campaign.name.clone();
            let at = shared.lines.push(Arc::new(line));
            shared.watcher.note_of(&name, &begin);
            let weight = shared.line(at).campaign.weight;
            shared
                .desk(match added {
                    Added::Run { drain } => Event::Added { campaign: at, drain },
                    Added::ForOrders => Event::AddedForOrders { campaign: at },
                })
                .await;
            shared.desk(Event::Weight(at, weight)).await;
            lines.push((shared, at));
        }
        Ok(lines)
    }

    /// Opens a campaign for calls that are asked for one by one.
    pub(super) async fn open_for_orders(
        &self,
        ws: &Workspace,
        campaign: Campaign,
    ) -> Result<(Arc<Shared>, usize), Failure> {
        let (started, asked) = (self.setup.clock.wall(), vec![campaign.clone()]);
        check_rules(ws, &asked)?;
        for warning in rules::refuse_by_rule(ws, &asked, started)? {
            self.hub.note_of(&campaign.name, &Note::Say(warning));
        }
        let (place, wanted) = (ws.clone(), campaign.clone());
        let kit = tokio::task::spawn_blocking(move || load_kit(&place, &wanted)).await;
        let kit = kit.map_err(|error| Failure::bug(format!("the look at the phrases died: {error}")))??;
        let begin = move |ledger: &mut Ledger| {
            refuse_stopped(ledger, &asked)?;
            rules::begin(ledger, &asked, started).map_err(|fault| ledger_failure(&fault))
        };
        self.setup.ledger.run(begin).await?;
        let lines = self.add_lines(ws, std::iter::once((campaign, kit)), Added::ForOrders).await?;
        Ok(lines.into_iter().next().expect("one campaign, one line"))
    }

    pub(super) async fn open(
        &self,
        ws: &Workspace,
        carrier: &str,
        others: &BTreeMap<String, Account>,
    ) -> Result<Account, Failure> {
        let carrier = carriers::open(ws, carrier, Arc::clone(&self.setup.clock)).await?;
        if let Some(other) = others.values().find(|other| other.carrier.account == carrier.account) {
            return Err(one_account_twice(&other.carrier.name, &carrier));
        }
        if let Some(gateway) = &*lock(&self.gateway) {
            for trusted in &carrier.trusted {
                gateway.trust(trusted.clone());
            }
        }
        let streams = lock(&self.gateway).as_ref().map(GatewayHandle::streams);
        let attached = pbx::attach_to(ws, &carrier, streams, &self.setup.clock).await?;
        let (shared, inbox, desk) = self.setup.make(ws, &carrier).await?;
        let (pid, now) = (std::process::id(), self.setup.clock.wall());
        self.setup.ledger.run(move |ledger| ledger.begin_dialing(pid, now)).await.map_err(|it| ledger_failure(&it))?;
        self.facts.add(Arc::clone(&shared));
        let task = tokio::spawn(account_loop(Arc::clone(&shared), inbox, desk, self.setup.stop.clone()));
        Ok(Account { shared, carrier, task, attached })
    }

    /// Waits until a run is over, and says what it came to.
    pub async fn wait(&self, run: &Arc<Run>) -> Result<RunReport, Failure> {
        for (shared, at) in &run.lines {
            let mut over = shared.line(*at).over.subscribe();
            // The line holds the sender: it cannot be gone.
            let _over = over.wait_for(|over| *over).await;
        }
        let stopped = run.stopped();
        if stopped < Stop::Exit {
            self.wait_for_streams(run).await;
            super::after::last_look(run).await;
        }
        let mut report = report(&self.setup.ledger, run, self.setup.clock.wall(), stopped).await?;
        for account in self.accounts.lock().await.values() {
            if run.lines.iter().any(|(shared, _)| Arc::ptr_eq(shared, &account.shared)) && account.carrier.sim.is_some()
            {
                report.sim_log = account.carrier.sim_log.clone();
            }
        }
        self.hub.leave(&run.watcher);
        run.names.release();
        Ok(report)
    }

    /// The last streams of a run write their logs and tell what they heard; a carrier that keeps a socket open is not
    /// waited for long.
    async fn wait_for_streams(&self, run: &Run) {
        for _ in 0..250 {
            let sounding = |(shared, at): &(Arc<Shared>, usize)| {
                lock(&shared.streams).values().any(|line| line.is_none_or(|line| line == *at))
            };
            if !run.lines.iter().any(sounding) {
                return;
            }
            self.setup.clock.sleep(Duration::from_millis(20)).await;
        }
    }

    /// Campaigns that run now.
    pub fn running(&self) -> Vec<Slug> {
        lock(&self.running).keys().cloned().collect()
    }

    /// Who is told of everything until it leaves.
    pub(crate) fn hub(&self) -> &Hub {
        &self.hub
    }

    /// The clock of everything here.
    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.setup.clock
    }

    /// Waits until no run is left; from then on none can be added.
    pub async fn idle(&self) {
        loop {
            {
                let running = lock(&self.running);
                if running.is_empty() {
                    self.closing.store(true, Ordering::Release);
                    return;
                }
            }
            self.setup.clock.sleep(Duration::from_millis(50)).await;
        }
    }

    /// The operator's word about campaigns that run here, from another terminal. The ledger has it already.
    pub async fn told(&self, campaigns: &[Slug], word: Word) {
        let accounts: Vec<Arc<Shared>> =
            self.accounts.lock().await.values().map(|account| Arc::clone(&account.shared)).collect();
        for shared in accounts {
            for campaign in campaigns {
                // Orders look into the ledger one by one: a pause needs no word to them.
                let running = shared.line_of(campaign);
                match (word, running) {
                    (Word::Pause, Some(at)) => shared.desk(Event::Paused(at, true)).await,
                    (Word::Resume, _) => {
                        shared.lift_stop(true).await;
                        if let Some(at) = running {
                            shared.desk(Event::Paused(at, false)).await;
                        }
                    }
                    (Word::Stop(stop), _) => {
                        for at in shared.lines_of(campaign) {
                            shared.stop_line(at, stop).await;
                            shared.note_of(Some(at), &Note::Stopping(stop));
                        }
                    }
                    (Word::Pause, None) => {}
                }
            }
        }
    }

    /// Ends an engine whose runs are over.
    pub async fn finish(&self) -> Result<(), Failure> {
        self.closing.store(true, Ordering::Release);
        let stopped = *self.setup.stop.borrow();
        let accounts = std::mem::take(&mut *self.accounts.lock().await);
        for account in accounts.values() {
            account.shared.stays.store(false, Ordering::Release);
            account.shared.tell(Told::Look).await;
        }
        let (mut sims, mut attached) = (Vec::new(), Vec::new());
        for account in accounts.into_values() {
            account.task.await.map_err(|error| Failure::bug(format!("a campaign's loop died: {error}")))?;
            sims.extend(account.carrier.sim);
            attached.extend(account.attached);
        }
        let gateway = lock(&self.gateway).take();
        if let Some(gateway) = gateway
            && stopped < Stop::Exit
        {
            gateway.stop().await;
            // Otherwise it is dropped: the third Ctrl-C waits for nothing, and what is open is in the ledger.
        }
        drop(attached);
        for sim in sims {
            sim.stop().await;
        }
        if stopped < Stop::Exit {
            self.setup.ledger.run(Ledger::clean_end).await.map_err(|fault| ledger_failure(&fault))?;
        }
        drop(lock(&self.lock).take());
        Ok(())
    }
}

/// What a campaign is added for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Added {
    /// A run: all its leads, to the end of what is due now if `drain`.
    Run { drain: bool },
    /// Calls that are asked for one by one.
    ForOrders,
}

/// Two loops would each keep the pace and the cap of one account, and together break both.
fn one_account_twice(other: &str, carrier: &OpenCarrier) -> Failure {
    Failure::usage(format!(
        "carriers `{other}` and `{}` of ahoy.toml are one account ({})",
        carrier.name, carrier.account
    ))
    .next("let the campaigns that run together name one of them")
}

/// What an operator says about a running campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// Call nobody new for now.
    Pause,
    /// Go on, and let the account dial again.
    Resume,
    /// Stop this far.
    Stop(Stop),
}

/// Runs campaigns to their end, in an engine of their own that no other terminal can reach.
pub async fn run(ws: &Workspace, clock: Arc<dyn Clock>, options: RunOptions) -> Result<RunReport, Failure> {
    check_rules(ws, &options.campaigns)?;
    let engine = Engine::start(ws, clock, EngineOptions::of(&options)).await?;
    let result = engine.run(ws, options).await;
    let ended = engine.finish().await;
    let report = result?;
    ended?;
    Ok(report)
}

impl EngineOptions {
    /// For an engine that is started for this run.
    pub fn of(options: &RunOptions) -> EngineOptions {
        let names: Vec<&str> = options.campaigns.iter().map(|campaign| campaign.name.as_str()).collect();
        let watcher = Arc::clone(&options.watcher);
        EngineOptions { label: names.join(", "), seed: options.seed, watcher, stop: options.stop.clone() }
    }
}

impl Engine {
    /// The run that this engine was started for: the hand is on the engine, so it needs none of its own.
    pub async fn run(&self, ws: &Workspace, options: RunOptions) -> Result<RunReport, Failure> {
        let run = self.add(ws, RunOptions { stop: watch::channel(Stop::No).1, ..options }).await?;
        self.wait(&run).await
    }
}
