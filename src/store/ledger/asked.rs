//! What the carrier was asked and what that proved: evidence of releases, calls that must end, the slowest ever seen.

use rusqlite::Row;

use super::attempts::Known;
use super::{Evidence, Ledger, LedgerFault, Settled, UnwantedCall, codec};
use crate::base::{AttemptId, Sid, Wall, limits};
use crate::core::dial::CallStatus;
use crate::core::dial::attempt::{Alarm, Fact, Input, Source, State, Step};
use crate::core::dial::horizon::Slowest;

impl Ledger {
    /// Releases an unknown attempt, with the list that shows no call of it: both are written, or neither.
    pub fn release(&mut self, attempt: AttemptId, evidence: &Evidence, now: Wall) -> Result<Settled, LedgerFault> {
        self.atomically(|ledger| {
            let known = ledger.known(attempt)?.ok_or(LedgerFault::Unknown("attempt"))?;
            if known.standing.state != State::Unknown {
                // A callback was faster than the list: it knows more.
                return Ok(known.unchanged());
            }
            let settled = ledger.apply(attempt, Input::ListedNone, now)?;
            if !settled.stray {
                ledger.write(
                    "INSERT INTO evidence (attempt, asked_at, answered_at, since, pages, calls, sids) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
                    (
                        attempt.0.as_bytes(),
                        evidence.asked_at.0,
                        evidence.answered_at.0.max(evidence.asked_at.0),
                        evidence.since.0,
                        evidence.pages,
                        evidence.calls,
                        codec::to_json(&evidence.sids)?,
                    ),
                )?;
                ledger.not_listed(attempt, evidence.asked_at)?;
            }
            Ok(settled)
        })
    }

    /// Gives up an unknown attempt after its horizon, at a carrier that has no list: its lead waits for a person, and its
    /// number is nobody's to call until then.
    pub fn give_up(&mut self, attempt: AttemptId, now: Wall) -> Result<Settled, LedgerFault> {
        self.atomically(|ledger| {
            let known = ledger.known(attempt)?.ok_or(LedgerFault::Unknown("attempt"))?;
            if known.standing.state != State::Unknown {
                // A callback was faster: it knows more.
                return Ok(known.unchanged());
            }
            ledger.apply(attempt, Input::NoList, now)
        })
    }

    /// A call of this attempt was there and is gone, and nobody said how it ended: as [`Ledger::give_up`], from any state
    /// that is still open.
    pub fn lost_sight(&mut self, attempt: AttemptId, now: Wall) -> Result<Settled, LedgerFault> {
        self.atomically(|ledger| {
            let known = ledger.known(attempt)?.ok_or(LedgerFault::Unknown("attempt"))?;
            match known.standing.state {
                State::Unknown | State::Placed | State::Ringing | State::Answered | State::Bridged => {
                    ledger.apply(attempt, Input::NoList, now)
                }
                // An event was faster, or nothing has been sent yet.
                State::Intent | State::Ended | State::Rejected | State::NotPlaced | State::Zombie => {
                    Ok(known.unchanged())
                }
            }
        })
    }

    /// The list by which an attempt was released.
    pub fn evidence(&self, attempt: AttemptId) -> Result<Option<Evidence>, LedgerFault> {
        self.one(
            "SELECT asked_at, answered_at, since, pages, calls, sids FROM evidence WHERE attempt = ?1",
            [attempt.0.as_bytes()],
            |row| {
                Ok(Evidence {
                    asked_at: codec::wall(row, "asked_at")?,
                    answered_at: codec::wall(row, "answered_at")?,
                    since: codec::wall(row, "since")?,
                    pages: row.get("pages")?,
                    calls: row.get("calls")?,
                    sids: codec::json(row, "sids")?,
                })
            },
        )
    }

    /// Notes that a complete list, asked for at this time, showed no call of an attempt.
    pub fn not_listed(&mut self, attempt: AttemptId, asked_at: Wall) -> Result<(), LedgerFault> {
        self.write(
            "UPDATE attempt SET not_listed_at = max(coalesce(not_listed_at, ?2), ?2) WHERE id = ?1",
            (attempt.0.as_bytes(), asked_at.0),
        )?;
        Ok(())
    }

    /// Calls that must end and are not known to be over, of one account or of all.
    pub fn unwanted_calls(&self, account: Option<&str>) -> Result<Vec<UnwantedCall>, LedgerFault> {
        self.rows(
            "SELECT account, sid, attempt, why, found_at, status, tries FROM unwanted_call \
             WHERE over_at IS NULL AND (?1 IS NULL OR account = ?1) ORDER BY found_at, sid LIMIT ?2",
            (account, limits::LIST_ROWS),
            unwanted_row,
        )
    }

    /// Counts one more try to end a call.
    pub fn ending(&mut self, account: &str, sid: &Sid) -> Result<(), LedgerFault> {
        self.write(
            "UPDATE unwanted_call SET tries = tries + 1 WHERE account = ?1 AND sid = ?2",
            (account, sid.as_str()),
        )?;
        Ok(())
    }

    /// The carrier knows no such call any more: it is over.
    pub fn unwanted_gone(&mut self, account: &str, sid: &Sid, now: Wall) -> Result<(), LedgerFault> {
        self.write(
            "UPDATE unwanted_call SET over_at = ?3 WHERE account = ?1 AND sid = ?2 AND over_at IS NULL",
            (account, sid.as_str(), now.0),
        )?;
        Ok(())
    }

    /// The slowest that was ever seen at an account.
    pub fn slowest(&self, account: &str) -> Result<Slowest, LedgerFault> {
        let found =
            self.one("SELECT answer_ms, unlisted_ms, queue_ms FROM slowest WHERE account = ?1", [account], |row| {
                Ok(Slowest {
                    answer_ms: codec::count(row, "answer_ms")?,
                    unlisted_ms: codec::count(row, "unlisted_ms")?,
                    queue_ms: codec::count(row, "queue_ms")?,
                })
            })?;
        Ok(found.unwrap_or_default())
    }

    /// Keeps what was seen at an account where it is slower than all before.
    pub fn saw(&mut self, account: &str, seen: &Slowest) -> Result<(), LedgerFault> {
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.write(
            "INSERT INTO slowest (account, answer_ms, unlisted_ms, queue_ms) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (account) DO UPDATE SET answer_ms = max(answer_ms, excluded.answer_ms), \
                 unlisted_ms = max(unlisted_ms, excluded.unlisted_ms), queue_ms = max(queue_ms, excluded.queue_ms)",
            (account, number(seen.answer_ms), number(seen.unlisted_ms), number(seen.queue_ms)),
        )?;
        Ok(())
    }

    /// Learns from the first word about a call how long the carrier kept us waiting for it.
    pub(super) fn learn(&mut self, known: &Known, source: Source, now: Wall) -> Result<(), LedgerFault> {
        let first = known.standing.sid.is_none();
        let times = self.one(
            "SELECT intent_at, not_listed_at FROM attempt WHERE id = ?1",
            [known.attempt.0.as_bytes()],
            |row| Ok((codec::wall(row, "intent_at")?, codec::maybe_wall(row, "not_listed_at")?)),
        )?;
        let Some((intent_at, not_listed_at)) = times else { return Ok(()) };
        let since = |at: Wall| u64::try_from(at.0 - intent_at.0).unwrap_or(0);
        // No request runs longer: what is beyond is our own sleep.
        let most = (limits::SEND_WINDOW + limits::PLACE_TIMEOUT).as_millis();
        let answer_ms = if source == Source::Answer { since(now) } else { 0 };
        let seen = Slowest {
            answer_ms: answer_ms.min(u64::try_from(most).unwrap_or(u64::MAX)),
            unlisted_ms: not_listed_at.filter(|_| first).map_or(0, since),
            queue_ms: 0,
        };
        let before = self.slowest(&known.account)?;
        if before.max(seen) == before {
            return Ok(());
        }
        self.saw(&known.account, &seen)
    }

    /// Writes down a call that must end, before anybody tries to end it.
    pub(super) fn unwanted(&self, known: &Known, step: &Step, fact: &Fact, now: Wall) -> Result<(), LedgerFault> {
        let why = if step.alarms.contains(&Alarm::DoubleDial) {
            "second"
        } else if step.state == State::Zombie && known.standing.state != State::Zombie {
            "zombie"
        } else {
            return Ok(());
        };
        self.write(
            "INSERT INTO unwanted_call (account, sid, attempt, why, found_at, status) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
             ON CONFLICT DO NOTHING",
            (known.account.as_str(), fact.sid.as_str(), known.attempt.0.as_bytes(), why, now.0, fact.status.as_str()),
        )?;
        Ok(())
    }

    /// A word about a call that must end: its final one takes it off the list.
    pub(super) fn unwanted_told(
        &self,
        known: &Known,
        sid: &Sid,
        status: CallStatus,
        now: Wall,
    ) -> Result<(), LedgerFault> {
        self.write(
            "UPDATE unwanted_call SET status = ?3, over_at = CASE WHEN ?4 THEN ?5 END \
             WHERE account = ?1 AND sid = ?2 AND over_at IS NULL",
            (known.account.as_str(), sid.as_str(), status.as_str(), status.is_terminal(), now.0),
        )?;
        Ok(())
    }
}

fn unwanted_row(row: &Row<'_>) -> Result<UnwantedCall, LedgerFault> {
    Ok(UnwantedCall {
        account: row.get("account")?,
        sid: codec::word(row, "sid")?,
        attempt: AttemptId(codec::uuid(row, "attempt")?),
        why: row.get("why")?,
        found_at: codec::wall(row, "found_at")?,
        status: codec::word(row, "status")?,
        tries: row.get("tries")?,
    })
}
