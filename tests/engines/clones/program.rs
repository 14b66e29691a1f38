//! `ahoy clone` and `ahoy leads forget` as programs: killed between upload and answer, and looked over for numbers.

use std::process::{Command, Stdio};
use std::time::Duration;

use ahoy::base::Wall;
use ahoy::store::ledger::WhichClones;
use serde_json::Value;

use super::{House, voice};
use crate::KEY;
use crate::common::{self, process};
use crate::emulator::Act;

fn ahoy(house: &House, arguments: &[&str]) -> Command {
    let mut command = common::ahoy(house.dir.path());
    command.args(arguments).env("AHOY_TEST_SPEECH_KEY", KEY);
    command
}

/// Exit code and lines of JSON. The emulator lives on this runtime: the program is waited for on another thread.
async fn json(house: &House, arguments: &[&str]) -> (i32, Vec<Value>) {
    let mut command = ahoy(house, arguments);
    command.arg("--json");
    let output = tokio::task::spawn_blocking(move || common::run(&mut command)).await.expect("it ran");
    let lines = String::from_utf8(output.stdout.clone()).expect("UTF-8");
    assert!(!crate::leaks(&lines) && !crate::leaks(&String::from_utf8_lossy(&output.stderr)), "the key was printed");
    (common::code(&output), lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_between_upload_and_answer_makes_no_second_voice() {
    let house = House::open("").await;
    house.studio.with(|it| it.uploads = vec![Act::Slow(3_000)]);
    let mut child = ahoy(&house, &["clone", "add", "+442079460001"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    for _ in 0..1_000 {
        if house.uploads() == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!((house.uploads(), house.studio.made()), (1, 0), "the upload is there, its answer is not");
    process::signal(child.id(), "KILL");
    let _killed = child.wait();
    // At once, before the service has made it; it is looked for, and found when it is there.
    let (code, lines) = json(&house, &["clone", "add", "+442079460001"]).await;
    assert_eq!(
        (code, lines[0]["voice"].as_str(), lines[0]["ready"].as_bool()),
        (0, Some("vo000000000000000001"), Some(true))
    );
    assert_eq!((house.uploads(), house.studio.made(), house.studio.voices().len()), (1, 1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn voices_are_planned_made_listed_and_removed_and_nothing_tells_a_number() {
    let house = House::open("").await;
    house.list("+442079460001,2020-11-01,by letter,voice.wav\n+442079460002,2020-11-01,by letter,gone.wav\n");
    let (code, lines) = json(&house, &["clone", "add", "--all", "--dry-run"]).await;
    let would: Vec<&str> = lines.iter().filter_map(|it| it["would"].as_str()).collect();
    assert_eq!((code, would), (0, vec!["make", "not"]));
    assert_eq!((lines[1]["fault"].as_str(), lines[2]["slots"]["limit"].as_u64()), (Some("no_sample"), Some(30)));
    assert_eq!(house.uploads(), 0, "a plan makes nothing");
    let (code, lines) = json(&house, &["clone", "add", "--all"]).await;
    assert_eq!((code, lines.len(), house.studio.made()), (3, 2, 1), "one is not there");
    // A sample of one's own, kept under a keyed name.
    let file = house.dir.path().join("ana.wav");
    std::fs::write(&file, voice(15, 8_000.0)).expect("written");
    let file = file.to_str().expect("UTF-8");
    let with = |day: &'static str| {
        vec!["clone", "add", "+442079460003", "--sample", file, "--consent", "on the phone", "--consented-on", day]
    };
    assert_eq!(json(&house, &with("2127-01-01")).await.0, 2, "a consent of the future");
    assert_eq!(json(&house, &with("2020-11-01")).await.0, 0);
    assert_eq!(json(&house, &["clone", "add", "+442079460003"]).await.1[0]["cached"].as_bool(), Some(true));
    for entry in std::fs::read_dir(house.dir.path().join("samples")).expect("readable") {
        let name = entry.expect("readable").file_name().into_string().expect("UTF-8");
        assert!(!name.contains("79460003"), "{name}");
    }
    let (code, lines) = json(&house, &["clone", "list"]).await;
    let ready: Vec<&Value> = lines.iter().filter(|it| it["state"] == "ready").collect();
    assert_eq!((code, ready.len()), (0, 2), "{lines:?}");
    for it in &ready {
        assert_eq!(it["events"][0]["event"], "clone-ready");
        assert!(["+44…01", "+44…03"].contains(&it["caller"].as_str().expect("a caller")), "{it}");
    }
    let list = tokio::task::spawn_blocking({
        let mut command = ahoy(&house, &["clone", "list"]);
        move || common::run(&mut command)
    });
    assert!(String::from_utf8_lossy(&list.await.expect("it ran").stdout).contains("clone-ready after"));
    assert_eq!(json(&house, &["clone", "remove", "+442079460009"]).await.0, 2, "nobody's");
    let (code, lines) = json(&house, &["clone", "remove", "+442079460003", "--with-sample"]).await;
    assert_eq!((code, lines[0]["deleted"].as_u64(), lines[0]["samples"].as_u64()), (0, Some(1), Some(1)));
    assert_eq!(json(&house, &["clone", "add", "+442079460003"]).await.1[0]["fault"].as_str(), Some("no_consent"));
    assert_eq!(house.studio.voices().len(), 1);
    assert_eq!(house.service.refused(), Vec::<String>::new(), "as documented");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forgetting_a_person_deletes_their_voice_and_sample_as_soon_as_the_service_answers() {
    let house = House::open("").await;
    let root = house.dir.path();
    std::fs::create_dir_all(root.join("campaigns/c")).expect("made");
    let campaign = "callers = [\"+15005550006\"]\ncountries = [\"GB\"]\n[greeting]\nen = \"Hello.\"\n";
    std::fs::write(root.join("campaigns/c/campaign.toml"), campaign).expect("written");
    std::fs::write(root.join("people.csv"), "phone,name\n+442079460001,Ana\n").expect("written");
    let people = root.join("people.csv");
    let import = ["leads", "import", people.to_str().expect("UTF-8"), "--campaign", "c"];
    assert_eq!(json(&house, &import).await.0, 0);
    house.sample("442079460001.wav", &voice(12, 8_000.0));
    house.list("+442079460001,2020-11-01,by letter,\n+442079460002,2020-11-01,by letter,voice.wav\n");
    assert_eq!(json(&house, &["clone", "add", "--all"]).await.0, 0);
    house.studio.with(|it| it.rest = Some(Act::Error(503)));
    let (code, lines) = json(&house, &["leads", "forget", "+442079460001", "--yes"]).await;
    assert_eq!(code, 0);
    assert!(lines[0]["what"].as_str().is_some_and(|it| it.contains("1 voices")), "{lines:?}");
    assert_eq!(house.ledger().clones(WhichClones::All).expect("read").len(), 1, "no row, so no number");
    assert!(!root.join("samples/442079460001.wav").exists());
    assert!(!std::fs::read_to_string(root.join("samples/samples.csv")).expect("a list").contains("79460001"));
    assert_eq!(house.studio.voices().len(), 2, "the service was away");
    house.studio.with(|it| it.rest = None);
    let conn = rusqlite::Connection::open(root.join("ahoy.db")).expect("opened");
    conn.execute("UPDATE clone_leaving SET due = 0", []).expect("its time has come");
    drop(conn);
    assert_eq!(json(&house, &["clone", "add", "+442079460002"]).await.0, 0);
    assert_eq!(house.studio.voices().len(), 1);
    let leaving = house.ledger().leaving(ahoy::core::config::CloneProvider::ElevenLabs, Wall(i64::MAX), 10);
    assert_eq!(leaving.expect("read"), vec![]);
}
