//! The gateway: callbacks and media sockets, checked, and given to the desk.
//!
//! It runs on one thread of its own (`edge/gateway/own`): sockets first, the voice network one chunk at a time in
//! their pauses. The recorder has another. Neither waits for the desk's database: the desk's futures are awaited by
//! the request or stream that they belong to only.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::clock::Clock;
use super::session;
use crate::base::text::printable;
use crate::base::{AttemptId, CallId, Exit, Failure, Language, Money, Phone, Secret, Sid, Wall, limits};
use crate::core::call::ear::Job;
use crate::core::call::session::Notes;
use crate::core::call::{Answerer, Line, What};
use crate::core::dial::{CallStatus, admission};
use crate::core::wire::recordings::{self, RecordingTold};
use crate::core::wire::signature::Trusted;
use crate::core::wire::token::TokenKey;
use crate::core::wire::{ed25519, form, signature, token};
use crate::edge::gateway::guard::Bounds;
use crate::edge::gateway::{Handler, MediaDoor, Seal, own, server};
use crate::store::calllog::Recorder;

mod registry;

pub use crate::edge::gateway::Boxed;
pub(super) use registry::CarrierWord;
pub use registry::{Expected, LateScript, Registry};

/// There is no room now: the carrier may repeat its request (HTTP 503).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("overloaded")]
pub struct Overloaded;

/// Whoever the calls belong to.
pub trait CallDesk: Send + Sync {
    /// A checked status callback. `Ok` only after it is durable: the carrier is told 200 then, 503 on `Err`.
    fn status(&self, event: StatusEvent) -> Boxed<'_, Result<(), Overloaded>>;
    /// A checked word of the carrier about who answered. `Ok` only after it is durable.
    fn answered_by(&self, attempt: AttemptId, who: Answerer) -> Boxed<'_, Result<(), Overloaded>>;
    /// The callee pressed the opt-out key. `Ok` only after it is durable; asked again after `Err`.
    fn opt_out(&self, attempt: AttemptId) -> Boxed<'_, Result<(), Overloaded>>;
    /// The carrier may record this call from now on. Must not block.
    fn record(&self, _attempt: AttemptId, _sid: Sid) {}
    /// The carrier's checked word about a recording. `Ok` only after it is durable.
    fn recording(&self, _attempt: AttemptId, _told: RecordingTold) -> Boxed<'_, Result<(), Overloaded>> {
        Box::pin(async { Ok(()) })
    }
    /// The stream has begun and its first sound is written. Must not block.
    fn stream_started(&self, attempt: AttemptId, sid: Option<Sid>);
    /// The call is over on our side: end it at the carrier, which would otherwise go on to the verb after the stream.
    fn hang_up(&self, attempt: AttemptId, sid: Sid) -> Boxed<'_, ()>;
    /// A checked webhook: somebody calls us. Gives the document that says what happens on the call, from memory; `None`:
    /// the number is nobody's. Must not block.
    fn answer(&self, _form: &[(String, String)]) -> Option<String> {
        None
    }
    /// There is no cloned voice in time: the agent is to come with its own. Must not block.
    fn own_voice(&self, _attempt: AttemptId) {}
    /// The caller wants to be called back: true only when that is durable, and may be done.
    fn promise(&self, _attempt: AttemptId) -> Boxed<'_, bool> {
        Box::pin(async { false })
    }
    /// Connects the callee with the number that the campaign names; whether the carrier has taken it.
    fn transfer(&self, _attempt: AttemptId, _sid: Sid) -> Boxed<'_, bool> {
        Box::pin(async { false })
    }
    /// Puts a machine's first words down (µ-law); the words, and what that cost. `None`: nobody can.
    fn understand(
        &self,
        _attempt: AttemptId,
        _language: Language,
        _ulaw: Vec<u8>,
    ) -> Boxed<'_, Option<(String, Money)>> {
        Box::pin(async { None })
    }
    /// The stream is over and its log is on the disk.
    fn ended(&self, summary: CallSummary) -> Boxed<'_, ()>;
}

/// Whoever takes the posts of a telephone system's add-ons.
pub trait Posts: Send + Sync {
    /// Whether this is the token of its address.
    fn fits(&self, token: &str) -> bool;
    /// A post of at most `limits::HOOK_BYTES`, whose token fits: the HTTP status. Must not block.
    fn post(&self, body: &[u8]) -> u16;
}

/// A status callback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusEvent {
    /// The attempt that the URL's token names.
    pub attempt: AttemptId,
    /// The carrier's id of the call.
    pub sid: Option<Sid>,
    /// What it became.
    pub status: CallStatus,
    /// Counts the callbacks of the call, from 0.
    pub sequence: Option<u64>,
    /// Seconds of talk.
    pub duration_s: Option<u32>,
    /// The SIP answer behind it.
    pub sip_code: Option<u16>,
    /// Who answered, in the carrier's words.
    pub answered_by: Option<String>,
    /// The form with numbers masked and places dropped, for the ledger's facts.
    pub form: Vec<(String, String)>,
}

/// What a stream came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallSummary {
    /// The attempt.
    pub attempt: AttemptId,
    /// The call; its log lies in a folder of this name.
    pub call: CallId,
    /// The carrier's id of the call, as the stream gave it.
    pub sid: Option<Sid>,
    /// When `start` was received, by the wall clock; `None` if it never was.
    pub stream_at: Option<Wall>,
    /// `start` received → first sound written, on the boot clock; `None` if none was written.
    pub first_audio_us: Option<u64>,
    /// Inbound sound before the first sound was written; `None` if none was written.
    pub first_audio_media_ms: Option<u64>,
    /// What was heard, said and pressed, and why it ended.
    pub notes: Notes,
    /// The call's folder.
    pub folder: PathBuf,
    /// What its agent's usage cost; `None`: no agent had the line.
    pub agent_cost: Option<Money>,
}

/// What the gateway needs.
pub struct GatewayOptions {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// How carriers reach it (`https://…`); absent = `http://` and the address.
    pub public_url: Option<String>,
    /// The accounts' auth tokens: a request signed with any of them is believed.
    pub auth_tokens: Vec<Secret>,
    /// The ledger's key for attempt tokens.
    pub token_key: TokenKey,
    /// Where call logs go.
    pub calls_dir: PathBuf,
    /// Bounds of its connections.
    pub bounds: Bounds,
    /// Refused requests are counted, not told: they are our own.
    pub quiet: bool,
}

/// Counts since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests without a right signature: answered 403.
    pub forged: u64,
    /// Streams with an unknown, expired or used token.
    pub refused: u64,
    /// Connections closed because there was no room.
    pub pressed: u64,
    /// Parts of call logs lost because the disk was too slow.
    pub log_lost: u64,
    /// Writes of call logs that failed.
    pub log_failed: u64,
    /// Live streams.
    pub live: usize,
}

/// What requests and streams share.
pub(super) struct Shared {
    public_url: String,
    stream_url: String,
    trusted: RwLock<Vec<Trusted>>,
    /// By carrier.
    posts: RwLock<HashMap<String, Arc<dyn Posts>>>,
    pub(super) token_key: TokenKey,
    pub(super) calls_dir: PathBuf,
    pub(super) desk: Arc<dyn CallDesk>,
    pub(super) registry: Registry,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) recorder: Recorder,
    pub(super) judge: mpsc::Sender<Judging>,
    pub(super) stopping: AtomicBool,
    pub(super) refused: AtomicU64,
    forged: AtomicU64,
    pressed: AtomicU64,
    live: AtomicUsize,
    /// Calls at once that this process has open files for.
    room: usize,
    quiet: bool,
}

/// A chunk for the voice network and the way back.
pub(super) struct Judging {
    pub(super) job: Box<Job>,
    pub(super) back: mpsc::Sender<Box<Job>>,
}

/// A running gateway. Dropping it closes the port and every stream at once.
pub struct GatewayHandle {
    /// The address it listens on.
    pub addr: SocketAddr,
    /// How carriers reach it.
    pub public_url: String,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    done: oneshot::Receiver<()>,
    thread: Option<own::Running<()>>,
}

/// Starts the gateway on its own thread.
pub fn start(
    options: GatewayOptions,
    desk: Arc<dyn CallDesk>,
    registry: Registry,
    clock: Arc<dyn Clock>,
) -> Result<GatewayHandle, Failure> {
    let refused = |error: std::io::Error| {
        Failure::new(Exit::Usage, format!("[gateway] cannot listen on {}: {error}", options.listen))
            .next("choose a free address in ahoy.toml, such as listen = \"127.0.0.1:0\"")
    };
    let listener = std::net::TcpListener::bind(options.listen).map_err(refused)?;
    let addr = listener.local_addr().map_err(refused)?;
    let public_url = options.public_url.unwrap_or_else(|| format!("http://{addr}"));
    let public_url = public_url.trim_end_matches('/').to_owned();
    // https → wss, http → ws.
    let stream_url = format!("{}/v1/media", public_url.replacen("http", "ws", 1));
    let files = own::raise_file_limit();
    let room = admission::calls_within(files);
    if room == 0 {
        return Err(Failure::bug(format!(
            "this process may open {files} files; a call needs {}",
            limits::FILES_A_CALL
        ))
        .next("raise the limit: `ulimit -n 4096`, or LimitNOFILE= in its service file"));
    }
    let (recorder, recorder_thread) = Recorder::start()?;
    let (judge, judging) = mpsc::channel(limits::STREAMS);
    let shared = Arc::new(Shared {
        public_url: public_url.clone(),
        stream_url,
        trusted: RwLock::new(options.auth_tokens.into_iter().map(Trusted::Token).collect()),
        posts: RwLock::default(),
        token_key: options.token_key,
        calls_dir: options.calls_dir,
        desk,
        registry,
        clock,
        recorder,
        judge,
        stopping: AtomicBool::new(false),
        refused: AtomicU64::new(0),
        forged: AtomicU64::new(0),
        pressed: AtomicU64::new(0),
        live: AtomicUsize::new(0),
        room,
        quiet: options.quiet,
    });
    let bounds = options.bounds;
    let (stop, stopped) = oneshot::channel();
    let (finished, done) = oneshot::channel();
    let theirs = shared.clone();
    let thread = own::start("gateway", move || async move {
        tokio::spawn(judge_in_the_pauses(judging));
        let stop = async move {
            // An error is the handle's drop: the same wish.
            let _stop_or_dropped = stopped.await;
        };
        if let Err(error) = server::serve(listener, theirs, bounds, stop).await {
            tracing::error!(%error, "the gateway's port failed");
        }
        drop(recorder_thread);
        let _nobody_may_be_waiting = finished.send(());
    })?;
    Ok(GatewayHandle { addr, public_url, shared, stop: Some(stop), done, thread: Some(thread) })
}

/// Runs the voice network, one chunk at a time: after each the runtime looks at its sockets first.
async fn judge_in_the_pauses(mut judging: mpsc::Receiver<Judging>) {
    while let Some(Judging { mut job, back }) = judging.recv().await {
        job.judge();
        // A stream that ended meanwhile does not want it back.
        let _stream_is_gone = back.try_send(job);
        tokio::task::yield_now().await;
    }
}

/// The way into sessions for carriers that open no socket here.
#[derive(Clone)]
pub struct Streams(Arc<Shared>);

impl Streams {
    /// Runs a media socket to its end; the token proves whose it is.
    pub async fn serve(self, door: Box<dyn MediaDoor>, token: String) {
        let seal = Seal { target: String::new(), signature: None, settings: None, stamped: None };
        match self.0.admit(&seal, Some(&token)) {
            Ok(()) => self.0.media(door, Some(token)).await,
            Err(status) => tracing::warn!(status, "a media leg was not admitted"),
        }
    }

    /// Somebody calls one of our numbers: the document of the call. `None`: the number is nobody's, or it is being closed.
    pub fn answer(&self, form: &[(String, String)]) -> Option<String> {
        if self.0.stopping.load(Ordering::Acquire) {
            return None;
        }
        self.0.desk.answer(form)
    }

    /// The attempt of a token of ours.
    pub fn attempt_of(&self, token: &str) -> Option<AttemptId> {
        token::verify(&self.0.token_key, token)
    }

    /// Posts of this carrier's add-ons go there from now on.
    pub fn posts(&self, carrier: &str, to: Arc<dyn Posts>) {
        self.0.posts.write().unwrap_or_else(PoisonError::into_inner).insert(carrier.to_owned(), to);
    }

    /// An add-on's word about a call, for its log.
    pub fn hinted(&self, attempt: AttemptId, word: &'static str) {
        if let Some((call, zero)) = self.0.registry.live(attempt) {
            let ms = u64::try_from(self.0.clock.boot().since(zero).as_millis()).unwrap_or(u64::MAX);
            self.0.recorder.event(call, Line { ms, media_ms: 0, what: What::Hinted { word: word.to_owned() } });
        }
    }

    /// What a carrier said about a call. `Ok` only after it is durable.
    pub async fn told(&self, event: StatusEvent) -> Result<(), Overloaded> {
        self.0.told(event).await
    }
}

impl GatewayHandle {
    /// The way in for carriers that open no socket here.
    pub fn streams(&self) -> Streams {
        Streams(Arc::clone(&self.shared))
    }

    /// Where the carrier opens the media socket.
    pub fn stream_url(&self) -> String {
        self.shared.stream_url.clone()
    }

    /// Where the carrier asks what to do with a call to one of our numbers.
    pub fn answer_url(&self) -> String {
        format!("{}/v1/answer", self.public_url)
    }

    /// Where the carrier sends status callbacks of the attempt with this token.
    pub fn status_url(&self, token: &str) -> String {
        format!("{}/v1/status/{token}", self.public_url)
    }

    /// Whether its port is open.
    pub fn is_open(&self) -> bool {
        let runs = self.thread.as_ref().is_some_and(|thread| !thread.is_finished());
        runs && !self.shared.stopping.load(Ordering::Acquire)
    }

    /// Calls at once that this process has open files for.
    pub fn room(&self) -> usize {
        self.shared.room
    }

    /// Believes requests that are signed for this key too.
    pub fn trust(&self, key: Trusted) {
        self.shared.trusted.write().unwrap_or_else(PoisonError::into_inner).push(key);
    }

    /// Counts since the start.
    pub fn counts(&self) -> Counts {
        Counts {
            forged: self.shared.forged.load(Ordering::Relaxed),
            refused: self.shared.refused.load(Ordering::Relaxed),
            pressed: self.shared.pressed.load(Ordering::Relaxed),
            log_lost: self.shared.recorder.lost(),
            log_failed: self.shared.recorder.failed(),
            live: self.shared.live.load(Ordering::Relaxed),
        }
    }

    /// Ends all streams politely, waits for their logs and summaries (at most 15 s), closes the port.
    pub async fn stop(mut self) {
        self.shared.stopping.store(true, Ordering::Release);
        for _ in 0..750 {
            if self.shared.live.load(Ordering::Acquire) == 0 {
                break;
            }
            self.shared.clock.sleep(Duration::from_millis(20)).await;
        }
        if let Some(stop) = self.stop.take() {
            let _already_over = stop.send(());
        }
        let longest = self.shared.clock.sleep(Duration::from_secs(2));
        tokio::select! {
            _finished = &mut self.done => {
                if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
                    tracing::error!("the gateway's thread panicked");
                }
            }
            () = longest => tracing::warn!("the gateway did not close its port in time"),
        }
    }
}

impl Shared {
    fn signed(&self, url: &str, body: signature::Body<'_>, seal: &Seal, upgrade: Upgrade<'_>) -> bool {
        let (given, settings) = (seal.signature.as_deref(), seal.settings.as_deref());
        let request = signature::Signed { url, body, signature: given, settings };
        let keys = self.trusted.read().unwrap_or_else(PoisonError::into_inner);
        let right = keys.iter().any(|key| match (key, upgrade) {
            (Trusted::Token(token), Upgrade::Socket) => {
                signature::verify_upgrade(&signature::Keys { token, shared: None }, &request)
            }
            (Trusted::Token(token), Upgrade::No(_)) => {
                signature::verify(&signature::Keys { token, shared: None }, &request)
            }
            // Such a carrier signs no upgrade.
            (Trusted::Ed25519(_), Upgrade::Socket) => false,
            (Trusted::Ed25519(key), Upgrade::No(raw)) => seal.stamped.as_ref().is_some_and(|(signature, timestamp)| {
                let shown = ed25519::Shown { signature: Some(signature), timestamp: Some(timestamp) };
                key.verify(shown, raw, self.clock.wall())
            }),
        });
        if !right && self.forged.fetch_add(1, Ordering::Relaxed).is_multiple_of(1_000) && !self.quiet {
            tracing::warn!("a request without a right signature was refused (logged once in 1,000)");
        }
        right
    }

    async fn take_status(&self, token: &str, seal: Seal, body: &[u8]) -> u16 {
        let form = form::decode(body);
        let url = format!("{}{}", self.public_url, seal.target);
        if !self.signed(&url, signature::Body::Form(&form), &seal, Upgrade::No(body)) {
            return 403;
        }
        let Some(attempt) = token::verify(&self.token_key, token) else { return 404 };
        if let Some(told) = recordings::read_callback(&form) {
            return answer(self.desk.recording(attempt, told).await);
        }
        if let Some(who) = answerer(&form) {
            if let Some(word) = self.registry.word_of(attempt) {
                word.tell(who);
            }
            return answer(self.desk.answered_by(attempt, who).await);
        }
        let Some(event) = status_event(attempt, &form) else { return 400 };
        answer(self.told(event).await)
    }

    async fn told(&self, event: StatusEvent) -> Result<(), Overloaded> {
        if event.status == CallStatus::InProgress {
            let now = self.clock.boot();
            if let Some((call, zero)) = self.registry.answered(event.attempt, now) {
                let ms = u64::try_from(now.since(zero).as_millis()).unwrap_or(u64::MAX);
                self.recorder.event(call, Line { ms, media_ms: 0, what: What::Answered });
            }
        }
        self.desk.status(event).await
    }
}

/// 503 asks the carrier to repeat its callback.
fn answer(taken: Result<(), Overloaded>) -> u16 {
    match taken {
        Ok(()) => 200,
        Err(Overloaded) => 503,
    }
}

#[derive(Clone, Copy)]
enum Upgrade<'a> {
    Socket,
    /// A webhook, with its raw body.
    No(&'a [u8]),
}

/// Who answered, if that is what a callback is about: it names no status.
fn answerer(form: &[(String, String)]) -> Option<Answerer> {
    let first = |name: &str| form::first(form, name).filter(|value| !value.is_empty());
    if first("CallStatus").is_some() { None } else { first("AnsweredBy").map(Answerer::of_carrier) }
}

fn status_event(attempt: AttemptId, form: &[(String, String)]) -> Option<StatusEvent> {
    let first = |name: &str| form::first(form, name).filter(|value| !value.is_empty());
    Some(StatusEvent {
        attempt,
        sid: first("CallSid").and_then(|sid| sid.parse().ok()),
        status: first("CallStatus")?.parse().ok()?,
        sequence: first("SequenceNumber").and_then(|it| it.parse().ok()),
        duration_s: first("CallDuration").and_then(|it| it.parse().ok()),
        sip_code: first("SipResponseCode").and_then(|it| it.parse().ok()),
        answered_by: first("AnsweredBy").map(|it| printable(&it.chars().take(40).collect::<String>())),
        form: redacted(form),
    })
}

/// Numbers masked, names and places of the parties dropped, lengths bounded.
fn redacted(form: &[(String, String)]) -> Vec<(String, String)> {
    let personal = |name: &str| {
        ["City", "State", "Zip", "Country", "Name", "Formatted"].iter().any(|end| name.ends_with(end))
            || name == "CallToken"
    };
    let mut kept = Vec::new();
    for (name, value) in form.iter().filter(|(name, _)| !personal(name)).take(64) {
        let value = match name.as_str() {
            "From" | "To" | "Caller" | "Called" | "ForwardedFrom" => {
                Phone::from_e164(value).map_or_else(|_| "…".to_owned(), |phone| phone.to_string())
            }
            _ => printable(&value.chars().take(200).collect::<String>()),
        };
        kept.push((printable(&name.chars().take(64).collect::<String>()), value));
    }
    kept
}

impl Handler for Shared {
    fn answer(&self, seal: &Seal, body: &[u8]) -> (u16, String) {
        let form = form::decode(body);
        let url = format!("{}{}", self.public_url, seal.target);
        if !self.signed(&url, signature::Body::Form(&form), seal, Upgrade::No(body)) {
            return (403, String::new());
        }
        if self.stopping.load(Ordering::Acquire) {
            return (503, String::new());
        }
        self.desk.answer(&form).map_or((404, String::new()), |document| (200, document))
    }

    fn posts(&self, carrier: &str, token: &str) -> bool {
        let posts = self.posts.read().unwrap_or_else(PoisonError::into_inner);
        let right = posts.get(carrier).is_some_and(|posts| posts.fits(token));
        if !right && self.forged.fetch_add(1, Ordering::Relaxed).is_multiple_of(1_000) && !self.quiet {
            tracing::warn!("a post without a right token was refused (logged once in 1,000)");
        }
        right
    }

    fn post(&self, carrier: &str, body: &[u8]) -> u16 {
        let posts = self.posts.read().unwrap_or_else(PoisonError::into_inner).get(carrier).cloned();
        posts.map_or(403, |posts| posts.post(body))
    }

    fn status<'a>(&'a self, token: &'a str, seal: Seal, body: &'a [u8]) -> Boxed<'a, u16> {
        Box::pin(self.take_status(token, seal, body))
    }

    fn admit(&self, seal: &Seal, token: Option<&str>) -> Result<(), u16> {
        let expected = |token| {
            token::verify(&self.token_key, token).is_some_and(|attempt| self.registry.opens_by_token(attempt, token))
        };
        let url = format!("{}{}", self.stream_url, seal.target.strip_prefix("/v1/media").unwrap_or(""));
        if !token.is_some_and(expected) && !self.signed(&url, signature::Body::Empty, seal, Upgrade::Socket) {
            return Err(403);
        }
        // A stream that is over writes its log for a moment longer, with fewer files than a new one needs: it counts here,
        // but not among the calls that `room` allows.
        let full = self.live.load(Ordering::Relaxed) >= limits::STREAMS.min(2 * self.room);
        if full || self.stopping.load(Ordering::Acquire) { Err(503) } else { Ok(()) }
    }

    fn media(self: Arc<Self>, socket: Box<dyn MediaDoor>, token: Option<String>) -> Boxed<'static, ()> {
        self.live.fetch_add(1, Ordering::AcqRel);
        Box::pin(async move {
            session::serve(&self, socket, token).await;
            self.live.fetch_sub(1, Ordering::AcqRel);
        })
    }

    fn pressed(&self, what: &str, how: &str) {
        if self.pressed.fetch_add(1, Ordering::Relaxed).is_multiple_of(1_000) {
            tracing::warn!(how, "{what} (logged once in 1,000)");
        }
    }

    fn health(&self) -> String {
        format!("ok, {} live streams\n", self.live.load(Ordering::Relaxed))
    }
}
