//! The words between a stream's machine and whoever runs it: who owns the line, what happens, what shall be done, and what
//! it came to.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ear::Job;
use super::log::{EndCause, What};
use super::playout::Piece;
use super::{Answerer, CallScript, PreparedClip};
use crate::base::{Boot, Language};
use crate::core::agent::{FromAgent, ToAgent};
use crate::core::cost::Usage;
use crate::core::wire::media::{Inbound, MediaFault, Start};

/// Who owns the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Nobody yet: the socket is open, `start` or its check is outstanding.
    Opening,
    /// Our greeting.
    Greeting,
    /// The callee: we listen. Places are samples.
    Person {
        /// Listen until here, unless they speak.
        until: u64,
        /// Listen no longer than this.
        at_most: u64,
        /// What follows.
        then: Then,
    },
    /// Our bridge phrase, or silence: the first words are over and the agent is not ready.
    Bridge {
        /// No longer than this (samples).
        until: u64,
    },
    /// The agent and the callee.
    Agent,
    /// Our apology: there is no agent, or nobody to be connected with.
    Apology,
    /// The callee is being connected with somebody else.
    Transferring {
        /// Until then the carrier must have taken it.
        by: Boot,
        /// It has.
        taken: bool,
    },
    /// The opt-out is being made durable.
    StoringOptOut {
        /// Until then.
        by: Boot,
    },
    /// The opt-out's confirmation.
    Confirming,
    /// A caller's wish to be called back is being made durable.
    Promising {
        /// Until then.
        by: Boot,
    },
    /// Our goodbye.
    Goodbye,
    /// A machine that still talks: we wait for its beep.
    Machine {
        /// No longer than this (samples).
        until: u64,
    },
    /// Our message on the machine.
    Message,
    /// Our word to a machine that asks who calls.
    Introducing,
    /// It has our word, and may put its owner through. Places are samples.
    Screened {
        /// No longer than this.
        until: u64,
        /// It has said something since: whoever speaks next is its owner.
        replied: bool,
    },
    /// A desk's menu, or the wait for a key.
    Menu {
        /// How often it was said again.
        said: u32,
        /// A key is waited for until here (samples); `None`: it is being said.
        until: Option<u64>,
    },
    /// We ask for a message.
    AskMessage,
    /// The caller, who leaves a message. Places are samples.
    Taking {
        /// It began here.
        from: u64,
        /// It ends here at the latest.
        until: u64,
    },
    /// Our thanks for it.
    MessageTaken,
    /// Nobody any more.
    Over,
}

impl Owner {
    /// Whether speech over our voice stops it.
    pub fn can_be_stopped(self) -> bool {
        matches!(self, Owner::Greeting | Owner::Goodbye | Owner::Bridge { .. } | Owner::Agent)
    }
}

/// What follows when the callee has spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// The greeting once more: a "hello?" at pick-up cut it before it had said anything.
    Greet,
    /// The desk's menu.
    Menu,
    /// Our goodbye.
    Goodbye,
    /// The end at once.
    End,
}

/// What happens to a stream.
pub enum Event<'a> {
    /// A message came.
    Message(Result<Inbound<'a>, MediaFault>),
    /// The answer to [`Command::Claim`].
    Claimed(Option<Arc<CallScript>>),
    /// The answer to [`Command::Judge`].
    Judged(Box<Job>),
    /// The carrier says who answered.
    AnsweredBy(Answerer),
    /// The answer to [`Command::OptOut`].
    OptOutStored,
    /// The answer to [`Command::Understand`]: the words, if anybody understood them.
    Words(Option<String>),
    /// The agent says something.
    Agent(FromAgent),
    /// The session with the caller's own voice says something: one that waits to take over.
    NextAgent(FromAgent),
    /// The answer to [`Command::Transfer`]: whether the carrier has taken it.
    Transferred(bool),
    /// The answer to [`Command::Promise`]: whether they will be called.
    Promised(bool),
    /// A timeout of [`Session::next_timeout`](super::session::Session::next_timeout) may have come.
    Tick,
    /// The stream is over for a reason from outside.
    Ended(EndCause),
}

/// What the runner shall do.
pub enum Command {
    /// Check the token in the start's parameters; answer with [`Event::Claimed`].
    Claim(Start),
    /// Send the clip ahead, with its marks named by this number ([`super::playout::mark_name`]).
    Play(u32, Arc<PreparedClip>),
    /// Send a piece of the agent's voice.
    Say(Piece),
    /// Tell the agent.
    Agent(ToAgent),
    /// From here on the session that waited is the agent; the one before ends.
    Switch,
    /// Put a machine's first words down, µ-law; answer with [`Event::Words`].
    Understand(Language, Vec<u8>),
    /// Connect the callee with whom the campaign names; answer with [`Event::Transferred`].
    Transfer,
    /// Drop what has not been sent, then send `clear`.
    Clear,
    /// Run the network; answer with [`Event::Judged`].
    Judge(Box<Job>),
    /// There is no cloned voice in time: let the agent come with its own.
    OwnVoice,
    /// Make the caller's wish to be called back durable; answer with [`Event::Promised`].
    Promise,
    /// Make the opt-out durable; answer with [`Event::OptOutStored`].
    OptOut,
    /// Let the carrier record from here on: what tells that the call is recorded has been played.
    Record,
    /// Write a line into the call's log.
    Log(What),
    /// Append sound to the recording: them and us, µ-law, equally long.
    Sound(Vec<u8>, Vec<u8>),
    /// Close the socket. Nothing follows.
    Close,
}

/// One stop of our playback by the callee. Milliseconds of inbound sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BargeInNote {
    /// Where the speech began.
    pub speech_onset_media_ms: u64,
    /// Where we were when `clear` left.
    pub clear_media_ms: u64,
    /// How much of the clip was heard.
    pub heard_ms: u64,
}

/// What a stream came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notes {
    /// How much of the greeting was heard.
    pub greeting_heard_ms: u64,
    /// Its length.
    pub greeting_total_ms: u64,
    /// Stops of our playback.
    pub barge_ins: Vec<BargeInNote>,
    /// The opt-out key was pressed.
    pub opted_out: bool,
    /// They want to be called another time.
    #[serde(default)]
    pub call_back: bool,
    /// All keys, in order.
    pub keys: String,
    /// Segments of speech: start and end, milliseconds of inbound sound.
    pub speech_segments: Vec<(u64, u64)>,
    /// Milliseconds of sound that never came.
    pub lost_media_ms: u64,
    /// Unusable messages.
    pub bad_messages: u64,
    /// Milliseconds of inbound sound.
    pub media_ms: u64,
    /// Who answered, as far as our ear or the carrier could tell.
    pub answerer: Option<Answerer>,
    /// Our message was played to its end after the beep.
    pub message_left: bool,
    /// The agent took the line.
    #[serde(default)]
    pub handed_over: bool,
    /// A desk's menu was heard so long before a key was pressed.
    #[serde(default)]
    pub menu_ms: Option<u64>,
    /// Somebody waited so long for the agent.
    #[serde(default)]
    pub waited_ms: Option<u64>,
    /// The agent speaks with the caller's own voice from here on, ms of inbound sound.
    #[serde(default)]
    pub switched_ms: Option<u64>,
    /// A message was left from here to there, ms of inbound sound.
    #[serde(default)]
    pub message: Option<(u64, u64)>,
    /// What the agent's provider counted.
    #[serde(default)]
    pub usage: Usage,
    /// Why it ended.
    pub cause: Option<EndCause>,
}
