//! `ahoy campaign report`.

use std::path::PathBuf;
use std::time::Duration;

use super::{Context, print_json, print_line, print_text};
use crate::base::{Exit, Failure, Money, Slug, Wall};
use crate::core::config::Campaign;
use crate::core::report::{AlarmLine, Fold, Leads, Report};
use crate::run::campaign::ledger_failure;
use crate::run::clock::{Clock, MachineClock};
use crate::run::latencies::of_campaign;
use crate::show::campaign_report as show;
use crate::show::html::report_page;
use crate::show::words::say;
use crate::store::folders::write_whole;
use crate::store::leadfile::csv_text;
use crate::store::ledger::{Ledger, LedgerFault};
use crate::store::workspace::{Workspace, shown};

const EXAMPLES: &str = "\
Examples:
  ahoy campaign report welcome
  ahoy campaign report welcome --since 7d --html report.html
  ahoy campaign report --since 2026-11-01 --csv > november.csv
  ahoy campaign report --json | jq .connect_rate

Connect rate: answered of all calls that the carrier took and that are over. Abandoned: a person answered and no speech
of ours followed within 2 s. Cost: the carrier's minutes times the campaign's price, an estimate. docs/REPORT.md has
every definition. The ledger is only read; a run may go on beside it.

Exit codes: 0 done · 1 the ledger cannot be read or the file not written · 2 usage, no such campaign, no ledger yet";

/// Arguments of `ahoy campaign report`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct ReportArgs {
    /// Campaigns; all of them if none is named
    campaigns: Vec<Slug>,
    /// Only attempts since this day (UTC) or within this span, such as 2026-11-01, 7d or 12h
    #[arg(long, value_name = "DATE|SPAN")]
    since: Option<Since>,
    /// Write a self-contained page with plots
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print CSV: section, name, figure
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

/// The beginning of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    /// A day, UTC.
    Day(jiff::civil::Date),
    /// So long ago.
    Ago(Duration),
}

impl std::str::FromStr for Since {
    type Err = String;
    fn from_str(text: &str) -> Result<Since, String> {
        if let Ok(day) = text.parse() {
            return Ok(Since::Day(day));
        }
        let days = |unit: char, each: u64| {
            let number: u64 = text.strip_suffix(unit)?.trim().parse().ok()?;
            number.checked_mul(each * 86_400).map(Duration::from_secs)
        };
        let span = days('d', 1).or_else(|| days('w', 7)).map_or_else(|| crate::base::time::parse_span(text), Ok);
        span.map(Since::Ago).map_err(|_| format!("`{text}` is neither a day such as 2026-11-01 nor a span such as 7d"))
    }
}

impl Since {
    fn wall(self, now: Wall) -> Wall {
        match self {
            Since::Day(day) => {
                day.to_zoned(jiff::tz::TimeZone::UTC).map_or(Wall(i64::MIN), |at| Wall(at.timestamp().as_millisecond()))
            }
            Since::Ago(span) => now - span,
        }
    }
}

/// Runs `ahoy campaign report`.
pub fn run(ws: &Workspace, context: &Context, args: &ReportArgs) -> Result<Exit, Failure> {
    let campaigns = ws.campaigns(&args.campaigns)?;
    let ledger = super::campaign::read_ledger(ws)?;
    let now = MachineClock.wall();
    let since = args.since.map(|since| since.wall(now));
    let mut report = report(&ledger, &campaigns, since, now).map_err(|fault| ledger_failure(&fault))?;
    // A log each call: read where somebody looks at it.
    if args.html.is_some() || context.json() {
        for campaign in &campaigns {
            let from = since.unwrap_or(Wall(i64::MIN));
            let found = of_campaign(&ws.calls_dir(), &ledger, &campaign.name, from)?;
            report.latencies.insert(campaign.name.to_string(), found);
        }
    }
    if let Some(file) = &args.html {
        write_whole(file, report_page(&report).as_bytes())?;
        if !context.global.quiet {
            say(&format!("written: {}", shown(file)));
        }
    }
    if context.json() {
        print_json(&report)?;
    } else if args.csv {
        print_text(&csv_text(&show::csv_rows(&report))?)?;
    } else if args.html.is_none() {
        print_line(&show::text(&report))?;
    }
    Ok(Exit::Done)
}

fn report(ledger: &Ledger, campaigns: &[Campaign], since: Option<Wall>, now: Wall) -> Result<Report, LedgerFault> {
    let from = since.unwrap_or(Wall(i64::MIN));
    let mut fold = Fold::default();
    let mut leads = Leads::default();
    let mut alarms = Vec::new();
    for campaign in campaigns {
        let price: Money = campaign.prices.per_minute;
        ledger.visit_attempts(&campaign.name, from, |facts| fold.add(&facts, price))?;
        add_leads(ledger, &campaign.name, now, &mut leads)?;
        alarms.extend(ledger.campaign_alarms(&campaign.name, from)?);
    }
    alarms.sort_by_key(|(_, _, at)| std::cmp::Reverse(*at));
    let mut report = fold.finish();
    report.campaigns = campaigns.iter().map(|campaign| campaign.name.to_string()).collect();
    report.since = since.map(Wall::rfc3339);
    report.until = now.rfc3339();
    report.leads = leads;
    let line = |(kind, attempt, at): (String, crate::base::AttemptId, Wall)| AlarmLine {
        kind,
        attempt: attempt.to_string(),
        at: at.rfc3339(),
    };
    report.alarms = alarms.into_iter().take(crate::base::limits::REPORT_LINES).map(line).collect();
    Ok(report)
}

fn add_leads(ledger: &Ledger, campaign: &Slug, now: Wall, leads: &mut Leads) -> Result<(), LedgerFault> {
    let counts = ledger.lead_counts(campaign, now)?;
    leads.total += counts.total();
    leads.waiting += counts.ready_due + counts.ready_later;
    leads.held += counts.held;
    leads.review += counts.review;
    for (outcome, n) in counts.done {
        *leads.done.entry(outcome.to_string()).or_default() += n;
    }
    for (reason, n) in counts.blocked {
        *leads.skipped.entry(reason.to_string()).or_default() += n;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_day_or_a_span_and_nothing_else() {
        let now = Wall(1_790_000_000_000);
        let at = |text: &str| text.parse::<Since>().map(|since| since.wall(now).rfc3339());
        assert_eq!(at("2026-09-01").as_deref(), Ok("2026-09-01T00:00:00.000Z"));
        assert_eq!("7d".parse(), Ok(Since::Ago(Duration::from_secs(7 * 86_400))));
        assert_eq!("2w".parse(), Ok(Since::Ago(Duration::from_secs(14 * 86_400))));
        assert_eq!("12h".parse(), Ok(Since::Ago(Duration::from_secs(12 * 3_600))));
        for bad in ["", "7", "yesterday", "-7d", "99999999999999999999d", "2026-13-01"] {
            assert!(bad.parse::<Since>().is_err(), "{bad}");
        }
    }
}
