//! What all speech services behind HTTP share: one request, bounded in time and size; no redirect, no proxy, no retry;
//! and a key that never prints, not even where the service repeats it.
//!
//! A dialect ([`Dialect`]) adds its error bodies; everything else about an answer is judged here.

use std::time::Duration;

use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, RequestBuilder, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::EngineFault;
use crate::base::text::printable;
use crate::base::{Secret, limits};
use crate::core::config::EngineConfig;
use crate::core::sound::{Pcm, g711, wav};
use crate::core::wire::twilio::retry_after_ms;

/// How a service takes its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// As the value of a header of its own.
    Header(&'static str),
    /// As `Authorization: Bearer …`.
    Bearer,
}

/// Times of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// To connect.
    pub connect: Duration,
    /// Between two bytes.
    pub idle: Duration,
    /// For everything.
    pub whole: Duration,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { connect: limits::SERVICE_CONNECT, idle: limits::SERVICE_IDLE, whole: limits::SERVICE_WHOLE }
    }
}

/// What an error body of a dialect says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Said {
    /// The service's own code; empty = none.
    pub code: String,
    /// Its words.
    pub message: String,
    /// What it means, where the code knows better than the HTTP status.
    pub means: Option<Means>,
    /// When to come again, if the body says so.
    pub after: Option<Duration>,
}

/// What a refusal means for the one who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Means {
    /// Credentials refused, or no credit: nothing of this account will work.
    Account,
    /// This request will never be taken.
    Refused,
    /// Too many at once or too fast: later.
    Busy,
    /// The service failed: once more may mend it.
    Failed,
}

/// Reads a dialect's error body (JSON) of an answer with this HTTP status.
pub type Dialect = fn(http: u16, body: &Value) -> Said;

/// One service.
#[derive(Debug)]
pub struct Service {
    engine: String,
    base: Url,
    client: Client,
    key: Option<Secret>,
    auth: Auth,
    bounds: Bounds,
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub http: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body, at most [`limits::SERVICE_BODY_BYTES`].
    pub body: Vec<u8>,
}

/// A request that got no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unanswered {
    /// Whether any of it may have reached the service. False is proof that nothing did: there was no connection.
    pub sent: bool,
    /// What happened.
    pub fault: EngineFault,
}

impl Answer {
    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// A header as a number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.header(name)?.trim().parse().ok()
    }

    /// The service's id of this request, made safe to print; at most 128 characters.
    pub fn request_id(&self) -> Option<String> {
        let id = self.header("request-id").or_else(|| self.header("x-request-id"))?;
        let id: String = id.trim().chars().take(128).collect();
        (!id.is_empty()).then(|| printable(&id))
    }

    /// When to come again: `retry-after-ms`, or `retry-after` in seconds or as a date.
    pub fn retry_after(&self) -> Option<Duration> {
        let ms = self.number("retry-after-ms");
        let ms = ms.or_else(|| retry_after_ms(self.header("retry-after"), self.header("date")));
        ms.map(|ms| Duration::from_millis(ms).min(limits::RENDER_BACKOFF_MOST))
    }
}

impl Service {
    /// Makes the client. `vendor`: the vendor's own address, used unless the configuration names another.
    ///
    /// Errors: the address is no URL, the key has characters that no header takes.
    pub fn open(
        engine: &str,
        config: &EngineConfig,
        vendor: &str,
        key: Option<Secret>,
        auth: Auth,
    ) -> Result<Service, EngineFault> {
        Service::with_bounds(engine, config, vendor, key, auth, Bounds::default())
    }

    /// As [`Service::open`], with other times.
    pub fn with_bounds(
        engine: &str,
        config: &EngineConfig,
        vendor: &str,
        key: Option<Secret>,
        auth: Auth,
        bounds: Bounds,
    ) -> Result<Service, EngineFault> {
        crate::edge::install_tls();
        let missing = |why: String| EngineFault::Missing { engine: engine.to_owned(), why };
        let written = config.base_url.as_deref().unwrap_or(vendor).trim_end_matches('/');
        let base = Url::parse(written).ok().filter(|url| url.has_host() && !url.cannot_be_a_base());
        let base = base.ok_or_else(|| missing("base_url is no http(s) URL".to_owned()))?;
        let mut headers = HeaderMap::new();
        if let Some(key) = &key {
            let (name, value) = key_header(key, auth)
                .ok_or_else(|| missing("its key has characters that no header takes".to_owned()))?;
            headers.insert(name, value);
        }
        let client = Client::builder()
            .retry(reqwest::retry::never())
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .default_headers(headers)
            .connect_timeout(bounds.connect)
            .read_timeout(bounds.idle)
            .timeout(bounds.whole)
            .tcp_nodelay(true)
            .user_agent(concat!("ahoy/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| missing(format!("no HTTP client: {error}")))?;
        Ok(Service { engine: engine.to_owned(), base, client, key, auth, bounds })
    }

    /// An address under the base: each segment is encoded, so that no voice name can leave its place.
    pub fn url(&self, segments: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.base.clone();
        url.path_segments_mut().expect("the base was checked to bear a path").pop_if_empty().extend(segments);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// A DELETE of this address; the key is added by the client.
    pub fn delete(&self, url: Url) -> RequestBuilder {
        self.client.delete(url)
    }

    /// A POST to this address; the key is added by the client.
    pub fn post(&self, url: Url) -> RequestBuilder {
        self.client.post(url)
    }

    /// A GET of this address.
    pub fn get(&self, url: Url) -> RequestBuilder {
        self.client.get(url)
    }

    /// Sends one request, once, and reads the whole answer.
    pub async fn send(&self, request: RequestBuilder) -> Result<Answer, EngineFault> {
        self.send_told(request).await.map_err(|unanswered| unanswered.fault)
    }

    /// As [`Service::send`], for a request that must not be made twice: without an answer, it says whether anything left.
    pub async fn send_told(&self, request: RequestBuilder) -> Result<Answer, Unanswered> {
        let left = |fault| Unanswered { sent: true, fault };
        crate::door!("service");
        let mut response = request
            .send()
            .await
            .map_err(|error| Unanswered { sent: !error.is_connect(), fault: self.broken(&error) })?;
        let http = response.status().as_u16();
        let headers = response.headers().clone();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| left(self.broken(&error)))? {
            if body.len() + chunk.len() > limits::SERVICE_BODY_BYTES {
                let why = format!("its answer is longer than {} bytes", limits::SERVICE_BODY_BYTES);
                return Err(left(self.bad(why)));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { http, headers, body })
    }

    /// Sends one request; an answer other than 2xx is a fault, read by the dialect.
    pub async fn ask(&self, request: RequestBuilder, dialect: Dialect) -> Result<Answer, EngineFault> {
        let answer = self.send(request).await?;
        match answer.http {
            200..=299 => Ok(answer),
            _ => Err(self.fault(&answer, dialect)),
        }
    }

    /// What an answer other than 2xx is.
    pub fn fault(&self, answer: &Answer, dialect: Dialect) -> EngineFault {
        let said = match serde_json::from_slice::<Value>(&answer.body) {
            Ok(body) => dialect(answer.http, &body),
            Err(_) => Said { message: likeness(&answer.body), ..Said::default() },
        };
        let code = if said.code.is_empty() { String::new() } else { format!(" {}", said.code) };
        let words = if said.message.is_empty() { String::new() } else { format!(": {}", said.message) };
        let why = self.safe(&format!("HTTP {}{code}{words}", answer.http));
        let engine = self.engine.clone();
        match said.means.unwrap_or_else(|| by_status(answer.http)) {
            Means::Account => EngineFault::Account { engine, why },
            Means::Refused => EngineFault::Refused { engine, why },
            Means::Failed => EngineFault::Failed { engine, why },
            Means::Busy => {
                let after = answer.retry_after().or(said.after).map(|after| after.min(limits::RENDER_BACKOFF_MOST));
                EngineFault::Busy { engine, why, after }
            }
        }
    }

    /// The JSON of a good answer; HTML, nothing and other things with status 200 are no sound.
    pub fn json<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T, EngineFault> {
        if answer.body.is_empty() {
            return Err(self.bad("an empty answer".to_owned()));
        }
        serde_json::from_slice(&answer.body).map_err(|error| {
            let what = match error.classify() {
                serde_json::error::Category::Data => format!("its JSON is not as documented: {error}"),
                serde_json::error::Category::Eof => "its JSON is cut off".to_owned(),
                serde_json::error::Category::Syntax | serde_json::error::Category::Io => {
                    format!("no JSON: {}", likeness(&answer.body))
                }
            };
            self.bad(what)
        })
    }

    /// The sound of bytes that the service calls sound; WAV is known by its first bytes, whatever was asked for.
    pub fn sound(&self, bytes: &[u8], headerless: Headerless) -> Result<Pcm, EngineFault> {
        if bytes.is_empty() {
            return Err(self.bad("nothing: no bytes at all".to_owned()));
        }
        if bytes.starts_with(b"RIFF") {
            return wav::read(bytes).map_err(|fault| self.bad(fault.to_string()));
        }
        // Raw sound has no header to check, so at least what other formats begin with is refused.
        if let Some(likeness) = wav::not_raw(bytes) {
            return Err(self.bad(format!("not raw sound: it looks like {likeness}")));
        }
        match headerless {
            Headerless::Pcm { rate } if !(8_000..=48_000).contains(&rate) => {
                Err(self.bad(format!("raw PCM of {rate} Hz")))
            }
            Headerless::Pcm { .. } if !bytes.len().is_multiple_of(2) => {
                Err(self.bad(format!("cut off: {} bytes are no whole number of 16-bit samples", bytes.len())))
            }
            Headerless::Pcm { rate } => {
                let samples = bytes.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
                Ok(Pcm { samples, rate })
            }
            Headerless::Ulaw { rate } => {
                Ok(Pcm { samples: bytes.iter().map(|code| g711::ulaw_decode(*code)).collect(), rate })
            }
            Headerless::Alaw { rate } => {
                Ok(Pcm { samples: bytes.iter().map(|code| g711::alaw_decode(*code)).collect(), rate })
            }
        }
    }

    /// A fault of what was answered with good status.
    pub fn bad(&self, why: String) -> EngineFault {
        EngineFault::BadSound { engine: self.engine.clone(), why: self.safe(&why) }
    }

    /// A fault of the request itself.
    pub fn refused(&self, why: String) -> EngineFault {
        EngineFault::Refused { engine: self.engine.clone(), why: self.safe(&why) }
    }

    /// Text from outside: masked, printable, bounded.
    pub fn safe(&self, text: &str) -> String {
        let masked = match &self.key {
            Some(key) => key.masked_in(text),
            None => text.to_owned(),
        };
        let short: String = masked.chars().take(limits::SERVICE_WORDS).collect();
        printable(short.trim())
    }

    /// A fault that a second try may mend.
    pub fn failed(&self, why: String) -> EngineFault {
        EngineFault::Failed { engine: self.engine.clone(), why: self.safe(&why) }
    }

    /// Times of one request.
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// The header that carries the key.
    pub(super) fn key_header(&self) -> Option<(HeaderName, HeaderValue)> {
        key_header(self.key.as_ref()?, self.auth)
    }

    /// A request that broke on the way: timeouts and resets may mend, and nothing says what was heard.
    fn broken(&self, error: &reqwest::Error) -> EngineFault {
        let mut why = if error.is_timeout() {
            format!("no whole answer within {:?} ({:?} of silence)", self.bounds.whole, self.bounds.idle)
        } else if error.is_connect() {
            "cannot connect".to_owned()
        } else {
            "the connection broke".to_owned()
        };
        // Without the URL: it may hold more than a host.
        let mut next = std::error::Error::source(error);
        while let Some(inner) = next {
            why = format!("{why}: {inner}");
            next = inner.source();
        }
        EngineFault::Failed { engine: self.engine.clone(), why: self.safe(&why) }
    }
}

/// Parts of a thousand by which a sound may be longer or shorter than the service says: silence at its ends.
const LENGTH_SLACK: u64 = 300;
/// And so much more, in ms, so that a short phrase may have its pause.
const LENGTH_SLACK_MS: u64 = 400;

/// Whether a sound is as long as the service says, within a third: half and double rates are not, nor is half a phrase.
pub fn same_length(has_ms: u64, told_ms: u64) -> Result<(), String> {
    let slack = told_ms * LENGTH_SLACK / 1_000 + LENGTH_SLACK_MS;
    if has_ms.abs_diff(told_ms) <= slack {
        return Ok(());
    }
    Err(format!("{has_ms} ms of sound, where the service tells {told_ms} ms"))
}

/// How sound without a header is coded: mono, as the request asked or the answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Headerless {
    /// 16-bit little-endian PCM.
    Pcm {
        /// Hz.
        rate: u32,
    },
    /// G.711 µ-law.
    Ulaw {
        /// Hz.
        rate: u32,
    },
    /// G.711 A-law.
    Alaw {
        /// Hz.
        rate: u32,
    },
}

fn key_header(key: &Secret, auth: Auth) -> Option<(HeaderName, HeaderValue)> {
    let (name, mut value) = match auth {
        Auth::Header(name) => (HeaderName::from_static(name), HeaderValue::from_str(key.reveal()).ok()?),
        Auth::Bearer => (header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {}", key.reveal())).ok()?),
    };
    value.set_sensitive(true);
    Some((name, value))
}

/// What a status means when its body says nothing more.
fn by_status(http: u16) -> Means {
    match http {
        401..=403 => Means::Account,
        408 | 500..=502 | 504..=528 | 530..=599 => Means::Failed,
        429 | 503 | 529 => Means::Busy,
        400..=499 => Means::Refused,
        // 1xx never ends an answer; a 3xx means that the address is wrong, and the key goes to no other host.
        _ => Means::Refused,
    }
}

/// What a body that is no JSON looks like.
fn likeness(body: &[u8]) -> String {
    match wav::not_raw(body) {
        Some(likeness) => likeness.to_owned(),
        None if body.is_empty() => String::new(),
        None => format!("{} bytes that are no text", body.len()),
    }
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
