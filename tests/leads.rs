//! `ahoy leads` as a person uses it: real files, a real ledger, the real program.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Stdio;

use ahoy::base::Wall;
use ahoy::store::ledger::{Ledger, OpenOptions};
use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

fn workspace() -> TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("ahoy.toml"), "").expect("written");
    let campaign = dir.path().join("campaigns/welcome");
    fs::create_dir_all(&campaign).expect("made");
    let text =
        "callers = [\"+15005550006\"]\ncountries = [\"BG\", \"FR\"]\n[greeting]\nen = \"Hello.\"\nfallback = \"en\"\n";
    fs::write(campaign.join("campaign.toml"), text).expect("written");
    dir
}

fn ahoy(dir: &Path, args: &[&str]) -> (i32, String, String) {
    let output = Command::cargo_bin("ahoy")
        .expect("the program")
        .current_dir(dir)
        .env_remove("AHOY_WORKSPACE")
        .args(args)
        .output()
        .expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().expect("an exit code"), text(output.stdout), text(output.stderr))
}

fn json(dir: &Path, args: &[&str]) -> Value {
    let (code, out, err) = ahoy(dir, &[args, &["--json"]].concat());
    assert_eq!(code, 0, "{err}");
    serde_json::from_str(&out).expect("one object")
}

const PEOPLE: &str = "\u{feff}Name;Телефон;Country;Ticket\n\
    Ана;0888 123 456;BG;T-1\n\
    Ana again;+359888123456;;T-2\n\
    Bad;12;BG;T-3\n\
    \"Zoé; la \"\"grande\"\"\";+33 1 99 00 12 34;;T-4\n\
    =cmd();nobody;BG;T-5\n";

#[test]
fn a_file_is_imported_once_and_its_bad_rows_are_kept_with_line_and_reason() {
    let dir = workspace();
    fs::write(dir.path().join("people.csv"), PEOPLE).expect("written");
    let plan = json(dir.path(), &["leads", "import", "people.csv", "--campaign", "welcome", "--dry-run"]);
    assert_eq!(
        (plan["added"].as_u64(), plan["duplicates"].as_u64(), plan["rejected"].as_u64()),
        (Some(2), Some(1), Some(2))
    );
    assert!(!dir.path().join("ahoy.db").exists() && !dir.path().join("people.rejected.csv").exists(), "a dry run");

    let first = json(dir.path(), &["leads", "import", "people.csv", "--campaign", "welcome"]);
    assert_eq!((first["rows"].as_u64(), first["added"].as_u64()), (Some(5), Some(2)));
    assert_eq!(first["rejects_file"], "people.rejected.csv");
    let rejected = fs::read_to_string(dir.path().join("people.rejected.csv")).expect("there");
    assert!(rejected.contains("T-3;4;") && rejected.contains("'=cmd()"), "{rejected}");

    let again = json(dir.path(), &["leads", "import", "people.csv", "--campaign", "welcome"]);
    assert_eq!((again["added"].as_u64(), again["already"].as_u64()), (Some(0), Some(3)));

    let (_, list, _) = ahoy(dir.path(), &["leads", "list", "--campaign", "welcome"]);
    assert!(list.contains("Zoé; la \"grande\"") && list.contains("+35…56"), "{list}");
    assert!(!list.contains("888123456"), "numbers are masked: {list}");
}

#[test]
fn a_suppressed_number_is_blocked_before_and_after_import() {
    let dir = workspace();
    fs::write(dir.path().join("people.csv"), "phone,name\n+359888123456,Ана\n+359888123457,Бо\n").expect("written");
    let added = json(dir.path(), &["leads", "suppress", "+359888123456", "--reason", "letter"]);
    assert_eq!(added["added"], true);
    let report = json(dir.path(), &["leads", "import", "people.csv", "--campaign", "welcome"]);
    assert_eq!(report["suppressed"].as_u64(), Some(1));
    json(dir.path(), &["leads", "suppress", "0888123457", "--country", "BG", "--reason", "letter"]);
    let (_, list, _) = ahoy(dir.path(), &["leads", "list", "--state", "blocked", "--json"]);
    assert_eq!(list.lines().count(), 2, "{list}");
    let (code, _, err) = ahoy(dir.path(), &["leads", "suppress", "0888", "--reason", "x"]);
    assert_eq!(code, 2, "{err}");
}

#[test]
fn bad_input_exits_2_says_what_to_do_and_writes_nothing() {
    let dir = workspace();
    fs::write(dir.path().join("nophone.csv"), "id,customer phone nr,city\n1,2,3\n").expect("written");
    fs::write(dir.path().join("nul.csv"), b"phone,name\n+359888123456,Ana\n+359888123457,a\0b\n").expect("written");
    fs::write(dir.path().join("empty.csv"), "").expect("written");
    for (args, says) in [
        (vec!["nophone.csv", "--campaign", "welcome"], "--map phone=\"customer phone nr\""),
        (vec!["nul.csv", "--campaign", "welcome"], "nul.csv:3"),
        (vec!["empty.csv", "--campaign", "welcome"], "empty"),
        (vec!["none.csv", "--campaign", "welcome"], "none.csv"),
        (vec!["nul.csv", "--campaign", "nope"], "welcome"),
        (vec!["nul.csv", "--campaign", "welcome", "--map", "fone=name"], "no field"),
        (vec!["nul.csv", "--campaign", "welcome", "--map", "phone=nmae"], "name"),
        (vec!["nul.csv", "--campaign", "../x"], "not a name"),
    ] {
        let (code, _, err) = ahoy(dir.path(), &[&["leads", "import"], args.as_slice()].concat());
        assert_eq!(code, 2, "{args:?}: {err}");
        assert!(err.contains(says), "{args:?}: {err}");
    }
    assert!(!dir.path().join("ahoy.db").exists(), "nothing is written");
}

/// Rows enough that an import takes a while.
fn many(rows: u32) -> String {
    let mut text = String::from("phone,name,plan\n");
    for row in 0..rows {
        writeln!(text, "+3598{:08},Person {row},plan {}", 70_000_000 + row, row % 5).expect("a string takes all");
    }
    text
}

fn lines(dir: &Path, args: &[&str]) -> Vec<Value> {
    let (code, out, err) = ahoy(dir, &[args, &["--json"]].concat());
    assert_eq!(code, 0, "{err}");
    out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn an_import_that_is_killed_goes_on_where_it_was_and_nobody_is_there_twice() {
    let dir = workspace();
    const ROWS: u32 = 30_000;
    fs::write(dir.path().join("people.csv"), many(ROWS)).expect("written");
    // Beside a dialing process every few thousand rows are committed.
    let options = OpenOptions::with_fresh_key(Wall(1_795_000_000_000));
    let mut ledger = Ledger::open(&dir.path().join("ahoy.db"), &options).expect("made");
    ledger.begin_dialing(1, options.now).expect("begun");
    drop(ledger);
    let mut resumed = 0;
    for kill in 0..6 {
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_ahoy"))
            .current_dir(dir.path())
            .args(["leads", "import", "people.csv", "--campaign", "welcome"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        // Not before the ledger has some rows more than at the last time: then it dies in the middle of a portion.
        let target = u64::from(ROWS) * (kill + 1) / 10;
        loop {
            let rows = lines_or_none(dir.path()).map_or(0, |line| line["rows"].as_u64().expect("a number"));
            if rows >= target || child.try_wait().expect("waited").is_some() {
                break;
            }
            std::thread::yield_now();
        }
        child.kill().expect("killed");
        child.wait().expect("gone");
        let line = lines_or_none(dir.path()).expect("an import");
        resumed += u32::from(line["state"] == "open");
    }
    assert!(resumed >= 3, "{resumed}: most kills must hit an import under way");
    let report = json(dir.path(), &["leads", "import", "people.csv", "--campaign", "welcome"]);
    assert_eq!(report["added"].as_u64().unwrap_or(0) + report["already"].as_u64().unwrap_or(0), u64::from(ROWS));
    let imports = lines(dir.path(), &["leads", "imports"]);
    let state = imports[0]["state"].as_str();
    assert_eq!(state, Some("done"));
    let all = ahoy(dir.path(), &["leads", "export", "--format", "jsonl"]).1;
    let mut phones: Vec<String> = all
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["phone"].as_str().expect("a number").to_owned())
        .collect();
    phones.sort();
    phones.dedup();
    assert_eq!((phones.len(), all.lines().count()), (ROWS as usize, ROWS as usize));
}

/// The newest import, if there is a ledger that can be read.
fn lines_or_none(dir: &Path) -> Option<Value> {
    let (code, out, _) = ahoy(dir, &["leads", "imports", "--limit", "1", "--json"]);
    if code != 0 { None } else { out.lines().next().and_then(|line| serde_json::from_str(line).ok()) }
}

#[test]
fn an_import_is_taken_back_and_what_was_tagged_is_found() {
    let dir = workspace();
    fs::write(dir.path().join("a.csv"), "phone,name,tags\n+359888123456,Ana,vip\n+359888123457,Bo,\n")
        .expect("written");
    let report = json(dir.path(), &["leads", "import", "a.csv", "--campaign", "welcome", "--tag", "autumn"]);
    assert_eq!(report["encoding"], "utf-8 (detected)");
    assert_eq!(report["mapping"][0][1], "phone");
    let found = lines(dir.path(), &["leads", "list", "--where", "tag = 'vip' and tag = 'autumn'"]);
    assert_eq!((found.len(), found[0]["name"].as_str()), (1, Some("Ana")));
    json(dir.path(), &["leads", "tag", "spring", "--where", "name = 'Bo'"]);
    assert_eq!(lines(dir.path(), &["leads", "list", "--where", "tag = 'spring'"]).len(), 1);
    let (code, _, err) = ahoy(dir.path(), &["leads", "list", "--where", "contry = 'BG'"]);
    assert!(code == 2 && err.contains("character 1") && err.contains("country"), "{err}");
    let number = report["import"].as_i64().expect("a number").to_string();
    let plan = json(dir.path(), &["leads", "undo", &number, "--dry-run"]);
    assert_eq!((plan["removed"].as_u64(), plan["dry_run"].as_bool()), (Some(2), Some(true)));
    let (code, _, err) = ahoy(dir.path(), &["leads", "undo", &number]);
    assert!(code == 2 && err.contains("--yes"), "nobody to ask: {err}");
    json(dir.path(), &["leads", "undo", &number, "--yes"]);
    assert!(lines(dir.path(), &["leads", "list"]).is_empty());
    let (code, _, err) = ahoy(dir.path(), &["leads", "undo", &number, "--yes"]);
    assert!(code == 2 && err.contains("undone before"), "{err}");
}

#[test]
fn refused_rows_are_mended_in_their_file_and_imported_from_there() {
    let dir = workspace();
    fs::write(dir.path().join("p.csv"), "phone,name,note\n+359888123456,Ana,\n3.59889E+11,Bo,=x\n").expect("written");
    json(dir.path(), &["leads", "import", "p.csv", "--campaign", "welcome"]);
    let rejected = fs::read_to_string(dir.path().join("p.rejected.csv")).expect("there");
    assert!(rejected.contains("rejected_line") && rejected.contains("scientific"), "{rejected}");
    fs::write(dir.path().join("p.rejected.csv"), rejected.replace("3.59889E+11", "+359888123457")).expect("written");
    let report = json(dir.path(), &["leads", "import", "p.rejected.csv", "--campaign", "welcome"]);
    assert_eq!((report["added"].as_u64(), report["rejected"].as_u64()), (Some(1), Some(0)));
    let variables: Vec<&str> =
        report["variables"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    assert_eq!(variables, ["note"], "the columns that ahoy added are no news");
    let bo = json(dir.path(), &["leads", "show", "+359888123457"]);
    assert_eq!(bo["variables"]["note"], "=x", "its apostrophe is gone again");
}

#[test]
fn a_person_who_is_forgotten_is_gone_from_every_byte_and_never_called_again() {
    let dir = workspace();
    let text = "phone,name,mobile,ticket\n+359888123456,Desislava Unusual,+359888999111,TICKET-XYZ\n";
    fs::write(dir.path().join("p.csv"), text).expect("written");
    json(dir.path(), &["leads", "import", "p.csv", "--campaign", "welcome"]);
    let page = json(dir.path(), &["leads", "show", "0888123456", "--country", "BG"]);
    assert_eq!((page["name"].as_str(), page["kind"].as_str()), (Some("Desislava Unusual"), Some("mobile")));
    assert!(page["may_be_called_now"] == false && page["why"].as_str().is_some_and(|why| why.contains("consent")));
    let bytes_of = |name: &str| fs::read(dir.path().join(name)).unwrap_or_default();
    let holds = |words: &str| {
        ["ahoy.db", "ahoy.db-wal"]
            .iter()
            .any(|file| bytes_of(file).windows(words.len()).any(|part| part == words.as_bytes()))
    };
    assert!(holds("Desislava") && holds("888999111"));
    let (code, _, err) = ahoy(dir.path(), &["leads", "forget", "+359888999111"]);
    assert!(code == 2 && err.contains("--yes"), "{err}");
    json(dir.path(), &["leads", "forget", "+359888999111", "--yes"]);
    for words in ["Desislava", "888123456", "888999111", "TICKET-XYZ"] {
        assert!(!holds(words), "{words} is still in the file");
    }
    let again = json(dir.path(), &["leads", "import", "p.csv", "--campaign", "welcome"]);
    assert_eq!((again["added"].as_u64(), again["suppressed"].as_u64()), (Some(1), Some(1)), "blocked at once");
    let left = lines(dir.path(), &["leads", "list"]);
    assert_eq!(left.len(), 2);
    assert!(left[0]["name"].is_null() && left[0]["phone"] == "+00…01", "{:?}", left[0]);
}

#[test]
fn what_a_number_is_can_be_asked() {
    let dir = workspace();
    let (code, out, _) =
        ahoy(dir.path(), &["leads", "number", "+359 888 123 456", "+442079460018", "12/05/1990", "--json"]);
    let told: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(code, 3, "one is no number");
    assert_eq!((told[0]["e164"].as_str(), told[0]["kind"].as_str()), (Some("+359888123456"), Some("mobile")));
    assert_eq!((told[1]["country"].as_str(), told[1]["zones"][0].as_str()), (Some("GB"), Some("Europe/London")));
    assert_eq!(told[2]["fault"], "phone_date");
}

#[test]
fn a_campaign_calls_its_segment_only() {
    let dir = workspace();
    let path = dir.path().join("campaigns/welcome/campaign.toml");
    let campaign = "purpose = \"service\"\ncallers = [\"+15005550006\"]\ncountries = [\"BG\"]\nwhere = \"tag = 'vip'\"\n\
        [greeting]\nen = \"Hello.\"\nfallback = \"en\"\n[hours]\nany = true\n";
    fs::write(&path, campaign).expect("written");
    let people = "phone,name,tags\n+359888123456,Ana,vip\n+359888123457,Bo,vip\n+359888123458,Vo,\n";
    fs::write(dir.path().join("p.csv"), people).expect("written");
    json(dir.path(), &["leads", "import", "p.csv", "--campaign", "welcome"]);
    let callable = |args: &[&str]| {
        let plan = json(dir.path(), &[&["campaign", "plan", "welcome"], args].concat());
        plan["call_now"].as_object().expect("by language").values().filter_map(Value::as_u64).sum::<u64>()
    };
    assert_eq!(callable(&[]), 2, "where in campaign.toml");
    assert_eq!(callable(&["--where", "name = 'Ana'"]), 1, "narrowed by the command line");
    let (code, _, err) = ahoy(dir.path(), &["campaign", "plan", "welcome", "--where", "tag ="]);
    assert!(code == 2 && err.contains("character"), "{err}");
    let (code, _, err) =
        ahoy(dir.path(), &["campaign", "run", "welcome", "--drain", "--where", "name = 'Ana'", "--json"]);
    assert_eq!(code, 13, "no greeting is rendered here, and nobody was called: {err}");
    fs::write(&path, campaign.replace("tag = 'vip'", "tg = 'vip'")).expect("written");
    let (code, _, err) = ahoy(dir.path(), &["campaign", "plan", "welcome"]);
    assert!(code == 2 && err.contains("campaign.toml:4") && err.contains("no field `tg`"), "{err}");
}

#[test]
fn a_source_is_read_again_as_it_was_saved() {
    let dir = workspace();
    fs::write(dir.path().join("a.csv"), "Wer;Handy;Telefon\nAna;0888123456;0888123457\n").expect("written");
    let args =
        ["leads", "import", "a.csv", "--campaign", "welcome", "--country", "BG", "--map", "phone=Handy,name=Wer"];
    let first = json(dir.path(), &[&args[..], &["--tag", "crm", "--save-mapping", "crm"]].concat());
    assert_eq!(first["added"].as_u64(), Some(1));
    fs::write(dir.path().join("b.csv"), "Wer;Telefon;Handy\nBo;0888123459;0888123458\n").expect("written");
    let second = json(dir.path(), &["leads", "import", "b.csv", "--campaign", "welcome", "--mapping", "crm"]);
    assert_eq!((second["added"].as_u64(), second["rejected"].as_u64()), (Some(1), Some(0)));
    let bo = json(dir.path(), &["leads", "show", "+359888123458"]);
    assert_eq!((bo["name"].as_str(), bo["tags"][0].as_str()), (Some("Bo"), Some("crm")), "by column, not by word");
    let (code, _, err) = ahoy(dir.path(), &["leads", "import", "b.csv", "--campaign", "welcome", "--mapping", "other"]);
    assert!(code == 2 && err.contains("--save-mapping"), "{err}");
}
