//! Replay: what a live call heard is what replay hears, labels are compared, settings find their way into the campaign.

use std::fs;
use std::path::{Path, PathBuf};

use ahoy::core::sound::{Pcm, g711, wav};
use serde_json::Value;

use crate::common::{self, Shop, Wish, code, run};

const WORDS: [&[u8]; 4] = [
    include_bytes!("../src/core/sim/clips/yes.ulaw"),
    include_bytes!("../src/core/sim/clips/who.ulaw"),
    include_bytes!("../src/core/sim/clips/how_much.ulaw"),
    include_bytes!("../src/core/sim/clips/hello.ulaw"),
];

/// First and last sample of a word that can be heard.
fn bounds(word: &[i16]) -> (usize, usize) {
    let loud = |sample: &i16| sample.unsigned_abs() > 300;
    (word.iter().position(loud).expect("a word"), word.iter().rposition(loud).expect("a word"))
}

/// A recording of `count` words three seconds apart over a quiet line, with its labels beside it, exact by construction.
/// Every other word is quieter by `down`.
fn recording(folder: &Path, name: &str, count: usize, down: i16) -> PathBuf {
    let mut noise = fastrand::Rng::with_seed(count as u64);
    let mut samples: Vec<i16> = (0..8_000 * (3 * count + 2)).map(|_| noise.i16(-20..20)).collect();
    let mut labels = String::new();
    for nth in 0..count {
        let word = g711::decode_ulaw(WORDS[nth % WORDS.len()]);
        let at = 8_000 + nth * 24_000;
        for (i, sample) in word.iter().enumerate() {
            samples[at + i] = samples[at + i].saturating_add(if nth % 2 == 0 { *sample } else { sample / down });
        }
        let (first, last) = bounds(&word);
        let seconds = |sample: usize| sample as f64 / 8_000.0;
        labels.push_str(&format!("{:.3}\t{:.3}\tword {nth}\n", seconds(at + first), seconds(at + last)));
    }
    let path = folder.join(format!("{name}.wav"));
    fs::write(&path, wav::write(&Pcm { samples, rate: 8_000 })).expect("written");
    fs::write(path.with_extension("labels.txt"), labels).expect("written");
    path
}

fn shop() -> Shop {
    Shop::open(&Wish { carrier: "kind = \"sim\"", campaign: "[vad] # ours\nthreshold = 0.5 # as it came\n", leads: 1 })
}

fn lines(output: &std::process::Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn what_a_live_call_heard_is_what_replay_hears() {
    let carrier = "kind = \"sim\"\nseed = 5\nspeedup = 4\ncalls_per_second = 20\nmax_live_calls = 20";
    let shop = Shop::open(&Wish { carrier, campaign: "", leads: 30 });
    let ended = code(&run(&mut shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"])));
    assert!([0, 3].contains(&ended), "{ended}");
    let replayed = run(common::ahoy(shop.dir.path()).args(["replay", "run", "--campaign", "c", "--json"]));
    assert_eq!(code(&replayed), 0);
    let replayed = lines(&replayed);
    let listed = run(common::ahoy(shop.dir.path()).args(["calls", "list", "--limit", "100", "--json"]));
    let (mut calls, mut segments) = (0, 0);
    for call in lines(&listed) {
        let folder = PathBuf::from(call["folder"].as_str().expect("a folder"));
        let events = fs::read_to_string(folder.join("events.jsonl")).expect("a log");
        let live: Vec<(u64, u64)> = events
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
            .filter(|it| it["event"] == "speech_off")
            .map(|it| (it["start_ms"].as_u64().expect("ms"), it["end_ms"].as_u64().expect("ms")))
            .collect();
        let audio = folder.join("audio.wav").display().to_string();
        let again: Vec<(u64, u64)> = replayed
            .iter()
            .filter(|it| it["file"] == audio.as_str())
            .map(|it| (it["start_ms"].as_u64().expect("ms"), it["end_ms"].as_u64().expect("ms")))
            .collect();
        // The last word of a call that was hung up may still have waited for the network.
        let end = call["report"]["media_ms"].as_u64().expect("ms").saturating_sub(1_000);
        let until = |them: &[(u64, u64)]| them.iter().copied().filter(|it| it.1 < end).collect::<Vec<_>>();
        assert_eq!(until(&live), until(&again), "{audio}");
        calls += 1;
        segments += live.len();
    }
    assert!(calls > 10 && segments > 10, "{calls} calls, {segments} segments");
    assert!(fs::read_dir(shop.path("calls/.replay")).expect("remembered").count() >= calls);
}

#[test]
fn labelled_recordings_are_scored_swept_and_the_choice_is_written_with_all_comments_kept() {
    let shop = shop();
    let folder = shop.path("labelled");
    fs::create_dir_all(&folder).expect("made");
    for (name, count, down) in [("a", 8, 1), ("b", 12, 12), ("c", 6, 400)] {
        recording(&folder, name, count, down);
    }
    let ahoy = |arguments: &[&str]| {
        let mut command = common::ahoy(shop.dir.path());
        command.arg("replay").args(arguments).arg(&folder);
        run(&mut command)
    };
    let told = ahoy(&["run"]);
    assert_eq!(code(&told), 0);
    let words = String::from_utf8_lossy(&told.stderr).into_owned();
    assert!(words.contains("26 utterances"), "{words}");
    // Nearly every plain word is owned; what is missed is quiet.
    let swept = ahoy(&["sweep", "--json"]);
    let told = lines(&swept);
    let (now, best) = (&told[0]["now"], &told[0]["recommended"]["setting"]);
    let owned = |it: &Value| it["figures"]["short_owned_percent"].as_f64().expect("short ones");
    assert!(owned(now) > 60.0 && owned(best) >= owned(now), "{now} {best}");
    assert!(best["figures"]["false_per_minute"].as_f64().expect("a rate") <= 0.5, "{best}");
    assert_eq!(told[0]["settings"].as_array().expect("all").len(), 9 * 7 * 4);
    let front = told[0]["settings"].as_array().expect("all").iter().filter(|it| it["front"] == true).count();
    assert!((1..100).contains(&front), "{front}");
    // A search of a third of the grid takes what is as good, the same for the same seed, and says how much it tried.
    let axes =
        ["--thresholds", "0.3,0.35,0.4,0.45,0.5,0.55,0.6,0.7,0.8", "--silences-ms", "300,400,500,600,700,800,900"];
    let search = |seed: &str| {
        let more = ["--min-speech-ms", "32,64,96,128", "--prefixes-ms", "300", "--search", "--points", "84"];
        let told = ahoy(&[&["sweep", "--json", "--seed", seed][..], &axes, &more].concat());
        assert_eq!(code(&told), 0);
        lines(&told).remove(0)
    };
    let (one, again, other) = (search("1"), search("1"), search("2"));
    assert_eq!(one, again);
    assert_ne!(one["settings"], other["settings"]);
    for searched in [&one, &other] {
        let found = &searched["recommended"]["setting"];
        let figures = |it: &Value| {
            let plain =
                ["short_owned_percent", "whole_percent", "false_per_minute"].map(|key| it["figures"][key].clone());
            (plain, it["figures"]["end_ms"]["p90"].clone())
        };
        assert_eq!(figures(found), figures(best), "{found} {best}");
        assert_eq!((searched["of"].as_u64(), searched["barge_in"].is_null()), (Some(252), true));
        // The settings of now are on the grid: they may be among the 84, or beside them.
        let tried = searched["settings"].as_array().expect("some").len();
        assert!((84..=85).contains(&tried) && searched["tried"].as_u64() == Some(tried as u64), "{tried}");
    }
    let told = ahoy(&["sweep", "--search", "--points", "20", "--seed", "7"]);
    assert!(String::from_utf8_lossy(&told.stderr).contains(" of 14280 settings tried, seed 7"), "{told:?}");
    assert_eq!(code(&ahoy(&["sweep", "--points", "20"])), 2, "points of what?");
    assert_eq!(code(&ahoy(&["sweep", "--barge-thresholds", "0.5"])), 2, "there is no call");
    let out = shop.path("vad.html");
    let page = ahoy(&["report", "--campaign", "c", "--out", out.to_str().expect("UTF-8")]);
    assert_eq!(code(&page), 0);
    let page = fs::read_to_string(&out).expect("written");
    assert!(page.contains("Replay of 3 labelled recordings") && page.contains("class=\"now\""), "{}", page.len());
    assert!(
        page.matches("<article").count() >= 3 && page.contains("data:audio/wav;base64,UklGR"),
        "what is lost can be heard"
    );
    let table = ahoy(&["sweep", "--thresholds", "0.4,0.5", "--silences-ms", "500"]);
    assert!(String::from_utf8_lossy(&table.stdout).contains("what we would take"));

    let file = shop.path("campaigns/c/campaign.toml");
    let before = fs::read_to_string(&file).expect("there");
    let mut apply = common::ahoy(shop.dir.path());
    apply.args(["replay", "apply", "--campaign", "c", "--threshold", "0.4", "--silence-ms", "500"]);
    let dry = run(common::ahoy(shop.dir.path()).args([
        "replay",
        "apply",
        "--campaign",
        "c",
        "--threshold",
        "0.4",
        "--dry-run",
    ]));
    assert_eq!((code(&dry), fs::read_to_string(&file).expect("there")), (0, before.clone()));
    assert!(String::from_utf8_lossy(&dry.stdout).contains("+ threshold = 0.4 # as it came"));
    let applied = run(&mut apply);
    assert_eq!(code(&applied), 0);
    let words = String::from_utf8_lossy(&applied.stderr).into_owned();
    assert!(words.contains("\"silence_duration_ms\":500") && words.contains("\"threshold\":0.4"), "{words}");
    let after = fs::read_to_string(&file).expect("there");
    assert!(after.contains("[vad] # ours\nthreshold = 0.4 # as it came\nsilence = \"500ms\""), "{after}");
    assert_eq!(code(&run(&mut shop.campaign(&["plan", "c"]))), 0, "and the file is still one");
}

#[test]
fn what_was_caught_once_is_held_and_a_setting_that_loses_it_is_found() {
    let shop = shop();
    let folder = shop.path("cases");
    fs::create_dir_all(&folder).expect("made");
    recording(&folder, "a", 8, 1);
    let check = |more: &[&str]| {
        let mut command = common::ahoy(shop.dir.path());
        run(command.args(["replay", "check"]).arg(&folder).args(["--campaign", "c"]).args(more))
    };
    assert_eq!(code(&check(&[])), 2, "nothing is frozen yet");
    let frozen = check(&["--freeze"]);
    assert_eq!(code(&frozen), 0);
    assert!(String::from_utf8_lossy(&frozen.stderr).contains("a.contract.json: 8 of 8"), "{frozen:?}");
    assert_eq!(code(&check(&[])), 0);
    // A silence of seven seconds makes one turn of them all.
    let lost = check(&["--silence-ms", "7000", "--json"]);
    assert_eq!((code(&lost), lines(&lost).len()), (3, 8));
    fs::write(folder.join("a.contract.json"), "{}").expect("written");
    assert_eq!(code(&check(&[])), 2, "no contract");
}

#[test]
fn segments_come_as_lines_labels_and_pictures() {
    let shop = shop();
    let path = recording(shop.dir.path(), "one", 4, 1);
    let with = |format: &str| {
        let mut command = common::ahoy(shop.dir.path());
        run(command.args(["replay", "run"]).arg(&path).args(["--format", format]))
    };
    let json = lines(&with("jsonl"));
    assert_eq!(json.len(), 4);
    let labels = String::from_utf8_lossy(&with("audacity").stdout).into_owned();
    assert_eq!(labels.lines().count(), 4);
    let start = json[0]["start_ms"].as_u64().expect("ms") as f64 / 1_000.0;
    assert!(labels.starts_with(&format!("{start:.3}\t")), "{labels}");
    let picture = String::from_utf8_lossy(&with("timeline").stdout).into_owned();
    assert!(picture.contains("heard |") && picture.contains("said  |") && picture.contains('#'), "{picture}");
    // Our own channel of a mono recording is the recording.
    let us = run(common::ahoy(shop.dir.path()).args(["replay", "run", "--party", "us", "--json"]).arg(&path));
    assert_eq!(lines(&us).len(), 4);
}

#[test]
fn what_cannot_be_heard_is_named_and_the_rest_goes_on() {
    let shop = shop();
    let folder = shop.path("mixed");
    fs::create_dir_all(&folder).expect("made");
    let good = recording(&folder, "good", 3, 1);
    let mut cut = fs::read(&good).expect("there");
    cut.truncate(cut.len() / 2);
    fs::write(folder.join("cut.wav"), cut).expect("written");
    fs::write(folder.join("text.wav"), "this is no sound").expect("written");
    fs::write(folder.join("silence.wav"), wav::write(&Pcm { samples: vec![0; 80_000], rate: 8_000 })).expect("written");
    let overlapping = recording(&folder, "overlapping", 2, 1);
    fs::write(overlapping.with_extension("labels.txt"), "0\t2\ta\n1\t3\tb\n").expect("written");
    let told = run(common::ahoy(shop.dir.path()).args(["replay", "run", "--json"]).arg(&folder));
    assert_eq!(code(&told), 3);
    let words = String::from_utf8_lossy(&told.stderr).into_owned();
    assert!(words.contains("text.wav:") && words.contains("overlap"), "{words}");
    let heard = lines(&told);
    assert!(
        heard.iter().any(|it| it["file"].as_str().is_some_and(|it| it.ends_with("cut.wav"))),
        "a crashed call's half"
    );
    assert!(!heard.iter().any(|it| it["file"].as_str().is_some_and(|it| it.ends_with("silence.wav"))));
    for (arguments, wanted) in [
        (&["run", "--threshold", "1.5"][..], 2),
        (&["run", "--silence-ms", "5"][..], 2),
        (&["run", "nowhere.wav"][..], 2),
        (&["sweep", "nowhere/"][..], 2),
        (&["run", "--campaign", "nobody"][..], 2),
    ] {
        let refused = run(common::ahoy(shop.dir.path()).arg("replay").args(arguments));
        assert_eq!(code(&refused), wanted, "{arguments:?}");
    }
    let unlabelled = shop.path("plain");
    fs::create_dir_all(&unlabelled).expect("made");
    fs::copy(&good, unlabelled.join("good.wav")).expect("copied");
    let refused = run(common::ahoy(shop.dir.path()).args(["replay", "sweep"]).arg(&unlabelled));
    assert_eq!(code(&refused), 2);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("labels beside"));
}

/// A carrier's media messages of a recording: 20 ms each.
fn media_log(samples: &[i16]) -> String {
    use base64::Engine;
    let mut log = String::from("{\"event\":\"start\",\"start\":{\"streamSid\":\"MZ1\"}}\n");
    for (nth, frame) in samples.chunks(160).enumerate() {
        let payload = base64::engine::general_purpose::STANDARD.encode(g711::encode_ulaw(frame));
        log.push_str(&format!(
            "{{\"event\":\"media\",\"media\":{{\"track\":\"inbound\",\"timestamp\":\"{}\",\"payload\":\"{payload}\"}}}}\n",
            nth * 20
        ));
    }
    log
}

#[test]
fn a_log_of_media_messages_is_heard_as_its_recording_is_and_lost_phrases_are_named() {
    let shop = shop();
    let folder = shop.path("labelled");
    fs::create_dir_all(&folder).expect("made");
    let path = recording(&folder, "one", 6, 1);
    let sound = wav::read(&fs::read(&path).expect("there")).expect("a WAV");
    let log = shop.path("one.jsonl");
    fs::write(&log, media_log(&sound.samples)).expect("written");
    fs::copy(path.with_extension("labels.txt"), log.with_extension("labels.txt")).expect("copied");
    let ahoy = |arguments: &[&str]| run(common::ahoy(shop.dir.path()).arg("replay").args(arguments));
    let (wav, log_name) = (path.display().to_string(), log.display().to_string());
    let spans = |output: &std::process::Output| -> Vec<(Value, Value)> {
        lines(output).iter().map(|it| (it["start_ms"].clone(), it["end_ms"].clone())).collect()
    };
    let (of_wav, of_log) = (ahoy(&["run", "--json", &wav]), ahoy(&["run", "--json", &log_name]));
    assert_eq!((code(&of_wav), code(&of_log)), (0, 0));
    assert_eq!(spans(&of_wav), spans(&of_log));
    assert_eq!(spans(&of_log).len(), 6);
    // The other side said nothing: named, not silence.
    let us = ahoy(&["run", "--json", "--party", "us", &log_name]);
    assert_eq!(code(&us), 3);
    // Loudness hears the same plain words.
    let energy = ahoy(&["run", "--json", "--detector", "energy", &wav]);
    assert_eq!(spans(&energy).len(), 6);
    // A phrase that is lost, by name: a silence of seven seconds makes one turn of all.
    let labels: String = fs::read_to_string(path.with_extension("labels.txt"))
        .expect("there")
        .lines()
        .enumerate()
        .map(|(nth, line)| {
            let times = line.rsplit_once('\t').expect("words").0;
            format!("{times}\t{}\n", ["bg: кога?", "when?"][nth % 2])
        })
        .collect();
    fs::write(path.with_extension("labels.txt"), labels).expect("written");
    let told = lines(&ahoy(&["run", "--json", "--by", "phrase", "--silence-ms", "7000", &wav]));
    assert_eq!((told[0]["phrase"].as_str(), told[0]["merged"].as_u64()), (Some("bg: кога"), Some(3)), "{told:?}");
    let told = lines(&ahoy(&["run", "--json", "--by", "language", &wav]));
    assert_eq!(told.iter().map(|it| it["owned"].as_u64()).collect::<Vec<_>>(), [Some(3), Some(3)], "{told:?}");
    // Labels of another recording.
    fs::write(path.with_extension("labels.txt"), "500\t501\tx\n").expect("written");
    let refused = ahoy(&["run", &wav]);
    assert_eq!(code(&refused), 3);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("are they of this recording"), "{refused:?}");
    fs::write(&log, "{\"event\":\"media\"\n").expect("written");
    let refused = ahoy(&["run", &log_name]);
    assert!(code(&refused) == 3 && String::from_utf8_lossy(&refused.stderr).contains("line 1: no JSON"), "{refused:?}");
}

#[test]
fn a_pattern_stands_for_what_it_matches_and_each_recording_is_heard_once() {
    let shop = shop();
    for folder in ["a", "a/b", "odd[1]"] {
        fs::create_dir_all(shop.path(folder)).expect("made");
    }
    for (folder, name) in [("a", "one"), ("a/b", "two"), ("a/b", "carrier"), ("odd[1]", "three")] {
        recording(&shop.path(folder), name, 1, 1);
    }
    let heard = |patterns: &[&str]| -> Vec<String> {
        let mut command = common::ahoy(shop.dir.path());
        command.current_dir(shop.dir.path()).args(["replay", "run", "--json"]).args(patterns);
        let told = run(&mut command);
        assert_eq!(code(&told), 0, "{patterns:?}");
        lines(&told).iter().map(|it| it["file"].as_str().expect("a name").to_owned()).collect()
    };
    assert_eq!(heard(&["a/**/*.wav"]), ["a/b/two.wav", "a/one.wav"]);
    assert_eq!(heard(&["a/*.wav", "a/on?.wav", "a/one.wav"]), ["a/one.wav"], "once");
    assert_eq!(heard(&["a/b/carrier.wav", "a/*.wav"]), ["a/b/carrier.wav", "a/one.wav"], "it was named");
    assert_eq!(heard(&["odd[1]"]), ["odd[1]/three.wav"], "a folder of that name");
    for wrong in ["a/**/*.flac", "a/***.wav"] {
        let refused = run(common::ahoy(shop.dir.path()).args(["replay", "run", wrong]));
        assert_eq!(code(&refused), 2, "{wrong}");
        assert!(String::from_utf8_lossy(&refused.stderr).contains(wrong), "{wrong}");
    }
}

#[test]
fn an_hour_of_silence_is_heard_in_seconds_and_is_nobody() {
    let shop = shop();
    let path = shop.path("hour.wav");
    fs::write(&path, wav::write(&Pcm { samples: vec![0; 3_600 * 8_000], rate: 8_000 })).expect("written");
    let told = run(common::ahoy(shop.dir.path()).args(["replay", "run", "--json"]).arg(&path));
    assert_eq!((code(&told), lines(&told).len()), (0, 0));
}

#[test]
fn the_stops_of_live_calls_come_out_of_their_recordings_at_the_same_places() {
    // A frame of the carrier's and a chunk of the ear.
    const SAME_MS: u64 = 20 + 32;
    let carrier = "kind = \"sim\"\nseed = 11\nspeedup = 2\ncalls_per_second = 20\nmax_live_calls = 10";
    let shop = Shop::open(&Wish { carrier, campaign: "[barge_in]\nthreshold = 0.55\n", leads: 40 });
    let ended = code(&run(&mut shop.campaign(&["run", "c", "--yes", "--drain", "--quiet"])));
    assert!([0, 3].contains(&ended), "{ended}");
    let barge = |more: &[&str]| {
        let mut command = common::ahoy(shop.dir.path());
        let told = run(command.args(["replay", "barge", "--campaign", "c", "--json"]).args(more));
        let mut told = lines(&told);
        let sums = told.pop().expect("sums")["sums"].clone();
        (told, sums)
    };
    let (calls, sums) = barge(&[]);
    let stops = |call: &Value, key: &str| -> Vec<(String, u64, u64, u64)> {
        let ms = |it: &Value, key: &str| it[key].as_u64().expect("ms");
        let stop = |it: &Value| {
            let clip = it["clip"].as_str().expect("a clip").to_owned();
            (clip, ms(it, "onset_ms"), ms(it, "clear_ms"), ms(it, "heard_ms"))
        };
        call[key].as_array().expect("stops").iter().map(stop).collect()
    };
    let mut compared = 0;
    for call in &calls {
        let folder = PathBuf::from(call["file"].as_str().expect("a name")).with_file_name("events.jsonl");
        let log = fs::read_to_string(folder).expect("a log");
        let written = log.lines().filter(|line| line.contains("\"event\":\"barge_in\"")).count();
        let (again, live) = (stops(call, "stops"), stops(call, "live"));
        assert_eq!((again.len(), live.len()), (written, written), "{call}");
        for (again, live) in again.iter().zip(&live) {
            let near = |a: u64, b: u64| a.abs_diff(b) <= SAME_MS;
            assert!(again.0 == live.0 && near(again.1, live.1) && near(again.2, live.2), "{call}");
            assert!(near(again.3, live.3), "heard: {call}");
            compared += 1;
        }
        assert_eq!(call["differs_from_ms"], Value::Null);
    }
    assert!(calls.len() > 10 && compared >= 5, "{} calls, {compared} stops", calls.len());
    assert_eq!((sums["same"].as_u64(), sums["live_stops"].as_u64()), (Some(compared), Some(compared)), "{sums}");
    // Settings that hear nothing stop nothing, and it is told that the live calls did.
    let (calls, sums) = barge(&["--protect-ms", "60000"]);
    assert_eq!((sums["stops"].as_u64(), sums["live_stops"].as_u64()), (Some(0), Some(compared)), "{sums}");
    let differ = calls.iter().filter(|it| it["differs_from_ms"].is_u64()).count();
    assert_eq!(differ, calls.iter().filter(|it| !stops(it, "live").is_empty()).count());
    // A deafer ear stops later, if at all.
    let (_, deafer) = barge(&["--min-speech-ms", "320"]);
    let delay = |sums: &Value| sums["delay_ms"]["p50"].as_u64().expect("stops");
    assert!(deafer["stops"] == 0 || delay(&deafer) >= delay(&barge(&[]).1) + 200, "{deafer}");
}

/// Two channels as a WAV, the callee left.
fn two_channels(them: &[i16], us: &[i16]) -> Vec<u8> {
    let both = them.iter().zip(us).flat_map(|(them, us)| [*them, *us]).collect();
    let mut wav = wav::write(&Pcm { samples: both, rate: 16_000 });
    // The same bytes as two channels at half the rate.
    wav[22..24].copy_from_slice(&2_u16.to_le_bytes());
    wav[24..28].copy_from_slice(&8_000_u32.to_le_bytes());
    wav[28..32].copy_from_slice(&32_000_u32.to_le_bytes());
    wav[32..34].copy_from_slice(&4_u16.to_le_bytes());
    wav
}

/// Calls of ours over lines that give our own voice back, labelled: of each, one word over our voice, or none.
fn echoing_calls(folder: &Path, count: usize) {
    let voice: Vec<i16> = WORDS.iter().cycle().take(14).flat_map(|it| g711::decode_ulaw(it)).take(10 * 8_000).collect();
    for nth in 0..count {
        let call = folder.join(format!("call{nth}"));
        fs::create_dir_all(&call).expect("made");
        let mut noise = fastrand::Rng::with_seed(nth as u64);
        let us: Vec<i16> = voice.iter().copied().chain(vec![0; 16_000]).collect();
        let (delay, mut labels) = (2_400 + nth * 160, String::new());
        let mut them: Vec<i16> =
            (0..us.len()).map(|at| at.checked_sub(delay).map_or(0, |at| us[at] / 6) + noise.i16(-20..20)).collect();
        if nth % 2 == 0 {
            let (word, at) = (g711::decode_ulaw(WORDS[2]), 6 * 8_000);
            for (to, from) in them[at..].iter_mut().zip(&word) {
                *to = to.saturating_add(*from);
            }
            labels = format!("6.0\t{:.3}\thow much?\n", 6.0 + word.len() as f64 / 8_000.0);
        }
        fs::write(call.join("audio.wav"), two_channels(&them, &us)).expect("written");
        fs::write(call.join("audio.labels.txt"), labels).expect("written");
        let play = "{\"ms\":0,\"media_ms\":0,\"event\":\"play\",\"clip\":\"greeting\",\"total_ms\":10000,\"marks_ms\":[10000]}\n";
        fs::write(call.join("events.jsonl"), play).expect("written");
    }
}

#[test]
fn a_sweep_over_calls_tries_barge_in_too_and_what_it_takes_is_written() {
    // A setting that nothing stops never asks whether it hears our echo: a long one would be a machine's first words, and end the call.
    let campaign = "[vad] # ours\nthreshold = 0.5 # as it came\n[machine]\ndetect = \"off\"\n";
    let shop = Shop::open(&Wish { carrier: "kind = \"sim\"", campaign, leads: 1 });
    let folder = shop.path("labelled");
    echoing_calls(&folder, 4);
    let sweep = |more: &[&str]| {
        let mut command = common::ahoy(shop.dir.path());
        run(command.args(["replay", "sweep", "--campaign", "c", "--thresholds", "0.5"]).arg(&folder).args(more))
    };
    let axes = ["--barge-thresholds", "0.5,0.7", "--barge-min-speech-ms", "64,320", "--barge-echo", "true,false"];
    let told = sweep(&[&["--json", "--barge-back-channel-ms", "500"][..], &axes].concat());
    assert_eq!(code(&told), 0);
    let told = lines(&told).remove(0)["barge_in"].clone();
    let all = told["settings"].as_array().expect("all").clone();
    // Eight, and the one of now: 0.6.
    assert_eq!((all.len(), told["now"]["threshold"].as_f64()), (9, Some(f64::from(0.6_f32))), "{told}");
    let wrong = |it: &Value| {
        let count = |key: &str| it["figures"][key].as_u64().expect("labelled");
        (count("false_stops"), count("missed_stops"))
    };
    let deaf_to_echo = |it: &Value| it["echo"] == true;
    // Without the gate our own voice stops us, on lines that give it back.
    for it in all.iter().filter(|it| !deaf_to_echo(it) && it["min_speech_ms"] == 64) {
        assert!(wrong(it).0 >= 2 && it["false_on_echoing_lines"].as_u64() == Some(wrong(it).0), "{it}");
    }
    let best = &told["recommended"]["setting"];
    assert!(deaf_to_echo(best) && best["front"] == true, "{told}");
    assert!(all.iter().all(|it| wrong(it).0 + wrong(it).1 >= wrong(best).0 + wrong(best).1), "{told}");
    assert!(told["recommended"]["reason"].as_str().expect("words").contains("over 4 labelled calls"), "{told}");
    // What the network made of a call is judged once for all of them: the ninth comes out as it does alone.
    let last = all.last().expect("nine");
    let alone = run(common::ahoy(shop.dir.path())
        .args(["replay", "barge", "--campaign", "c", "--threshold", "0.7", "--min-speech-ms", "320", "--json"])
        .arg(&folder));
    let alone = lines(&alone).pop().expect("sums")["sums"].clone();
    assert_eq!((last["threshold"].as_f64(), last["min_speech_ms"].as_u64()), (Some(f64::from(0.7_f32)), Some(320)));
    let same =
        |it: &Value| ["stops", "delay_ms", "heard_percent", "false_stops", "held_echo"].map(|key| it[key].clone());
    assert_eq!((last["echo"].as_bool(), same(&last["figures"])), (Some(true), same(&alone)), "{alone}");
    // A setting that stops at nothing misses what now could have stopped: two people spoke.
    let deaf =
        sweep(&["--json", "--barge-thresholds", "0.6", "--barge-min-speech-ms", "5000", "--barge-protect-ms", "60000"]);
    let deaf = lines(&deaf).remove(0)["barge_in"]["settings"].as_array().expect("all")[1].clone();
    assert_eq!((deaf["figures"]["stops"].as_u64(), wrong(&deaf)), (Some(0), (0, 2)), "{deaf}");
    // A search that may try them all finds the same; the table and the page show them.
    let searched =
        sweep(&[&["--json", "--search", "--seed", "1", "--barge-back-channel-ms", "500"][..], &axes].concat());
    let searched = lines(&searched).remove(0)["barge_in"].clone();
    assert_eq!(wrong(&searched["recommended"]["setting"]), wrong(best));
    let shown = sweep(&axes);
    let (table, words) = (String::from_utf8_lossy(&shown.stdout), String::from_utf8_lossy(&shown.stderr));
    assert!(table.contains("by echo") && words.contains("--barge-echo true"), "{table} {words}");
    assert!(!String::from_utf8_lossy(&sweep(&["--no-barge-in"]).stdout).contains("by echo"));
    let page = {
        let mut command = common::ahoy(shop.dir.path());
        run(command.args(["replay", "report", "--campaign", "c", "--thresholds", "0.5"]).arg(&folder).args(axes))
    };
    assert!(String::from_utf8_lossy(&page.stdout).contains("Speech over our own voice"));

    let file = shop.path("campaigns/c/campaign.toml");
    let before = fs::read_to_string(&file).expect("there");
    let apply = ["replay", "apply", "--campaign", "c", "--barge-threshold", "0.7", "--barge-echo", "true"];
    assert_eq!(code(&run(common::ahoy(shop.dir.path()).args(apply))), 0);
    let after = fs::read_to_string(&file).expect("there");
    assert!(after.contains("[barge_in]\nthreshold = 0.7\n") && after.contains("echo = true"), "{after}");
    assert!(
        after.contains("[vad] # ours\nthreshold = 0.5 # as it came\n")
            && after.starts_with(before.lines().next().expect("one"))
    );
    assert_eq!(code(&run(&mut shop.campaign(&["plan", "c"]))), 0, "and the file is still one");
}

#[test]
fn a_stop_is_false_where_nothing_was_said_and_an_utterance_that_stops_nothing_is_missed() {
    let shop = shop();
    let folder = shop.path("one");
    fs::create_dir_all(&folder).expect("made");
    // Ten seconds of our voice; they say a word at two seconds, and at six.
    let mut noise = fastrand::Rng::with_seed(3);
    let mut them: Vec<i16> = (0..12 * 8_000).map(|_| noise.i16(-20..20)).collect();
    let word = g711::decode_ulaw(WORDS[2]);
    for at in [2 * 8_000, 6 * 8_000] {
        for (to, from) in them[at..].iter_mut().zip(&word) {
            *to = to.saturating_add(*from);
        }
    }
    let wav = two_channels(&them, &vec![0; them.len()]);
    let path = folder.join("call.wav");
    fs::write(&path, wav).expect("written");
    let barge = |more: &[&str]| {
        let mut command = common::ahoy(shop.dir.path());
        run(command.args(["replay", "barge", "--json", "--restart-under-ms", "0"]).arg(&path).args(more))
    };
    let refused = barge(&[]);
    assert_eq!(code(&refused), 3);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no call log beside it"));
    let play =
        "{\"ms\":0,\"media_ms\":0,\"event\":\"play\",\"clip\":\"greeting\",\"total_ms\":10000,\"marks_ms\":[10000]}\n";
    fs::write(folder.join("events.jsonl"), play).expect("written");
    let sums = |output: &std::process::Output| lines(output).pop().expect("sums")["sums"].clone();
    let told = sums(&barge(&[]));
    assert_eq!(
        (told["stops"].as_u64(), &told["false_stops"]),
        (Some(1), &Value::Null),
        "no labels, no verdict: {told}"
    );
    // Only the second word is labelled: the stop at the first was false. What came after it met silence.
    let label = |from: f64| format!("{from}\t{}\thow much?\n", from + word.len() as f64 / 8_000.0);
    fs::write(folder.join("call.labels.txt"), label(6.0)).expect("written");
    let told = sums(&barge(&[]));
    assert_eq!((told["false_stops"].as_u64(), told["missed_stops"].as_u64()), (Some(1), Some(0)), "{told}");
    // Both are; the first cannot stop what is protected, and nothing stops it later.
    fs::write(folder.join("call.labels.txt"), label(2.0) + &label(6.0)).expect("written");
    let told = sums(&barge(&["--protect-ms", "4000"]));
    assert_eq!((told["stops"].as_u64(), told["false_stops"].as_u64()), (Some(1), Some(0)), "{told}");
    let told = sums(&barge(&["--min-speech-ms", "2000"]));
    assert_eq!((told["stops"].as_u64(), told["missed_stops"].as_u64()), (Some(0), Some(0)), "too short for it: {told}");
}

#[test]
fn labels_are_proposed_without_a_terminal_and_never_over_those_that_are_there() {
    let shop = shop();
    let folder = shop.path("labelled");
    fs::create_dir_all(&folder).expect("made");
    let (one, two) = (recording(&folder, "one", 6, 1), recording(&folder, "two", 4, 1));
    let truth = fs::read_to_string(one.with_extension("labels.txt")).expect("labels");
    fs::remove_file(one.with_extension("labels.txt")).expect("there");
    fs::write(folder.join("text.wav"), "this is no sound").expect("written");
    let label = |more: &[&str]| run(common::ahoy(shop.dir.path()).args(["replay", "label"]).arg(&folder).args(more));
    let refused = label(&[]);
    assert_eq!(code(&refused), 2);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--propose"), "{refused:?}");
    let kept = fs::read_to_string(two.with_extension("labels.txt")).expect("labels");
    let told = label(&["--propose", "--json"]);
    assert_eq!(code(&told), 3, "one is no sound");
    let written: Vec<Option<u64>> = lines(&told).iter().map(|it| it["written"].as_u64()).collect();
    assert_eq!(written, [Some(6), None]);
    assert_eq!(fs::read_to_string(two.with_extension("labels.txt")).expect("labels"), kept);
    // They are where the words are, by a hand's breadth.
    let spans = |text: &str| -> Vec<f64> {
        text.lines()
            .flat_map(|line| line.split('\t').take(2).map(|it| it.parse().expect("seconds")).collect::<Vec<f64>>())
            .collect()
    };
    let proposed = fs::read_to_string(one.with_extension("labels.txt")).expect("proposed");
    let apart: Vec<f64> = spans(&proposed).iter().zip(spans(&truth)).map(|(a, b)| (a - b).abs()).collect();
    assert!(apart.len() == 12 && apart.iter().all(|it| *it < 0.12), "{apart:?}");
    assert_eq!(
        code(&run(common::ahoy(shop.dir.path()).args(["replay", "sweep"]).arg(&one))),
        0,
        "and a sweep takes them"
    );
    // Asked for, they are replaced, in their own form, and kept.
    fs::remove_file(folder.join("text.wav")).expect("there");
    fs::rename(two.with_extension("labels.txt"), folder.join("two.rttm")).expect("there");
    let mine = "SPEAKER two 1 0.5 0.4 <NA> <NA> me <NA> <NA>\n";
    fs::write(folder.join("two.rttm"), mine).expect("written");
    assert_eq!(code(&label(&["--propose", "--force", "--quiet"])), 0);
    assert_eq!(fs::read_to_string(folder.join("two.rttm.bak")).expect("kept"), mine);
    assert_eq!(fs::read_to_string(folder.join("two.rttm")).expect("written").lines().count(), 4);
    assert!(!two.with_extension("labels.txt").exists());
    // The form of a new file is chosen.
    for (form, file) in [("csv", "one.csv"), ("textgrid", "one.TextGrid"), ("vtt", "one.vtt")] {
        let alone = shop.path(form);
        fs::create_dir_all(&alone).expect("made");
        fs::copy(&one, alone.join("one.wav")).expect("copied");
        let told =
            run(common::ahoy(shop.dir.path()).args(["replay", "label", "--propose", "--ending", form]).arg(&alone));
        assert!(code(&told) == 0 && alone.join(file).is_file(), "{form}");
        let heard = run(common::ahoy(shop.dir.path()).args(["replay", "run"]).arg(&alone));
        assert!(String::from_utf8_lossy(&heard.stderr).contains("6 utterances"), "{form}: {heard:?}");
    }
}
