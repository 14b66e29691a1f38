//! WAV files in memory: reading what programs really write, writing one canonical form.
//!
//! Reading walks the chunks itself, because streaming writers (espeak-ng, ffmpeg on a pipe) put lengths into the header
//! that no file has, which strict readers refuse. Everything is bounded by the bytes that are there.

use super::{Pcm, g711, resample};
use crate::base::limits;

/// Sound of several channels on one clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wav {
    /// Samples per second, 8 000 to 48 000.
    pub rate: u32,
    /// Samples by channel, all of the same length; at least one channel.
    pub channels: Vec<Vec<i16>>,
}

/// What a WAV says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// Samples per second.
    pub rate: u32,
    /// Channels, 1 to 8.
    pub channels: u16,
    /// How a sample is written: `16-bit PCM`, `µ-law` …
    pub coding: &'static str,
    /// Bytes of sound by the header, if that is not what is there.
    pub lies: Option<u64>,
    /// Bytes of sound that are there.
    pub found: u64,
}

/// Why bytes are no usable WAV.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WavFault {
    /// No bytes at all.
    #[error("nothing: no bytes at all")]
    Empty,
    /// Something else.
    #[error("not a WAV: it looks like {0}")]
    Other(&'static str),
    /// More than `limits::WAV_BYTES`.
    #[error("{0} bytes are more than a WAV may have here ({max})", max = limits::WAV_BYTES)]
    TooBig(usize),
    /// It ends before its own header says.
    #[error("cut off: the header says {declared} bytes of sound, {found} are there")]
    Cut {
        /// Bytes of sound by the header.
        declared: usize,
        /// Bytes of sound that are there.
        found: usize,
    },
    /// A part of the file is missing or senseless.
    #[error("damaged: {0}")]
    Damaged(&'static str),
    /// A WAV of a kind that is not read here.
    #[error("a WAV of a kind that is not read here: {0}")]
    Kind(String),
    /// Well formed, without one sample.
    #[error("a WAV without sound")]
    NoSound,
}

/// What to do with a file that is shorter than its header says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lengths {
    Believe,
    Repair,
}

/// A declared length from here on is what streaming writers put when they do not know the length.
const STREAMED: usize = 0x7FFF_0000;
/// Channels that are read.
const CHANNELS_MAX: u16 = 8;
/// Length of the header that [`write()`] makes.
pub const HEADER_BYTES: usize = 44;

/// Reads a WAV as mono; several channels are averaged.
///
/// 8, 16, 24, 32-bit integers, 32 and 64-bit floats, µ-law and A-law; 8 000 to 48 000 Hz; at most
/// `limits::WAV_BYTES`. A file shorter than its header says is `Cut`, unless the length is one of those that streaming
/// writers put (0, or 0x7FFF0000 and more): then it is read to the end of what is there.
pub fn read(bytes: &[u8]) -> Result<Pcm, WavFault> {
    let wav = read_channels(bytes)?;
    Ok(mono(wav))
}

/// Reads a WAV with all its channels; otherwise as [`read`].
pub fn read_channels(bytes: &[u8]) -> Result<Wav, WavFault> {
    decode(bytes, Lengths::Believe)
}

/// Reads a WAV with all its channels and says what it is, lengths in its header notwithstanding.
pub fn read_form(bytes: &[u8]) -> Result<(Wav, Form), WavFault> {
    let wav = decode(bytes, Lengths::Repair)?;
    let (format, sound) = chunks(bytes, Lengths::Repair)?;
    let declared = sound_length_by_header(bytes).unwrap_or(0);
    let riff = u64::from(u32_at(bytes, 4)) + 8;
    let found = sound.len() as u64;
    let lies = if declared != found { Some(declared) } else { (riff > bytes.len() as u64).then_some(riff) };
    Ok((wav, Form { rate: format.rate, channels: format.channels, coding: format.coding.name(), lies, found }))
}

/// What the header says about the length of its sound.
fn sound_length_by_header(bytes: &[u8]) -> Option<u64> {
    let mut at = 12;
    while at + 8 <= bytes.len() {
        let declared = u32_at(bytes, at + 4);
        if &bytes[at..at + 4] == b"data" {
            return Some(u64::from(declared));
        }
        at = at.checked_add(8 + declared as usize + (declared as usize & 1))?;
    }
    None
}

/// Reads a WAV whose writer may have died: whatever sound is there counts, whatever the header says.
pub fn read_repaired(bytes: &[u8]) -> Result<Wav, WavFault> {
    decode(bytes, Lengths::Repair)
}

/// 16-bit mono WAV with the plain 44-byte header: the same samples give the same bytes.
pub fn write(pcm: &Pcm) -> Vec<u8> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: pcm.rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut bytes = std::io::Cursor::new(Vec::with_capacity(HEADER_BYTES + pcm.samples.len() * 2));
    let written = hound::WavWriter::new(&mut bytes, spec).and_then(|mut writer| {
        for sample in &pcm.samples {
            writer.write_sample(*sample)?;
        }
        writer.finalize()
    });
    written.expect("writing 16-bit samples to memory cannot fail below 4 GiB");
    bytes.into_inner()
}

/// Header of a WAV file with two channels of 16 bits at 8 000 Hz and `bytes` of sound: of call recordings, whose sound
/// follows piece by piece.
pub fn two_channel_header(bytes: u32) -> [u8; 44] {
    let mut header = [0; 44];
    header[0..4].copy_from_slice(b"RIFF");
    header[4..8].copy_from_slice(&(bytes.saturating_add(36)).to_le_bytes());
    header[8..16].copy_from_slice(b"WAVEfmt ");
    header[16..20].copy_from_slice(&16_u32.to_le_bytes());
    header[20..22].copy_from_slice(&1_u16.to_le_bytes());
    header[22..24].copy_from_slice(&2_u16.to_le_bytes());
    header[24..28].copy_from_slice(&8_000_u32.to_le_bytes());
    header[28..32].copy_from_slice(&32_000_u32.to_le_bytes());
    header[32..34].copy_from_slice(&4_u16.to_le_bytes());
    header[34..36].copy_from_slice(&16_u16.to_le_bytes());
    header[36..40].copy_from_slice(b"data");
    header[40..44].copy_from_slice(&bytes.to_le_bytes());
    header
}

/// All channels as one: their mean.
pub fn mono(wav: Wav) -> Pcm {
    let rate = wav.rate;
    let count = wav.channels.len() as i32;
    let mut channels = wav.channels.into_iter();
    let first = channels.next().unwrap_or_default();
    let rest: Vec<Vec<i16>> = channels.collect();
    let mix = |(i, s): (usize, i16)| {
        let sum = rest.iter().fold(i32::from(s), |sum, channel| sum + i32::from(channel[i]));
        (sum.div_euclid(count)) as i16
    };
    Pcm { samples: if rest.is_empty() { first } else { first.into_iter().enumerate().map(mix).collect() }, rate }
}

#[derive(Clone, Copy)]
enum Coding {
    Int8,
    Int16,
    Int24,
    Int32,
    Float32,
    Float64,
    Ulaw,
    Alaw,
}

impl Coding {
    fn of(tag: u16, bits: u16) -> Option<Coding> {
        match (tag, bits) {
            (1, 8) => Some(Coding::Int8),
            (1, 16) => Some(Coding::Int16),
            (1, 24) => Some(Coding::Int24),
            (1, 32) => Some(Coding::Int32),
            (3, 32) => Some(Coding::Float32),
            (3, 64) => Some(Coding::Float64),
            (6, 8) => Some(Coding::Alaw),
            (7, 8) => Some(Coding::Ulaw),
            (_, _) => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Coding::Int8 => "8-bit PCM",
            Coding::Int16 => "16-bit PCM",
            Coding::Int24 => "24-bit PCM",
            Coding::Int32 => "32-bit PCM",
            Coding::Float32 => "32-bit float",
            Coding::Float64 => "64-bit float",
            Coding::Ulaw => "µ-law",
            Coding::Alaw => "A-law",
        }
    }

    fn bytes(self) -> usize {
        match self {
            Coding::Int8 | Coding::Ulaw | Coding::Alaw => 1,
            Coding::Int16 => 2,
            Coding::Int24 => 3,
            Coding::Int32 | Coding::Float32 => 4,
            Coding::Float64 => 8,
        }
    }

    /// One sample; `b` has [`Coding::bytes`] bytes. More bits than 16 are rounded, floats beyond ±1 clamped.
    fn sample(self, b: &[u8]) -> i16 {
        let rounded =
            |wide: i32, extra: u32| ((i64::from(wide) + (1 << (extra - 1))) >> extra).min(i64::from(i16::MAX)) as i16;
        match self {
            Coding::Int8 => (i16::from(b[0]) - 128) << 8,
            Coding::Int16 => i16::from_le_bytes([b[0], b[1]]),
            Coding::Int24 => rounded(i32::from_le_bytes([0, b[0], b[1], b[2]]), 16),
            Coding::Int32 => rounded(i32::from_le_bytes([b[0], b[1], b[2], b[3]]), 16),
            Coding::Float32 => from_float(f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]]))),
            Coding::Float64 => from_float(f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]])),
            Coding::Ulaw => g711::ulaw_decode(b[0]),
            Coding::Alaw => g711::alaw_decode(b[0]),
        }
    }
}

/// Full scale is ±1; not-a-number becomes silence (`as` turns it into 0).
fn from_float(value: f64) -> i16 {
    libm::round(value * 32_768.0).clamp(-32_768.0, 32_767.0) as i16
}

struct Format {
    coding: Coding,
    channels: u16,
    rate: u32,
}

fn decode(bytes: &[u8], lengths: Lengths) -> Result<Wav, WavFault> {
    if bytes.is_empty() {
        return Err(WavFault::Empty);
    }
    if bytes.len() > limits::WAV_BYTES {
        return Err(WavFault::TooBig(bytes.len()));
    }
    if bytes.len() < 12 || !bytes.starts_with(b"RIFF") || &bytes[8..12] != b"WAVE" {
        return Err(WavFault::Other(likeness(bytes)));
    }
    let (format, sound) = chunks(bytes, lengths)?;
    let frame = format.coding.bytes() * usize::from(format.channels);
    let mut channels = vec![Vec::with_capacity(sound.len() / frame); usize::from(format.channels)];
    for group in sound.chunks_exact(frame) {
        for (channel, b) in channels.iter_mut().zip(group.chunks_exact(format.coding.bytes())) {
            channel.push(format.coding.sample(b));
        }
    }
    if channels[0].is_empty() {
        return Err(WavFault::NoSound);
    }
    Ok(Wav { rate: format.rate, channels })
}

/// Finds the format and the sound, whatever other chunks stand around them.
fn chunks(bytes: &[u8], lengths: Lengths) -> Result<(Format, &[u8]), WavFault> {
    let mut rest = &bytes[12..];
    let mut format = None;
    while rest.len() >= 8 {
        let (id, declared) = (&rest[..4], u32_at(rest, 4) as usize);
        let body = &rest[8..];
        if id == b"data" {
            let format = format.ok_or(WavFault::Damaged("its sound stands before its format"))?;
            let unknown = declared >= STREAMED || (declared == 0 && !body.is_empty());
            if declared <= body.len() && !unknown {
                return Ok((format, &body[..declared]));
            }
            if unknown || lengths == Lengths::Repair {
                return Ok((format, body));
            }
            return Err(WavFault::Cut { declared, found: body.len() });
        }
        let end = declared.min(body.len());
        if id == b"fmt " {
            format = Some(parse_format(&body[..end])?);
        }
        // Chunks begin on even places.
        rest = body.get(end + (declared & 1)..).unwrap_or(&[]);
    }
    Err(if format.is_some() { WavFault::NoSound } else { WavFault::Damaged("it has no format") })
}

fn parse_format(body: &[u8]) -> Result<Format, WavFault> {
    if body.len() < 16 {
        return Err(WavFault::Damaged("its format is cut off"));
    }
    let (tag, channels, rate, bits) = (u16_at(body, 0), u16_at(body, 2), u32_at(body, 4), u16_at(body, 14));
    // The extensible form keeps the real tag in the first two bytes of its GUID.
    let tag = if tag == 0xFFFE && body.len() >= 26 { u16_at(body, 24) } else { tag };
    if !(resample::RATE_MIN..=resample::RATE_MAX).contains(&rate) {
        return Err(WavFault::Kind(format!("{rate} Hz, and not 8000 to 48000")));
    }
    if !(1..=CHANNELS_MAX).contains(&channels) {
        return Err(WavFault::Kind(format!("{channels} channels, and not 1 to {CHANNELS_MAX}")));
    }
    let coding = Coding::of(tag, bits).ok_or_else(|| WavFault::Kind(format!("format {tag} with {bits} bits")))?;
    Ok(Format { coding, channels, rate })
}

/// Little-endian numbers at a place that the caller has checked.
fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// What bytes that were to be raw PCM look like, if they are plainly something else.
///
/// Sound may begin with any byte, so only the marks of container formats and bytes that are all text count: silence
/// just below zero begins like MP3, and a sample of 60 like XML.
pub fn not_raw(bytes: &[u8]) -> Option<&'static str> {
    let head = &bytes[..bytes.len().min(512)];
    let container = [&b"RIFF"[..], b"ID3", b"OggS", b"fLaC"].iter().any(|magic| head.starts_with(magic));
    // A character may be cut at the end of the head.
    let whole = match std::str::from_utf8(head) {
        Ok(text) => Some(text),
        Err(fault) if fault.error_len().is_none() => std::str::from_utf8(&head[..fault.valid_up_to()]).ok(),
        Err(_) => None,
    };
    let text =
        whole.is_some_and(|text| !text.is_empty() && !text.contains(|c: char| c.is_control() && !c.is_whitespace()));
    (container || text).then(|| likeness(bytes))
}

/// What bytes that are no WAV look like, for the person who must find out why.
fn likeness(bytes: &[u8]) -> &'static str {
    let head = &bytes[..bytes.len().min(512)];
    let text = String::from_utf8_lossy(head).trim_start().to_ascii_lowercase();
    let starts = |magic: &[u8]| head.starts_with(magic);
    if starts(b"RIFF") || starts(b"RF64") {
        "the beginning of a RIFF file, cut off or of another kind"
    } else if text.starts_with("<!doctype") || text.starts_with("<html") || text.contains("<body") {
        "an HTML page"
    } else if text.starts_with("<?xml") || text.starts_with('<') {
        "XML"
    } else if text.starts_with('{') || text.starts_with('[') {
        "JSON"
    } else if starts(b"ID3") || (head.len() > 1 && head[0] == 0xFF && head[1] & 0xE0 == 0xE0) {
        "MP3"
    } else if starts(b"OggS") {
        "Ogg"
    } else if starts(b"fLaC") {
        "FLAC"
    } else if starts(&[0x1F, 0x8B]) {
        "gzip"
    } else if !head.contains(&0) && std::str::from_utf8(head).is_ok() {
        "text"
    } else {
        "unknown bytes (raw PCM needs its rate told)"
    }
}

#[cfg(test)]
#[path = "wav_tests.rs"]
mod tests;
