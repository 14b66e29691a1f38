//! Where a campaign stands, as text: every lead in one state, who holds each slot, what stops it.
#![allow(missing_docs)] // the fields are the rows of the tables below

use std::collections::BTreeMap;

use serde::Serialize;

use super::report::list;
use super::table::table;
use crate::base::text::printable;

/// An attempt that is not over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Slot {
    pub attempt: String,
    pub lead: i64,
    /// Masked.
    pub phone: String,
    pub state: String,
    /// When it was claimed, UTC.
    pub since: String,
    /// Masked.
    pub caller: String,
    /// How often the carrier was asked about it.
    pub asked: u32,
    /// For one of which nobody knows whether a call exists: it is not released before this, UTC.
    pub not_released_before: Option<String>,
}

/// A call that shows why an account is stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailingCall {
    pub attempt: String,
    pub campaign: String,
    pub lead: i64,
    /// Masked.
    pub phone: String,
    /// When it was claimed, UTC.
    pub since: String,
    pub state: String,
    pub outcome: Option<String>,
    /// The carrier's id, where it is known: by it the carrier's own log is found.
    pub sid: Option<String>,
}

/// A number that rests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resting {
    /// Masked.
    pub caller: String,
    pub until: String,
    pub reason: String,
}

/// Where a campaign stands.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Status {
    pub campaign: String,
    /// `running`, `paused` or `stopped`.
    pub state: String,
    /// Since when, UTC, and by whose word, as far as the audit knows.
    pub state_since: Option<String>,
    pub state_by: Option<String>,
    pub account_stopped: Option<String>,
    pub account_stopped_at: Option<String>,
    /// The calls that show why, oldest first.
    pub failing_calls: Vec<FailingCall>,
    /// Numbers that the carrier refuses to call from. In JSON the plan has them.
    #[serde(skip)]
    pub resting_callers: Vec<Resting>,
    /// The sum of the states below.
    pub leads: u64,
    /// Leads that came with imports: the same number, or the ledger is damaged.
    pub imported: u64,
    pub adds_up: bool,
    pub ready_due: u64,
    pub ready_later: u64,
    pub held: u64,
    pub done: BTreeMap<String, u64>,
    pub blocked: BTreeMap<String, u64>,
    pub review: u64,
    pub review_reasons: BTreeMap<String, u64>,
    /// When the next lead is due that is not due now, UTC.
    pub next_due: Option<String>,
    /// Attempts that are not over, oldest first; bounded.
    pub slots: Vec<Slot>,
    /// All of them.
    pub open: u64,
    /// Who dials on this ledger now.
    pub holder: Option<String>,
}

/// Slots that are listed by name.
const SHOWN: usize = 40;

/// The status as text.
pub fn text(status: &Status) -> String {
    let since = status.state_since.as_deref().map_or_else(String::new, |since| format!(" since {since}"));
    let by = status.state_by.as_deref().map_or_else(String::new, |by| format!(" ({by})"));
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let mut rows = vec![row("state", format!("{}{since}{by}", status.state))];
    rows.push(row("dialing now", status.holder.clone().unwrap_or_else(|| "nobody".to_owned())));
    if let Some(why) = &status.account_stopped {
        let at = status.account_stopped_at.as_deref().unwrap_or("?");
        rows.push(row("account stopped", format!("{why} at {at} (`ahoy campaign resume` when it is mended)")));
    }
    for rest in &status.resting_callers {
        let why = format!("{} until {}: {}", rest.caller, rest.until, rest.reason);
        rows.push(row("number rests", format!("{why} (`ahoy campaign resume` wakes it)")));
    }
    let sum = |counts: &BTreeMap<String, u64>| counts.values().sum::<u64>();
    rows.extend([
        row("waiting, due now", status.ready_due.to_string()),
        row("waiting, due later", status.ready_later.to_string()),
        row("on the line", status.held.to_string()),
        row("over", format!("{}  ({})", sum(&status.done), list(&status.done))),
        row("not called", format!("{}  ({})", sum(&status.blocked), list(&status.blocked))),
        row("for a person", format!("{}  ({})", status.review, list(&status.review_reasons))),
    ]);
    let check =
        if status.adds_up { "all of them".to_owned() } else { format!("BUT {} were imported", status.imported) };
    rows.push(row("leads", format!("{}  ({check})", status.leads)));
    if let Some(next) = &status.next_due {
        rows.push(row("next one due", next.clone()));
    }
    let title = format!("status of {}", status.campaign);
    let mut parts = vec![table(&[&printable(&title), ""], &rows, &[])];
    if !status.failing_calls.is_empty() {
        let rows: Vec<Vec<String>> = status.failing_calls.iter().take(SHOWN).map(failing).collect();
        let header = ["failing call", "campaign", "lead", "number", "since", "ended", "carrier's id"];
        parts.push(table(&header, &rows, &[2]));
        let more = status.failing_calls.len().saturating_sub(SHOWN);
        if more > 0 {
            parts.push(format!("… and {more} more failing calls (`--json` names them all)"));
        }
    }
    if !status.slots.is_empty() {
        let rows: Vec<Vec<String>> = status.slots.iter().take(SHOWN).map(slot).collect();
        parts.push(table(&["lead", "number", "state", "since", "from", "attempt", ""], &rows, &[0]));
        let more = status.open.saturating_sub(rows.len() as u64);
        if more > 0 {
            parts.push(format!("… and {more} more"));
        }
    }
    parts.join("\n\n")
}

fn failing(call: &FailingCall) -> Vec<String> {
    vec![
        call.attempt.clone(),
        call.campaign.clone(),
        call.lead.to_string(),
        call.phone.clone(),
        call.since.clone(),
        call.outcome.clone().unwrap_or_else(|| call.state.clone()),
        call.sid.clone().unwrap_or_else(|| "–".to_owned()),
    ]
}

fn slot(slot: &Slot) -> Vec<String> {
    let release = slot.not_released_before.as_deref();
    let note = release.map_or_else(String::new, |at| format!("asked {} times, released not before {at}", slot.asked));
    vec![
        slot.lead.to_string(),
        slot.phone.clone(),
        slot.state.clone(),
        slot.since.clone(),
        slot.caller.clone(),
        slot.attempt.clone(),
        note,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_that_does_not_add_up_is_said_and_hostile_words_stay_words() {
        let evil = "x\u{1b}[2J\u{202e}";
        let status = Status {
            campaign: evil.to_owned(),
            account_stopped: Some(evil.to_owned()),
            failing_calls: vec![FailingCall {
                attempt: evil.to_owned(),
                campaign: evil.to_owned(),
                lead: 8,
                phone: "+44…01".to_owned(),
                since: "2026".to_owned(),
                state: "ended".to_owned(),
                outcome: Some("unheard".to_owned()),
                sid: Some(evil.to_owned()),
            }],
            resting_callers: vec![Resting {
                caller: "+15…07".to_owned(),
                until: "2027-01".to_owned(),
                reason: evil.to_owned(),
            }],
            leads: 3,
            imported: 4,
            slots: vec![Slot {
                attempt: evil.to_owned(),
                lead: 7,
                phone: "+44…00".to_owned(),
                state: "unknown".to_owned(),
                since: "2026".to_owned(),
                caller: "+15…06".to_owned(),
                asked: 3,
                not_released_before: Some("2027".to_owned()),
            }],
            open: 2,
            ..Status::default()
        };
        let text = text(&status);
        assert!(text.contains("3  (BUT 4 were imported)"), "{text}");
        assert!(text.contains("asked 3 times, released not before 2027"), "{text}");
        assert!(text.contains("… and 1 more"), "{text}");
        assert!(text.contains("+44…01") && text.contains("unheard"), "{text}");
        assert!(text.contains("+15…07 until 2027-01"), "{text}");
        assert!(!text.chars().any(|ch| (ch.is_control() && ch != '\n') || ch == '\u{202e}'), "{text:?}");
    }
}
