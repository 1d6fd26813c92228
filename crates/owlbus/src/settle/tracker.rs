//! How far one event has come in each subscription it goes to.
//!
//! Most events are not tracked. Those are that somebody waits for (`Immediate`, `tracked`) and those that go to several
//! bands: there one delivery waits for another.

use std::sync::Arc;

use tokio::{sync::Notify, time::Instant};

use super::settlement::{Settled, Settlement};
use crate::{
    clock,
    dispatch::{Subscriber, SubscriberId},
    handle::{DropReason, Front},
    sync::Mutex,
};

/// The deliveries of one event. Held by each of them, and by who waits for them.
pub(crate) struct Tracker {
    /// When the event was published.
    since: Instant,
    deliveries: Mutex<Vec<Tracked>>,
    /// What is to be done once every delivery is settled.
    then: Mutex<Option<Then>>,
    /// Told of every attempt that ended and every delivery that was settled.
    changed: Notify,
}

/// What is to be done with the outcomes.
type Then = Box<dyn FnOnce(Vec<Settled>) + Send>;

struct Tracked {
    subscriber: Arc<Subscriber>,
    stage: Stage,
}

enum Stage {
    /// It is on its way into the mailbox, or waits there.
    Waiting,
    /// A worker is at it, for the first time.
    Running {
        worker: usize,
        since: Instant,
    },
    /// Its subscription keeps it until its time has come; nobody waits for that to start on the event.
    Kept,
    /// The first attempt failed, and it will be tried again.
    Postponed,
    /// A worker is at it, and nobody else waits for that.
    Again {
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
            then: Mutex::new(None),
            changed: Notify::new(),
        })
    }

    /// The delivery at a place, for the mailbox it goes to.
    pub(crate) fn watch(self: &Arc<Self>, place: usize) -> Watched {
        Watched { tracker: Arc::clone(self), place }
    }

    pub(crate) fn since(&self) -> Instant {
        self.since
    }

    /// Waits until the first attempt of every delivery has ended.
    pub(crate) async fn attempted(&self) {
        self.until(|stage| !stage.is_first()).await;
    }

    /// Names of those whose first attempt has not ended.
    pub(crate) fn unfinished(&self) -> Vec<Arc<str>> {
        let deliveries = self.deliveries.lock();
        let unfinished = deliveries.iter().filter(|one| one.stage.is_first());
        unfinished.map(|one| Arc::clone(&one.subscriber.name)).collect()
    }

    /// Names of those that have not settled it.
    pub(crate) fn unsettled(&self) -> Vec<Arc<str>> {
        let deliveries = self.deliveries.lock();
        let unsettled = deliveries.iter().filter(|one| !one.stage.is_over());
        unsettled.map(|one| Arc::clone(&one.subscriber.name)).collect()
    }

    /// Waits until every delivery is settled.
    pub(crate) async fn settled(&self) -> Vec<Settled> {
        self.until(Stage::is_over).await;
        self.outcomes()
    }

    /// Has this called with what became of every delivery, once they are settled; at once where they are.
    pub(crate) fn then(&self, then: impl FnOnce(Vec<Settled>) + Send + 'static) {
        *self.then.lock() = Some(Box::new(then));
        self.go_on();
    }

    /// Calls what is to be called where every delivery is settled.
    fn go_on(&self) {
        if self.deliveries.lock().iter().all(|one| one.stage.is_over()) {
            let then = self.then.lock().take();
            then.into_iter().for_each(|then| then(self.outcomes()));
        }
    }

    fn outcomes(&self) -> Vec<Settled> {
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

    /// The deliveries that are not settled, or whose first attempt has not ended, and where they are.
    pub(crate) fn pending(&self, first_attempts: bool) -> Vec<Pending> {
        let deliveries = self.deliveries.lock();
        let waited_for = deliveries.iter().filter(|one| !first_attempts || one.stage.is_first());
        let pending = waited_for.filter_map(|one| match one.stage {
            Stage::Waiting | Stage::Kept | Stage::Postponed => {
                Some(Pending::Waiting(Arc::clone(&one.subscriber)))
            }
            Stage::Running { worker, .. } | Stage::Again { worker } => {
                Some(Pending::Running(Runner { subscriber: Arc::clone(&one.subscriber), worker }))
            }
            Stage::Over(_) | Stage::Never => None,
        });
        pending.collect()
    }

    /// Whether a subscription is one of those it goes to.
    pub(crate) fn goes_to(&self, id: SubscriberId) -> bool {
        self.deliveries.lock().iter().any(|one| one.subscriber.id == id)
    }

    /// A worker has begun with the delivery at a place.
    pub(crate) fn started(&self, place: usize, worker: usize) {
        self.advance(place, Stage::Running { worker, since: Instant::now() });
    }

    /// The subscription keeps the event until its time has come.
    pub(crate) fn kept(&self, place: usize) {
        self.advance(place, Stage::Kept);
    }

    /// An attempt failed, and there will be another.
    fn postponed(&self, place: usize) {
        self.advance(place, Stage::Postponed);
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
        let before = &deliveries[place].stage;
        let (was_first, first) = (before.is_first(), stage.is_first());
        let stage = match (before, stage) {
            (Stage::Over(_) | Stage::Never, _) => return,
            // It may have started since it was kept.
            (before, Stage::Kept) if !matches!(before, Stage::Waiting) => return,
            (Stage::Kept | Stage::Postponed, Stage::Running { worker, .. }) => Stage::Again { worker },
            (_, stage) => stage,
        };
        let told = !first || stage.is_over();
        let band = deliveries[place].subscriber.band;
        deliveries[place].stage = stage;
        // Those below may start now.
        let below = |one: &&Tracked| {
            let waits = matches!(one.stage, Stage::Waiting | Stage::Kept);
            was_first && !first && one.subscriber.band < band && waits
        };
        let freed: Vec<_> = deliveries.iter().filter(below).map(|one| Arc::clone(&one.subscriber)).collect();
        drop(deliveries);
        freed.iter().for_each(|subscriber| subscriber.mailbox.wake_another());
        if told {
            self.changed.notify_waiters();
            self.go_on();
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
    /// Whether the first attempt has not ended.
    fn is_first(&self) -> bool {
        matches!(self, Stage::Waiting | Stage::Running { .. })
    }

    fn is_over(&self) -> bool {
        matches!(self, Stage::Over(_) | Stage::Never)
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

    /// The attempt failed, and there will be another.
    pub(crate) fn postponed(&self) {
        self.tracker.postponed(self.place);
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
        let until = self.deadline(me);
        let over = until.is_some_and(|until| until <= Instant::now());
        let mut front = Front::Event;
        for before in deliveries.iter().filter(|other| other.subscriber.band > me.band) {
            match before.stage {
                // Whoever has started in time is waited for.
                Stage::Running { since, .. } if until.is_none_or(|until| since < until) => {
                    return Front::Held(None);
                }
                Stage::Waiting if !over => front = Front::Held(until),
                _ => {}
            }
        }
        front
    }

    /// Whether it starts before all those above it have.
    pub(crate) fn is_early(&self) -> bool {
        let deliveries = self.tracker.deliveries.lock();
        let band = deliveries[self.place].subscriber.band;
        deliveries.iter().any(|other| other.subscriber.band > band && other.stage.is_first())
    }

    /// Those it is held back by for as long as they run.
    pub(crate) fn runners_before(&self) -> Vec<Runner> {
        let deliveries = self.tracker.deliveries.lock();
        let band = deliveries[self.place].subscriber.band;
        let runners = deliveries.iter().filter(|other| other.subscriber.band > band);
        let runner = |one: &Tracked| match one.stage {
            Stage::Running { worker, .. } => Some(Runner { subscriber: Arc::clone(&one.subscriber), worker }),
            _ => None,
        };
        runners.filter_map(runner).collect()
    }

    /// Until when it waits for those above it to start; `None` while the bus is paused, for nobody starts then.
    fn deadline(&self, subscriber: &Subscriber) -> Option<Instant> {
        if subscriber.mailbox.is_paused() {
            return None;
        }
        let published = self.tracker.since;
        let since = subscriber.mailbox.resumed().map_or(published, |resumed| resumed.max(published));
        let until = since.checked_add(subscriber.band_wait);
        Some(until.unwrap_or_else(|| clock::deadline(subscriber.band_wait)))
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.tracker.never(self.place);
    }
}
