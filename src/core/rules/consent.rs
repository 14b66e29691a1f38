//! What the `consent` column says: what was agreed to, when, and where that is written down.
//!
//! `WHAT; WHEN; SOURCE`, such as `marketing recorded written; 2026-09-02; web form 1234`. Any other text is consent of
//! an unknown kind: enough where a rule asks only that something is on file.

use jiff::civil::Date;

use super::{ConsentDemand, ConsentLevel, VoiceKind, days_since};
use crate::base::Wall;
use crate::core::config::Purpose;

/// A consent, as far as it can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Consent<'a> {
    /// What was agreed to; `None` = not told.
    pub what: Option<&'a str>,
    /// When; `None` = not told.
    pub when: Option<Date>,
    /// Where that is written down; `None` = not told.
    pub source: Option<&'a str>,
}

/// Reads the column; `None` = nothing on file.
pub fn read(text: Option<&str>) -> Option<Consent<'_>> {
    let text = text?.trim();
    if text.is_empty() {
        return None;
    }
    let parts: Vec<&str> = text.split(';').map(str::trim).collect();
    let told = |at: usize| parts.get(at).copied().filter(|part| !part.is_empty());
    if let [_, when, ..] = parts.as_slice()
        && let Ok(when) = when.parse::<Date>()
    {
        return Some(Consent { what: told(0), when: Some(when), source: told(2) });
    }
    let when = text.split(|ch: char| !(ch.is_ascii_digit() || ch == '-')).find_map(|word| word.parse::<Date>().ok());
    Some(Consent { what: None, when, source: None })
}

impl Consent<'_> {
    fn names(&self, word: &str) -> bool {
        let what = self.what.unwrap_or_default();
        what.split(|ch: char| !ch.is_alphanumeric()).any(|found| found.eq_ignore_ascii_case(word))
    }

    /// Whether it names this kind of voice; `automated` names both.
    pub fn covers(&self, voice: VoiceKind) -> bool {
        self.names(voice.as_str()) || self.names("automated")
    }

    /// Whether it was given in writing.
    pub fn is_written(&self) -> bool {
        self.names("written")
    }

    /// Whether it tells what, when and source.
    pub fn is_reference(&self) -> bool {
        self.what.is_some() && self.when.is_some() && self.source.is_some()
    }

    fn meets(&self, level: ConsentLevel, voice: VoiceKind) -> bool {
        (!level.reference || self.is_reference())
            && (!level.written || self.is_written())
            && (!level.covering || self.covers(voice))
    }
}

/// Whether what is on file is enough for a demand at `now`. A consent of a day that has not come is none.
pub fn is_enough(
    demand: &ConsentDemand,
    consent: Option<&Consent<'_>>,
    purpose: Purpose,
    voice: VoiceKind,
    now: Wall,
) -> bool {
    let level = match purpose {
        Purpose::Marketing => demand.marketing,
        Purpose::Service | Purpose::Research => demand.other,
    };
    if !level.any || !demand.voices.contains(&voice) {
        return true;
    }
    let Some(consent) = consent else { return false };
    // The day is told without a zone: a day's difference is not a lie.
    let tomorrow = now + std::time::Duration::from_secs(86_400);
    let ahead =
        consent.when.is_some_and(|when| when > jiff::tz::TimeZone::UTC.to_datetime(tomorrow.timestamp()).date());
    let fresh = match (demand.age_days, consent.when) {
        (None, _) => true,
        (Some(days), Some(when)) => days_since(when, now) <= i64::from(days),
        (Some(_), None) => false,
    };
    !ahead && fresh && consent.meets(level, voice)
}
