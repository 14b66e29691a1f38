//! `ahoy init`: a workspace with one campaign, ready to be changed.

use std::path::PathBuf;

use super::{Context, print_json, print_line};
use crate::base::{Exit, Failure, Slug};
use crate::show::words::say;
use crate::store::init;

/// Arguments of `ahoy init`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Writes ahoy.toml, .gitignore, campaigns/NAME/campaign.toml and leads.csv; changes nothing that \
is there.\n\nExamples:\n  ahoy init                     # here\n  ahoy init calls --campaign spring"
)]
pub struct InitArgs {
    /// Folder of the new workspace; made if it is not there
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Name of its first campaign
    #[arg(long, default_value = "first")]
    campaign: Slug,
}

/// Runs `ahoy init`.
pub fn run(args: &InitArgs, context: &Context) -> Result<Exit, Failure> {
    let written = init::workspace(&args.folder, &args.campaign)?;
    if context.json() {
        print_json(&serde_json::json!({ "written": written }))?;
        return Ok(Exit::Done);
    }
    for file in &written {
        print_line(&format!("wrote {file}"))?;
    }
    if !context.global.quiet {
        let name = &args.campaign;
        say(&format!(
            "next: edit campaigns/{name}/campaign.toml and leads.csv, then\n  ahoy cache generate {name}\n  ahoy leads \
             import campaigns/{name}/leads.csv --campaign {name}\n  ahoy campaign plan {name}\n  ahoy campaign run {name}"
        ));
    }
    Ok(Exit::Done)
}
