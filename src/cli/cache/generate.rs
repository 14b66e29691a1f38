//! `ahoy cache generate`: renders what is missing.

use clap::Args;

use super::plan::{cost_words, exceeds};
use super::{Campaigns, say_unspoken};
use crate::base::{Exit, Failure};
use crate::cli::{Context, print_json, print_line};
use crate::run::render::{self, GenerateOptions, GenerateReport, Progress};
use crate::show::words::say;
use crate::store::workspace::Workspace;

pub(super) const GENERATE_HELP: &str = "\
Examples:
  ahoy cache generate                  all campaigns; renders only what is missing or changed
  ahoy cache generate welcome --quiet  for cron
  ahoy cache generate welcome --again  render everything anew

Exit codes: 0 every phrase has its asset · 1 I/O failure · 2 a file is wrong · 3 over --max-cost, nothing rendered ·
12 a service refused its key, or has no money ·
13 a phrase could not be rendered, or its engine is not here";

#[derive(Debug, Args)]
pub(super) struct GenerateArgs {
    #[command(flatten)]
    campaigns: Campaigns,
    /// Render everything again, even what is on the shelf
    #[arg(long)]
    again: bool,
    /// Render nothing if the estimate is higher, in US dollars
    #[arg(long, value_name = "USD", conflicts_with = "again")]
    max_cost: Option<f64>,
}

pub(super) fn generate(ws: &Workspace, args: &GenerateArgs, context: &Context) -> Result<Exit, Failure> {
    let campaigns = ws.campaigns(&args.campaigns.names)?;
    if args.max_cost.is_some() {
        let (_, usage, _) = render::plan_campaigns(ws, &campaigns)?;
        if exceeds(&usage, args.max_cost) {
            let what = format!("nothing was rendered: {}, over --max-cost", cost_words(&usage));
            return Err(Failure::new(Exit::Findings, what).next("`ahoy cache plan` shows what costs how much"));
        }
    }
    let options = GenerateOptions { again: args.again, ..GenerateOptions::default() };
    let shown = !context.global.quiet && !context.json();
    let bar = crate::show::progress::bar(shown, 0, "rendering");
    let progress = |step: &Progress| match step {
        Progress::Planned { render, .. } => bar.set_length(*render),
        Progress::Ended { key, language, .. } => {
            bar.inc(1);
            bar.set_message(format!("{key} {language}"));
        }
    };
    let report = crate::run::block_on(2, async {
        crate::run::stop::or_stopped(render::generate(ws, &campaigns, &options, &progress)).await
    });
    bar.finish_and_clear();
    let report = report?;
    if context.json() {
        print_json(&report)?;
    } else {
        say_report(&report, context)?;
    }
    Ok(render::generate_exit(&report))
}

fn say_report(report: &GenerateReport, context: &Context) -> Result<(), Failure> {
    say_unspoken(&report.unspoken, context);
    for note in report.notes.iter().filter(|_| !context.global.quiet) {
        say(&format!("note: {note}"));
    }
    for it in &report.failed {
        say(&format!("failed: `{}` in `{}` of `{}`: {}", it.key, it.language, it.campaign, it.why));
    }
    if context.global.quiet {
        return Ok(());
    }
    let locks = match report.locks_written {
        0 => "no lock changed".to_owned(),
        1 => "1 lock written".to_owned(),
        many => format!("{many} locks written"),
    };
    print_line(&format!(
        "{} rendered, {} kept, {} failed; {} engine calls, {} characters, {}; {locks}",
        report.rendered,
        report.kept,
        report.failed.len(),
        report.engine_calls,
        report.characters,
        report.cost
    ))
}
