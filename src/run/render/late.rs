//! `on_missing = "render"`: a greeting that is not on the shelf is rendered before its first call, or while that rings.
//!
//! It is checked like any asset and enters the shelf; the lock is left to `cache generate`, which finds it there. All calls
//! share one rendering. Nothing here runs between answer and first audio: whoever answers first hears the fall-back.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{OnceCell, Semaphore};

use super::job::{Job, told};
use super::kit::{VoiceKit, clip_of};
use super::purse::Purse;
use super::shelf_of;
use super::survey::open_engine;
use crate::base::{Exit, Failure, Language, limits};
use crate::core::asset::{Clip, Line, Recipe};
use crate::core::config::Campaign;
use crate::core::sound::pipeline::PIPELINE;
use crate::store::workspace::Workspace;

/// A greeting that is still to be rendered.
pub(crate) struct Late {
    job: Job,
    line: Line,
    clip: OnceCell<Arc<Clip>>,
}

impl std::fmt::Debug for Late {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Late")
            .field("key", &self.line.key)
            .field("language", &self.line.language)
            .finish_non_exhaustive()
    }
}

impl Late {
    /// Its name on the shelf.
    pub fn fingerprint(&self) -> String {
        self.job.fingerprint.to_string()
    }

    /// The sound, rendered once however many ask; after a failure, whoever asks next tries again.
    pub async fn clip(&self) -> Result<Arc<Clip>, Failure> {
        let made = self.clip.get_or_try_init(|| async {
            let record = self.job.run().await.record?;
            let (_, pcm) = self.job.shelf.sound(&record.fingerprint)?.map_err(|why| Failure::new(Exit::Asset, why))?;
            let clip = clip_of(&record.fingerprint, &self.line, pcm).map_err(|why| Failure::new(Exit::Asset, why))?;
            Ok::<_, Failure>(Arc::new(clip))
        });
        made.await.cloned()
    }
}

/// Opens what renders the greetings that a kit lacks. `Err`: an engine is not here, or does not speak the language.
pub(crate) fn open(ws: &Workspace, campaign: &Campaign, kit: &VoiceKit) -> Result<BTreeMap<Language, Late>, Failure> {
    let purse = Arc::new(Purse::of(ws, None));
    let mut all = BTreeMap::new();
    for line in &kit.late {
        let name = campaign.voice.engine_for(&line.language);
        let engine = open_engine(ws, name).map_err(|fault| told(&fault))?;
        let model = campaign.voice.model_for(&line.language);
        engine.speaks_with(&line.language, model).map_err(|fault| told(&fault))?;
        let recipe = Recipe::of(line, &campaign.voice, engine.version(), ws.config.rate, PIPELINE);
        let job = Job {
            gate: Arc::new(Semaphore::new(1)),
            engine,
            shelf: shelf_of(ws),
            fingerprint: recipe.fingerprint(),
            recipe,
            again: false,
            campaign: campaign.name.clone(),
            key: line.key.clone(),
            purse: Arc::clone(&purse),
            accept: None,
            refused: Arc::default(),
            timeout: limits::RENDER_TIMEOUT,
            backoff: limits::RENDER_BACKOFF,
        };
        all.insert(line.language.clone(), Late { job, line: line.clone(), clip: OnceCell::new() });
    }
    Ok(all)
}
