//! The event socket of a telephone system: we open it with our credentials, and read text.

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use crate::base::limits::PBX_EVENT_BYTES;

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

/// Opens the socket at a path of `base` (http or https). `authorization`: the header's whole value, a secret. Errors: what
/// failed, in words.
pub(super) async fn open(base: &str, path: &str, authorization: &str) -> Result<EventSocket, String> {
    let url = format!("{}{path}", base.trim_end_matches('/').replacen("http", "ws", 1));
    let mut request = url.into_client_request().map_err(|error| error.to_string())?;
    let mut value = HeaderValue::from_str(authorization).map_err(|error| error.to_string())?;
    value.set_sensitive(true);
    request.headers_mut().insert(header::AUTHORIZATION, value);
    let config = WebSocketConfig::default()
        .read_buffer_size(8 << 10)
        .write_buffer_size(0)
        .max_message_size(Some(PBX_EVENT_BYTES))
        .max_frame_size(Some(PBX_EVENT_BYTES));
    match connect_async_with_config(request, Some(config), true).await {
        Ok((socket, _answer)) => Ok(EventSocket(socket)),
        Err(error) => Err(error.to_string()),
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
