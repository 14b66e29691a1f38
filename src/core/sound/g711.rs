//! G.711: 16-bit samples ↔ one byte, µ-law (America, Japan, every carrier's media stream) and A-law (Europe).
//!
//! The rounding is that of ITU-T G.191's reference: µ-law takes the upper 14 bits, A-law the upper 12, negative samples
//! by one's complement (so −1 is negative zero, µ-law `0x7F`), and the decision levels of G.711's tables. Bit-exact.

const fn ulaw_to_linear(code: u8) -> i16 {
    let inverted = !code;
    let exponent = (inverted >> 4) & 7;
    let step = 8i32 << exponent;
    let magnitude = (0x80i32 << exponent) + step * (inverted & 15) as i32 + step / 2 - 132;
    if code & 0x80 == 0 { -magnitude as i16 } else { magnitude as i16 }
}

const fn alaw_to_linear(code: u8) -> i16 {
    let plain = code ^ 0x55;
    let exponent = (plain >> 4) & 7;
    let mantissa = (plain & 15) as i32;
    let magnitude = match exponent {
        0 => (mantissa << 4) + 8,
        more => (((mantissa + 16) << 4) + 8) << (more - 1),
    };
    if code & 0x80 == 0 { -magnitude as i16 } else { magnitude as i16 }
}

const fn table(law: Law) -> [i16; 256] {
    let mut out = [0; 256];
    let mut code = 0;
    while code < 256 {
        out[code] = match law {
            Law::Mu => ulaw_to_linear(code as u8),
            Law::A => alaw_to_linear(code as u8),
        };
        code += 1;
    }
    out
}

#[derive(Clone, Copy)]
enum Law {
    Mu,
    A,
}

static ULAW: [i16; 256] = table(Law::Mu);
static ALAW: [i16; 256] = table(Law::A);

/// µ-law code of silence (positive zero).
pub const ULAW_SILENCE: u8 = 0xFF;
/// A-law code of the smallest positive step; A-law has no zero.
pub const ALAW_SILENCE: u8 = 0xD5;

/// One µ-law code to a 16-bit sample, ±32 124.
#[inline]
pub fn ulaw_decode(code: u8) -> i16 {
    ULAW[usize::from(code)]
}

/// One A-law code to a 16-bit sample, ±32 256.
#[inline]
pub fn alaw_decode(code: u8) -> i16 {
    ALAW[usize::from(code)]
}

/// One 16-bit sample to its µ-law code.
#[inline]
pub const fn ulaw_encode(sample: i16) -> u8 {
    // One's complement for negative samples: the arithmetic shift yields 0 or −1.
    let magnitude = ((sample ^ (sample >> 15)) >> 2) as u32 + 33;
    let biased = if magnitude > 0x1FFF { 0x1FFF } else { magnitude };
    // `biased` is at least 33, so its top bit is bit 5 (segment 0) to bit 12 (segment 7).
    let segment = 26 - biased.leading_zeros();
    let low = (biased >> (segment + 1)) & 15;
    let code = (((7 - segment) << 4) | (15 - low)) as u8;
    if sample < 0 { code } else { code | 0x80 }
}

/// One 16-bit sample to its A-law code.
#[inline]
pub const fn alaw_encode(sample: i16) -> u8 {
    let magnitude = ((sample ^ (sample >> 15)) >> 4) as u32;
    let code = if magnitude < 32 {
        // Segments 0 and 1 have the same step; bit 4 of the magnitude is the segment's bit.
        magnitude
    } else {
        let shift = 27 - magnitude.leading_zeros();
        ((shift + 1) << 4) | ((magnitude >> shift) & 15)
    };
    let code = code as u8;
    (if sample < 0 { code } else { code | 0x80 }) ^ 0x55
}

/// Samples to µ-law, one byte each.
pub fn encode_ulaw(samples: &[i16]) -> Vec<u8> {
    samples.iter().map(|sample| ulaw_encode(*sample)).collect()
}

/// µ-law bytes to samples.
pub fn decode_ulaw(codes: &[u8]) -> Vec<i16> {
    codes.iter().map(|code| ulaw_decode(*code)).collect()
}

/// Samples to A-law, one byte each.
pub fn encode_alaw(samples: &[i16]) -> Vec<u8> {
    samples.iter().map(|sample| alaw_encode(*sample)).collect()
}

/// A-law bytes to samples.
pub fn decode_alaw(codes: &[u8]) -> Vec<i16> {
    codes.iter().map(|code| alaw_decode(*code)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decision levels of G.711 table 2 (µ-law), 14-bit magnitudes, from the ends of its eight segments.
    fn mu_levels() -> Vec<i32> {
        let ends = [31, 95, 223, 479, 991, 2015, 4063, 8159];
        let mut levels = vec![0];
        let mut at = 1;
        for (segment, end) in ends.into_iter().enumerate() {
            while at < end {
                levels.push(at);
                at += 2 << segment;
            }
            assert_eq!(at, end, "segment {segment} ends on its virtual decision value");
        }
        assert_eq!(levels.len(), 128);
        levels
    }

    /// Decision levels of G.711 table 1 (A-law), as 11-bit magnitudes (the table's values halved).
    fn a_levels() -> Vec<i32> {
        let ends = [32, 64, 128, 256, 512, 1024, 2048];
        let mut levels = Vec::new();
        let mut at = 0;
        for (segment, end) in ends.into_iter().enumerate() {
            while at < end {
                levels.push(at);
                at += 1 << segment;
            }
        }
        assert_eq!(levels.len(), 128);
        levels
    }

    fn interval(levels: &[i32], magnitude: i32) -> usize {
        levels.iter().rposition(|level| *level <= magnitude).expect("the first level is 0")
    }

    #[test]
    fn the_ulaw_encoder_follows_the_itu_decision_levels_for_all_65_536_samples() {
        let levels = mu_levels();
        for sample in i16::MIN..=i16::MAX {
            let wide = i32::from(sample);
            let magnitude = if wide < 0 { (-1 - wide) / 4 } else { wide / 4 };
            let index = interval(&levels, magnitude) as u8;
            let expected = if wide < 0 { 0x7F - index } else { 0xFF - index };
            assert_eq!(ulaw_encode(sample), expected, "{sample}");
        }
    }

    #[test]
    fn the_alaw_encoder_follows_the_itu_decision_levels_for_all_65_536_samples() {
        let levels = a_levels();
        for sample in i16::MIN..=i16::MAX {
            let wide = i32::from(sample);
            let magnitude = if wide < 0 { (-1 - wide) / 16 } else { wide / 16 };
            let index = interval(&levels, magnitude) as u8;
            let expected = if wide < 0 { index ^ 0x55 } else { (index | 0x80) ^ 0x55 };
            assert_eq!(alaw_encode(sample), expected, "{sample}");
        }
    }

    #[test]
    fn every_ulaw_code_decodes_to_the_itu_output_value() {
        // Output values y of table 2 are the middles of their intervals; 14-bit, so four times in 16 bits.
        let levels = mu_levels();
        for index in 0..128usize {
            let next = levels.get(index + 1).copied().unwrap_or(8159);
            let y = if index == 0 { 0 } else { (levels[index] + next) / 2 * 4 } as i16;
            assert_eq!(ulaw_decode(0xFF - index as u8), y, "{index}");
            assert_eq!(ulaw_decode(0x7F - index as u8), -y, "{index}");
        }
        assert_eq!((ulaw_decode(0x80), ulaw_decode(0x00), ulaw_decode(ULAW_SILENCE)), (32_124, -32_124, 0));
    }

    #[test]
    fn every_alaw_code_decodes_to_the_itu_output_value() {
        let levels = a_levels();
        for index in 0..128usize {
            let next = levels.get(index + 1).copied().unwrap_or(2048);
            let y = ((levels[index] + next) * 8) as i16;
            assert_eq!(alaw_decode((index as u8 | 0x80) ^ 0x55), y, "{index}");
            assert_eq!(alaw_decode(index as u8 ^ 0x55), -y, "{index}");
        }
        assert_eq!((alaw_decode(ALAW_SILENCE), alaw_decode(0xAA), alaw_decode(0x2A)), (8, 32_256, -32_256));
    }

    #[test]
    fn a_code_survives_decoding_and_encoding() {
        for code in 0..=255u8 {
            assert_eq!(alaw_encode(alaw_decode(code)), code);
            // Negative zero comes back as positive zero: linear PCM has only one.
            let expected = if code == 0x7F { 0xFF } else { code };
            assert_eq!(ulaw_encode(ulaw_decode(code)), expected);
        }
        let codes: Vec<u8> = (0..=255).collect();
        assert_eq!(encode_alaw(&decode_alaw(&codes)), codes);
        assert_eq!(encode_ulaw(&decode_ulaw(&codes))[0x80..], codes[0x80..]);
    }
}
