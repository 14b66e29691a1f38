//! Who may call, in memory: languages of the leads of the desk's campaign, and open tickets, by number.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use super::Desks;
use crate::base::{Language, Phone, Slug};
use crate::core::inbound::Ticket;
use crate::store::ledger::{Ledger, LedgerFault};

/// Between two looks for tickets that another process has changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Languages of the leads of one campaign, by number: some twenty bytes each, so that a desk with a million leads fits into
/// memory. Whose lead a caller is, the ledger says when the call is written down.
#[derive(Default)]
pub(super) struct Callers(HashMap<u64, Arc<Language>>);

impl Callers {
    /// Reads them from the ledger.
    pub fn read(ledger: &Ledger, campaign: &Slug) -> Result<Callers, LedgerFault> {
        let (mut known, mut languages) = (HashMap::new(), HashMap::<Language, Arc<Language>>::new());
        ledger.visit_callers(campaign, |phone, language| {
            let shared = languages.entry(language.clone()).or_insert_with(|| Arc::new(language));
            known.insert(phone.as_number(), Arc::clone(shared));
        })?;
        Ok(Callers(known))
    }

    /// The language of a number's lead.
    pub fn language(&self, phone: &Phone) -> Option<Arc<Language>> {
        self.0.get(&phone.as_number()).cloned()
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
