//! CSV row → `Lead` or `RowFault`; which column means what. Duplicates are the ledger's unique index.

use std::collections::BTreeMap;

use crate::base::country::BadCountry;
use crate::base::language::BadLanguage;
use crate::base::{Country, Language, Phone, PhoneFault, limits};
use crate::core::dial::zones;

pub mod cell;
mod columns;
pub mod dnc;
pub mod filter;
mod words;

pub use columns::{Columns, FIELDS, Field, HeaderFault};

/// A person to call, as imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lead {
    /// Line of the file it came from, counted from 1 (the header is line 1).
    pub line: u64,
    /// Whom to call.
    pub phone: Phone,
    /// Their name.
    pub name: Option<String>,
    /// Language to speak: the column, else the country's.
    pub language: Option<Language>,
    /// Country: the number's own.
    pub country: Option<Country>,
    /// IANA zone name, if the file gives one.
    pub timezone: Option<String>,
    /// What they agreed to, when and where; `None` = no consent on file.
    pub consent: Option<String>,
    /// All other columns.
    pub variables: BTreeMap<String, String>,
    /// Words that mark the lead, in lower case: segments are made of them.
    pub tags: Vec<String>,
    /// Further numbers of the person, in the order of the file.
    pub more_phones: Vec<OtherPhone>,
}

/// A number of a person that is not the one to dial first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherPhone {
    /// The number.
    pub phone: Phone,
    /// What the file calls it: the header of its column.
    pub label: Option<String>,
}

/// Why a row is no lead. Says what is wrong without repeating the number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowFault {
    /// The number cannot be used.
    #[error("{0}")]
    Phone(#[from] PhoneFault),
    /// Calls to the number cost more than usual.
    #[error("a premium-rate number is never called")]
    Premium,
    /// The country column holds no country.
    #[error("{0}")]
    Country(#[from] BadCountry),
    /// The language column holds no language.
    #[error("{0}")]
    Language(#[from] BadLanguage),
    /// The time zone column holds no time zone.
    #[error("{0}")]
    Zone(#[from] zones::BadZone),
    /// One of the numbers that the campaign calls from.
    #[error("this is a number that the campaign calls from")]
    Own,
    /// A country that the campaign may not call.
    #[error("the campaign may not call numbers of {0} (`countries` in campaign.toml)")]
    NotAllowed(String),
    /// A tag is too long.
    #[error("the tag `{0}…` has more than {most} characters", most = limits::TAG_CHARS)]
    Tag(String),
    /// Too many tags.
    #[error("{0} tags; {most} is the most", most = limits::TAGS)]
    Tags(usize),
    /// The row has more or fewer fields than the header.
    #[error("the row has {found} fields, the header has {wanted}")]
    Fields {
        /// Fields of the row.
        found: usize,
        /// Fields of the header.
        wanted: usize,
    },
}

impl RowFault {
    /// A short stable name for counting and for scripts.
    pub fn kind(&self) -> &'static str {
        match self {
            RowFault::Phone(PhoneFault::Empty) => "phone_empty",
            RowFault::Phone(PhoneFault::Scientific) => "phone_scientific",
            RowFault::Phone(PhoneFault::NoCountry) => "phone_no_country",
            RowFault::Phone(PhoneFault::Unreadable) => "phone_unreadable",
            RowFault::Phone(PhoneFault::Impossible) => "phone_impossible",
            RowFault::Phone(PhoneFault::Date) => "phone_date",
            RowFault::Phone(PhoneFault::ErrorCell) => "phone_error_cell",
            RowFault::Phone(PhoneFault::Grouped) => "phone_grouped",
            RowFault::Phone(PhoneFault::LostPlus) => "phone_lost_plus",
            RowFault::Phone(PhoneFault::Letters) => "phone_letters",
            RowFault::Premium => "phone_premium",
            RowFault::Country(_) => "country",
            RowFault::Language(_) => "language",
            RowFault::Zone(_) => "timezone",
            RowFault::Own => "phone_own",
            RowFault::NotAllowed(_) => "country_not_allowed",
            RowFault::Tag(_) | RowFault::Tags(_) => "tags",
            RowFault::Fields { .. } => "fields",
        }
    }
}

/// Reads one row.
///
/// `fields`: as many as the header has. `country`: in which national numbers are read when the row names none. The first
/// usable number is the one to dial, the others are kept; a bad number beside a good one is left out.
pub fn read_row(columns: &Columns, line: u64, fields: &[&str], country: Option<Country>) -> Result<Lead, RowFault> {
    if fields.len() != columns.width() {
        return Err(RowFault::Fields { found: fields.len(), wanted: columns.width() });
    }
    let cell = |field: Field| columns.place(field).map(|at| fields[at].trim()).filter(|text| !text.is_empty());
    let row_country: Option<Country> = cell(Field::Country).map(Country::named).transpose()?;
    let mut numbers = numbers(columns, fields, row_country.or(country))?.into_iter();
    let first = numbers.next().expect("without a usable number there was a fault");
    let own_country = first.phone.country();
    let language = match cell(Field::Language) {
        Some(text) => Some(text.parse()?),
        None => own_country.and_then(Country::language),
    };
    let timezone = cell(Field::Timezone);
    if let Some(name) = timezone {
        zones::zone(name)?;
    }
    let owned = |text: Option<&str>| text.map(cell::plain);
    let both = [cell(Field::FirstName), cell(Field::LastName)];
    let composed: Vec<&str> = both.into_iter().flatten().collect();
    let name = owned(cell(Field::Name)).or_else(|| (!composed.is_empty()).then(|| cell::plain(&composed.join(" "))));
    let mut variables = BTreeMap::new();
    let parts =
        [Field::FirstName, Field::LastName].into_iter().filter_map(|field| Some((field, columns.place(field)?)));
    let parts = parts.map(|(field, at)| (field.as_str(), at));
    for (key, at) in columns.others().iter().map(|(name, at)| (name.as_str(), *at)).chain(parts) {
        let text = fields[at].trim();
        if !text.is_empty() {
            variables.insert(key.to_owned(), cell::plain(text));
        }
    }
    Ok(Lead {
        line,
        phone: first.phone,
        name,
        language,
        country: own_country,
        timezone: owned(timezone),
        consent: owned(cell(Field::Consent)),
        variables,
        tags: tags(cell(Field::Tags).unwrap_or(""))?,
        more_phones: numbers.collect(),
    })
}

/// Every usable number of a row, each once, the one to dial first. A cell may hold several, as people write them.
fn numbers(columns: &Columns, fields: &[&str], country: Option<Country>) -> Result<Vec<OtherPhone>, RowFault> {
    let main = columns.place(Field::Phone).map(|at| (None, at));
    let more = columns.more_phones().iter().map(|(label, at)| (Some(label.clone()), *at));
    let mut found: Vec<OtherPhone> = Vec::new();
    let mut fault = None;
    for (label, at) in main.into_iter().chain(more) {
        for text in parts(fields[at], country) {
            let good = match Phone::parse(text, country) {
                Ok(phone) if phone.never_called().is_some() => Err(RowFault::Premium),
                Ok(phone) => Ok(phone),
                Err(why) => Err(RowFault::Phone(why)),
            };
            match good {
                Ok(phone) if found.len() <= limits::MORE_PHONES && found.iter().all(|it| it.phone != phone) => {
                    found.push(OtherPhone { phone, label: label.clone() });
                }
                Ok(_) => {}
                // The dialed column's own fault is the one to tell; an empty cell is none beside a number.
                Err(why) => fault = Some(fault.filter(|it| *it != RowFault::Phone(PhoneFault::Empty)).unwrap_or(why)),
            }
        }
    }
    match (found.is_empty(), fault) {
        (true, Some(fault)) => Err(fault),
        (true, None) => Err(RowFault::Phone(PhoneFault::Empty)),
        (false, _) => Ok(found),
    }
}

/// `0888 123 456 / 0888 654 321`: the numbers of one cell. One that can be read whole is one.
fn parts(text: &str, country: Option<Country>) -> Vec<&str> {
    let several: Vec<&str> = text.split(['/', ';', '|', '\n']).map(str::trim).filter(|part| !part.is_empty()).collect();
    let long = |part: &&str| part.bytes().filter(u8::is_ascii_digit).count() >= 6;
    if several.len() < 2 || !several.iter().all(long) || Phone::parse(text, country) == Err(PhoneFault::Date) {
        return vec![text];
    }
    several
}

/// Tags of a cell, in lower case, each once, sorted.
pub fn tags(text: &str) -> Result<Vec<String>, RowFault> {
    let mut tags: Vec<String> =
        text.split([',', ';', '|']).map(|tag| tag.trim().to_lowercase()).filter(|tag| !tag.is_empty()).collect();
    tags.sort_unstable();
    tags.dedup();
    match tags.iter().find(|tag| tag.chars().count() > limits::TAG_CHARS) {
        Some(tag) => Err(RowFault::Tag(crate::base::text::printable(&tag.chars().take(40).collect::<String>()))),
        None if tags.len() > limits::TAGS => Err(RowFault::Tags(tags.len())),
        None => Ok(tags),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(header: &[&str]) -> Columns {
        let header: Vec<String> = header.iter().map(|name| (*name).to_owned()).collect();
        Columns::read(&header, &[]).expect("a header with a phone")
    }

    #[test]
    fn language_comes_from_its_column_else_from_the_numbers_country() {
        let columns = columns(&["phone", "lang"]);
        let spoken = |fields: &[&str]| {
            read_row(&columns, 2, fields, None).expect("a lead").language.map(|language| language.to_string())
        };
        assert_eq!(spoken(&["+359888123456", "FR"]).as_deref(), Some("fr"));
        assert_eq!(spoken(&["+359888123456", ""]).as_deref(), Some("bg"));
        assert_eq!(spoken(&["+97221234567", " "]).as_deref(), Some("he"));
        assert_eq!(spoken(&["+41446681800", ""]), None, "Switzerland has no single language");
    }

    #[test]
    fn all_other_columns_are_kept_as_variables() {
        let columns = columns(&["Name", "Телефон", "ticket no", "plan"]);
        let lead = read_row(&columns, 7, &["Ана", "+359 888 123 456", "T-9", ""], None).expect("a lead");
        assert_eq!(lead.name.as_deref(), Some("Ана"));
        assert_eq!(lead.variables, BTreeMap::from([("ticket no".to_owned(), "T-9".to_owned())]));
        assert_eq!((lead.line, lead.consent), (7, None));
    }

    #[test]
    fn the_first_usable_number_is_dialed_and_the_others_are_kept() {
        let columns = columns(&["name", "phone", "phone 2", "mobile"]);
        let read = |fields: &[&str]| read_row(&columns, 2, fields, "BG".parse().ok());
        let lead = read(&["Ана", "3.5E+11", "0888 123 456 / 0888 123 457", "+359888123456"]).expect("a lead");
        assert_eq!(lead.phone, Phone::from_e164("+359888123456").expect("E.164"));
        let more: Vec<_> = lead.more_phones.iter().map(|it| (it.phone.expose(), it.label.as_deref())).collect();
        assert_eq!(more, [("+359888123457", Some("phone 2"))], "the same number again is no second one");
        assert_eq!(read(&["Ана", "3.5E+11", "", "-"]).expect_err("none").kind(), "phone_scientific");
        assert_eq!(read(&["Ана", "", " ", "N/A"]).expect_err("none").kind(), "phone_empty");
        assert_eq!(read(&["Ана", "12/05/1990", "", ""]).expect_err("none").kind(), "phone_date");
    }

    #[test]
    fn names_countries_and_tags_are_read_as_people_write_them() {
        let columns = columns(&["Vorname", "Nachname", "Telefon", "Land", "Tags"]);
        let lead = read_row(&columns, 2, &["Jörg", "Groß", "030 23125 017", "Deutschland", "VIP; berlin, vip"], None);
        let lead = lead.expect("a lead");
        assert_eq!(lead.name.as_deref(), Some("Jörg Groß"));
        assert_eq!(lead.variables["first_name"], "Jörg", "a greeting may use it");
        assert_eq!(lead.tags, ["berlin", "vip"]);
        assert_eq!(lead.phone.country().map(|it| it.to_string()).as_deref(), Some("DE"));
    }

    #[test]
    fn a_bad_row_says_what_is_wrong_and_never_repeats_the_number() {
        let columns = columns(&["phone", "country", "tz", "language"]);
        let fault = |fields: &[&str]| read_row(&columns, 2, fields, None).expect_err("bad");
        for (fields, kind) in [
            (["0888123456", "", "", ""], "phone_no_country"),
            (["", "", "", ""], "phone_empty"),
            (["3.59889E+11", "BG", "", ""], "phone_scientific"),
            (["call me", "BG", "", ""], "phone_unreadable"),
            (["+3598881", "", "", ""], "phone_impossible"),
            (["112", "BG", "", ""], "phone_impossible"),
            (["+19002345678", "", "", ""], "phone_premium"),
            (["0888123456", "Bulgarai", "", ""], "country"),
            (["0888123456", "BG", "Sofia", ""], "timezone"),
            (["0888123456", "BG", "", "Bulgarian language"], "language"),
        ] {
            let fault = fault(&fields);
            assert_eq!(fault.kind(), kind, "{fields:?}: {fault}");
            assert!(!fault.to_string().contains("888123456"), "{fault}");
        }
        assert_eq!(fault(&["+359888123456"]).kind(), "fields");
    }
}
