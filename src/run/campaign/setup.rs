//! What must be so before anybody is called, and how an account and a campaign are made ready.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};

use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use super::account::Health;
use super::late::LateGreeting;
use super::{Active, INBOX, Line, Lines, Seen, Shared, Urls, ledger_failure, lock, plan};
use crate::base::{Exit, Failure, Language, Slug, Wall};
use crate::core::asset::book::{APOLOGY, BRIDGE, CALL_BACK, LEAVE_MESSAGE, MESSAGE_TAKEN};
use crate::core::call::{CallScript, MachinePlan, MessageScript, PreparedClip};
use crate::core::config::{Campaign, MessagePlan};
use crate::core::dial::VerdictPolicy;
use crate::core::dial::desk::{Desk, Event, Stop};
use crate::core::dial::note::{Note, Opening, Watcher};
use crate::core::dial::pacing::Pacer;
use crate::run::agent::AgentDoor;
use crate::run::asking::Asker;
use crate::run::carriers::OpenCarrier;
use crate::run::clock::Clock;
use crate::run::gateway::Registry;
use crate::run::ledger::LedgerHandle;
use crate::run::metrics::Metrics;
use crate::run::render::VoiceKit;
use crate::run::render::late::Late;
use crate::run::writings::Pens;
use crate::store::ledger::{CampaignState, Ledger, LedgerFault, OpenAttempt, OpenOptions};
use crate::store::workspace::Workspace;

/// A campaign that says nothing about leads whose language has no greeting is refused before anybody is called.
pub(super) fn refuse_missing_greetings(ws: &Workspace, ledger: &Ledger, campaigns: &[Campaign]) -> Result<(), Failure> {
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

/// A campaign that the operator stopped starts again by the operator's word only, not by cron's.
pub(super) fn refuse_stopped(ledger: &Ledger, campaigns: &[Campaign]) -> Result<(), Failure> {
    for campaign in campaigns {
        let state = ledger.campaign_state(&campaign.name).map_err(|fault| ledger_failure(&fault))?;
        if state == Some(CampaignState::Stopped) {
            return Err(Failure::new(Exit::Refused, format!("campaign {} was stopped by an operator", campaign.name))
                .next(format!("`ahoy campaign resume {}` lets it run again", campaign.name)));
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
pub(super) fn check_start(ws: &Workspace, ledger: &mut Ledger, watcher: &dyn Watcher) -> Result<(), Failure> {
    let check = ledger.start_check(ws.config.disk).map_err(|fault| ledger_failure(&fault))?;
    for warning in check.warnings {
        watcher.note(&Note::Say(warning));
    }
    Ok(())
}

/// What the accounts of an engine have in common.
pub(super) struct AccountSetup {
    pub clock: Arc<dyn Clock>,
    pub ledger: LedgerHandle,
    pub token_key: crate::core::wire::token::TokenKey,
    pub registry: Registry,
    pub urls: Urls,
    pub watcher: Arc<dyn Watcher>,
    pub stop: watch::Receiver<Stop>,
    pub seed: u64,
    pub metrics: Arc<Metrics>,
    /// Calls at once that this process still has open files for: accounts share them, first come first served.
    pub room: Mutex<usize>,
}

pub(super) type Made = (Arc<Shared>, mpsc::Receiver<super::Told>, Desk<super::Target>);

impl AccountSetup {
    /// The shared state, inbox and desk of one account, without campaigns; everything open from before is inherited.
    pub async fn make(&self, ws: &Workspace, carrier: &OpenCarrier) -> Result<Made, Failure> {
        let config = &ws.config.carriers[&carrier.name];
        let (inbox, told) = mpsc::channel(INBOX);
        let owner = Uuid::new_v4();
        let shared = Arc::new(Shared {
            clock: Arc::clone(&self.clock),
            ledger: self.ledger.clone(),
            carrier: Arc::clone(&carrier.carrier),
            account: carrier.account.clone(),
            lines: Lines::default(),
            registry: self.registry.clone(),
            urls: self.urls.clone(),
            token_key: self.token_key,
            calls_dir: ws.calls_dir(),
            owner,
            watcher: Arc::clone(&self.watcher),
            ring_timeout: config.ring_timeout,
            asker: Arc::new(Asker::new(
                Arc::clone(&self.clock),
                self.ledger.clone(),
                Arc::clone(&carrier.carrier),
                &carrier.account,
                config.release_horizon,
                config.is_loopback(),
            )),
            inbox,
            active: Mutex::new(HashMap::new()),
            pending: Mutex::new(HashSet::new()),
            stop: self.stop.clone(),
            stays: true.into(),
            streams: Mutex::default(),
            paused: Mutex::default(),
            sweeping: tokio::sync::Mutex::new(()),
            fetching: tokio::sync::Mutex::new(()),
            writing: tokio::sync::Mutex::new(()),
            gone: Mutex::default(),
            seen: Mutex::new(Seen::default()),
            health: Health::new(config.failures, self.clock.wall(), self.clock.boot()),
            random: Mutex::new(fastrand::Rng::with_seed(self.seed)),
            metrics: Arc::clone(&self.metrics),
        });
        let rate = config.calls_per_second;
        lock(&shared.seen).pace = rate;
        let most = {
            let mut room = lock(&self.room);
            let most = (config.max_live_calls as usize).min(*room).max(1);
            *room = room.saturating_sub(most);
            most
        };
        if most < config.max_live_calls as usize {
            let what = format!(
                "{}: at most {most} calls at once, not {}: this process may open no more files (`ulimit -n`)",
                carrier.name, config.max_live_calls
            );
            shared.watcher.note(&Note::Say(what));
        }
        let mut desk = Desk::new(0, rate, most, false, shared.boot());
        let sent = sent_lately(&shared, rate).await?;
        desk.goes_on(shared.boot(), sent);
        let (open, stopped) = begin(&shared).await?;
        shared.watcher.note(&Note::Begin {
            carrier: carrier.name.clone(),
            campaigns: Vec::new(),
            inherited: open.len() as u64,
            calls_per_second: rate,
            most_live: most as u64,
        });
        for OpenAttempt { attempt, lead, campaign, .. } in open {
            shared.watcher.note(&Note::Inherited { attempt, lead, campaign: campaign.to_string() });
            // Its callbacks find this account; whether its sound was heard is not known any more.
            lock(&shared.active).insert(attempt, Active { streamed: true, answered: true, line: None });
            desk.handle(shared.boot(), Event::Inherited(attempt));
        }
        if let Some(why) = stopped {
            desk.handle(shared.boot(), Event::AccountStopped);
            lock(&shared.seen).account = Some(why.clone());
            shared.watcher.note(&Note::AccountStopped(why));
        } else {
            shared.greet().await?;
            if lock(&shared.seen).account.is_some() {
                desk.handle(shared.boot(), Event::AccountStopped);
            }
        }
        Ok((shared, told, desk))
    }
}

/// Calls that an earlier process sent so lately that they count in our pace.
async fn sent_lately(shared: &Arc<Shared>, rate: f64) -> Result<usize, Failure> {
    let (account, since) = (shared.account.clone(), shared.wall() - Pacer::looks_back(rate));
    let most = rate.ceil() as u32;
    let unit = shared.ledger.run(move |ledger| ledger.sent_since(&account, since, most));
    unit.await.map_err(|fault| ledger_failure(&fault))
}

/// Open attempts of an account, and a stop that is kept in the ledger.
async fn begin(shared: &Arc<Shared>) -> Result<(Vec<OpenAttempt>, Option<String>), Failure> {
    let (account, now) = (shared.account.clone(), shared.wall());
    shared
        .ledger
        .run(move |ledger| {
            ledger.adopt_account(&account, now)?;
            let open = ledger.open_attempts(Some(&account))?;
            // A zombie is ended by the sweep; it never counts as a live call.
            let attempts = open.into_iter().filter(|it| it.state.is_open()).collect();
            Ok::<_, LedgerFault>((attempts, ledger.account_stop(&account)?))
        })
        .await
        .map_err(|fault| ledger_failure(&fault))
}

/// How a campaign stands at its beginning; bars that a changed campaign may have lifted are looked at anew.
pub(super) async fn reopen(ledger: &LedgerHandle, campaign: &Slug, now: Wall) -> Result<Opening, Failure> {
    let name = campaign.clone();
    ledger
        .run(move |ledger| {
            ledger.reopen_barred(&name, now)?;
            let counts = ledger.lead_counts(&name, now)?;
            let over = counts.total() - counts.ready_due - counts.ready_later - counts.held;
            let (leads, due) = (counts.total(), counts.ready_due);
            Ok::<_, LedgerFault>(Opening { campaign: name.to_string(), leads, over, due })
        })
        .await
        .map_err(|fault| ledger_failure(&fault))
}

/// A campaign, ready to be dialed: its sound in memory, encoded.
pub(super) fn line(
    mut campaign: Campaign,
    kit: VoiceKit,
    late: BTreeMap<Language, Late>,
    agent: Option<Arc<AgentDoor>>,
    pens: Pens,
) -> Result<Line, Failure> {
    // Languages that no engine here speaks fall back, as the campaign declares.
    campaign.greeting = kit.greeting().clone();
    let scripts = scripts(&campaign, &kit)?;
    let named = kit.variants.iter().filter_map(|((language, words), clip)| {
        let plain = scripts.get(language)?;
        let script = CallScript { greeting: Arc::new(PreparedClip::new(clip)), ..CallScript::clone(plain) };
        Some(((language.clone(), words.clone()), Arc::new(script)))
    });
    let named = named.collect();
    let after = campaign.after.wanted();
    let policy = VerdictPolicy { after, ..VerdictPolicy::new(&campaign.retries, campaign.caps.gap) };
    let greetings = late.into_iter().filter_map(|(language, late)| {
        let fallback = Arc::clone(scripts.get(&language)?);
        Some((language, Arc::new(LateGreeting::new(late, fallback))))
    });
    let late = greetings.collect();
    Ok(Line { named, late, agent, pens: Arc::new(pens), ..Line::new(campaign, kit, scripts, policy) })
}

/// What a call plays, per language of the greeting: encoded once, shared by all calls.
fn scripts(campaign: &Campaign, kit: &VoiceKit) -> Result<BTreeMap<Language, Arc<CallScript>>, Failure> {
    let mut scripts = BTreeMap::new();
    for language in kit.greeting().texts.keys() {
        let clip = |name: &str| kit.clip(name, language).map(|clip| Arc::new(PreparedClip::new(clip)));
        // A greeting that is rendered in the run has the apology in its place until it is ready.
        let late = kit.late.iter().any(|line| line.language == *language);
        let greeting = if late { clip(APOLOGY) } else { clip("greeting") };
        let greeting = greeting.ok_or_else(|| {
            Failure::new(Exit::Asset, format!("campaign {}: no greeting in `{language}` on the shelf", campaign.name))
                .next(format!("run `ahoy cache generate {}`", campaign.name))
        })?;
        scripts.insert(language.clone(), Arc::new(script(campaign, kit, language, greeting)));
    }
    Ok(scripts)
}

/// What it takes to let somebody leave a message, if the kit has its phrases.
pub(crate) fn message(plan: MessagePlan, kit: &VoiceKit, language: &Language) -> Option<MessageScript> {
    let (ask, taken) = (kit.clip(LEAVE_MESSAGE, language)?, kit.clip(MESSAGE_TAKEN, language)?);
    let (ask, taken) = (Arc::new(PreparedClip::then_tone(ask)), Arc::new(PreparedClip::new(taken)));
    Some(MessageScript { plan, ask, taken })
}

/// What a call in a language plays, with these first words.
pub(crate) fn script(
    campaign: &Campaign,
    kit: &VoiceKit,
    language: &Language,
    greeting: Arc<PreparedClip>,
) -> CallScript {
    let clip = |name: &str| kit.clip(name, language).map(|clip| Arc::new(PreparedClip::new(clip)));
    CallScript {
        greeting,
        opt_out_confirmed: clip("opt-out-confirmed"),
        goodbye: clip("goodbye"),
        keys: campaign.keys,
        vad: campaign.vad,
        barge_in: campaign.barge_in,
        listen_after: campaign.listen_after,
        max_call: campaign.max_call,
        machines: MachinePlan {
            words: campaign.machines.words.as_ref().map(|_| language.clone()),
            ..MachinePlan::of(&campaign.machines, clip)
        },
        recording: campaign.recording,
        agent: campaign.agent.is_some().then(|| campaign.agent.plan.clone()),
        desk: None,
        transfers: campaign.transfer.is_some(),
        bridge: clip(BRIDGE),
        apology: clip(APOLOGY),
        call_back: campaign.keys.callback.and(clip(CALL_BACK)),
        message: campaign.message.and_then(|plan| message(plan, kit, language)),
    }
}
