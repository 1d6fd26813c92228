//! Faults on purpose, for tests: seeded, so that a run that found something can be run again.

use std::{
    borrow::Cow,
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use fastrand::Rng;

use super::{AcceptNext, HandleNext, Middleware, Stages};
use crate::{
    accept::{PublishError, Receipt},
    event::Event,
    handle::Delivery,
    settle::{HandlerError, Outcome},
    topic::{IntoPatterns, Pattern, TopicError},
};

/// A fault on purpose. From [`random_fail`] and its like; for tests, and for those who want to see what a system does.
#[must_use = "nothing goes wrong until a bus is given it"]
pub struct Fault {
    name: Cow<'static, str>,
    priority: i32,
    patterns: Vec<Pattern>,
    share: f64,
    kind: Kind,
    random: Mutex<Rng>,
}

enum Kind {
    Fail,
    Panic,
    Duplicate,
    Delay(Duration),
}

/// The share of attempts that fail as [temporary](HandlerError::temporary), in place of the handler: 0.1 is a tenth.
pub fn random_fail(share: f64, seed: u64) -> Fault {
    Fault::new("random_fail", Kind::Fail, share, seed)
}

/// The share of attempts that panic, in place of the handler.
pub fn random_panic(share: f64, seed: u64) -> Fault {
    Fault::new("random_panic", Kind::Panic, share, seed)
}

/// The share of deliveries that the handler gets twice, as after a crash: where the first time goes well, it is called once
/// more, and what it says then counts.
pub fn duplicate(share: f64, seed: u64) -> Fault {
    Fault::new("duplicate", Kind::Duplicate, share, seed)
}

/// The share of events whose publish, and of attempts that, begin later, by a random time up to this.
pub fn delay(share: f64, longest: Duration, seed: u64) -> Fault {
    Fault::new("delay", Kind::Delay(longest), share, seed)
}

impl Fault {
    fn new(name: &'static str, kind: Kind, share: f64, seed: u64) -> Self {
        let random = Mutex::new(Rng::with_seed(seed));
        Self { name: name.into(), priority: 0, patterns: Vec::new(), share, kind, random }
    }

    /// Its name. Default: that of the function it is from.
    pub fn named(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Those with a higher one are further out. Default: 0.
    pub fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// Only under these topics. Default: under every topic.
    ///
    /// # Errors
    ///
    /// [`TopicError`] where a pattern is none.
    pub fn on(mut self, patterns: impl IntoPatterns) -> Result<Self, TopicError> {
        self.patterns.append(&mut patterns.into_patterns()?);
        Ok(self)
    }

    /// Whether it is this event's turn, and a random number for what happens then.
    fn strikes(&self, event: &Event) -> Option<f64> {
        if !self.patterns.is_empty() && !self.patterns.iter().any(|one| one.matches(event.topic())) {
            return None;
        }
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        let (turn, other) = (random.f64(), random.f64());
        (turn < self.share).then_some(other)
    }
}

impl Middleware for Fault {
    fn name(&self) -> Cow<'static, str> {
        self.name.clone()
    }

    fn priority(&self) -> i32 {
        self.priority
    }

    fn stages(&self) -> Stages {
        match self.kind {
            Kind::Delay(_) => Stages::ACCEPT.and(Stages::HANDLE),
            Kind::Fail | Kind::Panic | Kind::Duplicate => Stages::HANDLE,
        }
    }

    async fn accept(&self, event: Event, next: AcceptNext) -> Result<Receipt, PublishError> {
        if let Kind::Delay(longest) = self.kind
            && let Some(share) = self.strikes(&event)
        {
            tokio::time::sleep(longest.mul_f64(share)).await; // sleeps: that is what it is for.
        }
        next.run(event).await
    }

    async fn handle(&self, delivery: Delivery, next: HandleNext) -> Result<Outcome, HandlerError> {
        let Some(share) = self.strikes(delivery.event()) else { return next.run(delivery).await };
        match self.kind {
            Kind::Fail => Err(HandlerError::temporary("failed on purpose")),
            Kind::Panic => panic!("on purpose"),
            Kind::Duplicate => next.run_twice(delivery).await,
            Kind::Delay(longest) => {
                tokio::time::sleep(longest.mul_f64(share)).await; // sleeps: that is what it is for.
                next.run(delivery).await
            }
        }
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fault").field("name", &self.name).field("share", &self.share).finish_non_exhaustive()
    }
}
