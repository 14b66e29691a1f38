//! Who answered: a person, or something else. Our own ear, beside the greeting and never before it.
//!
//! A person says a word or two and waits; a machine speaks on, and then there is a beep. Unsure is a person: to hang up on
//! somebody is worse than to greet a machine.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::core::sound::tone::{Tone, ToneEar};

/// Who or what answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answerer {
    /// A person.
    Human,
    /// A machine that records a message, or says that nobody is there.
    Voicemail,
    /// A machine that hung up without a tone: nothing can be left there.
    FullBox,
    /// A machine that asks who calls, and may put its owner through.
    Screening,
    /// A machine that offers keys.
    Menu,
    /// A fax or a modem.
    Fax,
    /// Nobody could tell; treated as a person.
    Unsure,
}

impl Answerer {
    /// The carrier's word for it (Twilio, SignalWire and Telnyx); a new word is unsure.
    pub fn of_carrier(word: &str) -> Answerer {
        match word {
            "human" => Answerer::Human,
            "fax" => Answerer::Fax,
            "machine" => Answerer::Voicemail,
            word if word.starts_with("machine_") => Answerer::Voicemail,
            _ => Answerer::Unsure,
        }
    }

    /// Its name in the ledger and in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Answerer::Human => "human",
            Answerer::Voicemail => "voicemail",
            Answerer::FullBox => "full_box",
            Answerer::Screening => "screening",
            Answerer::Menu => "menu",
            Answerer::Fax => "fax",
            Answerer::Unsure => "unsure",
        }
    }

    /// Whether it is a machine for sure.
    pub fn is_machine(self) -> bool {
        match self {
            Answerer::Voicemail | Answerer::FullBox | Answerer::Fax => true,
            Answerer::Screening | Answerer::Menu => true,
            Answerer::Human | Answerer::Unsure => false,
        }
    }
}

/// A beep lies between these, Hz.
const BEEP: std::ops::RangeInclusive<f32> = 350.0..=2_300.0;
/// … and lasts so long: vowels are shorter, dial tones longer.
const BEEP_MS: std::ops::RangeInclusive<u64> = 160..=4_000;
/// A fax answers with 2,100 Hz for 2.6 s or more (T.30); a second of it is enough.
const FAX: std::ops::RangeInclusive<f32> = 2_050.0..=2_200.0;
const FAX_MS: u64 = 1_000;
/// A beep after less speech than this is something else.
const SPOKEN_MS: u64 = 500;
/// … and after this little, if what was said first was over already: a person may have said that, and something beeps.
const SPOKEN_BY_A_PERSON_MS: u64 = 1_500;
/// A machine beeps soon after its last word.
const BEEP_WITHIN_MS: u64 = 4_000;
/// A pause of this length ends what was said first.
const PAUSE_MS: u64 = 1_200;
/// Whoever has not begun to speak by then is not judged by the length of what they say.
const FIRST_WORD_MS: u64 = 6_000;
/// What is left of an echo after it was last known for one.
const ECHO_TAIL_MS: u64 = 400;
/// A beep later than this belongs to something else.
const LATEST_MS: u64 = 60_000;

/// The first thing that was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum First {
    /// Nobody has spoken.
    Nothing,
    /// It goes on: since then, and until when at least (open: until now).
    Speaking { since: u64, until: Option<u64> },
    /// It is over.
    Over,
}

/// Follows one stream's inbound sound. Places are milliseconds of it.
#[derive(Debug)]
pub struct AnswererEar {
    speech_ms: u64,
    tones: ToneEar,
    first: First,
    /// Speech so far, ms; of the segment that is open, since then.
    spoken: u64,
    open_since: Option<u64>,
    /// Where speech last ended.
    ended_at: u64,
    /// Until there, what was heard was our own voice.
    ours_until: u64,
    verdict: Option<Answerer>,
    beeped: bool,
    /// A key was pressed: by a person, whatever is heard.
    pressed: bool,
}

/// What the ear has come to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Heard {
    /// Who answered, new or corrected.
    Is(Answerer),
    /// A beep has just ended.
    Beep(Tone),
}

impl AnswererEar {
    /// `speech`: a first utterance of this length is a machine's.
    pub fn new(speech: Duration) -> AnswererEar {
        AnswererEar {
            speech_ms: u64::try_from(speech.as_millis()).unwrap_or(u64::MAX),
            tones: ToneEar::default(),
            first: First::Nothing,
            spoken: 0,
            open_since: None,
            ended_at: 0,
            ours_until: 0,
            verdict: None,
            beeped: false,
            pressed: false,
        }
    }

    /// What was heard as speech until there is our own voice, given back by the line: nobody has said it. Told again and
    /// again while it lasts.
    pub fn was_ours(&mut self, until_ms: u64) {
        self.ours_until = until_ms;
        if let Some(since) = &mut self.open_since {
            *since = until_ms;
        }
        if let First::Speaking { since, until: None } = &mut self.first {
            *since = until_ms;
        }
    }

    /// Speech began there.
    pub fn speech_on(&mut self, onset_ms: u64) {
        let onset_ms = onset_ms.max(self.ours_until);
        self.open_since = Some(onset_ms);
        self.first = match self.first {
            First::Nothing if onset_ms <= FIRST_WORD_MS => First::Speaking { since: onset_ms, until: None },
            First::Nothing => First::Over,
            First::Speaking { since, until: Some(until) } if onset_ms < until + PAUSE_MS => {
                First::Speaking { since, until: None }
            }
            First::Speaking { .. } | First::Over => First::Over,
        };
    }

    /// Speech ended there.
    pub fn speech_off(&mut self, end_ms: u64) {
        if self.ours_until > 0 && end_ms < self.ours_until + ECHO_TAIL_MS {
            // The end of an echo: still nobody has spoken.
            self.open_since = None;
            if let First::Speaking { until: None, .. } = self.first {
                self.first = First::Nothing;
            }
            return;
        }
        self.ended_at = end_ms;
        if let Some(since) = self.open_since.take() {
            self.spoken += end_ms.saturating_sub(since);
        }
        if let First::Speaking { since, until: None } = self.first {
            self.first = First::Speaking { since, until: Some(end_ms) };
        }
    }

    /// Takes sound that ends at `now_ms`; tells what is new.
    pub fn sound(&mut self, ulaw: &[u8], now_ms: u64, mut tell: impl FnMut(Heard)) {
        let mut beeps = Vec::new();
        self.tones.push(ulaw, |tone| {
            if BEEP.contains(&tone.hertz) && BEEP_MS.contains(&tone.ms) {
                beeps.push(tone);
            }
        });
        let spoken = self.spoken + self.open_since.map_or(0, |since| now_ms.saturating_sub(since));
        let fax = self.tones.now().is_some_and(|tone| FAX.contains(&tone.hertz) && tone.ms >= FAX_MS);
        if fax && self.told(Answerer::Fax) {
            tell(Heard::Is(Answerer::Fax));
        }
        let enough = if self.verdict == Some(Answerer::Human) { SPOKEN_BY_A_PERSON_MS } else { SPOKEN_MS };
        let ended_at = if self.open_since.is_some() { now_ms } else { self.ended_at };
        for tone in beeps {
            let soon = now_ms.saturating_sub(tone.ms) <= ended_at + BEEP_WITHIN_MS;
            if now_ms <= LATEST_MS && soon && spoken >= enough && !FAX.contains(&tone.hertz) {
                self.beeped = true;
                if self.told(Answerer::Voicemail) {
                    tell(Heard::Is(Answerer::Voicemail));
                }
                tell(Heard::Beep(tone));
            }
        }
        if let First::Speaking { since, until } = self.first {
            let length = until.unwrap_or(now_ms).saturating_sub(since);
            if length >= self.speech_ms {
                self.first = First::Over;
                if self.told(Answerer::Voicemail) {
                    tell(Heard::Is(Answerer::Voicemail));
                }
            } else if until.is_some_and(|until| now_ms >= until + PAUSE_MS) {
                self.first = First::Over;
                if self.verdict.is_none() && self.told(Answerer::Human) {
                    tell(Heard::Is(Answerer::Human));
                }
            }
        }
    }

    /// Whether a beep was heard.
    pub fn has_beeped(&self) -> bool {
        self.beeped
    }

    /// Where speech last ended.
    pub fn ended_at(&self) -> u64 {
        self.ended_at
    }

    /// The callee pressed a key, as no machine does; true if nobody had known them for a person.
    pub fn pressed_a_key(&mut self) -> bool {
        self.pressed = true;
        self.verdict.replace(Answerer::Human) != Some(Answerer::Human)
    }

    /// Takes a verdict, our own or the carrier's; false if it changes nothing. A fax stays one, and a key that was pressed was
    /// pressed by a person.
    pub fn told(&mut self, verdict: Answerer) -> bool {
        let new = self.verdict != Some(verdict) && self.verdict != Some(Answerer::Fax) && !self.pressed;
        if new {
            self.verdict = Some(verdict);
        }
        new
    }
}
