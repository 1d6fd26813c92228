//! A subscription in the hands of whoever made it.

use std::{fmt, sync::Arc};

use super::overflow::DropReason;
use crate::{bus::Core, dispatch::Subscriber, event::Event, stats::SubscriptionStats};

/// A subscription: a handle to look at it and to end it. Dropping the handle changes nothing; see
/// [`unsubscribe_on_drop`](Subscription::unsubscribe_on_drop).
#[derive(Clone)]
pub struct Subscription {
    core: Arc<Core>,
    subscriber: Arc<Subscriber>,
}

impl Subscription {
    pub(crate) fn new(core: &Arc<Core>, subscriber: Arc<Subscriber>) -> Self {
        Self { core: Arc::clone(core), subscriber }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.subscriber.name
    }

    /// Ends the subscription. When this returns, no event is taken for the handler any more; a call that has begun,
    /// be it at this very moment in another thread, may finish.
    ///
    /// Gives the number of events that waited: they are dropped, and counted as `unsubscribed`. May be called from
    /// anywhere, the handler itself included, and does nothing the second time.
    pub fn unsubscribe(&self) -> usize {
        self.core.routes.remove(&self.subscriber);
        let left = self.subscriber.end(DropReason::Unsubscribed).len();
        // A shutdown may be waiting for what a stream had not given out.
        self.gave_out();
        left
    }

    /// Holds delivery: events are accepted and wait, as far as there is room. What runs goes on.
    ///
    /// Lower bands wait for it no longer than `band_wait`. A shutdown does not wait for it: what is left is reported.
    pub fn pause(&self) {
        self.subscriber.mailbox.pause();
    }

    /// Lets delivery go on.
    pub fn resume(&self) {
        self.subscriber.mailbox.resume();
    }

    /// Whether an event is one this subscription asks for: by topic, by type, and by its filter. One that is for a
    /// single event, and one that has ended, say so of the events they would have asked for.
    #[must_use]
    pub fn matches(&self, event: &Event) -> bool {
        self.subscriber.asks_for(event)
    }

    /// Makes the subscription end when this guard is dropped.
    pub fn unsubscribe_on_drop(self) -> SubscriptionGuard {
        SubscriptionGuard(self)
    }

    /// What happened in it so far.
    #[must_use]
    pub fn stats(&self) -> SubscriptionStats {
        SubscriptionStats::of(&self.subscriber)
    }

    /// Tells a bus that ends that a stream gave an event out, or is gone.
    pub(crate) fn gave_out(&self) {
        if self.core.turnstile.is_closed() {
            self.core.given_out.notify_waiters();
        }
    }

    pub(crate) fn core(&self) -> &Core {
        &self.core
    }

    pub(crate) fn subscriber(&self) -> &Arc<Subscriber> {
        &self.subscriber
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("name", &self.name()).finish_non_exhaustive()
    }
}

/// Ends a subscription when it is dropped.
#[derive(Debug)]
#[must_use = "the subscription ends as soon as the guard is dropped"]
pub struct SubscriptionGuard(Subscription);

impl std::ops::Deref for SubscriptionGuard {
    type Target = Subscription;

    fn deref(&self) -> &Subscription {
        &self.0
    }
}

impl Drop for SubscriptionGuard {
    fn drop(&mut self) {
        self.0.unsubscribe();
    }
}
