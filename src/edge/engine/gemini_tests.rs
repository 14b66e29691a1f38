use super::*;

fn engine() -> Gemini {
    let key = Some(Secret::new("a-key-for-tests".to_owned()));
    Gemini::open("g", &EngineConfig::default(), key, Bounds::default()).expect("opens")
}

fn request(language: &str, model: Option<&str>, settings: &[(&str, &str)]) -> Request {
    Request {
        text: "Здравейте.".to_owned(),
        language: language.parse().expect("a tag"),
        voice: None,
        model: model.map(str::to_owned),
        settings: settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    }
}

#[test]
fn the_style_stands_beside_the_text_and_never_in_it() {
    let (model, body) =
        engine().order(&request("bg", None, &[("style", "calm, friendly"), ("seed", "7")])).expect("taken");
    assert_eq!(model, "gemini-3.8-flash-tts");
    assert_eq!(
        body,
        json!({ "contents": [{ "role": "user", "parts": [{ "text": "Здравейте.",
                "speechMetadata": { "style": "calm, friendly" } }] }],
            "generationConfig": { "responseModalities": ["AUDIO"], "seed": 7, "speechConfig": { "languageCode": "bg-BG",
                "voiceConfig": { "prebuiltVoiceConfig": { "voiceName": "Kore" } } } } })
    );
    for model in ["gemini-3.1-flash-tts-preview", "gemini-9-tts"] {
        let fault = engine().order(&request("bg", Some(model), &[("style", "calm")])).expect_err(model);
        assert!(matches!(&fault, EngineFault::Refused { why, .. } if why.contains("gemini-3.8-flash-tts")), "{fault}");
    }
}

#[test]
fn a_language_without_a_known_region_is_left_to_the_model() {
    let code = |language: &str| {
        let (_, body) = engine().order(&request(language, None, &[])).expect("taken");
        body["generationConfig"]["speechConfig"]["languageCode"].as_str().map(str::to_owned)
    };
    assert_eq!(code("pt-br").as_deref(), Some("pt-BR"));
    assert_eq!(code("he").as_deref(), Some("he-IL"));
    assert_eq!(code("sw"), None);
}

#[test]
fn a_voice_is_prebuilt_or_an_id_and_a_near_miss_is_told() {
    let voice = |name: &str| engine().order(&Request { voice: Some(name.to_owned()), ..request("en", None, &[]) });
    assert!(voice("Puck").is_ok() && voice("voice_abc-1").is_ok());
    let fault = voice("puck").expect_err("names are exact").to_string();
    assert!(fault.contains("did you mean `Puck`?"), "{fault}");
    assert!(voice("voice_../x").is_err());
    assert!(engine().order(&request("en", Some("../../x"), &[])).is_err());
}

#[test]
fn errors_say_what_they_mean_and_when_to_come_again() {
    let busy = said(
        429,
        &json!({"error": {"code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED", "details": [
            {"@type": "type.googleapis.com/google.rpc.QuotaFailure"},
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7.5s"}]}}),
    );
    assert_eq!((busy.means, busy.after), (Some(Means::Busy), Some(Duration::from_millis(7_500))));
    let key = said(400, &json!({"error": {"status": "INVALID_ARGUMENT", "details": [{"reason": "API_KEY_INVALID"}]}}));
    assert_eq!(key.means, Some(Means::Account));
    for odd in
        [json!(null), json!([]), json!({"error": "x"}), json!({"error": {"details": [{"retryDelay": "-1s"}, 5]}})]
    {
        assert_eq!(said(500, &odd).after, None);
    }
}

#[test]
fn an_answer_without_whole_sound_is_a_fault_of_its_kind() {
    let engine = engine();
    let part = |mime: &str, data: &[u8]| json!({"inlineData": {"mimeType": mime, "data": STANDARD.encode(data)}});
    let sound = |reply: Value| engine.sound(&serde_json::from_value(reply).expect("reads"));
    let of =
        |parts: Value, reason: &str| json!({"candidates": [{"content": {"parts": parts}, "finishReason": reason}]});
    let l16 = "audio/L16;codec=pcm;rate=16000";
    let two = sound(of(json!([part(l16, &[1, 0]), part(l16, &[0xFF, 0xFF])]), "STOP")).expect("one sound in two parts");
    assert_eq!((two.samples, two.rate), (vec![1, -1], 16_000));
    assert_eq!(sound(of(json!([part("audio/mulaw", &[0xFF])]), "STOP")).expect("G.711").rate, 8_000);
    let word = |reply: Value| match sound(reply) {
        Ok(_) => "sound",
        Err(EngineFault::Failed { .. }) => "failed",
        Err(EngineFault::Refused { .. }) => "refused",
        Err(EngineFault::BadSound { .. }) => "bad",
        Err(_) => "other",
    };
    assert_eq!(word(of(json!([{"text": "I cannot"}]), "STOP")), "failed");
    assert_eq!(word(of(json!([part(l16, &[1, 0])]), "MAX_TOKENS")), "bad");
    assert_eq!(word(of(json!([]), "PROHIBITED_CONTENT")), "refused");
    assert_eq!(word(of(json!([]), "OTHER")), "failed");
    assert_eq!(word(json!({"promptFeedback": {"blockReason": "SAFETY"}})), "refused");
    assert_eq!(word(json!({})), "failed");
    assert_eq!(word(of(json!([part("audio/mpeg", &[1, 0])]), "STOP")), "bad");
    assert_eq!(word(of(json!([part(l16, b"<html>")]), "STOP")), "bad");
    assert_eq!(word(of(json!([{"inlineData": {"mimeType": l16, "data": "%%%"}}]), "STOP")), "bad");
}
