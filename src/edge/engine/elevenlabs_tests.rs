use serde_json::json;

use super::*;

const VOICE: &str = "21m00Tcm4TlvDq8ikWAM";

fn engine() -> ElevenLabs {
    let key = Some(Secret::new("a-key-for-tests".to_owned()));
    ElevenLabs::open("main", &EngineConfig::default(), key, Bounds::default()).expect("opens")
}

fn request(language: &str, model: Option<&str>, settings: &[(&str, &str)]) -> Request {
    Request {
        text: "Hello there.".to_owned(),
        language: language.parse().expect("a tag"),
        voice: Some(VOICE.to_owned()),
        model: model.map(str::to_owned),
        settings: settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    }
}

#[test]
fn hebrew_is_refused_by_models_that_lack_it_naming_those_that_have_it() {
    let engine = engine();
    let fault = engine.order(&request("he", None, &[])).err().expect("multilingual_v2 has no Hebrew");
    assert!(matches!(&fault, EngineFault::Language { .. }), "{fault}");
    assert!(fault.to_string().contains("eleven_v4, eleven_v4_turbo, eleven_v3"), "{fault}");
    let body = |model| engine.order(&request("he", Some(model), &[])).expect("taken").body;
    assert_eq!(body("eleven_v3").language_code.as_deref(), Some("he"));
    assert_eq!(body("eleven_v9").language_code, None, "nothing is known of it: tried without a code");
    let bulgarian = engine.order(&request("bg", None, &[])).expect("taken").body;
    assert_eq!(bulgarian.language_code, None, "multilingual_v2 takes no code");
}

#[test]
fn settings_are_checked_and_sent_as_the_service_spells_them() {
    let all = [
        ("stability", "0.4"),
        ("similarity_boost", "0.8"),
        ("style", "0"),
        ("use_speaker_boost", "false"),
        ("speed", "0.9"),
        ("seed", "4294967295"),
        ("apply_text_normalization", "off"),
        ("previous_text", "Before."),
        ("next_text", "After."),
        ("output_format", "ulaw_8000"),
        ("timestamps", "off"),
    ];
    let order = engine().order(&request("en", Some("eleven_flash_v2_5"), &all)).expect("taken");
    assert_eq!((order.format, order.timestamps), ("ulaw_8000", false));
    assert_eq!(
        serde_json::to_value(&order.body).expect("JSON"),
        json!({ "text": "Hello there.", "model_id": "eleven_flash_v2_5", "language_code": "en", "seed": 4_294_967_295_u64,
            "previous_text": "Before.", "next_text": "After.", "apply_text_normalization": "off",
            "voice_settings": { "stability": 0.4, "similarity_boost": 0.8, "style": 0.0, "use_speaker_boost": false,
                "speed": 0.9 } })
    );
    for (name, value) in [
        ("stability", "1.1"),
        ("stability", "much"),
        ("seed", "4294967296"),
        ("output_format", "mp3_44100_128"),
        ("use_speaker_boost", "yes"),
        ("stabilty", "0.5"),
    ] {
        let fault = engine().order(&request("en", None, &[(name, value)])).err().expect(name);
        assert!(matches!(fault, EngineFault::Refused { .. }), "{name}");
    }
}

#[test]
fn a_voice_is_an_id_and_never_a_name_or_a_path() {
    for voice in [None, Some("Rachel"), Some("../../v1/user/../../../x"), Some("21m00Tcm4TlvDq8ikWA/")] {
        let wanted = Request { voice: voice.map(str::to_owned), ..request("en", None, &[]) };
        let fault = engine().order(&wanted).err().expect("refused");
        assert!(fault.to_string().contains("ahoy voices list --engine main"), "{fault}");
    }
}

#[test]
fn a_text_that_the_model_does_not_take_is_refused_before() {
    let long = Request { text: "a".repeat(3_001), ..request("en", Some("eleven_v3"), &[]) };
    let fault = engine().order(&long).err().expect("too long");
    assert!(fault.to_string().contains("takes 3000 at most"), "{fault}");
}

#[test]
fn errors_are_read_in_every_shape_that_was_ever_served() {
    let read = |body: Value| said(400, &body);
    let new = read(json!({"detail": {"type": "authentication_error", "code": "invalid_api_key", "message": "no",
        "status": "invalid_api_key", "request_id": "r", "param": null}}));
    assert_eq!((new.code.as_str(), new.means), ("invalid_api_key", Some(Means::Account)));
    let old = read(json!({"detail": {"status": "quota_exceeded", "message": "no credits"}}));
    assert_eq!((old.code.as_str(), old.means), ("quota_exceeded", Some(Means::Account)));
    let list = read(json!({"detail": [{"loc": ["body", "text", 0], "msg": "field required", "type": "missing"}]}));
    assert_eq!((list.message.as_str(), list.means), ("body.text.0 field required", None));
    assert_eq!(read(json!({"detail": "Not Found"})).message, "Not Found");
    assert_eq!(read(json!({"message": "hm"})).message, "hm");
    for odd in [json!(null), json!([]), json!({"detail": 5}), json!({"detail": [5, {"loc": 7}]}), json!("x")] {
        let _never_panics = read(odd);
    }
}

#[test]
fn characters_become_words_only_if_their_times_belong_to_them() {
    let characters = |count: usize| Characters {
        characters: "Hi you".chars().map(String::from).collect(),
        character_start_times_seconds: (0..count).map(|at| at as f64 / 10.0).collect(),
        character_end_times_seconds: (0..count).map(|at| at as f64 / 10.0 + 0.1).collect(),
    };
    let words = characters(6).words().expect("words");
    assert_eq!((words.words[1].word.as_str(), words.words[1].from_ms, words.words[1].to_ms), ("you", 300, 600));
    assert_eq!(characters(5).words(), None);
}
