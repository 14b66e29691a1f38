//! Whether this machine's wall clock can be trusted: calling hours and caps hang on it.
//!
//! Two witnesses: the carrier's `Date`, and our own boot clock, which never steps. Pure: all times are arguments.

use std::time::Duration;

use crate::base::limits::{CLOCK_DRIFT, CLOCK_REFUSE, CLOCK_WARN};
use crate::base::{Boot, Wall};

/// What the carrier's clock says about ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skew {
    /// Close enough.
    Fine,
    /// Worth a word: over 30 s.
    Warn(i64),
    /// Nobody may be called by this clock: over 5 min.
    Refuse(i64),
}

/// Compares our wall clock with the carrier's, both read when its answer came. Milliseconds, positive = ours is ahead.
///
/// `took`: how long question and answer were under way: the carrier read its clock at some moment of it, and `Date` has
/// whole seconds, so this much is forgiven.
pub fn skew(ours: Wall, theirs: Wall, took: Duration) -> Skew {
    let apart = ours.0.saturating_sub(theirs.0);
    let forgiven = took.as_millis().saturating_add(1_000);
    let beyond = u128::from(apart.unsigned_abs()).saturating_sub(forgiven);
    if beyond > CLOCK_REFUSE.as_millis() {
        Skew::Refuse(apart)
    } else if beyond > CLOCK_WARN.as_millis() {
        Skew::Warn(apart)
    } else {
        Skew::Fine
    }
}

/// Watches the wall clock by the boot clock.
#[derive(Debug, Clone, Copy)]
pub struct Drift {
    wall: Wall,
    boot: Boot,
}

impl Drift {
    /// Both clocks at a moment when the wall clock was believed.
    pub fn since(wall: Wall, boot: Boot) -> Drift {
        Drift { wall, boot }
    }

    /// How far the wall clock has moved against the boot clock since then, milliseconds; positive = forward.
    pub fn ms(&self, wall: Wall, boot: Boot) -> i64 {
        let passed = i64::try_from(boot.since(self.boot).as_millis()).unwrap_or(i64::MAX);
        wall.0.saturating_sub(self.wall.0).saturating_sub(passed)
    }

    /// Whether claims must stop: the clocks have parted, and nobody has explained it yet.
    pub fn parted(&self, wall: Wall, boot: Boot) -> bool {
        u128::from(self.ms(wall, boot).unsigned_abs()) > CLOCK_DRIFT.as_millis()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Duration = Duration::ZERO;

    #[test]
    fn a_clock_half_a_minute_off_is_told_and_five_minutes_off_is_refused() {
        let theirs = Wall(1_795_000_000_000);
        for sign in [1, -1] {
            let ours = |ms: i64| Wall(theirs.0 + sign * ms);
            assert_eq!(skew(ours(31_000), theirs, NONE), Skew::Fine, "Date has whole seconds");
            assert_eq!(skew(ours(31_001), theirs, NONE), Skew::Warn(sign * 31_001));
            assert_eq!(skew(ours(301_000), theirs, NONE), Skew::Warn(sign * 301_000));
            assert_eq!(skew(ours(301_001), theirs, NONE), Skew::Refuse(sign * 301_001));
        }
        assert_eq!(skew(Wall(theirs.0 + 39_000), theirs, Duration::from_secs(8)), Skew::Fine, "a slow answer");
    }

    #[test]
    fn a_step_of_the_wall_clock_stops_claims_and_a_long_day_does_not() {
        let drift = Drift::since(Wall(1_000_000), Boot(5));
        let hours = 3_600_000_000;
        let at = |boot: u64, step: i64| drift.parted(Wall(1_000_000 + (boot / 1_000) as i64 + step), Boot(5 + boot));
        assert!(!at(48 * hours, 0), "two days, both clocks together");
        assert!(!at(hours, 60_000) && !at(hours, -60_000));
        assert!(at(hours, 60_001), "forward");
        assert!(at(hours, -60_001), "back");
        assert!(!at(2 * hours, 0), "it stepped back by itself");
    }
}
