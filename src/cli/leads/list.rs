//! `ahoy leads list`, `export` and `tag`: segments of leads.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::segment;
use crate::base::{Exit, Failure, LeadId, Slug, limits};
use crate::cli::{Context, print_json, print_line};
use crate::core::lead::filter::Filter;
use crate::core::lead::tags;
use crate::run::clock::{Clock, MachineClock};
use crate::run::leads::{export, read_ledger};
use crate::show::leads::{LeadLine, lead_table};
use crate::show::words::say;
use crate::store::leadfile::LeadFormat;
use crate::store::ledger::{LeadOrder, LeadState, LeadStateName, Ledger, OpenOptions, Person};
use crate::store::workspace::shown;

pub(super) const LIST_HELP: &str = "\
Examples:
  ahoy leads list --campaign welcome --state blocked
  ahoy leads list --where \"country = 'FR' and tag = 'vip'\" --sort due
  ahoy leads list --where \"\\\"ticket no\\\" is not null and tries < 2\" --json

Filters: id, import, campaign, phone, name, language, country, timezone, consent, state, reason, tries, due, created, changed,
tag, or a column of your file in double quotes; = != < <= > >= in (…) like '…%' is null, and, or, not, brackets. Texts and
days stand in single quotes. Numbers of people are masked.

Exit codes: 0 listed · 1 I/O failure · 2 a filter that cannot be read";
pub(super) const EXPORT_HELP: &str = "\
Examples:
  ahoy leads export --campaign welcome --to welcome.csv
  ahoy leads export --where \"state = 'done' and reason = 'answered'\" --to answered.xlsx
  ahoy leads export --format jsonl > leads.jsonl

Numbers are written in full: keep the file as safe as the ledger. The export is noted in the audit. Cells that a spreadsheet
would run as a formula get an apostrophe in front, which an import takes away again.

Exit codes: 0 exported · 1 I/O failure · 2 a filter that cannot be read, or a file that is there already (--force)";
pub(super) const TAG_HELP: &str = "\
Examples:
  ahoy leads tag vip --where \"country = 'FR' and \\\"plan\\\" = 'gold'\"
  ahoy leads tag vip --remove --campaign welcome

Exit codes: 0 done · 1 I/O failure · 2 a filter or tag that cannot be read";

/// Which leads.
#[derive(Debug, Args)]
pub(super) struct Segment {
    /// Only this campaign
    #[arg(long, value_name = "NAME")]
    campaign: Option<Slug>,
    /// Only leads in this state: ready, held, done, blocked, review
    #[arg(long, value_name = "STATE")]
    state: Option<LeadStateName>,
    /// Only leads that a filter lets through, such as "country = 'FR' and tag = 'vip'"
    #[arg(long = "where", value_name = "FILTER")]
    filter: Option<String>,
}

impl Segment {
    fn filter(&self) -> Result<Option<Filter>, Failure> {
        segment(self.filter.as_deref(), self.campaign.as_ref(), self.state.map(LeadStateName::as_str))
    }
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    segment: Segment,
    /// By what the list is sorted
    #[arg(long, value_enum, default_value = "id", value_name = "FIELD")]
    sort: Sort,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u32,
    /// Only leads after this id (to page on)
    #[arg(long, value_name = "ID")]
    after: Option<i64>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Sort {
    Id,
    Name,
    Due,
    Changed,
    Tries,
    Country,
}

impl From<Sort> for LeadOrder {
    fn from(sort: Sort) -> LeadOrder {
        match sort {
            Sort::Id => LeadOrder::Id,
            Sort::Name => LeadOrder::Name,
            Sort::Due => LeadOrder::Due,
            Sort::Changed => LeadOrder::Changed,
            Sort::Tries => LeadOrder::Tries,
            Sort::Country => LeadOrder::Country,
        }
    }
}

/// Runs `ahoy leads list`.
pub(super) fn list(args: &ListArgs, context: &Context) -> Result<Exit, Failure> {
    let filter = args.segment.filter()?;
    let limit = args.limit.clamp(1, limits::LIST_ROWS);
    let mut lines = Vec::new();
    if let Some(ledger) = read_ledger(&context.workspace()?.ledger_path())? {
        ledger.visit_people(filter.as_ref(), args.after.map(LeadId), args.sort.into(), u64::from(limit), |person| {
            lines.push(lead_line(&person));
            Ok::<(), Failure>(())
        })?;
    }
    if context.json() {
        for line in &lines {
            print_json(line)?;
        }
    } else if lines.is_empty() {
        say("no such leads; `ahoy leads import FILE --campaign NAME` brings them in");
    } else {
        print_line(&lead_table(&lines))?;
        if let (Some(last), true, Sort::Id) = (lines.last(), lines.len() as u64 >= u64::from(limit), args.sort) {
            say(&format!("there may be more: --after {} --limit {limit}", last.id));
        }
    }
    Ok(Exit::Done)
}

fn lead_line(lead: &Person) -> LeadLine {
    let (state, detail) = state_words(&lead.state);
    LeadLine {
        id: lead.id.0,
        campaign: lead.campaign.to_string(),
        phone: lead.phone.to_string(),
        name: lead.name.clone(),
        language: lead.language.as_ref().map(ToString::to_string),
        country: lead.country.as_ref().map(ToString::to_string),
        state: state.to_string(),
        detail,
        attempts: lead.tries,
        tags: lead.tags.clone(),
    }
}

/// Where a lead stands, and what there is to say about it.
pub(super) fn state_words(state: &LeadState) -> (LeadStateName, String) {
    match state {
        LeadState::Ready(due) => (LeadStateName::Ready, format!("due {due}")),
        LeadState::Held(attempt) => (LeadStateName::Held, format!("attempt {attempt}")),
        LeadState::Done(outcome) => (LeadStateName::Done, outcome.to_string()),
        LeadState::Blocked(reason) => (LeadStateName::Blocked, reason.to_string()),
        LeadState::Review => (LeadStateName::Review, "a person must look".to_owned()),
    }
}

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    segment: Segment,
    /// Where it goes; its ending tells the format (.csv, .jsonl, .xlsx) [default: standard output, as CSV]
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// csv, jsonl or xlsx [default: by the file's ending]
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<Format>,
    /// Write over a file that is there
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Csv,
    Jsonl,
    Xlsx,
}

impl From<Format> for LeadFormat {
    fn from(format: Format) -> LeadFormat {
        match format {
            Format::Csv => LeadFormat::Csv,
            Format::Jsonl => LeadFormat::JsonLines,
            Format::Xlsx => LeadFormat::Workbook,
        }
    }
}

/// Runs `ahoy leads export`.
pub(super) fn export(args: &ExportArgs, context: &Context) -> Result<Exit, Failure> {
    let filter = args.segment.filter()?;
    let by_ending = args.to.as_ref().and_then(|path| LeadFormat::of(path));
    let format = args.format.map(LeadFormat::from).or(by_ending).unwrap_or(LeadFormat::Csv);
    if let Some(to) = args.to.as_ref().filter(|to| to.exists() && !args.force) {
        return Err(Failure::usage(format!("{} is there already", shown(to))).next("add --force, or name another file"));
    }
    if args.to.is_none() && format == LeadFormat::Workbook {
        return Err(Failure::usage("a workbook needs a file").next("add --to leads.xlsx"));
    }
    let path = context.workspace()?.ledger_path();
    let said = args.segment.filter.clone().unwrap_or_default();
    let rows = export::export(&path, filter.as_ref(), &said, format, args.to.as_deref(), MachineClock.wall())?;
    if context.json() && args.to.is_some() {
        print_json(&json!({ "exported": rows, "file": args.to.as_deref().map(shown) }))?;
    } else if !context.global.quiet {
        say(&format!("{rows} leads exported, with their numbers in full"));
    }
    Ok(Exit::Done)
}

#[derive(Debug, Args)]
pub(super) struct TagArgs {
    /// The tag
    #[arg(value_name = "TAG")]
    tag: String,
    #[command(flatten)]
    segment: Segment,
    /// Take the tag away
    #[arg(long)]
    remove: bool,
}

/// Runs `ahoy leads tag`.
pub(super) fn tag(args: &TagArgs, context: &Context) -> Result<Exit, Failure> {
    let filter = args.segment.filter()?;
    let Some(filter) = filter else {
        return Err(Failure::usage("which leads?").next("add --where, --campaign or --state"));
    };
    let tags = tags(&args.tag).map_err(|fault| Failure::usage(fault.to_string()))?;
    let [tag] = tags.as_slice() else {
        return Err(Failure::usage("one tag at a time").next("a tag has no comma and is not empty"));
    };
    let path = context.workspace()?.ledger_path();
    let now = MachineClock.wall();
    if read_ledger(&path)?.is_none() {
        return Err(Failure::usage("there are no leads yet").next("ahoy leads import FILE --campaign NAME"));
    }
    let mut ledger = Ledger::open(&path, &OpenOptions::with_fresh_key(now))?;
    let leads = ledger.ids_of(Some(&filter))?;
    let mut changed = 0_u64;
    ledger.in_portions(&leads, &|| MachineClock.boot(), |ledger, lead| {
        changed += u64::from(ledger.tag_lead(*lead, tag, !args.remove)?);
        Ok::<(), Failure>(())
    })?;
    if context.json() {
        print_json(&json!({ "tag": tag, "leads": leads.len(), "changed": changed, "removed": args.remove }))?;
    } else if !context.global.quiet {
        let what = if args.remove { "lost" } else { "got" };
        print_line(&format!("{changed} of {} leads {what} the tag {tag}", leads.len()))?;
    }
    Ok(Exit::Done)
}
