//! `ahoy doctor`: is everything there that a campaign needs?

use std::sync::Arc;

use super::{Context, EXIT_CODES, print_json, print_line, sure};
use crate::base::{Exit, Failure, Phone};
use crate::run::clock::MachineClock;
use crate::run::doctor::{DoctorReport, LiveCall, State, examine};
use crate::show::table::table;
use crate::show::words::say;

/// Arguments of `ahoy doctor`.
#[derive(Debug, clap::Args)]
#[command(after_help = help())]
pub struct DoctorArgs {
    /// Carriers to ask; all of ahoy.toml if none is named
    carriers: Vec<String>,
    /// Then call this telephone, which should be your own, and follow the call the whole way round
    #[arg(long, value_name = "NUMBER", value_parser = number)]
    live: Option<Phone>,
    /// The number that is shown there; if absent, the first that a campaign calls from
    #[arg(long, value_name = "NUMBER", value_parser = number, requires = "live")]
    from: Option<Phone>,
    /// Call without asking
    #[arg(long, short, requires = "live")]
    yes: bool,
}

fn number(text: &str) -> Result<Phone, String> {
    Phone::from_e164(text).map_err(|_| "write it with its country, such as +14155550100".to_owned())
}

fn help() -> String {
    format!(
        "Asks each carrier whether it takes our credentials and knows the numbers we call from, compares the clocks, and asks our\n\
         own gateway through its public URL, signed and unsigned, by HTTP and by WebSocket. Changes nothing and calls nobody.\n\n\
         --live NUMBER then calls your own telephone with three beeps: a real call, at the carrier's price. It tells whether the\n\
         order is taken, callbacks and stream arrive from the carrier's side, and sound goes both ways. The ledger knows the call:\n\
         it counts towards the caps of its number, and nobody dials meanwhile.\n\n\
         Exit 12: credentials are refused. Exit 3: something else would make calls fail.\n\n\
         Examples:\n  ahoy doctor\n  ahoy doctor main --live +14155550100\n  ahoy doctor main --json | jq -r '.checks[] | select(.state == \"fail\") | .found'\n\n{EXIT_CODES}"
    )
}

/// Runs `ahoy doctor`.
pub fn run(args: &DoctorArgs, context: &Context) -> Result<Exit, Failure> {
    let ws = context.workspace()?;
    let call = match &args.live {
        Some(to) => Some(LiveCall::plan(&ws, &args.carriers, args.from.clone(), to.clone())?),
        None => None,
    };
    if let Some(call) = call.as_ref().filter(|_| !args.yes) {
        confirm(call)?;
    }
    let report = crate::run::block_on(2, examine(&ws, Arc::new(MachineClock), &args.carriers, call.as_ref()))?;
    if context.json() {
        print_json(&report)?;
    } else {
        show(&report, context.global.quiet)?;
    }
    Ok(report.exit())
}

fn confirm(call: &LiveCall) -> Result<(), Failure> {
    let what = format!("{} from {} by carrier {}", call.to, call.from, call.carrier);
    match sure(&format!("Call {what} now? The carrier charges for it."), &format!("call {what}"))? {
        true => Ok(()),
        false => Err(Failure::new(Exit::Stopped, "nobody was called")),
    }
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
