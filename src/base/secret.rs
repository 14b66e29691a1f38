//! Secrets: named in configuration, read once, never printed.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroize;

/// A key or token. `Debug` and `Display` print `***`; the memory is wiped on drop.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Takes the text as a secret.
    pub fn new(text: String) -> Secret {
        Secret(text)
    }

    /// The secret itself; `tests/tidy.rs` counts the places that call this.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// Characters of a secret that are never shown in a row, wherever in it they stand.
const SHOWN_AT_MOST: usize = 6;

impl Secret {
    /// The text with every part of the secret masked that is longer than six characters: services repeat a key, or its
    /// beginning and end, in the message that refuses it.
    pub fn masked_in(&self, text: &str) -> String {
        let secret: Vec<char> = self.0.chars().collect();
        let text: Vec<char> = text.chars().collect();
        let long = secret.len().clamp(1, SHOWN_AT_MOST + 1);
        if secret.is_empty() || text.len() < long {
            return text.into_iter().collect();
        }
        let parts: HashSet<&[char]> = secret.windows(long).collect();
        let mut hidden = vec![false; text.len()];
        for (at, window) in text.windows(long).enumerate() {
            if parts.contains(window) {
                hidden[at..at + long].fill(true);
            }
        }
        let mut out = String::new();
        for (at, ch) in text.iter().enumerate() {
            match (hidden[at], at > 0 && hidden[at - 1]) {
                (false, _) => out.push(*ch),
                (true, false) => out.push_str("***"),
                (true, true) => {}
            }
        }
        out
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Where a secret is: `{ env = "NAME" }` or `{ file = "path" }`. A secret written into a configuration file is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretRef {
    /// Name of an environment variable.
    Env(String),
    /// Path of a file, relative to the workspace; its trailing line end is dropped.
    File(String),
}

impl<'de> Deserialize<'de> for SecretRef {
    /// By hand, because serde's own message would repeat a secret that was written in clear.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<SecretRef, D::Error> {
        struct Door;
        impl<'de> Visitor<'de> for Door {
            type Value = SecretRef;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(WANTED)
            }
            fn visit_str<E: Error>(self, _: &str) -> Result<SecretRef, E> {
                Err(E::custom(format!("a secret may not stand in this file; write {WANTED}")))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretRef, A::Error> {
                let entry: Option<(String, String)> = map.next_entry()?;
                let secret = match entry {
                    Some((key, name)) if key == "env" => SecretRef::Env(name),
                    Some((key, path)) if key == "file" => SecretRef::File(path),
                    _ => return Err(A::Error::custom(format!("write {WANTED}"))),
                };
                match map.next_key::<String>()? {
                    None => Ok(secret),
                    Some(_) => Err(A::Error::custom(format!("write one of {WANTED}, not both"))),
                }
            }
        }
        from.deserialize_any(Door)
    }
}

const WANTED: &str = "{ env = \"NAME\" } or { file = \"path\" }";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_a_service_repeats_is_masked_whole_or_in_parts() {
        let secret = Secret::new("sk-proj-ABCDEFGHijkl".to_owned());
        let masked = |text: &str| secret.masked_in(text);
        assert_eq!(masked("wrong key sk-proj-ABCDEFGHijkl!"), "wrong key ***!");
        assert_eq!(masked("wrong key sk-proj-****GHijkl, й"), "wrong key ***-****GHijkl, й".replace("***-", "***"));
        assert_eq!(masked("nothing of it"), "nothing of it");
        assert_eq!(Secret::new("ab".to_owned()).masked_in("cab ab"), "c*** ***");
        assert_eq!(Secret::new(String::new()).masked_in("x"), "x");
    }

    #[test]
    fn a_secret_prints_as_stars() {
        let secret = Secret::new("hunter2".to_owned());
        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "*** *** Some(***)");
    }
}
