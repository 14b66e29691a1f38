//! Sample-rate conversion by a windowed-sinc polyphase filter, the same bits on every CPU.
//!
//! Coefficients are computed with pure-Rust mathematics (`libm`) in strict order and rounded to integers; the sum is a
//! 64-bit integer. Nothing here depends on a platform's `sin`, on fused multiply-add or on the width of its vectors.

use super::{Pcm, SoundFault};

/// Fraction of the lower Nyquist frequency that passes unchanged: 3.4 kHz at 8 000 Hz.
const PASS: f64 = 0.85;
/// Attenuation that the window is designed for, from the lower Nyquist frequency on; measured it is over 90 dB.
const STOP_DB: f64 = 100.0;
/// Fraction bits of a coefficient.
const BITS: u32 = 30;

/// Lowest sample rate, Hz.
pub const RATE_MIN: u32 = 8_000;
/// Highest sample rate, Hz.
pub const RATE_MAX: u32 = 48_000;

/// A polyphase low-pass filter that reads between samples.
pub(super) struct Filter {
    phases: u64,
    half: i64,
    /// Cut-off as a fraction of the input rate.
    cutoff: f64,
    rows: Vec<Vec<i32>>,
}

impl Filter {
    /// A filter from `input` to `output` (in any unit); only the first `rows` phases are computed.
    pub(super) fn new(input: u64, output: u64, wanted: u64) -> Filter {
        let common = gcd(input, output);
        let (down, phases) = (input / common, output / common);
        let lower = if down > phases { phases as f64 / down as f64 } else { 1.0 };
        // Kaiser's formula: length from attenuation and transition width (here PASS..1 of the lower Nyquist).
        let transition = core::f64::consts::PI * (1.0 - PASS) * lower;
        let half = libm::ceil((STOP_DB - 7.95) / (2.285 * transition) / 2.0) as i64 + 1;
        let cutoff = lower * (1.0 + PASS) / 4.0;
        let mut filter = Filter { phases, half, cutoff, rows: Vec::new() };
        let mut taken = vec![false; usize::try_from(phases).expect("at most 48 000 phases")];
        let mut phase = 0;
        for _ in 0..wanted.min(phases) {
            taken[phase as usize] = true;
            phase = (phase + down) % phases;
        }
        filter.rows =
            taken.iter().enumerate().map(|(p, used)| if *used { filter.row(p as u64) } else { Vec::new() }).collect();
        filter
    }

    /// Coefficients for instants `phase / phases` after a sample, from `half - 1` samples before to `half` after.
    /// They sum to exactly one, so a constant comes out as itself at every phase.
    fn row(&self, phase: u64) -> Vec<i32> {
        let beta = 0.1102 * (STOP_DB - 8.7);
        let offset = phase as f64 / self.phases as f64;
        let taps = (1 - self.half)..=self.half;
        let ideal: Vec<f64> = taps
            .map(|k| {
                let t = k as f64 - offset;
                let x = t / self.half as f64;
                let inside = 1.0 - x * x;
                let window = if inside > 0.0 { bessel0(beta * libm::sqrt(inside)) } else { 0.0 };
                let turn = core::f64::consts::PI * 2.0 * self.cutoff * t;
                let sinc = if t == 0.0 { 1.0 } else { libm::sin(turn) / turn };
                sinc * window
            })
            .collect();
        let sum: f64 = ideal.iter().sum();
        let one = f64::from(1u32 << BITS);
        let mut row: Vec<i32> = ideal.iter().map(|c| libm::round(c / sum * one) as i32).collect();
        let rest = (1i64 << BITS) - row.iter().map(|c| i64::from(*c)).sum::<i64>();
        let middle = usize::try_from(self.half - 1).expect("the filter has at least one tap");
        row[middle] += i32::try_from(rest).expect("rounding errors of a few hundred taps are small");
        row
    }

    /// The signal at `position + phase / phases`, times 2^30. Outside the samples there is silence.
    fn at(&self, samples: &[i16], position: i64, phase: u64) -> i64 {
        let row = &self.rows[phase as usize];
        let first = position + 1 - self.half;
        let skip = (-first).clamp(0, row.len() as i64) as usize;
        let start = first.max(0) as usize;
        let inside = samples.get(start..).unwrap_or(&[]);
        row[skip..].iter().zip(inside).map(|(c, s)| i64::from(*c) * i64::from(*s)).sum()
    }

    /// Largest magnitude of the signal between its samples, in sample units times 2^30.
    pub(super) fn peak(&self, samples: &[i16]) -> i64 {
        let between = |i| (0..self.phases).map(move |phase| self.at(samples, i, phase).abs());
        (0..samples.len() as i64).flat_map(between).max().unwrap_or(0)
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Modified Bessel function of order zero by its power series: plain sums and products, the same on every CPU.
fn bessel0(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let (mut sum, mut term) = (1.0, 1.0);
    for k in 1..64 {
        term = term * quarter / f64::from(k * k);
        sum += term;
    }
    sum
}

/// The same sound at `rate` Hz.
///
/// Both rates 8 000 to 48 000 Hz. No delay; every output instant inside the input's duration is there, so the length is
/// `ceil(n * rate / input rate)`. Flat up to 85 % of the lower Nyquist frequency, 90 dB down from it on. Overshoots of a
/// full-scale input are clamped. Cost: about 515 multiplications per sample from 48 kHz to 8 kHz.
pub fn resample(raw: &Pcm, rate: u32) -> Result<Pcm, SoundFault> {
    for hz in [raw.rate, rate] {
        if !(RATE_MIN..=RATE_MAX).contains(&hz) {
            return Err(SoundFault::Rate { hz });
        }
    }
    if raw.rate == rate {
        return Ok(raw.clone());
    }
    let (input, output) = (u64::from(raw.rate), u64::from(rate));
    let common = gcd(input, output);
    let (down, up) = (input / common, output / common);
    let count = (raw.samples.len() as u64 * up).div_ceil(down);
    let filter = Filter::new(input, output, count);
    let samples = (0..count)
        .map(|j| {
            let place = j * down;
            let sum = filter.at(&raw.samples, (place / up) as i64, place % up);
            let rounded = (sum + (1 << (BITS - 1))) >> BITS;
            rounded.clamp(i64::from(i16::MIN), i64::from(i16::MAX)) as i16
        })
        .collect();
    Ok(Pcm { samples, rate })
}

/// The same for sound that comes in pieces: what comes out, end to end, is what [`resample`] makes of the whole.
pub struct Stream {
    filter: Option<Filter>,
    down: u64,
    up: u64,
    /// Input from place `base` on.
    kept: Vec<i16>,
    base: u64,
    /// The next sample of the output.
    next: u64,
}

impl Stream {
    /// From `input` to `output`, Hz; both are [`RATE_MIN`] to [`RATE_MAX`] (others are taken as the nearest).
    pub fn new(input: u32, output: u32) -> Stream {
        let hz = |rate: u32| u64::from(rate.clamp(RATE_MIN, RATE_MAX));
        let (input, output) = (hz(input), hz(output));
        let common = gcd(input, output);
        let (down, up) = (input / common, output / common);
        let filter = (input != output).then(|| Filter::new(input, output, up));
        Stream { filter, down, up, kept: Vec::new(), base: 0, next: 0 }
    }

    /// Takes the next samples; gives what can be told for certain by now.
    pub fn push(&mut self, samples: &[i16]) -> Vec<i16> {
        let Some(filter) = &self.filter else { return samples.to_vec() };
        self.kept.extend_from_slice(samples);
        // What lies `half` ahead of an instant takes part in it.
        let known = (self.base + self.kept.len() as u64).saturating_sub(u64::try_from(filter.half).unwrap_or(0));
        self.make(known)
    }

    /// The end: gives the rest, and begins anew.
    pub fn flush(&mut self) -> Vec<i16> {
        let rest = self.make(self.base + self.kept.len() as u64);
        (self.kept, self.base, self.next) = (Vec::new(), 0, 0);
        rest
    }

    /// Output of all instants before place `known` of the input.
    fn make(&mut self, known: u64) -> Vec<i16> {
        let Some(filter) = &self.filter else { return Vec::new() };
        let mut made = Vec::new();
        while self.next * self.down / self.up < known {
            let place = self.next * self.down;
            let sum = filter.at(&self.kept, (place / self.up) as i64 - self.base as i64, place % self.up);
            let rounded = (sum + (1 << (BITS - 1))) >> BITS;
            made.push(rounded.clamp(i64::from(i16::MIN), i64::from(i16::MAX)) as i16);
            self.next += 1;
        }
        let needed = (self.next * self.down / self.up).saturating_sub(u64::try_from(filter.half).unwrap_or(0));
        let over = usize::try_from(needed.saturating_sub(self.base)).unwrap_or(0).min(self.kept.len());
        self.kept.drain(..over);
        self.base += over as u64;
        made
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{hash, sine};
    use super::*;

    #[test]
    fn pieces_of_any_size_come_out_as_the_whole_does() {
        for (from, to) in [(24_000, 8_000), (8_000, 16_000), (44_100, 8_000), (8_000, 8_000)] {
            let whole = sine(from, 700.0, 0.4, 9_000);
            let want = resample(&whole, to).expect("rates").samples;
            for size in [1, 7, 160, 4_800] {
                let mut stream = Stream::new(from, to);
                for _twice in 0..2 {
                    let mut got: Vec<i16> = whole.samples.chunks(size).flat_map(|piece| stream.push(piece)).collect();
                    assert!(got.len() + 100 > want.len(), "little is held back: {} of {}", got.len(), want.len());
                    got.extend(stream.flush());
                    assert_eq!(got, want, "{from} to {to} in pieces of {size}");
                }
            }
        }
    }

    /// Signal-to-error ratio in dB against an expected signal, away from its hard beginning and end.
    fn snr_db(got: &[i16], want: &[i16]) -> f64 {
        let pairs = || got.iter().zip(want).skip(600).take(got.len() - 1_200);
        let signal: f64 = pairs().map(|(_, w)| f64::from(*w) * f64::from(*w)).sum();
        let error: f64 = pairs().map(|(g, w)| (f64::from(*g) - f64::from(*w)).powi(2)).sum();
        10.0 * (signal / error.max(1e-9)).log10()
    }

    #[test]
    fn a_sine_keeps_its_place_and_its_size_between_all_common_rates() {
        for from in [8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000] {
            for to in [8_000, 16_000, 24_000, 48_000] {
                for hz in [300.0, 1_000.0, 3_390.0] {
                    let out = resample(&sine(from, hz, 0.5, 8_000), to).expect("known rates");
                    let snr = snr_db(&out.samples, &sine(to, hz, 0.5, 8_000).samples);
                    // Both sides are rounded to 16 bits: 90 dB is the limit of the format at this level.
                    assert!(snr > 80.0, "{from} -> {to} at {hz} Hz: {snr:.1} dB");
                }
            }
        }
    }

    #[test]
    fn what_lies_above_the_new_band_vanishes_by_90_db() {
        for hz in [4_000.0, 4_100.0, 4_600.0, 5_000.0, 6_500.0, 7_900.0] {
            let out = resample(&sine(16_000, hz, 1.0, 32_000), 8_000).expect("known rates");
            let middle = &out.samples[200..out.samples.len() - 200];
            let peak = middle.iter().map(|s| i32::from(*s).abs()).max().unwrap_or(0);
            // −90 dB of 32 000 is 1.01: rounded to 16 bits, at most one step may be left.
            assert!(peak <= 1, "{hz} Hz leaks {peak}");
        }
        let filter = Filter::new(48_000, 8_000, 1);
        for hz in (4_000..24_000).step_by(37) {
            let gain = response(&filter, f64::from(hz) / 48_000.0);
            assert!(gain < 10f64.powf(-90.0 / 20.0), "{hz} Hz: {:.1} dB", 20.0 * gain.log10());
        }
        for hz in (0..=3_400).step_by(100) {
            let gain = response(&filter, f64::from(hz) / 48_000.0);
            assert!((20.0 * gain.log10()).abs() < 0.01, "{hz} Hz: {gain}");
        }
    }

    fn response(filter: &Filter, cycles: f64) -> f64 {
        let (mut re, mut im) = (0.0, 0.0);
        for (k, c) in filter.rows[0].iter().enumerate() {
            let turn = core::f64::consts::TAU * cycles * k as f64;
            re += f64::from(*c) * turn.cos();
            im += f64::from(*c) * turn.sin();
        }
        re.hypot(im) / f64::from(1u32 << BITS)
    }

    #[test]
    fn length_is_exact_and_a_constant_stays_itself() {
        for (from, to, count, want) in [
            (16_000, 8_000, 16_001, 8_001),
            (22_050, 8_000, 22_050, 8_000),
            (44_100, 8_000, 1, 1),
            (8_000, 16_000, 3, 6),
        ] {
            let out = resample(&Pcm { samples: vec![0; count], rate: from }, to).expect("known rates");
            assert_eq!((out.samples.len(), out.rate), (want, to));
        }
        let out = resample(&Pcm { samples: vec![1_234; 24_000], rate: 24_000 }, 8_000).expect("known rates");
        assert!(out.samples[60..7_900].iter().all(|s| *s == 1_234));
        assert!(resample(&Pcm { samples: vec![], rate: 16_000 }, 8_000).expect("empty is sound").samples.is_empty());
        assert_eq!(resample(&Pcm { samples: vec![], rate: 7_999 }, 8_000), Err(SoundFault::Rate { hz: 7_999 }));
    }

    #[test]
    fn odd_rates_work_and_stay_in_bounds() {
        let out = resample(&sine(47_999, 1_000.0, 0.2, 20_000), 8_000).expect("in range");
        assert!(snr_db(&out.samples, &sine(8_000, 1_000.0, 0.2, 20_000).samples) > 80.0);
    }

    #[test]
    fn the_same_input_gives_the_same_bits_on_every_machine() {
        let noise = super::super::testing::noise(22_050, 22_050);
        let out = resample(&noise, 8_000).expect("known rates");
        assert_eq!(hash(&out.samples), "dde682efd38c1c5d");
    }
}
