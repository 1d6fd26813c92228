//! `circuit_breaker`: what fails again and again is left alone for a while.

mod circuit;
mod circuits;

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

pub use circuit::CircuitState;
pub(crate) use circuit::Turn;
use circuit::{Refused, Settings, Went};
pub use circuits::CircuitInfo;
use circuits::{Attempt, Circuits};

use super::{HandleNext, Middleware, Stages};
use crate::{
    config::ConfigError,
    handle::Delivery,
    settle::{ErrorKind, HandlerError, Outcome},
};

/// Leaves alone what fails again and again: each subscription has a circuit, and while that is open, attempts fail at once.
///
/// - Closed, attempts go through. Where half of the last 100 within a minute failed, and there were at least 10, it opens.
/// - Open, every attempt fails at once with [`CircuitOpen`], as [temporary](HandlerError::temporary): the subscription's
///   [`Retry`](crate::settle::Retry) tries it again, when the circuit is open no more, or it is a dead letter.
/// - Half open, 30 s later, the next attempt goes through as a probe, and the others still fail. Where it goes well the circuit
///   is closed, else it opens anew. A probe that does not return gives its place to another after a while.
///
/// Failures are temporary errors, those that say nothing of themselves, retries that are asked for, and attempts that took too long.
/// Those that are [permanent](HandlerError::permanent), panics and [`Outcome::Dead`] among them, tell more of the event than
/// of what is behind the handler, and count neither way; [`counts`](Self::counts) can say otherwise.
///
/// Turns are told as `owlbus.circuit.opened`, `owlbus.circuit.half_open` and `owlbus.circuit.closed`, with the subscription's name. A
/// circuit ends with its subscription. A clone has the same circuits; keep one to look at them.
///
/// ```
/// use std::time::Duration;
///
/// use owlbus::{Bus, middleware::CircuitBreaker};
///
/// let breaker = CircuitBreaker::new()
///     .subscription("mail-*")
///     .failure_rate(0.2)?
///     .window(50, Duration::from_secs(30))?
///     .open_for(Duration::from_secs(10));
/// let bus = Bus::builder().middleware(breaker.clone()).build()?;
/// assert!(breaker.circuits().is_empty());
/// # Ok::<(), owlbus::config::ConfigError>(())
/// ```
#[must_use = "nothing is left alone until a bus is given it"]
#[derive(Clone)]
pub struct CircuitBreaker {
    name: Cow<'static, str>,
    priority: i32,
    subscriptions: Vec<String>,
    counts: Option<Counts>,
    settings: Settings,
    circuits: Arc<Circuits>,
}

type Counts = Arc<dyn Fn(&HandlerError) -> bool + Send + Sync>;

/// An attempt was not made, because the circuit of its subscription is open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CircuitOpen {
    /// It is open.
    #[error("the circuit of `{subscription}` is open; it is tried again in {} ms", .after.as_millis())]
    Open {
        /// Name of the subscription.
        subscription: Arc<str>,
        /// When it is tried again.
        after: Duration,
    },
    /// It is being tried by other deliveries.
    #[error("the circuit of `{subscription}` is half open, and other deliveries are trying it")]
    Tried {
        /// Name of the subscription.
        subscription: Arc<str>,
    },
}

/// The longest that a circuit stays open.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

impl CircuitBreaker {
    /// One for every subscription.
    pub fn new() -> Self {
        Self {
            name: "circuit_breaker".into(),
            priority: 0,
            subscriptions: Vec::new(),
            counts: None,
            settings: Settings {
                failure_rate: 0.5,
                attempts: 100,
                time: Duration::from_secs(60),
                minimum: 10,
                open_for: Duration::from_secs(30),
                probes: 1,
                probe_time: None,
            },
            circuits: Arc::default(),
        }
    }

    /// Its name. Default: `circuit_breaker`.
    pub fn named(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Those with a higher one are further out. Default: 0.
    pub fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// Only subscriptions of this name, where `*` stands for any text; several add up. Default: every subscription.
    pub fn subscription(mut self, name: impl Into<String>) -> Self {
        self.subscriptions.push(name.into());
        self
    }

    /// The share of attempts that fail from which on the circuit opens: above 0, at most 1. Default: 0.5.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] where it is another number.
    pub fn failure_rate(mut self, share: f64) -> Result<Self, ConfigError> {
        if !(share > 0.0 && share <= 1.0) {
            let problem =
                format!("is {share}, and a share is above 0 and at most 1; 0.5 is half of the attempts");
            return Err(ConfigError::new("failure_rate", problem));
        }
        self.settings.failure_rate = share;
        Ok(self)
    }

    /// The attempts that are looked at: so many of the last, and none that ended longer ago than this. Default: 100, and 60 s.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] where it is no attempt, more than a million, or no time.
    pub fn window(mut self, attempts: usize, time: Duration) -> Result<Self, ConfigError> {
        if !(1..=1_000_000).contains(&attempts) || time.is_zero() {
            let problem =
                format!("is {attempts} attempts in {time:?}, and has to be 1 to 1,000,000 in some time");
            return Err(ConfigError::new("window", problem));
        }
        self.settings.attempts = attempts;
        self.settings.time = time;
        Ok(self)
    }

    /// The fewest attempts from which anything follows; no more than the window has. Default: 10.
    pub fn minimum(mut self, attempts: usize) -> Self {
        self.settings.minimum = attempts;
        self
    }

    /// How long a circuit stays open before it is tried, at most 366 days. Default: 30 s.
    pub fn open_for(mut self, time: Duration) -> Self {
        self.settings.open_for = time.min(LONGEST);
        self
    }

    /// How many probes may run at once when it is half open, and have to go well before it is closed; at least 1. Default: 1.
    pub fn probes(mut self, probes: usize) -> Self {
        self.settings.probes = probes.max(1);
        self
    }

    /// After how long a probe that has not returned gives its place to another, and counts no more. Default: as long as the
    /// circuit stays open.
    pub fn probe_time(mut self, time: Duration) -> Self {
        self.settings.probe_time = Some(time);
        self
    }

    /// Whether an error counts as a failure; those that do not count neither way. Default: those that are not permanent.
    pub fn counts(mut self, counts: impl Fn(&HandlerError) -> bool + Send + Sync + 'static) -> Self {
        self.counts = Some(Arc::new(counts));
        self
    }

    /// The circuits of the subscriptions that have had an attempt and have not ended, by name.
    #[must_use]
    pub fn circuits(&self) -> Vec<CircuitInfo> {
        self.circuits.list(&self.settings)
    }

    fn is_for(&self, subscription: &str) -> bool {
        self.subscriptions.is_empty() || self.subscriptions.iter().any(|name| is_like(name, subscription))
    }

    fn went(&self, said: &Result<Outcome, HandlerError>) -> Went {
        match said {
            Ok(Outcome::Done | Outcome::Skipped) => Went::Well,
            Ok(Outcome::Retry { .. }) => Went::Wrong,
            Ok(Outcome::Dead { .. }) => Went::Neither,
            Err(error) => {
                let counts = match &self.counts {
                    Some(counts) => counts(error),
                    None => error.kind() != ErrorKind::Permanent,
                };
                if counts { Went::Wrong } else { Went::Neither }
            }
        }
    }
}

/// Whether a name is like another, in which `*` stands for any text.
fn is_like(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(start) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = left.find(part) else { return false };
        left = &left[at + part.len()..];
    }
    left.ends_with(end)
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        Self::new()
    }
}

impl Middleware for CircuitBreaker {
    fn name(&self) -> Cow<'static, str> {
        self.name.clone()
    }

    fn priority(&self) -> i32 {
        self.priority
    }

    fn stages(&self) -> Stages {
        Stages::HANDLE
    }

    async fn handle(&self, delivery: Delivery, next: HandleNext) -> Result<Outcome, HandlerError> {
        if !self.is_for(delivery.subscription()) {
            return next.run(delivery).await;
        }
        let subscription = delivery.belongs_to().clone();
        let attempt = match Attempt::begin(&self.circuits, &self.settings, subscription) {
            Ok(attempt) => attempt,
            Err(Refused { after }) => {
                let subscription = delivery.subscription().into();
                return Err(match after {
                    Some(after) => {
                        HandlerError::temporary(CircuitOpen::Open { subscription, after }).retry_after(after)
                    }
                    None => HandlerError::temporary(CircuitOpen::Tried { subscription }),
                });
            }
        };
        let said = next.run(delivery).await;
        attempt.end(self.went(&said));
        said
    }
}

impl fmt::Debug for CircuitBreaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreaker")
            .field("subscriptions", &self.subscriptions)
            .field("settings", &self.settings)
            .field("circuits", &self.circuits())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::is_like;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, name) in [
            ("a", "a"),
            ("*", ""),
            ("*", "a"),
            ("a*", "a"),
            ("*a", "ba"),
            ("a*b*c", "a-b-b-c"),
            ("a*a", "aa"),
        ] {
            assert!(is_like(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("a", "b"), ("", "a"), ("a*", "ba"), ("*a", "ab"), ("a*a", "a"), ("a*b*c", "a-c-b")]
        {
            assert!(!is_like(pattern, name), "{pattern} {name}");
        }
    }
}
