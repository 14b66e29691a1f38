//! Realtime agents behind a WebSocket: where each provider is, and its connection. What is said there is decided in
//! `core/agent`.

use futures_util::{SinkExt, StreamExt};
use reqwest::Url;
use tokio_tungstenite::tungstenite::Message;

use super::engine::http::{Auth, Bounds, Dialect, Service};
use super::engine::socket::Stream;
use super::engine::{EngineFault, ReadSecret, openai};
use crate::base::limits;
use crate::base::text::printable;
use crate::core::agent::{Machine, OpenAiRealtime, Opening};
use crate::core::config::{AgentConfig, AgentKind, EngineConfig};

/// A provider of agents. Cheap to keep; each session has a connection of its own.
pub struct Provider {
    kind: AgentKind,
    model: String,
    transcribe: Option<String>,
    service: Service,
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
        };
        let address = EngineConfig { base_url: config.base_url.clone(), ..EngineConfig::default() };
        let bounds = Bounds { connect: limits::AGENT_CONNECT, ..Bounds::default() };
        let service = Service::with_bounds(name, &address, vendor, key, auth, bounds)?;
        Ok(Provider { kind: config.kind, model: config.model.clone(), transcribe: config.transcribe.clone(), service })
    }

    /// Its model.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Model that writes down what callees say.
    pub fn transcribe(&self) -> Option<&str> {
        self.transcribe.as_deref()
    }

    /// The protocol of a new session.
    pub fn machine(&self, opening: Opening) -> Box<dyn Machine> {
        match self.kind {
            AgentKind::OpenAiRealtime => Box::new(OpenAiRealtime::new(opening)),
        }
    }

    /// Opens a connection.
    pub async fn connect(&self) -> Result<AgentSocket, EngineFault> {
        let (url, dialect) = self.address();
        let stream = self.service.handshake(url, dialect, limits::AGENT_MESSAGE_BYTES).await?;
        Ok(AgentSocket { stream })
    }

    fn address(&self) -> (Url, Dialect) {
        match self.kind {
            AgentKind::OpenAiRealtime => {
                (self.service.url(&["v1", "realtime"], &[("model", &self.model)]), openai::said)
            }
        }
    }
}

impl AgentSocket {
    /// Sends one text. Errors: the connection is gone.
    pub async fn send(&mut self, text: String) -> Result<(), String> {
        self.stream.send(Message::text(text)).await.map_err(|error| printable(&error.to_string()))
    }

    /// The next text. `Err`: how the connection ended, safe to print. Safe to cancel.
    pub async fn next(&mut self) -> Result<String, String> {
        loop {
            return match self.stream.next().await {
                Some(Ok(Message::Text(text))) => Ok(text.as_str().to_owned()),
                Some(Ok(Message::Binary(bytes))) => {
                    String::from_utf8(bytes.to_vec()).map_err(|_| "a message that is no text".to_owned())
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                Some(Ok(Message::Close(Some(frame)))) => {
                    let words: String = frame.reason.as_str().chars().take(limits::SERVICE_WORDS).collect();
                    Err(format!("it closed with {}: {}", u16::from(frame.code), printable(&words)))
                }
                Some(Ok(Message::Close(None))) | None => Err("it closed".to_owned()),
                Some(Err(error)) => Err(printable(&error.to_string())),
            };
        }
    }

    /// Says goodbye; whether the other side answers does not matter.
    pub async fn close(mut self) {
        let _gone_either_way = self.stream.close(None).await;
    }
}
