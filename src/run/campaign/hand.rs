//! The hand on a run: its time, and the operator's word.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::watch;

use super::engine::Run;
use crate::base::limits;
use crate::core::dial::desk::Stop;
use crate::core::dial::note::Note;
use crate::run::clock::Clock;

/// Ends a run in time: nobody new once a call might outlast it (at the earliest after half of it).
pub(super) async fn limit(run: Weak<Run>, clock: Arc<dyn Clock>, span: Duration) {
    let longest = run.upgrade().map_or(Duration::ZERO, |run| {
        run.lines.iter().map(|(shared, _)| shared.longest_call()).max().unwrap_or_default()
    });
    let began = clock.boot();
    let steps = [
        (span.saturating_sub(longest).max(span / 2), Stop::Drain),
        (span.saturating_sub(limits::RUNTIME_UNANSWERED), Stop::Unanswered),
        (span.saturating_sub(limits::RUNTIME_HANG_UP), Stop::Cancel),
        (span, Stop::Exit),
    ];
    for (at, stop) in steps {
        clock.sleep(at.saturating_sub(clock.boot().since(began))).await;
        let Some(run) = run.upgrade() else { return };
        // A hand that was quicker keeps its reason.
        if run.stopped() == Stop::No {
            run.out_of_time.store(true, Ordering::Release);
        }
        run.stop(stop).await;
    }
}

/// Passes a run's own stop on to its campaigns.
pub(super) async fn obey(run: Arc<Run>, mut stop: watch::Receiver<Stop>) {
    loop {
        let wish = *stop.borrow_and_update();
        if wish > Stop::No {
            run.stop(wish).await;
        }
        if stop.changed().await.is_err() {
            return;
        }
    }
}

impl Run {
    /// Asks its campaigns to stop. Only gets firmer.
    pub async fn stop(&self, wish: Stop) {
        for (shared, at) in &self.lines {
            shared.stop_line(*at, wish).await;
        }
        self.watcher.note(&Note::Stopping(wish));
    }

    /// The firmest stop that any of its campaigns was asked for.
    pub(super) fn stopped(&self) -> Stop {
        self.lines.iter().map(|(shared, at)| shared.stop_of(&shared.line(*at))).max().unwrap_or(Stop::No)
    }

    /// Whether it stopped because the time that it was given was over.
    pub(super) fn is_out_of_time(&self) -> bool {
        self.out_of_time.load(Ordering::Acquire)
    }
}
