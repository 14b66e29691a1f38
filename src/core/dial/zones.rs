//! Time zones of a number, by the longest known prefix of its E.164 digits.
//!
//! Numbers whose digits do not tell a place (most mobiles) get every zone of their country. The table is libphonenumber's
//! (source and version in its first lines); the zones themselves come from the time zone database inside this program,
//! so that the same number gives the same answer on every machine.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::base::Phone;

static TABLE: &str = include_str!("zones.tsv");
/// The longest prefix in the table.
const LONGEST: usize = 9;

/// A name that the time zone database does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no time zone: write a name such as Europe/Sofia")]
pub struct BadZone(pub String);

/// Names of every zone that a number may be in; empty = unknown.
pub fn zone_names(phone: &Phone) -> Vec<&'static str> {
    static BY_PREFIX: OnceLock<HashMap<&'static str, &'static str>> = OnceLock::new();
    let table = BY_PREFIX.get_or_init(|| {
        TABLE.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('\t')).collect()
    });
    let Some(code) = phone.calling_code() else { return Vec::new() };
    let digits = &phone.expose()[1..];
    let longest = if phone.is_geographic() { LONGEST.min(digits.len()) } else { code.len() };
    let found = (code.len()..=longest).rev().find_map(|end| table.get(digits.get(..end)?));
    let names = found.copied().unwrap_or("");
    names.split(' ').filter(|name| !name.is_empty() && *name != "Etc/Unknown").collect()
}

/// One zone by its IANA name, from the database inside this program. Cached.
pub fn zone(name: &str) -> Result<TimeZone, BadZone> {
    static KNOWN: OnceLock<Mutex<HashMap<String, TimeZone>>> = OnceLock::new();
    static DATABASE: OnceLock<TimeZoneDatabase> = OnceLock::new();
    let known = KNOWN.get_or_init(Mutex::default);
    if let Some(zone) = known.lock().unwrap_or_else(PoisonError::into_inner).get(name) {
        return Ok(zone.clone());
    }
    let bad = || BadZone(crate::base::text::printable(&name.chars().take(64).collect::<String>()));
    let zone = DATABASE.get_or_init(TimeZoneDatabase::bundled).get(name).map_err(|_| bad())?;
    // Only real names get here, in at most a few spellings of case: the cache cannot grow without bound in practice,
    // and it is emptied should a hostile file try.
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    if known.len() >= crate::base::limits::ZONE_CACHE {
        known.clear();
    }
    known.insert(name.to_owned(), zone.clone());
    Ok(zone)
}

/// The zones to decide with: the lead's own zone if it names one, else all that its number may be in.
///
/// Empty = unknown = closed. An own zone that the database does not know is an error, never a guess.
pub fn zones_of(phone: &Phone, own: Option<&str>) -> Result<Vec<TimeZone>, BadZone> {
    match own {
        Some(name) => Ok(vec![zone(name)?]),
        None => zone_names(phone).into_iter().map(zone).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(number: &str) -> Vec<&'static str> {
        zone_names(&Phone::from_e164(number).expect("E.164"))
    }

    #[test]
    fn a_landline_is_in_its_town_and_a_mobile_anywhere_in_its_country() {
        assert_eq!(names("+12125550123"), ["America/New_York"]);
        assert_eq!(names("+35924601000"), ["Europe/Sofia"]);
        assert_eq!(names("+97221234567"), ["Asia/Jerusalem"]);
        assert!(names("+61412345678").len() > 1, "an Australian mobile may be in Perth");
        assert!(!names("+61892345678").contains(&"Australia/Sydney"), "an Australian landline in the west");
        assert!(names("+79161234567").len() > 1, "a Russian mobile may be in Vladivostok");
        assert!(names("+18005550123").len() > 1, "toll-free is nowhere in particular");
    }

    #[test]
    fn every_zone_of_the_table_exists_in_the_database() {
        let mut count = 0;
        for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
            let (prefix, names) = line.split_once('\t').expect("prefix, tab, zones");
            assert!(prefix.len() <= LONGEST && prefix.bytes().all(|b| b.is_ascii_digit()), "{prefix}");
            for name in names.split(' ').filter(|name| *name != "Etc/Unknown") {
                assert!(zone(name).is_ok(), "{name}");
            }
            count += 1;
        }
        assert!(count > 3_000);
    }

    #[test]
    fn an_own_zone_overrides_the_number_and_a_wrong_one_is_refused() {
        let phone = Phone::from_e164("+12125550123").expect("E.164");
        let own = zones_of(&phone, Some("Europe/Sofia")).expect("known");
        assert_eq!(own[0].iana_name(), Some("Europe/Sofia"));
        assert!(zones_of(&phone, Some("Europe/Sofai")).is_err());
    }
}
