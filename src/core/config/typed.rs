//! Values that more than one configuration file writes.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

/// A time span written with its unit: `"5m"`, `"700ms"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Span, D::Error> {
        let text = String::deserialize(from)?;
        crate::base::time::parse_span(&text).map(Span).map_err(serde::de::Error::custom)
    }
}

impl Span {
    /// Whole milliseconds.
    pub fn ms(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }
}
