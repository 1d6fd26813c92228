//! Events that were read and are not handled yet: a bounded number, and nothing is read while there are so many.

use std::sync::Arc;

use owlbus::{
    Bus, Event, PublishError, Subscription,
    settle::{Settled, Settlement},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::super::{
    interrupt::Interrupt,
    read::{Destination, Published},
};

/// Publishes events while there are places for them.
pub(super) struct UnderWay {
    bus: Bus,
    subscription: Subscription,
    places: Arc<Semaphore>,
    interrupt: Interrupt,
    ended: mpsc::UnboundedSender<HasEnded>,
}

/// An event that needs its place no more, once it is entered in the books.
pub(super) struct HasEnded {
    pub(super) event: Event,
    /// `None` where the subscription had ended before it came.
    pub(super) settlement: Option<Settlement>,
    _place: Option<OwnedSemaphorePermit>,
}

impl UnderWay {
    /// With so many places; and where it tells of events that have ended, until all have and this is gone.
    pub(super) fn new(
        bus: &Bus,
        subscription: Subscription,
        places: usize,
        interrupt: Interrupt,
    ) -> (Self, mpsc::UnboundedReceiver<HasEnded>) {
        // Not more wait there than there are places.
        let (ended, has_ended) = mpsc::unbounded_channel();
        let places = Arc::new(Semaphore::new(places));
        (Self { bus: bus.clone(), subscription, places, interrupt, ended }, has_ended)
    }
}

impl Destination for UnderWay {
    async fn publish(&mut self, event: Event) -> Result<Published, PublishError> {
        if !self.subscription.matches(&event) {
            return self.bus.publish(event).await.map(|_| Published::Accepted);
        }
        let place = tokio::select! {
            biased;
            () = self.interrupt.told() => return Ok(Published::NotAnyMore),
            // Nobody closes the semaphore.
            place = Arc::clone(&self.places).acquire_owned() => place.ok(),
        };
        let published = self.bus.event(event.clone()).tracked().publish().await?;
        let ended = self.ended.clone();
        tokio::spawn(async move {
            let settled = published.settled().await.unwrap_or_default();
            let settlement = settled.into_iter().map(|Settled { settlement, .. }| settlement).next();
            // Whoever keeps the books waits until everybody has told.
            _ = ended.send(HasEnded { event, settlement, _place: place });
        });
        Ok(Published::Accepted)
    }
}
