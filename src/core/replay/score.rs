//! How well segments fit what people really said.
//!
//! *Found*: a segment touches the utterance. *Owned*: exactly one does, and it holds no other utterance: an ear that is
//! always on finds everything and owns nothing.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use serde::Serialize;

use super::Segment;
use super::labels::{Utterance, language_of};
use crate::core::figures::Quantiles;

/// An utterance shorter than this is short: "how much?", "when?". Milliseconds.
pub const SHORT_MS: u64 = 600;

/// Counts over one or many recordings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Utterances.
    pub utterances: u64,
    /// Short ones.
    pub short: u64,
    /// Short ones that were found.
    pub short_found: u64,
    /// Short ones that were owned.
    pub short_owned: u64,
    /// Found.
    pub found: u64,
    /// Owned.
    pub owned: u64,
    /// Owned, and their first sound is within their segment.
    pub whole: u64,
    /// Touched by several segments.
    pub split: u64,
    /// Sharing their segment with another.
    pub merged: u64,
    /// Segments that touch nothing that was said.
    pub false_segments: u64,
    /// Milliseconds in which nothing was said.
    pub quiet_ms: u64,
    /// Start of an owned utterance → a live call knows it, ms.
    pub start_ms: Vec<u64>,
    /// End of an owned utterance → a live call knows it, ms: what the callee waits at least for an answer.
    pub end_ms: Vec<u64>,
}

/// Segments that touch an utterance. Both stand in order of time and overlap nothing of their kind.
fn touching<'a>(segments: &'a [Segment], it: &Utterance) -> &'a [Segment] {
    let first = segments.partition_point(|segment| segment.end_ms <= it.start_ms);
    let count = segments[first..].partition_point(|segment| segment.onset_ms < it.end_ms);
    &segments[first..first + count]
}

/// How many utterances a segment touches.
fn holds(utterances: &[Utterance], segment: &Segment) -> usize {
    let first = utterances.partition_point(|it| it.end_ms <= segment.onset_ms);
    utterances[first..].partition_point(|it| it.start_ms < segment.end_ms)
}

/// Of an utterance: the segments that touch it, and whether one of them holds another utterance too.
fn mine<'a>(utterances: &[Utterance], segments: &'a [Segment], it: &Utterance) -> (&'a [Segment], bool) {
    let mine = touching(segments, it);
    (mine, mine.iter().any(|segment| holds(utterances, segment) > 1))
}

/// The utterances that are owned.
pub fn owned<'a>(utterances: &'a [Utterance], segments: &[Segment]) -> Vec<&'a Utterance> {
    let alone = |it: &&Utterance| matches!(mine(utterances, segments, it), (mine, false) if mine.len() == 1);
    utterances.iter().filter(alone).collect()
}

/// Why an utterance is not owned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// No segment touches it.
    Missed,
    /// Several do.
    Split,
    /// Its segment holds another one, too.
    Merged,
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Trouble::Missed => "missed",
            Trouble::Split => "split",
            Trouble::Merged => "merged with another",
        })
    }
}

/// The utterances that are not owned, and why.
pub fn troubles<'a>(utterances: &'a [Utterance], segments: &[Segment]) -> Vec<(&'a Utterance, Trouble)> {
    let trouble = |it: &Utterance| match mine(utterances, segments, it) {
        ([], _) => Some(Trouble::Missed),
        ([_], true) => Some(Trouble::Merged),
        ([_], false) => None,
        (_, _) => Some(Trouble::Split),
    };
    utterances.iter().filter_map(|it| Some((it, trouble(it)?))).collect()
}

/// By what utterances are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The tag before the words, `bg: кога?`.
    Language,
    /// The words themselves, in small letters and without what stands around them.
    Phrase,
}

impl By {
    /// Where an utterance counts: `bg`, or `bg: кога`; `-` where the label does not say.
    pub fn key(self, it: &Utterance) -> String {
        let (language, words) = language_of(&it.text);
        let language = language.map(str::to_lowercase);
        let words = words.trim_matches(|ch: char| !ch.is_alphanumeric()).to_lowercase();
        let known = |it: String| if it.is_empty() { "-".to_owned() } else { it };
        match self {
            By::Language => known(language.unwrap_or_default()),
            By::Phrase => language.map_or_else(|| known(words.clone()), |it| format!("{it}: {words}")),
        }
    }
}

/// How many utterances of a language or phrase there were, and what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Share {
    /// Utterances.
    pub utterances: u64,
    /// Owned.
    pub owned: u64,
    /// Touched by no segment.
    pub missed: u64,
    /// Touched by several segments.
    pub split: u64,
    /// Sharing their segment with another.
    pub merged: u64,
}

/// Adds one recording's utterances to the shares by language or phrase.
pub fn share(shares: &mut BTreeMap<String, Share>, by: By, said: &[Utterance], segments: &[Segment]) {
    let lost: BTreeMap<u64, Trouble> =
        troubles(said, segments).into_iter().map(|(it, trouble)| (it.start_ms, trouble)).collect();
    for it in said {
        let share = shares.entry(by.key(it)).or_default();
        share.utterances += 1;
        match lost.get(&it.start_ms) {
            None => share.owned += 1,
            Some(Trouble::Missed) => share.missed += 1,
            Some(Trouble::Split) => share.split += 1,
            Some(Trouble::Merged) => share.merged += 1,
        }
    }
}

impl Tally {
    /// One recording of this length.
    pub fn of(utterances: &[Utterance], segments: &[Segment], length_ms: u64) -> Tally {
        let mut tally = Tally::default();
        let spoken: u64 = utterances.iter().map(|it| it.end_ms.min(length_ms).saturating_sub(it.start_ms)).sum();
        tally.quiet_ms = length_ms.saturating_sub(spoken);
        for it in utterances {
            let (mine, shared) = mine(utterances, segments, it);
            let (found, owned) = (!mine.is_empty(), mine.len() == 1 && !shared);
            let short = it.end_ms - it.start_ms < SHORT_MS;
            tally.utterances += 1;
            tally.found += u64::from(found);
            tally.owned += u64::from(owned);
            tally.split += u64::from(mine.len() > 1);
            tally.merged += u64::from(shared);
            tally.short += u64::from(short);
            tally.short_found += u64::from(short && found);
            tally.short_owned += u64::from(short && owned);
            if let ([segment], true) = (mine, owned) {
                tally.whole += u64::from(segment.start_ms <= it.start_ms);
                tally.start_ms.push(segment.told_ms.saturating_sub(it.start_ms));
                tally.end_ms.push(segment.over_ms.saturating_sub(it.end_ms));
            }
        }
        let untrue = segments.iter().filter(|segment| holds(utterances, segment) == 0);
        tally.false_segments = untrue.count() as u64;
        tally
    }

    /// The figures that people read.
    pub fn figures(&self) -> Figures {
        let percent = |part: u64, whole: u64| if whole == 0 { None } else { Some(100.0 * part as f64 / whole as f64) };
        Figures {
            utterances: self.utterances,
            short: self.short,
            owned_percent: percent(self.owned, self.utterances),
            short_found_percent: percent(self.short_found, self.short),
            short_owned_percent: percent(self.short_owned, self.short),
            whole_percent: percent(self.whole, self.owned),
            missed: self.utterances - self.found,
            split: self.split,
            merged: self.merged,
            false_per_minute: self.false_segments as f64 / (self.quiet_ms.max(1) as f64 / 60_000.0),
            start_ms: Quantiles::of(self.start_ms.iter().copied()),
            end_ms: Quantiles::of(self.end_ms.iter().copied()),
        }
    }
}

impl AddAssign<&Tally> for Tally {
    fn add_assign(&mut self, other: &Tally) {
        self.utterances += other.utterances;
        self.short += other.short;
        self.short_found += other.short_found;
        self.short_owned += other.short_owned;
        self.found += other.found;
        self.owned += other.owned;
        self.whole += other.whole;
        self.split += other.split;
        self.merged += other.merged;
        self.false_segments += other.false_segments;
        self.quiet_ms += other.quiet_ms;
        self.start_ms.extend_from_slice(&other.start_ms);
        self.end_ms.extend_from_slice(&other.end_ms);
    }
}

/// Figures of a setting. `None` = there was nothing to judge.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Utterances.
    pub utterances: u64,
    /// Of which under 600 ms.
    pub short: u64,
    /// Owned, of all.
    pub owned_percent: Option<f64>,
    /// Found, of the short ones.
    pub short_found_percent: Option<f64>,
    /// Owned, of the short ones.
    pub short_owned_percent: Option<f64>,
    /// Of the owned, those whose first sound is within their segment, prefix included.
    pub whole_percent: Option<f64>,
    /// Not found.
    pub missed: u64,
    /// Touched by several segments.
    pub split: u64,
    /// Sharing their segment.
    pub merged: u64,
    /// Segments where nobody spoke, per minute without speech.
    pub false_per_minute: f64,
    /// Start of speech → known, ms.
    pub start_ms: Option<Quantiles<u64>>,
    /// End of speech → known, ms.
    pub end_ms: Option<Quantiles<u64>>,
}
