//! The ear: is this file the phrase that it should be? The same checks at entry and in `cache verify`.
//!
//! It works on the bytes of the file, so nothing between the check and the disk can lie. Thresholds and their reasons
//! are in docs/CACHE.md.

use serde::{Deserialize, Serialize};

use crate::base::Language;
use crate::core::ear::{self, Code, Flaw, Limits, Severity, Text};
use crate::core::sound::Pcm;

/// Bytes of the header that [`crate::core::sound::wav::write`] writes.
const HEADER: usize = 44;

/// What a file should be.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The words.
    pub text: &'a str,
    /// Their language.
    pub language: &'a Language,
    /// Sample rate of the file in Hz.
    pub rate: u32,
}

/// What the ear measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Length in ms.
    pub duration_ms: u64,
    /// Active speech level, dBov.
    pub level_dbov: f32,
    /// Four times oversampled peak, dBov.
    pub true_peak_dbov: f32,
    /// Silence before the first sound, ms.
    pub leading_silence_ms: u64,
    /// Longest silence between two sounds, ms.
    pub longest_gap_ms: u64,
}

/// Checks the bytes of a WAV file that is to enter the shelf. `Err` holds every error found, at least one; warnings
/// are left to [`hear_again`].
pub fn hear(bytes: &[u8], expected: &Expected<'_>) -> Result<Measured, Vec<Flaw>> {
    let heard = judge(bytes, expected, &Limits::ENTRY, None);
    match heard.measured {
        Some(measured) if !has_error(&heard.flaws) => Ok(measured),
        _ => Err(heard.flaws),
    }
}

/// Checks again a file whose hash is the recorded one, with the limits for any file and with warnings; empty = sound.
///
/// All is measured anew but the peak between samples.
pub fn hear_again(bytes: &[u8], expected: &Expected<'_>, recorded: &Measured) -> Vec<Flaw> {
    judge(bytes, expected, &Limits::ANY, Some(recorded.true_peak_dbov)).flaws
}

/// Whether some flaws mean that the sound must be rendered again.
pub fn has_error(flaws: &[Flaw]) -> bool {
    flaws.iter().any(|flaw| flaw.severity() == Severity::Error)
}

fn judge(bytes: &[u8], expected: &Expected<'_>, limits: &Limits, recorded_peak_dbov: Option<f32>) -> ear::Heard {
    match samples(bytes, expected.rate) {
        Ok(pcm) => {
            let text = Text { words: expected.text, language: expected.language };
            ear::judge(&pcm, Some(text), limits, recorded_peak_dbov)
        }
        Err(flaw) => ear::Heard { measured: None, flaws: vec![flaw] },
    }
}

/// Checks an engine's sound before the pipeline fades its end: nothing, silence, clipped, or cut in full voice.
pub fn hear_raw(raw: &Pcm) -> Result<(), Flaw> {
    ear::raw(raw)
}

/// About how long a text is when spoken: letters at the language's pace, digits as words, and pauses.
pub fn estimate_ms(text: &str, language: &Language) -> u64 {
    let letter_ms = match language.primary() {
        "zh" | "ja" | "th" => 220,
        "ko" => 150,
        "he" | "ar" | "fa" => 100,
        _ => 68,
    };
    let mut ms = 150;
    for ch in text.chars() {
        ms += match ch {
            '.' | '!' | '?' | '…' | ':' | ';' => 250,
            ',' => 120,
            _ if ch.is_numeric() => 330,
            _ if unicode_normalization::char::is_combining_mark(ch) => 0,
            _ if ch.is_alphabetic() => letter_ms,
            _ => 0,
        };
    }
    ms
}

/// Decodes exactly the form that the shelf holds: 44-byte header, PCM, mono, 16 bit.
pub fn samples(bytes: &[u8], rate: u32) -> Result<Pcm, Flaw> {
    let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let half = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    let plain = bytes.len() > HEADER
        && &bytes[..4] == b"RIFF"
        && &bytes[8..16] == b"WAVEfmt "
        && &bytes[36..40] == b"data"
        && (half(20), half(22), word(24), half(34)) == (1, 1, rate, 16)
        && word(40) as usize == bytes.len() - HEADER
        && word(4) as usize == bytes.len() - 8
        && bytes.len().is_multiple_of(2);
    if !plain {
        return Err(foreign(bytes, rate));
    }
    let samples = bytes[HEADER..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    Ok(Pcm { samples, rate })
}

/// What is wrong with the form of a file that this program did not write so.
fn foreign(bytes: &[u8], rate: u32) -> Flaw {
    let wanted = ear::file::Form { rates: vec![rate], any_coding: false };
    let (_, flaws) = ear::file::samples("x.wav", bytes, &wanted);
    let other = || Flaw::new(Code::WrongCodec, "not a WAV as this program writes them: render it again");
    flaws.into_iter().next().unwrap_or_else(other)
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
