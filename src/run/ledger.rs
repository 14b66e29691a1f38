//! The ledger as a door.
