//! Gemini's replicated voices: `/v1/voices`, stored there, with the consent heard.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Doors, Order, Voice, VoiceMaker};
use crate::base::limits;
use crate::core::clone::Sample;
use crate::core::clone::slots::Slots;
use crate::core::clone::step::MakeFault;
use crate::core::config::CloneProvider;
use crate::edge::engine::gemini::said;
use crate::edge::engine::{Boxed, EngineFault};

const API: &str = "v1beta";

pub(super) struct Gemini(pub(super) Doors);

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    voices: Option<Vec<Listed>>,
    #[serde(default)]
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
struct Listed {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    display_name: Option<String>,
}

fn audio(sample: &Sample) -> Value {
    json!({ "data": STANDARD.encode(&sample.bytes), "mime_type": sample.form.mime() })
}

impl Gemini {
    async fn search(&self, label: &str) -> Result<Vec<Voice>, EngineFault> {
        let service = &self.0.asks;
        let mut token: Option<String> = None;
        let mut found = Vec::new();
        for _ in 0..limits::VOICE_PAGES {
            let mut query = vec![("type", "replicated"), ("search", label), ("page_size", "1000")];
            query.extend(token.as_deref().map(|token| ("page_token", token)));
            let page: Page =
                service.json(&service.ask(service.get(service.url(&[API, "voices"], &query)), said).await?)?;
            let ours = page.voices.unwrap_or_default().into_iter();
            for voice in ours.filter(|it| it.display_name.as_deref() == Some(label)) {
                let id = self.0.id(&voice.id.unwrap_or_default()).map_err(|why| service.bad(why))?;
                found.push(Voice { id, unusable: None });
            }
            token = page.next_page_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(found);
            }
        }
        Err(service.bad(format!("its list of voices does not end after {} pages", limits::VOICE_PAGES)))
    }

    async fn create(&self, order: &Order) -> Result<Voice, MakeFault> {
        let service = &self.0.makes;
        let Some(spoken) = &order.spoken else {
            let why = "it wants to hear the consent: consent_sample in the list of samples";
            return Err(MakeFault::Refused(why.to_owned()));
        };
        // Whether a voice is stored if nothing is said is told in two ways: it is said.
        let body = json!({ "store": true, "voice": { "type": "replicated", "display_name": order.label,
            "replicated": { "source_audio": audio(&order.sample), "consent_audio": audio(spoken) } } });
        let request = service.post(service.url(&[API, "voices"], &[])).json(&body);
        let answer = self.0.made(service.send_told(request).await, said)?;
        let unread = |why: String| MakeFault::MaybeMade(service.safe(&why));
        let voice: Listed = service.json(&answer).map_err(|fault| unread(fault.why()))?;
        Ok(Voice { id: self.0.id(&voice.id.unwrap_or_default()).map_err(unread)?, unusable: None })
    }
}

impl VoiceMaker for Gemini {
    fn provider(&self) -> CloneProvider {
        CloneProvider::Gemini
    }

    fn findable(&self) -> bool {
        true
    }

    fn wants_consent_spoken(&self) -> bool {
        true
    }

    /// The project's quota is not told: a full one answers RESOURCE_EXHAUSTED.
    fn slots(&self) -> Boxed<'_, Result<Slots, EngineFault>> {
        Box::pin(async { Ok(Slots::default()) })
    }

    fn find<'a>(&'a self, label: &'a str) -> Boxed<'a, Result<Vec<Voice>, EngineFault>> {
        Box::pin(self.search(label))
    }

    fn make<'a>(&'a self, order: &'a Order) -> Boxed<'a, Result<Voice, MakeFault>> {
        Box::pin(self.create(order))
    }

    fn delete<'a>(&'a self, voice: Option<&'a str>, _: &'a str) -> Boxed<'a, Result<(), EngineFault>> {
        Box::pin(async move {
            match voice {
                Some(voice) => self.0.delete(&[API, "voices", voice], said, &[]).await,
                None => Ok(()),
            }
        })
    }
}
