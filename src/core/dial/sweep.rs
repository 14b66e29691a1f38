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
/// A request of our own is over this long after it had to leave.
const ANSWER_GRACE: Duration = Duration::from_secs(15);
/// After the horizon, as long as the carrier cannot be asked.
const LIST_EVERY: Duration = Duration::from_secs(60);
/// A call that should have ended ringing is asked about after this grace, then every [`FETCH_EVERY`].
const FETCH_GRACE: Duration = Duration::from_secs(60);
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
    /// Whether this process made it and may still be waiting for the carrier's answer.
    pub in_hand: bool,
    /// Where it stands.
    pub standing: Standing,
    /// How long it may ring.
    pub ring_timeout: Duration,
    /// When this process last asked about it.
    pub last_asked: Option<Wall>,
    /// How long this process has known it, by the clock that never steps: a wall clock that jumps ahead releases nobody.
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
        // Its own request may still run; past that, the note about its end was lost with the ledger's fault.
        Standing::Intent if open.in_hand && now <= open.send_by + ANSWER_GRACE => Ask::At(now + Duration::from_secs(1)),
        Standing::Intent if now > open.send_by => Ask::Orphaned,
        Standing::Intent => Ask::At(open.send_by + Duration::from_millis(1)),
        Standing::Unknown => unknown(open, now),
        Standing::Placed => placed(open, now),
    }
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
        let ours = Open { in_hand: true, ..open(Standing::Intent, None) };
        assert_eq!(next(&ours, Wall(9_000)), Ask::At(Wall(10_000)), "its own request is still running");
        assert_eq!(next(&ours, Wall(18_001)), Ask::Orphaned, "no request runs that long");
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
    fn a_call_from_before_this_run_is_looked_up_at_once_and_a_silent_one_later() {
        assert_eq!(next(&open(Standing::Placed, None), Wall(10)), Ask::Fetch);
        let ours = Open { in_hand: true, ..open(Standing::Placed, None) };
        assert_eq!(next(&ours, Wall(10)), Ask::At(Wall(90_000)));
        assert_eq!(next(&ours, Wall(90_000)), Ask::Fetch);
        let asked = Open { last_asked: Some(Wall(90_000)), ..ours };
        assert_eq!(next(&asked, Wall(90_001)), Ask::At(Wall(390_000)));
    }
}
