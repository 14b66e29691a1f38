//! Calls that come in: somebody calls a number of the account, and its webhook is asked what to do with them.
//!
//! `POST /sim/calls` with `From`, `To` and `Url` makes one. The real carrier has no such request: there, people call.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::sync::mpsc;

use super::api::{Started, World, authorise, logged};
use super::book::Entry;
use crate::base::limits::{SIM_CALLS, SIM_EVENTS};
use crate::core::dial::CallStatus;
use crate::core::sim::call::{CallMachine, Instructions, Limits};
use crate::core::sim::callee::caller;
use crate::core::sim::line::What;
use crate::core::sim::rest::{ApiFault, NewCall};
use crate::core::wire::form::{self, first};

/// Longest call that comes in, ms: the carrier's own limit.
const LIMIT_MS: u64 = 14_400_000;

impl World {
    /// Somebody calls `to`; `url` is asked what to do. Gives the call's id.
    pub fn ring_in(self: &Arc<World>, from: &str, to: &str, url: &str) -> Result<String, ApiFault> {
        let nth = self.count.fetch_add(1, Ordering::Relaxed);
        let script = caller(self.seed, from);
        let now = self.now();
        let sid = self.id("CA", now.boot.0 ^ self.seed, &["came in", &now.wall.0.to_string(), &nth.to_string()]);
        let first = Instructions::Url(url.to_owned());
        let order = NewCall {
            to: to.to_owned(),
            from: from.to_owned(),
            first,
            inbound: true,
            callback: None,
            machines: None,
            ring_s: 60,
            limit_s: LIMIT_MS / 1_000,
            ignored: Vec::new(),
        };
        let events = mpsc::channel(SIM_EVENTS);
        let entry = Entry {
            sid: sid.clone(),
            to: to.to_owned(),
            from: from.to_owned(),
            inbound: true,
            status: CallStatus::Ringing,
            created: now.wall,
            updated: now.wall,
            started: None,
            ended: None,
            duration_s: None,
            queue_ms: 0,
            listed_from_us: now.boot.0,
            recorded: Arc::default(),
            control: Some(events.0.clone()),
        };
        let mut book = self.book();
        if book.len() >= SIM_CALLS {
            return Err(ApiFault::new(429, 20_429, "Too Many Requests"));
        }
        let what = What::CameIn { to: to.to_owned(), from: from.to_owned(), behaviour: script.behaviour };
        self.write(&sid, what).map_err(|error| ApiFault { http: 500, code: None, message: error.to_string() })?;
        book.add(entry);
        drop(book);
        let limits = Limits { start_at: 0, ring_ms: 60_000, limit_ms: LIMIT_MS };
        let machine = CallMachine::inbound(script.clone(), limits, url);
        (self.doors.start)(Arc::clone(self), Started { sid: sid.clone(), order, script, machine, events });
        Ok(sid)
    }
}

/// The request.
pub(super) async fn calls(State(world): State<Arc<World>>, headers: HeaderMap, body: Bytes) -> Response {
    if let Err(fault) = authorise(&world, &world.account, &headers) {
        return logged(&world, "", fault);
    }
    let form = form::decode(&body);
    let (Some(from), Some(to), Some(url)) = (first(&form, "From"), first(&form, "To"), first(&form, "Url")) else {
        return logged(&world, "", ApiFault::new(400, 21_201, "From, To and Url are needed"));
    };
    match world.ring_in(from, to, url) {
        Ok(sid) => (StatusCode::CREATED, axum::Json(serde_json::json!({ "sid": sid }))).into_response(),
        Err(fault) => logged(&world, "", fault),
    }
}
