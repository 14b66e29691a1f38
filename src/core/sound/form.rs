//! The forms of sound that telephone systems keep on their disks.

use super::g722;
use super::resample::resample;
use super::{Pcm, SoundFault, encode_alaw, encode_ulaw, wav};

/// A form of a sound file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileForm {
    /// WAV, 16-bit mono, at the asset's own rate.
    Wav,
    /// Headerless 16-bit little-endian PCM at the asset's own rate.
    Raw,
    /// Headerless µ-law, 8 kHz.
    Ulaw,
    /// Headerless A-law, 8 kHz.
    Alaw,
    /// Asterisk's signed linear, 8 kHz.
    Sln,
    /// The same at 16 kHz.
    Sln16,
    /// Headerless G.722, 64 kbit/s.
    G722,
}

impl FileForm {
    /// The ending of its files' names.
    pub fn ending(self) -> &'static str {
        match self {
            FileForm::Wav => "wav",
            FileForm::Raw => "raw",
            FileForm::Ulaw => "ulaw",
            FileForm::Alaw => "alaw",
            FileForm::Sln => "sln",
            FileForm::Sln16 => "sln16",
            FileForm::G722 => "g722",
        }
    }

    /// The rate that it asks for, Hz; `None` = the sound's own.
    fn rate(self) -> Option<u32> {
        match self {
            FileForm::Wav | FileForm::Raw => None,
            FileForm::Ulaw | FileForm::Alaw | FileForm::Sln => Some(8_000),
            FileForm::Sln16 | FileForm::G722 => Some(16_000),
        }
    }

    /// The bytes of a file of this form.
    pub fn bytes(self, pcm: &Pcm) -> Result<Vec<u8>, SoundFault> {
        let at_rate;
        let pcm = match self.rate() {
            Some(rate) if rate != pcm.rate => {
                at_rate = resample(pcm, rate)?;
                &at_rate
            }
            Some(_) | None => pcm,
        };
        Ok(match self {
            FileForm::Wav => wav::write(pcm),
            FileForm::Raw | FileForm::Sln | FileForm::Sln16 => {
                pcm.samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
            }
            FileForm::Ulaw => encode_ulaw(&pcm.samples),
            FileForm::Alaw => encode_alaw(&pcm.samples),
            FileForm::G722 => g722::encode(&pcm.samples),
        })
    }
}
