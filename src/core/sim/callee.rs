//! The people who are called: how they answer follows from the seed and the number, what they do on the line is
//! counted in frames of 20 ms (160 samples), never in time of arrival.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::chance;
use crate::core::sound::{g711, tone};

/// Samples of one frame.
pub const FRAME: usize = 160;
/// Milliseconds of one frame.
pub const FRAME_MS: u64 = 20;
/// A callee who talks with us speaks after so much silence of ours, in ms.
const TURN_MS: u64 = 700;
/// … and leaves if we do not answer for this long.
const WAITS_MS: u64 = 12_000;
/// … and interrupts us after so much of our voice, in ms, if they are of that kind.
const INTERRUPTS_MS: u64 = 900;
/// A machine that asks who calls wants at least so much of an answer.
const NAME_MS: u64 = 1_000;
/// What they say, in turn.
const TURNS: [Clip; 3] = [Clip::HowMuch, Clip::Who, Clip::Yes];
/// A callee who never hears anything says "hello?" after this long, in ms.
const PUZZLED_MS: u64 = 2_500;
/// … and hangs up after this long.
const DEAF_MS: u64 = 9_000;
/// Nobody stays longer than this.
const LONGEST_MS: u64 = 180_000;

/// How somebody answers the phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Behaviour {
    /// Answers and listens.
    Listens,
    /// Says hello, then listens.
    SaysHello,
    /// Begins to speak while our audio plays.
    TalksOver,
    /// Hears us out and talks with us: three times, each after our words, then says goodbye; half of them speak over
    /// our second answer. Only where a fault asks for it.
    Converses,
    /// Presses 9, the opt-out key.
    PressesNine,
    /// Presses another key.
    PressesOther,
    /// Presses 1, then talks with whoever comes. Only those who call us.
    AsksForAgent,
    /// Presses 2, and speaks after the tone. Only those who call us.
    LeavesMessage,
    /// A machine: greeting, beep, then it records.
    Voicemail,
    /// A machine that asks who calls, and when it has heard us puts half of them through: "hello?", and they listen. Only
    /// where a fault asks for it.
    Screens,
    /// A fax: its tone, again and again. Only where a fault asks for it.
    Fax,
    /// Answers and hangs up at once.
    HangsUpAtOnce,
    /// Busy.
    Busy,
    /// Rings until the time is up.
    NoAnswer,
    /// The carrier refuses the number (21211).
    Invalid,
    /// The call cannot be put through.
    Fails,
}

/// Behaviours in percent: 68 answer.
const WEIGHTS: [(Behaviour, u32); 11] = [
    (Behaviour::Listens, 22),
    (Behaviour::SaysHello, 18),
    (Behaviour::TalksOver, 10),
    (Behaviour::PressesNine, 4),
    (Behaviour::PressesOther, 3),
    (Behaviour::Voicemail, 7),
    (Behaviour::HangsUpAtOnce, 4),
    (Behaviour::Busy, 10),
    (Behaviour::NoAnswer, 14),
    (Behaviour::Invalid, 4),
    (Behaviour::Fails, 4),
];

/// All that is decided about a callee before the phone rings. Times in ms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// How they answer.
    pub behaviour: Behaviour,
    /// From leaving the queue to the first ring.
    pub setup_ms: u64,
    /// From the first ring to the answer (or the busy tone).
    pub ring_ms: u64,
    /// Until they act: after the answer, or after they first hear us.
    pub delay_ms: u64,
    /// Silence after our audio until they hang up.
    pub patience_ms: u64,
    /// The key that they press.
    pub key: char,
    /// What they say over our audio.
    pub words: Clip,
    /// How long the network lets the telephone ring after it has connected the call: its ringing tone is in the stream, and
    /// nobody is there.
    pub early_ms: u64,
    /// Whether they say goodbye before they hang up.
    pub says_goodbye: bool,
    /// Seed of the line's noise.
    pub noise: u64,
}

/// The script of a number (E.164) under a seed.
pub fn script(seed: u64, number: &str) -> Script {
    let mut rng = chance(seed, &["callee", number]);
    let mut roll = rng.u32(..100);
    let mut behaviour = Behaviour::Listens;
    for (candidate, weight) in WEIGHTS {
        behaviour = candidate;
        if roll < weight {
            break;
        }
        roll -= weight;
    }
    let delay_ms = match behaviour {
        Behaviour::SaysHello => rng.u64(100..600),
        Behaviour::TalksOver => rng.u64(400..2_500),
        Behaviour::PressesNine | Behaviour::PressesOther => rng.u64(800..4_000),
        // No number answers so.
        Behaviour::AsksForAgent | Behaviour::LeavesMessage => 0,
        Behaviour::Voicemail => rng.u64(200..800),
        Behaviour::HangsUpAtOnce => rng.u64(100..900),
        Behaviour::Listens
        | Behaviour::Converses
        | Behaviour::Screens
        | Behaviour::Fax
        | Behaviour::Busy
        | Behaviour::NoAnswer
        | Behaviour::Invalid
        | Behaviour::Fails => 0,
    };
    Script {
        behaviour,
        setup_ms: rng.u64(300..1_500),
        ring_ms: rng.u64(1_500..12_000),
        delay_ms,
        patience_ms: rng.u64(1_500..3_500),
        key: if behaviour == Behaviour::PressesNine { '9' } else { *rng.choice(&['1', '2', '5', '#']).unwrap_or(&'1') },
        words: *rng.choice(&[Clip::HowMuch, Clip::Who, Clip::Yes]).unwrap_or(&Clip::Who),
        early_ms: 0,
        says_goodbye: rng.u32(..100) < 25,
        noise: rng.u64(..),
    }
}

/// The script of somebody who calls us: they do not ring, and are no machine; four of ten want somebody, or to leave word.
pub fn caller(seed: u64, number: &str) -> Script {
    let mut rng = chance(seed, &["caller", number]);
    let own = script(seed, number);
    let behaviour = match rng.u32(..10) {
        0..3 => Behaviour::AsksForAgent,
        3 => Behaviour::LeavesMessage,
        _ => match own.behaviour {
            Behaviour::Busy
            | Behaviour::NoAnswer
            | Behaviour::Invalid
            | Behaviour::Fails
            | Behaviour::Voicemail
            | Behaviour::Screens
            | Behaviour::Fax
            | Behaviour::HangsUpAtOnce => Behaviour::Listens,
            other => other,
        },
    };
    let (key, delay_ms) = match behaviour {
        Behaviour::AsksForAgent => ('1', rng.u64(800..6_000)),
        Behaviour::LeavesMessage => ('2', rng.u64(800..6_000)),
        _ => (own.key, own.delay_ms),
    };
    Script { behaviour, key, delay_ms, ..own }
}

/// What callees can say: µ-law, 8 kHz, about −26 dBov. `clips/README.md` tells how they were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clip {
    /// "Hello?"
    Hello,
    /// "Yes?"
    Yes,
    /// "How much is it?"
    HowMuch,
    /// "No thank you, goodbye."
    NoThanks,
    /// "Who is this?"
    Who,
    /// "Hi, I cannot take your call right now. Please leave a message after the tone."
    Voicemail,
    /// "Hello. If you say your name and why you call, I will see whether this person is available."
    Screener,
    /// The tone: 1 kHz, 400 ms.
    Beep,
    /// A fax's answer: 2.1 kHz for 3 s (T.30, CED), then a pause.
    Fax,
}

impl Clip {
    /// The samples, µ-law.
    fn sound(self) -> &'static [u8] {
        match self {
            Clip::Hello => include_bytes!("clips/hello.ulaw"),
            Clip::Yes => include_bytes!("clips/yes.ulaw"),
            Clip::HowMuch => include_bytes!("clips/how_much.ulaw"),
            Clip::NoThanks => include_bytes!("clips/no_thanks.ulaw"),
            Clip::Who => include_bytes!("clips/who.ulaw"),
            Clip::Voicemail => include_bytes!("clips/voicemail.ulaw"),
            Clip::Screener => include_bytes!("clips/screener.ulaw"),
            Clip::Beep => &tone::BEEP,
            Clip::Fax => &FAX,
        }
    }
}

/// 2 100 Hz at −22 dBov for 3 s, and 2 s of silence.
static FAX: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let tone = |n: u32| 3_680.0 * libm::sin(f64::from(n) * std::f64::consts::TAU * 2_100.0 / 8_000.0);
    let samples: Vec<i16> = (0..40_000).map(|n| if n < 24_000 { tone(n) as i16 } else { 0 }).collect();
    g711::encode_ulaw(&samples)
});

/// A British ringing tone, 400 and 450 Hz at −19 dBov: two rings of 0.4 s, then 2 s of silence.
static RINGING: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let wave = |n: u32, hz: f64| 3_680.0 * libm::sin(f64::from(n) * std::f64::consts::TAU * hz / 8_000.0);
    let rings = |n: u32| n < 3_200 || (4_800..8_000).contains(&n);
    let sample = |n: u32| if rings(n) { (wave(n, 400.0) + wave(n, 450.0)) as i16 } else { 0 };
    g711::encode_ulaw(&(0..24_000).map(sample).collect::<Vec<i16>>())
});

/// What the callee hears in one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Heard {
    /// Samples of ours that played.
    pub samples: u32,
    /// Whether they were louder than silence.
    pub loud: bool,
}

/// What the callee does in one frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Sound of the line, µ-law.
    pub audio: [u8; FRAME],
    /// Words begin in this frame.
    pub onset: bool,
    /// A key is pressed.
    pub key: Option<char>,
    /// They hang up after this frame.
    pub hangs_up: bool,
}

/// A callee on the line, from the stream's start.
#[derive(Debug, Clone)]
pub struct Callee {
    script: Script,
    /// Frames for which the telephone still rings.
    rings: u64,
    frame: u64,
    first_heard: Option<u64>,
    /// Frames since anything of ours or theirs was heard.
    quiet: u64,
    saying: Vec<Clip>,
    at: usize,
    acted: bool,
    asked: bool,
    leaving: bool,
    /// Turns of a conversation that they have had.
    turns: usize,
    /// Something of ours was heard since their last turn.
    answered: bool,
    /// Frames of our voice since their last turn.
    voice: u64,
    noise: fastrand::Rng,
}

impl Callee {
    /// Somebody who has just answered.
    pub fn new(script: Script) -> Callee {
        let noise = fastrand::Rng::with_seed(script.noise);
        Callee {
            rings: script.early_ms / FRAME_MS,
            script,
            frame: 0,
            first_heard: None,
            quiet: 0,
            saying: Vec::new(),
            at: 0,
            acted: false,
            asked: false,
            leaving: false,
            turns: 0,
            answered: false,
            voice: 0,
            noise,
        }
    }

    /// Whether somebody is there: what sounds before is heard by nobody.
    pub fn is_there(&self) -> bool {
        self.rings == 0
    }

    /// Lives through one frame.
    pub fn step(&mut self, heard: Heard) -> Said {
        if self.rings > 0 {
            self.rings -= 1;
            let from = (self.script.early_ms / FRAME_MS - self.rings - 1) as usize * FRAME % RINGING.len();
            let audio = RINGING[from..from + FRAME].try_into().expect("a tone of whole frames");
            return Said { audio, onset: false, key: None, hangs_up: false };
        }
        let now = self.frame;
        self.frame += 1;
        if heard.loud && self.first_heard.is_none() {
            self.first_heard = Some(now);
        }
        self.answered |= heard.loud;
        self.voice += u64::from(heard.samples > 0);
        self.quiet = if heard.samples > 0 || !self.saying.is_empty() { 0 } else { self.quiet + 1 };
        let was_silent = self.saying.is_empty();
        let key = self.act(now);
        let onset = was_silent && !self.saying.is_empty();
        let audio = self.speak();
        let hangs_up = self.leaves(now);
        Said { audio, onset, key, hangs_up }
    }

    fn act(&mut self, now: u64) -> Option<char> {
        let delay = self.script.delay_ms / FRAME_MS;
        let since_heard = self.first_heard.map(|first| now - first);
        match self.script.behaviour {
            Behaviour::SaysHello if !self.acted && now >= delay => {
                self.acted = true;
                self.saying = vec![Clip::Hello];
            }
            Behaviour::Voicemail if !self.acted && now >= delay => {
                self.acted = true;
                self.saying = vec![Clip::Voicemail, Clip::Beep];
            }
            Behaviour::Screens if !self.acted && now >= delay => {
                self.acted = true;
                self.saying = vec![Clip::Screener];
            }
            // What sounds while it asks is no answer.
            Behaviour::Screens if !self.saying.is_empty() => (self.answered, self.voice) = (false, 0),
            Behaviour::Screens if self.turns == 0 && self.voice >= NAME_MS / FRAME_MS && self.is_their_turn() => {
                self.turns = 1;
                let comes = self.script.noise.is_multiple_of(2);
                self.leaving = !comes;
                self.saying = if comes { vec![Clip::Hello] } else { Vec::new() };
            }
            Behaviour::Fax if self.saying.is_empty() => self.saying = vec![Clip::Fax],
            Behaviour::TalksOver if !self.acted && since_heard.is_some_and(|since| since >= delay) => {
                self.acted = true;
                self.saying = vec![self.script.words];
            }
            Behaviour::PressesNine | Behaviour::PressesOther | Behaviour::AsksForAgent | Behaviour::LeavesMessage
                if !self.acted && since_heard.is_some_and(|since| since >= delay) =>
            {
                self.acted = true;
                // What they hear from here on is the answer.
                (self.answered, self.voice, self.quiet) = (false, 0, 0);
                return Some(self.script.key);
            }
            Behaviour::LeavesMessage if self.acted && self.turns == 0 && self.is_their_turn() => {
                self.turns = 1;
                self.saying = vec![Clip::HowMuch, Clip::Who];
            }
            Behaviour::Converses | Behaviour::AsksForAgent if self.talks() && self.is_their_turn() => {
                (self.answered, self.voice) = (false, 0);
                let words = TURNS.get(self.turns).copied();
                self.turns += 1;
                self.leaving = words.is_none();
                self.saying = vec![words.unwrap_or(Clip::NoThanks)];
            }
            Behaviour::Listens
            | Behaviour::Converses
            | Behaviour::SaysHello
            | Behaviour::TalksOver
            | Behaviour::PressesNine
            | Behaviour::PressesOther
            | Behaviour::AsksForAgent
            | Behaviour::LeavesMessage
            | Behaviour::Voicemail
            | Behaviour::Screens
            | Behaviour::Fax
            | Behaviour::HangsUpAtOnce
            | Behaviour::Busy
            | Behaviour::NoAnswer
            | Behaviour::Invalid
            | Behaviour::Fails => {}
        }
        let person = !matches!(self.script.behaviour, Behaviour::Voicemail | Behaviour::Screens | Behaviour::Fax);
        if person && !self.asked && self.first_heard.is_none() && now * FRAME_MS >= PUZZLED_MS {
            self.asked = true;
            self.saying = vec![Clip::Hello];
        }
        None
    }

    /// They are with whoever they wanted to talk with.
    fn talks(&self) -> bool {
        self.acted || self.script.behaviour == Behaviour::Converses
    }

    /// In a conversation: we have spoken and are silent, or they have heard enough.
    fn is_their_turn(&self) -> bool {
        let interrupts = self.turns == 2 && self.script.noise.is_multiple_of(2);
        let enough = interrupts && self.voice >= INTERRUPTS_MS / FRAME_MS && self.saying.is_empty();
        self.answered && (enough || self.quiet >= TURN_MS / FRAME_MS)
    }

    fn speak(&mut self) -> [u8; FRAME] {
        let mut audio = [0xff; FRAME];
        if let Some(clip) = self.saying.first() {
            let rest = &clip.sound()[self.at..];
            let take = rest.len().min(FRAME);
            audio[..take].copy_from_slice(&rest[..take]);
            self.at += take;
            if take == rest.len() {
                self.saying.remove(0);
                self.at = 0;
            }
            return audio;
        }
        // A quiet line is never digital silence: about −60 dBov (codes of ±8 to ±48).
        for sample in &mut audio {
            *sample = (0xfe - self.noise.u8(..6)) & if self.noise.bool() { 0xff } else { 0x7f };
        }
        audio
    }

    fn leaves(&mut self, now: u64) -> bool {
        if !self.saying.is_empty() {
            return false;
        }
        if self.leaving {
            return true;
        }
        // Half of those who leave a message hang up before we have thanked them.
        let waits = match self.script.behaviour {
            Behaviour::Converses | Behaviour::AsksForAgent => true,
            Behaviour::Screens => self.turns == 0,
            Behaviour::LeavesMessage => self.turns == 0 || self.script.noise.is_multiple_of(2),
            _ => false,
        };
        let patience = if waits { WAITS_MS } else { self.script.patience_ms } / FRAME_MS;
        let bored = match self.first_heard {
            Some(_) => self.quiet >= patience,
            None => now * FRAME_MS >= DEAF_MS && self.quiet >= patience,
        };
        if !bored && now * FRAME_MS < LONGEST_MS {
            return false;
        }
        self.leaving = true;
        if self.script.says_goodbye && self.first_heard.is_some() && self.script.behaviour != Behaviour::Voicemail {
            self.saying = vec![Clip::NoThanks];
            return false;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number whose callee behaves so, under seed 1.
    fn somebody(behaviour: Behaviour) -> Script {
        (0..10_000)
            .map(|n| script(1, &format!("+1500555{n:04}")))
            .find(|script| script.behaviour == behaviour)
            .expect("every behaviour has a weight")
    }

    const LOUD: Heard = Heard { samples: 160, loud: true };
    const QUIET: Heard = Heard { samples: 0, loud: false };

    #[test]
    fn the_same_seed_and_number_behave_the_same_and_two_thirds_answer() {
        assert_eq!(script(7, "+359888123456"), script(7, "+359888123456"));
        use Behaviour::*;
        let answered = (0..10_000)
            .map(|n| script(7, &format!("+4479{n:08}")).behaviour)
            .filter(|it| !matches!(it, Busy | NoAnswer | Invalid | Fails))
            .count();
        assert!((6_500..=7_000).contains(&answered), "{answered}");
    }

    #[test]
    fn a_listener_stays_while_we_speak_and_leaves_after_their_patience() {
        let mut script = somebody(Behaviour::Listens);
        script.says_goodbye = false;
        let patience = script.patience_ms / FRAME_MS;
        let mut callee = Callee::new(script);
        assert!((0..500).all(|_| !callee.step(LOUD).hangs_up), "never while we speak");
        let left = (1..).find(|_| callee.step(QUIET).hangs_up).expect("leaves");
        assert_eq!(left, patience);
    }

    #[test]
    fn who_talks_over_us_begins_after_hearing_us_and_only_once() {
        let script = somebody(Behaviour::TalksOver);
        let delay = script.delay_ms / FRAME_MS;
        let mut callee = Callee::new(script);
        assert!((0..20).all(|_| !callee.step(QUIET).onset));
        let onsets: Vec<u64> = (0..1_000).filter(|_| callee.step(LOUD).onset).collect();
        assert_eq!(onsets, [delay]);
    }

    #[test]
    fn who_talks_with_us_waits_for_our_words_and_says_goodbye_after_three_turns() {
        let of_noise = |noise| Script { behaviour: Behaviour::Converses, noise, ..somebody(Behaviour::Listens) };
        let mut callee = Callee::new(of_noise(1));
        let mut onsets = 0;
        for turn in 1..=4 {
            assert!((0..100).all(|_| !callee.step(LOUD).onset), "never over us");
            let waited = (0..100).position(|_| callee.step(QUIET).onset).expect("their turn");
            assert_eq!(waited as u64, TURN_MS / FRAME_MS - 1);
            onsets += 1;
            let left = (0..200).any(|_| callee.step(QUIET).hangs_up);
            assert_eq!(left, turn == 4, "after turn {turn}");
        }
        assert_eq!(onsets, 4);
        let mut callee = Callee::new(of_noise(1));
        callee.step(LOUD);
        assert!((0..WAITS_MS / FRAME_MS + 100).any(|_| callee.step(QUIET).hangs_up), "nobody answers");
        // The other half speaks over our second answer.
        let mut callee = Callee::new(of_noise(2));
        for _turn in 0..2 {
            assert!((0..100).all(|_| !callee.step(LOUD).onset));
            assert!((0..200).any(|_| callee.step(QUIET).onset));
            assert!((0..200).all(|_| !callee.step(QUIET).hangs_up));
        }
        assert_eq!((0..100).position(|_| callee.step(LOUD).onset), Some((INTERRUPTS_MS / FRAME_MS) as usize - 1));
    }

    #[test]
    fn a_key_is_pressed_once_and_nine_is_nine() {
        let mut callee = Callee::new(somebody(Behaviour::PressesNine));
        let keys: Vec<char> = (0..1_000).filter_map(|_| callee.step(LOUD).key).collect();
        assert_eq!(keys, ['9']);
    }

    #[test]
    fn who_hears_nothing_asks_and_then_leaves() {
        let mut callee = Callee::new(somebody(Behaviour::Listens));
        let said: Vec<Said> = (0..1_000).map(|_| callee.step(QUIET)).collect();
        assert_eq!(said.iter().position(|it| it.onset), Some((PUZZLED_MS / FRAME_MS) as usize));
        assert!(said.iter().any(|it| it.hangs_up));
    }

    #[test]
    fn who_is_not_there_yet_hears_nothing_and_the_line_rings() {
        let early = Script { early_ms: 4_000, ..somebody(Behaviour::TalksOver) };
        let delay = early.delay_ms / FRAME_MS;
        let mut callee = Callee::new(early);
        let before: Vec<Said> = (0..200).map(|_| callee.step(LOUD)).collect();
        let loud = |said: &Said| said.audio.iter().any(|code| g711::ulaw_decode(*code).unsigned_abs() > 2_000);
        let rings: Vec<usize> = (0..200).filter(|at| loud(&before[*at])).collect();
        assert_eq!((rings.len(), rings[0], rings[20], rings[40]), (80, 0, 30, 150), "two rings each three seconds");
        assert!(before.iter().all(|said| !said.onset && said.key.is_none() && !said.hangs_up));
        assert!(callee.is_there());
        // Their time begins when they are there.
        assert_eq!((0..1_000).position(|_| callee.step(LOUD).onset), Some(delay as usize));
    }

    #[test]
    fn the_clips_are_speech_and_the_line_is_never_digital_silence() {
        let total: usize = [Clip::Hello, Clip::Yes, Clip::HowMuch, Clip::NoThanks, Clip::Who, Clip::Voicemail]
            .map(|clip| clip.sound().len())
            .iter()
            .sum();
        assert!((40_000..120_000).contains(&total), "{total}");
        let mut callee = Callee::new(somebody(Behaviour::Listens));
        let quiet = callee.step(LOUD).audio;
        assert!(quiet.iter().all(|code| (0xf9..=0xfe).contains(&(code | 0x80))));
    }
}
