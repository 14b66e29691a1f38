//! Which column of a lead file means what.

use std::fmt;
use std::str::FromStr;

use crate::base::{limits, text};

/// A column that the dialer understands; all others are variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Field {
    /// Whom to call. The only one that must be there.
    Phone,
    /// Their name.
    Name,
    /// Their first name, where no column has the whole.
    FirstName,
    /// Their family name, where no column has the whole.
    LastName,
    /// Language to speak.
    Language,
    /// Country, for national numbers.
    Country,
    /// IANA time zone.
    Timezone,
    /// What they agreed to, when and where.
    Consent,
    /// Words that mark the lead, separated by commas or semicolons.
    Tags,
}

/// Every field, in the order in which columns are given to them.
pub const FIELDS: [Field; 9] = [
    Field::Phone,
    Field::Name,
    Field::FirstName,
    Field::LastName,
    Field::Language,
    Field::Country,
    Field::Timezone,
    Field::Consent,
    Field::Tags,
];

/// Columns that ahoy itself adds to a file of refused rows: no news when that file comes back.
pub const OURS: [&str; 2] = ["rejected_line", "rejected_reason"];

impl Field {
    /// The name used with `--map`.
    pub fn as_str(self) -> &'static str {
        match self {
            Field::Phone => "phone",
            Field::Name => "name",
            Field::FirstName => "first_name",
            Field::LastName => "last_name",
            Field::Language => "language",
            Field::Country => "country",
            Field::Timezone => "timezone",
            Field::Consent => "consent",
            Field::Tags => "tags",
        }
    }

    /// Header words that mean this field, folded.
    fn aliases(self) -> &'static [&'static str] {
        super::words::words(self)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Field {
    type Err = HeaderFault;
    fn from_str(name: &str) -> Result<Field, HeaderFault> {
        FIELDS
            .into_iter()
            .find(|field| field.as_str() == name.trim().to_lowercase())
            .ok_or_else(|| HeaderFault::NoField(text::printable(name)))
    }
}

/// Why a header cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFault {
    /// No column holds the phone number.
    #[error("no column holds the phone number; the columns are: {}", found.join(", "))]
    NoPhone {
        /// The columns there are, made safe to print.
        found: Vec<String>,
        /// The one that looks most like it.
        guess: Option<String>,
    },
    /// `--map` names a column that is not there.
    #[error("--map names the column `{named}`, which is not there; the columns are: {}", found.join(", "))]
    NoColumn {
        /// The name given.
        named: String,
        /// The columns there are.
        found: Vec<String>,
        /// The nearest one.
        guess: Option<String>,
    },
    /// `--map` names a field that does not exist.
    #[error("`{0}` is no field: phone, name, first_name, last_name, language, country, timezone, consent, tags")]
    NoField(String),
    /// Two columns mean the same field.
    #[error("the columns `{first}` and `{second}` both look like the {field}")]
    Twice {
        /// The field.
        field: Field,
        /// The first column.
        first: String,
        /// The second.
        second: String,
    },
    /// More columns than a lead may have.
    #[error("the header has {0} columns; {most} is the most", most = limits::CSV_COLUMNS)]
    TooMany(usize),
}

impl HeaderFault {
    /// What the reader may do next.
    pub fn next_step(&self) -> String {
        match self {
            HeaderFault::NoPhone { guess: Some(guess), .. } => {
                format!("if `{guess}` is the phone number, add --map phone=\"{guess}\"")
            }
            HeaderFault::NoPhone { guess: None, .. } => {
                "name the column with --map phone=COLUMN, or give the file a header line".to_owned()
            }
            HeaderFault::NoColumn { guess: Some(guess), .. } => format!("did you mean `{guess}`?"),
            HeaderFault::NoColumn { guess: None, .. } => {
                "write --map FIELD=COLUMN with a column of the file".to_owned()
            }
            HeaderFault::NoField(_) => "write --map phone=Tel".to_owned(),
            HeaderFault::Twice { field, first, .. } => format!("say which one with --map {field}=\"{first}\""),
            HeaderFault::TooMany(_) => "leave out the columns that no call needs".to_owned(),
        }
    }
}

/// A header, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    width: usize,
    places: [Option<usize>; FIELDS.len()],
    more_phones: Vec<(String, usize)>,
    others: Vec<(String, usize)>,
}

impl Columns {
    /// Reads a header line. `map`: fields whose column the person named; it wins over the aliases.
    pub fn read(header: &[String], map: &[(Field, String)]) -> Result<Columns, HeaderFault> {
        if header.len() > limits::CSV_COLUMNS {
            return Err(HeaderFault::TooMany(header.len()));
        }
        let shown = || header.iter().map(|name| text::printable(name.trim())).collect::<Vec<_>>();
        let folded: Vec<String> = header.iter().map(|name| fold(name)).collect();
        let mut places = [None; FIELDS.len()];
        for (field, named) in map {
            let at = header.iter().position(|name| name.trim() == named.trim());
            let at = at.or_else(|| folded.iter().position(|name| *name == fold(named)));
            let Some(at) = at else {
                let guess = nearest(&fold(named), header, &folded, 0.6);
                return Err(HeaderFault::NoColumn { named: text::printable(named), found: shown(), guess });
            };
            places[*field as usize] = Some(at);
        }
        for field in FIELDS {
            if places[field as usize].is_some() {
                continue;
            }
            // The first word that is there wins: a file with `phone` and `mobile` dials `phone` first.
            for alias in field.aliases() {
                let mut found =
                    folded.iter().enumerate().filter(|(at, name)| *name == alias && !places.contains(&Some(*at)));
                let Some((at, _)) = found.next() else { continue };
                if let Some((second, _)) = found.next() {
                    let (first, second) = (text::printable(&header[at]), text::printable(&header[second]));
                    return Err(HeaderFault::Twice { field, first, second });
                }
                places[field as usize] = Some(at);
                break;
            }
        }
        if places[Field::Phone as usize].is_none() {
            let words = Field::Phone.aliases();
            let scores = header.iter().zip(&folded).map(|(name, folded)| {
                let score = words.iter().map(|word| likeness(folded, word)).fold(0.0, f64::max);
                (name, score)
            });
            let best = scores.max_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, score)| *score >= 0.7);
            let guess = best.map(|(name, _)| text::printable(name.trim()));
            return Err(HeaderFault::NoPhone { found: shown(), guess });
        }
        let free = |at: &usize| !places.contains(&Some(*at)) && !header[*at].trim().is_empty();
        let named = |at: usize| (header[at].trim().to_owned(), at);
        let is_phone = |at: &usize| means_phone(&folded[*at]);
        let more_phones: Vec<_> =
            (0..header.len()).filter(free).filter(is_phone).take(limits::MORE_PHONES).map(named).collect();
        let known = |at: &usize| more_phones.iter().any(|(_, other)| other == at) || OURS.contains(&header[*at].trim());
        let others = (0..header.len()).filter(free).filter(|at| !known(at)).map(named).collect();
        Ok(Columns { width: header.len(), places, more_phones, others })
    }

    /// Columns of the header.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Where a field stands.
    pub fn place(&self, field: Field) -> Option<usize> {
        self.places[field as usize]
    }

    /// Names and places of further columns with numbers of the same person, in the order of the file.
    pub fn more_phones(&self) -> &[(String, usize)] {
        &self.more_phones
    }

    /// Names and places of the columns that are variables.
    pub fn others(&self) -> &[(String, usize)] {
        &self.others
    }
}

/// `phone 2`, `Tel. privat`, `mobile (work)`: a word for a phone, before or behind another word or a number.
fn means_phone(folded: &str) -> bool {
    let words = Field::Phone.aliases();
    let bare = folded.trim_end_matches(|ch: char| ch.is_ascii_digit());
    words.iter().any(|word| {
        // `number` and its likes say nothing inside a longer word: a ticket number is no phone.
        bare == *word
            || (word.chars().count() >= 5 && !VAGUE.contains(word) && (bare.starts_with(word) || bare.ends_with(word)))
    })
}

/// Words for a phone that also end other words.
const VAGUE: &[&str] = &["number", "numéro", "número", "номер", "recapito", "handy", "mobil", "mobiel"];

/// Lower case, without spaces, dots, dashes and underscores.
pub(super) fn fold(name: &str) -> String {
    let dropped = |ch: char| ch.is_whitespace() || "._-:#/()\"'º°№".contains(ch) || ch == '\u{feff}';
    name.to_lowercase().chars().filter(|ch| !dropped(*ch)).collect()
}

/// 0 to 1; a word that holds the other whole is very like it (`customerphone1`).
fn likeness(name: &str, word: &str) -> f64 {
    if word.chars().count() >= 3 && name.contains(word) { 0.95 } else { strsim::jaro_winkler(name, word) }
}

fn nearest(wanted: &str, header: &[String], folded: &[String], least: f64) -> Option<String> {
    let scores = header.iter().zip(folded).map(|(name, folded)| (name, likeness(folded, wanted)));
    let best = scores.max_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, score)| *score >= least)?;
    Some(text::printable(best.0.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &[&str], map: &[(Field, &str)]) -> Result<Columns, HeaderFault> {
        let header: Vec<String> = header.iter().map(|name| (*name).to_owned()).collect();
        let map: Vec<(Field, String)> = map.iter().map(|(field, name)| (*field, (*name).to_owned())).collect();
        Columns::read(&header, &map)
    }

    #[test]
    fn headers_of_many_languages_are_understood() {
        for header in [
            "Phone",
            "TEL.",
            "téléphone",
            "Телефон",
            "טלפון",
            "Phone Number",
            "mobile_phone",
            "\u{feff}phone",
            "Telefoonnummer",
            "Nº de teléfono",
            "Telemóvel",
            "Numer telefonu",
            "رقم الهاتف",
            "Cep Telefonu",
            "Τηλέφωνο",
            "Номер телефону",
        ] {
            let columns = read(&["id", header], &[]).expect(header);
            assert_eq!(columns.place(Field::Phone), Some(1), "{header}");
        }
    }

    #[test]
    fn a_named_column_wins_over_the_guess() {
        let columns = read(&["id", "phone", "Private"], &[(Field::Phone, "private")]).expect("named");
        assert_eq!(columns.place(Field::Phone), Some(2));
        assert_eq!(columns.others(), [("id".to_owned(), 0)]);
        assert_eq!(columns.more_phones(), [("phone".to_owned(), 1)], "the other one is still a number of theirs");
    }

    #[test]
    fn a_file_without_a_phone_column_gets_its_columns_and_the_nearest_guess() {
        match read(&["id", "customer phone 1", "city"], &[]) {
            Err(HeaderFault::NoPhone { found, guess }) => {
                assert_eq!(found, ["id", "customer phone 1", "city"]);
                assert_eq!(guess.as_deref(), Some("customer phone 1"));
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(read(&["id", "city"], &[]), Err(HeaderFault::NoPhone { guess: None, .. })));
    }

    #[test]
    fn further_numbers_are_found_and_other_numbers_are_not() {
        let header = [
            "Phone",
            "phone 2",
            "Mobile",
            "Home phone",
            "Telefon privat",
            "ticket number",
            "Kundennummer",
            "номер заявка",
        ];
        let columns = read(&header, &[]).expect("a phone");
        let names: Vec<&str> = columns.more_phones().iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["phone 2", "Mobile", "Home phone", "Telefon privat"]);
        assert_eq!(columns.others().len(), 3);
    }

    #[test]
    fn two_columns_of_one_name_are_refused_but_phone_beats_mobile() {
        assert!(matches!(read(&["phone", "Phone"], &[]), Err(HeaderFault::Twice { .. })));
        let columns = read(&["mobile", "phone"], &[]).expect("phone wins");
        assert_eq!(columns.place(Field::Phone), Some(1));
        assert!(matches!(read(&["phone"], &[(Field::Name, "Nmae")]), Err(HeaderFault::NoColumn { .. })));
    }
}
