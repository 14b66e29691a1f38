//! The sweep: every open attempt of the account is asked about when it is due, and calls that must end are ended. A round
//! never waits for the carrier: its questions are tasks of their own, as many at once as the account's pace allows.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Shared, attempt, lock};
use crate::base::{AttemptId, Sid};
use crate::core::dial::attempt::{Input, State};
use crate::core::dial::desk::{Event, Stop};
use crate::core::dial::sweep::Ask;
use crate::edge::carrier::Ending;
use crate::run::asking::{Leave, Question, Unasked};
use crate::store::ledger::{OpenAttempt, Settled, UnwantedCall};

/// One round over all open attempts of the account.
pub(super) async fn sweep(shared: Arc<Shared>) {
    let Ok(_only_one) = shared.sweeping.try_lock() else { return };
    let in_hand: Vec<AttemptId> = lock(&shared.active).keys().copied().collect();
    let (open, unwanted) = match shared.asker.look().await {
        Ok(found) => found,
        Err(fault) => {
            shared.ledger_failed(fault).await;
            return;
        }
    };
    let_go(&shared, in_hand, &open).await;
    // The operator's `resume` is in the ledger, whether or not its word reached this process.
    shared.lift_stop(false).await;
    cancel(&shared, &open);
    super::account::cancel_late(&shared, &open).await;
    for call in unwanted {
        tokio::spawn(end(Arc::clone(&shared), call));
    }
    let mut due = Vec::new();
    for entry in open {
        // A zombie is among the calls that must end.
        if entry.state == State::Zombie {
            continue;
        }
        let in_hand = entry.owner == shared.owner;
        match shared.asker.next(&entry, in_hand, shared.ring_timeout) {
            Ask::At(_) => {}
            Ask::Orphaned => attempt::settle(&shared, entry.attempt, Input::OwnerGone).await,
            ask @ (Ask::List { .. } | Ask::Fetch) => due.push((entry, ask)),
        }
    }
    for question in shared.asker.questions(due) {
        let Some(leave) = shared.asker.leave(&question) else { return };
        tokio::spawn(ask(Arc::clone(&shared), question, leave));
    }
}

/// Calls in hand that the ledger says are over, at two looks: whoever wrote that down did not tell the desk (a check at the
/// start, another process), and it would wait for them for ever.
async fn let_go(shared: &Arc<Shared>, in_hand: Vec<AttemptId>, open: &[OpenAttempt]) {
    let is_open = |attempt: &AttemptId| open.iter().any(|entry| entry.attempt == *attempt);
    let gone: BTreeSet<AttemptId> = in_hand.into_iter().filter(|attempt| !is_open(attempt)).collect();
    let before = std::mem::replace(&mut *lock(&shared.gone), gone.clone());
    for attempt in gone.intersection(&before) {
        if lock(&shared.active).remove(attempt).is_some() {
            tracing::debug!(%attempt, "was over without a word to the desk");
            shared.registry.forget(*attempt);
            shared.desk(Event::Closed(*attempt)).await;
        }
    }
}

async fn ask(shared: Arc<Shared>, question: Question, leave: Leave) {
    let answer = shared.asker.ask(question, &leave).await;
    shared.weigh_queue(shared.asker.take_queue()).await;
    drop(leave);
    act(&shared, answer).await;
}

async fn end(shared: Arc<Shared>, call: UnwantedCall) {
    let answer = shared.asker.end(&call).await;
    act(&shared, answer.map(|settled| settled.into_iter().collect())).await;
}

async fn act(shared: &Arc<Shared>, answer: Result<Vec<Settled>, Unasked>) {
    match answer {
        Ok(all) => {
            for settled in all {
                shared.settled(settled).await;
            }
        }
        Err(Unasked::Ledger(fault)) => shared.ledger_failed(fault).await,
        // Unless the account is refused, it is asked again: the attempt stays as it is.
        Err(Unasked::Carrier(fault)) => shared.weigh_fault(&fault).await,
    }
}

/// The operator's second Ctrl-C: nobody is left ringing, the rest is hung up. Each round again, so that it also reaches
/// calls whose id came later and those that were answered meanwhile.
fn cancel(shared: &Arc<Shared>, open: &[OpenAttempt]) {
    for entry in open {
        // A call of a run follows that run; one from before follows whatever runs of its campaign.
        let of_run = lock(&shared.active).get(&entry.attempt).and_then(|active| active.line);
        let line = of_run.or_else(|| shared.line_of(&entry.campaign)).map(|at| shared.line(at));
        let stop = line.map_or(*shared.stop.borrow(), |line| shared.stop_of(&line));
        if stop < Stop::Unanswered {
            continue;
        }
        let Some(sid) = entry.sid.clone() else { continue };
        let ending = match entry.state {
            State::Answered | State::Bridged if stop < Stop::Cancel => continue,
            State::Answered | State::Bridged => Ending::HangUp,
            State::Intent | State::Unknown | State::Placed | State::Ringing => Ending::Cancel,
            State::Ended | State::Rejected | State::NotPlaced | State::Zombie => continue,
        };
        tokio::spawn(end_one(Arc::clone(shared), sid, ending));
    }
}

async fn end_one(shared: Arc<Shared>, sid: Sid, ending: Ending) {
    if let Err(fault) = shared.asker.end_call(&sid, ending).await {
        tracing::warn!(%sid, %fault, "a call could not be ended");
    }
}
