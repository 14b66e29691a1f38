//! The keys of an Asterisk.

use super::{AsteriskConfig, AsteriskMedia, TypedCarrier, service_address};
use crate::core::wire::chan_websocket;

pub(super) fn check(typed: &TypedCarrier) -> Result<AsteriskConfig, (&'static str, String)> {
    let needs = |what: &str| ("kind", format!("needs {what}"));
    let typed_url = typed.base_url.as_deref().unwrap_or("http://127.0.0.1:8088");
    let (base_url, loopback) = service_address(typed_url)?;
    let user = typed.user.clone().ok_or_else(|| needs("user = \"NAME\" of ari.conf"))?;
    if user.is_empty() || user.contains(':') {
        return Err(("user", "user is a name of ari.conf, without a colon".to_owned()));
    }
    let password = typed.password.clone().ok_or_else(|| needs("password = { env = \"NAME\" }"))?;
    let app = typed.app.clone().unwrap_or_else(|| "ahoy".to_owned());
    if app.is_empty() || !app.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_') {
        return Err(("app", "app is the name of a Stasis application: letters, digits, - and _".to_owned()));
    }
    let endpoint = typed.endpoint.clone().ok_or_else(|| needs("endpoint = \"PJSIP/{number}@TRUNK\""))?;
    if !endpoint.contains("{number}") && !endpoint.contains("{digits}") {
        return Err(("endpoint", "endpoint has no {number} or {digits}: everybody would be the same".to_owned()));
    }
    let mut media = typed.media.unwrap_or_default();
    let media_connection = typed.media_connection.clone();
    if let Some(name) = &media_connection {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if name.is_empty() || name == chan_websocket::INCOMING || !name.bytes().all(plain) {
            return Err(("media_connection", "media_connection is a name of websocket_client.conf".to_owned()));
        }
        if media == AsteriskMedia::AudioSocket {
            return Err(("media_connection", "media_connection is for media = \"websocket\"".to_owned()));
        }
        if typed.media_listen.is_none_or(|it| it.port() == 0) {
            let words = "needs media_listen = \"IP:PORT\", as its uri in websocket_client.conf says it";
            return Err(("media_connection", words.to_owned()));
        }
        media = AsteriskMedia::WebSocket;
    }
    let media_listen = typed.media_listen.unwrap_or_else(|| ([127, 0, 0, 1], 0).into());
    let far = !media_listen.ip().is_loopback();
    // A connection of websocket_client.conf says itself where it goes.
    if far && typed.media_address.is_none() && media_connection.is_none() {
        return Err(("media_address", "media_listen beyond loopback needs media_address = \"HOST:PORT\"".to_owned()));
    }
    let shaped = |address: &String| {
        address.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
    };
    if typed.media_address.as_ref().is_some_and(|address| !shaped(address)) {
        return Err(("media_address", "media_address is HOST:PORT".to_owned()));
    }
    let rehearsal = typed.rehearsal.unwrap_or(false);
    if rehearsal && !loopback {
        return Err(("rehearsal", "rehearsal is for an Asterisk on this machine that reaches nobody".to_owned()));
    }
    let media_address = typed.media_address.clone();
    Ok(AsteriskConfig {
        base_url,
        user,
        password,
        app,
        endpoint,
        media,
        media_connection,
        media_listen,
        media_address,
        rehearsal,
    })
}
