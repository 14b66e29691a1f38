//! The words of a call's event log: one line an event, in the order of happening.

use serde::{Deserialize, Serialize};

use super::Answerer;
use super::over::Why;
use crate::core::cost::Usage;
use crate::core::wire::media::MediaFault;

/// One line of `events.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Milliseconds since the call's log began, on the boot clock.
    pub ms: u64,
    /// Milliseconds of inbound sound before it: its place in the recording.
    pub media_ms: u64,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum What {
    /// The carrier reported the answer.
    Answered,
    /// An add-on of the telephone system said something about the call.
    Hinted {
        /// `ringing`, `answered`, `ended` or `other`.
        word: String,
    },
    /// The stream began.
    Start {
        /// The carrier's id of the call.
        sid: Option<String>,
        /// Wall clock, RFC 3339.
        wall: String,
    },
    /// The first sound was written to the socket.
    FirstAudio {
        /// Microseconds since `start` was received.
        us: u64,
    },
    /// A clip was queued at the carrier.
    Play {
        /// Its key.
        clip: String,
        /// Its length.
        total_ms: u64,
        /// The marks sent with it, each after so many ms of the clip.
        marks_ms: Vec<u64>,
    },
    /// A mark came back.
    Mark {
        /// Its name.
        name: String,
        /// Whether it proves that the sound was played (false: flushed by `clear`, or unknown).
        played: bool,
    },
    /// A clip was played to its end, or cut.
    Heard {
        /// Its key.
        clip: String,
        /// How much of it.
        heard_ms: u64,
        /// Its length.
        total_ms: u64,
    },
    /// Speech began.
    SpeechOn {
        /// First chunk over the threshold.
        onset_ms: u64,
        /// The same, with the prefix.
        start_ms: u64,
    },
    /// Speech ended.
    SpeechOff {
        /// Where it began, with the prefix.
        start_ms: u64,
        /// Where it ended.
        end_ms: u64,
    },
    /// Speech stopped our playback.
    BargeIn {
        /// Where it began.
        onset_ms: u64,
    },
    /// Speech over our voice that did not stop it.
    Held {
        /// Where it began.
        onset_ms: u64,
        /// Why it did not.
        why: Why,
    },
    /// Our own voice comes back on the line: found out for the first time.
    Echo {
        /// So much later.
        delay_ms: u64,
        /// And so much quieter.
        loss_db: u32,
    },
    /// The carrier's queue was emptied.
    Clear,
    /// The agent's session is open and primed.
    AgentReady,
    /// The agent took the line.
    HandOver {
        /// The words that it was told were heard.
        heard: String,
        /// Whether they were cut.
        cut: bool,
        /// Sound of the callee that it got at once: what was said since the first words were over.
        owed_ms: u64,
        /// How long it had to be waited for, from the end of the first words.
        waited_ms: u64,
    },
    /// The agent goes on with the caller's own voice.
    Switched {
        /// Lines that were said before.
        said: u64,
    },
    /// The agent began a turn: its first sound was sent.
    AgentSpeaks {
        /// The turn.
        turn: String,
        /// Since the callee's last speech ended, or since the first words were over; `None`: nobody waited for it.
        after_ms: Option<u64>,
    },
    /// The words of a turn of the agent, heard or not.
    AgentSaid {
        /// The turn.
        turn: String,
        /// The words.
        text: String,
    },
    /// What the agent understood the callee to say.
    Understood {
        /// The words.
        text: String,
    },
    /// The agent was told that its turn was cut.
    AgentCut {
        /// The turn.
        turn: String,
        /// How much of it was heard.
        heard_ms: u64,
    },
    /// The agent stopped by its own ear.
    AgentStopped,
    /// The callee said something over the agent that did not stop it, and that it does not answer.
    PassedOver,
    /// The agent wants the call to end.
    AgentHangs,
    /// The callee is to be connected with somebody else: their wish, by key or by the agent.
    Transfer {
        /// The agent asked for it.
        agent: bool,
    },
    /// Something of the agent's failed.
    AgentFault {
        /// What.
        what: String,
    },
    /// There is no agent any more.
    AgentGone {
        /// Why.
        why: String,
    },
    /// What the agent used up in this call.
    AgentCost {
        /// Its model.
        model: String,
        /// What its provider counted, and what that costs by the dated table.
        usage: Usage,
    },
    /// Pieces of the callee's sound that the agent had no room for.
    AgentDeaf {
        /// How many so far.
        pieces: u64,
    },
    /// A key was pressed.
    Dtmf {
        /// Which.
        key: char,
    },
    /// The opt-out key was pressed; the suppression is on its way.
    OptOut,
    /// The suppression is durable.
    OptOutStored,
    /// The key for a call another time was pressed.
    CallBack,
    /// A machine's first words, as somebody put them down.
    MachineSaid {
        /// The words.
        text: String,
    },
    /// Who answered, new or corrected.
    Answerer {
        /// Who.
        who: Answerer,
    },
    /// A beep ended.
    Beep {
        /// Its frequency.
        hertz: u32,
        /// Its length.
        ms: u64,
    },
    /// The greeting was played to its end: the carrier is asked to record from here on.
    Record,
    /// Our message stands on the machine: it was played to its end.
    MessageLeft,
    /// A desk's menu is said.
    Menu,
    /// There was no cloned voice in time: the agent comes with its own.
    OwnVoice,
    /// The caller left a message.
    MessageTaken {
        /// It begins here in the recording.
        from_ms: u64,
        /// It ends here.
        to_ms: u64,
    },
    /// Messages that could not be used: the first, and then each tenth.
    BadMessage {
        /// Why.
        fault: MediaFault,
        /// How many so far.
        count: u64,
    },
    /// Sound is missing; silence stands in its place.
    Gap {
        /// How much.
        gap_ms: u64,
    },
    /// Chunks that the voice network had no time for.
    Unheard {
        /// How many so far.
        chunks: u64,
    },
    /// Parts of this log are missing: the recorder, or its disk, had no room for them.
    LogLost {
        /// Lines and seconds of sound.
        parts: u64,
    },
    /// The end.
    End {
        /// Why.
        cause: EndCause,
    },
}

/// Why a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndCause {
    /// The script was done; we hung up.
    Finished,
    /// The opt-out key; we hung up.
    OptedOut,
    /// The callee was connected with somebody else.
    Transferred,
    /// There was no agent, or none any more; we apologised and hung up.
    NoAgent,
    /// A machine answered; we hung up.
    Machine,
    /// The carrier said `stop`: the callee hung up, or the call ended otherwise.
    HungUp,
    /// The socket broke without `stop`.
    Lost,
    /// Too many unusable messages in a row.
    BadMessages,
    /// The carrier took nothing of what we sent.
    Stalled,
    /// The socket said nothing.
    Idle,
    /// `start` never came.
    NeverStarted,
    /// Its token was unknown, expired or used before.
    Refused,
    /// The longest call was reached.
    MaxCall,
    /// The program was stopped.
    Stopped,
}
