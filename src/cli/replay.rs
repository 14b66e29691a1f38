//! `ahoy replay`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::Context;
use crate::base::{Exit, Failure, Slug};
use crate::core::config::Vad;
use crate::core::replay::sweep::Case;
use crate::core::vad::Model;
use crate::show::words::say;
use crate::store::replay::{Heard, Party, find, hear};
use crate::store::workspace::Workspace;

mod axes;
mod barge;
mod cut;
mod hold;
mod label;
mod page;
mod sweep;

use barge::{BARGE_HELP, BargeArgs};
use cut::{RUN_HELP, RunArgs};
use hold::{APPLY_HELP, ApplyArgs, CHECK_HELP, CheckArgs};
use label::{LABEL_HELP, LabelArgs};
use page::{REPORT_HELP, ReportArgs};
use sweep::{SWEEP_HELP, SweepArgs};

/// Arguments of `ahoy replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    #[command(subcommand)]
    command: ReplayCommand,
}

#[derive(Debug, Subcommand)]
enum ReplayCommand {
    /// Speech in recordings, as these settings cut it
    #[command(after_help = RUN_HELP)]
    Run(RunArgs),
    /// Both channels of calls against the live session: where other settings would have stopped our voice
    #[command(after_help = BARGE_HELP)]
    Barge(BargeArgs),
    /// Many settings over labelled recordings: what each would have caught, and which we would take
    #[command(after_help = SWEEP_HELP)]
    Sweep(SweepArgs),
    /// The sweep as a page: heat map, front, and what the settings of now lose, to look at and to hear
    #[command(after_help = REPORT_HELP)]
    Report(ReportArgs),
    /// Mark in the terminal what was said in recordings: play, mark, mend, undo
    #[command(after_help = LABEL_HELP)]
    Label(LabelArgs),
    /// Hold labelled recordings to what was caught when they were frozen: for CI
    #[command(after_help = CHECK_HELP)]
    Check(CheckArgs),
    /// Write settings into a campaign's file
    #[command(after_help = APPLY_HELP)]
    Apply(ApplyArgs),
}

/// Settings, each in place of the campaign's or the default.
#[derive(Debug, Args)]
struct Settings {
    /// Speech starts at this probability, 0.01 to 0.99
    #[arg(long, value_name = "P", value_parser = probability)]
    threshold: Option<f32>,
    /// Speech ends after so much silence
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(32..=10_000))]
    silence_ms: Option<u64>,
    /// A segment starts so much before its first speech
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(0..=5_000))]
    prefix_padding_ms: Option<u64>,
    /// Shorter speech is dropped
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(0..=5_000))]
    min_speech_ms: Option<u64>,
}

#[derive(Debug, Args)]
struct Sounds {
    /// Recordings, folders of them, or patterns in quotes; the calls of this workspace if none is named
    files: Vec<PathBuf>,
    /// Whose voice, where a recording has two channels
    #[arg(long, value_enum, default_value_t = Whose::Them)]
    party: Whose,
    /// Settings of this campaign instead of the defaults
    #[arg(long, value_name = "NAME")]
    campaign: Option<Slug>,
    /// Who hears: the ear of live calls, or another one to compare it with
    #[arg(long, value_enum, default_value_t = Hearer::Voice)]
    detector: Hearer,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Hearer {
    /// The ear of live calls: a voice network with a front end
    Voice,
    /// Loudness over the line's floor: no network, and music is speech to it
    Energy,
}

impl From<Hearer> for Model {
    fn from(hearer: Hearer) -> Model {
        match hearer {
            Hearer::Voice => Model::Voice,
            Hearer::Energy => Model::Energy,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Whose {
    /// The callee: the left channel
    Them,
    /// We: the right channel
    Us,
}

impl From<Whose> for Party {
    fn from(whose: Whose) -> Party {
        match whose {
            Whose::Them => Party::Them,
            Whose::Us => Party::Us,
        }
    }
}

fn probability(text: &str) -> Result<f32, String> {
    let value: f32 = text.parse().map_err(|_| "a number such as 0.5".to_owned())?;
    if (0.01..=0.99).contains(&value) { Ok(value) } else { Err("0.01 to 0.99".to_owned()) }
}

/// Runs `ahoy replay`.
pub fn run(args: &ReplayArgs, context: &Context) -> Result<Exit, Failure> {
    match &args.command {
        ReplayCommand::Run(args) => cut::run_files(args, context),
        ReplayCommand::Barge(args) => barge::barge(args, context),
        ReplayCommand::Sweep(args) => sweep::sweep_files(args, context),
        ReplayCommand::Report(args) => page::report(args, context),
        ReplayCommand::Label(args) => label::label(args, context),
        ReplayCommand::Check(args) => hold::check_files(args, context),
        ReplayCommand::Apply(args) => hold::apply_settings(args, context),
    }
}

/// The settings of a campaign; the defaults if none is named.
fn base(campaign: Option<&Slug>, context: &Context) -> Result<Vad, Failure> {
    Ok(match campaign {
        Some(name) => context.workspace()?.campaign(name)?.vad,
        None => Vad::default(),
    })
}

fn with(settings: &Settings, base: Vad) -> Vad {
    let ms = |typed: Option<u64>, base: Duration| typed.map_or(base, Duration::from_millis);
    Vad {
        threshold: settings.threshold.unwrap_or(base.threshold),
        silence: ms(settings.silence_ms, base.silence),
        prefix_padding: ms(settings.prefix_padding_ms, base.prefix_padding),
        min_speech: ms(settings.min_speech_ms, base.min_speech),
    }
}

/// The recordings that were named; those of this workspace's calls if none was.
fn files_of(files: &[PathBuf], context: &Context) -> Result<Vec<PathBuf>, Failure> {
    if !files.is_empty() {
        return find(files);
    }
    match context.workspace().ok().as_ref().map(Workspace::calls_dir) {
        Some(calls) => find(std::slice::from_ref(&calls)),
        None => Err(Failure::usage("no recordings").next("name files or folders, or run it in a workspace")),
    }
}

/// Hears the recordings; says which cannot be heard.
fn heard(sounds: &Sounds, context: &Context) -> Result<(Vec<Heard>, bool), Failure> {
    let files = files_of(&sounds.files, context)?;
    // Where there is no workspace, nothing is remembered.
    let calls = context.workspace().ok().as_ref().map(Workspace::calls_dir);
    let party = sounds.party.into();
    let kept = calls.map(|calls| calls.join(".replay"));
    let (mut all, mut skipped) = (Vec::new(), false);
    for it in hear(&files, party, sounds.detector.into(), kept.as_deref()) {
        match it {
            Ok(heard) => all.push(heard),
            Err((name, why)) => {
                skipped = true;
                say(&format!("{name}: {why}"));
            }
        }
    }
    Ok((all, skipped))
}

fn ending(skipped: bool) -> Exit {
    if skipped { Exit::Findings } else { Exit::Done }
}

fn no_labels() -> Failure {
    let kinds =
        "NAME.labels.txt (Audacity), .csv (start_ms,end_ms,text), .rttm, .TextGrid, .srt or .vtt beside NAME.wav";
    Failure::usage("no recording has labels beside it").next(kinds)
}

/// The labelled ones of the recordings, and whether any could not be heard.
fn labelled(sounds: &Sounds, context: &Context) -> Result<(Vec<Case>, bool), Failure> {
    let (heard, skipped) = heard(sounds, context)?;
    let cases: Vec<Case> =
        heard.into_iter().filter_map(|it| Some(Case { name: it.name, track: it.track, said: it.said? })).collect();
    if cases.is_empty() {
        return Err(no_labels());
    }
    Ok((cases, skipped))
}
