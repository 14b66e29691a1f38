//! Our own gateway asked from outside, as a carrier would ask it: through its public URL, signed and unsigned.

use futures_util::{SinkExt, StreamExt};
use reqwest::{Client, header};
use serde_json::{Value, json};
use tokio_tungstenite::connect_async_with_config;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};

use crate::base::limits::{PLACE_CONNECT_TIMEOUT, PLACE_TIMEOUT};
use crate::base::{Failure, Secret};
use crate::core::wire::{form, signature};

/// Messages that are read until the first sound must have come.
const MESSAGES: usize = 64;

/// Asks a gateway.
pub struct Probe {
    client: Client,
    token: Secret,
}

impl Probe {
    /// `token`: signs the requests. Errors: the TLS library cannot start.
    pub fn new(token: Secret) -> Result<Probe, Failure> {
        crate::edge::install_tls();
        let client = Client::builder()
            .retry(reqwest::retry::never())
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(PLACE_CONNECT_TIMEOUT)
            .timeout(PLACE_TIMEOUT)
            .user_agent(concat!("ahoy/", env!("CARGO_PKG_VERSION"), " doctor"))
            .build()
            .map_err(|error| Failure::bug(format!("no HTTP client: {error}")))?;
        Ok(Probe { client, token })
    }

    /// Sends a status callback; gives the HTTP status of the answer. Errors: what failed, in words.
    pub async fn callback(&self, url: &str, fields: &[(String, String)], signed: bool) -> Result<u16, String> {
        let mut request = self
            .client
            .post(url)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded; charset=UTF-8")
            .body(form::encode(fields));
        if signed {
            request = request.header(signature::HEADER, signature::sign(&self.token, url, fields));
        }
        let answer = request.send().await.map_err(|error| super::cause(&error))?;
        Ok(answer.status().as_u16())
    }

    /// Opens a media stream, names the call by its token, and waits for the first sound. Errors: what failed, in words.
    pub async fn stream(&self, url: &str, call_token: &str) -> Result<(), String> {
        let mut request = url.into_client_request().map_err(|error| error.to_string())?;
        let sign =
            HeaderValue::from_str(&signature::sign_upgrade(&self.token, url)).map_err(|error| error.to_string())?;
        request.headers_mut().insert(HeaderName::from_static("x-twilio-signature"), sign);
        let (mut socket, _answer) =
            connect_async_with_config(request, None, true).await.map_err(|error| error.to_string())?;
        let start = json!({
            "event": "start", "sequenceNumber": "1", "streamSid": STREAM,
            "start": {
                "accountSid": "AC00000000000000000000000000000000", "streamSid": STREAM,
                "callSid": "CA00000000000000000000000000000000", "tracks": ["inbound"],
                "mediaFormat": { "encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1 },
                "customParameters": { "token": call_token },
            },
        });
        for message in [json!({ "event": "connected", "protocol": "Call", "version": "1.0.0" }), start] {
            socket.send(Message::text(message.to_string())).await.map_err(|error| error.to_string())?;
        }
        for _ in 0..MESSAGES {
            match socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    let event = serde_json::from_str::<Value>(text.as_str()).ok();
                    if event.as_ref().and_then(|event| event["event"].as_str()) == Some("media") {
                        // Whether the far end says goodbye in return is not what was asked.
                        let _closed_either_way = socket.close(None).await;
                        return Ok(());
                    }
                }
                Some(Ok(Message::Close(_))) | None => return Err("it closed the stream without a sound".to_owned()),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.to_string()),
            }
        }
        Err("no sound came".to_owned())
    }
}

const STREAM: &str = "MZ00000000000000000000000000000000";
