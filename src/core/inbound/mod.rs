//! Calls that people make to us: what they hear first, and whether they are let in. Pure: all it needs are arguments.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::base::{Country, Language, Phone, PhoneFault, Slug, Wall, limits};
use crate::core::asset::book::{CLOSED, GREETING};
use crate::core::config::{Campaign, Inbound};
use crate::core::dial::hours::{Window, may_call};
use crate::core::dial::zones::zone;
use crate::core::lead::filter::Subject;

/// What `when` of a `[[returning]]` may ask about besides the fields of a lead: of one open ticket, its kind, reference,
/// note, and age in whole days.
pub const WORDS: [&str; 4] = ["ticket.kind", "ticket.reference", "ticket.note", "ticket.days"];

/// Why somebody may be calling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The reference of whoever keeps the tickets: 1 to 64 characters.
    pub reference: String,
    /// What it is about, such as `internet`: 1 to 64 characters.
    pub kind: String,
    /// More about it.
    pub note: Option<String>,
    /// Since when.
    pub opened: Wall,
}

/// Why a line is no ticket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TicketFault {
    /// Reference or kind is missing or too long.
    #[error("{0} is 1 to 64 characters")]
    Length(&'static str),
    /// The note is too long.
    #[error("note has more than {most} characters", most = limits::TICKET_NOTE)]
    Note,
    /// The number is none.
    #[error("phone: {0}")]
    Phone(#[from] PhoneFault),
    /// The day is none.
    #[error("opened: {0}")]
    Opened(String),
}

/// Reads a ticket from reference, phone, kind, note, and the day that it was opened (empty: `now`). `country`: of national
/// numbers.
pub fn read_ticket(
    [reference, phone, kind, note, opened]: [&str; 5],
    country: Option<Country>,
    now: Wall,
) -> Result<(Phone, Ticket), TicketFault> {
    let word = |name: &'static str, text: &str| {
        let text = text.trim();
        match text.chars().count() {
            1..=64 => Ok(text.to_owned()),
            _ => Err(TicketFault::Length(name)),
        }
    };
    let note = note.trim();
    if note.chars().count() > limits::TICKET_NOTE {
        return Err(TicketFault::Note);
    }
    let opened = match opened.trim() {
        "" => now,
        day => Wall::from_date(day).map_err(TicketFault::Opened)?,
    };
    let (reference, kind) = (word("reference", reference)?, word("kind", kind)?);
    let phone = Phone::parse(phone.trim(), country)?;
    Ok((phone, Ticket { reference, kind, note: (!note.is_empty()).then(|| note.to_owned()), opened }))
}

/// Who calls, as far as is known in memory.
#[derive(Debug, Clone, Copy, Default)]
pub struct Caller<'a> {
    /// Their language: the lead's, else that of their number's country.
    pub language: Option<&'a Language>,
    /// Country of their number.
    pub country: Option<&'a str>,
    /// Their open tickets, newest first.
    pub tickets: &'a [Ticket],
}

/// How a call is received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reception {
    /// With this phrase.
    Greet(Slug),
    /// With the phrase `closed`.
    Closed,
    /// Not at all: every place is taken.
    Busy,
}

/// What carriers put in the place of a number that is withheld: ANONYMOUS, RESTRICTED, UNAVAILABLE, UNKNOWN and BLOCKED, as
/// they are spelled on a telephone's keys.
const WITHHELD: [&str; 5] = ["+266696687", "+7378742833", "+86282452253", "+8656696", "+2562533"];

/// Who calls, by what the carrier says; `None` = they withhold their number, or it is none.
pub fn caller_of(from: &str) -> Option<Phone> {
    let from = from.trim();
    if WITHHELD.contains(&from) { None } else { Phone::from_e164(from).ok() }
}

/// How a call is received at `now`, where so many places are `taken`.
pub fn receive(desk: &Inbound, caller: &Caller<'_>, taken: usize, now: Wall) -> Reception {
    if taken >= desk.places {
        return Reception::Busy;
    }
    if !is_open(desk, now) {
        return Reception::Closed;
    }
    let fits = |rule: &&crate::core::config::Returning| {
        caller.tickets.iter().any(|ticket| rule.when.matches(&subject(caller, ticket, now)))
    };
    let own = desk.returning.iter().find(fits).map(|rule| rule.say.clone());
    Reception::Greet(own.unwrap_or_else(|| GREETING.parse().expect("a constant slug")))
}

fn is_open(desk: &Inbound, now: Wall) -> bool {
    let Some((hours, name)) = &desk.hours else { return true };
    // A zone that was known when the file was checked is known now.
    zone(name).is_ok_and(|zone| may_call(hours, &[zone], now) == Window::Open)
}

fn subject(caller: &Caller<'_>, ticket: &Ticket, now: Wall) -> Subject {
    let days = now.since(ticket.opened).as_secs() / Duration::from_secs(86_400).as_secs();
    let mut variables = BTreeMap::from([
        (WORDS[0].to_owned(), ticket.kind.clone()),
        (WORDS[1].to_owned(), ticket.reference.clone()),
        (WORDS[3].to_owned(), days.to_string()),
    ]);
    variables.extend(ticket.note.clone().map(|note| (WORDS[2].to_owned(), note)));
    let mut texts = BTreeMap::new();
    texts.extend(caller.language.map(|language| ("language", language.to_string())));
    texts.extend(caller.country.map(|country| ("country", country.to_owned())));
    Subject {
        id: 0,
        import: 0,
        texts,
        tries: 0,
        due: None,
        created: ticket.opened,
        changed: ticket.opened,
        tags: Vec::new(),
        variables,
    }
}

/// What greets a caller, the best first: the phrase in their language, its base language or the desk's own; a phrase without
/// such a sound gives way to the greeting.
pub fn choices<'a>(
    desk: &'a Inbound,
    phrase: &Slug,
    language: Option<&'a Language>,
) -> impl Iterator<Item = (Slug, Language)> + use<'a> {
    let base = language.and_then(|language| language.primary().parse::<Language>().ok());
    let languages = [language.cloned(), base, Some(desk.language.clone())];
    let greeting: Slug = GREETING.parse().expect("a constant slug");
    [phrase.clone(), greeting].into_iter().flat_map(move |key| {
        let languages = languages.clone().into_iter().flatten();
        languages.map(move |language| (key.clone(), language))
    })
}

/// Whether the house's own words about the menu are true of this desk.
pub fn is_house_menu(campaign: &Campaign) -> bool {
    let menu = campaign.inbound.as_ref().and_then(|desk| desk.menu.as_ref());
    menu.is_none_or(|menu| (menu.go_on, menu.message) == ('1', Some('2')))
}

/// The phrases that a desk plays besides those of every campaign.
pub fn phrases(desk: &Inbound) -> Vec<&str> {
    use crate::core::asset::book::{CALL_BACK_SOON, LEAVE_MESSAGE, MENU, MESSAGE_TAKEN, STILL_PREPARING};
    use crate::core::config::{Failing, NoKey, VoiceOption};
    let mut keys = Vec::new();
    if desk.hours.is_some() {
        keys.push(CLOSED);
    }
    if desk.menu.is_some() {
        keys.push(MENU);
    }
    if desk.menu.is_some() || desk.clone {
        keys.push(STILL_PREPARING);
    }
    if desk.option == VoiceOption::CallBack {
        keys.push(CALL_BACK_SOON);
    }
    let by_key = desk.menu.as_ref().is_some_and(|menu| menu.message.is_some() || menu.no_key == NoKey::Message);
    if by_key || desk.failing == Failing::Message {
        keys.extend([LEAVE_MESSAGE, MESSAGE_TAKEN]);
    }
    keys
}

#[cfg(test)]
mod tests;
