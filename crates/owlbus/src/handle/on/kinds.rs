//! Who handles the events: tasks of the bus, threads that may block, the publishers, or whoever reads a stream.

use std::{any::type_name, sync::Arc};

use tokio::runtime::Handle;

use super::{
    super::{
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
use crate::{config::ConfigError, settle::IntoOutcome};

/// Who handles the events of a subscription.
pub(super) enum Kind {
    /// Tasks of the bus.
    Workers,
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
        self.start(handler, code_name::<H>())
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
        self.start::<T, _>(Blocking::new(function), code_name::<F>())
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
        self.start::<T, _>(Blocking::new(function), code_name::<F>())
    }

    /// Subscribes a function that runs in the publisher, before the event enters any mailbox: for cheap observers.
    ///
    /// It gets the event (`|event: &Event| …`), its data as JSON (`&serde_json::Value`) or as a type that derives `Event`,
    /// and is called by several publishers at once. It must be quick: publishers wait for it. The publisher hears nothing of
    /// its error or panic, which is a dead letter at once and told to `on_error`. It publishes with
    /// [`Bus::try_publish`], at most 16 deep.
    ///
    /// It has no mailbox and no worker: `concurrency`, `ordered_by_key`, `mailbox`, `mailbox_bytes`, `retry`, `timeout`,
    /// `slow_from`, `on_gap` and `band_wait` are refused. It runs on a paused bus too.
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
    fn start<T: Content, H: Handler<T>>(
        self,
        handler: H,
        default_name: &str,
    ) -> Result<Subscription, SubscribeError> {
        let bus = self.bus;
        let runtime = Handle::try_current().ok().or_else(|| bus.core().runtime.clone());
        let runtime = runtime.ok_or(SubscribeError::NoRuntime)?;
        let (subscriber, workers) = self.register(T::TYPES, default_name, Kind::Workers)?;

        let subscription = Subscription::new(bus.core(), subscriber);
        let handler = Arc::new(handler);
        let tasks = (0..workers).map(|number| {
            let seat = Seat::new(subscription.clone(), bus.downgrade(), number);
            runtime.spawn(worker::work::<T, H>(Arc::clone(&handler), Arc::new(seat)))
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
