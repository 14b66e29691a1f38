//! What comes after calls of a run: recordings of the carrier, transcripts and summaries, got beside it and for a moment
//! after it.

use std::sync::Arc;
use std::time::Duration;

use super::{Line, Run, Shared};
use crate::base::limits;
use crate::core::config::Recording;
use crate::core::dial::note::Note;
use crate::run::recordings::{LookFault, Wanted, Which};
use crate::run::writings::Scribe;

impl Shared {
    /// Whether a campaign here lets the carrier record.
    pub fn records(&self) -> bool {
        self.lines.all().iter().any(|line| line.campaign.recording == Recording::Both)
    }

    /// Whether a campaign here has its calls written down or summed up.
    pub fn writes(&self) -> bool {
        self.lines.all().iter().any(|line| line.pens.any())
    }

    fn scribe(&self, line: &Line) -> Scribe {
        Scribe {
            ledger: self.ledger.clone(),
            calls_dir: self.calls_dir.clone(),
            clock: Arc::clone(&self.clock),
            campaign: line.campaign.name.clone(),
            pens: Arc::clone(&line.pens),
        }
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

/// Writes down and sums up the calls that are due. A campaign that ran twice here has two lines: the later one is alive.
pub(super) async fn write_down(shared: Arc<Shared>) {
    let Ok(_only_one) = shared.writing.try_lock() else { return };
    let lines = shared.lines.all();
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.pens.any()) {
        if shared.line_of(&line.campaign.name) != Some(at) {
            continue;
        }
        if let Err(fault) = shared.scribe(line).look(Which::Due).await {
            return shared.ledger_failed(fault).await;
        }
    }
}

/// Waits a moment for the last transcripts and summaries of a run, and says what is left.
async fn last_words(run: &Run) {
    let mut left = 0;
    let Some((first, _)) = run.lines.first() else { return };
    let (until, by) = (first.boot() + limits::WRITINGS_AT_END, first.wall() + limits::WRITINGS_AT_END);
    for (shared, at) in &run.lines {
        let line = shared.line(*at);
        if !line.pens.any() {
            continue;
        }
        let scribe = shared.scribe(&line);
        loop {
            write_down(Arc::clone(shared)).await;
            match scribe.waiting(Some(by)).await {
                Ok(soon) if soon > 0 && shared.boot() < until => shared.clock.sleep(Duration::from_millis(200)).await,
                Ok(_) => break,
                Err(fault) => return shared.ledger_failed(fault).await,
            }
        }
        match scribe.waiting(None).await {
            Ok(all) => left += all,
            Err(fault) => return shared.ledger_failed(fault).await,
        }
    }
    if left > 0 {
        let words = format!("{left} transcripts and summaries are not ready yet: `ahoy calls fetch` makes them later");
        run.watcher.note(&Note::Say(words));
    }
}

/// Waits a moment for what is nearly ready, and says what is left.
pub(super) async fn last_look(run: &Run) {
    last_words(run).await;
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
