//! How a file is written: workbook or text, encoding, separator. Detected from its bytes, never from its name.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use csv::ReaderBuilder;
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

use super::guard::BUFFER;
use super::text::Text;
use super::{LeadFault, ReadOptions};
use crate::base::limits;
use crate::base::text::printable;
use crate::core::lead::{Columns, Field};

pub(super) use crate::store::workspace::shown;

/// How a file is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// The encoding's name, or `workbook`.
    pub encoding: String,
    /// How that is known: `byte order mark`, `detected`, `given`.
    pub known_by: &'static str,
    /// What separates columns; a comma for a workbook.
    pub separator: u8,
    /// The line of the header; 0 = there is none.
    pub header_line: u64,
    /// The sheet of a workbook.
    pub sheet: Option<String>,
}

impl Shape {
    pub(super) fn of_sheet(name: String) -> Shape {
        let encoding = "workbook".to_owned();
        Shape { encoding, known_by: "detected", separator: b',', header_line: 1, sheet: Some(name) }
    }

    /// Options that read the file in this way again without looking for it.
    pub fn fixed(&self, options: &ReadOptions) -> ReadOptions {
        let text = self.sheet.is_none();
        ReadOptions {
            encoding: text.then(|| self.encoding.clone()),
            separator: text.then_some(self.separator),
            header_line: (self.header_line > 0).then_some(self.header_line),
            sheet: self.sheet.clone(),
            ..options.clone()
        }
    }
}

/// What a file is.
pub(super) enum Kind {
    /// An Excel workbook (Office Open XML).
    Sheet,
    /// Text, with its first bytes.
    Text(Vec<u8>),
}

fn fault(path: &Path, error: &io::Error) -> LeadFault {
    LeadFault::Io { file: shown(path), cause: error.to_string() }
}

/// Tells a workbook from a text. Errors: other binary files, by their first bytes.
pub(super) fn kind(path: &Path) -> Result<Kind, LeadFault> {
    let mut file = File::open(path).map_err(|error| fault(path, &error))?;
    if file.metadata().map_err(|error| fault(path, &error))?.is_dir() {
        return Err(LeadFault::Io { file: shown(path), cause: "it is a folder".to_owned() });
    }
    let mut head = Vec::new();
    Read::by_ref(&mut file).take(BUFFER as u64).read_to_end(&mut head).map_err(|error| fault(path, &error))?;
    let workbook = |what: &str, next| LeadFault::Workbook { file: shown(path), what: what.to_owned(), next };
    if head.starts_with(b"PK\x03\x04") {
        let is_open_document = head.get(30..).is_some_and(|rest| rest.starts_with(b"mimetypeapplication/vnd.oasis"));
        if is_open_document {
            return Err(workbook("this is an OpenDocument sheet", "save it as .xlsx or as \"CSV UTF-8\""));
        }
        return Ok(Kind::Sheet);
    }
    for (magic, what) in [
        (&b"\xd0\xcf\x11\xe0"[..], "this is a workbook of an old Excel (.xls)"),
        (b"%PDF", "this is a PDF"),
        (b"\x1f\x8b", "this file is compressed (gzip)"),
        (b"SQLite format 3", "this is a database"),
    ] {
        if head.starts_with(magic) {
            return Err(workbook(what, "save it as .xlsx or as \"CSV UTF-8\""));
        }
    }
    Ok(Kind::Text(head))
}

/// Opens a text in the way that was asked for, or that its bytes show.
pub(super) fn open_text(path: &Path, head: &[u8], options: &ReadOptions) -> Result<(Text<File>, Shape), LeadFault> {
    let (marked, skipped) = mark(head);
    let (encoding, known_by) = match (&options.encoding, marked) {
        (Some(name), _) => (named(path, name)?, "given"),
        (None, Some(marked)) => (marked, "byte order mark"),
        (None, None) => (detect(path, head, options)?, "detected"),
    };
    let skipped = if marked == Some(encoding) { skipped } else { 0 };
    let separator = options.separator.unwrap_or_else(|| separator(&readable(&head[skipped..], encoding), &options.map));
    let mut file = File::open(path).map_err(|error| fault(path, &error))?;
    file.seek(SeekFrom::Start(skipped as u64)).map_err(|error| fault(path, &error))?;
    let text = Text::new(file, shown(path), encoding, separator, skipped as u64);
    let encoding = encoding.name().to_ascii_lowercase();
    Ok((text, Shape { encoding, known_by, separator, header_line: 1, sheet: None }))
}

fn mark(head: &[u8]) -> (Option<&'static Encoding>, usize) {
    match head {
        [0xef, 0xbb, 0xbf, ..] => (Some(UTF_8), 3),
        [0xff, 0xfe, ..] => (Some(UTF_16LE), 2),
        [0xfe, 0xff, ..] => (Some(UTF_16BE), 2),
        _ => (None, 0),
    }
}

fn named(path: &Path, name: &str) -> Result<&'static Encoding, LeadFault> {
    let refused = |what| LeadFault::Encoding { file: shown(path), what };
    let found = Encoding::for_label(name.trim().as_bytes());
    let encoding = found.ok_or_else(|| refused(format!("`{}` is no encoding", printable(name))))?;
    if is_read(encoding) { Ok(encoding) } else { Err(refused(format!("{} is not read here", encoding.name()))) }
}

/// Encodings in which separators, quotes and line ends are the bytes of ASCII; and UTF-16, which is made UTF-8 first.
fn is_read(encoding: &'static Encoding) -> bool {
    encoding == UTF_8 || encoding == UTF_16LE || encoding == UTF_16BE || encoding.is_single_byte()
}

/// The encoding of a text without a byte order mark: UTF-16 by its zeros, UTF-8 if the whole file is, else what its letters
/// look like.
fn detect(path: &Path, head: &[u8], options: &ReadOptions) -> Result<&'static Encoding, LeadFault> {
    if let Some(wide) = zeros(head) {
        return Ok(wide);
    }
    let mut file = File::open(path).map_err(|error| fault(path, &error))?;
    let mut buffer = vec![0; BUFFER];
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    let (mut kept, mut is_utf8, mut told) = (0, true, 0);
    loop {
        let read = file.read(&mut buffer[kept..]).map_err(|error| fault(path, &error))?;
        let chunk = &buffer[..kept + read];
        if read == 0 {
            is_utf8 &= kept == 0;
            break;
        }
        // A character may be cut by the end of the chunk: its first bytes wait for the rest.
        kept = 0;
        if is_utf8 && let Err(error) = std::str::from_utf8(chunk) {
            kept = if error.error_len().is_none() { chunk.len() - error.valid_up_to() } else { 0 };
            is_utf8 = error.error_len().is_none();
        }
        let whole = chunk.len() - kept;
        if told < limits::DETECT_BYTES && !chunk[..whole].is_ascii() {
            told += whole;
            detector.feed(&chunk[..whole], false);
        }
        if !is_utf8 && told >= limits::DETECT_BYTES {
            break;
        }
        buffer.copy_within(whole..whole + kept, 0);
    }
    if is_utf8 {
        return Ok(UTF_8);
    }
    detector.feed(&[], true);
    let country = options.country.as_ref().map(|country| country.as_str().to_ascii_lowercase());
    let guess = detector.guess(country.as_deref().map(str::as_bytes), Utf8Detection::Deny);
    if is_read(guess) {
        return Ok(guess);
    }
    let what = format!("it is no UTF-8, and looks like {}, which is not read here", guess.name());
    Err(LeadFault::Encoding { file: shown(path), what })
}

/// Text of Europe in UTF-16 has a zero in nearly every second byte, always on the same side.
fn zeros(head: &[u8]) -> Option<&'static Encoding> {
    let pairs = head.len() / 2;
    if pairs < 4 {
        return None;
    }
    let zeros = |side: usize| head.chunks_exact(2).filter(|pair| pair[side] == 0).count();
    let (first, second) = (zeros(0), zeros(1));
    if second * 10 > pairs * 3 && first * 20 < pairs {
        Some(UTF_16LE)
    } else if first * 10 > pairs * 3 && second * 20 < pairs {
        Some(UTF_16BE)
    } else {
        None
    }
}

/// The head as UTF-8.
fn readable(head: &[u8], encoding: &'static Encoding) -> Vec<u8> {
    encoding.decode_without_bom_handling(head).0.into_owned().into_bytes()
}

/// The separator under which a row names a column for the phone beside others, and, among several, the one under which most
/// rows have the same number of columns. Rows are told apart as CSV does, so quoted separators and a preamble do not mislead.
/// A file of one column is read with commas.
pub(super) fn separator(head: &[u8], map: &[(Field, String)]) -> u8 {
    let mut best = ((false, 0, 0), b',');
    for candidate in [b',', b';', b'\t', b'|'] {
        let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).delimiter(candidate).from_reader(head);
        let (mut widths, mut named): (Vec<usize>, bool) = (Vec::new(), false);
        let mut record = csv::ByteRecord::new();
        while widths.len() < limits::PREAMBLE_ROWS && reader.read_byte_record(&mut record).unwrap_or(false) {
            if !named && record.len() > 1 {
                let fields: Vec<String> =
                    record.iter().map(|field| String::from_utf8_lossy(field).into_owned()).collect();
                named = Columns::read(&fields, map).is_ok();
            }
            widths.push(record.len());
        }
        // The last row may be cut by the end of the head.
        if widths.len() > 2 && head.len() >= BUFFER / 2 {
            widths.pop();
        }
        let count = |width: usize| widths.iter().filter(|other| **other == width).count();
        let agreed = widths.iter().filter(|width| **width > 1).map(|width| (count(*width), *width)).max();
        if let Some((rows, width)) = agreed
            && (named, rows, width) > best.0
        {
            best = ((named, rows, width), candidate);
        }
    }
    best.1
}
