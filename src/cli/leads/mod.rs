//! `ahoy leads`: people to call. One file a group of verbs.

mod import;
mod imports;
mod list;
mod person;

use clap::Subcommand;

use super::Context;
use super::review::{Decision, ReviewArgs, decide};
use super::suppress::{self, DncArgs, SuppressArgs, UnsuppressArgs};
use crate::base::{Exit, Failure, Slug};
use crate::core::lead::filter::{Compare, Filter, Name, Value};

const EXAMPLES: &str = "\
Examples:
  ahoy leads import people.csv --campaign welcome
  ahoy leads list --where \"country = 'FR' and tag = 'vip'\"
  ahoy leads show +359888123456
  ahoy leads suppress +359888123456 --reason \"asked by letter\"

docs/LEADS.md tells what files are read, how numbers are understood, and the filter language.";

/// Arguments of `ahoy leads`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct LeadsArgs {
    #[command(subcommand)]
    command: LeadsCommand,
}

#[derive(Debug, Subcommand)]
enum LeadsCommand {
    /// Read a CSV file or an Excel workbook into a campaign
    #[command(after_help = import::IMPORT_HELP)]
    Import(import::ImportArgs),
    /// The history of imports
    #[command(after_help = imports::IMPORTS_HELP)]
    Imports(imports::ImportsArgs),
    /// Take an import back, as far as nobody was called
    #[command(after_help = imports::UNDO_HELP)]
    Undo(imports::UndoArgs),
    /// List leads and where they stand (numbers are masked)
    #[command(after_help = list::LIST_HELP)]
    List(list::ListArgs),
    /// One person: consent, hours now, every attempt and call
    #[command(after_help = person::SHOW_HELP)]
    Show(person::WhoArgs),
    /// Write leads to a CSV, JSON or Excel file
    #[command(after_help = list::EXPORT_HELP)]
    Export(list::ExportArgs),
    /// Give leads a tag, or take it away
    #[command(after_help = list::TAG_HELP)]
    Tag(list::TagArgs),
    /// Erase a person; their number stays suppressed
    #[command(after_help = person::FORGET_HELP)]
    Forget(person::ForgetArgs),
    /// What a number is: E.164, country, kind of line, zones
    #[command(after_help = person::NUMBER_HELP)]
    Number(person::NumberArgs),
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

/// Runs `ahoy leads`.
pub fn run(args: &LeadsArgs, context: &Context) -> Result<Exit, Failure> {
    match &args.command {
        LeadsCommand::Import(args) => import::import(args, context),
        LeadsCommand::Imports(args) => imports::imports(args, context),
        LeadsCommand::Undo(args) => imports::undo(args, context),
        LeadsCommand::List(args) => list::list(args, context),
        LeadsCommand::Show(args) => person::show(args, context),
        LeadsCommand::Export(args) => list::export(args, context),
        LeadsCommand::Tag(args) => list::tag(args, context),
        LeadsCommand::Forget(args) => person::forget(args, context),
        LeadsCommand::Number(args) => person::number(args, context),
        LeadsCommand::Release(args) => decide(args, Decision::Release, context),
        LeadsCommand::Close(args) => decide(args, Decision::Close, context),
        LeadsCommand::Suppress(args) => suppress::suppress(args, context),
        LeadsCommand::Unsuppress(args) => suppress::unsuppress(args, context),
        LeadsCommand::Suppressed => suppress::suppressed(context),
        LeadsCommand::Dnc(args) => suppress::dnc(args, context),
    }
}

/// A filter as typed.
pub(super) fn read_filter(text: &str) -> Result<Filter, Failure> {
    Filter::read(text).map_err(|fault| {
        let failure = Failure::usage(fault.to_string());
        match fault.hint {
            Some(hint) => failure.next(hint),
            None => failure,
        }
    })
}

/// A filter as typed, together with a campaign and a state; `None` = every lead.
fn segment(filter: Option<&str>, campaign: Option<&Slug>, state: Option<&str>) -> Result<Option<Filter>, Failure> {
    let is = |name: Name, value: &str| Filter::Is(name, Compare::Equal, Value::Text(value.to_owned()));
    let mut parts = Vec::new();
    parts.extend(campaign.map(|campaign| is(Name::Campaign, campaign.as_str())));
    parts.extend(state.map(|state| is(Name::State, state)));
    parts.extend(filter.map(read_filter).transpose()?);
    Ok(if parts.is_empty() { None } else { Some(Filter::All(parts)) })
}
