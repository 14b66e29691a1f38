//! What must hold for every input, not only for the examples that somebody thought of.
//!
//! Failing inputs are kept in tests/data/properties.txt and tried first. `AHOY_PROPERTIES=full` takes every quarter of an
//! hour of ten years in every time zone.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use ahoy::base::{AttemptId, LeadId, Money, Phone, Sid, Wall};
use ahoy::core::config::{Caps, Hours};
use ahoy::core::dial::attempt::{Alarm, Fact, Input, LeadMove, SOURCES, Source, Standing, State, step};
use ahoy::core::dial::hours::{Window, may_call};
use ahoy::core::dial::verdict::{Ended, OUTCOMES, ReviewReason, verdict};
use ahoy::core::dial::{CallStatus, Outcome, Verdict, VerdictPolicy};
use ahoy::core::lead::Lead;
use ahoy::core::wire::twilio::{date, retry_after_ms};
use ahoy::store::leadfile::LeadFile;
use ahoy::store::ledger::{CarrierFact, Claim, FactResult, Ledger, OpenOptions};
use jiff::civil::{Time, Weekday};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

fn full() -> bool {
    std::env::var("AHOY_PROPERTIES").is_ok_and(|text| text == "full")
}

fn cases(count: u32) -> ProptestConfig {
    let count = if full() { count * 20 } else { count };
    let kept = FileFailurePersistence::Direct("tests/data/properties.txt");
    ProptestConfig { cases: count, failure_persistence: Some(Box::new(kept)), ..ProptestConfig::default() }
}

const STATUSES: [CallStatus; 9] = [
    CallStatus::Queued,
    CallStatus::Initiated,
    CallStatus::Ringing,
    CallStatus::InProgress,
    CallStatus::Completed,
    CallStatus::Busy,
    CallStatus::NoAnswer,
    CallStatus::Failed,
    CallStatus::Canceled,
];

type Told = (CallStatus, Source);

/// Some facts of one call, and the same ones repeated and in another order.
fn facts() -> impl Strategy<Value = (Vec<Told>, Vec<Told>)> {
    let one = (prop::sample::select(&STATUSES[..]), prop::sample::select(&SOURCES[..]));
    prop::collection::vec(one, 1..8).prop_flat_map(|facts| {
        let more = prop::collection::vec(prop::sample::select(facts.clone()), 0..6);
        (Just(facts.clone()), more).prop_flat_map(|(facts, more)| {
            let all: Vec<Told> = facts.iter().copied().chain(more).collect();
            (Just(facts), Just(all).prop_shuffle())
        })
    })
}

fn sid(name: &str) -> Sid {
    name.parse().expect("a sid")
}

/// What is left of an attempt after these facts, by the pure machine.
fn folded(start: State, newer_open: bool, facts: &[Told]) -> (Standing, Vec<Alarm>, Option<Outcome>) {
    let mut now = Standing { state: start, newer_open, ..Standing::intent() };
    let (mut alarms, mut outcome) = (Vec::new(), None);
    for (status, source) in facts {
        let told = Input::Fact(Fact { sid: sid("CA1"), status: *status, source: *source });
        let step = step(&now, told).expect("a fact of the one call is never stray");
        alarms.extend(step.alarms);
        match step.lead {
            LeadMove::Release(to) | LeadMove::Correct(to) => outcome = Some(to),
            LeadMove::Stay | LeadMove::Hold => {}
        }
        now = Standing { state: step.state, sid: step.sid, end: step.end, newer_open, unresolved: false };
    }
    alarms.sort_unstable();
    alarms.dedup();
    (now, alarms, outcome)
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn facts_in_any_order_and_repeated_make_the_same_attempt((facts, again) in facts(), newer_open: bool) {
        for start in [State::Intent, State::Unknown, State::NotPlaced, State::Rejected] {
            prop_assert_eq!(folded(start, newer_open, &facts), folded(start, newer_open, &again), "from {}", start);
        }
    }
}

const NOW: Wall = Wall(1_790_000_000_000);

fn policy() -> VerdictPolicy {
    let minutes = |n: u64| n * 60_000;
    VerdictPolicy {
        attempts: 3,
        busy_ms: minutes(20),
        no_answer_ms: minutes(120),
        failed_ms: minutes(30),
        voicemail_ms: minutes(240),
        callback_ms: minutes(240),
        gap_ms: minutes(60),
        after: Default::default(),
    }
}

/// A ledger on a disk whose leads are claimed one after the other, so that each case has one of its own.
struct Book {
    ledger: Ledger,
    used: u32,
    _folder: tempfile::TempDir,
}

const CAMPAIGN: &str = "spring";

impl Book {
    fn new() -> Book {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ahoy.db");
        let ledger = Ledger::open(&path, &OpenOptions::with_fresh_key(NOW)).expect("a ledger");
        Book { ledger, used: 0, _folder: folder }
    }

    /// What the ledger holds of an attempt and its lead after these facts.
    fn folded(&mut self, facts: &[Told]) -> Vec<String> {
        self.used += 1;
        let phone = Phone::from_e164(&format!("+35988{:07}", self.used)).expect("E.164");
        let lead = self.lead(&phone);
        let attempt = AttemptId::mint(1_790_000_000_000 + u64::from(self.used), [7; 10]);
        self.claim(attempt, lead, phone);
        let name = format!("CA{}", self.used);
        for (status, source) in facts {
            let fact = CarrierFact {
                attempt,
                sid: sid(&name),
                source: *source,
                key: format!("{name} {status}"),
                status: *status,
                at: NOW,
                duration_s: None,
                body: String::new(),
            };
            match self.ledger.fact(&fact, NOW).expect("kept") {
                FactResult::Folded(settled) => assert!(!settled.stray),
                FactResult::Repeat => {}
                FactResult::Orphan => panic!("the attempt is known"),
            }
        }
        let row = self.ledger.lead(lead).expect("read").expect("there");
        let tries = self.ledger.attempts_of_lead(lead).expect("read");
        let attempts = tries.iter().map(|row| format!("{} {:?}", row.state, row.outcome));
        let own = |text: String| text.replace(&attempt.to_string(), "its attempt");
        attempts.chain([format!("{:?}", row.state)]).map(own).collect()
    }

    fn lead(&mut self, phone: &Phone) -> LeadId {
        let campaign = CAMPAIGN.parse().expect("a slug");
        let import = self.ledger.begin_import(&campaign, "leads.csv", NOW).expect("begun");
        let lead = Lead {
            line: 2,
            phone: phone.clone(),
            name: None,
            language: None,
            country: None,
            timezone: None,
            consent: None,
            variables: BTreeMap::new(),
            tags: Vec::new(),
            more_phones: Vec::new(),
        };
        self.ledger.import_chunk(&campaign, import, &[lead], NOW).expect("imported");
        let due = self.ledger.due_leads(&campaign, NOW, 100, None).expect("the queue");
        due.into_iter().find(|lead| lead.phone == *phone).expect("it is due").id
    }

    fn claim(&mut self, attempt: AttemptId, lead: LeadId, phone: Phone) {
        let claim = Claim {
            attempt,
            campaign: CAMPAIGN.parse().expect("a slug"),
            lead,
            phone,
            caller: Phone::from_e164("+15005550006").expect("E.164"),
            account: "AC1".to_owned(),
            language: "bg".parse().expect("a language"),
            greeting: "f".repeat(64),
            intent_at: NOW,
            send_by: NOW + Duration::from_secs(3),
            release_after: NOW + Duration::from_secs(300),
            owner: attempt.0,
            caps: Caps { per_day: 3, per_30_days: 4, gap: Duration::ZERO },
            policy: policy(),
        };
        self.ledger.claim(&claim).expect("claimed");
    }
}

#[test]
fn facts_in_any_order_and_repeated_leave_the_same_ledger() {
    let book = std::cell::RefCell::new(Book::new());
    let check = |(facts, again): (Vec<Told>, Vec<Told>)| {
        let mut book = book.borrow_mut();
        let (one, other) = (book.folded(&facts), book.folded(&again));
        prop_assert_eq!(one, other);
        Ok(())
    };
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig { source_file: Some(file!()), ..cases(60) });
    runner.run(&facts(), check).unwrap_or_else(|fault| panic!("{fault}"));
}

proptest! {
    #![proptest_config(cases(1_000))]

    #[test]
    fn nobody_is_rung_again_sooner_than_the_gap_nor_more_often_than_the_tries(
        outcome in prop::sample::select(&OUTCOMES[..]),
        used in 0u32..6,
        attempts in 1u32..6,
        waits in prop::array::uniform5(0u64..10_000_000),
        after in prop::option::of(0u64..u64::MAX),
        at in 0i64..4_000_000_000_000,
        suppressed: bool,
    ) {
        let [busy_ms, no_answer_ms, failed_ms, voicemail_ms, gap_ms] = waits;
        let policy = VerdictPolicy { attempts, busy_ms, no_answer_ms, failed_ms, voicemail_ms, callback_ms: voicemail_ms, gap_ms, after: Default::default() };
        let at = Wall(at);
        let ended = Ended { outcome, used, at, after: after.map(Duration::from_millis), suppressed };
        match verdict(ended, &policy) {
            Verdict::ReadyAt(due) => {
                prop_assert!(!suppressed);
                prop_assert!(due >= at);
                if outcome.uses_attempt() {
                    prop_assert!(used < attempts || outcome == Outcome::CallBack);
                    prop_assert!(due >= at + Duration::from_millis(gap_ms));
                } else {
                    prop_assert!(due <= at + Duration::from_secs(900), "a try that was not made comes back soon");
                }
            }
            Verdict::Review(ReviewReason::LastTryLost) => {
                prop_assert!(outcome == Outcome::NotPlaced && used >= attempts && !suppressed);
            }
            Verdict::Review(ReviewReason::Unresolved) => {
                prop_assert!(outcome == Outcome::Unresolved && !suppressed);
            }
            Verdict::Review(ReviewReason::RequestRefused) => {
                prop_assert!(outcome == Outcome::RequestRefused && !suppressed);
            }
            Verdict::Blocked(_) => prop_assert!(suppressed),
            Verdict::Done(told) => prop_assert_eq!(told, outcome),
        }
    }

    #[test]
    fn a_wait_that_the_carrier_asks_for_is_read_from_anything_and_always_in_bounds(text in ".{0,40}", other in ".{0,40}") {
        let told = retry_after_ms(Some(&text), Some(&other));
        prop_assert!(told.is_none_or(|ms| (1_000..=900_000).contains(&ms)), "{:?}", told);
    }

    #[test]
    fn a_wait_in_seconds_or_until_a_date_is_obeyed_within_bounds(seconds: u64, from in 0i64..4_000_000_000, wait in -2_000i64..2_000) {
        let bounded = |seconds: i64| Some(u64::try_from(seconds.clamp(1, 900) * 1_000).expect("positive"));
        prop_assert_eq!(retry_after_ms(Some(&format!(" {seconds} ")), None), bounded(i64::try_from(seconds).unwrap_or(i64::MAX)));
        prop_assert_eq!(retry_after_ms(Some(&format!("-{seconds}")), None), None);
        let http = |seconds: i64| date(Wall(seconds * 1_000)).replace("+0000", "GMT");
        prop_assert_eq!(retry_after_ms(Some(&http(from + wait)), Some(&http(from))), bounded(wait));
        prop_assert_eq!(retry_after_ms(Some(&http(from + wait)), None), None);
    }

    #[test]
    fn a_number_reads_back_from_its_own_digits_and_prints_masked(digits in "\\+[1-9][0-9]{6,14}") {
        if let Ok(phone) = Phone::parse(&digits, None) {
            let (read, kept) = (Phone::parse(phone.expose(), None), Phone::from_e164(phone.expose()));
            prop_assert!(read.is_ok_and(|again| again == phone) && kept.is_ok_and(|again| again == phone));
            let shown = format!("{phone}");
            prop_assert!(shown.chars().filter(char::is_ascii_digit).count() <= 4, "{}", shown);
        }
    }

    #[test]
    fn money_prints_to_a_hundredth_of_a_cent(amount in -1_000_000_000_000i64..1_000_000_000_000) {
        let shown = Money(amount).to_string();
        let plain: String = shown.chars().filter(|c| *c == '-' || c.is_ascii_digit()).collect();
        let read = plain.parse::<i64>().expect("digits") * 100;
        prop_assert!((read - amount).abs() <= 50, "{} for {}", shown, amount);
    }

    #[test]
    fn rows_of_a_lead_file_read_back_as_they_were_written(
        rows in prop::collection::vec(prop::array::uniform3("[a-zа-я0-9 ,;\"'\t\n\\\\=+-]{0,12}"), 1..8),
        separator in prop::sample::select(&b",;\t"[..]),
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("leads.csv");
        write_csv(&path, separator, &rows);
        let mut file = LeadFile::open(&path).expect("a lead file");
        prop_assert_eq!(file.separator(), separator);
        let mut read = Vec::new();
        while let Some(row) = file.next_row().expect("a row") {
            read.push(row.fields);
        }
        // Rows without any text are no rows.
        let said = rows.iter().filter(|row| row.iter().any(|cell| !cell.trim().is_empty()));
        prop_assert_eq!(read, said.map(|row| row.to_vec()).collect::<Vec<_>>());
    }
}

fn write_csv(path: &Path, separator: u8, rows: &[[String; 3]]) {
    let style = csv::QuoteStyle::Always;
    let mut writer = csv::WriterBuilder::new().delimiter(separator).quote_style(style).from_path(path).expect("a file");
    writer.write_record(["phone", "name", "note"]).expect("a header");
    for row in rows {
        writer.write_record(row).expect("a row");
    }
    writer.flush().expect("written");
}

const QUARTER_MS: i64 = 15 * 60_000;
const DAY_MS: i64 = 86_400_000;
/// 2026-01-01T00:00Z, and ten years later.
const TEN_YEARS: (i64, i64) = (1_767_225_600_000, 2_082_758_400_000);

/// A zone as its clock changes tell it: since when, and by how many seconds it is ahead of UTC.
struct Turns(Vec<(i64, i64)>);

impl Turns {
    fn of(zone: &TimeZone) -> Turns {
        let first = Wall(TEN_YEARS.0 - 8 * DAY_MS).timestamp();
        let before = (i64::MIN, i64::from(zone.to_offset(first).seconds()));
        let after =
            zone.following(first).map(|turn| (turn.timestamp().as_millisecond(), i64::from(turn.offset().seconds())));
        let in_time = after.take_while(|(at, _)| *at < TEN_YEARS.1 + 8 * DAY_MS);
        Turns(std::iter::once(before).chain(in_time).collect())
    }

    /// The oracle: whole seconds since a Thursday, and nothing else.
    fn is_open(&self, hours: &Hours, at: i64) -> bool {
        let (_, ahead) = self.0[self.0.partition_point(|(since, _)| *since <= at) - 1];
        let local = at.div_euclid(1_000) + ahead;
        let weekday = 1 + (local.div_euclid(86_400) + 3).rem_euclid(7);
        let second = local.rem_euclid(86_400);
        let clock = |time: Time| i64::from(time.hour()) * 3_600 + i64::from(time.minute()) * 60;
        let on = hours.days.iter().any(|day| i64::from(day.to_monday_one_offset()) == weekday);
        on && second >= clock(hours.start) && second < clock(hours.end)
    }

    /// Moments that matter: two days around every clock change, and a few weeks anywhere.
    fn spans(&self, random: &mut fastrand::Rng) -> Vec<(i64, i64)> {
        let edges = self.0[1..].iter().map(|(at, _)| {
            let near = at.div_euclid(QUARTER_MS) * QUARTER_MS;
            (near - 2 * DAY_MS, near + 2 * DAY_MS)
        });
        let mut spans: Vec<(i64, i64)> = edges.collect();
        spans.extend((0..2).map(|_| {
            let start = random.i64(TEN_YEARS.0 / QUARTER_MS..(TEN_YEARS.1 - 7 * DAY_MS) / QUARTER_MS) * QUARTER_MS;
            (start, start + 7 * DAY_MS)
        }));
        spans
    }
}

#[test]
fn the_calling_window_is_what_arithmetic_says_in_every_zone_for_ten_years() {
    use Weekday::{Friday, Monday, Saturday, Sunday, Thursday, Tuesday, Wednesday};
    let day = Hours {
        start: Time::constant(9, 0, 0, 0),
        end: Time::constant(18, 0, 0, 0),
        days: vec![Monday, Tuesday, Wednesday, Thursday, Friday],
        any: false,
    };
    // Clocks change at night and at weekends.
    let night = Hours {
        start: Time::constant(0, 30, 0, 0),
        end: Time::constant(3, 15, 0, 0),
        days: vec![Saturday, Sunday, Monday, Friday],
        any: false,
    };
    let database = TimeZoneDatabase::bundled();
    let mut random = fastrand::Rng::with_seed(3);
    let (mut zones, mut moments, mut seen) = (0_u32, 0_u64, std::collections::BTreeSet::new());
    for name in database.available() {
        let name = name.to_string();
        let zone = database.get(&name).expect("a zone of the database");
        zones += 1;
        let turns = Turns::of(&zone);
        // Many names are one clock; each clock is looked at once.
        if !seen.insert(turns.0.clone()) {
            continue;
        }
        let spans = if full() { vec![TEN_YEARS] } else { turns.spans(&mut random) };
        for (from, to) in spans {
            let steps = (from..to).step_by(usize::try_from(QUARTER_MS).expect("small"));
            for at in steps {
                for hours in [&day, &night] {
                    let told = may_call(hours, std::slice::from_ref(&zone), Wall(at)) == Window::Open;
                    assert_eq!(told, turns.is_open(hours, at), "{name} at {}", Wall(at));
                }
                moments += 1;
            }
        }
    }
    println!("{zones} zones, {} clocks, {moments} moments", seen.len());
    assert!(zones > 500 && seen.len() > 60, "{zones} zones, {} clocks", seen.len());
}
