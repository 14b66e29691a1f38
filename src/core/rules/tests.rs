//! One test per row of the table, named by country, at the row's edges.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::finding::{Weight, findings};
use super::*;
use crate::base::Phone;
use crate::core::config::{Campaign, Caps, Purpose, parse_campaign};
use crate::core::dial::hours::{Window, is_open, may_call_in};
use crate::core::dial::zones::zone;

/// Rules whose rows have a test here. A new row fails the count below until it has one.
const TESTED: [&str; 25] = [
    "bg.consent",
    "de.consent",
    "default.abandonment",
    "default.caps",
    "default.consent",
    "default.countries",
    "default.disclosure",
    "default.hours",
    "default.opt-out",
    "default.recording",
    "default.ring",
    "eu.consent",
    "fr.caps",
    "fr.consent",
    "fr.hours",
    "fr.refusal",
    "gb.consent",
    "gb.dnc",
    "il.consent",
    "il.dnc",
    "us-ca.consent",
    "us-fl.caps",
    "us-fl.hours",
    "us.consent",
    "us.dnc",
];

fn place(name: &str) -> Place {
    let (country, state) = name.split_once('-').map_or((name, None), |(country, _)| (country, Some(name)));
    let state = state.map(|state| book().tables.keys().find(|key| *key == state).expect("a table").as_str());
    Place::named(country.parse().expect("a country"), state)
}

fn number(text: &str) -> Place {
    Place::of(&Phone::from_e164(text).expect("E.164"), None)
}

fn terms(place: &Place) -> Terms<'static> {
    book().terms(place, &BTreeMap::new())
}

fn wall(text: &str) -> Wall {
    Wall(text.parse::<Timestamp>().expect("RFC 3339").as_millisecond())
}

/// Whether all windows of a place are open, by its own clock.
fn open(name: &str, local: &str) -> bool {
    let moment = wall(&format!("{local}Z"));
    let terms = terms(&place(name));
    assert!(terms.calendars().count() > 0, "{name} has hours");
    terms.calendars().all(|(_, calendar)| is_open(calendar, &[TimeZone::UTC], moment))
}

fn edges(name: &str, day: &str, first: &str, last: &str) {
    assert!(open(name, &format!("{day}T{first}:00")), "{name} {first}");
    assert!(open(name, &format!("{day}T{last}:59")), "{name} {last}");
    let minute = |text: &str| text.parse::<jiff::civil::Time>().expect("a time");
    let before = minute(first).wrapping_sub(jiff::Span::new().seconds(1));
    let after = minute(last).wrapping_add(jiff::Span::new().minutes(1));
    assert!(!open(name, &format!("{day}T{before}")), "{name} before {first}");
    assert!(!open(name, &format!("{day}T{after}")), "{name} after {last}");
}

fn enough(name: &str, consent: Option<&str>, purpose: Purpose, now: &str) -> bool {
    let agreed = consent::read(consent);
    let by = |voice| {
        terms(&place(name))
            .consents()
            .all(|(_, demand)| consent::is_enough(demand, agreed.as_ref(), purpose, voice, wall(now)))
    };
    assert_eq!(by(VoiceKind::Recorded), by(VoiceKind::Ai), "{name}: {consent:?} for {purpose:?}");
    by(VoiceKind::Recorded)
}

const NOON: &str = "2026-11-23T12:00:00Z";
const PLAIN: Option<&str> = Some("web form");
const REFERENCE: Option<&str> = Some("marketing calls; 2026-09-02; web form 12");
const WRITTEN: Option<&str> = Some("marketing calls, written; 2026-09-02; web form 12");
const COVERING: Option<&str> = Some("automated marketing calls, written; 2026-09-02; web form 12");

fn asks_a_reference(name: &str) {
    for purpose in [Purpose::Marketing, Purpose::Service, Purpose::Research] {
        assert!(!enough(name, None, purpose, NOON));
        assert!(!enough(name, PLAIN, purpose, NOON));
        assert!(enough(name, REFERENCE, purpose, NOON), "{name} {purpose:?}");
    }
}

#[test]
fn every_row_has_a_source_a_day_and_a_test() {
    let rules: BTreeSet<&str> = book().rules().map(|rule| rule.id.as_str()).collect();
    let mut tested: BTreeSet<&str> = TESTED.into_iter().collect();
    tested.insert("us.hours");
    assert_eq!(rules, tested, "a row without a test, or a test without a row");
    for rule in book().rules() {
        assert!(rule.source.len() > 10 && rule.checked <= book().version, "{}", rule.id);
    }
}

#[test]
fn united_states_8_to_21_and_sunday_closed() {
    edges("US", "2026-11-23", "08:00", "19:59"); // a number of no state: Florida's evening counts
    let us = book().rule("us.hours").expect("a row");
    let Demand::Hours { calendar, .. } = &us.demand else { panic!("hours") };
    let open = |text: &str| is_open(calendar, &[TimeZone::UTC], wall(text));
    assert!(open("2026-11-23T08:00:00Z") && open("2026-11-28T20:59:59Z"));
    assert!(!open("2026-11-23T07:59:59Z") && !open("2026-11-23T21:00:00Z") && !open("2026-11-22T12:00:00Z"));
}

#[test]
fn united_states_written_consent_for_marketing_and_consent_with_a_source_for_the_rest() {
    let table = Place { country: place("US").country, states: Some(vec![]) };
    let by = |consent, purpose| {
        let agreed = consent::read(consent);
        terms(&table)
            .consents()
            .all(|(_, it)| consent::is_enough(it, agreed.as_ref(), purpose, VoiceKind::Recorded, wall(NOON)))
    };
    assert!(!by(None, Purpose::Service) && !by(PLAIN, Purpose::Service) && by(REFERENCE, Purpose::Service));
    assert!(!by(PLAIN, Purpose::Marketing) && !by(REFERENCE, Purpose::Marketing) && by(WRITTEN, Purpose::Marketing));
    assert!(!by(Some("written; 2026-12-24; web form"), Purpose::Marketing), "given on a day that has not come");
}

#[test]
fn united_states_a_registry_copy_lasts_31_days() {
    do_not_call("US", 31);
}

#[test]
fn florida_8_to_20() {
    edges("US-FL", "2026-11-23", "08:00", "19:59");
    let (rule, _) = terms(&place("US-FL"))
        .calendars()
        .find(|(_, calendar)| !is_open(calendar, &[TimeZone::UTC], wall("2026-11-23T20:00:00Z")))
        .expect("closed");
    assert_eq!(rule, "us-fl.hours");
}

#[test]
fn florida_three_calls_in_24_hours() {
    let loose = Caps { per_day: 9, per_30_days: 99, gap: Duration::ZERO };
    let aside = BTreeMap::from([("default.caps".to_owned(), "a test".to_owned())]);
    assert_eq!(book().terms(&place("US-FL"), &aside).tightened(&loose).per_day, 3);
    assert_eq!(book().terms(&number("+12125550123"), &aside).tightened(&loose).per_day, 9, "New York");
}

#[test]
fn california_needs_a_consent_that_names_the_voice() {
    for purpose in [Purpose::Marketing, Purpose::Service] {
        assert!(!enough("US-CA", WRITTEN, purpose, NOON));
        assert!(enough("US-CA", COVERING, purpose, NOON));
    }
    let only_recorded = consent::read(Some("recorded marketing, written; 2026-09-02; form"));
    let california = terms(&place("US-CA"));
    let by = |voice| {
        california
            .consents()
            .all(|(_, it)| consent::is_enough(it, only_recorded.as_ref(), Purpose::Marketing, voice, wall(NOON)))
    };
    assert!(by(VoiceKind::Recorded) && !by(VoiceKind::Ai), "a consent to recorded calls is none to an AI");
}

#[test]
fn a_state_comes_from_the_area_code_and_in_doubt_every_state_counts() {
    assert_eq!(number("+14075550123").states, Some(vec!["US-FL"]));
    assert_eq!(number("+13105550123").states, Some(vec!["US-CA"]));
    assert_eq!(number("+12125550123").states, Some(vec!["US-NY"]));
    assert_eq!(number("+12015550123").states, Some(vec!["US-NJ", "US-NY"]), "an area code of two states");
    let toll_free = number("+18005550123");
    assert_eq!(toll_free.states, None);
    let ids = |place: &Place| terms(place).rules().iter().map(|rule| rule.id.clone()).collect::<Vec<_>>();
    for rule in ["us-fl.hours", "us-ca.consent", "us.dnc"] {
        assert!(ids(&toll_free).iter().any(|id| id == rule), "toll-free: {rule}");
    }
    assert!(!ids(&number("+12125550123")).iter().any(|id| id.starts_with("us-fl") || id.starts_with("us-ca")));
    assert!(!ids(&number("+14165550123")).iter().any(|id| id.starts_with("us")), "Toronto is not in California");
    assert_eq!(number("+14165550123").states, Some(vec!["CA-ON"]));
}

#[test]
fn united_kingdom_consent_with_a_source_and_a_tps_file_of_28_days() {
    asks_a_reference("GB");
    do_not_call("GB", 28);
}

#[test]
fn france_two_windows_and_no_holidays() {
    for (first, last) in [("10:00", "12:59"), ("14:00", "19:59")] {
        edges("FR", "2026-11-23", first, last);
    }
    assert!(!open("FR", "2026-11-28T11:00:00") && !open("FR", "2026-11-29T11:00:00"), "weekend");
    for holiday in [
        "2026-01-01",
        "2026-04-03",
        "2026-04-06",
        "2026-05-01",
        "2026-05-08",
        "2026-05-14",
        "2026-05-25",
        "2026-07-14",
        "2027-11-01",
        "2026-11-11",
        "2026-12-25",
    ] {
        assert!(!open("FR", &format!("{holiday}T11:00:00")), "{holiday}");
    }
    assert!(open("FR", "2026-07-15T11:00:00"));
    // Friday 13 November 2026, 20:00 in Paris: the next window is Monday at 10.
    let paris = [zone("Europe/Paris").expect("known")];
    let calendars: Vec<&Calendar> = terms(&place("FR")).calendars().map(|(_, calendar)| calendar).collect();
    let next = may_call_in(&calendars, &paris, wall("2026-11-13T19:00:00Z"));
    assert_eq!(next, Window::ClosedUntil(wall("2026-11-16T09:00:00Z")));
}

#[test]
fn france_consent_four_calls_and_sixty_days_of_peace() {
    asks_a_reference("FR");
    let own = book().rule("fr.consent").expect("a row");
    let Demand::Consent(own) = &own.demand else { panic!("consent") };
    assert!(own.marketing.reference && !own.other.any, "the law of 2025 is about marketing");
    let aside = BTreeMap::from([("default.caps".to_owned(), "a test".to_owned())]);
    let loose = Caps { per_day: 9, per_30_days: 99, gap: Duration::ZERO };
    assert_eq!(book().terms(&place("FR"), &aside).tightened(&loose).per_30_days, 4);
    assert_eq!(terms(&place("FR")).refusal(), Some(("fr.refusal", 60)));
    assert_eq!(terms(&place("DE")).refusal(), None);
}

#[test]
fn germany_bulgaria_and_the_rest_of_the_union_ask_consent_with_a_source_and_keep_the_default_hours() {
    for name in ["DE", "BG", "PT"] {
        asks_a_reference(name);
        edges(name, "2026-11-23", "09:00", "17:59");
        assert!(!open(name, "2026-11-28T12:00:00") && !open(name, "2026-11-29T12:00:00"), "{name}: weekend");
    }
    for own in ["de.consent", "bg.consent"] {
        let Demand::Consent(demand) = &book().rule(own).expect("a row").demand else { panic!("consent") };
        assert!(demand.marketing.reference, "{own}");
    }
    let members = &book().tables["EU"].members;
    assert_eq!(members.len(), 27);
}

#[test]
fn israel_a_consent_lasts_a_year_and_a_registry_file_15_days() {
    asks_a_reference("IL");
    let at = |now: &str| enough("IL", Some("marketing; 2025-11-23; form"), Purpose::Marketing, now);
    assert!(at("2026-11-23T12:00:00Z"));
    assert!(!at("2026-11-24T12:00:00Z"), "a day too old");
    assert!(!enough("IL", Some("marketing; ; form"), Purpose::Service, NOON), "a consent without a day may be old");
    do_not_call("IL", 15);
}

#[test]
fn elsewhere_9_to_18_on_weekdays_and_consent_for_marketing() {
    edges("JP", "2026-11-23", "09:00", "17:59");
    assert!(!open("JP", "2026-11-28T12:00:00"));
    assert!(!enough("JP", None, Purpose::Marketing, NOON) && enough("JP", PLAIN, Purpose::Marketing, NOON));
    assert!(enough("JP", None, Purpose::Service, NOON), "the laxer column");
    let loose = Caps { per_day: 9, per_30_days: 99, gap: Duration::ZERO };
    let tight = Caps { per_day: 3, per_30_days: 4, gap: Duration::from_secs(3_600) };
    assert_eq!(terms(&place("JP")).tightened(&loose), tight);
    let tighter = Caps { per_day: 1, per_30_days: 2, gap: Duration::from_secs(7_200) };
    assert_eq!(terms(&place("JP")).tightened(&tighter), tighter, "a campaign may be tighter");
    assert_eq!(terms(&place("JP")).do_not_call(), None);
}

fn do_not_call(name: &str, days: i64) {
    let (_, age_days) = terms(&place(name)).do_not_call().expect("a registry");
    assert_eq!(i64::from(age_days), days, "{name}");
    let now = wall(NOON);
    let dated = |days: i64| Some(Wall(now.0 - days * 86_400_000));
    assert!(dnc_is_fresh(dated(days), age_days, now));
    assert!(!dnc_is_fresh(dated(days).map(|at| Wall(at.0 - 1)), age_days, now));
    assert!(!dnc_is_fresh(None, age_days, now));
}

fn campaign(text: &str) -> Campaign {
    let text = format!("callers = [\"+12125550123\"]\n{text}");
    parse_campaign("c".parse().expect("a slug"), "c", &text).expect("valid")
}

fn told(campaign: &Campaign, ring: u64) -> Vec<(String, Weight)> {
    findings(book(), campaign, ring, wall(NOON)).into_iter().map(|it| (it.rule, it.weight)).collect()
}

const GOOD: &str = "legal_name = \"Harbour Travel Ltd\"\n[greeting]\n\
    en = \"Hello, this is the automated assistant of Harbour Travel Ltd. This call is recorded. Press 9 to opt out.\"\n\
    bg = \"Тук е автоматичният асистент на Harbour Travel Ltd. Разговорът се записва. Натиснете девет.\"\n\
    he = \"שָׁלוֹם, הָעוֹזֵר הָאוֹטוֹמָטִי שֶׁל Harbour Travel Ltd. הַשִּׂיחָה מֻקְלֶטֶת מוקלט. הַקִּישׁוּ תֵּשַׁע.\"\n";

#[test]
fn a_campaign_that_rings_too_briefly_or_hides_the_opt_out_is_refused_as_a_whole() {
    let calendar = ("default.hours".to_owned(), Weight::Warning);
    assert_eq!(told(&campaign(GOOD), 15), std::slice::from_ref(&calendar), "only the missing calendar");
    assert_eq!(told(&campaign(GOOD), 14), [("default.ring".to_owned(), Weight::Refused), calendar]);
    let silent = campaign("[greeting]\nen = \"Hello, buy 99 ships.\"\n");
    let found = told(&silent, 30);
    assert!(found.contains(&("default.opt-out".to_owned(), Weight::Refused)), "99 is not 9: {found:?}");
    for rule in ["default.disclosure", "default.recording"] {
        assert!(found.contains(&(rule.to_owned(), Weight::Warning)), "{rule}: {found:?}");
    }
    let service = campaign("purpose = \"service\"\n[greeting]\nen = \"Your order is here.\"\n");
    assert!(told(&service, 30).iter().all(|(_, weight)| *weight == Weight::Warning));
    let rehearsal = campaign("[greeting]\nen = \"Hello\"\n[hours]\nany = true\n");
    assert!(told(&rehearsal, 1).iter().all(|(_, weight)| *weight == Weight::Warning), "shown, not refused");
}

#[test]
fn a_campaign_whose_callers_are_of_no_country_must_list_countries() {
    let text = format!("callers = [\"+881612345678\"]\n{GOOD}");
    let nowhere = parse_campaign("c".parse().expect("a slug"), "c", &text).expect("valid");
    assert!(told(&nowhere, 30).contains(&("default.countries".to_owned(), Weight::Refused)));
    let listed = campaign(&format!("countries = [\"FR\"]\n{GOOD}"));
    assert!(told(&listed, 30).is_empty(), "France's holidays are known");
}

#[test]
fn rules_and_time_zones_tell_their_age() {
    let checked = book().oldest_check();
    let day = |days: i64| {
        Wall(
            TimeZone::UTC
                .to_timestamp(checked.to_datetime(jiff::civil::Time::midnight()))
                .expect("a day")
                .as_millisecond()
                + days * 86_400_000,
        )
    };
    assert_eq!(book().stale(day(180)), None);
    assert!(book().stale(day(181)).is_some_and(|text| text.contains("181 days")));
    assert!(tzdb_released(tzdb_version()).is_some(), "{} is not in the list of releases", tzdb_version());
}

#[test]
fn a_table_with_a_mistake_is_refused_with_its_line() {
    let fault = |from: &str, to: &str| {
        assert!(COMPILED_IN.contains(from), "{from}");
        parse("rules.toml", &COMPILED_IN.replacen(from, to, 1)).expect_err("a mistake").to_string()
    };
    let line = |text: &str| 1 + COMPILED_IN[..COMPILED_IN.find(text).expect("there")].matches('\n').count();
    let windows = "monday-friday = [\"10:00-13:00\", \"14:00-20:00\"]";
    let told = fault(windows, "monday-friday = [\"10:00-13:00\", \"12:00-20:00\"]");
    assert!(told.starts_with(&format!("rules.toml:{}:", line(windows))) && told.contains("12:00-20:00"), "{told}");
    assert!(fault("[US.dnc]\nsource", "[US.dnc]\nsauce").contains("unknown key `sauce`"));
    assert!(fault("\"easter+39\"", "\"estar+39\"").contains("no holiday"));
    assert!(fault("marketing = [\"any\"]", "marketing = [\"some\"]").contains("no demand"));
    assert!(fault("\"AT\", \"BE\"", "\"AT\", \"BEL\"").contains("country"));
    assert!(fault("version = \"2026-11-21\"", "version = \"soon\"").contains("no day"));
    assert!(fault("per_24h = 3\nper_30", "per_24h = 0\nper_30").contains("forbids every call"));
}
