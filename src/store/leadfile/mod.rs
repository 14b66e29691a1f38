//! Files of leads: CSV of any spelling and Excel sheets, read row by row in constant memory; and the file of the rows that
//! were refused.
//!
//! Nothing here guesses at numbers: cells are given as they stand. docs/LEADS.md tells what is detected, and how.

mod ahead;
mod export;
mod fault;
mod guard;
mod rejects;
mod shape;
mod sheet;
#[cfg(test)]
mod tests;
mod text;
mod write;

use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};

use crate::base::{Country, limits};
use crate::core::lead::{Columns, Field};

pub use ahead::{in_chunks, while_hashing};
pub use export::csv_text;
pub use fault::LeadFault;
pub use rejects::{Rejects, default_rejects_path};
pub use shape::Shape;
pub use write::{LeadFormat, LeadWriter};

/// One row of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Row {
    /// Line where it begins, or the row of a sheet; counted from 1.
    pub line: u64,
    /// Its fields.
    pub fields: Vec<String>,
}

/// How a file is to be read; what is absent is detected.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReadOptions {
    /// A name such as `windows-1251` or `utf-16le` (WHATWG Encoding Standard).
    pub encoding: Option<String>,
    /// What separates the columns.
    pub separator: Option<u8>,
    /// The line of the header.
    pub header_line: Option<u64>,
    /// There is none: columns are called 1, 2, 3 …
    pub no_header: bool,
    /// The sheet of a workbook.
    pub sheet: Option<String>,
    /// Fields whose column a person named: they help to find the header.
    pub map: Vec<(Field, String)>,
    /// Where the file comes from: it helps to tell encodings apart.
    pub country: Option<Country>,
}

/// A file of leads, open at its first row.
pub struct LeadFile {
    rows: Rows,
    shape: Shape,
    header: Vec<String>,
    /// Rows that were read while the header was looked for.
    ready: VecDeque<Row>,
}

enum Rows {
    Text(Box<text::Text<File>>),
    Sheet(sheet::Sheet),
}

impl LeadFile {
    /// Opens a file and finds out how to read it.
    pub fn open(path: &Path) -> Result<LeadFile, LeadFault> {
        LeadFile::open_as(path, &ReadOptions::default())
    }

    /// Opens a file that is to be read in a certain way.
    pub fn open_as(path: &Path, options: &ReadOptions) -> Result<LeadFile, LeadFault> {
        let (rows, shape) = match shape::kind(path)? {
            shape::Kind::Sheet => {
                let (sheet, name) = sheet::Sheet::open(path, options.sheet.as_deref())?;
                (Rows::Sheet(sheet), Shape::of_sheet(name))
            }
            shape::Kind::Text(head) => {
                let (text, shape) = shape::open_text(path, &head, options)?;
                (Rows::Text(Box::new(text)), shape)
            }
        };
        let mut file = LeadFile { rows, shape, header: Vec::new(), ready: VecDeque::new() };
        file.find_header(path, options)?;
        Ok(file)
    }

    /// The names of the columns.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// How it is read.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The separator; a sheet's rows are written back with commas.
    pub fn separator(&self) -> u8 {
        self.shape.separator
    }

    /// The next row; `None` at the end. Rows without any text are skipped; empty cells at the end of a row that the header
    /// has no name for are dropped.
    pub fn next_row(&mut self) -> Result<Option<Row>, LeadFault> {
        let mut row = Row::default();
        Ok(self.next_into(&mut row)?.then_some(row))
    }

    /// The same into a row that was read before, whose memory serves again. False at the end.
    pub fn next_into(&mut self, row: &mut Row) -> Result<bool, LeadFault> {
        match self.ready.pop_front() {
            Some(ready) => *row = ready,
            None if !self.read_into(row)? => return Ok(false),
            None => {}
        }
        let width = self.header.len();
        while row.fields.len() > width && row.fields.last().is_some_and(|cell| cell.trim().is_empty()) {
            row.fields.pop();
        }
        if matches!(self.rows, Rows::Sheet(_)) && row.fields.len() < width {
            row.fields.resize(width, String::new());
        }
        Ok(true)
    }

    /// Reads to the end without keeping anything. Gives how many rows [`LeadFile::next_row`] would have given.
    pub fn pass(&mut self) -> Result<u64, LeadFault> {
        let mut rows = self.ready.len() as u64;
        self.ready.clear();
        match &mut self.rows {
            Rows::Text(text) => {
                while let Some(empty) = text.pass()? {
                    rows += u64::from(!empty);
                }
            }
            Rows::Sheet(_) => {
                while self.read()?.is_some() {
                    rows += 1;
                }
            }
        }
        Ok(rows)
    }

    fn read(&mut self) -> Result<Option<Row>, LeadFault> {
        let mut row = Row::default();
        Ok(self.read_into(&mut row)?.then_some(row))
    }

    fn read_into(&mut self, row: &mut Row) -> Result<bool, LeadFault> {
        loop {
            let more = match &mut self.rows {
                Rows::Text(text) => text.next_into(row)?,
                Rows::Sheet(sheet) => match sheet.next_row()? {
                    Some(next) => {
                        *row = next;
                        true
                    }
                    None => false,
                },
            };
            if !more || row.fields.iter().any(|cell| !cell.trim().is_empty()) {
                return Ok(more);
            }
        }
    }

    /// The header is the first row that has a column for the phone; what stands before it is a preamble. Without one the
    /// first row is the header, and whoever reads the columns says what is missing.
    fn find_header(&mut self, path: &Path, options: &ReadOptions) -> Result<(), LeadFault> {
        let mut seen = VecDeque::new();
        let mut found = None;
        while seen.len() < limits::PREAMBLE_ROWS {
            let Some(row) = self.read()? else { break };
            let is_header = match options.header_line {
                Some(line) => row.line >= line,
                None => options.no_header || Columns::read(&row.fields, &options.map).is_ok(),
            };
            let beyond_title = row.fields.len() > 1 || found.is_none();
            seen.push_back(row);
            if is_header && beyond_title {
                found = Some(seen.len() - 1);
                break;
            }
        }
        if options.header_line.is_some() && found.is_none() {
            return Err(LeadFault::NoHeaderLine { file: shape::shown(path), line: options.header_line.unwrap_or(0) });
        }
        let at = found.unwrap_or(0);
        if options.no_header {
            let Some(first) = seen.front() else { return Err(LeadFault::Empty { file: shape::shown(path) }) };
            self.header = (1..=first.fields.len()).map(|column| column.to_string()).collect();
            self.shape.header_line = 0;
        } else {
            let header = seen.get(at).cloned();
            let Some(header) = header else { return Err(LeadFault::Empty { file: shape::shown(path) }) };
            self.shape.header_line = header.line;
            self.header = header.fields;
            while self.header.len() > 1 && self.header.last().is_some_and(|name| name.trim().is_empty()) {
                self.header.pop();
            }
            seen.drain(..=at);
        }
        self.ready = seen;
        Ok(())
    }
}

/// Reads the whole file without keeping it, so that a fault in the last line is found before anything is written.
/// Returns how many rows it has.
pub fn check(path: &Path) -> Result<u64, LeadFault> {
    check_as(path, &ReadOptions::default())
}

/// The same for a file that is to be read in a certain way.
pub fn check_as(path: &Path, options: &ReadOptions) -> Result<u64, LeadFault> {
    LeadFile::open_as(path, options)?.pass()
}

/// Where a path's text files are written before they get their name: its own folder.
fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}
