//! `ahoy replay report`: a sweep as a page.

use std::path::PathBuf;

use clap::Args;

use super::axes::{Axes, swept};
use super::{Sounds, base, ending, labelled};
use crate::base::{Exit, Failure};
use crate::cli::{Context, write_page};
use crate::core::replay::Segment;
use crate::core::replay::labels::Utterance;
use crate::core::replay::score::{Trouble, troubles};
use crate::core::replay::sweep::Case;
use crate::core::sound::wav;
use crate::core::vad::CHUNK_MS;
use crate::show::html::cache::envelope;
use crate::show::html::replay::{CaseView, ReplayView, replay_page};
use crate::store::replay::{Party, piece};

pub(super) const REPORT_HELP: &str = "\
Examples:
  ahoy replay report labelled/ --campaign welcome --out vad.html
  ahoy replay report labelled/ --search --points 400 --seed 1 --out vad.html

One file that needs nothing else, and opens from a disk. It holds pieces of the recordings: treat it like them.
Exit codes: 0 written · 1 I/O failure · 2 usage, or no recording has labels · 3 a recording could not be heard (named)";

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    #[command(flatten)]
    sounds: Sounds,
    #[command(flatten)]
    axes: Axes,
    /// File to write; none = standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
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
    let found = swept(cases.clone(), &args.axes, &args.sounds, context)?;
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
    let best = found.best.as_ref().map(|(at, reason)| (*at, reason.as_str()));
    let stops = found.stops.as_ref().map(|it| it.points.as_slice()).unwrap_or_default();
    let best_stop = found.best_stop.as_ref().map(|(at, reason)| (*at, reason.as_str()));
    let view = ReplayView { title, points: &found.points, of: found.of, best, stops, best_stop, cases: shown, more };
    let page = replay_page(&view);
    write_page(args.out.as_deref(), &page, context)?;
    Ok(ending(skipped))
}
