use std::time::Duration;

use super::*;

/// A session of tests.
pub fn opening() -> Opening {
    let ms = Duration::from_millis;
    Opening {
        model: "m".to_owned(),
        voice: Some("v".to_owned()),
        prompt: Prompt { first: "Be brief.".to_owned(), later: None },
        language: "bg".to_owned(),
        vad: Vad { threshold: 0.5, silence: ms(700), prefix_padding: ms(300), min_speech: ms(64) },
        transcribe: Some("t".to_owned()),
        transfers: false,
    }
}

/// An OpenAI session that was taken over.
fn openai() -> (OpenAiRealtime, Outbox) {
    let mut agent = OpenAiRealtime::new(opening());
    let mut out = Outbox::default();
    agent.received(r#"{"type":"session.created","session":{}}"#, &mut out);
    let format = json!({ "format": { "type": "audio/pcmu" } });
    let session = json!({ "audio": { "input": format, "output": format } });
    agent.received(&json!({ "type": "session.updated", "session": session }).to_string(), &mut out);
    assert_eq!(out.call, [FromAgent::Ready]);
    agent.told(ToAgent::TakeOver { heard: "Hello.".to_owned(), cut: false }, &mut out);
    (agent, Outbox::default())
}

fn delta(agent: &mut OpenAiRealtime, item: &str, out: &mut Outbox) {
    let sound = json!({ "type": "response.output_audio.delta", "item_id": item, "delta": "/////w==" });
    agent.received(&sound.to_string(), out);
}

fn kinds(out: &Outbox) -> Vec<String> {
    let kind =
        |text: &String| serde_json::from_str::<Value>(text).expect("JSON")["type"].as_str().unwrap_or("").to_owned();
    out.wire.iter().map(kind).collect()
}

#[test]
fn one_answer_at_a_time_and_what_the_callee_added_cancels_the_one_that_nobody_heard() {
    let (mut agent, mut out) = openai();
    agent.told(ToAgent::Answer, &mut out);
    agent.received(r#"{"type":"response.created","response":{"id":"r1"}}"#, &mut out);
    agent.told(ToAgent::Answer, &mut out);
    agent.told(ToAgent::Answer, &mut out);
    assert_eq!(kinds(&out), ["response.create", "response.cancel"], "the server refuses a second");
    delta(&mut agent, "i1", &mut out);
    delta(&mut agent, "i1", &mut out);
    assert!(out.call.is_empty(), "what still comes of it is void");
    assert_eq!(kinds(&out)[2..], ["conversation.item.truncate"], "the server learns that none of it was heard");
    agent.received(r#"{"type":"response.done","response":{"id":"r1","status":"cancelled"}}"#, &mut out);
    assert_eq!(kinds(&out)[3..], ["response.create"], "now it is due");
    agent.received(r#"{"type":"response.created","response":{"id":"r2"}}"#, &mut out);
    delta(&mut agent, "i2", &mut out);
    assert!(matches!(&out.call[..], [FromAgent::Sound { turn, .. }] if &**turn == "i2"));
}

#[test]
fn a_cut_is_told_no_longer_than_what_was_sent_and_only_a_running_answer_is_cancelled() {
    let (mut agent, mut out) = openai();
    agent.told(ToAgent::Answer, &mut out);
    agent.received(r#"{"type":"response.created","response":{"id":"r1"}}"#, &mut out);
    agent.received(
        &json!({ "type": "response.output_audio.delta", "item_id": "i1", "delta": base64_of(4_000) }).to_string(),
        &mut out,
    );
    agent.received(r#"{"type":"response.done","response":{"status":"completed"}}"#, &mut out);
    out = Outbox::default();
    agent.told(ToAgent::Cut { turn: "i1".into(), heard_ms: 9_999 }, &mut out);
    assert_eq!(kinds(&out), ["conversation.item.truncate"]);
    assert!(out.wire[0].contains(r#""audio_end_ms":500"#), "{}", out.wire[0]);
}

fn base64_of(samples: usize) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(vec![0xff; samples])
}

#[test]
fn an_error_before_the_session_is_ready_ends_it_and_one_after_does_not() {
    let error = r#"{"type":"error","error":{"type":"invalid_request_error","code":"bad","message":"no"}}"#;
    let mut agent = OpenAiRealtime::new(opening());
    let mut out = Outbox::default();
    agent.received(r#"{"type":"session.created","session":{}}"#, &mut out);
    agent.received(error, &mut out);
    assert!(matches!(&out.call[..], [FromAgent::Gone { why }] if why == "bad: no"));
    let (mut agent, mut out) = openai();
    agent.told(ToAgent::Answer, &mut out);
    agent.received(error, &mut out);
    assert!(matches!(&out.call[..], [FromAgent::Fault { .. }]));
    agent.told(ToAgent::Answer, &mut out);
    assert_eq!(kinds(&out), ["response.create"; 2], "the answer that was refused is asked for again");
    for garbage in ["", "[]", "{}", r#"{"type":5}"#, r#"{"type":"response.done"}"#, r#"{"type":"error","error":null}"#]
    {
        agent.received(garbage, &mut Outbox::default());
    }
}

/// By the providers' own types: a cloned voice has an id, the vendor's have names.
#[test]
fn a_cloned_voice_is_asked_for_by_its_id() {
    let schema = |text: &str, pointer: &str| {
        let file: Value = serde_json::from_str(text).expect("JSON");
        let found = file.pointer(pointer).unwrap_or_else(|| panic!("{pointer}"));
        jsonschema::validator_for(found).expect("a schema")
    };
    let live = include_str!("../../../tests/specs/gemini-live-client-messages.schema.json");
    let speech = schema(live, "/schemas/SpeechConfig");
    for voice in ["voice_0a1b2c", "Kore"] {
        let opening = || Opening { voice: Some(voice.to_owned()), ..opening() };
        let (mut agent, mut out) = (OpenAiRealtime::new(opening()), Outbox::default());
        agent.received(r#"{"type":"session.created","session":{}}"#, &mut out);
        let update: Value = serde_json::from_str(&out.wire[0]).expect("JSON");
        let wanted = if voice == "Kore" { json!("Kore") } else { json!({ "id": voice }) };
        assert_eq!(update.pointer("/session/audio/output/voice"), Some(&wanted), "{update}");

        let mut out = Outbox::default();
        GeminiLive::new(opening()).opened(&mut out);
        let sent: Value = serde_json::from_str(&out.wire[0]).expect("JSON");
        let config = &sent["setup"]["generationConfig"]["speechConfig"];
        let faults: Vec<String> = speech.iter_errors(config).map(|fault| fault.to_string()).collect();
        assert_eq!(faults, Vec::<String>::new(), "{sent}");
        let wanted = match voice {
            "Kore" => json!({ "prebuiltVoiceConfig": { "voiceName": "Kore" } }),
            _ => json!({ "voice": voice }),
        };
        assert_eq!(sent.pointer("/setup/generationConfig/speechConfig/voiceConfig"), Some(&wanted), "{sent}");
    }
}
