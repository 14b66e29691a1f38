//! `[hours]`: when people may be called, or when a desk is open.

use jiff::civil::{Time, Weekday};
use serde::Deserialize;

/// Calling hours in the called person's zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hours {
    /// First moment. Default 09:00.
    pub start: Time,
    /// First moment after. Default 18:00.
    pub end: Time,
    /// Days; default Monday to Friday.
    pub days: Vec<Weekday>,
    /// No hours at all; accepted only when the carrier is on loopback.
    pub any: bool,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TypedHours {
    pub(super) start: Option<String>,
    pub(super) end: Option<String>,
    pub(super) days: Option<Vec<String>>,
    pub(super) any: bool,
}

impl TypedHours {
    /// Errors: the key, and what is wrong with it.
    pub(super) fn check(self) -> Result<Hours, (&'static str, String)> {
        let typed = self;
        let time = |key: &'static str, text: Option<String>, default: Time| match text {
            None => Ok(default),
            Some(text) => {
                text.parse::<Time>().map_err(|_| (key, format!("[hours] {key} is a time such as 09:00, not `{text}`")))
            }
        };
        let start = time("start", typed.start, jiff::civil::time(9, 0, 0, 0))?;
        let end = time("end", typed.end, jiff::civil::time(18, 0, 0, 0))?;
        if start >= end {
            return Err(("start", format!("[hours] start {start} is not before end {end}: nobody could be called")));
        }
        let mut days = Vec::new();
        let names = typed.days.unwrap_or_else(|| ["mon", "tue", "wed", "thu", "fri"].map(str::to_owned).to_vec());
        for name in &names {
            days.push(match name.to_ascii_lowercase().as_str() {
                "mon" | "monday" => Weekday::Monday,
                "tue" | "tuesday" => Weekday::Tuesday,
                "wed" | "wednesday" => Weekday::Wednesday,
                "thu" | "thursday" => Weekday::Thursday,
                "fri" | "friday" => Weekday::Friday,
                "sat" | "saturday" => Weekday::Saturday,
                "sun" | "sunday" => Weekday::Sunday,
                _ => return Err(("days", format!("[hours] `{name}` is no day: mon, tue, wed, thu, fri, sat, sun"))),
            });
        }
        if days.is_empty() {
            return Err(("days", "[hours] days is empty: nobody could be called".to_owned()));
        }
        Ok(Hours { start, end, days, any: typed.any })
    }
}
