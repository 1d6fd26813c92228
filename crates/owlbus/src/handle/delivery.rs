//! One event on its way to one handler.

use std::{
    fmt,
    marker::PhantomData,
    ops::Deref,
    sync::{
        Arc,
        atomic::{
            AtomicU64,
            Ordering::{Acquire, Release},
        },
    },
    time::{Duration, SystemTime},
};

use super::{content::Content, extensions::Extensions, origin::Origin, subscription::Subscription};
use crate::{
    accept::{PublishError, Receipt},
    bus::Bus,
    clock::Moment,
    event::{ContentError, Event, IntoEvent},
    journal::Seq,
    settle::{HandlerError, Outcome},
};

/// One event on its way to one handler.
///
/// It dereferences to what the handler asked for: `Delivery<UserLoggedIn>` to a `UserLoggedIn`, plain `Delivery` to
/// the [`Event`], `Delivery<serde_json::Value>` to the JSON of the data.
pub struct Delivery<T = Event> {
    event: Event,
    /// The event that was accepted, where the subscription makes another one of it.
    accepted: Option<Event>,
    seat: Arc<Seat>,
    attempt: u32,
    /// Which of its worker's attempts this is.
    turn: u64,
    extensions: Extensions,
    content: PhantomData<fn() -> T>,
}

/// The worker that handles a delivery: what its deliveries have in common, counted apart from what publishers read.
pub(crate) struct Seat {
    pub(crate) subscription: Subscription,
    pub(crate) bus: crate::bus::WeakBus,
    /// The worker's number.
    pub(crate) worker: usize,
    /// Changes when an attempt begins, and when it ends. Written by the worker only.
    turn: AtomicU64,
}

impl Seat {
    pub(crate) fn new(subscription: Subscription, bus: crate::bus::WeakBus, worker: usize) -> Self {
        Self { subscription, bus, worker, turn: AtomicU64::new(0) }
    }

    pub(crate) fn next_turn(&self) {
        self.turn.store(self.turn() + 1, Release);
    }

    pub(crate) fn turn(&self) -> u64 {
        self.turn.load(Acquire)
    }

    pub(crate) fn is_at(&self, turn: u64) -> bool {
        self.turn() == turn
    }
}

impl<T: Content> Delivery<T> {
    /// A delivery whose event is known to have the content.
    pub(crate) fn new(
        event: Event,
        accepted: Option<Event>,
        seat: Arc<Seat>,
        attempt: u32,
    ) -> Result<Self, ContentError> {
        T::of(&event)?;
        let turn = seat.turn();
        Ok(Self {
            event,
            accepted,
            seat,
            attempt,
            turn,
            extensions: Extensions::default(),
            content: PhantomData,
        })
    }

    /// The data, as the handler asked for it.
    #[must_use]
    pub fn data(&self) -> &T {
        T::of(&self.event)
            .expect("the content was there when the delivery was made, and an event never changes")
    }
}

impl Delivery {
    /// The delivery of another event in the place of this one: what the handler is to see instead.
    #[must_use]
    pub fn with_event(mut self, event: Event) -> Self {
        self.accepted.get_or_insert_with(|| self.event.clone());
        self.event = event.in_place_of(&self.event.place());
        self
    }

    /// The same, for a handler that asks for another content.
    pub(crate) fn read_as<T: Content>(self) -> Result<Delivery<T>, ContentError> {
        T::of(&self.event)?;
        let Self { event, accepted, seat, attempt, turn, extensions, content: _ } = self;
        Ok(Delivery { event, accepted, seat, attempt, turn, extensions, content: PhantomData })
    }
}

impl<T> Delivery<T> {
    /// The event.
    #[must_use]
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// The event, to be kept beyond the delivery.
    #[must_use]
    pub fn into_event(self) -> Event {
        self.event
    }

    /// The number of this attempt, counted from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The name of the subscription.
    #[must_use]
    pub fn subscription(&self) -> &str {
        self.seat.subscription.name()
    }

    /// The subscription it belongs to.
    pub(crate) fn belongs_to(&self) -> &Subscription {
        &self.seat.subscription
    }

    /// The event's place in the journal.
    #[must_use]
    pub fn seq(&self) -> Seq {
        self.event.seq()
    }

    /// When the bus accepted the event, by the calendar of this machine.
    #[must_use]
    pub fn accepted_at(&self) -> SystemTime {
        let now = SystemTime::now();
        now.checked_sub(self.elapsed()).unwrap_or(now)
    }

    /// Time since the bus accepted the event.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        Moment::now().since(self.event.accepted())
    }

    /// Values that code around the handler attached: a [`Handler`](crate::Handler) that wraps another one, for instance.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// The place to attach a value for the code that gets the delivery next.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.extensions
    }

    /// Publishes an event that this one caused: it has this event's correlation, and this event's id as its cause.
    ///
    /// # Errors
    ///
    /// As [`Bus::publish`]; [`PublishError::Closed`] also where the last handle of the bus is gone.
    pub async fn publish(&self, event: impl IntoEvent) -> Result<Receipt, PublishError> {
        // The handle knows the cause.
        self.send(event.into_event()).await
    }

    /// Publishes the answer to this event: a child of it, under the topic it wants replies on. Where a
    /// [`request`](Bus::request) waits for it there, that gets it.
    ///
    /// # Errors
    ///
    /// [`PublishError::Rejected`] where the event wants no reply; else as [`publish`](Self::publish).
    pub async fn reply(&self, event: impl IntoEvent) -> Result<Receipt, PublishError> {
        let event = event.into_event();
        match self.accepted().reply(event.clone()) {
            Ok(reply) => self.send(reply).await,
            Err(error) => {
                self.seat.subscription.core().count_refused();
                Err(PublishError::rejected(event, "event", error))
            }
        }
    }

    /// The event as it came over the bus.
    fn accepted(&self) -> &Event {
        self.accepted.as_ref().unwrap_or(&self.event)
    }

    /// The delivery once more, for when what it was given to does not come back.
    pub(crate) fn again(&self) -> Self {
        Self {
            event: self.event.clone(),
            accepted: self.accepted.clone(),
            seat: Arc::clone(&self.seat),
            attempt: self.attempt,
            turn: self.turn,
            extensions: self.extensions.clone(),
            content: PhantomData,
        }
    }

    /// The delivery once more, to reply with what its handler returns; `None` where the event wants no reply.
    pub(super) fn asker(&self) -> Option<Box<Delivery>> {
        self.accepted().reply_to()?;
        Some(Box::new(Delivery {
            event: self.event.clone(),
            accepted: self.accepted.clone(),
            seat: Arc::clone(&self.seat),
            attempt: self.attempt,
            turn: self.turn,
            extensions: Extensions::default(),
            content: PhantomData,
        }))
    }

    /// What a handler said, once the reply it returned is published.
    pub(super) async fn replied(
        self: Box<Self>,
        said: Result<Outcome, HandlerError>,
        reply: Option<Event>,
    ) -> Result<Outcome, HandlerError>
    where
        T: 'static,
    {
        if let Some(reply) = reply {
            // Few handlers reply, so all the others need not have room for it.
            Box::pin(self.reply(reply)).await?;
        }
        said
    }

    async fn send(&self, event: Event) -> Result<Receipt, PublishError> {
        match self.bus() {
            Some(bus) => bus.publish(event).await,
            None => Err(PublishError::Closed { event }),
        }
    }

    /// Ends the subscription this delivery belongs to, as [`Subscription::unsubscribe`] does; this delivery is
    /// settled by what its handler says all the same.
    pub fn unsubscribe(&self) {
        self.seat.subscription.unsubscribe();
    }

    /// The bus the event came over; `None` when its last handle is gone.
    ///
    /// The handle knows the delivery, in other tasks too: what is published by it is caused by the event, and as long as the
    /// delivery runs, a wait of it counts as the handler's. So where the handler waits for a task that publishes, a loop
    /// of waits ends with [`PublishError::Cycle`]. A task that nobody waits for takes a clone of an ordinary handle.
    ///
    /// A handler that keeps a [`Bus`] of its own keeps that bus alive until it is shut down; this does not.
    #[must_use]
    pub fn bus(&self) -> Option<Bus> {
        let origin = Origin::at(&self.seat, self.turn, self.accepted());
        self.seat.bus.upgrade().map(|bus| bus.on_behalf_of(origin))
    }
}

impl<T: Content> Deref for Delivery<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.data()
    }
}

impl<T> fmt::Display for Delivery<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.event.fmt(f)
    }
}

impl<T> fmt::Debug for Delivery<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Delivery({} to {}, attempt {})", self.event, self.subscription(), self.attempt)
    }
}
