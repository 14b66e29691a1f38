//! An agent whose voice changes in the call: when, what the other session is told, and what happens if there is none.

use super::agent::with_agent;
use super::*;
use crate::core::agent::{Line as Said, Speaker};

fn next(line: &mut Line, told: FromAgent) {
    line.event(Event::NextAgent(told));
}

/// The agent has the line and has said something for a second, which was heard to its end.
fn talking() -> Line {
    let mut line = Line::started_with(with_agent());
    line.agent(FromAgent::Ready);
    line.greeted();
    line.agent(FromAgent::Said { turn: "a".into(), text: "How can I help you?".to_owned() });
    line.agent_speaks("a", 1_000);
    line
}

fn resumed(line: &Line) -> Option<&Vec<Said>> {
    line.told.iter().find_map(|it| if let ToAgent::Resume(said) = it { Some(said) } else { None })
}

#[test]
fn the_voice_changes_in_a_gap_between_turns_and_never_in_a_phrase() {
    let mut line = talking();
    line.silence(200);
    next(&mut line, FromAgent::Ready);
    line.silence(800);
    assert_eq!(line.switched_at, None, "it speaks");
    line.silence(400);
    assert_eq!(line.switched_at, None, "its phrase may go on");
    // No mark has come back: its voice counts as sounding a little longer than it lasts.
    line.silence(1_000);
    let at = line.switched_at.expect("a gap");
    let said = resumed(&line).expect("it is told what was said");
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said.iter().all(|it| it.who == Speaker::Agent && !it.cut));
    assert!(said[1].text == "How can I help you?" && line.told[at] == ToAgent::Resume(said.clone()));
    // No second greeting, no request to begin: it waits for the person. Everything they say from here on is for it.
    let after = &line.told[at + 1..];
    assert!(after.iter().all(|it| matches!(it, ToAgent::Sound(_))), "{after:?}");
    line.word();
    assert!(line.told[at + 1..].iter().any(|it| matches!(it, ToAgent::TurnBegins { .. })));
    line.silence(1_500);
    line.agent_speaks("own-1", 500);
    assert_eq!(line.session.notes().switched_ms.map(|ms| ms > 4_000), Some(true));
    // Once: a third session is none of ours.
    next(&mut line, FromAgent::Ready);
    line.silence(3_000);
    assert_eq!(line.switched_at, Some(at));
}

#[test]
fn a_person_who_waits_for_an_answer_gets_it_from_the_one_who_heard_the_question() {
    let mut line = talking();
    line.silence(1_100);
    line.word();
    line.silence(300);
    next(&mut line, FromAgent::Ready);
    line.silence(1_500);
    assert_eq!(line.switched_at, None, "the first has heard the question");
    line.agent(FromAgent::Understood { text: "How much is it?".to_owned() });
    line.agent(FromAgent::Said { turn: "b".into(), text: "It is ten euros.".to_owned() });
    line.agent_speaks("b", 600);
    line.silence(2_000);
    assert!(line.switched_at.is_some());
    let said = resumed(&line).expect("told").iter().map(|it| (it.who, it.text.as_str())).collect::<Vec<_>>();
    assert_eq!(
        said[1..],
        [
            (Speaker::Agent, "How can I help you?"),
            (Speaker::Person, "How much is it?"),
            (Speaker::Agent, "It is ten euros.")
        ]
    );
}

#[test]
fn a_session_that_fails_changes_nothing_and_one_that_waits_stands_in_for_a_first_that_is_gone() {
    let mut line = talking();
    next(&mut line, FromAgent::Ready);
    next(&mut line, FromAgent::Gone { why: "its socket broke".to_owned() });
    line.silence(3_000);
    assert_eq!((line.switched_at, line.session.owner()), (None, Owner::Agent), "the first goes on");
    line.agent_speaks("b", 500);
    assert!(line.sent.len() > 4, "and is heard");

    let mut line = talking();
    line.silence(1_100);
    line.word();
    next(&mut line, FromAgent::Ready);
    line.agent(FromAgent::Gone { why: "gone".to_owned() });
    assert!(line.switched_at.is_some() && line.session.owner() == Owner::Agent, "nobody is apologised to");
    assert_eq!(line.told.last(), Some(&ToAgent::Begin), "what they said last was for the one that is gone");
}

#[test]
fn a_voice_that_is_there_before_the_agent_has_the_line_is_its_voice_from_the_beginning() {
    // While the greeting plays; the first session is not even ready.
    let mut line = Line::started_with(with_agent());
    line.silence(1_000);
    next(&mut line, FromAgent::Ready);
    assert_eq!(line.switched_at, Some(0));
    line.greeted();
    assert!(matches!(line.told[0], ToAgent::TakeOver { .. }) && resumed(&line).is_none());
    // While somebody waits.
    let mut line = Line::started_with(with_agent());
    line.greeted();
    line.silence(700);
    next(&mut line, FromAgent::Ready);
    assert!(line.switched_at == Some(0) && matches!(line.told[0], ToAgent::TakeOver { .. }));
}
