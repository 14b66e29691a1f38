//! Speech services behind a WebSocket: one connection, bounded in time, size and messages; the key in a header; no proxy.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use futures_util::{SinkExt, StreamExt};
use hyper::rt::Timer;
use hyper_util::rt::TokioTimer;
use reqwest::Url;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::Response;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use super::EngineFault;
use super::http::{Answer, Dialect, Service};
use crate::base::limits;

/// A WebSocket as the service left it after its handshake.
pub(in crate::edge) type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// An open connection to a service.
pub struct Socket<'a> {
    service: &'a Service,
    stream: Stream,
    /// Messages that may still come.
    left: usize,
}

/// How a service ended a connection: the code and its words, or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// The code of RFC 6455; `None` = it just ended.
    pub code: Option<u16>,
    /// The service's words, made safe to print.
    pub reason: String,
}

impl Service {
    /// Opens a connection. A refused handshake is read by the dialect, as any answer is.
    pub async fn connect(&self, url: Url, dialect: Dialect) -> Result<Socket<'_>, EngineFault> {
        let stream = self.handshake(url, dialect, limits::SERVICE_MESSAGE_BYTES).await?;
        Ok(Socket { service: self, stream, left: limits::SERVICE_MESSAGES })
    }

    /// The same, of which a message has at most `most` bytes.
    pub(in crate::edge) async fn handshake(
        &self,
        mut url: Url,
        dialect: Dialect,
        most: usize,
    ) -> Result<Stream, EngineFault> {
        let scheme = if url.scheme() == "http" { "ws" } else { "wss" };
        url.set_scheme(scheme).map_err(|()| self.refused("its address takes no socket".to_owned()))?;
        let mut request = url.as_str().into_client_request().map_err(|error| self.failed(error.to_string()))?;
        if let Some((name, value)) = self.key_header() {
            request.headers_mut().insert(name, value);
        }
        let config = WebSocketConfig::default().max_message_size(Some(most)).max_frame_size(Some(most));
        let connecting = connect_async_with_config(request, Some(config), true);
        match within(self.bounds().whole.min(self.bounds().connect * 2), connecting).await {
            None => Err(self.failed("no handshake in time".to_owned())),
            Some(Ok((stream, _))) => Ok(stream),
            Some(Err(Error::Http(response))) if response.status().is_success() => {
                Err(self.bad("an answer, and no socket".to_owned()))
            }
            Some(Err(Error::Http(response))) => Err(self.fault(&answer(&response), dialect)),
            Some(Err(error)) => Err(self.failed(error.to_string())),
        }
    }
}

impl Service {
    /// A whole reading within the bound for everything: however slowly a service drips, it ends.
    pub async fn whole<T>(&self, reading: impl Future<Output = Result<T, EngineFault>>) -> Result<T, EngineFault> {
        let bound = self.bounds().whole;
        match within(bound, reading).await {
            Some(done) => done,
            None => Err(self.failed(format!("no whole reading within {bound:?}"))),
        }
    }
}

/// A future with a bound; `None` = it took longer.
pub async fn within<T>(bound: Duration, future: impl Future<Output = T>) -> Option<T> {
    match select(pin!(future), TokioTimer::new().sleep(bound)).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(_) => None,
    }
}

fn answer(response: &Response<Option<Vec<u8>>>) -> Answer {
    let body = response.body().clone().unwrap_or_default();
    Answer { http: response.status().as_u16(), headers: response.headers().clone(), body }
}

impl Socket<'_> {
    /// Sends one JSON message.
    pub async fn send(&mut self, message: &Value) -> Result<(), EngineFault> {
        let sending = self.stream.send(Message::text(message.to_string()));
        match within(self.service.bounds().idle, sending).await {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => Err(self.service.failed(error.to_string())),
            None => Err(self.service.failed("it takes no messages".to_owned())),
        }
    }

    /// The next JSON message, in a text or binary frame. `Err(Ok(closed))`: the service ended the connection.
    pub async fn next(&mut self) -> Result<Value, Result<Closed, EngineFault>> {
        loop {
            let Some(left) = self.left.checked_sub(1) else {
                return Err(Err(self.service.bad(format!("more than {} messages", limits::SERVICE_MESSAGES))));
            };
            self.left = left;
            let Some(got) = within(self.service.bounds().idle, self.stream.next()).await else {
                let idle = self.service.bounds().idle;
                return Err(Err(self.service.failed(format!("no message within {idle:?}"))));
            };
            let bytes = match got {
                Some(Ok(Message::Text(text))) => text.as_bytes().to_vec(),
                Some(Ok(Message::Binary(bytes))) => bytes.to_vec(),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                Some(Ok(Message::Close(frame))) => {
                    let code = frame.as_ref().map(|frame| frame.code.into());
                    let reason = frame.map_or(String::new(), |frame| self.service.safe(frame.reason.as_str()));
                    return Err(Ok(Closed { code, reason }));
                }
                Some(Err(error)) => return Err(Err(self.service.failed(error.to_string()))),
                None => return Err(Ok(Closed { code: None, reason: String::new() })),
            };
            return serde_json::from_slice(&bytes)
                .map_err(|_| Err(self.service.bad(format!("a message that is no JSON ({} bytes)", bytes.len()))));
        }
    }

    /// Says goodbye; whether the other side answers does not matter.
    pub async fn close(mut self) {
        let _gone_either_way = within(Duration::from_millis(200), self.stream.close(None)).await;
    }
}
