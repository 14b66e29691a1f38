use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::base::Wall;
use crate::core::asset::check::{self, Expected};
use crate::core::asset::{Recipe, Record};
use crate::core::sound::{Pcm, pipeline, wav};

/// A sound asset: tone in syllables through the real pipeline.
pub(crate) fn asset(text: &str) -> (Vec<u8>, Record) {
    let raw: Vec<i16> = (0..8_000 * 2)
        .map(|n| {
            let on = n % 1_600 < 1_200 && n < 14_400;
            let swell = libm::sin(f64::from(n % 1_600) / 1_200.0 * std::f64::consts::PI);
            if on { (libm::sin(f64::from(n) * 0.2) * 6_000.0 * swell) as i16 } else { (n % 7) as i16 }
        })
        .collect();
    let prepared = pipeline::prepare(&Pcm { samples: raw, rate: 8_000 }, 8_000).expect("sound");
    let bytes = wav::write(&prepared.pcm);
    let recipe = Recipe {
        engine: "test".to_owned(),
        engine_version: "1".to_owned(),
        model: None,
        voice: None,
        language: "en".parse().expect("tag"),
        settings: BTreeMap::new(),
        text: text.to_owned(),
        rate: 8_000,
        pipeline: "1".to_owned(),
        said: None,
    };
    let measured = check::hear(&bytes, &Expected { text, language: &recipe.language, rate: 8_000 }).expect("sound");
    let record = Record {
        fingerprint: recipe.fingerprint(),
        sha256: Digest::of(&bytes),
        reproducible: true,
        recipe,
        measured,
        trimmed_head_ms: 0,
        trimmed_tail_ms: 0,
        transcript: None,
        usage: Default::default(),
        alignment: None,
        rendered_ms: 0,
        request_id: None,
        rendered_at: Wall(0).rfc3339(),
    };
    (bytes, record)
}

const TEXT: &str = "Hello, this is a short test phrase.";

fn shelf() -> (tempfile::TempDir, Shelf) {
    let dir = tempfile::tempdir().expect("a temp folder");
    let shelf = Shelf::at(&dir.path().join("cache"));
    (dir, shelf)
}

fn claim(shelf: &Shelf, name: &Digest) -> Claim {
    shelf.claim(name).expect("the disk works").expect("nobody else is at it")
}

fn look(shelf: &Shelf, name: &Digest) -> Looked {
    shelf.look(name, Question::Sound).expect("the disk works")
}

fn files(shelf: &Shelf, name: &Digest) -> Vec<String> {
    let entries = fs::read_dir(shelf.folder(name)).expect("the folder is there");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("readable").file_name().into_string().expect("ASCII")).collect();
    names.sort();
    names
}

#[test]
fn what_entered_is_whole_and_nothing_else_stays() {
    let (_dir, shelf) = shelf();
    let (bytes, record) = asset(TEXT);
    let name = record.fingerprint.clone();
    assert_eq!(look(&shelf, &name), Looked::Absent);
    claim(&shelf, &name).enter(&bytes, &record).expect("sound");
    assert!(matches!(look(&shelf, &name), Looked::Whole(whole) if whole.record == record && whole.flaws.is_empty()));
    assert_eq!(files(&shelf, &name), [format!("{name}.json"), format!("{name}.wav")]);
}

#[test]
fn a_crash_at_any_point_leaves_nothing_that_counts_and_the_next_one_mends_it() {
    type Crash = fn(Claim, &[u8], &Record);
    let after_claim: Crash = |claim, _, _| std::mem::forget(claim);
    let after_staging: Crash = |claim, wav, record| std::mem::forget(claim.stage(wav, record).expect("sound"));
    let between_renames: Crash = |claim, wav, record| {
        claim.stage(wav, record).expect("sound").crash_between_renames().expect("the disk works");
    };
    for (at, crash) in [after_claim, after_staging, between_renames].into_iter().enumerate() {
        let (_dir, shelf) = shelf();
        let (bytes, record) = asset(TEXT);
        let name = record.fingerprint.clone();
        crash(claim(&shelf, &name), &bytes, &record);
        assert_eq!(look(&shelf, &name), Looked::Absent, "crash {at}");
        // A forgotten claim keeps its lock, as a live process would; a dead one's is freed by the kernel. Here the
        // lock file is replaced, which gives the next claim a free one.
        fs::remove_file(shelf.folder(&name).join(format!(".{name}.lock"))).expect("the crash left its lock file");
        claim(&shelf, &name).enter(&bytes, &record).expect("mended");
        assert!(matches!(look(&shelf, &name), Looked::Whole(_)), "crash {at}");
        assert_eq!(files(&shelf, &name).len(), 2, "crash {at}: leftovers are swept");
    }
}

#[test]
fn only_one_at_a_time_may_write_an_asset() {
    let (_dir, shelf) = shelf();
    let (bytes, record) = asset(TEXT);
    let first = claim(&shelf, &record.fingerprint);
    assert!(shelf.claim(&record.fingerprint).expect("the disk works").is_none());
    let other = Digest::of(b"another");
    assert!(shelf.claim(&other).expect("the disk works").is_some(), "another asset is free");
    first.enter(&bytes, &record).expect("sound");
    assert!(shelf.claim(&record.fingerprint).expect("the disk works").is_some());
}

#[test]
fn a_damaged_byte_a_foreign_record_and_a_cut_file_do_not_count() {
    let (_dir, shelf) = shelf();
    let (bytes, record) = asset(TEXT);
    let name = record.fingerprint.clone();
    claim(&shelf, &name).enter(&bytes, &record).expect("sound");
    let damaged = |wav: &[u8]| {
        fs::write(shelf.wav_path(&name), wav).expect("writable");
        matches!(look(&shelf, &name), Looked::Damaged(_))
    };
    let mut flipped = bytes.clone();
    flipped[5_000] ^= 1;
    assert!(damaged(&flipped) && damaged(&bytes[..bytes.len() / 2]) && damaged(b"") && damaged(b"<html>"));
    assert!(!damaged(&bytes));
    let (_, other) = asset("Another text of about that length.");
    fs::write(shelf.json_path(&name), serde_json::to_string(&other).expect("JSON")).expect("writable");
    assert!(matches!(look(&shelf, &name), Looked::Damaged(flaw) if flaw.message.contains("another asset's")));
    fs::remove_file(shelf.json_path(&name)).expect("removable");
    assert_eq!(look(&shelf, &name), Looked::Absent, "sound without a record does not count");
}

#[test]
fn sound_that_the_ear_refuses_never_becomes_visible() {
    let (_dir, shelf) = shelf();
    let (bytes, mut record) = asset(TEXT);
    let name = record.fingerprint.clone();
    for bad in [&bytes[..44], b"<html>502</html>", &bytes[..9_000]] {
        record.sha256 = Digest::of(bad);
        assert!(claim(&shelf, &name).enter(bad, &record).is_err());
        assert!(files(&shelf, &name).is_empty());
    }
    let (_, good) = asset(TEXT);
    assert!(claim(&shelf, &name).enter(&bytes[..bytes.len() - 2], &good).is_err(), "not the recorded hash");
    let other = Digest::of(b"other");
    assert!(claim(&shelf, &other).enter(&bytes, &good).is_err(), "not this asset's record");
}

#[cfg(unix)]
#[test]
fn links_in_the_cache_are_not_followed() {
    let (dir, shelf) = shelf();
    let (bytes, record) = asset(TEXT);
    let name = record.fingerprint.clone();
    claim(&shelf, &name).enter(&bytes, &record).expect("sound");
    let outside = dir.path().join("outside.wav");
    fs::rename(shelf.wav_path(&name), &outside).expect("same disk");
    std::os::unix::fs::symlink(&outside, shelf.wav_path(&name)).expect("a link");
    assert!(matches!(look(&shelf, &name), Looked::Damaged(flaw) if flaw.message.contains("not a plain file")));
    let linked = Digest::of(b"linked");
    fs::create_dir_all(dir.path().join("elsewhere")).expect("a folder");
    let folder = shelf.folder(&linked);
    if !folder.exists() {
        std::os::unix::fs::symlink(dir.path().join("elsewhere"), &folder).expect("a link");
        assert!(shelf.claim(&linked).is_err());
    }
}

#[test]
fn pruning_keeps_what_is_referenced_young_or_not_ours() {
    let (_dir, shelf) = shelf();
    let (bytes, kept) = asset(TEXT);
    let (gone_bytes, gone) = asset("Some other words of that length.");
    claim(&shelf, &kept.fingerprint).enter(&bytes, &kept).expect("sound");
    claim(&shelf, &gone.fingerprint).enter(&gone_bytes, &gone).expect("sound");
    let notes = shelf.folder(&gone.fingerprint).join("notes.txt");
    fs::write(&notes, "mine").expect("writable");
    let referenced = BTreeSet::from([kept.fingerprint.clone()]);
    let written = fs::metadata(&notes).and_then(|meta| meta.modified()).expect("the file's time");
    let since = written.duration_since(UNIX_EPOCH).expect("after 1970");
    let now = Wall(i64::try_from(since.as_millis()).expect("fits") + 1_000);
    let hour = Duration::from_secs(3_600);
    let find = |now: Wall, age| shelf.unreferenced(&referenced, now, age).expect("the disk works");
    assert!(find(now, hour).is_empty(), "too young");
    let old = find(now + hour, hour);
    assert_eq!(old, find(now, Duration::ZERO));
    assert_eq!((old.len(), &old[0].fingerprint), (1, &gone.fingerprint));
    {
        let _busy = claim(&shelf, &gone.fingerprint);
        assert_eq!(shelf.remove(&old).expect("the disk works").busy, 1);
    }
    let swept = shelf.remove(&old).expect("the disk works");
    assert_eq!((swept.assets, swept.busy, swept.bytes), (1, 0, old[0].bytes));
    assert_eq!(look(&shelf, &gone.fingerprint), Looked::Absent);
    assert!(matches!(look(&shelf, &kept.fingerprint), Looked::Whole(_)) && notes.exists());
}

#[test]
fn many_are_read_in_the_order_they_were_asked() {
    let (_dir, shelf) = shelf();
    let names: Vec<Digest> = (0..40u8)
        .map(|n| {
            let (bytes, record) = asset(&format!("Hello, this is a short phrase {n}."));
            if n % 2 == 0 {
                claim(&shelf, &record.fingerprint).enter(&bytes, &record).expect("sound");
            }
            record.fingerprint
        })
        .collect();
    let looked = shelf.look_all(&names, Question::Sound).expect("the disk works");
    for (n, it) in looked.iter().enumerate() {
        match it {
            Looked::Whole(whole) => assert!(n % 2 == 0 && whole.record.fingerprint == names[n]),
            Looked::Absent => assert!(n % 2 == 1),
            Looked::Damaged(flaw) => panic!("{flaw:?}"),
        }
    }
}
