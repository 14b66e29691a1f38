//! Due leads through the gate: callable ones to the desk, the others put off or barred in the ledger.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::{Chosen, Seen, Shared, Target, Told, lock, rules};
use crate::base::{Boot, Language, LeadId, Phone, Wall};
use crate::core::asset::book::Personal;
use crate::core::config::Campaign;
use crate::core::dial::brake::Brake;
use crate::core::dial::callers::Callers;
use crate::core::dial::desk::{BUFFER, Candidate, Event, Stop};
use crate::core::dial::gate::{Bar, Gate, Known, Wait, gate};
use crate::core::dial::note::Note;
use crate::core::dial::zones;
use crate::core::rules::{Place, book};
use crate::run::render::{About, prompt_for, words_for};
use crate::store::ledger::{BlockReason, CampaignState, DueLead, Ledger, LedgerFault};

/// What one look into the ledger gave.
pub(super) struct Look {
    pub paused: bool,
    stopped: bool,
    /// Somebody could be called, but every number to call from rests.
    callers_out: bool,
    pub candidates: Vec<Chosen>,
    more: bool,
    waiting: bool,
    closed: bool,
    /// A rule paused the campaign at this look.
    pub paused_by_rule: Option<String>,
    /// Too many answers were silent: half the pace.
    slow: bool,
}

#[cfg(test)]
impl Look {
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting || self.more
    }
}

/// Reads due leads of one campaign, sorts them by the gate, and tells the desk.
pub(super) async fn refill(shared: Arc<Shared>, at: usize) {
    let campaign = shared.line(at).campaign.clone();
    let personal = shared.line(at).kit.personal.clone();
    let pending = lock(&shared.pending).clone();
    let now = shared.wall();
    let asker = Arc::clone(&shared);
    let unit = move |ledger: &mut Ledger| {
        let mut callers = lock(&asker.health.callers);
        look(ledger, &campaign, &personal, &pending, &asker.account, &mut callers, now)
    };
    let looked = shared.ledger.run(unit).await;
    match looked {
        Ok(look) => {
            if look.closed {
                lock(&shared.line(at).tally).window_closed = true;
            }
            if look.stopped && shared.line(at).stop() == Stop::No {
                shared.note_of(Some(at), &Note::Stopping(Stop::Drain));
                shared.stop_line(at, Stop::Drain).await;
                return;
            }
            let was_paused = {
                let mut paused = lock(&shared.paused);
                if look.paused { !paused.insert(at) } else { paused.remove(&at) }
            };
            let name = shared.line(at).campaign.name.to_string();
            if let Some(why) = &look.paused_by_rule {
                shared.note_of(Some(at), &Note::Say(format!("campaign {name} pauses itself: {why}")));
            }
            if look.paused != was_paused {
                shared.note_of(Some(at), &Note::Paused(name, look.paused));
            }
            if look.callers_out {
                shared.callers_out(at).await;
                return;
            }
            lock(&shared.seen).callers_out.remove(&at);
            if look.paused {
                shared.desk(Event::Paused(at, true)).await;
                return;
            }
            let Look { mut candidates, mut more, mut waiting, slow, .. } = look;
            let slowed = slowed(&mut lock(&shared.seen), at, slow, shared.boot());
            // No slot, no dial: nobody is called whom no agent could speak with.
            let free = shared.line(at).agent.as_ref().map(|agent| agent.free()).filter(|free| *free < candidates.len());
            if let Some(most) = slowed.into_iter().chain(free).min() {
                candidates.truncate(most);
                (more, waiting) = (false, true);
            }
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

/// With the brake on: how many leads may go to the desk now, so that the campaign dials at half the account's pace.
pub(super) fn slowed(seen: &mut Seen, at: usize, slow: bool, now: Boot) -> Option<usize> {
    if !slow {
        seen.slow.remove(&at);
        return None;
    }
    let half = seen.pace / 2.0;
    let Some(last) = seen.slow.get(&at).copied() else {
        seen.slow.insert(at, now);
        return Some(0);
    };
    let due = (now.since(last).as_secs_f64() * half).floor();
    if due >= 1.0 {
        seen.slow.insert(at, now);
    }
    Some((due as usize).min(BUFFER))
}

pub(super) fn look(
    ledger: &mut Ledger,
    campaign: &Campaign,
    personal: &BTreeMap<Language, Personal>,
    pending: &HashSet<LeadId>,
    account: &str,
    callers: &mut Callers,
    now: Wall,
) -> Result<Look, LedgerFault> {
    let mut look = Look {
        paused: false,
        stopped: false,
        callers_out: false,
        candidates: Vec::new(),
        more: false,
        waiting: false,
        closed: false,
        paused_by_rule: None,
        slow: false,
    };
    match ledger.campaign_state(&campaign.name)? {
        None | Some(CampaignState::Running) => {}
        Some(state @ (CampaignState::Paused | CampaignState::Stopped)) => {
            look.paused = true;
            look.stopped = state == CampaignState::Stopped;
            return Ok(look);
        }
    }
    let (brake, why) = rules::standing(ledger, campaign, now)?;
    look.slow = brake == Brake::Slow;
    if brake == Brake::Pause {
        ledger.pause_by_rule(&campaign.name, &why, now)?;
        look.paused = true;
        look.paused_by_rule = Some(why);
        return Ok(look);
    }
    let rests = ledger.resting_callers(account, now)?;
    let resting: Vec<Phone> = rests.iter().map(|rest| rest.caller.clone()).collect();
    let limit = u32::try_from(BUFFER).expect("a small constant");
    let due = ledger.due_leads(campaign, now, limit, None)?;
    look.more = due.len() == BUFFER;
    let mut kept = 0;
    for lead in due {
        if pending.contains(&lead.id) {
            kept += 1;
            continue;
        }
        match judge(ledger, campaign, &lead, now)? {
            Gate::Call { language, .. } => {
                let own = lead.sticky_caller.as_ref();
                let pool = campaign.senders.pool(&campaign.callers, lead.country);
                let Some(caller) = callers.choose(pool, &resting, own, lead.country) else {
                    let wakes = rests.iter().filter(|rest| pool.contains(&rest.caller)).map(|rest| rest.until).min();
                    if let (true, Some(until)) = (campaign.callers.iter().any(|it| !resting.contains(it)), wakes) {
                        // Others may be called from other numbers; this country waits for its own.
                        put_off(ledger, lead.id, until, Wait::Refusal, now)?;
                        continue;
                    }
                    look.callers_out = true;
                    return Ok(look);
                };
                kept += 1;
                let words = words_for(personal, &language, &lead);
                let prompt = prompt_for(campaign, &language, &About::lead(&lead));
                let what = Target { phone: lead.phone, caller, language, words, prompt, order: None };
                look.candidates.push(Candidate { lead: lead.id, what });
            }
            Gate::Later { until, why, .. } => {
                put_off(ledger, lead.id, until, why, now)?;
            }
            Gate::Never { bar, .. } => {
                ledger.block_lead(lead.id, block_reason(bar), now)?;
            }
        }
    }
    // A full page of leads that are all in hand already is not news.
    look.more &= kept < BUFFER;
    if look.candidates.is_empty() && !look.more {
        // In this order: what is looked at later may be found to wait for its hours.
        look.waiting = callable_later(ledger, campaign, now)? || ledger.any_in_hand(campaign, now)?;
        look.closed = ledger.any_waits_for_hours(campaign, now)?;
    } else {
        look.waiting = true;
    }
    Ok(look)
}

/// Lets a lead wait, and says in the ledger for what.
fn put_off(ledger: &mut Ledger, lead: LeadId, until: Wall, why: Wait, now: Wall) -> Result<(), LedgerFault> {
    match why {
        Wait::Hours => ledger.wait_for_hours(lead, until, now)?,
        Wait::Cap | Wait::Refusal => ledger.defer_lead(lead, until, now)?,
    };
    Ok(())
}

/// Whether a lead that is due later (a retry, a cap) has its window open now: it is worth waiting for in this run.
/// One whose window is closed is put off until it opens and never looked at again before, so that a look costs the same
/// with ten leads and with a million.
fn callable_later(ledger: &mut Ledger, campaign: &Campaign, now: Wall) -> Result<bool, LedgerFault> {
    let limit = u32::try_from(BUFFER).expect("a small constant");
    let soonest = ledger.due_later(campaign, now, limit)?;
    let full = soonest.len() == BUFFER;
    let mut sorted = 0;
    for lead in soonest {
        match judge(ledger, campaign, &lead, now)? {
            Gate::Call { .. } | Gate::Later { why: Wait::Cap, .. } => return Ok(true),
            Gate::Later { until, why: Wait::Hours, .. } => {
                put_off(ledger, lead.id, until.max(lead.due), Wait::Hours, now)?;
                sorted += 1;
            }
            Gate::Never { bar, .. } => {
                sorted += 1;
                ledger.block_lead(lead.id, block_reason(bar), now)?;
            }
            // It rests for weeks, and stays where it is.
            Gate::Later { why: Wait::Refusal, .. } => {}
        }
    }
    // A full page without one is followed by the next at the next look, as long as looking changes anything.
    Ok(full && sorted > 0)
}

/// Every rule about one lead, with what the ledger knows about it.
pub fn judge(ledger: &Ledger, campaign: &Campaign, lead: &DueLead, now: Wall) -> Result<Gate, LedgerFault> {
    let history = ledger.phone_history(&lead.phone, now)?;
    decide(ledger, campaign, lead, (history.last_at, history.in_24h, history.in_30d), now)
}

/// [`judge`] for the fence: the caps were counted inside the claim, and the attempt that it opened is no reason against
/// itself.
pub(super) fn may_still_call(
    ledger: &Ledger,
    campaign: &Campaign,
    lead: LeadId,
    now: Wall,
) -> Result<bool, LedgerFault> {
    if ledger.campaign_state(&campaign.name)? != Some(CampaignState::Running) {
        return Ok(false);
    }
    still_allowed(ledger, campaign, lead, now)
}

/// What every rule but the caps says about a lead at this moment, whatever its state: also about one whose call waits in
/// the carrier's queue.
pub(super) fn still_allowed(
    ledger: &Ledger,
    campaign: &Campaign,
    lead: LeadId,
    now: Wall,
) -> Result<bool, LedgerFault> {
    let Some(card) = ledger.lead_card(lead)? else { return Ok(false) };
    let gate = decide(ledger, campaign, &card, (None, 0, 0), now)?;
    Ok(matches!(gate, Gate::Call { .. }))
}

fn decide(
    ledger: &Ledger,
    campaign: &Campaign,
    lead: &DueLead,
    (last_at, in_24h, in_30d): (Option<Wall>, u32, u32),
    now: Wall,
) -> Result<Gate, LedgerFault> {
    let place = Place::of(&lead.phone, lead.country);
    let zones = zones::zones_of(&lead.phone, lead.timezone.as_deref()).ok();
    let dnc_dated = match place.country {
        Some(country) => ledger.dnc_dated(country)?,
        None => None,
    };
    let known = Known {
        language: lead.language.as_ref(),
        consent: lead.consent.as_deref(),
        suppressed: ledger.is_suppressed(&lead.phone)?,
        never_called: lead.phone.never_called(),
        own_number: campaign.callers.contains(&lead.phone),
        zones: zones.as_deref(),
        place: &place,
        dnc_dated,
        refused_at: ledger.refused_at(&lead.phone)?,
        last_at,
        in_24h,
        in_30d,
    };
    Ok(gate(book(), campaign, &known, now))
}

/// The ledger's word for a bar.
pub(super) fn block_reason(bar: Bar) -> BlockReason {
    match bar {
        Bar::Suppressed => BlockReason::Suppressed,
        Bar::NoConsent => BlockReason::NoConsent,
        Bar::NoZone => BlockReason::NoZone,
        Bar::NoGreeting => BlockReason::NoGreeting,
        Bar::Country => BlockReason::Country,
        Bar::DoNotCallFile => BlockReason::DoNotCallFile,
        Bar::NeverCalled => BlockReason::NeverCalled,
    }
}
