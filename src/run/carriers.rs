//! Opens the carriers that `ahoy.toml` names; a carrier of kind `sim` is started in this process, on loopback.

use std::path::PathBuf;
use std::sync::Arc;

use uuid::Uuid;

use crate::base::{Failure, Secret};
use crate::core::config::{
    AsteriskConfig, CarrierKind, SignalWireConfig, SimConfig, TelnyxConfig, ThreeCxConfig, TwilioConfig, account,
};
use crate::core::wire::dialect::Dialect;
use crate::core::wire::signature::Trusted;
use crate::edge::carrier::asterisk::{Asterisk, AsteriskOptions};
use crate::edge::carrier::sim::CARD;
use crate::edge::carrier::threecx::{ThreeCx, ThreeCxOptions};
use crate::edge::carrier::twilio::{Twilio, TwilioOptions};
use crate::edge::carrier::{Carrier, signalwire, telnyx};
use crate::run::clock::Clock;
use crate::run::sim::{self, SimHandle, SimOptions};
use crate::store::workspace::Workspace;

/// The embedded carrier's account: the same in every run, so that its log is one account's log.
const SIM_ACCOUNT: &str = "AC00000000000000000000000000000051";

/// A carrier, ready to be used.
pub struct OpenCarrier {
    /// Its name in `ahoy.toml`.
    pub name: String,
    /// Its client.
    pub carrier: Arc<dyn Carrier>,
    /// The account at its provider, whatever its name here: attempts and stops hang on it.
    pub account: String,
    /// Check the signatures of its callbacks: two while tokens are being exchanged.
    pub trusted: Vec<Trusted>,
    /// The embedded carrier, if it runs in this process.
    pub sim: Option<SimHandle>,
    /// Its log.
    pub sim_log: Option<PathBuf>,
    /// A telephone system of one's own, if it is one: its events and its sound are to be attached before anybody is called.
    pub system: Option<System>,
}

/// A telephone system of one's own.
#[derive(Clone)]
pub enum System {
    /// An Asterisk.
    Asterisk(Arc<Asterisk>),
    /// A 3CX.
    ThreeCx(Arc<ThreeCx>),
}

/// The account of a carrier: what attempts and stops hang on in the ledger.
pub fn account_of(ws: &Workspace, name: &str) -> Result<String, Failure> {
    let unknown = || Failure::usage(format!("no carrier `{name}` in ahoy.toml"));
    let config = ws.config.carriers.get(name).ok_or_else(unknown)?;
    Ok(account::account_of(name, &config.kind, SIM_ACCOUNT))
}

/// Opens the carrier of this name.
pub async fn open(ws: &Workspace, name: &str, clock: Arc<dyn Clock>) -> Result<OpenCarrier, Failure> {
    let config =
        ws.config.carriers.get(name).ok_or_else(|| Failure::usage(format!("no carrier `{name}` in ahoy.toml")))?;
    match &config.kind {
        CarrierKind::Twilio(twilio) => open_twilio(ws, name, twilio),
        CarrierKind::SignalWire(signalwire) => open_signalwire(ws, name, signalwire),
        CarrierKind::Telnyx(telnyx) => open_telnyx(ws, name, telnyx),
        CarrierKind::Asterisk(asterisk) => open_asterisk(ws, name, asterisk),
        CarrierKind::ThreeCx(threecx) => open_threecx(ws, name, threecx, clock),
        CarrierKind::Sim(sim) => open_sim(ws, name, sim, clock).await,
    }
}

fn open_twilio(ws: &Workspace, name: &str, config: &TwilioConfig) -> Result<OpenCarrier, Failure> {
    let auth_token = ws.secret(&config.auth_token, &format!("carrier {name}, auth_token"))?;
    let mut options = TwilioOptions::with_token(&config.base_url, &config.account_sid, auth_token.clone());
    if let Some((sid, secret)) = &config.api_key {
        options = options.with_key(sid, ws.secret(secret, &format!("carrier {name}, api_key"))?);
    }
    let carrier = Twilio::new(options)?;
    let account = account_of(ws, name)?;
    let mut trusted = vec![Trusted::Token(auth_token)];
    if let Some(second) = &config.auth_token_secondary {
        trusted.push(Trusted::Token(ws.secret(second, &format!("carrier {name}, auth_token_secondary"))?));
    }
    Ok(OpenCarrier {
        name: name.to_owned(),
        carrier: Arc::new(carrier),
        account,
        trusted,
        sim: None,
        sim_log: None,
        system: None,
    })
}

fn open_signalwire(ws: &Workspace, name: &str, config: &SignalWireConfig) -> Result<OpenCarrier, Failure> {
    let token = ws.secret(&config.token, &format!("carrier {name}, token"))?;
    let signing_key = ws.secret(&config.signing_key, &format!("carrier {name}, signing_key"))?;
    let options = TwilioOptions::with_token(&config.base_url, &config.project, token).in_dialect(Dialect::SignalWire);
    let carrier = Twilio::new(options)?.with_card(signalwire::CARD);
    Ok(OpenCarrier {
        name: name.to_owned(),
        carrier: Arc::new(carrier),
        account: account_of(ws, name)?,
        trusted: vec![Trusted::Token(signing_key)],
        sim: None,
        sim_log: None,
        system: None,
    })
}

fn open_telnyx(ws: &Workspace, name: &str, config: &TelnyxConfig) -> Result<OpenCarrier, Failure> {
    let key = ws.secret(&config.key, &format!("carrier {name}, key"))?;
    let mut options = TwilioOptions::with_token(&config.base_url, &config.account, key).in_dialect(Dialect::Telnyx);
    options.application = config.application.clone();
    let carrier = Twilio::new(options)?.with_card(telnyx::CARD);
    Ok(OpenCarrier {
        name: name.to_owned(),
        carrier: Arc::new(carrier),
        account: account_of(ws, name)?,
        trusted: vec![Trusted::Ed25519(config.public_key)],
        sim: None,
        sim_log: None,
        system: None,
    })
}

fn open_asterisk(ws: &Workspace, name: &str, config: &AsteriskConfig) -> Result<OpenCarrier, Failure> {
    let password = ws.secret(&config.password, &format!("carrier {name}, password"))?;
    let asterisk = Arc::new(Asterisk::new(AsteriskOptions {
        base_url: config.base_url.clone(),
        user: config.user.clone(),
        password,
        app: config.app.clone(),
        endpoint: config.endpoint.clone(),
    })?);
    of_system(ws, name, Arc::clone(&asterisk) as Arc<dyn Carrier>, System::Asterisk(asterisk))
}

/// Its word comes on sockets that we open: nothing has to be trusted.
fn of_system(ws: &Workspace, name: &str, carrier: Arc<dyn Carrier>, system: System) -> Result<OpenCarrier, Failure> {
    Ok(OpenCarrier {
        name: name.to_owned(),
        carrier,
        account: account_of(ws, name)?,
        trusted: Vec::new(),
        sim: None,
        sim_log: None,
        system: Some(system),
    })
}

fn open_threecx(
    ws: &Workspace,
    name: &str,
    config: &ThreeCxConfig,
    clock: Arc<dyn Clock>,
) -> Result<OpenCarrier, Failure> {
    let client_secret = ws.secret(&config.client_secret, &format!("carrier {name}, client_secret"))?;
    let threecx = Arc::new(ThreeCx::new(ThreeCxOptions {
        base_url: config.base_url.clone(),
        client_id: config.client_id.clone(),
        client_secret,
        route_point: config.route_point.clone(),
        destination: config.destination.clone(),
        now: Arc::new(move || clock.boot()),
    })?);
    of_system(ws, name, Arc::clone(&threecx) as Arc<dyn Carrier>, System::ThreeCx(threecx))
}

async fn open_sim(
    ws: &Workspace,
    name: &str,
    config: &SimConfig,
    clock: Arc<dyn Clock>,
) -> Result<OpenCarrier, Failure> {
    let auth_token = Secret::new(Uuid::new_v4().simple().to_string());
    let log = match &config.log {
        Some(path) => ws.root.join(path),
        None => ws.ledger_path().parent().map_or_else(|| PathBuf::from("sim.jsonl"), |dir| dir.join("sim.jsonl")),
    };
    let carrier_config = &ws.config.carriers[name];
    let handle = sim::start(
        SimOptions {
            listen: ([127, 0, 0, 1], 0).into(),
            account_sid: SIM_ACCOUNT.to_owned(),
            auth_token: auth_token.clone(),
            seed: config.seed,
            speedup: config.speedup,
            // The embedded carrier must never be what slows a run: pacing is the dialer's own.
            calls_per_second: carrier_config.calls_per_second * 2.0,
            log: log.clone(),
            faults: config.faults.clone(),
            faults_for: None,
            dialect: Dialect::Twilio,
        },
        clock,
    )
    .await?;
    let options = TwilioOptions::with_token(&handle.base_url, SIM_ACCOUNT, auth_token.clone());
    let carrier = Twilio::new(options)?.with_card(CARD);
    let account = account_of(ws, name)?;
    Ok(OpenCarrier {
        name: name.to_owned(),
        carrier: Arc::new(carrier),
        account,
        trusted: vec![Trusted::Token(auth_token)],
        sim: Some(handle),
        sim_log: Some(log),
        system: None,
    })
}
