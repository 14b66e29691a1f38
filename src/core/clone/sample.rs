//! Whether a file is a sample that a voice can be made of: sound, long enough, not too long, not silent.

use super::mp3;
use crate::base::limits;
use crate::core::asset::Digest;
use crate::core::config::CloneProvider;
use crate::core::sound::{active_level_dbov, wav};

/// What a sample is coded as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleForm {
    /// WAV, 16-bit mono.
    Wav,
    /// MP3.
    Mp3,
}

impl SampleForm {
    /// The end of its file name.
    pub fn extension(self) -> &'static str {
        match self {
            SampleForm::Wav => "wav",
            SampleForm::Mp3 => "mp3",
        }
    }

    /// Its media type.
    pub fn mime(self) -> &'static str {
        match self {
            SampleForm::Wav => "audio/wav",
            SampleForm::Mp3 => "audio/mpeg",
        }
    }
}

/// A sample as it leaves the house: nothing but sound, without the tags of its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Their coding.
    pub form: SampleForm,
    /// Length, ms.
    pub length_ms: u64,
    /// SHA-256 of the bytes, hexadecimal.
    pub hash: String,
}

/// Why a file is no sample.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SampleFault {
    /// Neither WAV nor MP3.
    #[error("it is neither WAV nor MP3{0}")]
    NotAudio(String),
    /// Too short.
    #[error("{has_ms} ms of sound: {least_ms} ms are needed")]
    Short {
        /// It has, ms.
        has_ms: u64,
        /// It needs, ms.
        least_ms: u64,
    },
    /// Too long.
    #[error("{has_ms} ms of sound: more than {most_ms} ms makes a clone worse, or is refused")]
    Long {
        /// It has, ms.
        has_ms: u64,
        /// It may have, ms.
        most_ms: u64,
    },
    /// Too large.
    #[error("{has} bytes: the service takes {most}; cut it, or give it as MP3")]
    Large {
        /// It has, bytes.
        has: usize,
        /// It may have, bytes.
        most: usize,
    },
    /// Nobody speaks in it.
    #[error("nobody speaks in it: it is silence")]
    Silent,
    /// Hardly audible.
    #[error("it is too faint: {dbov} dBov of speech")]
    Faint {
        /// Level of its speech, dBov, rounded.
        dbov: i32,
    },
}

/// What a service takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// At least so long, ms.
    pub least_ms: u64,
    /// At most so long, ms.
    pub most_ms: u64,
    /// At most so many bytes.
    pub most_bytes: usize,
}

impl Wanted {
    /// What each service takes. ElevenLabs: one to two minutes are best, more than three may hurt; under ten seconds, a
    /// clone is nobody's. OpenAI: thirty seconds at most. Gemini's bounds are not published.
    pub fn by(provider: CloneProvider) -> Wanted {
        let (least_ms, most_ms) = match provider {
            CloneProvider::ElevenLabs => (10_000, 300_000),
            CloneProvider::OpenAi => (5_000, 30_000),
            CloneProvider::Gemini => (5_000, 60_000),
        };
        Wanted { least_ms, most_ms, most_bytes: limits::CLONE_SAMPLE_BYTES }
    }

    /// What is taken of the recording of a consent: the same, but a sentence is enough.
    pub fn consent(self) -> Wanted {
        Wanted { least_ms: 1_000, ..self }
    }
}

/// Active speech level under which nothing of a voice is left, dBov.
const FAINT_DBOV: f32 = -50.0;

/// Checks a file, and takes the sound out of it.
///
/// WAV is decoded, measured and written anew as 16-bit mono; of MP3 the frames are taken as they are, so that its length
/// is known and its silence is not.
pub fn check(bytes: &[u8], wanted: Wanted) -> Result<Sample, SampleFault> {
    let (bytes, form, length_ms) = if bytes.starts_with(b"RIFF") {
        let pcm = wav::read(bytes).map_err(|fault| SampleFault::NotAudio(format!(": {fault}")))?;
        length(pcm.duration_ms(), wanted)?;
        let level = active_level_dbov(&pcm.samples, pcm.rate).map_err(|_| SampleFault::Silent)?;
        if level < FAINT_DBOV {
            return Err(SampleFault::Faint { dbov: level.round() as i32 });
        }
        (wav::write(&pcm), SampleForm::Wav, pcm.duration_ms())
    } else {
        let not =
            || SampleFault::NotAudio(wav::not_raw(bytes).map_or(String::new(), |it| format!(": it looks like {it}")));
        let found = mp3::frames(bytes).ok_or_else(not)?;
        length(found.length_ms, wanted)?;
        (bytes[found.start..found.end].to_vec(), SampleForm::Mp3, found.length_ms)
    };
    if bytes.len() > wanted.most_bytes {
        return Err(SampleFault::Large { has: bytes.len(), most: wanted.most_bytes });
    }
    let hash = Digest::of(&bytes).as_str().to_owned();
    Ok(Sample { bytes, form, length_ms, hash })
}

fn length(has_ms: u64, wanted: Wanted) -> Result<(), SampleFault> {
    if has_ms < wanted.least_ms {
        return Err(SampleFault::Short { has_ms, least_ms: wanted.least_ms });
    }
    if has_ms > wanted.most_ms {
        return Err(SampleFault::Long { has_ms, most_ms: wanted.most_ms });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::mp3::testing::mp3;
    use super::*;
    use crate::core::sound::Pcm;
    use crate::core::sound::testing::sine;

    const WANTED: Wanted = Wanted { least_ms: 10_000, most_ms: 60_000, most_bytes: 1_000_000 };

    fn tone(seconds: f64, amplitude: i16) -> Vec<u8> {
        wav::write(&sine(8_000, 400.0, seconds, amplitude))
    }

    fn fault(bytes: &[u8]) -> SampleFault {
        check(bytes, WANTED).expect_err("no sample")
    }

    #[test]
    fn a_sample_is_taken_as_sound_alone_and_has_one_hash() {
        let plain = check(&tone(20.0, 9_000), WANTED).expect("a sample");
        assert_eq!((plain.form, plain.length_ms), (SampleForm::Wav, 20_000));
        // The same sound with a note in its file, as recorders leave them.
        let mut noted = tone(20.0, 9_000);
        noted.extend(b"LIST\x1a\0\0\0INFOINAM\x0e\0\0\0+359888123456\0");
        let size = u32::try_from(noted.len() - 8).expect("small").to_le_bytes();
        noted[4..8].copy_from_slice(&size);
        let noted = check(&noted, WANTED).expect("a sample");
        assert_eq!(noted, plain);
        let tagged = [b"ID3\x04\0\0\0\0\x00\x0d".as_slice(), b"+359888123456", &mp3(20)].concat();
        let song = check(&tagged, WANTED).expect("a sample");
        assert_eq!((song.form, song.bytes.starts_with(&[0xff, 0xfb])), (SampleForm::Mp3, true));
        assert!(!song.bytes.windows(6).any(|it| it == b"888123"));
    }

    #[test]
    fn what_is_not_fit_is_refused_with_its_reason() {
        assert!(matches!(fault(b"<!DOCTYPE html><html>"), SampleFault::NotAudio(_)));
        assert!(matches!(fault(b""), SampleFault::NotAudio(_)));
        assert!(matches!(fault(&tone(20.0, 9_000)[..100]), SampleFault::NotAudio(_)), "a cut header");
        assert!(matches!(fault(b"OggS, and more"), SampleFault::NotAudio(_)));
        assert_eq!(fault(&tone(9.0, 9_000)), SampleFault::Short { has_ms: 9_000, least_ms: 10_000 });
        assert_eq!(fault(&tone(61.0, 9_000)), SampleFault::Long { has_ms: 61_000, most_ms: 60_000 });
        assert_eq!(
            fault(&wav::write(&sine(48_000, 400.0, 30.0, 9_000))),
            SampleFault::Large { has: 2_880_044, most: 1_000_000 }
        );
        assert_eq!(fault(&wav::write(&Pcm { samples: vec![0; 160_000], rate: 8_000 })), SampleFault::Silent);
        assert!(matches!(fault(&tone(20.0, 60)), SampleFault::Faint { .. } | SampleFault::Silent));
        assert!(
            matches!(fault(&mp3(3)), SampleFault::Short { .. }) && matches!(fault(&mp3(70)), SampleFault::Long { .. })
        );
    }

    #[test]
    fn bytes_that_are_changed_or_cut_anywhere_are_refused_or_taken_and_never_break_it() {
        let mut state = 0x2545_F491_4F6C_DD1Du64;
        let mut next = move |most: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % most
        };
        let tagged = [b"ID3\x04\0\0\0\0\x00\x0d".as_slice(), b"+359888123456", &mp3(12)].concat();
        for whole in [tone(11.0, 9_000)[..20_000].to_vec(), tone(11.0, 9_000), mp3(12), tagged] {
            for _ in 0..60 {
                let mut bytes = whole.clone();
                for _ in 0..=next(4) {
                    // Where headers are, most often.
                    let at = if next(2) == 0 { next(64) } else { next(bytes.len()) };
                    bytes[at] = next(256) as u8;
                }
                bytes.truncate(bytes.len() - next(3) * next(2_000));
                if let Ok(sample) = check(&bytes, WANTED) {
                    assert!((WANTED.least_ms..=WANTED.most_ms).contains(&sample.length_ms));
                    assert!(
                        sample.bytes.len() <= WANTED.most_bytes && !sample.bytes.windows(6).any(|it| it == b"888123")
                    );
                }
            }
        }
    }
}
