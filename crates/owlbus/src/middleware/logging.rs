//! `logging`: one record a delivery, through `tracing`.

use std::{borrow::Cow, fmt};

use tokio::time::Instant;
use tracing::Level;

use super::{Duty, HandleNext, Middleware, Stages};
use crate::{
    event::{Escaped, Event},
    handle::Delivery,
    settle::{HandlerError, Outcome},
    topic::{IntoPatterns, Pattern, TopicError},
};

/// The target of the records, to be named in filters.
const TARGET: &str = "owlbus::delivery";

/// The levels of `tracing` are known at compile time.
macro_rules! record_at {
    ($level:ident, $record:expr) => {
        tracing::$level!(
            target: TARGET,
            event_id = %Escaped($record.event.id()),
            topic = %$record.event.topic(),
            correlation_id = %Escaped($record.event.correlation_id()),
            source = %Escaped($record.event.source()),
            subscription = %Escaped(&$record.subscription),
            attempt = $record.attempt,
            outcome = %$record.outcome,
            error = $record.error.as_deref().map(tracing::field::display),
            duration = ?$record.took,
            data = $record.data.as_deref().map(tracing::field::display),
            "delivery"
        )
    };
}
/// One record a delivery, through `tracing`: event id, topic, correlation, source, subscription, attempt, outcome, and how long it
/// took. Never the data, unless it is told to.
///
/// What is done or skipped has the level of its topic, what failed that of failures. Whether that is text or JSON is for the subscriber
/// of `tracing` to say; [`json`](Self::json) puts the record into one field as JSON for those that only know text.
///
/// ```
/// use owlbus::{Bus, middleware::Logging};
///
/// let logging = Logging::new().level("hook.**", tracing::Level::TRACE)?.without("heartbeat.**")?;
/// let bus = Bus::builder().middleware(logging).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "it logs nothing until a bus is given it"]
#[derive(Clone)]
pub struct Logging {
    name: Cow<'static, str>,
    priority: i32,
    /// The first that matches counts; no level is no record.
    levels: Vec<(Pattern, Option<Level>)>,
    level: Level,
    failures: Level,
    payload: bool,
    json: bool,
}

impl Logging {
    /// A log at level `DEBUG`, of failures at `WARN`.
    pub fn new() -> Self {
        Self {
            name: "logging".into(),
            priority: 0,
            levels: Vec::new(),
            level: Level::DEBUG,
            failures: Level::WARN,
            payload: false,
            json: false,
        }
    }

    /// Its name. Default: `logging`.
    pub fn named(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Those with a higher one are further out, and see what those further in made of it. Default: 0.
    pub fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// The level of what is under these topics; the first that was given counts. Default: `DEBUG`.
    ///
    /// # Errors
    ///
    /// [`TopicError`] where a pattern is none.
    pub fn level(mut self, patterns: impl IntoPatterns, level: Level) -> Result<Self, TopicError> {
        self.levels.extend(patterns.into_patterns()?.into_iter().map(|pattern| (pattern, Some(level))));
        Ok(self)
    }

    /// Says nothing of what is under these topics, but for its failures.
    ///
    /// # Errors
    ///
    /// [`TopicError`] where a pattern is none.
    pub fn without(mut self, patterns: impl IntoPatterns) -> Result<Self, TopicError> {
        self.levels.extend(patterns.into_patterns()?.into_iter().map(|pattern| (pattern, None)));
        Ok(self)
    }

    /// The level of failures. Default: `WARN`.
    pub fn failures(mut self, level: Level) -> Self {
        self.failures = level;
        self
    }

    /// Writes the data too, with control characters escaped. Default: never.
    pub fn with_payload(mut self) -> Self {
        self.payload = true;
        self
    }

    /// Writes each record as JSON into one field, `record`. Default: a field each.
    pub fn json(mut self) -> Self {
        self.json = true;
        self
    }

    fn level_of(&self, event: &Event, said: &Result<Outcome, HandlerError>) -> Option<Level> {
        match said {
            Ok(Outcome::Done | Outcome::Skipped) => {
                let own = self.levels.iter().find(|(pattern, _)| pattern.matches(event.topic()));
                own.map_or(Some(self.level), |(_, level)| *level)
            }
            Ok(Outcome::Retry { .. } | Outcome::Dead { .. }) | Err(_) => Some(self.failures),
        }
    }

    fn write(&self, level: Level, record: &Record) {
        match (self.json, level) {
            (true, Level::ERROR) => tracing::error!(target: TARGET, record = record.json()),
            (true, Level::WARN) => tracing::warn!(target: TARGET, record = record.json()),
            (true, Level::INFO) => tracing::info!(target: TARGET, record = record.json()),
            (true, Level::DEBUG) => tracing::debug!(target: TARGET, record = record.json()),
            (true, _) => tracing::trace!(target: TARGET, record = record.json()),
            (false, Level::ERROR) => record_at!(error, record),
            (false, Level::WARN) => record_at!(warn, record),
            (false, Level::INFO) => record_at!(info, record),
            (false, Level::DEBUG) => record_at!(debug, record),
            (false, _) => record_at!(trace, record),
        }
    }
}

/// What is said of one attempt.
struct Record {
    event: Event,
    subscription: String,
    attempt: u32,
    outcome: &'static str,
    error: Option<String>,
    took: std::time::Duration,
    data: Option<String>,
}

impl Record {
    fn json(&self) -> String {
        let mut record = serde_json::json!({
            "event_id": self.event.id().to_string(),
            "topic": self.event.topic().as_str(),
            "correlation_id": self.event.correlation_id().to_string(),
            "source": self.event.source(),
            "subscription": self.subscription,
            "attempt": self.attempt,
            "outcome": self.outcome,
            "duration_us": self.took.as_micros() as u64,
        });
        for (name, value) in [("error", &self.error), ("data", &self.data)] {
            if let Some(value) = value {
                record[name] = value.as_str().into();
            }
        }
        record.to_string()
    }
}

impl Default for Logging {
    fn default() -> Self {
        Self::new()
    }
}

impl Middleware for Logging {
    fn name(&self) -> Cow<'static, str> {
        self.name.clone()
    }

    fn priority(&self) -> i32 {
        self.priority
    }

    fn stages(&self) -> Stages {
        Stages::HANDLE
    }

    fn duty(&self) -> Duty {
        Duty::Observes
    }

    async fn handle(&self, delivery: Delivery, next: HandleNext) -> Result<Outcome, HandlerError> {
        let (event, attempt) = (delivery.event().clone(), delivery.attempt());
        let subscription = delivery.subscription().to_owned();
        let begun = Instant::now();
        let said = next.run(delivery).await;
        let Some(level) = self.level_of(&event, &said) else { return said };
        let (outcome, error) = match &said {
            Ok(Outcome::Done) => ("done", None),
            Ok(Outcome::Skipped) => ("skipped", None),
            Ok(Outcome::Retry { .. }) => ("retry", None),
            Ok(Outcome::Dead { reason }) => ("dead", Some(Escaped(reason).to_string())),
            Err(error) => ("failed", Some(Escaped(error.sentences().join(": ")).to_string())),
        };
        let text = || event.bytes().ok().map(|bytes| Escaped(String::from_utf8_lossy(&bytes)).to_string());
        let data = self.payload.then(text).flatten();
        self.write(
            level,
            &Record { event, subscription, attempt, outcome, error, took: begun.elapsed(), data },
        );
        said
    }
}

impl fmt::Debug for Logging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logging")
            .field("level", &self.level)
            .field("levels", &self.levels)
            .finish_non_exhaustive()
    }
}
