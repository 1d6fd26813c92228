//! The runtime of a round, and the clock around its work.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use anyhow::Result;
use tokio::runtime::Builder;

/// Runs a round on a runtime as the rules want it: two workers, and this thread only waits.
pub(crate) fn run<T>(round: impl Future<Output = Result<T>> + Send) -> Result<T> {
    Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(round)
}

/// How often something that was done `times` was done a second, since `begun`.
pub(crate) fn rate(times: u64, begun: Instant) -> f64 {
    times as f64 / begun.elapsed().as_secs_f64()
}

/// Nanoseconds each of `times` took, of all of this.
pub(crate) fn nanoseconds_each(all: Duration, times: usize) -> f64 {
    all.as_secs_f64() * 1e9 / times as f64
}
