//! OpenAI as an emulator: the speech endpoint, and Realtime sessions that read aloud.

use ahoy::base::Language;
use ahoy::core::sound::encode_ulaw;
use ahoy::edge::engine::Boxed;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::KEY;
use crate::emulator::{Act, Reply, Seen, Talk, Vendor};
use crate::schema;
use crate::sound::{doubled, length, little_endian, spoken};

pub struct OpenAi {
    speech: jsonschema::Validator,
    update: jsonschema::Validator,
    create: jsonschema::Validator,
    server: Value,
}

fn english() -> Language {
    "en".parse().expect("a tag")
}

impl OpenAi {
    pub fn new() -> OpenAi {
        let json = |text: &str| -> Value { serde_json::from_str(text).expect("the file is JSON") };
        let rest = json(include_str!("../specs/openai-openapi.audio-realtime.json"));
        let client = json(include_str!("../specs/openai-realtime-client-events.schema.json"));
        OpenAi {
            speech: schema::of_openapi(&rest, "CreateSpeechRequest"),
            update: schema::strict_def(&client, "SessionUpdateEvent"),
            create: schema::strict_def(&client, "ResponseCreateEvent"),
            server: json(include_str!("../specs/openai-realtime-server-events.schema.json")),
        }
    }

    /// Sends an event of ours, which must be as documented.
    async fn say(&self, talk: &mut Talk, name: &str, event: Value) {
        let faults = schema::faults(&schema::def(&self.server, name), &event);
        assert_eq!(faults, Vec::<String>::new(), "the emulator speaks as documented: {event}");
        talk.send(&event).await;
    }

    /// A message of the client's, checked; beta names and unknown fields are refused.
    async fn hear(
        &self,
        talk: &mut Talk,
        wanted: &str,
        schema: &jsonschema::Validator,
    ) -> Result<Option<Value>, String> {
        let Some(message) = talk.next().await else { return Ok(None) };
        if message["type"].as_str() != Some(wanted) {
            return Err(format!("{wanted} comes here, not {}", message["type"]));
        }
        match schema::faults(schema, &message) {
            faults if faults.is_empty() => Ok(Some(message)),
            faults => Err(faults.join("; ")),
        }
    }
}

impl Vendor for OpenAi {
    fn check(&self, seen: &Seen) -> Result<(), Reply> {
        if seen.headers.get("authorization") != Some(&format!("Bearer {KEY}")) {
            return Err(self.error(401, seen));
        }
        let mut wrong = Vec::new();
        match (seen.method.as_str(), seen.path.as_str()) {
            ("POST", "/v1/audio/speech") => {
                wrong.extend(schema::faults(&self.speech, &seen.body));
                if seen.body["model"].as_str().is_some_and(|model| model.starts_with("tts-1"))
                    && seen.body.get("instructions").is_some()
                {
                    wrong.push("instructions do not work with this model".to_owned());
                }
                wrong.extend(seen.query.keys().map(|name| format!("query {name}")));
            }
            ("GET", "/v1/realtime") => {
                let model = seen.query.get("model").map(String::as_str).unwrap_or_default();
                if !model.starts_with("gpt-realtime") || seen.query.len() != 1 {
                    wrong.push(format!("query {:?}", seen.query));
                }
                if seen.headers.contains_key("openai-beta") {
                    wrong.push("the beta is over".to_owned());
                }
            }
            (method, path) => wrong.push(format!("{method} {path} is not there")),
        }
        if wrong.is_empty() {
            return Ok(());
        }
        let error =
            json!({ "message": wrong.join("; "), "type": "invalid_request_error", "param": null, "code": null });
        Err(Reply::json(400, &json!({ "error": error })))
    }

    fn answer(&self, seen: &Seen, act: Act) -> Reply {
        let text = seen.body["input"].as_str().expect("checked");
        let pcm = spoken(text, &english(), 24_000, act);
        // A rate that is wrong without a header cannot be seen, but half a sample can.
        let mut body = little_endian(&pcm.samples);
        if act == Act::WrongRate {
            body.pop();
        }
        Reply { http: 200, headers: vec![("content-type".to_owned(), "audio/pcm".to_owned())], body }
            .with("x-request-id", "req_0123456789")
    }

    fn is_socket(&self, seen: &Seen) -> bool {
        seen.path == "/v1/realtime"
    }

    fn talk<'a>(&'a self, talk: &'a mut Talk, _: &'a Seen, act: Act) -> Boxed<'a, Result<(), String>> {
        Box::pin(async move {
            if act == Act::ErrorInGood {
                let error = json!({ "type": "server_error", "code": "internal_error", "message": "try again" });
                self.say(talk, "RealtimeErrorEvent", json!({ "type": "error", "event_id": "e0", "error": error }))
                    .await;
                while talk.next().await.is_some() {}
                return Ok(());
            }
            let session = json!({ "type": "realtime", "model": "gpt-realtime-2.1-mini" });
            let event = |name: &str, id: &str| json!({ "type": name, "event_id": id, "session": session });
            self.say(talk, "SessionCreatedEvent", event("session.created", "e1")).await;
            let Some(update) = self.hear(talk, "session.update", &self.update).await? else { return Ok(()) };
            let output = &update["session"]["audio"]["output"];
            if update["session"]["type"] != "realtime" || output["format"]["type"].as_str().is_none() {
                return Err("the session has no type or format".to_owned());
            }
            self.say(talk, "SessionUpdatedEvent", event("session.updated", "e2")).await;
            let Some(create) = self.hear(talk, "response.create", &self.create).await? else { return Ok(()) };
            let response = &create["response"];
            let text = response["input"][0]["content"][0]["text"].as_str().ok_or("no text")?;
            if response["conversation"] != "none" {
                return Err("a reading leaves no trace in the conversation".to_owned());
            }
            self.read(talk, text, output["format"]["type"] == "audio/pcm", act).await;
            while talk.next().await.is_some() {}
            Ok(())
        })
    }

    fn error(&self, http: u16, seen: &Seen) -> Reply {
        let key = seen.headers.get("authorization").map_or("", String::as_str);
        let code = match http {
            401 => "invalid_api_key",
            402 | 403 => "billing_hard_limit_reached",
            429 => "rate_limit_exceeded",
            _ => "",
        };
        let kind = if http >= 500 { "server_error" } else { "invalid_request_error" };
        let error = json!({ "message": format!("{key} is refused"), "type": kind, "param": null,
            "code": if code.is_empty() { Value::Null } else { json!(code) } });
        Reply::json(http, &json!({ "error": error }))
    }
}

impl OpenAi {
    async fn read(&self, talk: &mut Talk, text: &str, wide: bool, act: Act) {
        let rate = if wide { 24_000 } else { 8_000 };
        let pcm = spoken(text, &english(), rate, act);
        let samples = if act == Act::WrongRate { doubled(&pcm) } else { pcm.samples.clone() };
        let bytes = if wide { little_endian(&samples) } else { encode_ulaw(&samples) };
        let told_ms = if act == Act::Tenth { length(text, &english()) / 10 } else { length(text, &english()) };
        let place =
            json!({ "response_id": "resp_0123456789", "item_id": "item_1", "output_index": 0, "content_index": 0 });
        let at = |name: &str, more: Value| {
            let mut event = place.clone();
            for (field, value) in more.as_object().expect("an object") {
                event[field] = value.clone();
            }
            (event["type"], event["event_id"]) = (json!(name), json!("e3"));
            event
        };
        let pieces: Vec<&[u8]> = bytes.chunks(4_000).collect();
        for (nth, piece) in pieces.iter().enumerate() {
            if act == Act::ShortBody && nth * 2 >= pieces.len() {
                return talk.close(1_011, "gone").await;
            }
            if act == Act::Drip {
                tokio::time::sleep(std::time::Duration::from_millis(150)).await;
            }
            let delta = at("response.output_audio.delta", json!({ "delta": STANDARD.encode(piece) }));
            self.say(talk, "ResponseAudioDeltaEvent", delta).await;
        }
        let said = if act == Act::Reworded { "Of course! Here is something else entirely for you." } else { text };
        let done = at("response.output_audio_transcript.done", json!({ "transcript": said }));
        self.say(talk, "ResponseAudioTranscriptDoneEvent", done).await;
        let tokens = told_ms / 50;
        let usage = json!({ "total_tokens": 90 + tokens, "input_tokens": 40, "output_tokens": 50 + tokens,
            "input_token_details": { "text_tokens": 40, "audio_tokens": 0, "cached_tokens": 0 },
            "output_token_details": { "text_tokens": 50, "audio_tokens": tokens } });
        let response = json!({ "id": "resp_0123456789", "object": "realtime.response", "status": "completed",
            "status_details": null, "output": [], "usage": usage });
        let done = json!({ "type": "response.done", "event_id": "e9", "response": response });
        self.say(talk, "ResponseDoneEvent", done).await;
    }
}
