//! `[machine]` of a campaign: what happens when no person answers.

use std::time::Duration;

use serde::Deserialize;

use super::typed::Span;

/// How machines are told from people, and what becomes of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machines {
    /// Who listens.
    pub detect: Detect,
    /// A first utterance of this length is a machine's. Default 4 s, 1.5 s to 15 s.
    pub speech: Duration,
    /// What a voicemail gets.
    pub voicemail: OnVoicemail,
    /// What a call screener gets.
    pub screening: OnScreening,
    /// A name of `[transcribers.NAME]`: puts a machine's first words down while the call goes on, so that a screener, a
    /// voicemail and a menu are told apart by what they say; `None` = by sound alone.
    pub words: Option<String>,
}

/// Who tells a machine from a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Detect {
    /// Our own ear, beside the greeting: costs nothing, works with any carrier.
    #[default]
    Own,
    /// The carrier too, beside the call; it charges for that.
    Both,
    /// Nobody: whoever answers is a person.
    Off,
}

/// What a voicemail gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnVoicemail {
    /// We hang up, and try again later.
    #[default]
    HangUp,
    /// The phrase `voicemail`, after the beep.
    Message,
}

/// What a call screener gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnScreening {
    /// What a voicemail gets.
    #[default]
    HangUp,
    /// The phrase `screening`: who calls, and why. Whoever is put through hears the greeting.
    Line,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TypedMachines {
    detect: Detect,
    speech: Option<Span>,
    voicemail: OnVoicemail,
    screening: OnScreening,
    words: Option<String>,
}

impl TypedMachines {
    /// Errors: the key, and what is wrong with it.
    pub(super) fn check(self) -> Result<Machines, (&'static str, String)> {
        let speech = self.speech.map_or(Duration::from_secs(4), |span| span.0);
        if !(Duration::from_millis(1_500)..=Duration::from_secs(15)).contains(&speech) {
            return Err(("speech", "[machine] speech is 1500ms to 15s: people say shorter first words".to_owned()));
        }
        if self.detect == Detect::Off && self.voicemail == OnVoicemail::Message {
            return Err((
                "voicemail",
                "[machine] detect = \"off\" finds no voicemail to leave a message on".to_owned(),
            ));
        }
        if self.detect == Detect::Off && self.screening == OnScreening::Line {
            return Err(("screening", "[machine] detect = \"off\" finds no call screener to answer".to_owned()));
        }
        let stays = self.voicemail == OnVoicemail::Message || self.screening == OnScreening::Line;
        if self.words.is_some() && !stays {
            return Err((
                "words",
                "[machine] words needs voicemail = \"message\" or screening = \"line\": nobody else stays to hear them"
                    .to_owned(),
            ));
        }
        Ok(Machines {
            detect: self.detect,
            speech,
            voicemail: self.voicemail,
            screening: self.screening,
            words: self.words,
        })
    }
}
