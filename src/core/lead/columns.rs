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
    /// Language to speak.
    Language,
    /// Country, for national numbers.
    Country,
    /// IANA time zone.
    Timezone,
    /// What they agreed to, when and where.
    Consent,
}

/// Every field.
pub const FIELDS: [Field; 6] =
    [Field::Phone, Field::Name, Field::Language, Field::Country, Field::Timezone, Field::Consent];

impl Field {
    /// The name used with `--map`.
    pub fn as_str(self) -> &'static str {
        self.aliases()[0]
    }

    /// Header words that mean this field, compared without case, spaces, dots, dashes and underscores.
    fn aliases(self) -> &'static [&'static str] {
        match self {
            Field::Phone => &[
                "phone",
                "tel",
                "telephone",
                "telephonenumber",
                "phonenumber",
                "mobile",
                "mobilephone",
                "mobilenumber",
                "cell",
                "cellphone",
                "number",
                "msisdn",
                "telefon",
                "telefonnummer",
                "rufnummer",
                "handy",
                "mobil",
                "téléphone",
                "portable",
                "numéro",
                "teléfono",
                "telefono",
                "móvil",
                "cellulare",
                "телефон",
                "телефоненномер",
                "мобилен",
                "номер",
                "טלפון",
                "נייד",
            ],
            Field::Name => &[
                "name",
                "fullname",
                "contact",
                "contactname",
                "customer",
                "nom",
                "nombre",
                "nome",
                "vorname",
                "prénom",
                "име",
                "имя",
                "שם",
            ],
            Field::Language => {
                &["language", "lang", "locale", "langue", "sprache", "idioma", "lingua", "език", "язык", "שפה"]
            }
            Field::Country => {
                &["country", "countrycode", "pays", "land", "país", "paese", "държава", "страна", "מדינה", "ארץ"]
            }
            Field::Timezone => &["timezone", "tz", "zone", "zeitzone", "fuseau", "fuseauhoraire"],
            Field::Consent => {
                &["consent", "optin", "permission", "consentement", "einwilligung", "съгласие", "согласие", "הסכמה"]
            }
        }
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
    #[error("`{0}` is no field: phone, name, language, country, timezone, consent")]
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
            // The first alias that is there wins: a file with `phone` and `mobile` means `phone`.
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
        let others = header
            .iter()
            .enumerate()
            .filter(|(at, name)| !places.contains(&Some(*at)) && !name.trim().is_empty())
            .map(|(at, name)| (name.trim().to_owned(), at))
            .collect();
        Ok(Columns { width: header.len(), places, others })
    }

    /// Columns of the header.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Where a field stands.
    pub fn place(&self, field: Field) -> Option<usize> {
        self.places[field as usize]
    }

    /// Names and places of the columns that are variables.
    pub fn others(&self) -> &[(String, usize)] {
        &self.others
    }
}

/// Lower case, without spaces, dots, dashes and underscores.
fn fold(name: &str) -> String {
    let dropped = |ch: char| ch.is_whitespace() || "._-:#/()\"'".contains(ch) || ch == '\u{feff}';
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
        for header in
            ["Phone", "TEL.", "téléphone", "Телефон", "טלפון", "Phone Number", "mobile_phone", "\u{feff}phone"]
        {
            let columns = read(&["id", header], &[]).expect(header);
            assert_eq!(columns.place(Field::Phone), Some(1), "{header}");
        }
    }

    #[test]
    fn a_named_column_wins_over_the_guess() {
        let columns = read(&["phone", "Private"], &[(Field::Phone, "private")]).expect("named");
        assert_eq!(columns.place(Field::Phone), Some(1));
        assert_eq!(columns.others(), [("phone".to_owned(), 0)]);
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
    fn two_columns_of_one_name_are_refused_but_phone_beats_mobile() {
        assert!(matches!(read(&["phone", "Phone"], &[]), Err(HeaderFault::Twice { .. })));
        let columns = read(&["mobile", "phone"], &[]).expect("phone wins");
        assert_eq!(columns.place(Field::Phone), Some(1));
        assert!(matches!(read(&["phone"], &[(Field::Name, "Nmae")]), Err(HeaderFault::NoColumn { .. })));
    }
}
