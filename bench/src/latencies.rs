//! Latencies of one round, and what most of them stayed below.

use std::time::Duration;

use anyhow::{Context, Result};

/// How long things took, in the order in which they happened.
#[derive(Default)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(crate) fn with_capacity(count: usize) -> Self {
        Self(Vec::with_capacity(count))
    }

    pub(crate) fn add(&mut self, latency: Duration) {
        self.0.push(latency);
    }

    /// Microseconds that this percentage of them took at most.
    pub(crate) fn percentile(&self, percent: usize) -> Result<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        let latency = sorted.get(rank - 1).context("nothing was timed")?;
        Ok(latency.as_secs_f64() * 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_them_that_so_many_do_not_exceed() {
        let mut latencies = Latencies::default();
        assert!(latencies.percentile(50).is_err());
        (1..=200).rev().for_each(|n| latencies.add(Duration::from_micros(n)));
        assert_eq!(
            [50, 99, 100].map(|percent| latencies.percentile(percent).unwrap()),
            [100.0, 198.0, 200.0]
        );
        assert_eq!(latencies.percentile(0).unwrap(), 1.0);
    }
}
