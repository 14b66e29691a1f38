//! Lead files: CSV read as a stream in constant memory, and the file of the rows that were refused.

mod export;
mod rejects;

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use csv::{ByteRecord, Reader, ReaderBuilder};

use crate::base::{Failure, limits};

pub use export::csv_text;
pub use rejects::{Rejects, default_rejects_path};

/// Bytes looked at to find the separator and the encoding; also the reader's buffer.
const HEAD_BYTES: usize = 64 << 10;

/// Why a lead file cannot be read on. The line is counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CsvFault {
    /// The file cannot be opened or read.
    #[error("{file}: {cause}")]
    Io {
        /// The file.
        file: String,
        /// What the operating system says.
        cause: String,
    },
    /// Nothing in it.
    #[error("{file} is empty")]
    Empty {
        /// The file.
        file: String,
    },
    /// Not UTF-8.
    #[error("{file}:{line}: {what}")]
    NotText {
        /// The file.
        file: String,
        /// The line.
        line: u64,
        /// What was found instead.
        what: &'static str,
    },
    /// A record or field over its bound: a quote that is never closed, most often.
    #[error("{file}:{line}: a {what} of more than {most} bytes (is a quote never closed?)")]
    TooLong {
        /// The file.
        file: String,
        /// The line where the record begins.
        line: u64,
        /// `record` or `field`.
        what: &'static str,
        /// The bound.
        most: usize,
    },
}

impl From<CsvFault> for Failure {
    fn from(fault: CsvFault) -> Failure {
        let failure = Failure::usage(fault.to_string());
        match fault {
            CsvFault::Io { .. } => failure,
            CsvFault::Empty { .. } => failure.next("give it a header line such as phone,name,language"),
            CsvFault::NotText { .. } => failure.next("export it again as \"CSV UTF-8\"; nothing was imported"),
            CsvFault::TooLong { .. } => failure.next("mend that line; nothing was imported"),
        }
    }
}

/// One row of a lead file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Line where it begins, counted from 1.
    pub line: u64,
    /// Its fields.
    pub fields: Vec<String>,
}

/// A lead file, open at its first row.
pub struct LeadFile {
    shown: String,
    reader: Reader<Guard>,
    unread: Rc<Cell<usize>>,
    record: ByteRecord,
    header: Vec<String>,
    separator: u8,
    /// The first line at which the next row can begin.
    next_line: u64,
}

impl LeadFile {
    /// Opens a file: drops the byte order mark, finds the separator (`,` `;` or tab), reads the header.
    pub fn open(path: &Path) -> Result<LeadFile, CsvFault> {
        let shown = crate::store::workspace::shown(path);
        let io = |error: io::Error| CsvFault::Io { file: shown.clone(), cause: error.to_string() };
        let mut file = File::open(path).map_err(io)?;
        if file.metadata().map_err(io)?.is_dir() {
            return Err(CsvFault::Io { file: shown, cause: "it is a folder".to_owned() });
        }
        let mut head = Vec::new();
        Read::by_ref(&mut file).take(HEAD_BYTES as u64).read_to_end(&mut head).map_err(io)?;
        if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
            return Err(CsvFault::NotText { file: shown, line: 1, what: "the file is UTF-16, not UTF-8" });
        }
        if head.starts_with(&[0xef, 0xbb, 0xbf]) {
            head.drain(..3);
        }
        let separator = separator(&head);
        let unread = Rc::new(Cell::new(0));
        let guard = Guard { head, at: 0, file, unread: Rc::clone(&unread), last: 0, given: b'\n' };
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(separator)
            .buffer_capacity(HEAD_BYTES)
            .from_reader(guard);
        let mut file =
            LeadFile { shown, reader, unread, record: ByteRecord::new(), header: Vec::new(), separator, next_line: 1 };
        match file.next_row()? {
            Some(row) => file.header = row.fields,
            None => return Err(CsvFault::Empty { file: file.shown }),
        }
        Ok(file)
    }

    /// The names of the columns.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// The separator: `,` `;` or tab.
    pub fn separator(&self) -> u8 {
        self.separator
    }

    /// The next row; `None` at the end. Blank lines are skipped.
    pub fn next_row(&mut self) -> Result<Option<Row>, CsvFault> {
        self.unread.set(0);
        let begins = self.reader.position().line();
        let more = self.reader.read_byte_record(&mut self.record).map_err(|error| self.fault(begins, &error))?;
        if !more {
            return Ok(None);
        }
        // The library counts from before the blank lines it skipped; counted from the end it is exact.
        let inside = self.record.as_slice().iter().filter(|byte| **byte == b'\n').count() as u64;
        let counted = self.reader.position().line().saturating_sub(1 + inside);
        // A last row without a line break, and lines that end with a bare CR, are not counted by the library.
        let line = counted.max(self.next_line);
        self.next_line = line + inside + 1;
        let too_long = |what, most| CsvFault::TooLong { file: self.shown.clone(), line, what, most };
        if self.record.as_slice().len() > limits::CSV_RECORD_BYTES {
            return Err(too_long("record", limits::CSV_RECORD_BYTES));
        }
        let mut fields = Vec::with_capacity(self.record.len());
        for field in &self.record {
            if field.len() > limits::CSV_FIELD_BYTES {
                return Err(too_long("field", limits::CSV_FIELD_BYTES));
            }
            let not_text = |what| CsvFault::NotText { file: self.shown.clone(), line, what };
            if field.contains(&0) {
                return Err(not_text("a NUL byte: this is no text file"));
            }
            let text = std::str::from_utf8(field).map_err(|_| not_text("this line is not UTF-8"))?;
            fields.push(text.to_owned());
        }
        Ok(Some(Row { line, fields }))
    }

    fn fault(&self, line: u64, error: &csv::Error) -> CsvFault {
        match error.kind() {
            csv::ErrorKind::Io(cause) if cause.kind() == io::ErrorKind::FileTooLarge => {
                CsvFault::TooLong { file: self.shown.clone(), line, what: "record", most: limits::CSV_RECORD_BYTES }
            }
            _ => CsvFault::Io { file: self.shown.clone(), cause: error.to_string() },
        }
    }
}

/// Reads the whole file without keeping it, so that a fault in the last line is found before anything is written.
/// Returns how many rows it has.
pub fn check(path: &Path) -> Result<u64, CsvFault> {
    let mut file = LeadFile::open(path)?;
    let mut rows = 0;
    while file.next_row()?.is_some() {
        rows += 1;
    }
    Ok(rows)
}

/// The file behind its head, with every line end made `\n` (so that lines can be counted), and stopped where one record
/// would take more than its share of memory.
struct Guard {
    head: Vec<u8>,
    at: usize,
    file: File,
    unread: Rc<Cell<usize>>,
    /// The byte before, as it was in the file.
    last: u8,
    /// The byte before, as it was given on.
    given: u8,
}

impl Guard {
    fn raw(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at < self.head.len() {
            let read = (&self.head[self.at..]).read(into)?;
            self.at += read;
            Ok(read)
        } else {
            self.file.read(into)
        }
    }
}

impl Read for Guard {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        // One buffer may hold the end of the record before and the start of the next.
        if self.unread.get() > limits::CSV_RECORD_BYTES + HEAD_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut kept = 0;
        while kept == 0 && !into.is_empty() {
            let read = self.raw(into)?;
            if read == 0 {
                if self.given == b'\n' {
                    return Ok(0);
                }
                // The last line has an end, too.
                into[0] = b'\n';
                kept = 1;
            }
            for at in 0..read {
                let byte = into[at];
                let second_half = byte == b'\n' && self.last == b'\r';
                self.last = byte;
                if !second_half {
                    into[kept] = if byte == b'\r' { b'\n' } else { byte };
                    kept += 1;
                }
            }
            if kept > 0 {
                self.given = into[kept - 1];
            }
        }
        self.unread.set(self.unread.get() + kept);
        Ok(kept)
    }
}

/// The separator that the header line holds most often outside quotes.
fn separator(head: &[u8]) -> u8 {
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0)];
    let mut quoted = false;
    for byte in head {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' | b'\r' if !quoted => break,
            other if !quoted => {
                if let Some(count) = counts.iter_mut().find(|(candidate, _)| candidate == other) {
                    count.1 += 1;
                }
            }
            _ => {}
        }
    }
    // `max_by_key` takes the last of equals: a file of one column is read with commas.
    counts.into_iter().rev().max_by_key(|(_, count)| *count).map_or(b',', |(byte, _)| byte)
}

/// Where a path's text files are written before they get their name: its own folder.
fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<(Vec<String>, Vec<Row>), CsvFault> {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("leads.csv");
        std::fs::write(&path, bytes).expect("written");
        let mut file = LeadFile::open(&path)?;
        let mut rows = Vec::new();
        while let Some(row) = file.next_row()? {
            rows.push(row);
        }
        Ok((file.header().to_vec(), rows))
    }

    fn row(line: u64, fields: &[&str]) -> Row {
        Row { line, fields: fields.iter().map(|field| (*field).to_owned()).collect() }
    }

    #[test]
    fn the_separator_and_the_byte_order_mark_are_found_not_asked_for() {
        for separator in [",", ";", "\t"] {
            let text = format!("\u{feff}phone{separator}\"name, first; last\"\r\n+1{separator}Ана\r\n");
            let (header, rows) = read(text.as_bytes()).expect("readable");
            assert_eq!(header, ["phone", "name, first; last"], "{separator:?}");
            assert_eq!(rows, [row(2, &["+1", "Ана"])]);
        }
        assert_eq!(read(b"phone\n+1\n").expect("one column").1, [row(2, &["+1"])]);
    }

    #[test]
    fn quoted_newlines_keep_the_line_numbers_right() {
        let (_, rows) = read(b"phone,note\n+1,\"two\nlines\"\n\n+2,x,extra\n").expect("readable");
        assert_eq!(rows, [row(2, &["+1", "two\nlines"]), row(5, &["+2", "x", "extra"])]);
        let (_, rows) = read(b"phone,note\r\n\r\n+1,\"two\r\nlines\"\r\n+2,x").expect("readable");
        assert_eq!(rows, [row(3, &["+1", "two\nlines"]), row(5, &["+2", "x"])], "Windows, no end at the end");
        let (_, rows) = read(b"phone,note\r+1,a\r\r+2,x").expect("readable");
        assert_eq!(rows, [row(2, &["+1", "a"]), row(4, &["+2", "x"])], "old Macs");
    }

    #[test]
    fn what_is_no_utf8_text_is_refused_with_its_line() {
        let line_of = |bytes: &[u8]| match read(bytes) {
            Err(CsvFault::NotText { line, .. }) => line,
            other => panic!("{other:?}"),
        };
        assert_eq!(line_of(b"phone,name\n+1,a\n+2,\xc0\xee\n"), 3);
        assert_eq!(line_of(b"phone,name\n+1,a\0b\n"), 2);
        assert_eq!(line_of(b"\xff\xfep\0h\0o\0n\0e\0"), 1);
        assert!(matches!(read(b""), Err(CsvFault::Empty { .. })));
    }

    #[test]
    fn a_quote_that_is_never_closed_is_found_in_constant_memory() {
        let mut text = b"phone,name\n+1,a\n+2,\"".to_vec();
        text.resize(20 << 20, b'x');
        match read(&text) {
            Err(CsvFault::TooLong { line: 3, what: "record", .. }) => {}
            other => panic!("{:?}", other.map(|_| ())),
        }
        let mut text = b"phone,name\n+1,".to_vec();
        text.resize(200 << 10, b'x');
        assert!(matches!(read(&text), Err(CsvFault::TooLong { line: 2, what: "field", .. })));
    }
}
