//! One suite for every kind of carrier: what an order's fault says about the telephone. A carrier that does nothing but fail, in
//! one way at a time; what it counts is the judge.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ahoy::base::{AttemptId, Boot, Phone, Secret};
use ahoy::core::wire::dialect::Dialect;
use ahoy::core::wire::twiml::{Stream, StreamForm, Verb, connect_stream};
use ahoy::edge::carrier::asterisk::{Asterisk, AsteriskOptions, Legs, Opens};
use ahoy::edge::carrier::threecx::{ThreeCx, ThreeCxOptions};
use ahoy::edge::carrier::twilio::{Twilio, TwilioOptions};
use ahoy::edge::carrier::{Carrier, Order, PlaceFault, Refusal};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

const KINDS: [&str; 6] = ["twilio", "signalwire", "telnyx", "asterisk", "asterisk by websocket", "3cx"];

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    /// This answer.
    Answers(u16),
    /// It is read, and the connection is cut.
    Cut,
}

/// What becomes of the order, and of what is asked before it.
struct Script {
    order: Fate,
    before: Option<Fate>,
    orders: AtomicUsize,
    asked: Mutex<Vec<String>>,
}

fn is_order(method: &Method, path: &str) -> bool {
    let rings = path.starts_with("/ari/channels/ahoy-") || path.ends_with("/makecall");
    *method == Method::POST && (rings || path.ends_with("/Calls") || path.ends_with("/Calls.json"))
}

async fn answer(State(script): State<Arc<Script>>, request: Request) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let fate = if is_order(&method, &path) {
        script.orders.fetch_add(1, Ordering::AcqRel);
        Some(script.order)
    } else {
        script.asked.lock().expect("whole").push(format!("{method} {path}"));
        script.before
    };
    match fate {
        Some(Fate::Answers(http)) => StatusCode::from_u16(http).expect("a status").into_response(),
        Some(Fate::Cut) => std::panic::resume_unwind(Box::new("the fault of a test")),
        // What each system says when all is well.
        None if path.ends_with("/connect/token") => {
            axum::Json(serde_json::json!({ "access_token": "t", "expires_in": 3600 })).into_response()
        }
        None => axum::Json(serde_json::json!({ "channelvars": { "MEDIA_WEBSOCKET_CONNECTION_ID": "leg-1" } }))
            .into_response(),
    }
}

fn carrier(kind: &str, base_url: &str) -> Arc<dyn Carrier> {
    let secret = || Secret::new("a-secret".to_owned());
    let twilio = |account: &str, dialect| {
        let mut options = TwilioOptions::with_token(base_url, account, secret()).in_dialect(dialect);
        options.application = "2811212257".to_owned();
        Arc::new(Twilio::new(options).expect("a client")) as Arc<dyn Carrier>
    };
    let uuid = "8f4e2a1c-0b7d-4c55-9a3e-6d1f00c0ffee";
    match kind {
        "twilio" => twilio("AC00000000000000000000000000000000", Dialect::Twilio),
        "signalwire" => twilio(uuid, Dialect::SignalWire),
        "telnyx" => twilio(uuid, Dialect::Telnyx),
        "3cx" => {
            let threecx = ThreeCx::new(ThreeCxOptions {
                base_url: base_url.to_owned(),
                client_id: "ahoy".to_owned(),
                client_secret: secret(),
                route_point: "800".to_owned(),
                destination: "{number}".to_owned(),
                now: Arc::new(|| Boot(0)),
            });
            let threecx = threecx.expect("a client");
            threecx.set_told(true);
            Arc::new(threecx)
        }
        _ => {
            let asterisk = Asterisk::new(AsteriskOptions {
                base_url: base_url.to_owned(),
                user: "ahoy".to_owned(),
                password: secret(),
                app: "ahoy".to_owned(),
                endpoint: "PJSIP/{number}@trunk".to_owned(),
            });
            let asterisk = asterisk.expect("a client");
            asterisk.set_told(true);
            if kind == "asterisk" {
                asterisk.set_legs(Legs::AudioSocket("127.0.0.1:1".to_owned()));
            } else {
                let (wanted, mut orders) = mpsc::channel(4);
                asterisk.set_legs(Legs::WebSocket { connection: None, wanted });
                tokio::spawn(async move {
                    while let Some(leg) = orders.recv().await {
                        assert!(matches!(leg.how, Opens::We(name) if name == "leg-1"));
                        leg.opened.send(Ok(())).expect("it is waited for");
                    }
                });
            }
            Arc::new(asterisk)
        }
    }
}

fn order() -> Order {
    let stream = Stream {
        url: "wss://ahoy.example/media".to_owned(),
        name: None,
        parameters: vec![("token".to_owned(), "t-1".to_owned())],
        form: StreamForm::default(),
    };
    Order {
        attempt: AttemptId::mint(1, [0; 10]),
        to: Phone::from_e164("+442079460001").expect("a number"),
        from: Phone::from_e164("+15005550006").expect("a number"),
        ring_timeout: Duration::from_secs(20),
        time_limit: Duration::from_secs(600),
        twiml: connect_stream(&stream, &[Verb::Hangup]).expect("fits"),
        status_url: "https://ahoy.example/status/t-1".to_owned(),
        reason: None,
        machines: false,
    }
}

/// What the fault says, and how often the order was sent.
async fn placed(kind: &str, order_is: Fate, before: Option<Fate>) -> (&'static str, usize) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base_url = format!("http://{}", listener.local_addr().expect("an address"));
    let script = Arc::new(Script { order: order_is, before, orders: AtomicUsize::new(0), asked: Mutex::default() });
    let router = axum::Router::new().fallback(answer).with_state(Arc::clone(&script));
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });
    let said = word(carrier(kind, &base_url).place(&order()).await.map(drop));
    serving.abort();
    (said, script.orders.load(Ordering::Acquire))
}

fn word(result: Result<(), PlaceFault>) -> &'static str {
    match result {
        Ok(()) => "placed",
        Err(PlaceFault::NotSent { .. }) => "not sent",
        Err(PlaceFault::MaybePlaced { .. } | PlaceFault::Unnamed) => "maybe",
        Err(PlaceFault::Throttled { .. }) => "throttled",
        Err(PlaceFault::Refused { what: Refusal::Account(_), .. }) => "account",
        Err(PlaceFault::Refused { .. }) => "refused",
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_proof_that_nobody_was_rung() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base_url = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    for kind in KINDS {
        assert_eq!(word(carrier(kind, &base_url).place(&order()).await.map(drop)), "not sent", "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_was_read_and_not_answered_may_ring_and_is_sent_once() {
    for kind in KINDS {
        for fate in [Fate::Cut, Fate::Answers(500), Fate::Answers(502), Fate::Answers(408)] {
            assert_eq!(placed(kind, fate, None).await, ("maybe", 1), "{kind}: {fate:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_are_refused_are_the_accounts_fault_and_never_the_leads() {
    for kind in KINDS {
        let (said, orders) = placed(kind, Fate::Answers(401), Some(Fate::Answers(401))).await;
        assert_eq!(said, "account", "{kind}");
        assert!(orders <= 1, "{kind}: {orders} orders");
        let (said, orders) = placed(kind, Fate::Answers(403), None).await;
        assert_eq!((said, orders), ("account", 1), "{kind}: refused at the order itself");
    }
}

/// Telephone systems of one's own are asked for more than the order: while that fails, no order leaves.
#[tokio::test(flavor = "multi_thread")]
async fn what_fails_before_the_order_keeps_the_order_back() {
    for kind in ["asterisk", "asterisk by websocket", "3cx"] {
        for before in [Fate::Cut, Fate::Answers(500), Fate::Answers(404)] {
            let (said, orders) = placed(kind, Fate::Answers(200), Some(before)).await;
            assert_eq!((said, orders), ("not sent", 0), "{kind}: {before:?}");
        }
    }
}
