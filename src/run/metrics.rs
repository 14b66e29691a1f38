//! What this process has done since its start, in atomics. Fed where calls begin and end, never between a stream's start
//! and its first sound; read for `GET /metrics`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::core::api::page::Spread;
use crate::core::dial::Outcome;
use crate::core::dial::verdict::OUTCOMES;
use crate::run::gateway::CallSummary;

/// Upper bounds of the time from a stream's start to its first sound, seconds. The budget is half a millisecond.
const FIRST_AUDIO_S: &[f64] = &[0.00025, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0];
/// Upper bounds of the time from speech to silence, seconds of the call's sound.
const BARGE_IN_S: &[f64] = &[0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0];

/// Times, counted by bucket.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [f64],
    counts: Vec<AtomicU64>,
    sum_us: AtomicU64,
}

impl Histogram {
    /// Nothing was counted. `bounds`: upper bounds of its buckets, seconds, ascending.
    pub fn new(bounds: &'static [f64]) -> Histogram {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Histogram { bounds, counts, sum_us: AtomicU64::new(0) }
    }

    /// Counts a time in microseconds.
    pub fn add_us(&self, us: u64) {
        let seconds = us as f64 / 1e6;
        let at = self.bounds.iter().position(|bound| seconds <= *bound).unwrap_or(self.bounds.len());
        self.counts[at].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    /// What was counted.
    pub fn spread(&self) -> Spread {
        Spread {
            bounds: self.bounds.to_vec(),
            counts: self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect(),
            sum_s: self.sum_us.load(Ordering::Relaxed) as f64 / 1e6,
        }
    }
}

/// Where a call's first words come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GreetingFrom {
    /// From the cache: rendered before the campaign began.
    Cache,
    /// The plain greeting from the cache: the lead's own was not rendered.
    Plain,
    /// Rendered in this run, while phones rang.
    Rendered,
}

/// Every source, with its label.
pub const GREETINGS: [(GreetingFrom, &str); 3] =
    [(GreetingFrom::Cache, "cache"), (GreetingFrom::Plain, "plain"), (GreetingFrom::Rendered, "rendered")];

/// The counters of a process.
#[derive(Debug)]
pub struct Metrics {
    ended: Vec<AtomicU64>,
    ordered: AtomicU64,
    greetings: [AtomicU64; GREETINGS.len()],
    barge_ins: AtomicU64,
    /// Stream's start → first sound.
    pub first_audio: Histogram,
    /// Speech → silence of ours.
    pub barge_in: Histogram,
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics {
            ended: OUTCOMES.iter().map(|_| AtomicU64::new(0)).collect(),
            ordered: AtomicU64::new(0),
            greetings: [const { AtomicU64::new(0) }; GREETINGS.len()],
            barge_ins: AtomicU64::new(0),
            first_audio: Histogram::new(FIRST_AUDIO_S),
            barge_in: Histogram::new(BARGE_IN_S),
        }
    }
}

impl Metrics {
    /// An attempt is about to be ordered at the carrier; its greeting comes from there.
    pub fn ordered(&self, greeting: GreetingFrom) {
        self.ordered.fetch_add(1, Ordering::Relaxed);
        let at = GREETINGS.iter().position(|(from, _)| *from == greeting).expect("all sources are listed");
        self.greetings[at].fetch_add(1, Ordering::Relaxed);
    }

    /// An attempt is over.
    pub fn ended(&self, outcome: Outcome) {
        let at = OUTCOMES.iter().position(|it| *it == outcome).expect("all outcomes are listed");
        self.ended[at].fetch_add(1, Ordering::Relaxed);
    }

    /// A stream is over.
    pub fn stream_ended(&self, summary: &CallSummary) {
        if let Some(us) = summary.first_audio_us {
            self.first_audio.add_us(us);
        }
        for cut in &summary.notes.barge_ins {
            self.barge_ins.fetch_add(1, Ordering::Relaxed);
            self.barge_in.add_us(cut.clear_media_ms.saturating_sub(cut.speech_onset_media_ms) * 1_000);
        }
    }

    /// Attempts ordered.
    pub fn orders(&self) -> u64 {
        self.ordered.load(Ordering::Relaxed)
    }

    /// Attempts that are over, by outcome.
    pub fn outcomes(&self) -> Vec<(Outcome, u64)> {
        OUTCOMES.into_iter().zip(self.ended.iter().map(|count| count.load(Ordering::Relaxed))).collect()
    }

    /// Orders by where their greeting came from.
    pub fn greetings(&self) -> Vec<(&'static str, u64)> {
        let counts = self.greetings.iter().map(|count| count.load(Ordering::Relaxed));
        GREETINGS.into_iter().map(|(_, label)| label).zip(counts).collect()
    }

    /// Times that speech stopped our sound.
    pub fn barge_ins(&self) -> u64 {
        self.barge_ins.load(Ordering::Relaxed)
    }
}

/// Where an agent's session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It is being opened.
    Opening,
    /// It knows its task and is mute.
    Ready,
    /// It has the line.
    Talking,
}

/// Every stage, with its label.
pub const STAGES: [(Stage, &str); 3] =
    [(Stage::Opening, "opening"), (Stage::Ready, "ready"), (Stage::Talking, "talking")];

/// Sessions of one agent, by where they stand.
#[derive(Debug, Default)]
pub struct Stages([AtomicUsize; STAGES.len()]);

impl Stages {
    fn at(&self, stage: Stage) -> &AtomicUsize {
        &self.0[STAGES.iter().position(|(it, _)| *it == stage).expect("all stages are listed")]
    }

    /// How many stand there.
    pub fn count(&self, stage: Stage) -> usize {
        self.at(stage).load(Ordering::Relaxed)
    }
}

/// One session's place among the stages; dropping it takes it away.
#[derive(Debug)]
pub struct OnStage {
    stages: Arc<Stages>,
    stage: Stage,
}

impl OnStage {
    /// A session that is being opened.
    pub fn new(stages: &Arc<Stages>) -> OnStage {
        stages.at(Stage::Opening).fetch_add(1, Ordering::Relaxed);
        OnStage { stages: Arc::clone(stages), stage: Stage::Opening }
    }

    /// It stands there now.
    pub fn is(&mut self, stage: Stage) {
        self.stages.at(self.stage).fetch_sub(1, Ordering::Relaxed);
        self.stages.at(stage).fetch_add(1, Ordering::Relaxed);
        self.stage = stage;
    }
}

impl Drop for OnStage {
    fn drop(&mut self) {
        self.stages.at(self.stage).fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_on_a_bound_counts_below_it_and_a_long_one_behind_all() {
        let histogram = Histogram::new(FIRST_AUDIO_S);
        for us in [0, 500, 501, 5_000_000] {
            histogram.add_us(us);
        }
        let spread = histogram.spread();
        assert_eq!((spread.counts[0], spread.counts[1], spread.counts[2]), (1, 1, 1));
        assert_eq!(spread.counts.last(), Some(&1));
        assert!((spread.sum_s - 5.001_001).abs() < 1e-9);
    }

    #[test]
    fn a_session_stands_in_one_place_and_leaves_it() {
        let stages: Arc<Stages> = Arc::default();
        let counts = || STAGES.map(|(stage, _)| stages.count(stage));
        let mut one = OnStage::new(&stages);
        let two = OnStage::new(&stages);
        one.is(Stage::Ready);
        one.is(Stage::Talking);
        assert_eq!(counts(), [1, 0, 1]);
        drop((one, two));
        assert_eq!(counts(), [0, 0, 0]);
    }
}
