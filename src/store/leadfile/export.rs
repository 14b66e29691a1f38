//! Rows as CSV text.

use csv::WriterBuilder;

use crate::base::Failure;

/// Rows of cells as CSV with CRLF line ends (RFC 4180). The caller makes the cells safe for spreadsheets.
pub fn csv_text<const N: usize>(rows: &[[String; N]]) -> Result<String, Failure> {
    let broken = |error: &dyn std::fmt::Display| Failure::bug(format!("CSV: {error}"));
    let mut writer = WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    for row in rows {
        writer.write_record(row).map_err(|error| broken(&error))?;
    }
    let bytes = writer.into_inner().map_err(|error| broken(&error))?;
    String::from_utf8(bytes).map_err(|error| broken(&error))
}

#[cfg(test)]
mod tests {
    use super::csv_text;

    #[test]
    fn cells_with_commas_quotes_and_line_ends_come_back_as_they_were() {
        let rows = [["a,b".to_owned(), "say \"x\"\n".to_owned()], [String::new(), "Ж".to_owned()]];
        let text = csv_text(&rows).expect("written");
        assert_eq!(text, "\"a,b\",\"say \"\"x\"\"\n\"\r\n,Ж\r\n");
    }
}
