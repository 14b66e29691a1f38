//! `[transcript]` and `[summary]` of a campaign: who writes its calls down, and who sums them up.

use serde::Deserialize;

use crate::core::call::after::{AfterCall, OUTCOMES};

/// Who puts a call into words after it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct After {
    /// A name of `[transcribers.NAME]`; `None` = the transcript is what the agent's events tell.
    pub transcript: Option<String>,
    /// A name of `[summarizers.NAME]`; `None` = no summary.
    pub summary: Option<String>,
    /// How a conversation may end, in the campaign's words: 2 to 20.
    pub outcomes: Vec<String>,
}

impl After {
    /// What its calls are to get.
    pub fn wanted(&self) -> AfterCall {
        AfterCall { transcript: self.transcript.is_some(), summary: self.summary.is_some() }
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TypedTranscript {
    engine: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TypedSummary {
    engine: Option<String>,
    outcomes: Option<Vec<String>>,
}

/// Both sections as one.
pub(super) fn check(transcript: TypedTranscript, summary: TypedSummary) -> Result<After, (&'static str, String)> {
    let outcomes = summary.outcomes.unwrap_or_else(|| OUTCOMES.map(str::to_owned).to_vec());
    let word = |text: &String| {
        !text.is_empty() && text.len() <= 40 && text.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_')
    };
    if !(2..=20).contains(&outcomes.len()) || !outcomes.iter().all(word) {
        let what = "[summary] outcomes is 2 to 20 words of letters, digits and _, such as [\"interested\", \"other\"]";
        return Err(("summary.outcomes", what.to_owned()));
    }
    Ok(After { transcript: transcript.engine, summary: summary.engine, outcomes })
}
