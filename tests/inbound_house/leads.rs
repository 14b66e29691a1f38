//! A new caller's lead: there before its row is, the same for everybody, and nobody else's if the row never comes.

use std::collections::BTreeSet;
use std::time::Duration;

use ahoy::base::CallId;
use rusqlite::Connection;
use serde_json::Value;

use crate::common::desk::{Desk, inbound, over, person, ring, shop};
use crate::common::process::until;
use crate::common::{self, Shop, Sim, code, run};
use crate::serve_house::contract;

use super::DESK;

/// Another process that writes, and does not come to an end.
fn held(shop: &Shop) -> Connection {
    let held = Connection::open(shop.path("ahoy.db")).expect("opens");
    held.busy_timeout(Duration::from_secs(20)).expect("set");
    held.execute_batch("BEGIN IMMEDIATE").expect("locked");
    held
}

/// The calls whose folders are there, oldest first, once there are so many of them.
fn folders(shop: &Shop, calls: usize) -> Vec<CallId> {
    let mut found = Vec::new();
    until("all their streams begin", || {
        found = ahoy::store::calllog::list(&shop.path("calls"), 100).unwrap_or_default();
        found.len() >= calls
    });
    found.sort_unstable_by_key(|(call, _)| call.to_string());
    found.into_iter().map(|(call, _)| call).collect()
}

/// The lead of a call, as the API tells it.
fn lead(desk: &Desk, call: CallId) -> i64 {
    let path = format!("/api/calls/{call}");
    let (status, body) = desk.get(&path);
    assert_eq!(status, 200, "{body}");
    contract::CONTRACT.check("GET", &path, status, "application/json", &body);
    let told: Value = serde_json::from_str(&body).expect("JSON");
    told["lead"].as_i64().expect("a lead")
}

fn rows(ledger: &Connection, sql: &str) -> Vec<i64> {
    let mut query = ledger.prepare(sql).expect("SQL");
    query.query_map([], |row| row.get(0)).expect("read").map(|row| row.expect("an integer")).collect()
}

#[test]
fn a_new_caller_is_a_lead_at_once_and_its_row_carries_the_id_when_it_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let sim = Sim::start(folder.path(), &["--speedup", "2"]);
    let shop = shop(&sim, DESK, 2);
    let desk = Desk::serve(&shop);
    let held = held(&shop);
    // One new number twice at once, another one, one of the list.
    for at in [50, 50, 51, 0] {
        ring(&sim, &desk, &person(at));
    }
    let calls = folders(&shop, 4);
    let told: Vec<i64> = calls.iter().map(|call| lead(&desk, *call)).collect();
    let new: BTreeSet<i64> = told.iter().copied().filter(|lead| *lead > 2).collect();
    assert_eq!((new.len(), told.iter().filter(|lead| **lead == 1).count()), (2, 1), "{told:?}");
    assert_eq!(rows(&held, "SELECT id FROM lead ORDER BY id"), [1, 2], "nothing is written yet");
    // Meanwhile a list brings the second number: it is the list's lead, whatever was promised.
    held.execute(
        "INSERT INTO lead (id, campaign, import, line, phone, state, due, created_at, changed_at) \
         SELECT 9000, campaign, import, 99, ?1, 'ready', due, created_at, changed_at FROM lead WHERE id = 1",
        [person(51)],
    )
    .expect("written");
    held.execute_batch("COMMIT").expect("let go");
    over(&sim, 4);
    let listed = inbound(&shop, 4);
    let twice = *told.iter().find(|lead| told.iter().filter(|it| it == lead).count() == 2).expect("one number twice");
    let leads: Vec<i64> = listed.iter().filter_map(|row| row["lead"].as_i64()).collect();
    assert_eq!(leads.iter().filter(|lead| **lead == twice).count(), 2, "{leads:?}, promised {told:?}");
    assert!(leads.contains(&9000) && leads.contains(&1), "{leads:?}");
    // What was promised stands for it.
    let promised = new.into_iter().find(|lead| *lead != twice).expect("the other one").to_string();
    let page = run(common::ahoy(shop.dir.path()).args(["leads", "show", &promised, "--json"]));
    let page: Value = serde_json::from_slice(&page.stdout).expect("JSON");
    assert_eq!((&page["id"], page["calls_to_us"].as_array().map(Vec::len)), (&Value::from(9000), Some(1)), "{page}");
}

#[test]
fn a_kill_between_a_callers_id_and_its_row_leaves_a_call_of_nobody_and_an_id_of_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let sim = Sim::start(folder.path(), &["--speedup", "2"]);
    let shop = shop(&sim, DESK, 2);
    let desk = Desk::serve(&shop);
    let held = held(&shop);
    ring(&sim, &desk, &person(50));
    ring(&sim, &desk, &person(51));
    let lost = folders(&shop, 2);
    let promised: BTreeSet<i64> = lost.iter().map(|call| lead(&desk, *call)).collect();
    assert_eq!(promised.len(), 2);
    desk.kill();
    held.execute_batch("ROLLBACK").expect("let go");
    assert_eq!(rows(&held, "SELECT id FROM lead ORDER BY id"), [1, 2]);
    // The next process: the same people call again, and a list comes.
    let desk = Desk::serve(&shop);
    for at in [51, 50] {
        ring(&sim, &desk, &person(at));
    }
    std::fs::write(shop.path("more.csv"), format!("phone,country\n{},GB\n{},GB\n", person(70), person(71)))
        .expect("written");
    let import = run(common::ahoy(shop.dir.path())
        .args(["leads", "import"])
        .arg(shop.path("more.csv"))
        .args(["--campaign", "c"]));
    assert_eq!(code(&import), 0, "{}", String::from_utf8_lossy(&import.stderr));
    over(&sim, 4);
    let calls = inbound(&shop, 2);
    assert_eq!(calls.len(), 2, "what the kill took is no call of anybody: {calls:?}");
    let leads = rows(&held, "SELECT id FROM lead WHERE id > 2");
    assert_eq!(leads.len(), 4);
    assert!(leads.iter().all(|lead| !promised.contains(lead)), "{leads:?} of {promised:?}");
    // Their folders are listed, and attached to nobody.
    let unknown = run(common::ahoy(shop.dir.path()).args(["calls", "list", "--unknown", "--json"]));
    let unknown = String::from_utf8_lossy(&unknown.stdout).into_owned();
    for call in lost {
        let line = unknown.lines().find(|line| line.contains(&call.to_string())).expect("it is listed");
        assert!(line.contains("unknown_call"), "{line}");
        assert_eq!(desk.get(&format!("/api/calls/{call}")).0, 404);
    }
}
