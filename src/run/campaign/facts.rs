//! What the gateway hears, written down before the carrier gets its 200, and acted on.

use std::path::Path;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use tokio::runtime::Handle;

use super::{Shared, attempt, lock};
use crate::base::{AttemptId, Language, Money, Sid};
use crate::core::call::Answerer;
use crate::core::dial::CallStatus;
use crate::core::dial::attempt::Source;
use crate::core::dial::note::Note;
use crate::core::wire::recordings::RecordingTold;
use crate::core::wire::{token, twiml};
use crate::edge::carrier::{AskFault, Ending};
use crate::run::gateway::{Boxed, CallDesk, CallSummary, Overloaded, StatusEvent};
use crate::run::inbound::Desks;
use crate::run::metrics::Metrics;
use crate::store::ledger::{CallNote, CarrierFact, FactResult, LedgerFault};

/// The gateway's door into a run. What it asks for is done on the campaigns' runtime: the gateway's own thread serves
/// media only, and what was begun is not lost when the gateway closes.
/// Until there is an account the carrier is asked to repeat itself.
pub(super) struct Facts {
    accounts: RwLock<Vec<Arc<Shared>>>,
    runtime: Handle,
    metrics: Arc<Metrics>,
    /// Calls to us go there.
    desks: OnceLock<Arc<Desks>>,
}

impl Facts {
    pub fn new(accounts: Vec<Arc<Shared>>, runtime: Handle, metrics: Arc<Metrics>) -> Facts {
        Facts { accounts: RwLock::new(accounts), runtime, metrics, desks: OnceLock::new() }
    }

    /// Calls of this account come here too from now on.
    pub fn add(&self, account: Arc<Shared>) {
        self.accounts.write().unwrap_or_else(PoisonError::into_inner).push(account);
    }

    /// Calls to us are answered by these from now on.
    pub fn answer_with(&self, desks: Arc<Desks>) {
        // They are opened once in the life of an engine.
        let _opened_before = self.desks.set(desks);
    }

    pub fn desks(&self) -> Option<Arc<Desks>> {
        self.desks.get().cloned()
    }

    /// The desks, if this is a call to one of them.
    fn desk_of(&self, attempt: AttemptId) -> Option<&Arc<Desks>> {
        self.desks.get().filter(|desks| desks.has(attempt))
    }

    /// Every account whose calls come here.
    pub fn all(&self) -> Vec<Arc<Shared>> {
        self.accounts.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The account that has this attempt in hand; a call from before this run goes to the first.
    fn account(&self, attempt: AttemptId) -> Option<Arc<Shared>> {
        let accounts = self.accounts.read().unwrap_or_else(PoisonError::into_inner);
        let has = |shared: &&Arc<Shared>| lock(&shared.active).contains_key(&attempt);
        accounts.iter().find(has).or(accounts.first()).cloned()
    }

    fn there<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
        otherwise: impl FnOnce() -> T + Send + 'static,
    ) -> Boxed<'_, T> {
        let task = self.runtime.spawn(work);
        Box::pin(async move { task.await.unwrap_or_else(|_| otherwise()) })
    }
}

impl CallDesk for Facts {
    fn status(&self, event: StatusEvent) -> Boxed<'_, Result<(), Overloaded>> {
        let Some(account) = self.account(event.attempt) else { return Box::pin(async { Err(Overloaded) }) };
        self.there(status(account, event), || Err(Overloaded))
    }

    fn answer(&self, form: &[(String, String)]) -> Option<String> {
        self.desks.get()?.answer(form)
    }

    fn own_voice(&self, attempt: AttemptId) {
        if let Some(desks) = self.desk_of(attempt) {
            desks.own_voice(attempt);
        }
    }

    fn promise(&self, attempt: AttemptId) -> Boxed<'_, bool> {
        match self.desk_of(attempt) {
            Some(desks) => desks.promise(attempt),
            None => Box::pin(async { false }),
        }
    }

    fn opt_out(&self, attempt: AttemptId) -> Boxed<'_, Result<(), Overloaded>> {
        if let Some(desks) = self.desk_of(attempt) {
            return desks.opt_out(attempt);
        }
        let Some(account) = self.account(attempt) else { return Box::pin(async { Err(Overloaded) }) };
        self.there(opt_out(account, attempt), || Err(Overloaded))
    }

    fn answered_by(&self, attempt: AttemptId, who: Answerer) -> Boxed<'_, Result<(), Overloaded>> {
        let Some(account) = self.account(attempt) else { return Box::pin(async { Ok(()) }) };
        self.there(answered_by(account, attempt, who), || Err(Overloaded))
    }

    fn record(&self, attempt: AttemptId, sid: Sid) {
        if let Some(account) = self.account(attempt) {
            self.runtime.spawn(record(account, attempt, sid));
        }
    }

    fn recording(&self, attempt: AttemptId, told: RecordingTold) -> Boxed<'_, Result<(), Overloaded>> {
        let Some(account) = self.account(attempt) else { return Box::pin(async { Err(Overloaded) }) };
        self.there(recording(account, attempt, told), || Err(Overloaded))
    }

    fn stream_started(&self, attempt: AttemptId, sid: Option<Sid>) {
        if let Some(desks) = self.desk_of(attempt) {
            return desks.stream_started(attempt);
        }
        let Some(shared) = self.account(attempt) else { return };
        let mut line = None;
        if let Some(active) = lock(&shared.active).get_mut(&attempt) {
            active.streamed = true;
            line = active.line;
        }
        lock(&shared.streams).insert(attempt, line);
        shared.note_of(line, &Note::Speaking(attempt));
        tracing::debug!(%attempt, ?sid, "stream started");
    }

    fn hang_up(&self, attempt: AttemptId, sid: Sid) -> Boxed<'_, ()> {
        if let Some(desks) = self.desk_of(attempt) {
            return desks.hang_up(attempt, sid);
        }
        let Some(shared) = self.account(attempt) else { return Box::pin(async {}) };
        let work = async move {
            crate::door!("carrier");
            if let Err(fault) = shared.carrier.end(&sid, Ending::HangUp).await {
                tracing::warn!(%attempt, %fault, "a call could not be hung up: the carrier goes on to its apology");
            }
        };
        self.there(work, || ())
    }

    fn transfer(&self, attempt: AttemptId, sid: Sid) -> Boxed<'_, bool> {
        if let Some(desks) = self.desk_of(attempt) {
            return desks.transfer(attempt, sid);
        }
        let Some(shared) = self.account(attempt) else { return Box::pin(async { false }) };
        let line = lock(&shared.active).get(&attempt).and_then(|active| active.line);
        // By configuration only, whatever an agent was told.
        let campaign = line.map(|line| shared.line(line).campaign.clone());
        let document = campaign.and_then(|it| Some(twiml::transfer(it.transfer.as_ref()?, it.callers.first())));
        let Some(document) = document else { return Box::pin(async { false }) };
        let work = async move {
            let asked = shared.carrier.redirect(&sid, &document).await;
            if let Err(fault) = &asked {
                tracing::warn!(%attempt, %fault, "a call could not be transferred");
            }
            asked.is_ok()
        };
        self.there(work, || false)
    }

    fn understand(&self, attempt: AttemptId, language: Language, ulaw: Vec<u8>) -> Boxed<'_, Option<(String, Money)>> {
        let Some(shared) = self.account(attempt) else { return Box::pin(async { None }) };
        let line = lock(&shared.active).get(&attempt).and_then(|active| active.line);
        let Some(pens) = line.map(|line| Arc::clone(&shared.line(line).pens)) else { return Box::pin(async { None }) };
        let now = shared.wall();
        let work = async move { pens.understand(language.as_str(), &ulaw, now).await };
        self.there(work, || None)
    }

    fn ended(&self, summary: CallSummary) -> Boxed<'_, ()> {
        let attempt = summary.attempt;
        self.metrics.stream_ended(&summary);
        if let Some(desks) = self.desk_of(attempt) {
            return desks.ended(summary);
        }
        // The attempt may be closed already: then its stream tells whose it was.
        let streams = |shared: &&Arc<Shared>| lock(&shared.streams).contains_key(&attempt);
        let held = self.accounts.read().unwrap_or_else(PoisonError::into_inner).iter().find(streams).cloned();
        let Some(shared) = held.or_else(|| self.account(attempt)) else { return Box::pin(async {}) };
        self.there(ended(shared, summary), || ())
    }
}

async fn status(shared: Arc<Shared>, event: StatusEvent) -> Result<(), Overloaded> {
    let Some(sid) = event.sid else {
        tracing::warn!(attempt = %event.attempt, "a callback without a call id says nothing");
        return Ok(());
    };
    note(&shared, event.attempt, event.status);
    let fault = if event.status == CallStatus::Failed { shared.carrier.account_fault(&event.form) } else { None };
    if let Some((kind, code)) = fault {
        let why = format!("the carrier ended a call because of the account ({kind}: code {code})");
        shared.stop_account(kind, &why, vec![event.attempt]).await;
        let attempt = event.attempt;
        if let Err(fault) = shared.ledger.run(move |ledger| ledger.ended_by_account(attempt, code)).await {
            tracing::error!(%fault, "a callback could not be written down; the carrier will repeat it");
            return Err(Overloaded);
        }
    }
    let queued = crate::core::wire::form::first(&event.form, "QueueTime").and_then(|text| text.parse().ok());
    shared.weigh_queue(queued).await;
    let key = match event.sequence {
        Some(number) => format!("{sid}:{number}"),
        None => format!("{sid}:{}", event.status),
    };
    let fact = CarrierFact {
        attempt: event.attempt,
        sid,
        source: Source::Callback,
        key,
        status: event.status,
        at: shared.wall(),
        duration_s: event.duration_s,
        body: serde_json::to_string(&event.form).unwrap_or_default(),
    };
    match attempt::fact(&shared, fact).await {
        Ok(FactResult::Folded(_) | FactResult::Repeat) => Ok(()),
        Ok(FactResult::Orphan) => {
            tracing::warn!(attempt = %event.attempt, "a callback for an attempt that this ledger does not know");
            if !std::mem::replace(&mut lock(&shared.seen).orphan_told, true) {
                let words = "a signed callback came about an attempt that this ledger does not know: it may be an older \
                             copy, or in use elsewhere; `ahoy reconcile` tells more";
                shared.watcher.note(&Note::Say(words.to_owned()));
            }
            Ok(())
        }
        Err(fault) => {
            tracing::error!(%fault, "a callback could not be written down; the carrier will repeat it");
            Err(Overloaded)
        }
    }
}

/// Tells whoever watches; an answer is told once.
fn note(shared: &Shared, attempt: AttemptId, status: CallStatus) {
    match status {
        CallStatus::InProgress => {
            let first = {
                let mut active = lock(&shared.active);
                active.get_mut(&attempt).is_some_and(|call| !std::mem::replace(&mut call.answered, true))
            };
            if first {
                shared.note(attempt, &Note::Answered(attempt));
            }
        }
        CallStatus::Ringing => shared.note(attempt, &Note::Ringing(attempt)),
        CallStatus::Queued
        | CallStatus::Initiated
        | CallStatus::Completed
        | CallStatus::Busy
        | CallStatus::NoAnswer
        | CallStatus::Failed
        | CallStatus::Canceled => {}
    }
}

/// The carrier's word counts where it names a machine: a person is what everybody is who is not known to be one. After
/// the call it corrects the outcome.
async fn answered_by(shared: Arc<Shared>, attempt: AttemptId, who: Answerer) -> Result<(), Overloaded> {
    if !who.is_machine() {
        return Ok(());
    }
    let now = shared.wall();
    let note = CallNote { answerer: Some(who), ..CallNote::default() };
    let unit = shared.ledger.run(move |ledger| ledger.call_note(attempt, &note, now));
    unit.await.map_err(|fault: LedgerFault| {
        tracing::error!(%fault, "the carrier's word about who answered could not be written down");
        Overloaded
    })
}

/// Times that a request to record is repeated to a carrier that is busy.
const RECORD_TRIES: u32 = 3;

/// Asks the carrier to record from here on: once, unless it is busy.
async fn record(shared: Arc<Shared>, attempt: AttemptId, sid: Sid) {
    let told = format!("{}{}", shared.urls.status, token::mint(&shared.token_key, attempt));
    let wanted_at = shared.wall();
    if let Err(fault) = shared.ledger.run(move |ledger| ledger.recording_wanted(attempt, wanted_at)).await {
        return shared.ledger_failed(fault).await;
    }
    let mut begun = shared.carrier.record(&sid, &told).await;
    for _ in 0..RECORD_TRIES {
        // Mostly it was not processed; where it was, a second recording is better than none.
        let Err(AskFault::Throttled { after }) = &begun else { break };
        shared.clock.sleep(after.unwrap_or(Duration::from_secs(1)).min(Duration::from_secs(5))).await;
        begun = shared.carrier.record(&sid, &told).await;
    }
    let now = shared.wall();
    let written = match begun {
        Ok(recording) => shared.ledger.run(move |ledger| ledger.recording_begun(attempt, &recording, now)).await,
        // It may record: its callback tells, or the look at the call's recordings.
        Err(AskFault::Failed { cause }) => {
            tracing::warn!(%attempt, cause, "whether the carrier records a call is not known");
            Ok(())
        }
        Err(fault) => {
            tracing::warn!(%attempt, %fault, "the carrier does not record a call");
            let why = format!("the carrier would not record: {fault}");
            shared.ledger.run(move |ledger| ledger.recording_refused(attempt, &why, now)).await
        }
    };
    if let Err(fault) = written {
        shared.ledger_failed(fault).await;
    }
}

async fn recording(shared: Arc<Shared>, attempt: AttemptId, told: RecordingTold) -> Result<(), Overloaded> {
    let now = shared.wall();
    let unit = shared.ledger.run(move |ledger| ledger.recording_told(attempt, &told, now));
    match unit.await {
        Ok(None) => Ok(()),
        // Kept to be listed; the carrier has done its part.
        Ok(Some(why)) => {
            tracing::warn!(%attempt, ?why, "a recording belongs to no call of ours: `ahoy calls list --unknown`");
            Ok(())
        }
        Err(fault) => {
            tracing::error!(%fault, "the carrier's word about a recording could not be written down");
            Err(Overloaded)
        }
    }
}

async fn opt_out(shared: Arc<Shared>, attempt: AttemptId) -> Result<(), Overloaded> {
    let now = shared.wall();
    let unit = shared.ledger.run(move |ledger| {
        let Some(call) = ledger.call(attempt.call())? else { return Ok(()) };
        ledger.suppress(&call.phone, "opt-out key", &format!("call {attempt}"), now)?;
        let note = CallNote { opted_out: true, ..CallNote::default() };
        ledger.call_note(attempt, &note, now)
    });
    unit.await.map_err(|fault: LedgerFault| {
        tracing::error!(%fault, "an opt-out could not be written down");
        Overloaded
    })
}

/// What a stream came to, as the ledger keeps it. The folder is below that of call logs: the workspace can be moved.
pub(crate) fn note_of(summary: &CallSummary, calls_dir: &Path) -> CallNote {
    let notes = &summary.notes;
    let onset_to_clear = notes.barge_ins.iter().map(|it| it.clear_media_ms.saturating_sub(it.speech_onset_media_ms));
    let folder = summary.folder.strip_prefix(calls_dir).unwrap_or(&summary.folder);
    CallNote {
        stream_at: summary.stream_at,
        first_audio_us: summary.first_audio_us,
        heard_ms: Some(notes.greeting_heard_ms),
        barged_in: Some(!notes.barge_ins.is_empty()),
        barge_tail_ms: onset_to_clear.max(),
        opted_out: notes.opted_out,
        call_back: notes.call_back,
        answerer: notes.answerer,
        message_left: notes.message_left,
        unheard: summary.first_audio_us.is_none(),
        keys: (!notes.keys.is_empty()).then(|| notes.keys.clone()),
        folder: Some(folder.display().to_string()),
        duration_ms: Some(notes.media_ms),
        agent_cost: summary.agent_cost,
        language: None,
    }
}

async fn ended(shared: Arc<Shared>, summary: CallSummary) {
    let attempt = summary.attempt;
    if let Some(first) = summary.first_audio_us {
        let line = lock(&shared.streams).get(&attempt).copied().flatten();
        shared.note_of(line, &Note::FirstAudio(attempt, first));
    }
    let note = note_of(&summary, &shared.calls_dir);
    shared.write_note(attempt, note).await;
    lock(&shared.streams).remove(&attempt);
}

impl Shared {
    /// Somebody answered and our sound never came: our fault, said so in the ledger.
    pub(super) async fn note_unheard(&self, attempt: AttemptId) {
        self.write_note(attempt, CallNote { unheard: true, ..CallNote::default() }).await;
    }

    async fn write_note(&self, attempt: AttemptId, note: CallNote) {
        let now = self.wall();
        let written = self.ledger.run(move |ledger| ledger.call_note(attempt, &note, now)).await;
        if let Err(fault) = written {
            self.ledger_failed(fault).await;
        }
    }
}
