//! Each write, flush, rename and removal fails once, or from there on, or is the last one before the process dies:
//! for n = 1, 2, 3 … until a run passes clean. After each: the ledger is whole, nobody is lost, nobody is rung twice,
//! and a clean run finishes the job. `cargo test` strikes a sample of the points, `just io-faults` all of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ahoy::base::{Phone, Wall};
use ahoy::core::dial::Outcome;
use ahoy::store::ledger::{CallFilter, Ledger, OpenOptions};

use crate::common::{self, Shop, Sim, Wish, ahoy, carrier_at};
use crate::disktools::{self, How, Strike, all_points, copy, fired, shim, under};

/// A workspace as it is before each strike, and the one that is struck.
struct Range {
    dir: tempfile::TempDir,
}

impl Range {
    fn new(make: impl FnOnce(&Path)) -> Range {
        let range = Range { dir: tempfile::tempdir().expect("a folder") };
        fs::create_dir(range.fresh()).expect("made");
        make(&range.fresh());
        range
    }

    fn fresh(&self) -> PathBuf {
        self.dir.path().join("fresh")
    }

    fn struck(&self) -> PathBuf {
        self.dir.path().join("struck")
    }

    /// Strikes every point (or every `stride`-th, from 1) in each way; after each strike `judge` looks at the workspace.
    fn strike(&self, stride: u64, command: &dyn Fn(&Path) -> Command, judge: &dyn Fn(&Path, &Output, Strike)) {
        let stride = if all_points() { 1 } else { stride };
        for how in [How::Error, How::Full, How::Kill] {
            let mut at = 1;
            loop {
                assert!(at < 100_000, "a run never passed clean");
                let _none_before = fs::remove_dir_all(self.struck());
                copy(&self.fresh(), &self.struck());
                let strike = Strike { at, how };
                let mut order = command(&self.struck());
                under(&mut order, &self.struck(), self.dir.path(), strike);
                let output = order.output().expect("the program starts");
                let words = String::from_utf8_lossy(&output.stderr).into_owned();
                assert!(!words.contains("panicked"), "{strike:?}: {words}");
                let struck = fired(self.dir.path());
                if how == How::Kill {
                    assert_eq!(output.status.code().is_none(), struck, "{strike:?}: {words}");
                } else if !output.status.success() {
                    assert!(words.lines().next().is_some_and(|line| line.len() > 10), "{strike:?} is told: {words}");
                }
                judge(&self.struck(), &output, strike);
                if !struck {
                    assert!(output.status.success(), "a clean run passes: {words}");
                    println!("{how:?}: {at} points, every {stride}");
                    break;
                }
                at += stride;
            }
        }
    }
}

fn workspace(folder: &Path, carrier: &str) {
    let campaign = folder.join("campaigns/c");
    fs::create_dir_all(&campaign).expect("made");
    fs::write(folder.join("ahoy.toml"), format!("{carrier}\n[limits]\nballast_mib = 1\nfree_floor_mib = 1\n"))
        .expect("written");
    let text = "purpose = \"service\"\ncarrier = \"sim\"\ncallers = [\"+15005550006\"]\ncountries = [\"GB\"]\n[greeting]\n\
                en = \"Hello, this is a test of the harbour line.\"\n";
    fs::write(campaign.join("campaign.toml"), text).expect("written");
    fs::write(folder.join("leads.csv"), common::people(30) + "Nobody,12,none\n").expect("written");
}

/// Opens the ledger as the next process does; it is whole. `None`: there is none.
fn whole(folder: &Path) -> Option<Ledger> {
    let path = folder.join("ahoy.db");
    path.exists().then(|| {
        let ledger = Ledger::open(&path, &OpenOptions { fresh_key: [1; 32], now: Wall(0) }).expect("opens");
        assert_eq!(ledger.quick_check(), Ok(vec![]));
        ledger
    })
}

fn leads(folder: &Path) -> u64 {
    let counts = whole(folder).map(|ledger| ledger.lead_counts(&"c".parse().expect("a slug"), Wall(0)));
    counts.map_or(0, |counts| counts.expect("counted").total())
}

fn clean(command: &mut Command, strike: Strike) {
    let output = command.output().expect("the program starts");
    assert!(output.status.success(), "a clean run after {strike:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn an_import_that_a_disk_breaks_anywhere_is_finished_by_the_next_one() {
    if shim().is_none() {
        return;
    }
    let range = Range::new(|folder| workspace(folder, ""));
    let import = |folder: &Path| {
        let mut command = ahoy(folder);
        command.args(["leads", "import", "--campaign", "c"]).arg(folder.join("leads.csv"));
        command
    };
    range.strike(9, &import, &|folder, output, strike| {
        let there = leads(folder);
        assert!(there <= 30, "{strike:?}: {there}");
        assert!(!output.status.success() || there == 30, "{strike:?}: it said that all went well, {there} are there");
        clean(&mut import(folder), strike);
        assert_eq!(leads(folder), 30, "{strike:?}");
    });
}

#[test]
fn a_suppression_that_was_confirmed_stands_whatever_the_disk_does() {
    if shim().is_none() {
        return;
    }
    let range = Range::new(|folder| {
        workspace(folder, "");
        let import = ahoy(folder)
            .args(["leads", "import", "--campaign", "c"])
            .arg(folder.join("leads.csv"))
            .output()
            .expect("runs");
        assert!(import.status.success());
    });
    let suppress = |folder: &Path| {
        let mut command = ahoy(folder);
        command.args(["leads", "suppress", "+442079460003", "--reason", "letter"]);
        command
    };
    let stands = |folder: &Path| {
        let phone = Phone::from_e164("+442079460003").expect("E.164");
        whole(folder).expect("there").is_suppressed(&phone).expect("read")
    };
    range.strike(3, &suppress, &|folder, output, strike| {
        assert!(!output.status.success() || stands(folder), "{strike:?}: it was confirmed");
        clean(&mut suppress(folder), strike);
        assert!(stands(folder), "{strike:?}");
    });
}

#[test]
fn a_migration_that_is_broken_anywhere_leaves_the_old_ledger_or_the_new_one() {
    if shim().is_none() {
        return;
    }
    let old = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/ledger-v1.db");
    let range = Range::new(|folder| {
        workspace(folder, "");
        fs::copy(&old, folder.join("ahoy.db")).expect("copied");
    });
    let pause = |folder: &Path| {
        let mut command = ahoy(folder);
        command.args(["campaign", "pause", "c"]);
        command
    };
    let count = |path: &Path, table: &str| -> (i64, i64) {
        let conn = rusqlite::Connection::open(path).expect("opens");
        let version = conn.query_row("PRAGMA user_version", [], |row| row.get(0)).expect("a number");
        let sql = format!("SELECT count(*) FROM {table}");
        (version, conn.query_row(&sql, [], |row| row.get(0)).expect("a count"))
    };
    let (_, facts) = count(&old, "fact");
    let newest = {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("new.db");
        Ledger::open(&path, &OpenOptions { fresh_key: [1; 32], now: Wall(0) }).expect("made");
        count(&path, "fact").0
    };
    range.strike(5, &pause, &|folder, _, strike| {
        let path = folder.join("ahoy.db");
        let (version, kept) = count(&path, "fact");
        assert!((1..=newest).contains(&version), "{strike:?}: {version}");
        assert_eq!(kept, facts, "{strike:?}");
        let copy = folder.join("ahoy.db.schema-1.bak");
        if version > 1 {
            assert_eq!(count(&copy, "fact"), (1, facts), "{strike:?}: the copy came first");
        }
        clean(&mut pause(folder), strike);
        assert_eq!(count(&path, "fact"), (newest, facts), "{strike:?}");
        assert_eq!(count(&copy, "fact"), (1, facts), "{strike:?}");
    });
}

/// Whether every finding is about an asset that is not there: half an asset, or a bad one, has other codes.
fn nothing_half(findings: &str) -> bool {
    let absent = ["\"missing\"", "\"never-rendered\"", "\"stale\""];
    let mut found = findings.lines().filter(|line| line.contains("\"code\":"));
    found.all(|line| absent.iter().any(|code| line.contains(&format!("\"code\":{code}"))))
}

#[test]
fn a_cache_that_the_disk_breaks_anywhere_never_holds_half_an_asset() {
    if shim().is_none() {
        return;
    }
    let range = Range::new(|folder| workspace(folder, ""));
    let generate = |folder: &Path| {
        let mut command = ahoy(folder);
        command.args(["cache", "generate", "c", "--quiet"]);
        command
    };
    let verify = |folder: &Path| {
        let mut command = ahoy(folder);
        command.args(["cache", "verify", "c", "--json"]);
        command
    };
    range.strike(8, &generate, &|folder, output, strike| {
        let found = verify(folder).output().expect("runs");
        let text = String::from_utf8_lossy(&found.stdout);
        assert!(nothing_half(&text), "{strike:?}: {text}");
        assert!(!output.status.success() || found.status.success(), "{strike:?}: it said that all went well: {text}");
        clean(&mut generate(folder), strike);
        clean(&mut verify(folder), strike);
    });
}

const LEADS: usize = 6;

/// A campaign against a carrier in a process of its own; every number rings at most once.
pub fn dialing_shop(sim: &Sim) -> Shop {
    let carrier = carrier_at(
        &sim.base_url,
        "calls_per_second = 30\nmax_live_calls = 4\nring_timeout = \"2s\"\nrelease_horizon = \"1s\"",
    );
    let shop = Shop::open(&Wish {
        carrier: &carrier,
        campaign: "[call]\nmax = \"10s\"\n[caps]\ngap = \"0s\"\nper_day = 20\nper_30_days = 20\n\
                   [retries]\nattempts = 20\nbusy = \"9h\"\nno_answer = \"9h\"\nfailed = \"9h\"",
        leads: LEADS,
    });
    let toml = shop.path("ahoy.toml");
    let text = fs::read_to_string(&toml).expect("read");
    fs::write(toml, format!("{text}\n[limits]\nballast_mib = 1\nfree_floor_mib = 1\n")).expect("written");
    shop
}

fn campaign_run(folder: &Path) -> Command {
    let mut command = ahoy(folder);
    command.args(["campaign", "run", "c", "--yes", "--drain", "--quiet"]);
    command
}

/// Every call that the carrier knows has its attempt in the ledger.
fn every_call_has_its_intent(folder: &Path, sim: &Sim, when: &str) {
    let filter = CallFilter { limit: 10_000, ..CallFilter::default() };
    let calls = whole(folder).expect("there").calls(&filter).expect("read");
    let known: BTreeSet<&str> = calls.iter().map(|call| call.phone.expose()).collect();
    for phone in sim.read_log().calls_per_phone().keys() {
        assert!(known.contains(*phone), "{when}: a call without an intent");
    }
}

/// Runs until nothing is left, then asks the carrier's log.
fn finish(folder: &Path, sim: &Sim, when: &str) {
    let mut words = String::new();
    let mut held = 1;
    for _ in 0..8 {
        let output = campaign_run(folder).output().expect("the program starts");
        words = String::from_utf8_lossy(&output.stderr).into_owned();
        let counts = whole(folder).expect("there").lead_counts(&"c".parse().expect("a slug"), Wall(i64::MAX));
        let counts = counts.expect("counted");
        assert_eq!(counts.total(), LEADS as u64, "{when}: no lead is lost");
        held = counts.held;
        if held == 0 && matches!(output.status.code(), Some(0 | 3)) {
            break;
        }
    }
    assert_eq!(held, 0, "{when}: {words}");
    let log = sim.read_log();
    let rung = log.calls_per_phone();
    assert!(rung.values().all(|calls| *calls == 1), "{when}: somebody was rung twice");
    let ledger = whole(folder).expect("there");
    let of = |outcome| {
        let filter = CallFilter { outcome: Some(outcome), limit: 10_000, ..CallFilter::default() };
        let calls = ledger.calls(&filter).expect("read");
        calls.iter().map(|call| call.phone.expose().to_owned()).collect::<BTreeSet<_>>()
    };
    let refused = of(Outcome::Invalid);
    let mut everybody: BTreeSet<String> = rung.keys().map(|phone| (*phone).to_owned()).collect();
    let released = of(Outcome::NotPlaced);
    everybody.extend(refused);
    everybody.extend(released);
    assert_eq!(everybody.len(), LEADS, "{when}: everybody was rung, refused, or found not to have been rung");
}

/// The points of a run that are struck: all, or a sample that differs with `salt`.
fn points(total: u64, sample: u64, salt: u64) -> Vec<u64> {
    if all_points() {
        return (1..=total).collect();
    }
    let step = (total / sample).max(1);
    (0..sample).map(|at| 1 + salt + at * step).filter(|at| *at <= total).collect()
}

/// How many operations a whole run makes, about: timing moves some of them.
fn operations(journaled: impl Fn(&mut Command, &Path)) -> u64 {
    let folder = tempfile::tempdir().expect("a folder");
    let sim = Sim::start(folder.path(), &["--seed", "7", "--speedup", "50", "--calls-per-second", "500"]);
    let shop = dialing_shop(&sim);
    let mut disk = disktools::Disk::of(shop.dir.path());
    let mut order = campaign_run(shop.dir.path());
    under(&mut order, shop.dir.path(), folder.path(), Strike { at: 0, how: How::Error });
    journaled(&mut order, folder.path());
    assert!(matches!(order.output().expect("starts").status.code(), Some(0 | 3)));
    disk.play(&fs::read(folder.path().join("journal")).expect("a journal"))
}

fn journal(command: &mut Command, scratch: &Path) {
    command.env("AHOY_IO_JOURNAL", scratch.join("journal"));
}

#[test]
fn a_campaign_whose_disk_fails_anywhere_rings_nobody_twice_and_nobody_unwritten() {
    if shim().is_none() {
        return;
    }
    let total = operations(journal);
    println!("{total} operations in a clean run");
    // A run whose disk is gone for good waits until its live calls must be over: 22 s here.
    for (how, sample, salt) in [(How::Error, 7, 0), (How::Full, 2, 120)] {
        for at in points(total, sample, salt) {
            let folder = tempfile::tempdir().expect("a folder");
            let sim = Sim::start(folder.path(), &["--seed", "7", "--speedup", "50", "--calls-per-second", "500"]);
            let shop = dialing_shop(&sim);
            let when = format!("{how:?} at operation {at} of about {total}");
            let mut order = campaign_run(shop.dir.path());
            under(&mut order, shop.dir.path(), folder.path(), Strike { at, how });
            let output = order.output().expect("the program starts");
            let words = String::from_utf8_lossy(&output.stderr).into_owned();
            println!("{when}: {} {}", output.status, words.lines().next().unwrap_or(""));
            assert!(!words.contains("panicked"), "{when}: {words}");
            every_call_has_its_intent(shop.dir.path(), &sim, &when);
            finish(shop.dir.path(), &sim, &when);
        }
    }
}

/// The power goes at the n-th operation: the process dies, and of what it had not flushed nothing (or some of it) is on
/// the disk. What the carrier was asked to do is still known, and nobody is rung twice.
#[test]
fn a_power_cut_anywhere_leaves_an_intent_for_every_call_and_rings_nobody_twice() {
    if shim().is_none() {
        return;
    }
    let total = operations(journal);
    for (turn, at) in points(total, 12, 1).into_iter().enumerate() {
        let folder = tempfile::tempdir().expect("a folder");
        let sim = Sim::start(folder.path(), &["--seed", "7", "--speedup", "50", "--calls-per-second", "500"]);
        let shop = dialing_shop(&sim);
        let mut disk = disktools::Disk::of(shop.dir.path());
        let mut order = campaign_run(shop.dir.path());
        under(&mut order, shop.dir.path(), folder.path(), Strike { at, how: How::Kill });
        journal(&mut order, folder.path());
        let output = order.output().expect("the program starts");
        disk.play(&fs::read(folder.path().join("journal")).unwrap_or_default());
        let mut random = fastrand::Rng::with_seed(at);
        let drops_all = turn % 3 != 2;
        disk.cut_power(|| !drops_all && random.bool());
        disk.restore(shop.dir.path());
        let kept = if drops_all { "nothing unflushed is kept" } else { "some of the unflushed is kept" };
        let when = format!("power cut at operation {at} of about {total}, {kept}");
        println!("{when}: {}", output.status);
        every_call_has_its_intent(shop.dir.path(), &sim, &when);
        finish(shop.dir.path(), &sim, &when);
    }
}

#[test]
fn a_power_cut_while_assets_are_made_leaves_whole_ones_or_none() {
    if shim().is_none() {
        return;
    }
    let range = Range::new(|folder| workspace(folder, ""));
    let stride = if all_points() { 1 } else { 6 };
    let mut at = 1;
    loop {
        let folder = range.struck();
        let _none_before = fs::remove_dir_all(&folder);
        copy(&range.fresh(), &folder);
        let mut disk = disktools::Disk::of(&folder);
        let _none_before = fs::remove_file(range.dir.path().join("journal"));
        let mut order = ahoy(&folder);
        order.args(["cache", "generate", "c", "--quiet"]);
        under(&mut order, &folder, range.dir.path(), Strike { at, how: How::Kill });
        journal(&mut order, range.dir.path());
        let output = order.output().expect("the program starts");
        disk.play(&fs::read(range.dir.path().join("journal")).unwrap_or_default());
        disk.cut_power(|| false);
        disk.restore(&folder);
        let found = ahoy(&folder).args(["cache", "verify", "c", "--json"]).output().expect("runs");
        let text = String::from_utf8_lossy(&found.stdout);
        assert!(nothing_half(&text), "power cut at {at}: {text}");
        if !fired(range.dir.path()) {
            assert!(output.status.success());
            assert!(found.status.success(), "what was said to be made is there after a power cut: {text}");
            break;
        }
        at += stride;
    }
}
