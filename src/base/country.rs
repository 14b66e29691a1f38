//! Countries by ISO 3166-1 alpha-2 code.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Language;

/// A country or territory: two capital letters (ISO 3166-1 alpha-2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Country([u8; 2]);

/// The text is no country code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a two-letter country code (ISO 3166-1, such as BG or FR)")]
pub struct BadCountry(pub String);

impl Country {
    /// The two letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("only ASCII letters are stored")
    }

    /// The language most people there expect on the phone; `None` where there is no single one.
    pub fn language(self) -> Option<Language> {
        let tag = match &self.0 {
            b"AU" | b"CA" | b"GB" | b"IE" | b"NZ" | b"US" | b"ZA" => "en",
            b"AT" | b"DE" | b"LI" => "de",
            b"FR" | b"MC" => "fr",
            b"IT" | b"SM" | b"VA" => "it",
            b"AR" | b"BO" | b"CL" | b"CO" | b"CR" | b"DO" | b"EC" | b"ES" | b"GT" | b"HN" | b"MX" | b"NI" | b"PA"
            | b"PE" | b"PY" | b"SV" | b"UY" | b"VE" => "es",
            b"BR" | b"PT" => "pt",
            b"BG" => "bg",
            b"IL" => "he",
            b"NL" => "nl",
            b"PL" => "pl",
            b"RO" => "ro",
            b"GR" | b"CY" => "el",
            b"TR" => "tr",
            b"SE" => "sv",
            b"NO" => "no",
            b"DK" => "da",
            b"FI" => "fi",
            b"CZ" => "cs",
            b"SK" => "sk",
            b"HU" => "hu",
            b"HR" => "hr",
            b"RS" => "sr",
            b"SI" => "sl",
            b"UA" => "uk",
            b"RU" => "ru",
            b"JP" => "ja",
            b"KR" => "ko",
            _ => return None,
        };
        Some(tag.parse().expect("the table holds language tags"))
    }
}

impl FromStr for Country {
    type Err = BadCountry;
    fn from_str(text: &str) -> Result<Country, BadCountry> {
        let upper = text.trim().to_ascii_uppercase();
        match upper.as_bytes() {
            [a, b] if a.is_ascii_uppercase() && b.is_ascii_uppercase() => Ok(Country([*a, *b])),
            _ => Err(BadCountry(super::text::printable(&text.chars().take(40).collect::<String>()))),
        }
    }
}

impl TryFrom<String> for Country {
    type Error = BadCountry;
    fn try_from(text: String) -> Result<Country, BadCountry> {
        text.parse()
    }
}

impl From<Country> for String {
    fn from(country: Country) -> String {
        country.as_str().to_owned()
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
