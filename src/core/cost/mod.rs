//! Models of speech services by date: what a request costs, what a model speaks, and until when it is served.
//!
//! Pure: today is an argument. The table is compiled in (`models.toml`), dated, and each of its rows has a source.

mod read;
pub mod spend;
#[cfg(test)]
mod tests;
mod usage;

use std::sync::OnceLock;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::base::{Language, Money, Wall};
use crate::core::asset::check::estimate_ms;

pub use read::parse;
pub use usage::Usage;

/// Days before a model's end on which its use is warned about.
pub const WARN_DAYS: i32 = 60;
/// Days after which the table is called old.
pub const STALE_AFTER_DAYS: i64 = 180;
/// Characters of one text token, for estimates. Cyrillic and Hebrew have fewer than Latin; this is the careful side,
/// and text is a small part of the price of speech.
const CHARACTERS_PER_TOKEN: u64 = 2;

/// The dated table.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// When it was compared with its sources.
    pub as_of: Date,
    /// Its rows, unique by kind and id.
    pub models: Vec<Model>,
}

/// One model of a service.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// Kind of engine: `elevenlabs`, `openai`, `gemini`, `gemini-live`.
    pub kind: String,
    /// The service's id of it.
    pub id: String,
    /// What it is for.
    pub purpose: Purpose,
    /// Where the row comes from.
    pub source: String,
    /// Most characters of one request, if that is known.
    pub characters: Option<usize>,
    /// Languages that it is known to speak.
    pub languages: Vec<Language>,
    /// Whether it speaks no others.
    pub complete: bool,
    /// Whether it takes the language's code.
    pub takes_language: bool,
    /// Whether it takes a seed.
    pub takes_seed: bool,
    /// Whether it takes a style apart from the text.
    pub takes_style: bool,
    /// Tokens of one second of its sound, where sound is billed by tokens.
    pub audio_tokens_per_second: Option<u64>,
    /// The day from which it is not served any more.
    pub ends: Option<Date>,
    /// What to use instead.
    pub successor: Option<String>,
    /// What is billed.
    pub prices: Vec<Price>,
}

/// What a model is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Text to speech.
    Speech,
    /// Conversation by a socket.
    Live,
    /// Speech to text.
    Transcription,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    /// A thousand characters of text.
    #[serde(rename = "1000-characters")]
    Characters,
    /// A million text tokens sent.
    #[serde(rename = "million-text-in")]
    TextIn,
    /// A million audio tokens sent.
    #[serde(rename = "million-audio-in")]
    AudioIn,
    /// A million text tokens sent that were cached.
    #[serde(rename = "million-text-cached")]
    TextCached,
    /// A million audio tokens sent that were cached.
    #[serde(rename = "million-audio-cached")]
    AudioCached,
    /// A million text tokens received.
    #[serde(rename = "million-text-out")]
    TextOut,
    /// A million audio tokens received.
    #[serde(rename = "million-audio-out")]
    AudioOut,
    /// A minute of sound, by the millisecond.
    #[serde(rename = "minute")]
    Minute,
    /// An hour of sound, by the millisecond.
    #[serde(rename = "hour")]
    Hour,
}

/// A price of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// What is counted.
    pub per: Unit,
    /// Millionths of a US dollar for one of it.
    pub usd_micros: u64,
    /// First day on which it holds; `None` = always.
    pub from: Option<Date>,
    /// First day on which it does not hold any more; `None` = for ever, as far as is known.
    pub until: Option<Date>,
}

/// Whether a model may still be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is known against it.
    Fine,
    /// It ends within [`WARN_DAYS`] days: warn.
    EndsSoon {
        /// First day without it.
        date: Date,
        /// What to use then.
        successor: String,
    },
    /// It is not served any more: refuse.
    Ended {
        /// First day without it.
        date: Date,
        /// What to use.
        successor: String,
    },
    /// The table does not know it: allowed, its price and limits unknown.
    Unknown,
}

/// Whether a model speaks a language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Its vendor says so.
    Yes,
    /// The vendor's list is complete and lacks it.
    No,
    /// Nobody says: may be tried, is not promised.
    Unclaimed,
}

/// The table that was compiled in.
pub fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        parse("models.toml", include_str!("models.toml")).expect("the table in this program is read by a test")
    })
}

fn day(now: Wall) -> Date {
    TimeZone::UTC.to_datetime(now.timestamp()).date()
}

impl Table {
    /// The row of a model; a dated snapshot (`NAME-2025-03-20`) falls under its name.
    pub fn model(&self, kind: &str, id: &str) -> Option<&Model> {
        let of_kind = || self.models.iter().filter(|model| model.kind == kind);
        of_kind().find(|model| model.id == id).or_else(|| of_kind().find(|model| is_snapshot(id, &model.id)))
    }

    /// Whether a model may still be used on this day.
    pub fn standing(&self, kind: &str, id: &str, now: Wall) -> Standing {
        let Some(model) = self.model(kind, id) else { return Standing::Unknown };
        let (Some(date), Some(successor)) = (model.ends, model.successor.clone()) else { return Standing::Fine };
        let left = (date - day(now)).get_days();
        match left {
            i32::MIN..=0 => Standing::Ended { date, successor },
            1..=WARN_DAYS => Standing::EndsSoon { date, successor },
            _ => Standing::Fine,
        }
    }

    /// The usage with its cost: what the service did not report is estimated, what has no price is marked.
    pub fn bill(&self, kind: &str, id: &str, usage: Usage, now: Wall) -> Usage {
        match self.model(kind, id) {
            Some(model) => model.bill(usage, now),
            None => Usage { unpriced: true, ..usage },
        }
    }

    /// What speaking a text will use up and cost, before it is rendered: all estimated.
    pub fn estimate(&self, kind: &str, id: &str, text: &str, language: &Language, now: Wall) -> Usage {
        let counted = Usage { audio_ms: estimate_ms(text, language), estimated: true, ..Usage::free(text) };
        self.bill(kind, id, counted, now)
    }

    /// The most that speaking a text can cost: sound up to three times the estimate, which is all that the ear lets pass.
    pub fn worst(&self, kind: &str, id: &str, text: &str, language: &Language, now: Wall) -> Usage {
        let audio_ms = estimate_ms(text, language) * 3;
        self.bill(kind, id, Usage { audio_ms, estimated: true, ..Usage::free(text) }, now)
    }

    /// Whole days since the table was compared with its sources, at least 0.
    pub fn age_days(&self, now: Wall) -> i64 {
        i64::from((day(now) - self.as_of).get_days()).max(0)
    }

    /// What to say about its age; `None` = fresh.
    pub fn stale(&self, now: Wall) -> Option<String> {
        let age = self.age_days(now);
        (age > STALE_AFTER_DAYS).then(|| {
            format!(
                "the table of models is {age} days old ({}): prices and ends have moved since; update ahoy",
                self.as_of
            )
        })
    }

    /// Models of a kind for speech that are known to speak a language and have no known end.
    pub fn known_to_speak(&self, kind: &str, language: &Language) -> Vec<&str> {
        let fits = |model: &&Model| {
            model.kind == kind
                && model.purpose == Purpose::Speech
                && model.speaks(language) == Claim::Yes
                && model.ends.is_none()
        };
        self.models.iter().filter(fits).map(|model| model.id.as_str()).collect()
    }
}

/// Whether `id` is `name` with a date behind it.
fn is_snapshot(id: &str, name: &str) -> bool {
    let Some(rest) = id.strip_prefix(name).and_then(|rest| rest.strip_prefix('-')) else { return false };
    rest.parse::<Date>().is_ok()
}

impl Model {
    /// Whether it speaks a language (by its primary subtag).
    pub fn speaks(&self, language: &Language) -> Claim {
        let has = self.languages.iter().any(|known| known == language || known.as_str() == language.primary());
        match (has, self.complete) {
            (true, _) => Claim::Yes,
            (false, true) => Claim::No,
            (false, false) => Claim::Unclaimed,
        }
    }

    /// The prices that hold on this day.
    pub fn prices_on(&self, now: Wall) -> impl Iterator<Item = &Price> {
        let today = day(now);
        let holds = move |price: &&Price| {
            price.from.is_none_or(|from| from <= today) && price.until.is_none_or(|until| today < until)
        };
        self.prices.iter().filter(holds)
    }

    fn bill(&self, reported: Usage, now: Wall) -> Usage {
        let prices: Vec<&Price> = self.prices_on(now).collect();
        let mut usage = reported;
        // Without a price of its own, what was cached is billed as what was not.
        let cheaper = |unit: Unit| prices.iter().any(|price| price.per == unit);
        if !cheaper(Unit::TextCached) {
            usage.text_in = usage.text_in.saturating_add(std::mem::take(&mut usage.text_cached));
        }
        if !cheaper(Unit::AudioCached) {
            usage.audio_in = usage.audio_in.saturating_add(std::mem::take(&mut usage.audio_cached));
        }
        for price in &prices {
            self.complete_by_estimate(price.per, &mut usage);
        }
        usage.unpriced |= prices.is_empty();
        usage.cost = cost(&usage, &prices);
        usage
    }

    /// Fills in what this price counts and the service did not report.
    fn complete_by_estimate(&self, unit: Unit, usage: &mut Usage) {
        let tokens = self.audio_tokens_per_second.map(|rate| (usage.audio_ms * rate).div_ceil(1_000));
        let (count, estimate) = match unit {
            Unit::TextIn => (&mut usage.text_in, Some(usage.characters.div_ceil(CHARACTERS_PER_TOKEN))),
            Unit::AudioOut => (&mut usage.audio_out, tokens),
            Unit::Characters | Unit::AudioIn | Unit::TextOut | Unit::Minute | Unit::Hour => return,
            Unit::TextCached | Unit::AudioCached => return,
        };
        if *count == 0
            && let Some(estimate) = estimate.filter(|tokens| *tokens > 0)
        {
            *count = estimate;
            usage.estimated = true;
        }
    }
}

/// The sum of all prices, rounded up to the next millionth once: a cap must not be passed by rounding.
fn cost(usage: &Usage, prices: &[&Price]) -> Money {
    /// All units measured in one: an hour of milliseconds is the least common multiple of all divisors here.
    const WHOLE: u128 = 3_600_000_000;
    let sum: u128 = prices
        .iter()
        .map(|price| {
            let (count, divisor) = match price.per {
                Unit::Characters => (usage.characters, 1_000),
                Unit::TextIn => (usage.text_in, 1_000_000),
                Unit::AudioIn => (usage.audio_in, 1_000_000),
                Unit::TextCached => (usage.text_cached, 1_000_000),
                Unit::AudioCached => (usage.audio_cached, 1_000_000),
                Unit::TextOut => (usage.text_out, 1_000_000),
                Unit::AudioOut => (usage.audio_out, 1_000_000),
                Unit::Minute => (usage.audio_ms, 60_000),
                Unit::Hour => (usage.audio_ms, 3_600_000),
            };
            u128::from(count) * u128::from(price.usd_micros) * (WHOLE / divisor)
        })
        .sum();
    Money(i64::try_from(sum.div_ceil(WHOLE)).unwrap_or(i64::MAX))
}
