//! Leads from files into the ledger, and the way back.

pub mod export;
pub mod forget;
pub mod import;
#[cfg(test)]
mod import_tests;
pub mod page;

use std::path::Path;

use crate::base::Failure;
use crate::store::ledger::{Ledger, LedgerFault};

/// The ledger for reading, or `None` if there is none yet.
pub fn read_ledger(path: &Path) -> Result<Option<Ledger>, Failure> {
    match Ledger::open_read_only(path) {
        Ok(ledger) => Ok(Some(ledger)),
        Err(LedgerFault::Missing(_)) => Ok(None),
        Err(fault) => Err(fault.into()),
    }
}
