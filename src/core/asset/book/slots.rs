//! Slots: `{nights}` in a text, filled with declared values ahead of time, or with a column of each lead.

use std::collections::BTreeMap;

use super::spoken;
use crate::base::{Language, Slug, limits};
use crate::core::asset::recipe::Digest;

/// What a slot may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Slot {
    /// These values; each is rendered.
    Values(Vec<String>),
    /// A column of the lead: its distinct values are rendered ahead of the calls.
    Column {
        /// `name`, `first_name` (the first word of the name), or a column of the imported file.
        name: String,
        /// Most distinct values that are rendered; leads beyond hear the plain text.
        most: usize,
    },
}

/// A text cut at its slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Words(String),
    Slot(String),
}

impl Template {
    /// Cuts a text. `{name}` is a slot, `{{` and `}}` are braces. `Err` says what is wrong with it.
    pub fn parse(text: &str) -> Result<Template, String> {
        let mut pieces = Vec::new();
        let mut words = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            words.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                words.push_str(brace);
                rest = after;
                continue;
            }
            let end = if brace == "{" { rest.find('}') } else { None };
            let Some(end) = end else {
                return Err("a brace that is not closed: write {{ for the character itself".to_owned());
            };
            let name = &rest[..end];
            let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
            if name.is_empty() || name.len() > 32 || !name.bytes().all(good) {
                return Err(format!("`{{{name}}}` is no slot: a name is lower-case letters, digits and _"));
            }
            if !words.is_empty() {
                pieces.push(Piece::Words(std::mem::take(&mut words)));
            }
            pieces.push(Piece::Slot(name.to_owned()));
            rest = &rest[end + 1..];
        }
        words.push_str(rest);
        if !words.is_empty() {
            pieces.push(Piece::Words(words));
        }
        Ok(Template { pieces })
    }

    /// The names of its slots, each once, in the order of the text.
    pub fn slots(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Slot(name) if !names.contains(&name.as_str()) => names.push(name),
                Piece::Slot(_) | Piece::Words(_) => {}
            }
        }
        names
    }

    /// The text with its slots filled; `None` if one has no value.
    pub fn fill<'a>(&self, value: impl Fn(&str) -> Option<&'a str>) -> Option<String> {
        self.pieces
            .iter()
            .map(|piece| match piece {
                Piece::Words(words) => Some(words.as_str()),
                Piece::Slot(name) => value(name),
            })
            .collect()
    }
}

/// Every way to fill these slots, in the order of the values; the first slot changes slowest.
pub fn combinations<'a>(slots: &[(&'a str, &'a [String])]) -> Vec<BTreeMap<&'a str, &'a str>> {
    slots.iter().fold(vec![BTreeMap::new()], |done, (name, values)| {
        let with = |row: &BTreeMap<&'a str, &'a str>, value: &'a String| {
            let mut row = row.clone();
            row.insert(name, value.as_str());
            row
        };
        done.iter().flat_map(|row| values.iter().map(move |value| with(row, value))).collect()
    })
}

/// The key of a phrase with its slots filled: `offer--3-nights`; what has no plain letters gets a short hash.
pub fn filled_key(key: &Slug, values: &[&str]) -> Slug {
    let joined = values.join("-");
    let mut plain: String = joined
        .to_lowercase()
        .chars()
        .map(|ch| if ch.is_ascii_alphanumeric() { ch } else { '-' })
        .collect::<String>()
        .split('-')
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("-");
    let faithful = joined.chars().all(|ch| ch.is_ascii_alphanumeric() || ch == ' ' || ch == '-');
    if plain.is_empty() || !faithful || key.as_str().len() + 2 + plain.len() > 64 {
        plain = Digest::of(joined.as_bytes()).short()[..8].to_owned();
    }
    let room = 62 - plain.len();
    let head: String = key.as_str().chars().take(room).collect();
    format!("{head}--{plain}").parse().expect("made of the characters of a key, and short enough")
}

/// The key under which a filled phrase is written in the book.
pub fn written_key(key: &str) -> &str {
    key.split_once("--").map_or(key, |(written, _)| written)
}

/// A greeting that names the lead: rendered for every distinct value ahead of the calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Personal {
    /// The language of the text.
    pub language: Language,
    /// The text.
    pub template: Template,
    /// Slot → column of the lead.
    pub columns: BTreeMap<String, String>,
    /// Most distinct values.
    pub most: usize,
}

/// Words that stand in name columns for nothing.
const NOBODY: [&str; 12] =
    ["null", "none", "nan", "nil", "unknown", "test", "n a", "na", "undefined", "anonymous", "no name", "name"];

/// A lead's value as it may be spoken: letters with spaces, hyphens, apostrophes and dots, at most
/// [`limits::SLOT_VALUE_CHARS`]. `None` = not a thing to say to a person: the plain text is heard.
pub fn speakable(value: &str) -> Option<String> {
    let value = spoken(value).ok()?;
    let good =
        |ch: char| ch.is_alphabetic() || " -'’.".contains(ch) || unicode_normalization::char::is_combining_mark(ch);
    let short = value.chars().count() <= limits::SLOT_VALUE_CHARS;
    let somebody = !NOBODY.contains(&value.to_lowercase().as_str()) && value.chars().any(char::is_alphabetic);
    (short && somebody && value.chars().all(good)).then_some(value)
}

impl Personal {
    /// The text for one lead; `None` if a column is empty, or holds nothing that may be spoken.
    pub fn text_for(&self, column: impl Fn(&str) -> Option<String>) -> Option<String> {
        let mut values: BTreeMap<&str, String> = BTreeMap::new();
        for (slot, name) in &self.columns {
            values.insert(slot, speakable(&column(name)?)?);
        }
        let text = self.template.fill(|slot| values.get(slot).map(String::as_str))?;
        spoken(&text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_at_its_slots_and_filled() {
        let template = Template::parse("A room for {nights} nights, {{not}} {nights}, {day}.").expect("good");
        assert_eq!(template.slots(), ["nights", "day"]);
        let value = |name: &str| if name == "nights" { Some("two") } else { Some("today") };
        assert_eq!(template.fill(value).as_deref(), Some("A room for two nights, {not} two, today."));
        assert_eq!(template.fill(|name| (name == "day").then_some("x")), None);
        for bad in ["{", "a } b", "{Name}", "{}", "{a b}", "x {{y} z"] {
            assert!(Template::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_combination_has_a_key_of_its_own() {
        let (two, days) = (["2".to_owned(), "3".to_owned()], ["Монday".to_owned(), "понеделник".to_owned()]);
        let rows = combinations(&[("nights", &two), ("day", &days)]);
        assert_eq!(rows.len(), 4);
        let key: Slug = "offer".parse().expect("slug");
        let keys: Vec<String> =
            rows.iter().map(|row| filled_key(&key, &[row["nights"], row["day"]]).to_string()).collect();
        let mut unique = keys.clone();
        unique.dedup();
        assert_eq!(unique.len(), 4, "{keys:?}");
        assert_eq!(filled_key(&key, &["3 nights"]).as_str(), "offer--3-nights");
        assert_ne!(filled_key(&key, &["3.5"]), filled_key(&key, &["3-5"]), "what loses a character gets a hash");
        let long: Slug = "k".repeat(64).parse().expect("slug");
        assert_eq!(filled_key(&long, &["value"]).as_str().len(), 64);
        assert_eq!(written_key("offer--3-nights"), "offer");
    }

    #[test]
    fn a_name_column_never_says_null_to_a_person() {
        for good in ["Anna", "Jean-Paul", "O'Neill", "Мария", "יעל", "Mary Ann", "J. R."] {
            assert_eq!(speakable(good).as_deref(), Some(good));
        }
        let long = "a".repeat(limits::SLOT_VALUE_CHARS + 1);
        for bad in ["", "NULL", "n/a", "None", "-", "Anna2", "a@b.c", "<b>", "{x}", "Anna\u{7}", long.as_str()] {
            assert_eq!(speakable(bad), None, "{bad}");
        }
    }
}
