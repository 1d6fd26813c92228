//! One reading of the clock, for everything that needs the time of an event.
//!
//! Durations come from tokio's clock, so that a paused runtime drives them; the calendar time of a reading is
//! reckoned from it, and compared with the system's clock once a second, which saves a second reading an event.

use std::{
    cell::Cell,
    sync::OnceLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::time::Instant;

/// An instant on tokio's clock, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(pub(crate) u64);

/// What the first reading of this process counts as. Far from zero, because the clocks of runtimes that are paused
/// stand elsewhere, and may be behind it.
const FIRST: u64 = 1 << 62;

impl Moment {
    pub(crate) fn now() -> Self {
        static READ_FIRST: OnceLock<Instant> = OnceLock::new();
        let (now, first) = (Instant::now(), *READ_FIRST.get_or_init(Instant::now));
        match now.checked_duration_since(first) {
            Some(after) => Self(FIRST.wrapping_add(nanoseconds(after))),
            None => Self(FIRST.wrapping_sub(nanoseconds(first.saturating_duration_since(now)))),
        }
    }

    /// The instant so long after this one, or the last there is.
    pub(crate) fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// Time from `earlier` to this instant; zero where that is later.
    pub(crate) fn since(self, earlier: Moment) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// A reading: the instant, and the same instant in calendar time since the Unix epoch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) moment: Moment,
    pub(crate) calendar: Duration,
}

/// A duration in nanoseconds, without the 128 bits of `Duration::as_nanos`.
fn nanoseconds(duration: Duration) -> u64 {
    duration.as_secs().wrapping_mul(1_000_000_000).wrapping_add(u64::from(duration.subsec_nanos()))
}

/// Calendar time on tokio's clock: that of the system, moved by as much as a paused runtime has moved its own.
pub(crate) fn calendar() -> SystemTime {
    let (tokio, real, system) = (Instant::now().into_std(), std::time::Instant::now(), SystemTime::now());
    let moved = match tokio.checked_duration_since(real) {
        Some(ahead) => system.checked_add(ahead),
        None => system.checked_sub(real.duration_since(tokio)),
    };
    moved.unwrap_or(system)
}

/// The instant that far from now; a time nobody will see where it is further than the clock can count.
pub(crate) fn deadline(after: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
    let now = Instant::now();
    now.checked_add(after.min(FAR)).unwrap_or(now)
}

/// How long a comparison of the two clocks is good for.
const GOOD_FOR: Duration = Duration::from_secs(1);

thread_local! {
    static COMPARED: Cell<Option<Reading>> = const { Cell::new(None) };
}

impl Reading {
    pub(crate) fn take() -> Self {
        let moment = Moment::now();
        COMPARED.with(|compared| match compared.get() {
            Some(then) if moment >= then.moment && moment.since(then.moment) < GOOD_FOR => {
                Self { moment, calendar: then.calendar + moment.since(then.moment) }
            }
            _ => {
                let calendar = calendar().duration_since(UNIX_EPOCH).unwrap_or_default();
                let fresh = Self { moment, calendar };
                compared.set(Some(fresh));
                fresh
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_paused_clock_moves_both_times_alike() {
        let before = Reading::take();
        tokio::time::advance(Duration::from_millis(700)).await;
        let after = Reading::take();
        assert_eq!(after.moment.since(before.moment), Duration::from_millis(700));
        assert_eq!(after.calendar.checked_sub(before.calendar), Some(Duration::from_millis(700)));
    }
}
