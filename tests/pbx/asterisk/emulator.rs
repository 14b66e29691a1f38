//! An Asterisk for tests: ARI, its event socket, and AudioSocket legs with people on the other end. It refuses what Asterisk
//! refuses and loses what Asterisk loses; what it writes down is the judge.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use ahoy::core::sim::callee::{Behaviour, Callee, FRAME, Heard, script};
use ahoy::core::sound::g711;
use axum::Router;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};

pub const USER: &str = "ahoy";
#[path = "chan_websocket.rs"]
pub mod chan_websocket;

/// Sound of ours that an Asterisk holds for a channel: more at once is lost.
const HELD: usize = 5;

/// What happened, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Did {
    Originated {
        channel: String,
        to: String,
    },
    /// A request that Asterisk would refuse.
    Refused {
        http: u16,
        what: String,
    },
    Answered {
        channel: String,
    },
    /// Sound that Asterisk would lose, or a frame that ends its channel.
    Lost {
        channel: String,
        what: String,
    },
    /// A leg by `chan_websocket` whose socket is open.
    Opened {
        channel: String,
    },
    /// What was queued and not played is gone.
    Flushed {
        channel: String,
        frames: usize,
    },
    /// Its queue was nearly full.
    Xoff {
        channel: String,
    },
    FirstSound {
        channel: String,
        after: Duration,
    },
    Destroyed {
        channel: String,
        cause: u16,
        up: bool,
    },
}

/// A callee's ear.
#[derive(Debug, Clone, Default)]
pub struct Ear {
    pub to: String,
    /// All of ours that was played, 8 000 Hz.
    pub sound: Vec<i16>,
    /// Loud samples of ours in the second after they began to speak; `None` = they never did.
    pub tail: Option<usize>,
    since_onset: usize,
}

enum Held {
    Frame(Box<[i16; FRAME]>),
    /// A message that is due when everything before it was played.
    Mark(String),
}

#[derive(Default)]
struct Leg {
    /// Our sound, on its way to the callee.
    ours: Mutex<VecDeque<Held>>,
    /// Of a WebSocket's leg.
    socket: Option<chan_websocket::Leg>,
    /// The callee's, on its way to us.
    theirs: Mutex<VecDeque<[u8; FRAME]>>,
    gone: Notify,
    /// A callee who has answered has been in its bridge.
    met: AtomicBool,
}

impl Leg {
    /// The next frame, when its time has come; marks before it are told.
    fn next(&self) -> Option<[i16; FRAME]> {
        let mut ours = self.ours.lock().expect("whole");
        if let Some(socket) = &self.socket
            && !socket.plays(ours.len())
        {
            return None;
        }
        loop {
            match ours.pop_front()? {
                Held::Frame(samples) => return Some(*samples),
                Held::Mark(event) => self.socket.as_ref().expect("only there").tell(event),
            }
        }
    }
}

#[derive(Clone)]
struct Channel {
    state: &'static str,
    in_app: bool,
    leg: Option<Arc<Leg>>,
    hang_up: Arc<Notify>,
}

#[derive(Default)]
struct Inner {
    channels: HashMap<String, Channel>,
    bridges: HashMap<String, Vec<String>>,
    events: Option<mpsc::UnboundedSender<Option<String>>>,
    sockets: usize,
    log: Vec<Did>,
    ears: HashMap<String, Ear>,
}

/// Misbehaviour, by the callee's number where it is about one.
#[derive(Default)]
pub struct Faults {
    /// The order is taken and its answer lost, for numbers with this last digit.
    pub lose_answer: Option<char>,
    /// The order is lost before it is read, likewise.
    pub lose_order: Option<char>,
    /// Ends of calls that nobody answered are not told, likewise.
    pub untold_end: Option<char>,
    /// Its version; 22.6.0 otherwise.
    pub version: Option<&'static str>,
    /// `chan_websocket.so` is not loaded.
    pub no_module: bool,
    /// Of its media sockets.
    pub media: chan_websocket::Faults,
}

pub struct World {
    inner: Mutex<Inner>,
    password: String,
    faults: Faults,
    began: Instant,
}

pub struct Emulator {
    pub base_url: String,
    world: Arc<World>,
    _runtime: tokio::runtime::Runtime,
}

impl Emulator {
    pub fn start(password: &str, faults: Faults) -> Emulator {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let world =
            Arc::new(World { inner: Mutex::default(), password: password.to_owned(), faults, began: Instant::now() });
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let base_url = format!("http://{}", listener.local_addr().expect("bound"));
        let router = router(Arc::clone(&world));
        runtime.spawn(async move { axum::serve(listener, router).await.expect("serves") });
        Emulator { base_url, world, _runtime: runtime }
    }

    pub fn log(&self) -> Vec<Did> {
        self.world.inner().log.clone()
    }

    pub fn ears(&self) -> HashMap<String, Ear> {
        self.world.inner().ears.clone()
    }

    /// How often the event socket was opened.
    pub fn sockets(&self) -> usize {
        self.world.inner().sockets
    }

    pub fn live(&self) -> (usize, usize) {
        let inner = self.world.inner();
        (inner.channels.len(), inner.bridges.len())
    }

    /// Breaks the event socket.
    pub fn break_events(&self) -> bool {
        let taken = self.world.inner().events.take();
        taken.is_some_and(|events| events.send(None).is_ok())
    }
}

impl World {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("whole")
    }

    fn did(&self, what: Did) {
        self.inner().log.push(what);
    }

    fn refuse(&self, http: u16, what: &str) -> Response {
        self.did(Did::Refused { http, what: what.to_owned() });
        let code = StatusCode::from_u16(http).expect("a status");
        (code, axum::Json(json!({ "message": what }))).into_response()
    }

    /// An event; `false`: the application has no socket.
    fn tell(&self, kind: &str, channel: &str, mut more: Value) -> bool {
        let now = 1_795_915_685_000 + i64::try_from(self.began.elapsed().as_millis()).expect("short");
        let inner = self.inner();
        let state = inner.channels.get(channel).map_or("Down", |it| it.state);
        more["type"] = json!(kind);
        more["application"] = json!("ahoy");
        let stamp = jiff::Timestamp::from_millisecond(now).expect("in range").to_string();
        more["timestamp"] = json!(format!("{}+0000", stamp.trim_end_matches('Z')));
        more["channel"] = json!({ "id": channel, "name": "PJSIP/trunk-1", "state": state });
        inner.events.as_ref().is_some_and(|events| events.send(Some(more.to_string())).is_ok())
    }

    fn destroy(&self, channel: &str, (cause, tech): (u16, u16)) {
        let up = self.inner().channels.get(channel).is_some_and(|it| it.state == "Up");
        let to = self.inner().ears.get(channel).map(|ear| ear.to.clone()).unwrap_or_default();
        if up || self.faults.untold_end.is_none_or(|digit| !to.ends_with(digit)) {
            if up {
                self.tell("StasisEnd", channel, json!({}));
            }
            self.tell("ChannelDestroyed", channel, json!({ "cause": cause, "cause_txt": "x", "tech_cause": tech }));
        }
        let mut inner = self.inner();
        inner.channels.remove(channel);
        inner.bridges.values_mut().for_each(|members| members.retain(|it| it != channel));
        inner.log.push(Did::Destroyed { channel: channel.to_owned(), cause, up });
    }

    /// The leg in the same bridge.
    fn bridged(&self, channel: &str) -> Option<Arc<Leg>> {
        let inner = self.inner();
        let members = inner.bridges.values().find(|members| members.iter().any(|it| it == channel))?;
        members.iter().find_map(|it| inner.channels.get(it)?.leg.clone())
    }

    /// Whether a callee who has answered is in the bridge of this leg.
    fn heard(&self, media: &str) -> bool {
        let inner = self.inner();
        let Some(members) = inner.bridges.values().find(|members| members.iter().any(|it| it == media)) else {
            return false;
        };
        members.iter().any(|it| inner.channels.get(it).is_some_and(|it| it.leg.is_none() && it.state == "Up"))
    }
}

type Asked = Query<HashMap<String, String>>;

fn router(world: Arc<World>) -> Router {
    Router::new()
        .route("/ari/events", get(events))
        .route("/ari/asterisk/info", get(info))
        .route("/ari/asterisk/modules/{name}", get(module))
        .route("/ari/channels/{id}/variable", get(chan_websocket::variable))
        .route("/ari/bridges/{id}", post(bridge).delete(unbridge))
        .route("/ari/bridges/{id}/addChannel", post(add))
        .route("/ari/channels/externalMedia", post(external))
        .route("/ari/channels/{id}", any(channel))
        .layer(from_fn_with_state(Arc::clone(&world), authorise))
        // Whoever knows the name of a connection may open it.
        .route("/media/{connection}", get(chan_websocket::media))
        .with_state(world)
}

async fn info(State(world): State<Arc<World>>) -> Response {
    axum::Json(json!({ "system": { "version": world.faults.version.unwrap_or("22.6.0") } })).into_response()
}

async fn module(State(world): State<Arc<World>>, Path(name): Path<String>) -> Response {
    if name != "chan_websocket.so" || world.faults.no_module {
        return (StatusCode::NOT_FOUND, "{}").into_response();
    }
    axum::Json(json!({ "name": name, "status": "Running" })).into_response()
}

async fn authorise(State(world): State<Arc<World>>, request: Request, next: Next) -> Response {
    let right = format!("Basic {}", STANDARD.encode(format!("{USER}:{}", world.password)));
    let given = request.headers().get(header::AUTHORIZATION).and_then(|it| it.to_str().ok());
    if given == Some(&right) { next.run(request).await } else { world.refuse(401, "Authentication required") }
}

/// A name that ARI does not know is ignored there: here it fails the test.
fn known(world: &World, asked: &HashMap<String, String>, names: &[&str]) -> Option<Response> {
    let unknown = asked.keys().find(|name| !names.contains(&name.as_str()))?;
    Some(world.refuse(400, &format!("unknown parameter {unknown}")))
}

async fn events(State(world): State<Arc<World>>, Query(asked): Asked, upgrade: WebSocketUpgrade) -> Response {
    if asked.get("app").map(String::as_str) != Some("ahoy") {
        return world.refuse(400, "HTTP request is missing param: [app]");
    }
    upgrade.on_upgrade(move |socket| tell_events(world, socket))
}

async fn tell_events(world: Arc<World>, socket: WebSocket) {
    let (to, told) = mpsc::unbounded_channel();
    {
        let mut inner = world.inner();
        inner.events = Some(to);
        inner.sockets += 1;
    }
    crate::tell(told, socket).await;
}

async fn bridge(State(world): State<Arc<World>>, Path(id): Path<String>, Query(asked): Asked) -> Response {
    if let Some(refused) = known(&world, &asked, &["type", "name"]) {
        return refused;
    }
    world.inner().bridges.entry(id.clone()).or_default();
    axum::Json(json!({ "id": id, "bridge_type": "mixing" })).into_response()
}

async fn unbridge(State(world): State<Arc<World>>, Path(id): Path<String>) -> StatusCode {
    if world.inner().bridges.remove(&id).is_some() { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

async fn add(State(world): State<Arc<World>>, Path(id): Path<String>, Query(asked): Asked) -> Response {
    let channels: Vec<String> =
        asked.get("channel").into_iter().flat_map(|it| it.split(',')).map(str::to_owned).collect();
    for channel in &channels {
        let found = world.inner().channels.get(channel).cloned();
        match found {
            None => return world.refuse(400, "Channel not found"),
            // A leg that has just been made comes into the application a moment later.
            Some(found) if !found.in_app && found.leg.is_some() => {
                return StatusCode::UNPROCESSABLE_ENTITY.into_response();
            }
            Some(found) if !found.in_app => return world.refuse(409, "Channel not in Stasis application"),
            Some(_) => {}
        }
    }
    match world.inner().bridges.get_mut(&id) {
        None => StatusCode::NOT_FOUND.into_response(),
        Some(members) => {
            members.extend(channels);
            StatusCode::NO_CONTENT.into_response()
        }
    }
}

async fn external(State(world): State<Arc<World>>, Query(asked): Asked) -> Response {
    if asked.get("transport").is_some_and(|it| it == "websocket") {
        return chan_websocket::external(world, asked).await;
    }
    let names = ["app", "channelId", "external_host", "encapsulation", "transport", "format", "data"];
    if let Some(refused) = known(&world, &asked, &names) {
        return refused;
    }
    let get = |name: &str| asked.get(name).cloned().unwrap_or_default();
    if get("app") != "ahoy"
        || get("encapsulation") != "audiosocket"
        || get("transport") != "tcp"
        || get("format") != "slin"
    {
        return world.refuse(400, "a combination of parameters that externalMedia does not take");
    }
    let Ok(name) = get("data").parse::<uuid::Uuid>() else { return world.refuse(400, "data must be a UUID") };
    let id = get("channelId");
    if world.inner().channels.contains_key(&id) {
        return world.refuse(409, "Channel with given unique ID already exists");
    }
    let Ok(mut stream) = TcpStream::connect(get("external_host")).await else {
        return world.refuse(500, "Could not connect to external host");
    };
    let mut first = vec![0x01, 0x00, 0x10];
    first.extend(name.as_bytes());
    stream.write_all(&first).await.expect("taken");
    let leg = Arc::new(Leg::default());
    let media = Channel { state: "Up", in_app: true, leg: Some(Arc::clone(&leg)), hang_up: Arc::default() };
    world.inner().channels.insert(id.clone(), media.clone());
    tokio::spawn(run_leg(Arc::clone(&world), id.clone(), leg, media.hang_up, stream));
    world.tell("StasisStart", &id, json!({ "args": [] }));
    axum::Json(json!({ "id": id, "state": "Up" })).into_response()
}

async fn run_leg(world: Arc<World>, id: String, leg: Arc<Leg>, hang_up: Arc<Notify>, stream: TcpStream) {
    let (mut from, mut to) = stream.into_split();
    let mut clock = tokio::time::interval(Duration::from_millis(20));
    let mut held = Vec::new();
    let mut bytes = [0; 4_096];
    loop {
        tokio::select! {
            _ = clock.tick() => {
                let theirs = leg.theirs.lock().expect("whole").pop_front();
                let mut frame = vec![0x10, 0x01, 0x40];
                let ulaw = theirs.unwrap_or([0xff; FRAME]);
                frame.extend(ulaw.iter().flat_map(|code| g711::ulaw_decode(*code).to_le_bytes()));
                if to.write_all(&frame).await.is_err() { break }
            }
            read = from.read(&mut bytes) => {
                let Ok(read @ 1..) = read else { break };
                held.extend_from_slice(&bytes[..read]);
                let Ok(goes_on) = take_frames(&world, &id, &leg, &mut held) else { break };
                if !goes_on { break }
            }
            () = hang_up.notified() => {
                let _gone = to.write_all(&[0, 0, 0]).await;
                break;
            }
        }
    }
    leg.gone.notify_waiters();
    world.destroy(&id, (16, 0));
}

/// What Asterisk does with what we send; `Ok(false)`: the channel ends.
fn take_frames(world: &World, id: &str, leg: &Leg, held: &mut Vec<u8>) -> Result<bool, ()> {
    let lost = |what: String| world.did(Did::Lost { channel: id.to_owned(), what });
    while held.len() >= 3 {
        let length = usize::from(u16::from_be_bytes([held[1], held[2]]));
        if held.len() < 3 + length {
            return Ok(true);
        }
        let frame: Vec<u8> = held.drain(..3 + length).collect();
        match (frame[0], length) {
            (0x00, _) => return Ok(false),
            (0x10, 320) => {
                // What comes when the callee has just left is nobody's loss.
                if world.heard(id) {
                    leg.met.store(true, Ordering::Release);
                } else if !leg.met.load(Ordering::Acquire) {
                    lost("sound before the answer".to_owned());
                }
                let mut samples = [0; FRAME];
                for (sample, pair) in samples.iter_mut().zip(frame[3..].chunks_exact(2)) {
                    *sample = i16::from_le_bytes([pair[0], pair[1]]);
                }
                let mut ours = leg.ours.lock().expect("whole");
                if ours.len() >= HELD {
                    lost("a burst".to_owned());
                } else {
                    ours.push_back(Held::Frame(Box::new(samples)));
                }
            }
            (kind, length) => {
                lost(format!("a frame of type {kind} with {length} bytes"));
                return Err(());
            }
        }
    }
    Ok(true)
}

async fn channel(
    State(world): State<Arc<World>>,
    Path(id): Path<String>,
    Query(asked): Asked,
    method: Method,
    request: Request,
) -> Response {
    drop(request);
    let found = world.inner().channels.get(&id).cloned();
    match (method, found) {
        (Method::GET, Some(found)) => {
            axum::Json(json!({ "id": id, "state": found.state, "creationtime": "2026-11-29T01:28:05.000+0000" }))
                .into_response()
        }
        (Method::DELETE, Some(found)) => {
            found.hang_up.notify_one();
            StatusCode::NO_CONTENT.into_response()
        }
        (Method::GET | Method::DELETE, None) => (StatusCode::NOT_FOUND, "{}").into_response(),
        (Method::POST, Some(_)) => world.refuse(409, "Channel with given unique ID already exists"),
        (Method::POST, None) => originate(world, id, asked).await,
        (_, _) => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

/// Closes the connection without an answer.
fn cut() -> ! {
    std::panic::resume_unwind(Box::new("the fault of a test"))
}

async fn originate(world: Arc<World>, id: String, asked: HashMap<String, String>) -> Response {
    if let Some(refused) = known(&world, &asked, &["endpoint", "app", "appArgs", "callerId", "timeout", "formats"]) {
        return refused;
    }
    let endpoint = asked.get("endpoint").cloned().unwrap_or_default();
    let Some(to) = endpoint.strip_prefix("PJSIP/").and_then(|rest| rest.strip_suffix("@trunk")) else {
        return world.refuse(500, "Allocation failed");
    };
    let Some(ring_s) = asked.get("timeout").and_then(|text| text.parse::<u64>().ok()) else {
        return world.refuse(400, "timeout is no number");
    };
    let lost = |digit: Option<char>| digit.is_some_and(|digit| to.ends_with(digit));
    if lost(world.faults.lose_order) {
        cut();
    }
    let hang_up = Arc::new(Notify::new());
    let callee = Channel { state: "Down", in_app: false, leg: None, hang_up: Arc::clone(&hang_up) };
    {
        let mut inner = world.inner();
        inner.channels.insert(id.clone(), callee);
        inner.ears.insert(id.clone(), Ear { to: to.to_owned(), ..Ear::default() });
        inner.log.push(Did::Originated { channel: id.clone(), to: to.to_owned() });
    }
    tokio::spawn(call(Arc::clone(&world), id.clone(), to.to_owned(), ring_s, hang_up));
    if lost(world.faults.lose_answer) {
        cut();
    }
    axum::Json(json!({ "id": id, "state": "Down" })).into_response()
}

async fn call(world: Arc<World>, id: String, to: String, ring_s: u64, hang_up: Arc<Notify>) {
    let person = script(1, &to);
    let wait = |ms: u64| tokio::time::sleep(Duration::from_millis(ms / 10));
    let set = |state: &'static str| {
        if let Some(channel) = world.inner().channels.get_mut(&id) {
            (channel.state, channel.in_app) = (state, state == "Up");
        }
    };
    world.tell("Dial", &id, json!({ "dialstatus": "", "peer": { "id": id, "state": "Down" } }));
    let rings = async {
        wait(person.setup_ms).await;
        match person.behaviour {
            Behaviour::Invalid => return Some((1, 404)),
            Behaviour::Fails => return Some((34, 503)),
            _ => {}
        }
        set("Ringing");
        world.tell("ChannelStateChange", &id, json!({}));
        match person.behaviour {
            Behaviour::NoAnswer => {
                tokio::time::sleep(Duration::from_secs(ring_s)).await;
                Some((19, 0))
            }
            Behaviour::Busy => {
                wait(person.ring_ms).await;
                Some((17, 486))
            }
            _ => {
                wait(person.ring_ms).await;
                None
            }
        }
    };
    let ended = tokio::select! {
        ended = rings => ended,
        () = hang_up.notified() => Some((16, 0)),
    };
    if let Some(cause) = ended {
        return world.destroy(&id, cause);
    }
    set("Up");
    world.did(Did::Answered { channel: id.clone() });
    world.tell("ChannelStateChange", &id, json!({}));
    if !world.tell("StasisStart", &id, json!({ "args": ["callee"] })) {
        // The application is not there.
        return world.destroy(&id, (16, 0));
    }
    talk(&world, &id, Callee::new(person), &hang_up).await;
    world.destroy(&id, (16, 0));
}

async fn talk(world: &World, id: &str, mut callee: Callee, hang_up: &Notify) {
    let answered = Instant::now();
    let mut clock = tokio::time::interval(Duration::from_millis(20));
    let mut first = true;
    loop {
        tokio::select! {
            _ = clock.tick() => {}
            () = hang_up.notified() => return,
        }
        let leg = world.bridged(id);
        let ours = leg.as_ref().and_then(|leg| leg.next());
        let loud = ours.is_some_and(|ours| ours.iter().filter(|it| it.unsigned_abs() > 500).count() >= 4);
        if ours.is_some() && std::mem::replace(&mut first, ours.is_none()) {
            world.did(Did::FirstSound { channel: id.to_owned(), after: answered.elapsed() });
        }
        let said = callee.step(Heard { samples: if ours.is_some() { 160 } else { 0 }, loud });
        {
            let mut inner = world.inner();
            let ear = inner.ears.get_mut(id).expect("made with the call");
            ear.sound.extend(ours.iter().flatten());
            if said.onset {
                (ear.tail, ear.since_onset) = (Some(0), 0);
            }
            ear.since_onset += FRAME;
            if let Some(tail) = &mut ear.tail
                && loud
                && ear.since_onset <= 8_000
            {
                *tail += FRAME;
            }
        }
        if let Some(leg) = &leg {
            leg.theirs.lock().expect("whole").push_back(said.audio);
        }
        if let Some(key) = said.key {
            world.tell("ChannelDtmfReceived", id, json!({ "digit": key.to_string(), "duration_ms": 90 }));
        }
        if said.hangs_up {
            world.tell("ChannelHangupRequest", id, json!({ "cause": 16 }));
            return;
        }
    }
}
