//! `ahoy cost models`: the dated table.

use clap::Args;
use serde_json::{Value, json};

use crate::base::{Exit, Failure, Wall};
use crate::cli::{Context, print_json, print_line};
use crate::core::cost::{Model, Price, Standing, Table, table};
use crate::run::clock::{Clock, MachineClock};
use crate::show;
use crate::show::words::say;

pub(super) const MODELS_HELP: &str = "\
Examples:
  ahoy cost models                      prices of today, and what ends when
  ahoy cost models --kind elevenlabs --json

List prices, without a plan's discount. A model that ends within 60 days is warned about when it is used; one that has ended
is refused, with its successor's name; one that is not in the table is used with a warning and without a price.

Exit codes: 0 the table was shown · 1 I/O failure · 2 usage";

#[derive(Debug, Args)]
pub(super) struct ModelsArgs {
    /// Only models of this kind of engine: elevenlabs, openai, gemini, gemini-live
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
}

pub(super) fn models(args: &ModelsArgs, context: &Context) -> Result<Exit, Failure> {
    let (table, now) = (table(), MachineClock.wall());
    let chosen: Vec<&Model> =
        table.models.iter().filter(|model| args.kind.as_ref().is_none_or(|kind| *kind == model.kind)).collect();
    if chosen.is_empty() {
        let mut kinds: Vec<&str> = table.models.iter().map(|model| model.kind.as_str()).collect();
        kinds.dedup();
        return Err(Failure::usage("no model is of this kind").next(format!("kinds are {}", kinds.join(", "))));
    }
    if let Some(stale) = table.stale(now) {
        say(&format!("note: {stale}"));
    }
    if context.json() {
        for model in chosen {
            print_json(&row(table, model, now))?;
        }
        return Ok(Exit::Done);
    }
    if !context.global.quiet {
        say(&format!("prices and ends of {} ({} days ago)", table.as_of, table.age_days(now)));
    }
    print_line(&show::cost::models(table, &chosen, now))?;
    Ok(Exit::Done)
}

fn row(table: &Table, model: &Model, now: Wall) -> Value {
    let standing = match table.standing(&model.kind, &model.id, now) {
        Standing::Fine => "fine",
        Standing::EndsSoon { .. } => "ends-soon",
        Standing::Ended { .. } => "ended",
        Standing::Unknown => "unknown",
    };
    json!({ "kind": model.kind, "id": model.id, "purpose": model.purpose, "standing": standing,
        "ends": model.ends.map(|day| day.to_string()), "successor": model.successor, "languages": model.languages,
        "languages_complete": model.complete, "characters": model.characters, "takes_language": model.takes_language,
        "takes_seed": model.takes_seed, "takes_style": model.takes_style, "prices": prices(model), "source": model.source,
        "as_of": table.as_of.to_string() })
}

fn prices(model: &Model) -> Vec<Value> {
    let price = |price: &Price| {
        json!({ "per": price.per, "usd_micros": price.usd_micros, "from": price.from.map(|day| day.to_string()),
            "until": price.until.map(|day| day.to_string()) })
    };
    model.prices.iter().map(price).collect()
}
