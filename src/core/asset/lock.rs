//! `assets.lock`: what `cache generate` made, per key and language. Committed; CI verifies against it.
//!
//! Its bytes follow from its content alone: sorted, one form, no dates. An unchanged campaign never changes it.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Deserialize;

use super::recipe::{Digest, Recipe};
use crate::base::{Language, Slug, limits};
use crate::core::config::ConfigFault;

const VERSION: u32 = 1;
const HEADER: &str = "\
# What `ahoy cache generate` made: phrase and language -> the audio and everything it was made from.
# Commit this file. `ahoy cache verify` compares it with the phrases and the audio. Do not edit it.
";

/// One locked asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Every input.
    pub recipe: Recipe,
    /// The recipe's hash: the asset's name on the shelf.
    pub fingerprint: Digest,
    /// Hash of the WAV file.
    pub sha256: Digest,
    /// Length of the sound in ms.
    pub duration_ms: u64,
    /// Whether the same inputs give the same file on any machine: then `sha256` binds everywhere.
    pub reproducible: bool,
}

/// A whole lock file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lock {
    /// Key and language → asset.
    pub entries: BTreeMap<(Slug, Language), Entry>,
    /// Languages that are written but that their engine does not speak; their leads hear the fall-back.
    pub unspoken: BTreeMap<Language, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed {
    version: u32,
    #[serde(default)]
    unspoken: BTreeMap<Language, String>,
    #[serde(default)]
    assets: BTreeMap<Slug, BTreeMap<Language, TypedEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedEntry {
    text: String,
    engine: String,
    engine_version: String,
    model: Option<String>,
    voice: Option<String>,
    #[serde(default)]
    settings: BTreeMap<String, String>,
    rate: u32,
    pipeline: String,
    said: Option<String>,
    reproducible: bool,
    duration_ms: u64,
    fingerprint: Digest,
    sha256: Digest,
}

impl Lock {
    /// Reads a lock file. `file` is its name in messages.
    pub fn parse(file: &str, text: &str) -> Result<Lock, ConfigFault> {
        let hint = || Some("do not edit it: delete it and run `ahoy cache generate`".to_owned());
        let typed: Typed =
            toml::from_str(text).map_err(|e| ConfigFault { hint: hint(), ..ConfigFault::from_toml(file, text, &e) })?;
        let fault = |mark: &str, what: String| ConfigFault {
            file: file.to_owned(),
            line: text.lines().position(|line| line.starts_with(mark)).map(|at| at + 1),
            what,
            hint: hint(),
        };
        if typed.version != VERSION {
            let what = format!("version {} of the lock file is not known here ({VERSION} is)", typed.version);
            return Err(fault("version", what));
        }
        let mut entries = BTreeMap::new();
        for (key, by_language) in typed.assets {
            for (language, it) in by_language {
                let recipe = Recipe {
                    engine: it.engine,
                    engine_version: it.engine_version,
                    model: it.model,
                    voice: it.voice,
                    language: language.clone(),
                    settings: it.settings,
                    text: it.text,
                    rate: it.rate,
                    pipeline: it.pipeline,
                    said: it.said,
                };
                let mark = format!("[assets.{key}.{language}]");
                if recipe.fingerprint() != it.fingerprint {
                    return Err(fault(&mark, format!("`{key}` in `{language}` does not fit its own fingerprint")));
                }
                if entries.len() >= limits::PHRASES {
                    return Err(fault(&mark, format!("more than {} assets", limits::PHRASES)));
                }
                let entry = Entry {
                    recipe,
                    fingerprint: it.fingerprint,
                    sha256: it.sha256,
                    duration_ms: it.duration_ms,
                    reproducible: it.reproducible,
                };
                entries.insert((key.clone(), language), entry);
            }
        }
        Ok(Lock { entries, unspoken: typed.unspoken })
    }

    /// The file's text.
    pub fn write(&self) -> String {
        let mut out = format!("{HEADER}version = {VERSION}\n");
        let mut line = |text: String| {
            out.push_str(&text);
            out.push('\n');
        };
        if !self.unspoken.is_empty() {
            line("\n[unspoken]".to_owned());
            for (language, engine) in &self.unspoken {
                line(format!("{language} = {}", quoted(engine)));
            }
        }
        for ((key, language), entry) in &self.entries {
            let recipe = &entry.recipe;
            line(format!("\n[assets.{key}.{language}]"));
            line(format!("text = {}", quoted(&recipe.text)));
            if let Some(said) = &recipe.said {
                line(format!("said = {}", quoted(said)));
            }
            line(format!("engine = {}", quoted(&recipe.engine)));
            line(format!("engine_version = {}", quoted(&recipe.engine_version)));
            for (name, value) in [("model", &recipe.model), ("voice", &recipe.voice)] {
                if let Some(value) = value {
                    line(format!("{name} = {}", quoted(value)));
                }
            }
            if !recipe.settings.is_empty() {
                let pairs: Vec<String> = recipe
                    .settings
                    .iter()
                    .map(|(name, value)| format!("{} = {}", quoted(name), quoted(value)))
                    .collect();
                line(format!("settings = {{ {} }}", pairs.join(", ")));
            }
            line(format!("rate = {}", recipe.rate));
            line(format!("pipeline = {}", quoted(&recipe.pipeline)));
            line(format!("reproducible = {}", entry.reproducible));
            line(format!("duration_ms = {}", entry.duration_ms));
            line(format!("fingerprint = \"{}\"", entry.fingerprint));
            line(format!("sha256 = \"{}\"", entry.sha256));
        }
        out
    }
}

/// A TOML basic string on one line: the same text always gives the same bytes.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for ch in text.chars() {
        match ch {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            control if control.is_control() => {
                write!(out, "\\u{:04X}", u32::from(control)).expect("writing to a String cannot fail");
            }
            plain => out.push(plain),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str, settings: &[(&str, &str)]) -> Entry {
        let recipe = Recipe {
            engine: "pico".to_owned(),
            engine_version: "1 \"x\" \\ y".to_owned(),
            model: None,
            voice: Some("nina".to_owned()),
            language: "en".parse().expect("tag"),
            settings: settings.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(),
            text: text.to_owned(),
            rate: 8_000,
            pipeline: "1".to_owned(),
            said: (!settings.is_empty()).then(|| "said \"so\"".to_owned()),
        };
        let fingerprint = recipe.fingerprint();
        Entry { recipe, fingerprint, sha256: Digest::of(b"x"), duration_ms: 1_234, reproducible: true }
    }

    fn lock() -> Lock {
        let slot = |key: &str| (key.parse::<Slug>().expect("slug"), "en".parse::<Language>().expect("tag"));
        let mut lock = Lock::default();
        lock.entries.insert(slot("goodbye"), entry("Say \"bye\" \\o/ שלום", &[("speed", "90"), ("a b", "c\"d")]));
        lock.entries.insert(slot("1st_2nd"), entry("Hello", &[]));
        lock.unspoken.insert("bg".parse().expect("tag"), "pico".to_owned());
        lock
    }

    #[test]
    fn what_is_written_is_read_back_and_written_the_same() {
        let text = lock().write();
        let read = Lock::parse("assets.lock", &text).expect("our own file");
        assert_eq!(read, lock());
        assert_eq!(read.write(), text);
        assert_eq!(Lock::parse("assets.lock", &Lock::default().write()), Ok(Lock::default()));
    }

    #[test]
    fn an_edited_lock_is_refused_with_its_line_and_the_next_step() {
        let fault = |text: String| Lock::parse("assets.lock", &text).expect_err("edited").to_string();
        let text = lock().write();
        let edited = fault(text.replace("\"Hello\"", "\"Hullo\""));
        assert!(edited.starts_with("assets.lock:8: `1st_2nd` in `en` does not fit"), "{edited}");
        assert!(edited.contains("run `ahoy cache generate`"), "{edited}");
        assert!(fault(text.replace("version = 1\n", "version = 2\n")).contains(":3: version 2"));
        assert!(fault(text.replace("sha256 = \"2", "sha256 = \"Z")).contains("64 lower-case hex digits"));
        assert!(fault(text.replace("rate = 8000", "rate = -1")).starts_with("assets.lock:"));
        assert!(fault(format!("{text}<<<<<<< HEAD\n")).starts_with("assets.lock:"));
        assert!(fault(text.replace("[assets.goodbye.en]", "[assets.\"../x\".en]")).contains("is not a name"));
    }
}
