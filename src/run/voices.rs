//! Which voices the engines of a workspace have.

use crate::base::{Failure, Language, limits};
use crate::edge::engine::{EngineFault, VoiceRow};
use crate::run::render::{open_engine, told};
use crate::store::workspace::Workspace;

/// The voices of one engine, or why there are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineVoices {
    /// The engine's name.
    pub engine: String,
    /// Its voices.
    pub voices: Result<Vec<VoiceRow>, EngineFault>,
}

/// Asks one engine, or all of the workspace, for the voices that speak a language.
///
/// A voice that lists no language counts as speaking any: its model decides. `Err` only if one engine was named and it
/// cannot answer.
pub async fn list(
    ws: &Workspace,
    engine: Option<&str>,
    language: Option<&Language>,
) -> Result<Vec<EngineVoices>, Failure> {
    let names: Vec<String> = match engine {
        Some(name) => vec![name.to_owned()],
        None => {
            let built_in = ["pico", "espeak"].map(str::to_owned);
            let mut names: Vec<String> = ws.config.engines.keys().cloned().chain(built_in).collect();
            names.sort();
            names.dedup();
            names
        }
    };
    let mut found = Vec::new();
    for name in names {
        let voices = ask(ws, &name).await.map(|voices| speaking(voices, language));
        match (&voices, engine) {
            (Err(fault), Some(_)) => return Err(told(fault)),
            (Ok(_), _) | (Err(_), None) => found.push(EngineVoices { engine: name, voices }),
        }
    }
    Ok(found)
}

async fn ask(ws: &Workspace, name: &str) -> Result<Vec<VoiceRow>, EngineFault> {
    let engine = open_engine(ws, name)?;
    match tokio::time::timeout(limits::VOICES_WAIT, engine.voices()).await {
        Ok(answer) => answer,
        Err(_) => {
            let why = format!("it did not list its voices within {:?}", limits::VOICES_WAIT);
            Err(EngineFault::Failed { engine: name.to_owned(), why })
        }
    }
}

fn speaking(voices: Vec<VoiceRow>, language: Option<&Language>) -> Vec<VoiceRow> {
    let Some(language) = language else { return voices };
    let primary = |tag: &str| tag.split('-').next().unwrap_or("").to_owned();
    let whole = language.as_str() != language.primary();
    let fits = |tag: &String| if whole { tag == language.as_str() } else { primary(tag) == language.primary() };
    voices.into_iter().filter(|voice| voice.languages.is_empty() || voice.languages.iter().any(fits)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_finds_its_regions_a_region_only_itself_and_a_voice_of_any_language_always() {
        let voice = |id: &str, tags: &[&str]| VoiceRow {
            id: id.to_owned(),
            name: String::new(),
            languages: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            note: String::new(),
        };
        let voices =
            vec![voice("us", &["en-us"]), voice("gb", &["en-gb", "cy"]), voice("bg", &["bg"]), voice("any", &[])];
        let found = |tag: &str| {
            let language: Language = tag.parse().expect("a tag");
            speaking(voices.clone(), Some(&language)).into_iter().map(|voice| voice.id).collect::<Vec<_>>().join(" ")
        };
        assert_eq!((found("en"), found("en-gb"), found("bg")), ("us gb any".into(), "gb any".into(), "bg any".into()));
        assert_eq!(speaking(voices.clone(), None).len(), 4);
    }
}
