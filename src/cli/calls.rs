//! `ahoy calls`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Subcommand;
use serde_json::json;

use super::clone::event_line;
use super::{Context, print_json, print_line};
use crate::base::time::parse_span;
use crate::base::{CallId, Exit, Failure, Slug, limits};
use crate::core::call::report::Report;
use crate::run::clock::{Clock, MachineClock};
use crate::run::control;
use crate::run::latencies::by_campaign;
use crate::run::leads::read_ledger;
use crate::show::calls as show;
use crate::show::clones::EventLine;
use crate::show::live::Live;
use crate::show::words::say;
use crate::store::calllog;

const EXAMPLES: &str = "\
Examples:
  ahoy calls list --limit 5
  ahoy calls list --unknown        # what belongs to no call of the ledger
  ahoy calls show 0192d3a4
  ahoy calls tail                  # beside a run: every call, as it happens
  ahoy calls tail 0192d3a4 --follow
  ahoy calls inbound --since 2026-11-01
  ahoy calls fetch --wait 10m      # recordings, what the calls cost, transcripts, summaries
  ahoy calls latency --since 2026-11-01 --campaign welcome

The recording of a call is audio.wav in its folder: the callee left, we right, 8 kHz. docs/CALLS.md tells the rest.
Exit codes: 0 done · 1 a log cannot be read, or a carrier cannot be asked · 2 no such call · 3 fetch: recordings are
missing for good, transcripts or summaries · 12 fetch: the account is refused";

/// Arguments of `ahoy calls`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct CallsArgs {
    /// Folder of call logs, such as a demo's; default: the workspace's
    #[arg(long, global = true, value_name = "DIR")]
    dir: Option<PathBuf>,
    #[command(subcommand)]
    command: CallsCommand,
}

#[derive(Debug, Subcommand)]
enum CallsCommand {
    /// Newest calls first
    List {
        /// Show so many
        #[arg(long, default_value_t = 20, value_name = "N")]
        limit: usize,
        /// Only what belongs to no call of the ledger: folders, recordings and callbacks that nobody can claim
        #[arg(long)]
        unknown: bool,
    },
    /// One call: events, what was heard and pressed, where the recording is
    Show {
        /// The call's id, or its first characters
        id: String,
    },
    /// Beside a run: what happens to every call, until the run ends or Ctrl-C; else, or with an id, the events of one
    /// call as they were written
    Tail {
        /// The call's id, or its first characters; the newest call if absent
        id: Option<String>,
        /// Go on until the call ends
        #[arg(long, short)]
        follow: bool,
    },
    /// Get what comes after calls: recordings that are not in their folders yet, prices, transcripts and summaries
    Fetch {
        /// Go on until nothing is waited for, at most this long, such as 10m
        #[arg(long, value_name = "SPAN", value_parser = parse_span)]
        wait: Option<Duration>,
    },
    /// Calls that people made to us: what greeted them, and what they came to
    Inbound(super::calls_inbound::InboundArgs),
    /// How long people wait: answer → first audio, speech → clear, the agent; p50 to p99, of each campaign and of all
    Latency {
        /// Only this campaign's calls; may be given several times
        #[arg(long, value_name = "NAME")]
        campaign: Vec<Slug>,
        /// Only calls that began on this day (UTC) or later
        #[arg(long, value_name = "YYYY-MM-DD")]
        since: Option<jiff::civil::Date>,
    },
}

/// Runs `ahoy calls`.
pub fn run(args: &CallsArgs, context: &Context) -> Result<Exit, Failure> {
    let calls = match &args.dir {
        Some(dir) => dir.clone(),
        None => context.workspace()?.calls_dir(),
    };
    match &args.command {
        CallsCommand::List { limit, unknown: true } => super::unknown::run(&calls, *limit, context),
        CallsCommand::List { limit, unknown: false } => list(&calls, *limit, context),
        CallsCommand::Show { id } => show_one(&calls, id, context),
        CallsCommand::Tail { id, follow } => {
            if id.is_none() && args.dir.is_none() && crate::run::block_on(1, live(context))? {
                return Ok(Exit::Done);
            }
            let (call, folder) = find(&calls, id.as_deref())?;
            crate::run::block_on(1, tail(call, &folder, *follow, context.json()))?;
            Ok(Exit::Done)
        }
        CallsCommand::Fetch { wait } => super::fetch::run(*wait, context),
        CallsCommand::Inbound(args) => super::calls_inbound::run(args, context),
        CallsCommand::Latency { campaign, since } => latency(&calls, *since, campaign, args.dir.is_none(), context),
    }
}

/// The only call whose id begins so; the newest if none is named.
fn find(calls: &Path, id: Option<&str>) -> Result<(CallId, PathBuf), Failure> {
    let wanted = id.unwrap_or("").to_ascii_lowercase();
    let most = if id.is_some() { limits::CALL_FOLDERS } else { 1 };
    let found = calllog::list(calls, most)?;
    let mut found = found.into_iter().filter(|(call, _)| call.to_string().starts_with(&wanted));
    match (found.next(), found.next()) {
        (Some(call), None) => Ok(call),
        (Some(_), Some(_)) => {
            Err(Failure::usage(format!("several calls begin with `{wanted}`")).next("give more of the id"))
        }
        (None, _) => Err(Failure::usage(format!("no call `{wanted}` in {}", calls.display()))
            .next("`ahoy calls list` shows the calls of this workspace")),
    }
}

fn list(calls: &Path, limit: usize, context: &Context) -> Result<Exit, Failure> {
    let mut rows = Vec::new();
    for (call, folder) in calllog::list(calls, limit)? {
        let report = Report::of(&calllog::read(call, &folder)?.lines);
        if context.json() {
            print_json(&json!({ "call": call, "folder": folder, "report": report }))?;
        } else {
            rows.push((call, report));
        }
    }
    match (context.json(), rows.is_empty()) {
        (true, _) => {}
        (false, true) => say(&format!(
            "no calls in {} (a demo keeps its own: ahoy calls list --dir demo/RUN/calls)",
            calls.display()
        )),
        (false, false) => print_line(&show::list(&rows))?,
    }
    Ok(Exit::Done)
}

fn show_one(calls: &Path, id: &str, context: &Context) -> Result<Exit, Failure> {
    let (call, folder) = find(calls, Some(id))?;
    let record = calllog::read(call, &folder)?;
    let (report, recording) = (Report::of(&record.lines), calllog::recording(&folder)?);
    let carriers = Some(folder.join(calllog::CARRIER_AUDIO)).filter(|path| path.is_file());
    let clones = clone_events(call, context)?;
    let made = calllog::transcript(call, &folder)?;
    let said = calllog::said(&folder)?.unwrap_or_else(|| report.agent.transcript.clone());
    let (summary, tasks) = (calllog::summary(&folder)?, tasks_of(call, context)?);
    if context.json() {
        let clones: Vec<serde_json::Value> = clones.iter().map(|it| it.json()).collect();
        print_json(&json!({
            "call": call, "report": report, "events": record.lines, "unread": record.unread, "recording": recording,
            "carrier_recording": carriers, "clone_events": clones, "transcript": made, "said": said, "summary": summary,
            "tasks": tasks, "call_back": wish_of(call, context)?,
        }))?;
    } else {
        let beside = show::Beside {
            ours: recording.as_deref(),
            carriers: carriers.as_deref(),
            said: &said,
            summary: summary.as_ref(),
            tasks: &tasks,
        };
        print_line(&show::show(call, &report, &record.lines, &beside))?;
        for event in clones {
            print_line(&event.text())?;
        }
        if record.unread > 0 {
            say(&format!("{} lines of the event log could not be read (cut, or of a newer version)", record.unread));
        }
    }
    Ok(Exit::Done)
}

/// What happened to the clone of the caller's voice that this call waited for.
fn clone_events(call: CallId, context: &Context) -> Result<Vec<EventLine>, Failure> {
    let workspace = context.workspace()?;
    // The call's folder tells its story without a ledger, and with one that cannot be read.
    let ledger = match read_ledger(&workspace.ledger_path()) {
        Ok(Some(ledger)) => ledger,
        Ok(None) => return Ok(Vec::new()),
        Err(failure) => {
            say(&format!("note: {}", failure.what));
            return Ok(Vec::new());
        }
    };
    Ok(ledger.clone_events_of_call(call)?.iter().map(event_line).collect())
}

/// What became of the call that this call's caller was promised.
fn wish_of(call: CallId, context: &Context) -> Result<Option<crate::store::ledger::WishRow>, Failure> {
    let Ok(ws) = context.workspace() else { return Ok(None) };
    let Some(ledger) = crate::run::leads::read_ledger(&ws.ledger_path())? else { return Ok(None) };
    Ok(ledger.wish(call)?)
}

/// What is waited for or missing after a call: which, `waiting` or `missing`, why. Nothing without a ledger (a demo's calls).
fn tasks_of(call: CallId, context: &Context) -> Result<Vec<(String, String, String)>, Failure> {
    let Ok(ws) = context.workspace() else { return Ok(Vec::new()) };
    let Some(ledger) = crate::run::leads::read_ledger(&ws.ledger_path())? else { return Ok(Vec::new()) };
    let open = ledger.tasks_of(call)?.into_iter().filter(|task| task.state != "done");
    Ok(open.map(|task| (task.kind, task.state, task.reason.unwrap_or_default())).collect())
}

/// What the engine of this workspace tells, if there is one.
async fn live(context: &Context) -> Result<bool, Failure> {
    let ws = context.workspace()?;
    let mut told = Live::default();
    control::follow(&ws, &MachineClock, |note| {
        let at = MachineClock.wall();
        if context.json() {
            return print_json(&json!({ "at": at.rfc3339(), "note": note }));
        }
        told.line(at, note).map_or(Ok(()), |line| print_line(&line))
    })
    .await
}

async fn tail(call: CallId, folder: &Path, follow: bool, json: bool) -> Result<(), Failure> {
    let mut shown = 0;
    loop {
        let record = calllog::read(call, folder)?;
        for line in record.lines.iter().skip(shown) {
            if json {
                print_json(line)?;
            } else {
                print_line(&show::event(line))?;
            }
        }
        shown = record.lines.len();
        if !follow || Report::of(&record.lines).cause.is_some() {
            return Ok(());
        }
        MachineClock.sleep(Duration::from_millis(200)).await;
    }
}

fn latency(
    calls: &Path,
    since: Option<jiff::civil::Date>,
    only: &[Slug],
    own: bool,
    context: &Context,
) -> Result<Exit, Failure> {
    let since = since.map(|day| day.to_string()).unwrap_or_default();
    // A folder of others, such as a demo's, has a ledger of its own, if any.
    let ledger = match own.then(|| context.workspace()).transpose()? {
        Some(ws) => crate::run::leads::read_ledger(&ws.ledger_path())?,
        None => None,
    };
    let found = by_campaign(calls, ledger.as_ref(), &since, only)?;
    if context.json() {
        print_json(&found)?;
    } else {
        print_line(&show::latency(&found.all, &found.campaigns))?;
    }
    Ok(Exit::Done)
}
