//! Many `[barge_in]` settings over the same recorded calls: how fast each stops our voice, how often wrongly, how often not,
//! and which we would take.

use std::time::Duration;

use serde::Serialize;

use super::barge::{Figures, Judged, Recorded, Replayed, Trial, figures, replay_again};
use super::search::{Place, everywhere, unbeaten};
use super::sweep::{ms, nearest};
use crate::core::config::BargeIn;

/// Which settings are tried: every combination.
#[derive(Debug, Clone, PartialEq)]
pub struct StopGrid {
    /// Thresholds, 0 to 1.
    pub thresholds: Vec<f32>,
    /// Shortest speech that stops us, ms.
    pub min_speech_ms: Vec<u64>,
    /// First words that cannot be stopped, ms.
    pub protect_ms: Vec<u64>,
    /// A greeting stopped before this is begun anew, ms.
    pub restart_under_ms: Vec<u64>,
    /// A quiet hum shorter than this does not stop us, ms.
    pub back_channel_ms: Vec<u64>,
    /// Whether our own voice is told from theirs.
    pub echo: Vec<bool>,
}

impl StopGrid {
    /// What is tried around the settings of now, 40 settings: protected words, begun anew and echo as they are.
    pub fn around(now: &BargeIn) -> StopGrid {
        StopGrid {
            thresholds: vec![0.4, 0.5, 0.6, 0.7, 0.8],
            min_speech_ms: vec![32, 64, 96, 128],
            back_channel_ms: vec![0, 500],
            ..StopGrid::only(now)
        }
    }

    /// What a search looks through: finer, 1,584 settings, the echo gate among them.
    pub fn fine(now: &BargeIn) -> StopGrid {
        StopGrid {
            thresholds: (6..=17).map(|it| it as f32 * 5.0 / 100.0).collect(),
            min_speech_ms: vec![32, 64, 96, 128, 160, 192],
            back_channel_ms: (0..=10).map(|it| it * 100).collect(),
            echo: vec![false, true],
            ..StopGrid::only(now)
        }
    }

    fn only(now: &BargeIn) -> StopGrid {
        StopGrid {
            thresholds: vec![now.threshold],
            min_speech_ms: vec![ms(now.min_speech)],
            protect_ms: vec![ms(now.protect)],
            restart_under_ms: vec![ms(now.restart_under)],
            back_channel_ms: vec![ms(now.back_channel)],
            echo: vec![now.echo],
        }
    }

    /// All its settings.
    pub fn settings(&self, now: &BargeIn) -> Vec<BargeIn> {
        let (axes, _) = self.lattice(now);
        everywhere(&axes).iter().map(|place| self.setting(now, place)).collect()
    }

    /// How many values each axis has, and the place that is nearest to the settings of now.
    pub fn lattice(&self, now: &BargeIn) -> (Vec<usize>, Place) {
        let near = |values: &[u64], now: Duration| nearest(values, |it| it.abs_diff(ms(now)) as f64);
        let axes = [
            (self.thresholds.len(), nearest(&self.thresholds, |it| f64::from((it - now.threshold).abs()))),
            (self.min_speech_ms.len(), near(&self.min_speech_ms, now.min_speech)),
            (self.protect_ms.len(), near(&self.protect_ms, now.protect)),
            (self.restart_under_ms.len(), near(&self.restart_under_ms, now.restart_under)),
            (self.back_channel_ms.len(), near(&self.back_channel_ms, now.back_channel)),
            (self.echo.len(), self.echo.iter().position(|it| *it == now.echo).unwrap_or(0)),
        ];
        axes.into_iter().unzip()
    }

    /// The setting at a place of the lattice.
    pub fn setting(&self, now: &BargeIn, place: &Place) -> BargeIn {
        let span = Duration::from_millis;
        BargeIn {
            enabled: now.enabled,
            threshold: self.thresholds[place[0]],
            min_speech: span(self.min_speech_ms[place[1]]),
            protect: span(self.protect_ms[place[2]]),
            restart_under: span(self.restart_under_ms[place[3]]),
            back_channel: span(self.back_channel_ms[place[4]]),
            echo: self.echo[place[5]],
        }
    }
}

/// One setting and what it came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StopPoint {
    /// Threshold.
    pub threshold: f32,
    /// Shortest speech that stops us, ms.
    pub min_speech_ms: u64,
    /// First words that cannot be stopped, ms.
    pub protect_ms: u64,
    /// A greeting stopped before this is begun anew, ms.
    pub restart_under_ms: u64,
    /// A quiet hum shorter than this does not stop us, ms.
    pub back_channel_ms: u64,
    /// Whether our own voice is told from theirs.
    pub echo: bool,
    /// Its figures.
    pub figures: Figures,
    /// Of the false stops, those on lines that give our own voice back.
    pub false_on_echoing_lines: usize,
    /// No other setting is at least as good in everything and better in something.
    pub front: bool,
}

/// A call against all these trials: what the network makes of it is judged once.
pub fn replay_all(recorded: &Recorded, trials: &[Trial]) -> Result<Vec<Replayed>, &'static str> {
    let mut judged = Judged::default();
    trials.iter().map(|trial| replay_again(recorded, trial, &mut judged)).collect()
}

/// The figures of each setting. `calls`: of each call, its replays in the order of the settings.
pub fn judge(settings: &[BargeIn], calls: &[Vec<Replayed>]) -> Vec<StopPoint> {
    let echoing: Vec<bool> = calls.iter().map(|call| call.iter().any(|it| it.echo.is_some())).collect();
    let points = settings.iter().enumerate().map(|(nth, setting)| {
        let mine: Vec<Replayed> = calls.iter().map(|call| call[nth].clone()).collect();
        let falsely = |call: &Replayed| call.stops.iter().filter(|it| it.falsely == Some(true)).count();
        let on_echo = mine.iter().zip(&echoing).filter(|(_, echoing)| **echoing).map(|(call, _)| falsely(call)).sum();
        StopPoint {
            threshold: setting.threshold,
            min_speech_ms: ms(setting.min_speech),
            protect_ms: ms(setting.protect),
            restart_under_ms: ms(setting.restart_under),
            back_channel_ms: ms(setting.back_channel),
            echo: setting.echo,
            figures: figures(&mine),
            false_on_echoing_lines: on_echo,
            front: false,
        }
    });
    points.collect()
}

/// What is wanted of a setting, each the larger the better: few false stops, few missed ones, soon.
pub fn wants(point: &StopPoint) -> [f64; 4] {
    let figures = &point.figures;
    let count = |it: Option<usize>| -(it.unwrap_or(0) as f64);
    // Who stops nothing is not fast.
    let delay = |it: fn(&crate::core::figures::Quantiles<u64>) -> u64| {
        figures.delay_ms.as_ref().map_or(f64::MIN, |all| -(it(all) as f64))
    };
    [count(figures.false_stops), count(figures.missed_stops), delay(|it| it.p95), delay(|it| it.p50)]
}

/// Marks the settings that no other one beats.
pub fn mark_front(points: &mut [StopPoint]) {
    let all: Vec<[f64; 4]> = points.iter().map(wants).collect();
    for (point, front) in points.iter_mut().zip(unbeaten(&all)) {
        point.front = front;
    }
}

/// The setting that we would take: the fewest stops that are false or missed, and of those the soonest; of equals the one
/// that is nearest to the first, what runs now. With the reason. `None` of nothing.
pub fn recommend(points: &[StopPoint]) -> Option<(usize, String)> {
    let now = points.first()?;
    let changes = |it: &StopPoint| {
        let values = [
            it.min_speech_ms != now.min_speech_ms,
            it.protect_ms != now.protect_ms,
            it.restart_under_ms != now.restart_under_ms,
            it.back_channel_ms != now.back_channel_ms,
            it.echo != now.echo,
        ];
        values.into_iter().filter(|it| *it).count() as f64 + f64::from((it.threshold - now.threshold).abs())
    };
    let key = |point: &StopPoint| {
        let [falsely, missed, p95, p50] = wants(point);
        [falsely + missed, falsely, p95, p50, -changes(point)]
    };
    // The last of equals is taken: backwards it is the first.
    let all = points.iter().enumerate().rev();
    let (at, point) = all.max_by(|(_, a), (_, b)| key(a).partial_cmp(&key(b)).unwrap_or(std::cmp::Ordering::Equal))?;
    let figures = &point.figures;
    let wait =
        figures.delay_ms.map_or("nothing stops us".to_owned(), |it| format!("p50 {} ms, p95 {} ms", it.p50, it.p95));
    let reason = format!(
        "of these barge-in settings it has the fewest wrong stops over {} labelled calls ({} false, {} of them where our own voice \
         comes back; {} missed), and of those it stops us soonest ({wait})",
        figures.calls,
        figures.false_stops.unwrap_or(0),
        point.false_on_echoing_lines,
        figures.missed_stops.unwrap_or(0)
    );
    Some((at, reason))
}

#[cfg(test)]
mod tests {
    use super::super::barge::Stop;
    use super::*;

    fn call(stops: &[(u64, bool)], missed: usize, echo: bool) -> Replayed {
        let stop = |(delay, falsely): &(u64, bool)| Stop {
            clip: "greeting".to_owned(),
            onset_ms: 1_000,
            clear_ms: 1_000 + delay,
            heard_ms: 900,
            total_ms: 5_000,
            falsely: Some(*falsely),
        };
        Replayed {
            file: "a".to_owned(),
            stops: stops.iter().map(stop).collect(),
            live: Vec::new(),
            differs_from_ms: None,
            missed: Some(vec![(0, 1); missed]),
            held: Vec::new(),
            echo: echo.then_some((200, 12)),
            unknown_rests: 0,
        }
    }

    #[test]
    fn a_fast_setting_that_stops_for_our_own_echo_is_not_taken_and_of_equals_the_first_is() {
        let now = BargeIn::default();
        let grid = StopGrid { thresholds: vec![0.6, 0.4, 0.5, 0.8], ..StopGrid::only(&now) };
        // By setting: exact; hasty; exact and as fast; deaf.
        let clean = vec![call(&[(90, false)], 0, false); 4];
        let mut echoing =
            vec![call(&[], 0, true), call(&[(60, true)], 0, true), call(&[], 0, true), call(&[], 1, true)];
        echoing[1].echo = None;
        let settings = grid.settings(&now);
        let mut points = judge(&settings, &[clean, echoing]);
        mark_front(&mut points);
        let (at, reason) = recommend(&points).expect("one");
        assert_eq!((at, points[at].threshold), (0, 0.6), "{reason}");
        assert!(reason.contains("over 2 labelled calls (0 false"), "{reason}");
        assert_eq!((points[1].figures.false_stops, points[1].false_on_echoing_lines), (Some(1), 1));
        let front: Vec<bool> = points.iter().map(|it| it.front).collect();
        assert_eq!(front, [true, true, true, false], "the hasty one is the fastest; the deaf one is best in nothing");
        assert_eq!(recommend(&[]), None);
    }

    #[test]
    fn a_setting_that_never_stops_is_not_the_soonest() {
        let now = BargeIn::default();
        let settings = StopGrid { thresholds: vec![0.9, 0.6], ..StopGrid::only(&now) }.settings(&now);
        let calls = [vec![call(&[], 0, false), call(&[(90, false)], 0, false)]];
        let points = judge(&settings, &calls);
        assert_eq!(recommend(&points).expect("one").0, 1);
    }

    #[test]
    fn the_grids_hold_the_settings_that_are_kept_and_every_combination_of_the_others() {
        let now = BargeIn { protect: Duration::from_millis(700), ..BargeIn::default() };
        let settings = StopGrid::around(&now).settings(&now);
        assert_eq!(settings.len(), 40);
        assert!(settings.contains(&now) && settings.iter().all(|it| it.protect == now.protect && it.echo));
        let fine = StopGrid::fine(&now);
        let (axes, first) = fine.lattice(&now);
        assert_eq!(axes.iter().product::<usize>(), 1_584);
        assert_eq!(fine.setting(&now, &first), now, "a search begins at what runs now");
    }
}
