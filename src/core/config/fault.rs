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

/// The first line that sets `key` (its last dotted part), counted from 1.
fn line_of_key(text: &str, key: &str) -> Option<usize> {
    let last = key.rsplit('.').next()?;
    let sets = |line: &str| {
        let line = line.trim_start().trim_start_matches('[').trim_start_matches('"');
        line.strip_prefix(last).is_some_and(|rest| {
            let rest = rest.trim_start_matches('"').trim_start();
            rest.starts_with('=') || rest.starts_with(']') || rest.starts_with('.')
        }) || line.split(['.', ']']).any(|part| part == last && text.contains(&format!(".{last}")))
    };
    text.lines().position(sets).map(|at| at + 1)
}
