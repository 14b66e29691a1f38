//! ElevenLabs: `/v1/text-to-speech/{voice}`, with the times of every character unless switched off.
//!
//! Everything that can be known before is refused before: voice, model, language, settings, length. A service that says
//! "too many at once" waits for a slot of our own; one that is busy is left to the renderer's pauses.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::http::{Answer, Auth, Bounds, Headerless, Means, Said, Service};
use super::settings::Settings;
use super::slots::Slots;
use super::{Boxed, Engine, EngineFault, ModelName, Rendered, Request, Usage, VoiceRow};
use crate::base::text::printable;
use crate::base::{Language, Secret, limits};
use crate::core::asset::alignment::Alignment;
use crate::core::config::EngineConfig;
use crate::core::cost::{Claim, Model, table};
use crate::core::sound::Pcm;

const KIND: &str = "elevenlabs";
pub(in crate::edge) const VENDOR: &str = "https://api.elevenlabs.io";
/// Used if neither the campaign nor `ahoy.toml` names one (which the configuration does).
const MODEL: &str = "eleven_multilingual_v2";
/// Characters of a voice's id.
const VOICE_ID: usize = 20;

/// Names of `[voice.settings]`, as the service spells them; `output_format` and `timestamps` are for us.
const SETTINGS: [&str; 13] = [
    "output_format",
    "timestamps",
    "stability",
    "similarity_boost",
    "style",
    "use_speaker_boost",
    "speed",
    "clone_strength",
    "seed",
    "apply_text_normalization",
    "previous_text",
    "next_text",
    "language_code",
];

/// Forms of sound that we ask for: without loss, and allowed on every plan.
const FORMATS: [(&str, Headerless); 5] = [
    ("pcm_16000", Headerless::Pcm { rate: 16_000 }),
    ("pcm_24000", Headerless::Pcm { rate: 24_000 }),
    ("pcm_22050", Headerless::Pcm { rate: 22_050 }),
    ("pcm_8000", Headerless::Pcm { rate: 8_000 }),
    ("ulaw_8000", Headerless::Ulaw { rate: 8_000 }),
];

/// The engine of `kind = "elevenlabs"`.
pub struct ElevenLabs {
    name: String,
    version: String,
    model: String,
    concurrency: usize,
    service: Service,
    slots: Slots,
}

/// A request that passed every check.
struct Order {
    voice: String,
    format: &'static str,
    headerless: Headerless,
    timestamps: bool,
    body: Body,
}

#[derive(Debug, Serialize)]
struct Body {
    text: String,
    model_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    language_code: Option<String>,
    #[serde(skip_serializing_if = "VoiceSettings::is_empty")]
    voice_settings: VoiceSettings,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    apply_text_normalization: Option<&'static str>,
}

#[derive(Debug, Default, PartialEq, Serialize)]
struct VoiceSettings {
    #[serde(skip_serializing_if = "Option::is_none")]
    stability: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    similarity_boost: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    style: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    use_speaker_boost: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    speed: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clone_strength: Option<f64>,
}

impl VoiceSettings {
    fn is_empty(&self) -> bool {
        *self == VoiceSettings::default()
    }
}

#[derive(Deserialize)]
struct Timed {
    audio_base64: String,
    #[serde(default)]
    alignment: Option<Characters>,
    #[serde(default)]
    normalized_alignment: Option<Characters>,
}

#[derive(Deserialize)]
struct Characters {
    characters: Vec<String>,
    character_start_times_seconds: Vec<f64>,
    character_end_times_seconds: Vec<f64>,
}

impl Characters {
    /// Words with their times; `None` if the three lists do not belong together.
    fn words(&self) -> Option<Alignment> {
        let (starts, ends) = (&self.character_start_times_seconds, &self.character_end_times_seconds);
        if self.characters.len() != starts.len() || starts.len() != ends.len() {
            return None;
        }
        let ms = |seconds: f64| (seconds * 1_000.0).round().clamp(0.0, 3_600_000.0) as u64;
        let times = starts.iter().zip(ends).map(|(from, to)| (ms(*from), ms(*to)));
        Alignment::of_characters(self.characters.iter().zip(times).map(|(text, (from, to))| (text.clone(), from, to)))
    }
}

#[derive(Deserialize)]
struct VoicePage {
    voices: Vec<ListedVoice>,
    #[serde(default)]
    has_more: bool,
    #[serde(default)]
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
struct ListedVoice {
    voice_id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    category: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    verified_languages: Option<Vec<Verified>>,
}

#[derive(Deserialize)]
struct Verified {
    language: String,
    #[serde(default)]
    locale: Option<String>,
}

impl ElevenLabs {
    /// Makes the client; nothing is asked yet.
    pub fn open(
        name: &str,
        config: &EngineConfig,
        key: Option<Secret>,
        bounds: Bounds,
    ) -> Result<ElevenLabs, EngineFault> {
        let service = Service::with_bounds(name, config, VENDOR, key, Auth::Header("xi-api-key"), bounds)?;
        let concurrency = config.concurrency.unwrap_or(limits::RENDER_CONCURRENCY);
        let more = config.version.as_deref().map_or(String::new(), |word| format!(" {word}"));
        Ok(ElevenLabs {
            name: name.to_owned(),
            version: format!("elevenlabs v1{more}"),
            model: config.model.clone().unwrap_or_else(|| MODEL.to_owned()),
            concurrency,
            service,
            slots: Slots::new(concurrency),
        })
    }

    fn row(&self, model: &str) -> Option<&'static Model> {
        table().model(KIND, model)
    }

    /// Checks everything that can be known before a cent is spent.
    fn order(&self, request: &Request) -> Result<Order, EngineFault> {
        let model = request.model.as_deref().unwrap_or(&self.model);
        self.speaks_with(&request.language, Some(model))?;
        let row = self.row(model);
        let voice = self.voice(request)?;
        let has = request.text.chars().count();
        let most = row.and_then(|row| row.characters).unwrap_or(limits::PHRASE_CHARS).min(limits::PHRASE_CHARS);
        if has > most {
            return Err(self.service.refused(format!("{has} characters; model `{model}` takes {most} at most")));
        }
        let settings = Settings::of(&self.name, &request.settings, &SETTINGS)?;
        let format = settings.word("output_format", &FORMATS.map(|(name, _)| name))?.unwrap_or(FORMATS[0].0);
        let (_, headerless) = FORMATS.iter().find(|(name, _)| *name == format).expect("the word was found among these");
        let by_row = || request.language.primary().to_owned();
        let code = match settings.text("language_code") {
            Some(code) => Some(code.to_owned()).filter(|code| !code.is_empty()),
            // A model that is not known to take the code might refuse the request for it.
            None => row.is_some_and(|row| row.takes_language).then(by_row),
        };
        let body = Body {
            text: request.text.clone(),
            model_id: model.to_owned(),
            language_code: code,
            voice_settings: VoiceSettings {
                stability: settings.number("stability", 0.0..=1.0)?,
                similarity_boost: settings.number("similarity_boost", 0.0..=1.0)?,
                style: settings.number("style", 0.0..=1.0)?,
                use_speaker_boost: settings.word("use_speaker_boost", &["true", "false"])?.map(|word| word == "true"),
                speed: settings.number("speed", 0.25..=4.0)?,
                clone_strength: settings.number("clone_strength", 0.0..=1.0)?,
            },
            seed: settings.whole("seed", 0..=u64::from(u32::MAX))?,
            previous_text: settings.text("previous_text").map(str::to_owned),
            next_text: settings.text("next_text").map(str::to_owned),
            apply_text_normalization: settings.word("apply_text_normalization", &["auto", "on", "off"])?,
        };
        let timestamps = settings.word("timestamps", &["on", "off"])? != Some("off");
        Ok(Order { voice, format, headerless: *headerless, timestamps, body })
    }

    /// A voice by its id: names are not unique, and move.
    fn voice(&self, request: &Request) -> Result<String, EngineFault> {
        let how = format!("`ahoy voices list --engine {}` lists them", self.name);
        match &request.voice {
            Some(id) if id.len() == VOICE_ID && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) => Ok(id.clone()),
            Some(other) => {
                let why =
                    format!("`{}` is no voice id: ids have {VOICE_ID} letters and digits; {how}", printable(other));
                Err(self.service.refused(why))
            }
            None => {
                let why = format!("write [voice] voices.{} = \"ID\" in campaign.toml; {how}", request.language);
                Err(self.service.refused(why))
            }
        }
    }

    async fn speak(&self, request: &Request) -> Result<Rendered, EngineFault> {
        let order = self.order(request)?;
        let mut segments = vec!["v1", "text-to-speech", order.voice.as_str()];
        segments.extend(order.timestamps.then_some("with-timestamps"));
        let url = self.service.url(&segments, &[("output_format", order.format)]);
        for _ in 0..limits::SERVICE_SLOT_WAITS {
            let slot = self.slots.enter().await;
            let answer = self.service.send(self.service.post(url.clone()).json(&order.body)).await?;
            self.slots.told(answer.number("maximum-concurrent-requests"), answer.number("current-concurrent-requests"));
            if (200..300).contains(&answer.http) {
                slot.served();
                return self.rendered(&order, &answer);
            }
            if !(is_crowd(&answer) && slot.crowded()) {
                return Err(self.service.fault(&answer, said));
            }
        }
        let why = format!("too many requests at once, {} times in a row", limits::SERVICE_SLOT_WAITS);
        Err(EngineFault::Busy { engine: self.name.clone(), why, after: None })
    }

    fn rendered(&self, order: &Order, answer: &Answer) -> Result<Rendered, EngineFault> {
        let (pcm, alignment) = if order.timestamps {
            let timed: Timed = self.service.json(answer)?;
            let bytes = STANDARD
                .decode(timed.audio_base64.trim())
                .map_err(|_| self.service.bad("its audio is no base64, or cut off".to_owned()))?;
            let alignment = timed.alignment.or(timed.normalized_alignment).and_then(|it| it.words());
            (self.service.sound(&bytes, order.headerless)?, alignment)
        } else {
            (self.service.sound(&answer.body, order.headerless)?, None)
        };
        self.check_length(&pcm, alignment.as_ref())?;
        let billed = answer.number("x-character-count").or_else(|| answer.number("character-cost"));
        let mut usage = Usage { audio_ms: pcm.duration_ms(), ..Usage::free(&order.body.text) };
        match billed {
            Some(characters) => usage.characters = characters,
            None => usage.estimated = true,
        }
        Ok(Rendered { pcm, transcript: None, alignment, usage, request_id: answer.request_id() })
    }

    /// Raw sound says nothing about its rate; the times of its words do.
    fn check_length(&self, pcm: &Pcm, alignment: Option<&Alignment>) -> Result<(), EngineFault> {
        let Some(told) = alignment.and_then(|it| it.words.last()).map(|word| word.to_ms) else { return Ok(()) };
        super::http::same_length(pcm.duration_ms(), told)
            .map_err(|why| self.service.bad(format!("{why}: cut off, or at another sample rate than was asked for")))
    }

    async fn list(&self) -> Result<Vec<VoiceRow>, EngineFault> {
        let mut rows = Vec::new();
        let mut token: Option<String> = None;
        for _ in 0..limits::VOICE_PAGES {
            let mut query = vec![("page_size", "100")];
            query.extend(token.as_deref().map(|token| ("next_page_token", token)));
            let url = self.service.url(&["v2", "voices"], &query);
            let answer = self.service.ask(self.service.get(url), said).await?;
            let page: VoicePage = self.service.json(&answer)?;
            rows.extend(page.voices.iter().map(ListedVoice::row));
            let next = page.next_page_token.filter(|next| page.has_more && !next.is_empty());
            if next.is_none() || next == token || rows.len() >= limits::VOICES {
                rows.truncate(limits::VOICES);
                return Ok(rows);
            }
            token = next;
        }
        Err(self.service.bad(format!("its list of voices does not end after {} pages", limits::VOICE_PAGES)))
    }
}

impl ListedVoice {
    fn row(&self) -> VoiceRow {
        let verified = self.verified_languages.iter().flatten();
        let said = verified
            .map(|it| it.locale.as_deref().unwrap_or(&it.language))
            .chain(self.labels.get("language").map(String::as_str));
        let mut languages: Vec<String> =
            said.filter_map(|tag| tag.parse::<Language>().ok()).map(|tag| tag.to_string()).collect();
        languages.sort();
        languages.dedup();
        let labels = ["accent", "gender", "age"].iter().filter_map(|name| self.labels.get(*name));
        let note: Vec<&str> = [self.category.as_str()]
            .into_iter()
            .chain(labels.map(String::as_str))
            .filter(|it| !it.is_empty())
            .collect();
        VoiceRow { id: self.voice_id.clone(), name: self.name.clone(), languages, note: note.join(", ") }
    }
}

impl Engine for ElevenLabs {
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
                let able = table().known_to_speak(KIND, language).join(", ");
                let able = if able.is_empty() { String::new() } else { format!("; models that do: {able}") };
                let detail = format!(": model `{}` does not{able}", printable(model));
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

/// Whether the service says that too many requests are out at once.
fn is_crowd(answer: &Answer) -> bool {
    let read = |body: Value| said(answer.http, &body).code;
    let code = serde_json::from_slice(&answer.body).map(read).unwrap_or_default();
    answer.http == 429 && matches!(code.as_str(), "concurrent_limit_exceeded" | "too_many_concurrent_requests")
}

/// An error body, in the new form (an object with code and type), the old one (status and message), a validator's list,
/// or a plain text.
pub(in crate::edge) fn said(_: u16, body: &Value) -> Said {
    let detail = &body["detail"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match detail {
        Value::String(message) => Said { message: message.clone(), ..Said::default() },
        Value::Array(faults) => {
            let told = faults.iter().map(|fault| {
                let place: Vec<String> = fault["loc"].as_array().into_iter().flatten().map(place).collect();
                format!("{} {}", place.join("."), text(&fault["msg"])).trim().to_owned()
            });
            Said { message: told.collect::<Vec<_>>().join("; "), ..Said::default() }
        }
        Value::Object(_) => {
            let code = [&detail["code"], &detail["status"], &detail["type"]].map(text);
            let code = code.into_iter().find(|code| !code.is_empty()).unwrap_or_default();
            Said { means: meaning(&code), code, message: text(&detail["message"]), after: None }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Said { message: text(&body["message"]), ..Said::default() },
    }
}

fn place(step: &Value) -> String {
    step.as_str().map_or_else(|| step.to_string(), str::to_owned)
}

/// What a code means whatever the HTTP status: older servers answered 401 for an empty purse or a wrong voice.
fn meaning(code: &str) -> Option<Means> {
    Some(match code {
        "invalid_api_key"
        | "missing_api_key"
        | "insufficient_credits"
        | "quota_exceeded"
        | "payment_required"
        | "feature_not_available"
        | "subscription_required" => Means::Account,
        "voice_not_found"
        | "voice_access_denied"
        | "model_not_found"
        | "unsupported_model"
        | "text_too_long"
        | "empty_text"
        | "invalid_voice_settings"
        | "invalid_output_format" => Means::Refused,
        "rate_limit_exceeded"
        | "concurrent_limit_exceeded"
        | "too_many_concurrent_requests"
        | "system_busy"
        | "service_unavailable" => Means::Busy,
        "internal_error" => Means::Failed,
        _ => return None,
    })
}

#[cfg(test)]
#[path = "elevenlabs_tests.rs"]
mod tests;
