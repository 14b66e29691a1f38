//! Which of a campaign's numbers a call comes from.
//!
//! A lead is called from the number that it knows, as long as the campaign has that number and it does not rest. All
//! others are spread evenly: the number that was given out least is next. Pure.

use std::collections::HashMap;

use crate::base::Phone;

/// How often each number was given out in this run.
#[derive(Debug, Clone, Default)]
pub struct Callers {
    given: HashMap<Phone, u64>,
}

impl Callers {
    /// The number for one lead; `None` if every number of the pool rests.
    ///
    /// `pool`: the campaign's numbers, in its own order. `resting`: numbers that the carrier refused. `own`: the number
    /// from which this lead was called last.
    pub fn choose(&mut self, pool: &[Phone], resting: &[Phone], own: Option<&Phone>) -> Option<Phone> {
        let awake = |number: &&Phone| !resting.contains(number);
        let known = pool.iter().find(|number| Some(*number) == own).filter(awake);
        let chosen = match known {
            Some(number) => number,
            // `min_by_key` gives the first of equals: the pool's own order.
            None => pool.iter().filter(awake).min_by_key(|number| self.count(number))?,
        };
        *self.given.entry(chosen.clone()).or_default() += 1;
        Some(chosen.clone())
    }

    fn count(&self, number: &Phone) -> u64 {
        self.given.get(number).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn number(at: usize) -> Phone {
        Phone::from_e164(&format!("+1500555{at:04}")).expect("a number")
    }

    #[test]
    fn calls_are_spread_evenly_over_the_numbers_that_do_not_rest() {
        let pool: Vec<Phone> = (0..5).map(number).collect();
        let resting = [number(2)];
        let mut callers = Callers::default();
        let mut counts = BTreeMap::new();
        for _ in 0..400 {
            let chosen = callers.choose(&pool, &resting, None).expect("four are awake");
            *counts.entry(chosen.expose().to_owned()).or_insert(0) += 1;
        }
        assert_eq!(counts.values().copied().collect::<Vec<i32>>(), [100, 100, 100, 100]);
        assert!(!counts.contains_key(number(2).expose()));
    }

    #[test]
    fn a_lead_keeps_the_number_it_knows_until_that_number_rests_or_is_given_up() {
        let pool: Vec<Phone> = (0..3).map(number).collect();
        let mut callers = Callers::default();
        for _ in 0..20 {
            assert_eq!(callers.choose(&pool, &[], Some(&number(1))), Some(number(1)));
        }
        assert_ne!(callers.choose(&pool, &[number(1)], Some(&number(1))), Some(number(1)), "it rests");
        let other = callers.choose(&pool, &[], Some(&number(9)));
        assert!(other.is_some_and(|other| pool.contains(&other)), "a number that the campaign gave up is not shown");
    }

    #[test]
    fn a_number_that_wakes_up_takes_its_share_again() {
        let pool = [number(0), number(1)];
        let mut callers = Callers::default();
        for _ in 0..10 {
            assert_eq!(callers.choose(&pool, &[number(1)], None), Some(number(0)));
        }
        assert_eq!(callers.choose(&pool, &[], None), Some(number(1)));
    }

    #[test]
    fn with_no_number_awake_nobody_is_called() {
        assert_eq!(Callers::default().choose(&[number(0)], &[number(0)], Some(&number(0))), None);
    }
}
