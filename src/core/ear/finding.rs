//! A flaw with its place: what `cache verify` prints, whoever reads it.

use serde::Serialize;

use super::{Code, Flaw, Severity};
use crate::base::{Exit, Language, Slug};

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The file's name as a person knows it.
    pub file: String,
    /// Line, counted from 1, where one is to be looked at.
    pub line: Option<usize>,
}

/// A phrase of a campaign.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct PhraseId {
    /// The campaign.
    pub campaign: Slug,
    /// The phrase's key.
    pub key: Slug,
    /// Its language.
    pub language: Language,
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Where to look: the phrase's line, the lock's, or the sound file itself.
    pub place: Place,
    /// The phrase, if the sound belongs to one.
    pub phrase: Option<PhraseId>,
    /// What is wrong.
    pub flaw: Flaw,
}

impl Finding {
    /// Its code.
    pub fn code(&self) -> Code {
        self.flaw.code
    }

    /// How bad it is.
    pub fn severity(&self) -> Severity {
        self.flaw.severity()
    }

    /// What it is about, for people: the phrase, or the file.
    pub fn subject(&self) -> String {
        match &self.phrase {
            Some(phrase) => format!("{} {} {}", phrase.campaign, phrase.key, phrase.language),
            None => self.place.file.clone(),
        }
    }
}

/// From which severity on findings count for the exit code; `None` = none counts.
pub type FailOn = Option<Severity>;

/// The exit code that some findings call for.
pub fn exit(findings: &[Finding], fail_on: FailOn) -> Exit {
    let Some(least) = fail_on else { return Exit::Done };
    findings.iter().filter(|it| it.severity() >= least).fold(Exit::Done, |exit, it| exit.and(it.code().exit()))
}
