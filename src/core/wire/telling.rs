//! Between a media leg and our session: the session's messages read, and what a leg tells it as a carrier's media stream. Pure.

use std::collections::VecDeque;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;

/// What our session says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ours {
    /// Sound, µ-law.
    Sound(Vec<u8>),
    /// A mark, by its name.
    Mark(String),
    /// What was sent is to be heard no more.
    Clear,
}

#[derive(Deserialize)]
struct Typed {
    event: String,
    media: Option<Media>,
    mark: Option<Mark>,
}

#[derive(Deserialize)]
struct Media {
    payload: String,
}

#[derive(Deserialize)]
struct Mark {
    name: String,
}

/// Reads a message of our session; `None`: it makes no sense.
pub(super) fn read(text: &str) -> Option<Ours> {
    let typed: Typed = serde_json::from_str(text).ok()?;
    match (typed.event.as_str(), typed.media, typed.mark) {
        ("media", Some(media), _) => STANDARD.decode(media.payload).ok().map(Ours::Sound),
        ("mark", _, Some(mark)) => Some(Ours::Mark(mark.name)),
        ("clear", _, _) => Some(Ours::Clear),
        (_, _, _) => None,
    }
}

/// What a leg tells our session.
pub struct Teller {
    stream: String,
    messages: VecDeque<String>,
    sequence: u64,
    /// Samples of the callee so far.
    heard: u64,
}

impl Teller {
    /// A stream that opens: its first messages are ready. `call`: the carrier's id of the call.
    pub fn new(stream: &str, call: &str) -> Teller {
        let mut teller = Teller { stream: stream.to_owned(), messages: VecDeque::new(), sequence: 0, heard: 0 };
        teller.messages.push_back(json!({ "event": "connected" }).to_string());
        let format = json!({ "encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1 });
        teller
            .say(json!({ "event": "start", "start": { "streamSid": stream, "callSid": call, "mediaFormat": format } }));
        teller
    }

    /// The next message for our session.
    pub fn message(&mut self) -> Option<String> {
        self.messages.pop_front()
    }

    /// The callee's sound, µ-law.
    pub fn heard(&mut self, ulaw: &[u8]) {
        let timestamp = (self.heard / 8).to_string();
        self.heard += ulaw.len() as u64;
        self.say(json!({
            "event": "media",
            "media": { "track": "inbound", "timestamp": timestamp, "payload": STANDARD.encode(ulaw) },
        }));
    }

    /// The callee pressed a key.
    pub fn key(&mut self, digit: char) {
        self.say(json!({ "event": "dtmf", "dtmf": { "digit": digit.to_string() } }));
    }

    /// A mark's place was played.
    pub fn mark(&mut self, name: String) {
        self.say(json!({ "event": "mark", "mark": { "name": name } }));
    }

    /// The stream is over.
    pub fn stop(&mut self) {
        self.say(json!({ "event": "stop", "stop": {} }));
    }

    fn say(&mut self, mut message: serde_json::Value) {
        self.sequence += 1;
        message["sequenceNumber"] = json!(self.sequence.to_string());
        message["streamSid"] = json!(self.stream);
        self.messages.push_back(message.to_string());
    }
}
