//! The embedded carrier's sockets: REST interface, callbacks, media. It serves the same API as the real one, so that
//! demo and tests run the very client that production runs. Tasks and timers are in `run/sim`.

pub mod api;
pub mod book;
pub mod callbacks;
mod caller;
mod form;
pub mod listener;
pub mod log;
pub mod media;
mod numbers;
pub mod recordings;

use std::time::Duration;

use super::ContractCard;
use crate::core::dial::horizon::Bounds;

/// Promises of the embedded carrier: those of Twilio, under its own name; but it makes a call at once and lists it at once.
pub const CARD: ContractCard = ContractCard {
    kind: "sim",
    bounds: Bounds { processing: Duration::ZERO, list_lag: Duration::ZERO, ..super::twilio::CARD.bounds },
    ..super::twilio::CARD
};
