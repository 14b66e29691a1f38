//! HTTP webhooks and media sockets on one port.
//!
//! This room speaks HTTP and WebSocket and decides nothing: every request goes to a [`Handler`]. It runs on a thread
//! and a single-threaded runtime of its own, so that the latency of media does not depend on what else the program does.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

pub(in crate::edge) mod accept;
pub mod guard;
pub mod own;
pub mod server;
pub mod socket;

pub use socket::{MediaDoor, MediaSocket, More, Outgoing, Turn, Words};

/// A future that a gateway door returns.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A request's parts that its signature covers, and the signature.
#[derive(Debug, Clone)]
pub struct Seal {
    /// Path and query exactly as they arrived. Scheme and host are never taken from a request.
    pub target: String,
    /// The signature header.
    pub signature: Option<String>,
    /// The header that names another key.
    pub settings: Option<String>,
    /// The signature that covers time and body, and its time.
    pub stamped: Option<(String, String)>,
}

/// Whoever decides about requests.
pub trait Handler: Send + Sync + 'static {
    /// A status callback: its token, and its body of at most `limits::WEBHOOK_BYTES`. Gives the HTTP status.
    fn status<'a>(&'a self, token: &'a str, seal: Seal, body: &'a [u8]) -> Boxed<'a, u16>;
    /// The carrier asks what to do with a call to us: the HTTP status, and the document. Must not block.
    fn answer(&self, seal: &Seal, body: &[u8]) -> (u16, String);
    /// Whether this token opens the address for the posts of a carrier's add-ons.
    fn posts(&self, _carrier: &str, _token: &str) -> bool {
        false
    }
    /// Such a post, of at most `limits::HOOK_BYTES`. Gives the HTTP status. Must not block.
    fn post(&self, _carrier: &str, _body: &[u8]) -> u16 {
        403
    }
    /// Whether a media socket may be opened, whose address may hold a token; otherwise the HTTP status of the refusal.
    fn admit(&self, seal: &Seal, token: Option<&str>) -> Result<(), u16>;
    /// Runs a media socket to its end.
    fn media(self: Arc<Self>, socket: Box<dyn MediaDoor>, token: Option<String>) -> Boxed<'static, ()>;
    /// There is no room for a connection: what, and how it showed. Must not block.
    fn pressed(&self, what: &str, how: &str);
    /// One line for health checks.
    fn health(&self) -> String;
}
