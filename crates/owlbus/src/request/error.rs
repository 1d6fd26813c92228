//! Why there is no answer.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    accept::PublishError,
    event::{ContentError, Escaped, Event},
    settle::{Cycle, Settled, Settlement},
    topic::TopicError,
};

/// Why a request has no answer. The event comes back as it was given, to be looked at or asked again.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// No subscription wanted the event, or none that its filter let through.
    #[error("{event} was not answered: no subscription asks for it; subscribe before it is requested")]
    NoHandler {
        /// The event.
        event: Event,
    },
    /// The event could not be published.
    #[error(transparent)]
    Publish(PublishError),
    /// No answer came in time.
    #[error(
        "{event} was not answered within {after:?}{}; wait longer, or see what keeps its handlers",
        Names(" by ", unfinished)
    )]
    TimedOut {
        /// The event.
        event: Event,
        /// The time that was over.
        after: Duration,
        /// Names of the subscriptions that have not settled it yet.
        unfinished: Vec<Arc<str>>,
    },
    /// Every handler is through with the event, and none answered.
    #[error("{event} was not answered by any handler{}; answer with `Delivery::reply`", Ends(settled))]
    NoReply {
        /// The event.
        event: Event,
        /// What became of it in each subscription.
        settled: Vec<Settled>,
    },
    /// The handler that asks would wait for itself.
    #[error("a request was not answered: {}", Cycle { path: path.clone() })]
    Cycle {
        /// Names of the subscriptions that would wait for each other.
        path: Vec<Arc<str>>,
    },
    /// The answer is something else than was asked for.
    #[error("the answer {reply} cannot be read: {error}; ask for an `Event` to see it as it is")]
    Decode {
        /// The answer.
        reply: Event,
        /// What is wrong with it.
        #[source]
        error: ContentError,
    },
    /// The bus was shut down while the answer was waited for.
    #[error("{event} was not answered: the bus was closed; make requests before it shuts down")]
    Closed {
        /// The event.
        event: Event,
    },
}

impl From<PublishError> for RequestError {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Cycle { path, .. } => Self::Cycle { path },
            error => Self::Publish(error),
        }
    }
}

impl From<Cycle> for RequestError {
    fn from(Cycle { path }: Cycle) -> Self {
        Self::Cycle { path }
    }
}

impl fmt::Debug for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestError({self})")
    }
}

/// Why a wait for an event ended without one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// No such event came in time.
    #[error(
        "no such event came within {after:?}; wait longer, or see whether it is published under that topic"
    )]
    TimedOut {
        /// The time that was over.
        after: Duration,
    },
    /// The bus was shut down: no such event comes any more.
    #[error("no such event came before the bus was closed; end such waits before it shuts down")]
    Closed,
    /// Whoever holds the handle may not have these events.
    #[error("{by}: {reason}; wait for less, or have it allowed")]
    Denied {
        /// The middleware that denies it.
        by: Arc<str>,
        /// Why.
        reason: String,
    },
    /// The history does not reach back to the receipt, and what is left of it has no such event: it may have come.
    #[error(
        "whether such an event came since the receipt is not known: the history does not reach back so far; give \
         it more room with `BusBuilder::history`, or wait sooner"
    )]
    Forgotten,
    /// A pattern is none.
    #[error(transparent)]
    Topic(#[from] TopicError),
}

/// Names of subscriptions, if there are any, after a word.
struct Names<'a>(&'a str, &'a [Arc<str>]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, name) in self.1.iter().enumerate() {
            let before = if number == 0 { self.0 } else { ", " };
            write!(f, "{before}`{}`", Escaped(name))?;
        }
        Ok(())
    }
}

/// How handlers were through with an event.
struct Ends<'a>(&'a [Settled]);

impl fmt::Display for Ends<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, Settled { subscription, settlement }) in self.0.iter().enumerate() {
            let before = if number == 0 { ": " } else { ", " };
            write!(f, "{before}`{}` ", Escaped(subscription))?;
            match settlement {
                Settlement::Done => f.write_str("is done with it")?,
                Settlement::Skipped => f.write_str("skipped it")?,
                Settlement::Coalesced => f.write_str("took another one of its key for it")?,
                Settlement::Expired => f.write_str("came to it too late")?,
                Settlement::Dead { reason } => write!(f, "failed ({})", Escaped(reason))?,
                Settlement::Dropped { reason } => write!(f, "dropped it ({})", reason.as_str())?,
            }
        }
        Ok(())
    }
}
