//! `ahoy cache`: phrases rendered once, and proved sound. One file a verb.

mod diff;
mod doctor;
mod export;
mod generate;
mod list;
mod plan;
mod prune;
mod report;
mod stats;
mod verify;

use clap::{Args, Subcommand};

use super::Context;
use crate::base::{Exit, Failure, Slug};
use crate::run::render::Unspoken;
use crate::show::words::say;

/// Arguments of `ahoy cache`.
#[derive(Debug, Args)]
pub struct CacheArgs {
    #[command(subcommand)]
    command: CacheCommand,
}

/// What to do with the cache.
#[derive(Debug, Subcommand)]
enum CacheCommand {
    /// Show what generate would render, why, and how many characters; writes nothing
    #[command(after_help = plan::PLAN_HELP)]
    Plan(plan::PlanArgs),
    /// Render what is missing or changed, check it, and write assets.lock
    #[command(after_help = generate::GENERATE_HELP)]
    Generate(generate::GenerateArgs),
    /// Compare lock, phrases and audio, offline; reads every byte
    #[command(after_help = verify::VERIFY_HELP)]
    Verify(verify::VerifyArgs),
    /// List the assets of the locks
    #[command(after_help = list::LIST_HELP)]
    List(Campaigns),
    /// Play a phrase on the loudspeaker, or write its WAV to a file
    #[command(after_help = list::PLAY_HELP)]
    Play(list::PlayArgs),
    /// Write phrases as files for Asterisk, FreeSWITCH, 3CX and others
    #[command(after_help = export::EXPORT_HELP)]
    Export(export::ExportArgs),
    /// Write a page to listen through: waveform, level, player and findings of each phrase
    #[command(after_help = report::REPORT_HELP)]
    Report(report::ReportArgs),
    /// The folder, its space, its leftovers, and the engines that campaigns name
    #[command(after_help = doctor::DOCTOR_HELP)]
    Doctor(doctor::DoctorArgs),
    /// What the cache has saved: calls served, renderings avoided, money and waiting
    #[command(after_help = stats::STATS_HELP)]
    Stats(stats::StatsArgs),
    /// Compare two lock files
    #[command(after_help = diff::DIFF_HELP)]
    Diff(diff::DiffArgs),
    /// Remove audio that no campaign's lock refers to
    #[command(after_help = prune::PRUNE_HELP)]
    Prune(prune::PruneArgs),
}

/// Which campaigns.
#[derive(Debug, Args)]
struct Campaigns {
    /// Campaigns; none = all
    #[arg(value_name = "CAMPAIGN")]
    names: Vec<Slug>,
}

/// Runs `ahoy cache`.
pub fn run(args: &CacheArgs, context: &Context) -> Result<Exit, Failure> {
    // These may be about files that belong to no workspace.
    match &args.command {
        CacheCommand::Verify(args) => return verify::verify(args, context),
        CacheCommand::Diff(args) => return diff::diff(args, context),
        _ => {}
    }
    let ws = context.workspace()?;
    match &args.command {
        CacheCommand::Plan(args) => plan::plan(&ws, args, context),
        CacheCommand::Generate(args) => generate::generate(&ws, args, context),
        CacheCommand::Verify(args) => verify::verify(args, context),
        CacheCommand::List(campaigns) => list::list(&ws, campaigns, context),
        CacheCommand::Play(args) => list::play(&ws, args, context),
        CacheCommand::Export(args) => export::export(&ws, args, context),
        CacheCommand::Report(args) => report::report(&ws, args, context),
        CacheCommand::Diff(args) => diff::diff(args, context),
        CacheCommand::Stats(args) => stats::stats(&ws, args, context),
        CacheCommand::Doctor(args) => doctor::doctor(&ws, args, context),
        CacheCommand::Prune(args) => prune::prune(&ws, args, context),
    }
}

fn say_unspoken(unspoken: &[Unspoken], context: &Context) {
    for it in unspoken.iter().filter(|_| !context.global.quiet) {
        say(&format!(
            "note: engine `{}` does not speak `{}`: these leads of `{}` hear the fall-back `{}`",
            it.engine, it.language, it.campaign, it.fallback
        ));
    }
}
