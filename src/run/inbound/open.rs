//! Makes the desks of a workspace ready: their sound, their callers, their tickets in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::Handle;

use super::callers::{Callers, LeadIds, Tickets, follow_tickets};
use super::places::{Places, Repeats};
use super::{DeskLine, Desks, Spoken};
use crate::base::{Exit, Failure, Language, Slug, limits};
use crate::core::asset::book::{CALL_BACK_SOON, CLOSED, GREETING, MENU, STILL_PREPARING};
use crate::core::call::{DeskScript, MachinePlan, PreparedClip};
use crate::core::config::{Campaign, Inbound, Recording, VoiceOption};
use crate::core::wire::token::TokenKey;
use crate::edge::carrier::Carrier;
use crate::run::agent::AgentDoor;
use crate::run::campaign::{Urls, ledger_failure, message, script};
use crate::run::clock::Clock;
use crate::run::clone::Cloner;
use crate::run::gateway::Registry;
use crate::run::ledger::LedgerHandle;
use crate::run::recordings::Which;
use crate::run::render::VoiceKit;
use crate::run::writings::{Pens, Scribe};
use crate::store::ledger::Ledger;
use crate::store::workspace::Workspace;

/// Between two looks for calls that are to be written down.
const WRITE_EVERY: Duration = Duration::from_secs(5);

/// What the desks share with the engine.
pub(crate) struct Opening {
    pub clock: Arc<dyn Clock>,
    pub ledger: LedgerHandle,
    pub registry: Registry,
    pub urls: Urls,
    pub token_key: TokenKey,
    pub seed: u64,
    pub cloner: Option<Arc<Cloner>>,
}

/// A campaign with a desk, and who is behind it.
pub(crate) struct Behind {
    pub campaign: Campaign,
    pub kit: VoiceKit,
    pub carrier: Arc<dyn Carrier>,
    pub account: String,
    pub agent: Option<Arc<AgentDoor>>,
}

impl Opening {
    /// Reads what the desks need into memory.
    pub async fn open(self, ws: &Workspace, all: Vec<Behind>) -> Result<Arc<Desks>, Failure> {
        let mut numbers: HashMap<u64, usize> = HashMap::new();
        let mut lines = Vec::new();
        let mut scribes = Vec::new();
        for behind in all {
            let pens = Arc::new(Pens::open(ws, &behind.campaign.after)?);
            if pens.any() {
                scribes.push(Scribe {
                    ledger: self.ledger.clone(),
                    calls_dir: ws.calls_dir(),
                    clock: Arc::clone(&self.clock),
                    campaign: behind.campaign.name.clone(),
                    pens,
                });
            }
            let line = self.line(behind).await?;
            for number in &line.desk.numbers {
                if let Some(other) = numbers.insert(number.as_number(), lines.len()) {
                    let other: &Arc<DeskLine> = &lines[other];
                    let (one, two) = (&other.campaign.name, &line.campaign.name);
                    return Err(Failure::usage(format!("campaigns {one} and {two} both answer {number}"))
                        .next("name the number in [inbound] numbers of one of them only"));
                }
            }
            lines.push(Arc::new(line));
        }
        let tickets = Arc::new(Tickets::default());
        let theirs = Arc::clone(&tickets);
        self.ledger.run(move |ledger| theirs.read(ledger)).await.map_err(|fault| ledger_failure(&fault))?;
        let lead_ids = LeadIds::default();
        let reserved = self.ledger.run(|ledger: &mut Ledger| ledger.reserve_leads(limits::INBOUND_LEADS)).await;
        lead_ids.add(reserved.map_err(|fault| ledger_failure(&fault))?);
        let desks = Arc::new(Desks {
            lead_ids,
            lines,
            numbers,
            tickets: Arc::into_inner(tickets).unwrap_or_default(),
            live: Mutex::default(),
            repeats: Mutex::new(Repeats::default()),
            closing: false.into(),
            clock: self.clock,
            ledger: self.ledger,
            registry: self.registry,
            urls: self.urls,
            token_key: self.token_key,
            calls_dir: ws.calls_dir(),
            runtime: Handle::current(),
            random: Mutex::new(fastrand::Rng::with_seed(self.seed)),
            cloner: self.cloner,
        });
        tokio::spawn(follow_tickets(Arc::downgrade(&desks)));
        for scribe in scribes {
            tokio::spawn(write_down(Arc::downgrade(&desks), scribe));
        }
        Ok(desks)
    }

    async fn line(&self, behind: Behind) -> Result<DeskLine, Failure> {
        let Behind { campaign, kit, carrier, account, agent } = behind;
        let bug = || Failure::bug(format!("campaign {} has no [inbound]", campaign.name));
        let desk = campaign.inbound.clone().ok_or_else(bug)?;
        let scripts = scripts(&campaign, &desk, &kit)?;
        let name = campaign.name.clone();
        let read = self.ledger.run(move |ledger| Callers::read(ledger, &name));
        let callers = read.await.map_err(|fault| ledger_failure(&fault))?;
        let places = Places::new(desk.places);
        Ok(DeskLine { campaign, desk, carrier, account, scripts, agent, places, callers })
    }
}

/// Writes down and sums up calls to a desk, until the desks close. What is left then is made by `calls fetch`, or by the
/// next process.
async fn write_down(desks: std::sync::Weak<Desks>, scribe: Scribe) {
    while desks.strong_count() > 0 {
        scribe.clock.sleep(WRITE_EVERY).await;
        if let Err(fault) = scribe.look(Which::Due).await {
            tracing::warn!(%fault, "calls to us could not be written down now");
        }
    }
}

/// What a call plays, by the phrase that greets and its language.
fn scripts(campaign: &Campaign, desk: &Inbound, kit: &VoiceKit) -> Result<HashMap<(Slug, Language), Spoken>, Failure> {
    let greeting: Slug = GREETING.parse().expect("a constant slug");
    let closed: Slug = CLOSED.parse().expect("a constant slug");
    let mut phrases = vec![greeting];
    phrases.extend(desk.hours.is_some().then(|| closed.clone()));
    phrases.extend(desk.returning.iter().map(|rule| rule.say.clone()));
    let mut scripts = HashMap::new();
    for phrase in phrases {
        let spoken: Vec<&Language> =
            kit.clips.keys().filter(|(key, _)| *key == phrase).map(|(_, language)| language).collect();
        if spoken.is_empty() {
            let what =
                format!("campaign {}: [[returning]] says `{phrase}`, and phrases.toml has no such text", campaign.name);
            return Err(Failure::new(Exit::Asset, what)
                .next(format!("add [{phrase}] to phrases.toml, then `ahoy cache generate {}`", campaign.name)));
        }
        for language in spoken {
            let first = kit.clips.get(&(phrase.clone(), language.clone())).expect("it was just listed");
            let mut made = script(campaign, kit, language, Arc::new(PreparedClip::new(first)));
            made.desk = Some(desk_script(desk, kit, language, phrase == closed));
            made.machines = MachinePlan::default();
            made.message = message(desk.message, kit, language);
            // Who has called us is called back by a list, by a person, or as the desk promises.
            made.call_back = None;
            // The carrier's own recording hangs on an attempt of ours.
            made.recording = Recording::Own;
            if phrase == closed {
                made.agent = None;
            }
            let spoken = Spoken { script: Arc::new(made), greeting: first.fingerprint.clone() };
            scripts.insert((phrase.clone(), language.clone()), spoken);
        }
    }
    Ok(scripts)
}

fn desk_script(desk: &Inbound, kit: &VoiceKit, language: &Language, closed: bool) -> DeskScript {
    let clip = |key: &str| kit.clip(key, language).map(|clip| Arc::new(PreparedClip::new(clip)));
    DeskScript {
        closed,
        speaks_first: desk.speaks_first,
        menu: desk.menu.clone().zip(clip(MENU)),
        // An agent that comes at once is not waited for as one that waits for a voice.
        clone: desk.clone && desk.option != VoiceOption::Switch,
        wait: desk.wait,
        comfort: desk.comfort,
        comforting: clip(STILL_PREPARING),
        failing: desk.failing,
        promise: if desk.option == VoiceOption::CallBack { clip(CALL_BACK_SOON) } else { None },
    }
}
