//! Phrases and the assets made from them: phrase book, fingerprint, lock file, plan, audio checks.

pub mod alignment;
pub mod book;
pub mod check;
pub mod diff;
pub mod layout;
pub mod lock;
pub mod place;
pub mod plan;
pub mod recipe;
pub mod record;
pub mod stats;
pub mod transcript;
pub mod verify;

use std::sync::Arc;

use crate::base::{Language, Slug};

pub use book::{Line, PhraseBook};
pub use lock::{Entry, Lock};
pub use recipe::{Digest, Recipe};
pub use record::Record;

/// One phrase, ready to be played: checked audio in memory, encoded once and shared by all streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clip {
    /// The phrase's key (`greeting`, `goodbye`, …).
    pub key: Slug,
    /// The language it is spoken in.
    pub language: Language,
    /// Fingerprint of everything that went into it, 64 hex digits.
    pub fingerprint: String,
    /// The words, as they were given to the engine.
    pub text: String,
    /// When each word is spoken, if the engine said so.
    pub alignment: Option<alignment::Alignment>,
    /// The sound: µ-law, 8 000 Hz, mono.
    pub ulaw: Arc<[u8]>,
}

impl Clip {
    /// Length in milliseconds, rounded down.
    pub fn duration_ms(&self) -> u64 {
        self.ulaw.len() as u64 / 8
    }
}
