//! The emulated Asterisk's `chan_websocket`: it cuts what comes into frames, holds a thousand, and plays one each 20 ms. What the
//! real one refuses, drops or ends a call for is written down as lost.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ahoy::core::sim::callee::FRAME;
use ahoy::core::sound::g711;
use axum::Json;
use axum::extract::ws::{self, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::{Asked, Channel, Did, Held, World, known};

/// Frames that it holds, and where it says that they are too many or few enough.
const MOST: usize = 1_000;
const XOFF: usize = 900;
const XON: usize = 800;

/// Misbehaviour of media sockets. Digits: the last of the callee's number.
#[derive(Default)]
pub struct Faults {
    /// In the first message, the one text in place of the other.
    pub start: Option<(&'static str, &'static str)>,
    /// XOFF comes at so many frames already, XON at half of them.
    pub xoff: Option<usize>,
    /// The socket is closed while the telephone rings.
    pub breaks: Option<char>,
    /// Texts that are none of the protocol come between the frames.
    pub babbles: Option<char>,
    /// Nothing is read any more once the call is answered.
    pub deaf: Option<char>,
    /// The connection of `websocket_client.conf`: its name, and where it goes.
    pub client: Option<(&'static str, String)>,
    /// The subprotocol that it offers there.
    pub protocol: Option<&'static str>,
}

/// What a leg has for its socket.
pub struct Leg {
    connection: String,
    taken: AtomicBool,
    xoff: (usize, usize),
    full: AtomicBool,
    events: mpsc::UnboundedSender<String>,
    told: Mutex<Option<mpsc::UnboundedReceiver<String>>>,
}

impl Leg {
    fn new(connection: &str, xoff: Option<usize>) -> Leg {
        let (events, told) = mpsc::unbounded_channel();
        Leg {
            connection: connection.to_owned(),
            taken: AtomicBool::new(false),
            xoff: xoff.map_or((XOFF, XON), |at| (at, at / 2)),
            full: AtomicBool::new(false),
            events,
            told: Mutex::new(Some(told)),
        }
    }

    pub fn tell(&self, event: String) {
        let _gone = self.events.send(event);
    }

    /// It is time for a frame, with so many held.
    pub fn plays(&self, held: usize) -> bool {
        if held < self.xoff.1 && self.full.swap(false, Ordering::AcqRel) {
            self.tell(json!({ "event": "MEDIA_XON", "channel_id": "x" }).to_string());
        }
        true
    }
}

#[allow(clippy::large_enum_variant)] // one of each
enum Wire {
    Server(WebSocket),
    Client(WebSocketStream<MaybeTlsStream<TcpStream>>),
}

enum In {
    Text(String),
    Binary(Vec<u8>),
    Other,
    Over,
}

impl Wire {
    async fn next(&mut self) -> In {
        match self {
            Wire::Server(socket) => match socket.recv().await {
                Some(Ok(ws::Message::Text(text))) => In::Text(text.to_string()),
                Some(Ok(ws::Message::Binary(bytes))) => In::Binary(bytes.to_vec()),
                Some(Ok(ws::Message::Ping(_) | ws::Message::Pong(_))) => In::Other,
                Some(Ok(ws::Message::Close(_)) | Err(_)) | None => In::Over,
            },
            Wire::Client(socket) => match socket.next().await {
                Some(Ok(tungstenite::Message::Text(text))) => In::Text(text.to_string()),
                Some(Ok(tungstenite::Message::Binary(bytes))) => In::Binary(bytes.to_vec()),
                Some(Ok(tungstenite::Message::Close(_)) | Err(_)) | None => In::Over,
                Some(Ok(_)) => In::Other,
            },
        }
    }

    async fn text(&mut self, text: String) -> Result<(), ()> {
        match self {
            Wire::Server(socket) => socket.send(ws::Message::Text(text.into())).await.map_err(drop),
            Wire::Client(socket) => socket.send(tungstenite::Message::text(text)).await.map_err(drop),
        }
    }

    async fn binary(&mut self, bytes: Vec<u8>) -> Result<(), ()> {
        match self {
            Wire::Server(socket) => socket.send(ws::Message::Binary(bytes.into())).await.map_err(drop),
            Wire::Client(socket) => socket.send(tungstenite::Message::Binary(bytes.into())).await.map_err(drop),
        }
    }
}

pub(super) async fn external(world: Arc<World>, asked: HashMap<String, String>) -> Response {
    let names = [
        "app",
        "channelId",
        "external_host",
        "encapsulation",
        "transport",
        "connection_type",
        "format",
        "transport_data",
    ];
    if let Some(refused) = known(&world, &asked, &names) {
        return refused;
    }
    let get = |name: &str| asked.get(name).map_or("", String::as_str);
    if get("app") != "ahoy" || get("encapsulation") != "none" || get("format") != "ulaw" {
        return world.refuse(400, "a combination of parameters that externalMedia does not take");
    }
    if world.faults.no_module || world.faults.version.is_none() {
        return world.refuse(500, "Allocation failed");
    }
    let Some(rest) = get("transport_data").strip_prefix("f(json)") else {
        return world.refuse(400, "the test reads control messages in JSON");
    };
    let id = get("channelId").to_owned();
    if world.inner().channels.contains_key(&id) {
        return world.refuse(409, "Channel with given unique ID already exists");
    }
    let (uri, connection) = match (get("external_host"), get("connection_type"), &world.faults.media.client) {
        ("INCOMING", "server", _) if rest.is_empty() => (None, uuid::Uuid::new_v4().to_string()),
        (host, "client", Some((name, uri))) if host == *name => {
            let parameters = rest.strip_prefix("v(").and_then(|it| it.strip_suffix(')')).unwrap_or_default();
            (Some(format!("{uri}?{parameters}")), host.to_owned())
        }
        (_, _, _) => return world.refuse(500, "Allocation failed"),
    };
    let socket = Some(Leg::new(&connection, world.faults.media.xoff));
    let leg = Arc::new(super::Leg { socket, ..super::Leg::default() });
    let media = Channel { state: "Down", in_app: false, leg: Some(Arc::clone(&leg)), hang_up: Arc::default() };
    let hang_up = Arc::clone(&media.hang_up);
    world.inner().channels.insert(id.clone(), media);
    if let Some(uri) = uri {
        let mut request = uri.into_client_request().expect("a URI");
        let protocol = world.faults.media.protocol.unwrap_or("media");
        request.headers_mut().insert("sec-websocket-protocol", protocol.parse().expect("a name"));
        match tokio_tungstenite::connect_async(request).await {
            Ok((socket, _)) => {
                tokio::spawn(run(Arc::clone(&world), id.clone(), leg, hang_up, Wire::Client(socket)));
            }
            Err(_) => {
                world.inner().channels.remove(&id);
                return world.refuse(500, "Could not connect");
            }
        }
    }
    Json(json!({ "id": id, "state": "Down", "channelvars": {} })).into_response()
}

pub(super) async fn variable(State(world): State<Arc<World>>, Path(id): Path<String>, Query(asked): Asked) -> Response {
    let leg = world.inner().channels.get(&id).and_then(|it| it.leg.clone());
    match (asked.get("variable").map(String::as_str), leg.as_ref().and_then(|leg| leg.socket.as_ref())) {
        (Some("MEDIA_WEBSOCKET_CONNECTION_ID"), Some(socket)) => {
            Json(json!({ "value": socket.connection })).into_response()
        }
        (_, _) => world.refuse(404, "Variable was not found"),
    }
}

pub(super) async fn media(
    State(world): State<Arc<World>>,
    Path(connection): Path<String>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let is_it = |channel: &Channel| {
        let leg = channel.leg.as_ref().filter(|leg| leg.socket.as_ref().is_some_and(|it| it.connection == connection));
        leg.map(|leg| (Arc::clone(leg), Arc::clone(&channel.hang_up)))
    };
    let found =
        world.inner().channels.iter().find_map(|(id, channel)| is_it(channel).map(|(leg, it)| (id.clone(), leg, it)));
    let Some((id, leg, hang_up)) = found else { return world.refuse(404, "WebSocket instance not found") };
    if headers.get("sec-websocket-protocol").is_none_or(|it| it != "media") {
        return world.refuse(400, "the subprotocol is media");
    }
    if leg.socket.as_ref().expect("it was found by it").taken.swap(true, Ordering::AcqRel) {
        return world.refuse(409, "Another websocket connection exists for this connection id");
    }
    let upgrade = upgrade.protocols(["media"]);
    upgrade.on_upgrade(move |socket| run(world, id, leg, hang_up, Wire::Server(socket)))
}

async fn run(world: Arc<World>, id: String, leg: Arc<super::Leg>, hang_up: Arc<Notify>, mut wire: Wire) {
    let socket = leg.socket.as_ref().expect("made with one");
    let mut told = socket.told.lock().expect("whole").take().expect("run once");
    let start = json!({
        "event": "MEDIA_START", "connection_id": socket.connection, "channel": "WebSocket/x/0x1", "channel_id": id,
        "format": "ulaw", "optimal_frame_size": FRAME, "ptime": 20, "channel_variables": {},
    });
    let (from, to) = world.faults.media.start.unwrap_or_default();
    world.did(Did::Opened { channel: id.clone() });
    let _gone = wire.text(start.to_string().replace(from, to)).await;
    let callee = id.trim_end_matches("-media").to_owned();
    let mut opened = Some(Instant::now());
    let mut clock = tokio::time::interval(Duration::from_millis(20));
    let mut buffer = Buffer::default();
    let mut ticks = 0_u64;
    loop {
        let number = world.inner().ears.get(&callee).map(|it| it.to.clone()).unwrap_or_default();
        let struck = |digit: Option<char>| digit.is_some_and(|digit| number.ends_with(digit));
        let up = world.inner().channels.get(&callee).is_some_and(|it| it.state == "Up");
        let reads = !(up && struck(world.faults.media.deaf));
        tokio::select! {
            _ = clock.tick() => {
                ticks += 1;
                // It is in the application a moment after it was answered.
                if opened.is_some_and(|at| at.elapsed() > Duration::from_millis(30)) {
                    opened = None;
                    if let Some(channel) = world.inner().channels.get_mut(&id) {
                        (channel.state, channel.in_app) = ("Up", true);
                    }
                    world.tell("StasisStart", &id, json!({ "args": [] }));
                }
                if !up && !number.is_empty() && struck(world.faults.media.breaks) {
                    break;
                }
                if struck(world.faults.media.babbles) && ticks.is_multiple_of(5) {
                    let babble = ["MEDIA_XOFF", "{\"event\":7}", "\u{0}", "{\"event\":\"MEDIA_MARK_PROCESSED\"}"];
                    let text = babble[ticks as usize / 5 % babble.len()];
                    if wire.text(text.to_owned()).await.is_err() { break }
                }
                // The line is silent until somebody is there.
                if up {
                    let theirs = leg.theirs.lock().expect("whole").pop_front();
                    if wire.binary(theirs.unwrap_or([0xff; FRAME]).to_vec()).await.is_err() { break }
                }
            }
            event = told.recv() => {
                let Some(event) = event else { break };
                if wire.text(event).await.is_err() { break }
            }
            came = wire.next(), if reads => match came {
                In::Text(text) => command(&world, &id, &leg, &mut buffer, &text),
                In::Binary(bytes) => if !sound(&world, &id, &leg, &mut buffer, &bytes) { break },
                In::Other => {}
                In::Over => break,
            },
            () = hang_up.notified() => break,
        }
    }
    world.destroy(&id, (16, 0));
}

#[derive(Default)]
struct Buffer {
    on: bool,
    held: Vec<u8>,
    /// When XOFF was said: what was on its way then is still taken.
    xoff: Option<Instant>,
}

fn lost(world: &World, id: &str, what: String) {
    world.did(Did::Lost { channel: id.to_owned(), what });
}

fn command(world: &World, id: &str, leg: &super::Leg, buffer: &mut Buffer, text: &str) {
    if text.len() > 128 {
        return lost(world, id, "a command of more than 128 bytes is not read".to_owned());
    }
    let typed: Value = serde_json::from_str(text).unwrap_or_default();
    match typed["command"].as_str() {
        Some("START_MEDIA_BUFFERING") => buffer.on = true,
        Some("MARK_MEDIA") => {
            let mark = json!({
                "event": "MEDIA_MARK_PROCESSED", "channel_id": id, "correlation_id": typed["correlation_id"],
            });
            leg.ours.lock().expect("whole").push_back(Held::Mark(mark.to_string()));
        }
        Some("FLUSH_MEDIA") => {
            let mut ours = leg.ours.lock().expect("whole");
            let frames = ours.iter().filter(|it| matches!(it, Held::Frame(_))).count();
            // Its marks are told by nobody.
            ours.clear();
            drop(ours);
            (buffer.on, buffer.held) = (false, Vec::new());
            world.did(Did::Flushed { channel: id.to_owned(), frames });
        }
        _ => lost(world, id, format!("an unknown command: {text}")),
    }
}

/// `false`: the call ends.
fn sound(world: &World, id: &str, leg: &super::Leg, buffer: &mut Buffer, bytes: &[u8]) -> bool {
    if bytes.len() > 65_500 {
        lost(world, id, format!("a message of {} bytes", bytes.len()));
        return false;
    }
    let callee = id.trim_end_matches("-media");
    let has_left = {
        let inner = world.inner();
        inner.ears.contains_key(callee) && !inner.channels.contains_key(callee)
    };
    // What is read when the callee has left is nobody's loss.
    if world.heard(id) {
        leg.met.store(true, Ordering::Release);
    } else if !has_left && !leg.met.load(Ordering::Acquire) {
        lost(world, id, "sound before the answer".to_owned());
    }
    let socket = leg.socket.as_ref().expect("made with one");
    if !socket.full.load(Ordering::Acquire) {
        buffer.xoff = None;
    } else if buffer.xoff.is_some_and(|at| at.elapsed() > Duration::from_millis(300)) {
        lost(world, id, "sound after XOFF".to_owned());
    }
    buffer.held.extend_from_slice(bytes);
    let mut ours = leg.ours.lock().expect("whole");
    let whole: Vec<u8> = buffer.held.drain(..buffer.held.len() / FRAME * FRAME).collect();
    for frame in whole.chunks(FRAME) {
        if ours.len() >= MOST {
            lost(world, id, "the queue is full".to_owned());
            break;
        }
        let mut samples = [0; FRAME];
        samples.iter_mut().zip(frame).for_each(|(sample, code)| *sample = g711::ulaw_decode(*code));
        ours.push_back(Held::Frame(Box::new(samples)));
    }
    if !buffer.on && !buffer.held.is_empty() {
        lost(world, id, format!("{} bytes that fill no frame", buffer.held.len()));
        buffer.held.clear();
    }
    if ours.len() >= socket.xoff.0 && !socket.full.swap(true, Ordering::AcqRel) {
        buffer.xoff = Some(Instant::now());
        world.did(Did::Xoff { channel: id.to_owned() });
        socket.tell(json!({ "event": "MEDIA_XOFF", "channel_id": id }).to_string());
    }
    true
}

/// An upgrade that asks for another subprotocol than `media`, or for none; gives the status of the refusal.
pub async fn knock(address: &str, protocol: Option<&str>) -> Option<u16> {
    let mut request = format!("ws://{address}/?leg={}", uuid::Uuid::new_v4()).into_client_request().expect("a URI");
    if let Some(protocol) = protocol {
        request.headers_mut().insert("sec-websocket-protocol", protocol.parse().expect("a name"));
    }
    match tokio_tungstenite::connect_async(request).await {
        Ok(_) => None,
        Err(tungstenite::Error::Http(answer)) => Some(answer.status().as_u16()),
        Err(_) => Some(StatusCode::SERVICE_UNAVAILABLE.as_u16()),
    }
}
