//! `POST /api/calls` and `GET /api/calls/{id}`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::House;
use crate::base::{AttemptId, CallId, Wall};
use crate::core::api::Answer;
use crate::core::api::order::read_order;
use crate::core::call::report::Report;
use crate::edge::api::Asked;
use crate::run::campaign::Ordered;
use crate::store::calllog;
use crate::store::ledger::{CallRow, InboundRow, Ledger, LedgerFault, WishRow};

impl House {
    /// Places a call, once for each key.
    pub(super) async fn place(&self, asked: &Asked) -> Answer {
        let order = match read_order(&asked.key, &asked.body) {
            Ok(order) => order,
            Err(answer) => return *answer,
        };
        let (engine, ws) = (Arc::clone(&self.engine), self.ws.clone());
        // A task: what was begun is done to its end, whoever has hung up meanwhile.
        let task = self.runtime.spawn(async move { engine.order(&ws, order).await });
        match task.await {
            Ok(Ordered::Placed(attempt)) => self.placed(attempt, false).await,
            Ok(Ordered::Repeat(attempt)) => self.placed(attempt, true).await,
            Ok(Ordered::OtherRequest) => {
                Answer::refused(422, "key_reused", "this Idempotency-Key was used for another request")
            }
            Ok(Ordered::Refused(refusal)) => refusal.answer(),
            Err(_) => Answer::refused(500, "bug", "this request met a bug; repeat it with the same key"),
        }
    }

    async fn placed(&self, attempt: AttemptId, repeated: bool) -> Answer {
        let id = attempt.to_string();
        let location = Some(format!("/api/calls/{id}"));
        let body = match self.row(attempt.call()).await {
            Some(Ok(Some(row))) => short(&row),
            // It is placed, whatever the ledger says now: the caller must learn its id.
            Some(Ok(None) | Err(_)) | None => json!({ "id": id }),
        };
        Answer { location, repeated, ..Answer::json(202, body) }
    }

    async fn came_in(&self, call: CallId) -> Option<Result<Option<InboundRow>, LedgerFault>> {
        self.look(self.engine.ledger().run(move |ledger: &mut Ledger| ledger.inbound_call(call))).await
    }

    async fn row(&self, call: CallId) -> Option<Result<Option<CallRow>, LedgerFault>> {
        self.look(self.engine.ledger().run(move |ledger: &mut Ledger| ledger.call(call))).await
    }

    /// What became of a call.
    pub(super) async fn call(&self, id: &str) -> Answer {
        let unknown = || Answer::refused(404, "no_such_call", "the ledger has no call of this id");
        let Ok(call) = id.parse::<CallId>() else { return unknown() };
        let found = match self.row(call).await {
            Some(Ok(Some(row))) => Some(Ok(Found::Ours(Box::new(row)))),
            Some(Ok(None)) => self.came_in(call).await.map(|found| Ok(Found::Theirs(found?))),
            Some(Err(fault)) => Some(Err(fault)),
            None => None,
        };
        // A call that runs is known before its row is written.
        let in_hand = self.engine.desks().and_then(|desks| desks.in_hand(call));
        let found = match (found, in_hand) {
            (Some(Ok(Found::Theirs(None))), None) => return unknown(),
            (None | Some(Ok(Found::Theirs(None)) | Err(LedgerFault::Busy | LedgerFault::QueueFull)), Some(row)) => {
                Found::Theirs(Some(row))
            }
            (Some(Ok(found)), _) => found,
            (Some(Err(fault)), _) => {
                tracing::warn!(%fault, "a call could not be looked up");
                return Answer::refused(503, "ledger", "the ledger cannot be read now").after(5);
            }
            (None, None) => return Answer::refused(503, "ledger", "the ledger is busy").after(5),
        };
        let folder = match &found {
            Found::Ours(row) => row.folder.as_ref(),
            Found::Theirs(row) => row.as_ref().and_then(|row| row.folder.as_ref()),
        };
        let folder = folder.map(|folder| self.ws.calls_dir().join(folder));
        let read = self.runtime.spawn_blocking(move || calllog::read(call, &folder?).ok());
        let report = read.await.ok().flatten().map(|record| Report::of(&record.lines));
        match found {
            Found::Ours(row) => Answer::json(200, whole(&row, report.as_ref())),
            Found::Theirs(Some(row)) => {
                let wish = self.look(self.engine.ledger().run(move |ledger: &mut Ledger| ledger.wish(call))).await;
                Answer::json(200, theirs(&row, wish.and_then(Result::ok).flatten().as_ref(), report.as_ref()))
            }
            Found::Theirs(None) => unknown(),
        }
    }
}

/// A call that we made, or one that came in.
enum Found {
    Ours(Box<CallRow>),
    Theirs(Option<InboundRow>),
}

/// A call to us. No number: the lead has it.
fn theirs(row: &InboundRow, wish: Option<&WishRow>, report: Option<&Report>) -> Value {
    json!({
        "id": row.call,
        "direction": "inbound",
        "lead": row.lead,
        "answered_at": row.at.rfc3339(),
        "phrase": row.phrase,
        "cause": row.cause,
        "first_audio_us": row.first_audio_us,
        "duration_ms": row.duration_ms,
        "menu_ms": row.menu_ms,
        "waited_ms": row.waited_ms,
        "message_ms": row.message_ms,
        "call_back": wish,
        "report": report,
    })
}

/// A call as the answer to its order shows it.
fn short(row: &CallRow) -> Value {
    json!({
        "id": row.call,
        "campaign": row.campaign,
        "lead": row.lead,
        "state": row.state.as_str(),
        "outcome": row.outcome.map(|outcome| outcome.as_str()),
        "started_at": row.started_at.rfc3339(),
    })
}

/// A call with all that is known of it. No number: the lead has it.
fn whole(row: &CallRow, report: Option<&Report>) -> Value {
    let mut value = short(row);
    let told = json!({
        "language": row.language,
        "answered_at": row.answered_at.map(Wall::rfc3339),
        "ended_at": row.ended_at.map(Wall::rfc3339),
        "duration_s": row.duration_s,
        "first_audio_us": row.first_audio_us,
        "heard_ms": row.heard_ms,
        "barged_in": row.barged_in,
        "opted_out": row.opted_out,
        "keys": row.keys,
        "report": report,
    });
    if let (Value::Object(all), Value::Object(told)) = (&mut value, told) {
        all.extend(told);
    }
    value
}
