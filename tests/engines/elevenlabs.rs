//! ElevenLabs as an emulator: `/v1/text-to-speech`, with and without timestamps, and `/v2/voices`.

use ahoy::base::Language;
use ahoy::core::sound::g711;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::KEY;
use crate::emulator::{Act, Reply, Seen, Vendor};
use crate::schema;
use crate::sound::{doubled, length, little_endian, spoken};

pub const VOICE: &str = "21m00Tcm4TlvDq8ikWAM";

pub struct ElevenLabs {
    body: jsonschema::Validator,
    settings: jsonschema::Validator,
    good: jsonschema::Validator,
    voices: jsonschema::Validator,
    formats: Vec<String>,
}

impl ElevenLabs {
    pub fn new() -> ElevenLabs {
        let api: Value = serde_json::from_str(include_str!("../specs/elevenlabs-openapi.tts-voices-agents.json"))
            .expect("the document is JSON");
        let rest: Value =
            serde_json::from_str(include_str!("../specs/elevenlabs-rest.schema.json")).expect("the file is JSON");
        let parameters = api["paths"]["/v1/text-to-speech/{voice_id}"]["post"]["parameters"].as_array();
        let format = parameters.expect("parameters").iter().find(|it| it["name"] == "output_format");
        let formats = format.expect("it is documented")["schema"]["enum"].as_array().expect("a list").iter();
        let document = |name| jsonschema::validator_for(&rest["schemas"][name]).expect("a schema");
        ElevenLabs {
            body: schema::of_openapi(&api, "Body_text_to_speech_full_with_timestamps"),
            settings: schema::of_file(&rest, "VoiceSettings"),
            good: document("AudioWithTimestampsResponse"),
            voices: document("GetVoicesV2Response"),
            formats: formats.map(|it| it.as_str().expect("a word").to_owned()).collect(),
        }
    }

    fn check_speech(&self, seen: &Seen) -> Vec<String> {
        let mut wrong = schema::faults(&self.body, &seen.body);
        wrong.extend(schema::faults(&self.settings, &seen.body.get("voice_settings").cloned().unwrap_or(json!({}))));
        if seen.headers.get("content-type").map(String::as_str) != Some("application/json") {
            wrong.push("content-type is application/json".to_owned());
        }
        for (name, value) in &seen.query {
            match name.as_str() {
                "output_format" if self.formats.contains(value) => {}
                "enable_logging" if ["true", "false"].contains(&value.as_str()) => {}
                _ => wrong.push(format!("query {name}={value}")),
            }
        }
        let model = seen.body["model_id"].as_str().unwrap_or("eleven_multilingual_v2");
        if model == "eleven_multilingual_v2" && seen.body.get("language_code").is_some() {
            wrong.push("multilingual_v2 takes no language_code".to_owned());
        }
        if seen.body["text"].as_str().is_none_or(|text| text.trim().is_empty()) {
            wrong.push("empty_text".to_owned());
        }
        wrong
    }

    fn sound(&self, seen: &Seen, act: Act) -> (Vec<u8>, u64) {
        let language: Language = seen.body["language_code"].as_str().unwrap_or("en").parse().expect("a code");
        let text = seen.body["text"].as_str().expect("checked");
        let format = seen.query.get("output_format").map_or("pcm_16000", String::as_str);
        let rate: u32 = format.rsplit('_').next().expect("a rate").parse().expect("a rate");
        let pcm = spoken(text, &language, rate, act);
        let samples = if act == Act::WrongRate { doubled(&pcm) } else { pcm.samples };
        let bytes = if format.starts_with("ulaw") { g711::encode_ulaw(&samples) } else { little_endian(&samples) };
        let told = if act == Act::Tenth { length(text, &language) / 10 } else { length(text, &language) };
        (bytes, told)
    }
}

impl Vendor for ElevenLabs {
    fn check(&self, seen: &Seen) -> Result<(), Reply> {
        if seen.headers.get("xi-api-key").map(String::as_str) != Some(KEY) {
            return Err(self.error(401, seen));
        }
        let segments: Vec<&str> = seen.path.trim_start_matches('/').split('/').collect();
        let wrong = match (seen.method.as_str(), segments.as_slice()) {
            ("POST", ["v1", "text-to-speech", voice] | ["v1", "text-to-speech", voice, "with-timestamps"]) => {
                if *voice != VOICE {
                    return Err(Reply::json(404, &json!({"detail": {"code": "voice_not_found", "message": voice}})));
                }
                self.check_speech(seen)
            }
            ("GET", ["v2", "voices"]) => {
                let size = seen.query.get("page_size").and_then(|text| text.parse::<u32>().ok()).unwrap_or(10);
                let odd = seen.query.keys().filter(|name| !["page_size", "next_page_token"].contains(&name.as_str()));
                let mut wrong: Vec<String> = odd.map(|name| format!("query {name}")).collect();
                if size > 100 {
                    wrong.push("page_size is 100 at most".to_owned());
                }
                wrong
            }
            (method, _) => vec![format!("{method} {} is not there", seen.path)],
        };
        if wrong.is_empty() {
            return Ok(());
        }
        let list: Vec<Value> =
            wrong.iter().map(|msg| json!({"loc": ["body"], "msg": msg, "type": "value_error"})).collect();
        Err(Reply::json(422, &json!({ "detail": list })))
    }

    fn answer(&self, seen: &Seen, act: Act) -> Reply {
        if seen.path == "/v2/voices" {
            return self.voice_page(seen);
        }
        let (bytes, told_ms) = self.sound(seen, act);
        let text = seen.body["text"].as_str().expect("checked");
        let count = text.chars().count();
        let headers = |reply: Reply| {
            reply
                .with("request-id", "req_0123456789")
                .with("x-character-count", &count.to_string())
                .with("current-concurrent-requests", "1")
                .with("maximum-concurrent-requests", "10")
        };
        if !seen.path.ends_with("/with-timestamps") {
            return headers(Reply { http: 200, headers: Vec::new(), body: bytes });
        }
        let at = |n: usize| n as f64 * told_ms as f64 / 1_000.0 / count as f64;
        let alignment = json!({
            "characters": text.chars().map(String::from).collect::<Vec<_>>(),
            "character_start_times_seconds": (0..count).map(at).collect::<Vec<_>>(),
            "character_end_times_seconds": (1..=count).map(at).collect::<Vec<_>>(),
        });
        let body =
            json!({"audio_base64": STANDARD.encode(bytes), "alignment": alignment, "normalized_alignment": null});
        assert_eq!(schema::faults(&self.good, &body), Vec::<String>::new(), "the emulator answers as documented");
        headers(Reply::json(200, &body))
    }

    fn crowd(&self) -> Reply {
        let detail = json!({"status": "concurrent_limit_exceeded", "message": "too many requests at once"});
        Reply::json(429, &json!({ "detail": detail }))
    }

    fn error(&self, http: u16, seen: &Seen) -> Reply {
        let key = seen.headers.get("xi-api-key").map_or("", String::as_str);
        let (kind, code) = match http {
            401 => ("authentication_error", "invalid_api_key"),
            402 => ("payment_required", "insufficient_credits"),
            403 => ("authorization_error", "subscription_required"),
            429 => ("rate_limit_error", "system_busy"),
            503 => ("service_unavailable", "service_unavailable"),
            _ => ("internal_error", "internal_error"),
        };
        let message = format!("refused for {key}, account of {key}");
        let detail =
            json!({"type": kind, "code": code, "message": message, "status": code, "request_id": "r", "param": null});
        Reply::json(http, &json!({ "detail": detail }))
    }
}

impl ElevenLabs {
    fn voice_page(&self, seen: &Seen) -> Reply {
        let second = seen.query.get("next_page_token").map(String::as_str) == Some("page-2");
        let voice = |id: &str, name: &str, language: &str| {
            json!({"voice_id": id, "name": name, "category": "premade", "available_for_tiers": [],
                "labels": {"language": language, "gender": "female"}, "high_quality_base_model_ids": []})
        };
        let body = if second {
            json!({"voices": [voice("ThT5KcBeYPX3keUQqHPh", "Dorothy", "bg")], "has_more": false, "total_count": 2})
        } else {
            json!({"voices": [voice(VOICE, "Rachel", "en")], "has_more": true, "total_count": 2,
                "next_page_token": "page-2"})
        };
        assert_eq!(schema::faults(&self.voices, &body), Vec::<String>::new(), "the emulator answers as documented");
        Reply::json(200, &body)
    }
}
