//! A segment of leads as SQL: the same yes or no as [`Filter::matches`] gives. Every value is a bound parameter.

use rusqlite::types::Value as Bound;

use crate::core::lead::filter::{Compare, Filter, Name, Value};

/// A condition on a lead `l`, and the values of its `?`s in their order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Segment {
    /// Always 0 or 1, never NULL.
    pub sql: String,
    /// In the order of the `?`s.
    pub bound: Vec<Bound>,
}

impl Segment {
    /// The condition of a filter; without one, every lead.
    pub(super) fn of(filter: Option<&Filter>) -> Segment {
        let mut segment = Segment { sql: String::new(), bound: Vec::new() };
        match filter {
            Some(filter) => segment.add(filter),
            None => segment.sql.push('1'),
        }
        segment
    }

    fn add(&mut self, filter: &Filter) {
        match filter {
            Filter::All(parts) => self.join(parts, " AND "),
            Filter::Any(parts) => self.join(parts, " OR "),
            Filter::Not(part) => {
                self.sql.push_str("NOT (");
                self.add(part);
                self.sql.push(')');
            }
            Filter::Is(name, how, value) => self.compare(name, *how, value),
            Filter::In(name, values) => {
                let marks = vec!["?"; values.len()].join(", ");
                self.held(name, &format!("IN ({marks})"), values.iter().map(bound).collect());
            }
            Filter::Like(name, pattern) => self.held(name, "LIKE ?", vec![Bound::Text(pattern.clone())]),
            Filter::Missing(Name::Tag) => {
                self.sql.push_str("NOT EXISTS (SELECT 1 FROM lead_tag t WHERE t.lead = l.id)")
            }
            Filter::Missing(Name::Variable(own)) => {
                self.sql.push_str("NOT EXISTS (SELECT 1 FROM json_each(l.variables) v WHERE v.key = ?)");
                self.bound.push(Bound::Text(own.clone()));
            }
            Filter::Missing(name) => self.sql.push_str(&format!("{} IS NULL", column(name))),
        }
    }

    fn join(&mut self, parts: &[Filter], word: &str) {
        self.sql.push('(');
        for (at, part) in parts.iter().enumerate() {
            if at > 0 {
                self.sql.push_str(word);
            }
            self.add(part);
        }
        self.sql.push(')');
    }

    fn compare(&mut self, name: &Name, how: Compare, value: &Value) {
        let sign = match how {
            Compare::Unequal => {
                self.sql.push_str("NOT (");
                self.compare(name, Compare::Equal, value);
                self.sql.push(')');
                return;
            }
            Compare::Equal => "= ?",
            Compare::Less => "< ?",
            Compare::AtMost => "<= ?",
            Compare::More => "> ?",
            Compare::AtLeast => ">= ?",
        };
        if let (Name::Variable(own), Value::Number(number)) = (name, value) {
            // What `spelled_number` calls a number, and no other text: a cast alone would make 0 of "n/a".
            self.sql.push_str(
                "EXISTS (SELECT 1 FROM json_each(l.variables) v WHERE v.key = ? \
                 AND substr(v.value, 1 + (substr(v.value, 1, 1) = '-')) GLOB '[0-9]*' \
                 AND substr(v.value, 1 + (substr(v.value, 1, 1) = '-')) NOT GLOB '*[^0-9.]*' \
                 AND v.value NOT GLOB '*.*.*' AND CAST(v.value AS REAL) ",
            );
            self.sql.push_str(sign);
            self.sql.push(')');
            self.bound.extend([Bound::Text(own.clone()), Bound::Real(*number)]);
            return;
        }
        self.held(name, sign, vec![bound(value)]);
    }

    /// "One of the field's values does so": a lead without the field has none.
    fn held(&mut self, name: &Name, does: &str, values: Vec<Bound>) {
        match name {
            Name::Tag => {
                self.sql.push_str(&format!("EXISTS (SELECT 1 FROM lead_tag t WHERE t.lead = l.id AND t.tag {does})"));
            }
            Name::Variable(own) => {
                let sql = format!("EXISTS (SELECT 1 FROM json_each(l.variables) v WHERE v.key = ? AND v.value {does})");
                self.sql.push_str(&sql);
                self.bound.push(Bound::Text(own.clone()));
            }
            plain => self.sql.push_str(&format!("coalesce({} {does}, 0)", column(plain))),
        }
        self.bound.extend(values);
    }
}

fn column(name: &Name) -> &'static str {
    match name {
        Name::Id => "l.id",
        Name::Import => "l.import",
        Name::Campaign => "(SELECT name FROM campaign WHERE id = l.campaign)",
        Name::Phone => "l.phone",
        Name::Name => "l.name",
        Name::Language => "l.language",
        Name::Country => "l.country",
        Name::Timezone => "l.timezone",
        Name::Consent => "l.consent",
        Name::State => "l.state",
        Name::Reason => "l.reason",
        Name::Tries => "l.tries",
        Name::Due => "l.due",
        Name::Created => "l.created_at",
        Name::Changed => "l.changed_at",
        Name::Tag | Name::Variable(_) => unreachable!("these have questions of their own"),
    }
}

fn bound(value: &Value) -> Bound {
    match value {
        Value::Text(text) => Bound::Text(text.clone()),
        Value::Number(number) => Bound::Real(*number),
        Value::Time(at) => Bound::Integer(at.0),
    }
}
