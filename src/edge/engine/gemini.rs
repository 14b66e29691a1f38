//! Google Gemini by `models/{model}:generateContent`: one text in, one sound out.
//!
//! The style goes beside the text where the model takes one, and is refused where it does not: written into the text, an
//! older model may speak it, and no ear of ours would hear that.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::http::{Auth, Bounds, Headerless, Means, Said, Service};
use super::settings::Settings;
use super::{Boxed, Engine, EngineFault, ModelName, Rendered, Request, Usage, VoiceRow};
use crate::base::text::printable;
use crate::base::{Language, Secret, limits};
use crate::core::config::EngineConfig;
use crate::core::cost::{Claim, Model, table};
use crate::core::sound::Pcm;

const KIND: &str = "gemini";
pub(in crate::edge) const VENDOR: &str = "https://generativelanguage.googleapis.com";
const API: &str = "v1beta";
/// Used if neither the campaign nor `ahoy.toml` names one (which the configuration does).
const MODEL: &str = "gemini-3.8-flash-tts";
/// Used if the campaign names none.
const VOICE: &str = "Kore";
/// Rate of headerless PCM whose type names none, Hz.
const RATE: u32 = 24_000;

const SETTINGS: [&str; 3] = ["style", "seed", "language_code"];

/// Voices that every model has.
pub(super) const VOICES: [&str; 30] = [
    "Zephyr",
    "Puck",
    "Charon",
    "Kore",
    "Fenrir",
    "Leda",
    "Orus",
    "Aoede",
    "Callirrhoe",
    "Autonoe",
    "Enceladus",
    "Iapetus",
    "Umbriel",
    "Algieba",
    "Despina",
    "Erinome",
    "Algenib",
    "Rasalgethi",
    "Laomedeia",
    "Achernar",
    "Alnilam",
    "Schedar",
    "Gacrux",
    "Pulcherrima",
    "Achird",
    "Zubenelgenubi",
    "Vindemiatrix",
    "Sadachbia",
    "Sadaltager",
    "Sulafat",
];

/// Regions that stand for a language without one; other languages are left to the model, which hears them in the text.
const REGIONS: [(&str, &str); 7] = [
    ("bg", "bg-BG"),
    ("de", "de-DE"),
    ("en", "en-US"),
    ("es", "es-ES"),
    ("fr", "fr-FR"),
    ("he", "he-IL"),
    ("it", "it-IT"),
];

/// The engine of `kind = "gemini"`.
pub struct Gemini {
    name: String,
    version: String,
    model: String,
    concurrency: usize,
    service: Service,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Reply {
    candidates: Vec<Candidate>,
    prompt_feedback: Option<Feedback>,
    usage_metadata: Option<Metadata>,
    response_id: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Candidate {
    content: Option<Content>,
    finish_reason: Option<String>,
    finish_message: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Content {
    parts: Vec<Part>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Part {
    inline_data: Option<Blob>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Blob {
    mime_type: String,
    data: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Feedback {
    block_reason: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    prompt_token_count: u64,
    candidates_token_count: u64,
    candidates_tokens_details: Option<Vec<Modality>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Modality {
    modality: String,
    token_count: u64,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct VoicePage {
    voices: Vec<LibraryVoice>,
    next_page_token: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct LibraryVoice {
    id: Option<String>,
    display_name: Option<String>,
    language_code: Option<String>,
    gender: Option<String>,
    accent: Option<String>,
    r#type: Option<String>,
}

impl Gemini {
    /// Makes the client; nothing is asked yet.
    pub fn open(name: &str, config: &EngineConfig, key: Option<Secret>, bounds: Bounds) -> Result<Gemini, EngineFault> {
        let service = Service::with_bounds(name, config, VENDOR, key, Auth::Header("x-goog-api-key"), bounds)?;
        let more = config.version.as_deref().map_or(String::new(), |word| format!(" {word}"));
        Ok(Gemini {
            name: name.to_owned(),
            version: format!("gemini {API}{more}"),
            model: config.model.clone().unwrap_or_else(|| MODEL.to_owned()),
            concurrency: config.concurrency.unwrap_or(limits::RENDER_CONCURRENCY),
            service,
        })
    }

    fn row(&self, model: &str) -> Option<&'static Model> {
        table().model(KIND, model)
    }

    /// Checks everything that can be known before a cent is spent: the model and the body.
    fn order(&self, request: &Request) -> Result<(String, Value), EngineFault> {
        let model = request.model.as_deref().unwrap_or(&self.model);
        self.speaks_with(&request.language, Some(model))?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if model.is_empty() || !model.bytes().all(plain) {
            return Err(self.service.refused(format!("`{}` is no model id", printable(model))));
        }
        let row = self.row(model);
        let has = request.text.chars().count();
        let most = row.and_then(|row| row.characters).unwrap_or(limits::PHRASE_CHARS).min(limits::PHRASE_CHARS);
        if has > most {
            return Err(self.service.refused(format!("{has} characters; model `{model}` takes {most} at most")));
        }
        let settings = Settings::of(&self.name, &request.settings, &SETTINGS)?;
        let mut part = json!({ "text": request.text });
        if let Some(style) = settings.text("style").filter(|style| !style.is_empty()) {
            if !row.is_some_and(|row| row.takes_style) {
                let able = "a model that takes one (gemini-3.8-flash-tts, gemini-3.8-flash-lite-tts)";
                return Err(self
                    .service
                    .refused(format!("model `{model}` takes no style apart from the text: use {able}")));
            }
            part["speechMetadata"] = json!({ "style": style });
        }
        let mut speech = json!({ "voiceConfig": self.voice(request)? });
        if let Some(code) = settings.text("language_code").map(str::to_owned).or_else(|| tag(&request.language)) {
            speech["languageCode"] = json!(code);
        }
        let mut generation = json!({ "responseModalities": ["AUDIO"], "speechConfig": speech });
        // The service's own field has 32 bits with a sign.
        if let Some(seed) = settings.whole("seed", 0..=u64::from(i32::MAX.unsigned_abs()))? {
            generation["seed"] = json!(seed);
        }
        let body = json!({ "contents": [{ "role": "user", "parts": [part] }], "generationConfig": generation });
        Ok((model.to_owned(), body))
    }

    /// A prebuilt voice by its name, a library or custom one by its id.
    fn voice(&self, request: &Request) -> Result<Value, EngineFault> {
        let name = request.voice.as_deref().unwrap_or(VOICE);
        let id = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if VOICES.contains(&name) {
            return Ok(json!({ "prebuiltVoiceConfig": { "voiceName": name } }));
        }
        if (name.starts_with("voice_") || name.starts_with("voicekey_")) && name.bytes().all(id) {
            return Ok(json!({ "voice": name }));
        }
        let near = VOICES.iter().find(|voice| voice.eq_ignore_ascii_case(name));
        let near = near.map_or(String::new(), |near| format!(" (did you mean `{near}`?)"));
        let how = format!("`ahoy voices list --engine {}` lists them", self.name);
        Err(self.service.refused(format!("no such voice `{}`{near}; {how}", printable(name))))
    }

    async fn speak(&self, request: &Request) -> Result<Rendered, EngineFault> {
        let (model, body) = self.order(request)?;
        let url = self.service.url(&[API, "models", &format!("{model}:generateContent")], &[]);
        let answer = self.service.ask(self.service.post(url).json(&body), said).await?;
        let reply: Reply = self.service.json(&answer)?;
        let pcm = self.sound(&reply)?;
        let usage = self.usage(&reply, &model, &request.text, &pcm)?;
        let request_id = reply.response_id.map(|id| self.service.safe(&id)).or_else(|| answer.request_id());
        Ok(Rendered { pcm, transcript: None, alignment: None, usage, request_id })
    }

    fn sound(&self, reply: &Reply) -> Result<Pcm, EngineFault> {
        let failed = |why: String| EngineFault::Failed { engine: self.name.clone(), why };
        if let Some(reason) = reply.prompt_feedback.as_ref().and_then(|it| it.block_reason.as_deref()) {
            return Err(self.service.refused(format!("it blocks this text ({reason})")));
        }
        let Some(candidate) = reply.candidates.first() else {
            return Err(failed("it answered without a candidate".to_owned()));
        };
        match candidate.finish_reason.as_deref() {
            None | Some("STOP") => {}
            Some("MAX_TOKENS") => {
                return Err(self.service.bad("cut off at its limit of tokens (MAX_TOKENS)".to_owned()));
            }
            // These come and go for the same text.
            Some(reason @ ("OTHER" | "FINISH_REASON_UNSPECIFIED" | "MALFORMED_RESPONSE")) => {
                return Err(failed(format!("it ended with {reason}")));
            }
            Some(reason) => {
                let more = candidate.finish_message.as_deref().map_or(String::new(), |said| format!(": {said}"));
                return Err(self.service.refused(format!("it ended with {reason}{more}")));
            }
        }
        let parts = candidate.content.iter().flat_map(|content| &content.parts);
        let mut blobs = parts.filter_map(|part| part.inline_data.as_ref());
        let Some(first) = blobs.next() else { return Err(failed("it answered without sound".to_owned())) };
        let coding = coding(&self.service, &first.mime_type)?;
        let mut bytes = self.bytes(first)?;
        for more in blobs {
            if more.mime_type != first.mime_type || bytes.starts_with(b"RIFF") {
                return Err(self.service.bad("it answered with several sounds".to_owned()));
            }
            bytes.extend(self.bytes(more)?);
        }
        self.service.sound(&bytes, coding)
    }

    fn bytes(&self, blob: &Blob) -> Result<Vec<u8>, EngineFault> {
        STANDARD.decode(blob.data.trim()).map_err(|_| self.service.bad("its audio is no base64, or cut off".to_owned()))
    }

    /// Tokens as reported; they also tell how long the sound is, whatever its rate says.
    fn usage(&self, reply: &Reply, model: &str, text: &str, pcm: &Pcm) -> Result<Usage, EngineFault> {
        let mut usage = Usage { audio_ms: pcm.duration_ms(), ..Usage::free(text) };
        let Some(metadata) = &reply.usage_metadata else {
            usage.estimated = true;
            return Ok(usage);
        };
        usage.text_in = metadata.prompt_token_count;
        let of = |name: &str| {
            let details = metadata.candidates_tokens_details.as_ref()?;
            Some(details.iter().filter(|it| it.modality == name).map(|it| it.token_count).sum::<u64>())
        };
        usage.audio_out = of("AUDIO").filter(|tokens| *tokens > 0).unwrap_or(metadata.candidates_token_count);
        usage.text_out = of("TEXT").unwrap_or(0);
        if let Some(rate) = self.row(model).and_then(|row| row.audio_tokens_per_second).filter(|rate| *rate > 0)
            && usage.audio_out > 0
        {
            super::http::same_length(usage.audio_ms, usage.audio_out * 1_000 / rate).map_err(|why| {
                self.service.bad(format!("{why} by its tokens: cut off, or at another sample rate than it says"))
            })?;
        }
        Ok(usage)
    }

    async fn list(&self) -> Result<Vec<VoiceRow>, EngineFault> {
        let prebuilt = |name: &&str| VoiceRow {
            id: (*name).to_owned(),
            name: (*name).to_owned(),
            languages: Vec::new(),
            note: "prebuilt".to_owned(),
        };
        let mut rows: Vec<VoiceRow> = VOICES.iter().map(prebuilt).collect();
        let mut token: Option<String> = None;
        for _ in 0..limits::VOICE_PAGES {
            let mut query = vec![("page_size", "1000")];
            query.extend(token.as_deref().map(|token| ("page_token", token)));
            let url = self.service.url(&[API, "voices"], &query);
            let answer = match self.service.ask(self.service.get(url), said).await {
                // A server without a library has the prebuilt voices all the same.
                Err(EngineFault::Refused { .. }) => return Ok(rows),
                asked => asked?,
            };
            let page: VoicePage = self.service.json(&answer)?;
            rows.extend(page.voices.into_iter().filter_map(LibraryVoice::row));
            let next = page.next_page_token.filter(|next| !next.is_empty());
            if next.is_none() || next == token || rows.len() >= limits::VOICES {
                rows.truncate(limits::VOICES);
                return Ok(rows);
            }
            token = next;
        }
        Err(self.service.bad(format!("its list of voices does not end after {} pages", limits::VOICE_PAGES)))
    }
}

impl LibraryVoice {
    fn row(self) -> Option<VoiceRow> {
        let id = self.id.filter(|id| !id.is_empty() && !VOICES.contains(&id.as_str()))?;
        let tag = self.language_code.and_then(|tag| tag.parse::<Language>().ok());
        let note: Vec<String> = [self.r#type, self.gender, self.accent].into_iter().flatten().collect();
        Some(VoiceRow {
            name: self.display_name.unwrap_or_else(|| id.clone()),
            id,
            languages: tag.map(|tag| tag.to_string()).into_iter().collect(),
            note: note.join(", "),
        })
    }
}

/// What headerless sound of this type is; WAV names itself by its first bytes.
pub(super) fn coding(service: &Service, mime_type: &str) -> Result<Headerless, EngineFault> {
    let lower = mime_type.to_ascii_lowercase();
    let mut parts = lower.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default().to_owned();
    let rate = parts.find_map(|part| part.strip_prefix("rate=")).map(str::parse::<u32>);
    let rate = rate.transpose().map_err(|_| service.bad(format!("sound of the type `{mime_type}`")))?;
    Ok(match kind.as_str() {
        // The service calls its little-endian samples L16 too.
        "audio/l16" | "audio/pcm" | "audio/wav" | "audio/x-wav" | "" => Headerless::Pcm { rate: rate.unwrap_or(RATE) },
        "audio/mulaw" | "audio/pcmu" | "audio/basic" => Headerless::Ulaw { rate: rate.unwrap_or(8_000) },
        "audio/alaw" | "audio/pcma" => Headerless::Alaw { rate: rate.unwrap_or(8_000) },
        _ => return Err(service.bad(format!("sound of the type `{mime_type}`"))),
    })
}

/// The language as the service names it: `bg-BG`; `None` = left to the model.
pub(super) fn tag(language: &Language) -> Option<String> {
    match language.as_str().split_once('-') {
        Some((primary, region)) => Some(format!("{primary}-{}", region.to_ascii_uppercase())),
        None => REGIONS.iter().find(|(primary, _)| *primary == language.as_str()).map(|(_, tag)| (*tag).to_owned()),
    }
}

impl Engine for Gemini {
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
        match self.row(model).map_or(Claim::Unclaimed, |row| row.speaks(language)) {
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
        Box::pin(self.list())
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

/// Google's error body; `RetryInfo` says when to come again.
pub(in crate::edge) fn said(_: u16, body: &Value) -> Said {
    let error = &body["error"];
    let status = error["status"].as_str().unwrap_or_default();
    let details = error["details"].as_array().map(Vec::as_slice).unwrap_or_default();
    let after = details.iter().find_map(|it| it["retryDelay"].as_str()).and_then(delay);
    // A wrong key is answered as a wrong argument, with this reason.
    let wrong_key = details.iter().any(|it| it["reason"].as_str() == Some("API_KEY_INVALID"));
    let means = match status {
        _ if wrong_key => Some(Means::Account),
        "UNAUTHENTICATED" | "PERMISSION_DENIED" => Some(Means::Account),
        "INVALID_ARGUMENT" | "NOT_FOUND" => Some(Means::Refused),
        "RESOURCE_EXHAUSTED" | "UNAVAILABLE" => Some(Means::Busy),
        "INTERNAL" | "DEADLINE_EXCEEDED" => Some(Means::Failed),
        _ => None,
    };
    Said { code: status.to_owned(), message: error["message"].as_str().unwrap_or_default().to_owned(), means, after }
}

/// A duration as Google's JSON writes it: `7s`, `0.5s`.
fn delay(text: &str) -> Option<Duration> {
    let seconds: f64 = text.strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
#[path = "gemini_tests.rs"]
mod tests;
