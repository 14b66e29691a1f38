//! `ahoy cache prune`: audio that no lock refers to goes.

use std::time::Duration;

use clap::Args;
use serde_json::json;

use crate::base::{Exit, Failure};
use crate::cli::{Context, print_json, print_line, sure};
use crate::run::render;
use crate::show::words::say;
use crate::store::shelf::Shelf;
use crate::store::workspace::Workspace;

/// Assets younger than this are never pruned: a generation may be about to lock them.
const PRUNE_AGE: Duration = Duration::from_secs(3_600);

/// Assets that are shown before somebody is asked.
const SHOWN: usize = 20;

pub(super) const PRUNE_HELP: &str = "\
Examples:
  ahoy cache prune --dry-run
  ahoy cache prune --yes       for cron; what is younger than an hour stays
  ahoy cache prune --yes --all

Exit codes: 0 done, or nothing to remove · 1 I/O failure · 2 a lock cannot be read, or nobody to ask (give --yes)";

#[derive(Debug, Args)]
pub(super) struct PruneArgs {
    /// Show what would go; remove nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Also what is younger than an hour (not while another process generates)
    #[arg(long)]
    all: bool,
}

pub(super) fn prune(ws: &Workspace, args: &PruneArgs, context: &Context) -> Result<Exit, Failure> {
    let age = if args.all { Duration::ZERO } else { PRUNE_AGE };
    let list = render::prunable(ws, age)?;
    let bytes: u64 = list.iter().map(|it| it.bytes).sum();
    let what = format!("{} assets ({bytes} bytes) that no lock refers to", list.len());
    if !args.dry_run && !list.is_empty() && !args.yes {
        // What would go is shown before anybody is asked.
        for it in list.iter().take(SHOWN) {
            say(&format!("{}…  {} bytes", it.fingerprint.short(), it.bytes));
        }
        if list.len() > SHOWN {
            say(&format!("and {} more (--dry-run shows all of them)", list.len() - SHOWN));
        }
        if !sure(&format!("Remove {what}?"), &format!("remove {what}"))? {
            return Ok(Exit::Done);
        }
    }
    let swept = if args.dry_run { Default::default() } else { Shelf::at(&ws.cache_dir()).remove(&list)? };
    if context.json() {
        let names: Vec<_> = list.iter().map(|it| &it.fingerprint).collect();
        print_json(&json!({ "dry_run": args.dry_run, "found": list.len(), "bytes": bytes, "removed": swept.assets,
            "freed": swept.bytes, "busy": swept.busy, "fingerprints": names }))?;
    } else if args.dry_run {
        for it in &list {
            print_line(&format!("{}  {} bytes", it.fingerprint, it.bytes))?;
        }
        say(&format!("would remove {what}"));
    } else if !context.global.quiet {
        print_line(&format!("removed {} assets, {} bytes; {} left, in use", swept.assets, swept.bytes, swept.busy))?;
    }
    Ok(Exit::Done)
}
