use super::*;

const START: &str = r#"{"event":"start","sequenceNumber":"1","start":{"accountSid":"AC1","streamSid":"MZ1","callSid":"CA1","tracks":["inbound"],"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1},"customParameters":{"token":"abc"}},"streamSid":"MZ1"}"#;
const MEDIA: &str = r#"{"event":"media","sequenceNumber":"2","media":{"track":"inbound","chunk":"1","timestamp":"155","payload":"//9/f38="},"streamSid":"MZ1"}"#;

#[test]
fn messages_as_the_carrier_writes_them_are_read() {
    let Ok(Inbound { sequence: Some(1), event: Event::Start(start) }) = parse(START) else { panic!("start") };
    assert_eq!((start.stream.as_str(), start.call.as_deref()), ("MZ1", Some("CA1")));
    assert_eq!(start.parameters["token"], "abc");
    let Ok(Inbound { sequence: Some(2), event: Event::Media(frame) }) = parse(MEDIA) else { panic!("media") };
    assert_eq!((frame.timestamp, frame.chunk), (Some(155), Some(1)));
    let mut sound = Vec::new();
    assert_eq!(decode_payload(&frame.payload, &mut sound), Ok(()));
    assert_eq!(sound, [0xff, 0xff, 0x7f, 0x7f, 0x7f]);
    let event = |text: &'static str| parse(text).map(|it| it.event);
    assert_eq!(event(r#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#), Ok(Event::Connected));
    let dtmf =
        r##"{"event":"dtmf","sequenceNumber":"5","streamSid":"MZ1","dtmf":{"track":"inbound_track","digit":"#"}}"##;
    assert_eq!(event(dtmf), Ok(Event::Dtmf('#')));
    assert_eq!(
        event(r#"{"event":"mark","sequenceNumber":"4","streamSid":"MZ1","mark":{"name":"m 1"}}"#),
        Ok(Event::Mark("m 1".into()))
    );
    assert_eq!(event(r#"{"event":"stop","stop":{"callSid":"CA1"},"streamSid":"MZ1"}"#), Ok(Event::Stop));
}

#[test]
fn other_carriers_shapes_and_unknown_events_are_forgiven() {
    let bare = parse(r#"{"event":"media","media":{"payload":"\/\/8="}}"#).expect("SignalWire sends no streamSid");
    assert_eq!(
        bare,
        Inbound { sequence: None, event: Event::Media(Frame { timestamp: None, chunk: None, payload: "//8=".into() }) }
    );
    let numbers = r#"{"media":{"payload":"/w==","chunk":7,"timestamp":140},"sequenceNumber":9,"event":"media","extra":{"a":[1]}}"#;
    assert_eq!(parse(numbers).map(|it| it.sequence), Ok(Some(9)));
    assert_eq!(parse(r#"{"event":"weather","media":17}"#).map(|it| it.event), Ok(Event::Other));
    let outbound = r#"{"event":"media","media":{"track":"outbound","payload":"/w=="}}"#;
    assert_eq!(parse(outbound).map(|it| it.event), Ok(Event::Other));
    let start = r#"{"event":"start","start":{"stream_id":"s"},"stream_id":"s"}"#;
    assert!(matches!(parse(start).map(|it| it.event), Ok(Event::Start(_))));
}

#[test]
fn what_is_needed_and_missing_is_a_fault() {
    for (text, fault) in [
        ("", MediaFault::Malformed),
        ("[]", MediaFault::Malformed),
        ("{}", MediaFault::Malformed),
        (r#"{"event":7}"#, MediaFault::Malformed),
        (r#"{"event":"media"}"#, MediaFault::Malformed),
        (r#"{"event":"media","media":{}}"#, MediaFault::Malformed),
        (r#"{"event":"media","media":{"payload":"/w==","timestamp":"-5"}}"#, MediaFault::Malformed),
        (r#"{"event":"media","event":"stop"}"#, MediaFault::Malformed),
        (r#"{"event":"dtmf","dtmf":{"digit":"12"}}"#, MediaFault::Malformed),
        (r#"{"event":"mark"}"#, MediaFault::Malformed),
        (r#"{"event":"start","start":{"streamSid":"s","mediaFormat":{"sampleRate":16000}}}"#, MediaFault::WrongFormat),
    ] {
        assert_eq!(parse(text), Err(fault), "{text}");
    }
    let mut sound = vec![1];
    assert_eq!(decode_payload("*", &mut sound), Err(MediaFault::BadPayload));
    assert_eq!(decode_payload("", &mut sound), Err(MediaFault::BadPayload));
}

#[test]
fn a_huge_or_deep_message_is_refused_before_it_is_read() {
    let long = format!(r#"{{"event":"x","pad":"{}"}}"#, "a".repeat(limits::MEDIA_MESSAGE_BYTES));
    assert_eq!(parse(&long), Err(MediaFault::TooLong));
    let deep = format!(r#"{{"event":"x","pad":{}{}}}"#, "[".repeat(17), "]".repeat(17));
    assert_eq!(parse(&deep), Err(MediaFault::TooDeep));
    let brackets_in_text = format!(r#"{{"event":"x","pad":"\"{}"}}"#, "[".repeat(40));
    assert_eq!(parse(&brackets_in_text).map(|it| it.event), Ok(Event::Other));
}

#[test]
fn what_we_write_is_json_that_names_the_stream() {
    let writer = Writer::new("MZ\"1");
    let media: serde_json::Value = serde_json::from_str(&writer.media(&media_tail(&[0xff; 160]))).expect("JSON");
    assert_eq!(media["streamSid"], "MZ\"1");
    assert_eq!(media.as_object().map(|it| it.len()), Some(3), "a surplus field is error 31951 at the carrier");
    let mut sound = Vec::new();
    decode_payload(media["media"]["payload"].as_str().expect("text"), &mut sound).expect("base64");
    assert_eq!(sound, [0xff; 160]);
    let mark: serde_json::Value = serde_json::from_str(&writer.mark("a\"b")).expect("JSON");
    assert_eq!(mark["mark"]["name"], "a\"b");
    let clear: serde_json::Value = serde_json::from_str(&writer.clear()).expect("JSON");
    assert_eq!(clear["event"], "clear");
}

/// A seeded mutator: cuts, doubles, swaps and flips bytes of good messages. Nothing may panic, and a message that is
/// still read must have kept to the limits.
#[test]
fn damaged_messages_never_panic() {
    let mut chance = fastrand::Rng::with_seed(7);
    let mut sound = Vec::new();
    let mut read = 0;
    for round in 0..60_000 {
        let mut bytes = if round % 2 == 0 { START } else { MEDIA }.as_bytes().to_vec();
        for _ in 0..chance.usize(1..4) {
            let at = chance.usize(..bytes.len());
            match chance.u8(..5) {
                0 => bytes[at] = chance.u8(..),
                1 => bytes.truncate(at.max(1)),
                2 => bytes.insert(at, b"\"{}[]:,\\0"[chance.usize(..9)]),
                3 => {
                    let piece = bytes[at..(at + 20).min(bytes.len())].to_vec();
                    bytes.splice(at..at, piece);
                }
                _ => bytes.rotate_left(at),
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        if let Ok(message) = parse(&text) {
            read += 1;
            if let Event::Media(frame) = message.event
                && decode_payload(&frame.payload, &mut sound).is_ok()
            {
                assert!(sound.len() <= text.len());
            }
        }
    }
    assert!(read > 1_000, "the mutator leaves some messages readable: {read}");
}
