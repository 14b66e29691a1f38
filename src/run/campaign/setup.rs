//! A run from start to end: lock, assets, ledger, carriers, gateway, loops, report. One path for a first start, a
//! restart and a start after `kill -9`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use super::facts::Facts;
use super::plan;
use super::plan::reason_name;
use super::refill;
use super::{Active, INBOX, Line, Seen, Shared, Urls, account_loop, ledger_failure, lock};
use crate::base::{AttemptId, Exit, Failure, Language, Sid, Slug, Wall};
use crate::core::call::{CallScript, PreparedClip};
use crate::core::config::Campaign;
use crate::core::dial::VerdictPolicy;
use crate::core::dial::attempt::State;
use crate::core::dial::desk::{Desk, Event, Stop};
use crate::core::dial::note::{Note, Opening, Watcher};
use crate::core::figures::Quantiles;
use crate::edge::gateway::guard::Bounds;
use crate::run::asking::Asker;
use crate::run::carriers::{self, OpenCarrier};
use crate::run::clock::Clock;
use crate::run::gateway::{self, Boxed, CallDesk, GatewayHandle, GatewayOptions, Overloaded, Registry};
use crate::run::ledger::LedgerHandle;
use crate::run::render::{VoiceKit, load_kit};
use crate::store::ledger::lock::{DialLock, Holder};
use crate::store::ledger::writer::Writer;
use crate::store::ledger::{CallFilter, CallRow, Ledger, LedgerFault, OpenAttempt, OpenOptions};
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
}

/// What a run came to.
#[derive(Debug, Clone, Serialize)]
pub struct RunReport {
    /// Campaigns of the run.
    pub campaigns: Vec<String>,
    /// Attempts opened in this run.
    pub attempts: u64,
    /// Outcomes of the attempts of this run.
    pub outcomes: BTreeMap<String, u64>,
    /// Calls that somebody answered.
    pub answered: u64,
    /// Stream start → first audio written, ms, by our clock.
    pub stream_to_audio_ms: Option<Quantiles<f64>>,
    /// Calls in which speech cut the playback.
    pub barge_ins: u64,
    /// Speech onset → `clear` written, ms of the call's sound.
    pub barge_in_ms: Option<Quantiles<f64>>,
    /// People who asked never to be called again.
    pub opted_out: u64,
    /// Leads that were not called, by reason.
    pub not_called: BTreeMap<String, u64>,
    /// Leads that may be called later.
    pub waiting: u64,
    /// When the next lead is due, UTC.
    pub next_due: Option<String>,
    /// Attempts whose outcome is not known yet.
    pub unknown: u64,
    /// Whether leads wait for their calling hours.
    pub window_closed: bool,
    /// How the run ended.
    #[serde(skip)]
    pub exit: Exit,
    /// The carrier's log, if the embedded carrier ran in this process.
    #[serde(skip)]
    pub sim_log: Option<std::path::PathBuf>,
    /// Calls of this run, newest first.
    #[serde(skip)]
    pub calls: Vec<CallRow>,
}

/// Runs campaigns to their end.
pub async fn run(ws: &Workspace, clock: Arc<dyn Clock>, options: RunOptions) -> Result<RunReport, Failure> {
    let started = clock.wall();
    check_rules(ws, &options.campaigns)?;
    let kits = options.campaigns.iter().map(|campaign| load_kit(ws, campaign)).collect::<Result<Vec<_>, _>>()?;
    let names: Vec<&str> = options.campaigns.iter().map(|campaign| campaign.name.as_str()).collect();
    let holder = Holder { pid: std::process::id(), campaign: names.join(", "), since: started };
    let _lock = DialLock::take(&ws.ledger_path(), &holder)?;
    let mut ledger = open_ledger(ws, clock.wall())?;
    ledger.check_suppression_key()?;
    check_start(ws, &mut ledger, &*options.watcher)?;
    refuse_missing_greetings(ws, &ledger, &options.campaigns)?;
    let token_key = *ledger.token_key();
    let writer = Writer::start(ledger).map_err(|fault| ledger_failure(&fault))?;
    let ledger = LedgerHandle::new(writer);

    let mut by_carrier: BTreeMap<String, Vec<(Campaign, VoiceKit)>> = BTreeMap::new();
    for (campaign, kit) in options.campaigns.iter().cloned().zip(kits) {
        by_carrier.entry(campaign.carrier.clone()).or_default().push((campaign, kit));
    }
    let mut open = Vec::new();
    for name in by_carrier.keys() {
        open.push(carriers::open(ws, name, Arc::clone(&clock)).await?);
    }

    let registry = Registry::default();
    let door = Arc::new(LateDesk::default());
    let gateway = gateway::start(
        GatewayOptions {
            listen: ws.config.listen,
            public_url: ws.config.public_url.clone(),
            auth_tokens: open.iter().flat_map(|carrier| carrier.auth_tokens.clone()).collect(),
            token_key,
            calls_dir: ws.calls_dir(),
            bounds: Bounds::default(),
        },
        Arc::clone(&door) as Arc<dyn CallDesk>,
        registry.clone(),
        Arc::clone(&clock),
    )?;

    let account = AccountSetup {
        ws,
        clock: &clock,
        ledger: &ledger,
        registry: &registry,
        gateway: &gateway,
        options: &options,
        accounts: open.len(),
    };
    let mut accounts = Vec::new();
    let mut loops = Vec::new();
    for (carrier, (_, campaigns)) in open.iter().zip(by_carrier) {
        let (shared, inbox, desk) = account.make(carrier, campaigns, token_key).await?;
        accounts.push(Arc::clone(&shared));
        loops.push((shared, inbox, desk));
    }
    let (pid, now) = (std::process::id(), clock.wall());
    ledger.run(move |ledger| ledger.begin_dialing(pid, now)).await.map_err(|fault| ledger_failure(&fault))?;
    door.fill(Facts { accounts: accounts.clone(), runtime: tokio::runtime::Handle::current() });
    let running: Vec<_> = loops
        .into_iter()
        .map(|(shared, inbox, desk)| tokio::spawn(account_loop(shared, inbox, desk, options.stop.clone())))
        .collect();
    let mut stopped = Stop::No;
    for task in running {
        stopped = stopped.max(task.await.map_err(|error| Failure::bug(format!("a campaign's loop died: {error}")))?);
    }
    if stopped < Stop::Exit {
        wait_for_streams(&gateway, &clock).await;
    }
    let report = report(&ledger, &options.campaigns, &accounts, started, clock.wall(), stopped).await;
    if stopped < Stop::Exit {
        gateway.stop().await;
    } else {
        // The third Ctrl-C waits for nothing: what is open is in the ledger.
        drop(gateway);
    }
    let mut report = report?;
    if stopped < Stop::Exit {
        ledger.run(Ledger::clean_end).await.map_err(|fault| ledger_failure(&fault))?;
    }
    for carrier in open {
        if let Some(sim) = carrier.sim {
            report.sim_log = carrier.sim_log;
            sim.stop().await;
        }
    }
    Ok(report)
}

/// The last streams write their logs and tell what they heard; a carrier that keeps a socket open is not waited for long.
async fn wait_for_streams(gateway: &GatewayHandle, clock: &Arc<dyn Clock>) {
    for _ in 0..250 {
        if gateway.counts().live == 0 {
            return;
        }
        clock.sleep(Duration::from_millis(20)).await;
    }
}

/// The gateway listens before the loops exist; until then the carrier is asked to repeat itself.
#[derive(Default)]
struct LateDesk(OnceLock<Facts>);

impl LateDesk {
    fn fill(&self, facts: Facts) {
        assert!(self.0.set(facts).is_ok(), "filled once, by run()");
    }
}

impl CallDesk for LateDesk {
    fn status(&self, event: gateway::StatusEvent) -> Boxed<'_, Result<(), Overloaded>> {
        match self.0.get() {
            Some(facts) => facts.status(event),
            None => Box::pin(async { Err(Overloaded) }),
        }
    }

    fn opt_out(&self, attempt: AttemptId) -> Boxed<'_, Result<(), Overloaded>> {
        match self.0.get() {
            Some(facts) => facts.opt_out(attempt),
            None => Box::pin(async { Err(Overloaded) }),
        }
    }

    fn stream_started(&self, attempt: AttemptId, sid: Option<Sid>) {
        if let Some(facts) = self.0.get() {
            facts.stream_started(attempt, sid);
        }
    }

    fn hang_up(&self, attempt: AttemptId, sid: Sid) -> Boxed<'_, ()> {
        match self.0.get() {
            Some(facts) => facts.hang_up(attempt, sid),
            None => Box::pin(async {}),
        }
    }

    fn ended(&self, summary: gateway::CallSummary) -> Boxed<'_, ()> {
        match self.0.get() {
            Some(facts) => facts.ended(summary),
            None => Box::pin(async {}),
        }
    }
}

/// A campaign that says nothing about leads whose language has no greeting is refused before anybody is called.
fn refuse_missing_greetings(ws: &Workspace, ledger: &Ledger, campaigns: &[Campaign]) -> Result<(), Failure> {
    for campaign in campaigns.iter().filter(|campaign| !campaign.greeting.leave_out) {
        let missing = plan::missing_greetings(ledger, campaign).map_err(|fault| ledger_failure(&fault))?;
        if let Some((language, leads)) = missing.first_key_value() {
            let what = format!("[greeting] has no text in `{language}`, which {leads} leads need, and no fallback");
            return Err(Failure::usage(ws.campaign_fault(campaign, "greeting", &what)).next(format!(
                "add {language} = \"…\", or fallback = \"en\" (they hear that), or fallback = \"none\" (they are not called)"
            )));
        }
    }
    Ok(())
}

/// Rules that refuse a campaign as a whole.
pub fn check_rules(ws: &Workspace, campaigns: &[Campaign]) -> Result<(), Failure> {
    for campaign in campaigns {
        let Some(carrier) = ws.config.carriers.get(&campaign.carrier) else {
            let known: Vec<&str> = ws.config.carriers.keys().map(String::as_str).collect();
            let what = format!("no carrier `{}` in ahoy.toml", campaign.carrier);
            return Err(Failure::usage(ws.campaign_fault(campaign, "carrier", &what))
                .next(format!("carriers there: {}", known.join(", "))));
        };
        if campaign.hours.any && !carrier.is_loopback() {
            return Err(Failure::new(
                Exit::Refused,
                format!(
                    "campaign {}: [hours] any = true is for carriers on loopback; `{}` reaches real people",
                    campaign.name, campaign.carrier
                ),
            )
            .next("remove it, and set start, end and days"));
        }
    }
    Ok(())
}

/// Opens the ledger, making it if it is new.
pub fn open_ledger(ws: &Workspace, now: Wall) -> Result<Ledger, Failure> {
    Ledger::open(&ws.ledger_path(), &OpenOptions::with_fresh_key(now)).map_err(|fault| ledger_failure(&fault))
}

/// The ledger is looked at before anybody is called; what the operator should hear of it is said.
fn check_start(ws: &Workspace, ledger: &mut Ledger, watcher: &dyn Watcher) -> Result<(), Failure> {
    let check = ledger.start_check(ws.config.disk).map_err(|fault| ledger_failure(&fault))?;
    for warning in check.warnings {
        watcher.note(&Note::Say(warning));
    }
    Ok(())
}

struct AccountSetup<'a> {
    ws: &'a Workspace,
    clock: &'a Arc<dyn Clock>,
    ledger: &'a LedgerHandle,
    registry: &'a Registry,
    gateway: &'a GatewayHandle,
    options: &'a RunOptions,
    /// How many there are: they share the open files of this process.
    accounts: usize,
}

/// What a run finds: its campaigns, what is open from before, why the account is stopped.
type Begun = (Vec<Opening>, Vec<OpenAttempt>, Option<String>);
type Made = (Arc<Shared>, mpsc::Receiver<super::Told>, Desk<super::Target>);

impl AccountSetup<'_> {
    /// The shared state, inbox and desk of one account; everything open from before is inherited.
    async fn make(
        &self,
        carrier: &OpenCarrier,
        campaigns: Vec<(Campaign, VoiceKit)>,
        token_key: crate::core::wire::token::TokenKey,
    ) -> Result<Made, Failure> {
        let config = &self.ws.config.carriers[&carrier.name];
        let mut lines = Vec::new();
        for (mut campaign, kit) in campaigns {
            // Languages that no engine here speaks fall back, as the campaign declares.
            campaign.greeting = kit.greeting().clone();
            let scripts = scripts(&campaign, &kit)?;
            let policy = VerdictPolicy::new(&campaign.retries, campaign.caps.gap);
            lines.push(Line { campaign, kit, scripts, policy });
        }
        let (inbox, told) = mpsc::channel(INBOX);
        let owner = Uuid::new_v4();
        let shared = Arc::new(Shared {
            clock: Arc::clone(self.clock),
            ledger: self.ledger.clone(),
            carrier: Arc::clone(&carrier.carrier),
            account: carrier.account.clone(),
            lines,
            registry: self.registry.clone(),
            urls: Urls { stream: self.gateway.stream_url(), status: self.gateway.status_url("") },
            token_key,
            calls_dir: self.ws.calls_dir(),
            owner,
            watcher: Arc::clone(&self.options.watcher),
            ring_timeout: config.ring_timeout,
            asker: Arc::new(Asker::new(
                Arc::clone(self.clock),
                self.ledger.clone(),
                Arc::clone(&carrier.carrier),
                &carrier.account,
                config.release_horizon,
                config.is_loopback(),
            )),
            inbox,
            active: Mutex::new(HashMap::new()),
            pending: Mutex::new(HashSet::new()),
            stop: self.options.stop.clone(),
            paused: Mutex::default(),
            sweeping: tokio::sync::Mutex::new(()),
            seen: Mutex::new(Seen::default()),
            random: Mutex::new(fastrand::Rng::with_seed(self.options.seed)),
        });
        let rate = config.calls_per_second;
        let most = (config.max_live_calls as usize).min(self.gateway.room() / self.accounts).max(1);
        if most < config.max_live_calls as usize {
            let what = format!(
                "{}: at most {most} calls at once, not {}: this process may open no more files (`ulimit -n`)",
                carrier.name, config.max_live_calls
            );
            shared.watcher.note(&Note::Say(what));
        }
        let mut desk = Desk::new(shared.lines.len(), rate, most, self.options.drain, shared.boot());
        let (campaigns, open, stopped) = self.begin(&shared).await?;
        shared.watcher.note(&Note::Begin {
            carrier: carrier.name.clone(),
            campaigns,
            inherited: open.len() as u64,
            calls_per_second: rate,
            most_live: most as u64,
        });
        for OpenAttempt { attempt, lead, campaign, .. } in open {
            shared.watcher.note(&Note::Inherited { attempt, lead, campaign: campaign.to_string() });
            // Its callbacks find this account; whether its sound was heard is not known any more.
            lock(&shared.active).insert(attempt, Active { streamed: true, answered: true });
            desk.handle(shared.boot(), Event::Inherited(attempt));
        }
        if let Some(why) = stopped {
            desk.handle(shared.boot(), Event::AccountStopped);
            lock(&shared.seen).account = Some(why.clone());
            shared.watcher.note(&Note::AccountStopped(why));
        }
        Ok((shared, told, desk))
    }

    /// Due leads, open attempts and a stop that is kept in the ledger; bars that a changed campaign may have lifted are
    /// looked at anew.
    async fn begin(&self, shared: &Arc<Shared>) -> Result<Begun, Failure> {
        let names: Vec<Slug> = shared.lines.iter().map(|line| line.campaign.name.clone()).collect();
        let account = shared.account.clone();
        let now = shared.wall();
        shared
            .ledger
            .run(move |ledger| {
                let mut openings = Vec::new();
                for name in &names {
                    ledger.reopen_barred(name, now)?;
                    let counts = ledger.lead_counts(name, now)?;
                    let over = counts.total() - counts.ready_due - counts.ready_later - counts.held;
                    let (leads, due) = (counts.total(), counts.ready_due);
                    openings.push(Opening { campaign: name.to_string(), leads, over, due });
                }
                let open = ledger.open_attempts(Some(&account))?;
                // A zombie is ended by the sweep; it never counts as a live call.
                let attempts = open.into_iter().filter(|it| it.state.is_open()).collect();
                Ok::<_, LedgerFault>((openings, attempts, ledger.account_stop(&account)?))
            })
            .await
            .map_err(|fault| ledger_failure(&fault))
    }
}

/// What a call plays, per language of the greeting: encoded once, shared by all calls.
fn scripts(campaign: &Campaign, kit: &VoiceKit) -> Result<BTreeMap<Language, Arc<CallScript>>, Failure> {
    let mut scripts = BTreeMap::new();
    for language in kit.greeting().texts.keys() {
        let clip = |name: &str| kit.clip(name, language).map(|clip| Arc::new(PreparedClip::new(clip)));
        let greeting = clip("greeting").ok_or_else(|| {
            Failure::new(Exit::Asset, format!("campaign {}: no greeting in `{language}` on the shelf", campaign.name))
                .next(format!("run `ahoy cache generate {}`", campaign.name))
        })?;
        let script = CallScript {
            greeting,
            opt_out_confirmed: clip("opt-out-confirmed"),
            goodbye: clip("goodbye"),
            keys: campaign.keys,
            vad: campaign.vad,
            barge_in: campaign.barge_in,
            listen_after: campaign.listen_after,
            max_call: campaign.max_call,
        };
        scripts.insert(language.clone(), Arc::new(script));
    }
    Ok(scripts)
}

async fn report(
    ledger: &LedgerHandle,
    campaigns: &[Campaign],
    accounts: &[Arc<Shared>],
    started: Wall,
    now: Wall,
    stopped: Stop,
) -> Result<RunReport, Failure> {
    let campaigns = campaigns.to_vec();
    let mut report = ledger
        .run(move |ledger| figures(ledger, &campaigns, started, now))
        .await
        .map_err(|fault| ledger_failure(&fault))?;
    let mut exit = if stopped == Stop::No { Exit::Done } else { Exit::Stopped };
    for shared in accounts {
        let seen = lock(&shared.seen).clone();
        report.attempts += seen.attempts;
        let found = [
            (seen.ledger_failed.is_some() || seen.unreachable, Exit::Bug),
            (seen.account.is_some(), Exit::Account),
            (report.unknown > 0, Exit::Unknown),
            (seen.faults > 0, Exit::Findings),
            ((seen.window_closed || report.window_closed) && report.waiting > 0, Exit::WindowClosed),
        ];
        exit = found.iter().filter(|(is, _)| *is).fold(exit, |exit, (_, code)| exit.and(*code));
    }
    report.exit = exit;
    Ok(report)
}

fn figures(ledger: &mut Ledger, campaigns: &[Campaign], started: Wall, now: Wall) -> Result<RunReport, LedgerFault> {
    let mut report = RunReport {
        campaigns: campaigns.iter().map(|campaign| campaign.name.to_string()).collect(),
        attempts: 0,
        outcomes: BTreeMap::new(),
        answered: 0,
        stream_to_audio_ms: None,
        barge_ins: 0,
        barge_in_ms: None,
        opted_out: 0,
        not_called: BTreeMap::new(),
        waiting: 0,
        next_due: None,
        unknown: 0,
        window_closed: false,
        exit: Exit::Done,
        sim_log: None,
        calls: Vec::new(),
    };
    let mut next_due: Option<Wall> = None;
    for campaign in campaigns {
        let name = &campaign.name;
        report.window_closed |= refill::later(ledger, campaign, now)?.1;
        let counts = ledger.lead_counts(name, now)?;
        report.waiting += counts.ready_due + counts.ready_later + counts.held;
        for (reason, n) in &counts.blocked {
            *report.not_called.entry(reason_name(*reason).to_owned()).or_default() += n;
        }
        next_due = [next_due, counts.next_due].into_iter().flatten().min();
        let filter =
            CallFilter { campaign: Some(name.clone()), since: Some(started), limit: u32::MAX, ..CallFilter::default() };
        report.calls.extend(ledger.calls(&filter)?);
        report.unknown += ledger
            .open_attempts(None)?
            .iter()
            .filter(|open| open.campaign == *name && matches!(open.state, State::Unknown | State::Intent))
            .count() as u64;
    }
    report.next_due = next_due.map(Wall::rfc3339);
    for call in &report.calls {
        if let Some(outcome) = call.outcome {
            *report.outcomes.entry(outcome.to_string()).or_default() += 1;
        }
        report.answered += u64::from(call.answered_at.is_some() || call.first_audio_us.is_some());
        report.barge_ins += u64::from(call.barged_in);
        report.opted_out += u64::from(call.opted_out);
    }
    let audio = report.calls.iter().filter_map(|call| call.first_audio_us).map(|us| us as f64 / 1_000.0);
    report.stream_to_audio_ms = Quantiles::of(audio);
    report.barge_in_ms = Quantiles::of(report.calls.iter().filter_map(|call| call.barge_tail_ms).map(|ms| ms as f64));
    Ok(report)
}
