//! The inbound desk: a call is answered from memory, and what has to be remembered of it is written behind.
//!
//! The carrier's webhook comes in on the gateway's thread; [`Desks::answer`] decides there, by [`core/inbound`], and
//! touches neither disk nor database nor another service. Everything else (the row of the call, the lead, the agent's
//! session, a voice) happens in tasks beside the call.
//!
//! [`core/inbound`]: crate::core::inbound

mod agent;
mod beside;
mod callers;
mod open;
mod places;
mod promise;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::runtime::Handle;
use tokio::sync::Notify;

use self::callers::{CallerLead, Callers, LeadIds, Tickets};
use self::places::{Places, Repeats};
use super::campaign::{Urls, document, lock, mint};
use super::clock::Clock;
use super::gateway::{CallSummary, Expected, Overloaded, Registry};
use super::ledger::LedgerHandle;
use crate::base::{AttemptId, CallId, Language, LeadId, Phone, Sid, Slug, limits};
use crate::core::asset::book::CLOSED;
use crate::core::call::CallScript;
use crate::core::config::account::account_id;
use crate::core::config::{Campaign, Inbound};
use crate::core::inbound::{Caller, Reception, caller_of, choices, receive};
use crate::core::wire::token::TokenKey;
use crate::core::wire::twiml::{RejectReason, Verb};
use crate::core::wire::{form, token, twiml};
use crate::edge::carrier::{Boxed, Carrier, Ending};
use crate::run::agent::AgentDoor;
use crate::run::clone::Cloner;
use crate::store::ledger::{InboundCall, InboundRow};

pub(crate) use open::{Behind, Opening};

/// One campaign's desk, its sound in memory.
pub(crate) struct DeskLine {
    campaign: Campaign,
    /// Its section of the campaign.
    desk: Inbound,
    carrier: Arc<dyn Carrier>,
    account: String,
    /// What a call plays, by the phrase that greets and its language.
    scripts: HashMap<(Slug, Language), Spoken>,
    agent: Option<Arc<AgentDoor>>,
    places: Places,
    callers: Callers,
}

/// What a call plays, and the fingerprint of its first words.
pub(crate) struct Spoken {
    script: Arc<CallScript>,
    greeting: String,
}

/// The desks of a workspace.
pub(crate) struct Desks {
    lines: Vec<Arc<DeskLine>>,
    /// The line of each number.
    numbers: HashMap<u64, usize>,
    tickets: Tickets,
    /// For callers whom the ledger does not know.
    lead_ids: LeadIds,
    live: Mutex<HashMap<AttemptId, Live>>,
    repeats: Mutex<Repeats>,
    closing: AtomicBool,
    clock: Arc<dyn Clock>,
    ledger: LedgerHandle,
    registry: Registry,
    urls: Urls,
    token_key: TokenKey,
    calls_dir: std::path::PathBuf,
    runtime: Handle,
    random: Mutex<fastrand::Rng>,
    /// Makes callers' voices; `None`: nobody does.
    cloner: Option<Arc<Cloner>>,
}

/// A call that was answered and is not over.
#[derive(Clone)]
struct Live {
    line: Arc<DeskLine>,
    taken: Arc<InboundCall>,
    /// Whose it is, as far as memory knows: the ledger's word counts when the call is written down.
    lead: Option<LeadId>,
    /// Its stream has begun.
    streamed: bool,
    /// There is no cloned voice in time.
    own_voice: Arc<Notify>,
}

impl Desks {
    /// Answers the carrier's webhook: the document of the call. `None`: the number is nobody's here.
    pub fn answer(self: &Arc<Self>, form: &[(String, String)]) -> Option<String> {
        let first = |name: &str| form::first(form, name).filter(|value| !value.is_empty());
        let sid: Sid = first("CallSid")?.parse().ok()?;
        let called = Phone::from_e164(first("To")?.trim()).ok()?;
        let line = Arc::clone(&self.lines[*self.numbers.get(&called.as_number())?]);
        // A signature of one account opens no desk of another.
        if first("AccountSid") != Some(account_id(&line.account)) {
            return None;
        }
        if let Some(known) = lock(&self.repeats).get(&sid) {
            return Some(known);
        }
        let document = self.receive(&line, sid.clone(), called, caller_of(first("From").unwrap_or("")));
        lock(&self.repeats).keep(sid, document.clone());
        Some(document)
    }

    fn receive(self: &Arc<Self>, line: &Arc<DeskLine>, sid: Sid, called: Phone, caller: Option<Phone>) -> String {
        let now = self.clock.wall();
        let own = caller.as_ref().and_then(|phone| line.callers.language(phone));
        let language = own.as_deref().cloned().or_else(|| caller.as_ref()?.country()?.language());
        let country = caller.as_ref().and_then(Phone::country);
        let tickets = caller.as_ref().map(|phone| self.tickets.of(phone)).unwrap_or_default();
        let about = Caller {
            language: language.as_ref(),
            country: country.as_ref().map(|country| country.as_str()),
            tickets: &tickets,
        };
        let phrase = match receive(&line.desk, &about, line.places.taken(), now) {
            _ if self.closing.load(Ordering::Acquire) => return busy(),
            Reception::Busy => return busy(),
            Reception::Closed => CLOSED.parse().expect("a constant slug"),
            Reception::Greet(phrase) => phrase,
        };
        let Some((language, Spoken { script, greeting })) = line.script(&phrase, language.as_ref()) else {
            return busy();
        };
        let Some(place) = line.places.take() else { return busy() };
        let attempt = mint(&self.random, now);
        let token = token::mint(&self.token_key, attempt);
        let (call, proof) = (attempt.call(), line.carrier.card().stream);
        let expires = self.clock.boot() + limits::INBOUND_START;
        let expected =
            Expected { attempt, call, token: token.clone(), expires, proof, script: Arc::clone(script), late: None };
        if self.registry.expect(expected).is_err() {
            return busy();
        }
        let berth = line.agent.as_ref().filter(|_| script.agent.is_some()).map(|door| {
            let (ends, berth) = door.line();
            self.registry.lend(attempt, ends);
            berth
        });
        let lead = caller.as_ref().and_then(|phone| line.callers.lead(phone, &self.lead_ids));
        self.keep_lead_ids();
        let account = line.account.clone();
        let campaign = line.campaign.name.clone();
        let taken = InboundCall {
            call,
            campaign,
            caller,
            promised: lead.and_then(CallerLead::promised),
            account,
            sid,
            called,
            phrase,
            greeting: greeting.clone(),
            language: language.clone(),
            at: now,
        };
        let live = Live {
            line: Arc::clone(line),
            taken: Arc::new(taken),
            lead: lead.map(CallerLead::id),
            streamed: false,
            own_voice: Arc::default(),
        };
        place.keep();
        lock(&self.live).insert(attempt, live.clone());
        self.spawn_beside(attempt, live, tickets, berth);
        document(&self.urls, line.carrier.card(), attempt, &token, language)
    }

    /// Whether this is a call to a desk.
    pub fn has(&self, attempt: AttemptId) -> bool {
        lock(&self.live).contains_key(&attempt)
    }

    /// A call that is not over, as memory has it: its row may not be written yet.
    pub fn in_hand(&self, call: CallId) -> Option<InboundRow> {
        let live = self.live(AttemptId(call.0))?;
        Some(InboundRow {
            call,
            lead: live.lead,
            at: live.taken.at,
            phrase: live.taken.phrase.to_string(),
            cause: None,
            first_audio_us: None,
            duration_ms: None,
            message_ms: None,
            menu_ms: None,
            waited_ms: None,
            folder: None,
        })
    }

    fn live(&self, attempt: AttemptId) -> Option<Live> {
        lock(&self.live).get(&attempt).cloned()
    }

    /// Its stream has begun and its first sound is written.
    pub fn stream_started(&self, attempt: AttemptId) {
        if let Some(live) = lock(&self.live).get_mut(&attempt) {
            live.streamed = true;
        }
    }

    /// The agent is to come with its own voice.
    pub fn own_voice(&self, attempt: AttemptId) {
        if let Some(live) = self.live(attempt) {
            live.own_voice.notify_one();
        }
    }

    /// Ends a call at its carrier.
    pub fn hang_up(&self, attempt: AttemptId, sid: Sid) -> Boxed<'static, ()> {
        let Some(live) = self.live(attempt) else { return Box::pin(async {}) };
        self.there(async move {
            if let Err(fault) = live.line.carrier.end(&sid, Ending::HangUp).await {
                tracing::warn!(%attempt, %fault, "a call to us could not be hung up: the carrier goes on to its apology");
            }
        })
    }

    /// Connects the caller with the number that the campaign names.
    pub fn transfer(&self, attempt: AttemptId, sid: Sid) -> Boxed<'static, bool> {
        let document = self.live(attempt).and_then(|live| {
            let to = live.line.campaign.transfer.clone()?;
            Some((twiml::transfer(&to, Some(&live.taken.called)), live))
        });
        let Some((document, live)) = document else { return Box::pin(async { false }) };
        self.there(async move {
            let asked = live.line.carrier.redirect(&sid, &document).await;
            if let Err(fault) = &asked {
                tracing::warn!(%attempt, %fault, "a call to us could not be transferred");
            }
            asked.is_ok()
        })
    }

    fn there<T: Send + Default + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Boxed<'static, T> {
        let task = self.runtime.spawn(work);
        Box::pin(async move { task.await.unwrap_or_default() })
    }

    /// The caller pressed the opt-out key. A withheld number cannot be called, so there is nothing to keep.
    pub fn opt_out(self: &Arc<Self>, attempt: AttemptId) -> Boxed<'static, Result<(), Overloaded>> {
        let Some(live) = self.live(attempt) else { return Box::pin(async { Ok(()) }) };
        let desks = Arc::clone(self);
        let task = self.runtime.spawn(async move { desks.store_opt_out(&live).await });
        Box::pin(async move { task.await.unwrap_or(Err(Overloaded)) })
    }

    /// The stream is over and its log is on the disk.
    pub fn ended(self: &Arc<Self>, summary: CallSummary) -> Boxed<'static, ()> {
        let Some(live) = self.live(summary.attempt) else { return Box::pin(async {}) };
        let desks = Arc::clone(self);
        self.there(async move { desks.call_is_over(live, summary).await })
    }

    /// Takes no more calls.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    /// People on the line.
    pub fn speaking(&self) -> usize {
        lock(&self.live).values().filter(|live| live.streamed).count()
    }

    /// Calls that are not over.
    pub fn calls(&self) -> usize {
        lock(&self.live).len()
    }
}

impl DeskLine {
    /// The script of a phrase for a caller: the first of core's choices that there is.
    fn script(&self, phrase: &Slug, language: Option<&Language>) -> Option<(&Language, &Spoken)> {
        let found = choices(&self.desk, phrase, language).find_map(|choice| self.scripts.get_key_value(&choice));
        found.map(|((_, language), spoken)| (language, spoken))
    }
}

/// Every place is taken.
fn busy() -> String {
    twiml::write(&[Verb::Reject(RejectReason::Busy)]).expect("it has no stream")
}
