//! What became of the input, in numbers.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use indicatif::HumanCount;
use serde::Serialize;

/// Counts while it runs: the publisher writes the first two numbers, the printer the others, the report reads all.
pub(super) struct Tally {
    accepted: AtomicU64,
    refused: AtomicU64,
    delivered: AtomicU64,
    lost: AtomicU64,
    begun: Instant,
}

/// The numbers at one moment.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Summary {
    /// Lines that were events.
    pub(super) accepted: u64,
    /// Events printed.
    pub(super) delivered: u64,
    /// Lines that were not events.
    pub(super) refused: u64,
    /// Events that matched and were not printed. The subscription lets the publisher wait, so this stays 0; it is
    /// counted because a loss that nobody counts is the worst there is.
    pub(super) lost: u64,
    seconds: f64,
    events_per_second: u64,
}

impl Tally {
    pub(super) fn new() -> Self {
        let zero = AtomicU64::default;
        Self { accepted: zero(), refused: zero(), delivered: zero(), lost: zero(), begun: Instant::now() }
    }

    pub(super) fn accepted(&self) {
        self.accepted.fetch_add(1, Relaxed);
    }

    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    pub(super) fn delivered(&self, events: u64) {
        self.delivered.fetch_add(events, Relaxed);
    }

    pub(super) fn lost(&self, events: u64) {
        self.lost.fetch_add(events, Relaxed);
    }

    pub(super) fn summary(&self) -> Summary {
        let elapsed = self.begun.elapsed().max(Duration::from_micros(1)).as_secs_f64();
        let accepted = self.accepted.load(Relaxed);
        Summary {
            accepted,
            delivered: self.delivered.load(Relaxed),
            refused: self.refused.load(Relaxed),
            lost: self.lost.load(Relaxed),
            seconds: (elapsed * 1e6).round() / 1e6,
            events_per_second: (accepted as f64 / elapsed).round() as u64,
        }
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { accepted, delivered, refused, lost, events_per_second, .. } = *self;
        let [accepted, delivered, refused] = [accepted, delivered, refused].map(HumanCount);
        write!(f, "{accepted} accepted, {delivered} delivered, {refused} refused")?;
        if lost > 0 {
            write!(f, ", {} lost", HumanCount(lost))?;
        }
        write!(f, ", {} events/s", HumanCount(events_per_second))
    }
}
