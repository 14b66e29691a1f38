//! The ledger against the carrier: which calls are there that this ledger does not know (it may be an older copy, or
//! another system may call from the same numbers), and what became of every attempt whose outcome is not known.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::base::{AttemptId, Exit, Failure, Phone, Slug, Wall, limits};
use crate::core::config::account::account_id;
use crate::core::config::{CarrierConfig, CarrierKind};
use crate::core::dial::VerdictPolicy;
use crate::core::dial::attempt::{Source, State};
use crate::core::dial::horizon::Horizon;
use crate::core::dial::sweep::{Ask, CLOCK_SLACK};
use crate::edge::carrier::{AskFault, RemoteCall};
use crate::run::asking::{Asker, Unasked};
use crate::run::carriers;
use crate::run::clock::Clock;
use crate::run::ledger::LedgerHandle;
use crate::store::ledger::lock::{DialLock, Holder, LockFault};
use crate::store::ledger::writer::Writer;
use crate::store::ledger::{Evidence, ForeignCall, Ledger, LedgerFault, OpenAttempt, OpenOptions};
use crate::store::workspace::Workspace;

/// Calls that this ledger does not know.
#[derive(Debug, Default)]
pub struct Strangers {
    /// The calls, newest first.
    pub calls: Vec<ForeignCall>,
    /// How far back the carrier's lists were read.
    pub since: Option<Wall>,
    /// Calls that turned out to be those of attempts whose answer was lost.
    pub found: u64,
}

/// Reads what our caller numbers did since this ledger last called, at least a day and at most a month back. Calls that
/// belong to an attempt whose answer was lost are told to it; the rest is given back.
pub async fn strangers(asker: &Asker, callers: &BTreeSet<Phone>) -> Result<Strangers, Unasked> {
    let account = asker.account.clone();
    let last = asker.write(move |ledger| ledger.last_claim(&account)).await?;
    let now = asker.clock.wall();
    let since = last.map_or(now, |last| last - CLOCK_SLACK);
    let since = since.min(now - limits::CROSSCHECK_LEAST).max(now - limits::CROSSCHECK_MOST);
    let mut all = Strangers { since: Some(since), ..Strangers::default() };
    for caller in callers {
        let listed = asker.calls_of(caller, since).await?;
        let calls: Vec<RemoteCall> = listed.calls.into_iter().filter(|call| !call.child && call.outbound_api).collect();
        for call in calls {
            // A callee that is no telephone number (an address) is nobody's lead.
            let Ok(to) = Phone::from_e164(&call.to) else { continue };
            let foreign = ForeignCall {
                sid: call.sid.clone(),
                to,
                from: caller.clone(),
                made_at: call.created,
                status: call.status,
                duration_s: call.duration_s,
            };
            match whose(asker, &foreign).await? {
                Whose::Known => {}
                Whose::Lost(attempt) => {
                    asker.told(attempt, call, Source::Listing).await?;
                    all.found += 1;
                }
                Whose::Strangers => all.calls.push(foreign),
            }
        }
    }
    Ok(all)
}

enum Whose {
    Known,
    Lost(AttemptId),
    Strangers,
}

async fn whose(asker: &Asker, call: &ForeignCall) -> Result<Whose, LedgerFault> {
    let (account, call) = (asker.account.clone(), call.clone());
    let unit = move |ledger: &mut Ledger| {
        if ledger.knows_call(&account, &call.sid)? {
            return Ok(Whose::Known);
        }
        let lost = ledger.attempt_on_its_way(&account, &call, &call.from)?;
        Ok(lost.map_or(Whose::Strangers, Whose::Lost))
    };
    asker.write(unit).await
}

/// Refuses to dial while the carrier has calls that this ledger does not know. `shared`: other systems call from these
/// numbers, so that such calls prove nothing; they are told of. Gives a sentence to show, if there is one.
///
/// Errors: exit 14 (unknown calls), 12 (credentials), 1 (the carrier cannot be asked).
pub async fn check_before_dialing(
    asker: &Asker,
    callers: &BTreeSet<Phone>,
    shared: bool,
) -> Result<Option<String>, Failure> {
    if !asker.lists() {
        return Ok(Some(format!(
            "{}: the carrier has no list of calls, so nobody can tell whether this ledger is an older copy; what becomes unknown \
             waits for a person (`ahoy leads release`, `close`)",
            asker.account
        )));
    }
    let mut tries = 1;
    let found = loop {
        match strangers(asker, callers).await {
            Ok(found) => break found,
            Err(Unasked::Carrier(AskFault::Throttled { .. } | AskFault::Failed { .. }))
                if tries < limits::CROSSCHECK_TRIES =>
            {
                tries += 1;
                asker.clock.sleep(Duration::from_secs(1)).await;
            }
            Err(fault) => return Err(unasked(&asker.account, fault)),
        }
    };
    let (count, account) = (found.calls.len(), &asker.account);
    match (count, shared) {
        (0, _) => Ok(None),
        (_, true) => Ok(Some(format!("{account}: {count} calls from our numbers were made by another system"))),
        (_, false) => Err(Failure::new(
            Exit::Unknown,
            format!(
                "{account} has {count} calls from our numbers that this ledger does not know: it may be an older copy, \
                 and people may be rung twice; nobody is called"
            ),
        )
        .next(
            "`ahoy reconcile --import` writes them down; if other systems call from these numbers, \
             set shared_callers = true for the carrier in ahoy.toml",
        )),
    }
}

fn unasked(account: &str, fault: Unasked) -> Failure {
    match fault {
        Unasked::Ledger(fault) => Failure::from(fault),
        Unasked::Carrier(AskFault::Account { http }) => {
            Failure::new(Exit::Account, format!("{account}: the carrier refuses the credentials (HTTP {http})"))
                .next("check account_sid and auth_token of the carrier in ahoy.toml")
        }
        Unasked::Carrier(fault) => {
            Failure::bug(format!("{account}: {fault}; without its list of calls nobody is called"))
                .next("try again when the carrier answers")
        }
    }
}

/// Open attempts on accounts that no carrier of ahoy.toml has any more: nobody asks about them. Accounts, and how many.
pub fn stranded(ws: &Workspace, open: &[OpenAttempt]) -> Result<BTreeMap<String, u64>, Failure> {
    let mut known = BTreeSet::new();
    for name in ws.config.carriers.keys() {
        known.insert(carriers::account_of(ws, name)?);
    }
    let mut stranded = BTreeMap::new();
    for entry in open.iter().filter(|entry| !known.contains(&entry.account)) {
        *stranded.entry(entry.account.clone()).or_default() += 1;
    }
    Ok(stranded)
}

/// How `ahoy reconcile` is to be done.
#[derive(Debug, Clone, Default)]
pub struct ReconcileOptions {
    /// Only attempts of these campaigns; empty: all.
    pub campaigns: Vec<Slug>,
    /// Ask, and write nothing.
    pub dry_run: bool,
    /// Write down the calls that this ledger does not know.
    pub import: bool,
    /// Wait until the horizon of every unknown attempt has passed.
    pub wait: bool,
    /// A carrier of ahoy.toml through which attempts of a renamed carrier are asked about, if the account is the same.
    pub carrier: Option<String>,
}

/// One open attempt, before and after.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// The attempt.
    pub attempt: AttemptId,
    /// Its campaign.
    pub campaign: Slug,
    /// Its number, masked.
    pub phone: String,
    /// Its account.
    pub account: String,
    /// When it was claimed.
    pub since: String,
    /// State before.
    pub before: &'static str,
    /// State now.
    pub after: &'static str,
    /// Its outcome, if it has one now.
    pub outcome: Option<String>,
    /// May be released after this, on evidence.
    pub release_after: String,
    /// The list that released it.
    pub evidence: Option<Evidence>,
}

/// One account.
#[derive(Debug, Clone, Serialize)]
pub struct Account {
    /// Name and account id.
    pub account: String,
    /// How long its unknown attempts are waited for.
    pub horizon: Option<Horizon>,
    /// Calls that this ledger does not know.
    pub strangers: usize,
    /// Of them, written down now: adopted by a lead.
    pub adopted: u64,
    /// Of them, written down now: counted towards caps.
    pub counted: u64,
    /// Calls that must end and are not known to be over.
    pub must_end: usize,
    /// Why it could not be asked.
    pub fault: Option<String>,
}

/// What `ahoy reconcile` found.
#[derive(Debug, Clone, Serialize)]
pub struct ReconcileReport {
    /// Open attempts, oldest first.
    pub attempts: Vec<Line>,
    /// Accounts.
    pub accounts: Vec<Account>,
    /// Attempts in callbacks that this ledger does not know.
    pub orphans: u64,
    /// Leads that wait for a person, by reason.
    pub review: BTreeMap<String, u64>,
    /// Who dials on this ledger, if somebody does: it asks by itself.
    pub engine: Option<String>,
    /// How the command ends.
    #[serde(skip)]
    pub exit: Exit,
}

/// Asks the carriers about everything that is open, now.
pub async fn reconcile(
    ws: &Workspace,
    clock: Arc<dyn Clock>,
    options: &ReconcileOptions,
) -> Result<ReconcileReport, Failure> {
    let holder = Holder { pid: std::process::id(), campaign: "reconcile".to_owned(), since: clock.wall() };
    let lock = match DialLock::take(&ws.ledger_path(), &holder) {
        Ok(lock) => lock,
        Err(fault @ LockFault::Held { .. }) => return watched(ws, &fault.to_string(), options),
        Err(fault @ LockFault::Io(..)) => return Err(fault.into()),
    };
    let ledger = Ledger::open(&ws.ledger_path(), &OpenOptions::with_fresh_key(clock.wall()))?;
    let handle = LedgerHandle::new(Writer::start(ledger)?);
    let report = asked(ws, &clock, &handle, options).await;
    drop(lock);
    report
}

/// An engine runs: it asks by itself, every half second. What stands in the ledger is shown.
fn watched(ws: &Workspace, who: &str, options: &ReconcileOptions) -> Result<ReconcileReport, Failure> {
    if options.import || options.carrier.is_some() {
        return Err(Failure::new(Exit::Locked, who.to_owned()).next("stop it first, then reconcile again"));
    }
    let ledger = Ledger::open_read_only(&ws.ledger_path())?;
    let open = of_campaigns(ledger.open_attempts(None)?, &options.campaigns);
    let lines = open.iter().map(|entry| line(&ledger, entry, entry.release_after)).collect::<Result<_, _>>()?;
    finish(&ledger, lines, Vec::new(), Some(who.to_owned()))
}

fn of_campaigns(open: Vec<OpenAttempt>, campaigns: &[Slug]) -> Vec<OpenAttempt> {
    open.into_iter().filter(|entry| campaigns.is_empty() || campaigns.contains(&entry.campaign)).collect()
}

async fn asked(
    ws: &Workspace,
    clock: &Arc<dyn Clock>,
    handle: &LedgerHandle,
    options: &ReconcileOptions,
) -> Result<ReconcileReport, Failure> {
    let before = handle.run(|ledger| ledger.open_attempts(None)).await?;
    let before = of_campaigns(before, &options.campaigns);
    let mut accounts = Vec::new();
    let mut horizons: BTreeMap<String, Duration> = BTreeMap::new();
    for (account, carrier) in wanted(ws, &before, options)? {
        let Some(carrier) = carrier else {
            let fault =
                "no carrier of ahoy.toml has this account; `--carrier NAME` asks through another name".to_owned();
            accounts.push(Account::unasked(&account, fault));
            continue;
        };
        let config = &ws.config.carriers[&carrier];
        let opened = match carriers::open(ws, &carrier, Arc::clone(clock)).await {
            Ok(opened) => opened,
            Err(failure) => {
                accounts.push(Account::unasked(&account, failure.what));
                continue;
            }
        };
        let asker = Arc::new(Asker::new(
            Arc::clone(clock),
            handle.clone(),
            Arc::clone(&opened.carrier),
            &account,
            config.release_horizon,
            config.is_loopback(),
        ));
        let told = one_account(ws, &carrier, &asker, options).await;
        horizons.insert(account.clone(), asker.horizon().total);
        accounts.push(told.unwrap_or_else(|fault| Account::unasked(&account, fault.to_string())));
        if let Some(sim) = opened.sim {
            sim.stop().await;
        }
    }
    let lines = {
        let before = before.clone();
        handle
            .run(move |ledger| {
                before
                    .iter()
                    .map(|entry| {
                        let horizon = horizons.get(&entry.account).copied().unwrap_or_default();
                        line(ledger, entry, entry.release_after.max(entry.intent_at + horizon))
                    })
                    .collect::<Result<Vec<_>, LedgerFault>>()
            })
            .await?
    };
    let ledger = Ledger::open_read_only(&ws.ledger_path())?;
    finish(&ledger, lines, accounts, None)
}

/// Accounts to ask, each with the carrier of ahoy.toml through which it is reached.
fn wanted(
    ws: &Workspace,
    open: &[OpenAttempt],
    options: &ReconcileOptions,
) -> Result<BTreeMap<String, Option<String>>, Failure> {
    let mut wanted: BTreeMap<String, Option<String>> = BTreeMap::new();
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    for name in ws.config.carriers.keys() {
        known.insert(carriers::account_of(ws, name)?, name.clone());
    }
    for campaign in ws.campaigns(&options.campaigns)? {
        if ws.config.carriers.contains_key(&campaign.carrier) {
            wanted.insert(carriers::account_of(ws, &campaign.carrier)?, Some(campaign.carrier.clone()));
        }
    }
    let by_hand = match &options.carrier {
        Some(name) => Some((name.clone(), carriers::account_of(ws, name)?)),
        None => None,
    };
    for entry in open {
        let carrier = known.get(&entry.account).cloned().or_else(|| {
            let (name, account) = by_hand.as_ref()?;
            (account_id(account) == account_id(&entry.account)).then(|| name.clone())
        });
        wanted.insert(entry.account.clone(), carrier);
    }
    Ok(wanted)
}

/// The numbers that a carrier's campaigns call from, and each campaign's verdict policy.
type CarrierLines = (BTreeSet<Phone>, Vec<(Slug, VerdictPolicy)>);

fn lines_of(ws: &Workspace, carrier: &str) -> Result<CarrierLines, Failure> {
    let (mut callers, mut lines) = (BTreeSet::new(), Vec::new());
    for campaign in ws.campaigns(&[])?.into_iter().filter(|campaign| campaign.carrier == carrier) {
        callers.extend(campaign.callers.iter().cloned());
        lines.push((campaign.name.clone(), VerdictPolicy::new(&campaign.retries, campaign.caps.gap)));
    }
    Ok((callers, lines))
}

async fn one_account(
    ws: &Workspace,
    carrier: &str,
    asker: &Arc<Asker>,
    options: &ReconcileOptions,
) -> Result<Account, Failure> {
    let config = &ws.config.carriers[carrier];
    let (mut callers, lines) = lines_of(ws, carrier)?;
    let failed = |fault: Unasked| unasked(&asker.account, fault);
    let mut account = Account { horizon: Some(asker.horizon()), ..Account::unasked(&asker.account, String::new()) };
    account.fault = None;
    if !options.dry_run {
        until_asked(asker, config, options).await.map_err(failed)?;
    }
    let (open, unwanted) = asker.look().await?;
    callers.extend(open.iter().map(|entry| entry.caller.clone()));
    // The embedded carrier reaches nobody, and forgets with its process.
    if !matches!(config.kind, CarrierKind::Sim(_)) && asker.lists() && !callers.is_empty() && !options.dry_run {
        let found = strangers(asker, &callers).await.map_err(failed)?;
        account.strangers = found.calls.len();
        if options.import && !found.calls.is_empty() {
            let (name, now) = (asker.account.clone(), asker.clock.wall());
            let unit = move |ledger: &mut Ledger| ledger.import_foreign(&name, &found.calls, &lines, now);
            let counts = asker.write(unit).await?;
            (account.adopted, account.counted) = (counts.adopted, counts.counted);
            account.strangers = 0;
        }
    }
    account.must_end = unwanted.len();
    account.horizon = Some(asker.horizon());
    Ok(account)
}

/// Asks about everything that is open: once, or (`--wait`) until no outcome is unknown.
async fn until_asked(asker: &Arc<Asker>, config: &CarrierConfig, options: &ReconcileOptions) -> Result<(), Unasked> {
    let mut first = true;
    loop {
        let (open, unwanted) = asker.look().await?;
        for call in &unwanted {
            // A call that cannot be ended now is ended at the next look.
            if let Err(Unasked::Ledger(fault)) = asker.end(call).await {
                return Err(fault.into());
            }
        }
        let open = of_campaigns(open, &options.campaigns);
        let mut due = Vec::new();
        let mut unknown = 0;
        for entry in open.into_iter().filter(|entry| entry.state != State::Zombie) {
            unknown += u64::from(matches!(entry.state, State::Intent | State::Unknown));
            match asker.next(&entry, false, config.ring_timeout) {
                Ask::Orphaned => {
                    asker.orphaned(entry.attempt).await?;
                }
                Ask::At(_) if !first => {}
                // By hand: asked now, whatever the schedule says. What may be released is the schedule's word alone.
                Ask::At(_) if entry.sid.is_some() => due.push((entry, Ask::Fetch)),
                Ask::At(_) if entry.state == State::Unknown => due.push((entry, Ask::List { may_release: false })),
                Ask::At(_) => {}
                ask @ (Ask::List { .. } | Ask::Fetch) => due.push((entry, ask)),
            }
        }
        let nothing = due.is_empty();
        for question in asker.questions(due) {
            let leave = loop {
                match asker.leave(&question) {
                    Some(leave) => break leave,
                    None => asker.clock.sleep(Duration::from_millis(50)).await,
                }
            };
            asker.ask(question, &leave).await?;
        }
        if (!options.wait || unknown == 0) && (nothing || !first) {
            return Ok(());
        }
        first = false;
        asker.clock.sleep(Duration::from_millis(500)).await;
    }
}

impl Account {
    fn unasked(account: &str, fault: String) -> Account {
        Account {
            account: account.to_owned(),
            horizon: None,
            strangers: 0,
            adopted: 0,
            counted: 0,
            must_end: 0,
            fault: Some(fault),
        }
    }
}

fn line(ledger: &Ledger, entry: &OpenAttempt, release_after: Wall) -> Result<Line, LedgerFault> {
    let now = ledger.call(entry.attempt.call())?;
    Ok(Line {
        attempt: entry.attempt,
        campaign: entry.campaign.clone(),
        phone: entry.phone.to_string(),
        account: entry.account.clone(),
        since: entry.intent_at.rfc3339(),
        before: entry.state.as_str(),
        after: now.as_ref().map_or(entry.state, |call| call.state).as_str(),
        outcome: now.and_then(|call| call.outcome).map(|outcome| outcome.to_string()),
        release_after: release_after.rfc3339(),
        evidence: ledger.evidence(entry.attempt)?,
    })
}

fn finish(
    ledger: &Ledger,
    attempts: Vec<Line>,
    accounts: Vec<Account>,
    engine: Option<String>,
) -> Result<ReconcileReport, Failure> {
    let unknown = attempts.iter().any(|line| matches!(line.after, "intent" | "unknown"));
    let open_questions = accounts.iter().any(|account| account.strangers + account.must_end > 0);
    let stuck = accounts.iter().any(|account| account.fault.is_some());
    let exit = if unknown || open_questions || stuck { Exit::Unknown } else { Exit::Done };
    Ok(ReconcileReport {
        attempts,
        accounts,
        orphans: ledger.orphan_attempts()?.0,
        review: ledger.review_leads()?.into_iter().collect(),
        engine,
        exit,
    })
}
