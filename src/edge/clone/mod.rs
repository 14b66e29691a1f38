//! Services that make a voice of a sample: one file each. They ask and tell; what is done about it is decided in
//! `core/clone`.
//!
//! A voice is asked for once: no door here repeats a request, and each says whether a voice may have come of one.

mod elevenlabs;
mod fetch;
mod gemini;
mod openai;

use std::sync::Arc;

use serde_json::Value;

use super::engine::http::{Answer, Auth, Bounds, Dialect, Service, Unanswered};
use super::engine::{Boxed, EngineFault, ReadSecret};
use crate::base::limits;
use crate::core::clone::slots::Slots;
use crate::core::clone::step::MakeFault;
use crate::core::clone::{CloneFault, Sample};
use crate::core::config::{CloneConfig, CloneProvider, EngineConfig};

pub use fetch::fetch;

/// What a voice is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// What it is called at the service: it is found again by this.
    pub label: String,
    /// The person's voice.
    pub sample: Sample,
    /// The person saying that they agree, for services that want to hear it.
    pub spoken: Option<Sample>,
    /// The language of that, BCP 47.
    pub language: Option<String>,
}

/// A voice at a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voice {
    /// Its id there.
    pub id: String,
    /// Why it cannot be used, if it cannot.
    pub unusable: Option<String>,
}

/// A service that makes voices.
pub trait VoiceMaker: Send + Sync {
    /// Which one.
    fn provider(&self) -> CloneProvider;

    /// Whether voices can be looked for: without that, one whose answer was lost is lost.
    fn findable(&self) -> bool;

    /// Whether it wants to hear the person say that they agree.
    fn wants_consent_spoken(&self) -> bool;

    /// Room for one more voice.
    fn slots(&self) -> Boxed<'_, Result<Slots, EngineFault>>;

    /// Voices with exactly this label, the oldest first. `Refused` where none can be looked for.
    fn find<'a>(&'a self, label: &'a str) -> Boxed<'a, Result<Vec<Voice>, EngineFault>>;

    /// Asks for a voice, once.
    fn make<'a>(&'a self, order: &'a Order) -> Boxed<'a, Result<Voice, MakeFault>>;

    /// Deletes a voice, and whatever else the service has of the person under this label. What is not there is deleted.
    /// `voice`: `None` = only that else.
    fn delete<'a>(&'a self, voice: Option<&'a str>, label: &'a str) -> Boxed<'a, Result<(), EngineFault>>;
}

/// Opens the service of `[clone]`; nothing is asked yet.
pub fn open(config: &CloneConfig, secret: ReadSecret<'_>) -> Result<Arc<dyn VoiceMaker>, EngineFault> {
    let name = config.provider.as_str();
    let key = config.key.as_ref().map(|key| secret(key, "[clone] key")).transpose();
    let key = key.map_err(|failure| EngineFault::Account { engine: name.to_owned(), why: failure.what })?;
    let (vendor, auth) = match config.provider {
        CloneProvider::ElevenLabs => (super::engine::elevenlabs::VENDOR, Auth::Header("xi-api-key")),
        CloneProvider::OpenAi => (super::engine::openai::VENDOR, Auth::Bearer),
        CloneProvider::Gemini => (super::engine::gemini::VENDOR, Auth::Header("x-goog-api-key")),
    };
    let address = EngineConfig { base_url: config.base_url.clone(), ..EngineConfig::default() };
    let asks = Service::open(name, &address, vendor, key.clone(), auth)?;
    // A service is silent while it makes a voice.
    let long = Bounds { idle: limits::CLONE_UPLOAD, whole: limits::CLONE_UPLOAD, ..Bounds::default() };
    let makes = Service::with_bounds(name, &address, vendor, key, auth, long)?;
    let doors = Doors { asks, makes };
    Ok(match config.provider {
        CloneProvider::ElevenLabs => Arc::new(elevenlabs::ElevenLabs(doors)),
        CloneProvider::OpenAi => Arc::new(openai::OpenAi(doors)),
        CloneProvider::Gemini => Arc::new(gemini::Gemini(doors)),
    })
}

/// A service's two clients: for questions, and for the one request that takes its time.
struct Doors {
    asks: Service,
    makes: Service,
}

impl Doors {
    /// What the request for a voice came to, if it was answered well.
    fn made(&self, outcome: Result<Answer, Unanswered>, dialect: Dialect) -> Result<Answer, MakeFault> {
        let answer = match outcome {
            Ok(answer) => answer,
            Err(Unanswered { sent: false, fault }) => return Err(MakeFault::NotSent(fault.why())),
            Err(Unanswered { sent: true, fault }) => return Err(MakeFault::MaybeMade(fault.why())),
        };
        if (200..=299).contains(&answer.http) {
            return Ok(answer);
        }
        let code = serde_json::from_slice(&answer.body).map(|body: Value| dialect(answer.http, &body).code);
        let fault = self.makes.fault(&answer, dialect);
        let why = fault.why();
        Err(match fault {
            _ if code.is_ok_and(|code| NO_ROOM.contains(&code.as_str())) => MakeFault::NoRoom(why),
            // Behind a gateway that gave up, the service may still be at it.
            _ if matches!(answer.http, 408 | 502 | 504 | 520..=599) && answer.http != 529 => MakeFault::MaybeMade(why),
            EngineFault::Account { .. } => MakeFault::Account(why),
            EngineFault::Busy { after, .. } => MakeFault::Busy { why, after },
            EngineFault::Failed { .. } => MakeFault::Failed(why),
            EngineFault::Language { .. }
            | EngineFault::Missing { .. }
            | EngineFault::Refused { .. }
            | EngineFault::BadSound { .. } => MakeFault::Refused(why),
        })
    }

    /// A DELETE; what is not there is deleted.
    async fn delete(&self, segments: &[&str], dialect: Dialect, gone: &[&str]) -> Result<(), EngineFault> {
        let answer = self.asks.send(self.asks.delete(self.asks.url(segments, &[]))).await?;
        let code = || serde_json::from_slice(&answer.body).map(|body: Value| dialect(answer.http, &body).code);
        match answer.http {
            200..=299 | 404 | 410 => Ok(()),
            400 | 401 if code().is_ok_and(|code| gone.contains(&code.as_str())) => Ok(()),
            _ => Err(self.asks.fault(&answer, dialect)),
        }
    }

    /// An id that can stand in the ledger and in an address.
    fn id(&self, id: &str) -> Result<String, String> {
        let fits =
            (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b));
        if fits { Ok(id.to_owned()) } else { Err("its id of the voice is none".to_owned()) }
    }
}

/// Codes for an account without a slot, old and new.
const NO_ROOM: [&str; 4] =
    ["voice_limit_reached", "voice_add_edit_limit_reached", "too_many_voices", "voice_limit_exceeded"];

/// What a fault of a question means for whoever wants the voice.
pub fn told(fault: &EngineFault) -> CloneFault {
    let why = fault.why();
    match fault {
        EngineFault::Account { .. } => CloneFault::Account(why),
        EngineFault::Refused { .. } | EngineFault::Language { .. } | EngineFault::Missing { .. } => {
            CloneFault::Refused(why)
        }
        EngineFault::Busy { .. } => CloneFault::Busy(why),
        EngineFault::BadSound { .. } | EngineFault::Failed { .. } => CloneFault::Away(why),
    }
}

/// Multipart form of a sample's file.
fn part(sample: &Sample) -> Result<reqwest::multipart::Part, MakeFault> {
    let name = format!("sample.{}", sample.form.extension());
    let part = reqwest::multipart::Part::bytes(sample.bytes.clone()).file_name(name);
    part.mime_str(sample.form.mime()).map_err(|error| MakeFault::Refused(error.to_string()))
}
