//! Twilio, and whatever serves its REST API.
//!
//! One order is one request: no retries, no redirects, no proxy, no reused connections (a stale one would make
//! "was it sent?" undecidable). What an answer proves is decided in [`place_fault`].

use std::time::Duration;

use reqwest::{Response, Url, header};

use super::client::{self, House};
use super::{
    AskFault, Boxed, CallerStanding, Carrier, ContractCard, Ending, Events, Hello, ListQuery, Listed, Listing, Order,
    OwnTag, PlaceFault, Placed, Reach, RecordingState, Refusal, RemoteCall, Signature, SoundFile, StreamProof,
    Throttled,
};
use crate::base::limits::{LIST_ORDER_SLACK, LIST_PAGES, ODD_BODY_BYTES, PLACE_CONNECT_TIMEOUT, PLACE_TIMEOUT};
use crate::base::text::{masked, printable};
use crate::base::{Country, Failure, Phone, Secret, Sid, Wall};
use crate::core::dial::CallStatus;
use crate::core::dial::breaker::StopKind;
use crate::core::dial::horizon::Bounds;
use crate::core::wire::dialect::Dialect;
use crate::core::wire::twilio as wire;
use crate::core::wire::twiml::StreamForm;
use crate::core::wire::{form, telnyx, twilio::CallResource};
use crate::edge::cause;

/// Promises of Twilio's API.
pub const CARD: ContractCard = ContractCard {
    kind: "twilio",
    request_key: None,
    throttled: Throttled::NotProcessed,
    own_tag: OwnTag::UrlPath,
    default_calls_per_second: 1.0,
    listing: Listing::ByNumber,
    events: Events { ordered: false, repeated: true, repeat_token: Some("I-Twilio-Idempotency-Token") },
    signature: Signature::HmacSha1,
    bounds: Bounds {
        // Bounds of ours: neither is documented. What is seen raises the horizon.
        processing: Duration::from_secs(60),
        list_lag: Duration::from_secs(60),
        queue: Duration::from_secs(24 * 3_600),
    },
    stream: StreamProof::Signed,
    stream_form: StreamForm::Plain,
    buffers_media: true,
};

/// How the account is reached.
#[derive(Debug, Clone)]
pub struct TwilioOptions {
    /// Scheme, host and port; a path is kept as prefix. `https://api.twilio.com`.
    pub base_url: String,
    /// `AC` and 32 hex digits.
    pub account_sid: String,
    /// User of Basic auth: the account sid, or an API key's sid.
    pub user: String,
    /// The auth token, or the API key's secret.
    pub password: Secret,
    /// Whose form of the API it is.
    pub dialect: Dialect,
    /// Telnyx's TeXML application; empty in the other forms.
    pub application: String,
    /// Whole time of one request. Production: [`PLACE_TIMEOUT`].
    pub timeout: Duration,
}

impl TwilioOptions {
    /// An account reached by its auth token, with production's time limit.
    pub fn with_token(base_url: &str, account_sid: &str, auth_token: Secret) -> TwilioOptions {
        TwilioOptions {
            base_url: base_url.to_owned(),
            account_sid: account_sid.to_owned(),
            user: account_sid.to_owned(),
            password: auth_token,
            dialect: Dialect::Twilio,
            application: String::new(),
            timeout: PLACE_TIMEOUT,
        }
    }

    /// The same in the form of a relative.
    pub fn in_dialect(mut self, dialect: Dialect) -> TwilioOptions {
        self.dialect = dialect;
        self
    }

    /// The same account reached by an API key.
    pub fn with_key(mut self, key_sid: &str, key_secret: Secret) -> TwilioOptions {
        self.user = key_sid.to_owned();
        self.password = key_secret;
        self
    }
}

/// An account at Twilio.
#[derive(Debug)]
pub struct Twilio {
    options: TwilioOptions,
    house: House,
    card: ContractCard,
}

impl Twilio {
    /// Makes the client. Errors: the base URL is no URL, or the TLS library cannot start.
    pub fn new(options: TwilioOptions) -> Result<Twilio, Failure> {
        let connect = PLACE_CONNECT_TIMEOUT.min(options.timeout / 2);
        let house = House::at(&options.base_url, connect, options.timeout)?;
        Ok(Twilio { options, house, card: CARD })
    }

    /// The same carrier under another contract (the embedded carrier has its own kind).
    pub fn with_card(mut self, card: ContractCard) -> Twilio {
        self.card = card;
        self
    }

    fn url(&self, path: &str) -> Url {
        self.house.url(&self.options.dialect.path(path))
    }

    /// A request with the account's credentials.
    fn known(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        let password = self.options.password.reveal();
        match self.options.dialect {
            Dialect::Twilio | Dialect::SignalWire => request.basic_auth(&self.options.user, Some(password)),
            Dialect::Telnyx => request.bearer_auth(password),
        }
    }

    async fn post(&self, path: &str, body: String) -> Result<Response, reqwest::Error> {
        let form = match self.options.dialect {
            Dialect::Twilio | Dialect::SignalWire => "application/x-www-form-urlencoded",
            Dialect::Telnyx => "application/json",
        };
        self.known(self.house.client.post(self.url(path)))
            .header(header::CONTENT_TYPE, form)
            .header(header::ACCEPT, "application/json")
            .body(body)
            .send()
            .await
    }

    async fn ask_for(&self, url: Url) -> Result<Response, AskFault> {
        self.known(self.house.client.get(url))
            .header(header::ACCEPT, "application/json")
            .send()
            .await
            .map_err(|error| AskFault::Failed { cause: cause(&error) })
    }

    async fn get(&self, url: Url) -> Result<Vec<u8>, AskFault> {
        ask(self.ask_for(url).await?).await
    }

    async fn place_once(&self, order: &Order) -> Result<Placed, PlaceFault> {
        let call = wire::CreateCall {
            to: order.to.expose(),
            from: order.from.expose(),
            twiml: &order.twiml,
            status_url: &order.status_url,
            ring_s: order.ring_timeout.as_secs(),
            limit_s: order.time_limit.as_secs(),
            reason: order.reason.as_deref(),
            machines: order.machines,
        };
        let body = match self.options.dialect {
            Dialect::Twilio | Dialect::SignalWire => form::encode(&wire::create_form(&call)),
            Dialect::Telnyx => telnyx::create_body(&call, &self.options.application),
        };
        let answer = match self.post(&wire::calls_path(&self.options.account_sid), body).await {
            Ok(answer) => answer,
            // No connection (name, TCP or TLS): nothing of the request can have left. Everything after it may have.
            Err(error) if error.is_connect() || error.is_builder() => {
                return Err(PlaceFault::NotSent { cause: cause(&error) });
            }
            Err(error) => return Err(PlaceFault::MaybePlaced { cause: cause(&error) }),
        };
        let http = answer.status().as_u16();
        let after = retry_after(&answer);
        let body = client::body(answer).await;
        if (200..300).contains(&http) {
            return placed(&body.map_err(|cause| PlaceFault::MaybePlaced { cause })?, self.options.dialect);
        }
        // The status alone decides between "no" and "unknown": a refusal stays one if its body is lost.
        if self.options.dialect == Dialect::Telnyx {
            return Err(super::telnyx::place_fault(http, telnyx::read_error(&body.unwrap_or_default()), after));
        }
        let code = body.ok().and_then(|body| serde_json::from_slice::<wire::ErrorBody>(&body).ok()?.code);
        Err(place_fault(http, code, after))
    }

    async fn list_all(&self, query: ListQuery<'_>) -> Result<Listed, AskFault> {
        // Never by StartTime: a queued call has none and would be missed.
        let size = self.options.dialect.page_size().to_string();
        let mut names = vec![("From", query.from.expose()), ("PageSize", size.as_str())];
        if let Some(to) = query.to {
            names.push(("To", to.expose()));
        }
        let names = form::encode(&names);
        let mut url = self.url(&format!("{}?{names}", wire::calls_path(&self.options.account_sid)));
        let mut listed = Listed::default();
        // The carrier's dates have whole seconds: a call of the same second counts as not before.
        let oldest = Wall(query.since.0.div_euclid(1_000) * 1_000);
        let mut newest_first = true;
        let mut last = Wall(i64::MAX);
        for page in 1..=LIST_PAGES {
            let body = self.get(url.clone()).await?;
            let next: wire::CallPage = serde_json::from_slice(&body)
                .map_err(|error| AskFault::Failed { cause: format!("unreadable list: {error}") })?;
            for call in &next.calls {
                let call = remote(call, self.options.dialect).map_err(|cause| AskFault::Failed { cause })?;
                newest_first &= call.created <= last;
                last = call.created;
                if call.created >= oldest {
                    listed.calls.push(call);
                }
            }
            // A list in its documented order is not read beyond the span; one in disorder is read to its end.
            let beyond = newest_first && last < oldest - LIST_ORDER_SLACK;
            let Some(next) = next.next_page_uri.filter(|_| !beyond) else {
                listed.calls.sort_by_key(|call| std::cmp::Reverse(call.created));
                listed.pages = u32::try_from(page).unwrap_or(u32::MAX);
                return Ok(listed);
            };
            url = self.next_page(&next)?;
        }
        Err(AskFault::Failed { cause: format!("the list did not end after {LIST_PAGES} pages") })
    }

    /// The next page: a path on the host that was asked. An absolute address is not followed even if it names the same
    /// host, so that no answer decides where the credentials go.
    fn next_page(&self, next: &str) -> Result<Url, AskFault> {
        let foreign = || AskFault::Failed { cause: "next_page_uri is no path on this host".to_owned() };
        let strange = |byte: u8| byte == b'\\' || byte.is_ascii_control() || byte == b' ' || !byte.is_ascii();
        if !next.starts_with('/') || next.starts_with("//") || next.bytes().any(strange) {
            return Err(foreign());
        }
        let url = self.url(next);
        let same = url.scheme() == self.house.base.scheme()
            && url.host() == self.house.base.host()
            && url.port_or_known_default() == self.house.base.port_or_known_default();
        if same { Ok(url) } else { Err(foreign()) }
    }

    async fn caller_once(&self, number: &Phone) -> Result<CallerStanding, AskFault> {
        if self.options.dialect == Dialect::Telnyx {
            return Ok(CallerStanding::Unsaid);
        }
        let asked = form::encode(&[("PhoneNumber", number.expose()), ("PageSize", "50")]);
        let ask_about = async |list: &str| {
            let path = wire::resource_path(&self.options.account_sid, list);
            self.get(self.url(&format!("{path}?{asked}"))).await
        };
        let unreadable = |error| AskFault::Failed { cause: format!("unreadable list: {error}") };
        // The filter takes parts of numbers, too: only the number itself counts.
        let same = |listed: &wire::ListedNumber| listed.phone_number.as_deref() == Some(number.expose());
        let own: wire::IncomingNumbers =
            serde_json::from_slice(&ask_about("IncomingPhoneNumbers").await?).map_err(unreadable)?;
        if let Some(own) = own.incoming_phone_numbers.iter().find(|listed| same(listed)) {
            let voice = own.capabilities.as_ref().is_none_or(|can| can.voice != Some(false));
            return Ok(if voice { CallerStanding::Owned } else { CallerStanding::NoVoice });
        }
        let verified: wire::VerifiedNumbers =
            serde_json::from_slice(&ask_about("OutgoingCallerIds").await?).map_err(unreadable)?;
        let known = verified.outgoing_caller_ids.iter().any(same);
        Ok(if known { CallerStanding::Verified } else { CallerStanding::Foreign })
    }

    async fn reach_once(&self, country: Country) -> Result<Reach, AskFault> {
        if self.options.dialect != Dialect::Twilio {
            return Ok(Reach::Unsaid);
        }
        let failed = |cause: String| AskFault::Failed { cause };
        let base = wire::permissions_base(&self.options.base_url).trim_end_matches('/');
        let url =
            Url::parse(&format!("{base}{}", wire::permission_path(country))).map_err(|it| failed(it.to_string()))?;
        let told: wire::DialingPermission = serde_json::from_slice(&self.get(url).await?)
            .map_err(|it| failed(format!("unreadable permission: {it}")))?;
        Ok(match told.low_risk_numbers_enabled {
            Some(true) => Reach::Open,
            Some(false) => Reach::Closed,
            None => Reach::Unsaid,
        })
    }

    async fn end_once(&self, sid: &Sid, ending: Ending) -> Result<(), AskFault> {
        let status = match (ending, self.options.dialect) {
            (Ending::Cancel, Dialect::Twilio | Dialect::SignalWire) => "canceled",
            // Telnyx knows one way to end a call: an answered one is looked for first.
            (Ending::Cancel, Dialect::Telnyx) => match self.fetch(sid).await {
                Ok(call) if call.status == CallStatus::InProgress => return Ok(()),
                Ok(_) | Err(AskFault::Gone) => "completed",
                Err(fault) => return Err(fault),
            },
            (Ending::HangUp, _) => "completed",
        };
        match self.change(sid, "Status", status).await {
            Err(AskFault::Gone) => Ok(()),
            other => other,
        }
    }

    /// Changes a live call by one word of the form. `Gone`: it is over, or never was.
    async fn change(&self, sid: &Sid, name: &str, value: &str) -> Result<(), AskFault> {
        let path = wire::call_path(&self.options.account_sid, sid.as_str());
        let telnyxs = self.options.dialect == Dialect::Telnyx;
        let body = if telnyxs { telnyx::update_body(name, value) } else { form::encode(&[(name, value)]) };
        let answer = self.post(&path, body).await.map_err(|error| AskFault::Failed { cause: cause(&error) })?;
        let http = answer.status().as_u16();
        if http == 404 {
            return Err(AskFault::Gone);
        }
        if !matches!(http, 400 | 422) {
            return ask(answer).await.map(|_| ());
        }
        let body = client::body(answer).await.map_err(|cause| AskFault::Failed { cause })?;
        let (code, over) = if telnyxs {
            (telnyx::read_error(&body).code, super::telnyx::ALREADY_OVER)
        } else {
            (serde_json::from_slice::<wire::ErrorBody>(&body).ok().and_then(|error| error.code), ALREADY_OVER)
        };
        if code == Some(over) {
            return Err(AskFault::Gone);
        }
        Err(AskFault::Failed { cause: format!("refused (HTTP {http}, code {code:?})") })
    }
}

/// "Call is not in progress": the update came too late.
const ALREADY_OVER: u32 = 21_220;

impl Carrier for Twilio {
    fn card(&self) -> &ContractCard {
        &self.card
    }

    fn hello(&self) -> Boxed<'_, Result<Hello, AskFault>> {
        // The shortest list: an API key that may call may also read it, unlike the account itself.
        let url = self.url(&format!("{}?PageSize=1", wire::calls_path(&self.options.account_sid)));
        Box::pin(async move {
            let answer = self.ask_for(url).await?;
            let text = answer.headers().get(header::DATE).and_then(|value| value.to_str().ok());
            let date = text.and_then(wire::parse_http_date);
            ask(answer).await.map(|_| Hello { date })
        })
    }

    fn caller<'a>(&'a self, number: &'a Phone) -> Boxed<'a, Result<CallerStanding, AskFault>> {
        Box::pin(self.caller_once(number))
    }

    fn reach(&self, country: Country) -> Boxed<'_, Result<Reach, AskFault>> {
        Box::pin(self.reach_once(country))
    }

    fn account_fault(&self, callback: &[(String, String)]) -> Option<(StopKind, u32)> {
        // Telnyx's codes are another list: its 10001 is about a number.
        if self.options.dialect == Dialect::Telnyx {
            return None;
        }
        let code = form::first(callback, "ErrorCode")?.parse().ok()?;
        Some((account_code(code)?, code))
    }

    fn place<'a>(&'a self, order: &'a Order) -> Boxed<'a, Result<Placed, PlaceFault>> {
        Box::pin(self.place_once(order))
    }

    fn fetch<'a>(&'a self, sid: &'a Sid) -> Boxed<'a, Result<RemoteCall, AskFault>> {
        Box::pin(async move {
            let body = self.get(self.url(&wire::call_path(&self.options.account_sid, sid.as_str()))).await?;
            let call: CallResource = serde_json::from_slice(&body)
                .map_err(|error| AskFault::Failed { cause: format!("unreadable call: {error}") })?;
            remote(&call, self.options.dialect).map_err(|cause| AskFault::Failed { cause })
        })
    }

    fn list<'a>(&'a self, query: ListQuery<'a>) -> Boxed<'a, Result<Listed, AskFault>> {
        Box::pin(self.list_all(query))
    }

    fn record<'a>(&'a self, call: &'a Sid, told: &'a str) -> Boxed<'a, Result<Sid, AskFault>> {
        if self.options.dialect == Dialect::Telnyx {
            // Its recordings lie at addresses that it names: nothing of ours goes there.
            return Box::pin(async { Err(AskFault::Gone) });
        }
        Box::pin(self.record_once(call, told))
    }

    fn recordings_of<'a>(&'a self, call: &'a Sid) -> Boxed<'a, Result<Vec<(Sid, RecordingState)>, AskFault>> {
        Box::pin(self.recordings_of_once(call))
    }

    fn recording<'a>(&'a self, recording: &'a Sid) -> Boxed<'a, Result<RecordingState, AskFault>> {
        Box::pin(self.recording_once(recording))
    }

    fn fetch_sound<'a>(&'a self, recording: &'a Sid, sound: &'a mut dyn SoundFile) -> Boxed<'a, Result<(), AskFault>> {
        Box::pin(self.fetch_sound_once(recording, sound))
    }

    fn redirect<'a>(&'a self, sid: &'a Sid, twiml: &'a str) -> Boxed<'a, Result<(), AskFault>> {
        Box::pin(self.change(sid, "Twiml", twiml))
    }

    fn end<'a>(&'a self, sid: &'a Sid, ending: Ending) -> Boxed<'a, Result<(), AskFault>> {
        Box::pin(self.end_once(sid, ending))
    }
}

/// What an answer other than 2xx proves about an order. The HTTP status decides first, the code refines it.
pub fn place_fault(http: u16, code: Option<u32>, after: Option<Duration>) -> PlaceFault {
    if let Some(kind) = account_refusal(http, code) {
        return PlaceFault::Refused { http, code, what: Refusal::Account(kind) };
    }
    let what = match (http, code) {
        (429, _) => return PlaceFault::Throttled { after },
        // The account's limit of calls at once: documented as not processed, nobody's fault, worth waiting for.
        (400, Some(10_004)) => return PlaceFault::Throttled { after },
        // "Call already initiated": it exists somewhere. Never redial on that.
        (400, Some(21_204)) => return PlaceFault::MaybePlaced { cause: "HTTP 400, code 21204".to_owned() },
        (401 | 403, Some(21_215 | 21_216)) => Refusal::Destination,
        (400 | 404 | 422, Some(21_202 | 21_211 | 21_214 | 21_217)) => Refusal::Number,
        (400 | 404 | 422, Some(21_215 | 21_216)) => Refusal::Destination,
        (400 | 404 | 422, Some(21_210 | 21_212 | 21_213)) => Refusal::Caller,
        (408, _) => return PlaceFault::MaybePlaced { cause: "HTTP 408".to_owned() },
        (400..=499, _) => Refusal::Request,
        // 1xx and 3xx never answer this request, and 5xx may come after the call was made.
        (_, _) => return PlaceFault::MaybePlaced { cause: format!("HTTP {http}, code {code:?}") },
    };
    PlaceFault::Refused { http, code, what }
}

/// Whether an answer refuses the account itself.
fn account_refusal(http: u16, code: Option<u32>) -> Option<StopKind> {
    match (http, code) {
        // Nothing was decided about the account.
        (408 | 429, _) => None,
        (401 | 403, Some(21_215 | 21_216)) => None,
        (401..=403, code) => Some(code.and_then(account_code).unwrap_or(StopKind::of_http(http))),
        (400..=499, code) => account_code(code?),
        // What comes with 5xx proves nothing.
        (_, _) => None,
    }
}

/// What one of Twilio's codes says about the account, wherever it stands: in a refusal or in a call's last callback.
fn account_code(code: u32) -> Option<StopKind> {
    match code {
        // "Account is not active", "Account not active": suspended or closed, and an account without money is suspended.
        10_001 | 20_005 => Some(StopKind::Suspended),
        20_003 => Some(StopKind::Credentials),
        _ => None,
    }
}

/// The beginning of a body, safe to print and without telephone numbers.
fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(ODD_BODY_BYTES)]);
    printable(&masked(&text))
}

fn placed(body: &[u8], dialect: Dialect) -> Result<Placed, PlaceFault> {
    // What it said is kept in the log, cut and masked: it may be all that there is to find the call by.
    let unreadable = |what: &str| PlaceFault::MaybePlaced { cause: format!("2xx {what}: {}", excerpt(body)) };
    let call: CallResource = serde_json::from_slice(body).map_err(|_| unreadable("with an unreadable body"))?;
    if dialect == Dialect::Telnyx && call.sid.is_none() && call.status.is_some() {
        return Err(PlaceFault::Unnamed);
    }
    let sid = call.sid.as_deref().and_then(|sid| sid.parse().ok()).ok_or_else(|| unreadable("without a sid"))?;
    // The call exists: a status word that we do not know must not make it unknown.
    let status = call.status.as_deref().and_then(|status| status.parse().ok()).unwrap_or(CallStatus::Queued);
    Ok(Placed { sid, status, queue_ms: queue_ms(&call) })
}

fn queue_ms(call: &CallResource) -> Option<u64> {
    call.queue_time.as_deref().and_then(|text| text.parse().ok())
}

fn remote(call: &CallResource, dialect: Dialect) -> Result<RemoteCall, String> {
    let missing = |what: &str| format!("a listed call has no readable {what}");
    Ok(RemoteCall {
        sid: call.sid.as_deref().and_then(|sid| sid.parse().ok()).ok_or_else(|| missing("sid"))?,
        to: call.to.clone().unwrap_or_default(),
        from: call.from.clone().unwrap_or_default(),
        status: call.status.as_deref().and_then(|text| text.parse().ok()).ok_or_else(|| missing("status"))?,
        created: call.date_created.as_deref().and_then(wire::parse_date).ok_or_else(|| missing("date_created"))?,
        duration_s: call.duration.as_deref().and_then(|text| text.parse().ok()),
        queue_ms: queue_ms(call),
        price: wire::price(call.price.as_deref(), call.price_unit.as_deref()),
        child: call.parent_call_sid.is_some(),
        outbound_api: match dialect {
            Dialect::Twilio | Dialect::SignalWire => call.direction.as_deref() == Some("outbound-api"),
            Dialect::Telnyx => call.direction.as_deref() == Some("outbound"),
        },
    })
}

async fn ask(answer: Response) -> Result<Vec<u8>, AskFault> {
    let http = answer.status().as_u16();
    match http {
        200..=299 => client::body(answer).await.map_err(|cause| AskFault::Failed { cause }),
        401..=403 => Err(AskFault::Account { http }),
        404 => Err(AskFault::Gone),
        429 => Err(AskFault::Throttled { after: retry_after(&answer) }),
        _ => Err(AskFault::Failed { cause: format!("HTTP {http}") }),
    }
}

fn retry_after(answer: &Response) -> Option<Duration> {
    let text = |name: header::HeaderName| answer.headers().get(name).and_then(|value| value.to_str().ok());
    wire::retry_after_ms(text(header::RETRY_AFTER), text(header::DATE)).map(Duration::from_millis)
}

mod recordings;
#[cfg(test)]
mod tests;
