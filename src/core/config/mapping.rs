//! `mappings/NAME.toml`: how the files of one source are read, kept by `leads import --save-mapping`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ConfigFault;
use crate::base::Country;
use crate::core::lead::Field;

/// How the files of one source are read; what is absent is detected each time.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mapping {
    /// Country of national numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<Country>,
    /// Encoding, if it was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// Separator in a word, if it was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub separator: Option<String>,
    /// Line of the header, if it was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header_line: Option<u64>,
    /// The file has no header.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_header: bool,
    /// Sheet of a workbook, if it was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sheet: Option<String>,
    /// Tags for every row.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Field → column, as understood when it was saved: it binds even where header words would say otherwise.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, String>,
}

impl Mapping {
    /// Reads a mapping. `file` is its name in messages.
    pub fn parse(file: &str, text: &str) -> Result<Mapping, ConfigFault> {
        let mapping: Mapping = toml::from_str(text).map_err(|error| ConfigFault::from_toml(file, text, &error))?;
        for field in mapping.columns.keys() {
            if let Err(fault) = field.parse::<Field>() {
                return Err(ConfigFault::about(file, text, &format!("columns.{field}"), fault.to_string()));
            }
        }
        Ok(mapping)
    }

    /// As a file.
    pub fn write(&self) -> String {
        let table = toml::to_string(self).expect("plain texts and numbers are TOML");
        format!(
            "# How ahoy reads the files of this source: ahoy leads import FILE --mapping NAME (docs/LEADS.md)\n{table}"
        )
    }

    /// Its columns as fields.
    pub fn fields(&self) -> Vec<(Field, String)> {
        let field = |name: &String| name.parse::<Field>().ok();
        self.columns.iter().filter_map(|(name, column)| Some((field(name)?, column.clone()))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_reads_back_as_it_was_saved_and_typing_errors_are_found() {
        let mapping = Mapping {
            country: "BG".parse().ok(),
            encoding: Some("windows-1251".to_owned()),
            separator: Some("semicolon".to_owned()),
            tags: vec!["crm".to_owned()],
            columns: BTreeMap::from([("phone".to_owned(), "Мобилен \"нов\"".to_owned())]),
            ..Mapping::default()
        };
        assert_eq!(Mapping::parse("m.toml", &mapping.write()), Ok(mapping.clone()));
        assert_eq!(mapping.fields(), [(Field::Phone, "Мобилен \"нов\"".to_owned())]);
        let fault = |text: &str| Mapping::parse("m.toml", text).expect_err("bad").to_string();
        assert!(fault("[columns]\nfone = \"x\"\n").starts_with("m.toml:2:"), "{}", fault("[columns]\nfone = \"x\"\n"));
        assert!(fault("encodng = \"x\"\n").contains("m.toml:1"));
    }
}
