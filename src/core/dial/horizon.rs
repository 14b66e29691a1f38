//! The horizon: how long after its intent an order whose answer was lost may still turn up at the carrier. Before it
//! nobody is released; what is seen at the carrier raises it. Pure; docs/LEDGER.md tells the parts.

use std::time::Duration;

use serde::Serialize;

use crate::base::limits;

/// How long a carrier may take, by its contract card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Longest time between the carrier taking an order and the call existing.
    pub processing: Duration,
    /// Longest time between a call existing and lists showing it.
    pub list_lag: Duration,
    /// Longest time that the carrier keeps a call in its own queue. It is waited for as far as it was seen: below the
    /// carrier's rate nothing queues there.
    pub queue: Duration,
}

/// The shortest horizon of a carrier that reaches people.
pub const FLOOR: Duration = Duration::from_secs(120);
/// The longest: what is seen never makes anybody wait for more than a day.
const MOST: Duration = Duration::from_secs(24 * 3_600);

/// What has been seen at one account, the slowest of all time, kept in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Slowest {
    /// From an intent to the answer to its order, ms.
    pub answer_ms: u64,
    /// After an intent, a complete list still did not show the call that was there, ms.
    pub unlisted_ms: u64,
    /// A call waited in the carrier's own queue, ms.
    pub queue_ms: u64,
}

impl Slowest {
    /// The slower of two sightings, part by part.
    pub fn max(self, other: Slowest) -> Slowest {
        Slowest {
            answer_ms: self.answer_ms.max(other.answer_ms),
            unlisted_ms: self.unlisted_ms.max(other.unlisted_ms),
            queue_ms: self.queue_ms.max(other.queue_ms),
        }
    }
}

/// A horizon with its reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Horizon {
    /// A claim is sent within this time, or not at all.
    #[serde(rename = "send_window_ms", serialize_with = "ms")]
    pub send_window: Duration,
    /// One request may take this long.
    #[serde(rename = "request_ms", serialize_with = "ms")]
    pub request: Duration,
    /// The carrier may take this long to make a call of an order.
    #[serde(rename = "processing_ms", serialize_with = "ms")]
    pub processing: Duration,
    /// The carrier held a call in its queue for this long.
    #[serde(rename = "queue_ms", serialize_with = "ms")]
    pub queue: Duration,
    /// Lists may lag this long.
    #[serde(rename = "list_lag_ms", serialize_with = "ms")]
    pub list_lag: Duration,
    /// What is left of the total.
    #[serde(rename = "margin_ms", serialize_with = "ms")]
    pub margin: Duration,
    /// The horizon: an unknown attempt may be released this long after its intent, on evidence.
    #[serde(rename = "total_ms", serialize_with = "ms")]
    pub total: Duration,
    /// Whether what was seen made it longer than the configuration says.
    pub raised: bool,
}

fn ms<S: serde::Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}

impl Horizon {
    /// The horizon of an account.
    ///
    /// `configured`: `release_horizon` of the carrier. `bounds`: of its contract card. `loopback`: it reaches no people, so
    /// its parts are not waited for (its lag, once seen, is). It is raised until it is at least twice the slowest that was
    /// seen.
    pub fn of(configured: Duration, loopback: bool, bounds: &Bounds, slowest: &Slowest) -> Horizon {
        let seen = Duration::from_millis;
        let (send_window, request) = (limits::SEND_WINDOW, limits::PLACE_TIMEOUT);
        let (processing, list_lag) = if loopback {
            (Duration::ZERO, Duration::ZERO)
        } else {
            (bounds.processing, bounds.list_lag.max(seen(slowest.unlisted_ms)))
        };
        let queue = if loopback { Duration::ZERO } else { seen(slowest.queue_ms).min(bounds.queue) };
        let base = if loopback { configured.max(send_window) } else { configured.max(FLOOR) };
        let parts = if loopback { Duration::ZERO } else { send_window + request + processing + queue + list_lag };
        let reality = seen(if loopback { slowest.unlisted_ms } else { slowest.unlisted_ms.max(slowest.answer_ms) });
        let total = base.max(parts).max(reality.saturating_mul(2)).min(MOST.max(base));
        Horizon {
            send_window,
            request,
            processing,
            queue,
            list_lag,
            margin: total.saturating_sub(send_window + request + processing + queue + list_lag),
            total,
            raised: total > base,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;
    const CARD: Bounds = Bounds { processing: S60, list_lag: S60, queue: Duration::from_secs(86_400) };
    const S60: Duration = Duration::from_secs(60);

    #[test]
    fn every_part_that_the_contract_card_names_is_waited_for() {
        let of = |card: Bounds, queue_ms| {
            Horizon::of(S(120), false, &card, &Slowest { queue_ms, ..Slowest::default() }).total
        };
        assert_eq!(of(CARD, 0), S(3 + 10 + 60 + 60));
        assert_eq!(of(Bounds { processing: S(200), ..CARD }, 0), S(3 + 10 + 200 + 60));
        assert_eq!(of(Bounds { list_lag: S(300), ..CARD }, 0), S(3 + 10 + 60 + 300));
        assert_eq!(of(CARD, 600_000), S(3 + 10 + 60 + 600 + 60));
        assert_eq!(
            of(Bounds { queue: S(90), ..CARD }, 600_000),
            S(3 + 10 + 60 + 90 + 60),
            "no longer than it may queue"
        );
    }

    #[test]
    fn five_minutes_hold_all_parts_and_a_margin() {
        let horizon = Horizon::of(S(300), false, &CARD, &Slowest::default());
        assert_eq!((horizon.total, horizon.margin, horizon.raised), (S(300), S(167), false));
        let short = Horizon::of(S(120), false, &CARD, &Slowest::default());
        assert_eq!((short.total, short.raised), (S(133), true), "its parts do not fit into two minutes");
    }

    #[test]
    fn a_list_that_lags_past_half_of_the_horizon_doubles_it() {
        let with = |ms| Horizon::of(S(300), false, &CARD, &Slowest { unlisted_ms: ms, ..Slowest::default() });
        assert_eq!((with(120_000).total, with(120_000).raised), (S(300), false));
        assert_eq!((with(200_000).total, with(200_000).raised), (S(400), true));
        assert_eq!(with(u64::MAX / 4).total, S(86_400), "a day is the most");
    }

    #[test]
    fn a_carrier_that_queues_is_waited_for_as_long() {
        let slowest = Slowest { queue_ms: 600_000, ..Slowest::default() };
        assert_eq!(Horizon::of(S(300), false, &CARD, &slowest).total, S(733));
    }

    #[test]
    fn a_carrier_on_loopback_keeps_its_short_horizon_until_its_list_lags() {
        assert_eq!(Horizon::of(S(1), true, &CARD, &Slowest::default()).total, limits::SEND_WINDOW);
        let slow_answer = Slowest { answer_ms: 9_000, queue_ms: 50_000, unlisted_ms: 0 };
        assert_eq!(Horizon::of(S(5), true, &CARD, &slow_answer).total, S(5));
        assert_eq!(Horizon::of(S(5), true, &CARD, &Slowest { unlisted_ms: 4_000, ..slow_answer }).total, S(8));
    }
}
