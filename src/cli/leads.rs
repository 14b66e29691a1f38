//! `ahoy leads`: people to call.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::review::{Decision, ReviewArgs, decide};
use super::suppress::{self, DncArgs, SuppressArgs, UnsuppressArgs};
use super::{Context, print_json, print_line};
use crate::base::text::printable;
use crate::base::{Country, Exit, Failure, LeadId, Phone, Slug, Wall, limits};
use crate::core::lead::{Columns, Field, Lead, read_row};
use crate::run::clock::{Clock, MachineClock};
use crate::show::leads::{ImportReport, LeadLine, RejectLine, import_text, lead_table};
use crate::show::progress;
use crate::show::words::say;
use crate::store::csvfile::{self, LeadFile, Rejects, default_rejects_path};
use crate::store::ledger::{
    ImportCounts, LeadFilter, LeadRow, LeadState, LeadStateName, Ledger, LedgerFault, OpenOptions,
};
use crate::store::workspace::shown;

const EXAMPLES: &str = "\
Examples:
  ahoy leads import people.csv --campaign welcome
  ahoy leads import export.csv --campaign welcome --country BG --map phone=Mobile,name=Client --dry-run
  ahoy leads list --campaign welcome --state blocked
  ahoy leads suppress +359888123456 --reason \"asked by letter\"

Columns: phone (needed), name, language, country, timezone, consent; all others become variables. Many header words are
known (tel, mobile, téléphone, телефон, טלפון, …); --map names a column by hand. Importing a file again adds nothing.
Rows that cannot be used go to FILE.rejected.csv with line and reason.

Exit codes: 0 done (rejected rows are listed) · 1 bug or I/O failure · 2 unusable file or arguments, nothing written ·
11 the ledger is locked by another process";

/// Arguments of `ahoy leads`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct LeadsArgs {
    #[command(subcommand)]
    command: LeadsCommand,
}

#[derive(Debug, Subcommand)]
enum LeadsCommand {
    /// Read a CSV file into a campaign
    #[command(after_help = EXAMPLES)]
    Import(ImportArgs),
    /// List leads and where they stand (numbers are masked)
    #[command(after_help = EXAMPLES)]
    List(ListArgs),
    /// Let leads out of review: they are called again
    Release(ReviewArgs),
    /// Close leads that wait in review: their campaign calls them no more
    Close(ReviewArgs),
    /// Never call a number, a range, or a file of numbers again, in any campaign
    Suppress(SuppressArgs),
    /// Take a number off the suppression list again
    Unsuppress(UnsuppressArgs),
    /// What the suppression list holds (never a number)
    Suppressed,
    /// Do-not-call files of others, such as a national registry
    Dnc(DncArgs),
}

#[derive(Debug, clap::Args)]
struct ImportArgs {
    /// CSV file with a header line, UTF-8; separated by comma, semicolon or tab
    file: PathBuf,
    /// Campaign that the leads belong to
    #[arg(long, value_name = "NAME")]
    campaign: Slug,
    /// Country of national numbers without a country column, such as BG
    #[arg(long, value_name = "CC")]
    country: Option<Country>,
    /// Which column is what, such as phone=Tel,name=Client
    #[arg(long, value_name = "FIELD=COLUMN", value_delimiter = ',')]
    map: Vec<String>,
    /// Read and check everything, write nothing
    #[arg(long)]
    dry_run: bool,
    /// Where rejected rows go [default: FILE.rejected.csv beside the input]
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    /// Only this campaign
    #[arg(long, value_name = "NAME")]
    campaign: Option<Slug>,
    /// Only leads in this state: ready, held, done, blocked, review
    #[arg(long, value_name = "STATE")]
    state: Option<LeadStateName>,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u32,
    /// Only leads after this id (to page on)
    #[arg(long, value_name = "ID")]
    after: Option<i64>,
}

/// Runs `ahoy leads`.
pub fn run(args: &LeadsArgs, context: &Context) -> Result<Exit, Failure> {
    match &args.command {
        LeadsCommand::Import(args) => import(args, context),
        LeadsCommand::List(args) => list(args, context),
        LeadsCommand::Release(args) => decide(args, Decision::Release, context),
        LeadsCommand::Close(args) => decide(args, Decision::Close, context),
        LeadsCommand::Suppress(args) => suppress::suppress(args, context),
        LeadsCommand::Unsuppress(args) => suppress::unsuppress(args, context),
        LeadsCommand::Suppressed => suppress::suppressed(context),
        LeadsCommand::Dnc(args) => suppress::dnc(args, context),
    }
}

fn import(args: &ImportArgs, context: &Context) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    workspace.campaign(&args.campaign)?;
    let map = args.map.iter().map(|pair| read_map(pair)).collect::<Result<Vec<_>, _>>()?;
    let order = ImportOrder {
        ledger: workspace.ledger_path(),
        file: args.file.clone(),
        campaign: args.campaign.clone(),
        country: args.country,
        map,
        rejects: args.rejects.clone().unwrap_or_else(|| default_rejects_path(&args.file)),
        dry_run: args.dry_run,
        now: MachineClock.wall(),
        bar: !context.global.quiet && !context.json(),
    };
    let report = import_file(&order)?;
    if context.json() {
        print_json(&report)?;
    } else if !context.global.quiet {
        print_line(&import_text(&report))?;
    }
    Ok(Exit::Done)
}

fn read_map(pair: &str) -> Result<(Field, String), Failure> {
    let (field, column) = pair.split_once('=').ok_or_else(|| {
        Failure::usage(format!("--map `{}` has no =", printable(pair))).next("write --map phone=Tel,name=Client")
    })?;
    let field = field
        .parse()
        .map_err(|fault: crate::core::lead::HeaderFault| Failure::usage(fault.to_string()).next(fault.next_step()))?;
    Ok((field, column.to_owned()))
}

/// One import: what is read, and where it goes.
#[derive(Debug, Clone)]
pub struct ImportOrder {
    pub ledger: PathBuf,
    pub file: PathBuf,
    pub campaign: Slug,
    pub country: Option<Country>,
    pub map: Vec<(Field, String)>,
    pub rejects: PathBuf,
    pub dry_run: bool,
    pub now: Wall,
    /// Draw a progress bar, if stderr is a terminal.
    pub bar: bool,
}

/// Imports a file: reads it once whole (so that a fault anywhere means that nothing is written), then in chunks.
pub fn import_file(order: &ImportOrder) -> Result<ImportReport, Failure> {
    let header = LeadFile::open(&order.file)?;
    let columns = Columns::read(header.header(), &order.map)
        .map_err(|fault| Failure::usage(format!("{}: {fault}", shown(&order.file))).next(fault.next_step()))?;
    let total = csvfile::check(&order.file)?;
    let bar = progress::bar(order.bar, total, "leads");
    let mut report = ImportReport {
        campaign: order.campaign.to_string(),
        file: shown(&order.file),
        dry_run: order.dry_run,
        rows: total,
        ..ImportReport::default()
    };
    let mut target = Target::open(order)?;
    let mut rejects = Rejects::new(order.rejects.clone(), header.header(), header.separator());
    drop(header);
    read_rows(order, &columns, &bar, &mut report, |leads, reject| {
        if let (Some((row, reason)), false) = (reject, order.dry_run) {
            rejects.add(row, reason)?;
        }
        target.take(leads)
    })?;
    let counts = target.finish()?;
    report.added = counts.added;
    report.already = counts.already;
    report.duplicates = counts.duplicate_in_file;
    report.suppressed = counts.suppressed;
    if !order.dry_run {
        report.rejects_file = rejects.finish()?.map(|path| shown(&path));
    }
    bar.finish_and_clear();
    Ok(report)
}

type Reject<'a> = (&'a csvfile::Row, &'a str);

/// Reads row by row; each row is given on as a lead or as a reject.
fn read_rows(
    order: &ImportOrder,
    columns: &Columns,
    bar: &progress::ProgressBar,
    report: &mut ImportReport,
    mut give: impl FnMut(Option<Lead>, Option<Reject<'_>>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut file = LeadFile::open(&order.file)?;
    while let Some(row) = file.next_row()? {
        let fields: Vec<&str> = row.fields.iter().map(String::as_str).collect();
        match read_row(columns, row.line, &fields, order.country) {
            Ok(lead) => give(Some(lead), None)?,
            Err(fault) => {
                let reason = fault.to_string();
                report.rejected += 1;
                *report.reasons.entry(fault.kind().to_owned()).or_default() += 1;
                if report.first_rejects.len() < limits::REJECTS_SHOWN {
                    report.first_rejects.push(RejectLine { line: row.line, reason: reason.clone() });
                }
                give(None, Some((&row, &reason)))?;
            }
        }
        bar.inc(1);
    }
    Ok(())
}

/// Where leads go: the ledger in chunks, or nowhere (dry run).
enum Target<'a> {
    Ledger {
        ledger: Box<Ledger>,
        order: &'a ImportOrder,
        import: crate::store::ledger::ImportId,
        chunk: Vec<Lead>,
        counts: ImportCounts,
    },
    Nowhere {
        ledger: Option<Box<Ledger>>,
        campaign: &'a Slug,
        seen: HashSet<Phone>,
        counts: ImportCounts,
    },
}

impl<'a> Target<'a> {
    fn open(order: &'a ImportOrder) -> Result<Target<'a>, Failure> {
        let counts = ImportCounts::default();
        if order.dry_run {
            let ledger = read_ledger(&order.ledger)?.map(Box::new);
            return Ok(Target::Nowhere { ledger, campaign: &order.campaign, seen: HashSet::new(), counts });
        }
        let mut ledger = Box::new(Ledger::open(&order.ledger, &OpenOptions::with_fresh_key(order.now))?);
        let import = ledger.begin_import(&order.campaign, &shown(&order.file), order.now)?;
        Ok(Target::Ledger { ledger, order, import, chunk: Vec::new(), counts })
    }

    fn take(&mut self, lead: Option<Lead>) -> Result<(), Failure> {
        let Some(lead) = lead else { return Ok(()) };
        match self {
            Target::Ledger { chunk, .. } => {
                chunk.push(lead);
                if chunk.len() >= limits::IMPORT_CHUNK { self.flush() } else { Ok(()) }
            }
            Target::Nowhere { ledger, campaign, seen, counts } => {
                let there = match ledger {
                    Some(ledger) => ledger.has_lead(campaign, &lead.phone)?,
                    None => false,
                };
                if there {
                    counts.already += 1;
                } else if seen.insert(lead.phone.clone()) {
                    counts.added += 1;
                    if let Some(ledger) = ledger {
                        counts.suppressed += u64::from(ledger.is_suppressed(&lead.phone)?);
                    }
                } else {
                    counts.duplicate_in_file += 1;
                }
                Ok(())
            }
        }
    }

    fn flush(&mut self) -> Result<(), Failure> {
        if let Target::Ledger { ledger, order, import, chunk, counts } = self {
            let came =
                ledger.import_in_portions(&order.campaign, *import, chunk, order.now, &|| MachineClock.boot())?;
            counts.added += came.added;
            counts.already += came.already;
            counts.duplicate_in_file += came.duplicate_in_file;
            counts.suppressed += came.suppressed;
            chunk.clear();
        }
        Ok(())
    }

    fn finish(mut self) -> Result<ImportCounts, Failure> {
        self.flush()?;
        match self {
            Target::Ledger { counts, .. } | Target::Nowhere { counts, .. } => Ok(counts),
        }
    }
}

/// The ledger for reading, or `None` if there is none yet.
fn read_ledger(path: &Path) -> Result<Option<Ledger>, Failure> {
    match Ledger::open_read_only(path) {
        Ok(ledger) => Ok(Some(ledger)),
        Err(LedgerFault::Missing(_)) => Ok(None),
        Err(fault) => Err(fault.into()),
    }
}

fn list(args: &ListArgs, context: &Context) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let filter = LeadFilter {
        campaign: args.campaign.clone(),
        state: args.state,
        after: args.after.map(LeadId),
        limit: args.limit.clamp(1, limits::LIST_ROWS),
    };
    let leads = match read_ledger(&workspace.ledger_path())? {
        Some(ledger) => ledger.leads(&filter)?,
        None => Vec::new(),
    };
    let lines: Vec<LeadLine> = leads.iter().map(lead_line).collect();
    if context.json() {
        for line in &lines {
            print_json(line)?;
        }
    } else if lines.is_empty() {
        say("no such leads; `ahoy leads import FILE --campaign NAME` brings them in");
    } else {
        print_line(&lead_table(&lines))?;
        if let (Some(last), true) = (lines.last(), lines.len() as u64 >= u64::from(filter.limit)) {
            say(&format!("there may be more: --after {} --limit {}", last.id, filter.limit));
        }
    }
    Ok(Exit::Done)
}

fn lead_line(lead: &LeadRow) -> LeadLine {
    let (state, detail) = match lead.state {
        LeadState::Ready(due) => (LeadStateName::Ready, format!("due {due}")),
        LeadState::Held(attempt) => (LeadStateName::Held, format!("attempt {attempt}")),
        LeadState::Done(outcome) => (LeadStateName::Done, outcome.to_string()),
        LeadState::Blocked(reason) => (LeadStateName::Blocked, reason.to_string()),
        LeadState::Review => (LeadStateName::Review, "a person must look".to_owned()),
    };
    LeadLine {
        id: lead.id.0,
        campaign: lead.campaign.to_string(),
        phone: lead.phone.to_string(),
        name: lead.name.clone(),
        language: lead.language.as_ref().map(ToString::to_string),
        country: lead.country.as_ref().map(ToString::to_string),
        state: state.to_string(),
        detail,
        attempts: lead.attempts_used,
    }
}
