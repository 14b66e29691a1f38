//! `models.toml`: strict. What was typed, then what it means.

use jiff::civil::Date;
use serde::Deserialize;

use super::{Model, Price, Purpose, Table, Unit};
use crate::core::config::ConfigFault;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed {
    as_of: String,
    model: Vec<TypedModel>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedModel {
    kind: String,
    id: String,
    purpose: Purpose,
    source: String,
    characters: Option<usize>,
    #[serde(default)]
    languages: Vec<String>,
    #[serde(default)]
    complete: bool,
    #[serde(default)]
    language_code: bool,
    #[serde(default)]
    seed: bool,
    #[serde(default)]
    style: bool,
    audio_tokens_per_second: Option<u64>,
    ends: Option<String>,
    successor: Option<String>,
    #[serde(default)]
    price: Vec<TypedPrice>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedPrice {
    per: Unit,
    usd: f64,
    from: Option<String>,
    until: Option<String>,
}

/// Most US dollars that a price may say: beyond it, a digit slipped.
const DEAREST_USD: f64 = 1_000.0;

/// Reads the table. `file` is its name in messages.
pub fn parse(file: &str, text: &str) -> Result<Table, ConfigFault> {
    let typed: Typed = toml::from_str(text).map_err(|error| ConfigFault::from_toml(file, text, &error))?;
    let as_of = date(&typed.as_of).map_err(|what| ConfigFault::about(file, text, "as_of", what))?;
    let mut models: Vec<Model> = Vec::new();
    for row in typed.model {
        let named = format!("{} `{}`", row.kind, row.id);
        let fault = |what: String| ConfigFault::about(file, text, "model", format!("{named}: {what}"));
        let checked = model(row).map_err(&fault)?;
        if models.iter().any(|other| other.kind == checked.kind && other.id == checked.id) {
            return Err(fault("stands here twice".to_owned()));
        }
        models.push(checked);
    }
    Ok(Table { as_of, models })
}

fn model(row: TypedModel) -> Result<Model, String> {
    let ends = row.ends.as_deref().map(date).transpose()?;
    if ends.is_some() != row.successor.is_some() {
        return Err("an end and a successor go together".to_owned());
    }
    let languages = row
        .languages
        .iter()
        .map(|tag| tag.parse().map_err(|_| format!("`{tag}` is no language tag")))
        .collect::<Result<Vec<_>, String>>()?;
    if row.complete && languages.is_empty() {
        return Err("a complete list of languages has some".to_owned());
    }
    let prices = row.price.into_iter().map(price).collect::<Result<Vec<_>, String>>()?;
    Ok(Model {
        kind: row.kind,
        id: row.id,
        purpose: row.purpose,
        source: row.source,
        characters: row.characters,
        languages,
        complete: row.complete,
        takes_language: row.language_code,
        takes_seed: row.seed,
        takes_style: row.style,
        audio_tokens_per_second: row.audio_tokens_per_second,
        ends,
        successor: row.successor,
        prices,
    })
}

fn price(typed: TypedPrice) -> Result<Price, String> {
    if !(0.0..=DEAREST_USD).contains(&typed.usd) {
        return Err(format!("a price is 0 to {DEAREST_USD} dollars, not {}", typed.usd));
    }
    let from = typed.from.as_deref().map(date).transpose()?;
    let until = typed.until.as_deref().map(date).transpose()?;
    Ok(Price { per: typed.per, usd_micros: (typed.usd * 1e6).round() as u64, from, until })
}

fn date(text: &str) -> Result<Date, String> {
    text.parse().map_err(|_| format!("`{text}` is no date: write it as 2026-11-21"))
}
