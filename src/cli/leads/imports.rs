//! `ahoy leads imports` and `undo`: what came in, and the way back.

use clap::Args;
use serde_json::json;

use crate::base::text::printable;
use crate::base::{Exit, Failure, Slug, limits};
use crate::cli::{Context, print_json, print_line, sure};
use crate::run::clock::{Clock, MachineClock};
use crate::run::leads::read_ledger;
use crate::show::table::table;
use crate::show::words::say;
use crate::store::ledger::{ImportId, ImportLine, ImportState, Ledger, OpenOptions, Undone};

pub(super) const IMPORTS_HELP: &str = "\
Examples:
  ahoy leads imports
  ahoy leads imports --campaign welcome --json

Exit codes: 0 listed · 1 I/O failure";
pub(super) const UNDO_HELP: &str = "\
Examples:
  ahoy leads undo 12 --dry-run
  ahoy leads undo 12 --yes

Leads that the import added go, unless somebody was called; what --on-duplicate update changed is put back, unless it changed
again since. What stays is told.

Exit codes: 0 done, or not wanted after all · 1 I/O failure · 2 no such import, undone before, or nobody to ask (give --yes)";

#[derive(Debug, Args)]
pub(super) struct ImportsArgs {
    /// Only this campaign
    #[arg(long, value_name = "NAME")]
    campaign: Option<Slug>,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: u32,
}

#[derive(Debug, Args)]
pub(super) struct UndoArgs {
    /// The import's number (`ahoy leads imports`)
    #[arg(value_name = "IMPORT")]
    import: i64,
    /// Show what would go; change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// Runs `ahoy leads imports`.
pub(super) fn imports(args: &ImportsArgs, context: &Context) -> Result<Exit, Failure> {
    let lines = match read_ledger(&context.workspace()?.ledger_path())? {
        Some(ledger) => ledger.imports(args.campaign.as_ref(), args.limit.clamp(1, limits::LIST_ROWS))?,
        None => Vec::new(),
    };
    if context.json() {
        for line in &lines {
            print_json(&json!({ "import": line.id.0, "campaign": line.campaign, "file": line.file,
                "at": line.at.rfc3339(), "ended_at": line.ended_at.map(|at| at.rfc3339()), "state": line.state,
                "rows": line.rows, "counts": line.counts }))?;
        }
        return Ok(Exit::Done);
    }
    if lines.is_empty() {
        say("nothing was imported yet");
        return Ok(Exit::Done);
    }
    let header = ["import", "campaign", "file", "began", "state", "rows", "added", "updated", "there already"];
    print_line(&table(&header, &lines.iter().map(cells).collect::<Vec<_>>(), &[0, 5, 6, 7, 8]))?;
    Ok(Exit::Done)
}

fn cells(line: &ImportLine) -> Vec<String> {
    let state = match line.state {
        ImportState::Open => "broken off".to_owned(),
        ImportState::Done | ImportState::Undone => line.state.to_string(),
    };
    vec![
        line.id.0.to_string(),
        line.campaign.to_string(),
        printable(&line.file),
        line.at.rfc3339(),
        state,
        line.rows.to_string(),
        line.counts.added.to_string(),
        line.counts.updated.to_string(),
        line.counts.already.to_string(),
    ]
}

/// Runs `ahoy leads undo`.
pub(super) fn undo(args: &UndoArgs, context: &Context) -> Result<Exit, Failure> {
    let path = context.workspace()?.ledger_path();
    let import = ImportId(args.import);
    let reader = read_ledger(&path)?;
    let line = match &reader {
        Some(reader) => reader.import_line(import)?,
        None => None,
    };
    let (Some(reader), Some(line)) = (reader, line) else {
        return Err(Failure::usage(format!("there is no import {}", args.import)).next("ahoy leads imports"));
    };
    if line.state == ImportState::Undone {
        return Err(Failure::usage(format!("import {} was undone before", args.import)).next("ahoy leads imports"));
    }
    let plan = reader.undo_plan(import)?;
    drop(reader);
    if args.dry_run || (!args.yes && !asked(&line, &plan)?) {
        tell(&plan, true, context)?;
        return Ok(Exit::Done);
    }
    let now = MachineClock.wall();
    let mut ledger = Ledger::open(&path, &OpenOptions::with_fresh_key(now))?;
    let undone = ledger.undo_import(import, now, &|| MachineClock.boot())?;
    tell(&undone, false, context)?;
    Ok(Exit::Done)
}

fn tell(undone: &Undone, dry_run: bool, context: &Context) -> Result<(), Failure> {
    if context.json() {
        return print_json(&json!({ "dry_run": dry_run, "removed": undone.removed, "called": undone.called,
            "restored": undone.restored, "changed_since": undone.changed_since }));
    }
    if context.global.quiet {
        return Ok(());
    }
    let would = if dry_run { "would be " } else { "" };
    print_line(&format!(
        "{} leads {would}removed, {} {would}put back; {} stay since somebody was called, {} since they changed again",
        undone.removed, undone.restored, undone.called, undone.changed_since
    ))
}

fn asked(line: &ImportLine, plan: &Undone) -> Result<bool, Failure> {
    let what = format!("{} leads of {} ({})", plan.removed + plan.restored, printable(&line.file), line.campaign);
    sure(&format!("Take back {what}?"), &format!("take back {what}"))
}
