//! A campaign's report as text and as CSV.

use std::collections::BTreeMap;

use super::report::{list, quantiles};
use super::table::table;
use crate::core::lead::cell::formula_safe;
use crate::core::report::{Cost, Group, Report};

/// `12.3 %`, or a dash for nothing.
pub fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

/// `12`, or `the newest 100 of 120`.
pub fn listed(shown: usize, all: u64) -> String {
    if shown as u64 == all { all.to_string() } else { format!("the newest {shown} of {all}") }
}

/// The figures, one a row: name and value.
pub fn figures(report: &Report) -> Vec<(String, String)> {
    let row = |name: &str, value: String| (name.to_owned(), value);
    let abandoned = format!(
        "{} of {} ({}; a person answered, no speech of ours within 2 s)",
        report.abandoned,
        report.by_person,
        percent(report.abandonment)
    );
    let leads = &report.leads;
    let mut rows = vec![
        row(
            "leads now",
            format!(
                "{}: {} waiting, {} on the line, {} over, {} not called, {} for a person to look at",
                leads.total,
                leads.waiting,
                leads.held,
                sum(&leads.done),
                sum(&leads.skipped),
                leads.review
            ),
        ),
        row(
            "attempts",
            format!("{} ({} calls taken by the carrier, {} not over yet)", report.attempts, report.calls, report.open),
        ),
        row("outcomes", list(&report.outcomes)),
        row("answered", format!("{} (connect rate {})", report.answered, percent(report.connect_rate))),
        row("abandoned", abandoned),
        row("answer → first audio", quantiles(report.answer_to_audio_ms)),
        row("stream → first audio", quantiles(report.stream_to_audio_ms)),
        row("barge-ins", format!("{} (speech → clear {})", report.barge_ins, quantiles(report.barge_in_ms))),
        row("opted out", report.opted_out.to_string()),
        row("talk", format!("{} ({} s a call answered)", span(report.talk_s), report.talk_s / report.answered.max(1))),
        row("attempts per lead", tries(&report.attempts_per_lead)),
        row("not called", list(&leads.skipped)),
        row(
            "cost, an estimate",
            format!("{} ({} minutes by the carrier's count)", report.cost.estimate, report.cost.minutes),
        ),
    ];
    if report.cost.priced > 0 {
        let of = format!("{} (for {} of {} calls)", report.cost.charged, report.cost.priced, report.calls);
        rows.push(row("charged by the carrier", of));
    }
    let Cost { agents, words, .. } = report.cost;
    if agents.0 + words.0 > 0 {
        rows.push(row("agents, transcripts, summaries", format!("{agents} and {words}, by the dated table of prices")));
    }
    for (campaign, latencies) in &report.latencies {
        for (name, q) in latencies.named_ms() {
            let name = format!("{campaign}: {name}");
            let figures = format!("p50 {:.1}, p95 {:.1}, p99 {:.1} ms ({})", q.p50, q.p95, q.p99, q.count);
            rows.push((name, figures));
        }
    }
    if report.unknown > 0 {
        rows.push(row(
            "outcome unknown",
            format!("{} (the carrier is asked; `ahoy campaign status` shows them)", report.unknown),
        ));
    }
    rows
}

fn sum(counts: &BTreeMap<String, u64>) -> u64 {
    counts.values().sum()
}

fn span(seconds: u64) -> String {
    format!("{}:{:02}:{:02} h", seconds / 3_600, seconds % 3_600 / 60, seconds % 60)
}

fn tries(per_lead: &BTreeMap<u64, u64>) -> String {
    if per_lead.is_empty() {
        return "–".to_owned();
    }
    let words: Vec<String> = per_lead.iter().map(|(tries, leads)| format!("{tries} × {leads} leads")).collect();
    words.join(" · ")
}

/// The report as text for a terminal.
pub fn text(report: &Report) -> String {
    let title = format!("report of {}", report.campaigns.join(", "));
    let rows: Vec<Vec<String>> = figures(report).into_iter().map(|(name, value)| vec![name, value]).collect();
    let since = report.since.as_deref().map_or_else(|| "all attempts".to_owned(), |since| format!("since {since}"));
    let mut parts = vec![table(&[&title, &since], &rows, &[])];
    let hours = report.by_hour.iter().map(|(hour, group)| (format!("{hour:02}:00"), *group));
    let unknown = (report.hour_unknown.attempts > 0).then(|| ("unknown".to_owned(), report.hour_unknown));
    parts.extend(groups("hour at the callee's", hours.chain(unknown)));
    parts.extend(groups("caller", report.by_caller.iter().map(|(name, group)| (name.clone(), *group))));
    parts.extend(groups("language", report.by_language.iter().map(|(name, group)| (name.clone(), *group))));
    if !report.alarms.is_empty() {
        let rows: Vec<Vec<String>> =
            report.alarms.iter().map(|it| vec![it.at.clone(), it.kind.clone(), it.attempt.clone()]).collect();
        parts.push(table(&["alarms", "", "attempt"], &rows, &[]));
    }
    if !report.faults.is_empty() {
        let title = format!("faults ({})", listed(report.faults.len(), report.fault_count));
        let rows: Vec<Vec<String>> =
            report.faults.iter().map(|it| vec![it.at.clone(), it.outcome.clone(), it.attempt.clone()]).collect();
        parts.push(table(&[&title, "outcome", "attempt"], &rows, &[]));
    }
    parts.join("\n\n")
}

fn groups(name: &str, groups: impl Iterator<Item = (String, Group)>) -> Option<String> {
    let rows: Vec<Vec<String>> = groups
        .map(|(name, it)| {
            let rate = (it.calls > 0).then(|| it.answered as f64 / it.calls as f64);
            vec![name, it.attempts.to_string(), it.answered.to_string(), percent(rate)]
        })
        .collect();
    (!rows.is_empty()).then(|| table(&[name, "attempts", "answered", "connect rate"], &rows, &[1, 2, 3]))
}

/// The report as CSV: section, name, figure. No cell of it runs in a spreadsheet.
pub fn csv_rows(report: &Report) -> Vec<[String; 3]> {
    let mut rows = vec![["section".to_owned(), "name".to_owned(), "figure".to_owned()]];
    let mut add = |section: &str, name: &str, figure: String| {
        rows.push([section.to_owned(), formula_safe(name), formula_safe(&figure)]);
    };
    for campaign in &report.campaigns {
        add("campaign", campaign, String::new());
    }
    add("span", "since", report.since.clone().unwrap_or_default());
    add("span", "until", report.until.clone());
    let counts = [
        ("attempts", report.attempts),
        ("calls", report.calls),
        ("open", report.open),
        ("unknown", report.unknown),
        ("answered", report.answered),
        ("answered_by_person", report.by_person),
        ("abandoned", report.abandoned),
        ("barge_ins", report.barge_ins),
        ("opted_out", report.opted_out),
        ("talk_s", report.talk_s),
        ("minutes", report.cost.minutes),
        ("calls_priced", report.cost.priced),
        ("faults", report.fault_count),
        ("alarms", report.alarms.len() as u64),
        ("leads", report.leads.total),
        ("leads_waiting", report.leads.waiting),
        ("leads_on_the_line", report.leads.held),
        ("leads_review", report.leads.review),
    ];
    for (name, figure) in counts {
        add("count", name, figure.to_string());
    }
    let rate = |share: Option<f64>| share.map_or_else(String::new, |share| format!("{share:.4}"));
    add("rate", "connect", rate(report.connect_rate));
    add("rate", "abandonment", rate(report.abandonment));
    add("usd", "cost_estimate", format!("{:.4}", report.cost.estimate.0 as f64 / 1_000_000.0));
    add("usd", "cost_agents", format!("{:.4}", report.cost.agents.0 as f64 / 1_000_000.0));
    add("usd", "cost_words", format!("{:.4}", report.cost.words.0 as f64 / 1_000_000.0));
    add("usd", "cost_charged", format!("{:.4}", report.cost.charged.0 as f64 / 1_000_000.0));
    let latencies = [
        ("answer_to_audio", report.answer_to_audio_ms),
        ("stream_to_audio", report.stream_to_audio_ms),
        ("barge_in", report.barge_in_ms),
    ];
    for (name, values) in latencies {
        let Some(q) = values else { continue };
        for (quantile, value) in [("p50", q.p50), ("p90", q.p90), ("p99", q.p99), ("max", q.max)] {
            add("ms", &format!("{name}_{quantile}"), format!("{value:.3}"));
        }
    }
    let maps = [("outcome", &report.outcomes), ("over", &report.leads.done), ("not_called", &report.leads.skipped)];
    for (section, map) in maps {
        for (name, n) in map {
            add(section, name, n.to_string());
        }
    }
    for (tries, leads) in &report.attempts_per_lead {
        add("attempts_per_lead", &tries.to_string(), leads.to_string());
    }
    for (hour, group) in &report.by_hour {
        add("hour_attempts", &hour.to_string(), group.attempts.to_string());
        add("hour_answered", &hour.to_string(), group.answered.to_string());
    }
    for (section, map) in [("caller", &report.by_caller), ("language", &report.by_language)] {
        for (name, group) in map {
            add(&format!("{section}_attempts"), name, group.attempts.to_string());
            add(&format!("{section}_answered"), name, group.answered.to_string());
        }
    }
    rows
}

#[cfg(test)]
#[path = "campaign_report_tests.rs"]
mod tests;
