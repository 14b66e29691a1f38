//! Lock against phrases against shelf, offline: is what would be played what is written?

use std::collections::{BTreeMap, BTreeSet};

use super::book::Line;
use super::book::slots::written_key;
use super::lock::{Entry, Lock};
use super::recipe::{Digest, Input, Recipe};
use crate::base::{Language, Slug};
use crate::core::config::Campaign;
use crate::core::ear::{Code, Finding, Flaw, PhraseId, Place};

/// What the shelf read for one fingerprint.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// No asset of this name.
    Absent,
    /// Not the recorded bytes, or no record.
    Damaged(Flaw),
    /// The recorded bytes, with what the ear says.
    Whole {
        /// Hash of the file as read now.
        sha256: Digest,
        /// What is wrong with the sound; empty = sound.
        flaws: Vec<Flaw>,
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

/// One campaign as it is written, locked and rendered by the rules of today.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The campaign.
    pub campaign: &'a Campaign,
    /// Everything that it wants as sound.
    pub lines: &'a [Line],
    /// Its lock.
    pub lock: &'a Lock,
    /// Where each phrase is written; house phrases are not here.
    pub written: &'a BTreeMap<(Slug, Language), Place>,
    /// Where the lock is: the file that is named for everything else.
    pub lock_file: &'a str,
    /// Sample rate of new assets, Hz.
    pub rate: u32,
    /// Version of the sound pipeline.
    pub pipeline: &'a str,
}

/// Compares one campaign. `heard` answers for every fingerprint of the lock.
pub fn verify(case: &Case<'_>, binding: Binding, heard: &dyn Fn(&Digest) -> Heard) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut wanted = BTreeSet::new();
    let mut by_sound: BTreeMap<Digest, &Line> = BTreeMap::new();
    for line in case.lines {
        if is_unspoken(case.campaign, case.lock, &line.language) {
            continue;
        }
        let slot = (line.key.clone(), line.language.clone());
        let entry = case.lock.entries.get(&slot);
        wanted.insert(slot);
        let flaws = match entry {
            None => vec![Flaw::new(Code::NeverRendered, "written but never rendered")],
            Some(entry) => judged(case, line, entry, binding, heard, &mut by_sound),
        };
        findings.extend(flaws.into_iter().map(|flaw| case.finding(&line.key, &line.language, flaw)));
    }
    for (key, language) in case.lock.entries.keys() {
        if !wanted.contains(&(key.clone(), language.clone())) {
            let flaw = Flaw::new(Code::Extra, "in the lock, but no phrase of this name is written any more");
            findings.push(case.finding(key, language, flaw));
        }
    }
    findings
}

fn judged<'a>(
    case: &Case<'a>,
    line: &'a Line,
    entry: &Entry,
    binding: Binding,
    heard: &dyn Fn(&Digest) -> Heard,
    by_sound: &mut BTreeMap<Digest, &'a Line>,
) -> Vec<Flaw> {
    let changed = staleness(entry, line, case.campaign, case.rate, case.pipeline);
    if !changed.is_empty() {
        let names: Vec<String> = changed.iter().map(ToString::to_string).collect();
        return vec![Flaw::new(Code::Stale, format!("{} changed since it was rendered", names.join(", ")))];
    }
    let (sha256, mut flaws) = match heard(&entry.fingerprint) {
        Heard::Absent => return vec![Flaw::new(Code::Missing, "its audio is not in the cache")],
        Heard::Damaged(flaw) => return vec![flaw],
        Heard::Whole { sha256, flaws } => (sha256, flaws),
    };
    let binds = entry.reproducible || binding == Binding::Always;
    if binds && sha256 != entry.sha256 {
        let why = format!("its bytes are {}…, the lock says {}…", sha256.short(), entry.sha256.short());
        return vec![Flaw::new(Code::HashMismatch, why)];
    }
    match by_sound.get(&sha256) {
        Some(other) if other.text != line.text => {
            let what = format!("the very same audio as `{}` in `{}`, whose text is another", other.key, other.language);
            flaws.push(Flaw::new(Code::Duplicate, what));
        }
        Some(_) => {}
        None => {
            by_sound.insert(sha256, line);
        }
    }
    flaws
}

impl Case<'_> {
    fn finding(&self, key: &Slug, language: &Language, flaw: Flaw) -> Finding {
        let in_lock = || Place { file: self.lock_file.to_owned(), line: None };
        let base = || written_key(key.as_str()).parse().ok().and_then(|key| self.written.get(&(key, language.clone())));
        let place = self.written.get(&(key.clone(), language.clone())).or_else(base).cloned().unwrap_or_else(in_lock);
        let (campaign, key, language) = (self.campaign.name.clone(), key.clone(), language.clone());
        Finding { place, phrase: Some(PhraseId { campaign, key, language }), flaw }
    }
}
