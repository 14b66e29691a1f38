//! Calls per second of one account: never more than the rate in any window of a second, as the carrier counts.
//!
//! The carrier notes a call somewhere between our request and its answer. So a slot counts from the moment it is
//! given out until one second after its answer: then no second on the carrier's clock holds more calls than the rate,
//! however the network bunches them. Pure: time is an argument.

use std::collections::VecDeque;
use std::time::Duration;

use crate::base::Boot;

/// How much of the configured rate is left at worst after refusals.
const FLOOR: f64 = 0.1;
/// Share of the configured rate that one accepted call gives back after a refusal.
const RECOVERY: f64 = 0.05;
/// Pause after a refusal for rate that names no time.
const DEFAULT_PAUSE: Duration = Duration::from_secs(1);
/// Bounds of a pause that the carrier names.
const PAUSE: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(900);

/// One permission to send, given back by [`Pacer::answered`] or [`Pacer::unused`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slot(u64);

#[derive(Debug, Clone, Copy)]
struct Sent {
    slot: Slot,
    /// `None` while the answer is awaited.
    answered: Option<Boot>,
}

/// The pace of one account.
#[derive(Debug)]
pub struct Pacer {
    configured: f64,
    rate: f64,
    next: u64,
    last_sent: Option<Boot>,
    closed_until: Option<Boot>,
    window: VecDeque<Sent>,
}

impl Pacer {
    /// A pace of `rate` calls per second, over 0.
    pub fn new(rate: f64) -> Pacer {
        assert!(rate > 0.0 && rate.is_finite(), "configuration checks the rate");
        Pacer { configured: rate, rate, next: 0, last_sent: None, closed_until: None, window: VecDeque::new() }
    }

    /// Calls that may fall into one window, and the window's length.
    fn window(&self) -> (usize, Duration) {
        if self.rate >= 1.0 {
            (self.rate.floor() as usize, Duration::from_secs(1))
        } else {
            (1, Duration::from_secs_f64(1.0 / self.rate))
        }
    }

    /// When the next call may be sent; `None` while that depends on an answer that has not come.
    pub fn ready_at(&self) -> Option<Boot> {
        let (calls, length) = self.window();
        let mut at = self.closed_until.unwrap_or(Boot(0));
        if let Some(last) = self.last_sent {
            at = at.max(last + Duration::from_secs_f64(1.0 / self.rate));
        }
        if self.window.len() >= calls {
            // The oldest call that would share a window with the next one must have left it.
            let oldest = self.window[self.window.len() - calls];
            at = at.max(oldest.answered? + length);
        }
        Some(at)
    }

    /// Takes a slot if one is free now.
    pub fn take(&mut self, now: Boot) -> Option<Slot> {
        if self.ready_at()? > now {
            return None;
        }
        let (_, length) = self.window();
        while self.window.front().is_some_and(|sent| sent.answered.is_some_and(|at| at + length <= now)) {
            self.window.pop_front();
        }
        let slot = Slot(self.next);
        self.next += 1;
        self.last_sent = Some(now);
        self.window.push_back(Sent { slot, answered: None });
        Some(slot)
    }

    /// The carrier answered (or the request is known to be over): the slot leaves the window a second later.
    pub fn answered(&mut self, slot: Slot, now: Boot) {
        if let Some(sent) = self.window.iter_mut().find(|sent| sent.slot == slot) {
            sent.answered = Some(now);
        }
        self.rate = (self.rate + self.configured * RECOVERY).min(self.configured);
    }

    /// Nothing was sent for this slot.
    pub fn unused(&mut self, slot: Slot) {
        self.window.retain(|sent| sent.slot != slot);
    }

    /// The carrier refused for rate: halve, and wait as it says (clamped to 1 s to 15 min).
    pub fn throttled(&mut self, slot: Slot, now: Boot, after: Option<Duration>) {
        if let Some(sent) = self.window.iter_mut().find(|sent| sent.slot == slot) {
            sent.answered = Some(now);
        }
        self.rate = (self.rate / 2.0).max(self.configured * FLOOR);
        let pause = after.unwrap_or(DEFAULT_PAUSE).clamp(*PAUSE.start(), *PAUSE.end());
        self.closed_until = self.closed_until.max(Some(now + pause));
    }

    /// The present rate, calls per second.
    pub fn rate(&self) -> f64 {
        self.rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000;

    /// Sends as fast as the pacer lets us, with a random delay to the carrier's log and back; returns the log's times.
    fn carrier_log(rate: f64, calls: usize, seed: u64) -> Vec<u64> {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut pacer = Pacer::new(rate);
        let mut now = Boot(0);
        let mut answers: Vec<(Boot, Slot)> = Vec::new();
        let mut log = Vec::new();
        while log.len() < calls {
            answers.sort_by_key(|(at, _)| *at);
            while answers.first().is_some_and(|(at, _)| *at <= now) {
                let (at, slot) = answers.remove(0);
                pacer.answered(slot, at);
            }
            if let Some(slot) = pacer.take(now) {
                let logged = now.0 + random.u64(0..400 * MS);
                log.push(logged);
                answers.push((Boot(logged + random.u64(0..400 * MS)), slot));
            }
            now = Boot(now.0 + MS);
        }
        log.sort_unstable();
        log
    }

    #[test]
    fn no_second_of_the_carriers_log_holds_more_calls_than_the_rate() {
        for (rate, seed) in [(1.0, 1), (1.5, 2), (5.0, 3), (20.0, 4), (97.3, 5)] {
            let log = carrier_log(rate, 150, seed);
            for (at, start) in log.iter().enumerate() {
                let inside = log[at..].iter().take_while(|time| **time < start + 1_000 * MS).count();
                assert!(inside <= rate.floor() as usize, "{inside} calls in a second at a rate of {rate}");
            }
        }
    }

    #[test]
    fn a_rate_below_one_waits_its_whole_interval() {
        let log = carrier_log(0.5, 6, 9);
        for pair in log.windows(2) {
            assert!(pair[1] - pair[0] >= 2_000 * MS, "{pair:?}");
        }
    }

    #[test]
    fn a_refusal_halves_the_rate_and_waits_as_told_and_success_gives_it_back() {
        let mut pacer = Pacer::new(10.0);
        let slot = pacer.take(Boot(0)).expect("free");
        pacer.throttled(slot, Boot(0), Some(Duration::from_secs(7)));
        assert_eq!(pacer.rate(), 5.0);
        assert_eq!(pacer.take(Boot(6_999 * MS)), None);
        let slot = pacer.take(Boot(7_000 * MS)).expect("the pause is over");
        pacer.answered(slot, Boot(7_000 * MS));
        assert!(pacer.rate() > 5.0);
        let slot = pacer.take(Boot(9_000 * MS)).expect("free");
        pacer.throttled(slot, Boot(9_000 * MS), Some(Duration::from_secs(86_400)));
        assert!(pacer.take(Boot((9 + 900) * 1_000 * MS)).is_some(), "a day's pause is clamped to 15 minutes");
    }

    #[test]
    fn an_unused_slot_is_given_back() {
        let mut pacer = Pacer::new(1.0);
        let slot = pacer.take(Boot(0)).expect("free");
        assert_eq!(pacer.ready_at(), None, "waits for the answer");
        pacer.unused(slot);
        assert_eq!(pacer.ready_at(), Some(Boot(1_000 * MS)), "only the spacing is left");
    }
}
