//! Calls as tables and lines.

use std::collections::BTreeMap;
use std::path::Path;

use super::table::table;
use crate::base::CallId;
use crate::base::text::printable;
use crate::core::call::Line;
use crate::core::call::after::Summary;
use crate::core::call::latency::Latencies;
use crate::core::call::report::{Report, Saying};
use crate::core::figures::Quantiles;

fn ms(value: Option<u64>) -> String {
    value.map_or_else(|| "-".to_owned(), |us| format!("{}.{:03}", us / 1_000, us % 1_000))
}

fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|it| it.as_str().map(str::to_owned)).unwrap_or_default()
}

fn cause(report: &Report) -> String {
    report.cause.as_ref().map_or_else(|| "running or cut".to_owned(), word)
}

/// Who answered, and whether our message stands there.
fn answerer(report: &Report) -> String {
    let who = report.answerer.as_ref().map_or_else(|| "-".to_owned(), |who| word(who).replace('_', " "));
    if report.message_left { format!("{who}, message left") } else { who }
}

/// One row a call.
pub fn list(calls: &[(CallId, Report)]) -> String {
    let rows: Vec<Vec<String>> = calls
        .iter()
        .map(|(call, report)| {
            let heard = report.heard.first().map_or("-".to_owned(), |it| format!("{}/{}", it.heard_ms, it.total_ms));
            vec![
                call.to_string(),
                report.began.clone().unwrap_or_default(),
                ms(report.first_audio_us),
                heard,
                report.barge_in_ms.len().to_string(),
                report.agent.waited_ms.map_or_else(|| "-".to_owned(), |_| report.agent.turns.to_string()),
                report.keys.clone(),
                answerer(report),
                cause(report),
            ]
        })
        .collect();
    table(
        &["call", "began", "first audio ms", "heard ms", "barge-ins", "turns", "keys", "answered by", "end"],
        &rows,
        &[2, 3, 4, 5],
    )
}

/// What lies beside a call's events, and what is waited for.
#[derive(Debug, Default)]
pub struct Beside<'a> {
    /// Our recording.
    pub ours: Option<&'a Path>,
    /// The carrier's.
    pub carriers: Option<&'a Path>,
    /// What was said, by an engine or by the agent's events.
    pub said: &'a [Saying],
    /// What it came to.
    pub summary: Option<&'a Summary>,
    /// What is waited for or missing: which, `waiting` or `missing`, why.
    pub tasks: &'a [(String, String, String)],
}

/// One call: its figures, its events, and what lies beside them.
pub fn show(call: CallId, report: &Report, lines: &[Line], beside: &Beside<'_>) -> String {
    let (ours, carriers) = (beside.ours, beside.carriers);
    let mut text = format!("call        {call}\n");
    let mut row = |name: &str, value: String| text.push_str(&format!("{name:<12}{}\n", printable(&value)));
    row("began", report.began.clone().unwrap_or_else(|| "-".to_owned()));
    row("carrier id", report.sid.clone().unwrap_or_else(|| "-".to_owned()));
    row("first audio", format!("{} ms after start", ms(report.first_audio_us)));
    for played in &report.heard {
        row("heard", format!("{}: {} of {} ms", played.clip, played.heard_ms, played.total_ms));
    }
    for tail in &report.barge_in_ms {
        row("barge-in", format!("silent {tail} ms after the person began"));
    }
    row("speech", format!("{} segments", report.speech_segments));
    row("keys", if report.keys.is_empty() { "none".to_owned() } else { report.keys.clone() });
    row("answered by", answerer(report));
    if let Some((from_ms, to_ms)) = report.message_taken {
        row("message", format!("left by the caller: {from_ms} to {to_ms} ms of the recording"));
    }
    row("end", cause(report));
    let agent = &report.agent;
    if let Some(waited) = agent.waited_ms {
        let first = agent.first_ms.map_or_else(|| "never spoke".to_owned(), |ms| format!("spoke after {ms} ms"));
        row("agent", format!("had the line after {waited} ms, {first}, {} turns", agent.turns));
        if let Some(worst) = agent.gaps_ms.iter().max() {
            row("gaps", format!("longest {worst} ms from the end of their speech to the agent's voice"));
        }
    }
    if let Some(usage) = &agent.usage {
        let about = if usage.unpriced { " (no price is known for all of it)" } else { "" };
        row("agent cost", format!("{}{about}", usage.cost));
    }
    if let Some(why) = &agent.gone {
        row("agent gone", why.clone());
    }
    if report.lost_parts > 0 {
        row("incomplete", format!("{} parts of this log are missing: no room, or the disk failed", report.lost_parts));
    }
    row("recording", ours.map_or_else(|| "none".to_owned(), |path| path.display().to_string()));
    if let Some(path) = carriers {
        row("carrier's", path.display().to_string());
    }
    if let Some(it) = beside.summary {
        row("in short", it.outcome.clone());
        row("next", it.next_step.clone().unwrap_or_else(|| "nothing was agreed".to_owned()));
        row("", it.text.clone());
    }
    for (what, state, why) in beside.tasks {
        row(what, if why.is_empty() { state.clone() } else { format!("{state}: {why}") });
    }
    for said in beside.said {
        let who = if said.ours { "we" } else { "they" };
        let cut = said.cut_at_ms.map_or(String::new(), |ms| format!(" (cut after {ms} ms)"));
        text.push_str(&format!("{:>8} ms  {who:<5}{}{cut}\n", said.at_ms, printable(&said.text)));
    }
    text.push('\n');
    for line in lines {
        text.push_str(&event(line));
        text.push('\n');
    }
    text.trim_end().to_owned()
}

/// One event: ms since the log began, ms of inbound sound, name, the rest.
pub fn event(line: &Line) -> String {
    let mut rest = String::new();
    let mut name = String::new();
    if let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(&line.what) {
        for (key, value) in fields {
            let value = value.as_str().map_or_else(|| value.to_string(), printable);
            if key == "event" {
                name = value;
            } else {
                rest.push_str(&format!(" {key}={value}"));
            }
        }
    }
    format!("{:>8} {:>8}  {name:<14}{rest}", line.ms, line.media_ms).trim_end().to_owned()
}

/// What belongs to no known call: kind, which, the attempt or call it names, why, when.
pub fn unknown(rows: &[[String; 5]]) -> String {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| printable(cell)).collect()).collect();
    table(&["what", "which", "names", "why", "since"], &rows, &[])
}

/// Latencies as tables: of each campaign, then of all if there are several.
pub fn latency(all: &Latencies, campaigns: &BTreeMap<String, Latencies>) -> String {
    let mut parts: Vec<String> =
        if campaigns.len() > 1 { campaigns.iter().map(|(name, it)| latencies(name, it)).collect() } else { Vec::new() };
    let title = match campaigns.first_key_value() {
        Some((name, _)) if campaigns.len() == 1 => name.clone(),
        Some(_) | None => "all calls".to_owned(),
    };
    parts.push(latencies(&title, all));
    parts.join("\n\n")
}

fn latencies(title: &str, it: &Latencies) -> String {
    let row = |name: &str, values: Option<Quantiles<u64>>, form: fn(u64) -> String| match values {
        Some(it) => {
            let figures = [it.p50, it.p90, it.p95, it.p99, it.max].map(form);
            [name.to_owned(), it.count.to_string()].into_iter().chain(figures).collect()
        }
        None => [name, "0", "-", "-", "-", "-", "-"].map(str::to_owned).to_vec(),
    };
    let rows = [
        row("answer → first audio, ms", it.answer_to_audio_us, |us| ms(Some(us))),
        row("start → first audio, ms", it.first_audio_us, |us| ms(Some(us))),
        row("speech → clear, ms of sound", it.barge_in_ms, |ms| ms.to_string()),
        row("greeting over → agent has the line, ms", it.agent_waited_ms, |ms| ms.to_string()),
        row("greeting over → agent's first sound, ms", it.agent_first_ms, |ms| ms.to_string()),
        row("their speech over → agent's voice, ms", it.turn_gap_ms, |ms| ms.to_string()),
    ];
    table(&[&printable(title), "count", "p50", "p90", "p95", "p99", "max"], &rows, &[1, 2, 3, 4, 5, 6])
}
