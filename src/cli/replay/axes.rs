//! What a sweep and its page try: the values of each axis, all of them or by a search, over recordings and over calls.

use std::path::PathBuf;

use clap::Args;

use super::{Sounds, base, probability};
use crate::base::Failure;
use crate::cli::Context;
use crate::core::config::BargeIn;
use crate::core::replay::barge::Trial;
use crate::core::replay::stops::StopGrid;
use crate::core::replay::sweep::{Case, Grid, Point, recommend};
use crate::run::replay::{Plan, Stops, stops, sweep};
use crate::show::progress::bar;
use crate::show::words::say;
use crate::store::replay::log_of;

#[derive(Debug, Args)]
pub(super) struct Axes {
    /// Thresholds to try
    #[arg(long, value_name = "P,P", value_delimiter = ',', value_parser = probability)]
    thresholds: Vec<f32>,
    /// Silences to try
    #[arg(long, value_name = "MS,MS", value_delimiter = ',', value_parser = clap::value_parser!(u64).range(32..=10_000))]
    silences_ms: Vec<u64>,
    /// Prefixes to try; without a search the one of now
    #[arg(long, value_name = "MS,MS", value_delimiter = ',', value_parser = clap::value_parser!(u64).range(0..=5_000))]
    prefixes_ms: Vec<u64>,
    /// Shortest speech to try
    #[arg(long, value_name = "MS,MS", value_delimiter = ',', value_parser = clap::value_parser!(u64).range(0..=5_000))]
    min_speech_ms: Vec<u64>,
    /// Try some, where they seem to be best, of a finer and wider choice
    #[arg(long)]
    search: bool,
    /// How many a search tries, of [vad] and of [barge_in] each
    #[arg(long, value_name = "N", default_value_t = 300, requires = "search", value_parser = clap::value_parser!(u64).range(1..=5_000))]
    points: u64,
    /// Thresholds of speech over our own voice to try, on calls with both channels and a log
    #[arg(long, value_name = "P,P", value_delimiter = ',', value_parser = probability)]
    barge_thresholds: Vec<f32>,
    /// Shortest speech that stops us to try
    #[arg(long, value_name = "MS,MS", value_delimiter = ',', value_parser = clap::value_parser!(u64).range(0..=5_000))]
    barge_min_speech_ms: Vec<u64>,
    /// First words of a clip that cannot be stopped to try
    #[arg(long, value_name = "MS,MS", value_delimiter = ',', value_parser = clap::value_parser!(u64).range(0..=60_000))]
    barge_protect_ms: Vec<u64>,
    /// Lengths of a greeting under which it is begun anew to try
    #[arg(long, value_name = "MS,MS", value_delimiter = ',', value_parser = clap::value_parser!(u64).range(0..=60_000))]
    barge_restart_under_ms: Vec<u64>,
    /// Lengths of a quiet hum that does not stop us to try
    #[arg(long, value_name = "MS,MS", value_delimiter = ',', value_parser = clap::value_parser!(u64).range(0..=5_000))]
    barge_back_channel_ms: Vec<u64>,
    /// Our own echo told from the callee, or not: what to try
    #[arg(long, value_name = "BOOL,BOOL", value_delimiter = ',')]
    barge_echo: Vec<bool>,
    /// Leave the calls' barge-in out: it costs the most time
    #[arg(long)]
    no_barge_in: bool,
}

/// The typed values, in order and once each; without any the usual ones.
fn or<T: Copy + PartialOrd>(typed: &[T], usual: Vec<T>) -> Vec<T> {
    let mut values = if typed.is_empty() { usual } else { typed.to_vec() };
    values.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    values.dedup_by(|a, b| a == b);
    values
}

impl Axes {
    pub fn searches(&self) -> bool {
        self.search
    }

    fn plan(&self) -> Plan {
        match self.search {
            true => Plan::Search(usize::try_from(self.points).unwrap_or(usize::MAX)),
            false => Plan::All,
        }
    }

    fn grid(&self) -> Grid {
        let usual = if self.search { Grid::fine() } else { Grid::default() };
        Grid {
            thresholds: or(&self.thresholds, usual.thresholds),
            silences_ms: or(&self.silences_ms, usual.silences_ms),
            prefixes_ms: or(&self.prefixes_ms, usual.prefixes_ms),
            min_speech_ms: or(&self.min_speech_ms, usual.min_speech_ms),
        }
    }

    fn stop_grid(&self, now: &BargeIn) -> StopGrid {
        let usual = if self.search { StopGrid::fine(now) } else { StopGrid::around(now) };
        StopGrid {
            thresholds: or(&self.barge_thresholds, usual.thresholds),
            min_speech_ms: or(&self.barge_min_speech_ms, usual.min_speech_ms),
            protect_ms: or(&self.barge_protect_ms, usual.protect_ms),
            restart_under_ms: or(&self.barge_restart_under_ms, usual.restart_under_ms),
            back_channel_ms: or(&self.barge_back_channel_ms, usual.back_channel_ms),
            echo: or(&self.barge_echo, usual.echo),
        }
    }

    fn typed_barge_in(&self) -> bool {
        let spans = [
            &self.barge_min_speech_ms,
            &self.barge_protect_ms,
            &self.barge_restart_under_ms,
            &self.barge_back_channel_ms,
        ];
        !self.barge_thresholds.is_empty() || !self.barge_echo.is_empty() || spans.iter().any(|it| !it.is_empty())
    }
}

/// What a sweep found.
pub(super) struct Swept {
    /// Of each setting of `[vad]`; the first is what runs now.
    pub points: Vec<Point>,
    /// The one that we would take, and why.
    pub best: Option<(usize, String)>,
    /// How many there were to choose from.
    pub of: usize,
    /// Barge-in, if there are calls among the recordings.
    pub stops: Option<Stops>,
    /// The setting that we would take, and why.
    pub best_stop: Option<(usize, String)>,
}

/// Judges the settings behind what runs now, with a bar.
pub(super) fn swept(cases: Vec<Case>, axes: &Axes, sounds: &Sounds, context: &Context) -> Result<Swept, Failure> {
    let base = base(sounds.campaign.as_ref(), context)?;
    let (grid, plan) = (axes.grid(), axes.plan());
    let of = grid.lattice(&base).0.iter().product();
    let calls: Vec<PathBuf> =
        cases.iter().map(|it| PathBuf::from(&it.name)).filter(|it| log_of(it).is_some()).collect();
    let total = |of: usize| match plan {
        Plan::All => of,
        Plan::Search(most) => most.min(of),
    };
    let shown = !context.global.quiet && !context.json();
    let progress = bar(shown, total(of) as u64, "settings");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let each = |done: usize| progress.set_position(done as u64);
    let points = crate::run::block_on(cores, sweep(cases, &grid, base, plan, context.seed, &each))?;
    progress.finish_and_clear();
    let best = recommend(&points);
    if axes.no_barge_in || calls.is_empty() {
        if axes.typed_barge_in() && !axes.no_barge_in {
            return Err(Failure::usage("no labelled call with both channels and its log is among the recordings")
                .next("barge-in is tried on calls: audio.wav with events.jsonl beside it, and labels"));
        }
        return Ok(Swept { points, best, of, stops: None, best_stop: None });
    }
    let campaign = sounds.campaign.as_ref().map(|name| context.workspace()?.campaign(name)).transpose()?;
    let now = campaign.as_ref().map_or(BargeIn::default(), |it| it.barge_in);
    let trial = Trial { vad: base, barge_in: now, measure: now, campaign };
    let grid = axes.stop_grid(&now);
    let of_stops: usize = grid.lattice(&now).0.iter().product();
    let progress = bar(shown, total(of_stops) as u64, "barge-in");
    let each = |done: usize| progress.set_position(done as u64);
    let stops = stops(&calls, &grid, &trial, plan, context.seed, &each);
    progress.finish_and_clear();
    for (name, why) in &stops.left_out {
        say(&format!("{name}: left out of barge-in: {why}"));
    }
    let best_stop = crate::core::replay::stops::recommend(&stops.points);
    let stops = (!stops.points.is_empty()).then_some(stops);
    Ok(Swept { points, best, of, stops, best_stop })
}
