//! Realtime agents behind a WebSocket: where each provider is, and its connection. What is said there is decided in
//! `core/agent`.

use futures_util::{SinkExt, StreamExt};
use reqwest::Url;
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

use super::engine::http::{Auth, Bounds, Dialect, Service};
use super::engine::socket::Stream;
use super::engine::{EngineFault, ReadSecret, elevenlabs, gemini, gemini_live, openai};
use crate::base::limits;
use crate::base::text::printable;
use crate::core::agent::{ElevenLabs, GeminiLive, Machine, OpenAiRealtime, Opening};
use crate::core::config::{AgentConfig, AgentKind, EngineConfig};

/// A provider of agents. Cheap to keep; each session has a connection of its own.
pub struct Provider {
    kind: AgentKind,
    model: String,
    agent_id: String,
    transcribe: Option<String>,
    service: Service,
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The code of RFC 6455, if one was given.
    pub code: Option<u16>,
    /// In words, safe to print.
    pub why: String,
}

/// A connection to an agent.
pub struct AgentSocket {
    stream: Stream,
}

impl Provider {
    /// Makes the client; nothing is asked yet.
    pub fn open(name: &str, config: &AgentConfig, secret: ReadSecret<'_>) -> Result<Provider, EngineFault> {
        let key = config.key.as_ref().map(|key| secret(key, &format!("[agents.{name}] key"))).transpose();
        let key = key.map_err(|failure| EngineFault::Account { engine: name.to_owned(), why: failure.what })?;
        let (vendor, auth) = match config.kind {
            AgentKind::OpenAiRealtime => (openai::VENDOR, Auth::Bearer),
            AgentKind::GeminiLive => (gemini::VENDOR, Auth::Header("x-goog-api-key")),
            AgentKind::ElevenLabs => (elevenlabs::VENDOR, Auth::Header("xi-api-key")),
        };
        let address = EngineConfig { base_url: config.base_url.clone(), ..EngineConfig::default() };
        let bounds = Bounds { connect: limits::AGENT_CONNECT, ..Bounds::default() };
        let service = Service::with_bounds(name, &address, vendor, key, auth, bounds)?;
        let (model, transcribe) = (config.model.clone(), config.transcribe.clone());
        Ok(Provider { kind: config.kind, model, agent_id: config.agent_id.clone(), transcribe, service })
    }

    /// Its kind in the dated table of prices.
    pub fn priced_as(&self) -> &'static str {
        match self.kind {
            AgentKind::OpenAiRealtime => "openai",
            AgentKind::GeminiLive => "gemini-live",
            AgentKind::ElevenLabs => "elevenlabs-agent",
        }
    }

    /// Its model.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Model that writes down what callees say.
    pub fn transcribe(&self) -> Option<&str> {
        self.transcribe.as_deref()
    }

    /// A provider's words without our key in them, wherever it repeats it, and safe to print.
    pub fn safe(&self, words: &str) -> String {
        self.service.safe(words)
    }

    /// The protocol of a new session.
    pub fn machine(&self, opening: Opening) -> Box<dyn Machine> {
        match self.kind {
            AgentKind::OpenAiRealtime => Box::new(OpenAiRealtime::new(opening)),
            AgentKind::GeminiLive => Box::new(GeminiLive::new(opening)),
            AgentKind::ElevenLabs => Box::new(ElevenLabs::new(opening)),
        }
    }

    /// Opens a connection.
    pub async fn connect(&self) -> Result<AgentSocket, EngineFault> {
        crate::door!("agent");
        let (url, dialect) = self.address().await?;
        let stream = self.service.handshake(url, dialect, limits::AGENT_MESSAGE_BYTES).await?;
        Ok(AgentSocket { stream })
    }

    async fn address(&self) -> Result<(Url, Dialect), EngineFault> {
        Ok(match self.kind {
            AgentKind::OpenAiRealtime => {
                (self.service.url(&["v1", "realtime"], &[("model", &self.model)]), openai::said as Dialect)
            }
            AgentKind::GeminiLive => (self.service.url(&["ws", gemini_live::METHOD], &[]), gemini::said),
            AgentKind::ElevenLabs => (self.signed().await?, elevenlabs::said),
        })
    }

    /// The address that ElevenLabs signs for one conversation of a private agent.
    async fn signed(&self) -> Result<Url, EngineFault> {
        let path = ["v1", "convai", "conversation", "get-signed-url"];
        let asked = self.service.get(self.service.url(&path, &[("agent_id", &self.agent_id)]));
        let answer = self.service.ask(asked, elevenlabs::said).await?;
        let told: Value = self.service.json(&answer)?;
        let url = told["signed_url"].as_str().unwrap_or("").replacen("ws", "http", 1);
        let own = self.service.url(&[], &[]);
        // Our key goes with the connection: to the same host, and no less safely.
        let same = |url: &Url| url.scheme() == own.scheme() && url.host() == own.host() && url.port() == own.port();
        Url::parse(&url).ok().filter(same).ok_or_else(|| self.service.bad("a signed_url of another host".to_owned()))
    }
}

impl AgentSocket {
    /// Sends one text. Errors: the connection is gone.
    pub async fn send(&mut self, text: String) -> Result<(), String> {
        crate::door!("agent");
        self.stream.send(Message::text(text)).await.map_err(|error| printable(&error.to_string()))
    }

    /// The next text. `Err`: how the connection ended. Safe to cancel.
    pub async fn next(&mut self) -> Result<String, Ended> {
        let ended = |code: Option<u16>, why: String| Err(Ended { code, why });
        loop {
            return match self.stream.next().await {
                Some(Ok(Message::Text(text))) => Ok(text.as_str().to_owned()),
                Some(Ok(Message::Binary(bytes))) => {
                    let text = String::from_utf8(bytes.to_vec());
                    text.or_else(|_| ended(None, "a message that is no text".to_owned()))
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                Some(Ok(Message::Close(Some(frame)))) => {
                    let words: String = frame.reason.as_str().chars().take(limits::SERVICE_WORDS).collect();
                    let code = u16::from(frame.code);
                    ended(Some(code), format!("it closed with {code}: {}", printable(&words)))
                }
                Some(Ok(Message::Close(None))) | None => ended(None, "it closed".to_owned()),
                Some(Err(error)) => ended(None, printable(&error.to_string())),
            };
        }
    }

    /// Says goodbye; whether the other side answers does not matter.
    pub async fn close(mut self) {
        let _gone_either_way = self.stream.close(None).await;
    }
}
