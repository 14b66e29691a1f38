//! The cache as people, cron and CI use it: the real program, real files, engines of kind `command`.
//!
//! The engine is a shell script that appends a line to a log for every call, so that engine calls are counted where
//! they happen, and answers with a WAV (or with what the test wants it to answer).
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A workspace with one campaign `hello` whose engine is a script.
struct House {
    dir: tempfile::TempDir,
}

/// 16-bit mono 16 kHz speech-like sound: tone in syllables, about `ms` long, calm at both ends.
fn voice(ms: u32) -> Vec<u8> {
    let count = ms * 16;
    let samples: Vec<i16> = (0..count + 4_800)
        .map(|n| {
            let at = (n + 1_600) % 3_200;
            let on = (1_600..count - 1_600).contains(&n) && at < 2_400;
            let wave = f64::sin(f64::from(n) * 0.11) + f64::sin(f64::from(n) * 0.031);
            let swell = f64::sin(f64::from(at) / 2_400.0 * std::f64::consts::PI);
            if on { (wave * swell * 5_000.0) as i16 } else { 0 }
        })
        .collect();
    let mut bytes = Vec::new();
    let size = u32::try_from(samples.len() * 2).expect("small");
    bytes.extend(b"RIFF");
    bytes.extend((36 + size).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    bytes.extend(16_000u32.to_le_bytes());
    bytes.extend(32_000u32.to_le_bytes());
    bytes.extend(b"\x02\0\x10\0data");
    bytes.extend(size.to_le_bytes());
    bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    bytes
}

const GREETING: &str = "Hello, this is a test of the voice of this house.";

impl House {
    fn new() -> House {
        let house = House { dir: tempfile::tempdir().expect("a temp folder") };
        fs::create_dir_all(house.path("campaigns/hello")).expect("folders");
        house.engine("cat > /dev/null; sleep 0.2; cat \"$voice\"");
        fs::write(house.path("voice.wav"), voice(3_000)).expect("writable");
        let engine = house.path("engine.sh");
        let config =
            format!("[engines.test]\nkind = \"command\"\ncommand = [{:?}]\nversion = \"1\"\n", engine.display());
        fs::write(house.path("ahoy.toml"), config).expect("writable");
        house.greeting(GREETING);
        house
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The script's work after it has logged the call.
    fn engine(&self, work: &str) {
        let here = self.dir.path().display();
        // Each text has a sound of its own, as with any engine: the length of the text is written into a pause.
        let own = "text=$(cat); voice=\"$here/voice-${#text}.wav\"\n\
                   { head -c 8844 \"$here/voice.wav\"; printf \"\\\\$(printf %03o $((${#text} % 150 + 20)))\\\\0\"; \
                   tail -c +8847 \"$here/voice.wav\"; } > \"$voice.$$\"; mv \"$voice.$$\" \"$voice\"";
        let script = format!("#!/bin/sh\nhere='{here}'\necho call >> \"$here/calls.log\"\n{own}\n{work}\n");
        let next = self.path("engine.next");
        fs::write(&next, script).expect("writable");
        fs::set_permissions(&next, fs::Permissions::from_mode(0o755)).expect("chmod");
        fs::rename(&next, self.path("engine.sh")).expect("rename");
    }

    fn greeting(&self, text: &str) {
        let campaign =
            format!("callers = [\"+15005550006\"]\n[greeting]\nen = \"{text}\"\n[voice]\nengine = \"test\"\n");
        fs::write(self.path("campaigns/hello/campaign.toml"), campaign).expect("writable");
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ahoy"));
        command.arg("--workspace").arg(self.dir.path()).arg("cache").args(args).stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> (i32, String, String) {
        told(&self.command(args).output().expect("the program runs"))
    }

    fn calls(&self) -> usize {
        fs::read_to_string(self.path("calls.log")).map_or(0, |log| log.lines().count())
    }

    fn wavs(&self) -> Vec<PathBuf> {
        found(&self.path("cache"), "wav")
    }

    fn lock(&self) -> String {
        fs::read_to_string(self.path("campaigns/hello/assets.lock")).expect("a lock")
    }
}

fn told(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// All files below a folder with this extension (temp files have `tmp`).
fn found(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().map(|entry| entry.expect("readable").path()) {
        if entry.is_dir() {
            all.extend(found(&entry, extension));
        } else if entry.extension().is_some_and(|it| it == extension) {
            all.push(entry);
        }
    }
    all.sort();
    all
}

fn last_json(stdout: &str) -> Value {
    serde_json::from_str(stdout.lines().last().expect("a line")).expect("JSON")
}

#[test]
fn generating_twice_renders_nothing_the_second_time() {
    let house = House::new();
    let (code, out, err) = house.run(&["generate", "--json"]);
    assert_eq!(code, 0, "{out}{err}");
    let report = last_json(&out);
    // Greeting, opt-out confirmation, goodbye.
    assert_eq!((report["rendered"].as_u64(), report["engine_calls"].as_u64()), (Some(3), Some(3)), "{out}");
    assert_eq!((house.calls(), house.wavs().len()), (3, 3));
    let lock = house.lock();
    let (code, out, err) = house.run(&["generate"]);
    assert_eq!((code, out.as_str(), err.as_str()), (0, "nothing to do: 3 phrases are on the shelf\n", ""), "one line");
    assert_eq!(house.run(&["generate", "--quiet"]), (0, String::new(), String::new()), "cron hears nothing");
    let (code, out, _) = house.run(&["generate", "--json"]);
    let report = last_json(&out);
    assert_eq!((code, house.calls(), report["rendered"].as_u64(), report["kept"].as_u64()), (0, 3, Some(0), Some(3)));
    assert_eq!((house.lock(), report["locks_written"].as_u64()), (lock, Some(0)));
    assert_eq!(house.run(&["verify"]).0, 0);
    assert!(found(&house.path("cache"), "tmp").is_empty() && found(&house.path("cache"), "lock").is_empty());
}

#[test]
fn two_processes_at_once_render_each_phrase_once() {
    let house = House::new();
    let start = || house.command(&["generate", "--json"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let both = [start().expect("runs"), start().expect("runs")];
    let mut rendered = 0;
    for child in both {
        let (code, out, err) = told(&child.wait_with_output().expect("ends"));
        assert_eq!(code, 0, "{out}{err}");
        rendered += last_json(&out)["rendered"].as_u64().expect("a count");
    }
    assert_eq!((house.calls(), rendered), (3, 3));
    let (code, out, err) = house.run(&["verify"]);
    assert_eq!(code, 0, "{out}{err}");
}

#[test]
fn a_killed_generation_leaves_nothing_half_and_the_next_one_resumes() {
    let house = House::new();
    // The third call blocks until it is killed. Who is third is settled by mkdir, since calls run side by side.
    house.engine(
        "cat > /dev/null; n=1; while ! mkdir \"$here/turn$n\" 2> /dev/null; do n=$((n + 1)); done\n\
         if [ $n -eq 3 ]; then echo $$ > \"$here/stuck\"; exec sleep 60; fi; cat \"$voice\"",
    );
    let mut child = house.command(&["generate"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("runs");
    let start = std::time::Instant::now();
    while !house.path("stuck").exists() || house.wavs().len() < 2 {
        assert!(start.elapsed().as_secs() < 30, "the engine was never reached");
        std::thread::yield_now();
    }
    child.kill().expect("SIGKILL");
    child.wait().expect("dead");
    let stuck = fs::read_to_string(house.path("stuck")).expect("a pid");
    let _gone = Command::new("kill").arg(stuck.trim()).status().expect("kill runs");
    assert_eq!(house.run(&["verify"]).0, 13, "nothing is locked yet");
    house.engine("cat > /dev/null; cat \"$voice\"");
    let before = house.calls();
    let (code, out, err) = house.run(&["generate", "--json"]);
    assert_eq!(code, 0, "{out}{err}");
    let whole_at_kill = 3 - (house.calls() - before);
    assert!(whole_at_kill >= 1, "what was whole is not rendered again");
    assert_eq!(house.run(&["verify"]).0, 0);
    assert!(found(&house.path("cache"), "tmp").is_empty());
}

#[test]
fn verify_finds_a_damaged_byte_a_changed_text_and_a_removed_file() {
    let house = House::new();
    assert_eq!(house.run(&["verify"]).0, 13, "never rendered");
    assert_eq!(house.run(&["generate"]).0, 0);
    let wav = house.wavs().remove(0);
    let good = fs::read(&wav).expect("readable");
    let mut bad = good.clone();
    bad[10_000] ^= 1;
    fs::write(&wav, &bad).expect("writable");
    let (code, out, _) = house.run(&["verify", "--json"]);
    assert_eq!(code, 13, "{out}");
    assert!(out.contains("\"code\":\"hash-mismatch\"") && out.contains("\"severity\":\"error\""), "{out}");
    assert_eq!(house.run(&["generate"]).0, 0);
    assert_eq!((house.calls(), house.run(&["verify"]).0), (4, 0), "the damaged one alone was rendered again");

    house.greeting("Hello, this is another text for the voice of the house.");
    let (code, out, _) = house.run(&["verify"]);
    assert_eq!(code, 3, "{out}");
    assert!(out.contains("stale") && out.contains("text changed"), "{out}");
    assert_eq!(house.run(&["generate"]).0, 0);
    assert_eq!((house.calls(), house.run(&["verify"]).0), (5, 0));

    fs::remove_file(house.wavs().remove(0)).expect("removable");
    let locked_is_gone = house.run(&["verify"]).0 == 13;
    let old_greeting_is_gone = house.wavs().len() == 3 && house.run(&["verify"]).0 == 0;
    assert!(locked_is_gone || old_greeting_is_gone);
}

#[test]
fn what_is_not_the_phrase_never_becomes_an_asset() {
    let cases = [
        ("a WAV of 44 bytes", "head -c 44 \"$voice\""),
        ("HTML", "echo '<html><body>502 Bad Gateway</body></html>'"),
        ("nothing", "true"),
        ("a cut file", "head -c 52000 \"$here/voice.wav\""),
        ("silence", "head -c 44 \"$voice\"; head -c 96000 /dev/zero"),
        ("an error after the sound", "cat \"$voice\"; echo out of credit >&2; exit 3"),
    ];
    for (what, answer) in cases {
        let house = House::new();
        house.engine(&format!("cat > /dev/null; {answer}"));
        let (code, out, err) = house.run(&["generate"]);
        assert_eq!(code, 13, "{what}: {out}{err}");
        assert!(err.contains("failed: `greeting` in `en` of `hello`"), "{what}: {err}");
        assert!(house.wavs().is_empty() && found(&house.path("cache"), "json").is_empty(), "{what}");
        assert_eq!(house.run(&["verify"]).0, 13, "{what}");
    }
}

#[test]
fn prune_keeps_what_a_lock_refers_to_and_what_is_young() {
    let house = House::new();
    assert_eq!(house.run(&["generate"]).0, 0);
    house.greeting("Hello, this is another text for the voice of the house.");
    assert_eq!(house.run(&["generate"]).0, 0);
    assert_eq!(house.wavs().len(), 4);
    let (code, _, err) = house.run(&["prune", "--all"]);
    assert_eq!(code, 2, "nobody to ask: {err}");
    assert_eq!(last_json(&house.run(&["prune", "--yes", "--json"]).1)["found"], 0, "younger than an hour");
    assert_eq!(last_json(&house.run(&["prune", "--dry-run", "--all", "--json"]).1)["found"], 1);
    assert_eq!(house.wavs().len(), 4, "a dry run removes nothing");
    assert_eq!(last_json(&house.run(&["prune", "--yes", "--all", "--json"]).1)["removed"], 1);
    assert_eq!((house.wavs().len(), house.run(&["verify"]).0), (3, 0));
    fs::write(house.path("campaigns/hello/assets.lock"), "<<<<<<< HEAD\n").expect("writable");
    assert_eq!(house.run(&["prune", "--yes", "--all"]).0, 2, "an unreadable lock stops it");
    assert_eq!(house.wavs().len(), 3);
}

#[test]
fn plan_tells_why_and_writes_nothing() {
    let house = House::new();
    let (code, out, err) = house.run(&["plan"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("render (new)") && out.contains("3 to render"), "{out}");
    assert_eq!((house.calls(), house.wavs().len()), (0, 0));
    assert!(!house.path("campaigns/hello/assets.lock").exists());
}

#[test]
fn play_writes_the_file_that_callers_hear() {
    let house = House::new();
    assert_eq!(house.run(&["play", "hello", "--to", "/dev/null"]).0, 2, "nothing is rendered yet");
    assert_eq!(house.run(&["generate"]).0, 0);
    let to = house.path("out.wav");
    let (code, _, err) = house.run(&["play", "hello", "--key", "goodbye", "--to", to.to_str().expect("UTF-8")]);
    assert_eq!(code, 0, "{err}");
    let bytes = fs::read(&to).expect("written");
    assert!(house.wavs().iter().any(|wav| fs::read(wav).expect("readable") == bytes));
}

#[test]
fn the_committed_example_is_sound_offline_and_without_an_engine() {
    let output = Command::new(env!("CARGO_BIN_EXE_ahoy"))
        .args(["--workspace", env!("CARGO_MANIFEST_DIR"), "cache", "verify", "ci-example", "--locked"])
        .output()
        .expect("the program runs");
    let (code, out, err) = told(&output);
    assert_eq!(code, 0, "{out}{err}");
}

#[test]
fn a_plan_tells_the_cost_before_a_cent_is_spent_and_a_bound_stops_it() {
    let house = House::new();
    let mut config = fs::read_to_string(house.path("ahoy.toml")).expect("there");
    // Nobody listens on this port: a plan asks no service, and a stopped generation neither.
    config.push_str(
        "\n[engines.voice]\nkind = \"elevenlabs\"\nkey = { env = \"AHOY_TEST_KEY\" }\nbase_url = \"http://127.0.0.1:9\"\n",
    );
    fs::write(house.path("ahoy.toml"), config).expect("writable");
    let campaign = "callers = [\"+15005550006\"]\n[greeting]\nen = \"Hello, this is the harbour line.\"\n[voice]\n\
        engine = \"voice\"\nmodel = \"eleven_multilingual_v2\"\nvoices = { en = \"21m00Tcm4TlvDq8ikWAM\" }\n";
    fs::write(house.path("campaigns/hello/campaign.toml"), campaign).expect("writable");
    let run = |args: &[&str]| told(&house.command(args).env("AHOY_TEST_KEY", "k").output().expect("it runs"));
    let (code, out, err) = run(&["plan", "--json"]);
    assert_eq!(code, 0, "{err}");
    let sum: serde_json::Value = serde_json::from_str(out.lines().last().expect("a sum")).expect("JSON");
    let micros = sum["cost_usd_micros"].as_i64().expect("a number");
    // 0.08 dollars for a thousand characters.
    assert_eq!(micros, sum["characters"].as_i64().expect("a number") * 80, "{sum}");
    assert_eq!(sum["estimated"], true);
    let (code, out, _) = run(&["plan", "--max-cost", "0.001"]);
    assert!(code == 3 && out.contains("estimated at $"), "{out}");
    assert_eq!(run(&["plan", "--max-cost", "1"]).0, 0);
    let (code, _, err) = run(&["generate", "--max-cost", "0.001"]);
    assert!(code == 3 && err.contains("nothing was rendered"), "{err}");
}

/// The example of a phrase book: 34 phrases in French, every one of them rendered by the embedded engine and sound.
#[test]
fn the_support_desk_speaks_its_34_phrases() {
    let dir = tempfile::tempdir().expect("a folder");
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("campaigns/support-desk");
    let to = dir.path().join("campaigns/support-desk");
    fs::create_dir_all(&to).expect("made");
    fs::write(dir.path().join("ahoy.toml"), "").expect("written");
    for name in ["campaign.toml", "phrases.toml", "assets.lock"] {
        fs::copy(from.join(name), to.join(name)).expect("copied");
    }
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ahoy"));
        told(&command.arg("--workspace").arg(dir.path()).args(arguments).stdin(Stdio::null()).output().expect("runs"))
    };
    let (code, out, err) = run(&["cache", "generate", "--json"]);
    // And the greeting and the opt-out confirmation; the goodbye is the book's own.
    assert_eq!((code, last_json(&out)["rendered"].as_u64()), (0, Some(36)), "{out}{err}");
    assert_eq!(last_json(&out)["locks_written"], 0, "the committed lock is what comes out: {out}");
    let (code, out, err) = run(&["cache", "verify", "--full"]);
    assert_eq!((code, out.trim()), (0, "36 phrases, 36 assets: all sound"), "{err}");
    let lock = fs::read_to_string(to.join("assets.lock")).expect("a lock");
    assert!(
        lock.contains("[assets.wait-position--quatre.fr]")
            && lock.contains("said = \"Votre rendez-vous avec le esse a vé")
    );
}

/// A program that hears the greeting's words whatever it is given: the other two phrases are found out.
#[test]
fn listening_compares_what_is_heard_with_what_is_written() {
    let house = House::new();
    let config = fs::read_to_string(house.path("ahoy.toml")).expect("readable");
    let ear = format!(
        "[transcribers.ear]\nkind = \"command\"\ncommand = [\"sh\", \"-c\", \"cat > /dev/null; echo {GREETING:?}\"]\n"
    );
    let ear = ear.replace(&format!("{GREETING:?}"), &format!("'{GREETING}'"));
    fs::write(house.path("ahoy.toml"), format!("{config}{ear}")).expect("writable");
    assert_eq!(house.run(&["generate"]).0, 0);
    let (code, out, err) = house.run(&["verify", "--listen", "ear", "--json"]);
    assert_eq!(code, 3, "{out}{err}");
    let rows: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let of = |key: &str| rows.iter().find(|row| row["key"] == key && row.get("heard").is_some()).expect("heard");
    assert_eq!(of("greeting")["word_error_rate"], 0.0);
    assert!(of("goodbye")["word_error_rate"].as_f64().is_some_and(|rate| rate > 0.5), "{out}");
    let wrong: Vec<&Value> = rows.iter().filter(|row| row["code"] == "wrong-words").collect();
    assert_eq!(wrong.len(), 2, "{out}");
    assert!(wrong[0]["message"].as_str().is_some_and(|told| told.contains("not said:")), "{out}");
    let (code, _, err) = house.run(&["verify", "--listen", "nobody"]);
    assert!(code == 2 && err.contains("known: ear"), "{err}");
}

/// Any sound files, without a workspace: one object a line, a stable code each.
#[test]
fn files_are_heard_without_a_workspace() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut good = voice(3_000);
    for sample in good[44..].chunks_exact_mut(2) {
        let softer = i16::from_le_bytes([sample[0], sample[1]]) / 2;
        sample.copy_from_slice(&softer.to_le_bytes());
    }
    let write = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).expect("written");
    fs::create_dir(dir.path().join("more")).expect("made");
    write("good.wav", &good);
    write("cut.wav", &good[..50_444]);
    write("empty.wav", &good[..44]);
    write("song.wav", &[b"ID3\x04\0\0", &[7u8; 900][..]].concat());
    write("more/again.wav", &good);
    write("more/readme.md", b"no sound");
    write("more/short.wav", &good);
    write("more/short.txt", "This text is far too long for three seconds of sound: ".repeat(10).as_bytes());
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ahoy"));
        command.args(["cache", "verify"]).args(arguments).current_dir(dir.path()).stdin(Stdio::null());
        told(&command.output().expect("runs"))
    };
    assert_eq!(run(&["--files", "good.wav"]).0, 0, "16 kHz mono, as loud as it should be");
    let (code, out, err) = run(&["--files", ".", "--json"]);
    assert_eq!(code, 3, "{out}{err}");
    let found: Vec<(String, String)> = out
        .lines()
        .map(|line| {
            let row: Value = serde_json::from_str(line).expect("JSON");
            let mut fields: Vec<&str> = row.as_object().expect("an object").keys().map(String::as_str).collect();
            fields.sort_unstable();
            assert_eq!(fields, ["code", "file", "limit", "measured", "message", "severity"]);
            let text = |name: &str| row[name].as_str().expect("a text").trim_start_matches("./").to_owned();
            (text("file"), text("code"))
        })
        .collect();
    let codes = |file: &str| found.iter().filter(|(it, _)| it == file).map(|it| it.1.as_str()).collect::<Vec<_>>();
    assert_eq!(codes("good.wav"), Vec::<&str>::new());
    assert!(codes("cut.wav").contains(&"header-lies") && codes("cut.wav").contains(&"cut-off"), "{found:?}");
    assert!(codes("empty.wav").contains(&"empty") || codes("empty.wav").contains(&"header-lies"), "{found:?}");
    assert_eq!((codes("song.wav"), codes("more/again.wav")), (vec!["wrong-codec"], vec!["duplicate"]));
    assert!(codes("more/short.wav").contains(&"too-short"), "{found:?}");
    let (code, _, _) = run(&["--files", "good.wav", "--rate", "8000"]);
    assert_eq!(code, 3, "another rate is asked for");
    assert_eq!(run(&["--files", "song.wav", "--fail-on", "never"]).0, 0);
    assert_eq!(run(&["--files", "nowhere.wav"]).0, 2);
    let (_, out, _) = run(&["--files", ".", "--format", "junit"]);
    let document = roxmltree::Document::parse(&out).expect("well-formed");
    let cases = document.descendants().filter(|node| node.has_tag_name("testcase")).count();
    assert_eq!(cases, 6, "every sound file is a case");
    let (_, out, _) = run(&["--files", ".", "--format", "github"]);
    assert!(out.lines().all(|line| line.starts_with("::error ") || line.starts_with("::warning ")), "{out}");
    let (_, out, _) = run(&["--files", ".", "--format", "sarif"]);
    let log: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(log["version"], "2.1.0");
}

#[test]
fn phrases_are_exported_under_the_names_of_each_system_and_whole() {
    let house = House::new();
    let out = house.path("sounds");
    let export = |more: &[&str]| {
        let mut command = house.command(&["export", "hello", "--out"]);
        told(&command.arg(&out).args(more).output().expect("runs"))
    };
    assert_eq!(export(&[]).0, 13, "nothing is rendered yet");
    assert!(!out.exists(), "nothing is written by halves");
    assert_eq!(house.run(&["generate"]).0, 0);
    assert_eq!(export(&["--dry-run"]).0, 0);
    assert!(!out.exists());
    for (form, layout, file) in [
        ("wav", "plain", "hello/greeting.en.wav"),
        ("ulaw", "asterisk", "en/hello/greeting.ulaw"),
        ("g722", "asterisk", "en/hello/greeting.g722"),
        ("sln", "plain", "hello/greeting.en.sln"),
        ("wav", "freeswitch", "en/hello/8000/greeting.wav"),
        ("wav", "3cx", "hello_greeting_en.wav"),
    ] {
        let (code, told, err) = export(&["--to", form, "--layout", layout]);
        assert_eq!(code, 0, "{form} {layout}: {err}");
        assert!(told.contains(file), "{told}");
    }
    let read = |name: &str| fs::read(out.join(name)).expect(name);
    let wav = read("hello/greeting.en.wav");
    assert!(house.wavs().iter().any(|asset| fs::read(asset).expect("readable") == wav), "byte for byte the asset");
    let samples = (wav.len() - 44) / 2;
    assert_eq!(read("hello/greeting.en.sln"), wav[44..]);
    assert_eq!(read("en/hello/greeting.ulaw").len(), samples);
    assert!(read("en/hello/greeting.g722").len().abs_diff(samples) <= 1, "a byte for two samples at twice the rate");
    // All of them are sound to the ear that knows nothing of us.
    let (code, told_out, _) = told(
        &Command::new(env!("CARGO_BIN_EXE_ahoy"))
            .args(["cache", "verify", "--files"])
            .arg(out.join("en"))
            .output()
            .expect("runs"),
    );
    assert!(code == 0 || told_out.lines().all(|line| line.contains("duplicate")), "{told_out}");
    assert_eq!(export(&["--to", "g722", "--layout", "3cx"]).0, 2);
    fs::write(out.join("hello_goodbye_en.wav"), "somebody's").expect("written");
    let (code, _, err) = export(&["--layout", "3cx"]);
    assert!(code == 3 && err.contains("hello_goodbye_en.wav is not ours"), "{err}");
    assert_eq!(export(&["--layout", "3cx", "--force"]).0, 0);
}
