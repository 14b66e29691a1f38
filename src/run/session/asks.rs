//! What a stream waits for beside its sound: answers to what it asked, words of its agent and of its carrier.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::base::{AttemptId, limits};
use crate::core::agent::FromAgent;
use crate::core::call::Answerer;
use crate::run::agent::AgentLine;
use crate::run::gateway::{CarrierWord, Shared};

/// What was asked for; `None`: its sender is gone. Nothing was asked: never.
pub(super) async fn answer_of<T>(waiting: &mut Option<oneshot::Receiver<T>>) -> Option<T> {
    match waiting {
        Some(waiting) => waiting.await.ok(),
        None => std::future::pending().await,
    }
}

/// The agent's next word. One whose task has ended is gone.
pub(super) async fn agents_word(agent: &mut Option<AgentLine>) -> FromAgent {
    match agent {
        Some(agent) => {
            let told = agent.from.recv().await;
            told.unwrap_or_else(|| FromAgent::Gone { why: "its task has ended".to_owned() })
        }
        None => std::future::pending().await,
    }
}

pub(super) async fn carriers_word(word: &Option<Arc<CarrierWord>>) -> Answerer {
    match word {
        Some(word) => word.heard().await,
        None => std::future::pending().await,
    }
}

/// Asks the desk until the opt-out is durable, for at most [`limits::OPT_OUT_WAIT`].
pub(super) async fn store_opt_out(shared: &Shared, attempt: AttemptId) -> bool {
    let last = shared.clock.boot() + limits::OPT_OUT_WAIT;
    loop {
        match shared.desk.opt_out(attempt).await {
            Ok(()) => return true,
            Err(_overloaded) if shared.clock.boot() < last => shared.clock.sleep(Duration::from_millis(200)).await,
            Err(_overloaded) => {
                tracing::error!(%attempt, "an opt-out could not be stored in time; the call's summary repeats it");
                return false;
            }
        }
    }
}
