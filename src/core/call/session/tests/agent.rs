//! The hand-over: one owner of the first words, and an agent that knows what was heard.

use super::*;
use crate::core::agent::AgentPlan;

const TEXT: &str = "Hello, this is the harbour line. We have news about your booking.";

pub(super) fn with_agent() -> Arc<CallScript> {
    let mut greeting = PreparedClip::clone(&clip("greeting", 3_000));
    greeting.text = TEXT.to_owned();
    let plan = AgentPlan { wait: Duration::from_secs(4), silence: Duration::from_secs(6) };
    let (bridge, apology) = (Some(clip("bridge", 600)), Some(clip("apology", 800)));
    Arc::new(CallScript {
        greeting: Arc::new(greeting),
        agent: Some(plan),
        bridge,
        apology,
        ..CallScript::clone(&script())
    })
}

impl Line {
    pub(super) fn agent_speaks(&mut self, turn: &str, ms: usize) {
        self.agent(FromAgent::Sound { turn: turn.into(), ulaw: vec![0x20; ms * 8] });
    }

    /// The greeting is played to its end.
    pub(super) fn greeted(&mut self) {
        self.silence(3_020);
        self.mark(1, 3_000);
    }

    /// Milliseconds of the callee's sound that the agent was given.
    fn given_ms(&self) -> usize {
        let sounds =
            self.told.iter().filter_map(|it| if let ToAgent::Sound(ulaw) = it { Some(ulaw.len()) } else { None });
        sounds.sum::<usize>() / 8
    }

    fn cuts(&self) -> Vec<(String, u64)> {
        let cuts = self.told.iter().filter_map(|it| match it {
            ToAgent::Cut { turn, heard_ms } => Some((turn.to_string(), *heard_ms)),
            _ => None,
        });
        cuts.collect()
    }
}

#[test]
fn a_primed_agent_takes_the_line_when_the_greeting_is_over_and_is_mute_before() {
    let mut line = Line::started_with(with_agent());
    line.agent(FromAgent::Ready);
    line.silence(1_000);
    line.agent_speaks("early", 500);
    assert!(line.told.is_empty() && line.sent.is_empty(), "the greeting has the line");
    line.silence(2_020);
    line.mark(1, 3_000);
    assert_eq!(line.told[0], ToAgent::TakeOver { heard: TEXT.to_owned(), cut: false });
    assert_eq!(line.session.owner(), Owner::Agent);
    line.silence(200);
    assert_eq!(line.given_ms(), 200, "nothing of the greeting\u{2019}s time, all since");
    line.agent_speaks("a", 1_000);
    assert_eq!(line.sent.len(), 4, "two pieces, two marks: {:?}", line.sent.len());
    assert!(line.played.len() == 1, "no goodbye, no bridge");
}

#[test]
fn speech_that_cuts_the_greeting_is_the_agents_from_its_onset_and_the_agent_knows_how_much_was_heard() {
    let mut line = Line::started_with(with_agent());
    line.agent(FromAgent::Ready);
    line.silence(1_520);
    line.mark(1, 1_500);
    line.word();
    let ToAgent::TakeOver { heard, cut } = &line.told[0] else { panic!("{:?}", line.told.first()) };
    assert!(*cut && TEXT.starts_with(heard.as_str()) && heard.len() > 20 && heard.len() < TEXT.len(), "{heard}");
    assert!(TEXT[heard.len()..].starts_with(' '), "whole words: {heard}");
    let note = line.session.notes().barge_ins[0];
    let since_onset = line.session.media_ms() - note.speech_onset_media_ms;
    assert_eq!(line.given_ms() as u64, since_onset + 300, "the word from its onset, and the padding before it");
    let turns: Vec<bool> = line
        .told
        .iter()
        .filter_map(|it| match it {
            ToAgent::TurnBegins { .. } => Some(true),
            ToAgent::TurnEnds => Some(false),
            _ => None,
        })
        .collect();
    assert_eq!(turns, [true], "the word that cut it is one turn, and goes on");
}

#[test]
fn an_agent_that_is_late_is_bridged_and_gets_what_was_said_meanwhile() {
    let mut line = Line::started_with(with_agent());
    line.greeted();
    assert_eq!(line.played[1].1, "bridge", "at once");
    line.silence(700);
    line.mark(2, 600);
    line.word();
    line.silence(900);
    line.agent(FromAgent::Ready);
    assert_eq!(line.given_ms(), 2_600, "all since the greeting was over");
    let turn = [ToAgent::TurnBegins { back_ms: 2_600 }, ToAgent::TurnEnds];
    assert_eq!(line.told[2..], turn, "with the word in it");
    let handed = line.log.iter().find_map(|it| match it {
        What::HandOver { waited_ms, owed_ms, .. } => Some((*waited_ms, *owed_ms)),
        _ => None,
    });
    assert_eq!(handed, Some((2_600, 2_600)));
}

#[test]
fn a_carrier_that_drops_the_stream_in_the_agents_word_ends_it_and_nothing_is_said_any_more() {
    let mut line = Line::started_with(with_agent());
    line.agent(FromAgent::Ready);
    line.greeted();
    line.agent_speaks("a", 2_000);
    line.silence(500);
    let (sent, told) = (line.sent.len(), line.told.len());
    line.event(Event::Ended(EndCause::Lost));
    assert_eq!(line.cause(), Some(EndCause::Lost));
    line.agent_speaks("a", 2_000);
    line.agent(FromAgent::Whole { turn: "a".into() });
    line.agent(FromAgent::Hangs);
    assert_eq!((line.sent.len(), line.told.len()), (sent, told), "neither the carrier nor the agent gets another word");
    assert_eq!(line.cause(), Some(EndCause::Lost), "the first cause stays");
    assert_eq!(line.log.iter().filter(|it| matches!(it, What::End { .. })).count(), 1);
}

#[test]
fn a_call_that_ends_during_the_hand_over_gives_the_line_to_nobody() {
    // While the agent is waited for, behind the bridge.
    let mut line = Line::started_with(with_agent());
    line.greeted();
    line.silence(300);
    let played = line.played.len();
    line.event(Event::Ended(EndCause::HungUp));
    line.agent(FromAgent::Ready);
    line.agent_speaks("a", 1_000);
    assert!(line.told.is_empty() && line.sent.is_empty(), "{:?}", line.told);
    assert_eq!((line.cause(), line.played.len()), (Some(EndCause::HungUp), played), "no apology either");
    assert!(!line.log.iter().any(|it| matches!(it, What::HandOver { .. })));
    // In the very message that hands over: told, and then nothing more.
    let mut line = Line::started_with(with_agent());
    line.agent(FromAgent::Ready);
    line.greeted();
    let told = line.told.len();
    line.event(Event::Ended(EndCause::HungUp));
    line.agent_speaks("a", 1_000);
    assert_eq!((line.told.len(), line.sent.len(), line.cause()), (told, 0, Some(EndCause::HungUp)));
}

#[test]
fn an_agent_that_never_comes_or_dies_ends_in_an_apology() {
    let mut line = Line::started_with(with_agent());
    line.greeted();
    line.silence(4_100);
    assert_eq!(line.played.last().map(|it| it.1.as_str()), Some("apology"));
    line.silence(800);
    line.mark(3, 800);
    assert_eq!(line.cause(), Some(EndCause::NoAgent));

    let mut line = Line::started_with(with_agent());
    line.agent(FromAgent::Gone { why: "refused".to_owned() });
    line.greeted();
    assert_eq!(line.played.last().map(|it| it.1.as_str()), Some("apology"), "without a bridge to nowhere");

    let mut line = Line::started_with(with_agent());
    line.agent(FromAgent::Ready);
    line.greeted();
    line.agent_speaks("a", 2_000);
    line.silence(500);
    line.agent(FromAgent::Gone { why: "it closed with 1011".to_owned() });
    assert_eq!((line.clears, line.played.last().map(|it| it.1.as_str())), (1, Some("apology")));
}

#[test]
fn speech_over_the_agent_stops_it_and_it_is_told_what_was_heard_by_the_marks() {
    let mut line = Line::started_with(with_agent());
    line.agent(FromAgent::Ready);
    line.greeted();
    line.agent_speaks("a", 3_000);
    line.agent(FromAgent::Whole { turn: "a".into() });
    line.silence(1_040);
    line.mark(2, 500);
    line.mark(2, 1_000);
    line.word();
    assert_eq!(line.clears, 1);
    let note = *line.session.notes().barge_ins.last().expect("a barge-in");
    let [(turn, heard_ms)] = &line.cuts()[..] else { panic!("{:?}", line.cuts()) };
    let expected = 1_000 + note.clear_media_ms - 4_060;
    assert_eq!((turn.as_str(), *heard_ms), ("a", expected), "the last mark and the time since");
    // What the provider still sends of it is not heard.
    let sent = line.sent.len();
    line.agent_speaks("a", 500);
    assert_eq!(line.sent.len(), sent);
    line.silence(900);
    line.agent(FromAgent::TurnOver);
    assert_eq!(line.told.last(), Some(&ToAgent::Answer));
    line.agent_speaks("b", 500);
    assert!(line.sent.len() > sent, "the next turn is");
}

#[test]
fn a_word_that_does_not_stop_the_agent_is_not_answered() {
    let mut line = Line::started_with(with_agent());
    line.agent(FromAgent::Ready);
    line.greeted();
    line.agent_speaks("a", 3_000);
    line.silence(500);
    line.agent(FromAgent::TurnOver);
    assert!(!line.told.contains(&ToAgent::Answer) && line.log.contains(&What::PassedOver));
}

#[test]
fn a_protected_beginning_cannot_be_stopped() {
    let script = with_agent();
    let barge_in = BargeIn { protect: Duration::from_secs(10), ..script.barge_in };
    let mut line = Line::started_with(Arc::new(CallScript { barge_in, ..CallScript::clone(&script) }));
    line.silence(520);
    line.word();
    assert_eq!(line.clears, 0);
}

#[test]
fn the_agent_hangs_up_after_its_last_word_and_silence_ends_in_a_goodbye() {
    let mut line = Line::started_with(with_agent());
    line.agent(FromAgent::Ready);
    line.greeted();
    line.agent_speaks("a", 1_000);
    line.agent(FromAgent::Hangs);
    line.agent(FromAgent::Whole { turn: "a".into() });
    line.silence(600);
    assert!(!line.closed, "its last word is still being heard");
    line.silence(500);
    line.mark(2, 1_000);
    assert_eq!(line.cause(), Some(EndCause::Finished));

    let mut line = Line::started_with(with_agent());
    line.agent(FromAgent::Ready);
    line.greeted();
    line.silence(6_100);
    assert_eq!(line.played.last().map(|it| it.1.as_str()), Some("goodbye"));
}

#[test]
fn an_agent_that_stops_by_its_own_ear_empties_the_carriers_queue_and_is_not_told_again() {
    let mut line = Line::started_with(with_agent());
    line.agent(FromAgent::Ready);
    line.greeted();
    line.agent_speaks("a", 3_000);
    line.silence(200);
    line.agent(FromAgent::Interrupted);
    line.agent_speaks("a", 500);
    assert_eq!((line.clears, line.cuts().len()), (1, 0));
    assert!(!line.session.agent_is_ahead());
    for turn in 0..30 {
        line.agent_speaks(&format!("flood-{turn}"), 10_000);
    }
    assert!(line.session.agent_is_ahead(), "no more is read until some was played");
}

#[test]
fn the_opt_out_key_silences_the_agent() {
    let mut line = Line::started_with(with_agent());
    line.agent(FromAgent::Ready);
    line.greeted();
    line.agent_speaks("a", 3_000);
    line.silence(200);
    line.say(media::Event::Dtmf('9'));
    assert_eq!((line.clears, line.opt_outs, line.cuts().len()), (1, 1, 1));
    let sent = line.sent.len();
    line.agent_speaks("b", 500);
    assert_eq!(line.sent.len(), sent, "nobody speaks but us");
    line.event(Event::OptOutStored);
    assert_eq!(line.played.last().map(|it| it.1.as_str()), Some("opt-out-confirmed"));
}

#[test]
fn a_callee_who_wants_a_person_is_connected_and_one_who_cannot_be_hears_an_apology() {
    let script = with_agent();
    let keys = Keys { transfer: Some('5'), repeat: Some('1'), ..script.keys };
    let script = Arc::new(CallScript { transfers: true, keys, ..CallScript::clone(&script) });
    // By key, in the greeting.
    let mut line = Line::started_with(script.clone());
    line.silence(1_000);
    line.say(media::Event::Dtmf('1'));
    assert_eq!((line.clears, line.played.len()), (1, 2), "the greeting once more");
    line.say(media::Event::Dtmf('5'));
    line.say(media::Event::Dtmf('5'));
    assert_eq!((line.transfers, line.played.last().map(|it| it.1.as_str())), (1, Some("bridge")));
    line.event(Event::Transferred(true));
    line.silence(8_000);
    assert!(!line.closed, "the carrier ends the stream");
    line.say(media::Event::Stop);
    assert_eq!(line.cause(), Some(EndCause::Transferred));
    // By the agent; the carrier cannot.
    let mut line = Line::started_with(script);
    line.agent(FromAgent::Ready);
    line.greeted();
    line.agent_speaks("a", 2_000);
    line.agent(FromAgent::Transfers);
    line.agent_speaks("a", 500);
    line.event(Event::Transferred(false));
    assert_eq!(line.played.last().map(|it| it.1.as_str()), Some("apology"));
    // Nobody is named: the agent's wish is nothing.
    let mut line = Line::started_with(with_agent());
    line.agent(FromAgent::Ready);
    line.greeted();
    line.agent(FromAgent::Transfers);
    assert_eq!((line.transfers, line.session.owner()), (0, Owner::Agent));
}

#[test]
fn a_call_that_ends_during_the_hand_over_or_in_mid_word_ends_at_once_and_asks_for_no_answer() {
    // While the agent is waited for.
    let mut line = Line::started_with(with_agent());
    line.greeted();
    line.silence(300);
    line.say(media::Event::Stop);
    assert!(line.closed && line.told.is_empty());
    assert_eq!(line.cause(), Some(EndCause::HungUp));
    // The socket breaks while the callee speaks to the agent.
    let mut line = Line::started_with(with_agent());
    line.agent(FromAgent::Ready);
    line.greeted();
    line.word();
    assert!(line.told.iter().any(|it| matches!(it, ToAgent::TurnBegins { .. })));
    line.event(Event::Ended(EndCause::Lost));
    assert!(line.closed && !line.told.contains(&ToAgent::TurnEnds), "nobody would hear the answer");
    let before = line.told.len();
    line.event(Event::Agent(FromAgent::TurnOver));
    assert_eq!(line.told.len(), before);
}

#[test]
fn what_was_said_while_the_agent_was_waited_for_is_answered_though_the_bridge_still_sounds() {
    let mut line = Line::started_with(with_agent());
    line.greeted();
    line.silence(200);
    line.agent(FromAgent::Ready);
    line.agent(FromAgent::TurnOver);
    assert_eq!(line.told.last(), Some(&ToAgent::Answer));
    line.agent_speaks("a", 500);
    line.agent(FromAgent::TurnOver);
    assert!(line.log.contains(&What::PassedOver), "its own voice waits behind the bridge");
}

#[test]
fn an_agent_that_never_marks_the_end_of_its_words_can_hang_up_too() {
    let mut line = Line::started_with(with_agent());
    line.agent(FromAgent::Ready);
    line.greeted();
    line.agent_speaks("a", 1_200);
    line.agent(FromAgent::Hangs);
    line.silence(1_300);
    assert!(!line.closed && !line.sent.contains(&Piece::Mark(2, 9_600)), "its last word may go on");
    line.silence(200);
    assert!(line.sent.contains(&Piece::Mark(2, 9_600)), "it has run dry: that was the end");
    line.mark(2, 1_200);
    assert_eq!(line.cause(), Some(EndCause::Finished));
}
