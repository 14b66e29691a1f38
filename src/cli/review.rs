//! `ahoy leads release` and `ahoy leads close`: what a person decides about leads that wait in review.

use super::{Context, print_json, print_line};
use crate::base::{Exit, Failure, LeadId};
use crate::run::campaign::open_ledger;
use crate::run::clock::{Clock, MachineClock};

/// Which leads in review.
#[derive(Debug, clap::Args)]
pub struct ReviewArgs {
    /// The lead's id, as `leads list --state review` shows it
    #[arg(required_unless_present = "reason", conflicts_with = "reason", value_name = "LEAD")]
    lead: Option<i64>,
    /// All leads that wait for this reason, such as last_try_lost
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
}

/// What becomes of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Called again.
    Release,
    /// Called no more.
    Close,
}

/// Decides about leads in review, and writes it into the audit.
pub fn decide(args: &ReviewArgs, decision: Decision, context: &Context) -> Result<Exit, Failure> {
    let ws = context.workspace()?;
    let now = MachineClock.wall();
    let mut ledger = open_ledger(&ws, now)?;
    let (lead, reason) = (args.lead.map(LeadId), args.reason.as_deref());
    let (leads, word) = match decision {
        Decision::Release => (ledger.let_out(lead, reason, now)?, "released"),
        Decision::Close => (ledger.close_reviewed(lead, reason, now)?, "closed"),
    };
    if leads == 0 {
        return Err(Failure::usage("no such lead waits in review").next("`ahoy leads list --state review` shows them"));
    }
    if context.json() {
        print_json(&serde_json::json!({ word: leads }))?;
    } else if !context.global.quiet {
        print_line(&format!("{leads} leads {word}"))?;
    }
    Ok(Exit::Done)
}
