//! Transcribers: the same emulators' wire, other dialects. Every part of a form is checked by its name.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ahoy::base::Secret;
use ahoy::core::config::EngineConfig;
use ahoy::core::sound::wav;
use ahoy::edge::engine::EngineFault;
use ahoy::edge::engine::http::Bounds;
use ahoy::edge::transcriber::{self, Transcriber};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::KEY;
use crate::emulator::{Act, Emulator, Reply, Seen, Vendor};
use crate::schema;
use crate::sound::spoken;

/// What every emulator hears.
const HEARD: &str = "Hello, this is the harbour line.";

struct Transcribers {
    kind: &'static str,
    form: Value,
    config: jsonschema::Validator,
}

fn start(kind: &'static str) -> Transcribers {
    let json = |text: &str| -> Value { serde_json::from_str(text).expect("the file is JSON") };
    let openai = json(include_str!("../specs/openai-openapi.audio-realtime.json"));
    let gemini = json(include_str!("../specs/gemini-voices-interactions.schema.json"));
    Transcribers {
        kind,
        form: openai["components"]["schemas"]["CreateTranscriptionRequest"]["properties"].clone(),
        config: schema::of_file(&gemini, "InteractionsTranscriptionConfig"),
    }
}

/// The parts of a multipart body, by name.
fn parts(seen: &Seen) -> Option<BTreeMap<String, Vec<u8>>> {
    let boundary = seen.headers.get("content-type")?.split("boundary=").nth(1)?.trim_matches('"').to_owned();
    let mark = format!("--{boundary}");
    let mut parts = BTreeMap::new();
    let find = |hay: &[u8], needle: &[u8]| hay.windows(needle.len()).position(|it| it == needle);
    let mut rest = &seen.raw[..];
    while let Some(at) = find(rest, mark.as_bytes()) {
        rest = &rest[at + mark.len()..];
        let end = find(rest, mark.as_bytes()).unwrap_or(rest.len());
        let (part, head) = (&rest[..end], find(&rest[..end], b"\r\n\r\n"));
        let Some(head) = head else { continue };
        let text = String::from_utf8_lossy(&part[..head]).into_owned();
        let name = text.split("name=\"").nth(1)?.split('"').next()?.to_owned();
        parts.insert(name, part[head + 4..part.len() - 2].to_vec());
    }
    Some(parts)
}

impl Vendor for Transcribers {
    fn check(&self, seen: &Seen) -> Result<(), Reply> {
        let key = ["authorization", "xi-api-key", "x-goog-api-key"].iter().find_map(|name| seen.headers.get(*name));
        if key.is_none_or(|key| key.trim_start_matches("Bearer ") != KEY) {
            return Err(self.error(401, seen));
        }
        let refuse = |why: String| Err(Reply::json(400, &json!({ "error": { "message": why, "code": null } })));
        let audio = match (self.kind, seen.path.as_str()) {
            ("openai", "/v1/audio/transcriptions") | ("elevenlabs", "/v1/speech-to-text") => {
                let Some(parts) = parts(seen) else { return refuse("no multipart form".to_owned()) };
                let known = |name: &str| match self.kind {
                    "openai" => self.form.get(name).is_some(),
                    _ => ["model_id", "file", "tag_audio_events", "timestamps_granularity"].contains(&name),
                };
                if let Some(name) = parts.keys().find(|name| !known(name)) {
                    return refuse(format!("unknown part {name}"));
                }
                let model = if self.kind == "openai" { "model" } else { "model_id" };
                if !parts.contains_key(model) {
                    return refuse("no model".to_owned());
                }
                parts.get("file").cloned()
            }
            ("gemini", "/v1beta/interactions") => {
                let faults = schema::faults(&self.config, &seen.body["generation_config"]["transcription_config"]);
                if !faults.is_empty() || seen.body["store"] != false {
                    return refuse(format!("{faults:?}, or it would be stored"));
                }
                let input = &seen.body["input"][0];
                if input["type"] != "audio" || input["mime_type"] != "audio/wav" {
                    return refuse("no audio".to_owned());
                }
                STANDARD.decode(input["data"].as_str().unwrap_or_default()).ok()
            }
            (_, path) => return refuse(format!("{path} is not there")),
        };
        match audio.map(|bytes| wav::read(&bytes)) {
            Some(Ok(_)) => Ok(()),
            _ => refuse("the file could not be decoded".to_owned()),
        }
    }

    fn answer(&self, _: &Seen, _: Act) -> Reply {
        let body = match self.kind {
            "openai" => json!({ "text": HEARD, "languages": [{ "code": "en" }],
                "usage": { "type": "duration", "seconds": 2.0 } }),
            "elevenlabs" => json!({ "text": HEARD, "language_code": "eng", "language_probability": 0.98, "words": [],
                "transcription_id": "t" }),
            _ => json!({ "steps": [{ "type": "model_output", "content": [{ "type": "text", "text": HEARD }] }] }),
        };
        Reply::json(200, &body)
    }

    fn error(&self, http: u16, seen: &Seen) -> Reply {
        let key = seen.headers.values().find(|value| value.contains(KEY)).cloned().unwrap_or_default();
        Reply::json(http, &json!({ "error": { "message": format!("{key} is refused"), "code": null } }))
    }
}

fn open(kind: &str, base_url: &str, whole: Option<Duration>) -> Arc<dyn Transcriber> {
    let config = EngineConfig {
        kind: Some(kind.to_owned()),
        base_url: Some(base_url.to_owned()),
        key: Some(ahoy::base::secret::SecretRef::Env("AHOY_TEST_SPEECH_KEY".to_owned())),
        ..EngineConfig::default()
    };
    let secret = |_: &ahoy::base::secret::SecretRef, _: &str| Ok(Secret::new(KEY.to_owned()));
    let bounds = Bounds { whole: whole.unwrap_or(Bounds::default().whole), ..Bounds::default() };
    transcriber::open("ear", &config, &secret, bounds).expect("the configuration is good")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_transcriber_is_asked_as_documented_and_its_faults_are_told_without_the_key() {
    let pcm = spoken(HEARD, &"en".parse().expect("a tag"), 8_000, Act::Well);
    let file = wav::write(&pcm);
    for (kind, language) in [("openai", Some("en")), ("elevenlabs", Some("en")), ("gemini", None)] {
        let service = Emulator::start(start(kind), Act::Well).await;
        let heard = open(kind, &service.base_url, None).transcribe(&file, "en").await.expect("heard");
        assert_eq!(service.refused(), Vec::<String>::new(), "{kind}: as documented");
        assert_eq!((heard.text.as_str(), heard.language.as_deref()), (HEARD, language), "{kind}");
        assert_eq!(heard.usage.audio_ms, pcm.duration_ms(), "{kind}");
        for act in [
            Act::Error(401),
            Act::Error(429),
            Act::Error(500),
            Act::BadGateway,
            Act::Html,
            Act::Empty,
            Act::ErrorInGood,
            Act::ShortBody,
            Act::Reset,
            Act::Hang,
        ] {
            let service = Emulator::start(start(kind), act).await;
            let whole = (act == Act::Hang).then_some(Duration::from_millis(300));
            let fault = open(kind, &service.base_url, whole).transcribe(&file, "en").await;
            let fault = fault.expect_err("no transcript");
            assert!(!crate::leaks(&fault.to_string()), "{kind} {act:?}: {fault}");
            let is = match act {
                Act::Error(401) => matches!(fault, EngineFault::Account { .. }),
                Act::Error(429) => matches!(fault, EngineFault::Busy { .. }),
                Act::Html | Act::Empty | Act::ErrorInGood => matches!(fault, EngineFault::BadSound { .. }),
                _ => matches!(fault, EngineFault::Failed { .. }),
            };
            assert!(is, "{kind} {act:?}: {fault}");
        }
    }
}
