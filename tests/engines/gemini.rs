//! Gemini as an emulator: `models/{model}:generateContent` and `voices`.

use ahoy::base::Language;
use ahoy::core::sound::{Pcm, wav};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::KEY;
use crate::emulator::{Act, Reply, Seen, Vendor};
use crate::schema;
use crate::sound::{doubled, length, little_endian, spoken};

pub struct Gemini {
    content: jsonschema::Validator,
    generation: jsonschema::Validator,
    good: jsonschema::Validator,
    /// Answer as the older models do: PCM without a header.
    headerless: bool,
}

impl Gemini {
    pub fn new() -> Gemini {
        let file: Value = serde_json::from_str(include_str!("../specs/gemini-generate-content.schema.json"))
            .expect("the file is JSON");
        Gemini {
            content: schema::of_file(&file, "Content"),
            generation: schema::of_file(&file, "GenerationConfig"),
            good: schema::of_file(&file, "GenerateContentResponse"),
            headerless: false,
        }
    }

    /// As the older models are: their sound has no header.
    pub fn older() -> Gemini {
        Gemini { headerless: true, ..Gemini::new() }
    }

    fn check_speech(&self, seen: &Seen, model: &str) -> Vec<String> {
        let mut wrong = Vec::new();
        let body = seen.body.as_object().cloned().unwrap_or_default();
        wrong.extend(
            body.keys()
                .filter(|it| !["contents", "generationConfig"].contains(&it.as_str()))
                .map(|it| format!("unknown {it}")),
        );
        let contents = seen.body["contents"].as_array().cloned().unwrap_or_default();
        if contents.len() != 1 {
            wrong.push("one content".to_owned());
        }
        for content in &contents {
            wrong.extend(schema::faults(&self.content, content));
            for part in content["parts"].as_array().into_iter().flatten() {
                if part.get("speechMetadata").is_some() && !model.starts_with("gemini-3.8") {
                    wrong.push("speechMetadata is not supported by this model".to_owned());
                }
                if part["text"].as_str().is_none_or(|text| text.trim().is_empty()) {
                    wrong.push("empty text".to_owned());
                }
            }
        }
        wrong.extend(schema::faults(&self.generation, &seen.body["generationConfig"]));
        if seen.body["generationConfig"]["responseModalities"] != json!(["AUDIO"]) {
            wrong.push("a model for speech answers with AUDIO only".to_owned());
        }
        if seen.headers.get("content-type").map(String::as_str) != Some("application/json") {
            wrong.push("content-type is application/json".to_owned());
        }
        wrong.extend(seen.query.keys().filter(|name| *name != "alt").map(|name| format!("query {name}")));
        wrong
    }
}

impl Vendor for Gemini {
    fn check(&self, seen: &Seen) -> Result<(), Reply> {
        if seen.headers.get("x-goog-api-key").map(String::as_str) != Some(KEY) {
            return Err(self.error(401, seen));
        }
        let wrong = match (seen.method.as_str(), seen.path.strip_prefix("/v1beta/")) {
            ("POST", Some(path)) => {
                let model = path.strip_prefix("models/").and_then(|it| it.strip_suffix(":generateContent"));
                match model.filter(|model| model.contains("tts")) {
                    Some(model) => self.check_speech(seen, model),
                    None => vec![format!("{path} is not there")],
                }
            }
            ("GET", Some("voices")) => Vec::new(),
            (method, _) => vec![format!("{method} {} is not there", seen.path)],
        };
        if wrong.is_empty() {
            return Ok(());
        }
        let error = json!({"code": 400, "message": wrong.join("; "), "status": "INVALID_ARGUMENT"});
        Err(Reply::json(400, &json!({ "error": error })))
    }

    fn answer(&self, seen: &Seen, act: Act) -> Reply {
        if seen.path.ends_with("/voices") {
            let second = seen.query.get("page_token").map(String::as_str) == Some("2");
            let voice =
                |id: &str, tag: &str| json!({"id": id, "display_name": id, "language_code": tag, "type": "prompted"});
            return Reply::json(
                200,
                &if second {
                    json!({"voices": [voice("voice_b", "bg-BG")]})
                } else {
                    json!({"voices": [voice("voice_a", "he-IL")], "next_page_token": "2"})
                },
            );
        }
        let text = seen.body["contents"][0]["parts"][0]["text"].as_str().expect("checked");
        let tag = seen.body["generationConfig"]["speechConfig"]["languageCode"].as_str().unwrap_or("en-US");
        let language: Language = tag.parse().expect("a tag");
        let pcm = spoken(text, &language, 24_000, act);
        let told_ms = if act == Act::Tenth { length(text, &language) / 10 } else { length(text, &language) };
        let samples = if act == Act::WrongRate { doubled(&pcm) } else { pcm.samples.clone() };
        let (mime, bytes) = if self.headerless {
            ("audio/L16;codec=pcm;rate=24000", little_endian(&samples))
        } else {
            ("audio/wav", wav::write(&Pcm { samples, rate: 24_000 }))
        };
        let tokens = told_ms * 25 / 1_000;
        let body = json!({
            "candidates": [{"content": {"role": "model", "parts": [{"inlineData": {"mimeType": mime,
                "data": STANDARD.encode(bytes)}}]}, "finishReason": "STOP", "index": 0}],
            "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": tokens, "totalTokenCount": 9 + tokens,
                "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": tokens}]},
            "modelVersion": "gemini-3.8-flash-tts", "responseId": "resp-0123456789",
        });
        assert_eq!(schema::faults(&self.good, &body), Vec::<String>::new(), "the emulator answers as documented");
        Reply::json(200, &body)
    }

    fn error(&self, http: u16, seen: &Seen) -> Reply {
        let key = seen.headers.get("x-goog-api-key").map_or("", String::as_str);
        let status = match http {
            401 => "UNAUTHENTICATED",
            402 | 403 => "PERMISSION_DENIED",
            429 => "RESOURCE_EXHAUSTED",
            503 => "UNAVAILABLE",
            _ => "INTERNAL",
        };
        let error = json!({"code": http, "message": format!("key {key} is refused"), "status": status, "details": []});
        Reply::json(http, &json!({ "error": error }))
    }
}
