//! A subscription as the stages see it.

use std::{
    error::Error,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::{
    event::Event,
    handle::{DropReason, Finish, Gap, Inline, Mailbox, Overflow, Queued},
    settle::{ErrorKind, HandlerError, OnError, Retry},
    sync::atomic::AtomicBool,
    topic::Pattern,
    waits::Waits,
};

pub(crate) type Filter = Arc<dyn Fn(&Event) -> bool + Send + Sync>;
pub(crate) type Transform = Arc<dyn Fn(Event) -> Event + Send + Sync>;
pub(crate) type Classify = Arc<dyn Fn(&(dyn Error + 'static)) -> ErrorKind + Send + Sync>;
pub(crate) type OnGap = Arc<dyn Fn(Gap) + Send + Sync>;

/// A number no other subscription of this process has.
pub(crate) type SubscriberId = u64;

/// One subscription: what it wants, and where that goes.
pub(crate) struct Subscriber {
    pub(crate) id: SubscriberId,
    pub(crate) name: Arc<str>,
    /// Topics it wants; empty where it wants types on any topic.
    pub(crate) patterns: Vec<Pattern>,
    /// Types it wants; `None` is all.
    pub(crate) types: Option<&'static [&'static str]>,
    /// Asked by every publisher; gone when the subscription ends, for routes in caches outlive it.
    pub(crate) filter: Closable<Filter>,
    pub(crate) transform: Closable<Transform>,
    pub(crate) on_gap: Closable<OnGap>,
    /// For `once`: whether an event has claimed it.
    pub(crate) claimed: Option<AtomicBool>,
    /// From which share of its room on it slows publishers down, and by how much.
    pub(crate) slow_from: Option<(f64, Duration)>,
    /// Its place among the subscriptions that get one event: those above it go before.
    pub(crate) band: i32,
    /// How long its deliveries wait for those above to start.
    pub(crate) band_wait: Duration,
    /// The handler, where it runs in the publisher; nothing enters the mailbox then.
    pub(crate) inline: Option<Inline>,
    /// Whether and when what failed is tried again.
    pub(crate) retry: Retry,
    /// How long one attempt may take.
    pub(crate) timeout: Option<Duration>,
    /// Whether anybody wants to know when an attempt that failed began.
    pub(crate) times_attempts: bool,
    /// Says of which kind an error is, where the error does not.
    pub(crate) classify: Closable<Classify>,
    /// Told of each failed attempt.
    pub(crate) on_error: Closable<OnError>,
    /// Who waits for whom on the bus.
    pub(crate) waits: Arc<Waits>,
    /// Whether a stream takes its events, rather than tasks of the bus: a shutdown waits until they were given out.
    pub(crate) streamed: bool,
    pub(crate) mailbox: Mailbox,
    /// Events that matched but for the filter.
    pub(crate) filtered: AtomicU64,
}

/// What a subscription says of an event on one of its topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Yes,
    /// Another event has claimed it.
    No,
    /// The filter refused it.
    Filtered,
    /// The filter panicked; the event counts as skipped.
    Skipped,
}

impl Subscriber {
    /// Asks the filter. Whoever publishes the event [`count`](Self::count)s what was said, and [`claim`](Self::claim)s a
    /// subscription that is for one event.
    pub(crate) fn wants(&self, event: &Event) -> Wanted {
        let free = || match &self.claimed {
            Some(claimed) if claimed.load(Relaxed) => Wanted::No,
            _ => Wanted::Yes,
        };
        if !self.filter.is_some() {
            return free();
        }
        // A filter that is gone belongs to a subscription that has ended.
        let Some(filter) = self.filter.open() else { return Wanted::No };
        match catch_unwind(AssertUnwindSafe(|| filter(event))) {
            Ok(true) => free(),
            Ok(false) => Wanted::Filtered,
            Err(panic) => {
                let error = crate::handle::panicked(panic);
                tracing::warn!(subscription = %self.name, %event, error, "the filter of a subscription failed");
                Wanted::Skipped
            }
        }
    }

    /// Claims a subscription that is for one event, for an event that is published. Says whether it is the one, as it
    /// always is where there is room for several.
    pub(crate) fn claim(&self) -> bool {
        self.claimed.as_ref().is_none_or(|claimed| !claimed.swap(true, Relaxed))
    }

    /// Counts what was said of an event that is published.
    pub(crate) fn count(&self, wanted: Wanted) {
        match wanted {
            Wanted::Filtered => _ = self.filtered.fetch_add(1, Relaxed),
            Wanted::Skipped => self.mailbox.skip(),
            Wanted::Yes | Wanted::No => {}
        }
    }

    /// Whether topic, type and filter agree with the event; nothing is counted or claimed.
    pub(crate) fn asks_for(&self, event: &Event) -> bool {
        let (topic, event_type) = (event.topic(), event.event_type());
        let topic_fits = match self.patterns.is_empty() {
            true => !topic.is_reserved(),
            false => self.patterns.iter().any(|pattern| pattern.matches(topic)),
        };
        let fits = topic_fits && self.types.is_none_or(|types| types.contains(&event_type));
        let agrees = |filter: Filter| catch_unwind(AssertUnwindSafe(|| filter(event))).unwrap_or(false);
        fits && self.filter.open().is_none_or(agrees)
    }

    /// The code that its workers need, for as long as they work.
    pub(crate) fn code(&self) -> Code {
        Code {
            transform: self.transform.open(),
            classify: self.classify.open(),
            on_error: self.on_error.open(),
        }
    }

    /// Makes a subscription for one event wait for another one.
    pub(crate) fn unclaim(&self) {
        if let Some(claimed) = &self.claimed {
            claimed.store(false, Relaxed);
        }
    }

    /// How long a publisher pauses after an event that got in; zero where it need not.
    pub(crate) fn brake(&self) -> Duration {
        match self.slow_from {
            Some((share, pause)) if self.mailbox.pressure().0 >= share => pause,
            _ => Duration::ZERO,
        }
    }

    /// Whether it asks for what the bus itself has to say.
    pub(crate) fn hears_own(&self) -> bool {
        self.patterns.iter().any(Pattern::is_reserved)
    }

    /// The handling of a delivery was cut off.
    pub(crate) fn cut_off(&self, queued: Queued) {
        self.lose(queued, DropReason::Shutdown);
    }

    /// A delivery that was taken is lost.
    pub(crate) fn lose(&self, queued: Queued, reason: DropReason) {
        self.mailbox.finish(&queued, Finish::Dropped(reason));
        if let Some(watched) = queued.watched() {
            watched.dropped(reason);
        }
    }

    /// Whether a publish takes a place here before the event is anywhere, because it would else be refused.
    pub(crate) fn rejects(&self) -> bool {
        self.inline.is_none() && self.mailbox.overflow() == Overflow::Reject
    }

    /// Ends the subscription: nothing more starts. Gives back what had not started.
    pub(crate) fn end(&self, reason: DropReason) -> Vec<Event> {
        if let Some(inline) = &self.inline {
            inline.close();
        }
        let left = self.mailbox.close(reason);
        self.filter.close();
        self.transform.close();
        self.on_gap.close();
        self.classify.close();
        self.on_error.close();
        left
    }
}

#[cfg(test)]
impl Subscriber {
    /// A subscription that wants whatever it is given.
    pub(crate) fn bare(name: &str, band: i32, mailbox: Mailbox) -> Self {
        Self {
            id: band.unsigned_abs().into(),
            name: name.into(),
            patterns: Vec::new(),
            types: None,
            filter: Closable::new(None),
            transform: Closable::new(None),
            on_gap: Closable::new(None),
            claimed: None,
            slow_from: None,
            band,
            // Longer than any test.
            band_wait: Duration::from_secs(1 << 30),
            inline: None,
            retry: Retry::none(),
            timeout: None,
            times_attempts: false,
            classify: Closable::new(None),
            on_error: Closable::new(None),
            waits: Arc::default(),
            streamed: false,
            mailbox,
            filtered: AtomicU64::new(0),
        }
    }
}

/// Code of the user that workers hold for as long as they work.
pub(crate) struct Code {
    pub(crate) transform: Option<Transform>,
    pub(crate) classify: Option<Classify>,
    pub(crate) on_error: Option<OnError>,
}

impl Code {
    /// The error, of the kind the subscription says it is of where it says nothing of itself.
    pub(crate) fn classified(&self, error: HandlerError) -> HandlerError {
        let Some(classify) = self.classify.as_ref().filter(|_| error.kind() == ErrorKind::Unknown) else {
            return error;
        };
        let kind = catch_unwind(AssertUnwindSafe(|| classify(error.source())));
        error.of_kind(kind.unwrap_or_default())
    }
}

/// The event as the handler is to see it: it stands where the one that was accepted does.
pub(crate) fn transformed(transform: Option<&Transform>, event: Event) -> Event {
    match transform {
        Some(transform) => {
            let place = event.place();
            transform(event).in_place_of(&place)
        }
        None => event,
    }
}

/// Code of the user that is let go of when the subscription ends, whoever still holds the subscription.
pub(crate) struct Closable<F> {
    /// Spares a subscription without such code the lock.
    present: bool,
    code: RwLock<Option<F>>,
}

impl<F: Clone> Closable<F> {
    pub(crate) fn new(code: Option<F>) -> Self {
        Self { present: code.is_some(), code: RwLock::new(code) }
    }

    pub(crate) fn is_some(&self) -> bool {
        self.present
    }

    pub(crate) fn open(&self) -> Option<F> {
        if !self.present {
            return None;
        }
        self.code.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn close(&self) {
        let code = self.code.write().unwrap_or_else(PoisonError::into_inner).take();
        // Dropped here, after the lock. What it holds is of the user, and may panic.
        crate::handle::let_go(code);
    }
}
