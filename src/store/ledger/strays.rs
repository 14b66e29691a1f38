//! Artefacts that belong to no call of this ledger: kept to be listed, attached to nobody, least of all by a phone number.

use super::{Ledger, LedgerFault, codec};
use crate::base::{AttemptId, CallId, Sid, Wall, limits};
use crate::core::wire::recordings::RecordingTold;

/// Why an artefact is attached to no call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StrayWhy {
    /// Its attempt is none of this ledger's.
    UnknownAttempt,
    /// It names another call than the one that its attempt became.
    AnotherCall,
    /// Its call has another one of its kind: the first stays.
    Second,
}

impl StrayWhy {
    fn as_str(self) -> &'static str {
        match self {
            StrayWhy::UnknownAttempt => "unknown_attempt",
            StrayWhy::AnotherCall => "another_call",
            StrayWhy::Second => "second",
        }
    }
}

/// An artefact, or a word of the carrier, about no call that is known.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct StrayRow {
    /// `recording`, or `callback` for words about a call.
    pub kind: String,
    /// The carrier's id of it.
    pub subject: String,
    /// The attempt that its callback's address names.
    pub attempt: String,
    /// Why it is here.
    pub why: String,
    /// When it was first heard of, UTC.
    pub at: String,
}

impl Ledger {
    /// Whether a carrier's word about a recording is about the attempt's own call and its own recording; otherwise it is
    /// kept as a stray.
    pub(super) fn strays_off(
        &mut self,
        attempt: AttemptId,
        told: &RecordingTold,
        now: Wall,
    ) -> Result<Option<StrayWhy>, LedgerFault> {
        let known = self.known(attempt)?;
        let own = self.one(
            "SELECT subject FROM task WHERE call = ?1 AND kind = 'recording' AND subject IS NOT NULL",
            [attempt.call().0.as_bytes()],
            |row| codec::word::<Sid>(row, "subject"),
        )?;
        let why = match known {
            None => StrayWhy::UnknownAttempt,
            Some(known) => match (&known.standing.sid, &told.call) {
                (Some(own), Some(other)) if own != other => StrayWhy::AnotherCall,
                _ if own.is_some_and(|own| own != told.recording) => StrayWhy::Second,
                _ => return Ok(None),
            },
        };
        let kept = self.one("SELECT count(*) AS n FROM stray_artefact", [], |row| codec::count(row, "n"))?;
        if kept.unwrap_or(0) >= u64::from(limits::STRAY_ARTEFACTS) {
            return Ok(Some(why));
        }
        let new = self.write(
            "INSERT INTO stray_artefact (subject, kind, attempt, why, at) VALUES (?1, 'recording', ?2, ?3, ?4) \
             ON CONFLICT (subject, attempt) DO NOTHING",
            (told.recording.as_str(), attempt.0.as_bytes(), why.as_str(), now.0),
        )?;
        if new > 0 && why == StrayWhy::AnotherCall {
            let words = format!("recording {} names another call than this attempt's", told.recording);
            self.audit("conflict", &attempt.to_string(), &words, now)?;
        }
        Ok(Some(why))
    }

    /// Artefacts and callbacks about no known call, newest first.
    pub fn strays(&self, most: u32) -> Result<Vec<StrayRow>, LedgerFault> {
        self.rows(
            "SELECT kind, subject, attempt, why, at FROM stray_artefact \
             UNION ALL SELECT 'callback', sid, attempt, 'unknown_attempt', min(at) FROM fact WHERE orphan = 1 \
                       GROUP BY attempt, sid \
             ORDER BY at DESC LIMIT ?1",
            [most],
            |row| {
                Ok(StrayRow {
                    kind: row.get("kind")?,
                    subject: row.get("subject")?,
                    attempt: AttemptId(codec::uuid(row, "attempt")?).to_string(),
                    why: row.get("why")?,
                    at: codec::wall(row, "at")?.rfc3339(),
                })
            },
        )
    }

    /// Whether this ledger knows a call.
    pub fn has_call(&self, call: CallId) -> Result<bool, LedgerFault> {
        let sql = "SELECT 1 FROM call WHERE id = ?1 UNION ALL SELECT 1 FROM attempt WHERE id = ?1 LIMIT 1";
        Ok(self.one(sql, [call.0.as_bytes()], |_| Ok(()))?.is_some())
    }
}
