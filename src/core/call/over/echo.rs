//! Our own voice, given back by the line: told from the callee's by its likeness to what we play.
//!
//! Pure. The way round is unknown: through the carrier's buffer, the network, and a telephone's hybrid or its loudspeaker.
//! So the newest sound of the line is compared with ours at every delay up to [`LONGEST_MS`]; where they are as alike as
//! two voices never are, or stay alike at one delay, that is the echo's way, and its delay and loss are remembered. From
//! then on one look there tells, and a callee who is louder than the echo is heard through it.

use crate::core::call::ULAW_SILENCE;
use crate::core::sound::g711;
use crate::core::vad::CHUNK_8K;

/// The longest way round that is looked for, ms.
pub const LONGEST_MS: usize = 700;
/// Sound that is compared: 256 ms, as samples at 8 kHz. In half of it voices of one pitch are alike by chance.
const WINDOW: usize = 2_048;
/// … and at 4 kHz, where the comparing is done: half the samples, half the delays.
const HALF: usize = WINDOW / 2;
/// Delays, in samples at 4 kHz.
const LAGS: usize = LONGEST_MS * 4;
/// Sound that is kept of us and of them, samples: the longest way, the window, and what a verdict may come too late.
const KEPT_US: usize = 8_192;
const KEPT_THEM: usize = 4_096;
/// Share of a sample that is taken off the next: the pitch, which all voices have, counts less.
const EMPHASIS: f32 = 0.9;
/// So alike (correlation) is only an echo, wherever its delay lies.
const SURE: f32 = 0.75;
/// So alike may be one: it is, if the next look finds it at the same delay.
const PERHAPS: f32 = 0.42;
/// At the delay that is known this suffices.
const THERE: f32 = 0.35;
/// Delays beside another that are the same, samples at 4 kHz: 2 ms.
const BESIDE: usize = 8;
/// What is so much over the echo's usual power is not only echo.
const OVER_ECHO: f32 = 4.0;
/// Share of a new measurement in the echo's loss.
const LEARN: f32 = 0.2;

/// Where the echo comes back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Way {
    /// Its delay, in samples at 4 kHz.
    lag: usize,
    /// Its power, as a share of ours.
    gain: f32,
}

impl Way {
    /// Its delay, ms.
    pub fn delay_ms(&self) -> u64 {
        self.lag as u64 / 4
    }

    /// How much quieter it is than what we play, dB.
    pub fn loss_db(&self) -> f32 {
        -10.0 * self.gain.max(1e-9).log10()
    }
}

/// How a sound is like ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Likeness {
    /// It is ours and no more.
    Echo,
    /// The next look will tell.
    Unsure,
    /// Somebody else.
    Other,
}

/// Both sides' last second on one clock, and the echo's way.
#[derive(Debug, Default)]
pub struct EchoEar {
    us: Vec<u8>,
    them: Vec<u8>,
    /// Samples so far, and a window of silence before them.
    place: u64,
    way: Option<Way>,
    /// Delay of what the last look was unsure about, and where that look was.
    perhaps: Option<(usize, u64)>,
}

/// The best of some delays.
#[derive(Debug, Clone, Copy, Default)]
struct Match {
    alike: f32,
    lag: usize,
    /// Power of ours there.
    played: f32,
}

impl EchoEar {
    /// Takes what was played and what was heard at the same time, µ-law, equally long.
    pub fn push(&mut self, us: &[u8], them: &[u8]) {
        if self.us.is_empty() {
            self.us = vec![ULAW_SILENCE; KEPT_US];
            self.them = vec![ULAW_SILENCE; KEPT_THEM];
            // Silence before the answer: an echo of our very first word fills no window.
            self.place = WINDOW as u64;
        }
        for (us, them) in us.iter().zip(them) {
            let at = self.place as usize;
            self.us[at % KEPT_US] = *us;
            self.them[at % KEPT_THEM] = *them;
            self.place += 1;
        }
    }

    /// The echo's way, as far as it is known.
    pub fn way(&self) -> Option<Way> {
        self.way
    }

    /// The chunk before this place (samples), ±1; `None` if it is gone.
    pub fn heard(&self, end: u64) -> Option<[f32; CHUNK_8K]> {
        let start = self.kept(end, CHUNK_8K as u64)?;
        let mut chunk = [0.0; CHUNK_8K];
        for (nth, it) in chunk.iter_mut().enumerate() {
            *it = sample(&self.them, start as usize + nth);
        }
        Some(chunk)
    }

    /// Where a stretch before this place of the stream begins in the rings, if it is still kept.
    fn kept(&self, end: u64, length: u64) -> Option<u64> {
        let (oldest, end) = (self.place.saturating_sub(KEPT_THEM as u64), end + WINDOW as u64);
        end.checked_sub(length).filter(|start| *start >= oldest && end <= self.place)
    }

    /// How what was heard before this place (samples) is like ours. Asked of sound that would stop us, chunk by chunk.
    ///
    /// A verdict that comes so late that its sound is gone says that it is somebody else's.
    pub fn judge(&mut self, end: u64) -> Likeness {
        let Some(start) = self.kept(end, WINDOW as u64) else { return Likeness::Other };
        let mut heard = [0.0; HALF];
        emphasised(&self.them, start, &mut heard);
        let power = product(&heard, &heard);
        if power <= 0.0 {
            return Likeness::Other;
        }
        let before = self.perhaps.take();
        if let Some(way) = self.way {
            let there = self.most_alike(&heard, power, start, way.lag.saturating_sub(BESIDE)..way.lag + BESIDE + 1);
            if there.alike >= THERE {
                let gain = power / there.played;
                if gain > OVER_ECHO * way.gain {
                    return Likeness::Other;
                }
                self.way = Some(Way { lag: there.lag, gain: way.gain + LEARN * (gain - way.gain) });
                return Likeness::Echo;
            }
        }
        let best = self.most_alike(&heard, power, start, 0..LAGS);
        let again = before.is_some_and(|(lag, at)| end - at <= 2 * CHUNK_8K as u64 && lag.abs_diff(best.lag) <= BESIDE);
        if best.alike >= SURE || (best.alike >= PERHAPS && again) {
            self.way = Some(Way { lag: best.lag, gain: power / best.played });
            Likeness::Echo
        } else if best.alike >= PERHAPS && before.is_none() {
            self.perhaps = Some((best.lag, end));
            Likeness::Unsure
        } else {
            Likeness::Other
        }
    }

    fn most_alike(&self, heard: &[f32; HALF], power: f32, start: u64, lags: std::ops::Range<usize>) -> Match {
        let longest = lags.end - 1;
        // Ours from the longest of the delays on; silence before the first sample.
        let mut ours = vec![0.0; HALF + longest - lags.start];
        let early = (2 * longest).saturating_sub(start as usize).div_ceil(2).min(ours.len());
        let first = (start as usize + 2 * early).saturating_sub(2 * longest);
        emphasised(&self.us, first as u64, &mut ours[early..]);
        let (mut played, mut best) = (product(&ours[..HALF], &ours[..HALF]), Match::default());
        for at in 0..lags.len() {
            if at > 0 {
                let (gone, come) = (ours[at - 1], ours[at + HALF - 1]);
                played += come * come - gone * gone;
            }
            // Sums that run on keep the rounding of loud sound: under this nothing is played.
            if played < 1e-5 {
                continue;
            }
            let alike = product(heard, &ours[at..at + HALF]).abs() / (power * played).sqrt();
            if alike > best.alike {
                best = Match { alike, lag: longest - at, played };
            }
        }
        best
    }
}

fn sample(ring: &[u8], at: usize) -> f32 {
    f32::from(g711::ulaw_decode(ring[at % ring.len()])) / 32_768.0
}

/// Samples from this place on at half the rate, the pitch weakened.
fn emphasised(ring: &[u8], start: u64, out: &mut [f32]) {
    let mut last = 0.0;
    for (nth, out) in out.iter_mut().enumerate() {
        let at = start as usize + 2 * nth;
        let now = 0.5 * (sample(ring, at) + sample(ring, at + 1));
        *out = now - EMPHASIS * last;
        last = now;
    }
}

/// Sum of products, in sixteen sums side by side: compilers make vectors of them.
fn product(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 16];
    for (a, b) in a.as_chunks::<16>().0.iter().zip(b.as_chunks::<16>().0) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum()
}
