//! `ahoy leads` as a person uses it: real files, a real ledger, the real program.

use std::fs;
use std::path::Path;

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
