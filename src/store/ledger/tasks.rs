//! What comes after a call: the carrier's recording, waited for and fetched or missing for a reason; and the price.

use super::{Ledger, LedgerFault, codec};
use crate::base::{AttemptId, CallId, Money, Phone, Sid, Wall};
use crate::core::call::recording;
use crate::core::wire::recordings::{RecordingState, RecordingTold};

/// A carrier's recording that can be asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueRecording {
    /// Its call.
    pub call: CallId,
    /// The carrier's id of it.
    pub recording: Sid,
    /// When the carrier was asked to record.
    pub begun: Wall,
    /// The call's folder, relative to the calls folder.
    pub folder: String,
}

/// What became of a carrier's recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordingEnd {
    /// It lies in the call's folder.
    Fetched,
    /// There is none, and why.
    Missing(String),
    /// Asked again then.
    Later(Wall),
}

/// A number whose calls have no price yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpriced {
    /// The number that was shown.
    pub caller: Phone,
    /// When the first of them was claimed.
    pub since: Wall,
    /// How many.
    pub calls: u64,
}

/// Why there is no recording, in words.
fn why_absent(code: Option<i64>) -> String {
    match code {
        Some(16_101) => "too short (code 16101)".to_owned(),
        Some(16_102) => "silent (code 16102)".to_owned(),
        Some(code) => format!("the carrier has none (code {code})"),
        None => "the carrier has none".to_owned(),
    }
}

impl Ledger {
    /// The carrier records a call from now on.
    pub fn recording_begun(&mut self, attempt: AttemptId, recording: &Sid, now: Wall) -> Result<(), LedgerFault> {
        self.atomically(|ledger| {
            let known = ledger.known(attempt)?.ok_or(LedgerFault::Unknown("attempt"))?;
            ledger.ensure_call(&known)?;
            let first = recording::ask_again(now, now).unwrap_or(now);
            ledger.write(
                "INSERT INTO task (call, kind, state, due, subject, since) VALUES (?1, 'recording', 'waiting', ?2, ?3, ?4) \
                 ON CONFLICT (call, kind) DO NOTHING",
                rusqlite::params![attempt.call().0.as_bytes(), first.0, recording.as_str(), now.0],
            )?;
            Ok(())
        })
    }

    /// The carrier would not record a call.
    pub fn recording_refused(&mut self, attempt: AttemptId, why: &str, now: Wall) -> Result<(), LedgerFault> {
        self.atomically(|ledger| {
            let known = ledger.known(attempt)?.ok_or(LedgerFault::Unknown("attempt"))?;
            ledger.ensure_call(&known)?;
            ledger.write(
                "INSERT INTO task (call, kind, state, since, reason) VALUES (?1, 'recording', 'missing', ?2, ?3) \
                 ON CONFLICT (call, kind) DO NOTHING",
                rusqlite::params![attempt.call().0.as_bytes(), now.0, why],
            )?;
            Ok(())
        })
    }

    /// The carrier's word about a recording, in whatever order it comes; a recording whose beginning's answer was lost is
    /// taken up here. What is fetched or missing stays so.
    pub fn recording_told(&mut self, attempt: AttemptId, told: &RecordingTold, now: Wall) -> Result<(), LedgerFault> {
        self.recording_begun(attempt, &told.recording, now)?;
        let end = match told.state {
            RecordingState::Pending => return Ok(()),
            RecordingState::Ready => RecordingEnd::Later(now),
            RecordingState::Absent(code) => RecordingEnd::Missing(why_absent(code)),
        };
        self.end_recording(attempt.call(), Some(&told.recording), &end)
    }

    /// What asking or fetching came to.
    pub fn recording_is(&mut self, call: CallId, end: &RecordingEnd) -> Result<(), LedgerFault> {
        self.end_recording(call, None, end)
    }

    fn end_recording(&mut self, call: CallId, only: Option<&Sid>, end: &RecordingEnd) -> Result<(), LedgerFault> {
        let (state, due, reason) = match end {
            RecordingEnd::Fetched => ("done", None, None),
            RecordingEnd::Missing(why) => ("missing", None, Some(why.as_str())),
            RecordingEnd::Later(at) => ("waiting", Some(at.0), None),
        };
        self.atomically(|ledger| {
            ledger.write(
                "UPDATE task SET state = ?3, due = ?4, reason = ?5, tries = tries + 1 \
                 WHERE call = ?1 AND kind = 'recording' AND state = 'waiting' AND subject = coalesce(?2, subject)",
                rusqlite::params![call.0.as_bytes(), only.map(Sid::as_str), state, due, reason],
            )?;
            Ok(())
        })
    }

    /// What the carrier says about a recording's state, as a word for [`Ledger::recording_is`]; `None`: fetch it.
    pub fn recording_end(state: RecordingState, begun: Wall, now: Wall) -> Option<RecordingEnd> {
        match state {
            RecordingState::Ready => None,
            RecordingState::Absent(code) => Some(RecordingEnd::Missing(why_absent(code))),
            RecordingState::Pending => Some(match recording::ask_again(begun, now) {
                Some(at) => RecordingEnd::Later(at),
                None => RecordingEnd::Missing("not ready after a day".to_owned()),
            }),
        }
    }

    /// Recordings of an account that are due, the longest due first. A call whose folder is not known yet still runs.
    pub fn due_recordings(&self, account: &str, now: Wall, most: u32) -> Result<Vec<DueRecording>, LedgerFault> {
        self.rows(
            "SELECT t.call, t.subject, t.since, k.folder FROM task t JOIN call k ON k.id = t.call \
             JOIN attempt a ON a.id = k.attempt \
             WHERE t.kind = 'recording' AND t.state = 'waiting' AND t.due <= ?2 AND a.account = ?1 \
               AND t.subject IS NOT NULL AND k.folder IS NOT NULL ORDER BY t.due LIMIT ?3",
            (account, now.0, most),
            |row| {
                Ok(DueRecording {
                    call: CallId(codec::uuid(row, "call")?),
                    recording: codec::word(row, "subject")?,
                    begun: codec::wall(row, "since")?,
                    folder: row.get("folder")?,
                })
            },
        )
    }

    /// How many of an account's recordings are waited for.
    pub fn waiting_recordings(&self, account: &str) -> Result<u64, LedgerFault> {
        let found = self.one(
            "SELECT count(*) AS waiting FROM task t JOIN call k ON k.id = t.call JOIN attempt a ON a.id = k.attempt \
             WHERE t.kind = 'recording' AND t.state = 'waiting' AND a.account = ?1",
            [account],
            |row| codec::count(row, "waiting"),
        )?;
        Ok(found.unwrap_or(0))
    }

    /// Calls without a recording that should have one, and why: newest first.
    pub fn missing_recordings(&self, account: &str, most: u32) -> Result<Vec<(CallId, String)>, LedgerFault> {
        self.rows(
            "SELECT t.call, t.reason FROM task t JOIN call k ON k.id = t.call JOIN attempt a ON a.id = k.attempt \
             WHERE t.kind = 'recording' AND t.state = 'missing' AND a.account = ?1 ORDER BY t.since DESC LIMIT ?2",
            (account, most),
            |row| Ok((CallId(codec::uuid(row, "call")?), row.get("reason")?)),
        )
    }

    /// Numbers whose calls ended without a price so far, of calls claimed at or after `since`.
    pub fn unpriced(&self, account: &str, since: Wall) -> Result<Vec<Unpriced>, LedgerFault> {
        self.rows(
            "SELECT a.caller, min(a.intent_at) AS since, count(*) AS calls FROM attempt a JOIN call k ON k.attempt = a.id \
             WHERE a.account = ?1 AND a.intent_at >= ?2 AND a.sid IS NOT NULL AND a.state = 'ended' AND k.price IS NULL \
             GROUP BY a.caller ORDER BY a.caller",
            (account, since.0),
            |row| {
                Ok(Unpriced {
                    caller: codec::phone(row, "caller")?,
                    since: codec::wall(row, "since")?,
                    calls: codec::count(row, "calls")?,
                })
            },
        )
    }

    /// What the carrier charged for calls; those that this ledger does not know, and those
    /// whose price is known, are passed over. Gives how many it took, and their sum.
    pub fn priced(&mut self, account: &str, prices: &[(Sid, Money)]) -> Result<(u64, Money), LedgerFault> {
        self.atomically(|ledger| {
            let (mut taken, mut sum) = (0, Money::default());
            for (sid, price) in prices {
                let new = ledger.write(
                    "UPDATE call SET price = ?3 WHERE price IS NULL \
                     AND attempt = (SELECT id FROM attempt WHERE account = ?1 AND sid = ?2)",
                    (account, sid.as_str(), price.0),
                )?;
                if new > 0 {
                    taken += 1;
                    sum += *price;
                }
            }
            Ok((taken, sum))
        })
    }
}
