//! The task of a schedule: waits for a tick, publishes its event, and waits for the next.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use super::{Missed, Tick, plan::Plan, rhythm::Rhythm};
use crate::{
    accept::{PublishError, publish_tick},
    bus::Core,
    event::{Escaped, Event},
    handle::panicked,
    middleware::Scope,
};

/// Makes the event of a tick. It is code of the user.
pub(super) type Make = Box<dyn FnMut(Tick) -> Event + Send>;

/// Drives one schedule. Holds the core only: it keeps no bus alive.
pub(super) struct Driver {
    pub(super) core: Arc<Core>,
    /// Who has scheduled it: what he may not publish, it may not.
    pub(super) scope: Option<Scope>,
    pub(super) plan: Arc<Plan>,
    pub(super) rhythm: Box<dyn Rhythm>,
    pub(super) make: Make,
    pub(super) missed: Missed,
    /// The number of the last tick.
    pub(super) times: u64,
}

impl Driver {
    /// Publishes an event a tick, the first when it is due.
    pub(super) async fn drive(mut self, first: Duration) {
        let (mut due, mut number, mut seen) = (Some(first), 0, self.rhythm.now());
        while let Some(next) = due
            && number < self.times
        {
            // Where there is much to make up for, others have their turn in between.
            tokio::task::coop::consume_budget().await;
            let Some(came) = self.plan.wait(&*self.rhythm, &mut seen, next).await else { return };
            let (last, missed) = match self.missed {
                Missed::Skip => self.rhythm.latest(came, self.rhythm.now()),
                Missed::All => (came, 0),
            };
            self.plan.count_missed(missed);
            number += 1;
            if !self.publish(Tick { number, due: self.rhythm.calendar(last), missed }).await {
                return;
            }
            due = self.rhythm.after(last);
        }
    }

    /// Publishes the event of a tick; says whether the bus goes on.
    async fn publish(&mut self, tick: Tick) -> bool {
        let error = match catch_unwind(AssertUnwindSafe(|| (self.make)(tick))) {
            Ok(event) => match publish_tick(&self.core, self.scope.clone(), event).await {
                Ok(receipt) => {
                    match receipt.discarded_by {
                        None => self.plan.count_published(),
                        Some(_) => self.plan.count_refused(),
                    }
                    return true;
                }
                Err(PublishError::Closed { .. }) => return false,
                Err(error) => Escaped(error).to_string(),
            },
            Err(panic) => Escaped(panicked(panic)).to_string(),
        };
        self.plan.count_refused();
        let (schedule, number) = (Escaped(&*self.plan.name), tick.number);
        tracing::warn!(%schedule, number, error, "the event of a tick was not published; the schedule goes on");
        true
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Whether it is over or its runtime is: no tick comes any more.
        self.core.schedules.end(&self.plan);
    }
}
