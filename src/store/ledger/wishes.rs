//! Wishes of callers to be called with their own voice: durable before they are promised, one call each at most.

use rusqlite::Row;

use super::{Ledger, LedgerFault, codec};
use crate::base::{AttemptId, CallId, LeadId, Phone, Slug, Wall};

/// A wish that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenWish {
    /// The call on which it was made.
    pub call: CallId,
    /// Whose.
    pub lead: LeadId,
    /// Their number.
    pub phone: Phone,
    /// The campaign whose desk promised it.
    pub campaign: Slug,
    /// When it was made.
    pub at: Wall,
    /// It is given up then.
    pub until: Wall,
}

/// What became of a wish.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct WishRow {
    /// `open`, `placed` or `dropped`.
    pub state: String,
    /// The call that it became.
    pub call: Option<CallId>,
    /// Why it became none.
    pub reason: Option<String>,
    /// Until when it may become one, RFC 3339.
    pub until: String,
}

impl Ledger {
    /// Keeps a wish. Somebody who has an open one has it still: they are called once.
    pub fn make_wish(&mut self, call: CallId, lead: LeadId, now: Wall, until: Wall) -> Result<(), LedgerFault> {
        self.write(
            "INSERT INTO wish (call, lead, state, at, until) VALUES (?1, ?2, 'open', ?3, ?4) ON CONFLICT DO NOTHING",
            (call.0.as_bytes(), lead.0, now.0, until.0),
        )?;
        Ok(())
    }

    /// Wishes that are open, oldest first.
    pub fn open_wishes(&self, most: u32) -> Result<Vec<OpenWish>, LedgerFault> {
        self.rows(
            "SELECT w.call, w.lead, w.at, w.until, l.phone, c.name AS campaign FROM wish w JOIN lead l ON l.id = w.lead \
             JOIN campaign c ON c.id = l.campaign WHERE w.state = 'open' ORDER BY w.at, w.call LIMIT ?1",
            [most],
            |row: &Row<'_>| {
                Ok(OpenWish {
                    call: CallId(codec::uuid(row, "call")?),
                    lead: LeadId(row.get("lead")?),
                    phone: codec::phone(row, "phone")?,
                    campaign: codec::word(row, "campaign")?,
                    at: codec::wall(row, "at")?,
                    until: codec::wall(row, "until")?,
                })
            },
        )
    }

    /// What became of the wish that was made on a call.
    pub fn wish(&self, call: CallId) -> Result<Option<WishRow>, LedgerFault> {
        self.one("SELECT state, attempt, reason, until FROM wish WHERE call = ?1", [call.0.as_bytes()], |row| {
            let attempt: Option<Vec<u8>> = row.get("attempt")?;
            Ok(WishRow {
                state: row.get("state")?,
                call: attempt.map(|_| codec::uuid(row, "attempt").map(CallId)).transpose()?,
                reason: row.get("reason")?,
                until: codec::wall(row, "until")?.rfc3339(),
            })
        })
    }

    /// Lets the lead of an open wish be called: who had only called us, or was done with, is due now; `consent`, and the
    /// language that greeted them, are put on file where there is none. False if the wish is open no more. For the unit that claims: its caller undoes it otherwise.
    pub fn admit_wish(&mut self, call: CallId, consent: &str, now: Wall) -> Result<bool, LedgerFault> {
        let lead = self.one(
            "SELECT lead FROM wish WHERE call = ?1 AND state = 'open' AND until > ?2",
            (call.0.as_bytes(), now.0),
            |row| Ok(row.get::<_, i64>("lead")?),
        )?;
        let Some(lead) = lead else { return Ok(false) };
        self.write(
            "UPDATE lead SET state = 'ready', due = ?2, reason = NULL, changed_at = ?2 WHERE id = ?1 \
               AND ((state = 'blocked' AND reason = 'called_us') OR (state = 'done' AND reason != 'opted_out'))",
            (lead, now.0),
        )?;
        self.write(
            "UPDATE lead SET consent = coalesce(consent, ?2), \
                             language = coalesce(language, (SELECT language FROM call WHERE id = ?3)) WHERE id = ?1",
            (lead, consent, call.0.as_bytes()),
        )?;
        Ok(true)
    }

    /// A wish has become a call: in the unit of its claim. False if it is open no more: then nobody is called.
    pub fn wish_is_placed(&mut self, call: CallId, attempt: AttemptId, now: Wall) -> Result<bool, LedgerFault> {
        let changed = self.write(
            "UPDATE wish SET state = 'placed', attempt = ?2, ended_at = ?3 WHERE call = ?1 AND state = 'open'",
            (call.0.as_bytes(), attempt.0.as_bytes(), now.0),
        )?;
        Ok(changed > 0)
    }

    /// A wish becomes no call.
    pub fn drop_wish(&mut self, call: CallId, reason: &str, now: Wall) -> Result<(), LedgerFault> {
        self.write(
            "UPDATE wish SET state = 'dropped', reason = ?2, ended_at = ?3 WHERE call = ?1 AND state = 'open'",
            (call.0.as_bytes(), reason, now.0),
        )?;
        Ok(())
    }
}
