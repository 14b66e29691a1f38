//! The gateway over real loopback sockets: who gets in, what is played, what is written down.

use std::path::Path;
use std::sync::atomic::Ordering;

use ahoy::core::call::{EndCause, What};
use ahoy::core::sound::g711;
use ahoy::edge::carrier::StreamProof;
use ahoy::run::clock::{Clock, MachineClock};
use ahoy::run::gateway::Expected;
use ahoy::store::calllog;
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::house;
use crate::house::*;

fn channels(folder: &Path) -> (Vec<i16>, Vec<i16>) {
    let path = calllog::recording(folder).expect("readable").expect("sound");
    let mut wav = hound::WavReader::open(path).expect("a WAV");
    let samples: Vec<i16> = wav.samples::<i16>().map(|it| it.expect("whole")).collect();
    samples.as_chunks::<2>().0.iter().map(|it| (it[0], it[1])).unzip()
}

#[tokio::test]
async fn a_forged_request_gets_403_and_changes_nothing() {
    let house = house();
    let (_, token) = house.expect(1);
    let form = [("CallSid", "CA1"), ("CallStatus", "completed")];
    assert_eq!(house.post(&token, "wrong", &form).await, (403, String::new()));
    assert!(house.desk.statuses.lock().expect("whole").is_empty());
    match house.open("wrong").await {
        Err(Error::Http(answer)) => assert_eq!(answer.status(), 403),
        other => panic!("a forged upgrade got in: {:?}", other.is_ok()),
    }
    assert_eq!(house.gateway.counts().forged, 2);
    assert_eq!(house.registry.len(), 1, "the real stream may still come");
    let mut far = house.started(&token).await;
    far.clip(2_345 * 8).await;
}

#[tokio::test]
async fn a_callback_is_200_only_when_it_is_durable_and_its_numbers_are_masked() {
    let house = house();
    let (attempt, token) = house.expect(1);
    let form = [
        ("CallSid", "CA1"),
        ("CallStatus", "busy"),
        ("SequenceNumber", "2"),
        ("To", "+359888123456"),
        ("ToCity", "Sofia"),
        ("SipResponseCode", "486"),
        ("AnsweredBy", ""),
    ];
    house.desk.full.store(true, Ordering::SeqCst);
    assert_eq!(house.post(&token, ACCOUNT, &form).await.0, 503);
    house.desk.full.store(false, Ordering::SeqCst);
    assert_eq!(house.post(&token, ACCOUNT, &form).await.0, 200);
    let events = house.desk.statuses.lock().expect("whole").clone();
    assert_eq!((events.len(), events[0].attempt, events[0].sequence), (1, attempt, Some(2)));
    assert_eq!((events[0].sip_code, events[0].answered_by.clone()), (Some(486), None));
    let kept = format!("{:?}", events[0].form);
    assert!(!kept.contains("888123") && !kept.contains("Sofia"), "{kept}");
    assert_eq!(house.post("nobody", ACCOUNT, &form).await.0, 404);
    assert_eq!(house.post(&token, ACCOUNT, &[("CallStatus", "dancing")]).await.0, 400);
}

#[tokio::test]
async fn the_greeting_on_the_wire_is_exactly_the_clip() {
    let house = house();
    let (attempt, token) = house.expect(1);
    let mut far = house.started(&token).await;
    let (sound, marks) = far.clip(2_345 * 8).await;
    assert_eq!(sound, script().greeting.ulaw[..]);
    assert_eq!(marks, ["c1-500", "c1-1000", "c1-1500", "c1-2000", "c1-2345"]);
    let started = house.desk.started.lock().expect("whole").clone();
    assert_eq!(started, [(attempt, "CA1".parse().ok())]);
}

/// Law 8: with a ledger that never answers and a folder of call logs that cannot be written, the first word still comes.
#[tokio::test]
async fn the_first_word_waits_for_no_database_and_no_disk() {
    let house = house();
    std::fs::write(house.calls_dir(), "a file where the folder should be").expect("written");
    house.desk.ledger_open.send_replace(false);
    let (_, token) = house.expect(1);
    let pairs = [("CallSid", "CA1"), ("CallStatus", "in-progress"), ("SequenceNumber", "2")];
    let stuck = house.post(&token, ACCOUNT, &pairs);
    let greeted = async {
        let mut far = house.started(&token).await;
        far.clip(2_345 * 8).await.0
    };
    tokio::select! {
        biased;
        _ = stuck => panic!("a callback was confirmed though it could not be made durable"),
        sound = greeted => assert_eq!(sound, script().greeting.ulaw[..]),
    }
}

#[tokio::test]
async fn a_token_opens_one_stream_once_and_the_first_one_stays() {
    let house = house();
    let (_, token) = house.expect(1);
    let mut first = house.started(&token).await;
    first.clip(2_345 * 8).await;
    let mut second = house.started(&token).await;
    assert!(second.rest().await.is_empty(), "not a word");
    first.frame(&[0xff; 160]).await;
    first.say(json!({"event":"stop","streamSid":"MZ1"})).await;
    first.rest().await;
    assert_eq!(house.summary().await.notes.cause, Some(EndCause::HungUp));
    let mut replay = house.started(&token).await;
    assert!(replay.rest().await.is_empty(), "a used token");
    let mut guess = house.started("00000000000000000000000000000000-00000000000000000000000000000000").await;
    assert!(guess.rest().await.is_empty());
    assert_eq!(house.gateway.counts().refused, 3);
}

#[tokio::test]
async fn a_token_in_the_address_opens_only_a_stream_that_proves_itself_so() {
    let house = house();
    let (_, token) = house.expect_by(1, StreamProof::Token);
    let mut far = Far { socket: house.open_by_token(&token).await.expect("open"), sequence: 0, media_ms: 0 };
    // As little as a carrier may say: no stream's id beside the event, no parameters.
    let format = json!({"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1});
    far.say(json!({"event":"start","start":{"streamSid":"s","callSid":"c","mediaFormat":format}})).await;
    let (sound, _) = far.clip(2_345 * 8).await;
    assert_eq!(sound, script().greeting.ulaw[..]);
    assert!(house.open_by_token(&token).await.is_err(), "it has begun: nobody else comes in");
    // A carrier that signs is not impersonated by whoever knows a token, nor does a guess open anything.
    let (_, signed) = house.expect(2);
    assert!(house.open_by_token(&signed).await.is_err());
    let unknown = ahoy::core::wire::token::mint(&house::KEY, ahoy::base::AttemptId::mint(1_790_000_000_000, [9; 10]));
    assert!(house.open_by_token(&unknown).await.is_err());
    // A token in `start` that is another's is no stream of ours.
    let (_, third) = house.expect_by(3, StreamProof::Token);
    let mut other = Far { socket: house.open_by_token(&third).await.expect("open"), sequence: 0, media_ms: 0 };
    other.start(&signed).await;
    assert!(other.rest().await.is_empty(), "not a word");
}

#[tokio::test]
async fn an_expired_token_is_refused() {
    let house = house();
    let (attempt, token) = house.expect(1);
    let expires = MachineClock.boot();
    let expected = Expected {
        attempt,
        call: attempt.call(),
        token: token.clone(),
        expires,
        proof: StreamProof::Signed,
        script: script(),
        late: None,
    };
    house.registry.expect(expected).expect("room");
    assert!(house.started(&token).await.rest().await.is_empty());
}

#[tokio::test]
async fn media_before_start_is_skipped_and_fifty_bad_messages_end_the_stream() {
    let house = house();
    let (_, token) = house.expect(1);
    let mut far = Far { socket: house.open(ACCOUNT).await.expect("open"), sequence: 0, media_ms: 0 };
    far.frame(&[0xff; 160]).await;
    far.start(&token).await;
    far.clip(2_345 * 8).await;
    for _ in 0..50 {
        far.socket.send(Message::text("{\"event\":")).await.expect("open");
    }
    far.rest().await;
    let summary = house.summary().await;
    assert_eq!((summary.notes.cause, summary.notes.bad_messages), (Some(EndCause::BadMessages), 51));
    let mut never_started = Far { socket: house.open(ACCOUNT).await.expect("open"), sequence: 0, media_ms: 0 };
    for _ in 0..50 {
        never_started.socket.send(Message::binary(vec![1])).await.expect("open");
    }
    assert!(never_started.rest().await.is_empty());
}

#[tokio::test]
async fn a_message_over_the_limit_ends_the_stream() {
    let house = house();
    let (_, token) = house.expect(1);
    let mut far = house.started(&token).await;
    far.clip(2_345 * 8).await;
    let long = format!("{{\"event\":\"x\",\"pad\":\"{}\"}}", "a".repeat(70_000));
    far.socket.send(Message::text(long)).await.expect("open");
    far.rest().await;
    assert_eq!(house.summary().await.notes.cause, Some(EndCause::Lost));
}

#[tokio::test]
async fn the_opt_out_is_durable_before_its_confirmation_plays() {
    let house = house();
    house.desk.ledger_open.send_replace(false);
    let (attempt, token) = house.expect(1);
    let mut far = house.started(&token).await;
    far.clip(2_345 * 8).await;
    far.frame(&[0xff; 160]).await;
    far.say(json!({"event":"dtmf","streamSid":"MZ1","dtmf":{"track":"inbound_track","digit":"9"}})).await;
    assert_eq!(far.hear().await.expect("clear")["event"], "clear");
    for _ in 0..20 {
        far.frame(&[0xff; 160]).await;
    }
    // A ping comes back after everything before it was answered: still no word.
    far.socket.send(Message::Ping(vec![1].into())).await.expect("open");
    match far.socket.next().await {
        Some(Ok(Message::Pong(_))) => {}
        other => panic!("the confirmation came before the ledger: {other:?}"),
    }
    assert!(house.desk.opt_outs.lock().expect("whole").is_empty());
    house.desk.ledger_open.send_replace(true);
    let (sound, marks) = far.clip(300 * 8).await;
    assert_eq!(sound, clip("x", 300).ulaw[..]);
    assert_eq!(*house.desk.opt_outs.lock().expect("whole"), [attempt]);
    far.mark(marks.last().expect("a mark")).await;
    assert!(far.rest().await.is_empty(), "and then we hang up");
    let notes = house.summary().await.notes;
    assert_eq!((notes.cause, notes.opted_out, notes.keys.as_str()), (Some(EndCause::OptedOut), true, "9"));
}

#[tokio::test]
async fn an_opt_out_is_stored_though_the_callee_hangs_up_at_once() {
    let house = house();
    house.desk.ledger_open.send_replace(false);
    let (attempt, token) = house.expect(1);
    let mut far = house.started(&token).await;
    far.clip(2_345 * 8).await;
    far.say(json!({"event":"dtmf","streamSid":"MZ1","dtmf":{"digit":"9"}})).await;
    assert_eq!(far.hear().await.expect("clear")["event"], "clear");
    drop(far);
    house.desk.ledger_open.send_replace(true);
    assert!(house.summary().await.notes.opted_out);
    assert_eq!(*house.desk.opt_outs.lock().expect("whole"), [attempt]);
}

fn speech() -> Vec<u8> {
    let mut wav = hound::WavReader::open("tests/data/silero-vad-v6/golden-8k.wav").expect("the golden sound");
    let samples: Vec<i16> = wav.samples::<i16>().map(|it| it.expect("whole")).collect();
    g711::encode_ulaw(&samples[47 * 256..][..16_000])
}

#[tokio::test]
async fn speech_stops_the_greeting_and_the_two_channels_tell_when() {
    let house = house();
    let (_, token) = house.expect(1);
    let mut far = house.started(&token).await;
    far.clip(2_345 * 8).await;
    for _ in 0..10 {
        far.frame(&[0xff; 160]).await;
    }
    let talk = speech();
    for frame in talk.chunks(160) {
        far.frame(frame).await;
        // In step with the gateway, as a real line is: its answer to a ping follows the verdict on what was sent.
        far.socket.send(Message::Ping(vec![].into())).await.expect("open");
        if let Some(Ok(Message::Text(text))) = far.socket.next().await {
            assert!(text.contains("\"clear\""), "{text}");
            break;
        }
    }
    let told = far.media_ms;
    for _ in 0..25 {
        far.frame(&[0xff; 160]).await;
    }
    far.say(json!({"event":"stop","streamSid":"MZ1"})).await;
    far.rest().await;
    let summary = house.summary().await;
    let note = summary.notes.barge_ins[0];
    assert!(note.clear_media_ms <= told && note.clear_media_ms - note.speech_onset_media_ms <= 160, "{note:?}");
    let (them, us) = channels(&summary.folder);
    assert_eq!(them.len() as u64, far.media_ms * 8);
    let cut = note.clear_media_ms as usize * 8;
    let played: Vec<i16> = script().greeting.ulaw.iter().map(|it| g711::ulaw_decode(*it)).collect();
    assert_eq!(us[..cut], played[..cut], "the greeting from the first sample to the cut");
    assert!(us[cut..].iter().all(|it| *it == 0), "nothing of ours after clear");
    let spoken = told as usize * 8 - 1_600;
    let talk: Vec<i16> = talk[..spoken].iter().map(|it| g711::ulaw_decode(*it)).collect();
    assert_eq!(them[1_600..1_600 + spoken], talk);
    let record = calllog::read(summary.call, &summary.folder).expect("readable");
    let names: Vec<String> = record.lines.iter().map(|line| json!(line.what)["event"].to_string()).collect();
    for wanted in ["start", "first_audio", "play", "barge_in", "clear", "heard", "end"] {
        assert!(names.contains(&format!("\"{wanted}\"")), "{wanted} in {names:?}");
    }
    assert!(matches!(record.lines.last().map(|it| &it.what), Some(What::End { cause: EndCause::HungUp })));
}

#[tokio::test]
async fn stopping_ends_live_streams_politely_and_tells_the_desk() {
    let house = house();
    let (_, token) = house.expect(1);
    let mut far = house.started(&token).await;
    far.clip(2_345 * 8).await;
    let health = tokio::spawn(async move { far.rest().await.len() });
    let House { desk, gateway, .. } = house;
    gateway.stop().await;
    assert_eq!(health.await.expect("ended"), 0);
    assert_eq!(desk.ended.lock().expect("whole")[0].notes.cause, Some(EndCause::Stopped));
}
