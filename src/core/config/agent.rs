//! `[agents.NAME]` of `ahoy.toml` and `[agent]` of `campaign.toml`: who takes the line after the first words.

use std::time::Duration;

use serde::Deserialize;

use super::Span;
use super::workspace::check_service_url;
use crate::base::limits;
use crate::base::secret::SecretRef;
use crate::core::agent::{AgentPlan, PromptText};
use crate::core::config::is_loopback_url;

/// The name of no agent: a broadcast.
pub const NONE: &str = "none";
/// The name of the agent that says back what it hears.
pub const ECHO: &str = "echo";

/// Which protocol a provider's agent speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentKind {
    /// OpenAI Realtime.
    OpenAiRealtime,
    /// Gemini Live.
    GeminiLive,
    /// ElevenLabs Agents.
    ElevenLabs,
}

impl AgentKind {
    /// All of them, as they are written, with the model of each if none is named.
    const ALL: [(&'static str, AgentKind, &'static str); 3] = [
        ("openai-realtime", AgentKind::OpenAiRealtime, "gpt-realtime-2.1"),
        ("gemini-live", AgentKind::GeminiLive, "gemini-3.8-live"),
        // Its model is the agent's own affair.
        ("elevenlabs", AgentKind::ElevenLabs, "agent"),
    ];

    fn of(name: &str) -> Option<(AgentKind, &'static str)> {
        AgentKind::ALL.into_iter().find(|(known, ..)| *known == name).map(|(_, kind, model)| (kind, model))
    }
}

/// A checked `[agents.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentConfig {
    /// Its protocol.
    pub kind: AgentKind,
    /// The provider's key.
    pub key: Option<SecretRef>,
    /// Where it is; `None` = the provider's own address.
    pub base_url: Option<String>,
    /// The provider's model.
    pub model: String,
    /// ElevenLabs: which agent of the account.
    pub agent_id: String,
    /// Sessions at once: nobody is called without one. Default 50.
    pub slots: usize,
    /// Model that writes down what callees say; `None` = nobody does.
    pub transcribe: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TypedAgentConfig {
    kind: Option<String>,
    key: Option<SecretRef>,
    base_url: Option<String>,
    model: Option<String>,
    agent_id: Option<String>,
    slots: Option<usize>,
    transcribe: Option<String>,
}

impl TypedAgentConfig {
    /// Checks it. The kind is the section's name, unless it names one.
    pub(super) fn check(self, name: &str) -> Result<AgentConfig, (&'static str, String)> {
        let known: Vec<&str> = AgentKind::ALL.iter().map(|(name, ..)| *name).collect();
        if [NONE, ECHO].contains(&name) {
            return Err(("kind", format!("`{name}` is built in: take another name")));
        }
        let Some((kind, model)) = AgentKind::of(self.kind.as_deref().unwrap_or(name)) else {
            return Err(("kind", format!("needs a kind: {}", known.join(", "))));
        };
        if let Some(url) = &self.base_url {
            check_service_url(url).map_err(|what| ("base_url", what))?;
        }
        if self.key.is_none() && !self.base_url.as_deref().is_some_and(is_loopback_url) {
            return Err(("kind", "needs key = { env = \"NAME\" }".to_owned()));
        }
        let elevenlabs = kind == AgentKind::ElevenLabs;
        if elevenlabs != self.agent_id.as_ref().is_some_and(|id| !id.trim().is_empty()) {
            let what = if elevenlabs { "needs agent_id = \"…\"" } else { "agent_id is of kind `elevenlabs`" };
            return Err(("agent_id", what.to_owned()));
        }
        if elevenlabs && self.model.is_some() {
            return Err(("model", "the model of an ElevenLabs agent is set there".to_owned()));
        }
        let slots = self.slots.unwrap_or(limits::AGENT_SLOTS);
        if !(1..=limits::AGENT_SLOTS_MOST).contains(&slots) {
            return Err(("slots", format!("slots is 1 to {}", limits::AGENT_SLOTS_MOST)));
        }
        let model = self.model.unwrap_or_else(|| model.to_owned());
        if model.trim().is_empty() {
            return Err(("model", "model is empty".to_owned()));
        }
        let transcribe = match self.transcribe.as_deref() {
            None => Some("gpt-transcribe".to_owned()),
            Some("none") => None,
            Some(model) => Some(model.to_owned()),
        };
        let agent_id = self.agent_id.unwrap_or_default();
        Ok(AgentConfig { kind, key: self.key, base_url: self.base_url, model, agent_id, slots, transcribe })
    }
}

/// What a campaign wants of its agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// `none`, `echo`, or a name of `[agents.NAME]`.
    pub name: String,
    /// The provider's voice.
    pub voice: Option<String>,
    /// What it is told to do.
    pub prompt: Option<PromptText>,
    /// The campaign's file that holds the prompt, instead of `prompt`.
    pub prompt_file: Option<String>,
    /// What the session begins with, if the prompt shall come after the agent's first turn only.
    pub compact: Option<PromptText>,
    /// How it behaves in a call.
    pub plan: AgentPlan,
}

impl Agent {
    /// Whether somebody takes the line after the first words.
    pub fn is_some(&self) -> bool {
        self.name != NONE
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TypedAgent {
    kind: Option<String>,
    voice: Option<String>,
    prompt: Option<String>,
    prompt_file: Option<String>,
    compact: Option<String>,
    wait: Option<Span>,
    silence: Option<Span>,
}

impl TypedAgent {
    pub(super) fn check(self) -> Result<Agent, (&'static str, String)> {
        let name = self.kind.unwrap_or_else(|| NONE.to_owned());
        let read = |key, text: Option<String>| {
            text.map(|text| PromptText::read(&text)).transpose().map_err(|fault| (key, format!("[agent] {fault}")))
        };
        if self.prompt.is_some() && self.prompt_file.is_some() {
            return Err(("prompt_file", "[agent] has prompt and prompt_file: one of them".to_owned()));
        }
        if let Some(file) = &self.prompt_file {
            let plain = !file.is_empty() && !file.starts_with('/') && !file.split(['/', '\\']).any(|part| part == "..");
            if !plain {
                let what = format!("[agent] prompt_file is a file in the campaign's folder, not `{file}`");
                return Err(("prompt_file", what));
            }
        }
        let (prompt, compact) = (read("prompt", self.prompt)?, read("compact", self.compact)?);
        let bounded = |key, typed: Option<Span>, default: u64, least: u64, most: u64| {
            let span = typed.map_or(Duration::from_secs(default), |span| span.0);
            let (from, to) = (Duration::from_millis(least), Duration::from_secs(most));
            if (from..=to).contains(&span) {
                Ok(span)
            } else {
                Err((key, format!("[agent] {key} is {from:?} to {to:?}")))
            }
        };
        let plan = AgentPlan {
            wait: bounded("wait", self.wait, 5, 100, 30)?,
            silence: bounded("silence", self.silence, 20, 2_000, 600)?,
        };
        Ok(Agent { name, voice: self.voice, prompt, prompt_file: self.prompt_file, compact, plan })
    }
}
