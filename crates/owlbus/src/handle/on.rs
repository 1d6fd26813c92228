//! How a subscription is made.

use std::{
    any::type_name,
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::runtime::Handle;

use super::{
    band::Band,
    blocking::Blocking,
    content::Content,
    delivery::{Delivery, Seat},
    handler::Handler,
    inline::Inline,
    mailbox::{Mailbox, Shape},
    overflow::{Gap, Overflow},
    pressure::Marks,
    stream::EventStream,
    subscription::Subscription,
    worker,
};
use crate::{
    bus::Bus,
    config::{ConfigError, MailboxConfig},
    dispatch::{Classify, Closable, Filter, OnGap, Subscriber, Transform},
    event::Event,
    settle::{ErrorKind, Failure, IntoOutcome, OnError, Retry, tells, tells_async},
    sync::atomic::AtomicBool,
    topic::{IntoPatterns, Pattern, TopicError},
    typed::TypedEvent,
};

/// Why a subscription could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The bus was shut down.
    #[error("the bus is closed: nothing more can be subscribed to")]
    Closed,
    /// A pattern is none.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// A setting is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Another subscription has the name.
    #[error("there is a subscription named `{name}` already; choose another name, or unsubscribe that one")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// There is no tokio runtime to run the handler on.
    #[error("there is no tokio runtime to run the handler on; subscribe, or build the bus, inside of one")]
    NoRuntime,
}

/// The most deliveries of one subscription that may run at once.
const MOST_CONCURRENT: usize = 10_000;

/// How many keys run at once unless the subscription says otherwise.
const KEYS_AT_ONCE: usize = 16;

/// How long an event waits for subscriptions of a higher priority to start on it, unless its subscription says otherwise.
const BAND_WAIT: Duration = Duration::from_secs(1);

/// A subscription that is being made: which events, in which order, how many at once, and what if there are too
/// many. Ends in [`handle`](On::handle), [`handle_blocking`](On::handle_blocking), [`inline`](On::inline) or
/// [`stream`](On::stream).
#[must_use = "nothing is subscribed until `handle`, `handle_blocking`, `inline` or `stream` is called"]
pub struct On<'a> {
    bus: &'a Bus,
    patterns: Result<Vec<Pattern>, TopicError>,
    types: Types,
    name: Option<String>,
    filter: Option<Filter>,
    transform: Option<Transform>,
    on_gap: Option<OnGap>,
    once: bool,
    concurrency: Option<usize>,
    by_key: bool,
    band: Band,
    band_wait: Option<Duration>,
    retry: Option<Retry>,
    timeout: Option<Option<Duration>>,
    classify: Option<Classify>,
    on_error: Option<OnError>,
    slow_from: Option<(f64, Duration)>,
    mailbox: MailboxConfig,
    /// What the subscription says about its mailbox, which not every kind of handler has.
    has_mailbox: Option<&'static str>,
}

/// Who handles the events of a subscription.
enum Kind {
    /// Tasks of the bus.
    Workers,
    /// Whoever asks the stream.
    Stream,
    /// The publishers.
    Inline(Inline),
}

/// The types a subscription wants.
#[derive(Clone, Copy)]
enum Types {
    /// All of them: the topic decides.
    Any,
    /// These, on whatever topic or on the topics that were named.
    Only(&'static [&'static str]),
    /// Those of the content the handler asks for; every topic where that is no type.
    OfContent,
}

/// The pattern of a subscription to everything.
static EVERYTHING: Pattern = Pattern::from_static("**");

impl<'a> On<'a> {
    pub(crate) fn topics(bus: &'a Bus, patterns: impl IntoPatterns) -> Self {
        Self::new(bus, patterns.into_patterns(), Types::Any)
    }

    pub(crate) fn of_type(bus: &'a Bus) -> Self {
        Self::new(bus, Ok(Vec::new()), Types::OfContent)
    }

    fn new(bus: &'a Bus, patterns: Result<Vec<Pattern>, TopicError>, types: Types) -> Self {
        Self {
            bus,
            patterns,
            types,
            name: None,
            filter: None,
            transform: None,
            on_gap: None,
            once: false,
            concurrency: None,
            by_key: false,
            band: Band::default(),
            band_wait: None,
            retry: None,
            timeout: None,
            classify: None,
            on_error: None,
            slow_from: None,
            mailbox: bus.core().mailbox,
            has_mailbox: None,
        }
    }

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
        self.band = priority.into();
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

    /// Checks the settings and enters the subscription into the routes; gives also its number of workers.
    fn register(
        self,
        content: Option<&'static [&'static str]>,
        default_name: &str,
        kind: Kind,
    ) -> Result<(Arc<Subscriber>, usize), SubscribeError> {
        static LAST: AtomicU64 = AtomicU64::new(0);

        let core = self.bus.core();
        self.mailbox.check()?;
        let workers = self.concurrency.unwrap_or(if self.by_key { KEYS_AT_ONCE } else { 1 });
        if !(1..=MOST_CONCURRENT).contains(&workers) {
            let problem = format!("is {workers}, and 1 to {MOST_CONCURRENT} deliveries can run at once");
            return Err(ConfigError::new("concurrency", problem).into());
        }
        if self.slow_from.is_some_and(|(share, _)| !(share > 0.0 && share <= 1.0)) {
            let problem = "has a share of the room that is not above 0 and at most 1; 0.8 is 80 %";
            return Err(ConfigError::new("slow_from", problem).into());
        }
        if let Some(problem) = self.retry.as_ref().and_then(Retry::problem) {
            return Err(ConfigError::new("retry", problem).into());
        }
        if self.name.as_deref().is_some_and(str::is_empty) {
            return Err(ConfigError::new("name", "is empty; leave it out to have one made").into());
        }
        let mut patterns = self.patterns?;
        let types = match self.types {
            Types::Any => None,
            Types::Only(types) => Some(types),
            Types::OfContent => {
                patterns.extend(content.is_none().then(|| EVERYTHING.clone()));
                content
            }
        };
        let MailboxConfig { events, bytes, overflow } = self.mailbox;
        let marks = Marks { events: events as u64, bytes: bytes as u64 };
        let shape = Shape { marks, overflow, workers, by_key: self.by_key };
        let mut subscriber = Subscriber {
            id: LAST.fetch_add(1, Relaxed),
            name: self.name.as_deref().map_or_else(|| core.routes.free_name(default_name), Arc::from),
            patterns,
            types,
            filter: Closable::new(self.filter),
            transform: Closable::new(self.transform),
            on_gap: Closable::new(self.on_gap),
            claimed: self.once.then(AtomicBool::default),
            slow_from: self.slow_from,
            band: self.band.0,
            band_wait: self.band_wait.unwrap_or(BAND_WAIT),
            times_attempts: self.retry.is_some() || self.on_error.is_some() || core.on_error.is_some(),
            retry: self.retry.unwrap_or_default(),
            timeout: self.timeout.unwrap_or(core.timeout),
            classify: Closable::new(self.classify),
            on_error: Closable::new(self.on_error),
            waits: Arc::clone(&core.waits),
            streamed: matches!(kind, Kind::Stream),
            inline: match kind {
                Kind::Inline(inline) => Some(inline),
                Kind::Workers | Kind::Stream => None,
            },
            mailbox: Mailbox::new(shape, Arc::clone(&core.pause), Arc::clone(&core.memory)),
            filtered: AtomicU64::new(0),
        };
        loop {
            if core.turnstile.is_closed() {
                return Err(SubscribeError::Closed);
            }
            match core.routes.add(subscriber) {
                // The bus may have closed since it was asked.
                Ok(subscriber) if core.turnstile.is_closed() => {
                    core.routes.remove(&subscriber);
                    return Err(SubscribeError::Closed);
                }
                Ok(subscriber) => return Ok((subscriber, workers)),
                Err(taken) if self.name.is_some() => {
                    return Err(SubscribeError::NameTaken { name: taken.name.to_string() });
                }
                // Somebody else took the name since it was looked for.
                Err(taken) => {
                    subscriber = *taken;
                    subscriber.name = core.routes.free_name(default_name);
                }
            }
        }
    }
}

/// The name of a handler's type, without the marks a compiler puts on closures.
fn code_name<F>() -> &'static str {
    type_name::<F>().trim_end_matches("::{{closure}}")
}

impl std::fmt::Debug for On<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("On")
            .field("patterns", &self.patterns)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
