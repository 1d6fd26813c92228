//! Who handles the events: tasks of the bus, threads that may block, the publishers, or whoever reads a stream.

use std::{any::type_name, sync::Arc};

use tokio::runtime::Handle;

use super::{
    super::{
        batch::{Batch, BatchHandler, work_in_batches},
        blocking::Blocking,
        content::Content,
        delivery::{Delivery, Seat},
        handler::Handler,
        inline::Inline,
        stream::EventStream,
        subscription::Subscription,
        worker,
    },
    On, SubscribeError,
};
use crate::{
    config::ConfigError,
    settle::{IntoOutcome, IntoOutcomes},
};

/// Who handles the events of a subscription.
pub(super) enum Kind {
    /// Tasks of the bus.
    Workers,
    /// Tasks of the bus, several events at once.
    Batches(Batch),
    /// Whoever asks the stream.
    Stream,
    /// The publishers.
    Inline(Inline),
}

impl On<'_> {
    /// Subscribes: `handler` gets the deliveries, on the tokio runtime this is called in, or else on that the bus
    /// was built in.
    ///
    /// Every publish that begins after this returned is seen; none that returned before the call is.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`] says what to change.
    pub async fn handle<T: Content, H: Handler<T>>(self, handler: H) -> Result<Subscription, SubscribeError> {
        self.handle_now(handler)
    }

    /// As [`handle`](Self::handle), without an await: from filters, from threads outside of a runtime, from anywhere.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`] says what to change.
    pub fn handle_now<T: Content, H: Handler<T>>(self, handler: H) -> Result<Subscription, SubscribeError> {
        let handler = Arc::new(handler);
        self.start::<T, _>(Kind::Workers, code_name::<H>(), |seat| {
            worker::work::<T, H>(Arc::clone(&handler), seat)
        })
    }

    /// Subscribes an ordinary function that may block its thread: it runs on the runtime's blocking pool, one call at
    /// a time unless the subscription says otherwise.
    ///
    /// A call that has begun cannot be cancelled: where a shutdown gives up on it, it runs to its end unheard.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`] says what to change.
    ///
    /// ```
    /// # async fn example(bus: owlbus::Bus) -> Result<(), owlbus::SubscribeError> {
    /// use owlbus::Delivery;
    ///
    /// bus.on("report.*").handle_blocking(|report: Delivery| {
    ///     std::fs::write("report.json", report.json_text()?)?;
    ///     Ok(())
    /// }).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn handle_blocking<T, F, R>(self, function: F) -> Result<Subscription, SubscribeError>
    where
        T: Content,
        F: Fn(Delivery<T>) -> R + Send + Sync + 'static,
        R: IntoOutcome + 'static,
    {
        self.handle_blocking_now(function)
    }

    /// As [`handle_blocking`](Self::handle_blocking), without an await.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`] says what to change.
    pub fn handle_blocking_now<T, F, R>(self, function: F) -> Result<Subscription, SubscribeError>
    where
        T: Content,
        F: Fn(Delivery<T>) -> R + Send + Sync + 'static,
        R: IntoOutcome + 'static,
    {
        let handler = Arc::new(Blocking::new(function));
        let work = |seat| worker::work::<T, _>(Arc::clone(&handler), seat);
        self.start::<T, _>(Kind::Workers, code_name::<F>(), work)
    }

    /// Subscribes a handler that gets several deliveries at once, as [`batch`](Self::batch) says.
    ///
    /// What it returns says what became of all of them, or of each its own; what failed is tried again and becomes a dead
    /// letter by itself, beside others of the next batches. An event whose data is not what the handler asks for has failed
    /// without it. Within the handler, a [`Delivery`] publishes what its event caused; what is published by the bus itself
    /// has no cause.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`] says what to change.
    ///
    /// ```
    /// # async fn example(bus: owlbus::Bus) -> Result<(), owlbus::SubscribeError> {
    /// use std::time::Duration;
    ///
    /// use owlbus::{Delivery, HandlerError};
    ///
    /// # fn store(_: &Delivery) -> Result<(), HandlerError> { Ok(()) }
    /// bus.on("hook.**")
    ///     .batch(50, Duration::from_millis(20))
    ///     .handle_batch(|hooks: Vec<Delivery>| async move {
    ///         // One result a delivery: those that failed do not fail the others.
    ///         hooks.iter().map(store).collect::<Vec<_>>()
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn handle_batch<T: Content, H: BatchHandler<T>>(
        self,
        handler: H,
    ) -> Result<Subscription, SubscribeError> {
        self.handle_batch_now(handler)
    }

    /// As [`handle_batch`](Self::handle_batch), without an await.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`] says what to change.
    pub fn handle_batch_now<T: Content, H: BatchHandler<T>>(
        self,
        handler: H,
    ) -> Result<Subscription, SubscribeError> {
        self.start_batches(Arc::new(handler), code_name::<H>())
    }

    /// As [`handle_batch`](Self::handle_batch), for an ordinary function that may block its thread: see
    /// [`handle_blocking`](Self::handle_blocking).
    ///
    /// # Errors
    ///
    /// [`SubscribeError`] says what to change.
    pub async fn handle_batch_blocking<T, F, R>(self, function: F) -> Result<Subscription, SubscribeError>
    where
        T: Content,
        F: Fn(Vec<Delivery<T>>) -> R + Send + Sync + 'static,
        R: IntoOutcomes + 'static,
    {
        self.handle_batch_blocking_now(function)
    }

    /// As [`handle_batch_blocking`](Self::handle_batch_blocking), without an await.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`] says what to change.
    pub fn handle_batch_blocking_now<T, F, R>(self, function: F) -> Result<Subscription, SubscribeError>
    where
        T: Content,
        F: Fn(Vec<Delivery<T>>) -> R + Send + Sync + 'static,
        R: IntoOutcomes + 'static,
    {
        self.start_batches::<T, _>(Arc::new(Blocking::new(function)), code_name::<F>())
    }

    fn start_batches<T: Content, H: BatchHandler<T>>(
        self,
        handler: Arc<H>,
        default_name: &str,
    ) -> Result<Subscription, SubscribeError> {
        let batch = self.batch.unwrap_or_default();
        let work = |seat| work_in_batches::<T, H>(Arc::clone(&handler), seat, batch);
        self.start::<T, _>(Kind::Batches(batch), default_name, work)
    }

    /// Subscribes a function that runs in the publisher, before the event enters any mailbox: for cheap observers.
    ///
    /// It gets the event (`|event: &Event| …`), its data as JSON (`&serde_json::Value`) or as a type that derives `Event`,
    /// and is called by several publishers at once. It must be quick: publishers wait for it. The publisher hears nothing of
    /// its error or panic, which is a dead letter at once and told to `on_error`. It publishes with
    /// [`Bus::try_publish`](crate::Bus::try_publish), at most 16 deep.
    ///
    /// It has no mailbox and no worker: `concurrency`, `ordered_by_key`, `mailbox`, `mailbox_bytes`, `retry`, `timeout`,
    /// `slow_from`, `on_gap`, `band_wait`, `debounce` and `throttle` are refused. It runs on a paused bus too.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`] says what to change.
    ///
    /// ```
    /// # async fn example(bus: owlbus::Bus) -> Result<(), owlbus::SubscribeError> {
    /// use std::sync::{Arc, atomic::{AtomicU64, Ordering::Relaxed}};
    ///
    /// use owlbus::Event;
    ///
    /// let count = Arc::new(AtomicU64::new(0));
    /// let counter = count.clone();
    /// bus.on("hook.**").inline(move |_: &Event| _ = counter.fetch_add(1, Relaxed)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn inline<T, F, R>(self, function: F) -> Result<Subscription, SubscribeError>
    where
        T: Content,
        F: Fn(&T) -> R + Send + Sync + 'static,
        R: IntoOutcome,
    {
        self.inline_now(function)
    }

    /// As [`inline`](Self::inline), without an await. No runtime is needed.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`] says what to change.
    pub fn inline_now<T, F, R>(self, function: F) -> Result<Subscription, SubscribeError>
    where
        T: Content,
        F: Fn(&T) -> R + Send + Sync + 'static,
        R: IntoOutcome,
    {
        let refused = [
            ("concurrency", self.concurrency.is_some()),
            ("ordered_by_key", self.by_key),
            (self.has_mailbox.unwrap_or_default(), self.has_mailbox.is_some()),
            ("retry", self.retry.is_some()),
            ("timeout", self.timeout.is_some()),
            ("slow_from", self.slow_from.is_some()),
            ("on_gap", self.on_gap.is_some()),
            ("band_wait", self.band_wait.is_some()),
            ("debounce", self.debounce.is_some()),
            ("debounce_at_most", self.debounce_at_most.is_some()),
            ("throttle", self.throttle.is_some()),
        ];
        if let Some((setting, _)) = refused.into_iter().find(|(_, given)| *given) {
            let problem = "is for handlers with a mailbox; an inline handler runs in the publisher: leave it out, \
                           or use `handle`";
            return Err(ConfigError::new(setting, problem).into());
        }
        let bus = self.bus;
        let (subscriber, _) =
            self.register(T::TYPES, code_name::<F>(), Kind::Inline(Inline::new(function)))?;
        bus.core().announce();
        Ok(Subscription::new(bus.core(), subscriber))
    }

    /// Enters the subscription into the routes, and starts its workers.
    fn start<T: Content, F: Future<Output = ()> + Send + 'static>(
        self,
        kind: Kind,
        default_name: &str,
        work: impl Fn(Arc<Seat>) -> F,
    ) -> Result<Subscription, SubscribeError> {
        let bus = self.bus;
        let runtime = Handle::try_current().ok().or_else(|| bus.core().runtime.clone());
        let runtime = runtime.ok_or(SubscribeError::NoRuntime)?;
        let (subscriber, workers) = self.register(T::TYPES, default_name, kind)?;

        let subscription = Subscription::new(bus.core(), subscriber);
        let tasks = (0..workers).map(|number| {
            let seat = Seat::new(subscription.clone(), bus.downgrade(), number);
            runtime.spawn(work(Arc::new(seat)))
        });
        bus.core().workers.add(tasks);
        bus.core().announce();
        Ok(subscription)
    }

    /// Subscribes, and gives the events as a stream: see [`EventStream`].
    ///
    /// # Errors
    ///
    /// [`SubscribeError`] says what to change.
    pub async fn stream(mut self) -> Result<EventStream, SubscribeError> {
        let bus = self.bus;
        if self.concurrency.is_some() || self.by_key || self.on_gap.is_some() {
            let problem = "belong to handlers; a stream is one hand, in order, and gives gaps as items";
            return Err(ConfigError::new("concurrency, ordered_by_key and on_gap", problem).into());
        }
        if self.retry.is_some() || self.timeout.is_some() {
            let problem = "belong to handlers; whoever reads a stream tries again himself";
            return Err(ConfigError::new("retry and timeout", problem).into());
        }
        self.concurrency = Some(1);
        let (subscriber, _) = self.register(None, "stream", Kind::Stream)?;
        bus.core().announce();
        Ok(EventStream::new(Subscription::new(bus.core(), subscriber)))
    }
}

/// The name of a handler's type, without the marks a compiler puts on closures.
fn code_name<F>() -> &'static str {
    type_name::<F>().trim_end_matches("::{{closure}}")
}
