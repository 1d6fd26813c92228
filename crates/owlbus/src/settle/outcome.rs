//! What became of one delivery.

use std::time::Duration;

use super::HandlerError;
use crate::event::{Event, IntoEvent};

/// What became of one delivery, in the words of its handler.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The event was handled.
    Done,
    /// The event was none of this handler's business.
    Skipped,
    /// The event is to be handled again, as the subscription's [`Retry`](super::Retry) allows.
    Retry {
        /// After so long. Default: as long as the policy says.
        after: Option<Duration>,
    },
    /// The event cannot be handled, now or ever.
    Dead {
        /// Why, for people.
        reason: String,
    },
}

/// What a handler may return: nothing, `Result<(), HandlerError>`, an [`Outcome`], or a `Result` of one.
///
/// Or a `Result` of what can be published: where the event it handled wants a reply, that is the reply, published before the
/// delivery is settled as `Done`; as with [`Delivery::reply`](crate::Delivery::reply), it has failed where that fails. Where
/// nobody wants a reply, it is let go.
#[diagnostic::on_unimplemented(
    message = "a handler cannot return `{Self}`",
    note = "return `Result<(), HandlerError>`, an `Outcome`, a `Result<Outcome, HandlerError>`, a `Result` of an event to reply with, or nothing",
    note = "`?` turns every `std::error::Error` into a `HandlerError`; for `anyhow::Error` and boxed errors use `.map_err(HandlerError::temporary)` or `permanent`"
)]
pub trait IntoOutcome {
    /// Whether there may be a reply in it.
    #[doc(hidden)]
    const REPLIES: bool = false;

    /// The outcome, or the error of this attempt.
    ///
    /// # Errors
    ///
    /// What the handler failed with.
    fn into_outcome(self) -> Result<Outcome, HandlerError>;

    /// The same, and the reply, where one is wanted.
    #[doc(hidden)]
    fn into_answer(self, _wanted: bool) -> (Result<Outcome, HandlerError>, Option<Event>)
    where
        Self: Sized,
    {
        (self.into_outcome(), None)
    }
}

impl IntoOutcome for () {
    fn into_outcome(self) -> Result<Outcome, HandlerError> {
        Ok(Outcome::Done)
    }
}

impl IntoOutcome for Outcome {
    fn into_outcome(self) -> Result<Outcome, HandlerError> {
        Ok(self)
    }
}

impl IntoOutcome for Result<Outcome, HandlerError> {
    fn into_outcome(self) -> Result<Outcome, HandlerError> {
        self
    }
}

impl IntoOutcome for Result<(), HandlerError> {
    fn into_outcome(self) -> Result<Outcome, HandlerError> {
        self.map(|()| Outcome::Done)
    }
}

impl<R: IntoEvent> IntoOutcome for Result<R, HandlerError> {
    const REPLIES: bool = true;

    fn into_outcome(self) -> Result<Outcome, HandlerError> {
        self.map(|_| Outcome::Done)
    }

    fn into_answer(self, wanted: bool) -> (Result<Outcome, HandlerError>, Option<Event>) {
        match self {
            Ok(reply) => (Ok(Outcome::Done), wanted.then(|| reply.into_event())),
            Err(error) => (Err(error), None),
        }
    }
}
