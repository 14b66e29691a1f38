//! MP3 by its frames: whether it is one, how long it is, and where tags begin. Nothing is decoded.
//! Source: ISO/IEC 11172-3 and 13818-3, header of an audio frame.

/// What the frames of a file tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frames {
    /// Bytes before the first frame: an ID3v2 tag.
    pub start: usize,
    /// The end of the last whole frame: what follows is a tag, or cut off.
    pub end: usize,
    /// Length of the sound, ms.
    pub length_ms: u64,
}

/// Frames in a row that make a file an MP3: fewer are chance.
const LEAST: u64 = 8;
/// Bytes between an ID3 tag and the first frame that are skipped: padding of careless writers.
const PADDING: usize = 4_096;

/// Finds the frames of a file; `None` = it is no MP3.
pub(super) fn frames(bytes: &[u8]) -> Option<Frames> {
    let mut start = after_tag(bytes);
    let last_start = start.checked_add(PADDING)?;
    while start < last_start.min(bytes.len()) {
        let (end, count, length_us) = walk(bytes, start);
        if count >= LEAST {
            return Some(Frames { start, end, length_ms: length_us / 1_000 });
        }
        start += 1;
    }
    None
}

/// Where an ID3v2 tag ends. Its length is written with seven bits a byte.
fn after_tag(bytes: &[u8]) -> usize {
    match bytes {
        [b'I', b'D', b'3', _, _, _, a, b, c, d, ..] if [a, b, c, d].iter().all(|it| **it < 0x80) => {
            10 + [a, b, c, d].iter().fold(0, |sum, it| sum << 7 | usize::from(**it))
        }
        _ => 0,
    }
}

/// Follows frames from `at`: the end of the last whole one, how many there are, and how long they are in µs.
fn walk(bytes: &[u8], mut at: usize) -> (usize, u64, u64) {
    let (mut count, mut length_us) = (0, 0);
    while let Some((size, us)) = bytes.get(at..at + 4).and_then(frame)
        && at + size <= bytes.len()
    {
        at += size;
        count += 1;
        length_us += us;
    }
    (at, count, length_us)
}

/// Bytes and µs of the frame of layer III with this header.
fn frame(header: &[u8]) -> Option<(usize, u64)> {
    const MPEG1: [usize; 15] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
    const MPEG2: [usize; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
    let [a, b, c, _] = header else { return None };
    if *a != 0xff || b & 0xe0 != 0xe0 || b >> 1 & 3 != 1 {
        return None;
    }
    let (rates, kbps, samples) = match b >> 3 & 3 {
        3 => ([44_100, 48_000, 32_000], MPEG1, 1_152),
        2 => ([22_050, 24_000, 16_000], MPEG2, 576),
        0 => ([11_025, 12_000, 8_000], MPEG2, 576),
        _ => return None,
    };
    let rate = *rates.get(usize::from(c >> 2 & 3))?;
    // A free bit rate (0) is of no use here: its frames have no length.
    let bits = *kbps.get(usize::from(c >> 4)).filter(|kbps| **kbps > 0)? * 1_000;
    let size = samples / 8 * bits / rate + usize::from(c >> 1 & 1);
    Some((size, samples as u64 * 1_000_000 / rate as u64))
}

#[cfg(test)]
pub(super) mod testing {
    /// Frames of 128 kbit/s at 44 100 Hz with nothing in them, about `seconds` long.
    pub fn mp3(seconds: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        for _ in 0..seconds * 44_100 / 1_152 + 1 {
            let frame = bytes.len();
            bytes.extend([0xff, 0xfb, 0x90, 0x64]);
            bytes.resize(frame + 417, 0);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_counted_and_tags_and_cut_ends_are_left_out() {
        let bare = testing::mp3(20);
        let found = frames(&bare).expect("frames");
        assert_eq!((found.start, found.end), (0, bare.len()));
        assert!((20_000..20_100).contains(&found.length_ms), "{}", found.length_ms);
        // A tag of 300 bytes whose title holds a number, an old tag at the end, and half a frame before it.
        let tagged = [b"ID3\x04\0\0\0\0\x02\x2c".as_slice(), &[b'4'; 300], &bare, &bare[..100], b"TAG"].concat();
        let found = frames(&tagged).expect("frames");
        assert_eq!((found.start, found.end), (310, 310 + bare.len()));
    }

    #[test]
    fn other_things_are_no_mp3() {
        let text = b"<!DOCTYPE html>".repeat(1_000);
        for bytes in [&b""[..], &text, &[0xff; 50_000], &[0; 50_000], &testing::mp3(20)[..417 * 4], b"ID3\x7f\x7f\x7f"]
        {
            assert_eq!(frames(bytes), None);
        }
        let far = [b"ID3\x04\0\0\x7f\x7f\x7f\x7f".as_slice(), &testing::mp3(1)].concat();
        assert_eq!(frames(&far), None, "a tag longer than the file");
    }
}
