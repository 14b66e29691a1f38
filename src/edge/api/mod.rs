//! The HTTP API's listener: routes, token, bounds. It decides nothing about calls: what passed the token goes to a [`Door`].
//!
//! It runs on a thread of its own (`edge/gateway/own`), never on the media's.

use crate::base::Boot;
use crate::core::api::{Answer, Route};
use crate::edge::gateway::Boxed;

pub mod server;

/// A request that passed the token, or needs none.
#[derive(Debug, Clone)]
pub struct Asked {
    /// For what.
    pub route: Route,
    /// The text of the path's `{…}`, decoded.
    pub subject: String,
    /// What stands behind the `?`.
    pub query: String,
    /// `Idempotency-Key`, once; `Err`: several, or one that is no text.
    pub key: Result<Option<String>, ()>,
    /// The body.
    pub body: Vec<u8>,
}

/// A request that was answered, for logs and figures.
#[derive(Debug, Clone)]
pub struct Access {
    /// The method.
    pub method: String,
    /// The path without numbers.
    pub path: String,
    /// The route, if there was one.
    pub route: Option<Route>,
    /// HTTP status.
    pub status: u16,
    /// When it came.
    pub began: Boot,
}

/// Whoever answers.
pub trait Door: Send + Sync + 'static {
    /// Whether the value of an `Authorization` header shows the token. Takes the same time for every wrong one.
    fn admits(&self, authorization: Option<&str>) -> bool;
    /// Answers.
    fn answer(&self, asked: Asked) -> Boxed<'_, Answer>;
    /// The boot clock.
    fn now(&self) -> Boot;
    /// Something was answered. Must not block.
    fn told(&self, access: Access);
    /// There is no room for a connection: what, and how it showed. Must not block.
    fn pressed(&self, what: &str, how: &str);
}
