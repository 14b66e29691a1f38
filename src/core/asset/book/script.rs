//! Which letters a language is written in: a Bulgarian text under `en` is refused before it is paid for.

use unicode_script::{Script, UnicodeScript};

use crate::base::Language;

/// Scripts by primary language; a language that is not here is not checked.
const SCRIPTS: &[(&str, &[Script])] = &[
    ("be bg kk ky mk mn ru tg uk", &[Script::Cyrillic]),
    ("sr bs uz az tk", &[Script::Cyrillic, Script::Latin]),
    ("el", &[Script::Greek]),
    ("he yi", &[Script::Hebrew]),
    ("ar fa ur ps ug sd", &[Script::Arabic]),
    ("hi mr ne sa", &[Script::Devanagari]),
    ("bn as", &[Script::Bengali]),
    ("ta", &[Script::Tamil]),
    ("te", &[Script::Telugu]),
    ("th", &[Script::Thai]),
    ("ka", &[Script::Georgian]),
    ("hy", &[Script::Armenian]),
    ("am ti", &[Script::Ethiopic]),
    ("ko", &[Script::Hangul, Script::Han]),
    ("ja", &[Script::Hiragana, Script::Katakana, Script::Han]),
    ("zh", &[Script::Han, Script::Bopomofo]),
    (
        "af ca cs cy da de en es et eu fi fo fr fy ga gd gl hr hu id is it jv la lb lt lv mi ms mt nb nl nn no oc pl pt ro \
         sk sl so sq su sv sw tl tr vi wa xh yo zu",
        &[Script::Latin],
    ),
];

/// Refuses a text of whose letters fewer than half belong to its language's scripts; a foreign name in it is fine.
pub fn check(text: &str, language: &Language) -> Result<(), String> {
    let of = |(tags, _): &&(&str, &[Script])| tags.split_whitespace().any(|tag| tag == language.primary());
    let Some((_, scripts)) = SCRIPTS.iter().find(of) else { return Ok(()) };
    let letters: Vec<Script> = text.chars().filter(|ch| ch.is_alphabetic()).map(|ch| ch.script()).collect();
    let foreign: Vec<&Script> = letters
        .iter()
        .filter(|it| !scripts.contains(it) && !matches!(it, Script::Common | Script::Inherited))
        .collect();
    if foreign.len() * 2 <= letters.len() {
        return Ok(());
    }
    let written: Vec<&str> = scripts.iter().map(|it| it.full_name()).collect();
    let found = foreign[0].full_name();
    Err(format!("the text is in {found} letters; `{language}` is written in {}", written.join(" or ")))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_text_in_foreign_letters_is_refused_and_a_foreign_name_is_not() {
        let check = |tag: &str, text: &str| super::check(text, &tag.parse().expect("tag"));
        for (tag, text) in [
            ("bg", "Здравейте, тук е Harbour Travel."),
            ("en", "Hello, this is Иван."),
            ("he", "שָׁלוֹם, this is"),
            ("ja", "こんにちは、カタカナ、漢字"),
            ("sr", "Zdravo"),
            ("sr", "Здраво"),
            ("en", "42!"),
            ("tlh", "Здраво"),
        ] {
            assert_eq!(check(tag, text), Ok(()), "{tag} {text}");
        }
        let said = check("en", "Здравейте, тук е Harbour.").expect_err("Cyrillic");
        assert_eq!(said, "the text is in Cyrillic letters; `en` is written in Latin");
        assert!(check("he", "Shalom, zot hahevra shelanu").is_err());
        assert!(check("bg", "Zdraveite, tuk e firmata").is_err());
    }
}
