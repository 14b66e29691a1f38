//! The list of samples: who consented to what and when, and where the sample is if it is not in the folder under the
//! caller's name.

use super::CallerName;
use crate::base::text::printable;
use crate::base::{Phone, Wall, limits};

/// Whose row it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// A number.
    Phone(Phone),
    /// A keyed name, as `ahoy clone add` writes it: the list tells nobody's number.
    Name(CallerName),
}

impl Who {
    /// Reads a number with its `+`, or a keyed name.
    pub fn read(text: &str) -> Result<Who, String> {
        match text.trim().parse() {
            Ok(name) => Ok(Who::Name(name)),
            Err(()) => text.parse().map(Who::Phone).map_err(|fault: crate::base::PhoneFault| fault.to_string()),
        }
    }
}

/// What somebody agreed to, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    /// The day, its beginning in UTC.
    pub on: Wall,
    /// In words.
    pub text: String,
}

impl Consent {
    /// Reads the two cells; `Err` = why they are no consent.
    pub fn read(on: &str, text: &str) -> Result<Consent, String> {
        let (on, text) = (on.trim(), text.trim());
        if text.is_empty() {
            return Err("the list has no words of it".to_owned());
        }
        if text.chars().count() > limits::CONSENT_CHARS {
            return Err(format!("its words are more than {} characters", limits::CONSENT_CHARS));
        }
        if on.is_empty() {
            return Err("the list has no day of it".to_owned());
        }
        let on = Wall::from_date(on).map_err(|_| format!("`{}` is no day: write it as 2026-11-21", printable(on)))?;
        Ok(Consent { on, text: text.to_owned() })
    }

    /// Whether it is of today or of a day before. A day begins earlier in the east than in UTC.
    pub fn counts(&self, now: Wall) -> Result<(), String> {
        let fourteen_hours = std::time::Duration::from_secs(14 * 3_600);
        if self.on > now + fourteen_hours {
            return Err(format!("its day is in the future: {}", self.on.date()));
        }
        Ok(())
    }
}

/// Where a sample is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// In the folder, under the caller's keyed name or number.
    Folder,
    /// A file of the folder.
    File(String),
    /// Behind this address.
    Url(String),
}

impl Source {
    /// Reads a cell. A file stays in its folder; an address is https, or http on loopback.
    pub fn read(text: &str) -> Result<Source, String> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(Source::Folder);
        }
        if text.contains("://") {
            let plain = text.starts_with("http://") && crate::core::config::is_loopback_url(text);
            let authority = text.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
            if !(plain || text.starts_with("https://")) || authority.is_empty() || authority.contains('@') {
                return Err("a sample's address is https://HOST/… (http on loopback only), without a user".to_owned());
            }
            return Ok(Source::Url(text.to_owned()));
        }
        let inside = !text.starts_with(['/', '.'])
            && !text.contains(['\\', ':', '\0'])
            && text.split('/').all(|part| !part.is_empty() && part != "..");
        if inside {
            Ok(Source::File(text.to_owned()))
        } else {
            Err("a sample's file lies in the folder of samples".to_owned())
        }
    }
}

/// A checked row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListRow {
    /// Whose.
    pub who: Who,
    /// What they agreed to; `Err` = why this is no consent.
    pub consent: Result<Consent, String>,
    /// Their sample.
    pub sample: Source,
    /// The recording of their consent, which some services want to hear.
    pub spoken: Source,
    /// The language in which that was spoken, BCP 47.
    pub language: Option<String>,
}

/// Names of the columns; the first three must be there.
pub const COLUMNS: [&str; 6] = ["caller", "consented_on", "consent", "sample", "consent_sample", "language"];

/// Where the columns of a list stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns([Option<usize>; 6]);

impl Columns {
    /// Reads the header. Refused: a name that is none of ours, one that is there twice, one of the first three missing.
    pub fn of<'a>(header: impl Iterator<Item = &'a str>) -> Result<Columns, String> {
        let mut places = [None; 6];
        for (at, name) in header.enumerate() {
            let name = name.trim().trim_start_matches('\u{feff}').to_lowercase();
            let Some(known) = COLUMNS.iter().position(|it| *it == name) else {
                return Err(format!("unknown column `{}`: known are {}", printable(&name), COLUMNS.join(", ")));
            };
            if places[known].replace(at).is_some() {
                return Err(format!("column `{name}` is there twice"));
            }
        }
        match COLUMNS.iter().zip(places).take(3).find(|(_, place)| place.is_none()) {
            Some((name, _)) => Err(format!("column `{name}` is missing")),
            None => Ok(Columns(places)),
        }
    }

    /// Reads a row. Errors: no caller, or a place outside the folder. A consent that is none is kept with its reason.
    pub fn row<'a>(&self, cell: impl Fn(usize) -> Option<&'a str>) -> Result<ListRow, String> {
        let at = |column: usize| self.0[column].and_then(&cell).unwrap_or_default();
        let who = Who::read(at(0))?;
        let language = at(5).trim();
        let language = (!language.is_empty()).then(|| language.to_owned());
        Ok(ListRow {
            who,
            consent: Consent::read(at(1), at(2)),
            sample: Source::read(at(3))?,
            spoken: Source::read(at(4))?,
            language,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_taken_in_any_order_and_a_wrong_one_is_named() {
        let of = |text: &str| Columns::of(text.split(','));
        let columns = of("\u{feff}Consent,caller,CONSENTED_ON").expect("enough");
        let cells = ["may clone my voice", "+359888123456", "2026-11-01"];
        let row = columns.row(|at| cells.get(at).copied()).expect("a row");
        assert_eq!(row.consent.expect("a consent").on.date(), "2026-11-01");
        assert_eq!((row.sample, row.language), (Source::Folder, None));
        assert!(of("caller,consent").expect_err("no day").contains("consented_on"));
        assert!(of("caller,consent,consented_on,phone").expect_err("unknown").contains("phone"));
        assert!(of("caller,consent,consented_on,consent").expect_err("twice").contains("twice"));
    }

    #[test]
    fn a_consent_without_words_or_day_or_of_tomorrow_is_none() {
        for (on, text) in [("", "yes"), ("2026-11-01", " "), ("yesterday", "yes"), ("2026-13-01", "yes")] {
            assert!(Consent::read(on, text).is_err(), "{on} {text}");
        }
        assert!(Consent::read("2026-11-01", &"x".repeat(501)).is_err());
        let consent = Consent::read("2026-11-21", "yes").expect("a consent");
        let noon = |day: &str| Wall(Wall::from_date(day).expect("a day").0 + 12 * 3_600_000);
        assert!(consent.counts(noon("2026-11-21")).is_ok() && consent.counts(noon("2026-11-20")).is_ok(), "Auckland");
        assert!(consent.counts(noon("2026-11-19")).is_err());
    }

    #[test]
    fn no_sample_lies_outside_its_folder_or_behind_an_address_without_tls() {
        assert_eq!(Source::read("  "), Ok(Source::Folder));
        assert_eq!(Source::read("vip/ana.wav"), Ok(Source::File("vip/ana.wav".to_owned())));
        assert!(matches!(Source::read("https://files.example/a.wav?x=1"), Ok(Source::Url(_))));
        assert!(matches!(Source::read("http://127.0.0.1:9/a.wav"), Ok(Source::Url(_))));
        for bad in [
            "/etc/passwd",
            "../a.wav",
            "a/../../b",
            "a//b",
            ".hidden",
            "C:\\a.wav",
            "c:a",
            "http://files.example/a",
            "file:///etc/passwd",
            "https://",
            "https://u:p@host/a",
        ] {
            assert!(Source::read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_caller_is_a_number_or_a_keyed_name() {
        let name = "0123456789abcdef0123456789abcdef";
        assert!(matches!(Who::read(name), Ok(Who::Name(_))));
        assert!(matches!(Who::read(" +359 888 123 456"), Ok(Who::Phone(_))));
        assert!(Who::read("0888123456").is_err() && Who::read("anonymous").is_err() && Who::read("").is_err());
    }
}
