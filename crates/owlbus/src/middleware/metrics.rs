//! `metrics`: counts and times, taken at its own place in the chain.

use std::{
    borrow::Cow,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use hdrhistogram::Histogram;
use tokio::time::Instant;

use super::{AcceptNext, Duty, HandleNext, Middleware, Stages};
use crate::{
    accept::{PublishError, Receipt},
    event::Event,
    handle::Delivery,
    settle::{HandlerError, Outcome},
};

/// Counts events and attempts, and how long they take, as seen from its own place in the chain: what those further out refuse
/// it does not see, and what those further in take is in its times. Beside the stats of the bus, which see all.
///
/// A clone counts into the same place; keep one to read it.
///
/// ```
/// use owlbus::{Bus, middleware::Metrics};
///
/// let metrics = Metrics::new();
/// let bus = Bus::builder().middleware(metrics.clone()).build()?;
/// assert_eq!(metrics.snapshot().published, 0);
/// # Ok::<(), owlbus::config::ConfigError>(())
/// ```
#[must_use = "it counts nothing until a bus is given it"]
#[derive(Clone)]
pub struct Metrics {
    name: Cow<'static, str>,
    priority: i32,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    published: AtomicU64,
    discarded: AtomicU64,
    refused: AtomicU64,
    done: AtomicU64,
    skipped: AtomicU64,
    failed: AtomicU64,
    accept: Times,
    handle: Times,
}

/// Durations in microseconds, with two digits.
struct Times(Mutex<Histogram<u64>>);

impl Default for Times {
    fn default() -> Self {
        Self(Mutex::new(Histogram::new_with_bounds(1, MOST, 2).expect("the bounds are right")))
    }
}

/// An hour; what takes longer counts as that.
const MOST: u64 = 3_600_000_000;

impl Times {
    fn add(&self, took: Duration) {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        times.saturating_record((took.as_micros() as u64).clamp(1, MOST));
    }

    fn read(&self) -> Durations {
        let times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let micros = Duration::from_micros;
        Durations {
            mean: micros(times.mean() as u64),
            p50: micros(times.value_at_quantile(0.5)),
            p99: micros(times.value_at_quantile(0.99)),
            max: micros(times.max()),
        }
    }
}

/// What a [`Metrics`] has counted so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MetricsSnapshot {
    /// Events that were published.
    pub published: u64,
    /// Events that a middleware further in dropped.
    pub discarded: u64,
    /// Events that were refused.
    pub refused: u64,
    /// Attempts whose handler was done.
    pub done: u64,
    /// Attempts whose handler skipped the event.
    pub skipped: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// How long publishes took, their waits for room included.
    pub accept: Durations,
    /// How long attempts took.
    pub handle: Durations,
}

/// How long something took: to two digits, at most an hour, at least a microsecond; zero where nothing was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Durations {
    /// The mean.
    pub mean: Duration,
    /// What half of them stayed within.
    pub p50: Duration,
    /// What 99 % of them stayed within.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

impl Metrics {
    /// One that has counted nothing yet.
    pub fn new() -> Self {
        Self { name: "metrics".into(), priority: 0, counts: Arc::default() }
    }

    /// Its name. Default: `metrics`.
    pub fn named(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Those with a higher one are further out. Default: 0.
    pub fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// What was counted so far.
    #[must_use]
    pub fn snapshot(&self) -> MetricsSnapshot {
        let Counts { published, discarded, refused, done, skipped, failed, accept, handle } = &*self.counts;
        MetricsSnapshot {
            published: published.load(Relaxed),
            discarded: discarded.load(Relaxed),
            refused: refused.load(Relaxed),
            done: done.load(Relaxed),
            skipped: skipped.load(Relaxed),
            failed: failed.load(Relaxed),
            accept: accept.read(),
            handle: handle.read(),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Middleware for Metrics {
    fn name(&self) -> Cow<'static, str> {
        self.name.clone()
    }

    fn priority(&self) -> i32 {
        self.priority
    }

    fn stages(&self) -> Stages {
        Stages::ACCEPT.and(Stages::HANDLE)
    }

    fn duty(&self) -> Duty {
        Duty::Observes
    }

    async fn accept(&self, event: Event, next: AcceptNext) -> Result<Receipt, PublishError> {
        let begun = Instant::now();
        let result = next.run(event).await;
        self.counts.accept.add(begun.elapsed());
        let counter = match &result {
            Ok(receipt) if receipt.discarded_by.is_some() => &self.counts.discarded,
            Ok(_) => &self.counts.published,
            Err(_) => &self.counts.refused,
        };
        counter.fetch_add(1, Relaxed);
        result
    }

    async fn handle(&self, delivery: Delivery, next: HandleNext) -> Result<Outcome, HandlerError> {
        let begun = Instant::now();
        let said = next.run(delivery).await;
        self.counts.handle.add(begun.elapsed());
        let counter = match &said {
            Ok(Outcome::Done) => &self.counts.done,
            Ok(Outcome::Skipped) => &self.counts.skipped,
            Ok(Outcome::Retry { .. } | Outcome::Dead { .. }) | Err(_) => &self.counts.failed,
        };
        counter.fetch_add(1, Relaxed);
        said
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Metrics").field(&self.snapshot()).finish()
    }
}
