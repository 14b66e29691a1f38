//! A media leg's WebSocket: opened by us where Asterisk waits for it, or by Asterisk where we listen. What is written waits in
//! a short queue and never makes the reading wait.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::{Sink, Stream};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, accept_hdr_async_with_config, connect_async_with_config};

use crate::base::limits::LEG_MESSAGE_BYTES;
use crate::base::text::printable;
use crate::core::wire::ahead::Out;
use crate::core::wire::chan_websocket::{PROTOCOL, write};

/// An open socket.
pub struct ChanSocket {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    out: VecDeque<Message>,
    /// Messages that the connection has taken.
    written: u64,
}

/// What comes.
#[derive(Debug)]
pub enum Came {
    /// A control message.
    Text(String),
    /// Sound.
    Sound(Bytes),
    /// A sign of life, or something of ours was taken.
    Alive,
    /// It is over: why.
    Over(String),
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(8 << 10)
        .write_buffer_size(0)
        .max_message_size(Some(LEG_MESSAGE_BYTES))
        .max_frame_size(Some(LEG_MESSAGE_BYTES))
}

fn speaks_media(header: Option<&HeaderValue>) -> bool {
    let offered = header.and_then(|value| value.to_str().ok()).unwrap_or_default();
    offered.split(',').any(|one| one.trim() == PROTOCOL)
}

impl ChanSocket {
    /// Opens the socket of a connection that Asterisk waits for. `base`: its HTTP server (http or https). Errors: what failed,
    /// in words.
    pub(super) async fn open(base: &str, connection: &str) -> Result<ChanSocket, String> {
        let url = format!("{}/media/{connection}", base.trim_end_matches('/').replacen("http", "ws", 1));
        // The name opens the leg: it stands in no message.
        let mut request = url.into_client_request().map_err(|_| "its name makes no address".to_owned())?;
        request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
        let opened = connect_async_with_config(request, Some(config()), true).await;
        let (socket, answer) = opened.map_err(|error| printable(&error.to_string()))?;
        if !speaks_media(answer.headers().get(header::SEC_WEBSOCKET_PROTOCOL)) {
            return Err("it does not speak the subprotocol `media`".to_owned());
        }
        Ok(ChanSocket { socket, out: VecDeque::new(), written: 0 })
    }

    /// Answers a socket that Asterisk opens, and gives the query of its address. Errors: what failed, in words.
    pub(super) async fn answer(stream: TcpStream) -> Result<(ChanSocket, String), String> {
        let mut query = String::new();
        // What it gives for a refusal is the library's own type.
        #[allow(clippy::result_large_err)]
        let look = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
            if !speaks_media(request.headers().get(header::SEC_WEBSOCKET_PROTOCOL)) {
                let mut refused = ErrorResponse::new(Some("protocols = media".to_owned()));
                *refused.status_mut() = StatusCode::BAD_REQUEST;
                return Err(refused);
            }
            query = request.uri().query().unwrap_or_default().to_owned();
            response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
            Ok(response)
        };
        let answered = accept_hdr_async_with_config(MaybeTlsStream::Plain(stream), look, Some(config())).await;
        let socket = answered.map_err(|error| printable(&error.to_string()))?;
        Ok((ChanSocket { socket, out: VecDeque::new(), written: 0 }, query))
    }

    /// Sends it when the connection takes it, after what waits.
    pub fn queue(&mut self, out: Out) {
        self.out.push_back(match out {
            Out::Sound(ulaw) => Message::Binary(ulaw.into()),
            Out::Command(command) => Message::text(write(command)),
        });
    }

    /// What waits is not sent any more.
    pub fn cut(&mut self) {
        self.out.clear();
    }

    /// Messages that wait.
    pub fn waiting(&self) -> usize {
        self.out.len()
    }

    /// Messages that the connection has taken so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Writes what waits as far as the connection takes it, and gives the next thing that comes. Cancel-safe.
    pub async fn next(&mut self) -> Came {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Came> {
        let wrote = match self.poll_write(cx) {
            Ok(wrote) => wrote,
            Err(why) => return Poll::Ready(Came::Over(why)),
        };
        match Pin::new(&mut self.socket).poll_next(cx) {
            Poll::Ready(Some(Ok(Message::Text(text)))) => Poll::Ready(Came::Text(text.as_str().to_owned())),
            Poll::Ready(Some(Ok(Message::Binary(sound)))) => Poll::Ready(Came::Sound(sound)),
            Poll::Ready(Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)))) => Poll::Ready(Came::Alive),
            Poll::Ready(Some(Ok(Message::Close(_))) | None) => Poll::Ready(Came::Over("it was closed".to_owned())),
            Poll::Ready(Some(Err(error))) => Poll::Ready(Came::Over(printable(&error.to_string()))),
            Poll::Pending if wrote => Poll::Ready(Came::Alive),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Whether the connection took something.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Result<bool, String> {
        let words = |error: tokio_tungstenite::tungstenite::Error| printable(&error.to_string());
        let mut socket = Pin::new(&mut self.socket);
        let mut wrote = false;
        while !self.out.is_empty() {
            match socket.as_mut().poll_ready(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Err(words(error)),
                Poll::Pending => return Ok(wrote),
            }
            let Some(message) = self.out.pop_front() else { break };
            socket.as_mut().start_send(message).map_err(words)?;
            (wrote, self.written) = (true, self.written + 1);
        }
        match socket.poll_flush(cx) {
            Poll::Ready(Err(error)) => Err(words(error)),
            Poll::Ready(Ok(())) | Poll::Pending => Ok(wrote),
        }
    }

    /// Closes it politely: Asterisk ends the channel.
    pub async fn close(&mut self) {
        let _gone_already = self.socket.close(None).await;
    }
}
