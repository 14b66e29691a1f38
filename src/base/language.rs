//! Languages by tag.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A language tag as phrase books use it: `en`, `bg`, `pt-br` (BCP 47 primary subtag, optional region; lower case).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Language(String);

/// The text is no language tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a language tag (such as en, bg or pt-br)")]
pub struct BadLanguage(pub String);

impl Language {
    /// The whole tag, lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The primary subtag: `pt` of `pt-br`.
    pub fn primary(&self) -> &str {
        self.0.split('-').next().expect("split yields at least one part")
    }
}

impl FromStr for Language {
    type Err = BadLanguage;
    fn from_str(text: &str) -> Result<Language, BadLanguage> {
        let tag = text.trim().to_ascii_lowercase().replace('_', "-");
        let mut parts = tag.split('-');
        let primary = parts.next().unwrap_or("");
        let region = parts.next();
        let letters = |part: &str| part.bytes().all(|b| b.is_ascii_lowercase());
        let primary_fits = (2..=3).contains(&primary.len()) && letters(primary);
        let region_fits =
            region.is_none_or(|r| (2..=4).contains(&r.len()) && r.bytes().all(|b| b.is_ascii_alphanumeric()));
        if primary_fits && region_fits && parts.next().is_none() {
            Ok(Language(tag))
        } else {
            Err(BadLanguage(super::text::printable(&text.chars().take(40).collect::<String>())))
        }
    }
}

impl TryFrom<String> for Language {
    type Error = BadLanguage;
    fn try_from(text: String) -> Result<Language, BadLanguage> {
        text.parse()
    }
}

impl From<Language> for String {
    fn from(language: Language) -> String {
        language.0
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
