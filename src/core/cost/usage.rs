//! What a request to a service used up, as it is counted, priced and kept.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use crate::base::Money;

/// What a rendering used up. Zero = not counted by this service.
///
/// Records of older versions have `characters` and `cost` only; the rest reads as zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Characters billed (Unicode, not bytes); for services that bill tokens, those of the text.
    pub characters: u64,
    /// Text tokens sent.
    #[serde(skip_serializing_if = "is_zero")]
    pub text_in: u64,
    /// Audio tokens sent.
    #[serde(skip_serializing_if = "is_zero")]
    pub audio_in: u64,
    /// Text tokens sent that were cached; not among `text_in`.
    #[serde(skip_serializing_if = "is_zero")]
    pub text_cached: u64,
    /// Audio tokens sent that were cached; not among `audio_in`.
    #[serde(skip_serializing_if = "is_zero")]
    pub audio_cached: u64,
    /// Text tokens received.
    #[serde(skip_serializing_if = "is_zero")]
    pub text_out: u64,
    /// Audio tokens received.
    #[serde(skip_serializing_if = "is_zero")]
    pub audio_out: u64,
    /// Length of the sound, in ms, as the service gave it.
    #[serde(skip_serializing_if = "is_zero")]
    pub audio_ms: u64,
    /// Some figure here is our estimate: the service did not report it.
    #[serde(skip_serializing_if = "is_false")]
    pub estimated: bool,
    /// No price is known for (a part of) it, so that `cost` is too low.
    #[serde(skip_serializing_if = "is_false")]
    pub unpriced: bool,
    /// Cost in millionths of a US dollar; zero for engines that run here.
    pub cost: Money,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's own signature
fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's own signature
fn is_false(flag: &bool) -> bool {
    !*flag
}

impl Usage {
    /// A text spoken by an engine of this machine: characters, and no cost.
    pub fn free(text: &str) -> Usage {
        Usage { characters: text.chars().count() as u64, ..Usage::default() }
    }
}

impl AddAssign for Usage {
    /// Sums; a sum is estimated or unpriced as soon as one of its parts is.
    fn add_assign(&mut self, other: Usage) {
        let sum = |mine: u64, theirs: u64| mine.saturating_add(theirs);
        *self = Usage {
            characters: sum(self.characters, other.characters),
            text_in: sum(self.text_in, other.text_in),
            audio_in: sum(self.audio_in, other.audio_in),
            text_cached: sum(self.text_cached, other.text_cached),
            audio_cached: sum(self.audio_cached, other.audio_cached),
            text_out: sum(self.text_out, other.text_out),
            audio_out: sum(self.audio_out, other.audio_out),
            audio_ms: sum(self.audio_ms, other.audio_ms),
            estimated: self.estimated || other.estimated,
            unpriced: self.unpriced || other.unpriced,
            cost: self.cost + other.cost,
        };
    }
}
