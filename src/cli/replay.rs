//! `ahoy replay`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::{Context, print_json, print_line, print_text, write_page};
use crate::base::{Exit, Failure, Slug};
use crate::core::config::Vad;
use crate::core::replay::Segment;
use crate::core::replay::labels::Utterance;
use crate::core::replay::score::{By, Share, Tally, Trouble, owned, share, troubles};
use crate::core::replay::sweep::{Case, Grid, Point, recommend};
use crate::core::sound::wav;
use crate::core::vad::{CHUNK_MS, Model};
use crate::run::replay::{apply, sweep};
use crate::show::html::cache::envelope;
use crate::show::html::replay::{CaseView, ReplayView, replay_page};
use crate::show::progress::bar;
use crate::show::replay as show;
use crate::show::words::say;
use crate::store::replay::{Heard, Party, contract, find, freeze, hear, piece};
use crate::store::workspace::Workspace;

const RUN_HELP: &str = "\
Examples:
  ahoy replay run                                        every call of this workspace, as it would be cut today
  ahoy replay run call.wav --threshold 0.5 --silence-ms 700 --format timeline
  ahoy replay run recordings/ --format jsonl | jq -r .file | sort | uniq -c
  ahoy replay run labelled/ --by phrase                  which short phrases are lost
  ahoy replay run stream.jsonl realtime.jsonl            logs of media messages, of OpenAI's Realtime events

A label file beside a recording (NAME.labels.txt of Audacity, NAME.csv, .rttm, .TextGrid, .srt, .vtt) is compared with what
was heard.
Exit codes: 0 done · 1 I/O failure · 2 usage · 3 a recording could not be heard (named)";

const SWEEP_HELP: &str = "\
Examples:
  ahoy replay sweep labelled/ --campaign welcome
  ahoy replay sweep labelled/ --thresholds 0.4,0.5,0.6 --silences-ms 500,700,900 --json

Needs label files beside the recordings. Found: a segment touches the utterance. Owned: exactly one does, and it holds no
other. Exit codes: 0 done · 1 I/O failure · 2 usage, or no recording has labels · 3 a recording could not be heard (named)";

const REPORT_HELP: &str = "\
Examples:
  ahoy replay report labelled/ --campaign welcome --out vad.html

One file that needs nothing else, and opens from a disk. It holds pieces of the recordings: treat it like them.
Exit codes: 0 written · 1 I/O failure · 2 usage, or no recording has labels · 3 a recording could not be heard (named)";

const CHECK_HELP: &str = "\
Examples:
  ahoy replay check cases/ --campaign welcome --freeze    # NAME.contract.json beside each labelled recording
  ahoy replay check cases/ --campaign welcome             # in CI: no change of code or settings may lose one

Exit codes: 0 nothing was lost · 1 I/O failure · 2 usage, or there is no contract · 3 something was lost (named)";

const APPLY_HELP: &str = "\
Examples:
  ahoy replay apply --campaign welcome --threshold 0.45 --silence-ms 600 --dry-run
  ahoy replay apply --campaign welcome --threshold 0.45 --silence-ms 600

Values that are not given stay as they are. Comments of the file stay where they are.
Exit codes: 0 done · 1 I/O failure · 2 usage, or the file is wrong";

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
    /// Many settings over labelled recordings: what each would have caught, and which we would take
    #[command(after_help = SWEEP_HELP)]
    Sweep(SweepArgs),
    /// The sweep as a page: heat map, front, and what the settings of now lose, to look at and to hear
    #[command(after_help = REPORT_HELP)]
    Report(ReportArgs),
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
    /// Recordings, or folders of them; the calls of this workspace if none is named
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table
    Table,
    /// One JSON object an utterance
    Jsonl,
    /// Labels of Audacity; of one recording
    Audacity,
    /// A line a recording
    Timeline,
}

#[derive(Debug, Args)]
struct RunArgs {
    #[command(flatten)]
    sounds: Sounds,
    #[command(flatten)]
    settings: Settings,
    /// How segments are shown; --json is jsonl
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Show what became of each language's or phrase's utterances instead, the most lost first
    #[arg(long, value_enum)]
    by: Option<Grouped>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Grouped {
    /// The tag before a label's words: `bg: кога?`
    Language,
    /// The words of the labels
    Phrase,
}

#[derive(Debug, Args)]
struct SweepArgs {
    #[command(flatten)]
    sounds: Sounds,
    /// Thresholds to try
    #[arg(long, value_name = "P,P", value_delimiter = ',', value_parser = probability)]
    thresholds: Vec<f32>,
    /// Silences to try
    #[arg(long, value_name = "MS,MS", value_delimiter = ',', value_parser = clap::value_parser!(u64).range(32..=10_000))]
    silences_ms: Vec<u64>,
    /// Shortest speech to try
    #[arg(long, value_name = "MS,MS", value_delimiter = ',', value_parser = clap::value_parser!(u64).range(0..=5_000))]
    min_speech_ms: Vec<u64>,
    /// Show every setting, not only those that no other beats
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Args)]
struct ReportArgs {
    #[command(flatten)]
    sounds: Sounds,
    /// File to write; none = standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct CheckArgs {
    #[command(flatten)]
    sounds: Sounds,
    #[command(flatten)]
    settings: Settings,
    /// Freeze what is caught now instead
    #[arg(long)]
    freeze: bool,
}

#[derive(Debug, Args)]
struct ApplyArgs {
    /// Which campaign
    #[arg(long, value_name = "NAME")]
    campaign: Slug,
    #[command(flatten)]
    settings: Settings,
    /// Show what would change and write nothing
    #[arg(long)]
    dry_run: bool,
}

fn probability(text: &str) -> Result<f32, String> {
    let value: f32 = text.parse().map_err(|_| "a number such as 0.5".to_owned())?;
    if (0.01..=0.99).contains(&value) { Ok(value) } else { Err("0.01 to 0.99".to_owned()) }
}

/// Runs `ahoy replay`.
pub fn run(args: &ReplayArgs, context: &Context) -> Result<Exit, Failure> {
    match &args.command {
        ReplayCommand::Run(args) => run_files(args, context),
        ReplayCommand::Sweep(args) => sweep_files(args, context),
        ReplayCommand::Report(args) => report(args, context),
        ReplayCommand::Check(args) => check_files(args, context),
        ReplayCommand::Apply(args) => apply_settings(args, context),
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

/// Hears the recordings; says which cannot be heard.
fn heard(sounds: &Sounds, context: &Context) -> Result<(Vec<Heard>, bool), Failure> {
    // Where there is no workspace, nothing is remembered.
    let calls = context.workspace().ok().as_ref().map(Workspace::calls_dir);
    let files = match (&sounds.files[..], &calls) {
        ([], None) => {
            return Err(Failure::usage("no recordings").next("name files or folders, or run it in a workspace"));
        }
        ([], Some(calls)) => find(std::slice::from_ref(calls))?,
        (files, _) => find(files)?,
    };
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

fn run_files(args: &RunArgs, context: &Context) -> Result<Exit, Failure> {
    let vad = with(&args.settings, base(args.sounds.campaign.as_ref(), context)?);
    let (heard, skipped) = heard(&args.sounds, context)?;
    if let Some(by) = args.by {
        return shares_of(&heard, &vad, by, skipped, context);
    }
    let format = if context.json() { Format::Jsonl } else { args.format };
    if format == Format::Audacity && heard.len() != 1 {
        return Err(Failure::usage(format!("{} recordings; a label file is of one", heard.len())));
    }
    let (mut tally, mut labelled, mut table) = (Tally::default(), false, Vec::new());
    for it in &heard {
        let segments = it.track.segments(&vad);
        if let Some(said) = &it.said {
            labelled = true;
            tally += &Tally::of(said, &segments, it.track.ms());
        }
        match format {
            Format::Table => table.push((it.name.clone(), segments)),
            Format::Audacity => print_text(&show::audacity(&segments))?,
            Format::Timeline => {
                print_line(&show::timeline(&it.name, &segments, it.said.as_deref(), it.track.ms()))?;
            }
            Format::Jsonl => {
                for segment in &segments {
                    print_json(&json!({ "file": it.name, "start_ms": segment.start_ms, "end_ms": segment.end_ms,
                        "onset_ms": segment.onset_ms, "told_ms": segment.told_ms, "over_ms": segment.over_ms }))?;
                }
            }
        }
    }
    if format == Format::Table {
        print_line(&show::segments(&table))?;
    }
    if labelled {
        say(&show::figures(&tally.figures()));
    }
    Ok(ending(skipped))
}

/// Which phrases, or languages, are lost.
fn shares_of(heard: &[Heard], vad: &Vad, by: Grouped, skipped: bool, context: &Context) -> Result<Exit, Failure> {
    let mut shares = BTreeMap::new();
    for it in heard {
        let Some(said) = &it.said else { continue };
        let by = match by {
            Grouped::Language => By::Language,
            Grouped::Phrase => By::Phrase,
        };
        share(&mut shares, by, said, &it.track.segments(vad));
    }
    if shares.is_empty() {
        return Err(no_labels());
    }
    let mut rows: Vec<(String, Share)> = shares.into_iter().collect();
    rows.sort_by_key(|(key, it)| (std::cmp::Reverse(it.utterances - it.owned), key.clone()));
    if context.json() {
        let name = if matches!(by, Grouped::Language) { "language" } else { "phrase" };
        for (key, it) in &rows {
            print_json(&json!({ name: key, "utterances": it.utterances, "owned": it.owned, "missed": it.missed,
                "split": it.split, "merged": it.merged }))?;
        }
    } else {
        print_line(&show::shares(&rows))?;
    }
    Ok(ending(skipped))
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

/// Judges these settings behind what runs now, with a bar.
fn swept(cases: Vec<Case>, grid: &Grid, base: Vad, context: &Context) -> Result<Vec<Point>, Failure> {
    let mut settings = grid.settings(&base);
    // What runs now, first: everything else is compared with it.
    settings.retain(|vad| *vad != base);
    settings.insert(0, base);
    let bar = bar(!context.global.quiet && !context.json(), settings.len() as u64, "settings");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let points =
        crate::run::block_on(cores, sweep(cases, settings, context.seed, &|done| bar.set_position(done as u64)))?;
    bar.finish_and_clear();
    Ok(points)
}

/// Utterances in the page: the rest is counted.
const SHOWN: usize = 10;
/// Sound around an utterance, ms.
const AROUND_MS: u64 = 1_000;

/// Louder, so that the loudest sample is seen: what is missed is mostly quiet.
fn magnified(samples: &[i16]) -> Vec<i16> {
    const SEEN: i32 = 12_000;
    let peak = samples.iter().map(|it| i32::from(it.unsigned_abs())).max().unwrap_or(0).max(1);
    let gain = (SEEN / peak).clamp(1, 50);
    samples.iter().map(|it| (i32::from(*it) * gain).clamp(-32_768, 32_767) as i16).collect()
}

/// The picture and the sound of an utterance that is not owned.
fn case_view(
    case: &Case,
    segments: &[Segment],
    lost: (&Utterance, Trouble),
    party: Party,
) -> Result<CaseView, Failure> {
    let (it, trouble) = lost;
    let window = (it.start_ms.saturating_sub(AROUND_MS), (it.end_ms + AROUND_MS).min(case.track.ms()));
    let sound = piece(&case.name, party, window).map_err(|why| Failure::bug(format!("{}: {why}", case.name)))?;
    let probabilities = &case.track.probabilities;
    let chunk = |ms: u64| usize::try_from(ms / CHUNK_MS).unwrap_or(usize::MAX).min(probabilities.len());
    let inside = |span: &(u64, u64)| span.1 > window.0 && span.0 < window.1;
    Ok(CaseView {
        name: case.name.clone(),
        text: it.text.clone(),
        trouble,
        window,
        said: (it.start_ms, it.end_ms),
        heard: segments.iter().map(|it| (it.onset_ms, it.end_ms)).filter(inside).collect(),
        probabilities: probabilities[chunk(window.0)..chunk(window.1)].to_vec(),
        envelope: envelope(&magnified(&sound.samples)),
        wav: wav::write(&sound),
    })
}

fn report(args: &ReportArgs, context: &Context) -> Result<Exit, Failure> {
    let base = base(args.sounds.campaign.as_ref(), context)?;
    let (cases, skipped) = labelled(&args.sounds, context)?;
    let points = swept(cases.clone(), &Grid::default(), base, context)?;
    let best = recommend(&points);
    let (mut shown, mut more) = (Vec::new(), 0);
    for case in &cases {
        let segments = case.track.segments(&base);
        for lost in troubles(&case.said, &segments) {
            if shown.len() < SHOWN {
                shown.push(case_view(case, &segments, lost, args.sounds.party.into())?);
            } else {
                more += 1;
            }
        }
    }
    let title = format!("Replay of {} labelled recordings", cases.len());
    let best = best.as_ref().map(|(at, reason)| (*at, reason.as_str()));
    let page = replay_page(&ReplayView { title, points: &points, best, cases: shown, more });
    write_page(args.out.as_deref(), &page, context)?;
    Ok(ending(skipped))
}

fn sweep_files(args: &SweepArgs, context: &Context) -> Result<Exit, Failure> {
    let base = base(args.sounds.campaign.as_ref(), context)?;
    let (cases, skipped) = labelled(&args.sounds, context)?;
    let default = Grid::default();
    let given = |typed: &Vec<u64>, default: Vec<u64>| if typed.is_empty() { default } else { typed.clone() };
    let grid = Grid {
        thresholds: if args.thresholds.is_empty() { default.thresholds } else { args.thresholds.clone() },
        silences_ms: given(&args.silences_ms, default.silences_ms),
        min_speech_ms: given(&args.min_speech_ms, default.min_speech_ms),
    };
    let points = swept(cases, &grid, base, context)?;
    let chosen = recommend(&points);
    if context.json() {
        let recommended = chosen.as_ref().map(|(at, reason)| json!({ "setting": points[*at], "reason": reason }));
        print_json(&json!({ "now": points[0], "recommended": recommended, "settings": points }))?;
        return Ok(ending(skipped));
    }
    let best = chosen.as_ref().map(|(at, _)| *at);
    let shown: Vec<(&Point, &str)> = points
        .iter()
        .enumerate()
        .filter(|(at, it)| args.all || it.front || *at == 0 || Some(*at) == best)
        .map(|(at, it)| {
            let words = match (at == 0, Some(at) == best, it.front) {
                (true, true, _) => "now, and what we would take",
                (true, false, _) => "now",
                (false, true, _) => "what we would take",
                (false, false, true) => "not beaten",
                (false, false, false) => "",
            };
            (it, words)
        })
        .collect();
    print_line(&show::points(&shown))?;
    if let Some((at, reason)) = chosen {
        let it = &points[at];
        say(&reason);
        let name = args.sounds.campaign.as_ref().map_or("NAME".to_owned(), ToString::to_string);
        say(&format!(
            "ahoy replay apply --campaign {name} --threshold {} --silence-ms {} --min-speech-ms {}",
            it.threshold, it.silence_ms, it.min_speech_ms
        ));
    }
    Ok(ending(skipped))
}

fn check_files(args: &CheckArgs, context: &Context) -> Result<Exit, Failure> {
    let vad = with(&args.settings, base(args.sounds.campaign.as_ref(), context)?);
    let (heard, skipped) = heard(&args.sounds, context)?;
    let (mut held, mut lost) = (0_u64, Vec::new());
    for it in &heard {
        let segments = it.track.segments(&vad);
        if args.freeze {
            let Some(said) = &it.said else { continue };
            let owned = owned(said, &segments);
            let path = freeze(&it.name, &owned)?;
            held += owned.len() as u64;
            say(&format!("{}: {} of {} utterances", path.display(), owned.len(), said.len()));
            continue;
        }
        let Some(frozen) = contract(&it.name)? else { continue };
        // Judged among all that was said: a neighbour may swallow one.
        let said = it.said.clone().unwrap_or_else(|| frozen.clone());
        let now = owned(&said, &segments);
        held += frozen.len() as u64;
        lost.extend(frozen.into_iter().filter(|case| !now.contains(&case)).map(|case| (it.name.clone(), case)));
    }
    if held == 0 {
        return Err(Failure::usage("nothing is frozen here").next("label recordings, then run it with --freeze"));
    }
    for (file, case) in &lost {
        if context.json() {
            print_json(&json!({ "file": file, "start_ms": case.start_ms, "end_ms": case.end_ms, "text": case.text }))?;
        } else {
            print_line(&format!("{file}: lost {} to {} ms {}", case.start_ms, case.end_ms, case.text))?;
        }
    }
    if !args.freeze {
        say(&format!("{} of {held} utterances are owned as they were", held - lost.len() as u64));
    }
    Ok(ending(skipped || !lost.is_empty()))
}

fn apply_settings(args: &ApplyArgs, context: &Context) -> Result<Exit, Failure> {
    let ws = context.workspace()?;
    let vad = with(&args.settings, ws.campaign(&args.campaign)?.vad);
    let applied = apply(&ws, &args.campaign, &vad, args.dry_run)?;
    let file = &applied.file;
    let changes = show::changes(&applied.old, &applied.new);
    print_line(changes.trim_end())?;
    match (changes.is_empty(), args.dry_run) {
        (true, _) => say(&format!("{file} has these settings already")),
        (false, true) => say(&format!("{file} was not changed: a dry run")),
        (false, false) => say(&format!("{file}: written")),
    }
    let detection = crate::core::agent::turn_detection(&vad);
    say(&format!("an OpenAI agent's session.update will have turn_detection = {detection}"));
    Ok(Exit::Done)
}
