//! A desk: the menu, keys at every moment, the wait for a voice, and messages. What would a caller be stuck in?

use super::*;
use crate::core::agent::AgentPlan;
use crate::core::call::{DeskScript, MessageScript};
use crate::core::config::{Failing, MenuPlan, MessagePlan, NoKey, SpeaksFirst};

fn desk() -> DeskScript {
    let secs = Duration::from_secs;
    let plan = MenuPlan { go_on: '1', message: Some('2'), wait: secs(5), again: 1, no_key: NoKey::GoOn };
    DeskScript {
        closed: false,
        speaks_first: SpeaksFirst::We,
        menu: Some((plan, clip("menu", 2_000))),
        clone: true,
        wait: secs(30),
        comfort: secs(8),
        comforting: Some(clip("still-preparing", 1_000)),
        failing: Failing::OwnVoice,
        promise: None,
    }
}

fn message() -> MessageScript {
    let secs = Duration::from_secs;
    MessageScript {
        plan: MessagePlan { most: secs(20), silence: secs(3) },
        ask: clip("leave-message", 1_500),
        taken: clip("message-taken", 800),
    }
}

fn script_of(change: impl FnOnce(&mut DeskScript)) -> Arc<CallScript> {
    let mut desk = desk();
    change(&mut desk);
    let plan = AgentPlan { wait: Duration::from_secs(4), silence: Duration::from_secs(20) };
    Arc::new(CallScript {
        agent: Some(plan),
        bridge: Some(clip("bridge", 600)),
        apology: Some(clip("apology", 800)),
        desk: Some(desk),
        message: Some(message()),
        max_call: Duration::from_secs(300),
        ..CallScript::clone(&script())
    })
}

impl Line {
    fn keys_played(&self) -> Vec<&str> {
        self.played.iter().map(|(_, key, _)| key.as_str()).collect()
    }

    /// Greeting and menu are said.
    fn at_the_menu(script: Arc<CallScript>) -> Line {
        let mut line = Line::started_with(script);
        line.hear_out(3_000);
        assert_eq!(line.last(), "menu");
        line.hear_out(2_000);
        line
    }
}

#[test]
fn key_1_waits_for_the_voice_comforted_and_the_agent_speaks_first() {
    let mut line = Line::at_the_menu(script_of(|_| {}));
    line.silence(1_000);
    line.key('1');
    assert_eq!(line.last(), "bridge");
    line.hear_out(600);
    line.silence(7_400);
    assert_eq!(line.last(), "still-preparing");
    line.hear_out(1_000);
    line.silence(8_000);
    assert_eq!(line.keys_played().iter().filter(|key| **key == "still-preparing").count(), 2);
    assert!(line.told.is_empty());
    line.event(Event::Agent(FromAgent::Ready));
    assert!(matches!(line.told[0], ToAgent::TakeOver { .. }), "{:?}", line.told);
    assert!(line.told.contains(&ToAgent::Begin), "they asked for it and wait: {:?}", line.told);
    let notes = line.session.notes();
    assert!((3_000..3_200).contains(&notes.menu_ms.expect("a key")), "{:?}", notes.menu_ms);
    assert!((17_000..18_500).contains(&notes.waited_ms.expect("waited")), "{:?}", notes.waited_ms);
}

#[test]
fn a_voice_that_never_comes_is_given_up_for_the_agents_own_and_then_for_a_message() {
    let mut line = Line::at_the_menu(script_of(|_| {}));
    line.key('1');
    line.silence(29_900);
    assert_eq!(line.own_voices, 0);
    line.silence(200);
    assert_eq!(line.own_voices, 1);
    // No agent either: a message is taken.
    line.silence(4_000);
    assert_eq!(line.last(), "leave-message");
    let mut line = Line::at_the_menu(script_of(|desk| desk.failing = Failing::Message));
    line.key('1');
    line.silence(30_100);
    assert_eq!((line.own_voices, line.last()), (0, "leave-message"));
    let takes_none = script_of(|desk| desk.failing = Failing::Message);
    let mut line = Line::at_the_menu(Arc::new(CallScript { message: None, ..CallScript::clone(&takes_none) }));
    line.key('1');
    line.silence(30_100);
    assert_eq!(line.last(), "apology", "nobody is left in silence");
}

#[test]
fn a_key_during_the_greeting_counts_a_second_one_changes_nothing_and_an_unknown_one_is_ignored() {
    let mut line = Line::started_with(script_of(|_| {}));
    line.silence(1_000);
    line.key('5');
    assert_eq!(line.clears, 0);
    line.key('1');
    assert_eq!((line.clears, line.last()), (1, "bridge"));
    line.key('1');
    line.key('1');
    assert_eq!(line.keys_played(), ["greeting", "bridge"]);
    // Whoever has waited long enough may leave a message after all.
    line.silence(2_000);
    line.key('2');
    assert_eq!(line.last(), "leave-message");
}

#[test]
fn nobody_who_presses_nothing_is_stuck() {
    let mut line = Line::at_the_menu(script_of(|_| {}));
    line.silence(5_000);
    assert_eq!(line.keys_played(), ["greeting", "menu", "menu"]);
    line.hear_out(2_000);
    line.silence(5_000);
    assert_eq!(line.last(), "bridge", "as after key 1");
    for (no_key, then) in [(NoKey::Message, "leave-message"), (NoKey::Goodbye, "goodbye")] {
        let mut line = Line::at_the_menu(script_of(|desk| {
            let plan = &mut desk.menu.as_mut().expect("a menu").0;
            (plan.no_key, plan.again) = (no_key, 0);
        }));
        line.silence(5_100);
        assert_eq!(line.last(), then);
    }
    // Somebody who speaks instead of pressing is not talked over.
    let mut line = Line::at_the_menu(script_of(|_| {}));
    line.silence(4_400);
    line.word();
    assert_eq!(line.keys_played(), ["greeting", "menu"]);
}

#[test]
fn a_message_ends_by_silence_by_a_key_by_its_longest_time_or_by_hanging_up() {
    let begun = || {
        let mut line = Line::at_the_menu(script_of(|_| {}));
        line.key('2');
        line.hear_out(1_500);
        let from = line.session.media_ms();
        (line, from)
    };
    let (mut line, from) = begun();
    line.silence(400);
    line.word();
    line.silence(3_900);
    assert_eq!(line.last(), "message-taken");
    let (begin, end) = line.session.notes().message.expect("a message");
    assert!(begin.abs_diff(from) <= 40 && end - begin >= 3_000, "{begin} {end} {from}");
    line.hear_out(800);
    assert_eq!(line.cause(), Some(EndCause::Finished));

    let (mut line, _) = begun();
    line.word();
    line.key('#');
    assert_eq!(line.last(), "message-taken");

    let (mut line, _) = begun();
    for _ in 0..21 {
        line.word();
    }
    assert_eq!(line.last(), "message-taken", "two minutes are no bound of theirs");

    let (mut line, _) = begun();
    line.word();
    line.say(media::Event::Stop);
    assert!(line.session.notes().message.is_some(), "what was said is kept");
    assert_eq!(line.cause(), Some(EndCause::HungUp));

    // Nothing was said: no message, and nobody is thanked for one.
    let (mut line, _) = begun();
    line.silence(6_100);
    assert_eq!((line.last(), line.session.notes().message), ("goodbye", None));
}

#[test]
fn a_wish_never_to_be_called_is_taken_at_every_step() {
    for step in 0..4 {
        let mut line = match step {
            0 => Line::started_with(script_of(|_| {})),
            _ => Line::at_the_menu(script_of(|_| {})),
        };
        match step {
            2 => line.key('1'),
            3 => {
                line.key('2');
                line.hear_out(1_500);
                line.word();
            }
            _ => {}
        }
        line.key('9');
        assert_eq!(line.opt_outs, 1, "step {step}");
        line.event(Event::OptOutStored);
        assert_eq!(line.last(), "opt-out-confirmed", "step {step}");
        assert_eq!(line.session.notes().message.is_some(), step == 3);
    }
}

#[test]
fn a_closed_desk_says_so_and_ends_and_one_that_listens_first_answers_a_hello() {
    let mut line = Line::started_with(script_of(|desk| desk.closed = true));
    line.hear_out(3_000);
    assert_eq!((line.cause(), line.keys_played()), (Some(EndCause::Finished), vec!["greeting"]));
    let mut line = Line::started_with(script_of(|desk| desk.speaks_first = SpeaksFirst::They));
    line.silence(300);
    assert!(line.played.is_empty());
    line.silence(800);
    assert_eq!(line.last(), "greeting", "whoever says nothing is greeted after a second");
}

#[test]
fn an_agent_that_is_gone_while_somebody_waits_leaves_a_message_to_be_taken() {
    let mut line = Line::at_the_menu(script_of(|_| {}));
    line.event(Event::Agent(FromAgent::Gone { why: "no slot".to_owned() }));
    line.key('1');
    assert_eq!(line.last(), "leave-message");
    let mut line = Line::at_the_menu(script_of(|_| {}));
    line.key('1');
    line.event(Event::Agent(FromAgent::Gone { why: "no slot".to_owned() }));
    assert_eq!(line.last(), "leave-message");
}

#[test]
fn who_asks_before_the_voice_is_there_is_promised_a_call_when_the_wish_is_durable() {
    let promising = || script_of(|desk| desk.promise = Some(clip("call-back-soon", 900)));
    let mut line = Line::at_the_menu(promising());
    line.key('1');
    assert_eq!((line.promises, line.last()), (1, "menu"), "nothing is promised yet");
    line.key('1');
    line.key('2');
    assert_eq!((line.promises, line.last()), (1, "menu"), "a second key changes nothing");
    // The voice comes in this moment: what was begun is done, they are not given to an agent and called as well.
    line.event(Event::Agent(FromAgent::Ready));
    line.event(Event::Promised(true));
    assert_eq!(line.last(), "call-back-soon");
    line.hear_out(900);
    assert_eq!(line.cause(), Some(EndCause::Finished));
    assert!(line.session.notes().call_back && line.told.is_empty());

    // In the greeting as well; and who hangs up before the answer is simply gone.
    let mut line = Line::started_with(promising());
    line.silence(500);
    line.key('1');
    assert_eq!((line.clears, line.promises), (1, 1));
    line.say(media::Event::Stop);
    assert_eq!(line.cause(), Some(EndCause::HungUp));

    // May not be called, or it could not be written down in time: they wait here.
    for late in [false, true] {
        let mut line = Line::at_the_menu(promising());
        line.key('1');
        if late {
            line.now = line.session.next_timeout().expect("it is waited for");
            line.event(Event::Tick);
        } else {
            line.event(Event::Promised(false));
        }
        assert_eq!(line.last(), "bridge");
        line.event(Event::Promised(true));
        assert_eq!(line.last(), "bridge", "too late");
        line.event(Event::Agent(FromAgent::Ready));
        assert!(line.told.contains(&ToAgent::Begin), "{:?}", line.told);
    }

    // The voice is there: nobody is called back for what can be had now. Nor is who pressed nothing.
    let mut line = Line::at_the_menu(promising());
    line.event(Event::Agent(FromAgent::Ready));
    line.key('1');
    assert!(line.promises == 0 && matches!(line.told[0], ToAgent::TakeOver { .. }));
    let mut line = Line::at_the_menu(promising());
    line.silence(5_000);
    line.hear_out(2_000);
    line.silence(5_000);
    assert_eq!((line.promises, line.last()), (0, "bridge"));

    // A wish never to be called, while we store the one to be called.
    let mut line = Line::at_the_menu(promising());
    line.key('1');
    line.key('9');
    assert_eq!(line.opt_outs, 1);
    line.event(Event::Promised(true));
    line.event(Event::OptOutStored);
    assert_eq!(line.last(), "opt-out-confirmed");
}

#[test]
fn a_caller_may_hang_up_at_every_step_and_nothing_happens_after_it() {
    let promising = || script_of(|desk| desk.promise = Some(clip("call-back-soon", 900)));
    let they_first = || script_of(|desk| desk.speaks_first = SpeaksFirst::They);
    type Step = (&'static str, Box<dyn Fn() -> Line>);
    let at_menu = |keys: &'static str| {
        move || {
            let mut line = Line::at_the_menu(script_of(|_| {}));
            keys.chars().for_each(|key| line.key(key));
            line
        }
    };
    let steps: Vec<Step> = vec![
        ("before they said hello", Box::new(move || Line::started_with(they_first()))),
        ("in the greeting", Box::new(|| Line::started_with(script_of(|_| {})))),
        (
            "in the menu",
            Box::new(|| {
                let mut line = Line::started_with(script_of(|_| {}));
                line.hear_out(3_000);
                line
            }),
        ),
        ("before a key", Box::new(at_menu(""))),
        ("while the voice is made", Box::new(at_menu("1"))),
        (
            "comforted",
            Box::new(move || {
                let mut line = at_menu("1")();
                line.hear_out(600);
                line.silence(7_600);
                line
            }),
        ),
        (
            "behind the limit",
            Box::new(move || {
                let mut line = at_menu("1")();
                line.silence(30_100);
                line
            }),
        ),
        ("asked for a message", Box::new(at_menu("2"))),
        (
            "behind the tone",
            Box::new(move || {
                let mut line = at_menu("2")();
                line.hear_out(1_500);
                line
            }),
        ),
        (
            "thanked",
            Box::new(move || {
                let mut line = at_menu("2")();
                line.hear_out(1_500);
                line.word();
                line.key('#');
                line
            }),
        ),
        (
            "with the agent",
            Box::new(move || {
                let mut line = at_menu("1")();
                line.event(Event::Agent(FromAgent::Ready));
                line
            }),
        ),
        (
            "while their wish is written down",
            Box::new(move || {
                let mut line = Line::at_the_menu(promising());
                line.key('1');
                line
            }),
        ),
        ("in the opt-out", Box::new(at_menu("9"))),
    ];
    for (step, at) in steps {
        let mut line = at();
        assert_eq!(line.cause(), None, "{step}");
        let promised = line.promises;
        line.say(media::Event::Stop);
        assert!(line.cause() == Some(EndCause::HungUp) && line.closed, "{step}: {:?}", line.cause());
        let (played, told, sent) = (line.played.len(), line.told.len(), line.sent.len());
        for late in [
            Event::Agent(FromAgent::Ready),
            Event::NextAgent(FromAgent::Ready),
            Event::Promised(true),
            Event::OptOutStored,
            Event::Tick,
        ] {
            line.event(late);
        }
        line.key('1');
        line.silence(500);
        assert_eq!((line.played.len(), line.told.len(), line.sent.len()), (played, told, sent), "{step}");
        assert_eq!((line.promises, line.session.next_timeout()), (promised, None), "{step}");
        assert_eq!(line.cause(), Some(EndCause::HungUp), "{step}: the first cause stays");
    }
}
