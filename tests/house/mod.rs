//! A gateway over real loopback sockets, a desk that keeps what it is told, and the carrier's end of a stream.
#![allow(dead_code)] // each test file uses its part

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ahoy::base::{AttemptId, Boot, Secret, Sid};
use ahoy::core::call::{Answerer, CallScript, MachinePlan, PreparedClip};
use ahoy::core::config::{BargeIn, Keys, Recording, Vad};
use ahoy::core::wire::{form, signature, token};
use ahoy::edge::carrier::StreamProof;
use ahoy::edge::gateway::guard::Bounds;
use ahoy::run::clock::MachineClock;
use ahoy::run::gateway::{
    Boxed, CallDesk, CallSummary, Expected, GatewayHandle, GatewayOptions, Overloaded, Registry, StatusEvent, start,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio_tungstenite::tungstenite::{Error, Message, client::IntoClientRequest};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

pub const KEY: token::TokenKey = [7; 32];
pub const ACCOUNT: &str = "12345";

/// A desk that keeps what it is told; its ledger can be held up.
pub struct Desk {
    pub statuses: Mutex<Vec<StatusEvent>>,
    pub opt_outs: Mutex<Vec<AttemptId>>,
    pub started: Mutex<Vec<(AttemptId, Option<Sid>)>>,
    pub ended: Mutex<Vec<CallSummary>>,
    pub changed: Notify,
    pub ledger_open: watch::Sender<bool>,
    pub full: AtomicBool,
}

impl CallDesk for Desk {
    fn status(&self, event: StatusEvent) -> Boxed<'_, Result<(), Overloaded>> {
        let mut open = self.ledger_open.subscribe();
        Box::pin(async move {
            open.wait_for(|open| *open).await.expect("the desk lives");
            if self.full.load(Ordering::SeqCst) {
                return Err(Overloaded);
            }
            self.statuses.lock().expect("whole").push(event);
            Ok(())
        })
    }

    fn answered_by(&self, _: AttemptId, _: Answerer) -> Boxed<'_, Result<(), Overloaded>> {
        Box::pin(async { Ok(()) })
    }

    fn opt_out(&self, attempt: AttemptId) -> Boxed<'_, Result<(), Overloaded>> {
        let mut open = self.ledger_open.subscribe();
        Box::pin(async move {
            open.wait_for(|open| *open).await.expect("the desk lives");
            self.opt_outs.lock().expect("whole").push(attempt);
            Ok(())
        })
    }

    fn stream_started(&self, attempt: AttemptId, sid: Option<Sid>) {
        self.started.lock().expect("whole").push((attempt, sid));
    }

    fn hang_up(&self, _: AttemptId, _: Sid) -> Boxed<'_, ()> {
        Box::pin(async {})
    }

    fn ended(&self, summary: CallSummary) -> Boxed<'_, ()> {
        self.ended.lock().expect("whole").push(summary);
        self.changed.notify_one();
        Box::pin(async {})
    }
}

pub struct House {
    pub desk: Arc<Desk>,
    pub registry: Registry,
    pub gateway: GatewayHandle,
    pub dir: tempfile::TempDir,
}

pub fn clip(key: &str, ms: usize) -> Arc<PreparedClip> {
    Arc::new(PreparedClip::of(key, (0..ms * 8).map(|i| (i * 7 % 127) as u8).collect::<Vec<_>>().into()))
}

pub fn script() -> Arc<CallScript> {
    let ms = Duration::from_millis;
    Arc::new(CallScript {
        greeting: clip("greeting", 2_345),
        opt_out_confirmed: Some(clip("opt-out-confirmed", 300)),
        goodbye: Some(clip("goodbye", 200)),
        keys: Keys { opt_out: Some('9'), ..Keys::default() },
        vad: Vad { threshold: 0.5, silence: ms(700), prefix_padding: ms(300), min_speech: ms(64) },
        barge_in: BargeIn { restart_under: ms(0), ..BargeIn::default() },
        listen_after: ms(1_000),
        max_call: Duration::from_secs(60),
        machines: MachinePlan::default(),
        recording: Recording::default(),
        agent: None,
        desk: None,
        transfers: false,
        bridge: None,
        apology: None,
        call_back: None,
        message: None,
    })
}

pub fn house() -> House {
    house_with(Bounds::default())
}

pub fn house_with(bounds: Bounds) -> House {
    let dir = tempfile::tempdir().expect("a folder");
    let desk = Arc::new(Desk {
        statuses: Mutex::default(),
        opt_outs: Mutex::default(),
        started: Mutex::default(),
        ended: Mutex::default(),
        changed: Notify::new(),
        ledger_open: watch::channel(true).0,
        full: AtomicBool::new(false),
    });
    let registry = Registry::default();
    let options = GatewayOptions {
        listen: "127.0.0.1:0".parse().expect("an address"),
        public_url: None,
        auth_tokens: vec![Secret::new("another".to_owned()), Secret::new(ACCOUNT.to_owned())],
        token_key: KEY,
        calls_dir: dir.path().join("calls"),
        bounds,
        quiet: false,
    };
    let gateway = start(options, desk.clone(), registry.clone(), Arc::new(MachineClock)).expect("a free port");
    House { desk, registry, gateway, dir }
}

pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

impl House {
    pub fn expect(&self, n: u8) -> (AttemptId, String) {
        self.expect_by(n, StreamProof::Signed)
    }

    pub fn expect_by(&self, n: u8, proof: StreamProof) -> (AttemptId, String) {
        let attempt = AttemptId::mint(1_790_000_000_000, [n; 10]);
        let token = token::mint(&KEY, attempt);
        let expires = Boot(u64::MAX);
        let expected = Expected {
            attempt,
            call: attempt.call(),
            token: token.clone(),
            expires,
            proof,
            script: script(),
            late: None,
        };
        self.registry.expect(expected).expect("room");
        (attempt, token)
    }

    pub fn calls_dir(&self) -> std::path::PathBuf {
        self.dir.path().join("calls")
    }

    pub async fn open(&self, key: &str) -> Result<Socket, Error> {
        let url = self.gateway.stream_url();
        let mut request = url.as_str().into_client_request()?;
        let signed = signature::sign_upgrade(&Secret::new(key.to_owned()), &url);
        request.headers_mut().insert(signature::HEADER, signed.parse().expect("base64"));
        tokio_tungstenite::connect_async(request).await.map(|(socket, _)| socket)
    }

    /// A socket at an address with a token, without a signature.
    pub async fn open_by_token(&self, token: &str) -> Result<Socket, Error> {
        let url = format!("{}/{token}", self.gateway.stream_url());
        tokio_tungstenite::connect_async(url.as_str()).await.map(|(socket, _)| socket)
    }

    pub async fn started(&self, token: &str) -> Far {
        let mut far = Far { socket: self.open(ACCOUNT).await.expect("a socket"), sequence: 0, media_ms: 0 };
        far.say(json!({"event":"connected","protocol":"Call","version":"1.0.0"})).await;
        far.start(token).await;
        far
    }

    pub async fn summary(&self) -> CallSummary {
        loop {
            if let Some(summary) = self.desk.ended.lock().expect("whole").pop() {
                return summary;
            }
            self.desk.changed.notified().await;
        }
    }

    /// Posts a status form; gives the HTTP status and whether the body was empty.
    pub async fn post(&self, token: &str, key: &str, pairs: &[(&str, &str)]) -> (u16, String) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let url = self.gateway.status_url(token);
        let owned: Vec<(String, String)> = pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let signed = signature::sign(&Secret::new(key.to_owned()), &url, &owned);
        let body = form::encode(pairs);
        let path = url.strip_prefix(&self.gateway.public_url).expect("our URL");
        let mut stream = TcpStream::connect(self.gateway.addr).await.expect("a connection");
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\nX-Twilio-Signature: {signed}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.expect("written");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        let status = answer.split(' ').nth(1).and_then(|it| it.parse().ok()).expect("a status");
        (status, answer.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned()))
    }
}

/// The carrier's end of a stream.
pub struct Far {
    pub socket: Socket,
    pub sequence: u64,
    pub media_ms: u64,
}

impl Far {
    pub async fn say(&mut self, mut message: Value) {
        self.sequence += 1;
        message["sequenceNumber"] = json!(self.sequence.to_string());
        self.socket.send(Message::text(message.to_string())).await.expect("open");
    }

    pub async fn start(&mut self, token: &str) {
        let format = json!({"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1});
        self.say(json!({"event":"start","streamSid":"MZ1","start":{"accountSid":"AC1","streamSid":"MZ1",
            "callSid":"CA1","tracks":["inbound"],"mediaFormat":format,"customParameters":{"token":token}}}))
            .await;
    }

    pub async fn frame(&mut self, ulaw: &[u8]) {
        let media = json!({"track":"inbound","chunk":"1","timestamp":(100 + self.media_ms).to_string(),
            "payload":STANDARD.encode(ulaw)});
        self.media_ms += ulaw.len() as u64 / 8;
        self.say(json!({"event":"media","streamSid":"MZ1","media":media})).await;
    }

    pub async fn mark(&mut self, name: &str) {
        self.say(json!({"event":"mark","streamSid":"MZ1","mark":{"name":name}})).await;
    }

    pub async fn hear(&mut self) -> Option<Value> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).expect("JSON")),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    /// Hears until the mark at the end of a clip of `samples`; gives the sound and the marks.
    pub async fn clip(&mut self, samples: usize) -> (Vec<u8>, Vec<String>) {
        let (mut sound, mut marks) = (Vec::new(), Vec::new());
        loop {
            let message = self.hear().await.expect("a clip, not the end");
            match message["event"].as_str() {
                Some("media") => {
                    sound.extend(STANDARD.decode(message["media"]["payload"].as_str().expect("text")).expect("base64"))
                }
                Some("mark") => marks.push(message["mark"]["name"].as_str().expect("text").to_owned()),
                other => panic!("unexpected {other:?}"),
            }
            if sound.len() >= samples && marks.last().is_some_and(|it| it.ends_with(&format!("-{}", samples / 8))) {
                return (sound, marks);
            }
        }
    }

    /// Everything until the socket ends.
    pub async fn rest(&mut self) -> Vec<Value> {
        let mut rest = Vec::new();
        while let Some(message) = self.hear().await {
            rest.push(message);
        }
        rest
    }
}
