//! OpenAI's `audio/transcriptions`.

use reqwest::multipart::{Form, Part};
use serde::Deserialize;

use super::{Base, Transcriber, Transcript, length_ms, two_letters};
use crate::edge::engine::openai::said;
use crate::edge::engine::{Boxed, EngineFault, Usage};

pub(super) const VENDOR: &str = "https://api.openai.com";

pub(super) struct OpenAi(pub(super) Base);

#[derive(Deserialize)]
struct Reply {
    text: String,
    #[serde(default)]
    languages: Option<Vec<Code>>,
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

impl Transcriber for OpenAi {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn model(&self) -> Option<(&'static str, &str)> {
        Some(("openai", &self.0.model))
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
            let form =
                Form::new().part("file", part).text("model", self.0.model.clone()).text("response_format", "json");
            let url = service.url(&["v1", "audio", "transcriptions"], &[]);
            let answer = service.ask(service.post(url).multipart(form), said).await?;
            let reply: Reply = service.json(&answer)?;
            let usage = Usage { audio_ms: length_ms(wav), ..Usage::default() };
            let language = reply.languages.as_ref().and_then(|all| two_letters(&all.first()?.code));
            Ok(Transcript { text: reply.text, language, usage })
        })
    }
}
