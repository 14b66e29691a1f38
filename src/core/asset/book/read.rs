//! `phrases.toml` → [`PhraseBook`], with file, line and next step for whatever is wrong.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::lexicon::Saying;
use super::slots::{Personal, Slot, Template, combinations, filled_key};
use super::{GREETING, Lexicon, Phrase, PhraseBook, known_language, script, spoken};
use crate::base::text::printable;
use crate::base::{Language, Slug, limits};
use crate::core::config::ConfigFault;

/// The table of pronunciations.
const LEXICON: &str = "lexicon";
/// The table of slots in a phrase.
const SLOTS: &str = "slots";

/// Reads `phrases.toml`. `file` is its name in messages.
pub fn parse_phrases(file: &str, text: &str) -> Result<PhraseBook, ConfigFault> {
    let reader = Reader { file, text };
    let parts = DeTable::parse(text).map_err(|error| ConfigFault::from_toml(file, text, &error))?;
    let mut book = PhraseBook::default();
    let mut count = 0;
    let keys: Vec<&str> = parts.get_ref().keys().map(|key| key.get_ref().as_ref()).collect();
    for (key, part) in parts.get_ref() {
        let (name, at) = (key.get_ref().as_ref(), key.span());
        let Some(texts) = part.get_ref().as_table() else {
            let hint = "a phrase is a table: [key], then en = \"text\"";
            return Err(reader.fault(part.span(), format!("`{}` is no phrase", printable(name)), hint));
        };
        if name == LEXICON {
            reader.lexicon(texts, &mut book.lexicon)?;
            continue;
        }
        let slug = reader.key(name, at.clone(), &keys)?;
        let written = reader.phrase(&slug, at.clone(), texts)?;
        count += match slug.as_str() {
            GREETING => reader.greeting(at.clone(), written, &mut book.personal)?,
            _ => reader.plain(slug, written, &mut book)?,
        };
        if count > limits::PHRASES {
            return Err(reader.fault(at, format!("more than {} texts", limits::PHRASES), "split the campaign"));
        }
    }
    Ok(book)
}

struct Reader<'a> {
    file: &'a str,
    text: &'a str,
}

/// A phrase as it is written: its texts, cut at their slots, and what the slots hold.
struct Written {
    texts: Vec<(Language, Range<usize>, Template)>,
    slots: BTreeMap<String, (Range<usize>, Slot)>,
}

impl Reader<'_> {
    fn fault(&self, at: Range<usize>, what: String, hint: &str) -> ConfigFault {
        ConfigFault {
            file: self.file.to_owned(),
            line: Some(1 + self.text[..at.start.min(self.text.len())].matches('\n').count()),
            what,
            hint: Some(hint.to_owned()),
        }
    }

    fn key(&self, name: &str, at: Range<usize>, keys: &[&str]) -> Result<Slug, ConfigFault> {
        let lower = name.to_lowercase();
        if lower != name && keys.contains(&lower.as_str()) {
            let what = format!("phrase `{}` differs from `{lower}` only in its case", printable(name));
            return Err(self.fault(at, what, "give it a name of its own, in lower case"));
        }
        let slug: Slug = name.parse().map_err(|e: crate::base::slug::BadSlug| {
            self.fault(at.clone(), format!("phrase key {e}"), "rename the key; quote nothing else into it")
        })?;
        if slug.as_str().contains("--") {
            let what = format!("phrase key `{slug}` has `--`, which parts a key from the values of its slots");
            return Err(self.fault(at, what, "use one hyphen"));
        }
        Ok(slug)
    }

    fn phrase(&self, slug: &Slug, at: Range<usize>, table: &DeTable<'_>) -> Result<Written, ConfigFault> {
        let mut written = Written { texts: Vec::new(), slots: BTreeMap::new() };
        for (tag, value) in table {
            let (name, span) = (tag.get_ref().as_ref(), tag.span());
            if name == SLOTS {
                self.slots(slug, value, &mut written.slots)?;
                continue;
            }
            let about = |what: String| format!("phrase `{slug}`, language `{}`: {what}", printable(name));
            let language = known_language(name)
                .map_err(|what| self.fault(span.clone(), about(what), "write a tag such as en, bg or pt-br"))?;
            let correct = "correct the text, or split it into two phrases";
            let bad = |what: String| self.fault(value.span(), about(what), correct);
            let raw = value.get_ref().as_str().ok_or_else(|| bad("its text is no string".to_owned()))?;
            let text = spoken(raw).map_err(&bad)?;
            let template = Template::parse(&text).map_err(&bad)?;
            // Slots hold anything, so the words around them must be in the language's letters.
            script::check(&template.fill(|_| Some("")).unwrap_or_default(), &language).map_err(&bad)?;
            written.texts.push((language, value.span(), template));
        }
        if written.texts.is_empty() {
            let what = format!("phrase `{slug}` has no text");
            return Err(self.fault(at, what, "write en = \"…\" under it, or delete it"));
        }
        for (_, span, template) in &written.texts {
            if let Some(slot) = template.slots().into_iter().find(|slot| !written.slots.contains_key(*slot)) {
                let what = format!("phrase `{slug}`: slot `{slot}` has no values");
                let hint = format!("add slots = {{ {slot} = [\"…\"] }}, or write {{{{ for a brace");
                return Err(self.fault(span.clone(), what, &hint));
            }
        }
        for (name, (span, _)) in &written.slots {
            if !written.texts.iter().any(|(_, _, template)| template.slots().contains(&name.as_str())) {
                let what = format!("phrase `{slug}`: slot `{name}` is in no text");
                return Err(self.fault(span.clone(), what, "write it in braces, or delete it"));
            }
        }
        Ok(written)
    }

    fn slots(
        &self,
        slug: &Slug,
        value: &Spanned<DeValue<'_>>,
        slots: &mut BTreeMap<String, (Range<usize>, Slot)>,
    ) -> Result<(), ConfigFault> {
        let hint = "slots = { nights = [\"2\", \"3\"] }, or { who = { column = \"first_name\", most = 200 } }";
        let no_table = || self.fault(value.span(), format!("phrase `{slug}`: slots is no table"), hint);
        for (name, holds) in value.get_ref().as_table().ok_or_else(no_table)? {
            let name_text = name.get_ref().as_ref();
            let bad = |what: &str| {
                self.fault(holds.span(), format!("phrase `{slug}`: slot `{}` {what}", printable(name_text)), hint)
            };
            let slot = match holds.get_ref() {
                DeValue::Array(values) => {
                    let mut all: Vec<String> = Vec::new();
                    for value in values {
                        let text = value.get_ref().as_str().ok_or_else(|| bad("has a value that is no string"))?;
                        let text =
                            spoken(text).map_err(|what| bad(&format!("has a value that cannot be spoken: {what}")))?;
                        if all.contains(&text) {
                            return Err(bad("has a value twice"));
                        }
                        all.push(text);
                    }
                    match all.len() {
                        0 => return Err(bad("has no values")),
                        many if many > limits::SLOT_VALUES => return Err(bad("has too many values")),
                        _ => Slot::Values(all),
                    }
                }
                DeValue::Table(table) => self.column(table).ok_or_else(|| bad("is no list and no column"))?,
                _ => return Err(bad("is no list and no column")),
            };
            slots.insert(name_text.to_owned(), (name.span(), slot));
        }
        Ok(())
    }

    fn column(&self, table: &DeTable<'_>) -> Option<Slot> {
        let mut name = None;
        let mut most = limits::VARIANTS;
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "column" => name = value.get_ref().as_str().filter(|it| !it.is_empty()).map(str::to_owned),
                "most" => {
                    let written = self.text.get(value.span())?.replace('_', "");
                    most = written.parse().ok().filter(|most| (1..=limits::VARIANTS_MOST).contains(most))?;
                }
                _ => return None,
            }
        }
        Some(Slot::Column { name: name?, most })
    }

    /// A phrase for everybody: every combination of its slots' values.
    fn plain(&self, slug: Slug, written: Written, book: &mut PhraseBook) -> Result<usize, ConfigFault> {
        let mut phrase = Phrase::default();
        let mut count = 0;
        for (language, span, template) in written.texts {
            let names = template.slots();
            if names.is_empty() {
                count += 1;
                phrase.texts.insert(language, template.fill(|_| None).expect("it has no slots"));
                continue;
            }
            let mut values: Vec<(&str, &[String])> = Vec::new();
            for name in &names {
                match &written.slots[*name].1 {
                    Slot::Values(all) => values.push((name, all)),
                    Slot::Column { .. } => {
                        let what = format!(
                            "phrase `{slug}`: slot `{name}` is a column of the lead, which only [greeting] may name"
                        );
                        return Err(self.fault(span, what, "list the values"));
                    }
                }
            }
            let ways: usize = values.iter().map(|(_, all)| all.len()).product();
            if ways > limits::PHRASES {
                return Err(self.fault(span, format!("phrase `{slug}` has {ways} combinations"), "list fewer values"));
            }
            for row in combinations(&values) {
                let text = template.fill(|name| row.get(name).copied()).expect("every slot has a value");
                let text = spoken(&text).map_err(|what| {
                    self.fault(span.clone(), format!("phrase `{slug}`: {what}"), "shorten the text or its values")
                })?;
                let in_order: Vec<&str> = names.iter().map(|name| row[name]).collect();
                count += 1;
                phrase.filled.insert((filled_key(&slug, &in_order), language.clone()), text);
            }
        }
        book.phrases.insert(slug, phrase);
        Ok(count)
    }

    /// The greeting that names the lead.
    fn greeting(
        &self,
        at: Range<usize>,
        written: Written,
        personal: &mut BTreeMap<Language, Personal>,
    ) -> Result<usize, ConfigFault> {
        let mut most = limits::VARIANTS_MOST;
        let mut columns = BTreeMap::new();
        for (name, (span, slot)) in &written.slots {
            match slot {
                Slot::Column { name: column, most: of_slot } => {
                    most = most.min(*of_slot);
                    columns.insert(name.clone(), column.clone());
                }
                Slot::Values(_) => {
                    let what = format!("[greeting]: slot `{name}` is a list, but a greeting knows its lead only");
                    return Err(self.fault(span.clone(), what, "name a column: { column = \"first_name\" }"));
                }
            }
        }
        for (language, span, template) in written.texts {
            if template.slots().is_empty() {
                let what = "phrase `greeting` without a slot does not stand here".to_owned();
                return Err(self.fault(span, what, "move it to [greeting] of campaign.toml"));
            }
            let of_text = columns.iter().filter(|(slot, _)| template.slots().contains(&slot.as_str()));
            let columns = of_text.map(|(slot, column)| (slot.clone(), column.clone())).collect();
            personal.insert(language.clone(), Personal { language, template, columns, most });
        }
        debug_assert!(!personal.is_empty(), "a phrase without texts was refused at {at:?}");
        Ok(personal.len())
    }

    fn lexicon(&self, tables: &DeTable<'_>, lexicon: &mut Lexicon) -> Result<(), ConfigFault> {
        let hint = "[lexicon.fr], then SNCF = \"esse enne cé effe\", or Nguyen = { ipa = \"…\", respell = \"…\" }";
        let mut count = 0;
        for (tag, words) in tables {
            let name = tag.get_ref().as_ref();
            let language = known_language(name).map_err(|what| self.fault(tag.span(), what, hint))?;
            let no_table = || self.fault(words.span(), format!("[lexicon] {} is no table", printable(name)), hint);
            for (word, value) in words.get_ref().as_table().ok_or_else(no_table)? {
                let shown = printable(word.get_ref());
                let bad =
                    |what: &str| self.fault(value.span(), format!("[lexicon.{language}] `{shown}`: {what}"), hint);
                let written = spoken(word.get_ref()).map_err(|what| bad(&what))?;
                let saying = saying(value.get_ref()).map_err(|what| bad(&what))?;
                count += 1;
                if count > limits::LEXICON_WORDS {
                    return Err(bad("too many words"));
                }
                lexicon.add(language.clone(), written, saying);
            }
        }
        Ok(())
    }
}

fn saying(value: &DeValue<'_>) -> Result<Saying, String> {
    if let Some(respell) = value.as_str() {
        return Ok(Saying { respell: Some(spoken(respell)?), ipa: None });
    }
    let table = value.as_table().ok_or("it is no text and no table")?;
    let mut saying = Saying::default();
    for (key, value) in table {
        let text = value.get_ref().as_str().ok_or("its value is no string")?;
        match key.get_ref().as_ref() {
            "respell" => saying.respell = Some(spoken(text)?),
            "ipa" => saying.ipa = Some(spoken(text)?),
            other => return Err(format!("unknown key `{}`", printable(other))),
        }
    }
    if saying == Saying::default() {
        return Err("it says nothing: write respell or ipa".to_owned());
    }
    Ok(saying)
}
