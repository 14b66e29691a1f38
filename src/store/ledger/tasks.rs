//! What comes after a call: the carrier's recording, waited for and fetched or missing for a reason; and the price.

use super::{Ledger, LedgerFault, StrayWhy, codec};
use crate::base::{AttemptId, CallId, Money, Phone, Sid, Wall};
use crate::core::call::recording::{self, End};
use crate::core::wire::recordings::RecordingTold;

/// A carrier's recording that can be asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueRecording {
    /// Its call.
    pub call: CallId,
    /// The carrier's id of it; `None`: the answer was lost, its call's recordings must be listed.
    pub recording: Option<Sid>,
    /// The carrier's id of the call.
    pub sid: Sid,
    /// When the carrier was asked to record.
    pub begun: Wall,
    /// The call's folder, relative to the calls folder; `None`: a crash kept it from being written down.
    pub folder: Option<String>,
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

impl Ledger {
    /// The carrier will be asked to record a call: written down before the request leaves, so that a recording whose
    /// answer and callback are lost is looked for.
    pub fn recording_wanted(&mut self, attempt: AttemptId, now: Wall) -> Result<(), LedgerFault> {
        self.want_recording(attempt, None, now)
    }

    /// The carrier records a call from now on.
    pub fn recording_begun(&mut self, attempt: AttemptId, recording: &Sid, now: Wall) -> Result<(), LedgerFault> {
        self.want_recording(attempt, Some(recording), now)
    }

    fn want_recording(&mut self, attempt: AttemptId, subject: Option<&Sid>, now: Wall) -> Result<(), LedgerFault> {
        self.atomically(|ledger| {
            let known = ledger.known(attempt)?.ok_or(LedgerFault::Unknown("attempt"))?;
            ledger.ensure_call(&known)?;
            let first = recording::ask_again(now, now).unwrap_or(now);
            ledger.write(
                "INSERT INTO task (call, kind, state, due, subject, since) VALUES (?1, 'recording', 'waiting', ?2, ?3, ?4) \
                 ON CONFLICT (call, kind) DO UPDATE SET subject = coalesce(subject, excluded.subject)",
                rusqlite::params![attempt.call().0.as_bytes(), first.0, subject.map(Sid::as_str), now.0],
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
                 ON CONFLICT (call, kind) DO UPDATE SET state = 'missing', due = NULL, reason = excluded.reason \
                 WHERE state = 'waiting' AND subject IS NULL",
                rusqlite::params![attempt.call().0.as_bytes(), now.0, why],
            )?;
            Ok(())
        })
    }

    /// The carrier's word about a recording, in whatever order it comes; a recording whose beginning's answer was lost is
    /// taken up here. What is fetched or missing stays so. `Some`: it is about no call of ours, kept as a stray.
    pub fn recording_told(
        &mut self,
        attempt: AttemptId,
        told: &RecordingTold,
        now: Wall,
    ) -> Result<Option<StrayWhy>, LedgerFault> {
        self.atomically(|ledger| {
            if let Some(why) = ledger.strays_off(attempt, told, now)? {
                return Ok(Some(why));
            }
            ledger.recording_begun(attempt, &told.recording, now)?;
            let end = match recording::end_of(told.state, now, now) {
                None => End::Later(now),
                Some(End::Later(_)) => return Ok(None),
                Some(end) => end,
            };
            ledger.end_recording(attempt.call(), Some(&told.recording), &end)?;
            Ok(None)
        })
    }

    /// What asking or fetching came to.
    pub fn recording_is(&mut self, call: CallId, end: &End) -> Result<(), LedgerFault> {
        self.end_recording(call, None, end)
    }

    fn end_recording(&mut self, call: CallId, only: Option<&Sid>, end: &End) -> Result<(), LedgerFault> {
        let (state, due, reason) = match end {
            End::Fetched => ("done", None, None),
            End::Missing(why) => ("missing", None, Some(why.as_str())),
            End::Later(at) => ("waiting", Some(at.0), None),
        };
        self.atomically(|ledger| {
            ledger.write(
                "UPDATE task SET state = ?3, due = ?4, reason = ?5, tries = tries + 1 \
                 WHERE call = ?1 AND kind = 'recording' AND state = 'waiting' AND (?2 IS NULL OR subject = ?2)",
                rusqlite::params![call.0.as_bytes(), only.map(Sid::as_str), state, due, reason],
            )?;
            Ok(())
        })
    }

    /// Recordings of an account that are due, the longest due first. A call that is not over and whose folder is not known yet
    /// still runs.
    pub fn due_recordings(&self, account: &str, now: Wall, most: u32) -> Result<Vec<DueRecording>, LedgerFault> {
        self.rows(
            "SELECT t.call, t.subject, t.since, k.folder, a.sid FROM task t JOIN call k ON k.id = t.call \
             JOIN attempt a ON a.id = k.attempt \
             WHERE t.kind = 'recording' AND t.state = 'waiting' AND t.due <= ?2 AND a.account = ?1 \
               AND a.sid IS NOT NULL AND (k.folder IS NOT NULL OR a.state = 'ended') ORDER BY t.due LIMIT ?3",
            (account, now.0, most),
            |row| {
                Ok(DueRecording {
                    call: CallId(codec::uuid(row, "call")?),
                    recording: codec::maybe_word(row, "subject")?,
                    sid: codec::word(row, "sid")?,
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
