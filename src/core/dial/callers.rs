//! Which of a campaign's numbers a call comes from.
//!
//! A lead is called from the number that it knows, as long as the campaign has that number and it does not rest; else from
//! a number of its own country, where the campaign has one awake: people answer those. Calls are spread evenly: the number
//! that was given out least is next. Pure.

use std::collections::HashMap;

use crate::base::{Country, Phone};

/// How often each number was given out in this run.
#[derive(Debug, Clone, Default)]
pub struct Callers {
    given: HashMap<Phone, u64>,
}

impl Callers {
    /// The number for one lead; `None` if every number of the pool rests.
    ///
    /// `pool`: the campaign's numbers, in its own order. `resting`: numbers that the carrier refused. `own`: the number
    /// from which this lead was called last. `home`: the country of the lead's number.
    pub fn choose(
        &mut self,
        pool: &[Phone],
        resting: &[Phone],
        own: Option<&Phone>,
        home: Option<Country>,
    ) -> Option<Phone> {
        let awake = |number: &&Phone| !resting.contains(number);
        let at_home = |number: &&Phone| home.is_some() && number.country() == home;
        let known = pool.iter().find(|number| Some(*number) == own).filter(awake);
        let chosen = match known {
            Some(number) => number,
            // `min_by_key` gives the first of equals: the pool's own order.
            None => {
                let local = pool.iter().filter(awake).filter(at_home).min_by_key(|number| self.count(number));
                local.or_else(|| pool.iter().filter(awake).min_by_key(|number| self.count(number)))?
            }
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
            let chosen = callers.choose(&pool, &resting, None, None).expect("four are awake");
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
            assert_eq!(callers.choose(&pool, &[], Some(&number(1)), None), Some(number(1)));
        }
        assert_ne!(callers.choose(&pool, &[number(1)], Some(&number(1)), None), Some(number(1)), "it rests");
        let other = callers.choose(&pool, &[], Some(&number(9)), None);
        assert!(other.is_some_and(|other| pool.contains(&other)), "a number that the campaign gave up is not shown");
    }

    #[test]
    fn a_number_that_wakes_up_takes_its_share_again() {
        let pool = [number(0), number(1)];
        let mut callers = Callers::default();
        for _ in 0..10 {
            assert_eq!(callers.choose(&pool, &[number(1)], None, None), Some(number(0)));
        }
        assert_eq!(callers.choose(&pool, &[], None, None), Some(number(1)));
    }

    #[test]
    fn people_are_called_from_a_number_of_their_own_country_where_one_is_awake() {
        let phone = |text: &str| Phone::from_e164(text).expect("a number");
        let (us, de, other_de) = (phone("+12125550006"), phone("+4930123456"), phone("+4989123456"));
        let pool = [us.clone(), de.clone(), other_de.clone()];
        let home = |code: &str| code.parse::<Country>().ok();
        let mut callers = Callers::default();
        let german: Vec<Phone> = (0..4).filter_map(|_| callers.choose(&pool, &[], None, home("DE"))).collect();
        assert_eq!(german, [de.clone(), other_de.clone(), de.clone(), other_de.clone()]);
        assert_eq!(callers.choose(&pool, &[], Some(&us), home("DE")), Some(us.clone()), "what they know comes first");
        let resting = [de.clone(), other_de];
        assert_eq!(callers.choose(&pool, &resting, None, home("DE")), Some(us.clone()), "rather than nobody");
        assert_eq!(callers.choose(&pool, &[], None, home("FR")), Some(us), "no number of France: evenly");
    }

    #[test]
    fn with_no_number_awake_nobody_is_called() {
        assert_eq!(Callers::default().choose(&[number(0)], &[number(0)], Some(&number(0)), None), None);
    }
}
