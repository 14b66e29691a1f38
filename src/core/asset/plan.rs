//! What `cache generate` would do: wanted × shelf × lock → render, keep, drop. Pure: no file is opened here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use super::book::slots::written_key;
use super::lock::{Entry, Lock};
use super::recipe::{Digest, Input, Recipe};
use crate::base::{Failure, Language, Slug};

/// One phrase that a campaign wants as sound, with the engine as it is here and now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The campaign.
    pub campaign: Slug,
    /// The phrase's key.
    pub key: Slug,
    /// Every input of the rendering.
    pub recipe: Recipe,
    /// Whether the engine gives the same samples for the same request on any machine.
    pub reproducible: bool,
    /// It stands in no lock: a greeting that names its lead.
    pub unlocked: bool,
}

/// What the shelf says about one fingerprint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnShelf {
    /// No asset of this name (half ones do not count).
    Absent,
    /// It is there, its bytes are the recorded ones and the ear is content.
    Whole,
    /// It is there, but not to be played.
    Damaged(String),
}

/// Why a phrase is rendered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// Never rendered before.
    New,
    /// Rendered before, but these inputs are not what they were.
    Changed(Vec<Input>),
    /// The lock knows it, the shelf has it not.
    Missing,
    /// The shelf's file is damaged.
    Damaged(String),
    /// It is older than was asked for.
    Aged,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::New => f.write_str("new"),
            Why::Changed(inputs) => {
                let names: Vec<String> = inputs.iter().map(ToString::to_string).collect();
                write!(f, "{} changed", names.join(", "))
            }
            Why::Missing => f.write_str("missing"),
            Why::Damaged(why) => write!(f, "damaged: {why}"),
            Why::Aged => f.write_str("too old"),
        }
    }
}

/// What becomes of one wanted phrase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The shelf has it.
    Keep,
    /// An engine must speak it.
    Render(Why),
    /// An engine would have to speak it, but it was not asked for now.
    Leave,
}

/// One line of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What is wanted. Its recipe may name the older engine version that made a kept asset.
    pub wanted: Wanted,
    /// The asset's name.
    pub fingerprint: Digest,
    /// What is to be done.
    pub step: Step,
}

/// The whole plan, in the order of what was wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Every wanted phrase.
    pub items: Vec<Item>,
    /// Lock entries that nobody wants any more: (campaign, key, language).
    pub dropped: Vec<(Slug, Slug, Language)>,
}

impl Plan {
    /// The distinct assets to render: a phrase that two campaigns share is rendered once.
    pub fn to_render(&self) -> Vec<&Item> {
        let mut seen = BTreeSet::new();
        let due = |item: &&Item| matches!(item.step, Step::Render(_)) && seen.insert(item.fingerprint.clone());
        self.items.iter().filter(due).collect()
    }

    /// Leaves out all phrases but these (by key, or by the key of a phrase with slots); empty = none is left out.
    ///
    /// Refused: a key that no campaign has.
    pub fn only(&mut self, keys: &[Slug]) -> Result<(), Failure> {
        let is =
            |item: &Item, key: &Slug| item.wanted.key == *key || written_key(item.wanted.key.as_str()) == key.as_str();
        if let Some(key) = keys.iter().find(|key| !self.items.iter().any(|item| is(item, key))) {
            return Err(
                Failure::usage(format!("no phrase has the key `{key}`")).next("`ahoy cache plan` shows all of them")
            );
        }
        for item in self.items.iter_mut().filter(|item| !keys.is_empty() && !keys.iter().any(|key| is(item, key))) {
            if matches!(item.step, Step::Render(_)) {
                item.step = Step::Leave;
            }
        }
        Ok(())
    }

    /// Characters that the engines would be given.
    pub fn characters(&self) -> u64 {
        self.to_render().iter().map(|item| item.wanted.recipe.text.chars().count() as u64).sum()
    }
}

/// The fingerprints whose state on the shelf [`plan`] asks for.
pub fn asked(wanted: &[Wanted], locks: &BTreeMap<Slug, Lock>) -> BTreeSet<Digest> {
    let mut all = BTreeSet::new();
    for it in wanted {
        all.insert(it.recipe.fingerprint());
        all.extend(entry_of(it, locks).map(|entry| entry.fingerprint.clone()));
    }
    all
}

fn entry_of<'a>(wanted: &Wanted, locks: &'a BTreeMap<Slug, Lock>) -> Option<&'a Entry> {
    if wanted.unlocked {
        return None;
    }
    let lock = locks.get(&wanted.campaign)?;
    lock.entries.get(&(wanted.key.clone(), wanted.recipe.language.clone()))
}

/// Makes the plan. `shelf` is what the shelf says about [`asked`]; a fingerprint it lacks counts as absent.
pub fn plan(wanted: Vec<Wanted>, locks: &BTreeMap<Slug, Lock>, shelf: &BTreeMap<Digest, OnShelf>) -> Plan {
    let state = |fingerprint: &Digest| shelf.get(fingerprint).unwrap_or(&OnShelf::Absent);
    let mut still_wanted = BTreeSet::new();
    let mut items = Vec::new();
    for mut it in wanted {
        still_wanted.insert((it.campaign.clone(), it.key.clone(), it.recipe.language.clone()));
        let entry = entry_of(&it, locks);
        if let Some(entry) = entry
            && keeps_older_version(&it, entry)
            && *state(&entry.fingerprint) == OnShelf::Whole
        {
            it.recipe = entry.recipe.clone();
        }
        let fingerprint = it.recipe.fingerprint();
        let step = match state(&fingerprint) {
            OnShelf::Whole => Step::Keep,
            OnShelf::Damaged(why) => Step::Render(Why::Damaged(why.clone())),
            OnShelf::Absent => Step::Render(match entry {
                None => Why::New,
                Some(entry) if entry.fingerprint == fingerprint => Why::Missing,
                Some(entry) => Why::Changed(entry.recipe.differences(&it.recipe)),
            }),
        };
        items.push(Item { wanted: it, fingerprint, step });
    }
    let mut dropped = Vec::new();
    for (campaign, lock) in locks {
        for (key, language) in lock.entries.keys() {
            let slot = (campaign.clone(), key.clone(), language.clone());
            if !still_wanted.contains(&slot) {
                dropped.push(slot);
            }
        }
    }
    Plan { items, dropped }
}

/// Sound from an engine that never gives the same samples twice is kept when only the engine's version moved on:
/// rendering it again would change a committed lock on every machine with another version, and help nobody.
fn keeps_older_version(wanted: &Wanted, entry: &Entry) -> bool {
    !wanted.reproducible && entry.recipe.differences(&wanted.recipe) == [Input::EngineVersion]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(text: &str, version: &str, reproducible: bool) -> Wanted {
        Wanted {
            campaign: "welcome".parse().expect("slug"),
            key: "greeting".parse().expect("slug"),
            recipe: Recipe {
                engine: "pico".to_owned(),
                engine_version: version.to_owned(),
                model: None,
                voice: None,
                language: "en".parse().expect("tag"),
                settings: BTreeMap::new(),
                text: text.to_owned(),
                rate: 8_000,
                pipeline: "1".to_owned(),
                said: None,
            },
            reproducible,
            unlocked: false,
        }
    }

    fn locked(from: &Wanted) -> BTreeMap<Slug, Lock> {
        let entry = Entry {
            recipe: from.recipe.clone(),
            fingerprint: from.recipe.fingerprint(),
            sha256: Digest::of(b""),
            duration_ms: 1,
            reproducible: from.reproducible,
        };
        let mut lock = Lock::default();
        lock.entries.insert((from.key.clone(), from.recipe.language.clone()), entry);
        BTreeMap::from([(from.campaign.clone(), lock)])
    }

    fn on_shelf(it: &Wanted, state: OnShelf) -> BTreeMap<Digest, OnShelf> {
        BTreeMap::from([(it.recipe.fingerprint(), state)])
    }

    fn step(it: &Wanted, locks: &BTreeMap<Slug, Lock>, shelf: &BTreeMap<Digest, OnShelf>) -> Step {
        plan(vec![it.clone()], locks, shelf).items.remove(0).step
    }

    #[test]
    fn each_reason_to_render_is_told() {
        let it = wanted("Hello", "1", true);
        let none = BTreeMap::new();
        assert_eq!(step(&it, &none, &BTreeMap::new()), Step::Render(Why::New));
        assert_eq!(step(&it, &locked(&it), &BTreeMap::new()), Step::Render(Why::Missing));
        let damaged = on_shelf(&it, OnShelf::Damaged("one byte".to_owned()));
        assert_eq!(step(&it, &locked(&it), &damaged), Step::Render(Why::Damaged("one byte".to_owned())));
        let older = locked(&wanted("Hullo", "1", true));
        assert_eq!(step(&it, &older, &BTreeMap::new()), Step::Render(Why::Changed(vec![Input::Text])));
        assert_eq!(step(&it, &older, &on_shelf(&it, OnShelf::Whole)), Step::Keep, "an earlier text, rendered before");
        assert_eq!(Why::Changed(vec![Input::Text, Input::Voice]).to_string(), "text, voice changed");
    }

    #[test]
    fn a_new_version_of_the_engine_renders_again_only_where_output_is_reproducible() {
        for reproducible in [true, false] {
            let old = wanted("Hello", "1.51", reproducible);
            let now = wanted("Hello", "1.52", reproducible);
            let planned = plan(vec![now.clone()], &locked(&old), &on_shelf(&old, OnShelf::Whole)).items.remove(0);
            if reproducible {
                assert_eq!(planned.step, Step::Render(Why::Changed(vec![Input::EngineVersion])));
            } else {
                assert_eq!((planned.step, planned.fingerprint), (Step::Keep, old.recipe.fingerprint()));
            }
            let gone = plan(vec![now.clone()], &locked(&old), &BTreeMap::new()).items.remove(0);
            assert_eq!(gone.fingerprint, now.recipe.fingerprint(), "nothing to keep: the engine here speaks");
        }
    }

    #[test]
    fn what_two_campaigns_share_is_rendered_once_and_what_nobody_wants_is_dropped() {
        let one = wanted("Hello", "1", true);
        let two = Wanted { campaign: "sofia".parse().expect("slug"), ..one.clone() };
        let old = Wanted { key: "offer".parse().expect("slug"), ..one.clone() };
        let plan = plan(vec![one, two], &locked(&old), &BTreeMap::new());
        assert_eq!((plan.items.len(), plan.to_render().len(), plan.characters()), (2, 1, 5));
        assert_eq!(plan.dropped.len(), 1);
        assert_eq!(plan.dropped[0].1.as_str(), "offer");
    }
}
