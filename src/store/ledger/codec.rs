//! Our words ↔ SQLite's values. A value that does not read back is a damaged ledger, never a default.

use std::fmt::Display;
use std::str::FromStr;

use rusqlite::{OptionalExtension, Row};
use uuid::Uuid;

use super::{CampaignState, LeadState, LeadStateName, Ledger, LedgerFault};
use crate::base::{AttemptId, Phone, Slug, Wall};

/// Reads a text column as one of our words.
pub fn word<T>(row: &Row<'_>, column: &str) -> Result<T, LedgerFault>
where
    T: FromStr,
    T::Err: Display,
{
    let text: String = row.get(column)?;
    text.parse().map_err(|error| damaged(column, &error))
}

/// Reads a nullable text column as one of our words.
pub fn maybe_word<T>(row: &Row<'_>, column: &str) -> Result<Option<T>, LedgerFault>
where
    T: FromStr,
    T::Err: Display,
{
    let text: Option<String> = row.get(column)?;
    text.map(|text| text.parse().map_err(|error| damaged(column, &error))).transpose()
}

/// Reads a column of JSON.
pub fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: &str) -> Result<T, LedgerFault> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| damaged(column, &error))
}

/// Writes a value as JSON.
pub fn to_json(value: &impl serde::Serialize) -> Result<String, LedgerFault> {
    serde_json::to_string(value).map_err(|error| LedgerFault::Bug(error.to_string()))
}

/// Reads a phone number.
pub fn phone(row: &Row<'_>, column: &str) -> Result<Phone, LedgerFault> {
    let text: String = row.get(column)?;
    Phone::from_e164(&text).map_err(|error| damaged(column, &error))
}

/// Reads a nullable phone number.
pub fn maybe_phone(row: &Row<'_>, column: &str) -> Result<Option<Phone>, LedgerFault> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| Phone::from_e164(&text).map_err(|error| damaged(column, &error))).transpose()
}

/// Reads a time.
pub fn wall(row: &Row<'_>, column: &str) -> Result<Wall, LedgerFault> {
    Ok(Wall(row.get(column)?))
}

/// Reads a nullable time.
pub fn maybe_wall(row: &Row<'_>, column: &str) -> Result<Option<Wall>, LedgerFault> {
    let ms: Option<i64> = row.get(column)?;
    Ok(ms.map(Wall))
}

/// Reads a count.
pub fn count(row: &Row<'_>, column: &str) -> Result<u64, LedgerFault> {
    Ok(maybe_count(row, column)?.unwrap_or(0))
}

/// Reads a nullable count.
pub fn maybe_count(row: &Row<'_>, column: &str) -> Result<Option<u64>, LedgerFault> {
    let value: Option<i64> = row.get(column)?;
    value.map(|value| u64::try_from(value).map_err(|error| damaged(column, &error))).transpose()
}

/// Reads the 16 bytes of a UUID.
pub fn uuid(row: &Row<'_>, column: &str) -> Result<Uuid, LedgerFault> {
    let bytes: [u8; 16] = row.get(column)?;
    Ok(Uuid::from_bytes(bytes))
}

/// Reads where a lead stands, from the columns `state`, `due`, `attempt`, `reason`.
pub fn lead_state(row: &Row<'_>) -> Result<LeadState, LedgerFault> {
    Ok(match word(row, "state")? {
        LeadStateName::Ready => LeadState::Ready(wall(row, "due")?),
        LeadStateName::Held => LeadState::Held(AttemptId(uuid(row, "attempt")?)),
        LeadStateName::Done => LeadState::Done(word(row, "reason")?),
        LeadStateName::Blocked => LeadState::Blocked(word(row, "reason")?),
        LeadStateName::Review => LeadState::Review,
    })
}

fn damaged(column: &str, error: &impl Display) -> LedgerFault {
    LedgerFault::Corrupt(format!("column {column}: {error}"))
}

/// A name that none of our words has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not one of the known names")]
pub struct BadName(String);

macro_rules! names {
    ($type:ty, $($value:path = $name:literal),+ $(,)?) => {
        impl $type {
            /// The name in the ledger, in reports and in JSON.
            pub fn as_str(self) -> &'static str {
                match self { $($value => $name),+ }
            }
        }
        impl FromStr for $type {
            type Err = BadName;
            fn from_str(text: &str) -> Result<Self, BadName> {
                match text {
                    $($name => Ok($value),)+
                    other => Err(BadName(crate::base::text::printable(&other.chars().take(40).collect::<String>()))),
                }
            }
        }
        impl Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

names!(
    CampaignState,
    CampaignState::Running = "running",
    CampaignState::Paused = "paused",
    CampaignState::Stopped = "stopped"
);
names!(
    LeadStateName,
    LeadStateName::Ready = "ready",
    LeadStateName::Held = "held",
    LeadStateName::Done = "done",
    LeadStateName::Blocked = "blocked",
    LeadStateName::Review = "review",
);

names!(
    super::ImportState,
    super::ImportState::Open = "open",
    super::ImportState::Done = "done",
    super::ImportState::Undone = "undone",
);

names!(
    super::CloneState,
    super::CloneState::Making = "making",
    super::CloneState::Ready = "ready",
    super::CloneState::Failed = "failed",
);
names!(
    super::CloneEventKind,
    super::CloneEventKind::Ready = "ready",
    super::CloneEventKind::Failed = "failed",
    super::CloneEventKind::Transfer = "transfer",
);

impl Ledger {
    /// All rows of a query, read one by one.
    pub(super) fn rows<T>(
        &self,
        sql: &str,
        with: impl rusqlite::Params,
        read: impl Fn(&Row<'_>) -> Result<T, LedgerFault>,
    ) -> Result<Vec<T>, LedgerFault> {
        crate::door!("database");
        let mut query = self.conn.prepare_cached(sql)?;
        let mut rows = query.query(with)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(read(row)?);
        }
        Ok(all)
    }

    /// The first row of a query.
    pub(super) fn one<T>(
        &self,
        sql: &str,
        with: impl rusqlite::Params,
        read: impl Fn(&Row<'_>) -> Result<T, LedgerFault>,
    ) -> Result<Option<T>, LedgerFault> {
        crate::door!("database");
        let mut query = self.conn.prepare_cached(sql)?;
        let found = query.query_row(with, |row| Ok(read(row))).optional()?;
        found.transpose()
    }

    /// Runs one statement; returns how many rows it changed.
    pub(super) fn write(&self, sql: &str, with: impl rusqlite::Params) -> Result<usize, LedgerFault> {
        crate::door!("database");
        Ok(self.conn.prepare_cached(sql)?.execute(with)?)
    }

    /// The row of a campaign, if it is known here.
    pub(super) fn campaign_row(&self, name: &Slug) -> Result<Option<i64>, LedgerFault> {
        self.one("SELECT id FROM campaign WHERE name = ?1", [name.as_str()], |row| Ok(row.get(0)?))
    }
}
