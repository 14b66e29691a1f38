//! `ahoy reconcile`: the ledger against the carrier, by hand.

use std::sync::Arc;

use super::{Context, EXIT_CODES, print_json, print_line};
use crate::base::{Exit, Failure, Slug};
use crate::run::clock::MachineClock;
use crate::run::reconcile::{Account, Line, ReconcileOptions, ReconcileReport, reconcile};
use crate::show::table::table;
use crate::show::words::say;

/// Arguments of `ahoy reconcile`.
#[derive(Debug, clap::Args)]
#[command(after_help = help())]
pub struct ReconcileArgs {
    /// Only attempts of these campaigns; all of them if none is named
    campaigns: Vec<Slug>,
    /// Show what is open; ask nothing, write nothing
    #[arg(long, conflicts_with_all = ["import", "wait"])]
    dry_run: bool,
    /// Write down the calls that this ledger does not know (a restored or copied ledger, a first run), so that it may dial
    #[arg(long)]
    import: bool,
    /// Go on until no outcome is unknown: at most the horizon, if the carrier answers
    #[arg(long)]
    wait: bool,
    /// Ask about attempts of a renamed or removed carrier through this one, if its account is the same
    #[arg(long, value_name = "NAME")]
    carrier: Option<String>,
}

fn help() -> String {
    format!(
        "Exit 14 while outcomes are unknown, calls are there that this ledger does not know, or an account cannot be asked.\n\n\
         Examples:\n  ahoy reconcile\n  ahoy reconcile --wait --quiet && ahoy campaign run welcome --yes\n  \
         ahoy reconcile --import   # after a restore\n\n{EXIT_CODES}"
    )
}

/// Runs `ahoy reconcile`.
pub fn run(args: &ReconcileArgs, context: &Context) -> Result<Exit, Failure> {
    let ws = context.workspace()?;
    if !ws.ledger_path().exists() {
        return Err(Failure::usage(format!("there is no ledger at {} yet", ws.ledger_path().display()))
            .next("import people first: `ahoy leads import FILE --campaign NAME`"));
    }
    let options = ReconcileOptions {
        campaigns: args.campaigns.clone(),
        dry_run: args.dry_run,
        import: args.import,
        wait: args.wait,
        carrier: args.carrier.clone(),
    };
    let report = crate::run::block_on(1, reconcile(&ws, Arc::new(MachineClock), &options))?;
    if context.json() {
        print_json(&report)?;
    } else if !context.global.quiet {
        show(&report)?;
    }
    Ok(report.exit)
}

fn show(report: &ReconcileReport) -> Result<(), Failure> {
    if let Some(who) = &report.engine {
        say(&format!("{who}: it asks the carrier by itself; this is what stands in the ledger"));
    }
    if report.attempts.is_empty() {
        say("no attempt is open");
    } else {
        let header = ["attempt", "campaign", "number", "account", "before", "now", "proof, or what is waited for"];
        let rows: Vec<Vec<String>> = report.attempts.iter().map(row).collect();
        print_line(&table(&header, &rows, &[]))?;
    }
    for account in &report.accounts {
        for sentence in sentences(account) {
            say(&sentence);
        }
    }
    if report.orphans > 0 {
        say(&format!(
            "callbacks came about {} attempts that this ledger does not know: it may be an older copy",
            report.orphans
        ));
    }
    for (reason, leads) in &report.review {
        say(&format!(
            "{leads} leads wait for a person ({reason}): `ahoy leads release --reason {reason}` calls them again, \
             `ahoy leads close --reason {reason}` does not"
        ));
    }
    Ok(())
}

fn row(line: &Line) -> Vec<String> {
    let proof = match (&line.evidence, &line.outcome) {
        (Some(list), _) => format!(
            "list of {}: {} pages, {} calls between the numbers, none its own",
            list.asked_at, list.pages, list.calls
        ),
        (None, Some(outcome)) => outcome.clone(),
        (None, None) if matches!(line.after, "intent" | "unknown") => {
            format!("may be released after {}, if the carrier's list shows none", line.release_after)
        }
        (None, None) => "the carrier has it".to_owned(),
    };
    let (before, after) = (line.before.to_owned(), line.after.to_owned());
    let attempt = line.attempt.to_string();
    vec![attempt, line.campaign.to_string(), line.phone.clone(), line.account.clone(), before, after, proof]
}

fn sentences(account: &Account) -> Vec<String> {
    let mut told = Vec::new();
    let name = &account.account;
    if let Some(fault) = &account.fault {
        told.push(format!("{name}: {fault}"));
    }
    if let Some(horizon) = &account.horizon {
        let why = if horizon.raised { ", raised by what was seen" } else { "" };
        told.push(format!("{name}: an unknown outcome is waited for {} s{why}", horizon.total.as_secs()));
    }
    if account.strangers > 0 {
        told.push(format!(
            "{name}: {} calls that this ledger does not know; `ahoy reconcile --import` writes them down",
            account.strangers
        ));
    }
    if account.adopted + account.counted > 0 {
        told.push(format!(
            "{name}: {} calls belong to leads now, {} count towards the caps of their numbers",
            account.adopted, account.counted
        ));
    }
    if account.must_end > 0 {
        told.push(format!("{name}: {} calls must end and are not known to be over", account.must_end));
    }
    told
}
