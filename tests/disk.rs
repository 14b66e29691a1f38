//! The disk under the ledger: old schemas, damage, an unclean end, little room, a full disk. The real binary.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use ahoy::base::Wall;
use ahoy::store::ledger::{Ledger, LedgerFault, OpenOptions};
use rusqlite::Connection;

use crate::common::{self, Shop, Sim, Wish, carrier_at, code, run};

/// A ledger that the program wrote when its schema was 1, with calls and open attempts, and a row in every table.
fn old_ledger(folder: &Path) -> PathBuf {
    let path = folder.join("ahoy.db");
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/ledger-v1.db"), &path).expect("copied");
    path
}

fn open(path: &Path) -> Result<Ledger, LedgerFault> {
    Ledger::open(path, &OpenOptions { fresh_key: [1; 32], now: Wall(1_790_000_000_000) })
}

/// Every row of the tables of schema 1, by the columns that they had then, in words.
fn rows_of_schema_1(path: &Path) -> Vec<(String, Vec<String>)> {
    let conn = Connection::open(path).expect("opens");
    let old = Connection::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/ledger-v1.db")).expect("opens");
    let names = |sql: &str| -> Vec<String> {
        let mut query = old.prepare(sql).expect("SQL");
        let rows = query.query_map([], |row| row.get(0)).expect("read");
        rows.collect::<Result<_, _>>().expect("text")
    };
    let tables =
        names("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name");
    tables
        .into_iter()
        .map(|table| {
            let columns =
                names(&format!("SELECT 'quote(' || name || ')' FROM pragma_table_info('{table}')")).join(" || ");
            let mut query = conn.prepare(&format!("SELECT {columns} FROM {table} ORDER BY 1")).expect("its columns");
            let rows = query.query_map([], |row| row.get(0)).expect("read");
            (table, rows.collect::<Result<_, _>>().expect("text"))
        })
        .collect()
}

fn schema_of(path: &Path) -> i64 {
    let conn = Connection::open(path).expect("opens");
    conn.query_row("PRAGMA user_version", [], |row| row.get(0)).expect("a number")
}

#[test]
fn a_ledger_of_schema_1_keeps_every_row_and_a_copy_of_it_is_kept_beside_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = old_ledger(dir.path());
    let before = rows_of_schema_1(&path);
    for (table, rows) in &before {
        assert!(!rows.is_empty(), "the old ledger has rows in {table}");
    }
    assert_eq!(schema_of(&path), 1);
    let ledger = open(&path).expect("migrated");
    assert_eq!(ledger.quick_check(), Ok(vec![]));
    assert_eq!(ledger.open_attempts(None).expect("read").len(), 2, "what was open is still open");
    drop(ledger);
    let newest = schema_of(&path);
    assert!(newest > 1);
    for ((table, old), (_, new)) in before.iter().zip(rows_of_schema_1(&path)) {
        if table == "meta" {
            // The key of the tokens is made anew: the old one is the suppression list's from now on.
            continue;
        }
        // Audit may grow by what the migration itself notes.
        assert!(old.iter().all(|row| new.contains(row)), "{table} keeps its rows");
        assert!(table == "audit" || new.len() == old.len(), "{table} has no other rows");
    }
    let copy = dir.path().join("ahoy.db.schema-1.bak");
    assert_eq!(fs::metadata(&copy).expect("kept").permissions().mode() & 0o777, 0o600);
    assert_eq!((schema_of(&copy), rows_of_schema_1(&copy)), (1, before), "as it was");

    open(&path).expect("opened again");
    let names: Vec<_> = fs::read_dir(dir.path()).expect("read").map(|it| it.expect("read").file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().ends_with(".tmp")), "{names:?}");
    fs::remove_file(&copy).expect("removed");
    open(&path).expect("opened again");
    assert!(!copy.exists(), "a new ledger is not copied");
}

fn shop(extra: &str) -> Shop {
    let shop = Shop::open(&Wish {
        carrier: "kind = \"sim\"\nspeedup = 100\ncalls_per_second = 50\nmax_live_calls = 5",
        campaign: "",
        leads: 5,
    });
    let toml = shop.path("ahoy.toml");
    let text = fs::read_to_string(&toml).expect("read");
    fs::write(toml, format!("{text}\n{extra}")).expect("written");
    shop
}

const RUN: [&str; 4] = ["run", "c", "--yes", "--drain"];

#[test]
fn a_damaged_ledger_is_refused_with_a_next_step_and_nobody_is_called() {
    let shop = shop("");
    let path = shop.path("ahoy.db");
    let page: i64 = {
        let conn = Connection::open(&path).expect("opens");
        conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").expect("all in one file");
        conn.query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'attempt_open_phone'", [], |row| row.get(0))
            .expect("a page")
    };
    let mut bytes = fs::read(&path).expect("read");
    let from = (usize::try_from(page).expect("a page") - 1) * 4_096;
    bytes[from..from + 64].fill(0x5A);
    fs::write(&path, &bytes).expect("damaged");
    let refused = run(&mut shop.campaign(&RUN));
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(code(&refused), 1, "{words}");
    assert!(words.contains("damaged") && words.contains("next:") && words.contains("backup"), "{words}");
    assert!(!shop.path("sim.jsonl").exists(), "no carrier was started");
    assert!(!shop.path("ahoy.db.ballast").exists());
}

#[test]
fn an_unclean_end_is_told_at_the_next_start_and_a_clean_one_is_not() {
    let shop = shop("");
    let words = |output: &std::process::Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let first = run(&mut shop.campaign(&RUN));
    assert!(!words(&first).contains("did not end cleanly"), "{}", words(&first));
    let ballast = fs::metadata(shop.path("ahoy.db.ballast")).expect("a reserve");
    assert_eq!((ballast.len() >> 20, ballast.permissions().mode() & 0o777), (64, 0o600));
    let second = run(&mut shop.campaign(&RUN));
    assert!(!words(&second).contains("did not end cleanly"), "{}", words(&second));
    let mut ledger = open(&shop.path("ahoy.db")).expect("opens");
    ledger.begin_dialing(4_711, Wall(1_790_000_000_000)).expect("marked, and never ended");
    drop(ledger);
    let third = run(&mut shop.campaign(&RUN));
    assert!(
        words(&third).contains("process 4711") && words(&third).contains("did not end cleanly"),
        "{}",
        words(&third)
    );
}

#[test]
fn below_the_floor_of_free_space_nobody_is_called() {
    let shop = shop("[limits]\nfree_floor_mib = 1048576\nballast_mib = 1\n");
    let refused = run(&mut shop.campaign(&RUN));
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(code(&refused), 1, "{words}");
    assert!(words.contains("1048576 MiB") && words.contains("free_floor_mib"), "{words}");
    assert!(!shop.path("sim.jsonl").exists(), "no carrier was started");
    let status = run(shop.campaign(&["status", "c"]).arg("--json"));
    assert_eq!(code(&status), 0, "looking needs no room");
}

/// A disk of 40 MiB that fills up while calls are live: nobody new is called, and what became of the live ones is
/// written down. The disk is a tmpfs in a mount namespace of the test's own.
#[test]
fn a_disk_that_fills_during_a_run_stops_claims_and_loses_no_live_call() {
    let may_mount = Command::new("unshare").args(["-Urm", "mount", "-t", "tmpfs", "none", "/mnt"]).output();
    if !may_mount.is_ok_and(|output| output.status.success()) {
        println!("SKIPPED: no mount namespace for this user (unshare -Urm)");
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let sim = Sim::start(folder.path(), &["--seed", "5", "--speedup", "4", "--calls-per-second", "500"]);
    let shop = Shop::open(&Wish {
        carrier: &carrier_at(&sim.base_url, "calls_per_second = 2\nmax_live_calls = 50\nring_timeout = \"10s\""),
        campaign: "[retries]\nattempts = 1",
        leads: 120,
    });
    let state = shop.path("state");
    fs::create_dir(&state).expect("made");
    fs::rename(shop.path("ahoy.db"), shop.path("ahoy.db.before")).expect("moved");
    let toml = shop.path("ahoy.toml");
    let text = fs::read_to_string(&toml).expect("read");
    let limits = "[ledger]\npath = \"state/ahoy.db\"\n[calls]\ndir = \"state/calls\"\n\
                  [limits]\nfree_floor_mib = 12\nballast_mib = 8\n";
    fs::write(toml, format!("{text}\n{limits}")).expect("written");
    // Eight calls are at the carrier; then something else fills the disk to its last byte. What is left of the ledger is
    // copied out, because the namespace takes the disk with it.
    let script = format!(
        "mount -t tmpfs -o size=40m none {state} && cp {before} {state}/ahoy.db && cp {root}/ahoy.db.key {state}/ && \
         chmod 600 {state}/ahoy.db {state}/ahoy.db.key || exit 99\n\
         {ahoy} --workspace {root} campaign run c --yes --drain & run=$!\n\
         tries=0\n\
         while [ \"$(grep -c created {log})\" -lt 8 ] && [ $tries -lt 600 ]; do sleep 0.05; tries=$((tries+1)); done\n\
         cp {log} {root}/at-full.jsonl\n\
         dd if=/dev/zero of={state}/filler bs=64k 2>/dev/null\n\
         wait $run; code=$?\n\
         test -e {state}/ahoy.db.ballast && echo BALLAST-STAYS\n\
         rm {state}/filler; cp {state}/ahoy.db* {root}/\n\
         exit $code\n",
        state = state.display(),
        before = shop.path("ahoy.db.before").display(),
        ahoy = env!("CARGO_BIN_EXE_ahoy"),
        root = shop.dir.path().display(),
        log = sim.log.display(),
    );
    let output = run(Command::new("unshare").args(["-Urm", "sh", "-c", &script]).env("AHOY_TEST_TOKEN", common::TOKEN));
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(code(&output), 1, "{words}");
    assert!(words.contains("nobody new is called"), "{words}");
    let at_full = common::read_log(&shop.path("at-full.jsonl")).calls.len();
    let log = sim.read_log();
    assert!(log.calls.len() < at_full + 8, "{} calls, {at_full} of them before the disk was full", log.calls.len());
    let text = fs::read_to_string(shop.path("ahoy.toml")).expect("read").replace("state/ahoy.db", "ahoy.db");
    fs::write(shop.path("ahoy.toml"), text).expect("written");
    let status = shop.status();
    assert_eq!(status["leads"], 120, "{status}");
    assert_eq!(status["held"], 0, "what became of the live calls is written down: {status}");
    assert!(log.calls_per_phone().values().all(|calls| *calls == 1));
}

/// A process that may open few files calls fewer people at once; calls that are live never suffer for a new one.
#[test]
fn few_open_files_mean_fewer_calls_at_once_and_none_without_its_sound() {
    let shop = Shop::open(&Wish {
        carrier: "kind = \"sim\"\nspeedup = 20\ncalls_per_second = 50\nmax_live_calls = 60",
        campaign: "[retries]\nattempts = 1",
        leads: 40,
    });
    let limited = |files: u32| {
        let script = format!("ulimit -n {files}; exec \"$@\"");
        let program = shop.campaign(&["run", "c", "--yes", "--drain", "--json"]);
        let mut command = Command::new("sh");
        command.args(["-c", &script, "sh"]).arg(program.get_program()).args(program.get_args());
        run(&mut command)
    };
    let refused = limited(48);
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(code(&refused), 1, "{words}");
    assert!(words.contains("ulimit -n"), "{words}");

    // 64 files are kept back, a call needs 8: eight calls.
    let ran = limited(128);
    let words = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(matches!(code(&ran), 0 | 3), "{words}");
    assert!(words.contains("at most 8 calls at once, not 60"), "{words}");
    let report: serde_json::Value = serde_json::from_slice(&ran.stdout).expect("one JSON object");
    assert_eq!(report["attempts"], 40, "everybody is called, in their turn");
    assert_eq!(report["outcomes"]["unheard"], serde_json::Value::Null, "{report}");
    let log = common::read_log(&shop.path("sim.jsonl"));
    assert!(log.most_live() <= 8, "{} at once", log.most_live());
}
