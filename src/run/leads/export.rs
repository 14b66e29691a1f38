//! Leads of a segment to a file that imports again as they are.

use std::collections::BTreeSet;
use std::path::Path;

use super::read_ledger;
use crate::base::{Failure, Wall, limits};
use crate::core::lead::filter::Filter;
use crate::store::leadfile::{LeadFormat, LeadWriter};
use crate::store::ledger::{LeadOrder, Ledger, OpenOptions, Person};

/// Columns that every export has, before the variables. The first nine are fields of an import; the last three only tell, and
/// come back as variables of these names.
const FIELDS: [&str; 9] = ["phone", "name", "language", "country", "timezone", "consent", "tags", "phone 2", "phone 3"];

/// Writes the leads of a segment. Returns how many. `said`: the filter as typed, for the audit.
///
/// The ledger is read twice: first for the names of the variables, then row by row; memory does not grow with the leads.
pub fn export(
    path: &Path,
    filter: Option<&Filter>,
    said: &str,
    format: LeadFormat,
    to: Option<&Path>,
    now: Wall,
) -> Result<u64, Failure> {
    let Some(ledger) = read_ledger(path)? else {
        return Err(Failure::usage("there are no leads yet").next("ahoy leads import FILE --campaign NAME"));
    };
    let mut names = BTreeSet::new();
    visit(&ledger, filter, &mut |person| {
        for name in person.variables.keys() {
            if names.len() < limits::CSV_COLUMNS && !names.contains(name) {
                names.insert(name.clone());
            }
        }
        Ok(())
    })?;
    let own: Vec<String> = names.into_iter().collect();
    let header = FIELDS.iter().map(|name| (*name).to_owned()).chain(own.iter().cloned()).collect();
    let mut writer = LeadWriter::open(format, to, header)?;
    visit(&ledger, filter, &mut |person| writer.row(&cells(&person, &own)))?;
    drop(ledger);
    let rows = writer.finish(to)?;
    let mut ledger = Ledger::open(path, &OpenOptions::with_fresh_key(now))?;
    ledger.audit("leads export", &format!("{rows} leads"), said, now)?;
    Ok(rows)
}

fn visit(
    ledger: &Ledger,
    filter: Option<&Filter>,
    each: &mut dyn FnMut(Person) -> Result<(), Failure>,
) -> Result<(), Failure> {
    ledger.visit_people(filter, None, LeadOrder::Id, u64::MAX >> 1, each)
}

fn cells(person: &Person, own: &[String]) -> Vec<String> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let more = |at: usize| person.more_phones.get(at).map_or(String::new(), |(phone, _)| phone.expose().to_owned());
    let mut cells = vec![
        person.phone.expose().to_owned(),
        text(&person.name),
        person.language.as_ref().map_or(String::new(), ToString::to_string),
        person.country.as_ref().map_or(String::new(), ToString::to_string),
        text(&person.timezone),
        text(&person.consent),
        person.tags.join(", "),
        more(0),
        more(1),
    ];
    cells.extend(own.iter().map(|name| person.variables.get(name).cloned().unwrap_or_default()));
    cells
}
