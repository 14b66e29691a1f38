//! The realtime agent behind a call: what the call tells it, what it tells the call, and how each provider says so.
//!
//! Pure: a provider's machine takes messages and gives messages; `edge/agent` has the sockets, `run/agent` carries
//! between them and the call.

mod echo;
mod elevenlabs;
mod gemini;
mod openai;
mod prompt;
mod recent;

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use crate::base::limits;
use crate::base::text::printable;
use crate::core::config::Vad;
use crate::core::cost::Usage;

pub use echo::Echo;
pub use elevenlabs::ElevenLabs;
pub use gemini::GeminiLive;
pub use openai::{OpenAiRealtime, turn_detection};
pub use prompt::{Prompt, PromptFault, PromptText};
pub use recent::Recent;

/// What a call tells its agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToAgent {
    /// The line is the agent's. This much of the first words was heard; `cut`: the callee spoke over the rest.
    TakeOver {
        /// The words that were heard in full.
        heard: String,
        /// Whether they were cut.
        cut: bool,
    },
    /// The line is the agent's in the midst of a conversation: a session with another voice has led it so far.
    Resume(Vec<Line>),
    /// The callee's sound: µ-law, 8 000 Hz.
    Sound(Vec<u8>),
    /// The callee has begun a turn that counts: speech that nothing of ours sounded over, or that stopped it.
    TurnBegins {
        /// Where, in milliseconds before the end of the sound that was given.
        back_ms: u64,
    },
    /// That turn is over, by our own ear.
    TurnEnds,
    /// The provider's ear found a turn's end, and nobody speaks: answer.
    Answer,
    /// The person asked for the agent, by a key, and waits: speak first.
    Begin,
    /// The callee spoke over this turn of the agent: so much of it was heard. Stop.
    Cut {
        /// The agent's turn.
        turn: Arc<str>,
        /// Milliseconds of it that were heard, by the carrier's marks.
        heard_ms: u64,
    },
}

/// What was said by one of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Who.
    pub who: Speaker,
    /// The words, as far as they are known.
    pub text: String,
    /// The other one spoke over the rest.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

/// Who said something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    /// The agent, whichever its voice; or our first words.
    Agent,
    /// The person on the line.
    Person,
}

/// What an agent tells its call.
#[derive(Debug, Clone, PartialEq)]
pub enum FromAgent {
    /// Its session is open and knows its task; it is silent until [`ToAgent::TakeOver`].
    Ready,
    /// Its voice: µ-law, 8 000 Hz.
    Sound {
        /// Which turn it belongs to.
        turn: Arc<str>,
        /// The samples.
        ulaw: Vec<u8>,
    },
    /// No more sound of this turn comes.
    Whole {
        /// The turn.
        turn: Arc<str>,
    },
    /// The words of a turn of its own.
    Said {
        /// The turn.
        turn: Arc<str>,
        /// What it says, heard or not.
        text: String,
    },
    /// What it understood the callee to say.
    Understood {
        /// The words.
        text: String,
    },
    /// Its ear found that the callee's turn is over; it waits for [`ToAgent::Answer`].
    TurnOver,
    /// It has stopped speaking by its own ear: what it has sent of its turn is void.
    Interrupted,
    /// It wants the call to end when its words have been heard.
    Hangs,
    /// It wants the callee to be connected with a person.
    Transfers,
    /// What its provider counted since the last word about it.
    Usage(Usage),
    /// Something failed; the session goes on.
    Fault {
        /// What, made safe to print.
        what: String,
    },
    /// There is no agent any more.
    Gone {
        /// Why, made safe to print.
        why: String,
    },
}

/// How a session begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Opening {
    /// The provider's model.
    pub model: String,
    /// The provider's voice; `None` = its default.
    pub voice: Option<String>,
    /// What the agent is told to do.
    pub prompt: Prompt,
    /// The call's language, a lower-case tag.
    pub language: String,
    /// What counts as speech and as the end of it.
    pub vad: Vad,
    /// Model that writes down what the callee says; `None` = nobody does.
    pub transcribe: Option<String>,
    /// It may have the callee connected with a person.
    pub transfers: bool,
}

/// Whether a voice is one of the account's own (OpenAI, Gemini), which is named by its id and in another place than the
/// vendor's.
fn is_custom(voice: &str) -> bool {
    voice.starts_with("voice_") || voice.starts_with("voicekey_")
}

/// What a machine wants done: messages to its provider, words to its call.
#[derive(Debug, Default)]
pub struct Outbox {
    /// JSON texts, in order.
    pub wire: Vec<String>,
    /// Words to the call, in order.
    pub call: Vec<FromAgent>,
    /// Its connection ends soon: go on over another one.
    pub reconnect: bool,
}

/// A provider's protocol. One suite for all of them.
pub trait Machine: Send {
    /// The connection is up.
    fn opened(&mut self, out: &mut Outbox);
    /// A message of the provider. A machine that tells [`FromAgent::Gone`] is not asked again.
    fn received(&mut self, text: &str, out: &mut Outbox);
    /// The call says something.
    fn told(&mut self, what: ToAgent, out: &mut Outbox);
    /// The connection has ended, with a code of RFC 6455 if one was given.
    fn closed(&mut self, _code: Option<u16>) -> Closed {
        Closed::Gone
    }
}

/// What the end of a connection means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// There is no agent any more.
    Gone,
    /// The session goes on over another connection.
    Again,
    /// The agent ends the call.
    Hung,
}

/// What an agent may do beside speaking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    EndCall,
    Transfer,
}

impl Tool {
    /// What it may do in a call.
    fn allowed(transfers: bool) -> &'static [Tool] {
        if transfers { &[Tool::EndCall, Tool::Transfer] } else { &[Tool::EndCall] }
    }

    fn name(self) -> &'static str {
        match self {
            Tool::EndCall => "end_call",
            Tool::Transfer => "transfer",
        }
    }

    /// Its declaration, as OpenAI and Google take it. It has no arguments: whom a callee is connected with is the campaign's.
    fn declared(self) -> Value {
        let description = match self {
            Tool::EndCall => "Ends the call. Say goodbye first.",
            Tool::Transfer => "Connects the person with a human colleague, if they want one.",
        };
        json!({
            "name": self.name(), "description": description,
            "parameters": { "type": "object", "properties": {} },
        })
    }

    /// The tool of a name, if it is allowed.
    fn called(name: &str, transfers: bool) -> Option<Tool> {
        Tool::allowed(transfers).iter().copied().find(|tool| tool.name() == name)
    }

    /// What the call is told.
    fn word(self) -> FromAgent {
        match self {
            Tool::EndCall => FromAgent::Hangs,
            Tool::Transfer => FromAgent::Transfers,
        }
    }
}

/// A service's words, short and safe to print.
fn words(text: &str) -> String {
    printable(&text.chars().take(limits::SERVICE_WORDS).collect::<String>())
}

impl Outbox {
    fn send(&mut self, message: Value) {
        self.wire.push(message.to_string());
    }
}

/// What a call needs to know about its agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentPlan {
    /// Who waits for an agent that is not ready when the first words are over, hears an apology after this long.
    pub wait: Duration,
    /// When nobody has said anything for so long, we say goodbye.
    pub silence: Duration,
}

#[cfg(test)]
mod tests;
