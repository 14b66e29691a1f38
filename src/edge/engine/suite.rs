//! One suite for engines that are programs: every way in which a program can fail to give sound.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;

use super::*;
use crate::base::Failure;
use crate::core::sound::{Pcm, wav};

/// Programs need no key.
const NO_KEYS: fn(&SecretRef, &str) -> Result<Secret, Failure> = |_, what| Err(Failure::usage(what.to_owned()));

/// A folder with a WAV in it, and shell scripts as engines.
struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Bench {
        let bench = Bench { folder: tempfile::tempdir().expect("a temporary folder") };
        std::fs::write(bench.path("good.wav"), wav::write(&tone())).expect("writes");
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// An engine of a shell script; `$DIR` is the folder.
    fn engine(&self, script: &str, more: impl FnOnce(&mut EngineConfig)) -> Arc<dyn Engine> {
        let script = format!("DIR='{}'; {script}", self.folder.path().display());
        let mut config = EngineConfig {
            kind: Some("command".to_owned()),
            command: vec!["sh".to_owned(), "-c".to_owned(), script, "sh".to_owned()],
            ..EngineConfig::default()
        };
        more(&mut config);
        let engines = BTreeMap::from([("mine".to_owned(), config)]);
        open("mine", &engines, self.folder.path(), &NO_KEYS).expect("sh is everywhere")
    }

    async fn fault(&self, script: &str) -> EngineFault {
        self.engine(script, |_| ()).render(&hello()).await.expect_err(script)
    }
}

fn tone() -> Pcm {
    Pcm { samples: (0..4_000).map(|i| (i % 40 - 20) * 500).collect(), rate: 16_000 }
}

fn hello() -> Request {
    Request {
        text: "Hello.".to_owned(),
        language: "en".parse().expect("a tag"),
        voice: None,
        model: None,
        settings: BTreeMap::new(),
    }
}

#[tokio::test]
async fn a_program_that_writes_a_wav_is_an_engine() {
    let bench = Bench::new();
    let rendered = bench.engine("cat >/dev/null; cat $DIR/good.wav", |_| ()).render(&hello()).await.expect("sound");
    assert_eq!(rendered.pcm, tone());
    assert_eq!(rendered.usage, Usage { characters: 6, ..Usage::default() });
}

#[tokio::test]
async fn raw_sound_needs_its_rate_and_whole_samples() {
    let bench = Bench::new();
    let raw = |config: &mut EngineConfig| config.raw_rate = Some(22_050);
    let out = bench.engine("tail -c 8000 $DIR/good.wav", raw).render(&hello()).await.expect("sound");
    assert_eq!((out.pcm.rate, &out.pcm.samples), (22_050, &tone().samples));
    for script in ["tail -c 7999 $DIR/good.wav", "echo '<html>busy</html>'", "cat $DIR/good.wav", "true"] {
        let fault = bench.engine(script, raw).render(&hello()).await.expect_err(script);
        assert!(matches!(fault, EngineFault::BadSound { .. }), "{script}: {fault}");
    }
}

#[tokio::test]
async fn what_is_no_sound_never_becomes_sound() {
    let bench = Bench::new();
    let cases = [
        ("true", "no bytes"),
        ("echo '<!DOCTYPE html><p>502 Bad Gateway'", "HTML"),
        ("echo '{\"error\": 1}'", "JSON"),
        ("head -c 5000 $DIR/good.wav", "cut off"),
        ("head -c 44 $DIR/good.wav", "cut off"),
        ("head -c 20 $DIR/good.wav", "damaged"),
        ("echo 'no such voice' >&2; echo hm", "no such voice"),
    ];
    for (script, word) in cases {
        let fault = bench.fault(script).await;
        assert!(matches!(fault, EngineFault::BadSound { .. }), "{script}: {fault}");
        assert!(fault.to_string().contains(word), "{script}: {fault}");
    }
}

#[tokio::test]
async fn sound_with_a_wrong_exit_status_is_refused_with_the_programs_words() {
    let bench = Bench::new();
    let fault = bench.fault("cat $DIR/good.wav; printf 'one\\ntwo\\n\\033[31mred\\n' >&2; exit 3").await;
    assert!(matches!(fault, EngineFault::Failed { .. }));
    let said = fault.to_string();
    assert!(said.contains("exit code 3: one / two /") && !said.contains('\u{1b}'), "{said}");
    assert!(bench.fault("kill -9 $$").await.to_string().contains("signal"));
}

#[tokio::test]
async fn a_lying_header_is_read_to_the_end_of_the_sound() {
    let bench = Bench::new();
    let mut bytes = wav::write(&tone());
    bytes[40..44].copy_from_slice(&0x7FFF_F000u32.to_le_bytes());
    std::fs::write(bench.path("lying.wav"), bytes).expect("writes");
    let out = bench.engine("cat $DIR/lying.wav", |_| ()).render(&hello()).await.expect("sound");
    assert_eq!(out.pcm, tone());
}

#[tokio::test]
async fn endless_output_is_cut_off_and_the_program_killed() {
    let bench = Bench::new();
    // `yes` would write for ever; the fault must come although it never ends.
    let fault = bench.fault("exec yes").await;
    assert!(matches!(&fault, EngineFault::BadSound { why, .. } if why.contains("more than")), "{fault}");
    // Endless words on standard error are kept in a bounded tail.
    let fault = bench.fault("i=0; while [ $i -lt 3000 ]; do echo line $i >&2; i=$((i+1)); done; exit 1").await;
    assert!(fault.to_string().ends_with("line 2997 / line 2998 / line 2999"), "{fault}");
}

#[tokio::test]
async fn text_arrives_whole_and_arguments_are_filled() {
    let bench = Bench::new();
    let script = "cat > $DIR/text; echo \"$1 $2 $3\" > $DIR/args; cat $DIR/good.wav";
    let engine = bench.engine(script, |config| {
        config.command.extend(["{language}", "--voice={voice}", "{speed}; rm"].map(str::to_owned));
    });
    let mut request = hello();
    request.text = "Grüße & <b> $(rm) ".repeat(160);
    assert!(matches!(engine.render(&request).await, Err(EngineFault::Refused { .. })), "no voice given");
    request.voice = Some("anna".to_owned());
    request.settings.insert("speed".to_owned(), "$(1)".to_owned());
    engine.render(&request).await.expect("sound");
    let read = |name: &str| std::fs::read_to_string(bench.path(name)).expect("written");
    assert_eq!(read("text").trim_end_matches('\n'), request.text);
    assert_eq!(read("args"), "en --voice=anna $(1); rm\n");
    request.settings.insert("stability".to_owned(), "1".to_owned());
    let fault = engine.render(&request).await.expect_err("a setting without a place");
    assert!(fault.to_string().contains("stability"), "{fault}");
}

#[tokio::test]
async fn a_program_that_does_not_read_its_text_is_no_deadlock() {
    let bench = Bench::new();
    let mut request = hello();
    // More than a pipe holds.
    request.text = "word ".repeat(40_000);
    let engine = bench.engine("cat $DIR/good.wav", |_| ());
    assert_eq!(engine.render(&request).await.expect("sound").pcm, tone());
}

#[tokio::test]
async fn dropping_a_request_kills_the_program_and_what_it_started() {
    let bench = Bench::new();
    let fifo = bench.path("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status().expect("mkfifo is everywhere");
    assert!(made.success());
    // Shell and grandchild both hold the pipe open; it reads as ended only when both are dead.
    let engine = bench.engine("exec 3>$DIR/fifo; echo up >&3; sleep 1000 & sleep 1000; echo never >&3", |_| ());
    let reader = tokio::task::spawn_blocking(move || {
        let mut pipe = BufReader::new(std::fs::File::open(fifo).expect("opens"));
        let mut first = String::new();
        pipe.read_line(&mut first).expect("reads");
        (first, pipe)
    });
    let request = hello();
    let first;
    let mut pipe;
    tokio::select! {
        result = engine.render(&request) => panic!("it sleeps for long: {result:?}"),
        read = reader => (first, pipe) = read.expect("the reader is alive"),
    }
    assert_eq!(first, "up\n");
    let rest = tokio::task::spawn_blocking(move || {
        let mut rest = String::new();
        pipe.read_to_string(&mut rest).expect("reads");
        rest
    });
    assert_eq!(rest.await.expect("the reader is alive"), "");
}

#[tokio::test]
async fn many_at_once_get_each_their_own() {
    let bench = Bench::new();
    // The text is the number of samples wanted.
    let engine = bench.engine("read n; tail -c $((n * 2)) $DIR/good.wav", |config| config.raw_rate = Some(16_000));
    let requests: Vec<Request> = (100..132).map(|n| Request { text: n.to_string(), ..hello() }).collect();
    let all = futures_util::future::join_all(requests.iter().map(|request| engine.render(request))).await;
    let lengths: Vec<usize> = all.into_iter().map(|r| r.expect("sound").pcm.samples.len()).collect();
    assert_eq!(lengths, (100..132).collect::<Vec<usize>>());
}

#[test]
fn an_unknown_engine_is_told_the_known_ones() {
    let engines = BTreeMap::from([("piper".to_owned(), EngineConfig::default())]);
    let fault = open("pcio", &engines, Path::new("/nonexistent"), &NO_KEYS).err().expect("unknown");
    assert!(fault.to_string().ends_with("known are espeak, pico, piper"), "{fault}");
    let config = EngineConfig {
        kind: Some("command".to_owned()),
        command: vec!["no-such-program-here".to_owned()],
        ..EngineConfig::default()
    };
    let fault = open("piper", &BTreeMap::from([("piper".to_owned(), config)]), Path::new("/"), &NO_KEYS)
        .err()
        .expect("missing");
    assert!(matches!(fault, EngineFault::Missing { .. }), "{fault}");
}

#[test]
fn a_command_speaks_the_languages_that_it_lists() {
    let bench = Bench::new();
    let engine = bench.engine("true", |config| config.languages = vec!["bg".to_owned(), "pt-br".to_owned()]);
    let speaks = |tag: &str| engine.speaks(&tag.parse().expect("a tag")).is_ok();
    assert_eq!(
        (speaks("bg"), speaks("bg-bg"), speaks("pt"), speaks("pt-br"), speaks("en")),
        (true, true, false, true, false)
    );
}
