//! Cloned voices against an emulator that keeps count: nothing leaves without consent, no voice is made twice, whatever
//! becomes of the answer, of the process or of the caller; and whoever wants one never waits for anything.

mod addresses;
mod others;
mod program;
mod studio;

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use ahoy::base::{AttemptId, Boot, CallId, Phone, Secret, Wall};
use ahoy::core::clone::CloneFault;
use ahoy::core::config::CloneProvider;
use ahoy::core::sound::{Pcm, wav};
use ahoy::run::clock::{Clock, MachineClock};
use ahoy::run::clone::{CloneState, Cloner};
use ahoy::run::ledger::LedgerHandle;
use ahoy::store::ledger::writer::Writer;
use ahoy::store::ledger::{CloneEventKind, Ledger, OpenOptions, WhichClones};
use ahoy::store::workspace::Workspace;
use studio::Studio;

use crate::KEY;
use crate::emulator::{Act, Emulator};

/// Time that runs so much faster than the machine's: a clone takes 5 to 30 s, a test has none of them.
const FASTER: u64 = 20;

struct Fast;

impl Clock for Fast {
    fn wall(&self) -> Wall {
        let day = Wall::from_date("2026-11-21").expect("a day");
        day + Duration::from_micros(self.boot().0 % 1_000_000_000_000)
    }
    fn boot(&self) -> Boot {
        Boot(MachineClock.boot().0 * FASTER)
    }
    fn sleep(&self, span: Duration) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(span / FASTER as u32))
    }
}

/// A moment of the machine that is so many seconds of the fast clock.
fn ms(seconds: u64) -> u64 {
    seconds * 1_000 / FASTER
}

struct House {
    place: Place,
    studio: Studio,
    service: Emulator,
}

/// A workspace with a ledger.
struct Place {
    dir: tempfile::TempDir,
}

impl std::ops::Deref for House {
    type Target = Place;
    fn deref(&self) -> &Place {
        &self.place
    }
}

fn caller(n: u32) -> Phone {
    format!("+442079460{n:03}").parse().expect("a number")
}

fn call(n: u64) -> CallId {
    AttemptId::mint(n, [9; 10]).call()
}

/// Twelve seconds that a level meter takes for speech.
fn voice(seconds: usize, amplitude: f64) -> Vec<u8> {
    let wave = |at: usize| (if at % 1_600 < 1_200 { (at as f64 * 0.3).sin() * amplitude } else { 0.0 }) as i16;
    wav::write(&Pcm { samples: (0..seconds * 8_000).map(wave).collect(), rate: 8_000 })
}

impl House {
    /// A workspace whose first hundred callers have consented, all with one sample; `extra`: more of `[clone]`.
    async fn open(extra: &str) -> House {
        let studio = Studio::new();
        let service = Emulator::start(studio.clone(), Act::Well).await;
        let house = House { place: House::at("elevenlabs", &service.base_url, extra), studio, service };
        let rows = (0..100).map(|n| format!("+442079460{n:03},2024-11-01,may clone my voice,voice.wav\n"));
        house.list(&rows.collect::<String>());
        house
    }

    /// The same for any service, with nobody's consent.
    fn at(provider: &str, base_url: &str, extra: &str) -> Place {
        let dir = tempfile::tempdir().expect("a folder");
        let text = format!(
            "[clone]\nprovider = \"{provider}\"\nbase_url = \"{base_url}\"\nkey = {{ env = \"AHOY_TEST_SPEECH_KEY\" }}\n{extra}\n"
        );
        fs::write(dir.path().join("ahoy.toml"), text).expect("written");
        let place = Place { dir };
        place.sample("voice.wav", &voice(12, 8_000.0));
        let options = OpenOptions { fresh_key: [5; 32], now: Wall(0) };
        drop(Ledger::open(&place.dir.path().join("ahoy.db"), &options).expect("a ledger"));
        place
    }

    fn uploads(&self) -> usize {
        self.service.seen().iter().filter(|it| it.method == "POST").count()
    }
}

impl Place {
    fn sample(&self, name: &str, bytes: &[u8]) {
        let folder = self.dir.path().join("samples");
        fs::create_dir_all(&folder).expect("made");
        fs::write(folder.join(name), bytes).expect("written");
    }

    fn list(&self, rows: &str) {
        self.sample("samples.csv", format!("caller,consented_on,consent,sample\n{rows}").as_bytes());
    }

    /// A process: its own connection, its own memory.
    fn cloner(&self) -> Arc<Cloner> {
        self.cloner_by(Arc::new(Fast))
    }

    fn cloner_by(&self, clock: Arc<dyn Clock>) -> Arc<Cloner> {
        let ws = Workspace::open(self.dir.path()).expect("a workspace");
        let settings = ws.config.clone.clone().expect("[clone]");
        let maker = ahoy::edge::clone::open(&settings, &|_, _| Ok(Secret::new(KEY.to_owned()))).expect("opened");
        let options = OpenOptions { fresh_key: [5; 32], now: Wall(0) };
        let ledger = Ledger::open(&ws.ledger_path(), &options).expect("a ledger");
        let ledger = LedgerHandle::new(Writer::start(ledger).expect("a thread"));
        Cloner::with(&ws, settings, maker, ledger, clock).expect("a cloner")
    }

    fn ledger(&self) -> Ledger {
        Ledger::open_read_only(&self.dir.path().join("ahoy.db")).expect("readable")
    }

    fn events(&self, n: u32) -> Vec<(CloneEventKind, bool, Option<String>)> {
        let ledger = self.ledger();
        let row = ledger.clone_of(&caller(n), CloneProvider::ElevenLabs).expect("read").expect("a row");
        let events = ledger.clone_events(row.id, 1_000).expect("read");
        events.into_iter().map(|it| (it.kind, it.cached, it.fault)).collect()
    }
}

async fn end(mut state: tokio::sync::watch::Receiver<CloneState>) -> CloneState {
    let settled = tokio::time::timeout(Duration::from_secs(60), state.wait_for(|it| *it != CloneState::Making)).await;
    settled.expect("it ends").map(|it| it.clone()).unwrap_or(CloneState::Making)
}

fn ready(state: &CloneState) -> Option<(&str, bool)> {
    match state {
        CloneState::Ready { voice, cached } => Some((voice, *cached)),
        CloneState::Making | CloneState::Failed { .. } => None,
    }
}

fn fault(state: CloneState) -> CloneFault {
    match state {
        CloneState::Failed { why } => why,
        CloneState::Making | CloneState::Ready { .. } => panic!("{state:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_caller_has_one_clone_for_whoever_wants_it_and_then_from_memory() {
    let house = House::open("").await;
    house.studio.with(|it| it.uploads = vec![Act::Slow(ms(10))]);
    let cloner = house.cloner();
    let waiting: Vec<_> = (0..50).map(|n| cloner.want(&caller(1), Some(call(n)))).collect();
    // Every caller hangs up but one, and who is left is told all the same.
    let mut left = waiting.into_iter().skip(49);
    let state = end(left.next().expect("one")).await;
    assert_eq!(ready(&state), Some(("vo000000000000000001", false)));
    cloner.settle(Duration::from_secs(60)).await;
    assert_eq!((house.uploads(), house.studio.made()), (1, 1));
    assert_eq!(house.service.refused(), Vec::<String>::new(), "as documented");
    // From memory: without a question, and at once.
    let (asked, began) = (house.service.seen().len(), std::time::Instant::now());
    for _ in 0..1_000 {
        assert_eq!(ready(&cloner.want(&caller(1), None).borrow()), Some(("vo000000000000000001", true)));
    }
    let took = began.elapsed();
    println!("1,000 wishes from memory: {took:?}");
    assert!(took < Duration::from_secs(1), "{took:?}");
    // Another process has it from the ledger.
    let other = house.cloner();
    let again = end(other.want(&caller(1), Some(call(99)))).await;
    assert_eq!(ready(&again), Some(("vo000000000000000001", true)));
    assert_eq!(house.service.seen().len(), asked);
    for _ in 0..200 {
        if house.events(1).len() >= 51 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let events = house.events(1);
    assert_eq!(
        events.iter().filter(|it| **it == (CloneEventKind::Ready, false, None)).count(),
        50,
        "one for each call"
    );
    assert_eq!(events.iter().filter(|it| **it == (CloneEventKind::Ready, true, None)).count(), 1);
    let of_call = house.ledger().clone_events_of_call(call(7)).expect("read");
    assert!(of_call.len() == 1 && (9_000..60_000).contains(&of_call[0].took_ms), "{of_call:?}");
    let figures = cloner.metrics(Duration::from_secs(3_600));
    assert_eq!((figures.asked, figures.cached, figures.begun, figures.ready), (1_050, 1_000, 1, 1));
    assert!(figures.average_s.is_some_and(|it| (9.0..60.0).contains(&it)), "{figures:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_callers_are_served_a_few_at_once_and_wanting_is_never_waiting() {
    let house = House::open("at_once = 3\ntimeout = \"180s\"").await;
    house.studio.with(|it| {
        it.limit = 200;
        it.uploads = (0..30).map(|n| Act::Slow(ms(5 + n % 3 * 5))).collect();
    });
    let cloner = house.cloner();
    let (mut took, mut waiting) = (Vec::new(), Vec::new());
    for n in 0..30 {
        let began = std::time::Instant::now();
        waiting.push(cloner.want(&caller(n), None));
        took.push(began.elapsed());
    }
    took.sort();
    println!("a wish: median {:?}, slowest of 30 {:?}", took[15], took[29]);
    // The slowest may be the scheduler's; most are not.
    assert!(took[15] < Duration::from_millis(5), "{took:?}");
    let mut voices = Vec::new();
    for state in waiting {
        let state = end(state).await;
        voices.push(ready(&state).unwrap_or_else(|| panic!("{state:?}")).0.to_owned());
    }
    voices.sort();
    voices.dedup();
    assert_eq!((voices.len(), house.studio.made(), house.studio.most_at_once()), (30, 30, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_consent_or_a_good_sample_nothing_leaves_the_house() {
    let house = House::open("").await;
    let cut = voice(12, 8_000.0)[..60].to_vec();
    for (name, bytes) in [
        ("text.wav", b"<!DOCTYPE html><html></html>".to_vec()),
        ("short.wav", voice(3, 8_000.0)),
        ("long.wav", voice(301, 8_000.0)),
        ("silent.wav", voice(12, 0.0)),
        ("faint.wav", voice(12, 20.0)),
        ("empty.mp3", Vec::new()),
        ("cut.wav", cut),
    ] {
        house.sample(name, &bytes);
    }
    house.list(
        "+442079460001,,may clone my voice,voice.wav\n+442079460002,2024-11-01,,voice.wav\n\
         +442079460003,2027-11-01,may clone my voice,voice.wav\n+442079460004,2024-11-01,yes,\n\
         +442079460005,2024-11-01,yes,missing.wav\n+442079460006,2024-11-01,yes,text.wav\n\
         +442079460007,2024-11-01,yes,short.wav\n+442079460008,2024-11-01,yes,long.wav\n\
         +442079460009,2024-11-01,yes,silent.wav\n+442079460010,2024-11-01,yes,faint.wav\n\
         +442079460011,2024-11-01,yes,empty.mp3\n+442079460012,2024-11-01,yes,cut.wav\n\
         +442079460013,2024-11-01,yes,http://127.0.0.1:1/voice.wav\n",
    );
    let cloner = house.cloner();
    let kinds = ["no_consent", "no_consent", "no_consent", "no_consent", "no_sample", "no_sample"].into_iter();
    let kinds = kinds.chain(["bad_sample"; 7]).chain(["unreadable"]);
    for (n, kind) in kinds.enumerate() {
        let why = fault(end(cloner.want(&caller(u32::try_from(n).expect("few")), Some(call(n as u64)))).await);
        assert_eq!(why.kind(), kind, "caller {n}: {why}");
        let again = end(cloner.want(&caller(u32::try_from(n).expect("few")), None)).await;
        assert_eq!(fault(again), why, "the same again");
    }
    assert_eq!(house.service.seen().len(), 0, "nothing was asked of the service");
    // Whoever consents later has a voice.
    house.list("+442079460001,2026-11-20,may clone my voice,voice.wav\n");
    tokio::time::sleep(Duration::from_millis(ms(11))).await;
    assert!(ready(&end(cloner.want(&caller(1), None)).await).is_some());
    assert_eq!(cloner.metrics(Duration::from_secs(3_600)).failed, 28);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_found_by_its_label_and_no_voice_is_made_twice() {
    let house = House::open("").await;
    let cloner = house.cloner();
    // Made and never told; made while nobody listens any more; half an answer; a gateway's error; a page with status 200.
    let acts = [Act::Lost(0), Act::Lost(ms(9)), Act::ShortBody, Act::BadGateway, Act::Html];
    for (n, act) in acts.into_iter().enumerate() {
        let n = u32::try_from(n).expect("few");
        house.studio.with(|it| it.uploads = vec![act]);
        let wanted = cloner.want(&caller(n), None);
        if matches!(act, Act::BadGateway | Act::Html) {
            // Behind the gateway the voice is made all the same, a moment later.
            let label = loop {
                let row = house.ledger().clone_of(&caller(n), CloneProvider::ElevenLabs).expect("read");
                match row.filter(|row| row.known.sent_at.is_some()) {
                    Some(row) => break row.label,
                    None => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            };
            let late = studio::Kept { id: format!("late{n:016}"), name: label };
            house.studio.with(|it| it.voices.push(late));
        }
        let state = end(wanted).await;
        assert!(ready(&state).is_some_and(|(_, cached)| !cached), "{act:?}: {state:?}");
    }
    assert_eq!((house.uploads(), house.studio.voices().len()), (5, 5), "one each");
    assert_eq!(house.service.refused(), Vec::<String>::new(), "as documented");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_never_shows_is_not_repeated_by_anybody_before_its_horizon() {
    let house = House::open("timeout = \"20s\"").await;
    house.studio.with(|it| it.uploads = vec![Act::Reset]);
    let cloner = house.cloner();
    let first = fault(end(cloner.want(&caller(1), None)).await);
    assert!(matches!(first, CloneFault::Timeout(_) | CloneFault::Lost), "{first}");
    cloner.settle(Duration::from_secs(60)).await;
    // Another process, and the same one again.
    for cloner in [house.cloner(), cloner] {
        let again = fault(end(cloner.want(&caller(1), None)).await);
        assert!(matches!(again, CloneFault::Timeout(_) | CloneFault::Lost), "{again}");
        cloner.settle(Duration::from_secs(60)).await;
    }
    assert_eq!(house.uploads(), 1);
    // It comes after all: whoever looks next has it.
    let label = house.ledger().clones(WhichClones::All).expect("read")[0].label.clone();
    house.studio.with(|it| it.voices.push(studio::Kept { id: "late".to_owned(), name: label }));
    let other = house.cloner();
    assert_eq!(other.sweep().await.expect("swept").found, 1);
    assert_eq!(ready(&end(other.want(&caller(1), None)).await), Some(("late", true)));
    assert_eq!(house.uploads(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_refusal_is_told_once_and_only_what_may_mend_is_tried_again() {
    let house = House::open("").await;
    for (n, (uploads, want, made)) in [
        (vec![Act::Error(429), Act::BusyUntil("3")], "ready", 3),
        (vec![Act::Crowd], "busy", 5),
        (vec![Act::Error(500), Act::Error(500)], "ready", 3),
        (vec![Act::Error(403)], "account", 1),
        (vec![Act::Error(401)], "account", 1),
        (vec![Act::Redirect], "refused", 1),
    ]
    .into_iter()
    .enumerate()
    {
        let n = u32::try_from(n).expect("few");
        // A crowd that stays.
        let uploads = if uploads == [Act::Crowd] { vec![Act::Crowd; 9] } else { uploads };
        house.studio.with(|it| it.uploads = uploads);
        let before = house.uploads();
        let cloner = house.cloner();
        let state = end(cloner.want(&caller(n), None)).await;
        let told = match &state {
            CloneState::Ready { .. } => "ready",
            CloneState::Failed { why } => why.kind(),
            CloneState::Making => "making",
        };
        assert_eq!((told, house.uploads() - before), (want, made), "{n}: {state:?}");
        assert!(!crate::leaks(&format!("{state:?}")), "the key is in {state:?}");
        if told == "account" {
            // Nobody else is tried with it for a while.
            let other = fault(end(cloner.want(&caller(n + 50), None)).await);
            assert_eq!((other.kind(), house.uploads() - before), ("account", made));
        }
    }
    assert_eq!(house.studio.made(), 2);
    let rows = house.ledger().clones(WhichClones::All).expect("read");
    assert!(rows.iter().all(|row| row.known.sent_at.is_none()), "every answer gives the right to upload back");
    // Nobody there at all: nothing was sent, and nothing is looked for.
    let closed = house.cloner();
    drop(house.service);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let why = fault(end(closed.want(&caller(9), None)).await);
    assert!(matches!(why, CloneFault::Away(_) | CloneFault::Timeout(_)), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_account_is_asked_before_the_upload_and_gives_up_nothing_but_what_the_owner_lets_go() {
    let house = House::open("evict = false").await;
    house.studio.with(|it| it.limit = 1);
    let cloner = house.cloner();
    assert!(ready(&end(cloner.want(&caller(1), None)).await).is_some());
    let why = fault(end(cloner.want(&caller(2), None)).await);
    assert!(matches!(&why, CloneFault::NoRoom(words) if words.contains("1 of 1")), "{why}");
    house.studio.with(|it| (it.limit, it.most_edits, it.edits) = (9, Some(10), 10));
    assert_eq!(fault(end(cloner.want(&caller(3), None)).await).kind(), "no_room");
    house.studio.with(|it| (it.most_edits, it.may_clone) = (None, false));
    assert_eq!(fault(end(cloner.want(&caller(4), None)).await).kind(), "account");
    assert_eq!(house.uploads(), 1, "no sample was sent in vain");

    let house = House::open("evict = true").await;
    house.studio.with(|it| {
        it.limit = 2;
        it.voices.push(studio::Kept { id: "somebody_elses".to_owned(), name: "Narrator".to_owned() });
    });
    let cloner = house.cloner();
    assert!(ready(&end(cloner.want(&caller(1), None)).await).is_some());
    // It was used a moment ago: it may speak in a call.
    assert_eq!(fault(end(cloner.want(&caller(2), None)).await).kind(), "no_room");
    let clone = house.ledger().clones(WhichClones::All).expect("read");
    let old = clone.iter().find(|row| row.phone == caller(1)).expect("a row").id;
    let conn = rusqlite::Connection::open(house.dir.path().join("ahoy.db")).expect("opened");
    conn.execute("UPDATE clone SET used_at = used_at - 5 * 3600000 WHERE id = ?1", [old]).expect("long ago");
    tokio::time::sleep(Duration::from_millis(ms(61))).await;
    assert!(ready(&end(cloner.want(&caller(2), None)).await).is_some());
    let names: Vec<String> = house.studio.voices().into_iter().map(|it| it.id).collect();
    assert_eq!(names, ["somebody_elses", "vo000000000000000002"], "the one used longest ago, and nobody else's");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_too_long_is_told_in_time_and_the_next_call_has_the_voice() {
    let house = House::open("timeout = \"10s\"").await;
    house.studio.with(|it| it.uploads = vec![Act::Slow(ms(40))]);
    let cloner = house.cloner();
    let mut state = cloner.want(&caller(1), Some(call(1)));
    let why = fault(end(state.clone()).await);
    assert_eq!(why.kind(), "timeout");
    let late = tokio::time::timeout(Duration::from_secs(60), state.wait_for(|it| ready(it).is_some())).await;
    assert!(late.expect("in time").is_ok(), "it goes on, and tells whoever still listens");
    cloner.settle(Duration::from_secs(60)).await;
    assert!(ready(&end(cloner.want(&caller(1), None)).await).is_some_and(|(_, cached)| cached));
    assert_eq!(house.uploads(), 1);
    let kinds: Vec<_> = house.events(1).into_iter().map(|it| (it.0, it.2)).collect();
    assert_eq!(kinds, [(CloneEventKind::Ready, None), (CloneEventKind::Failed, Some("timeout".to_owned()))]);
    let figures = cloner.metrics(Duration::from_secs(3_600));
    assert_eq!((figures.begun, figures.timeouts, figures.late, figures.success_rate), (1, 1, 1, Some(0.0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_expires_or_loses_its_consent_is_deleted_there_and_a_new_sample_makes_a_new_voice() {
    let house = House::open("expires = \"4h\"").await;
    let cloner = house.cloner();
    for n in 1..=3 {
        assert!(ready(&end(cloner.want(&caller(n), None)).await).is_some());
    }
    // Consent taken back, below the old row.
    let rows = "+442079460001,2024-11-01,yes,voice.wav\n+442079460002,2024-11-01,yes,voice.wav\n\
                +442079460003,2024-11-01,yes,other.wav\n+442079460001,,\n";
    house.list(rows);
    house.sample("other.wav", &voice(14, 8_000.0));
    let swept = cloner.sweep().await.expect("swept");
    assert_eq!((swept.expired, swept.deleted), (1, 1));
    assert_eq!(fault(end(cloner.want(&caller(1), None)).await).kind(), "no_consent");
    // Expired, at a service that is away; then it comes back.
    let conn = rusqlite::Connection::open(house.dir.path().join("ahoy.db")).expect("opened");
    conn.execute("UPDATE clone SET expires_at = 1 WHERE phone = '+442079460002'", []).expect("expired");
    house.studio.with(|it| it.rest = Some(Act::Error(503)));
    let swept = cloner.sweep().await.expect("swept");
    assert_eq!((swept.expired, swept.deleted, swept.later), (1, 0, 1));
    assert_eq!(house.studio.voices().len(), 2);
    house.studio.with(|it| it.rest = None);
    tokio::time::sleep(Duration::from_millis(ms(62))).await;
    assert_eq!(cloner.sweep().await.expect("swept").deleted, 1);
    // Wanted again it is made anew, though its label is the old one's; a new sample replaces the voice of the old.
    assert!(
        ready(&end(cloner.want(&caller(2), None)).await)
            .is_some_and(|(voice, cached)| voice.ends_with("04") && !cached)
    );
    let mut told = Vec::new();
    cloner
        .add(vec![caller(3)], |added| {
            told.push(added.outcome.clone());
            Ok(())
        })
        .await
        .expect("added");
    assert_eq!(told, [Ok(("vo000000000000000005".to_owned(), false))]);
    assert_eq!(cloner.sweep().await.expect("swept").deleted, 1);
    let mut left: Vec<String> = house.studio.voices().into_iter().map(|it| it.id).collect();
    left.sort();
    assert_eq!(left, ["vo000000000000000004", "vo000000000000000005"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_voice_that_wants_to_be_verified_by_hand_is_no_voice_and_takes_no_slot() {
    let house = House::open("").await;
    house.studio.with(|it| it.verify = true);
    let cloner = house.cloner();
    let why = fault(end(cloner.want(&caller(1), None)).await);
    assert!(matches!(&why, CloneFault::Refused(words) if words.contains("verified")), "{why}");
    assert_eq!(cloner.sweep().await.expect("swept").deleted, 1);
    assert!(house.studio.voices().is_empty());
}
