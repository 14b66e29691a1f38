//! What the shelf knows about an asset beside its sound: the `.json` next to the `.wav`.

use serde::{Deserialize, Serialize};

use super::alignment::Alignment;
use super::check::Measured;
use super::recipe::{Digest, Recipe};
use crate::core::cost::Usage;

/// Inputs, measurements and cost of one asset. Written last, so an asset without it does not count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The asset's name: the recipe's hash.
    pub fingerprint: Digest,
    /// Hash of the whole WAV file.
    pub sha256: Digest,
    /// Whether the engine gives the same samples for the same request on any machine.
    pub reproducible: bool,
    /// Every input.
    pub recipe: Recipe,
    /// What the ear measured when the asset entered.
    pub measured: Measured,
    /// Silence removed at the start, in ms.
    pub trimmed_head_ms: u64,
    /// Silence removed at the end, in ms.
    pub trimmed_tail_ms: u64,
    /// What the engine says it spoke; `None` = it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcript: Option<String>,
    /// What was counted and what it cost; its fields stand in the record itself.
    #[serde(flatten)]
    pub usage: Usage,
    /// When each word begins and ends, if the engine says so; counted from the start of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alignment: Option<Alignment>,
    /// How long the engine took, in ms; 0 = not on record.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rendered_ms: u64,
    /// The engine's own id of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// When it was rendered, RFC 3339 in UTC.
    pub rendered_at: String,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's own signature
fn is_zero(ms: &u64) -> bool {
    *ms == 0
}
