//! `ahoy.toml`: carriers, engines, gateway, paths.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::Deserialize;

use super::agent::TypedAgentConfig;
use super::api::{ApiConfig, TypedApi};
use super::carrier::{self, CarrierConfig, TypedCarrier, check_carrier};
use super::clone::TypedClone;
use super::{AgentConfig, CloneConfig, ConfigFault};
use crate::base::secret::SecretRef;
use crate::base::{Money, limits};
use crate::core::cost::Usage;
use crate::core::cost::spend::Caps;

/// A checked `ahoy.toml`. Paths are as written, relative to the workspace.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkspaceConfig {
    /// Carriers by name; `sim` is always there.
    pub carriers: BTreeMap<String, CarrierConfig>,
    /// Engines of kind `command` by name, and settings of the built-in ones.
    pub engines: BTreeMap<String, EngineConfig>,
    /// Realtime agents by name.
    pub agents: BTreeMap<String, AgentConfig>,
    /// Speech-to-text by name, for `cache verify --listen` and `[transcript]`.
    pub transcribers: BTreeMap<String, EngineConfig>,
    /// Models that sum up calls, by name.
    pub summarizers: BTreeMap<String, EngineConfig>,
    /// Address the gateway binds.
    pub listen: SocketAddr,
    /// Public base URL of the gateway, without a trailing slash; `None` = built from the bound address (loopback only).
    pub public_url: Option<String>,
    /// Ledger file.
    pub ledger: String,
    /// Folder of rendered audio.
    pub cache: String,
    /// Sample rate of rendered audio, 8 000 or 16 000 Hz.
    pub rate: u32,
    /// Folder of call logs.
    pub calls: String,
    /// Room on the ledger's disk.
    pub disk: DiskRoom,
    /// Caps on what renderings may cost.
    pub speech: Caps,
    /// Whose voices are cloned, and where; `None` = nobody's.
    pub clone: Option<CloneConfig>,
    /// The HTTP API of `ahoy serve`; `None` = off.
    pub api: Option<ApiConfig>,
}

/// Room on the ledger's disk: what must be left for calls, and what is kept in reserve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskRoom {
    /// Nobody new is called with less free than this. Bytes.
    pub free_floor: u64,
    /// Size of the reserve beside the ledger (`ahoy.db.ballast`), let go when the disk is full; 0 = none. Bytes.
    pub ballast: u64,
}

/// `[engines.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EngineConfig {
    /// `command`; `espeak` for a second set-up of it; or a service: `elevenlabs`, `gemini`, `gemini-live` or `openai`.
    pub kind: Option<String>,
    /// Program and arguments; `{language}` and `{voice}` are replaced. Text arrives on its standard input.
    pub command: Vec<String>,
    /// Rate of raw PCM output in Hz; absent = the program writes a WAV.
    pub raw_rate: Option<u32>,
    /// Languages it speaks; empty = any.
    pub languages: Vec<String>,
    /// A word for the fingerprint: change it when the program or its voice file changes.
    pub version: Option<String>,
    /// Renderings at once.
    pub concurrency: Option<usize>,
    /// A service's key.
    pub key: Option<SecretRef>,
    /// Where the service is; `None` = the vendor's own address. https; plain http on loopback only.
    pub base_url: Option<String>,
    /// The service's model, unless a campaign names another.
    pub model: Option<String>,
    /// Whether the text is given as the inside of an SSML document (escaped, phonemes of the lexicon marked).
    pub ssml: bool,
    /// What a summarizer's model costs: no table of ours has the models that write text.
    pub price: Option<TokenPrice>,
}

/// What a model's text tokens cost: `{ in = 0.25, out = 2.0 }`, in US dollars for a million.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "TypedPrice")]
pub struct TokenPrice {
    /// A million tokens sent; cached ones count as much.
    pub input: Money,
    /// A million tokens received, thinking included.
    pub output: Money,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedPrice {
    r#in: f64,
    out: f64,
}

impl TryFrom<TypedPrice> for TokenPrice {
    type Error = String;

    fn try_from(typed: TypedPrice) -> Result<TokenPrice, String> {
        let money = |dollars: f64| match (0.0..=10_000.0).contains(&dollars) {
            true => Ok(Money((dollars * 1_000_000.0).round() as i64)),
            false => Err(format!("a million tokens cost 0 to 10000 dollars, not {dollars}")),
        };
        Ok(TokenPrice { input: money(typed.r#in)?, output: money(typed.out)? })
    }
}

impl TokenPrice {
    /// What this many tokens cost, rounded up.
    pub fn of(&self, usage: &Usage) -> Money {
        let sent = u128::from(usage.text_in) + u128::from(usage.text_cached);
        let parts = [(sent, self.input), (u128::from(usage.text_out), self.output)];
        let millionths: u128 = parts.iter().map(|(tokens, price)| tokens * u128::from(price.0.unsigned_abs())).sum();
        Money(i64::try_from(millionths.div_ceil(1_000_000)).unwrap_or(i64::MAX))
    }
}

/// Kinds of `[engines.NAME]` that are services behind the network, and the model of each if none is named.
pub const SERVICES: [(&str, Option<&str>); 4] = [
    ("elevenlabs", Some("eleven_multilingual_v2")),
    ("gemini", Some("gemini-3.8-flash-tts")),
    ("gemini-live", Some("gemini-3.8-live")),
    ("openai", Some("gpt-realtime-2.1-mini")),
];

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Typed {
    carriers: BTreeMap<String, TypedCarrier>,
    engines: BTreeMap<String, EngineConfig>,
    agents: BTreeMap<String, TypedAgentConfig>,
    transcribers: BTreeMap<String, EngineConfig>,
    summarizers: BTreeMap<String, EngineConfig>,
    gateway: TypedGateway,
    ledger: TypedPath,
    cache: TypedCache,
    calls: TypedDir,
    limits: TypedLimits,
    clone: Option<TypedClone>,
    api: TypedApi,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct TypedLimits {
    free_floor_mib: Option<u64>,
    ballast_mib: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct TypedGateway {
    listen: Option<SocketAddr>,
    public_url: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct TypedPath {
    path: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct TypedDir {
    dir: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct TypedCache {
    dir: Option<String>,
    rate: Option<u32>,
    spend_per_month: Option<f64>,
    spend_per_run: Option<f64>,
}

/// `[summarizers.NAME]`. Services need a model: which of them is good enough for a price is the operator's choice.
fn check_summarizer(it: &EngineConfig) -> Result<(), (&'static str, &'static str)> {
    if it.base_url.as_deref().is_some_and(|url| !url.starts_with("https://") && !is_loopback_url(url)) {
        return Err(("base_url", "base_url must be https; plain http is for loopback only"));
    }
    match it.kind.as_deref() {
        Some("command") if it.command.is_empty() => Err(("kind", "kind `command` needs `command = [\"program\", …]`")),
        Some("openai" | "gemini") if it.key.is_none() && it.base_url.is_none() => {
            Err(("kind", "needs a key, such as key = { env = \"NAME\" }"))
        }
        Some("openai" | "gemini") if it.model.as_ref().is_none_or(|model| model.trim().is_empty()) => {
            Err(("kind", "needs model = \"…\": a model of the service that writes text"))
        }
        Some("openai" | "gemini" | "command") => Ok(()),
        Some(_) | None => Err(("kind", "needs a kind: openai, gemini or command")),
    }
}

/// Most MiB that a limit of room may ask for: a tebibyte.
const MOST_MIB: u64 = 1 << 20;

/// Reads `ahoy.toml`. `file` is its name in messages.
pub fn parse_workspace(file: &str, text: &str) -> Result<WorkspaceConfig, ConfigFault> {
    let typed: Typed = toml::from_str(text).map_err(|e| ConfigFault::from_toml(file, text, &e))?;
    let about = |key: &str, what: String| ConfigFault::about(file, text, key, what);
    let mut carriers = BTreeMap::new();
    for (name, carrier) in typed.carriers {
        let checked = check_carrier(&name, carrier)
            .map_err(|(key, what)| about(&format!("carriers.{name}.{key}"), format!("[carriers.{name}] {what}")))?;
        carriers.insert(name, checked);
    }
    carriers.entry("sim".to_owned()).or_insert_with(carrier::embedded);
    let mut engines = typed.engines;
    let priced =
        engines.iter().map(|it| ("engines", it)).chain(typed.transcribers.iter().map(|it| ("transcribers", it)));
    if let Some((kind, (name, _))) = priced.into_iter().find(|(_, (_, it))| it.price.is_some()) {
        let what = format!("[{kind}.{name}] price is for [summarizers.NAME]: the dated table has the others");
        return Err(about(&format!("{kind}.{name}.price"), what));
    }
    for (name, engine) in &mut engines {
        check_engine(engine)
            .map_err(|(key, what)| about(&format!("engines.{name}.{key}"), format!("[engines.{name}] {what}")))?;
    }
    let mut agents = BTreeMap::new();
    for (name, agent) in typed.agents {
        let checked = agent
            .check(&name)
            .map_err(|(key, what)| about(&format!("agents.{name}.{key}"), format!("[agents.{name}] {what}")))?;
        agents.insert(name, checked);
    }
    for (name, it) in &typed.transcribers {
        let what = match it.kind.as_deref() {
            Some("command") if it.command.is_empty() => "kind `command` needs `command = [\"program\", …]`",
            _ if it.base_url.as_deref().is_some_and(|url| !url.starts_with("https://") && !is_loopback_url(url)) => {
                "base_url must be https; plain http is for loopback only"
            }
            Some("openai" | "elevenlabs" | "gemini") if it.key.is_none() && it.base_url.is_none() => {
                "needs a key, such as key = { env = \"NAME\" }"
            }
            Some("openai" | "elevenlabs" | "gemini" | "command") => continue,
            _ => "needs a kind: openai, elevenlabs, gemini or command",
        };
        return Err(about(&format!("transcribers.{name}.kind"), format!("[transcribers.{name}] {what}")));
    }
    for (name, it) in &typed.summarizers {
        check_summarizer(it).map_err(|(key, what)| {
            about(&format!("summarizers.{name}.{key}"), format!("[summarizers.{name}] {what}"))
        })?;
    }
    let listen = typed.gateway.listen.unwrap_or_else(|| ([127, 0, 0, 1], 0).into());
    let public_url = typed.gateway.public_url.map(|url| url.trim_end_matches('/').to_owned());
    if let Some(url) = &public_url {
        if !url.starts_with("https://") && !is_loopback_url(url) {
            return Err(about(
                "gateway.public_url",
                "public_url must be https; plain http is for loopback only".to_owned(),
            ));
        }
    } else if !listen.ip().is_loopback() {
        return Err(about(
            "gateway.listen",
            "a gateway that listens beyond loopback needs [gateway] public_url".to_owned(),
        ));
    }
    let rate = typed.cache.rate.unwrap_or(8_000);
    if rate != 8_000 && rate != 16_000 {
        return Err(about("cache.rate", format!("[cache] rate is 8000 or 16000, not {rate}")));
    }
    let mib = |key: &str, typed: Option<u64>, otherwise: u64| match typed {
        None => Ok(otherwise),
        Some(mib @ 0..=MOST_MIB) => Ok(mib << 20),
        Some(mib) => Err(about(&format!("limits.{key}"), format!("[limits] {key} is 0 to {MOST_MIB}, not {mib}"))),
    };
    let disk = DiskRoom {
        free_floor: mib("free_floor_mib", typed.limits.free_floor_mib, limits::FREE_FLOOR_BYTES)?,
        ballast: mib("ballast_mib", typed.limits.ballast_mib, limits::BALLAST_BYTES)?,
    };
    let dollars = |key: &str, typed: Option<f64>| match typed {
        None => Ok(None),
        Some(usd) if (0.0..=1_000_000.0).contains(&usd) => Ok(Some(Money((usd * 1_000_000.0) as i64))),
        Some(usd) => Err(about(&format!("cache.{key}"), format!("[cache] {key} is US dollars, 0 or more, not {usd}"))),
    };
    let speech = Caps {
        per_run: dollars("spend_per_run", typed.cache.spend_per_run)?,
        per_month: dollars("spend_per_month", typed.cache.spend_per_month)?,
    };
    let clone = typed.clone.map(TypedClone::check).transpose();
    let clone = clone.map_err(|(key, what)| about(&format!("clone.{key}"), format!("[clone] {what}")))?;
    let api = typed.api.check().map_err(|(key, what)| about(&format!("api.{key}"), what))?;
    Ok(WorkspaceConfig {
        clone,
        api,
        speech,
        transcribers: typed.transcribers,
        summarizers: typed.summarizers,
        agents,
        disk,
        carriers,
        engines,
        listen,
        public_url,
        ledger: typed.ledger.path.unwrap_or_else(|| "ahoy.db".to_owned()),
        cache: typed.cache.dir.unwrap_or_else(|| "cache".to_owned()),
        rate,
        calls: typed.calls.dir.unwrap_or_else(|| "calls".to_owned()),
    })
}

/// Checks `[engines.NAME]`, and writes the model of a service into it, so that it is part of every recipe.
fn check_engine(engine: &mut EngineConfig) -> Result<(), (&'static str, String)> {
    let kind = engine.kind.clone().unwrap_or_default();
    let service = SERVICES.iter().find(|(name, _)| *name == kind);
    match (kind.as_str(), service) {
        ("command", _) if engine.command.is_empty() => {
            return Err(("kind", "kind `command` needs `command = [\"program\", …]`".to_owned()));
        }
        ("command" | "espeak", _) | (_, Some(_)) => {}
        ("", None) => return Err(("kind", "needs a kind, such as kind = \"command\"".to_owned())),
        (other, None) => {
            let known: Vec<&str> = ["command", "espeak"].into_iter().chain(SERVICES.map(|(name, _)| name)).collect();
            return Err(("kind", format!("unknown kind `{other}`: known are {}", known.join(", "))));
        }
    }
    if engine.concurrency.is_some_and(|many| !(1..=limits::RENDER_CONCURRENCY_MOST).contains(&many)) {
        return Err(("concurrency", format!("concurrency is 1 to {}", limits::RENDER_CONCURRENCY_MOST)));
    }
    let of_programs = [
        ("command", !engine.command.is_empty()),
        ("raw_rate", engine.raw_rate.is_some()),
        ("languages", !engine.languages.is_empty()),
    ];
    let of_services =
        [("key", engine.key.is_some()), ("base_url", engine.base_url.is_some()), ("model", engine.model.is_some())];
    let foreign = if service.is_some() { &of_programs } else { &of_services };
    if let Some((key, _)) = foreign.iter().find(|(_, written)| *written) {
        return Err((key, format!("`{key}` has no meaning for kind `{kind}`")));
    }
    let Some((_, model)) = service else { return Ok(()) };
    if let Some(url) = &engine.base_url {
        check_service_url(url).map_err(|what| ("base_url", what))?;
    }
    let loopback = engine.base_url.as_deref().is_some_and(is_loopback_url);
    if engine.key.is_none() && !loopback {
        return Err(("kind", "needs key = { env = \"NAME\" }".to_owned()));
    }
    if engine.model.as_deref().is_some_and(|model| model.trim().is_empty()) {
        return Err(("model", "model is empty".to_owned()));
    }
    engine.model = engine.model.take().or(model.map(str::to_owned));
    Ok(())
}

/// A service's address: it is given a key, so its host must be plain to see.
pub(super) fn check_service_url(url: &str) -> Result<(), String> {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    if rest.is_empty() || rest.contains(['@', '?', '#', '\\']) || rest.contains(char::is_whitespace) {
        return Err("base_url is https://HOST or https://HOST/PATH: no user, no query".to_owned());
    }
    let plain = url.starts_with("http://") && is_loopback_url(url);
    if !plain && !url.starts_with("https://") {
        return Err("base_url must be https; plain http is for loopback only".to_owned());
    }
    Ok(())
}

/// Whether a URL names this machine by a loopback address (`localhost`, 127.0.0.0/8, `[::1]`).
pub fn is_loopback_url(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
    if authority.contains('@') {
        return false;
    }
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or(""),
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_empty_file_has_the_embedded_carrier_and_safe_defaults() {
        let config = parse_workspace("ahoy.toml", "").expect("valid");
        let sim = &config.carriers["sim"];
        assert!(sim.is_loopback());
        assert_eq!(sim.calls_per_second, 1.0);
        assert_eq!(sim.release_horizon, Duration::from_secs(300));
        assert_eq!((config.rate, config.ledger.as_str()), (8_000, "ahoy.db"));
    }

    #[test]
    fn a_typo_names_file_line_key_and_the_nearest_key() {
        let text = "[gateway]\nlisten = \"127.0.0.1:0\"\npublc_url = \"https://x.example\"\n";
        let fault = parse_workspace("ahoy.toml", text).expect_err("a typo");
        assert_eq!(fault.to_string(), "ahoy.toml:3: unknown key `publc_url` (did you mean `public_url`?)");
    }

    #[test]
    fn a_secret_in_the_file_is_refused_and_not_repeated() {
        let text = "[carriers.main]\nkind = \"twilio\"\naccount_sid = \"AC00000000000000000000000000000000\"\nauth_token = \"hunter2hunter2\"\n";
        let fault = parse_workspace("ahoy.toml", text).expect_err("a secret in clear");
        assert_eq!(fault.line, Some(4));
        assert!(!fault.to_string().contains("hunter2"), "{fault}");
    }

    #[test]
    fn a_service_needs_a_key_by_name_and_an_address_that_keeps_it() {
        let with = |extra: &str| parse_workspace("a", &format!("[engines.e]\nkind = \"elevenlabs\"\n{extra}\n"));
        let key = "key = { env = \"K\" }\n";
        let config = with(key).expect("valid");
        assert_eq!(config.engines["e"].model.as_deref(), Some("eleven_multilingual_v2"), "written into recipes");
        assert!(with("").is_err() && with("base_url = \"http://127.0.0.1:9\"").is_ok());
        assert!(with(&format!("{key}base_url = \"https://api.eu.residency.elevenlabs.io\"")).is_ok());
        for url in
            ["http://api.example.com", "https://a@b.example", "https://b.example?x=1", "ftp://127.0.0.1", "https://"]
        {
            assert!(with(&format!("{key}base_url = \"{url}\"")).is_err(), "{url}");
        }
        for extra in ["raw_rate = 8000", "concurrency = 0", "concurrency = 65", "model = \" \"", "command = [\"x\"]"] {
            assert!(with(&format!("{key}{extra}")).is_err(), "{extra}");
        }
        let clear = with("key = \"hunter2hunter2\"").expect_err("a secret in clear").to_string();
        assert!(!clear.contains("hunter2"), "{clear}");
        let program = "[engines.p]\nkind = \"command\"\ncommand = [\"x\"]\nmodel = \"m\"\n";
        assert!(parse_workspace("a", program).is_err(), "a program has no model");
    }

    #[test]
    fn a_summary_costs_what_the_operator_says_and_nobody_else_has_such_a_price() {
        let at = |section: &str, price: &str| {
            let text =
                format!("[{section}.a]\nkind = \"openai\"\nkey = {{ env = \"K\" }}\nmodel = \"m\"\nprice = {price}\n");
            parse_workspace("ahoy.toml", &text)
        };
        let price = at("summarizers", "{ in = 0.25, out = 2.0 }").expect("read").summarizers["a"].price.expect("there");
        let usage = Usage { text_in: 3_000, text_cached: 1_000, text_out: 200, ..Usage::default() };
        assert_eq!(price.of(&usage), Money(1_000 + 400), "cached tokens count whole");
        assert_eq!(price.of(&Usage { text_out: 1, ..Usage::default() }), Money(2));
        assert_eq!(price.of(&Usage { text_in: 1, ..Usage::default() }), Money(1), "rounded up");
        for bad in [
            "{ in = -1.0, out = 2.0 }",
            "{ in = 0.25 }",
            "{ in = 0.25, out = 2.0, cached = 1.0 }",
            "{ in = nan, out = 1.0 }",
        ] {
            assert!(at("summarizers", bad).is_err(), "{bad}");
        }
        for other in ["engines", "transcribers"] {
            let fault = at(other, "{ in = 0.25, out = 2.0 }").expect_err(other);
            assert!(fault.to_string().contains("summarizers"), "{fault}");
        }
    }

    #[test]
    fn a_short_horizon_or_plain_http_is_for_loopback_only() {
        let with = |extra: &str| {
            format!(
                "[carriers.main]\nkind = \"twilio\"\naccount_sid = \"AC00000000000000000000000000000000\"\nauth_token = {{ env = \"T\" }}\n{extra}"
            )
        };
        assert!(parse_workspace("a", &with("release_horizon = \"1m\"")).is_err());
        assert!(parse_workspace("a", &with("release_horizon = \"1s\"\nbase_url = \"http://127.0.0.1:9\"")).is_ok());
        assert!(parse_workspace("a", &with("base_url = \"http://api.example.com\"")).is_err());
        for trick in ["http://127.0.0.1@evil.example", "http://localhost.evil.example", "http://127.0.0.1.evil.example"]
        {
            assert!(!is_loopback_url(trick), "{trick}");
        }
        assert!(is_loopback_url("http://[::1]:80/x") && is_loopback_url("http://localhost:1"));
    }
}
