//! How long people wait in calls: latencies of many calls, from their logs.

use serde::Serialize;

use super::report::Report;
use crate::core::figures::Quantiles;

/// Latencies of many calls. As JSON; fields are only ever added.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Latencies {
    /// Answer → first sound written, microseconds; from the stream's start where nobody reported an answer before it.
    pub answer_to_audio_us: Option<Quantiles<u64>>,
    /// `start` received → first sound written, microseconds.
    pub first_audio_us: Option<Quantiles<u64>>,
    /// Speech → `clear`, milliseconds of sound.
    pub barge_in_ms: Option<Quantiles<u64>>,
    /// The greeting was over → the agent had the line, ms.
    pub agent_waited_ms: Option<Quantiles<u64>>,
    /// The greeting was over → the agent's first sound, ms: the callee's own first words are in it.
    pub agent_first_ms: Option<Quantiles<u64>>,
    /// The callee's speech ended → the agent's voice, ms.
    pub turn_gap_ms: Option<Quantiles<u64>>,
}

impl Latencies {
    /// Each with its name, short enough for a plot, in milliseconds; what was never measured is left out.
    pub fn named_ms(&self) -> Vec<(&'static str, Quantiles<f64>)> {
        let us = |it: Option<Quantiles<u64>>| it.map(|it| it.map(|us| us as f64 / 1_000.0));
        let ms = |it: Option<Quantiles<u64>>| it.map(|it| it.map(|ms| ms as f64));
        let all = [
            ("answer → audio", us(self.answer_to_audio_us)),
            ("stream → audio", us(self.first_audio_us)),
            ("speech → clear", ms(self.barge_in_ms)),
            ("agent has line", ms(self.agent_waited_ms)),
            ("agent's voice", ms(self.agent_first_ms)),
            ("turn → voice", ms(self.turn_gap_ms)),
        ];
        all.into_iter().filter_map(|(name, it)| Some((name, it?))).collect()
    }
}

/// Collects what calls' logs tell.
#[derive(Debug, Default)]
pub struct Collected {
    answer_us: Vec<u64>,
    start_us: Vec<u64>,
    barge_in_ms: Vec<u64>,
    waited_ms: Vec<u64>,
    first_ms: Vec<u64>,
    gaps_ms: Vec<u64>,
}

impl Collected {
    /// Adds one call.
    pub fn add(&mut self, report: &Report) {
        self.answer_us.extend(report.answer_to_audio_us);
        self.start_us.extend(report.first_audio_us);
        self.barge_in_ms.extend(&report.barge_in_ms);
        self.waited_ms.extend(report.agent.waited_ms);
        self.first_ms.extend(report.agent.first_ms);
        self.gaps_ms.extend(&report.agent.gaps_ms);
    }

    /// The figures.
    pub fn fold(self) -> Latencies {
        Latencies {
            answer_to_audio_us: Quantiles::of(self.answer_us),
            first_audio_us: Quantiles::of(self.start_us),
            barge_in_ms: Quantiles::of(self.barge_in_ms),
            agent_waited_ms: Quantiles::of(self.waited_ms),
            agent_first_ms: Quantiles::of(self.first_ms),
            turn_gap_ms: Quantiles::of(self.gaps_ms),
        }
    }
}
