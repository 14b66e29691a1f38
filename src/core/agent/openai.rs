//! OpenAI Realtime (GA names), µ-law both ways. Its server finds the ends of turns with the campaign's own VAD settings
//! and decides nothing else: we ask for each answer, and we stop it.

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{FromAgent, Machine, Opening, Outbox, ToAgent, Tool, is_custom, words};
use crate::base::limits;
use crate::core::config::Vad;
use crate::core::cost::Usage;
use crate::core::sound::SAMPLES_PER_MS;

/// The format that the telephone network speaks: no transcoding.
const FORMAT: &str = "audio/pcmu";
/// Told after a greeting that was cut.
const CUT: &str = "The person spoke over the greeting and heard no more of it than the message before this one.";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The server speaks first.
    Opening,
    /// Our session is on its way.
    Configuring,
    Ready,
}

/// Where its answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    None,
    /// Asked for; the server has not said that it has begun.
    Asked,
    Begun,
}

/// See the module.
pub struct OpenAiRealtime {
    opening: Opening,
    phase: Phase,
    /// The answer that is being made.
    answer: Answer,
    /// That answer was cancelled by us.
    cancelled: bool,
    /// An answer is due when that one is over.
    owes: bool,
    /// The turn whose sound comes, and its samples so far.
    turn: Option<(Arc<str>, u64)>,
    /// A turn of a cancelled answer that was never heard, and that its server was told so about.
    unheard: Option<String>,
}

#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    item_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    delta: Option<Cow<'a, str>>,
    #[serde(borrow)]
    transcript: Option<Cow<'a, str>>,
    #[serde(borrow)]
    session: Option<&'a RawValue>,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
    #[serde(borrow)]
    item: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

fn value(raw: Option<&RawValue>) -> Value {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or(Value::Null)
}

impl OpenAiRealtime {
    /// A session that begins so.
    pub fn new(opening: Opening) -> OpenAiRealtime {
        OpenAiRealtime {
            opening,
            phase: Phase::Opening,
            answer: Answer::None,
            cancelled: false,
            owes: false,
            turn: None,
            unheard: None,
        }
    }

    fn configure(&self, out: &mut Outbox) {
        let Opening { voice, prompt, vad, transcribe, language, .. } = &self.opening;
        let turns = turn_detection(vad);
        let primary = language.split('-').next().unwrap_or(language);
        let mut input = json!({ "format": { "type": FORMAT }, "noise_reduction": null, "turn_detection": turns });
        if let Some(model) = transcribe {
            input["transcription"] = json!({ "model": model, "language": primary });
        }
        let mut output = json!({ "format": { "type": FORMAT } });
        if let Some(voice) = voice {
            // A voice of the account's own has an id; the vendor's have names.
            output["voice"] = if is_custom(voice) { json!({ "id": voice }) } else { json!(voice) };
        }
        let tools: Vec<Value> = Tool::allowed(self.opening.transfers)
            .iter()
            .map(|tool| {
                let mut declared = tool.declared();
                declared["type"] = json!("function");
                declared
            })
            .collect();
        out.send(json!({ "type": "session.update", "session": {
            "type": "realtime", "instructions": prompt.first, "output_modalities": ["audio"],
            "audio": { "input": input, "output": output }, "tools": tools, "tool_choice": "auto",
        } }));
    }

    fn updated(&mut self, session: &Value, out: &mut Outbox) {
        if self.phase != Phase::Configuring {
            return;
        }
        let audio = &session["audio"];
        let speaks = |way: &str| audio[way]["format"]["type"] == FORMAT;
        if !speaks("input") || !speaks("output") {
            let why = "its session does not speak audio/pcmu both ways".to_owned();
            return out.call.push(FromAgent::Gone { why });
        }
        self.phase = Phase::Ready;
        out.call.push(FromAgent::Ready);
    }

    fn sound(&mut self, item: &str, delta: &str, out: &mut Outbox) {
        if self.cancelled {
            // What still comes of an answer that was cancelled is void.
            let never_heard = self.turn.as_ref().is_none_or(|(turn, _)| **turn != *item);
            if never_heard && self.unheard.as_deref() != Some(item) {
                self.unheard = Some(item.to_owned());
                out.send(truncate(item, 0));
            }
            return;
        }
        let Ok(ulaw) = STANDARD.decode(delta) else {
            return out.call.push(FromAgent::Fault { what: "a piece of its sound is no base64".to_owned() });
        };
        let (turn, so_far) = match self.turn.take() {
            Some((turn, so_far)) if *turn == *item => (turn, so_far),
            Some(_) | None => (Arc::from(item), 0),
        };
        self.turn = Some((Arc::clone(&turn), so_far + ulaw.len() as u64));
        out.call.push(FromAgent::Sound { turn, ulaw });
    }

    fn ask_for_answer(&mut self, out: &mut Outbox) {
        if self.answer != Answer::None {
            // The callee said more before it was heard. One answer at a time: the server refuses a second.
            self.cancel(out);
            self.owes = true;
        } else {
            (self.answer, self.cancelled, self.owes) = (Answer::Asked, false, false);
            out.send(json!({ "type": "response.create" }));
        }
    }

    fn cancel(&mut self, out: &mut Outbox) {
        if self.answer != Answer::None && !std::mem::replace(&mut self.cancelled, true) {
            out.send(json!({ "type": "response.cancel" }));
        }
    }

    fn done(&mut self, response: &Value, out: &mut Outbox) {
        (self.answer, self.cancelled) = (Answer::None, false);
        if let Some((turn, _)) = &self.turn {
            out.call.push(FromAgent::Whole { turn: Arc::clone(turn) });
        }
        let usage = &response["usage"];
        if usage.is_object() {
            out.call.push(FromAgent::Usage(count(usage)));
        }
        let status = response["status"].as_str().unwrap_or("");
        if matches!(status, "failed" | "incomplete") {
            let details = &response["status_details"];
            let reason = details["error"]["message"].as_str().or_else(|| details["reason"].as_str()).unwrap_or("");
            out.call.push(FromAgent::Fault { what: format!("its answer is {status}: {}", words(reason)) });
        }
        if status == "completed"
            && let Some(later) = self.opening.prompt.later.take()
        {
            out.send(json!({ "type": "session.update", "session": { "type": "realtime", "instructions": later } }));
        }
        if std::mem::take(&mut self.owes) {
            self.ask_for_answer(out);
        }
    }

    /// An item is whole; a call of a function is acted on.
    fn item_done(&mut self, item: &Value, out: &mut Outbox) {
        if item["type"] != "function_call" {
            return;
        }
        let name = item["name"].as_str().unwrap_or("");
        let tool = Tool::called(name, self.opening.transfers);
        let output = if tool.is_some() { r#"{"ok":true}"# } else { r#"{"error":"there is no such function"}"# };
        out.send(json!({ "type": "conversation.item.create", "item": {
            "type": "function_call_output", "call_id": item["call_id"].as_str().unwrap_or(""), "output": output,
        } }));
        if let Some(tool) = tool {
            out.call.push(tool.word());
        } else {
            out.call.push(FromAgent::Fault { what: format!("it called `{}`, which there is not", words(name)) });
            self.owes = true;
        }
    }

    fn error(&mut self, error: &Value, out: &mut Outbox) {
        let code = error["code"].as_str().or_else(|| error["type"].as_str()).unwrap_or("");
        let message = words(error["message"].as_str().unwrap_or(""));
        match (code, self.phase) {
            // We cancel without knowing whether it was over already.
            ("response_cancel_not_active", _) => {}
            (_, Phase::Opening | Phase::Configuring) => {
                out.call.push(FromAgent::Gone { why: format!("{}: {message}", words(code)) });
            }
            (_, Phase::Ready) => {
                // An answer that was asked for and refused will not come.
                if self.answer == Answer::Asked {
                    self.answer = Answer::None;
                }
                out.call.push(FromAgent::Fault { what: format!("{}: {message}", words(code)) });
            }
        }
    }
}

/// What finds the turns, as a session is told: the campaign's own settings.
pub fn turn_detection(vad: &Vad) -> Value {
    let ms = |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    // It must not answer or stop by itself: a "mhm" over its own voice would do both.
    json!({
        "type": "server_vad", "threshold": f64::from((vad.threshold * 100.0).round()) / 100.0,
        "prefix_padding_ms": ms(vad.prefix_padding), "silence_duration_ms": ms(vad.silence),
        "create_response": false, "interrupt_response": false,
    })
}

/// No more of this item was heard.
fn truncate(item: &str, heard_ms: u64) -> Value {
    json!({
        "type": "conversation.item.truncate", "item_id": item, "content_index": 0, "audio_end_ms": heard_ms,
    })
}

fn count(usage: &Value) -> Usage {
    let of = |side: &str, name: &str| usage[side][name].as_u64().unwrap_or(0);
    let cached = |name: &str| usage["input_token_details"]["cached_tokens_details"][name].as_u64().unwrap_or(0);
    let (text_cached, audio_cached) = (cached("text_tokens"), cached("audio_tokens"));
    Usage {
        text_in: of("input_token_details", "text_tokens").saturating_sub(text_cached),
        text_cached,
        audio_in: of("input_token_details", "audio_tokens").saturating_sub(audio_cached),
        audio_cached,
        text_out: of("output_token_details", "text_tokens"),
        audio_out: of("output_token_details", "audio_tokens"),
        ..Usage::default()
    }
}

impl Machine for OpenAiRealtime {
    fn opened(&mut self, _out: &mut Outbox) {}

    fn received(&mut self, text: &str, out: &mut Outbox) {
        let Ok(raw) = serde_json::from_str::<Raw<'_>>(text) else {
            return out.call.push(FromAgent::Fault { what: "a message that is not as documented".to_owned() });
        };
        let item = raw.item_id.as_deref().unwrap_or("");
        match raw.kind.as_ref() {
            "session.created" if self.phase == Phase::Opening => {
                self.phase = Phase::Configuring;
                self.configure(out);
            }
            "session.updated" => self.updated(&value(raw.session), out),
            "input_audio_buffer.committed" => out.call.push(FromAgent::TurnOver),
            "response.created" => self.answer = Answer::Begun,
            "response.output_audio.delta" => self.sound(item, raw.delta.as_deref().unwrap_or(""), out),
            "response.output_audio.done" => {
                if let Some((turn, _)) = self.turn.as_ref().filter(|(turn, _)| **turn == *item) {
                    out.call.push(FromAgent::Whole { turn: Arc::clone(turn) });
                }
            }
            "response.output_audio_transcript.done" => {
                let text = raw.transcript.unwrap_or_default().chars().take(limits::AGENT_WORDS).collect();
                out.call.push(FromAgent::Said { turn: Arc::from(item), text });
            }
            "conversation.item.input_audio_transcription.completed" => {
                let text = raw.transcript.unwrap_or_default().chars().take(limits::AGENT_WORDS).collect();
                out.call.push(FromAgent::Understood { text });
            }
            "conversation.item.input_audio_transcription.failed" => {
                let why = words(value(raw.error)["message"].as_str().unwrap_or(""));
                out.call.push(FromAgent::Fault { what: format!("it could not write down what was said: {why}") });
            }
            "response.output_item.done" => self.item_done(&value(raw.item), out),
            "response.done" => self.done(&value(raw.response), out),
            "error" => self.error(&value(raw.error), out),
            // Progress that we do not need, and whatever is new.
            _ => {}
        }
    }

    fn told(&mut self, what: ToAgent, out: &mut Outbox) {
        match what {
            ToAgent::TakeOver { heard, cut } => {
                let says = |role: &str, kind: &str, text: &str| {
                    json!({ "type": "conversation.item.create", "item": {
                        "type": "message", "role": role, "status": "completed",
                        "content": [{ "type": kind, "text": text }],
                    } })
                };
                if !heard.is_empty() {
                    out.send(says("assistant", "output_text", &heard));
                }
                if cut {
                    out.send(says("system", "input_text", CUT));
                }
            }
            ToAgent::Sound(ulaw) => {
                out.send(json!({ "type": "input_audio_buffer.append", "audio": STANDARD.encode(ulaw) }));
            }
            // Its own ear finds the turns; nobody's voice is changed in its calls.
            ToAgent::TurnBegins { .. } | ToAgent::TurnEnds | ToAgent::Resume(_) => {}
            ToAgent::Answer | ToAgent::Begin => self.ask_for_answer(out),
            ToAgent::Cut { turn, heard_ms } => {
                self.cancel(out);
                // More than it has sent would be refused. Of turns before the last one nothing waits at the carrier.
                let sent = self.turn.as_ref().filter(|(last, _)| *last == turn).map(|(_, samples)| *samples);
                if let Some(samples) = sent {
                    out.send(truncate(&turn, heard_ms.min(samples / SAMPLES_PER_MS)));
                }
            }
        }
    }
}
