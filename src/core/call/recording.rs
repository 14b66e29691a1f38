//! A carrier's recording after its call: when it is asked about again, and whether what came is whole.

use std::time::Duration;

use crate::base::{Wall, limits};
use crate::core::wire::recordings::RecordingState;

/// What becomes of a recording that was asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It lies in the call's folder.
    Fetched,
    /// There is none, and why.
    Missing(String),
    /// Asked again then.
    Later(Wall),
}

/// What a recording's state comes to; `None`: it can be fetched. `begun`: when the carrier was asked to record.
pub fn end_of(state: RecordingState, begun: Wall, now: Wall) -> Option<End> {
    match state {
        RecordingState::Ready => None,
        RecordingState::Absent(code) => Some(End::Missing(why_absent(code))),
        RecordingState::Pending => Some(later(begun, now, "not ready after a day")),
    }
}

/// Asked again, or given up for this reason.
pub fn later(begun: Wall, now: Wall, given_up: &str) -> End {
    ask_again(begun, now).map_or_else(|| End::Missing(given_up.to_owned()), End::Later)
}

/// Why there is no recording, in words.
fn why_absent(code: Option<i64>) -> String {
    match code {
        Some(16_101) => "too short (code 16101)".to_owned(),
        Some(16_102) => "silent (code 16102)".to_owned(),
        Some(code) => format!("the carrier has none (code {code})"),
        None => "the carrier has none".to_owned(),
    }
}

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
    fn what_is_not_there_is_missing_at_once_and_what_is_not_ready_after_a_day() {
        let (begun, day) = (Wall(0), Wall(24 * 3_600_000));
        assert_eq!(end_of(RecordingState::Ready, begun, day), None);
        assert_eq!(
            end_of(RecordingState::Absent(Some(16_102)), begun, begun),
            Some(End::Missing("silent (code 16102)".to_owned()))
        );
        assert_eq!(end_of(RecordingState::Pending, begun, begun), Some(End::Later(Wall(5_000))));
        assert!(matches!(end_of(RecordingState::Pending, begun, day), Some(End::Missing(_))));
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
