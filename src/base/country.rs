//! Countries by ISO 3166-1 alpha-2 code.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

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
    /// Reads a code, or a country's name in English, its own language, or one of some others (`Bulgarien`).
    pub fn named(text: &str) -> Result<Country, BadCountry> {
        text.parse().or_else(|fault| {
            let folded = text.trim().to_lowercase().replace(['.', '-'], " ");
            let folded = folded.split_whitespace().collect::<Vec<_>>().join(" ");
            BY_NAME.get(folded.as_str()).copied().ok_or(fault)
        })
    }

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

static BY_NAME: LazyLock<HashMap<&str, Country>> = LazyLock::new(|| {
    let one = |&(code, names): &(&str, &'static str)| {
        let country: Country = code.parse().expect("the table holds country codes");
        names.split('|').map(move |name| (name, country))
    };
    // Of two countries with one name, the first.
    NAMES.iter().rev().flat_map(one).collect()
});

/// Names by which lists call countries, in lower case.
const NAMES: &[(&str, &str)] = &[
    ("AE", "united arab emirates|uae|الإمارات"),
    ("AR", "argentina|argentinien|argentine"),
    ("AT", "austria|österreich|autriche|австрия"),
    ("AU", "australia|australien|australie|австралия"),
    ("BE", "belgium|belgien|belgique|belgië|белгия|бельгия"),
    ("BG", "bulgaria|bulgarien|bulgarie|българия|болгария|בולגריה"),
    ("BR", "brazil|brasil|brasilien|brésil|бразилия"),
    ("CA", "canada|kanada|канада"),
    ("CH", "switzerland|schweiz|suisse|svizzera|швейцария"),
    ("CL", "chile|chili"),
    ("CN", "china|chine|中国|китай"),
    ("CO", "colombia|kolumbien|colombie"),
    ("CY", "cyprus|zypern|chypre|κύπρος|кипър|кипр"),
    ("CZ", "czech republic|czechia|tschechien|tchéquie|česko|česká republika|чехия"),
    ("DE", "germany|deutschland|allemagne|alemania|germania|германия|גרמניה"),
    ("DK", "denmark|dänemark|danemark|danmark|дания"),
    ("EE", "estonia|estland|estonie|eesti|естония|эстония"),
    ("EG", "egypt|ägypten|égypte|مصر|египет|египет"),
    ("ES", "spain|spanien|espagne|españa|spagna|испания"),
    ("FI", "finland|finnland|finlande|suomi|финландия|финляндия"),
    ("FR", "france|frankreich|francia|frança|франция|צרפת"),
    (
        "GB",
        "united kingdom|great britain|england|scotland|wales|vereinigtes königreich|großbritannien|royaume uni|великобритания|בריטניה",
    ),
    ("GR", "greece|griechenland|grèce|ελλάδα|гърция|греция"),
    ("HR", "croatia|kroatien|croatie|hrvatska|хърватия|хорватия"),
    ("HU", "hungary|ungarn|hongrie|magyarország|унгария|венгрия"),
    ("IE", "ireland|irland|irlande|éire|ирландия"),
    ("IL", "israel|israël|ישראל|израел|израиль"),
    ("IN", "india|indien|inde|भारत|индия"),
    ("IT", "italy|italien|italie|italia|италия|איטליה"),
    ("JP", "japan|japon|日本|япония"),
    ("KR", "south korea|korea|südkorea|corée du sud|대한민국"),
    ("LT", "lithuania|litauen|lituanie|lietuva|литва"),
    ("LU", "luxembourg|luxemburg|люксембург"),
    ("LV", "latvia|lettland|lettonie|latvija|латвия"),
    ("MA", "morocco|marokko|maroc|المغرب"),
    ("MK", "north macedonia|macedonia|nordmazedonien|северна македония"),
    ("MT", "malta|malte|малта"),
    ("MX", "mexico|méxico|mexiko|mexique"),
    ("NL", "netherlands|the netherlands|holland|niederlande|pays bas|nederland|нидерландия|холандия"),
    ("NO", "norway|norwegen|norvège|norge|норвегия"),
    ("NZ", "new zealand|neuseeland|nouvelle zélande"),
    ("PE", "peru|perú|pérou"),
    ("PL", "poland|polen|pologne|polska|полша|польша"),
    ("PT", "portugal|португалия"),
    ("RO", "romania|rumänien|roumanie|românia|румъния|румыния"),
    ("RS", "serbia|serbien|serbie|srbija|србија|сърбия|сербия"),
    ("RU", "russia|russland|russie|россия|русия|russian federation"),
    ("SA", "saudi arabia|saudi arabien|arabie saoudite|السعودية"),
    ("SE", "sweden|schweden|suède|sverige|швеция"),
    ("SG", "singapore|singapur|singapour"),
    ("SI", "slovenia|slowenien|slovénie|slovenija|словения"),
    ("SK", "slovakia|slowakei|slovaquie|slovensko|словакия"),
    ("TN", "tunisia|tunesien|tunisie|تونس"),
    ("TR", "turkey|türkiye|türkei|turquie|турция"),
    ("UA", "ukraine|україна|украйна|украина"),
    (
        "US",
        "united states|united states of america|usa|u s a|vereinigte staaten|états unis|estados unidos|сащ|сша|ארהב",
    ),
    ("ZA", "south africa|südafrika|afrique du sud"),
];

impl FromStr for Country {
    type Err = BadCountry;
    fn from_str(text: &str) -> Result<Country, BadCountry> {
        let upper = text.trim().to_ascii_uppercase();
        match upper.as_bytes() {
            [b'U', b'K'] => Ok(Country(*b"GB")),
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
