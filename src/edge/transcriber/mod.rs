//! Speech-to-text, to check what a rendering says: one file for each kind, one suite that all of them pass.

mod command;
mod elevenlabs;
mod gemini;
mod openai;

use std::sync::Arc;

use super::engine::http::{Auth, Bounds, Service};
use super::engine::{Boxed, EngineFault, ReadSecret, Usage};
use crate::base::text::printable;
use crate::core::config::EngineConfig;

/// What somebody heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transcript {
    /// The words.
    pub text: String,
    /// The language that was recognised, by its two letters, if the service says so.
    pub language: Option<String>,
    /// What it used up, as far as it was reported; the length of the sound always.
    pub usage: Usage,
}

/// A service or program that writes down what it hears.
pub trait Transcriber: Send + Sync {
    /// The name in configuration.
    fn name(&self) -> &str;

    /// Kind and model, as the dated table knows them; `None` = a program of this machine.
    fn model(&self) -> Option<(&'static str, &str)>;

    /// How many at once it bears.
    fn concurrency(&self) -> usize;

    /// Writes down a whole WAV file. `language`: what it should be in, for programs that must be told; services find out.
    fn transcribe<'a>(&'a self, wav: &'a [u8], language: &'a str) -> Boxed<'a, Result<Transcript, EngineFault>>;
}

/// Kinds of `[transcribers.NAME]`, and the model of each if none is named.
pub const KINDS: [(&str, Option<&str>); 4] = [
    ("openai", Some("gpt-transcribe")),
    ("elevenlabs", Some("scribe_v2")),
    ("gemini", Some("gemini-3.5-transcribe")),
    ("command", None),
];

/// Opens a transcriber; nothing is asked yet.
pub fn open(
    name: &str,
    config: &EngineConfig,
    secret: ReadSecret<'_>,
    bounds: Bounds,
) -> Result<Arc<dyn Transcriber>, EngineFault> {
    let missing = |why: String| EngineFault::Missing { engine: printable(name), why };
    let key = config.key.as_ref().map(|key| secret(key, &format!("[transcribers.{name}] key"))).transpose();
    let key = key.map_err(|failure| EngineFault::Account { engine: name.to_owned(), why: failure.what })?;
    let kind = config.kind.as_deref().unwrap_or_default();
    let standard = KINDS.iter().find(|(it, _)| *it == kind).and_then(|(_, model)| *model).unwrap_or_default();
    let model = config.model.clone().unwrap_or_else(|| standard.to_owned());
    let service = |vendor: &str, auth: Auth| Service::with_bounds(name, config, vendor, key.clone(), auth, bounds);
    let concurrency = config.concurrency.unwrap_or(crate::base::limits::RENDER_CONCURRENCY);
    let base = |service: Service| Base { name: name.to_owned(), model: model.clone(), concurrency, service };
    Ok(match kind {
        "openai" => Arc::new(openai::OpenAi(base(service(openai::VENDOR, Auth::Bearer)?))),
        "elevenlabs" => Arc::new(elevenlabs::Scribe(base(service(elevenlabs::VENDOR, Auth::Header("xi-api-key"))?))),
        "gemini" => Arc::new(gemini::Gemini(base(service(gemini::VENDOR, Auth::Header("x-goog-api-key"))?))),
        "command" => Arc::new(command::Program::open(name, config)?),
        other => return Err(missing(format!("no transcriber is of kind `{}`", printable(other)))),
    })
}

/// What all services have.
struct Base {
    name: String,
    model: String,
    concurrency: usize,
    service: Service,
}

/// Length of a WAV of 16-bit mono, ms: what services bill.
fn length_ms(wav: &[u8]) -> u64 {
    crate::core::sound::wav::read(wav).map_or(0, |pcm| pcm.duration_ms())
}

/// Two letters for a language that a service names with two or three; `None` = one that has none here.
fn two_letters(code: &str) -> Option<String> {
    const THREE: [(&str, &str); 30] = [
        ("ara", "ar"),
        ("bul", "bg"),
        ("ces", "cs"),
        ("dan", "da"),
        ("deu", "de"),
        ("ell", "el"),
        ("eng", "en"),
        ("est", "et"),
        ("fin", "fi"),
        ("fra", "fr"),
        ("heb", "he"),
        ("hin", "hi"),
        ("hrv", "hr"),
        ("hun", "hu"),
        ("ind", "id"),
        ("ita", "it"),
        ("jpn", "ja"),
        ("kor", "ko"),
        ("lav", "lv"),
        ("lit", "lt"),
        ("nld", "nl"),
        ("pol", "pl"),
        ("por", "pt"),
        ("ron", "ro"),
        ("rus", "ru"),
        ("slk", "sk"),
        ("spa", "es"),
        ("swe", "sv"),
        ("tur", "tr"),
        ("ukr", "uk"),
    ];
    let code = code.to_lowercase();
    let primary = code.split(['-', '_']).next().unwrap_or_default();
    match primary.len() {
        2 => Some(primary.to_owned()),
        _ => THREE.iter().find(|(three, _)| *three == primary).map(|(_, two)| (*two).to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_of_two_and_three_letters_are_the_same_and_unknown_ones_prove_nothing() {
        assert_eq!(two_letters("eng").as_deref(), Some("en"));
        assert_eq!(two_letters("PT-br").as_deref(), Some("pt"));
        assert_eq!((two_letters("tlh"), two_letters("")), (None, None));
    }
}
