//! Lock against phrases against shelf, offline: is what would be played what is written?

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::book::Line;
use super::check::EarFault;
use super::lock::{Entry, Lock};
use super::recipe::{Digest, Input, Recipe};
use crate::base::{Exit, Language, Slug};
use crate::core::config::Campaign;

/// What is wrong with one phrase. The text says what to do next.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", content = "detail", rename_all = "kebab-case")]
pub enum Problem {
    /// Written, but never rendered.
    NeverRendered,
    /// The lock was made from other inputs.
    Stale(Vec<Input>),
    /// Locked, but the audio is not on the shelf.
    Missing,
    /// The audio is not the recorded bytes.
    Damaged(String),
    /// The ear refuses the audio.
    Sound(Vec<EarFault>),
    /// Locked, but no longer written anywhere.
    Orphan,
}

impl Problem {
    /// The exit code that this problem calls for.
    pub fn exit(&self) -> Exit {
        match self {
            Problem::NeverRendered | Problem::Missing | Problem::Damaged(_) => Exit::Asset,
            Problem::Stale(_) | Problem::Sound(_) | Problem::Orphan => Exit::Findings,
        }
    }

    /// One word for tables and JSON.
    pub fn word(&self) -> &'static str {
        match self {
            Problem::NeverRendered => "never rendered",
            Problem::Stale(_) => "stale",
            Problem::Missing => "missing",
            Problem::Damaged(_) => "damaged",
            Problem::Sound(_) => "sound",
            Problem::Orphan => "orphan",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::NeverRendered => f.write_str("written but never rendered"),
            Problem::Stale(inputs) => {
                let names: Vec<String> = inputs.iter().map(ToString::to_string).collect();
                write!(f, "{} changed since it was rendered", names.join(", "))
            }
            Problem::Missing => f.write_str("its audio is not in the cache"),
            Problem::Damaged(why) => f.write_str(why),
            Problem::Sound(faults) => {
                let all: Vec<String> = faults.iter().map(ToString::to_string).collect();
                f.write_str(&all.join("; "))
            }
            Problem::Orphan => f.write_str("in the lock, but no phrase of this name is written any more"),
        }
    }
}

/// A problem with its place.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// The campaign.
    pub campaign: Slug,
    /// The phrase's key.
    pub key: Slug,
    /// Its language.
    pub language: Language,
    /// What is wrong.
    pub problem: Problem,
}

/// What the shelf read for one fingerprint.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// No asset of this name.
    Absent,
    /// Not the recorded bytes, or no record.
    Damaged(String),
    /// The recorded bytes, with what the ear says.
    Whole {
        /// Hash of the file as read now.
        sha256: Digest,
        /// What the ear refuses; empty = sound.
        faults: Vec<EarFault>,
    },
}

/// When the lock's hash of a file counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// For engines with reproducible output; other files are compared with their own record.
    Reproducible,
    /// Always: for audio that is committed beside its lock.
    Always,
}

/// The lines of a campaign that are not spoken, because their language's engine does not speak it and the campaign
/// has a fall-back. The lock remembers it, so that it is known without an engine.
pub fn is_unspoken(campaign: &Campaign, lock: &Lock, language: &Language) -> bool {
    let fallback = campaign.greeting.fallback.as_ref();
    fallback.is_some_and(|fallback| fallback != language)
        && lock.unspoken.get(language).is_some_and(|engine| engine == campaign.voice.engine_for(language))
}

/// Whether a lock entry was made from what is written now; the engine's version is taken from the entry.
pub fn staleness(entry: &Entry, line: &Line, campaign: &Campaign, rate: u32, pipeline: &str) -> Vec<Input> {
    let now = Recipe::of(line, &campaign.voice, &entry.recipe.engine_version, rate, pipeline);
    entry.recipe.differences(&now)
}

/// Compares one campaign. `heard` answers for every fingerprint of the lock.
pub fn verify(
    campaign: &Campaign,
    lines: &[Line],
    lock: &Lock,
    rate: u32,
    pipeline: &str,
    binding: Binding,
    heard: &dyn Fn(&Digest) -> Heard,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |key: &Slug, language: &Language, problem: Problem| {
        let (campaign, key, language) = (campaign.name.clone(), key.clone(), language.clone());
        findings.push(Finding { campaign, key, language, problem });
    };
    let mut written = BTreeSet::new();
    for line in lines {
        if is_unspoken(campaign, lock, &line.language) {
            continue;
        }
        let slot = (line.key.clone(), line.language.clone());
        let entry = lock.entries.get(&slot);
        written.insert(slot);
        let Some(entry) = entry else {
            add(&line.key, &line.language, Problem::NeverRendered);
            continue;
        };
        let changed = staleness(entry, line, campaign, rate, pipeline);
        if !changed.is_empty() {
            add(&line.key, &line.language, Problem::Stale(changed));
            continue;
        }
        match heard(&entry.fingerprint) {
            Heard::Absent => add(&line.key, &line.language, Problem::Missing),
            Heard::Damaged(why) => add(&line.key, &line.language, Problem::Damaged(why)),
            Heard::Whole { sha256, faults } => {
                let binds = entry.reproducible || binding == Binding::Always;
                if binds && sha256 != entry.sha256 {
                    let why = format!("its bytes are {}…, the lock says {}…", sha256.short(), entry.sha256.short());
                    add(&line.key, &line.language, Problem::Damaged(why));
                } else if !faults.is_empty() {
                    add(&line.key, &line.language, Problem::Sound(faults));
                }
            }
        }
    }
    for (key, language) in lock.entries.keys() {
        if !written.contains(&(key.clone(), language.clone())) {
            add(key, language, Problem::Orphan);
        }
    }
    findings
}
