//! The dated table of models for people.

use super::table::table;
use crate::base::{Money, Wall};
use crate::core::cost::spend::Sum;
use crate::core::cost::{Model, Price, Standing, Table, Unit};

/// One line a model: what it costs today, and until when it is served.
pub fn models(of: &Table, chosen: &[&Model], now: Wall) -> String {
    let rows: Vec<Vec<String>> = chosen
        .iter()
        .map(|model| {
            let prices: Vec<String> = model.prices_on(now).map(price).collect();
            let prices = if prices.is_empty() { "not known".to_owned() } else { prices.join(", ") };
            vec![model.kind.clone(), model.id.clone(), prices, changes(model, now), standing(of, model, now)]
        })
        .collect();
    table(&["kind", "model", "price", "changes", "standing"], &rows, &[])
}

fn price(price: &Price) -> String {
    let unit = match price.per {
        Unit::Characters => "1,000 characters",
        Unit::TextIn => "1M text in",
        Unit::AudioIn => "1M audio in",
        Unit::TextCached => "1M text cached",
        Unit::AudioCached => "1M audio cached",
        Unit::TextOut => "1M text out",
        Unit::AudioOut => "1M audio out",
        Unit::Minute => "minute",
        Unit::Hour => "hour",
    };
    let dollars = Money(i64::try_from(price.usd_micros).unwrap_or(i64::MAX)).to_string();
    let short = dollars.trim_end_matches('0').trim_end_matches('.');
    format!("{short} per {unit}")
}

/// The next day on which a price changes.
fn changes(model: &Model, now: Wall) -> String {
    let next = model.prices_on(now).filter_map(|price| price.until).min();
    next.map_or(String::new(), |day| day.to_string())
}

fn standing(of: &Table, model: &Model, now: Wall) -> String {
    match of.standing(&model.kind, &model.id, now) {
        Standing::Fine => match model.ends {
            Some(date) => format!("until {date}"),
            None => "served".to_owned(),
        },
        Standing::EndsSoon { date, successor } => format!("ends {date}: then {successor}"),
        Standing::Ended { date, successor } => format!("ended {date}: use {successor}"),
        Standing::Unknown => "not known".to_owned(),
    }
}

/// What was spent, one line a campaign, engine or month.
pub fn spending(sums: &[Sum]) -> String {
    let rows: Vec<Vec<String>> = sums
        .iter()
        .map(|sum| {
            let usage = &sum.usage;
            let mark = if usage.estimated { "~" } else { "" };
            let tokens = usage.text_in + usage.audio_in + usage.text_out + usage.audio_out;
            vec![
                sum.of.clone(),
                sum.requests.to_string(),
                sum.kept.to_string(),
                sum.unsettled.to_string(),
                usage.characters.to_string(),
                tokens.to_string(),
                super::cache::seconds(usage.audio_ms),
                format!("{mark}{}", usage.cost),
            ]
        })
        .collect();
    let head = ["of", "requests", "kept", "answer lost", "characters", "tokens", "sound", "cost"];
    table(&head, &rows, &[1, 2, 3, 4, 5, 6, 7])
}
