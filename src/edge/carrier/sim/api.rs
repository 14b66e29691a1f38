//! The REST interface: `POST/GET …/Calls.json`, `POST/GET …/Calls/{CA}.json`, as the vendor's SDKs expect it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;
use tokio::sync::mpsc;

use super::book::{Book, Entry};
use super::callbacks::Webhooks;
use super::form::refuse;
use super::listener::{CutListener, Refuse, Scissors};
use super::log::Log;
use super::{caller, numbers, recordings};
use crate::base::limits::{SIM_CALLS, SIM_EVENTS, WEBHOOK_BYTES};
use crate::base::{Boot, Phone, Secret, Wall};
use crate::core::dial::CallStatus;
use crate::core::sim::call::{CallMachine, Event, Limits};
use crate::core::sim::callee::{Behaviour, Script, script};
use crate::core::sim::chance;
use crate::core::sim::fault::Faults;
use crate::core::sim::line::{Line, What};
use crate::core::sim::rest::{ApiFault, NewCall, Update};
use crate::core::wire::dialect::Dialect;
use crate::core::wire::form;
use crate::core::wire::twilio::{self as wire, CallPage};
use crate::edge::carrier::Boxed;

/// A moment on both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// Calendar.
    pub wall: Wall,
    /// Distances.
    pub boot: Boot,
}

/// What the sockets need from the floor above: time, waiting, and somebody who lives the calls.
pub struct Doors {
    /// The clocks.
    pub now: Box<dyn Fn() -> Now + Send + Sync>,
    /// Waits.
    pub sleep: Box<dyn Fn(Duration) -> Boxed<'static, ()> + Send + Sync>,
    /// Starts the life of a call that has just been logged.
    pub start: Box<dyn Fn(Arc<World>, Started) + Send + Sync>,
}

/// A call that was taken.
pub struct Started {
    /// `CA…`
    pub sid: String,
    /// The order.
    pub order: NewCall,
    /// Its callee.
    pub script: Script,
    /// Its machine.
    pub machine: CallMachine,
    /// Its events, and a sender for its own tasks.
    pub events: (mpsc::Sender<Event>, mpsc::Receiver<Event>),
}

/// Everything that the carrier is.
pub struct World {
    /// `AC…`
    pub account: String,
    /// Signs webhooks, and is the password.
    pub token: Secret,
    /// Decides all chance.
    pub seed: u64,
    /// Whose form of the API it serves.
    pub dialect: Dialect,
    /// Divides waits and frames.
    pub speedup: f64,
    /// Calls started per second of the carrier's own time.
    pub calls_per_second: f64,
    /// Misbehaviour.
    pub faults: Faults,
    /// From here on nothing strikes any more; `None` = for ever.
    pub faults_until: Option<Boot>,
    /// The log.
    pub log: Log,
    /// Asks webhooks.
    pub webhooks: Webhooks,
    /// The calls.
    pub book: Mutex<Book>,
    /// When the account's pace allows the next call, in the carrier's ms.
    pub next_start: Mutex<f64>,
    /// When the carrier started.
    pub began: Boot,
    /// Numbers requests and connections, for faults.
    pub count: AtomicU64,
    /// Time, waiting, spawning.
    pub doors: Doors,
}

impl World {
    /// The clocks.
    pub fn now(&self) -> Now {
        (self.doors.now)()
    }

    /// The carrier's own milliseconds at a moment.
    pub fn own_ms(&self, boot: Boot) -> u64 {
        (boot.since(self.began).as_micros() as f64 * self.speedup / 1_000.0) as u64
    }

    /// The calls.
    pub fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a line of the log. A log that cannot be written makes the oracle lie: it is an error of the run.
    pub fn write(&self, sid: &str, what: What) -> std::io::Result<()> {
        let now = self.now();
        self.log.append(&Line { wall: now.wall.0, us: now.boot.0, sid: sid.to_owned(), what })
    }

    /// Writes a line, and says so on stderr if that fails.
    pub fn note(&self, sid: &str, what: What) {
        if let Err(error) = self.write(sid, what) {
            tracing::error!(%error, sid, "the carrier's log cannot be written");
        }
    }

    /// Whether a fault strikes; logged if so.
    pub fn strikes(&self, name: &'static str, sid: &str, nth: u64) -> bool {
        let over = self.faults_until.is_some_and(|end| self.now().boot >= end);
        let strikes = !over && self.faults.strikes(name, sid, nth);
        if strikes {
            self.note(sid, What::Fault { name: name.to_owned() });
        }
        strikes
    }

    fn create(self: &Arc<World>, order: NewCall, nth: u64) -> Result<Entry, ApiFault> {
        let mut script = script(self.seed, &order.to);
        if script.behaviour == Behaviour::Invalid {
            return Err(ApiFault::new(400, 21_211, "The 'To' number is not a valid phone number"));
        }
        if self.strikes("caller_refused", &order.from, 0) {
            return Err(ApiFault::new(400, 21_210, "The source phone number provided is not yet verified"));
        }
        let country = Phone::from_e164(&order.to).ok().and_then(|to| to.country());
        if country.is_some_and(|country| self.strikes("country_closed", country.as_str(), 0)) {
            return Err(ApiFault::new(400, 21_215, "The account is not authorized to call this number"));
        }
        let listens = matches!(script.behaviour, Behaviour::Listens | Behaviour::SaysHello);
        for (fault, behaviour, key) in [
            ("callee_converses", Behaviour::Converses, None),
            ("callee_asks", Behaviour::PressesOther, Some('2')),
            ("callee_leaves", Behaviour::LeavesMessage, Some('3')),
            ("callee_screens", Behaviour::Screens, None),
            ("callee_fax", Behaviour::Fax, None),
        ] {
            if listens && self.faults.strikes(fault, &order.to, 0) {
                script.behaviour = behaviour;
                script.key = key.unwrap_or(script.key);
                script.delay_ms = if key.is_some() { KEY_MS } else { script.delay_ms };
            }
        }
        if self.faults.strikes("long_ring", &order.to, 0) {
            script.ring_ms = LONG_RING_MS;
        }
        if self.faults.strikes("early_media", &order.to, 0) {
            script.early_ms = EARLY_MS;
        }
        let now = self.now();
        let sid = self.id("CA", now.boot.0 ^ self.seed, &["call", &now.wall.0.to_string(), &nth.to_string()]);
        let own = self.own_ms(now.boot);
        let events = mpsc::channel(SIM_EVENTS);
        let lag_us = if self.dialect == Dialect::Telnyx || self.faults.strikes("list_lag", &order.to, nth) {
            5_000_000.0 / self.speedup
        } else {
            0.0
        };
        let entry = Entry {
            sid: sid.clone(),
            to: order.to.clone(),
            from: order.from.clone(),
            inbound: false,
            status: CallStatus::Queued,
            created: now.wall,
            updated: now.wall,
            started: None,
            ended: None,
            duration_s: None,
            queue_ms: if self.faults.strikes("slow_queue", &order.to, nth) { 6_000 } else { 0 },
            listed_from_us: now.boot.0 + lag_us as u64,
            recorded: Arc::default(),
            control: Some(events.0.clone()),
        };
        let full = ApiFault::new(429, 20_429, "Too Many Requests");
        let mut book = self.book();
        if book.len() >= SIM_CALLS {
            return Err(full);
        }
        let what = What::Created { to: order.to.clone(), from: order.from.clone(), behaviour: script.behaviour };
        // Before the answer, and before anybody can find the call.
        self.write(&sid, what).map_err(|error| ApiFault { http: 500, code: None, message: error.to_string() })?;
        book.add(entry.clone());
        drop(book);
        let limits =
            Limits { start_at: self.take_slot(own), ring_ms: order.ring_s * 1_000, limit_ms: order.limit_s * 1_000 };
        if self.faults.strikes("account_failed", &order.to, 0) {
            script.behaviour = Behaviour::Fails;
        }
        let machine = CallMachine::new(script.clone(), limits, order.first.clone());
        (self.doors.start)(Arc::clone(self), Started { sid, order, script, machine, events });
        Ok(entry)
    }

    /// The account's pace: the moment at which this call may leave the queue.
    fn take_slot(&self, own_ms: u64) -> u64 {
        let mut next = self.next_start.lock().unwrap_or_else(PoisonError::into_inner);
        let at = next.max(own_ms as f64);
        *next = at + 1_000.0 / self.calls_per_second;
        at.ceil() as u64
    }
}

/// 32 hex digits.
pub fn hex_id(seed: u64, words: &[&str]) -> String {
    let mut rng = chance(seed, words);
    format!("{:016x}{:016x}", rng.u64(..), rng.u64(..))
}

/// Serves the interface until the future is dropped. `refuse` decides which connections are cut unread.
pub async fn serve(world: Arc<World>, listener: tokio::net::TcpListener, refuse: Refuse) -> std::io::Result<()> {
    let service = router(world).into_make_service_with_connect_info::<Scissors>();
    axum::serve(CutListener::new(listener, refuse), service).await
}

fn router(world: Arc<World>) -> Router {
    let router = match world.dialect {
        Dialect::Twilio => twilios(),
        Dialect::SignalWire => signalwires(),
        Dialect::Telnyx => telnyxs(),
    };
    router
        .route("/sim/calls", post(caller::calls))
        .fallback(nowhere)
        .layer(DefaultBodyLimit::max(WEBHOOK_BYTES))
        .layer(axum::middleware::map_response_with_state(Arc::clone(&world), date_of))
        .with_state(world)
}

async fn nowhere(State(world): State<Arc<World>>) -> Response {
    refuse(&world, &ApiFault::new(404, 20_404, "The requested resource was not found"))
}

/// Its list and its next pages are asked for under different names.
fn telnyxs() -> Router<Arc<World>> {
    Router::new()
        .route("/v2/texml/Accounts/{account}/Calls", get(list).post(create))
        .route("/v2/texml/Accounts/{account}/Calls.json", get(list))
        .route("/v2/texml/Accounts/{account}/Calls/{call}", get(fetch).post(update))
}

fn signalwires() -> Router<Arc<World>> {
    Router::new()
        .route("/api/laml/2010-04-01/Accounts/{account}/Calls", get(list).post(create))
        .route("/api/laml/2010-04-01/Accounts/{account}/Calls/{call}", get(fetch).post(update))
        .route(
            "/api/laml/2010-04-01/Accounts/{account}/Calls/{call}/Recordings",
            get(recordings::list).post(recordings::begin),
        )
        .route("/api/laml/2010-04-01/Accounts/{account}/Recordings/{recording}", get(recordings::fetch))
        .route("/api/laml/2010-04-01/Accounts/{account}/IncomingPhoneNumbers", get(numbers::own))
        .route("/api/laml/2010-04-01/Accounts/{account}/OutgoingCallerIds", get(numbers::verified))
}

fn twilios() -> Router<Arc<World>> {
    Router::new()
        .route("/2010-04-01/Accounts/{account}/Calls.json", get(list).post(create))
        .route("/2010-04-01/Accounts/{account}/Calls/{call}", get(fetch).post(update))
        .route(
            "/2010-04-01/Accounts/{account}/Calls/{call}/Recordings.json",
            get(recordings::list).post(recordings::begin),
        )
        .route("/2010-04-01/Accounts/{account}/Recordings/{recording}", get(recordings::fetch))
        .route("/2010-04-01/Accounts/{account}/IncomingPhoneNumbers.json", get(numbers::own))
        .route("/2010-04-01/Accounts/{account}/OutgoingCallerIds.json", get(numbers::verified))
        .route("/v1/DialingPermissions/Countries/{country}", get(numbers::permission))
}

pub(super) fn authorise(world: &World, account: &str, headers: &HeaderMap) -> Result<(), ApiFault> {
    let denied = || ApiFault::new(401, 20_003, "Authenticate");
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).ok_or_else(denied)?;
    let (plain, right) = if world.dialect == Dialect::Telnyx {
        let key = given.strip_prefix("Bearer ").ok_or_else(denied)?;
        (key.as_bytes().to_vec(), world.token.reveal().to_owned())
    } else {
        let coded = given.strip_prefix("Basic ").ok_or_else(denied)?;
        let plain = STANDARD.decode(coded.trim()).map_err(|_| denied())?;
        (plain, format!("{}:{}", world.account, world.token.reveal()))
    };
    let same: bool = plain.ct_eq(right.as_bytes()).into();
    if same && account == world.account { Ok(()) } else { Err(denied()) }
}

pub(super) fn logged(world: &World, sid: &str, fault: ApiFault) -> Response {
    let what = What::BadRequest { http: fault.http, code: fault.code, what: fault.message.clone() };
    world.note(sid, what);
    refuse(world, &fault)
}

/// An account in trouble, as the real one refuses it.
fn troubled(world: &World, nth: u64) -> Option<Response> {
    let refusals = [
        ("suspended", 403, Some(20_005), "Account not active"),
        ("no_funds", 402, None, "Payment required"),
        ("bad_key", 401, Some(20_003), "Authenticate"),
        ("odd_request", 400, Some(30_999), "Something that nobody documented"),
    ];
    for (name, http, code, message) in refusals {
        if world.strikes(name, "", nth) {
            return Some(logged(world, "", ApiFault { http, code, message: message.to_owned() }));
        }
    }
    if world.strikes("throttle_date", "", nth) {
        let later = wire::date(world.now().wall + Duration::from_secs(2)).replace("+0000", "GMT");
        let answer = refuse(world, &ApiFault::new(429, 20_429, "Too Many Requests"));
        return Some(([(header::RETRY_AFTER, later)], answer).into_response());
    }
    None
}

/// What this carrier thinks the time is.
async fn date_of(State(world): State<Arc<World>>, mut answer: Response) -> Response {
    if world.faults.strikes("skewed_clock", "", 0) {
        let ahead = wire::date(world.now().wall + Duration::from_secs(600)).replace("+0000", "GMT");
        if let Ok(value) = ahead.parse() {
            answer.headers_mut().insert(header::DATE, value);
        }
    }
    answer
}

async fn create(
    State(world): State<Arc<World>>,
    Path(account): Path<String>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Err(fault) = authorise(&world, &account, &headers) {
        return logged(&world, "", fault);
    }
    let nth = world.count.fetch_add(1, Ordering::Relaxed);
    if world.strikes("throttle", "", nth) {
        let answer = refuse(&world, &ApiFault::new(429, 20_429, "Too Many Requests"));
        // The real one documents no Retry-After, but it has been seen: every other refusal has one.
        return if nth % 2 == 0 { answer } else { ([(header::RETRY_AFTER, "1")], answer).into_response() };
    }
    if let Some(answer) = troubled(&world, nth) {
        return answer;
    }
    let order = match world.read_order(&headers, &body) {
        Ok(order) => order,
        Err(fault) => return logged(&world, "", fault),
    };
    let ignored = order.ignored.clone();
    if world.strikes("unavailable", "", nth) {
        return refuse(&world, &ApiFault { http: 503, code: Some(20_503), message: "Service Unavailable".to_owned() });
    }
    if world.strikes("repeat_order", "", nth) {
        // The first of the two: its answer is the proxy's, nobody sees it.
        let _also_refused = world.create(order.clone(), world.count.fetch_add(1, Ordering::Relaxed));
    }
    let entry = match world.create(order, nth) {
        Ok(entry) => entry,
        Err(fault) => return logged(&world, "", fault),
    };
    if !ignored.is_empty() {
        let what = format!("unknown names are ignored: {}", crate::base::text::printable(&ignored.join(", ")));
        world.note(&entry.sid, What::BadRequest { http: 201, code: None, what });
    }
    if world.strikes("late_answer", "", nth) {
        (world.doors.sleep)(Duration::from_millis(300)).await;
    }
    if world.strikes("lost_answer", "", nth) {
        scissors.cut();
    }
    if world.strikes("slow_answer", "", nth) {
        (world.doors.sleep)(SLOW_ANSWER).await;
    }
    if world.strikes("unreadable", "", nth) {
        return (StatusCode::CREATED, "<html>").into_response();
    }
    if world.strikes("server_error", "", nth) {
        return refuse(
            &world,
            &ApiFault { http: 500, code: Some(20_500), message: "Internal Server Error".to_owned() },
        );
    }
    world.taken(&entry, nth)
}

/// Longer than most let it ring.
const EARLY_MS: u64 = 4_000;
const LONG_RING_MS: u64 = 45_000;
/// Those who are made to press a key do so when they have heard us for so long.
const KEY_MS: u64 = 1_500;

/// Longer than anybody waits for the answer to an order.
const SLOW_ANSWER: Duration = Duration::from_secs(12);

fn asked_in_vain(world: &World) -> Option<Response> {
    let nth = world.count.fetch_add(1, Ordering::Relaxed);
    world
        .strikes("list_error", "", nth)
        .then(|| refuse(world, &ApiFault { http: 503, code: Some(20_503), message: "Service Unavailable".to_owned() }))
}

async fn fetch(
    State(world): State<Arc<World>>,
    Path((account, call)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    if let Err(fault) = authorise(&world, &account, &headers) {
        return logged(&world, "", fault);
    }
    if let Some(refused) = asked_in_vain(&world) {
        return refused;
    }
    match world.book().get(call.trim_end_matches(".json")).filter(|entry| world.shows(entry)) {
        Some(entry) => axum::Json(world.resource(entry)).into_response(),
        None => refuse(&world, &ApiFault::new(404, 20_404, "The requested call was not found")),
    }
}

async fn update(
    State(world): State<Arc<World>>,
    Path((account, call)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Err(fault) = authorise(&world, &account, &headers) {
        return logged(&world, "", fault);
    }
    let sid = call.trim_end_matches(".json");
    let update = match world.read_change(&headers, &body) {
        Ok(update) => update,
        Err(fault) => return logged(&world, sid, fault),
    };
    let Some(entry) = world.book().get(sid).cloned() else {
        return refuse(&world, &ApiFault::new(404, 20_404, "The requested call was not found"));
    };
    let answered = entry.status == CallStatus::InProgress;
    let event = match update {
        Update::Cancel if answered => {
            return refuse(&world, &ApiFault::new(400, 21_220, "Call is in progress. Cannot cancel."));
        }
        Update::Cancel => Event::Cancel,
        Update::HangUp => Event::HangUp,
        Update::Replace(instructions) => Event::Replace(instructions),
        Update::Nothing => return axum::Json(world.resource(&entry)).into_response(),
    };
    let Some(control) = entry.control.clone() else {
        return refuse(&world, &ApiFault::new(400, 21_220, "Call is not in-progress. Cannot redirect."));
    };
    let _call_ended_meanwhile = control.send(event).await;
    let book = world.book();
    axum::Json(world.resource(book.get(sid).unwrap_or(&entry))).into_response()
}

async fn list(
    State(world): State<Arc<World>>,
    Path(account): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    if let Err(fault) = authorise(&world, &account, &headers) {
        return logged(&world, "", fault);
    }
    if let Some(refused) = asked_in_vain(&world) {
        return refused;
    }
    let pairs = form::decode(query.unwrap_or_default().as_bytes());
    match page(&world, &pairs) {
        Ok(page) => axum::Json(page).into_response(),
        Err(fault) => logged(&world, "", fault),
    }
}

/// One page of the list, newest first. A page goes on after the call that `PageToken` names, so that new calls shift nothing.
fn page(world: &World, pairs: &[(String, String)]) -> Result<CallPage, ApiFault> {
    let number = |name: &str, usual: u64| {
        form::first(pairs, name).map_or(Ok(usual), |text| {
            text.parse().map_err(|_| ApiFault::new(400, 20_001, format!("{name} is not a number")))
        })
    };
    let size = number("PageSize", 50)?.clamp(1, 1_000);
    let page = number("Page", 0)?;
    let token = form::first(pairs, "PageToken").and_then(|token| token.strip_prefix("PA")).map(str::to_owned);
    let now_us = world.now().boot.0;
    let book = world.book();
    let mut found: Vec<&Entry> = Vec::new();
    let mut waiting = token.clone();
    let skip = if token.is_some() { 0 } else { page * size };
    let mut skipped = 0;
    for entry in book.newest_first() {
        if let Some(after) = &waiting {
            if *after == entry.sid {
                waiting = None;
            }
            continue;
        }
        if entry.listed_from_us > now_us || !world.shows(entry) || !fits(entry, &world.account, pairs)? {
            continue;
        }
        if skipped < skip {
            skipped += 1;
            continue;
        }
        found.push(entry);
        if found.len() as u64 > size {
            break;
        }
    }
    let more = found.len() as u64 > size;
    found.truncate(usize::try_from(size).expect("at most 1,000"));
    let path = world.dialect.path(&wire::calls_path(&world.account)).into_owned();
    let path = if world.dialect == Dialect::Telnyx { format!("{path}.json") } else { path };
    let uri = |page: u64, token: Option<&str>| {
        let own = |name: &str| matches!(name, "PageSize" | "Page" | "PageToken");
        let mut kept: Vec<(String, String)> = pairs.iter().filter(|(name, _)| !own(name)).cloned().collect();
        kept.push(("PageSize".to_owned(), size.to_string()));
        kept.push(("Page".to_owned(), page.to_string()));
        if let Some(token) = token {
            kept.push(("PageToken".to_owned(), format!("PA{token}")));
        }
        format!("{path}?{}", form::encode(&kept))
    };
    let last = found.last().map(|entry| entry.sid.as_str());
    let start = page * size;
    Ok(CallPage {
        end: start + (found.len() as u64).saturating_sub(1),
        first_page_uri: Some(uri(0, None)),
        next_page_uri: if more { Some(uri(page + 1, last)) } else { None },
        page,
        page_size: size,
        previous_page_uri: if page > 0 { Some(uri(page - 1, None)) } else { None },
        start,
        uri: Some(uri(page, token.as_deref())),
        calls: found.into_iter().map(|entry| world.resource(entry)).collect(),
    })
}

fn fits(entry: &Entry, account: &str, pairs: &[(String, String)]) -> Result<bool, ApiFault> {
    let call = entry.resource(account);
    for (name, value) in pairs {
        let fits = match name.as_str() {
            "To" => entry.to == *value,
            "From" => entry.from == *value,
            "Status" => call.status.as_deref() == Some(value),
            // This carrier makes no child legs.
            "ParentCallSid" => false,
            "StartTime" | "StartTime<" | "StartTime>" => fits_time(name, entry.started, value)?,
            "EndTime" | "EndTime<" | "EndTime>" => fits_time(name, entry.ended, value)?,
            _ => true,
        };
        if !fits {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A date (`YYYY-MM-DD`, UTC) names its whole day; a full timestamp is a moment. A call without the time never fits.
fn fits_time(name: &str, at: Option<Wall>, value: &str) -> Result<bool, ApiFault> {
    let (from, to) = match value.parse::<jiff::Timestamp>() {
        Ok(stamp) => (stamp.as_millisecond(), stamp.as_millisecond()),
        Err(_) => {
            let bad = || ApiFault::new(400, 20_001, format!("{name} is not a date"));
            let day: jiff::civil::Date = value.parse().map_err(|_| bad())?;
            let start = day.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| bad())?.timestamp().as_millisecond();
            (start, start + 86_399_999)
        }
    };
    let Some(Wall(at)) = at else { return Ok(false) };
    Ok(match name.chars().last() {
        Some('<') => at <= to,
        Some('>') => at >= from,
        Some(_) | None => (from..=to).contains(&at),
    })
}
