//! The contract card: what a carrier promises, field by field. The horizon, the classification of answers, and the way
//! that unknown outcomes are settled follow from it; docs/LEDGER.md has the carriers' cards side by side.

use std::time::Duration;

use crate::core::dial::horizon::Bounds;
use crate::core::wire::twiml::StreamForm;

/// What a carrier promises. A promise that it does not document is not made here.
#[derive(Debug, Clone, PartialEq)]
pub struct ContractCard {
    /// Kind of carrier: `twilio`, `sim`.
    pub kind: &'static str,
    /// How long it remembers a request's key, so that a repeated request places one call; `None`: it has no such key.
    pub request_key: Option<Duration>,
    /// What HTTP 429 means.
    pub throttled: Throttled,
    /// How an event tells which attempt it is about.
    pub own_tag: OwnTag,
    /// Default calls per second of an account.
    pub default_calls_per_second: f64,
    /// How it can be asked which calls exist.
    pub listing: Listing,
    /// How its events come.
    pub events: Events,
    /// How its events are signed.
    pub signature: Signature,
    /// How long it may take: parts of the horizon, and its own queue.
    pub bounds: Bounds,
    /// How the media stream proves whose it is.
    pub stream: StreamProof,
    /// How our document must ask for a stream that plays what we send.
    pub stream_form: StreamForm,
    /// Whether playing sound sent ahead is buffered by the carrier and emptied by `clear`.
    pub buffers_media: bool,
}

/// What HTTP 429 says about the order that it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Throttled {
    /// Documented: it was not processed, and may be sent again.
    NotProcessed,
    /// Not documented: the call may exist, as after a lost answer.
    Unsaid,
}

/// How an event finds its attempt when the answer to the order was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnTag {
    /// Only by the path of the URL that we gave.
    UrlPath,
    /// A field of ours comes back in each event.
    Field(&'static str),
}

/// Which questions the carrier answers about calls that we may not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// Calls can be listed by caller and callee: what a complete list does not show after the horizon was not placed.
    ByNumber,
    /// Calls can be listed, and a call that is shown is there; one that is not shown may come later, without a bound: an
    /// unknown outcome is never released by itself; its lead goes to `review` after the horizon.
    Finds,
    /// They cannot: an unknown outcome is never released by itself; its lead goes to `review` after the horizon.
    Never,
}

/// In which order and how often events come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Events {
    /// Whether the order of events is promised.
    pub ordered: bool,
    /// Whether one event may come several times.
    pub repeated: bool,
    /// The header by which a repeat is known, where there is one.
    pub repeat_token: Option<&'static str>,
}

/// How a media stream proves that the carrier opened it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamProof {
    /// Its upgrade is signed; its `start` brings our token.
    Signed,
    /// Only by our token, which stands in its address: parameters may not come back.
    Token,
}

/// How an event proves that the carrier sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signature {
    /// HMAC-SHA1 over URL and parameters, without a time: it can be replayed, so facts must be idempotent.
    HmacSha1,
    /// Ed25519 over time and body.
    Ed25519,
    /// None: they come on a socket that we have opened with our credentials.
    OurSocket,
}
