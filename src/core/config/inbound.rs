//! `[inbound]` and `[[returning]]` of a campaign: the desk that answers calls to its numbers.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Deserialize;

use super::hours::TypedHours;
use super::{Greeting, Hours, Keys, Span};
use crate::base::{Language, Phone, Slug};
use crate::core::inbound::WORDS;
use crate::core::lead::filter::Filter;

/// A desk.
#[derive(Debug, Clone, PartialEq)]
pub struct Inbound {
    /// The numbers that it answers: those of the campaign's callers unless others are named.
    pub numbers: Vec<Phone>,
    /// Calls at once; whoever calls beyond them hears the busy tone. Default 20, 1 to 1 000. Campaigns leave room for them.
    pub places: usize,
    /// What somebody hears of whom no language is known. Default: the greeting's fall-back, else its first language.
    pub language: Language,
    /// When the desk is open, and in which time zone (IANA); `None` = always.
    pub hours: Option<(Hours, String)>,
    /// Who speaks first.
    pub speaks_first: SpeaksFirst,
    /// What is offered after the first words; `None`: the agent takes the line.
    pub menu: Option<MenuPlan>,
    /// The caller's voice is cloned while they listen, and the agent speaks with it.
    pub clone: bool,
    /// What somebody gets who asks for the agent before their voice is there.
    pub option: VoiceOption,
    /// A promised call is given up after this time. Default 1 h, 1 min to 12 h.
    pub call_back_within: Duration,
    /// How long somebody who asked for the agent waits for it. Default 30 s, 1 s to 120 s.
    pub wait: Duration,
    /// Between two words of comfort while they wait. Default 8 s, 2 s to 60 s.
    pub comfort: Duration,
    /// What happens when there is no voice in time.
    pub failing: Failing,
    /// Callers may leave a message.
    pub message: MessagePlan,
    /// Phrases for callers with open tickets: the first that fits is played in place of the greeting.
    pub returning: Vec<Returning>,
}

/// Who speaks first on a call to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpeaksFirst {
    /// We, the instant the call is there.
    #[default]
    We,
    /// They: we listen for a second, and to their "hello" if they say it.
    They,
}

/// A menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MenuPlan {
    /// The key for the agent (or whom `[transfer]` names). Default 1.
    pub go_on: char,
    /// The key for a message. Default 2; `None` = no message.
    pub message: Option<char>,
    /// How long a key is waited for after the menu was said. Default 8 s, 1 s to 60 s.
    pub wait: Duration,
    /// How often it is said again to somebody who presses nothing. Default 1, 0 to 5.
    pub again: u32,
    /// What follows if no key is ever pressed.
    pub no_key: NoKey,
}

/// What follows if nobody presses a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoKey {
    /// As after the key for the agent.
    #[default]
    GoOn,
    /// As after the key for a message.
    Message,
    /// Our goodbye.
    Goodbye,
}

/// What somebody gets who asks for the agent before their voice is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VoiceOption {
    /// They wait for it.
    #[default]
    Menu,
    /// They are called back with it.
    CallBack,
    /// The agent comes at once with its own voice, and changes it when theirs is there.
    Switch,
}

/// What happens when a cloned voice is not there in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failing {
    /// The agent speaks with its own voice.
    #[default]
    OwnVoice,
    /// They may leave a message.
    Message,
}

/// How a message is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessagePlan {
    /// Longest message. Default 2 min, 5 s to 10 min.
    pub most: Duration,
    /// It is over after this much silence. Default 4 s, 1 s to 30 s.
    pub silence: Duration,
}

/// A phrase for callers with an open ticket.
#[derive(Debug, Clone, PartialEq)]
pub struct Returning {
    /// Whom it fits: asked of each of their open tickets.
    pub when: Filter,
    /// The phrase's key.
    pub say: Slug,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TypedInbound {
    numbers: Vec<String>,
    places: Option<usize>,
    language: Option<String>,
    hours: Option<TypedOpen>,
    speaks_first: SpeaksFirst,
    menu: Option<TypedMenu>,
    clone: bool,
    option: VoiceOption,
    call_back_within: Option<Span>,
    wait: Option<Span>,
    comfort: Option<Span>,
    failing: Failing,
    message: TypedMessage,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct TypedOpen {
    start: Option<String>,
    end: Option<String>,
    days: Option<Vec<String>>,
    zone: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct TypedMenu {
    go_on: Option<char>,
    message: Option<String>,
    wait: Option<Span>,
    again: Option<u32>,
    no_key: NoKey,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TypedMessage {
    most: Option<Span>,
    silence: Option<Span>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TypedReturning {
    when: String,
    say: Slug,
}

/// What else of the campaign a desk has to agree with.
pub(super) struct Around<'a> {
    pub callers: &'a [Phone],
    pub greeting: &'a Greeting,
    pub keys: &'a Keys,
    /// There is an agent, or somebody to be connected with.
    pub answers: bool,
}

/// Checks both sections. Errors: the key, and what is wrong with it.
pub(super) fn check(
    typed: Option<TypedInbound>,
    returning: Vec<TypedReturning>,
    around: &Around<'_>,
) -> Result<Option<Inbound>, (String, String)> {
    let fault = |key: &str, what: String| (format!("inbound.{key}"), format!("[inbound] {what}"));
    let Some(typed) = typed else {
        return match returning.is_empty() {
            true => Ok(None),
            false => Err(("returning".to_owned(), "[[returning]] needs [inbound]: nobody answers".to_owned())),
        };
    };
    let span = |key: &str, typed: Option<Span>, usual: u64, most: u64| match typed.map(|span| span.0) {
        None => Ok(Duration::from_secs(usual)),
        Some(span) if (Duration::from_secs(1)..=Duration::from_secs(most)).contains(&span) => Ok(span),
        Some(_) => Err(fault(key, format!("{key} is 1s to {most}s"))),
    };
    let mut numbers = BTreeSet::new();
    for number in &typed.numbers {
        let phone = Phone::from_e164(number.trim());
        numbers.insert(phone.map_err(|_| fault("numbers", "a number is not E.164 (+ and 7 to 15 digits)".to_owned()))?);
    }
    let numbers = if numbers.is_empty() { around.callers.to_vec() } else { numbers.into_iter().collect() };
    let places = typed.places.unwrap_or(20);
    if !(1..=1_000).contains(&places) {
        return Err(fault("places", format!("places is 1 to 1000, not {places}")));
    }
    let language = match &typed.language {
        Some(tag) => {
            let language: Language = tag.parse().map_err(|error| fault("language", format!("{error}")))?;
            if !around.greeting.texts.contains_key(&language) {
                return Err(fault("language", format!("language is `{language}`, and [greeting] has no text in it")));
            }
            language
        }
        None => {
            around.greeting.fallback.clone().or_else(|| around.greeting.texts.keys().next().cloned()).expect("a text")
        }
    };
    let hours = typed.hours.map(|open| open.check().map_err(|(key, what)| fault(&format!("hours.{key}"), what)));
    let message = typed.message.check().map_err(|(key, what)| fault(&format!("message.{key}"), what))?;
    let menu = typed.menu.map(|menu| menu.check(around)).transpose();
    let menu = menu.map_err(|(key, what)| fault(&format!("menu.{key}"), what))?;
    if typed.clone && !around.answers {
        return Err(fault("clone", "clone needs an [agent]: nobody would speak with the voice".to_owned()));
    }
    let within = typed.call_back_within.map_or(Duration::from_secs(3_600), |span| span.0);
    if !(Duration::from_secs(60)..=Duration::from_secs(12 * 3_600)).contains(&within) {
        return Err(fault("call_back_within", "call_back_within is 1m to 12h".to_owned()));
    }
    if typed.option == VoiceOption::Switch && !typed.clone {
        return Err(fault(
            "option",
            "option = \"switch\" needs clone = true: there is no voice to change to".to_owned(),
        ));
    }
    if typed.option == VoiceOption::CallBack {
        if !typed.clone || menu.is_none() {
            let what = "option = \"call-back\" needs clone = true and [inbound.menu]: a key asks for the call";
            return Err(fault("option", what.to_owned()));
        }
        if typed.failing == Failing::Message {
            let what = "failing = \"message\" and option = \"call-back\": a call that was promised is made, if need be \
                        with the agent's own voice";
            return Err(fault("failing", what.to_owned()));
        }
    }
    let mut rules = Vec::new();
    for (at, rule) in returning.into_iter().enumerate() {
        let when = Filter::read_with(&rule.when, &WORDS);
        let when = when.map_err(|fault| ("returning".to_owned(), format!("[[returning]] {}: {fault}", at + 1)))?;
        rules.push(Returning { when, say: rule.say });
    }
    Ok(Some(Inbound {
        numbers,
        places,
        language,
        hours: hours.transpose()?,
        speaks_first: typed.speaks_first,
        menu,
        clone: typed.clone,
        option: typed.option,
        call_back_within: within,
        wait: span("wait", typed.wait, 30, 120)?,
        comfort: span("comfort", typed.comfort, 8, 60)?.max(Duration::from_secs(2)),
        failing: typed.failing,
        message,
        returning: rules,
    }))
}

impl TypedOpen {
    fn check(self) -> Result<(Hours, String), (&'static str, String)> {
        let zone = self.zone.ok_or_else(|| {
            ("zone", "hours needs zone = \"Europe/Sofia\": whose clock its times are told by".to_owned())
        })?;
        if crate::core::dial::zones::zone(&zone).is_err() {
            return Err(("zone", format!("`{zone}` is no time zone: write one such as Europe/Sofia")));
        }
        let hours = TypedHours { start: self.start, end: self.end, days: self.days, any: false };
        Ok((hours.check()?, zone))
    }
}

impl TypedMessage {
    /// Errors: the key, and what is wrong with it.
    pub(super) fn check(self) -> Result<MessagePlan, (&'static str, String)> {
        let span = |key: &'static str, typed: Option<Span>, usual: u64, least: u64, most: u64| {
            let span = typed.map_or(Duration::from_secs(usual), |span| span.0);
            match (Duration::from_secs(least)..=Duration::from_secs(most)).contains(&span) {
                true => Ok(span),
                false => Err((key, format!("{key} of a message is {least}s to {most}s"))),
            }
        };
        Ok(MessagePlan {
            most: span("most", self.most, 120, 5, 600)?,
            silence: span("silence", self.silence, 4, 1, 30)?,
        })
    }
}

impl TypedMenu {
    fn check(self, around: &Around<'_>) -> Result<MenuPlan, (&'static str, String)> {
        let key = |name: &'static str, key: char| match key {
            '0'..='9' | '*' | '#' => Ok(key),
            other => Err((name, format!("{name} is one of 0-9 * #, not `{other}`"))),
        };
        let go_on = key("go_on", self.go_on.unwrap_or('1'))?;
        let message = match self.message.as_deref() {
            None => Some('2'),
            Some("none") => None,
            Some(text) => {
                let mut keys = text.chars();
                let one = keys.next().filter(|_| keys.next().is_none());
                Some(key("message", one.ok_or_else(|| ("message", format!("message is one key, not `{text}`")))?)?)
            }
        };
        if !around.answers {
            return Err(("go_on", "menu needs an [agent] or [transfer] to: nobody would come to the line".to_owned()));
        }
        let mut own: Vec<char> = [Some(go_on), message].into_iter().flatten().chain(around.keys.all()).collect();
        own.sort_unstable();
        if let Some(pair) = own.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(("go_on", format!("`{}` means two things: see [keys]", pair[0])));
        }
        let again = self.again.unwrap_or(1);
        let wait = self.wait.map_or(Duration::from_secs(8), |span| span.0);
        if again > 5 || !(Duration::from_secs(1)..=Duration::from_secs(60)).contains(&wait) {
            return Err(("wait", "wait is 1s to 60s, again 0 to 5".to_owned()));
        }
        if self.no_key == NoKey::Message && message.is_none() {
            return Err(("no_key", "no_key = \"message\", and no key is for a message".to_owned()));
        }
        Ok(MenuPlan { go_on, message, wait, again, no_key: self.no_key })
    }
}
