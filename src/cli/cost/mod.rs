//! `ahoy cost`: what services charge. One file a verb.

mod models;
mod report;

use clap::{Args, Subcommand};

use super::Context;
use crate::base::{Exit, Failure};

/// Arguments of `ahoy cost`.
#[derive(Debug, Args)]
pub struct CostArgs {
    #[command(subcommand)]
    command: CostCommand,
}

/// What to tell about cost.
#[derive(Debug, Subcommand)]
enum CostCommand {
    /// The dated table of models: prices, languages, limits, and until when they are served
    #[command(after_help = models::MODELS_HELP)]
    Models(models::ModelsArgs),
    /// What renderings have cost, from the book of spending
    #[command(after_help = report::REPORT_HELP)]
    Report(report::ReportArgs),
}

/// Runs `ahoy cost`.
pub fn run(args: &CostArgs, context: &Context) -> Result<Exit, Failure> {
    match &args.command {
        CostCommand::Models(args) => models::models(args, context),
        CostCommand::Report(args) => report::report(args, context),
    }
}
