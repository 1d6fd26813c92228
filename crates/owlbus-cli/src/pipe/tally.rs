//! What became of the input, in numbers.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use indicatif::HumanCount;
use serde::Serialize;

/// Counts while it runs: the reader writes the first two numbers, whoever prints or handles events the others, the
/// report reads all.
pub(super) struct Tally {
    accepted: AtomicU64,
    refused: AtomicU64,
    delivered: AtomicU64,
    lost: AtomicU64,
    /// Where commands handle the events.
    handled: Option<Handling>,
    begun: Instant,
}

/// Counts of events that commands handle.
#[derive(Default)]
struct Handling {
    done: AtomicU64,
    dead: AtomicU64,
    retries: AtomicU64,
    expired: AtomicU64,
}

/// The numbers at one moment.
#[derive(Clone, Copy, PartialEq, Serialize)]
pub(super) struct Summary {
    /// Lines that were events.
    pub(super) accepted: u64,
    /// Events printed, or handled to whatever end.
    pub(super) delivered: u64,
    /// Lines that were not events.
    pub(super) refused: u64,
    /// Events that matched and were neither printed nor handled, and dead letters that could not be kept. The
    /// subscription lets the publisher wait, so this stays 0 where files can be written; it is counted because a loss
    /// that nobody counts is the worst there is.
    pub(super) lost: u64,
    #[serde(flatten)]
    pub(super) handled: Option<Handled>,
    seconds: f64,
    events_per_second: u64,
}

/// What became of events that commands handle, at one moment.
#[derive(Clone, Copy, PartialEq, Serialize)]
pub(super) struct Handled {
    /// Events a command was done with.
    pub(super) done: u64,
    /// Events that failed for good.
    pub(super) dead: u64,
    /// Attempts that were not the first.
    pub(super) retries: u64,
    /// Events whose time was over before they were handled.
    pub(super) expired: u64,
}

/// How the handling of an event ended.
#[derive(Clone, Copy)]
pub(super) enum Ended {
    Done,
    Dead,
    Expired,
}

impl Tally {
    /// For events that are printed, or that commands handle.
    pub(super) fn new(handles: bool) -> Self {
        let zero = AtomicU64::default;
        Self {
            accepted: zero(),
            refused: zero(),
            delivered: zero(),
            lost: zero(),
            handled: handles.then(Handling::default),
            begun: Instant::now(),
        }
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

    pub(super) fn retried(&self) {
        self.handled.iter().for_each(|handled| _ = handled.retries.fetch_add(1, Relaxed));
    }

    pub(super) fn ended(&self, ended: Ended) {
        let Some(handled) = &self.handled else { return };
        let (count, delivered) = match ended {
            Ended::Done => (&handled.done, 1),
            Ended::Dead => (&handled.dead, 1),
            Ended::Expired => (&handled.expired, 0),
        };
        count.fetch_add(1, Relaxed);
        self.delivered(delivered);
    }

    pub(super) fn summary(&self) -> Summary {
        let elapsed = self.begun.elapsed().max(Duration::from_micros(1)).as_secs_f64();
        let accepted = self.accepted.load(Relaxed);
        Summary {
            accepted,
            delivered: self.delivered.load(Relaxed),
            refused: self.refused.load(Relaxed),
            lost: self.lost.load(Relaxed),
            handled: self.handled.as_ref().map(|handled| Handled {
                done: handled.done.load(Relaxed),
                dead: handled.dead.load(Relaxed),
                retries: handled.retries.load(Relaxed),
                expired: handled.expired.load(Relaxed),
            }),
            seconds: (elapsed * 1e6).round() / 1e6,
            events_per_second: (accepted as f64 / elapsed).round() as u64,
        }
    }
}

impl Summary {
    /// The numbers without the time they took.
    pub(super) fn counts(&self) -> impl PartialEq + use<> {
        (self.accepted, self.delivered, self.refused, self.handled)
    }

    /// Whether every line was an event and every event got home.
    pub(super) fn is_clean(&self) -> bool {
        let dead = self.handled.map_or(0, |handled| handled.dead);
        self.refused == 0 && self.lost == 0 && dead == 0
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { accepted, delivered, refused, lost, handled, events_per_second, .. } = *self;
        write!(f, "{} accepted, ", HumanCount(accepted))?;
        match handled {
            None => write!(f, "{} delivered", HumanCount(delivered))?,
            Some(Handled { done, dead, .. }) => {
                write!(f, "{} done, {} dead", HumanCount(done), HumanCount(dead))?;
            }
        }
        write!(f, ", {} refused", HumanCount(refused))?;
        // What is rare is named where there is any.
        let (retries, expired) = handled.map_or((0, 0), |handled| (handled.retries, handled.expired));
        let retried = if retries == 1 { "retry" } else { "retries" };
        for (count, name) in [(retries, retried), (expired, "expired"), (lost, "lost")] {
            if count > 0 {
                write!(f, ", {} {name}", HumanCount(count))?;
            }
        }
        write!(f, ", {} events/s", HumanCount(events_per_second))
    }
}
