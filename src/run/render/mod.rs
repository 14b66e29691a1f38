//! Rendering: what `core/asset` planned is spoken by engines, prepared, heard, and put on the shelf.
//!
//! Nothing here decides what is good enough: the pipeline and the ear of `core` do. A rendering that fails is tried
//! again within bounds and then reported; it never becomes an asset.

mod doctor;
mod export;
mod job;
mod kit;
pub(crate) mod late;
mod page;
pub(in crate::run) mod purse;
mod stats;
mod survey;
mod variants;
mod verify;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

pub use doctor::{Checkup, Is, doctor};
pub use export::{ExportAs, ExportRow, export};
pub use kit::{VoiceKit, load_kit};
pub use page::page;
pub use stats::stats;
pub use survey::{AssetRow, list, plan_campaigns, prunable};
pub use verify::{Depth, FilesAsked, Verified, verify, verify_files};

pub use job::{Accept, Answer, Sample};

pub(crate) use variants::{About, prompt_for, words_for};

pub(super) use job::{pause_after, told};
pub(super) use survey::{lines_of, open_engine};

use crate::base::{Exit, Failure, Language, Money, Slug, limits};
use crate::core::asset::plan::{Item, Plan, Step, Why};
use crate::core::asset::{Digest, Entry, Lock, Record};
use crate::core::config::Campaign;
use crate::edge::engine::{Engine, EngineFault};
use crate::run::clock::{Clock, MachineClock};
use crate::store::shelf::{Generation, Shelf, write_lock};
use crate::store::workspace::Workspace;
use job::{Done, Job};
use purse::Purse;
use survey::Survey;

/// Pause between two looks at another process's generation.
const GENERATION_PAUSE: Duration = Duration::from_millis(100);

/// Opens an engine by its name in configuration.
pub type OpenEngine<'a> = &'a (dyn Fn(&str) -> Result<Arc<dyn Engine>, EngineFault> + Send + Sync);

/// How to generate.
#[derive(Clone)]
pub struct GenerateOptions {
    /// Render everything again, even what is on the shelf.
    pub again: bool,
    /// One rendering may take this long.
    pub timeout: Duration,
    /// Wait before the second try; it doubles for the third.
    pub backoff: Duration,
    /// Render again what is older than this.
    pub max_age: Option<Duration>,
    /// Render these phrases only; empty = all. The others stay as they are.
    pub only: Vec<Slug>,
    /// This run's cap on spending, beside those of the configuration.
    pub max_cost: Option<Money>,
    /// Asks somebody about each sound; then one is rendered after the other.
    pub accept: Option<Accept>,
}

impl std::fmt::Debug for GenerateOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GenerateOptions").field("again", &self.again).field("only", &self.only).finish_non_exhaustive()
    }
}

impl Default for GenerateOptions {
    fn default() -> GenerateOptions {
        GenerateOptions {
            again: false,
            timeout: limits::RENDER_TIMEOUT,
            backoff: limits::RENDER_BACKOFF,
            max_age: None,
            only: Vec::new(),
            max_cost: None,
            accept: None,
        }
    }
}

/// How far a generation is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// The plan stands: so many assets are to be rendered, so many are kept.
    Planned {
        /// Renderings to come.
        render: u64,
        /// Assets that the shelf has.
        keep: u64,
    },
    /// One rendering ended.
    Ended {
        /// The phrase.
        key: Slug,
        /// Its language.
        language: Language,
        /// Whether it became an asset.
        well: bool,
        /// What this run has spent so far.
        spent: Money,
    },
}

/// A phrase that could not be rendered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailedPhrase {
    /// The campaign.
    pub campaign: Slug,
    /// The phrase.
    pub key: Slug,
    /// Its language.
    pub language: Language,
    /// Why, and what to do.
    pub why: String,
    /// The exit code that it calls for.
    #[serde(skip)]
    pub exit: Exit,
}

/// A language of a greeting that its engine does not speak: those leads hear the fall-back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Unspoken {
    /// The campaign.
    pub campaign: Slug,
    /// The language.
    pub language: Language,
    /// The engine that does not speak it.
    pub engine: String,
    /// What its leads hear.
    pub fallback: Language,
}

/// What a generation did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct GenerateReport {
    /// Assets rendered by this process, each counted once.
    pub rendered: u64,
    /// Phrases whose asset was there already, or came from another process meanwhile.
    pub kept: u64,
    /// Phrases that have no asset now.
    pub failed: Vec<FailedPhrase>,
    /// Requests to engines, second tries included.
    pub engine_calls: u64,
    /// Characters that engines counted.
    pub characters: u64,
    /// What the engines cost, in millionths of a US dollar.
    pub cost: Money,
    /// Languages that fall back.
    pub unspoken: Vec<Unspoken>,
    /// Lock files that changed.
    pub locks_written: u64,
    /// Things a person should know, in whole sentences.
    pub notes: Vec<String>,
}

/// Renders what the campaigns lack and writes their locks, with the engines of the workspace.
///
/// Idempotent and resumable: what is on the shelf stays. Failures of single phrases are in the report; `Err` is for
/// what stops all of it (bad files, an engine that is not here or does not speak: exit 13, the disk).
pub async fn generate(
    ws: &Workspace,
    campaigns: &[Campaign],
    options: &GenerateOptions,
    progress: &(dyn Fn(&Progress) + Send + Sync),
) -> Result<GenerateReport, Failure> {
    generate_with(ws, campaigns, options, progress, &|name| survey::open_engine(ws, name)).await
}

/// [`generate`] with engines from elsewhere.
pub async fn generate_with(
    ws: &Workspace,
    campaigns: &[Campaign],
    options: &GenerateOptions,
    progress: &(dyn Fn(&Progress) + Send + Sync),
    open: OpenEngine<'_>,
) -> Result<GenerateReport, Failure> {
    let (mut survey, mut plan) = planned(ws, campaigns, options, open)?;
    let mut generating = None;
    if !plan.to_render().is_empty() {
        generating = Some(generation(ws).await?);
        // Whoever had the right before may have done all of it.
        (survey, plan) = planned(ws, campaigns, options, open)?;
    }
    let purse = Arc::new(Purse::of(ws, options.max_cost));
    let to_render: Vec<Item> = plan.to_render().into_iter().cloned().collect();
    let kept = plan.items.iter().filter(|item| item.step == Step::Keep).count() as u64;
    progress(&Progress::Planned { render: to_render.len() as u64, keep: kept });
    let mut report = GenerateReport { kept, unspoken: survey.unspoken.clone(), ..GenerateReport::default() };
    report.notes.extend(survey.notes.iter().cloned());
    let outcomes = render_all(&survey, to_render, options, &purse, progress, &mut report).await;
    write_locks(ws, &survey, &plan, outcomes, &mut report)?;
    drop(generating);
    Ok(report)
}

/// What is there, and what is to be done about it.
fn planned(
    ws: &Workspace,
    campaigns: &[Campaign],
    options: &GenerateOptions,
    open: OpenEngine<'_>,
) -> Result<(Survey, Plan), Failure> {
    let survey = Survey::take(ws, campaigns, open)?;
    let mut plan = survey.plan()?;
    if options.again {
        for item in &mut plan.items {
            item.step = Step::Render(Why::New);
        }
    }
    if let Some(age) = options.max_age {
        survey.age(&mut plan, MachineClock.wall() - age);
    }
    plan.only(&options.only)?;
    Ok((survey, plan))
}

/// The right to generate in this workspace: two crons that meet work one after the other, and the second finds little to do.
async fn generation(ws: &Workspace) -> Result<Generation, Failure> {
    let tries = limits::RENDER_WAIT.as_millis() / GENERATION_PAUSE.as_millis();
    for _ in 0..tries {
        if let Some(right) = shelf_of(ws).generation()? {
            return Ok(right);
        }
        MachineClock.sleep(GENERATION_PAUSE).await;
    }
    let what = format!("another `ahoy cache generate` has been at work for {} s", limits::RENDER_WAIT.as_secs());
    Err(Failure::new(Exit::Locked, what).next("wait for it, or end it"))
}

type Outcomes = BTreeMap<Digest, Result<Record, Failure>>;

/// Renders in tasks of their own, as many at once per engine as it bears.
async fn render_all(
    survey: &Survey,
    items: Vec<Item>,
    options: &GenerateOptions,
    purse: &Arc<Purse>,
    progress: &(dyn Fn(&Progress) + Send + Sync),
    report: &mut GenerateReport,
) -> Outcomes {
    let gates: BTreeMap<&str, Arc<Semaphore>> = survey
        .engines
        .iter()
        .map(|(name, engine)| {
            let at_once = if options.accept.is_some() { 1 } else { engine.concurrency().clamp(1, 64) };
            (name.as_str(), Arc::new(Semaphore::new(at_once)))
        })
        .collect();
    let refusals: BTreeMap<&str, Arc<OnceLock<EngineFault>>> =
        survey.engines.keys().map(|name| (name.as_str(), Arc::default())).collect();
    let mut tasks = JoinSet::new();
    for item in items {
        let engine = &survey.engines[&item.wanted.recipe.engine];
        let job = Job {
            engine: Arc::clone(engine),
            gate: Arc::clone(&gates[item.wanted.recipe.engine.as_str()]),
            refused: Arc::clone(&refusals[item.wanted.recipe.engine.as_str()]),
            shelf: survey.shelf.clone(),
            recipe: item.wanted.recipe,
            fingerprint: item.fingerprint,
            again: options.again || matches!(item.step, Step::Render(Why::Aged)),
            campaign: item.wanted.campaign.clone(),
            key: item.wanted.key.clone(),
            purse: Arc::clone(purse),
            accept: options.accept.clone(),
            timeout: options.timeout,
            backoff: options.backoff,
        };
        let key = item.wanted.key;
        tasks.spawn(async move {
            let done = job.run().await;
            (key, job, done)
        });
    }
    let mut outcomes = Outcomes::new();
    let mut unpriced = 0u64;
    while let Some(joined) = tasks.join_next().await {
        let (key, job, done) = match joined {
            Ok(ended) => ended,
            Err(error) if error.is_cancelled() => continue,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        let Done { record, by_us, engine_calls, usage } = done;
        report.engine_calls += engine_calls;
        report.characters += usage.characters;
        report.cost += usage.cost;
        unpriced += u64::from(usage.unpriced);
        match (&record, by_us) {
            (Ok(_), true) => report.rendered += 1,
            (Ok(_), false) => report.kept += 1,
            (Err(_), _) => {}
        }
        // Whoever listens has had enough: nothing more is rendered, and what was accepted stays.
        if matches!(&record, Err(failure) if failure.exit == Exit::Stopped) {
            tasks.abort_all();
        }
        progress(&Progress::Ended {
            key,
            language: job.recipe.language.clone(),
            well: record.is_ok(),
            spent: purse.spent(),
        });
        outcomes.insert(job.fingerprint, record);
    }
    if unpriced > 0 {
        report.notes.push(format!("no price is known for {unpriced} of these renderings: the cost told is too low."));
    }
    outcomes
}

/// Brings each campaign's lock up to date. A phrase that failed keeps its old entry, so that verify calls it stale.
fn write_locks(
    ws: &Workspace,
    survey: &Survey,
    plan: &Plan,
    mut outcomes: Outcomes,
    report: &mut GenerateReport,
) -> Result<(), Failure> {
    let kept: Vec<Digest> =
        plan.items.iter().filter(|it| it.step == Step::Keep).map(|it| it.fingerprint.clone()).collect();
    for fingerprint in kept {
        if let Some(record) = survey.record(&fingerprint) {
            outcomes.insert(fingerprint, Ok(record.clone()));
        }
    }
    let mut locks: BTreeMap<Slug, Lock> = BTreeMap::new();
    for item in &plan.items {
        let wanted = &item.wanted;
        if wanted.unlocked {
            // A greeting that names somebody stands in no lock: its lead hears the plain one where it is missing.
            if let Some(Err(failure)) = outcomes.get(&item.fingerprint) {
                let (campaign, key, language) =
                    (wanted.campaign.clone(), wanted.key.clone(), wanted.recipe.language.clone());
                let (why, exit) = (format!("a greeting with a name: {failure}"), failure.exit);
                report.failed.push(FailedPhrase { campaign, key, language, why, exit });
            }
            continue;
        }
        let slot = (wanted.key.clone(), wanted.recipe.language.clone());
        let old = survey.locks.get(&wanted.campaign).and_then(|lock| lock.entries.get(&slot));
        let entry = match outcomes.get(&item.fingerprint) {
            Some(Ok(record)) => Some(new_entry(record, old, &slot, report)),
            Some(Err(failure)) => {
                let (campaign, (key, language)) = (wanted.campaign.clone(), slot.clone());
                let (why, exit) = (failure.to_string(), failure.exit);
                report.failed.push(FailedPhrase { campaign, key, language, why, exit });
                old.cloned()
            }
            None => old.cloned(),
        };
        let lock = locks.entry(wanted.campaign.clone()).or_default();
        lock.entries.extend(entry.map(|entry| (slot, entry)));
    }
    for unspoken in &report.unspoken {
        let lock = locks.entry(unspoken.campaign.clone()).or_default();
        lock.unspoken.insert(unspoken.language.clone(), unspoken.engine.clone());
    }
    for (campaign, lock) in &locks {
        let nothing = lock.entries.is_empty() && lock.unspoken.is_empty() && !survey.locks.contains_key(campaign);
        if nothing {
            continue;
        }
        report.locks_written += u64::from(write_lock(ws, campaign, lock)?);
    }
    Ok(())
}

/// The lock entry for a record. Sound that is never the same twice keeps the entry of its first rendering.
fn new_entry(record: &Record, old: Option<&Entry>, slot: &(Slug, Language), report: &mut GenerateReport) -> Entry {
    let new = Entry {
        recipe: record.recipe.clone(),
        fingerprint: record.fingerprint.clone(),
        sha256: record.sha256.clone(),
        duration_ms: record.measured.duration_ms,
        reproducible: record.reproducible,
    };
    match old {
        Some(old) if old.fingerprint == new.fingerprint && old.sha256 != new.sha256 => {
            if !new.reproducible {
                return old.clone();
            }
            report.notes.push(format!(
                "`{}` in `{}` came out with other bytes than the lock has, though `{}` should repeat itself: \
                 the lock now has the new ones; listen to it (`ahoy cache play`).",
                slot.0, slot.1, new.recipe.engine
            ));
            new
        }
        Some(_) | None => new,
    }
}

/// The exit code of a finished generation.
pub fn generate_exit(report: &GenerateReport) -> Exit {
    report.failed.iter().fold(Exit::Done, |exit, failed| exit.and(failed.exit))
}

/// Plays a sound file on this machine.
pub async fn play(file: &std::path::Path) -> Result<(), Failure> {
    crate::edge::player::play(file)
        .await
        .map_err(|fault| Failure::bug(fault.to_string()).next("add --to FILE and play that file anywhere"))
}

/// Plays a sound that is not on the shelf yet.
pub async fn play_bytes(wav: &[u8]) -> Result<(), Failure> {
    let file = crate::store::scratch::file(wav, ".wav")?;
    crate::edge::player::play(file.path()).await.map_err(|fault| Failure::bug(fault.to_string()))
}

fn shelf_of(ws: &Workspace) -> Shelf {
    Shelf::at(&ws.cache_dir())
}

#[cfg(test)]
mod tests;
