//! One attempt: claim, fence, one request, and what its answer means. Never a second request.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::late::Readiness;
use super::order::{Ordered, Seat};
use super::{Active, Chosen, Line, Shared, Told, Urls, lock};
use crate::base::{AttemptId, Boot, Language, LeadId, Wall, limits};
use crate::core::asset::book::house_text;
use crate::core::call::CallScript;
use crate::core::config::{Caps, Detect};
use crate::core::dial::attempt::{Input, Refused, Source};
use crate::core::dial::desk::{Event, Stop};
use crate::core::dial::gate::caps_for;
use crate::core::dial::note::Note;
use crate::core::dial::pacing::Slot;
use crate::core::rules::{Place, book};
use crate::core::wire::{token, twiml};
use crate::edge::carrier::{ContractCard, Order, PlaceFault, Placed, Refusal, StreamProof, Throttled};
use crate::run::agent::Task;
use crate::run::gateway::Expected;
use crate::run::metrics::GreetingFrom;
use crate::store::ledger::{BlockReason, CarrierFact, Claim, ClaimRefused, FactResult, LedgerFault};

/// Claims a lead and calls it.
pub(super) async fn dial(shared: Arc<Shared>, campaign: usize, slot: Slot, mut chosen: Chosen) {
    let line = &*shared.line(campaign);
    // Whoever asked for it may have given up: then nobody is called.
    let taken = match chosen.what.order.as_ref().map(Seat::take) {
        Some(None) => return not_sent(&shared, &chosen, slot).await,
        Some(Some(taken)) => Some(taken),
        None => None,
    };
    if let Some(late) = line.late.get(&chosen.what.language)
        && super::late::ready(&shared, campaign, late).await == Readiness::Failed
    {
        if let Some(taken) = taken {
            taken.refuse("no_greeting", "its greeting cannot be rendered now");
            return not_sent(&shared, &chosen, slot).await;
        }
        return not_claimed(&shared, &chosen, slot, ClaimRefused::Open).await;
    }
    // Reserved before the phone rings: nobody is called whom no agent could speak with.
    let agent = match line.agent.as_ref().map(|agent| agent.slot()) {
        // The lead is due again at the next look.
        Some(None) => {
            if let Some(taken) = taken {
                taken.refuse("no_agent", "every session that the agent may have is taken");
            }
            return not_sent(&shared, &chosen, slot).await;
        }
        Some(Some(slot)) => Some(slot),
        None => None,
    };
    let claimed_at = shared.boot();
    let attempt = mint(&shared.random, shared.wall());
    let claim = claim_of(&shared, line, attempt, &chosen);
    // Until what became of the request is written down, by every way out of here.
    let _ordering = shared.asker.ordering(attempt);
    let decided = chosen.lead;
    let voice = taken.as_ref().and_then(|taken| taken.order.wish.clone()).and_then(|(_, voice)| voice);
    if let Some(taken) = taken {
        match super::order::claim(&shared, line, &taken.order, claim).await {
            Ok(lead) => {
                chosen.lead = lead;
                taken.tell(Ordered::Placed(attempt));
            }
            Err(ordered) => {
                taken.tell(ordered);
                return not_sent(&shared, &chosen, slot).await;
            }
        }
    } else if let Err(refused) = shared.ledger.run(move |ledger| ledger.claim(&claim)).await {
        if refused == ClaimRefused::NotRunning {
            // Paused just now: whom the desk holds is not tried one by one.
            shared.desk(Event::Paused(campaign, true)).await;
        }
        return not_claimed(&shared, &chosen, slot, refused).await;
    }
    let lead = chosen.lead;
    lock(&line.tally).attempts += 1;
    let active = Active { streamed: false, answered: false, line: Some(campaign) };
    lock(&shared.active).insert(attempt, active);
    shared.desk(Event::Opened { slot, attempt }).await;
    shared.tell(Told::Decided(decided)).await;

    let order = order_of(&shared, line, attempt, &chosen);
    let named = named_script(line, &chosen);
    let is_plain = named.is_none() && line.kit.personal.contains_key(&chosen.what.language);
    if is_plain {
        lock(&line.tally).plain += 1;
    }
    let plain = line.scripts.get(&chosen.what.language).expect("a script was made for every language of the greeting");
    let late = line.late.get(&chosen.what.language).filter(|_| named.is_none()).map(|late| Arc::clone(&late.script));
    let script = named.unwrap_or(plain);
    let greeting = match &late {
        Some(_) => GreetingFrom::Rendered,
        None if is_plain => GreetingFrom::Plain,
        None => GreetingFrom::Cache,
    };
    let expires = shared.boot() + shared.ring_timeout + limits::TOKEN_LIFE;
    let token = token::mint(&shared.token_key, attempt);
    let (call, proof) = (attempt.call(), shared.carrier.card().stream);
    let expected = Expected { attempt, call, token, expires, proof, script: Arc::clone(script), late };
    let room = shared.registry.expect(expected).is_ok();
    if let (Some(door), Some(slot)) = (&line.agent, agent) {
        let prompt = chosen.what.prompt.clone().unwrap_or_default();
        let transfers = line.campaign.transfer.is_some();
        let language = chosen.what.language.to_string();
        let task = Task { prompt, language, transfers, voice };
        // While it rings: connected, told what to do, mute.
        shared.registry.lend(attempt, door.open(slot, &line.campaign.agent, line.campaign.vad, task));
    }

    if !room || !fence(&shared, line, &chosen, claimed_at).await {
        settle(&shared, attempt, Input::FenceFailed).await;
        shared.desk(Event::Answered { slot }).await;
        return;
    }
    let name = line.campaign.name.to_string();
    shared.note_of(Some(campaign), &Note::Dialed { attempt, lead, campaign: name });
    shared.metrics.ordered(greeting);
    crate::door!("carrier");
    let answer = shared.carrier.place(&order).await;
    shared.weigh_answer(attempt, &chosen.what.caller, &answer).await;
    answered(&shared, attempt, slot, answer).await;
}

/// An id of now.
pub(crate) fn mint(random: &Mutex<fastrand::Rng>, now: Wall) -> AttemptId {
    let mut bytes = [0; 10];
    lock(random).fill(&mut bytes);
    AttemptId::mint(u64::try_from(now.0).unwrap_or(0), bytes)
}

fn claim_of(shared: &Shared, line: &Line, attempt: AttemptId, chosen: &Chosen) -> Claim {
    let now = shared.wall();
    Claim {
        attempt,
        campaign: line.campaign.name.clone(),
        lead: chosen.lead,
        phone: chosen.what.phone.clone(),
        caller: chosen.what.caller.clone(),
        account: shared.account.clone(),
        language: chosen.what.language.clone(),
        greeting: greeting_of(line, chosen),
        intent_at: now,
        send_by: now + limits::SEND_WINDOW,
        // A short horizon (loopback) never ends before the request could have left.
        release_after: now + shared.asker.horizon().total.max(limits::SEND_WINDOW),
        owner: shared.owner,
        caps: caps_of(line, chosen),
        policy: line.policy.clone(),
    }
}

/// The script whose greeting names the lead, if it is ready.
fn named_script<'a>(line: &'a Line, chosen: &Chosen) -> Option<&'a Arc<CallScript>> {
    let words = chosen.what.words.clone()?;
    line.named.get(&(chosen.what.language.clone(), words))
}

/// The fingerprint of what a lead will hear first.
fn greeting_of(line: &Line, chosen: &Chosen) -> String {
    let named =
        chosen.what.words.clone().and_then(|words| line.kit.variants.get(&(chosen.what.language.clone(), words)));
    let late = || line.late.get(&chosen.what.language).map(|late| late.fingerprint());
    let plain = || line.kit.clip("greeting", &chosen.what.language).map(|clip| clip.fingerprint.clone());
    named.map(|clip| clip.fingerprint.clone()).or_else(late).or_else(plain).unwrap_or_default()
}

/// The campaign's caps, as tight as the rules of the number's country ask.
fn caps_of(line: &Line, chosen: &Chosen) -> Caps {
    let place = Place::of(&chosen.what.phone, None);
    caps_for(&line.campaign, &book().terms(&place, &line.campaign.set_aside))
}

/// What happens on a call: our stream; and if it never opens or breaks, the carrier's own voice apologises.
pub(crate) fn document(
    urls: &Urls,
    card: &ContractCard,
    attempt: AttemptId,
    token: &str,
    language: &Language,
) -> String {
    let stream = twiml::Stream {
        url: match card.stream {
            StreamProof::Signed => urls.stream.clone(),
            StreamProof::Token => format!("{}/{token}", urls.stream),
        },
        name: Some(attempt.to_string()),
        parameters: vec![("token".to_owned(), token.to_owned())],
        form: card.stream_form,
    };
    let text = house_text("apology", language).unwrap_or("We are sorry, something went wrong. Goodbye.").to_owned();
    let fallback = [twiml::Verb::Say { text, language: Some(language.to_string()) }, twiml::Verb::Hangup];
    twiml::connect_stream(&stream, &fallback).expect("our own words fit into the document")
}

fn order_of(shared: &Shared, line: &Line, attempt: AttemptId, chosen: &Chosen) -> Order {
    let token = token::mint(&shared.token_key, attempt);
    Order {
        attempt,
        to: chosen.what.phone.clone(),
        from: chosen.what.caller.clone(),
        ring_timeout: shared.ring_timeout,
        time_limit: line.campaign.max_call + Duration::from_secs(5),
        twiml: document(&shared.urls, shared.carrier.card(), attempt, &token, &chosen.what.language),
        status_url: format!("{}{token}", shared.urls.status),
        reason: line.campaign.reason.clone(),
        machines: line.campaign.machines.detect == Detect::Both,
    }
}

async fn not_claimed(shared: &Arc<Shared>, chosen: &Chosen, slot: Slot, refused: ClaimRefused) {
    match refused {
        // Busy is not broken: the lead is due again at the next look.
        ClaimRefused::Fault(LedgerFault::Busy | LedgerFault::QueueFull) => {}
        ClaimRefused::Fault(fault) => shared.ledger_failed(fault).await,
        ClaimRefused::AccountStopped(why) => shared.account_is_stopped(why).await,
        ClaimRefused::Capped { until } => put_off(shared, chosen.lead, until).await,
        // Called by another campaign just now.
        ClaimRefused::Open => put_off(shared, chosen.lead, shared.wall() + Duration::from_secs(30)).await,
        // The campaign's tries were lowered: without a word in the ledger it would be offered for ever.
        ClaimRefused::Exhausted => {
            let (lead, now) = (chosen.lead, shared.wall());
            let unit = shared.ledger.run(move |ledger| ledger.block_lead(lead, BlockReason::Capped, now));
            if let Err(fault) = unit.await {
                shared.ledger_failed(fault).await;
            }
        }
        ClaimRefused::NotReady | ClaimRefused::Suppressed | ClaimRefused::NotRunning | ClaimRefused::CallerRests => {
            tracing::debug!(lead = %chosen.lead, %refused, "not claimed");
        }
    }
    not_sent(shared, chosen, slot).await;
}

async fn not_sent(shared: &Shared, chosen: &Chosen, slot: Slot) {
    shared.tell(Told::Decided(chosen.lead)).await;
    shared.desk(Event::NotSent { slot }).await;
}

async fn put_off(shared: &Arc<Shared>, lead: LeadId, until: Wall) {
    let now = shared.wall();
    if let Err(fault) = shared.ledger.run(move |ledger| ledger.defer_lead(lead, until, now)).await {
        shared.ledger_failed(fault).await;
    }
}

/// The last look before the request leaves: deadline, campaign, suppression, hours, consent and every other rule, the
/// operator's hand.
pub(super) async fn fence(shared: &Shared, line: &Line, chosen: &Chosen, claimed_at: Boot) -> bool {
    let lead = chosen.lead;
    let campaign = line.campaign.clone();
    let now = shared.wall();
    let allowed = shared.ledger.run(move |ledger| super::refill::may_still_call(ledger, &campaign, lead, now)).await;
    let allowed = match allowed {
        Ok(allowed) => allowed,
        Err(fault) => {
            shared.ledger_failed(fault).await;
            false
        }
    };
    allowed && shared.stop_of(line) == Stop::No && shared.boot().since(claimed_at) < limits::SEND_WINDOW
}

async fn answered(shared: &Arc<Shared>, attempt: AttemptId, slot: Slot, answer: Result<Placed, PlaceFault>) {
    match answer {
        Ok(Placed { sid, status, queue_ms }) => {
            shared.desk(Event::Answered { slot }).await;
            shared.weigh_queue(queue_ms).await;
            let now = shared.wall();
            let fact = CarrierFact {
                attempt,
                key: format!("{sid}:answer"),
                sid,
                source: Source::Answer,
                status,
                at: now,
                duration_s: None,
                body: String::new(),
            };
            tell_fact(shared, fact).await;
            shared.note(attempt, &Note::Placed(attempt));
        }
        Err(PlaceFault::Throttled { after }) => {
            shared.watcher.note(&Note::Throttled);
            shared.desk(Event::Throttled { slot, after }).await;
            let input = match shared.carrier.card().throttled {
                Throttled::NotProcessed => Input::Throttled { after },
                Throttled::Unsaid => Input::AnswerLost,
            };
            settle(shared, attempt, input).await;
        }
        Err(PlaceFault::NotSent { cause }) => {
            tracing::warn!(%attempt, cause, "no connection to the carrier");
            shared.desk(Event::Throttled { slot, after: Some(Duration::from_secs(2)) }).await;
            settle(shared, attempt, Input::NotSent).await;
        }
        Err(PlaceFault::Unnamed) => {
            // Unknown for the moment that its first event takes; a list finds it if none comes.
            shared.desk(Event::Answered { slot }).await;
            settle(shared, attempt, Input::AnswerLost).await;
        }
        Err(PlaceFault::MaybePlaced { cause }) => {
            tracing::warn!(%attempt, cause, "the carrier's answer was lost: it will be asked");
            shared.desk(Event::Answered { slot }).await;
            shared.note(attempt, &Note::Unknown(attempt));
            settle(shared, attempt, Input::AnswerLost).await;
        }
        Err(PlaceFault::Refused { http, code, what }) => {
            tracing::info!(%attempt, http, ?code, ?what, "refused");
            shared.desk(Event::Answered { slot }).await;
            settle(shared, attempt, Input::Refused(refused(what))).await;
        }
    }
}

fn refused(what: Refusal) -> Refused {
    match what {
        Refusal::Number => Refused::Number,
        Refusal::Destination => Refused::Destination,
        Refusal::Caller => Refused::Caller,
        Refusal::Account(_) => Refused::Account,
        Refusal::Request => Refused::Request,
    }
}

/// Feeds the attempt machine and acts on what it says.
pub(super) async fn settle(shared: &Arc<Shared>, attempt: AttemptId, input: Input) {
    for _ in 0..limits::LEDGER_TRIES {
        let (now, input) = (shared.wall(), input.clone());
        match shared.ledger.run(move |ledger| ledger.settle(attempt, input, now)).await {
            Ok(settled) => return shared.settled(settled).await,
            // Full: the reserve has been let go by now, so the next try fits.
            Err(LedgerFault::Busy | LedgerFault::QueueFull | LedgerFault::Full) => {
                shared.clock.sleep(Duration::from_secs(1)).await;
            }
            Err(fault) => return shared.ledger_failed(fault).await,
        }
    }
    shared.ledger_failed(LedgerFault::Busy).await;
}

/// Writes down what the carrier said and acts on it. Returns the fault if it could not be made durable.
pub(super) async fn fact(shared: &Arc<Shared>, fact: CarrierFact) -> Result<FactResult, LedgerFault> {
    let now = shared.wall();
    let result = shared.ledger.run(move |ledger| ledger.fact(&fact, now)).await?;
    if let FactResult::Folded(settled) = &result {
        shared.settled(settled.clone()).await;
    }
    Ok(result)
}

/// [`fact`], where a ledger that cannot be written stops the run.
pub(super) async fn tell_fact(shared: &Arc<Shared>, told: CarrierFact) {
    if let Err(fault) = fact(shared, told).await {
        shared.ledger_failed(fault).await;
    }
}
