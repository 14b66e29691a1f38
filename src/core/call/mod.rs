//! One stream: what is played, what is heard, who owns the line, and what is written down about it.
//!
//! Pure: places are counted in samples of the inbound sound, never by arrival. `run/session` performs the commands.

use std::sync::Arc;
use std::time::Duration;

use crate::base::Language;
use crate::core::agent::AgentPlan;
use crate::core::asset::book::{SCREENING, VOICEMAIL};
use crate::core::config::{
    BargeIn, Detect, Failing, Keys, Machines, MenuPlan, MessagePlan, OnScreening, OnVoicemail, Recording, SpeaksFirst,
    Vad,
};

pub mod after;
pub mod answerer;
pub mod asked;
pub mod clip;
pub mod ear;
pub mod latency;
pub mod log;
pub mod over;
pub mod playout;
pub mod recording;
pub mod report;
pub mod session;
pub mod words;

pub use answerer::Answerer;
pub use clip::PreparedClip;
pub use log::{EndCause, Line, What};
pub use session::{Command, Event, Session};

/// All that a call needs, in memory before it is dialed.
#[derive(Debug, Clone)]
pub struct CallScript {
    /// The first words.
    pub greeting: Arc<PreparedClip>,
    /// Said after the opt-out key, once the suppression is durable.
    pub opt_out_confirmed: Option<Arc<PreparedClip>>,
    /// Said before we hang up.
    pub goodbye: Option<Arc<PreparedClip>>,
    /// The callee's keys.
    pub keys: Keys,
    /// What counts as speech.
    pub vad: Vad,
    /// What speech over our own voice does.
    pub barge_in: BargeIn,
    /// How long we listen after the greeting.
    pub listen_after: Duration,
    /// Longest call.
    pub max_call: Duration,
    /// What is done about machines.
    pub machines: MachinePlan,
    /// Who records the call.
    pub recording: Recording,
    /// The agent that takes the line after the first words; `None` = a broadcast.
    pub agent: Option<AgentPlan>,
    /// A desk's part, on calls to us.
    pub desk: Option<DeskScript>,
    /// Callees may be connected with somebody else.
    pub transfers: bool,
    /// Said when the first words are over and the agent is not ready, and while a callee is connected with somebody.
    pub bridge: Option<Arc<PreparedClip>>,
    /// Said when there is no agent.
    pub apology: Option<Arc<PreparedClip>>,
    /// Said after the key for a call another time; `None`: the key means nothing.
    pub call_back: Option<Arc<PreparedClip>>,
    /// How a message is taken; `None`: none is.
    pub message: Option<MessageScript>,
}

/// What a desk offers a caller after the first words.
#[derive(Debug, Clone)]
pub struct DeskScript {
    /// Nobody is there: the first words are all.
    pub closed: bool,
    /// Who speaks first.
    pub speaks_first: SpeaksFirst,
    /// The menu, and its sound; `None`: the agent takes the line.
    pub menu: Option<(MenuPlan, Arc<PreparedClip>)>,
    /// The agent waits for a cloned voice.
    pub clone: bool,
    /// How long somebody who asked for the agent waits for it.
    pub wait: Duration,
    /// Between two words of comfort while they wait.
    pub comfort: Duration,
    /// Those words.
    pub comforting: Option<Arc<PreparedClip>>,
    /// What happens when there is no voice in time.
    pub failing: Failing,
    /// Who asks for the agent before their voice is there is promised a call in these words; `None`: they wait.
    pub promise: Option<Arc<PreparedClip>>,
}

/// How a message is taken.
#[derive(Debug, Clone)]
pub struct MessageScript {
    /// How long it may be.
    pub plan: MessagePlan,
    /// Asks for it, and ends with a tone.
    pub ask: Arc<PreparedClip>,
    /// Thanks for it.
    pub taken: Arc<PreparedClip>,
}

/// What is done when a machine answers.
#[derive(Debug, Clone, Default)]
pub struct MachinePlan {
    /// A first utterance of this length is a machine's; `None`: nobody listens for machines.
    pub speech: Option<Duration>,
    /// Left on a voicemail after its beep; `None`: we hang up.
    pub message: Option<Arc<PreparedClip>>,
    /// Said to a machine that asks and then waits in silence; `None`: it gets what a voicemail gets.
    pub screening: Option<Arc<PreparedClip>>,
    /// Somebody puts a machine's first words down while the call goes on, in this language; `None`: nobody does.
    pub words: Option<Language>,
}

impl MachinePlan {
    /// As a campaign wants it; `clip`: its phrases. Nobody puts words down.
    pub fn of(machines: &Machines, clip: impl Fn(&str) -> Option<Arc<PreparedClip>>) -> MachinePlan {
        MachinePlan {
            speech: (machines.detect != Detect::Off).then_some(machines.speech),
            message: (machines.voicemail == OnVoicemail::Message).then(|| clip(VOICEMAIL)).flatten(),
            words: None,
            screening: (machines.screening == OnScreening::Line).then(|| clip(SCREENING)).flatten(),
        }
    }
}

pub use crate::core::sound::SAMPLES_PER_MS;
pub use crate::core::sound::g711::ULAW_SILENCE;
