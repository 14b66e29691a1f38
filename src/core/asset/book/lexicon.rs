//! How words are pronounced, per language, whatever the engine: respelled, or by phonemes where an engine takes SSML.

use std::collections::BTreeMap;

use crate::base::Language;

/// How one word is spoken.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Saying {
    /// Written as it sounds, for every engine.
    pub respell: Option<String>,
    /// IPA phonemes, for engines that take SSML.
    pub ipa: Option<String>,
}

/// How an engine takes its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// Plain text.
    Text,
    /// The inside of an SSML document: text escaped, `<phoneme>` allowed.
    Ssml,
}

/// Language → word → saying. A language without its own entries uses those of its base language.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lexicon {
    words: BTreeMap<Language, BTreeMap<String, Saying>>,
}

impl Lexicon {
    /// Adds a word; a later one replaces an earlier.
    pub fn add(&mut self, language: Language, word: String, saying: Saying) {
        self.words.entry(language).or_default().insert(word, saying);
    }

    /// The words of a language.
    fn of(&self, language: &Language) -> Option<&BTreeMap<String, Saying>> {
        let base = || self.words.iter().find(|(it, _)| it.as_str() == language.primary()).map(|it| it.1);
        self.words.get(language).or_else(base)
    }

    /// What the engine is given for a text; `None` = the text itself.
    ///
    /// Words are replaced where they stand whole (no letter or digit beside them), in the case in which they are written,
    /// the longest first; what was replaced is not looked at again. `Err`: a word has phonemes only, and this engine takes
    /// none.
    pub fn said(&self, text: &str, language: &Language, takes: Takes) -> Result<Option<String>, String> {
        let none = BTreeMap::new();
        let words = self.of(language).unwrap_or(&none);
        let mut longest: Vec<(&String, &Saying)> = words.iter().collect();
        longest.sort_by_key(|(word, _)| std::cmp::Reverse(word.chars().count()));
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        let mut before: Option<char> = None;
        while let Some(ch) = rest.chars().next() {
            let whole = |word: &str| {
                let apart = |a: Option<char>, b: Option<char>| {
                    !(a.is_some_and(char::is_alphanumeric) && b.is_some_and(char::is_alphanumeric))
                };
                rest.strip_prefix(word).is_some_and(|after| {
                    apart(before, word.chars().next()) && apart(word.chars().next_back(), after.chars().next())
                })
            };
            if let Some((word, saying)) = longest.iter().find(|(word, _)| whole(word)) {
                out.push_str(&saying.written(word, takes)?);
                before = word.chars().next_back();
                rest = &rest[word.len()..];
            } else {
                match takes {
                    Takes::Text => out.push(ch),
                    Takes::Ssml => out.push_str(&escaped(&ch.to_string())),
                }
                before = Some(ch);
                rest = &rest[ch.len_utf8()..];
            }
        }
        Ok((out != text).then_some(out))
    }
}

impl Saying {
    fn written(&self, word: &str, takes: Takes) -> Result<String, String> {
        match (takes, &self.ipa, &self.respell) {
            (Takes::Ssml, Some(ipa), _) => {
                Ok(format!("<phoneme alphabet=\"ipa\" ph=\"{}\">{}</phoneme>", escaped(ipa), escaped(word)))
            }
            (Takes::Ssml, None, Some(respell)) => Ok(escaped(respell)),
            (Takes::Text, _, Some(respell)) => Ok(respell.clone()),
            (_, _, None) => Err(format!("`{word}` of the lexicon has phonemes only, and its engine takes none")),
        }
    }
}

/// Text inside an XML document or attribute.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(tag: &str) -> Language {
        tag.parse().expect("tag")
    }

    fn lexicon() -> Lexicon {
        let mut lexicon = Lexicon::default();
        let respell = |text: &str| Saying { respell: Some(text.to_owned()), ipa: None };
        lexicon.add(tag("fr"), "SNCF".to_owned(), respell("esse enne cé effe"));
        lexicon.add(tag("fr"), "M.".to_owned(), respell("monsieur"));
        lexicon.add(tag("fr"), "TGV SNCF".to_owned(), respell("train rapide"));
        lexicon.add(tag("fr"), "Nguyen".to_owned(), Saying { respell: None, ipa: Some("ŋwiən".to_owned()) });
        lexicon
    }

    #[test]
    fn whole_words_are_respelled_longest_first_and_nothing_else() {
        let said = |text: &str| lexicon().said(text, &tag("fr-ca"), Takes::Text).expect("no phonemes");
        assert_eq!(said("La SNCF, SNCF.").as_deref(), Some("La esse enne cé effe, esse enne cé effe."));
        assert_eq!(said("TGV SNCF").as_deref(), Some("train rapide"));
        assert_eq!(said("Bonjour M. Dupont").as_deref(), Some("Bonjour monsieur Dupont"));
        assert_eq!(said("SNCFs, xSNCF, sncf, FILM."), None, "parts of words, and other case");
        assert_eq!(lexicon().said("SNCF", &tag("de"), Takes::Text), Ok(None));
    }

    #[test]
    fn phonemes_reach_engines_that_take_ssml_and_no_text_breaks_out_of_it() {
        let said = |text: &str, takes| lexicon().said(text, &tag("fr"), takes);
        assert!(said("Nguyen", Takes::Text).expect_err("phonemes only").contains("Nguyen"));
        let ssml = said("M. Nguyen & <fils>", Takes::Ssml).expect("good").expect("changed");
        assert_eq!(ssml, "monsieur <phoneme alphabet=\"ipa\" ph=\"ŋwiən\">Nguyen</phoneme> &amp; &lt;fils&gt;");
        assert_eq!(said("Bonjour", Takes::Ssml), Ok(None));
    }
}
