use super::*;

const NOW: Wall = Wall(1_790_000_000_000);

fn phone(text: &str) -> Phone {
    Phone::from_e164(text).expect("a number")
}

fn heard(outcome: Option<Outcome>) -> AttemptFacts {
    AttemptFacts {
        attempt: AttemptId::mint(1, [1; 10]),
        lead: LeadId(1),
        outcome,
        unknown: false,
        made: true,
        caller: phone("+15005550006"),
        language: "en".to_owned(),
        intent_at: NOW,
        answered_at: Some(NOW),
        stream_at: Some(Wall(NOW.0 + 300)),
        first_audio_us: Some(500),
        machine: None,
        barged_in: false,
        barge_tail_ms: None,
        opted_out: false,
        duration_s: Some(61),
        price: Some(Money(13_000)),
        agent_cost: Money(2_000),
        words_cost: Money(500),
        hour: Some(10),
    }
}

fn busy() -> AttemptFacts {
    let facts = heard(Some(Outcome::Busy));
    let (agent_cost, words_cost) = Default::default();
    AttemptFacts {
        answered_at: None,
        stream_at: None,
        first_audio_us: None,
        duration_s: None,
        price: None,
        agent_cost,
        words_cost,
        ..facts
    }
}

#[test]
fn a_person_who_hears_nothing_within_two_seconds_is_abandoned() {
    let call = heard(Some(Outcome::Answered));
    assert_eq!((call.answer_to_audio_us(), call.abandoned()), (Some(300_500), false));
    let at_the_edge = AttemptFacts { stream_at: Some(Wall(NOW.0 + 2_000)), first_audio_us: Some(0), ..call.clone() };
    assert!(!at_the_edge.abandoned());
    assert!(AttemptFacts { first_audio_us: Some(1), ..at_the_edge }.abandoned());
    let silent = AttemptFacts { stream_at: None, first_audio_us: None, ..call.clone() };
    assert!(silent.abandoned(), "no stream at all is our fault too");
    assert!(AttemptFacts { outcome: Some(Outcome::Unheard), ..silent.clone() }.abandoned());
    assert!(!AttemptFacts { machine: Some(true), ..silent.clone() }.abandoned(), "a machine waits for nobody");
    assert!(!AttemptFacts { outcome: None, ..silent }.abandoned(), "a call that goes on is not judged");
    assert!(!busy().abandoned());
}

#[test]
fn a_callback_that_comes_after_the_stream_makes_no_latency() {
    let late = AttemptFacts { answered_at: Some(Wall(NOW.0 + 5_000)), ..heard(Some(Outcome::Answered)) };
    assert_eq!(late.answer_to_audio_us(), Some(500));
}

#[test]
fn the_figures_add_up() {
    let mut fold = Fold::default();
    let price = Money(10_000);
    fold.add(&heard(Some(Outcome::Answered)), price);
    fold.add(&AttemptFacts { lead: LeadId(2), opted_out: true, ..heard(Some(Outcome::OptedOut)) }, price);
    fold.add(&AttemptFacts { lead: LeadId(3), hour: None, ..busy() }, price);
    fold.add(&AttemptFacts { lead: LeadId(3), caller: phone("+15005551106"), ..busy() }, price);
    let failed = AttemptFacts { made: false, ..busy() };
    fold.add(&AttemptFacts { outcome: Some(Outcome::Failed), lead: LeadId(4), ..failed.clone() }, price);
    fold.add(&AttemptFacts { outcome: None, unknown: true, lead: LeadId(5), ..failed }, price);
    let report = fold.finish();
    let sum: u64 = report.outcomes.values().sum();
    assert_eq!((report.attempts, sum + report.open, report.calls), (6, 6, 4));
    assert_eq!((report.answered, report.by_person, report.abandoned), (2, 2, 0));
    assert_eq!((report.connect_rate, report.abandonment), (Some(0.5), Some(0.0)));
    assert_eq!(
        (report.talk_s, report.cost),
        (
            122,
            Cost {
                estimate: Money(40_000),
                minutes: 4,
                charged: Money(26_000),
                priced: 2,
                agents: Money(4_000),
                words: Money(1_000)
            }
        )
    );
    assert_eq!(report.attempts_per_lead, BTreeMap::from([(1, 4), (2, 1)]));
    assert_eq!((report.by_hour[&10].attempts, report.hour_unknown.attempts), (5, 1));
    assert_eq!(report.by_caller.keys().collect::<Vec<_>>(), ["+15…06", "+15…06 (b)"], "alike, yet two");
    assert_eq!((report.fault_count, report.faults.len(), report.unknown), (1, 1, 1));
    assert_eq!(report.audio_histogram.iter().map(|bin| bin.calls).sum::<u64>(), 2);
}

#[test]
fn nothing_divides_by_nothing() {
    let report = Fold::default().finish();
    assert_eq!((report.connect_rate, report.abandonment, report.answer_to_audio_ms), (None, None, None));
}

#[test]
fn the_hour_is_the_callees_and_unknown_where_their_zones_differ() {
    let noon = Wall(1_767_268_800_000); // 2026-01-01 12:00 UTC
    assert_eq!(hour_of_day(&phone("+359888123456"), None, noon), Some(14));
    assert_eq!(hour_of_day(&phone("+359888123456"), Some("America/New_York"), noon), Some(7));
    assert_eq!(hour_of_day(&phone("+359888123456"), Some("Nowhere/At_All"), noon), None);
    assert_eq!(hour_of_day(&phone("+18005550199"), None, noon), None, "toll-free: anywhere in North America");
}

#[test]
fn faults_are_kept_newest_first_and_bounded() {
    let mut fold = Fold::default();
    for n in 0..limits::REPORT_LINES + 5 {
        let lead = LeadId(i64::try_from(n).expect("small"));
        fold.add(&AttemptFacts { outcome: Some(Outcome::Failed), lead, ..busy() }, Money(0));
    }
    let report = fold.finish();
    assert_eq!(report.faults.len(), limits::REPORT_LINES);
    assert_eq!(report.faults[0].lead as usize, limits::REPORT_LINES + 4);
    assert_eq!(report.fault_count as usize, limits::REPORT_LINES + 5);
}
