//! ElevenLabs' instant voice clones: `/v1/voices/add`, found again by their name through `/v2/voices`.

use reqwest::multipart::Form;
use serde::Deserialize;

use super::{Doors, Order, Voice, VoiceMaker, part};
use crate::base::limits;
use crate::core::clone::slots::Slots;
use crate::core::clone::step::MakeFault;
use crate::core::config::CloneProvider;
use crate::edge::engine::elevenlabs::said;
use crate::edge::engine::{Boxed, EngineFault};

pub(super) struct ElevenLabs(pub(super) Doors);

#[derive(Deserialize)]
struct Subscription {
    #[serde(default)]
    voice_slots_used: Option<u64>,
    #[serde(default)]
    voice_limit: Option<u64>,
    #[serde(default)]
    voice_add_edit_counter: Option<u64>,
    #[serde(default)]
    max_voice_add_edits: Option<u64>,
    #[serde(default)]
    can_use_instant_voice_cloning: Option<bool>,
}

#[derive(Deserialize)]
struct Page {
    voices: Vec<Listed>,
    #[serde(default)]
    has_more: bool,
    #[serde(default)]
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
struct Listed {
    voice_id: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    created_at_unix: Option<i64>,
}

#[derive(Deserialize)]
struct Added {
    voice_id: String,
    #[serde(default)]
    requires_verification: bool,
}

impl ElevenLabs {
    async fn subscription(&self) -> Result<Slots, EngineFault> {
        let service = &self.0.asks;
        let answer = service.ask(service.get(service.url(&["v1", "user", "subscription"], &[])), said).await?;
        let told: Subscription = service.json(&answer)?;
        Ok(Slots {
            may_clone: told.can_use_instant_voice_cloning,
            used: told.voice_slots_used,
            limit: told.voice_limit,
            edits: told.voice_add_edit_counter,
            most_edits: told.max_voice_add_edits,
        })
    }

    async fn search(&self, label: &str) -> Result<Vec<Voice>, EngineFault> {
        let service = &self.0.asks;
        let mut token: Option<String> = None;
        let mut found: Vec<Listed> = Vec::new();
        for _ in 0..limits::VOICE_PAGES {
            let mut query = vec![("search", label), ("page_size", "100"), ("include_total_count", "false")];
            if let Some(token) = &token {
                query.push(("next_page_token", token));
            }
            let answer = service.ask(service.get(service.url(&["v2", "voices"], &query)), said).await?;
            let page: Page = service.json(&answer)?;
            // The search is by likeness, and the first page has standard voices in it.
            found.extend(page.voices.into_iter().filter(|it| it.name.as_deref() == Some(label)));
            token = page.next_page_token.filter(|next| page.has_more && !next.is_empty());
            if token.is_none() {
                found.sort_by_key(|it| it.created_at_unix.unwrap_or(i64::MAX));
                let voices = found.iter().map(|it| Ok(Voice { id: self.0.id(&it.voice_id)?, unusable: None }));
                return voices.collect::<Result<_, String>>().map_err(|why| service.bad(why));
            }
        }
        Err(service.bad(format!("its list of voices does not end after {} pages", limits::VOICE_PAGES)))
    }

    async fn add(&self, order: &Order) -> Result<Voice, MakeFault> {
        let service = &self.0.makes;
        // No labels: the four that the service knows would say something about the person.
        let form = Form::new()
            .text("name", order.label.clone())
            .text("remove_background_noise", "false")
            .part("files", part(&order.sample)?);
        let request = service.post(service.url(&["v1", "voices", "add"], &[])).multipart(form);
        let answer = self.0.made(service.send_told(request).await, said)?;
        // A good answer that cannot be read made a voice all the same: it is found by its name.
        let unread = |why: String| MakeFault::MaybeMade(service.safe(&why));
        let added: Added = service.json(&answer).map_err(|fault| unread(fault.why()))?;
        let unusable = added.requires_verification.then(|| "the service wants it verified by hand first".to_owned());
        Ok(Voice { id: self.0.id(&added.voice_id).map_err(unread)?, unusable })
    }
}

impl VoiceMaker for ElevenLabs {
    fn provider(&self) -> CloneProvider {
        CloneProvider::ElevenLabs
    }

    fn findable(&self) -> bool {
        true
    }

    fn wants_consent_spoken(&self) -> bool {
        false
    }

    fn slots(&self) -> Boxed<'_, Result<Slots, EngineFault>> {
        Box::pin(self.subscription())
    }

    fn find<'a>(&'a self, label: &'a str) -> Boxed<'a, Result<Vec<Voice>, EngineFault>> {
        Box::pin(self.search(label))
    }

    fn make<'a>(&'a self, order: &'a Order) -> Boxed<'a, Result<Voice, MakeFault>> {
        Box::pin(self.add(order))
    }

    fn delete<'a>(&'a self, voice: Option<&'a str>, _: &'a str) -> Boxed<'a, Result<(), EngineFault>> {
        Box::pin(async move {
            match voice {
                Some(voice) => {
                    self.0.delete(&["v1", "voices", voice], said, &["voice_not_found", "voice_does_not_exist"]).await
                }
                None => Ok(()),
            }
        })
    }
}
