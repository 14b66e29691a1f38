//! What a list shows about one attempt: its own calls, calls of strangers, and nothing else.

use std::collections::HashMap;

use crate::base::{AttemptId, Phone, Sid, limits};
use crate::core::dial::sweep;
use crate::edge::carrier::RemoteCall;
use crate::store::ledger::OpenAttempt;

/// What a list shows about one attempt.
pub(super) struct Shown {
    /// Calls that can only be its own, earliest first.
    pub mine: Vec<RemoteCall>,
    /// Whether a live call between its numbers is no attempt's, and by its time not this one's either.
    pub strangers: bool,
    /// Calls between its numbers.
    pub between: u32,
    /// Some of their ids.
    pub sids: Vec<Sid>,
}

impl Shown {
    /// Calls of other attempts are left out; calls made since the claim are its own.
    pub fn of(entry: &OpenAttempt, calls: &[RemoteCall], owners: &HashMap<Sid, AttemptId>) -> Shown {
        let between = |call: &&RemoteCall| {
            let to = Phone::from_e164(&call.to);
            !call.child && call.outbound_api && to.is_ok_and(|to| to == entry.phone)
        };
        let mut found: Vec<RemoteCall> = calls.iter().filter(between).cloned().collect();
        found.sort_by_key(|call| call.created);
        let sids: Vec<Sid> = found.iter().map(|call| call.sid.clone()).collect();
        let others = |call: &RemoteCall| owners.get(&call.sid).is_some_and(|owner| *owner != entry.attempt);
        found.retain(|call| !others(call));
        let own =
            |call: &RemoteCall| owners.contains_key(&call.sid) || sweep::is_its_own(entry.intent_at, call.created);
        let (mine, strange): (Vec<_>, Vec<_>) = found.into_iter().partition(own);
        Shown {
            mine,
            strangers: strange.iter().any(|call| !call.status.is_terminal()),
            between: u32::try_from(sids.len()).unwrap_or(u32::MAX),
            sids: sids.into_iter().take(limits::EVIDENCE_SIDS).collect(),
        }
    }
}
