//! The promises of docs/LEDGER.md, judged by the carrier's log. The ledger is asked only where a promise is about it.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;

use super::super::lock;
use super::carrier::{Book, Call};
use super::dialer::World;
use super::plan::{CampaignPlan, account_name};
use crate::base::AttemptId;
use crate::core::dial::attempt::State;
use crate::core::dial::{CallStatus, Outcome};
use crate::store::ledger::{CallFilter, CallRow};

/// Notes everything that broke a promise.
pub(super) fn judge(world: &World) {
    let ledger = world.open();
    let filter = CallFilter { limit: u32::MAX, ..CallFilter::default() };
    let rows: BTreeMap<AttemptId, CallRow> =
        ledger.calls(&filter).expect("read").into_iter().map(|row| (AttemptId(row.call.0), row)).collect();
    let mut broken = Vec::new();
    {
        let book = world.carrier.book();
        one_live_call(world, &book, &mut broken);
        extras_are_ended(world, &book, &mut broken);
        every_call_is_known(world, &book, &rows, &mut broken);
        allowed(world, &book, &rows, &mut broken);
        pace(world, &book, &mut broken);
    }
    leads(world, &mut broken);
    world.carrier.book().broken.append(&mut broken);
}

fn end(call: &Call) -> u64 {
    call.ended_us.unwrap_or(u64::MAX)
}

/// I1: never two live calls for a phone, unless one of them is of those that nobody can prevent.
fn one_live_call(world: &World, book: &Book, broken: &mut Vec<String>) {
    for (at, call) in book.calls.iter().enumerate() {
        for other in &book.calls[at + 1..] {
            let overlap = call.to == other.to && call.created_us < end(other) && other.created_us < end(call);
            if overlap && !call.extra && !other.extra {
                broken.push(format!("I1: {} and {} were live at once", call.sid, other.sid));
            }
        }
    }
    let fair = world.scenario.weather.is_fair();
    assert!(!fair || book.calls.iter().all(|call| !call.extra), "the simulator itself is wrong");
}

/// A further call of an attempt that the dialer came to know while it was live is ended, and its account was stopped.
fn extras_are_ended(world: &World, book: &Book, broken: &mut Vec<String>) {
    for call in book.calls.iter().filter(|call| call.extra) {
        let Some(told) = call.told_us else { continue };
        let twins = book.calls.iter().any(|other| {
            other.attempt == call.attempt && other.sid != call.sid && other.told_us.is_some_and(|at| at < told)
        });
        if !twins {
            continue;
        }
        let grace = 120_000_000;
        if !call.end_asked && end(call) > told + grace {
            broken.push(format!("row 12: {} was known at {told} and never ended", call.sid));
        }
        if !lock(&world.stopped).contains_key(&call.account) {
            broken.push(format!("row 12: {} surfaced and its account was not stopped", call.sid));
        }
    }
}

/// I2 and I6: every call belongs to an attempt that says so, and has the outcome that the carrier's log gives it.
fn every_call_is_known(world: &World, book: &Book, rows: &BTreeMap<AttemptId, CallRow>, broken: &mut Vec<String>) {
    for call in book.calls.iter().filter(|call| !call.extra) {
        let Some(row) = rows.get(&call.attempt) else {
            broken.push(format!("I2: {} belongs to no attempt", call.sid));
            continue;
        };
        if row.phone.expose() != call.to {
            broken.push(format!("law 6: {} called another number than its attempt", call.sid));
        }
        let twin = book.calls.iter().any(|other| other.attempt == call.attempt && other.extra);
        let own = row.sid.as_ref() == Some(&call.sid);
        if !own && !twin {
            broken
                .push(format!("I2: {} was made and {} says {} ({:?})", call.sid, call.attempt, row.state, row.outcome));
        }
        if own && !matches!(row.state, State::Ended | State::Zombie) {
            broken.push(format!("I6: {} ended and {} says {}", call.sid, call.attempt, row.state));
        }
        if own && row.state == State::Ended && world.scenario.weather.other_end == 0.0 && !fits(call, row.outcome) {
            broken.push(format!("I6: {} ended {} and {} says {:?}", call.sid, call.status, call.attempt, row.outcome));
        }
    }
    for row in rows.values().filter(|row| row.state.is_open()) {
        broken.push(format!("I4: {} is still {} at the end", row.call, row.state));
    }
}

fn fits(call: &Call, outcome: Option<Outcome>) -> bool {
    let Some(outcome) = outcome else { return false };
    match call.status {
        CallStatus::Completed => {
            matches!(
                outcome,
                Outcome::Answered
                    | Outcome::OptedOut
                    | Outcome::Unheard
                    | Outcome::Voicemail
                    | Outcome::MessageLeft
                    | Outcome::CallBack
            )
        }
        CallStatus::Busy => outcome == Outcome::Busy,
        CallStatus::NoAnswer => outcome == Outcome::NoAnswer,
        CallStatus::Canceled => outcome == Outcome::Canceled,
        CallStatus::Failed => outcome == Outcome::Failed,
        CallStatus::Queued | CallStatus::Initiated | CallStatus::Ringing | CallStatus::InProgress => false,
    }
}

/// I3: no order outside the window, to a suppressed number, or of a campaign that has been paused for a second.
fn allowed(world: &World, book: &Book, rows: &BTreeMap<AttemptId, CallRow>, broken: &mut Vec<String>) {
    let london = TimeZone::get("Europe/London").expect("known");
    let suppressed = lock(&world.suppressed);
    let pauses = lock(&world.pauses);
    for left in &book.left {
        let Some(row) = rows.get(&left.attempt) else { continue };
        let plans = &world.scenario.campaigns;
        let Some(at) = plans.iter().position(|plan| plan.campaign.name == row.campaign) else { continue };
        if !in_window(&plans[at], &london, left.wall.timestamp()) {
            broken.push(format!("I3: {} left at {}, outside its window", left.attempt, left.wall));
        }
        if suppressed.get(&left.to).is_some_and(|since| *since < left.us) {
            broken.push(format!("I3: {} left for a suppressed number", left.attempt));
        }
        let paused = |pause: &&(usize, u64, u64)| pause.0 == at && pause.1 + 1_000_000 < left.us && left.us < pause.2;
        if pauses.iter().find(paused).is_some() {
            broken.push(format!("I3: {} left though its campaign was paused", left.attempt));
        }
    }
    // An opt-out key counts from the moment at which we said that we had it.
    for call in &book.calls {
        let Some(since) = call.opted_us else { continue };
        let later = book.left.iter().find(|left| left.to == call.to && left.us > since);
        if let Some(later) = later {
            broken.push(format!("I3: {} left for a number that opted out in {}", later.attempt, call.sid));
        }
    }
}

/// Written apart from the dialer's own decision: minutes of the day.
fn in_window(plan: &CampaignPlan, zone: &TimeZone, at: jiff::Timestamp) -> bool {
    let Some((start, end)) = plan.window else { return true };
    let seconds = at.as_second() + i64::from(zone.to_offset(at).seconds());
    let minute = u32::try_from(seconds.rem_euclid(86_400) / 60).expect("of one day");
    (start..end).contains(&minute)
}

/// I5: by the carrier's log never more orders in a second than the account may send, and never more live calls.
fn pace(world: &World, book: &Book, broken: &mut Vec<String>) {
    for (at, plan) in world.scenario.accounts.iter().enumerate() {
        let times: Vec<u64> = book.seen.iter().filter(|seen| seen.account == at).map(|seen| seen.us).collect();
        let (most, window) = if plan.calls_per_second >= 1.0 {
            (plan.calls_per_second as usize, 1_000_000)
        } else {
            (1, (1e6 / plan.calls_per_second) as u64)
        };
        for (nth, first) in times.iter().enumerate() {
            let within = times[nth..].iter().filter(|time| **time - first < window).count();
            // What a process that is gone has sent is read from the ledger at the start of a run, which is not simulated.
            // An order of a process that is gone may still be on its way for a second.
            let around = first.saturating_sub(1_000_000)..first + window;
            let one_process = !world.starts.iter().any(|start| around.contains(start));
            if within > most && one_process {
                broken.push(format!("I5: {within} orders within a second at {first} on {}", account_name(at)));
                break;
            }
        }
        let calls: Vec<&Call> = book.calls.iter().filter(|call| call.account == at && !call.extra).collect();
        for call in &calls {
            let live = |it: &&&Call| it.created_us <= call.created_us && call.created_us < end(it);
            let live = calls.iter().filter(live).count();
            if live > plan.max_live && world.scenario.weather.is_fair() {
                broken.push(format!("I5: {live} live calls at {} on {}", call.created_us, account_name(at)));
                break;
            }
        }
    }
}

/// I4: every lead that came in is in exactly one state, and none is left in between.
fn leads(world: &World, broken: &mut Vec<String>) {
    let ledger = world.open();
    for plan in &world.scenario.campaigns {
        let counts = ledger.lead_counts(&plan.campaign.name, world.wall()).expect("read");
        if counts.total() != plan.people.len() as u64 {
            broken.push(format!("I4: {} leads came in and {} are there", plan.people.len(), counts.total()));
        }
        if counts.held + counts.ready_due + counts.ready_later > 0 {
            broken.push(format!("I4: {} did not end: {counts:?}", plan.campaign.name));
        }
    }
}
