//! `ahoy.toml` and `campaign.toml`: what was typed, then what it means. Text in, checked values out; no files here.

pub mod account;
mod after;
mod agent;
mod api;
mod campaign;
mod carrier;
mod clone;
pub mod edit;
mod fault;
mod faults;
mod greeting;
mod hours;
mod inbound;
mod keys;
mod machine;
mod mapping;
mod recording;
mod senders;
mod typed;
mod workspace;

pub use after::After;
pub use agent::{Agent, AgentConfig, AgentKind, ECHO, NONE};
pub use api::ApiConfig;
pub use campaign::{BargeIn, Campaign, Caps, Prices, Purpose, Quota, Retries, Vad, Voice, parse_campaign};
pub use carrier::{
    AsteriskConfig, AsteriskMedia, CarrierConfig, CarrierKind, SignalWireConfig, SimConfig, TelnyxConfig,
    ThreeCxConfig, TwilioConfig, WebhookConfig,
};
pub use clone::{CloneConfig, CloneProvider};
pub use fault::ConfigFault;
pub use faults::{TypedFaults, parse_faults};
pub use greeting::{Greeting, OnMissing};
pub use hours::Hours;
pub use inbound::{Failing, Inbound, MenuPlan, MessagePlan, NoKey, Returning, SpeaksFirst, VoiceOption};
pub use keys::Keys;
pub use machine::{Detect, Machines, OnScreening, OnVoicemail};
pub use mapping::Mapping;
pub use recording::Recording;
pub use senders::Senders;
pub use typed::Span;
pub use workspace::{DiskRoom, EngineConfig, TokenPrice, WorkspaceConfig, is_loopback_url, parse_workspace};
