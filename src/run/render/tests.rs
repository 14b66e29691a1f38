use std::collections::BTreeMap;
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::core::asset::verify::Binding;
use crate::core::ear::Code;
use crate::core::sound::Pcm;
use crate::edge::engine::ModelName;
use crate::edge::engine::{Boxed, Rendered, Request, Usage};
use crate::store::spend::SpendBook;

/// An engine in memory: speaks English and French, at most two at once, and answers as it is told.
struct Fake {
    calls: AtomicUsize,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
    /// Faults to answer with first.
    faults: Mutex<Vec<EngineFault>>,
    version: String,
    reproducible: bool,
    /// Samples kept of each answer.
    keep: usize,
    /// Never answers.
    hangs: bool,
    amplitude: f64,
    /// A model of the dated table, whose price holds.
    model: Option<&'static str>,
}

impl Fake {
    fn new() -> Fake {
        Fake {
            calls: AtomicUsize::new(0),
            at_once: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
            faults: Mutex::new(Vec::new()),
            version: "fake 1".to_owned(),
            reproducible: true,
            keep: usize::MAX,
            hangs: false,
            amplitude: 6_000.0,
            model: None,
        }
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

/// Tone in syllables, 2 s of it, calm at both ends.
fn tone(amplitude: f64) -> Vec<i16> {
    let sample = |n: i32| {
        let on = (1_600..16_000).contains(&n) && n % 1_600 < 1_200;
        let swell = libm::sin(f64::from(n % 1_600) / 1_200.0 * std::f64::consts::PI);
        if on { (libm::sin(f64::from(n) * 0.2) * amplitude * swell) as i16 } else { 0 }
    };
    (0..20_000).map(sample).collect()
}

impl Engine for Fake {
    fn name(&self) -> &str {
        "fake"
    }
    fn version(&self) -> &str {
        &self.version
    }
    fn speaks(&self, language: &Language) -> Result<(), EngineFault> {
        if ["en", "fr"].contains(&language.as_str()) {
            return Ok(());
        }
        Err(EngineFault::Language { engine: "fake".to_owned(), language: language.clone(), detail: String::new() })
    }
    fn model(&self, _: Option<&str>) -> Option<ModelName> {
        self.model.map(|id| ModelName { kind: "elevenlabs", id: id.to_owned() })
    }
    fn max_characters(&self) -> usize {
        200
    }
    fn concurrency(&self) -> usize {
        2
    }
    fn reproducible(&self) -> bool {
        self.reproducible
    }
    fn render<'a>(&'a self, request: &'a Request) -> Boxed<'a, Result<Rendered, EngineFault>> {
        Box::pin(async move {
            self.calls.fetch_add(1, Ordering::SeqCst);
            let now = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_at_once.fetch_max(now, Ordering::SeqCst);
            tokio::task::yield_now().await;
            if self.hangs {
                std::future::pending::<()>().await;
            }
            self.at_once.fetch_sub(1, Ordering::SeqCst);
            if let Some(fault) = self.faults.lock().expect("no panic inside").pop() {
                return Err(fault);
            }
            let mut samples = tone(self.amplitude);
            // Each text has a sound of its own, as with any engine.
            samples[3_000] = (request.text.len() % 100) as i16;
            samples.truncate(self.keep);
            let usage = Usage { cost: Money(7), ..Usage::free(&request.text) };
            Ok(Rendered {
                pcm: Pcm { samples, rate: 8_000 },
                transcript: None,
                alignment: None,
                usage,
                request_id: None,
            })
        })
    }
}

struct House {
    _dir: tempfile::TempDir,
    ws: Workspace,
}

const HEAD: &str = "callers = [\"+15005550006\"]\n[voice]\nengine = \"fake\"\n[greeting]\n";
const EN: &str = "en = \"Hello, this is a phrase for a test.\"\n";
const FR: &str = "fr = \"Bonjour, voici une phrase de test.\"\n";
const BG: &str = "bg = \"Здравейте, това е проба.\"\n";

fn house(greeting: &str) -> House {
    let dir = tempfile::tempdir().expect("a temp folder");
    let engines = "[engines.fake]\nkind = \"command\"\ncommand = [\"false\"]\n";
    fs::write(dir.path().join("ahoy.toml"), engines).expect("writable");
    fs::create_dir_all(dir.path().join("campaigns/hello")).expect("folders");
    let ws = Workspace::open(dir.path()).expect("a workspace");
    let house = House { _dir: dir, ws };
    house.greeting(greeting);
    house
}

impl House {
    fn greeting(&self, greeting: &str) {
        let file = self.ws.root.join("campaigns/hello/campaign.toml");
        fs::write(file, format!("{HEAD}{greeting}")).expect("writable");
    }

    fn campaign(&self) -> Campaign {
        self.ws.campaign(&"hello".parse().expect("slug")).expect("valid")
    }

    async fn generate(&self, fake: &Arc<Fake>) -> Result<GenerateReport, Failure> {
        self.generate_as(fake, GenerateOptions::default()).await
    }

    async fn generate_as(&self, fake: &Arc<Fake>, options: GenerateOptions) -> Result<GenerateReport, Failure> {
        let options = GenerateOptions {
            timeout: Duration::from_millis(if fake.hangs { 5 } else { 5_000 }),
            backoff: Duration::ZERO,
            ..options
        };
        let open = |_: &str| Ok(Arc::clone(fake) as Arc<dyn Engine>);
        generate_with(&self.ws, &[self.campaign()], &options, &|_| {}, &open).await
    }

    fn lock_text(&self) -> String {
        fs::read_to_string(self.ws.root.join("campaigns/hello/assets.lock")).expect("a lock")
    }
}

fn tag(tag: &str) -> Language {
    tag.parse().expect("tag")
}

#[tokio::test]
async fn a_kit_has_every_phrase_in_memory_and_generating_again_asks_no_engine() {
    let house = house(&format!("{EN}{FR}"));
    let fake = Arc::new(Fake::new());
    let missing = load_kit(&house.ws, &house.campaign()).expect_err("nothing is rendered");
    assert_eq!(missing.exit, Exit::Asset);
    assert!(missing.what.contains("`goodbye` in `en`") && missing.to_string().contains("cache generate hello"));
    let report = house.generate(&fake).await.expect("renders");
    assert_eq!((report.rendered, report.kept, report.engine_calls, fake.calls()), (6, 0, 6, 6));
    assert_eq!((report.cost, report.locks_written), (Money(42), 1));
    assert!(fake.most_at_once.load(Ordering::SeqCst) <= 2, "bounded by what the engine bears");
    let kit = load_kit(&house.ws, &house.campaign()).expect("all there");
    assert_eq!(kit.clips.len(), 6);
    let clip = kit.clip("greeting", &tag("fr")).expect("French");
    assert_eq!((clip.language.as_str(), clip.text.as_str()), ("fr", "Bonjour, voici une phrase de test."));
    assert!((1_500..2_200).contains(&clip.duration_ms()));
    assert!(kit.clip("greeting", &tag("bg")).is_none(), "no fall-back: such a lead is not called");
    let again = house.generate(&fake).await.expect("nothing to do");
    assert_eq!((again.rendered, again.kept, again.locks_written, fake.calls()), (0, 6, 0, 6));
}

#[tokio::test]
async fn a_busy_or_failing_engine_is_asked_three_times_and_a_refusing_one_once() {
    let busy = || EngineFault::Busy { engine: "fake".to_owned(), why: "429".to_owned(), after: None };
    let failed = || EngineFault::Failed { engine: "fake".to_owned(), why: "reset".to_owned() };
    let refused = EngineFault::Refused { engine: "fake".to_owned(), why: "no".to_owned() };
    let cases = [
        (vec![busy(), failed()], 0, 5),
        (vec![failed(), busy(), failed(), busy(), failed(), busy(), failed(), failed(), failed()], 3, 9),
        (vec![refused], 1, 3),
    ];
    for (faults, failures, calls) in cases {
        let house = house(EN);
        let fake = Arc::new(Fake { faults: Mutex::new(faults.clone()), ..Fake::new() });
        let report = house.generate(&fake).await.expect("ends");
        // Which phrase meets which fault is chance; how many tries there are is not.
        assert_eq!((report.failed.len(), fake.calls()), (failures, calls), "{faults:?}");
        assert_eq!(report.engine_calls, calls as u64);
        assert_eq!(generate_exit(&report) == Exit::Asset, failures > 0);
    }
}

#[tokio::test]
async fn an_engine_that_never_answers_is_given_up() {
    let house = house(EN);
    let fake = Arc::new(Fake { hangs: true, ..Fake::new() });
    let report = house.generate(&fake).await.expect("ends");
    assert_eq!((report.failed.len(), fake.calls()), (3, 9));
    assert!(report.failed[0].why.contains("no answer within"), "{:?}", report.failed[0]);
}

#[tokio::test]
async fn a_cut_sound_fails_and_the_old_asset_stays_locked() {
    let house = house(EN);
    house.generate(&Arc::new(Fake::new())).await.expect("renders");
    let lock = house.lock_text();
    house.greeting("en = \"Hello, this is a changed phrase for a test.\"\n");
    let cut = Arc::new(Fake { keep: 12_000, ..Fake::new() });
    let report = house.generate(&cut).await.expect("ends");
    assert_eq!((report.failed.len(), report.kept), (1, 2));
    assert!(report.failed[0].why.contains("cut off"), "{:?}", report.failed[0]);
    assert_eq!(house.lock_text(), lock, "verify must still call it stale");
    let stale = load_kit(&house.ws, &house.campaign()).expect_err("stale");
    assert!(stale.what.contains("its text changed"), "{stale}");
    let found = verify(&house.ws, &[house.campaign()], Binding::Reproducible, Depth::Full).expect("reads");
    assert_eq!((found.findings.len(), found.findings[0].code()), (1, Code::Stale));
    let place = &found.findings[0].place;
    assert!(place.file.ends_with("campaign.toml") && place.line == Some(5), "{place:?}");
}

#[tokio::test]
async fn a_language_without_a_voice_is_refused_by_name_or_falls_back() {
    let without = house(&format!("{EN}{BG}"));
    let fake = Arc::new(Fake::new());
    let failure = without.generate(&fake).await.expect_err("nobody speaks Bulgarian");
    assert_eq!(failure.exit, Exit::Asset);
    assert!(failure.what.contains("`fake` does not speak `bg`"), "{failure}");
    assert_eq!(fake.calls(), 0, "refused before anything is paid for");

    let with = house(&format!("{EN}{BG}fallback = \"en\"\n"));
    let report = with.generate(&fake).await.expect("English speaks for it");
    assert_eq!(report.unspoken.len(), 1);
    assert_eq!((report.unspoken[0].language.as_str(), report.unspoken[0].fallback.as_str()), ("bg", "en"));
    let kit = load_kit(&with.ws, &with.campaign()).expect("without an engine");
    assert_eq!(kit.clip("greeting", &tag("bg")).expect("the fall-back").language, tag("en"));
    assert!(kit.falls_back(&tag("bg")) && !kit.falls_back(&tag("en")));
    assert_eq!(kit.unspoken, [tag("bg")]);
    let found = verify(&with.ws, &[with.campaign()], Binding::Always, Depth::Full).expect("reads");
    assert_eq!(found.findings, [], "what falls back is no finding");
}

#[tokio::test]
async fn a_lock_stays_as_it_is_when_sound_that_never_repeats_is_rendered_again() {
    let house = house(EN);
    let first = Fake { reproducible: false, version: "espeak 1.51".to_owned(), ..Fake::new() };
    house.generate(&Arc::new(first)).await.expect("renders");
    let lock = house.lock_text();
    // A newer version: what is on the shelf is kept.
    let newer = Arc::new(Fake { reproducible: false, version: "espeak 1.52".to_owned(), ..Fake::new() });
    house.generate(&newer).await.expect("keeps");
    assert_eq!((newer.calls(), house.lock_text()), (0, lock.clone()));
    // Another machine, the same version, other samples: the lock stays, verify asks the record.
    fs::remove_dir_all(house.ws.cache_dir()).expect("removable");
    let other = Fake { reproducible: false, version: "espeak 1.51".to_owned(), amplitude: 5_000.0, ..Fake::new() };
    let other = Arc::new(other);
    let report = house.generate(&other).await.expect("renders");
    assert_eq!((other.calls(), report.locks_written, house.lock_text()), (3, 0, lock));
    let found = verify(&house.ws, &[house.campaign()], Binding::Reproducible, Depth::Full).expect("reads");
    assert_eq!(found.findings, []);
    assert!(load_kit(&house.ws, &house.campaign()).is_ok());
}

fn slug(text: &str) -> Slug {
    text.parse().expect("slug")
}

#[tokio::test]
async fn a_cap_stops_renderings_before_it_is_passed() {
    // 0.04 dollars for a thousand characters: 38 of the greeting, and two house phrases.
    let priced = Fake { model: Some("eleven_flash_v2_5"), ..Fake::new() };
    let house = house(EN);
    let options = |max_cost| GenerateOptions { max_cost, ..GenerateOptions::default() };
    let cap = Money(2_000);
    let fake = Arc::new(priced);
    let report = house.generate_as(&fake, options(Some(cap))).await.expect("ends");
    assert_eq!((report.rendered, fake.calls()), (1, 1), "{report:?}");
    assert!(report.cost > Money(0) && report.cost <= cap, "{report:?}");
    assert!(report.failed.iter().all(|it| it.why.contains("the cap of $0.0020 a run would be passed")), "{report:?}");
    assert_eq!(generate_exit(&report), Exit::Findings);
    let spending = SpendBook::at(&house.ws.root).read().expect("reads");
    assert_eq!(spending.requests().map(|it| it.cost().0).sum::<i64>(), report.cost.0);
    let month = Money(report.cost.0 + 10);
    let mut ws = Workspace::open(&house.ws.root).expect("opens");
    ws.config.speech.per_month = Some(month);
    let monthly = House { ws, _dir: tempfile::tempdir().expect("a folder") };
    let report = monthly.generate(&fake).await.expect("ends");
    assert!(report.failed.len() == 2 && report.failed[0].why.contains("a month"), "{report:?}");
    assert_eq!(fake.calls(), 1, "not a cent more");
    let report = house.generate(&fake).await.expect("ends");
    assert_eq!((report.rendered, report.failed.len()), (2, 0), "without a cap");
}

#[tokio::test]
async fn a_lost_answer_stays_reserved_and_a_refusal_costs_nothing() {
    let house = house(EN);
    let failed = |why: &str| EngineFault::Failed { engine: "fake".to_owned(), why: why.to_owned() };
    let refused = |why: &str| EngineFault::Refused { engine: "fake".to_owned(), why: why.to_owned() };
    let fake = Fake { model: Some("eleven_flash_v2_5"), ..Fake::new() };
    *fake.faults.lock().expect("whole") = vec![refused("no"), refused("no"), failed("reset")];
    let fake = Arc::new(fake);
    house.generate(&fake).await.expect("ends");
    let spending = SpendBook::at(&house.ws.root).read().expect("reads");
    let unsettled: Vec<_> = spending.requests().filter(|it| it.settled.is_none()).collect();
    assert_eq!((spending.requests().count(), unsettled.len()), (4, 1));
    assert!(unsettled[0].cost() > Money(0));
    let free = spending.requests().filter(|it| matches!(it.settled, Some((usage, false)) if usage.cost == Money(0)));
    assert_eq!(free.count(), 2);
}

#[tokio::test]
async fn one_phrase_alone_is_rendered_and_the_others_stay_locked() {
    let house = house(EN);
    let fake = Arc::new(Fake::new());
    house.generate(&fake).await.expect("renders");
    let lock = house.lock_text();
    let only = |key: &str| GenerateOptions { again: true, only: vec![slug(key)], ..GenerateOptions::default() };
    let report = house.generate_as(&fake, only("goodbye")).await.expect("renders");
    assert_eq!((report.rendered, fake.calls(), house.lock_text()), (1, 4, lock));
    let failure = house.generate_as(&fake, only("farewell")).await.expect_err("no such phrase");
    assert!(failure.what.contains("`farewell`"), "{failure}");
    let old = GenerateOptions { max_age: Some(Duration::from_secs(3_600)), ..GenerateOptions::default() };
    assert_eq!(house.generate_as(&fake, old).await.expect("keeps").rendered, 0);
    let old = GenerateOptions { max_age: Some(Duration::ZERO), ..GenerateOptions::default() };
    tokio::time::sleep(Duration::from_millis(2)).await;
    assert_eq!(house.generate_as(&fake, old).await.expect("renders").rendered, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_accepted_is_rendered_again_or_left_out_and_the_old_asset_stays() {
    let house = house(EN);
    let fake = Arc::new(Fake::new());
    house.generate(&fake).await.expect("renders");
    let lock = house.lock_text();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&asked);
    let accept: Accept = Arc::new(move |sample: &Sample<'_>| {
        let mut asked = told.lock().expect("whole");
        asked.push(sample.key.to_string());
        let times = asked.iter().filter(|key| **key == sample.key.as_str()).count();
        match (sample.key.as_str(), times) {
            ("greeting", _) => Ok(Answer::Leave),
            ("goodbye", 1) => Ok(Answer::Again),
            (_, _) => Ok(Answer::Keep),
        }
    });
    let options = GenerateOptions { again: true, accept: Some(accept), ..GenerateOptions::default() };
    let report = house.generate_as(&fake, options).await.expect("ends");
    assert_eq!((report.rendered, report.failed.len(), asked.lock().expect("whole").len()), (2, 1, 4));
    assert_eq!(house.lock_text(), lock);
    assert!(load_kit(&house.ws, &house.campaign()).is_ok(), "what was there before is still played");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_listens_may_stop_and_is_asked_no_more() {
    let house = house(EN);
    let fake = Arc::new(Fake::new());
    let asked = Arc::new(AtomicUsize::new(0));
    let told = Arc::clone(&asked);
    let accept: Accept = Arc::new(move |_: &Sample<'_>| match told.fetch_add(1, Ordering::SeqCst) {
        0 => Ok(Answer::Keep),
        _ => Err(Failure::new(Exit::Stopped, "stopped by hand")),
    });
    let options = GenerateOptions { accept: Some(accept), ..GenerateOptions::default() };
    let report = house.generate_as(&fake, options).await.expect("ends");
    assert_eq!((report.rendered, report.failed.len(), asked.load(Ordering::SeqCst)), (1, 1, 2));
    assert_eq!(generate_exit(&report), Exit::Stopped);
}

#[tokio::test]
async fn a_text_too_long_for_the_engine_is_bad_input() {
    let long = "word ".repeat(50);
    let house = house(&format!("en = \"{long}\"\n"));
    let failure = house.generate(&Arc::new(Fake::new())).await.expect_err("too long");
    assert_eq!(failure.exit, Exit::Usage);
    assert!(failure.what.contains("takes 200 at most"), "{failure}");
}

#[tokio::test]
async fn progress_tells_the_plan_and_every_end() {
    let house = house(EN);
    let seen: Mutex<Vec<Progress>> = Mutex::new(Vec::new());
    let open = |_: &str| Ok(Arc::new(Fake::new()) as Arc<dyn Engine>);
    let note = |step: &Progress| seen.lock().expect("no panic inside").push(step.clone());
    generate_with(&house.ws, &[house.campaign()], &GenerateOptions::default(), &note, &open).await.expect("renders");
    let seen = seen.into_inner().expect("no panic inside");
    assert_eq!(seen[0], Progress::Planned { render: 3, keep: 0 });
    let ends: BTreeMap<String, bool> = seen[1..]
        .iter()
        .filter_map(|step| match step {
            Progress::Ended { key, well, .. } => Some((key.to_string(), *well)),
            Progress::Planned { .. } => None,
        })
        .collect();
    assert_eq!((ends.len(), ends.values().all(|well| *well)), (3, true));
}
