//! `[carriers.NAME]` of `ahoy.toml`: who places the calls, and how much of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;

use super::workspace::is_loopback_url;
use super::{Span, TypedFaults};
use crate::base::secret::SecretRef;
use crate::base::{Phone, limits};
use crate::core::dial::breaker::FailurePolicy;
use crate::core::wire::ed25519::PublicKey;
use crate::core::wire::threecx::hook::Fields;

mod asterisk;
mod threecx;

/// A carrier of `[carriers.NAME]`.
#[derive(Debug, Clone, PartialEq)]
pub struct CarrierConfig {
    /// Which protocol it speaks and how it is reached.
    pub kind: CarrierKind,
    /// Calls started per second, over 0; several campaigns share it. Unit: 1/s. Default 1.
    pub calls_per_second: f64,
    /// Live calls at once (unknown ones count). Default 10.
    pub max_live_calls: u32,
    /// How long a call may ring. Default 30 s, 15 s to 600 s (shorter only on loopback).
    pub ring_timeout: Duration,
    /// After this time an unknown attempt may be released, on evidence. Default 5 min, floor 2 min unless loopback.
    pub release_horizon: Duration,
    /// Other systems call from the same numbers: calls that the ledger does not know are told of, not refused.
    pub shared_callers: bool,
    /// When too many failing calls stop the account. Default: more than 0.7 of the last 50, of at least 20.
    pub failures: FailurePolicy,
}

/// How a carrier is reached.
#[derive(Debug, Clone, PartialEq)]
pub enum CarrierKind {
    /// Twilio, or anything that serves its REST API (such as `ahoy sim`).
    Twilio(TwilioConfig),
    /// SignalWire's form of the same API.
    SignalWire(SignalWireConfig),
    /// Telnyx's form of it (TeXML).
    Telnyx(TelnyxConfig),
    /// An Asterisk of one's own, by ARI.
    Asterisk(AsteriskConfig),
    /// A 3CX, by its Call Control API.
    ThreeCx(ThreeCxConfig),
    /// The embedded carrier, started in this process on loopback.
    Sim(SimConfig),
}

/// A carrier with Twilio's API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TwilioConfig {
    /// `https://api.twilio.com` unless written; plain http only on loopback.
    pub base_url: String,
    /// `AC` and 32 hex digits.
    pub account_sid: String,
    /// Signs webhooks; also the password, unless an API key is given.
    pub auth_token: SecretRef,
    /// A second token that webhooks may be signed with, while tokens are being exchanged.
    pub auth_token_secondary: Option<SecretRef>,
    /// API key (`SK…`) and its secret.
    pub api_key: Option<(String, SecretRef)>,
}

/// A carrier with SignalWire's form of Twilio's API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignalWireConfig {
    /// `https://SPACE.signalwire.com`; plain http only on loopback.
    pub base_url: String,
    /// The project's UUID.
    pub project: String,
    /// The API token.
    pub token: SecretRef,
    /// Signs webhooks.
    pub signing_key: SecretRef,
}

/// A carrier with Telnyx's form of Twilio's API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TelnyxConfig {
    /// `https://api.telnyx.com` unless written; plain http only on loopback.
    pub base_url: String,
    /// The account's id.
    pub account: String,
    /// The TeXML application that calls belong to: digits.
    pub application: String,
    /// The API key.
    pub key: SecretRef,
    /// Checks webhooks.
    pub public_key: PublicKey,
}

/// An Asterisk, reached by ARI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AsteriskConfig {
    /// Of its HTTP server; plain http only on loopback.
    pub base_url: String,
    /// User of `ari.conf`.
    pub user: String,
    /// Its password.
    pub password: SecretRef,
    /// The Stasis application. Default `ahoy`.
    pub app: String,
    /// How a number is dialed: `PJSIP/{number}@trunk`; `{digits}` is the number without its plus.
    pub endpoint: String,
    /// How its sound comes to us.
    pub media: AsteriskMedia,
    /// Its connection to us in `websocket_client.conf`, if it opens media sockets itself.
    pub media_connection: Option<String>,
    /// Where we listen for media that Asterisk opens. Default `127.0.0.1:0`.
    pub media_listen: SocketAddr,
    /// Where Asterisk finds it (host:port), if that is another address.
    pub media_address: Option<String>,
    /// It reaches nobody: a rehearsal on this machine, with any hours and short horizons.
    pub rehearsal: bool,
}

/// How an Asterisk's sound comes to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AsteriskMedia {
    /// As its version has it.
    #[default]
    Auto,
    /// By `chan_websocket`: from 20.18, 22.8, 23.2 on.
    WebSocket,
    /// By AudioSocket.
    AudioSocket,
}

/// A 3CX, reached by its Call Control API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreeCxConfig {
    /// `https://PBX`; plain http only on loopback.
    pub base_url: String,
    /// The API client's id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretRef,
    /// The extension of the route point: the client's id unless written.
    pub route_point: String,
    /// What is dialed: `{number}` unless written; `{digits}` is the number without its plus.
    pub destination: String,
    /// What a call to the route point counts as that was made to no number from outside.
    pub number: Option<Phone>,
    /// It reaches nobody: a rehearsal on this machine, with any hours and short horizons.
    pub rehearsal: bool,
    /// Where add-ons of it may post events.
    pub webhook: Option<WebhookConfig>,
}

/// Where a telephone system's add-ons post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookConfig {
    /// Stands in the address.
    pub token: SecretRef,
    /// Which fields of a post hold what.
    pub fields: Fields,
}

/// The embedded carrier.
#[derive(Debug, Clone, PartialEq)]
pub struct SimConfig {
    /// What the callees do follows from this and their number. Default 1.
    pub seed: u64,
    /// Divides the carrier's own waits and its frame clock, 1 to 1 000. Default 1.
    pub speedup: f64,
    /// Misbehaviour by name and probability, such as `lost_answer = 0.01` (`ahoy sim --help` lists them).
    pub faults: BTreeMap<String, f64>,
    /// Its log, relative to the workspace; `None` = `sim.jsonl` beside the ledger.
    pub log: Option<String>,
}

impl CarrierKind {
    /// Where its API is; `None`: in this process.
    pub fn base_url(&self) -> Option<&str> {
        match self {
            CarrierKind::Twilio(twilio) => Some(&twilio.base_url),
            CarrierKind::SignalWire(signalwire) => Some(&signalwire.base_url),
            CarrierKind::Telnyx(telnyx) => Some(&telnyx.base_url),
            CarrierKind::Asterisk(asterisk) => Some(&asterisk.base_url),
            CarrierKind::ThreeCx(threecx) => Some(&threecx.base_url),
            CarrierKind::Sim(_) => None,
        }
    }
}

impl CarrierConfig {
    /// Whether this carrier reaches nobody beyond this machine: only then may calling hours be switched off and horizons be
    /// short. A telephone system on this machine reaches people, unless the file says that it is a rehearsal.
    pub fn is_loopback(&self) -> bool {
        match &self.kind {
            CarrierKind::Asterisk(asterisk) => asterisk.rehearsal,
            CarrierKind::ThreeCx(threecx) => threecx.rehearsal,
            kind => kind.base_url().is_none_or(is_loopback_url),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedKey {
    sid: String,
    secret: SecretRef,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TypedCarrier {
    pub(super) kind: Option<String>,
    base_url: Option<String>,
    account_sid: Option<String>,
    auth_token: Option<SecretRef>,
    auth_token_secondary: Option<SecretRef>,
    api_key: Option<TypedKey>,
    space: Option<String>,
    project: Option<String>,
    token: Option<SecretRef>,
    signing_key: Option<SecretRef>,
    account: Option<String>,
    application: Option<String>,
    key: Option<SecretRef>,
    public_key: Option<String>,
    user: Option<String>,
    password: Option<SecretRef>,
    app: Option<String>,
    endpoint: Option<String>,
    media: Option<AsteriskMedia>,
    media_connection: Option<String>,
    media_listen: Option<SocketAddr>,
    media_address: Option<String>,
    rehearsal: Option<bool>,
    client_id: Option<String>,
    client_secret: Option<SecretRef>,
    route_point: Option<String>,
    destination: Option<String>,
    number: Option<String>,
    webhook: Option<threecx::TypedWebhook>,
    calls_per_second: Option<f64>,
    max_live_calls: Option<u32>,
    ring_timeout: Option<Span>,
    release_horizon: Option<Span>,
    shared_callers: Option<bool>,
    failure_window: Option<usize>,
    failure_minimum: Option<usize>,
    failure_share: Option<f64>,
    seed: Option<u64>,
    speedup: Option<f64>,
    faults: Option<TypedFaults>,
    log: Option<String>,
}

/// The embedded carrier as it is without a word in the file.
pub(super) fn embedded() -> CarrierConfig {
    check_carrier("sim", TypedCarrier { kind: Some("sim".to_owned()), ..TypedCarrier::default() })
        .expect("the defaults of the embedded carrier are valid")
}

/// A key that only the other kind of carrier has.
fn foreign_key(kind: &str, typed: &TypedCarrier) -> Result<(), (&'static str, String)> {
    let of_services = [("base_url", typed.base_url.is_some())];
    let of_twilio = [
        ("account_sid", typed.account_sid.is_some()),
        ("auth_token", typed.auth_token.is_some()),
        ("auth_token_secondary", typed.auth_token_secondary.is_some()),
        ("api_key", typed.api_key.is_some()),
    ];
    let of_sim = [
        ("seed", typed.seed.is_some()),
        ("speedup", typed.speedup.is_some()),
        ("faults", typed.faults.is_some()),
        ("log", typed.log.is_some()),
    ];
    let of_signalwire = [
        ("space", typed.space.is_some()),
        ("project", typed.project.is_some()),
        ("token", typed.token.is_some()),
        ("signing_key", typed.signing_key.is_some()),
    ];
    let of_telnyx = [
        ("account", typed.account.is_some()),
        ("application", typed.application.is_some()),
        ("key", typed.key.is_some()),
        ("public_key", typed.public_key.is_some()),
    ];
    let of_asterisk = [
        ("user", typed.user.is_some()),
        ("password", typed.password.is_some()),
        ("app", typed.app.is_some()),
        ("endpoint", typed.endpoint.is_some()),
        ("media", typed.media.is_some()),
        ("media_connection", typed.media_connection.is_some()),
        ("media_listen", typed.media_listen.is_some()),
        ("media_address", typed.media_address.is_some()),
    ];
    let of_threecx = [
        ("client_id", typed.client_id.is_some()),
        ("client_secret", typed.client_secret.is_some()),
        ("route_point", typed.route_point.is_some()),
        ("destination", typed.destination.is_some()),
        ("number", typed.number.is_some()),
        ("webhook", typed.webhook.is_some()),
    ];
    // Both kinds of telephone system have it.
    let of_systems = [("rehearsal", typed.rehearsal.is_some())];
    let owners: [(&[(&'static str, bool)], &str); 6] = [
        (&of_twilio, "twilio"),
        (&of_signalwire, "signalwire"),
        (&of_telnyx, "telnyx"),
        (&of_asterisk, "asterisk"),
        (&of_threecx, "3cx"),
        (&of_sim, "sim"),
    ];
    if !owners.iter().any(|(_, owner)| *owner == kind) {
        return Ok(());
    }
    let services: (&[(&'static str, bool)], &str) = (&of_services, if kind == "sim" { "twilio" } else { kind });
    let systems: (&[(&'static str, bool)], &str) = (&of_systems, if kind == "3cx" { "3cx" } else { "asterisk" });
    for (keys, owner) in [services, systems].into_iter().chain(owners).filter(|(_, owner)| *owner != kind) {
        if let Some((key, _)) = keys.iter().find(|(_, written)| *written) {
            return Err((key, format!("`{key}` belongs to kind `{owner}`, not to `{kind}`")));
        }
    }
    Ok(())
}

pub(super) fn check_carrier(name: &str, typed: TypedCarrier) -> Result<CarrierConfig, (&'static str, String)> {
    let kind_name = typed.kind.clone().unwrap_or_else(|| if name == "sim" { "sim".to_owned() } else { String::new() });
    foreign_key(&kind_name, &typed)?;
    let (kind, loopback) = match kind_name.as_str() {
        "signalwire" => {
            let space = typed.space.as_deref().map(|space| format!("https://{space}.signalwire.com"));
            let base_url = typed.base_url.clone().or(space).ok_or(("kind", "needs space = \"NAME\"".to_owned()))?;
            let (base_url, loopback) = service_address(&base_url)?;
            let project = typed.project.clone().ok_or(("kind", "needs project = \"UUID\"".to_owned()))?;
            if uuid::Uuid::parse_str(&project).is_err() {
                return Err(("project", "project is a UUID".to_owned()));
            }
            let needs = |name: &str| ("kind", format!("needs {name} = {{ env = \"NAME\" }}"));
            let token = typed.token.clone().ok_or_else(|| needs("token"))?;
            let signing_key = typed.signing_key.clone().ok_or_else(|| needs("signing_key"))?;
            (CarrierKind::SignalWire(SignalWireConfig { base_url, project, token, signing_key }), loopback)
        }
        "telnyx" => {
            let (base_url, loopback) = service_address(typed.base_url.as_deref().unwrap_or("https://api.telnyx.com"))?;
            (CarrierKind::Telnyx(check_telnyx(base_url, &typed)?), loopback)
        }
        "asterisk" => {
            let asterisk = asterisk::check(&typed)?;
            let rehearsal = asterisk.rehearsal;
            (CarrierKind::Asterisk(asterisk), rehearsal)
        }
        "3cx" => {
            let threecx = threecx::check(&typed)?;
            let rehearsal = threecx.rehearsal;
            (CarrierKind::ThreeCx(threecx), rehearsal)
        }
        "twilio" => {
            let (base_url, loopback) = service_address(typed.base_url.as_deref().unwrap_or("https://api.twilio.com"))?;
            let account_sid = typed.account_sid.clone().ok_or(("kind", "needs account_sid = \"AC…\"".to_owned()))?;
            let hex = account_sid.strip_prefix("AC").unwrap_or("");
            if hex.len() != 32 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(("account_sid", "account_sid is AC and 32 hex digits".to_owned()));
            }
            let auth_token =
                typed.auth_token.clone().ok_or(("kind", "needs auth_token = { env = \"NAME\" }".to_owned()))?;
            let api_key = typed.api_key.map(|key| (key.sid, key.secret));
            let auth_token_secondary = typed.auth_token_secondary.clone();
            let twilio = TwilioConfig { base_url, account_sid, auth_token, auth_token_secondary, api_key };
            (CarrierKind::Twilio(twilio), loopback)
        }
        "sim" => {
            let speedup = typed.speedup.unwrap_or(1.0);
            if !(1.0..=1_000.0).contains(&speedup) {
                return Err(("speedup", format!("speedup is 1 to 1000, not {speedup}")));
            }
            let faults = typed.faults.unwrap_or(TypedFaults::Odds(BTreeMap::new()));
            let faults = faults.checked().map_err(|failure| ("faults", failure.what))?;
            let seed = typed.seed.unwrap_or(1);
            (CarrierKind::Sim(SimConfig { seed, speedup, faults, log: typed.log }), true)
        }
        "" => {
            return Err((
                "kind",
                "needs kind = \"twilio\", \"signalwire\", \"telnyx\", \"asterisk\", \"3cx\" or \"sim\"".to_owned(),
            ));
        }
        other => {
            return Err((
                "kind",
                format!("unknown kind `{other}`: known are twilio, signalwire, telnyx, asterisk, 3cx and sim"),
            ));
        }
    };
    let calls_per_second = typed.calls_per_second.unwrap_or(1.0);
    if !(calls_per_second > 0.0 && calls_per_second <= 1_000.0) {
        return Err((
            "calls_per_second",
            format!("calls_per_second is over 0 and at most 1000, not {calls_per_second}"),
        ));
    }
    let max_live_calls = typed.max_live_calls.unwrap_or(10);
    if max_live_calls == 0 || max_live_calls as usize > limits::STREAMS {
        return Err(("max_live_calls", format!("max_live_calls is 1 to {}, not {max_live_calls}", limits::STREAMS)));
    }
    let ring_timeout = typed.ring_timeout.map_or(Duration::from_secs(30), |s| s.0);
    let shortest = if loopback { Duration::from_secs(1) } else { Duration::from_secs(15) };
    let longest = Duration::from_secs(if matches!(kind, CarrierKind::Telnyx(_)) { 120 } else { 600 });
    if !(shortest..=longest).contains(&ring_timeout) {
        return Err(("ring_timeout", format!("ring_timeout is {shortest:?} to {longest:?}, not {ring_timeout:?}")));
    }
    let release_horizon = typed.release_horizon.map_or(Duration::from_secs(300), |s| s.0);
    if release_horizon < Duration::from_secs(120) && !loopback {
        return Err((
            "release_horizon",
            "release_horizon under 2m could ring a person twice: only on loopback".to_owned(),
        ));
    }
    let failures =
        check_failures(typed.failure_window, typed.failure_minimum, typed.failure_share, FailurePolicy::default())?;
    Ok(CarrierConfig {
        kind,
        calls_per_second,
        max_live_calls,
        ring_timeout,
        release_horizon,
        failures,
        shared_callers: typed.shared_callers.unwrap_or(false),
    })
}

fn check_telnyx(base_url: String, typed: &TypedCarrier) -> Result<TelnyxConfig, (&'static str, String)> {
    let needs = |what: &str| ("kind", format!("needs {what}"));
    let account = typed.account.clone().ok_or_else(|| needs("account = \"ID\""))?;
    if account.is_empty() || !account.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err(("account", "account is the account's id: letters, digits and dashes".to_owned()));
    }
    let application = typed.application.clone().ok_or_else(|| needs("application = \"DIGITS\""))?;
    if application.is_empty() || !application.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(("application", "application is the id of a TeXML application: digits".to_owned()));
    }
    let key = typed.key.clone().ok_or_else(|| needs("key = { env = \"NAME\" }"))?;
    let public_key = typed.public_key.as_deref().ok_or_else(|| needs("public_key = \"BASE64\""))?;
    let public_key =
        public_key.parse().map_err(|_| ("public_key", "public_key is base64 of 32 bytes (ed25519)".to_owned()))?;
    Ok(TelnyxConfig { base_url, account, application, key, public_key })
}

/// A carrier's address without its last slash, and whether it is on loopback.
fn service_address(url: &str) -> Result<(String, bool), (&'static str, String)> {
    let url = url.trim_end_matches('/').to_owned();
    let loopback = is_loopback_url(&url);
    if !url.starts_with("https://") && !loopback {
        return Err(("base_url", "base_url must be https; plain http is for loopback only".to_owned()));
    }
    Ok((url, loopback))
}

fn check_failures(
    window: Option<usize>,
    minimum: Option<usize>,
    share: Option<f64>,
    usual: FailurePolicy,
) -> Result<FailurePolicy, (&'static str, String)> {
    let window = window.unwrap_or(usual.window);
    if !(5..=1_000).contains(&window) {
        return Err(("failure_window", format!("failure_window is 5 to 1000 calls, not {window}")));
    }
    let minimum = minimum.unwrap_or(usual.minimum.min(window));
    if !(1..=window).contains(&minimum) {
        return Err(("failure_minimum", format!("failure_minimum is 1 to failure_window ({window}), not {minimum}")));
    }
    let share = share.unwrap_or(usual.share);
    if !(0.0..=1.0).contains(&share) {
        return Err(("failure_share", format!("failure_share is 0 to 1, not {share}")));
    }
    Ok(FailurePolicy { window, minimum, share })
}
