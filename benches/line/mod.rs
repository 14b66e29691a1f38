//! What the benchmarks of live streams share: a desk that does nothing, the carrier's side of a stream, processes pinned
//! to a core.
#![allow(dead_code)] // each benchmark uses its part

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use ahoy::base::{AttemptId, Secret, Sid};
use ahoy::core::call::{Answerer, CallScript, MachinePlan, PreparedClip};
use ahoy::core::config::{BargeIn, Keys, Recording, Vad};
use ahoy::core::wire::{signature, token};
use ahoy::edge::gateway::guard::Bounds;
use ahoy::run::clock::MachineClock;
use ahoy::run::gateway::{
    self, Boxed, CallDesk, CallSummary, GatewayHandle, GatewayOptions, Overloaded, Registry, StatusEvent,
};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};

pub const KEY: token::TokenKey = [3; 32];
pub const ACCOUNT: &str = "bench";

pub fn attempt(n: u64) -> AttemptId {
    let mut bytes = [0; 10];
    // The first bytes lose bits to the version and the variant of the id.
    bytes[2..].copy_from_slice(&(n & 0x00ff_ffff).to_be_bytes());
    AttemptId::mint(1_790_000_000_000, bytes)
}

pub struct Desk;

impl CallDesk for Desk {
    fn status(&self, _: StatusEvent) -> Boxed<'_, Result<(), Overloaded>> {
        Box::pin(async { Ok(()) })
    }
    fn answered_by(&self, _: AttemptId, _: Answerer) -> Boxed<'_, Result<(), Overloaded>> {
        Box::pin(async { Ok(()) })
    }

    fn opt_out(&self, _: AttemptId) -> Boxed<'_, Result<(), Overloaded>> {
        Box::pin(async { Ok(()) })
    }
    fn stream_started(&self, _: AttemptId, _: Option<Sid>) {}
    fn hang_up(&self, _: AttemptId, _: Sid) -> Boxed<'_, ()> {
        Box::pin(async {})
    }
    fn ended(&self, _: CallSummary) -> Boxed<'_, ()> {
        Box::pin(async {})
    }
}

/// A call that goes on as long as it is let: this greeting (µ-law), both ears on.
pub fn script(greeting: Arc<[u8]>) -> CallScript {
    let ms = Duration::from_millis;
    CallScript {
        greeting: Arc::new(PreparedClip::of("greeting", greeting)),
        opt_out_confirmed: None,
        goodbye: None,
        keys: Keys { opt_out: Some('9'), ..Keys::default() },
        vad: Vad::default(),
        barge_in: BargeIn { restart_under: ms(0), ..BargeIn::default() },
        listen_after: Duration::from_secs(3_600),
        max_call: Duration::from_secs(3_600),
        machines: MachinePlan { speech: Some(Duration::from_secs(4)), ..MachinePlan::default() },
        recording: Recording::default(),
        agent: None,
        desk: None,
        transfers: false,
        bridge: None,
        apology: None,
        call_back: None,
        message: None,
    }
}

/// A gateway on a free port of loopback.
pub fn serving(calls: &Path, registry: Registry) -> GatewayHandle {
    let options = GatewayOptions {
        listen: "127.0.0.1:0".parse().expect("an address"),
        public_url: None,
        auth_tokens: vec![Secret::new(ACCOUNT.to_owned())],
        token_key: KEY,
        calls_dir: calls.to_owned(),
        bounds: Bounds::default(),
        quiet: false,
    };
    gateway::start(options, Arc::new(Desk), registry, Arc::new(MachineClock)).expect("a port")
}

/// Answers each line on stdin with "CPU seconds, resident KiB, lost log parts" of this process, until it ends.
pub fn answer(lost: impl Fn() -> u64) {
    for _line in std::io::stdin().lines() {
        let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
        let fields: Vec<u64> =
            stat.rsplit(')').next().unwrap_or("").split(' ').map(|it| it.parse().unwrap_or(0)).collect();
        let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
        let rss =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")).and_then(|it| it.split_whitespace().next());
        // utime and stime in ticks of 10 ms.
        let cpu = (fields[12] + fields[13]) as f64 / 100.0;
        println!("{cpu} {} {}", rss.unwrap_or("0"), lost());
    }
}

pub fn request(addr: SocketAddr) -> tungstenite::handshake::client::Request {
    let url = format!("ws://{addr}/v1/media");
    let mut request = url.as_str().into_client_request().expect("a URL");
    let signed = signature::sign_upgrade(&Secret::new(ACCOUNT.to_owned()), &url);
    request.headers_mut().insert(signature::HEADER, signed.parse().expect("base64"));
    request
}

pub fn start_message(n: u64) -> Message {
    let token = token::mint(&KEY, attempt(n));
    Message::text(format!(
        "{{\"event\":\"start\",\"sequenceNumber\":\"1\",\"start\":{{\"streamSid\":\"MZ{n}\",\"callSid\":\"CA{n}\",\
         \"mediaFormat\":{{\"encoding\":\"audio/x-mulaw\",\"sampleRate\":8000,\"channels\":1}},\
         \"customParameters\":{{\"token\":\"{token}\"}}}},\"streamSid\":\"MZ{n}\"}}"
    ))
}

/// A client's text message as one WebSocket frame; a mask of zeros leaves the text as it is.
pub fn text_frame(text: &[u8], message: &mut Vec<u8>) {
    message.clear();
    message.extend([0x81, 0x80 | 126]);
    message.extend(u16::try_from(text.len()).expect("a short message").to_be_bytes());
    message.extend([0; 4]);
    message.extend(text);
}

/// A program of this benchmark with a listening server in it, pinned to core 0.
pub struct Server {
    child: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
    pub addr: String,
}

impl Server {
    pub fn start() -> Server {
        Server::begin("serve", None)
    }

    /// The same, which is told a line first.
    pub fn start_with(mode: &str, first: &str) -> Server {
        Server::begin(mode, Some(first))
    }

    fn begin(mode: &str, first: Option<&str>) -> Server {
        let mut child = pinned("0", &[mode]);
        let mut ask = child.stdin.take().expect("piped");
        if let Some(first) = first {
            writeln!(ask, "{first}").expect("it runs");
        }
        let mut answers = BufReader::new(child.stdout.take().expect("piped"));
        let mut addr = String::new();
        answers.read_line(&mut addr).expect("an address");
        Server { child, ask, answers, addr: addr.trim().to_owned() }
    }

    /// CPU seconds, resident KiB, lost log parts.
    pub fn usage(&mut self) -> (f64, f64, f64) {
        writeln!(self.ask).expect("it runs");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("an answer");
        let parts: Vec<f64> = line.split_whitespace().map(|it| it.parse().expect("a number")).collect();
        (parts[0], parts[1], parts[2])
    }

    pub fn end(mut self) {
        drop(self.ask);
        self.child.wait().expect("it ended");
    }
}

pub fn pinned(core: &str, args: &[&str]) -> Child {
    let exe = std::env::current_exe().expect("this program");
    let mut command = Command::new("taskset");
    command.args(["-c", core]).arg(exe).args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
    command.spawn().expect("taskset (util-linux)")
}

/// This machine and what it is doing.
pub fn machine() -> String {
    let model = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        model.lines().find_map(|it| it.strip_prefix("model name")).unwrap_or("unknown").trim_matches(['\t', ':', ' ']);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!("{model}; load before: {}", load.trim())
}
