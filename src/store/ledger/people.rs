//! Leads as people: found by number or filter, with their tags, numbers and everything that happened to them.

use std::collections::BTreeMap;

use rusqlite::Row;
use rusqlite::types::Value as Bound;

use super::segment::Segment;
use super::{LeadState, Ledger, LedgerFault, codec};
use crate::base::{AttemptId, Country, Language, LeadId, Phone, Slug, Wall};
use crate::core::lead::filter::{Compare, Filter, Name, Subject, Value};

/// Everything that the ledger holds about one lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Row.
    pub id: LeadId,
    /// Campaign.
    pub campaign: Slug,
    /// The number that is dialed.
    pub phone: Phone,
    /// Further numbers, with what the file calls them.
    pub more_phones: Vec<(Phone, Option<String>)>,
    /// Name.
    pub name: Option<String>,
    /// Language to speak.
    pub language: Option<Language>,
    /// Country of the number.
    pub country: Option<Country>,
    /// IANA zone of the file.
    pub timezone: Option<String>,
    /// What they agreed to.
    pub consent: Option<String>,
    /// All other columns.
    pub variables: BTreeMap<String, String>,
    /// Tags, sorted.
    pub tags: Vec<String>,
    /// Where it stands.
    pub state: LeadState,
    /// Tries that count.
    pub tries: u32,
    /// The file that brought it, and its line there.
    pub file: (String, u64),
    /// The import that brought it.
    pub import: i64,
    /// When it came in.
    pub created_at: Wall,
    /// When it last changed.
    pub changed_at: Wall,
}

impl Person {
    /// The lead as a filter sees it.
    pub fn subject(&self) -> Subject {
        let mut texts =
            BTreeMap::from([("campaign", self.campaign.to_string()), ("phone", self.phone.expose().to_owned())]);
        let mut add = |name: &'static str, text: Option<String>| texts.extend(text.map(|text| (name, text)));
        add("name", self.name.clone());
        add("language", self.language.as_ref().map(ToString::to_string));
        add("country", self.country.as_ref().map(ToString::to_string));
        add("timezone", self.timezone.clone());
        add("consent", self.consent.clone());
        let (state, due, reason) = match &self.state {
            LeadState::Ready(due) => ("ready", Some(*due), None),
            LeadState::Held(_) => ("held", None, None),
            LeadState::Done(outcome) => ("done", None, Some(outcome.to_string())),
            LeadState::Blocked(reason) => ("blocked", None, Some(reason.to_string())),
            LeadState::Review => ("review", None, None),
        };
        add("state", Some(state.to_owned()));
        add("reason", reason);
        Subject {
            id: self.id.0,
            import: self.import,
            texts,
            tries: i64::from(self.tries),
            due,
            created: self.created_at,
            changed: self.changed_at,
            tags: self.tags.clone(),
            variables: self.variables.clone(),
        }
    }
}

/// By what a list of leads is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LeadOrder {
    /// Row, the order of coming in.
    #[default]
    Id,
    /// Name.
    Name,
    /// When it may be called, soonest first; those that wait for nothing last.
    Due,
    /// Last change, newest first.
    Changed,
    /// Tries, most first.
    Tries,
    /// Country, then row.
    Country,
}

/// What the carrier told about one attempt: word, source, when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactLine {
    /// Its word for the status.
    pub status: String,
    /// `callback`, `fetch`, `list`, …
    pub source: String,
    /// When it says that it happened.
    pub at: Wall,
}

impl Ledger {
    /// Leads of a number, over all campaigns, also where it is a further number of a person.
    pub fn leads_of_phone(&self, phone: &Phone) -> Result<Vec<LeadId>, LedgerFault> {
        self.rows(
            "SELECT id FROM lead WHERE phone = ?1 UNION SELECT lead FROM other_phone WHERE phone = ?1 ORDER BY 1",
            [phone.expose()],
            |row| Ok(LeadId(row.get(0)?)),
        )
    }

    /// One lead, whole, also by an id that was promised to its caller ([`Ledger::lead_behind`]).
    pub fn person(&self, lead: LeadId) -> Result<Option<Person>, LedgerFault> {
        let lead = self.lead_behind(lead)?;
        let one = Filter::Is(Name::Id, Compare::Equal, Value::Number(lead.0 as f64));
        let mut found = None;
        self.visit_people(Some(&one), None, LeadOrder::Id, 1, |person| {
            found = Some(person);
            Ok::<(), LedgerFault>(())
        })?;
        Ok(found)
    }

    /// Shows each lead of a segment to `visit`, in order, at most `limit`; `after`: only rows behind it. Nothing is kept in
    /// memory but the one that is shown.
    pub fn visit_people<E: From<LedgerFault>>(
        &self,
        filter: Option<&Filter>,
        after: Option<LeadId>,
        order: LeadOrder,
        limit: u64,
        mut visit: impl FnMut(Person) -> Result<(), E>,
    ) -> Result<(), E> {
        let Segment { sql, mut bound } = Segment::of(filter);
        let sql = format!(
            "SELECT l.*, c.name AS campaign_name, i.file AS file FROM lead l JOIN campaign c ON c.id = l.campaign \
             JOIN import i ON i.id = l.import WHERE {sql} AND l.id > ? ORDER BY {} LIMIT ?",
            order_by(order)
        );
        bound.push(Bound::Integer(after.map_or(0, |after| after.0)));
        bound.push(Bound::Integer(i64::try_from(limit).unwrap_or(i64::MAX)));
        let fault = |error: rusqlite::Error| E::from(LedgerFault::from(error));
        let mut query = self.conn.prepare(&sql).map_err(fault)?;
        let mut rows = query.query(rusqlite::params_from_iter(bound)).map_err(fault)?;
        while let Some(row) = rows.next().map_err(fault)? {
            let mut person = person_row(row)?;
            person.tags = self.tags_of(person.id)?;
            person.more_phones = self.more_phones_of(person.id)?;
            visit(person)?;
        }
        Ok(())
    }

    /// How many leads a segment has.
    pub fn count_people(&self, filter: Option<&Filter>) -> Result<u64, LedgerFault> {
        let Segment { sql, bound } = Segment::of(filter);
        let sql = format!("SELECT count(*) AS n FROM lead l WHERE {sql}");
        let found = self.one(&sql, rusqlite::params_from_iter(bound), |row| codec::count(row, "n"))?;
        Ok(found.unwrap_or(0))
    }

    /// Tags of a lead, sorted.
    pub fn tags_of(&self, lead: LeadId) -> Result<Vec<String>, LedgerFault> {
        self.rows("SELECT tag FROM lead_tag WHERE lead = ?1 ORDER BY tag", [lead.0], |row| Ok(row.get(0)?))
    }

    /// Every tag there is, with how many leads have it.
    pub fn tags(&self) -> Result<Vec<(String, u64)>, LedgerFault> {
        self.rows("SELECT tag, count(*) AS n FROM lead_tag GROUP BY tag ORDER BY tag", [], |row| {
            Ok((row.get("tag")?, codec::count(row, "n")?))
        })
    }

    /// Gives a lead a tag (`on`) or takes it away; true if that changed anything.
    pub fn tag_lead(&mut self, lead: LeadId, tag: &str, on: bool) -> Result<bool, LedgerFault> {
        let sql = if on {
            "INSERT OR IGNORE INTO lead_tag (lead, tag) VALUES (?1, ?2)"
        } else {
            "DELETE FROM lead_tag WHERE lead = ?1 AND tag = ?2"
        };
        Ok(self.write(sql, (lead.0, tag))? > 0)
    }

    /// Ids of a segment, in order of their rows.
    pub fn ids_of(&self, filter: Option<&Filter>) -> Result<Vec<LeadId>, LedgerFault> {
        let Segment { sql, bound } = Segment::of(filter);
        let sql = format!("SELECT l.id FROM lead l WHERE {sql} ORDER BY l.id");
        self.rows(&sql, rusqlite::params_from_iter(bound), |row| Ok(LeadId(row.get(0)?)))
    }

    /// What the carrier told about an attempt, in the order of its happening.
    pub fn facts_of(&self, attempt: AttemptId) -> Result<Vec<FactLine>, LedgerFault> {
        self.rows(
            "SELECT status, source, at FROM fact WHERE attempt = ?1 AND orphan = 0 ORDER BY at, id LIMIT 200",
            [attempt.0.as_bytes()],
            |row| Ok(FactLine { status: row.get("status")?, source: row.get("source")?, at: codec::wall(row, "at")? }),
        )
    }

    fn more_phones_of(&self, lead: LeadId) -> Result<Vec<(Phone, Option<String>)>, LedgerFault> {
        self.rows("SELECT phone, label FROM other_phone WHERE lead = ?1 ORDER BY place", [lead.0], |row| {
            Ok((codec::phone(row, "phone")?, row.get("label")?))
        })
    }
}

fn order_by(order: LeadOrder) -> &'static str {
    match order {
        LeadOrder::Id => "l.id",
        LeadOrder::Name => "l.name IS NULL, l.name, l.id",
        LeadOrder::Due => "l.due IS NULL, l.due, l.id",
        LeadOrder::Changed => "l.changed_at DESC, l.id",
        LeadOrder::Tries => "l.tries DESC, l.id",
        LeadOrder::Country => "l.country IS NULL, l.country, l.id",
    }
}

fn person_row(row: &Row<'_>) -> Result<Person, LedgerFault> {
    Ok(Person {
        id: LeadId(row.get("id")?),
        campaign: codec::word(row, "campaign_name")?,
        phone: codec::phone(row, "phone")?,
        more_phones: Vec::new(),
        name: row.get("name")?,
        language: codec::maybe_word(row, "language")?,
        country: codec::maybe_word(row, "country")?,
        timezone: row.get("timezone")?,
        consent: row.get("consent")?,
        variables: codec::json(row, "variables")?,
        tags: Vec::new(),
        state: codec::lead_state(row)?,
        tries: row.get("tries")?,
        file: (row.get("file")?, codec::count(row, "line")?),
        import: row.get("import")?,
        created_at: codec::wall(row, "created_at")?,
        changed_at: codec::wall(row, "changed_at")?,
    })
}
