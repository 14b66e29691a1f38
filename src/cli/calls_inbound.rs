//! `ahoy calls inbound`: calls that people made to us.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Context, print_json, print_line};
use crate::base::{Exit, Failure, Slug, Wall};
use crate::core::figures::Quantiles;
use crate::show::table::table;
use crate::show::words::say;
use crate::store::ledger::{InboundRow, Ledger};

/// Arguments of `ahoy calls inbound`.
#[derive(Debug, clap::Args)]
pub struct InboundArgs {
    /// Only of this campaign's desk
    #[arg(long, value_name = "NAME")]
    campaign: Option<Slug>,
    /// Only calls of this day (UTC) or later
    #[arg(long, value_name = "YYYY-MM-DD")]
    since: Option<jiff::civil::Date>,
    /// Count so many of the newest
    #[arg(long, default_value_t = 1_000, value_name = "N")]
    limit: u32,
}

/// Lists them, and sums them up.
pub fn run(args: &InboundArgs, context: &Context) -> Result<Exit, Failure> {
    let ws = context.workspace()?;
    let since = match args.since {
        Some(day) => Wall::from_date(&day.to_string()).map_err(Failure::usage)?,
        None => Wall(0),
    };
    let path = ws.ledger_path();
    let rows = match path.exists() {
        true => Ledger::open_read_only(&path)?.inbound_calls(args.campaign.as_ref(), since, args.limit)?,
        false => Vec::new(),
    };
    if context.json() {
        for row in &rows {
            print_json(&json!({ "call": row.call, "lead": row.lead, "at": row.at.rfc3339(), "phrase": row.phrase,
                "cause": row.cause, "first_audio_us": row.first_audio_us, "duration_ms": row.duration_ms,
                "message_ms": row.message_ms, "menu_ms": row.menu_ms, "waited_ms": row.waited_ms }))?;
        }
        return Ok(Exit::Done);
    }
    if rows.is_empty() {
        say("nobody has called (`ahoy serve` answers; docs/INBOUND.md)");
        return Ok(Exit::Done);
    }
    let number = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
    let shown: Vec<Vec<String>> = rows
        .iter()
        .take(20)
        .map(|row| {
            vec![
                row.call.to_string(),
                row.at.rfc3339(),
                row.lead.map_or_else(|| "withheld".to_owned(), |lead| lead.to_string()),
                row.phrase.clone(),
                number(row.first_audio_us),
                number(row.waited_ms),
                number(row.message_ms),
                row.cause.clone().unwrap_or_else(|| "running or lost".to_owned()),
            ]
        })
        .collect();
    let header = ["call", "came", "lead", "greeted with", "first audio µs", "waited ms", "message ms", "end"];
    print_line(&table(&header, &shown, &[4, 5, 6]))?;
    print_line(&sum(&rows))?;
    Ok(Exit::Done)
}

fn sum(rows: &[InboundRow]) -> String {
    let greeted = rows.iter().filter(|row| row.first_audio_us.is_some()).count();
    let mut text = format!("{} calls, {greeted} greeted from the cache", rows.len());
    if let Some(first) = Quantiles::<u64>::of(rows.iter().filter_map(|row| row.first_audio_us)) {
        text.push_str(&format!("; first audio p50 {} p99 {} max {} µs", first.p50, first.p99, first.max));
    }
    let messages = rows.iter().filter(|row| row.message_ms.is_some()).count();
    text.push_str(&format!("; {messages} messages"));
    let mut phrases: BTreeMap<&str, usize> = BTreeMap::new();
    for row in rows {
        *phrases.entry(&row.phrase).or_default() += 1;
    }
    for (phrase, calls) in phrases {
        text.push_str(&format!("\n  {calls} × {phrase}"));
    }
    text
}
