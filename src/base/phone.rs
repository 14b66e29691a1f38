//! Phone numbers: parsed once, stored as E.164, printed masked.

use std::fmt;
use std::str::FromStr;

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat, PhoneNumberType, Region};

use serde::Serialize;

use super::{Country, damage};

/// A valid phone number in E.164 form. Prints masked; [`Phone::expose`] gives the digits.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Phone {
    e164: String,
}

/// Kinds of numbers that nobody is called on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NeverCalled {
    /// Premium rate or shared cost.
    Premium,
    /// Satellite or a ship: a call costs a multiple.
    Satellite,
}

/// Why a text is no phone number that may be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PhoneFault {
    /// Nothing but spaces.
    #[error("the number is empty")]
    Empty,
    /// A spreadsheet turned the number into `3.59889E+11`: the digits are lost.
    #[error("the number was damaged by a spreadsheet (scientific notation): export the column as text")]
    Scientific,
    /// A spreadsheet took it for a date.
    #[error("this is a date: a spreadsheet made it of a number, or the column is another one")]
    Date,
    /// `#N/A`, `#REF!`: the formula in the cell has failed.
    #[error("the cell holds a spreadsheet's error, not a number")]
    ErrorCell,
    /// `359,888,123,456`: written as an amount.
    #[error("the number is written as an amount, with its digits in groups: format the column as text")]
    Grouped,
    /// Digits of an international number without its `+`.
    #[error("the + seems to be lost: the digits are an international number; write the +, or give its --country")]
    LostPlus,
    /// Words among the digits.
    #[error("there are letters in the number")]
    Letters,
    /// No `+` and no country to read it in.
    #[error("a national number needs a country: write it with +, or give --country or a country column")]
    NoCountry,
    /// Not readable as a number.
    #[error("this is not a phone number")]
    Unreadable,
    /// Readable, but no such number can exist in its country's plan.
    #[error("no such number exists in its country's numbering plan")]
    Impossible,
}

impl Phone {
    /// Reads a number in international form, or in national form if `country` is given.
    ///
    /// Accepts spaces, dashes, brackets, an extension (left out of the number) and `00`; refuses what Google's numbering rules
    /// call invalid, letters, and what a spreadsheet has damaged.
    pub fn parse(text: &str, country: Option<Country>) -> Result<Phone, PhoneFault> {
        if text.len() > 200 {
            return Err(PhoneFault::Unreadable);
        }
        let text = damage::clean(text);
        if let Some(fault) = damage::damage(&text) {
            return Err(fault);
        }
        if text.chars().count() > 64 {
            return Err(PhoneFault::Unreadable);
        }
        if has_letters(&text) {
            return Err(if text.bytes().any(|byte| byte.is_ascii_digit()) {
                PhoneFault::Letters
            } else {
                PhoneFault::Unreadable
            });
        }
        let international = match text.strip_prefix("00") {
            Some(rest) if country.is_none() => format!("+{rest}"),
            _ => text,
        };
        if !international.starts_with('+') && country.is_none() {
            return Err(if lost_its_plus(&international) { PhoneFault::LostPlus } else { PhoneFault::NoCountry });
        }
        let region = country.and_then(|country| country.as_str().parse::<Region>().ok());
        let number = PHONE_NUMBER_UTIL.parse(&international, region).map_err(|_| PhoneFault::Unreadable)?;
        if !PHONE_NUMBER_UTIL.is_valid_number(&number) {
            return Err(if lost_its_plus(&international) { PhoneFault::LostPlus } else { PhoneFault::Impossible });
        }
        // A few plans allow more digits than E.164 has room for; no carrier dials those.
        Phone::from_e164(&PHONE_NUMBER_UTIL.format(&number, PhoneNumberFormat::E164))
            .map_err(|_| PhoneFault::Impossible)
    }

    /// A number that is already E.164 (from the ledger, from a carrier): checks the shape only, `+` and 7 to 15 digits.
    pub fn from_e164(text: &str) -> Result<Phone, PhoneFault> {
        let digits = text.strip_prefix('+').ok_or(PhoneFault::NoCountry)?;
        let fits = (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        if fits { Ok(Phone { e164: text.to_owned() }) } else { Err(PhoneFault::Unreadable) }
    }

    /// The number itself, `+` and digits. `tests/tidy.rs` counts the places that call this.
    pub fn expose(&self) -> &str {
        &self.e164
    }

    /// Its digits as one number, for sets of many: at most 15 digits, none of which leads with 0, so no two are alike.
    pub fn as_number(&self) -> u64 {
        self.e164.bytes().filter(u8::is_ascii_digit).fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'))
    }

    /// The country whose plan the number belongs to; `None` for numbers of no country (satellite, universal).
    pub fn country(&self) -> Option<Country> {
        let number = PHONE_NUMBER_UTIL.parse(&self.e164, None).ok()?;
        let region = PHONE_NUMBER_UTIL.get_region_for_number(&number)?;
        region.to_string().parse().ok()
    }
}

impl Phone {
    /// Whether calls to it cost more than usual (premium rate, shared cost): such numbers are never called.
    pub fn costs_extra(&self) -> bool {
        matches!(self.kind(), PhoneNumberType::PremiumRate | PhoneNumberType::SharedCost)
    }

    /// Why no campaign may call it, whoever owns it. Emergency numbers are no E.164 numbers: they never become a `Phone`.
    pub fn never_called(&self) -> Option<NeverCalled> {
        match self.calling_code()?.as_str() {
            "870" | "881" | "882" | "883" => Some(NeverCalled::Satellite),
            "979" => Some(NeverCalled::Premium),
            _ => self.costs_extra().then_some(NeverCalled::Premium),
        }
    }

    /// The area code of a North American number: its first three digits.
    pub fn area_code(&self) -> Option<String> {
        let digits = self.e164.strip_prefix("+1")?;
        digits.get(..3).map(str::to_owned)
    }

    /// Whether its digits say where the line is. False for most mobiles, toll-free and internet numbers: these
    /// may be anywhere in their country.
    pub fn is_geographic(&self) -> bool {
        let Ok(number) = PHONE_NUMBER_UTIL.parse(&self.e164, None) else { return false };
        PHONE_NUMBER_UTIL.is_number_geographical(&number)
    }

    /// Digits of the country calling code; `None` if no plan is known.
    pub fn calling_code(&self) -> Option<String> {
        let number = PHONE_NUMBER_UTIL.parse(&self.e164, None).ok()?;
        Some(number.country_code.to_string())
    }

    /// What kind of line it is.
    pub fn line_kind(&self) -> PhoneKind {
        match self.kind() {
            PhoneNumberType::Mobile => PhoneKind::Mobile,
            PhoneNumberType::FixedLine => PhoneKind::Fixed,
            PhoneNumberType::FixedLineOrMobile => PhoneKind::FixedOrMobile,
            PhoneNumberType::VoIP => PhoneKind::Voip,
            PhoneNumberType::TollFree => PhoneKind::TollFree,
            PhoneNumberType::PremiumRate => PhoneKind::Premium,
            PhoneNumberType::SharedCost => PhoneKind::SharedCost,
            PhoneNumberType::PersonalNumber => PhoneKind::Personal,
            PhoneNumberType::Pager => PhoneKind::Pager,
            PhoneNumberType::UAN => PhoneKind::Company,
            PhoneNumberType::VoiceMail => PhoneKind::Voicemail,
            PhoneNumberType::Unknown => PhoneKind::Unknown,
        }
    }

    fn kind(&self) -> PhoneNumberType {
        match PHONE_NUMBER_UTIL.parse(&self.e164, None) {
            Ok(number) => PHONE_NUMBER_UTIL.get_number_type(&number),
            Err(_) => PhoneNumberType::Unknown,
        }
    }
}

/// Letters that are no word for an extension: a vanity number, or a remark.
fn has_letters(text: &str) -> bool {
    let words = text.split(|ch: char| !ch.is_alphabetic()).filter(|word| !word.is_empty());
    words.into_iter().any(|word| !EXTENSION.iter().any(|known| word.eq_ignore_ascii_case(known)))
}

/// Words before an extension that the library knows.
const EXTENSION: &[&str] = &["ext", "extn", "extension", "x", "int", "anexo"];

/// Whether digits without a `+` are a valid number with one.
fn lost_its_plus(text: &str) -> bool {
    text.starts_with(|ch: char| ch.is_ascii_digit() && ch != '0')
        && text.bytes().filter(u8::is_ascii_digit).count() >= 9
        && PHONE_NUMBER_UTIL
            .parse(format!("+{text}"), None)
            .is_ok_and(|number| PHONE_NUMBER_UTIL.is_valid_number(&number))
}

/// What kind of line a number is, by its digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PhoneKind {
    /// A mobile.
    Mobile,
    /// A landline.
    Fixed,
    /// The plan does not tell which (North America).
    FixedOrMobile,
    /// An internet number.
    Voip,
    /// Free for the caller.
    TollFree,
    /// Costs more than a call.
    Premium,
    /// Caller and callee share the cost.
    SharedCost,
    /// A number for life, wherever it rings.
    Personal,
    /// A pager.
    Pager,
    /// A company's access number.
    Company,
    /// A mailbox.
    Voicemail,
    /// The plan does not say.
    Unknown,
}

/// A range of numbers: `+` and the first digits, at least the country code and one more.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix(String);

/// A text that is no range of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a range is + and 2 to 14 digits, then *")]
pub struct BadPrefix;

impl Prefix {
    /// `+` and digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Prefix {
    type Err = BadPrefix;
    /// Reads `+4490*`; the star may be left out.
    fn from_str(text: &str) -> Result<Prefix, BadPrefix> {
        let text = text.trim().trim_end_matches('*');
        let digits = text.strip_prefix('+').ok_or(BadPrefix)?;
        let fits = (2..=14).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        if fits { Ok(Prefix(text.to_owned())) } else { Err(BadPrefix) }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Phone {
    type Err = PhoneFault;
    fn from_str(text: &str) -> Result<Phone, PhoneFault> {
        Phone::parse(text, None)
    }
}

impl fmt::Display for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keep_front = 3.min(self.e164.len());
        let keep_back = self.e164.len() - 2;
        write!(f, "{}…{}", &self.e164[..keep_front], &self.e164[keep_back..])
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_number_are_one_number() {
        let bg: Country = "BG".parse().expect("a country");
        let want = Phone::parse("+359888123456", None).expect("valid");
        for spelling in ["0888 123 456", "00359888123456", "+359 (888) 123-456", "'+359888123456", "888123456"] {
            assert_eq!(Phone::parse(spelling, Some(bg)).as_ref(), Ok(&want), "{spelling}");
        }
    }

    #[test]
    fn damage_is_named_and_never_guessed() {
        let fr: Country = "FR".parse().expect("a country");
        assert_eq!(Phone::parse("3.59889E+11", Some(fr)), Err(PhoneFault::Scientific));
        assert_eq!(Phone::parse("0612345678", None), Err(PhoneFault::NoCountry));
        assert_eq!(Phone::parse("  ", None), Err(PhoneFault::Empty));
        assert_eq!(Phone::parse("hello", Some(fr)), Err(PhoneFault::Unreadable));
        assert!(Phone::parse("+33 1", None).is_err());
        // Found by the fuzzer: letters stand for keys, and sixteen digits are a German number to the library.
        let de: Country = "DE".parse().expect("a country");
        assert_eq!(Phone::parse("040 land66969 205", Some(de)), Err(PhoneFault::Letters));
        assert_eq!(Phone::parse("040 526366969 2052", Some(de)), Err(PhoneFault::Impossible));
        assert_eq!(Phone::parse("359888123456", None), Err(PhoneFault::LostPlus));
        assert_eq!(Phone::parse("359888123456", Some(fr)), Err(PhoneFault::LostPlus), "never read as French");
        assert_eq!(Phone::parse("call 0612345678 in the evening", Some(fr)), Err(PhoneFault::Letters));
        let with_extension = Phone::parse("+1 212 555 0123 ext. 7", None).expect("a number");
        assert_eq!(with_extension.expose(), "+12125550123");
    }

    /// Fault 17: whatever a file holds, such a number is no lead.
    #[test]
    fn emergency_premium_and_satellite_numbers_are_never_called() {
        for (country, number) in [
            ("US", "911"),
            ("GB", "999"),
            ("GB", "112"),
            ("FR", "112"),
            ("FR", "15"),
            ("DE", "110"),
            ("BG", "112"),
            ("IL", "100"),
            ("IL", "101"),
            ("AU", "000"),
            ("US", "988"),
            ("US", "+1911"),
            ("BG", "+359112"),
        ] {
            let country: Country = country.parse().expect("a country");
            assert!(Phone::parse(number, Some(country)).is_err(), "{number} in {country}");
        }
        let never = |number: &str| Phone::from_e164(number).expect("E.164").never_called();
        assert_eq!(never("+19005551234"), Some(NeverCalled::Premium));
        assert_eq!(never("+449098790000"), Some(NeverCalled::Premium));
        assert_eq!(never("+881612345678"), Some(NeverCalled::Satellite));
        assert_eq!(never("+870773111632"), Some(NeverCalled::Satellite));
        assert_eq!(never("+12125550123"), None);
        assert_eq!(never("+359888123456"), None);
    }

    #[test]
    fn a_number_prints_masked() {
        let phone = Phone::parse("+359888123456", None).expect("valid");
        assert_eq!(format!("{phone} {phone:?}"), "+35…56 +35…56");
        assert_eq!(phone.country().map(|c| c.to_string()), Some("BG".to_owned()));
    }
}
