//! Calls per second of one account: never more than the rate in any window of a second, as the carrier counts.
//!
//! The carrier notes a call somewhere between our request and its answer. So a slot counts from the moment it is
//! given out until one second after its answer: then no second on the carrier's clock holds more calls than the rate,
//! however the network bunches them. Pure: time is an argument.

use std::collections::VecDeque;
use std::time::Duration;

use crate::base::Boot;
use crate::base::limits::{PLACE_TIMEOUT, QUEUE_TIME, SEND_WINDOW};

/// How much of the configured rate is left at worst after refusals.
const FLOOR: f64 = 0.1;
/// Share of the configured rate that one accepted call gives back after a refusal.
const RECOVERY: f64 = 0.05;
/// Pause after a refusal for rate that names no time.
const DEFAULT_PAUSE: Duration = Duration::from_secs(1);
/// Bounds of a pause that the carrier names.
const PAUSE: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(900);

/// What a process that has just died may still have had on the wire reaches the carrier within this time.
const LAST_BREATH: Duration = Duration::from_secs(1);

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
    /// Until then reports of the carrier's queue are about calls that were sent too fast already.
    eased_until: Option<Boot>,
    window: VecDeque<Sent>,
}

impl Pacer {
    /// A pace of `rate` calls per second, over 0.
    pub fn new(rate: f64) -> Pacer {
        assert!(rate > 0.0 && rate.is_finite(), "configuration checks the rate");
        Pacer {
            configured: rate,
            rate,
            next: 0,
            last_sent: None,
            closed_until: None,
            eased_until: None,
            window: VecDeque::new(),
        }
    }

    /// How long ago an intent of an earlier process may be whose call still shares a window with ours.
    pub fn looks_back(rate: f64) -> Duration {
        window_of(rate).1 + SEND_WINDOW + PLACE_TIMEOUT
    }

    /// Goes on after a process that sent `sent` calls within [`Pacer::looks_back`]: they count as if the carrier noted
    /// them just now, so that a restart never bursts.
    pub fn goes_on(&mut self, now: Boot, sent: usize) {
        let (calls, _) = self.window();
        for _ in 0..sent.min(calls) {
            let slot = Slot(self.next);
            self.next += 1;
            self.window.push_back(Sent { slot, answered: Some(now + LAST_BREATH) });
        }
    }

    /// Calls that may fall into one window, and the window's length.
    fn window(&self) -> (usize, Duration) {
        window_of(self.rate)
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
        // An answer to what was sent before the carrier complained says nothing about the pace since.
        let easing = [self.closed_until, self.eased_until].into_iter().flatten().any(|until| until > now);
        if !easing {
            self.rate = (self.rate + self.configured * RECOVERY).min(self.configured);
        }
    }

    /// The carrier held a call in its own queue for this long: above [`QUEUE_TIME`] the rate is halved, once for all
    /// calls that were in that queue together.
    pub fn queued(&mut self, now: Boot, waited: Duration) {
        if waited <= QUEUE_TIME || self.eased_until.is_some_and(|until| until > now) {
            return;
        }
        self.rate = (self.rate / 2.0).max(self.configured * FLOOR);
        self.eased_until = Some(now + waited.clamp(*PAUSE.start(), *PAUSE.end()));
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

/// Calls of one window at a rate, and the window's length.
fn window_of(rate: f64) -> (usize, Duration) {
    if rate >= 1.0 { (rate.floor() as usize, Duration::from_secs(1)) } else { (1, Duration::from_secs_f64(1.0 / rate)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000;

    /// Sends as fast as the pacer lets us, with a random delay to the carrier's log and back; returns the log's times.
    fn carrier_log(rate: f64, calls: usize, seed: u64) -> Vec<u64> {
        rough_log(rate, calls, seed, 0.0, 0.0)
    }

    /// The same with a carrier that complains (`rough`: per answer) and a process that dies (`deaths`: per millisecond)
    /// and is back within half a second; what it had sent arrives all the same.
    fn rough_log(rate: f64, calls: usize, seed: u64, rough: f64, deaths: f64) -> Vec<u64> {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut pacer = Pacer::new(rate);
        let mut now = Boot(0);
        let mut answers: Vec<(Boot, Slot)> = Vec::new();
        let mut intents: Vec<Boot> = Vec::new();
        let mut log = Vec::new();
        while log.len() < calls {
            if random.f64() < deaths {
                now = Boot(now.0 + random.u64(0..500 * MS));
                answers.clear();
                pacer = Pacer::new(rate);
                let sent = intents.iter().filter(|at| now.since(**at) <= Pacer::looks_back(rate)).count();
                pacer.goes_on(now, sent);
            }
            answers.sort_by_key(|(at, _)| *at);
            while answers.first().is_some_and(|(at, _)| *at <= now) {
                let (at, slot) = answers.remove(0);
                if random.f64() >= rough {
                    pacer.answered(slot, at);
                } else if random.bool() {
                    pacer.throttled(slot, at, random.bool().then(|| Duration::from_millis(random.u64(0..3_000))));
                } else {
                    pacer.answered(slot, at);
                    pacer.queued(at, Duration::from_millis(random.u64(0..9_000)));
                }
            }
            if let Some(slot) = pacer.take(now) {
                intents.push(now);
                if random.f64() < rough / 4.0 {
                    pacer.unused(slot);
                    continue;
                }
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
    fn not_even_with_complaints_fractions_of_calls_and_deaths_of_the_dialer() {
        for seed in 0..40 {
            let mut random = fastrand::Rng::with_seed(seed);
            let rate = [0.3, 0.99, 1.0, 1.7, 4.5, 12.9, 40.0][random.usize(..7)];
            let log = rough_log(rate, 60, seed, 0.2, 0.001);
            let (calls, length) = window_of(rate);
            for (at, start) in log.iter().enumerate() {
                let end = start + length.as_micros() as u64;
                let inside = log[at..].iter().take_while(|time| **time < end).count();
                assert!(inside <= calls, "seed {seed}: {inside} calls in {length:?} at a rate of {rate}");
            }
        }
    }

    #[test]
    fn a_queue_at_the_carrier_halves_the_rate_once_for_all_calls_in_it() {
        let mut pacer = Pacer::new(8.0);
        pacer.queued(Boot(0), Duration::from_secs(2));
        assert_eq!(pacer.rate(), 8.0, "two seconds are no queue");
        for _ in 0..5 {
            pacer.queued(Boot(0), Duration::from_secs(6));
        }
        assert_eq!(pacer.rate(), 4.0);
        let slot = pacer.take(Boot(1)).expect("free");
        pacer.answered(slot, Boot(2));
        assert_eq!(pacer.rate(), 4.0, "sent before the carrier caught up");
        pacer.queued(Boot(7_000 * MS), Duration::from_secs(6));
        assert_eq!(pacer.rate(), 2.0, "it has not caught up");
        let slot = pacer.take(Boot(14_000 * MS)).expect("free");
        pacer.answered(slot, Boot(14_000 * MS));
        assert_eq!(pacer.rate(), 2.4, "up by steps");
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
