//! Lists of numbers that must not be called: reading them in small transactions beside a running campaign.

use std::path::Path;

use serde::Serialize;

use crate::base::{Country, Failure, LeadId, Wall, limits};
use crate::core::lead::dnc::NumberPlace;
use crate::store::leadfile::{self, LeadFile};
use crate::store::ledger::{Ledger, LedgerFault};
use crate::store::workspace::shown;

/// What the numbers of a file are for.
#[derive(Debug, Clone)]
pub enum Purpose {
    /// Our own list: each number stays until it is taken off by hand.
    Own {
        /// Why, kept with each number.
        reason: String,
    },
    /// Somebody's do-not-call file: a newer one of the same source takes its place.
    DoNotCall {
        /// Whose rules ask for it.
        country: Country,
        /// Where it comes from.
        source: String,
        /// The day it was drawn up.
        dated: Wall,
    },
}

/// One file to read.
#[derive(Debug, Clone)]
pub struct ListOrder<'a> {
    /// The file.
    pub file: &'a Path,
    /// Country of national numbers.
    pub country: Option<Country>,
    /// What for.
    pub purpose: Purpose,
    /// Read and check only.
    pub dry_run: bool,
    /// Now.
    pub now: Wall,
}

/// What reading a list came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ListReport {
    /// Rows that hold a number.
    pub numbers: u64,
    /// Of these, new to the list.
    pub added: u64,
    /// Rows that cannot be read as a number.
    pub unreadable: u64,
    /// Lines of the first of them.
    pub unreadable_lines: Vec<u64>,
    /// Waiting leads that are blocked by it.
    pub leads_blocked: u64,
    /// Leads that were blocked by an older file and are ready again.
    pub leads_freed: u64,
    /// Older files of the same source that were removed.
    pub replaced: u64,
    /// Whether the file counts as read: false if too many rows could not be read, and for our own list.
    pub counts_as_read: bool,
    /// Nothing was written.
    pub dry_run: bool,
}

/// Reads a list. `step` is called once a row, `total` first.
///
/// The file is read whole before anything is written. Numbers bind as soon as their chunk is written; killed half-way, the
/// same command again adds the rest.
pub fn read_list(ledger: &mut Ledger, order: &ListOrder<'_>, mut step: impl FnMut(u64)) -> Result<ListReport, Failure> {
    ledger.check_suppression_key()?;
    let place = place(order)?;
    let total = leadfile::check(order.file)? + u64::from(place.first_row_counts());
    let mut report = ListReport { dry_run: order.dry_run, ..ListReport::default() };
    let target = match &order.purpose {
        Purpose::DoNotCall { country, source, dated } if !order.dry_run => {
            Some(ledger.begin_dnc(*country, source, *dated, order.now)?)
        }
        Purpose::DoNotCall { .. } | Purpose::Own { .. } => None,
    };
    let mut file = LeadFile::open(order.file)?;
    let mut waiting = place.first_row_counts().then(|| (1, file.header().to_vec()));
    let mut chunk = Vec::with_capacity(limits::LIST_CHUNK);
    loop {
        let row = match waiting.take() {
            Some(row) => Some(row),
            None => file.next_row()?.map(|row| (row.line, row.fields)),
        };
        let ended = row.is_none();
        if let Some((line, fields)) = row {
            step(total);
            match place.read(&fields, order.country) {
                Ok(phone) => {
                    report.numbers += 1;
                    chunk.push(phone);
                }
                Err(_) => {
                    report.unreadable += 1;
                    if report.unreadable_lines.len() < limits::REJECTS_SHOWN {
                        report.unreadable_lines.push(line);
                    }
                }
            }
        }
        if (ended || chunk.len() >= limits::LIST_CHUNK) && !chunk.is_empty() && !order.dry_run {
            report.added += write(ledger, order, target, &chunk)?;
        }
        if ended || chunk.len() >= limits::LIST_CHUNK {
            chunk.clear();
        }
        if ended {
            break;
        }
    }
    if order.dry_run {
        return Ok(report);
    }
    let legible = report.unreadable * 100 <= total * limits::LIST_BAD_PERCENT && report.numbers > 0;
    if let (Some(file), true) = (target, legible) {
        report.counts_as_read = true;
        for old in ledger.finish_dnc(file, order.now)? {
            report.replaced += 1;
            remove(ledger, old, order.now)?;
        }
    }
    (report.leads_blocked, report.leads_freed) = look_through(ledger, order.now)?;
    Ok(report)
}

fn place(order: &ListOrder<'_>) -> Result<NumberPlace, Failure> {
    let file = LeadFile::open(order.file)?;
    NumberPlace::find(file.header(), order.country).ok_or_else(|| {
        Failure::usage(format!("{}: its first row names no phone column and holds no number", shown(order.file)))
            .next("give it a header line with `phone`; national numbers need --country")
    })
}

fn write(
    ledger: &mut Ledger,
    order: &ListOrder<'_>,
    target: Option<i64>,
    chunk: &[crate::base::Phone],
) -> Result<u64, LedgerFault> {
    match (&order.purpose, target) {
        (Purpose::DoNotCall { .. }, Some(file)) => ledger.dnc_chunk(file, chunk),
        (Purpose::DoNotCall { .. }, None) => Ok(0),
        (Purpose::Own { reason }, _) => {
            let source = format!("file {}", shown(order.file));
            ledger.atomically(|ledger| {
                let mut added = 0;
                for phone in chunk {
                    added += u64::from(ledger.suppress(phone, reason, &source, order.now)?);
                }
                Ok(added)
            })
        }
    }
}

/// Removes a do-not-call file, number by number.
pub fn remove(ledger: &mut Ledger, file: i64, now: Wall) -> Result<(), LedgerFault> {
    while ledger.drop_dnc(file, limits::LIST_CHUNK as u32, now)? {}
    Ok(())
}

/// Blocks waiting leads that a list names by now, and frees those that none names any more. Gives how many of each.
pub fn look_through(ledger: &mut Ledger, now: Wall) -> Result<(u64, u64), LedgerFault> {
    let (mut blocked, mut freed) = (0, 0);
    let mut after = LeadId(0);
    loop {
        let (last, more_blocked, more_freed) = ledger.look_through_leads(after, limits::LIST_CHUNK as u32, now)?;
        blocked += more_blocked;
        freed += more_freed;
        match last {
            Some(last) => after = last,
            None => return Ok((blocked, freed)),
        }
    }
}
