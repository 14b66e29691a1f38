//! What renderings cost, written down: reserved before a request, settled after it. Pure: the fold and the caps.
//!
//! A reservation that was never settled (a crash, a cut connection) counts with the most that it could cost: the service may
//! have done the work. So a cap can be reached early, and never passed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Usage;
use crate::base::{Language, Money, Slug, Wall};

/// One line of the book of spending.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Entry {
    /// A request is about to be made.
    Reserved(Reserved),
    /// It was answered, well or badly.
    Settled {
        /// The reservation's id.
        id: String,
        /// When, RFC 3339 in UTC.
        at: String,
        /// What it used up.
        usage: Usage,
        /// Whether its sound became an asset.
        kept: bool,
    },
}

/// A request to an engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserved {
    /// Unique.
    pub id: String,
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// For which campaign.
    pub campaign: Slug,
    /// The phrase.
    pub key: Slug,
    /// Its language.
    pub language: Language,
    /// The engine's name.
    pub engine: String,
    /// The model, if the engine has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The most that it can cost.
    pub most: Money,
}

/// Caps on spending; `None` = none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Caps {
    /// In one run of a command.
    pub per_run: Option<Money>,
    /// In one calendar month, UTC.
    pub per_month: Option<Money>,
}

/// Why nothing more may be spent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Capped {
    /// This run's cap.
    #[error("the cap of {cap} a run would be passed: {spent} are spent or reserved, and this may cost {most}")]
    Run {
        /// The cap.
        cap: Money,
        /// Spent or reserved in this run.
        spent: Money,
        /// What this request may cost.
        most: Money,
    },
    /// The month's cap.
    #[error("the cap of {cap} a month would be passed: {spent} are spent or reserved, and this may cost {most}")]
    Month {
        /// The cap.
        cap: Money,
        /// Spent or reserved in this month.
        spent: Money,
        /// What this request may cost.
        most: Money,
    },
    /// A cap is set, and nobody knows what the request costs.
    #[error("no price is known for this model, so that a cap cannot be kept")]
    Unpriced,
}

/// The book, folded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Spending {
    requests: BTreeMap<String, Request>,
    months: BTreeMap<String, Money>,
}

/// One request, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What was asked for.
    pub reserved: Reserved,
    /// What came of it; `None` = not known.
    pub settled: Option<(Usage, bool)>,
}

impl Request {
    /// What it counts for: what it cost, or the most that it could.
    pub fn cost(&self) -> Money {
        self.settled.as_ref().map_or(self.reserved.most, |(usage, _)| usage.cost)
    }
}

/// The calendar month of a moment, `2026-11`.
pub fn month_of(at: &str) -> &str {
    at.get(..7).unwrap_or(at)
}

impl Spending {
    /// Folds one line in. Repeats change nothing.
    pub fn add(&mut self, entry: Entry) {
        match entry {
            Entry::Reserved(reserved) => {
                if self.requests.contains_key(&reserved.id) {
                    return;
                }
                *self.months.entry(month_of(&reserved.at).to_owned()).or_default() += reserved.most;
                self.requests.insert(reserved.id.clone(), Request { reserved, settled: None });
            }
            Entry::Settled { id, usage, kept, .. } => {
                let Some(request) = self.requests.get_mut(&id).filter(|it| it.settled.is_none()) else { return };
                let month = self.months.entry(month_of(&request.reserved.at).to_owned()).or_default();
                *month += Money(usage.cost.0 - request.reserved.most.0);
                request.settled = Some((usage, kept));
            }
        }
    }

    /// Spent or reserved in a month.
    pub fn in_month(&self, month: &str) -> Money {
        self.months.get(month).copied().unwrap_or_default()
    }

    /// All requests.
    pub fn requests(&self) -> impl Iterator<Item = &Request> {
        self.requests.values()
    }

    /// Whether a request may be made.
    ///
    /// `run`: spent or reserved in this run. `most`: the request's greatest cost, with its price known.
    pub fn may(&self, caps: &Caps, run: Money, most: &Usage, now: Wall) -> Result<(), Capped> {
        let beyond = |spent: Money, cap: Money| most.cost.0 > 0 && spent.0.saturating_add(most.cost.0) > cap.0;
        if most.unpriced && (caps.per_run.is_some() || caps.per_month.is_some()) {
            return Err(Capped::Unpriced);
        }
        if let Some(cap) = caps.per_run.filter(|cap| beyond(run, *cap)) {
            return Err(Capped::Run { cap, spent: run, most: most.cost });
        }
        let spent = self.in_month(month_of(&now.rfc3339()));
        match caps.per_month.filter(|cap| beyond(spent, *cap)) {
            Some(cap) => Err(Capped::Month { cap, spent, most: most.cost }),
            None => Ok(()),
        }
    }
}

/// By what a report sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Campaigns.
    Campaign,
    /// Engines, with their models.
    Engine,
    /// Calendar months.
    Month,
}

/// One line of a report.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Sum {
    /// The campaign, engine or month.
    pub of: String,
    /// Requests to engines.
    pub requests: u64,
    /// Of these, how many became an asset.
    pub kept: u64,
    /// Of these, how many have no known end; they count with the most that they could cost.
    pub unsettled: u64,
    /// What was used up.
    #[serde(flatten)]
    pub usage: Usage,
}

/// Sums of all requests from `since` on (`2026-11` or `2026-11-05`; empty = all).
pub fn report(spending: &Spending, by: By, since: &str) -> Vec<Sum> {
    let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
    for request in spending.requests().filter(|it| it.reserved.at.as_str() >= since) {
        let reserved = &request.reserved;
        let of = match by {
            By::Campaign => reserved.campaign.to_string(),
            By::Engine => match &reserved.model {
                Some(model) => format!("{} {model}", reserved.engine),
                None => reserved.engine.clone(),
            },
            By::Month => month_of(&reserved.at).to_owned(),
        };
        let sum = sums.entry(of.clone()).or_insert_with(|| Sum { of, ..Sum::default() });
        sum.requests += 1;
        match &request.settled {
            Some((usage, kept)) => {
                sum.kept += u64::from(*kept);
                sum.usage += *usage;
            }
            None => {
                sum.unsettled += 1;
                sum.usage += Usage { cost: reserved.most, estimated: true, ..Usage::default() };
            }
        }
    }
    sums.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reserved(id: &str, at: &str, most: i64) -> Entry {
        let slug = |text: &str| text.parse().expect("slug");
        let language = "en".parse().expect("tag");
        let (campaign, key) = (slug("welcome"), slug("greeting"));
        let engine = "main".to_owned();
        Entry::Reserved(Reserved {
            id: id.to_owned(),
            at: at.to_owned(),
            campaign,
            key,
            language,
            engine,
            model: Some("m".to_owned()),
            most: Money(most),
        })
    }

    fn settled(id: &str, cost: i64, kept: bool) -> Entry {
        let usage = Usage { cost: Money(cost), characters: 10, ..Usage::default() };
        Entry::Settled { id: id.to_owned(), at: String::new(), usage, kept }
    }

    fn priced(cost: i64) -> Usage {
        Usage { cost: Money(cost), ..Usage::default() }
    }

    #[test]
    fn a_lost_answer_counts_in_full_and_repeats_count_once() {
        let mut book = Spending::default();
        let all = [
            reserved("a", "2026-11-01T00:00:00Z", 300),
            reserved("b", "2026-11-02T00:00:00Z", 300),
            settled("a", 100, true),
            settled("a", 100, true),
            reserved("a", "2026-11-01T00:00:00Z", 300),
            settled("c", 999, true),
            reserved("d", "2026-12-01T00:00:00Z", 50),
            settled("d", 40, false),
        ];
        all.into_iter().for_each(|entry| book.add(entry));
        assert_eq!((book.in_month("2026-11"), book.in_month("2026-12")), (Money(400), Money(40)));
        let by_month = report(&book, By::Month, "");
        assert_eq!((by_month[0].requests, by_month[0].kept, by_month[0].unsettled), (2, 1, 1));
        assert_eq!((by_month[0].usage.cost, by_month[1].usage.cost), (Money(400), Money(40)));
        assert_eq!(report(&book, By::Engine, "2026-12")[0].of, "main m");
        assert_eq!(report(&book, By::Campaign, "2027").len(), 0);
    }

    #[test]
    fn a_cap_stops_before_it_is_passed_never_after() {
        let mut book = Spending::default();
        book.add(reserved("a", "1970-01-01T00:00:00Z", 900));
        let caps = Caps { per_run: Some(Money(500)), per_month: Some(Money(1_000)) };
        let may = |run: i64, most: &Usage| book.may(&caps, Money(run), most, Wall(0));
        assert_eq!(may(0, &priced(100)), Ok(()), "exactly the cap");
        assert!(matches!(may(0, &priced(101)), Err(Capped::Month { .. })));
        assert!(matches!(may(401, &priced(100)), Err(Capped::Run { .. })));
        assert_eq!(may(500, &priced(0)), Ok(()), "what costs nothing is never capped");
        assert_eq!(may(0, &Usage { unpriced: true, ..Usage::default() }), Err(Capped::Unpriced));
        let none = book.may(&Caps::default(), Money(i64::MAX), &Usage { unpriced: true, ..priced(5) }, Wall(0));
        assert_eq!(none, Ok(()));
        let next = Wall(40 * 86_400_000);
        assert_eq!(book.may(&caps, Money(0), &priced(400), next), Ok(()), "another month");
    }
}
