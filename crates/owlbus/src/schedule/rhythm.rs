//! When the ticks of a schedule are due.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::clock;

/// When ticks are due, as times on a clock of its own: each counts from where it likes.
///
/// What comes after a time is always later than that time.
pub(super) trait Rhythm: Send + Sync {
    /// The time now.
    fn now(&self) -> Duration;

    /// When the first tick is due.
    fn first(&self) -> Option<Duration>;

    /// When the first tick after that time is due; `None` where there is none any more.
    fn after(&self, time: Duration) -> Option<Duration>;

    /// The last tick that is due by now, where that at `due` is; and how many came from that on before it.
    fn latest(&self, due: Duration, now: Duration) -> (Duration, u64);

    /// The same time by the calendar.
    fn calendar(&self, time: Duration) -> SystemTime;

    /// How long the clock may be left alone.
    fn unwatched(&self) -> Duration;
}

/// One tick an interval, on tokio's clock. A late tick delays none of those after it.
pub(super) struct Every {
    pub(super) begun: Instant,
    pub(super) first: Duration,
    pub(super) interval: Duration,
}

impl Rhythm for Every {
    fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    fn first(&self) -> Option<Duration> {
        Some(self.first)
    }

    fn after(&self, time: Duration) -> Option<Duration> {
        if time < self.first {
            return Some(self.first);
        }
        let (last, _) = self.latest(self.first, time);
        last.checked_add(self.interval)
    }

    fn latest(&self, due: Duration, now: Duration) -> (Duration, u64) {
        let ahead = now.saturating_sub(due).as_nanos();
        let beyond = Duration::from_nanos_u128(ahead % self.interval.as_nanos());
        let ticks = u64::try_from(ahead / self.interval.as_nanos()).unwrap_or(u64::MAX);
        (now.max(due) - beyond, ticks)
    }

    fn calendar(&self, time: Duration) -> SystemTime {
        let (now, calendar) = (self.now(), clock::calendar());
        let moved = match time.checked_sub(now) {
            Some(ahead) => calendar.checked_add(ahead),
            None => calendar.checked_sub(now - time),
        };
        moved.unwrap_or(calendar)
    }

    fn unwatched(&self) -> Duration {
        Duration::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn ticks_stand_on_a_grid_that_begins_with_the_first() {
        let every = Every { begun: Instant::now(), first: SECOND * 2, interval: SECOND * 5 };
        let after =
            |seconds: f64| every.after(Duration::from_secs_f64(seconds)).unwrap_or_default().as_secs();
        assert_eq!([0.0, 1.9, 2.0, 2.1, 7.0, 11.9].map(after), [2, 2, 7, 7, 12, 12]);
        assert_eq!(every.after(Duration::MAX), None);
    }

    #[test]
    fn the_latest_tick_is_the_last_that_is_due() {
        let every = Every { begun: Instant::now(), first: SECOND * 2, interval: SECOND * 5 };
        let latest = |now| every.latest(SECOND * 7, Duration::from_secs_f64(now));
        let wanted = [(7, 0), (7, 0), (12, 1), (102, 19)].map(|(due, missed)| (SECOND * due, missed));
        assert_eq!([7.0, 11.9, 12.0, 106.5].map(latest), wanted);
    }
}
