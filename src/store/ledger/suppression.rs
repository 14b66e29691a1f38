//! Who must never be called: our own list, prefixes, and the do-not-call files of others.
//!
//! A number is on a list under its keyed hash only, so that a list outlives the erasure of a person's data.

use hmac::{Hmac, KeyInit, Mac};
use rusqlite::TransactionBehavior;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::keyfile::{self, Key, KeyFault};
use super::{BlockReason, Ledger, LedgerFault, codec};
use crate::base::{Country, LeadId, Phone, Prefix, Wall, limits};

/// A do-not-call file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DncFile {
    /// Its row.
    pub id: i64,
    /// Whose rules ask for it.
    pub country: Country,
    /// Where it comes from.
    pub source: String,
    /// The day it was drawn up.
    pub dated: Wall,
    /// When it was read.
    pub imported_at: Wall,
    /// Its numbers.
    pub rows: u64,
    /// Whether it was read to its end.
    pub complete: bool,
}

/// A range of numbers that is never called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrefixRow {
    /// The range.
    pub prefix: Prefix,
    /// Why.
    pub reason: String,
    /// Who said so.
    pub source: String,
    /// Since when.
    pub at: Wall,
}

/// The suppression list in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SuppressionCounts {
    /// Numbers of our own list, by reason.
    pub own: Vec<(String, u64)>,
    /// Ranges.
    pub prefixes: Vec<PrefixRow>,
    /// Files of others.
    pub files: Vec<DncFile>,
}

/// Makes sure that the ledger has a key, and gives it. `seed`: 32 random bytes that are stored nowhere.
///
/// A ledger of schema 1 hashed its list with the key of its tokens, which lay in the ledger itself: that key moves out
/// into the file, and the tokens get a new one.
pub(super) fn key(
    conn: &mut rusqlite::Connection,
    ledger: &std::path::Path,
    seed: &[u8; 32],
) -> Result<Result<Key, KeyFault>, LedgerFault> {
    let path = keyfile::path_of(ledger);
    let unit = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let bound: bool = unit.query_row("SELECT EXISTS (SELECT 1 FROM suppression_key)", [], |row| row.get(0))?;
    if !bound {
        let hashed: bool = unit.query_row("SELECT EXISTS (SELECT 1 FROM suppression)", [], |row| row.get(0))?;
        if hashed {
            let old: Vec<u8> = unit.query_row("SELECT token_key FROM meta", [], |row| row.get(0))?;
            let old: [u8; 32] =
                old.try_into().map_err(|_| LedgerFault::Corrupt("its token key has not 32 bytes".to_owned()))?;
            keyfile::bind(&unit, &path, &Zeroizing::new(old), true)?;
            unit.execute("UPDATE meta SET token_key = ?1", [derive(seed, "token").as_slice()])?;
        } else {
            keyfile::bind(&unit, &path, &Zeroizing::new(derive(seed, "suppression")), false)?;
        }
    }
    unit.commit()?;
    keyfile::load(conn, &path)
}

/// A key from a seed that is not kept.
pub(super) fn derive(seed: &[u8; 32], what: &str) -> [u8; 32] {
    Sha256::new().chain_update(b"ahoy key 1 ").chain_update(what).chain_update(seed).finalize().into()
}

impl Ledger {
    /// Whether the suppression list can be read. Without it nobody may be called (law 7: unknown means no).
    pub fn check_suppression_key(&self) -> Result<(), LedgerFault> {
        self.names.as_ref().map(|_| ()).map_err(|fault| fault.clone().into())
    }

    /// The name of a number on the lists.
    fn phone_name(&self, phone: &Phone) -> Result<[u8; 32], LedgerFault> {
        let key = self.names.as_ref().map_err(Clone::clone)?;
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_slice()).expect("HMAC takes keys of any length");
        mac.update(b"ahoy suppression 1 ");
        mac.update(phone.expose().as_bytes());
        Ok(mac.finalize().into_bytes().into())
    }

    /// Whether a number must not be called: it is on our own list, in a range, or in a do-not-call file.
    pub fn is_suppressed(&self, phone: &Phone) -> Result<bool, LedgerFault> {
        let name = self.phone_name(phone)?;
        let found = self.one(
            "SELECT 1 FROM suppression WHERE phone = ?1 \
             UNION ALL SELECT 1 FROM dnc_file AS f \
                 WHERE EXISTS (SELECT 1 FROM dnc_number AS n WHERE n.file = f.id AND n.phone = ?1) \
             UNION ALL SELECT 1 FROM suppression_prefix WHERE prefix IN \
                 (substr(?2, 1, 2), substr(?2, 1, 3), substr(?2, 1, 4), substr(?2, 1, 5), substr(?2, 1, 6), \
                  substr(?2, 1, 7), substr(?2, 1, 8), substr(?2, 1, 9), substr(?2, 1, 10), substr(?2, 1, 11), \
                  substr(?2, 1, 12), substr(?2, 1, 13), substr(?2, 1, 14), substr(?2, 1, 15), ?2) \
             LIMIT 1",
            (name.as_slice(), phone.expose()),
            |_| Ok(()),
        )?;
        Ok(found.is_some())
    }

    /// Whether there is anything on any list: an import into a ledger without lists need not ask about each number.
    pub fn has_lists(&self) -> Result<bool, LedgerFault> {
        self.check_suppression_key()?;
        let any = "SELECT 1 WHERE EXISTS (SELECT 1 FROM suppression) OR EXISTS (SELECT 1 FROM suppression_prefix) \
                   OR EXISTS (SELECT 1 FROM dnc_file)";
        Ok(self.one(any, [], |_| Ok(()))?.is_some())
    }

    /// Puts a number on the suppression list, for all campaigns. True if it was not there before.
    ///
    /// Every ready or waiting lead of that number is blocked in the same unit; a held one is when its attempt ends.
    pub fn suppress(&mut self, phone: &Phone, reason: &str, source: &str, at: Wall) -> Result<bool, LedgerFault> {
        self.atomically(|ledger| {
            let name = ledger.phone_name(phone)?;
            let added = ledger.write(
                "INSERT INTO suppression (phone, reason, source, at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
                (name.as_slice(), reason, source, at.0),
            )?;
            ledger.bar_phone(phone, at)?;
            if added > 0 {
                ledger.audit("suppress", &phone.to_string(), &format!("{source}: {reason}"), at)?;
            }
            Ok(added > 0)
        })
    }

    fn bar_phone(&self, phone: &Phone, at: Wall) -> Result<usize, LedgerFault> {
        self.write(
            "UPDATE lead SET state = 'blocked', due = NULL, reason = ?2, changed_at = ?3 \
             WHERE phone = ?1 AND state IN ('ready', 'review')",
            (phone.expose(), BlockReason::Suppressed.as_str(), at.0),
        )
    }

    /// Never calls a range of numbers again. True if it was not there before; refuses more than
    /// [`limits::SUPPRESSION_PREFIXES`] ranges. [`Ledger::look_through_leads`] then finds the leads that wait.
    pub fn suppress_prefix(
        &mut self,
        prefix: &Prefix,
        reason: &str,
        source: &str,
        at: Wall,
    ) -> Result<bool, LedgerFault> {
        self.atomically(|ledger| {
            let ranges: Option<u64> =
                ledger.one("SELECT count(*) AS n FROM suppression_prefix", [], |row| codec::count(row, "n"))?;
            if ranges.unwrap_or(0) >= limits::SUPPRESSION_PREFIXES {
                return Err(LedgerFault::Bug(format!("more than {} suppressed ranges", limits::SUPPRESSION_PREFIXES)));
            }
            let added = ledger.write(
                "INSERT INTO suppression_prefix (prefix, reason, source, at) VALUES (?1, ?2, ?3, ?4) \
                 ON CONFLICT DO NOTHING",
                (prefix.as_str(), reason, source, at.0),
            )?;
            if added > 0 {
                ledger.audit("suppress", &format!("{prefix}*"), &format!("{source}: {reason}"), at)?;
            }
            Ok(added > 0)
        })
    }

    /// Takes a number off our own list. True if it was there. Files of others and ranges still bind.
    pub fn unsuppress(&mut self, phone: &Phone, reason: &str, at: Wall) -> Result<bool, LedgerFault> {
        self.atomically(|ledger| {
            let name = ledger.phone_name(phone)?;
            let gone = ledger.write("DELETE FROM suppression WHERE phone = ?1", [name.as_slice()])?;
            if gone > 0 {
                ledger.audit("unsuppress", &phone.to_string(), reason, at)?;
            }
            Ok(gone > 0)
        })
    }

    /// Takes a range off the list. True if it was there.
    pub fn unsuppress_prefix(&mut self, prefix: &Prefix, reason: &str, at: Wall) -> Result<bool, LedgerFault> {
        self.atomically(|ledger| {
            let gone = ledger.write("DELETE FROM suppression_prefix WHERE prefix = ?1", [prefix.as_str()])?;
            if gone > 0 {
                ledger.audit("unsuppress", &format!("{prefix}*"), reason, at)?;
            }
            Ok(gone > 0)
        })
    }

    /// Looks at up to `limit` leads after `after`, by row: those that wait and are on a list by now are blocked, those
    /// that were blocked for a list and are on none any more are ready. Gives the last lead looked at (`None`: that was
    /// all), how many were blocked, and how many are ready again.
    pub fn look_through_leads(
        &mut self,
        after: LeadId,
        limit: u32,
        now: Wall,
    ) -> Result<(Option<LeadId>, u64, u64), LedgerFault> {
        self.atomically(|ledger| {
            let page = ledger.rows(
                "SELECT id, phone, state, reason FROM lead WHERE id > ?1 ORDER BY id LIMIT ?2",
                (after.0, limit),
                |row| {
                    let state: String = row.get("state")?;
                    let reason: Option<String> = row.get("reason")?;
                    Ok((LeadId(row.get("id")?), codec::phone(row, "phone")?, state, reason))
                },
            )?;
            let (mut barred, mut freed) = (0, 0);
            for (lead, phone, state, reason) in &page {
                let waits = state == "ready" || state == "review";
                let held_back = state == "blocked" && reason.as_deref() == Some(BlockReason::Suppressed.as_str());
                if !waits && !held_back {
                    continue;
                }
                let listed = ledger.is_suppressed(phone)?;
                if waits && listed {
                    barred += ledger.bar_phone(phone, now)? as u64;
                } else if held_back && !listed {
                    freed += ledger.write(
                        "UPDATE lead SET state = 'ready', due = ?2, reason = NULL, changed_at = ?2 WHERE id = ?1",
                        (lead.0, now.0),
                    )? as u64;
                }
            }
            Ok((page.last().map(|(lead, ..)| *lead), barred, freed))
        })
    }

    /// Starts to read a do-not-call file.
    pub fn begin_dnc(&mut self, country: Country, source: &str, dated: Wall, now: Wall) -> Result<i64, LedgerFault> {
        self.atomically(|ledger| {
            ledger.check_suppression_key()?;
            ledger.write(
                "INSERT INTO dnc_file (country, source, dated, imported_at) VALUES (?1, ?2, ?3, ?4)",
                (country.as_str(), source, dated.0, now.0),
            )?;
            Ok(ledger.conn.last_insert_rowid())
        })
    }

    /// Adds numbers of a do-not-call file. They bind at once. Gives how many were new to the file.
    pub fn dnc_chunk(&mut self, file: i64, phones: &[Phone]) -> Result<u64, LedgerFault> {
        self.atomically(|ledger| {
            let mut added = 0;
            for phone in phones {
                let name = ledger.phone_name(phone)?;
                added += ledger.write(
                    "INSERT INTO dnc_number (file, phone) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
                    (file, name.as_slice()),
                )? as u64;
            }
            ledger.write("UPDATE dnc_file SET rows = rows + ?2 WHERE id = ?1", (file, added as i64))?;
            Ok(added)
        })
    }

    /// The file was read to its end: from now on its date counts. Gives the files that it replaces (same country and
    /// source, complete or broken off, not newer than it); [`Ledger::drop_dnc`] removes them.
    pub fn finish_dnc(&mut self, file: i64, now: Wall) -> Result<Vec<i64>, LedgerFault> {
        self.atomically(|ledger| {
            ledger.write("UPDATE dnc_file SET complete = 1 WHERE id = ?1", [file])?;
            let told = ledger.one(
                "SELECT country || ' ' || source AS subject, rows FROM dnc_file WHERE id = ?1",
                [file],
                |row| Ok((row.get::<_, String>("subject")?, codec::count(row, "rows")?)),
            )?;
            let (subject, rows) = told.ok_or(LedgerFault::Unknown("do-not-call file"))?;
            ledger.audit("dnc import", &subject, &format!("{rows} numbers"), now)?;
            ledger.rows(
                "SELECT old.id FROM dnc_file AS old JOIN dnc_file AS new ON new.id = ?1 \
                 WHERE old.id <> new.id AND old.country = new.country AND old.source = new.source \
                   AND old.dated <= new.dated",
                [file],
                |row| Ok(row.get(0)?),
            )
        })
    }

    /// Removes up to `limit` numbers of a do-not-call file; with the last of them the file itself. True while there is more.
    pub fn drop_dnc(&mut self, file: i64, limit: u32, now: Wall) -> Result<bool, LedgerFault> {
        self.atomically(|ledger| {
            let gone = ledger.write(
                "DELETE FROM dnc_number WHERE file = ?1 AND phone IN \
                     (SELECT phone FROM dnc_number WHERE file = ?1 LIMIT ?2)",
                (file, limit),
            )?;
            // A file that loses numbers is no proof of anything any more.
            ledger.write("UPDATE dnc_file SET complete = 0 WHERE id = ?1", [file])?;
            if gone == limit as usize {
                return Ok(true);
            }
            let subject = ledger.one(
                "SELECT country || ' ' || source AS subject FROM dnc_file WHERE id = ?1",
                [file],
                |row| Ok(row.get::<_, String>("subject")?),
            )?;
            if let Some(subject) = subject {
                ledger.write("DELETE FROM dnc_file WHERE id = ?1", [file])?;
                ledger.audit("dnc removed", &subject, "", now)?;
            }
            Ok(false)
        })
    }

    /// Every do-not-call file, newest first.
    pub fn dnc_files(&self) -> Result<Vec<DncFile>, LedgerFault> {
        self.rows(
            "SELECT id, country, source, dated, imported_at, rows, complete FROM dnc_file ORDER BY dated DESC, id DESC",
            [],
            |row| {
                Ok(DncFile {
                    id: row.get("id")?,
                    country: codec::word(row, "country")?,
                    source: row.get("source")?,
                    dated: codec::wall(row, "dated")?,
                    imported_at: codec::wall(row, "imported_at")?,
                    rows: codec::count(row, "rows")?,
                    complete: row.get("complete")?,
                })
            },
        )
    }

    /// What the lists hold.
    pub fn suppression_counts(&self) -> Result<SuppressionCounts, LedgerFault> {
        let own = self.rows(
            "SELECT reason, count(*) AS n FROM suppression GROUP BY reason ORDER BY n DESC LIMIT ?1",
            [limits::LIST_ROWS],
            |row| Ok((row.get("reason")?, codec::count(row, "n")?)),
        )?;
        let prefixes =
            self.rows("SELECT prefix, reason, source, at FROM suppression_prefix ORDER BY prefix", [], |row| {
                Ok(PrefixRow {
                    prefix: codec::word(row, "prefix")?,
                    reason: row.get("reason")?,
                    source: row.get("source")?,
                    at: codec::wall(row, "at")?,
                })
            })?;
        Ok(SuppressionCounts { own, prefixes, files: self.dnc_files()? })
    }

    /// Gives up a list whose key is lost: its hashes say nothing any more. Leads of this ledger that were blocked for
    /// it go onto the new list; all other numbers of it must be brought again. Gives how many were lost and how many kept.
    pub fn renew_suppression_key(
        &mut self,
        ledger: &std::path::Path,
        seed: &[u8; 32],
        reason: &str,
        now: Wall,
    ) -> Result<(u64, u64), LedgerFault> {
        let path = keyfile::path_of(ledger);
        let fresh: Key = Zeroizing::new(derive(seed, "suppression"));
        let done = self.atomically(|ledger| {
            keyfile::renew(&ledger.conn, &path, &fresh)?;
            ledger.names = Ok(fresh);
            let lost = ledger.write("DELETE FROM suppression", [])? as u64
                + ledger.write("DELETE FROM dnc_number", [])? as u64;
            ledger.write("DELETE FROM dnc_file", [])?;
            let known = ledger.rows(
                "SELECT DISTINCT phone FROM lead WHERE state = 'blocked' AND state != 'ready' AND reason = ?1",
                [BlockReason::Suppressed.as_str()],
                |row| codec::phone(row, "phone"),
            )?;
            for phone in &known {
                ledger.suppress(phone, "blocked before the key was lost", "new key", now)?;
            }
            let kept = known.len() as u64;
            ledger.audit("new suppression key", &format!("{lost} lost, {kept} kept"), reason, now)?;
            Ok((lost, kept))
        });
        self.names = keyfile::load(&self.conn, &path)?;
        done
    }
}
