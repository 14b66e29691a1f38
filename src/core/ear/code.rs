//! The codes of findings. They are a promise: scripts and CI branch on them, so they only grow.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::base::Exit;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// A caller may hear it; somebody should listen.
    Warning,
    /// A caller will hear it, or hears nothing.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        })
    }
}

impl FromStr for Severity {
    type Err = String;
    fn from_str(word: &str) -> Result<Severity, String> {
        let all = [Severity::Note, Severity::Warning, Severity::Error];
        let found = all.into_iter().find(|it| it.to_string() == word);
        found.ok_or_else(|| format!("`{word}` is none of note, warning, error"))
    }
}

/// Code, its word, its severity, the unit of its figures, and its meaning in one sentence.
macro_rules! codes {
    ($($code:ident $word:literal $severity:ident $unit:literal $what:literal)*) => {
        /// What kind of thing is wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $what] $code,)*
        }

        impl Code {
            /// Every code, in the order of this file.
            pub const ALL: &'static [Code] = &[$(Code::$code),*];

            /// Its stable word.
            pub fn word(self) -> &'static str {
                match self { $(Code::$code => $word),* }
            }

            /// How bad it is.
            pub fn severity(self) -> Severity {
                match self { $(Code::$code => Severity::$severity),* }
            }

            /// The unit of what is measured; empty = it has no figure, or a bare count.
            pub fn unit(self) -> &'static str {
                match self { $(Code::$code => $unit),* }
            }

            /// What it means.
            pub fn meaning(self) -> &'static str {
                match self { $(Code::$code => $what),* }
            }
        }
    };
}

codes! {
    NeverRendered "never-rendered" Error "" "A phrase is written, but was never rendered."
    Missing "missing" Error "" "The lock names an asset whose audio is not there."
    HashMismatch "hash-mismatch" Error "" "The audio is not the bytes that were recorded or locked."
    Unreadable "unreadable" Error "" "The file cannot be read: it is no plain file, too long, or the system refuses."
    Stale "stale" Error "" "Text, voice, model, settings, lexicon, rate or pipeline changed since it was rendered."
    Extra "extra" Warning "" "The lock has a phrase that is not written any more."
    Undecodable "undecodable" Error "" "The file is no WAV that can be read."
    HeaderLies "header-lies" Error "bytes" "The header names another length than the file has."
    WrongRate "wrong-rate" Error "Hz" "The sample rate is not the wanted one."
    WrongChannels "wrong-channels" Error "channels" "It is not mono."
    WrongCodec "wrong-codec" Error "" "Another coding than the name or the place asks for, such as an MP3 called .wav."
    Empty "empty" Error "" "A file without a single sample."
    Silent "silent" Error "" "Nothing in it is loud enough to be speech."
    LeadingSilence "leading-silence" Error "ms" "Every call would start with silence."
    TrailingSilence "trailing-silence" Warning "ms" "Whatever follows comes late."
    Gap "gap" Error "ms" "A hole between two words."
    Clipping "clipping" Error "places" "Flat tops: samples at full scale in a row."
    TruePeak "true-peak" Error "dBov" "Peaks that a telephone line would clip."
    DcOffset "dc-offset" Warning "% of full scale" "The wave does not swing around zero: clicks at both ends, less room for the voice."
    Level "level" Error "dBov" "Active speech level (ITU-T P.56) outside its window."
    TooShort "too-short" Error "ms" "Too short for its text: a part is missing."
    TooLong "too-long" Error "ms" "Too long for its text, or for any phrase."
    CutOff "cut-off" Error "dBov" "It ends in full voice: cut off in a word."
    Click "click" Warning "places" "Clicks: jumps of the wave that no voice makes."
    Hum "hum" Warning "dBov" "The hum of the mains (50 or 60 Hz) under the voice."
    Duplicate "duplicate" Error "" "The same audio stands under two different texts or names."
    WrongWords "wrong-words" Error "% of words" "What is heard is not what is written."
    WrongLanguage "wrong-language" Error "" "It is spoken in another language than it is written in."
}

impl Code {
    /// The exit code that a finding of this kind calls for when it counts.
    pub fn exit(self) -> Exit {
        match self {
            Code::NeverRendered | Code::Missing | Code::HashMismatch | Code::Unreadable => Exit::Asset,
            _ => Exit::Findings,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Code {
    type Err = String;
    fn from_str(word: &str) -> Result<Code, String> {
        Code::ALL.iter().copied().find(|code| code.word() == word).ok_or_else(|| format!("no code `{word}`"))
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Code, D::Error> {
        let word = String::deserialize(deserializer)?;
        word.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_words_that_read_back() {
        for code in Code::ALL {
            assert_eq!(code.word().parse(), Ok(*code));
            assert!(code.word().bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{code}");
            assert!(code.meaning().ends_with('.'), "{code}");
            assert_eq!(Code::ALL.iter().filter(|other| other.word() == code.word()).count(), 1);
        }
        assert!(Severity::Error > Severity::Warning && Severity::Warning > Severity::Note);
    }

    #[test]
    fn what_cannot_be_played_is_stronger_than_what_sounds_bad() {
        assert_eq!(Code::Missing.exit(), Exit::Asset);
        assert_eq!(Code::Hum.exit(), Exit::Findings);
    }
}
