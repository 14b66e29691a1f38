//! The operator's hand and the clock's: Ctrl-C three times, waiting for the window, a time that is up. Real processes, real
//! signals, the carrier another process, and its log as the judge.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ahoy::core::dial::CallStatus;
use ahoy::core::sim::line::{self, What};

use crate::common::process::{ended, signal, spawn, until};
use crate::common::{self, Shop, Sim, Wish, carrier_at, code, run};

fn town(speedup: &str, extra: &str, campaign: &str, leads: usize) -> (tempfile::TempDir, Sim, Shop) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let sim = Sim::start(folder.path(), &["--seed", "7", "--speedup", speedup, "--calls-per-second", "100"]);
    let extra = format!("calls_per_second = 5\nmax_live_calls = 8\nrelease_horizon = \"2s\"\n{extra}");
    let shop = Shop::open(&Wish { carrier: &carrier_at(&sim.base_url, &extra), campaign, leads });
    (folder, sim, shop)
}

fn calls(sim: &Sim) -> usize {
    if sim.log.exists() { sim.read_log().calls.len() } else { 0 }
}

/// A run whose words are read as they come.
fn spoken(shop: &Shop, arguments: &[&str]) -> (Child, Receiver<String>) {
    let mut command = shop.campaign(arguments);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
    let words = BufReader::new(child.stderr.take().expect("it was piped"));
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for line in words.lines().map_while(Result::ok) {
            if tell.send(line).is_err() {
                return;
            }
        }
    });
    (child, told)
}

/// Waits for a line that holds these words.
fn hear(told: &Receiver<String>, words: &str) {
    loop {
        let line = told.recv_timeout(Duration::from_secs(30)).unwrap_or_else(|_| panic!("never said: {words}"));
        if line.contains(words) {
            return;
        }
    }
}

#[test]
fn a_third_ctrl_c_leaves_at_once_and_the_next_start_finds_every_lead() {
    let once = "[retries]\nattempts = 1\nbusy = \"9h\"\nno_answer = \"9h\"\nfailed = \"9h\"";
    let (_folder, sim, shop) = town("4", "ring_timeout = \"10s\"", once, 30);
    let (mut child, told) = spoken(&shop, &["run", "c", "--yes"]);
    until("it calls", || calls(&sim) > 4);
    // The carrier says nothing any more: nothing that must be asked or ended can be, and a polite end would take minutes.
    signal(sim.pid(), "STOP");
    signal(child.id(), "INT");
    hear(&told, "nobody new is called");
    signal(child.id(), "INT");
    hear(&told, "unanswered calls are cancelled");
    assert_eq!(child.try_wait().expect("asked"), None, "it waits for what it cancels");
    signal(child.id(), "INT");
    assert_eq!(ended(child), 130);
    let status = shop.status();
    let open = status["open"].as_u64().expect("a number");
    assert!(open > 0 && status["adds_up"] == true, "what is open stands in the ledger: {status}");

    signal(sim.pid(), "CONT");
    let again = run(&mut shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"]));
    assert!([0, 3].contains(&code(&again)), "{}", code(&again));
    let status = shop.status();
    assert_eq!((status["open"].as_u64(), status["adds_up"].as_bool()), (Some(0), Some(true)), "{status}");
    assert_eq!(sim.read_log().rung_twice(), Vec::<&str>::new());
}

#[test]
fn a_waiting_run_calls_when_somebody_is_due_and_a_signal_or_its_time_ends_the_wait() {
    let soon = "countries = [\"GB\"]\n[caps]\ngap = \"0s\"\nper_day = 9\nper_30_days = 9\n[retries]\nattempts = 2\nbusy = \"6s\"\n\
                no_answer = \"6s\"\nfailed = \"6s\"\nvoicemail = \"6s\"";
    let (_folder, sim, shop) = town("50", "", soon, 30);
    let first = run(&mut shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"]));
    assert!([0, 3].contains(&code(&first)));
    let before = calls(&sim);
    // Whoever was busy at the start may be due again by now: another round until nobody is, and some will be.
    let due = |shop: &Shop| shop.status()["ready_later"].as_u64().expect("a number");
    assert!(due(&shop) > 0, "some were busy or did not answer");
    let waited = run(&mut shop.campaign(&["run", "c", "--yes", "--drain", "--wait"]));
    let words = String::from_utf8_lossy(&waited.stderr).into_owned();
    assert!([0, 3].contains(&code(&waited)), "{words}");
    assert!(calls(&sim) > before, "it called when somebody was due: {words}");

    // Closed today: nobody is called, and the wait ends by the operator's hand or its time.
    let file = shop.path("campaigns/c/campaign.toml");
    let text = std::fs::read_to_string(&file).expect("read");
    let other_day = (jiff::Zoned::now().weekday().to_monday_zero_offset() + 3) % 7;
    let day = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"][usize::try_from(other_day).expect("a weekday")];
    std::fs::write(&file, text.replace("any = true", &format!("days = [\"{day}\"]"))).expect("written");
    let people = "phone,consent\n+442079460900,recorded; 2026-09-02; web form\n";
    std::fs::write(shop.path("more.csv"), people).expect("written");
    let import = common::ahoy(shop.dir.path())
        .args(["leads", "import"])
        .arg(shop.path("more.csv"))
        .args(["--campaign", "c"])
        .output()
        .expect("it starts");
    assert_eq!(code(&import), 0);
    let before = calls(&sim);
    let (child, told) = spoken(&shop, &["run", "c", "--yes", "--drain", "--wait"]);
    hear(&told, "waiting: the next person may be called at");
    signal(child.id(), "INT");
    assert_eq!(ended(child), 130);
    let timed = run(&mut shop.campaign(&["run", "c", "--yes", "--drain", "--wait", "--max-runtime", "2s"]));
    assert_eq!(code(&timed), 10, "its time is over, and leads wait for their hours");
    assert_eq!(calls(&sim), before, "nobody was called outside the hours");
}

#[test]
fn what_still_rings_is_cancelled_five_seconds_before_the_time_is_up_and_who_talks_may_go_on() {
    let once = "[retries]\nattempts = 1\nbusy = \"9h\"\nno_answer = \"9h\"\nfailed = \"9h\"";
    let (_folder, sim, shop) = town("1", "ring_timeout = \"40s\"", once, 60);
    let began = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
    let child = spawn(&mut shop.campaign(&["run", "c", "--yes", "--quiet", "--max-runtime", "16s"]));
    let exit = ended(child);
    assert!([3, 10].contains(&exit), "{exit}");
    let text = std::fs::read_to_string(&sim.log).expect("the carrier's log");
    let (lines, _) = line::read(&text);
    let cancelled: Vec<u128> = lines
        .iter()
        .filter(|line| matches!(line.what, What::Ended { status: CallStatus::Canceled, .. }))
        .map(|line| u128::try_from(line.wall).expect("after 1970"))
        .collect();
    assert!(!cancelled.is_empty(), "somebody let it ring");
    // 16 s less 5 s; a machine that is slow makes it later, never earlier.
    assert!(cancelled.iter().all(|at| *at >= began + 11_000), "cancelled too early: {cancelled:?} after {began}");
    let log = sim.read_log();
    assert!(log.calls.iter().all(|call| call.ended.is_some()), "nobody is left on the line");
    let first = log.calls.iter().filter_map(|call| call.ended.filter(|it| it.1 == CallStatus::Canceled)).map(|it| it.0);
    let first = first.min().expect("one was cancelled");
    let talked_on = log.calls.iter().filter(|call| call.answered_us.is_some_and(|at| at < first));
    assert!(talked_on.filter(|call| call.ended.is_some_and(|(at, _)| at > first)).count() > 0, "who talked went on");
}
