//! `ahoy calls` over call folders, running, ended and cut.

use assert_cmd::Command;

fn workspace() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("ahoy.toml"), "").expect("written");
    for (day, id, events) in [
        ("2026/11/20", "0192d3a4-0000-7000-8000-000000000001", OLD),
        ("2026/11/21", "0192d3a5-0000-7000-8000-000000000002", NEW),
    ] {
        let folder = dir.path().join("calls").join(day).join(id);
        std::fs::create_dir_all(&folder).expect("made");
        std::fs::write(folder.join("events.jsonl"), events).expect("written");
    }
    dir
}

const OLD: &str = r#"{"ms":0,"media_ms":0,"event":"start","sid":"CA1","wall":"2026-11-20T10:00:00.000Z"}
{"ms":0,"media_ms":0,"event":"first_audio","us":412}
{"ms":900,"media_ms":900,"event":"barge_in","onset_ms":800}
{"ms":2000,"media_ms":2000,"event":"end","cause":"hung_up"}
"#;
const NEW: &str = r#"{"ms":0,"media_ms":0,"event":"start","sid":null,"wall":"2026-11-21T10:00:00.000Z"}
{"ms":0,"media_ms":0,"event":"first_audio","us":88}
{"ms":1,"media_ms":0,"event":"dtmf","key":"9"}
{"ms":2,"media_ms":0,"eve"#;

fn ahoy(dir: &tempfile::TempDir, args: &[&str]) -> (String, i32) {
    let mut command = Command::cargo_bin("ahoy").expect("the program");
    let output = command.arg("calls").args(args).arg("--workspace").arg(dir.path()).output().expect("it ran");
    (String::from_utf8(output.stdout).expect("UTF-8"), output.status.code().expect("an exit"))
}

#[test]
fn the_newest_call_is_listed_first_and_a_cut_one_is_still_listed() {
    let dir = workspace();
    let (text, exit) = ahoy(&dir, &["list"]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((exit, lines.len()), (0, 3), "{text}");
    assert!(lines[1].contains("0192d3a5") && lines[1].contains("running or cut"), "{text}");
    assert!(lines[2].contains("hung_up") && lines[2].contains("0.412"), "{text}");
    assert_eq!(ahoy(&dir, &["list", "--limit", "1", "--json"]).0.lines().count(), 1);
}

#[test]
fn one_call_is_shown_by_the_beginning_of_its_id() {
    let dir = workspace();
    let (text, exit) = ahoy(&dir, &["show", "0192d3a4"]);
    assert!(exit == 0 && text.contains("silent 100 ms after") && text.contains("recording   none"), "{text}");
    assert_eq!(ahoy(&dir, &["show", "0192"]).1, 2, "two calls begin so");
    assert_eq!(ahoy(&dir, &["show", "ffff"]).1, 2);
    let (text, _) = ahoy(&dir, &["tail"]);
    assert!(text.lines().count() == 3 && text.contains("dtmf"), "the newest: {text}");
}

#[test]
fn latency_counts_the_calls_since_a_day() {
    let dir = workspace();
    let all: serde_json::Value = serde_json::from_str(&ahoy(&dir, &["latency", "--json"]).0).expect("JSON");
    assert_eq!((all["first_audio_us"]["max"].as_u64(), all["barge_in_ms"]["p50"].as_u64()), (Some(412), Some(100)));
    let (text, _) = ahoy(&dir, &["latency", "--json", "--since", "2026-11-21"]);
    let new: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((new["first_audio_us"]["count"].as_u64(), new["barge_in_ms"].is_null()), (Some(1), true));
}
