//! A greeting that was not on the shelf when the run began: rendered before its first call, or while that rings.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::Shared;
use crate::base::Failure;
use crate::core::call::{CallScript, PreparedClip};
use crate::core::dial::desk::Stop;
use crate::core::dial::note::Note;
use crate::run::gateway::LateScript;
use crate::run::render::late::Late;

/// A call waits so long for its greeting before it is placed; ringing gives it more time.
const BEFORE_THE_CALL: Duration = Duration::from_secs(5);
/// Renderings that may fail in a row before the campaign ends: nobody is called only to hear an apology.
const FAILURES: u32 = 3;

/// A late greeting of a campaign in one language.
#[derive(Debug)]
pub(crate) struct LateGreeting {
    late: Late,
    /// What is played to whoever answers before it is ready.
    pub fallback: Arc<CallScript>,
    /// Where calls find it.
    pub script: Arc<LateScript>,
    failures: AtomicU32,
}

/// Whether a call may be placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readiness {
    /// The greeting is there.
    Ready,
    /// It is being rendered: it may be there when somebody answers.
    Coming,
    /// It cannot be rendered now.
    Failed,
}

impl LateGreeting {
    pub fn new(late: Late, fallback: Arc<CallScript>) -> LateGreeting {
        LateGreeting { late, fallback, script: Arc::default(), failures: AtomicU32::new(0) }
    }

    /// The name of what will be heard.
    pub fn fingerprint(&self) -> String {
        self.late.fingerprint()
    }

    async fn render(&self) -> Result<(), Failure> {
        let clip = self.late.clip().await?;
        let greeting = Arc::new(PreparedClip::new(&clip));
        self.script.is_ready(Arc::new(CallScript { greeting, ..CallScript::clone(&self.fallback) }));
        Ok(())
    }
}

/// Renders the greeting unless it is there, and waits for it, but not for long. A failure is told; several in a row end the
/// campaign.
pub(super) async fn ready(shared: &Arc<Shared>, at: usize, late: &Arc<LateGreeting>) -> Readiness {
    if late.script.get().is_some() {
        return Readiness::Ready;
    }
    let (work, room) = (Arc::clone(late), Arc::clone(shared));
    let rendering = tokio::spawn(async move {
        match work.render().await {
            Ok(()) => {
                work.failures.store(0, Ordering::Relaxed);
                true
            }
            Err(failure) => {
                let failures = work.failures.fetch_add(1, Ordering::Relaxed) + 1;
                room.note_of(Some(at), &Note::Say(format!("the greeting cannot be rendered: {failure}")));
                if failures >= FAILURES {
                    room.note_of(Some(at), &Note::Stopping(Stop::Drain));
                    room.stop_line(at, Stop::Drain).await;
                }
                false
            }
        }
    });
    tokio::select! {
        done = rendering => match done {
            Ok(true) => Readiness::Ready,
            Ok(false) | Err(_) => Readiness::Failed,
        },
        () = shared.clock.sleep(BEFORE_THE_CALL) => Readiness::Coming,
    }
}
