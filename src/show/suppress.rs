//! Lists of numbers that are never called, as a person reads them. Never a number.

use super::table::table;
use crate::base::text::printable;

/// What reading a list came to.
pub fn list_text(lines: &[(&'static str, u64)]) -> String {
    lines.iter().map(|(what, count)| format!("{count:>9}  {what}")).collect::<Vec<_>>().join("\n")
}

/// What the lists hold: a name and a count each.
pub fn lists_text(lines: &[(String, u64)]) -> String {
    if lines.is_empty() {
        return "nobody is on the suppression list".to_owned();
    }
    lines.iter().map(|(what, count)| format!("{count:>9}  {}", printable(what))).collect::<Vec<_>>().join("\n")
}

/// Do-not-call files: id, country, source, day, age, numbers, state.
pub fn dnc_table(rows: &[Vec<String>]) -> String {
    table(&["file", "country", "source", "dated", "age", "numbers", "state"], rows, &[0, 5])
}
