//! Whose form of the API it serves: orders read, answers written, callbacks told in it.

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::api::{World, hex_id};
use super::book::Entry;
use crate::core::dial::CallStatus;
use crate::core::sim::rest::{ApiFault, NewCall, Update, read_create, read_update};
use crate::core::sim::telnyx::{self, Named};
use crate::core::wire::dialect::Dialect;
use crate::core::wire::form;
use crate::core::wire::twilio::CallResource;

/// A refusal in the words of this form.
pub(super) fn refuse(world: &World, fault: &ApiFault) -> Response {
    let code = |http| StatusCode::from_u16(http).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match world.dialect {
        Dialect::Twilio | Dialect::SignalWire => (code(fault.http), axum::Json(fault.body())).into_response(),
        Dialect::Telnyx => {
            let (http, body) = telnyx::refusal(fault);
            (code(http), axum::Json(body)).into_response()
        }
    }
}

fn kind_of<'a>(headers: &'a HeaderMap, wanted: &str) -> Result<(), ApiFault> {
    let kind: &'a str = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if kind.starts_with(wanted) { Ok(()) } else { Err(ApiFault::new(415, 20_001, format!("the body is no {wanted}"))) }
}

impl World {
    /// An order, checked as this form checks it.
    pub(super) fn read_order(&self, headers: &HeaderMap, body: &Bytes) -> Result<NewCall, ApiFault> {
        match self.dialect {
            Dialect::Twilio | Dialect::SignalWire => read_create(&form::decode(body)),
            Dialect::Telnyx => kind_of(headers, "application/json").and_then(|()| telnyx::read_order(body)),
        }
    }

    /// A change to a live call.
    pub(super) fn read_change(&self, headers: &HeaderMap, body: &Bytes) -> Result<Update, ApiFault> {
        match self.dialect {
            Dialect::Twilio | Dialect::SignalWire => read_update(&form::decode(body)),
            Dialect::Telnyx => kind_of(headers, "application/json").and_then(|()| telnyx::read_change(body)),
        }
    }

    /// The answer to an order that was taken; `nth`: Telnyx names every other call.
    pub(super) fn taken(&self, entry: &Entry, nth: u64) -> Response {
        let call = self.resource(entry);
        match self.dialect {
            Dialect::Twilio | Dialect::SignalWire => (self.created(), axum::Json(call)).into_response(),
            Dialect::Telnyx => {
                let named = if nth.is_multiple_of(2) { Named::Yes } else { Named::No };
                axum::Json(telnyx::taken(&call, named)).into_response()
            }
        }
    }

    /// Whether a call is told of when it is asked for: Telnyx shows none that waits, and each a little late.
    pub(super) fn shows(&self, entry: &Entry) -> bool {
        let waits = matches!(entry.status, CallStatus::Queued | CallStatus::Initiated);
        self.dialect != Dialect::Telnyx || !waits && entry.listed_from_us <= self.now().boot.0
    }

    /// An id as this dialect has it: two letters and 32 hex digits, a UUID, or a call control id.
    pub fn id(&self, letters: &str, seed: u64, words: &[&str]) -> String {
        let hex = hex_id(seed, words);
        match self.dialect {
            Dialect::Twilio => format!("{letters}{hex}"),
            Dialect::SignalWire => {
                let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
                parts.join("-")
            }
            Dialect::Telnyx => format!("v3:{}-{}_Q", &hex[..20], &hex[20..]),
        }
    }

    /// A call as the API answers it.
    pub fn resource(&self, entry: &Entry) -> CallResource {
        let call = entry.resource(&self.account);
        let call = CallResource { uri: call.uri.map(|uri| self.dialect.path(&uri).into_owned()), ..call };
        if self.dialect == Dialect::Telnyx { telnyx::resource(call) } else { call }
    }

    /// What a request that made something is answered with.
    pub fn created(&self) -> StatusCode {
        match self.dialect {
            Dialect::Twilio => StatusCode::CREATED,
            Dialect::SignalWire | Dialect::Telnyx => StatusCode::OK,
        }
    }

    /// Posts a callback, signed at this moment; returns status and body, or what failed.
    pub async fn post(&self, url: &str, params: &[(String, String)]) -> Result<(u16, String), String> {
        match self.dialect {
            Dialect::Twilio | Dialect::SignalWire => self.webhooks.post(url, params, self.now().wall).await,
            Dialect::Telnyx => self.webhooks.post(url, &telnyx::callback(params), self.now().wall).await,
        }
    }
}
