//! `ahoy rules` and `ahoy audit`.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::{Context, EXIT_CODES, print_json, print_line};
use crate::base::{Country, Exit, Failure, Phone, Wall};
use crate::core::audit::{Tampering, from_hex, hex, verify};
use crate::core::dial::hours::is_open;
use crate::core::dial::zones::zones_of;
use crate::core::rules::{
    Jurisdiction, NO_CLEARANCE, Place, TZDB_STALE_AFTER_DAYS, Terms, book, days_since, tzdb_released, tzdb_version,
};
use crate::run::clock::{Clock, MachineClock};
use crate::show::rules as show;
use crate::show::words::say;
use crate::store::ledger::Ledger;

/// Flags that set rules aside for one run.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct OverrideArgs {
    /// Set a rule aside for this run, such as us.hours; repeatable. `ahoy rules` tells which may be
    #[arg(long = "override", value_name = "RULE")]
    pub rules: Vec<String>,
    /// Who decided that, and why: one for all, or one for each --override; kept in the audit
    #[arg(long = "reason", value_name = "TEXT")]
    pub reasons: Vec<String>,
    /// Only leads that a filter lets through, such as "country = 'FR' and tag = 'vip'" (`ahoy leads list --help`)
    #[arg(long = "where", value_name = "FILTER")]
    pub filter: Option<String>,
}

/// Arguments of `ahoy rules`.
#[derive(Debug, clap::Args)]
#[command(after_help = format!(
    "{NO_CLEARANCE}\n\nExamples:\n  ahoy rules\n  ahoy rules FR --at 2026-07-14T11:00\n  ahoy rules +14075550123\n\n{EXIT_CODES}"
))]
pub struct RulesArgs {
    /// A country (FR), a state (US-FL), or a phone number; all rules if nothing is named
    pub place: Option<String>,
    /// The same as a country given as PLACE
    #[arg(long, value_name = "XX", conflicts_with = "place")]
    pub country: Option<String>,
    /// Whether calls are allowed at this time of the called person's clock, such as 2026-07-14T11:00
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
}

#[derive(Serialize)]
struct RuleLine<'a> {
    rule: &'a str,
    asks: String,
    source: &'a str,
    checked: String,
    overridable: bool,
}

/// Runs `ahoy rules`.
pub fn rules(args: &RulesArgs, context: &Context) -> Result<Exit, Failure> {
    let now = MachineClock.wall();
    let asked = args.place.as_deref().or(args.country.as_deref());
    let place = asked.map(read_place).transpose()?;
    let set_aside = std::collections::BTreeMap::new();
    let terms = place.as_ref().map(|(place, _)| book().terms(place, &set_aside));
    let open = match (&args.at, &place, &terms) {
        (None, _, _) => None,
        (Some(at), Some((_, zones)), Some(terms)) => Some(open_at(at, zones, terms)?),
        (Some(_), _, _) => return Err(Failure::usage("--at needs a place").next("ahoy rules FR --at 2026-07-14T11:00")),
    };
    let tzdb = tzdb_version();
    let warnings = warnings(now, tzdb);
    if context.json() {
        let chosen: Vec<_> = match &terms {
            Some(terms) => terms.rules().to_vec(),
            None => book().rules().collect(),
        };
        let lines: Vec<RuleLine<'_>> = chosen
            .iter()
            .map(|rule| RuleLine {
                rule: &rule.id,
                asks: show::demand(&rule.demand),
                source: &rule.source,
                checked: rule.checked.to_string(),
                overridable: rule.overridable,
            })
            .collect();
        print_json(&serde_json::json!({
            "version": book().version.to_string(), "age_days": book().age_days(now), "tzdb": tzdb, "rules": lines,
            "at": args.at, "open": open.as_ref().map(|closed| closed.is_none()), "closed_by": open.flatten(),
            "warnings": warnings, "note": NO_CLEARANCE,
        }))?;
        return Ok(Exit::Done);
    }
    print_line(&format!(
        "rules of {} (checked {} days ago) · time zones of {tzdb}",
        book().version,
        book().age_days(now)
    ))?;
    match &terms {
        Some(terms) => {
            for rule in terms.rules() {
                print_line(&show::rule(rule))?;
            }
        }
        None => {
            let tables: Vec<&Jurisdiction> = book().tables.values().collect();
            for table in tables {
                print_line(&format!("\n{}", show::jurisdiction(table)))?;
            }
        }
    }
    if let (Some(at), Some(closed)) = (&args.at, open) {
        match closed {
            None => print_line(&format!("at {at}: calls are allowed by these hours; campaigns may be tighter"))?,
            Some(rule) => print_line(&format!("at {at}: nobody is called there ({rule})"))?,
        }
    }
    for warning in warnings {
        say(&format!("warning: {warning}"));
    }
    print_line(&format!("\n{NO_CLEARANCE}"))?;
    Ok(Exit::Done)
}

fn warnings(now: Wall, tzdb: &str) -> Vec<String> {
    let old = match tzdb_released(tzdb).map(|released| days_since(released, now)) {
        Some(days) if days <= TZDB_STALE_AFTER_DAYS => None,
        Some(days) => {
            Some(format!("the time zones of {tzdb} are {days} days old: clocks may have changed since; update ahoy"))
        }
        None => Some(format!("the age of the time zones of {tzdb} is not known")),
    };
    book().stale(now).into_iter().chain(old).collect()
}

/// A place and the zones it may be in (for a number).
fn read_place(text: &str) -> Result<(Place, Vec<TimeZone>), Failure> {
    if text.starts_with('+') {
        let phone = Phone::parse(text, None)
            .map_err(|fault| Failure::usage(fault.to_string()).next("write it as +359888123456"))?;
        let zones = zones_of(&phone, None).unwrap_or_default();
        return Ok((Place::of(&phone, None), zones));
    }
    let upper = text.to_ascii_uppercase();
    let (country, state) = upper.split_once('-').map_or((upper.as_str(), None), |(country, _)| (country, Some(&upper)));
    let country: Country = country
        .parse()
        .map_err(|fault| Failure::usage(format!("{fault}")).next("ahoy rules FR, US-FL or +14075550123"))?;
    let state = match state {
        None => None,
        Some(name) => Some(book().tables.keys().find(|known| *known == name).map(String::as_str).ok_or_else(|| {
            Failure::usage(format!("no table for {}", crate::base::text::printable(name)))
                .next(format!("its country's rules hold: ahoy rules {country}"))
        })?),
    };
    Ok((Place::named(country, state), Vec::new()))
}

/// Whether these hours are open at a time of the called person's clock; the rule that closes them, if not.
fn open_at(at: &str, zones: &[TimeZone], terms: &Terms<'_>) -> Result<Option<String>, Failure> {
    let bad =
        || Failure::usage(format!("`{}` is no time", crate::base::text::printable(at))).next("write 2026-07-14T11:00");
    // A moment of the world (with Z or an offset) needs the zones of a number; a time of their clock needs none.
    let (moment, zones) = match at.parse::<jiff::Timestamp>() {
        Ok(stamp) if !zones.is_empty() => (stamp, zones.to_vec()),
        Ok(_) => {
            return Err(
                Failure::usage("a time with an offset needs a phone number as PLACE").next("leave the offset out")
            );
        }
        Err(_) => {
            let local: DateTime = at.parse().map_err(|_| bad())?;
            (TimeZone::UTC.to_timestamp(local).map_err(|_| bad())?, vec![TimeZone::UTC])
        }
    };
    let moment = Wall(moment.as_millisecond());
    let closed = terms.calendars().find(|(_, calendar)| !is_open(calendar, &zones, moment));
    Ok(closed.map(|(rule, _)| rule.to_owned()))
}

/// Arguments of `ahoy audit`.
#[derive(Debug, clap::Args)]
#[command(after_help = format!(
    "Each row carries the hash of all rows before it. A run prints the newest one at its end: kept elsewhere and given as \
--head, it also shows a tail that was cut off.\n\nExamples:\n  ahoy audit\n  ahoy audit --verify --head 5f3c…\n\n{EXIT_CODES}"
))]
pub struct AuditArgs {
    /// Check the chain; exit code 3 if it was tampered with
    #[arg(long)]
    pub verify: bool,
    /// A head that was kept elsewhere: 64 hexadecimal digits
    #[arg(long, value_name = "HASH", requires = "verify")]
    pub head: Option<String>,
    /// Only rows after this one
    #[arg(long, value_name = "ROW", default_value_t = 0)]
    pub after: i64,
}

/// Runs `ahoy audit`.
pub fn audit(args: &AuditArgs, context: &Context) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let kept = args.head.as_deref().map(|text| {
        from_hex(text.trim())
            .ok_or_else(|| Failure::usage("--head is 64 hexadecimal digits").next("copy it from a run's end"))
    });
    let kept = kept.transpose()?;
    let ledger = Ledger::open_read_only(&workspace.ledger_path())?;
    if !args.verify {
        for row in ledger.audit_rows(args.after, u32::MAX)? {
            let entry = &row.entry;
            if context.json() {
                print_json(&serde_json::json!({
                    "row": entry.id, "at": Wall(entry.at).rfc3339(), "what": entry.what, "subject": entry.subject,
                    "detail": entry.detail, "hash": row.hash.as_ref().map(hex),
                }))?;
            } else {
                let line =
                    format!("{:>6}  {}  {}  {}  {}", entry.id, Wall(entry.at), entry.what, entry.subject, entry.detail);
                print_line(&crate::base::text::printable(&line))?;
            }
        }
        return Ok(Exit::Done);
    }
    let found = verify(&ledger.audit_rows(0, u32::MAX)?, kept.as_ref());
    let (words, exit) = match &found {
        Ok(sound) => (format!("the audit is whole: {} rows, head {}", sound.rows, hex(&sound.head)), Exit::Done),
        Err(Tampering::Changed(id)) => {
            (format!("row {id} of the audit was changed after it was written"), Exit::Findings)
        }
        Err(Tampering::Broken(id)) => (
            format!("row {id} of the audit does not follow the row before it: rows were removed or put in"),
            Exit::Findings,
        ),
        Err(Tampering::Unlinked(id)) => {
            (format!("row {id} of the audit was not written by ahoy: it has no link"), Exit::Findings)
        }
        Err(Tampering::HeadMissing) => (
            "the head that was kept is not in the audit: its tail was cut off, or it was made anew".to_owned(),
            Exit::Findings,
        ),
    };
    if context.json() {
        let head = found.as_ref().ok().map(|sound| hex(&sound.head));
        print_json(&serde_json::json!({ "sound": found.is_ok(), "head": head, "words": words }))?;
    } else {
        print_line(&words)?;
    }
    Ok(exit)
}
