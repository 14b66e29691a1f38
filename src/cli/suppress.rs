//! `ahoy leads suppress|unsuppress|suppressed|dnc`: who must never be called.

use std::path::PathBuf;

use super::{Context, print_json, print_line};
use crate::base::{Country, Exit, Failure, Phone, Prefix, Wall};
use crate::run::clock::{Clock, MachineClock};
use crate::run::suppress::{ListOrder, ListReport, Purpose, look_through, read_list, remove};
use crate::show::progress;
use crate::show::suppress::{dnc_table, list_text, lists_text};
use crate::show::words::say;
use crate::store::ledger::{Ledger, OpenOptions};

const EXAMPLES: &str = "\
Examples:
  ahoy leads suppress +359888123456 --reason \"asked by letter\"
  ahoy leads suppress '+4490*' --reason \"premium range\"
  ahoy leads suppress --file left.csv --country BG --reason \"former customers\"
  ahoy leads unsuppress +359888123456 --reason \"typed the wrong number\"
  ahoy leads dnc import registry.csv --country US --source ftc --dated 2026-11-01
  ahoy leads suppressed

A number is kept as a keyed hash. The key lies beside the ledger (ahoy.db.key): back it up with the ledger, apart from it.
Without the key nobody is called (exit code 15).

Exit codes: 0 done · 1 bug or I/O failure · 2 wrong arguments or file, nothing written · 3 more than 1 % of a do-not-call
file cannot be read: it does not count as read · 11 the ledger is locked · 15 the key is missing or another ledger's";

/// Arguments of `ahoy leads suppress`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct SuppressArgs {
    /// A number (national with --country), or a range such as '+4490*'
    #[arg(required_unless_present_any = ["file", "new_key"], conflicts_with_all = ["file", "new_key"])]
    number: Option<String>,
    /// Why; kept in the ledger
    #[arg(long)]
    reason: String,
    /// Country of national numbers
    #[arg(long, value_name = "CC")]
    country: Option<Country>,
    /// A file of numbers: one a line, or CSV with a phone column
    #[arg(long, value_name = "FILE", conflicts_with = "new_key")]
    file: Option<PathBuf>,
    /// Read and check the file, write nothing
    #[arg(long, requires = "file")]
    dry_run: bool,
    /// The key is lost: begin a new list. Leads that this ledger blocked for the old one stay blocked
    #[arg(long)]
    new_key: bool,
}

/// Arguments of `ahoy leads unsuppress`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct UnsuppressArgs {
    /// The number (national with --country) or the range
    number: String,
    /// Why; kept in the audit
    #[arg(long)]
    reason: String,
    /// Country of a national number
    #[arg(long, value_name = "CC")]
    country: Option<Country>,
}

/// Arguments of `ahoy leads dnc`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct DncArgs {
    #[command(subcommand)]
    command: DncCommand,
}

#[derive(Debug, clap::Subcommand)]
enum DncCommand {
    /// Read a do-not-call file; it takes the place of an older one of the same country and source
    #[command(after_help = EXAMPLES)]
    Import {
        /// One number a line, CSV with a phone column, or area code and number as the American registry gives them
        file: PathBuf,
        /// Whose rules ask for it
        #[arg(long, value_name = "CC")]
        country: Country,
        /// Where it comes from
        #[arg(long, value_name = "NAME")]
        source: String,
        /// The day it was drawn up, such as 2026-11-21
        #[arg(long, value_name = "DAY", value_parser = Wall::from_date)]
        dated: Wall,
        /// Read and check, write nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// The files that bind, with their age
    List,
    /// Forget a file
    Remove {
        /// Its id, as `dnc list` shows it
        id: i64,
    },
}

fn open(context: &Context, now: Wall) -> Result<Ledger, Failure> {
    let workspace = context.workspace()?;
    Ok(Ledger::open(&workspace.ledger_path(), &OpenOptions::with_fresh_key(now))?)
}

fn reason(text: &str) -> Result<&str, Failure> {
    match text.trim() {
        "" => Err(Failure::usage("--reason is empty").next("say why in a few words: it is kept as evidence")),
        text => Ok(text),
    }
}

enum Which {
    One(Phone),
    Range(Prefix),
}

fn which(text: &str, country: Option<Country>) -> Result<Which, Failure> {
    if text.trim_end().ends_with('*') {
        let range = text.parse().map_err(|fault: crate::base::phone::BadPrefix| {
            Failure::usage(fault.to_string()).next("write it as '+4490*', in quotes")
        })?;
        return Ok(Which::Range(range));
    }
    Phone::parse(text, country)
        .map(Which::One)
        .map_err(|fault| Failure::usage(fault.to_string()).next("write it as +359888123456"))
}

/// Runs `ahoy leads suppress`.
pub fn suppress(args: &SuppressArgs, context: &Context) -> Result<Exit, Failure> {
    let why = reason(&args.reason)?;
    let now = MachineClock.wall();
    if args.new_key {
        return new_key(why, context, now);
    }
    if let Some(file) = &args.file {
        let purpose = Purpose::Own { reason: why.to_owned() };
        let order = ListOrder { file, country: args.country, purpose, dry_run: args.dry_run, now };
        return import(&order, context);
    }
    let text = args.number.as_deref().ok_or_else(|| Failure::usage("no number was given"))?;
    let which = which(text, args.country)?;
    let mut ledger = open(context, now)?;
    let (shown, added, blocked) = match &which {
        Which::One(phone) => (phone.to_string(), ledger.suppress(phone, why, "cli", now)?, None),
        Which::Range(prefix) => {
            ledger.check_suppression_key()?;
            let added = ledger.suppress_prefix(prefix, why, "cli", now)?;
            let (blocked, _) = look_through(&mut ledger, now)?;
            (format!("{prefix}*"), added, Some(blocked))
        }
    };
    if context.json() {
        let key = if blocked.is_some() { "prefix" } else { "phone" };
        let mut told = serde_json::json!({ key: shown, "added": added });
        if let Some(blocked) = blocked {
            told["leads_blocked"] = blocked.into();
        }
        print_json(&told)?;
    } else if !context.global.quiet {
        let word = if added { "is never called again" } else { "was on the suppression list before" };
        let leads = blocked.map(|n| format!("; {n} waiting leads blocked")).unwrap_or_default();
        print_line(&format!("{shown} {word}{leads}"))?;
    }
    Ok(Exit::Done)
}

fn new_key(why: &str, context: &Context, now: Wall) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let options = OpenOptions::with_fresh_key(now);
    let mut ledger = Ledger::open(&workspace.ledger_path(), &options)?;
    if ledger.check_suppression_key().is_ok() {
        return Err(Failure::usage("the key of the suppression list is there, nothing is lost")
            .next("`ahoy leads suppressed` shows the list"));
    }
    let (lost, kept) = ledger.renew_suppression_key(&workspace.ledger_path(), &options.fresh_key, why, now)?;
    if context.json() {
        print_json(&serde_json::json!({ "lost": lost, "kept": kept }))?;
    } else {
        print_line(&format!(
            "a new suppression list: {lost} numbers of the old one are lost, {kept} are kept from leads"
        ))?;
        say("bring your own lists and do-not-call files again before anybody is called");
    }
    Ok(Exit::Done)
}

/// Runs `ahoy leads unsuppress`.
pub fn unsuppress(args: &UnsuppressArgs, context: &Context) -> Result<Exit, Failure> {
    let why = reason(&args.reason)?;
    let which = which(&args.number, args.country)?;
    let now = MachineClock.wall();
    let mut ledger = open(context, now)?;
    let (shown, gone) = match &which {
        Which::One(phone) => (phone.to_string(), ledger.unsuppress(phone, why, now)?),
        Which::Range(prefix) => {
            ledger.check_suppression_key()?;
            (format!("{prefix}*"), ledger.unsuppress_prefix(prefix, why, now)?)
        }
    };
    let (_, freed) = look_through(&mut ledger, now)?;
    let still = match &which {
        Which::One(phone) => ledger.is_suppressed(phone)?,
        Which::Range(_) => false,
    };
    if context.json() {
        print_json(&serde_json::json!({ "number": shown, "removed": gone, "leads_freed": freed, "still": still }))?;
    } else if !context.global.quiet {
        let word = if gone { "was taken off the list" } else { "was not on our own list" };
        let tail = if still { "; a range or a do-not-call file still names it" } else { "" };
        print_line(&format!("{shown} {word}; {freed} leads may be called again{tail}"))?;
    }
    Ok(Exit::Done)
}

/// Runs `ahoy leads suppressed`.
pub fn suppressed(context: &Context) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let ledger = Ledger::open_read_only(&workspace.ledger_path())?;
    let counts = ledger.suppression_counts()?;
    if context.json() {
        let own: std::collections::BTreeMap<_, _> = counts.own.iter().cloned().collect();
        let ranges: Vec<_> = counts
            .prefixes
            .iter()
            .map(|row| serde_json::json!({ "prefix": row.prefix.as_str(), "reason": row.reason, "at": row.at.rfc3339() }))
            .collect();
        let files = counts.files.len();
        print_json(&serde_json::json!({ "own": own, "prefixes": ranges, "dnc_files": files }))?;
    } else {
        print_line(&lists_text(&counts_lines(&counts)))?;
    }
    ledger.check_suppression_key()?;
    Ok(Exit::Done)
}

fn counts_lines(counts: &crate::store::ledger::SuppressionCounts) -> Vec<(String, u64)> {
    let own = counts.own.iter().map(|(reason, n)| (format!("own list: {reason}"), *n));
    let ranges = counts.prefixes.iter().map(|row| (format!("range {}*: {}", row.prefix, row.reason), 1));
    let files =
        counts.files.iter().map(|file| (format!("{} do-not-call file: {}", file.country, file.source), file.rows));
    own.chain(ranges).chain(files).collect()
}

/// Runs `ahoy leads dnc`.
pub fn dnc(args: &DncArgs, context: &Context) -> Result<Exit, Failure> {
    let now = MachineClock.wall();
    match &args.command {
        DncCommand::Import { file, country, source, dated, dry_run } => {
            if *dated > now {
                return Err(Failure::usage(format!("--dated {} lies ahead", dated.date()))
                    .next("give the day on which the file was drawn up"));
            }
            let purpose = Purpose::DoNotCall { country: *country, source: source.clone(), dated: *dated };
            import(&ListOrder { file, country: Some(*country), purpose, dry_run: *dry_run, now }, context)
        }
        DncCommand::List => list_files(context, now),
        DncCommand::Remove { id } => {
            let mut ledger = open(context, now)?;
            if !ledger.dnc_files()?.iter().any(|file| file.id == *id) {
                return Err(Failure::usage(format!("there is no do-not-call file {id}")).next("ahoy leads dnc list"));
            }
            remove(&mut ledger, *id, now)?;
            let (_, freed) = look_through(&mut ledger, now)?;
            if context.json() {
                print_json(&serde_json::json!({ "removed": id, "leads_freed": freed }))?;
            } else if !context.global.quiet {
                print_line(&format!("file {id} is forgotten; {freed} leads may be called again"))?;
            }
            Ok(Exit::Done)
        }
    }
}

fn list_files(context: &Context, now: Wall) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let files = Ledger::open_read_only(&workspace.ledger_path())?.dnc_files()?;
    let age_days = |dated: Wall| (now.0 - dated.0) / 86_400_000;
    if context.json() {
        for file in &files {
            print_json(&serde_json::json!({
                "id": file.id, "country": file.country.to_string(), "source": file.source, "dated": file.dated.date(),
                "age_days": age_days(file.dated), "numbers": file.rows, "complete": file.complete,
            }))?;
        }
    } else if files.is_empty() {
        say("no do-not-call files; `ahoy leads dnc import FILE --country CC --source NAME --dated DAY` brings one");
    } else {
        let rows = files.iter().map(|file| {
            vec![
                file.id.to_string(),
                file.country.to_string(),
                file.source.clone(),
                file.dated.date(),
                format!("{} days", age_days(file.dated)),
                file.rows.to_string(),
                if file.complete { "read whole" } else { "broken off: its age does not count" }.to_owned(),
            ]
        });
        print_line(&dnc_table(&rows.collect::<Vec<_>>()))?;
    }
    Ok(Exit::Done)
}

fn import(order: &ListOrder<'_>, context: &Context) -> Result<Exit, Failure> {
    let mut ledger = open(context, order.now)?;
    let bar = progress::bar(!context.global.quiet && !context.json(), 0, "numbers");
    let report = read_list(&mut ledger, order, |total| {
        bar.set_length(total);
        bar.inc(1);
    })?;
    bar.finish_and_clear();
    if context.json() {
        print_json(&report)?;
    } else if !context.global.quiet {
        print_line(&list_text(&lines_of(&report)))?;
    }
    let judged = matches!(order.purpose, Purpose::DoNotCall { .. }) && !order.dry_run;
    if judged && !report.counts_as_read {
        say("too many rows cannot be read: the numbers that were read bind, but the file does not count as read. \
             Is --country right?");
        return Ok(Exit::Findings);
    }
    Ok(Exit::Done)
}

fn lines_of(report: &ListReport) -> Vec<(&'static str, u64)> {
    let mut lines = vec![("numbers read", report.numbers), ("rows that cannot be read", report.unreadable)];
    if !report.dry_run {
        lines.extend([
            ("new to the list", report.added),
            ("waiting leads blocked", report.leads_blocked),
            ("leads free again", report.leads_freed),
            ("older files replaced", report.replaced),
        ]);
    }
    lines
}
