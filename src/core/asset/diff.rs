//! Two lock files compared: what a change of phrases or voices did to what callers hear.

use std::collections::BTreeSet;

use serde::Serialize;

use super::lock::{Entry, Lock};
use super::recipe::Input;
use crate::base::{Language, Slug};

/// One phrase that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The phrase's key.
    pub key: Slug,
    /// Its language.
    pub language: Language,
    /// How.
    #[serde(flatten)]
    pub how: How,
}

/// How two entries differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum How {
    /// Only the second has it.
    Added {
        /// Length, ms.
        duration_ms: u64,
    },
    /// Only the first has it.
    Removed {
        /// Length, ms.
        duration_ms: u64,
    },
    /// Both have it, made from other inputs, or with other bytes.
    Changed {
        /// The inputs; empty = the same inputs gave other bytes.
        inputs: Vec<Input>,
        /// Length before, ms.
        before_ms: u64,
        /// Length after, ms.
        after_ms: u64,
    },
}

/// The differences, by key and language, and how many phrases are the same.
pub fn diff(before: &Lock, after: &Lock) -> (Vec<Difference>, u64) {
    let slots: BTreeSet<_> = before.entries.keys().chain(after.entries.keys()).collect();
    let mut differences = Vec::new();
    let mut same = 0;
    for slot in slots {
        let how = match (before.entries.get(slot), after.entries.get(slot)) {
            (None, None) => continue,
            (None, Some(new)) => How::Added { duration_ms: new.duration_ms },
            (Some(old), None) => How::Removed { duration_ms: old.duration_ms },
            (Some(old), Some(new)) if is_same(old, new) => {
                same += 1;
                continue;
            }
            (Some(old), Some(new)) => How::Changed {
                inputs: old.recipe.differences(&new.recipe),
                before_ms: old.duration_ms,
                after_ms: new.duration_ms,
            },
        };
        differences.push(Difference { key: slot.0.clone(), language: slot.1.clone(), how });
    }
    (differences, same)
}

fn is_same(old: &Entry, new: &Entry) -> bool {
    old.fingerprint == new.fingerprint && old.sha256 == new.sha256
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::recipe::{Digest, Recipe};
    use super::*;

    fn lock(phrases: &[(&str, &str, &str)]) -> Lock {
        let mut lock = Lock::default();
        for (key, text, bytes) in phrases {
            let language: Language = "en".parse().expect("tag");
            let recipe = Recipe {
                engine: "pico".to_owned(),
                engine_version: "1".to_owned(),
                model: None,
                voice: None,
                language: language.clone(),
                settings: BTreeMap::new(),
                text: (*text).to_owned(),
                rate: 8_000,
                pipeline: "1".to_owned(),
                said: None,
            };
            let entry = Entry {
                fingerprint: recipe.fingerprint(),
                recipe,
                sha256: Digest::of(bytes.as_bytes()),
                duration_ms: text.len() as u64,
                reproducible: false,
            };
            lock.entries.insert((key.parse().expect("slug"), language), entry);
        }
        lock
    }

    #[test]
    fn every_kind_of_difference_is_told() {
        let before = lock(&[("gone", "a", "1"), ("same", "b", "2"), ("text", "c", "3"), ("bytes", "d", "4")]);
        let after = lock(&[("new", "a", "1"), ("same", "b", "2"), ("text", "cc", "3"), ("bytes", "d", "5")]);
        let (differences, same) = diff(&before, &after);
        let told: Vec<(&str, &How)> = differences.iter().map(|it| (it.key.as_str(), &it.how)).collect();
        let changed =
            |inputs: &[Input], before_ms, after_ms| How::Changed { inputs: inputs.to_vec(), before_ms, after_ms };
        assert_eq!(same, 1);
        assert_eq!(
            told,
            [
                ("bytes", &changed(&[], 1, 1)),
                ("gone", &How::Removed { duration_ms: 1 }),
                ("new", &How::Added { duration_ms: 1 }),
                ("text", &changed(&[Input::Text], 1, 2)),
            ]
        );
        assert_eq!(diff(&before, &before), (vec![], 4));
    }
}
