//! The way in: through the middlewares around accept, to where events are accepted.

use std::{
    future::poll_fn,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

use tokio::{
    runtime::Handle,
    time::{Instant, sleep_until}, // sleeps: what waits in a middleware.
};

use super::{
    Boxed, Chain, Duty,
    seen::{Seen, Went},
};
use crate::{
    accept::{PublishError, Receipt},
    event::Event,
    handle::caught,
    journal::Seq,
};

/// Accepts an event that has come through.
type Accept = dyn Fn(Event, &Arc<Way>) -> Boxed<Published> + Send + Sync;
type Published = Result<Receipt, PublishError>;
/// Is told the place of an event.
type Entered = Box<dyn FnOnce(Seq) + Send>;

/// The way of one publish.
pub(crate) struct Way {
    chain: Arc<Chain>,
    /// Where events are accepted.
    end: Box<Accept>,
    /// The receipt, from when the event is where it goes.
    accepted: OnceLock<Receipt>,
    /// Who wants to know when the event has its place.
    watching: Mutex<Vec<Entered>>,
    /// How far in the event has come.
    depth: AtomicUsize,
    /// Whether its publisher holds up a thread.
    here: AtomicBool,
    /// When that thread is to look again.
    alarm: Mutex<Option<Instant>>,
}

impl Way {
    pub(crate) fn new(
        chain: Arc<Chain>,
        end: impl Fn(Event, &Arc<Way>) -> Boxed<Published> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            chain,
            end: Box::new(end),
            accepted: OnceLock::new(),
            watching: Mutex::default(),
            depth: AtomicUsize::new(0),
            here: AtomicBool::new(false),
            alarm: Mutex::default(),
        })
    }

    /// Tells that the event has its place, before anybody gets it.
    pub(crate) fn entered(&self, seq: Seq) {
        let watching = std::mem::take(&mut *self.watching.lock().unwrap_or_else(PoisonError::into_inner));
        watching.into_iter().for_each(|told| told(seq));
    }

    /// Notes that the event is where it goes, whatever its publisher waits for now.
    pub(crate) fn accepted(&self, receipt: &Receipt) {
        _ = self.accepted.set(receipt.clone());
    }

    fn alarm(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.alarm.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The rest of the way of an event that is being published.
#[must_use = "the event is neither published nor refused until one of these is called"]
pub struct AcceptNext {
    way: Arc<Way>,
    at: usize,
    seen: Seen<Published>,
}

impl AcceptNext {
    /// Goes on with the event, as it is or another one.
    pub async fn run(self, event: Event) -> Result<Receipt, PublishError> {
        self.seen.set(Went::Begun);
        let result = walk(Arc::clone(&self.way), self.at + 1, event).await;
        self.seen.set(Went::Done(result.clone()));
        result
    }

    /// The same, and tells when the event has its place in the journal: before anybody gets it, and before its publisher waits
    /// for room. Of an event that is refused or dropped further in, nothing is told.
    pub(super) async fn run_told(
        self,
        event: Event,
        entered: impl FnOnce(Seq) + Send + 'static,
    ) -> Result<Receipt, PublishError> {
        self.way.watching.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(entered));
        self.run(event).await
    }

    /// Waits until then, by the clock that this publish has; `false`, at once, where it has none: without a runtime.
    pub(super) async fn wait_until(&self, until: Instant) -> bool {
        if self.way.here.load(Relaxed) {
            // Nothing of the runtime may be needed: it may be its thread that is held up.
            poll_fn(|_| {
                if Instant::now() >= until {
                    return Poll::Ready(());
                }
                let mut alarm = self.way.alarm();
                *alarm = Some(alarm.map_or(until, |earlier| earlier.min(until)));
                Poll::Pending
            })
            .await;
            return true;
        }
        if Handle::try_current().is_err() {
            return false;
        }
        sleep_until(until).await;
        true
    }

    /// Refuses the event: nobody gets it, and its publisher is told who refused it and why.
    ///
    /// # Errors
    ///
    /// Always [`PublishError::Rejected`].
    pub fn refuse(self, event: Event, reason: impl std::fmt::Display) -> Result<Receipt, PublishError> {
        let me = &self.way.chain.accept[self.at];
        me.refused.fetch_add(1, Relaxed);
        let refused = Err(PublishError::rejected(event, &me.name, reason));
        self.seen.set(Went::Done(refused.clone()));
        refused
    }

    /// Drops the event: nobody gets it, and its publisher goes on. It is counted, and the receipt names who dropped it.
    ///
    /// # Errors
    ///
    /// None; the type is that of what a middleware returns.
    pub fn discard(self, event: Event) -> Result<Receipt, PublishError> {
        self.drop_event(event, None)
    }

    /// Drops the event, as one that was published before and got this place then.
    ///
    /// # Errors
    ///
    /// None, as [`discard`](Self::discard).
    pub(super) fn discard_duplicate(self, event: Event, first: Seq) -> Result<Receipt, PublishError> {
        self.drop_event(event, Some(first))
    }

    fn drop_event(self, event: Event, duplicate_of: Option<Seq>) -> Result<Receipt, PublishError> {
        let me = &self.way.chain.accept[self.at];
        me.dropped.fetch_add(1, Relaxed);
        let receipt = Receipt {
            id: event.id(),
            seq: duplicate_of.unwrap_or(Seq::NONE),
            matched: Some(0),
            dropped: Some(Vec::new()),
            unfinished: Vec::new(),
            due: None,
            duplicate: duplicate_of.is_some(),
            discarded_by: Some(Arc::clone(&me.name)),
        };
        self.seen.set(Went::Done(Ok(receipt.clone())));
        Ok(receipt)
    }
}

/// Walks the way from a middleware on.
pub(crate) fn walk(way: Arc<Way>, at: usize, event: Event) -> Boxed<Published> {
    way.depth.fetch_max(at, Relaxed);
    let Some(me) = way.chain.accept.get(at).cloned() else {
        return (way.end)(event, &way);
    };
    Box::pin(async move {
        let seen = Seen::nothing();
        let next = AcceptNext { way: Arc::clone(&way), at, seen: seen.clone() };
        let mine = event.clone();
        let layer = Arc::clone(&me.layer);
        let said = caught(async move { layer.accept(mine, next).await }).await;
        let (went, error) = match (said, seen.take()) {
            // What it says for itself is its error; what others said it passes on.
            (Ok(Err(error)), Went::Not) if me.duty == Duty::Observes => (Went::Not, error.to_string()),
            // Nobody is told that an event was not published which was.
            (Ok(Err(error)), went) if way.accepted.get().is_some() => (went, error.to_string()),
            (Ok(said), _) => return said,
            (Err(panic), went) => (went, panic),
        };
        me.failed(&event, &error);
        match went {
            Went::Done(result) => result,
            Went::Not if me.duty == Duty::Observes => walk(way, at + 1, event).await,
            // The event may be where it goes already, and who waited for room is gone.
            Went::Begun | Went::Not => match way.accepted.get() {
                Some(receipt) => Ok(receipt.clone()),
                None => {
                    me.refused.fetch_add(1, Relaxed);
                    Err(PublishError::rejected(event, &me.name, error))
                }
            },
        }
    })
}

/// Publishes an event without waiting. A middleware that waits before the event is accepted has it refused; what it does
/// afterwards is left to the runtime.
pub(crate) fn publish_now(way: Arc<Way>, event: Event) -> Result<Receipt, PublishError> {
    let mut walking = walk(Arc::clone(&way), 0, event.clone());
    if let Poll::Ready(result) = walking.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        return result;
    }
    match way.accepted.get() {
        Some(receipt) => {
            match tokio::runtime::Handle::try_current() {
                Ok(runtime) => drop(runtime.spawn(walking)),
                Err(_) => tracing::warn!("a middleware that waits has no tokio runtime to wait on"),
            }
            Ok(receipt.clone())
        }
        None => {
            drop(walking);
            let waits = way.chain.accept.get(way.depth.load(Relaxed)).map_or("middleware", |one| &*one.name);
            let reason = "it waits, and this publish does not; use one that awaits";
            Err(PublishError::rejected(event, waits, reason))
        }
    }
}

/// Publishes an event, and holds up the thread.
pub(crate) fn publish_here(way: Arc<Way>, event: Event) -> Result<Receipt, PublishError> {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    way.here.store(true, Relaxed);
    let mut walking = walk(Arc::clone(&way), 0, event);
    loop {
        *way.alarm() = None;
        if let Poll::Ready(result) = walking.as_mut().poll(&mut Context::from_waker(&waker)) {
            return result;
        }
        let alarm = *way.alarm();
        match alarm {
            Some(alarm) => thread::park_timeout(alarm.saturating_duration_since(Instant::now())),
            None => thread::park(),
        }
    }
}

/// Wakes a thread that is held up.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
