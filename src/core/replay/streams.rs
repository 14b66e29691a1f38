//! Sound that others have logged: a carrier's media messages (Twilio and its like) and OpenAI's Realtime events, as JSON
//! lines -> one party's samples at 8 kHz.

use base64::Engine as _;
use serde_json::Value;

use crate::base::limits;
use crate::core::sound::resample::Stream;
use crate::core::sound::{Pcm, g711};

/// Whose voice is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The callee's: `inbound` media, what was appended to the agent's input.
    Them,
    /// Ours: `outbound` media, what the agent said.
    Us,
}

/// How OpenAI's sound is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    /// 24 kHz, 16 bits: what a session has that names nothing else.
    Pcm24,
    Ulaw,
    Alaw,
}

impl Coding {
    /// `g711_ulaw` or `{"type": "audio/pcmu"}`, the older and the newer spelling.
    fn of(format: &Value) -> Option<Coding> {
        match format.as_str().or_else(|| format["type"].as_str())? {
            "g711_ulaw" | "audio/pcmu" => Some(Coding::Ulaw),
            "g711_alaw" | "audio/pcma" => Some(Coding::Alaw),
            "pcm16" | "audio/pcm" => Some(Coding::Pcm24),
            _ => None,
        }
    }
}

struct Reading {
    side: Side,
    samples: Vec<i16>,
    /// Timestamp of the first media message of this side.
    first_ms: Option<u64>,
    coding: Coding,
    narrow: Stream,
}

/// Samples that a log may hold: as many as a WAV.
const MOST: usize = limits::WAV_BYTES / 2;

/// Reads a log. Lines of other kinds are passed over; a wrapper `{"event": {…}}` around OpenAI's events is looked into.
///
/// `Err` names the line: no JSON, sound that is no base64, more than fits. Media messages stand where their timestamps
/// have them, with silence where one is missing; OpenAI's have no times and follow each other.
pub fn read(text: &str, side: Side) -> Result<Pcm, String> {
    let narrow = Stream::new(24_000, 8_000);
    let mut reading = Reading { side, samples: Vec::new(), first_ms: None, coding: Coding::Pcm24, narrow };
    for (nth, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let message: Result<Value, _> = serde_json::from_str(line);
        let message = message.map_err(|error| format!("line {}: no JSON: {error}", nth + 1))?;
        reading.take(&message).map_err(|why| format!("line {}: {why}", nth + 1))?;
    }
    let rest = reading.narrow.flush();
    reading.samples.extend(rest);
    if reading.samples.is_empty() {
        let party = if side == Side::Them { "the callee" } else { "ours" };
        return Err(format!("no media message and no Realtime event in it has sound of {party}"));
    }
    Ok(Pcm { samples: reading.samples, rate: 8_000 })
}

fn bytes(payload: &Value) -> Result<Vec<u8>, String> {
    let payload = payload.as_str().ok_or("its sound is no text")?;
    base64::engine::general_purpose::STANDARD
        .decode(payload)
        .map_err(|error| format!("its sound is no base64: {error}"))
}

impl Reading {
    fn take(&mut self, message: &Value) -> Result<(), String> {
        if message["event"] == "media" {
            return self.media(&message["media"]);
        }
        let event = if message["type"].is_string() { message } else { &message["event"] };
        let ours = self.side == Side::Us;
        match event["type"].as_str() {
            Some("session.created" | "session.updated" | "session.update") => {
                let session = &event["session"];
                let (old, new) = match self.side {
                    Side::Them => ("input_audio_format", "input"),
                    Side::Us => ("output_audio_format", "output"),
                };
                let named = Coding::of(&session[old]).or_else(|| Coding::of(&session["audio"][new]["format"]));
                self.coding = named.unwrap_or(self.coding);
                Ok(())
            }
            Some("input_audio_buffer.append") if !ours => self.agent(&event["audio"]),
            Some("response.output_audio.delta" | "response.audio.delta") if ours => self.agent(&event["delta"]),
            Some(_) | None => Ok(()),
        }
    }

    fn agent(&mut self, payload: &Value) -> Result<(), String> {
        let bytes = bytes(payload)?;
        let more = match self.coding {
            Coding::Ulaw => g711::decode_ulaw(&bytes),
            Coding::Alaw => g711::decode_alaw(&bytes),
            Coding::Pcm24 => {
                let wide: Vec<i16> = bytes.as_chunks::<2>().0.iter().map(|it| i16::from_le_bytes(*it)).collect();
                self.narrow.push(&wide)
            }
        };
        self.keep(&more)
    }

    fn media(&mut self, media: &Value) -> Result<(), String> {
        let ours = media["track"] == "outbound";
        if ours != (self.side == Side::Us) {
            return Ok(());
        }
        let sound = g711::decode_ulaw(&bytes(&media["payload"])?);
        let time = &media["timestamp"];
        let time = time.as_u64().or_else(|| time.as_str().and_then(|it| it.parse().ok()));
        if let Some(time) = time {
            let first = *self.first_ms.get_or_insert(time);
            let place = usize::try_from(time.saturating_sub(first)).unwrap_or(usize::MAX).saturating_mul(8);
            // Timestamps jitter: less than two frames is no gap.
            if place >= self.samples.len() + 2 * sound.len().max(160) {
                if place > MOST {
                    return Err(format!("its timestamp is {time} ms, more than a recording may have"));
                }
                self.samples.resize(place, 0);
            }
        }
        self.keep(&sound)
    }

    fn keep(&mut self, more: &[i16]) -> Result<(), String> {
        if self.samples.len() + more.len() > MOST {
            return Err(format!("the log holds more than {MOST} samples"));
        }
        self.samples.extend_from_slice(more);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ulaw(code: u8, count: usize) -> String {
        base64::engine::general_purpose::STANDARD.encode(vec![code; count])
    }

    #[test]
    fn media_stand_where_their_timestamps_have_them_and_parties_stay_apart() {
        let log = format!(
            "{{\"event\":\"start\"}}\n{}\n{}\n\n{}\n",
            format_args!(
                r#"{{"event":"media","media":{{"track":"inbound","timestamp":"100","payload":"{}"}}}}"#,
                ulaw(0x00, 160)
            ),
            format_args!(
                r#"{{"event":"media","media":{{"track":"outbound","timestamp":"100","payload":"{}"}}}}"#,
                ulaw(0x10, 320)
            ),
            format_args!(
                r#"{{"event":"media","media":{{"track":"inbound","timestamp":"200","payload":"{}"}}}}"#,
                ulaw(0x00, 160)
            ),
        );
        let them = read(&log, Side::Them).expect("read");
        assert_eq!((them.rate, them.samples.len()), (8_000, 800 + 160));
        assert!(them.samples[160..800].iter().all(|it| *it == 0) && them.samples[800] != 0);
        assert_eq!(read(&log, Side::Us).expect("read").samples.len(), 320);
    }

    #[test]
    fn realtime_events_are_read_in_the_coding_that_their_session_names() {
        let append = format!(r#"{{"type":"input_audio_buffer.append","audio":"{}"}}"#, ulaw(0x20, 160));
        let update = r#"{"type":"session.update","session":{"audio":{"input":{"format":{"type":"audio/pcmu"}}}}}"#;
        assert_eq!(read(&format!("{update}\n{append}"), Side::Them).expect("read").samples.len(), 160);
        let wrapped = format!(r#"{{"at":1,"event":{append}}}"#);
        let old = r#"{"type":"session.created","session":{"input_audio_format":"g711_alaw"}}"#;
        assert_eq!(read(&format!("{old}\n{wrapped}"), Side::Them).expect("read").samples.len(), 160);
        // 24 kHz unless the session says another: 4,800 bytes are 100 ms.
        let wide = format!(r#"{{"type":"input_audio_buffer.append","audio":"{}"}}"#, ulaw(0x11, 4_800));
        let samples = read(&wide, Side::Them).expect("read").samples.len();
        assert!((780..=820).contains(&samples), "{samples}");
    }

    #[test]
    fn what_is_no_log_is_refused_with_its_line() {
        let far = format!(
            "{}\n{}",
            format_args!(r#"{{"event":"media","media":{{"timestamp":0,"payload":"{}"}}}}"#, ulaw(0, 160)),
            format_args!(r#"{{"event":"media","media":{{"timestamp":99999999999,"payload":"{}"}}}}"#, ulaw(0, 160)),
        );
        for (text, words) in [
            ("{}\nhello", "line 2: no JSON"),
            ("{\"type\":\"input_audio_buffer.append\",\"audio\":\"!\"}", "line 1: its sound is no base64"),
            ("{\"event\":\"media\",\"media\":{}}", "line 1: its sound is no text"),
            ("{\"event\":\"mark\"}", "no media message"),
            (far.as_str(), "line 2: its timestamp"),
        ] {
            let why = read(text, Side::Them).expect_err("refused");
            assert!(why.contains(words), "{why}");
        }
    }
}
