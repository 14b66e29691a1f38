//! Figures of a run.

use serde::Serialize;

/// Middle, tail and worst of a set of measurements, in the unit of the measurements.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Default)]
pub struct Quantiles {
    /// Median.
    pub p50: f64,
    /// 99th percentile (nearest rank).
    pub p99: f64,
    /// The largest.
    pub max: f64,
}

impl Quantiles {
    /// Nearest-rank quantiles; `None` of nothing.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Quantiles> {
        let mut sorted: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().checked_sub(1)?;
        let rank = |share: f64| sorted[((sorted.len() as f64 * share).ceil() as usize).saturating_sub(1).min(last)];
        Some(Quantiles { p50: rank(0.50), p99: rank(0.99), max: sorted[last] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_measured_values_and_never_invented() {
        assert_eq!(Quantiles::of([]), None);
        assert_eq!(Quantiles::of([4.0]), Some(Quantiles { p50: 4.0, p99: 4.0, max: 4.0 }));
        let hundred = (1..=100).map(f64::from);
        assert_eq!(Quantiles::of(hundred), Some(Quantiles { p50: 50.0, p99: 99.0, max: 100.0 }));
    }
}
