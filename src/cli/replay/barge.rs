//! `ahoy replay barge`.

use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::{base, ending, files_of, probability};
use crate::base::{Exit, Failure, Slug};
use crate::cli::{Context, print_json, print_line};
use crate::core::config::BargeIn;
use crate::core::replay::barge::{Replayed, Trial, figures, replay};
use crate::show::replay as show;
use crate::show::words::say;
use crate::store::replay::each_call;

pub(super) const BARGE_HELP: &str = "\
Examples:
  ahoy replay barge --campaign welcome                   every call of this workspace, with its settings of today
  ahoy replay barge 'calls/2026/11/**/audio.wav' --threshold 0.7 --min-speech-ms 96
  ahoy replay barge call.wav --protect-ms 800 --json     one object a call, then one with the sums

A recording needs both channels and the call's log: events.jsonl in its folder, or NAME.events.jsonl. With a label file beside
it, false and missed stops are counted too.
Exit codes: 0 done · 1 I/O failure · 2 usage · 3 a call could not be replayed (named)";

#[derive(Debug, Args)]
pub(super) struct BargeArgs {
    /// Recordings, folders of them, or patterns in quotes; the calls of this workspace if none is named
    files: Vec<std::path::PathBuf>,
    /// [vad], [barge_in] and the rest of this campaign instead of the defaults
    #[arg(long, value_name = "NAME")]
    campaign: Option<Slug>,
    /// Speech over our voice from this probability on, 0.01 to 0.99
    #[arg(long, value_name = "P", value_parser = probability)]
    threshold: Option<f32>,
    /// So much of it stops us
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(0..=5_000))]
    min_speech_ms: Option<u64>,
    /// The first words of a clip that cannot be stopped
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(0..=60_000))]
    protect_ms: Option<u64>,
    /// A greeting stopped before this much of it is begun anew
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(0..=60_000))]
    restart_under_ms: Option<u64>,
    /// A quiet hum shorter than this does not stop us
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(0..=5_000))]
    back_channel_ms: Option<u64>,
    /// Do not tell our own echo from the callee
    #[arg(long)]
    no_echo_gate: bool,
}

pub(super) fn barge(args: &BargeArgs, context: &Context) -> Result<Exit, Failure> {
    let campaign = args.campaign.as_ref().map(|name| context.workspace()?.campaign(name)).transpose()?;
    let now = campaign.as_ref().map_or(BargeIn::default(), |it| it.barge_in);
    let ms = |typed: Option<u64>, now: Duration| typed.map_or(now, Duration::from_millis);
    let barge_in = BargeIn {
        threshold: args.threshold.unwrap_or(now.threshold),
        min_speech: ms(args.min_speech_ms, now.min_speech),
        protect: ms(args.protect_ms, now.protect),
        restart_under: ms(args.restart_under_ms, now.restart_under),
        back_channel: ms(args.back_channel_ms, now.back_channel),
        echo: now.echo && !args.no_echo_gate,
        ..now
    };
    let trial = Trial { vad: base(args.campaign.as_ref(), context)?, barge_in, measure: barge_in, campaign };
    let (mut calls, mut skipped): (Vec<Replayed>, bool) = (Vec::new(), false);
    for it in each_call(&files_of(&args.files, context)?, |call| replay(call, &trial)) {
        match it {
            Ok(call) => calls.push(call),
            Err((name, why)) => {
                skipped = true;
                say(&format!("{name}: {why}"));
            }
        }
    }
    let sums = figures(&calls);
    if context.json() {
        for call in &calls {
            print_json(&json!(call))?;
        }
        print_json(&json!({ "sums": sums }))?;
        return Ok(ending(skipped));
    }
    print_line(&show::stops(&calls))?;
    say(&show::stop_figures(&sums));
    let rests: usize = calls.iter().map(|it| it.unknown_rests).sum();
    if rests > 0 {
        say(&format!("{rests} clips were cut live: their rest was not recorded and counts with its length only"));
    }
    let differ = calls.iter().filter(|it| it.differs_from_ms.is_some()).count();
    if differ > 0 {
        say(&format!(
            "{differ} calls differ from what ran live: after the first difference the callee is a guess, they answered another voice"
        ));
    }
    Ok(ending(skipped))
}
