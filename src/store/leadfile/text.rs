//! CSV: records with exact line numbers, each field decoded on its own.

use std::borrow::Cow;
use std::cell::RefCell;
use std::io::{self, Read};
use std::rc::Rc;

use csv::{ByteRecord, Reader, ReaderBuilder};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

use super::guard::{BUFFER, Guard, Lines, Start};
use super::{LeadFault, Row};
use crate::base::limits;

/// A text of records.
pub(super) struct Text<R> {
    shown: String,
    reader: Reader<Guard<R>>,
    lines: Rc<RefCell<Lines>>,
    record: ByteRecord,
    encoding: &'static Encoding,
}

impl<R: Read> Text<R> {
    /// `source` is behind the byte order mark, which had `skipped` bytes. `encoding`: UTF-8, UTF-16 or one of single bytes:
    /// there separators, quotes and line ends are the bytes that they are in ASCII, so records are told apart before they
    /// are decoded.
    pub(super) fn new(source: R, shown: String, encoding: &'static Encoding, separator: u8, skipped: u64) -> Text<R> {
        let lines = Rc::new(RefCell::new(Lines::default()));
        let is_wide = encoding == UTF_16LE || encoding == UTF_16BE;
        let wide = is_wide.then(|| encoding.new_decoder_without_bom_handling());
        let guard = Guard::new(source, Rc::clone(&lines), skipped, wide);
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(separator)
            .buffer_capacity(BUFFER)
            .from_reader(guard);
        let encoding = if is_wide { UTF_8 } else { encoding };
        Text { shown, reader, lines, record: ByteRecord::new(), encoding }
    }

    /// The next record, into a row whose memory serves again; empty lines are skipped. False at the end.
    pub(super) fn next_into(&mut self, row: &mut Row) -> Result<bool, LeadFault> {
        let Some(start) = self.next_record()? else { return Ok(false) };
        row.line = start.line;
        row.fields.truncate(self.record.len());
        for (at, field) in self.record.iter().enumerate() {
            let text = self.decoded(field, start.line)?;
            match row.fields.get_mut(at) {
                Some(cell) => {
                    cell.clear();
                    cell.push_str(&text);
                }
                None => row.fields.push(text.into_owned()),
            }
        }
        Ok(true)
    }

    /// Passes over the next record, which must be readable. Tells whether it has no text at all.
    pub(super) fn pass(&mut self) -> Result<Option<bool>, LeadFault> {
        let Some(start) = self.next_record()? else { return Ok(None) };
        let whole = self.record.as_slice();
        if self.encoding == UTF_8 && whole.is_ascii() && memchr::memchr(0, whole).is_none() {
            return Ok(Some(whole.trim_ascii().is_empty()));
        }
        let mut empty = true;
        for field in &self.record {
            empty &= self.decoded(field, start.line)?.trim().is_empty();
        }
        Ok(Some(empty))
    }

    fn next_record(&mut self) -> Result<Option<Start>, LeadFault> {
        self.lines.borrow_mut().unread = 0;
        let from = self.reader.position().byte();
        let more = self.reader.read_byte_record(&mut self.record);
        let start = self.start(from);
        if !more.map_err(|error| self.fault(start, &error))? {
            return Ok(None);
        }
        let too_long = |what, most| LeadFault::TooLong {
            file: self.shown.clone(),
            line: start.line,
            offset: start.offset,
            what,
            most,
        };
        if self.record.as_slice().len() > limits::CSV_RECORD_BYTES {
            return Err(too_long("record", limits::CSV_RECORD_BYTES));
        }
        if self.record.iter().any(|field| field.len() > limits::CSV_FIELD_BYTES) {
            return Err(too_long("field", limits::CSV_FIELD_BYTES));
        }
        Ok(Some(start))
    }

    /// The first line with something on it at or behind a place of the stream: there the record at that place begins.
    fn start(&self, from: u64) -> Start {
        let starts = &mut self.lines.borrow_mut().starts;
        while starts.front().is_some_and(|start| start.at < from) {
            starts.pop_front();
        }
        starts.front().copied().unwrap_or(Start { at: from, line: 1, offset: 0 })
    }

    fn decoded<'f>(&self, field: &'f [u8], line: u64) -> Result<Cow<'f, str>, LeadFault> {
        let not_text = |what: String| LeadFault::NotText { file: self.shown.clone(), line, what };
        if field.contains(&0) {
            return Err(not_text("a NUL byte: this is no text file".to_owned()));
        }
        if self.encoding == UTF_8 {
            let text = std::str::from_utf8(field).map_err(|_| not_text("this line is not UTF-8".to_owned()))?;
            return Ok(Cow::Borrowed(text));
        }
        let decoded = self.encoding.decode_without_bom_handling_and_without_replacement(field);
        decoded.ok_or_else(|| not_text(format!("this line is not {}", self.encoding.name())))
    }

    fn fault(&self, start: Start, error: &csv::Error) -> LeadFault {
        let file = self.shown.clone();
        match error.kind() {
            csv::ErrorKind::Io(cause) if cause.kind() == io::ErrorKind::FileTooLarge => LeadFault::TooLong {
                file,
                line: start.line,
                offset: start.offset,
                what: "record",
                most: limits::CSV_RECORD_BYTES,
            },
            csv::ErrorKind::Io(cause) if cause.kind() == io::ErrorKind::InvalidData => {
                let line = self.lines.borrow().broken.unwrap_or(start.line);
                LeadFault::NotText { file, line, what: "this line is not UTF-16".to_owned() }
            }
            _ => LeadFault::Io { file, cause: error.to_string() },
        }
    }
}
