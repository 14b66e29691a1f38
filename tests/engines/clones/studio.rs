//! ElevenLabs' voices as an emulator: `/v1/voices/add`, `/v2/voices`, the subscription, deletion. It keeps what it made,
//! makes the same voice twice if it is asked twice, and refuses what the provider's document does not have.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use serde_json::{Value, json};

use crate::KEY;
use crate::emulator::{Act, Reply, Seen, Vendor};
use crate::schema;

struct Documents {
    add: jsonschema::Validator,
    added: [jsonschema::Validator; 2],
    subscription: [jsonschema::Validator; 2],
    page: jsonschema::Validator,
    deleted: jsonschema::Validator,
    query: Vec<String>,
}

/// Made once: each takes a tenth of a second.
static DOCUMENTS: LazyLock<Documents> = LazyLock::new(|| {
    let api: Value =
        serde_json::from_str(include_str!("../../specs/elevenlabs-openapi.tts-voices-agents.json")).expect("JSON");
    let rest: Value = serde_json::from_str(include_str!("../../specs/elevenlabs-rest.schema.json")).expect("JSON");
    let file = |name: &str| jsonschema::validator_for(&rest["schemas"][name]).expect("a schema");
    let query = api["paths"]["/v2/voices"]["get"]["parameters"].as_array().expect("parameters").iter();
    let query = query.filter(|it| it["in"] == "query").map(|it| it["name"].as_str().expect("a name").to_owned());
    Documents {
        add: schema::of_openapi(&api, "Body_Add_voice_v1_voices_add_post"),
        added: [schema::of_openapi(&api, "AddVoiceIVCResponseModel"), file("AddVoiceIvcResponseModel")],
        subscription: [schema::of_openapi(&api, "ExtendedSubscriptionResponseModel"), file("Subscription")],
        page: file("GetVoicesV2Response"),
        deleted: file("DeleteVoiceResponseModel"),
        query: query.collect(),
    }
});

/// A voice that it has.
#[derive(Debug, Clone)]
pub struct Kept {
    pub id: String,
    pub name: String,
}

#[derive(Debug, Default)]
pub struct State {
    pub voices: Vec<Kept>,
    /// Uploads that it took, whether or not anybody heard of it.
    pub made: usize,
    pub deleted: Vec<String>,
    pub limit: usize,
    pub edits: u64,
    pub most_edits: Option<u64>,
    pub may_clone: bool,
    pub verify: bool,
    /// What uploads meet, the first first; later ones go well.
    pub uploads: Vec<Act>,
    /// What everything else meets.
    pub rest: Option<Act>,
}

/// Shared with the test.
#[derive(Clone)]
pub struct Studio {
    pub state: Arc<Mutex<State>>,
    at_once: Arc<AtomicUsize>,
    most_at_once: Arc<AtomicUsize>,
}

impl Studio {
    pub fn new() -> Studio {
        LazyLock::force(&DOCUMENTS);
        let state = State { limit: 30, may_clone: true, ..State::default() };
        Studio { state: Arc::new(Mutex::new(state)), at_once: Arc::default(), most_at_once: Arc::default() }
    }

    pub fn with(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().expect("whole"));
    }

    pub fn made(&self) -> usize {
        self.state.lock().expect("whole").made
    }

    pub fn voices(&self) -> Vec<Kept> {
        self.state.lock().expect("whole").voices.clone()
    }

    /// The most uploads that were there at one time.
    pub fn most_at_once(&self) -> usize {
        self.most_at_once.load(Ordering::SeqCst)
    }

    /// Fields and files of a multipart body, as the document's JSON has them.
    pub fn form(seen: &Seen) -> Result<(Value, Vec<u8>), String> {
        let kind = seen.headers.get("content-type").cloned().unwrap_or_default();
        let boundary = kind.strip_prefix("multipart/form-data; boundary=").ok_or("no multipart/form-data")?;
        let mark = format!("--{boundary}").into_bytes();
        let (mut fields, mut sound) = (json!({}), Vec::new());
        let starts: Vec<usize> =
            seen.raw.windows(mark.len()).enumerate().filter(|(_, it)| *it == mark).map(|(at, _)| at).collect();
        for pair in starts.windows(2) {
            let part = &seen.raw[pair[0] + mark.len() + 2..pair[1] - 2];
            let end = part.windows(4).position(|it| it == b"\r\n\r\n").ok_or("a part without a head")?;
            let head = String::from_utf8_lossy(&part[..end]).to_lowercase();
            let name =
                head.split("name=\"").nth(1).and_then(|it| it.split('"').next()).ok_or("a part without a name")?;
            let body = &part[end + 4..];
            if head.contains("filename=\"") {
                if !head.contains("content-type: audio/") {
                    return Err(format!("{name} is no audio"));
                }
                sound = body.to_vec();
                fields[name] = if name == "files" { json!(["bytes"]) } else { json!("bytes") };
            } else {
                let text = String::from_utf8_lossy(body).into_owned();
                fields[name] = match text.as_str() {
                    "true" => json!(true),
                    "false" => json!(false),
                    _ => json!(text),
                };
            }
        }
        Ok((fields, sound))
    }

    fn detail(http: u16, kind: &str, code: &str) -> Reply {
        let detail = json!({ "type": kind, "code": code, "message": format!("refused: {code}"), "status": code,
            "request_id": "r", "param": null });
        Reply::json(http, &json!({ "detail": detail }))
    }

    fn subscription(&self) -> Reply {
        let state = self.state.lock().expect("whole");
        let body = json!({
            "tier": "creator", "character_count": 10, "character_limit": 100_000, "max_character_limit_extension": null,
            "max_credit_limit_extension": 0, "can_extend_character_limit": false, "allowed_to_extend_character_limit": false,
            "voice_slots_used": state.voices.len(), "professional_voice_slots_used": 0,
            "professional_voice_slots_used_in_workspace": 0, "voice_limit": state.limit,
            "max_voice_add_edits": state.most_edits, "voice_add_edit_counter": state.edits, "professional_voice_limit": 1,
            "can_extend_voice_limit": false, "can_use_instant_voice_cloning": state.may_clone,
            "can_use_professional_voice_cloning": false, "status": "active", "open_invoices": [], "has_open_invoices": false,
            "current_overage": { "amount": "0", "currency": "usd" },
        });
        for document in &DOCUMENTS.subscription {
            let wrong: Vec<String> =
                schema::faults(document, &body).into_iter().filter(|it| !it.contains("current_overage")).collect();
            assert_eq!(wrong, Vec::<String>::new(), "the emulator answers as documented");
        }
        Reply::json(200, &body)
    }

    /// Pages of three, so that a search goes through several; a standard voice is on the first, as the document says.
    fn page(&self, seen: &Seen) -> Reply {
        let state = self.state.lock().expect("whole");
        let search = seen.query.get("search").cloned().unwrap_or_default();
        let found: Vec<&Kept> = state.voices.iter().filter(|it| it.name.contains(&search)).collect();
        let from: usize = seen.query.get("next_page_token").map_or(0, |token| token.parse().expect("our token"));
        let row = |id: &str, name: &str, category: &str| json!({ "voice_id": id, "name": name, "category": category, "labels": {} });
        let mut voices: Vec<Value> =
            found.iter().skip(from).take(3).map(|it| row(&it.id, &it.name, "cloned")).collect();
        if from == 0 {
            voices.insert(0, row("21m00Tcm4TlvDq8ikWAM", "Rachel", "premade"));
            // By likeness, not by sameness.
            voices.insert(1, row("looksalike0000000000", &format!("{search}-2"), "cloned"));
        }
        let more = found.len() > from + 3;
        let mut body = json!({ "voices": voices, "has_more": more, "total_count": found.len() });
        if more {
            body["next_page_token"] = json!((from + 3).to_string());
        }
        assert_eq!(schema::faults(&DOCUMENTS.page, &body), Vec::<String>::new(), "the emulator answers as documented");
        Reply::json(200, &body)
    }

    fn add(&self, seen: &Seen) -> Reply {
        let (fields, _) = Studio::form(seen).expect("checked");
        let mut state = self.state.lock().expect("whole");
        if state.voices.len() >= state.limit {
            return Studio::detail(400, "validation_error", "voice_limit_reached");
        }
        state.made += 1;
        let id = format!("vo{:018}", state.made);
        state.voices.push(Kept { id: id.clone(), name: fields["name"].as_str().expect("checked").to_owned() });
        let body = json!({ "voice_id": id, "requires_verification": state.verify });
        for document in &DOCUMENTS.added {
            assert_eq!(schema::faults(document, &body), Vec::<String>::new(), "the emulator answers as documented");
        }
        Reply::json(200, &body)
    }

    fn delete(&self, voice: &str) -> Reply {
        let mut state = self.state.lock().expect("whole");
        let Some(at) = state.voices.iter().position(|it| it.id == voice) else {
            return Studio::detail(400, "validation_error", "voice_not_found");
        };
        state.voices.remove(at);
        state.deleted.push(voice.to_owned());
        let body = json!({ "status": "ok" });
        assert_eq!(schema::faults(&DOCUMENTS.deleted, &body), Vec::<String>::new());
        Reply::json(200, &body)
    }
}

fn is_upload(seen: &Seen) -> bool {
    seen.method == "POST" && seen.path == "/v1/voices/add"
}

impl Vendor for Studio {
    fn check(&self, seen: &Seen) -> Result<(), Reply> {
        if seen.headers.get("xi-api-key").map(String::as_str) != Some(KEY) {
            return Err(Studio::detail(401, "authentication_error", "invalid_api_key"));
        }
        // Whoever reads the service's logs learns nobody's number.
        let told = [seen.raw.clone(), format!("{} {:?}", seen.path, seen.query).into_bytes()].concat();
        assert_eq!(crate::common::leak(&told), None, "a number left the house");
        let segments: Vec<&str> = seen.path.trim_start_matches('/').split('/').collect();
        let mut wrong = Vec::new();
        match (seen.method.as_str(), segments.as_slice()) {
            ("POST", ["v1", "voices", "add"]) => match Studio::form(seen) {
                Ok((fields, sound)) => {
                    wrong.extend(schema::faults(&DOCUMENTS.add, &fields));
                    if !sound.starts_with(b"RIFF") && !sound.starts_with(&[0xff, 0xfb]) {
                        return Err(Studio::detail(400, "validation_error", "invalid_file_type"));
                    }
                    if sound.len() < 20_000 {
                        return Err(Studio::detail(400, "validation_error", "audio_too_short"));
                    }
                }
                Err(why) => wrong.push(why),
            },
            ("GET", ["v2", "voices"]) => {
                wrong.extend(
                    seen.query.keys().filter(|it| !DOCUMENTS.query.contains(it)).map(|it| format!("query {it}")),
                );
                let size = seen.query.get("page_size").map_or(Ok(10), |it| it.parse::<u32>());
                if !size.is_ok_and(|size| (1..=100).contains(&size)) {
                    wrong.push("page_size".to_owned());
                }
            }
            ("GET", ["v1", "user", "subscription"]) | ("DELETE", ["v1", "voices", _]) => {}
            (method, _) => wrong.push(format!("{method} {} is not there", seen.path)),
        }
        if wrong.is_empty() {
            return Ok(());
        }
        let list: Vec<Value> =
            wrong.iter().map(|it| json!({ "loc": ["body"], "msg": it, "type": "value_error" })).collect();
        Err(Reply::json(422, &json!({ "detail": list })))
    }

    fn act(&self, seen: &Seen, act: Act) -> Act {
        let mut state = self.state.lock().expect("whole");
        if !is_upload(seen) {
            return state.rest.unwrap_or(act);
        }
        let now = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(now, Ordering::SeqCst);
        let act = if state.uploads.is_empty() { act } else { state.uploads.remove(0) };
        if !matches!(act, Act::Well | Act::Slow(_)) {
            self.at_once.fetch_sub(1, Ordering::SeqCst);
        }
        act
    }

    fn answer(&self, seen: &Seen, act: Act) -> Reply {
        let segments: Vec<&str> = seen.path.trim_start_matches('/').split('/').collect();
        match segments.as_slice() {
            ["v1", "voices", "add"] => {
                if act == Act::Well {
                    let _none_below_zero =
                        self.at_once.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |it| Some(it.saturating_sub(1)));
                }
                self.add(seen)
            }
            ["v2", "voices"] => self.page(seen),
            ["v1", "user", "subscription"] => self.subscription(),
            ["v1", "voices", voice] => self.delete(voice),
            _ => unreachable!("checked"),
        }
    }

    fn error(&self, http: u16, seen: &Seen) -> Reply {
        let key = seen.headers.get("xi-api-key").map_or("", String::as_str);
        let code = match http {
            401 => "invalid_api_key",
            402 => "insufficient_credits",
            403 => "subscription_required",
            429 => "system_busy",
            500 => "internal_error",
            503 => "service_unavailable",
            _ => "other",
        };
        let detail = json!({ "type": "t", "code": code, "message": format!("refused for {key}"), "status": code });
        Reply::json(http, &json!({ "detail": detail }))
    }
}
