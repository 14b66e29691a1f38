//! Calls that people make to us, each with the lead of its caller.

use rusqlite::params;

use super::{CallNote, Ledger, LedgerFault, codec};
use crate::base::{CallId, Language, LeadId, Phone, Sid, Slug, Wall};
use crate::core::call::after::AfterCall;

/// A call that a desk has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboundCall {
    /// Our id of it.
    pub call: CallId,
    /// The campaign whose desk took it.
    pub campaign: Slug,
    /// Who calls; `None` = they withhold their number: such a call has no lead.
    pub caller: Option<Phone>,
    /// The reserved id that a new caller was given from memory ([`Ledger::reserve_leads`]).
    pub promised: Option<LeadId>,
    /// The carrier's account.
    pub account: String,
    /// The carrier's id of it.
    pub sid: Sid,
    /// Our number.
    pub called: Phone,
    /// The phrase that greets.
    pub phrase: Slug,
    /// Its fingerprint.
    pub greeting: String,
    /// In this language.
    pub language: Language,
    /// When it came.
    pub at: Wall,
}

/// What became of it, beyond what every call has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InboundEnd {
    /// When it was over.
    pub at: Option<Wall>,
    /// Why.
    pub cause: Option<String>,
    /// How long the menu was heard before a key, ms.
    pub menu_ms: Option<u64>,
    /// How long somebody waited for the agent after it, ms.
    pub waited_ms: Option<u64>,
    /// Length of the message that they left, ms.
    pub message_ms: Option<u64>,
    /// What is to be written about it.
    pub after: AfterCall,
}

/// An inbound call in lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboundRow {
    /// Our id of it.
    pub call: CallId,
    /// Its lead, if the caller showed a number.
    pub lead: Option<LeadId>,
    /// When it came.
    pub at: Wall,
    /// The phrase that greeted.
    pub phrase: String,
    /// Why it ended; `None`: it goes on, or its end was lost.
    pub cause: Option<String>,
    /// `start` → first sound, µs.
    pub first_audio_us: Option<u64>,
    /// Length, ms.
    pub duration_ms: Option<u64>,
    /// Length of the message that they left, ms.
    pub message_ms: Option<u64>,
    /// How long the menu was heard before a key, ms.
    pub menu_ms: Option<u64>,
    /// How long somebody waited for the agent after it, ms.
    pub waited_ms: Option<u64>,
    /// Folder of the call log, relative to the calls folder.
    pub folder: Option<String>,
}

impl Ledger {
    /// Writes an inbound call down, with its lead. The same call again changes nothing. Gives the lead that it has: the one
    /// that was promised, unless the number has another.
    pub fn take_call(&mut self, taken: &InboundCall) -> Result<Option<LeadId>, LedgerFault> {
        self.atomically(|ledger| {
            let campaign = ledger.ensure_campaign(&taken.campaign, taken.at)?;
            let lead = match &taken.caller {
                Some(phone) => Some(ledger.lead_of_caller(campaign, phone, taken.promised, taken.at)?),
                None => None,
            };
            ledger.write(
                "INSERT INTO call (id, lead, campaign, account, sid, called, phrase, language, answered_at, greeting) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING",
                params![
                    taken.call.0.as_bytes(),
                    lead.map(|lead| lead.0),
                    campaign,
                    taken.account,
                    taken.sid.as_str(),
                    taken.called.expose(),
                    taken.phrase.as_str(),
                    taken.language.as_str(),
                    taken.at.0,
                    taken.greeting,
                ],
            )?;
            Ok(lead)
        })
    }

    /// What became of an inbound call. A wish never to be called is kept first.
    ///
    /// Errors: `Unknown` if the call was never taken.
    pub fn inbound_note(
        &mut self,
        call: CallId,
        caller: Option<&Phone>,
        note: &CallNote,
        end: &InboundEnd,
        now: Wall,
    ) -> Result<(), LedgerFault> {
        let number = |value: Option<u64>| value.map(|value| i64::try_from(value).unwrap_or(i64::MAX));
        self.atomically(|ledger| {
            if let (true, Some(phone)) = (note.opted_out, caller) {
                ledger.suppress(phone, "opted out on the call", "call", now)?;
            }
            let changed = ledger.write(
                "UPDATE call SET ended_at = coalesce(?2, ended_at), cause = coalesce(?3, cause), \
                     menu_ms = coalesce(?4, menu_ms), waited_ms = coalesce(?5, waited_ms), \
                     message_ms = coalesce(?6, message_ms) WHERE id = ?1 AND attempt IS NULL",
                params![
                    call.0.as_bytes(),
                    end.at.map(|at| at.0),
                    end.cause,
                    number(end.menu_ms),
                    number(end.waited_ms),
                    number(end.message_ms)
                ],
            )?;
            if changed == 0 {
                return Err(LedgerFault::Unknown("call"));
            }
            ledger.want_inbound_writings(call, end.after, now)?;
            ledger.merge_note(call, note)
        })
    }

    /// Inbound calls of a campaign (none: of all) that came at or after `since`, newest first.
    pub fn inbound_calls(
        &self,
        campaign: Option<&Slug>,
        since: Wall,
        limit: u32,
    ) -> Result<Vec<InboundRow>, LedgerFault> {
        self.rows(
            "SELECT * FROM call WHERE attempt IS NULL AND campaign IS NOT NULL AND answered_at >= ?2 \
             AND (?1 IS NULL OR campaign = (SELECT id FROM campaign WHERE name = ?1)) \
             ORDER BY answered_at DESC, id DESC LIMIT ?3",
            (campaign.map(Slug::as_str), since.0, limit),
            inbound_row,
        )
    }

    /// One inbound call; `None`: the ledger has none of this id.
    pub fn inbound_call(&self, call: CallId) -> Result<Option<InboundRow>, LedgerFault> {
        self.one(
            "SELECT * FROM call WHERE id = ?1 AND attempt IS NULL AND campaign IS NOT NULL",
            [call.0.as_bytes()],
            inbound_row,
        )
    }

    /// Calls that a lead made to us, oldest first.
    pub fn calls_by(&self, lead: LeadId) -> Result<Vec<InboundRow>, LedgerFault> {
        self.rows(
            "SELECT * FROM call WHERE attempt IS NULL AND campaign IS NOT NULL AND lead = ?1 ORDER BY answered_at, id LIMIT 1000",
            [lead.0],
            inbound_row,
        )
    }
}

fn inbound_row(row: &rusqlite::Row<'_>) -> Result<InboundRow, LedgerFault> {
    let number = |column: &str| -> Result<Option<u64>, LedgerFault> {
        Ok(row.get::<_, Option<i64>>(column)?.and_then(|value| u64::try_from(value).ok()))
    };
    Ok(InboundRow {
        call: CallId(codec::uuid(row, "id")?),
        lead: row.get::<_, Option<i64>>("lead")?.map(LeadId),
        at: codec::wall(row, "answered_at")?,
        phrase: row.get("phrase")?,
        cause: row.get("cause")?,
        first_audio_us: number("first_audio_us")?,
        duration_ms: number("duration_ms")?,
        message_ms: number("message_ms")?,
        menu_ms: number("menu_ms")?,
        waited_ms: number("waited_ms")?,
        folder: row.get("folder")?,
    })
}
