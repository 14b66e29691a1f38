//! `campaign.toml`: a script, its rules, its voice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::after::{self, TypedSummary, TypedTranscript};
use super::agent::TypedAgent;
use super::greeting::check_greeting;
use super::hours::TypedHours;
use super::inbound;
use super::inbound::{TypedInbound, TypedMessage, TypedReturning};
use super::keys::TypedKeys;
use super::machine::TypedMachines;
use super::recording::TypedRecording;
use super::{
    After, Agent, ConfigFault, Greeting, Hours, Inbound, Keys, Machines, MessagePlan, Recording, Senders, Span,
};
use crate::base::{Country, Language, Money, Phone, Slug};
use crate::core::call::after::AfterCall;
use crate::core::lead::filter::{Filter, FilterFault};
use crate::core::rules::VoiceKind;

/// A checked `campaign.toml`.
#[derive(Debug, Clone, PartialEq)]
pub struct Campaign {
    /// The folder's name.
    pub name: Slug,
    /// Absent in the file = marketing, the strictest rules.
    pub purpose: Purpose,
    /// A name from `ahoy.toml`; default `sim`.
    pub carrier: String,
    /// Share of the carrier's calls against other campaigns on it, 1 to 100. Default 1.
    pub weight: u32,
    /// Numbers shown to callees, at least one; a lead keeps the one it was first called from.
    pub callers: Vec<Phone>,
    /// Which of them people of a country see; absent = those of their own country first.
    pub senders: Senders,
    /// The first words, per language.
    pub greeting: Greeting,
    /// Who speaks them.
    pub voice: Voice,
    /// Who takes the line after the greeting.
    pub agent: Agent,
    /// When people may be called, in their own time zone.
    pub hours: Hours,
    /// How often and after what wait a lead is tried again.
    pub retries: Retries,
    /// Upper bounds per phone number, over all campaigns.
    pub caps: Caps,
    /// Voice activity detection.
    pub vad: Vad,
    /// What speech during our playback does.
    pub barge_in: BargeIn,
    /// How machines are told from people, and what becomes of them.
    pub machines: Machines,
    /// Who records the calls.
    pub recording: Recording,
    /// Who writes the calls down, and who sums them up.
    pub after: After,
    /// Why we call, shown on the callee's telephone where its network has branded calls. At most 50 characters.
    pub reason: Option<String>,
    /// Keys a callee may press.
    pub keys: Keys,
    /// How callees leave a message, by key or when nobody can take them; `None` = they leave none.
    pub message: Option<MessagePlan>,
    /// The desk that answers calls to its numbers; `None` = nobody answers.
    pub inbound: Option<Inbound>,
    /// Who callees are connected with on their wish, by key or by the agent.
    pub transfer: Option<Phone>,
    /// Longest call. Default 5 min, 10 s to 4 h.
    pub max_call: Duration,
    /// How long we listen after the greeting when no agent follows. Default 4 s.
    pub listen_after: Duration,
    /// For the cost estimate and report.
    pub prices: Prices,
    /// Countries that may be called; empty = those of the caller numbers.
    pub countries: Vec<Country>,
    /// The company's name as registered, told in the greeting; a run without it is warned about.
    pub legal_name: Option<String>,
    /// At which sums the campaign pauses itself.
    pub quota: Quota,
    /// Only leads that this lets through are called (`where = "…"`); absent = all of the campaign.
    pub segment: Option<Filter>,
    /// What the command line added to it, as typed: another process that runs the campaign reads it again.
    pub narrowed_by: Option<String>,
    /// Rules that the operator set aside for this run, with the reason: from the command line, never from the file.
    pub set_aside: BTreeMap<String, String>,
}

impl Campaign {
    /// `[hours] any` is accepted on loopback only, where nobody real is called: rules are shown, few are enforced
    /// (docs/RULES.md).
    pub fn is_rehearsal(&self) -> bool {
        self.hours.any
    }

    /// Lets this run call only leads that `text` lets through, too.
    pub fn narrow(&mut self, text: &str) -> Result<(), FilterFault> {
        let added = Filter::read(text)?;
        self.segment = Some(match self.segment.take() {
            Some(own) => Filter::All(vec![own, added]),
            None => added,
        });
        self.narrowed_by = Some(text.to_owned());
        Ok(())
    }

    /// Countries that may be called.
    pub fn countries(&self) -> Vec<Country> {
        if self.countries.is_empty() {
            self.callers.iter().filter_map(Phone::country).collect()
        } else {
            self.countries.clone()
        }
    }
}

/// Sums over the whole life of a campaign; reaching one pauses it. `None` = no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quota {
    /// Attempts.
    pub attempts: Option<u64>,
    /// Started minutes of answered calls.
    pub minutes: Option<u64>,
    /// Started minutes times `[prices] per_minute`, and what agents, transcripts and summaries used up.
    pub spend: Option<Money>,
}

/// Why people are called; the rules depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Selling: consent is required.
    #[default]
    Marketing,
    /// About something that the person already has with us.
    Service,
    /// Questions, nothing sold.
    Research,
}

/// Who speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voice {
    /// `pico`, `espeak`, or a name of `[engines.NAME]`.
    pub engine: String,
    /// Another engine for some languages.
    pub engines: BTreeMap<Language, String>,
    /// The engine's voice name per language.
    pub voices: BTreeMap<Language, String>,
    /// The engine's model.
    pub model: Option<String>,
    /// Engine settings by name.
    pub settings: BTreeMap<String, String>,
    /// What a person hears first, in the terms of the law. Default: recorded.
    pub kind: VoiceKind,
    /// Models that `ahoy.toml` gives its engines, by engine name: used where the campaign names none.
    pub engine_models: BTreeMap<String, String>,
    /// Engines that `ahoy.toml` gives SSML.
    pub ssml_engines: BTreeSet<String>,
}

impl Voice {
    /// The model for a language: the campaign's, else the one that `ahoy.toml` gives its engine.
    pub fn model_for(&self, language: &Language) -> Option<&str> {
        self.model.as_deref().or_else(|| self.engine_models.get(self.engine_for(language)).map(String::as_str))
    }

    /// The engine for a language.
    pub fn engine_for(&self, language: &Language) -> &str {
        self.engines.get(language).map_or(self.engine.as_str(), String::as_str)
    }
}

/// Tries per lead and the wait before the next one, by outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retries {
    /// Attempts per lead in this campaign, 1 to 20. Default 3.
    pub attempts: u32,
    /// Wait after busy. Default 20 min.
    pub busy: Duration,
    /// Wait after no answer. Default 2 h.
    pub no_answer: Duration,
    /// Wait after a failure of the line or the carrier. Default 30 min.
    pub failed: Duration,
    /// Wait after a voicemail. Default 4 h.
    pub voicemail: Duration,
    /// Wait after `[keys] callback`. Default 2 h.
    pub callback: Duration,
}

/// Upper bounds per phone number over all campaigns of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caps {
    /// Attempts in 24 h. Default 3.
    pub per_day: u32,
    /// Attempts in 30 days. Default 4.
    pub per_30_days: u32,
    /// Time between two attempts. Default 60 min; retries wait at least this long.
    pub gap: Duration,
}

/// Voice activity detection, in the terms of OpenAI's `server_vad`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Vad {
    /// Speech starts at a probability of at least this, 0 to 1. Default 0.5.
    pub threshold: f32,
    /// Speech ends after this long below it. Default 700 ms.
    pub silence: Duration,
    /// A segment starts this much before its first speech. Default 300 ms.
    pub prefix_padding: Duration,
    /// Shorter speech is dropped. Default 64 ms.
    pub min_speech: Duration,
}

impl Default for Vad {
    fn default() -> Vad {
        let ms = Duration::from_millis;
        Vad { threshold: 0.5, silence: ms(700), prefix_padding: ms(300), min_speech: ms(64) }
    }
}

/// Speech during playback.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BargeIn {
    /// Whether it stops the playback. Default true.
    pub enabled: bool,
    /// Probability that counts as speech over our own voice, 0 to 1. Default 0.6.
    pub threshold: f32,
    /// That much of it, without a gap, before we stop. Default 64 ms.
    pub min_speech: Duration,
    /// A greeting that was cut before this much was heard is begun anew, once: people say "hello?" as they pick up.
    /// Default 1.5 s; 0 = never.
    pub restart_under: Duration,
    /// First words of whatever we play that cannot be stopped. Default 0.
    pub protect: Duration,
    /// Whether our own voice, given back by the line, is told from the callee's. Default true.
    pub echo: bool,
    /// A quiet hum shorter than this ("mhm") does not stop us. Default 500 ms; 0 = it does.
    pub back_channel: Duration,
}

impl Default for BargeIn {
    fn default() -> BargeIn {
        let ms = Duration::from_millis;
        BargeIn {
            enabled: true,
            threshold: 0.6,
            min_speech: ms(64),
            restart_under: ms(1_500),
            protect: Duration::ZERO,
            echo: true,
            back_channel: ms(500),
        }
    }
}

/// Prices for estimates, in US dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Prices {
    /// Per started minute of an answered call. Default 0.
    pub per_minute: Money,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Typed {
    purpose: Purpose,
    carrier: Option<String>,
    weight: Option<u32>,
    callers: Vec<String>,
    senders: BTreeMap<Country, Vec<String>>,
    greeting: BTreeMap<String, String>,
    voice: TypedVoice,
    agent: TypedAgent,
    hours: TypedHours,
    retries: TypedRetries,
    caps: TypedCaps,
    vad: TypedVad,
    barge_in: TypedBargeIn,
    machine: TypedMachines,
    recording: TypedRecording,
    transcript: TypedTranscript,
    summary: TypedSummary,
    keys: TypedKeys,
    message: Option<TypedMessage>,
    inbound: Option<TypedInbound>,
    returning: Vec<TypedReturning>,
    transfer: TypedTransfer,
    call: TypedCall,
    prices: TypedPrices,
    countries: Vec<Country>,
    legal_name: Option<String>,
    #[serde(rename = "where")]
    segment: Option<String>,
    limits: TypedLimits,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct TypedLimits {
    attempts: Option<u64>,
    minutes: Option<u64>,
    spend: Option<f64>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct TypedVoice {
    engine: Option<String>,
    engines: BTreeMap<Language, String>,
    voices: BTreeMap<Language, String>,
    model: Option<String>,
    settings: BTreeMap<String, String>,
    kind: VoiceKind,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct TypedRetries {
    attempts: Option<u32>,
    busy: Option<Span>,
    no_answer: Option<Span>,
    failed: Option<Span>,
    voicemail: Option<Span>,
    callback: Option<Span>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct TypedCaps {
    per_day: Option<u32>,
    per_30_days: Option<u32>,
    gap: Option<Span>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct TypedVad {
    threshold: Option<f32>,
    silence: Option<Span>,
    prefix_padding: Option<Span>,
    min_speech: Option<Span>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct TypedBargeIn {
    enabled: Option<bool>,
    threshold: Option<f32>,
    min_speech: Option<Span>,
    restart_under: Option<Span>,
    protect: Option<Span>,
    echo: Option<bool>,
    back_channel: Option<Span>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct TypedTransfer {
    to: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct TypedCall {
    max: Option<Span>,
    listen_after: Option<Span>,
    reason: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct TypedPrices {
    per_minute: Option<f64>,
}

/// Characters of a reason for a call. A bound of ours: carriers document none.
const REASON_CHARS: usize = 50;

/// Reads `campaign.toml`. `file` is its name in messages.
pub fn parse_campaign(name: Slug, file: &str, text: &str) -> Result<Campaign, ConfigFault> {
    let typed: Typed = toml::from_str(text).map_err(|e| ConfigFault::from_toml(file, text, &e))?;
    let about = |key: &str, what: String| ConfigFault::about(file, text, key, what);
    let secs = Duration::from_secs;

    if typed.callers.is_empty() {
        return Err(ConfigFault {
            hint: Some("write callers = [\"+15005550006\"]".to_owned()),
            ..about("callers", "no caller number: people must see who calls".to_owned())
        });
    }
    let mut callers = Vec::new();
    for number in &typed.callers {
        let phone = Phone::from_e164(number.trim())
            .map_err(|_| about("callers", "a caller number is not E.164 (+ and 7 to 15 digits)".to_owned()))?;
        callers.push(phone);
    }
    let senders = Senders::check(typed.senders, &callers).map_err(|(key, what)| about(&key, what))?;
    let greeting = check_greeting(typed.greeting).map_err(|(key, what)| about(&format!("greeting.{key}"), what))?;
    let hours = typed.hours.check().map_err(|(key, what)| about(&format!("hours.{key}"), what))?;
    let attempts = typed.retries.attempts.unwrap_or(3);
    if !(1..=20).contains(&attempts) {
        return Err(about("retries.attempts", format!("[retries] attempts is 1 to 20, not {attempts}")));
    }
    let marketing = typed.purpose == Purpose::Marketing;
    let keys = typed.keys.check(marketing).map_err(|(key, what)| about(&format!("keys.{key}"), what))?;
    let transfer = typed.transfer.to.as_deref().map(|number| Phone::from_e164(number.trim())).transpose();
    let transfer =
        transfer.map_err(|_| about("transfer.to", "[transfer] to is not E.164 (+ and 7 to 15 digits)".to_owned()))?;
    if keys.transfer.is_some() && transfer.is_none() {
        let what = "[keys] transfer needs [transfer] to: who the callee is connected with";
        return Err(about("keys.transfer", what.to_owned()));
    }
    let probability = |key: &'static str, value: Option<f32>, default: f32| {
        let value = value.unwrap_or(default);
        if (0.01..=0.99).contains(&value) {
            Ok(value)
        } else {
            Err(about(key, format!("{key} is 0.01 to 0.99, not {value}")))
        }
    };
    let usual = Vad::default();
    let vad = Vad {
        threshold: probability("vad.threshold", typed.vad.threshold, usual.threshold)?,
        silence: typed.vad.silence.map_or(usual.silence, |s| s.0),
        prefix_padding: typed.vad.prefix_padding.map_or(usual.prefix_padding, |s| s.0),
        min_speech: typed.vad.min_speech.map_or(usual.min_speech, |s| s.0),
    };
    let default = BargeIn::default();
    let barge_in = BargeIn {
        enabled: typed.barge_in.enabled.unwrap_or(default.enabled),
        threshold: probability("barge_in.threshold", typed.barge_in.threshold, default.threshold)?,
        min_speech: typed.barge_in.min_speech.map_or(default.min_speech, |s| s.0),
        restart_under: typed.barge_in.restart_under.map_or(default.restart_under, |s| s.0),
        protect: typed.barge_in.protect.map_or(default.protect, |s| s.0),
        echo: typed.barge_in.echo.unwrap_or(default.echo),
        back_channel: typed.barge_in.back_channel.map_or(default.back_channel, |s| s.0),
    };
    let message = typed.message.or(keys.message.map(|_| TypedMessage::default())).map(TypedMessage::check).transpose();
    let message = message.map_err(|(key, what)| about(&format!("message.{key}"), format!("[message] {what}")))?;
    let agent = typed.agent.check().map_err(|(key, what)| about(&format!("agent.{key}"), what))?;
    let machines = typed.machine.check().map_err(|(key, what)| about(&format!("machine.{key}"), what))?;
    let inbound = inbound::check(
        typed.inbound,
        typed.returning,
        &inbound::Around {
            callers: &callers,
            greeting: &greeting,
            keys: &keys,
            answers: agent.is_some() || transfer.is_some(),
        },
    );
    let inbound = inbound.map_err(|(key, what)| about(&key, what))?;
    let after = after::check(typed.transcript, typed.summary).map_err(|(key, what)| about(key, what))?;
    let max_call = typed.call.max.map_or(secs(300), |s| s.0);
    if !(secs(10)..=secs(4 * 3600)).contains(&max_call) {
        return Err(about("call.max", "[call] max is 10s to 4h".to_owned()));
    }
    let reason = typed.call.reason.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    if reason.as_ref().is_some_and(|text| text.chars().count() > REASON_CHARS) {
        return Err(about("call.reason", format!("[call] reason has at most {REASON_CHARS} characters")));
    }
    let dollars = typed.prices.per_minute.unwrap_or(0.0);
    if !(0.0..=100.0).contains(&dollars) {
        return Err(about("prices.per_minute", "[prices] per_minute is 0 to 100 dollars".to_owned()));
    }
    let (per_day, per_30_days) = (typed.caps.per_day.unwrap_or(3), typed.caps.per_30_days.unwrap_or(4));
    if per_day == 0 || per_30_days == 0 {
        return Err(about("caps", "[caps] per_day and per_30_days are at least 1: nobody could be called".to_owned()));
    }
    let paid = dollars > 0.0 || agent.is_some() || after.wanted() != AfterCall::default();
    let quota = check_limits(&typed.limits, paid).map_err(|(key, what)| about(&format!("limits.{key}"), what))?;
    let weight = typed.weight.unwrap_or(1);
    if !(1..=100).contains(&weight) {
        return Err(about("weight", format!("weight is 1 to 100, not {weight}")));
    }
    let segment = typed.segment.as_deref().map(Filter::read).transpose();
    let segment =
        segment.map_err(|fault| ConfigFault { hint: fault.hint.clone(), ..about("where", fault.to_string()) })?;
    Ok(Campaign {
        name,
        purpose: typed.purpose,
        carrier: typed.carrier.unwrap_or_else(|| "sim".to_owned()),
        weight,
        callers,
        senders,
        greeting,
        voice: Voice {
            engine: typed.voice.engine.unwrap_or_else(|| "pico".to_owned()),
            engines: typed.voice.engines,
            voices: typed.voice.voices,
            model: typed.voice.model,
            settings: typed.voice.settings,
            kind: typed.voice.kind,
            engine_models: BTreeMap::new(),
            ssml_engines: BTreeSet::new(),
        },
        agent,
        hours,
        retries: Retries {
            attempts,
            busy: typed.retries.busy.map_or(secs(20 * 60), |s| s.0),
            no_answer: typed.retries.no_answer.map_or(secs(2 * 3600), |s| s.0),
            failed: typed.retries.failed.map_or(secs(30 * 60), |s| s.0),
            voicemail: typed.retries.voicemail.map_or(secs(4 * 3600), |s| s.0),
            callback: typed.retries.callback.map_or(secs(2 * 3600), |s| s.0),
        },
        caps: Caps { per_day, per_30_days, gap: typed.caps.gap.map_or(secs(3600), |s| s.0) },
        vad,
        barge_in,
        machines,
        recording: typed.recording.by,
        after,
        reason,
        keys,
        message,
        inbound,
        transfer,
        max_call,
        listen_after: typed.call.listen_after.map_or(secs(4), |s| s.0),
        prices: Prices { per_minute: Money((dollars * 1_000_000.0).round() as i64) },
        countries: typed.countries,
        legal_name: typed.legal_name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()),
        quota,
        segment,
        narrowed_by: None,
        set_aside: BTreeMap::new(),
    })
}

fn check_limits(typed: &TypedLimits, paid: bool) -> Result<Quota, (&'static str, String)> {
    if typed.attempts == Some(0) || typed.minutes == Some(0) {
        return Err(("attempts", "[limits] of 0 would call nobody: leave the key out for no bound".to_owned()));
    }
    let spend = match typed.spend {
        None => None,
        Some(dollars) if !(dollars > 0.0 && dollars <= 1_000_000_000.0) => {
            return Err(("spend", "[limits] spend is dollars, more than 0".to_owned()));
        }
        // Without a price or a service nothing would ever be spent, and the bound would never bind.
        Some(_) if !paid => {
            return Err((
                "spend",
                "[limits] spend needs [prices] per_minute: without a price it never binds".to_owned(),
            ));
        }
        Some(dollars) => Some(Money((dollars * 1_000_000.0).round() as i64)),
    };
    Ok(Quota { attempts: typed.attempts, minutes: typed.minutes, spend })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Campaign, ConfigFault> {
        parse_campaign("welcome".parse().expect("a slug"), "campaigns/welcome/campaign.toml", text)
    }

    #[test]
    fn few_lines_are_enough_and_the_rest_is_strict() {
        let campaign = parse("callers = [\"+15005550006\"]\n[greeting]\nen = \"Hello\"\n").expect("valid");
        assert_eq!(campaign.purpose, Purpose::Marketing);
        assert_eq!((campaign.carrier.as_str(), campaign.voice.engine.as_str()), ("sim", "pico"));
        assert!(!campaign.hours.any && campaign.hours.days.len() == 5);
        assert_eq!((campaign.caps.per_day, campaign.keys.opt_out), (3, Some('9')));
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        let head = "callers = [\"+15005550006\"]\n";
        let fault = |text: &str| parse(&format!("{head}{text}")).expect_err("a mistake").to_string();
        assert!(fault("[greeting]\nen = \"Hi\"\nfallback = \"bg\"\n").contains(":4: [greeting] fallback is `bg`"));
        assert!(fault("[greeting]\nen = \"Hi\"\n[hours]\nstart = \"20:00\"\n").contains(":5:"));
        assert!(fault("[greeting]\nen = \"Hi\"\n[keys]\nopt_out = \"none\"\n").contains("opt-out key"));
        assert!(fault("[greetings]\nen = \"Hi\"\n").contains("did you mean `greeting`?"));
        assert!(fault("[greeting]\n").contains("has no text"));
        assert!(fault("[greeting]\nen = \"Hi\"\n[limits]\nspend = 5.0\n").contains(":5: [limits] spend needs"));
        assert!(parse("[greeting]\nen = \"Hi\"\n").expect_err("no caller").to_string().contains("no caller number"));
    }
}
