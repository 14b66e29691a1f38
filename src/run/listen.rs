//! `cache verify --listen`: somebody else writes down what each phrase says, and it is compared with what is written.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::render::purse::{Purse, Wish};
use crate::base::{Exit, Failure, Money, limits};
use crate::core::asset::Recipe;
use crate::core::asset::transcript::{Comparison, compare};
use crate::core::asset::verify::is_unspoken;
use crate::core::config::Campaign;
use crate::core::cost::{self, Usage};
use crate::core::ear::{Code, Finding, Flaw, PhraseId, Place};
use crate::edge::engine::http::Bounds;
use crate::edge::transcriber::{Transcriber, Transcript};
use crate::run::clock::{Clock, MachineClock};
use crate::run::render::{lines_of, told};
use crate::store::shelf::{Shelf, places, read_lock};
use crate::store::workspace::{Workspace, shown};

/// One phrase, as it was heard.
#[derive(Debug, Clone, PartialEq)]
pub struct HeardPhrase {
    /// The phrase.
    pub phrase: PhraseId,
    /// Where it is written.
    pub place: Place,
    /// The words that were heard.
    pub heard: String,
    /// How they differ from the text.
    pub comparison: Comparison,
    /// What is wrong with it, if it differs too much.
    pub flaw: Option<Flaw>,
}

impl HeardPhrase {
    /// As a finding, if it is one.
    pub fn finding(&self) -> Option<Finding> {
        let (place, phrase) = (self.place.clone(), Some(self.phrase.clone()));
        Some(Finding { place, phrase, flaw: self.flaw.clone()? })
    }
}

/// What listening came to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Listened {
    /// Every phrase that was heard, in the order of campaign, key and language.
    pub phrases: Vec<HeardPhrase>,
    /// What the transcriber cost.
    pub cost: Money,
    /// Phrases that could not be heard, with the reason.
    pub failed: Vec<(PhraseId, String)>,
}

struct Job {
    phrase: PhraseId,
    place: Place,
    recipe: Recipe,
    wav: Vec<u8>,
}

/// Has every phrase on the shelf of these campaigns written down by a transcriber of `ahoy.toml`.
///
/// Phrases that are missing or stale are left to `verify`. `each` is told after every phrase. Capped like a generation.
pub async fn listen(
    ws: &Workspace,
    campaigns: &[Campaign],
    name: &str,
    each: &(dyn Fn() + Send + Sync),
) -> Result<Listened, Failure> {
    let transcriber = open(ws, name)?;
    let jobs = jobs(ws, campaigns)?;
    let purse = Arc::new(Purse::of(ws, None));
    let gate = Arc::new(Semaphore::new(transcriber.concurrency().clamp(1, limits::RENDER_CONCURRENCY_MOST)));
    let mut tasks = JoinSet::new();
    for job in jobs {
        let (transcriber, purse, gate) = (Arc::clone(&transcriber), Arc::clone(&purse), Arc::clone(&gate));
        tasks.spawn(async move {
            let _turn = gate.acquire().await.map_err(|_| Failure::bug("the gate is closed"));
            let heard = hear(&*transcriber, &purse, &job).await;
            (job, heard)
        });
    }
    let mut listened = Listened::default();
    while let Some(joined) = tasks.join_next().await {
        let (job, heard) = joined.map_err(|error| Failure::bug(format!("a listener died: {error}")))?;
        each();
        match heard {
            Ok(transcript) => listened.phrases.push(judged(job, transcript)),
            Err(failure) if failure.exit == Exit::Account => return Err(failure),
            Err(failure) => listened.failed.push((job.phrase, failure.to_string())),
        }
    }
    listened.phrases.sort_by(|a, b| a.phrase.cmp(&b.phrase));
    listened.failed.sort();
    listened.cost = purse.spent();
    Ok(listened)
}

fn open(ws: &Workspace, name: &str) -> Result<Arc<dyn Transcriber>, Failure> {
    let Some(config) = ws.config.transcribers.get(name) else {
        let known: Vec<&str> = ws.config.transcribers.keys().map(String::as_str).collect();
        let known = if known.is_empty() { "there are none yet".to_owned() } else { known.join(", ") };
        let what = format!("no transcriber `{}` in ahoy.toml", crate::base::text::printable(name));
        return Err(Failure::usage(what).next(format!("add [transcribers.NAME] (docs/CACHE.md); known: {known}")));
    };
    let secret = |wanted: &crate::base::secret::SecretRef, what: &str| ws.secret(wanted, what);
    crate::edge::transcriber::open(name, config, &secret, Bounds::default()).map_err(|fault| told(&fault))
}

fn jobs(ws: &Workspace, campaigns: &[Campaign]) -> Result<Vec<Job>, Failure> {
    let shelf = Shelf::at(&ws.cache_dir());
    let mut jobs = Vec::new();
    for campaign in campaigns {
        let lock = read_lock(ws, &campaign.name)?.unwrap_or_default();
        let written = places(ws, &campaign.name)?;
        let lock_file = shown(&ws.campaign_dir(&campaign.name).join("assets.lock"));
        for line in lines_of(ws, campaign)? {
            let slot = (line.key.clone(), line.language.clone());
            let Some(entry) = lock.entries.get(&slot).filter(|_| !is_unspoken(campaign, &lock, &line.language)) else {
                continue;
            };
            let Ok((record, pcm)) = shelf.sound(&entry.fingerprint)? else { continue };
            if record.recipe.text != line.text {
                continue;
            }
            let place = written.get(&slot).cloned().unwrap_or(Place { file: lock_file.clone(), line: None });
            let phrase = PhraseId { campaign: campaign.name.clone(), key: line.key, language: line.language };
            jobs.push(Job { phrase, place, recipe: record.recipe, wav: crate::core::sound::wav::write(&pcm) });
        }
    }
    Ok(jobs)
}

async fn hear(transcriber: &dyn Transcriber, purse: &Purse, job: &Job) -> Result<Transcript, Failure> {
    let now = MachineClock.wall();
    let priced = |usage: Usage| match transcriber.model() {
        Some((kind, id)) => cost::table().bill(kind, id, usage, now),
        None => usage,
    };
    // Longer than it is, no service can find it; a token or two more are within the rounding of a cent.
    let audio_ms = (job.wav.len() as u64) * 1_000 / (2 * u64::from(job.recipe.rate)) + 1_000;
    let most = priced(Usage { audio_ms, audio_in: audio_ms * 32 / 1_000, text_out: audio_ms / 50, ..Usage::default() });
    let wish = Wish {
        campaign: &job.phrase.campaign,
        key: &job.phrase.key,
        language: &job.phrase.language,
        engine: transcriber.name(),
        model: transcriber.model().map(|(_, id)| id.to_owned()),
        most,
    };
    let mut wait = limits::RENDER_BACKOFF;
    for attempt in 1.. {
        let ticket = purse.reserve_for(&wish)?;
        let heard = transcriber.transcribe(&job.wav, job.phrase.language.as_str());
        let fault = match tokio::time::timeout(limits::RENDER_TIMEOUT, heard).await {
            Ok(Ok(transcript)) => {
                purse.settle(ticket, priced(transcript.usage), true)?;
                return Ok(transcript);
            }
            Ok(Err(fault)) => fault,
            Err(_) => return Err(Failure::new(Exit::Asset, "no answer in time")),
        };
        let pause = super::render::pause_after(&fault, wait).filter(|_| attempt < limits::RENDER_TRIES);
        let Some(pause) = pause else { return Err(told(&fault)) };
        MachineClock.sleep(pause).await;
        wait *= 2;
    }
    unreachable!("the loop ends at the last try")
}

fn judged(job: Job, transcript: Transcript) -> HeardPhrase {
    // A lexicon changes how words are written for the engine, not what people hear.
    let comparison = compare(&job.recipe.text, &transcript.text);
    let wanted = job.phrase.language.primary();
    let flaw = comparison.flaw().map(|flaw| match &transcript.language {
        Some(heard) if heard != wanted => {
            Flaw { code: Code::WrongLanguage, message: format!("heard as `{heard}`: {}", flaw.message), ..flaw }
        }
        Some(_) | None => flaw,
    });
    HeardPhrase { phrase: job.phrase, place: job.place, heard: transcript.text, comparison, flaw }
}
