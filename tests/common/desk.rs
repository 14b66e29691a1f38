//! A desk as a process, the carrier's people who call it, and an HTTP request of a stranger's making.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use ahoy::core::sim::line::{self, What};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::process::signal;
use super::{ACCOUNT, Shop, Sim, TOKEN, Wish, ahoy, carrier_at, code, leak, run};

pub const NUMBER: &str = "+15005550006";

/// `ahoy serve`, until it is dropped.
pub struct Desk {
    child: Child,
    pub answer_url: String,
    pub places: u64,
    api: String,
}

const API_TOKEN: &str = "a-token-of-the-test-desk";

impl Desk {
    pub fn serve(shop: &Shop) -> Desk {
        let mut child = ahoy(shop.dir.path())
            .args(["--json", "serve"])
            .env("AHOY_TEST_AGENT", "sk-test-of-agents")
            .env("AHOY_TEST_API", API_TOKEN)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut said = BufReader::new(child.stdout.take().expect("it was piped")).lines();
        let mut look = || -> Value {
            let line = said.next().expect("it says where it listens").expect("UTF-8");
            serde_json::from_str(&line).expect("one JSON object")
        };
        let desk = look();
        let has_api = std::fs::read_to_string(shop.path("ahoy.toml")).expect("there").contains("[api]");
        let api = if has_api { look()["api"].as_str().expect("its address").to_owned() } else { String::new() };
        let answer_url = desk["answer_url"].as_str().expect("its address").to_owned();
        Desk { child, answer_url, places: desk["places"].as_u64().expect("places"), api }
    }

    /// Asks its API, with the token.
    pub fn get(&self, path: &str) -> (u16, String) {
        self.get_as(API_TOKEN, path)
    }

    /// Asks its API, with this token.
    pub fn get_as(&self, token: &str, path: &str) -> (u16, String) {
        asked("GET", &self.api, path, &format!("Authorization: Bearer {token}\r\n"), "")
    }

    /// Ends it as the kernel would: nothing more is written.
    pub fn kill(mut self) {
        self.child.kill().expect("it ran");
        self.child.wait().expect("it ends");
    }

    /// Ends it as a service manager would, and gives what it said.
    pub fn stop(mut self) -> (Option<i32>, String) {
        signal(self.child.id(), "TERM");
        let ended = self.child.wait().expect("it ends");
        let mut said = String::new();
        self.child.stderr.take().expect("piped").read_to_string(&mut said).expect("UTF-8");
        assert_eq!(leak(said.as_bytes()), None, "law 12");
        (ended.code(), said)
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _gone_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A workspace with a desk at the carrier of this process.
pub fn shop(sim: &Sim, campaign: &str, leads: usize) -> Shop {
    let carrier = carrier_at(&sim.base_url, "calls_per_second = 50\nmax_live_calls = 100");
    let shop = Shop::open(&Wish { carrier: &carrier, campaign, leads });
    let config = std::fs::read_to_string(shop.path("ahoy.toml")).expect("there");
    let api = "[api]\nlisten = \"127.0.0.1:0\"\ntoken = { env = \"AHOY_TEST_API\" }\n";
    std::fs::write(shop.path("ahoy.toml"), format!("{config}\n{api}")).expect("written");
    std::fs::write(
        shop.path("campaigns/c/phrases.toml"),
        "[internet-pending]\nen = \"Hello again. We are still working on your internet connection.\"\n",
    )
    .expect("written");
    assert_eq!(code(&run(ahoy(shop.dir.path()).args(["cache", "generate", "c", "--quiet"]))), 0);
    shop
}

/// An HTTP request of a stranger's making, on a connection of its own; gives the status and the body.
pub fn http(url: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
    asked("POST", url, path, headers, body)
}

fn asked(method: &str, url: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
    let host = url.strip_prefix("http://").expect("http").split('/').next().expect("a host");
    let mut stream = TcpStream::connect(host).expect("connected");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("set");
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    (status, answer.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned()))
}

/// Somebody calls `NUMBER`.
pub fn ring(sim: &Sim, desk: &Desk, from: &str) -> String {
    let auth = STANDARD.encode(format!("{ACCOUNT}:{TOKEN}"));
    let body = form(&[("From", from), ("To", NUMBER), ("Url", &desk.answer_url)]);
    let headers = format!("Authorization: Basic {auth}\r\n");
    let (status, answer) = http(&sim.base_url, "/sim/calls", &headers, &body);
    assert_eq!(status, 201, "{answer}");
    let made: Value = serde_json::from_str(&answer).expect("JSON");
    made["sid"].as_str().expect("a sid").to_owned()
}

pub fn form(pairs: &[(&str, &str)]) -> String {
    let coded = |text: &str| text.replace('%', "%25").replace('+', "%2B").replace('&', "%26").replace(':', "%3A");
    pairs.iter().map(|(name, value)| format!("{name}={}", coded(value))).collect::<Vec<_>>().join("&")
}

pub fn person(at: usize) -> String {
    format!("+4420794{:05}", 60_000 + at)
}

/// Waits until the carrier's log shows that so many calls are over.
pub fn over(sim: &Sim, calls: usize) -> Vec<line::Line> {
    let until = Instant::now() + Duration::from_secs(120);
    loop {
        let lines = line::read(&std::fs::read_to_string(&sim.log).expect("the log")).0;
        let ended = lines.iter().filter(|line| matches!(line.what, What::Ended { .. })).count();
        if ended >= calls {
            return lines;
        }
        assert!(Instant::now() < until, "{ended} of {calls} calls are over");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Every inbound call as the ledger has it, once all of them are written to their end.
pub fn inbound(shop: &Shop, calls: usize) -> Vec<Value> {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let listed = run(ahoy(shop.dir.path()).args(["calls", "inbound", "--json"]));
        let rows: Vec<Value> = String::from_utf8_lossy(&listed.stdout)
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        if rows.iter().filter(|row| !row["cause"].is_null()).count() >= calls {
            return rows;
        }
        assert!(Instant::now() < until, "{rows:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Everybody who may be cloned: one sample, and their consent.
pub fn consents(shop: &Shop, people: usize) {
    let folder = shop.path("samples");
    std::fs::create_dir_all(&folder).expect("made");
    let rows: String =
        (0..people).map(|at| format!("{},2026-11-01,may clone my voice,voice.wav\n", person(at))).collect();
    std::fs::write(folder.join("samples.csv"), format!("caller,consented_on,consent,sample\n{rows}")).expect("written");
    let wave = |at: usize| (if at % 1_600 < 1_200 { (at as f64 * 0.3).sin() * 8_000.0 } else { 0.0 }) as i16;
    let samples = (0..12 * 8_000).map(wave).collect();
    let sound = ahoy::core::sound::wav::write(&ahoy::core::sound::Pcm { samples, rate: 8_000 });
    std::fs::write(folder.join("voice.wav"), sound).expect("written");
}
