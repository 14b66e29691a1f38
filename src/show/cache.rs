//! Tables of `ahoy cache`.

use super::table::table;
use crate::core::asset::plan::{Plan, Step};
use crate::core::asset::stats::Stats;

/// A length of sound for people: `5.3 s`.
pub fn seconds(ms: u64) -> String {
    format!("{}.{} s", ms / 1_000, ms % 1_000 / 100)
}

/// Texts are cut in tables, so that a line fits a terminal.
pub fn excerpt(text: &str) -> String {
    const MOST: usize = 40;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(MOST - 1).collect();
    cut.push('…');
    cut
}

/// The plan: what would be rendered and why.
pub fn plan_table(plan: &Plan) -> String {
    let rows: Vec<Vec<String>> = plan
        .items
        .iter()
        .map(|item| {
            let recipe = &item.wanted.recipe;
            let step = match &item.step {
                Step::Keep => "keep".to_owned(),
                Step::Render(why) => format!("render ({why})"),
                Step::Leave => "left out".to_owned(),
            };
            vec![
                item.wanted.campaign.to_string(),
                item.wanted.key.to_string(),
                recipe.language.to_string(),
                recipe.engine.clone(),
                recipe.text.chars().count().to_string(),
                step,
                excerpt(&recipe.text),
            ]
        })
        .collect();
    table(&["campaign", "phrase", "language", "engine", "characters", "step", "text"], &rows, &[4])
}

/// What the cache has saved, one line a campaign.
pub fn stats_table(all: &[Stats]) -> String {
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|it| {
            vec![
                it.campaign.clone(),
                it.assets.to_string(),
                seconds(it.sound_ms),
                it.bytes.to_string(),
                it.cost.to_string(),
                it.calls_served.to_string(),
                it.renderings_avoided.to_string(),
                it.money_saved.to_string(),
                seconds(it.waiting_saved_ms),
            ]
        })
        .collect();
    let head =
        ["campaign", "assets", "sound", "bytes", "cost", "calls served", "avoided", "money saved", "waiting saved"];
    table(&head, &rows, &[1, 2, 3, 4, 5, 6, 7, 8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_at_characters_not_bytes() {
        assert_eq!(seconds(5_390), "5.3 s");
        assert_eq!(excerpt("שלום"), "שלום");
        let cut = excerpt(&"ж".repeat(60));
        assert_eq!((cut.chars().count(), cut.ends_with('…')), (40, true));
    }
}
