//! The handle people hold.

use std::{
    fmt,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use smol_str::SmolStr;
use tokio::{runtime::Handle, sync::Notify};

use crate::{
    accept::{self, Agenda, Limits, PublishError, Receipt, Turnstile},
    config::{BusBuilder, MailboxConfig},
    dispatch::{
        Routes,
        rules::{Installed, RuleInfo, Rules, RulesError},
    },
    event::{Event, EventBuilder, EventId, IntoEvent},
    handle::{Content, Handler, On, Origin, Pause, SubscribeError, Subscription, Workers, origin},
    journal::History,
    memory::{Grant, Memory},
    middleware::{
        Act, Chains, Denied, Identity, Layered, Middleware, MiddlewareError, MiddlewareInfo, Scope,
    },
    own_events,
    request::Awaited,
    schedule::Schedules,
    settle::{DeadLetters, Graveyard, OnError},
    shutdown::{self, Ending, ShutdownReport},
    stats::{Pressure, Stats, SubscriptionStats},
    sync::atomic::AtomicBool,
    topic::{IntoPatterns, Pattern},
    waits::Waits,
};

/// An event bus: publishers hand it events, and it brings them to the handlers that asked for them.
///
/// A handle, cheap to clone. The bus is ready when built, and ends with [`shutdown`](Bus::shutdown), or, with a
/// warning about what was not delivered, when its last handle is dropped.
#[derive(Clone)]
pub struct Bus {
    lease: Arc<Lease>,
    /// The delivery this handle was taken from, if any.
    origin: Option<Arc<Origin>>,
    /// Whose handle it is; nobody's is the program's.
    scope: Option<Scope>,
}

/// A handle that does not keep the bus.
pub(crate) struct WeakBus {
    lease: Weak<Lease>,
    scope: Option<Scope>,
}

/// What all handles share; its end is the end of the bus, for workers hold the core only.
struct Lease {
    core: Arc<Core>,
}

/// What the stages of one bus share.
pub(crate) struct Core {
    /// For what outlives a call, and keeps no bus.
    pub(crate) me: Weak<Core>,
    pub(crate) source: SmolStr,
    pub(crate) limits: Limits,
    /// Mailboxes of subscriptions that say nothing else.
    pub(crate) mailbox: MailboxConfig,
    pub(crate) shutdown_deadline: Duration,
    pub(crate) turnstile: Turnstile,
    /// The events that were published last.
    pub(crate) history: Arc<History>,
    pub(crate) routes: Routes,
    pub(crate) memory: Arc<Memory>,
    /// Read by every mailbox of the bus.
    pub(crate) pause: Arc<Pause>,
    /// Which handlers wait for which.
    pub(crate) waits: Arc<Waits>,
    /// What stands around the events.
    pub(crate) chains: Chains,
    /// Where else events go.
    pub(crate) rules: Installed,
    /// Who waits for an answer or an event.
    pub(crate) awaited: Arc<Awaited>,
    /// The tasks that handle deliveries; a shutdown waits for them.
    pub(crate) workers: Workers,
    /// Told by streams, while the bus ends, that they gave an event out or are gone.
    pub(crate) given_out: Notify,
    /// How the bus ended, once it has.
    pub(crate) ending: Ending,
    /// What is to be published later.
    pub(crate) agenda: Agenda,
    /// What is to be published again and again.
    pub(crate) schedules: Schedules,
    /// What failed for good.
    pub(crate) graveyard: Graveyard,
    /// Told of each failed attempt of any subscription.
    pub(crate) on_error: Option<OnError>,
    /// How long one attempt may take, where the subscription does not say.
    pub(crate) timeout: Option<Duration>,
    /// Where workers run: the runtime the bus was built in, where it was built in one.
    pub(crate) runtime: Option<Handle>,
    refused: AtomicU64,
    started: AtomicBool,
    stopped: AtomicBool,
}

static GLOBAL: OnceLock<Bus> = OnceLock::new();

/// All topics there are.
static EVERYTHING: Pattern = Pattern::from_static("**");

impl Bus {
    /// A bus in memory with the default settings.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// use owlbus::{Bus, Delivery, Event};
    ///
    /// let bus = Bus::in_memory();
    /// bus.subscribe(|event: Delivery| async move { println!("{event}") }).await?;
    /// bus.publish(Event::json("user.logged_in", 42)?).await?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn in_memory() -> Self {
        Self::new(BusBuilder::new(), Chains::default())
    }

    /// Builds a bus with settings of its own.
    pub fn builder() -> BusBuilder {
        BusBuilder::new()
    }

    /// The bus of the whole program: the one given to [`set_global`](Self::set_global), else one in memory, made now.
    pub fn global() -> &'static Bus {
        GLOBAL.get_or_init(Bus::in_memory)
    }

    /// Makes `bus` the bus of the whole program.
    ///
    /// # Errors
    ///
    /// Gives it back where there is one already.
    pub fn set_global(bus: Bus) -> Result<(), Bus> {
        GLOBAL.set(bus)
    }

    /// Publishes an event: a value of a type that derives `Event`, or an [`Event`].
    ///
    /// Ok means: it is in the mailbox of every matching subscription, or the loss is counted, told to the
    /// subscription as a gap, and named in [`Receipt::dropped`]. A mailbox that blocks lets this wait for room, for
    /// as long as the subscription says (5 s by default). Dropping the future while it waits counts as that time
    /// being over; dropping it before it was polled publishes nothing.
    ///
    /// An `Immediate` event is waited for: the publish returns when every subscription has had a first try at it, or
    /// after 5 s, and [`Receipt::unfinished`] names those that have not.
    ///
    /// Inside a handler, a wait that could only end when that handler ends is refused with [`PublishError::Cycle`].
    ///
    /// # Errors
    ///
    /// [`PublishError`] gives the event back; nobody got it.
    pub async fn publish(&self, event: impl IntoEvent) -> Result<Receipt, PublishError> {
        accept::publish(self, event).await
    }

    /// Publishes an event without waiting, from anywhere: inline handlers, filters, threads without a runtime.
    ///
    /// Where [`publish`](Self::publish) would wait for room this fails, and nobody got the event. It does not wait for the first
    /// attempts at an `Immediate` event either: [`Receipt::unfinished`] names those that go on.
    ///
    /// # Errors
    ///
    /// [`PublishError::Full`] where a mailbox that blocks or refuses has no room, [`PublishError::Cycle`] where it is called in 16
    /// inline handlers or filters inside one another; else as [`publish`](Self::publish).
    ///
    /// ```
    /// # fn example(bus: owlbus::Bus, event: owlbus::Event) {
    /// if let Err(error) = bus.try_publish(event) {
    ///     eprintln!("{error}");
    ///     let _for_later = error.into_event();
    /// }
    /// # }
    /// ```
    pub fn try_publish(&self, event: impl IntoEvent) -> Result<Receipt, PublishError> {
        accept::try_publish(self, event)
    }

    /// As [`publish`](Self::publish), for threads outside of the runtime: it holds up the thread while it waits for room.
    ///
    /// In async code it would hold up whatever else the thread runs, the handler it waits for perhaps: use `publish`
    /// there. It needs no runtime of its own.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish).
    pub fn publish_blocking(&self, event: impl IntoEvent) -> Result<Receipt, PublishError> {
        accept::publish_blocking(self, event)
    }

    /// Publishes events one after the other; one result an event, in their order.
    ///
    /// Dropping the future leaves the events after the one it waited for unpublished.
    pub async fn publish_batch<I>(&self, events: I) -> Vec<Result<Receipt, PublishError>>
    where
        I: IntoIterator<Item: IntoEvent>,
    {
        let events = events.into_iter();
        let mut results = Vec::with_capacity(events.size_hint().0);
        for event in events {
            results.push(accept::publish(self, event).await);
        }
        results
    }

    /// Sets fields of an event before it is published.
    ///
    /// ```
    /// # async fn example(bus: owlbus::Bus, order: owlbus::Event) -> Result<(), owlbus::PublishError> {
    /// bus.event(order).topic("orders.eu").key("42").priority(owlbus::Priority::High).publish().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn event(&self, event: impl IntoEvent) -> EventBuilder<&Bus> {
        EventBuilder::new(event.into_event(), self)
    }

    /// Subscribes a handler to the events of its type, on whatever topic: `|login: Delivery<UserLoggedIn>| …`.
    /// A handler of plain `Delivery` gets every event. For a name, a filter, a mailbox or anything else, begin with
    /// [`on`](Self::on): `bus.on("**").typed::<UserLoggedIn>()`.
    ///
    /// The subscription lasts until the bus ends or it is unsubscribed, also where the [`Subscription`] is dropped.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`]: the bus is closed, or this is not called in a tokio runtime and the bus knows none.
    pub async fn subscribe<T: Content, H: Handler<T>>(
        &self,
        handler: H,
    ) -> Result<Subscription, SubscribeError> {
        On::of_type(self).handle(handler).await
    }

    /// As [`subscribe`](Self::subscribe), without an await: from threads outside of a runtime too, where the bus was
    /// built inside of one.
    ///
    /// # Errors
    ///
    /// As [`subscribe`](Self::subscribe).
    pub fn subscribe_now<T: Content, H: Handler<T>>(
        &self,
        handler: H,
    ) -> Result<Subscription, SubscribeError> {
        On::of_type(self).handle_now(handler)
    }

    /// Subscribes a handler to the next event of its type, and to that one only.
    ///
    /// # Errors
    ///
    /// As [`subscribe`](Self::subscribe).
    pub async fn once<T: Content, H: Handler<T>>(&self, handler: H) -> Result<Subscription, SubscribeError> {
        On::of_type(self).once().handle(handler).await
    }

    /// As [`once`](Self::once), without an await.
    ///
    /// # Errors
    ///
    /// As [`subscribe`](Self::subscribe).
    pub fn once_now<T: Content, H: Handler<T>>(&self, handler: H) -> Result<Subscription, SubscribeError> {
        On::of_type(self).once().handle_now(handler)
    }

    /// Begins a subscription to topics: a pattern, a topic, or several of them.
    ///
    /// ```
    /// # async fn example(bus: owlbus::Bus) -> Result<(), owlbus::SubscribeError> {
    /// use owlbus::Delivery;
    ///
    /// bus.on(["hook.**", "system.error"]).name("log").handle(|event: Delivery| async move { println!("{event}") }).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn on(&self, patterns: impl IntoPatterns) -> On<'_> {
        On::topics(self, patterns)
    }

    /// Number of subscriptions that want this event, before their filters are asked.
    ///
    /// For publishers whose events are costly to publish: where nobody wants one, there is no need to.
    #[must_use]
    pub fn subscriptions_for(&self, event: &Event) -> usize {
        self.core().routes.lookup(event).all().count()
    }

    /// What happened so far: events by topic, and every subscription.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let core = self.core();
        let counts = core.routes.counts();
        Stats {
            accepted: core.turnstile.accepted(),
            refused: core.refused.load(Relaxed),
            topics: counts.snapshot(),
            other: counts.other(),
            late_replies: core.awaited.late(),
            schedules: core.schedules.all().iter().map(|plan| plan.stats()).collect(),
            subscriptions: core
                .routes
                .all()
                .iter()
                .map(|subscriber| SubscriptionStats::of(subscriber))
                .collect(),
            bytes: core.memory.held(),
            history: core.history.held(),
        }
    }

    /// How full the bus is: its fullest mailbox, and its memory.
    #[must_use]
    pub fn pressure(&self) -> Pressure {
        self.core().pressure()
    }

    /// How many events wait for the end of their delay.
    #[must_use]
    pub fn delayed(&self) -> usize {
        self.core().agenda.len()
    }

    /// Takes an event back that was published with a delay and is not due yet, by the id in its receipt.
    pub fn cancel(&self, id: &EventId) -> Option<Event> {
        self.core().agenda.cancel(id)
    }

    /// The events that failed for good: to be looked at, sent again, or let go of.
    #[must_use]
    pub fn dead_letters(&self) -> DeadLetters<'_> {
        DeadLetters::new(self.core(), self.scope.clone())
    }

    /// Adds a middleware: what is published from here on goes through it, what was published before does not.
    ///
    /// # Errors
    ///
    /// [`MiddlewareError::NameTaken`] where the bus has one of its name.
    pub fn add_middleware(&self, middleware: impl Middleware) -> Result<(), MiddlewareError> {
        self.administers().map_err(|Denied { by, reason }| MiddlewareError::Denied { by, reason })?;
        self.core().chains.add(Layered::new(middleware))
    }

    /// Removes a middleware by its name; says whether there was one, and whoever holds the handle may. What was published before
    /// goes through it all the same.
    pub fn remove_middleware(&self, name: &str) -> bool {
        self.administers().is_ok() && self.core().chains.remove(name)
    }

    pub(crate) fn administers(&self) -> Result<(), Denied> {
        self.core().chains.permits(self.scope.as_ref(), Act::Administer, &EVERYTHING)
    }

    /// A handle of this bus for somebody: what he may do with it is said by middlewares such as
    /// [`Access`](crate::middleware::Access). Handles that are made of it, by its handlers too, are his as well; of a handle that
    /// has an identity already both must be permitted.
    ///
    /// Without such a middleware an identity says nothing. Who holds such a handle can pause and shut down the bus all the same.
    #[must_use]
    pub fn scoped(&self, identity: Identity) -> Bus {
        let scope = Some(Scope::of(self.scope.as_ref(), identity));
        Bus { lease: Arc::clone(&self.lease), origin: self.origin.clone(), scope }
    }

    /// The middlewares, the outermost first, and what each did so far.
    #[must_use]
    pub fn middleware(&self) -> Vec<MiddlewareInfo> {
        self.core().chains.list()
    }

    /// Puts these [`rules`](crate::rules) in the place of those the bus has; `Rules::default()` is none. What is published from
    /// here on goes by them, and they count from zero.
    ///
    /// # Errors
    ///
    /// [`RulesError`] where whoever holds the handle may not change the bus; nothing has changed then.
    pub fn set_rules(&self, rules: Rules) -> Result<(), RulesError> {
        self.administers().map_err(|Denied { by, reason }| RulesError::denied(&by, &reason))?;
        self.core().rules.set(rules);
        Ok(())
    }

    /// The rules, in their order, and what each did so far.
    #[must_use]
    pub fn rules(&self) -> Vec<RuleInfo> {
        self.core().rules.list()
    }

    /// Begins or continues delivery on a bus that was built paused.
    pub fn resume(&self) {
        let core = self.core();
        if core.pause.resume() {
            core.routes.all().iter().for_each(|subscriber| subscriber.mailbox.wake());
            core.announce();
        }
    }

    /// Ends the bus with its default deadline: see [`shutdown_within`](Self::shutdown_within).
    pub async fn shutdown(&self) -> ShutdownReport {
        shutdown::run(&self.lease.core, self.core().shutdown_deadline).await
    }

    /// Ends the bus: stops accepting, lets handlers finish what waits, and at the deadline cancels them.
    ///
    /// Streams are waited for until they have given out what waited for them; after that they end. Nothing is
    /// accepted meanwhile, from handlers neither: a handler that publishes then is refused, and what becomes of its
    /// delivery is in [`ShutdownReport::failed`].
    /// The report lists what was not delivered. Calling it again, or at once from several places, ends the bus once
    /// and gives everybody the same report; dropping the future does not stop the shutdown. A handler that awaits
    /// the end of its own bus is cancelled at the deadline, like any handler that does not return.
    pub async fn shutdown_within(&self, deadline: Duration) -> ShutdownReport {
        shutdown::run(&self.lease.core, deadline).await
    }

    pub(crate) fn new(config: BusBuilder, chains: Chains) -> Self {
        let (history, graveyard) = (Arc::new(config.past()), config.graveyard());
        let memory = Arc::new(Memory::new(config.memory as u64));
        let core = Arc::new_cyclic(|me| Core {
            me: Weak::clone(me),
            chains,
            rules: Installed::new(config.rules),
            agenda: Agenda::new(Grant::new(Arc::clone(&memory))),
            schedules: Schedules::default(),
            source: config.source,
            limits: config.limits,
            mailbox: config.mailbox,
            shutdown_deadline: config.shutdown_deadline,
            turnstile: Turnstile::default(),
            history,
            routes: Routes::new(),
            memory,
            pause: Arc::new(Pause::new(config.paused)),
            waits: Arc::default(),
            awaited: Arc::default(),
            workers: Workers::default(),
            given_out: Notify::new(),
            ending: Ending::default(),
            graveyard,
            on_error: config.on_error,
            timeout: config.timeout,
            runtime: Handle::try_current().ok(),
            refused: AtomicU64::new(0),
            started: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
        });
        Self { lease: Arc::new(Lease { core }), origin: None, scope: None }
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.lease.core
    }

    /// The same bus, in the hands of a delivery's handler.
    pub(crate) fn on_behalf_of(self, origin: Origin) -> Self {
        Self { origin: Some(Arc::new(origin)), ..self }
    }

    /// The delivery that whoever uses this handle works for: that of the task, or that of the handle.
    pub(crate) fn origin(&self) -> Option<Box<Origin>> {
        match (origin(), self.origin.as_deref()) {
            // A batch has no cause of its own, and the handle has that of one of its deliveries.
            (Some(batch), Some(delivery)) => Some(batch.or_caused_by(delivery)),
            (Some(origin), None) => Some(origin),
            (None, handle) => handle.cloned().map(Box::new),
        }
    }

    pub(crate) fn scope(&self) -> Option<&Scope> {
        self.scope.as_ref()
    }

    pub(crate) fn downgrade(&self) -> WeakBus {
        WeakBus { lease: Arc::downgrade(&self.lease), scope: self.scope.clone() }
    }
}

impl WeakBus {
    pub(crate) fn upgrade(&self) -> Option<Bus> {
        self.lease.upgrade().map(|lease| Bus { lease, origin: None, scope: self.scope.clone() })
    }
}

impl Core {
    pub(crate) fn count_refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    /// Whether delivery is held.
    pub(crate) fn is_paused(&self) -> bool {
        self.pause.is_held()
    }

    /// Tells that the bus has started, once, when somebody is there to hear it.
    pub(crate) fn announce(&self) {
        if self.routes.anybody_hears() && !self.is_paused() && !self.started.swap(true, Relaxed) {
            own_events::started(self);
        }
    }

    /// Tells that the bus stops, once, while it can still be told.
    pub(crate) fn announce_end(&self) {
        if !self.stopped.swap(true, Relaxed) {
            own_events::stopped(self);
        }
    }

    fn pressure(&self) -> Pressure {
        let memory = self.memory.held() as f64 / self.memory.limit() as f64;
        let none = Pressure { level: Default::default(), ratio: 0.0, subscription: None, memory };
        self.routes.all().iter().fold(none, |fullest, subscriber| {
            let (ratio, level) = subscriber.mailbox.pressure();
            if fullest.subscription.is_some() && ratio <= fullest.ratio {
                return fullest;
            }
            Pressure { level, ratio, subscription: Some(subscriber.name.to_string()), memory }
        })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        shutdown::abandon(&self.core);
    }
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bus").field("source", &self.core().source).finish_non_exhaustive()
    }
}
