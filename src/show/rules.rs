//! Rules as text: what they ask, where they come from, what they cost a campaign.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::core::dial::hours::{Calendar, Holiday};
use crate::core::rules::finding::{Finding, Weight};
use crate::core::rules::{ConsentLevel, Demand, Jurisdiction, Rule};

/// A jurisdiction with all its rules.
pub fn jurisdiction(table: &Jurisdiction) -> String {
    let mut text = format!("{}  {}", table.name, table.title);
    if !table.members.is_empty() {
        let members: Vec<&str> = table.members.iter().map(|country| country.as_str()).collect();
        push(&mut text, &format!("  members {}", members.join(" ")));
    }
    for it in &table.rules {
        push(&mut text, &rule(it));
    }
    for note in &table.notes {
        push(&mut text, &format!("  note: {note}"));
    }
    text
}

/// One rule in two lines.
pub fn rule(it: &Rule) -> String {
    let aside = if it.overridable { "may be set aside" } else { "never set aside" };
    format!("  {:<20} {}\n{:23}{} · checked {} · {aside}", it.id, demand(&it.demand), "", it.source, it.checked)
}

fn push(text: &mut String, line: &str) {
    // Writing to a String cannot fail.
    let _infallible = write!(text, "\n{line}");
}

/// What a rule asks, in words.
pub fn demand(demand: &Demand) -> String {
    match demand {
        Demand::Hours { calendar, known_holidays } => {
            let unknown = if *known_holidays { "" } else { "; holidays not known" };
            format!("calls only {}{unknown}", week(calendar))
        }
        Demand::Consent(it) => {
            let voices: Vec<&str> = it.voices.iter().map(|voice| voice.as_str()).collect();
            let age = it.age_days.map(|days| format!(", not older than {days} days")).unwrap_or_default();
            format!(
                "consent to a {} voice: marketing {}; service and research {}{age}",
                voices.join(" or "),
                level(it.marketing),
                level(it.other)
            )
        }
        Demand::DoNotCall { age_days } => {
            format!(
                "marketing: a do-not-call file not older than {age_days} days, or consent with what, when and source"
            )
        }
        Demand::Caps { per_24h, per_30_days, gap_minutes } => {
            let parts = [
                per_24h.map(|n| format!("{n} calls in 24 h")),
                per_30_days.map(|n| format!("{n} in 30 days")),
                gap_minutes.map(|n| format!("{n} min between two")),
            ];
            format!("at most {} to one number", parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
        }
        Demand::Refusal { days } => format!("no call for {days} days after a refusal"),
        Demand::Ring { seconds } => format!("rings at least {seconds} s"),
        Demand::Abandonment { slow_per_mille, pause_per_mille, heard_within_ms } => {
            let per_cent = |n: &u32| f64::from(*n) / 10.0;
            format!(
                "answers without our speech within {} s: half the pace at {} %, pause at {} %",
                f64::from(*heard_within_ms) / 1_000.0,
                per_cent(slow_per_mille),
                per_cent(pause_per_mille)
            )
        }
        Demand::OptOut => "the greeting tells the opt-out key (marketing: or no run)".to_owned(),
        Demand::Disclosure => "the greeting tells who calls, and that it is automated or an AI (warned)".to_owned(),
        Demand::Recording => "the greeting tells that the call is recorded (warned)".to_owned(),
        Demand::Countries => "only listed countries, by default those of the caller numbers".to_owned(),
    }
}

fn level(level: ConsentLevel) -> String {
    let words = [
        (level.reference, "what, when and source"),
        (level.written, "in writing"),
        (level.covering, "naming the voice"),
    ];
    let asked: Vec<&str> = words.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect();
    match (level.any, asked.is_empty()) {
        (false, _) => "none".to_owned(),
        (true, true) => "any on file".to_owned(),
        (true, false) => asked.join(", "),
    }
}

fn week(calendar: &Calendar) -> String {
    let names = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let mut parts: Vec<String> = Vec::new();
    let mut at = 0;
    while at < 7 {
        let windows = &calendar.days[at];
        let end = (at..7).take_while(|day| calendar.days[*day] == *windows).last().unwrap_or(at);
        if !windows.is_empty() {
            let times: Vec<String> = windows
                .iter()
                .map(|(from, to)| format!("{}-{}", from.strftime("%H:%M"), to.strftime("%H:%M")))
                .collect();
            let days = if end > at { format!("{}-{}", names[at], names[end]) } else { names[at].to_owned() };
            parts.push(format!("{days} {}", times.join(" ")));
        }
        at = end + 1;
    }
    if !calendar.closed.is_empty() {
        let days: Vec<String> = calendar
            .closed
            .iter()
            .map(|day| match day {
                Holiday::Fixed(month, day) => format!("{month:02}-{day:02}"),
                Holiday::Easter(offset) => format!("easter{offset:+}"),
            })
            .collect();
        parts.push(format!("not on {}", days.join(" ")));
    }
    parts.join(", ")
}

/// What the rules say about a campaign, under its plan. Empty = nothing to say.
pub fn under_plan(
    version: &str,
    rules: &BTreeMap<String, u64>,
    rehearsal: Option<&BTreeMap<String, u64>>,
    set_aside: &BTreeMap<String, String>,
    paused: Option<&str>,
    stale: &[(String, String)],
    findings: &[Finding],
) -> String {
    let counts = |rules: &BTreeMap<String, u64>| {
        let words: Vec<String> = rules.iter().map(|(rule, n)| format!("{rule} {n}")).collect();
        if words.is_empty() { "nobody".to_owned() } else { words.join(" · ") }
    };
    let mut text = format!("rules of {version}: leads held back by rule: {}", counts(rules));
    if let Some(why) = paused {
        push(&mut text, &format!("  paused by a rule: {why}"));
    }
    if let Some(real) = rehearsal {
        push(
            &mut text,
            &format!("  rehearsal on loopback; a real carrier's run would also hold back: {}", counts(real)),
        );
    }
    for (rule, reason) in set_aside {
        push(&mut text, &format!("  set aside: {rule}: {reason}"));
    }
    for (what, next) in stale {
        push(&mut text, &format!("  {what}; {next}"));
    }
    for finding in findings {
        let word = match finding.weight {
            Weight::Refused => "refused",
            Weight::Warning => "warning",
        };
        push(&mut text, &format!("  {word}: {}: {}", finding.rule, finding.what));
    }
    text
}
