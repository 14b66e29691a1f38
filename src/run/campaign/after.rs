//! What comes after calls of a run: recordings of the carrier, fetched beside it and for a moment after it.

use std::sync::Arc;
use std::time::Duration;

use super::{Run, Shared};
use crate::base::limits;
use crate::core::config::Recording;
use crate::core::dial::note::Note;
use crate::run::recordings::{LookFault, Wanted, Which};

impl Shared {
    /// Whether a campaign here lets the carrier record.
    pub fn records(&self) -> bool {
        self.lines.all().iter().any(|line| line.campaign.recording == Recording::Both)
    }

    fn wanted(&self) -> Wanted {
        Wanted {
            carrier: Arc::clone(&self.carrier),
            account: self.account.clone(),
            ledger: self.ledger.clone(),
            calls_dir: self.calls_dir.clone(),
            clock: Arc::clone(&self.clock),
        }
    }
}

/// Fetches the recordings that are due.
pub(super) async fn look(shared: Arc<Shared>) {
    let Ok(_only_one) = shared.fetching.try_lock() else { return };
    match shared.wanted().recordings(Which::Due, |_| {}).await {
        Ok(_) => {}
        Err(LookFault::Ledger(fault)) => shared.ledger_failed(fault).await,
        Err(LookFault::Carrier(fault)) => shared.weigh_fault(&fault).await,
    }
}

/// Waits a moment for what is nearly ready, and says what is left.
pub(super) async fn last_look(run: &Run) {
    let mut told = Vec::new();
    for (shared, _) in &run.lines {
        if !shared.records() || told.contains(&&shared.account) {
            continue;
        }
        told.push(&shared.account);
        let until = shared.boot() + limits::RECORDINGS_AT_END;
        let left = loop {
            match shared.wanted().waiting().await {
                Ok(left) if left > 0 && shared.boot() < until => shared.clock.sleep(Duration::from_millis(200)).await,
                Ok(left) => break left,
                Err(fault) => return shared.ledger_failed(fault).await,
            }
        };
        if left > 0 {
            let words =
                format!("{left} recordings of the carrier are not ready yet: `ahoy calls fetch` gets them later");
            run.watcher.note(&Note::Say(words));
        }
    }
}
