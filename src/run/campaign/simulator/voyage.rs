//! A run of one scenario: lives of the process one after another, until everybody is called and the carrier is quiet.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::carrier::{Carrier, Letter};
use super::dialer::{End, World};
use super::fate::Fate;
use super::judge;
use super::plan::{CALLERS, Scenario, account_name, number};
use crate::base::Phone;
use crate::core::lead::Lead;
use crate::store::ledger::{CampaignState, LeadCounts};

/// Processes that one scenario may need.
const LIVES: u64 = 400;

/// What a run came to.
#[derive(Debug)]
pub(super) struct Voyage {
    /// Over every event, in order, and the ledger at the end.
    pub hash: u64,
    /// Effects that were counted.
    pub effects: u64,
    /// Processes that lived, and calls that the carrier made.
    pub size: (u64, usize),
    /// Promises that were broken, by the carrier's log.
    pub broken: Vec<String>,
    /// The kept trace.
    pub trace: String,
}

/// Sails a scenario to its end.
pub(super) fn sail(scenario: &Scenario, keep_trace: bool) -> Voyage {
    let folder = tempfile::Builder::new().prefix("ahoy-sim").tempdir_in(harbour()).expect("a temporary folder");
    let carrier = Arc::new(Carrier::new(scenario, keep_trace));
    let mut world = World {
        scenario: scenario.clone(),
        carrier: Arc::clone(&carrier),
        fate: Arc::new(Fate::new(scenario.blows.clone())),
        folder: folder.path().to_owned(),
        step_ms: Arc::new(AtomicI64::new(0)),
        us: 0,
        lives: 0,
        starts: Vec::new(),
        suppressed: Arc::default(),
        pauses: Arc::default(),
        stopped: Arc::new(Mutex::new(BTreeMap::new())),
    };
    embark(&world);
    let mut random = fastrand::Rng::with_seed(scenario.seed ^ 0xd0_0d);
    let mut end = None;
    while world.lives < LIVES {
        match world.live() {
            End::Hung => {
                carrier.book().broken.push("a process did not end within its days".to_owned());
                break;
            }
            End::Crashed => {
                let most = u64::try_from(scenario.down_most.as_micros()).expect("short");
                ashore(&mut world, random.u64(0..=most));
            }
            End::Done => {
                let Some(pause) = until_next(&world, random.bool()) else {
                    end = Some(());
                    break;
                };
                ashore(&mut world, pause);
            }
        }
    }
    if end.is_none() {
        carrier.book().broken.push(format!("not at its end after {} processes", world.lives));
    }
    // Everything that is still on its way comes, though nobody is there any more.
    carrier.turn(u64::MAX);
    judge::judge(&world);
    let dump = world.open().dump();
    let mut book = carrier.book();
    book.trace.note(world.us, &dump);
    Voyage {
        hash: book.trace.hash(),
        effects: world.fate.count(),
        size: (world.lives, book.calls.len()),
        broken: std::mem::take(&mut book.broken),
        trace: book.trace.text(),
    }
}

/// Memory where there is some that looks like a disk.
fn harbour() -> std::path::PathBuf {
    let memory = std::path::Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).expect("a simulation is short")
}

/// The leads go on board.
fn embark(world: &World) {
    let mut ledger = world.open();
    for plan in &world.scenario.campaigns {
        let lead = |at: usize| Lead {
            line: at as u64 + 2,
            phone: Phone::from_e164(&number(at)).expect("a number"),
            name: None,
            language: Some("en".parse().expect("a tag")),
            country: None,
            timezone: None,
            consent: Some("test 2026-01-01".to_owned()),
            variables: BTreeMap::new(),
            tags: Vec::new(),
            more_phones: Vec::new(),
        };
        let name = &plan.campaign.name;
        let import = ledger.begin_import(name, "leads.csv", world.wall()).expect("begun");
        let leads: Vec<Lead> = plan.people.iter().copied().map(lead).collect();
        ledger.import_chunk(name, import, &leads, world.wall()).expect("imported");
    }
}

/// No process is there for a while. Callbacks find a closed door; what the operator does, they do.
fn ashore(world: &mut World, span: u64) {
    let until = world.us + span;
    let until = if world.us < micros(world.scenario.storm) { until.min(micros(world.scenario.storm)) } else { until };
    while let Some(at) = world.carrier.next_at().filter(|at| *at <= until) {
        world.us = world.us.max(at);
        for letter in world.carrier.turn(world.us) {
            match letter {
                Letter::Deed(deed) => {
                    let (us, wall) = (world.us, world.wall());
                    world.hand().perform(&mut world.open(), deed, us, wall);
                }
                letter => world.carrier.bounced(world.us, letter),
            }
        }
    }
    world.us = until;
    if until >= micros(world.scenario.storm) {
        after_the_storm(world);
    }
}

/// A person has looked at what stopped, and lets it go on.
fn after_the_storm(world: &World) {
    let mut ledger = world.open();
    let wall = world.wall();
    let callers: Vec<Phone> = CALLERS.iter().map(|caller| Phone::from_e164(caller).expect("a number")).collect();
    for at in 0..world.scenario.accounts.len() {
        if ledger.account_stop(&account_name(at)).expect("read").is_some() {
            super::super::lock(&world.stopped).entry(at).or_insert(world.us);
            ledger.resume_account(&account_name(at), wall).expect("written");
        }
        ledger.wake_callers(&account_name(at), &callers, wall).expect("written");
    }
    for plan in &world.scenario.campaigns {
        ledger.set_campaign_state(&plan.campaign.name, CampaignState::Running, wall).expect("written");
    }
    for pause in super::super::lock(&world.pauses).iter_mut() {
        pause.2 = pause.2.min(world.us);
    }
}

/// How long cron waits before the next process, µs; `None` if there is nothing left to do. Where nobody is left to be
/// called, an idle cron lets what is still on its way find a closed door.
fn until_next(world: &World, idle: bool) -> Option<u64> {
    let ledger = world.open();
    let wall = world.wall();
    let counts: Vec<LeadCounts> = world
        .scenario
        .campaigns
        .iter()
        .map(|plan| ledger.lead_counts(&plan.campaign.name, wall).expect("read"))
        .collect();
    let left: u64 = counts.iter().map(|it| it.ready_due + it.ready_later + it.held).sum();
    if world.us < micros(world.scenario.storm) {
        return Some(if left == 0 && idle { micros(world.scenario.storm) } else { 60_000_000 });
    }
    if left == 0 && world.carrier.next_at().is_none() {
        return None;
    }
    if left == 0 && idle {
        return Some(micros(world.scenario.storm));
    }
    let due = counts.iter().filter(|it| it.ready_due > 0).map(|_| wall).next();
    let due = due.or_else(|| counts.iter().filter_map(|it| it.next_due).min());
    let wait = due.map_or(0, |due| u64::try_from(due.0 - wall.0).unwrap_or(0) * 1_000);
    Some(wait.max(60_000_000))
}
