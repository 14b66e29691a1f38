//! Models and programs that sum up what was said: instructions and material in, text out. What they answer is judged by
//! `core/call/after`.

mod command;
mod gemini;
mod openai;

use std::sync::Arc;

use serde_json::Value;

use super::engine::http::{Auth, Bounds, Service};
use super::engine::{Boxed, EngineFault, ReadSecret, Usage};
use crate::base::text::printable;
use crate::core::config::{EngineConfig, TokenPrice};

/// What is to be summed up.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// What to do: our own words only.
    pub instructions: String,
    /// What was said, as JSON: data.
    pub material: String,
    /// The form of the answer, as JSON Schema.
    pub schema: Value,
}

/// What somebody made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The answer as it came.
    pub text: String,
    /// What it used up.
    pub usage: Usage,
}

/// A service or program that sums up.
pub trait Summarizer: Send + Sync {
    /// The name in configuration.
    fn name(&self) -> &str;

    /// Kind and model, as the dated table knows them; `None` = a program of this machine.
    fn model(&self) -> Option<(&'static str, &str)>;

    /// What the operator says that its tokens cost.
    fn price(&self) -> Option<TokenPrice> {
        None
    }

    /// How many at once it bears.
    fn concurrency(&self) -> usize;

    /// Sums up one call: one request.
    fn sum_up<'a>(&'a self, task: &'a Task) -> Boxed<'a, Result<Answer, EngineFault>>;
}

/// Opens a summarizer of `[summarizers.NAME]`; nothing is asked yet.
pub fn open(
    name: &str,
    config: &EngineConfig,
    secret: ReadSecret<'_>,
    bounds: Bounds,
) -> Result<Arc<dyn Summarizer>, EngineFault> {
    let missing = |why: String| EngineFault::Missing { engine: printable(name), why };
    let key = config.key.as_ref().map(|key| secret(key, &format!("[summarizers.{name}] key"))).transpose();
    let key = key.map_err(|failure| EngineFault::Account { engine: name.to_owned(), why: failure.what })?;
    let model = config.model.clone().unwrap_or_default();
    let concurrency = config.concurrency.unwrap_or(crate::base::limits::RENDER_CONCURRENCY);
    let service = |vendor: &str, auth: Auth| Service::with_bounds(name, config, vendor, key.clone(), auth, bounds);
    let base = |service: Service| Base {
        name: name.to_owned(),
        model: model.clone(),
        price: config.price,
        concurrency,
        service,
    };
    Ok(match config.kind.as_deref().unwrap_or_default() {
        "openai" => Arc::new(openai::OpenAi(base(service(openai::VENDOR, Auth::Bearer)?))),
        "gemini" => Arc::new(gemini::Gemini(base(service(gemini::VENDOR, Auth::Header("x-goog-api-key"))?))),
        "command" => Arc::new(command::Program::open(name, config)?),
        other => return Err(missing(format!("no summarizer is of kind `{}`", printable(other)))),
    })
}

/// What all services have.
struct Base {
    name: String,
    model: String,
    price: Option<TokenPrice>,
    concurrency: usize,
    service: Service,
}
