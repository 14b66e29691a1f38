//! Rows on their way in: many leads a statement, in short transactions that also say how far the file has come.

use std::sync::LazyLock;
use std::time::Duration;

use rusqlite::params_from_iter;
use rusqlite::types::{ToSqlOutput, ValueRef};

use super::imports::{Duplicate, ImportAt, OnDuplicate};
use super::{BlockReason, ImportCounts, ImportId, Ledger, LedgerFault, codec};
use crate::base::{Boot, Country, Language, LeadId, Phone, Slug, Wall, limits};
use crate::core::lead::Lead;

/// A lead as it is written: its variables are text already, made on the thread that read the row.
#[derive(Debug, Clone, PartialEq)]
pub struct Incoming {
    /// The lead.
    pub lead: Lead,
    /// Its variables, as JSON.
    variables: String,
}

impl Incoming {
    /// A lead ready to be written.
    pub fn of(lead: Lead) -> Incoming {
        Incoming { variables: serde_json::to_string(&lead.variables).expect("a map of texts"), lead }
    }
}

/// Where rows go, and how.
pub(super) struct Into {
    pub campaign: i64,
    pub import: ImportId,
    /// Whether there is a suppression list to ask.
    pub lists: bool,
    /// Whether no other campaign can have a number of these.
    pub alone: bool,
    pub how: OnDuplicate,
    pub now: Wall,
}

/// An open transaction of an import.
#[derive(Debug, Clone, Copy)]
pub(super) struct Open {
    began: Boot,
    /// How long it may stay open.
    most: Duration,
}

/// A lead that has the number of a row.
struct There {
    id: LeadId,
    import: ImportId,
    line: u64,
}

/// What a portion has come to so far.
struct Tally<'a> {
    at: &'a mut ImportAt,
    examples: &'a mut Vec<Duplicate>,
    /// First and last row of the new leads.
    range: Option<(i64, i64)>,
}

impl Ledger {
    /// Writes the next rows of an import, in transactions of at most about 50 ms, or a second while nobody dials: such a one
    /// may stay open until the next rows come, or [`Ledger::end_import`]. `None`: a row that is no lead; it counts as read.
    /// Examples of numbers that were there before are added to `examples`, up to [`limits::EXAMPLES`]. `boot`: the boot
    /// clock.
    pub fn import_rows(
        &mut self,
        at: &mut ImportAt,
        rows: &[Option<&Incoming>],
        how: OnDuplicate,
        examples: &mut Vec<Duplicate>,
        now: Wall,
        boot: &dyn Fn() -> Boot,
    ) -> Result<(), LedgerFault> {
        let campaign = self
            .one("SELECT campaign FROM import WHERE id = ?1", [at.id.0], |row| Ok(row.get(0)?))?
            .ok_or(LedgerFault::Unknown("import"))?;
        let alone = self.one("SELECT 1 FROM campaign WHERE id != ?1 LIMIT 1", [campaign], |_| Ok(()))?.is_none();
        let into = Into { campaign, import: at.id, lists: self.has_lists()?, alone, how, now };
        let mut tally = Tally { at, examples, range: None };
        let written = in_batches(rows).into_iter().try_for_each(|batch| {
            let open = self.open_portion(boot)?;
            let leads: Vec<&Incoming> = batch.iter().copied().flatten().collect();
            tally.at.rows_done += batch.len() as u64;
            self.import_batch(&into, &leads, &mut tally)?;
            if boot().since(open.began) >= open.most { self.close_portion(&mut tally) } else { Ok(()) }
        });
        let written = written.and_then(|()| match self.health.import {
            Some(open) if open.most > limits::PORTION => self.note_progress(&mut tally),
            Some(_) => self.close_portion(&mut tally),
            None => Ok(()),
        });
        if written.is_err() && self.health.import.take().is_some() && !self.conn.is_autocommit() {
            // SQLite rolls back by itself after some faults of the disk; then there is nothing left to undo.
            self.batch("ROLLBACK")?;
        }
        written
    }

    /// The transaction of an import: the one that is open, or a new one. While nobody dials it may last longer; whoever
    /// begins to dial must get the lock first, so the next one is short.
    fn open_portion(&mut self, boot: &dyn Fn() -> Boot) -> Result<Open, LedgerFault> {
        if let Some(open) = self.health.import {
            return Ok(open);
        }
        self.batch("BEGIN IMMEDIATE")?;
        let most = match self.one("SELECT 1 FROM dialing", [], |_| Ok(()))? {
            Some(()) => limits::PORTION,
            None => limits::PORTION_ALONE,
        };
        // Asked inside: waiting for the lock is not time in which others wait for us.
        let open = Open { began: boot(), most };
        self.health.import = Some(open);
        Ok(open)
    }

    fn close_portion(&mut self, tally: &mut Tally<'_>) -> Result<(), LedgerFault> {
        self.note_progress(tally)?;
        self.commit_portion()?;
        // SQLite hands its lock to whoever asks first: without a pause that would be us again.
        std::thread::sleep(limits::PORTION_PAUSE);
        Ok(())
    }

    /// Commits what an import has written, if anything is open.
    pub(super) fn commit_portion(&mut self) -> Result<(), LedgerFault> {
        if self.health.import.is_some() {
            self.batch("COMMIT")?;
            self.health.import = None;
        }
        Ok(())
    }

    /// Writes how far the file has come, into the transaction of its rows.
    fn note_progress(&mut self, tally: &mut Tally<'_>) -> Result<(), LedgerFault> {
        let counts = codec::to_json(&tally.at.counts)?;
        self.write(
            "UPDATE import SET rows_done = ?2, counts = ?3 WHERE id = ?1",
            (tally.at.id.0, i64::try_from(tally.at.rows_done).unwrap_or(i64::MAX), counts),
        )?;
        self.write_range(tally.at.id, tally.range)
    }

    /// Adds leads of one import, in one transaction. A number that the campaign has is left as it is, so importing a file
    /// again adds nothing.
    pub fn import_chunk(
        &mut self,
        campaign: &Slug,
        import: ImportId,
        rows: &[Lead],
        now: Wall,
    ) -> Result<ImportCounts, LedgerFault> {
        self.atomically(|ledger| {
            let campaign = ledger.campaign_row(campaign)?.ok_or(LedgerFault::Unknown("campaign"))?;
            let into = Into { campaign, import, lists: true, alone: false, how: OnDuplicate::Skip, now };
            let mut at = ImportAt { id: import, rows_done: 0, counts: ImportCounts::default() };
            let mut tally = Tally { at: &mut at, examples: &mut Vec::new(), range: None };
            for lead in rows {
                ledger.import_one(&into, &Incoming::of(lead.clone()), &mut tally)?;
            }
            ledger.write_range(import, tally.range)?;
            Ok(at.counts)
        })
    }

    /// A batch: its leads in one statement, where they can be.
    fn import_batch(&self, into: &Into, leads: &[&Incoming], tally: &mut Tally<'_>) -> Result<(), LedgerFault> {
        let mut suppressed = false;
        if into.lists {
            for row in leads {
                suppressed |= self.is_suppressed(&row.lead.phone)?;
            }
        }
        // A statement of many rows lets the database give the ids.
        if leads.len() != limits::IMPORT_BATCH || suppressed || self.beyond_reserved()?.is_some() {
            return leads.iter().try_for_each(|row| self.import_one(into, row, tally));
        }
        let own = leads.iter().flat_map(|row| own_values(row));
        let values = shared_values(into, false).into_iter().chain(own);
        let added = self.write(&BATCH_SQL, params_from_iter(values))?;
        let last = self.conn.last_insert_rowid();
        if added == leads.len() {
            let first = last - added as i64 + 1;
            for (id, row) in (first..).zip(leads) {
                self.note_new(into, id, row, false, tally)?;
            }
            return Ok(());
        }
        // Some were there. A lead of this import and this very line was made just now.
        for row in leads {
            let there = self.there(into, row)?;
            if there.import == into.import && there.line == row.lead.line {
                self.note_new(into, there.id.0, row, false, tally)?;
            } else {
                self.note_there(into, row, &there, tally)?;
            }
        }
        Ok(())
    }

    fn import_one(&self, into: &Into, row: &Incoming, tally: &mut Tally<'_>) -> Result<(), LedgerFault> {
        let suppressed = into.lists && self.is_suppressed(&row.lead.phone)?;
        if let Some(id) = self.insert_lead(into, row, suppressed)? {
            return self.note_new(into, id, row, suppressed, tally);
        }
        let there = self.there(into, row)?;
        self.note_there(into, row, &there, tally)
    }

    /// Counts a new lead, and writes what stands in tables of their own: tags and further numbers.
    fn note_new(
        &self,
        into: &Into,
        id: i64,
        row: &Incoming,
        suppressed: bool,
        tally: &mut Tally<'_>,
    ) -> Result<(), LedgerFault> {
        // Somebody whom their own call had brought has an older id.
        tally.range = Some(tally.range.map_or((id, id), |(first, last)| (first.min(id), last.max(id))));
        let elsewhere = !into.alone && self.has_elsewhere(into.campaign, &row.lead.phone)?;
        let counts = &mut tally.at.counts;
        counts.added += 1;
        counts.suppressed += u64::from(suppressed);
        counts.elsewhere += u64::from(elsewhere);
        for tag in &row.lead.tags {
            self.write("INSERT OR IGNORE INTO lead_tag (lead, tag) VALUES (?1, ?2)", (id, tag))?;
        }
        for (at, other) in row.lead.more_phones.iter().enumerate() {
            let place = i64::try_from(at).unwrap_or(i64::MAX).saturating_add(2);
            self.write(
                "INSERT INTO other_phone (lead, place, phone, label) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
                (id, place, other.phone.expose(), &other.label),
            )?;
        }
        Ok(())
    }

    /// Counts a lead that was there, and updates it if that is wanted.
    fn note_there(&self, into: &Into, row: &Incoming, there: &There, tally: &mut Tally<'_>) -> Result<(), LedgerFault> {
        if there.import == into.import {
            tally.at.counts.duplicate_in_file += 1;
            return Ok(());
        }
        if self.ask_for_caller(into, there.id, row)? {
            return self.note_new(into, there.id.0, row, false, tally);
        }
        if into.how == OnDuplicate::Update && self.update_lead(into, there.id, &row.lead)? {
            tally.at.counts.updated += 1;
        } else {
            tally.at.counts.already += 1;
        }
        if tally.examples.len() < limits::EXAMPLES {
            tally.examples.extend(self.first_in(into.campaign, &row.lead.phone, row.lead.line)?);
        }
        Ok(())
    }

    /// Somebody whom only their own call had brought is on a list now: from here on they are that list's lead, with their
    /// calls. False if the lead is no such one, or must not be called.
    fn ask_for_caller(&self, into: &Into, lead: LeadId, row: &Incoming) -> Result<bool, LedgerFault> {
        if into.lists && self.is_suppressed(&row.lead.phone)? {
            return Ok(false);
        }
        let changed = self.write(
            "UPDATE lead SET import = ?2, line = ?3, name = ?4, language = ?5, country = ?6, timezone = ?7, consent = ?8, \
                    variables = ?9, state = 'ready', due = ?10, reason = NULL, changed_at = ?10 \
             WHERE id = ?1 AND state = 'blocked' AND reason = 'called_us'",
            rusqlite::params![
                lead.0,
                into.import.0,
                i64::try_from(row.lead.line).unwrap_or(i64::MAX),
                row.lead.name,
                row.lead.language.as_ref().map(Language::as_str),
                row.lead.country.as_ref().map(Country::as_str),
                row.lead.timezone,
                row.lead.consent,
                row.variables,
                into.now.0
            ],
        )?;
        Ok(changed > 0)
    }

    /// The lead that has the number of this row.
    fn there(&self, into: &Into, row: &Incoming) -> Result<There, LedgerFault> {
        let found = self.one(
            "SELECT id, import, line FROM lead WHERE campaign = ?1 AND phone = ?2",
            (into.campaign, row.lead.phone.expose()),
            |row| {
                let (id, import) = (LeadId(row.get("id")?), ImportId(row.get("import")?));
                Ok(There { id, import, line: codec::count(row, "line")? })
            },
        )?;
        found.ok_or_else(|| LedgerFault::Bug("a lead is neither new nor there".to_owned()))
    }

    /// The row of the new lead; `None` if the campaign has the number.
    fn insert_lead(&self, into: &Into, row: &Incoming, suppressed: bool) -> Result<Option<i64>, LedgerFault> {
        let id = self.beyond_reserved()?.map_or(ValueRef::Null, ValueRef::Integer);
        let shared = shared_values(into, suppressed);
        let values = shared.into_iter().chain(own_values(row)).chain([ToSqlOutput::Borrowed(id)]);
        let added = self.write(&ONE_SQL, params_from_iter(values))?;
        Ok((added > 0).then(|| self.conn.last_insert_rowid()))
    }

    fn has_elsewhere(&self, campaign: i64, phone: &Phone) -> Result<bool, LedgerFault> {
        let found = self.one(
            "SELECT 1 FROM lead WHERE phone = ?1 AND campaign != ?2 LIMIT 1",
            (phone.expose(), campaign),
            |_| Ok(()),
        )?;
        Ok(found.is_some())
    }
}

/// What each row of a statement has of its own, in the order of the statement.
fn own_values(row: &Incoming) -> [ToSqlOutput<'_>; 8] {
    let lead = &row.lead;
    [
        ToSqlOutput::Borrowed(ValueRef::Integer(i64::try_from(lead.line).unwrap_or(i64::MAX))),
        text(Some(lead.phone.expose())),
        text(lead.name.as_deref()),
        text(lead.language.as_ref().map(Language::as_str)),
        text(lead.country.as_ref().map(Country::as_str)),
        text(lead.timezone.as_deref()),
        text(lead.consent.as_deref()),
        text(Some(&row.variables)),
    ]
}

fn text(text: Option<&str>) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(text.map_or(ValueRef::Null, |text| ValueRef::Text(text.as_bytes())))
}

/// What the rows of a statement share: campaign, import, now, and where a new lead stands.
fn shared_values(into: &Into, suppressed: bool) -> [ToSqlOutput<'static>; 6] {
    let (state, due, reason) = if suppressed {
        ("blocked", ValueRef::Null, ValueRef::Text(BlockReason::Suppressed.as_str().as_bytes()))
    } else {
        ("ready", ValueRef::Integer(into.now.0), ValueRef::Null)
    };
    [
        ValueRef::Integer(into.campaign),
        ValueRef::Integer(into.import.0),
        ValueRef::Integer(into.now.0),
        ValueRef::Text(state.as_bytes()),
        due,
        reason,
    ]
    .map(ToSqlOutput::Borrowed)
}

/// A statement that adds so many leads; a single one may say which id it gets, after its own values. A number that the campaign has is left out. A row that breaks a rule of the table
/// ends the statement where it is, and the transaction is undone: SQLite need not be able to undo it alone.
fn insert_sql(rows: usize) -> String {
    let id = if rows == 1 { "?15" } else { "NULL" };
    let row = |at: usize| {
        let own: Vec<String> = (0..8).map(|value| format!("?{}", 7 + at * 8 + value)).collect();
        format!("({id}, ?1, ?2, {}, ?4, ?5, ?6, ?3, ?3)", own.join(", "))
    };
    let rows: Vec<String> = (0..rows).map(row).collect();
    format!(
        "INSERT OR FAIL INTO lead (id, campaign, import, line, phone, name, language, country, timezone, consent, variables, \
                                   state, due, reason, created_at, changed_at) \
         VALUES {} ON CONFLICT (campaign, phone) DO NOTHING",
        rows.join(", ")
    )
}

static ONE_SQL: LazyLock<String> = LazyLock::new(|| insert_sql(1));
static BATCH_SQL: LazyLock<String> = LazyLock::new(|| insert_sql(limits::IMPORT_BATCH));

/// Parts of these rows that hold [`limits::IMPORT_BATCH`] leads each; the last one holds the rest.
fn in_batches<'r, 'a>(rows: &'r [Option<&'a Incoming>]) -> Vec<&'r [Option<&'a Incoming>]> {
    let mut batches = Vec::with_capacity(rows.len() / limits::IMPORT_BATCH + 1);
    let (mut begin, mut leads) = (0, 0);
    for (at, row) in rows.iter().enumerate() {
        leads += usize::from(row.is_some());
        if leads == limits::IMPORT_BATCH {
            batches.push(&rows[begin..=at]);
            (begin, leads) = (at + 1, 0);
        }
    }
    if begin < rows.len() {
        batches.push(&rows[begin..]);
    }
    batches
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::BTreeMap;

    use super::*;
    use crate::store::ledger::OpenOptions;
    use crate::store::ledger::imports::ImportStart;

    fn row(at: usize) -> Incoming {
        Incoming::of(Lead {
            line: at as u64 + 2,
            phone: Phone::from_e164(&format!("+35988{at:07}")).expect("E.164"),
            name: None,
            language: None,
            country: None,
            timezone: None,
            consent: None,
            variables: BTreeMap::new(),
            tags: Vec::new(),
            more_phones: Vec::new(),
        })
    }

    /// An import of 1,000 rows, ten milliseconds each batch: what another connection sees after each hundred.
    fn seen(dialing: bool) -> Vec<i64> {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("ahoy.db");
        let options = OpenOptions { fresh_key: [1; 32], now: Wall(0) };
        let mut ledger = Ledger::open(&path, &options).expect("made");
        if dialing {
            ledger.begin_dialing(1, Wall(0)).expect("begun");
        }
        let campaign = "c".parse().expect("a slug");
        let start = ImportStart { campaign: &campaign, file: "f", hash: [0; 32], settings: "", now: Wall(0) };
        let mut at = ledger.start_import(&start).expect("begun");
        let reader = Ledger::open_read_only(&path).expect("readable");
        let rows: Vec<Incoming> = (0..1_000).map(row).collect();
        let rows: Vec<Option<&Incoming>> = rows.iter().map(Some).collect();
        let now = Cell::new(0);
        let boot = || {
            now.set(now.get() + 10_000);
            Boot(now.get())
        };
        let mut seen = Vec::new();
        for part in rows.chunks(100) {
            ledger.import_rows(&mut at, part, OnDuplicate::Skip, &mut Vec::new(), Wall(0), &boot).expect("written");
            let counted = reader.one("SELECT rows_done FROM import", [], |row| Ok(row.get::<_, i64>(0)?));
            let leads = reader.one("SELECT count(*) FROM lead", [], |row| Ok(row.get::<_, i64>(0)?));
            assert_eq!(counted, leads, "how far it has come is told with the rows");
            seen.push(leads.expect("read").expect("a count"));
        }
        ledger.end_import(at.id, Wall(0)).expect("ended");
        assert_eq!(reader.one("SELECT count(*) FROM lead", [], |row| Ok(row.get::<_, i64>(0)?)), Ok(Some(1_000)));
        seen
    }

    #[test]
    fn an_import_lets_a_dialing_process_in_after_each_portion_and_others_once_a_second() {
        assert_eq!(seen(true), (1..=10).map(|part| part * 100).collect::<Vec<i64>>());
        // A hundred rows are four batches: five looks at the clock in the first part, four in each other.
        let alone = seen(false);
        assert_eq!(alone[..8], [0; 8], "nobody dials: one transaction for a second");
        assert!(alone.iter().all(|seen| *seen <= 1_000));
    }

    #[test]
    fn a_batch_tells_new_numbers_from_those_of_this_file_and_of_others() {
        let dir = tempfile::tempdir().expect("a folder");
        let options = OpenOptions { fresh_key: [1; 32], now: Wall(0) };
        let mut ledger = Ledger::open(&dir.path().join("ahoy.db"), &options).expect("made");
        let campaign = "c".parse().expect("a slug");
        let mut import = |hash: u8, rows: &[Incoming]| {
            let start = ImportStart { campaign: &campaign, file: "f", hash: [hash; 32], settings: "", now: Wall(0) };
            let mut at = ledger.start_import(&start).expect("begun");
            let rows: Vec<Option<&Incoming>> = rows.iter().map(Some).collect();
            let mut examples = Vec::new();
            let skip = OnDuplicate::Skip;
            ledger.import_rows(&mut at, &rows, skip, &mut examples, Wall(0), &|| Boot(0)).expect("written");
            ledger.end_import(at.id, Wall(0)).expect("ended");
            (at.counts.added, at.counts.already, at.counts.duplicate_in_file, examples.len())
        };
        let first: Vec<Incoming> = (0..40).map(row).collect();
        assert_eq!(import(1, &first), (40, 0, 0, 0));
        // 60 rows of 20 old numbers, 30 new ones, and ten of those once more: in batches of 32, across their bounds.
        let mut second: Vec<Incoming> = (20..70).chain(45..55).map(row).collect();
        for (at, row) in second.iter_mut().enumerate() {
            row.lead.line = at as u64 + 2;
        }
        assert_eq!(import(2, &second), (30, 20, 10, limits::EXAMPLES));
        let last = ledger.import_line(ImportId(2)).expect("read").expect("there");
        assert_eq!((last.rows, last.counts.added), (60, 30));
        assert_eq!(ledger.undo_plan(ImportId(2)).expect("planned").removed, 30);
    }
}
