//! `ahoy tickets`.
#![allow(missing_docs)] // clap turns the comments here into help texts

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use super::{Context, print_json, print_line};
use crate::base::{Country, Exit, Failure, Phone};
use crate::run::campaign::open_ledger;
use crate::run::clock::{Clock, MachineClock};
use crate::show::table::table;
use crate::show::words::say;
use crate::store::ledger::{Ledger, TicketCounts};
use crate::store::ticketfile;

const EXAMPLES: &str = "\
Examples:
  ahoy tickets import open.csv --country BG          # reference,phone,kind and, if there are, note,opened
  ahoy tickets import open.csv --all --dry-run       # the file names every open ticket: the rest would be closed
  ahoy tickets list
  ahoy tickets close T-1042

An open ticket chooses what its caller hears first: [[returning]] of campaign.toml (docs/INBOUND.md). A desk that is being
served follows changes within a second.

Exit codes: 0 done · 1 I/O failure · 2 wrong arguments or file, nothing written · 3 lines of the file are no tickets (the
rest is read in)";

/// Arguments of `ahoy tickets`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct TicketsArgs {
    #[command(subcommand)]
    command: TicketsCommand,
}

#[derive(Debug, Subcommand)]
enum TicketsCommand {
    /// Open tickets from a CSV file, or bring them up to date
    Import {
        /// The file; - for standard input
        file: PathBuf,
        /// Country of national numbers
        #[arg(long, value_name = "CC")]
        country: Option<Country>,
        /// The file names every open ticket: close all others
        #[arg(long)]
        all: bool,
        /// Read and check the file, write nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Open tickets, newest first
    List {
        /// Closed ones too
        #[arg(long)]
        all: bool,
        /// Of this number
        #[arg(long, value_name = "NUMBER")]
        phone: Option<String>,
        /// Show so many
        #[arg(long, default_value_t = 50, value_name = "N")]
        limit: u32,
    },
    /// Close tickets by their references
    Close {
        /// References
        #[arg(required = true)]
        references: Vec<String>,
    },
}

/// Runs `ahoy tickets`.
pub fn run(args: &TicketsArgs, context: &Context) -> Result<Exit, Failure> {
    let ws = context.workspace()?;
    let now = MachineClock.wall();
    match &args.command {
        TicketsCommand::Import { file, country, all, dry_run } => {
            let read = ticketfile::read(file, *country, now)?;
            let counts = match *dry_run {
                true => None,
                false => Some(open_ledger(&ws, now)?.open_tickets(&read.tickets, *all, now)?),
            };
            told(&read, counts, context)?;
            Ok(if read.bad.is_empty() { Exit::Done } else { Exit::Findings })
        }
        TicketsCommand::List { all, phone, limit } => {
            let path = ws.ledger_path();
            let phone = phone.as_deref().map(|text| Phone::parse(text, None)).transpose();
            let phone = phone.map_err(|fault| Failure::usage(format!("--phone: {fault}")))?;
            let rows = match path.exists() {
                true => Ledger::open_read_only(&path)?.tickets(!all, phone.as_ref(), *limit)?,
                false => Vec::new(),
            };
            let mut shown = Vec::new();
            for row in rows {
                let (number, closed) = (row.phone.to_string(), row.closed_at.map(|at| at.rfc3339()));
                let ticket = row.ticket;
                if context.json() {
                    print_json(&json!({ "reference": ticket.reference, "phone": number, "kind": ticket.kind,
                        "note": ticket.note, "opened_at": ticket.opened.rfc3339(), "closed_at": closed }))?;
                } else {
                    let state = if closed.is_some() { "closed" } else { "open" };
                    let note = ticket.note.unwrap_or_default();
                    shown.push(vec![
                        ticket.reference,
                        number,
                        ticket.kind,
                        state.to_owned(),
                        ticket.opened.date(),
                        note,
                    ]);
                }
            }
            if !context.json() {
                match shown.is_empty() {
                    true => say("no tickets"),
                    false => {
                        print_line(&table(&["reference", "number", "kind", "state", "opened", "note"], &shown, &[]))?
                    }
                }
            }
            Ok(Exit::Done)
        }
        TicketsCommand::Close { references } => {
            let mut ledger = open_ledger(&ws, now)?;
            let mut closed = 0;
            for reference in references {
                match ledger.close_ticket(reference, now)? {
                    true => closed += 1,
                    false => say(&format!("no open ticket `{reference}`")),
                }
            }
            if context.json() {
                print_json(&json!({ "closed": closed }))?;
            } else if !context.global.quiet {
                print_line(&format!("{closed} closed"))?;
            }
            if closed == 0 {
                Err(Failure::usage("nothing was closed").next("`ahoy tickets list`"))
            } else {
                Ok(Exit::Done)
            }
        }
    }
}

fn told(read: &ticketfile::TicketFile, counts: Option<TicketCounts>, context: &Context) -> Result<(), Failure> {
    for (line, why) in read.bad.iter().take(20) {
        say(&format!("line {line}: {why}"));
    }
    if read.bad.len() > 20 {
        say(&format!("and {} more", read.bad.len() - 20));
    }
    if context.json() {
        return print_json(&json!({ "tickets": read.tickets.len(), "bad_lines": read.bad.len(), "written": counts }));
    }
    if context.global.quiet {
        return Ok(());
    }
    match counts {
        None => print_line(&format!("{} tickets in the file; nothing was written", read.tickets.len())),
        Some(counts) => print_line(&format!(
            "{} opened, {} changed, {} as they were, {} closed",
            counts.opened, counts.changed, counts.same, counts.closed
        )),
    }
}
