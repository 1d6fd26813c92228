//! One schedule, as its task and its handles share it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::{sync::Notify, time::timeout_at};

use super::rhythm::Rhythm;
use crate::{clock, stats::ScheduleStats};

/// A clock that is set back by more than this was wrong before: what is due is decided anew.
const CORRECTION: Duration = Duration::from_secs(3 * 3600);

/// What becomes of one schedule.
pub(crate) struct Plan {
    pub(super) name: Arc<str>,
    progress: Mutex<Progress>,
    /// Tells the task that the schedule is over.
    ended: Notify,
}

#[derive(Default)]
struct Progress {
    next: Option<SystemTime>,
    published: u64,
    refused: u64,
    missed: u64,
    over: bool,
}

impl Plan {
    pub(super) fn new(name: String, next: SystemTime) -> Self {
        let progress = Progress { next: Some(next), ..Progress::default() };
        Self { name: name.into(), progress: Mutex::new(progress), ended: Notify::new() }
    }

    /// Waits until a tick is due, and gives when it was; `None` where the schedule is over. The clock was last `seen` to
    /// read so.
    pub(super) async fn wait(
        &self,
        rhythm: &dyn Rhythm,
        seen: &mut Duration,
        mut due: Duration,
    ) -> Option<Duration> {
        self.note_next(rhythm.calendar(due));
        loop {
            let ended = self.ended.notified();
            if self.is_over() {
                return None;
            }
            let now = rhythm.now();
            if now + CORRECTION < *seen {
                due = rhythm.after(now)?;
                self.note_next(rhythm.calendar(due));
            }
            *seen = now;
            if now >= due {
                return Some(due);
            }
            let until = clock::deadline((due - now).min(rhythm.unwatched()));
            _ = timeout_at(until, ended).await;
        }
    }

    pub(super) fn count_published(&self) {
        self.lock().published += 1;
    }

    pub(super) fn count_refused(&self) {
        self.lock().refused += 1;
    }

    pub(super) fn count_missed(&self, ticks: u64) {
        let mut progress = self.lock();
        progress.missed = progress.missed.saturating_add(ticks);
    }

    /// Ends the schedule; says whether it had not ended yet.
    pub(super) fn end(&self) -> bool {
        let mut progress = self.lock();
        progress.next = None;
        let ends = !std::mem::replace(&mut progress.over, true);
        drop(progress);
        self.ended.notify_one();
        ends
    }

    pub(crate) fn stats(&self) -> ScheduleStats {
        let Progress { next, published, refused, missed, .. } = *self.lock();
        ScheduleStats { name: self.name.to_string(), next, published, refused, missed }
    }

    fn is_over(&self) -> bool {
        self.lock().over
    }

    fn note_next(&self, next: SystemTime) {
        let mut progress = self.lock();
        if !progress.over {
            progress.next = Some(next);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    use tokio::time::Instant;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    /// A tick an hour, by a clock that can be set.
    struct Set {
        begun: Instant,
        hours: AtomicU64,
    }

    impl Rhythm for Set {
        fn now(&self) -> Duration {
            self.begun.elapsed() + HOUR * self.hours.load(Relaxed) as u32
        }

        fn first(&self) -> Option<Duration> {
            self.after(self.now())
        }

        fn after(&self, time: Duration) -> Option<Duration> {
            Some(HOUR * (time.as_secs() / HOUR.as_secs() + 1) as u32)
        }

        fn latest(&self, due: Duration, _now: Duration) -> (Duration, u64) {
            (due, 0)
        }

        fn calendar(&self, time: Duration) -> SystemTime {
            SystemTime::UNIX_EPOCH + time
        }

        fn unwatched(&self) -> Duration {
            Duration::from_secs(60)
        }
    }

    /// How long a tick that is due in an hour takes to come, where the clock is set meanwhile.
    async fn set(from: u64, to: u64) -> Duration {
        let rhythm = Set { begun: Instant::now(), hours: from.into() };
        let (mut seen, due) = (rhythm.now(), rhythm.first().unwrap_or_default());
        let plan = Plan::new("set".to_owned(), rhythm.calendar(due));
        let setting = async {
            tokio::time::sleep(HOUR / 2).await; // sleeps: on the paused clock.
            rhythm.hours.store(to, Relaxed);
        };
        let (came, ()) = tokio::join!(plan.wait(&rhythm, &mut seen, due), setting);
        assert!(came.is_some());
        rhythm.begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_is_followed() {
        assert_eq!(set(100, 100).await, HOUR);
        let minute = Duration::from_secs(60);
        assert!(set(100, 101).await <= HOUR / 2 + minute, "it was set forward");
        assert_eq!(set(100, 98).await, HOUR * 3, "it was set back, and no tick comes twice");
        assert_eq!(set(1_000_000, 10).await, HOUR, "it was wrong");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_a_schedule_that_is_over() {
        let rhythm = Set { begun: Instant::now(), hours: 0.into() };
        let plan = Plan::new("over".to_owned(), SystemTime::UNIX_EPOCH);
        let mut seen = Duration::ZERO;
        let ending = async { assert!(plan.end() && !plan.end()) };
        assert_eq!(tokio::join!(plan.wait(&rhythm, &mut seen, HOUR), ending), (None, ()));
        assert_eq!((plan.stats().next, rhythm.begun.elapsed()), (None, Duration::ZERO));
    }
}
