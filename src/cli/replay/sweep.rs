//! `ahoy replay sweep` and its page, `ahoy replay report`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{Sounds, base, ending, labelled, probability};
use crate::base::{Exit, Failure};
use crate::cli::{Context, print_json, print_line, write_page};
use crate::core::config::Vad;
use crate::core::replay::Segment;
use crate::core::replay::labels::Utterance;
use crate::core::replay::score::{Trouble, troubles};
use crate::core::replay::sweep::{Case, Grid, Point, recommend};
use crate::core::sound::wav;
use crate::core::vad::CHUNK_MS;
use crate::run::replay::sweep;
use crate::show::html::cache::envelope;
use crate::show::html::replay::{CaseView, ReplayView, replay_page};
use crate::show::progress::bar;
use crate::show::replay as show;
use crate::show::words::say;
use crate::store::replay::{Party, piece};

pub(super) const SWEEP_HELP: &str = "\
Examples:
  ahoy replay sweep labelled/ --campaign welcome
  ahoy replay sweep labelled/ --thresholds 0.4,0.5,0.6 --silences-ms 500,700,900 --json

Needs label files beside the recordings. Found: a segment touches the utterance. Owned: exactly one does, and it holds no
other. Exit codes: 0 done · 1 I/O failure · 2 usage, or no recording has labels · 3 a recording could not be heard (named)";

pub(super) const REPORT_HELP: &str = "\
Examples:
  ahoy replay report labelled/ --campaign welcome --out vad.html

One file that needs nothing else, and opens from a disk. It holds pieces of the recordings: treat it like them.
Exit codes: 0 written · 1 I/O failure · 2 usage, or no recording has labels · 3 a recording could not be heard (named)";

#[derive(Debug, Args)]
pub(super) struct SweepArgs {
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
pub(super) struct ReportArgs {
    #[command(flatten)]
    sounds: Sounds,
    /// File to write; none = standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
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

pub(super) fn report(args: &ReportArgs, context: &Context) -> Result<Exit, Failure> {
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

pub(super) fn sweep_files(args: &SweepArgs, context: &Context) -> Result<Exit, Failure> {
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
