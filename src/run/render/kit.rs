//! A campaign's phrases in memory: read, proved, encoded once, shared by all calls.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::shelf_of;
use super::survey::lines_of;
use super::variants::{self, Variants};
use crate::base::{Exit, Failure, Language, Slug};
use crate::core::asset::book::slots::Personal;
use crate::core::asset::verify::{is_unspoken, staleness};
use crate::core::asset::{Clip, Digest, Entry, Line, Lock, book};
use crate::core::config::{Campaign, Greeting, OnMissing};
use crate::core::sound::pipeline::PIPELINE;
use crate::core::sound::{Pcm, g711, resample};
use crate::store::shelf::{Shelf, read_lock, read_phrases};
use crate::store::workspace::Workspace;

/// The line's sample rate.
const LINE_HZ: u32 = 8_000;

/// All phrases of one campaign, ready to be played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoiceKit {
    /// Key and language → sound.
    pub clips: BTreeMap<(Slug, Language), Arc<Clip>>,
    /// Languages whose engine does not speak them: their leads hear the fall-back.
    pub unspoken: Vec<Language>,
    /// Greetings that are not on the shelf, and are to be rendered in the run (`on_missing = "render"`).
    pub late: Vec<Line>,
    /// Greetings that name their lead, as they are written.
    pub personal: BTreeMap<Language, Personal>,
    /// Those of them that are ready, by language and words.
    pub variants: BTreeMap<(Language, String), Arc<Clip>>,
    greeting: Greeting,
}

impl VoiceKit {
    /// The language that a lead hears: its own, its base language, else the fall-back; `None` = it is not called.
    pub fn language(&self, lead: &Language) -> Option<&Language> {
        book::heard_language(&self.greeting, lead)
    }

    /// The sound of a phrase for a lead; a phrase that lacks the language uses the fall-back's.
    pub fn clip(&self, key: &str, lead: &Language) -> Option<&Arc<Clip>> {
        let key: Slug = key.parse().ok()?;
        let of = |language: &Language| self.clips.get(&(key.clone(), language.clone()));
        let heard = self.language(lead)?;
        of(heard).or_else(|| self.greeting.fallback.as_ref().and_then(of))
    }

    /// The greeting as it can be heard here: without the languages that no engine speaks.
    pub fn greeting(&self) -> &Greeting {
        &self.greeting
    }

    /// A kit of these sounds (for tests of what plays them).
    #[cfg(test)]
    pub fn of_clips(greeting: Greeting, clips: impl IntoIterator<Item = Clip>) -> VoiceKit {
        let by_slot = |clip: Clip| ((clip.key.clone(), clip.language.clone()), Arc::new(clip));
        VoiceKit {
            clips: clips.into_iter().map(by_slot).collect(),
            unspoken: Vec::new(),
            late: Vec::new(),
            personal: BTreeMap::new(),
            variants: BTreeMap::new(),
            greeting,
        }
    }

    /// Whether a lead hears the fall-back instead of its own language.
    pub fn falls_back(&self, lead: &Language) -> bool {
        self.language(lead).is_some_and(|heard| heard.primary() != lead.primary())
    }
}

/// Loads a campaign's phrases by its lock, and proves each: made from what is written now, and byte for byte what was
/// recorded.
///
/// A phrase that is missing, stale or damaged fails with exit 13, its key and language, and the command that mends it.
pub fn load_kit(ws: &Workspace, campaign: &Campaign) -> Result<VoiceKit, Failure> {
    let lock = read_lock(ws, &campaign.name)?.unwrap_or_default();
    let shelf = shelf_of(ws);
    let mut greeting = campaign.greeting.clone();
    let unspoken: Vec<Language> =
        greeting.texts.keys().filter(|language| is_unspoken(campaign, &lock, language)).cloned().collect();
    greeting.texts.retain(|language, _| !unspoken.contains(language));
    let mut clips = BTreeMap::new();
    let mut late = Vec::new();
    for line in lines_of(ws, campaign)? {
        if is_unspoken(campaign, &lock, &line.language) {
            continue;
        }
        let slot = (line.key.clone(), line.language.clone());
        let clip = lock
            .entries
            .get(&slot)
            .ok_or_else(|| "it was never rendered".to_owned())
            .and_then(|entry| fresh(ws, campaign, entry, &line))
            .map_err(|why| cannot_play(campaign, &line, &why))
            .and_then(|entry| load_clip(&shelf, entry, &line, campaign));
        match clip {
            Ok(clip) => {
                clips.insert(slot, Arc::new(clip));
            }
            Err(failure) if line.key.as_str() == book::GREETING && greeting.on_missing == OnMissing::Render => {
                tracing::info!(%failure, "this greeting is rendered in the run");
                late.push(line);
            }
            Err(failure) => return Err(failure),
        }
    }
    let variants = load_variants(ws, campaign, &lock, &shelf)?;
    let personal = read_phrases(ws, &campaign.name)?.personal().clone();
    Ok(VoiceKit { clips, unspoken, late, personal, variants, greeting })
}

/// The greetings that name a lead of the campaign and are on the shelf, sound; what is missing or damaged is left out.
fn load_variants(
    ws: &Workspace,
    campaign: &Campaign,
    lock: &Lock,
    shelf: &Shelf,
) -> Result<BTreeMap<(Language, String), Arc<Clip>>, Failure> {
    let mut variants = BTreeMap::new();
    for line in Variants::of(ws, campaign)?.lines {
        let Some(recipe) = variants::recipe(ws, campaign, lock, &line) else { continue };
        let fingerprint = recipe.fingerprint();
        match shelf.sound(&fingerprint)? {
            Ok((_, pcm)) => {
                let clip = clip_of(&fingerprint, &line, pcm).map_err(|why| cannot_play(campaign, &line, &why))?;
                variants.insert((line.language.clone(), line.text.clone()), Arc::new(clip));
            }
            Err(why) => tracing::debug!(%why, "a greeting with a name is not ready"),
        }
    }
    Ok(variants)
}

pub(super) fn fresh<'a>(
    ws: &Workspace,
    campaign: &Campaign,
    entry: &'a Entry,
    line: &Line,
) -> Result<&'a Entry, String> {
    let changed = staleness(entry, line, campaign, ws.config.rate, PIPELINE);
    if changed.is_empty() {
        return Ok(entry);
    }
    let names: Vec<String> = changed.iter().map(ToString::to_string).collect();
    Err(format!("its {} changed since it was rendered", names.join(" and ")))
}

fn load_clip(shelf: &Shelf, entry: &Entry, line: &Line, campaign: &Campaign) -> Result<Clip, Failure> {
    let refuse = |why: String| cannot_play(campaign, line, &why);
    let (record, pcm) = shelf.sound(&entry.fingerprint)?.map_err(refuse)?;
    if entry.reproducible && record.sha256 != entry.sha256 {
        return Err(refuse("its bytes are not the ones that the lock names".to_owned()));
    }
    let alignment = record.alignment;
    clip_of(&entry.fingerprint, line, pcm).map(|clip| Clip { alignment, ..clip }).map_err(refuse)
}

pub(super) fn clip_of(fingerprint: &Digest, line: &Line, pcm: Pcm) -> Result<Clip, String> {
    let pcm =
        if pcm.rate == LINE_HZ { pcm } else { resample::resample(&pcm, LINE_HZ).map_err(|fault| fault.to_string())? };
    Ok(Clip {
        key: line.key.clone(),
        language: line.language.clone(),
        fingerprint: fingerprint.to_string(),
        text: line.text.clone(),
        alignment: None,
        ulaw: g711::encode_ulaw(&pcm.samples).into(),
    })
}

fn cannot_play(campaign: &Campaign, line: &Line, why: &str) -> Failure {
    let what = format!("phrase `{}` in `{}` of campaign `{}`: {why}", line.key, line.language, campaign.name);
    Failure::new(Exit::Asset, what).next(format!("ahoy cache generate {}", campaign.name))
}
