//! The client's end of a media socket: the upgrade is signed, everything is text.

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::base::Secret;
use crate::base::limits::MEDIA_MESSAGE_BYTES;
use crate::core::sim::rest::stream_url_fault;
use crate::core::wire::dialect::Dialect;
use crate::core::wire::signature;

/// An open media socket.
#[derive(Debug)]
pub struct MediaSocket(WebSocketStream<TcpStream>);

/// What arrives on a media socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    /// A text message.
    Text(String),
    /// A binary message: not of this protocol.
    Binary,
    /// Ping and pong; answered already.
    Control,
    /// Our side closed it.
    Closed,
    /// The connection or the WebSocket protocol broke.
    Broken(String),
}

impl MediaSocket {
    /// The next thing that arrives. Cancel-safe.
    pub async fn next(&mut self) -> Arrival {
        match self.0.next().await {
            Some(Ok(Message::Text(text))) => Arrival::Text(text.as_str().to_owned()),
            Some(Ok(Message::Binary(_))) => Arrival::Binary,
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Arrival::Control,
            Some(Ok(Message::Close(_))) | None => Arrival::Closed,
            Some(Err(error)) => Arrival::Broken(error.to_string()),
        }
    }

    /// Writes messages in order and flushes.
    pub async fn send(&mut self, messages: Vec<String>) -> Result<(), String> {
        for text in messages {
            self.0.feed(Message::text(text)).await.map_err(|error| error.to_string())?;
        }
        self.0.flush().await.map_err(|error| error.to_string())
    }

    /// Closes politely. Errors: the other side was faster.
    pub async fn close(&mut self) -> Result<(), String> {
        self.0.close(None).await.map_err(|error| error.to_string())
    }
}

/// How much of what comes a socket holds before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// As the system likes.
    Usual,
    /// As little as it gives: who does not read is felt at once.
    Little,
}

/// Opens a media socket. Where it is signed, the signature is over the URL as the document gave it, in its `ws`/`wss` form.
pub async fn open(url: &str, token: &Secret, dialect: Dialect, room: Room) -> Result<MediaSocket, String> {
    if let Some(fault) = stream_url_fault(url) {
        return Err(fault.to_owned());
    }
    // A query string never arrives at the real carrier's far end.
    let bare = url.split(['?', '#']).next().unwrap_or(url);
    let mut request = bare.into_client_request().map_err(|error| error.to_string())?;
    if dialect == Dialect::Twilio {
        let sign = HeaderValue::from_str(&signature::sign_upgrade(token, bare)).map_err(|error| error.to_string())?;
        request.headers_mut().insert(HeaderName::from_static("x-twilio-signature"), sign);
    }
    let host = request.uri().host().ok_or("no host")?.trim_matches(['[', ']']).to_owned();
    let port = request.uri().port_u16().unwrap_or(80);
    let words = |error: std::io::Error| error.to_string();
    let stream = match room {
        Room::Usual => TcpStream::connect((host, port)).await.map_err(words)?,
        Room::Little => {
            let address = lookup_host((host, port)).await.map_err(words)?.next().ok_or("no address")?;
            let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.map_err(words)?;
            socket.set_recv_buffer_size(4 << 10).map_err(words)?;
            socket.connect(address).await.map_err(words)?
        }
    };
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    // Small buffers: the library's defaults reserve 128 KiB per connection. What we receive may be as long as the
    // dialer likes, so the carrier's bound is generous.
    let config = WebSocketConfig::default()
        .read_buffer_size(8 << 10)
        .write_buffer_size(0)
        .max_message_size(Some(MEDIA_MESSAGE_BYTES * 64))
        .max_frame_size(Some(MEDIA_MESSAGE_BYTES * 64));
    let (socket, _answer) =
        client_async_with_config(request, stream, Some(config)).await.map_err(|error| error.to_string())?;
    Ok(MediaSocket(socket))
}
