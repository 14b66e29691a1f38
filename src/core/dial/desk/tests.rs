//! The desk's promises, in virtual time.

use super::*;

fn candidates(leads: std::ops::Range<i64>) -> Vec<Candidate<()>> {
    leads.map(|lead| Candidate { lead: LeadId(lead), what: () }).collect()
}

fn refilled(campaign: usize, leads: std::ops::Range<i64>) -> Event<()> {
    Event::Refilled { campaign, candidates: candidates(leads), more: false, waiting: false }
}

fn attempt(number: u64) -> AttemptId {
    AttemptId::mint(number, [0; 10])
}

const SECOND: u64 = 1_000_000;

/// Polls until the desk is silent; returns the commands.
fn drain(desk: &mut Desk<()>, now: u64) -> Vec<Command<()>> {
    std::iter::from_fn(|| desk.poll(Boot(now))).take(1_000).collect()
}

fn dialed(commands: &[Command<()>]) -> Vec<(usize, i64, Slot)> {
    let pick = |command: &Command<()>| match command {
        Command::Dial { campaign, slot, candidate } => Some((*campaign, candidate.lead.0, *slot)),
        Command::Refill { .. } | Command::CancelAll | Command::Finish => None,
    };
    commands.iter().filter_map(pick).collect()
}

#[test]
fn live_calls_never_pass_the_cap_and_unanswered_slots_count() {
    let mut desk = Desk::new(1, 100.0, 3, true, Boot(0));
    assert_eq!(drain(&mut desk, 0), [Command::Refill { campaign: 0 }]);
    desk.handle(Boot(0), refilled(0, 0..10));
    let mut rung = Vec::new();
    for now in (0..SECOND).step_by(10_000) {
        rung.extend(dialed(&drain(&mut desk, now)));
    }
    assert_eq!(rung.len(), 3, "three slots are out and none is open yet");
    for (at, (_, _, slot)) in rung.iter().enumerate() {
        desk.handle(Boot(SECOND), Event::Opened { slot: *slot, attempt: attempt(at as u64) });
        desk.handle(Boot(SECOND), Event::Answered { slot: *slot });
    }
    assert!(dialed(&drain(&mut desk, 2 * SECOND)).is_empty(), "three calls live");
    desk.handle(Boot(2 * SECOND), Event::Closed(attempt(0)));
    assert_eq!(dialed(&drain(&mut desk, 3 * SECOND)).len(), 1);
}

#[test]
fn a_draining_run_ends_only_after_the_ledger_was_asked_once_more() {
    let mut desk = Desk::new(1, 10.0, 3, true, Boot(0));
    drain(&mut desk, 0);
    desk.handle(Boot(0), refilled(0, 0..1));
    let rung = dialed(&drain(&mut desk, 0));
    desk.handle(Boot(1), Event::Opened { slot: rung[0].2, attempt: attempt(1) });
    desk.handle(Boot(1), Event::Answered { slot: rung[0].2 });
    desk.handle(Boot(2), Event::Closed(attempt(1)));
    assert_eq!(drain(&mut desk, 3), [], "what was read is older than the last change");
    assert_eq!(drain(&mut desk, SECOND), [Command::Refill { campaign: 0 }]);
    desk.handle(Boot(SECOND), refilled(0, 0..0));
    assert_eq!(drain(&mut desk, SECOND), [Command::Finish]);
}

#[test]
fn a_change_while_the_ledger_is_being_read_makes_the_answer_old() {
    let mut desk = Desk::new(1, 10.0, 3, true, Boot(0));
    desk.handle(Boot(0), Event::Inherited(attempt(7)));
    assert_eq!(drain(&mut desk, 0), [Command::Refill { campaign: 0 }]);
    desk.handle(Boot(1), Event::Closed(attempt(7)));
    desk.handle(Boot(2), refilled(0, 0..0));
    assert!(!drain(&mut desk, 3).contains(&Command::Finish));
}

#[test]
fn a_full_buffer_never_makes_the_runner_spin() {
    let mut desk = Desk::new(1, 1.0, 3, true, Boot(0));
    drain(&mut desk, 0);
    let event = Event::Refilled { campaign: 0, candidates: candidates(0..64), more: true, waiting: true };
    desk.handle(Boot(0), event);
    drain(&mut desk, 0);
    let wake = desk.next_timeout();
    assert!(wake.is_none_or(|at| at > Boot(0)), "nothing can be done now, so the next look lies ahead: {wake:?}");
}

#[test]
fn campaigns_take_turns() {
    let mut desk = Desk::new(2, 50.0, 50, true, Boot(0));
    drain(&mut desk, 0);
    desk.handle(Boot(0), refilled(0, 0..30));
    desk.handle(Boot(0), refilled(1, 100..130));
    let mut order = Vec::new();
    for now in (0..SECOND / 2).step_by(1_000) {
        order.extend(dialed(&drain(&mut desk, now)).into_iter().map(|(campaign, _, _)| campaign));
    }
    assert!(order.len() > 20);
    for pair in order.windows(2) {
        assert_ne!(pair[0], pair[1]);
    }
}

/// Two terminals, one account: what one asks for must not end or hold up the other's campaign.
#[test]
fn a_campaign_ends_by_its_own_work_whatever_another_does() {
    let mut desk = Desk::new(0, 50.0, 10, false, Boot(0));
    assert_eq!(drain(&mut desk, 0), [Command::Finish], "nobody asked for anything yet");
    for campaign in 0..2 {
        desk.handle(Boot(0), Event::Added { campaign, drain: true });
    }
    assert_eq!(drain(&mut desk, 0), [Command::Refill { campaign: 0 }, Command::Refill { campaign: 1 }]);
    desk.handle(Boot(0), refilled(0, 0..1));
    desk.handle(Boot(0), refilled(1, 100..130));
    let mut slots = Vec::new();
    for now in (0..SECOND / 5).step_by(1_000) {
        for (campaign, lead, slot) in dialed(&drain(&mut desk, now)) {
            desk.handle(Boot(now), Event::Opened { slot, attempt: attempt(lead as u64) });
            desk.handle(Boot(now), Event::Answered { slot });
            slots.push(campaign);
        }
    }
    assert!(slots.contains(&0) && slots.contains(&1));
    desk.handle(Boot(SECOND), Event::Closed(attempt(0)));
    drain(&mut desk, 2 * SECOND);
    desk.handle(Boot(2 * SECOND), refilled(0, 0..0));
    let commands = drain(&mut desk, 2 * SECOND);
    assert!(desk.is_over(0), "its only call is over and nothing is due");
    assert!(!desk.is_over(1) && !desk.is_finished(), "the other goes on: {commands:?}");
}

#[test]
fn stopping_one_campaign_lets_the_others_dial_on() {
    let mut desk = Desk::new(2, 50.0, 50, true, Boot(0));
    drain(&mut desk, 0);
    desk.handle(Boot(0), refilled(0, 0..30));
    desk.handle(Boot(0), refilled(1, 100..130));
    desk.handle(Boot(0), Event::StopLine(0, Stop::Drain));
    let mut rung = Vec::new();
    for now in (0..SECOND / 2).step_by(1_000) {
        rung.extend(dialed(&drain(&mut desk, now)));
    }
    assert!(desk.is_over(0), "nothing of it is live");
    assert!(!rung.is_empty() && rung.iter().all(|(campaign, _, _)| *campaign == 1), "{rung:?}");
}

/// Runs the desk for some seconds of virtual time; every line with `full` always has somebody, the others are gated.
fn shares(weights: &[(u32, bool)], seconds: u64, seed: u64) -> Vec<usize> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut desk = Desk::new(weights.len(), 50.0, 1_000, true, Boot(0));
    for (at, (weight, _)) in weights.iter().enumerate() {
        desk.handle(Boot(0), Event::Weight(at, *weight));
    }
    let (mut counts, mut next) = (vec![0; weights.len()], 0);
    for now in (0..seconds * SECOND).step_by(5_000) {
        for command in drain(&mut desk, now) {
            match command {
                Command::Refill { campaign } => {
                    let people = if weights[campaign].1 { next..next + 64 } else { next..next };
                    next = people.end;
                    let more = Event::Refilled { campaign, candidates: candidates(people), more: true, waiting: true };
                    desk.handle(Boot(now), more);
                }
                Command::Dial { campaign, slot, .. } => {
                    counts[campaign] += 1;
                    desk.handle(Boot(now), Event::Opened { slot, attempt: attempt(random.u64(..)) });
                    desk.handle(Boot(now), Event::Answered { slot });
                }
                Command::CancelAll | Command::Finish => panic!("{command:?}"),
            }
        }
    }
    counts
}

#[test]
fn campaigns_share_an_account_by_weight_and_one_with_nobody_to_call_starves_nobody() {
    for seed in 0..30 {
        let mut random = fastrand::Rng::with_seed(seed);
        let weights: Vec<(u32, bool)> =
            (0..random.usize(2..6)).map(|at| (random.u32(1..=100), at == 0 || random.u8(..4) > 0)).collect();
        let counts = shares(&weights, 12, seed);
        let dialed: usize = counts.iter().sum();
        assert!(dialed > 500, "seed {seed}: {counts:?}");
        let all: u32 = weights.iter().filter(|(_, full)| *full).map(|(weight, _)| weight).sum();
        for ((weight, full), count) in weights.iter().zip(&counts) {
            let share = if *full { dialed as f64 * f64::from(*weight) / f64::from(all) } else { 0.0 };
            let off = (*count as f64 - share).abs();
            assert!(off <= weights.len() as f64, "seed {seed}: {counts:?} for {weights:?}");
        }
    }
}

#[test]
fn a_campaign_that_comes_back_takes_its_share_and_no_burst() {
    let mut desk = Desk::new(2, 100.0, 1_000, true, Boot(0));
    drain(&mut desk, 0);
    desk.handle(Boot(0), refilled(0, 0..200));
    for now in (0..SECOND).step_by(1_000) {
        for (_, lead, slot) in dialed(&drain(&mut desk, now)) {
            desk.handle(Boot(now), Event::Opened { slot, attempt: attempt(lead as u64) });
            desk.handle(Boot(now), Event::Answered { slot });
        }
    }
    desk.handle(Boot(SECOND), refilled(1, 1_000..1_100));
    let mut order = Vec::new();
    for now in (SECOND..2 * SECOND).step_by(1_000) {
        for (campaign, lead, slot) in dialed(&drain(&mut desk, now)) {
            order.push(campaign);
            desk.handle(Boot(now), Event::Opened { slot, attempt: attempt(lead as u64) });
            desk.handle(Boot(now), Event::Answered { slot });
        }
    }
    assert!(order.len() > 20);
    assert!(order.windows(2).all(|pair| pair[0] != pair[1]), "{order:?}");
}

#[test]
fn while_the_clock_is_not_believed_nobody_is_dialed_and_a_draining_run_ends() {
    for drains in [false, true] {
        let mut desk = Desk::new(1, 10.0, 3, drains, Boot(0));
        drain(&mut desk, 0);
        desk.handle(Boot(0), refilled(0, 0..5));
        desk.handle(Boot(0), Event::Held(true));
        let done = drain(&mut desk, SECOND);
        if drains {
            assert_eq!(done, [Command::Finish]);
            continue;
        }
        assert_eq!(done, []);
        assert_eq!(desk.next_timeout(), None, "nothing to do until the clocks agree");
        desk.handle(Boot(SECOND), Event::Held(false));
        assert_eq!(dialed(&drain(&mut desk, SECOND)).len(), 1);
    }
}

#[test]
fn stopping_only_gets_firmer_and_a_stopped_account_dials_nobody() {
    let mut desk = Desk::new(1, 10.0, 3, false, Boot(0));
    drain(&mut desk, 0);
    desk.handle(Boot(0), refilled(0, 0..5));
    let rung = dialed(&drain(&mut desk, 0));
    desk.handle(Boot(0), Event::Opened { slot: rung[0].2, attempt: attempt(1) });
    desk.handle(Boot(0), Event::Stop(Stop::Cancel));
    desk.handle(Boot(0), Event::Stop(Stop::Drain));
    assert_eq!(drain(&mut desk, SECOND), [Command::CancelAll]);
    desk.handle(Boot(SECOND), Event::Closed(attempt(1)));
    assert_eq!(drain(&mut desk, SECOND), [Command::Finish]);

    let mut desk = Desk::new(1, 10.0, 3, false, Boot(0));
    drain(&mut desk, 0);
    desk.handle(Boot(0), refilled(0, 0..5));
    desk.handle(Boot(0), Event::AccountStopped);
    assert_eq!(drain(&mut desk, SECOND), [Command::Finish]);
}

#[test]
fn a_paused_campaign_drops_its_buffer_and_comes_back() {
    let mut desk = Desk::new(1, 10.0, 3, false, Boot(0));
    drain(&mut desk, 0);
    desk.handle(Boot(0), refilled(0, 0..5));
    let rung = dialed(&drain(&mut desk, 0));
    desk.handle(Boot(0), Event::NotSent { slot: rung[0].2 });
    // The ledger says that the campaign is paused: it is asked again and again, and nobody is dialed.
    desk.handle(Boot(0), Event::Paused(0, true));
    assert_eq!(drain(&mut desk, SECOND), [Command::Refill { campaign: 0 }]);
    desk.handle(Boot(SECOND), Event::Paused(0, true));
    assert_eq!(drain(&mut desk, 2 * SECOND), [Command::Refill { campaign: 0 }], "not finished: it may be resumed");
    // Candidates come: somebody resumed it.
    desk.handle(Boot(2 * SECOND), refilled(0, 0..5));
    assert_eq!(dialed(&drain(&mut desk, 3 * SECOND)).len(), 1);
}

/// Calls that are asked for one by one (the HTTP API).
#[test]
fn an_order_has_its_turn_at_the_accounts_pace_and_its_campaign_asks_for_no_leads() {
    let mut desk = Desk::new(0, 1.0, 2, false, Boot(0));
    assert_eq!(drain(&mut desk, 0), [Command::Finish], "nothing runs yet");
    desk.handle(Boot(0), Event::AddedForOrders { campaign: 0 });
    assert_eq!(drain(&mut desk, 0), [], "it waits for orders, and reads no leads");
    assert_eq!(desk.next_timeout(), None, "nor does it wake anybody");
    for candidate in candidates(0..3) {
        desk.handle(Boot(0), Event::Ordered { campaign: 0, candidate });
    }
    for (at, now) in [(1, 0), (2, SECOND)] {
        let rung = dialed(&drain(&mut desk, now));
        assert_eq!(rung.len(), 1, "one a second");
        desk.handle(Boot(now), Event::Opened { slot: rung[0].2, attempt: attempt(at) });
        desk.handle(Boot(now), Event::Answered { slot: rung[0].2 });
    }
    assert!(dialed(&drain(&mut desk, 5 * SECOND)).is_empty(), "two at once");
    desk.handle(Boot(5 * SECOND), Event::Closed(attempt(1)));
    assert_eq!(dialed(&drain(&mut desk, 6 * SECOND)).len(), 1);
    assert!(!desk.is_over(0), "it goes on without work");
}

#[test]
fn a_campaign_for_orders_ends_with_its_stop_and_takes_none_after_it() {
    let mut desk = Desk::new(0, 10.0, 5, false, Boot(0));
    desk.handle(Boot(0), Event::AddedForOrders { campaign: 0 });
    drain(&mut desk, 0);
    desk.handle(Boot(0), Event::StopLine(0, Stop::Drain));
    desk.handle(Boot(0), Event::Ordered { campaign: 0, candidate: candidates(0..1).remove(0) });
    assert_eq!(drain(&mut desk, SECOND), [Command::Finish]);
    assert!(desk.is_over(0));
    // Another takes its place.
    desk.handle(Boot(SECOND), Event::AddedForOrders { campaign: 1 });
    desk.handle(Boot(SECOND), Event::Ordered { campaign: 1, candidate: candidates(1..2).remove(0) });
    assert_eq!(dialed(&drain(&mut desk, SECOND)).iter().map(|it| (it.0, it.1)).collect::<Vec<_>>(), [(1, 1)]);
}
