//! `campaign.toml` with other values, its comments kept.

use toml_edit::{DocumentMut, Item, Table, value};

use super::Vad;

/// The text with these values in `[vad]`; nothing else changes. `Err`: the text is no TOML, or `vad` is no table.
pub fn with_vad(text: &str, vad: &Vad) -> Result<String, String> {
    let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| error.message().to_owned())?;
    let section = document.entry("vad").or_insert_with(|| Item::Table(Table::new()));
    let section = section.as_table_like_mut().ok_or("`vad` is no table")?;
    let span = |span: std::time::Duration| format!("{}ms", span.as_millis());
    let threshold = f64::from((vad.threshold * 1_000.0).round()) / 1_000.0;
    let mut set = |key: &str, new: Item| match section.get_mut(key) {
        // The comment behind the old value stays behind the new one.
        Some(Item::Value(old)) => {
            let around = old.decor().clone();
            if let Item::Value(mut new) = new {
                *new.decor_mut() = around;
                *old = new;
            }
        }
        _ => {
            section.insert(key, new);
        }
    };
    set("threshold", value(threshold));
    set("silence", value(span(vad.silence)));
    set("prefix_padding", value(span(vad.prefix_padding)));
    set("min_speech", value(span(vad.min_speech)));
    Ok(document.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_the_values_change_and_every_comment_stays() {
        let ms = Duration::from_millis;
        let vad = Vad { threshold: 0.45, silence: ms(600), prefix_padding: ms(300), min_speech: ms(64) };
        let text = "# ours\ncallers = [\"+1\"] # one\n\n[vad] # tuned in May\nthreshold = 0.6 # too deaf\nsilence = \"900ms\"\n\n[keys]\nopt_out = \"9\"\n";
        let new = with_vad(text, &vad).expect("edited");
        let wanted = text
            .replace("0.6 # too", "0.45 # too")
            .replace("\"900ms\"", "\"600ms\"\nprefix_padding = \"300ms\"\nmin_speech = \"64ms\"");
        assert_eq!(new, wanted);
        assert!(with_vad("a = 1\n", &vad).expect("edited").ends_with(
            "[vad]\nthreshold = 0.45\nsilence = \"600ms\"\nprefix_padding = \"300ms\"\nmin_speech = \"64ms\"\n"
        ));
        assert!(with_vad("vad = 3\n", &vad).is_err() && with_vad("[", &vad).is_err());
    }
}
