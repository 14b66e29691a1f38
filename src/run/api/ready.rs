//! `GET /readyz`: could a call be placed and taken now? Says which part could not.

use serde_json::{Map, Value, json};

use super::House;
use crate::base::{Boot, limits};
use crate::core::api::Answer;
use crate::run::campaign::Halt;
use crate::run::carriers::account_of;
use crate::store::ledger::{Ledger, LedgerFault};

/// The last look, which holds for a moment: whoever asks may be a stranger.
#[derive(Default)]
pub(super) struct Looks(tokio::sync::Mutex<Option<(Boot, Answer)>>);

impl House {
    pub(super) async fn ready(&self) -> Answer {
        // Whoever comes meanwhile waits for this look, and gets it.
        let mut last = self.ready.0.lock().await;
        let now = self.engine.clock().boot();
        if let Some((at, answer)) = &*last
            && now.since(*at) < limits::API_READY_HOLDS
        {
            return answer.clone();
        }
        let answer = self.look_whether_ready().await;
        *last = Some((now, answer.clone()));
        answer
    }

    async fn look_whether_ready(&self) -> Answer {
        let accounts = self.accounts();
        let names: Vec<String> = accounts.iter().map(|(_, account)| account.clone()).collect();
        let proof = self.engine.ledger().run(move |ledger: &mut Ledger| {
            ledger.prove_writable()?;
            let stop = |account: &String| Ok(ledger.account_stop(account)?.map(|_| account.clone()));
            names.iter().map(stop).collect::<Result<Vec<_>, LedgerFault>>()
        });
        let ledger = self.look(proof).await;
        let stopped: Vec<String> = match &ledger {
            Some(Ok(stopped)) => stopped.iter().flatten().cloned().collect(),
            Some(Err(_)) | None => Vec::new(),
        };
        let ledger = match ledger {
            Some(Ok(_)) => "ok",
            Some(Err(LedgerFault::LowSpace { .. } | LedgerFault::Full)) => "disk full",
            Some(Err(LedgerFault::Busy | LedgerFault::LockedOut(_) | LedgerFault::QueueFull)) | None => "busy",
            Some(Err(fault)) => {
                tracing::warn!(%fault, "the ledger is not ready");
                "failed"
            }
        };
        let gateway = if self.engine.gateway_counts().is_some() { "ok" } else { "closed" };
        let halted = self.engine.halted();
        let mut carriers = Map::new();
        for (name, account) in accounts {
            let halt = halted.iter().find(|(it, _)| *it == account).map(|(_, halt)| *halt);
            let word = match halt {
                Some(Halt::Stopped) => "stopped",
                None if stopped.contains(&account) => "stopped",
                Some(Halt::Unreachable) => "unreachable",
                Some(Halt::Ledger) => "ledger failed",
                None => "ok",
            };
            carriers.insert(name, Value::from(word));
        }
        let ready = ledger == "ok" && gateway == "ok" && carriers.values().all(|word| word == "ok");
        let process = if self.engine.is_stopping() { "stopping" } else { "ok" };
        let ready = ready && process == "ok";
        let body =
            json!({ "ready": ready, "process": process, "ledger": ledger, "gateway": gateway, "carriers": carriers });
        let answer = Answer::json(if ready { 200 } else { 503 }, body);
        if ready { answer } else { answer.after(5) }
    }

    /// The carriers of `ahoy.toml` with their accounts.
    pub(super) fn accounts(&self) -> Vec<(String, String)> {
        let names = self.ws.config.carriers.keys();
        names.filter_map(|name| Some((name.clone(), account_of(&self.ws, name).ok()?))).collect()
    }
}
