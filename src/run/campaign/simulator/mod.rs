//! The deterministic simulator: the whole dialer and a misbehaving carrier in one thread and in virtual time. One seed
//! decides everything: the weather, the callees, the operator's hand, the crashes. docs/SIMULATOR.md tells the rest.
//!
//! A process of the dialer is a tokio runtime with a paused clock (`dialer`). A crash drops it with all that it holds;
//! what survives is the ledger's file and the carrier, which is plain state without tasks (`carrier`). The judge is the
//! carrier's own log (`judge`), never our ledger.

mod carrier;
mod crash_points;
mod dialer;
mod fate;
mod hand;
mod judge;
mod plan;
mod seeds;
mod trace;
mod voyage;

pub(super) use dialer::{SharedParts, shared};
