//! The last layer of the ear: what Silero's network remembers, what its encoder sees and how the line sounds -> a
//! probability. Trained by tools/ear-head.py on the tuning part of the example sets (docs/VAD.md), 24 units.

use std::sync::LazyLock;

use super::silero::HIDDEN;

/// Measurements of the line that the head gets beside the network's.
pub const MEASURES: usize = 8;
const INPUTS: usize = 2 * HIDDEN + MEASURES;

/// Inputs of the head: the network's memory, its encoder's output, measurements; see [`super::front`].
pub type Inputs = [f32; INPUTS];

struct Head {
    /// `[input][unit]`.
    weights: Vec<f32>,
    bias: Vec<f32>,
    out: Vec<f32>,
    out_bias: f32,
}

static HEAD: LazyLock<Head> = LazyLock::new(|| {
    let bytes = include_bytes!("head.f32le.bin");
    let mut all: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|it| f32::from_le_bytes(*it)).collect();
    let units = (all.len() - 1) / (INPUTS + 2);
    assert_eq!(all.len(), units * (INPUTS + 2) + 1, "the embedded head has the documented length");
    let out_bias = all.pop().expect("the last is the output's bias");
    let out = all.split_off(units * (INPUTS + 1));
    let bias = all.split_off(units * INPUTS);
    let mut weights = vec![0.0; all.len()];
    for (unit, row) in all.chunks_exact(INPUTS).enumerate() {
        for (input, weight) in row.iter().enumerate() {
            weights[input * units + unit] = *weight;
        }
    }
    Head { weights, bias, out, out_bias }
});

/// Probability of speech, 0 to 1.
pub fn probability(inputs: &Inputs) -> f32 {
    let head = &*HEAD;
    let mut units = head.bias.clone();
    super::silero::add_rows(&mut units, &head.weights, inputs);
    let sum = units.iter().zip(&head.out).fold(head.out_bias, |sum, (unit, out)| sum + unit.max(0.0) * out);
    1.0 / (1.0 + (-sum).exp())
}
