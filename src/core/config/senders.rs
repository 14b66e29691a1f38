//! `[senders]` of a campaign: which of its numbers people of a country see.

use std::collections::BTreeMap;

use crate::base::{Country, Phone};

/// By country of the called number. A country without a row may see any of the campaign's numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Senders(BTreeMap<Country, Vec<Phone>>);

impl Senders {
    /// Errors: what is wrong with a row.
    pub(super) fn check(typed: BTreeMap<Country, Vec<String>>, callers: &[Phone]) -> Result<Senders, (String, String)> {
        let mut rows = BTreeMap::new();
        for (country, numbers) in typed {
            let key = format!("senders.{country}");
            let mut row = Vec::new();
            for number in &numbers {
                let phone = Phone::from_e164(number.trim()).map_err(|_| {
                    (key.clone(), format!("[senders] {country}: a number is not E.164 (+ and 7 to 15 digits)"))
                })?;
                if !callers.contains(&phone) {
                    // Quotas, rests and checks of the account go by `callers`.
                    return Err((key, format!("[senders] {country}: a number is not one of the campaign's callers")));
                }
                row.push(phone);
            }
            if row.is_empty() {
                return Err((key, format!("[senders] {country} is empty: nobody there could be called")));
            }
            rows.insert(country, row);
        }
        Ok(Senders(rows))
    }

    /// The numbers that may be shown to somebody in a country.
    pub fn pool<'a>(&'a self, callers: &'a [Phone], country: Option<Country>) -> &'a [Phone] {
        country.and_then(|country| self.0.get(&country)).map_or(callers, Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_with_a_rule_sees_its_numbers_only_and_mistakes_are_named() {
        let phone = |text: &str| Phone::from_e164(text).expect("a number");
        let country = |code: &str| code.parse::<Country>().expect("a country");
        let callers = [phone("+12125550006"), phone("+442079460000")];
        let rows = |numbers: &[&str]| {
            BTreeMap::from([(country("GB"), numbers.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>())])
        };
        let senders = Senders::check(rows(&["+442079460000"]), &callers).expect("valid");
        assert_eq!(senders.pool(&callers, Some(country("GB"))), &callers[1..]);
        assert_eq!(senders.pool(&callers, Some(country("DE"))), callers);
        assert_eq!(senders.pool(&callers, None), callers);
        let fault = |numbers: &[&str]| Senders::check(rows(numbers), &callers).expect_err("a mistake").1;
        assert!(fault(&[]).contains("is empty"));
        assert!(fault(&["+442079469999"]).contains("not one of the campaign's callers"));
        assert!(fault(&["0207"]).contains("E.164"));
    }
}
