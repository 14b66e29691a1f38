//! What the HTTP API asks of the ledger besides what everybody asks.

use super::{Ledger, LedgerFault, codec};
use crate::core::dial::attempt::State;

/// What the ledger holds at one moment, in figures.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Holdings {
    /// Attempts that are open (zombies that have not ended included), by state.
    pub open: Vec<(State, u64)>,
    /// Tasks that wait, by kind: recordings to fetch and the like.
    pub tasks: Vec<(String, u64)>,
}

impl Ledger {
    /// Writes a row as it is: the next commit proves that this ledger takes calls. Errors: also `LowSpace`.
    pub fn prove_writable(&mut self) -> Result<(), LedgerFault> {
        self.may_claim()?;
        self.write("UPDATE meta SET created_at = created_at WHERE one = 1", [])?;
        Ok(())
    }

    /// What is open. Reads indexes that hold nothing else.
    pub fn holdings(&self) -> Result<Holdings, LedgerFault> {
        let open = self.rows(
            "SELECT state, count(*) AS attempts FROM attempt \
             WHERE state IN ('intent', 'unknown', 'placed', 'ringing', 'answered', 'bridged') GROUP BY state \
             UNION ALL SELECT state, count(*) FROM attempt WHERE state = 'zombie' AND end_status IS NULL GROUP BY state",
            [],
            |row| Ok((codec::word(row, "state")?, codec::count(row, "attempts")?)),
        )?;
        let tasks = self.rows(
            "SELECT kind, count(*) AS tasks FROM task WHERE state = 'waiting' GROUP BY kind ORDER BY kind",
            [],
            |row| Ok((row.get("kind")?, codec::count(row, "tasks")?)),
        )?;
        Ok(Holdings { open, tasks })
    }
}
