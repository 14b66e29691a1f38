//! The HTTP API's words: its routes, what it is asked, what it answers, how it writes metrics. No sockets (`edge/api`), no
//! ledger (`run/api`).

pub mod bearer;
pub mod order;
pub mod page;
pub mod path;
pub mod route;
pub mod ticket;

pub use route::{Miss, ROUTES, Route, Spot, find};

use serde_json::{Value, json};

use crate::core::wire::form;

/// What stands behind the `?` of a request.
#[derive(Debug, Clone)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads it.
    pub fn read(text: &str) -> Query {
        Query(form::decode(text.as_bytes()))
    }

    /// The text of a name, if it is there.
    pub fn text(&self, name: &str) -> Option<String> {
        form::first(&self.0, name).map(str::to_owned)
    }

    /// A whole number from 0 to `most`.
    pub fn number(&self, name: &str, most: u64) -> Result<Option<u64>, String> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match text.parse() {
            Ok(number) if number <= most => Ok(Some(number)),
            Ok(_) | Err(_) => Err(format!("{name} is a whole number from 0 to {most}")),
        }
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// What it says.
    pub body: Body,
    /// After how many seconds it is worth asking again.
    pub retry_after_s: Option<u64>,
    /// Where what was made can be looked at.
    pub location: Option<String>,
    /// The same request was answered before: nothing was done now.
    pub repeated: bool,
}

/// What an answer says.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// JSON.
    Json(Value),
    /// A page of metrics (`text/plain; version=0.0.4`).
    Metrics(String),
    /// JSON that is written already.
    Written(&'static str),
}

impl Answer {
    /// JSON with this status.
    pub fn json(status: u16, value: Value) -> Answer {
        Answer { status, body: Body::Json(value), retry_after_s: None, location: None, repeated: false }
    }

    /// A refusal: a stable word for programs, a sentence for people.
    pub fn refused(status: u16, reason: &str, message: &str) -> Answer {
        Answer::json(status, json!({ "error": { "reason": reason, "message": message } }))
    }

    /// The same, worth another try after some seconds.
    pub fn after(self, seconds: u64) -> Answer {
        Answer { retry_after_s: Some(seconds), ..self }
    }
}
