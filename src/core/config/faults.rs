//! Faults of the embedded carrier as people write them: a preset's name, or a table of names and probabilities.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::base::Failure;
use crate::core::sim::fault::{Faults, preset};

/// `faults = "mild"` or `faults = { lost_answer = 0.01 }`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum TypedFaults {
    /// `none`, `mild` or `nasty`.
    Preset(String),
    /// Name → probability.
    Odds(BTreeMap<String, f64>),
}

impl TypedFaults {
    /// Errors (exit 2): an unknown preset or fault, or a probability outside 0 to 1.
    pub fn checked(self) -> Result<BTreeMap<String, f64>, Failure> {
        let odds = match self {
            TypedFaults::Odds(odds) => odds,
            TypedFaults::Preset(name) => preset(&name).ok_or_else(|| {
                let name = crate::base::text::printable(&name);
                Failure::usage(format!("no set of faults is called `{name}`"))
                    .next("write none, mild or nasty, or a table such as { lost_answer = 0.01 }")
            })?,
        };
        Faults::new(0, odds.clone())?;
        Ok(odds)
    }
}

/// A file of faults: one `name = probability` a line, TOML.
///
/// Errors (exit 2): no TOML, an unknown name, a probability outside 0 to 1.
pub fn parse_faults(text: &str) -> Result<BTreeMap<String, f64>, Failure> {
    let odds = toml::from_str(text).map_err(|fault| {
        let what = crate::base::text::printable(fault.message());
        Failure::usage(format!("not a file of faults: {what}")).next("write lines such as lost_answer = 0.01")
    })?;
    TypedFaults::Odds(odds).checked()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preset_a_table_and_a_file_are_read_and_mistakes_are_told() {
        assert!(TypedFaults::Preset("mild".to_owned()).checked().is_ok_and(|odds| odds["lost_answer"] > 0.0));
        let tame = TypedFaults::Preset("tame".to_owned()).checked().expect_err("no such preset");
        assert!(tame.next.is_some_and(|next| next.contains("nasty")));
        assert_eq!(parse_faults("throttle = 0.5\n").expect("read"), BTreeMap::from([("throttle".to_owned(), 0.5)]));
        assert!(parse_faults("throtle = 0.5\n").is_err());
        assert!(parse_faults("throttle = 5\n").is_err());
        assert!(parse_faults("throttle\n").is_err());
    }
}
