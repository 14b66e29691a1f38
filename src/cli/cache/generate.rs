//! `ahoy cache generate`: renders what is missing.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use dialoguer::Select;

use super::plan::{cost_words, exceeds};
use super::{Campaigns, say_unspoken};
use crate::base::time::parse_span;
use crate::base::{Exit, Failure, Money, Slug};
use crate::cli::{Context, print_json, print_line};
use crate::run::render::{self, Accept, Answer, GenerateOptions, GenerateReport, Progress, Sample};
use crate::show::cache::seconds;
use crate::show::words::say;
use crate::store::workspace::Workspace;

pub(super) const GENERATE_HELP: &str = "\
Examples:
  ahoy cache generate                  all campaigns; renders only what is missing or changed
  ahoy cache generate welcome --quiet  for cron
  ahoy cache generate --max-age 30d    also what is older than 30 days
  ahoy cache generate welcome --only greeting --interactive   listen, then accept or render again
  ahoy cache generate --max-cost 2.50  stops before more than 2.50 dollars are spent
  ahoy cache generate welcome --again  render everything anew

An old asset stays until the new one has passed the ear. A run that was killed goes on where it stopped. Two runs at once
work one after the other. Caps for every run and month: [cache] spend_per_run, spend_per_month in ahoy.toml.

Exit codes: 0 every phrase has its asset · 1 I/O failure · 2 a file is wrong · 3 a cap on spending was reached ·
11 another run has been at work for too long · 12 a service refused its key, or has no money ·
13 a phrase could not be rendered, or its engine is not here";

#[derive(Debug, Args)]
pub(super) struct GenerateArgs {
    #[command(flatten)]
    campaigns: Campaigns,
    /// Render everything again, even what is on the shelf
    #[arg(long)]
    again: bool,
    /// Render again what is older, such as 30d
    #[arg(long, value_name = "AGE", value_parser = age)]
    max_age: Option<Duration>,
    /// Only this phrase; may be given again. A phrase with slots means all its values
    #[arg(long, value_name = "KEY")]
    only: Vec<Slug>,
    /// Listen to each rendering, then accept it, render it again, or leave it out
    #[arg(long, conflicts_with = "json")]
    interactive: bool,
    /// Spend no more in this run, in US dollars; nothing is rendered if the estimate is higher
    #[arg(long, value_name = "USD")]
    max_cost: Option<f64>,
}

/// An age: a time span, or whole days as in `30d`.
pub(super) fn age(text: &str) -> Result<Duration, String> {
    let days = text.trim().strip_suffix('d').and_then(|days| days.parse::<u32>().ok());
    days.map_or_else(|| parse_span(text), |days| Ok(Duration::from_secs(u64::from(days) * 86_400)))
}

pub(super) fn generate(ws: &Workspace, args: &GenerateArgs, context: &Context) -> Result<Exit, Failure> {
    let campaigns = ws.campaigns(&args.campaigns.names)?;
    let mut options = GenerateOptions {
        again: args.again,
        max_age: args.max_age,
        only: args.only.clone(),
        max_cost: args.max_cost.map(|usd| Money((usd * 1_000_000.0) as i64)),
        ..GenerateOptions::default()
    };
    if args.max_cost.is_some() {
        let (_, usage, _) = render::plan_campaigns(ws, &campaigns, &options)?;
        if exceeds(&usage, args.max_cost) {
            let what = format!("nothing was rendered: {}, over --max-cost", cost_words(&usage));
            return Err(Failure::new(Exit::Findings, what).next("`ahoy cache plan` shows what costs how much"));
        }
    }
    if args.interactive {
        use std::io::IsTerminal;
        if !std::io::stdin().is_terminal() {
            return Err(Failure::usage("--interactive needs a terminal").next("leave it out"));
        }
        options.accept = Some(asks());
    }
    // A bar would draw over the questions.
    let shown = !context.global.quiet && !context.json() && !args.interactive;
    let bar = crate::show::progress::work_bar(shown, "rendering");
    let progress = |step: &Progress| match step {
        Progress::Planned { render, .. } => bar.set_length(*render),
        Progress::Ended { key, language, spent, .. } => {
            bar.inc(1);
            let money = if spent.0 > 0 { format!(", {spent} spent") } else { String::new() };
            bar.set_message(format!("{key} {language}{money}"));
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

/// Plays each rendering and asks what to do with it.
fn asks() -> Accept {
    Arc::new(|sample: &Sample<'_>| {
        let (recipe, measured) = (&sample.record.recipe, &sample.record.measured);
        say(&format!("{} in {}, {}: {}", sample.key, recipe.language, seconds(measured.duration_ms), recipe.text));
        loop {
            if let Err(failure) = crate::run::block_here(render::play_bytes(sample.wav)) {
                say(&format!("not played: {failure}"));
            }
            let choices = ["accept", "play it again", "render it again", "leave it out", "stop here"];
            let chosen = Select::new()
                .with_prompt("What now?")
                .items(choices)
                .default(0)
                .interact_opt()
                .map_err(|error| Failure::bug(format!("terminal: {error}")))?;
            return match chosen {
                Some(0) => Ok(Answer::Keep),
                Some(1) => continue,
                Some(2) => Ok(Answer::Again),
                Some(3) => Ok(Answer::Leave),
                Some(_) | None => Err(Failure::new(Exit::Stopped, "stopped by hand: what was accepted stays")),
            };
        }
    })
}

fn say_report(report: &GenerateReport, context: &Context) -> Result<(), Failure> {
    say_unspoken(&report.unspoken, context);
    for note in report.notes.iter().filter(|_| !context.global.quiet) {
        say(&format!("note: {note}"));
    }
    for it in &report.failed {
        say(&format!("failed: `{}` in `{}` of `{}`: {}", it.key, it.language, it.campaign, it.why));
    }
    let something = report.rendered > 0 || report.locks_written > 0;
    // For cron: a line only when something happened.
    if context.global.quiet && !something {
        return Ok(());
    }
    let locks = match report.locks_written {
        0 => "no lock changed".to_owned(),
        1 => "1 lock written".to_owned(),
        many => format!("{many} locks written"),
    };
    if !something && report.failed.is_empty() {
        return print_line(&format!("nothing to do: {} phrases are on the shelf", report.kept));
    }
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
