//! Segments: `country = 'FR' and tag = 'vip'`, read once, then asked of a lead in memory or of the ledger in SQL.
//!
//! Every question has a plain yes or no: a field that a lead lacks is unequal to everything, and no other comparison
//! holds for it. So `not (x)` is always the opposite of `x`, which three-valued SQL alone would not give.

mod parse;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::base::Wall;

pub use parse::FilterFault;

/// A field of a lead that can be asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// The lead's row.
    Id,
    /// The import that brought it.
    Import,
    /// Its campaign.
    Campaign,
    /// Its number in E.164.
    Phone,
    /// The person's name.
    Name,
    /// Language to speak.
    Language,
    /// Country of the number.
    Country,
    /// IANA zone.
    Timezone,
    /// What they agreed to.
    Consent,
    /// `ready`, `held`, `done`, `blocked`, `review`.
    State,
    /// Outcome of a lead that is done, reason of one that is blocked.
    Reason,
    /// Tries that count.
    Tries,
    /// When it may be called.
    Due,
    /// When it came in.
    Created,
    /// When it last changed.
    Changed,
    /// Any of its tags.
    Tag,
    /// A column of the file that is no field of ours.
    Variable(String),
}

/// What a field is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Text, compared letter by letter.
    Text(String),
    /// A number.
    Number(f64),
    /// A moment.
    Time(Wall),
}

/// How it is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    /// `=`
    Equal,
    /// `!=` or `<>`: also true for a lead that lacks the field.
    Unequal,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    More,
    /// `>=`
    AtLeast,
}

/// A question about leads. Made by [`Filter::read`]; parameters stay apart from the words, so nothing that a person
/// typed ever becomes SQL.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// All of them hold.
    All(Vec<Filter>),
    /// One of them holds.
    Any(Vec<Filter>),
    /// It does not hold.
    Not(Box<Filter>),
    /// A comparison with one value.
    Is(Name, Compare, Value),
    /// One of these values; a tag: one of them is there.
    In(Name, Vec<Value>),
    /// `%` is any run of characters, `_` any one; A to Z in either case.
    Like(Name, String),
    /// The lead lacks the field (a tag: has none).
    Missing(Name),
}

/// A lead as a filter sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    /// Row.
    pub id: i64,
    /// Import.
    pub import: i64,
    /// Texts by field, in the order of their names: campaign, phone, name, language, country, timezone, consent, state, reason.
    pub texts: BTreeMap<&'static str, String>,
    /// Tries that count.
    pub tries: i64,
    /// When it may be called.
    pub due: Option<Wall>,
    /// When it came in.
    pub created: Wall,
    /// When it last changed.
    pub changed: Wall,
    /// Tags.
    pub tags: Vec<String>,
    /// Other columns.
    pub variables: BTreeMap<String, String>,
}

/// A number that a text spells: an optional `-`, digits, at most one point between or after them. The ledger's SQL
/// reads the same and no other (`store/ledger/segment.rs`).
pub fn spelled_number(text: &str) -> Option<f64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let fits = digits.starts_with(|ch: char| ch.is_ascii_digit())
        && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        && digits.bytes().filter(|byte| *byte == b'.').count() <= 1;
    if fits { text.parse().ok() } else { None }
}

impl Name {
    /// The word by which a filter names it; a variable has its own.
    pub fn word(&self) -> &str {
        match self {
            Name::Id => "id",
            Name::Import => "import",
            Name::Campaign => "campaign",
            Name::Phone => "phone",
            Name::Name => "name",
            Name::Language => "language",
            Name::Country => "country",
            Name::Timezone => "timezone",
            Name::Consent => "consent",
            Name::State => "state",
            Name::Reason => "reason",
            Name::Tries => "tries",
            Name::Due => "due",
            Name::Created => "created",
            Name::Changed => "changed",
            Name::Tag => "tag",
            Name::Variable(own) => own,
        }
    }
}

impl Filter {
    /// Whether the lead is one of those that are asked for.
    pub fn matches(&self, lead: &Subject) -> bool {
        match self {
            Filter::All(parts) => parts.iter().all(|part| part.matches(lead)),
            Filter::Any(parts) => parts.iter().any(|part| part.matches(lead)),
            Filter::Not(part) => !part.matches(lead),
            Filter::Is(Name::Tag, Compare::Unequal, Value::Text(tag)) => !lead.tags.contains(tag),
            Filter::Is(name, how, value) => {
                let found = lead.values(name);
                if *how == Compare::Unequal {
                    !found.iter().any(|held| held.compare(Compare::Equal, value))
                } else {
                    found.iter().any(|held| held.compare(*how, value))
                }
            }
            Filter::In(name, values) => {
                lead.values(name).iter().any(|held| values.iter().any(|value| held.compare(Compare::Equal, value)))
            }
            Filter::Like(name, pattern) => lead.values(name).iter().any(|held| match held {
                Value::Text(text) => like(pattern, text),
                Value::Number(_) | Value::Time(_) => false,
            }),
            Filter::Missing(name) => lead.values(name).is_empty(),
        }
    }
}

impl Subject {
    fn values(&self, name: &Name) -> Vec<Value> {
        let number = |value: i64| vec![Value::Number(value as f64)];
        match name {
            Name::Id => number(self.id),
            Name::Import => number(self.import),
            Name::Tries => number(self.tries),
            Name::Due => self.due.map(Value::Time).into_iter().collect(),
            Name::Created => vec![Value::Time(self.created)],
            Name::Changed => vec![Value::Time(self.changed)],
            Name::Tag => self.tags.iter().cloned().map(Value::Text).collect(),
            Name::Variable(own) => self.variables.get(own).cloned().map(Value::Text).into_iter().collect(),
            Name::Campaign
            | Name::Phone
            | Name::Name
            | Name::Language
            | Name::Country
            | Name::Timezone
            | Name::Consent
            | Name::State
            | Name::Reason => self.texts.get(name.word()).cloned().map(Value::Text).into_iter().collect(),
        }
    }
}

impl Value {
    fn compare(&self, how: Compare, other: &Value) -> bool {
        use std::cmp::Ordering::{Equal, Greater, Less};
        let order = match (self, other) {
            (Value::Text(own), Value::Text(other)) => Some(own.as_bytes().cmp(other.as_bytes())),
            (Value::Text(own), Value::Number(other)) => spelled_number(own).and_then(|own| own.partial_cmp(other)),
            (Value::Number(own), Value::Number(other)) => own.partial_cmp(other),
            (Value::Time(own), Value::Time(other)) => Some(own.cmp(other)),
            (Value::Text(_) | Value::Number(_) | Value::Time(_), _) => None,
        };
        match how {
            Compare::Equal => order == Some(Equal),
            Compare::Unequal => order != Some(Equal),
            Compare::Less => order == Some(Less),
            Compare::AtMost => matches!(order, Some(Less | Equal)),
            Compare::More => order == Some(Greater),
            Compare::AtLeast => matches!(order, Some(Greater | Equal)),
        }
    }
}

/// SQLite's `LIKE`: A to Z match in either case, other letters only themselves.
fn like(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    // Where to go on after the last `%`, should what follows not fit.
    let (mut at, mut place, mut again) = (0, 0, None);
    while place < text.len() {
        match pattern.get(at) {
            Some('%') => {
                again = Some((at + 1, place));
                at += 1;
            }
            Some(wanted) if *wanted == '_' || wanted.eq_ignore_ascii_case(&text[place]) => {
                at += 1;
                place += 1;
            }
            Some(_) | None => match again {
                Some((star, from)) => {
                    again = Some((star, from + 1));
                    at = star;
                    place = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|ch| *ch == '%')
}
