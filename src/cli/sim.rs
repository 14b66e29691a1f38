//! `ahoy sim`.
#![allow(missing_docs)] // clap turns the comments here into help texts

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{Context, print_json, print_line};
use crate::base::text::printable;
use crate::base::time::parse_span;
use crate::base::{Exit, Failure, Secret};
use crate::core::config::parse_faults;
use crate::core::dial::desk::Stop;
use crate::core::sim::fault::{FAULTS, preset};
use crate::core::wire::dialect::Dialect;
use crate::core::wire::ed25519::SigningKey;
use crate::run::clock::MachineClock;
use crate::run::sim::{SimOptions, start};
use crate::show::words::say;

/// Arguments of `ahoy sim`. The seed is the global `--seed`.
#[derive(Debug, clap::Args)]
#[command(after_help = faults_help())]
pub struct SimArgs {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Whose form of the API to serve
    #[arg(long, value_enum, default_value = "twilio")]
    pub dialect: Form,
    /// The account: AC and 32 hex digits; SignalWire's project and Telnyx's account: a UUID
    #[arg(long, value_name = "ID", default_value = "AC00000000000000000000000000000000")]
    pub account_sid: String,
    /// Password of the REST interface; also signs the webhooks. Made up by you: it protects nothing real
    #[arg(long, value_name = "TOKEN", env = "AHOY_SIM_TOKEN", hide_env_values = true)]
    pub auth_token: String,
    /// Divides the carrier's own waits and its frame clock, 1 to 1000
    #[arg(long, value_name = "N", default_value_t = 1.0)]
    pub speedup: f64,
    /// Calls started per second of the carrier's own time; more wait in its queue
    #[arg(long, value_name = "N", default_value_t = 1.0)]
    pub calls_per_second: f64,
    /// JSON lines of everything that happened; continued if the file is there
    #[arg(long, value_name = "FILE", default_value = "sim.jsonl")]
    pub log: PathBuf,
    /// Misbehaviour as a set: none, mild, nasty, or a TOML file with lines `NAME = PROBABILITY`
    #[arg(long, value_name = "SET|FILE", default_value = "none")]
    pub faults: String,
    /// Faults end after this time, such as "90s"
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    pub faults_for: Option<Duration>,
    /// One misbehaviour by probability, repeatable, over those of --faults (list below)
    #[arg(long, value_name = "NAME=P", value_parser = parse_fault)]
    pub fault: Vec<(String, f64)>,
}

/// Whose form of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    Twilio,
    Signalwire,
    Telnyx,
}

fn faults_help() -> String {
    let list: Vec<String> = FAULTS.iter().map(|(name, what)| format!("  {name:<17} {what}")).collect();
    format!("Faults:\n{}\n\n{}", list.join("\n"), super::EXIT_CODES)
}

/// The set, with single faults over it.
fn faults(args: &SimArgs) -> Result<BTreeMap<String, f64>, Failure> {
    let mut odds = match preset(&args.faults) {
        Some(odds) => odds,
        None => {
            let unread = |error: std::io::Error| {
                Failure::usage(format!(
                    "--faults {}: no set of this name, and no file: {error}",
                    printable(&args.faults)
                ))
                .next("write none, mild or nasty, or name a TOML file")
            };
            parse_faults(&std::fs::read_to_string(&args.faults).map_err(unread)?)?
        }
    };
    odds.extend(args.fault.iter().cloned());
    Ok(odds)
}

fn parse_fault(text: &str) -> Result<(String, f64), String> {
    let (name, odds) = text.split_once('=').ok_or("write NAME=PROBABILITY, such as lost_answer=0.01")?;
    let odds = odds.parse().map_err(|_| format!("`{odds}` is no number"))?;
    Ok((name.to_owned(), odds))
}

/// Runs `ahoy sim` until Ctrl-C.
pub fn run(args: &SimArgs, context: &Context) -> Result<Exit, Failure> {
    let sid = args.account_sid.as_str();
    let twilios = sid.len() == 34 && sid.starts_with("AC") && sid[2..].bytes().all(|byte| byte.is_ascii_hexdigit());
    match args.dialect {
        Form::Twilio if !twilios => return Err(Failure::usage("--account-sid is AC and 32 hex digits")),
        Form::Signalwire | Form::Telnyx if uuid::Uuid::parse_str(sid).is_err() => {
            return Err(Failure::usage("--account-sid is a UUID where --dialect is signalwire or telnyx"));
        }
        Form::Twilio | Form::Signalwire | Form::Telnyx => {}
    }
    let options = SimOptions {
        listen: args.listen,
        account_sid: args.account_sid.clone(),
        auth_token: Secret::new(args.auth_token.clone()),
        seed: context.global.seed.unwrap_or(1),
        speedup: args.speedup,
        calls_per_second: args.calls_per_second,
        log: args.log.clone(),
        faults: faults(args)?,
        faults_for: args.faults_for,
        dialect: match args.dialect {
            Form::Twilio => Dialect::Twilio,
            Form::Signalwire => Dialect::SignalWire,
            Form::Telnyx => Dialect::Telnyx,
        },
    };
    let seed = options.seed;
    // What the other side checks callbacks with.
    let public_key = SigningKey::of(&options.auth_token).public().to_string();
    let public_key = (args.dialect == Form::Telnyx).then_some(public_key);
    crate::run::block_on(2, async {
        let handle = start(options, Arc::new(MachineClock)).await?;
        if context.json() {
            print_json(&serde_json::json!({ "listening": handle.base_url, "seed": seed, "public_key": public_key }))?;
        } else {
            print_line(&format!("listening on {}", handle.base_url))?;
            if let Some(key) = public_key {
                print_line(&format!("public_key = \"{key}\""))?;
            }
        }
        let mut stop = crate::run::stop::listen()?;
        // The sender lives as long as the process listens for signals.
        let _stopped_or_deaf = stop.wait_for(|stop| *stop > Stop::No).await;
        handle.stop().await;
        say("stopped by a signal; the log is whole, and live calls in it have failed");
        Ok(Exit::Done)
    })
}
