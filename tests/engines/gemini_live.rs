//! Gemini Live as an emulator: one setup, one turn, sound and words in pieces, several things in one frame.

use ahoy::base::Language;
use ahoy::edge::engine::Boxed;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::KEY;
use crate::emulator::{Act, Reply, Seen, Talk, Vendor};
use crate::schema;
use crate::sound::{doubled, length, little_endian, spoken};

const PATH: &str = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent";

pub struct GeminiLive {
    setup: jsonschema::Validator,
    content: jsonschema::Validator,
    server: jsonschema::Validator,
}

impl GeminiLive {
    pub fn new() -> GeminiLive {
        let json = |text: &str| -> Value { serde_json::from_str(text).expect("the file is JSON") };
        let client = json(include_str!("../specs/gemini-live-client-messages.schema.json"));
        let server = json(include_str!("../specs/gemini-live-server-message.schema.json"));
        GeminiLive {
            setup: schema::of_file(&client, "LiveClientSetup"),
            content: schema::of_file(&client, "LiveClientContent"),
            server: jsonschema::validator_for(&server).expect("a schema"),
        }
    }

    async fn say(&self, talk: &mut Talk, message: Value) {
        let faults = schema::faults(&self.server, &message);
        assert_eq!(faults, Vec::<String>::new(), "the emulator speaks as documented: {message}");
        talk.send_binary(&message).await;
    }

    async fn hear(&self, talk: &mut Talk, name: &str, schema: &jsonschema::Validator) -> Result<Option<Value>, String> {
        let Some(message) = talk.next().await else { return Ok(None) };
        let fields = message.as_object().map(|it| it.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
        if fields != [name] {
            talk.close(1_007, "Request contains an invalid argument.").await;
            return Err(format!("{name} comes here, not {fields:?}"));
        }
        let faults = schema::faults(schema, &message[name]);
        if !faults.is_empty() {
            talk.close(1_007, "Request contains an invalid argument.").await;
            return Err(faults.join("; "));
        }
        Ok(Some(message[name].clone()))
    }
}

impl Vendor for GeminiLive {
    fn check(&self, seen: &Seen) -> Result<(), Reply> {
        if seen.headers.get("x-goog-api-key").map(String::as_str) != Some(KEY) {
            return Err(self.error(401, seen));
        }
        if (seen.method.as_str(), seen.path.as_str()) != ("GET", PATH) || !seen.query.is_empty() {
            return Err(self.error(404, seen));
        }
        Ok(())
    }

    fn answer(&self, _: &Seen, _: Act) -> Reply {
        unreachable!("every request that passes opens a socket")
    }

    fn is_socket(&self, seen: &Seen) -> bool {
        seen.path == PATH
    }

    fn talk<'a>(&'a self, talk: &'a mut Talk, _: &'a Seen, act: Act) -> Boxed<'a, Result<(), String>> {
        Box::pin(async move {
            let Some(setup) = self.hear(talk, "setup", &self.setup).await? else { return Ok(()) };
            if !setup["model"].as_str().is_some_and(|model| model.starts_with("models/gemini-")) {
                talk.close(1_008, "model not found").await;
                return Err("the model's name".to_owned());
            }
            if act == Act::ErrorInGood {
                talk.close(1_011, "Internal error encountered.").await;
                return Ok(());
            }
            let tag = setup["generationConfig"]["speechConfig"]["languageCode"].as_str().unwrap_or("en-US");
            let language: Language = tag.parse().expect("a tag");
            self.say(talk, json!({ "setupComplete": { "sessionId": "session-0123456789" } })).await;
            let Some(content) = self.hear(talk, "clientContent", &self.content).await? else { return Ok(()) };
            let text = content["turns"][0]["parts"][0]["text"].as_str().ok_or("no text")?.to_owned();
            if content["turnComplete"] != true {
                // The server waits for the rest of the turn.
                std::future::pending::<()>().await;
            }
            self.read(talk, &text, &language, act).await;
            while talk.next().await.is_some() {}
            Ok(())
        })
    }

    fn error(&self, http: u16, seen: &Seen) -> Reply {
        let key = seen.headers.get("x-goog-api-key").map_or("", String::as_str);
        let status = match http {
            401 => "UNAUTHENTICATED",
            402 | 403 => "PERMISSION_DENIED",
            404 => "NOT_FOUND",
            429 => "RESOURCE_EXHAUSTED",
            503 => "UNAVAILABLE",
            _ => "INTERNAL",
        };
        let error = json!({ "code": http, "message": format!("key {key} is refused"), "status": status });
        Reply::json(http, &json!({ "error": error }))
    }
}

impl GeminiLive {
    async fn read(&self, talk: &mut Talk, text: &str, language: &Language, act: Act) {
        let pcm = spoken(text, language, 24_000, act);
        let samples = if act == Act::WrongRate { doubled(&pcm) } else { pcm.samples.clone() };
        let bytes = little_endian(&samples);
        let said = if act == Act::Reworded { "Sure, I would be happy to say something else." } else { text };
        let words: Vec<&str> = said.split_inclusive(' ').collect();
        let pieces: Vec<&[u8]> = bytes.chunks(24_000).collect();
        for nth in 0..pieces.len().max(words.len()) {
            if act == Act::ShortBody && nth * 2 >= pieces.len() {
                return talk.close(1_011, "gone").await;
            }
            if act == Act::Drip {
                tokio::time::sleep(std::time::Duration::from_millis(150)).await;
            }
            // One frame may carry sound and words.
            let mut content = json!({});
            if let Some(piece) = pieces.get(nth) {
                let blob = json!({ "mimeType": "audio/pcm;rate=24000", "data": STANDARD.encode(piece) });
                content["modelTurn"] = json!({ "role": "model", "parts": [{ "inlineData": blob }] });
            }
            if let Some(word) = words.get(nth) {
                content["outputTranscription"] = json!({ "text": word });
            }
            self.say(talk, json!({ "serverContent": content })).await;
        }
        let told_ms = if act == Act::Tenth { length(text, language) / 10 } else { length(text, language) };
        let tokens = told_ms * 25 / 1_000;
        self.say(talk, json!({ "serverContent": { "generationComplete": true } })).await;
        let usage = json!({ "promptTokenCount": 30, "responseTokenCount": tokens, "totalTokenCount": 30 + tokens,
            "responseTokensDetails": [{ "modality": "AUDIO", "tokenCount": tokens }] });
        self.say(talk, json!({ "serverContent": { "turnComplete": true }, "usageMetadata": usage })).await;
    }
}
