//! The placing protocol, explored state by state: claims, requests, answers, callbacks and lists that are lost, late and
//! repeated, processes that crash or stop, clocks that jump.
//!
//! What decides is the real code: `core::dial::attempt::step`, `core::dial::sweep::next`, `core::dial::verdict` and the
//! real bounds. What carries it out (`store::ledger`, `run/campaign`) is told again in `ledger.rs` and `world.rs`. The judge
//! is the carrier, never our own ledger.
//!
//! That the check bites is shown by taking each protection away: then it must find the call that should not be.

mod ledger;
mod world;

use std::time::Instant;

use ahoy::core::dial::attempt::{Alarm, State};
use ahoy::core::dial::{CallStatus, Outcome};
use stateright::{Checker, HasDiscoveries, Model, Property};

use ledger::LeadAt;
use world::{Action, Bounds, Broken, Mode, Stage, World};

const ONE_LIVE: &str = "never two live calls for a phone";
const HELD: &str = "an attempt is not released while its call may exist";
const LOST: &str = "no lead is lost";
const IDLE: &str = "something always moves on an attempt that holds a lead";
const QUIET: &str = "no alarm without a cause";
const TOLD: &str = "a call that surfaces or a second one stops the account";

const PROMISES: [&str; 6] = [ONE_LIVE, HELD, LOST, IDLE, QUIET, TOLD];

struct Protocol(Bounds);

impl Model for Protocol {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(&self.0)]
    }

    fn actions(&self, state: &World, actions: &mut Vec<Action>) {
        state.actions(&self.0, actions);
    }

    fn next_state(&self, last: &World, action: Action) -> Option<World> {
        Some(last.next(&self.0, action))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(ONE_LIVE, |_, world: &World| {
                let live = world.calls.iter().filter(|call| call.is_live());
                let live: Vec<u8> = live.map(|call| world.ledger.phone(call.attempt)).collect();
                (1..live.len()).all(|n| !live[..n].contains(&live[n]))
            }),
            Property::always(HELD, |_, world: &World| (0..).zip(&world.ledger.attempts).all(|(n, _)| holds(world, n))),
            Property::always(LOST, |_, world: &World| no_lead_is_lost(world)),
            Property::always(IDLE, |model: &Protocol, world: &World| model.moves_on(world)),
            Property::always(TOLD, |_, world: &World| {
                world.ledger.alarms.iter().all(|(_, alarm)| !alarm.stops_account() || world.ledger.account_stopped)
            }),
        ];
        if matches!(self.0.broken, Broken::Nothing) {
            properties.push(Property::always(QUIET, |_, world: &World| world.ledger.alarms.is_empty()));
        }
        properties.extend(self.0.sees.iter().map(|sight| sight.property()));
        properties
    }
}

/// Whether an attempt that was released is one whose call cannot exist, by the carrier's own books.
fn holds(world: &World, attempt: u8) -> bool {
    let row = &world.ledger.attempts[usize::from(attempt)];
    let live = world.calls.iter().any(|call| call.attempt == attempt && call.is_live());
    let coming = world.posts.iter().any(|post| post.attempt == attempt);
    !matches!(row.state, State::NotPlaced | State::Rejected) || !(live || coming)
}

/// A held lead has an open attempt, and an open attempt has its lead.
fn no_lead_is_lost(world: &World) -> bool {
    let leads_have = (0..).zip(&world.ledger.leads).all(|(lead, row)| match row.at {
        LeadAt::Held(by) => {
            let by = &world.ledger.attempts[usize::from(by)];
            by.is_open() && by.lead == lead
        }
        LeadAt::Ready(_) | LeadAt::Done(_) | LeadAt::Review => true,
    });
    let attempts_have = (0..)
        .zip(&world.ledger.attempts)
        .all(|(n, row)| !row.is_open() || world.ledger.leads[usize::from(row.lead)].at == LeadAt::Held(n));
    leads_have && attempts_have
}

impl Protocol {
    /// No lead is held in a world that stands still.
    fn moves_on(&self, world: &World) -> bool {
        if !world.ledger.leads.iter().any(|lead| matches!(lead.at, LeadAt::Held(_))) {
            return true;
        }
        let mut actions = Vec::new();
        world.actions(&self.0, &mut actions);
        actions.into_iter().any(|action| world.next(&self.0, action) != *world)
    }
}

/// What a check must have met, or it proved little.
#[derive(Clone, Copy, Debug)]
pub enum Sight {
    /// A callback named the call before the answer did.
    CallbackFirst,
    /// A process died between the request and its answer, and the call exists.
    CrashedInFlight,
    /// A list names the call of an attempt whose answer was lost.
    Adopted,
    /// An unknown attempt was released by a list after the horizon.
    Released,
    /// The fence kept back a request that was late.
    KeptBack,
    /// A lead was called again.
    CalledAgain,
    /// The second lead of a phone waits for the first.
    OnePhone,
    /// A last try was lost: a person must look.
    Review,
    /// Two processes run at once.
    TwoProcesses,
    /// A call surfaced for an attempt that had been released, and holds its lead again.
    Surfaced,
    /// A call surfaced while a newer attempt was open.
    Zombie,
    /// A zombie was ended.
    ZombieEnded,
    /// Two calls of one attempt: the first was kept, the account stopped.
    DoubleDial,
    /// The wall clock jumped while an outcome was unknown.
    Jumped,
}

impl Sight {
    fn property(self) -> Property<Protocol> {
        fn any(world: &World, state: State) -> bool {
            world.ledger.attempts.iter().any(|row| row.state == state)
        }
        fn alarm(world: &World, kind: Alarm) -> bool {
            world.ledger.alarms.iter().any(|(_, alarm)| *alarm == kind)
        }
        fn outcome(world: &World, kind: Outcome) -> bool {
            world.ledger.attempts.iter().any(|row| row.outcome == Some(kind))
        }
        match self {
            Sight::CallbackFirst => Property::sometimes("a callback before the answer", |_, world: &World| {
                let tasks = world.processes.iter().flat_map(|one| &one.tasks);
                let mut waiting = tasks.filter(|(_, stage)| matches!(stage, Stage::Waiting(Some(_))));
                waiting.any(|(attempt, _)| world.ledger.attempts[usize::from(*attempt)].sid.is_some())
            }),
            Sight::CrashedInFlight => Property::sometimes("a crash in flight", |_, world: &World| {
                let off = world.processes.iter().all(|one| one.mode == Mode::Off);
                off && any(world, State::Intent) && world.calls.iter().any(|call| call.is_live())
            }),
            Sight::Adopted => Property::sometimes("a list that names the call", |_, world: &World| {
                let mut lists = world.processes.iter().filter_map(|one| one.listing.as_ref());
                lists.any(|list| !list.calls.is_empty() && !list.may_release)
            }),
            Sight::Released => {
                Property::sometimes("a release by evidence", |_, world: &World| outcome(world, Outcome::NotPlaced))
            }
            Sight::KeptBack => {
                Property::sometimes("a late request kept back", |_, world: &World| outcome(world, Outcome::NotSent))
            }
            Sight::CalledAgain => Property::sometimes("a second call of a lead", |_, world: &World| {
                world.calls.len() > 1 && world.ledger.leads.iter().any(|lead| lead.tries > 0)
            }),
            Sight::OnePhone => Property::sometimes("a lead waits for another's call", |_, world: &World| {
                let waits = |lead: &ledger::Lead| lead.at == LeadAt::Ready(0);
                world.ledger.leads.iter().any(waits)
                    && world.calls.iter().any(|call| call.status == CallStatus::InProgress)
            }),
            Sight::Review => Property::sometimes("a lead for a person to look at", |_, world: &World| {
                world.ledger.leads.iter().any(|lead| lead.at == LeadAt::Review)
            }),
            Sight::TwoProcesses => Property::sometimes("two processes at once", |_, world: &World| {
                world.processes.iter().all(|one| one.mode == Mode::On)
            }),
            Sight::Surfaced => Property::sometimes("a call surfaced and holds its lead", |_, world: &World| {
                (0..)
                    .zip(&world.ledger.attempts)
                    .any(|(n, row)| row.is_open() && world.ledger.alarms.contains(&(n, Alarm::Surfaced)))
            }),
            Sight::Zombie => Property::sometimes("a zombie", |_, world: &World| any(world, State::Zombie)),
            Sight::ZombieEnded => Property::sometimes("a zombie that ended", |_, world: &World| {
                world.ledger.attempts.iter().any(|row| row.state == State::Zombie && row.end.is_some())
            }),
            Sight::DoubleDial => Property::sometimes("two calls of one attempt, noticed", |_, world: &World| {
                alarm(world, Alarm::DoubleDial) && world.ledger.account_stopped
            }),
            Sight::Jumped => {
                Property::sometimes("a clock that jumped", |_, world: &World| world.ahead && any(world, State::Unknown))
            }
        }
    }
}

/// Attempts of the largest check; `AHOY_MODEL_DEPTH` asks for more.
fn depth() -> usize {
    std::env::var("AHOY_MODEL_DEPTH")
        .ok()
        .map_or(3, |text| text.parse().expect("AHOY_MODEL_DEPTH is a number of attempts"))
}

fn one_lead() -> Bounds {
    Bounds {
        phones: vec![0],
        tries: 2,
        attempts: 2,
        crashes: 1,
        freezes: 0,
        clock_jumps: 0,
        lists_lost: 0,
        lock_broken: false,
        broken: Broken::Nothing,
        sees: &[],
    }
}

fn say(name: &str, checker: &impl Checker<Protocol>, start: Instant) {
    println!(
        "{name}: {} states, {} of them different, {:.1?}",
        checker.state_count(),
        checker.unique_state_count(),
        start.elapsed()
    );
}

/// Explores everything within the bounds: no promise is broken, and every sight is met.
fn holds_within(name: &str, bounds: Bounds) {
    let start = Instant::now();
    let checker = Protocol(bounds).checker().threads(2).finish_when(HasDiscoveries::AnyFailures).spawn_dfs().join();
    say(name, &checker, start);
    checker.assert_properties();
    assert!(checker.is_done(), "{name}: not everything was explored");
}

/// Explores until this promise is broken, by the shortest way, and shows the way.
fn is_refuted(name: &str, bounds: Bounds, promise: &'static str) {
    let start = Instant::now();
    let wanted = HasDiscoveries::AllOf([promise].into());
    let checker = Protocol(bounds).checker().threads(2).finish_when(wanted).spawn_bfs().join();
    say(name, &checker, start);
    let Some(path) = checker.discovery(promise) else {
        panic!("{name}: the check does not bite: `{promise}` still holds")
    };
    println!("  refuted: {promise}");
    for action in path.into_actions() {
        println!("    {action:?}");
    }
}

#[test]
fn one_lead_is_never_rung_twice_at_once_and_never_lost() {
    use Sight::{Adopted, CallbackFirst, CalledAgain, CrashedInFlight, Released};
    let sees = &[Adopted, CallbackFirst, CalledAgain, CrashedInFlight, Released];
    holds_within("one lead, a crash", Bounds { attempts: depth(), tries: 3, sees, ..one_lead() });
}

#[test]
fn two_leads_of_one_phone_never_ring_it_twice_at_once() {
    use Sight::{OnePhone, Review};
    let sees = &[OnePhone, Review];
    let lists_lost = 1;
    let phones = vec![0, 0];
    holds_within("two leads, one phone, a lost list", Bounds { phones, tries: 1, lists_lost, sees, ..one_lead() });
}

#[test]
fn a_process_that_was_stopped_and_wakes_rings_nobody_twice() {
    use Sight::{Jumped, KeptBack, TwoProcesses};
    let stops = Bounds { freezes: 2, clock_jumps: 1, crashes: 0, sees: &[KeptBack, Jumped], ..one_lead() };
    holds_within("a process stopped twice, a clock that jumps", stops);
    let two = Bounds { freezes: 1, crashes: 1, lock_broken: true, sees: &[KeptBack, TwoProcesses], ..one_lead() };
    holds_within("a second process beside a stopped one", two);
}

/// Outside the carrier's contract nobody can promise one call; but what can be noticed is noticed, stops the account, and
/// loses no lead.
#[test]
fn what_a_carrier_outside_its_contract_does_is_noticed_and_loses_no_lead() {
    use Sight::{DoubleDial, Surfaced, Zombie, ZombieEnded};
    let late = Bounds { broken: Broken::ListLag, sees: &[Surfaced, Zombie, ZombieEnded], crashes: 0, ..one_lead() };
    let twice = Bounds { broken: Broken::RepeatingProxy, sees: &[DoubleDial], attempts: 1, ..one_lead() };
    for (name, bounds) in [("a list later than the horizon", late), ("a proxy that repeats", twice)] {
        let start = Instant::now();
        let sights = bounds.sees.len();
        let checker = Protocol(bounds).checker().threads(2).spawn_dfs().join();
        say(name, &checker, start);
        for kept in [LOST, IDLE, TOLD] {
            checker.assert_no_discovery(kept);
        }
        checker.assert_any_discovery(ONE_LIVE);
        let seen = checker.discoveries().keys().filter(|name| !PROMISES.contains(name)).count();
        assert_eq!(seen, sights, "{name}: not every sight was met: {:?}", checker.discoveries().keys());
    }
}

#[test]
fn without_the_send_fence_the_check_finds_the_second_call() {
    let bounds = Bounds { broken: Broken::NoFence, lock_broken: true, freezes: 1, ..one_lead() };
    is_refuted("no send fence", bounds, ONE_LIVE);
}

#[test]
fn with_one_listing_at_once_the_check_finds_the_second_call() {
    is_refuted("one immediate listing", Bounds { broken: Broken::NoHorizon, ..one_lead() }, ONE_LIVE);
    is_refuted("one immediate listing", Bounds { broken: Broken::NoHorizon, ..one_lead() }, HELD);
}

#[test]
fn with_rescue_by_time_the_check_finds_the_second_call() {
    is_refuted("rescue by time", Bounds { broken: Broken::RescueByTime, ..one_lead() }, ONE_LIVE);
}

#[test]
fn with_a_list_that_lags_more_than_the_horizon_the_check_finds_the_second_call() {
    is_refuted("list lag beyond the horizon", Bounds { broken: Broken::ListLag, ..one_lead() }, ONE_LIVE);
}

#[test]
fn without_a_durable_intent_the_check_finds_the_second_call() {
    is_refuted("no durable intent", Bounds { broken: Broken::NoDurableIntent, ..one_lead() }, ONE_LIVE);
}

#[test]
fn with_a_wall_clock_that_nobody_watches_the_check_finds_the_second_call() {
    let bounds = Bounds { broken: Broken::ClockUnwatched, clock_jumps: 1, attempts: 3, tries: 3, ..one_lead() };
    is_refuted("claims by a clock that jumped", bounds, ONE_LIVE);
}
