//! SignalWire's cXML API: Twilio's client in its relative's form ([`Dialect::SignalWire`]) under another contract.

use super::{ContractCard, Events, StreamProof, Throttled};
#[cfg(doc)]
use crate::core::wire::dialect::Dialect;

/// Promises of SignalWire's API: those of Twilio as far as its documents make them.
pub const CARD: ContractCard = ContractCard {
    kind: "signalwire",
    // That a refused order was not processed is nowhere said.
    throttled: Throttled::Unsaid,
    events: Events { repeat_token: None, ..super::twilio::CARD.events },
    stream: StreamProof::Token,
    ..super::twilio::CARD
};
