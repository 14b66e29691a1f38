//! `ahoy cache stats`: what the cache has saved.

use clap::Args;

use super::Campaigns;
use crate::base::{Exit, Failure};
use crate::cli::{Context, print_json, print_line};
use crate::run::render;
use crate::show::cache::stats_table;
use crate::store::workspace::Workspace;

pub(super) const STATS_HELP: &str = "\
Examples:
  ahoy cache stats
  ahoy cache stats welcome --json

Served: calls whose stream began, by the ledger. Avoided: those after the first of each greeting; without a cache each would
have waited for a rendering, and paid for it. Time and money are those of the renderings on record.

Exit codes: 0 shown · 1 I/O failure · 2 a file is wrong";

#[derive(Debug, Args)]
pub(super) struct StatsArgs {
    #[command(flatten)]
    campaigns: Campaigns,
}

pub(super) fn stats(ws: &Workspace, args: &StatsArgs, context: &Context) -> Result<Exit, Failure> {
    let all = render::stats(ws, &ws.campaigns(&args.campaigns.names)?)?;
    if context.json() {
        for it in &all {
            print_json(it)?;
        }
        return Ok(Exit::Done);
    }
    print_line(&stats_table(&all))?;
    Ok(Exit::Done)
}
