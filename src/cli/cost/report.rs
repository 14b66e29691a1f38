//! `ahoy cost report`: what renderings have cost.

use clap::{Args, ValueEnum};

use crate::base::{Exit, Failure};
use crate::cli::{Context, print_json, print_line};
use crate::core::cost::spend::{self, By, month_of};
use crate::run::clock::{Clock, MachineClock};
use crate::show;
use crate::store::spend::SpendBook;

pub(super) const REPORT_HELP: &str = "\
Examples:
  ahoy cost report                         by month
  ahoy cost report --by campaign --since 2026-11
  ahoy cost report --by engine --json

Every request to an engine is in spend.jsonl of the workspace: what it could cost before it was made, and what it used up
after. Figures that the service did not report are estimates (marked ~); a request whose answer was lost counts with the most
that it could cost.

Exit codes: 0 the report was shown · 1 I/O failure · 2 usage";

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// What a line is about
    #[arg(long, value_enum, default_value_t = ReportBy::Month)]
    by: ReportBy,
    /// Only requests from this month or day on, such as 2026-11 or 2026-11-05 (UTC)
    #[arg(long, value_name = "DATE", value_parser = since)]
    since: Option<String>,
}

/// What a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ReportBy {
    Campaign,
    Engine,
    Month,
}

fn since(text: &str) -> Result<String, String> {
    let whole = match text.len() {
        7 => format!("{text}-01"),
        _ => text.to_owned(),
    };
    let date = whole.parse::<jiff::civil::Date>().map_err(|_| "a month or a day, such as 2026-11 or 2026-11-05")?;
    Ok(date.to_string())
}

pub(super) fn report(args: &ReportArgs, context: &Context) -> Result<Exit, Failure> {
    let ws = context.workspace()?;
    let by = match args.by {
        ReportBy::Campaign => By::Campaign,
        ReportBy::Engine => By::Engine,
        ReportBy::Month => By::Month,
    };
    let spending = SpendBook::at(&ws.root).read()?;
    let sums = spend::report(&spending, by, args.since.as_deref().unwrap_or_default());
    if context.json() {
        for sum in &sums {
            print_json(sum)?;
        }
        return Ok(Exit::Done);
    }
    if sums.is_empty() {
        print_line("no request to an engine is on record")?;
    } else {
        print_line(&show::cost::spending(&sums))?;
    }
    if let Some(cap) = ws.config.speech.per_month {
        let now = MachineClock.wall().rfc3339();
        let month = month_of(&now);
        print_line(&format!("{} of {cap} in {month}", spending.in_month(month)))?;
    }
    Ok(Exit::Done)
}
