//! One import: a thread reads and understands rows, this one writes them, in portions that let a dialing process through.
//!
//! The file is read once whole before anything is written, so that a fault in its last line means that nothing was
//! imported. A broken import goes on where it was: the ledger knows the file's hash and how many of its rows it has.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use crate::base::{Country, Failure, Phone, Slug, Wall, limits};
use crate::core::lead::{Columns, FIELDS, Field, Lead, RowFault, read_row};
use crate::run::clock::{Clock, MachineClock};
use crate::run::leads::read_ledger;
use crate::show::leads::{Example, ImportReport, RejectLine};
use crate::store::leadfile::{LeadFile, ReadOptions, Rejects, Row, Shape, in_chunks, while_hashing};
use crate::store::ledger::{Duplicate, ImportCounts, ImportStart, Incoming, Ledger, OnDuplicate, OpenOptions};
use crate::store::workspace::shown;

/// One import: what is read, and where it goes.
#[derive(Debug, Clone)]
pub struct ImportOrder {
    /// The ledger's file.
    pub ledger: PathBuf,
    /// The file of leads.
    pub file: PathBuf,
    /// Into which campaign.
    pub campaign: Slug,
    /// How the file is to be read: what is absent is detected. Its country is that of national numbers without a country
    /// column.
    pub reading: ReadOptions,
    /// Where refused rows go.
    pub rejects: PathBuf,
    /// Tags that every lead of this import gets, besides those of its row.
    pub tags: Vec<String>,
    /// The numbers that the campaign calls from: nobody calls themselves.
    pub own_numbers: Vec<Phone>,
    /// Countries that the campaign may call; empty = any (a rehearsal).
    pub countries: Vec<Country>,
    /// What becomes of a number that the campaign has already.
    pub on_duplicate: OnDuplicate,
    /// Now.
    pub now: Wall,
}

/// How far a reading or an import has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The file has so many rows; so many of them are in the ledger from an earlier, broken import.
    Counted {
        /// Rows.
        rows: u64,
        /// Of these, rows that an earlier import of this file has written.
        before: u64,
    },
    /// So many rows are done.
    Done(u64),
}

/// Checks and imports in one go, without asking anybody: what a script does.
pub fn run(order: &ImportOrder, tell: &dyn Fn(Progress)) -> Result<ImportReport, Failure> {
    let checked = check(order)?;
    if order.on_duplicate == OnDuplicate::Error {
        refuse_duplicates(&preview(order, &checked, &|_| ())?)?;
    }
    import(order, &checked, tell)
}

/// With `--on-duplicate error`: a file that holds a number twice, or one that the campaign has, is refused as a whole.
pub fn refuse_duplicates(preview: &ImportReport) -> Result<(), Failure> {
    let twice = preview.already + preview.duplicates;
    if twice == 0 {
        return Ok(());
    }
    let first = preview.already_examples.iter().chain(&preview.duplicate_examples).next();
    let example = first.map_or(String::new(), |it| format!(" (line {}: {})", it.line, it.phone));
    let what = format!(
        "{}: {twice} numbers are there already or stand in it twice{example}; nothing was imported",
        preview.file
    );
    Err(Failure::usage(what).next("mend the file, or use --on-duplicate skip or update"))
}

/// A file that was read once to its end: its rows can be read, and which column is what.
pub struct Checked {
    columns: Columns,
    header: Vec<String>,
    shape: Shape,
    /// How it is read again, without looking for it once more.
    reading: ReadOptions,
    rows: u64,
    hash: [u8; 32],
}

impl Checked {
    /// Field → column, as understood.
    pub fn mapping(&self) -> Vec<(String, String)> {
        let column = |field: Field| self.columns.place(field).map(|at| (field.to_string(), self.header[at].clone()));
        FIELDS.into_iter().filter_map(column).collect()
    }
}

/// A row, understood or not.
enum Parsed {
    Lead(Box<Incoming>),
    Refused { row: Row, reason: String, kind: &'static str },
}

/// Reads the whole file without keeping it. Errors (exit 2): a file that cannot be read to its end, a header without a phone
/// column.
pub fn check(order: &ImportOrder) -> Result<Checked, Failure> {
    let mut file = LeadFile::open_as(&order.file, &order.reading)?;
    let columns = Columns::read(file.header(), &order.reading.map)
        .map_err(|fault| Failure::usage(format!("{}: {fault}", shown(&order.file))).next(fault.next_step()))?;
    let (header, shape) = (file.header().to_vec(), file.shape().clone());
    let (rows, hash) = while_hashing(&order.file, || file.pass());
    let (rows, hash) = (rows?, hash?);
    let reading = shape.fixed(&order.reading);
    Ok(Checked { columns, header, shape, reading, rows, hash })
}

/// What [`import`] would do: nothing is written.
pub fn preview(order: &ImportOrder, checked: &Checked, tell: &dyn Fn(Progress)) -> Result<ImportReport, Failure> {
    let mut report = report_of(order, checked, true);
    tell(Progress::Counted { rows: checked.rows, before: 0 });
    let ledger = read_ledger(&order.ledger)?;
    let lists = match &ledger {
        Some(ledger) => ledger.has_lists()?,
        None => false,
    };
    let mut seen: HashSet<u64> = HashSet::new();
    let mut done = 0;
    in_chunks(
        &order.file,
        &checked.reading,
        |row| understand(order, &checked.columns, row),
        |chunk| {
            done += chunk.len() as u64;
            let mut look = |ledger: Option<&Ledger>| {
                for parsed in chunk {
                    match parsed {
                        Parsed::Refused { row, reason, kind } => note_refused(&mut report, row.line, reason, kind),
                        Parsed::Lead(row) => look_up(order, (ledger, lists), &row.lead, &mut seen, &mut report)?,
                    }
                }
                Ok::<(), Failure>(())
            };
            match &ledger {
                Some(ledger) => ledger.at_once(|ledger| look(Some(ledger)))?,
                None => look(None)?,
            }
            tell(Progress::Done(done));
            Ok(())
        },
    )?;
    Ok(report)
}

/// Imports a file that was checked. Refused rows go to the rejects file; what a broken import of the same file, read the
/// same way, has written is not written again.
pub fn import(order: &ImportOrder, checked: &Checked, tell: &dyn Fn(Progress)) -> Result<ImportReport, Failure> {
    let mut report = report_of(order, checked, false);
    let mut ledger = Ledger::open(&order.ledger, &OpenOptions::with_fresh_key(order.now))?;
    ledger.for_import()?;
    let settings = settings_of(order, checked);
    let mut at = ledger.start_import(&ImportStart {
        campaign: &order.campaign,
        file: &shown(&order.file),
        hash: checked.hash,
        settings: &settings,
        now: order.now,
    })?;
    report.import = Some(at.id.0);
    report.resumed_at = (at.rows_done > 0).then_some(at.rows_done);
    tell(Progress::Counted { rows: checked.rows, before: at.rows_done });
    let mut rejects = Rejects::new(order.rejects.clone(), &checked.header, checked.shape.separator);
    let mut duplicates: Vec<Duplicate> = Vec::new();
    let mut read = 0_u64;
    in_chunks(
        &order.file,
        &checked.reading,
        |row| understand(order, &checked.columns, row),
        |chunk| {
            let mut portion: Vec<Option<&Incoming>> = Vec::with_capacity(chunk.len());
            for parsed in chunk {
                let known = read < at.rows_done;
                read += 1;
                let row = match parsed {
                    Parsed::Lead(row) => Some(&**row),
                    Parsed::Refused { row, reason, kind } => {
                        note_refused(&mut report, row.line, reason, kind);
                        rejects.add(row, reason)?;
                        None
                    }
                };
                if !known {
                    portion.push(row);
                }
            }
            let boot = || MachineClock.boot();
            ledger.import_rows(&mut at, &portion, order.on_duplicate, &mut duplicates, order.now, &boot)?;
            tell(Progress::Done(read));
            Ok(())
        },
    )?;
    ledger.end_import(at.id, MachineClock.wall())?;
    count(&mut report, &at.counts);
    report.already_examples = duplicates.iter().map(example_of).collect();
    report.rejects_file = rejects.finish()?.map(|path| shown(&path));
    Ok(report)
}

fn report_of(order: &ImportOrder, checked: &Checked, dry_run: bool) -> ImportReport {
    ImportReport {
        campaign: order.campaign.to_string(),
        file: shown(&order.file),
        dry_run,
        rows: checked.rows,
        mapping: checked.mapping(),
        variables: checked.columns.others().iter().map(|(name, _)| name.clone()).collect(),
        encoding: format!("{} ({})", checked.shape.encoding, checked.shape.known_by),
        header_line: checked.shape.header_line,
        separator: crate::show::leads::separator_word(checked.shape.separator).to_owned(),
        ..ImportReport::default()
    }
}

fn count(report: &mut ImportReport, counts: &ImportCounts) {
    report.added = counts.added;
    report.already = counts.already;
    report.updated = counts.updated;
    report.duplicates = counts.duplicate_in_file;
    report.suppressed = counts.suppressed;
    report.elsewhere = counts.elsewhere;
}

fn note_refused(report: &mut ImportReport, line: u64, reason: &str, kind: &'static str) {
    report.rejected += 1;
    *report.reasons.entry(kind.to_owned()).or_default() += 1;
    if report.first_rejects.len() < limits::REJECTS_SHOWN {
        report.first_rejects.push(RejectLine { line, reason: reason.to_owned() });
    }
}

/// One lead of a preview: counted as the import would count it.
fn look_up(
    order: &ImportOrder,
    (ledger, lists): (Option<&Ledger>, bool),
    lead: &Lead,
    seen: &mut HashSet<u64>,
    report: &mut ImportReport,
) -> Result<(), Failure> {
    let example =
        Example { line: lead.line, phone: lead.phone.to_string(), what: lead.name.clone().unwrap_or_default() };
    let add = |list: &mut Vec<Example>, example: Example| {
        if list.len() < limits::EXAMPLES {
            list.push(example);
        }
    };
    if !seen.insert(lead.phone.as_number()) {
        report.duplicates += 1;
        add(&mut report.duplicate_examples, example);
        return Ok(());
    }
    if let Some(ledger) = ledger
        && ledger.has_lead(&order.campaign, &lead.phone)?
    {
        // What an update would change is known only when it is written.
        report.already += 1;
        if report.already_examples.len() < limits::EXAMPLES
            && let Some(first) = ledger.first_of(&order.campaign, &lead.phone, lead.line)?
        {
            report.already_examples.push(example_of(&first));
        }
        return Ok(());
    }
    report.added += 1;
    if let Some(ledger) = ledger
        && lists
        && ledger.is_suppressed(&lead.phone)?
    {
        report.suppressed += 1;
        add(&mut report.suppressed_examples, example);
        return Ok(());
    }
    add(&mut report.added_examples, example);
    Ok(())
}

fn example_of(first: &Duplicate) -> Example {
    Example {
        line: first.line,
        phone: first.phone.clone(),
        what: format!("in campaign {} since {} ({})", first.campaign, first.at, first.file),
    }
}

/// What decides the meaning of a row: the same file read another way is another import.
fn settings_of(order: &ImportOrder, checked: &Checked) -> String {
    let country = order.reading.country.as_ref().map_or("-", Country::as_str);
    let mapping: BTreeMap<String, String> =
        order.reading.map.iter().map(|(field, name)| (field.to_string(), name.clone())).collect();
    format!("1 {country} {mapping:?} {:?} {:?} {:?}", order.tags, order.on_duplicate, checked.shape)
}

/// A row as a lead, or why it is none. Runs on the reading thread.
fn understand(order: &ImportOrder, columns: &Columns, row: &Row) -> Parsed {
    let fields: Vec<&str> = row.fields.iter().map(String::as_str).collect();
    let allowed = |lead: Lead| {
        let country = lead.country;
        if order.own_numbers.contains(&lead.phone) {
            return Err(RowFault::Own);
        }
        match country {
            Some(country) if order.countries.is_empty() || order.countries.contains(&country) => Ok(lead),
            Some(country) => Err(RowFault::NotAllowed(country.as_str().to_owned())),
            None if order.countries.is_empty() => Ok(lead),
            None => Err(RowFault::NotAllowed("no country".to_owned())),
        }
    };
    match read_row(columns, row.line, &fields, order.reading.country).and_then(allowed) {
        Ok(mut lead) => {
            lead.tags.extend(order.tags.iter().cloned());
            lead.tags.sort_unstable();
            lead.tags.dedup();
            Parsed::Lead(Box::new(Incoming::of(lead)))
        }
        Err(fault) => {
            let (reason, kind) = (fault.to_string(), fault.kind());
            Parsed::Refused { row: row.clone(), reason, kind }
        }
    }
}
