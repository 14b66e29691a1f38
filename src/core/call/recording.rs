//! A carrier's recording after its call: when it is asked about again, and whether what came is whole.

use std::time::Duration;

use crate::base::{Wall, limits};

/// When a recording that is not ready, or could not be fetched, is asked about again: the older, the rarer. `None`: it is
/// given up. `begun`: when the carrier was asked to record.
pub fn ask_again(begun: Wall, now: Wall) -> Option<Wall> {
    let age = now.since(begun);
    if age >= limits::RECORDING_GIVEN_UP {
        return None;
    }
    Some(now + (age / 2).clamp(Duration::from_secs(5), Duration::from_secs(3_600)))
}

/// Whether a file is a whole WAV: `head` its first bytes, `length` of all of it. Errors: what is wrong.
pub fn check_wav(head: &[u8], length: u64) -> Result<(), &'static str> {
    if head.len() < 12 || &head[..4] != b"RIFF" || &head[8..12] != b"WAVE" {
        return Err("it is no WAV file");
    }
    let told = u64::from(u32::from_le_bytes([head[4], head[5], head[6], head[7]])) + 8;
    // Odd chunks are padded by some writers and not by others.
    if length + 1 < told { Err("its end is missing") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_asked_for_more_and_more_rarely_for_a_day() {
        let begun = Wall(1_000_000);
        let (mut now, mut asked) = (begun, 0);
        while let Some(next) = ask_again(begun, now) {
            assert!(next > now && next.since(now) <= Duration::from_secs(3_600));
            (now, asked) = (next, asked + 1);
        }
        assert!(now.since(begun) >= limits::RECORDING_GIVEN_UP, "{now:?}");
        assert!((30..60).contains(&asked), "{asked}");
    }

    #[test]
    fn a_cut_file_is_not_whole() {
        let mut whole = b"RIFF\x2c\0\0\0WAVE".to_vec();
        whole.resize(52, 0);
        assert_eq!(check_wav(&whole, 52), Ok(()));
        assert!(check_wav(&whole, 40).is_err());
        assert!(check_wav(b"<html>not found", 15).is_err());
    }
}
