//! What came of campaigns: attempts, one by one, folded into figures. Pure: rows and times are arguments.
//!
//! Every definition that a figure rests on is here, and docs/REPORT.md tells it to people.

mod hours;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::base::{AttemptId, LeadId, Money, Phone, Wall, limits};
use crate::core::call::latency::Latencies;
use crate::core::dial::Outcome;
use crate::core::figures::Quantiles;

pub use hours::hour_of_day;

/// A person who answers must hear us within this time, or the call counts as abandoned (16 CFR 310.4(b)(4)(ii)).
pub const SPEECH_WITHIN: Duration = Duration::from_secs(2);

/// One attempt with all that the ledger knows of its call.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptFacts {
    /// The attempt.
    pub attempt: AttemptId,
    /// Its lead.
    pub lead: LeadId,
    /// How it ended; `None` while it is open.
    pub outcome: Option<Outcome>,
    /// Its outcome is not known, and the carrier is asked.
    pub unknown: bool,
    /// The carrier took the order: there was a call.
    pub made: bool,
    /// The number it came from.
    pub caller: Phone,
    /// Language spoken.
    pub language: String,
    /// When it was claimed.
    pub intent_at: Wall,
    /// When the carrier's word of an answer came.
    pub answered_at: Option<Wall>,
    /// When its media stream began.
    pub stream_at: Option<Wall>,
    /// Stream's start → first sound written, microseconds.
    pub first_audio_us: Option<u64>,
    /// Whether a machine answered, if the carrier told.
    pub machine: Option<bool>,
    /// Speech cut our sound.
    pub barged_in: bool,
    /// Speech → `clear` written, ms.
    pub barge_tail_ms: Option<u64>,
    /// They asked never to be called again.
    pub opted_out: bool,
    /// Seconds of talk by the carrier's count.
    pub duration_s: Option<u32>,
    /// What the carrier charged, if it has told.
    pub price: Option<Money>,
    /// What its agent's usage cost by the dated table.
    pub agent_cost: Money,
    /// What its transcript and summary cost by the dated table.
    pub words_cost: Money,
    /// The hour of the callee's day at the claim, 0 to 23; `None` if their zones do not agree.
    pub hour: Option<u8>,
}

impl AttemptFacts {
    /// Somebody or something picked up.
    pub fn answered(&self) -> bool {
        let by_outcome = match self.outcome {
            Some(
                Outcome::Answered
                | Outcome::Voicemail
                | Outcome::MessageLeft
                | Outcome::OptedOut
                | Outcome::CallBack
                | Outcome::Unheard,
            ) => true,
            Some(
                Outcome::Busy
                | Outcome::NoAnswer
                | Outcome::Failed
                | Outcome::Canceled
                | Outcome::Invalid
                | Outcome::Forbidden
                | Outcome::CallerRefused
                | Outcome::AccountRefused
                | Outcome::RequestRefused
                | Outcome::NotPlaced
                | Outcome::Unresolved
                | Outcome::NotSent
                | Outcome::NoConnection
                | Outcome::Throttled,
            )
            | None => false,
        };
        by_outcome || self.answered_at.is_some() || self.stream_at.is_some() || self.first_audio_us.is_some()
    }

    /// A person picked up, as far as anybody knows: a call that no machine is known to have answered.
    pub fn by_person(&self) -> bool {
        let machine = matches!(self.outcome, Some(Outcome::Voicemail | Outcome::MessageLeft));
        self.answered() && self.machine != Some(true) && !machine
    }

    /// Answer → first sound of ours, microseconds. The answer is when we heard of it, by callback or by the stream's
    /// start, whichever was first; a callback that lost that race adds nothing.
    pub fn answer_to_audio_us(&self) -> Option<u64> {
        let first = self.first_audio_us?;
        let (Some(answered), Some(stream)) = (self.answered_at, self.stream_at) else { return Some(first) };
        let wait_ms = u64::try_from(stream.0.saturating_sub(answered.0)).unwrap_or(0);
        Some(wait_ms.saturating_mul(1_000).saturating_add(first))
    }

    /// A person picked up and heard nothing of ours within [`SPEECH_WITHIN`]: whoever's fault that was.
    ///
    /// Calls that are not over yet are not judged.
    pub fn abandoned(&self) -> bool {
        let in_time = self.answer_to_audio_us().is_some_and(|us| Duration::from_micros(us) <= SPEECH_WITHIN);
        self.outcome.is_some() && self.by_person() && !in_time
    }
}

/// Attempts, calls and answers of one group: an hour, a caller number, a language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Group {
    /// Attempts.
    pub attempts: u64,
    /// Of those, calls that the carrier took.
    pub calls: u64,
    /// Of those, answered.
    pub answered: u64,
}

impl Group {
    fn add(&mut self, facts: &AttemptFacts) {
        self.attempts += 1;
        self.calls += u64::from(facts.made);
        self.answered += u64::from(facts.answered());
    }
}

/// An attempt that ended by our or the carrier's fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FaultLine {
    /// The attempt.
    pub attempt: String,
    /// Its lead.
    pub lead: i64,
    /// How it ended.
    pub outcome: String,
    /// When it was claimed, UTC.
    pub at: String,
}

/// An alarm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AlarmLine {
    /// Its name, such as `double_dial`.
    pub kind: String,
    /// The attempt.
    pub attempt: String,
    /// When, UTC.
    pub at: String,
}

/// Where leads stand now.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Leads {
    /// All of them.
    pub total: u64,
    /// To be called, now or later.
    pub waiting: u64,
    /// With an open attempt.
    pub held: u64,
    /// Over, by outcome.
    pub done: BTreeMap<String, u64>,
    /// Never called, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// A person must look.
    pub review: u64,
}

/// Money: guessed from the carrier's minutes, and as the carrier told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Cost {
    /// US dollars in millionths: billed minutes times the campaign's price. An estimate, never a bill.
    pub estimate: Money,
    /// Minutes, each call's talk rounded up.
    pub minutes: u64,
    /// What the carrier charged for the calls whose price it has told (`ahoy calls fetch` asks).
    pub charged: Money,
    /// Those calls.
    pub priced: u64,
    /// What agents used up, by the dated table of prices.
    pub agents: Money,
    /// What transcripts and summaries used up, by the same table.
    pub words: Money,
}

/// The report. As JSON it is one object; fields are only ever added.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Report {
    /// Campaigns it is about.
    pub campaigns: Vec<String>,
    /// Attempts claimed at or after this count, UTC; `None`: all.
    pub since: Option<String>,
    /// When it was made, UTC.
    pub until: String,
    /// Where their leads stand now, whenever they were called.
    pub leads: Leads,
    /// Attempts.
    pub attempts: u64,
    /// Calls that the carrier took.
    pub calls: u64,
    /// Attempts that are not over.
    pub open: u64,
    /// Of those, with an outcome that nobody knows yet.
    pub unknown: u64,
    /// Attempts by outcome.
    pub outcomes: BTreeMap<String, u64>,
    /// Calls that were answered, by people or machines.
    pub answered: u64,
    /// Answered of all calls that the carrier took and that are over, 0 to 1.
    pub connect_rate: Option<f64>,
    /// Calls answered by a person (no machine is known to have answered) that are over.
    pub by_person: u64,
    /// Of those, without speech of ours within 2 s.
    pub abandoned: u64,
    /// Abandoned of all answered by a person, 0 to 1.
    pub abandonment: Option<f64>,
    /// Answer → first audio, ms.
    pub answer_to_audio_ms: Option<Quantiles<f64>>,
    /// Stream's start → first audio, ms.
    pub stream_to_audio_ms: Option<Quantiles<f64>>,
    /// Calls in which speech cut our sound.
    pub barge_ins: u64,
    /// Speech → `clear`, ms of the call's sound.
    pub barge_in_ms: Option<Quantiles<f64>>,
    /// People who asked never to be called again.
    pub opted_out: u64,
    /// Seconds of talk by the carrier's count.
    pub talk_s: u64,
    /// Leads by attempts made on each.
    pub attempts_per_lead: BTreeMap<u64, u64>,
    /// By hour of the callee's day, 0 to 23; hours without attempts are left out.
    pub by_hour: BTreeMap<u8, Group>,
    /// Attempts whose hour is not known.
    pub hour_unknown: Group,
    /// By caller number, masked; numbers that look alike masked are told apart by a letter.
    pub by_caller: BTreeMap<String, Group>,
    /// By language spoken.
    pub by_language: BTreeMap<String, Group>,
    /// Cost.
    pub cost: Cost,
    /// Alarms, newest first; at most `limits::REPORT_LINES`.
    pub alarms: Vec<AlarmLine>,
    /// Attempts that ended by our or the carrier's fault, all of them.
    pub fault_count: u64,
    /// Those, newest first; at most `limits::REPORT_LINES`.
    pub faults: Vec<FaultLine>,
    /// Answer → first audio, how many calls up to each bound: for the plot.
    pub audio_histogram: Vec<Bin>,
    /// How long people waited, by campaign, from the calls' own logs; empty if those were not read.
    pub latencies: BTreeMap<String, Latencies>,
}

/// One bar of a histogram.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bin {
    /// `≤ 50 ms`.
    pub label: String,
    /// Calls.
    pub calls: u64,
}

/// Upper bounds of the histogram's bars, ms; the last bar takes the rest.
const BOUNDS_MS: [u64; 9] = [10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000];

/// Folds attempts into a [`Report`].
#[derive(Debug, Default)]
pub struct Fold {
    report: Report,
    answer_us: Vec<u64>,
    stream_us: Vec<u64>,
    tail_ms: Vec<u64>,
    per_lead: BTreeMap<LeadId, u64>,
    callers: BTreeMap<Phone, Group>,
    over_calls: u64,
    over_answered: u64,
}

impl Fold {
    /// Adds one attempt of a campaign that pays `per_minute`. Attempts come oldest first.
    pub fn add(&mut self, facts: &AttemptFacts, per_minute: Money) {
        let report = &mut self.report;
        let answered = facts.answered();
        report.attempts += 1;
        report.calls += u64::from(facts.made);
        report.answered += u64::from(answered);
        report.unknown += u64::from(facts.unknown);
        match facts.outcome {
            Some(outcome) => {
                *report.outcomes.entry(outcome.to_string()).or_default() += 1;
                self.over_calls += u64::from(facts.made);
                self.over_answered += u64::from(facts.made && answered);
                report.by_person += u64::from(facts.by_person());
                report.abandoned += u64::from(facts.abandoned());
                if outcome.is_fault() {
                    report.fault_count += 1;
                    if report.faults.len() == limits::REPORT_LINES {
                        report.faults.remove(0);
                    }
                    report.faults.push(FaultLine {
                        attempt: facts.attempt.to_string(),
                        lead: facts.lead.0,
                        outcome: outcome.to_string(),
                        at: facts.intent_at.rfc3339(),
                    });
                }
            }
            None => report.open += 1,
        }
        self.answer_us.extend(facts.answer_to_audio_us());
        self.stream_us.extend(facts.first_audio_us);
        self.tail_ms.extend(facts.barge_tail_ms);
        report.barge_ins += u64::from(facts.barged_in);
        report.opted_out += u64::from(facts.opted_out);
        let seconds = u64::from(facts.duration_s.unwrap_or(0));
        report.talk_s += seconds;
        let minutes = seconds.div_ceil(60);
        report.cost.minutes += minutes;
        report.cost.estimate += per_minute * i64::try_from(minutes).unwrap_or(i64::MAX);
        report.cost.agents += facts.agent_cost;
        report.cost.words += facts.words_cost;
        if let Some(price) = facts.price {
            report.cost.charged += price;
            report.cost.priced += 1;
        }
        match facts.hour {
            Some(hour) => report.by_hour.entry(hour).or_default().add(facts),
            None => report.hour_unknown.add(facts),
        }
        report.by_language.entry(facts.language.clone()).or_default().add(facts);
        self.callers.entry(facts.caller.clone()).or_default().add(facts);
        *self.per_lead.entry(facts.lead).or_default() += 1;
    }

    /// The figures; names, leads and alarms are filled in by the caller.
    pub fn finish(mut self) -> Report {
        let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        let ms = |us: &u64| *us as f64 / 1_000.0;
        let report = &mut self.report;
        report.connect_rate = share(self.over_answered, self.over_calls);
        report.abandonment = share(report.abandoned, report.by_person);
        report.answer_to_audio_ms = Quantiles::of(self.answer_us.iter().map(ms));
        report.stream_to_audio_ms = Quantiles::of(self.stream_us.iter().map(ms));
        report.barge_in_ms = Quantiles::of(self.tail_ms.iter().map(|ms| *ms as f64));
        report.audio_histogram = histogram(&self.answer_us);
        for attempts in self.per_lead.values() {
            *report.attempts_per_lead.entry(*attempts).or_default() += 1;
        }
        report.faults.reverse();
        for (caller, group) in self.callers {
            let masked = caller.to_string();
            let names = std::iter::once(masked.clone()).chain(('b'..='z').map(|letter| format!("{masked} ({letter})")));
            let free = names.into_iter().find(|name| !report.by_caller.contains_key(name));
            // More than 26 callers with the same mask share the last row.
            let row = report.by_caller.entry(free.unwrap_or_else(|| format!("{masked} (others)"))).or_default();
            row.attempts += group.attempts;
            row.calls += group.calls;
            row.answered += group.answered;
        }
        self.report
    }
}

fn histogram(us: &[u64]) -> Vec<Bin> {
    let label = |ms: u64| if ms < 1_000 { format!("≤ {ms} ms") } else { format!("≤ {} s", ms / 1_000) };
    let labels = BOUNDS_MS.iter().map(|ms| label(*ms)).chain(["more".to_owned()]);
    let mut bins: Vec<Bin> = labels.map(|label| Bin { label, calls: 0 }).collect();
    for us in us {
        bins[BOUNDS_MS.partition_point(|bound| bound * 1_000 < *us)].calls += 1;
    }
    bins
}
