//! OpenAI's `responses`, with an answer in the form of a schema, kept nowhere.

use serde::Deserialize;
use serde_json::json;

use super::{Answer, Base, Summarizer, Task};
use crate::core::config::TokenPrice;
use crate::edge::engine::openai::said;
use crate::edge::engine::{Boxed, EngineFault, Usage};

pub(super) const VENDOR: &str = "https://api.openai.com";
/// Tokens of an answer, thinking included.
const MOST_TOKENS: u64 = 4_000;

pub(super) struct OpenAi(pub(super) Base);

#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    status: Option<String>,
    output: Vec<Item>,
    #[serde(default)]
    usage: Counts,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Item {
    content: Vec<Part>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Part {
    text: Option<String>,
    refusal: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Counts {
    input_tokens: u64,
    input_tokens_details: Details,
    output_tokens: u64,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Details {
    cached_tokens: u64,
}

impl Summarizer for OpenAi {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn model(&self) -> Option<(&'static str, &str)> {
        Some(("openai", &self.0.model))
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
            let format = json!({ "type": "json_schema", "name": "summary", "strict": true, "schema": task.schema });
            let body = json!({
                "model": self.0.model,
                "instructions": task.instructions,
                "input": [{ "role": "user", "content": [{ "type": "input_text", "text": task.material }] }],
                "text": { "format": format },
                "max_output_tokens": MOST_TOKENS,
                "store": false,
            });
            let url = service.url(&["v1", "responses"], &[]);
            let answer = service.ask(service.post(url).json(&body), said).await?;
            let reply: Reply = service.json(&answer)?;
            let parts: Vec<Part> = reply.output.into_iter().flat_map(|item| item.content).collect();
            if let Some(why) = parts.iter().find_map(|part| part.refusal.as_deref()) {
                return Err(service.bad(format!("the model refused: {why}")));
            }
            let text: String = parts.into_iter().filter_map(|part| part.text).collect();
            if reply.status.as_deref().is_some_and(|status| status != "completed") {
                return Err(service.bad("its answer is not complete".to_owned()));
            }
            let cached = reply.usage.input_tokens_details.cached_tokens.min(reply.usage.input_tokens);
            let usage = Usage {
                text_in: reply.usage.input_tokens - cached,
                text_cached: cached,
                text_out: reply.usage.output_tokens,
                ..Usage::default()
            };
            Ok(Answer { text, usage })
        })
    }
}
