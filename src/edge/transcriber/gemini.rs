//! Google Gemini's `interactions` with a model that transcribes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;

use super::{Base, Transcriber, Transcript, length_ms};
use crate::edge::engine::gemini::said;
use crate::edge::engine::{Boxed, EngineFault, Usage};

pub(super) const VENDOR: &str = "https://generativelanguage.googleapis.com";
/// Tokens of one second of sound that is sent.
const TOKENS_PER_SECOND: u64 = 32;

pub(super) struct Gemini(pub(super) Base);

#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    steps: Vec<Step>,
    /// Nothing of it is in an answer, unless it is no answer.
    #[serde(default)]
    error: Option<serde_json::Value>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Step {
    content: Vec<Piece>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Piece {
    text: Option<String>,
}

impl Transcriber for Gemini {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn model(&self) -> Option<(&'static str, &str)> {
        Some(("gemini", &self.0.model))
    }

    fn concurrency(&self) -> usize {
        self.0.concurrency
    }

    fn transcribe<'a>(&'a self, wav: &'a [u8], _: &'a str) -> Boxed<'a, Result<Transcript, EngineFault>> {
        Box::pin(async move {
            let service = &self.0.service;
            let body = json!({
                "model": self.0.model,
                "input": [{ "type": "audio", "data": STANDARD.encode(wav), "mime_type": "audio/wav" }],
                "generation_config": { "transcription_config": { "mode": { "type": "verbatim" } } },
                "store": false,
            });
            let url = service.url(&["v1beta", "interactions"], &[]);
            let answer = service.ask(service.post(url).json(&body), said).await?;
            let reply: Reply = service.json(&answer)?;
            if reply.error.is_some() {
                return Err(service.bad("an error in a good answer".to_owned()));
            }
            let text: Vec<String> =
                reply.steps.into_iter().flat_map(|step| step.content).filter_map(|it| it.text).collect();
            let audio_ms = length_ms(wav);
            let audio_in = (audio_ms * TOKENS_PER_SECOND).div_ceil(1_000);
            let usage = Usage { audio_ms, audio_in, estimated: true, ..Usage::default() };
            Ok(Transcript { text: text.join(" "), language: None, usage })
        })
    }
}
