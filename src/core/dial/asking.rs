//! The pace of questions to one account: apart from the pace of calls, so that an outage that leaves a thousand
//! outcomes unknown neither floods the carrier nor holds up the desk. Pure: time is an argument.

use std::time::Duration;

use crate::base::{Boot, limits};

/// Pause after a refusal for rate that names no time.
const DEFAULT_PAUSE: Duration = Duration::from_secs(1);
/// Bounds of a pause that the carrier names.
const PAUSE: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(900);
/// Longest pause after questions that got no answer: an outage is noticed to be over soon after it is.
const SILENCE_MOST: Duration = Duration::from_secs(30);
/// Share of the full rate that is left at worst.
const FLOOR: f64 = 0.1;
/// Share of the full rate that an answer gives back.
const RECOVERY: f64 = 0.05;

/// How fast one account may be asked.
#[derive(Debug, Clone)]
pub struct AskPace {
    full: f64,
    rate: f64,
    next: Boot,
    silent: u32,
}

impl Default for AskPace {
    fn default() -> AskPace {
        AskPace::new(limits::QUESTIONS_PER_SECOND)
    }
}

impl AskPace {
    /// A pace of `rate` questions per second, over 0.
    pub fn new(rate: f64) -> AskPace {
        assert!(rate > 0.0 && rate.is_finite(), "a named limit");
        AskPace { full: rate, rate, next: Boot(0), silent: 0 }
    }

    /// Takes leave to ask one question now. Errors: when to come again.
    pub fn take(&mut self, now: Boot) -> Result<(), Boot> {
        if now < self.next {
            return Err(self.next);
        }
        self.next = now + Duration::from_secs_f64(1.0 / self.rate);
        Ok(())
    }

    /// The carrier answered.
    pub fn answered(&mut self) {
        self.silent = 0;
        self.rate = (self.rate + self.full * RECOVERY).min(self.full);
    }

    /// The carrier refused the question for its rate (HTTP 429); `after` is its `Retry-After`.
    pub fn throttled(&mut self, now: Boot, after: Option<Duration>) {
        self.silent = 0;
        self.rate = (self.rate / 2.0).max(self.full * FLOOR);
        self.wait(now, after.unwrap_or(DEFAULT_PAUSE).clamp(*PAUSE.start(), *PAUSE.end()));
    }

    /// No answer, or an unreadable one: 1 s, 2 s, 4 s … 30 s.
    pub fn failed(&mut self, now: Boot) {
        let pause = DEFAULT_PAUSE.saturating_mul(1 << self.silent.min(5)).min(SILENCE_MOST);
        self.silent = self.silent.saturating_add(1);
        self.wait(now, pause);
    }

    fn wait(&mut self, now: Boot, pause: Duration) {
        self.next = self.next.max(now + pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Boot {
        Boot(ms * 1_000)
    }

    /// Questions that a greedy asker gets through in a span.
    fn asked(pace: &mut AskPace, from_ms: u64, until_ms: u64) -> usize {
        (from_ms..until_ms).filter(|ms| pace.take(at(*ms)).is_ok()).count()
    }

    #[test]
    fn a_thousand_unknowns_are_asked_about_at_the_named_rate_and_no_faster() {
        let mut pace = AskPace::new(10.0);
        assert_eq!(asked(&mut pace, 0, 60_000), 600);
    }

    #[test]
    fn a_refusal_for_rate_is_waited_out_and_halves_the_rate() {
        let mut pace = AskPace::new(10.0);
        pace.throttled(at(0), Some(Duration::from_secs(7)));
        assert_eq!(pace.take(at(6_999)), Err(at(7_000)));
        assert_eq!(asked(&mut pace, 7_000, 17_000), 50);
        pace.throttled(at(17_000), Some(Duration::from_secs(86_400)));
        assert_eq!(pace.take(at(17_001)), Err(at(917_000)), "a day is cut to a quarter of an hour");
        for _ in 0..20 {
            pace.answered();
        }
        assert_eq!(asked(&mut pace, 917_000, 927_000), 100, "answers give the rate back");
    }

    #[test]
    fn silence_is_met_with_longer_and_longer_pauses_but_an_outages_end_is_noticed() {
        let mut pace = AskPace::new(10.0);
        let mut now = 0;
        let mut pauses = Vec::new();
        for _ in 0..8 {
            pace.failed(at(now));
            let Err(next) = pace.take(at(now)) else { panic!("a pause") };
            pauses.push(next.since(at(now)).as_secs());
            now = next.0 / 1_000;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30, 30]);
        assert_eq!(pace.take(at(now)), Ok(()));
        pace.answered();
        pace.failed(at(now + 200));
        assert_eq!(pace.take(at(now + 200)), Err(at(now + 1_200)), "an answer forgets the silence");
    }
}
