//! `ahoy cache report`: a page to listen through.

use std::path::PathBuf;

use clap::Args;

use super::Campaigns;
use crate::base::{Exit, Failure};
use crate::cli::{Context, write_page};
use crate::run::render;
use crate::store::workspace::Workspace;

pub(super) const REPORT_HELP: &str = "\
Examples:
  ahoy cache report welcome --out phrases.html
  ahoy cache report > phrases.html

One file with every phrase: its text, waveform, level, player and findings. It needs nothing else, and opens from a disk.

Exit codes: 0 written · 1 I/O failure · 2 a file is wrong";

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    #[command(flatten)]
    campaigns: Campaigns,
    /// File to write; none = standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn report(ws: &Workspace, args: &ReportArgs, context: &Context) -> Result<Exit, Failure> {
    let page = render::page(ws, &ws.campaigns(&args.campaigns.names)?)?;
    write_page(args.out.as_deref(), &page, context)?;
    Ok(Exit::Done)
}
