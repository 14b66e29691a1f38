//! The page of one lead.

use std::collections::BTreeMap;

use serde::Serialize;

use super::table::table;
use crate::base::text::printable;

/// Everything about one lead. As JSON it is one object; fields are only ever added. Numbers are masked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PersonPage {
    /// Row in the ledger.
    pub id: i64,
    /// Campaign.
    pub campaign: String,
    /// The number that is dialed, masked.
    pub phone: String,
    /// Kind of line.
    pub kind: serde_json::Value,
    /// Further numbers, masked, with what the file calls them.
    pub more_phones: Vec<(String, Option<String>)>,
    /// Name.
    pub name: Option<String>,
    /// Language.
    pub language: Option<String>,
    /// Country.
    pub country: Option<String>,
    /// What they agreed to.
    pub consent: Option<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// All other columns.
    pub variables: BTreeMap<String, String>,
    /// Zones that they may be in.
    pub zones: Vec<String>,
    /// What the clock says there now.
    pub local_time: Vec<String>,
    /// Whether every rule would let them be called at this moment.
    pub may_be_called_now: bool,
    /// What they would hear, or which rule says no, and until when.
    pub why: String,
    /// On a suppression list.
    pub suppressed: bool,
    /// `ready`, `held`, `done`, `blocked` or `review`.
    pub state: String,
    /// More about the state.
    pub detail: String,
    /// When they may be called next.
    pub next_due: Option<String>,
    /// Tries that count.
    pub tries: u32,
    /// File, line and import.
    pub came_with: String,
    /// When they came in.
    pub created_at: String,
    /// Every attempt, oldest first.
    pub timeline: Vec<Happened>,
    /// Calls that they made to us, oldest first.
    pub calls_to_us: Vec<CalledUs>,
}

/// A call that they made to us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CalledUs {
    /// The call's id.
    pub call: String,
    /// When it came.
    pub at: String,
    /// The phrase that greeted them.
    pub phrase: String,
    /// Why it ended.
    pub cause: Option<String>,
    /// Length of the message that they left, ms.
    pub message_ms: Option<u64>,
    /// The recording.
    pub recording: Option<String>,
    /// The transcript.
    pub transcript: Option<String>,
}

/// One attempt and its call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Happened {
    /// The attempt's id; the call has the same.
    pub attempt: String,
    /// When it was made.
    pub at: String,
    /// Where it stands.
    pub state: String,
    /// Outcome.
    pub outcome: Option<String>,
    /// The number shown, masked.
    pub caller: String,
    /// The greeting's fingerprint, its first digits.
    pub greeting: String,
    /// What the carrier told: when, status, by which way.
    pub told: Vec<(String, String, String)>,
    /// When they answered.
    pub answered_at: Option<String>,
    /// When it was over.
    pub ended_at: Option<String>,
    /// How much of the greeting they heard, ms.
    pub heard_ms: Option<u64>,
    /// They spoke over it.
    pub barged_in: bool,
    /// Keys they pressed.
    pub keys: Option<String>,
    /// They asked never to be called again.
    pub opted_out: bool,
    /// The recording.
    pub recording: Option<String>,
    /// The transcript.
    pub transcript: Option<String>,
    /// The summary.
    pub summary: Option<String>,
    /// How the conversation ended, by its summary.
    pub said_outcome: Option<String>,
    /// What is to be done next, by its summary.
    pub next_step: Option<String>,
    /// The summary's own words.
    pub in_short: Option<String>,
    /// What is waited for or missing after the call: which, `waiting` or `missing`, why.
    pub tasks: Vec<(String, String, String)>,
}

/// The page as text.
pub fn page_text(page: &PersonPage) -> String {
    let dash = |text: &Option<String>| text.as_deref().map_or_else(|| "-".to_owned(), printable);
    let kind = page.kind.as_str().unwrap_or("").replace('_', " ");
    let mut rows = vec![
        ("lead", format!("{} in {}", page.id, page.campaign)),
        ("name", dash(&page.name)),
        ("number", format!("{} ({kind})", page.phone)),
    ];
    for (phone, label) in &page.more_phones {
        rows.push(("", format!("{phone} ({})", printable(label.as_deref().unwrap_or("further number")))));
    }
    let place = format!("{}, language {}", dash(&page.country), dash(&page.language));
    rows.push(("country", place));
    rows.push(("consent", page.consent.as_deref().map_or_else(|| "none on file".to_owned(), printable)));
    if !page.tags.is_empty() {
        rows.push(("tags", printable(&page.tags.join(", "))));
    }
    for (name, text) in &page.variables {
        rows.push(("", format!("{}: {}", printable(name), printable(text))));
    }
    let zones = page.zones.iter().take(4).cloned().collect::<Vec<_>>().join(", ");
    let more = page.zones.len().saturating_sub(4);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    rows.push(("there it is", format!("{} ({}{more})", page.local_time.join(" to "), printable(&zones))));
    let now = if page.may_be_called_now { "yes" } else { "no" };
    rows.push(("callable now", format!("{now}: {}", page.why)));
    if page.suppressed {
        rows.push(("suppressed", "yes".to_owned()));
    }
    let state = if page.detail.is_empty() { page.state.clone() } else { format!("{}: {}", page.state, page.detail) };
    rows.push(("stands", format!("{state}, {} tries", page.tries)));
    if let Some(due) = &page.next_due {
        rows.push(("next due", due.clone()));
    }
    rows.push(("came with", format!("{}, {}", printable(&page.came_with), page.created_at)));
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(name, text)| vec![name.to_owned(), text]).collect();
    let mut text = table(&["", ""], &rows, &[]);
    if page.timeline.is_empty() {
        text.push_str("\nno attempts yet");
    }
    for it in &page.timeline {
        text.push_str(&format!("\n{}\n", attempt_text(it).join("\n")));
    }
    for it in &page.calls_to_us {
        text.push_str(&format!("\n{}\n", call_text(it).join("\n")));
    }
    text
}

fn call_text(it: &CalledUs) -> Vec<String> {
    let cause = it.cause.as_deref().unwrap_or("running or lost");
    let mut lines = vec![format!("{}  called us: {cause}  call {}", it.at, it.call)];
    lines.push(format!("  greeted with {}", printable(&it.phrase)));
    lines.extend(it.message_ms.map(|ms| format!("  left a message of {:.1} s", ms as f64 / 1_000.0)));
    for (what, file) in [("recording", &it.recording), ("transcript", &it.transcript)] {
        lines.extend(file.as_ref().map(|file| format!("  {what} {}", printable(file))));
    }
    lines
}

fn attempt_text(it: &Happened) -> Vec<String> {
    let outcome = it.outcome.clone().unwrap_or_else(|| it.state.clone());
    let mut lines = vec![format!("{}  {outcome}  from {}  attempt {}", it.at, it.caller, it.attempt)];
    for (at, status, source) in &it.told {
        lines.push(format!("  {at}  {} ({})", printable(status), printable(source)));
    }
    if let Some(heard) = it.heard_ms {
        let cut = if it.barged_in { ", cut by speech" } else { "" };
        lines.push(format!("  heard {:.1} s of the greeting {}…{cut}", heard as f64 / 1_000.0, it.greeting));
    }
    if let Some(keys) = &it.keys {
        let opted = if it.opted_out { ": asked never to be called again" } else { "" };
        lines.push(format!("  keys {}{opted}", printable(keys)));
    }
    for (what, file) in [("recording", &it.recording), ("transcript", &it.transcript), ("summary", &it.summary)] {
        if let Some(file) = file {
            lines.push(format!("  {what} {}", printable(file)));
        }
    }
    if let Some(outcome) = &it.said_outcome {
        let next = it.next_step.as_ref().map_or(String::new(), |step| format!("; next: {}", printable(step)));
        lines.push(format!("  in short: {}{next}", printable(outcome)));
        lines.extend(it.in_short.as_ref().map(|text| format!("    {}", printable(text))));
    }
    for (what, state, why) in &it.tasks {
        let why = if why.is_empty() { String::new() } else { format!(": {}", printable(why)) };
        lines.push(format!("  {what} {state}{why}"));
    }
    lines
}
