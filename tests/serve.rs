//! The HTTP API of the real `ahoy serve`, over real sockets. Every answer is held against docs/openapi.json; whether
//! somebody was called is the carrier's log to say.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use ahoy::core::api::ROUTES;
use ahoy::core::sim::callee::{Behaviour, script};
use ahoy::store::ledger::Ledger;
use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{self, Sim, carrier_at, code, read_log, run};
use crate::serve_house::*;

/// Seed of the carrier.
const SEED: u64 = 3;

/// A number that Ofcom keeps free for drama, whose owner answers and listens; the `at`-th such.
fn listener(at: usize) -> String {
    let numbers = (0..1_000).map(|number| format!("+4420794{:05}", 60_000 + number));
    let listens = |number: &String| script(SEED, number).behaviour == Behaviour::Listens;
    // The first of them is the one lead that the house has imported.
    numbers.skip(1).filter(listens).nth(at).expect("one in five listens")
}

fn house_with(campaign: &str) -> House {
    let carrier = "kind = \"sim\"\nseed = 3\nspeedup = 20\ncalls_per_second = 50\nmax_live_calls = 20";
    House::open(&Wish { carrier, campaign, leads: 1 })
}

#[tokio::test]
async fn probes_answer_without_the_token_and_nothing_else_does() {
    let house = house_with("");
    assert_eq!(house.get_bare("/healthz").await.status, 200);
    let ready = house.get_bare("/readyz").await;
    assert_eq!(ready.status, 200, "{}", ready.text);
    assert_eq!(ready.json["ready"], true);
    for spot in ROUTES.iter().filter(|spot| spot.guarded) {
        let method: Method = spot.method.parse().expect("a method");
        let bare = house.client().request(method, format!("{}{}", house.url, spot.path.replace("{id}", "x")));
        assert_eq!(house.send(bare).await.status, 401, "{spot:?}");
    }
    // Who has no token does not even learn what is there.
    assert_eq!(house.get_bare("/nothing").await.status, 401);
    assert_eq!(house.get("/nothing").await.status, 404);
    // A wrong token is answered late, counted, and told from none of its neighbours.
    let began = Instant::now();
    let mut words = BTreeSet::new();
    for token in ["", "wrong", &API_TOKEN[1..], &format!("{API_TOKEN}x")] {
        let wrong = house.client().get(format!("{}/metrics", house.url)).bearer_auth(token);
        let wrong = house.send(wrong).await;
        assert_eq!((wrong.status, wrong.headers["connection"].to_str().ok()), (401, Some("close")));
        words.insert(wrong.text);
    }
    assert_eq!(words.len(), 1, "it never tells why: {words:?}");
    assert!(began.elapsed() >= Duration::from_secs(2), "half a second each");
    assert_eq!(house.metric("ahoy_api_requests_total{path=\"/metrics\",status=\"401\"}").await, 5.0);
    // A hundred strangers at once: a few wait, the others are turned away, and the right token waits for none of them.
    let crowd = async {
        let one = || async { house.try_send(house.client().get(format!("{}/metrics", house.url))).await };
        futures_util::future::join_all((0..100).map(|_| one())).await
    };
    let friend = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let began = Instant::now();
        assert_eq!(house.get("/metrics").await.status, 200);
        began.elapsed()
    };
    let (crowd, friend) = tokio::join!(crowd, friend);
    let turned_away = crowd.iter().flatten().filter(|answer| answer.status == 429).count();
    assert!(turned_away >= 50, "{turned_away}");
    assert!(friend < Duration::from_millis(400), "{friend:?}");
}

#[tokio::test]
async fn every_route_is_in_the_document_and_every_path_of_it_is_served() {
    let house = house_with("");
    let served = house.get_bare("/openapi.json").await.json;
    assert_eq!(served, CONTRACT.document, "the document that is served is that of the repository");
    let paths = served["paths"].as_object().expect("paths");
    let mut written = BTreeSet::new();
    for (path, item) in paths {
        for (method, operation) in item.as_object().expect("methods") {
            written.insert((method.to_uppercase(), path.clone()));
            let open = operation.get("security").is_some_and(|it| it.as_array().is_some_and(Vec::is_empty));
            let spot = ROUTES.iter().find(|spot| spot.path == path && spot.method.eq_ignore_ascii_case(method));
            assert_eq!(spot.map(|spot| spot.guarded), Some(!open), "{method} {path}: the lock");
            let answer = house.request(method.to_uppercase().parse().expect("one"), &path.replace("{id}", "x"));
            let status = house.send(answer).await.status;
            assert!(![405, 501].contains(&status), "{method} {path}: {status}");
        }
    }
    let routes: BTreeSet<_> = ROUTES.iter().map(|spot| (spot.method.to_owned(), spot.path.to_owned())).collect();
    assert_eq!(written, routes);
    let wrong = house.send(house.request(Method::DELETE, "/api/calls")).await;
    assert_eq!(wrong.status, 405);
}

#[tokio::test]
async fn a_call_is_heard_once_however_often_its_key_is_repeated() {
    let house = house_with("");
    let order = json!({ "campaign": "c", "phone": listener(0), "name": "Ann", "variables": { "ticket": "T-1" } });
    // Ten at once, as a client does that does not wait for answers.
    let crowd = futures_util::future::join_all((0..10).map(|_| house.place("order-1", &order))).await;
    let ids: BTreeSet<&str> = crowd.iter().map(|answer| answer.json["id"].as_str().expect("an id")).collect();
    assert!(crowd.iter().all(|answer| answer.status == 202), "{}", crowd[0].text);
    assert_eq!(ids.len(), 1, "{ids:?}");
    let first = crowd.iter().filter(|answer| !answer.headers.contains_key("idempotency-replayed")).count();
    assert_eq!(first, 1, "one of them placed it");
    let id = (*ids.first().expect("one")).to_owned();
    assert_eq!(crowd[0].headers["location"].to_str().ok(), Some(format!("/api/calls/{id}").as_str()));

    let call = house.over(&id).await;
    assert_eq!((&call["outcome"], &call["state"]), (&json!("answered"), &json!("ended")), "{call}");
    assert!(call["heard_ms"].as_u64().is_some_and(|ms| ms > 1_000), "{call}");
    assert_eq!(call["report"]["heard"][0]["clip"], "greeting");
    let again = house.place("order-1", &order).await;
    assert_eq!(
        (again.status, again.json["id"].as_str(), &again.json["state"]),
        (202, Some(id.as_str()), &json!("ended"))
    );

    // The same key for another request, and another key for the same person, whose call is over.
    let other = json!({ "campaign": "c", "phone": listener(1) });
    assert_eq!(house.place("order-1", &other).await.status, 422);
    let over = house.place("order-2", &order).await;
    assert_eq!((over.status, over.json["error"]["reason"].as_str()), (409, Some("lead_done")));

    let log = read_log(&house.path("sim.jsonl"));
    assert_eq!(log.calls.len(), 1, "one call in the carrier's log");
    assert_eq!((log.calls[0].to.as_str(), log.calls[0].answered), (listener(0).as_str(), true));
    assert!(log.calls[0].first_media_us.is_some(), "they heard us");
    assert!(log.complaints.is_empty(), "{:?}", log.complaints);
    for (sample, want) in [
        ("ahoy_calls_ordered_total", 1.0),
        ("ahoy_calls_ended_total{outcome=\"answered\"}", 1.0),
        ("ahoy_greetings_total{source=\"cache\"}", 1.0),
        ("ahoy_first_audio_seconds_count", 1.0),
        ("ahoy_first_audio_seconds_bucket{le=\"+Inf\"}", 1.0),
        ("ahoy_calls{state=\"unknown\"}", 0.0),
        ("ahoy_ledger_up", 1.0),
    ] {
        assert_eq!(house.metric(sample).await, want, "{sample}");
    }
    // The lead is one of the campaign's own: `leads show` has it, with what the request said.
    let shown = run(common::ahoy(house.shop.dir.path()).args(["leads", "show", &call["lead"].to_string(), "--json"]));
    assert_eq!(code(&shown), 0);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("T-1"));
}

#[tokio::test]
async fn whom_the_rules_refuse_is_not_called_and_the_answer_says_why() {
    let house = house_with("");
    let reason = |answer: &Answer| (answer.status, answer.json["error"]["reason"].as_str().unwrap_or("").to_owned());
    let (suppressed, open) = (listener(0), listener(1));
    let list = ["leads", "suppress", suppressed.as_str(), "--reason", "asked by mail"];
    assert_eq!(code(&run(common::ahoy(house.shop.dir.path()).args(list))), 0);
    let placed = |key: &'static str, body: Value| {
        let house = &house;
        async move { house.place(key, &body).await }
    };
    let no = placed("k1", json!({ "campaign": "c", "phone": suppressed })).await;
    assert_eq!(reason(&no), (409, "suppressed".to_owned()));
    for (key, body, want) in [
        ("k2", json!({ "campaign": "nobody", "phone": open }), (404, "no_such_campaign")),
        ("k3", json!({ "campaign": "c", "lead": 4_711 }), (404, "no_such_lead")),
        ("k4", json!({ "campaign": "c", "phone": "020 7946 0000" }), (400, "bad_lead")),
        ("k5", json!({ "campaign": "c", "phone": open, "extra": 1 }), (400, "bad_body")),
        ("k6", json!({ "campaign": "c", "phone": "+15005550006" }), (409, "never_called")),
    ] {
        assert_eq!(reason(&placed(key, body).await), (want.0, want.1.to_owned()), "{key}");
    }
    let keyless = house.request(Method::POST, "/api/calls").json(&json!({ "campaign": "c", "phone": open }));
    assert_eq!(reason(&house.send(keyless).await), (400, "no_key".to_owned()));

    // Paused by an operator; a refusal keeps no key, so the same request goes through afterwards.
    assert_eq!(code(&run(&mut house.shop.campaign(&["pause", "c"]))), 0);
    let order = json!({ "campaign": "c", "phone": open, "consent": "automated voice calls; 2026-11-01; web form" });
    assert_eq!(reason(&house.place("k7", &order).await), (409, "campaign_paused".to_owned()));
    assert_eq!(code(&run(&mut house.shop.campaign(&["resume", "c"]))), 0);

    // Outside the hours of the number: open on one day of the week that is not today.
    let file = house.path("campaigns/c/campaign.toml");
    let text = std::fs::read_to_string(&file).expect("read");
    let zone = jiff::tz::TimeZone::get("Europe/London").expect("known");
    let tomorrow = jiff::Timestamp::now().to_zoned(zone).weekday().wrapping_add(3);
    let day = format!("{tomorrow:?}").to_lowercase()[..3].to_owned();
    let hours = format!("[hours]\ndays = [\"{day}\"]\n");
    let closed = "countries = [\"GB\"]\n".to_owned() + &text.replace("[hours]\nany = true\n", &hours);
    std::fs::write(&file, closed).expect("written");
    let refused = house.place("k7", &order).await;
    assert_eq!(reason(&refused), (409, "outside_hours".to_owned()), "{}", refused.text);
    let until = refused.json["error"]["until"].as_str().expect("a time");
    assert!(until.parse::<jiff::Timestamp>().expect("RFC 3339") > jiff::Timestamp::now());
    std::fs::write(&file, text).expect("written");

    let sim = house.path("sim.jsonl");
    assert!(!sim.exists() || read_log(&sim).calls.is_empty(), "nobody was called");
    let leads = run(common::ahoy(house.shop.dir.path()).args(["leads", "list", "--campaign", "c", "--json"]));
    let leads = String::from_utf8_lossy(&leads.stdout).lines().count();
    assert_eq!(leads, 1, "whom the rules refuse leaves nothing behind: a later run does not call them either");
    let taken = house.place("k7", &order).await;
    assert_eq!(taken.status, 202, "{}", taken.text);
    // Its call is open: nobody rings the same person twice at once.
    let twice = house.place("k8", &order).await;
    assert_eq!(
        (twice.status, twice.json["error"]["reason"].as_str().is_some_and(|it| it == "open" || it == "lead_done")),
        (409, true),
        "{}",
        twice.text
    );
    let call = house.over(taken.json["id"].as_str().expect("an id")).await;
    assert_eq!(call["outcome"], "answered");
    assert_eq!(read_log(&sim).calls.len(), 1);
}

#[tokio::test]
async fn huge_slow_and_broken_requests_end_and_a_storm_places_one_call() {
    let house = house_with("");
    let huge = house.request(Method::POST, "/api/calls").header("Idempotency-Key", "huge").body("x".repeat(1 << 20));
    // The answer may come while the body is still being sent: then the connection is all that is seen.
    assert!(house.try_send(huge).await.is_none_or(|answer| answer.status == 413));
    assert_eq!(house.metric("ahoy_api_requests_total{path=\"/api/calls\",status=\"413\"}").await, 1.0);
    let slow = tokio::task::spawn_blocking({
        let at = house.url.replace("http://", "");
        move || {
            let mut socket = std::net::TcpStream::connect(at).expect("open");
            let head = format!(
                "POST /api/calls HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {API_TOKEN}\r\nIdempotency-Key: s\r\n\
                 Content-Length: 100\r\n\r\n{{\"campaign"
            );
            socket.write_all(head.as_bytes()).expect("written");
            let mut answer = String::new();
            socket.set_read_timeout(Some(Duration::from_secs(25))).expect("set");
            let _closed = socket.read_to_string(&mut answer);
            answer
        }
    });
    let order = json!({ "campaign": "c", "phone": listener(0) });
    let storm = (0..500).map(|at| {
        let key = format!("storm-{at}");
        let request = house.request(Method::POST, "/api/calls").header("Idempotency-Key", key).json(&order);
        house.try_send(request)
    });
    let storm = futures_util::future::join_all(storm).await;
    let answered: Vec<&Answer> = storm.iter().flatten().collect();
    let placed = answered.iter().filter(|answer| answer.status == 202).count();
    let words: BTreeSet<&str> = answered.iter().filter_map(|it| it.json["error"]["reason"].as_str()).collect();
    println!("{} answered, {placed} placed, refused with {words:?}", answered.len());
    assert_eq!(placed, 1, "{words:?}");
    assert!(answered.len() >= 200, "as many as there are places");
    for word in &words {
        assert!(["open", "lead_done", "not_ready", "too_many", "no_turn"].contains(word), "{word}");
    }
    assert_eq!(house.get_bare("/healthz").await.status, 200);
    let id = answered.iter().find_map(|answer| answer.json["id"].as_str()).expect("one");
    assert_eq!(house.over(id).await["outcome"], "answered");
    assert_eq!(read_log(&house.path("sim.jsonl")).calls.len(), 1);
    let slow = slow.await.expect("it ended");
    assert!(slow.starts_with("HTTP/1.1 408"), "{slow}");

    // A path with a number in it: the log shows none (the house looks through it when it closes).
    assert_eq!(house.get("/api/clones/%2B442079460000?wait_ms=5").await.status, 404);
    assert!(house.errors().contains("/api/clones/***"), "{}", house.errors());
}

#[tokio::test]
async fn after_kill_9_the_repeat_of_a_key_gives_the_same_attempt_and_one_call() {
    let folder = tempfile::tempdir().expect("a folder");
    let sim = Sim::start(folder.path(), &["--seed", "3", "--speedup", "20", "--calls-per-second", "50"]);
    let carrier = carrier_at(
        &sim.base_url,
        "calls_per_second = 30\nmax_live_calls = 15\nring_timeout = \"10s\"\nrelease_horizon = \"2s\"",
    );
    let mut house = House::open(&Wish { carrier: &carrier, campaign: "[retries]\nattempts = 1\n", leads: 1 });
    let order = json!({ "campaign": "c", "phone": listener(0) });
    // The answer is never read: the process is killed as soon as the key is in the ledger.
    let body = order.to_string();
    let mut socket = std::net::TcpStream::connect(house.url.replace("http://", "")).expect("open");
    let request = format!(
        "POST /api/calls HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {API_TOKEN}\r\nIdempotency-Key: once\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let reader = Ledger::open_read_only(&house.path("ahoy.db")).expect("readable");
    socket.write_all(request.as_bytes()).expect("written");
    let attempt = loop {
        if let Some(open) = reader.open_attempts(None).expect("read").first() {
            break open.attempt;
        }
        std::thread::sleep(Duration::from_micros(200));
    };
    house.kill();
    drop(socket);
    house.start();
    let again = house.place("once", &order).await;
    assert_eq!((again.status, again.json["id"].as_str()), (202, Some(attempt.to_string().as_str())), "{}", again.text);
    assert!(again.headers.contains_key("idempotency-replayed"));
    // Nothing runs but the API: what was left open is asked about all the same.
    let mut call = Value::Null;
    for _ in 0..600 {
        call = house.get(&format!("/api/calls/{attempt}")).await.json;
        if !call["outcome"].is_null() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(!call["outcome"].is_null(), "{call}");
    let log = sim.read_log();
    assert!(log.calls.len() <= 1, "{} calls", log.calls.len());
    assert_eq!(house.place("once", &order).await.json["id"].as_str(), Some(attempt.to_string().as_str()));
    assert_eq!(sim.read_log().calls.len(), log.calls.len(), "a repeat calls nobody");
    assert_eq!(house.stop(), 0);
}

#[tokio::test]
async fn readiness_says_which_part_is_not_ready() {
    let house = house_with("");
    let ledger = rusqlite::Connection::open(house.path("ahoy.db")).expect("opened");
    assert_eq!(house.get_bare("/readyz").await.status, 200);
    // Another program holds the ledger's write lock.
    ledger.execute_batch("BEGIN IMMEDIATE").expect("held");
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let busy = house.get_bare("/readyz").await;
    assert_eq!((busy.status, &busy.json["ledger"]), (503, &json!("busy")), "{}", busy.text);
    assert_eq!(busy.json["gateway"], "ok");
    assert_eq!(house.get_bare("/healthz").await.status, 200, "the process lives");
    ledger.execute_batch("ROLLBACK").expect("let go");
    // An account that somebody must look at.
    let stop = "INSERT INTO account (name, stopped_at, reason, kind) VALUES ('sim:main:AC00000000000000000000000000000051', 1, 'no funds', 'funds')";
    ledger.execute_batch(stop).expect("written");
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let stopped = house.get_bare("/readyz").await;
    assert_eq!((stopped.status, &stopped.json["carriers"]["main"]), (503, &json!("stopped")), "{}", stopped.text);
    assert_eq!(house.metric("ahoy_carrier_stopped{carrier=\"main\"}").await, 1.0);
    let order = house.place("k", &json!({ "campaign": "c", "phone": listener(0) })).await;
    assert_eq!((order.status, order.json["error"]["reason"].as_str()), (503, Some("account_stopped")));
}

#[tokio::test]
async fn a_ticket_is_known_by_its_reference_and_a_repeat_changes_nothing() {
    let house = house_with("");
    let open = json!({ "reference": "T-1", "phone": listener(0), "kind": "internet", "note": "no signal" });
    let first = house.post("/api/tickets", &open).await;
    assert_eq!((first.status, &first.json["changed"], &first.json["state"]), (200, &json!(true), &json!("open")));
    assert_eq!(house.post("/api/tickets", &open).await.json["changed"], false);
    let other = json!({ "reference": "T-1", "phone": listener(0), "kind": "billing" });
    assert_eq!(house.post("/api/tickets", &other).await.json["changed"], true);
    let reader = Ledger::open_read_only(&house.path("ahoy.db")).expect("readable");
    let rows = reader.tickets(true, None, 10).expect("read");
    assert_eq!((rows.len(), rows[0].ticket.kind.as_str()), (1, "billing"));
    let close = json!({ "reference": "T-1", "state": "closed" });
    assert_eq!(house.post("/api/tickets", &close).await.json["changed"], true);
    assert_eq!(house.post("/api/tickets", &close).await.json["changed"], false);
    assert!(reader.tickets(true, None, 10).expect("read").is_empty());
    assert_eq!(house.post("/api/tickets", &json!({ "reference": "T-2" })).await.status, 400);
}

#[tokio::test]
async fn voices_are_told_of_where_there_is_a_room_for_them_and_asking_makes_none() {
    let without = house_with("");
    let voice = "/api/clones/%2B442079460000";
    let reason = |answer: &Answer| (answer.status, answer.json["error"]["reason"].as_str().unwrap_or("").to_owned());
    assert_eq!(reason(&without.get(voice).await), (404, "no_clones".to_owned()));
    assert_eq!(reason(&without.get("/metrics/cloning").await), (404, "no_clones".to_owned()));
    // A service that nobody reaches: what is asked here reaches nobody either.
    let clone = "[clone]\nprovider = \"elevenlabs\"\nbase_url = \"http://127.0.0.1:9\"\nsamples = \"samples\"\n";
    let house = House::with(&Wish { carrier: "kind = \"sim\"", campaign: "", leads: 1 }, clone);
    assert_eq!(reason(&house.get(voice).await), (404, "no_clone".to_owned()));
    let began = Instant::now();
    assert_eq!(reason(&house.get(&format!("{voice}?wait_ms=20000")).await), (404, "no_clone".to_owned()));
    assert!(began.elapsed() < Duration::from_secs(5), "nothing is being made: nothing is waited for");
    assert_eq!(reason(&house.get(&format!("{voice}?wait_ms=25001")).await), (400, "bad_query".to_owned()));
    assert_eq!(reason(&house.get("/api/clones/anonymous").await), (400, "bad_caller".to_owned()));
    let figures = house.get("/metrics/cloning?window=30m").await;
    assert_eq!((figures.status, &figures.json["window_s"], &figures.json["asked"]), (200, &json!(1_800), &json!(0)));
    assert!(figures.json["p99_s"].is_null() && figures.json["menu_wait_s"].is_null());
    assert_eq!(reason(&house.get("/metrics/cloning?window=2d").await), (400, "bad_query".to_owned()));
    assert_eq!(house.metric("ahoy_clone_seconds_count").await, 0.0);
}

/// What the dashboard and the alerts ask for is on the page that the server writes.
#[tokio::test]
async fn every_metric_of_the_dashboard_and_the_alerts_is_exposed() {
    let clone = "[clone]\nprovider = \"elevenlabs\"\nbase_url = \"http://127.0.0.1:9\"\nsamples = \"samples\"\n";
    let house = House::with(&Wish { carrier: "kind = \"sim\"", campaign: "", leads: 1 }, clone);
    let page = house.get("/metrics").await.text;
    let families: BTreeSet<&str> =
        page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let helped: BTreeSet<&str> =
        page.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split(' ').next()).collect();
    assert_eq!(families, helped);
    let known = |name: &str| {
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        families.contains(name) || base.is_some_and(|base| families.contains(base))
    };
    let named = |text: &str| -> BTreeSet<String> {
        let words = text.split(|ch: char| !ch.is_ascii_alphanumeric() && ch != '_' && ch != ':');
        words.filter(|word| word.starts_with("ahoy_")).map(str::to_owned).collect()
    };
    let text = std::fs::read_to_string("docs/grafana/ahoy.json").expect("the dashboard");
    let dashboard: Value = serde_json::from_str(&text).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let mut asked = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().expect("an id")), "{panel}");
        let place = ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().expect("a place"));
        assert!(place[0] + place[2] <= 24, "{panel}");
        if panel["type"] == "row" {
            continue;
        }
        for target in panel["targets"].as_array().expect("questions") {
            let names = named(target["expr"].as_str().expect("an expression"));
            assert!(!names.is_empty(), "{target}");
            asked.extend(names);
        }
    }
    let alerts = std::fs::read_to_string("docs/grafana/alerts.yml").expect("the alerts");
    let of_alerts = named(&alerts);
    assert!(of_alerts.len() >= 6 && asked.len() >= 12, "{of_alerts:?} {asked:?}");
    let unknown: Vec<&String> = asked.union(&of_alerts).filter(|name| !known(name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}
