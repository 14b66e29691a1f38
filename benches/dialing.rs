//! A campaign at speed against the embedded carrier, whole programs in real time, every call recorded: is the pace kept, is it
//! ever passed, and does anybody wait for a voice? The carrier's own log is the judge.
//!
//! Run with `cargo bench --bench dialing` (17 calls a second, 1,020 a minute, for three minutes) or `-- 25:120` (calls per second,
//! and seconds).

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use ahoy::core::sim::line::{self, What};

const ACCOUNT: &str = "AC000000000000000000000000000000be";
const TOKEN: &str = "a-token-for-benches";

fn ahoy(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ahoy"));
    command.arg("--workspace").arg(folder).env("AHOY_BENCH_TOKEN", TOKEN).stdin(Stdio::null());
    command
}

fn done(command: &mut Command) {
    let output = command.output().expect("the program starts");
    let code = output.status.code();
    assert!(matches!(code, Some(0 | 3)), "{code:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let all = if wanted.is_empty() { vec!["17:180".to_owned()] } else { wanted };
    println!("calls/s  of     rate kept   most in 1 s   answer → first audio ms p50 p99 max   CPU of two cores");
    for run in all {
        let (rate, seconds) = run.split_once(':').expect("RATE:SECONDS");
        measure(rate.parse().expect("a rate"), seconds.parse().expect("seconds"));
    }
}

fn measure(rate: f64, seconds: u64) {
    let dir = tempfile::tempdir().expect("a folder");
    let log = dir.path().join("carrier.jsonl");
    let mut sim = ahoy(dir.path())
        .args(["--json", "sim", "--account-sid", ACCOUNT, "--auth-token", TOKEN, "--calls-per-second", "1000", "--log"])
        .arg(&log)
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut first = String::new();
    BufReader::new(sim.stdout.take().expect("piped")).read_line(&mut first).expect("it says where it listens");
    let ready: serde_json::Value = serde_json::from_str(&first).expect("JSON");
    let base_url = ready["listening"].as_str().expect("an address");
    let config = format!(
        "[carriers.main]\nkind = \"twilio\"\nbase_url = \"{base_url}\"\naccount_sid = \"{ACCOUNT}\"\n\
         auth_token = {{ env = \"AHOY_BENCH_TOKEN\" }}\ncalls_per_second = {rate}\nmax_live_calls = 2000\n"
    );
    fs::write(dir.path().join("ahoy.toml"), config).expect("written");
    let campaign = dir.path().join("campaigns/c");
    fs::create_dir_all(&campaign).expect("made");
    fs::write(
        campaign.join("campaign.toml"),
        "purpose = \"service\"\ncarrier = \"main\"\ncallers = [\"+15005550006\"]\n[hours]\nany = true\n\
         [retries]\nattempts = 1\n[greeting]\n\
         en = \"Hello, this is a test of the harbour line. Please stay with us for a moment.\"\n",
    )
    .expect("written");
    let people = (rate * seconds as f64).ceil() as usize;
    let mut csv = String::from("name,phone,consent\n");
    for at in 0..people {
        writeln!(csv, "Person {at},+4479{:08},test 2026-11-01", 11_000_000 + at).expect("a String");
    }
    let leads = dir.path().join("leads.csv");
    fs::write(&leads, csv).expect("written");
    done(ahoy(dir.path()).args(["leads", "import"]).arg(&leads).args(["--campaign", "c", "--quiet"]));
    done(ahoy(dir.path()).args(["cache", "generate", "c", "--quiet"]));
    let before = cpu();
    let began = std::time::Instant::now();
    done(ahoy(dir.path()).args(["campaign", "run", "c", "--yes", "--drain", "--quiet"]));
    let share = (cpu() - before) / began.elapsed().as_secs_f64() / 2.0;
    // The carrier's process is ended by its signal; its log is whole.
    sim.kill().expect("ends");
    sim.wait().expect("ended");
    tell(rate, share, &line::read(&fs::read_to_string(&log).expect("the log")).0);
}

/// CPU seconds of the whole machine so far, which does nothing else meanwhile.
fn cpu() -> f64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let first = stat.lines().next().unwrap_or_default();
    let ticks: Vec<f64> = first.split_whitespace().skip(1).filter_map(|it| it.parse().ok()).collect();
    // All but idle and waiting for the disk.
    let idle = ticks.iter().skip(3).take(2).sum::<f64>();
    (ticks.iter().sum::<f64>() - idle) / 100.0
}

fn tell(rate: f64, share: f64, lines: &[line::Line]) {
    // Orders as they came, those for numbers that are none among them: the pace is of orders.
    let ordered = |it: &&line::Line| matches!(it.what, What::Created { .. } | What::BadRequest { http: 400, .. });
    let made: Vec<u64> = lines.iter().filter(ordered).map(|it| it.us).collect();
    let span = (made[made.len() - 1] - made[0]) as f64 / 1_000_000.0;
    let kept = (made.len() - 1) as f64 / span / rate;
    let mut most = 0;
    for (at, us) in made.iter().enumerate() {
        most = most.max(made[at..].iter().take_while(|later| **later < us + 1_000_000).count());
    }
    let mut answered = std::collections::HashMap::new();
    let mut waits = Vec::new();
    let mut unheard = 0_usize;
    for line in lines {
        match &line.what {
            What::Status { status, .. } if status.as_str() == "in-progress" => {
                answered.insert(line.sid.as_str(), line.us);
            }
            What::FirstMediaIn { .. } => {
                if let Some(us) = answered.remove(line.sid.as_str()) {
                    waits.push((line.us - us) as f64 / 1_000.0);
                }
            }
            What::StreamFailed { .. } => unheard += 1,
            _ => {}
        }
    }
    waits.sort_by(f64::total_cmp);
    let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize];
    println!(
        "{rate:<8} {:<6} {:>7.2} %   {most:<13} {:.2} {:.2} {:.2} (of {})   {:.0} %; {unheard} streams failed",
        made.len(),
        kept * 100.0,
        at(0.5),
        at(0.99),
        at(1.0),
        waits.len(),
        share * 100.0
    );
}
