//! Which chunks are plainly silence, so that the network need not look at them.

/// Level under which a chunk is plainly silent, in dBov (0 = a full-scale square wave).
///
/// Quiet telephone speech lies near −40 dBov, a quiet line near −65 (speech at −40 costs every model a little;
/// nothing was found at −58 that a network calls speech).
pub const SILENT_DBOV: f32 = -58.0;

/// Mean power that [`SILENT_DBOV`] stands for, with samples in ±1.
fn silent_power() -> f32 {
    10.0_f32.powf(SILENT_DBOV / 10.0)
}

/// Whether the chunk (samples in ±1) is plainly silent. A chunk with a loud corner is not: its last 8 ms may be an onset.
pub fn is_silent(chunk: &[f32]) -> bool {
    let quarter = (chunk.len() / 4).max(1);
    chunk.chunks(quarter).all(|part| part.iter().map(|x| x * x).sum::<f32>() / part.len() as f32 <= silent_power())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loud_corner_is_not_silence() {
        let mut chunk = [0.0004_f32; 256];
        assert!(is_silent(&chunk), "-68 dBov");
        chunk[200..].fill(0.004);
        assert!(!is_silent(&chunk));
    }
}
