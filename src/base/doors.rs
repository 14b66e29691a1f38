//! The doors of the house, as traces: what waits for a database, a disk or another service says so when it is asked.
//!
//! Law 8 says that nothing of this stands between a call's answer and its first sound; a test listens.

/// The target of these traces. No log of an operator shows them unless it is asked for by this name.
pub const TARGET: &str = "ahoy::door";

/// Says that a door is used. Costs a load and a branch where nobody listens.
#[macro_export]
macro_rules! door {
    ($name:literal) => {
        tracing::trace!(target: $crate::base::doors::TARGET, door = $name)
    };
}
