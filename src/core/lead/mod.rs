//! CSV row → `Lead` or `RowFault`; which column means what. Duplicates are the ledger's unique index.

use std::collections::BTreeMap;

use crate::base::country::BadCountry;
use crate::base::language::BadLanguage;
use crate::base::phone::PhoneFault;
use crate::base::{Country, Language, Phone};
use crate::core::dial::zones;

pub mod cell;
mod columns;
pub mod dnc;

pub use columns::{Columns, Field, HeaderFault};

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
            RowFault::Premium => "phone_premium",
            RowFault::Country(_) => "country",
            RowFault::Language(_) => "language",
            RowFault::Zone(_) => "timezone",
            RowFault::Fields { .. } => "fields",
        }
    }
}

/// Reads one row.
///
/// `fields`: as many as the header has. `country`: in which national numbers are read when the row names none.
pub fn read_row(columns: &Columns, line: u64, fields: &[&str], country: Option<Country>) -> Result<Lead, RowFault> {
    if fields.len() != columns.width() {
        return Err(RowFault::Fields { found: fields.len(), wanted: columns.width() });
    }
    let cell = |field: Field| columns.place(field).map(|at| fields[at].trim()).filter(|text| !text.is_empty());
    let row_country: Option<Country> = cell(Field::Country).map(str::parse).transpose()?;
    let phone = Phone::parse(cell(Field::Phone).unwrap_or(""), row_country.or(country))?;
    if phone.costs_extra() {
        return Err(RowFault::Premium);
    }
    let own_country = phone.country();
    let language = match cell(Field::Language) {
        Some(text) => Some(text.parse()?),
        None => own_country.and_then(Country::language),
    };
    let timezone = cell(Field::Timezone);
    if let Some(name) = timezone {
        zones::zone(name)?;
    }
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let mut variables = BTreeMap::new();
    for (name, at) in columns.others() {
        let text = fields[*at].trim();
        if !text.is_empty() {
            variables.insert(name.clone(), text.to_owned());
        }
    }
    Ok(Lead {
        line,
        phone,
        name: owned(cell(Field::Name)),
        language,
        country: own_country,
        timezone: owned(timezone),
        consent: owned(cell(Field::Consent)),
        variables,
    })
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
            (["0888123456", "Bulgaria", "", ""], "country"),
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
