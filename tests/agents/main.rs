//! Campaigns with an agent: the real binary, the embedded carrier's callees, and a provider on loopback that refuses what
//! the real one would refuse.

#[path = "../common/mod.rs"]
mod common;
#[path = "../serve_house/contract.rs"]
#[allow(dead_code)]
mod contract;
mod desk;
mod doors;
mod elevenlabs;
mod emulator;
mod gemini;
mod openai;
#[path = "../engines/schema.rs"]
#[allow(dead_code)]
mod schema;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ahoy::core::sim::line::{self, What};
use common::{Shop, Wish, code, run};
use elevenlabs::ElevenLabs;
use emulator::{Act, Provider, Seen, Vendor};
use gemini::Gemini;
use openai::OpenAi;
use serde_json::Value;

const GREETING: &str = "Hello, this is a test of the harbour line. Please stay with us for a moment.";

/// A workspace whose campaign `c` speaks by this act of the provider.
fn shop(provider: &Provider, faults: &str, campaign: &str, leads: usize) -> Shop {
    let carrier = format!(
        "kind = \"sim\"\nseed = 11\nspeedup = 4\ncalls_per_second = 20\nmax_live_calls = 40\nfaults = {{ {faults} }}\n{}",
        agents(provider, 1)
    );
    Shop::open(&Wish { carrier: &carrier, campaign, leads })
}

/// `[agents.a0]` and so on, one for each act.
fn agents(provider: &Provider, count: usize) -> String {
    let mut text = String::new();
    for nth in 0..count {
        write!(
            text,
            "\n[agents.a{nth}]\nkind = \"{}\"\nkey = {{ env = \"AHOY_TEST_AGENT\" }}\nbase_url = \"http://{}/{nth}\"\n",
            provider.kind, provider.addr
        )
        .expect("a String takes all");
    }
    text
}

/// Runs the campaign. Some callees are not to be had: exit 3 is a normal end.
fn dial(shop: &Shop) {
    let mut command = shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"]);
    let ended = code(&run(command.env("AHOY_TEST_AGENT", "sk-test-of-agents")));
    assert!([0, 3].contains(&ended), "{ended}");
}

/// Every call as `calls show` tells it.
fn calls(shop: &Shop) -> Vec<Value> {
    let listed = run(common::ahoy(shop.dir.path()).args(["calls", "list", "--limit", "1000", "--json"]));
    let listed = String::from_utf8(listed.stdout).expect("UTF-8");
    let mut shown = Vec::new();
    for line in listed.lines() {
        let call: Value = serde_json::from_str(line).expect("JSON");
        let id = call["call"].as_str().expect("an id").to_owned();
        let one = run(common::ahoy(shop.dir.path()).args(["calls", "show", &id, "--json"]));
        shown.push(serde_json::from_slice(&one.stdout).expect("JSON"));
    }
    shown
}

fn log(shop: &Shop) -> Vec<line::Line> {
    line::read(&std::fs::read_to_string(shop.path("sim.jsonl")).expect("the log")).0
}

fn events<'a>(call: &'a Value, name: &str) -> Vec<&'a Value> {
    call["events"].as_array().expect("events").iter().filter(|it| it["event"] == name).collect()
}

/// No session was given anything that the provider would have refused.
fn clean(seen: &[Seen]) {
    for session in seen {
        assert_eq!(session.wrong, Vec::<String>::new(), "{:#?}", session.messages);
    }
}

const CAMPAIGN: &str = "[call]\nmax = \"30s\"\n[agent]\nkind = \"a0\"\nprompt = \"You speak with {name} for Harbour Travel.\"\nvoice = \"marin\"\n";

#[test]
fn people_talk_with_the_agent_after_the_greeting_and_both_know_what_was_said() {
    let provider = Provider::start(Vendor::OpenAi(OpenAi::new()), vec![Act::Well]);
    let shop = shop(&provider, "callee_converses = 1.0", CAMPAIGN, 24);
    dial(&shop);
    let seen = provider.seen(0);
    clean(&seen);
    assert!(seen.iter().all(|session| session.over), "no session outlives its call");
    let update = &seen[0].messages[0]["session"];
    assert_eq!(update["audio"]["input"]["turn_detection"]["silence_duration_ms"], 700, "the campaign's own settings");
    let told = update["instructions"].as_str().expect("text");
    assert!(told.contains("[fact `name`]") && told.contains("\"name\":\"Person "), "{told}");
    let calls = calls(&shop);
    let talked: Vec<&Seen> = seen.iter().filter(|session| session.turns >= 3).collect();
    assert!(talked.len() >= 4, "{} of {} sessions were talks", talked.len(), seen.len());
    for session in &talked {
        let first = &session.messages[1];
        assert_eq!(first["item"]["content"][0]["text"], GREETING, "it knows what was heard");
        assert_eq!(first["item"]["role"], "assistant");
        assert!(session.spoken >= 3, "every turn was answered: {session:#?}");
    }
    let talks: Vec<&Value> = calls.iter().filter(|call| call["report"]["agent"]["turns"].as_u64() >= Some(3)).collect();
    assert!(talks.len() >= 4);
    for call in &talks {
        let agent = &call["report"]["agent"];
        assert_eq!(agent["waited_ms"], 0, "primed while it rang");
        let words: Vec<&str> =
            agent["transcript"].as_array().expect("words").iter().filter_map(|it| it["text"].as_str()).collect();
        assert_eq!(words[0], GREETING);
        assert!(words.contains(&"callee turn 1") && words.contains(&"agent turn item_a1"), "{words:?}");
        let gaps: Vec<u64> = agent["gaps_ms"].as_array().expect("gaps").iter().filter_map(Value::as_u64).collect();
        // The emulator's ear hears the end of a word a little before ours, waits 700 ms, and answers at once.
        assert!(gaps.len() >= 3 && gaps.iter().all(|gap| *gap < 1_500), "{gaps:?}");
        assert!((300..1_000).contains(&gaps[0]), "{gaps:?}");
    }
    // What was said stands on the lead.
    let leads = run(common::ahoy(shop.dir.path()).args(["leads", "list", "--limit", "100", "--json"]));
    let shown = String::from_utf8(leads.stdout).expect("UTF-8");
    let with_words = shown.lines().filter(|line| {
        let lead: Value = serde_json::from_str(line).expect("JSON");
        let id = lead["id"].to_string();
        let page = run(common::ahoy(shop.dir.path()).args(["leads", "show", &id, "--json"]));
        let page: Value = serde_json::from_slice(&page.stdout).expect("JSON");
        let timeline = page["timeline"].as_array().expect("a timeline").clone();
        timeline.iter().any(|it| it["transcript"].as_str().is_some_and(|path| std::fs::metadata(path).is_ok()))
    });
    assert!(with_words.count() >= talks.len());
    // Whoever spoke over the agent stopped it, and it was told how much was heard.
    let cut: Vec<&&Value> = talks.iter().filter(|call| !events(call, "agent_cut").is_empty()).collect();
    assert!(!cut.is_empty(), "half of them interrupt");
    for call in cut {
        let (heard, barged) = (events(call, "agent_cut"), events(call, "barge_in"));
        assert!(!barged.is_empty());
        let heard_ms = heard[0]["heard_ms"].as_u64().expect("ms");
        assert!((800..1_800).contains(&heard_ms), "they interrupt after 0.9 s: {heard_ms}");
    }
}

#[test]
fn what_the_agent_is_told_was_heard_is_what_the_carrier_played() {
    let provider = Provider::start(Vendor::OpenAi(OpenAi::new()), vec![Act::Well]);
    // Without the second chance of a "hello?", every word over the greeting cuts it.
    let campaign = format!("{CAMPAIGN}[barge_in]\nrestart_under = \"0s\"\n");
    let shop = shop(&provider, "", &campaign, 100);
    dial(&shop);
    clean(&provider.seen(0));
    // By the carrier's log: what it had got of the greeting, less what `clear` made it throw away.
    let mut thrown: BTreeMap<String, u64> = BTreeMap::new();
    for line in log(&shop) {
        if let What::ClearReceived { discarded, .. } = line.what {
            thrown.entry(line.sid).or_insert(discarded / 8);
        }
    }
    let mut apart = Vec::new();
    for call in calls(&shop) {
        let (cut, sid) = (events(&call, "hand_over"), call["report"]["sid"].as_str().unwrap_or(""));
        let (Some(hand_over), Some(thrown)) = (cut.first(), thrown.get(sid)) else { continue };
        if hand_over["cut"] != true {
            continue;
        }
        let greeting = &call["report"]["heard"][0];
        let total = greeting["total_ms"].as_u64().expect("ms");
        let (told, played) = (greeting["heard_ms"].as_u64().expect("ms"), total - thrown);
        apart.push(told.abs_diff(played));
        let words = hand_over["heard"].as_str().expect("words");
        assert!(GREETING.starts_with(words) && words.len() < GREETING.len(), "{words}");
    }
    apart.sort_unstable();
    assert!(apart.len() >= 6, "{} people spoke over the greeting", apart.len());
    let p95 = apart[(apart.len() * 95).div_ceil(100) - 1];
    // The carrier's time is four times too fast here: 150 ms of it are 38 ms of ours.
    assert!(p95 <= 150, "{apart:?}");
}

/// The same talk over another provider's protocol.
fn talk(vendor: Vendor, acts: &[Act]) -> Vec<(Seen, Value)> {
    let provider = Provider::start(vendor, acts.to_vec());
    let shop = shop(&provider, "callee_converses = 1.0", CAMPAIGN, 24);
    dial(&shop);
    let seen = provider.seen(0);
    let calls = calls(&shop);
    clean(&seen);
    let talks: Vec<Value> =
        calls.into_iter().filter(|call| call["report"]["agent"]["turns"].as_u64() >= Some(2)).collect();
    let talked: Vec<Seen> = seen.into_iter().filter(|session| session.turns >= 1).collect();
    assert!(talks.len() >= 4, "{} talks", talks.len());
    assert!(talked.len() >= talks.len());
    talked.into_iter().zip(talks).collect()
}

#[test]
fn gemini_speaks_when_our_own_ear_finds_the_end_of_a_turn_and_knows_the_greeting() {
    for (session, call) in talk(Vendor::Gemini(Box::new(Gemini::new())), &[Act::Well]) {
        let history = &session.messages[1]["clientContent"]["turns"];
        assert_eq!(history[1]["role"], "model");
        assert!(GREETING.starts_with(history[1]["parts"][0]["text"].as_str().expect("text")));
        let agent = &call["report"]["agent"];
        let words: Vec<&str> =
            agent["transcript"].as_array().expect("words").iter().filter_map(|it| it["text"].as_str()).collect();
        assert!(words.contains(&"callee turn 1") && words.contains(&"agent turn 1"), "{words:?}");
    }
}

#[test]
fn a_gemini_session_goes_on_over_its_next_connection() {
    let provider = Provider::start(Vendor::Gemini(Box::new(Gemini::new())), vec![Act::GoesAway]);
    let shop = shop(&provider, "callee_converses = 1.0", CAMPAIGN, 24);
    dial(&shop);
    let seen = provider.seen(0);
    clean(&seen);
    let resumed: Vec<&Seen> = seen
        .iter()
        .filter(|session| session.messages[0]["setup"]["sessionResumption"]["handle"] == "handle-1")
        .collect();
    assert!(resumed.len() >= 3 && resumed.iter().any(|session| session.turns >= 1), "{}", resumed.len());
    for call in calls(&shop) {
        assert!(events(&call, "agent_gone").is_empty(), "nobody heard of it");
        assert!(events(&call, "agent_ready").len() <= 1);
    }
}

#[test]
fn an_elevenlabs_agent_is_told_of_the_greeting_and_stops_by_its_own_ear() {
    let mut stopped = 0;
    for (session, call) in talk(Vendor::ElevenLabs(ElevenLabs::new()), &[Act::Well]) {
        let config = &session.messages[0]["conversation_config_override"];
        assert_eq!(config["agent"]["first_message"], "");
        assert!(session.messages.iter().any(|it| it["type"] == "pong"));
        let told = session.messages.iter().find(|it| it["type"] == "contextual_update").expect("told");
        assert!(told["text"].as_str().expect("text").contains("Hello, this is a test"));
        stopped += events(&call, "agent_stopped").len() + events(&call, "agent_cut").len();
    }
    assert!(stopped > 0, "half of them interrupt");
}

/// One campaign for each act, in one run: an agent that misbehaves delays nobody else's calls.
#[test]
fn agents_that_misbehave_end_in_an_apology_or_go_on_and_the_calls_of_others_are_not_touched() {
    misbehave(Vendor::OpenAi(OpenAi::new()));
}

#[test]
fn agents_of_gemini_that_misbehave_end_in_an_apology_or_go_on_too() {
    misbehave(Vendor::Gemini(Box::new(Gemini::new())));
}

#[test]
fn agents_of_elevenlabs_that_misbehave_end_in_an_apology_or_go_on_too() {
    misbehave(Vendor::ElevenLabs(ElevenLabs::new()));
}

/// The table: what each act comes to, whose protocol it is in.
fn misbehave(vendor: Vendor) {
    let acts = vec![
        Act::Well,
        Act::Late(3_000),
        Act::Hangs,
        Act::NeverReady,
        Act::WrongFormat,
        Act::ClosesMidWord,
        Act::Errors,
        Act::Beta,
        Act::Floods,
        Act::BadBase64,
        Act::Surplus,
        Act::Tool("delete_everything"),
        Act::Ends,
        Act::Fails,
        Act::Silent,
        Act::Refuses,
        Act::Crowded,
        Act::Limited,
    ];
    let provider = Provider::start(vendor, acts.clone());
    let carrier = format!(
        "kind = \"sim\"\nseed = 11\nspeedup = 2\ncalls_per_second = 40\nmax_live_calls = 90\nfaults = {{ callee_converses = 1.0 }}\n{}",
        agents(&provider, acts.len())
    );
    let shop = Shop::open(&Wish { carrier: &carrier, campaign: CAMPAIGN, leads: 5 });
    let text = std::fs::read_to_string(shop.path("campaigns/c/campaign.toml")).expect("there");
    for nth in 1..acts.len() {
        let folder = shop.path(&format!("campaigns/c{nth}"));
        std::fs::create_dir_all(&folder).expect("made");
        let silence = "silence = \"4s\"\nwait = \"1s\"\n";
        let own = text.replace("kind = \"a0\"\n", &format!("kind = \"a{nth}\"\n{silence}"));
        std::fs::write(folder.join("campaign.toml"), own).expect("written");
        let mut csv = "name,phone,consent\n".to_owned();
        for at in 0..5 {
            let number = 60_100 + nth * 5 + at;
            writeln!(csv, "Person {at},+4420794{number:05},test 2026-11-01").expect("a String takes all");
        }
        let list = shop.path(&format!("{nth}.csv"));
        std::fs::write(&list, csv).expect("written");
        let import = run(common::ahoy(shop.dir.path())
            .args(["leads", "import"])
            .arg(list)
            .args(["--campaign", &format!("c{nth}")]));
        assert_eq!(code(&import), 0);
    }
    assert_eq!(code(&run(common::ahoy(shop.dir.path()).args(["cache", "generate", "--quiet"]))), 0);
    let mut command = common::ahoy(shop.dir.path());
    let ended = run(command
        .args(["campaign", "run", "--yes", "--drain", "--quiet", "--max-runtime", "3m"])
        .env("AHOY_TEST_AGENT", "sk-test-of-agents"));
    assert!([0, 3].contains(&code(&ended)), "{}", code(&ended));
    let mut ends: BTreeMap<usize, Vec<(String, Value)>> = BTreeMap::new();
    let mut act_of: BTreeMap<String, usize> = BTreeMap::new();
    for line in log(&shop) {
        if let What::Created { to, .. } = &line.what {
            let number: usize = to.trim_start_matches("+4420794").parse().expect("one of ours");
            act_of.insert(line.sid.clone(), if number < 60_100 { 0 } else { (number - 60_100) / 5 });
        }
    }
    for call in calls(&shop) {
        assert!(!call.to_string().contains("sk-test-of-agents"), "the key, repeated by the service");
        let sid = call["report"]["sid"].as_str().expect("a call of the carrier's").to_owned();
        let cause = call["report"]["cause"].as_str().unwrap_or("").to_owned();
        ends.entry(act_of[&sid]).or_default().push((cause, call));
    }
    for (nth, act) in acts.iter().enumerate() {
        let calls = ends.get(&nth).map_or(&[][..], Vec::as_slice);
        // Whom the greeting reached to its end, or who cut it, came to the agent.
        let met: Vec<&(String, Value)> = calls
            .iter()
            .filter(|(cause, call)| {
                cause == "no_agent" || !events(call, "hand_over").is_empty() || !events(call, "agent_gone").is_empty()
            })
            .filter(|(cause, _)| !["opted_out", "machine"].contains(&cause.as_str()))
            .collect();
        let causes: Vec<&str> = met.iter().map(|(cause, _)| cause.as_str()).collect();
        let all = |wanted: &[&str]| met.iter().all(|(cause, _)| wanted.contains(&cause.as_str()));
        let any_event = |name: &str| met.iter().any(|(_, call)| !events(call, name).is_empty());
        assert!(!met.is_empty(), "{act:?}: nobody met it: {calls:?}");
        let turns = met.iter().filter_map(|(_, call)| call["report"]["agent"]["turns"].as_u64()).sum::<u64>();
        match act {
            Act::Well | Act::Surplus | Act::Errors | Act::BadBase64 | Act::GoesAway => {
                assert!(all(&["hung_up", "finished"]), "{act:?}: {causes:?}");
                let spoke = met.iter().filter(|(_, call)| call["report"]["agent"]["turns"].as_u64() >= Some(1)).count();
                assert!(spoke >= 1, "{act:?}");
            }
            // The bridge phrase was not enough for whoever was answered at once; who was not is with the agent.
            Act::Late(_) => assert!(all(&["hung_up", "finished", "no_agent"]), "{act:?}: {causes:?}"),
            Act::Hangs | Act::NeverReady | Act::WrongFormat | Act::Refuses | Act::Crowded | Act::ClosesMidWord => {
                assert!(all(&["no_agent", "hung_up"]), "{act:?}: {causes:?}");
                assert!(causes.contains(&"no_agent"), "{act:?}: {causes:?}");
            }
            Act::Beta | Act::Silent => {
                assert!(all(&["finished", "hung_up"]), "{act:?}: {causes:?}");
                assert_eq!(turns, 0, "{act:?}: names of the beta are no sound");
            }
            Act::Fails => {
                assert!(all(&["finished", "hung_up"]), "{act:?}: {causes:?}");
                assert!(any_event("agent_fault"), "{act:?}");
            }
            Act::Limited => {
                assert!(all(&["finished", "hung_up", "no_agent"]), "{act:?}: {causes:?}");
                assert!(any_event("agent_fault") || any_event("agent_gone"), "{act:?}");
            }
            Act::Floods => {
                assert!(any_event("agent_speaks"), "{act:?}");
                assert!(all(&["finished", "hung_up", "max_call"]), "{act:?}: {causes:?}");
            }
            Act::Tool(_) => assert!(any_event("agent_fault"), "{act:?}"),
            Act::Ends => assert!(any_event("agent_hangs") && causes.contains(&"finished"), "{act:?}: {causes:?}"),
        }
        clean(&provider.seen(nth).into_iter().filter(|_| *act != Act::Refuses).collect::<Vec<_>>());
    }
}

#[test]
fn the_stops_of_an_agents_own_turns_come_out_of_the_recordings_at_the_same_places() {
    let provider = Provider::start(Vendor::OpenAi(OpenAi::new()), vec![Act::Well]);
    let carrier = format!(
        "kind = \"sim\"\nseed = 11\nspeedup = 2\ncalls_per_second = 20\nmax_live_calls = 10\n\
         faults = {{ callee_converses = 1.0 }}\n{}",
        agents(&provider, 1)
    );
    let shop = Shop::open(&Wish { carrier: &carrier, campaign: CAMPAIGN, leads: 24 });
    dial(&shop);
    let told = run(common::ahoy(shop.dir.path()).args(["replay", "barge", "--campaign", "c", "--json"]));
    let told = String::from_utf8(told.stdout).expect("UTF-8");
    let told: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let (mut turns, mut live, mut same, mut of_agent) = (0, 0, 0, 0);
    for call in told.iter().filter(|it| it["file"].is_string()) {
        let log = std::path::PathBuf::from(call["file"].as_str().expect("a name")).with_file_name("events.jsonl");
        let log = std::fs::read_to_string(log).expect("a log");
        turns += log.lines().filter(|line| line.contains("\"event\":\"agent_speaks\"")).count();
        let stops = |key: &str| -> Vec<(String, u64, u64)> {
            let ms = |it: &Value, key: &str| it[key].as_u64().expect("ms");
            let of =
                |it: &Value| (it["clip"].as_str().expect("a clip").to_owned(), ms(it, "onset_ms"), ms(it, "clear_ms"));
            call[key].as_array().expect("stops").iter().map(of).collect()
        };
        let again = stops("stops");
        for stop in stops("live") {
            // A frame of the carrier's and a chunk of the ear; a machine that is busy hears later than a replay.
            let late = |again: u64, live: u64| again <= live + 52 && live <= again + 200;
            let found = again.iter().any(|it| it.0 == stop.0 && it.1.abs_diff(stop.1) <= 52 && late(it.2, stop.2));
            if !found {
                println!("{}: {stop:?} is not among {again:?}", call["file"]);
            }
            live += 1;
            same += u64::from(found);
            of_agent += u64::from(stop.0 == "agent");
        }
    }
    println!("{turns} turns of agents; {live} stops, {of_agent} of them of the agent's voice; {same} the same");
    assert!(turns >= 12 && of_agent >= 4, "{turns} turns, {of_agent} stops of the agent");
    assert_eq!(same, live, "every stop is where it was");
    // Protected words hold in the agent's turns, too.
    let deaf = run(common::ahoy(shop.dir.path()).args([
        "replay",
        "barge",
        "--campaign",
        "c",
        "--json",
        "--protect-ms",
        "60000",
    ]));
    let sums: Value =
        serde_json::from_str(String::from_utf8(deaf.stdout).expect("UTF-8").lines().last().expect("sums"))
            .expect("JSON");
    assert_eq!((sums["sums"]["stops"].as_u64(), sums["sums"]["live_stops"].as_u64()), (Some(0), Some(live)), "{sums}");
}

#[test]
fn the_echo_says_back_what_it_hears_and_needs_no_provider() {
    let provider = Provider::start(Vendor::OpenAi(OpenAi::new()), vec![Act::Well]);
    let shop = shop(&provider, "callee_converses = 1.0", "[agent]\nkind = \"echo\"\n", 12);
    dial(&shop);
    assert!(provider.seen(0).is_empty());
    let talks = calls(&shop).iter().filter(|call| call["report"]["agent"]["turns"].as_u64() >= Some(2)).count();
    assert!(talks >= 2, "{talks}");
}

/// A turn of the emulator costs 0.4 cents by the table; the carrier's minutes are free here.
#[test]
fn a_cap_on_money_counts_what_the_agent_used_up_and_pauses_the_campaign() {
    let provider = Provider::start(Vendor::OpenAi(OpenAi::new()), vec![Act::Well]);
    let campaign = format!("{CAMPAIGN}[limits]\nspend = 0.03\n");
    let shop = shop(&provider, "callee_converses = 1.0", &campaign, 60);
    let file = shop.path("ahoy.toml");
    let text = std::fs::read_to_string(&file).expect("there");
    // Few at a time: what live calls will have cost is known at their end only.
    std::fs::write(&file, text.replace("max_live_calls = 40", "max_live_calls = 4")).expect("written");
    dial(&shop);
    let status = shop.status();
    assert_eq!(status["state"], "paused", "{status}");
    let report = run(shop.campaign(&["report", "c"]).arg("--json"));
    let report: Value = serde_json::from_slice(&report.stdout).expect("JSON");
    let agents = report["cost"]["agents"].as_i64().expect("a number");
    assert!((30_000..200_000).contains(&agents), "what four live calls cost comes on top: {agents}");
    assert!(report["attempts"].as_u64() < Some(40), "nobody was called any more: {}", report["attempts"]);
    let waited = &report["latencies"]["c"];
    assert!(waited["turn_gap_ms"]["p95"].as_u64().is_some() && waited["answer_to_audio_us"]["p99"].as_u64().is_some());
    let told: Value = {
        let only = ["calls", "latency", "--campaign", "c", "--json"];
        serde_json::from_slice(&run(common::ahoy(shop.dir.path()).args(only)).stdout).expect("JSON")
    };
    assert_eq!(told["campaigns"]["c"]["turn_gap_ms"], waited["turn_gap_ms"], "by logs and by the ledger's folders");
    // The page has the plot.
    let page = shop.path("report.html");
    assert_eq!(code(&run(shop.campaign(&["report", "c", "--html"]).arg(&page))), 0);
    let page = std::fs::read_to_string(page).expect("written");
    assert!(page.contains("Waiting, ms") && page.contains("turn → voice"), "the plot of latencies");
}

#[test]
fn an_agent_that_is_not_there_or_has_nothing_to_do_is_refused_with_its_line() {
    let provider = Provider::start(Vendor::OpenAi(OpenAi::new()), vec![Act::Well]);
    let shop = shop(&provider, "", "", 1);
    let file = shop.path("campaigns/c/campaign.toml");
    let text = std::fs::read_to_string(&file).expect("there");
    for (agent, words) in [
        ("kind = \"a9\"\nprompt = \"x\"", "no agent is named `a9`"),
        ("kind = \"a0\"", "has no prompt"),
        ("kind = \"a0\"\nprompt = \"{\"", "brace"),
        ("kind = \"a0\"\nprompt_file = \"../../ahoy.toml\"", "in the campaign's folder"),
        ("kind = \"a0\"\nprompt_file = \"none.md\"", "does not exist"),
        ("kind = \"a0\"\nprompt = \"x\"\nwait = \"5m\"", "[agent] wait"),
    ] {
        std::fs::write(&file, format!("{text}[agent]\n{agent}\n")).expect("written");
        let refused = run(shop.campaign(&["plan", "c"]).env("AHOY_TEST_AGENT", "sk-test-of-agents"));
        assert_eq!(code(&refused), 2, "{agent}");
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(told.contains(words) && told.contains("campaign.toml:"), "{agent}: {told}");
    }
    // No key, no campaign: before anybody is called.
    std::fs::write(&file, format!("{text}[agent]\nkind = \"a0\"\nprompt = \"x\"\n")).expect("written");
    run(common::ahoy(shop.dir.path()).args(["cache", "generate", "--quiet"]));
    let refused = run(shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"]).env_remove("AHOY_TEST_AGENT"));
    assert_eq!(code(&refused), 12);
}

#[test]
fn whoever_wants_a_person_is_connected_with_the_campaigns_number_by_key_or_by_the_agent() {
    let provider = Provider::start(Vendor::OpenAi(OpenAi::new()), vec![Act::Tool("transfer")]);
    let campaign = format!("{CAMPAIGN}[keys]\ntransfer = \"5\"\n[transfer]\nto = \"+442079460999\"\n");
    let shop = shop(&provider, "callee_converses = 1.0", &campaign, 60);
    dial(&shop);
    clean(&provider.seen(0));
    let calls = calls(&shop);
    let transferred: Vec<&Value> = calls.iter().filter(|call| call["report"]["cause"] == "transferred").collect();
    let asked = |agent: bool| transferred.iter().filter(|call| events(call, "transfer")[0]["agent"] == agent).count();
    assert!(asked(true) >= 3, "{} by the agent, {} by key", asked(true), asked(false));
    let dialed: std::collections::BTreeSet<String> = log(&shop)
        .into_iter()
        .filter(|line| matches!(&line.what, What::Verb { verb } if verb == "dial"))
        .map(|line| line.sid)
        .collect();
    for call in transferred {
        assert!(dialed.contains(call["report"]["sid"].as_str().expect("an id")), "the carrier connected them");
    }
}
