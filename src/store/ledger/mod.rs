//! The ledger: leads, attempts, calls, facts, suppression, in SQLite.
