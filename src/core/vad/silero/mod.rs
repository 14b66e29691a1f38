//! Silero VAD v6.2 in plain Rust: the 8 kHz and the 16 kHz branch.
//!
//! The weights are embedded, decoded and transposed once, and shared by all streams; a stream keeps about 1.3 kB of
//! state. Every layer is the same loop, "add `x[j]` times row `j` to the outputs", which compilers vectorise.
//! Source: `silero_vad.onnx` of the PyPI package silero-vad 6.2.3 (MIT, see LICENSE beside this file).

use std::sync::LazyLock;

use super::Detector;

const FRAMES: usize = 4;
/// Units of the memory, and outputs of the encoder.
pub const HIDDEN: usize = 128;
const GATES: usize = 4 * HIDDEN;
const WIDEST_IN: usize = 129;

/// One branch of the network: weights only. Shared.
pub struct Network {
    context: usize,
    chunk: usize,
    window: usize,
    hop: usize,
    bins: usize,
    /// `[window][2 * bins]`: real parts, then imaginary parts.
    basis: Vec<f32>,
    encoder: [Conv; 4],
    /// `[input 128, then hidden 128][512]`, gates i, f, g, o.
    lstm: Vec<f32>,
    lstm_bias: Vec<f32>,
    out: Vec<f32>,
    out_bias: f32,
}

struct Conv {
    inputs: usize,
    outputs: usize,
    stride: usize,
    /// `[tap][input][output]`.
    taps: [Vec<f32>; 3],
    bias: Vec<f32>,
}

/// What a stream remembers between two chunks.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    h: [f32; HIDDEN],
    c: [f32; HIDDEN],
    tail: [f32; 64],
}

impl State {
    /// Forgets what was heard; the last samples stay, so that the next chunk begins without a step.
    pub fn forget(&mut self) {
        (self.h, self.c) = ([0.0; HIDDEN], [0.0; HIDDEN]);
    }

    /// What it remembers, −1 to 1 each.
    pub fn hidden(&self) -> &[f32; HIDDEN] {
        &self.h
    }

    /// The samples that stand before the next chunk, for a front end that changes its gain: 32 at 8 kHz, 64 at 16 kHz.
    pub fn context_mut(&mut self) -> &mut [f32] {
        &mut self.tail
    }
}

impl Default for State {
    fn default() -> State {
        State { h: [0.0; HIDDEN], c: [0.0; HIDDEN], tail: [0.0; 64] }
    }
}

static BRANCH_8K: LazyLock<Network> =
    LazyLock::new(|| Network::decode(include_bytes!("silero-vad-v6-8k.f32le.bin"), 32, 256));
static BRANCH_16K: LazyLock<Network> =
    LazyLock::new(|| Network::decode(include_bytes!("silero-vad-v6-16k.f32le.bin"), 64, 512));

/// The 8 kHz branch: chunks of 256 samples.
pub fn at_8k() -> &'static Network {
    &BRANCH_8K
}

/// The 16 kHz branch: chunks of 512 samples.
pub fn at_16k() -> &'static Network {
    &BRANCH_16K
}

/// Reads the flat weights in their documented order.
struct Weights<'a>(&'a [u8]);

impl Weights<'_> {
    fn take(&mut self, count: usize) -> Vec<f32> {
        let (head, rest) = self.0.split_at(count * 4);
        self.0 = rest;
        head.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    }

    /// A `[rows][columns]` matrix, given back as `[columns][rows]`.
    fn take_transposed(&mut self, rows: usize, columns: usize) -> Vec<f32> {
        let flat = self.take(rows * columns);
        let mut turned = vec![0.0; flat.len()];
        for row in 0..rows {
            for column in 0..columns {
                turned[column * rows + row] = flat[row * columns + column];
            }
        }
        turned
    }

    fn take_conv(&mut self, outputs: usize, inputs: usize, stride: usize) -> Conv {
        let flat = self.take(outputs * inputs * 3);
        let mut taps = [0, 1, 2].map(|_| vec![0.0; inputs * outputs]);
        for output in 0..outputs {
            for input in 0..inputs {
                for (tap, weights) in taps.iter_mut().enumerate() {
                    weights[input * outputs + output] = flat[(output * inputs + input) * 3 + tap];
                }
            }
        }
        Conv { inputs, outputs, stride, taps, bias: self.take(outputs) }
    }
}

impl Network {
    fn decode(bytes: &[u8], context: usize, chunk: usize) -> Network {
        let (window, hop) = (4 * context, 2 * context);
        let bins = window / 2 + 1;
        let mut weights = Weights(bytes);
        let basis = weights.take_transposed(2 * bins, window);
        let encoder = [
            weights.take_conv(128, bins, 1),
            weights.take_conv(64, 128, 2),
            weights.take_conv(64, 64, 2),
            weights.take_conv(128, 64, 1),
        ];
        let mut lstm = weights.take_transposed(GATES, HIDDEN);
        lstm.extend(weights.take_transposed(GATES, HIDDEN));
        let mut lstm_bias = weights.take(GATES);
        for (sum, hidden) in lstm_bias.iter_mut().zip(weights.take(GATES)) {
            *sum += hidden;
        }
        let out = weights.take(HIDDEN);
        let out_bias = weights.take(1)[0];
        assert!(weights.0.is_empty(), "the embedded weights have the documented length");
        Network { context, chunk, window, hop, bins, basis, encoder, lstm, lstm_bias, out, out_bias }
    }

    /// Samples of one chunk: 256 at 8 kHz, 512 at 16 kHz.
    pub fn chunk_samples(&self) -> usize {
        self.chunk
    }

    /// Probability of speech in `chunk` (exactly [`Network::chunk_samples`] samples in ±1), given what came before.
    pub fn probability(&self, state: &mut State, chunk: &[f32]) -> f32 {
        self.hear(state, chunk).0
    }

    /// As [`Network::probability`], with what the encoder made of the chunk alone.
    pub fn hear(&self, state: &mut State, chunk: &[f32]) -> (f32, [f32; HIDDEN]) {
        assert_eq!(chunk.len(), self.chunk, "a chunk has the network's length");
        let mut first = [[0.0_f32; WIDEST_IN]; FRAMES];
        self.spectrum(state, chunk, &mut first);
        self.remember(state, chunk);
        let inputs = [&first[0][..], &first[1][..], &first[2][..], &first[3][..]];
        let mut one = [[0.0_f32; 128]; FRAMES];
        self.encoder[0].run(&inputs, &mut one);
        let mut two = [[0.0_f32; 128]; FRAMES];
        self.encoder[1].run(&one.each_ref().map(|row| &row[..]), &mut two[..2]);
        self.encoder[2].run(&two.each_ref().map(|row| &row[..])[..2], &mut one[..1]);
        self.encoder[3].run(&[&one[0][..]], &mut two[..1]);
        (self.recall(state, &two[0]), two[0])
    }

    fn remember(&self, state: &mut State, chunk: &[f32]) {
        state.tail[..self.context].copy_from_slice(&chunk[chunk.len() - self.context..]);
    }

    /// Magnitudes of four overlapping windows over context + chunk + reflected end.
    fn spectrum(&self, state: &State, chunk: &[f32], frames: &mut [[f32; WIDEST_IN]; FRAMES]) {
        let mut signal = [0.0_f32; 64 + 512 + 64];
        let end = self.context + self.chunk;
        signal[..self.context].copy_from_slice(&state.tail[..self.context]);
        signal[self.context..end].copy_from_slice(chunk);
        for pad in 0..self.context {
            signal[end + pad] = signal[end - 2 - pad];
        }
        let mut bins = [0.0_f32; 2 * WIDEST_IN];
        for (frame, magnitudes) in frames.iter_mut().enumerate() {
            let bins = &mut bins[..2 * self.bins];
            bins.fill(0.0);
            let at = frame * self.hop;
            add_rows(bins, &self.basis, &signal[at..at + self.window]);
            let (real, imaginary) = bins.split_at(self.bins);
            for ((magnitude, re), im) in magnitudes.iter_mut().zip(real).zip(imaginary) {
                *magnitude = (re * re + im * im).sqrt();
            }
        }
    }

    fn recall(&self, state: &mut State, input: &[f32; HIDDEN]) -> f32 {
        let mut gates = [0.0_f32; GATES];
        gates.copy_from_slice(&self.lstm_bias);
        let (from_input, from_hidden) = self.lstm.split_at(GATES * HIDDEN);
        add_rows(&mut gates, from_input, input);
        add_rows(&mut gates, from_hidden, &state.h);
        let mut sum = self.out_bias;
        for unit in 0..HIDDEN {
            let keep = sigmoid(gates[HIDDEN + unit]) * state.c[unit];
            let cell = keep + sigmoid(gates[unit]) * gates[2 * HIDDEN + unit].tanh();
            let hidden = sigmoid(gates[3 * HIDDEN + unit]) * cell.tanh();
            state.c[unit] = cell;
            state.h[unit] = hidden;
            sum += hidden.max(0.0) * self.out[unit];
        }
        sigmoid(sum)
    }
}

impl Conv {
    /// Kernel 3, padding 1, ReLU. `inputs` are frames; `outputs` has one frame per stride.
    fn run(&self, inputs: &[&[f32]], outputs: &mut [[f32; 128]]) {
        for (at, output) in outputs.iter_mut().enumerate() {
            let output = &mut output[..self.outputs];
            output.copy_from_slice(&self.bias);
            for (tap, weights) in self.taps.iter().enumerate() {
                // Padding by one: tap 0 of frame 0 lies before the first input.
                let Some(from) = (at * self.stride + tap).checked_sub(1) else { continue };
                if let Some(input) = inputs.get(from) {
                    add_rows(output, weights, &input[..self.inputs]);
                }
            }
            for value in output {
                *value = value.max(0.0);
            }
        }
    }
}

/// `sums[i] += x[j] * rows[j][i]` over all `j`. Four rows at a time, so that a sum is loaded and stored rarely.
pub(super) fn add_rows(sums: &mut [f32], rows: &[f32], x: &[f32]) {
    let width = sums.len();
    let mut rows = rows[..width * x.len()].chunks_exact(width * 4);
    let (fours, rest) = x.as_chunks::<4>();
    for (x, four) in fours.iter().zip(&mut rows) {
        let (a, four) = four.split_at(width);
        let (b, four) = four.split_at(width);
        let (c, d) = four.split_at(width);
        for ((((sum, a), b), c), d) in sums.iter_mut().zip(a).zip(b).zip(c).zip(d) {
            *sum += (x[0] * a + x[1] * b) + (x[2] * c + x[3] * d);
        }
    }
    for (x, row) in rest.iter().zip(rows.remainder().chunks_exact(width)) {
        for (sum, weight) in sums.iter_mut().zip(row) {
            *sum += x * weight;
        }
    }
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// A stream's own detector on one of the branches.
pub struct Silero {
    network: &'static Network,
    state: State,
}

impl Silero {
    /// A fresh stream.
    pub fn new(network: &'static Network) -> Silero {
        Silero { network, state: State::default() }
    }
}

impl Detector for Silero {
    fn chunk_samples(&self) -> usize {
        self.network.chunk
    }

    fn probability(&mut self, chunk: &[f32]) -> f32 {
        self.network.probability(&mut self.state, chunk)
    }
}
