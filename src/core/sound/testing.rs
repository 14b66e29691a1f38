//! Synthetic sounds for the tests of this room: fixed arithmetic, no chance.

use sha2::{Digest, Sha256};

use super::Pcm;

/// A sine of `seconds` at `hz`, peak `amplitude`.
pub fn sine(rate: u32, hz: f64, seconds: f64, amplitude: i16) -> Pcm {
    let count = (seconds * f64::from(rate)).ceil() as usize;
    let turn = core::f64::consts::TAU * hz / f64::from(rate);
    let at = |i: usize| libm::round(f64::from(amplitude) * libm::sin(turn * i as f64)) as i16;
    Pcm { samples: (0..count).map(at).collect(), rate }
}

/// White noise from a linear congruential generator.
pub fn noise(rate: u32, count: usize) -> Pcm {
    let mut state = 0x2545_F491_4F6C_DD1Du64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 48) as u16 as i16
    };
    Pcm { samples: (0..count).map(|_| next()).collect(), rate }
}

/// First 16 hex digits of the SHA-256 of the samples, little endian.
pub fn hash(samples: &[i16]) -> String {
    let bytes: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
    Sha256::digest(&bytes).iter().take(8).map(|b| format!("{b:02x}")).collect()
}
