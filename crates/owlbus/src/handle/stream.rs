//! A subscription as a stream, for code that would rather ask than be called.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
};

use super::{
    attempt::panicked,
    mailbox::{Queued, Taken},
    overflow::{DropReason, Gap},
    subscription::Subscription,
    worker::Hand,
};
use crate::{
    dispatch::{Code, transformed},
    event::Event,
    settle::{HandlerError, Said, expire, settle},
};

/// What a stream gives.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Received {
    /// An event.
    Event(Event),
    /// Events that would have come here were missed.
    Gap(Gap),
}

impl Received {
    /// The event, where it is one.
    #[must_use]
    pub fn into_event(self) -> Option<Event> {
        match self {
            Received::Event(event) => Some(event),
            Received::Gap(_) => None,
        }
    }
}

/// The events of a subscription, one after the other.
///
/// To ask for the next one says that the last one is done; [`done`](EventStream::done) says so without asking. The
/// subscription ends when the stream is dropped, and an event that was given and not said to be done then counts as
/// dropped. The stream ends when the bus does.
///
/// ```
/// # async fn example(bus: owlbus::Bus) -> Result<(), owlbus::SubscribeError> {
/// use owlbus::Received;
///
/// let mut events = bus.on("hook.**").stream().await?;
/// while let Some(received) = events.next().await {
///     match received {
///         Received::Event(event) => println!("{event}"),
///         Received::Gap(gap) => println!("{gap}"),
///         _ => {}
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "the subscription ends as soon as the stream is dropped"]
pub struct EventStream {
    hand: Hand,
    subscription: Subscription,
    code: Code,
    /// The event that was given last and is not settled.
    given: Option<Queued>,
}

impl EventStream {
    pub(crate) fn new(subscription: Subscription) -> Self {
        let code = subscription.subscriber().code();
        Self { hand: Hand::new(subscription.subscriber().clone(), 0), subscription, code, given: None }
    }

    /// The next event or gap; `None` when there will be none any more.
    ///
    /// Cancel safe: dropped before it is ready, it has taken nothing.
    pub async fn next(&mut self) -> Option<Received> {
        std::future::poll_fn(|cx| self.poll_received(cx)).await
    }

    /// Says that the event that was given last is done.
    pub fn done(&mut self) {
        self.settle(Said::Done);
    }

    /// The subscription behind the stream.
    #[must_use]
    pub fn subscription(&self) -> &Subscription {
        &self.subscription
    }

    fn poll_received(&mut self, cx: &mut Context<'_>) -> Poll<Option<Received>> {
        self.done();
        loop {
            let taken = ready!(self.hand.poll_take(cx));
            self.subscription.gave_out();
            let queued = match taken {
                None => return Poll::Ready(None),
                Some(Taken::Gap(gap)) => return Poll::Ready(Some(Received::Gap(gap))),
                Some(Taken::Event(queued)) => queued,
            };
            if queued.event.is_expired() {
                expire(self.subscription.subscriber(), queued);
                continue;
            }
            let event = queued.event.clone();
            self.given = Some(queued);
            match catch_unwind(AssertUnwindSafe(|| transformed(self.code.transform.as_ref(), event))) {
                Ok(event) => return Poll::Ready(Some(Received::Event(event))),
                Err(panic) => self.settle(HandlerError::permanent(panicked(panic)).into()),
            }
        }
    }

    fn settle(&mut self, said: Said) {
        let Some(queued) = self.given.take() else { return };
        let (core, subscriber) = (self.subscription.core(), self.subscription.subscriber());
        settle(core, subscriber, &self.code, queued, None, said).tell(core);
        if self.subscription.subscriber().claimed.is_some() {
            self.subscription.unsubscribe();
        }
    }
}

impl futures_core::Stream for EventStream {
    type Item = Received;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Received>> {
        self.get_mut().poll_received(cx)
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        if let Some(queued) = self.given.take() {
            self.subscription.subscriber().lose(queued, DropReason::Unsubscribed);
        }
        self.subscription.unsubscribe();
        self.subscription.gave_out();
    }
}

impl std::fmt::Debug for EventStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventStream").field("name", &self.subscription.name()).finish_non_exhaustive()
    }
}
