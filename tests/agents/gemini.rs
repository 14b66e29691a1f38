//! Gemini Live as an emulator: every message is checked by Google's own types, and by the rules that they do not have.

use std::time::Duration;

use ahoy::core::sound::{Pcm, g711, resample};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::emulator::{Act, Notebook, SPEECH, Talk};
use crate::schema;

pub struct Gemini {
    setup: jsonschema::Validator,
    input: jsonschema::Validator,
    activity: jsonschema::Validator,
    content: jsonschema::Validator,
    tools: jsonschema::Validator,
    server: jsonschema::Validator,
    /// What it says: 24 kHz, little-endian.
    speech: Vec<u8>,
}

struct Session<'a> {
    vendor: &'a Gemini,
    talk: &'a mut Talk,
    notes: &'a Notebook,
    act: Act,
    /// The callee has the turn, and its sound so far, bytes.
    activity: Option<usize>,
    /// Words of the callee were given: no more history.
    begun: bool,
    rest: Option<Vec<u8>>,
    turns: usize,
}

impl Gemini {
    pub fn new() -> Gemini {
        let json = |text: &str| -> Value { serde_json::from_str(text).expect("the file is JSON") };
        let client = json(include_str!("../specs/gemini-live-client-messages.schema.json"));
        let server = json(include_str!("../specs/gemini-live-server-message.schema.json"));
        let narrow = Pcm { samples: g711::decode_ulaw(SPEECH), rate: 8_000 };
        let wide = resample::resample(&narrow, 24_000).expect("rates");
        Gemini {
            setup: schema::of_file(&client, "LiveClientSetup"),
            input: schema::of_file(&client, "LiveClientRealtimeInput"),
            activity: schema::of_file(&client, "RealtimeInputConfig"),
            content: schema::of_file(&client, "LiveClientContent"),
            tools: schema::of_file(&client, "LiveClientToolResponse"),
            server: jsonschema::validator_for(&server).expect("a schema"),
            speech: wide.samples.iter().flat_map(|it| it.to_le_bytes()).collect(),
        }
    }

    pub async fn serve(&self, talk: &mut Talk, notes: &Notebook, act: Act) -> Result<(), String> {
        if let Act::Late(ms) = act {
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
        let Some(first) = talk.next().await else { return Ok(()) };
        let mut setup = first["setup"].clone();
        notes.message(&first);
        // The SDK's type of the setup lacks this field, which its own converter writes.
        let input = setup.as_object_mut().and_then(|it| it.remove("realtimeInputConfig")).unwrap_or_default();
        let mut wrong = schema::faults(&self.setup, &setup);
        wrong.extend(schema::faults(&self.activity, &input));
        if !setup["model"].as_str().is_some_and(|model| model.starts_with("models/gemini")) {
            wrong.push("model".to_owned());
        }
        if !wrong.is_empty() {
            talk.close(1_007, "Request contains an invalid argument.").await;
            return Err(wrong.join("; "));
        }
        if matches!(act, Act::Hangs | Act::NeverReady) {
            while talk.next().await.is_some() {}
            return Ok(());
        }
        let resumed = setup["sessionResumption"]["handle"].is_string();
        let mut session =
            Session { vendor: self, talk, notes, act, activity: None, begun: resumed, rest: None, turns: 0 };
        session.say(json!({ "setupComplete": {} })).await;
        // Whoever is to die for good gives nothing to come back with.
        let dies = matches!(act, Act::ClosesMidWord | Act::Limited);
        let update =
            if dies { json!({ "resumable": false }) } else { json!({ "newHandle": "handle-1", "resumable": true }) };
        session.say(json!({ "sessionResumptionUpdate": update })).await;
        session.run().await
    }
}

impl Session<'_> {
    async fn run(&mut self) -> Result<(), String> {
        // Ten times as fast as it is spoken.
        let mut beat = tokio::time::interval(Duration::from_millis(20));
        loop {
            let speaking = self.rest.is_some();
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
        }
    }

    async fn say(&mut self, mut event: Value) {
        let faults = schema::faults(&self.vendor.server, &event);
        assert_eq!(faults, Vec::<String>::new(), "the emulator speaks as documented: {event}");
        if self.act == Act::Surplus {
            event["brandNew"] = json!({ "deep": [1, null, "x"] });
            self.talk.send(&json!({ "anotherNewThing": [[]] })).await;
        }
        if self.act == Act::Beta
            && let Some(content) = event.as_object_mut().and_then(|it| it.remove("serverContent"))
        {
            event["server_content"] = content;
        }
        self.talk.send(&event).await;
    }

    async fn hear(&mut self, message: &Value) -> Result<(), String> {
        let fields: Vec<&String> = message.as_object().map(|it| it.keys().collect()).unwrap_or_default();
        let [name] = fields[..] else { return Err(format!("one thing a message: {fields:?}")) };
        let (what, inner) = (name.as_str(), &message[name]);
        let check = match what {
            "realtimeInput" => &self.vendor.input,
            "clientContent" => &self.vendor.content,
            "toolResponse" => &self.vendor.tools,
            other => return Err(format!("there is no `{other}`")),
        };
        let faults = schema::faults(check, inner);
        if !faults.is_empty() {
            return Err(format!("{what}: {}", faults.join("; ")));
        }
        match what {
            "clientContent" => {
                self.notes.message(message);
                let roles: Vec<&str> =
                    inner["turns"].as_array().into_iter().flatten().filter_map(|it| it["role"].as_str()).collect();
                if self.begun || inner["turnComplete"] != true || roles != ["user", "model"] {
                    return Err(format!("history comes first and once: {roles:?}"));
                }
                self.begun = true;
            }
            "toolResponse" => self.notes.message(message),
            _ => self.input(inner).await?,
        }
        Ok(())
    }

    async fn input(&mut self, input: &Value) -> Result<(), String> {
        self.begun = true;
        if input.get("activityStart").is_some() {
            if self.activity.replace(0).is_some() {
                return Err("a turn within a turn".to_owned());
            }
            if self.rest.take().is_some() {
                self.say(json!({ "serverContent": { "interrupted": true } })).await;
                self.say(json!({ "serverContent": { "turnComplete": true } })).await;
            }
        }
        if let Some(audio) = input.get("audio") {
            let bytes = STANDARD.decode(audio["data"].as_str().unwrap_or("")).map_err(|error| error.to_string())?;
            if audio["mimeType"] != "audio/pcm;rate=16000" || !bytes.len().is_multiple_of(2) {
                return Err(format!("sound of {}", audio["mimeType"]));
            }
            match &mut self.activity {
                Some(heard) => *heard += bytes.len(),
                None => return Err("sound outside a turn".to_owned()),
            }
        }
        if input.get("activityEnd").is_some() {
            let heard = self.activity.take().ok_or("the end of no turn")?;
            // Prefix, a word, and the silence that ended it: more than a second.
            if heard < 32_000 {
                self.notes.wrong(&format!("a turn of {heard} bytes"));
            }
            self.turns += 1;
            self.notes.turn();
            if self.act == Act::Limited {
                self.talk.close(1_011, "You exceeded your current quota.").await;
                return Ok(());
            }
            self.answer().await;
        }
        Ok(())
    }

    async fn answer(&mut self) {
        let understood = json!({ "text": format!("callee turn {}", self.turns) });
        self.say(json!({ "serverContent": { "inputTranscription": understood } })).await;
        let tool = match self.act {
            Act::Tool(name) if self.turns == 1 => Some(name),
            Act::Ends if self.turns == 2 => Some("end_call"),
            _ => None,
        };
        if let Some(name) = tool {
            let call = json!({ "id": "f1", "name": name, "args": {} });
            self.say(json!({ "toolCall": { "functionCalls": [call] } })).await;
        }
        match self.act {
            Act::Fails => {
                let rejected = json!({ "turnComplete": true, "turnCompleteReason": "RESPONSE_REJECTED" });
                return self.say(json!({ "serverContent": rejected })).await;
            }
            Act::Silent => return self.say(json!({ "serverContent": { "turnComplete": true } })).await,
            _ => {}
        }
        let said = json!({ "text": format!("agent turn {}", self.turns) });
        self.say(json!({ "serverContent": { "outputTranscription": said } })).await;
        self.notes.speaks();
        self.rest = Some(self.vendor.speech.clone());
    }

    async fn go_on(&mut self) -> bool {
        let Some(mut rest) = self.rest.take() else { return true };
        if self.act == Act::Floods && rest.len() < 20_000 {
            rest.extend_from_slice(&self.vendor.speech);
        }
        let piece: Vec<u8> = rest.drain(..rest.len().min(9_600)).collect();
        let sent = self.vendor.speech.len().saturating_sub(rest.len());
        let garbage = self.act == Act::BadBase64 && sent > 20_000 && sent < 60_000;
        let data = if garbage { "*no base64*".to_owned() } else { STANDARD.encode(piece) };
        let mime = if self.act == Act::WrongFormat { "audio/ogg" } else { "audio/pcm;rate=24000" };
        let part = json!({ "inlineData": { "mimeType": mime, "data": data } });
        if self.act == Act::Errors && (20_000..30_000).contains(&sent) {
            // In no document of the provider's, and seen all the same; services repeat what they were given.
            let error = json!({ "error": { "code": 8, "status": "RESOURCE_EXHAUSTED", "message": "slow down, sk-test-of-agents" } });
            self.talk.send(&error).await;
        }
        self.say(json!({ "serverContent": { "modelTurn": { "role": "model", "parts": [part] } } })).await;
        if self.act == Act::ClosesMidWord && rest.len() < self.vendor.speech.len() / 2 {
            self.talk.close(1_011, "Internal error encountered.").await;
            return false;
        }
        if !rest.is_empty() {
            self.rest = Some(rest);
            return true;
        }
        self.say(json!({ "serverContent": { "generationComplete": true } })).await;
        let count = |kind: &str, tokens: u64| json!({ "modality": kind, "tokenCount": tokens });
        let usage = json!({ "promptTokenCount": 100, "responseTokenCount": 125, "totalTokenCount": 225,
            "promptTokensDetails": [count("TEXT", 60), count("AUDIO", 40)],
            "responseTokensDetails": [count("AUDIO", 125)] });
        self.say(json!({ "serverContent": { "turnComplete": true }, "usageMetadata": usage })).await;
        if self.act == Act::GoesAway && self.turns == 1 {
            self.say(json!({ "goAway": { "timeLeft": "1s" } })).await;
        }
        true
    }
}
