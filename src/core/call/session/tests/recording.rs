//! The carrier's recording: only after what tells of it was played.

use super::*;
use crate::core::config::Recording;

fn recorded() -> Arc<CallScript> {
    Arc::new(CallScript { recording: Recording::Both, ..CallScript::clone(&script()) })
}

#[test]
fn it_begins_when_the_carrier_says_that_the_greeting_was_played_to_its_end() {
    let mut line = Line::started_with(recorded());
    line.silence(3_020);
    assert!(line.recorded.is_empty(), "its time is over, but nobody has said that it was played");
    line.mark(1, 3_000);
    assert_eq!(line.recorded, [3_020]);
    line.silence(3_000);
    assert_eq!(line.recorded.len(), 1, "once");
}

#[test]
fn no_notice_no_recording() {
    // Cut by speech.
    let mut line = Line::started_with(recorded());
    line.silence(520);
    line.mark(1, 500);
    line.word();
    assert_eq!(line.clears, 1);
    line.mark(1, 3_000);
    line.silence(9_000);
    assert!(line.recorded.is_empty(), "the mark came back because of `clear`");
    // Played as far as time tells, without the carrier's word.
    let mut line = Line::started_with(recorded());
    line.silence(12_000);
    assert!(line.recorded.is_empty());
    // Not asked for.
    let mut line = Line::started();
    line.silence(3_020);
    line.mark(1, 3_000);
    assert!(line.recorded.is_empty());
}
