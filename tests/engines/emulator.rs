//! A speech service on loopback that checks every request as the provider would, and misbehaves when told to.
//!
//! HTTP/1.1 by hand: what a library would repair (lengths that lie, drips, resets) is the point here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ahoy::edge::engine::Boxed;
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub query: BTreeMap<String, String>,
    pub headers: BTreeMap<String, String>,
    pub body: Value,
    /// The body as it came.
    pub raw: Vec<u8>,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply {
    pub http: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn json(http: u16, body: &Value) -> Reply {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Reply { http, headers, body: body.to_string().into_bytes() }
    }

    pub fn with(mut self, name: &str, value: &str) -> Reply {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// What happens to the sound or to the wire. One variant a row of the table in `main.rs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Well,
    /// The provider's own error for this status.
    Error(u16),
    /// 429: too many requests of this account at once.
    Crowd,
    /// 429, and when to come again.
    BusyUntil(&'static str),
    /// Status 502 with a page of HTML.
    BadGateway,
    /// Status 200 with a page of HTML.
    Html,
    /// Status 200 with nothing.
    Empty,
    /// Status 200 with an error body.
    ErrorInGood,
    /// A redirect to another host.
    Redirect,
    /// Half of the answer, then the connection closes.
    ShortBody,
    /// A whole answer whose sound stops in mid-voice.
    CutSound,
    /// Sound at twice the rate that was asked for or is told.
    WrongRate,
    Silence,
    /// Sound a tenth as long as its text.
    Tenth,
    /// A byte now and then, for ever.
    Drip,
    /// The connection is reset after the request.
    Reset,
    /// No answer at all.
    Hang,
    /// Other words than the text, by a service that says what it said.
    Reworded,
    /// The good answer after so many ms; what it does is done even if nobody waits for it any more.
    Slow(u64),
    /// The connection is reset at once; what was asked for is done after so many ms.
    Lost(u64),
}

/// One provider's dialect: what it takes, what it answers.
pub trait Vendor: Send + Sync + 'static {
    /// `Err` = the reply with which the provider refuses this request.
    fn check(&self, seen: &Seen) -> Result<(), Reply>;
    /// The good answer to a request, with its sound changed by the act.
    fn answer(&self, seen: &Seen, act: Act) -> Reply;
    /// What this request meets instead, if the provider knows better than the test's list.
    fn act(&self, _: &Seen, act: Act) -> Act {
        act
    }
    /// The provider's words for too many requests at once, if it has any of its own.
    fn crowd(&self) -> Reply {
        Reply { http: 429, headers: Vec::new(), body: Vec::new() }
    }
    /// Whether this request opens a socket, which [`Vendor::talk`] then serves.
    fn is_socket(&self, _: &Seen) -> bool {
        false
    }
    /// Serves a socket to its end; `Err` = why the provider would have refused a message.
    fn talk<'a>(&'a self, _: &'a mut Talk, _: &'a Seen, _: Act) -> Boxed<'a, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }
    /// The provider's error of this status; its words repeat the key that was sent.
    fn error(&self, http: u16, seen: &Seen) -> Reply;
}

/// A socket's messages, as JSON.
pub struct Talk(WebSocketStream<TcpStream>);

impl Talk {
    /// The next message; `None` = the peer has gone.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            match self.0.next().await?.ok()? {
                Message::Text(text) => return serde_json::from_str(text.as_str()).ok(),
                Message::Binary(bytes) => return serde_json::from_slice(&bytes).ok(),
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    /// Whether it could be sent is the other side's affair.
    pub async fn send(&mut self, message: &Value) {
        let _gone = self.0.send(Message::text(message.to_string())).await;
    }

    /// As binary frames, which some services use.
    pub async fn send_binary(&mut self, message: &Value) {
        let _gone = self.0.send(Message::binary(message.to_string().into_bytes())).await;
    }

    pub async fn close(&mut self, code: u16, reason: &str) {
        let frame = CloseFrame { code: code.into(), reason: reason.to_owned().into() };
        let _gone = self.0.close(Some(frame)).await;
        // Until the other side has read it.
        while self.0.next().await.is_some_and(|it| it.is_ok()) {}
    }
}

/// The running service.
pub struct Emulator {
    pub base_url: String,
    state: Arc<State>,
    stop: watch::Sender<bool>,
}

struct State {
    vendor: Box<dyn Vendor>,
    acts: Mutex<(Vec<Act>, Act)>,
    seen: Mutex<Vec<Seen>>,
    refused: Mutex<Vec<String>>,
}

impl Emulator {
    /// Starts on a free port of loopback; every request meets `act`.
    pub async fn start(vendor: impl Vendor, act: Act) -> Emulator {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base_url = format!("http://{}", listener.local_addr().expect("its address"));
        let state = Arc::new(State {
            vendor: Box::new(vendor),
            acts: Mutex::new((Vec::new(), act)),
            seen: Mutex::default(),
            refused: Mutex::default(),
        });
        let (stop, stopped) = watch::channel(false);
        let served = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (state, mut stopped) = (Arc::clone(&served), stopped.clone());
                tokio::spawn(async move {
                    tokio::select! {
                        _ = serve(socket, &state) => {}
                        _ = stopped.wait_for(|stopped| *stopped) => {}
                    }
                });
            }
        });
        Emulator { base_url, state, stop }
    }

    /// The next requests meet these acts, the first first; later ones the emulator's own.
    pub fn next(&self, acts: &[Act]) {
        let mut acts = acts.to_vec();
        acts.reverse();
        self.state.acts.lock().expect("whole").0 = acts;
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().expect("whole").clone()
    }

    /// Why the provider refused requests; empty = every request was as documented.
    pub fn refused(&self) -> Vec<String> {
        self.state.refused.lock().expect("whole").clone()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

async fn serve(mut socket: TcpStream, state: &State) -> std::io::Result<()> {
    while let Some(seen) = read(&mut socket).await? {
        state.seen.lock().expect("whole").push(seen.clone());
        if let Err(reply) = state.vendor.check(&seen) {
            state.refused.lock().expect("whole").push(String::from_utf8_lossy(&reply.body).into_owned());
            write(&mut socket, &reply).await?;
            continue;
        }
        let act = {
            let mut acts = state.acts.lock().expect("whole");
            acts.0.pop().unwrap_or(acts.1)
        };
        let vendor = &state.vendor;
        let act = vendor.act(&seen, act);
        let by_hand = matches!(
            act,
            Act::Error(_)
                | Act::BusyUntil(_)
                | Act::BadGateway
                | Act::Html
                | Act::Empty
                | Act::Redirect
                | Act::Reset
                | Act::Hang
        );
        if vendor.is_socket(&seen) && !by_hand {
            let key = seen.headers.get("sec-websocket-key").cloned().unwrap_or_default();
            let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes());
            let head = format!(
                "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: {accept}\r\n\r\n"
            );
            socket.write_all(head.as_bytes()).await?;
            let mut talk = Talk(WebSocketStream::from_raw_socket(socket, Role::Server, None).await);
            if let Err(why) = vendor.talk(&mut talk, &seen, act).await {
                state.refused.lock().expect("whole").push(why);
            }
            return Ok(());
        }
        let html = |http: u16| Reply {
            http,
            headers: vec![("content-type".to_owned(), "text/html".to_owned())],
            body: b"<!DOCTYPE html><html><body>We will be right back</body></html>".to_vec(),
        };
        match act {
            Act::Well | Act::CutSound | Act::WrongRate | Act::Silence | Act::Tenth | Act::Reworded => {
                write(&mut socket, &vendor.answer(&seen, act)).await?;
            }
            Act::Crowd => write(&mut socket, &vendor.crowd()).await?,
            Act::Error(http) => write(&mut socket, &vendor.error(http, &seen)).await?,
            Act::BusyUntil(after) => {
                write(&mut socket, &vendor.error(429, &seen).with("retry-after", after)).await?;
            }
            Act::BadGateway => write(&mut socket, &html(502)).await?,
            Act::Html => write(&mut socket, &html(200)).await?,
            Act::Empty => write(&mut socket, &Reply { http: 200, headers: Vec::new(), body: Vec::new() }).await?,
            Act::ErrorInGood => {
                write(&mut socket, &Reply { http: 200, ..vendor.error(500, &seen) }).await?;
            }
            Act::Redirect => {
                let reply = Reply { http: 307, headers: Vec::new(), body: Vec::new() };
                write(&mut socket, &reply.with("location", "http://localhost:9/elsewhere")).await?;
            }
            Act::ShortBody => {
                let reply = vendor.answer(&seen, Act::Well);
                let bytes = [head(&reply), reply.body[..reply.body.len() / 2].to_vec()].concat();
                socket.write_all(&bytes).await?;
                return socket.shutdown().await;
            }
            Act::Drip => {
                let reply = vendor.answer(&seen, Act::Well);
                socket.write_all(&head(&reply)).await?;
                for byte in reply.body {
                    socket.write_all(&[byte]).await?;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            Act::Reset => {
                // With something unread and no time to linger, the kernel answers the peer with RST.
                socket.set_zero_linger()?;
                return Ok(());
            }
            Act::Hang => std::future::pending().await,
            Act::Slow(ms) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                write(&mut socket, &vendor.answer(&seen, Act::Well)).await?;
            }
            Act::Lost(ms) => {
                socket.set_zero_linger()?;
                drop(socket);
                tokio::time::sleep(Duration::from_millis(ms)).await;
                let _nobody_reads = vendor.answer(&seen, Act::Well);
                return Ok(());
            }
        }
    }
    Ok(())
}

fn head(reply: &Reply) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {} Whatever\r\ncontent-length: {}\r\n", reply.http, reply.body.len());
    for (name, value) in &reply.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.into_bytes()
}

async fn write(socket: &mut TcpStream, reply: &Reply) -> std::io::Result<()> {
    socket.write_all(&[head(reply), reply.body.clone()].concat()).await
}

/// Reads one request; `None` = the peer has gone.
async fn read(socket: &mut TcpStream) -> std::io::Result<Option<Seen>> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        if socket.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let text = String::from_utf8(bytes[..end].to_vec()).expect("a head is text");
    let mut lines = text.split("\r\n");
    let mut first = lines.next().expect("a first line").split(' ');
    let (method, target) = (first.next().expect("a method").to_owned(), first.next().expect("a target").to_owned());
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length: usize = headers.get("content-length").map_or(0, |text| text.parse().expect("a length"));
    let mut body = bytes.split_off(end + 4);
    while body.len() < length {
        if socket.read_buf(&mut body).await? == 0 {
            return Ok(None);
        }
    }
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let query = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (name.to_owned(), value.to_owned())
    });
    let raw = body;
    let body = if raw.is_empty() { Value::Null } else { serde_json::from_slice(&raw).unwrap_or(Value::Null) };
    Ok(Some(Seen { method, path: path.to_owned(), query: query.collect(), headers, body, raw }))
}
