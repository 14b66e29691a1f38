//! Cloned voices: one row a caller and service, the right to upload, voices on their way out, and what happened.

use rusqlite::Row;

use super::{Ledger, LedgerFault, codec};
use crate::base::{CallId, Phone, Wall, limits};
use crate::core::clone::Consent;
use crate::core::clone::slots::Candidate;
use crate::core::clone::step::{Known, may_come};
use crate::core::config::CloneProvider;

/// Where a clone stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloneState {
    /// It is being made, or an upload's answer was lost. Its maker, or the next look, moves it on.
    Making,
    /// Its voice is there.
    Ready,
    /// It came to nothing; the next wish tries again.
    Failed,
}

/// A clone as the ledger has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloneRow {
    /// Row.
    pub id: i64,
    /// Whose voice.
    pub phone: Phone,
    /// At which service.
    pub provider: CloneProvider,
    /// Where it stands.
    pub state: CloneState,
    /// What it is called there.
    pub label: String,
    /// What the next step is decided by.
    pub known: Known,
    /// What the person agreed to.
    pub consent: Consent,
    /// Why it failed last.
    pub reason: Option<String>,
    /// When it was made.
    pub made_at: Option<Wall>,
    /// When it was last used; before that, when it was wanted.
    pub used_at: Wall,
}

/// Whether an upload may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// It may, by nobody else: this is written down.
    Ours,
    /// An upload may be under way already.
    Taken,
    /// The clone was removed meanwhile.
    Gone,
}

/// A voice that is to be deleted at its service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaving {
    /// Row.
    pub id: i64,
    /// What it is called there.
    pub label: String,
    /// Its id there; `None`: an upload's answer was lost.
    pub voice: Option<String>,
    /// An upload may become a voice until then.
    pub until: Wall,
    /// Why it goes.
    pub why: String,
    /// Since when.
    pub since: Wall,
    /// Tries so far.
    pub tries: u32,
    /// Why the last one failed.
    pub fault: Option<String>,
}

/// Kinds of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloneEventKind {
    /// The voice was there.
    Ready,
    /// It was not.
    Failed,
    /// A call was handed over to it.
    Transfer,
}

/// What happened to a clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloneEvent {
    /// The clone's row; `None`: none was begun.
    pub clone: Option<i64>,
    /// The call that waited for it.
    pub call: Option<CallId>,
    /// When.
    pub at: Wall,
    /// What.
    pub kind: CloneEventKind,
    /// From the wish on, ms.
    pub took_ms: u64,
    /// It came from memory.
    pub cached: bool,
    /// Kind of the fault.
    pub fault: Option<String>,
    /// The fault in words.
    pub error: Option<String>,
}

/// Which clones are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhichClones<'a> {
    /// All.
    All,
    /// Those of a caller.
    Of(&'a Phone),
}

const COLUMNS: &str = "id, phone, provider, state, label, voice, sample, consent, consent_on, reason, sent_at, made_at, \
                       used_at, expires_at";

fn clone_row(row: &Row<'_>) -> Result<CloneRow, LedgerFault> {
    Ok(CloneRow {
        id: row.get("id")?,
        phone: codec::phone(row, "phone")?,
        provider: codec::word(row, "provider")?,
        state: codec::word(row, "state")?,
        label: row.get("label")?,
        known: Known {
            voice: row.get("voice")?,
            sample: row.get("sample")?,
            sent_at: codec::maybe_wall(row, "sent_at")?,
            expires_at: codec::maybe_wall(row, "expires_at")?,
        },
        consent: Consent { on: codec::wall(row, "consent_on")?, text: row.get("consent")? },
        reason: row.get("reason")?,
        made_at: codec::maybe_wall(row, "made_at")?,
        used_at: codec::wall(row, "used_at")?,
    })
}

impl Ledger {
    /// Clones, the last used first; at most [`limits::LIST_ROWS`] of a caller, all if nobody is named.
    pub fn clones(&self, which: WhichClones<'_>) -> Result<Vec<CloneRow>, LedgerFault> {
        let phone = match which {
            WhichClones::All => None,
            WhichClones::Of(phone) => Some(phone.expose()),
        };
        let sql = format!("SELECT {COLUMNS} FROM clone WHERE ?1 IS NULL OR phone = ?1 ORDER BY used_at DESC, id");
        self.rows(&sql, [phone], clone_row)
    }

    /// A caller's clone at a service.
    pub fn clone_of(&self, caller: &Phone, provider: CloneProvider) -> Result<Option<CloneRow>, LedgerFault> {
        let sql = format!("SELECT {COLUMNS} FROM clone WHERE phone = ?1 AND provider = ?2");
        self.one(&sql, (caller.expose(), provider.as_str()), clone_row)
    }

    /// A clone by its row.
    pub fn clone_by_id(&self, clone: i64) -> Result<Option<CloneRow>, LedgerFault> {
        self.one(&format!("SELECT {COLUMNS} FROM clone WHERE id = ?1"), [clone], clone_row)
    }

    /// A clone will be made of this sample with this consent: gives its row. What it was made of before must have left
    /// ([`Ledger::clone_leaves`]).
    pub fn clone_begins(
        &mut self,
        caller: &Phone,
        provider: CloneProvider,
        label: &str,
        sample: &str,
        consent: &Consent,
        now: Wall,
    ) -> Result<i64, LedgerFault> {
        self.atomically(|ledger| {
            let id: Option<i64> = ledger.one(
                "INSERT INTO clone (phone, provider, state, label, sample, consent, consent_on, used_at) \
                 VALUES (?1, ?2, 'making', ?3, ?4, ?5, ?6, ?7) \
                 ON CONFLICT (phone, provider) DO UPDATE SET consent = excluded.consent, consent_on = excluded.consent_on, \
                     reason = NULL, state = CASE state WHEN 'ready' THEN state ELSE 'making' END, \
                     used_at = excluded.used_at \
                 WHERE label = excluded.label AND sample = excluded.sample RETURNING id",
                (caller.expose(), provider.as_str(), label, sample, &consent.text, consent.on.0, now.0),
                |row| Ok(row.get(0)?),
            )?;
            let id = id.ok_or_else(|| LedgerFault::Bug("a clone of another sample is still there".to_owned()))?;
            // A clone of the same sample was removed before its upload was answered: what comes of that is this one's.
            let lost = ledger.one(
                "DELETE FROM clone_leaving WHERE provider = ?1 AND label = ?2 AND voice IS NULL RETURNING until",
                (provider.as_str(), label),
                |row| codec::wall(row, "until"),
            )?;
            if let Some(until) = lost {
                let sent = until - limits::CLONE_HORIZON;
                ledger.write("UPDATE clone SET sent_at = ?2 WHERE id = ?1 AND voice IS NULL", (id, sent.0))?;
            }
            Ok(id)
        })
    }

    /// Takes the right to upload, in one statement: nobody else has it until it is given back or the horizon has passed.
    pub fn clone_sends(&mut self, clone: i64, now: Wall) -> Result<Right, LedgerFault> {
        self.atomically(|ledger| {
            let sent = ledger.one("SELECT sent_at, voice FROM clone WHERE id = ?1", [clone], |row| {
                Ok((codec::maybe_wall(row, "sent_at")?, row.get::<_, Option<String>>("voice")?))
            })?;
            match sent {
                None => Ok(Right::Gone),
                Some((_, Some(_))) => Ok(Right::Taken),
                Some((Some(sent), None)) if may_come(sent, now) => Ok(Right::Taken),
                Some((_, None)) => {
                    ledger.write("UPDATE clone SET sent_at = ?2, state = 'making' WHERE id = ?1", (clone, now.0))?;
                    Ok(Right::Ours)
                }
            }
        })
    }

    /// The upload was answered, or never left: no voice will come of it, and another may be made.
    pub fn clone_unsent(&mut self, clone: i64) -> Result<(), LedgerFault> {
        self.write("UPDATE clone SET sent_at = NULL WHERE id = ?1 AND voice IS NULL", [clone])?;
        Ok(())
    }

    /// The voice is there. False: the clone was removed meanwhile, and its voice leaves.
    pub fn clone_ready(&mut self, clone: i64, voice: &str, now: Wall, expires: Wall) -> Result<bool, LedgerFault> {
        let kept = self.write(
            "UPDATE clone SET state = 'ready', voice = ?2, made_at = ?3, used_at = ?3, expires_at = ?4, sent_at = NULL, \
                 reason = NULL WHERE id = ?1 AND (voice IS NULL OR voice = ?2)",
            (clone, voice, now.0, expires.0),
        )?;
        Ok(kept > 0)
    }

    /// It came to nothing. A lost upload's right stays as it is.
    pub fn clone_failed(&mut self, clone: i64, why: &str) -> Result<(), LedgerFault> {
        self.write(
            "UPDATE clone SET state = CASE WHEN sent_at IS NULL THEN 'failed' ELSE 'making' END, reason = ?2 \
             WHERE id = ?1 AND voice IS NULL",
            (clone, why),
        )?;
        Ok(())
    }

    /// The voice was used. Returns false if it is not there any more.
    pub fn clone_used(&mut self, clone: i64, now: Wall) -> Result<bool, LedgerFault> {
        let kept = self
            .write("UPDATE clone SET used_at = max(used_at, ?2) WHERE id = ?1 AND state = 'ready'", (clone, now.0))?;
        Ok(kept > 0)
    }

    /// Clones of ours that could make room at a service.
    pub fn clone_candidates(&self, provider: CloneProvider) -> Result<Vec<Candidate>, LedgerFault> {
        self.rows(
            "SELECT id, used_at FROM clone WHERE provider = ?1 AND state = 'ready' ORDER BY used_at LIMIT 100",
            [provider.as_str()],
            |row| Ok(Candidate { id: row.get("id")?, used_at: codec::wall(row, "used_at")? }),
        )
    }

    /// Takes every clone of a caller out of the ledger; their voices are deleted at the services by whoever looks next
    /// ([`Ledger::leaving`]). Gives how many there were.
    pub fn clone_leaves(&mut self, caller: &Phone, why: &str, now: Wall) -> Result<usize, LedgerFault> {
        let clones = self.clones(WhichClones::Of(caller))?;
        for clone in &clones {
            self.leave(clone, why, now)?;
        }
        Ok(clones.len())
    }

    /// The same for one clone by its row.
    pub fn clone_leaves_by_id(&mut self, clone: i64, why: &str, now: Wall) -> Result<(), LedgerFault> {
        match self.clone_by_id(clone)? {
            Some(clone) => self.leave(&clone, why, now),
            None => Ok(()),
        }
    }

    fn leave(&mut self, clone: &CloneRow, why: &str, now: Wall) -> Result<(), LedgerFault> {
        self.atomically(|ledger| {
            let known = &clone.known;
            // A row that never had an upload leaves nothing behind; one of a lost answer may yet become a voice.
            if known.voice.is_some() || known.sent_at.is_some() {
                let until = known.sent_at.map_or(now, |sent| sent + limits::CLONE_HORIZON);
                ledger.voice_leaves(clone.provider, &clone.label, known.voice.as_deref(), until, why, now)?;
            }
            ledger.write("DELETE FROM clone WHERE id = ?1", [clone.id])?;
            Ok(())
        })
    }

    /// A voice is to be deleted at its service. `until`: it may come as late as that (if `voice` is not known).
    pub fn voice_leaves(
        &mut self,
        provider: CloneProvider,
        label: &str,
        voice: Option<&str>,
        until: Wall,
        why: &str,
        now: Wall,
    ) -> Result<(), LedgerFault> {
        self.write(
            "INSERT INTO clone_leaving (provider, label, voice, until, why, since, due) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)",
            (provider.as_str(), label, voice, until.0, why, now.0),
        )?;
        Ok(())
    }

    /// Voices to delete at a service whose time has come, the longest due first.
    pub fn leaving(&self, provider: CloneProvider, now: Wall, most: u32) -> Result<Vec<Leaving>, LedgerFault> {
        self.rows(
            "SELECT id, label, voice, until, why, since, tries, fault FROM clone_leaving \
             WHERE provider = ?1 AND due <= ?2 ORDER BY due, id LIMIT ?3",
            (provider.as_str(), now.0, most),
            |row| {
                Ok(Leaving {
                    id: row.get("id")?,
                    label: row.get("label")?,
                    voice: row.get("voice")?,
                    until: codec::wall(row, "until")?,
                    why: row.get("why")?,
                    since: codec::wall(row, "since")?,
                    tries: row.get("tries")?,
                    fault: row.get("fault")?,
                })
            },
        )
    }

    /// Ids of the voices with this label that are on their way out.
    pub fn leaving_voices(&self, provider: CloneProvider, label: &str) -> Result<Vec<String>, LedgerFault> {
        self.rows(
            "SELECT voice FROM clone_leaving WHERE provider = ?1 AND label = ?2 AND voice IS NOT NULL",
            (provider.as_str(), label),
            |row| Ok(row.get("voice")?),
        )
    }

    /// Whether a clone has this voice.
    pub fn is_voice_of_a_clone(&self, provider: CloneProvider, voice: &str) -> Result<bool, LedgerFault> {
        let found =
            self.one("SELECT 1 FROM clone WHERE provider = ?1 AND voice = ?2", (provider.as_str(), voice), |_| Ok(()))?;
        Ok(found.is_some())
    }

    /// The voice is gone from its service.
    pub fn has_left(&mut self, leaving: i64) -> Result<(), LedgerFault> {
        self.write("DELETE FROM clone_leaving WHERE id = ?1", [leaving])?;
        Ok(())
    }

    /// It could not be deleted: again at `due`.
    pub fn leaves_later(&mut self, leaving: i64, due: Wall, fault: &str) -> Result<(), LedgerFault> {
        self.write(
            "UPDATE clone_leaving SET due = ?2, tries = tries + 1, fault = ?3 WHERE id = ?1",
            (leaving, due.0, fault),
        )?;
        Ok(())
    }

    /// Writes an event down. A clone that is gone by now has none.
    pub fn clone_event(&mut self, event: &CloneEvent) -> Result<(), LedgerFault> {
        self.write(
            "INSERT INTO clone_event (clone, call, at, kind, took_ms, cached, fault, error) \
             SELECT (SELECT id FROM clone WHERE id = ?1), ?2, ?3, ?4, ?5, ?6, ?7, ?8 \
             WHERE ?1 IS NULL OR ?2 IS NOT NULL OR EXISTS (SELECT 1 FROM clone WHERE id = ?1)",
            rusqlite::params![
                event.clone,
                event.call.map(|call| *call.0.as_bytes()),
                event.at.0,
                event.kind.as_str(),
                i64::try_from(event.took_ms).unwrap_or(i64::MAX),
                event.cached,
                event.fault,
                event.error,
            ],
        )?;
        Ok(())
    }

    /// Events of a clone, newest first.
    pub fn clone_events(&self, clone: i64, most: u32) -> Result<Vec<CloneEvent>, LedgerFault> {
        self.rows(
            "SELECT clone, call, at, kind, took_ms, cached, fault, error FROM clone_event WHERE clone = ?1 \
             ORDER BY at DESC, id DESC LIMIT ?2",
            (clone, most),
            event_row,
        )
    }

    /// Events of a call, oldest first.
    pub fn clone_events_of_call(&self, call: CallId) -> Result<Vec<CloneEvent>, LedgerFault> {
        self.rows(
            "SELECT clone, call, at, kind, took_ms, cached, fault, error FROM clone_event WHERE call = ?1 ORDER BY at, id",
            [call.0.as_bytes()],
            event_row,
        )
    }

    /// Every number that a lead has, each once.
    pub fn lead_phones(&self) -> Result<Vec<Phone>, LedgerFault> {
        // Those of erased people belong to nobody: no number in use begins with 0.
        self.rows("SELECT DISTINCT phone FROM lead WHERE phone NOT GLOB '+0*'", [], |row| codec::phone(row, "phone"))
    }
}

fn event_row(row: &Row<'_>) -> Result<CloneEvent, LedgerFault> {
    let call: Option<[u8; 16]> = row.get("call")?;
    Ok(CloneEvent {
        clone: row.get("clone")?,
        call: call.map(|bytes| CallId(uuid::Uuid::from_bytes(bytes))),
        at: codec::wall(row, "at")?,
        kind: codec::word(row, "kind")?,
        took_ms: codec::count(row, "took_ms")?,
        cached: row.get("cached")?,
        fault: row.get("fault")?,
        error: row.get("error")?,
    })
}
