//! The embedded carrier at work: serves the REST interface and lives every call, one task each.
//! `speedup` divides the carrier's own waits and its frame clock, nothing of the dialer.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use crate::base::limits::SIM_EVENTS;
use crate::base::{Failure, Secret};
use crate::core::dial::CallStatus;
use crate::core::sim::call::{Command, Event};
use crate::core::sim::callee::{Behaviour, Script};
use crate::core::sim::fault::Faults;
use crate::core::sim::line::What;
use crate::core::wire::dialect::Dialect;
use crate::core::wire::{twilio as wire, twiml};
use crate::edge::carrier::sim::api::{self, Doors, Now, Started, World};
use crate::edge::carrier::sim::book::Book;
use crate::edge::carrier::sim::callbacks::Webhooks;
use crate::edge::carrier::sim::log::Log;
use crate::edge::carrier::sim::recordings;
use crate::run::clock::Clock;

mod stream;

/// How the embedded carrier is set up.
#[derive(Debug, Clone)]
pub struct SimOptions {
    /// Where it listens; port 0 = any free one.
    pub listen: SocketAddr,
    /// `AC` and 32 hex digits.
    pub account_sid: String,
    /// Password of the REST interface; signs webhooks.
    pub auth_token: Secret,
    /// Decides the callees and the faults.
    pub seed: u64,
    /// Divides waits and frames, 1 to 1 000.
    pub speedup: f64,
    /// The account's pace, in calls per second of the carrier's own time (so real pace times `speedup`).
    pub calls_per_second: f64,
    /// The log; made if it is missing, continued if it is there.
    pub log: PathBuf,
    /// Faults by name and probability.
    pub faults: BTreeMap<String, f64>,
    /// Faults end this long after the start; `None` = never.
    pub faults_for: Option<Duration>,
    /// Whose form of the API it serves.
    pub dialect: Dialect,
}

/// A running carrier; it stops when this is dropped or [`SimHandle::stop`] is called.
#[derive(Debug)]
pub struct SimHandle {
    /// Where it listens.
    pub addr: SocketAddr,
    /// `http://…`, for a carrier's `base_url`.
    pub base_url: String,
    stop: Option<oneshot::Sender<()>>,
    tasks: tokio::task::JoinHandle<()>,
}

impl SimHandle {
    /// Stops listening and drops every live call; they are ended (`failed`) when the log is next opened.
    pub async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            let _serving_ended_by_itself = stop.send(());
        }
        let _ended = (&mut self.tasks).await;
    }
}

impl Drop for SimHandle {
    fn drop(&mut self) {
        self.tasks.abort();
    }
}

/// Starts the carrier on the current runtime.
///
/// Errors: an unknown fault, a speedup or pace out of range, a port or log that cannot be had.
pub async fn start(options: SimOptions, clock: Arc<dyn Clock>) -> Result<SimHandle, Failure> {
    if !(1.0..=1_000.0).contains(&options.speedup) {
        return Err(Failure::usage(format!("speedup {} is not between 1 and 1000", options.speedup)));
    }
    if !(options.calls_per_second > 0.0 && options.calls_per_second <= 10_000.0) {
        return Err(Failure::usage("calls per second must be over 0 and at most 10000"));
    }
    let faults = Faults::new(options.seed, options.faults)?;
    let (log, lines, bad) = Log::open(&options.log)?;
    if bad > 0 {
        tracing::warn!(bad, log = %options.log.display(), "unreadable lines of the carrier's log are skipped");
    }
    let mut book = Book::default();
    let orphans = book.replay(&lines);
    let listener = TcpListener::bind(options.listen).await.map_err(|error| {
        Failure::bug(format!("cannot listen on {}: {error}", options.listen)).next("choose another --listen port")
    })?;
    let addr = listener.local_addr().map_err(|error| Failure::bug(format!("no local address: {error}")))?;
    let (spawned, tasks) = mpsc::unbounded_channel();
    let world = Arc::new(World {
        account: options.account_sid,
        webhooks: Webhooks::new(options.auth_token.clone(), options.dialect)?,
        token: options.auth_token,
        seed: options.seed,
        dialect: options.dialect,
        speedup: options.speedup,
        calls_per_second: options.calls_per_second,
        faults,
        faults_until: options.faults_for.map(|span| clock.boot() + span),
        log,
        book: Mutex::new(book),
        next_start: Mutex::new(0.0),
        began: clock.boot(),
        count: AtomicU64::new(0),
        doors: doors(&clock, spawned),
    });
    let failed = |error: std::io::Error| Failure::bug(format!("carrier log: {error}"));
    world.write("", What::Started { seed: options.seed, speedup: options.speedup }).map_err(failed)?;
    for sid in orphans {
        let what = What::Ended { status: CallStatus::Failed, duration_s: 0, cause: "restart".to_owned() };
        world.write(&sid, what.clone()).map_err(failed)?;
        let at = world.now().wall;
        if let Some(entry) = world.book().get_mut(&sid) {
            entry.note(&what, at);
        }
    }
    let (stop, stopped) = oneshot::channel();
    let tasks = tokio::spawn(serve(world, listener, tasks, stopped));
    Ok(SimHandle { addr, base_url: format!("http://{addr}"), stop: Some(stop), tasks })
}

type Life = (Arc<World>, Started);

fn doors(clock: &Arc<dyn Clock>, spawned: mpsc::UnboundedSender<Life>) -> Doors {
    let (now, sleep) = (Arc::clone(clock), Arc::clone(clock));
    Doors {
        now: Box::new(move || Now { wall: now.wall(), boot: now.boot() }),
        sleep: Box::new(move |span| sleep.sleep(span)),
        // Bounded by SIM_CALLS: each letter is one call that the book has taken.
        start: Box::new(move |world, started| {
            let _carrier_is_stopping = spawned.send((world, started));
        }),
    }
}

async fn serve(
    world: Arc<World>,
    listener: TcpListener,
    mut calls: mpsc::UnboundedReceiver<Life>,
    stopped: oneshot::Receiver<()>,
) {
    let refusing = Arc::clone(&world);
    let refuse = Box::new(move || {
        let nth = refusing.count.fetch_add(1, Ordering::Relaxed);
        refusing.strikes("reset_before", "connection", nth)
    });
    let server = api::serve(Arc::clone(&world), listener, refuse);
    // Tasks of calls live in this set: dropping it stops them all.
    let mut lives = tokio::task::JoinSet::new();
    let lived = async {
        loop {
            tokio::select! {
                next = calls.recv() => match next {
                    Some((world, started)) => { lives.spawn(live(world, started)); }
                    None => break,
                },
                Some(ended) = lives.join_next() => if let Err(error) = ended {
                    tracing::error!(%error, "a call of the embedded carrier ended in a bug");
                },
            }
        }
    };
    tokio::select! {
        result = server => if let Err(error) = result {
            tracing::error!(%error, "the embedded carrier stopped serving");
        },
        () = lived => {}
        _ = stopped => {}
    }
}

/// One callback on its way.
struct Letter {
    status: CallStatus,
    sequence: u32,
    params: Vec<(String, String)>,
}

async fn live(world: Arc<World>, started: Started) {
    let Started { sid, order, script, mut machine, events: (sender, mut events) } = started;
    let (letters, mail) = mpsc::channel(SIM_EVENTS);
    let mut sequence = 0;
    let created = world.now();
    let mut stop_stream: Option<oneshot::Sender<()>> = None;
    let mut helpers = tokio::task::JoinSet::new();
    let callback = order.callback.clone();
    if let Some(callback) = callback.clone() {
        helpers.spawn(post_letters(Arc::clone(&world), sid.clone(), callback.url, mail));
    }
    loop {
        while let Some(command) = machine.poll() {
            match command {
                Command::Status(status) => {
                    let waited = world.own_ms(world.now().boot).saturating_sub(world.own_ms(created.boot));
                    let queued_ms = (status == CallStatus::Initiated).then_some(waited);
                    record(&world, &sid, What::Status { status, queued_ms });
                    tell(&world, &order, &sid, &letters, &mut sequence, (status, 0)).await;
                    if let (CallStatus::InProgress, Some(url)) = (status, order.machines.clone()) {
                        helpers.spawn(tell_answerer(Arc::clone(&world), sid.clone(), url, script.clone()));
                    }
                }
                Command::Verb(verb) => world.note(&sid, What::Verb { verb: verb.to_owned() }),
                Command::Fetch { url, digits } => {
                    let status = if machine.is_ringing_in() { CallStatus::Ringing } else { CallStatus::InProgress };
                    let params = base_params(&world, &order, &sid, status, digits);
                    helpers.spawn(fetch(Arc::clone(&world), url, params, sender.clone()));
                }
                Command::OpenStream(noun) => {
                    let (stop, stopped) = oneshot::channel();
                    stop_stream = Some(stop);
                    let line = stream::Wire { sid: sid.clone(), noun, script: script.clone(), events: sender.clone() };
                    helpers.spawn(stream::run(Arc::clone(&world), line, stopped));
                }
                Command::CloseStream => {
                    if let Some(stop) = stop_stream.take() {
                        let _stream_ended_by_itself = stop.send(());
                    }
                }
                Command::Ended { status, duration_s, cause } => {
                    record(&world, &sid, What::Ended { status, duration_s, cause: cause.to_owned() });
                    tell(&world, &order, &sid, &letters, &mut sequence, (status, duration_s)).await;
                }
            }
        }
        if machine.is_over() {
            break;
        }
        let due = machine.next_timeout();
        let event = tokio::select! {
            event = events.recv() => event.unwrap_or(Event::Tick),
            () = until(&world, due) => Event::Tick,
        };
        machine.handle(world.own_ms(world.now().boot), event);
    }
    // The last callback and the stream's stop are still on their way.
    drop(letters);
    events.close();
    while helpers.join_next().await.is_some() {}
    recordings::finish(world, sid).await;
}

/// Waits until the carrier's clock shows `due`; for ever if nothing is due.
async fn until(world: &World, due: Option<u64>) {
    let Some(due) = due else { return std::future::pending().await };
    let elapsed = world.now().boot.since(world.began);
    let at = Duration::from_secs_f64(due as f64 / 1_000.0 / world.speedup);
    (world.doors.sleep)(at.saturating_sub(elapsed)).await;
}

fn record(world: &World, sid: &str, what: What) {
    world.note(sid, what.clone());
    let at = world.now().wall;
    if let Some(entry) = world.book().get_mut(sid) {
        entry.note(&what, at);
    }
}

type Order = crate::core::sim::rest::NewCall;

fn base_params(
    world: &World,
    order: &Order,
    sid: &str,
    status: CallStatus,
    digits: Option<String>,
) -> Vec<(String, String)> {
    let mut params = vec![
        ("CallSid", sid.to_owned()),
        ("AccountSid", world.account.clone()),
        ("From", order.from.clone()),
        ("To", order.to.clone()),
        ("Caller", order.from.clone()),
        ("Called", order.to.clone()),
        ("CallStatus", status.to_string()),
        ("ApiVersion", wire::API_VERSION.to_owned()),
        ("Direction", if order.inbound { "inbound" } else { "outbound-api" }.to_owned()),
    ];
    // Mostly blank at the real carrier too: a verifier that drops blanks fails here first.
    for name in ["FromCity", "FromState", "FromZip", "FromCountry", "ToCity", "ToState", "ToZip", "ToCountry"] {
        params.push((name, String::new()));
    }
    params.extend(digits.map(|digits| ("Digits", digits)));
    params.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

async fn tell(
    world: &World,
    order: &Order,
    sid: &str,
    letters: &mpsc::Sender<Letter>,
    sequence: &mut u32,
    (status, duration_s): (CallStatus, u32),
) {
    if !order.callback.as_ref().is_some_and(|callback| callback.wants(status)) {
        return;
    }
    let mut params = base_params(world, order, sid, status, None);
    let mut add = |name: &str, value: String| params.push((name.to_owned(), value));
    add("CallbackSource", "call-progress-events".to_owned());
    add("SequenceNumber", sequence.to_string());
    add("Timestamp", wire::date(world.now().wall));
    if status.is_terminal() {
        add("CallDuration", duration_s.to_string());
        add("Duration", duration_s.div_ceil(60).to_string());
        if status == CallStatus::Busy {
            add("SipResponseCode", "486".to_owned());
        }
        if status == CallStatus::Failed && world.faults.strikes("account_failed", &order.to, 0) {
            add("ErrorCode", "20005".to_owned());
        }
    }
    let letter = Letter { status, sequence: *sequence, params };
    *sequence += 1;
    // A call has at most five callbacks and the channel holds more: this never waits.
    let _poster_is_gone = letters.send(letter).await;
}

async fn post_letters(world: Arc<World>, sid: String, url: String, mut mail: mpsc::Receiver<Letter>) {
    let mut held: Option<Letter> = None;
    while let Some(mut letter) = mail.recv().await {
        let nth = u64::from(letter.sequence);
        if letter.status.is_terminal() && world.strikes("end_mismatch", &sid, nth) {
            letter.status = CallStatus::Failed;
            for (name, value) in &mut letter.params {
                if name == "CallStatus" {
                    *value = CallStatus::Failed.to_string();
                }
            }
        }
        if world.strikes("drop_callback", &sid, nth) {
            log_letter(&world, &sid, &letter, "dropped".to_owned());
            continue;
        }
        if held.is_none() && !letter.status.is_terminal() && world.strikes("reorder_callback", &sid, nth) {
            held = Some(letter);
            continue;
        }
        post_letter(&world, &sid, &url, &letter).await;
        if world.strikes("dup_callback", &sid, nth) {
            post_letter(&world, &sid, &url, &letter).await;
        }
        if let Some(late) = held.take() {
            post_letter(&world, &sid, &url, &late).await;
        }
    }
    if let Some(late) = held {
        post_letter(&world, &sid, &url, &late).await;
    }
}

async fn post_letter(world: &World, sid: &str, url: &str, letter: &Letter) {
    let result = match world.post(url, &letter.params).await {
        Ok((http, _)) => http.to_string(),
        Err(error) => error,
    };
    log_letter(world, sid, letter, result);
}

fn log_letter(world: &World, sid: &str, letter: &Letter, result: String) {
    let (kind, status, sequence) = ("status".to_owned(), letter.status, letter.sequence);
    world.note(sid, What::Callback { kind, status, sequence, result });
}

/// Says who answered, once that can be known, whether the call goes on or not.
async fn tell_answerer(world: Arc<World>, sid: String, url: String, script: Script) {
    let wrong = world.strikes("false_verdict", &sid, 0);
    let (word, after_ms) = match script.behaviour {
        Behaviour::Voicemail if wrong => ("human", script.delay_ms + 1_200),
        _ if wrong => ("machine_start", script.delay_ms + 2_400),
        Behaviour::Voicemail => ("machine_start", script.delay_ms + 2_400),
        Behaviour::Fax => ("fax", 1_200),
        Behaviour::HangsUpAtOnce => ("unknown", 5_000),
        _ => ("human", script.delay_ms + 1_200),
    };
    let late_ms = if world.strikes("late_verdict", &sid, 0) { 20_000 } else { 0 };
    (world.doors.sleep)(Duration::from_secs_f64((after_ms + late_ms) as f64 / 1_000.0 / world.speedup)).await;
    let params = [
        ("CallSid", sid.clone()),
        ("AccountSid", world.account.clone()),
        ("AnsweredBy", word.to_owned()),
        ("MachineDetectionDuration", after_ms.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value));
    let result = match world.post(&url, &params).await {
        Ok((http, _)) => http.to_string(),
        Err(error) => error,
    };
    world
        .note(&sid, What::Callback { kind: "machine".to_owned(), status: CallStatus::InProgress, sequence: 0, result });
}

async fn fetch(world: Arc<World>, url: String, params: Vec<(String, String)>, events: mpsc::Sender<Event>) {
    let verbs = match world.post(&url, &params).await {
        Ok((200..=299, text)) => twiml::parse(&text).map_err(|fault| fault.to_string()),
        Ok((http, _)) => Err(format!("11200 HTTP {http}")),
        Err(error) => Err(format!("11205 {error}")),
    };
    let result = match &verbs {
        Ok(_) => "ok".to_owned(),
        Err(fault) => fault.clone(),
    };
    let sid = params.first().map(|(_, sid)| sid.clone()).unwrap_or_default();
    let kind = "document".to_owned();
    world.note(&sid, What::Callback { kind, status: CallStatus::InProgress, sequence: 0, result });
    let _call_is_over = events.send(Event::Document(verbs.ok())).await;
}

/// `MZ` and 32 hex digits, of a call and a number within it.
fn stream_sid(world: &World, sid: &str) -> String {
    world.id("MZ", world.now().boot.0, &["stream", sid])
}
