//! Settings of a campaign's voice, read by a service engine: a typo or a value out of range is refused before a cent is spent.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::EngineFault;
use crate::base::text::printable;

/// Settings as the campaign wrote them.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a> {
    engine: &'a str,
    written: &'a BTreeMap<String, String>,
}

impl<'a> Settings<'a> {
    /// Takes the settings if the engine knows all of their names.
    pub fn of(
        engine: &'a str,
        written: &'a BTreeMap<String, String>,
        known: &[&str],
    ) -> Result<Settings<'a>, EngineFault> {
        let settings = Settings { engine, written };
        match written.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => {
                Err(settings.refuse(format!("no setting `{}`; settings are {}", printable(name), known.join(", "))))
            }
            None => Ok(settings),
        }
    }

    fn refuse(&self, why: String) -> EngineFault {
        EngineFault::Refused { engine: self.engine.to_owned(), why }
    }

    /// A text; `None` = not written.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.written.get(name).map(|value| value.trim())
    }

    /// A number of a range.
    pub fn number(&self, name: &str, range: RangeInclusive<f64>) -> Result<Option<f64>, EngineFault> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match text.parse::<f64>().ok().filter(|number| range.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(self.refuse(format!("{name} is a number from {} to {}", range.start(), range.end()))),
        }
    }

    /// A whole number of a range.
    pub fn whole(&self, name: &str, range: RangeInclusive<u64>) -> Result<Option<u64>, EngineFault> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match text.parse::<u64>().ok().filter(|number| range.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(self.refuse(format!("{name} is a whole number from {} to {}", range.start(), range.end()))),
        }
    }

    /// One of some words.
    pub fn word(&self, name: &str, words: &[&'static str]) -> Result<Option<&'static str>, EngineFault> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match words.iter().find(|word| **word == text) {
            Some(word) => Ok(Some(word)),
            None => Err(self.refuse(format!("{name} is one of {}", words.join(", ")))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typos_and_values_out_of_range_are_refused_by_name() {
        let written: BTreeMap<String, String> =
            [("speed", "1.2"), ("seed", "-1"), ("mode", "odd")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let settings = Settings::of("e", &written, &["speed", "seed", "mode"]).expect("known");
        assert_eq!(settings.number("speed", 0.0..=2.0).expect("in range"), Some(1.2));
        assert_eq!(settings.number("pitch", 0.0..=2.0).expect("absent"), None);
        let refused = [
            settings.number("speed", 0.0..=1.0).map(|_| ()),
            settings.whole("seed", 0..=9).map(|_| ()),
            settings.word("mode", &["on", "off"]).map(|_| ()),
            Settings::of("e", &written, &["speed"]).map(|_| ()),
        ];
        let words = ["0 to 1", "seed is a whole", "on, off", "no setting `mode`"];
        for (fault, word) in refused.into_iter().zip(words) {
            let fault = fault.expect_err(word).to_string();
            assert!(fault.contains(word), "{fault}");
        }
        let odd: BTreeMap<String, String> = [("speed".to_owned(), "NaN".to_owned())].into();
        assert!(Settings::of("e", &odd, &["speed"]).expect("known").number("speed", 0.0..=1.0).is_err());
    }
}
