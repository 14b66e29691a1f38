//! Transcripts and summaries: by programs here, so that their words can be known beforehand.

use std::fs;

use ahoy::core::dial::Outcome;
use ahoy::store::ledger::{CallFilter, CallRow, Ledger};
use serde_json::Value;

use crate::common::process::{spawn, until};
use crate::common::{Shop, Sim, Wish, ahoy, carrier_at, code, run};

const CAMPAIGN: &str = "[transcript]\nengine = \"ear\"\n[summary]\nengine = \"mind\"\noutcomes = [\"sold\", \"other\"]\n[caps]\ngap = \"0s\"\n";
/// Says how many bytes of sound it got.
const EAR: &str = "printf 'heard %s in {language}' $(wc -c)";
const MIND: &str = r#"printf '{"outcome":"sold","next_step":"send the papers","text":"It went well."}'"#;

/// The programs, as `ahoy.toml` has them. Each summarizer keeps its input in a file of its own under `mind`: several
/// run at once.
fn pens(shop: &Shop, ear: &str, mind: &str) {
    let file = shop.path("ahoy.toml");
    let text = fs::read_to_string(&file).expect("there");
    let own = text.split("[transcribers.").next().expect("one part").trim_end().to_owned();
    let kept = shop.path("mind");
    fs::create_dir_all(&kept).expect("a folder");
    let pens = format!(
        "{own}\n[transcribers.ear]\nkind = \"command\"\ncommand = [\"sh\", \"-c\", '''{ear}''']\nconcurrency = 4\n\
         [summarizers.mind]\nkind = \"command\"\ncommand = [\"sh\", \"-c\", '''cat > {}/$$.json; {mind}''']\n",
        kept.display()
    );
    fs::write(file, pens).expect("written");
}

/// A workspace whose campaign wants its calls written down.
fn shop(carrier: &str, leads: usize, ear: &str, mind: &str) -> Shop {
    let shop = Shop::open(&Wish { carrier, campaign: "", leads });
    pens(&shop, ear, mind);
    let file = shop.path("campaigns/c/campaign.toml");
    let text = fs::read_to_string(&file).expect("there");
    fs::write(file, format!("{text}{CAMPAIGN}")).expect("written");
    shop
}

fn embedded() -> &'static str {
    "kind = \"sim\"\nseed = 5\nspeedup = 5\ncalls_per_second = 50\nmax_live_calls = 40"
}

fn answered(shop: &Shop) -> Vec<CallRow> {
    let ledger = Ledger::open_read_only(&shop.path("ahoy.db")).expect("readable");
    let calls = ledger.calls(&CallFilter::default()).expect("read");
    calls.into_iter().filter(|call| matches!(call.outcome, Some(Outcome::Answered | Outcome::OptedOut))).collect()
}

fn fetch(shop: &Shop, arguments: &[&str]) -> (i32, Option<Value>) {
    let output = run(ahoy(shop.dir.path()).args(["calls", "fetch", "--json"]).args(arguments));
    let text = String::from_utf8(output.stdout.clone()).expect("UTF-8");
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    (code(&output), lines.into_iter().find(|line| line["campaign"] == "c"))
}

fn page(shop: &Shop, lead: i64) -> Value {
    let shown = run(ahoy(shop.dir.path()).args(["leads", "show", &lead.to_string(), "--json"]));
    serde_json::from_slice(&shown.stdout).expect("JSON")
}

fn happened(page: &Value, call: &CallRow) -> Value {
    let timeline = page["timeline"].as_array().expect("a timeline");
    timeline.iter().find(|it| it["attempt"] == call.call.to_string()).expect("the call's attempt").clone()
}

#[test]
fn every_answered_call_is_written_down_leg_by_leg_and_summed_up_on_its_lead() {
    let shop = shop(embedded(), 30, EAR, MIND);
    let ended = code(&run(&mut shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"])));
    assert!([0, 3].contains(&ended), "{ended}");
    fetch(&shop, &["--wait", "60s"]);
    let calls = answered(&shop);
    assert!(calls.len() >= 8, "{}", calls.len());
    let mut both = 0;
    for call in &calls {
        let it = happened(&page(&shop, call.lead.0), call);
        let said: Vec<Value> =
            serde_json::from_slice(&fs::read(it["transcript"].as_str().expect("a path")).expect("there"))
                .expect("JSON");
        assert!(said.iter().any(|it| it["ours"] == true), "the greeting is ours");
        assert!(said.iter().all(|it| it["text"].as_str().is_some_and(|text| text.ends_with(" in en"))), "{said:?}");
        let places: Vec<u64> = said.iter().filter_map(|it| it["at_ms"].as_u64()).collect();
        assert!(places.is_sorted(), "{places:?}");
        if said.iter().any(|it| it["ours"] == false) {
            both += 1;
            assert_eq!(
                (it["said_outcome"].as_str(), it["next_step"].as_str()),
                (Some("sold"), Some("send the papers"))
            );
            assert_eq!(it["tasks"], serde_json::json!([]));
        } else {
            let why = it["tasks"][0][2].as_str().expect("a reason");
            assert!(why.contains("nobody wrote down"), "{why}");
        }
    }
    assert!(both >= 4, "{both}");
    // Machines and busy lines cost nothing.
    let asked: Vec<_> = fs::read_dir(shop.path("mind")).expect("kept").map(|it| it.expect("an entry").path()).collect();
    assert_eq!(asked.len(), both);
    for asked in asked {
        let one: Value = serde_json::from_slice(&fs::read(asked).expect("kept")).expect("JSON");
        assert!(one["instructions"].as_str().is_some_and(|told| told.contains("never to be followed")));
        let said = one["material"]["said"].as_array().expect("what was said");
        // Some say hello before us.
        let has = |who: &str| said.iter().any(|it| it["who"] == who);
        assert!(has("us") && has("them"), "{one}");
    }
}

#[test]
fn a_kill_at_any_moment_loses_no_transcript_and_no_summary() {
    let folder = tempfile::tempdir().expect("a folder");
    let sim = Sim::start(folder.path(), &["--seed", "5", "--speedup", "5", "--calls-per-second", "50"]);
    let carrier = carrier_at(&sim.base_url, "calls_per_second = 50\nmax_live_calls = 40\nrelease_horizon = \"2s\"");
    // An ear that is so slow that every kill interrupts it.
    let shop = shop(&carrier, 30, "sleep 3; printf late", MIND);
    let marks = |what: &str| {
        let ledger = Ledger::open_read_only(&shop.path("ahoy.db")).expect("readable");
        let calls = ledger.calls(&CallFilter::default()).expect("read");
        calls
            .iter()
            .flat_map(|call| ledger.tasks_of(call.call).expect("read"))
            .filter(|task| task.state == what)
            .count()
    };
    for wanted in [1, 3, 6] {
        let child = spawn(&mut shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"]));
        let pid = child.id();
        until("some calls wait to be written down", || marks("waiting") >= 2 * wanted || marks("done") > 0);
        crate::common::process::signal(pid, "KILL");
        let mut child = child;
        child.wait().expect("reaped");
    }
    pens(&shop, EAR, MIND);
    for _ in 0..4 {
        let last = code(&run(&mut shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"])));
        if last == 0 || last == 3 {
            break;
        }
    }
    // Folders of calls whose process died are looked for a minute after their end.
    let (_, report) = fetch(&shop, &["--wait", "90s"]);
    assert_eq!(marks("waiting"), 0, "{report:?}");
    let calls = answered(&shop);
    assert!(calls.len() >= 8, "{}", calls.len());
    for call in &calls {
        let it = happened(&page(&shop, call.lead.0), call);
        let missing: Vec<&str> =
            it["tasks"].as_array().expect("a list").iter().filter_map(|task| task[2].as_str()).collect();
        assert!(it["transcript"].is_string() || missing.iter().any(|why| why.contains("no recording")), "{it}");
        assert!(it["said_outcome"] == "sold" || !missing.is_empty(), "{it}");
    }
    let written =
        calls.iter().filter(|call| happened(&page(&shop, call.lead.0), call)["said_outcome"] == "sold").count();
    assert!(written >= 4, "{written}");
}

#[test]
fn what_cannot_be_written_is_tried_to_a_limit_and_missing_with_its_reason_on_the_lead() {
    let shop = shop(embedded(), 12, EAR, "echo They will call back.");
    let ended = code(&run(&mut shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"])));
    assert!([0, 3].contains(&ended), "{ended}");
    let mut last = (0, None);
    for _ in 0..6 {
        last = fetch(&shop, &[]);
        if last.1.is_none() {
            break;
        }
    }
    let lost: Vec<Value> = answered(&shop)
        .iter()
        .flat_map(|call| happened(&page(&shop, call.lead.0), call)["tasks"].as_array().expect("a list").clone())
        .filter(|task| task[2].as_str().is_some_and(|why| why.contains("mind: no summary")))
        .collect();
    assert!(!lost.is_empty(), "{last:?}");
    for task in &lost {
        assert_eq!((task[0].as_str(), task[1].as_str()), (Some("summary"), Some("missing")), "{task}");
        assert!(task[2].as_str().expect("words").starts_with("given up after 6 tries"), "{task}");
    }
    let call = &answered(&shop)[0];
    let shown = run(ahoy(shop.dir.path()).args(["leads", "show", &call.lead.0.to_string()]));
    assert!(String::from_utf8_lossy(&shown.stdout).contains("transcript "), "its transcript is there all the same");
}

#[test]
fn a_folder_of_no_call_and_a_name_of_no_engine_are_told() {
    let shop = shop(embedded(), 1, EAR, MIND);
    fs::create_dir_all(shop.path("calls/2026/11/02/0192d3a4-0000-7000-8000-000000000001")).expect("made");
    let listed = run(ahoy(shop.dir.path()).args(["calls", "list", "--unknown", "--json"]));
    let told: Value = serde_json::from_slice(&listed.stdout).expect("one line");
    assert_eq!((told["kind"].as_str(), told["why"].as_str()), (Some("folder"), Some("unknown_call")));
    let file = shop.path("campaigns/c/campaign.toml");
    let text = fs::read_to_string(&file).expect("there");
    for (from, to, words) in [
        ("engine = \"ear\"", "engine = \"nose\"", "no transcriber is named `nose`"),
        ("engine = \"mind\"", "engine = \"belly\"", "no summarizer is named `belly`"),
        ("[\"sold\", \"other\"]", "[\"sold\"]", "[summary] outcomes"),
    ] {
        fs::write(&file, text.replace(from, to)).expect("written");
        let refused = run(shop.campaign(&["plan", "c"]).env("X", "1"));
        assert_eq!(code(&refused), 2, "{to}");
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(told.contains(words) && told.contains("campaign.toml:"), "{told}");
    }
}
