//! What a machine at the other end makes of an outcome.

use super::*;
use crate::core::call::Answerer;

#[test]
fn a_machine_comes_back_unless_our_message_stands_there_or_a_key_was_pressed() {
    let voicemail = CallNote { answerer: Some(Answerer::Voicemail), ..CallNote::default() };
    let left = CallNote { message_left: true, ..voicemail.clone() };
    let keys = CallNote { keys: Some("5".to_owned()), ..CallNote::default() };
    let back = LeadState::Ready(Wall(NOW.0 + 240 * MINUTE));
    for (notes, wanted) in [
        (vec![&voicemail], back),
        (vec![&left], LeadState::Done(Outcome::MessageLeft)),
        (vec![&voicemail, &left], LeadState::Done(Outcome::MessageLeft)),
        (vec![&voicemail, &keys], LeadState::Done(Outcome::Answered)),
        (vec![&keys, &voicemail], LeadState::Done(Outcome::Answered)),
    ] {
        let (_dir, mut ledger, lead, attempt) = claimed();
        fold(&mut ledger, attempt, CallStatus::Completed);
        for note in &notes {
            ledger.call_note(attempt, note, NOW).expect("noted");
        }
        assert_eq!(state_of(&ledger, lead.id), wanted, "{notes:?}");
    }
}
