//! `ahoy replay sweep`.

use clap::Args;
use serde_json::json;

use super::axes::{Axes, Swept, swept};
use super::{Sounds, ending, labelled};
use crate::base::{Exit, Failure};
use crate::cli::{Context, print_json, print_line};
use crate::core::replay::stops::StopPoint;
use crate::core::replay::sweep::Point;
use crate::show::replay as show;
use crate::show::words::say;

pub(super) const SWEEP_HELP: &str = "\
Examples:
  ahoy replay sweep labelled/ --campaign welcome
  ahoy replay sweep labelled/ --thresholds 0.4,0.5,0.6 --silences-ms 500,700,900 --json
  ahoy replay sweep labelled/ --search --points 400 --seed 1   some of 14,280 settings; the same seed tries the same
  ahoy replay sweep --campaign welcome                         labelled calls of this workspace: barge-in too

Needs label files beside the recordings. Found: a segment touches the utterance. Owned: exactly one does, and it holds no
other. Where a recording is a call of ours (both channels, its log beside it), [barge_in] is tried too: every setting drives the
live session over it, as `replay barge` does.
Exit codes: 0 done · 1 I/O failure · 2 usage, or no recording has labels · 3 a recording could not be heard (named)";

#[derive(Debug, Args)]
pub(super) struct SweepArgs {
    #[command(flatten)]
    sounds: Sounds,
    #[command(flatten)]
    axes: Axes,
    /// Show every setting, not only those that no other beats
    #[arg(long)]
    all: bool,
}

/// What is special about a setting.
fn words(at: usize, best: Option<usize>, front: bool) -> &'static str {
    match (at == 0, Some(at) == best, front) {
        (true, true, _) => "now, and what we would take",
        (true, false, _) => "now",
        (false, true, _) => "what we would take",
        (false, false, true) => "not beaten",
        (false, false, false) => "",
    }
}

pub(super) fn sweep_files(args: &SweepArgs, context: &Context) -> Result<Exit, Failure> {
    let (cases, skipped) = labelled(&args.sounds, context)?;
    let found = swept(cases, &args.axes, &args.sounds, context)?;
    if context.json() {
        print_json(&told(&found, args, context))?;
        return Ok(ending(skipped));
    }
    let name = args.sounds.campaign.as_ref().map_or("NAME".to_owned(), ToString::to_string);
    let best = found.best.as_ref().map(|(at, _)| *at);
    let shows = |at: usize, front: bool, best: Option<usize>| args.all || front || at == 0 || Some(at) == best;
    let all = found.points.iter().enumerate().filter(|(at, it)| shows(*at, it.front, best));
    let shown: Vec<(&Point, &str)> = all.map(|(at, it)| (it, words(at, best, it.front))).collect();
    print_line(&show::points(&shown))?;
    if args.axes.searches() {
        say(&format!("a search: {} of {} settings tried, seed {}", found.points.len(), found.of, context.seed));
    }
    let mut apply = format!("ahoy replay apply --campaign {name}");
    if let Some((at, reason)) = &found.best {
        let it = &found.points[*at];
        say(reason);
        apply.push_str(&format!(
            " --threshold {} --silence-ms {} --prefix-padding-ms {} --min-speech-ms {}",
            it.threshold, it.silence_ms, it.prefix_padding_ms, it.min_speech_ms
        ));
    }
    if let Some(stops) = &found.stops {
        let best = found.best_stop.as_ref().map(|(at, _)| *at);
        let all = stops.points.iter().enumerate().filter(|(at, it)| shows(*at, it.front, best));
        let shown: Vec<(&StopPoint, &str)> = all.map(|(at, it)| (it, words(at, best, it.front))).collect();
        print_line(&show::stop_points(&shown))?;
        if args.axes.searches() {
            say(&format!("a search: {} barge-in settings tried", stops.points.len()));
        }
    }
    if let (Some(stops), Some((at, reason))) = (&found.stops, &found.best_stop) {
        let it = &stops.points[*at];
        say(reason);
        apply.push_str(&format!(
            " --barge-threshold {} --barge-min-speech-ms {} --barge-protect-ms {} --barge-restart-under-ms {} \
             --barge-back-channel-ms {} --barge-echo {}",
            it.threshold, it.min_speech_ms, it.protect_ms, it.restart_under_ms, it.back_channel_ms, it.echo
        ));
    }
    say(&apply);
    Ok(ending(skipped))
}

fn told(found: &Swept, args: &SweepArgs, context: &Context) -> serde_json::Value {
    let recommended = found.best.as_ref().map(|(at, reason)| json!({ "setting": found.points[*at], "reason": reason }));
    let mut told = json!({ "now": found.points[0], "recommended": recommended, "settings": found.points,
        "tried": found.points.len(), "of": found.of });
    if args.axes.searches() {
        told["seed"] = json!(context.seed);
    }
    if let Some(stops) = &found.stops {
        let recommended =
            found.best_stop.as_ref().map(|(at, reason)| json!({ "setting": stops.points[*at], "reason": reason }));
        told["barge_in"] = json!({ "now": stops.points[0], "recommended": recommended, "settings": stops.points,
            "tried": stops.points.len() });
    }
    told
}
