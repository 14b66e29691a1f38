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
    let would = if report.dry_run { " (dry run: nothing was written)" } else { "" };
    let mut lines = vec![format!("{} → campaign {}{would}", printable(&report.file), report.campaign)];
    let count = |name: &str, leads: u64| vec![name.to_owned(), leads.to_string()];
    let mut rows = vec![
        count("rows", report.rows),
        count("added", report.added),
        count("already there", report.already),
        count("duplicates in the file", report.duplicates),
        count("rejected", report.rejected),
    ];
    if report.suppressed > 0 {
        rows.push(count("added, but on the suppression list", report.suppressed));
    }
    lines.push(table(&["", "leads"], &rows, &[1]));
    for reject in &report.first_rejects {
        lines.push(format!("  line {}: {}", reject.line, printable(&reject.reason)));
    }
    let more = report.rejected.saturating_sub(report.first_rejects.len() as u64);
    if more > 0 {
        lines.push(format!("  and {more} more"));
    }
    if let Some(file) = &report.rejects_file {
        lines.push(format!("rejected rows, with line and reason: {}", printable(file)));
    }
    lines.join("\n")
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
