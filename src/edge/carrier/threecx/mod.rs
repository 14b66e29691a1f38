//! 3CX by its Call Control API. An order is one request, from a route point that is ours; what became of it is told by events
//! and by what the telephone system shows, never found out by asking for the call again.
//!
//! An order carries nothing that comes back with the call, so a call is named by its attempt here only, and known there by
//! its participant's id, or, where the answer was lost, by its number and time (`core/wire/threecx/calls`).

pub mod audio;
mod token;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, header};
use serde_json::{Value, json};

use self::token::{Purse, Token};
use super::client::{House, body};
use super::events::{self, EventSocket};
use super::{
    AskFault, Boxed, Carrier, ContractCard, Ending, Events, Hello, ListQuery, Listed, Listing, Order, OwnTag,
    PlaceFault, Placed, Refusal, RemoteCall, Signature, StreamProof, Throttled,
};
use crate::base::limits::{PLACE_CONNECT_TIMEOUT, PLACE_TIMEOUT};
use crate::base::{AttemptId, Boot, Failure, Phone, Secret, Sid, Wall};
use crate::core::dial::CallStatus;
use crate::core::dial::breaker::StopKind;
use crate::core::dial::horizon::Bounds;
use crate::core::wire::threecx::calls::{Calls, Part};
use crate::core::wire::threecx::{self as wire, Made, Participant, View};
use crate::core::wire::twiml::{self, StreamForm, Verb};
use crate::core::wire::{ours, twilio};
use crate::edge::cause;

/// Promises of a 3CX.
pub const CARD: ContractCard = ContractCard {
    kind: "3cx",
    request_key: None,
    throttled: Throttled::Unsaid,
    // By number and time, where the answer to the order was lost.
    own_tag: OwnTag::Field("party_caller_id"),
    default_calls_per_second: 1.0,
    // A call that is over is shown nowhere.
    listing: Listing::Never,
    events: Events { ordered: false, repeated: true, repeat_token: None },
    signature: Signature::OurSocket,
    bounds: Bounds { processing: Duration::from_secs(10), list_lag: Duration::ZERO, queue: Duration::ZERO },
    stream: StreamProof::Token,
    stream_form: StreamForm::Plain,
    buffers_media: false,
};

/// How a 3CX is reached.
#[derive(Clone)]
pub struct ThreeCxOptions {
    /// Scheme, host and port.
    pub base_url: String,
    /// The API client's id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secret,
    /// The route point's extension.
    pub route_point: String,
    /// What is dialed, with `{number}` or `{digits}`.
    pub destination: String,
    /// The clock by which tokens age.
    pub now: Arc<dyn Fn() -> Boot + Send + Sync>,
}

/// A 3CX.
pub struct ThreeCx {
    options: ThreeCxOptions,
    house: House,
    questions: Client,
    purse: Purse,
    /// Whether its events reach us: without them nobody would be greeted.
    told: AtomicBool,
    calls: Mutex<Calls>,
}

impl ThreeCx {
    /// Makes the client. Errors: the base URL is no URL, or the TLS library cannot start.
    pub fn new(options: ThreeCxOptions) -> Result<ThreeCx, Failure> {
        let house = House::at(&options.base_url, PLACE_CONNECT_TIMEOUT, PLACE_TIMEOUT)?;
        let questions = House::questions(PLACE_CONNECT_TIMEOUT)?;
        Ok(ThreeCx {
            options,
            house,
            questions,
            purse: Purse::default(),
            told: AtomicBool::new(false),
            calls: Mutex::default(),
        })
    }

    /// Whether its events reach us from now on.
    pub fn set_told(&self, told: bool) {
        self.told.store(told, Ordering::Release);
    }

    /// The route point's extension.
    pub fn route_point(&self) -> &str {
        &self.options.route_point
    }

    /// Which participant is whose call.
    pub fn calls(&self) -> MutexGuard<'_, Calls> {
        // Every change is one step: a panic elsewhere leaves the map whole.
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the socket of events. Errors: what failed, in words.
    pub async fn listen(&self) -> Result<EventSocket, String> {
        let token = self.token(None).await.map_err(|fault| fault.to_string())?;
        let opened = events::open(self.house.base.as_str(), wire::EVENTS, &token.bearer()).await;
        if let Err(words) = &opened
            && words.contains("401")
        {
            let token = self.token(Some(token.serial)).await.map_err(|fault| fault.to_string())?;
            return events::open(self.house.base.as_str(), wire::EVENTS, &token.bearer()).await;
        }
        opened
    }

    /// A token that is not the refused one: the one that we have, or a new one. One question at a time.
    async fn token(&self, refused: Option<u64>) -> Result<Arc<Token>, AskFault> {
        let now = &self.options.now;
        let ask = async {
            let form = [
                ("client_id", self.options.client_id.as_str()),
                ("client_secret", self.options.client_secret.reveal()),
                ("grant_type", "client_credentials"),
            ];
            let asked = self.house.client.post(self.house.url(wire::TOKEN)).form(&form).send().await;
            let answer = asked.map_err(|error| AskFault::Failed { cause: cause(&error) })?;
            match answer.status().as_u16() {
                // OAuth says 400 where the client is not known or its secret is wrong.
                http @ (400 | 401 | 403) => {
                    return Err(AskFault::Account { http: if http == 400 { 401 } else { http } });
                }
                http => said(http)?,
            }
            let body = body(answer).await.map_err(|cause| AskFault::Failed { cause })?;
            // Never the body: it may hold a token.
            wire::given(&body).ok_or_else(|| AskFault::Failed { cause: "its token cannot be read".to_owned() })
        };
        self.purse.token(refused, || now(), ask).await
    }

    /// Asks, with a new token if the first is refused: for requests that ring nobody.
    async fn ask(&self, method: Method, path: &str, about: Option<&Value>) -> Result<Response, AskFault> {
        let mut refused = None;
        loop {
            let token = self.token(refused).await?;
            let request = self.questions.request(method.clone(), self.house.url(path)).timeout(PLACE_TIMEOUT);
            let request = match about {
                Some(about) => request.json(about),
                None => request,
            };
            let answer = with(request, &token).send().await;
            let answer = answer.map_err(|error| AskFault::Failed { cause: cause(&error) })?;
            match (answer.status(), refused) {
                (StatusCode::UNAUTHORIZED, None) => refused = Some(token.serial),
                (status, _) => return said(status.as_u16()).map(|()| answer),
            }
        }
    }

    async fn read(&self, path: &str) -> Result<Vec<u8>, AskFault> {
        let answer = self.ask(Method::GET, path, None).await?;
        body(answer).await.map_err(|cause| AskFault::Failed { cause })
    }

    /// All that this client sees now.
    pub async fn view(&self) -> Result<View, AskFault> {
        let body = self.read(wire::ALL).await?;
        wire::view(&body).ok_or_else(|| AskFault::Failed { cause: "unreadable list".to_owned() })
    }

    /// One participant of the route point. `Gone`: it is not there any more.
    pub async fn participant(&self, id: u64) -> Result<Participant, AskFault> {
        let body = self.read(&wire::participant(&self.options.route_point, id, "")).await?;
        let unreadable = |error| AskFault::Failed { cause: format!("unreadable participant: {error}") };
        let participant: Participant = serde_json::from_slice(&body).map_err(unreadable)?;
        Ok(Participant { id: Some(id), ..participant })
    }

    /// Does something to a call's participant at the route point.
    async fn control(&self, sid: &Sid, what: &str, about: &Value) -> Result<(), AskFault> {
        let Some(part) = self.part(sid) else { return Err(AskFault::Gone) };
        let path = wire::participant(&self.options.route_point, part.id, what);
        self.ask(Method::POST, &path, Some(about)).await.map(|_| ())
    }

    /// Takes a call that somebody makes to us.
    pub async fn pick_up(&self, sid: &Sid) -> Result<(), AskFault> {
        self.control(sid, "answer", &json!({})).await
    }

    /// The participant of a call.
    pub fn part(&self, sid: &Sid) -> Option<Part> {
        self.calls().part(sid)
    }

    async fn place_once(&self, order: &Order) -> Result<Placed, PlaceFault> {
        if !self.told.load(Ordering::Acquire) {
            let cause = "its events do not reach us: nobody who answers would be greeted".to_owned();
            return Err(PlaceFault::NotSent { cause });
        }
        let sid: Sid = ours::call_of(order.attempt).parse().map_err(|_| PlaceFault::Unnamed)?;
        let token = match self.token(None).await {
            Ok(token) => token,
            Err(AskFault::Account { http }) => return Err(account(http)),
            // The order itself has not been sent.
            Err(fault) => return Err(PlaceFault::NotSent { cause: format!("no token: {fault}") }),
        };
        let opens = order.status_url.rsplit('/').next().unwrap_or_default().to_owned();
        // Before the order leaves: its first event may be faster than its answer.
        self.calls().ordered(sid.clone(), order.to.expose(), opens);
        let placed = self.order(order, &sid, &token).await;
        if matches!(placed, Err(PlaceFault::Refused { .. } | PlaceFault::NotSent { .. })) {
            self.calls().forget(&sid);
        }
        placed
    }

    /// The order: the one request that may make a telephone ring. It leaves once, whatever the answer.
    async fn order(&self, order: &Order, sid: &Sid, token: &Token) -> Result<Placed, PlaceFault> {
        let destination = ours::dialed(&self.options.destination, order.to.expose());
        let url = self.house.url(&wire::make_call(&self.options.route_point));
        let request = self.house.client.post(url).json(&json!({ "destination": destination }));
        let answer = match with(request, token).send().await {
            Ok(answer) => answer,
            Err(error) if error.is_connect() || error.is_builder() => {
                return Err(PlaceFault::NotSent { cause: cause(&error) });
            }
            Err(error) => return Err(PlaceFault::MaybePlaced { cause: cause(&error) }),
        };
        let http = answer.status().as_u16();
        let maybe = |cause: String| Err(PlaceFault::MaybePlaced { cause });
        match http {
            200..=299 => {}
            // It was turned away at the door: nothing was done. An old token is renewed, and the lead's next try has it; a
            // new one that is refused as well is the account's matter.
            401 if !self.purse.is_fresh(token.serial) => {
                self.purse.refused(token.serial);
                return Err(PlaceFault::NotSent {
                    cause: "its token was refused: the next order has a new one".to_owned(),
                });
            }
            // A route point that is not there, or not this client's.
            401 | 403 | 404 => return Err(account(http)),
            // Whoever stands before it gave up waiting.
            408 => return maybe("HTTP 408".to_owned()),
            429 => return Err(PlaceFault::Throttled { after: None }),
            400..=499 => return Err(PlaceFault::Refused { http, code: None, what: Refusal::Request }),
            _ => return maybe(format!("HTTP {http}")),
        }
        self.purse.worked(token.serial);
        let body = match body(answer).await {
            Ok(body) => body,
            Err(cause) => return maybe(cause),
        };
        match wire::made(&body) {
            Made::Call(participant) => {
                if let Some(part) = Part::of(&participant) {
                    let now = (self.options.now)();
                    self.calls().bind(sid, part, now);
                }
                Ok(Placed { sid: sid.clone(), status: CallStatus::Queued, queue_ms: None })
            }
            Made::Refused(words) => {
                // The words may hold the number.
                tracing::info!(attempt = %order.attempt, chars = words.len(), "the 3CX made no call, in words of its own");
                Err(PlaceFault::Refused { http, code: None, what: Refusal::Request })
            }
            Made::Unclear => maybe("its answer names no call".to_owned()),
        }
    }

    async fn fetch_once(&self, sid: &Sid) -> Result<RemoteCall, AskFault> {
        let asked = (self.options.now)();
        let view = self.view().await?;
        let mut calls = self.calls();
        calls.look(&self.options.route_point, &view, asked);
        let own = view.participants.iter().filter(|it| it.dn == self.options.route_point);
        for participant in own {
            if calls.whose(participant, asked) != wire::calls::Whose::Ours(sid.clone()) {
                continue;
            }
            let status = match participant.stage() {
                wire::Stage::Connected if !calls.answered(participant) => wire::Stage::Dialing.status(),
                stage => stage.status(),
            };
            return Ok(RemoteCall {
                sid: sid.clone(),
                to: String::new(),
                from: String::new(),
                status,
                created: Wall(0),
                duration_s: None,
                queue_ms: None,
                price: None,
                child: false,
                outbound_api: true,
            });
        }
        Err(AskFault::Gone)
    }

    async fn end_once(&self, sid: &Sid, ending: Ending) -> Result<(), AskFault> {
        if self.part(sid).is_none() || ending == Ending::Cancel {
            match self.fetch_once(sid).await {
                Ok(call) if ending == Ending::Cancel && call.status == CallStatus::InProgress => {
                    return Ok(());
                }
                Ok(_) => {}
                Err(AskFault::Gone) => return Ok(()),
                Err(fault) => return Err(fault),
            }
        }
        self.calls().cancel(sid);
        match self.control(sid, "drop", &json!({})).await {
            Err(AskFault::Gone) => Ok(()),
            other => other,
        }
    }

    async fn hello_once(&self) -> Result<Hello, AskFault> {
        let answer = self.ask(Method::GET, wire::ALL, None).await?;
        let date = answer.headers().get(header::DATE).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body = body(answer).await.map_err(|cause| AskFault::Failed { cause })?;
        let failed = |cause: String| Err(AskFault::Failed { cause });
        let Some(view) = wire::view(&body) else { return failed("unreadable list".to_owned()) };
        let dn = &self.options.route_point;
        match view.dns.iter().find(|(own, _)| own == dn) {
            None => failed(format!("this client does not control extension {dn}: see route_point (docs/3CX.md)")),
            Some((_, kind)) if kind != "Wroutepoint" => {
                failed(format!("extension {dn} is no route point: its calls have no sound here (docs/3CX.md)"))
            }
            Some(_) => Ok(Hello { date: date.as_deref().and_then(twilio::parse_http_date) }),
        }
    }
}

fn with(request: RequestBuilder, token: &Token) -> RequestBuilder {
    token.on(request.header(header::ACCEPT, "application/json"))
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

impl Carrier for ThreeCx {
    fn card(&self) -> &ContractCard {
        &CARD
    }

    fn own_sid(&self, attempt: AttemptId) -> Option<Sid> {
        ours::call_of(attempt).parse().ok()
    }

    fn remind(&self, open: &[(AttemptId, &Phone)]) {
        let named = open.iter().filter_map(|(attempt, to)| Some((self.own_sid(*attempt)?, to.expose())));
        self.calls().remind(&named.collect());
    }

    fn hello(&self) -> Boxed<'_, Result<Hello, AskFault>> {
        Box::pin(self.hello_once())
    }

    fn place<'a>(&'a self, order: &'a Order) -> Boxed<'a, Result<Placed, PlaceFault>> {
        Box::pin(self.place_once(order))
    }

    fn fetch<'a>(&'a self, sid: &'a Sid) -> Boxed<'a, Result<RemoteCall, AskFault>> {
        Box::pin(self.fetch_once(sid))
    }

    fn list<'a>(&'a self, _query: ListQuery<'a>) -> Boxed<'a, Result<Listed, AskFault>> {
        Box::pin(async { Err(AskFault::Failed { cause: "a 3CX shows no calls that are over".to_owned() }) })
    }

    /// Only for our own document of a transfer: whom it dials is from the configuration.
    fn redirect<'a>(&'a self, sid: &'a Sid, document: &'a str) -> Boxed<'a, Result<(), AskFault>> {
        Box::pin(async move {
            let verbs = twiml::parse(document).unwrap_or_default();
            let Some(Verb::Dial { to, .. }) = verbs.first() else { return Err(AskFault::Gone) };
            let destination = ours::dialed(&self.options.destination, to.trim());
            self.control(sid, "routeto", &json!({ "destination": destination })).await?;
            // Our own end leaves, as in the maker's example; it may have gone by itself.
            match self.control(sid, "drop", &json!({})).await {
                Ok(()) | Err(AskFault::Gone) => Ok(()),
                Err(fault) => Err(fault),
            }
        })
    }

    fn end<'a>(&'a self, sid: &'a Sid, ending: Ending) -> Boxed<'a, Result<(), AskFault>> {
        Box::pin(self.end_once(sid, ending))
    }
}
