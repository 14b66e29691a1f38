//! A callee's keys: a call another time, a message. What would become of a wish?

use super::*;
use crate::core::agent::AgentPlan;
use crate::core::call::MessageScript;
use crate::core::config::MessagePlan;

fn script_with_keys() -> Arc<CallScript> {
    let secs = Duration::from_secs;
    Arc::new(CallScript {
        keys: Keys {
            opt_out: Some('9'),
            callback: Some('2'),
            message: Some('3'),
            transfer: Some('4'),
            ..Keys::default()
        },
        agent: Some(AgentPlan { wait: secs(4), silence: secs(20) }),
        bridge: Some(clip("bridge", 600)),
        apology: Some(clip("apology", 800)),
        call_back: Some(clip("call-back", 1_000)),
        message: Some(MessageScript {
            plan: MessagePlan { most: secs(20), silence: secs(3) },
            ask: clip("leave-message", 1_500),
            taken: clip("message-taken", 800),
        }),
        transfers: true,
        ..CallScript::clone(&script())
    })
}

fn notes(line: &Line) -> Notes {
    line.session.notes()
}

#[test]
fn a_wish_for_another_time_is_promised_and_the_line_is_free() {
    let mut line = Line::started_with(script_with_keys());
    line.silence(1_000);
    line.key('2');
    assert_eq!((line.clears, line.last()), (1, "call-back"));
    assert!(notes(&line).call_back);
    assert!(line.log.contains(&What::CallBack));
    line.hear_out(1_000);
    assert!(line.closed);
    assert_eq!(notes(&line).cause, Some(EndCause::Finished));
}

#[test]
fn a_wish_for_another_time_stands_under_an_agent_and_yields_to_never_again() {
    let mut line = Line::started_with(script_with_keys());
    line.agent(FromAgent::Ready);
    line.hear_out(3_000);
    assert_eq!(line.session.owner(), Owner::Agent);
    line.key('2');
    assert_eq!(line.last(), "call-back");
    line.key('9');
    assert!(notes(&line).opted_out, "the later wish is the stronger one: the ledger takes it first");
    assert_eq!(line.opt_outs, 1);
    let mut line = Line::started_with(script_with_keys());
    line.key('9');
    line.key('2');
    assert!(!notes(&line).call_back, "never again means also not another time");
}

#[test]
fn without_such_a_key_nothing_is_promised() {
    let mut line = Line::started();
    line.key('2');
    line.key('3');
    assert_eq!((notes(&line).call_back, line.clears, line.played.len()), (false, 0, 1));
}

#[test]
fn a_message_is_taken_by_key_and_any_key_ends_it() {
    let mut line = Line::started_with(script_with_keys());
    line.silence(500);
    line.key('3');
    assert_eq!(line.last(), "leave-message");
    line.hear_out(1_500);
    line.word();
    // A key that means something elsewhere ends it like any other.
    line.key('2');
    assert_eq!((line.last(), notes(&line).call_back), ("message-taken", false));
    line.hear_out(800);
    assert!(line.closed);
    let (from, to) = notes(&line).message.expect("it was kept");
    assert!(to > from, "{from} to {to}");
}

#[test]
fn who_cannot_be_helped_may_leave_a_message() {
    // The agent never comes.
    let mut line = Line::started_with(script_with_keys());
    line.hear_out(3_000);
    assert_eq!(line.last(), "bridge");
    line.hear_out(600);
    line.silence(4_000);
    assert_eq!(line.last(), "leave-message");
    // It goes away.
    let mut line = Line::started_with(script_with_keys());
    line.agent(FromAgent::Ready);
    line.hear_out(3_000);
    line.agent(FromAgent::Gone { why: "closed".to_owned() });
    assert_eq!(line.last(), "leave-message");
    // The carrier does not connect them with anybody.
    let mut line = Line::started_with(script_with_keys());
    line.key('4');
    assert_eq!(line.transfers, 1);
    line.event(Event::Transferred(false));
    assert_eq!(line.last(), "leave-message");
}
