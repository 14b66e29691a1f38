//! Two clocks that must not be mixed: the wall (a place on the calendar) and boot time (a distance).

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Wall-clock time: milliseconds since the Unix epoch, UTC. May step; never used to measure a duration that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Wall(pub i64);

impl Wall {
    /// RFC 3339 in UTC with milliseconds.
    pub fn rfc3339(self) -> String {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(stamp) => format!("{stamp:.3}"),
            Err(_) => format!("@{}ms", self.0),
        }
    }

    /// The beginning (UTC) of a day written as `2026-11-21`.
    pub fn from_date(text: &str) -> Result<Wall, String> {
        let day: jiff::civil::Date =
            text.trim().parse().map_err(|_| format!("`{text}` is no date: write it as 2026-11-21"))?;
        let midnight = day.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| format!("`{text}` is out of range"))?;
        Ok(Wall(midnight.timestamp().as_millisecond()))
    }

    /// The day in UTC, as `2026-11-21`.
    pub fn date(self) -> String {
        self.timestamp().to_zoned(jiff::tz::TimeZone::UTC).date().to_string()
    }

    /// Time from `earlier` until this moment; zero if `earlier` is later. The clock may have stepped between the two: fit
    /// for waits, not for measurements.
    pub fn since(self, earlier: Wall) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The jiff timestamp; out-of-range values clamp to the ends of jiff's range.
    pub fn timestamp(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(if self.0 < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        })
    }
}

impl Add<Duration> for Wall {
    type Output = Wall;
    fn add(self, span: Duration) -> Wall {
        Wall(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Wall {
    type Output = Wall;
    fn sub(self, span: Duration) -> Wall {
        Wall(self.0.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

/// Boot time: microseconds on a clock that never steps and goes on while the machine sleeps.
/// Meaningful inside one process only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Boot(pub u64);

impl Boot {
    /// Time from `earlier` until this moment; zero if `earlier` is later.
    pub fn since(self, earlier: Boot) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Boot {
    type Output = Boot;
    fn add(self, span: Duration) -> Boot {
        Boot(self.0.saturating_add(u64::try_from(span.as_micros()).unwrap_or(u64::MAX)))
    }
}

/// Reads `"5m"`, `"700ms"`, `"1h 30m"`, `"30d"`.
///
/// Accepts jiff's friendly format; refuses negative spans and bare numbers (a number without a unit is a guess).
pub fn parse_span(text: &str) -> Result<Duration, String> {
    // A day is no fixed time on a calendar; as a span, here, it is 24 hours.
    if let Some(days) = text.trim().strip_suffix('d').and_then(|days| days.parse::<u32>().ok()) {
        return Ok(Duration::from_secs(u64::from(days) * 86_400));
    }
    let span: jiff::SignedDuration = text
        .trim()
        .parse()
        .map_err(|_| format!("`{text}` is not a time span: write \"5m\", \"700ms\" or \"1h 30m\""))?;
    Duration::try_from(span).map_err(|_| format!("`{text}` is negative: a time span here is zero or more"))
}
