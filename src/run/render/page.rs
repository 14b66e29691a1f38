//! The cache as a page: every phrase with its sound and what the ear says.

use std::collections::BTreeMap;

use super::shelf_of;
use super::survey::lines_of;
use super::verify::{Depth, verify};
use crate::base::{Failure, limits};
use crate::core::asset::verify::{Binding, is_unspoken};
use crate::core::config::Campaign;
use crate::core::ear::{Flaw, PhraseId};
use crate::core::sound::wav;
use crate::show::html::cache::{CacheView, PhraseView, cache_page, envelope};
use crate::store::shelf::read_lock;
use crate::store::workspace::Workspace;

/// The page of these campaigns. Sound beyond [`limits::PAGE_BYTES`] is left out, and the page says of how many phrases.
pub fn page(ws: &Workspace, campaigns: &[Campaign]) -> Result<String, Failure> {
    let mut flaws: BTreeMap<PhraseId, Vec<Flaw>> = BTreeMap::new();
    for finding in verify(ws, campaigns, Binding::Reproducible, Depth::Changed)?.findings {
        flaws.extend(finding.phrase.clone().map(|phrase| (phrase, Vec::new())).filter(|it| !flaws.contains_key(&it.0)));
        if let Some(of_phrase) = finding.phrase.as_ref().and_then(|phrase| flaws.get_mut(phrase)) {
            of_phrase.push(finding.flaw);
        }
    }
    let names: Vec<String> = campaigns.iter().map(|campaign| campaign.name.to_string()).collect();
    let mut view = CacheView { title: format!("Phrases: {}", names.join(", ")), ..CacheView::default() };
    let shelf = shelf_of(ws);
    let mut bytes = 0;
    for campaign in campaigns {
        let lock = read_lock(ws, &campaign.name)?.unwrap_or_default();
        for line in lines_of(ws, campaign)? {
            if is_unspoken(campaign, &lock, &line.language) {
                continue;
            }
            let entry = lock.entries.get(&(line.key.clone(), line.language.clone()));
            let sound = match entry {
                Some(entry) => shelf.sound(&entry.fingerprint)?.ok(),
                None => None,
            };
            let phrase = PhraseId { campaign: campaign.name.clone(), key: line.key, language: line.language };
            let mut shown = PhraseView {
                campaign: phrase.campaign.to_string(),
                key: phrase.key.to_string(),
                language: phrase.language.to_string(),
                text: line.text,
                voice: campaign.voice.engine_for(&phrase.language).to_owned(),
                duration_ms: 0,
                level_dbov: None,
                envelope: Vec::new(),
                wav: None,
                flaws: flaws.remove(&phrase).unwrap_or_default(),
            };
            if let Some((record, pcm)) = sound {
                let recipe = &record.recipe;
                let parts = [Some(recipe.engine.as_str()), recipe.model.as_deref(), recipe.voice.as_deref()];
                shown.voice = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
                shown.duration_ms = pcm.duration_ms();
                shown.level_dbov = Some(record.measured.level_dbov);
                shown.envelope = envelope(&pcm.samples);
                let file = wav::write(&pcm);
                if bytes + file.len() <= limits::PAGE_BYTES {
                    bytes += file.len();
                    shown.wav = Some(file);
                } else {
                    view.without_sound += 1;
                }
            }
            view.phrases.push(shown);
        }
    }
    Ok(cache_page(&view))
}
