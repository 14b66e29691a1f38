//! Transcripts and summaries after calls: wanted in the unit that ends the call, done or missing for a reason later.

use rusqlite::Row;

use super::attempts::Known;
use super::{Ledger, LedgerFault, codec};
use crate::base::{CallId, Language, Money, Slug, Wall, limits};
use crate::core::call::after::{AfterCall, Writing, Written};
use crate::core::dial::Outcome;

/// A transcript or summary whose time has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueWriting {
    /// Its call.
    pub call: CallId,
    /// When the call was over.
    pub since: Wall,
    /// Tries that counted.
    pub tries: u32,
    /// The call's folder, relative to the calls folder; `None`: a crash kept it from being written down.
    pub folder: Option<String>,
    /// When the attempt was made: the folder is of that day or the next.
    pub made_at: Wall,
    /// The language that was spoken.
    pub language: Language,
    /// Keys that the callee pressed.
    pub keys: String,
}

/// Where a transcript, a summary or a carrier's recording of a call stands.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TaskRow {
    /// `recording`, `transcript` or `summary`.
    pub kind: String,
    /// `waiting`, `done` or `missing`.
    pub state: String,
    /// Why it is missing, or why the last try failed.
    pub reason: Option<String>,
    /// Tries.
    pub tries: u32,
    /// What it cost.
    pub cost: Money,
}

impl Ledger {
    /// An answered call wants what its campaign wants; one that a machine answered has nothing that is worth writing down.
    pub(super) fn want_writings(&self, known: &Known, outcome: Outcome, now: Wall) -> Result<(), LedgerFault> {
        let after = known.policy.after;
        let wanted = [(Writing::Transcript, after.transcript), (Writing::Summary, after.summary)];
        let spoken = matches!(outcome, Outcome::Answered | Outcome::OptedOut | Outcome::CallBack);
        let machine = matches!(outcome, Outcome::Voicemail | Outcome::MessageLeft);
        for (kind, _) in wanted.into_iter().filter(|(_, wanted)| *wanted) {
            let call = known.attempt.call();
            if spoken {
                self.ensure_call(known)?;
                self.write(
                    "INSERT INTO task (call, kind, state, due, since) VALUES (?1, ?2, 'waiting', ?3, ?3) \
                     ON CONFLICT (call, kind) DO NOTHING",
                    (call.0.as_bytes(), kind.as_str(), now.0),
                )?;
            } else if machine {
                self.write(
                    "UPDATE task SET state = 'missing', due = NULL, reason = 'a machine answered' \
                     WHERE call = ?1 AND kind = ?2 AND state = 'waiting'",
                    (call.0.as_bytes(), kind.as_str()),
                )?;
            }
        }
        Ok(())
    }

    /// A call to us in which somebody was on the line wants what its desk's campaign wants.
    pub(super) fn want_inbound_writings(&self, call: CallId, after: AfterCall, now: Wall) -> Result<(), LedgerFault> {
        let wanted = [(Writing::Transcript, after.transcript), (Writing::Summary, after.summary)];
        for (kind, _) in wanted.into_iter().filter(|(_, wanted)| *wanted) {
            self.write(
                "INSERT INTO task (call, kind, state, due, since) VALUES (?1, ?2, 'waiting', ?3, ?3) \
                 ON CONFLICT (call, kind) DO NOTHING",
                (call.0.as_bytes(), kind.as_str(), now.0),
            )?;
        }
        Ok(())
    }

    /// Writings of a campaign that are due, the longest due first. A call whose folder is not known may still be writing it,
    /// unless its process died; a summary waits until its transcript is done or missing.
    pub fn due_writings(
        &self,
        kind: Writing,
        campaign: &Slug,
        due: Wall,
        now: Wall,
        most: u32,
    ) -> Result<Vec<DueWriting>, LedgerFault> {
        self.rows(
            "SELECT t.call, t.since, t.tries, k.folder, coalesce(a.intent_at, k.answered_at) AS made_at, coalesce(k.language, a.language) AS language, k.keys \
             FROM task t JOIN call k ON k.id = t.call LEFT JOIN attempt a ON a.id = k.attempt \
             WHERE t.kind = ?1 AND t.state = 'waiting' AND t.due <= ?3 \
               AND coalesce(a.campaign, k.campaign) = (SELECT id FROM campaign WHERE name = ?2) AND (k.folder IS NOT NULL OR t.since <= ?4) \
               AND (?1 = 'transcript' OR NOT EXISTS (SELECT 1 FROM task o WHERE o.call = t.call \
                                                     AND o.kind = 'transcript' AND o.state = 'waiting')) \
             ORDER BY t.due LIMIT ?5",
            (kind.as_str(), campaign.as_str(), due.0, now.0 - ms(limits::WRITING_ORPHANED), most),
            due_row,
        )
    }

    /// How many writings of a campaign are waited for; with `by`, only those that can be made by then.
    pub fn waiting_writings(&self, campaign: &Slug, by: Option<Wall>) -> Result<u64, LedgerFault> {
        let found = self.one(
            "SELECT count(*) AS waiting FROM task t JOIN call k ON k.id = t.call LEFT JOIN attempt a ON a.id = k.attempt \
             WHERE t.kind IN ('transcript', 'summary') AND t.state = 'waiting' \
               AND coalesce(a.campaign, k.campaign) = (SELECT id FROM campaign WHERE name = ?1) \
               AND (?2 IS NULL OR t.due <= ?2 AND k.folder IS NOT NULL)",
            (campaign.as_str(), by.map(|by| by.0)),
            |row| codec::count(row, "waiting"),
        )?;
        Ok(found.unwrap_or(0))
    }

    /// Campaigns with writings that are waited for.
    pub fn campaigns_with_writings(&self) -> Result<Vec<Slug>, LedgerFault> {
        self.rows(
            "SELECT DISTINCT c.name FROM task t JOIN call k ON k.id = t.call LEFT JOIN attempt a ON a.id = k.attempt \
             JOIN campaign c ON c.id = coalesce(a.campaign, k.campaign) \
             WHERE t.kind IN ('transcript', 'summary') AND t.state = 'waiting' ORDER BY c.name",
            [],
            |row| codec::word(row, "name"),
        )
    }

    /// What a try came to, and what it cost. `counts`: it is one of the tries that are given up after a number of them. What
    /// is done or missing stays so.
    pub fn writing_is(
        &mut self,
        call: CallId,
        kind: Writing,
        came_to: &Written,
        cost: Money,
        counts: bool,
    ) -> Result<(), LedgerFault> {
        let (state, due, reason) = match came_to {
            Written::Done => ("done", None, None),
            Written::Missing(why) => ("missing", None, Some(why.as_str())),
            Written::Later(at, why) => ("waiting", Some(at.0), Some(why.as_str())),
        };
        self.write(
            "UPDATE task SET state = ?3, due = ?4, reason = ?5, tries = tries + ?6, cost = cost + ?7 \
             WHERE call = ?1 AND kind = ?2 AND state = 'waiting'",
            (call.0.as_bytes(), kind.as_str(), state, due, reason, counts, cost.0),
        )?;
        Ok(())
    }

    /// The folder of a call whose process died before it could say so.
    pub fn folder_found(&mut self, call: CallId, folder: &str) -> Result<(), LedgerFault> {
        self.write("UPDATE call SET folder = coalesce(folder, ?2) WHERE id = ?1", (call.0.as_bytes(), folder))?;
        Ok(())
    }

    /// Everything that is or was waited for after a call.
    pub fn tasks_of(&self, call: CallId) -> Result<Vec<TaskRow>, LedgerFault> {
        self.rows("SELECT * FROM task WHERE call = ?1 ORDER BY kind", [call.0.as_bytes()], |row| {
            Ok(TaskRow {
                kind: row.get("kind")?,
                state: row.get("state")?,
                reason: row.get("reason")?,
                tries: row.get("tries")?,
                cost: Money(row.get("cost")?),
            })
        })
    }

    /// The newest calls of a campaign without what should have been written down, and why.
    pub fn missing_writings(&self, campaign: &Slug, most: u32) -> Result<Vec<(CallId, String, String)>, LedgerFault> {
        self.rows(
            "SELECT t.call, t.kind, t.reason FROM task t JOIN call k ON k.id = t.call LEFT JOIN attempt a ON a.id = k.attempt \
             WHERE t.kind IN ('transcript', 'summary') AND t.state = 'missing' \
               AND coalesce(a.campaign, k.campaign) = (SELECT id FROM campaign WHERE name = ?1) ORDER BY t.since DESC LIMIT ?2",
            (campaign.as_str(), most),
            |row| Ok((CallId(codec::uuid(row, "call")?), row.get("kind")?, row.get("reason")?)),
        )
    }
}

fn due_row(row: &Row<'_>) -> Result<DueWriting, LedgerFault> {
    Ok(DueWriting {
        call: CallId(codec::uuid(row, "call")?),
        since: codec::wall(row, "since")?,
        tries: row.get("tries")?,
        folder: row.get("folder")?,
        made_at: codec::wall(row, "made_at")?,
        language: codec::word(row, "language")?,
        keys: row.get::<_, Option<String>>("keys")?.unwrap_or_default(),
    })
}

fn ms(span: std::time::Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
