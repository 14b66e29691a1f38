//! `FILE.rejected.csv`: the rows that were refused, as they were, with line and reason. Made whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use csv::{Writer, WriterBuilder};
use tempfile::NamedTempFile;

use super::{LeadFault, Row, folder_of};
use crate::core::lead::cell::formula_safe;

/// Collects refused rows. Nothing is created before the first one.
pub struct Rejects {
    path: PathBuf,
    header: Vec<String>,
    separator: u8,
    open: Option<Writer<BufWriter<NamedTempFile>>>,
}

/// `leads.csv` → `leads.rejected.csv`, beside it.
pub fn default_rejects_path(input: &Path) -> PathBuf {
    input.with_extension("rejected.csv")
}

impl Rejects {
    /// For a file with this header; rows get the columns `rejected_line` and `rejected_reason` in addition.
    pub fn new(path: PathBuf, header: &[String], separator: u8) -> Rejects {
        Rejects { path, header: header.to_vec(), separator, open: None }
    }

    /// Adds a row. Cells that a spreadsheet would run as a formula get an apostrophe in front.
    pub fn add(&mut self, row: &Row, reason: &str) -> Result<(), LeadFault> {
        let mut writer = match self.open.take() {
            Some(writer) => writer,
            None => self.start()?,
        };
        // Rows with too few or too many fields keep the reason in the same columns wherever possible.
        let missing = self.header.len().saturating_sub(row.fields.len());
        let cells = row.fields.iter().map(|field| formula_safe(field));
        let cells = cells.chain(std::iter::repeat_n(String::new(), missing));
        let cells: Vec<String> = cells.chain([row.line.to_string(), formula_safe(reason)]).collect();
        writer.write_record(&cells).map_err(|error| self.fault(&error.to_string()))?;
        self.open = Some(writer);
        Ok(())
    }

    fn start(&self) -> Result<Writer<BufWriter<NamedTempFile>>, LeadFault> {
        let file = NamedTempFile::new_in(folder_of(&self.path)).map_err(|error| self.fault(&error.to_string()))?;
        let mut writer =
            WriterBuilder::new().delimiter(self.separator).flexible(true).from_writer(BufWriter::new(file));
        let names = self.header.iter().map(|name| formula_safe(name));
        let names: Vec<String> = names.chain(["rejected_line".to_owned(), "rejected_reason".to_owned()]).collect();
        writer.write_record(&names).map_err(|error| self.fault(&error.to_string()))?;
        Ok(writer)
    }

    /// Gives the file its name: flushed, renamed, its folder flushed. `None` if there were no rows: then a file that
    /// an earlier import left under this name is removed, because it no longer tells the truth.
    pub fn finish(self) -> Result<Option<PathBuf>, LeadFault> {
        let Some(writer) = self.open else {
            return match fs::remove_file(&self.path) {
                Ok(()) => Ok(None),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(LeadFault::Io { file: self.path.display().to_string(), cause: error.to_string() }),
            };
        };
        let fault = |cause: String| LeadFault::Io { file: self.path.display().to_string(), cause };
        let buffered = writer.into_inner().map_err(|error| fault(error.to_string()))?;
        let file = buffered.into_inner().map_err(|error| fault(error.to_string()))?;
        file.as_file().sync_all().map_err(|error| fault(error.to_string()))?;
        file.persist(&self.path).map_err(|error| fault(error.to_string()))?;
        let folder = File::open(folder_of(&self.path)).map_err(|error| fault(error.to_string()))?;
        folder.sync_all().map_err(|error| fault(error.to_string()))?;
        Ok(Some(self.path))
    }

    fn fault(&self, cause: &str) -> LeadFault {
        LeadFault::Io { file: self.path.display().to_string(), cause: cause.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::leadfile::LeadFile;

    #[test]
    fn refused_rows_are_kept_with_line_and_reason_and_cannot_run_in_a_spreadsheet() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = default_rejects_path(&dir.path().join("leads.csv"));
        assert_eq!(path.file_name().and_then(|name| name.to_str()), Some("leads.rejected.csv"));
        let mut rejects = Rejects::new(path.clone(), &["phone".to_owned(), "name".to_owned()], b';');
        let row = |line, fields: &[&str]| Row { line, fields: fields.iter().map(|f| (*f).to_owned()).collect() };
        rejects.add(&row(3, &["+3591", "=HYPERLINK(\"x\")"]), "no such number").expect("added");
        rejects.add(&row(9, &["12"]), "too few").expect("added");
        assert!(!path.exists(), "nothing has the name before it is whole");
        assert_eq!(rejects.finish(), Ok(Some(path.clone())));
        let mut file = LeadFile::open(&path).expect("readable");
        assert_eq!(file.header(), ["phone", "name", "rejected_line", "rejected_reason"]);
        let first = file.next_row().expect("readable").expect("a row");
        assert_eq!(first.fields, ["'+3591", "'=HYPERLINK(\"x\")", "3", "no such number"]);
        let second = file.next_row().expect("readable").expect("a row");
        assert_eq!(second.fields, ["12", "", "9", "too few"]);
    }

    #[test]
    fn no_refused_row_leaves_no_file_and_takes_an_old_one_away() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("leads.rejected.csv");
        fs::write(&path, "old").expect("written");
        assert_eq!(Rejects::new(path, &["phone".to_owned()], b',').finish(), Ok(None));
        assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 0);
    }
}
