//! Tests of WAV reading and writing.

use super::*;

fn pcm() -> Pcm {
    Pcm { samples: (-400..400).map(|i| i * 80).collect(), rate: 8_000 }
}

/// A WAV of any format around given sound bytes, with a declared length of its own.
fn file(tag: u16, channels: u16, rate: u32, bits: u16, sound: &[u8], declared: u32) -> Vec<u8> {
    let mut out = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0".to_vec();
    out.extend(tag.to_le_bytes());
    out.extend(channels.to_le_bytes());
    out.extend(rate.to_le_bytes());
    out.extend((rate * u32::from(channels) * u32::from(bits) / 8).to_le_bytes());
    out.extend((channels * bits / 8).to_le_bytes());
    out.extend(bits.to_le_bytes());
    out.extend(b"data");
    out.extend(declared.to_le_bytes());
    out.extend(sound);
    out
}

#[test]
fn what_is_written_is_read_back_by_us_and_by_others() {
    let bytes = write(&pcm());
    assert_eq!((bytes.len(), &bytes[36..40]), (HEADER_BYTES + 1_600, &b"data"[..]));
    assert_eq!(read(&bytes), Ok(pcm()));
    let other = hound::WavReader::new(bytes.as_slice()).expect("a canonical WAV");
    assert_eq!((other.spec().sample_rate, other.spec().channels), (8_000, 1));
    let samples: Vec<i16> = other.into_samples().map(|s| s.expect("whole")).collect();
    assert_eq!(samples, pcm().samples);
    assert_eq!(write(&pcm()), bytes);
}

#[test]
fn every_coding_gives_the_same_sound() {
    let values = [0i16, 1, -1, 1_000, -1_000, 32_767, -32_768];
    let int24: Vec<u8> = values.iter().flat_map(|v| [0, v.to_le_bytes()[0], v.to_le_bytes()[1]]).collect();
    let int32: Vec<u8> = values.iter().flat_map(|v| (i32::from(*v) << 16).to_le_bytes()).collect();
    let float32: Vec<u8> = values.iter().flat_map(|v| (f32::from(*v) / 32_768.0).to_le_bytes()).collect();
    let float64: Vec<u8> = values.iter().flat_map(|v| (f64::from(*v) / 32_768.0).to_le_bytes()).collect();
    for (tag, bits, sound) in [(1, 24, int24), (1, 32, int32), (3, 32, float32), (3, 64, float64)] {
        let read = read(&file(tag, 1, 16_000, bits, &sound, sound.len() as u32)).expect("known coding");
        assert_eq!((read.samples.as_slice(), read.rate), (&values[..], 16_000), "{tag} {bits}");
    }
    let eight = read(&file(1, 1, 8_000, 8, &[0, 128, 255], 3)).expect("known coding");
    assert_eq!(eight.samples, [-32_768, 0, 32_512]);
    let ulaw = read(&file(7, 1, 8_000, 8, &[0xFF, 0x80, 0x00], 3)).expect("known coding");
    assert_eq!(ulaw.samples, [0, 32_124, -32_124]);
    let alaw = read(&file(6, 1, 8_000, 8, &[0xD5], 1)).expect("known coding");
    assert_eq!(alaw.samples, [8]);
    let nan = read(&file(3, 1, 8_000, 32, &f32::NAN.to_le_bytes(), 4)).expect("known coding");
    assert_eq!(nan.samples, [0]);
}

#[test]
fn channels_are_kept_apart_or_averaged() {
    let sound: Vec<u8> = [100i16, 300, -100, -301].iter().flat_map(|v| v.to_le_bytes()).collect();
    let bytes = file(1, 2, 8_000, 16, &sound, 8);
    assert_eq!(read_channels(&bytes).expect("stereo").channels, [vec![100, -100], vec![300, -301]]);
    assert_eq!(read(&bytes).expect("stereo").samples, [200, -201]);
}

#[test]
fn a_streaming_writers_length_is_not_believed() {
    let whole = write(&pcm());
    for lie in [0x7FFF_F000u32, 0xFFFF_FFFF, 0x7FFF_0000, 0] {
        let mut bytes = whole.clone();
        bytes[40..44].copy_from_slice(&lie.to_le_bytes());
        bytes[4..8].copy_from_slice(&0x7FFF_F024u32.to_le_bytes());
        assert_eq!(read(&bytes), Ok(pcm()), "{lie:x}");
    }
}

#[test]
fn a_cut_file_is_refused_unless_it_is_to_be_repaired() {
    let whole = write(&pcm());
    let cut = &whole[..whole.len() - 301];
    assert_eq!(read(cut), Err(WavFault::Cut { declared: 1_600, found: 1_299 }));
    assert_eq!(read_repaired(cut).expect("some sound").channels[0], pcm().samples[..649]);
    for length in 0..HEADER_BYTES + 4 {
        assert!(read(&whole[..length]).is_err(), "{length}");
    }
}

#[test]
fn what_is_no_wav_is_named() {
    let named = |bytes: &[u8]| read(bytes).expect_err("no WAV").to_string();
    assert!(named(b"  <!DOCTYPE html><html>").contains("HTML"));
    assert!(named(b"{\"error\":\"quota\"}").contains("JSON"));
    assert!(named(b"ID3\x04\0\0\0\0").contains("MP3"));
    assert!(named(&[0xFF, 0xFB, 0x90, 0]).contains("MP3"));
    assert!(named(b"").contains("nothing"));
    assert!(named(b"quota exceeded").contains("text"));
    assert!(named(&[0u8; 64]).contains("raw PCM"));
    assert!(matches!(read(&file(85, 1, 8_000, 16, &[0; 8], 8)), Err(WavFault::Kind(_))));
    assert!(matches!(read(&file(1, 0, 8_000, 16, &[0; 8], 8)), Err(WavFault::Kind(_))));
    assert!(matches!(read(&file(1, 1, 4_000_000, 16, &[0; 8], 8)), Err(WavFault::Kind(_))));
    assert_eq!(read(&file(1, 1, 8_000, 16, &[], 0)), Err(WavFault::NoSound));
}

#[test]
fn other_chunks_are_stepped_over_even_odd_ones() {
    let whole = write(&pcm());
    let mut bytes = whole[..12].to_vec();
    bytes.extend(b"LIST\x03\0\0\0abc\0");
    bytes.extend(&whole[12..]);
    bytes.extend(b"id3 \x02\0\0\0zz");
    assert_eq!(read(&bytes), Ok(pcm()));
}

#[test]
fn no_bytes_can_make_the_reader_panic() {
    let mut state = 7u32;
    let whole = write(&pcm());
    for _ in 0..20_000 {
        let mut bytes = whole[..80].to_vec();
        for _ in 0..4 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let place = (state >> 8) as usize % bytes.len();
            bytes[place] = state as u8;
        }
        bytes.truncate((state >> 16) as usize % 81);
        let (strict, lenient) = (read(&bytes), read_repaired(&bytes));
        assert!(strict.is_err() || lenient.is_ok());
    }
}

#[test]
fn raw_sound_may_begin_with_any_byte_and_words_are_no_sound() {
    for first in i16::MIN..=i16::MAX {
        let mut bytes = first.to_le_bytes().to_vec();
        bytes.extend((0..200i16).flat_map(|i| (i * 150 - 9_000).to_le_bytes()));
        assert_eq!(not_raw(&bytes), None, "{first}");
    }
    assert_eq!(not_raw(&write(&pcm())), Some("the beginning of a RIFF file, cut off or of another kind"));
    assert_eq!(not_raw(b"<html>busy</html>"), Some("an HTML page"));
    assert_eq!(not_raw("Грешка".repeat(100).as_bytes()), Some("text"));
}
