//! Asking the carrier: about attempts whose answer was lost, and about calls whose callbacks do not come.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Shared, attempt, lock};
use crate::base::{Sid, Wall};
use crate::core::dial::CallStatus;
use crate::core::dial::attempt::{Input, Source, State};
use crate::core::dial::sweep::{Ask, Open, Standing, next};
use crate::edge::carrier::{AskFault, Ending, RemoteCall};
use crate::store::ledger::{CarrierFact, LedgerFault, OpenAttempt};

/// How much older than its intent a listed call may look and still be the attempt's: whole seconds at the carrier, and
/// two clocks that differ.
const CLOCK_SLACK: Duration = Duration::from_secs(60);

/// One round over all open attempts of the account.
pub(super) async fn sweep(shared: Arc<Shared>) {
    let Ok(_only_one) = shared.sweeping.try_lock() else { return };
    let account = shared.account.clone();
    let open = match shared.ledger.run(move |ledger| ledger.open_attempts(Some(&account))).await {
        Ok(open) => open,
        Err(fault) => {
            shared.ledger_failed(fault).await;
            return;
        }
    };
    for entry in open {
        let now = shared.wall();
        match next(&seen(&shared, &entry), now) {
            Ask::At(_) => {}
            Ask::Orphaned => attempt::settle(&shared, entry.attempt, Input::OwnerGone).await,
            Ask::List { may_release } => list(&shared, &entry, may_release).await,
            Ask::Fetch => fetch(&shared, &entry).await,
        }
    }
}

fn seen(shared: &Shared, entry: &OpenAttempt) -> Open {
    let in_hand = entry.owner == shared.owner;
    let standing = match entry.state {
        State::Intent => Standing::Intent,
        State::Unknown => Standing::Unknown,
        State::Placed | State::Ringing | State::Answered | State::Bridged => Standing::Placed,
        State::Ended | State::Rejected | State::NotPlaced | State::Zombie => Standing::Placed,
    };
    Open {
        intent_at: entry.intent_at,
        send_by: entry.send_by,
        release_after: entry.release_after,
        in_hand,
        standing,
        ring_timeout: shared.ring_timeout,
        last_asked: lock(&shared.asked).get(&entry.attempt).copied(),
    }
}

async fn asked(shared: &Arc<Shared>, entry: &OpenAttempt, at: Wall) {
    lock(&shared.asked).insert(entry.attempt, at);
    let attempt = entry.attempt;
    if let Err(fault) = shared.ledger.run(move |ledger| ledger.asked(attempt, at)).await {
        shared.ledger_failed(fault).await;
    }
}

/// Which calls are there between its numbers?
async fn list(shared: &Arc<Shared>, entry: &OpenAttempt, may_release: bool) {
    let since = entry.intent_at - CLOCK_SLACK;
    let listed = shared.carrier.list(&entry.phone, &entry.caller, since).await;
    let at = shared.wall();
    match listed {
        Ok(calls) => match ours(shared, entry, calls).await {
            Ok(mine) if mine.is_empty() && may_release => {
                attempt::settle(shared, entry.attempt, Input::ListedNone).await
            }
            Ok(mine) => {
                // Earliest first: it is adopted, further ones are an alarm and are ended.
                for call in mine {
                    told(shared, entry, call, Source::Listing).await;
                }
            }
            Err(fault) => shared.ledger_failed(fault).await,
        },
        Err(fault) => unanswered(shared, &fault).await,
    }
    asked(shared, entry, at).await;
}

/// Of a list, the calls that can only be this attempt's, earliest first.
async fn ours(
    shared: &Arc<Shared>,
    entry: &OpenAttempt,
    calls: Vec<RemoteCall>,
) -> Result<Vec<RemoteCall>, LedgerFault> {
    let oldest = entry.intent_at - CLOCK_SLACK;
    let mut mine: Vec<RemoteCall> =
        calls.into_iter().filter(|call| !call.child && call.outbound_api && call.created >= oldest).collect();
    mine.sort_by_key(|call| call.created);
    let sids: Vec<Sid> = mine.iter().map(|call| call.sid.clone()).collect();
    let (account, attempt) = (shared.account.clone(), entry.attempt);
    let others: HashMap<Sid, bool> = shared
        .ledger
        .run(move |ledger| {
            let mut known = HashMap::new();
            for sid in sids {
                let owner = ledger.attempt_of_sid(&account, &sid)?;
                known.insert(sid, owner.is_some_and(|owner| owner != attempt));
            }
            Ok::<_, LedgerFault>(known)
        })
        .await?;
    mine.retain(|call| !others.get(&call.sid).copied().unwrap_or(false));
    Ok(mine)
}

async fn told(shared: &Arc<Shared>, entry: &OpenAttempt, call: RemoteCall, source: Source) {
    let fact = CarrierFact {
        attempt: entry.attempt,
        key: format!("{}:{}", call.sid, call.status),
        sid: call.sid,
        source,
        status: call.status,
        at: shared.wall(),
        duration_s: call.duration_s,
        body: String::new(),
    };
    attempt::tell_fact(shared, fact).await;
}

/// Where does this call stand?
async fn fetch(shared: &Arc<Shared>, entry: &OpenAttempt) {
    let Some(sid) = entry.sid.clone() else { return };
    let at = shared.wall();
    match shared.carrier.fetch(&sid).await {
        Ok(call) => told(shared, entry, call, Source::Fetch).await,
        Err(AskFault::Gone) => {
            // The carrier knows its own calls: one that it does not know is over.
            let gone = CarrierFact {
                attempt: entry.attempt,
                key: format!("{sid}:gone"),
                sid,
                source: Source::Fetch,
                status: CallStatus::Failed,
                at,
                duration_s: None,
                body: "the carrier knows no such call".to_owned(),
            };
            attempt::tell_fact(shared, gone).await;
        }
        Err(fault) => unanswered(shared, &fault).await,
    }
    asked(shared, entry, at).await;
}

async fn unanswered(shared: &Arc<Shared>, fault: &AskFault) {
    tracing::warn!(%fault, "the carrier could not be asked");
    if let AskFault::Account { http } = fault {
        shared.stop_account(&format!("the carrier refuses the credentials (HTTP {http})")).await;
    }
}

/// The operator's second Ctrl-C: nobody is left ringing, the rest is hung up.
pub(super) async fn cancel_all(shared: Arc<Shared>) {
    let account = shared.account.clone();
    let open = match shared.ledger.run(move |ledger| ledger.open_attempts(Some(&account))).await {
        Ok(open) => open,
        Err(fault) => {
            shared.ledger_failed(fault).await;
            return;
        }
    };
    for entry in open {
        let Some(sid) = entry.sid else { continue };
        let ending = match entry.state {
            State::Answered | State::Bridged => Ending::HangUp,
            State::Intent | State::Unknown | State::Placed | State::Ringing => Ending::Cancel,
            State::Ended | State::Rejected | State::NotPlaced | State::Zombie => continue,
        };
        if let Err(fault) = shared.carrier.end(&sid, ending).await {
            tracing::warn!(%sid, %fault, "a call could not be ended");
        }
    }
}
