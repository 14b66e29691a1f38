//! `ahoy replay check` and `ahoy replay apply`: what was caught is held, what was chosen is written.

use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::{Settings, Sounds, base, ending, heard, probability, with};
use crate::base::{Exit, Failure, Slug};
use crate::cli::{Context, print_json, print_line};
use crate::core::config::BargeIn;
use crate::core::replay::score::owned;
use crate::run::replay::apply;
use crate::show::replay as show;
use crate::show::words::say;
use crate::store::replay::{contract, freeze};

pub(super) const CHECK_HELP: &str = "\
Examples:
  ahoy replay check cases/ --campaign welcome --freeze    # NAME.contract.json beside each labelled recording
  ahoy replay check cases/ --campaign welcome             # in CI: no change of code or settings may lose one

Exit codes: 0 nothing was lost · 1 I/O failure · 2 usage, or there is no contract · 3 something was lost (named)";

pub(super) const APPLY_HELP: &str = "\
Examples:
  ahoy replay apply --campaign welcome --threshold 0.45 --silence-ms 600 --dry-run
  ahoy replay apply --campaign welcome --threshold 0.45 --silence-ms 600

  ahoy replay apply --campaign welcome --barge-threshold 0.7 --barge-min-speech-ms 96

Values that are not given stay as they are. Comments of the file stay where they are.
Exit codes: 0 done · 1 I/O failure · 2 usage, or the file is wrong";

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    sounds: Sounds,
    #[command(flatten)]
    settings: Settings,
    /// Freeze what is caught now instead
    #[arg(long)]
    freeze: bool,
}

#[derive(Debug, Args)]
pub(super) struct ApplyArgs {
    /// Which campaign
    #[arg(long, value_name = "NAME")]
    campaign: Slug,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    stops: StopSettings,
    /// Show what would change and write nothing
    #[arg(long)]
    dry_run: bool,
}

/// Settings of `[barge_in]`, each in place of the campaign's.
#[derive(Debug, Args)]
struct StopSettings {
    /// Speech over our voice from this probability on, 0.01 to 0.99
    #[arg(long, value_name = "P", value_parser = probability)]
    barge_threshold: Option<f32>,
    /// So much of it stops us
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(0..=5_000))]
    barge_min_speech_ms: Option<u64>,
    /// The first words of a clip that cannot be stopped
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(0..=60_000))]
    barge_protect_ms: Option<u64>,
    /// A greeting stopped before this much of it is begun anew
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(0..=60_000))]
    barge_restart_under_ms: Option<u64>,
    /// A quiet hum shorter than this does not stop us
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(0..=5_000))]
    barge_back_channel_ms: Option<u64>,
    /// Whether our own echo is told from the callee
    #[arg(long, value_name = "BOOL")]
    barge_echo: Option<bool>,
}

impl StopSettings {
    fn over(&self, now: BargeIn) -> BargeIn {
        let ms = |typed: Option<u64>, now: Duration| typed.map_or(now, Duration::from_millis);
        BargeIn {
            enabled: now.enabled,
            threshold: self.barge_threshold.unwrap_or(now.threshold),
            min_speech: ms(self.barge_min_speech_ms, now.min_speech),
            protect: ms(self.barge_protect_ms, now.protect),
            restart_under: ms(self.barge_restart_under_ms, now.restart_under),
            back_channel: ms(self.barge_back_channel_ms, now.back_channel),
            echo: self.barge_echo.unwrap_or(now.echo),
        }
    }

    fn any(&self) -> bool {
        let spans =
            [self.barge_min_speech_ms, self.barge_protect_ms, self.barge_restart_under_ms, self.barge_back_channel_ms];
        self.barge_threshold.is_some() || self.barge_echo.is_some() || spans.iter().any(Option::is_some)
    }
}

pub(super) fn check_files(args: &CheckArgs, context: &Context) -> Result<Exit, Failure> {
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

pub(super) fn apply_settings(args: &ApplyArgs, context: &Context) -> Result<Exit, Failure> {
    let ws = context.workspace()?;
    let campaign = ws.campaign(&args.campaign)?;
    let vad = with(&args.settings, campaign.vad);
    let barge_in = args.stops.any().then(|| args.stops.over(campaign.barge_in));
    // Who writes barge-in only leaves the other section alone.
    let sections = ((barge_in.is_none() || vad != campaign.vad).then_some(&vad), barge_in.as_ref());
    let applied = apply(&ws, &args.campaign, sections, args.dry_run)?;
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
