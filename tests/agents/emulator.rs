//! A provider of realtime agents on loopback: sockets, a simple ear, and a notebook of what its sessions saw.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use ahoy::core::sound::g711::ulaw_decode;
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::elevenlabs::ElevenLabs;
use crate::gemini::Gemini;
use crate::openai::OpenAi;

/// What every agent here says: speech, four seconds of it.
pub const SPEECH: &[u8] = include_bytes!("../../src/core/sim/clips/voicemail.ulaw");

/// How a session goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Well,
    /// Its first word comes after so many milliseconds.
    Late(u64),
    /// It takes the connection and says nothing.
    Hangs,
    /// It never confirms its configuration.
    NeverReady,
    /// It speaks another format than it was asked for.
    WrongFormat,
    /// It dies while it speaks.
    ClosesMidWord,
    /// An error event in the middle of its words.
    Errors,
    /// The names of the beta.
    Beta,
    /// It talks for ever.
    Floods,
    /// Some of its sound is no base64.
    BadBase64,
    /// Fields and events that nobody knows.
    Surplus,
    /// It calls a function in its first answer.
    Tool(&'static str),
    /// It ends the call with its second answer.
    Ends,
    /// Its answers fail.
    Fails,
    /// Its answers have no sound.
    Silent,
    /// It refuses the connection: 401.
    Refuses,
    /// Too many at once: 429.
    Crowded,
    /// Its first answer is refused: too much was asked of it.
    Limited,
    /// It says that its connection ends soon, and closes it; the session goes on over the next one.
    GoesAway,
}

/// What a session saw.
#[derive(Debug, Default, Clone)]
pub struct Seen {
    /// The act's number in the path.
    pub act: usize,
    /// Messages of the client but sound.
    pub messages: Vec<Value>,
    /// What the provider would have refused.
    pub wrong: Vec<String>,
    /// Turns of the callee.
    pub turns: usize,
    /// Answers that sounded.
    pub spoken: usize,
    /// The session ended.
    pub over: bool,
}

#[derive(Clone, Default)]
pub struct Notebook(Arc<Mutex<Seen>>);

impl Notebook {
    fn with(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.0.lock().expect("no panic holds it"));
    }

    pub fn message(&self, message: &Value) {
        self.with(|seen| seen.messages.push(message.clone()));
    }

    pub fn wrong(&self, what: &str) {
        self.with(|seen| seen.wrong.push(what.to_owned()));
    }

    pub fn turn(&self) {
        self.with(|seen| seen.turns += 1);
    }

    pub fn speaks(&self) {
        self.with(|seen| seen.spoken += 1);
    }
}

/// Whose protocol is spoken.
pub enum Vendor {
    OpenAi(OpenAi),
    Gemini(Box<Gemini>),
    ElevenLabs(ElevenLabs),
}

impl Vendor {
    fn check(&self, path: &str, query: &str, headers: &[(String, String)]) -> Result<(), String> {
        let header = |name: &str| headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str());
        let (key, wanted) = match self {
            Vendor::OpenAi(_) => ("authorization", "Bearer sk-test-of-agents"),
            Vendor::Gemini(_) => ("x-goog-api-key", "sk-test-of-agents"),
            Vendor::ElevenLabs(_) => ("xi-api-key", "sk-test-of-agents"),
        };
        if header(key) != Some(wanted) {
            return Err("the key is wrong".to_owned());
        }
        let there = match self {
            Vendor::OpenAi(_) if header("openai-beta").is_some() => return Err("the beta is over".to_owned()),
            Vendor::OpenAi(_) => path.ends_with("/v1/realtime") && query.starts_with("model=gpt-realtime"),
            Vendor::Gemini(_) => {
                path.ends_with("/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent")
            }
            Vendor::ElevenLabs(_) => path.ends_with("/v1/convai/conversation") && query == "agent_id=a&token=signed",
        };
        if there { Ok(()) } else { Err(format!("{path}?{query} is not there")) }
    }

    async fn serve(&self, talk: &mut Talk, notes: &Notebook, act: Act) -> Result<(), String> {
        match self {
            Vendor::OpenAi(it) => it.serve(talk, notes, act).await,
            Vendor::Gemini(it) => it.serve(talk, notes, act).await,
            Vendor::ElevenLabs(it) => it.serve(talk, notes, act).await,
        }
    }
}

/// A running provider. Sessions of `http://ADDRESS/N` follow `acts[N]`.
pub struct Provider {
    pub addr: SocketAddr,
    /// As `[agents.NAME] kind` has it, and what else the section needs.
    pub kind: &'static str,
    sessions: Arc<Mutex<Vec<Notebook>>>,
    _runtime: tokio::runtime::Runtime,
}

impl Provider {
    pub fn start(vendor: Vendor, acts: Vec<Act>) -> Provider {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("starts");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let addr = listener.local_addr().expect("bound");
        let kind = match vendor {
            Vendor::OpenAi(_) => "openai-realtime",
            Vendor::Gemini(_) => "gemini-live",
            // The rest of the line closes the quotes of the kind.
            Vendor::ElevenLabs(_) => "elevenlabs\"\nagent_id = \"a",
        };
        let sessions = Arc::new(Mutex::new(Vec::new()));
        let (kept, vendor) = (Arc::clone(&sessions), Arc::new(vendor));
        runtime.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                if signs(&mut stream, addr).await {
                    continue;
                }
                let notes = Notebook::default();
                kept.lock().expect("no panic holds it").push(notes.clone());
                tokio::spawn(session(stream, notes, acts.clone(), Arc::clone(&vendor)));
            }
        });
        Provider { addr, kind, sessions, _runtime: runtime }
    }

    /// What the sessions of an act saw.
    pub fn seen(&self, act: usize) -> Vec<Seen> {
        let sessions = self.sessions.lock().expect("no panic holds it");
        let all = sessions.iter().map(|notes| notes.0.lock().expect("no panic holds it").clone());
        all.filter(|seen| seen.act == act).collect()
    }
}

/// ElevenLabs: signs the address of a conversation, if that is what is asked for.
async fn signs(stream: &mut TcpStream, addr: SocketAddr) -> bool {
    let mut head = [0; 200];
    let read = stream.peek(&mut head).await.unwrap_or(0);
    let head = String::from_utf8_lossy(&head[..read]).into_owned();
    let Some((before, _)) = head.split_once("/v1/convai/conversation/get-signed-url?agent_id=a ") else { return false };
    let base = before.trim_start_matches("GET ");
    let mut all = vec![0; 4_096];
    // A request without a body, small enough to come at once.
    let _read = stream.read(&mut all).await;
    let url = format!("ws://{addr}{base}/v1/convai/conversation?agent_id=a&token=signed");
    let body = format!(r#"{{"signed_url":"{url}"}}"#);
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let _written = stream.write_all(answer.as_bytes()).await;
    true
}

async fn session(stream: TcpStream, notes: Notebook, acts: Vec<Act>, vendor: Arc<Vendor>) {
    let (mut refused, mut act) = (None, Act::Well);
    // The callback's type is the library's.
    #[allow(clippy::result_large_err)]
    let look = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        let path = request.uri().path();
        let number = path.trim_start_matches('/').split('/').next().and_then(|nth| nth.parse().ok()).unwrap_or(0);
        act = acts[number];
        notes.with(|seen| seen.act = number);
        let headers: Vec<(String, String)> = request
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or("").to_owned()))
            .collect();
        let checked = vendor.check(path, request.uri().query().unwrap_or(""), &headers);
        if matches!(act, Act::Refuses | Act::Crowded) || checked.is_err() {
            refused = checked.err();
            let body =
                r#"{"error":{"message":"Incorrect API key","type":"invalid_request_error","code":"invalid_api_key"}}"#;
            let mut response = ErrorResponse::new(Some(body.to_owned()));
            let crowded = act == Act::Crowded && refused.is_none();
            *response.status_mut() = if crowded { StatusCode::TOO_MANY_REQUESTS } else { StatusCode::UNAUTHORIZED };
            return Err(response);
        }
        Ok(response)
    };
    let accepted = tokio_tungstenite::accept_hdr_async(stream, look).await;
    if let Some(why) = refused {
        notes.wrong(&why);
    }
    if let Ok(socket) = accepted {
        let mut talk = Talk(socket);
        if let Err(why) = vendor.serve(&mut talk, &notes, act).await {
            notes.wrong(&why);
        }
    }
    notes.with(|seen| seen.over = true);
}

/// A socket's messages, as JSON.
pub struct Talk(WebSocketStream<TcpStream>);

impl Talk {
    /// The next message; `None` = the peer has gone.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            match self.0.next().await?.ok()? {
                Message::Text(text) => return serde_json::from_str(text.as_str()).ok(),
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    pub async fn send(&mut self, message: &Value) {
        // A client that has gone is noticed by `next`.
        let _gone = self.0.send(Message::text(message.to_string())).await;
    }

    pub async fn close(&mut self, code: u16, reason: &'static str) {
        let frame = CloseFrame { code: code.into(), reason: reason.into() };
        let _gone = self.0.close(Some(frame)).await;
    }
}

pub enum Edge {
    On { at_ms: u64 },
    Off { at_ms: u64 },
}

/// Speech by its loudness, counted in samples.
#[derive(Default)]
pub struct Ear {
    pub silence_ms: u64,
    samples: u64,
    loud: u64,
    quiet: u64,
    speaks: bool,
}

impl Ear {
    pub fn hear(&mut self, ulaw: &[u8]) -> Vec<Edge> {
        let mut edges = Vec::new();
        for frame in ulaw.chunks(160) {
            let sum: i64 = frame.iter().map(|code| i64::from(ulaw_decode(*code)).abs()).sum();
            self.samples += frame.len() as u64;
            let loud = sum / frame.len() as i64 > 300;
            (self.loud, self.quiet) = if loud { (self.loud + 1, 0) } else { (0, self.quiet + 1) };
            let at_ms = self.samples / 8;
            if !self.speaks && self.loud >= 3 {
                self.speaks = true;
                edges.push(Edge::On { at_ms });
            } else if self.speaks && self.quiet * 20 >= self.silence_ms {
                self.speaks = false;
                edges.push(Edge::Off { at_ms });
            }
        }
        edges
    }
}
