//! How many calls at once the operating system has files for. Pure.

use crate::base::limits;

/// Calls at once that `files` open files allow; 0 if there are not even enough for the program itself.
pub fn calls_within(files: u64) -> usize {
    let spare = files.saturating_sub(limits::FILES_RESERVED);
    usize::try_from(spare / limits::FILES_A_CALL).unwrap_or(usize::MAX).min(limits::STREAMS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_not_there_are_not_promised_to_calls() {
        assert_eq!(calls_within(0), 0);
        assert_eq!(calls_within(limits::FILES_RESERVED), 0);
        assert_eq!(calls_within(limits::FILES_RESERVED + 7 * limits::FILES_A_CALL + 1), 7);
        assert_eq!(calls_within(u64::MAX), limits::STREAMS);
    }
}
