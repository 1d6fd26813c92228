//! How far one event has come in each subscription it goes to.
//!
//! Most events are not tracked. Those are that somebody waits for (`Immediate`, `tracked`) and those that go to several
//! bands: there one delivery waits for another.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Notify, time::Instant};

use super::settlement::{Settled, Settlement};
use crate::{
    dispatch::Subscriber,
    handle::{DropReason, Front},
    sync::Mutex,
};

/// The deliveries of one event. Held by each of them, and by who waits for them.
pub(crate) struct Tracker {
    /// When the event was published.
    since: Instant,
    deliveries: Mutex<Vec<Tracked>>,
    /// Told of every attempt that ended and every delivery that was settled.
    changed: Notify,
}

struct Tracked {
    subscriber: Arc<Subscriber>,
    stage: Stage,
}

enum Stage {
    /// It is on its way into the mailbox, or waits there.
    Waiting,
    /// A worker is at it.
    Running {
        worker: usize,
    },
    Over(Settlement),
    /// The subscription did not want it after all, or ended before it came.
    Never,
}

/// A delivery that a worker is at.
pub(crate) struct Runner {
    pub(crate) subscriber: Arc<Subscriber>,
    pub(crate) worker: usize,
}

/// A delivery that somebody waits for, and where it is.
pub(crate) enum Pending {
    Waiting(Arc<Subscriber>),
    Running(Runner),
}

impl Tracker {
    /// Tracks an event on its way to these subscriptions.
    pub(crate) fn new<'a>(subscribers: impl Iterator<Item = &'a Arc<Subscriber>>) -> Arc<Self> {
        let tracked = |subscriber: &Arc<Subscriber>| Tracked {
            subscriber: Arc::clone(subscriber),
            stage: Stage::Waiting,
        };
        Arc::new(Self {
            since: Instant::now(),
            deliveries: Mutex::new(subscribers.map(tracked).collect()),
            changed: Notify::new(),
        })
    }

    /// The delivery at a place, for the mailbox it goes to.
    pub(crate) fn watch(self: &Arc<Self>, place: usize) -> Box<Watched> {
        Box::new(Watched { tracker: Arc::clone(self), place })
    }

    pub(crate) fn since(&self) -> Instant {
        self.since
    }

    /// Waits until the first attempt of every delivery has ended.
    pub(crate) async fn attempted(&self) {
        self.until(|stage| !matches!(stage, Stage::Waiting | Stage::Running { .. })).await;
    }

    /// Names of those whose first attempt has not ended.
    pub(crate) fn unfinished(&self) -> Vec<Arc<str>> {
        let deliveries = self.deliveries.lock();
        let unfinished = deliveries.iter().filter(|one| one.stage.is_open());
        unfinished.map(|one| Arc::clone(&one.subscriber.name)).collect()
    }

    /// Waits until every delivery is settled.
    pub(crate) async fn settled(&self) -> Vec<Settled> {
        self.until(|stage| matches!(stage, Stage::Over(_) | Stage::Never)).await;
        let deliveries = self.deliveries.lock();
        let settled = deliveries.iter().filter_map(|one| match &one.stage {
            Stage::Over(settlement) => Some(Settled {
                subscription: Arc::clone(&one.subscriber.name),
                settlement: settlement.clone(),
            }),
            _ => None,
        });
        settled.collect()
    }

    /// The deliveries that are not settled, and where they are.
    pub(crate) fn pending(&self) -> Vec<Pending> {
        let deliveries = self.deliveries.lock();
        let pending = deliveries.iter().filter_map(|one| match one.stage {
            Stage::Waiting => Some(Pending::Waiting(Arc::clone(&one.subscriber))),
            Stage::Running { worker } => {
                Some(Pending::Running(Runner { subscriber: Arc::clone(&one.subscriber), worker }))
            }
            Stage::Over(_) | Stage::Never => None,
        });
        pending.collect()
    }

    /// A worker has begun with the delivery at a place.
    pub(crate) fn started(&self, place: usize, worker: usize) {
        self.advance(place, Stage::Running { worker });
    }

    async fn until(&self, over: impl Fn(&Stage) -> bool) {
        loop {
            let change = self.changed.notified();
            if self.deliveries.lock().iter().all(|one| over(&one.stage)) {
                return;
            }
            change.await;
        }
    }

    /// A delivery has come to another stage, unless it had come to its end.
    fn advance(&self, place: usize, stage: Stage) {
        let mut deliveries = self.deliveries.lock();
        if !deliveries[place].stage.is_open() {
            return;
        }
        let (over, priority) = (!stage.is_open(), deliveries[place].subscriber.band);
        deliveries[place].stage = stage;
        // Those below may start now.
        let below =
            |one: &&Tracked| over && one.subscriber.band < priority && matches!(one.stage, Stage::Waiting);
        let freed: Vec<_> = deliveries.iter().filter(below).map(|one| Arc::clone(&one.subscriber)).collect();
        drop(deliveries);
        freed.iter().for_each(|subscriber| subscriber.mailbox.wake_another());
        if over {
            self.changed.notify_waiters();
        }
    }

    /// A subscription did not want the event after all.
    pub(crate) fn never(&self, place: usize) {
        self.advance(place, Stage::Never);
    }

    pub(crate) fn over(&self, place: usize, settlement: Settlement) {
        self.advance(place, Stage::Over(settlement));
    }
}

impl Stage {
    fn is_open(&self) -> bool {
        matches!(self, Stage::Waiting | Stage::Running { .. })
    }
}

/// One delivery of an event that is tracked. Dropped before it came to an end, it never happened.
pub(crate) struct Watched {
    tracker: Arc<Tracker>,
    place: usize,
}

impl Watched {
    /// A worker has begun with it.
    pub(crate) fn started(&self, worker: usize) {
        self.tracker.started(self.place, worker);
    }

    pub(crate) fn over(&self, settlement: Settlement) {
        self.tracker.over(self.place, settlement);
    }

    pub(crate) fn dropped(&self, reason: DropReason) {
        self.over(Settlement::Dropped { reason });
    }

    /// Whether it can start, as far as bands are concerned.
    pub(crate) fn front(&self) -> Front {
        let deliveries = self.tracker.deliveries.lock();
        let me = &deliveries[self.place].subscriber;
        let mut front = Front::Event;
        for before in deliveries.iter().filter(|other| other.subscriber.band > me.band) {
            match before.stage {
                Stage::Running { .. } => return Front::Held(None),
                Stage::Waiting => front = Front::Held(Some(self.deadline(me.band_wait, me))),
                Stage::Over(_) | Stage::Never => {}
            }
        }
        drop(deliveries);
        match front {
            Front::Held(Some(until)) if until <= Instant::now() => Front::Event,
            other => other,
        }
    }

    /// Whether it starts before all those above it have.
    pub(crate) fn is_early(&self) -> bool {
        let deliveries = self.tracker.deliveries.lock();
        let band = deliveries[self.place].subscriber.band;
        deliveries.iter().any(|other| other.subscriber.band > band && other.stage.is_open())
    }

    /// Those it is held back by for as long as they run.
    pub(crate) fn runners_before(&self) -> Vec<Runner> {
        let deliveries = self.tracker.deliveries.lock();
        let band = deliveries[self.place].subscriber.band;
        let runners = deliveries.iter().filter(|other| other.subscriber.band > band);
        let runner = |one: &Tracked| match one.stage {
            Stage::Running { worker } => Some(Runner { subscriber: Arc::clone(&one.subscriber), worker }),
            _ => None,
        };
        runners.filter_map(runner).collect()
    }

    /// Until when it waits for those above it to start.
    fn deadline(&self, patience: Duration, subscriber: &Subscriber) -> Instant {
        let since = subscriber.mailbox.resumed().map_or(self.tracker.since, |at| at.max(self.tracker.since));
        since.checked_add(patience).unwrap_or(since)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.tracker.never(self.place);
    }
}
