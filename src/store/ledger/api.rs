//! What the HTTP API asks of the ledger besides what everybody asks: keys of requests, one lead at a time, figures.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::incoming::Into;
use super::suppression::derive;
use super::{ImportId, LeadState, Ledger, LedgerFault, OnDuplicate, codec};
use crate::base::{AttemptId, LeadId, Phone, Slug, Wall, limits};
use crate::core::api::order::Who;
use crate::core::dial::attempt::State;

/// What the ledger holds at one moment, in figures.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Holdings {
    /// Attempts that are open (zombies that have not ended included), by state.
    pub open: Vec<(State, u64)>,
    /// Tasks that wait, by kind: recordings to fetch and the like.
    pub tasks: Vec<(String, u64)>,
}

/// What a key of a request stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFound {
    /// Nothing yet, or something that is too old to count.
    New,
    /// This very request, which placed this attempt.
    Same(AttemptId),
    /// Another request.
    Other,
}

/// A lead that a call was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderedLead {
    /// Its row.
    pub lead: LeadId,
    /// Where it stands, due now if it is ready.
    pub state: LeadState,
}

/// The name of the imports that hold people who were named in requests: one a day and campaign.
const FROM_API: &str = "(HTTP API)";

impl Ledger {
    /// Writes a row as it is: the next commit proves that this ledger takes calls. Errors: also `LowSpace`.
    pub fn prove_writable(&mut self) -> Result<(), LedgerFault> {
        self.may_claim()?;
        self.write("UPDATE meta SET created_at = created_at WHERE one = 1", [])?;
        Ok(())
    }

    /// What is open. Reads indexes that hold nothing else.
    pub fn holdings(&self) -> Result<Holdings, LedgerFault> {
        let open = self.rows(
            "SELECT state, count(*) AS attempts FROM attempt \
             WHERE state IN ('intent', 'unknown', 'placed', 'ringing', 'answered', 'bridged') GROUP BY state \
             UNION ALL SELECT state, count(*) FROM attempt WHERE state = 'zombie' AND end_status IS NULL GROUP BY state",
            [],
            |row| Ok((codec::word(row, "state")?, codec::count(row, "attempts")?)),
        )?;
        let tasks = self.rows(
            "SELECT kind, count(*) AS tasks FROM task WHERE state = 'waiting' GROUP BY kind ORDER BY kind",
            [],
            |row| Ok((row.get("kind")?, codec::count(row, "tasks")?)),
        )?;
        Ok(Holdings { open, tasks })
    }

    /// Mean time that callers waited for the agent after they pressed the key, over the calls to us since then, ms; `None`:
    /// nobody has waited.
    pub fn menu_wait(&self, since: Wall) -> Result<Option<f64>, LedgerFault> {
        let mean = self.one(
            "SELECT avg(waited_ms) AS mean FROM call WHERE attempt IS NULL AND waited_ms IS NOT NULL AND answered_at >= ?1",
            [since.0],
            |row| Ok(row.get::<_, Option<f64>>("mean")?),
        )?;
        Ok(mean.flatten())
    }

    /// What a key stands for. `text`: the request.
    pub fn api_key(&self, key: &str, text: &str, now: Wall) -> Result<KeyFound, LedgerFault> {
        let found = self.one(
            "SELECT request, attempt FROM api_key WHERE key = ?1 AND at > ?2",
            (self.api_name("key", key).as_slice(), (now - limits::API_KEY_LIFE).0),
            |row| Ok((row.get::<_, Vec<u8>>("request")?, AttemptId(codec::uuid(row, "attempt")?))),
        )?;
        Ok(match found {
            None => KeyFound::New,
            Some((request, attempt)) if request == self.api_name("request", text) => KeyFound::Same(attempt),
            Some(_) => KeyFound::Other,
        })
    }

    /// Keeps a key of the request that made this attempt; clears away some that are too old to count.
    pub fn keep_api_key(&mut self, key: &str, text: &str, attempt: AttemptId, now: Wall) -> Result<(), LedgerFault> {
        self.atomically(|ledger| {
            ledger.write(
                "DELETE FROM api_key WHERE key IN (SELECT key FROM api_key WHERE at <= ?1 ORDER BY at LIMIT ?2)",
                ((now - limits::API_KEY_LIFE).0, limits::API_KEYS_CLEARED),
            )?;
            ledger.write(
                "INSERT INTO api_key (key, request, attempt, at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (key) DO UPDATE \
                 SET request = excluded.request, attempt = excluded.attempt, at = excluded.at",
                (
                    ledger.api_name("key", key).as_slice(),
                    ledger.api_name("request", text).as_slice(),
                    attempt.0.as_bytes(),
                    now.0,
                ),
            )?;
            Ok(())
        })
    }

    /// A name for a text that may hold a number: nobody without this ledger finds the text by trying.
    fn api_name(&self, what: &str, text: &str) -> Vec<u8> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&derive(self.token_key(), "api")).expect("HMAC takes keys of any length");
        mac.update(what.as_bytes());
        mac.update(b"\0");
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().to_vec()
    }

    /// The lead that a call was asked for, brought into the campaign if its number is new there, brought up to date if it
    /// is not, and due now if it is ready. A lead that was barred for what another row or file may mend is ready again:
    /// the rules are asked anew. `None`: the campaign has no such lead.
    pub fn ordered_lead(&mut self, campaign: &Slug, who: &Who, now: Wall) -> Result<Option<OrderedLead>, LedgerFault> {
        self.atomically(|ledger| {
            if let Who::Person(lead) = who {
                let import = ledger.api_import(campaign, now)?;
                let counts = ledger.import_chunk(campaign, import, std::slice::from_ref(&**lead), now)?;
                if counts.added == 0
                    && let Some((id, _)) = ledger.lead_by(campaign, None, Some(&lead.phone))?
                {
                    let campaign = ledger.campaign_row(campaign)?.ok_or(LedgerFault::Unknown("campaign"))?;
                    let into = Into { campaign, import, lists: true, alone: false, how: OnDuplicate::Update, now };
                    ledger.update_lead(&into, id, lead)?;
                }
            }
            let found = match who {
                Who::Lead(lead) => ledger.lead_by(campaign, Some(ledger.lead_behind(*lead)?), None)?,
                Who::Person(lead) => ledger.lead_by(campaign, None, Some(&lead.phone))?,
            };
            let Some((lead, _)) = found else { return Ok(None) };
            ledger.write(
                "UPDATE lead SET state = 'ready', due = ?2, reason = NULL, changed_at = ?2 WHERE id = ?1 \
                   AND state = 'blocked' AND reason IN ('no_consent', 'no_greeting', 'no_zone', 'capped', 'country', \
                                                        'do_not_call_file', 'never_called')",
                (lead.0, now.0),
            )?;
            ledger.write(
                "UPDATE lead SET due = ?2, changed_at = ?2 WHERE id = ?1 AND state = 'ready' AND due > ?2",
                (lead.0, now.0),
            )?;
            Ok(ledger.lead_by(campaign, Some(lead), None)?.map(|(lead, state)| OrderedLead { lead, state }))
        })
    }

    /// The import that people of today's requests belong to.
    fn api_import(&mut self, campaign: &Slug, now: Wall) -> Result<ImportId, LedgerFault> {
        let row = self.ensure_campaign(campaign, now)?;
        let open = self.one(
            "SELECT id FROM import WHERE campaign = ?1 AND file = ?2 AND at > ?3 AND state = 'done' \
             ORDER BY id DESC LIMIT 1",
            (row, FROM_API, now.0 - 86_400_000),
            |row| Ok(ImportId(row.get("id")?)),
        )?;
        match open {
            Some(import) => Ok(import),
            None => self.begin_import(campaign, FROM_API, now),
        }
    }

    fn lead_by(
        &self,
        campaign: &Slug,
        lead: Option<LeadId>,
        phone: Option<&Phone>,
    ) -> Result<Option<(LeadId, LeadState)>, LedgerFault> {
        let row = |row: &rusqlite::Row<'_>| Ok((LeadId(row.get("id")?), codec::lead_state(row)?));
        let of = "campaign = (SELECT id FROM campaign WHERE name = ?1)";
        match (lead, phone) {
            (Some(lead), _) => self.one(
                &format!("SELECT id, state, due, attempt, reason FROM lead WHERE {of} AND id = ?2"),
                (campaign.as_str(), lead.0),
                row,
            ),
            (None, Some(phone)) => self.one(
                &format!("SELECT id, state, due, attempt, reason FROM lead WHERE {of} AND phone = ?2"),
                (campaign.as_str(), phone.expose()),
                row,
            ),
            (None, None) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::core::lead::Lead;
    use crate::store::ledger::{BlockReason, OpenOptions};

    fn ledger() -> (tempfile::TempDir, Ledger) {
        let dir = tempfile::tempdir().expect("a folder");
        let options = OpenOptions { fresh_key: [1; 32], now: Wall(0) };
        let ledger = Ledger::open(&dir.path().join("ahoy.db"), &options).expect("made");
        (dir, ledger)
    }

    fn person(consent: Option<&str>) -> Who {
        Who::Person(Box::new(Lead {
            line: 1,
            phone: Phone::from_e164("+442079460000").expect("E.164"),
            name: None,
            language: None,
            country: None,
            timezone: None,
            consent: consent.map(str::to_owned),
            variables: BTreeMap::new(),
            tags: Vec::new(),
            more_phones: Vec::new(),
        }))
    }

    #[test]
    fn one_number_is_one_lead_however_often_it_is_named_and_what_is_new_of_it_is_kept() {
        let (_dir, mut ledger) = ledger();
        let campaign: Slug = "c".parse().expect("a slug");
        let first = ledger.ordered_lead(&campaign, &person(None), Wall(10)).expect("written").expect("there");
        assert_eq!(first.state, LeadState::Ready(Wall(10)));
        assert!(ledger.block_lead(first.lead, BlockReason::NoConsent, Wall(11)).expect("written"));
        let again = ledger.ordered_lead(&campaign, &person(Some("form")), Wall(12)).expect("written").expect("there");
        assert_eq!((again.lead, again.state), (first.lead, LeadState::Ready(Wall(12))), "the rules are asked anew");
        assert_eq!(ledger.lead_card(first.lead).expect("read").expect("there").consent.as_deref(), Some("form"));
        ledger.defer_lead(first.lead, Wall(1_000), Wall(13)).expect("written");
        let by_row = ledger.ordered_lead(&campaign, &Who::Lead(first.lead), Wall(14)).expect("written");
        assert_eq!(by_row.map(|it| it.state), Some(LeadState::Ready(Wall(14))), "due now");
        assert_eq!(ledger.imports(Some(&campaign), 10).expect("read").len(), 1, "one import a day");
        let other = "d".parse().expect("a slug");
        assert_eq!(ledger.ordered_lead(&other, &Who::Lead(first.lead), Wall(15)), Ok(None), "another campaign's");
    }

    #[test]
    fn a_suppressed_number_stays_blocked_whoever_asks_for_it() {
        let (_dir, mut ledger) = ledger();
        let campaign: Slug = "c".parse().expect("a slug");
        let phone = Phone::from_e164("+442079460000").expect("E.164");
        ledger.suppress(&phone, "asked", "test", Wall(1)).expect("written");
        let found = ledger.ordered_lead(&campaign, &person(Some("form")), Wall(10)).expect("written").expect("there");
        assert_eq!(found.state, LeadState::Blocked(BlockReason::Suppressed));
    }

    #[test]
    fn a_key_stands_for_one_request_and_ends_with_its_day() {
        let (_dir, ledger) = ledger();
        assert_eq!(ledger.api_key("k", "a", Wall(0)), Ok(KeyFound::New));
        let names = [ledger.api_name("key", "k"), ledger.api_name("request", "k"), ledger.api_name("key", "l")];
        assert!(names[0] != names[1] && names[0] != names[2]);
        let day = i64::try_from(limits::API_KEY_LIFE.as_millis()).expect("a day");
        ledger.write("PRAGMA foreign_keys = OFF", []).expect("off");
        let mut ledger = ledger;
        let attempt = AttemptId::mint(1, [7; 10]);
        ledger.keep_api_key("k", "a", attempt, Wall(1_000)).expect("kept");
        let found = |ledger: &Ledger, text: &str, at: i64| ledger.api_key("k", text, Wall(at)).expect("read");
        assert_eq!(found(&ledger, "a", 2_000), KeyFound::Same(attempt));
        assert_eq!(found(&ledger, "b", 2_000), KeyFound::Other);
        assert_eq!(found(&ledger, "a", day + 999), KeyFound::Same(attempt));
        assert_eq!(found(&ledger, "a", day + 1_000), KeyFound::New);
        ledger.keep_api_key("other", "a", attempt, Wall(day + 1_000)).expect("kept");
        let rows = ledger.one("SELECT count(*) FROM api_key", [], |row| Ok(row.get::<_, i64>(0)?));
        assert_eq!(rows, Ok(Some(1)), "the old one was cleared away");
    }
}
