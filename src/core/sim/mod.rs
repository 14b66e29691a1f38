//! What the embedded carrier and its callees do, from a seed and a number. Pure machines: time is an argument.

pub mod call;
pub mod callee;
pub mod fault;
pub mod line;
pub mod oracle;
pub mod rest;
pub mod stream;
pub mod tape;
pub mod telnyx;

/// A generator for one purpose: the same seed and words give the same chance.
pub fn chance(seed: u64, words: &[&str]) -> fastrand::Rng {
    // FNV-1a: stable across versions and platforms, unlike the standard library's hasher.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for word in words {
        for byte in word.bytes().chain([0]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    fastrand::Rng::with_seed(hash)
}
