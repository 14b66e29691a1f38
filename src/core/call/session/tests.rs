use std::time::Duration;

use super::*;
use crate::core::agent::{FromAgent, ToAgent};
use crate::core::call::MachinePlan;
use crate::core::call::playout::{Piece, mark_name};
use crate::core::config::{BargeIn, Keys, Vad};
use crate::core::wire::media::Start;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

fn clip(key: &str, ms: usize) -> Arc<PreparedClip> {
    Arc::new(PreparedClip::of(key, (0..ms * 8).map(|i| (i % 89) as u8).collect::<Vec<_>>().into()))
}

fn script() -> Arc<CallScript> {
    let ms = Duration::from_millis;
    Arc::new(CallScript {
        greeting: clip("greeting", 3_000),
        opt_out_confirmed: Some(clip("opt-out-confirmed", 1_000)),
        goodbye: Some(clip("goodbye", 500)),
        keys: Keys { opt_out: Some('9'), ..Keys::default() },
        vad: Vad { threshold: 0.5, silence: ms(700), prefix_padding: ms(300), min_speech: ms(64) },
        barge_in: BargeIn { restart_under: ms(0), ..BargeIn::default() },
        listen_after: ms(2_000),
        max_call: Duration::from_secs(60),
        machines: MachinePlan::default(),
        recording: Recording::default(),
        agent: None,
        desk: None,
        transfers: false,
        bridge: None,
        apology: None,
        call_back: None,
        message: None,
    })
}

mod agent;
mod desk;
mod keys;
mod machine;
mod recording;
mod switch;

/// A stream played by a script: keeps what was commanded, answers judges with loud = speech.
struct Line {
    script: Arc<CallScript>,
    session: Session,
    now: Boot,
    sequence: u64,
    played: Vec<(u32, String, u64)>,
    clears: usize,
    opt_outs: usize,
    own_voices: usize,
    promises: usize,
    /// What the agent was told before its voice was changed.
    switched_at: Option<usize>,
    recorded: Vec<u64>,
    /// What the agent was told, and pieces of its voice that were sent.
    transfers: usize,
    /// Lengths of sound that somebody was to put down, ms.
    asked: Vec<usize>,
    told: Vec<ToAgent>,
    sent: Vec<Piece>,
    closed: bool,
    log: Vec<What>,
    them: Vec<u8>,
    us: Vec<u8>,
}

impl Line {
    fn open() -> Line {
        Line::with(script())
    }

    fn with(script: Arc<CallScript>) -> Line {
        let now = Boot(1_000_000);
        let session = Session::new(now);
        let (played, log, them, us) = Default::default();
        Line {
            script,
            session,
            now,
            sequence: 0,
            played,
            clears: 0,
            opt_outs: 0,
            own_voices: 0,
            promises: 0,
            switched_at: None,
            recorded: Vec::new(),
            transfers: 0,
            asked: Vec::new(),
            told: Vec::new(),
            sent: Vec::new(),
            closed: false,
            log,
            them,
            us,
        }
    }

    fn started() -> Line {
        Line::started_with(script())
    }

    fn started_with(script: Arc<CallScript>) -> Line {
        let mut line = Line::with(script);
        let parameters = [("token".to_owned(), "t".to_owned())].into();
        line.say(media::Event::Start(Start {
            stream: "MZ".to_owned(),
            call: None,
            parameters,
            spelling: media::Spelling::Camel,
        }));
        line
    }

    fn say(&mut self, event: media::Event<'_>) {
        self.sequence += 1;
        let message = Inbound { sequence: Some(self.sequence), event };
        self.event(Event::Message(Ok(message)));
    }

    fn event(&mut self, event: Event<'_>) {
        self.session.handle(self.now, event);
        while let Some(command) = self.session.poll() {
            assert!(!self.closed, "nothing follows Close");
            match command {
                Command::Claim(_) => self.session.handle(self.now, Event::Claimed(Some(self.script.clone()))),
                Command::Play(serial, clip) => self.played.push((serial, clip.key.clone(), self.session.media_ms())),
                Command::Clear => self.clears += 1,
                Command::Judge(mut job) => {
                    job.judge();
                    self.session.handle(self.now, Event::Judged(job));
                }
                Command::OptOut => self.opt_outs += 1,
                Command::OwnVoice => self.own_voices += 1,
                Command::Promise => self.promises += 1,
                Command::Switch => self.switched_at = Some(self.told.len()),
                Command::Say(piece) => self.sent.push(piece),
                Command::Agent(what) => self.told.push(what),
                Command::Transfer => self.transfers += 1,
                Command::Understand(language, ulaw) => {
                    assert_eq!(language.as_str(), "en");
                    self.asked.push(ulaw.len() / 8);
                }
                Command::Record => self.recorded.push(self.session.media_ms()),
                Command::Log(what) => self.log.push(what),
                Command::Sound(them, us) => {
                    assert_eq!(them.len(), us.len());
                    self.them.extend(them);
                    self.us.extend(us);
                }
                Command::Close => self.closed = true,
            }
        }
    }

    fn frame(&mut self, ulaw: &[u8], timestamp: u64) {
        self.now = self.now + Duration::from_millis(20);
        let payload = STANDARD.encode(ulaw);
        self.say(media::Event::Media(Frame { timestamp: Some(timestamp), chunk: None, payload: payload.into() }));
    }

    fn silence(&mut self, ms: u64) {
        for _ in 0..ms / 20 {
            let at = self.session.media_ms();
            self.frame(&[0xff; 160], 100 + at);
        }
    }

    /// The callee says something for a second.
    fn word(&mut self) {
        for frame in speech()[47 * 256..][..8_000].chunks(160) {
            let at = self.session.media_ms();
            self.frame(frame, 100 + at);
        }
    }

    fn mark(&mut self, serial: u32, ms: u64) {
        self.say(media::Event::Mark(mark_name(serial, ms * 8).into()));
    }

    fn key(&mut self, key: char) {
        self.say(media::Event::Dtmf(key));
    }

    /// Lets it play what it last began, and one frame more.
    fn hear_out(&mut self, ms: u64) {
        let serial = self.played.last().expect("something plays").0;
        self.silence(ms + 20);
        self.mark(serial, ms);
        self.silence(20);
    }

    fn last(&self) -> &str {
        self.played.last().map_or("", |(_, key, _)| key)
    }

    fn agent(&mut self, told: FromAgent) {
        self.event(Event::Agent(told));
    }

    fn cause(&self) -> Option<EndCause> {
        self.session.notes().cause
    }
}

/// Speech of the golden file, µ-law.
fn speech() -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/silero-vad-v6/golden-8k.wav");
    let bytes = std::fs::read(path).expect("the golden sound");
    let samples = bytes[44..].as_chunks::<2>().0.iter().map(|it| i16::from_le_bytes(*it));
    samples.map(crate::core::sound::g711::ulaw_encode).collect()
}

#[test]
fn greeting_listening_goodbye_and_the_end_follow_each_other_by_media_time() {
    let mut line = Line::started();
    assert_eq!(line.played, [(1, "greeting".to_owned(), 0)], "in the start handler itself");
    line.silence(3_060);
    line.mark(1, 3_000);
    line.silence(1_900);
    assert_eq!(line.played.len(), 1, "still listening");
    line.silence(140);
    assert_eq!(line.played[1], (2, "goodbye".to_owned(), 5_060));
    line.silence(500);
    line.mark(2, 500);
    assert!(line.closed);
    assert_eq!(line.cause(), Some(EndCause::Finished));
    assert_eq!(line.session.notes().greeting_heard_ms, 3_000);
}

#[test]
fn speech_over_the_greeting_stops_it_and_what_was_heard_is_noted() {
    let mut line = Line::started();
    line.silence(520);
    line.mark(1, 500);
    for (i, frame) in speech()[47 * 256..][..16_000].chunks(160).enumerate() {
        line.frame(frame, 620 + 20 * i as u64);
        if line.clears > 0 {
            break;
        }
    }
    assert_eq!(line.clears, 1);
    let notes = line.session.notes();
    let note = notes.barge_ins[0];
    assert!(note.clear_media_ms - note.speech_onset_media_ms <= 128, "{note:?}");
    assert_eq!(notes.greeting_heard_ms, 500 + (note.clear_media_ms - 520), "the mark and the time since");
    line.mark(1, 1_000);
    assert!(matches!(line.log.last(), Some(What::Mark { played: false, .. })), "flushed by clear");
    line.silence(8_000);
    let goodbye = &line.played[1];
    assert_eq!(goodbye.1, "goodbye");
    assert!(goodbye.2 >= note.clear_media_ms + 2_000, "listened after the person spoke");
}

#[test]
fn a_hello_at_pick_up_begins_the_greeting_anew_once_and_a_later_word_does_not() {
    let restart = |script: &CallScript| {
        let barge_in = BargeIn { restart_under: Duration::from_millis(1_500), ..script.barge_in };
        Arc::new(CallScript { barge_in, ..script.clone() })
    };
    let keys = |line: &Line| line.played.iter().map(|(_, key, _)| key.clone()).collect::<Vec<_>>();
    let mut line = Line::started_with(restart(&script()));
    line.word();
    assert_eq!(line.clears, 1, "they are not talked over");
    line.silence(1_200);
    assert_eq!(keys(&line), ["greeting", "greeting"], "begun anew when the hello had ended");
    line.silence(400);
    line.word();
    line.silence(6_000);
    assert_eq!(keys(&line), ["greeting", "greeting", "goodbye"], "a second word cuts it for good");
    assert_eq!(line.session.notes().barge_ins.len(), 2);

    let mut line = Line::started_with(restart(&script()));
    for played_ms in [500, 1_000, 1_500] {
        line.silence(520);
        line.mark(1, played_ms);
    }
    line.word();
    line.silence(6_000);
    assert_eq!(keys(&line), ["greeting", "goodbye"], "who has heard that much has heard who calls");
    assert!(line.session.notes().greeting_heard_ms >= 1_500);
}

#[test]
fn the_confirmation_waits_until_the_opt_out_is_durable_and_then_we_hang_up() {
    let mut line = Line::started();
    line.silence(400);
    line.say(media::Event::Dtmf('9'));
    assert_eq!((line.opt_outs, line.clears), (1, 1));
    line.silence(1_000);
    assert_eq!(line.played.len(), 1, "not durable yet: no confirmation");
    line.event(Event::OptOutStored);
    assert_eq!(line.played[1].1, "opt-out-confirmed");
    line.say(media::Event::Dtmf('9'));
    assert_eq!(line.opt_outs, 1);
    line.silence(1_020);
    line.mark(2, 1_000);
    assert!(line.closed);
    assert_eq!(line.cause(), Some(EndCause::OptedOut));
}

#[test]
fn the_opt_out_key_works_during_the_goodbye_too() {
    let mut line = Line::started();
    line.silence(3_020);
    line.mark(1, 3_000);
    line.silence(2_020);
    assert_eq!(line.played.len(), 2);
    line.say(media::Event::Dtmf('9'));
    assert_eq!((line.opt_outs, line.clears, line.closed), (1, 1, false));
}

#[test]
fn fifty_bad_messages_in_a_row_end_the_stream_and_forty_nine_do_not() {
    let mut line = Line::started();
    for _ in 0..49 {
        line.event(Event::Message(Err(MediaFault::Malformed)));
    }
    line.silence(20);
    for _ in 0..49 {
        line.frame(&[], 140);
    }
    assert!(!line.closed);
    line.event(Event::Message(Err(MediaFault::BadPayload)));
    assert_eq!((line.closed, line.cause()), (true, Some(EndCause::BadMessages)));
    assert_eq!(line.session.notes().bad_messages, 99);
}

#[test]
fn media_before_start_is_bad_and_a_second_start_changes_nothing() {
    let mut line = Line::open();
    line.frame(&[0xff; 160], 0);
    assert_eq!((line.session.notes().bad_messages, line.played.len()), (1, 0));
    let mut line = Line::started();
    line.say(media::Event::Start(Start {
        stream: "MZ2".to_owned(),
        call: None,
        parameters: Default::default(),
        spelling: media::Spelling::Camel,
    }));
    assert_eq!((line.session.notes().bad_messages, line.played.len()), (1, 1));
}

#[test]
fn repeats_are_ignored_and_gaps_become_silence() {
    let mut line = Line::started();
    line.frame(&[0x11; 160], 100);
    line.sequence -= 1;
    line.frame(&[0x22; 160], 120);
    assert_eq!(line.session.media_ms(), 20, "an old sequence number");
    line.frame(&[0x33; 160], 220);
    assert_eq!(line.session.media_ms(), 140);
    line.frame(&[0x44; 160], 9_000_000);
    assert_eq!(line.session.media_ms(), 10_160, "a gap is filled up to its bound");
    line.frame(&[0x55; 160], 9_000_020);
    assert_eq!(line.session.media_ms(), 10_180, "and not again");
    line.say(media::Event::Stop);
    assert_eq!(line.them[..160], [0x11; 160]);
    assert_eq!(line.them[160..960], [0xff; 800]);
    assert_eq!(line.them[960..1_120], [0x33; 160]);
    assert_eq!(line.cause(), Some(EndCause::HungUp));
}

#[test]
fn both_channels_stand_on_one_clock_and_nothing_of_ours_follows_clear() {
    let mut line = Line::started();
    line.silence(1_000);
    line.say(media::Event::Dtmf('9'));
    line.silence(500);
    line.say(media::Event::Stop);
    assert_eq!(line.us[..8_000], script().greeting.ulaw[..8_000]);
    assert_eq!(line.us[8_000..], vec![0xff; 4_000]);
}

#[test]
fn silence_of_the_socket_and_the_longest_call_end_the_stream() {
    let mut line = Line::open();
    line.now = line.session.next_timeout().expect("waiting for start");
    line.event(Event::Tick);
    assert_eq!(line.cause(), Some(EndCause::NeverStarted));
    let mut line = Line::started();
    line.silence(100);
    line.now = line.session.next_timeout().expect("alive");
    line.event(Event::Tick);
    assert_eq!(line.cause(), Some(EndCause::Idle));
    let mut line = Line::started();
    for _ in 0..3_100 {
        let at = line.session.media_ms();
        line.frame(&[0xff; 160], at);
    }
    assert!(line.closed);
    let mut line = Line::started();
    line.say(media::Event::Dtmf('9'));
    line.now = line.session.next_timeout().expect("storing");
    line.event(Event::Tick);
    assert_eq!(line.cause(), Some(EndCause::OptedOut));
    assert_eq!(line.session.next_timeout(), None);
}

#[test]
fn only_a_stream_faster_than_life_is_made_to_wait_for_its_verdicts() {
    let loud = [0x20; 160];
    for (step_ms, waits) in [(20, false), (1, true)] {
        let mut line = Line::started();
        let mut paused = false;
        for i in 0..200 {
            line.now = line.now + Duration::from_millis(step_ms);
            let payload = STANDARD.encode(loud);
            let frame = Frame { timestamp: Some(20 * i), chunk: None, payload: payload.into() };
            let message = Inbound { sequence: Some(i + 10), event: media::Event::Media(frame) };
            // Judges are not answered here: the network is busy elsewhere.
            line.session.handle(line.now, Event::Message(Ok(message)));
            paused |= line.session.wants_a_pause(line.now);
        }
        assert_eq!(paused, waits, "{step_ms} ms a frame");
    }
}
