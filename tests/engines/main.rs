//! One suite that all speech services pass: an emulator of each on loopback checks every request by the provider's own
//! schemas (headers, query and unknown fields included) and misbehaves; what the engine makes of it, what the renderer
//! lets onto the shelf, and what is printed, is the promise.
//!
//! A new service is a `Vendor` and a row in [`providers`].

mod clones;
#[path = "../common/mod.rs"]
mod common;
mod elevenlabs;
mod emulator;
mod gemini;
mod gemini_live;
mod openai;
mod schema;
mod sound;
mod summarizers;
mod transcribers;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use ahoy::base::{Language, Money, Secret};
use ahoy::core::config::EngineConfig;
use ahoy::edge::engine::http::Bounds;
use ahoy::edge::engine::{Boxed, Engine, EngineFault, ModelName, Rendered, Request};
use ahoy::run::render::{GenerateOptions, GenerateReport, generate_exit, generate_with};
use ahoy::store::workspace::Workspace;
use emulator::{Act, Emulator, Vendor};

/// The key that must never be printed, in no part longer than six characters.
pub const KEY: &str = "sk-Qz7wK2vN9xR4tB8mL5pH";

type Open = fn(&EngineConfig, Secret, Bounds) -> Result<Arc<dyn Engine>, EngineFault>;

/// One service under test.
struct Provider {
    kind: &'static str,
    /// Its model ends on a known day: after it, nothing can be generated with it any more.
    ends: bool,
    model: &'static str,
    voice: &'static str,
    start: fn(Act) -> Boxed<'static, Emulator>,
    open: Open,
}

fn providers() -> Vec<Provider> {
    vec![
        Provider {
            kind: "elevenlabs",
            ends: false,
            model: "eleven_flash_v2_5",
            voice: elevenlabs::VOICE,
            start: |act| Box::pin(Emulator::start(elevenlabs::ElevenLabs::new(), act)),
            open: |config, key, bounds| {
                let engine = ahoy::edge::engine::elevenlabs::ElevenLabs::open("svc", config, Some(key), bounds)?;
                Ok(Arc::new(engine))
            },
        },
        Provider {
            kind: "gemini",
            ends: false,
            model: "gemini-3.8-flash-tts",
            voice: "Puck",
            start: |act| Box::pin(Emulator::start(gemini::Gemini::new(), act)),
            open: |config, key, bounds| {
                Ok(Arc::new(ahoy::edge::engine::gemini::Gemini::open("svc", config, Some(key), bounds)?))
            },
        },
        Provider {
            kind: "gemini-live",
            ends: false,
            model: "gemini-3.8-live",
            voice: "Puck",
            start: |act| Box::pin(Emulator::start(gemini_live::GeminiLive::new(), act)),
            open: |config, key, bounds| {
                Ok(Arc::new(ahoy::edge::engine::gemini_live::GeminiLive::open("svc", config, Some(key), bounds)?))
            },
        },
        openai("gpt-realtime-2.1-mini", false),
        openai("tts-1", true),
    ]
}

fn openai(model: &'static str, ends: bool) -> Provider {
    Provider {
        kind: "openai",
        ends,
        model,
        voice: "marin",
        start: |act| Box::pin(Emulator::start(openai::OpenAi::new(), act)),
        open: |config, key, bounds| {
            Ok(Arc::new(ahoy::edge::engine::openai::OpenAi::open("svc", config, Some(key), bounds)?))
        },
    }
}

/// Providers whose models have no known end.
fn lasting() -> Vec<Provider> {
    providers().into_iter().filter(|provider| !provider.ends).collect()
}

/// Production's times, but for acts that would use them up.
fn bounds(act: Act) -> Bounds {
    match act {
        Act::Drip | Act::Hang => Bounds { whole: Duration::from_millis(400), ..Bounds::default() },
        _ => Bounds::default(),
    }
}

impl Provider {
    fn lists_voices(&self) -> bool {
        ["elevenlabs", "gemini"].contains(&self.kind)
    }

    fn engine(&self, base_url: &str, act: Act) -> Arc<dyn Engine> {
        let config = EngineConfig {
            kind: Some(self.kind.to_owned()),
            base_url: Some(base_url.to_owned()),
            model: Some(self.model.to_owned()),
            concurrency: Some(3),
            ..EngineConfig::default()
        };
        (self.open)(&config, Secret::new(KEY.to_owned()), bounds(act)).expect("the configuration is good")
    }

    fn request(&self) -> Request {
        Request {
            text: "Hello, this is a phrase for a test of the harbour line.".to_owned(),
            language: "en".parse().expect("a tag"),
            voice: Some(self.voice.to_owned()),
            model: None,
            settings: Default::default(),
        }
    }

    /// A workspace with one campaign that this service speaks for.
    fn house(&self, base_url: &str) -> (tempfile::TempDir, Workspace) {
        let dir = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: String| fs::write(dir.path().join(name), text).expect("written");
        fs::create_dir_all(dir.path().join("campaigns/c")).expect("made");
        write(
            "ahoy.toml",
            format!(
                "[engines.svc]\nkind = \"{}\"\nmodel = \"{}\"\nbase_url = \"{base_url}\"\nconcurrency = 3\n\
                 key = {{ env = \"AHOY_TEST_SPEECH_KEY\" }}\n",
                self.kind, self.model
            ),
        );
        write(
            "campaigns/c/campaign.toml",
            format!(
                "callers = [\"+15005550006\"]\n[voice]\nengine = \"svc\"\nvoices = {{ en = \"{}\" }}\n\
                 [greeting]\nen = \"Hello, this is a phrase for a test of the harbour line.\"\n",
                self.voice
            ),
        );
        let ws = Workspace::open(dir.path()).expect("a workspace");
        (dir, ws)
    }

    async fn generate(&self, ws: &Workspace, base_url: &str, act: Act) -> GenerateReport {
        let engine = self.engine(base_url, act);
        let campaign = ws.campaign(&"c".parse().expect("a slug")).expect("valid");
        let options = GenerateOptions { backoff: Duration::ZERO, ..GenerateOptions::default() };
        let open = |_: &str| Ok(Arc::clone(&engine));
        generate_with(ws, &[campaign], &options, &|_| {}, &open).await.expect("it ends")
    }
}

/// Whether a text holds more of the key than a few characters.
fn leaks(text: &str) -> bool {
    (0..KEY.len() - 6).any(|at| text.contains(&KEY[at..at + 7]))
}

/// Every file under a folder.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

fn wavs(ws: &Workspace) -> usize {
    let cache = ws.cache_dir();
    if !cache.exists() {
        return 0;
    }
    files(&cache).iter().filter(|path| path.extension().is_some_and(|ext| ext == "wav")).count()
}

/// What the engine alone makes of an answer.
#[derive(Debug, PartialEq)]
enum Made {
    Sound,
    Account,
    Refused,
    Busy(Option<Duration>),
    Failed,
    Bad,
    Other,
}

fn made(fault: &EngineFault) -> Made {
    match fault {
        EngineFault::Account { .. } => Made::Account,
        EngineFault::Refused { .. } => Made::Refused,
        EngineFault::Busy { after, .. } => Made::Busy(*after),
        EngineFault::Failed { .. } => Made::Failed,
        EngineFault::BadSound { .. } => Made::Bad,
        EngineFault::Language { .. } | EngineFault::Missing { .. } => Made::Other,
    }
}

/// The table: what happens, and what every engine makes of it. `Sound` = only the ear can tell.
const TABLE: [(Act, Made); 21] = [
    (Act::Error(401), Made::Account),
    (Act::Error(402), Made::Account),
    (Act::Error(403), Made::Account),
    (Act::Error(429), Made::Busy(None)),
    (Act::BusyUntil("7"), Made::Busy(Some(Duration::from_secs(7)))),
    (Act::BusyUntil("86400"), Made::Busy(Some(Duration::from_secs(30)))),
    (Act::BusyUntil("soon"), Made::Busy(None)),
    (Act::Error(500), Made::Failed),
    (Act::Error(503), Made::Busy(None)),
    (Act::BadGateway, Made::Failed),
    (Act::Html, Made::Bad),
    (Act::Empty, Made::Bad),
    (Act::ErrorInGood, Made::Bad),
    (Act::Redirect, Made::Refused),
    (Act::ShortBody, Made::Failed),
    (Act::WrongRate, Made::Bad),
    (Act::Drip, Made::Failed),
    (Act::Hang, Made::Failed),
    (Act::Reset, Made::Failed),
    (Act::Silence, Made::Sound),
    (Act::Tenth, Made::Sound),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_misbehaviour_is_the_same_fault_with_every_provider_asked_once_and_without_the_key() {
    for provider in providers() {
        for (act, wanted) in &TABLE {
            let service = (provider.start)(*act).await;
            let engine = provider.engine(&service.base_url, *act);
            let out = engine.render(&provider.request()).await;
            let told = format!("{out:?} {}", out.as_ref().err().map(ToString::to_string).unwrap_or_default());
            let made = out.as_ref().map_or_else(made, |_| Made::Sound);
            // An answer that is whole, but of another form, may be an error in words: it is no sound either way.
            let same = made == *wanted || (*act == Act::ErrorInGood && made == Made::Failed);
            assert!(same, "{} {act:?}: {told}", provider.kind);
            assert!(!leaks(&told), "{} {act:?}: the key is in {told}", provider.kind);
            assert_eq!(service.seen().len(), 1, "{} {act:?}: an engine never asks again by itself", provider.kind);
            assert_eq!(service.refused(), Vec::<String>::new(), "{}: as documented", provider.kind);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_a_provider_does_wrong_becomes_an_asset() {
    let acts = TABLE.iter().map(|(act, _)| *act).filter(|act| !matches!(act, Act::BusyUntil(_)));
    for provider in lasting() {
        for act in acts.clone().chain([Act::CutSound]) {
            let service = (provider.start)(act).await;
            let (dir, ws) = provider.house(&service.base_url);
            let report = provider.generate(&ws, &service.base_url, act).await;
            let told = serde_json::to_string(&report).expect("JSON");
            assert_eq!((report.rendered, report.failed.len()), (0, 3), "{} {act:?}: {told}", provider.kind);
            assert_eq!(wavs(&ws), 0, "{} {act:?}", provider.kind);
            let refused = matches!(act, Act::Error(401..=403));
            assert_eq!(generate_exit(&report).code(), if refused { 12 } else { 13 }, "{} {act:?}", provider.kind);
            assert!(!leaks(&told), "{} {act:?}: {told}", provider.kind);
            for file in files(dir.path()) {
                let bytes = fs::read(&file).expect("readable");
                assert!(!leaks(&String::from_utf8_lossy(&bytes)), "the key is in {}", file.display());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_provider_speaks_becomes_an_asset_with_what_it_counted_and_cost() {
    for provider in lasting() {
        let service = (provider.start)(Act::Well).await;
        let (_dir, ws) = provider.house(&service.base_url);
        let report = provider.generate(&ws, &service.base_url, Act::Well).await;
        assert_eq!((report.rendered, report.failed.len()), (3, 0), "{}: {report:?}", provider.kind);
        assert_eq!(service.refused(), Vec::<String>::new(), "{}: as documented", provider.kind);
        assert!(report.cost > Money(0) && report.notes.is_empty(), "{report:?}");
        let records =
            files(&ws.cache_dir()).into_iter().filter(|path| path.extension().is_some_and(|ext| ext == "json"));
        let records: Vec<serde_json::Value> =
            records.map(|path| serde_json::from_slice(&fs::read(path).expect("readable")).expect("JSON")).collect();
        assert_eq!(records.len(), 3);
        let sum: i64 = records.iter().map(|record| record["cost"].as_i64().expect("a cost")).sum();
        assert_eq!(Money(sum), report.cost);
        for record in &records {
            assert_eq!(record["recipe"]["model"], provider.model, "the model of ahoy.toml is part of the recipe");
            assert!(record["request_id"].is_string() && record["estimated"].is_null(), "{record}");
            let counted = if provider.kind == "elevenlabs" { &record["characters"] } else { &record["audio_out"] };
            assert!(counted.as_u64().is_some_and(|count| count > 0), "{record}");
            let words = record["alignment"].as_array().map_or(0, Vec::len);
            assert_eq!(words > 1, provider.kind == "elevenlabs", "times of words, from who tells them: {record}");
        }
        let again = provider.generate(&ws, &service.base_url, Act::Well).await;
        assert_eq!((again.kept, service.seen().len()), (3, 3), "{}: nothing is asked for twice", provider.kind);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_comes_back_is_asked_again_and_its_phrases_are_made() {
    for provider in lasting() {
        let service = (provider.start)(Act::Well).await;
        service.next(&[Act::Error(503), Act::Reset, Act::Error(500)]);
        let (_dir, ws) = provider.house(&service.base_url);
        let report = provider.generate(&ws, &service.base_url, Act::Well).await;
        assert_eq!((report.rendered, report.engine_calls), (3, 6), "{}: {report:?}", provider.kind);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_at_once_at_elevenlabs_waits_for_a_slot_and_loses_nothing() {
    let provider = &providers()[0];
    let service = (provider.start)(Act::Well).await;
    service.next(&[Act::Well, Act::Crowd, Act::Crowd]);
    let (_dir, ws) = provider.house(&service.base_url);
    let report = provider.generate(&ws, &service.base_url, Act::Well).await;
    assert_eq!((report.rendered, report.failed.len()), (3, 0), "{report:?}");
    assert_eq!(service.seen().len(), 5, "each crowded request once more, and no other");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_formats_and_headerless_sound_are_taken_as_the_provider_documents_them() {
    let eleven = &providers()[0];
    let service = (eleven.start)(Act::Well).await;
    let engine = eleven.engine(&service.base_url, Act::Well);
    let mut lengths = Vec::new();
    for (format, timestamps) in [("ulaw_8000", "on"), ("pcm_16000", "off"), ("pcm_24000", "on"), ("ulaw_8000", "off")] {
        let mut request = eleven.request();
        let all = [
            ("output_format", format),
            ("timestamps", timestamps),
            ("stability", "0.4"),
            ("similarity_boost", "0.7"),
            ("style", "0.1"),
            ("use_speaker_boost", "true"),
            ("speed", "1.1"),
            ("seed", "42"),
            ("apply_text_normalization", "on"),
            ("previous_text", "Good morning."),
            ("next_text", "Goodbye."),
        ];
        request.settings = all.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let out = engine.render(&request).await.expect("sound");
        assert_eq!(out.alignment.is_some(), timestamps == "on");
        assert_eq!(out.usage.characters, request.text.chars().count() as u64);
        lengths.push(out.pcm.duration_ms());
    }
    assert_eq!(service.refused(), Vec::<String>::new());
    assert!(lengths.windows(2).all(|two| two[0].abs_diff(two[1]) <= 1), "one length at every rate: {lengths:?}");

    let older = gemini::Gemini::older();
    let service = Emulator::start(older, Act::Well).await;
    let engine = providers()[1].engine(&service.base_url, Act::Well);
    let mut request = providers()[1].request();
    request.settings = [("style", "calm"), ("seed", "7")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    let out = engine.render(&request).await.expect("sound");
    assert_eq!((out.pcm.rate, out.usage.text_in, out.request_id.as_deref()), (24_000, 9, Some("resp-0123456789")));
    let sent = &service.seen()[0].body;
    assert_eq!(sent["contents"][0]["parts"][0]["speechMetadata"]["style"], "calm");
    assert_eq!(sent["contents"][0]["parts"][0]["text"], request.text.as_str());
    assert_eq!(service.refused(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn voices_are_listed_over_all_pages() {
    for provider in providers() {
        let service = (provider.start)(Act::Well).await;
        let voices = provider.engine(&service.base_url, Act::Well).voices().await.expect("a list");
        let of = |id: &str| voices.iter().find(|voice| voice.id == id).map(|voice| voice.languages.join(" "));
        match provider.kind {
            "elevenlabs" => assert_eq!((voices.len(), of("ThT5KcBeYPX3keUQqHPh").as_deref()), (2, Some("bg"))),
            "gemini" => assert_eq!(
                (voices.len(), of("voice_b").as_deref(), of("Sulafat").as_deref()),
                (32, Some("bg-bg"), Some(""))
            ),
            "openai" => assert_eq!((voices.len(), of("cedar").as_deref()), (13, Some(""))),
            _ => assert_eq!((voices.len(), of("Sulafat").as_deref()), (30, Some(""))),
        }
        assert_eq!(service.refused(), Vec::<String>::new());
    }
}

/// The program itself, at its most talkative, against a service that repeats the key in its refusal.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_key_is_printed_logged_or_kept_by_the_program() {
    for provider in lasting() {
        for (act, exit) in [(Act::Error(401), 12), (Act::Well, 0)] {
            let service = (provider.start)(act).await;
            let (dir, _ws) = provider.house(&service.base_url);
            for (arguments, exit) in [
                (&["cache", "generate", "c"][..], exit),
                (&["cache", "list", "c", "--json"], 0),
                // Where the voices are built in, nobody is asked.
                (&["voices", "list", "--engine", "svc"], if provider.lists_voices() { exit } else { 0 }),
                (&["voices", "list", "--json"], 0),
                (&["cost", "models"], 0),
            ] {
                let mut command = Command::new(env!("CARGO_BIN_EXE_ahoy"));
                command.args(["--log-level", "trace", "--workspace"]).arg(dir.path()).args(arguments);
                command.env("AHOY_TEST_SPEECH_KEY", KEY).env_remove("AHOY_LOG").stdin(Stdio::null());
                let run = tokio::task::spawn_blocking(move || command.output()).await.expect("no panic");
                let output = run.expect("it starts");
                let said = [output.stdout, output.stderr].concat();
                let said = String::from_utf8_lossy(&said).into_owned();
                assert!(!leaks(&said), "{} {act:?} {arguments:?}: the key is printed", provider.kind);
                assert_eq!(output.status.code(), Some(exit), "{} {act:?} {arguments:?}: {said}", provider.kind);
            }
            for file in files(dir.path()) {
                let bytes = fs::read(&file).expect("readable");
                assert!(!leaks(&String::from_utf8_lossy(&bytes)), "the key is in {}", file.display());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_account_is_not_tried_again_for_every_phrase() {
    for provider in lasting() {
        let service = (provider.start)(Act::Error(401)).await;
        let (dir, ws) = provider.house(&service.base_url);
        let phrases: String = (0..20).map(|n| format!("[line-{n}]\nen = \"This is line number {n}.\"\n")).collect();
        fs::write(dir.path().join("campaigns/c/phrases.toml"), phrases).expect("written");
        let report = provider.generate(&ws, &service.base_url, Act::Error(401)).await;
        assert_eq!((report.rendered, report.failed.len()), (0, 23));
        assert!(
            service.seen().len() <= 3,
            "{}: as many as were out at once, not {}",
            provider.kind,
            service.seen().len()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reading_in_other_words_is_no_rendering_and_what_was_said_is_kept() {
    for provider in lasting().into_iter().filter(|it| ["openai", "gemini-live"].contains(&it.kind)) {
        let service = (provider.start)(Act::Reworded).await;
        let (_dir, ws) = provider.house(&service.base_url);
        let report = provider.generate(&ws, &service.base_url, Act::Reworded).await;
        assert_eq!((report.rendered, report.failed.len()), (0, 3), "{}: {report:?}", provider.kind);
        assert!(report.failed[0].why.contains("it reworded the text"), "{}", report.failed[0].why);
        assert!(report.failed[0].why.contains("not said:"), "{}", report.failed[0].why);
        let service = (provider.start)(Act::Well).await;
        let made = provider.engine(&service.base_url, Act::Well).render(&provider.request()).await.expect("read");
        assert_eq!(made.transcript.as_deref(), Some(provider.request().text.as_str()), "{}", provider.kind);
        assert_eq!(service.refused(), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openai_takes_its_settings_in_both_ways_and_both_forms_of_sound() {
    for (model, settings, rate) in [
        ("tts-1", &[("speed", "1.2")][..], 24_000),
        ("gpt-4o-mini-tts", &[("instructions", "Calm, and friendly."), ("output_format", "pcm")], 24_000),
        ("gpt-realtime-2.1-mini", &[("instructions", "Calm."), ("speed", "1.1")], 8_000),
        ("gpt-realtime-2.1", &[("output_format", "pcm")], 24_000),
    ] {
        let provider = openai(model, true);
        let service = (provider.start)(Act::Well).await;
        let mut request = provider.request();
        request.settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let made = provider.engine(&service.base_url, Act::Well).render(&request).await.expect("sound");
        assert_eq!((made.pcm.rate, made.request_id.is_some()), (rate, true), "{model}");
        assert_eq!(service.refused(), Vec::<String>::new(), "{model}: as documented");
    }
}

/// A voice that is none, a setting out of range: told with the file and the line, and nobody was asked for anything.
#[tokio::test]
async fn what_cannot_work_is_refused_with_its_place_before_anything_is_sent() {
    for provider in lasting() {
        let service = (provider.start)(Act::Well).await;
        let (dir, ws) = provider.house(&service.base_url);
        let file = dir.path().join("campaigns/c/campaign.toml");
        let good = fs::read_to_string(&file).expect("readable");
        for (from, to, word) in [
            (format!("en = \"{}\"", provider.voice), "en = \"no such voice\"".to_owned(), "voice"),
            ("[greeting]".to_owned(), "[voice.settings]\nwarmth = \"9\"\n[greeting]".to_owned(), "warmth"),
        ] {
            fs::write(&file, good.replace(&from, &to)).expect("written");
            let engine = provider.engine(&service.base_url, Act::Well);
            let open = |_: &str| Ok(Arc::clone(&engine));
            let campaign = ws.campaign(&"c".parse().expect("a slug")).expect("valid");
            let failure = generate_with(&ws, &[campaign], &GenerateOptions::default(), &|_| {}, &open).await;
            let said = failure.expect_err("refused").to_string();
            assert!(said.contains("campaign.toml:") || said.contains("goodbye"), "{}: {said}", provider.kind);
            assert!(said.contains(word), "{}: {said}", provider.kind);
            assert_eq!(service.seen().len(), 0, "{}", provider.kind);
        }
    }
}

/// A service whose requests are made with a model that the table has as ended.
struct Retired(Arc<dyn Engine>);

impl Engine for Retired {
    fn name(&self) -> &str {
        self.0.name()
    }
    fn version(&self) -> &str {
        self.0.version()
    }
    fn speaks(&self, language: &Language) -> Result<(), EngineFault> {
        self.0.speaks(language)
    }
    fn model(&self, _: Option<&str>) -> Option<ModelName> {
        Some(ModelName { kind: "gemini-live", id: "gemini-2.0-flash-live-001".to_owned() })
    }
    fn max_characters(&self) -> usize {
        self.0.max_characters()
    }
    fn concurrency(&self) -> usize {
        self.0.concurrency()
    }
    fn reproducible(&self) -> bool {
        self.0.reproducible()
    }
    fn render<'a>(&'a self, request: &'a Request) -> Boxed<'a, Result<Rendered, EngineFault>> {
        self.0.render(request)
    }
}

#[tokio::test]
async fn a_model_that_has_ended_is_refused_with_its_successor_before_anything_is_sent() {
    let provider = &providers()[1];
    let service = (provider.start)(Act::Well).await;
    let (_dir, ws) = provider.house(&service.base_url);
    let engine: Arc<dyn Engine> = Arc::new(Retired(provider.engine(&service.base_url, Act::Well)));
    let open = |_: &str| Ok(Arc::clone(&engine));
    let campaign = ws.campaign(&"c".parse().expect("a slug")).expect("valid");
    let failure =
        generate_with(&ws, &[campaign], &GenerateOptions::default(), &|_| {}, &open).await.expect_err("ended");
    assert_eq!(failure.exit.code(), 13);
    let said = failure.to_string();
    assert!(said.contains("not served since 2025-12-09") && said.contains("gemini-3.8-live"), "{said}");
    assert_eq!(service.seen().len(), 0);
}

#[test]
fn a_vendor_that_answers_outside_its_own_schema_is_seen() {
    let seen = emulator::Seen {
        method: "POST".to_owned(),
        path: format!("/v1/text-to-speech/{}", elevenlabs::VOICE),
        query: [("output_format".to_owned(), "pcm_7000".to_owned())].into(),
        headers: [("xi-api-key", KEY), ("content-type", "application/json")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        raw: Vec::new(),
        body: serde_json::json!({"text": "x", "modelid": "y", "voice_settings": {"stabilty": 0.5}}),
    };
    let reply = elevenlabs::ElevenLabs::new().check(&seen).expect_err("three faults");
    let said = String::from_utf8_lossy(&reply.body).into_owned();
    for word in ["modelid", "stabilty", "pcm_7000"] {
        assert!(said.contains(word), "{said}");
    }
    assert_eq!(reply.http, 422);
}
