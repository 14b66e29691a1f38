//! What is heard over our own voice: somebody who wants the line, our own echo, or a hum that only says "go on".
//!
//! Pure, and one for live calls and for replays. A run of chunks over the threshold stops us once it is long enough
//! ([`BargeIn::min_speech`]), unless it is a quiet hum that is not longer than [`BargeIn::back_channel`], too faint for
//! somebody who wants the line, or as alike to what we play as only an echo is.

pub mod echo;

use self::echo::{EchoEar, Likeness};
use crate::core::config::BargeIn;
use crate::core::vad::segment::Unbroken;
use crate::core::vad::{CHUNK_8K, CHUNK_MS};

/// A hum has next to nothing above its lowest tones: power of the differences of neighbouring samples, as a share of the
/// sound's. Voiced words have more as soon as the mouth opens.
const HUM_TILT: f32 = 0.06;
/// Somebody who wants the line is louder than this, dBov.
const HUM_DBOV: f32 = -30.0;
/// What is fainter may be the beginning or the end of anything, dBov.
const FAINT_DBOV: f32 = -45.0;
/// Nobody who wants the line is as faint as that, dBov: what it is may be far away, or an echo.
const FAR_DBOV: f32 = -50.0;

/// What becomes of a chunk that may stop us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing yet.
    Quiet,
    /// So many chunks of speech without a gap: we stop.
    Stop(u64),
    /// So many chunks: long enough, but held back so far.
    Held(Why, u64),
}

/// Why speech did not stop us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It is our own voice, given back, or may be.
    Echo,
    /// It is a short, quiet hum.
    BackChannel,
    /// It is too faint for somebody who wants the line.
    Faint,
}

/// One stream's ear for it. About 12 kB once it has heard anything.
#[derive(Debug, Default)]
pub struct Over {
    echo: EchoEar,
    run: Unbroken,
    /// The run has been a hum so far.
    humming: bool,
    /// … and too faint so far.
    faint: bool,
}

impl Over {
    /// Takes what was played and what was heard at the same time, µ-law, equally long.
    pub fn push(&mut self, us: &[u8], them: &[u8]) {
        self.echo.push(us, them);
    }

    /// The echo's way, as far as it is known.
    pub fn way(&self) -> Option<echo::Way> {
        self.echo.way()
    }

    /// Something else is played: what was counted so far does not stop it.
    pub fn reset(&mut self) {
        self.run.reset();
    }

    /// Takes the next chunk's probability. `nth`: its number from the stream's start; `ours`: something of ours sounds that
    /// may be stopped now.
    pub fn feed(&mut self, probability: f32, nth: u64, ours: bool, settings: &BargeIn) -> Verdict {
        let chunks = self.run.feed(probability, settings.threshold);
        if chunks == 0 || !settings.enabled {
            return Verdict::Quiet;
        }
        let end = (nth + 1) * CHUNK_8K as u64;
        let (hum, faint) = self.quality(end);
        self.humming = (chunks == 1 || self.humming) && hum;
        self.faint = (chunks == 1 || self.faint) && faint;
        let ms = u128::from(chunks * CHUNK_MS);
        if !ours || ms < settings.min_speech.as_millis() {
            return Verdict::Quiet;
        }
        if self.humming && ms < settings.back_channel.as_millis() {
            return Verdict::Held(Why::BackChannel, chunks);
        }
        if self.faint {
            return Verdict::Held(Why::Faint, chunks);
        }
        if !settings.echo {
            return Verdict::Stop(chunks);
        }
        match self.echo.judge(end) {
            Likeness::Other => Verdict::Stop(chunks),
            Likeness::Unsure => Verdict::Held(Why::Echo, chunks),
            Likeness::Echo => {
                // Who speaks into the echo is counted from there.
                self.run.reset();
                Verdict::Held(Why::Echo, chunks)
            }
        }
    }

    /// Whether the chunk before this place (samples) is no more than a hum, and whether it is too faint.
    fn quality(&self, end: u64) -> (bool, bool) {
        let Some(chunk) = self.echo.heard(end) else { return (false, false) };
        let power: f32 = chunk.iter().map(|it| it * it).sum();
        let dbov = 10.0 * (power / CHUNK_8K as f32 + 1e-10).log10();
        let steps: f32 = chunk.windows(2).map(|pair| (pair[1] - pair[0]).powi(2)).sum();
        let hum = dbov <= HUM_DBOV && (steps <= HUM_TILT * power || dbov <= FAINT_DBOV);
        (hum, dbov <= FAR_DBOV)
    }
}

#[cfg(test)]
mod tests;
