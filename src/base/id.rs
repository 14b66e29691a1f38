//! Names of things: leads, attempts, calls, and the carrier's own ids.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A lead's row number in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeadId(pub i64);

impl fmt::Display for LeadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// One try to reach a lead: 128 bits, minted before any I/O, part of every URL given to the carrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AttemptId(pub Uuid);

/// A call as our logs and folders name it. An outbound call has its attempt's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallId(pub Uuid);

impl AttemptId {
    /// An id from a wall-clock time in ms since the epoch and ten random bytes: sorts by time (UUID version 7).
    pub fn mint(wall_ms: u64, random: [u8; 10]) -> AttemptId {
        AttemptId(uuid::Builder::from_unix_timestamp_millis(wall_ms, &random).into_uuid())
    }

    /// The call that this attempt becomes.
    pub fn call(self) -> CallId {
        CallId(self.0)
    }
}

macro_rules! as_uuid {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0.as_hyphenated())
            }
        }
        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map($name)
            }
        }
    };
}
as_uuid!(AttemptId);
as_uuid!(CallId);

/// The carrier's id of a call (Twilio: `CA` and 32 hex digits; others have other shapes). 1 to 128 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sid(String);

/// The text is no carrier id: empty, too long, or with characters outside visible ASCII.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a carrier's call id is 1 to 128 visible ASCII characters")]
pub struct BadSid;

impl Sid {
    /// The id as the carrier wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Sid {
    type Err = BadSid;
    fn from_str(text: &str) -> Result<Sid, BadSid> {
        let fits = !text.is_empty() && text.len() <= 128 && text.bytes().all(|b| b.is_ascii_graphic());
        if fits { Ok(Sid(text.to_owned())) } else { Err(BadSid) }
    }
}

impl TryFrom<String> for Sid {
    type Error = BadSid;
    fn try_from(text: String) -> Result<Sid, BadSid> {
        text.parse()
    }
}

impl From<Sid> for String {
    fn from(sid: Sid) -> String {
        sid.0
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
