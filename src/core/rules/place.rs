//! Where a number is, as far as its digits tell, and which rules hold there. In doubt every place that it may be in
//! counts, and the tightest rule wins.

use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;
use std::time::Duration;

use super::{ConsentDemand, Demand, Jurisdiction, Rule, Rulebook};
use crate::base::{Country, Phone};
use crate::core::config::Caps;
use crate::core::dial::hours::Calendar;

static STATES: &str = include_str!("states.tsv");

/// The jurisdictions of a number.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// The country; `None` = none known (satellite, universal).
    pub country: Option<Country>,
    /// States that it may be in (`US-FL`); `None` = any state of the country.
    pub states: Option<Vec<&'static str>>,
}

impl Place {
    /// From the number; `country` is the lead's own column where it has one.
    pub fn of(phone: &Phone, country: Option<Country>) -> Place {
        let country = country.or_else(|| phone.country());
        let states = match (phone.area_code(), country) {
            (Some(area), Some(country)) => states_of(&area, country),
            (None, _) | (_, None) => None,
        };
        Place { country, states }
    }

    /// A country as a whole, or one state of it.
    pub fn named(country: Country, state: Option<&'static str>) -> Place {
        Place { country: Some(country), states: state.map(|state| vec![state]) }
    }

    fn includes(&self, table: &Jurisdiction) -> bool {
        let Some(country) = self.country else { return false };
        match table.name.split_once('-') {
            Some((of, _)) => {
                of == country.as_str()
                    && self.states.as_ref().is_none_or(|states| states.contains(&table.name.as_str()))
            }
            None => table.name == country.as_str() || table.members.contains(&country),
        }
    }
}

/// States of an area code; `None` = it belongs to no place (toll-free), or is not known.
fn states_of(area: &str, country: Country) -> Option<Vec<&'static str>> {
    static BY_AREA: OnceLock<HashMap<&'static str, Vec<&'static str>>> = OnceLock::new();
    let table = BY_AREA.get_or_init(|| {
        let rows = STATES.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('\t'));
        rows.map(|(area, states)| (area, states.split(' ').collect())).collect()
    });
    let found: Vec<&str> =
        table.get(area)?.iter().filter(|state| state.starts_with(country.as_str())).copied().collect();
    (!found.is_empty()).then_some(found)
}

/// The rules that hold for a number, without those that the operator set aside.
#[derive(Debug, Clone, Default)]
pub struct Terms<'a> {
    rules: Vec<&'a Rule>,
}

impl Rulebook {
    /// What holds in a place. `aside`: rules that the operator set aside for this run, with the reason.
    pub fn terms(&self, place: &Place, aside: &BTreeMap<String, String>) -> Terms<'_> {
        let mut own: Vec<&Jurisdiction> = self.tables.values().filter(|table| place.includes(table)).collect();
        // A country's own table before that of its state and its group: reasons are told in this order.
        own.sort_by_key(|table| (table.name.len() != 2 || !table.members.is_empty(), table.name.len()));
        let has_hours =
            own.iter().flat_map(|table| &table.rules).any(|rule| matches!(rule.demand, Demand::Hours { .. }));
        let default = self.tables.get("default").into_iter().flat_map(|table| &table.rules);
        let rules = own
            .iter()
            .flat_map(|table| &table.rules)
            // The default window is for countries without one; everything else of it holds everywhere.
            .chain(default.filter(|rule| !(has_hours && matches!(rule.demand, Demand::Hours { .. }))))
            .filter(|rule| !aside.contains_key(&rule.id))
            .collect();
        Terms { rules }
    }
}

impl<'a> Terms<'a> {
    /// All of them.
    pub fn rules(&self) -> &[&'a Rule] {
        &self.rules
    }

    /// Windows: all must be open.
    pub fn calendars(&self) -> impl Iterator<Item = (&'a str, &'a Calendar)> {
        self.rules.iter().filter_map(|rule| {
            let Demand::Hours { calendar, .. } = &rule.demand else { return None };
            Some((rule.id.as_str(), calendar))
        })
    }

    /// What consent is asked: all must be met.
    pub fn consents(&self) -> impl Iterator<Item = (&'a str, &'a ConsentDemand)> {
        self.rules.iter().filter_map(|rule| {
            let Demand::Consent(demand) = &rule.demand else { return None };
            Some((rule.id.as_str(), demand))
        })
    }

    /// The do-not-call file that is asked: the shortest age in days.
    pub fn do_not_call(&self) -> Option<(&'a str, u32)> {
        let asked = self.rules.iter().filter_map(|rule| {
            let Demand::DoNotCall { age_days } = rule.demand else { return None };
            Some((rule.id.as_str(), age_days))
        });
        asked.min_by_key(|(_, days)| *days)
    }

    /// Days of peace after a refusal.
    pub fn refusal(&self) -> Option<(&'a str, u32)> {
        let asked = self.rules.iter().filter_map(|rule| {
            let Demand::Refusal { days } = rule.demand else { return None };
            Some((rule.id.as_str(), days))
        });
        asked.max_by_key(|(_, days)| *days)
    }

    /// A campaign's caps, made as tight as every rule asks.
    pub fn tightened(&self, own: &Caps) -> Caps {
        let mut caps = own.clone();
        for rule in &self.rules {
            if let Demand::Caps { per_24h, per_30_days, gap_minutes } = rule.demand {
                caps.per_day = caps.per_day.min(per_24h.unwrap_or(u32::MAX));
                caps.per_30_days = caps.per_30_days.min(per_30_days.unwrap_or(u32::MAX));
                caps.gap = caps.gap.max(Duration::from_secs(u64::from(gap_minutes.unwrap_or(0)) * 60));
            }
        }
        caps
    }
}
