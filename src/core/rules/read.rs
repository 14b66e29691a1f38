//! `rules.toml`: strict, with line numbers. What was typed, then what it means.

use std::collections::BTreeMap;

use jiff::civil::{Date, Time, Weekday};
use serde::Deserialize;

use super::{ConsentDemand, ConsentLevel, Demand, Jurisdiction, Rule, Rulebook, VoiceKind};
use crate::base::Country;
use crate::core::config::ConfigFault;
use crate::core::dial::hours::{Calendar, Holiday};

#[derive(Deserialize)]
struct Typed {
    version: String,
    #[serde(flatten)]
    tables: BTreeMap<String, TypedTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct TypedTable {
    title: String,
    #[serde(default)]
    members: Vec<String>,
    #[serde(default)]
    notes: Vec<String>,
    hours: Option<TypedHours>,
    consent: Option<TypedConsent>,
    dnc: Option<TypedAge>,
    caps: Option<TypedCaps>,
    refusal: Option<TypedDays>,
    ring: Option<TypedRing>,
    abandonment: Option<TypedAbandonment>,
    opt_out: Option<TypedPlain>,
    disclosure: Option<TypedPlain>,
    recording: Option<TypedPlain>,
    countries: Option<TypedPlain>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct TypedHours {
    source: String,
    checked: String,
    r#override: bool,
    #[serde(default)]
    monday_friday: Vec<String>,
    #[serde(default)]
    saturday: Vec<String>,
    #[serde(default)]
    sunday: Vec<String>,
    holidays: TypedHolidays,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum TypedHolidays {
    Word(String),
    List(Vec<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedConsent {
    source: String,
    checked: String,
    r#override: bool,
    voice: Vec<VoiceKind>,
    #[serde(default)]
    marketing: Vec<String>,
    #[serde(default)]
    other: Vec<String>,
    age_days: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedAge {
    source: String,
    checked: String,
    r#override: bool,
    age_days: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedCaps {
    source: String,
    checked: String,
    r#override: bool,
    per_24h: Option<u32>,
    per_30_days: Option<u32>,
    gap_minutes: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedDays {
    source: String,
    checked: String,
    r#override: bool,
    days: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedRing {
    source: String,
    checked: String,
    r#override: bool,
    seconds: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedAbandonment {
    source: String,
    checked: String,
    r#override: bool,
    slow_per_mille: u32,
    pause_per_mille: u32,
    heard_within_ms: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedPlain {
    source: String,
    checked: String,
    r#override: bool,
}

/// Reads a table of rules. `file` is its name in messages.
pub fn parse(file: &str, text: &str) -> Result<Rulebook, ConfigFault> {
    let typed: Typed = toml::from_str(text).map_err(|e| ConfigFault::from_toml(file, text, &e))?;
    let about = |key: &str, what: String| ConfigFault::about(file, text, key, what);
    let version = date(&typed.version).map_err(|what| about("version", what))?;
    let mut tables = BTreeMap::new();
    for (name, table) in typed.tables {
        let table = Reader { name: &name, about: &about }.table(table)?;
        tables.insert(name, table);
    }
    if !tables.contains_key("default") {
        return Err(about(
            "default",
            "there is no [default]: a country without a table would have no rules".to_owned(),
        ));
    }
    Ok(Rulebook { version, tables })
}

struct Reader<'a> {
    name: &'a str,
    about: &'a dyn Fn(&str, String) -> ConfigFault,
}

impl Reader<'_> {
    fn table(&self, typed: TypedTable) -> Result<Jurisdiction, ConfigFault> {
        let fault = |key: &str, what: String| (self.about)(&format!("{}.{key}", self.name), what);
        let country = |code: &str| code.parse::<Country>().map_err(|e| fault("members", e.to_string()));
        let members = typed.members.iter().map(|code| country(code)).collect::<Result<Vec<_>, _>>()?;
        let place = self.name.split_once('-').map_or(self.name, |(country, _)| country);
        if self.name != "default" && members.is_empty() {
            country(place)?;
        }
        let mut rules = Vec::new();
        let mut add = |topic: &str, source: String, checked: &str, overridable: bool, demand: Demand| {
            let checked = date(checked).map_err(|what| fault(&format!("{topic}.checked"), what))?;
            if source.trim().is_empty() {
                return Err(fault(&format!("{topic}.source"), "a rule without a source is a rumour".to_owned()));
            }
            let id = format!("{}.{topic}", self.name.to_ascii_lowercase());
            rules.push(Rule { id, source, checked, overridable, demand });
            Ok(())
        };
        if let Some(it) = typed.hours {
            let known_holidays = !matches!(&it.holidays, TypedHolidays::Word(word) if word == "unknown");
            let calendar = calendar(&it).map_err(|(key, what)| fault(&format!("hours.{key}"), what))?;
            add("hours", it.source, &it.checked, it.r#override, Demand::Hours { calendar, known_holidays })?;
        }
        if let Some(it) = typed.consent {
            let level = |key: &str, words: &[String]| {
                consent_level(words).map_err(|what| fault(&format!("consent.{key}"), what))
            };
            let demand = ConsentDemand {
                marketing: level("marketing", &it.marketing)?,
                other: level("other", &it.other)?,
                voices: it.voice,
                age_days: it.age_days,
            };
            add("consent", it.source, &it.checked, it.r#override, Demand::Consent(demand))?;
        }
        if let Some(it) = typed.dnc {
            add("dnc", it.source, &it.checked, it.r#override, Demand::DoNotCall { age_days: it.age_days })?;
        }
        if let Some(it) = typed.caps {
            let (per_24h, per_30_days, gap_minutes) = (it.per_24h, it.per_30_days, it.gap_minutes);
            if per_24h == Some(0) || per_30_days == Some(0) {
                return Err(fault("caps", "a cap of 0 forbids every call: leave the country out instead".to_owned()));
            }
            let demand = Demand::Caps { per_24h, per_30_days, gap_minutes };
            add("caps", it.source, &it.checked, it.r#override, demand)?;
        }
        if let Some(it) = typed.refusal {
            add("refusal", it.source, &it.checked, it.r#override, Demand::Refusal { days: it.days })?;
        }
        if let Some(it) = typed.ring {
            add("ring", it.source, &it.checked, it.r#override, Demand::Ring { seconds: it.seconds })?;
        }
        if let Some(it) = typed.abandonment {
            if it.slow_per_mille >= it.pause_per_mille {
                return Err(fault("abandonment.slow_per_mille", "slow must come before pause".to_owned()));
            }
            let demand = Demand::Abandonment {
                slow_per_mille: it.slow_per_mille,
                pause_per_mille: it.pause_per_mille,
                heard_within_ms: it.heard_within_ms,
            };
            add("abandonment", it.source, &it.checked, it.r#override, demand)?;
        }
        for (topic, plain, demand) in [
            ("opt-out", typed.opt_out, Demand::OptOut),
            ("disclosure", typed.disclosure, Demand::Disclosure),
            ("recording", typed.recording, Demand::Recording),
            ("countries", typed.countries, Demand::Countries),
        ] {
            if let Some(it) = plain {
                add(topic, it.source, &it.checked, it.r#override, demand)?;
            }
        }
        Ok(Jurisdiction { name: self.name.to_owned(), title: typed.title, members, notes: typed.notes, rules })
    }
}

fn date(text: &str) -> Result<Date, String> {
    text.parse().map_err(|_| format!("`{text}` is no day: write 2026-11-21"))
}

fn calendar(typed: &TypedHours) -> Result<Calendar, (&'static str, String)> {
    let mut calendar = Calendar::default();
    let weekdays = windows(&typed.monday_friday).map_err(|what| ("monday-friday", what))?;
    for day in [Weekday::Monday, Weekday::Tuesday, Weekday::Wednesday, Weekday::Thursday, Weekday::Friday] {
        calendar.days[Calendar::place(day)] = weekdays.clone();
    }
    calendar.days[Calendar::place(Weekday::Saturday)] = windows(&typed.saturday).map_err(|what| ("saturday", what))?;
    let sunday = windows(&typed.sunday).map_err(|what| ("sunday", what))?;
    match &typed.holidays {
        // Fault 50: where the calendar is unknown, Sunday is closed.
        TypedHolidays::Word(word) if word == "unknown" => {}
        TypedHolidays::Word(word) if word == "none" => calendar.days[Calendar::place(Weekday::Sunday)] = sunday,
        TypedHolidays::Word(word) => {
            return Err(("holidays", format!("holidays is \"none\", \"unknown\" or a list, not `{word}`")));
        }
        TypedHolidays::List(days) => {
            calendar.days[Calendar::place(Weekday::Sunday)] = sunday;
            calendar.closed =
                days.iter().map(|day| holiday(day)).collect::<Result<_, _>>().map_err(|e| ("holidays", e))?;
        }
    }
    if calendar.days.iter().all(Vec::is_empty) {
        return Err(("monday-friday", "no window at all: nobody could be called".to_owned()));
    }
    Ok(calendar)
}

fn windows(typed: &[String]) -> Result<Vec<(Time, Time)>, String> {
    let bad = |text: &str| format!("`{text}` is no window: write \"10:00-13:00\", start before end, in order");
    let mut windows: Vec<(Time, Time)> = Vec::new();
    for text in typed {
        let (start, end) = text.split_once('-').ok_or_else(|| bad(text))?;
        let time = |part: &str| part.parse::<Time>().map_err(|_| bad(text));
        let (start, end) = (time(start)?, time(end)?);
        if start >= end || windows.last().is_some_and(|(_, before)| start < *before) {
            return Err(bad(text));
        }
        windows.push((start, end));
    }
    Ok(windows)
}

fn holiday(text: &str) -> Result<Holiday, String> {
    let bad = || format!("`{text}` is no holiday: write \"07-14\" (month-day) or \"easter+1\"");
    if let Some(offset) = text.strip_prefix("easter") {
        return offset.parse().map(Holiday::Easter).map_err(|_| bad());
    }
    let (month, day) = text.split_once('-').ok_or_else(bad)?;
    let (month, day) = (month.parse().map_err(|_| bad())?, day.parse().map_err(|_| bad())?);
    // 2024 has a 29 February.
    Date::new(2024, month, day).map_err(|_| bad())?;
    Ok(Holiday::Fixed(month, day))
}

fn consent_level(words: &[String]) -> Result<ConsentLevel, String> {
    let mut level = ConsentLevel::default();
    for word in words {
        match word.as_str() {
            "any" => {}
            "reference" => level.reference = true,
            "written" => level.written = true,
            "covering" => level.covering = true,
            _ => return Err(format!("`{word}` is no demand: any, reference, written, covering")),
        }
        level.any = true;
    }
    Ok(level)
}
