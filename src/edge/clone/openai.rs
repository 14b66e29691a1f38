//! OpenAI's custom voices: a consent that is heard first, then the voice. Voices are in no list; consents are.

use reqwest::multipart::Form;
use serde::Deserialize;

use super::{Doors, Order, Voice, VoiceMaker, part};
use crate::base::limits;
use crate::core::clone::slots::Slots;
use crate::core::clone::step::MakeFault;
use crate::core::config::CloneProvider;
use crate::edge::engine::openai::said;
use crate::edge::engine::{Boxed, EngineFault};

pub(super) struct OpenAi(pub(super) Doors);

/// An answer that names something by its id.
#[derive(Deserialize)]
struct Named {
    id: String,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct Consents {
    data: Vec<Named>,
    #[serde(default)]
    has_more: bool,
}

impl OpenAi {
    /// The consent with this label, if it is there: one of an upload whose answer was lost.
    async fn consent(&self, label: &str) -> Result<Option<String>, EngineFault> {
        let service = &self.0.asks;
        let mut after: Option<String> = None;
        for _ in 0..limits::VOICE_PAGES {
            let mut query = vec![("limit", "100")];
            query.extend(after.as_deref().map(|after| ("after", after)));
            let url = service.url(&["v1", "audio", "voice_consents"], &query);
            let page: Consents = service.json(&service.ask(service.get(url), said).await?)?;
            if let Some(found) = page.data.iter().find(|it| it.name == label) {
                return Ok(Some(found.id.clone()));
            }
            match page.data.last().filter(|_| page.has_more) {
                Some(last) => after = Some(last.id.clone()),
                None => return Ok(None),
            }
        }
        Err(service.bad(format!("its list of consents does not end after {} pages", limits::VOICE_PAGES)))
    }

    async fn create(&self, order: &Order) -> Result<Voice, MakeFault> {
        let (asks, makes) = (&self.0.asks, &self.0.makes);
        let (Some(spoken), Some(language)) = (&order.spoken, &order.language) else {
            let why = "it wants to hear the consent: consent_sample and language in the list of samples";
            return Err(MakeFault::Refused(why.to_owned()));
        };
        // Nothing of what goes wrong up to here makes a voice.
        let before = |fault: EngineFault| match &fault {
            EngineFault::Account { .. } => MakeFault::Account(fault.why()),
            EngineFault::Refused { .. } => MakeFault::Refused(fault.why()),
            EngineFault::Busy { after, .. } => MakeFault::Busy { why: fault.why(), after: *after },
            EngineFault::Language { .. }
            | EngineFault::Missing { .. }
            | EngineFault::BadSound { .. }
            | EngineFault::Failed { .. } => MakeFault::Failed(fault.why()),
        };
        let consent = match self.consent(&order.label).await.map_err(before)? {
            Some(consent) => consent,
            None => {
                let form = Form::new()
                    .text("name", order.label.clone())
                    .text("language", language.clone())
                    .part("recording", part(spoken)?);
                let request = asks.post(asks.url(&["v1", "audio", "voice_consents"], &[])).multipart(form);
                let answer = asks.ask(request, said).await.map_err(before)?;
                asks.json::<Named>(&answer).map_err(before)?.id
            }
        };
        let form = Form::new()
            .text("name", order.label.clone())
            .text("consent", consent)
            .part("audio_sample", part(&order.sample)?);
        let request = makes.post(makes.url(&["v1", "audio", "voices"], &[])).multipart(form);
        let answer = self.0.made(makes.send_told(request).await, said)?;
        let unread = |why: String| MakeFault::MaybeMade(makes.safe(&why));
        let voice: Named = makes.json(&answer).map_err(|fault| unread(fault.why()))?;
        Ok(Voice { id: self.0.id(&voice.id).map_err(unread)?, unusable: None })
    }
}

impl VoiceMaker for OpenAi {
    fn provider(&self) -> CloneProvider {
        CloneProvider::OpenAi
    }

    fn findable(&self) -> bool {
        false
    }

    fn wants_consent_spoken(&self) -> bool {
        true
    }

    /// Twenty voices an organisation, and no way to ask how many there are: the service says no by itself.
    fn slots(&self) -> Boxed<'_, Result<Slots, EngineFault>> {
        Box::pin(async { Ok(Slots::default()) })
    }

    fn find<'a>(&'a self, _: &'a str) -> Boxed<'a, Result<Vec<Voice>, EngineFault>> {
        Box::pin(async { Err(self.0.asks.refused("it lists no voices".to_owned())) })
    }

    fn make<'a>(&'a self, order: &'a Order) -> Boxed<'a, Result<Voice, MakeFault>> {
        Box::pin(self.create(order))
    }

    fn delete<'a>(&'a self, voice: Option<&'a str>, label: &'a str) -> Boxed<'a, Result<(), EngineFault>> {
        Box::pin(async move {
            if let Some(voice) = voice {
                self.0.delete(&["v1", "audio", "voices", voice], said, &[]).await?;
            }
            // The recording of the consent is the person's voice, too.
            match self.consent(label).await? {
                Some(consent) => self.0.delete(&["v1", "audio", "voice_consents", &consent], said, &[]).await,
                None => Ok(()),
            }
        })
    }
}
