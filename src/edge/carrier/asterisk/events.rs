//! The socket of Asterisk's events. The application exists there only while it is open.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use super::Asterisk;
use crate::base::limits::ARI_EVENT_BYTES;
use crate::core::wire::ari;

/// An open event socket.
pub struct EventSocket(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// What comes.
pub enum Came {
    /// An event.
    Event(String),
    /// A sign of life.
    Alive,
    /// It is over: why.
    Over(String),
}

impl Asterisk {
    /// Opens the socket of our application's events. Errors: what failed, in words.
    pub async fn listen(&self) -> Result<EventSocket, String> {
        let base = self.house.base.as_str().trim_end_matches('/').replacen("http", "ws", 1);
        let url = format!("{base}{}", ari::path("events", &[("app", &self.options.app)]));
        let mut request = url.into_client_request().map_err(|error| error.to_string())?;
        let user = STANDARD.encode(format!("{}:{}", self.options.user, self.options.password.reveal()));
        let mut value = HeaderValue::from_str(&format!("Basic {user}")).map_err(|error| error.to_string())?;
        value.set_sensitive(true);
        request.headers_mut().insert(header::AUTHORIZATION, value);
        let config = WebSocketConfig::default()
            .read_buffer_size(8 << 10)
            .write_buffer_size(0)
            .max_message_size(Some(ARI_EVENT_BYTES))
            .max_frame_size(Some(ARI_EVENT_BYTES));
        match connect_async_with_config(request, Some(config), true).await {
            Ok((socket, _answer)) => Ok(EventSocket(socket)),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl EventSocket {
    /// The next thing that comes. Cancel-safe.
    pub async fn next(&mut self) -> Came {
        match self.0.next().await {
            Some(Ok(Message::Text(text))) => Came::Event(text.as_str().to_owned()),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_))) => Came::Alive,
            Some(Ok(Message::Close(_))) | None => Came::Over("it was closed".to_owned()),
            Some(Err(error)) => Came::Over(error.to_string()),
        }
    }

    /// Asks for a sign of life.
    pub async fn ping(&mut self) -> Result<(), String> {
        self.0.send(Message::Ping(Default::default())).await.map_err(|error| error.to_string())
    }
}
