//! `[clone]` of `ahoy.toml`: whose service makes voices, of which samples, and for how long they are kept.

use std::time::Duration;

use serde::Deserialize;

use super::Span;
use super::workspace::{check_service_url, is_loopback_url};
use crate::base::limits;
use crate::base::secret::SecretRef;

/// Who makes cloned voices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CloneProvider {
    /// ElevenLabs: instant voice clones.
    ElevenLabs,
    /// OpenAI: custom voices, for accounts that have them.
    OpenAi,
    /// Gemini: replicated voices.
    Gemini,
}

impl CloneProvider {
    /// All of them.
    pub const ALL: [CloneProvider; 3] = [CloneProvider::ElevenLabs, CloneProvider::OpenAi, CloneProvider::Gemini];

    /// Its name in `ahoy.toml` and in the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            CloneProvider::ElevenLabs => "elevenlabs",
            CloneProvider::OpenAi => "openai",
            CloneProvider::Gemini => "gemini",
        }
    }
}

impl std::str::FromStr for CloneProvider {
    type Err = String;
    fn from_str(text: &str) -> Result<CloneProvider, String> {
        let known: Vec<&str> = CloneProvider::ALL.map(CloneProvider::as_str).to_vec();
        CloneProvider::ALL
            .into_iter()
            .find(|it| it.as_str() == text)
            .ok_or_else(|| format!("one of {}", known.join(", ")))
    }
}

/// A checked `[clone]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloneConfig {
    /// Who makes the voices.
    pub provider: CloneProvider,
    /// The provider's key.
    pub key: Option<SecretRef>,
    /// Where it is; `None` = the provider's own address.
    pub base_url: Option<String>,
    /// Folder of samples, relative to the workspace.
    pub samples: String,
    /// Clones made at once, 1 to [`limits::CLONES_AT_ONCE_MOST`].
    pub at_once: usize,
    /// A caller waits for a clone no longer than this.
    pub timeout: Duration,
    /// A clone is deleted at the provider this long after it was made.
    pub expires: Duration,
    /// Whether the clone that was not used for the longest is deleted when the account's slots are full.
    pub evict: bool,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TypedClone {
    provider: Option<String>,
    key: Option<SecretRef>,
    base_url: Option<String>,
    samples: Option<String>,
    at_once: Option<usize>,
    timeout: Option<Span>,
    expires: Option<Span>,
    evict: bool,
}

impl TypedClone {
    pub(super) fn check(self) -> Result<CloneConfig, (&'static str, String)> {
        let known = CloneProvider::ALL.map(CloneProvider::as_str).join(", ");
        let provider = self.provider.as_deref().and_then(|name| name.parse().ok());
        let provider = provider.ok_or_else(|| ("provider", format!("needs a provider: {known}")))?;
        if let Some(url) = &self.base_url {
            check_service_url(url).map_err(|what| ("base_url", what))?;
        }
        if self.key.is_none() && !self.base_url.as_deref().is_some_and(is_loopback_url) {
            return Err(("key", "needs key = { env = \"NAME\" }".to_owned()));
        }
        let samples = self.samples.unwrap_or_else(|| "samples".to_owned());
        if samples.trim().is_empty() {
            return Err(("samples", "samples is a folder".to_owned()));
        }
        let at_once = self.at_once.unwrap_or(limits::CLONES_AT_ONCE);
        if !(1..=limits::CLONES_AT_ONCE_MOST).contains(&at_once) {
            return Err(("at_once", format!("at_once is 1 to {}", limits::CLONES_AT_ONCE_MOST)));
        }
        let span = |key, typed: Option<Span>, usual: Duration, least: Duration, most: Duration| {
            let span = typed.map_or(usual, |span| span.0);
            if (least..=most).contains(&span) {
                Ok(span)
            } else {
                Err((key, format!("{key} is {} s to {} s", least.as_secs_f64(), most.as_secs())))
            }
        };
        let day = Duration::from_secs(86_400);
        let timeout =
            span("timeout", self.timeout, limits::CLONE_TIMEOUT, Duration::from_millis(100), limits::CLONE_UPLOAD)?;
        // Shorter than a call could be, a voice would be deleted under the caller.
        let expires = span("expires", self.expires, 30 * day, limits::CLONE_IN_USE, 365 * day)?;
        let (key, base_url, evict) = (self.key, self.base_url, self.evict);
        Ok(CloneConfig { provider, key, base_url, samples, at_once, timeout, expires, evict })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::config::parse_workspace;

    fn read(section: &str) -> Result<CloneConfig, String> {
        let config = parse_workspace("ahoy.toml", section).map_err(|fault| fault.to_string())?;
        config.clone.ok_or_else(|| "none".to_owned())
    }

    #[test]
    fn no_section_is_no_cloning_and_two_lines_are_enough() {
        assert_eq!(read(""), Err("none".to_owned()));
        let config = read("[clone]\nprovider = \"elevenlabs\"\nkey = { env = \"K\" }\n").expect("valid");
        assert_eq!((config.provider, config.samples.as_str()), (CloneProvider::ElevenLabs, "samples"));
        assert_eq!((config.at_once, config.timeout.as_secs(), config.evict), (4, 60, false));
        assert_eq!(config.expires.as_secs(), 30 * 86_400);
        let config = read("[clone]\nprovider = \"gemini\"\nbase_url = \"http://127.0.0.1:9\"\nexpires = \"7d\"\n");
        assert_eq!(config.expect("loopback needs no key").expires.as_secs(), 7 * 86_400);
    }

    #[test]
    fn typos_secrets_and_values_out_of_range_are_refused_with_their_line() {
        let with = |line: &str| {
            read(&format!("[clone]\nprovider = \"elevenlabs\"\nkey = {{ env = \"K\" }}\n{line}\n")).expect_err(line)
        };
        assert!(with("evit = true").contains("did you mean `evict`"));
        for line in ["at_once = 0", "at_once = 33", "timeout = \"0s\"", "timeout = \"1h\"", "expires = \"1m\""] {
            let told = with(line);
            assert!(told.starts_with("ahoy.toml:4: [clone] "), "{told}");
        }
        assert!(with("samples = \" \"").contains("folder"));
        let told = read("[clone]\nprovider = \"elevenlabs\"\nkey = \"sk-in-clear\"\n").expect_err("in clear");
        assert!(told.starts_with("ahoy.toml:3:") && !told.contains("in-clear"), "{told}");
        assert!(read("[clone]\nkey = { env = \"K\" }\n").expect_err("no provider").contains("elevenlabs, openai"));
        assert!(read("[clone]\nprovider = \"elevenlabs\"\n").expect_err("no key").contains("key"));
        for url in ["http://api.example.com", "https://a@b.example"] {
            assert!(with(&format!("base_url = \"{url}\"")).contains("base_url"), "{url}");
        }
    }
}
