//! Asterisk by ARI. An order is one request, on a channel that we name; before it, and without ringing anybody, the leg of
//! our sound and its bridge are made, so that an answered call needs one request until it hears us.
//!
//! What became of a call is told by events and by `GET /channels/ID`, never found out by asking for it again: a name is
//! protected only while its channel lives.

pub mod audio;
pub mod websocket;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, Response, header};
use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;
use websocket::ChanSocket;

use super::client::{House, body};
use super::events::{self, EventSocket};
use super::{
    AskFault, Boxed, Carrier, ContractCard, Ending, Events, Hello, ListQuery, Listed, Listing, Order, OwnTag,
    PlaceFault, Placed, Refusal, RemoteCall, Signature, StreamProof, Throttled,
};
use crate::base::limits::{PLACE_CONNECT_TIMEOUT, PLACE_TIMEOUT};
use crate::base::{AttemptId, Failure, Secret, Sid, Wall};
use crate::core::dial::CallStatus;
use crate::core::dial::breaker::StopKind;
use crate::core::dial::horizon::Bounds;
use crate::core::wire::twiml::StreamForm;
use crate::core::wire::{ari, chan_websocket, twilio as wire};
use crate::edge::cause;

/// Promises of an Asterisk.
pub const CARD: ContractCard = ContractCard {
    kind: "asterisk",
    request_key: None,
    throttled: Throttled::Unsaid,
    own_tag: OwnTag::Field("channel.id"),
    default_calls_per_second: 1.0,
    // A call that is over is in no list.
    listing: Listing::Never,
    events: Events { ordered: true, repeated: false, repeat_token: None },
    signature: Signature::OurSocket,
    bounds: Bounds { processing: Duration::from_secs(10), list_lag: Duration::ZERO, queue: Duration::ZERO },
    stream: StreamProof::Token,
    stream_form: StreamForm::Plain,
    buffers_media: false,
};

/// The same with media by `chan_websocket`.
pub const AHEAD_CARD: ContractCard = ContractCard { buffers_media: true, ..CARD };

/// How an Asterisk's media legs come to be.
pub enum Legs {
    /// By AudioSocket; it connects to this address, host and port.
    AudioSocket(String),
    /// By `chan_websocket`: each is asked for here, and opened before anybody is rung. `connection`: its name in
    /// `websocket_client.conf`, if Asterisk opens the socket; else we do.
    WebSocket {
        /// See there.
        connection: Option<String>,
        /// Whoever opens them.
        wanted: mpsc::Sender<Wanted>,
    },
}

/// A leg that is to be opened.
pub struct Wanted {
    /// Whose it is.
    pub attempt: AttemptId,
    /// The attempt's token: opens its session.
    pub token: String,
    /// How it is opened.
    pub how: Opens,
    /// Told once it is open and the one that was asked for, or why not, in words.
    pub opened: oneshot::Sender<Result<(), String>>,
}

/// Who opens a leg's socket.
pub enum Opens {
    /// We, by its connection's name at Asterisk.
    We(String),
    /// Asterisk, and it says this name.
    Asterisk(Uuid),
}

/// How an Asterisk is reached.
#[derive(Debug, Clone)]
pub struct AsteriskOptions {
    /// Scheme, host and port.
    pub base_url: String,
    /// User of `ari.conf`.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// Name of the Stasis application.
    pub app: String,
    /// How a number is dialed, with `{number}` or `{digits}`.
    pub endpoint: String,
}

/// An Asterisk.
pub struct Asterisk {
    options: AsteriskOptions,
    house: House,
    /// Whether its events reach us: without them an answered call would be hung up on.
    told: AtomicBool,
    /// Legs that were asked for, by the name that their socket will say.
    legs: Mutex<HashMap<Uuid, (AttemptId, String)>>,
    /// How they come to be, once that is known.
    ways: OnceLock<Legs>,
    /// Attempts whose leg was not in its application when it was to go into the bridge.
    apart: Mutex<HashSet<AttemptId>>,
}

impl Asterisk {
    /// Makes the client. Errors: the base URL is no URL, or the TLS library cannot start.
    pub fn new(options: AsteriskOptions) -> Result<Asterisk, Failure> {
        let house = House::at(&options.base_url, PLACE_CONNECT_TIMEOUT, PLACE_TIMEOUT)?;
        Ok(Asterisk {
            options,
            house,
            told: AtomicBool::new(false),
            legs: Mutex::default(),
            ways: OnceLock::new(),
            apart: Mutex::default(),
        })
    }

    /// How media legs come to be: told once.
    pub fn set_legs(&self, ways: Legs) {
        let _the_first_stays = self.ways.set(ways);
    }

    /// Its version, as it says it; empty if it does not.
    pub async fn version(&self) -> Result<String, AskFault> {
        let answer = self.get(&ari::path("asterisk/info", &[("only", "system")])).await?;
        Ok(read::<ari::Info>(answer).await?.version())
    }

    /// Whether a module runs there.
    pub async fn runs(&self, module: &str) -> Result<bool, AskFault> {
        match self.get(&ari::path(&format!("asterisk/modules/{module}"), &[])).await {
            Ok(_) => Ok(true),
            Err(AskFault::Gone) => Ok(false),
            Err(other) => Err(other),
        }
    }

    /// Opens the socket of a leg that Asterisk waits on. Errors: what failed, in words.
    pub async fn open_leg(&self, connection: &str) -> Result<ChanSocket, String> {
        ChanSocket::open(self.house.base.as_str(), connection).await
    }

    /// Whether its events reach us from now on.
    pub fn set_told(&self, told: bool) {
        self.told.store(told, Ordering::Release);
    }

    /// The leg that says this name, once: its attempt and the attempt's token.
    pub fn leg(&self, name: Uuid) -> Option<(AttemptId, String)> {
        self.legs().remove(&name)
    }

    /// Opens the socket of our application's events: the application exists there only while it is open. Errors: what
    /// failed, in words.
    pub async fn listen(&self) -> Result<EventSocket, String> {
        let user = STANDARD.encode(format!("{}:{}", self.options.user, self.options.password.reveal()));
        let path = ari::path("events", &[("app", &self.options.app)]);
        events::open(self.house.base.as_str(), &path, &format!("Basic {user}")).await
    }

    fn apart(&self) -> MutexGuard<'_, HashSet<AttemptId>> {
        self.apart.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn legs(&self) -> MutexGuard<'_, HashMap<Uuid, (AttemptId, String)>> {
        // Every change is one step: a panic elsewhere leaves the map whole.
        self.legs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, method: Method, path: &str) -> Result<Response, reqwest::Error> {
        let request =
            self.house.client.request(method, self.house.url(path)).header(header::ACCEPT, "application/json");
        request.basic_auth(&self.options.user, Some(self.options.password.reveal())).send().await
    }

    /// A request that only makes ready: any answer but 2xx, or none, is a fault.
    async fn prepare(&self, path: &str) -> Result<(), AskFault> {
        let answer = self.ask(Method::POST, path).await;
        said(answer.map_err(|error| AskFault::Failed { cause: cause(&error) })?.status().as_u16())
    }

    async fn get(&self, path: &str) -> Result<Response, AskFault> {
        let answer = self.ask(Method::GET, path).await;
        let answer = answer.map_err(|error| AskFault::Failed { cause: cause(&error) })?;
        said(answer.status().as_u16()).map(|()| answer)
    }

    /// Our leg and its bridge, before anybody is rung.
    async fn make_ready(&self, attempt: AttemptId, token: &str) -> Result<(), AskFault> {
        let bridge = ari::bridge_of(attempt);
        let media = ari::media_of(attempt);
        self.prepare(&ari::path(&format!("bridges/{bridge}"), &[("type", "mixing")])).await?;
        match self.ways.get() {
            None => return Err(AskFault::Failed { cause: "our media port is not open".to_owned() }),
            Some(Legs::AudioSocket(address)) => {
                let name = leg_name(token);
                self.legs().insert(name, (attempt, token.to_owned()));
                let leg = [
                    ("app", self.options.app.as_str()),
                    ("channelId", &media),
                    ("external_host", address),
                    ("encapsulation", "audiosocket"),
                    ("transport", "tcp"),
                    ("format", "slin"),
                    ("data", &name.to_string()),
                ];
                self.prepare(&ari::path("channels/externalMedia", &leg)).await?;
            }
            Some(Legs::WebSocket { connection, wanted }) => {
                self.open_ahead(attempt, token, connection.as_deref(), wanted).await?;
            }
        }
        if !self.add(&bridge, &media).await? {
            self.apart().insert(attempt);
        }
        Ok(())
    }

    /// A leg by `chan_websocket`, open.
    async fn open_ahead(
        &self,
        attempt: AttemptId,
        token: &str,
        connection: Option<&str>,
        wanted: &mpsc::Sender<Wanted>,
    ) -> Result<(), AskFault> {
        let (media, name) = (ari::media_of(attempt), leg_name(token));
        let failed = |cause: String| AskFault::Failed { cause };
        let (opened, open) = oneshot::channel();
        let ask = |how: Opens| {
            let leg = Wanted { attempt, token: token.to_owned(), how, opened };
            wanted.try_send(leg).map_err(|_| failed("too many media legs are being opened".to_owned()))
        };
        // Asterisk opens its own while it answers our request.
        let (host, kind, options) = match connection {
            Some(host) => (host, "client", format!("{}v(leg={name})", chan_websocket::OPTIONS)),
            None => (chan_websocket::INCOMING, "server", chan_websocket::OPTIONS.to_owned()),
        };
        let leg = [
            ("app", self.options.app.as_str()),
            ("channelId", &media),
            ("external_host", host),
            ("encapsulation", "none"),
            ("transport", "websocket"),
            ("connection_type", kind),
            ("format", chan_websocket::FORMAT),
            ("transport_data", &options),
        ];
        let path = ari::path("channels/externalMedia", &leg);
        if connection.is_some() {
            ask(Opens::Asterisk(name))?;
            self.prepare(&path).await?;
        } else {
            let answer = self.ask(Method::POST, &path).await.map_err(|error| failed(cause(&error)))?;
            said(answer.status().as_u16())?;
            let made: ari::Made = read(answer).await?;
            let variable = chan_websocket::CONNECTION_VARIABLE;
            let connection = match made.variable(variable) {
                Some(connection) => connection,
                None => {
                    let path = ari::path(&format!("channels/{media}/variable"), &[("variable", variable)]);
                    read::<ari::Variable>(self.get(&path).await?).await?.value
                }
            };
            if connection.is_empty() || !connection.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-') {
                return Err(failed("the media channel says no name of its connection".to_owned()));
            }
            ask(Opens::We(connection))?;
        }
        open.await.unwrap_or_else(|_| Err("nobody opens media legs".to_owned())).map_err(failed)
    }

    /// Puts a channel, or several with commas between, into a bridge; `false`: it is not in our application yet.
    async fn add(&self, bridge: &str, channel: &str) -> Result<bool, AskFault> {
        let path = ari::path(&format!("bridges/{bridge}/addChannel"), &[("channel", channel)]);
        let answer = self.ask(Method::POST, &path).await;
        match answer.map_err(|error| AskFault::Failed { cause: cause(&error) })?.status().as_u16() {
            409 | 422 => Ok(false),
            http => said(http).map(|()| true),
        }
    }

    /// Lets the callee hear us: the one request between answer and first sound.
    pub async fn join(&self, attempt: AttemptId) -> Result<(), AskFault> {
        let callee = ari::channel_of(attempt);
        // Our leg has been in the application since long before the answer.
        let both = self.apart().remove(&attempt);
        let channels = if both { format!("{},{callee}", ari::media_of(attempt)) } else { callee };
        let joined = self.add(&ari::bridge_of(attempt), &channels).await?;
        joined.then_some(()).ok_or(AskFault::Failed { cause: "it is not in our application".to_owned() })
    }

    /// Takes away what was made for a call. What is gone already is fine.
    pub async fn clear_away(&self, attempt: AttemptId) {
        self.legs().retain(|_, (of, _)| *of != attempt);
        self.apart().remove(&attempt);
        let paths = [format!("channels/{}", ari::media_of(attempt)), format!("bridges/{}", ari::bridge_of(attempt))];
        for path in paths {
            if let Err(error) = self.ask(Method::DELETE, &ari::path(&path, &[])).await {
                tracing::debug!(%attempt, error = cause(&error), "a leg or bridge could not be taken away");
            }
        }
    }

    async fn place_once(&self, order: &Order) -> Result<Placed, PlaceFault> {
        if !self.told.load(Ordering::Acquire) {
            let cause = "its events do not reach us: an answered call would be hung up on".to_owned();
            return Err(PlaceFault::NotSent { cause });
        }
        let token = order.status_url.rsplit('/').next().unwrap_or_default().to_owned();
        if let Err(fault) = self.make_ready(order.attempt, &token).await {
            self.clear_away(order.attempt).await;
            // The order itself has not been sent.
            return Err(match fault {
                AskFault::Account { http } => account(http),
                AskFault::Gone | AskFault::Throttled { .. } | AskFault::Failed { .. } => {
                    PlaceFault::NotSent { cause: format!("no media leg: {fault}") }
                }
            });
        }
        let placed = self.originate(order).await;
        if matches!(placed, Err(PlaceFault::Refused { .. } | PlaceFault::NotSent { .. })) {
            self.clear_away(order.attempt).await;
        }
        placed
    }

    /// The order: the one request that may make a telephone ring.
    async fn originate(&self, order: &Order) -> Result<Placed, PlaceFault> {
        let channel = ari::channel_of(order.attempt);
        let endpoint = ari::endpoint(&self.options.endpoint, order.to.expose());
        let ring_s = order.ring_timeout.as_secs().max(1).to_string();
        let query = [
            ("endpoint", endpoint.as_str()),
            ("app", &self.options.app),
            ("appArgs", "callee"),
            ("callerId", order.from.expose()),
            ("timeout", &ring_s),
            ("formats", "ulaw"),
        ];
        let answer = match self.ask(Method::POST, &ari::path(&format!("channels/{channel}"), &query)).await {
            Ok(answer) => answer,
            Err(error) if error.is_connect() || error.is_builder() => {
                return Err(PlaceFault::NotSent { cause: cause(&error) });
            }
            Err(error) => return Err(PlaceFault::MaybePlaced { cause: cause(&error) }),
        };
        let http = answer.status().as_u16();
        let sid: Sid = channel.parse().map_err(|_| PlaceFault::Unnamed)?;
        match http {
            // Whatever the body says: the name is ours, the channel is there.
            200..=299 => Ok(Placed { sid, status: CallStatus::Queued, queue_ms: None }),
            // Asterisk has found no way to dial it: no channel was made.
            500 if body(answer).await.is_ok_and(|body| body.windows(17).any(|it| it == b"Allocation failed")) => {
                Err(PlaceFault::Refused { http, code: None, what: Refusal::Request })
            }
            401 | 403 => Err(account(http)),
            // The name is taken: a call of this attempt lives.
            408 | 409 | 429 => Err(PlaceFault::MaybePlaced { cause: format!("HTTP {http}") }),
            400..=499 => Err(PlaceFault::Refused { http, code: None, what: Refusal::Request }),
            _ => Err(PlaceFault::MaybePlaced { cause: format!("HTTP {http}") }),
        }
    }

    async fn end_once(&self, sid: &Sid, ending: Ending) -> Result<(), AskFault> {
        if ending == Ending::Cancel && self.fetch(sid).await.is_ok_and(|call| call.status == CallStatus::InProgress) {
            return Ok(());
        }
        let path = ari::path(&format!("channels/{sid}"), &[("reason", "normal")]);
        let answer = self.ask(Method::DELETE, &path).await;
        let answer = answer.map_err(|error| AskFault::Failed { cause: cause(&error) })?;
        match said(answer.status().as_u16()) {
            Err(AskFault::Gone) => Ok(()),
            other => other,
        }
    }
}

/// The name of a leg: whoever does not know the attempt's token cannot say it.
fn leg_name(token: &str) -> Uuid {
    let digest = Sha256::digest(format!("audiosocket {token}").as_bytes());
    let bytes: [u8; 16] = digest[..16].try_into().expect("a digest has 32 bytes");
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

/// An answer's body, as what it should be.
async fn read<T: serde::de::DeserializeOwned>(answer: Response) -> Result<T, AskFault> {
    let failed = |cause: String| AskFault::Failed { cause };
    let body = body(answer).await.map_err(failed)?;
    serde_json::from_slice(&body).map_err(|error| failed(format!("unreadable answer: {error}")))
}

fn account(http: u16) -> PlaceFault {
    PlaceFault::Refused { http, code: None, what: Refusal::Account(StopKind::of_http(http)) }
}

fn said(http: u16) -> Result<(), AskFault> {
    match http {
        200..=299 => Ok(()),
        401 | 403 => Err(AskFault::Account { http }),
        404 => Err(AskFault::Gone),
        429 => Err(AskFault::Throttled { after: None }),
        _ => Err(AskFault::Failed { cause: format!("HTTP {http}") }),
    }
}

impl Carrier for Asterisk {
    fn card(&self) -> &ContractCard {
        match self.ways.get() {
            Some(Legs::WebSocket { .. }) => &AHEAD_CARD,
            Some(Legs::AudioSocket(_)) | None => &CARD,
        }
    }

    fn own_sid(&self, attempt: AttemptId) -> Option<Sid> {
        ari::channel_of(attempt).parse().ok()
    }

    fn hello(&self) -> Boxed<'_, Result<Hello, AskFault>> {
        Box::pin(async {
            let answer = self.get(&ari::path("asterisk/info", &[("only", "system")])).await?;
            let date = answer.headers().get(header::DATE).and_then(|value| value.to_str().ok());
            Ok(Hello { date: date.and_then(wire::parse_http_date) })
        })
    }

    fn place<'a>(&'a self, order: &'a Order) -> Boxed<'a, Result<Placed, PlaceFault>> {
        Box::pin(self.place_once(order))
    }

    fn fetch<'a>(&'a self, sid: &'a Sid) -> Boxed<'a, Result<RemoteCall, AskFault>> {
        Box::pin(async move {
            let channel: ari::Channel = read(self.get(&ari::path(&format!("channels/{sid}"), &[])).await?).await?;
            Ok(RemoteCall {
                sid: sid.clone(),
                to: String::new(),
                from: String::new(),
                status: channel.status(),
                created: channel.creationtime.as_deref().and_then(ari::time).unwrap_or(Wall(0)),
                duration_s: None,
                queue_ms: None,
                price: None,
                child: false,
                outbound_api: true,
            })
        })
    }

    fn list<'a>(&'a self, _query: ListQuery<'a>) -> Boxed<'a, Result<Listed, AskFault>> {
        Box::pin(async { Err(AskFault::Failed { cause: "an Asterisk lists no calls that are over".to_owned() }) })
    }

    fn end<'a>(&'a self, sid: &'a Sid, ending: Ending) -> Boxed<'a, Result<(), AskFault>> {
        Box::pin(self.end_once(sid, ending))
    }
}
