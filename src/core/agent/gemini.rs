//! Gemini Live: 16 kHz in, 24 kHz out. The campaign's own ear finds the turns: its detection is off, and we say where
//! speech begins and ends, so that a "mhm" never reaches it. A connection lives ten minutes; the session goes on over
//! the next one.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Closed, FromAgent, Machine, Opening, Outbox, Recent, ToAgent, Tool, is_custom, words};
use crate::base::limits;
use crate::core::cost::Usage;
use crate::core::sound::resample::Stream;
use crate::core::sound::{SAMPLES_PER_MS, g711};

/// What it is fed, Hz.
const IN_HZ: u32 = 16_000;
/// What it speaks, Hz, unless a piece says otherwise.
const OUT_HZ: u32 = 24_000;
/// Rates that it may speak at, Hz. Another one could make a filter of millions of coefficients of us.
const RATES: [u32; 4] = [8_000, 16_000, OUT_HZ, 48_000];
/// Connections of one call at most: an hour and a half, or a service that keeps breaking.
const CONNECTIONS: u32 = 12;
/// Why a turn may end without anything having failed.
const NORMAL_ENDS: [&str; 2] = ["TURN_COMPLETE_REASON_UNSPECIFIED", "NEED_MORE_INPUT"];
/// Told instead of a greeting of which nothing was heard.
const WAITS: &str = "(The person asked to speak with you and waits.)";
const NOTHING: &str = "(nothing that I said was heard)";

/// See the module.
pub struct GeminiLive {
    opening: Opening,
    /// Its session takes what we say.
    open: bool,
    /// It was ready once: what follows is the same session over another connection.
    begun: bool,
    connections: u32,
    handle: Option<String>,
    /// The callee's latest sound that it has not been given.
    recent: Recent,
    /// The callee has the turn.
    turn_open: bool,
    /// They finished one while there was no connection.
    owes_turn: bool,
    /// It was given a turn and has not finished its answer.
    answering: bool,
    /// This connection ends soon.
    leaving: bool,
    up: Stream,
    down: Stream,
    down_hz: u32,
    turns: u64,
    /// The turn whose sound comes.
    turn: Option<Arc<str>>,
    said: String,
    understood: String,
    /// Words that wait for the session, in order.
    held: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    setup_complete: Option<Value>,
    server_content: Option<Content>,
    tool_call: Option<Value>,
    usage_metadata: Option<Value>,
    go_away: Option<Value>,
    session_resumption_update: Option<Value>,
    error: Option<Value>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Content {
    model_turn: Option<ModelTurn>,
    input_transcription: Option<Transcription>,
    output_transcription: Option<Transcription>,
    interrupted: Option<bool>,
    generation_complete: Option<bool>,
    turn_complete: Option<bool>,
    turn_complete_reason: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Transcription {
    text: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ModelTurn {
    parts: Vec<Part>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Part {
    inline_data: Option<Blob>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Blob {
    mime_type: String,
    data: String,
}

impl GeminiLive {
    /// A session that begins so.
    pub fn new(opening: Opening) -> GeminiLive {
        GeminiLive {
            opening,
            open: false,
            begun: false,
            connections: 0,
            handle: None,
            recent: Recent::default(),
            turn_open: false,
            owes_turn: false,
            answering: false,
            leaving: false,
            up: Stream::new(8_000, IN_HZ),
            down: Stream::new(OUT_HZ, 8_000),
            down_hz: OUT_HZ,
            turns: 0,
            turn: None,
            said: String::new(),
            understood: String::new(),
            held: Vec::new(),
        }
    }

    fn setup(&self) -> Value {
        let Opening { model, voice, prompt, transcribe, .. } = &self.opening;
        let mut generation = json!({ "responseModalities": ["AUDIO"] });
        if let Some(voice) = voice {
            let speaker = match is_custom(voice) {
                true => json!({ "voice": voice }),
                false => json!({ "prebuiltVoiceConfig": { "voiceName": voice } }),
            };
            generation["speechConfig"] = json!({ "voiceConfig": speaker });
        }
        let resumption = match &self.handle {
            Some(handle) => json!({ "handle": handle }),
            None => json!({}),
        };
        let tools: Vec<Value> = Tool::allowed(self.opening.transfers).iter().map(|tool| tool.declared()).collect();
        let mut setup = json!({
            "model": format!("models/{model}"),
            "generationConfig": generation,
            "systemInstruction": { "parts": [{ "text": prompt.first }] },
            "realtimeInputConfig": {
                "automaticActivityDetection": { "disabled": true },
                "activityHandling": "START_OF_ACTIVITY_INTERRUPTS",
            },
            "outputAudioTranscription": {},
            "sessionResumption": resumption,
            "contextWindowCompression": { "slidingWindow": {} },
            "historyConfig": { "initialHistoryInClientContent": true },
            "tools": [{ "functionDeclarations": tools }],
        });
        if transcribe.is_some() {
            setup["inputAudioTranscription"] = json!({});
        }
        json!({ "setup": setup })
    }

    /// Sends, or keeps until there is a session.
    fn send(&mut self, message: Value, out: &mut Outbox) {
        if self.open {
            out.send(message);
        } else {
            self.held.push(message);
        }
    }

    fn sound(&mut self, ulaw: &[u8], out: &mut Outbox) {
        let pcm = self.up.push(&g711::decode_ulaw(ulaw));
        let bytes: Vec<u8> = pcm.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let blob = json!({ "data": STANDARD.encode(bytes), "mimeType": format!("audio/pcm;rate={IN_HZ}") });
        out.send(json!({ "realtimeInput": { "audio": blob } }));
    }

    /// The callee's turn: from the place where it began, as far as it is kept.
    fn begin_turn(&mut self, back_ms: u64, out: &mut Outbox) {
        self.turn_open = true;
        if !self.open {
            return;
        }
        out.send(json!({ "realtimeInput": { "activityStart": {} } }));
        let owed = self.recent.take_last(back_ms * SAMPLES_PER_MS);
        if !owed.is_empty() {
            self.sound(&owed, out);
        }
    }

    fn end_of_turn(&mut self, out: &mut Outbox) {
        (self.turn_open, self.answering) = (false, true);
        // The tail of the filter is silence: the turn ends with it.
        let _some_milliseconds = self.up.flush();
        out.send(json!({ "realtimeInput": { "activityEnd": {} } }));
    }

    fn opened_at_last(&mut self, out: &mut Outbox) {
        self.open = true;
        for message in std::mem::take(&mut self.held) {
            out.send(message);
        }
        let (open, owes) = (self.turn_open, std::mem::take(&mut self.owes_turn));
        if open || owes {
            // It broke off in the middle of their turn, or before it: what was said meanwhile is kept.
            self.begin_turn(limits::AGENT_OWED_SECONDS as u64 * 1_000, out);
        }
        if owes && !open {
            self.end_of_turn(out);
        }
        if !std::mem::replace(&mut self.begun, true) {
            out.call.push(FromAgent::Ready);
        }
    }

    fn content(&mut self, content: Content, out: &mut Outbox) {
        if let Some(text) = content.input_transcription.and_then(|it| it.text) {
            push(&mut self.understood, &text);
        }
        if let Some(text) = content.output_transcription.and_then(|it| it.text) {
            push(&mut self.said, &text);
        }
        for part in content.model_turn.unwrap_or_default().parts {
            if let Some(blob) = part.inline_data {
                self.voice(&blob, out);
            }
        }
        if content.interrupted == Some(true) {
            self.end_turn(out);
            out.call.push(FromAgent::Interrupted);
        }
        if content.generation_complete == Some(true) || content.turn_complete == Some(true) {
            self.end_turn(out);
        }
        // Asking for more is a normal end; anything else that is named is a turn that failed.
        let reason = content.turn_complete_reason.filter(|why| !NORMAL_ENDS.contains(&why.as_str()));
        if let Some(why) = reason {
            out.call.push(FromAgent::Fault { what: format!("its turn ended with {}", words(&why)) });
        }
        self.answering &= content.turn_complete != Some(true);
        if content.turn_complete == Some(true)
            && let Some(later) = self.opening.prompt.later.take()
        {
            let told = json!({ "contextUpdate": { "systemInstruction": { "parts": [{ "text": later }] } } });
            self.send(told, out);
        }
    }

    fn voice(&mut self, blob: &Blob, out: &mut Outbox) {
        let fault = |what: &str| FromAgent::Fault { what: what.to_owned() };
        let hz = blob.mime_type.split("rate=").nth(1).and_then(|rate| rate.trim().parse().ok()).unwrap_or(OUT_HZ);
        if !blob.mime_type.starts_with("audio/pcm") || !RATES.contains(&hz) {
            // What comes next will be no better: the callee would hear nothing for ever.
            let why = "its sound is no audio/pcm of 8, 16, 24 or 48 kHz".to_owned();
            return out.call.push(FromAgent::Gone { why });
        }
        let Some(bytes) = STANDARD.decode(&blob.data).ok().filter(|bytes| bytes.len().is_multiple_of(2)) else {
            return out.call.push(fault("a piece of its sound is no base64 of 16-bit samples"));
        };
        if hz != self.down_hz {
            (self.down, self.down_hz) = (Stream::new(hz, 8_000), hz);
        }
        let samples: Vec<i16> = bytes.as_chunks::<2>().0.iter().map(|it| i16::from_le_bytes(*it)).collect();
        let pcm = self.down.push(&samples);
        self.speak(&pcm, out);
    }

    fn speak(&mut self, pcm: &[i16], out: &mut Outbox) {
        if pcm.is_empty() {
            return;
        }
        let turn = match &self.turn {
            Some(turn) => Arc::clone(turn),
            None => {
                self.understand(out);
                self.turns += 1;
                let turn: Arc<str> = format!("gemini-{}", self.turns).into();
                self.turn = Some(Arc::clone(&turn));
                turn
            }
        };
        out.call.push(FromAgent::Sound { turn, ulaw: g711::encode_ulaw(pcm) });
    }

    fn understand(&mut self, out: &mut Outbox) {
        let text = std::mem::take(&mut self.understood);
        if !text.trim().is_empty() {
            out.call.push(FromAgent::Understood { text: text.trim().to_owned() });
        }
    }

    fn end_turn(&mut self, out: &mut Outbox) {
        let rest = self.down.flush();
        if self.turn.is_some() {
            self.speak(&rest, out);
        }
        if let Some(turn) = self.turn.take() {
            let text = std::mem::take(&mut self.said).trim().to_owned();
            if !text.is_empty() {
                out.call.push(FromAgent::Said { turn: Arc::clone(&turn), text });
            }
            out.call.push(FromAgent::Whole { turn });
        }
        self.understand(out);
    }

    fn tools(&mut self, call: &Value, out: &mut Outbox) {
        for function in call["functionCalls"].as_array().into_iter().flatten() {
            let name = function["name"].as_str().unwrap_or("");
            let tool = Tool::called(name, self.opening.transfers);
            let result =
                if tool.is_some() { json!({ "ok": true }) } else { json!({ "error": "there is no such function" }) };
            let answer = json!({ "id": function["id"], "name": name, "response": result });
            self.send(json!({ "toolResponse": { "functionResponses": [answer] } }), out);
            let unknown = || FromAgent::Fault { what: format!("it called `{}`, which there is not", words(name)) };
            out.call.push(tool.map_or_else(unknown, Tool::word));
        }
    }

    fn again(&mut self) -> bool {
        let again = self.begun && self.handle.is_some() && self.connections < CONNECTIONS;
        if again {
            (self.open, self.leaving, self.answering) = (false, false, false);
        }
        again
    }
}

fn push(text: &mut String, more: &str) {
    if text.len() < limits::AGENT_WORDS {
        text.push_str(more);
    }
}

fn count(usage: &Value) -> Usage {
    let of = |details: &str, wanted: &str| {
        let details = usage[details].as_array().into_iter().flatten();
        details.filter(|it| it["modality"] == wanted).filter_map(|it| it["tokenCount"].as_u64()).sum::<u64>()
    };
    let (text_cached, audio_cached) = (of("cacheTokensDetails", "TEXT"), of("cacheTokensDetails", "AUDIO"));
    Usage {
        text_in: of("promptTokensDetails", "TEXT").saturating_sub(text_cached),
        text_cached,
        audio_in: of("promptTokensDetails", "AUDIO").saturating_sub(audio_cached),
        audio_cached,
        text_out: of("responseTokensDetails", "TEXT"),
        audio_out: of("responseTokensDetails", "AUDIO"),
        ..Usage::default()
    }
}

impl Machine for GeminiLive {
    fn opened(&mut self, out: &mut Outbox) {
        self.connections += 1;
        out.send(self.setup());
    }

    fn received(&mut self, text: &str, out: &mut Outbox) {
        let Ok(raw) = serde_json::from_str::<Raw>(text) else {
            return out.call.push(FromAgent::Fault { what: "a message that is not as documented".to_owned() });
        };
        if raw.setup_complete.is_some() && !self.open {
            self.opened_at_last(out);
        }
        if let Some(update) = raw.session_resumption_update {
            let handle = update["newHandle"].as_str().filter(|handle| !handle.is_empty() && handle.len() <= 4_096);
            // A handle of a moment that cannot be resumed does not replace one that can.
            if let Some(handle) = handle.filter(|_| update["resumable"].as_bool() == Some(true)) {
                self.handle = Some(handle.to_owned());
            }
        }
        if let Some(content) = raw.server_content {
            self.content(content, out);
        }
        if let Some(call) = raw.tool_call {
            self.tools(&call, out);
        }
        if let Some(usage) = raw.usage_metadata {
            out.call.push(FromAgent::Usage(count(&usage)));
        }
        if let Some(error) = raw.error {
            // In no document, and seen: told where somebody looks for the reason of a silence.
            let what = format!("{}: {}", error["code"], words(error["message"].as_str().unwrap_or("")));
            out.call.push(if self.begun { FromAgent::Fault { what } } else { FromAgent::Gone { why: what } });
        }
        self.leaving |= raw.go_away.is_some();
        // Between two turns: what it is saying would be lost. If it does not wait for that, it closes.
        let idle = !self.turn_open && !self.answering && self.turn.is_none();
        if self.leaving && idle && self.again() {
            out.reconnect = true;
        }
    }

    fn told(&mut self, what: ToAgent, out: &mut Outbox) {
        match what {
            ToAgent::TakeOver { heard, cut } => {
                let answered = if cut {
                    "(The call was answered. The person spoke over the greeting and heard no more of it than this.)"
                } else {
                    "(The call was answered, and the greeting was played.)"
                };
                let said = if heard.is_empty() { NOTHING } else { &heard };
                let turn = |role: &str, text: &str| json!({ "role": role, "parts": [{ "text": text }] });
                let turns = [turn("user", answered), turn("model", said)];
                self.send(json!({ "clientContent": { "turns": turns, "turnComplete": true } }), out);
            }
            ToAgent::Sound(ulaw) if self.turn_open && self.open => self.sound(&ulaw, out),
            ToAgent::Sound(ulaw) => self.recent.push(&ulaw),
            ToAgent::TurnBegins { back_ms } => self.begin_turn(back_ms, out),
            ToAgent::TurnEnds => {
                if self.open {
                    self.end_of_turn(out);
                } else {
                    (self.turn_open, self.owes_turn) = (false, true);
                }
            }
            ToAgent::Begin => {
                self.answering = true;
                let turns = [json!({ "role": "user", "parts": [{ "text": WAITS }] })];
                self.send(json!({ "clientContent": { "turns": turns, "turnComplete": true } }), out);
            }
            // It answers by itself when the turn ends, and stops by itself when one begins; it has no truncation.
            // Nobody's voice is changed in its calls.
            ToAgent::Answer | ToAgent::Cut { .. } | ToAgent::Resume(_) => {}
        }
    }

    fn closed(&mut self, _code: Option<u16>) -> Closed {
        if self.again() { Closed::Again } else { Closed::Gone }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::agent::tests::opening;

    #[test]
    fn a_session_goes_on_over_the_next_connection_and_nothing_said_meanwhile_is_lost() {
        let mut gemini = GeminiLive::new(opening());
        let mut out = Outbox::default();
        gemini.opened(&mut out);
        gemini.received(r#"{"setupComplete":{}}"#, &mut out);
        assert_eq!(out.call, [FromAgent::Ready]);
        gemini.received(r#"{"sessionResumptionUpdate":{"newHandle":"h1","resumable":true}}"#, &mut out);
        gemini.received(r#"{"sessionResumptionUpdate":{"newHandle":"","resumable":false}}"#, &mut out);
        gemini.told(ToAgent::TakeOver { heard: "Hello.".to_owned(), cut: false }, &mut out);
        gemini.told(ToAgent::TurnBegins { back_ms: 0 }, &mut out);
        gemini.received(r#"{"goAway":{"timeLeft":"50s"}}"#, &mut out);
        gemini.told(ToAgent::TurnEnds, &mut out);
        gemini.received(r#"{"serverContent":{"generationComplete":true}}"#, &mut out);
        assert!(!out.reconnect, "it answers");
        gemini.received(r#"{"serverContent":{"turnComplete":true}}"#, &mut out);
        assert!(out.reconnect, "between two turns");
        gemini.told(ToAgent::TurnBegins { back_ms: 0 }, &mut out);
        out.wire.clear();
        gemini.told(ToAgent::Sound(vec![0x20; 1_600]), &mut out);
        assert!(out.wire.is_empty(), "nobody listens");
        gemini.opened(&mut out);
        assert!(out.wire[0].contains(r#""sessionResumption":{"handle":"h1"}"#), "{}", out.wire[0]);
        out.wire.clear();
        gemini.received(r#"{"setupComplete":{}}"#, &mut out);
        assert!(out.wire[0].contains("activityStart") && out.wire[1].contains("audio/pcm;rate=16000"));
        assert_eq!(out.call, [FromAgent::Ready], "told once");
        // A whole turn without a connection.
        gemini.told(ToAgent::TurnEnds, &mut out);
        assert_eq!(gemini.closed(Some(1_011)), Closed::Again);
        gemini.told(ToAgent::TurnBegins { back_ms: 0 }, &mut out);
        gemini.told(ToAgent::Sound(vec![0x20; 1_600]), &mut out);
        gemini.told(ToAgent::TurnEnds, &mut out);
        gemini.opened(&mut out);
        out.wire.clear();
        gemini.received(r#"{"setupComplete":{}}"#, &mut out);
        let kinds: Vec<bool> = out.wire.iter().map(|it| it.contains("activity")).collect();
        assert_eq!(kinds, [true, false, true], "begun, said, ended");
        assert_eq!(gemini.closed(Some(1_011)), Closed::Again);
        gemini.connections = CONNECTIONS;
        assert_eq!(gemini.closed(Some(1_011)), Closed::Gone, "not for ever");
    }

    #[test]
    fn an_odd_rate_is_a_fault_and_costs_nothing() {
        let mut gemini = GeminiLive::new(opening());
        let mut out = Outbox::default();
        let part = json!({ "inlineData": { "mimeType": "audio/pcm;rate=47999", "data": "AAAA" } });
        gemini.received(&json!({ "serverContent": { "modelTurn": { "parts": [part] } } }).to_string(), &mut out);
        assert!(matches!(&out.call[..], [FromAgent::Gone { .. }]) && gemini.down_hz == OUT_HZ);
    }

    #[test]
    fn its_voice_is_made_the_telephones_without_a_seam_between_pieces() {
        let mut gemini = GeminiLive::new(opening());
        let tone: Vec<i16> = (0..24_000).map(|n| (8_000.0 * f64::sin(f64::from(n) * 0.1)) as i16).collect();
        let mut out = Outbox::default();
        for piece in tone.chunks(1_000) {
            let bytes: Vec<u8> = piece.iter().flat_map(|it| it.to_le_bytes()).collect();
            let data = STANDARD.encode(bytes);
            let part = json!({ "inlineData": { "mimeType": "audio/pcm;rate=24000", "data": data } });
            gemini.received(&json!({ "serverContent": { "modelTurn": { "parts": [part] } } }).to_string(), &mut out);
        }
        gemini.received(r#"{"serverContent":{"turnComplete":true,"outputTranscription":{"text":"a tone"}}}"#, &mut out);
        let mut heard = Vec::new();
        for told in &out.call {
            if let FromAgent::Sound { turn, ulaw } = told {
                assert_eq!(&**turn, "gemini-1");
                heard.extend_from_slice(ulaw);
            }
        }
        let whole =
            crate::core::sound::resample::resample(&crate::core::sound::Pcm { samples: tone, rate: 24_000 }, 8_000);
        assert_eq!(heard, g711::encode_ulaw(&whole.expect("rates").samples), "as if it had come at once");
        assert!(
            matches!(&out.call[out.call.len() - 2..], [FromAgent::Said { text, .. }, FromAgent::Whole { .. }] if text == "a tone")
        );
    }
}
