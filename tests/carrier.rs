//! The Twilio adapter against the embedded carrier over real sockets. The oracle is the carrier's log.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ahoy::base::{AttemptId, Phone, Secret, Wall};
use ahoy::core::dial::CallStatus;
use ahoy::core::dial::breaker::StopKind;
use ahoy::core::sim::callee::{Behaviour, script};
use ahoy::core::sim::line::{self, Line, What};
use ahoy::core::sim::oracle::Oracle;
use ahoy::core::wire::signature::{Body, Keys, Signed, verify, verify_upgrade};
use ahoy::core::wire::twilio::{StatusCallback, read_callback};
use ahoy::core::wire::twiml::{Stream, Verb, connect_stream};
use ahoy::core::wire::{form, signature};
use ahoy::edge::carrier::twilio::{Twilio, TwilioOptions};
use ahoy::edge::carrier::{AskFault, Carrier, Ending, ListQuery, Order, PlaceFault, Refusal, RemoteCall};
use ahoy::run::clock::MachineClock;
use ahoy::run::sim::{SimHandle, SimOptions, start};
use axum::body::Bytes;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use tokio::sync::mpsc;

const ACCOUNT: &str = "AC00000000000000000000000000000000";
const SEED: u64 = 11;

fn token() -> Secret {
    Secret::new("sim-token".to_owned())
}

fn number(behaviour: Behaviour) -> Phone {
    (0..10_000)
        .map(|n| format!("+1500556{n:04}"))
        .find(|number| script(SEED, number).behaviour == behaviour)
        .and_then(|number| Phone::from_e164(&number).ok())
        .expect("every behaviour has a weight")
}

fn options(log: &Path, faults: &[(&str, f64)]) -> SimOptions {
    SimOptions {
        listen: "127.0.0.1:0".parse().expect("an address"),
        account_sid: ACCOUNT.to_owned(),
        auth_token: token(),
        seed: SEED,
        speedup: 50.0,
        calls_per_second: 100.0,
        log: log.to_owned(),
        faults: faults.iter().map(|(name, odds)| ((*name).to_owned(), *odds)).collect::<BTreeMap<_, _>>(),
        faults_for: None,
        dialect: ahoy::core::wire::dialect::Dialect::Twilio,
    }
}

struct House {
    folder: tempfile::TempDir,
    sim: SimHandle,
    carrier: Twilio,
}

impl House {
    async fn build(faults: &[(&str, f64)]) -> House {
        let folder = tempfile::tempdir().expect("a folder");
        let sim =
            start(options(&folder.path().join("sim.jsonl"), faults), Arc::new(MachineClock)).await.expect("starts");
        let carrier = Twilio::new(TwilioOptions::with_token(&sim.base_url, ACCOUNT, token())).expect("a client");
        House { folder, sim, carrier }
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("sim.jsonl")
    }

    fn lines(&self) -> Vec<Line> {
        line::read(&std::fs::read_to_string(self.log()).expect("a log")).0
    }
}

/// Our side: takes callbacks and one kind of media socket; every signature is checked.
struct Desk {
    base: String,
    callbacks: mpsc::UnboundedReceiver<StatusCallback>,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Desk {
    async fn open() -> Desk {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("127.0.0.1:{}", listener.local_addr().expect("an address").port());
        let (send, callbacks) = mpsc::unbounded_channel();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (for_hook, for_media, ears) = (base.clone(), base.clone(), Arc::clone(&heard));
        let hook = move |headers: HeaderMap, body: Bytes| {
            let (base, send) = (for_hook.clone(), send.clone());
            async move {
                let pairs = form::decode(&body);
                let url = format!("http://{base}/status/t-1");
                let request = Signed { url: &url, body: Body::Form(&pairs), signature: sign(&headers), settings: None };
                if !verify(&Keys { token: &token(), shared: None }, &request) {
                    return StatusCode::FORBIDDEN;
                }
                let _test_is_over = send.send(read_callback(&pairs).expect("a status callback"));
                StatusCode::NO_CONTENT
            }
        };
        let socket = move |headers: HeaderMap, upgrade: WebSocketUpgrade| {
            let (base, ears) = (for_media.clone(), Arc::clone(&ears));
            async move { accept(&base, &headers, upgrade, ears) }
        };
        let router = axum::Router::new()
            .route("/status/t-1", axum::routing::post(hook))
            .route("/media", axum::routing::get(socket));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Desk { base, callbacks, heard }
    }

    fn order(&self, to: Phone) -> Order {
        let stream = Stream {
            url: format!("ws://{}/media", self.base),
            name: None,
            parameters: vec![("token".to_owned(), "t-1".to_owned())],
            form: Default::default(),
        };
        Order {
            attempt: AttemptId::mint(1, [0; 10]),
            to,
            from: Phone::from_e164("+15005550006").expect("a number"),
            ring_timeout: Duration::from_secs(20),
            time_limit: Duration::from_secs(600),
            twiml: connect_stream(&stream, &[Verb::Hangup]).expect("fits"),
            status_url: format!("http://{}/status/t-1", self.base),
            reason: None,
            machines: false,
        }
    }

    /// Callbacks up to the terminal one.
    async fn until_the_end(&mut self) -> Vec<StatusCallback> {
        let mut all = Vec::new();
        loop {
            let next = tokio::time::timeout(Duration::from_secs(20), self.callbacks.recv());
            let callback = next.await.expect("in time").expect("the desk is open");
            let over = callback.status.is_terminal();
            all.push(callback);
            if over {
                return all;
            }
        }
    }
}

fn sign(headers: &HeaderMap) -> Option<&str> {
    headers.get(signature::HEADER).and_then(|value| value.to_str().ok())
}

fn accept(base: &str, headers: &HeaderMap, upgrade: WebSocketUpgrade, ears: Arc<Mutex<Vec<String>>>) -> Response {
    let url = format!("ws://{base}/media");
    let request = Signed { url: &url, body: Body::Empty, signature: sign(headers), settings: None };
    if !verify_upgrade(&Keys { token: &token(), shared: None }, &request) {
        return StatusCode::FORBIDDEN.into_response();
    }
    upgrade.on_upgrade(move |socket| greet(socket, ears))
}

/// Sends two seconds of sound with a mark on `start`, then listens until the carrier leaves.
async fn greet(mut socket: WebSocket, ears: Arc<Mutex<Vec<String>>>) {
    while let Some(Ok(message)) = socket.recv().await {
        let Message::Text(text) = message else { continue };
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        if value["event"] == "start" {
            let stream = value["streamSid"].clone();
            let payload = base64::engine::general_purpose::STANDARD.encode(vec![0x10u8; 16_000]);
            for message in [
                serde_json::json!({ "event": "media", "streamSid": stream, "media": { "payload": payload } }),
                serde_json::json!({ "event": "mark", "streamSid": stream, "mark": { "name": "end" } }),
            ] {
                let _carrier_left = socket.send(Message::text(message.to_string())).await;
            }
        }
        ears.lock().expect("no panic").push(text.to_string());
    }
}

/// Every call between two numbers.
async fn between(carrier: &Twilio, to: &Phone, from: &Phone) -> Result<Vec<RemoteCall>, AskFault> {
    Ok(carrier.list(ListQuery { from, to: Some(to), since: Wall(0) }).await?.calls)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_goes_from_the_order_until_the_end_with_signed_callbacks_and_sound() {
    let house = House::build(&[]).await;
    let mut desk = Desk::open().await;
    let order = desk.order(number(Behaviour::Listens));
    let placed = house.carrier.place(&order).await.expect("taken");
    assert_eq!(placed.status, CallStatus::Queued);
    let callbacks = desk.until_the_end().await;
    use CallStatus::*;
    let statuses: Vec<CallStatus> = callbacks.iter().map(|it| it.status).collect();
    assert_eq!(statuses, [Initiated, Ringing, InProgress, Completed]);
    assert_eq!(callbacks.iter().map(|it| it.sequence).collect::<Vec<_>>(), (0..4).map(Some).collect::<Vec<_>>());
    assert!(callbacks.iter().all(|it| it.call_sid == placed.sid.as_str()));
    let fetched = house.carrier.fetch(&placed.sid).await.expect("known");
    assert_eq!((fetched.status, fetched.child, fetched.outbound_api), (Completed, false, true));
    assert_eq!(fetched.duration_s, callbacks[3].duration_s);
    let listed = between(&house.carrier, &order.to, &order.from).await.expect("listed");
    assert_eq!(listed, [fetched]);
    let heard = desk.heard.lock().expect("no panic").join("\n");
    assert!(heard.contains(r#""customParameters":{"token":"t-1"}"#));
    assert!(heard.contains(r#""name":"end""#), "the mark came back");
    let oracle = Oracle::new(&house.lines());
    assert_eq!(oracle.complaints, Vec::<String>::new());
    assert!(oracle.calls[0].answered && oracle.calls[0].first_media_us.is_some());
}

/// Our own order asks for it: a carrier repeats by itself only where it found nobody.
#[tokio::test(flavor = "multi_thread")]
async fn a_callback_that_finds_our_side_busy_is_repeated_until_it_is_taken() {
    let house = House::build(&[]).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://127.0.0.1:{}", listener.local_addr().expect("an address").port());
    let asked: Arc<Mutex<BTreeMap<String, u32>>> = Arc::default();
    let (send, mut taken) = mpsc::unbounded_channel();
    let seen = Arc::clone(&asked);
    let hook = move |body: Bytes| {
        let (seen, send) = (Arc::clone(&seen), send.clone());
        async move {
            let pairs = form::decode(&body);
            let number = form::first(&pairs, "SequenceNumber").expect("a number").to_owned();
            let tries = {
                let mut seen = seen.lock().expect("no panic");
                let tries = seen.entry(number).or_default();
                *tries += 1;
                *tries
            };
            // Each is taken at its third try.
            if tries < 3 {
                return StatusCode::SERVICE_UNAVAILABLE;
            }
            let _test_is_over = send.send(read_callback(&pairs).expect("a status callback").status);
            StatusCode::NO_CONTENT
        }
    };
    let router = axum::Router::new().route("/status/t-1", axum::routing::post(hook));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let desk = Desk::open().await;
    let order = Order { status_url: format!("{base}/status/t-1"), ..desk.order(number(Behaviour::Busy)) };
    house.carrier.place(&order).await.expect("taken");
    let mut statuses = Vec::new();
    while statuses.last().is_none_or(|status: &CallStatus| !status.is_terminal()) {
        let next = tokio::time::timeout(Duration::from_secs(20), taken.recv()).await;
        statuses.push(next.expect("in time").expect("the hook is open"));
    }
    assert_eq!(statuses, [CallStatus::Initiated, CallStatus::Ringing, CallStatus::Busy]);
    assert!(asked.lock().expect("no panic").values().all(|tries| *tries == 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_gets_the_verdict_that_the_log_confirms() {
    for (fault, want, made) in [
        ("lost_answer", "maybe", 1),
        ("server_error", "maybe", 1),
        ("reset_before", "maybe", 0),
        ("throttle", "throttled", 0),
        ("late_answer", "placed", 1),
    ] {
        let house = House::build(&[(fault, 1.0)]).await;
        let mut desk = Desk::open().await;
        let got = match house.carrier.place(&desk.order(number(Behaviour::Busy))).await {
            Ok(_) => "placed",
            Err(PlaceFault::MaybePlaced { .. } | PlaceFault::Unnamed) => "maybe",
            Err(PlaceFault::Throttled { .. }) => "throttled",
            Err(PlaceFault::NotSent { .. }) => "not sent",
            Err(PlaceFault::Refused { .. }) => "refused",
        };
        assert_eq!((got, Oracle::new(&house.lines()).calls.len()), (want, made), "{fault}");
        if fault == "late_answer" {
            assert_eq!(desk.callbacks.try_recv().map(|it| it.status), Ok(CallStatus::Initiated), "before the 201");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_found_again_by_listing() {
    let house = House::build(&[("lost_answer", 1.0)]).await;
    let desk = Desk::open().await;
    let order = desk.order(number(Behaviour::NoAnswer));
    assert!(matches!(house.carrier.place(&order).await, Err(PlaceFault::MaybePlaced { .. })));
    let listed = between(&house.carrier, &order.to, &order.from).await.expect("listed");
    assert_eq!(listed.len(), 1);
    house.carrier.end(&listed[0].sid, Ending::Cancel).await.expect("cancelled");
    assert_eq!(between(&house.carrier, &order.from, &order.to).await, Ok(vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn callbacks_may_be_doubled_disordered_or_missing_and_the_terminal_status_can_still_be_asked() {
    for (fault, check) in [("dup_callback", 8), ("reorder_callback", 4), ("drop_callback", 0)] {
        let house = House::build(&[(fault, 1.0)]).await;
        let mut desk = Desk::open().await;
        let placed = house.carrier.place(&desk.order(number(Behaviour::HangsUpAtOnce))).await.expect("taken");
        let mut tries = 0;
        while house.carrier.fetch(&placed.sid).await.expect("known").status != CallStatus::Completed {
            tries += 1;
            assert!(tries < 10_000, "ends");
        }
        let mut seen = Vec::new();
        while seen.len() < check {
            let next = tokio::time::timeout(Duration::from_secs(10), desk.callbacks.recv()).await;
            seen.push(next.expect("in time").expect("open").sequence.expect("numbered"));
        }
        match fault {
            "dup_callback" => assert_eq!(seen, [0, 0, 1, 1, 2, 2, 3, 3]),
            "reorder_callback" => assert_eq!(seen, [1, 0, 3, 2]),
            _ => assert!(desk.callbacks.try_recv().is_err()),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_media_socket_that_never_opens_falls_through_to_the_next_verb() {
    let house = House::build(&[("no_stream", 1.0)]).await;
    let mut desk = Desk::open().await;
    house.carrier.place(&desk.order(number(Behaviour::Listens))).await.expect("taken");
    assert_eq!(desk.until_the_end().await.last().map(|it| it.status), Some(CallStatus::Completed));
    assert!(house.lines().iter().any(|line| matches!(&line.what, What::Verb { verb } if verb == "hangup")));
    assert!(desk.heard.lock().expect("no panic").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_number_and_bad_credentials_are_refused_by_name() {
    let house = House::build(&[]).await;
    let desk = Desk::open().await;
    let fault = house.carrier.place(&desk.order(number(Behaviour::Invalid))).await.expect_err("refused");
    assert_eq!(fault, PlaceFault::Refused { http: 400, code: Some(21_211), what: Refusal::Number });
    let wrong = TwilioOptions::with_token(&house.sim.base_url, ACCOUNT, Secret::new("wrong".to_owned()));
    let wrong = Twilio::new(wrong).expect("a client");
    let order = desk.order(number(Behaviour::Listens));
    let fault = wrong.place(&order).await.expect_err("refused");
    assert_eq!(
        fault,
        PlaceFault::Refused { http: 401, code: Some(20_003), what: Refusal::Account(StopKind::Credentials) }
    );
    assert_eq!(between(&wrong, &order.to, &order.from).await, Err(AskFault::Account { http: 401 }));
    let nobody = "CA00000000000000000000000000000000".parse().expect("a sid");
    assert_eq!(house.carrier.fetch(&nobody).await, Err(AskFault::Gone));
    assert_eq!(house.carrier.end(&nobody, Ending::HangUp).await, Ok(()), "over is over");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_carrier_knows_its_calls_and_has_ended_the_live_ones() {
    let House { folder, sim, carrier } = House::build(&[]).await;
    let desk = Desk::open().await;
    let order = desk.order(number(Behaviour::NoAnswer));
    let placed = carrier.place(&order).await.expect("taken");
    sim.stop().await;
    let log = folder.path().join("sim.jsonl");
    // A line that was cut by a crash.
    let text = std::fs::read_to_string(&log).expect("a log");
    std::fs::write(&log, format!("{text}{{\"wall\":1,\"us\"")).expect("written");
    let sim = start(options(&log, &[]), Arc::new(MachineClock)).await.expect("starts again");
    let carrier = Twilio::new(TwilioOptions::with_token(&sim.base_url, ACCOUNT, token())).expect("a client");
    let listed = between(&carrier, &order.to, &order.from).await.expect("listed");
    assert_eq!(listed.iter().map(|it| (&it.sid, it.status)).collect::<Vec<_>>(), [(&placed.sid, CallStatus::Failed)]);
    carrier.end(&placed.sid, Ending::HangUp).await.expect("already over");
    let (lines, bad) = line::read(&std::fs::read_to_string(&log).expect("a log"));
    assert_eq!((bad, Oracle::new(&lines).unfinished()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_faults_are_refused_with_the_list() {
    let folder = tempfile::tempdir().expect("a folder");
    let refused = start(options(&folder.path().join("l"), &[("typo", 1.0)]), Arc::new(MachineClock)).await;
    assert!(refused.expect_err("a typo").next.is_some_and(|next| next.contains("lost_answer")));
}
