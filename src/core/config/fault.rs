//! Configuration faults: file, line, key, and the nearest known key.

use std::fmt;

/// A configuration file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFault {
    /// The file's name as the person knows it.
    pub file: String,
    /// Line, counted from 1, where it is known.
    pub line: Option<usize>,
    /// What is wrong.
    pub what: String,
    /// What to write instead, where it can be guessed.
    pub hint: Option<String>,
}

impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.what)?;
        if let Some(hint) = &self.hint {
            write!(f, " ({hint})")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigFault {}

impl ConfigFault {
    /// A fault about the meaning of a key; its line is looked up in the text.
    pub fn about(file: &str, text: &str, key: &str, what: impl Into<String>) -> ConfigFault {
        ConfigFault { file: file.to_owned(), line: line_of_key(text, key), what: what.into(), hint: None }
    }

    /// A fault from the TOML reader. An unknown key gets the nearest known one as a hint.
    pub fn from_toml(file: &str, text: &str, error: &toml::de::Error) -> ConfigFault {
        let line = error.span().map(|span| 1 + text[..span.start.min(text.len())].matches('\n').count());
        let message = error.message().trim();
        let (what, hint) = match unknown_key(message) {
            Some((key, known)) => (format!("unknown key `{key}`"), nearest(key, &known)),
            None => (message.replace('\n', " "), None),
        };
        ConfigFault { file: file.to_owned(), line, what, hint }
    }
}

/// Splits serde's "unknown field `x`, expected one of `a`, `b`" into the key and the known ones.
fn unknown_key(message: &str) -> Option<(&str, Vec<&str>)> {
    let rest = message.strip_prefix("unknown field ")?;
    let mut quoted = rest.split('`').skip(1).step_by(2);
    let key = quoted.next()?;
    Some((key, quoted.collect()))
}

fn nearest(key: &str, known: &[&str]) -> Option<String> {
    let best = known.iter().max_by(|a, b| strsim::jaro_winkler(key, a).total_cmp(&strsim::jaro_winkler(key, b)))?;
    if strsim::jaro_winkler(key, best) >= 0.7 {
        Some(format!("did you mean `{best}`?"))
    } else {
        Some(format!("known keys here: {}", known.join(", ")))
    }
}

/// The line that sets `key` (dotted: `barge_in.threshold`), counted from 1; without it the line of its table.
fn line_of_key(text: &str, key: &str) -> Option<usize> {
    let (table, last) = key.rsplit_once('.').unwrap_or(("", key));
    let plain = |name: &str| name.replace(['"', '\'', ' '], "");
    let mut here = String::new();
    let mut table_line = None;
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            here = plain(header);
            // A fault about a whole table has the table's own name as its key.
            if here == table || here == key {
                table_line = table_line.or(Some(at + 1));
            }
        } else if let Some((name, _)) = line.split_once('=')
            && (plain(name) == last && here == table || plain(name) == key && here.is_empty())
        {
            return Some(at + 1);
        }
    }
    table_line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_in_its_own_table() {
        let text = "carrier = \"x\"\n[vad]\nthreshold = 0.5\n\n[barge_in]\nthreshold = 5\n[carriers.b]\nspeedup = 1\n";
        let line = |key: &str| line_of_key(text, key);
        assert_eq!((line("carrier"), line("vad.threshold"), line("barge_in.threshold")), (Some(1), Some(3), Some(6)));
        assert_eq!(
            (line("carriers.b.speedup"), line("carriers.b.kind"), line("barge_in"), line("x")),
            (Some(8), Some(7), Some(5), None)
        );
    }
}
