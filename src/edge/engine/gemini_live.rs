//! Google Gemini by the Live socket: a model made for talk reads a text aloud, and says what it said.
//!
//! Its transcript is compared with the text; for exact wording `kind = "gemini"` is the better engine.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::gemini::{VENDOR, VOICES, coding, said, tag};
use super::http::{Auth, Bounds, Headerless, Service, same_length};
use super::settings::Settings;
use super::socket::Closed;
use super::{Boxed, Engine, EngineFault, ModelName, Rendered, Request, Usage, VoiceRow, same_words};
use crate::base::text::printable;
use crate::base::{Language, Secret, limits};
use crate::core::config::EngineConfig;
use crate::core::cost::{Claim, table};

const KIND: &str = "gemini-live";
pub(in crate::edge) const METHOD: &str = "google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent";
/// Used if neither the campaign nor `ahoy.toml` names one (which the configuration does).
const MODEL: &str = "gemini-3.8-live";
/// Used if the campaign names none.
const VOICE: &str = "Kore";
/// What the model is told beside the text.
const READ: &str = "You are a narrator. Read each message of the user aloud exactly as it is written, in its own language. \
                    Add nothing, leave nothing out, and never answer it.";

const SETTINGS: [&str; 2] = ["style", "language_code"];

/// The engine of `kind = "gemini-live"`.
pub struct GeminiLive {
    name: String,
    version: String,
    model: String,
    concurrency: usize,
    service: Service,
}

/// What has come of a reading so far.
#[derive(Default)]
struct Reading {
    kind: Option<String>,
    bytes: Vec<u8>,
    transcript: String,
    usage: Option<Value>,
    whole: bool,
    over: bool,
}

impl GeminiLive {
    /// Makes the client; nothing is asked yet.
    pub fn open(
        name: &str,
        config: &EngineConfig,
        key: Option<Secret>,
        bounds: Bounds,
    ) -> Result<GeminiLive, EngineFault> {
        let service = Service::with_bounds(name, config, VENDOR, key, Auth::Header("x-goog-api-key"), bounds)?;
        let more = config.version.as_deref().map_or(String::new(), |word| format!(" {word}"));
        Ok(GeminiLive {
            name: name.to_owned(),
            version: format!("gemini-live v1beta{more}"),
            model: config.model.clone().unwrap_or_else(|| MODEL.to_owned()),
            concurrency: config.concurrency.unwrap_or(limits::RENDER_CONCURRENCY),
            service,
        })
    }

    /// The first message of a session, checked before a cent is spent.
    fn setup(&self, request: &Request) -> Result<(String, Value), EngineFault> {
        let model = request.model.as_deref().unwrap_or(&self.model);
        self.speaks_with(&request.language, Some(model))?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if model.is_empty() || !model.bytes().all(plain) {
            return Err(self.service.refused(format!("`{}` is no model id", printable(model))));
        }
        let settings = Settings::of(&self.name, &request.settings, &SETTINGS)?;
        let voice = request.voice.as_deref().unwrap_or(VOICE);
        if !VOICES.contains(&voice) {
            let near = VOICES.iter().find(|it| it.eq_ignore_ascii_case(voice));
            let near = near.map_or(String::new(), |near| format!(" (did you mean `{near}`?)"));
            let how = format!("`ahoy voices list --engine {}` lists them", self.name);
            return Err(self.service.refused(format!("no such voice `{}`{near}; {how}", printable(voice))));
        }
        let mut speech = json!({ "voiceConfig": { "prebuiltVoiceConfig": { "voiceName": voice } } });
        if let Some(code) = settings.text("language_code").map(str::to_owned).or_else(|| tag(&request.language)) {
            speech["languageCode"] = json!(code);
        }
        let told = match settings.text("style").filter(|style| !style.is_empty()) {
            Some(style) => format!("{READ} Speak like this: {style}"),
            None => READ.to_owned(),
        };
        let setup = json!({ "setup": {
            "model": format!("models/{model}"),
            "generationConfig": { "responseModalities": ["AUDIO"], "speechConfig": speech },
            "systemInstruction": { "parts": [{ "text": told }] },
            "outputAudioTranscription": {},
        } });
        Ok((model.to_owned(), setup))
    }

    async fn read(&self, request: &Request) -> Result<Rendered, EngineFault> {
        let (model, setup) = self.setup(request)?;
        let mut socket = self.service.connect(self.service.url(&["ws", METHOD], &[]), said).await?;
        socket.send(&setup).await?;
        let ended = |closed: Result<Closed, EngineFault>| match closed {
            Ok(closed) => self.closed(&closed),
            Err(fault) => fault,
        };
        let ready = loop {
            let message = socket.next().await.map_err(ended)?;
            if message["setupComplete"].is_object() {
                break message;
            }
        };
        let session = ready["setupComplete"]["sessionId"].as_str().map(|id| self.service.safe(id));
        let turn = json!({ "role": "user", "parts": [{ "text": request.text }] });
        socket.send(&json!({ "clientContent": { "turns": [turn], "turnComplete": true } })).await?;
        let mut reading = Reading::default();
        while !reading.over {
            let message = socket.next().await.map_err(ended)?;
            self.take(&mut reading, &message)?;
        }
        socket.close().await;
        let rendered = self.rendered(reading, &model, request)?;
        Ok(Rendered { request_id: session, ..rendered })
    }

    /// One message may carry several things at once.
    fn take(&self, reading: &mut Reading, message: &Value) -> Result<(), EngineFault> {
        if message["usageMetadata"].is_object() {
            reading.usage = Some(message["usageMetadata"].clone());
        }
        let content = &message["serverContent"];
        for part in content["modelTurn"]["parts"].as_array().into_iter().flatten() {
            let blob = &part["inlineData"];
            let (Some(kind), Some(data)) = (blob["mimeType"].as_str(), blob["data"].as_str()) else { continue };
            if *reading.kind.get_or_insert_with(|| kind.to_owned()) != kind {
                return Err(self.service.bad("sound of two types in one reading".to_owned()));
            }
            let piece = STANDARD.decode(data);
            reading.bytes.extend(piece.map_err(|_| self.service.bad("its audio is no base64".to_owned()))?);
            if reading.bytes.len() > limits::SERVICE_BODY_BYTES {
                return Err(self.service.bad(format!("more than {} bytes", limits::SERVICE_BODY_BYTES)));
            }
        }
        if let Some(text) = content["outputTranscription"]["text"].as_str() {
            reading.transcript.push_str(text);
        }
        if content["interrupted"].as_bool() == Some(true) {
            return Err(self.service.failed("it interrupted itself".to_owned()));
        }
        reading.whole |= content["generationComplete"].as_bool() == Some(true);
        reading.over |= content["turnComplete"].as_bool() == Some(true);
        Ok(())
    }

    fn rendered(&self, reading: Reading, model: &str, request: &Request) -> Result<Rendered, EngineFault> {
        let Some(kind) = &reading.kind else {
            return Err(self.service.failed("it answered without sound".to_owned()));
        };
        if !reading.whole {
            return Err(self.service.bad("cut off: the turn ended before the reading was complete".to_owned()));
        }
        let coding: Headerless = coding(&self.service, kind)?;
        let pcm = self.service.sound(&reading.bytes, coding)?;
        let mut usage = Usage { audio_ms: pcm.duration_ms(), ..Usage::free(&request.text) };
        match &reading.usage {
            None => usage.estimated = true,
            Some(told) => {
                let of = |name: &str| {
                    let details = told["responseTokensDetails"].as_array().into_iter().flatten();
                    details.filter(|it| it["modality"] == name).filter_map(|it| it["tokenCount"].as_u64()).sum::<u64>()
                };
                usage.text_in = told["promptTokenCount"].as_u64().unwrap_or(0);
                (usage.audio_out, usage.text_out) = (of("AUDIO"), of("TEXT"));
                usage.estimated = usage.audio_out == 0;
                let rate = table().model(KIND, model).and_then(|row| row.audio_tokens_per_second);
                if let Some(rate) = rate.filter(|rate| *rate > 0 && usage.audio_out > 0) {
                    same_length(usage.audio_ms, usage.audio_out * 1_000 / rate).map_err(|why| {
                        self.service
                            .bad(format!("{why} by its tokens: cut off, or at another sample rate than it says"))
                    })?;
                }
            }
        }
        same_words(&self.service, &request.text, &reading.transcript)?;
        Ok(Rendered { pcm, transcript: Some(reading.transcript), alignment: None, usage, request_id: None })
    }

    /// What the service means by ending a connection.
    fn closed(&self, closed: &Closed) -> EngineFault {
        let code = closed.code.map_or("without a word".to_owned(), |code| format!("with {code}"));
        let (why, engine) = (format!("it ended the session {code}: {}", closed.reason), self.name.clone());
        let lower = closed.reason.to_lowercase();
        match closed.code {
            Some(1_007 | 1_008) if lower.contains("api key") => EngineFault::Account { engine, why },
            Some(1_008 | 1_011) if lower.contains("quota") => EngineFault::Busy { engine, why, after: None },
            Some(1_007 | 1_008) => EngineFault::Refused { engine, why },
            Some(_) | None => EngineFault::Failed { engine, why },
        }
    }
}

impl Engine for GeminiLive {
    fn name(&self) -> &str {
        &self.name
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn speaks(&self, language: &Language) -> Result<(), EngineFault> {
        self.speaks_with(language, None)
    }

    fn speaks_with(&self, language: &Language, model: Option<&str>) -> Result<(), EngineFault> {
        let model = model.unwrap_or(&self.model);
        match table().model(KIND, model).map_or(Claim::Unclaimed, |row| row.speaks(language)) {
            Claim::Yes | Claim::Unclaimed => Ok(()),
            Claim::No => {
                let detail = format!(": model `{}` does not", printable(model));
                Err(EngineFault::Language { engine: self.name.clone(), language: language.clone(), detail })
            }
        }
    }

    fn model(&self, asked: Option<&str>) -> Option<ModelName> {
        Some(ModelName { kind: KIND, id: asked.unwrap_or(&self.model).to_owned() })
    }

    fn voices(&self) -> Boxed<'_, Result<Vec<VoiceRow>, EngineFault>> {
        let row = |name: &&str| VoiceRow {
            id: (*name).to_owned(),
            name: (*name).to_owned(),
            languages: Vec::new(),
            note: "prebuilt".to_owned(),
        };
        let rows = VOICES.iter().map(row).collect();
        Box::pin(async move { Ok(rows) })
    }

    fn max_characters(&self) -> usize {
        limits::PHRASE_CHARS
    }

    fn concurrency(&self) -> usize {
        self.concurrency
    }

    fn reproducible(&self) -> bool {
        false
    }

    fn check(&self, request: &Request) -> Result<(), EngineFault> {
        self.setup(request).map(drop)
    }

    fn render<'a>(&'a self, request: &'a Request) -> Boxed<'a, Result<Rendered, EngineFault>> {
        Box::pin(self.service.whole(self.read(request)))
    }
}
