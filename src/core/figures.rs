//! Figures of a set of measurements.

use serde::{Deserialize, Serialize};

/// Count, middle, tail and worst of a set of measurements, in their unit. Every value was measured, none is interpolated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quantiles<T> {
    /// How many measurements.
    pub count: usize,
    /// Median (nearest rank).
    pub p50: T,
    /// 90th percentile.
    pub p90: T,
    /// 95th percentile.
    pub p95: T,
    /// 99th percentile.
    pub p99: T,
    /// The largest.
    pub max: T,
}

impl<T: Copy + PartialOrd> Quantiles<T> {
    /// Nearest-rank quantiles; `None` of nothing. Values that do not compare (NaN) are left out.
    pub fn of(values: impl IntoIterator<Item = T>) -> Option<Quantiles<T>> {
        let mut sorted: Vec<T> = values.into_iter().filter(|value| value.partial_cmp(value).is_some()).collect();
        sorted.sort_by(|a, b| a.partial_cmp(b).expect("what does not compare was left out"));
        let max = *sorted.last()?;
        let at = |percent: usize| sorted[(sorted.len() * percent).div_ceil(100).max(1) - 1];
        Some(Quantiles { count: sorted.len(), p50: at(50), p90: at(90), p95: at(95), p99: at(99), max })
    }

    /// The same figures in another unit.
    pub fn map<U>(self, change: impl Fn(T) -> U) -> Quantiles<U> {
        let Quantiles { count, p50, p90, p95, p99, max } = self;
        Quantiles { count, p50: change(p50), p90: change(p90), p95: change(p95), p99: change(p99), max: change(max) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_measured_values_and_never_invented() {
        assert_eq!(Quantiles::<u64>::of([]), None);
        assert_eq!(Quantiles::of([7_u64]), Some(Quantiles { count: 1, p50: 7, p90: 7, p95: 7, p99: 7, max: 7 }));
        let hundred = Quantiles::of((1..=100).rev().map(f64::from).chain([f64::NAN])).expect("values");
        assert_eq!((hundred.count, hundred.p50, hundred.p90, hundred.p99, hundred.max), (100, 50.0, 90.0, 99.0, 100.0));
    }
}
