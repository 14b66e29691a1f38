//! `ahoy cache doctor`: is the cache as it should be?

use clap::Args;

use super::Campaigns;
use crate::base::{Exit, Failure};
use crate::cli::{Context, print_json, print_line};
use crate::run::render::{self, Is};
use crate::show::table::table;
use crate::store::workspace::Workspace;

pub(super) const DOCTOR_HELP: &str = "\
Examples:
  ahoy cache doctor
  ahoy cache doctor welcome --json

The folder, its free space, what stands in it that should not, and the engines that the campaigns name: program found, key
readable, model still served. Nothing is sent to any service. What is heard is the matter of `ahoy cache verify`.

Exit codes: 0 all is well · 1 I/O failure · 2 a file is wrong · 3 something is worth a look · 13 something will fail";

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    #[command(flatten)]
    campaigns: Campaigns,
}

pub(super) fn doctor(ws: &Workspace, args: &DoctorArgs, context: &Context) -> Result<Exit, Failure> {
    let (all, exit) = render::doctor(ws, &ws.campaigns(&args.campaigns.names)?)?;
    if context.json() {
        for it in &all {
            print_json(it)?;
        }
        return Ok(exit);
    }
    let word = |is: Is| match is {
        Is::Ok => "ok",
        Is::Warn => "look",
        Is::Bad => "bad",
    };
    let shown = all.iter().filter(|it| !context.global.quiet || it.is != Is::Ok);
    let rows: Vec<Vec<String>> =
        shown.map(|it| vec![word(it.is).to_owned(), it.what.clone(), it.found.clone(), it.next.clone()]).collect();
    if !rows.is_empty() {
        print_line(&table(&["", "what", "found", "what to do"], &rows, &[]))?;
    }
    Ok(exit)
}
