//! Calls to a desk: the real `ahoy serve`, the embedded carrier as a process of its own, whose people call in over real
//! sockets; its log is the judge.

#[path = "inbound_house/leads.rs"]
mod leads;

use std::collections::BTreeMap;

use ahoy::core::sim::line::What;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::common::desk::{Desk, NUMBER, form, http, inbound, over, person, ring, shop};
use crate::common::{self, ACCOUNT, Sim, TOKEN, code, run};
use crate::serve_house::contract;

const DESK: &str = "[agent]\nkind = \"echo\"\n[inbound]\nplaces = 60\ncomfort = \"3s\"\n\
    [inbound.message]\nsilence = \"2s\"\n[inbound.menu]\nwait = \"3s\"\n\
    [[returning]]\nwhen = \"ticket.kind == 'internet'\"\nsay = \"internet-pending\"\n";

#[test]
fn people_who_call_are_greeted_at_once_find_their_way_and_stand_in_the_ledger() {
    let folder = tempfile::tempdir().expect("a folder");
    let sim = Sim::start(folder.path(), &["--speedup", "4"]);
    let shop = shop(&sim, DESK, 5);
    std::fs::write(shop.path("tickets.csv"), format!("reference,phone,kind\nT1,{},internet\n", person(2)))
        .expect("written");
    let import = run(common::ahoy(shop.dir.path()).args(["tickets", "import"]).arg(shop.path("tickets.csv")));
    assert_eq!(code(&import), 0);
    let desk = Desk::serve(&shop);
    assert_eq!(desk.places, 60);
    let mut numbers = BTreeMap::new();
    for at in 0..40 {
        let from = person(at);
        numbers.insert(ring(&sim, &desk, &from), from);
    }
    // Somebody who withholds their number, and one number that calls twice at once.
    ring(&sim, &desk, "+266696687");
    ring(&sim, &desk, "anonymous");
    let twice = person(50);
    ring(&sim, &desk, &twice);
    ring(&sim, &desk, &twice);
    let lines = over(&sim, 44);
    let rows = inbound(&shop, 44);
    assert_eq!(rows.len(), 44);
    // The carrier's side: everybody was answered and heard us, and nothing of ours broke the protocol.
    let oracle = sim.read_log();
    assert_eq!(oracle.complaints, Vec::<String>::new());
    assert!(oracle.calls.is_empty(), "nobody was called");
    assert!(oracle.came_in.iter().all(|call| call.answered && call.first_media_us.is_some()));
    // Ours: one lead a number; those of the list kept theirs; withheld ones have none.
    let leads: Vec<i64> = rows.iter().filter_map(|row| row["lead"].as_i64()).collect();
    let distinct: std::collections::BTreeSet<i64> = leads.iter().copied().collect();
    assert_eq!((leads.len(), distinct.len()), (42, 41));
    assert!((1..=5).all(|lead| distinct.contains(&lead)), "people of the list are their leads");
    let pending = rows.iter().filter(|row| row["phrase"] == "internet-pending").count();
    assert_eq!(pending, 1, "an open ticket chose the phrase");
    // They found their way: messages, conversations, and a wish that is kept.
    let behaviour: Vec<String> = lines
        .iter()
        .filter_map(|line| match &line.what {
            What::CameIn { behaviour, .. } => Some(format!("{behaviour:?}")),
            _ => None,
        })
        .collect();
    let of = |name: &str| behaviour.iter().filter(|it| *it == name).count();
    let messages = rows.iter().filter(|row| row["message_ms"].as_u64() >= Some(1_000)).count();
    assert!(of("LeavesMessage") >= 2 && messages >= of("LeavesMessage"), "{messages} of {}", of("LeavesMessage"));
    let asked = rows.iter().filter(|row| row["menu_ms"].is_u64()).count();
    assert!(of("AsksForAgent") >= 5 && asked >= of("AsksForAgent"), "{asked} of {}", of("AsksForAgent"));
    // The API knows them, as its document says.
    let call = rows[0]["call"].as_str().expect("an id");
    let path = format!("/api/calls/{call}");
    let (status, body) = desk.get(&path);
    contract::CONTRACT.check("GET", &path, status, "application/json", &body);
    let told: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!((status, &told["direction"], &told["lead"]), (200, &Value::from("inbound"), &rows[0]["lead"]), "{told}");
    assert_eq!(told["report"]["media_ms"].is_u64(), rows[0]["duration_ms"].is_u64());
    assert_eq!(desk.get("/api/calls/01a22aaa-0000-7000-8000-000000000000").0, 404);
    // Nobody who called is called back by a campaign for it.
    let status = shop.status();
    assert_eq!(status["campaigns"][0]["leads"]["blocked"]["called_us"].as_u64().unwrap_or(36), 36, "{status}");
    let (ended, said) = desk.stop();
    assert_eq!(ended, Some(0), "{said}");
    // The lead's page tells of the call, and the recording is there.
    let page = run(common::ahoy(shop.dir.path()).args(["leads", "show", "3", "--json"]));
    let page: Value = serde_json::from_slice(&page.stdout).expect("JSON");
    let call = &page["calls_to_us"][0];
    assert_eq!(call["phrase"], "internet-pending");
    assert!(
        std::fs::metadata(shop.path(call["recording"].as_str().expect("a recording"))).is_ok()
            || std::fs::metadata(call["recording"].as_str().expect("a recording")).is_ok()
    );
    // What the cache saved counts calls that came in.
    let stats = run(common::ahoy(shop.dir.path()).args(["cache", "stats", "c", "--json"]));
    let stats = String::from_utf8_lossy(&stats.stdout).into_owned();
    let served: Value = serde_json::from_str(stats.lines().next().expect("a line")).expect("JSON");
    assert!(served.to_string().contains("\"calls_served\":44"), "{served}");
}

#[test]
fn an_opt_out_on_a_call_to_us_binds_the_next_campaign() {
    let folder = tempfile::tempdir().expect("a folder");
    let sim = Sim::start(folder.path(), &["--speedup", "4", "--seed", "3"]);
    let shop = shop(&sim, DESK, 200);
    let desk = Desk::serve(&shop);
    // Only those who press 9 matter here: the seed says who does.
    let nines: Vec<String> = (0..200)
        .map(person)
        .filter(|number| {
            ahoy::core::sim::callee::caller(3, number).behaviour == ahoy::core::sim::callee::Behaviour::PressesNine
        })
        .collect();
    assert!(nines.len() >= 2, "{}", nines.len());
    for number in &nines {
        ring(&sim, &desk, number);
    }
    over(&sim, nines.len());
    let rows = inbound(&shop, nines.len());
    assert!(rows.iter().all(|row| row["cause"] == "opted_out"), "{rows:?}");
    drop(desk);
    let plan = run(&mut shop.campaign(&["plan", "c", "--json"]));
    let plan: Value = serde_json::from_slice(&plan.stdout).expect("JSON");
    let told = plan.to_string();
    assert!(told.contains(&format!("\"suppressed\":{}", nines.len())), "{told}");
}

#[test]
fn a_webhook_is_answered_only_if_it_is_signed_for_a_number_of_ours_and_a_repeat_hears_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let sim = Sim::start(folder.path(), &["--speedup", "4"]);
    let shop = shop(&sim, &DESK.replace("places = 60", "places = 3"), 1);
    let desk = Desk::serve(&shop);
    let post = |sid: &str, from: &str, to: &str, account: &str| {
        let pairs = [("AccountSid", account), ("CallSid", sid), ("CallStatus", "ringing"), ("From", from), ("To", to)];
        let signature = sign(&desk.answer_url, &pairs);
        http(&desk.answer_url, "/v1/answer", &format!("X-Twilio-Signature: {signature}\r\n"), &form(&pairs))
    };
    let sid = |n: usize| format!("CA{n:032x}");
    let body = form(&[("CallSid", &sid(1)), ("From", &person(1)), ("To", NUMBER), ("AccountSid", ACCOUNT)]);
    assert_eq!(http(&desk.answer_url, "/v1/answer", "", &body).0, 403, "no signature");
    assert_eq!(http(&desk.answer_url, "/v1/answer", "X-Twilio-Signature: AAAA\r\n", &body).0, 403);
    assert_eq!(post(&sid(1), &person(1), "+15005550099", ACCOUNT).0, 404, "no number of ours");
    assert_eq!(post(&sid(1), &person(1), NUMBER, "AC00000000000000000000000000000001").0, 404, "of another account");
    let (status, first) = post(&sid(1), &person(1), NUMBER, ACCOUNT);
    assert_eq!(status, 200);
    assert!(first.contains("<Connect><Stream") && first.contains("<Parameter name=\"token\""), "{first}");
    assert!(!first.contains(&person(1)[1..]), "no number is told to anybody");
    assert_eq!(post(&sid(1), &person(1), NUMBER, ACCOUNT).1, first, "a repeat makes no second call");
    // A storm: every place is taken by calls whose stream has not come; the rest hear the busy tone, at once.
    let mut answers = BTreeMap::new();
    for n in 2..120 {
        let (status, document) = post(&sid(n), &format!("nonsense{n}"), NUMBER, ACCOUNT);
        assert_eq!(status, 200);
        *answers.entry(document.contains("<Reject reason=\"busy\"/>")).or_insert(0) += 1;
    }
    assert_eq!(answers, BTreeMap::from([(false, 2), (true, 116)]));
    let rows = run(common::ahoy(shop.dir.path()).args(["calls", "inbound", "--json"]));
    assert_eq!(String::from_utf8_lossy(&rows.stdout).lines().count(), 3, "a call is written down once");
    let (ended, said) = desk.stop();
    assert!(ended.is_some(), "{said}");
}

#[test]
fn a_caller_whose_stream_never_comes_keeps_their_place_for_half_a_minute_and_no_longer() {
    let folder = tempfile::tempdir().expect("a folder");
    let sim = Sim::start(folder.path(), &["--speedup", "4"]);
    let shop = shop(&sim, &DESK.replace("places = 60", "places = 1"), 1);
    let desk = Desk::serve(&shop);
    let mut calls = 0;
    let mut comes = |from: &str| {
        calls += 1;
        let sid = format!("CA{calls:032x}");
        let pairs =
            [("AccountSid", ACCOUNT), ("CallSid", &*sid), ("CallStatus", "ringing"), ("From", from), ("To", NUMBER)];
        let signature = sign(&desk.answer_url, &pairs);
        let header = format!("X-Twilio-Signature: {signature}\r\n");
        let (status, document) = http(&desk.answer_url, "/v1/answer", &header, &form(&pairs));
        assert_eq!(status, 200, "{document}");
        document.contains("<Connect><Stream")
    };
    let began = std::time::Instant::now();
    assert!(comes(&person(1)), "the only place");
    let mut turned_away = 0;
    while !comes(&person(2)) {
        turned_away += 1;
        assert!(began.elapsed() < std::time::Duration::from_secs(60), "the place is never free again");
        std::thread::sleep(std::time::Duration::from_secs(1));
    }
    assert!(turned_away >= 20, "a stream that is late by seconds still finds its place: {turned_away}");
    let rows = run(common::ahoy(shop.dir.path()).args(["calls", "inbound", "--json"]));
    let rows = String::from_utf8_lossy(&rows.stdout).into_owned();
    let causes: Vec<Value> = rows.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(causes.iter().filter(|row| row["cause"] == "never_started").count(), 1, "{rows}");
    assert_eq!(causes.len(), 2, "who was turned away is no call of ours");
}

/// As the carrier signs a form: the address, then names and values in the order of the names.
fn sign(url: &str, pairs: &[(&str, &str)]) -> String {
    use hmac::{Hmac, KeyInit, Mac};
    let mut sorted: Vec<_> = pairs.to_vec();
    sorted.sort_unstable();
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(TOKEN.as_bytes()).expect("any length");
    mac.update(url.as_bytes());
    for (name, value) in sorted {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    STANDARD.encode(mac.finalize().into_bytes())
}

#[test]
fn a_desk_that_cannot_play_what_it_must_say_does_not_open() {
    let folder = tempfile::tempdir().expect("a folder");
    let sim = Sim::start(folder.path(), &[]);
    let shop = shop(&sim, DESK, 1);
    let file = shop.path("campaigns/c/campaign.toml");
    let text = std::fs::read_to_string(&file).expect("there");
    std::fs::write(&file, text.replace("say = \"internet-pending\"", "say = \"no-such-phrase\"")).expect("written");
    let refused = run(common::ahoy(shop.dir.path()).args(["serve"]));
    assert_eq!(code(&refused), 13);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no-such-phrase"));
}
