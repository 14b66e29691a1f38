//! Cells of a file that a spreadsheet may open.

/// A cell that no spreadsheet runs as a formula: what begins with `=`, `+`, `-`, `@`, a tab or a line end gets an
/// apostrophe in front; so does a text that has one there already, so that [`plain`] gives back what was written.
///
/// Spaces in front do not hide a formula: some spreadsheets trim them.
pub fn formula_safe(cell: &str) -> String {
    if is_formula(cell) || cell.strip_prefix('\'').is_some_and(|rest| rest.starts_with('\'') || is_formula(rest)) {
        format!("'{cell}")
    } else {
        cell.to_owned()
    }
}

/// The way back: an apostrophe before a formula is taken away.
pub fn plain(cell: &str) -> String {
    match cell.strip_prefix('\'') {
        Some(rest) if is_formula(rest) || rest.starts_with('\'') => rest.to_owned(),
        Some(_) | None => cell.to_owned(),
    }
}

fn is_formula(cell: &str) -> bool {
    let first = cell.trim_start_matches(' ').chars().next();
    matches!(first, Some('=' | '+' | '-' | '@' | '\t' | '\r' | '\n'))
}

#[cfg(test)]
mod tests {
    use super::{formula_safe, plain};

    #[test]
    fn a_spreadsheet_runs_no_cell_of_ours() {
        for evil in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =cmd|'/c calc'!A0"] {
            assert_eq!(formula_safe(evil), format!("'{evil}"));
        }
        for harmless in ["", "Ana", "12", "a=b", "'quoted", " Ana"] {
            assert_eq!(formula_safe(harmless), harmless);
        }
        for any in ["=1", "'=1", "''=1", "'quoted", "''", "'", "", "  -x", "'  -x"] {
            assert_eq!(plain(&formula_safe(any)), any, "what was written comes back");
        }
    }
}
