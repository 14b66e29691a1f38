//! Google Gemini's `generateContent`, with an answer in the form of a schema.

use serde::Deserialize;
use serde_json::json;

use super::{Answer, Base, Summarizer, Task};
use crate::core::config::TokenPrice;
use crate::edge::engine::gemini::said;
use crate::edge::engine::{Boxed, EngineFault, Usage};

pub(super) const VENDOR: &str = "https://generativelanguage.googleapis.com";
/// Tokens of an answer, thinking included.
const MOST_TOKENS: u64 = 4_000;

pub(super) struct Gemini(pub(super) Base);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reply {
    #[serde(default)]
    candidates: Vec<Candidate>,
    #[serde(default)]
    usage_metadata: Counts,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Candidate {
    content: Content,
    finish_reason: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Content {
    parts: Vec<Part>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Part {
    text: Option<String>,
    thought: bool,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Counts {
    prompt_token_count: u64,
    cached_content_token_count: u64,
    candidates_token_count: u64,
    thoughts_token_count: u64,
}

impl Summarizer for Gemini {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn model(&self) -> Option<(&'static str, &str)> {
        Some(("gemini", &self.0.model))
    }

    fn price(&self) -> Option<TokenPrice> {
        self.0.price
    }

    fn concurrency(&self) -> usize {
        self.0.concurrency
    }

    fn sum_up<'a>(&'a self, task: &'a Task) -> Boxed<'a, Result<Answer, EngineFault>> {
        Box::pin(async move {
            let service = &self.0.service;
            let body = json!({
                "systemInstruction": { "parts": [{ "text": task.instructions }] },
                "contents": [{ "role": "user", "parts": [{ "text": task.material }] }],
                "generationConfig": {
                    "responseMimeType": "application/json",
                    "responseJsonSchema": task.schema,
                    "maxOutputTokens": MOST_TOKENS,
                },
            });
            let call = format!("{}:generateContent", self.0.model);
            let url = service.url(&["v1beta", "models", &call], &[]);
            let answer = service.ask(service.post(url).json(&body), said).await?;
            let reply: Reply = service.json(&answer)?;
            let Some(first) = reply.candidates.into_iter().next() else {
                return Err(service.bad("the model gave no answer".to_owned()));
            };
            if let Some(why) = first.finish_reason.filter(|why| why != "STOP") {
                return Err(service.bad(format!("its answer ended with {why}")));
            }
            let parts = first.content.parts.into_iter().filter(|part| !part.thought);
            let text: String = parts.filter_map(|part| part.text).collect();
            let counts = reply.usage_metadata;
            let cached = counts.cached_content_token_count.min(counts.prompt_token_count);
            let usage = Usage {
                text_in: counts.prompt_token_count - cached,
                text_cached: cached,
                text_out: counts.candidates_token_count + counts.thoughts_token_count,
                ..Usage::default()
            };
            Ok(Answer { text, usage })
        })
    }
}
