//! `ahoy doctor`: is everything there that a campaign needs?

use std::sync::Arc;

use super::{Context, EXIT_CODES, print_json, print_line};
use crate::base::{Exit, Failure};
use crate::run::clock::MachineClock;
use crate::run::doctor::{DoctorReport, State, examine};
use crate::show::table::table;
use crate::show::words::say;

/// Arguments of `ahoy doctor`.
#[derive(Debug, clap::Args)]
#[command(after_help = help())]
pub struct DoctorArgs {
    /// Carriers to ask; all of ahoy.toml if none is named
    carriers: Vec<String>,
}

fn help() -> String {
    format!(
        "Asks each carrier whether it takes our credentials and knows the numbers we call from, compares the clocks, and asks our\n\
         own gateway through its public URL, signed and unsigned, by HTTP and by WebSocket. Changes nothing and calls nobody.\n\n\
         Exit 12: credentials are refused. Exit 3: something else would make calls fail.\n\n\
         Examples:\n  ahoy doctor\n  ahoy doctor main --json | jq -r '.checks[] | select(.state == \"fail\") | .found'\n\n{EXIT_CODES}"
    )
}

/// Runs `ahoy doctor`.
pub fn run(args: &DoctorArgs, context: &Context) -> Result<Exit, Failure> {
    let ws = context.workspace()?;
    let report = crate::run::block_on(2, examine(&ws, Arc::new(MachineClock), &args.carriers))?;
    if context.json() {
        print_json(&report)?;
    } else {
        show(&report, context.global.quiet)?;
    }
    Ok(report.exit())
}

fn show(report: &DoctorReport, quiet: bool) -> Result<(), Failure> {
    let shown = |state: State| !quiet || state == State::Fail || state == State::Warn;
    let checks = || report.checks.iter().filter(|check| shown(check.state));
    let word = |state: State| match state {
        State::Ok => "ok",
        State::Warn => "look",
        State::Fail => "FAILS",
        State::Skipped => "not asked",
    };
    let rows: Vec<Vec<String>> = checks()
        .map(|check| {
            vec![check.subject.clone(), check.check.to_owned(), word(check.state).to_owned(), check.found.clone()]
        })
        .collect();
    if !rows.is_empty() {
        print_line(&table(&["", "check", "", "found"], &rows, &[]))?;
    }
    for check in checks().filter(|check| check.state != State::Ok) {
        if let Some(next) = &check.next {
            say(&format!("{}, {}: {next}", check.subject, check.check));
        }
    }
    Ok(())
}
