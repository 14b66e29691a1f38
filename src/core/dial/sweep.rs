//! What to ask the carrier about an attempt that has not ended, and when.
//!
//! Two questions: "which calls are there between these numbers?" for an attempt without a call id, and "where does this
//! call stand?" for one with it. An unknown attempt is released only by a complete list read after its horizon.

use std::time::Duration;

use crate::base::Wall;

/// Waits after the intent at which an unknown attempt is asked about (docs/LEDGER.md), before its horizon.
const LIST_AT: [Duration; 6] = [
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_secs(30),
    Duration::from_secs(60),
    Duration::from_secs(120),
];
/// After the horizon, as long as the carrier cannot be asked.
const LIST_EVERY: Duration = Duration::from_secs(60);
/// A call that should have ended ringing is asked about after this grace, then every [`FETCH_EVERY`].
const FETCH_GRACE: Duration = Duration::from_secs(60);
/// How much older than its intent a call may look by the carrier's clock and still be the attempt's. A clock that differs
/// more is refused at the start.
pub const CLOCK_SLACK: Duration = Duration::from_secs(300);
/// Between two looks at a call whose callbacks do not come.
const FETCH_EVERY: Duration = Duration::from_secs(300);

/// An open attempt, as far as the sweep cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    /// When its intent became durable.
    pub intent_at: Wall,
    /// Until when its owner may send.
    pub send_by: Wall,
    /// After this, a list that does not show it releases it.
    pub release_after: Wall,
    /// Whether this process made it.
    pub in_hand: bool,
    /// Whether its request may still leave this process, or be answered: nothing is decided about it until that is over.
    /// A process that was stopped (SIGSTOP, a laptop asleep) between the fence and the first byte sends late.
    pub in_flight: bool,
    /// Where it stands.
    pub standing: Standing,
    /// How long it may ring.
    pub ring_timeout: Duration,
    /// When this process last asked about it.
    pub last_asked: Option<Wall>,
    /// How long this process has known it with no request of its own in flight, by the clock that never steps: neither
    /// a wall clock that jumps ahead nor a request that left late releases anybody.
    pub known_for: Duration,
}

/// What is known about an open attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The intent is durable; nothing else is known.
    Intent,
    /// The answer was lost, or its owner died.
    Unknown,
    /// The carrier has it; its id is known.
    Placed,
}

/// What to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Nothing before this time.
    At(Wall),
    /// Its owner is gone and it can no longer be sent: it is unknown from now on.
    Orphaned,
    /// List the calls between its numbers; if `may_release` and there is none, it was not placed.
    List {
        /// Whether the horizon has passed.
        may_release: bool,
    },
    /// Ask where the call stands.
    Fetch,
}

/// The next question about an open attempt.
pub fn next(open: &Open, now: Wall) -> Ask {
    match open.standing {
        Standing::Intent | Standing::Unknown if open.in_flight => Ask::At(now + Duration::from_secs(1)),
        Standing::Intent if now > open.send_by => Ask::Orphaned,
        Standing::Intent => Ask::At(open.send_by + Duration::from_millis(1)),
        Standing::Unknown => unknown(open, now),
        Standing::Placed => placed(open, now),
    }
}

/// Whether a listed call between an attempt's numbers, that belongs to no other attempt, is this one's.
///
/// While an attempt is open nobody else of ours calls that number, so every call made since its intent is its own, however
/// late: its request may have left late, and waited at the carrier.
pub fn is_its_own(intent_at: Wall, created: Wall) -> bool {
    created >= intent_at - CLOCK_SLACK
}

fn unknown(open: &Open, now: Wall) -> Ask {
    let horizon = Duration::from_millis(u64::try_from(open.release_after.0 - open.intent_at.0).unwrap_or(0));
    let may_release = now > open.release_after && open.known_for >= horizon;
    let Some(asked) = open.last_asked else { return Ask::List { may_release } };
    let horizon = open.release_after + Duration::from_millis(1);
    let due = if asked > open.release_after {
        asked + LIST_EVERY
    } else {
        let planned = LIST_AT.iter().map(|wait| open.intent_at + *wait).chain([horizon]);
        planned.filter(|at| *at > asked).min().unwrap_or(horizon).min(horizon)
    };
    if due <= now { Ask::List { may_release } } else { Ask::At(due) }
}

fn placed(open: &Open, now: Wall) -> Ask {
    // A carrier with a short horizon (loopback) is asked as much sooner.
    let horizon = Duration::from_millis(u64::try_from(open.release_after.0 - open.intent_at.0).unwrap_or(0));
    let first = open.intent_at + open.ring_timeout + FETCH_GRACE.min(horizon);
    let due = match open.last_asked {
        // From before this run: callbacks may have been lost while nobody listened.
        None if !open.in_hand => now,
        None => first,
        Some(asked) => first.max(asked + FETCH_EVERY.min(horizon)),
    };
    if due <= now { Ask::Fetch } else { Ask::At(due) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(standing: Standing, last_asked: Option<i64>) -> Open {
        Open {
            intent_at: Wall(0),
            send_by: Wall(3_000),
            release_after: Wall(300_000),
            in_hand: false,
            in_flight: false,
            standing,
            ring_timeout: Duration::from_secs(30),
            last_asked: last_asked.map(Wall),
            known_for: Duration::from_secs(3_600),
        }
    }

    #[test]
    fn an_intent_without_an_owner_becomes_unknown_only_after_its_send_deadline() {
        assert_eq!(next(&open(Standing::Intent, None), Wall(3_000)), Ask::At(Wall(3_001)));
        assert_eq!(next(&open(Standing::Intent, None), Wall(3_001)), Ask::Orphaned);
    }

    #[test]
    fn nothing_is_decided_while_a_request_of_our_own_may_still_leave() {
        for standing in [Standing::Intent, Standing::Unknown] {
            let ours = Open { in_hand: true, in_flight: true, ..open(standing, None) };
            assert_eq!(next(&ours, Wall(9_000)), Ask::At(Wall(10_000)));
            assert_eq!(next(&ours, Wall(900_000)), Ask::At(Wall(901_000)), "stopped for a quarter of an hour");
        }
        let over = Open { in_hand: true, ..open(Standing::Intent, None) };
        assert_eq!(next(&over, Wall(9_000)), Ask::Orphaned, "the note about its end was lost with the ledger's fault");
    }

    #[test]
    fn an_unknown_attempt_is_asked_about_on_the_schedule_and_released_only_after_the_horizon() {
        let mut now = 1_000;
        let mut asked = None;
        let mut times = Vec::new();
        while now < 500_000 {
            match next(&open(Standing::Unknown, asked), Wall(now)) {
                Ask::List { may_release } => {
                    assert_eq!(may_release, now > 300_000, "at {now}");
                    times.push(now);
                    asked = Some(now);
                }
                Ask::At(at) => {
                    assert!(at.0 > now);
                    now = at.0;
                }
                Ask::Orphaned | Ask::Fetch => panic!("not for an unknown attempt"),
            }
        }
        assert_eq!(times, [1_000, 2_000, 5_000, 15_000, 30_000, 60_000, 120_000, 300_001, 360_001, 420_001, 480_001]);
    }

    #[test]
    fn a_wall_clock_that_jumps_ahead_releases_nobody() {
        let jumped = Open { known_for: Duration::from_secs(4), ..open(Standing::Unknown, Some(4_000)) };
        assert_eq!(next(&jumped, Wall(86_400_000)), Ask::List { may_release: false });
        assert_eq!(next(&open(Standing::Unknown, Some(4_000)), Wall(86_400_000)), Ask::List { may_release: true });
    }

    #[test]
    fn a_call_made_since_the_claim_is_the_attempts_own_however_late() {
        let intent = Wall(1_000_000);
        assert!(is_its_own(intent, intent + Duration::from_secs(86_400)), "a stopped process sends late");
        assert!(is_its_own(intent, intent - Duration::from_secs(300)), "two clocks differ");
        assert!(!is_its_own(intent, intent - Duration::from_secs(301)), "the call of an earlier day is not");
    }

    #[test]
    fn a_call_from_before_this_run_is_looked_up_at_once_and_a_silent_one_later() {
        assert_eq!(next(&open(Standing::Placed, None), Wall(10)), Ask::Fetch);
        let ours = Open { in_hand: true, ..open(Standing::Placed, None) };
        assert_eq!(next(&ours, Wall(10)), Ask::At(Wall(90_000)));
        assert_eq!(next(&ours, Wall(90_000)), Ask::Fetch);
        let asked = Open { last_asked: Some(Wall(90_000)), ..ours };
        assert_eq!(next(&asked, Wall(90_001)), Ask::At(Wall(390_000)));
    }

    /// Everything at a real date: the horizon is a distance.
    #[test]
    fn the_horizon_is_passed_by_the_calendar_and_by_the_clock_that_never_steps() {
        let claimed = Wall(1_790_000_000_000);
        let at = |secs| claimed + Duration::from_secs(secs);
        let open = Open {
            intent_at: claimed,
            send_by: at(3),
            release_after: at(300),
            known_for: Duration::from_secs(300),
            ..open(Standing::Unknown, None)
        };
        let just_after = at(300) + Duration::from_millis(1);
        assert_eq!(next(&open, at(300)), Ask::List { may_release: false });
        assert_eq!(next(&open, just_after), Ask::List { may_release: true });
        let asked_then = Open { last_asked: Some(at(300)), ..open };
        assert_eq!(next(&asked_then, just_after), Ask::List { may_release: true }, "at once, not a minute later");
        let known_later = Open { known_for: Duration::from_millis(299_999), ..open };
        assert_eq!(next(&known_later, just_after), Ask::List { may_release: false });
        let near = Open { standing: Standing::Placed, in_hand: true, release_after: at(10), ..open };
        assert_eq!(next(&near, claimed), Ask::At(at(40)), "30 s of ringing and a short horizon's grace");
        let asked = Open { last_asked: Some(at(40)), ..near };
        assert_eq!(next(&asked, at(41)), Ask::At(at(50)));
        assert_eq!(next(&asked, at(50)), Ask::Fetch);
    }
}
