//! OpenAI's custom voices and Gemini's replicated ones, held to their documents: the consent is heard first, a lost answer is
//! told as such where no voice can be looked for, and everything of a person is deleted.

use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use ahoy::core::clone::CloneFault;
use ahoy::run::clone::CloneState;
use serde_json::{Value, json};

use super::studio::Studio;
use super::{Fast, caller, end, fault, ready, voice};
use crate::KEY;
use crate::emulator::{Act, Emulator, Reply, Seen, Vendor};
use crate::schema;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    OpenAi,
    Gemini,
}

#[derive(Default)]
struct State {
    consents: Vec<(String, String)>,
    voices: Vec<(String, String)>,
    uploads: Vec<Act>,
}

#[derive(Clone)]
struct Others {
    who: Who,
    state: Arc<Mutex<State>>,
}

struct Documents {
    consent: jsonschema::Validator,
    voice: jsonschema::Validator,
    told_consent: jsonschema::Validator,
    told_consents: jsonschema::Validator,
    told_voice: jsonschema::Validator,
    replicate: jsonschema::Validator,
    replicated: jsonschema::Validator,
    listed: jsonschema::Validator,
}

static DOCUMENTS: LazyLock<Documents> = LazyLock::new(|| {
    let openai: Value =
        serde_json::from_str(include_str!("../../specs/openai-openapi.audio-realtime.json")).expect("JSON");
    let gemini: Value =
        serde_json::from_str(include_str!("../../specs/gemini-voices-interactions.schema.json")).expect("JSON");
    let file = |name: &str| jsonschema::validator_for(&gemini["schemas"][name]).expect("a schema");
    Documents {
        consent: schema::of_openapi(&openai, "CreateVoiceConsentRequest"),
        voice: schema::of_openapi(&openai, "CreateVoiceRequest"),
        told_consent: schema::of_openapi(&openai, "VoiceConsentResource"),
        told_consents: schema::of_openapi(&openai, "VoiceConsentListResource"),
        told_voice: schema::of_openapi(&openai, "VoiceResource"),
        replicate: file("CreateVoiceRequest"),
        replicated: file("VoiceOutput"),
        listed: file("ListVoicesResponse"),
    }
});

fn documented(validator: &jsonschema::Validator, body: Value) -> Reply {
    assert_eq!(schema::faults(validator, &body), Vec::<String>::new(), "the emulator answers as documented");
    Reply::json(200, &body)
}

impl Others {
    fn openai(&self, seen: &Seen, segments: &[&str]) -> Reply {
        let mut state = self.state.lock().expect("whole");
        let consent = |(id, name): &(String, String)| json!({ "object": "audio.voice_consent", "id": id, "name": name, "language": "en-GB", "created_at": 1 });
        match (seen.method.as_str(), segments) {
            ("GET", ["v1", "audio", "voice_consents"]) => {
                let data: Vec<Value> = state.consents.iter().map(consent).collect();
                documented(&DOCUMENTS.told_consents, json!({ "object": "list", "data": data, "has_more": false }))
            }
            ("POST", ["v1", "audio", "voice_consents"]) => {
                let (fields, _) = Studio::form(seen).expect("checked");
                let id = format!("cons_{}", state.consents.len() + 1);
                state.consents.push((id, fields["name"].as_str().expect("checked").to_owned()));
                documented(&DOCUMENTS.told_consent, consent(state.consents.last().expect("one")))
            }
            ("POST", _) => {
                let (fields, _) = Studio::form(seen).expect("checked");
                let (id, name) =
                    (format!("voice_{}", state.voices.len() + 1), fields["name"].as_str().expect("checked").to_owned());
                state.voices.push((id.clone(), name.clone()));
                documented(
                    &DOCUMENTS.told_voice,
                    json!({ "object": "audio.voice", "id": id, "name": name, "created_at": 1 }),
                )
            }
            (_, [.., kind, id]) => {
                state.consents.retain(|it| it.0 != *id);
                state.voices.retain(|it| it.0 != *id);
                let object = if *kind == "voices" { "audio.voice" } else { "audio.voice_consent" };
                Reply::json(200, &json!({ "id": id, "object": object, "deleted": true }))
            }
            _ => unreachable!("checked"),
        }
    }

    fn gemini(&self, seen: &Seen, segments: &[&str]) -> Reply {
        let mut state = self.state.lock().expect("whole");
        match (seen.method.as_str(), segments) {
            ("GET", _) => {
                let row =
                    |(id, name): &(String, String)| json!({ "type": "replicated", "id": id, "display_name": name });
                documented(&DOCUMENTS.listed, json!({ "voices": state.voices.iter().map(row).collect::<Vec<_>>() }))
            }
            ("POST", _) => {
                let id = format!("voice_{}", state.voices.len() + 1);
                let name = seen.body["voice"]["display_name"].as_str().expect("checked").to_owned();
                state.voices.push((id.clone(), name.clone()));
                documented(&DOCUMENTS.replicated, json!({ "type": "replicated", "id": id, "display_name": name }))
            }
            (_, [.., id]) => {
                state.voices.retain(|it| it.0 != *id);
                Reply::json(200, &json!({}))
            }
            _ => unreachable!("checked"),
        }
    }
}

impl Vendor for Others {
    fn check(&self, seen: &Seen) -> Result<(), Reply> {
        assert_eq!(crate::common::leak(&seen.raw), None, "a number left the house");
        let header = |name: &str| seen.headers.get(name).cloned().unwrap_or_default();
        let right = match self.who {
            Who::OpenAi => header("authorization") == format!("Bearer {KEY}"),
            Who::Gemini => header("x-goog-api-key") == KEY,
        };
        if !right {
            return Err(self.error(401, seen));
        }
        let segments: Vec<&str> = seen.path.trim_start_matches('/').split('/').collect();
        let wrong = match (self.who, seen.method.as_str(), segments.as_slice()) {
            (Who::OpenAi, "POST", ["v1", "audio", kind @ ("voices" | "voice_consents")]) => match Studio::form(seen) {
                Ok((fields, sound)) => {
                    let document = if *kind == "voices" { &DOCUMENTS.voice } else { &DOCUMENTS.consent };
                    let mut wrong = schema::faults(document, &fields);
                    wrong.extend((!sound.starts_with(b"RIFF")).then(|| "no sound".to_owned()));
                    let known =
                        self.state.lock().expect("whole").consents.iter().any(|it| fields["consent"] == json!(it.0));
                    wrong.extend((*kind == "voices" && !known).then(|| "no such consent".to_owned()));
                    wrong
                }
                Err(why) => vec![why],
            },
            (Who::Gemini, "POST", ["v1beta", "voices"]) => {
                let mut wrong = schema::faults(&DOCUMENTS.replicate, &seen.body);
                let voice = &seen.body["voice"];
                wrong.extend((seen.body["store"] != json!(true)).then(|| "not stored".to_owned()));
                wrong.extend(
                    (voice["replicated"]["consent_audio"]["mime_type"] != "audio/wav").then(|| "no consent".to_owned()),
                );
                wrong
            }
            (Who::OpenAi, "GET", ["v1", "audio", "voice_consents"])
            | (Who::OpenAi, "DELETE", ["v1", "audio", "voices" | "voice_consents", _])
            | (Who::Gemini, "GET", ["v1beta", "voices"])
            | (Who::Gemini, "DELETE", ["v1beta", "voices", _]) => Vec::new(),
            (_, method, _) => vec![format!("{method} {} is not there", seen.path)],
        };
        if wrong.is_empty() {
            Ok(())
        } else {
            Err(Reply::json(400, &json!({ "error": { "message": wrong.join("; ") } })))
        }
    }

    fn act(&self, seen: &Seen, act: Act) -> Act {
        let mut state = self.state.lock().expect("whole");
        let upload = seen.method == "POST" && seen.path.ends_with("/voices") && !state.uploads.is_empty();
        if upload { state.uploads.remove(0) } else { act }
    }

    fn answer(&self, seen: &Seen, _: Act) -> Reply {
        let segments: Vec<&str> = seen.path.trim_start_matches('/').split('/').collect();
        match self.who {
            Who::OpenAi => self.openai(seen, &segments),
            Who::Gemini => self.gemini(seen, &segments),
        }
    }

    fn error(&self, http: u16, _: &Seen) -> Reply {
        Reply::json(http, &json!({ "error": { "message": "refused", "code": "x" } }))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_wants_to_hear_the_consent_hears_it_and_a_lost_answer_there_is_never_repeated() {
    for (who, name) in [(Who::OpenAi, "openai"), (Who::Gemini, "gemini")] {
        let others = Others { who, state: Arc::default() };
        let service = Emulator::start(others.clone(), Act::Well).await;
        let house = super::House::at(name, &service.base_url, "timeout = \"20s\"");
        house.sample("agreed.wav", &voice(4, 8_000.0));
        let rows = "caller,consented_on,consent,sample,consent_sample,language\n\
                    +442079460001,2024-11-01,yes,voice.wav,agreed.wav,en-GB\n+442079460002,2024-11-01,yes,voice.wav,,\n\
                    +442079460003,2024-11-01,yes,voice.wav,agreed.wav,en-GB\n";
        house.sample("samples.csv", rows.as_bytes());
        let cloner = house.cloner_by(Arc::new(Fast));
        let made = end(cloner.want(&caller(1), None)).await;
        assert_eq!(ready(&made), Some(("voice_1", false)), "{name}: {:?}", service.refused());
        assert_eq!(fault(end(cloner.want(&caller(2), None)).await).kind(), "no_consent", "{name}: nobody heard it");
        others.state.lock().expect("whole").uploads = vec![Act::Lost(0)];
        let lost = end(cloner.want(&caller(3), None)).await;
        cloner.settle(Duration::from_secs(60)).await;
        let again = end(cloner.want(&caller(3), None)).await;
        cloner.settle(Duration::from_secs(60)).await;
        if who == Who::OpenAi {
            for state in [lost, again] {
                let why = fault(state);
                assert!(matches!(why, CloneFault::Unfindable | CloneFault::Timeout(_)), "{name}: {why}");
            }
        } else {
            assert!(matches!(lost, CloneState::Ready { .. }), "{name}: {lost:?}");
        }
        let posts = service.seen().iter().filter(|it| it.method == "POST" && it.path.ends_with("/voices")).count();
        assert_eq!((posts, others.state.lock().expect("whole").voices.len()), (2, 2), "{name}: one each");
        assert_eq!(service.refused(), Vec::<String>::new(), "{name}: as documented");
        let removed = cloner.remove(&[caller(1)], false).await.expect("removed");
        assert_eq!((removed.clones, removed.swept.deleted), (1, 1), "{name}");
        let state = others.state.lock().expect("whole");
        assert_eq!(state.voices.len(), 1, "{name}");
        assert!(state.consents.len() <= 1, "{name}: the recording of the consent goes with the voice");
    }
}
