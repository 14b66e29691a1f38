//! What strangers, odd carriers and hostile files may do to us: nothing, within bounds that have names.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ahoy::base::Secret;
use ahoy::core::wire::signature;
use ahoy::edge::gateway::guard::Bounds;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::house::*;

use futures_util::SinkExt;

/// Short patience, so that a test need not wait; a closed connection is waited for as long as it takes.
fn impatient() -> Bounds {
    Bounds { head: Duration::from_millis(150), body: Duration::from_millis(300), ..Bounds::default() }
}

async fn connect(house: &House) -> TcpStream {
    TcpStream::connect(house.gateway.addr).await.expect("a connection")
}

/// What comes until the gateway closes.
async fn until_closed(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset is a close, too.
    let _closed_or_reset = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn status_of(answer: &str) -> Option<u16> {
    answer.split(' ').nth(1).and_then(|it| it.parse().ok())
}

#[tokio::test]
async fn whoever_is_slow_with_head_or_body_is_closed_and_a_live_call_goes_on() {
    let house = house_with(impatient());
    let (_, token) = house.expect(1);
    let mut far = house.started(&token).await;

    let mut nothing = connect(&house).await;
    assert_eq!(until_closed(&mut nothing).await, "", "not one byte in time");
    let mut drip = connect(&house).await;
    drip.write_all(b"POST /v1/status/x HTTP/1.1\r\nHost: a\r\nX-Slow: ").await.expect("written");
    let answer = until_closed(&mut drip).await;
    assert!(answer.is_empty() || status_of(&answer) == Some(408), "{answer}");

    let mut half = connect(&house).await;
    half.write_all(b"POST /v1/status/x HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf").await.expect("written");
    assert_eq!(status_of(&until_closed(&mut half).await), Some(408));

    let mut idle = connect(&house).await;
    idle.write_all(b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("written");
    assert_eq!(status_of(&until_closed(&mut idle).await), Some(404), "answered, then closed for asking nothing more");

    far.clip(2_345 * 8).await;
}

#[tokio::test]
async fn heads_and_bodies_over_their_bound_are_refused() {
    let house = house();
    let head = |extra: &str| format!("GET /healthz HTTP/1.1\r\nHost: a\r\n{extra}\r\n");
    let long = head(&format!("X-Long: {}\r\n", "a".repeat(20_000)));
    let many = head(&(0..100).map(|n| format!("X-{n}: 1\r\n")).collect::<String>());
    for request in [long, many] {
        let mut stream = connect(&house).await;
        // The gateway may close before it has read everything.
        let _refused_early = stream.write_all(request.as_bytes()).await;
        let answer = until_closed(&mut stream).await;
        assert!(answer.is_empty() || status_of(&answer) == Some(431), "{answer}");
    }
    let mut stream = connect(&house).await;
    stream
        .write_all(b"POST /v1/status/x HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n")
        .await
        .expect("written");
    assert_eq!(status_of(&until_closed(&mut stream).await), Some(413), "by its length alone");
    assert_eq!(status_of(&get(&house, "/healthz").await), Some(200));
}

async fn get(house: &House, path: &str) -> String {
    let mut stream = connect(house).await;
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    // A gateway without room closes at once.
    let _closed_early = stream.write_all(request.as_bytes()).await;
    until_closed(&mut stream).await
}

#[tokio::test]
async fn a_flood_of_strangers_takes_no_callers_place() {
    let patient = Duration::from_secs(600);
    let bounds = Bounds { head: patient, strangers: 20, strangers_per_address: 8, loopback_too: true, body: patient };
    let house = house_with(bounds);
    // Callers have shown a signature: they are no strangers, however many they are.
    let mut callers = Vec::new();
    for n in 1..=12 {
        let (_, token) = house.expect(n);
        callers.push(house.started(&token).await);
    }
    let mut flood = Vec::new();
    for _ in 0..30 {
        flood.push(connect(&house).await);
    }
    for _ in 0..2_000 {
        if house.gateway.counts().pressed == 22 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(house.gateway.counts().pressed, 22, "eight of thirty have a place");
    for caller in &mut callers {
        caller.clip(2_345 * 8).await;
    }
    drop(flood);
    // Their places come free; a carrier's callback gets through.
    let (_, token) = house.expect(200);
    let form = [("CallSid", "CA1"), ("CallStatus", "ringing")];
    for _ in 0..1_000 {
        if status_of(&get(&house, "/healthz").await) == Some(200) {
            break;
        }
    }
    assert_eq!(house.post(&token, ACCOUNT, &form).await.0, 200);
}

fn torture(folder: &str) -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/torture").join(folder);
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the corpus")
        .map(|entry| {
            let path = entry.expect("readable").path();
            let name = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
            (path, name)
        })
        .collect();
    files.sort();
    assert!(files.len() >= 15, "the corpus is there");
    files
}

/// Each file's name begins with the answer that it must get, though its signature is right.
#[tokio::test]
async fn odd_and_broken_callbacks_get_their_answer_and_the_gateway_lives() {
    let house = house();
    for (path, name) in torture("webhook") {
        let (_, token) = house.expect(1);
        let body = std::fs::read(&path).expect("readable");
        let want: u16 = name.split('-').next().and_then(|it| it.parse().ok()).expect("an answer");
        let url = house.gateway.status_url(&token);
        let signed = signature::sign(&Secret::new(ACCOUNT.to_owned()), &url, &ahoy::core::wire::form::decode(&body));
        let path = url.strip_prefix(&house.gateway.public_url).expect("our URL");
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Twilio-Signature: {signed}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let mut stream = connect(&house).await;
        stream.write_all(head.as_bytes()).await.expect("written");
        // A refused body is not read to its end.
        let _refused_early = stream.write_all(&body).await;
        let answer = until_closed(&mut stream).await;
        assert_eq!(status_of(&answer), Some(want), "{name}: {answer}");
    }
    for event in house.desk.statuses.lock().expect("whole").iter() {
        let stored = serde_json::to_string(&event.form).expect("JSON");
        assert!(stored.len() < 64 * 400, "what is kept has a bound: {}", stored.len());
        assert!(!stored.contains('\u{1b}') && !stored.contains("\\u001b"), "{stored}");
    }
    assert_eq!(status_of(&get(&house, "/healthz").await), Some(200));
}

/// `lives-…`: the greeting plays to its end all the same. `ends-…`: the stream ends, and with it one call only.
#[tokio::test]
async fn odd_and_broken_media_messages_end_one_stream_at_most() {
    let house = house();
    for (at, (path, name)) in torture("media").into_iter().enumerate() {
        let (_, token) = house.expect(at as u8 + 1);
        let mut far = house.started(&token).await;
        for line in std::fs::read_to_string(&path).expect("readable").lines() {
            // The gateway may have closed at an earlier line.
            let _closed_early = far.socket.send(Message::text(line)).await;
        }
        if name.starts_with("lives-") {
            far.frame(&[0xff; 160]).await;
            far.clip(2_345 * 8).await;
            drop(far);
        } else {
            far.rest().await;
        }
        house.summary().await;
    }
    assert_eq!(status_of(&get(&house, "/healthz").await), Some(200));
}

#[test]
fn a_panic_is_told_without_numbers_and_ends_with_the_code_for_bugs() {
    const CHILD: &str = "AHOY_TEST_PANICS";
    if std::env::var_os(CHILD).is_some() {
        ahoy::run::logging::tell_panics();
        let phone = "+359888123456";
        panic!("cannot ring {phone}\u{1b}[31m");
    }
    let mine = std::env::current_exe().expect("this test");
    let name = "hostile::a_panic_is_told_without_numbers_and_ends_with_the_code_for_bugs";
    let output = std::process::Command::new(mine)
        .args([name, "--exact", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .expect("it starts");
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(words.contains("ahoy: bug: cannot ring +35…56\\u{1b}[31m at tests/hostile.rs"), "{words}");
    assert!(words.contains("next:") && !words.contains("888123"), "{words}");
}
