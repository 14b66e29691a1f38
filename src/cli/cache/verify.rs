//! `ahoy cache verify`: lock, phrases and audio, offline.

use clap::Args;
use serde_json::json;

use super::Campaigns;
use crate::base::{Exit, Failure};
use crate::cli::{Context, print_json, print_line};
use crate::core::asset::verify::Binding;
use crate::run::render;
use crate::show::cache::findings_table;
use crate::show::words::say;
use crate::store::workspace::Workspace;

pub(super) const VERIFY_HELP: &str = "\
Examples:
  ahoy cache verify                    all campaigns
  ahoy cache verify ci-example --json  one finding a line, then a summary
  ahoy cache verify --locked           the lock's hash binds for every engine (audio committed beside its lock)

Exit codes: 0 all is sound · 1 I/O failure · 2 a file is wrong · 3 findings (stale, orphan, refused by the ear) ·
13 audio missing or damaged (stronger than 3)";

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    campaigns: Campaigns,
    /// Hold every file to the lock's hash, also from engines that never give the same samples twice
    #[arg(long)]
    locked: bool,
}

pub(super) fn verify(ws: &Workspace, args: &VerifyArgs, context: &Context) -> Result<Exit, Failure> {
    let binding = if args.locked { Binding::Always } else { Binding::Reproducible };
    let verified = render::verify(ws, &ws.campaigns(&args.campaigns.names)?, binding)?;
    let findings = &verified.findings;
    let exit = findings.iter().fold(Exit::Done, |exit, it| exit.and(it.problem.exit()));
    if context.json() {
        for it in findings {
            print_json(&json!({ "campaign": it.campaign, "key": it.key, "language": it.language,
                "finding": it.problem.word(), "what": it.problem.to_string(), "problem": it.problem }))?;
        }
        print_json(&json!({ "phrases": verified.phrases, "assets": verified.assets, "findings": findings.len(),
            "exit": exit.code() }))?;
        return Ok(exit);
    }
    if !findings.is_empty() {
        print_line(&findings_table(findings))?;
        say(&format!(
            "{} findings in {} phrases; `ahoy cache generate` renders what is missing, stale or damaged",
            findings.len(),
            verified.phrases
        ));
    } else if !context.global.quiet {
        print_line(&format!("{} phrases, {} assets: all sound", verified.phrases, verified.assets))?;
    }
    Ok(exit)
}
