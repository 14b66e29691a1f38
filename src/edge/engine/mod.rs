//! Text-to-speech engines: one file each, one suite that all of them pass.
//!
//! An engine gives raw sound; trimming, resampling, levelling and checking are the same for all (`core/sound`, `core/asset`).

pub(in crate::edge) mod child;
pub mod command;
pub mod elevenlabs;
pub mod espeak;
pub mod gemini;
pub mod gemini_live;
mod hebrew;
pub mod http;
pub mod openai;
#[cfg(feature = "pico")]
pub mod pico;
pub mod settings;
pub mod slots;
pub mod socket;
#[cfg(test)]
mod suite;

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::base::secret::SecretRef;
use crate::base::{Failure, Language, Secret};
use crate::core::asset::alignment::Alignment;
use crate::core::asset::transcript::compare;
use crate::core::config::EngineConfig;
use crate::core::sound::Pcm;

pub use crate::core::cost::Usage;

/// A future that an engine or carrier door returns.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One text to be spoken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Unicode NFC, control characters removed, at most [`crate::base::limits::PHRASE_CHARS`] characters.
    pub text: String,
    /// Language of the text.
    pub language: Language,
    /// The engine's own voice name; `None` = the engine's default for the language.
    pub voice: Option<String>,
    /// The engine's model; `None` = its default or it has none.
    pub model: Option<String>,
    /// Engine settings by name (`speed`, `pitch`, `stability` …), as the campaign wrote them.
    pub settings: BTreeMap<String, String>,
}

/// What an engine made of a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// The sound as the engine gave it, any rate from 8 000 to 48 000 Hz.
    pub pcm: Pcm,
    /// What the engine says it spoke, if it says so.
    pub transcript: Option<String>,
    /// When each word is spoken, from the start of `pcm`, if the engine says so.
    pub alignment: Option<Alignment>,
    /// What it counted. Services leave the cost to the dated table (`core/cost`), which knows today.
    pub usage: Usage,
    /// The engine's own id of this request, for its support desk.
    pub request_id: Option<String>,
}

/// A voice of an engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VoiceRow {
    /// What `[voice] voices` takes.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Languages it is known to speak, lower-case tags; empty = those of the model.
    pub languages: Vec<String>,
    /// More about it.
    pub note: String,
}

/// The model that a request is made with, as the dated table knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelName {
    /// Kind of service: `elevenlabs`, `openai`, `gemini`, `gemini-live`.
    pub kind: &'static str,
    /// The service's id of the model.
    pub id: String,
}

/// Why an engine gave no sound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineFault {
    /// The engine does not speak this language (or this voice does not).
    #[error("engine `{engine}` does not speak `{language}`{detail}")]
    Language {
        /// Engine's name.
        engine: String,
        /// The language asked for.
        language: Language,
        /// More, starting with a colon and a space, or empty.
        detail: String,
    },
    /// The service refuses the credentials, or the account is out of credit or stopped.
    #[error("engine `{engine}`: the account is refused: {why}")]
    Account {
        /// Engine's name.
        engine: String,
        /// Why.
        why: String,
    },
    /// The program or the service is not here: not installed, not reachable, no key.
    #[error("engine `{engine}` is not available: {why}")]
    Missing {
        /// Engine's name.
        engine: String,
        /// Why, and what to install or set.
        why: String,
    },
    /// The text or a setting is one that this engine refuses.
    #[error("engine `{engine}` refuses this text: {why}")]
    Refused {
        /// Engine's name.
        engine: String,
        /// Why.
        why: String,
    },
    /// It answered, but not with usable sound (HTML, nothing, a cut file, silence).
    #[error("engine `{engine}` gave no usable sound: {why}")]
    BadSound {
        /// Engine's name.
        engine: String,
        /// What was wrong with it.
        why: String,
    },
    /// Try again later; the engine may say when.
    #[error("engine `{engine}` is busy: {why}")]
    Busy {
        /// Engine's name.
        engine: String,
        /// Why.
        why: String,
        /// When to try again, if it said so.
        after: Option<Duration>,
    },
    /// It failed in a way that a second try may mend.
    #[error("engine `{engine}` failed: {why}")]
    Failed {
        /// Engine's name.
        engine: String,
        /// Why.
        why: String,
    },
}

impl EngineFault {
    /// What happened, without whose engine it is.
    pub fn why(&self) -> String {
        match self {
            EngineFault::Language { detail, .. } => detail.clone(),
            EngineFault::Account { why, .. }
            | EngineFault::Missing { why, .. }
            | EngineFault::Refused { why, .. }
            | EngineFault::BadSound { why, .. }
            | EngineFault::Busy { why, .. }
            | EngineFault::Failed { why, .. } => why.clone(),
        }
    }
}

/// A text-to-speech service or program.
///
/// `render` is cancelled by dropping its future: child processes are killed, requests are aborted.
pub trait Engine: Send + Sync {
    /// The name in configuration: `pico`, `espeak`, or the name of an `[engines.NAME]` table.
    fn name(&self) -> &str;

    /// Name and version of what makes the sound, part of every fingerprint (`pico-1.0+voices-…`, `espeak-ng 1.51`).
    fn version(&self) -> &str;

    /// Whether this engine can speak the language, with the reason if not.
    fn speaks(&self, language: &Language) -> Result<(), EngineFault>;

    /// As [`Engine::speaks`], for a model other than the engine's own.
    fn speaks_with(&self, language: &Language, model: Option<&str>) -> Result<(), EngineFault> {
        let _same_for_all_models = model;
        self.speaks(language)
    }

    /// The model that a request with this one (`None` = the engine's own) is made with; `None` = an engine of this
    /// machine, which costs nothing and never ends.
    fn model(&self, asked: Option<&str>) -> Option<ModelName> {
        let _has_none = asked;
        None
    }

    /// The engine's voices; a service is asked for them.
    fn voices(&self) -> Boxed<'_, Result<Vec<VoiceRow>, EngineFault>> {
        let why = "it does not list its voices".to_owned();
        let fault = EngineFault::Refused { engine: self.name().to_owned(), why };
        Box::pin(async move { Err(fault) })
    }

    /// Longest text of one request, in characters.
    fn max_characters(&self) -> usize;

    /// How many renderings at once this engine bears.
    fn concurrency(&self) -> usize;

    /// Whether the same request gives the same samples again on any machine.
    fn reproducible(&self) -> bool;

    /// Refuses what can be known to fail without asking anybody: a voice that is none, a setting out of range.
    fn check(&self, request: &Request) -> Result<(), EngineFault> {
        let _knows_nothing = request;
        Ok(())
    }

    /// Speaks the text.
    fn render<'a>(&'a self, request: &'a Request) -> Boxed<'a, Result<Rendered, EngineFault>>;
}

/// Reads a key by its reference in the configuration; the text says what it is for.
pub type ReadSecret<'a> = &'a dyn Fn(&SecretRef, &str) -> Result<Secret, Failure>;

/// Opens the engine of a name: `pico`, `espeak`, or a name of `[engines.NAME]`.
///
/// `scratch`: a folder where an engine may keep files of its own between runs (Pico's voices, 6 MB at most).
/// `secret` reads a key by its reference. May block for some milliseconds while it looks for a program.
pub fn open(
    name: &str,
    engines: &BTreeMap<String, EngineConfig>,
    scratch: &Path,
    secret: ReadSecret<'_>,
) -> Result<Arc<dyn Engine>, EngineFault> {
    let config = engines.get(name);
    let kind = config.and_then(|config| config.kind.as_deref());
    match (name, kind) {
        ("pico", _) => open_pico(scratch),
        (_, Some("command")) => Ok(Arc::new(command::Program::open(name, config.unwrap_or(&EngineConfig::default()))?)),
        ("espeak", _) | (_, Some("espeak")) => {
            Ok(Arc::new(espeak::Espeak::open(name, config.unwrap_or(&EngineConfig::default()))?))
        }
        (_, Some(kind)) => open_service(name, kind, config.unwrap_or(&EngineConfig::default()), secret),
        (_, None) => {
            let mut known: Vec<&str> = engines.keys().map(String::as_str).chain(["pico", "espeak"]).collect();
            known.sort_unstable();
            known.dedup();
            let why = format!("no engine has this name; known are {}", known.join(", "));
            Err(EngineFault::Missing { engine: crate::base::text::printable(name), why })
        }
    }
}

/// A service behind HTTP or a socket: one arm per kind.
fn open_service(
    name: &str,
    kind: &str,
    config: &EngineConfig,
    secret: ReadSecret<'_>,
) -> Result<Arc<dyn Engine>, EngineFault> {
    let missing = |why: String| EngineFault::Missing { engine: name.to_owned(), why };
    let key = config.key.as_ref().map(|key| secret(key, &format!("[engines.{name}] key"))).transpose();
    let key = key.map_err(|failure| EngineFault::Account { engine: name.to_owned(), why: failure.what })?;
    let bounds = http::Bounds::default();
    match kind {
        "elevenlabs" => Ok(Arc::new(elevenlabs::ElevenLabs::open(name, config, key, bounds)?)),
        "gemini" => Ok(Arc::new(gemini::Gemini::open(name, config, key, bounds)?)),
        "gemini-live" => Ok(Arc::new(gemini_live::GeminiLive::open(name, config, key, bounds)?)),
        "openai" => Ok(Arc::new(openai::OpenAi::open(name, config, key, bounds)?)),
        other => Err(missing(format!("this version has no engine of kind `{other}`"))),
    }
}

/// Refuses a reading whose own transcript is not the text, or which has none to compare.
fn same_words(service: &http::Service, text: &str, transcript: &str) -> Result<(), EngineFault> {
    if transcript.trim().is_empty() {
        return Err(service.bad("it does not say what it said: the text cannot be compared".to_owned()));
    }
    match compare(text, transcript).flaw() {
        Some(flaw) => Err(service.bad(format!("it reworded the text: {}", flaw.message))),
        None => Ok(()),
    }
}

#[cfg(feature = "pico")]
fn open_pico(scratch: &Path) -> Result<Arc<dyn Engine>, EngineFault> {
    Ok(Arc::new(pico::Pico::open(scratch)?))
}

#[cfg(not(feature = "pico"))]
fn open_pico(_: &Path) -> Result<Arc<dyn Engine>, EngineFault> {
    let why = "this program was built without the feature `pico`; build it with, or name another engine".to_owned();
    Err(EngineFault::Missing { engine: "pico".to_owned(), why })
}
