//! The ear: is this file the phrase that it should be? The same checks at entry and in `cache verify`.
//!
//! It works on the bytes of the file, so nothing between the check and the disk can lie. Thresholds and their reasons
//! are in docs/CACHE.md.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::base::{Language, limits};
use crate::core::sound::{self, Pcm, level};

/// Active speech level that the pipeline aims at, in dBov.
pub const LEVEL_DBOV: f32 = -26.0;
/// Distance from the aimed level that is let pass, in dB.
const LEVEL_TOLERANCE_DB: f32 = 1.5;
/// The same for phrases under [`SHORT_MS`]: with one word, the level depends on a few windows.
const SHORT_TOLERANCE_DB: f32 = 4.0;
/// Phrases up to this length are short.
const SHORT_MS: u64 = 1_500;
/// Highest true peak, in dBov: the pipeline guards −1, and the measurement itself has a small error.
const PEAK_DBOV: f32 = -0.9;
/// Longest silence before the first sound.
const LEADING_MS: u64 = 60;
/// Longest silence inside. A pause between two sentences is under 1 s in every engine tried.
const GAP_MS: u64 = 2_000;
/// Level of the last moments above which the sound was cut: 12 dB under the speech.
const CUT_DBOV: f32 = -38.0;
/// Samples at full scale in a row that make a clipped peak.
const CLIPPED_RUN: usize = 3;
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

/// Why a file is not the phrase that it should be. The text says what to do next.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EarFault {
    /// Not a mono 16-bit WAV of the right rate, or its header lies.
    Format(String),
    /// No samples at all (a 44-byte WAV).
    Empty,
    /// Nothing to be heard.
    Silent,
    /// Too short for the text: part of it is missing.
    TooShort {
        /// Length of the file, ms.
        ms: u64,
        /// Length that the text suggests, ms.
        estimate_ms: u64,
    },
    /// Too long for the text: something else is spoken too.
    TooLong {
        /// Length of the file, ms.
        ms: u64,
        /// Length that the text suggests, ms.
        estimate_ms: u64,
    },
    /// Louder or softer than the others.
    Level {
        /// Active speech level, dBov.
        dbov: f32,
    },
    /// Peaks that a phone line would clip.
    Peak {
        /// True peak, dBov.
        dbov: f32,
    },
    /// Flat tops: samples at full scale in a row.
    Clipped {
        /// How many such places.
        runs: u32,
    },
    /// Every call would start with silence.
    LeadingSilence {
        /// How long, ms.
        ms: u64,
    },
    /// A hole in the middle.
    Gap {
        /// How long, ms.
        ms: u64,
    },
    /// It ends in full voice: the sound was cut.
    Cut {
        /// Level of the last moments, dBov.
        dbov: f32,
    },
}

impl fmt::Display for EarFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EarFault::Format(why) => write!(f, "{why}; render it again"),
            EarFault::Empty => {
                write!(f, "a WAV without a single sample: the engine gave nothing; try the engine alone")
            }
            EarFault::Silent => write!(f, "only silence: check the engine's voice and the text's language"),
            EarFault::TooShort { ms, estimate_ms } => {
                write!(f, "{ms} ms for a text of about {estimate_ms} ms: part is missing; shorten or split the text")
            }
            EarFault::TooLong { ms, estimate_ms } => {
                write!(f, "{ms} ms for a text of about {estimate_ms} ms: listen to it; the language may be wrong")
            }
            EarFault::Level { dbov } => write!(f, "active level {dbov:.1} dBov instead of −26: render it again"),
            EarFault::Peak { dbov } => write!(f, "true peak {dbov:.1} dBov, over −0.9: render it again"),
            EarFault::Clipped { runs } => write!(f, "clipped in {runs} places: lower the engine's volume"),
            EarFault::LeadingSilence { ms } => write!(f, "begins with {ms} ms of silence: render it again"),
            EarFault::Gap { ms } => write!(f, "{ms} ms of silence inside: split the text into two phrases"),
            EarFault::Cut { dbov } => {
                write!(f, "cut off: still {dbov:.1} dBov at its end; render it again, or shorten the text")
            }
        }
    }
}

/// Checks the bytes of a WAV file. `Err` holds every fault found, at least one.
pub fn hear(bytes: &[u8], expected: &Expected<'_>) -> Result<Measured, Vec<EarFault>> {
    judge(bytes, expected, None)
}

/// Checks again a file whose hash is the recorded one: everything is measured anew but the peak between samples,
/// which costs six times all the rest. The recorded one stands, unless a sample rises above it.
pub fn hear_again(bytes: &[u8], expected: &Expected<'_>, recorded: &Measured) -> Result<Measured, Vec<EarFault>> {
    judge(bytes, expected, Some(recorded.true_peak_dbov))
}

fn judge(bytes: &[u8], expected: &Expected<'_>, recorded_peak: Option<f32>) -> Result<Measured, Vec<EarFault>> {
    let pcm = samples(bytes, expected.rate).map_err(|fault| vec![fault])?;
    let active = level::active_level_dbov(&pcm.samples, pcm.rate).map_err(|_| vec![EarFault::Silent])?;
    let measured = Measured {
        duration_ms: pcm.duration_ms(),
        level_dbov: hundredths(active),
        true_peak_dbov: recorded_peak
            .filter(|peak| sample_peak_dbov(&pcm.samples) <= peak + 0.01)
            .unwrap_or_else(|| hundredths(level::true_peak_dbov(&pcm.samples))),
        leading_silence_ms: sound::leading_silence_ms(&pcm),
        longest_gap_ms: sound::longest_inner_silence_ms(&pcm),
    };
    let mut faults = Vec::new();
    let estimate_ms = estimate_ms(expected.text, expected.language);
    let ms = measured.duration_ms;
    if ms * 10 < estimate_ms * 3 {
        faults.push(EarFault::TooShort { ms, estimate_ms });
    }
    if ms > estimate_ms * 3 || ms > u64::from(limits::ASSET_SECONDS) * 1_000 {
        faults.push(EarFault::TooLong { ms, estimate_ms });
    }
    let tolerance = if ms <= SHORT_MS { SHORT_TOLERANCE_DB } else { LEVEL_TOLERANCE_DB };
    // A phrase with few loud moments is kept below the aim by the guard on its peak: that is no fault.
    let guarded = measured.true_peak_dbov > -1.6 && active < LEVEL_DBOV && active > LEVEL_DBOV - 6.0;
    if (active - LEVEL_DBOV).abs() > tolerance && !guarded {
        faults.push(EarFault::Level { dbov: active });
    }
    if measured.true_peak_dbov > PEAK_DBOV {
        faults.push(EarFault::Peak { dbov: measured.true_peak_dbov });
    }
    let runs = clipped_runs(&pcm.samples);
    if runs > 0 {
        faults.push(EarFault::Clipped { runs });
    }
    if measured.leading_silence_ms > LEADING_MS {
        faults.push(EarFault::LeadingSilence { ms: measured.leading_silence_ms });
    }
    if measured.longest_gap_ms > GAP_MS {
        faults.push(EarFault::Gap { ms: measured.longest_gap_ms });
    }
    faults.extend(cut_end(&pcm, CUT_DBOV));
    if faults.is_empty() { Ok(measured) } else { Err(faults) }
}

/// Checks an engine's sound before the pipeline fades its end: clipped, or cut in full voice.
///
/// The end is compared with the loudness of the whole, since engines differ in level.
pub fn hear_raw(raw: &Pcm) -> Result<(), EarFault> {
    if raw.samples.is_empty() {
        return Err(EarFault::Empty);
    }
    let runs = clipped_runs(&raw.samples);
    // Engines that drive their voice to full scale touch it now and then; a flat top in every second is distortion.
    if u64::from(runs) > 2 * (1 + raw.duration_ms() / 1_000) {
        return Err(EarFault::Clipped { runs });
    }
    let Ok(active) = level::active_level_dbov(&raw.samples, raw.rate) else { return Err(EarFault::Silent) };
    match cut_end(raw, active + CUT_DBOV - LEVEL_DBOV) {
        Some(fault) => Err(fault),
        None => Ok(()),
    }
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
pub fn samples(bytes: &[u8], rate: u32) -> Result<Pcm, EarFault> {
    let fault = |what: String| Err(EarFault::Format(what));
    let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let half = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    if bytes.len() < HEADER || &bytes[..4] != b"RIFF" || &bytes[8..16] != b"WAVEfmt " || &bytes[36..40] != b"data" {
        return fault(format!("not a WAV as this program writes them{}", resemblance(bytes)));
    }
    let (kind, channels, file_rate, bits) = (half(20), half(22), word(24), half(34));
    if (kind, channels, bits) != (1, 1, 16) || file_rate != rate {
        return fault(format!(
            "{channels} channels of {bits} bit at {file_rate} Hz instead of mono 16 bit at {rate} Hz"
        ));
    }
    let sound = &bytes[HEADER..];
    if word(40) as usize != sound.len() || word(4) as usize != bytes.len() - 8 || !sound.len().is_multiple_of(2) {
        return fault(format!("the header says {} bytes of sound, the file has {}", word(40), sound.len()));
    }
    if sound.is_empty() {
        return Err(EarFault::Empty);
    }
    let samples = sound.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    Ok(Pcm { samples, rate })
}

fn resemblance(bytes: &[u8]) -> &'static str {
    let start = bytes.trim_ascii_start();
    match start.first() {
        None => " (it is empty)",
        Some(b'<') => " (it looks like HTML)",
        Some(b'{') => " (it looks like JSON)",
        Some(_) if start.starts_with(b"ID3") || start.starts_with(&[0xff, 0xfb]) => " (it looks like MP3)",
        Some(_) => "",
    }
}

fn hundredths(db: f32) -> f32 {
    libm::roundf(db * 100.0) / 100.0
}

fn sample_peak_dbov(samples: &[i16]) -> f32 {
    let peak = samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0);
    20.0 * libm::log10f(f32::from(peak) / 32_768.0)
}

fn clipped_runs(samples: &[i16]) -> u32 {
    let flat = |run: &&[i16]| run.len() >= CLIPPED_RUN && (run[0] == i16::MAX || run[0] == i16::MIN);
    u32::try_from(samples.chunk_by(|a, b| a == b).filter(flat).count()).unwrap_or(u32::MAX)
}

/// Looks at the 20 ms before the last 10: the last ones are faded by the pipeline whatever they were.
fn cut_end(pcm: &Pcm, limit_dbov: f32) -> Option<EarFault> {
    let ten = (pcm.rate / 100) as usize;
    let end = pcm.samples.len().saturating_sub(ten);
    let dbov = level::rms_dbov(&pcm.samples[end.saturating_sub(2 * ten)..end]);
    if dbov > limit_dbov { Some(EarFault::Cut { dbov }) } else { None }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
