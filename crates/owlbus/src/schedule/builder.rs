//! How a schedule is made.

use std::{fmt, sync::Arc, time::Duration};

use tokio::{runtime::Handle, time::Instant};

use super::{
    Missed, Schedule, ScheduleError, Tick, cron,
    driver::{Driver, Make},
    plan::Plan,
    rhythm::{Every, Rhythm},
};
use crate::{
    accept::{self, PublishError},
    bus::Bus,
    config::ConfigError,
    event::IntoEvent,
};

/// A schedule that is being made: when, how often, and what if it is late. Ends in [`publish`](Self::publish) or
/// [`publish_with`](Self::publish_with). A wrong value is reported there.
#[must_use = "nothing is scheduled until `publish` or `publish_with` is called"]
pub struct ScheduleBuilder<'a> {
    bus: &'a Bus,
    name: String,
    every: Option<Duration>,
    first_after: Option<Duration>,
    pub(super) cron: Option<String>,
    pub(super) zone: Option<String>,
    times: Option<u64>,
    missed: Missed,
}

/// As fine as tokio's timers are.
const SHORTEST: Duration = Duration::from_millis(1);

impl<'a> ScheduleBuilder<'a> {
    pub(super) fn new(bus: &'a Bus, name: String) -> Self {
        Self {
            bus,
            name,
            every: None,
            first_after: None,
            cron: None,
            zone: None,
            times: None,
            missed: Missed::default(),
        }
    }

    /// One tick an interval, of a millisecond at least. A tick that comes late delays none of those after it.
    pub fn every(mut self, interval: Duration) -> Self {
        self.every = Some(interval);
        self
    }

    /// When the first tick of [`every`](Self::every) comes: zero is at once. Default: after one interval.
    pub fn first_after(mut self, delay: Duration) -> Self {
        self.first_after = Some(delay);
        self
    }

    /// How many ticks there are. Default: as many as there is time for.
    pub fn times(mut self, ticks: u64) -> Self {
        self.times = Some(ticks);
        self
    }

    /// What becomes of ticks that were missed. Default: [`Missed::Skip`].
    pub fn missed(mut self, missed: Missed) -> Self {
        self.missed = missed;
        self
    }

    /// Publishes this event at each tick, with an id and a time of its own; an expiry moves along. Everything else is the
    /// same, a correlation that was set too.
    ///
    /// It is published as by [`Bus::publish`], which waits for room; ticks that come due meanwhile are missed. A tick
    /// whose event is refused is logged and counted, and the schedule goes on. Until it is published, a shutdown does not know of
    /// it. Needs no await, but a tokio runtime to mind the time: that in which this is called, or else that the bus was
    /// built in.
    ///
    /// # Errors
    ///
    /// [`ScheduleError`] says what to change.
    pub fn publish(self, event: impl IntoEvent) -> Result<Schedule, ScheduleError> {
        let (core, event) = (self.bus.core(), event.into_event());
        match accept::check(core, &event, event.bytes_of_it()) {
            // There may be memory when it is due.
            Ok(()) | Err(PublishError::Overloaded { .. }) => {}
            Err(PublishError::Closed { .. }) => return Err(ScheduleError::Closed),
            Err(error) => return Err(error.into()),
        }
        accept::may_publish(core, self.bus.scope(), &event)?;
        self.start(Box::new(move |_| event.clone().happening_now()))
    }

    /// As [`publish`](Self::publish), with the event that `make` makes for each tick.
    ///
    /// `make` runs in a task of the runtime and should be quick. Its panic is logged, and its tick counts as refused.
    ///
    /// # Errors
    ///
    /// [`ScheduleError`] says what to change.
    pub fn publish_with<E: IntoEvent>(
        self,
        mut make: impl FnMut(Tick) -> E + Send + 'static,
    ) -> Result<Schedule, ScheduleError> {
        self.start(Box::new(move |tick| make(tick).into_event()))
    }

    fn start(self, make: Make) -> Result<Schedule, ScheduleError> {
        let core = self.bus.core();
        let runtime = Handle::try_current().ok().or_else(|| core.runtime.clone());
        let runtime = runtime.ok_or(ScheduleError::NoRuntime)?;
        if self.name.is_empty() {
            return Err(
                ConfigError::new("schedule", "has an empty name; give it one that is told in logs").into()
            );
        }
        let times = self.times.unwrap_or(u64::MAX);
        if times == 0 {
            return Err(ConfigError::new("times", "is 0, so nothing would ever be published").into());
        }
        // The clock of the runtime it will run on counts, where this is called outside of it.
        let _inside = runtime.enter();
        let rhythm = self.rhythm()?;
        let first =
            rhythm.first().ok_or_else(|| ConfigError::new("cron", "names a time that never comes"))?;
        let plan = Arc::new(Plan::new(self.name, rhythm.calendar(first)));
        core.schedules.add(&plan)?;
        let (core, scope, missed) = (Arc::clone(core), self.bus.scope().cloned(), self.missed);
        let schedule = Schedule { core: Arc::clone(&core), plan: Arc::clone(&plan) };
        drop(runtime.spawn(Driver { core, scope, plan, rhythm, make, missed, times }.drive(first)));
        Ok(schedule)
    }

    fn rhythm(&self) -> Result<Box<dyn Rhythm>, ConfigError> {
        let wrong = |setting, problem| Err(ConfigError::new(setting, problem));
        match (self.every, &self.cron) {
            (Some(_), Some(_)) => wrong("cron", "does not go with `every`; choose one of them"),
            (None, None) => wrong("schedule", "has no time; say `every`, or `cron`"),
            (Some(interval), None) if interval < SHORTEST => wrong(
                "every",
                "is shorter than a millisecond, which is as fine as timers are; make it longer",
            ),
            (Some(_), None) if self.zone.is_some() => {
                wrong("zone", "is for `cron`; an interval knows no zones: leave it out")
            }
            (Some(interval), None) => {
                let first = self.first_after.unwrap_or(interval);
                Ok(Box::new(Every { begun: Instant::now(), first, interval }))
            }
            (None, Some(_)) if self.first_after.is_some() => {
                wrong("first_after", "is for `every`; a cron expression says when the first is: leave it out")
            }
            (None, Some(expression)) => cron::rhythm(expression, self.zone.as_deref()),
        }
    }
}

impl fmt::Debug for ScheduleBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScheduleBuilder").field("name", &self.name).finish_non_exhaustive()
    }
}
