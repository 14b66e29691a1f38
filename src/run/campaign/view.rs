//! What others may know of a running engine: the HTTP API's eyes.

use std::sync::Arc;

use super::engine::Engine;
use super::lock;
use crate::base::Failure;
use crate::core::dial::desk::Stop;
use crate::run::agent::AgentDoor;
use crate::run::clone::Cloner;
use crate::run::gateway::Counts;
use crate::run::ledger::LedgerHandle;
use crate::run::metrics::Metrics;
use crate::store::workspace::Workspace;

/// Why an account calls nobody new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Halt {
    /// It is stopped until a person has looked.
    Stopped,
    /// The carrier could not be reached, or this machine's clock is not believed.
    Unreachable,
    /// The ledger cannot be written.
    Ledger,
}

impl Engine {
    /// The ledger of everything here.
    pub(crate) fn ledger(&self) -> &LedgerHandle {
        &self.setup.ledger
    }

    /// Whether it was asked to end: nothing new begins.
    pub(crate) fn is_stopping(&self) -> bool {
        *self.setup.stop.borrow() > Stop::No
    }

    /// What this process has done so far.
    pub(crate) fn metrics(&self) -> &Arc<Metrics> {
        &self.setup.metrics
    }

    /// The room of voice clones, one for everybody here, opened when it is first asked for; `None`: `ahoy.toml` has no
    /// `[clone]`.
    pub(crate) fn cloner(&self, ws: &Workspace) -> Result<Option<Arc<Cloner>>, Failure> {
        let mut open = lock(&self.cloner);
        if open.is_none() {
            *open = Cloner::open(ws, self.setup.ledger.clone(), Arc::clone(&self.setup.clock))?;
        }
        Ok(open.clone())
    }

    /// The gateway's counts; `None` if its port is not open.
    pub(crate) fn gateway_counts(&self) -> Option<Counts> {
        lock(&self.gateway).as_ref().filter(|gateway| gateway.is_open()).map(|gateway| gateway.counts())
    }

    /// Agents that calls of this process use, by name.
    pub(crate) fn agent_doors(&self) -> Vec<(String, Arc<AgentDoor>)> {
        self.agents.all()
    }

    /// Accounts that are open here and call nobody new, with the reason.
    pub(crate) fn halted(&self) -> Vec<(String, Halt)> {
        let of = |shared: &Arc<super::Shared>| {
            let seen = lock(&shared.seen);
            if seen.ledger_failed.is_some() {
                return Some(Halt::Ledger);
            }
            if seen.account.is_some() {
                return Some(Halt::Stopped);
            }
            (seen.unreachable || seen.clock).then_some(Halt::Unreachable)
        };
        self.facts.all().iter().filter_map(|shared| Some((shared.account.clone(), of(shared)?))).collect()
    }
}
