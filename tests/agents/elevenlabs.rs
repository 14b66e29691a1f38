//! ElevenLabs Agents as an emulator: private agent, signed address, its own ear; messages checked by the vendor's document.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::emulator::{Act, Ear, Edge, Notebook, SPEECH, Talk};
use crate::schema;

pub struct ElevenLabs(BTreeMap<&'static str, jsonschema::Validator>);

const NAMES: [&str; 15] = [
    "UserMessagePayload",
    "UserAudioPayload",
    "PongPayload",
    "ClientToolResultPayload",
    "ContextualUpdatePayload",
    "ConversationInitiationPayload",
    "AudioPayload",
    "UserTranscriptPayload",
    "AgentResponsePayload",
    "AgentResponseCorrectionPayload",
    "InterruptionPayload",
    "ConversationMetadataPayload",
    "ClientToolCallPayload",
    "PingPayload",
    "ErrorPayload",
];

struct Session<'a> {
    vendor: &'a ElevenLabs,
    talk: &'a mut Talk,
    notes: &'a Notebook,
    act: Act,
    ear: Ear,
    rest: Vec<u8>,
    event: i64,
    turns: usize,
    /// Samples of the callee, and the place until which we sound.
    place: usize,
    sounds_until: usize,
}

impl ElevenLabs {
    pub fn new() -> ElevenLabs {
        let document: Value =
            serde_json::from_str(include_str!("../specs/elevenlabs-agent.schemas.json")).expect("the file is JSON");
        ElevenLabs(NAMES.map(|name| (name, schema::of_openapi(&document, name))).into())
    }

    pub async fn serve(&self, talk: &mut Talk, notes: &Notebook, act: Act) -> Result<(), String> {
        if let Act::Late(ms) = act {
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
        let Some(first) = talk.next().await else { return Ok(()) };
        notes.message(&first);
        let faults = schema::faults(&self.0["ConversationInitiationPayload"], &first);
        if !faults.is_empty() {
            talk.close(1_008, "invalid message").await;
            return Err(faults.join("; "));
        }
        if matches!(act, Act::Hangs | Act::NeverReady) {
            while talk.next().await.is_some() {}
            return Ok(());
        }
        let mut ear = Ear::default();
        ear.silence_ms = 700;
        let (place, sounds_until) = (0, 0);
        let mut session =
            Session { vendor: self, talk, notes, act, ear, rest: Vec::new(), event: 0, turns: 0, place, sounds_until };
        let format = if act == Act::WrongFormat { "pcm_16000" } else { "ulaw_8000" };
        let metadata = json!({ "conversation_id": "conv_1", "agent_output_audio_format": format,
            "user_input_audio_format": "ulaw_8000" });
        session
            .say(
                "ConversationMetadataPayload",
                json!({ "type": "conversation_initiation_metadata", "conversation_initiation_metadata_event": metadata }),
            )
            .await;
        session.say("PingPayload", json!({ "type": "ping", "ping_event": { "event_id": 1, "ping_ms": 20 } })).await;
        session.run().await
    }
}

impl Session<'_> {
    async fn run(&mut self) -> Result<(), String> {
        let mut beat = tokio::time::interval(Duration::from_millis(20));
        loop {
            let speaking = !self.rest.is_empty();
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
            self.hear(&message).await?;
            if self.act == Act::Ends && self.turns == 2 && self.rest.is_empty() {
                self.talk.close(1_000, "agent ended the conversation").await;
                return Ok(());
            }
        }
    }

    async fn say(&mut self, name: &str, mut event: Value) {
        let faults = schema::faults(&self.vendor.0[name], &event);
        assert_eq!(faults, Vec::<String>::new(), "the emulator speaks as documented: {event}");
        if self.act == Act::Surplus {
            event["brand_new"] = json!({ "deep": [1, null, "x"] });
            self.talk.send(&json!({ "type": "brand_new_thing", "x": [[]] })).await;
        }
        if self.act == Act::Beta && event["type"] == "audio" {
            event["type"] = json!("audio_chunk");
        }
        self.talk.send(&event).await;
    }

    async fn hear(&mut self, message: &Value) -> Result<(), String> {
        let name = match message["type"].as_str() {
            None => "UserAudioPayload",
            Some("pong") => "PongPayload",
            Some("client_tool_result") => "ClientToolResultPayload",
            Some("contextual_update") => "ContextualUpdatePayload",
            Some("user_message") => "UserMessagePayload",
            Some(other) => return Err(format!("there is no `{other}`")),
        };
        let faults = schema::faults(&self.vendor.0[name], message);
        if !faults.is_empty() {
            return Err(format!("{name}: {}", faults.join("; ")));
        }
        let Some(audio) = message["user_audio_chunk"].as_str() else {
            self.notes.message(message);
            if message["type"] == "user_message" {
                self.turns += 1;
                self.event += 1;
                self.speak().await;
            }
            return Ok(());
        };
        let ulaw = STANDARD.decode(audio).map_err(|error| error.to_string())?;
        self.place += ulaw.len();
        for edge in self.ear.hear(&ulaw) {
            match edge {
                Edge::On { .. } if self.place < self.sounds_until || !self.rest.is_empty() => self.interrupted().await,
                Edge::On { .. } => {}
                Edge::Off { .. } => self.answer().await,
            }
        }
        Ok(())
    }

    async fn interrupted(&mut self) {
        self.rest.clear();
        self.sounds_until = 0;
        let event = json!({ "event_id": self.event });
        self.say("InterruptionPayload", json!({ "type": "interruption", "interruption_event": event })).await;
        let original = format!("agent turn {}", self.turns);
        let event = json!({ "original_agent_response": original, "corrected_agent_response": "agent ...",
            "event_id": self.event });
        let told = json!({ "type": "agent_response_correction", "agent_response_correction_event": event });
        self.say("AgentResponseCorrectionPayload", told).await;
    }

    async fn error(&mut self, code: i64, message: &str) {
        let event = json!({ "code": code, "message": message });
        self.say("ErrorPayload", json!({ "type": "error", "error_event": event })).await;
    }

    async fn answer(&mut self) {
        self.turns += 1;
        self.notes.turn();
        self.event += 1;
        let event = json!({ "user_transcript": format!("callee turn {}", self.turns), "event_id": self.event });
        self.say("UserTranscriptPayload", json!({ "type": "user_transcript", "user_transcription_event": event }))
            .await;
        if let Act::Tool(name) = self.act
            && self.turns == 1
        {
            let call = json!({ "tool_name": name, "tool_call_id": "t1", "parameters": {}, "event_id": self.event });
            self.say("ClientToolCallPayload", json!({ "type": "client_tool_call", "client_tool_call": call })).await;
        }
        match self.act {
            Act::Fails => return self.error(1_011, "the model failed").await,
            Act::Limited => return self.error(1_008, "This request exceeds your quota.").await,
            _ => {}
        }
        self.speak().await;
    }

    async fn speak(&mut self) {
        let event = json!({ "agent_response": format!("agent turn {}", self.turns), "event_id": self.event });
        self.say("AgentResponsePayload", json!({ "type": "agent_response", "agent_response_event": event })).await;
        if self.act == Act::Silent {
            return;
        }
        self.notes.speaks();
        self.rest = SPEECH.to_vec();
        self.sounds_until = self.place + SPEECH.len();
    }

    /// The next piece of what it says. False: the connection was closed.
    async fn go_on(&mut self) -> bool {
        if self.act == Act::Floods && self.rest.len() < 4_000 {
            self.rest.extend_from_slice(SPEECH);
        }
        let piece: Vec<u8> = self.rest.drain(..self.rest.len().min(1_600)).collect();
        let sent = SPEECH.len().saturating_sub(self.rest.len());
        if self.act == Act::ClosesMidWord && sent > 8_000 {
            self.talk.close(1_011, "internal error").await;
            return false;
        }
        let garbage = self.act == Act::BadBase64 && sent > 3_200 && sent < 8_000;
        let sound = if garbage { "*no base64*".to_owned() } else { STANDARD.encode(piece) };
        self.event += 1;
        let event = json!({ "audio_base_64": sound, "event_id": self.event });
        self.say("AudioPayload", json!({ "type": "audio", "audio_event": event })).await;
        if self.act == Act::Errors && sent == 3_200 {
            // Services repeat what they were given.
            self.error(1_008, "slow down, sk-test-of-agents").await;
        }
        true
    }
}
