//! Carrier accounts, and the numbers we call from: what is stopped, what rests, what was sent lately.

use std::time::Duration;

use uuid::Uuid;

use super::{Ledger, LedgerFault, codec};
use crate::base::{AttemptId, Phone, Wall, limits};
use crate::core::config::account::{account_id, is_old_spelling};
use crate::core::dial::breaker::StopKind;

/// Why an account is stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountStop {
    /// What kind of stop.
    pub kind: StopKind,
    /// In words.
    pub reason: String,
    /// Since when.
    pub at: Wall,
    /// The attempts that show it, oldest first, at most [`limits::STOP_ATTEMPTS`].
    pub attempts: Vec<AttemptId>,
}

/// A number that the carrier refuses to call from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestingCaller {
    /// The number.
    pub caller: Phone,
    /// Since when.
    pub since: Wall,
    /// Until when, unless a person resumes it.
    pub until: Wall,
    /// What the carrier said.
    pub reason: String,
}

impl Ledger {
    /// What earlier ledgers kept of an account under a carrier's name (`NAME:ID`: a stop, resting numbers, what was seen)
    /// becomes the account's own. Gives how many names it had.
    pub fn adopt_account(&mut self, account: &str, now: Wall) -> Result<u64, LedgerFault> {
        let ending = format!(":{}", account_id(account));
        self.atomically(|ledger| {
            let found = ledger.rows(
                "SELECT name FROM account WHERE substr(name, -length(?1)) = ?1 AND name <> ?2 \
                 UNION SELECT account FROM caller_rest WHERE substr(account, -length(?1)) = ?1 AND account <> ?2 \
                 UNION SELECT account FROM slowest WHERE substr(account, -length(?1)) = ?1 AND account <> ?2 LIMIT ?3",
                (&ending, account, limits::LIST_ROWS),
                |row| Ok(row.get::<_, String>(0)?),
            )?;
            let old: Vec<String> = found.into_iter().filter(|name| is_old_spelling(name)).collect();
            for name in &old {
                for sql in [
                    "UPDATE OR IGNORE account SET name = ?2 WHERE name = ?1",
                    "UPDATE OR IGNORE caller_rest SET account = ?2 WHERE account = ?1",
                ] {
                    ledger.write(sql, (name, account))?;
                }
                // A stop or a rest that the account has already is the one that counts.
                ledger.write("DELETE FROM account WHERE name = ?1", [name])?;
                ledger.write("DELETE FROM caller_rest WHERE account = ?1", [name])?;
                let seen = ledger.slowest(name)?;
                ledger.saw(account, &seen)?;
                ledger.write("DELETE FROM slowest WHERE account = ?1", [name])?;
                ledger.audit("account_rename", account, name, now)?;
            }
            Ok(old.len() as u64)
        })
    }

    /// Why an account is stopped, in words; `None` if it is not.
    pub fn account_stop(&self, account: &str) -> Result<Option<String>, LedgerFault> {
        self.one("SELECT reason FROM account WHERE name = ?1", [account], |row| Ok(row.get(0)?))
    }

    /// Why an account is stopped, with the attempts that show it; `None` if it is not.
    pub fn account_breaker(&self, account: &str) -> Result<Option<AccountStop>, LedgerFault> {
        self.one("SELECT kind, reason, stopped_at, attempts FROM account WHERE name = ?1", [account], |row| {
            let attempts: Vec<Uuid> = codec::json(row, "attempts")?;
            Ok(AccountStop {
                kind: codec::word(row, "kind")?,
                reason: row.get("reason")?,
                at: codec::wall(row, "stopped_at")?,
                attempts: attempts.into_iter().map(AttemptId).collect(),
            })
        })
    }

    /// Stops an account: claims on it are refused until [`Ledger::resume_account`]. The first reason stays; true if
    /// this is it.
    pub fn stop_account(
        &mut self,
        account: &str,
        kind: StopKind,
        reason: &str,
        attempts: &[AttemptId],
        now: Wall,
    ) -> Result<bool, LedgerFault> {
        let shown: Vec<Uuid> = attempts.iter().take(limits::STOP_ATTEMPTS).map(|attempt| attempt.0).collect();
        self.atomically(|ledger| {
            let changed = ledger.write(
                "INSERT INTO account (name, stopped_at, kind, reason, attempts) VALUES (?1, ?2, ?3, ?4, ?5) \
                 ON CONFLICT (name) DO NOTHING",
                (account, now.0, kind.as_str(), reason, codec::to_json(&shown)?),
            )?;
            if changed > 0 {
                ledger.audit("account_stop", account, &format!("{kind}: {reason}"), now)?;
            }
            Ok(changed > 0)
        })
    }

    /// Lets an account dial again after a person has looked. True if it was stopped.
    pub fn resume_account(&mut self, account: &str, now: Wall) -> Result<bool, LedgerFault> {
        self.atomically(|ledger| {
            let changed = ledger.write("DELETE FROM account WHERE name = ?1", [account])?;
            if changed > 0 {
                ledger.audit("account_resume", account, "", now)?;
            }
            Ok(changed > 0)
        })
    }

    /// Keeps that the carrier ended an attempt because of our account, with its code: such an end is not the lead's.
    /// To be told before the fact that ends it.
    pub fn ended_by_account(&mut self, attempt: AttemptId, code: u32) -> Result<(), LedgerFault> {
        self.write("UPDATE attempt SET account_code = ?2 WHERE id = ?1", (attempt.0.as_bytes(), code))?;
        Ok(())
    }

    /// How many calls an account was given at or after `since`; at most `most`. Clocks that step back count too many.
    pub fn sent_since(&self, account: &str, since: Wall, most: u32) -> Result<usize, LedgerFault> {
        let sent = self.one(
            "SELECT count(*) FROM (SELECT 1 FROM attempt WHERE account = ?1 AND intent_at >= ?2 LIMIT ?3)",
            (account, since.0, most),
            |row| Ok(row.get::<_, u32>(0)?),
        )?;
        Ok(sent.unwrap_or(0) as usize)
    }

    /// Lets a number rest: nobody is called from it for `span`, unless a person resumes it. True if it was awake.
    pub fn rest_caller(
        &mut self,
        account: &str,
        caller: &Phone,
        span: Duration,
        reason: &str,
        now: Wall,
    ) -> Result<bool, LedgerFault> {
        self.atomically(|ledger| {
            let awake = !ledger.rests(account, caller, now)?;
            ledger.write(
                "INSERT INTO caller_rest (account, caller, since, until, reason) VALUES (?1, ?2, ?3, ?4, ?5) \
                 ON CONFLICT (account, caller) DO UPDATE SET since = excluded.since, until = excluded.until, \
                                                             reason = excluded.reason",
                (account, caller.expose(), now.0, (now + span).0, reason),
            )?;
            if awake {
                ledger.audit("caller_rest", account, &format!("{caller}: {reason}"), now)?;
            }
            Ok(awake)
        })
    }

    /// Numbers of an account that rest now.
    pub fn resting_callers(&self, account: &str, now: Wall) -> Result<Vec<RestingCaller>, LedgerFault> {
        self.rows(
            "SELECT caller, since, until, reason FROM caller_rest WHERE account = ?1 AND until > ?2 ORDER BY caller",
            (account, now.0),
            |row| {
                Ok(RestingCaller {
                    caller: codec::phone(row, "caller")?,
                    since: codec::wall(row, "since")?,
                    until: codec::wall(row, "until")?,
                    reason: row.get("reason")?,
                })
            },
        )
    }

    pub(super) fn rests(&self, account: &str, caller: &Phone, now: Wall) -> Result<bool, LedgerFault> {
        let found = self.one(
            "SELECT 1 FROM caller_rest WHERE account = ?1 AND caller = ?2 AND until > ?3",
            (account, caller.expose(), now.0),
            |_| Ok(()),
        )?;
        Ok(found.is_some())
    }

    /// Wakes numbers before their time. Gives how many rested.
    pub fn wake_callers(&mut self, account: &str, callers: &[Phone], now: Wall) -> Result<u64, LedgerFault> {
        self.atomically(|ledger| {
            let mut woken = 0;
            for caller in callers {
                let rested = ledger.rests(account, caller, now)?;
                ledger
                    .write("DELETE FROM caller_rest WHERE account = ?1 AND caller = ?2", (account, caller.expose()))?;
                if rested {
                    woken += 1;
                    ledger.audit("caller_resume", account, &caller.to_string(), now)?;
                }
            }
            Ok(woken)
        })
    }
}
