//! `filter`: takes events out before anybody gets them.

use std::{borrow::Cow, fmt, sync::Arc};

use super::{AcceptNext, Middleware, Stages};
use crate::{
    accept::{PublishError, Receipt},
    event::Event,
    topic::{IntoPatterns, Pattern, TopicError},
};

/// Takes events out before anybody gets them, and counts them: see [`MiddlewareInfo::dropped`](super::MiddlewareInfo). What is
/// denied goes, whoever allows it; where anything is allowed, only that comes through.
///
/// The publisher goes on: its receipt says who took the event out.
///
/// ```
/// use owlbus::{Bus, middleware::Filter};
///
/// let filter = Filter::new().allow("hook.**")?.deny(["hook.debug.**", "hook.*.noise"])?;
/// let bus = Bus::builder().middleware(filter).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "it filters nothing until a bus is given it"]
#[derive(Clone)]
pub struct Filter {
    name: Cow<'static, str>,
    priority: i32,
    allowed: Vec<Pattern>,
    denied: Vec<Pattern>,
    allowed_types: Vec<String>,
    denied_types: Vec<String>,
    predicate: Option<crate::dispatch::Filter>,
}

impl Filter {
    /// A filter that lets everything through.
    pub fn new() -> Self {
        Self {
            name: "filter".into(),
            priority: 0,
            allowed: Vec::new(),
            denied: Vec::new(),
            allowed_types: Vec::new(),
            denied_types: Vec::new(),
            predicate: None,
        }
    }

    /// Its name. Default: `filter`.
    pub fn named(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Those with a higher one are further out. Default: 0.
    pub fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// Lets through what is under these topics, and nothing that is not allowed. Default: every topic.
    ///
    /// # Errors
    ///
    /// [`TopicError`] where a pattern is none.
    pub fn allow(mut self, patterns: impl IntoPatterns) -> Result<Self, TopicError> {
        self.allowed.append(&mut patterns.into_patterns()?);
        Ok(self)
    }

    /// Takes out what is under these topics. Default: none.
    ///
    /// # Errors
    ///
    /// [`TopicError`] where a pattern is none.
    pub fn deny(mut self, patterns: impl IntoPatterns) -> Result<Self, TopicError> {
        self.denied.append(&mut patterns.into_patterns()?);
        Ok(self)
    }

    /// Lets through events of this type, and of no type that is not allowed. Default: every type.
    pub fn allow_type(mut self, event_type: impl Into<String>) -> Self {
        self.allowed_types.push(event_type.into());
        self
    }

    /// Takes out events of this type. Default: none.
    pub fn deny_type(mut self, event_type: impl Into<String>) -> Self {
        self.denied_types.push(event_type.into());
        self
    }

    /// Lets through only what this says so of; several must all say so. Its panic refuses the event.
    pub fn when(mut self, predicate: impl Fn(&Event) -> bool + Send + Sync + 'static) -> Self {
        self.predicate = Some(match self.predicate {
            None => Arc::new(predicate),
            Some(first) => Arc::new(move |event| first(event) && predicate(event)),
        });
        self
    }

    fn lets_through(&self, event: &Event) -> bool {
        let under = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(event.topic()));
        let among = |types: &[String]| types.iter().any(|one| one == event.event_type());
        let allowed = (self.allowed.is_empty() || under(&self.allowed))
            && (self.allowed_types.is_empty() || among(&self.allowed_types));
        allowed
            && !under(&self.denied)
            && !among(&self.denied_types)
            && self.predicate.as_ref().is_none_or(|predicate| predicate(event))
    }
}

impl Default for Filter {
    fn default() -> Self {
        Self::new()
    }
}

impl Middleware for Filter {
    fn name(&self) -> Cow<'static, str> {
        self.name.clone()
    }

    fn priority(&self) -> i32 {
        self.priority
    }

    fn stages(&self) -> Stages {
        Stages::ACCEPT
    }

    async fn accept(&self, event: Event, next: AcceptNext) -> Result<Receipt, PublishError> {
        match self.lets_through(&event) {
            true => next.run(event).await,
            false => next.discard(event),
        }
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filter")
            .field("allowed", &self.allowed)
            .field("denied", &self.denied)
            .field("allowed_types", &self.allowed_types)
            .field("denied_types", &self.denied_types)
            .finish_non_exhaustive()
    }
}
