//! Calls that are asked for one by one, by the HTTP API: weighed, given a turn at the account's pace, claimed.
//!
//! Key, lead and claim are one unit of the ledger, so a crash at any moment leaves all of them or none; the answer follows
//! it, and a repeat of the key finds the attempt. Whom the rules refuse leaves nothing behind.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};
use tokio::sync::{Semaphore, oneshot};

use super::engine::Engine;
use super::{Line, Shared, Target, lock, refill, rules};
use crate::base::text::masked;
use crate::base::{AttemptId, CallId, Failure, LeadId, Phone, Slug, Wall, limits};
use crate::core::api::order::{KeyedOrder, Refusal};
use crate::core::config::Campaign;
use crate::core::dial::brake::Brake;
use crate::core::dial::desk::{Candidate, Event, Stop};
use crate::core::dial::gate::Gate;
use crate::run::render::{About, prompt_for, words_for};
use crate::store::ledger::{
    CampaignState, Claim, ClaimRefused, DueLead, KeyFound, LeadState, Ledger, LedgerFault, OrderedLead,
};
use crate::store::workspace::Workspace;

/// What became of a call that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ordered {
    /// It is claimed, durably, and on its way to the carrier.
    Placed(AttemptId),
    /// This request was made before: that is its attempt.
    Repeat(AttemptId),
    /// The key stands for another request.
    OtherRequest,
    /// Nobody is called.
    Refused(Refusal),
}

/// An order on its way through the desk. It is taken once: by the dialer, or by whoever has waited long enough.
#[derive(Clone)]
pub(crate) struct Seat(Arc<Mutex<Option<Taken>>>);

/// An order in somebody's hands.
pub(super) struct Taken {
    pub order: Arc<KeyedOrder>,
    reply: oneshot::Sender<Ordered>,
}

impl Taken {
    /// Tells what became of it. Whoever asked may have gone.
    pub fn tell(self, ordered: Ordered) {
        let _asker_has_gone = self.reply.send(ordered);
    }

    /// Nobody is called now, for this reason.
    pub fn refuse(self, reason: &'static str, message: &str) {
        self.tell(Ordered::Refused(Refusal::for_now(reason, message)));
    }
}

impl Seat {
    fn new(order: Arc<KeyedOrder>) -> (Seat, oneshot::Receiver<Ordered>) {
        let (reply, told) = oneshot::channel();
        (Seat(Arc::new(Mutex::new(Some(Taken { order, reply })))), told)
    }

    pub(super) fn take(&self) -> Option<Taken> {
        lock(&self.0).take()
    }
}

impl PartialEq for Seat {
    fn eq(&self, other: &Seat) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Seat {}

impl std::fmt::Debug for Seat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seat")
    }
}

/// Campaigns that are open for orders.
pub(super) struct Orders {
    lines: tokio::sync::Mutex<BTreeMap<Slug, Opened>>,
    waiting: Arc<Semaphore>,
}

impl Default for Orders {
    fn default() -> Orders {
        Orders { lines: tokio::sync::Mutex::default(), waiting: Arc::new(Semaphore::new(limits::API_ORDERS)) }
    }
}

/// A campaign's line for orders, and what it was made from.
struct Opened {
    campaign: Campaign,
    assets: [u8; 32],
    shared: Arc<Shared>,
    at: usize,
}

/// Why a unit did nothing: what it wrote is undone.
enum Undone {
    Ordered(Ordered),
    /// The look is over, and somebody may be called.
    Callable(Box<Target>),
    Claim(ClaimRefused),
}

impl From<LedgerFault> for Undone {
    fn from(fault: LedgerFault) -> Undone {
        Undone::Claim(ClaimRefused::Fault(fault))
    }
}

impl From<ClaimRefused> for Undone {
    fn from(refused: ClaimRefused) -> Undone {
        Undone::Claim(refused)
    }
}

impl From<Refusal> for Undone {
    fn from(refusal: Refusal) -> Undone {
        Undone::Ordered(Ordered::Refused(refusal))
    }
}

impl Engine {
    /// Places a call, if every rule, cap and stop allows it now. Gives the answer when it is durable.
    pub(crate) async fn order(self: &Arc<Self>, ws: &Workspace, order: KeyedOrder) -> Ordered {
        let order = Arc::new(order);
        let (asked, now) = (Arc::clone(&order), self.clock().wall());
        let known = self.ledger().run(move |ledger| ledger.api_key(&asked.key, &asked.text, now)).await;
        match known {
            Ok(KeyFound::New) => {}
            Ok(KeyFound::Same(attempt)) => return Ordered::Repeat(attempt),
            Ok(KeyFound::Other) => return Ordered::OtherRequest,
            Err(fault) => return Ordered::Refused(of_claim(&ClaimRefused::Fault(fault))),
        }
        if self.is_stopping() {
            return Ordered::Refused(Refusal::for_now("stopping", "this process is ending"));
        }
        let Ok(place) = Arc::clone(&self.orders.waiting).try_acquire_owned() else {
            return Ordered::Refused(Refusal::for_now("too_many", "too many calls wait for their turn"));
        };
        // A task: a campaign that is being opened at its carrier is opened to the end, and keeps its place meanwhile.
        let (engine, house, name) = (Arc::clone(self), ws.clone(), order.order.campaign.clone());
        let opening =
            tokio::spawn(async move { engine.line_for_orders(&house, &name).await.map(|line| (line, place)) });
        let opened = tokio::select! {
            opened = opening => opened,
            () = self.clock().sleep(limits::API_ORDER_WAIT) => {
                return Ordered::Refused(Refusal::for_now("opening", "the campaign is still being opened at its carrier"));
            }
        };
        let ((shared, at), _place) = match opened {
            Ok(Ok(line)) => line,
            Ok(Err(refusal)) => return Ordered::Refused(refusal),
            Err(_) => return Ordered::Refused(Refusal::for_now("bug", "opening the campaign met a bug")),
        };
        let what = match weigh(&shared, at, &order).await {
            Ok(what) => what,
            Err(ordered) => return ordered,
        };
        let (seat, told) = Seat::new(order);
        let what = Target { order: Some(seat.clone()), ..what };
        // Whose number is new has no row yet: its claim makes it.
        let candidate = Candidate { lead: LeadId(0), what };
        shared.desk(Event::Ordered { campaign: at, candidate }).await;
        self.turn(seat, told).await
    }

    /// Waits for the desk, not for ever: an order that had no turn is taken back.
    async fn turn(&self, seat: Seat, mut told: oneshot::Receiver<Ordered>) -> Ordered {
        let dropped = |_| Ordered::Refused(Refusal::for_now("stopping", "the campaign does not dial now"));
        tokio::select! {
            ordered = &mut told => return ordered.unwrap_or_else(dropped),
            () = self.clock().sleep(limits::API_ORDER_WAIT) => {}
        }
        if seat.take().is_some() {
            let why = "its turn did not come in time: the account's pace or its live calls are used up";
            return Ordered::Refused(Refusal::for_now("no_turn", why));
        }
        // The dialer has it: its claim is a matter of the ledger alone.
        tokio::select! {
            ordered = told => ordered.unwrap_or_else(dropped),
            () = self.clock().sleep(limits::API_ORDER_WAIT) => {
                Ordered::Refused(Refusal::for_now("ledger", "whether it was placed is not known yet: repeat the request"))
            }
        }
    }

    /// The line for orders of a campaign as its files are now; it is opened if there is none.
    async fn line_for_orders(&self, ws: &Workspace, name: &Slug) -> Result<(Arc<Shared>, usize), Refusal> {
        let (place, wanted) = (ws.clone(), name.clone());
        let read = tokio::task::spawn_blocking(move || read(&place, &wanted));
        let died = |error| not_ready(&Failure::bug(format!("the look at the campaign died: {error}")));
        let (campaign, assets) = read.await.map_err(died)??;
        let mut lines = self.orders.lines.lock().await;
        if let Some(open) = lines.get(name) {
            let over = *open.shared.line(open.at).over.borrow();
            if !over && open.campaign == campaign && open.assets == assets {
                return Ok((Arc::clone(&open.shared), open.at));
            }
            // The old one takes nothing more; its calls end as they would.
            open.shared.stop_line(open.at, Stop::Drain).await;
        }
        let (shared, at) = self.open_for_orders(ws, campaign.clone()).await.map_err(|failure| not_ready(&failure))?;
        lines.insert(name.clone(), Opened { campaign, assets, shared: Arc::clone(&shared), at });
        Ok((shared, at))
    }

    /// Opens the accounts of campaigns with open attempts, so that the carrier is asked about what an earlier process left.
    pub(crate) async fn tend_what_is_open(&self, ws: &Workspace) {
        let open = match self.ledger().run(|ledger: &mut Ledger| ledger.open_attempts(None)).await {
            Ok(open) => open,
            Err(fault) => return tracing::warn!(%fault, "what is open could not be read"),
        };
        let mut names: Vec<Slug> = open.into_iter().map(|attempt| attempt.campaign).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            if let Err(refusal) = self.line_for_orders(ws, &name).await {
                let why = refusal.message;
                tracing::warn!(campaign = %name, why, "its open attempts are asked about when it runs next");
            }
        }
    }
}

/// A campaign and a hash of its phrases' files. Blocks.
fn read(ws: &Workspace, name: &Slug) -> Result<(Campaign, [u8; 32]), Refusal> {
    let known = ws.campaign_names().map_err(|failure| not_ready(&failure))?;
    if !known.contains(name) {
        return Err(Refusal::unknown("no_such_campaign", format!("there is no campaign `{name}` here")));
    }
    let campaign = ws.campaign(name).map_err(|failure| not_ready(&failure))?;
    let mut hash = Sha256::new();
    for file in ["phrases.toml", "assets.lock"] {
        // A file that is not there is nothing; one that cannot be read fails where it is needed.
        let bytes = ws.campaign_file(name, file).unwrap_or_default();
        hash.update(bytes.len().to_le_bytes());
        hash.update(&bytes);
    }
    Ok((campaign, hash.finalize().into()))
}

fn not_ready(failure: &Failure) -> Refusal {
    let next = failure.next.as_ref().map_or(String::new(), |next| format!("; {next}"));
    Refusal::of_lead("campaign_not_ready", masked(&format!("{}{next}", failure.what)).into_owned())
}

/// Whether somebody may be called, and how: the whole order is tried in the ledger, and undone.
async fn weigh(shared: &Arc<Shared>, at: usize, order: &Arc<KeyedOrder>) -> Result<Target, Ordered> {
    let (asked, line, account, now) = (Arc::clone(order), shared.line(at), Arc::clone(shared), shared.wall());
    let unit = shared.ledger.run(move |ledger: &mut Ledger| -> Result<(), Undone> {
        if let Some(why) = ledger.account_stop(&account.account)? {
            return Err(ClaimRefused::AccountStopped(why).into());
        }
        let campaign = &line.campaign;
        match ledger.campaign_state(&campaign.name)? {
            None | Some(CampaignState::Running) => {}
            Some(CampaignState::Paused | CampaignState::Stopped) => return Err(ClaimRefused::NotRunning.into()),
        }
        if let (Brake::Pause, why) = rules::standing(ledger, campaign, now)? {
            return Err(Refusal::of_lead("campaign_paused", why).into());
        }
        let (lead, language) = admitted(ledger, campaign, &asked, now)?;
        let resting: Vec<Phone> =
            ledger.resting_callers(&account.account, now)?.into_iter().map(|rest| rest.caller).collect();
        let mut callers = lock(&account.health.callers);
        let caller = callers.choose(
            campaign.senders.pool(&campaign.callers, lead.country),
            &resting,
            lead.sticky_caller.as_ref(),
            lead.country,
        );
        let caller = caller.ok_or(ClaimRefused::CallerRests)?;
        let words = words_for(&line.kit.personal, &language, &lead);
        let prompt = prompt_for(campaign, &language, &About::lead(&lead));
        Err(Undone::Callable(Box::new(Target { phone: lead.phone, caller, language, words, prompt, order: None })))
    });
    match unit.await {
        Err(Undone::Callable(target)) => Ok(*target),
        Err(Undone::Ordered(ordered)) => Err(ordered),
        Err(Undone::Claim(refused)) => Err(Ordered::Refused(of_claim(&refused))),
        Ok(()) => Err(Ordered::Refused(of_claim(&ClaimRefused::NotReady))),
    }
}

/// Brings the lead into the campaign, due now, and asks every rule about it. The caller's unit undoes it on `Err`.
fn admitted(
    ledger: &mut Ledger,
    campaign: &Campaign,
    asked: &KeyedOrder,
    now: Wall,
) -> Result<(DueLead, crate::base::Language), Undone> {
    match ledger.api_key(&asked.key, &asked.text, now)? {
        KeyFound::New => {}
        KeyFound::Same(attempt) => return Err(Undone::Ordered(Ordered::Repeat(attempt))),
        KeyFound::Other => return Err(Undone::Ordered(Ordered::OtherRequest)),
    }
    if let Some((wish, _)) = &asked.wish
        && !ledger.admit_wish(*wish, &consent_of(*wish, now), now)?
    {
        return Err(Refusal::of_lead("wish_over", "this wish to be called is open no more").into());
    }
    let found = ledger.ordered_lead(&campaign.name, &asked.order.who, now)?;
    let Some(OrderedLead { lead, state }) = found else {
        return Err(Refusal::unknown("no_such_lead", "the campaign has no lead of this number").into());
    };
    match state {
        LeadState::Ready(_) => {}
        LeadState::Held(_) => return Err(ClaimRefused::Open.into()),
        LeadState::Done(outcome) => return Err(Refusal::of_done(outcome).into()),
        LeadState::Blocked(reason) => return Err(Refusal::of_block(reason).into()),
        LeadState::Review => {
            return Err(Refusal::of_lead("lead_in_review", "a person must look at this lead first").into());
        }
    }
    let card = ledger.lead_card(lead)?.ok_or(LedgerFault::Unknown("lead"))?;
    match refill::judge(ledger, campaign, &card, now)? {
        Gate::Call { language, .. } => Ok((card, language)),
        gate @ (Gate::Later { .. } | Gate::Never { .. }) => {
            Err(Refusal::of_gate(&gate).expect("only an open gate has none").into())
        }
    }
}

/// What is put on file as the consent of somebody who asked for the call by a key.
pub(crate) fn consent_of(wish: CallId, now: Wall) -> String {
    format!("call back; {}; key pressed on call {wish}", now.date())
}

/// Claims the lead of an order: lead, claim and key in one unit. Gives its row.
pub(super) async fn claim(
    shared: &Arc<Shared>,
    line: &Line,
    asked: &Arc<KeyedOrder>,
    claim: Claim,
) -> Result<LeadId, Ordered> {
    let (asked, campaign) = (Arc::clone(asked), line.campaign.clone());
    let unit = shared.ledger.run(move |ledger: &mut Ledger| -> Result<LeadId, Undone> {
        let (card, _) = admitted(ledger, &campaign, &asked, claim.intent_at)?;
        ledger.claim(&Claim { lead: card.id, ..claim.clone() })?;
        match &asked.wish {
            // In the unit of the claim: one call for each wish, whatever breaks when.
            Some((wish, _)) if !ledger.wish_is_placed(*wish, claim.attempt, claim.intent_at)? => {
                return Err(Refusal::of_lead("wish_over", "this wish to be called is open no more").into());
            }
            Some(_) => {}
            None => ledger.keep_api_key(&asked.key, &asked.text, claim.attempt, claim.intent_at)?,
        }
        Ok(card.id)
    });
    match unit.await {
        Ok(lead) => Ok(lead),
        Err(Undone::Ordered(ordered)) => Err(ordered),
        Err(Undone::Claim(refused)) => {
            match &refused {
                ClaimRefused::AccountStopped(why) => shared.account_is_stopped(why.clone()).await,
                ClaimRefused::Fault(LedgerFault::Busy | LedgerFault::QueueFull) => {}
                ClaimRefused::Fault(fault) => shared.ledger_failed(fault.clone()).await,
                ClaimRefused::NotReady
                | ClaimRefused::Suppressed
                | ClaimRefused::NotRunning
                | ClaimRefused::Open
                | ClaimRefused::Capped { .. }
                | ClaimRefused::Exhausted
                | ClaimRefused::CallerRests => {}
            }
            Err(Ordered::Refused(of_claim(&refused)))
        }
        Err(Undone::Callable(_)) => Err(Ordered::Refused(of_claim(&ClaimRefused::NotReady))),
    }
}

fn of_claim(refused: &ClaimRefused) -> Refusal {
    match refused {
        ClaimRefused::NotReady => Refusal::of_lead("not_ready", "the lead is not ready"),
        ClaimRefused::Suppressed => Refusal::of_lead("suppressed", "this number is on the suppression list"),
        ClaimRefused::NotRunning => {
            Refusal::of_lead("campaign_paused", "the campaign is paused or stopped, or has had all its attempts")
        }
        ClaimRefused::Open => Refusal::of_lead("open", "another attempt is open for this number"),
        ClaimRefused::Capped { until } => {
            Refusal { until: Some(*until), ..Refusal::of_lead("capped", "this number has had its calls for now") }
        }
        ClaimRefused::Exhausted => Refusal::of_lead("exhausted", "this lead has had all its tries"),
        ClaimRefused::AccountStopped(_) => {
            Refusal::for_now("account_stopped", "the carrier's account is stopped until a person has looked")
        }
        ClaimRefused::CallerRests => {
            Refusal::for_now("caller_rests", "the carrier refuses calls from every number of the campaign for now")
        }
        ClaimRefused::Fault(fault) => {
            tracing::warn!(%fault, "a call that was asked for could not be written down");
            Refusal::for_now("ledger", "the ledger cannot be written now; nothing was placed")
        }
    }
}
