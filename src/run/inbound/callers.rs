//! Who may call, in memory, by number: leads of the desk's campaign with their languages, and open tickets.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use super::{Desks, lock};
use crate::base::{Language, LeadId, Phone, Slug, limits};
use crate::core::inbound::Ticket;
use crate::store::ledger::{Ledger, LedgerFault};

/// Between two looks for tickets that another process has changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Leads of one campaign, by number: some fifty bytes each, so that a desk with a million leads fits into memory.
#[derive(Default)]
pub(super) struct Callers {
    /// As the ledger had them when the desk opened.
    known: HashMap<u64, (LeadId, Option<Arc<Language>>)>,
    /// Who has called since then and was not known.
    new: Mutex<HashMap<u64, LeadId>>,
}

/// Whose lead a caller is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallerLead {
    /// One that the ledger has.
    Known(LeadId),
    /// One whose row is written behind the call, or was.
    Promised(LeadId),
}

impl CallerLead {
    pub fn id(self) -> LeadId {
        match self {
            CallerLead::Known(id) | CallerLead::Promised(id) => id,
        }
    }

    /// The id that the row is to have, if it is a new one.
    pub fn promised(self) -> Option<LeadId> {
        match self {
            CallerLead::Known(_) => None,
            CallerLead::Promised(id) => Some(id),
        }
    }
}

impl Callers {
    /// Reads them from the ledger.
    pub fn read(ledger: &Ledger, campaign: &Slug) -> Result<Callers, LedgerFault> {
        let (mut known, mut languages) = (HashMap::new(), HashMap::<Language, Arc<Language>>::new());
        ledger.visit_callers(campaign, |lead, phone, language| {
            let shared = language.map(|it| Arc::clone(languages.entry(it.clone()).or_insert_with(|| Arc::new(it))));
            known.insert(phone.as_number(), (lead, shared));
        })?;
        Ok(Callers { known, new: Mutex::default() })
    }

    /// The language of a number's lead.
    pub fn language(&self, phone: &Phone) -> Option<Arc<Language>> {
        self.known.get(&phone.as_number())?.1.clone()
    }

    /// The lead of a number: at once, and the same one for everybody who asks. `None`: the ledger decides when the call is
    /// written down.
    pub fn lead(&self, phone: &Phone, ids: &LeadIds) -> Option<CallerLead> {
        let number = phone.as_number();
        if let Some((lead, _)) = self.known.get(&number) {
            return Some(CallerLead::Known(*lead));
        }
        let mut new = lock(&self.new);
        if let Some(lead) = new.get(&number) {
            return Some(CallerLead::Promised(*lead));
        }
        if new.len() >= limits::INBOUND_CALLERS {
            return None;
        }
        let lead = ids.take()?;
        new.insert(number, lead);
        Some(CallerLead::Promised(lead))
    }

    /// The ledger's word on whose lead a new caller is.
    pub fn learn(&self, phone: &Phone, lead: LeadId) {
        if let Some(promised) = lock(&self.new).get_mut(&phone.as_number()) {
            *promised = lead;
        }
    }
}

/// Ids of leads that are reserved in the ledger and nobody's yet.
#[derive(Default)]
pub(super) struct LeadIds(Mutex<Ids>);

#[derive(Default)]
struct Ids {
    /// Stretches, first and last.
    free: Vec<(i64, i64)>,
    fetching: bool,
}

impl LeadIds {
    /// A stretch that was reserved.
    pub fn add(&self, (first, last): (LeadId, LeadId)) {
        let mut ids = lock(&self.0);
        ids.free.push((first.0, last.0));
        ids.fetching = false;
    }

    /// The next one, if there is one.
    fn take(&self) -> Option<LeadId> {
        let mut ids = lock(&self.0);
        let (first, last) = ids.free.first_mut()?;
        let id = *first;
        *first += 1;
        if id == *last {
            ids.free.remove(0);
        }
        Some(LeadId(id))
    }

    /// Whether more are to be reserved now. Whoever hears it does that, and tells [`LeadIds::add`] or [`LeadIds::failed`].
    pub fn wants_more(&self) -> bool {
        let mut ids = lock(&self.0);
        let left: i64 = ids.free.iter().map(|(first, last)| last - first + 1).sum();
        left <= i64::from(limits::INBOUND_LEADS) / 2 && !std::mem::replace(&mut ids.fetching, true)
    }

    /// None could be reserved: the next call asks again.
    pub fn failed(&self) {
        lock(&self.0).fetching = false;
    }
}

impl Desks {
    /// Keeps ids of leads ready, beside the calls.
    pub(super) fn keep_lead_ids(self: &Arc<Self>) {
        if !self.lead_ids.wants_more() {
            return;
        }
        let desks = Arc::clone(self);
        self.runtime.spawn(async move {
            match desks.ledger.run(|ledger: &mut Ledger| ledger.reserve_leads(limits::INBOUND_LEADS)).await {
                Ok(more) => desks.lead_ids.add(more),
                Err(fault) => {
                    tracing::warn!(%fault, "no ids for new callers now: they get theirs when they are written down");
                    desks.lead_ids.failed();
                }
            }
        });
    }
}

/// Open tickets by number, newest first.
#[derive(Default)]
pub(super) struct Tickets(RwLock<(i64, ByNumber)>);

type ByNumber = HashMap<u64, Arc<[Ticket]>>;

impl Tickets {
    /// Reads them, unless nothing has changed since the last time. Gives whether it did.
    pub fn read(&self, ledger: &Ledger) -> Result<bool, LedgerFault> {
        let version = ledger.ticket_version()?;
        if self.0.read().unwrap_or_else(PoisonError::into_inner).0 == version {
            return Ok(false);
        }
        let mut by_number: HashMap<u64, Vec<Ticket>> = HashMap::new();
        for row in ledger.tickets(true, None, u32::MAX)? {
            by_number.entry(row.phone.as_number()).or_default().push(row.ticket);
        }
        let all = by_number.into_iter().map(|(number, tickets)| (number, tickets.into())).collect();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = (version, all);
        Ok(true)
    }

    pub fn of(&self, phone: &Phone) -> Arc<[Ticket]> {
        let tickets = self.0.read().unwrap_or_else(PoisonError::into_inner);
        tickets.1.get(&phone.as_number()).cloned().unwrap_or_default()
    }
}

/// Follows changes of the tickets, whoever makes them, until the desks close.
pub(super) async fn follow_tickets(desks: std::sync::Weak<Desks>) {
    loop {
        let Some(clock) = desks.upgrade().map(|desks| Arc::clone(&desks.clock)) else { return };
        clock.sleep(LOOK_EVERY).await;
        let Some(held) = desks.upgrade() else { return };
        let there = Arc::clone(&held);
        let read = held.ledger.run(move |ledger| there.tickets.read(ledger));
        if let Err(fault) = read.await {
            tracing::warn!(%fault, "tickets could not be read again");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Barrier;

    use super::*;

    fn number(n: u64) -> Phone {
        Phone::from_e164(&format!("+4420794{n:05}")).expect("E.164")
    }

    #[test]
    fn callers_of_one_number_at_the_same_moment_have_one_lead_and_others_have_others() {
        let (callers, ids) = (Callers::default(), LeadIds::default());
        ids.add((LeadId(100), LeadId(104)));
        ids.add((LeadId(200), LeadId(400)));
        let gate = Barrier::new(8);
        let given: Vec<(u64, CallerLead)> = std::thread::scope(|scope| {
            let asks = |_| {
                let (callers, ids, gate) = (&callers, &ids, &gate);
                scope.spawn(move || {
                    gate.wait();
                    let lead = |n| (n, callers.lead(&number(n), ids).expect("there are enough"));
                    (0..50).map(lead).collect::<Vec<_>>()
                })
            };
            let asking: Vec<_> = (0..8).map(asks).collect();
            asking.into_iter().flat_map(|it| it.join().expect("it ends")).collect()
        });
        let distinct: BTreeSet<(u64, LeadId)> = given.iter().map(|(n, lead)| (*n, lead.id())).collect();
        let leads: BTreeSet<LeadId> = distinct.iter().map(|(_, lead)| *lead).collect();
        assert_eq!((distinct.len(), leads.len()), (50, 50), "one a number, and nobody shares");
        assert!(leads.iter().all(|lead| (100..=104).contains(&lead.0) || (200..=400).contains(&lead.0)));
        assert!(given.iter().all(|(_, lead)| lead.promised().is_some()));
    }

    #[test]
    fn without_ids_the_ledger_decides_and_its_word_holds() {
        let (callers, ids) = (Callers::default(), LeadIds::default());
        assert_eq!(callers.lead(&number(1), &ids), None);
        assert!(ids.wants_more(), "and more are fetched");
        assert!(!ids.wants_more(), "once");
        ids.add((LeadId(7), LeadId(7)));
        assert_eq!(callers.lead(&number(1), &ids), Some(CallerLead::Promised(LeadId(7))));
        assert_eq!(callers.lead(&number(2), &ids), None);
        // A list has brought this number meanwhile.
        callers.learn(&number(1), LeadId(3));
        callers.learn(&number(2), LeadId(4));
        assert_eq!(callers.lead(&number(1), &ids).map(CallerLead::id), Some(LeadId(3)));
    }
}
