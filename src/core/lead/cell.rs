//! Cells of a file that a spreadsheet may open.

/// A cell that no spreadsheet runs as a formula: what begins with `=`, `+`, `-`, `@`, a tab or a line end gets an
/// apostrophe in front. The importer drops the apostrophe before a number again.
///
/// Spaces in front do not hide a formula: some spreadsheets trim them.
pub fn formula_safe(cell: &str) -> String {
    let first = cell.trim_start_matches(' ').chars().next();
    if matches!(first, Some('=' | '+' | '-' | '@' | '\t' | '\r' | '\n')) { format!("'{cell}") } else { cell.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::formula_safe;

    #[test]
    fn a_spreadsheet_runs_no_cell_of_ours() {
        for evil in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =cmd|'/c calc'!A0"] {
            assert_eq!(formula_safe(evil), format!("'{evil}"));
        }
        for plain in ["", "Ana", "12", "a=b", "'quoted", " Ana"] {
            assert_eq!(formula_safe(plain), plain);
        }
    }
}
