//! Webhooks of ours, asked as the carrier asks them: signed, 15 s, one more try after a failed connection, or as the URL's
//! fragment says.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, header};

use crate::base::limits::{SIM_DOCUMENT_BYTES, SIM_WEBHOOK};
use crate::base::{Failure, Secret, Wall};
use crate::core::wire::dialect::Dialect;
use crate::core::wire::ed25519::{self, SigningKey};
use crate::core::wire::{form, signature, twilio as wire};

/// Asks webhooks.
#[derive(Debug, Clone)]
pub struct Webhooks {
    client: Client,
    token: Secret,
    dialect: Dialect,
    /// Telnyx's.
    key: Arc<SigningKey>,
}

impl Webhooks {
    /// Makes the client.
    pub fn new(token: Secret, dialect: Dialect) -> Result<Webhooks, Failure> {
        crate::edge::install_tls();
        let client = Client::builder()
            .retry(reqwest::retry::never())
            .no_proxy()
            .connect_timeout(Duration::from_secs(5))
            .timeout(SIM_WEBHOOK)
            .tcp_nodelay(true)
            .user_agent("TwilioProxy/1.1 (ahoy sim)")
            .build()
            .map_err(|error| Failure::bug(format!("no HTTP client: {error}")))?;
        let key = Arc::new(SigningKey::of(&token));
        Ok(Webhooks { client, token, dialect, key })
    }

    /// Posts a form; returns status and body, or what failed. The URL's fragment is neither sent nor signed.
    pub async fn post(&self, url: &str, params: &[(String, String)], now: Wall) -> Result<(u16, String), String> {
        let bare = url.split('#').next().unwrap_or(url);
        let body = form::encode(params);
        let signed = match self.dialect {
            Dialect::Twilio | Dialect::SignalWire => {
                vec![(self.dialect.signature_header(), signature::sign(&self.token, bare, params))]
            }
            Dialect::Telnyx => {
                let (timestamp, sign) = self.key.sign(body.as_bytes(), now);
                vec![(ed25519::TIME_HEADER, timestamp), (self.dialect.signature_header(), sign)]
            }
        };
        let (repeats, for_any) = wire::repeats(url);
        let mut tries = 0;
        let mut answer = loop {
            tries += 1;
            let mut request = self
                .client
                .post(bare)
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded; charset=UTF-8")
                .header(header::ACCEPT, "*/*")
                .body(body.clone());
            for (name, value) in &signed {
                request = request.header(*name, value);
            }
            match request.send().await {
                Ok(answer) if for_any && !answer.status().is_success() && tries <= repeats => {}
                Ok(answer) => break answer,
                Err(error) if (for_any || error.is_connect()) && tries <= repeats => {}
                Err(error) => return Err(error.without_url().to_string()),
            }
        };
        let http = answer.status().as_u16();
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| error.without_url().to_string())? {
            if bytes.len() + chunk.len() > SIM_DOCUMENT_BYTES {
                return Err(format!("the answer is longer than {SIM_DOCUMENT_BYTES} bytes"));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok((http, String::from_utf8_lossy(&bytes).into_owned()))
    }
}
