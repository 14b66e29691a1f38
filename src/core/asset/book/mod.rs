//! The phrase book: key → language → text, and which of it a campaign needs.
//!
//! Three sources, the later ones win: house phrases (built in), the campaign's `phrases.toml`, and `[greeting]` of
//! its `campaign.toml` (key `greeting`).

pub mod lexicon;
mod read;
mod script;
pub mod slots;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;

use crate::base::text::printable;
use crate::base::{Language, Slug, limits};
use crate::core::config::{Campaign, ConfigFault, Greeting, OnMissing, OnScreening, OnVoicemail};
use crate::core::inbound;

pub use lexicon::{Lexicon, Takes};
pub use read::parse_phrases;
pub use slots::Personal;

/// The key of the first words of a call.
pub const GREETING: &str = "greeting";
/// What is heard when nothing better is there.
pub const APOLOGY: &str = "apology";
/// The house phrases that every campaign plays: after the opt-out key, and at the end.
const ALWAYS_NEEDED: [&str; 2] = ["opt-out-confirmed", "goodbye"];
/// What is heard while an agent that is not ready is waited for.
pub const BRIDGE: &str = "bridge";
/// What is left on a voicemail: the campaign's own words, there are none of the house's.
pub const VOICEMAIL: &str = "voicemail";
/// What a desk says outside its hours.
pub const CLOSED: &str = "closed";
/// What a desk offers after the first words.
pub const MENU: &str = "menu";
/// What somebody hears who waits for a voice.
pub const STILL_PREPARING: &str = "still-preparing";
/// What somebody hears who wants to leave a message.
pub const LEAVE_MESSAGE: &str = "leave-message";
/// What they hear when it is taken.
pub const MESSAGE_TAKEN: &str = "message-taken";
/// Said to a machine that asks who calls.
pub const SCREENING: &str = "screening";
/// Said after the key for a call another time.
pub const CALL_BACK: &str = "call-back";
/// Said when a caller is promised a call with their own voice.
pub const CALL_BACK_SOON: &str = "call-back-soon";
/// Languages with a two-letter tag (ISO 639-1), so that a typing error such as `xx` is caught before an engine sees it.
const ISO_639_1: &str = "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy \
da de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik \
io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt \
my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so \
sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu";

/// Phrases by key and language. Texts are [`spoken`]: NFC, one space between words.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PhraseBook {
    phrases: BTreeMap<Slug, Phrase>,
    /// The greeting that names the lead, by language.
    personal: BTreeMap<Language, Personal>,
    lexicon: Lexicon,
}

/// One phrase.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Phrase {
    /// Texts that have no slots.
    texts: BTreeMap<Language, String>,
    /// Texts with their slots filled: the key of each, and what fills it.
    filled: BTreeMap<(Slug, Language), String>,
}

/// One text that a campaign needs as sound.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    /// The phrase's key.
    pub key: Slug,
    /// The language of the text.
    pub language: Language,
    /// What is to be spoken.
    pub text: String,
    /// What the engine is given, where the lexicon or SSML makes it another text.
    pub said: Option<String>,
}

static HOUSE: LazyLock<PhraseBook> = LazyLock::new(|| {
    parse_phrases("house.toml", include_str!("house.toml")).expect("the house phrases are tested to be valid")
});

/// A text as an engine gets it: Unicode NFC, white space (line ends too) as single spaces, trimmed.
///
/// Refuses what cannot be spoken: nothing, control characters, more than [`limits::PHRASE_CHARS`] characters.
pub fn spoken(raw: &str) -> Result<String, String> {
    let text = raw.nfc().collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() {
        return Err("the text is empty".to_owned());
    }
    if let Some(bad) = text.chars().find(|ch| ch.is_control()) {
        return Err(format!("the text has a control character ({})", bad.escape_unicode()));
    }
    if !text.chars().any(char::is_alphanumeric) {
        return Err("the text has no letter and no digit: nothing would be heard".to_owned());
    }
    let characters = text.chars().count();
    if characters > limits::PHRASE_CHARS {
        return Err(format!("the text has {characters} characters; {} is the most", limits::PHRASE_CHARS));
    }
    Ok(text)
}

/// Reads a language tag and refuses unknown two-letter ones.
fn known_language(tag: &str) -> Result<Language, String> {
    let language: Language = tag.parse().map_err(|e: crate::base::language::BadLanguage| e.to_string())?;
    let primary = language.primary();
    if primary.len() == 2 && !ISO_639_1.split(' ').any(|known| known == primary) {
        return Err(format!("`{}` is no language that ISO 639-1 knows", printable(tag)));
    }
    Ok(language)
}

/// The built-in text of a house phrase in a language or its base language.
pub fn house_text(key: &str, language: &Language) -> Option<&'static str> {
    let texts = &HOUSE.phrases.get(key)?.texts;
    let base = || texts.iter().find(|(it, _)| it.as_str() == language.primary()).map(|it| it.1);
    texts.get(language).or_else(base).map(String::as_str)
}

/// Which of a campaign's greeting languages a lead hears: their own, its base language (`pt` for `pt-br`), else the
/// fall-back; `None` = the lead is not called.
pub fn heard_language<'a>(greeting: &'a Greeting, lead: &Language) -> Option<&'a Language> {
    let by_tag = |tag: &str| greeting.texts.keys().find(|language| language.as_str() == tag);
    by_tag(lead.as_str()).or_else(|| by_tag(lead.primary())).or(greeting.fallback.as_ref())
}

impl PhraseBook {
    /// The text of a phrase: the book's own, else the house's; a region falls back to its base language's house text.
    fn text(&self, key: &str, language: &Language) -> Option<&str> {
        let own = self.phrases.get(key).and_then(|phrase| phrase.texts.get(language));
        own.map(String::as_str).or_else(|| house_text(key, language))
    }

    /// Everything that a campaign needs as sound, sorted by key and language.
    ///
    /// The greeting in its languages; the opt-out confirmation and the goodbye in the same languages (a language
    /// without a text uses the fall-back's); every phrase of the book in the languages it is written in.
    /// Refused: a house phrase that has no text in a language and no fall-back; texts that cannot be spoken.
    pub fn lines(&self, campaign: &Campaign, file: &str) -> Result<Vec<Line>, ConfigFault> {
        let fault = |what: String, hint: &str| ConfigFault {
            file: file.to_owned(),
            line: None,
            what,
            hint: Some(hint.to_owned()),
        };
        let mut lines = BTreeSet::new();
        let mut add = |key: &Slug, language: &Language, text: &str| {
            let said = self.said(text, language, campaign);
            let said =
                said.map_err(|what| fault(what, "add respell = \"…\" to the word in [lexicon] of phrases.toml"))?;
            lines.insert(Line { key: key.clone(), language: language.clone(), text: text.to_owned(), said });
            Ok::<(), ConfigFault>(())
        };
        // Without a fall-back each language needs each phrase; what says who we are has no text of the house to fall back to.
        let lacks = |key: &str| match &campaign.greeting.fallback {
            Some(fallback) => [VOICEMAIL, SCREENING].contains(&key) && self.text(key, fallback).is_none(),
            None => true,
        };
        let greeting: Slug = GREETING.parse().expect("a constant slug");
        for (language, raw) in &campaign.greeting.texts {
            known_language(language.as_str())
                .map_err(|what| fault(format!("[greeting] {what}"), "write a tag such as en, bg or pt-br"))?;
            let text = plain(raw, language);
            let text = text.map_err(|what| fault(format!("[greeting] {language}: {what}"), "correct the text"))?;
            add(&greeting, language, &text)?;
            // Whoever answers before a late greeting is rendered hears the apology.
            let late = (campaign.greeting.on_missing == OnMissing::Render).then_some(APOLOGY);
            let message = (campaign.machines.voicemail == OnVoicemail::Message).then_some(VOICEMAIL);
            let agents =
                if campaign.agent.is_some() || campaign.transfer.is_some() { &[BRIDGE, APOLOGY][..] } else { &[] };
            let agents = agents.iter().copied().filter(|key| Some(*key) != late);
            let mut desk = campaign.inbound.as_ref().map(inbound::phrases).unwrap_or_default();
            if campaign.message.is_some() && !desk.contains(&LEAVE_MESSAGE) {
                desk.extend([LEAVE_MESSAGE, MESSAGE_TAKEN]);
            }
            desk.extend(campaign.keys.callback.map(|_| CALL_BACK));
            let line = (campaign.machines.screening == OnScreening::Line).then_some(SCREENING);
            for key in ALWAYS_NEEDED.into_iter().chain(late).chain(message).chain(line).chain(agents).chain(desk) {
                let slug: Slug = key.parse().expect("a constant slug");
                let own = self.phrases.get(key).is_some_and(|phrase| phrase.texts.contains_key(language));
                if key == MENU && !own && !inbound::is_house_menu(campaign) {
                    let what =
                        format!("phrase `{MENU}` names keys 1 and 2 in `{language}`, and [inbound.menu] has others");
                    return Err(fault(what, &format!("add [{MENU}] {language} = \"…\" to phrases.toml")));
                }
                if let Some(text) = self.text(key, language) {
                    add(&slug, language, text)?;
                } else if lacks(key) {
                    let what = format!("phrase `{key}` has no text in `{language}`, which the greeting speaks");
                    let hint = format!("add [{key}] {language} = \"…\" to phrases.toml, or a fallback to [greeting]");
                    return Err(fault(what, &hint));
                }
            }
        }
        for (key, phrase) in &self.phrases {
            for (language, text) in &phrase.texts {
                add(key, language, text)?;
            }
            for ((key, language), text) in &phrase.filled {
                add(key, language, text)?;
            }
        }
        if let Some(language) = self.personal.keys().find(|it| !campaign.greeting.texts.contains_key(it)) {
            let what = format!("[greeting] has no text in `{language}` for leads whose own greeting is not ready");
            return Err(fault(what, "write the plain text there; phrases.toml has the one with slots"));
        }
        Ok(lines.into_iter().collect())
    }

    /// The greetings that name the lead, by language.
    pub fn personal(&self) -> &BTreeMap<Language, Personal> {
        &self.personal
    }

    /// The line of a text in a campaign's voice.
    pub fn line(&self, key: &Slug, language: &Language, text: String, campaign: &Campaign) -> Result<Line, String> {
        let said = self.said(&text, language, campaign)?;
        Ok(Line { key: key.clone(), language: language.clone(), text, said })
    }

    fn said(&self, text: &str, language: &Language, campaign: &Campaign) -> Result<Option<String>, String> {
        let ssml = campaign.voice.ssml_engines.contains(campaign.voice.engine_for(language));
        self.lexicon.said(text, language, if ssml { Takes::Ssml } else { Takes::Text })
    }
}

/// A text without slots, in the letters of its language.
fn plain(raw: &str, language: &Language) -> Result<String, String> {
    let template = slots::Template::parse(raw)?;
    if let Some(slot) = template.slots().first() {
        let how = "the plain text has no slots; the one with slots stands in phrases.toml under [greeting]";
        return Err(format!("`{{{slot}}}` would be spoken as it stands: {how}"));
    }
    let text = spoken(&template.fill(|_| None).unwrap_or_default())?;
    script::check(&text, language)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::config::parse_campaign;

    fn campaign(rest: &str) -> Campaign {
        let text = format!("callers = [\"+15005550006\"]\n{rest}");
        parse_campaign("welcome".parse().expect("slug"), "campaign.toml", &text).expect("valid")
    }

    fn keys(lines: &[Line]) -> Vec<String> {
        lines.iter().map(|line| format!("{}.{}", line.key, line.language)).collect()
    }

    #[test]
    fn every_house_phrase_exists_in_all_seven_languages() {
        for key in [
            "opt-out-confirmed",
            "apology",
            "bridge",
            "still-preparing",
            "closed",
            "goodbye",
            "menu",
            "leave-message",
            "message-taken",
            "call-back",
            "call-back-soon",
        ] {
            for language in ["en", "fr", "de", "es", "it", "bg", "he"] {
                let language: Language = language.parse().expect("tag");
                let text = HOUSE.text(key, &language).expect("a house text");
                assert!(text.chars().count() > 10, "{key} {language}");
            }
        }
        // Engines read unpointed Hebrew without vowels, so each Hebrew text carries points.
        for phrase in HOUSE.phrases.values() {
            let hebrew = &phrase.texts[&"he".parse::<Language>().expect("tag")];
            assert!(hebrew.chars().any(|ch| ('\u{5b0}'..='\u{5bc}').contains(&ch)), "{hebrew}");
        }
    }

    #[test]
    fn a_campaign_needs_greeting_confirmation_and_goodbye_in_each_of_its_languages() {
        let book = parse_phrases("p", "[offer]\nbg = \"Оферта\"\n[goodbye]\nen = \"Bye for now\"\n").expect("valid");
        let lines = book.lines(&campaign("[greeting]\nen = \"Hi\"\nfr = \"Salut\"\n"), "c").expect("complete");
        let wanted = ["goodbye.en", "goodbye.fr", "greeting.en", "greeting.fr", "offer.bg", "opt-out-confirmed.en"];
        assert_eq!(keys(&lines)[..6], wanted);
        assert_eq!(keys(&lines)[6..], ["opt-out-confirmed.fr"]);
        assert_eq!(lines[0].text, "Bye for now", "the campaign's own text wins over the house's");
    }

    #[test]
    fn a_language_without_house_text_uses_the_fallback_or_is_refused_by_name() {
        let book = PhraseBook::default();
        let fault = book.lines(&campaign("[greeting]\nro = \"Salut\"\n"), "c").expect_err("no Romanian goodbye");
        assert!(fault.to_string().contains("`opt-out-confirmed` has no text in `ro`"), "{fault}");
        let with = campaign("[greeting]\nro = \"Salut\"\nen = \"Hi\"\nfallback = \"en\"\n");
        let lines = book.lines(&with, "c").expect("the fall-back speaks");
        assert!(!keys(&lines).contains(&"goodbye.ro".to_owned()) && keys(&lines).contains(&"goodbye.en".to_owned()));
    }

    #[test]
    fn a_bad_book_is_refused_with_file_line_key_and_next_step() {
        let fault = |text: &str| parse_phrases("phrases.toml", text).expect_err("bad").to_string();
        let bad_key = fault("[ok]\nen = \"Hi\"\n\n[\"Bad Key\"]\nen = \"Hi\"\n");
        assert!(bad_key.starts_with("phrases.toml:4: phrase key `Bad Key`"), "{bad_key}");
        assert!(fault("[a]\nen = \"Hi\"\nxx = \"Hi\"\n").starts_with("phrases.toml:3: phrase `a`, language `xx`"));
        assert!(fault("[a]\nen = \"\"\n").contains(":2: phrase `a`, language `en`: the text is empty"));
        assert!(fault("[a]\nen = \"x\\u0007y\"\n").contains("control character"));
        assert!(fault("[a]\nen = \"...\"\n").contains("nothing would be heard"));
        assert!(fault(&format!("[a]\nen = \"{}\"\n", "x".repeat(3_001))).contains("3001 characters; 3000 is the most"));
        assert!(fault("[greeting]\nen = \"Hi\"\n").contains("move it to [greeting] of campaign.toml"));
        let case = fault("[offer]\nen = \"Hi\"\n[Offer]\nen = \"Ho\"\n");
        assert!(case.contains(":3:") && case.contains("differs from `offer` only in its case"), "{case}");
        let script = fault("[a]\nen = \"Здравейте\"\n");
        assert!(script.starts_with("phrases.toml:2: phrase `a`, language `en`: the text is in Cyrillic"), "{script}");
        let slot = fault("[a]\nen = \"For {nights} nights\"\n");
        assert!(slot.contains(":2:") && slot.contains("slot `nights` has no values"), "{slot}");
        let unused = fault("[a]\nen = \"Hi\"\nslots = { nights = [\"2\"] }\n");
        assert!(unused.contains(":3:") && unused.contains("slot `nights` is in no text"), "{unused}");
        let empty = fault("[a]\nen = \"For {nights} nights\"\nslots.nights = []\n");
        assert!(empty.contains(":3:") && empty.contains("no values"), "{empty}");
        let column = fault("[a]\nen = \"Hi {who}\"\nslots.who = { column = \"name\" }\n");
        assert!(column.contains("only [greeting]"), "{column}");
        assert!(fault("[a]\nen = \"a { b\"\n").contains("a brace that is not closed"));
        assert!(fault("[lexicon.fr]\nSNCF = {}\n").contains("respell"));
        assert!(fault("[a]\nen = 3\n").starts_with("phrases.toml:2:"));
        assert!(fault("[a]\nen = \"Hi\"\nen = \"Ho\"\n").starts_with("phrases.toml:3:"));
        assert!(fault("[a]\n").contains("has no text"));
    }

    #[test]
    fn slots_with_declared_values_become_phrases_of_their_own() {
        let book = "[offer]\nen = \"A room for {nights} nights.\"\nslots = { nights = [\"two\", \"three\"] }\n";
        let book = parse_phrases("p", book).expect("valid");
        let lines = book.lines(&campaign("[greeting]\nen = \"Hi\"\n"), "c").expect("complete");
        let offers: Vec<&Line> = lines.iter().filter(|line| line.key.as_str().starts_with("offer")).collect();
        let told: Vec<(&str, &str)> = offers.iter().map(|line| (line.key.as_str(), line.text.as_str())).collect();
        assert_eq!(told, [("offer--three", "A room for three nights."), ("offer--two", "A room for two nights.")]);
    }

    #[test]
    fn a_greeting_with_the_leads_name_stands_beside_a_plain_one() {
        let text =
            "[greeting]\nen = \"Hello {who}, this is a test.\"\nslots.who = { column = \"first_name\", most = 9 }\n";
        let book = parse_phrases("p", text).expect("valid");
        let personal = &book.personal()[&"en".parse::<Language>().expect("tag")];
        let said =
            |name: &'static str| personal.text_for(move |column| (column == "first_name").then(|| name.to_owned()));
        assert_eq!(said("Anna").as_deref(), Some("Hello Anna, this is a test."));
        assert_eq!((said("NULL"), personal.most), (None, 9));
        assert!(book.lines(&campaign("[greeting]\nen = \"Hi\"\n"), "c").is_ok());
        let fault = book.lines(&campaign("[greeting]\nfr = \"Salut\"\n"), "c").expect_err("no plain English");
        assert!(fault.to_string().contains("has no text in `en`"), "{fault}");
        let spoken = campaign("[greeting]\nen = \"Hi {who}\"\n");
        let fault = PhraseBook::default().lines(&spoken, "c").expect_err("a slot in the plain text");
        assert!(fault.to_string().contains("would be spoken as it stands"), "{fault}");
    }

    #[test]
    fn the_lexicon_changes_what_the_engine_is_given_and_nothing_else() {
        let text = "[lexicon.en]\nSQL = \"sequel\"\nNguyen = { ipa = \"ŋwiən\", respell = \"win\" }\n[a]\nen = \"SQL by Nguyen\"\n";
        let book = parse_phrases("p", text).expect("valid");
        let lines = book.lines(&campaign("[greeting]\nen = \"Hi\"\n"), "c").expect("complete");
        let line = lines.iter().find(|line| line.key.as_str() == "a").expect("there");
        assert_eq!((line.text.as_str(), line.said.as_deref()), ("SQL by Nguyen", Some("sequel by win")));
        assert!(lines.iter().filter(|line| line.key.as_str() != "a").all(|line| line.said.is_none()));
    }

    #[test]
    fn lines_of_a_text_become_one_and_equal_texts_are_equal() {
        assert_eq!(spoken(" one\n  two\t").as_deref(), Ok("one two"));
        assert_eq!(spoken("cafe\u{301}"), spoken("caf\u{e9}"));
    }

    #[test]
    fn a_lead_hears_its_language_or_its_base_or_the_fallback_or_nothing() {
        let tag = |tag: &str| tag.parse::<Language>().expect("tag");
        let greeting = campaign("[greeting]\npt = \"Oi\"\nen = \"Hi\"\nfallback = \"en\"\n").greeting;
        assert_eq!(heard_language(&greeting, &tag("pt-br")), Some(&tag("pt")));
        assert_eq!(heard_language(&greeting, &tag("bg")), Some(&tag("en")));
        let strict = Greeting { fallback: None, ..greeting };
        assert_eq!(heard_language(&strict, &tag("bg")), None);
    }
}
