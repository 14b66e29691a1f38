//! Many settings over the same recordings: figures of each, what is better than what, and what we would take.

use std::time::Duration;

use serde::Serialize;

use super::Track;
use super::labels::Utterance;
use super::score::{Figures, Tally};
use super::search::{Place, everywhere, unbeaten};
use crate::core::config::Vad;
use crate::core::figures::Quantiles;

/// A recording with what was said in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// What the ear made of it.
    pub track: Track,
    /// What was said.
    pub said: Vec<Utterance>,
}

/// Which settings are tried: every combination.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    /// Thresholds, 0 to 1.
    pub thresholds: Vec<f32>,
    /// Silences that end a turn, ms.
    pub silences_ms: Vec<u64>,
    /// How much earlier a segment starts than its speech, ms; none: as it is now.
    pub prefixes_ms: Vec<u64>,
    /// Shortest speech, ms.
    pub min_speech_ms: Vec<u64>,
}

impl Default for Grid {
    fn default() -> Grid {
        Grid {
            thresholds: vec![0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7, 0.8],
            silences_ms: vec![300, 400, 500, 600, 700, 800, 900],
            prefixes_ms: Vec::new(),
            min_speech_ms: vec![32, 64, 96, 128],
        }
    }
}

pub(super) fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Where the value that is nearest to `now` stands.
pub(super) fn nearest<T: Copy>(values: &[T], apart: impl Fn(T) -> f64) -> usize {
    let all = values.iter().enumerate();
    all.min_by(|(_, a), (_, b)| apart(**a).total_cmp(&apart(**b))).map_or(0, |(at, _)| at)
}

impl Grid {
    /// What a search looks through: finer and wider than the grid, 14,280 settings.
    pub fn fine() -> Grid {
        Grid {
            thresholds: (4..=18).map(|it| it as f32 * 5.0 / 100.0).collect(),
            silences_ms: (4..=20).map(|it| it * 50).collect(),
            prefixes_ms: (0..=6).map(|it| it * 100).collect(),
            min_speech_ms: (1..=8).map(|it| it * 32).collect(),
        }
    }

    /// The grid with the base's own prefix, if it has none.
    fn with_prefix_of(&self, base: &Vad) -> Grid {
        let mut grid = self.clone();
        if grid.prefixes_ms.is_empty() {
            grid.prefixes_ms.push(ms(base.prefix_padding));
        }
        grid
    }

    /// All its settings.
    pub fn settings(&self, base: &Vad) -> Vec<Vad> {
        let (axes, _) = self.lattice(base);
        everywhere(&axes).iter().map(|place| self.setting(base, place)).collect()
    }

    /// How many values each axis has, and the place that is nearest to the base: threshold, silence, shortest speech, prefix.
    pub fn lattice(&self, base: &Vad) -> (Vec<usize>, Place) {
        let grid = self.with_prefix_of(base);
        let near = |values: &[u64], now: Duration| nearest(values, |it| it.abs_diff(ms(now)) as f64);
        let axes = [grid.thresholds.len(), grid.silences_ms.len(), grid.min_speech_ms.len(), grid.prefixes_ms.len()];
        let first = [
            nearest(&grid.thresholds, |it| f64::from((it - base.threshold).abs())),
            near(&grid.silences_ms, base.silence),
            near(&grid.min_speech_ms, base.min_speech),
            near(&grid.prefixes_ms, base.prefix_padding),
        ];
        (axes.to_vec(), first.to_vec())
    }

    /// The setting at a place of the lattice.
    pub fn setting(&self, base: &Vad, place: &Place) -> Vad {
        let (grid, span) = (self.with_prefix_of(base), Duration::from_millis);
        Vad {
            threshold: grid.thresholds[place[0]],
            silence: span(grid.silences_ms[place[1]]),
            min_speech: span(grid.min_speech_ms[place[2]]),
            prefix_padding: span(grid.prefixes_ms[place[3]]),
        }
    }
}

/// One setting and what it came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Point {
    /// Threshold.
    pub threshold: f32,
    /// Silence that ends a turn, ms.
    pub silence_ms: u64,
    /// Shortest speech, ms.
    pub min_speech_ms: u64,
    /// How much earlier a segment starts than its speech, ms.
    pub prefix_padding_ms: u64,
    /// Its figures.
    pub figures: Figures,
    /// 95 % of the owned short utterances' share, by drawing recordings anew; `None` with less than two of them.
    pub short_owned_between: Option<(f64, f64)>,
    /// No other setting is at least as good in everything and better in something.
    pub front: bool,
}

/// Draws of the bootstrap.
const DRAWS: usize = 200;

/// Figures of one setting over all cases. `draw(n)`: a number under `n`, by chance.
pub fn judge(cases: &[Case], vad: &Vad, draw: &mut dyn FnMut(usize) -> usize) -> Point {
    let tallies: Vec<Tally> =
        cases.iter().map(|case| Tally::of(&case.said, &case.track.segments(vad), case.track.ms())).collect();
    let mut sum = Tally::default();
    for tally in &tallies {
        sum += tally;
    }
    Point {
        threshold: vad.threshold,
        silence_ms: ms(vad.silence),
        min_speech_ms: ms(vad.min_speech),
        prefix_padding_ms: ms(vad.prefix_padding),
        figures: sum.figures(),
        short_owned_between: between(&tallies, draw),
        front: false,
    }
}

fn between(tallies: &[Tally], draw: &mut dyn FnMut(usize) -> usize) -> Option<(f64, f64)> {
    let with: Vec<(u64, u64)> = tallies.iter().filter(|it| it.short > 0).map(|it| (it.short, it.short_owned)).collect();
    if with.len() < 2 {
        return None;
    }
    let mut shares: Vec<f64> = (0..DRAWS)
        .map(|_| {
            let (mut short, mut owned) = (0, 0);
            for _ in 0..with.len() {
                let (more, of_them) = with[draw(with.len())];
                short += more;
                owned += of_them;
            }
            100.0 * owned as f64 / short as f64
        })
        .collect();
    shares.sort_by(f64::total_cmp);
    Some((shares[DRAWS / 40], shares[DRAWS - 1 - DRAWS / 40]))
}

/// What is wanted of a setting, each the larger the better: short utterances owned, few false segments, an end and a start that
/// are known soon, all utterances owned, whole beginnings, a short prefix.
pub fn wants(point: &Point) -> [f64; 7] {
    let figures = &point.figures;
    let short = figures.short_owned_percent.or(figures.owned_percent).unwrap_or(0.0);
    let late = |it: Option<Quantiles<u64>>| it.map_or(f64::MAX, |it| it.p90 as f64);
    [
        short,
        -figures.false_per_minute,
        -late(figures.end_ms),
        -late(figures.start_ms),
        figures.owned_percent.unwrap_or(0.0),
        figures.whole_percent.unwrap_or(0.0),
        -(point.prefix_padding_ms as f64),
    ]
}

/// Marks the settings that no other one beats.
pub fn mark_front(points: &mut [Point]) {
    let all: Vec<[f64; 7]> = points.iter().map(wants).collect();
    for (point, front) in points.iter_mut().zip(unbeaten(&all)) {
        point.front = front;
    }
}

/// Utterances that a recommendation may give up for a shorter wait, in percent of them.
const GIVES_UP: f64 = 1.0;
/// False segments a minute that are borne: the bound of the quality figures.
const FALSE_BORNE: f64 = 0.5;

/// The setting that we would take: of those that bear false segments, own nearly as many short utterances as the best, and of these
/// nearly as many of all, the one whose callees wait least; of equals the one that keeps most beginnings, with the shortest prefix, and
/// that is nearest to the first, what runs now. With the reason. `None` of nothing.
pub fn recommend(points: &[Point]) -> Option<(usize, String)> {
    let now = points.first()?;
    let calm = points.iter().any(|point| point.figures.false_per_minute <= FALSE_BORNE);
    let able = |point: &Point| !calm || point.figures.false_per_minute <= FALSE_BORNE;
    let mut good: Vec<(usize, &Point)> = points.iter().enumerate().filter(|(_, it)| able(it)).collect();
    let mut keep = |share: fn(&Point) -> f64| {
        let best = good.iter().map(|(_, it)| share(it)).fold(f64::MIN, f64::max);
        good.retain(|(_, it)| share(it) >= best - GIVES_UP);
        best
    };
    let (short, all) = (keep(|it| wants(it)[0]), keep(|it| wants(it)[4]));
    let changes = |it: &Point| {
        let spans = [
            it.silence_ms != now.silence_ms,
            it.min_speech_ms != now.min_speech_ms,
            it.prefix_padding_ms != now.prefix_padding_ms,
        ];
        spans.into_iter().filter(|it| *it).count() as f64 + f64::from((it.threshold - now.threshold).abs())
    };
    // The last of equals is taken: backwards it is the first.
    let (at, point) = good.into_iter().rev().max_by(|(_, a), (_, b)| {
        let key = |point: &Point| {
            let [short, calm, end, start, all, whole, prefix] = wants(point);
            [end, short, all, calm, start, whole, prefix, -changes(point)]
        };
        key(a).partial_cmp(&key(b)).unwrap_or(std::cmp::Ordering::Equal)
    })?;
    let wait = point.figures.end_ms.map_or("nobody waits".to_owned(), |it| format!("p90 {} ms", it.p90));
    let falsely = if calm { format!("at most {FALSE_BORNE}") } else { "none of them at most 0.5".to_owned() };
    let reason = format!(
        "of the settings with {falsely} false segments a minute and within {GIVES_UP} % of the best shares of short utterances \
         ({short:.1} %) and then of all ({all:.1} %) owned, it knows the end of a turn soonest ({wait}); {:.1} % of the owned begin \
         within their segment",
        point.figures.whole_percent.unwrap_or(0.0)
    );
    Some((at, reason))
}
