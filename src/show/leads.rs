//! What an import came to, and lists of leads.

use std::collections::BTreeMap;

use serde::Serialize;

use super::table::table;
use crate::base::text::printable;

/// The result of an import. As JSON it is one object; fields are only ever added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct ImportReport {
    /// Into which campaign.
    pub campaign: String,
    /// From which file.
    pub file: String,
    /// True: nothing was written.
    pub dry_run: bool,
    /// Rows of the file, without its header.
    pub rows: u64,
    /// Leads added (or that would be).
    pub added: u64,
    /// Numbers that the campaign had before.
    pub already: u64,
    /// Numbers that stood in this file before.
    pub duplicates: u64,
    /// Of those added: blocked, because the number is on the suppression list.
    pub suppressed: u64,
    /// Rows refused.
    pub rejected: u64,
    /// Rows refused, by reason.
    pub reasons: BTreeMap<String, u64>,
    /// The file of refused rows, if there are any.
    pub rejects_file: Option<String>,
    /// The first refused rows: line and reason.
    pub first_rejects: Vec<RejectLine>,
    /// The import's number in the ledger, for `leads undo`; absent in a dry run.
    pub import: Option<i64>,
    /// Rows that a broken import of the same file had written before.
    pub resumed_at: Option<u64>,
    /// Leads that the campaign had and that were brought up to date.
    pub updated: u64,
    /// Leads added whose number another campaign has, too.
    pub elsewhere: u64,
    /// Field → column of the file.
    pub mapping: Vec<(String, String)>,
    /// Columns that become variables.
    pub variables: Vec<String>,
    /// How the file is encoded, and how that is known.
    pub encoding: String,
    /// The line of the header; 0 = the file has none.
    pub header_line: u64,
    /// What separates its columns.
    pub separator: String,
    /// Examples of each kind, at most ten.
    pub added_examples: Vec<Example>,
    /// Numbers that the campaign has already.
    pub already_examples: Vec<Example>,
    /// Numbers that stand in the file twice.
    pub duplicate_examples: Vec<Example>,
    /// Numbers on the suppression list.
    pub suppressed_examples: Vec<Example>,
}

/// One row as an example. Its number is masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Example {
    /// Line of the file.
    pub line: u64,
    /// The number, masked.
    pub phone: String,
    /// Its name, or what else there is to say.
    pub what: String,
}

/// A separator in words.
pub fn separator_word(separator: u8) -> &'static str {
    match separator {
        b',' => "comma",
        b';' => "semicolon",
        b'\t' => "tab",
        b'|' => "bar",
        _ => "one of its own",
    }
}

/// A refused row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RejectLine {
    /// Line of the file.
    pub line: u64,
    /// Why.
    pub reason: String,
}

/// The report as text.
pub fn import_text(report: &ImportReport) -> String {
    let would = if report.dry_run { " (nothing is written yet)" } else { "" };
    let mut lines = vec![format!("{} → campaign {}{would}", printable(&report.file), report.campaign)];
    let header = match report.header_line {
        0 => "no header".to_owned(),
        line => format!("header in line {line}"),
    };
    lines.push(format!("read as     {}, columns by {}, {header}", report.encoding, report.separator));
    let mapping: Vec<String> =
        report.mapping.iter().map(|(field, column)| format!("{field} = {}", printable(column.trim()))).collect();
    lines.push(format!("columns     {}", mapping.join(", ")));
    if !report.variables.is_empty() {
        lines.push(format!("variables   {}", printable(&report.variables.join(", "))));
    }
    if let Some(rows) = report.resumed_at {
        lines.push(format!("went on     behind row {rows}, where an earlier import of this file was broken off"));
    }
    let count = |name: &str, leads: u64| vec![name.to_owned(), leads.to_string()];
    let mut rows = vec![count("rows", report.rows), count("added", report.added)];
    let maybe = [
        ("  of these on the suppression list, blocked", report.suppressed),
        ("  of these in another campaign, too", report.elsewhere),
        ("brought up to date", report.updated),
    ];
    rows.extend(maybe.into_iter().filter(|(_, leads)| *leads > 0).map(|(name, leads)| count(name, leads)));
    rows.push(count("already there", report.already));
    rows.push(count("twice in the file", report.duplicates));
    rows.push(count("rejected", report.rejected));
    rows.extend(report.reasons.iter().map(|(kind, leads)| count(&format!("  {}", kind.replace('_', " ")), *leads)));
    lines.push(table(&["", "leads"], &rows, &[1]));
    if report.dry_run {
        examples(&mut lines, "would be added", &report.added_examples);
        examples(&mut lines, "on the suppression list", &report.suppressed_examples);
        examples(&mut lines, "twice in the file", &report.duplicate_examples);
    }
    examples(&mut lines, "already there", &report.already_examples);
    for reject in &report.first_rejects {
        lines.push(format!("  line {}: {}", reject.line, printable(&reject.reason)));
    }
    let more = report.rejected.saturating_sub(report.first_rejects.len() as u64);
    if more > 0 {
        lines.push(format!("  and {more} more"));
    }
    if let Some(file) = &report.rejects_file {
        lines.push(format!("rejected rows, with line and reason: {} (mend them there and import it)", printable(file)));
    }
    if let Some(import) = report.import.filter(|_| report.added + report.updated > 0) {
        lines.push(format!("to take this import back: ahoy leads undo {import}"));
    }
    lines.join("\n")
}

fn examples(lines: &mut Vec<String>, what: &str, examples: &[Example]) {
    if examples.is_empty() {
        return;
    }
    lines.push(format!("{what}, for example:"));
    for it in examples {
        lines.push(format!("  line {}: {} {}", it.line, it.phone, printable(&it.what)));
    }
}

/// A lead in a list. Its number is masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeadLine {
    /// Row in the ledger.
    pub id: i64,
    /// Campaign.
    pub campaign: String,
    /// Masked number.
    pub phone: String,
    /// Name.
    pub name: Option<String>,
    /// Language.
    pub language: Option<String>,
    /// Country.
    pub country: Option<String>,
    /// `ready`, `held`, `done`, `blocked` or `review`.
    pub state: String,
    /// Outcome, reason, or the time it is due.
    pub detail: String,
    /// Tries that count.
    pub attempts: u32,
    /// Tags.
    pub tags: Vec<String>,
}

/// Leads as a table.
pub fn lead_table(leads: &[LeadLine]) -> String {
    let dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let rows: Vec<Vec<String>> = leads
        .iter()
        .map(|lead| {
            vec![
                lead.id.to_string(),
                lead.campaign.clone(),
                lead.phone.clone(),
                dash(&lead.name),
                dash(&lead.language),
                dash(&lead.country),
                lead.state.clone(),
                lead.detail.clone(),
                lead.attempts.to_string(),
            ]
        })
        .collect();
    table(&["id", "campaign", "phone", "name", "lang", "country", "state", "detail", "tries"], &rows, &[0, 8])
}
