//! Campaigns, run: one loop per carrier account. The desk (`core/dial/desk`) decides; this room performs, and tells it
//! what happened. Everything that must outlive this process is in the ledger before it is acted on.

mod account;
#[cfg(test)]
mod account_tests;
mod after;
mod attempt;
mod desks;
mod engine;
mod facts;
mod hand;
pub(crate) mod hub;
mod late;
mod order;
mod plan;
mod refill;
mod registers;
mod report;
mod rules;
#[cfg(test)]
mod rules_tests;
mod setup;
#[cfg(test)]
mod simulator;
mod sweep;
#[cfg(test)]
mod tests;
mod view;
mod wishes;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use crate::base::{AttemptId, Boot, Failure, Language, LeadId, Phone, Slug, Wall};
use crate::core::agent::Prompt;
use crate::core::call::CallScript;
use crate::core::config::Campaign;
use crate::core::dial::desk::{Candidate, Command, Desk, Event, Stop};
use crate::core::dial::note::{Note, Watcher};
use crate::core::dial::{Outcome, Verdict, VerdictPolicy};
use crate::core::wire::token::TokenKey;
use crate::edge::carrier::{Carrier, Ending};
use crate::run::agent::AgentDoor;
use crate::run::asking::Asker;
use crate::run::clock::Clock;
use crate::run::gateway::Registry;
use crate::run::ledger::LedgerHandle;
use crate::run::metrics::Metrics;
use crate::run::render::VoiceKit;
use crate::run::writings::Pens;
use crate::store::ledger::{LedgerFault, Settled};
use late::LateGreeting;

pub(crate) use attempt::{document, mint};
pub use desks::DeskLook;
pub use engine::{Engine, EngineOptions, Run, RunOptions, Word, run};
pub(crate) use facts::note_of;
pub(crate) use order::{Ordered, consent_of};
pub use plan::{CampaignPlan, plan};
pub use refill::judge;
pub use registers::StaleRegister;
pub use report::RunReport;
pub use rules::{findings_of, narrow, refuse_by_rule, set_aside};
pub use setup::{check_rules, open_ledger};
pub(crate) use setup::{message, script};
pub(crate) use view::Halt;

/// Between two looks at the open attempts.
const SWEEP_EVERY: Duration = Duration::from_millis(500);
/// Events waiting for the loop; tasks wait when it is full.
const INBOX: usize = 1_024;

/// One campaign in a run.
pub(crate) struct Line {
    pub campaign: Campaign,
    pub kit: VoiceKit,
    /// What a call plays, per language, encoded once.
    pub scripts: BTreeMap<Language, Arc<CallScript>>,
    /// The same with the greeting that names the lead, by language and words.
    pub named: BTreeMap<(Language, String), Arc<CallScript>>,
    /// Greetings that are rendered in this run.
    pub late: BTreeMap<Language, Arc<LateGreeting>>,
    /// Who takes the line after the greeting; `None` = nobody.
    pub agent: Option<Arc<AgentDoor>>,
    /// Who writes its calls down.
    pub pens: Arc<Pens>,
    pub policy: VerdictPolicy,
    /// What it came to, for its run's exit code.
    pub tally: Mutex<Tally>,
    /// Its calls are asked for one by one; no run of the campaign is meant by it.
    pub by_order: bool,
    /// How far its own run was asked to stop; the account's whole stop comes on top.
    hand: Mutex<Stop>,
    /// True once nothing of it is due or live.
    over: watch::Sender<bool>,
}

/// What one campaign came to in a run.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tally {
    pub faults: u64,
    pub window_closed: bool,
    pub attempts: u64,
    /// Attempts whose own greeting was not ready: the plain one was played.
    pub plain: u64,
}

/// The campaigns of an account. They are added while it runs and never removed: an index stays good for ever.
#[derive(Default)]
pub(crate) struct Lines(RwLock<Vec<Arc<Line>>>);

impl Lines {
    fn get(&self, at: usize) -> Arc<Line> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)[at])
    }

    fn all(&self) -> Vec<Arc<Line>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Adds a campaign; gives its index.
    pub fn push(&self, line: Arc<Line>) -> usize {
        let mut lines = self.0.write().unwrap_or_else(PoisonError::into_inner);
        lines.push(line);
        lines.len() - 1
    }
}

impl FromIterator<Line> for Lines {
    fn from_iter<T: IntoIterator<Item = Line>>(lines: T) -> Lines {
        Lines(RwLock::new(lines.into_iter().map(Arc::new).collect()))
    }
}

impl Line {
    pub fn new(
        campaign: Campaign,
        kit: VoiceKit,
        scripts: BTreeMap<Language, Arc<CallScript>>,
        policy: VerdictPolicy,
    ) -> Line {
        let (hand, tally, over) = (Mutex::new(Stop::No), Mutex::default(), watch::channel(false).0);
        let (named, late, agent, by_order) = (BTreeMap::new(), BTreeMap::new(), None, false);
        let pens = Arc::default();
        Line { campaign, kit, scripts, named, late, agent, pens, policy, tally, by_order, hand, over }
    }

    /// How far its own run was asked to stop.
    pub fn stop(&self) -> Stop {
        *lock(&self.hand)
    }
}

/// Where the carrier reaches us.
#[derive(Debug, Clone)]
pub(crate) struct Urls {
    /// The media socket.
    pub stream: String,
    /// Status callbacks: the attempt's token follows.
    pub status: String,
}

/// What the runner keeps with a candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub phone: Phone,
    pub caller: Phone,
    /// The language that is heard.
    pub language: Language,
    /// The words of the greeting that names the lead, if the campaign has one.
    pub words: Option<String>,
    /// What its agent is told to do, if the campaign has one with a prompt.
    pub prompt: Option<Prompt>,
    /// Whoever asked for this one call and waits for the answer.
    pub order: Option<order::Seat>,
}

/// A call in the hands of this process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Active {
    /// Its media stream opened.
    pub streamed: bool,
    /// The carrier reported an answer.
    pub answered: bool,
    /// Index of its campaign; none if it is from before this run, and of a campaign that does not run.
    pub line: Option<usize>,
}

/// Everything that the tasks of one account share.
pub(crate) struct Shared {
    pub clock: Arc<dyn Clock>,
    pub ledger: LedgerHandle,
    pub carrier: Arc<dyn Carrier>,
    /// The carrier's name and account id: attempts and stops hang on it.
    pub account: String,
    pub lines: Lines,
    pub registry: Registry,
    pub urls: Urls,
    pub token_key: TokenKey,
    /// Where call logs lie.
    pub calls_dir: PathBuf,
    pub owner: Uuid,
    pub watcher: Arc<dyn Watcher>,
    pub ring_timeout: Duration,
    /// Asks the carrier about what is open; knows the horizon.
    pub asker: Arc<Asker>,
    pub inbox: mpsc::Sender<Told>,
    pub active: Mutex<HashMap<AttemptId, Active>>,
    /// Leads handed out by the desk whose claim is not decided yet.
    pub pending: Mutex<HashSet<LeadId>>,
    /// The operator's hand on the whole account.
    pub stop: watch::Receiver<Stop>,
    /// The loop stays when its campaigns are over: others may be added.
    pub stays: AtomicBool,
    /// Live streams that have begun to sound, with their campaign.
    pub streams: Mutex<HashMap<AttemptId, Option<usize>>>,
    /// Campaigns that were paused at the last look.
    pub paused: Mutex<HashSet<usize>>,
    /// One round of questions at a time.
    pub sweeping: tokio::sync::Mutex<()>,
    /// One look at recordings at a time.
    pub fetching: tokio::sync::Mutex<()>,
    /// One look at transcripts and summaries at a time.
    pub writing: tokio::sync::Mutex<()>,
    /// Calls in hand that were over in the ledger at the last look.
    pub gone: Mutex<BTreeSet<AttemptId>>,
    /// What this run has seen, for its exit code.
    pub seen: Mutex<Seen>,
    /// The account's health: breaker, resting numbers, clocks.
    pub health: account::Health,
    pub random: Mutex<fastrand::Rng>,
    /// What this process has done so far.
    pub metrics: Arc<Metrics>,
}

/// What decides the exit code.
#[derive(Debug, Default, Clone)]
pub(crate) struct Seen {
    pub account: Option<String>,
    pub ledger_failed: Option<String>,
    /// The carrier could not be reached: nobody new is called in this run.
    pub unreachable: bool,
    /// Calls per second of the account.
    pub pace: f64,
    /// Campaigns under the brake, and when they last got a lead.
    pub slow: HashMap<usize, Boot>,
    /// It was said that callbacks come about attempts of another ledger.
    pub orphan_told: bool,
    /// This machine's clock is not believed.
    pub clock: bool,
    /// Campaigns without a number to call from: the carrier refuses them all.
    pub callers_out: HashSet<usize>,
}

/// What a task tells the loop.
#[derive(Debug)]
pub(crate) enum Told {
    /// For the desk.
    Desk(Event<Target>),
    /// A claim was decided: the lead is no longer pending.
    Decided(LeadId),
    /// The ledger cannot be written: stop dialing, keep live calls.
    LedgerFailed(LedgerFault),
    /// Something outside the desk changed: look again.
    Look,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub async fn tell(&self, told: Told) {
        // The loop drops its end only when the run is over; what comes later is in the ledger.
        let _loop_is_gone = self.inbox.send(told).await.is_err();
    }

    /// Longest time from an order to the end of its call.
    fn longest_call(&self) -> Duration {
        let talk = self.lines.all().iter().map(|line| line.campaign.max_call).max().unwrap_or_default();
        self.ring_timeout + talk + Duration::from_secs(10)
    }

    /// A campaign of this account.
    pub fn line(&self, at: usize) -> Arc<Line> {
        self.lines.get(at)
    }

    /// The index of a campaign that runs here now.
    pub fn line_of(&self, campaign: &Slug) -> Option<usize> {
        // A campaign that ran twice in the life of an engine has two lines; the later one is alive.
        self.lines.all().iter().rposition(|line| !line.by_order && line.campaign.name == *campaign)
    }

    /// Every line of a campaign: its runs, and its calls that are asked for one by one.
    pub fn lines_of(&self, campaign: &Slug) -> Vec<usize> {
        let lines = self.lines.all().into_iter().enumerate();
        lines.filter(|(_, line)| line.campaign.name == *campaign).map(|(at, _)| at).collect()
    }

    /// How far a campaign is to stop: by its own run, or with everything.
    pub fn stop_of(&self, line: &Line) -> Stop {
        line.stop().max(*self.stop.borrow())
    }

    /// Asks one campaign to stop. Only gets firmer.
    pub async fn stop_line(&self, at: usize, stop: Stop) {
        let line = self.line(at);
        {
            let mut hand = lock(&line.hand);
            *hand = (*hand).max(stop);
        }
        self.desk(Event::StopLine(at, stop)).await;
    }

    /// Tells whoever watches the campaign of an attempt.
    pub fn note(&self, attempt: AttemptId, note: &Note) {
        let line = lock(&self.active).get(&attempt).and_then(|active| active.line);
        self.note_of(line, note);
    }

    /// Tells whoever watches a campaign; all, if it is not known whose it is.
    pub fn note_of(&self, line: Option<usize>, note: &Note) {
        match line {
            Some(at) => self.watcher.note_of(&self.line(at).campaign.name, note),
            None => self.watcher.note(note),
        }
    }

    pub async fn desk(&self, event: Event<Target>) {
        self.tell(Told::Desk(event)).await;
    }

    pub fn wall(&self) -> Wall {
        self.clock.wall()
    }

    pub fn boot(&self) -> Boot {
        self.clock.boot()
    }

    /// A ledger failure seen by any task: dialing stops, and the run ends with exit code 1.
    pub async fn ledger_failed(&self, fault: LedgerFault) {
        self.tell(Told::LedgerFailed(fault)).await;
    }

    /// Acts on what the attempt machine decided.
    pub async fn settled(self: &Arc<Self>, settled: Settled) {
        if settled.stray {
            tracing::debug!(attempt = %settled.attempt, state = %settled.state, "an input that the table does not list");
        }
        for alarm in &settled.alarms {
            self.note(settled.attempt, &Note::Say(format!("alarm: {} (attempt {})", alarm.as_str(), settled.attempt)));
            if let Some(kind) = alarm.stop() {
                self.stop_account(kind, alarm.as_str(), vec![settled.attempt]).await;
            }
        }
        if let Some(sid) = settled.end_call.clone() {
            let shared = Arc::clone(self);
            tokio::spawn(async move {
                if let Err(fault) = shared.carrier.end(&sid, Ending::HangUp).await {
                    tracing::warn!(%sid, %fault, "a call that must end could not be ended");
                }
            });
        }
        if settled.state.is_open() && !settled.before.is_open() {
            // A call surfaced that we had released: it is live until it ends, and it ends at once, unheard.
            self.desk(Event::Inherited(settled.attempt)).await;
        }
        let closed = !settled.state.is_open();
        if closed && settled.before.is_open() {
            self.closed(&settled).await;
        }
    }

    async fn closed(self: &Arc<Self>, settled: &Settled) {
        let attempt = settled.attempt;
        let outcome = settled.outcome.unwrap_or(Outcome::Failed);
        let active = lock(&self.active).remove(&attempt);
        let heard = outcome.heard(active.map(|active| active.streamed));
        if heard != outcome {
            self.note_unheard(attempt).await;
        }
        let outcome = heard;
        self.metrics.ended(outcome);
        self.weigh_end(attempt, outcome).await;
        let line = active.and_then(|active| active.line);
        if let Some(at) = line
            && outcome.is_fault()
        {
            lock(&self.line(at).tally).faults += 1;
        }
        self.registry.forget(attempt);
        let over = !matches!(settled.verdict, Some(Verdict::ReadyAt(_)) | None);
        self.note_of(line, &Note::Ended { attempt, outcome, over });
        self.desk(Event::Closed(attempt)).await;
    }
}

/// The loop of one account: drains the desk after every event.
async fn account_loop(
    shared: Arc<Shared>,
    inbox: mpsc::Receiver<Told>,
    desk: Desk<Target>,
    stop: watch::Receiver<Stop>,
) -> Stop {
    let stopped = drive(&shared, inbox, desk, stop).await;
    // Whatever ended the loop, nobody waits for its campaigns any more.
    for line in shared.lines.all() {
        line.over.send_replace(true);
    }
    stopped
}

async fn drive(
    shared: &Arc<Shared>,
    mut inbox: mpsc::Receiver<Told>,
    mut desk: Desk<Target>,
    mut stop: watch::Receiver<Stop>,
) -> Stop {
    let mut next_sweep = shared.boot();
    let mut listening = true;
    let mut give_up: Option<Boot> = None;
    loop {
        let now = shared.boot();
        if give_up.is_none() && lock(&shared.seen).ledger_failed.is_some() {
            give_up = Some(now + shared.longest_call());
        }
        if give_up.is_some_and(|at| at <= now) {
            // What cannot be written down any more cannot be waited for: the next start asks the carrier.
            return desk.stop();
        }
        while let Some(command) = desk.poll(now) {
            match command {
                Command::Refill { campaign } => {
                    tokio::spawn(refill::refill(Arc::clone(shared), campaign));
                }
                Command::Dial { campaign, slot, candidate } => {
                    lock(&shared.pending).insert(candidate.lead);
                    tokio::spawn(attempt::dial(Arc::clone(shared), campaign, slot, candidate));
                }
                Command::CancelAll => {
                    // The sweep sees the operator's wish and cancels.
                    next_sweep = now;
                }
                Command::Finish => {}
            }
        }
        for (at, line) in shared.lines.all().iter().enumerate().take(desk.campaigns()) {
            if desk.is_over(at) && !line.over.send_replace(true) {
                tracing::debug!(campaign = %line.campaign.name, "its work is done");
            }
        }
        if desk.is_finished() && (desk.stop() == Stop::Exit || !shared.stays.load(Ordering::Acquire)) {
            return desk.stop();
        }
        if next_sweep <= now {
            next_sweep = now + SWEEP_EVERY;
            tokio::spawn(sweep::sweep(Arc::clone(shared)));
            if shared.records() {
                tokio::spawn(after::look(Arc::clone(shared)));
            }
            if shared.writes() {
                tokio::spawn(after::write_down(Arc::clone(shared)));
            }
            if let Some(held) = shared.watch_clock() {
                desk.handle(now, held);
                continue;
            }
        }
        let wake = desk.next_timeout().map_or(next_sweep, |at| at.min(next_sweep));
        let nap = shared.clock.sleep(wake.since(shared.boot()));
        tokio::select! {
            // In this order: which branch is taken must not be chance, or a run could not be replayed.
            biased;
            told = inbox.recv() => {
                let Some(told) = told else { return desk.stop() };
                take(shared, &mut desk, told);
                // A burst of facts is taken whole before the desk is asked again.
                while let Ok(told) = inbox.try_recv() {
                    take(shared, &mut desk, told);
                }
            }
            () = nap => {}
            changed = stop.changed(), if listening => {
                listening = changed.is_ok();
                let wish = *stop.borrow_and_update();
                shared.watcher.note(&Note::Stopping(wish));
                desk.handle(shared.boot(), Event::Stop(wish));
            }
        }
    }
}

fn take(shared: &Shared, desk: &mut Desk<Target>, told: Told) {
    match told {
        Told::Desk(event) => desk.handle(shared.boot(), event),
        Told::Decided(lead) => {
            lock(&shared.pending).remove(&lead);
        }
        Told::Look => {}
        Told::LedgerFailed(fault) => {
            let text = fault.to_string();
            let first = lock(&shared.seen).ledger_failed.replace(text.clone()).is_none();
            if first {
                shared.watcher.note(&Note::Say(format!("{text}; nobody new is called")));
            }
            desk.handle(shared.boot(), Event::LedgerFailed);
        }
    }
}

/// What a ledger fault means to the person at the terminal.
pub fn ledger_failure(fault: &LedgerFault) -> Failure {
    Failure::from(fault.clone())
}

pub(crate) type Chosen = Candidate<Target>;
