//! Failed attempts, as they are told to whoever asked for that.

use std::{fmt, future::Future, panic::AssertUnwindSafe, pin::Pin, sync::Arc, time::Duration};

use super::{Attempt, HandlerError, IntoOutcome, Said};
use crate::{
    event::{Escaped, Event},
    handle::panicked,
};

/// An attempt that failed, and what happens next.
#[derive(Clone)]
#[non_exhaustive]
pub struct Failure {
    /// The event.
    pub event: Event,
    /// Name of the subscription.
    pub subscription: Arc<str>,
    /// The attempt: its number, when it began, how long it took, and its errors in words.
    pub attempt: Attempt,
    /// The error itself.
    pub error: Arc<HandlerError>,
    /// What happens next.
    pub next: Next,
}

/// What happens after an attempt that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Next {
    /// The event is tried again.
    Retry {
        /// After so long.
        after: Duration,
    },
    /// It is a dead letter.
    Dead,
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure")
            .field("event", &self.event)
            .field("subscription", &self.subscription)
            .field("attempt", &self.attempt)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

/// What is called after a failed attempt; gives a future where there is something to wait for.
pub(crate) type OnError = Arc<dyn Fn(Failure) -> Option<Told> + Send + Sync>;

/// The rest of telling somebody.
pub(crate) type Told = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A function that is told of failures, and whose own failure changes nothing.
pub(crate) fn tells<R: IntoOutcome>(tell: impl Fn(Failure) -> R + Send + Sync + 'static) -> OnError {
    Arc::new(move |failure| {
        let subscription = Arc::clone(&failure.subscription);
        let told = std::panic::catch_unwind(AssertUnwindSafe(|| tell(failure).into_outcome()));
        match told {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => failed(&subscription, &error.sentences().join(": ")),
            Err(panic) => failed(&subscription, &panicked(panic)),
        }
        None
    })
}

/// The same for a function that awaits.
pub(crate) fn tells_async<F>(tell: impl Fn(Failure) -> F + Send + Sync + 'static) -> OnError
where
    F: Future<Output: IntoOutcome> + Send + 'static,
{
    let tell = Arc::new(tell);
    Arc::new(move |failure| {
        let (tell, subscription) = (Arc::clone(&tell), Arc::clone(&failure.subscription));
        Some(Box::pin(async move {
            let told = crate::handle::contained(async { tell(failure).await.into_outcome() }).await;
            if let Said::Failed(told) = told {
                failed(&subscription, &told.error.sentences().join(": "));
            }
        }))
    })
}

fn failed(subscription: &str, error: &str) {
    tracing::warn!(subscription = %Escaped(subscription), error = %Escaped(error), "an on_error function failed");
}
