//! Where a phrase is written: file and line of every text, for findings that name their place.

use std::collections::BTreeMap;

use toml::de::DeTable;

use super::book::GREETING;
use crate::base::{Language, Slug};
use crate::core::ear::Place;

/// Key and language → place of every text in `phrases.toml`, or of the greeting in `campaign.toml`.
///
/// A file that does not parse has none.
pub fn written(file: &str, text: &str) -> BTreeMap<(Slug, Language), Place> {
    let Ok(parts) = DeTable::parse(text) else { return BTreeMap::new() };
    let of_campaign = file.ends_with("campaign.toml");
    let mut places = BTreeMap::new();
    for (key, part) in parts.get_ref() {
        let Some(texts) = part.get_ref().as_table() else { continue };
        let Ok(slug) = key.get_ref().parse::<Slug>() else { continue };
        if of_campaign && slug.as_str() != GREETING {
            continue;
        }
        for tag in texts.keys() {
            let line = Some(1 + text[..tag.span().start.min(text.len())].matches('\n').count());
            if let Ok(language) = tag.get_ref().parse::<Language>() {
                places.insert((slug.clone(), language), Place { file: file.to_owned(), line });
            }
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(places: &BTreeMap<(Slug, Language), Place>, key: &str, tag: &str) -> Option<usize> {
        places.get(&(key.parse().expect("slug"), tag.parse().expect("tag"))).and_then(|place| place.line)
    }

    #[test]
    fn every_text_has_its_line() {
        let book =
            written("c/phrases.toml", "# comment\n[offer]\nen = \"Hi\"\n\nbg = \"Оферта\"\n[a]\nfr = \"Salut\"\n");
        assert_eq!(
            (line(&book, "offer", "en"), line(&book, "offer", "bg"), line(&book, "a", "fr")),
            (Some(3), Some(5), Some(7))
        );
        let campaign = "callers = [\"+1\"]\n[voice]\nengine = \"pico\"\n[greeting]\nen = \"Hi\"\nfallback = \"en\"\n";
        let places = written("c/campaign.toml", campaign);
        assert_eq!((line(&places, "greeting", "en"), line(&places, "voice", "en")), (Some(5), None));
        assert!(written("c/phrases.toml", "[a\n").is_empty());
    }
}
