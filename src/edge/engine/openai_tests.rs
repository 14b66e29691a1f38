use super::*;

fn engine(model: Option<&str>) -> OpenAi {
    let config = EngineConfig { model: model.map(str::to_owned), ..EngineConfig::default() };
    OpenAi::open("main", &config, None, Bounds::default()).expect("opens")
}

fn request(voice: Option<&str>, settings: &[(&str, &str)]) -> Request {
    Request {
        text: "Hello.".to_owned(),
        language: "en".parse().expect("a tag"),
        voice: voice.map(str::to_owned),
        model: None,
        settings: settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    }
}

#[test]
fn what_the_service_would_refuse_is_refused_before_a_cent_is_spent() {
    let refused = |model: &str, request: &Request| {
        let fault = engine(Some(model)).order(request).map(|_| ()).expect_err("refused");
        assert!(matches!(fault, EngineFault::Refused { .. }), "{fault}");
        fault.to_string()
    };
    assert!(refused("tts-1", &request(Some("Marin"), &[])).contains("did you mean `marin`?"));
    assert!(refused("tts-1", &request(None, &[("instructions", "calm")])).contains("takes no instructions"));
    assert!(refused("gpt-4o-mini-tts", &request(None, &[("speed", "4.1")])).contains("speed"));
    assert!(refused("gpt-realtime-2.1-mini", &request(None, &[("speed", "2")])).contains("speed"));
    assert!(refused("gpt-4o-mini-tts", &request(None, &[("output_format", "pcmu")])).contains("output_format"));
    assert!(refused("a/b", &request(None, &[])).contains("no model id"));
    assert!(refused("tts-1", &request(None, &[("style", "calm")])).contains("no setting `style`"));
}

#[test]
fn the_way_follows_from_the_model_and_snapshots_fall_under_their_name() {
    let standard = engine(None);
    let way = |model: Option<&str>| {
        let request = Request { model: model.map(str::to_owned), ..request(Some("voice_abc"), &[]) };
        let order = standard.order(&request).expect("good");
        (reads_by_socket(order.model), order.pcm, order.voice)
    };
    let custom = json!({ "id": "voice_abc" });
    assert_eq!(way(None), (true, false, custom.clone()), "the successor, by socket, as µ-law");
    assert_eq!(way(Some("gpt-4o-mini-tts-2025-03-20")), (false, true, custom.clone()));
    assert_eq!(way(Some("gpt-realtime-2.1")), (true, false, custom));
}

#[test]
fn a_quota_that_is_used_up_is_not_a_matter_of_waiting() {
    let means = |code: &str| said(429, &json!({ "error": { "code": code, "message": "m" } })).means;
    assert_eq!(means("insufficient_quota"), Some(Means::Account));
    assert_eq!(means("rate_limit_exceeded"), Some(Means::Busy));
    assert_eq!(means("something_new"), None);
    let event = json!({ "type": "error", "error": { "type": "invalid_request_error", "code": null, "message": "m" } });
    assert_eq!(said(0, &event).means, Some(Means::Refused));
}
