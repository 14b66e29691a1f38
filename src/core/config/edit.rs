//! `campaign.toml` with other values, its comments kept.

use std::time::Duration;

use toml_edit::{DocumentMut, Item, Table, value};

use super::{BargeIn, Vad};

/// The text with these values in `[vad]`; nothing else changes. `Err`: the text is no TOML, or `vad` is no table.
pub fn with_vad(text: &str, vad: &Vad) -> Result<String, String> {
    let values = [
        ("threshold", probability(vad.threshold)),
        ("silence", span(vad.silence)),
        ("prefix_padding", span(vad.prefix_padding)),
        ("min_speech", span(vad.min_speech)),
    ];
    with(text, "vad", values)
}

/// The text with these values in `[barge_in]`, `enabled` as it is; nothing else changes. `Err`: the text is no TOML, or
/// `barge_in` is no table.
pub fn with_barge_in(text: &str, barge_in: &BargeIn) -> Result<String, String> {
    let values = [
        ("threshold", probability(barge_in.threshold)),
        ("min_speech", span(barge_in.min_speech)),
        ("restart_under", span(barge_in.restart_under)),
        ("protect", span(barge_in.protect)),
        ("echo", value(barge_in.echo)),
        ("back_channel", span(barge_in.back_channel)),
    ];
    with(text, "barge_in", values)
}

fn span(span: Duration) -> Item {
    value(format!("{}ms", span.as_millis()))
}

fn probability(it: f32) -> Item {
    value(f64::from((it * 1_000.0).round()) / 1_000.0)
}

fn with<const N: usize>(text: &str, name: &str, values: [(&str, Item); N]) -> Result<String, String> {
    let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| error.message().to_owned())?;
    let section = document.entry(name).or_insert_with(|| Item::Table(Table::new()));
    let section = section.as_table_like_mut().ok_or_else(|| format!("`{name}` is no table"))?;
    for (key, new) in values {
        match section.get_mut(key) {
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
        }
    }
    Ok(document.to_string())
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn barge_in_is_written_beside_what_it_has_and_enabled_is_not_touched() {
        let ms = Duration::from_millis;
        let barge_in = BargeIn { threshold: 0.55, echo: false, protect: ms(700), ..BargeIn::default() };
        let text = "[barge_in]\nenabled = false # on trial\nthreshold = 0.6 # as it came\n# the rest is usual\n";
        let new = with_barge_in(text, &barge_in).expect("edited");
        assert!(new.starts_with("[barge_in]\nenabled = false # on trial\nthreshold = 0.55 # as it came\n"), "{new}");
        for line in ["min_speech = \"64ms\"", "restart_under = \"1500ms\"", "protect = \"700ms\"", "echo = false"] {
            assert!(new.contains(line), "{new}");
        }
        assert!(new.contains("back_channel = \"500ms\"") && new.contains("# the rest is usual"), "{new}");
        assert_eq!(with_barge_in(&new, &barge_in).expect("edited"), new, "twice is once");
        assert!(with_barge_in("barge_in = 3\n", &barge_in).is_err());
    }
}
