//! Every pair of state and input has its line in a table; facts fold in any order.

use super::*;

fn sid(name: &str) -> Sid {
    name.parse().expect("a sid")
}

fn fact(name: &str, status: CallStatus, source: Source) -> Input {
    Input::Fact(Fact { sid: sid(name), status, source })
}

fn standing(state: State) -> Standing {
    let known = match state {
        State::Intent | State::Unknown | State::Rejected | State::NotPlaced => None,
        State::Placed | State::Ringing | State::Answered | State::Bridged | State::Ended | State::Zombie => {
            Some(sid("CA1"))
        }
    };
    let end = (state == State::Ended).then_some((Source::Callback, CallStatus::NoAnswer));
    Standing { state, sid: known, end, ..Standing::intent() }
}

fn inputs() -> Vec<(&'static str, Input)> {
    let callback = |name, status| fact(name, status, Source::Callback);
    vec![
        ("fence", Input::FenceFailed),
        ("not_sent", Input::NotSent),
        ("429", Input::Throttled { after: None }),
        ("refused", Input::Refused(Refused::Number)),
        ("lost", Input::AnswerLost),
        ("gone", Input::OwnerGone),
        ("none", Input::ListedNone),
        ("no_list", Input::NoList),
        ("bridged", Input::Bridged),
        ("queued", callback("CA1", CallStatus::Queued)),
        ("ringing", callback("CA1", CallStatus::Ringing)),
        ("answer", callback("CA1", CallStatus::InProgress)),
        ("busy", callback("CA1", CallStatus::Busy)),
        ("other", callback("CA2", CallStatus::Ringing)),
    ]
}

/// `-` = stray. Rows: states; columns: the inputs above, in order. `!` = an alarm is raised.
const TABLE: &str = "\
state      fence      not_sent   429        refused  lost     gone    none       no_list    bridged queued   ringing  answer    busy   other
intent     not_placed not_placed not_placed rejected unknown  unknown -          -          -       placed   ringing  answered  ended  ringing
unknown    -          not_placed not_placed -        unknown  -       not_placed not_placed -       placed   ringing  answered  ended  ringing
placed     -          -          -          -        placed   -       -          not_placed bridged placed   ringing  answered  ended  placed!
ringing    -          -          -          -        ringing  -       -          not_placed bridged ringing  ringing  answered  ended  ringing!
answered   -          -          -          -        answered -       -          not_placed bridged answered answered answered  ended  answered!
bridged    -          -          -          -        bridged  -       -          not_placed bridged bridged  bridged  bridged   ended  bridged!
ended      -          -          -          -        ended    -       -          -          ended   ended    ended    ended     ended! ended!
rejected   -          -          -          -        -        -       -          -          -       placed!  ringing! answered! ended! ringing!
not_placed -          -          -          -        -        -       -          -          -       placed!  ringing! answered! ended! ringing!
zombie     -          -          -          -        zombie   -       -          -          zombie  zombie   zombie   zombie    zombie zombie!";

#[test]
fn every_pair_of_state_and_input_does_what_the_table_says() {
    let mut lines = TABLE.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let header = lines.next().expect("a header");
    let inputs = inputs();
    assert_eq!(header[1..], inputs.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    let rows: Vec<_> = lines.collect();
    assert_eq!(rows.len(), STATES.len());
    for (row, state) in rows.iter().zip(STATES) {
        assert_eq!(row[0], state.as_str());
        for ((name, input), want) in inputs.iter().zip(&row[1..]) {
            let got = match step(&standing(state), input.clone()) {
                Ok(step) => format!("{}{}", step.state, if step.alarms.is_empty() { "" } else { "!" }),
                Err(_) => "-".to_owned(),
            };
            assert_eq!(got, *want, "{state} × {name}");
        }
    }
}

#[test]
fn names_of_states_and_sources_read_back() {
    for state in STATES {
        assert_eq!(state.as_str().parse(), Ok(state));
    }
    for source in SOURCES {
        assert_eq!(source.as_str().parse(), Ok(source));
    }
    assert!(STATES.windows(2).all(|pair| pair[0].rank() < pair[1].rank()));
}

/// What is left of an attempt after these facts, alarms as a set.
fn fold(start: &Standing, facts: &[Input]) -> (Standing, Vec<Alarm>, Option<Outcome>) {
    let mut now = start.clone();
    let mut alarms = Vec::new();
    let mut outcome = None;
    for input in facts {
        let step = step(&now, input.clone()).expect("facts of one call are never stray");
        alarms.extend(step.alarms);
        match step.lead {
            LeadMove::Release(to) | LeadMove::Correct(to) => outcome = Some(to),
            LeadMove::Stay | LeadMove::Hold => {}
        }
        now =
            Standing { state: step.state, sid: step.sid, end: step.end, newer_open: now.newer_open, unresolved: false };
    }
    alarms.sort_unstable();
    alarms.dedup();
    (now, alarms, outcome)
}

fn shuffle(items: &mut [Input], random: &mut fastrand::Rng) {
    random.shuffle(items);
}

#[test]
fn facts_fold_to_the_same_end_in_any_order_and_with_any_repeats() {
    use CallStatus::*;
    let statuses = [Queued, Initiated, Ringing, InProgress, Completed, Busy, NoAnswer, Failed, Canceled];
    let mut random = fastrand::Rng::with_seed(5);
    for round in 0..3_000 {
        let count = random.usize(1..7);
        let facts: Vec<Input> = (0..count)
            .map(|_| fact("CA1", statuses[random.usize(..statuses.len())], SOURCES[random.usize(..SOURCES.len())]))
            .collect();
        for state in [State::Intent, State::Unknown] {
            let start = Standing { state, ..Standing::intent() };
            let want = fold(&start, &facts);
            let mut again = facts.clone();
            for _ in 0..random.usize(0..4) {
                again.push(facts[random.usize(..facts.len())].clone());
            }
            shuffle(&mut again, &mut random);
            assert_eq!(fold(&start, &again), want, "round {round}: {facts:?} against {again:?}");
        }
    }
}

#[test]
fn a_late_ring_never_revives_an_ended_call() {
    let late = step(&standing(State::Ended), fact("CA1", CallStatus::Ringing, Source::Fetch)).expect("listed");
    assert_eq!((late.state, late.lead), (State::Ended, LeadMove::Stay));
}

#[test]
fn a_second_sid_is_ended_and_stops_the_account() {
    let two = step(&standing(State::Answered), fact("CA2", CallStatus::Ringing, Source::Listing)).expect("listed");
    assert_eq!(two.end_call, Some(sid("CA2")));
    assert_eq!(two.sid, Some(sid("CA1")));
    assert!(two.alarms.iter().all(|alarm| alarm.stops_account()) && !two.alarms.is_empty());
}

#[test]
fn a_call_that_surfaces_after_release_is_held_again_or_ended_as_a_zombie() {
    let surfaced = fact("CA1", CallStatus::Ringing, Source::Callback);
    let alone = step(&standing(State::NotPlaced), surfaced.clone()).expect("listed");
    assert_eq!((alone.state, alone.lead), (State::Ringing, LeadMove::Hold));
    assert_eq!(alone.alarms, [Alarm::Surfaced]);
    let beside = Standing { newer_open: true, ..standing(State::NotPlaced) };
    let zombie = step(&beside, surfaced).expect("listed");
    assert_eq!((zombie.state, zombie.lead), (State::Zombie, LeadMove::Stay));
    assert_eq!(zombie.end_call, Some(sid("CA1")));
    assert!(!zombie.state.is_open());
}

#[test]
fn the_carriers_record_beats_a_callback_whichever_came_first() {
    let call = |facts: &[Input]| fold(&Standing::intent(), facts);
    let callback = fact("CA1", CallStatus::Failed, Source::Callback);
    let record = fact("CA1", CallStatus::Completed, Source::Fetch);
    let (end, alarms, outcome) = call(&[callback.clone(), record.clone()]);
    assert_eq!((end.end, outcome), (Some((Source::Fetch, CallStatus::Completed)), Some(Outcome::Answered)));
    assert_eq!(alarms, [Alarm::EndMismatch]);
    assert_eq!(call(&[record, callback]), (end, alarms, outcome));
}

#[test]
fn an_attempt_whose_call_may_exist_is_open_and_no_other() {
    let open: Vec<&str> = STATES.into_iter().filter(|state| state.is_open()).map(State::as_str).collect();
    assert_eq!(open, ["intent", "unknown", "placed", "ringing", "answered", "bridged"]);
}

#[test]
fn alarms_have_their_names_and_only_a_second_call_stops_the_account() {
    let alarms = [
        (Alarm::DoubleDial, "double_dial", true),
        (Alarm::Surfaced, "surfaced", true),
        (Alarm::EndMismatch, "end_mismatch", false),
        (Alarm::CallerRefused, "caller_refused", false),
        (Alarm::AccountRefused, "account_refused", false),
        (Alarm::RequestRefused, "request_refused", false),
    ];
    for (alarm, name, stops) in alarms {
        assert_eq!((alarm.as_str(), alarm.stops_account()), (name, stops));
    }
}

#[test]
fn each_refusal_has_its_outcome_and_those_of_ours_are_loud() {
    let refusals = [
        (Refused::Number, Outcome::Invalid, None),
        (Refused::Destination, Outcome::Forbidden, None),
        (Refused::Caller, Outcome::CallerRefused, Some(Alarm::CallerRefused)),
        (Refused::Account, Outcome::AccountRefused, Some(Alarm::AccountRefused)),
        (Refused::Request, Outcome::RequestRefused, Some(Alarm::RequestRefused)),
    ];
    for (about, outcome, alarm) in refusals {
        let step = step(&Standing::intent(), Input::Refused(about)).expect("listed");
        assert_eq!((step.state, step.lead), (State::Rejected, LeadMove::Release(outcome)));
        assert_eq!(step.alarms, Vec::from_iter(alarm));
    }
}

/// The whole step, so that no part of it can be forgotten.
#[test]
fn a_call_that_surfaces_is_kept_with_its_sid_its_end_and_its_alarm() {
    let told = |state, newer_open, status| {
        let before = Standing { newer_open, ..standing(state) };
        step(&before, fact("CA1", status, Source::Callback)).expect("listed")
    };
    let whole = |state, end: Option<CallStatus>, lead, alarms: &[Alarm], ends: bool| Step {
        state,
        sid: Some(sid("CA1")),
        end: end.map(|status| (Source::Callback, status)),
        lead,
        alarms: alarms.to_vec(),
        end_call: ends.then(|| sid("CA1")),
    };
    let (ring, busy) = (CallStatus::Ringing, CallStatus::Busy);
    let surfaced = &[Alarm::Surfaced][..];
    for state in [State::Rejected, State::NotPlaced] {
        assert_eq!(told(state, false, ring), whole(State::Ringing, None, LeadMove::Hold, surfaced, false));
        let over = LeadMove::Release(Outcome::Busy);
        assert_eq!(told(state, false, busy), whole(State::Ended, Some(busy), over, surfaced, false));
        assert_eq!(told(state, true, ring), whole(State::Zombie, None, LeadMove::Stay, surfaced, true));
        assert_eq!(told(state, true, busy), whole(State::Zombie, Some(busy), LeadMove::Stay, surfaced, false));
    }
    for newer_open in [false, true] {
        assert_eq!(told(State::Zombie, newer_open, ring), whole(State::Zombie, None, LeadMove::Stay, &[], true));
        assert_eq!(told(State::Zombie, newer_open, busy), whole(State::Zombie, Some(busy), LeadMove::Stay, &[], false));
    }
    assert_eq!(told(State::Intent, false, ring), whole(State::Ringing, None, LeadMove::Stay, &[], false));
    let over = LeadMove::Release(Outcome::Busy);
    assert_eq!(told(State::Unknown, false, busy), whole(State::Ended, Some(busy), over, &[], false));
}

#[test]
fn among_equal_sources_a_fixed_order_of_final_words_decides() {
    use CallStatus::{Busy, Canceled, Completed, Failed, NoAnswer};
    for pair in [Failed, Canceled, NoAnswer, Busy, Completed].windows(2) {
        let (weaker, stronger) = (fact("CA1", pair[0], Source::Callback), fact("CA1", pair[1], Source::Callback));
        for order in [[weaker.clone(), stronger.clone()], [stronger, weaker]] {
            let (end, alarms, outcome) = fold(&Standing::intent(), &order);
            assert_eq!(end.end, Some((Source::Callback, pair[1])));
            assert_eq!((alarms, outcome), (vec![Alarm::EndMismatch], Some(Outcome::of(pair[1]))));
        }
    }
    let again = fact("CA1", Busy, Source::Fetch);
    let (_, alarms, _) = fold(&Standing::intent(), &[fact("CA1", Busy, Source::Callback), again]);
    assert_eq!(alarms, [], "the same word from a stronger source is no mismatch");
}

#[test]
fn a_second_call_that_is_already_over_need_not_be_ended() {
    let over = step(&standing(State::Ringing), fact("CA2", CallStatus::Busy, Source::Listing)).expect("listed");
    assert_eq!((over.end_call, over.alarms), (None, vec![Alarm::DoubleDial]));
}

#[test]
fn a_call_of_an_attempt_that_nobody_could_tell_about_is_no_alarm_unless_a_newer_one_is_open() {
    let given_up = Standing { unresolved: true, ..standing(State::NotPlaced) };
    let ring = step(&given_up, fact("CA1", CallStatus::Ringing, Source::Callback)).expect("listed");
    assert_eq!((ring.state, ring.lead, ring.alarms), (State::Ringing, LeadMove::Hold, vec![]));
    let over = step(&given_up, fact("CA1", CallStatus::Completed, Source::Callback)).expect("listed");
    assert_eq!((over.state, over.lead), (State::Ended, LeadMove::Release(Outcome::Answered)));
    assert_eq!(over.alarms, []);
    let beside = Standing { newer_open: true, ..given_up };
    let second = step(&beside, fact("CA1", CallStatus::Ringing, Source::Callback)).expect("listed");
    assert_eq!((second.state, second.alarms), (State::Zombie, vec![Alarm::Surfaced]));
    assert_eq!(second.end_call, Some(sid("CA1")));
}
