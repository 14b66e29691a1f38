//! OpenAI in two ways: the speech endpoint, while it is served, and a Realtime session that reads a text aloud.
//!
//! A realtime model is made for talk and may reword: its own transcript is compared with the text, and what differs is no
//! rendering.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::http::{Auth, Bounds, Headerless, Means, Said, Service, same_length};
use super::settings::Settings;
use super::socket::Socket;
use super::{Boxed, Engine, EngineFault, ModelName, Rendered, Request, Usage, VoiceRow, same_words};
use crate::base::text::printable;
use crate::base::{Language, Secret, limits};
use crate::core::config::EngineConfig;
use crate::core::cost::table;

const KIND: &str = "openai";
pub(in crate::edge) const VENDOR: &str = "https://api.openai.com";
/// Used if neither the campaign nor `ahoy.toml` names one (which the configuration does).
const MODEL: &str = "gpt-realtime-2.1-mini";
/// Used if the campaign names none.
const VOICE: &str = "marin";
/// Rate of the service's PCM, Hz.
const RATE: u32 = 24_000;
/// Milliseconds of sound for which one audio token stands.
const TOKEN_MS: u64 = 50;
/// Most characters of instructions.
const INSTRUCTIONS: usize = 4_096;
/// What a realtime model is told beside the text.
const READ: &str =
    "Read the message aloud exactly as it is written, in its own language, adding nothing and leaving nothing out.";

const SETTINGS: [&str; 3] = ["instructions", "speed", "output_format"];

/// Voices that are built in.
const VOICES: [&str; 13] =
    ["alloy", "ash", "ballad", "coral", "echo", "fable", "onyx", "nova", "sage", "shimmer", "verse", "marin", "cedar"];

/// The engine of `kind = "openai"`.
pub struct OpenAi {
    name: String,
    version: String,
    model: String,
    concurrency: usize,
    service: Service,
}

/// What is asked for, checked.
struct Order<'a> {
    model: &'a str,
    voice: Value,
    instructions: Option<&'a str>,
    speed: Option<f64>,
    pcm: bool,
}

impl OpenAi {
    /// Makes the client; nothing is asked yet.
    pub fn open(name: &str, config: &EngineConfig, key: Option<Secret>, bounds: Bounds) -> Result<OpenAi, EngineFault> {
        let service = Service::with_bounds(name, config, VENDOR, key, Auth::Bearer, bounds)?;
        let more = config.version.as_deref().map_or(String::new(), |word| format!(" {word}"));
        Ok(OpenAi {
            name: name.to_owned(),
            version: format!("openai v1{more}"),
            model: config.model.clone().unwrap_or_else(|| MODEL.to_owned()),
            concurrency: config.concurrency.unwrap_or(limits::RENDER_CONCURRENCY),
            service,
        })
    }

    /// Checks everything that can be known before a cent is spent.
    fn order<'a>(&'a self, request: &'a Request) -> Result<Order<'a>, EngineFault> {
        let model = request.model.as_deref().unwrap_or(&self.model);
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if model.is_empty() || !model.bytes().all(plain) {
            return Err(self.service.refused(format!("`{}` is no model id", printable(model))));
        }
        let row = table().model(KIND, model);
        let has = request.text.chars().count();
        let most = row.and_then(|row| row.characters).unwrap_or(limits::PHRASE_CHARS).min(limits::PHRASE_CHARS);
        if has > most {
            return Err(self.service.refused(format!("{has} characters; model `{model}` takes {most} at most")));
        }
        let settings = Settings::of(&self.name, &request.settings, &SETTINGS)?;
        let instructions = settings.text("instructions").filter(|text| !text.is_empty());
        if let Some(text) = instructions {
            if text.chars().count() > INSTRUCTIONS {
                return Err(self.service.refused(format!("instructions have at most {INSTRUCTIONS} characters")));
            }
            if row.is_some_and(|row| !row.takes_style) {
                return Err(self.service.refused(format!("model `{model}` takes no instructions")));
            }
        }
        let by_socket = reads_by_socket(model);
        let speed = settings.number("speed", if by_socket { 0.25..=1.5 } else { 0.25..=4.0 })?;
        let pcm = match (settings.text("output_format"), by_socket) {
            (None, by_socket) => !by_socket,
            (Some("pcm"), _) => true,
            (Some("pcmu"), true) => false,
            (Some(other), _) => {
                let known = if by_socket { "pcmu (default) and pcm" } else { "pcm" };
                return Err(self.service.refused(format!("no output_format `{}`: {known}", printable(other))));
            }
        };
        Ok(Order { model, voice: self.voice(request)?, instructions, speed, pcm })
    }

    /// A built-in voice by its name, a custom one by its id.
    fn voice(&self, request: &Request) -> Result<Value, EngineFault> {
        let name = request.voice.as_deref().unwrap_or(VOICE);
        let id = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if VOICES.contains(&name) {
            return Ok(json!(name));
        }
        if name.starts_with("voice_") && name.bytes().all(id) {
            return Ok(json!({ "id": name }));
        }
        let near = VOICES.iter().find(|voice| voice.eq_ignore_ascii_case(name));
        let near = near.map_or(String::new(), |near| format!(" (did you mean `{near}`?)"));
        let how = format!("`ahoy voices list --engine {}` lists them", self.name);
        Err(self.service.refused(format!("no such voice `{}`{near}; {how}", printable(name))))
    }

    async fn speak(&self, request: &Request) -> Result<Rendered, EngineFault> {
        let order = self.order(request)?;
        if reads_by_socket(order.model) {
            self.service.whole(self.read(&order, &request.text)).await
        } else {
            self.speech(&order, &request.text).await
        }
    }

    /// The speech endpoint: the sound is the answer's body.
    async fn speech(&self, order: &Order<'_>, text: &str) -> Result<Rendered, EngineFault> {
        let mut body = json!({ "model": order.model, "input": text, "voice": order.voice, "response_format": "pcm" });
        if let Some(instructions) = order.instructions {
            body["instructions"] = json!(instructions);
        }
        if let Some(speed) = order.speed {
            body["speed"] = json!(speed);
        }
        let url = self.service.url(&["v1", "audio", "speech"], &[]);
        let answer = self.service.ask(self.service.post(url).json(&body), said).await?;
        let pcm = self.service.sound(&answer.body, Headerless::Pcm { rate: RATE })?;
        let usage = Usage { audio_ms: pcm.duration_ms(), ..Usage::free(text) };
        Ok(Rendered { pcm, transcript: None, alignment: None, usage, request_id: answer.request_id() })
    }

    /// A session that reads the text outside of any conversation.
    async fn read(&self, order: &Order<'_>, text: &str) -> Result<Rendered, EngineFault> {
        let url = self.service.url(&["v1", "realtime"], &[("model", order.model)]);
        let mut socket = self.service.connect(url, said).await?;
        self.wait_for(&mut socket, "session.created").await?;
        let mut output = json!({ "voice": order.voice, "format": { "type": "audio/pcmu" } });
        if order.pcm {
            output["format"] = json!({ "type": "audio/pcm", "rate": RATE });
        }
        if let Some(speed) = order.speed {
            output["speed"] = json!(speed);
        }
        let session = json!({ "type": "realtime", "output_modalities": ["audio"],
            "audio": { "input": { "turn_detection": null }, "output": output } });
        socket.send(&json!({ "type": "session.update", "session": session })).await?;
        self.wait_for(&mut socket, "session.updated").await?;
        let instructions = match order.instructions {
            Some(style) => format!("{READ} {style}"),
            None => READ.to_owned(),
        };
        let message = json!({ "type": "message", "role": "user", "content": [{ "type": "input_text", "text": text }] });
        let response = json!({ "conversation": "none", "output_modalities": ["audio"], "instructions": instructions,
            "input": [message] });
        socket.send(&json!({ "type": "response.create", "response": response })).await?;
        let rendered = self.gather(&mut socket, order, text).await?;
        socket.close().await;
        Ok(rendered)
    }

    async fn wait_for(&self, socket: &mut Socket<'_>, event: &str) -> Result<(), EngineFault> {
        loop {
            let message = self.next(socket).await?;
            if message["type"].as_str() == Some(event) {
                return Ok(());
            }
        }
    }

    /// The next event; an error event, or the end of the connection, is a fault.
    async fn next(&self, socket: &mut Socket<'_>) -> Result<Value, EngineFault> {
        match socket.next().await {
            Ok(message) if message["type"].as_str() == Some("error") => Err(self.error(&message)),
            Ok(message) => Ok(message),
            Err(Err(fault)) => Err(fault),
            Err(Ok(closed)) => {
                let code = closed.code.map_or(String::new(), |code| format!(" with {code}"));
                Err(self.service.failed(format!("it ended the session{code}: {}", closed.reason)))
            }
        }
    }

    fn error(&self, message: &Value) -> EngineFault {
        let Said { code, message, means, .. } = said(0, message);
        let (why, engine) = (self.service.safe(&format!("{code}: {message}")), self.name.clone());
        match means {
            Some(Means::Account) => EngineFault::Account { engine, why },
            Some(Means::Refused) => EngineFault::Refused { engine, why },
            Some(Means::Busy) => EngineFault::Busy { engine, why, after: None },
            Some(Means::Failed) | None => EngineFault::Failed { engine, why },
        }
    }

    /// Sound, transcript and usage of one response.
    async fn gather(&self, socket: &mut Socket<'_>, order: &Order<'_>, text: &str) -> Result<Rendered, EngineFault> {
        let mut bytes = Vec::new();
        let mut transcript = String::new();
        let done = loop {
            let message = self.next(socket).await?;
            match message["type"].as_str() {
                Some("response.output_audio.delta") => {
                    let piece = message["delta"].as_str().unwrap_or_default();
                    let piece = STANDARD.decode(piece);
                    bytes.extend(piece.map_err(|_| self.service.bad("its audio is no base64".to_owned()))?);
                    if bytes.len() > limits::SERVICE_BODY_BYTES {
                        return Err(self.service.bad(format!("more than {} bytes", limits::SERVICE_BODY_BYTES)));
                    }
                }
                Some("response.output_audio_transcript.done") => {
                    transcript.push_str(message["transcript"].as_str().unwrap_or_default());
                }
                Some("response.done") => break message["response"].clone(),
                Some(_) | None => {}
            }
        };
        self.completed(&done)?;
        let coding = if order.pcm { Headerless::Pcm { rate: RATE } } else { Headerless::Ulaw { rate: 8_000 } };
        let pcm = self.service.sound(&bytes, coding)?;
        let usage = self.usage(&done["usage"], text, pcm.duration_ms())?;
        same_words(&self.service, text, &transcript)?;
        let request_id = done["id"].as_str().map(|id| self.service.safe(id));
        Ok(Rendered { pcm, transcript: Some(transcript), alignment: None, usage, request_id })
    }

    fn completed(&self, response: &Value) -> Result<(), EngineFault> {
        let details = &response["status_details"];
        let reason = details["reason"].as_str().or_else(|| details["error"]["code"].as_str()).unwrap_or_default();
        match response["status"].as_str() {
            Some("completed") => Ok(()),
            Some("incomplete") if reason == "content_filter" => {
                Err(self.service.refused("its filter stopped the reading".to_owned()))
            }
            Some("incomplete") => Err(self.service.bad(format!("cut off: {reason}"))),
            status => Err(self.error(&json!({ "error": { "code": details["error"]["code"],
                "message": format!("the reading ended as {}: {reason}", status.unwrap_or("nothing")) } }))),
        }
    }

    /// Tokens as reported; those of the sound also tell how long it is.
    fn usage(&self, reported: &Value, text: &str, audio_ms: u64) -> Result<Usage, EngineFault> {
        let mut usage = Usage { audio_ms, ..Usage::free(text) };
        let count = |side: &str, name: &str| reported[side][name].as_u64().unwrap_or(0);
        usage.text_in = count("input_token_details", "text_tokens");
        usage.audio_in = count("input_token_details", "audio_tokens");
        usage.text_out = count("output_token_details", "text_tokens");
        usage.audio_out = count("output_token_details", "audio_tokens");
        if usage.audio_out == 0 {
            usage.estimated = true;
            return Ok(usage);
        }
        same_length(audio_ms, usage.audio_out * TOKEN_MS).map_err(|why| {
            self.service.bad(format!("{why} by its tokens: cut off, or at another sample rate than it says"))
        })?;
        Ok(usage)
    }
}

/// Whether a model is served by the Realtime socket, not by the speech endpoint.
fn reads_by_socket(model: &str) -> bool {
    model.starts_with("gpt-realtime")
}

impl Engine for OpenAi {
    fn name(&self) -> &str {
        &self.name
    }

    fn version(&self) -> &str {
        &self.version
    }

    /// The language follows from the text; nobody lists which are spoken well.
    fn speaks(&self, _: &Language) -> Result<(), EngineFault> {
        Ok(())
    }

    fn model(&self, asked: Option<&str>) -> Option<ModelName> {
        Some(ModelName { kind: KIND, id: asked.unwrap_or(&self.model).to_owned() })
    }

    fn voices(&self) -> Boxed<'_, Result<Vec<VoiceRow>, EngineFault>> {
        let row = |name: &&str| VoiceRow {
            id: (*name).to_owned(),
            name: (*name).to_owned(),
            languages: Vec::new(),
            note: "built in".to_owned(),
        };
        // The service has no list: custom voices are known by whoever made them.
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
        self.order(request).map(drop)
    }

    fn render<'a>(&'a self, request: &'a Request) -> Boxed<'a, Result<Rendered, EngineFault>> {
        Box::pin(self.speak(request))
    }
}

/// The service's error body, which its error events have too.
pub(in crate::edge) fn said(http: u16, body: &Value) -> Said {
    let error = &body["error"];
    let text = |name: &str| error[name].as_str().unwrap_or_default();
    let code = if text("code").is_empty() { text("type") } else { text("code") };
    let means = match code {
        "insufficient_quota" | "invalid_api_key" | "billing_hard_limit_reached" | "account_deactivated" => {
            Some(Means::Account)
        }
        "rate_limit_exceeded" => Some(Means::Busy),
        // An event has no status; an answer's knows better.
        "server_error" | "internal_error" if http == 0 => Some(Means::Failed),
        "invalid_request_error" if http == 0 => Some(Means::Refused),
        _ => None,
    };
    Said { code: code.to_owned(), message: text("message").to_owned(), means, after: None }
}

#[cfg(test)]
#[path = "openai_tests.rs"]
mod tests;
