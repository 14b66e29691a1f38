//! Leads written to a file: CSV, JSON lines or a workbook. Whole or not at all where it is a file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use csv::WriterBuilder;
use rust_xlsxwriter::{Format, Workbook};
use tempfile::NamedTempFile;

use super::folder_of;
use super::shape::shown;
use crate::base::{Failure, limits};
use crate::core::lead::cell::formula_safe;

/// How leads are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeadFormat {
    /// UTF-8 with a byte order mark, commas, CRLF: what spreadsheets open without a question.
    Csv,
    /// One JSON object a line.
    JsonLines,
    /// An Excel workbook.
    Workbook,
}

impl LeadFormat {
    /// By the ending of a file's name.
    pub fn of(path: &Path) -> Option<LeadFormat> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(LeadFormat::Csv),
            "jsonl" | "ndjson" | "json" => Some(LeadFormat::JsonLines),
            "xlsx" => Some(LeadFormat::Workbook),
            _ => None,
        }
    }
}

/// Where leads are written to. Rows hold one text for each column of the header.
pub struct LeadWriter {
    out: Out,
    header: Vec<String>,
    rows: u64,
}

enum Out {
    Csv(Box<csv::Writer<Target>>),
    Lines(Target),
    Book { book: Box<Workbook>, target: Target },
}

/// A file that has no name yet, or standard output.
enum Target {
    File(BufWriter<NamedTempFile>),
    Standard(io::Stdout),
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Target::File(file) => file.write(bytes),
            Target::Standard(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Target::File(file) => file.flush(),
            Target::Standard(out) => out.flush(),
        }
    }
}

fn failed(to: Option<&Path>, error: &dyn std::fmt::Display) -> Failure {
    let place = to.map_or_else(|| "standard output".to_owned(), shown);
    Failure::bug(format!("{place}: {error}"))
}

impl LeadWriter {
    /// Begins a file, beside its final name; `None`: standard output.
    pub fn open(format: LeadFormat, to: Option<&Path>, header: Vec<String>) -> Result<LeadWriter, Failure> {
        let mut target = match to {
            Some(path) => {
                let file = NamedTempFile::new_in(folder_of(path)).map_err(|error| failed(to, &error))?;
                Target::File(BufWriter::new(file))
            }
            None => Target::Standard(io::stdout()),
        };
        let out = match format {
            LeadFormat::Csv => {
                target.write_all("\u{feff}".as_bytes()).map_err(|error| failed(to, &error))?;
                let mut writer = WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(target);
                let names: Vec<String> = header.iter().map(|name| formula_safe(name)).collect();
                writer.write_record(&names).map_err(|error| failed(to, &error))?;
                Out::Csv(Box::new(writer))
            }
            LeadFormat::JsonLines => Out::Lines(target),
            LeadFormat::Workbook => {
                let mut book = Box::new(Workbook::new());
                let sheet = book.add_worksheet_with_constant_memory().map_err(|error| failed(to, &error))?;
                for (at, name) in header.iter().enumerate() {
                    let column = u16::try_from(at).map_err(|error| failed(to, &error))?;
                    sheet
                        .write_string_with_format(0, column, name, &Format::new().set_bold())
                        .map_err(|error| failed(to, &error))?;
                }
                Out::Book { book, target }
            }
        };
        Ok(LeadWriter { out, header, rows: 0 })
    }

    /// Writes one lead.
    pub fn row(&mut self, cells: &[String]) -> Result<(), Failure> {
        assert_eq!(cells.len(), self.header.len(), "a row has as many cells as the header");
        self.rows += 1;
        match &mut self.out {
            Out::Csv(writer) => {
                // A phone in E.164 begins with a plus; in front of its apostrophe nothing runs, and an import drops it.
                let safe: Vec<String> = cells.iter().map(|cell| formula_safe(cell)).collect();
                writer.write_record(&safe).map_err(|error| failed(None, &error))
            }
            Out::Lines(target) => {
                let object: BTreeMap<&str, &str> =
                    self.header.iter().map(String::as_str).zip(cells.iter().map(String::as_str)).collect();
                let line = serde_json::to_string(&object).map_err(|error| failed(None, &error))?;
                writeln!(target, "{line}").map_err(|error| failed(None, &error))
            }
            Out::Book { book, .. } => {
                let row = u32::try_from(self.rows).map_err(|error| failed(None, &error))?;
                if self.rows >= limits::WORKBOOK_ROWS {
                    let what = format!("a workbook holds {} rows", limits::WORKBOOK_ROWS);
                    return Err(Failure::usage(what).next("export as CSV, or narrow it with --where"));
                }
                let sheet = book.worksheet_from_index(0).map_err(|error| failed(None, &error))?;
                for (at, cell) in cells.iter().enumerate() {
                    let column = u16::try_from(at).map_err(|error| failed(None, &error))?;
                    // A text cell is never run, whatever it begins with; a number would lose its plus.
                    if !cell.is_empty() {
                        sheet.write_string(row, column, cell).map_err(|error| failed(None, &error))?;
                    }
                }
                Ok(())
            }
        }
    }

    /// Gives the file its name: flushed, renamed, its folder flushed. Returns how many leads it holds.
    pub fn finish(self, to: Option<&Path>) -> Result<u64, Failure> {
        let target = match self.out {
            Out::Csv(writer) => writer.into_inner().map_err(|error| failed(to, &error))?,
            Out::Lines(target) => target,
            Out::Book { mut book, mut target } => {
                let bytes = book.save_to_buffer().map_err(|error| failed(to, &error))?;
                target.write_all(&bytes).map_err(|error| failed(to, &error))?;
                target
            }
        };
        match (target, to) {
            (Target::File(buffered), Some(path)) => {
                let file = buffered.into_inner().map_err(|error| failed(to, &error))?;
                file.as_file().sync_all().map_err(|error| failed(to, &error))?;
                file.persist(path).map_err(|error| failed(to, &error))?;
                let folder = File::open(folder_of(path)).map_err(|error| failed(to, &error))?;
                folder.sync_all().map_err(|error| failed(to, &error))?;
            }
            (Target::Standard(mut out), _) => out.flush().map_err(|error| failed(to, &error))?,
            (Target::File(_), None) => return Err(Failure::bug("a file without a name")),
        }
        Ok(self.rows)
    }
}
