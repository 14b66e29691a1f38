//! How cloning goes, over a window of time.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;

use crate::base::{Boot, limits};
use crate::core::api::page::Spread;

/// Upper bounds of the time from the wish to the voice, seconds.
const TOOK_S: [f64; 11] = [1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 180.0];

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happened {
    /// A caller was given a voice from memory.
    Cached,
    /// A caller joined a clone that is in flight.
    Joined,
    /// A clone was ready in time, after so long.
    Ready(Duration),
    /// A clone was ready after its callers had been told that it is not, after so long.
    Late(Duration),
    /// Callers were told that it takes too long.
    TimedOut,
    /// It came to nothing for another reason.
    Failed,
}

/// The figures of a window. `None` = nothing happened that they could be made of.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CloningFigures {
    /// The window, seconds.
    pub window_s: u64,
    /// Callers whose voice was wanted.
    pub asked: u64,
    /// Of them, given one from memory.
    pub cached: u64,
    /// Clones that were begun and came to an end: `ready`, `timeouts` and `failed` add up to it.
    pub begun: u64,
    /// Ready in time.
    pub ready: u64,
    /// Not ready in time.
    pub timeouts: u64,
    /// Of those that were not, ready later after all.
    pub late: u64,
    /// Failed for another reason: no sample or consent among them.
    pub failed: u64,
    /// Mean time from the wish to the voice, late ones included, seconds.
    pub average_s: Option<f64>,
    /// Its 95th percentile (nearest rank).
    pub p95_s: Option<f64>,
    /// Its 99th percentile (nearest rank).
    pub p99_s: Option<f64>,
    /// `timeouts` of `begun`, 0 to 1.
    pub timeout_rate: Option<f64>,
    /// `cached` of `asked`, 0 to 1.
    pub cache_hit_rate: Option<f64>,
    /// `ready` of `begun`, 0 to 1.
    pub success_rate: Option<f64>,
}

/// What happened, as far back as [`limits::CLONE_HAPPENINGS`] things; and how long voices took, since the start.
#[derive(Debug, Clone, Default)]
pub struct Tally(VecDeque<(Boot, Happened)>, [u64; TOOK_S.len() + 1], f64);

impl Tally {
    /// Adds what happens now. `at` must not go back.
    pub fn add(&mut self, at: Boot, happened: Happened) {
        if self.0.len() >= limits::CLONE_HAPPENINGS {
            self.0.pop_front();
        }
        self.0.push_back((at, happened));
        if let Happened::Ready(took) | Happened::Late(took) = happened {
            let seconds = took.as_secs_f64();
            self.1[TOOK_S.iter().position(|bound| seconds <= *bound).unwrap_or(TOOK_S.len())] += 1;
            self.2 += seconds;
        }
    }

    /// Times from the wish to the voice, late ones included, since the start.
    pub fn seconds(&self) -> Spread {
        Spread { bounds: TOOK_S.to_vec(), counts: self.1.to_vec(), sum_s: self.2 }
    }

    /// The figures of the last `window`.
    pub fn figures(&self, now: Boot, window: Duration) -> CloningFigures {
        let (mut cached, mut joined, mut ready, mut late, mut timeouts, mut failed) = (0, 0, 0, 0, 0, 0);
        let mut took = Vec::new();
        for (_, happened) in self.0.iter().rev().take_while(|(at, _)| now.since(*at) <= window) {
            match happened {
                Happened::Cached => cached += 1,
                Happened::Joined => joined += 1,
                Happened::Ready(span) => {
                    ready += 1;
                    took.push(span.as_secs_f64());
                }
                Happened::Late(span) => {
                    late += 1;
                    took.push(span.as_secs_f64());
                }
                Happened::TimedOut => timeouts += 1,
                Happened::Failed => failed += 1,
            }
        }
        let begun = ready + timeouts + failed;
        let asked = cached + joined + begun;
        took.sort_by(f64::total_cmp);
        let at = |percent: usize| took.get((took.len() * percent).div_ceil(100).max(1) - 1).copied();
        let rate = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        CloningFigures {
            window_s: window.as_secs(),
            asked,
            cached,
            begun,
            ready,
            timeouts,
            late,
            failed,
            average_s: (!took.is_empty()).then(|| took.iter().sum::<f64>() / took.len() as f64),
            p95_s: at(95),
            p99_s: at(99),
            timeout_rate: rate(timeouts, begun),
            cache_hit_rate: rate(cached, asked),
            success_rate: rate(ready, begun),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_count_each_thing_once_and_forget_what_is_older_than_the_window() {
        let second = |n: u64| Boot(n * 1_000_000);
        let mut tally = Tally::default();
        let none = tally.figures(second(0), Duration::from_secs(60));
        assert_eq!((none.asked, none.average_s, none.timeout_rate, none.cache_hit_rate), (0, None, None, None));
        tally.add(second(1), Happened::Ready(Duration::from_secs(500)));
        for n in 1..=100 {
            tally.add(second(100), Happened::Ready(Duration::from_secs(n)));
        }
        for _ in 0..60 {
            tally.add(second(101), Happened::Cached);
        }
        for happened in
            [Happened::Joined, Happened::Failed, Happened::TimedOut, Happened::Late(Duration::from_secs(61))]
        {
            tally.add(second(102), happened);
        }
        let figures = tally.figures(second(120), Duration::from_secs(60));
        assert_eq!(
            (figures.asked, figures.begun, figures.ready, figures.timeouts, figures.failed),
            (163, 102, 100, 1, 1)
        );
        assert_eq!((figures.late, figures.p95_s, figures.p99_s), (1, Some(95.0), Some(99.0)));
        let average = figures.average_s.expect("some");
        assert!((average - (5_050.0 + 61.0) / 101.0).abs() < 1e-9, "{average}");
        assert_eq!((figures.timeout_rate, figures.cache_hit_rate), (Some(1.0 / 102.0), Some(60.0 / 163.0)));
        let wider = tally.figures(second(120), Duration::from_secs(3_600));
        assert_eq!((wider.begun, wider.window_s), (103, 3_600));
    }

    #[test]
    fn a_storm_takes_no_more_room_than_its_bound() {
        let mut tally = Tally::default();
        for n in 0..limits::CLONE_HAPPENINGS as u64 + 10 {
            tally.add(Boot(n), Happened::Cached);
        }
        let figures = tally.figures(Boot(1_000_000), Duration::from_secs(60));
        assert_eq!(figures.asked, limits::CLONE_HAPPENINGS as u64);
    }
}
