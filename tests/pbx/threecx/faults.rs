//! What a 3CX may do wrong: each run ends with everybody rung once, and everybody who answered spoken to.

use super::emulator::{Did, Emulator, Faults};
use super::{TOKEN, Value, dial, heard, report, rung, shop, went_wrong};

fn survives(name: &str, faults: Faults, campaign: &str) -> Emulator {
    let emulator = Emulator::start(TOKEN, faults);
    let shop = shop(&emulator, campaign, 24);
    let ended = dial(&shop);
    assert!([0, 3].contains(&ended), "{name}: {ended}");
    let log = emulator.log();
    assert_eq!(went_wrong(&log), Vec::<&Did>::new(), "{name}");
    assert_eq!((rung(&log).len(), emulator.live()), (24, 0), "{name}");
    heard(&emulator, &shop, 160);
    let report = report(&shop);
    assert_eq!((&report["unknown"], &report["open"]), (&Value::from(0), &Value::from(0)), "{name}: {report}");
    assert_eq!(report["outcomes"]["unresolved"].as_u64().unwrap_or(0), 0, "{name}: {report}");
    emulator
}

#[test]
fn events_that_are_doubled_swapped_or_garbage_change_nothing() {
    survives("doubled", Faults { twice: true, garbage: true, ..Faults::default() }, "");
    survives("swapped", Faults { swapped: true, ..Faults::default() }, "");
}

#[test]
fn an_answer_whose_event_is_lost_is_seen_at_the_next_look() {
    let emulator = survives("untold", Faults { untold_answer: Some('6'), ..Faults::default() }, "");
    let latest = emulator.log().into_iter().filter_map(|did| match did {
        Did::FirstSound { after, .. } => Some(after),
        _ => None,
    });
    let latest = latest.max().expect("somebody was spoken to");
    assert!(latest.as_millis() < 3_500, "{latest:?}");
}

#[test]
fn a_participant_that_is_gone_before_it_is_asked_about_was_not_reached() {
    survives("gone", Faults { gone_at_once: Some('7'), ..Faults::default() }, "");
}

#[test]
fn a_token_that_ends_in_the_middle_is_renewed_and_no_order_is_repeated() {
    let emulator = Emulator::start(TOKEN, Faults { token_holds: Some(25), ..Faults::default() });
    let shop = shop(&emulator, "", 24);
    let ended = dial(&shop);
    assert!([0, 3].contains(&ended), "{ended}");
    let log = emulator.log();
    assert_eq!((went_wrong(&log), emulator.live()), (Vec::<&Did>::new(), 0));
    let over = log.iter().filter(|did| **did == Did::TokenOver).count();
    assert!(over > 0 && emulator.tokens() > 2, "{over} refusals, {} tokens", emulator.tokens());
    // An order that is turned away is not sent again: its try was none.
    let (rung, report) = (rung(&log).len() as u64, report(&shop));
    let unsent = report["outcomes"]["no_connection"].as_u64().unwrap_or(0);
    assert_eq!((rung + unsent, &report["open"]), (24, &Value::from(0)), "{report}");
    assert!(unsent <= over as u64);
    heard(&emulator, &shop, 160);
}

#[test]
fn our_own_end_alone_proves_no_answer_where_the_callees_is_shown() {
    survives("early", Faults { early: true, ..Faults::default() }, "");
}

#[test]
fn questions_that_fail_are_asked_again() {
    survives("sick", Faults { sick_each: Some(4), ..Faults::default() }, "");
}

/// What was on its way when they broke is lost, and the words go on from where they are.
#[test]
fn streams_that_break_in_the_middle_of_a_word_are_opened_again() {
    let emulator = Emulator::start(TOKEN, Faults { cut_streams: Some('1'), ..Faults::default() });
    let shop = shop(&emulator, "[barge_in]\nenabled = false\n", 24);
    let ended = dial(&shop);
    assert!([0, 3].contains(&ended), "{ended}");
    let log = emulator.log();
    assert_eq!(went_wrong(&log), Vec::<&Did>::new());
    assert_eq!((rung(&log).len(), emulator.live()), (24, 0));
    let whole = super::greeting(&shop).len();
    let listened = emulator.ears().into_iter().filter(|(id, ear)| {
        ear.to.ends_with('1')
            && log.contains(&Did::Answered { id: *id })
            && ahoy::core::sim::callee::script(1, &ear.to).behaviour == ahoy::core::sim::callee::Behaviour::Listens
    });
    for (_, ear) in listened {
        assert!(ear.sound.len() + 8 * 500 > whole, "{} of {whole} samples were heard", ear.sound.len());
    }
}

#[test]
fn gaps_in_the_events_are_filled_by_looking() {
    // An end that is lost too, of a call that nobody answered, is a person's to find out: so no report is asked here.
    let emulator = Emulator::start(TOKEN, Faults { lose_each: Some(5), ..Faults::default() });
    let shop = shop(&emulator, "", 24);
    dial(&shop);
    let log = emulator.log();
    assert_eq!(went_wrong(&log), Vec::<&Did>::new());
    assert_eq!((rung(&log).len(), emulator.live()), (24, 0));
    assert_eq!(shop.status()["open"], 0);
    heard(&emulator, &shop, 160);
}
