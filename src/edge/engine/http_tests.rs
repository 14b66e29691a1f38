use super::*;

const KEY: &str = "xi-0123456789abcdef";

fn service() -> Service {
    let key = Some(Secret::new(KEY.to_owned()));
    Service::open("e", &EngineConfig::default(), "https://api.example.com/base/", key, Auth::Bearer).expect("opens")
}

fn answer(http: u16, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        map.insert(name, HeaderValue::from_str(value).expect("a value"));
    }
    Answer { http, headers: map, body: body.as_bytes().to_vec() }
}

fn plain(_: u16, body: &Value) -> Said {
    Said { message: body["message"].as_str().unwrap_or_default().to_owned(), ..Said::default() }
}

#[test]
fn no_segment_leaves_its_place() {
    let url = service().url(&["v1", "../../x?y#z", "a b"], &[("q", "1&2")]);
    assert_eq!(url.as_str(), "https://api.example.com/base/v1/..%2F..%2Fx%3Fy%23z/a%20b?q=1%262");
}

#[test]
fn a_status_without_words_still_says_what_may_be_done() {
    let word = |http| match service().fault(&answer(http, &[], ""), plain) {
        EngineFault::Account { .. } => "account",
        EngineFault::Refused { .. } => "refused",
        EngineFault::Busy { .. } => "busy",
        EngineFault::Failed { .. } => "failed",
        EngineFault::Language { .. } | EngineFault::Missing { .. } | EngineFault::BadSound { .. } => "other",
    };
    for (http, wanted) in [
        (301, "refused"),
        (400, "refused"),
        (401, "account"),
        (402, "account"),
        (403, "account"),
        (404, "refused"),
        (408, "failed"),
        (422, "refused"),
        (429, "busy"),
        (500, "failed"),
        (502, "failed"),
        (503, "busy"),
        (504, "failed"),
        (529, "busy"),
    ] {
        assert_eq!(word(http), wanted, "{http}");
    }
}

#[test]
fn a_key_that_the_service_repeats_does_not_print() {
    let body = format!("{{\"message\": \"bad key {KEY} or Bearer xi-01234567…\\u001b[31m\"}}");
    let fault = service().fault(&answer(401, &[], &body), plain);
    let said = format!("{fault} {fault:?}");
    assert!(said.contains("bad key ***") && !said.contains("01234567"), "{said}");
    assert!(!said.contains('\u{1b}'));
    assert!(!format!("{:?}", service()).contains("01234567"));
    let long = format!("{{\"message\": \"{}\"}}", "x".repeat(5_000));
    assert!(service().fault(&answer(400, &[], &long), plain).to_string().len() < 400);
    let odd = Some(Secret::new("a\nb-very-secret".to_owned()));
    let fault = Service::open("e", &EngineConfig::default(), "https://x.example", odd, Auth::Bearer).expect_err("odd");
    assert!(!fault.to_string().contains("very-secret"), "{fault}");
}

#[test]
fn the_time_to_come_again_is_read_in_every_form_and_clamped() {
    let after = |headers: &[(&str, &str)]| match service().fault(&answer(429, headers, "{}"), plain) {
        EngineFault::Busy { after, .. } => after,
        other => panic!("{other}"),
    };
    assert_eq!(after(&[]), None);
    assert_eq!(after(&[("retry-after", "7")]), Some(Duration::from_secs(7)));
    assert_eq!(after(&[("retry-after-ms", "250"), ("retry-after", "7")]), Some(Duration::from_millis(250)));
    assert_eq!(after(&[("retry-after", "86400")]), Some(limits::RENDER_BACKOFF_MOST));
    let (now, then) = ("Thu, 26 Nov 2026 10:00:00 GMT", "Thu, 26 Nov 2026 10:00:09 GMT");
    assert_eq!(after(&[("date", now), ("retry-after", then)]), Some(Duration::from_secs(9)));
    assert_eq!(after(&[("retry-after", "soon")]), None);
}

#[test]
fn what_is_no_sound_is_told_by_what_it_looks_like() {
    let service = service();
    let pcm = Headerless::Pcm { rate: 16_000 };
    for (bytes, word) in [
        (&b""[..], "no bytes"),
        (b"<!DOCTYPE html><p>502", "HTML"),
        (b"{\"error\": 1}", "JSON"),
        (b"ID3\x04\x00\x00", "MP3"),
        (b"RIFF\x24\x00\x00\x00WAVE", "damaged"),
        (b"\x00\x01\x02", "whole number"),
    ] {
        let fault = service.sound(bytes, pcm).expect_err(word);
        assert!(matches!(&fault, EngineFault::BadSound { why, .. } if why.contains(word)), "{word}: {fault}");
    }
    assert_eq!(service.sound(&[0, 1, 0xFF, 0xFF], pcm).expect("sound").samples, [256, -1]);
    let ulaw = service.sound(&[0xFF, 0x80], Headerless::Ulaw { rate: 8_000 }).expect("sound");
    assert_eq!((ulaw.samples[0], ulaw.rate), (0, 8_000));
    assert!(ulaw.samples[1] > 30_000);
    let html = service.json::<Value>(&answer(200, &[], "<html>busy")).expect_err("HTML");
    assert!(html.to_string().contains("HTML"), "{html}");
}
