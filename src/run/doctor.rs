//! `ahoy doctor`: is everything there that a campaign needs? Asks; changes nothing, and calls nobody but who asked for it.

mod live;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;
use tokio::time::timeout;
use uuid::Uuid;

use crate::base::{AttemptId, Country, Exit, Failure, Phone, Secret, Sid};
use crate::core::call::{Answerer, CallScript, MachinePlan, PreparedClip};
use crate::core::config::{BargeIn, Keys, Recording, Vad, is_loopback_url};
use crate::core::dial::clocks::{Skew, skew};
use crate::core::wire::signature::Trusted;
use crate::core::wire::token;
use crate::edge::carrier::{CallerStanding, Reach, StreamProof};
use crate::edge::gateway::guard::Bounds;
use crate::edge::probe::Probe;
use crate::run::agent::{Agents, rehearse};
use crate::run::carriers::{self, OpenCarrier};
use crate::run::clock::Clock;
use crate::run::gateway::{
    self, Boxed, CallDesk, CallSummary, Expected, GatewayHandle, GatewayOptions, Overloaded, Registry, StatusEvent,
};
use crate::run::leads::read_ledger;
use crate::store::ledger::OpenOptions;
use crate::store::scratch;
use crate::store::workspace::Workspace;

pub use self::live::LiveCall;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As it should be.
    Ok,
    /// Works, but somebody should look.
    Warn,
    /// Calls would fail.
    Fail,
    /// Could not be looked at.
    Skipped,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at: `carrier main`, `gateway`, a campaign.
    pub subject: String,
    /// Which side of it: `credentials`, `clock`, `caller`, `callback`, …
    pub check: &'static str,
    /// How it came out.
    pub state: State,
    /// What was found.
    pub found: String,
    /// What to do; absent where there is nothing to do.
    pub next: Option<String>,
}

/// What a doctor found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DoctorReport {
    /// In the order of looking.
    pub checks: Vec<Check>,
    #[serde(skip)]
    refused: bool,
}

impl DoctorReport {
    /// 12: a carrier refuses the credentials; 3: something else would fail; 0: nothing would.
    pub fn exit(&self) -> Exit {
        let failed = self.checks.iter().any(|check| check.state == State::Fail);
        match (self.refused, failed) {
            (true, _) => Exit::Account,
            (false, true) => Exit::Findings,
            (false, false) => Exit::Done,
        }
    }

    fn add(&mut self, subject: &str, check: &'static str, state: State, found: impl Into<String>, next: &str) {
        let next = (!next.is_empty()).then(|| next.to_owned());
        self.checks.push(Check { subject: subject.to_owned(), check, state, found: found.into(), next });
    }
}

/// Longest that one question to our own gateway may take.
const ANSWER: Duration = Duration::from_secs(15);
/// An agent that takes longer than a phone rings at least is not ready when it is answered.
const SLOW_AGENT: Duration = Duration::from_secs(3);
/// A carrier further away than this makes each call's start slow.
const FAR: Duration = Duration::from_millis(1_500);

/// Looks at everything, or at the named carriers and the gateway only; then makes the call that was asked for, unless what
/// was found would make it fail.
pub async fn examine(
    ws: &Workspace,
    clock: Arc<dyn Clock>,
    carriers: &[String],
    call: Option<&LiveCall>,
) -> Result<DoctorReport, Failure> {
    let mut report = DoctorReport { checks: Vec::new(), refused: false };
    let mut callers: Vec<(String, Phone, String)> = Vec::new();
    let mut countries: BTreeMap<String, BTreeSet<Country>> = BTreeMap::new();
    let ledger = read_ledger(&ws.ledger_path())?;
    for name in ws.campaign_names()? {
        let subject = format!("campaign {name}");
        match ws.campaign(&name) {
            Ok(campaign) => {
                for caller in &campaign.callers {
                    if !callers.iter().any(|(carrier, phone, _)| *carrier == campaign.carrier && phone == caller) {
                        callers.push((campaign.carrier.clone(), caller.clone(), name.to_string()));
                    }
                }
                if let Some(ledger) = &ledger {
                    let phones = ledger.beginnings(&name)?;
                    countries
                        .entry(campaign.carrier.clone())
                        .or_default()
                        .extend(phones.iter().filter_map(Phone::country));
                }
                report.add(&subject, "file", State::Ok, format!("calls by carrier {}", campaign.carrier), "");
            }
            Err(fault) => {
                report.add(&subject, "file", State::Fail, fault.what.clone(), fault.next.as_deref().unwrap_or(""));
            }
        }
    }
    if carriers.is_empty() {
        agents(&mut report, ws, &*clock).await?;
    }
    if let Some(name) = carriers.iter().find(|name| !ws.config.carriers.contains_key(*name)) {
        return Err(Failure::usage(format!("no carrier `{name}` in ahoy.toml")));
    }
    let mut signer = None;
    let mut far_away = false;
    for (name, config) in &ws.config.carriers {
        if !carriers.is_empty() && !carriers.contains(name) {
            continue;
        }
        let subject = format!("carrier {name}");
        let Some(base_url) = config.kind.base_url() else {
            report.add(&subject, "account", State::Ok, "embedded in this program: nothing to ask", "");
            continue;
        };
        far_away |= !is_loopback_url(base_url);
        let open = match carriers::open(ws, name, Arc::clone(&clock)).await {
            Ok(open) => open,
            Err(fault) => {
                report.add(&subject, "secrets", State::Fail, fault.what.clone(), fault.next.as_deref().unwrap_or(""));
                continue;
            }
        };
        signer = signer.or_else(|| open.trusted.iter().find_map(Trusted::token).cloned());
        if ask_account(&mut report, &subject, &open, &*clock, base_url).await {
            for (_, caller, campaign) in callers.iter().filter(|(carrier, ..)| carrier == name) {
                ask_caller(&mut report, &subject, &open, caller, campaign).await;
            }
            if let Some(countries) = countries.get(name) {
                ask_reach(&mut report, &subject, &open, countries).await;
            }
        }
    }
    examine_gateway(&mut report, ws, Arc::clone(&clock), signer, far_away).await?;
    match call {
        None => {}
        Some(_) if report.exit() != Exit::Done => {
            report.add("live call", "order", State::Skipped, "not made: what failed above would fail it, too", "");
        }
        Some(call) => live::make(&mut report, ws, clock, call).await?,
    }
    Ok(report)
}

/// Credentials, TLS, clock, distance. False: there is no use in asking more.
async fn ask_account(
    report: &mut DoctorReport,
    subject: &str,
    open: &OpenCarrier,
    clock: &dyn Clock,
    base_url: &str,
) -> bool {
    let asked = clock.boot();
    let hello = match open.carrier.hello().await {
        Ok(hello) => hello,
        Err(fault) => {
            report.refused |= fault.stop().is_some();
            let next = match fault.stop() {
                Some(_) => "compare account_sid and the secrets that ahoy.toml names with the carrier's console",
                None => "check base_url, the network and its proxy; then ask again",
            };
            report.add(subject, "credentials", State::Fail, fault.to_string(), next);
            return false;
        }
    };
    let took = clock.boot().since(asked);
    report.add(subject, "credentials", State::Ok, "taken", "");
    let loopback = is_loopback_url(base_url);
    let tls = if base_url.starts_with("https") { "its certificate is trusted" } else { "none needed on loopback" };
    match base_url.starts_with("https") || loopback {
        true => report.add(subject, "tls", State::Ok, tls, ""),
        false => {
            report.add(subject, "tls", State::Fail, "secrets and numbers travel in clear", "write https:// in base_url")
        }
    }
    let ms = took.as_millis();
    match took <= FAR {
        true => report.add(subject, "round trip", State::Ok, format!("{ms} ms"), ""),
        false => report.add(
            subject,
            "round trip",
            State::Warn,
            format!("{ms} ms: each call is placed so much later"),
            "run closer to the carrier's region",
        ),
    }
    let now = clock.wall();
    match hello.date.map(|date| skew(now, date, took)) {
        None => report.add(subject, "clock", State::Skipped, "its answer has no Date", ""),
        Some(Skew::Fine) => report.add(subject, "clock", State::Ok, "agrees with the carrier's", ""),
        Some(Skew::Warn(ms)) => {
            report.add(subject, "clock", State::Warn, apart(ms), "set this machine's clock, such as with NTP");
        }
        Some(Skew::Refuse(ms)) => {
            let found = format!("{}: nobody's calling hours can be known", apart(ms));
            report.add(subject, "clock", State::Fail, found, "set this machine's clock, such as with NTP");
        }
    }
    true
}

fn apart(ms: i64) -> String {
    let way = if ms > 0 { "ahead of" } else { "behind" };
    format!("{} s {way} the carrier's", ms.unsigned_abs() / 1_000)
}

async fn ask_caller(report: &mut DoctorReport, subject: &str, open: &OpenCarrier, caller: &Phone, campaign: &str) {
    let name = format!("{caller} of campaign {campaign}");
    match open.carrier.caller(caller).await {
        Ok(CallerStanding::Owned) => report.add(subject, "caller", State::Ok, format!("{name} is the account's"), ""),
        Ok(CallerStanding::Verified) => {
            report.add(subject, "caller", State::Ok, format!("{name} is verified for outgoing calls"), "");
        }
        Ok(CallerStanding::NoVoice) => {
            let found = format!("{name} is the account's, but cannot be used for calls");
            report.add(subject, "caller", State::Fail, found, "choose a number with voice");
        }
        Ok(CallerStanding::Foreign) => {
            let found = format!("{name} is neither the account's nor verified: the carrier would refuse each call");
            report.add(subject, "caller", State::Fail, found, "buy or verify it at the carrier, or change `callers`");
        }
        Ok(CallerStanding::Unsaid) => {
            report.add(subject, "caller", State::Skipped, format!("{name}: this carrier does not tell"), "");
        }
        Err(fault) => {
            let next = "an API key without the right to read numbers is refused here: the account's own token has it";
            report.add(subject, "caller", State::Skipped, format!("{name}: {fault}"), next);
        }
    }
}

/// Whether the account may call the countries of its leads.
async fn ask_reach(report: &mut DoctorReport, subject: &str, open: &OpenCarrier, countries: &BTreeSet<Country>) {
    let (mut may, mut closed) = (Vec::new(), Vec::new());
    for country in countries {
        match open.carrier.reach(*country).await {
            Ok(Reach::Open) => may.push(country.to_string()),
            Ok(Reach::Closed) => closed.push(country.to_string()),
            Ok(Reach::Unsaid) => {
                return report.add(
                    subject,
                    "countries",
                    State::Skipped,
                    "this carrier does not tell which it calls",
                    "",
                );
            }
            Err(fault) => {
                let next = "an API key without the right to read permissions is refused here";
                return report.add(subject, "countries", State::Skipped, fault.to_string(), next);
            }
        }
    }
    match (may.is_empty(), closed.is_empty()) {
        (true, true) => {}
        (_, true) => report.add(subject, "countries", State::Ok, format!("may call {}", may.join(", ")), ""),
        (_, false) => {
            let found = format!("may not call {}: each such lead would end as forbidden", closed.join(", "));
            let next = "permit them in the carrier's console (geographic permissions for voice)";
            report.add(subject, "countries", State::Fail, found, next);
        }
    }
}

/// Starts our gateway for a moment and asks it through its public URL, as a carrier would.
async fn examine_gateway(
    report: &mut DoctorReport,
    ws: &Workspace,
    clock: Arc<dyn Clock>,
    signer: Option<Secret>,
    far_away: bool,
) -> Result<(), Failure> {
    match &ws.config.public_url {
        None if far_away => report.add(
            "gateway",
            "public_url",
            State::Fail,
            "there is none: no carrier can send callbacks or open a stream",
            "set [gateway] public_url to an https address that leads here (docs/DEPLOY.md)",
        ),
        None => report.add("gateway", "public_url", State::Ok, "none needed on loopback", ""),
        Some(url) if url.starts_with("https://") || is_loopback_url(url) => {
            report.add("gateway", "public_url", State::Ok, url.clone(), "");
        }
        Some(url) => report.add(
            "gateway",
            "public_url",
            State::Fail,
            format!("{url} is not https: calls and numbers travel in clear, and carriers refuse such streams"),
            "put a proxy with a certificate before the gateway (docs/DEPLOY.md)",
        ),
    }
    let token = signer.unwrap_or_else(|| Secret::new(Uuid::new_v4().simple().to_string()));
    let folder = scratch::folder()?;
    let desk = Arc::new(Listening::default());
    let registry = Registry::default();
    let key = OpenOptions::with_fresh_key(clock.wall()).fresh_key;
    let options = GatewayOptions {
        listen: ws.config.listen,
        public_url: ws.config.public_url.clone(),
        auth_tokens: vec![token.clone()],
        token_key: key,
        calls_dir: folder.path().to_owned(),
        bounds: Bounds::default(),
        quiet: true,
    };
    let door = Arc::clone(&desk) as Arc<dyn CallDesk>;
    let gateway = match gateway::start(options, door, registry.clone(), Arc::clone(&clock)) {
        Ok(gateway) => gateway,
        Err(fault) => {
            let next = "a run or `ahoy serve` may hold the port: ask again when it is over, or see its own log";
            report.add("gateway", "port", State::Skipped, fault.what, next);
            return Ok(());
        }
    };
    report.add("gateway", "port", State::Ok, format!("listens on {}", gateway.addr), "");
    let probe = Probe::new(token)?;
    knock(report, &probe, &gateway, &desk, &key).await;
    listen(report, &probe, &gateway, &registry, &key, &*clock).await;
    gateway.stop().await;
    Ok(())
}

const UNREACHED: &str = "the public URL must lead to [gateway] listen, path and query unchanged (docs/DEPLOY.md)";

/// A callback that is signed must arrive; one that is not must be refused.
async fn knock(
    report: &mut DoctorReport,
    probe: &Probe,
    gateway: &GatewayHandle,
    desk: &Listening,
    key: &token::TokenKey,
) {
    let url = gateway.status_url(&token::mint(key, AttemptId(Uuid::now_v7())));
    let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let fields = [
        field("CallSid", "CA00000000000000000000000000000000"),
        field("CallStatus", "ringing"),
        field("SequenceNumber", "0"),
        field("From", ""),
    ];
    let asked = |signed| timeout(ANSWER, probe.callback(&url, &fields, signed));
    let (state, found) = match asked(true).await {
        Err(_) => (State::Fail, format!("no answer within {} s", ANSWER.as_secs())),
        Ok(Err(words)) => (State::Fail, words),
        Ok(Ok(200)) if desk.callbacks.load(Ordering::Relaxed) > 0 => {
            (State::Ok, "arrives, and its signature is right".to_owned())
        }
        Ok(Ok(200)) => (State::Fail, "somebody else answers there: it did not arrive here".to_owned()),
        Ok(Ok(403)) => (State::Fail, "its signature is wrong here: the address was rewritten on the way".to_owned()),
        Ok(Ok(http)) => (State::Fail, format!("HTTP {http}")),
    };
    report.add("gateway", "callback", state, found, if state == State::Ok { "" } else { UNREACHED });
    if state != State::Ok {
        return;
    }
    let (state, found) = match asked(false).await {
        Ok(Ok(403)) => (State::Ok, "refused without a signature".to_owned()),
        Ok(Ok(http)) => (State::Fail, format!("HTTP {http} without a signature: it must be 403")),
        Ok(Err(words)) => (State::Fail, words),
        Err(_) => (State::Fail, "no answer".to_owned()),
    };
    report.add("gateway", "forgery", state, found, "");
}

/// A stream must open and bring our first sound.
async fn listen(
    report: &mut DoctorReport,
    probe: &Probe,
    gateway: &GatewayHandle,
    registry: &Registry,
    key: &token::TokenKey,
    clock: &dyn Clock,
) {
    let attempt = AttemptId(Uuid::now_v7());
    let call_token = token::mint(key, attempt);
    let expected = Expected {
        attempt,
        call: attempt.call(),
        token: call_token.clone(),
        expires: clock.boot() + Duration::from_secs(60),
        proof: StreamProof::Signed,
        script: Arc::new(script(vec![0xd5; 1_600])),
        late: None,
    };
    if registry.expect(expected).is_err() {
        report.add("gateway", "stream", State::Fail, "the gateway has no room for a stream", "");
        return;
    }
    let asked = clock.boot();
    let (state, found) = match timeout(ANSWER, probe.stream(&gateway.stream_url(), &call_token)).await {
        Ok(Ok(())) => {
            let ms = clock.boot().since(asked).as_millis();
            (State::Ok, format!("opens and speaks: {ms} ms from connecting to the first sound"))
        }
        Ok(Err(words)) => (State::Fail, words),
        Err(_) => (State::Fail, format!("no sound within {} s", ANSWER.as_secs())),
    };
    let next =
        if state == State::Ok { "" } else { "the proxy before the gateway must pass WebSockets (docs/DEPLOY.md)" };
    report.add("gateway", "stream", state, found, next);
}

/// Every agent that a campaign names opens a session, as a call would have it.
async fn agents(report: &mut DoctorReport, ws: &Workspace, clock: &dyn Clock) -> Result<(), Failure> {
    let doors = Agents::default();
    let mut seen = Vec::new();
    for name in ws.campaign_names()? {
        // A campaign that cannot be read was told of above.
        let Ok(campaign) = ws.campaign(&name) else { continue };
        if !campaign.agent.is_some() || seen.contains(&campaign.agent.name) {
            continue;
        }
        seen.push(campaign.agent.name.clone());
        let subject = format!("agent {}", campaign.agent.name);
        let opened = match doors.of(ws, &campaign) {
            Ok(Some(door)) => rehearse(&door, &campaign, clock).await,
            Ok(None) => continue,
            Err(failure) => {
                report.refused |= failure.exit == Exit::Account;
                Err(failure.what)
            }
        };
        match opened {
            Ok(took) => {
                let state = if took > SLOW_AGENT { State::Warn } else { State::Ok };
                let found = format!("a session is ready after {} ms", took.as_millis());
                let next = if state == State::Ok { "" } else { "who answers at once hears the bridge phrase first" };
                report.add(&subject, "session", state, found, next);
            }
            Err(why) => report.add(&subject, "session", State::Fail, why, "docs/AGENTS.md tells what each needs"),
        }
    }
    Ok(())
}

/// Says this (µ-law) and hangs up.
fn script(sound: Vec<u8>) -> CallScript {
    let ms = Duration::from_millis;
    CallScript {
        greeting: Arc::new(PreparedClip::of("doctor", sound.into())),
        opt_out_confirmed: None,
        goodbye: None,
        keys: Keys::default(),
        vad: Vad { threshold: 0.5, silence: ms(700), prefix_padding: ms(300), min_speech: ms(64) },
        barge_in: BargeIn { enabled: false, ..BargeIn::default() },
        listen_after: ms(500),
        max_call: Duration::from_secs(15),
        machines: MachinePlan::default(),
        recording: Recording::default(),
        agent: None,
        desk: None,
        transfers: false,
        bridge: None,
        apology: None,
        call_back: None,
        message: None,
    }
}

/// A desk that only counts.
#[derive(Default)]
struct Listening {
    callbacks: AtomicU64,
}

impl CallDesk for Listening {
    fn status(&self, _: StatusEvent) -> Boxed<'_, Result<(), Overloaded>> {
        self.callbacks.fetch_add(1, Ordering::Relaxed);
        Box::pin(async { Ok(()) })
    }

    fn answered_by(&self, _: AttemptId, _: Answerer) -> Boxed<'_, Result<(), Overloaded>> {
        Box::pin(async { Ok(()) })
    }

    fn opt_out(&self, _: AttemptId) -> Boxed<'_, Result<(), Overloaded>> {
        Box::pin(async { Ok(()) })
    }

    fn stream_started(&self, _: AttemptId, _: Option<Sid>) {}

    fn hang_up(&self, _: AttemptId, _: Sid) -> Boxed<'_, ()> {
        Box::pin(async {})
    }

    fn ended(&self, _: CallSummary) -> Boxed<'_, ()> {
        Box::pin(async {})
    }
}
