//! What an asset is made from, and its name: a hash over every input.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::book::Line;
use crate::base::Language;
use crate::core::config::Voice;

/// A SHA-256 as 64 lower-case hex digits: a fingerprint of inputs, or the hash of a file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

/// The text is no SHA-256 in hex.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a hash is 64 lower-case hex digits")]
pub struct BadDigest;

impl Digest {
    /// The hash of these bytes.
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// All 64 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve digits, for people.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

impl FromStr for Digest {
    type Err = BadDigest;
    fn from_str(text: &str) -> Result<Digest, BadDigest> {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() == 64 && text.bytes().all(hex) { Ok(Digest(text.to_owned())) } else { Err(BadDigest) }
    }
}

impl TryFrom<String> for Digest {
    type Error = BadDigest;
    fn try_from(text: String) -> Result<Digest, BadDigest> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Every input of one rendering. Two equal recipes are one asset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipe {
    /// The engine's name in configuration.
    pub engine: String,
    /// What made the sound, with its version ([`crate::edge::engine::Engine::version`] in words of the engine).
    pub engine_version: String,
    /// The engine's model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The engine's voice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voice: Option<String>,
    /// Language of the text.
    pub language: Language,
    /// Engine settings by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
    /// What is spoken, after [`super::book::spoken`].
    pub text: String,
    /// Sample rate of the file, 8 000 or 16 000 Hz.
    pub rate: u32,
    /// Version of the steps from the engine's sound to the file.
    pub pipeline: String,
    /// What the engine is given, where the lexicon (or SSML) makes it another text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
}

/// One input that differs between two recipes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Input {
    /// The words.
    Text,
    /// The language.
    Language,
    /// Another engine.
    Engine,
    /// The same engine in another version.
    EngineVersion,
    /// The model.
    Model,
    /// The voice.
    Voice,
    /// The settings.
    Settings,
    /// The sample rate of the file.
    Rate,
    /// Our own sound pipeline.
    Pipeline,
    /// How its words are pronounced.
    Lexicon,
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Input::Text => "text",
            Input::Language => "language",
            Input::Engine => "engine",
            Input::EngineVersion => "engine version",
            Input::Model => "model",
            Input::Voice => "voice",
            Input::Settings => "settings",
            Input::Rate => "sample rate",
            Input::Pipeline => "sound pipeline",
            Input::Lexicon => "lexicon",
        })
    }
}

impl Recipe {
    /// The recipe of a line in a campaign's voice, made by an engine of this version.
    pub fn of(line: &Line, voice: &Voice, engine_version: &str, rate: u32, pipeline: &str) -> Recipe {
        Recipe {
            engine: voice.engine_for(&line.language).to_owned(),
            engine_version: engine_version.to_owned(),
            model: voice.model_for(&line.language).map(str::to_owned),
            voice: voice.voices.get(&line.language).cloned(),
            language: line.language.clone(),
            settings: voice.settings.clone(),
            text: line.text.clone(),
            rate,
            pipeline: pipeline.to_owned(),
            said: line.said.clone(),
        }
    }

    /// The text as the engine gets it.
    pub fn given(&self) -> &str {
        self.said.as_deref().unwrap_or(&self.text)
    }

    /// The words that are heard, without the marks of SSML.
    pub fn heard(&self) -> &str {
        self.said.as_deref().filter(|said| !said.contains('<') && !said.contains('&')).unwrap_or(&self.text)
    }

    /// The asset's name: SHA-256 over all inputs.
    ///
    /// Each part is written with its length before it, absent parts with a mark of their own, settings with their
    /// count and sorted by name; so no two recipes can share an encoding.
    pub fn fingerprint(&self) -> Digest {
        let mut hash = Encoder(Sha256::new());
        hash.part("ahoy asset 1");
        hash.part(&self.engine);
        hash.part(&self.engine_version);
        hash.maybe(self.model.as_deref());
        hash.maybe(self.voice.as_deref());
        hash.part(self.language.as_str());
        hash.number(self.settings.len() as u64);
        for (name, value) in &self.settings {
            hash.part(name);
            hash.part(value);
        }
        hash.part(&unicode_normalization::UnicodeNormalization::nfc(self.text.as_str()).collect::<String>());
        hash.number(u64::from(self.rate));
        hash.part(&self.pipeline);
        // Behind everything else, and only where there is one: assets from before keep their names.
        if let Some(said) = &self.said {
            hash.part("said");
            hash.part(said);
        }
        Digest(hash.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The inputs in which two recipes differ.
    pub fn differences(&self, other: &Recipe) -> Vec<Input> {
        let same_engine = self.engine == other.engine;
        let pairs = [
            (Input::Text, self.text == other.text),
            (Input::Language, self.language == other.language),
            (Input::Engine, same_engine),
            // Another engine has another version by nature: saying both would say it twice.
            (Input::EngineVersion, !same_engine || self.engine_version == other.engine_version),
            (Input::Model, self.model == other.model),
            (Input::Voice, self.voice == other.voice),
            (Input::Settings, self.settings == other.settings),
            (Input::Rate, self.rate == other.rate),
            (Input::Pipeline, self.pipeline == other.pipeline),
            // Another text is said otherwise by nature: saying both would say it twice.
            (Input::Lexicon, self.text != other.text || self.said == other.said),
        ];
        pairs.into_iter().filter(|(_, same)| !same).map(|(input, _)| input).collect()
    }
}

struct Encoder(Sha256);

impl Encoder {
    fn number(&mut self, value: u64) {
        self.0.update(value.to_be_bytes());
    }

    fn part(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.update(text.as_bytes());
    }

    fn maybe(&mut self, text: Option<&str>) {
        self.0.update([u8::from(text.is_some())]);
        if let Some(text) = text {
            self.part(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Recipe {
        Recipe {
            engine: "pico".to_owned(),
            engine_version: "1".to_owned(),
            model: None,
            voice: None,
            language: "en".parse().expect("tag"),
            settings: BTreeMap::new(),
            text: "Hello".to_owned(),
            rate: 8_000,
            pipeline: "1".to_owned(),
            said: None,
        }
    }

    fn settings(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn every_single_input_changes_the_fingerprint() {
        let changes: Vec<(Input, Recipe)> = vec![
            (Input::Engine, Recipe { engine: "espeak".to_owned(), ..base() }),
            (Input::EngineVersion, Recipe { engine_version: "2".to_owned(), ..base() }),
            (Input::Model, Recipe { model: Some("m".to_owned()), ..base() }),
            (Input::Model, Recipe { model: Some(String::new()), ..base() }),
            (Input::Voice, Recipe { voice: Some("m".to_owned()), ..base() }),
            (Input::Language, Recipe { language: "en-gb".parse().expect("tag"), ..base() }),
            (Input::Settings, Recipe { settings: settings(&[("speed", "1")]), ..base() }),
            (Input::Text, Recipe { text: "Hello.".to_owned(), ..base() }),
            (Input::Rate, Recipe { rate: 16_000, ..base() }),
            (Input::Pipeline, Recipe { pipeline: "2".to_owned(), ..base() }),
            (Input::Lexicon, Recipe { said: Some("Hello".to_owned()), ..base() }),
            (Input::Lexicon, Recipe { said: Some("Hullo".to_owned()), ..base() }),
        ];
        let mut seen = vec![base().fingerprint()];
        for (input, recipe) in changes {
            assert_eq!(base().differences(&recipe), [input]);
            let fingerprint = recipe.fingerprint();
            assert!(!seen.contains(&fingerprint), "{input} is not in the fingerprint");
            seen.push(fingerprint);
        }
    }

    #[test]
    fn moving_a_letter_from_one_part_to_the_next_never_collides() {
        let split =
            |a: &str, b: &str| Recipe { engine: a.to_owned(), engine_version: b.to_owned(), ..base() }.fingerprint();
        assert_ne!(split("ab", "c"), split("a", "bc"));
        assert_ne!(split("", "abc"), split("abc", ""));
        let voice = |model: Option<&str>, voice: Option<&str>| {
            let own = |text: Option<&str>| text.map(str::to_owned);
            Recipe { model: own(model), voice: own(voice), ..base() }.fingerprint()
        };
        assert_ne!(voice(Some("x"), None), voice(None, Some("x")));
        let set = |pairs: &[(&str, &str)]| Recipe { settings: settings(pairs), ..base() }.fingerprint();
        assert_ne!(set(&[("a", "b"), ("c", "d")]), set(&[("a", "bc"), ("d", "")]));
        assert_ne!(set(&[("ab", "")]), set(&[("a", "b")]));
    }

    #[test]
    fn equal_texts_after_normalisation_are_one_asset() {
        let text = |text: &str| Recipe { text: text.to_owned(), ..base() }.fingerprint();
        assert_eq!(text("cafe\u{301}"), text("caf\u{e9}"));
    }

    #[test]
    fn the_encoding_is_frozen() {
        // Computed independently of this code, from the rule in the doc comment. A changed value here orphans every asset of every user: it needs a new version word in the encoding.
        let fingerprint = base().fingerprint();
        assert_eq!(fingerprint.as_str(), GOLDEN);
    }

    const GOLDEN: &str = "4275250f71897f1ff53f9ce85b42cb72224c13b624f00c41cd92b4a820d3d2b2";
}
