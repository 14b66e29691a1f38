//! `ahoy calls fetch`: what comes after calls.

use std::sync::Arc;
use std::time::Duration;

use super::{Context, print_json, print_line};
use crate::base::{Exit, Failure};
use crate::run::clock::MachineClock;
use crate::run::recordings::{FetchReport, Fetched, fetch};
use crate::run::writings::WrittenReport;
use crate::show::progress;
use crate::show::words::say;

/// Missing recordings that a person is shown.
const SHOWN: usize = 10;

/// Runs `ahoy calls fetch`.
pub fn run(wait: Option<Duration>, context: &Context) -> Result<Exit, Failure> {
    let ws = context.workspace()?;
    if !ws.ledger_path().exists() {
        return Err(Failure::usage(format!("there is no ledger at {} yet", ws.ledger_path().display()))
            .next("import people first: `ahoy leads import FILE --campaign NAME`"));
    }
    let bar = progress::work_bar(!context.json() && !context.global.quiet, "recordings");
    let each = |looked: &crate::run::recordings::Looked| {
        bar.set_message(format!("{} fetched, {} missing, {} not ready", looked.fetched, looked.missing, looked.later));
    };
    let reports = crate::run::block_on(1, fetch(&ws, Arc::new(MachineClock), wait, each));
    bar.finish_and_clear();
    let Fetched { carriers, written } = reports?;
    if context.json() {
        for report in &carriers {
            print_json(report)?;
        }
        for report in &written {
            print_json(report)?;
        }
    } else if !context.global.quiet {
        if carriers.is_empty() && written.is_empty() {
            say("nothing is waited for after any call, and no call is without a price");
        }
        for line in carriers.iter().flat_map(sentences).chain(written.iter().flat_map(words)) {
            print_line(&line)?;
        }
    }
    let lost = carriers.iter().any(|report| report.recordings.missing > 0)
        || written.iter().any(|report| report.written.missing > 0);
    Ok(if lost { Exit::Findings } else { Exit::Done })
}

fn words(report: &WrittenReport) -> Vec<String> {
    let WrittenReport { campaign, written, waiting, missing } = report;
    let mut told = vec![format!(
        "{campaign}: {} transcripts and {} summaries made ({}), {} missing, {waiting} waited for",
        written.transcripts, written.summaries, written.cost, written.missing
    )];
    told.extend(missing.iter().take(SHOWN).map(|(call, kind, why)| format!("{campaign}: no {kind} of {call}: {why}")));
    told
}

fn sentences(report: &FetchReport) -> Vec<String> {
    let FetchReport { carrier, recordings, prices, .. } = report;
    let mut told = vec![format!(
        "{carrier}: {} recordings fetched, {} missing, {} not ready yet",
        recordings.fetched, recordings.missing, report.waiting
    )];
    // Also those of earlier looks: nobody may have seen them then.
    told.extend(
        report.missing.iter().take(SHOWN).map(|(call, why)| format!("{carrier}: no recording of {call}: {why}")),
    );
    if report.missing.len() > SHOWN {
        told.push(format!("{carrier}: and others without one (--json names the newest {})", report.missing.len()));
    }
    if prices.told + prices.untold > 0 {
        told.push(format!(
            "{carrier}: {} for {} calls; {} calls have no price yet",
            prices.sum, prices.told, prices.untold
        ));
    }
    told
}
