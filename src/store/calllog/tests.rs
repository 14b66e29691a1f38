use std::sync::mpsc;

use super::*;
use crate::core::call::{EndCause, Line, What};
use crate::core::sound::g711::ulaw_decode;

fn line(ms: u64, what: What) -> Line {
    Line { ms, media_ms: ms, what }
}

fn call() -> CallId {
    "0192d3a4-0000-7000-8000-000000000001".parse().expect("an id")
}

/// A call of two seconds; gives its folder.
fn recorded(calls: &Path) -> PathBuf {
    let folder = folder(calls, call(), Wall(1_790_000_000_000));
    let (recorder, thread) = Recorder::start().expect("a thread");
    assert!(recorder.open(call(), folder.clone()));
    assert!(recorder.event(call(), line(0, What::Start { sid: None, wall: "2026-09-21T12:53:20.000Z".to_owned() })));
    for second in 0..2 {
        assert!(recorder.sound(call(), vec![0x10 + second; 8_000], vec![0x90; 8_000]));
    }
    assert!(recorder.event(call(), line(2_000, What::End { cause: EndCause::HungUp })));
    let (done, ended) = mpsc::channel();
    recorder.close(call(), Box::new(move || done.send(()).expect("the test waits")));
    ended.recv().expect("closed");
    drop(thread);
    folder
}

#[test]
fn a_call_is_read_back_as_it_was_written() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = recorded(dir.path());
    assert!(folder.ends_with("2026/09/21/0192d3a4-0000-7000-8000-000000000001"));
    assert_eq!(list(dir.path(), 10).expect("readable"), [(call(), folder.clone())]);
    let record = read(call(), &folder).expect("readable");
    assert_eq!((record.lines.len(), record.unread), (2, 0));
    assert!(matches!(&record.lines[0].what, What::Start { wall, .. } if wall == "2026-09-21T12:53:20.000Z"));
    let mut wav = hound::WavReader::open(folder.join(AUDIO)).expect("a WAV");
    let samples: Vec<i16> = wav.samples::<i16>().map(|it| it.expect("whole")).collect();
    assert_eq!(samples.len(), 2 * 16_000);
    let (them, us) = (ulaw_decode(0x10), ulaw_decode(0x90));
    assert_eq!(samples[..2], [them, us], "them left, us right");
}

#[test]
fn what_was_said_stands_in_a_file_of_its_own_and_is_made_again_if_it_is_missing() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = folder(dir.path(), call(), Wall(1_790_000_000_000));
    let (recorder, thread) = Recorder::start().expect("a thread");
    assert!(recorder.open(call(), folder.clone()));
    let heard = "Hello.".to_owned();
    assert!(recorder.event(call(), line(900, What::HandOver { heard, cut: false, owed_ms: 0, waited_ms: 0 })));
    assert!(recorder.event(call(), line(1_500, What::Understood { text: "How much?".to_owned() })));
    assert!(recorder.event(call(), line(2_000, What::End { cause: EndCause::HungUp })));
    let (done, ended) = mpsc::channel();
    recorder.close(call(), Box::new(move || done.send(()).expect("the test waits")));
    ended.recv().expect("closed");
    drop(thread);
    let path = folder.join(TRANSCRIPT);
    let first = std::fs::read_to_string(&path).expect("made at the call's end");
    let said: serde_json::Value = serde_json::from_str(&first).expect("JSON");
    assert_eq!((said[0]["text"].as_str(), said[0]["ours"].as_bool()), (Some("Hello."), Some(true)));
    assert_eq!((said[1]["text"].as_str(), said[1]["at_ms"].as_u64()), (Some("How much?"), Some(1_500)));
    std::fs::remove_file(&path).expect("lost");
    assert_eq!(transcript(call(), &folder).expect("made"), Some(path.clone()));
    assert_eq!(std::fs::read_to_string(&path).expect("there"), first);
    // Without its end the call goes on, or its process died: more may come.
    std::fs::remove_file(&path).expect("lost");
    let events = std::fs::read_to_string(folder.join(EVENTS)).expect("a log");
    let end = events.trim_end().rfind('\n').expect("several lines");
    std::fs::write(folder.join(EVENTS), &events[..end]).expect("cut");
    assert_eq!(transcript(call(), &folder).expect("readable"), None);
}

#[test]
fn files_cut_anywhere_are_still_read_and_the_header_is_mended() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = recorded(dir.path());
    let (events, audio) =
        (std::fs::read(folder.join(EVENTS)).expect("log"), std::fs::read(folder.join(AUDIO)).expect("wav"));
    for cut in 0..events.len() {
        std::fs::write(folder.join(EVENTS), &events[..cut]).expect("written");
        let record = read(call(), &folder).expect("readable");
        assert!(record.lines.len() + record.unread <= 2 && record.unread <= 1, "cut at {cut}");
    }
    for cut in (0..60).chain((60..audio.len()).step_by(997)) {
        std::fs::write(folder.join(AUDIO), &audio[..cut]).expect("written");
        let path = recording(&folder).expect("readable");
        assert_eq!(path.is_some(), cut >= 48, "cut at {cut}");
        if let Some(path) = path {
            let wav = hound::WavReader::open(path).expect("a WAV");
            assert_eq!(wav.len() as usize, (cut - 44) / 4 * 2);
        }
    }
}

#[test]
fn a_full_disk_costs_parts_of_the_log_and_the_log_says_so() {
    use super::recorder::{Calls, Job, write};
    let dir = tempfile::tempdir().expect("a folder");
    let folder = folder(dir.path(), call(), Wall(1_790_000_000_000));
    std::fs::create_dir_all(&folder).expect("made");
    let (mut calls, mut scratch) = (Calls::new(), Vec::new());
    // Linux's disk that is always full.
    std::os::unix::fs::symlink("/dev/full", folder.join(EVENTS)).expect("a link");
    let mut write = |job| write(&mut calls, job, &mut scratch);
    write(Job::Open(call(), folder.clone())).expect("opening writes nothing into the log");
    write(Job::Sound(call(), vec![0x10; 8_000], vec![0x90; 8_000])).expect("the sound has its own file");
    let full = write(Job::Event(call(), line(0, What::Clear))).expect_err("no room");
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    write(Job::Event(call(), line(20, What::Clear))).expect_err("no room");

    std::fs::remove_file(folder.join(EVENTS)).expect("removed");
    std::fs::write(folder.join(EVENTS), "{\"ms\":0,\"med").expect("half a line");
    write(Job::Event(call(), line(1_000, What::Answered))).expect("there is room again");
    let record = read(call(), &folder).expect("readable");
    let words: Vec<&What> = record.lines.iter().map(|line| &line.what).collect();
    assert_eq!(words, [&What::LogLost { parts: 2 }, &What::Answered]);
    assert_eq!(record.unread, 1, "the half line spoils no other");
    let report = crate::core::call::report::Report::of(&record.lines);
    assert_eq!(report.lost_parts, 2);

    // Sound that could not be written leaves a silent hole: what follows keeps its place.
    std::fs::remove_file(folder.join(AUDIO)).expect("removed");
    std::os::unix::fs::symlink("/dev/full", folder.join(AUDIO)).expect("a link");
    calls.remove(&call());
    let mut write = |job| super::recorder::write(&mut calls, job, &mut scratch);
    write(Job::Open(call(), folder.clone())).expect_err("no room for the header");
    write(Job::Sound(call(), vec![0x10; 8_000], vec![0x90; 8_000])).expect_err("no room");
    std::fs::remove_file(folder.join(AUDIO)).expect("removed");
    write(Job::Sound(call(), vec![0x20; 8_000], vec![0xA0; 8_000])).expect("there is room again");
    let (done, ended) = mpsc::channel();
    write(Job::Close(call(), Box::new(move || done.send(()).expect("the test waits")))).expect("closed");
    ended.recv().expect("told");
    let mut wav = hound::WavReader::open(folder.join(AUDIO)).expect("a WAV");
    let samples: Vec<i16> = wav.samples::<i16>().map(|it| it.expect("whole")).collect();
    assert_eq!((samples.len(), samples[0], samples[16_000]), (32_000, 0, ulaw_decode(0x20)));
    let record = read(call(), &folder).expect("readable");
    assert_eq!(record.lines.last().map(|line| &line.what), Some(&What::LogLost { parts: 2 }));
}

#[test]
fn what_the_full_queue_cannot_take_is_counted() {
    let (recorder, thread) = Recorder::start().expect("a thread");
    let mut refused = 0;
    // The thread empties the queue ten times a second; a burst is faster than that.
    for ms in 0..200_000 {
        refused += u64::from(!recorder.event(call(), line(ms, What::Clear)));
    }
    assert!(refused > 0);
    assert_eq!(recorder.lost(), refused);
    drop(thread);
}
