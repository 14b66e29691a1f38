//! `ahoy clone`: voices made ahead of a campaign, listed, removed.

use crate::base::{Exit, Failure};
use crate::edge::engine::EngineFault;

/// A service's fault as a person is told it.
pub fn failure(fault: &EngineFault) -> Failure {
    let told = |exit, next: &str| Failure::new(exit, format!("[clone]: {}", fault.why())).next(next.to_owned());
    match fault {
        EngineFault::Account { .. } => told(Exit::Account, "set the key that [clone] names, then run this again"),
        EngineFault::Missing { .. }
        | EngineFault::Refused { .. }
        | EngineFault::Language { .. }
        | EngineFault::BadSound { .. }
        | EngineFault::Busy { .. }
        | EngineFault::Failed { .. } => told(Exit::Bug, "run this again later"),
    }
}
