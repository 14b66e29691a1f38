//! A workspace in a temporary folder, the real binary, and the carrier's log as the judge.
#![allow(dead_code)] // each test file uses its part

pub mod desk;
pub mod process;

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use ahoy::core::sim::line;
use ahoy::core::sim::oracle::Oracle;

pub const ACCOUNT: &str = "AC000000000000000000000000000000e5";
pub const TOKEN: &str = "a-token-for-tests";

pub fn ahoy(workspace: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ahoy"));
    command.arg("--workspace").arg(workspace).env("AHOY_TEST_TOKEN", TOKEN).env_remove("AHOY_LOG");
    command.stdin(Stdio::null());
    command
}

/// Runs to the end; gives the output and prints it for a failing test.
pub fn run(command: &mut Command) -> Output {
    let output = command.output().expect("the program starts");
    println!("{}", String::from_utf8_lossy(&output.stdout));
    println!("{}", String::from_utf8_lossy(&output.stderr));
    for told in [&output.stdout, &output.stderr] {
        assert_eq!(leak(told), None, "law 12: a number or a secret was printed");
    }
    output
}

/// The first planted secret, or whole number of a person or a caller, that `bytes` hold.
pub fn leak(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let mut planted = [TOKEN, "15005550006"].into_iter().filter(|it| text.contains(it)).map(str::to_owned);
    let person = |at: usize| text[at..].bytes().take_while(u8::is_ascii_digit).count() >= 12;
    let mut people =
        text.match_indices("4420794").filter(|(at, _)| person(*at)).map(|(at, _)| text[at..at + 12].to_owned());
    planted.next().or_else(|| people.next())
}

pub fn code(output: &Output) -> i32 {
    output.status.code().expect("it ended by itself")
}

/// A workspace whose assets are rendered by the embedded engine into `target/`'s own cache, shared by all tests.
pub struct Shop {
    pub dir: tempfile::TempDir,
}

pub struct Wish<'a> {
    pub carrier: &'a str,
    pub campaign: &'a str,
    pub leads: usize,
}

impl Shop {
    /// `wish.carrier` is the body of `[carriers.main]`, `wish.campaign` goes on top of campaign.toml.
    pub fn open(wish: &Wish<'_>) -> Shop {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let campaign = dir.path().join("campaigns/c");
        fs::create_dir_all(&campaign).expect("made");
        let shop = Shop { dir };
        fs::write(shop.path("ahoy.toml"), format!("[carriers.main]\n{}\n", wish.carrier)).expect("written");
        let text = format!(
            "purpose = \"service\"\ncarrier = \"main\"\ncallers = [\"+15005550006\"]\n{}\n\
             [greeting]\nen = \"Hello, this is a test of the harbour line. Please stay with us for a moment.\"\n\
             [hours]\nany = true\n",
            wish.campaign
        );
        fs::write(campaign.join("campaign.toml"), text).expect("written");
        fs::write(shop.path("leads.csv"), people(wish.leads)).expect("written");
        let import =
            run(ahoy(shop.dir.path()).args(["leads", "import"]).arg(shop.path("leads.csv")).args(["--campaign", "c"]));
        assert_eq!(code(&import), 0, "import");
        let generate = run(ahoy(shop.dir.path()).args(["cache", "generate", "c", "--quiet"]));
        assert_eq!(code(&generate), 0, "generate");
        shop
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn campaign(&self, arguments: &[&str]) -> Command {
        let mut command = ahoy(self.dir.path());
        command.arg("campaign").args(arguments);
        command
    }

    /// `campaign status --json`.
    pub fn status(&self) -> serde_json::Value {
        let output = run(self.campaign(&["status", "c"]).arg("--json"));
        assert_eq!(code(&output), 0);
        serde_json::from_slice(&output.stdout).expect("one JSON object")
    }
}

/// People with numbers that Ofcom keeps free for drama: 020 7946 0000 to 0999.
pub fn people(count: usize) -> String {
    assert!(count <= 1_000, "there are a thousand such numbers");
    let mut csv = String::from("name,phone,consent\n");
    for at in 0..count {
        writeln!(csv, "Person {at},+4420794{:05},test 2026-11-01", 60_000 + at).expect("a String takes all");
    }
    csv
}

/// `ahoy sim` as a process of its own.
pub struct Sim {
    child: Child,
    pub base_url: String,
    pub log: PathBuf,
}

impl Sim {
    pub fn start(folder: &Path, arguments: &[&str]) -> Sim {
        let log = folder.join("carrier.jsonl");
        let account: &[&str] = if arguments.contains(&"--account-sid") { &[] } else { &["--account-sid", ACCOUNT] };
        let mut child = ahoy(folder)
            .args(["--json", "sim", "--listen", "127.0.0.1:0", "--auth-token", TOKEN])
            .args(account)
            .args(arguments)
            .arg("--log")
            .arg(&log)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut first = String::new();
        let stdout = child.stdout.take().expect("it was piped");
        BufReader::new(stdout).read_line(&mut first).expect("it says where it listens");
        let ready: serde_json::Value = serde_json::from_str(&first).expect("one JSON object");
        let base_url = ready["listening"].as_str().expect("its address").to_owned();
        Sim { child, base_url, log }
    }

    /// Its process, for signals.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn read_log(&self) -> Oracle {
        read_log(&self.log)
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        // A test's carrier dies with it.
        let _gone_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

pub fn read_log(path: &Path) -> Oracle {
    let (lines, bad) = line::read(&fs::read_to_string(path).expect("the carrier's log"));
    assert_eq!(bad, 0, "the carrier's log is whole");
    Oracle::new(&lines)
}

pub fn carrier_at(base_url: &str, extra: &str) -> String {
    format!(
        "kind = \"twilio\"\nbase_url = \"{base_url}\"\naccount_sid = \"{ACCOUNT}\"\n\
         auth_token = {{ env = \"AHOY_TEST_TOKEN\" }}\n{extra}"
    )
}
