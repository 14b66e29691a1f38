//! Due leads through the gate: callable ones to the desk, the others put off or barred in the ledger.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::{Chosen, Shared, Target, Told, lock};
use crate::base::{LeadId, Phone, Wall};
use crate::core::config::Campaign;
use crate::core::dial::desk::{BUFFER, Candidate, Event};
use crate::core::dial::gate::{Bar, Gate, Known, Wait, gate};
use crate::core::dial::hours::{Window, may_call};
use crate::core::dial::note::Note;
use crate::core::dial::zones;
use crate::store::ledger::{BlockReason, CampaignState, DueLead, Ledger, LedgerFault};

/// What one look into the ledger gave.
struct Look {
    paused: bool,
    candidates: Vec<Chosen>,
    more: bool,
    waiting: bool,
    closed: bool,
}

/// Reads due leads of one campaign, sorts them by the gate, and tells the desk.
pub(super) async fn refill(shared: Arc<Shared>, at: usize) {
    let campaign = shared.line(at).campaign.clone();
    let pending = lock(&shared.pending).clone();
    let now = shared.wall();
    let seed = lock(&shared.random).u64(..);
    let looked = shared.ledger.run(move |ledger| look(ledger, &campaign, &pending, now, seed)).await;
    match looked {
        Ok(look) => {
            if look.closed {
                lock(&shared.line(at).tally).window_closed = true;
            }
            let was_paused = {
                let mut paused = lock(&shared.paused);
                if look.paused { !paused.insert(at) } else { paused.remove(&at) }
            };
            if look.paused != was_paused {
                let name = shared.line(at).campaign.name.to_string();
                shared.note_of(Some(at), &Note::Paused(name, look.paused));
            }
            if look.paused {
                shared.desk(Event::Paused(at, true)).await;
                return;
            }
            let Look { candidates, more, waiting, .. } = look;
            shared.desk(Event::Refilled { campaign: at, candidates, more, waiting }).await;
        }
        Err(LedgerFault::Busy | LedgerFault::QueueFull) => {
            shared.clock.sleep(Duration::from_millis(250)).await;
            let again = Event::Refilled { campaign: at, candidates: Vec::new(), more: true, waiting: true };
            shared.desk(again).await;
        }
        Err(fault) => shared.tell(Told::LedgerFailed(fault)).await,
    }
}

fn look(
    ledger: &mut Ledger,
    campaign: &Campaign,
    pending: &HashSet<LeadId>,
    now: Wall,
    seed: u64,
) -> Result<Look, LedgerFault> {
    let mut look = Look { paused: false, candidates: Vec::new(), more: false, waiting: false, closed: false };
    if ledger.campaign_state(&campaign.name)?.is_some_and(|state| state != CampaignState::Running) {
        look.paused = true;
        return Ok(look);
    }
    let limit = u32::try_from(BUFFER).expect("a small constant");
    let due = ledger.due_leads(&campaign.name, now, limit, None)?;
    look.more = due.len() == BUFFER;
    let mut kept = 0;
    for lead in due {
        if pending.contains(&lead.id) {
            kept += 1;
            continue;
        }
        match judge(ledger, campaign, &lead, now)? {
            Gate::Call { language, .. } => {
                kept += 1;
                // A number that the campaign gave up is not shown any more.
                let own = lead.sticky_caller.clone().filter(|own| campaign.callers.contains(own));
                let caller = own.unwrap_or_else(|| choose(&campaign.callers, lead.id, seed));
                let what = Target { phone: lead.phone, caller, language };
                look.candidates.push(Candidate { lead: lead.id, what });
            }
            Gate::Later { until, why } => {
                ledger.defer_lead(lead.id, until, now)?;
                look.closed |= why == Wait::Hours;
            }
            Gate::Never(bar) => {
                ledger.block_lead(lead.id, block_reason(bar), now)?;
            }
        }
    }
    // A full page of leads that are all in hand already is not news.
    look.more &= kept < BUFFER;
    if look.candidates.is_empty() && !look.more {
        let counts = ledger.lead_counts(&campaign.name, now)?;
        let (callable, closed) = later(ledger, campaign, now)?;
        look.waiting = counts.held + counts.ready_due > 0 || callable;
        look.closed |= closed;
    } else {
        look.waiting = true;
    }
    Ok(look)
}

/// Of the leads that are due later: whether one has its window open now (it is worth waiting for), and whether one
/// has it closed. Looks at the next few only.
pub(super) fn later(ledger: &Ledger, campaign: &Campaign, now: Wall) -> Result<(bool, bool), LedgerFault> {
    let limit = u32::try_from(BUFFER).expect("a small constant");
    let (mut callable, mut closed) = (false, false);
    for lead in ledger.ready_leads(&campaign.name, limit, None)? {
        match judge(ledger, campaign, &lead, now)? {
            Gate::Later { why: Wait::Hours, .. } => closed = true,
            Gate::Call { .. } | Gate::Later { why: Wait::Cap, .. } => callable = true,
            Gate::Never(_) => {}
        }
    }
    Ok((callable, closed))
}

/// Every rule about one lead, with what the ledger knows about it.
pub(super) fn judge(ledger: &Ledger, campaign: &Campaign, lead: &DueLead, now: Wall) -> Result<Gate, LedgerFault> {
    let history = ledger.phone_history(&lead.phone, now)?;
    let known = Known {
        language: lead.language.as_ref(),
        consent: lead.consent.as_deref(),
        suppressed: ledger.is_suppressed(&lead.phone)?,
        window: window_of(campaign, &lead.phone, lead.timezone.as_deref(), now),
        last_at: history.last_at,
        in_24h: history.in_24h,
        in_30d: history.in_30d,
    };
    Ok(gate(campaign, &known, now))
}

fn window_of(campaign: &Campaign, phone: &Phone, timezone: Option<&str>, now: Wall) -> Window {
    match zones::zones_of(phone, timezone) {
        Ok(zones) => may_call(&campaign.hours, &zones, now),
        Err(_) => Window::NoZone,
    }
}

/// Whether the calling window of a lead is open.
pub(super) fn window(ledger: &Ledger, campaign: &Campaign, lead: LeadId, now: Wall) -> Result<bool, LedgerFault> {
    let Some(card) = ledger.lead_card(lead)? else { return Ok(false) };
    Ok(window_of(campaign, &card.phone, card.timezone.as_deref(), now) == Window::Open)
}

fn choose(callers: &[Phone], lead: LeadId, seed: u64) -> Phone {
    let at = fastrand::Rng::with_seed(seed ^ lead.0.unsigned_abs()).usize(..callers.len());
    callers[at].clone()
}

/// The ledger's word for a bar.
pub(super) fn block_reason(bar: Bar) -> BlockReason {
    match bar {
        Bar::Suppressed => BlockReason::Suppressed,
        Bar::NoConsent => BlockReason::NoConsent,
        Bar::NoZone => BlockReason::NoZone,
        Bar::NoGreeting => BlockReason::NoGreeting,
    }
}
