//! A 3CX for tests: tokens, the Call Control API of one route point, its event socket, and streams of sound with people on the
//! other end. It refuses what a 3CX would refuse and misbehaves as it is told; what it writes down is the judge.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use ahoy::core::sim::callee::{Behaviour, Callee, FRAME, Heard, script};
use ahoy::core::sound::g711;
use axum::body::{Body, Bytes};
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::extract::{Form, Path, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};

pub const DN: &str = "800";
/// An extension whose end is shown too, where a fault asks for it.
const CALLEE_DN: &str = "101";
/// Sound of ours that is held for a participant, in samples: more is lost.
const HELD: usize = 16_000;

/// What happened, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Did {
    /// A call was made.
    Made {
        id: u64,
        to: String,
    },
    /// A request that a 3CX would refuse, beyond those that a fault asks for.
    Refused {
        http: u16,
        what: String,
    },
    /// A token was refused because a fault had ended it.
    TokenOver,
    Answered {
        id: u64,
    },
    /// Sound that would be lost.
    Lost {
        id: u64,
        what: String,
    },
    FirstSound {
        id: u64,
        after: Duration,
    },
    /// Our stream was broken off, with so much of it not played yet.
    CutOff {
        id: u64,
        held_ms: usize,
    },
    Routed {
        id: u64,
        to: String,
    },
    PickedUp {
        id: u64,
    },
    Dropped {
        id: u64,
    },
    Removed {
        id: u64,
        connected: bool,
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

struct Part {
    call: u64,
    status: &'static str,
    shown: String,
    did: String,
    /// The callee's own end, where it is shown.
    callee: Option<&'static str>,
    ours: VecDeque<i16>,
    theirs: Option<mpsc::UnboundedSender<Result<Bytes, std::io::Error>>>,
    hang_up: Arc<Notify>,
    picked_up: Arc<Notify>,
    cut_streams: bool,
}

/// Misbehaviour, by the last digit of the callee's number where it is about one.
#[derive(Default)]
pub struct Faults {
    /// The order is taken and its answer lost.
    pub lose_answer: Option<char>,
    /// The order is taken and answered 500.
    pub error_after: Option<char>,
    /// The order is lost before it is read.
    pub lose_order: Option<char>,
    /// The order is answered 429, and not taken.
    pub throttled: Option<char>,
    /// The order is refused in its answer.
    pub refuse: bool,
    /// Every event comes twice.
    pub twice: bool,
    /// Each second event waits for the next one, and comes after it.
    pub swapped: bool,
    /// Each so-manieth event is lost; the counting shows it.
    pub lose_each: Option<u64>,
    /// The event of the answer is lost, and the counting does not show it.
    pub untold_answer: Option<char>,
    /// Ends of calls that nobody answered are not told.
    pub untold_end: Option<char>,
    /// The participant is gone before anybody can ask for it.
    pub gone_at_once: Option<char>,
    /// Both streams break off once, in the middle of the call.
    pub cut_streams: Option<char>,
    /// Each token holds for so many requests.
    pub token_holds: Option<u64>,
    /// Our own end is connected at once, and the callee's own end is shown.
    pub early: bool,
    /// Between events there is garbage.
    pub garbage: bool,
    /// Each so-manieth question is answered with 503, 429 or garbage.
    pub sick_each: Option<u64>,
    /// Answers itself: callers are connected before anybody answers.
    pub answers_itself: bool,
}

#[derive(Default)]
struct Inner {
    parts: BTreeMap<u64, Part>,
    tokens: HashMap<String, u64>,
    given: u64,
    last: u64,
    sequence: u64,
    questions: u64,
    held_back: Option<String>,
    events: Option<mpsc::UnboundedSender<Option<String>>>,
    sockets: usize,
    deaf_until: Option<Instant>,
    log: Vec<Did>,
    ears: HashMap<u64, Ear>,
}

pub struct World {
    inner: Mutex<Inner>,
    secret: String,
    faults: Faults,
}

pub struct Emulator {
    pub base_url: String,
    world: Arc<World>,
    runtime: tokio::runtime::Runtime,
}

impl Emulator {
    pub fn start(secret: &str, faults: Faults) -> Emulator {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let world = Arc::new(World { inner: Mutex::default(), secret: secret.to_owned(), faults });
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let base_url = format!("http://{}", listener.local_addr().expect("bound"));
        let router = router(Arc::clone(&world));
        runtime.spawn(async move { axum::serve(listener, router).await.expect("serves") });
        Emulator { base_url, world, runtime }
    }

    pub fn log(&self) -> Vec<Did> {
        self.world.inner().log.clone()
    }

    pub fn ears(&self) -> HashMap<u64, Ear> {
        self.world.inner().ears.clone()
    }

    /// How often the event socket was opened.
    pub fn sockets(&self) -> usize {
        self.world.inner().sockets
    }

    pub fn live(&self) -> usize {
        self.world.inner().parts.len()
    }

    /// Tokens that were given.
    pub fn tokens(&self) -> u64 {
        self.world.inner().given
    }

    /// Breaks the event socket, and lets nobody open it for a while: what happens meanwhile is told to nobody.
    pub fn break_events(&self, deaf: Duration) -> bool {
        let mut inner = self.world.inner();
        let broken = inner.events.take().is_some_and(|events| events.send(None).is_ok());
        if broken {
            inner.deaf_until = Some(Instant::now() + deaf);
        }
        broken
    }

    /// Somebody calls the route point.
    pub fn ring(&self, from: &str, did: &str) -> u64 {
        let id = self.world.part(from, did, if self.world.faults.answers_itself { "Connected" } else { "Ringing" });
        self.runtime.spawn(come_in(Arc::clone(&self.world), id, from.to_owned()));
        id
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
        (StatusCode::from_u16(http).expect("a status"), Json(json!({ "message": what }))).into_response()
    }

    fn is(&self, digit: Option<char>, to: &str) -> bool {
        digit.is_some_and(|digit| to.ends_with(digit))
    }

    fn part(&self, number: &str, did: &str, status: &'static str) -> u64 {
        let mut inner = self.inner();
        inner.last += 1;
        let id = inner.last;
        // As telephone systems show numbers: with a plus, with zeros, and as at home.
        let shown = match id % 3 {
            0 => number.to_owned(),
            1 => number.replacen('+', "00", 1),
            _ => number.replacen("+44", "0", 1),
        };
        let shown = if did.is_empty() { shown } else { number.to_owned() };
        let callee = self.faults.early.then_some("Ringing");
        let part = Part {
            call: 1_000 + id,
            status,
            shown,
            did: did.to_owned(),
            callee,
            ours: VecDeque::new(),
            theirs: None,
            hang_up: Arc::default(),
            picked_up: Arc::default(),
            cut_streams: self.is(self.faults.cut_streams, number),
        };
        inner.parts.insert(id, part);
        inner.ears.insert(id, Ear { to: number.to_owned(), ..Ear::default() });
        id
    }

    /// An event.
    fn tell(self: &Arc<Self>, kind: u8, dn: &str, id: u64, data: Value) {
        let mut inner = self.inner();
        inner.sequence += 1;
        let sequence = inner.sequence;
        if self.faults.lose_each.is_some_and(|each| sequence.is_multiple_of(each)) {
            return;
        }
        let entity = format!("/callcontrol/{dn}/participants/{id}");
        let event = json!({ "event_type": kind, "entity": entity, "attached_data": data, "surplus": [1, {}] });
        let text = json!({ "sequence": sequence, "event": event, "new_in_v21": true }).to_string();
        let mut texts = vec![text.clone()];
        if self.faults.garbage {
            texts.extend(["{".to_owned(), "[1,2".to_owned(), json!({ "sequence": "x", "event": 7 }).to_string()]);
        }
        if self.faults.twice {
            texts.push(text.clone());
        }
        if self.faults.swapped {
            match inner.held_back.take() {
                None => {
                    inner.held_back = Some(text);
                    let world = Arc::clone(self);
                    // If no other comes.
                    tokio::spawn(async move {
                        tokio::time::sleep(Duration::from_millis(400)).await;
                        let mut inner = world.inner();
                        if let (Some(late), Some(events)) = (inner.held_back.take(), &inner.events) {
                            let _broken_just_now = events.send(Some(late));
                        }
                    });
                    return;
                }
                Some(earlier) => texts.push(earlier),
            }
        }
        for text in texts {
            if let Some(events) = &inner.events {
                let _broken_just_now = events.send(Some(text));
            }
        }
    }

    fn set(&self, id: u64, status: &'static str) -> bool {
        let mut inner = self.inner();
        let Some(part) = inner.parts.get_mut(&id) else { return false };
        part.status = status;
        if status == "Connected" && part.callee.is_some() {
            part.callee = Some("Connected");
        }
        true
    }

    fn remove(self: &Arc<Self>, id: u64, told: bool) {
        let connected = {
            let mut inner = self.inner();
            let Some(part) = inner.parts.remove(&id) else { return };
            let connected = part.callee.unwrap_or(part.status) == "Connected";
            inner.log.push(Did::Removed { id, connected });
            connected
        };
        if told || connected {
            self.tell(1, DN, id, Value::Null);
        }
    }

    fn entity(part: &Part, id: u64) -> Value {
        json!({ "id": id, "status": part.status, "dn": DN, "party_caller_name": "", "party_dn": "10000",
            "party_caller_id": part.shown, "party_did": part.did, "device_id": "sip:x", "party_dn_type": "Wexternalline",
            "direct_control": true, "originated_by_dn": "", "callid": part.call, "legid": 1, "surplus": { "a": [null] } })
    }
}

fn router(world: Arc<World>) -> Router {
    let guarded = Router::new()
        .route("/callcontrol", get(all))
        .route("/callcontrol/ws", get(events))
        .route("/callcontrol/{dn}/makecall", post(make_call))
        .route("/callcontrol/{dn}/participants/{id}", get(one))
        .route("/callcontrol/{dn}/participants/{id}/stream", get(their_sound).post(our_sound))
        .route("/callcontrol/{dn}/participants/{id}/{action}", post(act))
        .layer(from_fn_with_state(Arc::clone(&world), authorise));
    Router::new().route("/connect/token", post(token)).merge(guarded).with_state(world)
}

async fn token(State(world): State<Arc<World>>, Form(form): Form<HashMap<String, String>>) -> Response {
    let get = |name: &str| form.get(name).map_or("", String::as_str);
    if get("grant_type") != "client_credentials" || get("client_id") != DN || get("client_secret") != world.secret {
        return world.refuse(400, "invalid_client");
    }
    let mut inner = world.inner();
    inner.given += 1;
    let token = format!("a-bearer-of-this-world-{}", inner.given);
    inner.tokens.insert(token.clone(), 0);
    Json(json!({ "token_type": "Bearer", "expires_in": 3600, "access_token": token })).into_response()
}

async fn authorise(State(world): State<Arc<World>>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|it| it.to_str().ok());
    let token = given.and_then(|it| it.strip_prefix("Bearer ")).unwrap_or_default().to_owned();
    let over = {
        let mut inner = world.inner();
        let Some(used) = inner.tokens.get_mut(&token) else {
            drop(inner);
            return world.refuse(401, "no such token");
        };
        *used += 1;
        world.faults.token_holds.is_some_and(|holds| *used > holds)
    };
    if over {
        world.did(Did::TokenOver);
        return StatusCode::UNAUTHORIZED.into_response();
    }
    next.run(request).await
}

/// A question that is not answered as it should be.
fn sick(world: &World) -> Option<Response> {
    let each = world.faults.sick_each?;
    let count = {
        let mut inner = world.inner();
        inner.questions += 1;
        inner.questions
    };
    count.is_multiple_of(each).then(|| match (count / each) % 3 {
        0 => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        1 => StatusCode::TOO_MANY_REQUESTS.into_response(),
        _ => "<html>upstream".into_response(),
    })
}

async fn all(State(world): State<Arc<World>>) -> Response {
    // The first look is the start's.
    if world.inner().sockets > 0
        && world.inner().last > 0
        && let Some(sick) = sick(&world)
    {
        return sick;
    }
    let inner = world.inner();
    let own: Vec<Value> = inner.parts.iter().map(|(id, part)| World::entity(part, *id)).collect();
    let mut list = vec![json!({ "dn": DN, "type": "Wroutepoint", "devices": [], "participants": own })];
    if world.faults.early {
        let ends = inner.parts.iter().filter_map(|(id, part)| {
            Some(json!({ "id": 90_000 + id, "status": part.callee?, "dn": CALLEE_DN, "callid": part.call }))
        });
        let ends: Vec<Value> = ends.collect();
        list.push(json!({ "dn": CALLEE_DN, "type": "Wextension", "devices": [], "participants": ends }));
    }
    Json(Value::Array(list)).into_response()
}

async fn one(State(world): State<Arc<World>>, Path((dn, id)): Path<(String, u64)>) -> Response {
    if let Some(sick) = sick(&world) {
        return sick;
    }
    let inner = world.inner();
    match inner.parts.get(&id).filter(|_| dn == DN) {
        Some(part) => Json(World::entity(part, id)).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn events(State(world): State<Arc<World>>, upgrade: WebSocketUpgrade) -> Response {
    if world.inner().deaf_until.is_some_and(|until| Instant::now() < until) {
        return StatusCode::BAD_GATEWAY.into_response();
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

/// Closes the connection without an answer.
fn cut() -> ! {
    std::panic::resume_unwind(Box::new("the fault of a test"))
}

async fn make_call(State(world): State<Arc<World>>, Path(dn): Path<String>, Json(body): Json<Value>) -> Response {
    if dn != DN {
        return world.refuse(404, "no such extension");
    }
    let known: HashSet<&str> = body.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    if known != HashSet::from(["destination"]) {
        return world.refuse(400, "an order with other fields");
    }
    let to = body["destination"].as_str().unwrap_or_default().to_owned();
    if !to.starts_with('+') {
        return world.refuse(400, "a destination that no rule fits");
    }
    if world.is(world.faults.lose_order, &to) {
        cut();
    }
    if world.is(world.faults.throttled, &to) {
        return StatusCode::TOO_MANY_REQUESTS.into_response();
    }
    if world.faults.refuse {
        return Json(json!({ "finalstatus": 0, "reason": "Forbidden", "reasontext": to, "result": null }))
            .into_response();
    }
    let id = world.part(&to, "", if world.faults.early { "Connected" } else { "Dialing" });
    world.did(Did::Made { id, to: to.clone() });
    tokio::spawn(call(Arc::clone(&world), id, to.clone()));
    if world.is(world.faults.lose_answer, &to) {
        cut();
    }
    if world.is(world.faults.error_after, &to) {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let part = world.inner().parts.get(&id).map(|part| World::entity(part, id)).unwrap_or(json!({ "id": id }));
    Json(json!({ "finalstatus": 1, "reason": "Success", "reasontext": "", "result": part, "more": 1 })).into_response()
}

async fn act(
    State(world): State<Arc<World>>,
    Path((dn, id, action)): Path<(String, u64, String)>,
    Json(body): Json<Value>,
) -> Response {
    let found = world.inner().parts.get(&id).filter(|_| dn == DN).map(|it| (it.hang_up.clone(), it.picked_up.clone()));
    let Some((hang_up, picked_up)) = found else { return StatusCode::NOT_FOUND.into_response() };
    match action.as_str() {
        "drop" => {
            world.did(Did::Dropped { id });
            hang_up.notify_one();
        }
        "answer" => {
            world.did(Did::PickedUp { id });
            picked_up.notify_one();
        }
        "routeto" => {
            let Some(to) = body["destination"].as_str() else { return world.refuse(400, "no destination") };
            world.did(Did::Routed { id, to: to.to_owned() });
        }
        other => return world.refuse(404, other),
    }
    Json(json!({ "finalstatus": 1 })).into_response()
}

async fn their_sound(State(world): State<Arc<World>>, Path((dn, id)): Path<(String, u64)>) -> Response {
    let (to, from) = mpsc::unbounded_channel();
    {
        let mut inner = world.inner();
        let Some(part) = inner.parts.get_mut(&id).filter(|_| dn == DN) else {
            return StatusCode::NOT_FOUND.into_response();
        };
        if part.status != "Connected" {
            drop(inner);
            return world.refuse(409, "sound of a call that is not connected");
        }
        part.theirs = Some(to);
    }
    let sound = stream::unfold(from, |mut from| async move { from.recv().await.map(|piece| (piece, from)) });
    ([(header::CONTENT_TYPE, "application/octet-stream")], Body::from_stream(sound)).into_response()
}

async fn our_sound(State(world): State<Arc<World>>, Path((dn, id)): Path<(String, u64)>, request: Request) -> Response {
    let kind = request.headers().get(header::CONTENT_TYPE).cloned();
    let chunked = request.headers().get(header::TRANSFER_ENCODING).cloned();
    if kind.is_none_or(|it| it != "application/octet-stream") || chunked.is_none_or(|it| it != "chunked") {
        return world.refuse(415, "our stream is not chunked octets");
    }
    match world.inner().parts.get(&id).filter(|_| dn == DN).map(|part| part.callee.unwrap_or(part.status)) {
        None => return StatusCode::NOT_FOUND.into_response(),
        Some("Connected") => {}
        Some(_) => {
            world.did(Did::Lost { id, what: "sound before the answer".to_owned() });
            return world.refuse(409, "sound to a call that is not connected");
        }
    }
    let mut sound = request.into_body().into_data_stream();
    let mut flow = Flow { world: Arc::clone(&world), id, whole: false };
    let (mut odd, mut taken) = (Vec::new(), 0);
    loop {
        let chunk = sound.next().await;
        flow.whole = chunk.is_none();
        let Some(Ok(chunk)) = chunk else { return StatusCode::OK.into_response() };
        let mut inner = world.inner();
        let Some(part) = inner.parts.get_mut(&id) else { return StatusCode::NOT_FOUND.into_response() };
        odd.extend_from_slice(&chunk);
        let whole = odd.len() / 2 * 2;
        let samples: Vec<i16> = odd
            .drain(..whole)
            .collect::<Vec<u8>>()
            .chunks_exact(2)
            .map(|it| i16::from_le_bytes([it[0], it[1]]))
            .collect();
        taken += samples.len();
        part.ours.extend(samples);
        if part.ours.len() > HELD {
            part.ours.clear();
            inner.log.push(Did::Lost { id, what: "too far ahead".to_owned() });
        } else if part.cut_streams && taken > 8_000 {
            part.cut_streams = false;
            part.ours.clear();
            // The other one breaks off in the middle of a chunk.
            if let Some(theirs) = part.theirs.take() {
                let _gone = theirs.send(Err(std::io::Error::other("the fault of a test")));
            }
            drop(inner);
            cut();
        }
    }
}

/// Our stream while it is open. The server drops it with the connection.
struct Flow {
    world: Arc<World>,
    id: u64,
    whole: bool,
}

impl Drop for Flow {
    fn drop(&mut self) {
        if self.whole || std::thread::panicking() {
            return;
        }
        let mut inner = self.world.inner();
        if let Some(part) = inner.parts.get_mut(&self.id) {
            // Broken off: what was not played yet is not played.
            let held_ms = part.ours.len() / 8;
            part.ours.clear();
            inner.log.push(Did::CutOff { id: self.id, held_ms });
        }
    }
}

/// A call that we have made, from its order to its end.
async fn call(world: Arc<World>, id: u64, to: String) {
    let person = script(1, &to);
    let wait = |ms: u64| tokio::time::sleep(Duration::from_millis(ms / 10));
    let Some(hang_up) = world.inner().parts.get(&id).map(|part| part.hang_up.clone()) else { return };
    if world.is(world.faults.gone_at_once, &to) {
        world.tell(0, DN, id, Value::Null);
        return world.remove(id, true);
    }
    world.tell(0, DN, id, Value::Null);
    let rings = async {
        wait(person.setup_ms).await;
        // Busy, no such number and no way there look the same: it is gone, and nobody was connected.
        match person.behaviour {
            Behaviour::Invalid | Behaviour::Fails => return true,
            Behaviour::NoAnswer => {
                tokio::time::sleep(Duration::from_secs(600)).await;
                return true;
            }
            _ => {}
        }
        wait(person.ring_ms).await;
        person.behaviour == Behaviour::Busy
    };
    let over = tokio::select! {
        over = rings => over,
        () = hang_up.notified() => true,
    };
    if over {
        return world.remove(id, !world.is(world.faults.untold_end, &to));
    }
    world.set(id, "Connected");
    world.did(Did::Answered { id });
    if world.faults.early {
        world.tell(0, CALLEE_DN, 90_000 + id, Value::Null);
    } else if !world.is(world.faults.untold_answer, &to) {
        world.tell(0, DN, id, Value::Null);
    }
    talk(&world, id, Callee::new(person), &hang_up).await;
    world.remove(id, true);
}

/// Somebody who calls the route point.
async fn come_in(world: Arc<World>, id: u64, from: String) {
    let found = world.inner().parts.get(&id).map(|part| (part.hang_up.clone(), part.picked_up.clone()));
    let Some((hang_up, picked_up)) = found else { return };
    world.tell(0, DN, id, Value::Null);
    if !world.faults.answers_itself {
        tokio::select! {
            () = picked_up.notified() => {}
            () = hang_up.notified() => return world.remove(id, true),
            () = tokio::time::sleep(Duration::from_secs(20)) => return world.remove(id, true),
        }
        world.set(id, "Connected");
        world.tell(0, DN, id, Value::Null);
    }
    world.did(Did::Answered { id });
    talk(&world, id, Callee::new(script(1, &from)), &hang_up).await;
    world.remove(id, true);
}

async fn talk(world: &Arc<World>, id: u64, mut callee: Callee, hang_up: &Notify) {
    let answered = Instant::now();
    let mut clock = tokio::time::interval(Duration::from_millis(20));
    let mut first = true;
    loop {
        tokio::select! {
            _ = clock.tick() => {}
            () = hang_up.notified() => return,
        }
        let ours: Vec<i16> = {
            let mut inner = world.inner();
            let Some(part) = inner.parts.get_mut(&id) else { return };
            let take = part.ours.len().min(FRAME);
            part.ours.drain(..take).collect()
        };
        let loud = ours.iter().filter(|it| it.unsigned_abs() > 500).count() >= 4;
        if !ours.is_empty() && std::mem::take(&mut first) {
            world.did(Did::FirstSound { id, after: answered.elapsed() });
        }
        let said = callee.step(Heard { samples: u32::try_from(ours.len()).expect("a frame"), loud });
        {
            let mut inner = world.inner();
            let ear = inner.ears.get_mut(&id).expect("made with the call");
            ear.sound.extend(&ours);
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
            let sound = g711::decode_ulaw(&said.audio);
            let bytes: Vec<u8> = sound.iter().flat_map(|sample| sample.to_le_bytes()).collect();
            if let Some(theirs) = inner.parts.get(&id).and_then(|part| part.theirs.as_ref()) {
                // In pieces that cut a sample in two.
                let (one, two) = bytes.split_at(101);
                let _nobody_listens = theirs.send(Ok(Bytes::copy_from_slice(one)));
                let _nobody_listens = theirs.send(Ok(Bytes::copy_from_slice(two)));
            }
        }
        if let Some(key) = said.key {
            world.tell(2, DN, id, json!({ "dtmf_input": key.to_string() }));
        }
        if said.hangs_up {
            return;
        }
    }
}
