//! Events that are published again and again: at an interval, or when a cron expression says.
//!
//! A schedule is a publisher with a clock: a task that makes an event for each [`Tick`], publishes it, and waits for the next.
//! Its clock is tokio's, so that a paused runtime drives it. It does not keep the bus: when the bus ends, so do its schedules.

mod builder;
mod cron;
mod driver;
mod error;
mod plan;
mod rhythm;
mod schedules;

use std::{fmt, sync::Arc, time::SystemTime};

pub use builder::ScheduleBuilder;
pub use error::ScheduleError;
use plan::Plan;
pub(crate) use schedules::Schedules;

use crate::{
    bus::{Bus, Core},
    stats::ScheduleStats,
};

/// What is due: given to the function that makes the event for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tick {
    /// Its number, from 1.
    pub number: u64,
    /// When it was due, by the calendar.
    pub due: SystemTime,
    /// How many ticks before it were missed since the last, and are left out for it: see [`Missed::Skip`].
    pub missed: u64,
}

/// What becomes of ticks that were missed: when one comes so late that others are due already, because the machine slept, the
/// runtime was held up, or the event before waited for room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Missed {
    /// One event for all of them, at once. The default. [`Tick::missed`] says how many it stands for besides its own.
    #[default]
    Skip,
    /// One event each, one right after the other.
    All,
}

/// A schedule: a handle to look at it and to end it. Dropping the handle changes nothing.
#[derive(Clone)]
pub struct Schedule {
    core: Arc<Core>,
    plan: Arc<Plan>,
}

impl Schedule {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.plan.name
    }

    /// When the next tick is due, by the calendar; `None` where none is any more.
    #[must_use]
    pub fn next(&self) -> Option<SystemTime> {
        self.plan.stats().next
    }

    /// What happened in it so far.
    #[must_use]
    pub fn stats(&self) -> ScheduleStats {
        self.plan.stats()
    }

    /// Ends the schedule: nothing is published any more, but for an event that waits for room at this moment. Says whether
    /// it had not ended yet; its name is free.
    pub fn cancel(&self) -> bool {
        self.core.schedules.end(&self.plan)
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schedule").field("name", &self.name()).finish_non_exhaustive()
    }
}

impl Bus {
    /// Begins a schedule of that name, which publishes an event again and again.
    ///
    /// It ends when it is cancelled, when it has published as often as it was told to, or with the bus, which it does not
    /// keep: a shutdown waits for no tick.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?.block_on(async {
    /// use std::time::Duration;
    ///
    /// use owlbus::{Bus, Event};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize, Event)]
    /// #[event(topic = "camera.due")]
    /// struct CameraDue {
    ///     picture: u64,
    /// }
    ///
    /// let bus = Bus::in_memory();
    /// // The same data each time, with an id and a time of its own.
    /// bus.schedule("alive").every(Duration::from_secs(30)).publish(Event::signal("system.alive")?)?;
    /// // Data of its own each time.
    /// let camera = bus
    ///     .schedule("camera")
    ///     .every(Duration::from_secs(5))
    ///     .publish_with(|tick| CameraDue { picture: tick.number })?;
    ///
    /// let first = bus.wait_for_type::<CameraDue>().await?;
    /// assert_eq!(first.view::<CameraDue>()?.picture, 1);
    /// camera.cancel();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn schedule(&self, name: impl Into<String>) -> ScheduleBuilder<'_> {
        ScheduleBuilder::new(self, name.into())
    }

    /// The schedules that have not ended, by name. A handle with an identity sees them only where that may administer the bus.
    #[must_use]
    pub fn schedules(&self) -> Vec<Schedule> {
        if self.administers().is_err() {
            return Vec::new();
        }
        let plans = self.core().schedules.all().into_iter();
        plans.map(|plan| Schedule { core: Arc::clone(self.core()), plan }).collect()
    }
}
