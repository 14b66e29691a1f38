//! What happens beside a call to us: its row is written, its agent is opened, and in the end it is told what it came to.

use std::sync::Arc;
use std::time::Duration;

use super::{Desks, Live, lock};
use crate::base::{AttemptId, LeadId, limits};
use crate::core::inbound::Ticket;
use crate::run::agent::Berth;
use crate::run::campaign::note_of;
use crate::run::gateway::{CallSummary, Overloaded};
use crate::store::ledger::{CallNote, InboundEnd, Ledger, LedgerFault};

impl Desks {
    pub(super) fn spawn_beside(
        self: &Arc<Self>,
        attempt: AttemptId,
        live: Live,
        tickets: Arc<[Ticket]>,
        berth: Option<Berth>,
    ) {
        let desks = Arc::clone(self);
        self.runtime.spawn(async move { desks.release_if_unstarted(attempt).await });
        let desks = Arc::clone(self);
        self.runtime.spawn(async move {
            let lead = desks.write_down(attempt, &live).await;
            if let Some(berth) = berth {
                Arc::clone(&desks).bring_agent(&live, lead, &tickets, berth).await;
            }
        });
    }

    /// Writes with patience: a ledger that is busy for a moment loses no call.
    async fn write<T: Send + 'static>(
        &self,
        unit: impl Fn(&mut Ledger) -> Result<T, LedgerFault> + Clone + Send + 'static,
    ) -> Result<T, LedgerFault> {
        let mut last = LedgerFault::Busy;
        for _ in 0..limits::LEDGER_TRIES {
            match self.ledger.run(unit.clone()).await {
                Ok(done) => return Ok(done),
                Err(fault @ (LedgerFault::Busy | LedgerFault::QueueFull | LedgerFault::Full)) => {
                    last = fault;
                    self.clock.sleep(Duration::from_secs(1)).await;
                }
                Err(fault) => return Err(fault),
            }
        }
        Err(last)
    }

    /// Gives the lead that the ledger has for it.
    async fn write_down(&self, attempt: AttemptId, live: &Live) -> Option<LeadId> {
        let taken = Arc::clone(&live.taken);
        match self.write(move |ledger| ledger.take_call(&taken)).await {
            Ok(lead) => {
                if let Some((lead, phone)) = lead.zip(live.taken.caller.as_ref()) {
                    live.line.callers.learn(phone, lead);
                }
                if let Some(live) = lock(&self.live).get_mut(&attempt) {
                    live.lead = lead;
                }
                lead
            }
            Err(fault) => {
                tracing::error!(call = %live.taken.call, %fault, "a call to us could not be written down yet");
                None
            }
        }
    }

    /// A caller who hangs up before the stream opens leaves no stream behind: their place is free again.
    async fn release_if_unstarted(&self, attempt: AttemptId) {
        self.clock.sleep(limits::INBOUND_START).await;
        let Some(live) = self.live(attempt).filter(|live| !live.streamed) else { return };
        self.registry.forget(attempt);
        let end = InboundEnd { cause: Some("never_started".to_owned()), ..InboundEnd::default() };
        self.write_end(&live, CallNote { unheard: true, ..CallNote::default() }, end).await;
        self.release(attempt);
    }

    fn release(&self, attempt: AttemptId) {
        if let Some(live) = lock(&self.live).remove(&attempt) {
            live.line.places.give_back();
        }
    }

    pub(super) async fn store_opt_out(&self, live: &Live) -> Result<(), Overloaded> {
        let note = CallNote { opted_out: true, ..CallNote::default() };
        self.note(live, note, InboundEnd::default()).await.map_err(|fault| {
            tracing::error!(%fault, "an opt-out on a call to us could not be written down");
            Overloaded
        })
    }

    /// Writes a note of a call; the call itself first, if that was not possible yet.
    async fn note(&self, live: &Live, note: CallNote, end: InboundEnd) -> Result<(), LedgerFault> {
        let (taken, now) = (Arc::clone(&live.taken), self.clock.wall());
        self.write(move |ledger| {
            ledger.atomically(|ledger| {
                ledger.take_call(&taken)?;
                ledger.inbound_note(taken.call, taken.caller.as_ref(), &note, &end, now)
            })
        })
        .await
    }

    async fn write_end(&self, live: &Live, note: CallNote, end: InboundEnd) {
        let end = InboundEnd { at: Some(self.clock.wall()), ..end };
        if let Err(fault) = self.note(live, note, end).await {
            tracing::error!(call = %live.taken.call, %fault, "what a call to us came to could not be written down");
        }
    }

    pub(super) async fn call_is_over(&self, live: Live, summary: CallSummary) {
        let attempt = summary.attempt;
        let notes = &summary.notes;
        let note = note_of(&summary, &self.calls_dir);
        let cause = notes.cause.and_then(|cause| serde_json::to_value(cause).ok());
        let end = InboundEnd {
            at: None,
            cause: cause.and_then(|cause| cause.as_str().map(str::to_owned)),
            menu_ms: notes.menu_ms,
            waited_ms: notes.waited_ms,
            message_ms: notes.message.map(|(from, to)| to.saturating_sub(from)),
            after: summary.first_audio_us.map(|_| live.line.campaign.after.wanted()).unwrap_or_default(),
        };
        self.write_end(&live, note, end).await;
        self.tell_of_switch(&live, notes.switched_ms);
        self.release(attempt);
    }
}
