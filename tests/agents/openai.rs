//! OpenAI Realtime as an emulator: every message of the client's is checked by the provider's schema, unknown fields
//! included, and by the rules that no schema has; what it says is checked too.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::emulator::{Act, Ear, Edge, Notebook, SPEECH, Talk};
use crate::schema;

/// Validators are made once: making one takes longer than a turn may.
pub struct OpenAi {
    client: BTreeMap<&'static str, jsonschema::Validator>,
    server: BTreeMap<&'static str, jsonschema::Validator>,
}

const CLIENT: [&str; 6] = [
    "SessionUpdateEvent",
    "InputAudioBufferAppendEvent",
    "ConversationItemCreateEvent",
    "ConversationItemTruncateEvent",
    "ResponseCreateEvent",
    "ResponseCancelEvent",
];
const SERVER: [&str; 16] = [
    "SessionCreatedEvent",
    "SessionUpdatedEvent",
    "RealtimeErrorEvent",
    "ConversationItemAdded",
    "ConversationItemDone",
    "ConversationItemTruncatedEvent",
    "InputAudioBufferSpeechStartedEvent",
    "InputAudioBufferSpeechStoppedEvent",
    "InputAudioBufferCommittedEvent",
    "ConversationItemInputAudioTranscriptionCompletedEvent",
    "ResponseCreatedEvent",
    "ResponseOutputItemDoneEvent",
    "ResponseAudioDeltaEvent",
    "ResponseAudioDoneEvent",
    "ResponseAudioTranscriptDoneEvent",
    "ResponseDoneEvent",
];

struct Response {
    id: String,
    item: String,
    /// Sound that is left to send.
    rest: Vec<u8>,
    sent: usize,
    begun: bool,
}

struct Session<'a> {
    vendor: &'a OpenAi,
    talk: &'a mut Talk,
    notes: &'a Notebook,
    act: Act,
    configured: Option<Value>,
    ear: Ear,
    response: Option<Response>,
    count: usize,
    /// Items and their lengths, ms.
    items: Vec<(String, u64)>,
    turns: usize,
}

impl OpenAi {
    pub fn new() -> OpenAi {
        let json = |text: &str| -> Value { serde_json::from_str(text).expect("the file is JSON") };
        let client = json(include_str!("../specs/openai-realtime-client-events.schema.json"));
        let server = json(include_str!("../specs/openai-realtime-server-events.schema.json"));
        OpenAi {
            client: CLIENT.map(|name| (name, schema::strict_def(&client, name))).into(),
            server: SERVER.map(|name| (name, schema::def(&server, name))).into(),
        }
    }

    /// Serves one session to its end. `Err`: what the provider would have refused.
    pub async fn serve(&self, talk: &mut Talk, notes: &Notebook, act: Act) -> Result<(), String> {
        if let Act::Late(ms) = act {
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
        if act == Act::Hangs {
            while talk.next().await.is_some() {}
            return Ok(());
        }
        let mut session = Session {
            vendor: self,
            talk,
            notes,
            act,
            configured: None,
            ear: Ear::default(),
            response: None,
            count: 0,
            items: Vec::new(),
            turns: 0,
        };
        session.run().await
    }
}

impl Session<'_> {
    async fn run(&mut self) -> Result<(), String> {
        let begun = json!({ "type": "realtime", "model": "gpt-realtime-2.1" });
        self.say("SessionCreatedEvent", json!({ "type": "session.created", "session": begun })).await;
        // Ten times as fast as it is spoken.
        let mut beat = tokio::time::interval(Duration::from_millis(20));
        loop {
            let speaking = self.response.is_some();
            let message = tokio::select! {
                message = self.talk.next() => message,
                _ = beat.tick(), if speaking => {
                    if !self.go_on().await {
                        return Ok(());
                    }
                    continue;
                }
            };
            let Some(message) = message else { return Ok(()) };
            self.hear(message).await?;
        }
    }

    /// Sends an event of ours, which must be as documented.
    async fn say(&mut self, name: &str, mut event: Value) {
        self.count += 1;
        event["event_id"] = json!(format!("event_{}", self.count));
        let faults = schema::faults(&self.vendor.server[name], &event);
        assert_eq!(faults, Vec::<String>::new(), "the emulator speaks as documented: {event}");
        if self.act == Act::Surplus {
            event["brand_new"] = json!({ "deep": [1, null, "x"] });
            self.talk.send(&json!({ "type": "brand.new", "event_id": "e", "x": [[]] })).await;
        }
        if self.act == Act::Beta {
            let old = event["type"].as_str().expect("text").replace("output_audio", "audio");
            event["type"] = json!(old);
        }
        self.talk.send(&event).await;
    }

    async fn error(&mut self, code: &str, message: &str) {
        let error = json!({ "type": "invalid_request_error", "code": code, "message": message });
        self.say("RealtimeErrorEvent", json!({ "type": "error", "error": error })).await;
    }

    async fn hear(&mut self, message: Value) -> Result<(), String> {
        let kind = message["type"].as_str().unwrap_or("").to_owned();
        let name = match kind.as_str() {
            "session.update" => "SessionUpdateEvent",
            "input_audio_buffer.append" => "InputAudioBufferAppendEvent",
            "conversation.item.create" => "ConversationItemCreateEvent",
            "conversation.item.truncate" => "ConversationItemTruncateEvent",
            "response.create" => "ResponseCreateEvent",
            "response.cancel" => "ResponseCancelEvent",
            other => return Err(format!("there is no event `{other}`")),
        };
        let faults = schema::faults(&self.vendor.client[name], &message);
        if !faults.is_empty() {
            return Err(format!("{kind}: {}", faults.join("; ")));
        }
        if kind != "input_audio_buffer.append" {
            self.notes.message(&message);
        }
        match kind.as_str() {
            "session.update" => self.update(&message["session"]).await?,
            "conversation.item.create" => self.item(&message["item"]).await,
            "input_audio_buffer.append" => self.sound(message["audio"].as_str().expect("checked")).await?,
            "conversation.item.truncate" => self.truncate(&message).await?,
            "response.create" => {
                if self.response.is_some() {
                    self.notes.wrong("an answer was asked for while one is being made");
                    self.error("conversation_already_has_active_response", "one at a time").await;
                } else {
                    self.answer().await;
                }
            }
            _cancel => match self.response.take() {
                Some(response) => self.done(response, "cancelled").await,
                None => self.error("response_cancel_not_active", "nothing to cancel").await,
            },
        }
        Ok(())
    }

    async fn update(&mut self, session: &Value) -> Result<(), String> {
        if session["type"] != "realtime" {
            return Err("session.type is required".to_owned());
        }
        let mut whole = self.configured.clone().unwrap_or_else(|| json!({}));
        for (name, value) in session.as_object().expect("an object") {
            whole[name] = value.clone();
        }
        let turns = &whole["audio"]["input"]["turn_detection"];
        if turns["create_response"] != false || turns["interrupt_response"] != false {
            return Err("turns are the client's".to_owned());
        }
        self.ear.silence_ms = turns["silence_duration_ms"].as_u64().expect("a count");
        if self.act == Act::WrongFormat {
            whole["audio"]["output"]["format"] = json!({ "type": "audio/pcm", "rate": 24_000 });
        }
        if self.configured.is_none() && self.act == Act::NeverReady {
            return Ok(());
        }
        self.configured = Some(whole.clone());
        self.say("SessionUpdatedEvent", json!({ "type": "session.updated", "session": whole })).await;
        Ok(())
    }

    async fn item(&mut self, item: &Value) {
        let mut item = item.clone();
        item["id"] = json!(format!("item_of_client_{}", self.count));
        let event = |kind: &str| json!({ "type": kind, "previous_item_id": null, "item": item });
        let (added, done) = (event("conversation.item.added"), event("conversation.item.done"));
        self.say("ConversationItemAdded", added).await;
        self.say("ConversationItemDone", done).await;
    }

    async fn sound(&mut self, base64: &str) -> Result<(), String> {
        if self.configured.is_none() {
            return Err("sound before the session is configured".to_owned());
        }
        let ulaw = STANDARD.decode(base64).map_err(|error| error.to_string())?;
        for edge in self.ear.hear(&ulaw) {
            match edge {
                Edge::On { at_ms } => {
                    let event = json!({ "type": "input_audio_buffer.speech_started", "audio_start_ms": at_ms, "item_id": "item_u" });
                    self.say("InputAudioBufferSpeechStartedEvent", event).await;
                }
                Edge::Off { at_ms } => self.turn(at_ms).await,
            }
        }
        Ok(())
    }

    async fn turn(&mut self, at_ms: u64) {
        self.turns += 1;
        self.notes.turn();
        let item = format!("item_u{}", self.turns);
        let stopped = json!({ "type": "input_audio_buffer.speech_stopped", "audio_end_ms": at_ms, "item_id": item });
        self.say("InputAudioBufferSpeechStoppedEvent", stopped).await;
        let committed = json!({ "type": "input_audio_buffer.committed", "item_id": item, "previous_item_id": null });
        self.say("InputAudioBufferCommittedEvent", committed).await;
        let wanted = self.configured.as_ref().is_some_and(|it| it["audio"]["input"]["transcription"].is_object());
        if wanted {
            let usage = json!({ "type": "duration", "seconds": 1.0 });
            let written = json!({ "type": "conversation.item.input_audio_transcription.completed", "item_id": item,
                "content_index": 0, "transcript": format!("callee turn {}", self.turns), "usage": usage });
            self.say("ConversationItemInputAudioTranscriptionCompletedEvent", written).await;
        }
    }

    async fn truncate(&mut self, message: &Value) -> Result<(), String> {
        let (item, end_ms) = (&message["item_id"], message["audio_end_ms"].as_u64().unwrap_or(u64::MAX));
        let known = self.items.iter().find(|(id, _)| item == id).map(|(_, ms)| *ms);
        match known {
            Some(ms) if end_ms <= ms => {
                let event = json!({ "type": "conversation.item.truncated", "item_id": item, "content_index": 0,
                    "audio_end_ms": end_ms });
                self.say("ConversationItemTruncatedEvent", event).await;
            }
            Some(ms) => {
                self.notes.wrong(&format!("audio content of {ms} ms is already shorter than {end_ms} ms"));
                self.error("invalid_value", "Audio content is already shorter").await;
            }
            None => {
                self.notes.wrong(&format!("no item {item}"));
                self.error("item_truncate_invalid_item_id", "no such item").await;
            }
        }
        Ok(())
    }

    async fn answer(&mut self) {
        if self.act == Act::Limited {
            return self.error("rate_limit_exceeded", "too many tokens a minute").await;
        }
        let nth = self.items.len() + 1;
        let (id, item) = (format!("resp_{nth}"), format!("item_a{nth}"));
        let response = json!({ "id": id, "object": "realtime.response", "status": "in_progress", "output": [] });
        self.say("ResponseCreatedEvent", json!({ "type": "response.created", "response": response })).await;
        let tool = match self.act {
            Act::Tool(name) if nth == 1 => Some(name),
            Act::Ends if nth == 2 => Some("end_call"),
            _ => None,
        };
        let length = if self.act == Act::Floods { 8_000 * 3_000 } else { SPEECH.len() };
        let rest =
            if self.act == Act::Silent { Vec::new() } else { SPEECH.iter().copied().cycle().take(length).collect() };
        self.items.push((item.clone(), 0));
        self.response = Some(Response { id: id.clone(), item, rest, sent: 0, begun: false });
        if let Some(name) = tool {
            let call = json!({ "type": "function_call", "id": "item_f", "call_id": "call_1", "name": name, "arguments": "{}",
                "status": "completed", "object": "realtime.item" });
            let event =
                json!({ "type": "response.output_item.done", "response_id": id, "output_index": 1, "item": call });
            self.say("ResponseOutputItemDoneEvent", event).await;
        }
    }

    /// The next piece of what it says. False: the connection was closed.
    async fn go_on(&mut self) -> bool {
        let Some(mut response) = self.response.take() else { return true };
        let piece: Vec<u8> = response.rest.drain(..response.rest.len().min(1_600)).collect();
        if !piece.is_empty() {
            response.sent += piece.len();
            if let Some(item) = self.items.last_mut() {
                item.1 = response.sent as u64 / 8;
            }
            if !std::mem::replace(&mut response.begun, true) {
                self.notes.speaks();
            }
            if self.act == Act::ClosesMidWord && response.sent > 8_000 {
                self.talk.close(1_011, "internal error").await;
                return false;
            }
            let garbage = self.act == Act::BadBase64 && response.sent > 3_200 && response.sent < 8_000;
            let delta = if garbage { "*no base64*".to_owned() } else { STANDARD.encode(&piece) };
            let event = json!({ "type": "response.output_audio.delta", "response_id": response.id,
                "item_id": response.item, "output_index": 0, "content_index": 0, "delta": delta });
            self.say("ResponseAudioDeltaEvent", event).await;
        }
        if self.act == Act::Errors && response.sent == 3_200 {
            // Services repeat what they were given.
            self.error("rate_limit_exceeded", "slow down, sk-test-of-agents").await;
        }
        if response.rest.is_empty() {
            let status = if self.act == Act::Fails { "failed" } else { "completed" };
            self.done(response, status).await;
        } else {
            self.response = Some(response);
        }
        true
    }

    async fn done(&mut self, response: Response, status: &str) {
        let place =
            json!({ "response_id": response.id, "item_id": response.item, "output_index": 0, "content_index": 0 });
        let at = |kind: &str, more: Value| {
            let mut event = place.clone();
            event["type"] = json!(kind);
            for (name, value) in more.as_object().expect("an object") {
                event[name] = value.clone();
            }
            event
        };
        if response.begun {
            let said = format!("agent turn {}", response.item);
            let words = at("response.output_audio_transcript.done", json!({ "transcript": said }));
            let sound = at("response.output_audio.done", json!({}));
            self.say("ResponseAudioDoneEvent", sound).await;
            self.say("ResponseAudioTranscriptDoneEvent", words).await;
        }
        let usage = json!({ "total_tokens": 150, "input_tokens": 100, "output_tokens": 50,
            "input_token_details": { "text_tokens": 60, "audio_tokens": 40, "cached_tokens": 30,
                "cached_tokens_details": { "text_tokens": 20, "audio_tokens": 10 } },
            "output_token_details": { "text_tokens": 10, "audio_tokens": 40 } });
        let details = match status {
            "failed" => json!({ "type": "failed", "error": { "type": "server_error", "code": "x" } }),
            "cancelled" => json!({ "type": "cancelled", "reason": "client_cancelled" }),
            _ => Value::Null,
        };
        let response = json!({ "id": response.id, "object": "realtime.response", "status": status,
            "status_details": details, "output": [], "usage": usage });
        self.say("ResponseDoneEvent", json!({ "type": "response.done", "response": response })).await;
    }
}
