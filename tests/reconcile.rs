//! The ledger against the carrier, with real processes: a restored ledger, lost answers, a renamed carrier. The judge is
//! the carrier's log.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::common::{Shop, Sim, Wish, ahoy, carrier_at, code, run};

const RETRIES: &str = "[caps]\ngap = \"0s\"\nper_day = 20\nper_30_days = 20\n\
                       [retries]\nattempts = 5\nbusy = \"9h\"\nno_answer = \"9h\"\nfailed = \"9h\"";
const PACE: &str = "calls_per_second = 40\nmax_live_calls = 40\nring_timeout = \"1s\"\nrelease_horizon = \"3s\"";
const SIM: [&str; 6] = ["--seed", "7", "--speedup", "50", "--calls-per-second", "500"];

/// How often each number rang, by the carrier's log.
fn rung(sim: &Sim) -> BTreeMap<String, usize> {
    sim.read_log().calls_per_phone().into_iter().map(|(phone, calls)| (phone.to_owned(), calls)).collect()
}

fn reconcile(shop: &Shop, arguments: &[&str]) -> (i32, serde_json::Value) {
    let output = run(ahoy(shop.dir.path()).args(["--json", "reconcile"]).args(arguments));
    let report = serde_json::from_slice(&output.stdout).expect("one JSON object");
    (code(&output), report)
}

/// The ledger's files, as a backup takes them.
fn ledger_files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).expect("the workspace");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("ahoy.db"))).collect()
}

/// A proxy that the environment names and that nobody may use.
fn proxy() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let visits = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&visits);
    std::thread::spawn(move || {
        for _visit in listener.incoming() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    (url, visits)
}

fn with_proxy<'a>(command: &'a mut Command, url: &str) -> &'a mut Command {
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"] {
        command.env(name, url);
    }
    command.env_remove("NO_PROXY").env_remove("no_proxy")
}

#[test]
fn a_restored_ledger_rings_nobody_until_the_calls_that_it_lost_are_written_down_and_nobody_twice_after() {
    let folder = tempfile::tempdir().expect("a folder");
    let sim = Sim::start(folder.path(), &SIM);
    let shop = Shop::open(&Wish { carrier: &carrier_at(&sim.base_url, PACE), campaign: RETRIES, leads: 30 });
    let backup = tempfile::tempdir().expect("a folder");
    for path in ledger_files(shop.dir.path()) {
        fs::copy(&path, backup.path().join(path.file_name().expect("a file"))).expect("copied");
    }
    let (url, visits) = proxy();
    let mut first = shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"]);
    assert!([0, 3].contains(&code(&run(with_proxy(&mut first, &url)))));
    assert_eq!(visits.load(Ordering::SeqCst), 0, "orders with credentials went through a proxy of the environment");
    let first = rung(&sim);
    assert!(first.len() > 20 && first.values().all(|calls| *calls == 1), "{} phones", first.len());

    for path in ledger_files(shop.dir.path()) {
        fs::remove_file(path).expect("lost");
    }
    for path in ledger_files(backup.path()) {
        fs::copy(&path, shop.dir.path().join(path.file_name().expect("a file"))).expect("restored");
    }
    let refused = run(&mut shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"]));
    assert_eq!(code(&refused), 14);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("ahoy reconcile --import"), "the one command is named");
    let (exit, report) = reconcile(&shop, &[]);
    assert_eq!((exit, report["accounts"][0]["strangers"].as_u64()), (14, Some(first.len() as u64)));
    assert_eq!(rung(&sim), first, "nobody was called");

    let (exit, report) = reconcile(&shop, &["--import"]);
    assert_eq!((exit, report["accounts"][0]["adopted"].as_u64()), (0, Some(first.len() as u64)), "{report}");
    let again = code(&run(&mut shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"])));
    assert!([0, 3].contains(&again), "{again}");
    assert_eq!(rung(&sim), first, "nobody rang twice");
    let status = shop.status();
    assert_eq!((status["leads"].as_u64(), status["held"].as_u64()), (Some(30), Some(0)), "{status}");
}

#[test]
fn another_systems_calls_from_a_shared_number_do_not_stop_ours_and_are_counted_when_imported() {
    let folder = tempfile::tempdir().expect("a folder");
    let sim = Sim::start(folder.path(), &SIM);
    let ours = carrier_at(&sim.base_url, PACE);
    let theirs = Shop::open(&Wish { carrier: &ours, campaign: RETRIES, leads: 5 });
    assert!([0, 3].contains(&code(&run(&mut theirs.campaign(&["run", "c", "--yes", "--drain", "--quiet"])))));
    let first = rung(&sim);
    let shared = format!("{ours}\nshared_callers = true");
    let campaign = "[caps]\ngap = \"9h\"\nper_day = 20\nper_30_days = 20\n\
                    [retries]\nattempts = 5\nbusy = \"9h\"\nno_answer = \"9h\"\nfailed = \"9h\"";
    // Ten leads, none of them imported before the others' calls are known: five are theirs too.
    let shop = Shop::open(&Wish { carrier: &shared, campaign, leads: 10 });
    let leads = fs::read_to_string(shop.path("leads.csv")).expect("the leads");
    let half: Vec<&str> = leads.lines().take(1).chain(leads.lines().skip(6)).collect();
    for path in ledger_files(shop.dir.path()) {
        fs::remove_file(path).expect("emptied");
    }
    let import = |text: &str| {
        fs::write(shop.path("leads.csv"), text).expect("written");
        let file = shop.path("leads.csv");
        assert_eq!(code(&run(ahoy(shop.dir.path()).args(["leads", "import"]).arg(file).args(["--campaign", "c"]))), 0);
    };
    import(&half.join("\n"));
    let (exit, report) = reconcile(&shop, &["--import"]);
    assert_eq!((exit, report["accounts"][0]["counted"].as_u64()), (0, Some(first.len() as u64)), "{report}");
    import(&leads);
    let ended = code(&run(&mut shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"])));
    assert!([0, 3, 10].contains(&ended), "{ended}");
    let log = rung(&sim);
    assert!(log.len() > first.len(), "their calls stopped ours");
    assert!(
        log.values().all(|calls| *calls == 1),
        "a number that another system rang was rung inside its gap: {log:?}"
    );
}

#[test]
fn lost_answers_are_found_by_hand_and_a_moved_carrier_is_named_until_it_is_asked_through_its_new_address() {
    let folder = tempfile::tempdir().expect("a folder");
    let faults = ["--fault", "lost_answer=1.0", "--fault", "drop_callback=1.0"];
    let sim = Sim::start(folder.path(), &[&SIM[..], &faults[..]].concat());
    let shop = Shop::open(&Wish { carrier: &carrier_at(&sim.base_url, PACE), campaign: RETRIES, leads: 30 });
    let mut child = shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"]).spawn().expect("it starts");
    for _ in 0..400 {
        if rung(&sim).len() >= 5 {
            break;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    child.kill().expect("SIGKILL");
    child.wait().expect("reaped");
    let first = rung(&sim).len();
    assert!(first >= 5, "{first}");

    let (exit, report) = reconcile(&shop, &["--dry-run"]);
    let open = report["attempts"].as_array().expect("a list").len();
    assert_eq!((exit, open > 0), (14, true), "{report}");

    // Renamed in ahoy.toml and moved to another host while outcomes were unknown.
    let toml = fs::read_to_string(shop.path("ahoy.toml")).expect("read").replace("[carriers.main]", "[carriers.new]");
    let toml = toml.replace("127.0.0.1", "localhost");
    fs::write(shop.path("ahoy.toml"), toml).expect("written");
    let campaign = shop.path("campaigns/c/campaign.toml");
    let text = fs::read_to_string(&campaign).expect("read").replace("carrier = \"main\"", "carrier = \"new\"");
    fs::write(&campaign, text).expect("written");
    let (exit, report) = reconcile(&shop, &[]);
    assert_eq!(exit, 14);
    let faults: Vec<&str> =
        report["accounts"].as_array().expect("a list").iter().filter_map(|it| it["fault"].as_str()).collect();
    assert!(faults.iter().any(|fault| fault.contains("--carrier")), "{report}");
    assert_eq!(report["attempts"].as_array().map(Vec::len), Some(open), "nobody was released unasked");

    let (exit, report) = reconcile(&shop, &["--carrier", "new", "--wait"]);
    assert_eq!(exit, 0, "{report}");
    let after: Vec<&str> =
        report["attempts"].as_array().expect("a list").iter().filter_map(|it| it["after"].as_str()).collect();
    assert!(after.iter().all(|state| !["intent", "unknown"].contains(state)), "{after:?}");
    for line in report["attempts"].as_array().expect("a list") {
        let released = line["after"] == "not_placed";
        assert_eq!(released, line["evidence"].is_object(), "a release without its proof: {line}");
    }
    assert_eq!(rung(&sim).len(), first, "asking rings nobody");
    assert_eq!(sim.read_log().rung_twice(), Vec::<&str>::new());
}
