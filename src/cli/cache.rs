//! `ahoy cache`: phrases rendered once, and proved sound.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Context, print_json, print_line};
use crate::base::{Exit, Failure, Language, Slug};
use crate::core::asset::plan::{Plan, Step};
use crate::core::asset::verify::Binding;
use crate::run::render::{self, AssetRow, GenerateOptions, GenerateReport, Progress, Unspoken};
use crate::show::cache::{excerpt, findings_table, plan_table, seconds};
use crate::show::table::table;
use crate::show::words::say;
use crate::store::shelf::Shelf;
use crate::store::workspace::{Workspace, shown};

/// Assets younger than this are never pruned: a generation may be about to lock them.
const PRUNE_AGE: Duration = Duration::from_secs(3_600);

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
    #[command(after_help = PLAN_HELP)]
    Plan(Campaigns),
    /// Render what is missing or changed, check it, and write assets.lock
    #[command(after_help = GENERATE_HELP)]
    Generate(GenerateArgs),
    /// Compare lock, phrases and audio, offline; reads every byte
    #[command(after_help = VERIFY_HELP)]
    Verify(VerifyArgs),
    /// List the assets of the locks
    #[command(after_help = LIST_HELP)]
    List(Campaigns),
    /// Play a phrase on the loudspeaker, or write its WAV to a file
    #[command(after_help = PLAY_HELP)]
    Play(PlayArgs),
    /// Remove audio that no campaign's lock refers to
    #[command(after_help = PRUNE_HELP)]
    Prune(PruneArgs),
}

const PLAN_HELP: &str = "\
Examples:
  ahoy cache plan              all campaigns
  ahoy cache plan welcome --json

Exit codes: 0 the plan was shown · 1 I/O failure · 2 a file is wrong · 13 an engine is not here or does not speak a language";
const GENERATE_HELP: &str = "\
Examples:
  ahoy cache generate                  all campaigns; renders only what is missing or changed
  ahoy cache generate welcome --quiet  for cron
  ahoy cache generate welcome --again  render everything anew

Exit codes: 0 every phrase has its asset · 1 I/O failure · 2 a file is wrong ·
13 a phrase could not be rendered, or its engine is not here";
const VERIFY_HELP: &str = "\
Examples:
  ahoy cache verify                    all campaigns
  ahoy cache verify ci-example --json  one finding a line, then a summary
  ahoy cache verify --locked           the lock's hash binds for every engine (audio committed beside its lock)

Exit codes: 0 all is sound · 1 I/O failure · 2 a file is wrong · 3 findings (stale, orphan, refused by the ear) ·
13 audio missing or damaged (stronger than 3)";
const LIST_HELP: &str = "\
Examples:
  ahoy cache list welcome
  ahoy cache list --json | jq .fingerprint

Exit codes: 0 listed · 1 I/O failure · 2 a file is wrong";
const PLAY_HELP: &str = "\
Examples:
  ahoy cache play welcome                         the greeting, in every language
  ahoy cache play welcome --language fr
  ahoy cache play welcome --key goodbye --language de --to goodbye.wav

Exit codes: 0 played or written · 1 no player, or I/O failure · 2 no such phrase · 13 its audio is missing or damaged";
const PRUNE_HELP: &str = "\
Examples:
  ahoy cache prune --dry-run
  ahoy cache prune --yes       for cron; what is younger than an hour stays
  ahoy cache prune --yes --all

Exit codes: 0 done, or nothing to remove · 1 I/O failure · 2 a lock cannot be read, or nobody to ask (give --yes)";

/// Which campaigns.
#[derive(Debug, Args)]
struct Campaigns {
    /// Campaigns; none = all
    #[arg(value_name = "CAMPAIGN")]
    names: Vec<Slug>,
}

#[derive(Debug, Args)]
struct GenerateArgs {
    #[command(flatten)]
    campaigns: Campaigns,
    /// Render everything again, even what is on the shelf
    #[arg(long)]
    again: bool,
}

#[derive(Debug, Args)]
struct VerifyArgs {
    #[command(flatten)]
    campaigns: Campaigns,
    /// Hold every file to the lock's hash, also from engines that never give the same samples twice
    #[arg(long)]
    locked: bool,
}

#[derive(Debug, Args)]
struct PlayArgs {
    /// The campaign
    campaign: Slug,
    /// The phrase
    #[arg(long, default_value = "greeting")]
    key: Slug,
    /// Its language; none = all of them
    #[arg(long)]
    language: Option<Language>,
    /// Write the WAV here instead of playing it
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct PruneArgs {
    /// Show what would go; remove nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Also what is younger than an hour (not while another process generates)
    #[arg(long)]
    all: bool,
}

/// Runs `ahoy cache`.
pub fn run(args: &CacheArgs, context: &Context) -> Result<Exit, Failure> {
    let ws = context.workspace()?;
    match &args.command {
        CacheCommand::Plan(campaigns) => plan(&ws, campaigns, context),
        CacheCommand::Generate(args) => generate(&ws, args, context),
        CacheCommand::Verify(args) => verify(&ws, args, context),
        CacheCommand::List(campaigns) => list(&ws, campaigns, context),
        CacheCommand::Play(args) => play(&ws, args, context),
        CacheCommand::Prune(args) => prune(&ws, args, context),
    }
}

fn plan(ws: &Workspace, campaigns: &Campaigns, context: &Context) -> Result<Exit, Failure> {
    let (plan, unspoken) = render::plan_campaigns(ws, &ws.campaigns(&campaigns.names)?)?;
    let (render, kept) = (plan.to_render().len(), plan.items.iter().filter(|it| it.step == Step::Keep).count());
    if context.json() {
        for item in &plan.items {
            print_json(&plan_row(item))?;
        }
        let (characters, dropped) = (plan.characters(), plan.dropped.len());
        print_json(&json!({ "render": render, "keep": kept, "dropped": dropped, "characters": characters,
            "cost_usd_micros": 0, "unspoken": unspoken }))?;
        return Ok(Exit::Done);
    }
    print_line(&plan_table(&plan))?;
    print_line(&format!(
        "\n{render} to render ({} characters, cost $0: engines of this machine), {kept} kept",
        plan.characters()
    ))?;
    say_dropped(&plan)?;
    say_unspoken(&unspoken, context);
    Ok(Exit::Done)
}

fn plan_row(item: &crate::core::asset::plan::Item) -> serde_json::Value {
    let recipe = &item.wanted.recipe;
    let (step, why) = match &item.step {
        Step::Keep => ("keep", None),
        Step::Render(why) => ("render", Some(why.to_string())),
    };
    json!({ "campaign": item.wanted.campaign, "key": item.wanted.key, "language": recipe.language,
        "engine": recipe.engine, "characters": recipe.text.chars().count(), "step": step, "why": why,
        "fingerprint": item.fingerprint })
}

fn say_dropped(plan: &Plan) -> Result<(), Failure> {
    for (campaign, key, language) in &plan.dropped {
        print_line(&format!(
            "no longer wanted: `{key}` in `{language}` of `{campaign}` (`ahoy cache prune` clears it)"
        ))?;
    }
    Ok(())
}

fn say_unspoken(unspoken: &[Unspoken], context: &Context) {
    for it in unspoken.iter().filter(|_| !context.global.quiet) {
        say(&format!(
            "note: engine `{}` does not speak `{}`: these leads of `{}` hear the fall-back `{}`",
            it.engine, it.language, it.campaign, it.fallback
        ));
    }
}

fn generate(ws: &Workspace, args: &GenerateArgs, context: &Context) -> Result<Exit, Failure> {
    let campaigns = ws.campaigns(&args.campaigns.names)?;
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

fn verify(ws: &Workspace, args: &VerifyArgs, context: &Context) -> Result<Exit, Failure> {
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

fn list(ws: &Workspace, campaigns: &Campaigns, context: &Context) -> Result<Exit, Failure> {
    let rows = render::list(ws, &ws.campaigns(&campaigns.names)?)?;
    if context.json() {
        for row in &rows {
            print_json(row)?;
        }
        return Ok(Exit::Done);
    }
    let cells = |row: &AssetRow| {
        let place = [row.campaign.to_string(), row.key.to_string(), row.language.to_string()];
        let facts = [seconds(row.duration_ms), row.engine.clone(), row.bytes.to_string(), row.state.to_owned()];
        let name = [row.fingerprint.short().to_owned(), excerpt(&row.text)];
        place.into_iter().chain(facts).chain(name).collect()
    };
    let rows: Vec<Vec<String>> = rows.iter().map(cells).collect();
    let header = ["campaign", "phrase", "language", "length", "engine", "bytes", "state", "fingerprint", "text"];
    print_line(&table(&header, &rows, &[3, 5]))?;
    Ok(Exit::Done)
}

fn play(ws: &Workspace, args: &PlayArgs, context: &Context) -> Result<Exit, Failure> {
    let campaign = ws.campaign(&args.campaign)?;
    let mut rows = render::list(ws, std::slice::from_ref(&campaign))?;
    let known: Vec<String> = rows.iter().map(|row| format!("{}.{}", row.key, row.language)).collect();
    rows.retain(|row| row.key == args.key && args.language.as_ref().is_none_or(|it| *it == row.language));
    if rows.is_empty() {
        let known = if known.is_empty() { "nothing is rendered yet".to_owned() } else { known.join(", ") };
        return Err(Failure::usage(format!(
            "campaign `{}` has no rendered phrase `{}` in that language",
            args.campaign, args.key
        ))
        .next(format!("choose from: {known}; or run `ahoy cache generate {}`", args.campaign)));
    }
    if let Some(row) = rows.iter().find(|row| row.state != "whole") {
        return Err(Failure::new(Exit::Asset, format!("`{}` in `{}` is {}", row.key, row.language, row.state))
            .next(format!("ahoy cache generate {}", args.campaign)));
    }
    let shelf = Shelf::at(&ws.cache_dir());
    if let Some(to) = &args.to {
        let [row] = rows.as_slice() else {
            let languages: Vec<String> = rows.iter().map(|row| row.language.to_string()).collect();
            return Err(
                Failure::usage("one file holds one phrase").next(format!("add --language {}", languages.join("|")))
            );
        };
        fs::copy(shelf.wav_path(&row.fingerprint), to)
            .map_err(|error| Failure::bug(format!("{}: {error}", shown(to))))?;
        return Ok(Exit::Done);
    }
    for row in &rows {
        if !context.global.quiet {
            say(&format!("{} {}: {}", row.key, row.language, row.text));
        }
        let file = shelf.wav_path(&row.fingerprint);
        crate::run::block_on(1, async { render::play(&file).await })?;
    }
    Ok(Exit::Done)
}

fn prune(ws: &Workspace, args: &PruneArgs, context: &Context) -> Result<Exit, Failure> {
    let age = if args.all { Duration::ZERO } else { PRUNE_AGE };
    let list = render::prunable(ws, age)?;
    let bytes: u64 = list.iter().map(|it| it.bytes).sum();
    let what = format!("{} assets ({bytes} bytes) that no lock refers to", list.len());
    if !args.dry_run && !list.is_empty() && !args.yes && !asked(&what)? {
        return Ok(Exit::Done);
    }
    let swept = if args.dry_run { Default::default() } else { Shelf::at(&ws.cache_dir()).remove(&list)? };
    if context.json() {
        let names: Vec<_> = list.iter().map(|it| &it.fingerprint).collect();
        print_json(&json!({ "dry_run": args.dry_run, "found": list.len(), "bytes": bytes, "removed": swept.assets,
            "freed": swept.bytes, "busy": swept.busy, "fingerprints": names }))?;
    } else if args.dry_run {
        for it in &list {
            print_line(&format!("{}  {} bytes", it.fingerprint, it.bytes))?;
        }
        say(&format!("would remove {what}"));
    } else if !context.global.quiet {
        print_line(&format!("removed {} assets, {} bytes; {} left, in use", swept.assets, swept.bytes, swept.busy))?;
    }
    Ok(Exit::Done)
}

fn asked(what: &str) -> Result<bool, Failure> {
    use std::io::IsTerminal;
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(format!("would remove {what}, but there is nobody to ask")).next("add --yes"));
    }
    dialoguer::Confirm::new()
        .with_prompt(format!("Remove {what}?"))
        .default(false)
        .interact()
        .map_err(|error| Failure::bug(format!("terminal: {error}")))
}
