//! The end of an event builder that knows its bus: the ways to publish what it made.

use std::{
    borrow::Borrow,
    time::{Duration, SystemTime},
};

use super::{
    PublishError, Receipt, Tracked, publish, publish_at, publish_blocking, publish_tracked, try_publish,
};
use crate::{
    bus::Bus,
    clock,
    event::{Event, EventBuilder},
};

impl<B: Borrow<Bus>> EventBuilder<B> {
    /// Publishes the event, as [`Bus::publish`] does.
    ///
    /// # Errors
    ///
    /// [`PublishError::Rejected`] for the first wrong value that was given; else as [`Bus::publish`].
    pub async fn publish(self) -> Result<Receipt, PublishError> {
        let due = self.due;
        let (event, bus) = self.complete()?;
        match due {
            None => publish(bus.borrow(), event).await,
            Some(due) => publish_at(bus.borrow(), event, due),
        }
    }

    /// Publishes the event only after so long. Default: at once.
    ///
    /// Its publish returns at once, and says in [`Receipt::due`] when it will be. Its place in the journal and its
    /// subscriptions are decided then; a mailbox that is full then is waited for as by any publisher, and where the bus
    /// refuses it, that is logged and counted. Until then [`Bus::cancel`] takes it back, and a shutdown reports it.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.due = Some(clock::deadline(delay));
        self
    }

    /// Publishes the event at that time, or at once where it has passed. As [`delay`](Self::delay).
    pub fn at(self, time: SystemTime) -> Self {
        let delay = time.duration_since(SystemTime::now()).unwrap_or_default();
        self.delay(delay)
    }

    /// Publishes the event without waiting, as [`Bus::try_publish`] does.
    ///
    /// # Errors
    ///
    /// [`PublishError::Rejected`] for the first wrong value that was given; else as [`Bus::try_publish`].
    pub fn try_publish(self) -> Result<Receipt, PublishError> {
        let due = self.due;
        let (event, bus) = self.complete()?;
        match due {
            None => try_publish(bus.borrow(), event),
            Some(due) => publish_at(bus.borrow(), event, due),
        }
    }

    /// Publishes the event and holds up the thread, as [`Bus::publish_blocking`] does.
    ///
    /// # Errors
    ///
    /// [`PublishError::Rejected`] for the first wrong value that was given; else as [`Bus::publish_blocking`].
    pub fn publish_blocking(self) -> Result<Receipt, PublishError> {
        let due = self.due;
        let (event, bus) = self.complete()?;
        match due {
            None => publish_blocking(bus.borrow(), event),
            Some(due) => publish_at(bus.borrow(), event, due),
        }
    }

    /// Wants to know what becomes of the event: publishing it gives a [`Tracked`], which can be waited for until every
    /// handler has settled it.
    ///
    /// ```
    /// # async fn example(bus: owlbus::Bus, order: owlbus::Event) -> Result<(), Box<dyn std::error::Error>> {
    /// for settled in bus.event(order).tracked().publish().await?.settled().await? {
    ///     println!("{}: {:?}", settled.subscription, settled.settlement);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn tracked(self) -> EventBuilder<Tracking<B>> {
        let Self { event, error, bus, due } = self;
        EventBuilder { event, error, bus: Tracking(bus), due }
    }

    fn complete(self) -> Result<(Event, B), PublishError> {
        let Self { event, error, bus, .. } = self;
        match error {
            None => Ok((event, bus)),
            Some(error) => {
                bus.borrow().core().count_refused();
                Err(PublishError::rejected(event, "event", error))
            }
        }
    }
}

/// A bus that is to say what becomes of an event: see [`EventBuilder::tracked`].
#[derive(Debug)]
pub struct Tracking<B>(B);

impl<B: Borrow<Bus>> EventBuilder<Tracking<B>> {
    /// Publishes the event, as [`Bus::publish`] does, and lets its outcomes be waited for.
    ///
    /// # Errors
    ///
    /// [`PublishError::Rejected`] for the first wrong value that was given; else as [`Bus::publish`].
    pub async fn publish(self) -> Result<Tracked, PublishError> {
        let Self { event, error, bus: Tracking(bus), due } = self;
        let (event, bus) = EventBuilder { event, error, bus, due: None }.complete()?;
        if due.is_some() {
            bus.borrow().core().count_refused();
            let reason = "an event with a delay cannot be tracked: who gets it is not known yet";
            return Err(PublishError::rejected(event, "delay", reason));
        }
        publish_tracked(bus.borrow(), event).await
    }
}
