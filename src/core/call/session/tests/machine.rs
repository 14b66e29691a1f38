//! Machines on the line: their words, their beeps, and ours after them.

use super::*;
use crate::core::sound::g711::{self, encode_ulaw};

const VOICEMAIL: &[u8] = include_bytes!("../../../sim/clips/voicemail.ulaw");

const HELLO: &[u8] = include_bytes!("../../../sim/clips/hello.ulaw");

fn on_machine(message: Option<usize>) -> Arc<CallScript> {
    let message = message.map(|ms| clip("voicemail", ms));
    let machines = MachinePlan { speech: Some(Duration::from_millis(3_000)), message, ..MachinePlan::default() };
    Arc::new(CallScript { machines, ..CallScript::clone(&script()) })
}

fn tone(hertz: f32, ms: usize) -> Vec<u8> {
    let at = |n: usize| ((std::f32::consts::TAU * hertz * n as f32 / 8_000.0).sin() * 4_000.0) as i16;
    encode_ulaw(&(0..ms * 8).map(at).collect::<Vec<_>>())
}

fn beep() -> Vec<u8> {
    tone(1_000.0, 400)
}

impl Line {
    fn hear(&mut self, ulaw: &[u8]) {
        for frame in ulaw.chunks(160) {
            if self.closed {
                return;
            }
            let at = self.session.media_ms();
            let mut whole = [0xff; 160];
            whole[..frame.len()].copy_from_slice(frame);
            self.frame(&whole, 100 + at);
        }
    }

    fn who(&self) -> Vec<Answerer> {
        self.log.iter().filter_map(|it| if let What::Answerer { who } = it { Some(*who) } else { None }).collect()
    }
}

#[test]
fn a_voicemail_is_hung_up_on_when_it_is_known_to_be_one() {
    let mut line = Line::started_with(on_machine(None));
    line.silence(400);
    line.hear(VOICEMAIL);
    line.silence(300);
    line.hear(&beep());
    line.silence(200);
    assert!(line.closed);
    assert_eq!(line.cause(), Some(EndCause::Machine));
    assert_eq!(line.who(), [Answerer::Voicemail]);
    assert!(!line.session.notes().message_left);
}

/// On a line that gives our greeting back for as long as a machine would speak, nobody has spoken.
#[test]
fn our_own_greeting_given_back_is_no_machine() {
    let ours = VOICEMAIL.repeat(2);
    let greeting = Arc::new(PreparedClip::of("greeting", ours.clone().into()));
    let mut line = Line::started_with(Arc::new(CallScript { greeting, ..CallScript::clone(&on_machine(None)) }));
    let theirs: Vec<i16> = std::iter::repeat_n(0, 960).chain(g711::decode_ulaw(&ours)).map(|it| it / 6).collect();
    line.hear(&encode_ulaw(&theirs[..5 * 8_000]));
    assert!(!line.closed && line.who().is_empty(), "{:?} {:?}", line.cause(), line.who());
    assert_eq!(line.clears, 0, "nor does it stop us");
    assert!(line.log.iter().any(|it| matches!(it, What::Echo { .. })), "it is known for what it is");
    // And who speaks after it is heard as who they are.
    line.silence(6_000);
    line.hear(HELLO);
    line.silence(2_000);
    assert_ne!(line.who().last(), Some(&Answerer::Voicemail));
    let longest = line.session.notes().speech_segments.iter().map(|(from, to)| to - from).max();
    assert!(longest > Some(3_000), "without that it would be one: {longest:?}");
}

#[test]
fn the_message_begins_after_the_beep_and_counts_only_when_it_was_played_to_its_end() {
    let mut line = Line::started_with(on_machine(Some(2_000)));
    line.silence(400);
    line.hear(VOICEMAIL);
    line.silence(300);
    line.hear(&beep());
    let beep_over = line.session.media_ms();
    line.silence(60);
    let (serial, key, at) = line.played.last().cloned().expect("played");
    assert_eq!(key, "voicemail");
    assert!(at >= beep_over && at <= beep_over + 40, "{at} after {beep_over}");
    line.silence(2_000);
    assert!(!line.session.notes().message_left, "no mark has come back yet");
    line.mark(serial, 2_000);
    line.silence(40);
    assert!(line.closed);
    let notes = line.session.notes();
    assert!(notes.message_left);
    assert_eq!((notes.answerer, notes.cause), (Some(Answerer::Voicemail), Some(EndCause::Machine)));

    let mut line = Line::started_with(on_machine(Some(2_000)));
    line.silence(400);
    line.hear(VOICEMAIL);
    line.hear(&beep());
    line.silence(1_000);
    line.say(media::Event::Stop);
    let notes = line.session.notes();
    assert!(!notes.message_left, "the machine hung up in the middle of it");
    assert_eq!(notes.answerer, Some(Answerer::Voicemail));
}

#[test]
fn a_machine_that_pauses_and_goes_on_hears_the_message_anew_after_its_beep() {
    let mut line = Line::started_with(on_machine(Some(4_000)));
    line.silence(400);
    line.hear(VOICEMAIL);
    // A pause as long as a machine without a beep makes: we begin.
    line.silence(2_800);
    assert_eq!(line.played.last().map(|it| it.1.as_str()), Some("voicemail"));
    let before = line.played.len();
    line.hear(VOICEMAIL);
    line.silence(200);
    line.hear(&beep());
    line.silence(60);
    assert_eq!(line.played.len(), before + 1, "from its start");
    let serial = line.played.last().expect("played").0;
    line.silence(4_000);
    line.mark(serial, 4_000);
    line.silence(20);
    assert!(line.session.notes().message_left);
}

#[test]
fn a_box_that_hangs_up_without_a_beep_is_full() {
    let mut line = Line::started_with(on_machine(Some(4_000)));
    line.silence(300);
    line.hear(VOICEMAIL);
    line.silence(600);
    line.say(media::Event::Stop);
    assert_eq!(line.session.notes().answerer, Some(Answerer::FullBox));
    assert_eq!(line.cause(), Some(EndCause::HungUp));
}

#[test]
fn a_fax_is_left_at_once_and_its_tone_is_no_beep() {
    let mut line = Line::started_with(on_machine(Some(4_000)));
    line.silence(300);
    line.hear(&tone(2_100.0, 1_400));
    assert_eq!((line.cause(), line.who()), (Some(EndCause::Machine), vec![Answerer::Fax]));
}

#[test]
fn people_are_people_whatever_beeps_beside_them() {
    // "Hello?", and then they listen.
    let mut line = Line::started_with(on_machine(None));
    line.silence(300);
    line.hear(HELLO);
    line.silence(2_000);
    assert_eq!(line.who(), [Answerer::Human]);
    assert!(!line.closed);
    // A microwave oven before anybody has spoken; somebody who presses a key and then a phone beeps.
    let mut line = Line::started_with(on_machine(None));
    line.silence(300);
    line.hear(&tone(2_000.0, 500));
    line.silence(400);
    assert_eq!((line.who(), line.closed), (vec![], false));
    line.hear(HELLO);
    line.say(media::Event::Dtmf('5'));
    line.hear(&beep());
    line.silence(100);
    assert!(!line.closed && !line.who().contains(&Answerer::Voicemail), "{:?}", line.who());
    // Somebody said "Hello?" and waits; an oven is done.
    let mut line = Line::started_with(on_machine(None));
    line.silence(300);
    line.hear(HELLO);
    line.silence(1_600);
    line.hear(&beep());
    line.silence(100);
    assert_eq!((line.who(), line.closed), (vec![Answerer::Human], false));
    // Who answers a question at length is no machine either: only the first thing that is said counts.
    let mut line = Line::started_with(on_machine(None));
    line.silence(300);
    line.hear(HELLO);
    line.silence(1_500);
    for _ in 0..4 {
        line.word();
    }
    assert_eq!(line.who(), [Answerer::Human]);
}

#[test]
fn a_beep_that_is_the_first_proof_ends_the_call_and_nothing_follows_the_end() {
    let mut script = CallScript::clone(&on_machine(None));
    script.machines.speech = Some(Duration::from_secs(15));
    let mut line = Line::started_with(Arc::new(script));
    line.silence(400);
    line.hear(VOICEMAIL);
    line.hear(&beep());
    line.silence(100);
    assert_eq!((line.cause(), line.who()), (Some(EndCause::Machine), vec![Answerer::Voicemail]));
}

#[test]
fn somebody_who_picks_up_after_their_machine_and_presses_a_key_is_a_person() {
    let mut line = Line::started_with(on_machine(Some(4_000)));
    line.silence(400);
    line.hear(VOICEMAIL);
    line.hear(&beep());
    line.silence(500);
    let clears = line.clears;
    line.say(media::Event::Dtmf('5'));
    assert_eq!(line.clears, clears + 1, "our message stops");
    line.silence(2_100);
    assert_eq!(line.played.last().map(|it| it.1.as_str()), Some("goodbye"));
    let notes = line.session.notes();
    assert_eq!((notes.answerer, notes.message_left), (Some(Answerer::Human), false));
}

#[test]
fn without_a_listener_a_machine_is_greeted_like_anybody() {
    let mut line = Line::started();
    line.silence(400);
    line.hear(VOICEMAIL);
    line.hear(&beep());
    line.silence(500);
    assert_eq!((line.who(), line.closed), (vec![], false));
}

const SCREENER: &[u8] = include_bytes!("../../../sim/clips/screener.ulaw");

/// A campaign that tells call screeners who calls.
fn introducing(message: Option<usize>) -> Arc<CallScript> {
    let plain = on_machine(message);
    let machines = MachinePlan { screening: Some(clip("screening", 3_000)), ..plain.machines.clone() };
    Arc::new(CallScript { machines, ..CallScript::clone(&plain) })
}

/// It has asked, and heard our word.
fn introduced(message: Option<usize>) -> Line {
    let mut line = Line::started_with(introducing(message));
    line.silence(300);
    line.hear(SCREENER);
    assert_ne!(line.last(), "screening", "not before it has waited");
    line.silence(2_200);
    assert_eq!(line.last(), "screening");
    line.hear_out(3_000);
    assert!(matches!(line.session.owner(), Owner::Screened { .. }));
    line
}

#[test]
fn who_is_put_through_by_a_screener_hears_the_greeting_from_its_start() {
    let mut line = introduced(None);
    let greetings = line.played.iter().filter(|it| it.1 == "greeting").count();
    // Its own "please stay on the line" is no person.
    line.silence(600);
    line.hear(&SCREENER[..20_000]);
    line.silence(1_000);
    assert_eq!(line.last(), "screening");
    line.silence(3_000);
    line.hear(HELLO);
    line.silence(1_000);
    assert_eq!(line.last(), "greeting");
    assert_eq!(line.played.iter().filter(|it| it.1 == "greeting").count(), greetings + 1);
    assert_eq!(line.who(), [Answerer::Voicemail, Answerer::Screening, Answerer::Human]);
    line.hear_out(3_000);
    assert_eq!(line.session.notes().greeting_heard_ms, 3_000);
}

#[test]
fn a_person_who_comes_at_once_is_known_by_a_short_word_or_by_a_key() {
    let mut line = introduced(None);
    line.hear(HELLO);
    line.silence(1_000);
    assert_eq!(line.last(), "greeting");
    let mut line = introduced(None);
    line.key('5');
    assert_eq!((line.last(), line.session.notes().answerer), ("greeting", Some(Answerer::Human)));
}

#[test]
fn whom_nobody_puts_through_is_let_be_and_tried_again() {
    let mut line = introduced(None);
    line.silence(30_100);
    assert_eq!(line.cause(), Some(EndCause::Machine));
    assert_eq!(line.session.notes().answerer, Some(Answerer::Screening));
    // It may write down what is said.
    let mut line = introduced(Some(2_000));
    line.silence(30_100);
    assert_eq!(line.last(), "voicemail");
    // They see who calls, and decline; a word in that moment brings nobody back.
    let mut line = introduced(None);
    line.hear(&SCREENER[..4_000]);
    line.say(media::Event::Stop);
    assert_eq!((line.cause(), line.last()), (Some(EndCause::HungUp), "screening"));
    assert_eq!(line.session.notes().answerer, Some(Answerer::Screening), "no person was there");
}

#[test]
fn a_voicemail_with_a_beep_is_never_told_who_calls() {
    let mut line = Line::started_with(introducing(Some(2_000)));
    line.silence(300);
    line.hear(VOICEMAIL);
    line.silence(400);
    line.hear(&beep());
    line.silence(60);
    assert_eq!(line.last(), "voicemail");
    let mut line = Line::started_with(introducing(None));
    line.silence(300);
    line.hear(VOICEMAIL);
    line.silence(400);
    line.hear(&beep());
    line.silence(60);
    assert_eq!(line.cause(), Some(EndCause::Machine));
    // It beeps under our word, after a pause longer than others make.
    let mut line = Line::started_with(introducing(None));
    line.silence(300);
    line.hear(SCREENER);
    line.silence(2_300);
    assert_eq!(line.last(), "screening");
    line.hear(&beep());
    line.silence(60);
    assert_eq!((line.cause(), line.who().last()), (Some(EndCause::Machine), Some(&Answerer::Voicemail)));
}

/// Somebody puts a machine's first words down.
fn understood(message: Option<usize>) -> Line {
    let plain = introducing(message);
    let machines = MachinePlan { words: Some("en".parse().expect("a tag")), ..plain.machines.clone() };
    let mut line = Line::started_with(Arc::new(CallScript { machines, ..CallScript::clone(&plain) }));
    line.silence(300);
    line.hear(SCREENER);
    line.silence(2_200);
    line
}

fn said(line: &mut Line, text: &str) {
    line.event(Event::Words(Some(text.to_owned())));
    line.silence(40);
}

#[test]
fn a_machines_words_decide_what_it_is_and_are_asked_for_once() {
    let mut line = understood(None);
    assert_eq!((line.asked.len(), line.last()), (1, "greeting"), "until they are there, nothing is said");
    assert!(line.asked[0] > 5_000 && line.asked[0] <= 9_000, "{:?}", line.asked);
    said(&mut line, "If you record your name and reason for calling, I'll see if this person is available.");
    assert_eq!((line.last(), line.session.notes().answerer), ("screening", Some(Answerer::Screening)));
    assert_eq!(line.who(), [Answerer::Voicemail, Answerer::Screening], "told once");

    let mut line = understood(Some(2_000));
    said(&mut line, "For sales, press 1. For support, press 2.");
    assert_eq!((line.cause(), line.session.notes().answerer), (Some(EndCause::Machine), Some(Answerer::Menu)));

    let mut line = understood(Some(2_000));
    said(&mut line, "I can't take your call. Leave a message.");
    line.silence(600);
    assert_eq!(line.last(), "voicemail", "after the silence of one without a beep, and nobody is told who calls");
    let mut line = understood(None);
    said(&mut line, "I can't take your call. Leave a message.");
    assert_eq!(line.cause(), Some(EndCause::Machine), "nothing is left on it");
    line.silence(2_000);
    assert_eq!(line.asked.len(), 1);
}

#[test]
fn words_that_do_not_come_or_say_nothing_leave_it_to_the_sound() {
    let mut line = understood(None);
    line.silence(5_000);
    assert_eq!(line.last(), "greeting");
    line.silence(1_200);
    assert_eq!(line.last(), "screening");
    for text in [None, Some("Good morning everybody".to_owned())] {
        let mut line = understood(None);
        line.event(Event::Words(text));
        line.silence(40);
        assert_eq!(line.last(), "screening");
    }
    // They come when somebody has pressed a key: a person is there.
    let mut line = understood(None);
    line.key('5');
    let owner = line.session.owner();
    said(&mut line, "press 1");
    assert_eq!((line.session.owner(), line.closed), (owner, false));
    // A machine that never pauses is put down while it speaks.
    let plain = introducing(None);
    let machines = MachinePlan { words: Some("en".parse().expect("a tag")), ..plain.machines.clone() };
    let mut line = Line::started_with(Arc::new(CallScript { machines, ..CallScript::clone(&plain) }));
    for _ in 0..3 {
        line.hear(SCREENER);
    }
    assert_eq!(line.asked, [9_000]);
}
