//! The middlewares of a bus, in order.

use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{
        AtomicBool, AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
};

use super::{AcceptNext, Act, Boxed, Duty, HandleNext, Identity, Middleware, Stages};
use crate::{
    accept::{PublishError, Receipt},
    event::Event,
    handle::Delivery,
    settle::{HandlerError, Outcome, Settled},
    topic::Pattern,
};

/// A middleware whose type is forgotten.
pub(crate) trait Layer: Send + Sync {
    fn accept(self: Arc<Self>, event: Event, next: AcceptNext) -> Boxed<Result<Receipt, PublishError>>;

    fn handle(self: Arc<Self>, delivery: Delivery, next: HandleNext) -> Boxed<Result<Outcome, HandlerError>>;

    fn settled(self: Arc<Self>, event: Event, outcomes: Arc<[Settled]>) -> Boxed<()>;

    fn permits(&self, identity: &Identity, act: Act, topics: &Pattern) -> Result<(), String>;
}

impl<M: Middleware> Layer for M {
    fn accept(self: Arc<Self>, event: Event, next: AcceptNext) -> Boxed<Result<Receipt, PublishError>> {
        Box::pin(async move { Middleware::accept(&*self, event, next).await })
    }

    fn handle(self: Arc<Self>, delivery: Delivery, next: HandleNext) -> Boxed<Result<Outcome, HandlerError>> {
        Box::pin(async move { Middleware::handle(&*self, delivery, next).await })
    }

    fn settled(self: Arc<Self>, event: Event, outcomes: Arc<[Settled]>) -> Boxed<()> {
        Box::pin(async move { Middleware::settled(&*self, &event, &outcomes).await })
    }

    fn permits(&self, identity: &Identity, act: Act, topics: &Pattern) -> Result<(), String> {
        Middleware::permits(self, identity, act, topics)
    }
}

/// A middleware of a bus, and what it did so far.
pub(crate) struct Layered {
    pub(super) name: Arc<str>,
    priority: i32,
    stages: Stages,
    pub(super) duty: Duty,
    pub(super) layer: Arc<dyn Layer>,
    pub(super) refused: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) failed: AtomicU64,
}

impl Layered {
    pub(crate) fn new(middleware: impl Middleware) -> Arc<Self> {
        Arc::new(Self {
            name: middleware.name().into(),
            priority: middleware.priority(),
            stages: middleware.stages(),
            duty: middleware.duty(),
            layer: Arc::new(middleware),
            refused: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        })
    }

    /// Counts that it failed, and says so.
    pub(super) fn failed(&self, event: &Event, error: &str) {
        self.failed.fetch_add(1, Relaxed);
        tracing::warn!(
            middleware = &*self.name,
            event_id = %crate::event::Escaped(event.id()),
            topic = %event.topic(),
            error = %crate::event::Escaped(error),
            "a middleware failed",
        );
    }
}

/// The middlewares an event goes through, the outermost first. It never changes.
#[derive(Default)]
pub(crate) struct Chain {
    all: Vec<Arc<Layered>>,
    pub(super) accept: Vec<Arc<Layered>>,
    pub(super) handle: Vec<Arc<Layered>>,
    pub(super) settled: Vec<Arc<Layered>>,
    pub(super) access: Vec<Arc<Layered>>,
}

impl Chain {
    fn of(mut all: Vec<Arc<Layered>>) -> Self {
        all.sort_by_key(|one| std::cmp::Reverse(one.priority));
        let at = |takes_part: fn(&Stages) -> bool| {
            all.iter().filter(|one| takes_part(&one.stages)).map(Arc::clone).collect()
        };
        Self {
            accept: at(|stages| stages.accept),
            handle: at(|stages| stages.handle),
            settled: at(|stages| stages.settled),
            access: at(|stages| stages.access),
            all,
        }
    }

    /// Whether an event has to keep it beyond its publish.
    pub(crate) fn goes_along(&self) -> bool {
        !self.handle.is_empty() || !self.settled.is_empty()
    }

    pub(crate) fn is_around_accept(&self) -> bool {
        !self.accept.is_empty()
    }

    pub(crate) fn says_who_may(&self) -> bool {
        !self.access.is_empty()
    }

    pub(crate) fn is_around_handle(&self) -> bool {
        !self.handle.is_empty()
    }

    pub(crate) fn asks_for_outcomes(&self) -> bool {
        !self.settled.is_empty()
    }
}

/// The chain of a bus as it is now.
#[derive(Default)]
pub(crate) struct Chains {
    /// Spares a bus without any the lock.
    any: AtomicBool,
    now: RwLock<Arc<Chain>>,
}

impl Chains {
    /// The chain for an event that is published now.
    pub(crate) fn now(&self) -> Option<Arc<Chain>> {
        self.any.load(Acquire).then(|| Arc::clone(&self.read()))
    }

    /// Adds one. What is published from here on goes through it.
    pub(crate) fn add(&self, layered: Arc<Layered>) -> Result<(), MiddlewareError> {
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        if now.all.iter().any(|one| one.name == layered.name) {
            return Err(MiddlewareError::NameTaken { name: layered.name.to_string() });
        }
        let all = now.all.iter().cloned().chain([layered]).collect();
        self.set(&mut now, all);
        Ok(())
    }

    /// Removes one by its name. What was published before goes through it all the same.
    pub(crate) fn remove(&self, name: &str) -> bool {
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        let all: Vec<_> = now.all.iter().filter(|one| &*one.name != name).cloned().collect();
        let removed = all.len() < now.all.len();
        let former = self.set(&mut now, all);
        drop(now);
        // It may be the last to hold code of users.
        drop(former);
        removed
    }

    pub(crate) fn list(&self) -> Vec<MiddlewareInfo> {
        let each = |one: &Arc<Layered>| MiddlewareInfo {
            name: Arc::clone(&one.name),
            priority: one.priority,
            stages: one.stages,
            duty: one.duty,
            refused: one.refused.load(Relaxed),
            dropped: one.dropped.load(Relaxed),
            failed: one.failed.load(Relaxed),
        };
        self.read().all.iter().map(each).collect()
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Arc<Chain>> {
        self.now.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, now: &mut Arc<Chain>, all: Vec<Arc<Layered>>) -> Arc<Chain> {
        self.any.store(!all.is_empty(), Release);
        std::mem::replace(now, Arc::new(Chain::of(all)))
    }
}

/// A middleware of a bus.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MiddlewareInfo {
    /// Its name.
    pub name: Arc<str>,
    /// Its priority; the list has the highest first.
    pub priority: i32,
    /// Where it takes part.
    pub stages: Stages,
    /// What becomes of an event where it fails.
    pub duty: Duty,
    /// Events it refused.
    pub refused: u64,
    /// Events it dropped.
    pub dropped: u64,
    /// How often it failed itself.
    pub failed: u64,
}

/// Why a middleware could not be added.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MiddlewareError {
    /// Another one has the name.
    #[error("there is a middleware named `{name}` already; give this one another, or remove that one")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// Whoever holds the handle may not change what stands around all events.
    #[error("{by}: {reason}; add it by the handle the bus was built with")]
    Denied {
        /// The middleware that denies it.
        by: Arc<str>,
        /// Why.
        reason: String,
    },
}
