//! `rate_limit`: no more events in a time than are allowed.

mod places;

use std::{
    borrow::Cow,
    fmt,
    hash::{BuildHasher, RandomState},
    num::NonZeroU32,
    sync::{Arc, OnceLock},
    time::Duration,
};

use governor::Quota;
use places::Limiter;
use tokio::time::Instant;

use super::{AcceptNext, Middleware, Stages};
use crate::{
    accept::{PublishError, Receipt},
    clock,
    config::ConfigError,
    event::Event,
    topic::{IntoPatterns, Pattern, TopicError},
};

/// Lets through no more events in a time than are allowed: all together, or of each source, topic or both. Needs the feature
/// `rate-limit`.
///
/// What is too much is refused, and the publisher is told how long to wait; or, with [`wait`](Self::wait), the publisher waits.
/// Those that wait stand in no line: who comes when there is room goes first. An event counts here whatever becomes of it further
/// in. The source is what the publisher says it is.
///
/// It has a place for 10,000 sources or topics, or as many as [`keys`](Self::keys) says. Those that have not come for so long
/// that nothing is counted against them give theirs up; where there is none, those without share one limit.
///
/// ```
/// use std::time::Duration;
///
/// use owlbus::{Bus, middleware::RateLimit};
///
/// // 100 a second of each source, 20 of them at once, and publishers wait for up to 2 s.
/// let limit = RateLimit::new(100, Duration::from_secs(1))?
///     .burst(20)
///     .by_source()
///     .wait(Duration::from_secs(2));
/// let bus = Bus::builder().middleware(limit).build()?;
/// # Ok::<(), owlbus::config::ConfigError>(())
/// ```
#[must_use = "it limits nothing until a bus is given it"]
pub struct RateLimit {
    name: Cow<'static, str>,
    priority: i32,
    patterns: Vec<Pattern>,
    by: By,
    function: Option<Function>,
    events: u32,
    per: Duration,
    quota: Quota,
    keys: usize,
    patience: Duration,
    /// So that nobody who chooses a source or a topic can choose whose place it has.
    hasher: RandomState,
    /// Made with the first event, by the clock of its runtime.
    limiter: OnceLock<Limiter>,
}

type Function = Arc<dyn Fn(&Event) -> Option<String> + Send + Sync>;

/// What has a limit of its own.
#[derive(Clone, Copy, Debug, Default)]
struct By {
    source: bool,
    topic: bool,
}

/// The longest time that a limit may be over; the clock counts to more.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

impl RateLimit {
    /// At most so many events, at first at once, and from then on spread over the time: 10 a second are one every 100 ms.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] where it is no event, no time or more than 366 days, or more than one event a nanosecond.
    pub fn new(events: u32, per: Duration) -> Result<Self, ConfigError> {
        let wrong = |problem: &'static str| Err(ConfigError::new("rate_limit", problem));
        let Some(burst) = NonZeroU32::new(events) else {
            return wrong("lets no event through at all; allow at least 1, or take events out with `Filter`");
        };
        if per > LONGEST {
            return wrong("is over more than 366 days; choose a shorter time, and fewer events");
        }
        let Some(quota) = Quota::with_period(per / events) else {
            return wrong("allows more than one event a nanosecond; choose a longer time");
        };
        Ok(Self {
            name: "rate_limit".into(),
            priority: 0,
            patterns: Vec::new(),
            by: By::default(),
            function: None,
            events,
            per,
            quota: quota.allow_burst(burst),
            keys: 10_000,
            patience: Duration::ZERO,
            hasher: RandomState::new(),
            limiter: OnceLock::new(),
        })
    }

    /// Its name. Default: `rate_limit`.
    pub fn named(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Those with a higher one are further out. Default: 0.
    pub fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// Limits only what is under these topics. Default: every topic.
    ///
    /// # Errors
    ///
    /// [`TopicError`] where a pattern is none.
    pub fn on(mut self, patterns: impl IntoPatterns) -> Result<Self, TopicError> {
        self.patterns.append(&mut patterns.into_patterns()?);
        Ok(self)
    }

    /// How many may come at once, after a time without any; from 1 to the number of events. Default: that number.
    pub fn burst(mut self, events: u32) -> Self {
        let burst = events.clamp(1, self.events);
        self.quota = self.quota.allow_burst(NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN));
        self
    }

    /// Each source has the limit for itself. Default: all events share it.
    pub fn by_source(mut self) -> Self {
        self.by.source = true;
        self
    }

    /// Each topic has the limit for itself; with [`by_source`](Self::by_source) too, each source on each topic. Default: all events
    /// share it.
    pub fn by_topic(mut self) -> Self {
        self.by.topic = true;
        self
    }

    /// What this gives the same text for shares a limit, beside what [`by_source`](Self::by_source) and
    /// [`by_topic`](Self::by_topic) say; what it gives none for has no limit. Its panic refuses the event. Default: all events
    /// share it.
    pub fn by(mut self, key: impl Fn(&Event) -> Option<String> + Send + Sync + 'static) -> Self {
        self.function = Some(Arc::new(key));
        self
    }

    /// For how many sources, topics and so on there is a place; each takes a few bytes. Default: 10,000.
    pub fn keys(mut self, keys: usize) -> Self {
        self.keys = keys;
        self
    }

    /// How long a publisher waits rather than being refused; one that would have to wait for longer is refused at once, as is
    /// one that has no runtime to wait in. Default: it does not wait.
    pub fn wait(mut self, longest: Duration) -> Self {
        self.patience = longest;
        self
    }

    /// Whose limit it is; `None` where there is none.
    fn key(&self, event: &Event) -> Option<u64> {
        if !self.patterns.is_empty() && !self.patterns.iter().any(|one| one.matches(event.topic())) {
            return None;
        }
        let text = match &self.function {
            Some(function) => Some(function(event)?),
            None => None,
        };
        let source = self.by.source.then(|| event.source());
        let topic = self.by.topic.then(|| event.topic().as_str());
        Some(self.hasher.hash_one((source, topic, text)))
    }

    /// Waits for its turn; where that is too long, says how long it would be.
    async fn pass(&self, key: u64, next: &AcceptNext) -> Result<(), Duration> {
        let limiter = self.limiter.get_or_init(|| Limiter::new(self.quota, self.keys));
        let Err(mut wait) = limiter.check(key) else { return Ok(()) };
        let deadline = clock::deadline(self.patience);
        loop {
            let until = Instant::now() + wait;
            if until > deadline || !next.wait_until(until).await {
                return Err(wait);
            }
            match limiter.check(key) {
                Ok(()) => return Ok(()),
                Err(longer) => wait = longer,
            }
        }
    }

    fn reason(&self, wait: Duration) -> String {
        let of = match (self.by.source, self.by.topic, &self.function) {
            (false, false, None) => "",
            (true, false, None) => " from its source",
            (false, true, None) => " on its topic",
            _ => " of its kind",
        };
        let millis = wait.as_nanos().div_ceil(1_000_000);
        format!("more than {} events{of} in {:?}; publish it again in {millis} ms", self.events, self.per)
    }
}

impl Middleware for RateLimit {
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
        let Some(key) = self.key(&event) else { return next.run(event).await };
        match self.pass(key, &next).await {
            Ok(()) => next.run(event).await,
            Err(wait) => next.refuse(event, self.reason(wait)),
        }
    }
}

impl fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit")
            .field("events", &self.events)
            .field("per", &self.per)
            .field("patterns", &self.patterns)
            .field("by", &self.by)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}
