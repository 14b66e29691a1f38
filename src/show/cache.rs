//! Tables of `ahoy cache`.

use super::table::table;
use crate::core::asset::plan::{Plan, Step};

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
