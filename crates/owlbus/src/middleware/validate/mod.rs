//! `validate`: refuses events that break a rule.

mod check;
// What a digest is: with the feature, and without.
#[cfg_attr(feature = "digest", path = "digest/enabled.rs")]
#[cfg_attr(not(feature = "digest"), path = "digest/disabled.rs")]
mod digest;
#[cfg(feature = "schema")]
mod schemas;
mod violation;

use std::{borrow::Cow, fmt, sync::Arc};

use check::{Check, Required, Rule};
#[cfg(feature = "digest")]
pub use digest::{DigestError, check_digest};
#[cfg(feature = "schema")]
pub use schemas::{SchemaError, Schemas, Unknown};
pub use violation::{Violation, Violations};

use self::digest::Seal;
use super::{AcceptNext, HandleNext, Middleware, Stages};
use crate::{
    accept::{PublishError, Receipt},
    config::ConfigError,
    event::Event,
    handle::Delivery,
    request::is_reply_topic,
    settle::{HandlerError, Outcome},
    topic::{IntoPatterns, Pattern, TopicError},
};

/// Refuses events that break a rule, before anybody gets them: the publisher is told every violation, with its place in the
/// data.
///
/// A rule is code, a field that has to be there, a topic that has to be among some; with the feature `schema` JSON Schemas, with
/// the feature `digest` a digest of the data. A rule that panics refuses the event.
///
/// ```
/// use owlbus::{Bus, Event, middleware::Validate};
///
/// let validate = Validate::new()
///     .topics(["orders.**", "users.**"])?
///     .require("orders.**", ["/id", "/customer/email"])?
///     .rule("total", |event: &Event| match event.get::<f64>("/total") {
///         Some(total) if total < 0.0 => Err("it must not be negative"),
///         _ => Ok(()),
///     });
/// let bus = Bus::builder().middleware(validate).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "it refuses nothing until a bus is given it"]
#[derive(Clone)]
pub struct Validate {
    name: Cow<'static, str>,
    priority: i32,
    /// Empty: every topic.
    topics: Vec<Pattern>,
    checks: Vec<Arc<dyn Check>>,
    /// Sets and checks digests, where that is wanted.
    seal: Option<Seal>,
}

impl Validate {
    /// One that refuses nothing.
    pub fn new() -> Self {
        Self { name: "validate".into(), priority: 0, topics: Vec::new(), checks: Vec::new(), seal: None }
    }

    /// Its name. Default: `validate`.
    pub fn named(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Those with a higher one are further out. Default: 0.
    pub fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// Lets through what is under these topics, and answers to requests; refuses the rest. `T::ALL` of an enum that derives
    /// [`Topics`](crate::Topics) is such a set. Default: every topic.
    ///
    /// # Errors
    ///
    /// [`TopicError`] where a pattern is none.
    pub fn topics(mut self, patterns: impl IntoPatterns) -> Result<Self, TopicError> {
        self.topics.append(&mut patterns.into_patterns()?);
        Ok(self)
    }

    /// Fields the data must have under these topics, as JSON pointers (`/customer/email`). A field that is null is not there.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] where a pattern or a pointer is none.
    pub fn require<P: Into<String>>(
        mut self,
        patterns: impl IntoPatterns,
        fields: impl IntoIterator<Item = P>,
    ) -> Result<Self, ConfigError> {
        self.checks.push(Arc::new(Required::new(patterns, fields)?));
        Ok(self)
    }

    /// A rule of your own, over the whole event. Its error says what is wrong, and comes to the publisher behind the rule's
    /// name.
    pub fn rule<E: fmt::Display>(
        mut self,
        name: impl Into<Cow<'static, str>>,
        rule: impl Fn(&Event) -> Result<(), E> + Send + Sync + 'static,
    ) -> Self {
        self.checks.push(Arc::new(Rule::new(name.into(), rule)));
        self
    }

    /// Holds data to JSON Schemas. Needs the feature `schema`.
    #[cfg(feature = "schema")]
    pub fn schemas(mut self, schemas: Schemas) -> Self {
        self.checks.push(Arc::new(schemas));
        self
    }

    /// Gives an event a digest of its data, as metadata `digest`, and checks the one it has: on its way in, and before each attempt
    /// of a handler. See [`check_digest`]. Needs the feature `digest`. Default: neither.
    ///
    /// What changes data has to stand further out, with a higher priority. Inline handlers and streams call [`check_digest`]
    /// themselves.
    #[cfg(feature = "digest")]
    pub fn digest(mut self) -> Self {
        self.seal = Some(Seal);
        self
    }

    /// Everything that is wrong with an event. A bus that this is given refuses the event where it is anything. A rule that panics
    /// panics here, too.
    #[must_use]
    pub fn violations(&self, event: &Event) -> Violations {
        let mut found = Violations::default();
        let topic = event.topic();
        if !self.topics.is_empty()
            && !is_reply_topic(topic)
            && !self.topics.iter().any(|pattern| pattern.matches(topic))
        {
            found.add("topics", "the topic is none of those that are published here");
            return found;
        }
        // Of data that is not what was sent there is nothing else to say.
        if let Some(Err(error)) = self.seal.as_ref().map(|seal| seal.check(event)) {
            found.add("digest", error);
            return found;
        }
        for check in &self.checks {
            check.look_at(event, &mut found);
        }
        found
    }
}

impl Default for Validate {
    fn default() -> Self {
        Self::new()
    }
}

impl Middleware for Validate {
    fn name(&self) -> Cow<'static, str> {
        self.name.clone()
    }

    fn priority(&self) -> i32 {
        self.priority
    }

    fn stages(&self) -> Stages {
        match self.seal {
            None => Stages::ACCEPT,
            Some(_) => Stages::ACCEPT.and(Stages::HANDLE),
        }
    }

    async fn accept(&self, event: Event, next: AcceptNext) -> Result<Receipt, PublishError> {
        let found = self.violations(&event);
        if !found.is_empty() {
            return next.refuse(event, found);
        }
        match self.seal.as_ref().map(|seal| seal.set(&event)) {
            None => next.run(event).await,
            Some(Ok(sealed)) => next.run(sealed).await,
            Some(Err(error)) => next.refuse(event, error),
        }
    }

    async fn handle(&self, delivery: Delivery, next: HandleNext) -> Result<Outcome, HandlerError> {
        match self.seal.as_ref().map(|seal| seal.check(delivery.event())) {
            Some(Err(error)) => Err(HandlerError::permanent(error)),
            _ => next.run(delivery).await,
        }
    }
}

impl fmt::Debug for Validate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Validate")
            .field("topics", &self.topics)
            .field("checks", &self.checks)
            .field("digest", &self.seal.is_some())
            .finish_non_exhaustive()
    }
}
