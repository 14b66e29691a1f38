//! The abandonment brake: people who answered and heard nothing of us. Our own media and agent faults count; the law does
//! not ask whose fault it was. And the sums at which a campaign pauses itself.
//!
//! Pure: the counts come from the ledger.

use serde::Serialize;

use crate::base::Money;
use crate::core::config::Quota;
use crate::core::rules::{Demand, Terms};

/// The share is taken of at least this many answers. With fewer, one silent call in the first ten would stop a campaign;
/// with a floor instead of a minimum count there is no blind time: the third silent call stops it, whenever it comes
/// (3 of 120 = 2.5 %).
pub const LEAST_ANSWERS: u64 = 120;
/// A call that ended this recently may still get its media notes; it is not judged yet.
pub const SETTLED_AFTER_MS: i64 = 30_000;

/// Answers by people in a rolling window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Answers {
    /// Calls that a person answered.
    pub human: u64,
    /// Of those, calls in which no speech of ours was heard in time.
    pub silent: u64,
}

impl Answers {
    /// Thousandths of answers that were silent, of at least [`LEAST_ANSWERS`]. Rounded down.
    pub fn per_mille(self) -> u64 {
        self.silent.saturating_mul(1_000) / self.human.max(LEAST_ANSWERS)
    }
}

/// What the brake does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Brake {
    /// Nothing.
    Free,
    /// Half the pace.
    Slow,
    /// Nobody new is called until a person has looked.
    Pause,
}

/// Decides by the worse of the two windows: 24 hours and 30 days.
pub fn brake(day: Answers, month: Answers, terms: &Terms<'_>) -> Brake {
    let mut answer = Brake::Free;
    for rule in terms.rules() {
        let Demand::Abandonment { slow_per_mille, pause_per_mille, .. } = rule.demand else { continue };
        for answers in [day, month] {
            let share = answers.per_mille();
            let this = if share >= u64::from(pause_per_mille) {
                Brake::Pause
            } else if share >= u64::from(slow_per_mille) {
                Brake::Slow
            } else {
                Brake::Free
            };
            answer = answer.max(this);
        }
    }
    answer
}

/// What a campaign has used in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Used {
    /// Attempts that count.
    pub attempts: u64,
    /// Started minutes of answered calls.
    pub minutes: u64,
    /// What agents, transcripts and summaries used up, by the dated table of prices.
    pub services: Money,
}

/// The reason to pause, if a bound is reached.
pub fn over_quota(quota: &Quota, used: Used, per_minute: Money) -> Option<String> {
    let spent = per_minute * i64::try_from(used.minutes).unwrap_or(i64::MAX) + used.services;
    if let Some(most) = quota.attempts.filter(|most| used.attempts >= *most) {
        return Some(format!("[limits] attempts = {most} is reached"));
    }
    if let Some(most) = quota.minutes.filter(|most| used.minutes >= *most) {
        return Some(format!("[limits] minutes = {most} is reached ({} used)", used.minutes));
    }
    let most = quota.spend.filter(|most| spent.0 >= most.0)?;
    Some(format!("[limits] spend = {most} is reached ({spent} spent)"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::core::rules::{Place, book};

    fn by(day: (u64, u64), month: (u64, u64)) -> Brake {
        let terms = book().terms(&Place::default(), &BTreeMap::new());
        let answers = |(silent, human)| Answers { human, silent };
        brake(answers(day), answers(month), &terms)
    }

    #[test]
    fn silent_answers_slow_a_campaign_at_one_per_cent_and_pause_it_at_two_and_a_half() {
        assert_eq!(by((9, 1_000), (9, 1_000)), Brake::Free);
        assert_eq!(by((10, 1_000), (10, 1_000)), Brake::Slow);
        assert_eq!(by((24, 1_000), (24, 1_000)), Brake::Slow);
        assert_eq!(by((25, 1_000), (25, 1_000)), Brake::Pause);
    }

    #[test]
    fn a_young_campaign_is_paused_by_its_third_silent_answer_and_not_by_its_first() {
        assert_eq!(by((1, 1), (1, 1)), Brake::Free);
        assert_eq!(by((2, 2), (2, 2)), Brake::Slow);
        assert_eq!(by((3, 3), (3, 3)), Brake::Pause);
    }

    #[test]
    fn a_bad_day_counts_though_the_month_was_good_and_the_other_way_round() {
        assert_eq!(by((5, 200), (5, 10_000)), Brake::Pause);
        assert_eq!(by((0, 200), (250, 10_000)), Brake::Pause);
    }

    #[test]
    fn a_campaign_stops_at_the_first_bound_that_it_reaches() {
        let quota = Quota { attempts: Some(10), minutes: Some(100), spend: Some(Money(1_000_000)) };
        let used = |attempts, minutes| Used { attempts, minutes, services: Money(0) };
        let at = |attempts, minutes| over_quota(&quota, used(attempts, minutes), Money(20_000));
        // What the agent cost counts, with and without the carrier's minutes.
        let services = |cost, price| over_quota(&quota, Used { services: Money(cost), ..used(1, 10) }, Money(price));
        assert_eq!((services(799_999, 20_000), services(999_999, 0)), (None, None));
        assert!(services(800_000, 20_000).is_some_and(|why| why.contains("spend")) && services(1_000_000, 0).is_some());
        assert_eq!(at(9, 49), None);
        assert!(at(10, 0).is_some_and(|why| why.contains("attempts")));
        assert!(at(9, 50).is_some_and(|why| why.contains("spend")));
        assert!(at(9, 100).is_some_and(|why| why.contains("minutes")));
        assert_eq!(over_quota(&Quota::default(), used(1 << 40, 1 << 40), Money(1)), None);
    }
}
