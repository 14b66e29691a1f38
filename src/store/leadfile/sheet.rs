//! Excel workbooks: the cells of one sheet, row by row, as a person would read them.
//!
//! A workbook is a ZIP archive; what it unpacks to is measured before it is trusted.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use calamine::{DataRef, Reader as _, Xlsx, open_workbook};

use super::shape::shown;
use super::{LeadFault, Row};
use crate::base::limits;
use crate::base::text::printable;

/// Rows that wait to be read.
const AHEAD: usize = 256;

/// One sheet, open at its first row.
pub(super) struct Sheet {
    rows: Receiver<Result<Row, LeadFault>>,
}

impl Sheet {
    /// Opens a sheet by name, or the first one. Its rows are read by a thread that ends with it: the parser borrows the
    /// workbook, and the workbook is large.
    pub(super) fn open(path: &Path, wanted: Option<&str>) -> Result<(Sheet, String), LeadFault> {
        weigh(path)?;
        let mut book: Xlsx<BufReader<File>> =
            open_workbook(path).map_err(|error: calamine::XlsxError| broken(path, &error))?;
        let names = book.sheet_names();
        let name = match wanted {
            Some(wanted) => names.iter().find(|name| name.trim() == wanted.trim()).cloned(),
            None => names.first().cloned(),
        };
        let Some(name) = name else {
            let known: Vec<String> = names.iter().map(|name| printable(name)).collect();
            let what = format!("it has no sheet of that name; its sheets are: {}", known.join(", "));
            return Err(LeadFault::Workbook { file: shown(path), what, next: "name one of them with --sheet" });
        };
        let (send, rows) = sync_channel(AHEAD);
        let (file, sheet) = (path.to_owned(), name.clone());
        std::thread::Builder::new()
            .name("sheet".to_owned())
            .spawn(move || {
                if let Err(fault) = read(&mut book, &sheet, &file, &send) {
                    // Nobody listens any more: then nobody wants to hear of it.
                    let _: Result<(), _> = send.send(Err(fault));
                }
            })
            .map_err(|error| LeadFault::Io { file: shown(path), cause: error.to_string() })?;
        Ok((Sheet { rows }, name))
    }

    /// The next row that has a cell.
    pub(super) fn next_row(&mut self) -> Result<Option<Row>, LeadFault> {
        self.rows.recv().map_or(Ok(None), |row| row.map(Some))
    }
}

fn broken(path: &Path, error: &dyn std::fmt::Display) -> LeadFault {
    let next = "open it in a spreadsheet program and save it anew, or as \"CSV UTF-8\"";
    LeadFault::Workbook { file: shown(path), what: format!("the workbook cannot be read: {error}"), next }
}

/// Unpacks every part once without keeping it: an archive that unpacks to more than it may is refused whatever its own
/// table says.
fn weigh(path: &Path) -> Result<(), LeadFault> {
    let file = File::open(path).map_err(|error| LeadFault::Io { file: shown(path), cause: error.to_string() })?;
    let mut archive = zip::ZipArchive::new(BufReader::new(file)).map_err(|error| broken(path, &error))?;
    let mut room = limits::WORKBOOK_BYTES;
    for at in 0..archive.len() {
        let part = archive.by_index(at).map_err(|error| broken(path, &error))?;
        let read = io::copy(&mut part.take(room + 1), &mut io::sink()).map_err(|error| broken(path, &error))?;
        if read > room {
            let what = format!("it unpacks to more than {} MiB", limits::WORKBOOK_BYTES >> 20);
            let next = "split it, or save it as \"CSV UTF-8\", which may be of any size";
            return Err(LeadFault::Workbook { file: shown(path), what, next });
        }
        room -= read;
    }
    Ok(())
}

fn read(
    book: &mut Xlsx<BufReader<File>>,
    sheet: &str,
    path: &Path,
    send: &SyncSender<Result<Row, LeadFault>>,
) -> Result<(), LeadFault> {
    let mut cells = book.worksheet_cells_reader(sheet).map_err(|error| broken(path, &error))?;
    let mut row = Row { line: 0, fields: Vec::new() };
    while let Some(cell) = cells.next_cell().map_err(|error| broken(path, &error))? {
        let (line, column) = cell.get_position();
        let (line, column) = (u64::from(line) + 1, column as usize);
        if line != row.line {
            if row.line > 0 && send.send(Ok(std::mem::replace(&mut row, Row { line, fields: Vec::new() }))).is_err() {
                return Ok(());
            }
            row.line = line;
        }
        let text = text_of(cell.get_value());
        if text.len() > limits::CSV_FIELD_BYTES {
            return Err(LeadFault::TooLong {
                file: shown(path),
                line,
                offset: 0,
                what: "field",
                most: limits::CSV_FIELD_BYTES,
            });
        }
        // A cell far to the right of the columns that a lead may have is decoration.
        if column < limits::CSV_COLUMNS && !text.is_empty() {
            if row.fields.len() <= column {
                row.fields.resize(column + 1, String::new());
            }
            row.fields[column] = text;
        }
    }
    if row.line > 0 {
        // The reader may have gone.
        let _: Result<(), _> = send.send(Ok(row));
    }
    Ok(())
}

/// A cell as text. A number of up to fifteen digits is written out whole, as Excel keeps it; a date is a date, so that a
/// phone number that Excel took for one is recognised.
fn text_of(value: &DataRef<'_>) -> String {
    match value {
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) if number.fract() == 0.0 && number.abs() < 1e15 => format!("{number:.0}"),
        DataRef::Float(number) if number.abs() >= 1e15 => format!("{number:E}"),
        DataRef::Float(number) => number.to_string(),
        DataRef::String(text) => text.clone(),
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Bool(value) => value.to_string(),
        DataRef::DateTime(stamp) => {
            let (year, month, day, hour, minute, second, _) = stamp.to_ymd_hms_milli();
            if (hour, minute, second) == (0, 0, 0) {
                format!("{year:04}-{month:02}-{day:02}")
            } else {
                format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
            }
        }
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.clone(),
        DataRef::Error(error) => error.to_string(),
        DataRef::Empty => String::new(),
    }
}
