//! Asking the carrier: about attempts whose answer was lost, and about calls whose callbacks do not come.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::{Asked, Shared, attempt, lock};
use crate::base::{Sid, Wall, limits};
use crate::core::dial::CallStatus;
use crate::core::dial::attempt::{Input, Source, State};
use crate::core::dial::desk::Stop;
use crate::core::dial::sweep::{Ask, Open, Standing, next};
use crate::edge::carrier::{AskFault, Ending, RemoteCall};
use crate::store::ledger::{CarrierFact, LedgerFault, OpenAttempt};

/// How much older than its intent a listed call may look and still be the attempt's: whole seconds at the carrier, and
/// two clocks that differ.
const CLOCK_SLACK: Duration = Duration::from_secs(60);

/// How far back the carrier's list is read: a live call made before is seen though its clock differs.
const LIST_BACK: Duration = Duration::from_secs(3_600);

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
    if *shared.stop.borrow() >= Stop::Cancel {
        cancel(&shared, &open).await;
    }
    lock(&shared.asked).retain(|attempt, _| open.iter().any(|entry| entry.attempt == *attempt));
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
    let fresh = Asked { first_seen: shared.boot(), last: None };
    let asked = *lock(&shared.asked).entry(entry.attempt).or_insert(fresh);
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
        last_asked: asked.last,
        known_for: shared.boot().since(asked.first_seen),
    }
}

async fn asked(shared: &Arc<Shared>, entry: &OpenAttempt, at: Wall) {
    if let Some(asked) = lock(&shared.asked).get_mut(&entry.attempt) {
        asked.last = Some(at);
    }
    let attempt = entry.attempt;
    if let Err(fault) = shared.ledger.run(move |ledger| ledger.asked(attempt, at)).await {
        shared.ledger_failed(fault).await;
    }
}

/// Which calls are there between its numbers?
async fn list(shared: &Arc<Shared>, entry: &OpenAttempt, may_release: bool) {
    let listed = shared.carrier.list(&entry.phone, &entry.caller, entry.intent_at - LIST_BACK).await;
    let at = shared.wall();
    // A carrier that cannot be asked by number gives no evidence: its unknowns stay unknown.
    let may_release = may_release && shared.carrier.card().lists_by_number;
    match listed {
        Ok(calls) => match sort(shared, entry, calls).await {
            Ok(Listed { mine, strangers: false }) if mine.is_empty() && may_release => {
                attempt::settle(shared, entry.attempt, Input::ListedNone).await;
            }
            Ok(Listed { mine, strangers }) => {
                if strangers && mine.is_empty() {
                    // Somebody else's call, or ours by a clock that differs: nobody is rung into it.
                    tracing::warn!(attempt = %entry.attempt, "not released: a live call between its numbers is nobody's");
                }
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

/// What a list says about an attempt.
struct Listed {
    /// Calls that can only be its own, earliest first.
    mine: Vec<RemoteCall>,
    /// Whether a live call between its numbers is no attempt's, and by its time not this one's either.
    strangers: bool,
}

/// Sorts a list: calls of other attempts are left out, calls made while this order was on its way are its own.
async fn sort(shared: &Arc<Shared>, entry: &OpenAttempt, calls: Vec<RemoteCall>) -> Result<Listed, LedgerFault> {
    let oldest = entry.intent_at - CLOCK_SLACK;
    let newest = entry.send_by + limits::PLACE_TIMEOUT + CLOCK_SLACK;
    let mut found: Vec<RemoteCall> = calls.into_iter().filter(|call| !call.child && call.outbound_api).collect();
    found.sort_by_key(|call| call.created);
    let sids: Vec<Sid> = found.iter().map(|call| call.sid.clone()).collect();
    let (account, attempt) = (shared.account.clone(), entry.attempt);
    let others: HashSet<Sid> = shared
        .ledger
        .run(move |ledger| {
            let mut others = HashSet::new();
            for sid in sids {
                if ledger.attempt_of_sid(&account, &sid)?.is_some_and(|owner| owner != attempt) {
                    others.insert(sid);
                }
            }
            Ok::<_, LedgerFault>(others)
        })
        .await?;
    found.retain(|call| !others.contains(&call.sid));
    let (mine, strange): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|call| (oldest..=newest).contains(&call.created));
    Ok(Listed { mine, strangers: strange.iter().any(|call| !call.status.is_terminal()) })
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

/// The operator's second Ctrl-C: nobody is left ringing, the rest is hung up. Each round again, so that it also reaches
/// calls whose id came later and those that were answered meanwhile.
async fn cancel(shared: &Shared, open: &[OpenAttempt]) {
    for entry in open {
        let Some(sid) = &entry.sid else { continue };
        let ending = match entry.state {
            State::Answered | State::Bridged => Ending::HangUp,
            State::Intent | State::Unknown | State::Placed | State::Ringing => Ending::Cancel,
            State::Ended | State::Rejected | State::NotPlaced | State::Zombie => continue,
        };
        if let Err(fault) = shared.carrier.end(sid, ending).await {
            tracing::warn!(%sid, %fault, "a call could not be ended");
        }
    }
}
