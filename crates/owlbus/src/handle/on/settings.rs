//! What a subscription says of itself, before it says who handles its events.

use std::{error::Error, sync::Arc, time::Duration};

use super::{
    super::{
        band::Band,
        batch::Batch,
        overflow::{Gap, Overflow},
    },
    On, Types,
};
use crate::{
    event::Event,
    settle::{ErrorKind, Failure, IntoOutcome, Retry, tells, tells_async},
    typed::TypedEvent,
};

impl On<'_> {
    /// Takes the events of type `T` on these topics, and no others. Default: whatever comes on the topics; a handler
    /// that cannot read an event's data as what it asked for has failed on that event.
    pub fn typed<T: TypedEvent>(mut self) -> Self {
        self.types = Types::Only(T::TYPES);
        self
    }

    /// The name in stats, logs and errors. Default: the handler's type name, with a number where it is taken.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Takes only events of which this says so; several filters must all say so.
    ///
    /// It runs in the publisher, so it should be quick. A filter that panics skips the event and hurts nobody else.
    pub fn filter(mut self, filter: impl Fn(&Event) -> bool + Send + Sync + 'static) -> Self {
        self.filter = Some(match self.filter {
            None => Arc::new(filter),
            Some(first) => Arc::new(move |event| first(event) && filter(event)),
        });
        self
    }

    /// Turns each event into another one before the handler gets it; several are applied in the order given.
    ///
    /// It runs beside the handler, in each attempt; its panic is a failed attempt.
    pub fn map(mut self, transform: impl Fn(Event) -> Event + Send + Sync + 'static) -> Self {
        self.transform = Some(match self.transform {
            None => Arc::new(transform),
            Some(first) => Arc::new(move |event| transform(first(event))),
        });
        self
    }

    /// Ends the subscription after the first event that passes the filter.
    pub fn once(mut self) -> Self {
        self.once = true;
        self
    }

    /// How many deliveries run at once. Default: 1, so that events are handled in order; 16 with
    /// [`ordered_by_key`](Self::ordered_by_key).
    pub fn concurrency(mut self, deliveries: usize) -> Self {
        self.concurrency = Some(deliveries);
        self
    }

    /// Handles the events of one key in order and one at a time, and different keys at once. An event without a key
    /// has its topic for one.
    pub fn ordered_by_key(mut self) -> Self {
        self.by_key = true;
        self
    }

    /// How many events [`handle_batch`](Self::handle_batch) gets at once, and how long fewer than that wait for others. Default:
    /// 100 events, or 100 ms.
    ///
    /// Until then they stay in the mailbox, which needs room for as many. An `Immediate` event, a publisher that waits for
    /// room, and the end of the bus are not kept waiting. With [`ordered_by_key`](Self::ordered_by_key) a batch has one event of
    /// a key at most.
    pub fn batch(mut self, size: usize, wait: Duration) -> Self {
        self.batch = Some(Batch { size, wait });
        self
    }

    /// Goes before subscriptions of a lower priority, and after those of a higher: a number, or one of the named
    /// [`Band`]s. Default: 0, [`Band::NORMAL`].
    ///
    /// Every event goes to all mailboxes at once; below, it cannot start before each subscription above has had its first
    /// try at it, has missed it, or has not started within [`band_wait`](Self::band_wait). The events behind it wait too,
    /// so that their order is kept.
    ///
    /// ```
    /// # async fn example(bus: owlbus::Bus) -> Result<(), owlbus::SubscribeError> {
    /// use owlbus::{Delivery, handle::Band};
    ///
    /// bus.on("order.*").name("guard").priority(Band::CRITICAL).handle(|_: Delivery| async {}).await?;
    /// bus.on("order.*").name("desk").handle(|_: Delivery| async {}).await?;
    /// bus.on("order.*").name("log").priority(-10).handle(|_: Delivery| async {}).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn priority(mut self, priority: impl Into<Band>) -> Self {
        self.band = Some(priority.into());
        self
    }

    /// How long an event waits here for subscriptions of a higher priority to start on it; those that have started by
    /// then are waited for until their first attempt ends. Counted from the publish. Default: 1 s.
    pub fn band_wait(mut self, wait: Duration) -> Self {
        self.band_wait = Some(wait);
        self
    }

    /// Room for events that are not handled yet, and what happens to an event when there is none. Default: that of
    /// the bus. `Immediate` events have 64 places beside it.
    pub fn mailbox(mut self, events: usize, overflow: Overflow) -> Self {
        self.mailbox.events = events;
        self.mailbox.overflow = overflow;
        self.has_mailbox = Some("mailbox");
        self
    }

    /// Room in bytes, beside that in events. Default: that of the bus. One event that is larger gets in when the
    /// mailbox is empty.
    pub fn mailbox_bytes(mut self, bytes: usize) -> Self {
        self.mailbox.bytes = bytes;
        self.has_mailbox = Some("mailbox_bytes");
        self
    }

    /// Slows publishers down when it falls behind: an event that leaves at least this share of the room taken (0.8 is
    /// 80 %) lets its publisher pause for so long before its publish returns. Default: it does not.
    pub fn slow_from(mut self, share: f64, pause: Duration) -> Self {
        self.slow_from = Some((share, pause));
        self
    }

    /// Is told what the subscription missed, between the events where it would have been. Runs beside the handler.
    pub fn on_gap(mut self, on_gap: impl Fn(Gap) + Send + Sync + 'static) -> Self {
        self.on_gap = Some(Arc::new(on_gap));
        self
    }

    /// Tries events again whose attempt failed. Default: [`Retry::none`].
    ///
    /// A delivery that waits for its retry keeps its place in the mailbox and holds no worker. Later events overtake it; with
    /// [`ordered_by_key`](Self::ordered_by_key) those of its key wait behind it.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = Some(retry);
        self
    }

    /// How long one attempt may take; one that takes longer has failed, and can be tried again. `None` is as long as it likes.
    /// Default: that of the bus, 5 s.
    ///
    /// The time is counted from its first await: one that never awaits has no timer, and is left alone. A handler is
    /// cancelled at its next await. A blocking one cannot be: it is reported, and keeps its worker until it
    /// returns; what it says then is not heard.
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.timeout = Some(timeout.into());
        self
    }

    /// Says of which kind errors are that say nothing of themselves: whether another attempt makes sense.
    ///
    /// ```
    /// # async fn example(bus: owlbus::Bus) -> Result<(), owlbus::SubscribeError> {
    /// use std::{io, time::Duration};
    ///
    /// use owlbus::{Delivery, settle::{ErrorKind, Retry}};
    ///
    /// bus.on("report.*")
    ///     .retry(Retry::exponential(Duration::from_millis(100)))
    ///     .classify(|error| match error.downcast_ref::<io::Error>() {
    ///         Some(error) if error.kind() == io::ErrorKind::NotFound => ErrorKind::Permanent,
    ///         _ => ErrorKind::Unknown,
    ///     })
    ///     .handle(|_: Delivery| async { Ok(drop(std::fs::read("report.json")?)) })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn classify(
        mut self,
        classify: impl Fn(&(dyn Error + 'static)) -> ErrorKind + Send + Sync + 'static,
    ) -> Self {
        self.classify = Some(Arc::new(classify));
        self
    }

    /// Is told of every attempt that failed, with what happens next. Runs beside the handler; its own error or panic is
    /// logged and changes nothing.
    pub fn on_error<R: IntoOutcome>(
        mut self,
        on_error: impl Fn(Failure) -> R + Send + Sync + 'static,
    ) -> Self {
        self.on_error = Some(tells(on_error));
        self
    }

    /// As [`on_error`](Self::on_error), for a function that awaits. The worker waits for it before it goes on, at most as
    /// long as one attempt may take.
    pub fn on_error_async<F>(mut self, on_error: impl Fn(Failure) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output: IntoOutcome> + Send + 'static,
    {
        self.on_error = Some(tells_async(on_error));
        self
    }
}
