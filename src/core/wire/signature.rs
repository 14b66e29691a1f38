//! `X-Twilio-Signature`: made and checked, as the carrier's own validators do it.
//!
//! The text that is signed is the URL as it was requested (scheme, host, path, query) and, for a form body, every
//! name in code-point order with each of its distinct values, nothing between. Comparison is constant-time.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::ed25519::PublicKey;
use super::form;
use crate::base::Secret;

/// Name of the header that carries the signature.
pub const HEADER: &str = "X-Twilio-Signature";
/// SignalWire's header of the same signature, made with its own signing key.
pub const SIGNALWIRE_HEADER: &str = "X-SignalWire-Signature";
/// Name of the header that announces another key and algorithm.
pub const SETTINGS_HEADER: &str = "X-Twilio-Webhooks-Signature-Settings";

/// What a request brought along besides its URL.
#[derive(Debug, Clone, Copy)]
pub enum Body<'a> {
    /// Nothing: GET, or the upgrade to a WebSocket.
    Empty,
    /// A decoded form, in any order.
    Form(&'a [(String, String)]),
    /// JSON: the URL's query must carry `bodySHA256`.
    Json(&'a [u8]),
}

/// What a carrier's webhooks are checked with.
#[derive(Debug, Clone)]
pub enum Trusted {
    /// HMAC over URL and parameters, by Twilio and SignalWire.
    Token(Secret),
    /// Ed25519 over time and body, by Telnyx.
    Ed25519(PublicKey),
}

impl Trusted {
    /// The token, where it is one.
    pub fn token(&self) -> Option<&Secret> {
        match self {
            Trusted::Token(token) => Some(token),
            Trusted::Ed25519(_) => None,
        }
    }
}

/// The keys that a signature may be made with.
#[derive(Debug, Clone, Copy)]
pub struct Keys<'a> {
    /// The account's auth token (HMAC-SHA1).
    pub token: &'a Secret,
    /// Name and secret of a shared key (HMAC-SHA256), where one is configured.
    pub shared: Option<(&'a str, &'a Secret)>,
}

/// A signed request as it arrived.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// The public URL with the raw query, never re-encoded. Scheme and host come from configuration.
    pub url: &'a str,
    /// What came with it.
    pub body: Body<'a>,
    /// Value of [`HEADER`]; absent is refused.
    pub signature: Option<&'a str>,
    /// Value of [`SETTINGS_HEADER`], where there was one.
    pub settings: Option<&'a str>,
}

/// The signature of a request: base64 of HMAC-SHA1. A fragment of `url` is neither sent nor signed.
pub fn sign(token: &Secret, url: &str, params: &[(String, String)]) -> String {
    let url = url.split('#').next().unwrap_or(url);
    STANDARD.encode(sha1_mac(token, &signed_text(url, params)))
}

/// The signature of an upgrade to a WebSocket. `url` is in the `wss://` (or `ws://`) form; a query is signed as a form.
pub fn sign_upgrade(token: &Secret, url: &str) -> String {
    let (bare, params) = split_query(url);
    sign(token, bare, &params)
}

/// Whether a webhook was signed with one of our keys.
///
/// Tries the URL without a port and with one (its own, else 443 for https and 80 for all other schemes).
pub fn verify(keys: &Keys, request: &Signed) -> bool {
    let none: &[(String, String)] = &[];
    let params = match request.body {
        Body::Empty => none,
        Body::Form(params) => params,
        Body::Json(raw) if json_hash_fits(request.url, raw) => none,
        Body::Json(_) => return false,
    };
    matches(keys, request, request.url, params)
}

/// Whether an upgrade to a WebSocket was signed with one of our keys. `request.body` is not looked at.
pub fn verify_upgrade(keys: &Keys, request: &Signed) -> bool {
    let (bare, params) = split_query(request.url);
    matches(keys, request, bare, &params)
}

fn matches(keys: &Keys, request: &Signed, url: &str, params: &[(String, String)]) -> bool {
    let Some(given) = request.signature else { return false };
    let mut fits = false;
    for variant in port_variants(url) {
        let text = signed_text(&variant, params);
        let mac = match request.settings {
            None => sha1_mac(keys.token, &text).to_vec(),
            Some(settings) => match (sha256_key(settings), keys.shared) {
                (Some(name), Some((known, secret))) if name == known => sha256_mac(secret, &text).to_vec(),
                (Some(_), _) | (None, _) => return false,
            },
        };
        let same: bool = STANDARD.encode(mac).as_bytes().ct_eq(given.as_bytes()).into();
        fits |= same;
    }
    fits
}

/// The key name of `key=NAME,algorithm=HMAC_SHA256`; `None` for any other algorithm.
fn sha256_key(settings: &str) -> Option<&str> {
    let value = |name: &str| {
        settings.split(',').find_map(|part| part.trim().split_once('=').filter(|(key, _)| *key == name)).map(|it| it.1)
    };
    if value("algorithm") == Some("HMAC_SHA256") { value("key") } else { None }
}

fn signed_text(url: &str, params: &[(String, String)]) -> String {
    let mut sorted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, value) in params {
        sorted.entry(name).or_default().insert(value);
    }
    let mut text = url.to_owned();
    for (name, values) in sorted {
        for value in values {
            text.push_str(name);
            text.push_str(value);
        }
    }
    text
}

fn sha1_mac(key: &Secret, text: &str) -> [u8; 20] {
    let mut mac = Hmac::<Sha1>::new_from_slice(key.reveal().as_bytes()).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}

fn sha256_mac(key: &Secret, text: &str) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.reveal().as_bytes()).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}

fn json_hash_fits(url: &str, raw: &[u8]) -> bool {
    let query = url.split_once('?').map(|(_, query)| query).unwrap_or_default();
    let pairs = form::decode(query.as_bytes());
    let Some(given) = form::first(&pairs, "bodySHA256") else { return false };
    let hex: String = Sha256::digest(raw).iter().map(|byte| format!("{byte:02x}")).collect();
    hex.as_bytes().ct_eq(given.as_bytes()).into()
}

fn split_query(url: &str) -> (&str, Vec<(String, String)>) {
    match url.split_once('?') {
        Some((bare, query)) => (bare, form::decode(query.as_bytes())),
        None => (url, Vec::new()),
    }
}

/// The URL without a port, and the URL with one.
fn port_variants(url: &str) -> [String; 2] {
    let Some((scheme, rest)) = url.split_once("://") else { return [url.to_owned(), url.to_owned()] };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let host_at = authority.rfind('@').map_or(0, |at| at + 1);
    // An IPv6 host has colons of its own inside brackets.
    let bracket = authority.rfind(']').unwrap_or(host_at);
    let port_at = authority[bracket..].rfind(':').map(|at| at + bracket);
    let bare = &authority[..port_at.unwrap_or(authority.len())];
    let with_port = match port_at {
        Some(_) => url.to_owned(),
        None if scheme == "https" => format!("{scheme}://{bare}:443{tail}"),
        None => format!("{scheme}://{bare}:80{tail}"),
    };
    [format!("{scheme}://{bare}{tail}"), with_port]
}

#[cfg(test)]
mod tests;
