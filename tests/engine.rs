//! One engine, many terminals: real processes, real signals, the carrier another process, and its log as the judge.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::common::process::{ended, signal, spawn, until};
use crate::common::{self, Shop, Sim, Wish, carrier_at, code, run};

/// A carrier in life's own time and a shop with two campaigns, `c` and `d`, of people of their own.
fn town(leads: usize) -> (tempfile::TempDir, Sim, Shop) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let sim = Sim::start(folder.path(), &["--seed", "7", "--speedup", "4", "--calls-per-second", "100"]);
    let extra = "calls_per_second = 5\nmax_live_calls = 8\nring_timeout = \"10s\"\nrelease_horizon = \"2s\"";
    let shop = Shop::open(&Wish {
        carrier: &carrier_at(&sim.base_url, extra),
        campaign: "[retries]\nattempts = 1\nbusy = \"9h\"\nno_answer = \"9h\"\nfailed = \"9h\"",
        leads,
    });
    let (from, to) = (shop.path("campaigns/c"), shop.path("campaigns/d"));
    std::fs::create_dir_all(&to).expect("made");
    for entry in std::fs::read_dir(from).expect("read") {
        let entry = entry.expect("read");
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("copied");
    }
    let people = "phone,consent\n+442079460950,test\n+442079460951,test\n+442079460952,test\n";
    std::fs::write(shop.path("others.csv"), people).expect("written");
    let import = run(common::ahoy(shop.dir.path())
        .args(["leads", "import"])
        .arg(shop.path("others.csv"))
        .args(["--campaign", "d"]));
    assert_eq!(code(&import), 0, "import");
    (folder, sim, shop)
}

fn calls(sim: &Sim) -> usize {
    if sim.log.exists() { sim.read_log().calls.len() } else { 0 }
}

fn live(sim: &Sim) -> usize {
    sim.read_log().calls.iter().filter(|call| call.ended.is_none()).count()
}

#[test]
fn another_campaign_attaches_and_the_same_campaign_is_refused() {
    let (_folder, sim, shop) = town(40);
    let first = spawn(&mut shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"]));
    until("the first run calls", || calls(&sim) > 2);
    let mode = std::fs::metadata(shop.path("ahoy.db.sock")).expect("a socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "the control socket is its owner's alone");

    let same = run(&mut shop.campaign(&["run", "c", "--yes", "--drain"]));
    assert_eq!(code(&same), 11);
    let words = String::from_utf8_lossy(&same.stderr).into_owned();
    assert!(words.contains(&first.id().to_string()) && words.contains("since"), "it names the holder: {words}");

    let second = run(shop.campaign(&["run", "d", "--yes", "--drain"]).arg("--json"));
    let report: serde_json::Value = serde_json::from_slice(&second.stdout).expect("one JSON object");
    assert_eq!(report["campaigns"], serde_json::json!(["d"]), "the report is of its own campaign only");
    assert_eq!(report["attempts"], 3);
    assert!([0, 3].contains(&code(&second)), "{report}");
    assert!([0, 3].contains(&ended(first)));
    assert!(!shop.path("ahoy.db.sock").exists(), "the socket goes with its engine");
    let log = sim.read_log();
    assert_eq!(log.rung_twice(), Vec::<&str>::new());
    assert!(log.most_live() <= 8, "both share one account's cap");
}

#[test]
fn a_pause_from_another_terminal_rings_nobody_new_within_a_second_and_a_stop_hangs_up() {
    let (_folder, sim, shop) = town(200);
    let first = spawn(&mut shop.campaign(&["run", "c", "--yes", "--quiet"]));
    until("the run calls", || calls(&sim) > 4);
    assert_eq!(code(&run(&mut shop.campaign(&["pause", "c"]))), 0);
    // The order that was on its way when the ledger took the word may still arrive.
    std::thread::sleep(Duration::from_secs(1));
    let then = calls(&sim);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(calls(&sim), then, "somebody was rung more than a second after the pause");
    assert_eq!(code(&run(&mut shop.campaign(&["resume", "c"]))), 0);
    until("it goes on", || calls(&sim) > then + 2);

    let stop = run(&mut shop.campaign(&["stop", "c", "--hangup"]));
    assert_eq!(code(&stop), 0);
    assert_eq!(ended(first), 130, "stopped by the operator");
    assert_eq!(live(&sim), 0, "nobody is left on the line");
    let again = run(&mut shop.campaign(&["run", "c", "--yes", "--drain"]));
    assert_eq!(code(&again), 15, "a stopped campaign starts again by the operator's word only");
}

#[test]
fn ctrl_c_in_an_attached_terminal_stops_its_campaign_only() {
    let (_folder, sim, shop) = town(60);
    let first = spawn(&mut shop.campaign(&["run", "d", "c", "--yes", "--drain", "--quiet"]));
    until("the run calls", || calls(&sim) > 1);
    signal(first.id(), "TERM");
    assert_eq!(ended(first), 130, "SIGTERM drains: live calls end by themselves");
    assert_eq!(live(&sim), 0);

    let holder = spawn(common::ahoy(shop.dir.path()).args(["serve", "--quiet"]));
    until("it listens", || shop.path("ahoy.db.sock").exists());
    let before = calls(&sim);
    let attached = spawn(&mut shop.campaign(&["run", "c", "--yes", "--quiet"]));
    until("the engine calls for it", || calls(&sim) > before + 2);
    signal(attached.id(), "INT");
    signal(attached.id(), "INT");
    let code = ended(attached);
    assert!([130].contains(&code), "{code}");
    assert_eq!(live(&sim), 0, "its calls were ended");
    assert!(shop.path("ahoy.db.sock").exists(), "the engine goes on");
    signal(holder.id(), "TERM");
    assert_eq!(ended(holder), 0);
}

#[test]
fn after_kill_9_of_the_holder_a_new_run_takes_over_the_stale_socket() {
    let (_folder, sim, shop) = town(12);
    let mut first = spawn(&mut shop.campaign(&["run", "c", "--yes", "--quiet"]));
    until("the run calls", || calls(&sim) > 2);
    first.kill().expect("SIGKILL");
    first.wait().expect("reaped");
    assert!(shop.path("ahoy.db.sock").exists(), "a dead process leaves its socket");
    let second = run(&mut shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"]));
    assert!([0, 3].contains(&code(&second)));
    assert_eq!(sim.read_log().rung_twice(), Vec::<&str>::new());
}

#[test]
fn hostile_terminals_do_not_disturb_a_run_and_its_time_is_kept() {
    let (_folder, sim, shop) = town(300);
    let first = spawn(&mut shop.campaign(&["run", "c", "--yes", "--quiet", "--max-runtime", "12s"]));
    until("the run calls", || calls(&sim) > 1);
    let knock = || UnixStream::connect(shop.path("ahoy.db.sock")).expect("connects");
    let mut huge = knock();
    // The engine may close before all of it is written.
    let _cut_off = huge.write_all(&vec![b'x'; 1 << 20]);
    let mut odd = knock();
    odd.write_all(b"{\"dance\":true}\n").expect("written");
    let replies: Vec<String> = BufReader::new(odd).lines().map_while(Result::ok).collect();
    assert!(replies.last().is_some_and(|line| line.contains("failure")), "{replies:?}");
    let _silent: Vec<UnixStream> = (0..40).map(|_| knock()).collect();
    let mut deaf = knock();
    let _or_turned_away = deaf.write_all(b"\"tail\"\n");
    let before = calls(&sim);
    until("the run goes on", || calls(&sim) > before + 2);
    // A call that failed (3) weighs more than leads that wait (10).
    let code = ended(first);
    assert!([3, 10].contains(&code), "time is over with leads waiting: {code}");
    assert!(calls(&sim) < 250, "it ended by its time, not by its work");
    assert_eq!(live(&sim), 0, "nobody is left on the line");
}

/// The stop of an account, as a run of this workspace would have written it.
fn stop_account(shop: &Shop, sim: &Sim) -> String {
    let now = ahoy::base::Wall(1_795_000_000_000);
    let options = ahoy::store::ledger::OpenOptions { fresh_key: [7; 32], now };
    let mut ledger = ahoy::store::ledger::Ledger::open(&shop.path("ahoy.db"), &options).expect("opens");
    let account = ledger.open_attempts(None).expect("read").first().map(|it| it.account.clone());
    let account = account.unwrap_or_else(|| panic!("no call is open: {}", calls(sim)));
    let kind = ahoy::core::dial::breaker::StopKind::FailureRate;
    assert!(ledger.stop_account(&account, kind, "a test stops it", &[], now).expect("written"));
    account
}

#[test]
fn a_resume_reaches_the_engine_that_runs_and_its_next_run_calls() {
    let (_folder, sim, shop) = town(60);
    let holder = spawn(common::ahoy(shop.dir.path()).args(["serve", "--quiet"]));
    until("it listens", || shop.path("ahoy.db.sock").exists());
    let first = spawn(&mut shop.campaign(&["run", "c", "--yes", "--quiet"]));
    until("it calls", || calls(&sim) > 2 && live(&sim) > 0);
    stop_account(&shop, &sim);
    assert_eq!(ended(first), 12, "its run ends when the last call has");
    let then = calls(&sim);
    assert_eq!(code(&run(&mut shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"]))), 12);
    assert_eq!(calls(&sim), then, "nobody was called before a person had looked");
    assert_eq!(code(&run(&mut shop.campaign(&["resume", "c"]))), 0);
    // The engine never restarted: it is its own memory of the stop that must go.
    let second = spawn(&mut shop.campaign(&["run", "c", "--yes", "--quiet", "--max-runtime", "30s"]));
    until("it calls again", || calls(&sim) > then + 2);
    assert_eq!(code(&run(&mut shop.campaign(&["stop", "c"]))), 0);
    assert_eq!(ended(second), 130);
    signal(holder.id(), "TERM");
    assert_eq!(ended(holder), 0);
}

#[test]
fn calls_tail_follows_a_run_live_until_it_ends_and_reads_files_without_one() {
    let (_folder, sim, shop) = town(12);
    let first = spawn(&mut shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"]));
    until("it calls", || calls(&sim) > 0);
    let mut tail = common::ahoy(shop.dir.path());
    let output = run(tail.args(["calls", "tail", "--json"]));
    assert_eq!(code(&output), 0);
    let lines: Vec<serde_json::Value> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("one object a line"))
        .collect();
    let of = |what: &str| lines.iter().filter(|line| line["note"][what] != serde_json::Value::Null).count();
    assert!(of("dialed") >= 8 && of("ended") >= 8, "{} of {lines:?}", of("ended"));
    assert!(lines.iter().all(|line| line["at"].is_string()));
    assert!([0, 3].contains(&ended(first)), "it ended with the engine");
    let output = run(common::ahoy(shop.dir.path()).args(["calls", "tail", "--json"]));
    let newest = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(code(&output) == 0 && newest.contains("\"event\":\"start\""), "the newest call's file: {newest}");
}

/// Renames the carrier in ahoy.toml and in every campaign.
fn rename_carrier(shop: &Shop, to: &str) {
    let swap = |file: &str, from: &str, to: &str| {
        let text = std::fs::read_to_string(shop.path(file)).expect("read");
        assert!(text.contains(from), "{file}");
        std::fs::write(shop.path(file), text.replace(from, to)).expect("written");
    };
    swap("ahoy.toml", "[carriers.main]", &format!("[carriers.{to}]"));
    for campaign in ["campaigns/c/campaign.toml", "campaigns/d/campaign.toml"] {
        swap(campaign, "carrier = \"main\"", &format!("carrier = \"{to}\""));
    }
}

#[test]
fn a_renamed_carrier_keeps_its_accounts_stop_and_asks_about_the_calls_that_were_open() {
    let (_folder, sim, shop) = town(40);
    let mut first = spawn(&mut shop.campaign(&["run", "c", "--yes", "--quiet"]));
    until("it calls", || calls(&sim) > 3 && live(&sim) > 0);
    let account = stop_account(&shop, &sim);
    assert!(account.starts_with("twilio:127.0.0.1:AC"), "{account}");
    first.kill().expect("SIGKILL");
    first.wait().expect("reaped");
    rename_carrier(&shop, "other");
    let before = calls(&sim);
    let again = run(&mut shop.campaign(&["run", "c", "--yes", "--drain"]));
    let words = String::from_utf8_lossy(&again.stderr).into_owned();
    assert_eq!(code(&again), 12, "{words}");
    assert!(words.contains("a test stops it") && !words.contains("no carrier of ahoy.toml has"), "{words}");
    assert_eq!(calls(&sim), before, "nobody was called");
    let status = shop.status();
    assert_eq!((status["open"].as_u64(), status["held"].as_u64()), (Some(0), Some(0)), "asked about to their end");
    assert_eq!(code(&run(&mut shop.campaign(&["resume", "c"]))), 0);
    assert!([0, 3].contains(&code(&run(&mut shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"])))));
    assert_eq!(sim.read_log().rung_twice(), Vec::<&str>::new());
}

#[test]
fn two_carriers_that_are_one_account_do_not_run_side_by_side() {
    let (_folder, sim, shop) = town(4);
    let toml = std::fs::read_to_string(shop.path("ahoy.toml")).expect("read");
    std::fs::write(shop.path("ahoy.toml"), format!("{toml}\n{}", toml.replace("[carriers.main]", "[carriers.twin]")))
        .expect("written");
    let file = shop.path("campaigns/d/campaign.toml");
    let text = std::fs::read_to_string(&file).expect("read");
    std::fs::write(&file, text.replace("carrier = \"main\"", "carrier = \"twin\"")).expect("written");
    let both = run(&mut shop.campaign(&["run", "c", "d", "--yes", "--drain"]));
    let words = String::from_utf8_lossy(&both.stderr).into_owned();
    assert!(code(&both) == 2 && words.contains("main") && words.contains("twin"), "{words}");
    assert_eq!(calls(&sim), 0, "a run starts whole or not at all");
    assert!([0, 3].contains(&code(&run(&mut shop.campaign(&["run", "d", "--yes", "--drain", "--quiet"])))));
}
