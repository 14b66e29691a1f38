//! `ahoy cost`: what services charge. One file a verb.

mod models;

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
}

/// Runs `ahoy cost`.
pub fn run(args: &CostArgs, context: &Context) -> Result<Exit, Failure> {
    match &args.command {
        CostCommand::Models(args) => models::models(args, context),
    }
}
