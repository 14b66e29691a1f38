//! Locks, phrases and shelf compared, offline and without an engine; and any sound files, without a workspace.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::shelf_of;
use super::survey::lines_of;
use crate::base::{Failure, Language, limits};
use crate::core::asset::verify::{self as rules, Binding, Case, Heard};
use crate::core::asset::{Digest, Line, Lock};
use crate::core::config::Campaign;
use crate::core::ear::{Finding, PhraseId};
use crate::core::sound::pipeline::PIPELINE;
use crate::store::shelf::{Known, Looked, Question, places, read_lock};
use crate::store::soundfile::{self, FileForm};
use crate::store::workspace::{Workspace, shown};

/// How much is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// The bytes only: are they the recorded ones?
    Hashes,
    /// And what is heard; bytes that were heard before are not heard again.
    Changed,
    /// Everything anew.
    Full,
}

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Verified {
    /// Phrases that are written and spoken.
    pub phrases: Vec<PhraseId>,
    /// Distinct assets read.
    pub assets: u64,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// Compares locks, phrases and shelf, offline and without an engine; reads every byte on all cores.
pub fn verify(ws: &Workspace, campaigns: &[Campaign], binding: Binding, depth: Depth) -> Result<Verified, Failure> {
    let mut jobs: Vec<(&Campaign, Vec<Line>, Lock)> = Vec::new();
    let mut asked = BTreeSet::new();
    for campaign in campaigns {
        let lock = read_lock(ws, &campaign.name)?.unwrap_or_default();
        asked.extend(lock.entries.values().map(|entry| entry.fingerprint.clone()));
        jobs.push((campaign, lines_of(ws, campaign)?, lock));
    }
    let asked: Vec<Digest> = asked.into_iter().collect();
    let found = look(ws, &asked, depth)?;
    let mut verified = Verified { assets: asked.len() as u64, ..Verified::default() };
    let heard = |name: &Digest| found.get(name).cloned().unwrap_or(Heard::Absent);
    for (campaign, lines, lock) in &jobs {
        let spoken = lines.iter().filter(|line| !rules::is_unspoken(campaign, lock, &line.language));
        verified.phrases.extend(spoken.map(|line| PhraseId {
            campaign: campaign.name.clone(),
            key: line.key.clone(),
            language: line.language.clone(),
        }));
        let case = Case {
            campaign,
            lines,
            lock,
            written: &places(ws, &campaign.name)?,
            lock_file: &shown(&ws.campaign_dir(&campaign.name).join("assets.lock")),
            rate: ws.config.rate,
            pipeline: PIPELINE,
        };
        verified.findings.extend(rules::verify(&case, binding, &heard));
    }
    Ok(verified)
}

fn look(ws: &Workspace, asked: &[Digest], depth: Depth) -> Result<BTreeMap<Digest, Heard>, Failure> {
    let cache = ws.cache_dir();
    let mut known = match depth {
        Depth::Changed => Known::read(&cache),
        Depth::Hashes | Depth::Full => Known::default(),
    };
    let question = match depth {
        Depth::Hashes => Question::Bytes,
        Depth::Changed => Question::Known(&known),
        Depth::Full => Question::Sound,
    };
    let heard = shelf_of(ws).look_each(asked, question, Looked::for_verify)?;
    let found: BTreeMap<Digest, Heard> = asked.iter().cloned().zip(heard).collect();
    if depth != Depth::Hashes {
        let mut news = false;
        for (fingerprint, heard) in &found {
            if let Heard::Whole { sha256, flaws } = heard {
                news |= known.note(fingerprint, sha256, flaws);
            }
        }
        if news {
            known.write(&cache);
        }
    }
    Ok(found)
}

/// What the ear says about any sound files.
#[derive(Debug, Clone, PartialEq)]
pub struct FilesAsked {
    /// Files and folders; folders are searched for sound files.
    pub paths: Vec<PathBuf>,
    /// The form that they should have.
    pub form: FileForm,
    /// The language of the texts beside them (`hello.txt` beside `hello.wav`).
    pub language: Language,
}

/// Is told the name of a file and what is wrong with it; `Err` ends the search.
pub type TellFindings<'a> = &'a mut dyn FnMut(&str, &[Finding]) -> Result<(), Failure>;

/// Checks any sound files, without a workspace, and tells the findings of each file as soon as they are known, in order.
///
/// Returns how many files were read.
pub fn verify_files(asked: &FilesAsked, each: TellFindings<'_>) -> Result<u64, Failure> {
    let files = soundfile::find(&asked.paths)?;
    let mut sounds = BTreeMap::new();
    for batch in files.chunks(limits::EAR_BATCH) {
        for heard in soundfile::hear(batch, &asked.form, &asked.language) {
            let findings = soundfile::findings(heard, &mut sounds);
            each(&findings.0, &findings.1)?;
        }
    }
    Ok(files.len() as u64)
}
