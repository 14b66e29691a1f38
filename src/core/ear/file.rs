//! From the bytes of any file to samples, with what is wrong about its form.

use super::{Code, Flaw};
use crate::core::sound::wav::{self, WavFault};
use crate::core::sound::{Pcm, g711, g722};

/// The form that a file should have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// Sample rates that are good, Hz; empty = any from 8 000 to 48 000.
    pub rates: Vec<u32>,
    /// Whether other codings than 16-bit PCM, and several channels, are good too.
    pub any_coding: bool,
}

impl Form {
    /// What telephones take: 8 or 16 kHz, mono, 16 bit.
    pub fn telephone() -> Form {
        Form { rates: vec![8_000, 16_000], any_coding: false }
    }
}

/// Endings of names whose files have no header: (ending, rate).
const HEADERLESS: [(&str, u32); 9] = [
    ("g722", 16_000),
    ("ulaw", 8_000),
    ("ul", 8_000),
    ("pcmu", 8_000),
    ("alaw", 8_000),
    ("al", 8_000),
    ("pcma", 8_000),
    ("sln", 8_000),
    ("sln16", 16_000),
];

/// Whether a name has the ending of a sound file that [`samples`] reads.
pub fn is_sound(name: &str) -> bool {
    let ending = ending(name);
    ending == "wav" || HEADERLESS.iter().any(|(it, _)| *it == ending)
}

fn ending(name: &str) -> String {
    name.rsplit_once('.').map_or(String::new(), |(_, ending)| ending.to_ascii_lowercase())
}

/// The samples of a file, mono, and the flaws of its form; without samples, at least one flaw.
///
/// `name` tells by its ending how a file without header is coded; everything else is taken for a WAV.
pub fn samples(name: &str, bytes: &[u8], wanted: &Form) -> (Option<Pcm>, Vec<Flaw>) {
    if bytes.is_empty() {
        return (None, vec![Flaw::new(Code::Empty, "an empty file: not a single byte")]);
    }
    let ending = ending(name);
    let Some((_, rate)) = HEADERLESS.iter().find(|(it, _)| *it == ending) else { return of_wav(bytes, wanted) };
    if let Some(likeness) = wav::not_raw(bytes) {
        return (None, vec![Flaw::new(Code::WrongCodec, format!("named .{ending}, but it looks like {likeness}"))]);
    }
    let samples = match ending.as_str() {
        "ulaw" | "ul" | "pcmu" => g711::decode_ulaw(bytes),
        "alaw" | "al" | "pcma" => g711::decode_alaw(bytes),
        "g722" => g722::decode(bytes),
        _ if !bytes.len().is_multiple_of(2) => {
            let message = format!("{} bytes are no whole number of 16-bit samples: cut off", bytes.len());
            return (None, vec![Flaw::new(Code::Undecodable, message)]);
        }
        _ => bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect(),
    };
    (Some(Pcm { samples, rate: *rate }), rate_flaw(*rate, wanted).into_iter().collect())
}

fn of_wav(bytes: &[u8], wanted: &Form) -> (Option<Pcm>, Vec<Flaw>) {
    let (wav, form) = match wav::read_form(bytes) {
        Ok(read) => read,
        Err(fault) => return (None, vec![flaw_of(&fault)]),
    };
    let mut flaws = Vec::new();
    if let Some(told) = form.lies {
        let message =
            format!("the header says {told} bytes of sound, the file has {}: cut off, or badly written", form.found);
        flaws.push(Flaw::beyond(Code::HeaderLies, told as f64, form.found as f64, message));
    }
    flaws.extend(rate_flaw(form.rate, wanted));
    if !wanted.any_coding && form.channels != 1 {
        let message = format!("{} channels instead of one", form.channels);
        flaws.push(Flaw::beyond(Code::WrongChannels, f64::from(form.channels), 1.0, message));
    }
    if !wanted.any_coding && form.coding != "16-bit PCM" {
        flaws.push(Flaw::new(Code::WrongCodec, format!("{} instead of 16-bit PCM", form.coding)));
    }
    (Some(wav::mono(wav)), flaws)
}

fn rate_flaw(rate: u32, wanted: &Form) -> Option<Flaw> {
    let best = wanted.rates.first().copied().filter(|_| !wanted.rates.contains(&rate))?;
    let good: Vec<String> = wanted.rates.iter().map(ToString::to_string).collect();
    let message = format!("{rate} Hz instead of {}", good.join(" or "));
    Some(Flaw::beyond(Code::WrongRate, f64::from(rate), f64::from(best), message))
}

fn flaw_of(fault: &WavFault) -> Flaw {
    let code = match fault {
        WavFault::Empty | WavFault::NoSound => Code::Empty,
        WavFault::Other("MP3" | "Ogg" | "FLAC") => Code::WrongCodec,
        WavFault::Other(_) | WavFault::Damaged(_) => Code::Undecodable,
        WavFault::TooBig(_) => Code::Unreadable,
        WavFault::Cut { .. } => Code::HeaderLies,
        WavFault::Kind(_) => Code::WrongCodec,
    };
    Flaw::new(code, fault.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate: u32) -> Vec<u8> {
        wav::write(&Pcm { samples: (0..rate as usize).map(|n| ((n % 40) as i16 - 20) * 300).collect(), rate })
    }

    fn codes(name: &str, bytes: &[u8]) -> Vec<Code> {
        samples(name, bytes, &Form::telephone()).1.iter().map(|flaw| flaw.code).collect()
    }

    #[test]
    fn each_way_in_which_a_file_is_no_telephone_wav_has_its_code() {
        assert_eq!(codes("a.wav", &tone(8_000)), []);
        assert_eq!(codes("a.wav", &tone(16_000)), []);
        assert_eq!(codes("a.wav", b""), [Code::Empty]);
        assert_eq!(codes("a.wav", &wav::write(&Pcm { samples: vec![], rate: 8_000 })), [Code::Empty]);
        assert_eq!(codes("a.wav", &tone(44_100)), [Code::WrongRate]);
        assert_eq!(codes("a.wav", &[b"ID3\x04\0\0", &[0u8; 600][..]].concat()), [Code::WrongCodec]);
        assert_eq!(codes("a.wav", &[&[0xFF, 0xFB, 0x90, 0x44][..], &[0u8; 600]].concat()), [Code::WrongCodec]);
        assert_eq!(codes("a.wav", b"<html>502"), [Code::Undecodable]);
        assert_eq!(codes("a.wav", &tone(8_000)[..30]), [Code::Undecodable]);
        assert_eq!(codes("a.wav", &tone(8_000)[..9_000]), [Code::HeaderLies]);
        let mut streamed = tone(8_000);
        streamed[40..44].copy_from_slice(&0xFFFF_FFFFu32.to_le_bytes());
        assert_eq!(codes("a.wav", &streamed), [Code::HeaderLies]);
        let mut stereo = tone(8_000);
        (stereo[22], stereo[32]) = (2, 4);
        assert_eq!(codes("a.wav", &stereo), [Code::WrongChannels]);
        assert_eq!(codes("a.ulaw", &tone(8_000)), [Code::WrongCodec]);
        assert_eq!(codes("a.ulaw", &[0xD5; 8_000]), []);
        assert_eq!(codes("a.sln", &[1; 801]), [Code::Undecodable]);
    }

    #[test]
    fn a_lying_header_is_told_with_both_lengths_and_the_sound_is_judged_all_the_same() {
        let (pcm, flaws) = samples("a.wav", &tone(8_000)[..8_044], &Form::telephone());
        assert_eq!(pcm.expect("what is there").samples.len(), 4_000);
        assert_eq!((flaws[0].measured, flaws[0].limit), (Some(16_000.0), Some(8_000.0)));
    }

    #[test]
    fn other_forms_pass_when_they_are_allowed() {
        let any = Form { rates: Vec::new(), any_coding: true };
        assert_eq!(samples("a.wav", &tone(44_100), &any).1, []);
        assert!(is_sound("x/Y.WAV") && is_sound("a.sln16") && !is_sound("a.mp3") && !is_sound("wav"));
    }
}
