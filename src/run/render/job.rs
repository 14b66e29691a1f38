//! One rendering, from claim to shelf.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::purse::Purse;
use super::survey::request_of;
use crate::base::{Exit, Failure, Slug, limits};
use crate::core::asset::check::{self, Expected};
use crate::core::asset::{Digest, Recipe, Record};
use crate::core::cost;
use crate::core::ear;
use crate::core::sound::{pipeline, wav};
use crate::edge::engine::{Engine, EngineFault, Rendered, Usage};
use crate::run::clock::{Clock, MachineClock};
use crate::store::shelf::{Claim, Looked, Question, Shelf};

/// A sound that passed the ear, for somebody to listen to.
pub struct Sample<'a> {
    /// The phrase.
    pub key: Slug,
    /// The file.
    pub wav: &'a [u8],
    /// What it was made from, and what was measured.
    pub record: &'a Record,
}

/// What somebody who listened says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It becomes the asset.
    Keep,
    /// Render it again.
    Again,
    /// No asset; what was there before stays.
    Leave,
}

/// Asks somebody about a sound; `Err` ends the run.
pub type Accept = Arc<dyn Fn(&Sample<'_>) -> Result<Answer, Failure> + Send + Sync>;

/// Pause between two looks at a claim that another process holds.
const CLAIM_PAUSE: Duration = Duration::from_millis(50);

/// One asset to be made.
pub(super) struct Job {
    pub engine: Arc<dyn Engine>,
    pub gate: Arc<Semaphore>,
    pub shelf: Shelf,
    pub recipe: Recipe,
    pub fingerprint: Digest,
    pub again: bool,
    /// For which campaign and phrase, in the book of spending.
    pub campaign: Slug,
    pub key: Slug,
    pub purse: Arc<Purse>,
    /// Asked about each sound that passed the ear, before it enters.
    pub accept: Option<Accept>,
    /// Set once the engine's account is refused: nobody asks it again in this run.
    pub refused: Arc<OnceLock<EngineFault>>,
    pub timeout: Duration,
    pub backoff: Duration,
}

/// What became of it.
pub(super) struct Done {
    pub record: Result<Record, Failure>,
    /// Whether this process rendered it.
    pub by_us: bool,
    pub engine_calls: u64,
    pub usage: Usage,
}

impl Job {
    /// Renders, unless another process did so meanwhile. What it used up is counted even if it failed.
    pub async fn run(&self) -> Done {
        let mut done =
            Done { record: Err(Failure::bug("not run")), by_us: false, engine_calls: 0, usage: Usage::default() };
        done.record = self.try_run(&mut done).await;
        done
    }

    async fn try_run(&self, done: &mut Done) -> Result<Record, Failure> {
        // The engine's turn comes before the claim: a claim in a queue would hold up the other process for nothing.
        let _turn = self.gate.acquire().await.map_err(|_| Failure::bug("the engine's gate is closed"))?;
        if let Some(fault) = self.refused.get() {
            return Err(told(fault));
        }
        let claim = self.claim().await?;
        if !self.again
            && let Looked::Whole(whole) = self.shelf.look(&self.fingerprint, Question::Sound)?
            && !check::has_error(&whole.flaws)
        {
            return Ok(whole.record);
        }
        let (wav, record) = self.speak_until_accepted(done).await?;
        claim.enter(&wav, &record)?;
        done.by_us = true;
        Ok(record)
    }

    /// Waits for the right to write this asset.
    async fn claim(&self) -> Result<Claim, Failure> {
        let tries = limits::RENDER_WAIT.as_millis() / CLAIM_PAUSE.as_millis();
        for _ in 0..tries {
            if let Some(claim) = self.shelf.claim(&self.fingerprint)? {
                return Ok(claim);
            }
            MachineClock.sleep(CLAIM_PAUSE).await;
        }
        let what = format!("another process has been rendering {}… for too long", self.fingerprint.short());
        Err(Failure::new(Exit::Asset, what).next("end the other `ahoy cache generate`, then run this one again"))
    }

    async fn speak_until_accepted(&self, done: &mut Done) -> Result<(Vec<u8>, Record), Failure> {
        for _ in 0..limits::ACCEPT_TRIES {
            let (wav, record) = self.speak(done).await?;
            let Some(accept) = &self.accept else { return Ok((wav, record)) };
            let sample = Sample { key: self.key.clone(), wav: &wav, record: &record };
            match tokio::task::block_in_place(|| accept(&sample))? {
                Answer::Keep => return Ok((wav, record)),
                Answer::Again => {}
                Answer::Leave => {
                    let what = format!("`{}` in `{}` was left out by hand", self.key, record.recipe.language);
                    return Err(Failure::new(Exit::Asset, what).next("run `ahoy cache generate --interactive` again"));
                }
            }
        }
        Err(Failure::new(Exit::Asset, format!("not accepted after {} renderings", limits::ACCEPT_TRIES))
            .next("change the text or the voice"))
    }

    /// Asks the engine until its sound is good: busy and failing engines are asked again, refusals are final.
    async fn speak(&self, done: &mut Done) -> Result<(Vec<u8>, Record), Failure> {
        let recipe = &self.recipe;
        let request = request_of(recipe);
        let mut wait = self.backoff;
        for attempt in 1.. {
            let ticket = self.purse.reserve(&*self.engine, recipe, &self.campaign, &self.key)?;
            done.engine_calls += 1;
            let begun = MachineClock.boot();
            let fault = match tokio::time::timeout(self.timeout, self.engine.render(&request)).await {
                Ok(Ok(rendered)) => {
                    let rendered = self.priced(rendered);
                    let usage = rendered.usage;
                    done.usage += usage;
                    let took = MachineClock.boot().since(begun);
                    let prepared = self.prepare(rendered, u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
                    self.purse.settle(ticket, usage, prepared.is_ok())?;
                    match prepared {
                        Ok(good) => return Ok(good),
                        Err(why) => EngineFault::BadSound { engine: recipe.engine.clone(), why },
                    }
                }
                Ok(Err(fault)) => {
                    // What was refused was not spoken; what broke on the way may have been, and stays reserved.
                    if was_not_spoken(&fault) {
                        self.purse.settle(ticket, Usage::default(), false)?;
                    }
                    fault
                }
                Err(_) => {
                    let why = format!("no answer within {:?}", self.timeout);
                    EngineFault::Failed { engine: recipe.engine.clone(), why }
                }
            };
            let Some(pause) = pause_after(&fault, wait).filter(|_| attempt < limits::RENDER_TRIES) else {
                if matches!(fault, EngineFault::Account { .. }) {
                    // A thousand phrases must not try a refused key a thousand times.
                    let _the_first_counts = self.refused.set(fault.clone());
                }
                return Err(told(&fault));
            };
            tracing::info!(%fault, attempt, "rendering is tried again");
            MachineClock.sleep(self.scattered(pause, attempt)).await;
            wait *= 2;
        }
        unreachable!("the loop ends at the last try")
    }

    /// A pause with jitter: up to a half longer, by the asset's own name, so that renderings which met the same busy
    /// service do not all come back at once. Never shorter: the service may have named the pause.
    fn scattered(&self, pause: Duration, attempt: u32) -> Duration {
        let digits = &self.fingerprint.as_str()[(attempt as usize * 2) % 60..][..4];
        let part = u32::from_str_radix(digits, 16).expect("a digest is hex digits");
        pause + pause * part / (2 * 0xFFFF)
    }

    /// What a service reported, with today's price; engines of this machine keep what they say.
    fn priced(&self, mut rendered: Rendered) -> Rendered {
        if let Some(model) = self.engine.model(self.recipe.model.as_deref()) {
            rendered.usage = cost::table().bill(model.kind, &model.id, rendered.usage, MachineClock.wall());
        }
        rendered
    }

    /// From the engine's sound to the bytes of the file and their record; `Err` says what the ear refused.
    fn prepare(&self, rendered: Rendered, rendered_ms: u64) -> Result<(Vec<u8>, Record), String> {
        let recipe = &self.recipe;
        if rendered.pcm.duration_ms() > u64::from(limits::ASSET_SECONDS) * 1_000 {
            return Err(format!("{} ms of sound; {} s is the most", rendered.pcm.duration_ms(), limits::ASSET_SECONDS));
        }
        check::hear_raw(&rendered.pcm).map_err(|flaw| flaw.message)?;
        let prepared = pipeline::prepare(&rendered.pcm, recipe.rate).map_err(|fault| fault.to_string())?;
        let bytes = wav::write(&prepared.pcm);
        let expected = Expected { text: recipe.heard(), language: &recipe.language, rate: recipe.rate };
        let measured = check::hear(&bytes, &expected).map_err(|flaws| ear::told(&flaws))?;
        let record = Record {
            fingerprint: self.fingerprint.clone(),
            sha256: Digest::of(&bytes),
            reproducible: self.engine.reproducible(),
            recipe: recipe.clone(),
            measured,
            trimmed_head_ms: prepared.trimmed_head_ms,
            trimmed_tail_ms: prepared.trimmed_tail_ms,
            transcript: rendered.transcript,
            usage: rendered.usage,
            alignment: rendered.alignment.map(|words| words.trimmed(prepared.trimmed_head_ms)),
            rendered_ms,
            request_id: rendered.request_id,
            rendered_at: MachineClock.wall().rfc3339(),
        };
        Ok((bytes, record))
    }
}

/// Whether a fault proves that the service spoke nothing that it could bill.
fn was_not_spoken(fault: &EngineFault) -> bool {
    match fault {
        EngineFault::Language { .. }
        | EngineFault::Account { .. }
        | EngineFault::Missing { .. }
        | EngineFault::Refused { .. }
        | EngineFault::Busy { .. } => true,
        EngineFault::BadSound { .. } | EngineFault::Failed { .. } => false,
    }
}

/// How long to wait before another try; `None` = another try would change nothing.
pub(in crate::run) fn pause_after(fault: &EngineFault, wait: Duration) -> Option<Duration> {
    match fault {
        EngineFault::Busy { after, .. } => Some(after.unwrap_or(wait).min(limits::RENDER_BACKOFF_MOST)),
        EngineFault::Failed { .. } => Some(wait),
        EngineFault::Language { .. }
        | EngineFault::Account { .. }
        | EngineFault::Missing { .. }
        | EngineFault::Refused { .. }
        | EngineFault::BadSound { .. } => None,
    }
}

/// An engine's fault as a person is told it.
pub fn told(fault: &EngineFault) -> Failure {
    let next = match fault {
        EngineFault::Language { .. } => {
            "choose another engine for it ([voice.engines] in campaign.toml), or write [greeting] fallback"
        }
        EngineFault::Account { .. } => "see the account's page at the service, set its key, then run this again",
        EngineFault::Missing { .. } => "install or set what it names, then run `ahoy cache generate` again",
        EngineFault::Refused { .. } => "change the text or the [voice] settings, then run `ahoy cache generate` again",
        EngineFault::BadSound { .. } => "try the engine alone, change the text, or choose another engine",
        EngineFault::Busy { .. } | EngineFault::Failed { .. } => "run `ahoy cache generate` again later",
    };
    let exit = match fault {
        EngineFault::Account { .. } => Exit::Account,
        EngineFault::Language { .. }
        | EngineFault::Missing { .. }
        | EngineFault::Refused { .. }
        | EngineFault::BadSound { .. }
        | EngineFault::Busy { .. }
        | EngineFault::Failed { .. } => Exit::Asset,
    };
    Failure::new(exit, fault.to_string()).next(next)
}
