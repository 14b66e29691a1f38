//! ElevenLabs Scribe: `v1/speech-to-text`.

use reqwest::multipart::{Form, Part};
use serde::Deserialize;

use super::{Base, Transcriber, Transcript, length_ms, two_letters};
use crate::edge::engine::elevenlabs::said;
use crate::edge::engine::{Boxed, EngineFault, Usage};

pub(super) const VENDOR: &str = "https://api.elevenlabs.io";
/// Below this the language that it names is a guess.
const SURE: f64 = 0.7;

pub(super) struct Scribe(pub(super) Base);

#[derive(Deserialize)]
struct Reply {
    text: String,
    #[serde(default)]
    language_code: String,
    #[serde(default)]
    language_probability: f64,
}

impl Transcriber for Scribe {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn model(&self) -> Option<(&'static str, &str)> {
        Some(("elevenlabs", &self.0.model))
    }

    fn concurrency(&self) -> usize {
        self.0.concurrency
    }

    /// The language is not told: a rendering in a wrong one must not be helped along.
    fn transcribe<'a>(&'a self, wav: &'a [u8], _: &'a str) -> Boxed<'a, Result<Transcript, EngineFault>> {
        Box::pin(async move {
            let service = &self.0.service;
            let part = Part::bytes(wav.to_vec()).file_name("phrase.wav").mime_str("audio/wav");
            let part = part.map_err(|error| service.refused(error.to_string()))?;
            // Sounds in brackets are no words.
            let form = Form::new()
                .part("file", part)
                .text("model_id", self.0.model.clone())
                .text("tag_audio_events", "false")
                .text("timestamps_granularity", "none");
            let url = service.url(&["v1", "speech-to-text"], &[]);
            let answer = service.ask(service.post(url).multipart(form), said).await?;
            let reply: Reply = service.json(&answer)?;
            let usage = Usage { audio_ms: length_ms(wav), ..Usage::default() };
            let language = two_letters(&reply.language_code).filter(|_| reply.language_probability >= SURE);
            Ok(Transcript { text: reply.text, language, usage })
        })
    }
}
