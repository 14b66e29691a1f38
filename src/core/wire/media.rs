//! Twilio Media Streams: text messages ↔ our words, no sockets.
//!
//! Strict in what it needs, forgiving of events and fields it does not know, and of carriers that write counters as
//! numbers or leave them out (SignalWire, Telnyx). Nothing is allocated for an inbound frame: texts are borrowed and
//! the sound goes into the caller's buffer.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::base::limits;

/// One message of the carrier.
#[derive(Debug, Clone, PartialEq)]
pub struct Inbound<'a> {
    /// Counts all messages of the stream, where the carrier counts.
    pub sequence: Option<u64>,
    /// What it says.
    pub event: Event<'a>,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq)]
pub enum Event<'a> {
    /// The socket is up; no stream yet.
    Connected,
    /// The stream begins.
    Start(Start),
    /// A piece of the callee's sound.
    Media(Frame<'a>),
    /// A key was pressed.
    Dtmf(char),
    /// Playback has reached our mark, or the mark was flushed by `clear`.
    Mark(Cow<'a, str>),
    /// The call or the stream has ended.
    Stop,
    /// An event that we do not know, or sound of a track that we do not want: passed over.
    Other,
}

/// The stream's beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The stream's id, part of everything we send.
    pub stream: String,
    /// The call's id.
    pub call: Option<String>,
    /// What our TwiML gave the stream, the attempt's token among it.
    pub parameters: BTreeMap<String, String>,
    /// How its carrier spells messages.
    pub spelling: Spelling,
}

/// How a carrier spells its messages, and wants ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Spelling {
    /// `streamSid` in each message, as Twilio and SignalWire.
    #[default]
    Camel,
    /// `stream_id` in theirs; nothing in ours but the event and its object, as Telnyx.
    Snake,
}

/// A piece of inbound sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Milliseconds on the carrier's clock of this stream; the first is not zero.
    pub timestamp: Option<u64>,
    /// Counts the frames of the stream.
    pub chunk: Option<u64>,
    /// µ-law, 8 000 Hz, base64.
    pub payload: Cow<'a, str>,
}

/// Why a message is not usable. The stream goes on without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum MediaFault {
    /// Longer than [`limits::MEDIA_MESSAGE_BYTES`].
    #[error("the message is too long")]
    TooLong,
    /// Nested deeper than [`limits::MEDIA_DEPTH`].
    #[error("the message is nested too deep")]
    TooDeep,
    /// Not JSON, no `event`, a needed part missing or of the wrong kind, a key twice.
    #[error("the message is malformed")]
    Malformed,
    /// The payload is no base64, or empty.
    #[error("the payload is not base64")]
    BadPayload,
    /// Another codec than µ-law, 8 000 Hz, one channel.
    #[error("the stream is not µ-law, 8 000 Hz, mono")]
    WrongFormat,
    /// A message that makes no sense now: media before `start`, a second `start`.
    #[error("the message is out of place")]
    OutOfPlace,
}

/// A counter, written as a number or as decimal text.
#[derive(Clone, Copy)]
struct Counter(u64);

impl<'de> Deserialize<'de> for Counter {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Counter, D::Error> {
        struct Door;
        impl Visitor<'_> for Door {
            type Value = Counter;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a count, as a number or decimal text")
            }
            fn visit_u64<E: Error>(self, count: u64) -> Result<Counter, E> {
                Ok(Counter(count))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Counter, E> {
                text.parse().map(Counter).map_err(|_| E::custom("not a count"))
            }
        }
        from.deserialize_any(Door)
    }
}

#[derive(Deserialize)]
struct RawMessage<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(alias = "sequence_number", rename = "sequenceNumber")]
    sequence: Option<Counter>,
    #[serde(borrow, rename = "streamSid")]
    stream: Option<Cow<'a, str>>,
    #[serde(borrow)]
    stream_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    start: Option<&'a RawValue>,
    #[serde(borrow)]
    media: Option<&'a RawValue>,
    #[serde(borrow)]
    dtmf: Option<&'a RawValue>,
    #[serde(borrow)]
    mark: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RawMedia<'a> {
    #[serde(borrow)]
    track: Option<Cow<'a, str>>,
    chunk: Option<Counter>,
    timestamp: Option<Counter>,
    #[serde(borrow)]
    payload: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawStart {
    #[serde(alias = "stream_id")]
    stream_sid: Option<String>,
    #[serde(alias = "call_control_id")]
    call_sid: Option<String>,
    #[serde(alias = "media_format")]
    media_format: Option<RawFormat>,
    #[serde(alias = "custom_parameters")]
    custom_parameters: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawFormat {
    encoding: Option<String>,
    #[serde(alias = "sample_rate")]
    sample_rate: Option<Counter>,
    channels: Option<Counter>,
}

#[derive(Deserialize)]
struct RawDtmf<'a> {
    #[serde(borrow)]
    digit: Cow<'a, str>,
}

#[derive(Deserialize)]
struct RawMark<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

/// Reads one text message of the carrier.
pub fn parse(text: &str) -> Result<Inbound<'_>, MediaFault> {
    if text.len() > limits::MEDIA_MESSAGE_BYTES {
        return Err(MediaFault::TooLong);
    }
    check_depth(text)?;
    let raw: RawMessage = serde_json::from_str(text).map_err(|_| MediaFault::Malformed)?;
    let event = match raw.event.as_ref() {
        "media" => {
            let media: RawMedia = inner(raw.media)?;
            match media.track.as_deref() {
                None | Some("inbound" | "inbound_track") => Event::Media(Frame {
                    timestamp: media.timestamp.map(|count| count.0),
                    chunk: media.chunk.map(|count| count.0),
                    payload: media.payload,
                }),
                Some(_) => Event::Other,
            }
        }
        "mark" => Event::Mark(inner::<RawMark>(raw.mark)?.name),
        "dtmf" => {
            let digit = inner::<RawDtmf>(raw.dtmf)?.digit;
            let mut keys = digit.chars();
            match (keys.next(), keys.next()) {
                (Some(key), None) if "0123456789*#ABCD".contains(key) => Event::Dtmf(key),
                _ => return Err(MediaFault::Malformed),
            }
        }
        "start" => {
            let spelling =
                if raw.stream.is_none() && raw.stream_id.is_some() { Spelling::Snake } else { Spelling::Camel };
            let stream = raw.stream.as_deref().or(raw.stream_id.as_deref());
            Event::Start(Start { spelling, ..check_start(inner(raw.start)?, stream)? })
        }
        "connected" => Event::Connected,
        "stop" => Event::Stop,
        _ => Event::Other,
    };
    Ok(Inbound { sequence: raw.sequence.map(|count| count.0), event })
}

fn inner<'a, T: Deserialize<'a>>(part: Option<&'a RawValue>) -> Result<T, MediaFault> {
    let part = part.ok_or(MediaFault::Malformed)?;
    serde_json::from_str(part.get()).map_err(|_| MediaFault::Malformed)
}

fn check_start(raw: RawStart, envelope: Option<&str>) -> Result<Start, MediaFault> {
    let stream = raw.stream_sid.or(envelope.map(str::to_owned)).ok_or(MediaFault::Malformed)?;
    if stream.is_empty() || stream.len() > 128 {
        return Err(MediaFault::Malformed);
    }
    if let Some(format) = raw.media_format {
        let ulaw = format.encoding.is_none_or(|it| matches!(it.as_str(), "audio/x-mulaw" | "PCMU"));
        let rate = format.sample_rate.is_none_or(|it| it.0 == 8_000);
        if !ulaw || !rate || format.channels.is_some_and(|it| it.0 != 1) {
            return Err(MediaFault::WrongFormat);
        }
    }
    let parameters = raw.custom_parameters.unwrap_or_default();
    Ok(Start { stream, call: raw.call_sid, parameters, spelling: Spelling::Camel })
}

/// Few brackets cannot be deep; only a message with many of them is looked at closely.
fn check_depth(text: &str) -> Result<(), MediaFault> {
    let opens = text.bytes().map(|byte| usize::from(byte == b'{') + usize::from(byte == b'[')).sum::<usize>();
    if opens <= limits::MEDIA_DEPTH {
        return Ok(());
    }
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => depth += 1,
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > limits::MEDIA_DEPTH {
            return Err(MediaFault::TooDeep);
        }
    }
    Ok(())
}

/// Decodes a payload into `sound`, which is emptied first and keeps its memory.
pub fn decode_payload(payload: &str, sound: &mut Vec<u8>) -> Result<(), MediaFault> {
    sound.clear();
    STANDARD.decode_vec(payload, sound).map_err(|_| MediaFault::BadPayload)?;
    if sound.is_empty() { Err(MediaFault::BadPayload) } else { Ok(()) }
}

/// The part of a `media` message after the stream's id: prepared once, sent on any stream.
pub fn media_tail(ulaw: &[u8]) -> String {
    format!(",\"media\":{{\"payload\":\"{}\"}}}}", STANDARD.encode(ulaw))
}

/// Writes messages of one stream.
#[derive(Debug, Clone)]
pub struct Writer {
    /// The stream's id as a part of a JSON object, with its name and the comma before it; empty where it has no place.
    stream: String,
}

impl Writer {
    /// A writer for the stream of this id, as Twilio wants it.
    pub fn new(stream: &str) -> Writer {
        let quoted = serde_json::Value::String(stream.to_owned()).to_string();
        Writer { stream: format!(",\"streamSid\":{quoted}") }
    }

    /// A writer for a stream, as its carrier wants it.
    pub fn of(start: &Start) -> Writer {
        match start.spelling {
            Spelling::Camel => Writer::new(&start.stream),
            Spelling::Snake => Writer { stream: String::new() },
        }
    }

    /// Sound; `tail` is made by [`media_tail`].
    pub fn media(&self, tail: &str) -> String {
        let mut text = String::with_capacity(32 + self.stream.len() + tail.len());
        text.push_str("{\"event\":\"media\"");
        text.push_str(&self.stream);
        text.push_str(tail);
        text
    }

    /// A mark: comes back when playback reaches it.
    pub fn mark(&self, name: &str) -> String {
        let name = serde_json::Value::String(name.to_owned());
        format!("{{\"event\":\"mark\"{},\"mark\":{{\"name\":{name}}}}}", self.stream)
    }

    /// Empties the carrier's queue; it echoes every pending mark.
    pub fn clear(&self) -> String {
        format!("{{\"event\":\"clear\"{}}}", self.stream)
    }
}

#[cfg(test)]
mod tests;
