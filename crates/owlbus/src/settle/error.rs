//! What a handler fails with.

use std::{
    error::Error,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use crate::handle::panicked;

/// What a handler fails with: any error, and whether another attempt makes sense.
///
/// `?` turns every `std::error::Error` into one, of kind [`Unknown`](ErrorKind::Unknown). Errors that are none
/// themselves, such as `anyhow::Error` or a boxed one, go in by [`temporary`](HandlerError::temporary) or
/// [`permanent`](HandlerError::permanent): `.map_err(HandlerError::temporary)?`. Like `anyhow::Error` this is not itself
/// a `std::error::Error`; [`source`](HandlerError::source) is.
#[derive(Clone)]
pub struct HandlerError(Box<Inner>);

/// In a place of its own, so that what handlers return is small.
#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    /// How long to wait for the next attempt, where it is known.
    after: Option<Duration>,
    /// Shared by the deliveries of a batch that failed as a whole.
    source: Arc<dyn Error + Send + Sync>,
}

/// Whether another attempt makes sense.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// It may go well next time: a service that does not answer, a lock that is taken.
    Temporary,
    /// It will fail again: data that makes no sense.
    Permanent,
    /// Nobody said.
    #[default]
    Unknown,
}

impl HandlerError {
    /// An error after which another attempt makes sense.
    pub fn temporary(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Temporary, source.into())
    }

    /// An error after which no other attempt makes sense.
    pub fn permanent(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Permanent, source.into())
    }

    fn new(kind: ErrorKind, source: Box<dyn Error + Send + Sync>) -> Self {
        Self(Box::new(Inner { kind, after: None, source: source.into() }))
    }

    /// The same error, and when to try again: what a service says that is too busy, for instance. Where the subscription's
    /// [`Retry`](super::Retry) allows another attempt, it comes after so long. Default: as long as the policy says.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.0.after = Some(after);
        self
    }

    /// Whether another attempt makes sense.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The error itself.
    #[must_use]
    pub fn source(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.0.source
    }

    /// The error and everything that caused it, as one sentence.
    #[must_use]
    pub fn chain(&self) -> String {
        self.each().collect::<Vec<_>>().join(": ")
    }

    /// The error and everything that caused it. Their `Display` is code of the user, and may panic.
    pub(crate) fn sentences(&self) -> Vec<String> {
        catch_unwind(AssertUnwindSafe(|| self.each().collect()))
            .unwrap_or_else(|panic| vec![format!("an error that cannot be shown: it {}", panicked(panic))])
    }

    fn each(&self) -> impl Iterator<Item = String> {
        let mut next: Option<&(dyn Error + 'static)> = Some(&*self.0.source);
        std::iter::from_fn(move || {
            let error = next?;
            next = error.source();
            Some(error.to_string())
        })
    }

    /// How long to wait for the next attempt, where it says so.
    pub(crate) fn after(&self) -> Option<Duration> {
        self.0.after
    }

    /// An error of another kind, where somebody knows better.
    pub(crate) fn of_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for HandlerError {
    fn from(source: E) -> Self {
        Self::new(ErrorKind::Unknown, Box::new(source))
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.source.fmt(f)
    }
}

impl fmt::Debug for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HandlerError").field(&self.0.kind).field(&self.0.source).finish()
    }
}
