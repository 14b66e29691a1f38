//! Servers that misbehave, on raw sockets: what each answer proves about the order.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::*;
use crate::base::{AttemptId, Phone};

/// A server that does `act` with every connection, and counts them.
fn server(act: impl Fn(TcpStream) + Send + 'static) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            counted.fetch_add(1, Ordering::SeqCst);
            act(stream);
        }
    });
    (url, count)
}

/// Reads the whole request (head and body), so that what follows is an answer to it.
fn read_request(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let mut chunk = [0; 4_096];
    while let Ok(n) = stream.read(&mut chunk) {
        text.extend_from_slice(&chunk[..n]);
        let seen = String::from_utf8_lossy(&text).to_ascii_lowercase();
        let head = seen.find("\r\n\r\n");
        let length = seen.split("content-length: ").nth(1).and_then(|rest| rest.split('\r').next()?.parse().ok());
        if n == 0 || head.is_some_and(|at| text.len() >= at + 4 + length.unwrap_or(0)) {
            break;
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

fn answering(answer: &'static str) -> (String, Arc<AtomicUsize>) {
    server(move |mut stream| {
        read_request(&mut stream);
        let _client_left = stream.write_all(answer.as_bytes());
    })
}

fn order() -> Order {
    Order {
        attempt: AttemptId::mint(1, [0; 10]),
        to: Phone::from_e164("+15005550001").expect("a number"),
        from: Phone::from_e164("+15005550006").expect("a number"),
        ring_timeout: Duration::from_secs(30),
        time_limit: Duration::from_secs(60),
        twiml: "<Response/>".to_owned(),
        status_url: "http://127.0.0.1:9/x".to_owned(),
        reason: None,
        machines: false,
    }
}

fn carrier(url: &str) -> Twilio {
    let secret = Secret::new("secret".to_owned());
    let mut options = TwilioOptions::with_token(url, "AC00000000000000000000000000000000", secret);
    options.timeout = Duration::from_millis(700);
    Twilio::new(options).expect("a client")
}

async fn list(url: &str) -> Result<Listed, AskFault> {
    let order = order();
    carrier(url).list(ListQuery { from: &order.from, to: Some(&order.to), since: Wall(0) }).await
}

async fn place(url: &str) -> Result<Placed, PlaceFault> {
    carrier(url).place(&order()).await
}

#[tokio::test]
async fn no_connection_is_proof_that_nothing_was_sent() {
    let closed = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    assert!(matches!(place(&format!("http://{closed}")).await, Err(PlaceFault::NotSent { .. })));
    assert!(matches!(place("http://no-such-host.invalid").await, Err(PlaceFault::NotSent { .. })));
    // TLS that fails: the request is written only after the handshake.
    let (plain, _) = answering("HTTP/1.1 400 Bad Request\r\n\r\n");
    assert!(matches!(place(&plain.replace("http:", "https:")).await, Err(PlaceFault::NotSent { .. })));
}

#[tokio::test]
async fn whatever_happens_after_the_connection_may_have_made_the_call_and_is_never_repeated() {
    let answers = [
        "",
        "garbage\r\n\r\n",
        "HTTP/1.1 201 Created\r\nContent-Length: 9\r\n\r\n<html>no!",
        "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 201 Created\r\nContent-Length: 500\r\n\r\n{\"sid\":\"CA1\"",
        "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 502 Oops\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 408 Late\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 400 Bad\r\nContent-Length: 15\r\n\r\n{\"code\": 21204}",
    ];
    for answer in answers {
        let (url, count) = answering(answer);
        let got = place(&url).await;
        assert!(matches!(got, Err(PlaceFault::MaybePlaced { .. })), "{answer:?}: {got:?}");
        assert_eq!(count.load(Ordering::SeqCst), 1, "{answer:?}: one order is one request");
    }
    let (unread, count) = server(drop);
    let got = place(&unread).await;
    assert!(matches!(got, Err(PlaceFault::MaybePlaced { .. })), "{got:?}");
    assert_eq!(count.load(Ordering::SeqCst), 1);
    let held = std::sync::Mutex::new(Vec::new());
    let (stalls, count) = server(move |stream| held.lock().expect("no panic").push(stream));
    let got = place(&stalls).await;
    assert!(matches!(got, Err(PlaceFault::MaybePlaced { .. })), "{got:?}");
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_redirect_is_never_followed_with_our_credentials() {
    let (other, visits) = answering("HTTP/1.1 201 Created\r\nContent-Length: 15\r\n\r\n{\"sid\": \"CA1\"} ");
    let redirect = format!("HTTP/1.1 307 Go\r\nLocation: {other}/x\r\nContent-Length: 0\r\n\r\n");
    let (url, _) = answering(Box::leak(redirect.into_boxed_str()));
    assert!(matches!(place(&url).await, Err(PlaceFault::MaybePlaced { .. })));
    let page = format!("{{\"calls\":[],\"next_page_uri\":\"{other}/x\"}}");
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{page}", page.len());
    let (url, _) = answering(Box::leak(answer.into_boxed_str()));
    assert!(matches!(list(&url).await, Err(AskFault::Failed { .. })));
    assert_eq!(visits.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_order_that_was_taken_keeps_its_sid_even_with_an_unknown_status() {
    let (url, _) =
        answering("HTTP/1.1 201 Created\r\nContent-Length: 34\r\n\r\n{\"sid\": \"CA1\",\"status\":\"dreaming\"}");
    let placed = place(&url).await.expect("taken");
    assert_eq!((placed.sid.as_str(), placed.status), ("CA1", CallStatus::Queued));
}

#[tokio::test]
async fn a_throttled_order_tells_how_long_to_wait() {
    let (url, _) = answering("HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(place(&url).await, Err(PlaceFault::Throttled { after: Some(Duration::from_secs(7)) }));
}

#[tokio::test]
async fn a_list_that_never_ends_is_given_up_and_never_taken_for_complete() {
    let page = r#"{"calls":[],"next_page_uri":"/again"}"#;
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{page}", page.len());
    let (url, count) = answering(Box::leak(answer.into_boxed_str()));
    assert!(matches!(list(&url).await, Err(AskFault::Failed { .. })));
    assert_eq!(count.load(Ordering::SeqCst), LIST_PAGES);
}

#[test]
fn every_refusal_names_whose_fault_it_is() {
    use Refusal::*;
    use StopKind::{Credentials, Funds, Suspended};
    for (http, code, want) in [
        (400, Some(21_211), Number),
        (400, Some(21_202), Number),
        (404, Some(21_214), Number),
        (422, Some(21_217), Number),
        (400, Some(21_215), Destination),
        (400, Some(21_216), Destination),
        (400, Some(21_212), Caller),
        (400, Some(21_210), Caller),
        (401, Some(20_003), Account(Credentials)),
        (401, None, Account(Credentials)),
        (403, None, Account(Suspended)),
        (403, Some(20_005), Account(Suspended)),
        (400, Some(20_005), Account(Suspended)),
        (400, Some(10_001), Account(Suspended)),
        (402, None, Account(Funds)),
        (403, Some(21_215), Destination),
        (400, Some(21_205), Request),
        (400, Some(21_219), Request),
        (400, None, Request),
        (404, None, Request),
        (413, None, Request),
    ] {
        assert_eq!(place_fault(http, code, None), PlaceFault::Refused { http, code, what: want });
    }
    assert!(matches!(place_fault(400, Some(10_004), None), PlaceFault::Throttled { .. }));
    for http in [100, 302, 408, 500, 503, 599] {
        assert!(matches!(place_fault(http, Some(20_003), None), PlaceFault::MaybePlaced { .. }), "{http}");
    }
}

fn page(body: &str) -> &'static str {
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    Box::leak(answer.into_boxed_str())
}

#[tokio::test]
async fn the_next_page_is_a_path_on_the_host_that_was_asked_and_nothing_else() {
    let (other, visits) = answering(page(r#"{"calls":[]}"#));
    let host = other.strip_prefix("http://").expect("plain");
    let (own, own_visits) = answering(page("{}"));
    for next in [
        format!("{other}/x"),
        format!("//{host}/x"),
        format!("/\\\\{host}/x"),
        format!("\\\\\\\\{host}/x"),
        format!("@{host}/x"),
        format!("{own}/x"),
        "file:///etc/passwd".to_owned(),
        "x?Page=1".to_owned(),
    ] {
        let body = format!("{{\"calls\":[],\"next_page_uri\":\"{next}\"}}");
        let (url, asked) = answering(page(&body));
        assert!(matches!(list(&url).await, Err(AskFault::Failed { .. })), "{next}");
        assert_eq!(asked.load(Ordering::SeqCst), 1, "{next}");
    }
    assert_eq!((visits.load(Ordering::SeqCst), own_visits.load(Ordering::SeqCst)), (0, 0));
}

/// A page with one call per date, newest as given.
fn dated(dates: &[&str], next: &str) -> String {
    let call = |date: &&str| {
        format!(
            r#"{{"sid":"CA{}","status":"completed","date_created":"Sat, 21 Nov 2026 {date} +0000","direction":"outbound-api"}}"#,
            date.replace(':', "")
        )
    };
    let calls: Vec<String> = dates.iter().map(call).collect();
    format!(r#"{{"calls":[{}],"next_page_uri":{next}}}"#, calls.join(","))
}

#[tokio::test]
async fn a_list_in_order_is_read_no_further_than_the_span_and_one_in_disorder_to_its_end() {
    let since = crate::core::wire::twilio::parse_date("Sat, 21 Nov 2026 10:00:00 +0000").expect("a date");
    let order = order();
    let query = ListQuery { from: &order.from, to: None, since };
    let again = r#""/again""#;
    for (dates, pages) in [
        (&["11:00:00", "10:30:00", "09:00:00"][..], Some(1)),
        (&["11:00:00", "09:59:30"][..], None),
        (&["09:00:00", "11:00:00", "09:00:00"][..], None),
    ] {
        let (url, asked) = answering(page(&dated(dates, again)));
        match (carrier(&url).list(query).await, pages) {
            (Ok(listed), Some(pages)) => {
                assert_eq!(listed.pages, pages);
                assert_eq!(listed.calls.len(), 2, "{dates:?}: only the span");
            }
            (Err(AskFault::Failed { .. }), None) => assert_eq!(asked.load(Ordering::SeqCst), LIST_PAGES, "{dates:?}"),
            (other, _) => panic!("{dates:?}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_connection_that_the_carrier_closes_while_idle_never_costs_a_second_request() {
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    let body = r#"{"sid": "CA1"}"#;
    let answer =
        format!("HTTP/1.1 201 Created\r\nConnection: keep-alive\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let (url, connections) = server(move |mut stream| {
        if !read_request(&mut stream).is_empty() {
            counted.fetch_add(1, Ordering::SeqCst);
            let _client_left = stream.write_all(answer.as_bytes());
        }
        // The promise to keep it is broken here, at the moment when a reused connection would be in danger.
    });
    let carrier = carrier(&url);
    for _ in 0..5 {
        assert!(carrier.place(&order()).await.is_ok());
    }
    assert_eq!(requests.load(Ordering::SeqCst), 5, "one request an order");
    assert_eq!(connections.load(Ordering::SeqCst), 5, "each on a connection of its own");
}

#[test]
fn of_an_answer_that_cannot_be_read_the_beginning_is_kept_without_numbers_and_control_characters() {
    let body = format!("<html>\u{1b}[2J call to +442079460001 {}", "x".repeat(10_000));
    let Err(PlaceFault::MaybePlaced { cause }) = placed(body.as_bytes(), Dialect::Twilio) else {
        panic!("it may be placed")
    };
    assert!(cause.contains("<html>") && !cause.contains("442079460001") && !cause.contains('\u{1b}'), "{cause}");
    assert!(cause.len() < 1_000, "{}", cause.len());
    let cut = [b"{\"sid\":\"".as_slice(), &[0xf0, 0x9f]].concat();
    assert!(matches!(placed(&cut, Dialect::Twilio), Err(PlaceFault::MaybePlaced { .. })));
}
