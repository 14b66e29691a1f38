//! A whole campaign over real sockets against the embedded carrier, judged by the carrier's log.

use crate::common::{self, Shop, Wish, code, read_log, run};

/// A thousand leads, fifty times faster than life.
#[test]
fn a_thousand_leads_are_called_once_each_within_rate_and_cap() {
    let shop = Shop::open(&Wish {
        carrier: "kind = \"sim\"\nseed = 11\nspeedup = 50\ncalls_per_second = 100\nmax_live_calls = 60",
        campaign: "",
        leads: 1_000,
    });
    let output = run(shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"]).arg("--json"));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    let ended = code(&output);
    assert!([0, 3].contains(&ended), "{ended}: {report}");
    let log = read_log(&shop.path("sim.jsonl"));
    let refused = report["outcomes"]["invalid"].as_u64().expect("some numbers are refused") as usize;
    assert_eq!(log.calls_per_phone().len() + refused, 1_000, "nobody was left out");
    assert_eq!(log.complaints.len(), refused, "the carrier refused those numbers and nothing else");
    assert!(log.calls_per_phone().values().all(|calls| *calls == 1), "nobody was rung twice");
    assert!(log.most_starts_in_a_second() <= 100, "{} in a second", log.most_starts_in_a_second());
    assert!(log.most_live() <= 60, "{} live", log.most_live());
    let status = shop.status();
    assert_eq!(status["leads"], 1_000);
    assert_eq!(status["held"], 0);
    assert_eq!(report["attempts"], 1_000);
    let answered = report["answered"].as_u64().expect("a number");
    let theirs = log.calls.iter().filter(|call| call.answered).count();
    assert_eq!(answered as usize, theirs, "our count and the carrier's");
    assert!(answered > 500, "{answered}");

    // Running it again rings nobody: everybody is done, or due later.
    let again = run(shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"]).arg("--json"));
    assert_eq!(code(&again), 0);
    assert_eq!(read_log(&shop.path("sim.jsonl")).calls.len() + refused, 1_000);
}

#[test]
fn a_suppressed_number_and_a_lead_without_consent_are_never_rung() {
    let shop = Shop::open(&Wish {
        carrier: "kind = \"sim\"\nspeedup = 100\ncalls_per_second = 100\nmax_live_calls = 20",
        campaign: "",
        leads: 6,
    });
    let campaign = shop.path("campaigns/c/campaign.toml");
    let text = std::fs::read_to_string(&campaign).expect("read").replace("\"service\"", "\"marketing\"");
    std::fs::write(&campaign, text).expect("written");
    std::fs::write(shop.path("more.csv"), "phone,consent\n+442079460900,\n+442079460901,form\n").expect("written");
    let import = |file: &str| {
        code(&run(common::ahoy(shop.dir.path())
            .args(["leads", "import"])
            .arg(shop.path(file))
            .args(["--campaign", "c"])))
    };
    assert_eq!(import("more.csv"), 0);
    let suppress =
        run(common::ahoy(shop.dir.path()).args(["leads", "suppress", "+442079460003", "--reason", "asked by mail"]));
    assert_eq!(code(&suppress), 0);
    assert!([0, 3].contains(&code(&run(shop.campaign(&["run", "c", "--yes", "--drain"]).arg("--json")))));
    let log = read_log(&shop.path("sim.jsonl"));
    let mut rung = log.calls_per_phone();
    for refused in &log.complaints {
        println!("{refused}");
    }
    assert!(!rung.contains_key("+442079460003"), "suppressed");
    assert!(!rung.contains_key("+442079460900"), "no consent");
    assert!(rung.contains_key("+442079460901"));
    rung.retain(|phone, _| *phone != "+442079460901");
    assert_eq!(rung.len() + log.complaints.len(), 5, "the others are rung, or refused by the carrier");
}

/// `ahoy campaign run … 2>&1 | head -3`: whoever read the words has gone, the calls go on.
#[test]
fn a_run_goes_on_when_nobody_reads_its_words() {
    let shop = Shop::open(&Wish {
        carrier: "kind = \"sim\"\nspeedup = 100\ncalls_per_second = 50\nmax_live_calls = 5",
        campaign: "",
        leads: 20,
    });
    let mut command = shop.campaign(&["run", "c", "--yes", "--drain"]);
    let mut child =
        command.stderr(std::process::Stdio::piped()).stdout(std::process::Stdio::null()).spawn().expect("it starts");
    drop(child.stderr.take());
    let code = child.wait().expect("it ends").code();
    assert!([Some(0), Some(3)].contains(&code), "{code:?}");
    assert_eq!(shop.status()["held"], 0);
}

#[test]
fn a_campaign_that_leaves_a_language_open_is_refused_before_anybody_is_called() {
    let shop = Shop::open(&Wish { carrier: "kind = \"sim\"\nspeedup = 100", campaign: "", leads: 1 });
    std::fs::write(shop.path("more.csv"), "phone,language\n+442079460901,fr\n").expect("written");
    let import = run(common::ahoy(shop.dir.path())
        .args(["leads", "import"])
        .arg(shop.path("more.csv"))
        .args(["--campaign", "c"]));
    assert_eq!(code(&import), 0);
    let refused = run(&mut shop.campaign(&["run", "c", "--yes", "--drain"]));
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(code(&refused), 2, "{words}");
    assert!(words.contains("campaign.toml:") && words.contains("`fr`") && words.contains("fallback"), "{words}");
    assert!(!shop.path("sim.jsonl").exists(), "no carrier was started");
}

#[test]
fn a_second_run_on_the_same_ledger_is_refused_by_name() {
    let shop = Shop::open(&Wish {
        carrier: "kind = \"sim\"\nspeedup = 1\ncalls_per_second = 1\nmax_live_calls = 2",
        campaign: "",
        leads: 30,
    });
    let mut first = shop.campaign(&["run", "c", "--yes", "--quiet"]).spawn().expect("it starts");
    let log = shop.path("sim.jsonl");
    while !log.exists() {
        assert!(first.try_wait().expect("asked").is_none(), "the first run goes on");
        std::thread::yield_now();
    }
    let second = run(&mut shop.campaign(&["run", "c", "--yes", "--quiet"]));
    assert_eq!(code(&second), 11);
    let words = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(words.contains(&first.id().to_string()), "names the holder: {words}");
    first.kill().expect("SIGKILL");
    first.wait().expect("reaped");
}

/// The greeting that names its lead is rendered ahead of the calls; who has none that is ready hears the plain one.
#[test]
fn leads_hear_their_name_where_it_was_rendered_and_the_plain_greeting_elsewhere() {
    let shop = Shop::open(&Wish {
        carrier: "kind = \"sim\"\nseed = 5\nspeedup = 50\ncalls_per_second = 50\nmax_live_calls = 10",
        campaign: "",
        leads: 2,
    });
    let book = "[greeting]\nen = \"Hello {who}, this is a test of the harbour line.\"\n\
                slots.who = { column = \"first_name\", most = 3 }\n";
    std::fs::write(shop.path("campaigns/c/phrases.toml"), book).expect("written");
    let import = |file: &str, rows: &str| {
        std::fs::write(shop.path(file), format!("name,phone,consent\n{rows}")).expect("written");
        let arguments = ["leads", "import", file, "--campaign", "c"];
        code(&run(common::ahoy(shop.dir.path()).current_dir(shop.dir.path()).args(arguments)))
    };
    let rows = "Anna Smith,+442079460100,form\nAnna Jones,+442079460101,form\nBoris,+442079460102,form\n\
                NULL,+442079460103,form\n<script>,+442079460104,form\n";
    assert_eq!(import("named.csv", rows), 0);
    let generate = run(common::ahoy(shop.dir.path()).args(["cache", "generate", "c", "--json"]));
    let report: serde_json::Value = serde_json::from_slice(&generate.stdout).expect("one JSON object");
    assert_eq!(
        (code(&generate), report["rendered"].as_u64()),
        (0, Some(3)),
        "Anna, Boris and Person, once each: {report}"
    );
    let lock = std::fs::read_to_string(shop.path("campaigns/c/assets.lock")).expect("a lock");
    assert!(!lock.contains("Anna"), "a lock is committed: nobody's name stands in it");
    assert_eq!(code(&run(common::ahoy(shop.dir.path()).args(["cache", "verify", "c"]))), 0);
    // Imported after the rendering: she hears the plain greeting.
    assert_eq!(import("late.csv", "Clara,+442079460105,form\n"), 0);
    let prune = run(common::ahoy(shop.dir.path()).args(["cache", "prune", "--yes", "--all", "--json"]));
    let pruned: serde_json::Value = serde_json::from_slice(&prune.stdout).expect("one JSON object");
    assert_eq!(pruned["removed"], 0, "a greeting that somebody will hear is not pruned");

    let output = run(shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"]).arg("--json"));
    assert!([0, 3].contains(&code(&output)));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!((report["attempts"].as_u64(), report["plain_greetings"].as_u64()), (Some(8), Some(3)), "{report}");
    let ledger = rusqlite::Connection::open(shop.path("ahoy.db")).expect("opens");
    let greeting = |name: &str| -> String {
        let sql = "SELECT a.greeting FROM attempt a JOIN lead l ON l.id = a.lead WHERE l.name = ?1";
        ledger.query_row(sql, [name], |row| row.get(0)).expect("one attempt")
    };
    let plain = greeting("NULL");
    assert_eq!(greeting("Person 0"), greeting("Person 1"), "the same first name");
    assert_eq!(greeting("Anna Smith"), greeting("Anna Jones"));
    assert_ne!(greeting("Anna Smith"), greeting("Boris"));
    for name in ["<script>", "Clara"] {
        assert_eq!(greeting(name), plain, "{name}");
    }
    for name in ["Anna Smith", "Boris"] {
        let fingerprint = greeting(name);
        let record = shop.path(&format!("cache/{}/{fingerprint}.json", &fingerprint[..2]));
        let text = std::fs::read_to_string(record).expect("its record");
        assert!(text.contains(&format!("Hello {}, this is", name.split(' ').next().expect("a word"))), "{text}");
    }
}

/// `on_missing = "render"`: the greeting is made before the first call; who answers before it is there hears the apology.
#[cfg(unix)]
#[test]
fn a_missing_greeting_is_rendered_in_the_run_and_nobody_hears_silence() {
    let shop = Shop::open(&Wish {
        carrier: "kind = \"sim\"\nseed = 7\nspeedup = 50\ncalls_per_second = 2\nmax_live_calls = 2",
        campaign: "",
        leads: 12,
    });
    let here = shop.dir.path().display().to_string();
    let campaign = shop.path("campaigns/c/campaign.toml");
    let ahoy = |arguments: &[&str]| run(common::ahoy(shop.dir.path()).args(arguments));
    let edit = |from: &str, to: &str| {
        let text = std::fs::read_to_string(&campaign).expect("read");
        assert!(text.contains(from), "{text}");
        std::fs::write(&campaign, text.replace(from, to)).expect("written");
    };
    edit("[greeting]\n", "[greeting]\non_missing = \"render\"\n");
    assert_eq!(code(&ahoy(&["cache", "generate", "c", "--quiet"])), 0);
    for key in ["greeting", "goodbye", "opt-out-confirmed", "apology"] {
        assert_eq!(code(&ahoy(&["cache", "play", "c", "--key", key, "--to", &format!("{here}/{key}.wav")])), 0);
    }
    // An engine that speaks with those voices, and takes its time for the greeting when it is told to.
    let script = format!(
        "text=$(cat); case $text in *harbour*) key=greeting; [ ! -f {here}/slow ] || sleep 7 ;; *removed*) \
         key=opt-out-confirmed ;; *sorry*) key=apology ;; *) key=goodbye ;; esac; cat {here}/$key.wav"
    );
    let config = std::fs::read_to_string(shop.path("ahoy.toml")).expect("read");
    let engine = format!("[engines.slow]\nkind = \"command\"\ncommand = [\"sh\", \"-c\", {script:?}]\n");
    std::fs::write(shop.path("ahoy.toml"), format!("{config}{engine}")).expect("written");
    edit("[hours]", "[voice]\nengine = \"slow\"\n[hours]");
    assert_eq!(code(&ahoy(&["cache", "generate", "c", "--quiet"])), 0);

    let remove_greeting = || {
        let lock = std::fs::read_to_string(shop.path("campaigns/c/assets.lock")).expect("a lock");
        let part = lock.split("[assets.greeting.en]").nth(1).expect("the greeting");
        let fingerprint = part.split("fingerprint = \"").nth(1).and_then(|rest| rest.get(..64)).expect("its name");
        std::fs::remove_file(shop.path(&format!("cache/{}/{fingerprint}.wav", &fingerprint[..2]))).expect("removed");
    };
    remove_greeting();
    let dial = |leads: &str| {
        let output =
            run(shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"]).args(["--where", leads]).arg("--json"));
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (code(&output), report)
    };
    let (first, second) = ("name != 'Person 1'", "name = 'Person 1'");
    edit("on_missing = \"render\"", "on_missing = \"refuse\"");
    assert_eq!(dial(second).0, 13, "refused is the default");
    edit("on_missing = \"refuse\"", "on_missing = \"render\"");
    let (ended, report) = dial(second);
    assert!([0, 3].contains(&ended), "{ended} {report}");
    assert_eq!((report["attempts"].as_u64(), report["late_greetings"].as_u64()), (Some(1), Some(0)), "{report}");
    assert_eq!(code(&ahoy(&["cache", "verify", "c"])), 0, "it is an asset like any other");

    remove_greeting();
    std::fs::write(shop.path("slow"), "").expect("written");
    let (ended, report) = dial(first);
    assert!([0, 3].contains(&ended), "{ended} {report}");
    assert_eq!(report["attempts"].as_u64(), Some(11), "{report}");
    let (answered, late) = (report["answered"].as_u64().expect("a count"), report["late_greetings"].as_u64());
    assert!(
        late.is_some_and(|late| late >= 1 && late < answered),
        "some before, the others after it was there: {report}"
    );
    assert_eq!(code(&ahoy(&["cache", "verify", "c"])), 0);
}
