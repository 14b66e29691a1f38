//! Plans and figures of a run, as text.
#![allow(missing_docs)] // the fields are the rows of the tables below

use std::collections::BTreeMap;
use std::fmt::Write;

use super::table::table;
use crate::base::Money;
use crate::core::figures::Quantiles;

/// A plan, as it is shown.
#[derive(Debug, Clone, Copy)]
pub struct PlanView<'a> {
    /// `plan` or `status`.
    pub title: &'a str,
    pub campaign: &'a str,
    pub state: &'a str,
    pub account_stopped: Option<&'a str>,
    pub account_stop_attempts: &'a [String],
    /// Number (masked), until when, why.
    pub resting_callers: &'a [(String, String, String)],
    pub leads: u64,
    pub call_now: &'a BTreeMap<String, u64>,
    pub fall_back: u64,
    pub later: &'a BTreeMap<String, u64>,
    pub never: &'a BTreeMap<String, u64>,
    pub done: &'a BTreeMap<String, u64>,
    pub held: u64,
    pub review: u64,
    pub next: Option<&'a str>,
    pub seconds_at_pace: f64,
    pub cost: Money,
    /// Who takes the line after the greeting, if anybody does.
    pub agent: Option<&'a str>,
}

/// The figures of a run, as they are shown.
#[derive(Debug, Clone, Copy)]
pub struct RunFigures<'a> {
    pub attempts: u64,
    pub plain_greetings: u64,
    pub late_greetings: u64,
    pub answered: u64,
    pub outcomes: &'a BTreeMap<String, u64>,
    pub stream_to_audio_ms: Option<Quantiles<f64>>,
    pub barge_ins: u64,
    pub barge_in_ms: Option<Quantiles<f64>>,
    pub opted_out: u64,
    pub not_called: &'a BTreeMap<String, u64>,
    pub waiting: u64,
    pub next_due: Option<&'a str>,
    pub unknown: u64,
}

/// `a 3 · b 4`, or a dash for nothing.
pub fn list(counts: &BTreeMap<String, u64>) -> String {
    if counts.is_empty() {
        return "–".to_owned();
    }
    let words: Vec<String> = counts.iter().map(|(name, n)| format!("{} {n}", name.replace('_', " "))).collect();
    words.join(" · ")
}

/// Milliseconds with as many digits as matter.
pub fn quantiles(figures: Option<Quantiles<f64>>) -> String {
    let number = |ms: f64| if ms < 10.0 { format!("{ms:.2}") } else { format!("{ms:.0}") };
    match figures {
        None => "–".to_owned(),
        Some(q) => format!("p50 {} · p99 {} · max {} ms", number(q.p50), number(q.p99), number(q.max)),
    }
}

/// A plan as a table of two columns.
pub fn plan(view: &PlanView<'_>) -> String {
    let now: u64 = view.call_now.values().sum();
    let mut rows = vec![vec!["state".to_owned(), view.state.to_owned()]];
    if let Some(why) = view.account_stopped {
        rows.push(vec!["account stopped".to_owned(), format!("{why} (`ahoy campaign resume` when it is mended)")]);
        if !view.account_stop_attempts.is_empty() {
            rows.push(vec!["its failing calls".to_owned(), some_of(view.account_stop_attempts)]);
        }
    }
    for (caller, until, why) in view.resting_callers {
        rows.push(vec!["number rests".to_owned(), format!("{caller} until {until}: {why}")]);
    }
    rows.extend([
        vec!["leads".to_owned(), view.leads.to_string()],
        vec!["call now".to_owned(), format!("{now}  ({})", list(view.call_now))],
    ]);
    if view.fall_back > 0 {
        rows.push(vec!["hear the fall-back".to_owned(), view.fall_back.to_string()]);
    }
    rows.push(vec!["later".to_owned(), list(view.later)]);
    rows.push(vec!["not called".to_owned(), list(view.never)]);
    rows.push(vec!["over".to_owned(), list(view.done)]);
    if view.held > 0 {
        rows.push(vec!["being called".to_owned(), view.held.to_string()]);
    }
    if view.review > 0 {
        rows.push(vec!["waiting for a person".to_owned(), view.review.to_string()]);
    }
    if let Some(next) = view.next {
        rows.push(vec!["next one due".to_owned(), next.to_owned()]);
    }
    rows.push(vec!["time at the pace".to_owned(), format!("{:.0} s", view.seconds_at_pace)]);
    let without = if view.agent.is_some() { "; without the agent" } else { "" };
    let cost = format!("{} (everybody answers, one minute each{without})", view.cost);
    rows.push(vec!["cost at most".to_owned(), cost]);
    if let Some(agent) = view.agent {
        rows.push(vec!["agent".to_owned(), agent.to_owned()]);
    }
    table(&[&format!("{} of {}", view.title, view.campaign), ""], &rows, &[])
}

/// The first few of a list, and how many more there are.
fn some_of(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let more = names.len().saturating_sub(SHOWN);
    let some = names[..names.len().min(SHOWN)].join("\n");
    if more > 0 { format!("{some}\nand {more} more (`--json` names them all)") } else { some }
}

/// A run's figures as a table of two columns.
pub fn run(figures: &RunFigures<'_>) -> String {
    let mut rows = vec![
        vec!["attempts".to_owned(), figures.attempts.to_string()],
        vec!["answered".to_owned(), figures.answered.to_string()],
        vec!["outcomes".to_owned(), list(figures.outcomes)],
        vec!["stream → first audio".to_owned(), quantiles(figures.stream_to_audio_ms)],
        vec!["barge-ins".to_owned(), barge_ins(figures)],
        vec!["opted out".to_owned(), figures.opted_out.to_string()],
        vec!["not called".to_owned(), list(figures.not_called)],
        vec!["waiting".to_owned(), figures.waiting.to_string()],
    ];
    if figures.plain_greetings > 0 {
        let what = format!("{} (their own was not ready: `ahoy cache generate`)", figures.plain_greetings);
        rows.push(vec!["plain greetings".to_owned(), what]);
    }
    if figures.late_greetings > 0 {
        let what = format!("{} (answered before theirs was rendered: they heard the apology)", figures.late_greetings);
        rows.push(vec!["late greetings".to_owned(), what]);
    }
    if let Some(next) = figures.next_due {
        rows.push(vec!["next one due".to_owned(), next.to_owned()]);
    }
    if figures.unknown > 0 {
        rows.push(vec!["outcome unknown".to_owned(), figures.unknown.to_string()]);
    }
    table(&["run", ""], &rows, &[])
}

fn barge_ins(figures: &RunFigures<'_>) -> String {
    let mut text = figures.barge_ins.to_string();
    if figures.barge_in_ms.is_some() {
        // Writing to a String cannot fail.
        let _infallible = write!(text, "  (speech → clear {})", quantiles(figures.barge_in_ms));
    }
    text
}
