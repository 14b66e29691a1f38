//! What the rules say about a campaign as a whole, before anybody is called.

use serde::Serialize;

use super::{Demand, Place, Rulebook, Terms, VoiceKind};
use crate::base::{Country, Language, Wall};
use crate::core::config::{Campaign, Purpose};

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// Told; the campaign runs.
    Warning,
    /// The campaign does not run.
    Refused,
}

/// One thing that a rule says about a campaign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The rule's id.
    pub rule: String,
    /// Where the rule comes from.
    pub source: String,
    /// What is wrong, and what to write.
    pub what: String,
    /// Whether the campaign runs all the same.
    pub weight: Weight,
}

/// All findings about a campaign. `ring_seconds`: of its carrier. In a rehearsal nothing is refused, all is told.
pub fn findings(book: &Rulebook, campaign: &Campaign, ring_seconds: u64, now: Wall) -> Vec<Finding> {
    let terms = book.terms(&Place::default(), &campaign.set_aside);
    let mut found = Vec::new();
    for rule in terms.rules() {
        let mut add = |weight: Weight, what: String| {
            let weight = if campaign.is_rehearsal() { Weight::Warning } else { weight };
            found.push(Finding { rule: rule.id.clone(), source: rule.source.clone(), what, weight });
        };
        match &rule.demand {
            Demand::Ring { seconds } if ring_seconds < u64::from(*seconds) => {
                add(Weight::Refused, format!("ring_timeout is {ring_seconds} s; it must be {seconds} s or more"));
            }
            Demand::OptOut => opt_out(campaign, &mut add),
            Demand::Disclosure => disclosure(campaign, &mut add),
            Demand::Recording => each_greeting(campaign, RECORDED, |language| {
                add(Weight::Warning, format!("the greeting in `{language}` does not say that the call is recorded"));
            }),
            Demand::Countries if campaign.countries().is_empty() => {
                let what = "no country may be called: the caller numbers belong to none, and `countries` is not set";
                add(Weight::Refused, what.to_owned());
            }
            Demand::Ring { .. }
            | Demand::Countries
            | Demand::Hours { .. }
            | Demand::Consent(_)
            | Demand::DoNotCall { .. }
            | Demand::Caps { .. }
            | Demand::Refusal { .. }
            | Demand::Abandonment { .. } => {}
        }
    }
    found.extend(calendars(book, campaign));
    let general = |what: String| Finding {
        rule: "rules".to_owned(),
        source: format!("rules.toml of {}", book.version),
        what,
        weight: Weight::Warning,
    };
    found.extend(book.stale(now).map(general));
    found
}

/// Countries whose holidays are not known: told once a run.
fn calendars(book: &Rulebook, campaign: &Campaign) -> Option<Finding> {
    let unknown: Vec<Country> =
        campaign.countries().into_iter().filter(|country| !knows_holidays(book, *country)).collect();
    let names: Vec<String> = unknown.iter().map(Country::to_string).collect();
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    let rule = book.rule("default.hours")?;
    (!names.is_empty()).then(|| Finding {
        rule: rule.id.clone(),
        source: rule.source.clone(),
        what: format!("no calendar of public holidays for {}: Sundays are closed, holidays are not", names.join(", ")),
        weight: Weight::Warning,
    })
}

fn knows_holidays(book: &Rulebook, country: Country) -> bool {
    let place = Place::named(country, None);
    let terms: Terms<'_> = book.terms(&place, &std::collections::BTreeMap::new());
    terms.rules().iter().any(|rule| matches!(rule.demand, Demand::Hours { known_holidays: true, .. }))
}

fn opt_out(campaign: &Campaign, add: &mut impl FnMut(Weight, String)) {
    let Some(key) = campaign.keys.opt_out else {
        add(Weight::Warning, "there is no opt-out key".to_owned());
        return;
    };
    let weight = if campaign.purpose == Purpose::Marketing { Weight::Refused } else { Weight::Warning };
    for (language, text) in &campaign.greeting.texts {
        if !tells_key(text, language, key) {
            add(
                weight,
                format!("the greeting in `{language}` does not tell how to opt out: say \"press {key}\" in it"),
            );
        }
    }
}

fn disclosure(campaign: &Campaign, add: &mut impl FnMut(Weight, String)) {
    each_greeting(campaign, AUTOMATED, |language| {
        add(Weight::Warning, format!("the greeting in `{language}` does not say that an automated voice speaks"));
    });
    if campaign.agent.is_some() || campaign.voice.kind == VoiceKind::Ai {
        each_greeting(campaign, AI, |language| {
            add(Weight::Warning, format!("the greeting in `{language}` does not say that an AI speaks"));
        });
    }
    if campaign.purpose == Purpose::Marketing {
        match &campaign.legal_name {
            None => add(Weight::Warning, "legal_name is not set: the greeting must say who calls".to_owned()),
            Some(name) => {
                for (language, text) in &campaign.greeting.texts {
                    if !text.to_lowercase().contains(&name.to_lowercase()) {
                        add(Weight::Warning, format!("the greeting in `{language}` does not say the legal name"));
                    }
                }
            }
        }
    }
}

/// Beginnings of words by language; a language that is not listed is not judged.
type Words = &'static [(&'static str, &'static [&'static str])];

const AUTOMATED: Words = &[
    ("en", &["automat", "recorded", "artificial", "virtual", "ai "]),
    ("fr", &["automat", "enregistré", "virtuel", "artificiel"]),
    ("de", &["automat", "aufgezeichnet", "künstlich", "ki-", "virtuell"]),
    ("es", &["automátic", "grabad", "artificial", "virtual"]),
    ("it", &["automatic", "registrat", "artificial", "virtual"]),
    ("bg", &["автоматич", "запис", "изкуствен", "виртуал"]),
    ("he", &["אוטומטי", "מוקלט", "בינה"]),
];

const AI: Words = &[
    ("en", &["artificial intelligence", " ai ", "ai-", " ai'", " ai,", " ai."]),
    ("fr", &["intelligence artificielle", " ia "]),
    ("de", &["künstliche", " ki ", "ki-"]),
    ("es", &["inteligencia artificial", " ia "]),
    ("it", &["intelligenza artificiale", " ia "]),
    ("bg", &["изкуствен интелект"]),
    ("he", &["בינה מלאכותית"]),
];

const RECORDED: Words = &[
    ("en", &["record"]),
    ("fr", &["enregistr"]),
    ("de", &["aufgezeichnet", "aufzeichn", "aufgenommen"]),
    ("es", &["grab"]),
    ("it", &["registra"]),
    ("bg", &["запис"]),
    ("he", &["מוקלט", "מקליט"]),
];

const DIGITS: [(&str, [&str; 10]); 7] = [
    ("en", ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]),
    ("fr", ["zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf"]),
    ("de", ["null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"]),
    ("es", ["cero", "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve"]),
    ("it", ["zero", "uno", "due", "tre", "quattro", "cinque", "sei", "sette", "otto", "nove"]),
    ("bg", ["нула", "едно", "две", "три", "четири", "пет", "шест", "седем", "осем", "девет"]),
    ("he", ["אפס", "אחת", "שתים", "שלוש", "ארבע", "חמש", "שש", "שבע", "שמונה", "תשע"]),
];

/// Hebrew points are marks on letters; words are compared without them.
fn plain(text: &str) -> String {
    text.to_lowercase().chars().filter(|ch| !('\u{591}'..='\u{5c7}').contains(ch)).collect()
}

fn each_greeting(campaign: &Campaign, words: Words, mut missing: impl FnMut(&Language)) {
    for (language, text) in &campaign.greeting.texts {
        let text = format!(" {} ", plain(text));
        let Some((_, words)) = words.iter().find(|(tag, _)| *tag == language.primary()) else { continue };
        if !words.iter().any(|word| text.contains(word)) {
            missing(language);
        }
    }
}

fn tells_key(text: &str, language: &Language, key: char) -> bool {
    let text = plain(text);
    let mut words = text.split(|ch: char| !(ch.is_alphanumeric() || "*#".contains(ch)));
    let own = key.to_string();
    let names = DIGITS.iter().find(|(tag, _)| *tag == language.primary()).map(|(_, names)| names);
    let name = key.to_digit(10).and_then(|digit| names.map(|names| names[digit as usize]));
    words.any(|word| word == own || name == Some(word))
}
